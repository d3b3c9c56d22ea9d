"""Brings a database to this program's schema, by itself, with a backup first; refuses a newer one.

Nobody's program is pulled from under their feet: while others are connected nothing is migrated.
"""

import asyncio
import logging
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import Struct

from domain.clock import MINUTE, Clock, Instant, now
from domain.words import _
from store.backup import backup_file
from store.database import Store, Tx
from store.leases import is_dead
from store.place import Place
from store.schema import HEAD, KNOWN, refuse_other, revision_of, too_new

log = logging.getLogger("shipdeck.store")

SILENT_MS = 2 * MINUTE
"""Who has not been heard of for so long is not connected any more."""

_migrating: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


class OthersConnected(RuntimeError):
    """Workers or terminals live on the database, so that its schema stays as it is; names them."""


class Opened(Struct, frozen=True):
    """What opening did: the revision found ('' = a new database) and the backup made before a change."""

    found: str
    backup: Path | None


async def open_store(place: Place, clock: Clock = now, *, checkpoints: bool = False) -> Store:
    """Open a database ready for use: created, or backed up and migrated.

    Raises `TooNew`, `Damaged` or `OthersConnected`.
    """
    if place.file and revision_of(place) == HEAD:
        return Store(place, clock, checkpoints=checkpoints)
    if place.file:
        refuse_other(revision_of(place), place)
    store = Store(place, clock, checkpoints=checkpoints)
    try:
        await upgrade(store)
    except BaseException:
        await store.close()
        raise
    return store


async def upgrade(store: Store, *, copy: bool = False) -> Opened:
    """Migrate `store` to HEAD in one transaction, with a verified backup of an SQLite file before any change.

    `copy`: nobody else can have this file open, and what it was made from is still there.
    """
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
        refuse_other(found, store.place)
        made = None
        if found != HEAD:
            if found and not copy:
                beats = connection.exec_driver_sql("SELECT owner, host, version, beat_at FROM worker").fetchall()
                connected(beats, store.clock())
            if found and store.place.file and not copy:
                made = backup_file(store.place, store.clock, f"before-{HEAD}")
                log.info("backed up to %s before migrating from %s", made, found)
            config.attributes["connection"] = connection
            from alembic import command

            command.upgrade(config, "head")
            # Who finds this schema too new is told what to install.
            connection.exec_driver_sql("DELETE FROM meta WHERE key = 'program'")
            connection.exec_driver_sql(f"INSERT INTO meta (key, value) VALUES ('program', '{_program()}')")
        connection.commit()
        if store.dialect == "sqlite":
            _pragma(connection, "foreign_keys=ON")
        return Opened(found, made)

    # alembic keeps its context in module globals: one migration at a time in a process.
    async with _migrating.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        return await store.run_sync(work)


async def migrate(store: Store, revision: str) -> None:
    """Make a new, empty database of an earlier schema, to be filled and then brought to today's."""
    config = _config()

    def work(connection: Any) -> None:
        from alembic import command

        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()

    async with _migrating.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        await store.run_sync(work)


def connected(beats: Sequence[Any], at: Instant) -> None:
    """Raise `OthersConnected` for (owner, host, version, last heartbeat) of programs that live."""
    living = [(host, program) for owner, host, program, beat in beats if at - beat < SILENT_MS and not is_dead(owner)]
    if living:
        names = ", ".join(sorted({f"{host} ({program})" for host, program in living}))
        text = _("Others are connected: {names}. Stop them, or try again two minutes after the last has ended.")
        raise OthersConnected(text.format(names=names))


async def still_fits(tx: Tx) -> None:
    """Raise `TooNew` when a newer program has migrated the database meanwhile."""
    found = str(await tx.value("SELECT version_num FROM alembic_version"))
    if found not in KNOWN:
        raise too_new(found, str(await tx.value("SELECT value FROM meta WHERE key = 'program'") or ""))


def _program() -> str:
    return "".join(c for c in version("shipdeck") if c.isalnum() or c in ".+-")


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
