"""What travels to and from an RO App account, and what it means: orders, their lines, goods, all pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from connectors.contract import Parsed, Poison
from connectors.wire import BadOrder, Scalar, as_number, as_text, understood
from domain.clock import Instant, from_datetime
from domain.enums import OrderKind, OrderStatus, Payment
from domain.money import Money
from domain.records import Address, Buyer, Category, Order, OrderLine, Product
from domain.text import safe
from domain.words import _

_NUMBERS = re.compile(r"[\s,;]+")


# ---------------------------------------------------------------- what travels


class _Paging(Struct, frozen=True):
    total_pages: int = 1
    count: int | None = None


class Page(Struct):
    """A page of a list."""

    data: list[msgspec.Raw]
    paging: _Paging = _Paging()


class _Status(Struct):
    id: int
    name: str = ""


class _Client(Struct):
    is_organization: bool = False
    name: Scalar = ""
    first_name: Scalar = ""
    last_name: Scalar = ""
    email: Scalar = ""
    phones: Any = None
    phone: Any = None
    address: Scalar = ""


class Head(Struct):
    """What finds, dates and guards an order even where the rest of it is nonsense."""

    id: int
    modified_at: Scalar = ""
    created_at: Scalar = ""
    status: _Status | None = None
    custom_fields: Any = None
    raw: bytes = b""


class _Order(Struct):
    id: int
    status: _Status
    created_at: str
    modified_at: str
    total: Scalar
    number: Scalar = ""
    client: _Client | None = None
    custom_fields: Any = None
    manager_notes: Scalar = ""
    due_date: Scalar = None


class _Entity(Struct):
    id: int
    type: Scalar = ""
    sku: Scalar = ""
    code: Scalar = ""
    title: Scalar = ""


class _Item(Struct):
    id: int
    quantity: Scalar
    price: Scalar
    entity: _Entity


class _Good(Struct):
    id: int
    title: str
    category_id: int | None = None
    description: Scalar = ""
    sku: Scalar = ""


class Named(Struct):
    """A category, a status or a custom field."""

    id: int
    name: Scalar = ""
    title: Scalar = ""
    parent_id: int | None = None

    @property
    def words(self) -> str:
        """What people call it."""
        return as_text(self.title) or as_text(self.name)


class Reading(Struct, frozen=True):
    """How an account's orders are to be read: what its statuses and custom fields mean, its currency and country."""

    statuses: Mapping[int, OrderStatus]
    currency: str
    country: str
    number_field: str
    address_field: str


# ---------------------------------------------------------------- wire values → ours


def _plain(value: Scalar) -> str:
    """A decimal as the API writes it, with a point: some accounts write a comma."""
    return as_text(value).strip().replace(",", ".")


def _instant(value: str) -> Instant:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise BadOrder("bad_date", _("A date of the order names no zone."))
    return from_datetime(moment)


def dated(value: Scalar) -> Instant | None:
    """An instant, or None for what is none."""
    try:
        return _instant(as_text(value))
    except (ValueError, OverflowError):
        return None


def own_field(fields: object, name: str) -> str:
    """The text of a custom field; '' where there is none of that name."""
    return as_text(fields.get(name)).strip() if name and isinstance(fields, dict) else ""


def numbers_in(text: str) -> tuple[str, ...]:
    """The tracking numbers that a custom field holds."""
    return tuple(dict.fromkeys(filter(None, _NUMBERS.split(text))))


def _phone(client: _Client) -> str:
    """The first phone: accounts show texts, or objects with `phone`, under either name."""
    for many in (client.phones, client.phone):
        for one in many if isinstance(many, list) else [many]:
            if text := as_text(one.get("phone") if isinstance(one, dict) else one).strip():
                return text
    return ""


def _line(raw: bytes, currency: str, notes: list[str]) -> OrderLine:
    item = msgspec.json.decode(raw, type=_Item)
    quantity = as_number(_plain(item.quantity), _("The quantity"), "bad_quantity")
    price = _plain(item.price) or "0"
    kind = as_text(item.entity.type).strip()
    if kind not in {"product", "service"}:
        notes.append(f"unknown_line_type:{safe(kind, 40)}")
    return OrderLine(
        platform_line_id=str(item.id),
        name=as_text(item.entity.title),
        quantity=quantity,
        sku=as_text(item.entity.sku),
        platform_product_id=str(item.entity.id),
        unit_price=price,
        total_minor=Money.parse(as_number(price, _("A line's price")) * quantity, currency).minor,
        ships=kind != "service",
    )


