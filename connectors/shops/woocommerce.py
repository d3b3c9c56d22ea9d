"""WooCommerce through its REST API v3: orders and products read, shipments told by a note and the status `completed`.

Core orders have no tracking field, so the number travels in an order note and, once the goods are written off, in order
meta sent together with the status. Wire facts: WooCommerce REST API v3 as documented, and as measured on 9.9 and 10.5.
"""

import asyncio
import base64
import html
import json as stdjson
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_QUERY, Client

from connectors.contract import (
    Binding,
    Checked,
    Field,
    Gone,
    Limits,
    Listed,
    OrderPage,
    Parsed,
    Poison,
    ProductPage,
    Push,
    Pushed,
    PushedInPart,
    PushFound,
    PushLine,
    PushOutcome,
    Repeat,
    ShopCapabilities,
    ShopDeclaration,
)
from connectors.http import Answer, WireError, failure
from connectors.wire import BadOrder, Scalar, as_number, as_text, every, understood
from domain.clock import DAY, Instant, from_datetime, iso
from domain.enums import DONE_ORDER, OrderKind, OrderStatus, Payment
from domain.money import Money
from domain.records import Address, Buyer, Category, Order, OrderLine, Product
from domain.results import NotActed, NotFound, Refused, Unauthorised, Unknown
from domain.text import full_name, safe
from domain.words import _

T = TypeVar("T")

# It writes keys and signatures at DEBUG.
logging.getLogger("oauthlib").setLevel(logging.WARNING)

API = "/wc/v3"
PAGE = 100
OVERLAP_S = 600
PASSES = 4
"""A list whose pages shift is read again, at most so often."""
MAX_EXCLUDE = 500
"""Ids in one `exclude=`: more would outgrow the 8 KB of URL that common servers accept."""

STATUSES = {
    "checkout-draft": OrderStatus.UNPAID,
    "auto-draft": OrderStatus.UNPAID,
    "pending": OrderStatus.UNPAID,
    "on-hold": OrderStatus.ON_HOLD,
    "processing": OrderStatus.OPEN,
    "completed": OrderStatus.COMPLETED,
    "cancelled": OrderStatus.CANCELLED,
    "refunded": OrderStatus.REFUNDED,
    "failed": OrderStatus.FAILED,
    "trash": OrderStatus.DELETED,
}
DRAFTS = frozenset({"checkout-draft", "auto-draft"})
PICKUP_METHODS = frozenset({"local_pickup", "pickup_location"})
PICKUP_POINT_KEYS = "parcel_machine_id,pickup_point_id,pickup_point,service_point_id,parcel_locker_id"
WEIGHTS = {"kg": Decimal(1000), "g": Decimal(1), "lbs": Decimal("453.59237"), "oz": Decimal("28.349523125")}

_DEAD = {
    OrderStatus.CANCELLED: "order_cancelled",
    OrderStatus.REFUNDED: "order_refunded",
    OrderStatus.FAILED: "order_failed",
    OrderStatus.DELETED: "order_gone",
}
# Places without summer time, for offsets that no Etc/GMT zone has.
_HALF_HOURS = {
    "3.5": "Asia/Tehran",
    "4.5": "Asia/Kabul",
    "5.5": "Asia/Kolkata",
    "5.75": "Asia/Kathmandu",
    "6.5": "Asia/Yangon",
    "8.75": "Australia/Eucla",
    "9.5": "Australia/Darwin",
    "-9.5": "Pacific/Marquesas",
}

# Named once: a message is looked up for every order otherwise.
_QUANTITY = _("The quantity")
_LINE_TOTAL = _("A line's total")
_LINE_PRICE = _("A line's price")
_REFUNDED = _("A refunded quantity")
_AMOUNT = _("The order's amount")
_SHIPPING = _("The shipping cost")


# ---------------------------------------------------------------- what travels; PHP gives any scalar for any text

_Party = dict[str, Scalar]


class _Meta(Struct):
    key: Scalar = ""
    value: Any = None
    id: Scalar = None
    display_key: Any = None
    display_value: Any = None


_Metas = list[_Meta] | dict[str, _Meta] | None


class _Line(Struct):
    id: int | str
    name: Scalar = ""
    product_id: Scalar = 0
    variation_id: Scalar = 0
    quantity: Scalar = None
    total: Scalar = "0"
    sku: Scalar = ""
    # Raw, since "the price exactly as the platform gives it" does not survive a float.
    price: msgspec.Raw = msgspec.Raw(b"")
    meta_data: _Metas = None


class _ShippingLine(Struct):
    method_id: Scalar = ""
    method_title: Scalar = ""
    meta_data: _Metas = None


class _Order(Struct):
    id: int | str
    status: str
    currency: str
    total: Scalar
    number: Scalar = None
    date_created_gmt: Scalar = None
    date_modified_gmt: Scalar = None
    date_paid_gmt: Scalar = None
    shipping_total: Scalar = None
    customer_note: Scalar = ""
    # An empty PHP array is [] even where an object belongs.
    billing: _Party | list[Any] | None = None
    shipping: _Party | list[Any] | None = None
    payment_method: Scalar = ""
    needs_processing: Any = None
    meta_data: _Metas = None
    line_items: list[_Line] | dict[str, _Line] | None = None
    shipping_lines: list[_ShippingLine] | dict[str, _ShippingLine] | None = None
    refunds: Any = None


class _RefundLine(Struct):
    quantity: Scalar = 0
    product_id: Scalar = 0
    variation_id: Scalar = 0
    meta_data: _Metas = None


class _Refund(Struct):
    id: Scalar = ""
    line_items: list[_RefundLine] | dict[str, _RefundLine] | None = None


class _Head(Struct):
    """What finds and dates an order even where the rest of it is nonsense."""

    id: Any = None
    status: Any = None
    date_modified_gmt: Any = None
    refunds: Any = None


class _ListedRow(Struct):
    """No more of an order than says that it is there."""

    id: Scalar
    number: Scalar = None
    status: Scalar = ""
    date_created_gmt: Scalar = None


class _Row(Struct, frozen=True):
    """One order of a page, before anybody tried to understand it. `modified` is in seconds, 0 = unreadable."""

    id: str
    status: str
    modified: int
    refunded: bool
    raw: bytes
    wire: _Order | None = None
    """The whole order, where it could be read."""


class _Named(Struct):
    id: int
    name: Scalar = ""
    parent: int = 0


class _Product(Struct):
    """A product or one variation of it."""

    id: int
    name: Scalar = ""
    sku: Scalar = ""
    type: Scalar = "simple"
    status: Scalar = ""
    description: Scalar = ""
    manage_stock: Scalar = False
    stock_quantity: Scalar = None
    weight: Scalar = ""
    categories: list[_Named] | None = None
    variations: list[Any] | dict[str, Any] | None = None
    attributes: list[Any] | dict[str, Any] | None = None


# ---------------------------------------------------------------- wire values → ours


