"""Where things are: the database, its key file, its backups; and that nobody else may read them."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from platformdirs import user_config_path, user_data_path

from domain.words import _


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


def newest_backup(place: Place) -> int | None:
    """When the newest backup of an SQLite file was made, in milliseconds UTC; None where there is none."""
    if place.file is None:
        return None
    try:
        made = [entry.stat().st_mtime for entry in place.backups.glob("*.sqlite")]
    except OSError:
        return None
    return int(max(made) * 1000) if made else None


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
