"""What a database looks like to somebody who must never see what is in it: counts, settings, schema, query plans."""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain.enums import Stage
from domain.settings import ShopSettings
from store import lists, views
from store import tables as t
from store.reader import Reader
from store.views import Fetches

_FREE_TEXT = {"sender_name", "sender_address"}
_SHOWN = {*ShopSettings.__struct_fields__, "calls_per_second", "parallel", "timeout_s", "settle_s", "allow_plain_http"}
_PLAIN = re.compile(r"[A-Za-z0-9_.,:;-]{0,80}")
_CODE = re.compile(r"[a-z0-9_]{0,40}")


async def _rows(reads: Fetches, sql: str) -> list[dict[str, Any]]:
    """Rows, or none where they cannot be read: a portrait of a damaged database has gaps."""
    try:
        return await reads.fetch(sql)
    except sqlite3.DatabaseError:
        return []


async def counts(reads: Fetches) -> dict[str, Any]:
    """Rows per table, shipments per place, effects per kind, state and reason code."""
    tables = {}
    for table in t.metadata.sorted_tables:
        found = await _rows(reads, f"SELECT count(*) AS n FROM {table.name}")
        tables[table.name] = found[0]["n"] if found else None
    stages = await _rows(
        reads, "SELECT stage, status, count(*) AS n FROM shipment GROUP BY stage, status ORDER BY stage, status"
    )
    effects = await _rows(
        reads, "SELECT op, state, code, count(*) AS n FROM effect GROUP BY op, state, code ORDER BY op, state, code"
    )
    return {
        "tables": tables,
        "shipments": stages,
        "effects": [{**row, "code": row["code"] if _CODE.fullmatch(row["code"]) else "other"} for row in effects],
    }


async def settings(reads: Fetches) -> list[dict[str, Any]]:
    """Accounts by number: kind, and settings that are neither texts of the seller's own nor secrets."""
    found = []
    for kind, sql in (
        ("shop", "SELECT id, platform AS kind, zone, currency, bound, settings FROM shop ORDER BY id"),
        ("carrier", "SELECT id, kind, '' AS zone, '' AS currency, bound, settings FROM carrier ORDER BY id"),
        ("printer", "SELECT id, kind, '' AS zone, '' AS currency, 1 AS bound, settings FROM printer ORDER BY id"),
    ):
        for row in await _rows(reads, sql):
            given = msgspec.json.decode(row.pop("settings"))
            found.append({"account": f"{kind}:{row.pop('id')}", **row, "settings": _shown(given)})
    return found


def _shown(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if name in _SHOWN - _FREE_TEXT and _PLAIN.fullmatch(str(value)) else "(set)"
        for name, value in given.items()
    }


async def schema(reads: Fetches, dialect: str) -> Sequence[str]:
    """The statements that made an SQLite database; on PostgreSQL its revision and its indexes."""
    revision = await _rows(reads, "SELECT version_num FROM alembic_version")
    if dialect == "sqlite":
        rows = await _rows(reads, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    else:
        rows = await _rows(
            reads, "SELECT indexdef AS sql FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"
        )
    return [*(f"-- {row['version_num']}" for row in revision), *(row["sql"] for row in rows)]


class _Asked:
    """Notes what is asked."""

    def __init__(self, reads: Reader) -> None:
        self._reads = reads
        self.found: list[tuple[str, Mapping[str, Any]]] = []

    async def fetch(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self.found.append((sql, params or {}))
        return await self._reads.fetch(sql, params)

    async def tuples(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        self.found.append((sql, params or {}))
        return await self._reads.tuples(sql, params)


async def plans(reads: Reader, dialect: str) -> dict[str, Any]:
    """How this database answers the questions that are asked most: the first page of every stage, the counts."""
    asked = _Asked(reads)
    try:
        for stage in Stage:
            await lists.counts(asked, stage)
            await views.listing(asked, [], [stage], 50)
    except sqlite3.DatabaseError:
        # What was asked before still tells something.
        pass
    explain = "EXPLAIN QUERY PLAN " if dialect == "sqlite" else "EXPLAIN "
    found: dict[str, Any] = {}
    for sql, params in asked.found:
        try:
            rows = await reads.fetch(explain + sql, params)
        except sqlite3.DatabaseError:
            continue
        found[" ".join(sql.split())] = [str(row.get("detail") or next(iter(row.values()))) for row in rows]
    return found
