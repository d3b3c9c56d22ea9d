"""The doctor: are the books whole, the files private, the machine fit, nothing stuck?"""

import shutil
import sqlite3
import stat
from typing import Any

from domain.clock import HOUR, MINUTE
from domain.words import _
from pipeline.base import Pipeline
from store import accounts
from store.doctor import Finding, examine, standing
from store.sealing import KeyMissing, WrongKey

STUCK_MS = 15 * MINUTE
"""An effect this long overdue means that no worker runs."""
WAL_RACE_FIXED = ((3, 51, 3), (3, 53, 0))
WAL_RACE_BACKPORTS = {(3, 44): 6, (3, 50): 7}


def wal_race(version: tuple[int, int, int]) -> bool:
    """Is this SQLite one with the WAL-reset race (3.7.0 to 3.51.2, but for the backports 3.44.6 and 3.50.7)?"""
    if version >= (3, 51, 3):
        return False
    return not (version[:2] in WAL_RACE_BACKPORTS and version[2] >= WAL_RACE_BACKPORTS[version[:2]])


async def checkup(p: Pipeline) -> dict[str, Any]:
    """Everything found: `findings` are defects, `notes` are things to know."""
    async with p.store.reading() as tx:
        found = await examine(tx)
        waits = await standing(tx, STUCK_MS)
    notes = []
    for row in waits.stuck:
        notes.append(_("{n} {op} effects wait for over 15 minutes: is a worker running?").format(n=row.n, op=row.op))
    if waits.parked:
        notes.append(_("{n} effects are parked for a person.").format(n=waits.parked))
    for row in waits.paused:
        notes.append(
            _("{account} is paused: {code} {message}").format(
                account=row.account, code=row.paused_code, message=row.message
            )
        )
    for row in waits.late:
        age = _("never") if not row.ok_at else f"{(p.clock() - row.ok_at) // HOUR} h"
        notes.append(
            _("{account} {kind}: last good sync {age} ago.").format(account=row.account, kind=row.kind, age=age)
        )
    found.extend(_files(p))
    found.extend(await _secrets(p))
    if p.store.dialect == "sqlite":
        version = sqlite3.sqlite_version_info
        if wal_race((version[0], version[1], version[2])):
            notes.append(
                _(
                    "SQLite {version} has a rare WAL race (fixed in 3.51.3); only the worker checkpoints, keep backups."
                ).format(version=sqlite3.sqlite_version)
            )
    return {
        "findings": [{"check": f.check, "where": f.where, "found": f.found} for f in found],
        "notes": notes,
        "sqlite": sqlite3.sqlite_version,
    }


async def _secrets(p: Pipeline) -> list[Finding]:
    """Does every kept secret open with the key file that is there?"""
    found = []
    async with p.store.reading() as tx:
        for account in await accounts.secret_accounts(tx):
            try:
                await accounts.get_secrets(tx, p.sealer, account)
            except (KeyMissing, WrongKey) as error:
                found.append(Finding("secrets open", account, str(error)))
    return found


def _files(p: Pipeline) -> list[Finding]:
    found = []
    for path in (p.store.place.file, p.store.place.key_file):
        if path is not None and path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                found.append(Finding("files are private", str(path), oct(mode)))
    if p.store.place.file is not None:
        free = shutil.disk_usage(p.store.place.file.parent).free
        if free < 200 * 1024 * 1024:
            found.append(Finding("disk has room", str(p.store.place.file.parent), f"{free // 2**20} MB"))
    return found
