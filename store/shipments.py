"""Loads the facts of many shipments at once, locked for the transaction that will change them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from domain.clock import Instant
from domain.enums import (
    UNSETTLED_EFFECT,
    EffectState,
    Flag,
    Op,
    OrderKind,
    OrderStatus,
    Payment,
    PrintState,
    Stage,
    Status,
    Submission,
    WaybillState,
)
from domain.facts import (
    CustomsFacts,
    EffectFacts,
    LineFacts,
    OrderFacts,
    ServiceFacts,
    ShipmentFacts,
    ShopFacts,
    WaybillFacts,
    address_print,
)
from domain.records import Address
from store.database import Tx

ADDRESS = "name, company, line1, line2, city, state, postcode, country, phone, email"
"""Columns of an address, in the order of `Address`."""


_OURS = f"""CAST(coalesce((SELECT sum(y.quantity) FROM shipment_line y JOIN shipment ys ON ys.id = y.shipment_id
    WHERE y.order_line_id = ol.id AND (ys.stage = {int(Stage.SHIPPED)} OR EXISTS (SELECT 1 FROM submission yt
        WHERE yt.shipment_id = ys.id AND yt.order_id = ol.order_id AND yt.state <> 'none'))), 0) AS bigint)"""
ELSEWHERE = f"(CASE WHEN ol.fulfilled = 0 OR ol.fulfilled <= {_OURS} THEN 0 ELSE ol.fulfilled - {_OURS} END)"
"""Pieces of an order line `ol` that have left by other hands: what the platform calls fulfilled, less what has left from
here or may have been told. Too few rather than too many, so that nothing of ours is taken for another's."""


