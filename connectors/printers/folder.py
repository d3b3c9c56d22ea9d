"""A folder that takes the place of a printer: one PDF per job, for practice, for archives, for folders that print."""

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from connectors.contract import (
    Binding,
    Checked,
    Field,
    Printed,
    PrinterDeclaration,
    PrintRequest,
    Repeat,
)
from connectors.http import WireError
from connectors.paper.pdf import PDF, merge
from connectors.paper.refusals import BadLabel
from domain.results import NotActed, NotFound, Refused, Unknown
from domain.text import safe
from domain.words import _

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_MISSING = {errno.ENOENT, errno.ENOTDIR}
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP}
"""Network file systems answer so; they keep names by themselves."""


class FolderPrinter:
    """Writes every job as one PDF, whole or not at all. A job that is there already is not written again."""

    declaration: ClassVar[PrinterDeclaration] = PrinterDeclaration(
        printer="folder",
        title=_("Folder of PDF files"),
        fields=(Field("folder", _("Folder"), help=_("A folder that exists, written in full (/home/anna/labels).")),),
        repeat=Repeat.HONOURS_KEY,
        confirms=True,
    )

    def __init__(self, binding: Binding) -> None:
        self._setting = binding.settings.get("folder", "").strip()

    async def check(self) -> Checked:
        """Write and remove a small file there. Raises `WireError` saying why that cannot be done."""
        outcome = await asyncio.to_thread(self._try_out)
        if outcome is not None:
            raise WireError(outcome)
        return Checked(title=safe(self._folder()))

    async def send(self, request: PrintRequest) -> Printed | Refused | NotActed | Unknown:
        """Write the job's pages, its copies one after the other, to `<key>.pdf`."""
        return await asyncio.to_thread(self._send, request)

    async def find(self, request: PrintRequest) -> Printed | NotFound | Unknown:
        """Is the job's file there?"""
        return await asyncio.to_thread(self._find, request)

    def _folder(self) -> Path:
        folder = Path(self._setting).expanduser()
        if not self._setting or not folder.is_absolute():
            raise _Unusable(Refused("folder_missing", _("Give the folder in full, beginning with /."), "folder"))
        return folder

    def _try_out(self) -> Refused | NotActed | None:
        try:
            probe = self._folder() / f".shipdeck-{secrets.token_hex(4)}.part"
            with _removed(probe):
                _write(probe, b"%PDF-\n")
        except _Unusable as unusable:
            return unusable.outcome
        except OSError as error:
            return _failure(error)
        return None

    def _send(self, request: PrintRequest) -> Printed | Refused | NotActed | Unknown:
        try:
            target = self._folder() / file_name(request.key)
            if target.is_file():
                return Printed(str(target))
            if any(page.media != PDF for page in request.pages):
                return Refused(
                    "media_not_supported", _("A folder takes PDF pages only; this label is of another kind.")
                )
            data = merge(request.pages * max(1, request.copies))
            part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
            with _removed(part):
                _write(part, data)
                os.replace(part, target)
        except _Unusable as unusable:
            return unusable.outcome
        except BadLabel as bad:
            return Refused(bad.code, bad.message)
        except OSError as error:
            return _failure(error)
        try:
            _sync_folder(target.parent)
        except OSError as error:
            # The file has its name; whether that survives a power cut is not known.
            return Unknown("not_confirmed", _reason(error))
        return Printed(str(target))

    def _find(self, request: PrintRequest) -> Printed | NotFound | Unknown:
        try:
            folder = self._folder()
            if not folder.is_dir():
                return Unknown("folder_missing", _("The folder is not there now, so nobody can look into it."))
            target = folder / file_name(request.key)
            target.stat()
        except _Unusable as unusable:
            return Unknown(unusable.outcome.code, unusable.outcome.message)
        except FileNotFoundError:
            return NotFound()
        except OSError as error:
            return Unknown("not_readable", _reason(error))
        return Printed(str(target))


class _Unusable(Exception):
    """The setting cannot be a folder."""

    def __init__(self, outcome: Refused) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


def file_name(key: str) -> str:
    """The name of a job's file: its key, with a digest where the key has characters that a file name should not."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", key).lstrip(".")[:100]
    if plain == key and key:
        return f"{key}.pdf"
    return f"{plain}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.pdf"


@contextlib.contextmanager
def _removed(path: Path) -> Iterator[None]:
    """Leave nothing under this name, whatever happens."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    """A new file, readable by its owner only, on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return safe(error.strerror or type(error).__name__)


def _failure(error: OSError) -> Refused | NotActed:
    """What a failure before the file had its name means: nothing was printed."""
    if error.errno in _FULL:
        return NotActed("disk_full", _("The disk is full; make room, the job is tried again."))
    if error.errno in _MISSING:
        return Refused("folder_missing", _("The folder does not exist."), "folder")
    if error.errno in _FORBIDDEN:
        return Refused("not_writable", _("The folder cannot be written to."), "folder")
    return NotActed("folder_failed", _("The folder could not be written: {reason}.").format(reason=_reason(error)))
