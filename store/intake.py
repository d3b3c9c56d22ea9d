"""Takes platform orders over: new ones in bulk, changed ones field by field, the unfit into their lists.

Operator-owned facts (stage, service, holds, overlays, remarks) are never written here; they belong to shipments.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from domain.clock import Instant
from domain.enums import DEAD_ORDER, Flag, OrderKind, OrderStatus, Payment, Stage, Status
from domain.facts import ShopFacts, address_print
from domain.money import Money
from domain.order_types import OrderType, order_types, type_of
from domain.reconcile import Birth, Difference, born
from domain.records import Address, Order, OrderLine
from domain.results import Refused
from domain.search import words_of
from domain.ship_by import ship_by
from domain.text import email_key, full_name, is_masked, phone_key, storable
from store import tables as t
from store.apply import add_events, address_row
from store.catalogue import ListingKey, line_key, listings, listings_asked, listings_told, wanted_listings
from store.database import Tx
from store.erasing import ERASED, erased
from store.packing import packed
from store.shipments import ELSEWHERE

Reach = tuple[str, str]
"""How a buyer is found again: (phone, e-mail), normalised, '' = not by this."""
_Met = tuple[dict[str, int], dict[str, int]]
"""Contacts by phone and by e-mail."""


class KnownOrder(Struct, frozen=True, gc=False):
    """What is stored of a platform order already."""

    id: int
    updated_at: Instant
    content_hash: bytes
    status: str


class Incoming(Struct, frozen=True, gc=False):
    """An order on its way in. Its texts are as a database can hold them (`domain.records.keepable`)."""

    order: Order
    raw: bytes
    content_hash: bytes
    first_import: bool = False


async def known(tx: Tx, shop_id: int, platform_ids: Sequence[str]) -> dict[str, KnownOrder]:
    """Stored orders of a shop by platform id; until the commit nobody else takes orders of this shop over."""
    if tx.dialect == "postgresql":
        # Two that find an order missing would both insert it.
        await tx.rows("SELECT pg_advisory_xact_lock(hashtext('intake'), CAST(:shop AS int))", shop=shop_id)
    rows = await tx.rows(
        """SELECT id, platform_order_id, updated_at, content_hash, status FROM orders
           WHERE shop_id = :shop AND platform_order_id IN :ids""",
        shop=shop_id,
        ids=list(platform_ids),
    )
    return {r.platform_order_id: KnownOrder(r.id, r.updated_at, bytes(r.content_hash), r.status) for r in rows}


# ------------------------------------------------------------------ new orders


class Draft(Struct, frozen=True, gc=False):
    """A new order as rows, made without a look into the store: they lack ids, moments, contact and listings.

    A draft becomes one order: its rows are completed where they are written.
    """

    order: Order
    first_import: bool
    row: dict[str, Any]
    buyer: dict[str, Any]
    address: dict[str, Any]
    lines: list[dict[str, Any]]
    to_ship: list[int]
    """Pieces of each line that a shipment is to carry."""
    notes: list[dict[str, Any]]
    payload: bytes
    reach: Reach
    shipment: dict[str, Any]
    kind: OrderType | None


def draft(shop: ShopFacts, item: Incoming, delivery_comment: bool) -> Draft:
    """What is known of a new order before the store is asked."""
    order = item.order
    reach = _reach(order)
    types = order_types(shop.settings.order_types)
    row = _order_values(order)
    row["shop_id"] = shop.id
    row["platform_order_id"] = order.platform_order_id
    row["content_hash"] = item.content_hash
    return Draft(
        order,
        item.first_import,
        row,
        _buyer_values(order, reach),
        address_row(order.address, "platform", ""),
        [_line_row(position, line) for position, line in enumerate(order.lines)],
        [
            max(0, int(ln.quantity - min(ln.cancelled, ln.quantity) - ln.fulfilled)) if ln.ships else 0
            for ln in order.lines
        ],
        _notes(order, delivery_comment),
        packed(item.raw),
        reach,
        {"shop_id": shop.id, "ship_by": _due(order, shop)},
        # A setting that an earlier version took and this one does not is no reason to keep an order out.
        None if isinstance(types, Refused) else type_of(order, types),
    )


async def insert_orders(tx: Tx, shop: ShopFacts, drafts: Sequence[Draft]) -> None:
    """Write new orders with buyer, address, lines, notes, raw payload, shipment, submission and event, in bulk."""
    if not drafts:
        return
    count = len(drafts)
    order_ids, all_line_ids, address_ids, shipment_ids, contact_ids = await tx.next_ids(
        orders=count, order_line=sum(len(d.lines) for d in drafts), address=count, shipment=count, contact=count
    )
    line_ids = iter(all_line_ids)
    lines = [ln for d in drafts for ln in d.order.lines]
    listed, met = await tx.each(
        listings_asked(shop.id, wanted_listings(lines)), _contacts_asked([d.reach for d in drafts])
    )
    listing_of = listings_told(listed) | await _orphans(tx, shop.id, lines)
    contacts = await _contacts(tx, [(d.order, d.reach) for d in drafts], _contacts_told(met), contact_ids)
    shipped_lines: list[dict[str, Any]] = []
    events = []
    for d, order_id, address_id, shipment_id, contact_id in zip(
        drafts, order_ids, address_ids, shipment_ids, contacts, strict=True
    ):
        d.row["id"] = d.buyer["order_id"] = d.address["order_id"] = d.shipment["order_id"] = order_id
        d.row["address_id"] = d.address["id"] = address_id
        d.row["imported_at"] = d.address["created_at"] = tx.now
        d.buyer["contact_id"] = contact_id
        for note in d.notes:
            note["order_id"], note["at"] = order_id, tx.now
        matched, ships = True, False
        for row, line, pieces in zip(d.lines, d.order.lines, d.to_ship, strict=True):
            row["id"] = line_id = next(line_ids)
            row["order_id"] = order_id
            listing_id = listing_of.get(line_key(line)) or listing_of.get(("", _orphan(line)))
            row["listing_id"] = listing_id
            matched = matched and (listing_id is not None or not line.ships)
            if pieces:
                ships = True
                shipped_lines.append({"shipment_id": shipment_id, "order_line_id": line_id, "quantity": pieces})
        birth = _birth(d, shop, matched, ships)
        waits = d.kind if birth.stage < Stage.SHIPPED else None
        d.shipment["id"] = shipment_id
        d.shipment["stage"] = int(birth.stage)
        d.shipment["status"] = birth.status.value
        d.shipment["flags"] = int(birth.flags)
        d.shipment["hold_reason"] = waits.hold if waits else ""
        d.shipment["mark"] = waits.flag if waits else 0
        d.shipment["created_at"] = d.shipment["changed_at"] = tx.now
        warned = {"warnings": list(d.order.warnings)} if d.order.warnings else {}
        typed = {"order_type": d.kind.name} if d.kind else {}
        events.append((shipment_id, order_id, birth.event, {**warned, **typed}))
    await tx.insert(t.address, [d.address for d in drafts])
    await tx.insert(t.orders, [d.row for d in drafts])
    await tx.insert(t.order_line, [row for d in drafts for row in d.lines])
    await tx.insert(t.buyer, [d.buyer for d in drafts])
    await tx.insert(
        t.raw_order,
        [{"order_id": i, "payload": d.payload, "at": tx.now} for i, d in zip(order_ids, drafts, strict=True)],
    )
    await tx.insert(t.shipment, [d.shipment for d in drafts])
    await tx.insert(t.shipment_line, shipped_lines)
    await tx.insert(
        t.submission, [{"shipment_id": s, "order_id": i} for s, i in zip(shipment_ids, order_ids, strict=True)]
    )
    await tx.insert(t.note, [note for d in drafts for note in d.notes])
    await add_events(tx, events, "")
    await _forget(tx, shop.id, [d.order.platform_order_id for d in drafts])


def _birth(d: Draft, shop: ShopFacts, matched: bool, ships: bool) -> Birth:
    order = d.order
    return born(
        order.status,
        virtual=order.kind is OrderKind.VIRTUAL or not ships,
        payable=_payable(order),
        after_sale=order.after_sale,
        note=bool(order.buyer_note.strip()),
        matched=matched,
        first_import=d.first_import,
        settings=shop.settings,
        first=d.kind.stage if d.kind else Stage.REVIEW,
    )


_WAITS = frozenset({OrderStatus.UNPAID, OrderStatus.ON_HOLD, OrderStatus.FAILED})


def _payable(order: Order) -> bool:
    return order.status not in _WAITS and (order.paid_at is not None or order.payment is not Payment.PREPAID)


def _due(order: Order, shop: ShopFacts) -> Instant | None:
    started = order.paid_at if order.payment is Payment.PREPAID else order.paid_at or order.created_at
    return ship_by(order.deadline, started, shop.settings, shop.zone)


def _order_values(order: Order) -> dict[str, Any]:
    row = _status_values(order)
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


def _status_values(order: Order) -> dict[str, Any]:
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


def _buyer_values(order: Order, reach: Reach) -> dict[str, Any]:
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


def _line_row(position: int, line: OrderLine) -> dict[str, Any]:
    row = _line_values(line)
    row["position"] = position
    row["platform_line_id"] = line.platform_line_id
    return row


def _line_values(line: OrderLine) -> dict[str, Any]:
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


def _notes(order: Order, delivery_comment: bool) -> list[dict[str, Any]]:
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


async def _listing_ids(tx: Tx, shop_id: int, lines: Sequence[OrderLine]) -> dict[ListingKey, int]:
    """Listing ids by platform ids; for lines whose product is gone, by ('', sku) where a listing of the shop has it."""
    return await listings(tx, shop_id, wanted_listings(lines)) | await _orphans(tx, shop_id, lines)


async def _orphans(tx: Tx, shop_id: int, lines: Sequence[OrderLine]) -> dict[ListingKey, int]:
    skus = sorted({_orphan(ln) for ln in lines if line_key(ln)[0] in {"", "0"} and ln.sku.strip()})
    if not skus:
        return {}
    sql = "SELECT sku, min(id) AS id FROM listing WHERE shop_id = :shop AND sku IN :skus GROUP BY sku"
    return {("", row.sku): row.id for row in await tx.rows(sql, shop=shop_id, skus=skus)}


def _orphan(line: OrderLine) -> str:
    """What a line whose product is gone is matched by: its SKU, as listings keep it."""
    return line.sku.strip()


def _reach(order: Order) -> Reach:
    return phone_key(order.buyer.phone), email_key(order.buyer.email)


async def _contacts(tx: Tx, buyers: Sequence[tuple[Order, Reach]], met: _Met, free: Sequence[int]) -> list[int | None]:
    """The contact of each order: an existing one (`met`) by phone, else by e-mail, else a new one (ROA-30, ROA-32)."""
    by_phone, by_email = met
    ids: list[int | None] = []
    fresh: list[dict[str, Any]] = []
    next_id = iter(free)
    for order, (phone, email) in buyers:
        contact = (by_phone.get(phone) if phone else None) or (by_email.get(email) if email else None)
        if contact is None and (phone or email):
            contact = next(next_id)
            name = f"{order.buyer.first_name} {order.buyer.last_name}".strip()
            fresh.append(
                {
                    "id": contact,
                    "name": "" if is_masked(name) else name,
                    "phone": order.buyer.phone if phone else "",
                    "email": order.buyer.email if email else "",
                    "phone_key": phone if phone and phone not in by_phone else None,
                    "email_key": email if email and email not in by_email else None,
                    "created_at": tx.now,
                }
            )
            if phone:
                by_phone.setdefault(phone, contact)
            if email:
                by_email.setdefault(email, contact)
        ids.append(contact)
    await tx.insert(t.contact, fresh, tail="ON CONFLICT DO NOTHING" if tx.dialect == "postgresql" else "")
    if fresh and tx.dialect == "postgresql":
        ids = await _those_that_won(tx, ids, fresh)
    return ids


async def _those_that_won(tx: Tx, ids: list[int | None], fresh: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """`ids` with the contacts that another shop's import made first in the place of ours of the same phone or e-mail."""
    kept = {r.id for r in await tx.rows("SELECT id FROM contact WHERE id IN :ids", ids=[c["id"] for c in fresh])}
    lost = [c for c in fresh if c["id"] not in kept]
    sql, params = _contacts_asked([(c["phone_key"] or "", c["email_key"] or "") for c in lost])
    by_phone, by_email = _contacts_told(await tx.rows(sql, **params))
    winner = {c["id"]: by_phone.get(c["phone_key"]) or by_email.get(c["email_key"]) for c in lost}
    return [winner.get(i, i) if i is not None else None for i in ids]


