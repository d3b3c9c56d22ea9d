"""What Shopify's Admin API says of an order, and that order as ours.

Wire facts: Shopify's published Admin schema, 2026-10. Enumerations are open: a value not known here is a warning.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from connectors.contract import Parsed, Poison
from connectors.wire import understood
from domain.clock import Instant, from_datetime
from domain.enums import OrderKind, OrderStatus, Payment
from domain.money import Money
from domain.records import Address, Buyer, Order, OrderLine

T = TypeVar("T")

FINANCIAL = frozenset(
    {"PENDING", "AUTHORIZED", "PARTIALLY_PAID", "PAID", "PARTIALLY_REFUNDED", "REFUNDED", "VOIDED", "EXPIRED"}
)
FULFILLMENT = frozenset(
    {"UNFULFILLED", "PARTIALLY_FULFILLED", "FULFILLED", "ON_HOLD", "SCHEDULED", "IN_PROGRESS", "PENDING_FULFILLMENT"}
    | {"REQUEST_DECLINED", "FULFILLMENT_NOT_REQUIRED", "OPEN", "RESTOCKED"}
)
RETURN = frozenset({"NO_RETURN", "RETURN_REQUESTED", "IN_PROGRESS", "INSPECTION_COMPLETE", "RETURNED", "RETURN_FAILED"})
KINDS = {
    "SHIPPING": OrderKind.DELIVERY,
    "PICKUP_POINT": OrderKind.PICKUP_POINT,
    "LOCAL": OrderKind.SAME_CITY,
    "PICK_UP": OrderKind.PICKUP,
}
NO_PARCEL = frozenset({"RETAIL", "NONE"})
METHODS = NO_PARCEL | KINDS.keys()
BY_SERVICE = frozenset({"SUBMITTED", "ACCEPTED", "CANCELLATION_REQUESTED", "CANCELLATION_REJECTED"})
VOID = frozenset({"CANCELLED", "ERROR", "FAILURE"})


# ---------------------------------------------------------------- what travels


class Wire(Struct, rename="camel"):
    """One object of the schema. Only fields that are used are read."""


class Id(Wire):
    """Something of which only the id matters."""

    id: str


class PageInfo(Wire):
    """Whether a connection goes on, and where."""

    has_next_page: bool = False
    end_cursor: str | None = None


class Rows(Wire, Generic[T]):
    """A connection."""

    nodes: list[T] = []
    page_info: PageInfo = msgspec.field(default_factory=PageInfo)


class _Money(Wire):
    amount: str
    currency_code: str


class _Bag(Wire):
    shop_money: _Money


class _Pair(Wire):
    key: str
    value: str | None = None


class Line(Wire):
    """One line of an order."""

    id: str
    title: str
    quantity: int
    current_quantity: int
    unfulfilled_quantity: int
    discounted_unit_price_after_all_discounts_set: _Bag
    variant_title: str | None = None
    sku: str | None = None
    requires_shipping: bool = True
    is_gift_card: bool = False
    custom_attributes: list[_Pair] = []
    variant: Id | None = None
    product: Id | None = None


class _Method(Wire):
    method_type: str
    service_code: str | None = None


class Hold(Wire):
    """Why a fulfilment order may not be shipped."""

    reason: str
    reason_notes: str | None = None


class Route(Wire):
    """A fulfilment order: what of an order goes from one place."""

    status: str
    request_status: str
    fulfill_at: datetime | None = None
    fulfill_by: datetime | None = None
    delivery_method: _Method | None = None
    fulfillment_holds: list[Hold] = []


class Tracking(Wire):
    """One number of a parcel."""

    number: str | None = None
    company: str | None = None
    url: str | None = None


class Sent(Wire):
    """A fulfilment: one parcel told."""

    status: str
    tracking_info: list[Tracking] = []
    id: str = ""
    total_quantity: int = 0


class _Transaction(Wire):
    kind: str
    status: str
    processed_at: datetime | None = None


class _Email(Wire):
    email_address: str | None = None


class _Phone(Wire):
    phone_number: str | None = None


class _Customer(Wire):
    first_name: str | None = None
    last_name: str | None = None
    default_email_address: _Email | None = None
    default_phone_number: _Phone | None = None


class _Place(Wire):
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    province_code: str | None = None
    zip: str | None = None
    country_code: str | None = msgspec.field(default=None, name="countryCodeV2")
    phone: str | None = None


class _Shipping(Wire):
    title: str
    code: str | None = None


class WireOrder(Wire):
    """An order."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    display_fulfillment_status: str
    current_total_price_set: _Bag
    test: bool = False
    processed_at: datetime | None = None
    cancelled_at: datetime | None = None
    display_financial_status: str | None = None
    return_status: str = "NO_RETURN"
    fulfillable: bool = True
    requires_shipping: bool = True
    fully_paid: bool = False
    note: str | None = None
    payment_gateway_names: list[str] = []
    email: str | None = None
    phone: str | None = None
    custom_attributes: list[_Pair] = []
    customer: _Customer | None = None
    shipping_address: _Place | None = None
    total_shipping_price_set: _Bag | None = None
    shipping_line: _Shipping | None = None
    transactions: list[_Transaction] = []
    fulfillments: list[Sent] = []
    line_items: Rows[Line] = msgspec.field(default_factory=Rows)
    fulfillment_orders: Rows[Route] = msgspec.field(default_factory=Rows)


