"""Questions a healthy database answers with nothing: every row of every answer is a defect."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from domain.enums import Stage
from domain.facts import code_of
from store.database import Tx


class Finding(Struct, frozen=True):
    """One broken promise: which check, where, and what was found against what was expected."""

    check: str
    where: str
    found: str


_OPEN = f"s.stage < {int(Stage.CLOSED)}"

CHECKS: dict[str, str] = {
    "allocation equals reserved": """
        SELECT 'variant ' || st.variant_id AS place, 'reserved ' || st.reserved || ', allocated ' || coalesce(a.n, 0) AS found
        FROM stock st LEFT JOIN (SELECT variant_id, warehouse_id, sum(quantity) AS n FROM allocation
            GROUP BY variant_id, warehouse_id) a
          ON a.variant_id = st.variant_id AND a.warehouse_id = st.warehouse_id
        WHERE st.reserved <> coalesce(a.n, 0)""",
    "ledger equals stock": """
        SELECT 'variant ' || st.variant_id AS place, st.on_hand || '/' || st.reserved || ' against '
            || coalesce(m.h, 0) || '/' || coalesce(m.r, 0) AS found
        FROM stock st LEFT JOIN (SELECT variant_id, warehouse_id, sum(on_hand) AS h, sum(reserved) AS r FROM stock_move
            GROUP BY variant_id, warehouse_id) m
          ON m.variant_id = st.variant_id AND m.warehouse_id = st.warehouse_id
        WHERE st.on_hand <> coalesce(m.h, 0) OR st.reserved <> coalesce(m.r, 0)""",
    "no stock below zero": """
        SELECT 'variant ' || variant_id AS place, on_hand || '/' || reserved AS found FROM stock
        WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand""",
    "allocation only where it is wanted": f"""
        SELECT 'shipment ' || a.shipment_id AS place, 'stage ' || s.stage AS found
        FROM allocation a JOIN shipment s ON s.id = a.shipment_id
        WHERE s.stage <> {int(Stage.TO_PRINT)} OR s.deducted = 1""",
    "lines within the order": f"""
        SELECT 'order line ' || ol.id AS place, x.n || ' of ' || (ol.quantity - ol.cancelled) AS found
        FROM order_line ol JOIN (SELECT sl.order_line_id, sum(sl.quantity) AS n, min(s.deducted) AS deducted,
                max(s.flags & 2) AS flagged, max(CASE WHEN s.status IN ('closing') THEN 1 ELSE 0 END) AS closing,
                min(s.stage) AS stage
            FROM shipment_line sl JOIN shipment s ON s.id = sl.shipment_id WHERE {_OPEN} GROUP BY sl.order_line_id) x
          ON x.order_line_id = ol.id
        WHERE x.n > ol.quantity - ol.cancelled AND x.deducted = 0 AND x.flagged = 0 AND x.closing = 0
          AND x.stage < {int(Stage.SHIPPED)}""",
    "one live waybill": """
        SELECT 'shipment ' || shipment_id AS place, count(*) || ' live' AS found FROM waybill
        WHERE state IN ('requesting', 'waiting', 'obtained', 'unknown') GROUP BY shipment_id HAVING count(*) > 1""",
    "waybill stage has a waybill": f"""
        SELECT 'shipment ' || s.id AS place, s.status AS found FROM shipment s
        WHERE s.stage = {int(Stage.WAYBILL)} AND s.status IN ('requesting', 'waiting', 'obtained', 'unknown')
          AND NOT EXISTS (SELECT 1 FROM waybill w WHERE w.shipment_id = s.id
              AND w.state IN ('requesting', 'waiting', 'obtained', 'unknown'))""",
    "stage counters equal counts": """
        SELECT 'shop ' || x.shop_id || ' stage ' || x.stage || ' ' || x.status AS place,
            sum(x.kept) || ' against ' || sum(x.counted) AS found
        FROM (SELECT shop_id, stage, status, sum(n) AS kept, 0 AS counted FROM stage_count GROUP BY shop_id, stage, status
              UNION ALL SELECT shop_id, stage, status, 0, count(*) FROM shipment GROUP BY shop_id, stage, status) x
        GROUP BY x.shop_id, x.stage, x.status HAVING sum(x.kept) <> sum(x.counted)""",
    "every order has a shipment": """
        SELECT 'order ' || o.id AS place, o.number AS found FROM orders o
        WHERE NOT EXISTS (SELECT 1 FROM submission su WHERE su.order_id = o.id)""",
    "shipped from here is deducted": f"""
        SELECT 'shipment ' || s.id AS place, s.status AS found FROM shipment s
        WHERE s.stage = {int(Stage.SHIPPED)} AND s.deducted = 0 AND s.status NOT IN ('outside', 'elsewhere')""",
}


class Standing(Struct, frozen=True):
    """What waits, though the books are whole: rows to be told to a person."""

    stuck: Sequence[Any]
    """(op, n): effects that should have been sent long ago."""
    parked: int
    paused: Sequence[Any]
    """(account, paused_code, message)."""
    late: Sequence[Any]
    """(account, kind, ok_at): syncs without a good end for twice their interval."""


async def standing(tx: Tx, stuck_ms: int) -> Standing:
    """What waits; an effect is stuck when it is overdue by `stuck_ms`."""
    return Standing(
        stuck=await tx.rows(
            """SELECT op, count(*) AS n FROM effect WHERE state IN ('queued', 'unknown') AND code <> 'accepted'
               AND due_at < :old GROUP BY op ORDER BY op""",
            old=tx.now - stuck_ms,
        ),
        parked=int(await tx.value("SELECT count(*) FROM effect WHERE state = 'parked'")),
        paused=await tx.rows("SELECT account, paused_code, message FROM account_health WHERE paused_code <> ''"),
        late=await tx.rows(
            "SELECT account, kind, ok_at FROM sync_task WHERE enabled = 1 AND coalesce(ok_at, 0) < :now - 2 * every_ms",
            now=tx.now,
        ),
    )


async def examine(tx: Tx) -> list[Finding]:
    """Run every check; an empty list is health."""
    found = []
    for name, sql in CHECKS.items():
        for row in (await tx.rows(sql))[:20]:
            found.append(Finding(name, _place(row.place), str(row.found)))
    if tx.dialect == "sqlite":
        verdict = await tx.value("PRAGMA quick_check")
        if verdict != "ok":
            found.append(Finding("file is whole", "database", str(verdict)))
        for row in (await tx.rows("PRAGMA foreign_key_check"))[:20]:
            found.append(Finding("references hold", str(row[0]), "dangling"))
    return found


def _place(text: Any) -> str:
    words = str(text).split(" ")
    return f"shipment {code_of(int(words[1]))}" if words[0] == "shipment" else str(text)