async def load_facts(
    tx: Tx,
    ids: Sequence[int],
    shops: Mapping[int, ShopFacts],
    services: Mapping[int, ServiceFacts],
    *,
    default_warehouse: int = 0,
    lock: bool = True,
) -> dict[int, ShipmentFacts]:
    """Facts of `ids` (unknown ids are left out). On PostgreSQL the rows stay locked, in id order, until the commit."""
    if not ids:
        return {}
    locking = " FOR NO KEY UPDATE" if lock and tx.dialect == "postgresql" else ""
    wanted = sorted(set(ids))
    rows = await tx.rows(f"SELECT * FROM shipment WHERE id IN :ids ORDER BY id{locking}", ids=wanted)
    if not rows:
        return {}
    wanted = [r.id for r in rows]
    lines = await tx.rows(
        f"""SELECT sl.shipment_id, sl.order_line_id, sl.quantity, ol.order_id, ol.platform_line_id, ol.sku, ol.name,
               ol.quantity - ol.cancelled - {ELSEWHERE} AS allowed, ol.ships, ol.listing_id,
               (SELECT CAST(sum(x.quantity) AS bigint) FROM shipment_line x JOIN shipment s ON s.id = x.shipment_id
                WHERE x.order_line_id = ol.id AND s.stage < {int(Stage.CLOSED)}) AS assigned
           FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
           WHERE sl.shipment_id IN :ids ORDER BY sl.shipment_id, ol.order_id, ol.position, ol.id""",
        ids=wanted,
    )
    listings = {ln.listing_id for ln in lines if ln.listing_id}
    needs: dict[int, list[tuple[int, int]]] = defaultdict(list)
    declared: dict[int, CustomsFacts] = {}
    if listings:
        for item in await tx.rows(
            """SELECT li.listing_id, li.variant_id, li.quantity, v.tracked, v.weight_g, v.customs
               FROM listing_item li JOIN variant v ON v.id = li.variant_id WHERE li.listing_id IN :ids
               ORDER BY li.listing_id, li.variant_id""",
            ids=sorted(listings),
        ):
            if item.tracked:
                needs[item.listing_id].append((item.variant_id, item.quantity))
            if item.customs != "{}":
                declared[item.listing_id] = msgspec.json.decode(item.customs, type=CustomsFacts)
    orders = await tx.rows(
        """SELECT su.shipment_id, su.state, su.number AS told, o.*
           FROM submission su JOIN orders o ON o.id = su.order_id WHERE su.shipment_id IN :ids ORDER BY su.shipment_id, o.id""",
        ids=wanted,
    )
    address_ids = {r.address_id for r in rows if r.address_id} | {o.address_id for o in orders if o.address_id}
    addresses = {
        a[0]: Address(*a[1:])
        for a in await tx.rows(f"SELECT id, {ADDRESS} FROM address WHERE id IN :ids", ids=sorted(address_ids))
    }
    waybills = await tx.rows(
        """SELECT w.*, CASE WHEN EXISTS (SELECT 1 FROM label_file l WHERE l.waybill_id = w.id) THEN 1 ELSE 0 END
               AS has_label
           FROM waybill w WHERE w.shipment_id IN :ids ORDER BY w.shipment_id, w.generation""",
        ids=wanted,
    )
    effects = await tx.rows(
        "SELECT id, shipment_id, op, state, order_id, batch_id FROM effect WHERE shipment_id IN :ids ORDER BY id",
        ids=wanted,
    )
    allocations = await tx.rows(
        "SELECT shipment_id, variant_id, quantity FROM allocation WHERE shipment_id IN :ids", ids=wanted
    )
    customs = await tx.rows("SELECT * FROM customs_line WHERE shipment_id IN :ids", ids=wanted)
    taken = await _taken(tx, [r.id for r in rows if r.deducted])

    by = _by_shipment
    lines_of, orders_of, waybills_of = by(lines), by(orders), by(waybills)
    effects_of, allocated_of, customs_of = by(effects), by(allocations), by(customs)
    return {
        r.id: ShipmentFacts(
            id=r.id,
            version=r.version,
            shop=shops[r.shop_id],
            order_id=r.order_id,
            stage=Stage(r.stage),
            status=Status(r.status),
            flags=Flag(r.flags),
            hold_reason=r.hold_reason,
            mark=r.mark,
            ship_by=r.ship_by,
            warehouse_id=r.warehouse_id or default_warehouse,
            service=services.get(r.service_id) if r.service_id else None,
            address=_address(r, orders_of[r.id], addresses),
            address_id=r.address_id or next((o.address_id for o in orders_of[r.id] if o.id == r.order_id), None),
            overlay=r.address_id is not None,
            print_state=PrintState(r.print_state),
            copies=r.copies,
            deducted=bool(r.deducted),
            cycle=r.cycle,
            shipped_at=r.shipped_at,
            collected_at=r.collected_at,
            code=r.code,
            reason=r.reason,
            orders=_orders(orders_of[r.id], {ln.order_id for ln in lines_of[r.id]} | {r.order_id}, addresses),
            lines=tuple(
                LineFacts(
                    ln.order_line_id,
                    ln.order_id,
                    ln.platform_line_id,
                    ln.sku,
                    ln.name,
                    ln.quantity,
                    ln.allowed,
                    ln.assigned or 0,
                    bool(ln.ships),
                    tuple(needs.get(ln.listing_id, ())),
                    ln.listing_id is not None,
                )
                for ln in lines_of[r.id]
            ),
            waybills=tuple(
                WaybillFacts(
                    w.id,
                    w.generation,
                    WaybillState(w.state),
                    w.carrier_id,
                    w.service_id,
                    w.reference,
                    w.number,
                    w.tracking,
                    w.address_print,
                    w.lines_print,
                    bool(w.has_label),
                )
                for w in waybills_of[r.id]
            ),
            allocated={a.variant_id: a.quantity for a in allocated_of[r.id]},
            effects=tuple(
                EffectFacts(e.id, Op(e.op), EffectState(e.state), e.order_id, e.batch_id)
                for e in effects_of[r.id]
                if e.state in UNSETTLED_EFFECT
            ),
            effect_count=len(effects_of[r.id]),
            customs={c.order_line_id: customs_facts(c) for c in customs_of[r.id]},
            defaults={ln.order_line_id: declared[ln.listing_id] for ln in lines_of[r.id] if ln.listing_id in declared},
            taken=taken[r.id],
        )
        for r in rows
    }


