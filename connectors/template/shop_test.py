"""Newshop: what its documentation shows, as records."""

import json
from pathlib import Path

from connectors.contract import Parsed, Poison
from connectors.template.shop import parse_order
from domain.enums import OrderKind, OrderStatus

SAMPLES = Path(__file__).parent / "samples" / "newshop"


def test_what_nobody_can_read_is_kept_with_its_reason() -> None:
    """However an answer is spoilt, nothing is raised."""
    for raw in (b"{", b"[]", b'{"id": 7}', b'{"id": 7, "items": ' + b"[" * 100_000):
        found = parse_order(raw)
        assert isinstance(found, Poison)
        assert (found.code, found.raw) == ("malformed_order", raw)


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
