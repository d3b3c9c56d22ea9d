"""The limit of everything that writes: the very rows that our program wrote, written again by bare `sqlite3`.

A `Recorder` keeps what each transaction wrote; a `Raw` connection writes it into a copy of the same database: the same
indexes and triggers, WAL, `synchronous=FULL`, the same commits. It decides nothing, looks nothing up and gets its rows
ready made, so nothing that stores these rows in SQLite can be faster.
"""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from bench.generate import tables_of
from bench.harness import Spent
from store.database import Store, Tx
from store.dialect import _LIST, _NAME
from store.schema import fold

Write = tuple[str, Sequence[Mapping[str, Any]]]
"""A statement with `:name` parameters, and the rows it ran for."""


class Recorder:
    """What was written, commit by commit, while it is `on`."""

    def __init__(self) -> None:
        self.commits: list[list[Write]] = []
        self.on = True

    def take(self) -> list[list[Write]]:
        """Hand over what was recorded so far."""
        taken, self.commits = self.commits, []
        return taken

    def tables(self) -> set[str]:
        """Which tables were written so far."""
        return {_table(sql) for writes in self.commits for sql, _rows in writes}


def _table(sql: str) -> str:
    words = sql.split()
    return words[1] if words[0].upper() == "UPDATE" else words[2]


@contextlib.contextmanager
def recording() -> Iterator[Recorder]:
    """Record every transaction of this process. Costs a list entry per statement; statements that wrote nothing stay out."""
    recorder = Recorder()
    kept = {name: getattr(Tx, name) for name in ("many", "run", "do", "add", "try_add", "insert")}
    whole = Store.transaction

    def note(tx: Tx, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if recorder.on:
            tx.__dict__.setdefault("written", []).append((sql, rows))

    async def many(self: Tx, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        await kept["many"](self, sql, rows)
        if rows:
            note(self, sql, rows)

    async def run(self: Tx, sql: str, **params: Any) -> int:
        touched: int = await kept["run"](self, sql, **params)
        if touched > 0:
            note(self, sql, [params])
        return touched

    async def do(self: Tx, sql: str, **params: Any) -> None:
        await kept["do"](self, sql, **params)
        note(self, sql, (params,))

        def told(changes: int) -> None:
            if not changes:
                self.__dict__.setdefault("idle", []).append(params)

        # It rides with its statement: a count asked for at once is a way to SQLite's thread that the program never goes.
        await self.guard(told, "SELECT changes()")

    def inserting(name: str) -> Callable[..., Any]:
        async def add(self: Tx, table: Table, row: Mapping[str, Any], *unique: str) -> Any:
            made = await kept[name](self, table, row, *unique)
            if made is not None:
                names = ("id", *row) if "id" not in row else tuple(row)
                text = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join(f':{n}' for n in names)})"
                note(self, text, [{**row, "id": made}])
            return made

        return add

    @contextlib.asynccontextmanager
    async def transaction(self: Store) -> AsyncIterator[Tx]:
        async with whole(self) as tx:
            yield tx
        idle = {id(params) for params in tx.__dict__.get("idle", ())}
        if written := [write for write in tx.__dict__.get("written", ()) if id(write[1][0]) not in idle]:
            recorder.commits.append(written)

    Tx.many, Tx.run, Tx.do = many, run, do  # type: ignore[method-assign, assignment]
    Tx.add, Tx.try_add = inserting("add"), inserting("try_add")  # type: ignore[method-assign]
    Store.transaction = transaction  # type: ignore[method-assign, assignment]
    try:
        yield recorder
    finally:
        for name, method in kept.items():
            setattr(Tx, name, method)
        Store.transaction = whole  # type: ignore[method-assign]


@lru_cache(maxsize=512)
def _positional(sql: str) -> tuple[str, tuple[tuple[str, bool], ...]]:
    """The statement with `?` parameters, and which value (a list?) each of them takes."""
    lists = set(_LIST.findall(sql))
    sql = _LIST.sub(r"IN (SELECT value FROM json_each(:\1))", sql)
    names = tuple((name, name in lists) for name in _NAME.findall(sql))
    return _NAME.sub("?", sql), names


class Raw:
    """A bare connection to a copy, set up as the program's own."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, isolation_level=None)
        self.connection.create_function("lower", 1, fold, deterministic=True)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "wal_autocheckpoint=1000",
        ):
            self.connection.execute(f"PRAGMA {pragma}")
        self.spent = Spent()
        self.rows = 0

    def write(self, commits: Sequence[Sequence[Write]]) -> None:
        """Write recorded commits; only the writing itself is timed."""
        for writes in commits:
            ready = []
            for sql, rows in writes:
                text, names = _positional(sql)
                made = [
                    tuple(json.dumps(list(row[name])) if many else row[name] for name, many in names) for row in rows
                ]
                ready.append((text, made))
                self.rows += len(made)
            execute, run = self.connection.executemany, self.connection.execute
            with self.spent.more():
                run("BEGIN IMMEDIATE")
                for text, made in ready:
                    if len(made) == 1:
                        run(text, made[0])
                    else:
                        execute(text, made)
                run("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def same(ours: Path, raws: Path, since: Mapping[str, int] | None = None) -> str:
    """The first table in which two databases differ, '' for none. `since`: only rows beyond these rowids, and `shipment`.

    Leases are left out: they are taken by statements that answer rows, which are not recorded.
    """
    left, right = (sqlite3.connect(f"file:{file}?mode=ro", uri=True) for file in (ours, raws))
    try:
        for name in tables_of(left):
            if name == "lease":
                continue
            beyond = f" WHERE rowid > {since[name]}" if since and name != "shipment" and name in since else ""
            sql = f"SELECT * FROM {name}{beyond} ORDER BY rowid"
            if any(a != b for a, b in _pairs(left.execute(sql), right.execute(sql))):
                return name
        return ""
    finally:
        left.close()
        right.close()


def _pairs(left: Iterator[Any], right: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    while True:
        a, b = next(left, None), next(right, None)
        if a is None and b is None:
            return
        yield a, b


def marks(file: Path) -> dict[str, int]:
    """The largest rowid of every large table, for `same`."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    found = {}
    for name in tables_of(connection):
        found[name] = connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {name}").fetchone()[0]
    connection.close()
    return found
