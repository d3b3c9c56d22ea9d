"""What a platform's changes mean for a shipment (design §3, second table), as one pure decision over its facts.

It looks at what is, not at what happened: run again on the same facts it answers None, so a repeated or reordered
delivery changes nothing. What only the difference shows (an address changed after shipping, a raised quantity) comes
in as `Difference`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from domain.change import Change
from domain.commands import closing, ended, readiness
from domain.enums import DONE_ORDER, Flag, OrderStatus, Stage, Status, WaybillState
from domain.facts import ShipmentFacts
from domain.guards import shipped_elsewhere
from domain.settings import ShopSettings


class Difference(Struct, frozen=True):
    """What the newest version of an order changed, beside the facts themselves."""

    address: bool = False
    lines: bool = False
    left: bool = False
    """Pieces have left, from here or by other hands."""
    status: bool = False
    reopened: bool = False


def reconcile(f: ShipmentFacts, difference: Difference) -> Change | None:
    """The change that brings a shipment in line with what its platform says now, or None."""
    if f.stage is Stage.CLOSED:
        return None
    if f.stage is Stage.SHIPPED:
        return _shipped(f, difference)
    if (status := ended(f)) is not None:
        return _ended(f, status)
    flags = f.flags
    changes: dict[str, Any] = {}
    events: list[tuple[str, Mapping[str, Any]]] = []

    # A merged box of which the platform ended one order, or an order that came back.
    stopped = any(o.dead for o in f.orders) or bool(shipped_elsewhere(f))
    flags = flags | Flag.STOPPED if stopped else flags & ~Flag.STOPPED
    closing_down = f.status is Status.CLOSING
    if closing_down and f.code in _BY_PLATFORM and not stopped and f.waybill is not None:
        changes |= {"status": _ASKED[f.waybill.state].value, "code": "", "reason": ""}
        closing_down = False
    # What closes only waits for its number; a case must not keep the question for it back.
    case = not closing_down and any(o.after_sale for o in f.orders)
    flags = flags | Flag.AFTER_SALE if case else flags & ~Flag.AFTER_SALE
    unpaid = any(not o.payable and not o.dead for o in f.orders)
    flags = flags | Flag.UNPAID if unpaid else flags & ~Flag.UNPAID
    if all(line.matched for line in f.lines):
        flags &= ~Flag.UNMATCHED

    lines: dict[int, int] = {}
    early = f.stage in {Stage.REVIEW, Stage.PROCESSING}
    # Two addresses in one box: ours were merged as one, so this is new, or still what it was when it was new.
    stale = f.divided and (difference.address or Flag.LABEL_STALE in f.flags)
    if early:
        for line in f.lines:
            excess = line.assigned - line.allowed
            if excess > 0:
                lines[line.order_line_id] = max(0, line.quantity - excess)
        if lines and all(lines.get(ln.order_line_id, ln.quantity) == 0 for ln in f.lines):
            return closing(f, Status.EMPTY)
        if lines:
            events.append(("lines_lowered", {"lines": lines}))
    else:
        over = any(line.assigned > line.allowed for line in f.lines)
        if over and not (Flag.KEPT in f.flags and not (difference.lines or difference.left)):
            flags = (flags | Flag.LINES_CHANGED) & ~Flag.KEPT
        elif not over and f.waybill is not None and f.waybill.lines_print == f.lines_print:
            flags &= ~Flag.LINES_CHANGED
        stale = stale or (f.waybill is not None and f.waybill.address_print != f.address_print)
    flags = flags | Flag.LABEL_STALE if stale else flags & ~Flag.LABEL_STALE

    if difference.address and f.overlay:
        flags |= Flag.CHANGED
    if difference.address and early and not (f.overlay or f.divided):
        events.append(("address_taken_over", {}))
        if f.stage is Stage.PROCESSING:
            status = readiness(f, f.service)
            if status is not f.status:
                changes["status"] = status.value

    for bit, on, off in (
        (Flag.STOPPED, "order_stopped", "order_reopened"),
        (Flag.AFTER_SALE, "after_sale_opened", "after_sale_withdrawn"),
        (Flag.LINES_CHANGED, "lines_changed", "lines_agree"),
        (Flag.LABEL_STALE, "label_stale", "label_good"),
    ):
        if (flags ^ f.flags) & bit:
            events.append((on if flags & bit else off, {}))
    if flags != f.flags:
        changes["flags"] = int(flags)
    if not (changes or lines or events):
        return None
    return Change(set=changes, lines=lines, events=tuple(events))


_BY_PLATFORM = {Status.CANCELLED.value, Status.REFUNDED.value, Status.ELSEWHERE.value}
_ASKED = {
    WaybillState.REQUESTING: Status.REQUESTING,
    WaybillState.WAITING: Status.WAITING,
    WaybillState.UNKNOWN: Status.UNKNOWN,
    WaybillState.OBTAINED: Status.OBTAINED,
}
"""What a shipment is again when its order comes back before the number it was closing for."""


def _ended(f: ShipmentFacts, status: Status) -> Change | None:
    """The platform ended every order of it."""
    if f.status is Status.CLOSING:
        return None
    blocks_only = status is not Status.ELSEWHERE and not f.shop.settings.close_on_cancel
    if blocks_only or f.status is Status.CHECKING:
        # The check under way reads this very order, refuses, and ends the shipment.
        if Flag.STOPPED in f.flags:
            return None
        return Change(set={"flags": int(f.flags | Flag.STOPPED)}, events=(("order_stopped", {}),))
    return closing(f, status)


def _shipped(f: ShipmentFacts, difference: Difference) -> Change | None:
    """The goods are gone: only events and flags, the books stay as they are (ROA-06)."""
    flags = f.flags
    events: list[tuple[str, Mapping[str, Any]]] = []
    ours = f.status not in {Status.OUTSIDE, Status.ELSEWHERE}
    stopped = ours and any(o.dead for o in f.orders)
    flags = flags | Flag.STOPPED if stopped else flags & ~Flag.STOPPED
    case = any(o.after_sale for o in f.orders)
    flags = flags | Flag.AFTER_SALE if case else flags & ~Flag.AFTER_SALE
    if ours and (difference.address or difference.lines):
        flags |= Flag.CHANGED
        events.append(("changed_after_shipping", {"address": difference.address, "lines": difference.lines}))
    if (flags ^ f.flags) & Flag.STOPPED:
        events.append(("stopped_after_shipping" if stopped else "order_reopened", {}))
    if (flags ^ f.flags) & Flag.AFTER_SALE:
        events.append(("after_sale_opened" if case else "after_sale_withdrawn", {}))
    if flags == f.flags and not events:
        return None
    return Change(set={"flags": int(flags)} if flags != f.flags else {}, events=tuple(events))


class Birth(Struct, frozen=True):
    """The stage and status a freshly imported order's shipment begins in."""

    stage: Stage
    status: Status
    flags: Flag
    event: str


