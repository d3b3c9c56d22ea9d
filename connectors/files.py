"""Files that are there whole or not at all, and what a file system's refusal means for an effect."""

import contextlib
import errno
import os
import secrets
from pathlib import Path

from domain.results import NotActed, Refused
from domain.text import safe
from domain.words import _

_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP}
"""Network file systems answer so; they keep names by themselves."""


def replace(target: Path, data: bytes) -> None:
    """Put `data` in the place of a file, readable by its owner only; what stood there stays until all of it is on disk."""
    part = target.with_name(f".{target.name[:60]}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    settle(target.parent)


def settle(folder: Path) -> None:
    """Names made in a folder survive a power cut when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def failure(error: OSError, field: str = "folder") -> Refused | NotActed:
    """What it means that a folder could not be read or written, before anything was done."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return NotActed("disk_full", _("The disk is full; make room, it is tried again."))
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return Refused("folder_missing", _("The folder does not exist."), field)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Refused("not_writable", _("The folder cannot be written to."), field)
    text = _("The folder could not be used: {reason}.")
    return NotActed("folder_failed", text.format(reason=safe(error.strerror or type(error).__name__)))
