"""Backups of an SQLite database: copied while it is in use, checked, named with their time, thinned out.

A copy knows its own moment (`backup_at` in its `meta`). What a database remembers of its backups is `store.remembered`.
"""

import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from domain.clock import Clock, Instant, from_datetime, to_datetime
from domain.words import _
from store.place import Place, private_directory, private_file
from store.schema import Damaged, connect

WEEKS = 8
"""Beyond the newest ones, one a week is kept for so many weeks."""
MAIN = ("orders", "order_line", "shipment", "waybill", "effect", "stock_move", "event")
"""Tables whose rows are counted before and after."""
_STAMP = "%Y%m%d-%H%M%S-%f"


def backup_file(place: Place, clock: Clock, label: str = "", folder: Path | None = None) -> Path:
    """Copy an SQLite database with its online backup API into `place.backups` (or `folder`), check it, return its path.

    The copy is one file that needs no other beside it. Raises `Damaged` when the original cannot be read to its end, or
    the copy is not whole or lacks rows; the original is never touched, and no unchecked copy keeps a name.
    """
    assert place.file is not None
    home = private_directory(folder or place.backups)
    target = home / f"{place.file.stem}-{_stamp(clock())}{'-' + label if label else ''}.sqlite"
    partial = private_file(target.with_suffix(".part"))
    try:
        with closing(connect(place)) as source, closing(sqlite3.connect(partial, isolation_level=None)) as copy:
            # One view of the original for the counts and for the copy.
            source.execute("BEGIN")
            before = count_rows(source)
            source.backup(copy, pages=-1)
            source.execute("COMMIT")
            copy.execute("PRAGMA journal_mode=DELETE")
            _note_moment(copy, clock())
            verdict = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            after = count_rows(copy)
        if verdict != "ok" or before != after:
            raise sqlite3.DatabaseError(verdict if verdict != "ok" else "rows are missing")
        settle_file(partial)
        partial.replace(target)
        settle_folder(home)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        text = _("The copy failed its check ({verdict}); the database may be damaged: shipdeck doctor looks at it.")
        raise Damaged(text.format(verdict=str(error).splitlines()[0])) from error
    finally:
        for name in (partial.name, f"{partial.name}-journal"):
            partial.with_name(name).unlink(missing_ok=True)
    return target


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows of the main tables that are there."""
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in MAIN if t in there}


def _note_moment(copy: sqlite3.Connection, at: Instant) -> None:
    if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        copy.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('backup_at', ?)", (str(at),))


def _stamp(at: Instant) -> str:
    return to_datetime(at).strftime(_STAMP)[:-3]


def settle_file(path: Path) -> None:
    """Let a written file reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk, where the file system can."""
    try:
        settle_file(folder)
    except OSError:
        # Some file systems know no such thing; the file itself is written.
        return


# ------------------------------------------------------------------ which are kept


def made_at(file: Path, stem: str) -> Instant | None:
    """When a backup was made, told by its name; None for one with a label (it is never thinned out) or another file."""
    found = re.fullmatch(re.escape(stem) + r"-(\d{8}-\d{6}-\d{3})\.sqlite", file.name)
    if found is None:
        return None
    return from_datetime(datetime.strptime(found[1] + "000", _STAMP).replace(tzinfo=UTC))


def superfluous(files: Sequence[Path], stem: str, keep: int) -> list[Path]:
    """Backups beyond the `keep` newest, less the newest of each of the eight weeks before them."""
    dated = sorted(((at, f) for f in files if (at := made_at(f, stem)) is not None), reverse=True)
    weeks: list[tuple[int, int]] = []
    gone = []
    for at, file in dated[max(1, keep) :]:
        week = to_datetime(at).isocalendar()[:2]
        if week in weeks or len(weeks) == WEEKS:
            gone.append(file)
        else:
            weeks.append(week)
    return gone


def thin_out(folder: Path, stem: str, keep: int) -> list[Path]:
    """Delete what is superfluous in a folder; returns what is gone."""
    gone = superfluous(list(folder.glob(f"{stem}-*.sqlite")), stem, keep)
    for file in gone:
        file.unlink(missing_ok=True)
    return gone


def copy_to(file: Path, folder: Path) -> Path:
    """Copy a backup into a folder that exists, and read the copy back; raises `OSError`, never leaves half a copy."""
    if not folder.is_dir():
        # Made by nobody: a mount that is not there must not become a folder on this disk.
        raise NotADirectoryError(0, _("The folder is not there"), str(folder))
    target = folder / file.name
    partial = folder / f".{file.name}.part"
    try:
        shutil.copyfile(file, partial)
        partial.chmod(0o600)
        settle_file(partial)
        if digest(partial) != digest(file):
            raise OSError(0, _("What was written is not what is read back"), str(target))
        partial.replace(target)
        settle_folder(folder)
    finally:
        partial.unlink(missing_ok=True)
    return target


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
