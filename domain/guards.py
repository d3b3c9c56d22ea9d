"""What stands in the way of a command: small questions, each answered by a refusal with its reason code, or None."""

from collections.abc import Iterable

from domain.enums import (
    DONE_ORDER,
    Flag,
    Op,
    OrderKind,
    OrderStatus,
    Payment,
    PrintState,
    Stage,
    Status,
    Submission,
)
from domain.facts import CustomsFacts, OrderFacts, ServiceFacts, ShipmentFacts
from domain.records import Address
from domain.results import Refused
from domain.words import _

STAGE_NAMES = {
    Stage.REVIEW: _("review"),
    Stage.PROCESSING: _("processing"),
    Stage.WAYBILL: _("waybill"),
    Stage.TO_PRINT: _("to print"),
    Stage.SHIPPED: _("shipped"),
    Stage.CLOSED: _("closed"),
}


def first(*refusals: Refused | None) -> Refused | None:
    """The first refusal there is."""
    return next((r for r in refusals if r is not None), None)


def bound(f: ShipmentFacts) -> Refused | None:
    """P1, T19: an unbound shop's orders are frozen."""
    if f.shop.bound:
        return None
    return Refused("shop_unbound", _("The shop {shop} is unbound; its orders are frozen.").format(shop=f.shop.name))


def in_stage(f: ShipmentFacts, *stages: Stage) -> Refused | None:
    """The command works only in these stages."""
    if f.stage in stages:
        return None
    return Refused(
        "wrong_stage",
        _("It is in {stage}; this works in {stages}.").format(
            stage=STAGE_NAMES[f.stage], stages=", ".join(STAGE_NAMES[s] for s in stages)
        ),
    )


def in_status(f: ShipmentFacts, statuses: Iterable[Status]) -> Refused | None:
    """The command works only in these sub-statuses."""
    allowed = tuple(statuses)
    if f.status in allowed:
        return None
    return Refused(
        "wrong_status",
        _("It is {status}; this works when it is {statuses}.").format(
            status=f.status.value.replace("_", " "), statuses=" / ".join(s.value.replace("_", " ") for s in allowed)
        ),
    )


def not_held(f: ShipmentFacts) -> Refused | None:
    """A held shipment leaves the batches."""
    return Refused("held", _("Held: {reason}").format(reason=f.hold_reason)) if f.held else None


def payable(f: ShipmentFacts) -> Refused | None:
    """Every source order is paid, pay-on-delivery or marked, and alive."""
    for order in f.orders:
        if order.dead or order.status is OrderStatus.FAILED:
            return Refused(f"order_{order.status.value}", _dead_words(order.status, order.number))
        if order.status is OrderStatus.ON_HOLD:
            return Refused("order_on_hold", _("Order {number} awaits confirmation.").format(number=order.number))
        if not order.payable:
            return Refused("unpaid", _("Order {number} is not paid.").format(number=order.number))
    return None


def _dead_words(status: OrderStatus, number: str) -> str:
    words = {
        OrderStatus.CANCELLED: _("Order {number} was cancelled on the platform."),
        OrderStatus.REFUNDED: _("Order {number} was refunded on the platform."),
        OrderStatus.FAILED: _("The payment of order {number} failed."),
        OrderStatus.DELETED: _("Order {number} was deleted on the platform."),
    }
    return words[status].format(number=number)


def unblocked(f: ShipmentFacts, *, close_refunds: bool = False) -> Refused | None:
    """Nothing the platform did stands against printing, pushing and shipping."""
    for order in f.orders:
        if order.dead or order.status is OrderStatus.FAILED:
            return Refused(f"order_{order.status.value}", _dead_words(order.status, order.number))
    if refused := not_stopped(f):
        return refused
    if Flag.AFTER_SALE in f.flags and not (close_refunds and f.shop.capabilities.ship_closes_refund):
        if f.shop.capabilities.ship_closes_refund:
            return Refused("asks_close_refund", _("Shipping closes the buyer's open refund request: confirm it."))
        return Refused("after_sale", _("The buyer has an open after-sale case."))
    if Flag.LINES_CHANGED in f.flags:
        return Refused("lines_changed", _("The platform changed the quantities: request a new label or keep this one."))
    if Flag.LABEL_STALE in f.flags:
        return Refused("label_stale", _("The address changed after the label was made: void and request again."))
    return None


