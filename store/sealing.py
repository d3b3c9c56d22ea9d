"""Secrets at rest: AES-256-GCM under a key file outside the data folder, each bound to its account and field."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.words import _
from store.place import private_directory

_NONCE = 12


class KeyMissing(RuntimeError):
    """The database holds secrets but its key file is not there."""


class WrongKey(RuntimeError):
    """A secret cannot be opened: another key file, or the row was moved or altered."""


def waiting_key(key_file: Path) -> Path:
    """Where a rotation lays the new key before it has the old one's name."""
    return key_file.with_name(f"{key_file.name}.new")


class Sealer:
    """Seals and opens secrets. The key is read (and, the first time, made) when first needed, again when its file changed.

    While keys are being rotated, and with backups from before, a secret may open with a key beside it.
    """

    def __init__(self, key_file: Path) -> None:
        self.key_file = key_file
        self._key: bytes | None = None
        self._read: tuple[int, int] | None = None

    def __repr__(self) -> str:
        """Never shows the key."""
        return "Sealer()"

    def _load(self, *, make: bool) -> bytes:
        try:
            there = self.key_file.stat()
        except OSError:
            if self._key is not None:
                return self._key
            if not make:
                raise KeyMissing(_("The key file {file} is missing.").format(file=self.key_file)) from None
            self._make()
            there = self.key_file.stat()
        if self._key is None or self._read != (there.st_ino, there.st_mtime_ns):
            self._key = self._checked(self.key_file)
            self._read = (there.st_ino, there.st_mtime_ns)
        return self._key

    def _make(self) -> None:
        private_directory(self.key_file.parent)
        try:
            handle = os.open(self.key_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return
        with os.fdopen(handle, "wb") as file:
            file.write(AESGCM.generate_key(256))
            file.flush()
            os.fsync(file.fileno())

    def _checked(self, file: Path) -> bytes:
        key = file.read_bytes()
        if len(key) != 32:
            raise WrongKey(_("The key file {file} is not a key.").format(file=file))
        return key

    def _keys(self) -> Iterator[bytes]:
        """The key, then those beside it: one that waits to take its place, and the newest it took the place of."""
        yield self._load(make=False)
        older = sorted(self.key_file.parent.glob(f"{self.key_file.name}.old-*"), reverse=True)
        for file in (waiting_key(self.key_file), *older[:1]):
            if file.exists():
                yield self._checked(file)

    @property
    def key_id(self) -> str:
        """What tells the key from others, and nothing about it."""
        return hashlib.sha256(b"shipdeck key\0" + self._load(make=True)).hexdigest()[:8]

    def require(self) -> None:
        """Raise `KeyMissing` rather than make a second key beside the one that sealed what is already there."""
        self._load(make=False)

    def seal(self, account: str, field: str, value: str) -> bytes:
        """Encrypt `value` so that it opens only as this field of this account."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._load(make=True)).encrypt(nonce, value.encode(), f"{account}\x1f{field}".encode())

    def open(self, account: str, field: str, sealed: bytes) -> str:
        """Decrypt. Raises `KeyMissing` or `WrongKey`; neither message holds anything secret."""
        for key in self._keys():
            try:
                plain = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], f"{account}\x1f{field}".encode())
            except InvalidTag:
                continue
            return plain.decode()
        raise WrongKey(_("A secret of {account} does not open with this key file.").format(account=account))
