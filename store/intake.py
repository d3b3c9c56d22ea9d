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
from store.catalogue import line_key, listings_asked, listings_told, orphan, orphans, wanted_listings
from store.contacts import Reach, contacts_asked, contacts_told, keep_contacts, reach_of
from store.database import Tx
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
        listings_asked(shop.id, wanted_listings(lines)), contacts_asked([d.reach for d in drafts])
    )
    listing_of = listings_told(listed) | await orphans(tx, shop.id, lines)
    contacts = await keep_contacts(tx, [(d.order, d.reach) for d in drafts], contacts_told(met), contact_ids)
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
            listing_id = listing_of.get(line_key(line)) or listing_of.get(("", orphan(line)))
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
