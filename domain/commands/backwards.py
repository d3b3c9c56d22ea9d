"""Decisions that give up what was reached before shipping: a number, a stage, or the whole shipment."""

import msgspec

from domain import guards
from domain.change import Change
from domain.commands.context import Arguments, Context, Decision, before_shipped, moved_to, one_event
from domain.commands.review import readiness
from domain.commands.waybill import fit_lines, void_effect, void_live
from domain.enums import STATUSES, Flag, Op, OrderStatus, PrintState, Stage, Status, Submission, WaybillState
from domain.facts import ShipmentFacts
from domain.guards import first
from domain.results import Refused
from domain.words import _


def void(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """Void the number: back to processing. On a void that failed: try it again."""
    if refused := guards.bound(f):
        return refused
    waiting = [w for w in f.voiding if w.number]
    if f.waybill is None and waiting and not any(e.op is Op.VOID_WAYBILL for e in f.effects):
        return Change(
            effects=tuple(void_effect(f, w, x.grace_ms) for w in waiting),
            events=one_event("void_requested", number=waiting[0].number),
        )
    if f.waybill is None:
        return Refused("no_waybill", _("It has no number to void."))
    return back(f, {}, x)


def abandon(f: ShipmentFacts, _a: Arguments, _x: Context) -> Decision:
    """Give up a number that cannot be voided (or that nobody knows of), so that a new one may be asked for."""
    if refused := guards.bound(f):
        return refused
    lost = list(f.voiding)
    if f.waybill and f.waybill.state in {WaybillState.UNKNOWN, WaybillState.WAITING}:
        lost.append(f.waybill)
    if not lost:
        return Refused("nothing_to_abandon", _("No number of it waits for its void or is unknown."))
    if any(e.op in {Op.VOID_WAYBILL, Op.REQUEST_WAYBILL} and e.state.value == "running" for e in f.effects):
        return Refused("effect_running", _("The carrier is being asked this moment; try again."))
    moved = {}
    events = one_event("waybill_abandoned", numbers=[w.number or w.reference for w in lost])
    if f.stage is Stage.WAYBILL and f.status is Status.CLOSING:
        # It closes for the sake of that number only.
        rest = tuple(w for w in f.waybills if w not in lost)
        finished = closing(msgspec.structs.replace(f, waybills=rest), Status(f.code), f.reason)
        moved, events = dict(finished.set), events + finished.events
    elif f.stage is Stage.WAYBILL and f.status in {Status.UNKNOWN, Status.WAITING}:
        moved = moved_to(Stage.WAYBILL, Status.FAILED, code="abandoned", reason=_("The number was abandoned."))
    return Change(
        set=moved,
        waybills={w.id: {"state": WaybillState.ABANDONED.value} for w in lost},
        withdraw=frozenset({Op.VOID_WAYBILL, Op.REQUEST_WAYBILL}),
        events=events,
    )


def back(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """Send back one stage (or to review): allocation released, number voided."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.PROCESSING, Stage.WAYBILL, Stage.TO_PRINT),
        guards.in_status(f, {Status.FAILED, Status.OBTAINED}) if f.stage is Stage.WAYBILL else None,
        guards.in_status(f, {Status.IN_STOCK, Status.OUT_OF_STOCK}) if f.stage is Stage.TO_PRINT else None,
        guards.untold(f),
        guards.nothing_under_way(f, Op.PUSH, Op.PRINT),
    )
    if refused:
        return refused
    to_review = f.stage is Stage.PROCESSING or a.get("to") == "review"
    fresh = msgspec.structs.replace(f, flags=f.flags & ~(Flag.LABEL_STALE | Flag.LINES_CHANGED | Flag.KEPT))
    fitted = fit_lines(f) if f.stage is not Stage.PROCESSING else ({}, f)
    if isinstance(fitted, Refused):
        return fitted
    target = (Stage.REVIEW, Status.OPEN) if to_review else (Stage.PROCESSING, readiness(fresh, f.service))
    undone = void_live(f, x.grace_ms)
    return msgspec.structs.replace(
        undone,
        set=moved_to(
            *target, flags=int(fresh.flags), print_state=PrintState.NONE.value, printed_at=None, code="", reason=""
        ),
        lines=fitted[0],
        release=bool(f.allocated),
        withdraw=undone.withdraw | {Op.PUSH},
        events=one_event("sent_back", to=target[0].word) + undone.events,
    )


def close(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """Close before shipping: allocation released, number voided; an answer under way is voided when it comes."""
    refused = first(guards.bound(f), before_shipped(f))
    if refused:
        return refused
    if f.status is Status.CLOSING:
        return Refused("closing", _("It closes as soon as the carrier has answered."))
    if refused := guards.nothing_under_way(f, Op.PUSH, Op.CHECK):
        return refused
    status = Status(a.get("status", Status.DISCARDED.value))
    if status not in STATUSES[Stage.CLOSED]:
        return Refused("bad_argument", _("Nothing is closed as {status}.").format(status=status.value), "status")
    return closing(f, status, str(a.get("reason", "")), x.grace_ms)


def ended(f: ShipmentFacts) -> Status | None:
    """How the platform ended all of its orders (*cancelled*, *refunded* or shipped *elsewhere*), or None."""
    dead = [o for o in f.orders if o.dead]
    elsewhere = guards.shipped_elsewhere(f)
    if len(dead) + len(elsewhere) < len(f.orders):
        return None
    if elsewhere:
        return Status.ELSEWHERE
    return Status.REFUNDED if dead[0].status is OrderStatus.REFUNDED else Status.CANCELLED


def closing(f: ShipmentFacts, status: Status, reason: str = "", delay_ms: int = 0) -> Change:
    """How a shipment ends, whoever ends it. While a carrier is being asked it is *closing* until the answer.

    What was shipped elsewhere ends among the shipped, everything else among the closed.
    """
    told = any(o.submission in {Submission.DONE, Submission.TRACKING_SENT} for o in f.orders)
    elsewhere = status is Status.ELSEWHERE
    flags = f.flags & ~Flag.STOPPED if elsewhere else f.flags | Flag.STOPPED
    if told:
        flags |= Flag.TOLD_NOT_SENT
    if f.print_state is not PrintState.NONE:
        flags |= Flag.PULL
    live = f.waybill
    asked = live is not None and live.state in {WaybillState.REQUESTING, WaybillState.WAITING, WaybillState.UNKNOWN}
    withdrawable = any(e.op is Op.REQUEST_WAYBILL and e.state.value == "queued" for e in f.effects)
    if asked and not (withdrawable and live is not None and live.state is WaybillState.REQUESTING):
        return Change(
            # Neither a hold nor a case may keep back the question what became of the number.
            set=moved_to(
                Stage.WAYBILL,
                Status.CLOSING,
                flags=int(flags & ~Flag.AFTER_SALE),
                hold_reason="",
                code=status.value,
                reason=reason,
            ),
            withdraw=frozenset({Op.PUSH, Op.CHECK}),
            events=one_event("closing", status=status.value),
        )
    undone = void_live(f, delay_ms)
    stage = Stage.SHIPPED if elsewhere else Stage.CLOSED
    return msgspec.structs.replace(
        undone,
        set=moved_to(stage, status, flags=int(flags), hold_reason="", code="", reason=reason),
        release=bool(f.allocated),
        withdraw=undone.withdraw | {Op.PUSH, Op.CHECK},
        events=(one_event("shipped_elsewhere") if elsewhere else one_event("closed", status=status.value))
        + undone.events,
    )
