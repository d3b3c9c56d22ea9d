"""What a restored database makes of an order that its platform calls shipped, though the backup knew it as open.

The machine that is gone shipped it after the backup: the parcel is on its way under the number the platform shows. To
take it for another program's work would void a number in use and leave the goods on the shelf of our books.
"""

from collections.abc import Mapping
from typing import Any

from domain.change import Change
from domain.clock import Instant
from domain.commands import readiness
from domain.commands.context import moved_to
from domain.enums import Flag, PrintState, Stage, Status, Submission, WaybillState
from domain.facts import ShipmentFacts


def shipped_since(
    f: ShipmentFacts, shown: Mapping[int, tuple[str, ...]], known: frozenset[str], now: Instant
) -> Change | None:
    """Book a shipment as shipped from here; None where it is not one of these.

    `shown` is what the platform shows of orders it calls shipped: our order id → tracking numbers. `known` are numbers
    that a waybill of ours holds already. Nothing is queued: the platform knows, and the carrier has the parcel.
    """
    alive = [o for o in f.orders if not o.dead]
    if f.stage >= Stage.SHIPPED or not alive or any(o.id not in shown for o in alive):
        return None
    numbers = [n for o in alive for n in shown[o.id]]
    flags = f.flags & ~Flag.STOPPED
    live, waybills = f.waybill, dict[int, Mapping[str, Any]]()
    ours = {live.number, live.tracking} - {""} if live is not None else set()
    if live is not None and not live.number:
        new = [n for n in dict.fromkeys(numbers) if n not in known]
        waybills[live.id] = (
            {"state": WaybillState.OBTAINED.value, "number": new[0], "obtained_at": now, "code": "", "reason": ""}
            if len(new) == 1
            else {"state": WaybillState.ABANDONED.value}
        )
    elif live is not None and numbers and not ours.intersection(numbers):
        flags |= Flag.ELSEWHERE
    for w in f.voiding:
        if live is None and w.number in numbers:
            # Its void was taken back before it was sent.
            waybills[w.id] = {"state": WaybillState.OBTAINED.value}
            break
    return Change(
        set=moved_to(
            Stage.SHIPPED,
            Status.SUCCEEDED,
            shipped_at=now,
            deducted=1,
            flags=int(flags),
            hold_reason="",
            code="",
            reason="",
        ),
        deduct=bool(f.allocated),
        waybills=waybills,
        submissions={
            o.id: {
                "state": Submission.DONE.value,
                "number": next((n for n in shown[o.id] if n in ours), next(iter(shown[o.id]), o.told)),
                "code": "",
                "reason": "",
            }
            for o in alive
        },
        events=(("shipped_since_backup", {"numbers": numbers}),),
    )


def number_void(f: ShipmentFacts, reason: str) -> Change | None:
    """The carrier says that a number we hold is void: it was voided after the backup, and needs a new one."""
    live = f.waybill
    if live is None or live.state is not WaybillState.OBTAINED or f.stage not in {Stage.WAYBILL, Stage.TO_PRINT}:
        return None
    return Change(
        set=moved_to(
            Stage.PROCESSING,
            readiness(f, f.service),
            flags=int(f.flags & ~(Flag.LABEL_STALE | Flag.LINES_CHANGED | Flag.KEPT)),
            print_state=PrintState.NONE.value,
            printed_at=None,
            code="waybill_void",
            reason=reason[:500],
        ),
        waybills={live.id: {"state": WaybillState.VOID.value}},
        release=bool(f.allocated),
        events=(("waybill_void", {"number": live.number}),),
    )