class Head(Wire):
    """What finds an order even where the rest of it is nonsense."""

    id: str = ""
    test: Any = None
    updated_at: datetime | None = None
    created_at: datetime | None = None
    line_items: Rows[msgspec.Raw] = msgspec.field(default_factory=Rows)


# ---------------------------------------------------------------- wire values → ours


def gid(kind: str, number: str) -> str:
    """The global id of an object (`gid://shopify/Order/55`)."""
    return f"gid://shopify/{kind}/{number}"


def number_of(one: Id | str | None) -> str:
    """The number in a global id; '' for none."""
    return "" if one is None else (one if isinstance(one, str) else one.id).rpartition("/")[2]


def raw_status(cancelled: bool, financial: str, fulfillment: str) -> str:
    """An order's state in one word of Shopify's: `cancelled`, `refunded`, `fulfilled`, else `paid/unfulfilled`.

    The three single words are what ROA-12 leaves out of a first import, in the order in which they are looked for.
    """
    if cancelled:
        return "cancelled"
    if financial == "REFUNDED":
        return "refunded"
    if fulfillment == "FULFILLED":
        return "fulfilled"
    return f"{financial or 'unknown'}/{fulfillment}".lower()


@lru_cache(maxsize=4096)
def _minor(amount: str, currency: str, pieces: int = 1) -> int:
    """An amount in minor units; a shop's prices are few."""
    return Money.parse(Decimal(amount) * pieces if pieces != 1 else amount, currency).minor


def _at(value: datetime | None) -> Instant | None:
    return None if value is None else from_datetime(value)


def _paid_at(wire: WireOrder) -> Instant | None:
    """There is no such field: the latest sale or capture that succeeded, once all is paid."""
    if not (wire.fully_paid or wire.display_financial_status in {"PAID", "PARTIALLY_REFUNDED"}):
        return None
    times = [
        one.processed_at
        for one in wire.transactions
        if one.kind in {"SALE", "CAPTURE"} and one.status == "SUCCESS" and one.processed_at
    ]
    return from_datetime(max(times, default=wire.processed_at or wire.created_at))


def _kind(wire: WireOrder, methods: set[str]) -> OrderKind:
    """How it reaches the buyer; what needs no parcel is virtual."""
    if not wire.requires_shipping or wire.display_fulfillment_status == "FULFILLMENT_NOT_REQUIRED":
        return OrderKind.VIRTUAL
    for method, kind in KINDS.items():
        if method in methods:
            return kind
    return OrderKind.VIRTUAL if methods & NO_PARCEL else OrderKind.DELIVERY