def _by_shipment(rows: Iterable[Any]) -> defaultdict[int, list[Any]]:
    grouped: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.shipment_id].append(row)
    return grouped


def _address(row: Any, orders: Sequence[Any], addresses: Mapping[int, Address]) -> Address:
    if row.address_id:
        return addresses[row.address_id]
    main = next((o for o in orders if o.id == row.order_id), None)
    return addresses.get(main.address_id, Address()) if main is not None and main.address_id else Address()


async def _taken(tx: Tx, ids: Sequence[int]) -> defaultdict[int, dict[int, int]]:
    """Per shipment, what it took from stock and has not given back."""
    found: defaultdict[int, dict[int, int]] = defaultdict(dict)
    if ids:
        for row in await tx.rows(
            """SELECT shipment_id, variant_id, CAST(sum(on_hand) AS bigint) AS n FROM stock_move
               WHERE shipment_id IN :ids AND reason IN ('ship', 'recall') GROUP BY shipment_id, variant_id""",
            ids=ids,
        ):
            if row.n < 0:
                found[row.shipment_id][row.variant_id] = -row.n
    return found


def _orders(rows: Sequence[Any], holding: set[int], addresses: Mapping[int, Address]) -> tuple[OrderFacts, ...]:
    return tuple(
        OrderFacts(
            o.id,
            o.platform_order_id,
            o.number,
            OrderStatus(o.status),
            OrderKind(o.kind),
            Payment(o.payment),
            o.currency,
            o.total_minor,
            o.paid_at,
            bool(o.after_sale),
            o.pickup_point,
            Submission(o.state),
            o.told,
            address_print(addresses[o.address_id]) if o.address_id in addresses else "",
        )
        for o in rows
        if o.id in holding
    )


def customs_facts(row: Any) -> CustomsFacts:
    """A `customs_line` row as decisions see it."""
    return CustomsFacts(
        row.name_local,
        row.name_en,
        row.hs_code,
        row.origin,
        row.unit_weight_g,
        row.unit_value_minor,
        row.currency,
        row.battery,
        bool(row.liquid),
    )


async def free_stock(tx: Tx, facts: Iterable[ShipmentFacts], *, lock: bool = True) -> dict[tuple[int, int], int]:
    """Free pieces of everything these shipments want: (variant, warehouse) → pieces. Locked on PostgreSQL."""
    variants = sorted({variant for f in facts for variant in f.wants})
    if not variants:
        return {}
    locking = " FOR NO KEY UPDATE" if lock and tx.dialect == "postgresql" else ""
    rows = await tx.rows(
        f"""SELECT variant_id, warehouse_id, on_hand - reserved AS free FROM stock WHERE variant_id IN :ids
            ORDER BY variant_id, warehouse_id{locking}""",
        ids=variants,
    )
    return {(r.variant_id, r.warehouse_id): r.free for r in rows}


async def existing(tx: Tx, ids: Sequence[int]) -> set[int]:
    """Which of these shipments there are."""
    return {r.id for r in await tx.rows("SELECT id FROM shipment WHERE id IN :ids", ids=list(ids))}


class LastEvent(Struct, frozen=True):
    """The newest line of a shipment's history; `who` is empty where the worker did it."""

    who: str
    kind: str
    at: Instant


async def last_event(tx: Tx, shipment_id: int) -> LastEvent | None:
    """Who touched a shipment last, and how."""
    row = await tx.row(
        "SELECT who, kind, at FROM event WHERE shipment_id = :id ORDER BY id DESC LIMIT 1", id=shipment_id
    )
    return LastEvent(row.who, row.kind, row.at) if row is not None else None


async def shipments_of_orders(tx: Tx, order_ids: Sequence[int]) -> dict[int, list[int]]:
    """Order id → ids of its shipments, closed ones included."""
    found: dict[int, list[int]] = defaultdict(list)
    for row in await tx.rows(
        "SELECT order_id, shipment_id FROM submission WHERE order_id IN :ids ORDER BY order_id, shipment_id",
        ids=sorted(order_ids),
    ):
        found[row.order_id].append(row.shipment_id)
    return found
