"""The doctor: is the file whole, are the books, the files private, the machine fit, nothing stuck, the backups fresh?

It only reads, opens nothing for writing and goes on where a check cannot be made, so that it also works on a damaged
file and in a folder that may not be written.
"""

import shutil
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from shlex import quote
from typing import Any

from msgspec import Struct, structs

from domain.clock import DAY, HOUR, MINUTE, SECOND, Clock, now
from domain.text import safe
from domain.words import _
from pipeline.base import Pipeline
from store import doctor, remembered
from store.files import left_behind
from store.place import Place, newest_backup
from store.reader import Reader
from store.schema import HEAD, Damaged, NothingThere, TooNew, revision_of
from store.sealing import KeyMissing, Sealer, WrongKey

STUCK_MS = 15 * MINUTE
"""An effect this long overdue means that no worker runs."""
SKEW_MS = 60 * SECOND
ROOM = 200 * 1024 * 1024
LARGE_WAL = 64 * 1024 * 1024
WAL_RACE_BACKPORTS = {(3, 44): 6, (3, 50): 7}


class Line(Struct, frozen=True):
    """One check and how it went: `ok`, `warn` (to be known) or `bad` (a broken promise, exit code 1)."""

    check: str
    level: str
    code: str = ""
    where: str = ""
    found: str = ""
    todo: str = ""


def wal_race(version: tuple[int, int, int]) -> bool:
    """Is this SQLite one with the WAL-reset race (3.7.0 to 3.51.2, but for the backports 3.44.6 and 3.50.7)?"""
    if version >= (3, 51, 3):
        return False
    return not (version[:2] in WAL_RACE_BACKPORTS and version[2] >= WAL_RACE_BACKPORTS[version[:2]])


async def checkup(p: Pipeline) -> dict[str, Any]:
    """Examine the database of an open pipeline."""
    return await examine_place(p.store.place, p.clock)


async def examine_place(place: Place, clock: Clock = now) -> dict[str, Any]:
    """Every check as a line (`checks`); `findings` are the bad ones, `notes` the sentences of those to be known.

    Raises `NothingThere` where there is no database at all.
    """
    lines = _machine(place)
    try:
        if place.file is not None and not revision_of(place):
            raise NothingThere(_("There is no database at {file} yet.").format(file=place.file))
        async with Reader(place) as reader:
            lines += await _books(place, reader, clock)
    except (Damaged, sqlite3.DatabaseError) as error:
        lines.insert(0, _damaged("database opens", error))
    except TooNew as error:
        lines.insert(0, Line("schema", "bad", "too_new", found=str(error), todo=_("Install that version.")))
    return {
        "checks": [structs.asdict(line) for line in lines],
        "findings": [structs.asdict(line) for line in lines if line.level == "bad"],
        "notes": [line.found for line in lines if line.level == "warn"],
        "sqlite": sqlite3.sqlite_version,
    }


def _damaged(check: str, error: Exception) -> Line:
    todo = _("Change nothing. Restore the newest backup, or save what is readable: shipdeck doctor --salvage NEWFILE")
    return Line(check, "bad", "damaged", found=safe(error, 300), todo=todo)


# ------------------------------------------------------------------ what the database says


async def _books(place: Place, reader: Reader, clock: Clock) -> list[Line]:
    lines: list[Line] = []

    async def run(check: str, work: Callable[[], Awaitable[list[Line]]]) -> None:
        try:
            lines.extend(await work() or [Line(check, "ok")])
        except sqlite3.DatabaseError as error:
            lines.append(_damaged(check, error))

    if place.file is not None:
        await run("schema", lambda: _schema(place))
        await run("file is whole", lambda: _whole(reader))
    for name in doctor.CHECKS:
        await run(name, lambda name=name: _promise(reader, name))  # type: ignore[misc]
    await run("secrets open", lambda: _secrets(reader, place))
    await run("nothing waits", lambda: _waiting(reader, clock))
    await run("backups are fresh", lambda: _backups(reader, place, clock))
    return lines