def _status(wire: WireOrder, on_delivery: bool, notes: list[str]) -> OrderStatus:
    """The first row of the table that fits; what holds an order up goes to the notes."""
    financial, fulfillment = wire.display_financial_status or "", wire.display_fulfillment_status
    if wire.cancelled_at is not None:
        return OrderStatus.CANCELLED
    if financial in {"REFUNDED", "VOIDED", "EXPIRED"} and not wire.fulfillable:
        return OrderStatus.REFUNDED
    if fulfillment == "FULFILLED":
        return OrderStatus.SHIPPED
    open_ = [route for route in wire.fulfillment_orders.nodes if route.status not in {"CLOSED", "CANCELLED"}]
    if fulfillment == "ON_HOLD":
        notes += [f"on_hold:{hold.reason}" for route in open_ for hold in route.fulfillment_holds] or ["on_hold"]
        return OrderStatus.ON_HOLD
    if fulfillment == "SCHEDULED":
        notes += [f"scheduled:{route.fulfill_at:%Y-%m-%d}" for route in open_ if route.fulfill_at] or ["scheduled"]
        return OrderStatus.ON_HOLD
    if financial in {"PENDING", "EXPIRED", "PARTIALLY_PAID", "VOIDED", "REFUNDED"} and not on_delivery:
        return OrderStatus.UNPAID
    served = bool(open_) and all(route.request_status in BY_SERVICE for route in open_)
    if served or (fulfillment in {"IN_PROGRESS", "PENDING_FULFILLMENT", "REQUEST_DECLINED"} and not open_):
        notes.append("handled_by_service")
        return OrderStatus.ON_HOLD
    return OrderStatus.OPEN


def _people(wire: WireOrder, has_address: bool) -> tuple[Buyer, Address]:
    """Who bought and where it goes (ROA-31). A value that Shopify hides comes as null: then the buyer is redacted."""
    to, customer = wire.shipping_address or _NOWHERE, wire.customer or _NOBODY
    mail, call = customer.default_email_address, customer.default_phone_number
    phone = to.phone or wire.phone or (call.phone_number if call else None)
    email = wire.email or (mail.email_address if mail else None)
    first, last = customer.first_name or to.first_name, customer.last_name or to.last_name
    hidden: tuple[str | None, ...] = (first or last or to.name, phone, email)
    if has_address:
        hidden = (to.name, phone, email, to.address1, to.zip)
    name = to.name or f"{to.first_name or ''} {to.last_name or ''}".strip() or f"{first or ''} {last or ''}".strip()
    address = Address(
        name=name,
        company=to.company or "",
        line1=to.address1 or "",
        line2=to.address2 or "",
        city=to.city or "",
        state=to.province_code or to.province or "",
        postcode=to.zip or "",
        country=to.country_code or "",
        phone=phone or "",
        email=email or "",
    )
    redacted = wire.requires_shipping and None in hidden
    return Buyer(first or "", last or "", phone or "", email or "", redacted), address


_NOWHERE, _NOBODY = _Place(), _Customer()


def _line(line: Line, currency: str) -> OrderLine:
    """Pieces removed or refunded count as cancelled, those that left as fulfilled."""
    price = line.discounted_unit_price_after_all_discounts_set.shop_money.amount
    gone = line.quantity - line.current_quantity
    options = "" if line.variant_title == "Default Title" else line.variant_title or ""
    if line.custom_attributes:
        extras = [f"{pair.key}: {pair.value}" for pair in line.custom_attributes if pair.value]
        options = ", ".join(filter(None, (options, *extras)))
    return OrderLine(
        platform_line_id=number_of(line.id),
        name=line.title,
        quantity=Decimal(line.quantity),
        cancelled=Decimal(gone),
        sku=line.sku or "",
        platform_product_id=number_of(line.product),
        platform_variant_id=number_of(line.variant),
        options=options,
        unit_price=price,
        total_minor=_minor(price, currency, line.quantity),
        ships=line.requires_shipping and not line.is_gift_card,
        fulfilled=Decimal(max(0, line.current_quantity - line.unfulfilled_quantity)),
    )


def _note(wire: WireOrder) -> str:
    """The cart's note and the buyer's structured extras; names that begin with `_` are programs talking."""
    if not wire.custom_attributes:
        return wire.note or ""
    extras = [f"{pair.key}: {pair.value}" for pair in wire.custom_attributes if pair.value and pair.key[:1] != "_"]
    return "\n".join([*filter(None, [wire.note]), *extras])


def _unknown(wire: WireOrder, methods: set[str]) -> list[str]:
    words = (wire.display_financial_status or "none", wire.display_fulfillment_status, wire.return_status)
    if all(map(frozenset.__contains__, (FINANCIAL, FULFILLMENT, RETURN), words)) and methods <= METHODS:
        return []
    names = ("financial_status", "fulfillment_status", "return_status")
    known = (FINANCIAL, FULFILLMENT, RETURN)
    found = [f"unknown_{name}:{word}" for name, word, some in zip(names, words, known, strict=True) if word not in some]
    return found + [f"unknown_delivery_method:{method}" for method in sorted(methods - METHODS)]


