"""Every command of the pipeline as a pure decision over the facts of one shipment.

A decision answers `Change` (what to do, applied in one transaction) or `Refused` (a reason code and a sentence). It may
draw from `Context.stock`, the book of free pieces that all decisions of one transaction share. Stages and guards are
those of `docs/design.md` §3; T-numbers are transitions of Dianxiaomi's pipeline.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from domain import guards
from domain.change import Change, NewEffect, NewWaybill
from domain.clock import Instant
from domain.enums import (
    STATUSES,
    Flag,
    Op,
    OrderKind,
    OrderStatus,
    PrintState,
    Stage,
    Status,
    Submission,
    WaybillState,
)
from domain.facts import CustomsFacts, ServiceFacts, ShipmentFacts, WaybillFacts
from domain.guards import first
from domain.records import Address
from domain.results import Refused
from domain.words import _

Decision = Change | Refused


class Context(Struct):
    """What a decision may use beside the shipment itself."""

    now: Instant
    who: str
    install: str
    """A few characters that make our references unique among all databases of this seller."""
    stock: dict[tuple[int, int], int] = field(default_factory=dict)
    """(variant, warehouse) → free pieces; decisions of one transaction take from it in turn."""
    services: Mapping[int, ServiceFacts] = field(default_factory=dict)
    grace_ms: int = 0
    explicit: bool = True
    """The person named this very shipment (not everything that matches)."""
    checked: bool = False
    """A live read of the orders has just come back clean (ship)."""
    unchecked: bool = False
    """The platform could not be read; the shop allows to ship all the same."""
    printer_id: int = 0


Arguments = Mapping[str, Any]
Decide = Callable[[ShipmentFacts, Arguments, Context], Decision]


def _event(kind: str, **data: Any) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return ((kind, data),)


def _moved(stage: Stage, status: Status, **more: Any) -> dict[str, Any]:
    return {"stage": int(stage), "status": status.value, **more}


# ------------------------------------------------------------------ review


def approve(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """T2, T18: review → processing."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.REVIEW),
        guards.payable(f),
        guards.not_stopped(f),
        guards.not_held(f),
        _after_sale(f),
        guards.one_place(f),
        _cut_over(f, x),
        _matched(f),
        _sender(f),
        _note_read(f),
    )
    if refused:
        return refused
    return Change(set=_moved(Stage.PROCESSING, readiness(f, f.service), code="", reason=""), events=_event("approved"))


def _after_sale(f: ShipmentFacts) -> Refused | None:
    if Flag.AFTER_SALE in f.flags:
        return Refused("after_sale", _("The buyer has an open after-sale case."))
    return None


def _cut_over(f: ShipmentFacts, x: Context) -> Refused | None:
    if Flag.FIRST_IMPORT in f.flags and not x.explicit:
        return Refused(
            "first_import",
            _("Imported with the shop's first sync: say first whether these still are to be shipped (shop cut-over)."),
        )
    return None


def _matched(f: ShipmentFacts) -> Refused | None:
    if f.shop.settings.require_matched:
        for line in f.lines:
            if not line.matched:
                return Refused("unmatched", _("{line} has no product of ours.").format(line=line.sku or line.name))
    return None


def _sender(f: ShipmentFacts) -> Refused | None:
    s = f.shop.settings
    if s.semi_managed:
        for name in ("sender_name", "sender_address"):
            if not getattr(s, name):
                return Refused("sender_missing", _("Semi-managed shop: {field} is not set.").format(field=name), name)
    return None


def _note_read(f: ShipmentFacts) -> Refused | None:
    if f.shop.settings.note_gate and Flag.NOTE_UNREAD in f.flags:
        return Refused("note_unread", _("The buyer left a note nobody has read."))
    return None


def readiness(f: ShipmentFacts, service: ServiceFacts | None) -> Status:
    """*ready* when a service is chosen and the customs declaration, where needed, is complete."""
    if service is None or guards.service_fits(f, service) or guards.customs_complete(f, service):
        return Status.OPEN
    return Status.READY


