"""Questions a healthy database answers with nothing: every row of every answer is a defect."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from domain.clock import Instant, overdue
from domain.enums import Flag, Stage
from domain.facts import code_of
from store.database import Tx
from store.stock_pushes import MISCOUNTED
from store.views import Fetches


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
                max(s.flags & {int(Flag.LINES_CHANGED | Flag.STOPPED)}) AS flagged,
                max(CASE WHEN s.status IN ('closing') THEN 1 ELSE 0 END) AS closing,
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
    "what shops are told counts open shipments": MISCOUNTED,
    "every order has a shipment": """
        SELECT 'order ' || o.id AS place, o.number AS found FROM orders o
        WHERE NOT EXISTS (SELECT 1 FROM submission su WHERE su.order_id = o.id)""",
    "shipped from here is deducted": f"""
        SELECT 'shipment ' || s.id AS place, s.status AS found FROM shipment s
        WHERE s.stage = {int(Stage.SHIPPED)} AND s.deducted = 0 AND s.status NOT IN ('outside', 'elsewhere')""",
}


class Standing(Struct, frozen=True):
    """What waits, though the books are whole: rows to be told to a person."""

    stuck: list[dict[str, Any]]
    """(op, n): effects that should have been sent long ago."""
    parked: int
    stock: list[dict[str, Any]]
    """(shop, waits, refused): numbers that a shop should have been told long ago, or does not take."""
    paused: list[dict[str, Any]]
    """(account, paused_code, message)."""
    late: list[dict[str, Any]]
    """(account, kind, ok_at): syncs that are over twice their interval late."""
    ahead: Instant
    """How far beyond our clock the newest row of any other machine is, in ms; 0 = not at all."""
    unread: int
    """Accounts that a restored database has still to read."""
    skewed: list[dict[str, Any]]
    """(key, value): shops whose clock is off ours, as `skew:shop:3` and ms."""
    workers: int


async def standing(reads: Fetches, now: Instant, stuck_ms: int) -> Standing:
    """Effects that hang, accounts that are paused, syncs that are late, clocks that disagree."""
    newest = await reads.fetch("SELECT max(at) AS at FROM event WHERE id > (SELECT max(id) - 100 FROM event)")
    beats = await reads.fetch("SELECT max(beat_at) AS at FROM worker")
    latest = max(newest[0]["at"] or 0, beats[0]["at"] or 0)
    return Standing(
        stuck=await reads.fetch(
            """SELECT op, count(*) AS n FROM effect WHERE state IN ('queued', 'running', 'unknown')
                   AND code <> 'accepted' AND due_at < :old GROUP BY op ORDER BY op""",
            {"old": now - stuck_ms},
        ),
        parked=(await reads.fetch("SELECT count(*) AS n FROM effect WHERE state = 'parked'"))[0]["n"],
        stock=await reads.fetch(
            """SELECT sh.name AS shop, count(p.since) AS waits, count(*) - count(p.since) AS refused
               FROM stock_push p JOIN shop sh ON sh.id = p.shop_id
               WHERE p.since < :old OR (p.due_at IS NULL AND p.code <> '') GROUP BY sh.name ORDER BY sh.name""",
            {"old": now - stuck_ms},
        ),
        paused=await reads.fetch("SELECT account, paused_code, message FROM account_health WHERE paused_code <> ''"),
        late=[
            row
            for row in await reads.fetch(
                # The nightly proof tells of its own days.
                """SELECT t.account, t.kind, t.ok_at, t.every_ms, sh.connected_at
                   FROM sync_task t LEFT JOIN shop sh ON t.account = 'shop:' || sh.id
                   WHERE t.enabled = 1 AND t.kind <> 'reconcile' ORDER BY t.account, t.kind"""
            )
            if overdue(row["ok_at"] or row["connected_at"], row["every_ms"], now)
        ],
        ahead=max(0, latest - now),
        unread=(await reads.fetch("SELECT count(*) AS n FROM meta WHERE key LIKE 'restored:%'"))[0]["n"],
        skewed=await reads.fetch("SELECT key, value FROM meta WHERE key LIKE 'skew:%' ORDER BY key"),
        workers=(
            await reads.fetch(
                "SELECT count(*) AS n FROM worker WHERE kind = 'worker' AND beat_at > :since AND beat_at < :until",
                {"since": now - 60_000, "until": now + 60_000},
            )
        )[0]["n"],
    )


async def sealed(reads: Fetches) -> list[dict[str, Any]]:
    """Every secret as it is kept: account, field, sealed."""
    return await reads.fetch("SELECT account, field, sealed FROM secret ORDER BY account, field")


async def is_practice(reads: Fetches) -> bool:
    """Is this a database to train in?"""
    return bool(await reads.fetch("SELECT 1 AS one FROM meta WHERE key = 'practice'"))


async def findings(reads: Fetches, name: str) -> list[Finding]:
    """Run one check of `CHECKS`."""
    return [Finding(name, _place(row["place"]), str(row["found"])) for row in (await reads.fetch(CHECKS[name]))[:20]]


async def whole(reads: Fetches) -> list[Finding]:
    """SQLite's own checks: every page and index, every reference."""
    found = [
        Finding("file is whole", "database", str(next(iter(row.values()))))
        for row in await reads.fetch("PRAGMA integrity_check(20)")
    ]
    if [f.found for f in found] == ["ok"]:
        found = []
    for row in (await reads.fetch("PRAGMA foreign_key_check"))[:20]:
        found.append(Finding("references hold", str(next(iter(row.values()))), "dangling"))
    return found


async def examine(tx: Tx) -> list[Finding]:
    """Run every check in a transaction; an empty list is health."""
    reads = _InTx(tx)
    found = [f for name in CHECKS for f in await findings(reads, name)]
    return [*found, *(await whole(reads) if tx.dialect == "sqlite" else [])]


class _InTx:
    """A transaction as something to read from."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def fetch(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        return [row._asdict() for row in await self._tx.rows(sql, **(params or {}))]


def _place(text: Any) -> str:
    words = str(text).split(" ")
    return f"shipment {code_of(int(words[1]))}" if words[0] == "shipment" else str(text)