def _order(wire: WireOrder, cod: re.Pattern[str]) -> Order:
    routes = [route for route in wire.fulfillment_orders.nodes if route.status != "CANCELLED"]
    methods = {route.delivery_method.method_type for route in routes if route.delivery_method}
    notes = _unknown(wire, methods)
    kind = _kind(wire, methods)
    if kind is OrderKind.VIRTUAL and methods & NO_PARCEL and wire.requires_shipping:
        notes.append("no_delivery_method")
    financial = wire.display_financial_status or ""
    unsettled = financial in {"PENDING", "PARTIALLY_PAID", "EXPIRED"}
    on_delivery = unsettled and any(cod.search(name) for name in wire.payment_gateway_names)
    money = wire.current_total_price_set.shop_money
    shipping = wire.total_shipping_price_set
    points = [r.delivery_method.service_code for r in routes if r.delivery_method] if methods else []
    point = next(filter(None, points), None) or (wire.shipping_line.code if wire.shipping_line else None)
    buyer, address = _people(wire, kind is not OrderKind.PICKUP)
    due = [route.fulfill_by for route in routes if route.fulfill_by and route.status != "CLOSED"]
    status = _status(wire, on_delivery, notes)
    if status is OrderStatus.UNPAID and financial in {"REFUNDED", "VOIDED"}:
        notes.append(f"{financial.lower()}_but_fulfillable")
    # AUTHORIZED: the money is safe and is captured when the goods leave.
    payment = Payment.MARKED if financial == "AUTHORIZED" else Payment.PREPAID
    return Order(
        platform_order_id=number_of(wire.id),
        number=wire.name,
        status=status,
        raw_status=raw_status(wire.cancelled_at is not None, financial, wire.display_fulfillment_status),
        kind=kind,
        payment=Payment.ON_DELIVERY if on_delivery else payment,
        currency=money.currency_code,
        total_minor=_minor(money.amount, money.currency_code),
        created_at=from_datetime(wire.created_at),
        updated_at=from_datetime(wire.updated_at),
        buyer=buyer,
        address=address,
        lines=tuple(_line(line, money.currency_code) for line in wire.line_items.nodes),
        paid_at=_paid_at(wire),
        pickup_point=(point or "") if kind is OrderKind.PICKUP_POINT else "",
        shipping_method=wire.shipping_line.title if wire.shipping_line else "",
        shipping_minor=_minor(shipping.shop_money.amount, money.currency_code) if shipping else 0,
        buyer_note=_note(wire),
        after_sale=wire.return_status != "NO_RETURN" and wire.display_fulfillment_status == "FULFILLED",
        tracking=_numbers(wire.fulfillments),
        deadline=_at(min(due, default=None)),
        warnings=tuple(dict.fromkeys(notes)),
    )


def _numbers(sent: Sequence[Sent]) -> tuple[str, ...]:
    alive = [one.number for parcel in sent if parcel.status not in VOID for one in parcel.tracking_info]
    return tuple(dict.fromkeys(number for number in alive if number))


def head(raw: bytes) -> Head:
    """What can be read of an order in any case."""
    try:
        return msgspec.json.decode(raw, type=Head)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Head()


class Reading(Struct, frozen=True):
    """How one shop's orders are to be read: `cod` finds payment methods paid on delivery, whose names are free text."""

    cod: re.Pattern[str]
    test_orders: bool = False


def parse_order(raw: bytes, reading: Reading) -> Parsed | Poison:
    """One order's JSON as ours, or why it cannot be; never raises for what a shop may send."""
    result = understood(lambda: _order(_DECODER.decode(raw), reading.cod), raw, "")
    if isinstance(result, Poison):
        return msgspec.structs.replace(result, platform_order_id=number_of(head(raw).id))
    return result


def parse_orders(raws: Sequence[bytes], reading: Reading) -> tuple[Parsed | Poison, ...]:
    """A page of orders; those of Shopify's test mode are left out unless the shop wants them."""
    return tuple(parse_order(raw, reading) for raw in raws if reading.test_orders or not _TEST.search(raw))


_TEST = re.compile(rb'"test"\s*:\s*true')
"""Within a text the quotes would be escaped, and nothing else of an order has a field of that name."""
_DECODER = msgspec.json.Decoder(WireOrder)
