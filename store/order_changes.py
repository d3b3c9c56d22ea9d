"""Brings stored orders to their newest version, field by field.

Operator-owned facts (stage, service, holds, overlays, remarks) are never written here; they belong to shipments.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from domain.clock import Instant
from domain.enums import DEAD_ORDER, Flag, OrderStatus, Stage, Status
from domain.facts import ShopFacts, address_print
from domain.reconcile import Difference
from domain.records import Address, Order, OrderLine
from store import tables as t
from store.apply import add_events, address_row
from store.catalogue import line_key, listings_of_lines, orphan
from store.contacts import contacts_asked, contacts_told, keep_contacts, reach_of
from store.database import Tx
from store.erasing import ERASED
from store.intake import Incoming
from store.order_rows import buyer_values, delivery_text, due, line_row, line_values, order_values, status_values
from store.packing import packed
from store.quarantined import forget
from store.shipments import ELSEWHERE


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
    values: dict[str, Any] = status_values(order) if frozen else order_values(order)
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
            due=due(order, shop),
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
    await forget(tx, shop.id, [order.platform_order_id])
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
    values = {**status_values(order), "content_hash": item.content_hash}
    sets = ", ".join(f"{name} = :{name}" for name in values)
    await tx.do(f"UPDATE orders SET {sets} WHERE id = :id", id=order_id, **values)
    await forget(tx, shop.id, [order.platform_order_id])
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
    listing_of = await listings_of_lines(tx, shop_id, lines)
    incoming = {ln.platform_line_id for ln in lines}
    for platform_id, row in stored.items():
        if platform_id not in incoming and row.cancelled < row.quantity:
            await tx.do("UPDATE order_line SET cancelled = quantity WHERE id = :id", id=row.id)
    for position, line in enumerate(lines):
        row = stored.get(line.platform_line_id)
        if row is None:
            listing_id = listing_of.get(line_key(line)) or listing_of.get(("", orphan(line)))
            new = {**line_row(position, line), "order_id": order_id, "listing_id": listing_id}
            line_id = await tx.add(t.order_line, new)
            if line.ships:
                raised[line_id] = int(line.quantity - min(line.cancelled, line.quantity))
            continue
        values = line_values(line)
        more = (values["quantity"] - values["cancelled"]) - (row.quantity - row.cancelled)
        if more > 0 and line.ships:
            raised[row.id] = more
        sets = ", ".join(f"{name} = :{name}" for name in values)
        await tx.do(f"UPDATE order_line SET {sets} WHERE id = :id", id=row.id, **values)
    return {line_id: pieces for line_id, pieces in raised.items() if pieces > 0}


async def _update_buyer(tx: Tx, order_id: int, order: Order) -> None:
    reach = reach_of(order)
    (free,) = await tx.next_ids(contact=1)
    sql, params = contacts_asked([reach])
    met = contacts_told(await tx.rows(sql, **params))
    (contact,) = await keep_contacts(tx, [(order, reach)], met, free)
    row = {**buyer_values(order, reach), "contact_id": contact}
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
