"""What a database remembers of its backups, in `meta`.

`backup_keep` (how many of the newest are kept), `backup_second` (a folder off this machine), `backup_night` (when the last
night's was made), `backup_second_at` (when the newest copy there was made), `backup_failed` (why there is none).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from domain.clock import DAY, Instant
from store.views import Fetches

if TYPE_CHECKING:
    from store.database import Tx

KEEP = 14
"""How many of the newest are kept unless a person says otherwise."""
OLD_MS = DAY
"""A copy off this machine that is older than this is named."""


class Remembered(Struct, frozen=True):
    """What the database remembers of its backups; instants are 0 where there was none."""

    keep: int = KEEP
    second: str = ""
    night: Instant = 0
    second_at: Instant = 0
    failed: str = ""

    def copy_old(self, now: Instant) -> bool:
        """Is there a second place whose newest copy is older than a day?"""
        return bool(self.second) and now - self.second_at > OLD_MS


_KNOWN = "SELECT key, value FROM meta WHERE key LIKE 'backup_%'"


async def remembered(tx: "Tx") -> Remembered:
    """What is remembered, in a transaction."""
    return remembered_of({row.key: row.value for row in await tx.rows(_KNOWN)})


async def read(reads: Fetches) -> Remembered:
    """What is remembered, through a reader."""
    return remembered_of({row["key"]: row["value"] for row in await reads.fetch(_KNOWN)})


def remembered_of(kept: Mapping[str, str]) -> Remembered:
    """What these rows of `meta` say."""

    def number(name: str, otherwise: int) -> int:
        text = kept.get(name, "")
        return int(text) if text.isdecimal() else otherwise

    return Remembered(
        number("backup_keep", KEEP),
        kept.get("backup_second", ""),
        number("backup_night", 0),
        number("backup_second_at", 0),
        kept.get("backup_failed", ""),
    )


async def note(tx: "Tx", key: str, value: str) -> None:
    """Keep a fact in `meta`."""
    await tx.do(
        "INSERT INTO meta (key, value) VALUES (:k, :v) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        k=key,
        v=value,
    )


async def remember(tx: "Tx", **values: str | int) -> None:
    """Keep facts under their names (`night`, `second`, …); an empty text forgets one."""
    for name, value in values.items():
        if value == "":
            await tx.do("DELETE FROM meta WHERE key = :k", k=f"backup_{name}")
        else:
            await note(tx, f"backup_{name}", str(value))
