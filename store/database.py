"""Transactions on SQLite and PostgreSQL with one and the same SQL text.

SQL is written once, with `:name` parameters and `IN :names` for lists; it runs as driver SQL, without a compiler in
between. On SQLite all writes of a process share one connection behind a lock and begin with `BEGIN IMMEDIATE`; reads
have their own connections. A transaction never spans an HTTP call: nothing here knows how to make one.
"""

import asyncio
import random
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from aiosqlite import Connection as Driver
from sqlalchemy import URL, Table, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, StaticPool

from domain.clock import Clock, Instant, now
from store.dialect import for_postgresql, for_sqlite, many_for_sqlite
from store.lane import BUSY_MS, Lane, driver
from store.place import Place, private_file
from store.schema import fold

T = TypeVar("T")
Params = Mapping[str, Any]

FROZEN = {"idle_in_transaction_session_timeout": 20_000, "transaction_timeout": 120_000}
"""PostgreSQL ends the session, and frees the locks, of a process that stands still in a transaction: one that asks
nothing for so many ms (every version), and one that does not come to its end, in whatever it stopped (from 17 on). The
latter is as long as a worker's lease. What the server or the database sets itself is left as it is."""
_UNHURRIED = (
    "SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) <> '0'"
)


@lru_cache(maxsize=256)
def _insert_text(table: Table, columns: tuple[str, ...], tail: str) -> str:
    names = ", ".join(columns)
    values = ", ".join(f":{c}" for c in columns)
    return f"INSERT INTO {table.name} ({names}) VALUES ({values}){tail}"


class Tx(ABC):
    """One transaction. Rows come back as named tuples (`row.id`).

    Writes may travel with the next question or the commit: what a constraint refuses is raised there at the latest.
    """

    dialect: str

    def __init__(self, clock: Clock) -> None:
        self.now: Instant = clock()
        self.touched = False

    @abstractmethod
    async def rows(self, sql: str, **params: Any) -> Sequence[Any]:
        """Every row of a query, or of a statement that returns rows."""

    @abstractmethod
    async def _run(self, sql: str, params: Params) -> int:
        """Execute one statement; how many rows it touched."""

    @abstractmethod
    async def _do(self, sql: str, params: Params) -> None:
        """Execute one statement."""

    @abstractmethod
    async def _many(self, sql: str, rows: Sequence[Params]) -> None:
        """Execute one statement for each of `rows`."""

    async def row(self, sql: str, **params: Any) -> Any | None:
        """The first row of a query, or None."""
        found = await self.rows(sql, **params)
        return found[0] if found else None

    async def value(self, sql: str, **params: Any) -> Any:
        """The first column of the first row, or None."""
        found = await self.rows(sql, **params)
        return found[0][0] if found else None

    async def each(self, *questions: tuple[str, Params]) -> list[Sequence[Any]]:
        """The rows of several queries: on SQLite one way there and back for all."""
        return [await self.rows(sql, **params) for sql, params in questions]

    async def guard(self, check: Callable[[Any], None], sql: str, **params: Any) -> None:
        """Show `check` the first column of the first row (None without one) no later than at the commit.

        What it raises undoes the transaction and comes out of it.
        """
        check(await self.value(sql, **params))

    async def run(self, sql: str, **params: Any) -> int:
        """Execute one statement; returns how many rows it touched."""
        self.touched = True
        return await self._run(sql, params)

    async def do(self, sql: str, **params: Any) -> None:
        """Execute one statement of which nobody asks how many rows it touched."""
        self.touched = True
        await self._do(sql, params)

    async def many(self, sql: str, rows: Sequence[Params]) -> None:
        """Execute one statement for each of `rows`, all with the same keys."""
        if rows:
            self.touched = True
            await self._many(sql, rows)

    async def insert(self, table: Table, rows: Sequence[Params], *, tail: str = "") -> None:
        """Insert `rows`, all with the same keys. `tail` may hold an ON CONFLICT clause."""
        if rows:
            await self.many(_insert_text(table, tuple(rows[0]), " " + tail if tail else ""), rows)

    async def add(self, table: Table, row: Params) -> int:
        """Insert one row and return its id."""
        self.touched = True
        return int((await self.rows(_insert_text(table, tuple(row), " RETURNING id"), **row))[0].id)

    async def try_add(self, table: Table, row: Params, unique: str) -> int | None:
        """Insert one row and return its id, or None when another one has its `unique` column already."""
        self.touched = True
        tail = f" ON CONFLICT ({unique}) DO NOTHING RETURNING id"
        found = await self.rows(_insert_text(table, tuple(row), tail), **row)
        return int(found[0].id) if found else None

    async def next_ids(self, **counts: int) -> Sequence[Sequence[int]]:
        """Ids for so many rows of each named table, ascending: children can be written without reading back."""
        sql, params = self.ids_asked(counts)
        return self.ids_told(await self.rows(sql, **params), counts)

    @abstractmethod
    def ids_asked(self, counts: Mapping[str, int]) -> tuple[str, Params]:
        """The question of `next_ids`, for who asks more at once."""

    @abstractmethod
    def ids_told(self, rows: Sequence[Any], counts: Mapping[str, int]) -> Sequence[Sequence[int]]:
        """Its answer."""

    @abstractmethod
    async def unhurried(self) -> None:
        """This transaction is a long one by its nature (everything is read or written): no server ends it for that."""


