"""SQLite behind asyncio, one hop to the connection's thread for every question.

A statement through a DB-API wrapper costs a hop for the cursor, one for the execution, one for the rows, one for closing.
Here what a statement needs runs in the thread as one function, and writes that answer nothing ride with the next question.
"""

import asyncio
import random
import sqlite3
import time
from collections import namedtuple
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, Self, TypeVar

from aiosqlite import Connection as Driver
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

_Waiting = tuple[str, Any, Callable[[Any], None] | None]
"""A statement with what is bound to each of its runs, or with what is bound to it and who looks at its answer."""

BUSY_MS = 10_000
"""How long a transaction waits for another process's before it fails as locked."""
_BEGIN = {"read": "BEGIN", "write": "BEGIN IMMEDIATE"}


async def driver(connection: AsyncConnection) -> Driver:
    """The aiosqlite connection behind SQLAlchemy's."""
    found = (await connection.get_raw_connection()).driver_connection
    assert isinstance(found, Driver)
    return found


class Lane:
    """One transaction on one connection. It begins with its first statement; an unused one never does.

    Raises SQLAlchemy's errors, as every engine of the store does.
    """

    def __init__(self, driver: Driver, way: Literal["read", "write"]) -> None:
        self._driver = driver
        self._begin = _BEGIN[way]
        self._waiting: list[_Waiting] = []
        self._begun = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not (self._begun or self._waiting):
            return
        try:
            if error is None:
                await self._hop(_commit)
                self._begun = False
        finally:
            # Even a cancelled task and a failed commit leave the connection clean, and the lock free, at once.
            if self._begun:
                await asyncio.shield(self._on(_end))

    async def rows(self, sql: str, bound: Any) -> list[Any]:
        """Every row of a statement as named tuples."""
        return _named(*await self._hop(_fetch, sql, bound))

    async def each(self, questions: Sequence[tuple[str, Any]]) -> list[list[Any]]:
        """The rows of several statements, in one hop."""
        return [_named(*answer) for answer in await self._hop(_fetch_each, questions)]

    async def run(self, sql: str, bound: Any) -> int:
        """How many rows a statement touched."""
        return await self._hop(_touch, sql, bound)

    def later(self, sql: str, many: Sequence[Any]) -> None:
        """Execute a statement for each of `many`, no later than with the next question or the commit."""
        self._waiting.append((sql, many, None))

    def guard(self, check: Callable[[Any], None], sql: str, bound: Any) -> None:
        """Show `check` the first value of a statement's first row, no later than with the next question or the commit."""
        self._waiting.append((sql, bound, check))

    async def _hop(self, work: Callable[..., T], *arguments: Any) -> T:
        begin, waiting = "" if self._begun else self._begin, self._waiting
        self._begun, self._waiting = True, []
        try:
            return await self._on(_ride, begin, waiting, work, arguments)
        except BaseException:
            # Whoever goes on all the same does not get past a guard: it is asked again, at the commit at the latest.
            self._waiting = [one for one in waiting if one[2] is not None]
            raise

    async def _on(self, work: Callable[..., T], *arguments: Any) -> T:
        try:
            # The one way of aiosqlite to run several calls in one hop; its version is pinned below the next minor.
            done: T = await self._driver._execute(work, self._driver._conn, *arguments)  # type: ignore[no-untyped-call]
        except sqlite3.Error as error:
            # Never the parameters: they hold buyers.
            raise DBAPIError.instance(None, None, error, sqlite3.Error) from error
        return done


# ------------------------------------------------------------------ in the connection's thread


def _ride(
    connection: sqlite3.Connection,
    begin: str,
    waiting: Sequence[_Waiting],
    work: Callable[..., T],
    arguments: Sequence[Any],
) -> T:
    if begin:
        _end(connection)
        _begins(connection, begin)
    for sql, bound, check in waiting:
        if check is None:
            connection.executemany(sql, bound)
        else:
            row = connection.execute(sql, bound).fetchone()
            check(row[0] if row is not None else None)
    return work(connection, *arguments)


def _begins(connection: sqlite3.Connection, begin: str) -> None:
    """Begin, waiting for another process's transaction in short naps.

    SQLite's own waiting naps longer after every failure, up to 100 ms, so that whoever has waited long loses to whoever
    has just come.
    """
    if begin == _BEGIN["read"]:
        connection.execute(begin)
        return
    until = time.monotonic() + BUSY_MS / 1000
    connection.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.execute(begin)
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(random.uniform(0.0005, 0.002))
    finally:
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def _fetch(connection: sqlite3.Connection, sql: str, bound: Any) -> tuple[tuple[str, ...], list[Any]]:
    cursor = connection.execute(sql, bound)
    found = cursor.fetchall()
    return tuple(column[0] for column in cursor.description or ()), found


def _fetch_each(
    connection: sqlite3.Connection, questions: Sequence[tuple[str, Any]]
) -> list[tuple[tuple[str, ...], list[Any]]]:
    return [_fetch(connection, sql, bound) for sql, bound in questions]


def _touch(connection: sqlite3.Connection, sql: str, bound: Any) -> int:
    return connection.execute(sql, bound).rowcount


def _commit(connection: sqlite3.Connection) -> None:
    connection.execute("COMMIT")


def _end(connection: sqlite3.Connection) -> None:
    """Undo whatever is open: a refused statement, or a commit that failed."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _named(names: tuple[str, ...], found: list[Any]) -> list[Any]:
    return [*map(_shape(names)._make, found)] if found else []


@lru_cache(maxsize=1024)
def _shape(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names, rename=True)