def born(
    status: OrderStatus,
    *,
    virtual: bool,
    payable: bool,
    after_sale: bool,
    note: bool,
    matched: bool,
    first_import: bool,
    settings: ShopSettings,
    first: Stage = Stage.REVIEW,
) -> Birth:
    """T1: where a new order's shipment starts. What is finished or dead on the platform queues and moves nothing.

    `first` is the stage its order type names (ROA-18); what approve would refuse waits in review all the same.
    """
    sender = not settings.semi_managed or (settings.sender_name and settings.sender_address)
    stops = _stops(settings.require_matched, settings.note_gate)
    return _born(
        status, virtual, payable, after_sale, note, matched, first_import, stops, first if sender else Stage.REVIEW
    )


@lru_cache
def _stops(require_matched: bool, note_gate: bool) -> Flag:
    stops = Flag.UNPAID | Flag.AFTER_SALE | Flag.FIRST_IMPORT
    stops |= Flag.UNMATCHED if require_matched else Flag(0)
    return stops | Flag.NOTE_UNREAD if note_gate else stops


# A first import asks the same few questions a hundred thousand times, and flags are slow to join.
@lru_cache(maxsize=1024)
def _born(
    status: OrderStatus,
    virtual: bool,
    payable: bool,
    after_sale: bool,
    note: bool,
    matched: bool,
    first_import: bool,
    stops: Flag,
    first: Stage,
) -> Birth:
    if status in DONE_ORDER:
        return Birth(Stage.SHIPPED, Status.OUTSIDE, Flag(0), "imported_shipped")
    if status is OrderStatus.REFUNDED:
        return Birth(Stage.CLOSED, Status.REFUNDED, Flag(0), "imported_closed")
    if status in {OrderStatus.CANCELLED, OrderStatus.DELETED}:
        return Birth(Stage.CLOSED, Status.CANCELLED, Flag(0), "imported_closed")
    if virtual:
        return Birth(Stage.CLOSED, Status.EMPTY, Flag(0), "imported_virtual")
    flags = Flag(0)
    for condition, bit in (
        (not payable, Flag.UNPAID),
        (after_sale, Flag.AFTER_SALE),
        (note, Flag.NOTE_UNREAD),
        (not matched, Flag.UNMATCHED),
        (first_import, Flag.FIRST_IMPORT),
    ):
        if condition:
            flags |= bit
    return Birth(Stage.REVIEW if flags & stops else first, Status.OPEN, flags, "imported")
