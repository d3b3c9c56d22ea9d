"""What travels to and from a Cartum (Horoshop) shop, and what it means: orders, goods and the envelope, all pure.

PHP gives any scalar for any text, an object where an array has gaps, and [] for an empty object.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from connectors.contract import Parsed, Poison
from connectors.http import Answer, WireError, failure
from connectors.wire import BadOrder, Scalar, as_number, as_text, listed, understood
from domain.clock import Instant, from_datetime
from domain.enums import OrderKind, OrderStatus, Payment
from domain.money import Money
from domain.records import Address, Buyer, Category, Order, OrderLine, Product
from domain.results import NotActed, Refused, Unauthorised, Unknown
from domain.text import safe
from domain.words import _

STATUSES = {
    "1": OrderStatus.OPEN,
    "2": OrderStatus.OPEN,
    "6": OrderStatus.SHIPPED,
    "3": OrderStatus.COMPLETED,
    "4": OrderStatus.CANCELLED,
}
_LINE_TYPES = frozenset({"", "product", "set_main", "set_item", "gift_parent", "gift"})
_PIECES = re.compile(r"-?[0-9]{1,9}(\.0*)?")
_NAMES_TOKEN = re.compile(r"token|authori[sz]|токен|авториз", re.IGNORECASE)

# Named once: a message is looked up for every order otherwise.
_QUANTITY, _LINE_TOTAL, _LINE_PRICE = _("The quantity"), _("A line's total"), _("A line's price")
_AMOUNT, _SHIPPING, _STOCK = _("The order's amount"), _("The shipping cost"), _("The stock")


class _Envelope(Struct):
    status: str
    response: msgspec.Raw = msgspec.Raw(b"null")


class _Orders(Struct):
    orders: list[msgspec.Raw] | dict[str, msgspec.Raw]


class _Products(Struct):
    products: list[msgspec.Raw] | dict[str, msgspec.Raw]


class _Line(Struct):
    article: Scalar = ""
    title: Any = ""
    quantity: Scalar = None
    type: Scalar = ""
    # Raw, since "the price exactly as the platform gives it" does not survive a float.
    price: msgspec.Raw = msgspec.Raw(b"")
    total_price: msgspec.Raw = msgspec.Raw(b"")


class _Order(Struct):
    order_id: int | str
    stat_status: Scalar
    stat_created: Scalar
    currency: str
    total_sum: msgspec.Raw
    delivery_name: Scalar = ""
    delivery_phone: Scalar = ""
    delivery_email: Scalar = ""
    delivery_city: Scalar = ""
    delivery_address: Scalar = ""
    delivery_type: Any = None
    delivery_option: Any = None
    delivery_price: Scalar = None
    delivery_data: Any = None
    additional_data: Any = None
    payment_type: Any = None
    payed: Scalar = None
    comment: Scalar = ""
    tracking_code: Scalar = ""
    own_tracking_code: Scalar = ""
    products: list[_Line] | dict[str, _Line] | None = None


class _Product(Struct):
    article: Scalar = ""
    parent: Any = None
    title: Any = ""
    presence: Any = None
    residues: list[Any] | dict[str, Any] | None = None


class Row(Struct, frozen=True):
    """One order of an answer, before anybody tried to understand it."""

    id: str
    created: str
    raw: bytes


# ---------------------------------------------------------------- wire values → ours


class Reading(Struct, frozen=True):
    """How one shop's orders are to be read: its zone, its status ids, what its payment and delivery ids mean."""

    zone: ZoneInfo
    statuses: Mapping[str, OrderStatus]
    on_delivery: frozenset[str] = frozenset()
    pickup: frozenset[str] = frozenset()
    country: str = "UA"
    language: str = "ua"


def part(value: object, name: str) -> str:
    """A named part of what should be an object, as text."""
    return as_text(value.get(name)) if isinstance(value, dict) else ""


def titled(value: object, language: str) -> str:
    """A text that may be keyed by language: the shop's, else the first there is."""
    if not isinstance(value, dict):
        return as_text(value)
    return as_text(value.get(language)) or next((text for text in map(as_text, value.values()) if text), "")


