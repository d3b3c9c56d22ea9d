"""Builders of platform orders as a connector hands them over."""

from decimal import Decimal
from typing import Any

from domain.clock import DAY
from domain.enums import OrderKind, OrderStatus, Payment
from domain.records import Address, Buyer, Order, OrderLine

CONNECTED = 1_790_000_000_000
"""The moment the shop of these orders was connected."""


def a_line(number: int = 1, **changes: Any) -> OrderLine:
    """One line of two notebooks."""
    fields = {
        "platform_line_id": str(number),
        "name": "Notebook",
        "quantity": 2,
        "sku": "NB-A5",
        "platform_product_id": "201",
        "unit_price": "24.9",
        "total_minor": 4980,
    }
    wanted = {**fields, **changes}
    return OrderLine(**{**wanted, "quantity": Decimal(wanted["quantity"])})


def an_order(**changes: Any) -> Order:
    """A paid order of two notebooks, made a day after the shop was connected."""
    fields = {
        "platform_order_id": "1001",
        "number": "1001",
        "status": OrderStatus.OPEN,
        "raw_status": "processing",
        "kind": OrderKind.DELIVERY,
        "payment": Payment.PREPAID,
        "currency": "PLN",
        "total_minor": 4980,
        "created_at": CONNECTED + DAY,
        "updated_at": CONNECTED + DAY,
        "paid_at": CONNECTED + DAY,
        "buyer": Buyer("Celina", "Pąk", "+48 599 000 001", "celina@example.test"),
        "address": Address(name="Celina Pąk", line1="ul. Piórkowa 7", city="Łódź", postcode="90-001", country="PL"),
        "lines": (a_line(),),
    }
    return Order(**{**fields, **changes})
