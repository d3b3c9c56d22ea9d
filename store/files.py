"""Files that only their owner may read, from their first byte on, and that are whole or not there.

What is still being made has a name that tells its process: `.shipdeck-KIND~HOST~PID~START~CHANCE`. What a killed one left
(it may hold the books, or a key in clear) is known by that, swept by the next command that makes something in the folder,
and named by the doctor.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from store.leases import is_dead, new_owner
from store.place import private_directory

_PREFIX = ".shipdeck-"


def new_file(path: Path) -> BinaryIO:
    """Open a new file for writing, mode 0600; whatever has the name already, a link too, raises `FileExistsError`."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY, 0o600), "wb")


def write_new(path: Path, content: bytes) -> None:
    """Write a new file and let it reach the disk."""
    with new_file(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def copy_new(source: Path, path: Path) -> None:
    """Copy a file into a new one and let that reach the disk."""
    with source.open("rb") as original, new_file(path) as file:
        shutil.copyfileobj(original, file, 1024 * 1024)
        file.flush()
        os.fsync(file.fileno())


def put_file(path: Path, content: bytes) -> None:
    """Let a file have this content; at no moment it has half of it."""
    sweep(private_directory(path.parent))
    partial = temporary(path.parent, "file")
    try:
        write_new(partial, content)
        partial.replace(path)
        settle_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


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


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


# ------------------------------------------------------------------ what is still being made


def temporary(folder: Path, kind: str) -> Path:
    """A name in `folder` that no other process has, now or later."""
    return folder / f"{_PREFIX}{kind}~{new_owner().replace('|', '~')}"


@contextmanager
def scratch(folder: Path, kind: str) -> Iterator[Path]:
    """A private folder in `folder`, gone at the end; what killed processes left there is gone before."""
    sweep(private_directory(folder))
    made = temporary(folder, kind)
    made.mkdir(mode=0o700)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def left_behind(folder: Path) -> list[Path]:
    """What processes of this host that certainly no longer run were making in a folder."""
    made = sorted(folder.glob(f"{_PREFIX}*~*"))
    return [path for path in made if is_dead("|".join(path.name.split("~")[1:4]))]


def sweep(folder: Path) -> None:
    """Delete what was left behind; what cannot be deleted stays for the doctor to name."""
    for path in left_behind(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