def _amount(raw: msgspec.Raw, default: str = "") -> str:
    """A JSON number (or a text that holds one) with the digits it came with."""
    text = bytes(raw).decode().strip('"').strip()
    return default if text in {"", "null"} else text


def instant(text: str, zone: ZoneInfo) -> Instant | None:
    """A local time of the shop. Of the two that an autumn hour has, the first: it must be the same at every reading."""
    try:
        value = datetime.fromisoformat(text)
        return from_datetime(value if value.tzinfo else value.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        return None


def row_of(raw: bytes) -> Row:
    """What finds and dates an order even where the rest of it is nonsense."""
    try:
        head = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return Row("", "", raw)
    return Row(as_text(head.get("order_id")), as_text(head.get("stat_created")), raw)


def _goods(lines: Sequence[_Line], notes: list[str]) -> list[tuple[int, _Line]]:
    """The lines that are picked, each with its position: of a set its parts, where they are there."""
    mains = [place for place, line in enumerate(lines) if line.type == "set_main"]
    dropped = set()
    for turn, place in enumerate(mains):
        # Nothing says which parts belong to which set; they stand behind it, in an order with one set anywhere.
        end = mains[turn + 1] if turn + 1 < len(mains) else len(lines)
        if any(line.type == "set_item" for line in lines[place if turn else 0 : end]):
            dropped.add(place)
    for line in lines:
        if as_text(line.type) not in _LINE_TYPES:
            notes.append(f"unknown_line_type:{as_text(line.type)}")
    return [(place, line) for place, line in enumerate(lines) if place not in dropped]


def _line(place: int, line: _Line, currency: str, language: str) -> OrderLine:
    quantity = as_number(line.quantity, _QUANTITY, "bad_quantity")
    total, price = _amount(line.total_price), _amount(line.price)
    net = as_number(total or str(as_number(price or "0", _LINE_PRICE) * quantity), _LINE_TOTAL)
    unit = as_number(price, _LINE_PRICE) if price else net / quantity if quantity else Decimal(0)
    article = as_text(line.article).strip()
    return OrderLine(
        platform_line_id=f"{place}:{article}",  # The platform has no line ids.
        name=titled(line.title, language),
        quantity=quantity,
        sku=article,
        platform_product_id=article,
        unit_price=price or str(unit),
        total_minor=Money.parse(net, currency).minor,
    )


def _codes(wire: _Order) -> list[str]:
    """Numbers told through the API, where the shop shows them."""
    return [text for text in map(as_text, (wire.tracking_code, wire.own_tracking_code)) if text.strip()]


def _order(wire: _Order, reading: Reading, read_at: Instant) -> Order:
    """The order as ours. Raises `BadOrder`, `UnknownCurrency` or `BadAmount`."""
    notes: list[str] = []
    number, raw_status = as_text(wire.order_id), as_text(wire.stat_status)
    created = instant(as_text(wire.stat_created), reading.zone)
    if created is None:
        raise BadOrder("bad_date", _("The order has no readable creation date."))
    if not number.isdecimal():
        raise BadOrder("malformed_order", _("The order has no id."))
    if (status := reading.statuses.get(raw_status)) is None:
        notes.append(f"unknown_status:{raw_status}")
    currency = wire.currency.strip().upper()
    goods = _goods(listed(wire.products), notes)
    point = part(wire.additional_data, "recipient_warehouse_ref").strip()
    pickup = part(wire.delivery_type, "id") in reading.pickup
    kind = OrderKind.PICKUP if pickup else OrderKind.PICKUP_POINT if point else OrderKind.DELIVERY
    paid = wire.payed is True or as_text(wire.payed) == "1"
    on_delivery = part(wire.payment_type, "id") in reading.on_delivery
    title = wire.delivery_type.get("title") if isinstance(wire.delivery_type, dict) else ""
    # -1 means that nobody has reckoned it yet.
    carriage = max(Decimal(0), as_number(as_text(wire.delivery_price) or "0", _SHIPPING))
    name, phone, email = map(as_text, (wire.delivery_name, wire.delivery_phone, wire.delivery_email))
    return Order(
        platform_order_id=number,
        number=number,
        status=status or OrderStatus.OPEN,
        raw_status=raw_status,
        kind=kind,
        payment=Payment.ON_DELIVERY if on_delivery else Payment.PREPAID,
        currency=currency,
        total_minor=Money.parse(as_number(_amount(wire.total_sum), _AMOUNT), currency).minor,
        created_at=created,
        # The platform tells no time of change; the newest reading is the newest version.
        updated_at=read_at,
        buyer=Buyer(first_name=name, phone=phone, email=email),
        address=Address(
            name=name,
            line1=as_text(wire.delivery_address),
            city=as_text(wire.delivery_city),
            country=reading.country,
            phone=phone,
            email=email,
        ),
        lines=tuple(_line(place, line, currency, reading.language) for place, line in goods),
        paid_at=created if paid else None,
        pickup_point=point if kind is OrderKind.PICKUP_POINT else "",
        shipping_method=titled(title, reading.language) or part(wire.delivery_option, "name"),
        shipping_minor=Money.parse(carriage, currency).minor,
        buyer_note=as_text(wire.comment),
        tracking=tuple(dict.fromkeys(filter(None, (part(wire.delivery_data, "tnNumber"), *_codes(wire))))),
        warnings=tuple(notes),
    )


def parse_order(raw: bytes, reading: Reading, read_at: Instant) -> Parsed | Poison:
    """One order's JSON as ours, or why it cannot be; never raises for what a shop may send."""
    return understood(lambda: _order(msgspec.json.decode(raw, type=_Order), reading, read_at), raw, row_of(raw).id)


def unit(raw: bytes, paths: Mapping[str, tuple[str, ...]], language: str) -> Product:
    """A row of the catalogue. Order lines name goods by article alone, so every article stands for itself."""
    wire = msgspec.json.decode(raw, type=_Product)
    article = as_text(wire.article).strip()
    if not article:
        raise BadOrder("malformed_product", _("A product has no article."))
    stocks = [as_number(as_text(row.get("quantity")) or "0", _STOCK) for row in rows_in(wire.residues)]
    section = section_of(wire.parent)
    path = paths.get(section, ())
    return Product(
        platform_product_id=article,
        platform_variant_id="",
        name=titled(wire.title, language),
        sku=article,
        categories=(Category(section, path),) if path else (),
        stock_managed=bool(stocks),
        stock_quantity=sum(stocks, Decimal(0)) if stocks else None,
        status=titled(wire.presence.get("value"), language) if isinstance(wire.presence, dict) else "",
    )


def rows_in(value: object) -> list[dict[str, Any]]:
    """The objects of a list, whatever PHP made of it."""
    return [row for row in listed(value) if isinstance(row, dict)]


def section_of(parent: object) -> str:
    """The id of a product's section, given bare or as an object; '' for the root."""
    text = part(parent, "id") if isinstance(parent, dict) else as_text(parent)
    return "" if text == "0" else text


# ---------------------------------------------------------------- the envelope


def _message(response: bytes) -> str:
    try:
        value = msgspec.json.decode(response)
    except (msgspec.MsgspecError, RecursionError):
        return ""
    return safe(part(value, "message") or as_text(value))


def opened(answer: Answer, function: str, acts: bool) -> bytes | None:
    """The response inside an answer, None for `EMPTY`. Raises `WireError` for everything that is no success."""
    if answer.status in {401, 429} or 300 <= answer.status < 400 or answer.status >= 500:
        raise failure(answer, acts)
    try:
        envelope = msgspec.json.decode(answer.body.removeprefix(b"\xef\xbb\xbf"), type=_Envelope)
    except (msgspec.MsgspecError, RecursionError):
        # A challenge or an outage page, whatever its HTTP status. Never the body itself: it may be full of buyers.
        not_understood(acts, "not_json")
    word, response = envelope.status.strip().upper(), bytes(envelope.response)
    if word in {"OK", "WARNING"}:
        return response
    if word == "EMPTY":
        return None
    said = _message(response) or safe(word, 40)
    stale = word in {"UNAUTHORIZED", "AUTHORIZATION_ERROR"} or (word == "ERROR" and _NAMES_TOKEN.search(said))
    if stale or (function == "auth" and word in {"ERROR", "EXCEPTION"}):
        raise WireError(Unauthorised("wrong_login" if function == "auth" else "unauthorised", said), answer.status)
    if word == "UNDEFINED_FUNCTION":
        text = _("The shop's version has no function {function}.")
        raise WireError(Refused("undefined_function", text.format(function=function)), answer.status)
    codes = {"ERROR": "platform_error", "EXCEPTION": "platform_error", "HTTP_ERROR": "bad_request"}
    raise WireError(Refused(codes.get(word, "unknown_answer"), said), answer.status)


def not_understood(acts: bool, code: str = "not_understood") -> NoReturn:
    """Raise for an answer that says nothing about what was asked."""
    text = _("The shop's answer is not the data that was asked for.")
    raise WireError(Unknown(code, text) if acts else NotActed(code, text)) from None


def update_log(response: bytes, order_ids: Sequence[str]) -> dict[str, str]:
    """What the answer to `orders/update` says of each order: '' for OK, else the shop's words; left out = nothing.

    The published sample names no order, so that items go by position, and calls the text `messages`.
    """
    value = msgspec.json.decode(response)
    items = rows_in(value.get("log")) if isinstance(value, dict) else []
    named = [part(item, "order_id") for item in items]
    if not any(named) and len(items) == len(order_ids):
        named = list(order_ids)
    said: dict[str, str] = {}
    for order_id, item in zip(named, items, strict=True):
        message = item.get("messages") or item.get("message") or ""
        text = "; ".join(map(as_text, message)) if isinstance(message, list) else as_text(message)
        good = part(item, "status").upper() == "OK"
        said[order_id] = "" if good else safe(text) or _("The shop refuses without a word.")
    return said


def codes_in(raw: bytes) -> list[str]:
    """The numbers that an order shows as told through the API; [] where the shop shows none."""
    return _codes(msgspec.json.decode(raw, type=_Order))


def shelves_in(raw: bytes) -> tuple[str, dict[str, int]]:
    """The article of a row of the catalogue, and its pieces by warehouse; unreadable numbers are left out."""
    try:
        wire = msgspec.json.decode(raw, type=_Product)
    except (msgspec.MsgspecError, RecursionError):
        return "", {}
    rows = [(as_text(row.get("warehouse")), as_text(row.get("quantity"))) for row in rows_in(wire.residues)]
    return as_text(wire.article).strip(), {name: int(float(n)) for name, n in rows if name and _PIECES.fullmatch(n)}


def status_of(raw: bytes) -> str:
    """The id of an order's status, also where the rest of it is nonsense."""
    return as_text(msgspec.json.decode(raw, type=dict[str, Any]).get("stat_status"))


def orders_in(response: bytes | None) -> list[Row]:
    """The orders of an answer; none only where it says so."""
    if response is None:
        return []
    try:
        found = msgspec.json.decode(response, type=_Orders).orders
    except (msgspec.MsgspecError, RecursionError):
        not_understood(acts=False)
    return [row_of(bytes(raw)) for raw in listed(found)]


def products_in(response: bytes | None) -> list[bytes]:
    """The rows of the catalogue in an answer; none only where it says so."""
    if response is None:
        return []
    try:
        return [bytes(raw) for raw in listed(msgspec.json.decode(response, type=_Products).products)]
    except (msgspec.MsgspecError, RecursionError):
        not_understood(acts=False)


def titles_in(response: bytes | None, language: str) -> dict[str, str]:
    """Id → title of a list of reference, under whatever key it stands."""
    value = msgspec.json.decode(response or b"null")
    lists = [value, *value.values()] if isinstance(value, dict) else [value]
    rows = next((rows for each in lists if (rows := [r for r in rows_in(each) if part(r, "id")])), [])
    return {part(row, "id"): titled(row.get("title"), language) for row in rows}


def sections_in(response: bytes | None, language: str) -> dict[str, tuple[str, str]]:
    """Section id → (its parent, '' = the root; its title)."""
    value = msgspec.json.decode(response or b"null")
    rows = rows_in(value["pages"] if isinstance(value, dict) and "pages" in value else value)
    found = {part(row, "id"): (section_of(row.get("parent")), titled(row.get("title"), language)) for row in rows}
    return {id_: place for id_, place in found.items() if id_.isdecimal()}
