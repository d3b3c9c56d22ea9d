"""What stands around the list: shops and their last sync, workers, jobs, pushes in their grace, batches and their rows."""

import json
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from domain.clock import Instant, overdue
from domain.enums import Flag, Stage
from domain.text import is_yes
from store import proof_views, remembered
from store.queue import ATTENTION
from store.views import Fetches


class ShopState(Struct, frozen=True):
    """A shop at a glance. `late` = its last good sync is older than twice its interval."""

    id: int
    name: str
    platform: str
    title: str
    zone: str
    currency: str
    bound: bool
    cut_over: str
    imported: bool
    ok_at: Instant | None
    every_ms: int
    running: bool
    seen: int
    late: bool
    paused: str
    message: str
    waiting: int
    """Shipments of its first import that wait for the cut-over."""
    abnormal: int
    expires_at: Instant | None = None
    """When its credentials end."""
    plain: bool = False
    """Its calls travel unencrypted, because a person allowed it (`allow_plain_http`)."""


class Overview(Struct, frozen=True):
    """Everything of the header line."""

    shops: tuple[ShopState, ...]
    worker_at: Instant | None
    """The newest heartbeat of any worker."""
    workers: int
    warehouse: str
    practice: bool
    pushes: int
    """Pushes and voids of batches that may still be undone."""
    undo_until: Instant | None
    jobs: int
    """Batches that are queued or running."""
    accounts_failing: tuple[str, ...]
    copy_old: bool
    """The newest copy in the second place for backups is older than a day."""
    copy_at: Instant
    differing: int = 0
    """Orders that the newest proofs found to differ from their platforms."""
    unproved: int = 0
    """Days whose last attempt at a proof came to nothing."""
    queue_at: Instant | None = None
    """Since when what is due for a shop, a carrier or a printer has been waiting; None = nothing is due."""


async def overview(reader: Fetches, now: Instant) -> Overview:
    """The header's facts at `now`."""
    # As `leases.living_workers` has it: a beat of the future is one by a clock that was put back since.
    beats = await reader.fetch(
        "SELECT count(*) AS n FROM worker WHERE kind = 'worker' AND beat_at > :since AND beat_at < :until",
        {"since": now - 15_000, "until": now + 15_000},
    )
    newest = await reader.fetch(
        "SELECT max(beat_at) AS at FROM worker WHERE kind = 'worker' AND beat_at < :until", {"until": now + 15_000}
    )
    warehouse = await reader.fetch("SELECT name FROM warehouse ORDER BY is_default DESC, id LIMIT 1")
    grace = await reader.fetch(
        """SELECT count(*) AS n, max(e.due_at) AS at FROM effect e JOIN batch b ON b.id = e.batch_id
           WHERE e.state = 'queued' AND e.due_at > :now AND e.attempts = 0 AND b.source = 'console'
               AND e.op IN ('push', 'void_waybill')""",
        {"now": now},
    )
    jobs = await reader.fetch("SELECT count(*) AS n FROM batch WHERE state IN ('queued', 'running')")
    failing = await reader.fetch(
        "SELECT account FROM account_health WHERE fails > 2 OR paused_code <> '' ORDER BY account"
    )
    practice = await reader.fetch("SELECT value FROM meta WHERE key = 'practice'")
    kept = await remembered.read(reader)
    proved = await proof_views.open_ones(reader)
    queued = await reader.fetch(
        "SELECT min(due_at) AS at FROM effect WHERE state = 'queued' AND code <> 'accepted' AND due_at <= :now",
        {"now": now},
    )
    return Overview(
        shops=tuple(await shop_states(reader, now)),
        worker_at=newest[0]["at"],
        workers=int(beats[0]["n"]),
        warehouse=warehouse[0]["name"] if warehouse else "",
        practice=bool(practice),
        pushes=int(grace[0]["n"]),
        undo_until=grace[0]["at"],
        jobs=int(jobs[0]["n"]),
        accounts_failing=tuple(await _names(reader, [r["account"] for r in failing])),
        copy_old=kept.copy_old(now),
        copy_at=kept.second_at,
        differing=proved.orders,
        unproved=proved.unproved,
        queue_at=queued[0]["at"],
    )


async def _names(reader: Fetches, accounts: Sequence[str]) -> list[str]:
    """What people call these accounts (`shop:3`, `carrier:1`)."""
    if not accounts:
        return []
    named = await reader.fetch(
        """SELECT 'shop:' || id AS account, name FROM shop UNION ALL SELECT 'stock:' || id, name FROM shop
           UNION ALL SELECT 'carrier:' || id, name FROM carrier
           UNION ALL SELECT 'printer:' || id, name FROM printer"""
    )
    names = {r["account"]: r["name"] for r in named}
    return [names.get(a, a) for a in accounts]


