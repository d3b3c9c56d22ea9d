"""WooCommerce's order as it travels, and the order it is for us."""

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from connectors.contract import Parsed, Poison
from connectors.wire import BadOrder, Scalar, as_minor, as_number, as_text, listed, understood
from domain.clock import Instant, from_datetime, iso
from domain.enums import OrderKind, OrderStatus, Payment
from domain.records import Address, Buyer, Order, OrderLine
from domain.text import full_name
from domain.words import _

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
FULFILLED, PARTLY = "fulfilled", "partially_fulfilled"
"""What an order's `_fulfillment_status` says where fulfilments took all of it, or a part."""
_SHIPMENT_TRACKING = "_wc_shipment_tracking_items"
_ENDED = frozenset({"completed", "cancelled", "refunded", "failed", "trash"})

# Named once: an enum's member, or a message, is looked up for every order otherwise, which adds up over a first import.
_OPEN, _PREPAID, _NOTHING = OrderStatus.OPEN, Payment.PREPAID, Decimal(0)
_DELIVERY, _PICKUP_POINT, _VIRTUAL = OrderKind.DELIVERY, OrderKind.PICKUP_POINT, OrderKind.VIRTUAL
_QUANTITY = _("The quantity")
_LINE_TOTAL = _("A line's total")
_LINE_PRICE = _("A line's price")
_REFUNDED = _("A refunded quantity")
_AMOUNT = _("The order's amount")
_SHIPPING = _("The shipping cost")
_FULFILLED = _("A fulfilled quantity")


# ---------------------------------------------------------------- what travels; PHP gives any scalar for any text


class Party(Struct, gc=False):
    """Who pays, or who gets it. Plugins put values of any kind there."""

    first_name: Any = ""
    last_name: Any = ""
    company: Any = ""
    address_1: Any = ""
    address_2: Any = ""
    city: Any = ""
    state: Any = ""
    postcode: Any = ""
    country: Any = ""
    phone: Any = ""
    email: Any = ""


_Party = Party | list[Any] | Scalar
"""An empty PHP array is [] even where an object belongs."""


class Meta(Struct, gc=False):
    """One entry of an order's, a line's or a fulfilment's own notes: any plugin writes what it likes."""

    key: Any = None
    value: Any = None
    id: Any = None
    display_key: Any = None
    display_value: Any = None


_Entry = Meta | list[Any] | Scalar
Metas = list[_Entry] | dict[str, _Entry] | Scalar
"""Entries, and what stands between them where a plugin spoiled the list."""


class _Line(Struct, gc=False):
    id: int | str
    name: Scalar = ""
    product_id: Scalar = 0
    variation_id: Scalar = 0
    quantity: Scalar = None
    total: Scalar = "0"
    sku: Scalar = ""
    # Raw, since "the price exactly as the platform gives it" does not survive a float.
    price: msgspec.Raw = msgspec.Raw(b"")
    meta_data: Metas = None


class _ShippingLine(Struct, gc=False):
    method_id: Scalar = ""
    method_title: Scalar = ""
    meta_data: Metas = None


class WireOrder(Struct, gc=False):
    """An order as the API gives it. Only what must be there has no default."""

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
    billing: _Party = None
    shipping: _Party = None
    payment_method: Scalar = ""
    needs_processing: Any = None
    meta_data: Metas = None
    line_items: list[_Line] | dict[str, _Line] | None = None
    shipping_lines: list[_ShippingLine] | dict[str, _ShippingLine] | None = None
    refunds: Any = None


class _RefundLine(Struct, gc=False):
    quantity: Scalar = 0
    product_id: Scalar = 0
    variation_id: Scalar = 0
    meta_data: Metas = None


class Refund(Struct, gc=False):
    """A refund of an order, with the pieces it takes back as negative quantities."""

    id: Scalar = ""
    line_items: list[_RefundLine] | dict[str, _RefundLine] | None = None