class _PostgresTx(Tx):
    dialect = "postgresql"

    def __init__(self, connection: AsyncConnection, clock: Clock) -> None:
        super().__init__(clock)
        self._connection = connection

    async def rows(self, sql: str, **params: Any) -> Sequence[Any]:
        text, bound = for_postgresql(sql, params)
        return (await self._connection.exec_driver_sql(text, bound)).fetchall()

    async def _run(self, sql: str, params: Params) -> int:
        text, bound = for_postgresql(sql, params)
        return (await self._connection.exec_driver_sql(text, bound)).rowcount

    async def _do(self, sql: str, params: Params) -> None:
        await self._run(sql, params)

    async def _many(self, sql: str, rows: Sequence[Params]) -> None:
        text, _first = for_postgresql(sql, rows[0])
        await self._connection.exec_driver_sql(text, [for_postgresql(sql, row)[1] for row in rows])

    def ids_asked(self, counts: Mapping[str, int]) -> tuple[str, Params]:
        each = (
            f"SELECT '{table}' AS name, nextval(pg_get_serial_sequence('{table}', 'id')) AS id FROM generate_series(1, :{table})"
            for table in counts
        )
        return " UNION ALL ".join(each), counts

    def ids_told(self, rows: Sequence[Any], counts: Mapping[str, int]) -> Sequence[Sequence[int]]:
        return [sorted(row.id for row in rows if row.name == table) for table in counts]

    async def unhurried(self) -> None:
        """No limit on the whole; standing still in between still has one."""
        await self._connection.exec_driver_sql(_UNHURRIED)

    async def notify(self, channel: str) -> None:
        """Wake other processes at commit (SQLite's are woken by `data_version`)."""
        await self._connection.exec_driver_sql("SELECT pg_notify('shipdeck', $1)", (channel,))


