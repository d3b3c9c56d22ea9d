"""Books: our figures for a comparison with a third party's, and where a practice day stands."""

from collections.abc import Sequence

from msgspec import Struct

from domain.clock import Instant
from domain.enums import Op, Stage
from store import quarantined
from store.database import Tx
from store.views import UNDER_WAY, Fetches


class Figures(Struct, frozen=True):
    """How much of everything there is, over all shops."""

    orders: int
    abnormal: int
    excluded: dict[str, int]
    stages: dict[str, int]
    effects: dict[str, int]
    shipped: int
    pushed: int
    labels: int
    stock_deducted: int


class ToldOrder(Struct, frozen=True):
    """What we hold a platform to know of one order in one shipment."""

    platform_order_id: str
    state: str
    number: str


class HeldNumber(Struct, frozen=True):
    """A waybill number of ours with the reference it was bought under."""

    reference: str
    number: str
    state: str


async def figures(tx: Tx) -> Figures:
    """Count everything."""
    stages = await tx.rows("SELECT stage, count(*) AS n FROM shipment GROUP BY stage ORDER BY stage")
    effects = await tx.rows("SELECT state, count(*) AS n FROM effect GROUP BY state ORDER BY state")
    deducted = await tx.value(
        "SELECT CAST(coalesce(sum(-on_hand), 0) AS bigint) FROM stock_move WHERE reason IN ('ship', 'recall')"
    )
    return Figures(
        orders=await tx.value("SELECT count(*) FROM orders"),
        abnormal=await tx.value("SELECT count(*) FROM abnormal WHERE state = 'open'"),
        excluded=await quarantined.exclusion_counts(tx),
        stages={Stage(r.stage).word: r.n for r in stages},
        effects={r.state: r.n for r in effects},
        shipped=await tx.value("SELECT count(*) FROM shipment WHERE deducted = 1"),
        pushed=await tx.value("SELECT count(*) FROM submission WHERE state = 'done'"),
        labels=await tx.value("SELECT count(*) FROM label_file"),
        stock_deducted=int(deducted),
    )


async def told_orders(tx: Tx) -> list[ToldOrder]:
    """Every order of every shipment with what its platform was told."""
    rows = await tx.rows(
        """SELECT o.platform_order_id, su.state, su.number FROM submission su
           JOIN orders o ON o.id = su.order_id JOIN shipment s ON s.id = su.shipment_id"""
    )
    return [ToldOrder(r.platform_order_id, r.state, r.number) for r in rows]


async def held_numbers(tx: Tx, carrier_kind: str) -> list[HeldNumber]:
    """Every number we hold from carriers of a kind, void ones included."""
    rows = await tx.rows(
        """SELECT w.reference, w.number, w.state FROM waybill w JOIN carrier c ON c.id = w.carrier_id
           WHERE c.kind = :kind AND w.number <> ''""",
        kind=carrier_kind,
    )
    return [HeldNumber(r.reference, r.number, r.state) for r in rows]


# ------------------------------------------------------------------ where the day stands


async def imported(reader: Fetches) -> bool:
    """Has the first shop's first import come to its end?"""
    rows = await reader.fetch("SELECT first_import_done FROM shop ORDER BY id LIMIT 1")
    return bool(rows and rows[0]["first_import_done"])


async def synced_since(reader: Fetches, since: Instant) -> bool:
    """Has a sync of orders both begun and ended well since then?"""
    rows = await reader.fetch("SELECT started_at, ok_at FROM sync_task WHERE kind = 'orders' ORDER BY account LIMIT 1")
    return bool(rows) and (rows[0]["ok_at"] or 0) > since and (rows[0]["started_at"] or 0) > since


async def busy(reader: Fetches, ops: Sequence[Op] = (), accepted_since: Instant | None = None) -> bool:
    """Is any effect (of these operations) under way?

    What a third party has accepted counts only when it was asked for after `accepted_since` (None: never): it may take
    its time.
    """
    rows = await reader.fetch(
        f"""SELECT 1 FROM effect WHERE state IN {UNDER_WAY} AND (:any_op = 1 OR op IN :ops)
            AND (code <> 'accepted' OR created_at > :since) LIMIT 1""",
        {
            "any_op": int(not ops),
            "ops": [op.value for op in ops],
            "since": accepted_since if accepted_since is not None else 2**62,
        },
    )
    return bool(rows)


async def unique_skus(reader: Fetches) -> list[str]:
    """SKUs that name exactly one variant."""
    rows = await reader.fetch("SELECT sku FROM variant WHERE sku <> '' GROUP BY sku HAVING count(*) = 1 ORDER BY sku")
    return [r["sku"] for r in rows]


async def service_ids(reader: Fetches) -> dict[str, int]:
    """Service code → id."""
    return {r["code"]: r["id"] for r in await reader.fetch("SELECT code, id FROM service ORDER BY id")}


async def splittable(reader: Fetches, limit: int) -> list[tuple[int, int]]:
    """(shipment, order line) in processing with more than one piece."""
    rows = await reader.fetch(
        f"""SELECT sl.shipment_id, sl.order_line_id FROM shipment_line sl JOIN shipment s ON s.id = sl.shipment_id
            WHERE s.stage = {int(Stage.PROCESSING)} AND sl.quantity > 1
            ORDER BY sl.shipment_id, sl.order_line_id LIMIT {int(limit)}"""
    )
    return [(r["shipment_id"], r["order_line_id"]) for r in rows]