class Fulfillment(Struct, gc=False):
    """A fulfilment of core WooCommerce: pieces of lines that go in one parcel, with its number."""

    id: Scalar = 0
    status: Scalar = ""
    is_fulfilled: Scalar = False
    date_deleted: Scalar = None
    meta_data: Metas = None

    def number(self) -> str:
        """Its tracking number; '' for none, and for a fulfilment that was deleted."""
        return "" if self.date_deleted else meta_text(self.meta_data, "_tracking_number").strip()

    def pieces(self) -> dict[str, Decimal]:
        """Pieces by line id that have left with it: none before it is fulfilled."""
        if self.date_deleted or self.is_fulfilled is not True:
            return {}
        items = [meta.value for meta in metas(self.meta_data) if meta.key == "_items"]
        rows = [row for value in items for row in (value if isinstance(value, list) else []) if isinstance(row, dict)]
        taken: dict[str, Decimal] = {}
        for row in rows:
            line = id_of(row.get("item_id"))
            taken[line] = taken.get(line, Decimal(0)) + as_number(row.get("qty"), _FULFILLED)
        return taken


class Head(Struct, gc=False):
    """What finds and dates an order even where the rest of it is nonsense."""

    id: Any = None
    status: Any = None
    date_modified_gmt: Any = None
    refunds: Any = None


class Row(Struct, frozen=True, gc=False):
    """One order of a page, before anybody tried to understand it. `modified` is in seconds, 0 = unreadable."""

    id: str
    status: str
    modified: int
    refunded: bool
    raw: bytes
    wire: WireOrder | None = None
    """The whole order, where it could be read."""

    @property
    def fulfilled(self) -> bool:
        """Have pieces of an order that is still open left with fulfilments? They are read besides."""
        if self.wire is None or self.status in _ENDED:
            return False
        return meta_text(self.wire.meta_data, "_fulfillment_status") in {FULFILLED, PARTLY}


# ---------------------------------------------------------------- wire values → ours


def metas(values: Metas) -> list[Meta]:
    """The entries that are such."""
    if not values:
        return []
    entries = values.values() if isinstance(values, dict) else values if isinstance(values, list) else ()
    return [entry for entry in entries if isinstance(entry, Meta)]


def meta_text(values: Metas, key: str) -> str:
    """What stands under a meta key, as text; of several entries, comma separated."""
    return _under(metas(values), key)


def _under(entries: Sequence[Meta], key: str) -> str:
    return ", ".join(text for meta in entries if meta.key == key and (text := as_text(meta.value)))


class Reading(Struct, frozen=True):
    """How one shop's orders are to be read: its own status words and meta keys."""

    statuses: Mapping[str, OrderStatus]
    tracking_key: str = "_tracking_number"
    pickup_point_keys: tuple[str, ...] = tuple(PICKUP_POINT_KEYS.split(","))


def id_of(value: object) -> str:
    """An id as text; 0 means none."""
    if type(value) is int:
        return str(value) if value else ""
    text = as_text(value)
    return "" if text == "0" else text


def instant(text: object) -> Instant | None:
    """A date of the API: GMT without a zone suffix. Zero dates and nonsense are None."""
    words = as_text(text)
    # An order's change is asked for twice, and many were paid when they were made.
    return _instant(words) if len(words) <= 64 else None


@lru_cache(maxsize=512)
def _instant(words: str) -> Instant | None:
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


def gmt(seconds: int) -> str:
    """The naive form the filters want beside `dates_are_gmt=true`; a zone suffix would shift the window."""
    return (iso(seconds * 1000) or "").rstrip("Z")


def seconds(text: object) -> int:
    """A date of the API as Unix seconds; 0 where it cannot be read."""
    return (instant(text) or 0) // 1000


def _party(value: _Party) -> list[str]:
    """The fields of `Party`, in its order, as text."""
    fields = msgspec.structs.astuple(value) if isinstance(value, Party) else _NOBODY
    return [text if type(text) is str else as_text(text) for text in fields]


_NOBODY = ("",) * len(Party.__struct_fields__)


def _people(wire: WireOrder) -> tuple[Buyer, Address]:
    """Who bought and where it goes. ROA-32: the phone is the delivery's, else the payer's."""
    shipping, billing = _party(wire.shipping), _party(wire.billing)
    first, last, company, line1, line2, city, _state, postcode, *_others = shipping
    to = shipping if f"{first}{last}{company}{line1}{line2}{city}{postcode}".strip() else billing
    payer = billing if billing[0] or billing[1] else shipping
    phone = next((text for text in (shipping[9], billing[9]) if text.strip()), "")
    first, last, company, line1, line2, city, state, postcode, country, *_others = to
    values = (payer[0], payer[1], phone, billing[10])
    address = Address(
        name=full_name(first, last),
        company=company,
        line1=line1,
        line2=line2,
        city=city,
        state=state,
        postcode=postcode,
        country=country,
        phone=phone,
        email=billing[10],
    )
    return Buyer(*values, redacted="[deleted]" in "\n".join(values)), address


