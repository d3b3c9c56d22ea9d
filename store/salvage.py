"""Saves what can be read of a damaged SQLite file into a new one. The damaged file and its companions are only read.

Every table is read along its rows; where a page cannot be read, the range is halved around it until only the rows on
that page are lost. Rows that refer to lost ones go, too, or lose the reference where there may be none, so that the new
file is whole. Indexes, counters and the index over names are built anew.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from msgspec import Struct, structs

from domain.clock import Clock
from domain.results import Refused
from domain.words import _
from store.database import Store
from store.files import scratch
from store.place import Place
from store.schema import HEAD, KNOWN, read_only
from store.schema_pages import take_over
from store.stock_pushes import REBUILD
from store.upgrade import migrate, upgrade

PATIENCE = 50_000
"""So many failed reads of one table, and what is left of it is given up."""
_BLOCK = 1_000


class Saved(Struct):
    """One table: rows in the new file, rows lost (as far as anybody can tell), rows whose reference was lost."""

    table: str
    kept: int = 0
    lost: int = 0
    orphans: int = 0


class Salvaged(Struct, frozen=True):
    """The new file and what became of each table."""

    file: Path
    tables: list[Saved]


async def salvage(place: Place, target: Path, clock: Clock) -> Salvaged | Refused:
    """Save a damaged database into `target`, a file that must not be there, with today's schema."""
    assert place.file is not None
    if await asyncio.to_thread(target.exists):
        return Refused("file_exists", _("{file} is there already.").format(file=target))
    try:
        return await _salvaged(place.file, structs.replace(place, file=target), clock)
    except BaseException:
        await asyncio.to_thread(_forget, target)
        raise


async def _salvaged(damaged: Path, fresh: Place, clock: Clock) -> Salvaged | Refused:
    assert fresh.file is not None
    with scratch(fresh.file.absolute().parent, "salvage") as folder:
        copy = await asyncio.to_thread(_copied, damaged, folder)
        if not await asyncio.to_thread(_with_schema, copy, fresh):
            text = _("{file} has lost its schema, and no backup has it: restore the newest backup.")
            return Refused("schema_lost", text.format(file=damaged))
        revision = await asyncio.to_thread(_revision, copy)
        async with _closed(Store(fresh, clock)) as store:
            await migrate(store, revision)
        saved = await asyncio.to_thread(_fill, copy, fresh.file)
    async with _closed(Store(fresh, clock)) as store:
        await upgrade(store, copy=True)
    return Salvaged(fresh.file, saved)


def _forget(target: Path) -> None:
    for end in ("", "-wal", "-shm"):
        Path(f"{target}{end}").unlink(missing_ok=True)


@asynccontextmanager
async def _closed(store: Store) -> AsyncIterator[Store]:
    """A store whose file is whole without its WAL afterwards."""
    try:
        yield store
        await store.checkpoint()
    finally:
        await store.close()


def _copied(file: Path, folder: Path) -> Path:
    """A copy to work on, with its WAL where that can be read."""
    copy = folder / "damaged.sqlite"
    shutil.copyfile(file, copy)
    for end in ("-wal", "-journal"):
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{file}{end}", f"{copy}{end}")
    return copy


def _open(copy: Path) -> sqlite3.Connection:
    connection = read_only(copy)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        connection.close()
        # A WAL or a header that cannot be read: as the file itself stands.
        connection = read_only(copy, immutable=True)
    connection.execute("PRAGMA cell_size_check=ON")
    return connection


def _with_schema(copy: Path, place: Place) -> bool:
    """Can the tables of a copy be seen, if need be by the schema of a backup of the same database?"""
    if _sees_tables(copy):
        return True
    untouched = copy.read_bytes()
    for backup in sorted(place.backups.glob("*.sqlite"), key=lambda f: f.stat().st_mtime, reverse=True):
        if _sees_tables(backup) and take_over(copy, backup) and _sees_tables(copy):
            return True
        copy.write_bytes(untouched)
    return False