class _SqliteTx(Tx):
    """A transaction on a `Lane`. Statements that answer nothing wait for the next one that does: one hop for all."""

    dialect = "sqlite"

    def __init__(self, lane: Lane, clock: Clock) -> None:
        super().__init__(clock)
        self._lane = lane

    async def rows(self, sql: str, **params: Any) -> Sequence[Any]:
        return await self._lane.rows(*for_sqlite(sql, params))

    async def each(self, *questions: tuple[str, Params]) -> list[Sequence[Any]]:
        return [*await self._lane.each([for_sqlite(sql, params) for sql, params in questions])]

    async def guard(self, check: Callable[[Any], None], sql: str, **params: Any) -> None:
        self._lane.guard(check, *for_sqlite(sql, params))

    async def _run(self, sql: str, params: Params) -> int:
        return await self._lane.run(*for_sqlite(sql, params))

    async def _do(self, sql: str, params: Params) -> None:
        text, bound = for_sqlite(sql, params)
        self._lane.later(text, (bound,))

    async def _many(self, sql: str, rows: Sequence[Params]) -> None:
        self._lane.later(*many_for_sqlite(sql, rows))

    def ids_asked(self, counts: Mapping[str, int]) -> tuple[str, Params]:
        last = ", ".join(f"(SELECT coalesce(max(id), 0) FROM {table})" for table in counts)
        return f"SELECT {last}", {}

    def ids_told(self, rows: Sequence[Any], counts: Mapping[str, int]) -> Sequence[Sequence[int]]:
        return [range(at + 1, at + 1 + count) for at, count in zip(rows[0], counts.values(), strict=True)]

    async def unhurried(self) -> None:
        """Nobody but us ends a transaction here."""