class Reading(Struct, frozen=True):
    """How one shop's orders are to be read: its own status words and meta keys."""

    statuses: Mapping[str, OrderStatus]
    tracking_key: str = "_tracking_number"
    pickup_point_keys: tuple[str, ...] = tuple(PICKUP_POINT_KEYS.split(","))


def _listed(value: list[T] | dict[str, T] | None) -> list[T]:
    """PHP writes an array with gaps as an object."""
    return list(value.values()) if isinstance(value, dict) else value or []


def _id(value: object) -> str:
    """An id as text; 0 means none."""
    text = as_text(value)
    return "" if text == "0" else text


def _instant(text: object) -> Instant | None:
    """A date of the API: GMT without a zone suffix. Zero dates and nonsense are None."""
    words = as_text(text)
    try:
        # The form the API gives; a zone behind it saves a second datetime.
        return from_datetime(datetime.fromisoformat(words + "+00:00" if len(words) == 19 else words))
    except (ValueError, OverflowError):
        pass
    try:
        value = datetime.fromisoformat(words)
        return from_datetime(value if value.tzinfo else value.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _gmt(seconds: int) -> str:
    """The naive form the filters want beside `dates_are_gmt=true`; a zone suffix would shift the window."""
    return (iso(seconds * 1000) or "").rstrip("Z")


def _seconds(text: object) -> int:
    return (_instant(text) or 0) // 1000


def _cursor(seconds: int) -> str:
    return _gmt(seconds) if seconds else ""


_REACHES = ("first_name", "last_name", "company", "address_1", "address_2", "city", "postcode")


def _party(value: _Party | list[Any] | None) -> _Party:
    return value if isinstance(value, dict) else {}


def _people(wire: _Order) -> tuple[Buyer, Address]:
    """Who bought and where it goes. ROA-32: the phone is the delivery's, else the payer's."""
    shipping, billing = _party(wire.shipping), _party(wire.billing)
    to = shipping if any(as_text(shipping.get(key)).strip() for key in _REACHES) else billing
    payer = billing if as_text(billing.get("first_name")) or as_text(billing.get("last_name")) else shipping
    phone = as_text(shipping.get("phone"))
    if not phone.strip():
        phone = as_text(billing.get("phone"))
        phone = phone if phone.strip() else ""
    email = as_text(billing.get("email"))
    values = (as_text(payer.get("first_name")), as_text(payer.get("last_name")), phone, email)
    address = Address(
        name=full_name(as_text(to.get("first_name")), as_text(to.get("last_name"))),
        company=as_text(to.get("company")),
        line1=as_text(to.get("address_1")),
        line2=as_text(to.get("address_2")),
        city=as_text(to.get("city")),
        state=as_text(to.get("state")),
        postcode=as_text(to.get("postcode")),
        country=as_text(to.get("country")),
        phone=phone,
        email=email,
    )
    return Buyer(*values, redacted=any("[deleted]" in value for value in values)), address


def _line(line: _Line, currency: str, cancelled: Decimal, ships: bool) -> OrderLine:
    if not _id(line.id).isdecimal():
        raise BadOrder("malformed_order", _("An order line has no id."))
    quantity = as_number(line.quantity, _QUANTITY, "bad_quantity")
    net = as_number(as_text(line.total) or "0", _LINE_TOTAL)
    price = bytes(line.price).decode().strip('"')
    if price in {"", "null"}:
        price = str(net / quantity) if quantity else "0"
    as_number(price, _LINE_PRICE)
    shown = [meta for meta in _listed(line.meta_data) if as_text(meta.key)[:1] not in {"", "_"}]
    options = [(as_text(m.display_key) or as_text(m.key), as_text(m.display_value) or as_text(m.value)) for m in shown]
    return OrderLine(
        platform_line_id=_id(line.id),
        name=html.unescape(as_text(line.name)),
        quantity=quantity,
        cancelled=min(cancelled, quantity),
        sku=as_text(line.sku),
        platform_product_id=_id(line.product_id),
        platform_variant_id=_id(line.variation_id),
        options=html.unescape(", ".join(f"{key}: {value}" for key, value in options if value)),
        unit_price=price,
        total_minor=Money.parse(net, currency).minor,
        ships=ships,
    )


def _cancelled(lines: list[_Line], refunds: Sequence[_Refund]) -> tuple[dict[str, Decimal], list[str]]:
    """Refunded quantity per line id, and what could not be told from the refunds."""
    gone: dict[str, Decimal] = {}
    warnings: list[str] = []
    for refund in refunds:
        taken = [(part, -as_number(as_text(part.quantity) or "0", _REFUNDED)) for part in _listed(refund.line_items)]
        taken = [(part, quantity) for part, quantity in taken if quantity > 0]
        if not taken:
            warnings.append("refund_amount_only")
        for part, quantity in taken:
            named = {as_text(m.value) for m in _listed(part.meta_data) if m.key == "_refunded_item_id"}
            goods = (_id(part.product_id), _id(part.variation_id))
            same = [line for line in lines if _id(line.id) in named] or [
                line for line in lines if not named and (_id(line.product_id), _id(line.variation_id)) == goods
            ]
            if len(same) == 1:
                key = _id(same[0].id)
                gone[key] = gone.get(key, Decimal(0)) + quantity
            else:
                warnings.append("refund_line_unmatched")
    return gone, list(dict.fromkeys(warnings))


def _pickup_point(wire: _Order, keys: Sequence[str]) -> str:
    shipping = [meta for line in _listed(wire.shipping_lines) for meta in _listed(line.meta_data)]
    for meta in [*shipping, *_listed(wire.meta_data)]:
        value = meta.value.get("id") if isinstance(meta.value, dict) else meta.value
        if as_text(meta.key).lstrip("_") in keys and as_text(value).strip():
            return as_text(value).strip()
    return ""


def _tracking(wire: _Order, key: str) -> tuple[str, ...]:
    """Numbers in our own meta key (several parcels: comma separated) and those of the Shipment Tracking extension."""
    found: list[str] = []
    for meta in _listed(wire.meta_data):
        values = list(meta.value.values()) if isinstance(meta.value, dict) else meta.value
        many = values if isinstance(values, list) else [values]
        if meta.key == key:
            found += [part.strip() for value in many for part in as_text(value).split(",")]
        elif meta.key == "_wc_shipment_tracking_items":
            found += [as_text(item.get("tracking_number")).strip() for item in many if isinstance(item, dict)]
    return tuple(dict.fromkeys(number for number in found if number))


def _kind(wire: _Order, point: str) -> OrderKind:
    methods = [as_text(line.method_id).partition(":")[0] for line in _listed(wire.shipping_lines)]
    if wire.needs_processing is False and wire.line_items:
        return OrderKind.VIRTUAL
    if methods and all(method in PICKUP_METHODS for method in methods):
        return OrderKind.PICKUP
    return OrderKind.PICKUP_POINT if point else OrderKind.DELIVERY


def _order(wire: _Order, refunds: Sequence[_Refund], reading: Reading, warnings: Sequence[str] = ()) -> Order:
    """The order as ours. Raises `BadOrder`, `UnknownCurrency` or `BadAmount`."""
    notes = list(warnings)
    status = reading.statuses.get(wire.status.removeprefix("wc-"))
    if status is None:
        notes.append(f"unknown_status:{wire.status}")
    created = _instant(wire.date_created_gmt)
    if created is None:
        raise BadOrder("bad_date", _("The order has no readable creation date."))
    if not _id(wire.id).isdecimal():
        raise BadOrder("malformed_order", _("The order has no id."))
    currency = wire.currency.strip().upper()
    lines = _listed(wire.line_items)
    cancelled, unclear = _cancelled(lines, refunds)
    point = _pickup_point(wire, reading.pickup_point_keys)
    kind = _kind(wire, point)
    buyer, address = _people(wire)
    titles = [html.unescape(as_text(line.method_title)) for line in _listed(wire.shipping_lines)]
    return Order(
        platform_order_id=_id(wire.id),
        number=as_text(wire.number) or _id(wire.id),
        status=status or OrderStatus.OPEN,
        raw_status=wire.status,
        kind=kind,
        payment=Payment.ON_DELIVERY if wire.payment_method == "cod" else Payment.PREPAID,
        currency=currency,
        total_minor=Money.parse(as_number(wire.total, _AMOUNT), currency).minor,
        created_at=created,
        updated_at=_instant(wire.date_modified_gmt) or created,
        buyer=buyer,
        address=address,
        lines=tuple(
            _line(line, currency, cancelled.get(_id(line.id), Decimal(0)), kind is not OrderKind.VIRTUAL)
            for line in lines
        ),
        paid_at=_instant(wire.date_paid_gmt),
        pickup_point=point if kind is OrderKind.PICKUP_POINT else "",
        shipping_method=", ".join(title for title in titles if title),
        shipping_minor=Money.parse(as_number(as_text(wire.shipping_total) or "0", _SHIPPING), currency).minor,
        buyer_note=as_text(wire.customer_note),
        tracking=_tracking(wire, reading.tracking_key),
        warnings=(*notes, *unclear),
    )


def _unit(product: _Product, variation: _Product | None, paths: tuple[Category, ...], unit_g: Decimal) -> Product:
    own = variation or product
    options = [_part(option, "option") for option in _listed(own.attributes)] if variation else []
    # A variation may leave its stock ("parent") and its weight to the product.
    counted = product if own.manage_stock == "parent" and own.stock_quantity is None else own
    weight = as_text(own.weight) or as_text(product.weight)
    stock = None if counted.stock_quantity is None else as_number(counted.stock_quantity, _("The stock"))
    return Product(
        platform_product_id=str(product.id),
        platform_variant_id=str(variation.id) if variation else "",
        name=html.unescape(" - ".join(filter(None, (as_text(product.name), ", ".join(filter(None, options)))))),
        sku=as_text(own.sku),
        description=as_text(own.description) or as_text(product.description),
        categories=paths,
        stock_managed=own.manage_stock is True or own.manage_stock == "parent",
        stock_quantity=stock,
        weight_g=int((as_number(weight, _("The weight")) * unit_g).to_integral_value(ROUND_HALF_UP))
        if weight
        else None,
        status=as_text(product.status),
    )


def parse_order(
    raw: bytes,
    reading: Reading,
    refunds: Sequence[bytes] = (),
    warnings: Sequence[str] = (),
    wire: _Order | None = None,
) -> Parsed | Poison:
    """One order's JSON (and its refunds') as ours, or why it cannot be; never raises for what a shop may send.

    `wire` is `raw`, decoded, where somebody has done that already.
    """

    def build() -> Order:
        order = wire or msgspec.json.decode(raw, type=_Order)
        # A list that gives a refund twice must not take its goods off twice.
        once = {_id(r.id) or n: r for n, r in enumerate(msgspec.json.decode(raw, type=_Refund) for raw in refunds)}
        return _order(order, list(once.values()), reading, warnings)

    result = understood(build, raw, "")
    return msgspec.structs.replace(result, platform_order_id=_row(raw).id) if isinstance(result, Poison) else result


def _row(raw: bytes) -> _Row:
    """What finds and dates an order; one decoding does for most of them."""
    wire: _Order | None = None
    try:
        head: _Order | _Head = (wire := msgspec.json.decode(raw, type=_Order))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        try:
            head = msgspec.json.decode(raw, type=_Head)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return _Row("", "", 0, False, raw)
    return _Row(_id(head.id), as_text(head.status), _seconds(head.date_modified_gmt), bool(head.refunds), raw, wire)


def _decode(body: bytes, kind: type[T]) -> T:
    """Decode JSON, also behind PHP notices or before a cache's comment. Raises `msgspec.MsgspecError`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise msgspec.DecodeError("nested without end") from None
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        text = body.decode("utf-8", "replace")
        for start in list(re.finditer(r"[\[{]", text[:100_000]))[:50]:
            try:
                value, end = stdjson.JSONDecoder().raw_decode(text, start.start())
            except (ValueError, RecursionError):
                continue
            # A script inside a web page is JSON too; only nothing or a comment may follow ours.
            if re.fullmatch(r"\s*(<!--.*-->\s*)*", text[end:], re.DOTALL) and value != [0]:
                return msgspec.json.decode(text[start.start() : end].encode(), type=kind)
        raise


def _zone(rest: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The shop's zone as something `zoneinfo` opens, and a warning where that is a stand-in for a bare offset."""
    name = as_text(rest.get("timezone_string"))
    try:
        if name:
            ZoneInfo(name)
            return name, ()
    except (ValueError, OSError, LookupError):
        pass
    try:
        offset = as_number(as_text(rest.get("gmt_offset")) or "0", "gmt_offset").normalize()
    except BadOrder:
        return "UTC", (_("The shop's time zone cannot be read; days are counted in UTC."),)
    whole = int(offset.to_integral_value(ROUND_HALF_UP))
    if not -12 <= whole <= 14:
        return "UTC", (_("The shop's time zone cannot be read; days are counted in UTC."),)
    zone = _HALF_HOURS.get(f"{offset:f}") or ("UTC" if whole == 0 else f"Etc/GMT{-whole:+d}")
    if offset == whole and not name:
        return zone, ()
    text = _("The shop keeps its time by a bare offset ({offset} h); days are counted in {zone}.")
    return zone, (text.format(offset=f"{offset:f}", zone=zone),)


def _part(body: Mapping[str, Any], *path: str) -> str:
    """A value deep in a body, as text; '' where any step is missing."""
    value: object = body
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return as_text(value)


class _Error(Struct):
    code: str | int
    message: str
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _is_error(answer: Answer) -> bool:
    """Is this the API's error, whatever status came with it? What stands between us and the shop may make it a 200."""
    if answer.body.lstrip()[:1] != b"{":
        return False
    try:
        return msgspec.json.decode(answer.body, type=_Error).id is msgspec.UNSET
    except (msgspec.MsgspecError, RecursionError):
        return False


def _failed(answer: Answer, acts: bool) -> WireError:
    """Class an answer that is not what was asked, keeping the shop's own words."""
    status = answer.status
    try:
        body = _decode(answer.body, dict[str, Any])
    except msgspec.MsgspecError:
        if status < 300:
            # Never the body itself: half an answer is full of buyers.
            return failure(answer, acts, "not_json", _("The shop's answer is not the data that was asked for."))
        title = re.search(rb"<title>(.{1,200}?)</title>", answer.body, re.DOTALL | re.IGNORECASE)
        words = html.unescape(title[1].decode("utf-8", "replace")) if title else ""
        text = _("The server answered a web page, not data ({status}): {title}")
        return failure(answer, acts, "", text.format(status=status, title=safe(words, 200)))
    # The exceptions of core fulfilments carry numbers for codes.
    code = body["code"] if isinstance(body.get("code"), str) else ""
    words = safe(html.unescape(_part(body, "message")))
    data = body.get("data")
    if isinstance(data, dict) and isinstance(data.get("params"), dict):
        words += f" ({'; '.join(safe(f'{name}: {why}') for name, why in data['params'].items())})"
    if status == 401:
        # On a write this code means a key without write permission; whoever writes has read before.
        read_only = acts and code == "woocommerce_rest_authentication_error"
        return WireError(Unauthorised("read_only_key" if read_only else "wrong_key", words), status)
    if status in {408, 409}:
        outcome = Unknown(code or f"http_{status}", words) if acts else NotActed(code or f"http_{status}", words)
        return WireError(outcome, status)
    ours = "order_gone" if code.endswith("order_invalid_id") else "no_rest_api" if code == "rest_no_route" else code
    return failure(answer, acts, ours, words or f"HTTP {status}")


def _option(name: str, label: str, help: str = "", default: str = "") -> Field:
    return Field(name, label, required=False, default=default, help=help)


_KEYS = _("WooCommerce → Settings → Advanced → REST API → Add key, permissions Read/Write.")
_FIELDS = (
    Field("url", _("Shop address"), help=_("The shop's front page, https://…; no /wp-json needed.")),
    Field("consumer_key", _("Consumer key"), secret=True, help=_KEYS),
    Field("consumer_secret", _("Consumer secret"), secret=True, help=_("Shown once, beside the consumer key.")),
    _option("customer_note", _("Mail the note"), _("yes: the note with the number is mailed to the buyer."), "no"),
    _option(
        "custom_statuses",
        _("Statuses of plugins"),
        _("The shop's status = ours, comma separated: shipped=shipped,packed=open. Others count as open."),
    ),
    _option("tracking_key", _("Meta key of the number"), default="_tracking_number"),
    _option("provider_key", _("Meta key of the carrier"), default="_tracking_provider"),
    _option(
        "pickup_point_keys",
        _("Meta keys of pickup points"),
        _("Where the shop's carrier plugin keeps the chosen parcel machine, comma separated."),
        PICKUP_POINT_KEYS,
    ),
    _option("query_auth", _("Keys in the query"), _("yes: the host strips the Authorization header (HTTPS)."), "no"),
    _option("rest_route", _("Plain permalinks"), _("yes: the shop has no pretty permalinks."), "no"),
    _option("allow_plain_http", _("Allow plain HTTP"), _("yes: buyers' data travels unencrypted."), "no"),
)


class WooCommerce:
    """A WooCommerce shop, bound with a REST API key."""

    declaration: ClassVar[ShopDeclaration] = ShopDeclaration(
        platform="woocommerce",
        title="WooCommerce",
        fields=_FIELDS,
        capabilities=ShopCapabilities(
            kinds=frozenset({OrderKind.DELIVERY, OrderKind.PICKUP_POINT, OrderKind.PICKUP, OrderKind.VIRTUAL}),
            push_early=True,
            early_is_note_only=True,
            partial=True,
            merge=True,
            check_before_ship=True,
            edit_address=True,
            stock_read=True,
        ),
        limits=Limits(parallel=2, batch=PAGE),
        push_repeat=Repeat.READ_BACK,
        first_import_excludes=frozenset({"completed", "cancelled", "refunded", "failed", "trash"}),
        requires_contact=True,
        delivery_comment=False,
        lists_orders=True,
        unconfirmed=(
            _("Which line a refund belongs to (`_refunded_item_id`) is not documented by WooCommerce."),
            _("A trashed order's change date is taken to move when it is trashed."),
        ),
    )

    def __init__(self, binding: Binding) -> None:
        self._binding, self._http = binding, binding.http
        # People paste the API's address as often as the shop's; ours begins at the shop.
        self._http.base_url = re.split(r"/wp-json|/wp-admin|/index\.php|/?\?", self._http.base_url)[0].rstrip("/")
        setting = binding.settings.get
        self._tracking_key = setting("tracking_key") or "_tracking_number"
        self._provider_key = setting("provider_key") or "_tracking_provider"
        self._page = PAGE
        self._by_id = self._updates_by_post = False
        self._categories: dict[int, _Named] = {}
        self._weight_g: Decimal | None = None
        self._shared = asyncio.Lock()  # Categories and the weight unit are read once for a whole page.
        self._bad_settings: list[str] = []
        statuses = dict(STATUSES)
        for pair in filter(None, (setting("custom_statuses") or "").replace(" ", "").split(",")):
            theirs, _sep, ours = pair.partition("=")
            if theirs and ours in set(OrderStatus):
                statuses[theirs.removeprefix("wc-")] = OrderStatus(ours)
            else:
                self._bad_settings.append(pair)
        points = (setting("pickup_point_keys") or PICKUP_POINT_KEYS).replace(" ", "").split(",")
        self._reading = Reading(statuses, self._tracking_key, tuple(key.lstrip("_") for key in points if key))

    def _yes(self, name: str) -> bool:
        return self._binding.settings.get(name, "").strip().lower() in {"yes", "true", "1", "on", "y"}

    # ------------------------------------------------------------ calling

    def _sign(self, method: str, url: str) -> tuple[str, dict[str, str]]:
        key, secret = (self._binding.secrets.get(f"consumer_{part}", "").strip() for part in ("key", "secret"))
        if self._http.plain:
            at = (self._binding.clock() + (self._http.skew_ms or 0)) // 1000
            client = Client(
                key,
                secret,
                signature_method=SIGNATURE_HMAC_SHA256,
                signature_type=SIGNATURE_TYPE_QUERY,
                timestamp=str(at),
            )
            return str(client.sign(url, method)[0]), {}  # type: ignore[arg-type]
        if self._yes("query_auth"):
            pair = urlencode({"consumer_key": key, "consumer_secret": secret})
            return f"{url}{'&' if '?' in url else '?'}{pair}", {}
        return url, {"Authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()}

    async def _send(
        self, method: str, path: str, params: Mapping[str, str] | None = None, json: Any = None, keyed: bool = True
    ) -> Answer:
        if self._yes("rest_route"):
            path, params = "/", {"rest_route": path, **(params or {})}
        else:
            path = "/wp-json" + path
        before = self._http.skew_ms or 0
        for attempt in (1, 2):
            answer = await self._http.call(method, path, params=params, json=json, sign=self._sign if keyed else None)
            # A clock far off makes the first signature too old; that refusal told us the shop's time.
            off = abs((self._http.skew_ms or 0) - before) > 300_000
            if not (attempt == 1 and answer.status == 401 and keyed and self._http.plain and off):
                break
        return answer

    async def _get(
        self, path: str, kind: type[T], params: Mapping[str, str] | None = None, keyed: bool = True
    ) -> tuple[T, Answer]:
        for _attempt in range(2):
            answer = await self._send("GET", path, params, keyed=keyed)
            if not 200 <= answer.status < 300:
                break
            if _is_error(answer):
                continue
            try:
                return _decode(answer.body, kind), answer
            except msgspec.MsgspecError:
                continue  # Half a body or a passing maintenance page is worth a second look.
        raise _failed(answer, acts=False)

    async def _write(self, method: str, path: str, json: Any, kind: type[T]) -> T:
        if method == "PUT" and self._updates_by_post:
            method = "POST"
        answer = await self._send(method, path, json=json)
        if method == "PUT" and (answer.status in {405, 501} or (answer.status == 403 and not answer.is_json)):
            # The host lets no PUT through; POST to the same address updates as well.
            self._updates_by_post = True
            answer = await self._send("POST", path, json=json)
        if not 200 <= answer.status < 300 or _is_error(answer):
            raise _failed(answer, acts=True)
        try:
            return _decode(answer.body, kind)
        except msgspec.MsgspecError:
            raise _failed(answer, acts=True) from None

    # ------------------------------------------------------------ binding

    async def check(self) -> Checked:
        """Read the shop's name, zone, currency and version, and find out whether the key may write."""
        if self._bad_settings:
            text = _("custom_statuses: {pairs} is not like shipped=shipped.")
            raise WireError(Refused("bad_setting", text.format(pairs=", ".join(self._bad_settings)), "custom_statuses"))
        rest, warnings = await self._index()
        zone, doubts = _zone(rest)
        fields = {"per_page": "1", "_fields": "id,version,currency"}
        try:
            newest, _answer = await self._get(f"{API}/orders", list[dict[str, Any]], fields)
        except WireError as error:
            raise _explained(error) from None
        order = newest[0] if newest else {}
        currency = as_text((await self._setting("settings/general/woocommerce_currency")).get("value"))
        version = as_text(order.get("version"))
        if not (currency and version):
            status = await self._setting("system_status")
            currency = currency or _part(status, "settings", "currency") or as_text(order.get("currency"))
            version = version or _part(status, "environment", "version")
        warnings += (*doubts, *(() if currency else (_("The shop's currency cannot be read."),)))
        if not await self._may_write():
            warnings += (_("Whether the key may write could not be found out."),)
        return Checked(html.unescape(as_text(rest.get("name"))), zone, currency, version, warnings=warnings)

    async def _index(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        wanted = {"_fields": "name,gmt_offset,timezone_string,namespaces"}
        try:
            # Without the key: WordPress takes a Basic header on its own routes for an application password.
            rest, _answer = await self._get("/", dict[str, Any], wanted, keyed=False)
        except WireError as error:
            if error.status in {401, 403}:
                return {}, (_("The shop hides its name and time zone; days are counted in UTC."),)
            raise _explained(error) from None
        if "wc/v3" not in (rest.get("namespaces") or ["wc/v3"]):
            text = _("WordPress answers, WooCommerce does not: is the plugin active and at least 3.5?")
            raise WireError(Refused("no_rest_api", text))
        return rest, ()

    async def _setting(self, path: str) -> dict[str, Any]:
        try:
            return (await self._get(f"{API}/{path}", dict[str, Any]))[0]
        except WireError:
            return {}  # A shop manager's key may not read settings; the callers have other sources.

    async def _may_write(self) -> bool:
        """False when it cannot be told. Order 0 never exists, so that this write changes nothing."""
        try:
            await self._write("PUT", f"{API}/orders/0", {}, msgspec.Raw)
        except WireError as error:
            if error.status == 401 or (error.status == 403 and error.outcome.code != "forbidden"):
                text = _("The key may only read: give it Read/Write (WooCommerce → Settings → Advanced → REST API).")
                raise WireError(Unauthorised("read_only_key", text), error.status) from None
            return error.status in {400, 404}
        return False

    # ------------------------------------------------------------ orders

    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        """Orders by last change from `cursor` on: every status, then the bin, which no "any" includes.

        The cursor is the newest `date_modified_gmt` seen; within a run `|` and where the bin's reading stands follow.
        """
        seen, midway, bin_text = cursor.partition("|")
        mark, bin_mark = _seconds(seen), _seconds(bin_text)
        # The first import leaves the bin out (ROA-13), and nobody holds an order that could be in it.
        bin_too = bool(bin_text) if midway else bool(cursor) or created_since is None
        if bin_too and not midway:
            bin_mark = mark
        bounds = {} if created_since is None else {"after": _gmt(-(-created_since // 1000) - 1)}
        async for rows, newest, last in self._sweep("any", mark - OVERLAP_S, bounds):
            mark = self._later(mark, newest)
            ended = last and not bin_too
            place = "" if ended else f"|{_gmt(bin_mark) if bin_too else ''}"
            yield OrderPage(await self._parsed(rows), _cursor(mark) + place, ended)
        if not bin_too:
            return
        try:
            async for rows, newest, last in self._sweep("trash", bin_mark - OVERLAP_S, bounds):
                bin_mark = max(bin_mark, self._later(bin_mark, newest))
                place = "" if last else f"|{_gmt(bin_mark)}"
                yield OrderPage(await self._parsed(rows), _cursor(mark) + place, last)
        except WireError as error:
            if error.status != 400:
                raise
            yield OrderPage((), _cursor(mark), True)  # A shop that hides its bin: reconciliation finds those orders.

    def _later(self, mark: int, newest: Sequence[int]) -> int:
        """The watermark after a page. One order dated far ahead must not hide every later change."""
        if self._http.skew_ms is not None:
            limit = (self._binding.clock() + self._http.skew_ms + DAY) // 1000
            sane = [at for at in newest if at <= limit]
            if mark <= limit and (sane or mark):
                return max(mark, *sane, 0)
        return max(mark, *newest, 0)

    async def _sweep(
        self, status: str, since: int, bounds: Mapping[str, str]
    ) -> AsyncIterator[tuple[list[_Row], list[int], bool]]:
        """Unseen rows changed after `since` (seconds, exclusive), the change times they prove read, and "was that all?".

        Every page starts where the last ended, less a second: page numbers skip what moves up while one turns them.
        Where one second holds more than a page, what was seen is excluded; beyond that page numbers are all there is,
        turned until they show nothing new.
        """
        page, again, known, passed = 1, False, dict[str | bytes, int](), list[int]()
        shown: list[_Row] = []
        left_out: list[str] | None = []  # None: this shop takes no notice of `exclude`.
        while True:
            size = self._page
            params = {"status": status, "order": "asc", "per_page": str(size), "dates_are_gmt": "true", **bounds}
            params["orderby"] = "id" if self._by_id else "modified"
            if since > 0:
                params["modified_after"] = _gmt(since)
            if page > 1:
                params["page"] = str(page)
            if left_out:
                params["exclude"] = ",".join(left_out)
            try:
                raws, answer = await self._get(f"{API}/orders", list[msgspec.Raw], params)
            except WireError as error:
                if error.outcome.code == "too_large" and size > 1:
                    # Notes of megabytes: the same rows in smaller pages.
                    self._page, page = max(1, size // 10), 1
                    continue
                if self._by_id or error.status != 400 or "orderby" not in error.outcome.message:
                    raise
                self._by_id, page = True, 1
                continue
            rows = [_row(bytes(raw)) for raw in raws]
            if left_out and any(row.id in left_out for row in rows):
                left_out = None
            fresh = [row for row in rows if known.get(row.id or row.raw) != row.modified]
            known.update((row.id or row.raw, row.modified) for row in fresh)
            pages = answer.headers.get("x-wp-totalpages", "")
            last = not rows or (page >= int(pages) if pages.isdecimal() else len(rows) < size)
            # A cache that answers every page alike would be asked for ever.
            last, shown = last or (page > 1 and rows == shown), rows
            times = [row.modified for row in rows if row.modified]
            again = again or (page > 1 and bool(fresh))
            turned, last = last, last and not again
            if self._by_id:
                # Ids say nothing about changes: only the whole list proves a watermark.
                passed += times
                yield fresh, passed if last else [], last
            else:
                # A page turned over a crowded second proves nothing yet.
                yield fresh, [] if again else times, last
            if last:
                return
            reached = max(times, default=0) - 1
            if self._by_id:
                # A deleted order moves all that follow up by one, past the page that was to show them.
                page, again = (1, False) if turned else (page + 1, again)
            elif again and (turned or reached > since):
                page, again = 1, False
            elif reached > since:
                since, page, left_out = reached, 1, None if left_out is None else []
                known = {key: at for key, at in known.items() if at > since}
            elif left_out is not None and len(known) <= MAX_EXCLUDE and (fresh or not left_out):
                page, left_out = 1, [key for key in known if isinstance(key, str) and key.isdecimal()]
            else:
                page += 1

    async def _parsed(self, rows: Sequence[_Row]) -> tuple[Parsed | Poison, ...]:
        """The rows as orders: drafts left out, one per id (the newest), refunds read where there are any."""
        kept: dict[str | bytes, _Row] = {}
        for row in rows:
            key = row.id or row.raw
            if row.status not in DRAFTS and (key not in kept or kept[key].modified <= row.modified):
                kept.pop(key, None)
                kept[key] = row
        return tuple(await self._understood(list(kept.values())))

    async def _understood(self, rows: Sequence[_Row]) -> list[Parsed | Poison]:
        """The rows as orders; only those with refunds need a further call."""
        refunded = [row for row in rows if row.refunded and row.id.isdecimal()]
        read = dict(
            zip((id(row) for row in refunded), await every([self._refunded(row) for row in refunded]), strict=True)
        )
        return [read.get(id(row)) or parse_order(row.raw, self._reading, wire=row.wire) for row in rows]

    async def _refunded(self, row: _Row) -> Parsed | Poison:
        try:
            params = {"per_page": str(PAGE)}
            refunds, _answer = await self._get(f"{API}/orders/{row.id}/refunds", list[msgspec.Raw], params)
        except WireError as error:
            if not isinstance(error.outcome, Refused):
                raise
            return parse_order(row.raw, self._reading, warnings=("refunds_unreadable",))
        return parse_order(row.raw, self._reading, [bytes(refund) for refund in refunds])

    async def count_orders(self, created_before: Instant | None) -> int | None:
        """How many orders the shop holds, its open baskets not counted."""
        bounds = {} if created_before is None else {"before": _gmt(-(-created_before // 1000)), "dates_are_gmt": "true"}
        total, _ids = await self._total({"status": "any", **bounds})
        try:
            drafts, ids = await self._total({"status": "checkout-draft", **bounds})
        except WireError:
            return total
        # Some releases count baskets among "any", others do not: one of them tells.
        if total and drafts and (await self._total({"status": "any", "include": ids}))[0]:
            return total - drafts
        return total

    async def _total(self, params: Mapping[str, str]) -> tuple[int | None, str]:
        rows, answer = await self._get(f"{API}/orders", list[_Head], {"per_page": "1", "_fields": "id", **params})
        text = answer.headers.get("x-wp-total", "")
        return int(text) if text.isdecimal() else None, ",".join(_id(row.id) for row in rows)

    async def listing(self, since: Instant, before: Instant) -> AsyncIterator[Sequence[Listed]]:
        """Id, number and status of every order created in [since, before), then those of the bin."""
        bounds = {"after": _gmt(-(-since // 1000) - 1), "before": _gmt(-(-before // 1000)), "dates_are_gmt": "true"}
        yield await self._listed({"status": "any", **bounds}, since, before)
        try:
            yield await self._listed({"status": "trash", **bounds}, since, before)
        except WireError as error:
            if error.status != 400:
                raise  # A shop that hides its bin: an order in there is found by its id.

    async def _listed(self, bounds: Mapping[str, str], since: Instant, before: Instant) -> list[Listed]:
        """One status, turned page by page by id; again while the shop's own total moves, so that no page slips past."""
        params = {"_fields": "id,number,status,date_created_gmt", "orderby": "id", "order": "asc", **bounds}
        found: dict[str, Listed] = {}
        for _turn in range(PASSES):
            passed, totals, page, ended = set(found), set[str](), 1, False
            found = {}
            while not ended:
                paged = {**params, "per_page": str(PAGE), "page": str(page)}
                rows, answer = await self._get(f"{API}/orders", list[_ListedRow], paged)
                fresh = {_id(row.id): row for row in rows if _id(row.id) not in found}
                if any(not order_id.isdecimal() for order_id in fresh):
                    raise _failed(answer, acts=False)
                for order_id, row in fresh.items():
                    at = _instant(row.date_created_gmt)
                    number = as_text(row.number) or order_id
                    found[order_id] = Listed(order_id, number, since if at is None else at, as_text(row.status))
                totals.add(total := answer.headers.get("x-wp-total", ""))
                page += 1
                # A cache that answers every page alike would be asked for ever.
                ended = not fresh or (len(found) >= int(total) if total.isdecimal() else len(rows) < PAGE)
            if totals == {str(len(found))} or (totals == {""} and (page == 2 or passed == set(found))):
                return [
                    one for one in found.values() if one.raw_status not in DRAFTS and since <= one.created_at < before
                ]
        text = _("The shop's list of orders changed while it was read, or is not whole.")
        raise WireError(NotActed("listing_unsteady", text))

    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        """One answer per id, in the order asked."""
        wanted = [order_id for order_id in dict.fromkeys(platform_order_ids) if order_id.isdecimal()]
        rows: dict[str, _Row] = {}
        for start in range(0, len(wanted), PAGE):
            chunk = wanted[start : start + PAGE]
            for status in ("any", "trash"):
                if len(missing := [order_id for order_id in chunk if order_id not in rows]) > 1:
                    params = {"include": ",".join(missing), "status": status, "per_page": str(PAGE)}
                    raws, _answer = await self._get(f"{API}/orders", list[msgspec.Raw], params)
                    rows.update((row.id, row) for raw in raws if (row := _row(bytes(raw))).id in missing)
        singles = [order_id for order_id in wanted if order_id not in rows]
        rows.update((row.id, row) for row in await every([self._one(order_id) for order_id in singles]) if row)
        found = dict(zip(rows, await self._understood(list(rows.values())), strict=True))
        return [found.get(order_id) or Gone(order_id) for order_id in platform_order_ids]

    async def _one(self, order_id: str) -> _Row | None:
        try:
            raw, _answer = await self._get(f"{API}/orders/{order_id}", msgspec.Raw)
        except WireError as error:
            # Only the shop's own word means gone: a vanished route would otherwise cancel every open order.
            if error.outcome.code == "order_gone":
                return None
            raise
        return msgspec.structs.replace(_row(bytes(raw)), id=order_id)

    # ------------------------------------------------------------ products

    async def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """Every sellable unit, by product id; the cursor is the next page's number."""
        self._categories, self._weight_g = {}, None
        page = int(cursor) if cursor.isdecimal() and int(cursor) else 1
        while True:
            params = {"orderby": "id", "order": "asc", "per_page": str(PAGE), "page": str(page)}
            raws, answer = await self._get(f"{API}/products", list[msgspec.Raw], params)
            pages = answer.headers.get("x-wp-totalpages", "")
            last = not raws or (page >= int(pages) if pages.isdecimal() else len(raws) < PAGE)
            units = [unit for many in await every([self._units(bytes(raw), False) for raw in raws]) for unit in many]
            page += 1
            yield ProductPage(
                tuple(unit for unit in units if isinstance(unit, Product)),
                tuple(unit for unit in units if isinstance(unit, Poison)),
                "" if last else str(page),
                last,
            )
            if last:
                return

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """These products with their variations; ids the shop does not know are left out."""
        wanted = [product_id for product_id in dict.fromkeys(platform_product_ids) if _id(product_id).isdecimal()]
        raws: list[msgspec.Raw] = []
        for start in range(0, len(wanted), PAGE):
            params = {"include": ",".join(wanted[start : start + PAGE]), "per_page": str(PAGE)}
            raws += (await self._get(f"{API}/products", list[msgspec.Raw], params))[0]
        return [unit for many in await every([self._units(bytes(raw), True) for raw in raws]) for unit in many]

    async def _units(self, raw: bytes, named: bool) -> list[Product | Poison]:
        """The sellable units of one product. `named`: an order names it, so even a mere container becomes one."""
        try:
            product = msgspec.json.decode(raw, type=_Product)
            if product.type in {"grouped", "external"} and not named:
                return []
            async with self._shared:
                paths, unit_g = await self._paths(product.categories or []), await self._weight()
            parts: list[bytes] = []
            if product.variations or product.type == "variable":
                parts = await self._variations(product.id)
                if not parts and not named:
                    return []
            if not parts:
                return [_unit(product, None, paths, unit_g)]
        except (msgspec.MsgspecError, BadOrder, RecursionError) as error:
            return [Poison(_row(raw).id, "malformed_product", safe(error), raw)]
        units: list[Product | Poison] = []
        for part in parts:
            try:
                units.append(_unit(product, msgspec.json.decode(part, type=_Product), paths, unit_g))
            except (msgspec.MsgspecError, BadOrder, RecursionError) as error:
                units.append(Poison(_row(part).id, "malformed_product", safe(error), part))
        return units

    async def _variations(self, product_id: int) -> list[bytes]:
        found: list[bytes] = []
        page = 1
        while True:
            params = {"per_page": str(PAGE), "page": str(page), "orderby": "id", "order": "asc"}
            path = f"{API}/products/{product_id}/variations"
            try:
                rows, _answer = await self._get(path, list[msgspec.Raw], params)
            except WireError as error:
                if error.status == 404:
                    return found  # Deleted since its product was read.
                raise
            found += [bytes(row) for row in rows]
            if len(rows) < PAGE:
                return found
            page += 1

    async def _weight(self) -> Decimal:
        if self._weight_g is None:
            unit = await self._setting("settings/products/woocommerce_weight_unit")
            self._weight_g = WEIGHTS.get(as_text(unit.get("value")), WEIGHTS["kg"])
        return self._weight_g

    async def _paths(self, assigned: Sequence[_Named]) -> tuple[Category, ...]:
        if any(category.id not in self._categories for category in assigned):
            page, more = 1, True
            while more:
                params = {"per_page": str(PAGE), "page": str(page), "orderby": "id", "order": "asc"}
                rows, _answer = await self._get(f"{API}/products/categories", list[_Named], params)
                self._categories.update((row.id, row) for row in rows)
                page, more = page + 1, len(rows) == PAGE
            for category in assigned:  # What the list does not hold stands by itself rather than be asked for again.
                self._categories.setdefault(category.id, category)
        return tuple(Category(str(category.id), self._path(category.id)) for category in assigned)

    def _path(self, category_id: int) -> tuple[str, ...]:
        names: list[str] = []
        met: set[int] = set()
        while (category := self._categories.get(category_id)) and category_id not in met:
            met.add(category_id)
            names.insert(0, html.unescape(as_text(category.name)))
            category_id = category.parent
        return tuple(names)

    # ------------------------------------------------------------ pushing

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """Guard by a live read, note the number, set the status where asked, and believe only what is read back."""
        live = await self._live([push.platform_order_id for push in pushes])
        outcomes: list[PushOutcome | None] = [None] * len(pushes)

        async def tell(indexes: Sequence[int]) -> None:
            for index in indexes:
                outcomes[index] = await self._tell(pushes[index], live[pushes[index].platform_order_id])

        by_order: dict[str, list[int]] = {}
        # Of several parcels of one order the one that finishes it goes last.
        for index in sorted(range(len(pushes)), key=lambda i: pushes[i].finish):
            by_order.setdefault(pushes[index].platform_order_id, []).append(index)
        await every([tell(indexes) for indexes in by_order.values()])
        written = [push.platform_order_id for push, outcome in zip(pushes, outcomes, strict=True) if outcome is None]
        after = await self._live(written)
        return [
            outcome or self._kept(push, after[push.platform_order_id])
            for push, outcome in zip(pushes, outcomes, strict=True)
        ]

    async def _live(self, order_ids: Sequence[str]) -> dict[str, "_Live"]:
        """Each order as it stands, why nothing may be told of it any more, or why it could not be read."""
        unique = list(dict.fromkeys(order_ids))
        live: dict[str, _Live] = {}
        for start in range(0, len(unique), PAGE):
            chunk = unique[start : start + PAGE]
            try:
                live.update(zip(chunk, map(_alive, await self.read_orders(chunk)), strict=True))
            except WireError as error:
                live.update(dict.fromkeys(chunk, error))
        return live

    async def _tell(self, push: Push, live: "_Live") -> PushOutcome | None:
        """Write what the push asks for; None = written, and a read-back of the order decides."""
        if not isinstance(live, Parsed):
            return live.outcome if isinstance(live, WireError) else live
        order = live.order
        try:
            if order.status in DONE_ORDER:
                if not push.number or push.number in order.tracking or await self._noted(push):
                    return Pushed(push.number, order.raw_status)
                text = _("The shop already says {status}, with another number or none.")
                return Refused("already_shipped", text.format(status=safe(order.raw_status, 40)))
            if excess := _excess(push, order):
                text = _("The order no longer has {quantity} of line {line}.")
                words = text.format(quantity=excess.quantity, line=excess.platform_line_id)
                return Refused("lines_changed", words, excess.platform_line_id)
            if push.tell and push.number and not (push.retry and await self._noted(push)):
                note = " ".join(filter(None, (push.carrier, push.number, push.url)))
                json = {"note": note, "customer_note": self._yes("customer_note")}
                await self._write("POST", f"{API}/orders/{push.platform_order_id}/notes", json, msgspec.Raw)
        except WireError as error:
            return error.outcome
        # ROA-19: without `finish` nothing of the order itself is touched.
        return await (self._finish(push, live) if push.finish else self._note_kept(push, order.raw_status))

    async def _finish(self, push: Push, live: Parsed) -> PushOutcome | None:
        wire = msgspec.json.decode(live.raw, type=_Order)
        change: dict[str, Any] = {"status": "completed"}
        if push.number:
            pairs = ((self._tracking_key, push.number), (self._provider_key, push.carrier))
            change["meta_data"] = [_joined(wire, key, value) for key, value in pairs if value]
        try:
            answer = await self._write("PUT", f"{API}/orders/{push.platform_order_id}", change, _Head)
        except WireError as error:
            if push.tell and push.number and isinstance(error.outcome, NotActed | Unauthorised):
                return PushedInPart(push.number)
            return error.outcome
        if as_text(answer.status) != "completed":
            text = _("The shop took the change but keeps the status {status}.")
            return Refused("status_not_kept", text.format(status=safe(as_text(answer.status), 40)))
        return None

    def _kept(self, push: Push, live: "_Live") -> PushOutcome:
        """What the read-back after a finishing push means."""
        if isinstance(live, WireError):
            return Unknown("not_read_back", live.outcome.message)
        if isinstance(live, Refused):
            return live
        if live.order.status not in DONE_ORDER:
            return Unknown("not_confirmed", _("The shop took the change, but its order does not show it."))
        carriers = _meta_text(msgspec.json.decode(live.raw, type=_Order), self._provider_key)
        if push.number and (
            push.number not in live.order.tracking or push.carrier.strip() not in html.unescape(carriers)
        ):
            return Refused("number_not_kept", _("The shop completed the order but dropped tracking number or carrier."))
        return Pushed(push.number, live.order.raw_status)

    async def _note_kept(self, push: Push, status: str) -> PushOutcome:
        try:
            if not push.number or not push.tell or await self._noted(push):
                return Pushed(push.number, status)
        except WireError as error:
            return Unknown("not_read_back", error.outcome.message)
        return Refused("number_not_kept", _("The shop took the note with the tracking number but does not show it."))

    async def _noted(self, push: Push) -> bool:
        notes, _answer = await self._get(f"{API}/orders/{push.platform_order_id}/notes", list[dict[str, Any]])
        number = re.compile(rf"(?<![0-9A-Za-z]){re.escape(push.number)}(?![0-9A-Za-z])")
        return any(number.search(html.unescape(as_text(note.get("note")))) for note in notes)

    async def find_push(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """What became of pushes: a number counts where it stands, in the order's meta or in a note."""
        live = await self._live([push.platform_order_id for push in pushes])
        return await every([self._found(push, live[push.platform_order_id]) for push in pushes])

    async def _found(self, push: Push, live: "_Live") -> PushFound:
        try:
            if isinstance(live, WireError):
                raise live
            if isinstance(live, Refused):
                return live
            told = bool(push.number) and (push.number in live.order.tracking or await self._noted(push))
        except WireError as error:
            # A firewall's refusal of the read says nothing about the push.
            return error.outcome if not isinstance(error.outcome, Refused) else Unknown("not_read_back", str(error))
        done = live.order.status in DONE_ORDER
        if (told or not push.number) and (done or not push.finish):
            return Pushed(push.number, live.order.raw_status)
        return PushedInPart(push.number) if told else NotFound()


_Live = Parsed | Refused | WireError


def _alive(found: Parsed | Poison | Gone) -> _Live:
    """The guard every push meets: the platform itself would complete a cancelled order without complaint."""
    if isinstance(found, Poison):
        return WireError(Refused(found.code, found.message))
    if isinstance(found, Gone):
        return Refused("order_gone", _("The shop no longer knows this order."))
    if not (code := _DEAD.get(found.order.status)):
        return found
    return Refused(code, _("The shop says: {status}").format(status=safe(found.order.raw_status, 40)))


def _excess(push: Push, order: Order) -> PushLine | None:
    """The first line of the parcel of which the live order has less."""
    left = {line.platform_line_id: line.quantity - line.cancelled for line in order.lines}
    return next((line for line in push.lines if line.quantity > left.get(line.platform_line_id, 0)), None)


def _meta_text(wire: _Order, key: str) -> str:
    return ", ".join(as_text(meta.value) for meta in _listed(wire.meta_data) if meta.key == key and as_text(meta.value))


def _joined(wire: _Order, key: str, value: str) -> dict[str, Any]:
    """The meta entry to send: what stands there is kept, ours is added (an order of several parcels)."""
    old = [meta for meta in _listed(wire.meta_data) if meta.key == key]
    values = [part.strip() for meta in old for part in as_text(meta.value).split(",")]
    entry = {"key": key, "value": ", ".join(dict.fromkeys(part for part in [*values, value] if part))}
    # The key alone would be ambiguous where it stands twice.
    return {"id": old[0].id, **entry} if len(old) > 1 else entry


def _explained(error: WireError) -> WireError:
    """The sentence for the person who binds a shop."""
    outcome, status = error.outcome, error.status
    if status == 404:
        text = _(
            "There is no REST API at this address: choose pretty permalinks (Settings → Permalinks, not Plain) or set"
            " rest_route=yes."
        )
        return WireError(Refused("no_rest_api", text), status)
    if outcome.code in {"not_json", "not_understood"}:
        text = _(
            "The shop answers a web page where its REST API should be: check the address, and that permalinks are not"
            " Plain (Settings → Permalinks) or set rest_route=yes."
        )
        return WireError(Refused("not_json", text), status)
    if isinstance(outcome, Unauthorised):
        text = _("The shop does not take this key ({words}): check consumer key and secret.")
        return WireError(Unauthorised("wrong_key", text.format(words=outcome.message)), status)
    return error