async def _schema(place: Place) -> list[Line]:
    found = revision_of(place)
    if found == HEAD:
        return []
    text = _("The schema is {found}; whatever writes brings it to {head}.").format(found=found, head=HEAD)
    return [Line("schema", "warn", "old_schema", found=text, todo="shipdeck upgrade")]


async def _whole(reader: Reader) -> list[Line]:
    todo = _("Restore the newest backup, or save what is readable: shipdeck doctor --salvage NEWFILE")
    codes = {"file is whole": "not_whole", "references hold": "dangling"}
    return [Line(f.check, "bad", codes[f.check], f.where, f.found, todo) for f in await doctor.whole(reader)]


async def _promise(reader: Reader, name: str) -> list[Line]:
    todo = _("A defect of shipdeck: report it with doctor --bundle.")
    return [Line(f.check, "bad", "books_differ", f.where, f.found, todo) for f in await doctor.findings(reader, name)]


async def _secrets(reader: Reader, place: Place) -> list[Line]:
    sealer, lines = Sealer(place.key_file), dict[str, Line]()
    for row in await doctor.sealed(reader):
        try:
            sealer.open(row["account"], row["field"], bytes(row["sealed"]))
        except (KeyMissing, WrongKey) as error:
            todo = _("Put the key file back, or give the secrets again.")
            lines[row["account"]] = Line("secrets open", "bad", "key_missing", row["account"], str(error), todo)
    return list(lines.values())


