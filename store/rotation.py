"""A new key for every secret: sealed anew in one transaction, with a way back at every step.

The new key lies beside the old one (`key.new`) before anything is sealed under it, and takes its name after the commit;
the old one is kept under its own name, because older backups open with nothing else. A `Sealer` tries all of them, so
that whatever step the machine stops at, every secret opens; the next rotation goes on with the key that waits.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from domain.clock import Instant, to_datetime
from domain.results import Refused
from domain.words import _
from store.database import Store, Tx
from store.files import put_file, settle_folder, write_new
from store.sealing import KeyMissing, Sealer, WrongKey, waiting_key


class Rotated(Struct, frozen=True):
    """How many secrets were sealed anew, where the key is, and where the old one is kept."""

    secrets: int
    key_file: Path
    old: Path


async def rotate(store: Store, step: Callable[[str], object] = lambda _name: None) -> Rotated | Refused:
    """Seal every secret under a new key. Refused when one of them does not open; nothing was changed then.

    A key that waits already is gone on with and never deleted: what was sealed last may open with nothing else.
    """
    file = store.place.key_file
    if not file.exists():
        return Refused("key_missing", _("The key file {file} is missing.").format(file=file))
    new, made = waiting_key(file), False
    with suppress(FileExistsError):
        write_new(new, AESGCM.generate_key(256))
        made = True
    step("made")
    old, fresh = Sealer(file), Sealer(new)

    async def work(tx: Tx) -> int:
        lock = " FOR NO KEY UPDATE" if tx.dialect == "postgresql" else ""
        rows = await tx.rows(f"SELECT account, field, sealed FROM secret ORDER BY account, field{lock}")
        sealed = [
            {
                "a": row.account,
                "f": row.field,
                "sealed": fresh.seal(row.account, row.field, old.open(row.account, row.field, bytes(row.sealed))),
                "id": fresh.key_id,
            }
            for row in rows
        ]
        await tx.many("UPDATE secret SET sealed = :sealed, key_id = :id WHERE account = :a AND field = :f", sealed)
        step("sealed")
        return len(rows)

    try:
        count = await store.retrying(work)
    except (KeyMissing, WrongKey) as error:
        if made:
            new.unlink(missing_ok=True)
        return Refused("key_missing", str(error))
    step("committed")
    kept = put_key(file, new.read_bytes(), store.clock(), step)
    new.unlink(missing_ok=True)
    settle_folder(file.parent)
    return Rotated(count, file, kept)


def put_key(file: Path, key: bytes, at: Instant, step: Callable[[str], object] = lambda _name: None) -> Path:
    """Let `key` be what is in the key file; another key that was there is kept beside it, and its file returned."""
    kept = file
    if file.exists():
        if file.read_bytes() == key:
            return file
        kept = _kept(file, at)
        step("kept")
    put_file(file, key)
    step("placed")
    return kept


def _kept(file: Path, at: Instant) -> Path:
    """Keep a key under the next free name of its own; sorted by name is sorted by time."""
    number = 0
    while True:
        kept = file.with_name(f"{file.name}.old-{to_datetime(at):%Y%m%d-%H%M%S}{f'-{number}' if number else ''}")
        try:
            write_new(kept, file.read_bytes())
        except FileExistsError:
            number += 1
        else:
            return kept
