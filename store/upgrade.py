"""Brings a database to this program's schema, by itself, with a backup first; refuses a newer one."""

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import Struct

from domain.clock import Clock, now, to_datetime
from domain.words import _
from store.database import Store
from store.place import Place, private_directory, private_file
from store.schema import HEAD, Damaged, refuse_other, revision_of

log = logging.getLogger("shipdeck.store")

_migrating: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class Opened(Struct, frozen=True):
    """What opening did: the revision found ('' = a new database) and the backup made before a change."""

    found: str
    backup: Path | None


async def open_store(place: Place, clock: Clock = now, *, checkpoints: bool = False) -> Store:
    """Open a database ready for use: created, or backed up and migrated. Raises `TooNew` or `Damaged`."""
    if place.file and revision_of(place) == HEAD:
        return Store(place, clock, checkpoints=checkpoints)
    if place.file:
        refuse_other(revision_of(place))
    store = Store(place, clock, checkpoints=checkpoints)
    try:
        await upgrade(store)
    except BaseException:
        await store.close()
        raise
    return store


async def upgrade(store: Store) -> Opened:
    """Migrate `store` to HEAD in one transaction, with a verified backup of an SQLite file before any change."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = _config()
    script = ScriptDirectory.from_config(config)
    assert script.get_current_head() == HEAD

    def work(connection: Any) -> Opened:
        if store.dialect == "sqlite":
            # Must be off before the transaction begins: batch migrations copy tables.
            _pragma(connection, "foreign_keys=OFF")
        else:
            # Two programs opening a new database at once: one migrates, the other waits and finds it done.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(726655)")
        # On SQLite the first statement begins IMMEDIATE, so nobody else migrates between this look and the commit.
        found = MigrationContext.configure(connection).get_current_revision() or ""
        refuse_other(found)
        backup = None
        if found != HEAD:
            if found and store.place.file:
                backup = backup_file(store.place, store.clock, f"before-{HEAD}")
                log.info("backed up to %s before migrating from %s", backup, found)
            config.attributes["connection"] = connection
            from alembic import command

            command.upgrade(config, "head")
        connection.commit()
        if store.dialect == "sqlite":
            _pragma(connection, "foreign_keys=ON")
        return Opened(found, backup)

    # alembic keeps its context in module globals: one migration at a time in a process.
    async with _migrating.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return await store.run_sync(work)


def _pragma(connection: Any, text: str) -> None:
    connection.connection.driver_connection.isolation_level = None
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA {text}")
    cursor.close()


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def backup_file(place: Place, clock: Clock, label: str = "") -> Path:
    """Copy an SQLite database with its online backup API into `place.backups`, check the copy, return its path.

    Raises `Damaged` when the copy does not pass `quick_check`; the original is never touched.
    """
    assert place.file is not None
    private_directory(place.backups)
    stamp = to_datetime(clock()).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    target = place.backups / f"{place.file.stem}-{stamp}{'-' + label if label else ''}.sqlite"
    partial = private_file(target.with_suffix(".part"))
    source = sqlite3.connect(f"file:{place.file}?mode=ro", uri=True)
    copy = sqlite3.connect(partial)
    try:
        source.backup(copy, pages=-1)
        verdict = copy.execute("PRAGMA quick_check").fetchone()[0]
    finally:
        source.close()
        copy.close()
    if verdict != "ok":
        partial.unlink()
        raise Damaged(_("The copy failed its check ({verdict}); the database may be damaged.").format(verdict=verdict))
    partial.replace(target)
    return target
