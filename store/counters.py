"""The stage counters' upkeep: what `store.triggers` writes on PostgreSQL grows with every change until it is folded."""

from store.database import Tx


async def fold_counters(tx: Tx) -> None:
    """Add up PostgreSQL's delta rows into one row per place; on SQLite there is nothing to do."""
    if tx.dialect != "postgresql":
        return
    rows = await tx.rows(
        """WITH gone AS (DELETE FROM stage_count RETURNING shop_id, stage, status, n)
           SELECT shop_id, stage, status, CAST(sum(n) AS bigint) AS n FROM gone GROUP BY 1, 2, 3"""
    )
    await tx.many(
        "INSERT INTO stage_count (shop_id, stage, status, n) VALUES (:shop, :stage, :status, :n)",
        [{"shop": r.shop_id, "stage": r.stage, "status": r.status, "n": r.n} for r in rows if r.n],
    )
