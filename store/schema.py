"""Which schema a database has, told by the standard library alone, so that looking costs nothing."""

import sqlite3
from pathlib import Path

from domain.words import _
from store.place import Place

HEAD = "0007"
"""The revision this program works with."""
KNOWN = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")


class NothingThere(LookupError):
    """There is no database yet at this place."""


class TooNew(RuntimeError):
    """The database was written by a newer program; nothing was changed."""


class Damaged(RuntimeError):
    """The file is not a database of ours; nothing was changed."""


def revision_of(place: Place) -> str:
    """The schema revision of an SQLite file: '' for a new or empty one. Raises `Damaged` for anything else."""
    assert place.file is not None
    if not place.file.exists() or place.file.stat().st_size == 0:
        return ""
    try:
        connection = connect(place)
        try:
            found = revision_in(connection)
            if found is None:
                raise Damaged(_("{file} is a database of another program.").format(file=place.file))
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise Damaged(_("{file} cannot be opened: {error}.").format(file=place.file, error=error)) from error
    except sqlite3.DatabaseError as error:
        raise Damaged(_("{file} is not a database: {error}.").format(file=place.file, error=error)) from error
    return found


def revision_in(connection: sqlite3.Connection) -> str | None:
    """The schema revision of an open SQLite database: '' for an empty one, None for one of another program."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" not in names:
        return None if names else ""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def connect(place: Place) -> sqlite3.Connection:
    """A read-only connection; also to a database whose folder cannot be written, where nobody can be writing."""
    assert place.file is not None
    return open_file(place.file)


def open_file(file: Path) -> sqlite3.Connection:
    """The same for any SQLite file."""
    connection = read_only(file)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        connection = read_only(file, immutable=True)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    connection.execute("PRAGMA busy_timeout=10000")
    return connection


def read_only(file: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """A connection that cannot write, whatever characters are in the file's name: an address gives `#?%` a meaning.

    `immutable`: the file as it stands, without its WAL.
    """
    address = f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
    return sqlite3.connect(address, uri=True, isolation_level=None)


def refuse_other(found: str, place: Place | None = None) -> None:
    """Raise `TooNew` for a revision this program does not know; it names the version to install where that is known."""
    if found and found not in KNOWN:
        raise too_new(found, _program_of(place) if place is not None and place.file is not None else "")


def too_new(found: str, program: str) -> TooNew:
    """What to say of a schema that came with `program` ('' = not known)."""
    if not program:
        text = _("This database has schema {found}; this program knows {head}. Install a newer shipdeck.")
        return TooNew(text.format(found=found, head=HEAD))
    text = _("This database has schema {found}; this program knows {head}. Install shipdeck {version} or newer.")
    return TooNew(text.format(found=found, head=HEAD, version=program))


def _program_of(place: Place) -> str:
    """The version of shipdeck that made a file's schema, or ''."""
    try:
        connection = connect(place)
        try:
            row = connection.execute("SELECT value FROM meta WHERE key = 'program'").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return ""
    return str(row[0]) if row else ""


def fold(text: str | None) -> str | None:
    """Lower case in every alphabet: SQLite's own `lower` knows ASCII only, and Łódź must be found."""
    return text.lower() if isinstance(text, str) else text