def _contacts_asked(reaches: Sequence[Reach]) -> tuple[str, dict[str, Any]]:
    sql = """SELECT 0 AS way, phone_key AS key, id FROM contact WHERE phone_key IN :phones
             UNION ALL SELECT 1, email_key, id FROM contact WHERE email_key IN :emails"""
    phones, emails = ({reach[way] for reach in reaches} - {""} for way in (0, 1))
    return sql, {"phones": sorted(phones), "emails": sorted(emails)}


def _contacts_told(rows: Iterable[Any]) -> _Met:
    found: _Met = ({}, {})
    for row in rows:
        found[row.way][row.key] = row.id
    return found


async def _forget(tx: Tx, shop_id: int, platform_ids: Sequence[str]) -> None:
    """An order that is in needs no line among the excluded or abnormal any more."""
    await tx.do(
        "DELETE FROM left_out WHERE shop_id = :shop AND platform_order_id IN :ids", shop=shop_id, ids=list(platform_ids)
    )
    await tx.do(
        """UPDATE abnormal SET state = 'solved', last_at = :now
           WHERE shop_id = :shop AND platform_order_id IN :ids AND state <> 'solved'""",
        shop=shop_id,
        ids=list(platform_ids),
        now=tx.now,
    )


# ------------------------------------------------------------------ changed orders


