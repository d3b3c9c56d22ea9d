"""Backups by hand and by night: one checked copy here, and one more in a second place off this machine.

A second place that cannot be reached never stops anything: it is remembered why, and named while its newest copy is
older than a day (`backup_copy_old`). The same goes for older backups that cannot be thinned out.
"""

import asyncio
import logging
import sqlite3
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from domain.clock import HOUR, Instant, from_datetime, to_datetime
from pipeline.base import Pipeline
from store import accounts, backup, leases, remembered
from store.schema import Damaged

log = logging.getLogger("shipdeck.backup")

NIGHT_HOUR = 3
"""By this machine's clock; a machine that was off makes it when it is on again."""
LEASE, LEASE_MS = "backup", HOUR


class BackedUp(Struct, frozen=True):
    """A backup that was made: its file, the copy in the second place, and what of the rest could not be done (`trouble`)."""

    file: Path
    second: Path | None
    trouble: str
    removed: int


async def back_up(p: Pipeline, folder: Path | None = None) -> BackedUp:
    """Make a backup, thin the older ones out, copy it to the second place.

    Raises `Damaged`, `OSError` or `sqlite3.OperationalError` where none can be made; what fails after that is `trouble`.
    """
    place = p.store.place
    assert place.file is not None
    file = await asyncio.to_thread(backup.backup_file, place, p.clock, "", folder)
    if folder is not None:
        return BackedUp(file, None, "", 0)
    async with p.store.reading() as tx:
        known = await remembered.remembered(tx)
    troubles: list[str] = []
    second = None
    if known.second:
        try:
            second = await asyncio.to_thread(backup.copy_to, file, Path(known.second))
        except OSError as error:
            troubles.append(_said(Path(known.second), error))
    removed = 0
    for home in (place.backups, second.parent) if second else (place.backups,):
        try:
            removed += len(await asyncio.to_thread(backup.thin_out, home, place.file.stem, known.keep))
        except OSError as error:
            troubles.append(_said(home, error))
    for trouble in troubles:
        log.warning("a backup was made, but: %s", trouble)
    async with p.store.transaction() as tx:
        await remembered.remember(tx, failed="; ".join(troubles))
        if second is not None:
            await remembered.remember(tx, second_at=backup.made_at(second, place.file.stem) or tx.now)
    return BackedUp(file, second, "; ".join(troubles), removed)


def _said(folder: Path, error: OSError) -> str:
    return f"{folder}: {error.strerror or type(error).__name__}"


def last_night(now: Instant) -> Instant:
    """The newest moment not after `now` at which a nightly backup is due."""
    local = to_datetime(now).astimezone()
    due = local.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return from_datetime(due if due <= local else due - timedelta(days=1))


async def nightly(p: Pipeline, owner: str) -> bool:
    """Make the night's backup if it is due and nobody else makes it; True when one was made.

    Why none could be made is logged and remembered. What else is raised is the database's own trouble.
    """
    if p.store.dialect != "sqlite":
        return False
    async with p.store.reading() as tx:
        known = await remembered.remembered(tx)
        if await accounts.is_practice(tx) or known.night >= last_night(tx.now):
            return False
    async with p.store.transaction() as tx:
        fence = await leases.take(tx, LEASE, owner, LEASE_MS)
    if fence is None:
        return False
    try:
        made = await back_up(p)
        async with p.store.transaction() as tx:
            await remembered.remember(tx, night=p.clock())
        log.info("backed up to %s", made.file)
        return True
    except (Damaged, OSError, sqlite3.Error) as error:
        log.error("no backup was made: %s", error)
        async with p.store.transaction() as tx:
            await remembered.remember(tx, failed=str(error)[:300])
        return False
    finally:
        async with p.store.transaction() as tx:
            await leases.give_back(tx, LEASE, owner, fence)