def _line(
    line: _Line, currency: str, gone: Mapping[str, Decimal], sent: Mapping[str, Decimal], ships: bool
) -> OrderLine:
    line_id = id_of(line.id)
    if not line_id.isdecimal():
        raise BadOrder("malformed_order", _("An order line has no id."))
    quantity = as_number(line.quantity, _QUANTITY, "bad_quantity")
    total = as_minor(as_text(line.total) or "0", currency, _LINE_TOTAL)
    price = bytes(line.price).decode().strip('"')
    if price in {"", "null"}:
        price = str(as_number(as_text(line.total) or "0", _LINE_TOTAL) / quantity) if quantity else "0"
    as_number(price, _LINE_PRICE)
    options = [
        f"{as_text(m.display_key) or as_text(m.key)}: {value}"
        for m in metas(line.meta_data)
        if as_text(m.key)[:1] not in {"", "_"} and (value := as_text(m.display_value) or as_text(m.value))
    ]
    cancelled = min(gone.get(line_id, _NOTHING), quantity) if gone else _NOTHING
    return OrderLine(
        platform_line_id=line_id,
        name=html.unescape(as_text(line.name)),
        quantity=quantity,
        cancelled=cancelled,
        sku=as_text(line.sku),
        platform_product_id=id_of(line.product_id),
        platform_variant_id=id_of(line.variation_id),
        options=html.unescape(", ".join(options)) if options else "",
        unit_price=price,
        total_minor=total,
        ships=ships,
        fulfilled=max(_NOTHING, min(sent.get(line_id, _NOTHING), quantity - cancelled)) if sent else _NOTHING,
    )


def _cancelled(lines: list[_Line], refunds: Sequence[Refund]) -> tuple[dict[str, Decimal], list[str]]:
    """Refunded quantity per line id, and what could not be told from the refunds."""
    gone: dict[str, Decimal] = {}
    warnings: list[str] = []
    for refund in refunds:
        taken = [(part, -as_number(as_text(part.quantity) or "0", _REFUNDED)) for part in listed(refund.line_items)]
        taken = [(part, quantity) for part, quantity in taken if quantity > 0]
        if not taken:
            warnings.append("refund_amount_only")
        for part, quantity in taken:
            named = {as_text(m.value) for m in metas(part.meta_data) if m.key == "_refunded_item_id"}
            goods = (id_of(part.product_id), id_of(part.variation_id))
            same = [line for line in lines if id_of(line.id) in named] or [
                line for line in lines if not named and (id_of(line.product_id), id_of(line.variation_id)) == goods
            ]
            if len(same) == 1:
                key = id_of(same[0].id)
                gone[key] = gone.get(key, Decimal(0)) + quantity
            else:
                warnings.append("refund_line_unmatched")
    return gone, list(dict.fromkeys(warnings))


def _pickup_point(freight: Sequence[_ShippingLine], own: Sequence[Meta], keys: Sequence[str]) -> str:
    for meta in (*(meta for line in freight for meta in metas(line.meta_data)), *own):
        if as_text(meta.key).lstrip("_") not in keys:
            continue
        value = meta.value.get("id") if isinstance(meta.value, dict) else meta.value
        if point := as_text(value).strip():
            return point
    return ""


def _tracking(own: Sequence[Meta], key: str, parcels: Sequence[Fulfillment]) -> tuple[str, ...]:
    """Numbers in our own meta key (several parcels: comma separated), of the Shipment Tracking extension, of fulfilments."""
    found = [parcel.number() for parcel in parcels]
    for meta in own:
        if meta.key not in (key, _SHIPMENT_TRACKING):
            continue
        values = list(meta.value.values()) if isinstance(meta.value, dict) else meta.value
        many = values if isinstance(values, list) else [values]
        if meta.key == key:
            found += [part.strip() for value in many for part in as_text(value).split(",")]
        else:
            found += [as_text(item.get("tracking_number")).strip() for item in many if isinstance(item, dict)]
    return tuple(dict.fromkeys(number for number in found if number)) if found else ()


def _kind(wire: WireOrder, freight: Sequence[_ShippingLine], point: str) -> OrderKind:
    methods = [as_text(line.method_id).partition(":")[0] for line in freight]
    if wire.needs_processing is False and wire.line_items:
        return _VIRTUAL
    if methods and all(method in PICKUP_METHODS for method in methods):
        return OrderKind.PICKUP
    return _PICKUP_POINT if point else _DELIVERY