def _sees_tables(file: Path) -> bool:
    try:
        with closing(_open(file)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()
            connection.execute("PRAGMA page_count").fetchone()
            connection.execute("EXPLAIN SELECT value FROM meta").fetchall()
    except sqlite3.DatabaseError:
        return False
    return True


def _revision(copy: Path) -> str:
    """The schema it had; today's where that cannot be told."""
    try:
        with closing(_open(copy)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:
        return HEAD
    return row[0] if row and row[0] in KNOWN else HEAD


def _fill(copy: Path, target: Path) -> list[Saved]:
    saved = []
    with closing(_open(copy)) as source, closing(sqlite3.connect(target, isolation_level=None)) as new:
        new.execute("PRAGMA foreign_keys=OFF")
        new.execute("BEGIN IMMEDIATE")
        triggers = new.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid").fetchall()
        for name, _sql in triggers:
            new.execute(f"DROP TRIGGER {name}")
        for table in _tables(new):
            saved.append(_save(source, new, table))
        _mend(new, {s.table: s for s in saved})
        _count(new)
        for _name, sql in triggers:
            new.execute(sql)
        new.execute("COMMIT")
    return saved


def _tables(new: sqlite3.Connection) -> list[str]:
    rows = new.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY rowid"
    )
    names = [row[0] for row in rows]
    left = {"alembic_version", "stage_count", "lease", "worker", "stock_change", "stock_push"}
    return [n for n in names if n not in left and not n.startswith(("sqlite_", "buyer_words"))]


def _save(source: sqlite3.Connection, new: sqlite3.Connection, table: str) -> Saved:
    saved = Saved(table)
    try:
        there = [row[1] for row in source.execute(f"PRAGMA table_info({table})")]
    except sqlite3.DatabaseError:
        there = []
    ours = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    columns = [c for c in ours if c in there] or ours
    names = ", ".join(f'"{c}"' for c in columns)
    insert = f"INSERT INTO {table} (rowid, {names}) VALUES (?{', ?' * len(columns)})"
    reading = _Reading(source, table, names)
    for block in reading.blocks():
        kept = _insert(new, insert, block)
        saved.kept += kept
        saved.lost += len(block) - kept
    saved.lost += reading.lost
    return saved


def _insert(new: sqlite3.Connection, insert: str, block: Sequence[tuple[object, ...]]) -> int:
    """Insert rows; those that break a constraint (half a row read from a damaged page) are left out one by one."""
    new.execute("SAVEPOINT block")
    try:
        new.executemany(insert, block)
        new.execute("RELEASE block")
        return len(block)
    except sqlite3.Error:
        new.execute("ROLLBACK TO block")
        new.execute("RELEASE block")
    kept = 0
    for row in block:
        with suppress(sqlite3.Error):
            new.execute(insert, row)
            kept += 1
    return kept


class _Reading:
    """Reads a table along its rowids, around what cannot be read."""

    def __init__(self, source: sqlite3.Connection, table: str, names: str) -> None:
        self._source, self._table = source, table
        self._select = f"SELECT rowid, {names} FROM {table} WHERE rowid BETWEEN ? AND ? ORDER BY rowid"
        self._failures = 0
        self.lost = 0
        self._all: set[int] | None = None

    def blocks(self) -> Iterator[list[tuple[object, ...]]]:
        """Blocks of (rowid, columns …)."""
        ranges = [(-(2**62), 0), (1, self._last())]
        ranges.reverse()
        while ranges:
            low, high = ranges.pop()
            block: list[tuple[object, ...]] = []
            reached = low - 1
            try:
                for row in self._source.execute(self._select, (low, high)):
                    block.append(row)
                    reached = int(row[0])
                    if len(block) == _BLOCK:
                        yield block
                        block = []
            except sqlite3.DatabaseError:
                self._failures += 1
                low = reached + 1
                if self._failures > PATIENCE or low >= high:
                    self.lost += self._known(low, high)
                else:
                    middle = (low + high) // 2
                    ranges += [(middle + 1, high), (low, middle)]
            if block:
                yield block

    def _last(self) -> int:
        """The greatest rowid, or as many rows as the file could hold where that cannot be read."""
        try:
            return int(self._source.execute(f"SELECT max(rowid) FROM {self._table}").fetchone()[0] or 0)
        except sqlite3.DatabaseError:
            pages, size = (int(self._source.execute(f"PRAGMA {p}").fetchone()[0]) for p in ("page_count", "page_size"))
            return pages * size // 16

    def _known(self, low: int, high: int) -> int:
        """Rows of a range that an index still knows; where none can be read, one for each rowid nobody saw."""
        if self._all is None:
            self._all = self._from_index()
        return sum(low <= rowid <= high for rowid in self._all)

    def _from_index(self) -> set[int]:
        found: set[int] = set()
        try:
            indexes = [row[1] for row in self._source.execute(f"PRAGMA index_list({self._table})")]
        except sqlite3.DatabaseError:
            return found
        for index in indexes:
            try:
                # A row at a time: what comes before a damaged page still counts.
                for row in self._source.execute(f"SELECT rowid FROM {self._table} INDEXED BY {index}"):
                    found.add(int(row[0]))
            except sqlite3.DatabaseError:
                continue
        return found


def _mend(new: sqlite3.Connection, saved: dict[str, Saved]) -> None:
    """Let no row refer to one that was lost."""
    while broken := new.execute("PRAGMA foreign_key_check").fetchall():
        for table, rowid, _parent, key in broken:
            column = next(r[3] for r in new.execute(f"PRAGMA foreign_key_list({table})") if r[0] == key)
            required = next(r[3] or r[5] for r in new.execute(f"PRAGMA table_info({table})") if r[1] == column)
            if required:
                gone = new.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,)).rowcount
                saved[table].kept -= gone
                saved[table].lost += gone
                saved[table].orphans += gone
            else:
                new.execute(f"UPDATE {table} SET {column} = NULL WHERE rowid = ?", (rowid,))


def _count(new: sqlite3.Connection) -> None:
    new.execute("DELETE FROM stage_count")
    new.execute(
        """INSERT INTO stage_count (shop_id, stage, status, n)
           SELECT shop_id, stage, status, count(*) FROM shipment GROUP BY shop_id, stage, status"""
    )
    if new.execute("SELECT 1 FROM sqlite_master WHERE name = 'stock_push'").fetchone():
        for statement in REBUILD:
            new.execute(statement)
    if new.execute("SELECT 1 FROM sqlite_master WHERE name = 'buyer_words'").fetchone():
        new.execute("INSERT INTO buyer_words (buyer_words) VALUES ('rebuild')")
