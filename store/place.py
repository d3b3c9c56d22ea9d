"""Where things are: the database, its key file, its backups; and that nobody else may read them."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from platformdirs import user_config_path, user_data_path

from domain.clock import Instant, from_datetime, to_datetime
from domain.words import _

_STAMP = "%Y%m%d-%H%M%S-%f"


class BadPlace(ValueError):
    """The database address cannot be used; the message says why."""


class Place(Struct, frozen=True):
    """One database and the files that belong to it.

    `file` is None on PostgreSQL. The key file lies outside the data folder, so that a copied database is unreadable.
    """

    url: str
    file: Path | None
    key_file: Path
    backups: Path

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return "sqlite" if self.file else "postgresql"

    def __repr__(self) -> str:
        """Never shows a password."""
        return f"Place({self.file or urlsplit(self.url).hostname})"


def find(url: str | None = None, key_file: Path | None = None) -> Place:
    """The database named by `url`, else by `SHIPDECK_DB`, else the one in the user's data folder.

    `sqlite:///relative.db`, `sqlite:////absolute.db`, a plain path, or `postgresql://…`. Raises `BadPlace`.
    """
    named = url or os.environ.get("SHIPDECK_DB", "")
    key = key_file or Path(os.environ.get("SHIPDECK_KEY_FILE") or user_config_path("shipdeck") / "key")
    data = user_data_path("shipdeck")
    if not named:
        return Place("", data / "shipdeck.sqlite", key, data / "backups")
    scheme, sep, rest = named.partition("://")
    if not sep:
        file = Path(named).absolute()
    elif scheme == "sqlite":
        if rest in {"", "/"} or ":memory:" in rest:
            raise BadPlace(_("Name a file: sqlite:///path/to/shipdeck.sqlite."))
        file = Path(rest[1:]).absolute()
    elif scheme in {"postgresql", "postgres", "postgresql+asyncpg"}:
        return Place("postgresql" + named[len(scheme) :], None, key, data / "backups")
    else:
        raise BadPlace(_("The database must be sqlite:///… or postgresql://…, not {scheme}.").format(scheme=scheme))
    return Place("", file, key, file.parent / "backups")


def stamp(at: Instant) -> str:
    """A moment as names of files tell it, UTC to the millisecond; sorted by name is sorted by time."""
    return to_datetime(at).strftime(_STAMP)[:-3]


def named_backup(name: str, stem: str) -> tuple[Instant, str] | None:
    """When a backup of the database `stem` was made and its label, told by its name; None for any other file."""
    found = re.fullmatch(re.escape(stem) + r"-(\d{8}-\d{6}-\d{3})(?:-([\w-]+))?\.sqlite", name)
    try:
        return found and (from_datetime(datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC)), found[2] or "")
    except ValueError:
        # Digits that are no moment.
        return None


def newest_backup(place: Place) -> Instant | None:
    """When the newest backup of an SQLite file was made; None where there is none."""
    if place.file is None:
        return None
    names = [entry.name for entry in place.backups.glob("*.sqlite")]
    return max((found[0] for name in names if (found := named_backup(name, place.file.stem))), default=None)


def private_directory(path: Path) -> Path:
    """Make `path` a directory that only its owner may enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def private_file(path: Path) -> Path:
    """Create `path` empty with mode 0600 if it is not there, so that what opens it later inherits that mode.

    One that is there is left alone: closing any descriptor of a database drops every lock this process holds on it.
    """
    private_directory(path.parent)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    return path