def hold(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """Put aside with a reason; queued effects wait."""
    refused = first(guards.bound(f), _before_shipped(f))
    if refused:
        return refused
    reason = str(a.get("reason", "")).strip() or _("no reason given")
    return Change(set={"hold_reason": reason}, events=_event("held"))


def release(f: ShipmentFacts, _a: Arguments, _x: Context) -> Decision:
    """Take back from hold."""
    refused = first(guards.bound(f), _before_shipped(f))
    if refused:
        return refused
    if not f.held:
        return Refused("not_held", _("It is not held."))
    return Change(set={"hold_reason": ""}, events=_event("released"))


def _before_shipped(f: ShipmentFacts) -> Refused | None:
    return guards.in_stage(f, Stage.REVIEW, Stage.PROCESSING, Stage.WAYBILL, Stage.TO_PRINT)


def note(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """Our own remark; `read` marks the buyer's note as read."""
    if refused := guards.bound(f):
        return refused
    if a.get("read"):
        if Flag.NOTE_UNREAD not in f.flags:
            return Refused("nothing_unread", _("There is no unread note."))
        return Change(set={"flags": int(f.flags & ~Flag.NOTE_UNREAD)}, notes_read=True, events=_event("note_read"))
    return Change(note=str(a.get("text", "")), events=_event("remark_written"))


def flag(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """A colour from 1 to 10, 0 = none."""
    colour = int(a.get("colour", 0))
    if not 0 <= colour <= 10:
        return Refused("bad_colour", _("A flag is a number from 0 (none) to 10."), "colour")
    if refused := guards.bound(f):
        return refused
    return Change(set={"mark": colour}, events=_event("flagged", colour=colour))


def edit_address(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """An overlay on this shipment; the platform's version is kept beside it."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.REVIEW, Stage.PROCESSING, Stage.WAYBILL),
        guards.in_status(f, {Status.FAILED}) if f.stage is Stage.WAYBILL else None,
    )
    if refused:
        return refused
    if not f.shop.capabilities.edit_address:
        return Refused("address_locked", _("The platform does not allow another address."))
    fields: dict[str, str] = {k: str(v) for k, v in a.items() if k in Address.__struct_fields__}
    if "country" in fields:
        fields["country"] = fields["country"].upper()
    address = msgspec.structs.replace(f.address, **fields)
    if address == f.address:
        return Refused("unchanged", _("The address is the same as before."))
    after = msgspec.structs.replace(f, address=address)
    moved: dict[str, Any] = {"status": readiness(after, f.service).value} if f.stage is Stage.PROCESSING else {}
    if Flag.LABEL_STALE in f.flags:
        moved["flags"] = int(f.flags & ~Flag.LABEL_STALE)
    return Change(address=address, set=moved, events=_event("address_edited", fields=sorted(fields)))


# ------------------------------------------------------------------ processing


def assign(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """T3: choose a service; on a failed waybill this requests again in place."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.PROCESSING, Stage.WAYBILL),
        guards.in_status(f, {Status.FAILED}) if f.stage is Stage.WAYBILL else None,
        guards.not_held(f),
    )
    if refused:
        return refused
    service = x.services.get(int(a["service_id"]))
    if refused := guards.service_fits(f, service):
        return refused
    assert service is not None
    chosen = msgspec.structs.replace(f, service=service)
    event = _event("service_assigned", service=service.service.code, carrier=service.carrier_name)
    if f.stage is Stage.WAYBILL:
        again = request_waybill(chosen, a, x)
        if isinstance(again, Refused):
            return again
        return msgspec.structs.replace(again, set={**again.set, "service_id": service.id}, events=event + again.events)
    return Change(set={"service_id": service.id, "status": readiness(chosen, service).value}, events=event)


def declare_customs(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """T3: fill the customs declaration; missing parts come from the variant. `a["lines"]` may narrow it by SKU."""
    refused = first(guards.bound(f), guards.in_stage(f, Stage.PROCESSING), guards.not_held(f))
    if refused:
        return refused
    if f.service is not None and not f.service.service.cross_border:
        return Refused("no_customs", _("The service needs no customs declaration."))
    given = {k: v for k, v in a.items() if k in CustomsFacts.__struct_fields__ and v not in {"", None}}
    sku = str(a.get("sku", ""))
    declared = dict(f.customs)
    for line in f.lines:
        base = f.customs.get(line.order_line_id) or f.defaults.get(line.order_line_id) or CustomsFacts()
        mine = given if not sku or line.sku == sku else {}
        declared[line.order_line_id] = msgspec.structs.replace(base, **mine)
    after = msgspec.structs.replace(f, customs=declared)
    return Change(
        customs=declared, set={"status": readiness(after, f.service).value}, events=_event("customs_declared")
    )


def request_waybill(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """T4: ask the carrier for a number. On a stale label: void the old number and ask again, in that order."""
    refused = first(
        guards.bound(f), guards.in_stage(f, Stage.PROCESSING, Stage.WAYBILL, Stage.TO_PRINT), guards.not_held(f)
    )
    if refused:
        return refused
    again = f.stage is not Stage.PROCESSING and f.status is not Status.FAILED
    if again:
        if not f.flags & (Flag.LABEL_STALE | Flag.LINES_CHANGED):
            return Refused("has_waybill", _("It has a waybill, or one is being asked for."))
        return _request_again(f, x)
    refused = first(_sendable(f), _requestable(f))
    if refused:
        return refused
    return _request(f, x)


def _sendable(f: ShipmentFacts) -> Refused | None:
    """What the platform and the buyer may have against sending it at all."""
    return first(guards.payable(f), guards.not_stopped(f), _after_sale(f), guards.one_place(f))


def _requestable(f: ShipmentFacts) -> Refused | None:
    if f.service is not None and not f.service.service.has_number:
        return Refused("no_number_service", _("This service has no numbers: hand over without waybill."))
    if f.service is None and all(o.kind in {OrderKind.PICKUP, OrderKind.SAME_CITY} for o in f.orders):
        return Refused("no_waybill_needed", _("The buyer collects it: hand over without waybill."))
    if refused := guards.service_fits(f, f.service):
        return refused
    assert f.service is not None
    refused = first(guards.customs_complete(f, f.service), guards.address_complete(f.address))
    if refused:
        return refused
    if f.voiding and not f.service.fresh_reference and not any(e.op is Op.VOID_WAYBILL for e in f.effects):
        return Refused("void_pending", _("The old number is not void yet: void it again or abandon it."))
    return None


def _request(f: ShipmentFacts, x: Context) -> Change:
    assert f.service is not None
    generation = 1 + max((w.generation for w in f.waybills), default=0)
    reference = f"{x.install}-{f.name}" + (f"R{generation}" if generation > 1 else "")
    return Change(
        set=_moved(Stage.WAYBILL, Status.REQUESTING, code="", reason="", flags=int(f.flags & ~Flag.LABEL_STALE)),
        new_waybill=NewWaybill(
            generation, f.service.carrier_id, f.service.id, reference, f.address_print, f.lines_print
        ),
        effects=(
            NewEffect(
                Op.REQUEST_WAYBILL,
                f"carrier:{f.service.carrier_id}",
                f"waybill:{f.id}:{generation}",
                for_new_waybill=True,
            ),
        ),
        events=_event("waybill_requested", reference=reference, service=f.service.service.code),
    )


def _request_again(f: ShipmentFacts, x: Context) -> Decision:
    refused = first(
        guards.in_status(f, {Status.OBTAINED, Status.IN_STOCK, Status.OUT_OF_STOCK}),
        guards.untold(f),
        guards.nothing_under_way(f, Op.PRINT, Op.PUSH, Op.CHECK),
        _sendable(f),
        _requestable(f),
    )
    if refused:
        return refused
    fitted = fit_lines(f)
    if isinstance(fitted, Refused):
        return fitted
    lines, f = fitted
    void = _void_live(f, x.grace_ms)
    asked = _request(f, x)
    return msgspec.structs.replace(
        asked,
        set={
            **asked.set,
            "flags": int(f.flags & ~(Flag.LABEL_STALE | Flag.LINES_CHANGED | Flag.KEPT)),
            "print_state": PrintState.NONE.value,
            "printed_at": None,
        },
        lines=lines,
        waybills=void.waybills,
        effects=void.effects + asked.effects,
        events=void.events + asked.events,
        release=bool(f.allocated),
    )


def fit_lines(f: ShipmentFacts) -> tuple[dict[int, int], ShipmentFacts] | Refused:
    """Lower this shipment's quantities to what the platform still allows; refused when nothing would remain."""
    lowered: dict[int, int] = {}
    kept = []
    for line in f.lines:
        quantity = max(0, line.quantity - max(0, line.assigned - line.allowed))
        if quantity != line.quantity:
            lowered[line.order_line_id] = quantity
        if quantity:
            kept.append(msgspec.structs.replace(line, quantity=quantity))
    if not kept:
        return Refused("nothing_left", _("Nothing of it is left to ship: close it."))
    return lowered, msgspec.structs.replace(f, lines=tuple(kept))


def _void_live(f: ShipmentFacts, delay_ms: int = 0) -> Change:
    """Void whatever number the shipment has; one that was never asked for is simply withdrawn."""
    live = f.waybill
    if live is None:
        return Change()
    queued = any(e.op is Op.REQUEST_WAYBILL and e.state.value == "queued" for e in f.effects)
    if live.state is WaybillState.REQUESTING and queued:
        return Change(waybills={live.id: {"state": WaybillState.VOID.value}}, withdraw=frozenset({Op.REQUEST_WAYBILL}))
    if not live.number:
        return Change(waybills={live.id: {"state": WaybillState.VOIDING.value}})
    return Change(
        waybills={live.id: {"state": WaybillState.VOIDING.value}},
        effects=(_void_effect(f, live, delay_ms),),
        events=_event("void_requested", number=live.number),
    )


def _void_effect(f: ShipmentFacts, w: WaybillFacts, delay_ms: int) -> NewEffect:
    key = f"void:{w.id}:{f.effect_count}"
    return NewEffect(Op.VOID_WAYBILL, f"carrier:{w.carrier_id}", key, waybill_id=w.id, delay_ms=delay_ms)


def void(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """Void the number: back to processing. On a void that failed: try it again."""
    if refused := guards.bound(f):
        return refused
    waiting = [w for w in f.voiding if w.number]
    if f.waybill is None and waiting and not any(e.op is Op.VOID_WAYBILL for e in f.effects):
        return Change(
            effects=tuple(_void_effect(f, w, x.grace_ms) for w in waiting),
            events=_event("void_requested", number=waiting[0].number),
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
    events = _event("waybill_abandoned", numbers=[w.number or w.reference for w in lost])
    if f.stage is Stage.WAYBILL and f.status is Status.CLOSING:
        # It closes for the sake of that number only.
        rest = tuple(w for w in f.waybills if w not in lost)
        finished = closing(msgspec.structs.replace(f, waybills=rest), Status(f.code), f.reason)
        moved, events = dict(finished.set), events + finished.events
    elif f.stage is Stage.WAYBILL and f.status in {Status.UNKNOWN, Status.WAITING}:
        moved = _moved(Stage.WAYBILL, Status.FAILED, code="abandoned", reason=_("The number was abandoned."))
    return Change(
        set=moved,
        waybills={w.id: {"state": WaybillState.ABANDONED.value} for w in lost},
        withdraw=frozenset({Op.VOID_WAYBILL, Op.REQUEST_WAYBILL}),
        events=events,
    )


def hand_over(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """Pickup, same-city, or a service without numbers: on to print, with a slip in place of a label."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.PROCESSING),
        _sendable(f),
        guards.not_held(f),
    )
    if refused:
        return refused
    collected = all(o.kind in {OrderKind.PICKUP, OrderKind.SAME_CITY} for o in f.orders)
    if not collected and not (f.service and not f.service.service.has_number):
        return Refused("needs_waybill", _("This parcel needs a waybill."))
    return msgspec.structs.replace(_allocated(f, x), events=_event("handed_to_print"))


# ------------------------------------------------------------------ to print


def to_print(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """T8: allocate and go on to print, in stock or out of stock."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.WAYBILL),
        guards.in_status(f, {Status.OBTAINED}),
        guards.not_held(f),
    )
    return refused or _allocated(f, x)


def _allocated(f: ShipmentFacts, x: Context) -> Change:
    short = shortage(f, x)
    if short:
        return Change(
            set=_moved(Stage.TO_PRINT, Status.OUT_OF_STOCK, code="short", reason=short),
            events=_event("out_of_stock"),
        )
    return Change(
        set=_moved(Stage.TO_PRINT, Status.IN_STOCK, code="", reason=""),
        allocate=_take(f, x),
        events=_event("allocated"),
    )


def shortage(f: ShipmentFacts, x: Context) -> str:
    """What is missing to allocate the whole shipment, in words; '' when everything is free now."""
    for variant, wanted in f.wants.items():
        free = x.stock.get((variant, f.warehouse_id), 0)
        if free < wanted:
            sku = next((ln.sku for ln in f.lines if any(v == variant for v, _n in ln.needs)), "")
            return _("{sku}: {free} free, {wanted} wanted").format(sku=sku or variant, free=max(0, free), wanted=wanted)
    return ""


def _take(f: ShipmentFacts, x: Context) -> dict[int, int]:
    wants = f.wants
    for variant, wanted in wants.items():
        x.stock[variant, f.warehouse_id] = x.stock.get((variant, f.warehouse_id), 0) - wanted
    return wants


def in_stock(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """T10: out of stock → in stock, when every line is free now."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.TO_PRINT),
        guards.in_status(f, {Status.OUT_OF_STOCK}),
        guards.not_held(f),
    )
    if refused:
        return refused
    if short := shortage(f, x):
        return Refused("short", short)
    return _allocated(f, x)


def print_label(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """Ask for the label (or slip) on paper; the job itself is queued per batch."""
    reprint = str(a.get("reprint", ""))
    stages = (Stage.TO_PRINT, Stage.SHIPPED) if reprint else (Stage.TO_PRINT,)
    refused = first(guards.bound(f), guards.in_stage(f, *stages), guards.not_held(f), guards.unblocked(f))
    if refused:
        return refused
    if f.status is Status.OUT_OF_STOCK:
        return Refused("out_of_stock", _("It is out of stock."))
    if f.status is Status.CHECKING:
        return Refused("effect_running", _("It is being checked for shipping."))
    if f.print_state is PrintState.ASKED:
        return Refused("print_asked", _("It is already in a print job."))
    if f.print_state is not PrintState.NONE and not reprint:
        return Refused("already_printed", _("It was printed before: reprint it with a reason."))
    if f.waybill is not None and not f.waybill.has_label:
        return Refused("no_label", _("The carrier has not delivered the label yet."))
    if not x.printer_id:
        return Refused("no_printer", _("No printer is set up: shipdeck printer add folder …"))
    event = _event("reprint_asked", reason=reprint) if reprint else _event("print_asked")
    return Change(set={"print_state": PrintState.ASKED.value}, events=event)


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
    return Change(effects=_pushes(f, x, [o.id for o in untold], early=True), events=_event("push_queued", early=True))


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
    if not x.checked and not x.unchecked and capabilities.check_before_ship and f.shop.settings.check_before_ship:
        return Change(
            set=_moved(Stage.TO_PRINT, Status.CHECKING),
            effects=(
                NewEffect(
                    Op.CHECK,
                    f"shop:{f.shop.id}",
                    f"check:{f.id}:{f.effect_count}",
                    payload={"grace_ms": x.grace_ms, "close_refunds": bool(a.get("close_refunds"))},
                ),
            ),
            events=_event("ship_checking"),
        )
    tell = [o.id for o in f.orders if o.submission is not Submission.DONE] if capabilities.push else []
    pending = any(e.op is Op.PUSH for e in f.effects)
    return Change(
        set=_moved(
            Stage.SHIPPED,
            Status.PUSHING if tell or pending else Status.SUCCEEDED,
            shipped_at=x.now,
            deducted=1,
            unchecked=int(x.unchecked),
            flags=int(f.flags & ~Flag.TOLD_NOT_SENT),
            code="",
            reason="",
        ),
        deduct=True,
        effects=_pushes(f, x, tell, early=False),
        events=_event("shipped", unchecked=True) if x.unchecked else _event("shipped"),
    )


def unship_check(f: ShipmentFacts, code: str, reason: str) -> Change:
    """The live check said no: back to where it was, with the reason; to its end, if that is what was read."""
    refused = _event("ship_refused", code=code)
    status = ended(f)
    if status is not None and (status is Status.ELSEWHERE or f.shop.settings.close_on_cancel):
        finished = closing(f, status)
        return msgspec.structs.replace(finished, events=refused + finished.events)
    return Change(set=_moved(Stage.TO_PRINT, Status.IN_STOCK, code=code, reason=reason), events=refused)


# ------------------------------------------------------------------ shipped


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
        set=_moved(Stage.SHIPPED, Status.PUSHING, code="", reason=""),
        submissions={o: {"state": Submission.NONE.value, "code": "", "reason": ""} for o in failed},
        effects=_pushes(f, x, failed, early=False),
        events=_event("push_queued", again=True),
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
        set=_moved(Stage.SHIPPED, Status.IGNORED, code="", reason=""),
        events=_event("push_ignored", code=f.code),
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
        again = _allocated(f, x)
        return msgspec.structs.replace(
            again,
            set={**again.set, **common, "flags": int(flags)},
            give_back=True,
            withdraw=frozenset({Op.PUSH}),
            events=_event("recalled", to="to_print") + again.events,
        )
    void_change = _void_live(f, x.grace_ms)
    return msgspec.structs.replace(
        void_change,
        set=_moved(Stage.CLOSED, Status.DISCARDED, flags=int(flags), **common),
        give_back=True,
        withdraw=void_change.withdraw | {Op.PUSH},
        events=_event("recalled", to="closed") + void_change.events,
    )


def collect(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """The courier took it."""
    refused = first(guards.bound(f), guards.in_stage(f, Stage.SHIPPED))
    if refused:
        return refused
    if f.collected_at is not None:
        return Refused("collected", _("The courier has it."))
    courier = str(a.get("courier", ""))
    return Change(set={"collected_at": x.now, "collected_by": x.who, "courier": courier}, events=_event("collected"))


# ------------------------------------------------------------------ backwards, close, rearrange


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
    undone = _void_live(f, x.grace_ms)
    return msgspec.structs.replace(
        undone,
        set=_moved(
            *target, flags=int(fresh.flags), print_state=PrintState.NONE.value, printed_at=None, code="", reason=""
        ),
        lines=fitted[0],
        release=bool(f.allocated),
        withdraw=undone.withdraw | {Op.PUSH},
        events=_event("sent_back", to=target[0].word) + undone.events,
    )


def close(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """Close before shipping: allocation released, number voided; an answer under way is voided when it comes."""
    refused = first(guards.bound(f), _before_shipped(f))
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
            set=_moved(
                Stage.WAYBILL,
                Status.CLOSING,
                flags=int(flags & ~Flag.AFTER_SALE),
                hold_reason="",
                code=status.value,
                reason=reason,
            ),
            withdraw=frozenset({Op.PUSH, Op.CHECK}),
            events=_event("closing", status=status.value),
        )
    undone = _void_live(f, delay_ms)
    stage = Stage.SHIPPED if elsewhere else Stage.CLOSED
    return msgspec.structs.replace(
        undone,
        set=_moved(stage, status, flags=int(flags), hold_reason="", code="", reason=reason),
        release=bool(f.allocated),
        withdraw=undone.withdraw | {Op.PUSH, Op.CHECK},
        events=(_event("shipped_elsewhere") if elsewhere else _event("closed", status=status.value)) + undone.events,
    )


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
        stock = _allocated(after, x)
    return Change(
        set={**stock.set, "flags": int(f.flags & ~(Flag.LINES_CHANGED | Flag.LABEL_STALE) | Flag.KEPT)},
        lines=lines,
        release=bool(f.allocated),
        allocate=stock.allocate,
        waybills={f.waybill.id: {"address_print": after.address_print, "lines_print": after.lines_print}},
        events=_event("kept"),
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
        events=_event("split", lines=wanted),
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
        events=_event("unmerged", orders=others),
    )


def take_out(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """Remove one order's lines from a merged shipment into a review shipment of their own."""
    refused = first(guards.bound(f), _before_shipped(f))
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
        events=_event("order_taken_out", order=order_id),
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


COMMANDS: dict[str, Decide] = {
    "approve": approve,
    "hold": hold,
    "release": release,
    "note": note,
    "flag": flag,
    "address": edit_address,
    "assign": assign,
    "customs": declare_customs,
    "waybill": request_waybill,
    "void": void,
    "abandon": abandon,
    "hand-over": hand_over,
    "to-print": to_print,
    "in-stock": in_stock,
    "print": print_label,
    "push": push_early,
    "ship": ship,
    "retry": retry,
    "ignore": ignore,
    "recall": recall,
    "collect": collect,
    "back": back,
    "close": close,
    "keep": keep,
    "split": split,
    "unmerge": unmerge,
    "take-out": take_out,
}
"""Every command that decides over one shipment at a time (merge and undo look at several)."""