def travels_plain(settings: str) -> bool:
    """Do these settings of an account force plain HTTP?"""
    known = json.loads(settings)
    forced = is_yes(str(known.get("allow_plain_http", "")))
    return forced and str(known.get("url", "")).lower().startswith("http://")


async def shop_states(reader: Fetches, now: Instant) -> list[ShopState]:
    """Every shop with its last sync, newest trouble and what waits for a person."""
    rows = await reader.fetch(
        """SELECT sh.id, sh.name, sh.platform, sh.title, sh.settings, sh.zone, sh.currency, sh.bound, sh.cut_over,
               sh.first_import_done,
               t.ok_at, t.every_ms, t.started_at, t.seen, t.code, t.message, h.paused_code, h.message AS health, sh.connected_at,
               sh.expires_at
           FROM shop sh LEFT JOIN sync_task t ON t.account = 'shop:' || sh.id AND t.kind = 'orders'
           LEFT JOIN account_health h ON h.account = 'shop:' || sh.id ORDER BY sh.bound DESC, sh.name"""
    )
    waiting = {
        r["shop_id"]: int(r["n"])
        for r in await reader.fetch(
            # The inner query is answered by an index that holds only what needs a hand.
            f"""SELECT s.shop_id, count(*) AS n FROM shipment s JOIN shop sh ON sh.id = s.shop_id
                WHERE sh.cut_over IN ('none', 'open') AND s.id IN (
                    SELECT s.id FROM shipment s WHERE {ATTENTION} AND s.stage = {int(Stage.REVIEW)}
                        AND (s.flags & {int(Flag.FIRST_IMPORT)}) <> 0)
                GROUP BY s.shop_id"""
        )
    }
    abnormal = {
        r["shop_id"]: int(r["n"])
        for r in await reader.fetch("SELECT shop_id, count(*) AS n FROM abnormal WHERE state = 'open' GROUP BY shop_id")
    }
    return [
        ShopState(
            id=r["id"],
            name=r["name"],
            platform=r["platform"],
            title=r["title"],
            zone=r["zone"],
            currency=r["currency"],
            bound=bool(r["bound"]),
            cut_over=r["cut_over"],
            imported=bool(r["first_import_done"]),
            ok_at=r["ok_at"],
            every_ms=r["every_ms"] or 0,
            running=bool(r["started_at"] and r["started_at"] > (r["ok_at"] or 0) and not r["code"]),
            seen=r["seen"] or 0,
            late=bool(r["bound"]) and overdue(r["ok_at"] or r["connected_at"], r["every_ms"] or 0, now),
            paused=r["paused_code"] or "",
            message=(r["message"] or "") or (r["health"] or ""),
            waiting=waiting.get(r["id"], 0),
            abnormal=abnormal.get(r["id"], 0),
            expires_at=r["expires_at"],
            plain=bool(r["bound"]) and travels_plain(r["settings"]),
        )
        for r in rows
    ]


class BatchState(Struct, frozen=True):
    """A batch at a glance."""

    id: int
    name: str
    command: str
    who: str
    source: str
    state: str
    total: int
    done: int
    refused: int
    created_at: Instant
    ended_at: Instant | None
    undone: bool
    under_way: int
    """Its effects that have not come to their end."""


_BATCH = """SELECT b.id, b.name, b.command, b.who, b.source, b.state, b.total, b.done, b.refused, b.created_at, b.ended_at,
    b.undone, (SELECT count(*) FROM effect e WHERE e.batch_id = b.id AND e.state IN ('queued', 'running', 'unknown')) AS under_way
    FROM batch b"""


def _batch(row: dict[str, Any]) -> BatchState:
    return BatchState(**{**row, "undone": bool(row["undone"]), "under_way": int(row["under_way"])})


async def jobs(reader: Fetches, limit: int = 100) -> list[BatchState]:
    """Batches, those at work first, then the newest."""
    rows = await reader.fetch(
        f"""{_BATCH} ORDER BY CASE WHEN b.state IN ('queued', 'running') THEN 0 ELSE 1 END, b.id DESC LIMIT {int(limit)}"""
    )
    return [_batch(r) for r in rows]


async def batch(reader: Fetches, name: str = "", who: str = "") -> BatchState | None:
    """The batch of that name, else the newest one of that person."""
    if name:
        rows = await reader.fetch(f"{_BATCH} WHERE b.name = :n", {"n": name})
    else:
        rows = await reader.fetch(f"{_BATCH} WHERE b.who = :w ORDER BY b.id DESC LIMIT 1", {"w": who})
    return _batch(rows[0]) if rows else None


class Refusal(Struct, frozen=True):
    """Rows of a batch that stayed for one reason, with some of their shipments."""

    code: str
    reason: str
    n: int
    ids: tuple[int, ...]


