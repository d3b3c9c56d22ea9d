"""How the conformance suite sets the simulated RO App account up."""

from collections.abc import Sequence
from typing import Any

from connectors.conformance.kit import Kit, Wanted
from connectors.simulated.launch import Twin
from connectors.simulated.roapp import ADDRESS_FIELD, NEW, NUMBER_FIELD, ODD, REFUSED, SENT, STATUSES

_SKUS = ("BAG-RED", "WAX", "TRUNK")


def _order(wanted: Wanted) -> dict[str, Any]:
    order: dict[str, Any] = {"lines": [(sku, wanted.pieces) for sku in _SKUS[: wanted.lines]]}
    return order | ({"created_s": wanted.created_s} if wanted.created_s else {})


def _make(twin: Twin, wanted: Sequence[Wanted]) -> list[str]:
    return [str(one) for one in twin.admin("POST", "orders", {"orders": [_order(each) for each in wanted]})]


def _change(twin: Twin, order: str, what: str, **how: Any) -> None:
    twin.admin("POST", "change", {"order": int(order), "change": what, **how})


def _numbers(twin: Twin, order: str) -> list[str]:
    """Those in comments, as often as they stand there, and those that only the field holds."""
    [shown] = twin.admin("GET", "orders", {"orders": [int(order)]})
    told = [comment.rpartition(" ")[2] for comment in shown["comments"] if comment]
    field = shown["order"]["custom_fields"].get(NUMBER_FIELD, "").split(", ")
    return told + [number for number in field if number and number not in told]


def _ship(twin: Twin, order: str, number: str) -> None:
    _change(twin, order, "field", field=NUMBER_FIELD, value=number)
    _change(twin, order, "status", status=SENT)


def _odd_status(twin: Twin, order: str) -> str:
    _change(twin, order, "status", status=ODD)
    return STATUSES[ODD][0]


def _odd_field(twin: Twin, order: str) -> str:
    _change(twin, order, "set", values={"gift_wrapping": {"paper": "blue"}})
    return "gift_wrapping"


KIT = Kit(
    twin="roapp",
    options={"rate": 0},
    settings={
        "url": "{url}/v2",
        "account_currency": "UAH",
        "country": "UA",
        "shipped_status": str(SENT),
        "statuses": f"{NEW}=open,{REFUSED}=cancelled",
        "number_field": NUMBER_FIELD,
        "address_field": ADDRESS_FIELD,
    },
    secrets={"api_key": "{api_key}"},
    readings={
        "bounds of dates leave their own second out": {"bound_excluded": True},
        "money with a comma, phones as texts": {"decimal_comma": True, "bare_phones": True},
        "a changed line does not date its order anew": {"lines_quiet": True},
    },
    make=_make,
    numbers=_numbers,
    clock=lambda twin, at: twin.admin("POST", "clock", {"at_s": at}),
    address=lambda twin, order, line: _change(twin, order, "field", field=ADDRESS_FIELD, value=line),
    pieces=lambda twin, order, pieces: _change(twin, order, "pieces", pieces=pieces),
    cancel=lambda twin, order: _change(twin, order, "status", status=REFUSED),
    delete=lambda twin, order: _change(twin, order, "delete"),
    ship=_ship,
    odd_status=_odd_status,
    odd_field=_odd_field,
    spoil=lambda twin, order: _change(twin, order, "set", values={"total": "a lot"}),
    cannot={
        "currency": "orders name no currency; the binding does",
        "refund": "the platform tells no refunds of lines; fewer pieces are a changed quantity",
        "open_case": "the platform tells no after-sale cases",
        "redacted": "the platform hides no buyers",
        "bad_carrier": "a carrier is free text in a comment",
        "line_check": "a number is told of an order, not of its lines",
    },
)