class Before(Struct, frozen=True):
    """The stored version of an order that an update compares with."""

    status: str
    address_id: int | None
    fingerprint: str
    pickup_point: str
    shipping: tuple[str, int]
    lines: Mapping[str, Any]


class Updated(Struct, frozen=True):
    """What an update changed, and how many pieces of which lines came on top (order line id → pieces)."""

    order_id: int
    difference: Difference
    raised: Mapping[int, int]
    frozen: bool
    changed_fields: tuple[str, ...]


async def update_order(tx: Tx, shop: ShopFacts, order_id: int, item: Incoming, delivery_comment: bool) -> Updated:
    """Bring a stored order to its newest version.

    Once its goods are deducted (and nothing of it is still to ship) lines, prices, buyer and address stay as they were
    (ROA-06); only status, after-sale and payment facts move on.
    """
    if await tx.value("SELECT redacted FROM buyer WHERE order_id = :id", id=order_id) == ERASED:
        return await _update_erased(tx, shop, order_id, item)
    order = await _with_what_was_known(tx, order_id, item.order) if item.order.buyer.redacted else item.order
    before = await _before(tx, order_id)
    frozen = await _is_frozen(tx, order_id)
    same_address = before.fingerprint == address_print(order.address) and before.pickup_point == order.pickup_point
    fields: list[str] = []
    lines_changed = _lines_differ(before.lines, order.lines)
    raised, left = await _update_fulfilled(tx, before.lines, order.lines)
    values: dict[str, Any] = _status_values(order) if frozen else _order_values(order)
    if not frozen:
        if not same_address:
            moved = address_row(order.address, "platform", "")
            values["address_id"] = await tx.add(t.address, {**moved, "order_id": order_id, "created_at": tx.now})
            fields.append("address")
        if lines_changed:
            raised |= await _update_lines(tx, shop.id, order_id, before.lines, order.lines)
            fields.append("lines")
        await _update_buyer(tx, order_id, order)
        await _update_notes(tx, order_id, order, before, delivery_comment, same_address)
        await tx.do(
            f"""UPDATE shipment SET ship_by = :due, changed_at = :now
                WHERE order_id = :id AND stage < {int(Stage.SHIPPED)}
                  AND coalesce(ship_by, 0) <> coalesce(CAST(:due AS bigint), 0)""",
            due=_due(order, shop),
            id=order_id,
            now=tx.now,
        )
    values["content_hash"] = item.content_hash
    sets = ", ".join(f"{name} = :{name}" for name in values)
    await tx.do(f"UPDATE orders SET {sets} WHERE id = :id", id=order_id, **values)
    await tx.do(
        "UPDATE raw_order SET payload = :p, at = :now WHERE order_id = :id",
        p=packed(item.raw),
        now=tx.now,
        id=order_id,
    )
    await _forget(tx, shop.id, [order.platform_order_id])
    if before.status != order.status.value:
        fields.append("status")
    dead = {s.value for s in DEAD_ORDER}
    return Updated(
        order_id,
        Difference(
            address=not same_address,
            lines=lines_changed,
            left=left,
            status=before.status != order.status.value,
            reopened=before.status in dead and order.status not in DEAD_ORDER,
        ),
        raised,
        frozen,
        tuple(fields),
    )