class Store:
    """One database, opened. `transaction()` writes, `reading()` reads, `retrying()` repeats what the server has undone."""

    def __init__(self, place: Place, clock: Clock = now, *, checkpoints: bool = False) -> None:
        self.place = place
        self.clock = clock
        self.dialect = place.dialect
        self._checkpoints = checkpoints
        self._lock = asyncio.Lock()
        self._writer: Driver | None = None
        if place.file:
            private_file(place.file)
            # Not as a text: `?` and `%` in a path would have a meaning there.
            url = URL.create("sqlite+aiosqlite", database=str(place.file))
            kept = {"connect_args": {"cached_statements": 512}, "pool_reset_on_return": None}
            self._write = create_async_engine(url, poolclass=StaticPool, hide_parameters=True, **kept)
            self._read = create_async_engine(
                url, poolclass=AsyncAdaptedQueuePool, pool_size=4, hide_parameters=True, **kept
            )
            for engine in (self._write, self._read):
                self._set_up_sqlite(engine)
        else:
            address = "postgresql+asyncpg" + place.url[len("postgresql") :]
            self._write = self._read = create_async_engine(address, pool_size=8, max_overflow=8, hide_parameters=True)
            self._set_up_postgresql(self._write)

    @staticmethod
    def _set_up_postgresql(engine: AsyncEngine) -> None:
        @event.listens_for(engine.sync_engine, "connect")
        def connect(dbapi_connection: Any, _record: object) -> None:
            cursor = dbapi_connection.cursor()
            for name, ms in FROZEN.items():
                # A server that does not know a setting answers NULL for it.
                cursor.execute(
                    f"SELECT set_config('{name}', '{ms}', false) WHERE current_setting('{name}', true) = '0'"
                )
            cursor.close()
            dbapi_connection.commit()

    def _set_up_sqlite(self, engine: AsyncEngine) -> None:
        @event.listens_for(engine.sync_engine, "connect")
        def connect(dbapi_connection: Any, _record: object) -> None:
            dbapi_connection.isolation_level = None
            dbapi_connection.create_function("lower", 1, fold, deterministic=True)
            cursor = dbapi_connection.cursor()
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                # What is erased or overwritten leaves the file, not only the tables.
                "secure_delete=ON",
                f"busy_timeout={BUSY_MS}",
                # One process of all checkpoints: SQLite up to 3.51.2 has a race between a checkpoint and a WAL reset.
                f"wal_autocheckpoint={1000 if self._checkpoints else 0}",
            ):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(engine.sync_engine, "begin")
        def begins(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A write transaction: commits when the block ends, rolls back when it raises."""
        if self.dialect == "sqlite":
            async with self._lock, Lane(await self._writing(), "write") as lane:
                yield _SqliteTx(lane, self.clock)
        else:
            async with self._write.begin() as connection:
                tx = _PostgresTx(connection, self.clock)
                yield tx
                if tx.touched:
                    await tx.notify("changed")

    async def _writing(self) -> Driver:
        """The one writing connection of SQLite. SQLAlchemy takes longer to hand it over than a small transaction does."""
        if self._writer is None:
            async with self._write.connect() as connection:
                self._writer = await driver(connection)
        return self._writer

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """A read transaction: one consistent view, never waits for writers."""
        if self.dialect == "sqlite":
            async with self._read.connect() as connection, Lane(await driver(connection), "read") as lane:
                yield _SqliteTx(lane, self.clock)
        else:
            async with self._read.begin() as connection:
                yield _PostgresTx(connection, self.clock)

    async def fetch(self, sql: str, params: Params | None = None) -> list[dict[str, Any]]:
        """Every row of a query as dicts: `store.views` reads through an open store as it does through a `Reader`."""
        async with self.reading() as tx:
            return [row._asdict() for row in await tx.rows(sql, **(params or {}))]

    async def retrying(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work` in a write transaction, again from its start when the database has certainly undone it: as a
        deadlock's victim, or because this process stood still or lost its connection before the commit."""
        for attempt in range(8):
            worked = False
            try:
                async with self.transaction() as tx:
                    done = await work(tx)
                    worked = True
                return done
            except DBAPIError as error:
                # A commit whose connection broke may have been heard.
                undone = is_transient(error) or (is_lost(error) and not worked)
                if attempt == 7 or not undone:
                    raise
                await asyncio.sleep(random.uniform(0.005, 0.05) * 2**attempt)
        raise AssertionError("unreachable")

    async def checkpoint(self) -> None:
        """Write the WAL back into the database and shrink it. Only the worker calls this."""
        if self.dialect == "sqlite":
            async with self._lock, self._write.connect() as connection:
                await (await driver(connection)).execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    async def run_sync(self, work: Callable[[Any], T]) -> T:
        """Run `work(sync_connection)` on the writing connection outside a transaction (migrations)."""
        async with self._lock, self._write.connect() as connection:
            if self.dialect == "postgresql":
                await connection.exec_driver_sql(_UNHURRIED)
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Give every connection back."""
        self._writer = None
        await self._write.dispose()
        if self._read is not self._write:
            await self._read.dispose()


def is_passing(error: OSError | DBAPIError) -> bool:
    """True where the database may well answer again by itself: it was unreachable, has ended this connection, or
    somebody held its lock for too long."""
    if isinstance(error, OSError):
        return True
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return is_lost(error) or is_transient(error) or code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def is_lost(error: DBAPIError) -> bool:
    """Has the server ended this connection? One that was ended while nobody used it may still look open to asyncpg, which
    then trips over its own state; one that was ended while it was made is known by the SQLSTATE alone (class 08, or the
    server shuts down: PostgreSQL, appendix A)."""
    state = str(getattr(error.orig, "sqlstate", "") or "")
    return (
        error.connection_invalidated
        or type(getattr(error.orig, "__cause__", None)).__name__ == "InternalClientError"
        or state.startswith("08")
        or state in {"57P01", "57P02", "57P03"}
    )


def is_transient(error: DBAPIError) -> bool:
    """True for a deadlock or a serialisation failure of PostgreSQL: the whole transaction may be repeated.

    SQLite's one lock has been waited for already (`store.lane`): who still holds it is asked about, not waited for again.
    """
    return str(getattr(error.orig, "sqlstate", "") or "") in {"40001", "40P01"}


def as_json(value: object) -> str:
    """Compact JSON text of plain data."""
    return msgspec.json.encode(value).decode()


def from_json(text: str) -> Any:
    """What `as_json` wrote."""
    return msgspec.json.decode(text)


def chunks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """`items` in slices of at most `size`."""
    return (items[i : i + size] for i in range(0, len(items), size))
