"""Frozen records that travel between connectors and the pipeline. Platform text is kept as it came."""

from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from domain.clock import Instant
from domain.enums import OrderKind, OrderStatus, Payment
from domain.text import storable

R = TypeVar("R", bound=Struct)


class Address(Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a parcel goes. `country` is ISO 3166-1 alpha-2; every field may be empty."""

    name: str = ""
    company: str = ""
    line1: str = ""
    line2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""


class Buyer(Struct, frozen=True, omit_defaults=True, gc=False):
    """Who bought. `phone` is the delivery phone, else the paying party's (ROA-32). `redacted`: hidden by it."""

    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    email: str = ""
    redacted: bool = False


class OrderLine(Struct, frozen=True, omit_defaults=True, gc=False):
    """One line as the platform says it. `quantity` and `cancelled` (refunded or cancelled of it) may be fractional."""

    platform_line_id: str
    name: str
    quantity: Decimal
    cancelled: Decimal = Decimal(0)
    sku: str = ""
    platform_product_id: str = ""
    platform_variant_id: str = ""
    options: str = ""
    unit_price: str = "0"
    """Decimal text exactly as the platform gives it, in the order's currency."""
    total_minor: int = 0
    ships: bool = True
    """False for virtual goods that need no parcel."""
    fulfilled: Decimal = Decimal(0)
    """Pieces the platform says have left, whoever sent them: a new order's shipment begins without them."""


class Order(Struct, frozen=True, omit_defaults=True, gc=False):
    """One platform order. Amounts in minor units of `currency`; instants in UTC milliseconds."""

    platform_order_id: str
    number: str
    status: OrderStatus
    raw_status: str
    kind: OrderKind
    payment: Payment
    currency: str
    total_minor: int
    created_at: Instant
    updated_at: Instant
    buyer: Buyer
    address: Address
    lines: tuple[OrderLine, ...]
    paid_at: Instant | None = None
    pickup_point: str = ""
    shipping_method: str = ""
    shipping_minor: int = 0
    buyer_note: str = ""
    seller_note: str = ""
    after_sale: bool = False
    """An after-sale case that blocks shipping is open."""
    tracking: tuple[str, ...] = ()
    """Tracking numbers the platform shows for this order, whoever sent them."""
    deadline: Instant | None = None
    """The platform's own ship-by instant, where it has one."""
    warnings: tuple[str, ...] = ()
    """What the connector met and did not know (an unknown status, an odd field): reported, never dropped."""


class Category(Struct, frozen=True):
    """A product category with the names of its ancestors, root first, itself last."""

    platform_category_id: str
    path: tuple[str, ...]


class Product(Struct, frozen=True, omit_defaults=True, gc=False):
    """One sellable unit of a shop (a product without variants, or one variant of one)."""

    platform_product_id: str
    platform_variant_id: str
    name: str
    sku: str = ""
    description: str = ""
    categories: tuple[Category, ...] = ()
    stock_managed: bool = False
    stock_quantity: Decimal | None = None
    weight_g: int | None = None
    status: str = ""


def keepable(record: R) -> tuple[R, bytes]:
    """The record with every text as a database can hold it, and its content as JSON, in one and the same pass."""
    try:
        content = msgspec.json.encode(record)
        if b"\\u0000" not in content:
            return record, content
    except UnicodeEncodeError:
        pass  # A lone surrogate: no UTF-8 has it.
    cleaned = msgspec.convert(_storable(msgspec.to_builtins(record)), type(record), strict=False)
    return cleaned, msgspec.json.encode(cleaned)


def _storable(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case list() | tuple():
            return [_storable(part) for part in value]
        case dict():
            return {key: _storable(part) for key, part in value.items()}
    return value
