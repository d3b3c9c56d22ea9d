"""How the conformance suite sets the simulated Shopify shop up.

The twin has no clock of its own: where the suite sets one, orders and their changes are dated by it.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.conformance.kit import Kit, Wanted
from connectors.simulated.launch import Twin
from domain.enums import OrderKind

_SKUS = ("SOCK-1", "MUG", "TOWEL-2")
_METHODS = {
    OrderKind.DELIVERY: "SHIPPING",
    OrderKind.PICKUP: "PICK_UP",
    OrderKind.PICKUP_POINT: "PICKUP_POINT",
    OrderKind.SAME_CITY: "LOCAL",
}
_CLOCKS: dict[tuple[str, int], float] = {}
"""A twin's life → the Unix time it was set to."""


def _stamp(at_s: float) -> str:
    return datetime.fromtimestamp(int(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _order(twin: Twin, wanted: Wanted) -> dict[str, Any]:
    order: dict[str, Any] = {"lines": [(sku, wanted.pieces) for sku in _SKUS[: wanted.lines]], "note": None}
    order |= {"digital": True} if wanted.kind is OrderKind.VIRTUAL else {"method": _METHODS[wanted.kind]}
    if at := wanted.created_s or _CLOCKS.get((twin.url, twin.lives)):
        # The age dates what belongs to the order; its own instants are exact.
        order |= {"age_s": time.time() - at, **dict.fromkeys(("createdAt", "updatedAt", "processedAt"), _stamp(at))}
    return order | {"redacted": wanted.redacted}


def _make(twin: Twin, wanted: Sequence[Wanted]) -> list[str]:
    return [str(one) for one in twin.admin("POST", "orders", {"orders": [_order(twin, each) for each in wanted]})]


def _change(twin: Twin, order: str, what: str, **how: Any) -> None:
    twin.admin("POST", "change", {"order": order, "change": what, **how})
    if (at := _CLOCKS.get((twin.url, twin.lives))) and what != "delete":
        dated = {"fields": {"updatedAt": _stamp(at)}, "quietly": True}
        twin.admin("POST", "change", {"order": order, "change": "set", **dated})


def _clock(twin: Twin, at_s: float) -> None:
    _CLOCKS[twin.url, twin.lives] = at_s


def _numbers(twin: Twin, order: str) -> list[str]:
    [shown] = twin.admin("GET", "orders", {"orders": [order]})
    alive = [parcel for parcel in shown["parcels"] if parcel["status"] == "SUCCESS"]
    return [str(one["number"]) for parcel in alive for one in parcel["tracking"] if one["number"]]


def _address(twin: Twin, order: str, line: str) -> None:
    person = {"name": "Ola Nowak", "firstName": "Ola", "lastName": "Nowak", "company": None, "phone": "+4915112345678"}
    where = {"address1": line, "address2": None, "city": "Bremen", "zip": "28195", "country": "Germany"}
    code = {"countryCodeV2": "DE", "province": None, "provinceCode": None}
    _change(twin, order, "set", fields={"shippingAddress": {**person, **where, **code}})


def _open_case(twin: Twin, order: str) -> None:
    """Buyers ask for a return of what they have: only a fulfilled order has one."""
    _change(twin, order, "fulfil", number="ELSE0000009")
    _change(twin, order, "return")


def _shelves(twin: Twin, variant: str) -> dict[str, int]:
    [sku] = [one["sku"] for one in twin.admin("GET", "variants") if str(one["id"]) == variant]
    return {str(place): int(pieces) for place, pieces in twin.admin("GET", "state")["stock"][sku].items()}


KIT = Kit(
    twin="shopify",
    options={"points": 1_000_000},
    batch=40,
    settings={"url": "{url}", "client_id": "{client_id}", "location": "Main street"},
    secrets={"client_secret": "{client_secret}"},
    make=_make,
    numbers=_numbers,
    clock=_clock,
    waited=lambda twin, seconds: twin.admin("POST", "refill", {"seconds": seconds}),
    address=_address,
    pieces=lambda twin, order, pieces: _change(twin, order, "edit", sku=_SKUS[0], pieces=pieces),
    refund=lambda twin, order, pieces: _change(twin, order, "refund", pieces=pieces),
    cancel=lambda twin, order: _change(twin, order, "cancel"),
    delete=lambda twin, order: _change(twin, order, "delete"),
    ship=lambda twin, order, number: _change(twin, order, "fulfil", number=number),
    open_case=_open_case,
    close_case=lambda twin, order: _change(twin, order, "return", status="NO_RETURN"),
    stock=lambda twin, _product, variant: next(iter(_shelves(twin, variant).values())),
    offered=lambda twin, _product, variant: sum(_shelves(twin, variant).values()),
    spoil=lambda twin, order: _change(twin, order, "set", fields={"processedAt": "when it rains"}),
    cannot={
        "currency": "the twin's goods have prices of their own, in one currency",
        "odd_status": "the twin answers by the published schema, whose words are known",
        "odd_field": "the platform answers the fields that were asked for",
        "bad_carrier": "a carrier is free text",
        "readings": "the twin has no options for what is unconfirmed",
    },
)
