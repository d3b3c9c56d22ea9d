"""How the conformance suite sets the simulated Cartum (Horoshop) shop up."""

from collections.abc import Sequence
from typing import Any

from connectors.conformance.kit import Kit, Wanted
from connectors.simulated.launch import Twin
from domain.enums import OrderKind

_ARTICLES = ("NB-A5", "PEN-07", "INK-50")
_CASES = {OrderKind.PICKUP_POINT: "branch", OrderKind.PICKUP: "pickup"}


def _order(wanted: Wanted) -> dict[str, Any]:
    order: dict[str, Any] = {"lines": [(article, wanted.pieces) for article in _ARTICLES[: wanted.lines]]}
    if wanted.kind in _CASES:
        order["case"] = _CASES[wanted.kind]
    if wanted.created_s:
        order["created_s"] = wanted.created_s
    if wanted.currency:
        order["currency"] = wanted.currency
    if wanted.price:
        amount = float(wanted.price)
        line = {"article": "NB-A5", "title": "Зошит А5", "type": "product", "quantity": 1, "price": amount}
        order |= {"products": [{**line, "total_price": amount}], "total_sum": amount}
    return order


def _make(twin: Twin, wanted: Sequence[Wanted]) -> list[str]:
    return [str(one) for one in twin.admin("POST", "orders", {"orders": [_order(each) for each in wanted]})]


def _change(twin: Twin, order: str, what: str, **how: Any) -> None:
    twin.admin("POST", "change", {"order": int(order), "change": what, **how})


def _numbers(twin: Twin, order: str) -> list[str]:
    """What the gateway was told stands in fields that it overwrites, so that telling it twice is telling it once."""
    [shown] = twin.admin("GET", "orders", {"orders": [int(order)]})
    return [str(number) for number in shown["numbers"].values()]


def _ship(twin: Twin, order: str, number: str) -> None:
    _change(twin, order, "waybill", number=number)
    _change(twin, order, "status", status=6)


def _odd_status(twin: Twin, order: str) -> str:
    _change(twin, order, "status", status=7777)
    return "7777"


def _odd_field(twin: Twin, order: str) -> str:
    _change(twin, order, "set", values={"gift_wrapping": {"paper": "blue"}})
    return "gift_wrapping"


KIT = Kit(
    twin="cartum",
    settings={"url": "{url}", "login": "{login}", "pickup_deliveries": "1", "on_delivery_payments": "13"},
    secrets={"password": "{password}"},
    batch=60,
    zone_option="zone",
    zone_setting="timezone",
    readings={
        "orders show the number they were told": {"shows_number": True},
        "lists begin with the newest": {"newest_first": True},
        "a `to` leaves its day out": {"to_is_midnight": True},
        "an update's log names its orders": {"names_orders": True},
        "an older platform": {"version": "3.30"},
    },
    make=_make,
    numbers=_numbers,
    clock=lambda twin, at: twin.admin("POST", "clock", {"at_s": at}),
    address=lambda twin, order, line: _change(twin, order, "address", address=line),
    pieces=lambda twin, order, pieces: _change(twin, order, "quantity", quantity=pieces),
    cancel=lambda twin, order: _change(twin, order, "status", status=4),
    delete=lambda twin, order: _change(twin, order, "delete"),
    ship=_ship,
    odd_status=_odd_status,
    odd_field=_odd_field,
    spoil=lambda twin, order: _change(twin, order, "set", values={"total_sum": "a lot"}),
    stock=lambda twin, product, _variant: sum(twin.admin("GET", "stock")[product].values()),
    cannot={
        "refund": "the platform has no refunds of lines; fewer pieces are a changed quantity",
        "open_case": "the platform has no after-sale cases",
        "redacted": "the platform hides no buyers",
        "bad_carrier": "a number is told without its carrier",
        "line_check": "a number is told of an order, not of its lines",
        "autumn_hour": "the platform writes local times without an offset",
    },
    says_nothing={
        "http_403": "the gateway answers 200; another status is that of a challenge in front of it",
        "http_404": "the gateway answers 200; another status is that of a challenge in front of it",
    },
)
