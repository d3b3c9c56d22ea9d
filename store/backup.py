"""Backups of an SQLite database: copied while it is in use, checked, named with their time, thinned out.

A copy knows its own moment (`backup_at` in its `meta`). What a database remembers of its backups is `store.remembered`.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from domain.clock import Clock, Instant, to_datetime
from domain.words import _
from store.files import copy_new, digest, settle_file, settle_folder, sweep, temporary
from store.place import Place, named_backup, private_directory, private_file, stamp
from store.schema import Damaged, connect, revision_in

WEEKS = 8
"""Beyond the newest ones, one a week is kept for so many weeks."""
MAIN = ("orders", "order_line", "shipment", "waybill", "effect", "stock_move", "event")
"""Tables whose rows are counted before and after."""


def backup_file(place: Place, clock: Clock, label: str = "", folder: Path | None = None) -> Path:
    """Copy an SQLite database with its online backup API into `place.backups` (or `folder`), check it, return its path.

    The copy is one file that needs no other beside it. Raises `Damaged` when the original cannot be read to its end, or
    the copy is not whole, lacks rows or holds no database of ours; the original is never touched, and no unchecked copy
    keeps a name.
    """
    assert place.file is not None
    home = private_directory(folder or place.backups)
    sweep(home)
    target = home / f"{place.file.stem}-{stamp(clock())}{'-' + label if label else ''}.sqlite"
    partial = private_file(temporary(home, "backup"))
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
            refuse_foreign(copy, place.file)
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


def _main(connection: sqlite3.Connection) -> list[str]:
    """The main tables that are there."""
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [t for t in MAIN if t in there]


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows of the main tables that are there."""
    return {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in _main(connection)}


def refuse_foreign(copy: sqlite3.Connection, original: Path) -> None:
    """Raise `Damaged` where a copy of `original` is empty or of another program: it would be taken for books without orders."""
    if not revision_in(copy) or len(_main(copy)) < len(MAIN):
        raise Damaged(_("{file} holds no database of shipdeck.").format(file=original))


def _note_moment(copy: sqlite3.Connection, at: Instant) -> None:
    if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        copy.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('backup_at', ?)", (str(at),))


# ------------------------------------------------------------------ which are kept


def made_at(file: Path, stem: str) -> Instant | None:
    """When a backup was made, told by its name; None for one with a label (it is never thinned out) or another file."""
    found = named_backup(file.name, stem)
    return found[0] if found and not found[1] else None


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
    """Copy a backup into a folder that exists, and read the copy back; raises `OSError`, never leaves half a copy.

    The folder may be everybody's: nobody but the owner can read the copy at any moment, and no link is written through.
    """
    if not folder.is_dir():
        # Made by nobody: a mount that is not there must not become a folder on this disk.
        raise NotADirectoryError(0, _("The folder is not there"), str(folder))
    target = folder / file.name
    sweep(folder)
    partial = temporary(folder, "copy")
    try:
        copy_new(file, partial)
        if digest(partial) != digest(file):
            raise OSError(0, _("What was written is not what is read back"), str(target))
        partial.replace(target)
        settle_folder(folder)
    finally:
        partial.unlink(missing_ok=True)
    return target