async def _update_erased(tx: Tx, shop: ShopFacts, order_id: int, item: Incoming) -> Updated:
    """An order whose people were erased: its status moves on, and nothing of what was erased comes back."""
    order = item.order
    before = await _before(tx, order_id)
    values = {**_status_values(order), "content_hash": item.content_hash}
    sets = ", ".join(f"{name} = :{name}" for name in values)
    await tx.do(f"UPDATE orders SET {sets} WHERE id = :id", id=order_id, **values)
    await _forget(tx, shop.id, [order.platform_order_id])
    changed = before.status != order.status.value
    lines = _lines_differ(before.lines, order.lines)
    dead = {s.value for s in DEAD_ORDER}
    reopened = before.status in dead and order.status not in DEAD_ORDER
    difference = Difference(address=False, lines=lines, status=changed, reopened=reopened)
    return Updated(order_id, difference, {}, True, ("status",) if changed else ())


async def _with_what_was_known(tx: Tx, order_id: int, order: Order) -> Order:
    """ROA-33: what the platform hides now and has shown before stays as it was."""
    row = await tx.row(
        "SELECT first_name, last_name, phone, email, redacted FROM buyer WHERE order_id = :id", id=order_id
    )
    where = await tx.row("SELECT a.* FROM orders o JOIN address a ON a.id = o.address_id WHERE o.id = :id", id=order_id)
    if row is None or where is None:
        return order
    buyer = {
        name: getattr(order.buyer, name) or getattr(row, name) for name in ("first_name", "last_name", "phone", "email")
    }
    address = {}
    if not (order.address.name or order.address.line1):
        # An address that is shown is taken as it is: what it lacks may have been taken off.
        address = {name: getattr(order.address, name) or getattr(where, name) for name in Address.__struct_fields__}
    return structs.replace(
        order,
        buyer=structs.replace(order.buyer, **buyer, redacted=bool(row.redacted)),
        address=structs.replace(order.address, **address),
    )


