"""Secrets at rest: AES-256-GCM under a key file outside the data folder, each bound to its account and field."""

import os
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


class Sealer:
    """Seals and opens secrets. The key is read (and, the first time, made) when first needed."""

    def __init__(self, key_file: Path) -> None:
        self.key_file = key_file
        self._key: bytes | None = None

    def __repr__(self) -> str:
        """Never shows the key."""
        return "Sealer()"

    def _load(self, *, make: bool) -> bytes:
        if self._key is None:
            if not self.key_file.exists():
                if not make:
                    raise KeyMissing(_("The key file {file} is missing.").format(file=self.key_file))
                private_directory(self.key_file.parent)
                try:
                    handle = os.open(self.key_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                except FileExistsError:
                    pass
                else:
                    with os.fdopen(handle, "wb") as file:
                        file.write(AESGCM.generate_key(256))
                        file.flush()
                        os.fsync(file.fileno())
            key = self.key_file.read_bytes()
            if len(key) != 32:
                raise WrongKey(_("The key file {file} is not a key.").format(file=self.key_file))
            self._key = key
        return self._key

    def require(self) -> None:
        """Raise `KeyMissing` rather than make a second key beside the one that sealed what is already there."""
        self._load(make=False)

    def seal(self, account: str, field: str, value: str) -> bytes:
        """Encrypt `value` so that it opens only as this field of this account."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._load(make=True)).encrypt(nonce, value.encode(), f"{account}\x1f{field}".encode())

    def open(self, account: str, field: str, sealed: bytes) -> str:
        """Decrypt. Raises `KeyMissing` or `WrongKey`; neither message holds anything secret."""
        try:
            plain = AESGCM(self._load(make=False)).decrypt(
                sealed[:_NONCE], sealed[_NONCE:], f"{account}\x1f{field}".encode()
            )
        except InvalidTag:
            raise WrongKey(
                _("A secret of {account} does not open with this key file.").format(account=account)
            ) from None
        return plain.decode()
