"""The stock ledger: receive, adjust, count. Balances move only together with an immutable row."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from domain.enums import Stage
from domain.results import Refused
from domain.words import _
from store.apply import book
from store.database import Tx


class Balance(Struct, frozen=True):
    """What stands of one variant in one warehouse after a move; `released` shipments lost their allocation."""

    variant_id: int
    warehouse_id: int
    on_hand: int
    reserved: int
    released: tuple[int, ...] = ()


async def variant_by_sku(tx: Tx, sku: str) -> Any:
    """The variant of a SKU (the oldest where it stands twice), or None."""
    return await tx.row("SELECT * FROM variant WHERE sku = :s ORDER BY id LIMIT 1", s=sku.strip())


async def change(
    tx: Tx, variant_id: int, warehouse_id: int, reason: str, who: str, *, by: int = 0, to: int | None = None
) -> Balance | Refused:
    """Receive or adjust `by` pieces, or set a count `to` pieces; the variant is tracked from then on.

    A count (or adjustment) below what is reserved releases the newest allocations; the caller moves those shipments to
    out of stock in the same transaction.
    """
    postgresql = tx.dialect == "postgresql"
    # The variant's row is the lock, since its stock row may not be there yet.
    await tx.row(f"SELECT id FROM variant WHERE id = :id{' FOR NO KEY UPDATE' if postgresql else ''}", id=variant_id)
    lock = " FOR NO KEY UPDATE" if postgresql else ""
    row = await tx.row(
        f"SELECT on_hand, reserved FROM stock WHERE variant_id = :v AND warehouse_id = :w{lock}",
        v=variant_id,
        w=warehouse_id,
    )
    on_hand, reserved = (row.on_hand, row.reserved) if row is not None else (0, 0)
    target = on_hand + by if to is None else to
    if target < 0:
        return Refused("below_zero", _("Only {n} are on hand.").format(n=on_hand))
    await tx.do("UPDATE variant SET tracked = 1 WHERE id = :id AND tracked = 0", id=variant_id)
    serial = await tx.value("SELECT count(*) FROM stock_move WHERE variant_id = :v", v=variant_id)
    released: list[int] = []
    moves: list[dict[str, Any]] = []
    if target < reserved:
        for a in await _newest_allocations(tx, variant_id, warehouse_id):
            if reserved <= target:
                break
            released.append(a.shipment_id)
            for part in await tx.rows("SELECT * FROM allocation WHERE shipment_id = :s", s=a.shipment_id):
                if part.variant_id == variant_id and part.warehouse_id == warehouse_id:
                    reserved -= part.quantity
                moves.append(
                    {
                        "key": f"short:{a.shipment_id}:{part.variant_id}:{variant_id}:{serial}",
                        "variant_id": part.variant_id,
                        "warehouse_id": part.warehouse_id,
                        "on_hand": 0,
                        "reserved": -part.quantity,
                        "reason": "release",
                        "shipment_id": a.shipment_id,
                        "who": who,
                        "at": tx.now,
                    }
                )
        await tx.do("DELETE FROM allocation WHERE shipment_id IN :ids", ids=released)
    await book(tx, moves)
    await book(
        tx,
        [
            {
                "key": f"{reason}:{variant_id}:{warehouse_id}:{serial}",
                "variant_id": variant_id,
                "warehouse_id": warehouse_id,
                "on_hand": target - on_hand,
                "reserved": 0,
                "reason": reason,
                "shipment_id": None,
                "who": who,
                "at": tx.now,
            }
        ],
    )
    return Balance(variant_id, warehouse_id, target, reserved, tuple(released))


async def _newest_allocations(tx: Tx, variant_id: int, warehouse_id: int) -> Sequence[Any]:
    return await tx.rows(
        """SELECT shipment_id FROM allocation WHERE variant_id = :v AND warehouse_id = :w
           ORDER BY at DESC, shipment_id DESC""",
        v=variant_id,
        w=warehouse_id,
    )


async def balances(tx: Tx, sku: str = "") -> Sequence[Any]:
    """Every tracked variant (or those of one SKU) with its balance and how many shipments wait for it."""
    return await tx.rows(
        f"""WITH waits AS (
               SELECT li.variant_id, count(DISTINCT s.id) AS n FROM shipment s
               JOIN shipment_line sl ON sl.shipment_id = s.id JOIN order_line ol ON ol.id = sl.order_line_id
               JOIN listing_item li ON li.listing_id = ol.listing_id
               WHERE s.stage = {int(Stage.TO_PRINT)} AND s.status = 'out_of_stock' GROUP BY li.variant_id)
           SELECT v.sku, v.name, v.tracked, w.name AS warehouse, st.on_hand, st.reserved, coalesce(waits.n, 0) AS waiting
           FROM stock st JOIN variant v ON v.id = st.variant_id JOIN warehouse w ON w.id = st.warehouse_id
           LEFT JOIN waits ON waits.variant_id = v.id
           WHERE :all = 1 OR v.sku = :sku ORDER BY v.sku, v.id""",
        all=int(not sku),
        sku=sku,
    )


async def ledger(tx: Tx, sku: str) -> Sequence[Any]:
    """The moves of a SKU, oldest first."""
    return await tx.rows(
        "SELECT m.* FROM stock_move m JOIN variant v ON v.id = m.variant_id WHERE v.sku = :sku ORDER BY m.id", sku=sku
    )
