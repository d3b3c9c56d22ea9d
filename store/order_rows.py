"""An order as rows: what each table keeps of it, without ids and moments, and without a look into the store."""

from typing import Any

from domain.clock import Instant
from domain.enums import OrderStatus, Payment
from domain.facts import ShopFacts
from domain.money import Money
from domain.records import Order, OrderLine
from domain.search import words_of
from domain.ship_by import ship_by
from domain.text import full_name
from store.contacts import Reach

_WAITS = frozenset({OrderStatus.UNPAID, OrderStatus.ON_HOLD, OrderStatus.FAILED})


def payable(order: Order) -> bool:
    """May it be shipped as far as its payment goes?"""
    return order.status not in _WAITS and (order.paid_at is not None or order.payment is not Payment.PREPAID)


def due(order: Order, shop: ShopFacts) -> Instant | None:
    """When its shipment must have left, by the platform or else by the shop's own rule."""
    started = order.paid_at if order.payment is Payment.PREPAID else order.paid_at or order.created_at
    return ship_by(order.deadline, started, shop.settings, shop.zone)


def order_values(order: Order) -> dict[str, Any]:
    """What an order's row takes over from the platform, at first and with every change."""
    row = status_values(order)
    row["number"] = order.number
    row["kind"] = order.kind.value
    row["payment"] = order.payment.value
    row["currency"] = order.currency
    row["total_minor"] = order.total_minor
    row["shipping_minor"] = order.shipping_minor
    row["shipping_method"] = order.shipping_method
    row["pickup_point"] = order.pickup_point
    row["created_at"] = order.created_at
    return row


def status_values(order: Order) -> dict[str, Any]:
    """What is still taken over after the goods were deducted: status, after-sale and payment facts."""
    return {
        "status": order.status.value,
        "raw_status": order.raw_status,
        "after_sale": int(order.after_sale),
        "paid_at": order.paid_at,
        "deadline": order.deadline,
        "updated_at": order.updated_at,
        "warnings": ", ".join(order.warnings),
    }


def buyer_values(order: Order, reach: Reach) -> dict[str, Any]:
    """Who bought, and the words and keys they are found by."""
    b = order.buyer
    return {
        "first_name": b.first_name,
        "last_name": b.last_name,
        "phone": b.phone,
        "email": b.email,
        "phone_key": reach[0],
        "email_key": reach[1],
        "redacted": int(b.redacted),
        "words": words_of(full_name(b.first_name, b.last_name), order.address.name, order.address.company),
    }


def line_row(position: int, line: OrderLine) -> dict[str, Any]:
    """A line that is not stored yet; its order and its listing are left open."""
    row = line_values(line)
    row["position"] = position
    row["platform_line_id"] = line.platform_line_id
    return row


def line_values(line: OrderLine) -> dict[str, Any]:
    """What a line's row takes over from the platform, at first and with every change."""
    return {
        "name": line.name,
        "sku": line.sku,
        "options": line.options,
        "platform_product_id": line.platform_product_id,
        "platform_variant_id": line.platform_variant_id,
        "quantity": int(line.quantity),
        "cancelled": int(min(line.cancelled, line.quantity)),
        "unit_price": line.unit_price,
        "total_minor": line.total_minor,
        "ships": int(line.ships),
        "fulfilled": int(min(line.fulfilled, line.quantity)),
    }


def notes_of(order: Order, delivery_comment: bool) -> list[dict[str, Any]]:
    """The notes a new order comes with; empty ones are none."""
    found = [
        ("buyer", order.buyer_note),
        ("seller", order.seller_note),
        ("delivery", delivery_text(order) if delivery_comment else ""),
    ]
    return [{"kind": kind, "text": text} for kind, text in found if text.strip()]


def delivery_text(order: Order) -> str:
    """Courier, delivery cost and address as one comment (ROA-40)."""
    a = order.address
    place = ", ".join(p for p in (a.name, a.line1, a.line2, f"{a.postcode} {a.city}".strip(), a.country) if p)
    return f"{order.shipping_method} | {Money(order.shipping_minor, order.currency)} | {place}"
