"""Brings a database back from a copy: looked at first, put in place at once, and what was there kept."""

import asyncio
import os
import shutil
import socket
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from msgspec import Struct, structs

from domain.clock import Clock, to_datetime
from domain.results import Refused
from domain.words import _
from store.backup import backup_file, settle_file, settle_folder
from store.database import Store
from store.place import Place, private_file
from store.restored import BegunAnew, begin_anew
from store.schema import Damaged, refuse_other, revision_of
from store.upgrade import OthersConnected, connected, upgrade

SUFFIXES = ("", "-wal", "-shm", "-journal")


class Restored(Struct, frozen=True):
    """What a restore did: the facts that are open now, and where what was there before is kept."""

    anew: BegunAnew
    kept: Path | None


async def restore(
    place: Place, copy: Path, clock: Clock, *, replace: bool = False, nothing_since: bool = False
) -> Restored | Refused:
    """Put the SQLite file `copy` in the place of a database, at today's schema, with nothing taken for granted.

    `copy` itself is only read. Refused while there is a database (unless `replace`) or somebody is connected to it.
    Raises `Damaged` or `TooNew` for what is no whole database of ours. Until the last step, one renaming, the place is
    as it was.
    """
    assert place.file is not None
    there = place.file.exists() and place.file.stat().st_size > 0
    if there and not replace:
        text = _("There is a database at {file}: restore with --replace, which keeps it.")
        return Refused("database_there", text.format(file=place.file))
    if there:
        try:
            refuse_connected(place, clock)
        except OthersConnected as error:
            return Refused("others_connected", str(error))
    fresh = place.file.with_name(f".{place.file.name}.restoring")
    try:
        await asyncio.to_thread(_take_over, copy, fresh)
        refuse_other(revision_of(structs.replace(place, file=fresh)))
        anew = await _made_fit(structs.replace(place, file=fresh), clock, nothing_since)
        kept = await asyncio.to_thread(_set_aside, place, clock) if there else None
        for suffix in SUFFIXES[1:]:
            # Left by a database that was deleted by hand: it must not be read into the new one.
            place.file.with_name(place.file.name + suffix).unlink(missing_ok=True)
        fresh.replace(place.file)
        settle_folder(place.file.parent)
    finally:
        for suffix in SUFFIXES:
            fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    return Restored(anew, kept)


async def restart(store: Store, *, nothing_since: bool = False) -> BegunAnew:
    """The same for a database that was brought back by other means (`pg_restore`, an import)."""
    return await store.retrying(lambda tx: begin_anew(tx, socket.gethostname(), nothing_since=nothing_since))


async def refuse_others(store: Store) -> None:
    """Raise `OthersConnected` while a worker or terminal lives on an open database."""
    async with store.reading() as tx:
        connected(await tx.rows("SELECT owner, host, version, beat_at FROM worker"), tx.now)


async def _made_fit(place: Place, clock: Clock, nothing_since: bool) -> BegunAnew:
    store = Store(place, clock)
    try:
        await upgrade(store, copy=True)
        anew = await restart(store, nothing_since=nothing_since)
        await store.checkpoint()
    finally:
        await store.close()
    assert place.file is not None
    settle_file(place.file)
    return anew


def _take_over(copy: Path, fresh: Path) -> None:
    """Copy a file through SQLite, so that what still lies in its WAL comes along, and check every page of it."""
    try:
        with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as source:
            source.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError:
        address = f"file:{copy}?mode=ro&immutable=1"
    except sqlite3.DatabaseError as error:
        raise Damaged(_("{file} is not a database: {error}.").format(file=copy, error=error)) from error
    else:
        address = f"file:{copy}?mode=ro"
    private_file(fresh)
    try:
        with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(fresh)) as target:
            source.backup(target, pages=-1)
            verdict = target.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(str(verdict).splitlines()[0])
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        text = _("{file} is damaged ({error}): shipdeck doctor --salvage saves what can be read of it.")
        raise Damaged(text.format(file=copy, error=error)) from error


def refuse_connected(place: Place, clock: Clock) -> None:
    """Raise `OthersConnected` while a worker or terminal of a readable database lives."""
    assert place.file is not None
    try:
        with closing(sqlite3.connect(f"file:{place.file}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT owner, host, version, beat_at FROM worker").fetchall()
    except sqlite3.DatabaseError:
        # Damaged or another schema: nobody can be asked.
        return
    connected(rows, clock())


def _set_aside(place: Place, clock: Clock) -> Path:
    """Keep the database that is replaced: as a checked backup, or, where it cannot be read, as the files it was."""
    assert place.file is not None
    files = [place.file.with_name(place.file.name + suffix) for suffix in SUFFIXES]
    try:
        kept = backup_file(place, clock, "before-restore")
    except (Damaged, sqlite3.DatabaseError):
        kept = place.file.with_name(f"{place.file.stem}-damaged-{to_datetime(clock()):%Y%m%d-%H%M%S}.sqlite")
        _rename(files, [kept.with_name(kept.name + suffix) for suffix in SUFFIXES])
        return kept
    # The checked copy is on the disk. The main file goes first: without its WAL it must never be opened again.
    for file in files:
        file.unlink(missing_ok=True)
    return kept


def _rename(files: Sequence[Path], names: Sequence[Path]) -> None:
    for file, name in zip(files, names, strict=True):
        if file.exists():
            shutil.move(file, name)
            os.chmod(name, 0o600)