def not_stopped(f: ShipmentFacts) -> Refused | None:
    """The platform ended none of its orders."""
    if Flag.STOPPED not in f.flags:
        return None
    return Refused("stopped", _("The order was stopped on the platform."))


def one_place(f: ShipmentFacts) -> Refused | None:
    """Every order of a merged box still goes to the same address."""
    if not (f.divided and Flag.LABEL_STALE in f.flags):
        return None
    return Refused("other_address", _("Its orders go to different addresses now: take one out."))


def service_fits(f: ShipmentFacts, service: ServiceFacts | None) -> Refused | None:
    """P2 and what the service can carry, collect and reach."""
    if service is None:
        return Refused("no_service", _("No service is chosen."), "service")
    if not service.checked:
        return Refused(
            "carrier_unchecked",
            _("The carrier account {carrier} was never checked: shipdeck carrier check {carrier}").format(
                carrier=service.carrier_name
            ),
            "service",
        )
    if not service.enabled:
        return Refused("service_off", _("The service {name} is switched off.").format(name=service.service.name))
    s, country = service.service, f.address.country
    if (s.countries and country not in s.countries) or country in s.excluded_countries:
        return Refused(
            "country_not_served",
            _("{service} does not go to {country}.").format(service=s.name, country=country or "?"),
            "service",
        )
    if not s.collects_on_delivery and any(o.payment is Payment.ON_DELIVERY for o in f.orders):
        return Refused("no_cod", _("{service} cannot collect money on delivery.").format(service=s.name), "service")
    if not s.takes_pickup_points and any(o.kind is OrderKind.PICKUP_POINT for o in f.orders):
        return Refused(
            "no_pickup_point", _("{service} does not deliver to pickup points.").format(service=s.name), "service"
        )
    return None


def customs_complete(f: ShipmentFacts, service: ServiceFacts) -> Refused | None:
    """A cross-border service needs every line declared; names the first thing missing."""
    if not service.service.cross_border:
        return None
    for line in f.lines:
        declared = f.customs.get(line.order_line_id) or f.defaults.get(line.order_line_id) or CustomsFacts()
        for name, value in (
            ("name_local", declared.name_local),
            ("name_en", declared.name_en),
            ("hs_code", declared.hs_code),
            ("origin", declared.origin),
            ("unit_weight_g", declared.unit_weight_g),
            ("unit_value_minor", declared.unit_value_minor),
        ):
            if not value:
                return Refused(
                    "customs_missing",
                    _("Customs: {field} of {sku} is missing.").format(field=name, sku=line.sku or line.name),
                    name,
                )
    return None


def address_complete(address: Address) -> Refused | None:
    """What every carrier needs; a carrier's own demands come with its answer."""
    wanted = (
        ("name", address.name or address.company),
        ("line1", address.line1),
        ("city", address.city),
        ("country", address.country if len(address.country) == 2 else ""),
    )
    for name, value in wanted:
        if not value.strip():
            return Refused("address_incomplete", _("The address lacks its {field}.").format(field=name), name)
    return None


def untold(f: ShipmentFacts) -> Refused | None:
    """After an early push the number may change only where the platform takes a correction."""
    if f.shop.capabilities.update_tracking or not any(o.submission in _TOLD for o in f.orders):
        return None
    return Refused("told_platform", _("The platform already has the tracking number and takes no correction."))


_TOLD = {Submission.TRACKING_SENT, Submission.DONE, Submission.UNKNOWN}


def nothing_under_way(f: ShipmentFacts, *ops: Op) -> Refused | None:
    """No effect of these kinds is running or unknown."""
    for effect in f.effects:
        if effect.op in ops and effect.state.value in {"running", "unknown"}:
            return Refused("effect_running", _("{op} is under way; wait for its answer.").format(op=effect.op.value))
    if Op.PRINT in ops and f.print_state is PrintState.ASKED:
        # A print job holds many shipments and belongs to none of them.
        return Refused("effect_running", _("Its label is in a print job; wait for it."))
    return None


def shipped_elsewhere(f: ShipmentFacts) -> tuple[OrderFacts, ...]:
    """Its orders that the platform calls shipped or completed, and not because we told it."""
    telling = {e.order_id for e in f.effects if e.op is Op.PUSH and e.state.value != "queued"}
    return tuple(
        o
        for o in f.orders
        if o.status in DONE_ORDER and o.submission in {Submission.NONE, Submission.FAILED} and o.id not in telling
    )
