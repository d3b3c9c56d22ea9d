"""Decisions that ship a parcel and tell the platform, and those over what was shipped."""

from typing import Any

import msgspec

from domain import guards
from domain.change import Change, NewEffect
from domain.commands.backwards import closing, ended
from domain.commands.context import Arguments, Context, Decision, moved_to, one_event
from domain.commands.printing import allocated
from domain.commands.waybill import void_live
from domain.enums import Flag, Op, Stage, Status, Submission
from domain.facts import OrderFacts, ShipmentFacts
from domain.guards import first
from domain.results import Refused
from domain.words import _


def push_early(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """T9: tell the platform the number before the goods leave; stage, stock and paper stay as they are."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.WAYBILL, Stage.TO_PRINT),
        guards.in_status(f, {Status.OBTAINED, Status.IN_STOCK, Status.OUT_OF_STOCK}),
        guards.not_held(f),
        guards.unblocked(f),
    )
    if refused:
        return refused
    if not f.shop.capabilities.push_early:
        return Refused("not_supported", _("The platform takes no number before the parcel leaves."))
    if f.waybill is None or not f.waybill.number:
        return Refused("no_waybill", _("There is no number to send."))
    if any(e.op is Op.PUSH for e in f.effects):
        return Refused("push_pending", _("It is already being sent to the platform."))
    untold = [o for o in f.orders if o.submission in {Submission.NONE, Submission.FAILED}]
    if not untold:
        return Refused("already_told", _("The platform already has the number."))
    return Change(
        effects=_pushes(f, x, [o.id for o in untold], early=True), events=one_event("push_queued", early=True)
    )


def _pushes(f: ShipmentFacts, x: Context, order_ids: list[int], *, early: bool) -> tuple[NewEffect, ...]:
    return tuple(
        NewEffect(
            Op.PUSH,
            f"shop:{f.shop.id}",
            f"push:{f.id}:{order_id}:{f.effect_count}",
            order_id=order_id,
            payload={"early": early},
            delay_ms=x.grace_ms,
        )
        for order_id in order_ids
    )


def ship(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """T11, T12: to print *in stock* → shipped; stock is deducted here, once, and what is untold is queued."""
    started = {Status.CHECKING} if x.checked else {Status.IN_STOCK}
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.TO_PRINT),
        Refused("out_of_stock", _("It is out of stock: move it to in stock first."))
        if f.stage is Stage.TO_PRINT and f.status is Status.OUT_OF_STOCK
        else None,
        guards.in_status(f, started),
        guards.not_held(f),
        Refused("shipped_elsewhere", _("The platform says it was shipped already, and not by us."))
        if len(guards.shipped_elsewhere(f)) == len(f.orders)
        else None,
        guards.unblocked(f, close_refunds=bool(a.get("close_refunds"))),
    )
    if refused:
        return refused
    if not f.printed and not f.shop.settings.ship_without_printing:
        return Refused("not_printed", _("Its label was not printed."))
    capabilities = f.shop.capabilities
    checks = capabilities.check_before_ship and f.shop.settings.check_before_ship
    unchecked = x.unchecked or (checks and not x.checked and f.shop.settings.ship_unchecked and f.shop.id in x.silent)
    if checks and not x.checked and not unchecked:
        return Change(
            set=moved_to(Stage.TO_PRINT, Status.CHECKING),
            effects=(
                NewEffect(
                    Op.CHECK,
                    f"shop:{f.shop.id}",
                    f"check:{f.id}:{f.effect_count}",
                    payload={"grace_ms": x.grace_ms, "close_refunds": bool(a.get("close_refunds"))},
                ),
            ),
            events=one_event("ship_checking"),
        )
    tell = (
        [o.id for o in f.orders if o.submission is not Submission.DONE or _outdated(f, o)] if capabilities.push else []
    )
    pending = any(e.op is Op.PUSH for e in f.effects)
    return Change(
        set=moved_to(
            Stage.SHIPPED,
            Status.PUSHING if tell or pending else Status.SUCCEEDED,
            shipped_at=x.now,
            deducted=1,
            unchecked=int(unchecked),
            flags=int(f.flags & ~Flag.TOLD_NOT_SENT),
            code="",
            reason="",
        ),
        deduct=True,
        effects=_pushes(f, x, tell, early=False),
        events=one_event("shipped", unchecked=True) if unchecked else one_event("shipped"),
    )


def _outdated(f: ShipmentFacts, order: OrderFacts) -> bool:
    """The platform was told a number that is no longer the parcel's, and takes a correction."""
    if not f.shop.capabilities.update_tracking or f.waybill is None or not order.told:
        return False
    return order.told not in {f.waybill.number, f.waybill.tracking}


def unship_check(f: ShipmentFacts, code: str, reason: str) -> Change:
    """The live check said no: back to where it was, with the reason; to its end, if that is what was read."""
    refused = one_event("ship_refused", code=code)
    status = ended(f)
    if status is not None and (status is Status.ELSEWHERE or f.shop.settings.close_on_cancel):
        finished = closing(f, status)
        return msgspec.structs.replace(finished, events=refused + finished.events)
    return Change(set=moved_to(Stage.TO_PRINT, Status.IN_STOCK, code=code, reason=reason), events=refused)


def retry(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """T17: tell the platform again, only the orders that failed; stock is not touched."""
    refused = first(
        guards.bound(f), guards.in_stage(f, Stage.SHIPPED), guards.in_status(f, {Status.FAILED, Status.IGNORED})
    )
    if refused:
        return refused
    failed = [o.id for o in f.orders if o.submission is Submission.FAILED]
    if not failed:
        return Refused("nothing_failed", _("No push of it failed."))
    if any(e.op is Op.PUSH for e in f.effects):
        return Refused("push_pending", _("It is already being sent to the platform."))
    return Change(
        set=moved_to(Stage.SHIPPED, Status.PUSHING, code="", reason=""),
        submissions={o: {"state": Submission.NONE.value, "code": "", "reason": ""} for o in failed},
        effects=_pushes(f, x, failed, early=False),
        events=one_event("push_queued", again=True),
    )


def ignore(f: ShipmentFacts, _a: Arguments, _x: Context) -> Decision:
    """T15: clear the notice; the history keeps the reason."""
    refused = first(
        guards.bound(f), guards.in_stage(f, Stage.SHIPPED), guards.in_status(f, {Status.FAILED, Status.UNKNOWN})
    )
    if refused:
        return refused
    if refused := guards.nothing_under_way(f, Op.PUSH):
        return refused
    return Change(
        set=moved_to(Stage.SHIPPED, Status.IGNORED, code="", reason=""),
        events=one_event("push_ignored", code=f.code),
    )


def recall(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """Bring a shipped parcel back before the courier took it: to print again, or closed with its number voided."""
    refused = first(guards.bound(f), guards.in_stage(f, Stage.SHIPPED))
    if refused:
        return refused
    if f.status in {Status.OUTSIDE, Status.ELSEWHERE} or f.shipped_at is None:
        return Refused("not_ours", _("It was not shipped from here."))
    if f.collected_at is not None:
        return Refused("collected", _("The courier has it."))
    if refused := guards.nothing_under_way(f, Op.PUSH):
        return refused
    told = any(o.submission in {Submission.DONE, Submission.TRACKING_SENT} for o in f.orders)
    flags = f.flags | Flag.TOLD_NOT_SENT if told else f.flags
    common: dict[str, Any] = {"shipped_at": None, "deducted": 0, "cycle": f.cycle + 1, "unchecked": 0}
    if str(a.get("to", "to_print")) == "to_print":
        for variant, pieces in f.taken.items():
            x.stock[variant, f.warehouse_id] = x.stock.get((variant, f.warehouse_id), 0) + pieces
        again = allocated(f, x)
        return msgspec.structs.replace(
            again,
            set={**again.set, **common, "flags": int(flags)},
            give_back=True,
            withdraw=frozenset({Op.PUSH}),
            events=one_event("recalled", to="to_print") + again.events,
        )
    void_change = void_live(f, x.grace_ms)
    return msgspec.structs.replace(
        void_change,
        set=moved_to(Stage.CLOSED, Status.DISCARDED, flags=int(flags), **common),
        give_back=True,
        withdraw=void_change.withdraw | {Op.PUSH},
        events=one_event("recalled", to="closed") + void_change.events,
    )


def collect(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """The courier took it."""
    refused = first(guards.bound(f), guards.in_stage(f, Stage.SHIPPED))
    if refused:
        return refused
    if f.collected_at is not None:
        return Refused("collected", _("The courier has it."))
    courier = str(a.get("courier", ""))
    return Change(set={"collected_at": x.now, "collected_by": x.who, "courier": courier}, events=one_event("collected"))
