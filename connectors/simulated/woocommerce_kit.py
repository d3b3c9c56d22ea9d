"""How the conformance suite sets the simulated WooCommerce shop up."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.conformance.kit import Kit, Wanted
from connectors.simulated.launch import Twin
from domain.enums import OrderKind

_SKUS = ("NB-A5", "PEN-07", "BOX-GIFT")
_CASES = {
    OrderKind.PICKUP_POINT: "parcel_machine",
    OrderKind.PICKUP: "local_pickup",
    OrderKind.VIRTUAL: "virtual",
}
_HIDDEN = dict.fromkeys(("first_name", "last_name", "address_1"), "[deleted]")


def _order(wanted: Wanted) -> dict[str, Any]:
    order: dict[str, Any] = {"customer_note": ""}
    if wanted.kind in _CASES:
        order["case"] = _CASES[wanted.kind]
    elif wanted.price:
        price = {"subtotal": wanted.price, "total": wanted.price, "price": float(wanted.price), "total_tax": "0"}
        order |= {"line_items": [{"sku": "NB-A5", "quantity": 1, **price}], "total": wanted.price}
    else:
        order["line_items"] = [{"sku": sku, "quantity": wanted.pieces} for sku in _SKUS[: wanted.lines]]
    if wanted.created_s:
        text = datetime.fromtimestamp(wanted.created_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        order |= {f"date_{name}_gmt": text for name in ("created", "modified", "paid")}
    if wanted.currency:
        order["currency"] = wanted.currency
    if wanted.redacted:
        order |= {"billing": {**_HIDDEN, "email": "deleted@site.invalid", "phone": ""}, "shipping": _HIDDEN}
    return order


def _make(twin: Twin, wanted: Sequence[Wanted]) -> list[str]:
    return [str(one) for one in twin.admin("POST", "orders", {"orders": [_order(each) for each in wanted]})]


def _change(twin: Twin, order: str, what: str, **how: Any) -> None:
    twin.admin("POST", "change", {"order": int(order), "change": what, **how})


def _numbers(twin: Twin, order: str) -> list[str]:
    """Buyers see every note, fulfilment and entry of Shipment Tracking: a number in two of them was told twice."""
    [shown] = twin.admin("GET", "orders", {"orders": [int(order)]})
    told = [one for one in shown["tracking"] if one.get("meta_key") != "_tracking_number"]
    return [str(one["number"]) for one in told]


def _ship(twin: Twin, order: str, number: str) -> None:
    _change(twin, order, "complete")
    _change(twin, order, "set", values={"meta_data": [{"id": 1, "key": "_tracking_number", "value": number}]})


def _odd_status(twin: Twin, order: str) -> str:
    _change(twin, order, "set", values={"status": "at-the-engraver"})
    return "at-the-engraver"


def _odd_field(twin: Twin, order: str) -> str:
    _change(twin, order, "set", values={"carbon_footprint": {"grams": 12}})
    return "carbon_footprint"


KIT = Kit(
    twin="woocommerce",
    options={"orders": 0},
    settings={"url": "{url}"},
    secrets={"consumer_key": "{consumer_key}", "consumer_secret": "{consumer_secret}"},
    zone_option="zone",
    readings={
        "a shop that cannot sort by change": {"no_orderby_modified": True},
        "Shipment Tracking is on": {"shipment_tracking": True},
        "core fulfilments are on": {"fulfillments": True},
        "numbers of a plugin": {"number_prefix": "PL-"},
    },
    make=_make,
    numbers=_numbers,
    clock=lambda twin, at: twin.admin("POST", "clock", {"at_s": at}),
    address=lambda twin, order, line: _change(twin, order, "address", address={"address_1": line}),
    pieces=lambda twin, order, pieces: _change(twin, order, "quantity", line=0, quantity=pieces),
    refund=lambda twin, order, pieces: _change(twin, order, "partial_refund", line=0, quantity=pieces),
    cancel=lambda twin, order: _change(twin, order, "cancel"),
    delete=lambda twin, order: _change(twin, order, "delete"),
    ship=_ship,
    odd_status=_odd_status,
    odd_field=_odd_field,
    spoil=lambda twin, order: _change(twin, order, "set", values={"total": "a lot"}),
    stock=lambda twin, product, variant: int(twin.admin("GET", "stock")[f"{product}/{variant}"]),
    cannot={
        "open_case": "WooCommerce has no after-sale cases",
        "bad_carrier": "a carrier is free text in a note and in a meta field",
    },
)