async def _before(tx: Tx, order_id: int) -> Before:
    row = await tx.row(
        """SELECT o.status, o.address_id, o.pickup_point, o.shipping_method, o.shipping_minor, a.fingerprint
           FROM orders o LEFT JOIN address a ON a.id = o.address_id WHERE o.id = :id""",
        id=order_id,
    )
    assert row is not None
    lines = await tx.rows("SELECT * FROM order_line WHERE order_id = :id", id=order_id)
    return Before(
        row.status,
        row.address_id,
        row.fingerprint or "",
        row.pickup_point,
        (row.shipping_method, row.shipping_minor),
        {ln.platform_line_id: ln for ln in lines},
    )


async def _is_frozen(tx: Tx, order_id: int) -> bool:
    row = await tx.row(
        f"""SELECT CAST(coalesce(sum(s.deducted), 0) AS bigint) AS deducted,
               CAST(coalesce(sum(CASE WHEN s.stage < {int(Stage.SHIPPED)} THEN 1 ELSE 0 END), 0) AS bigint) AS open
            FROM submission su JOIN shipment s ON s.id = su.shipment_id WHERE su.order_id = :id""",
        id=order_id,
    )
    return row is not None and row.deducted > 0 and row.open == 0


def _lines_differ(stored: Mapping[str, Any], lines: Sequence[OrderLine]) -> bool:
    """Do quantities, or the set of lines, differ (a line taken off the order counts as wholly cancelled)?"""
    incoming = {ln.platform_line_id: ln for ln in lines}
    for platform_id, row in stored.items():
        line = incoming.get(platform_id)
        if line is None:
            if row.cancelled < row.quantity:
                return True
        elif (int(line.quantity), int(min(line.cancelled, line.quantity))) != (row.quantity, row.cancelled):
            return True
    return any(platform_id not in stored for platform_id in incoming)


async def _update_fulfilled(
    tx: Tx, stored: Mapping[str, Any], lines: Sequence[OrderLine]
) -> tuple[dict[int, int], bool]:
    """Keep how much of each line has left, by whosever hands: (pieces that came back, line id → pieces; did any leave?)."""
    came: dict[int, int] = {}
    left = False
    for line in lines:
        row, now = stored.get(line.platform_line_id), int(min(line.fulfilled, line.quantity))
        if row is not None and row.fulfilled != now:
            await tx.do("UPDATE order_line SET fulfilled = :n WHERE id = :id", n=now, id=row.id)
            left = left or now > row.fulfilled
            if now < row.fulfilled and line.ships:
                came[row.id] = row.fulfilled - now
    return came, left


