"""One file to carry away: database, key file, settings of the terminal and labels still needed, under a passphrase.

The file: a line that names the format, a header (JSON, its length before it), then chunks of up to 1 MiB, each sealed
with AES-256-GCM under a key that scrypt makes of the passphrase. A chunk's nonce is its number and whether it is the
last one, and the header is bound to each, so that nothing can be cut off, moved or put in. Inside is a compressed tar.
Memory stays flat however large the books are.
"""

import io
import os
import secrets
import shutil
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import msgspec
from backports import zstd
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Struct

from domain.words import _
from store.files import new_file, settle_folder, sweep, temporary
from store.place import private_directory

MAGIC = b"shipdeck portable 1\n"
CHUNK = 1024 * 1024
SHORTEST = 8
"""Characters of a passphrase at least."""
_COST = 2**16
"""scrypt's N: 64 MiB and about 0.2 s for each guess."""
_TAG = 16


class NotPortable(RuntimeError):
    """The file is none of ours, was cut off or altered, or the passphrase is another one."""


class _Header(Struct):
    salt: bytes
    n: int
    r: int
    p: int


def pack(target: Path, files: Mapping[str, Path | bytes], passphrase: str) -> Path:
    """Write `files` (name inside → file or content) into one sealed file; it has its name only once it is whole."""
    if not target.parent.exists():
        private_directory(target.parent)
    sweep(target.parent)
    partial = temporary(target.parent, "portable")
    try:
        with new_file(partial) as out:
            sealing = _Sealing(out, passphrase)
            with (
                zstd.ZstdFile(cast(BinaryIO, sealing), "w", level=3) as squeezed,
                tarfile.open(fileobj=squeezed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                for name, content in files.items():
                    _add(tar, name, content)
            sealing.end()
        partial.replace(target)
        settle_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _add(tar: tarfile.TarFile, name: str, content: Path | bytes) -> None:
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    if isinstance(content, bytes):
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    else:
        info.size = content.stat().st_size
        with content.open("rb") as file:
            tar.addfile(info, file)


def unpack(source: Path, folder: Path, passphrase: str) -> list[str]:
    """Open a sealed file into a new private `folder`; returns the names inside.

    Raises `NotPortable`; whatever it raises, no part of the content is left.
    """
    folder.mkdir(mode=0o700, parents=True)
    try:
        return _unpack(source, folder, passphrase)
    except (InvalidTag, EOFError, zstd.ZstdError, tarfile.TarError, struct.error, msgspec.MsgspecError) as error:
        shutil.rmtree(folder)
        raise NotPortable(_wrong()) from error
    except BaseException:
        shutil.rmtree(folder)
        raise


def _unpack(source: Path, folder: Path, passphrase: str) -> list[str]:
    names: list[str] = []
    with source.open("rb") as file:
        opening = _Opening(file, passphrase)
        with (
            zstd.ZstdFile(cast(BinaryIO, opening), "r") as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            for member in tar:
                names.append(_take(tar, member, folder))
        # A tar may end before the file does: whatever follows must be ours, too, and the last chunk must be there.
        while opening.read(CHUNK):
            continue
    return names


def _wrong() -> str:
    return _("The passphrase is another one, or the file was cut off or altered.")


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> str:
    """One member as a plain file right in or one folder below `folder`; what names any other place is refused."""
    name = PurePosixPath(member.name)
    content = tar.extractfile(member)
    if content is None or name.is_absolute() or ".." in name.parts or not 1 <= len(name.parts) <= 2:
        raise tarfile.TarError("not a file")
    target = folder / name
    private_directory(target.parent)
    with new_file(target) as out:
        while block := content.read(CHUNK):
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return str(name)


def is_portable(file: Path) -> bool:
    """Is it a file of this format?"""
    with file.open("rb") as handle:
        return handle.read(len(MAGIC)) == MAGIC


def _cipher(passphrase: str, header: _Header) -> AESGCM:
    if not (2**14 <= header.n <= 2**20 and header.n & (header.n - 1) == 0 and header.r == 8 and header.p == 1):
        # An altered header must not make us fill the machine's memory.
        raise NotPortable(_wrong())
    kdf = Scrypt(salt=header.salt, length=32, n=header.n, r=header.r, p=header.p)
    return AESGCM(kdf.derive(passphrase.encode("utf-8", "surrogatepass")))


def _nonce(number: int, last: bool) -> bytes:
    return struct.pack(">QI", number, int(last))


class _Sealing(io.RawIOBase):
    """Takes plain bytes, writes sealed chunks. `end()` writes the last one."""

    def __init__(self, out: BinaryIO, passphrase: str) -> None:
        header = _Header(secrets.token_bytes(16), _COST, 8, 1)
        self._head = msgspec.json.encode(header)
        self._cipher = _cipher(passphrase, header)
        self._out, self._number, self._waiting = out, 0, bytearray()
        out.write(MAGIC + struct.pack(">I", len(self._head)) + self._head)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Take bytes; a whole chunk leaves as soon as more follows."""
        raw = memoryview(cast(bytes, data)).cast("B")
        self._waiting += raw
        while len(self._waiting) > CHUNK:
            self._leave(bytes(self._waiting[:CHUNK]), False)
            del self._waiting[:CHUNK]
        return len(raw)

    def _leave(self, plain: bytes, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last), plain, self._head)
        self._out.write(struct.pack(">I", len(sealed)) + sealed)
        self._number += 1

    def end(self) -> None:
        """Write the last chunk, be it empty, and let everything reach the disk."""
        self._leave(bytes(self._waiting), True)
        self._out.flush()
        os.fsync(self._out.fileno())


class _Opening(io.RawIOBase):
    """Reads sealed chunks, gives plain bytes; raises for a file that was cut off or altered."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        if file.read(len(MAGIC)) != MAGIC:
            raise NotPortable(_("This is no portable backup of shipdeck."))
        (length,) = struct.unpack(">I", file.read(4))
        if length > 10_000:
            raise NotPortable(_wrong())
        self._head = file.read(length)
        self._cipher = _cipher(passphrase, msgspec.json.decode(self._head, type=_Header))
        self._file, self._number, self._plain, self._ended = file, 0, memoryview(b""), False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` as far as one chunk goes; 0 at the end."""
        while not self._plain and not self._ended:
            self._plain = memoryview(self._next())
        target = memoryview(cast(bytearray, buffer)).cast("B")
        n = min(len(target), len(self._plain))
        target[:n] = self._plain[:n]
        self._plain = self._plain[n:]
        return n

    def _next(self) -> bytes:
        (length,) = struct.unpack(">I", self._file.read(4))
        if not _TAG <= length <= CHUNK + _TAG:
            raise EOFError
        sealed = self._file.read(length)
        for last in (False, True):
            try:
                plain = self._cipher.decrypt(_nonce(self._number, last), sealed, self._head)
            except InvalidTag:
                if last:
                    raise
                continue
            self._number += 1
            self._ended = last
            if last and self._file.read(1):
                raise EOFError
            return plain
        raise AssertionError("unreachable")
