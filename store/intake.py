"""Takes new orders of a platform over, in bulk.

What changed of stored ones: `store.order_changes`. What is no order here: `store.quarantined`.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from domain.clock import Instant
from domain.enums import OrderKind, Stage
from domain.facts import ShopFacts
from domain.order_types import OrderType, order_types, type_of
from domain.reconcile import Birth, born
from domain.records import Order
from domain.results import Refused
from store import tables as t
from store.apply import add_events, address_row
from store.catalogue import NO_PRODUCT, ListingKey, line_key, listings_asked, listings_told, orphan, orphans
from store.contacts import Met, Reach, contacts_asked, contacts_told, keep_contacts, reach_of
from store.database import Params, Tx
from store.order_rows import buyer_values, due, line_row, notes_of, order_values, payable
from store.packing import packed
from store.quarantined import forget


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
    goods: list[ListingKey]
    """What each line names."""
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
    reach = reach_of(order)
    types = order_types(shop.settings.order_types)
    row = order_values(order)
    row["shop_id"] = shop.id
    row["platform_order_id"] = order.platform_order_id
    row["content_hash"] = item.content_hash
    return Draft(
        order,
        item.first_import,
        row,
        buyer_values(order, reach),
        address_row(order.address, "platform", ""),
        [line_row(position, line) for position, line in enumerate(order.lines)],
        [*map(line_key, order.lines)],
        [
            max(0, int(ln.quantity - min(ln.cancelled, ln.quantity) - ln.fulfilled)) if ln.ships else 0
            for ln in order.lines
        ],
        notes_of(order, delivery_comment),
        packed(item.raw),
        reach,
        {"shop_id": shop.id, "ship_by": due(order, shop)},
        # A setting that an earlier version took and this one does not is no reason to keep an order out.
        None if isinstance(types, Refused) else type_of(order, types),
    )


class Around(Struct, frozen=True, gc=False):
    """What new orders need of the store: ids that are free, listings and contacts that are there."""

    ids: Sequence[Sequence[int]]
    """Of orders, addresses, shipments, contacts and lines: as many as may be needed."""
    listings: dict[ListingKey, int]
    contacts: Met


async def look_up(
    tx: Tx, shop_id: int, platform_ids: Sequence[str], drafts: Sequence[Draft] = ()
) -> tuple[dict[str, KnownOrder], Around | None]:
    """Stored orders of a shop by platform id; until the commit nobody else takes orders of this shop over.

    With them, on SQLite in one way there and back, what `drafts` need of the store; None without any.
    """
    if tx.dialect == "postgresql":
        # Two that find an order missing would both insert it.
        await tx.rows("SELECT pg_advisory_xact_lock(hashtext('intake'), CAST(:shop AS int))", shop=shop_id)
    known = """SELECT id, platform_order_id, updated_at, content_hash, status FROM orders
               WHERE shop_id = :shop AND platform_order_id IN :ids"""
    questions: list[tuple[str, Params]] = [(known, {"shop": shop_id, "ids": list(platform_ids)})]
    counts = dict.fromkeys(("orders", "address", "shipment", "contact"), len(drafts))
    counts["order_line"] = sum(len(d.lines) for d in drafts)
    if drafts:
        wanted = {key for d in drafts for key in d.goods if key[0] not in NO_PRODUCT}
        questions += tx.ids_asked(counts), listings_asked(shop_id, wanted), contacts_asked([d.reach for d in drafts])
    stored, *rest = await tx.each(*questions)
    around = None
    if drafts:
        gone = await orphans(tx, shop_id, [ln for d in drafts for ln in d.order.lines])
        around = Around(tx.ids_told(rest[0], counts), listings_told(rest[1]) | gone, contacts_told(rest[2]))
    return {
        r.platform_order_id: KnownOrder(r.id, r.updated_at, bytes(r.content_hash), r.status) for r in stored
    }, around


async def insert_orders(tx: Tx, shop: ShopFacts, drafts: Sequence[Draft], around: Around | None = None) -> None:
    """Write new orders with buyer, address, lines, notes, raw payload, shipment, submission and event, in bulk.

    `around` is what `look_up` said of them in this transaction, where it was asked.
    """
    if not drafts:
        return
    if around is None:
        _known, around = await look_up(tx, shop.id, (), drafts)
    assert around is not None
    order_ids, address_ids, shipment_ids, contact_ids = (ids[: len(drafts)] for ids in around.ids[:4])
    line_ids = iter(around.ids[4])
    contacts = await keep_contacts(tx, [(d.order, d.reach) for d in drafts], around.contacts, contact_ids)
    shipped_lines: list[dict[str, Any]] = []
    events = []
    for d, contact_id, order_id, address_id, shipment_id in zip(
        drafts, contacts, order_ids, address_ids, shipment_ids, strict=True
    ):
        d.row["id"] = d.buyer["order_id"] = d.address["order_id"] = d.shipment["order_id"] = order_id
        d.row["address_id"] = d.address["id"] = address_id
        d.row["imported_at"] = d.address["created_at"] = tx.now
        d.buyer["contact_id"] = contact_id
        for note in d.notes:
            note["order_id"], note["at"] = order_id, tx.now
        matched, ships = True, False
        for row, line, key, pieces in zip(d.lines, d.order.lines, d.goods, d.to_ship, strict=True):
            row["id"] = line_id = next(line_ids)
            row["order_id"] = order_id
            listing_id = around.listings.get(key) or around.listings.get(("", orphan(line)))
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
        [{"order_id": d.row["id"], "payload": d.payload, "at": tx.now} for d in drafts],
    )
    await tx.insert(t.shipment, [d.shipment for d in drafts])
    await tx.insert(t.shipment_line, shipped_lines)
    await tx.insert(t.submission, [{"shipment_id": d.shipment["id"], "order_id": d.row["id"]} for d in drafts])
    await tx.insert(t.note, [note for d in drafts for note in d.notes])
    await add_events(tx, events, "")
    await forget(tx, shop.id, [d.order.platform_order_id for d in drafts])


def _birth(d: Draft, shop: ShopFacts, matched: bool, ships: bool) -> Birth:
    order = d.order
    return born(
        order.status,
        virtual=order.kind is OrderKind.VIRTUAL or not ships,
        payable=payable(order),
        after_sale=order.after_sale,
        note=bool(order.buyer_note.strip()),
        matched=matched,
        first_import=d.first_import,
        settings=shop.settings,
        first=d.kind.stage if d.kind else Stage.REVIEW,
    )