async def _update_lines(
    tx: Tx, shop_id: int, order_id: int, stored: Mapping[str, Any], lines: Sequence[OrderLine]
) -> dict[int, int]:
    raised: dict[int, int] = {}
    listing_of = await _listing_ids(tx, shop_id, lines)
    incoming = {ln.platform_line_id for ln in lines}
    for platform_id, row in stored.items():
        if platform_id not in incoming and row.cancelled < row.quantity:
            await tx.do("UPDATE order_line SET cancelled = quantity WHERE id = :id", id=row.id)
    for position, line in enumerate(lines):
        row = stored.get(line.platform_line_id)
        if row is None:
            listing_id = listing_of.get(line_key(line)) or listing_of.get(("", _orphan(line)))
            new = {**_line_row(position, line), "order_id": order_id, "listing_id": listing_id}
            line_id = await tx.add(t.order_line, new)
            if line.ships:
                raised[line_id] = int(line.quantity - min(line.cancelled, line.quantity))
            continue
        values = _line_values(line)
        more = (values["quantity"] - values["cancelled"]) - (row.quantity - row.cancelled)
        if more > 0 and line.ships:
            raised[row.id] = more
        sets = ", ".join(f"{name} = :{name}" for name in values)
        await tx.do(f"UPDATE order_line SET {sets} WHERE id = :id", id=row.id, **values)
    return {line_id: pieces for line_id, pieces in raised.items() if pieces > 0}


async def _update_buyer(tx: Tx, order_id: int, order: Order) -> None:
    reach = _reach(order)
    (free,) = await tx.next_ids(contact=1)
    sql, params = _contacts_asked([reach])
    met = _contacts_told(await tx.rows(sql, **params))
    (contact,) = await _contacts(tx, [(order, reach)], met, free)
    row = {**_buyer_values(order, reach), "contact_id": contact}
    sets = ", ".join(f"{name} = :{name}" for name in row)
    await tx.do(f"UPDATE buyer SET {sets} WHERE order_id = :id", id=order_id, **row)


async def _update_notes(
    tx: Tx, order_id: int, order: Order, before: Before, delivery_comment: bool, same_address: bool
) -> None:
    """A changed buyer's note is a new unread one; a changed delivery is a new comment, old ones stay (ROA-41)."""
    for kind, text in (("buyer", order.buyer_note), ("seller", order.seller_note)):
        last = await tx.value(
            "SELECT text FROM note WHERE order_id = :id AND kind = :kind ORDER BY id DESC LIMIT 1",
            id=order_id,
            kind=kind,
        )
        if text.strip() and text != last:
            await tx.insert(t.note, [{"order_id": order_id, "kind": kind, "text": text, "at": tx.now}])
            if kind == "buyer":
                await tx.do(
                    f"""UPDATE shipment SET flags = flags | {int(Flag.NOTE_UNREAD)}, version = version + 1
                        WHERE id IN (SELECT shipment_id FROM submission WHERE order_id = :id)
                          AND stage < {int(Stage.SHIPPED)}""",
                    id=order_id,
                )
    shipping = (order.shipping_method, order.shipping_minor)
    if delivery_comment and not (same_address and before.shipping == shipping):
        await tx.insert(
            t.note, [{"order_id": order_id, "kind": "delivery", "text": delivery_text(order), "at": tx.now}]
        )


async def mark_deleted(tx: Tx, order_id: int) -> None:
    """The platform no longer knows an order; all else of it stays. Should it come back, its content counts as changed."""
    await tx.do(
        "UPDATE orders SET status = :s, raw_status = :s, content_hash = :h WHERE id = :id",
        s=OrderStatus.DELETED.value,
        h=b"deleted",
        id=order_id,
    )


async def touch_unchanged(tx: Tx, orders_: Sequence[tuple[int, Instant]]) -> None:
    """The platform's timestamp moved, nothing of the order did: (order id, newest instant)."""
    await tx.many("UPDATE orders SET updated_at = :u WHERE id = :id", [{"id": i, "u": at} for i, at in orders_])


async def solve(tx: Tx, shop_id: int, platform_ids: Sequence[str]) -> None:
    """Orders that are as they are stored need no line among the abnormal; nothing is written where there is none."""
    open_ = await tx.rows(
        "SELECT platform_order_id FROM abnormal WHERE shop_id = :s AND state = 'open' AND platform_order_id IN :ids",
        s=shop_id,
        ids=list(platform_ids),
    )
    if open_:
        await tx.do(
            "UPDATE abnormal SET state = 'solved', last_at = :now WHERE shop_id = :s AND platform_order_id IN :ids",
            s=shop_id,
            ids=[r.platform_order_id for r in open_],
            now=tx.now,
        )


