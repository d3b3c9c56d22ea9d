"""Decisions that lead to a waybill: choose a service, declare customs, ask the carrier for a number."""

import msgspec

from domain import guards
from domain.change import Change, NewEffect, NewWaybill
from domain.commands.context import Arguments, Context, Decision, moved_to, one_event
from domain.commands.review import after_sale, readiness
from domain.enums import Flag, Op, OrderKind, PrintState, Stage, Status, WaybillState
from domain.facts import CustomsFacts, ShipmentFacts, WaybillFacts
from domain.guards import first
from domain.results import Refused
from domain.words import _


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
    event = one_event("service_assigned", service=service.service.code, carrier=service.carrier_name)
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
        customs=declared, set={"status": readiness(after, f.service).value}, events=one_event("customs_declared")
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
    refused = first(sendable(f), _requestable(f))
    if refused:
        return refused
    return _request(f, x)


def sendable(f: ShipmentFacts) -> Refused | None:
    """What the platform and the buyer may have against sending it at all."""
    return first(guards.payable(f), guards.not_stopped(f), after_sale(f), guards.one_place(f))


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
    reference = f"{x.code_for(f.id)}-{f.name}" + (f"R{generation}" if generation > 1 else "")
    return Change(
        set=moved_to(Stage.WAYBILL, Status.REQUESTING, code="", reason="", flags=int(f.flags & ~Flag.LABEL_STALE)),
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
        events=one_event("waybill_requested", reference=reference, service=f.service.service.code),
    )


def _request_again(f: ShipmentFacts, x: Context) -> Decision:
    refused = first(
        guards.in_status(f, {Status.OBTAINED, Status.IN_STOCK, Status.OUT_OF_STOCK}),
        guards.untold(f),
        guards.nothing_under_way(f, Op.PRINT, Op.PUSH, Op.CHECK),
        sendable(f),
        _requestable(f),
    )
    if refused:
        return refused
    fitted = fit_lines(f)
    if isinstance(fitted, Refused):
        return fitted
    lines, f = fitted
    void = void_live(f, x.grace_ms)
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


def void_live(f: ShipmentFacts, delay_ms: int = 0) -> Change:
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
        effects=(void_effect(f, live, delay_ms),),
        events=one_event("void_requested", number=live.number),
    )


def void_effect(f: ShipmentFacts, w: WaybillFacts, delay_ms: int) -> NewEffect:
    """The effect that voids the number of `w`, `delay_ms` from now so that it may still be undone."""
    key = f"void:{w.id}:{f.effect_count}"
    return NewEffect(Op.VOID_WAYBILL, f"carrier:{w.carrier_id}", key, waybill_id=w.id, delay_ms=delay_ms)
