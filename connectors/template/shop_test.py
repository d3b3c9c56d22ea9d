"""Newshop: what its documentation shows, as records."""

import json
from pathlib import Path

from connectors.contract import Parsed
from connectors.template.shop import parse_order
from domain.enums import OrderKind, OrderStatus

SAMPLES = Path(__file__).parent / "samples" / "newshop"


def test_the_sample_is_understood() -> None:
    """What the platform's documentation shows, as a record."""
    found = parse_order((SAMPLES / "order.json").read_bytes())
    assert isinstance(found, Parsed)
    order = found.order
    assert (order.status, order.kind, order.currency, order.total_minor) == (
        OrderStatus.OPEN,
        OrderKind.DELIVERY,
        "EUR",
        4140,
    )
    assert [(line.sku, int(line.quantity - line.cancelled)) for line in order.lines] == [("CUP-S", 2), ("CUP-L", 1)]
    assert order.buyer_note == json.loads(found.raw)["note"]
