"""Reads for screens and the command line: a read-only connection and plain SQL, without SQLAlchemy.

sqlite3 answers in place; asyncpg over the network. Rows are plain dicts.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from domain.words import _
from store.dialect import for_postgresql, for_sqlite
from store.place import Place
from store.schema import NothingThere, connect, fold, refuse_other, revision_of


class Reader:
    """A read-only view of one database; use as an async context manager."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.dialect = place.dialect
        self._sqlite: sqlite3.Connection | None = None
        self._postgresql: Any = None

    async def __aenter__(self) -> Self:
        if self.place.file is not None:
            if not self.place.file.exists():
                raise NothingThere(_("There is no database at {file} yet.").format(file=self.place.file))
            found = revision_of(self.place)
            if not found:
                raise NothingThere(_("There is no database at {file} yet.").format(file=self.place.file))
            refuse_other(found, self.place)
            self._sqlite = connect(self.place)
            self._sqlite.create_function("lower", 1, fold, deterministic=True)
            self._sqlite.row_factory = sqlite3.Row
        else:
            import asyncpg

            self._postgresql = await asyncpg.connect(self.place.url)
            try:
                found = str(await self._postgresql.fetchval("SELECT version_num FROM alembic_version"))
            except asyncpg.UndefinedTableError:
                raise NothingThere(_("There are no tables of ours in that database yet.")) from None
            refuse_other(found)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sqlite is not None:
            self._sqlite.close()
        if self._postgresql is not None:
            await self._postgresql.close()

    async def fetch(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Every row of a query as dicts."""
        if self._sqlite is not None:
            text, bound = for_sqlite(sql, params or {})
            return [dict(row) for row in self._sqlite.execute(text, bound)]
        text, values = for_postgresql(sql, params or {})
        return [dict(row) for row in await self._postgresql.fetch(text, *values)]

    async def tuples(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """Every row of a query as plain sequences, for what is read many times a second."""
        if self._sqlite is not None:
            text, bound = for_sqlite(sql, params or {})
            cursor = self._sqlite.cursor()
            cursor.row_factory = None
            return cursor.execute(text, bound).fetchall()
        text, values = for_postgresql(sql, params or {})
        return [tuple(row) for row in await self._postgresql.fetch(text, *values)]

    def interrupt(self) -> None:
        """End a running query of an SQLite reader from another thread; it raises `sqlite3.OperationalError`."""
        if self._sqlite is not None:
            self._sqlite.interrupt()

    async def one(self, sql: str, params: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """The first row, or None."""
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None


class Watch:
    """Tells when another connection has committed to an SQLite file; one `PRAGMA data_version` on one connection."""

    def __init__(self, place: Place) -> None:
        if place.file is None:
            raise ValueError("PostgreSQL notifies by itself")
        self._connection = connect(place)
        self._seen = self._version()

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def changed(self) -> bool:
        """Has anything been committed since the last call?"""
        now = self._version()
        before, self._seen = self._seen, now
        return now != before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