async def refusals(reader: Fetches, batch_id: int, examples: int = 8) -> list[Refusal]:
    """What stayed of a batch, by reason code, the most frequent first."""
    rows = await reader.fetch(
        """SELECT code, min(reason) AS reason, count(*) AS n FROM batch_item WHERE batch_id = :b AND outcome = 'refused'
           GROUP BY code ORDER BY 3 DESC, 1""",
        {"b": batch_id},
    )
    found = []
    for r in rows:
        some = await reader.fetch(
            f"""SELECT shipment_id FROM batch_item WHERE batch_id = :b AND outcome = 'refused' AND code = :c
                ORDER BY position LIMIT {int(examples)}""",
            {"b": batch_id, "c": r["code"]},
        )
        found.append(Refusal(r["code"], r["reason"], int(r["n"]), tuple(s["shipment_id"] for s in some)))
    return found


async def rows_done(reader: Fetches, batch_id: int, limit: int = 100_000) -> list[int]:
    """Shipments that a batch has settled so far (done or refused), newest first."""
    rows = await reader.fetch(
        f"SELECT shipment_id FROM batch_item WHERE batch_id = :b AND outcome = 'done' ORDER BY position LIMIT {int(limit)}",
        {"b": batch_id},
    )
    return [r["shipment_id"] for r in rows]


class StockLine(Struct, frozen=True):
    """A variant in a warehouse. `short` = pieces that out-of-stock shipments wait for, `waiting` = how many wait."""

    variant_id: int
    sku: str
    name: str
    bin: str
    tracked: bool
    on_hand: int
    reserved: int
    demand: int
    waiting: int

    @property
    def free(self) -> int:
        """What may still be promised."""
        return self.on_hand - self.reserved


async def stock(reader: Fetches, text: str = "", limit: int = 50_000) -> list[StockLine]:
    """The stock list 仓库清单: what is short first, then by SKU. `text` is part of a SKU or name."""
    wanted = await reader.fetch(
        f"""SELECT li.variant_id, count(DISTINCT s.id) AS waiting, CAST(sum(sl.quantity * li.quantity) AS bigint) AS pieces
            FROM shipment s JOIN shipment_line sl ON sl.shipment_id = s.id JOIN order_line ol ON ol.id = sl.order_line_id
            JOIN listing_item li ON li.listing_id = ol.listing_id
            WHERE s.stage = {int(Stage.TO_PRINT)} AND s.status = 'out_of_stock' GROUP BY li.variant_id"""
    )
    need = {r["variant_id"]: (int(r["waiting"]), int(r["pieces"])) for r in wanted}
    rows = await reader.fetch(
        f"""SELECT v.id, v.sku, v.name, v.bin, v.tracked, CAST(coalesce(sum(st.on_hand), 0) AS bigint) AS on_hand,
                CAST(coalesce(sum(st.reserved), 0) AS bigint) AS reserved
            FROM variant v LEFT JOIN stock st ON st.variant_id = v.id
            WHERE (:any = '' OR lower(v.sku) LIKE :like ESCAPE '\\' OR lower(v.name) LIKE :like2 ESCAPE '\\')
            GROUP BY v.id, v.sku, v.name, v.bin, v.tracked ORDER BY v.sku, v.id LIMIT {int(limit)}""",
        {"any": text, "like": _like(text), "like2": _like(text)},
    )
    found = [
        StockLine(
            r["id"],
            r["sku"],
            r["name"],
            r["bin"],
            bool(r["tracked"]),
            int(r["on_hand"]),
            int(r["reserved"]),
            need.get(r["id"], (0, 0))[1],
            need.get(r["id"], (0, 0))[0],
        )
        for r in rows
    ]
    return sorted(found, key=lambda line: line.waiting == 0)


def _like(text: str) -> str:
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def who_waits(reader: Fetches, variant_id: int) -> list[int]:
    """Out-of-stock shipments that want a variant, most urgent first."""
    rows = await reader.fetch(
        f"""SELECT s.id FROM shipment s WHERE s.stage = {int(Stage.TO_PRINT)} AND s.status = 'out_of_stock' AND EXISTS (
                SELECT 1 FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
                JOIN listing_item li ON li.listing_id = ol.listing_id
                WHERE sl.shipment_id = s.id AND li.variant_id = :v) ORDER BY s.ship_by, s.id""",
        {"v": variant_id},
    )
    return [r["id"] for r in rows]


async def moves(reader: Fetches, variant_id: int, limit: int = 50) -> list[dict[str, Any]]:
    """The newest ledger rows of a variant: at, reason, on_hand, reserved, shipment_id, who."""
    return await reader.fetch(
        f"""SELECT at, reason, on_hand, reserved, shipment_id, who FROM stock_move WHERE variant_id = :v
            ORDER BY id DESC LIMIT {int(limit)}""",
        {"v": variant_id},
    )