async def _waiting(reader: Reader, clock: Clock) -> list[Line]:
    at = clock()
    s = await doctor.standing(reader, at, STUCK_MS)
    lines = []

    def warn(check: str, code: str, found: str, todo: str = "", where: str = "") -> None:
        lines.append(Line(check, "warn", code, where, found, todo))

    for row in s.stuck:
        text = _("{n} {op} effects wait for over 15 minutes: is a worker running?").format(n=row["n"], op=row["op"])
        warn("nothing is stuck", "effects_stuck", text, "shipdeck worker" if not s.workers else "shipdeck shop list")
    if s.parked:
        text = _("{n} effects are parked for a person.").format(n=s.parked)
        warn("nothing is stuck", "effects_parked", text, "shipdeck list all --where trouble:yes")
    for row in s.stock:
        look = f"shipdeck stock pushes --shop {quote(row['shop'])}"
        if row["waits"]:
            text = _("{n} numbers of stock wait for over 15 minutes to be told to {shop}.")
            todo = look if s.workers else "shipdeck worker"
            warn("nothing is stuck", "stock_stuck", text.format(n=row["waits"], shop=row["shop"]), todo, row["shop"])
        if row["refused"]:
            text = _("{shop} does not take {n} numbers of stock.").format(n=row["refused"], shop=row["shop"])
            warn("nothing is stuck", "stock_refused", text, look, row["shop"])
    for row in s.paused:
        words = _("{account} is paused: {code} {message}")
        text = words.format(account=row["account"], code=row["paused_code"], message=row["message"])
        warn("accounts work", "account_paused", text, "shipdeck shop check | carrier check", row["account"])
    for row in s.late:
        age = _("never") if not row["ok_at"] else f"{(at - row['ok_at']) // HOUR} h"
        text = _("{account} {kind}: last good sync {age} ago.").format(
            account=row["account"], kind=row["kind"], age=age
        )
        warn("shops are read", "sync_late", text, "shipdeck sync", row["account"])
    if s.unread:
        text = _("{n} accounts are still to be read after the restore; nothing is sent to them before.")
        warn("shops are read", "restoring", text.format(n=s.unread), "shipdeck worker")
    if s.ahead > SKEW_MS:
        text = _("Rows of the database are {n} s ahead of this machine's clock.").format(n=s.ahead // SECOND)
        warn("clocks agree", "clock_off", text, _("Set the clock; signed calls are refused."))
    for row in s.skewed:
        account = str(row["key"]).partition(":")[2]
        text = _("The clock of {account} is {n} s off this machine's.").format(
            account=account, n=abs(int(row["value"])) // SECOND
        )
        warn("clocks agree", "clock_off", text, _("Set the clock; signed calls are refused."), account)
    return lines


async def _backups(reader: Reader, place: Place, clock: Clock) -> list[Line]:
    if place.file is None:
        return []
    known = await remembered.read(reader)
    at, newest, lines = clock(), newest_backup(place), list[Line]()
    if await doctor.is_practice(reader):
        return []
    if newest is None:
        text = _("There is no backup.")
        lines.append(Line("backups are fresh", "warn", "no_backup", str(place.backups), text, "shipdeck backup"))
    elif at - newest > DAY + 12 * HOUR:
        text = _("The newest backup is {n} h old.").format(n=(at - newest) // HOUR)
        lines.append(Line("backups are fresh", "warn", "backup_old", str(place.backups), text, "shipdeck backup"))
    if not known.second:
        text = _("No copy goes to a second place: a lost disk takes books and backups with it.")
        lines.append(
            Line("a copy elsewhere", "warn", "no_second_place", found=text, todo="shipdeck backup --second FOLDER")
        )
    elif known.copy_old(at):
        age = f"{(at - known.second_at) // HOUR} h" if known.second_at else _("never")
        text = _("The newest copy in the second place: {age}.").format(age=age)
        lines.append(Line("a copy elsewhere", "warn", "backup_copy_old", known.second, text, "shipdeck backup"))
    if known.failed:
        lines.append(Line("backups are fresh", "warn", "backup_failed", found=known.failed, todo="shipdeck backup"))
    return lines


# ------------------------------------------------------------------ what the machine says


def _machine(place: Place) -> list[Line]:
    lines = [*_private(place), *_left(place), *_room(place)]
    if place.file is not None:
        version = sqlite3.sqlite_version_info
        if wal_race((version[0], version[1], version[2])):
            text = _(
                "SQLite {version} has a rare WAL race (fixed in 3.51.3); only the worker checkpoints, keep backups."
            )
            lines.append(Line("SQLite", "warn", "wal_race", found=text.format(version=sqlite3.sqlite_version)))
        else:
            lines.append(Line("SQLite", "ok", found=sqlite3.sqlite_version))
    return lines


def _private(place: Place) -> list[Line]:
    files = [place.key_file]
    if place.file is not None:
        files += [place.file, *(Path(f"{place.file}{end}") for end in ("-wal", "-shm"))]
        files += [place.file.parent / "worker.log", *place.backups.glob("*.sqlite")]
    lines = []
    for path in files:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077:
            todo = f"chmod 600 {path}"
            lines.append(Line("files are private", "bad", "readable_by_others", str(path), oct(mode), todo))
    return lines or [Line("files are private", "ok")]


def _left(place: Place) -> list[Line]:
    """Temporary files of commands that were killed: they may hold the books, or a key in clear."""
    folders = {place.key_file.parent, place.backups} | ({place.file.parent} if place.file else set())
    found = _("A command that was killed left it: it may hold the books, or the key.")
    return [
        Line("nothing is left behind", "warn", "left_behind", str(path), found, f"rm -r {path}")
        for folder in sorted(folders)
        for path in left_behind(folder)
    ] or [Line("nothing is left behind", "ok")]


def _room(place: Place) -> list[Line]:
    if place.file is None:
        return []
    lines = []
    for folder in dict.fromkeys((place.file.parent, place.backups if place.backups.is_dir() else place.file.parent)):
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            continue
        if free < ROOM:
            text = f"{free // 2**20} MB"
            lines.append(Line("disk has room", "bad", "disk_low", str(folder), text, _("Make room.")))
    try:
        wal = Path(f"{place.file}-wal").stat().st_size
    except OSError:
        wal = 0
    if wal > LARGE_WAL:
        text = _("The write-ahead log has {n} MB: is a worker running?").format(n=wal // 2**20)
        lines.append(Line("disk has room", "warn", "wal_large", found=text, todo="shipdeck worker"))
    return lines or [Line("disk has room", "ok")]
