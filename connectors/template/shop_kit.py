"""How the conformance suite sets the simulated Newshop up."""

from collections.abc import Sequence
from typing import Any

from connectors.conformance.kit import Kit, Wanted
from connectors.simulated.launch import Twin
from domain.enums import OrderKind


def _order(wanted: Wanted) -> dict[str, Any]:
    return {
        "lines": wanted.lines,
        "pieces": wanted.pieces,
        "created_s": wanted.created_s,
        "currency": wanted.currency,
        "price": wanted.price,
        "pickup": wanted.kind is OrderKind.PICKUP,
        "hidden": wanted.redacted,
    }


def _make(twin: Twin, wanted: Sequence[Wanted]) -> list[str]:
    return [str(one) for one in twin.admin("POST", "orders", {"orders": [_order(each) for each in wanted]})]


def _change(twin: Twin, order: str, what: str, **how: Any) -> None:
    twin.admin("POST", "change", {"order": order, "change": what, **how})


def _set(twin: Twin, order: str, **values: Any) -> None:
    _change(twin, order, "set", values=values)


def _numbers(twin: Twin, order: str) -> list[str]:
    [shown] = [one for one in twin.admin("GET", "orders") if str(one["id"]) == order]
    return [str(parcel["number"]) for parcel in shown["parcels"]]


def _odd_status(twin: Twin, order: str) -> str:
    _set(twin, order, state="at_the_engraver")
    return "at_the_engraver"


def _odd_field(twin: Twin, order: str) -> str:
    _set(twin, order, gift_wrapping={"paper": "blue"})
    return "gift_wrapping"


KIT = Kit(
    twin="connectors.template.shop_twin",
    settings={"url": "{url}"},
    secrets={"token": "{token}"},
    zone_option="zone",
    make=_make,
    numbers=_numbers,
    clock=lambda twin, at: twin.admin("POST", "clock", {"at_s": at}),
    address=lambda twin, order, line: _change(twin, order, "address", line1=line),
    pieces=lambda twin, order, pieces: _change(twin, order, "pieces", pieces=pieces),
    refund=lambda twin, order, pieces: _change(twin, order, "refund", pieces=pieces),
    cancel=lambda twin, order: _set(twin, order, state="cancelled"),
    delete=lambda twin, order: _change(twin, order, "delete"),
    ship=lambda twin, order, number: _change(twin, order, "ship", number=number),
    open_case=lambda twin, order: _set(twin, order, case="open"),
    close_case=lambda twin, order: _set(twin, order, case=""),
    odd_status=_odd_status,
    odd_field=_odd_field,
    spoil=lambda twin, order: _set(twin, order, total="a lot"),
    stock=lambda twin, product, _variant: int(twin.admin("GET", "stock")[product]),
    bad_carrier="Nobody",
    cannot={"readings": "the documentation leaves nothing open"},
)
