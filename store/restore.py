"""Brings a database back from a copy: looked at first, put in place at once, and what was there kept."""

import asyncio
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct, structs

from domain.clock import Clock
from domain.results import Refused
from domain.words import _
from store.backup import backup_file, refuse_foreign
from store.database import Store, Tx
from store.files import copy_new, scratch, settle_file, settle_folder
from store.place import Place, private_file, stamp
from store.restored import BegunAnew, begin_anew
from store.schema import Damaged, connect, open_file, refuse_other, revision_of
from store.upgrade import OthersConnected, connected, upgrade

BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, and reads into whatever file has the database's name."""
_LIVING = "SELECT owner, host, version, beat_at FROM worker"


class Restored(Struct, frozen=True):
    """What a restore did: the facts that are open now, and where what was there before is kept."""

    anew: BegunAnew
    kept: Path | None


async def restore(
    place: Place, copy: Path, clock: Clock, *, replace: bool = False, nothing_since: bool = False
) -> Restored | Refused:
    """Put the SQLite file `copy` in the place of a database, at today's schema, with nothing taken for granted.

    `copy` itself is only read. Refused while there is a database (unless `replace`) or somebody is connected to it; both
    are looked at again when the new one is ready. Raises `Damaged` or `TooNew` for what is no whole database of ours.
    Until the last step, one renaming, the place is as it was.
    """
    assert place.file is not None
    try:
        _refuse(place, clock, replace)
        with scratch(place.file.parent, "restore") as folder:
            fresh = structs.replace(place, file=folder / "fresh.sqlite")
            await asyncio.to_thread(_take_over, copy, folder / "fresh.sqlite")
            refuse_other(revision_of(fresh))
            anew = await _made_fit(fresh, clock, nothing_since)
            kept = await asyncio.to_thread(_swap, place, folder / "fresh.sqlite", clock, replace)
    except _InTheWay as error:
        return Refused("database_there", str(error))
    except OthersConnected as error:
        return Refused("others_connected", str(error))
    return Restored(anew, kept)


async def restart(store: Store, *, nothing_since: bool = False) -> BegunAnew:
    """The same for a database that was brought back by `pg_restore`; raises `OthersConnected` while somebody lives on it."""

    async def work(tx: Tx) -> BegunAnew:
        await refuse_living(tx)
        return await begin_anew(tx, socket.gethostname(), nothing_since=nothing_since)

    return await store.retrying(work)


async def refuse_others(store: Store) -> None:
    """Raise `OthersConnected` while a worker or terminal lives on an open database."""
    async with store.reading() as tx:
        await refuse_living(tx)


async def refuse_living(tx: Tx) -> None:
    """The same in a transaction that is going to change everything."""
    connected(await tx.rows(_LIVING), tx.now)


async def _made_fit(place: Place, clock: Clock, nothing_since: bool) -> BegunAnew:
    store = Store(place, clock)
    try:
        await upgrade(store, copy=True)
        anew = await store.retrying(lambda tx: begin_anew(tx, socket.gethostname(), nothing_since=nothing_since))
        await store.checkpoint()
    finally:
        await store.close()
    assert place.file is not None
    settle_file(place.file)
    return anew


def _take_over(copy: Path, fresh: Path) -> None:
    """Copy a file through SQLite, so that what still lies in its WAL comes along, and check every page of it."""
    if not copy.is_file():
        raise Damaged(_("{file} is not there.").format(file=copy))
    try:
        opened = open_file(copy)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise Damaged(_("{file} is not a database: {error}.").format(file=copy, error=error)) from error
    private_file(fresh)
    try:
        with closing(opened) as source, closing(sqlite3.connect(fresh)) as target:
            source.backup(target, pages=-1)
            verdict = target.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if verdict != "ok":
                raise sqlite3.DatabaseError(str(verdict).splitlines()[0])
            refuse_foreign(target, copy)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        text = _("{file} is damaged ({error}): shipdeck doctor --salvage saves what can be read of it.")
        raise Damaged(text.format(file=copy, error=error)) from error


# ------------------------------------------------------------------ in the place of the old one


class _InTheWay(RuntimeError):
    """There is a database, and nobody said that it may be replaced."""


def _is_there(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _refuse(place: Place, clock: Clock, replace: bool) -> None:
    """Raise `_InTheWay`, or `OthersConnected` while a worker or terminal of a readable database lives."""
    assert place.file is not None
    if not _is_there(place.file):
        return
    if not replace:
        text = _("There is a database at {file}: restore with --replace, which keeps it.")
        raise _InTheWay(text.format(file=place.file))
    try:
        with closing(connect(place)) as connection:
            rows = connection.execute(_LIVING).fetchall()
    except sqlite3.DatabaseError:
        # Damaged or another schema: nobody can be asked.
        return
    connected(rows, clock())


def _swap(place: Place, fresh: Path, clock: Clock, replace: bool) -> Path | None:
    """Give `fresh` the database's name in one renaming; where what was there before is kept (None: there was nothing)."""
    assert place.file is not None
    kept = None
    if _is_there(place.file):
        try:
            with closing(_alone(place)):
                _refuse(place, clock, replace)
                kept = backup_file(place, clock, "before-restore")
                _rename(fresh, place.file)
                return kept
        except (Damaged, sqlite3.DatabaseError):
            _refuse(place, clock, replace)
            kept = _set_aside(place, clock)
    for end in BESIDE:
        # Left by a database that was deleted by hand.
        Path(f"{place.file}{end}").unlink(missing_ok=True)
    _rename(fresh, place.file)
    return kept


def _rename(fresh: Path, file: Path) -> None:
    fresh.replace(file)
    settle_folder(file.parent)


def _alone(place: Place) -> sqlite3.Connection:
    """A connection to a database that nobody else writes while it is open, and that is whole without a WAL beside it.

    SQLite gives up the WAL for the only one that has the file open, so that also who has not said that it lives is found.
    """
    assert place.file is not None
    connection = sqlite3.connect(place.file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.DatabaseError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            text = _("Another program has {file} open: end it, then try again.")
            raise OthersConnected(text.format(file=place.file)) from error
        raise
    return connection


def _set_aside(place: Place, clock: Clock) -> Path:
    """Keep a database that cannot be read as the files it is; its name is free afterwards."""
    assert place.file is not None
    kept = place.file.with_name(f"{place.file.stem}-damaged-{stamp(clock())}.sqlite")
    for end in BESIDE:
        # Copies first: whatever happens, the file never lies under either name without its WAL.
        if (beside := Path(f"{place.file}{end}")).exists():
            copy_new(beside, Path(f"{kept}{end}"))
    place.file.chmod(0o600)
    _rename(place.file, kept)
    return kept