def _order(
    wire: WireOrder,
    refunds: Sequence[Refund],
    parcels: Sequence[Fulfillment],
    reading: Reading,
    warnings: Sequence[str],
) -> Order:
    """The order as ours. Raises `BadOrder`, `UnknownCurrency` or `BadAmount`."""
    notes = list(warnings)
    status = reading.statuses.get(wire.status.removeprefix("wc-"))
    if status is None:
        notes.append(f"unknown_status:{wire.status}")
    created = instant(wire.date_created_gmt)
    if created is None:
        raise BadOrder("bad_date", _("The order has no readable creation date."))
    if not id_of(wire.id).isdecimal():
        raise BadOrder("malformed_order", _("The order has no id."))
    currency = wire.currency.strip().upper()
    lines, freight, own = listed(wire.line_items), listed(wire.shipping_lines), metas(wire.meta_data)
    cancelled, unclear = _cancelled(lines, refunds)
    point = _pickup_point(freight, own, reading.pickup_point_keys)
    kind = _kind(wire, freight, point)
    buyer, address = _people(wire)
    sent: dict[str, Decimal] = {}
    for parcel in parcels:
        for line_id, pieces in parcel.pieces().items():
            sent[line_id] = sent.get(line_id, Decimal(0)) + pieces
    ships = kind is not _VIRTUAL
    goods = tuple(_line(line, currency, cancelled, sent, ships) for line in lines)
    # The shop's own status does not follow its fulfilments, and theirs does not follow pieces that are added later.
    all_left = not parcels or all(line.quantity - line.cancelled <= line.fulfilled for line in goods)
    if (status is _OPEN or status is None) and all_left and _under(own, "_fulfillment_status") == FULFILLED:
        status = OrderStatus.SHIPPED
    titles = [html.unescape(as_text(line.method_title)) for line in freight]
    return Order(
        platform_order_id=id_of(wire.id),
        number=as_text(wire.number) or id_of(wire.id),
        status=status or _OPEN,
        raw_status=wire.status,
        kind=kind,
        payment=Payment.ON_DELIVERY if wire.payment_method == "cod" else _PREPAID,
        currency=currency,
        total_minor=as_minor(wire.total, currency, _AMOUNT),
        created_at=created,
        updated_at=instant(wire.date_modified_gmt) or created,
        buyer=buyer,
        address=address,
        lines=goods,
        paid_at=instant(wire.date_paid_gmt),
        pickup_point=point if kind is _PICKUP_POINT else "",
        shipping_method=", ".join(title for title in titles if title),
        shipping_minor=as_minor(as_text(wire.shipping_total) or "0", currency, _SHIPPING),
        buyer_note=as_text(wire.customer_note),
        tracking=_tracking(own, reading.tracking_key, parcels),
        warnings=(*notes, *unclear),
    )


def parse_order(
    raw: bytes,
    reading: Reading,
    refunds: Sequence[bytes] = (),
    warnings: Sequence[str] = (),
    wire: WireOrder | None = None,
    parcels: Sequence[bytes] = (),
) -> Parsed | Poison:
    """One order's JSON (with its refunds' and its fulfilments') as ours, or why it cannot be; never raises for what a shop
    may send.

    `wire` is `raw`, decoded, where somebody has done that already.
    """

    def build() -> Order:
        order = wire or msgspec.json.decode(raw, type=WireOrder)
        # A list that gives a refund twice must not take its goods off twice.
        once = {id_of(r.id) or n: r for n, r in enumerate(msgspec.json.decode(raw, type=Refund) for raw in refunds)}
        sent = [msgspec.json.decode(parcel, type=Fulfillment) for parcel in parcels]
        return _order(order, list(once.values()), sent, reading, warnings)

    result = understood(build, raw, "")
    return msgspec.structs.replace(result, platform_order_id=row_of(raw).id) if isinstance(result, Poison) else result


def row_of(raw: bytes) -> Row:
    """What finds and dates an order; one decoding does for most of them."""
    wire: WireOrder | None = None
    try:
        head: WireOrder | Head = (wire := msgspec.json.decode(raw, type=WireOrder))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        try:
            head = msgspec.json.decode(raw, type=Head)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return Row("", "", 0, False, raw)
    return Row(id_of(head.id), as_text(head.status), seconds(head.date_modified_gmt), bool(head.refunds), raw, wire)