async def variants_of(reader: Fetches, shipment_id: int) -> list[str]:
    """SKUs of the variants that a shipment needs."""
    rows = await reader.fetch(
        """SELECT DISTINCT v.sku FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
           JOIN listing_item li ON li.listing_id = ol.listing_id JOIN variant v ON v.id = li.variant_id
           WHERE sl.shipment_id = :s ORDER BY v.sku""",
        {"s": shipment_id},
    )
    return [r["sku"] for r in rows]


async def abnormal(reader: Fetches, limit: int = 10_000) -> list[dict[str, Any]]:
    """Open abnormal orders: id, shop, platform_order_id, code, message, first_at, last_at, tries."""
    return await reader.fetch(
        f"""SELECT a.id, sh.name AS shop, a.platform_order_id, a.code, a.message, a.first_at, a.last_at, a.tries
            FROM abnormal a JOIN shop sh ON sh.id = a.shop_id WHERE a.state = 'open' ORDER BY a.last_at DESC LIMIT {int(limit)}"""
    )


async def left_out(reader: Fetches) -> list[dict[str, Any]]:
    """Orders that import rules left out, counted: shop, reason, n."""
    return await reader.fetch(
        """SELECT sh.name AS shop, l.reason, count(*) AS n FROM left_out l JOIN shop sh ON sh.id = l.shop_id
           GROUP BY sh.name, l.reason ORDER BY sh.name, 3 DESC"""
    )


class Accounts(Struct, frozen=True):
    """What is set up beside the shops."""

    carriers: Sequence[dict[str, Any]]
    services: Sequence[dict[str, Any]]
    printers: Sequence[dict[str, Any]]
    warehouses: Sequence[dict[str, Any]]


async def accounts(reader: Fetches) -> Accounts:
    """Carriers (with free pool numbers), services, printers and warehouses; no secrets."""
    return Accounts(
        await reader.fetch(
            """SELECT c.id, c.kind, c.name, c.settings, c.checked_at, c.bound, h.paused_code, h.message,
                   (SELECT count(*) FROM pool_number p WHERE p.carrier_id = c.id AND p.state = 'free') AS free
               FROM carrier c LEFT JOIN account_health h ON h.account = 'carrier:' || c.id ORDER BY c.name"""
        ),
        await reader.fetch(
            """SELECT s.id, s.code, s.name, s.data, s.enabled, c.name AS carrier
               FROM service s JOIN carrier c ON c.id = s.carrier_id
               ORDER BY c.name, s.code"""
        ),
        await reader.fetch("SELECT id, kind, name, host, settings, checked_at, is_default FROM printer ORDER BY name"),
        await reader.fetch("SELECT id, name, kind, sender, is_default FROM warehouse ORDER BY is_default DESC, name"),
    )


async def shop_settings(reader: Fetches, shop_id: int) -> dict[str, Any] | None:
    """One shop's row: name, platform, title, zone, currency, settings (JSON text, without secrets), bound, cut_over."""
    rows = await reader.fetch(
        "SELECT id, name, platform, title, zone, currency, settings, bound, cut_over, first_import_done FROM shop WHERE id = :i",
        {"i": shop_id},
    )
    return rows[0] if rows else None


async def addresses(reader: Fetches, shipment_id: int) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """(the platform's address of a shipment's order, our own overlay or None), each by field."""
    fields = "name, company, line1, line2, city, state, postcode, country, phone, email"
    theirs = await reader.fetch(
        f"""SELECT {fields} FROM address WHERE id = (SELECT o.address_id FROM shipment s JOIN orders o ON o.id = s.order_id
            WHERE s.id = :id)""",
        {"id": shipment_id},
    )
    ours = await reader.fetch(
        f"SELECT {fields} FROM address WHERE id = (SELECT address_id FROM shipment WHERE id = :id)", {"id": shipment_id}
    )
    return (theirs[0] if theirs else None, ours[0] if ours else None)


async def free_of(reader: Fetches, shipment_id: int) -> dict[int, int]:
    """Order line id → pieces free of what it needs, for lines whose variant is tracked (a bundle by its scarcest part)."""
    rows = await reader.fetch(
        """SELECT ol.id, min((coalesce(st.on_hand, 0) - coalesce(st.reserved, 0)) / li.quantity) AS free
           FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
           JOIN listing_item li ON li.listing_id = ol.listing_id JOIN variant v ON v.id = li.variant_id AND v.tracked = 1
           LEFT JOIN stock st ON st.variant_id = v.id WHERE sl.shipment_id = :s GROUP BY ol.id""",
        {"s": shipment_id},
    )
    return {r["id"]: int(r["free"]) for r in rows}