async def unassigned(tx: Tx, order_id: int) -> dict[int, int]:
    """Pieces of each order line that no shipment carries (closed ones do not count)."""
    rows = await tx.rows(
        f"""SELECT ol.id, ol.quantity - ol.cancelled - {ELSEWHERE} - CAST(coalesce((
               SELECT sum(sl.quantity) FROM shipment_line sl JOIN shipment s ON s.id = sl.shipment_id
               WHERE sl.order_line_id = ol.id AND s.stage < {int(Stage.CLOSED)}), 0) AS bigint) AS n
            FROM order_line ol WHERE ol.order_id = :id AND ol.ships = 1""",
        id=order_id,
    )
    return {r.id: r.n for r in rows if r.n > 0}


async def add_shipment(
    tx: Tx, shop: ShopFacts, order_id: int, pieces: Mapping[int, int], flags: int, due: Instant | None
) -> int:
    """A further review shipment of an order: reopened, or its quantity was raised."""
    shipment_id = await tx.add(
        t.shipment,
        {
            "shop_id": shop.id,
            "order_id": order_id,
            "stage": int(Stage.REVIEW),
            "status": Status.OPEN.value,
            "flags": flags,
            "ship_by": due,
            "created_at": tx.now,
            "changed_at": tx.now,
        },
    )
    await tx.insert(
        t.shipment_line,
        [{"shipment_id": shipment_id, "order_line_id": line, "quantity": n} for line, n in sorted(pieces.items())],
    )
    await tx.insert(t.submission, [{"shipment_id": shipment_id, "order_id": order_id}])
    await add_events(tx, [(shipment_id, order_id, "shipment_added", {"pieces": sum(pieces.values())})], "")
    return shipment_id


# ------------------------------------------------------------------ left out and abnormal


async def exclude(tx: Tx, shop_id: int, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Note orders left out: (platform id, number, reason, detail)."""
    await tx.insert(
        t.left_out,
        [
            {
                "shop_id": shop_id,
                "platform_order_id": storable(pid),
                "number": storable(number),
                "reason": reason,
                "detail": storable(detail),
                "first_at": tx.now,
                "last_at": tx.now,
            }
            for pid, number, reason, detail in rows
        ],
        tail="""ON CONFLICT (shop_id, platform_order_id) DO UPDATE
                SET reason = excluded.reason, detail = excluded.detail, last_at = excluded.last_at""",
    )
    await tx.do(
        "UPDATE abnormal SET state = 'solved' WHERE shop_id = :s AND platform_order_id IN :ids AND state = 'open'",
        s=shop_id,
        ids=[r[0] for r in rows],
    )


async def quarantine(tx: Tx, shop_id: int, rows: Sequence[tuple[str, str, str, bytes]]) -> None:
    """Keep what could not become an order: (platform id, code, message, payload).

    Of an order whose people were erased neither payload nor message is kept.
    """
    rows = [(storable(pid), code, message, raw) for pid, code, message, raw in rows]
    gone = await erased(tx, shop_id, [pid for pid, _code, _message, _raw in rows])
    rows = [
        (pid, code, "" if pid in gone else message, b"" if pid in gone else raw) for pid, code, message, raw in rows
    ]
    await tx.insert(
        t.abnormal,
        [
            {
                "shop_id": shop_id,
                "platform_order_id": storable(pid),
                "code": code,
                "message": storable(message)[:2000],
                "payload": packed(raw),
                "first_at": tx.now,
                "last_at": tx.now,
            }
            for pid, code, message, raw in rows
        ],
        tail="""ON CONFLICT (shop_id, platform_order_id) DO UPDATE
                SET code = excluded.code, message = excluded.message, payload = excluded.payload,
                    last_at = excluded.last_at, tries = abnormal.tries + 1,
                    state = CASE WHEN abnormal.state = 'dismissed' THEN 'dismissed' ELSE 'open' END""",
    )
    await tx.do(
        "DELETE FROM left_out WHERE shop_id = :s AND platform_order_id IN :ids", s=shop_id, ids=[r[0] for r in rows]
    )
