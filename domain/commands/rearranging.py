"""Decisions over what is in the box: keep it as it is, split, unmerge, take an order out, merge."""

from typing import Any

from domain import guards
from domain.change import Change
from domain.commands.context import Arguments, Context, Decision, before_shipped, one_event
from domain.commands.printing import allocated
from domain.commands.waybill import fit_lines
from domain.enums import Flag, Op, Stage, Status, Submission
from domain.facts import ShipmentFacts
from domain.guards import first
from domain.results import Refused
from domain.words import _


def keep(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """Ship with the label as it is although the platform changed lines or address."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.WAYBILL, Stage.TO_PRINT),
        guards.nothing_under_way(f, Op.CHECK),
    )
    if refused:
        return refused
    if not f.flags & (Flag.LINES_CHANGED | Flag.LABEL_STALE) or f.waybill is None:
        return Refused("nothing_changed", _("Nothing about it changed since its label was made."))
    fitted = fit_lines(f)
    if isinstance(fitted, Refused):
        return fitted
    lines, after = fitted
    stock = Change()
    if f.status is Status.IN_STOCK:
        for variant, held in f.allocated.items():
            x.stock[variant, f.warehouse_id] = x.stock.get((variant, f.warehouse_id), 0) + held
        stock = allocated(after, x)
    return Change(
        set={**stock.set, "flags": int(f.flags & ~(Flag.LINES_CHANGED | Flag.LABEL_STALE) | Flag.KEPT)},
        lines=lines,
        release=bool(f.allocated),
        allocate=stock.allocate,
        waybills={f.waybill.id: {"address_print": after.address_print, "lines_print": after.lines_print}},
        events=one_event("kept"),
    )


def split(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """Move quantities of lines into a new shipment of the same stage. `a["lines"]` maps order line ids to pieces."""
    if refused := _rearrangeable(f):
        return refused
    wanted = {int(k): int(v) for k, v in dict(a.get("lines", {})).items()}
    have = {line.order_line_id: line.quantity for line in f.lines}
    if not wanted or any(q <= 0 or q > have.get(line, 0) for line, q in wanted.items()):
        return Refused("bad_split", _("Name lines of this shipment with quantities it holds."), "lines")
    if sum(wanted.values()) >= sum(have.values()):
        return Refused("empty_split", _("Something must remain in the shipment."), "lines")
    return Change(
        set={"flags": int(f.flags | Flag.SPLIT)},
        lines={line: have[line] - q for line, q in wanted.items()},
        split_off=(wanted,),
        events=one_event("split", lines=wanted),
    )


def _rearrangeable(f: ShipmentFacts) -> Refused | None:
    return first(
        guards.bound(f),
        guards.in_stage(f, Stage.REVIEW, Stage.PROCESSING),
        Refused("told_platform", _("The platform already has a tracking number."))
        if any(o.submission is not Submission.NONE for o in f.orders)
        else None,
    )


def unmerge(f: ShipmentFacts, _a: Arguments, _x: Context) -> Decision:
    """Give every order but the first its own shipment again."""
    if refused := _rearrangeable(f):
        return refused
    if len(f.orders) < 2:
        return Refused("not_merged", _("It holds one order only."))
    others = [o.id for o in f.orders if o.id != f.order_id]
    parts = tuple({ln.order_line_id: ln.quantity for ln in f.lines if ln.order_id == o} for o in others)
    return Change(
        set={"flags": int(f.flags & ~Flag.MERGED)},
        lines={line: 0 for part in parts for line in part},
        split_off=parts,
        events=one_event("unmerged", orders=others),
    )


def take_out(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """Remove one order's lines from a merged shipment into a review shipment of their own."""
    refused = first(guards.bound(f), before_shipped(f))
    if refused:
        return refused
    order_id = int(a["order_id"])
    mine = {ln.order_line_id: ln.quantity for ln in f.lines if ln.order_id == order_id}
    if not mine or len(f.orders) < 2:
        return Refused("not_in_it", _("That order is not merged into this shipment."))
    if refused := first(guards.untold(f), guards.nothing_under_way(f, Op.REQUEST_WAYBILL, Op.PRINT, Op.CHECK)):
        return refused
    flags = f.flags if len(f.orders) > 2 else f.flags & ~Flag.MERGED
    if f.waybill is not None:
        flags |= Flag.LINES_CHANGED
    changed: dict[str, Any] = {"flags": int(flags)}
    if order_id == f.order_id:
        changed["order_id"] = next(o.id for o in f.orders if o.id != order_id)
    return Change(
        set=changed,
        lines=dict.fromkeys(mine, 0),
        split_off=(mine,),
        split_to_review=True,
        events=one_event("order_taken_out", order=order_id),
    )


def merge_refusal(target: ShipmentFacts, other: ShipmentFacts) -> Refused | None:
    """May `other` go into the same box as `target`?"""
    refused = first(_rearrangeable(target), _rearrangeable(other), guards.not_held(target), guards.not_held(other))
    if refused:
        return refused
    if target.shop.id != other.shop.id:
        return Refused("other_shop", _("They are of different shops."))
    if not target.shop.capabilities.merge:
        return Refused("not_supported", _("The platform does not take one number for several orders."))
    for order in (*target.orders, *other.orders):
        if order.dead:
            return guards.payable(target) or guards.payable(other)
    if target.stage is not other.stage:
        return Refused("other_stage", _("They are in different stages."))
    if target.address_print != other.address_print:
        return Refused("other_address", _("They go to different addresses."))
    if {o.payment for o in target.orders} != {o.payment for o in other.orders}:
        return Refused("other_payment", _("They are paid in different ways."))
    if {o.currency for o in target.orders} != {o.currency for o in other.orders}:
        return Refused("other_currency", _("They are in different currencies."))
    return None