def _order(raw: bytes, items: Sequence[bytes], reading: Reading) -> Order:
    """The order as ours. Raises `BadOrder`, `UnknownCurrency`, `BadAmount` or what msgspec and dates raise."""
    wire = msgspec.json.decode(raw, type=_Order)
    notes: list[str] = []
    raw_status = wire.status.name.strip() or str(wire.status.id)
    if (status := reading.statuses.get(wire.status.id)) is None:
        notes.append(f"unknown_status:{wire.status.id} {safe(raw_status, 60)}")
    client = wire.client or _Client()
    first, last, whole, email = map(as_text, (client.first_name, client.last_name, client.name, client.email))
    person = f"{first} {last}".strip() or whole
    phone, created = _phone(client), _instant(wire.created_at)
    amount = as_number(_plain(wire.total), _("The order's amount"))
    lines = [_line(item, reading.currency, notes) for item in items]
    return Order(
        platform_order_id=str(wire.id),
        number=as_text(wire.number).strip() or str(wire.id),
        status=status or OrderStatus.OPEN,
        raw_status=raw_status,
        kind=OrderKind.DELIVERY,
        payment=Payment.MARKED,
        currency=reading.currency,
        total_minor=Money.parse(amount, reading.currency).minor,
        created_at=created,
        updated_at=_instant(wire.modified_at),
        buyer=Buyer(first or ("" if last else whole), last, phone, email),
        address=Address(
            name=person,
            company=whole if client.is_organization else "",
            line1=own_field(wire.custom_fields, reading.address_field) or as_text(client.address),
            country=reading.country,
            phone=phone,
            email=email,
        ),
        # By id: a list may turn any way, and the place of a line is part of the order.
        lines=tuple(sorted(lines, key=lambda line: int(line.platform_line_id))),
        # Whether an order is paid is not told; one that is not has a status of its own.
        paid_at=None if status is OrderStatus.UNPAID else created,
        seller_note=as_text(wire.manager_notes),
        deadline=dated(wire.due_date),
        tracking=numbers_in(own_field(wire.custom_fields, reading.number_field)),
        warnings=tuple(dict.fromkeys(notes)),
    )


def parse_order(raw: bytes, items: Sequence[bytes], reading: Reading) -> Parsed | Poison:
    """An order's JSON and that of its lines as ours, or why it cannot be; never raises for what the account may send."""
    payload = b'{"order":' + raw + b',"items":[' + b",".join(items) + b"]}"
    return understood(lambda: _order(raw, items, reading), payload, str(head_of(raw).id or ""))


def head_of(raw: bytes) -> Head:
    """The head of an order; id 0 where it has none."""
    try:
        head = msgspec.json.decode(raw, type=Head)
    except (msgspec.MsgspecError, RecursionError):
        return Head(0, raw=raw)
    return msgspec.structs.replace(head, raw=raw)


def unit(raw: bytes, paths: Mapping[int, tuple[str, ...]]) -> Product:
    """A product of the catalogue. `paths`: category id → names from the root on."""
    wire = msgspec.json.decode(raw, type=_Good)
    path = paths.get(wire.category_id or 0, ())
    return Product(
        str(wire.id),
        "",
        wire.title,
        sku=as_text(wire.sku),
        description=as_text(wire.description),
        categories=(Category(str(wire.category_id), path),) if path else (),
    )


def paths_of(rows: Sequence[Named]) -> dict[int, tuple[str, ...]]:
    """Category id → names from the root on."""
    known = {row.id: row for row in rows}

    def path(id_: int | None, below: frozenset[int] = frozenset()) -> tuple[str, ...]:
        row = known.get(id_ or 0)
        if row is None or row.id in below:
            return ()
        return (*path(row.parent_id, below | {row.id}), row.words)

    return {id_: path(id_) for id_ in known}


def word_of(head: Head) -> str:
    """The account's own word for an order's status."""
    return safe(head.status.name or head.status.id, 40) if head.status else ""


def message_in(body: bytes) -> str | None:
    """The words of an error; None where the API did not speak (a page of something in front of it)."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return safe(as_text(said.get("message"))) if isinstance(said, dict) else None
