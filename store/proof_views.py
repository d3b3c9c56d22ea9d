"""What proofs say, for whoever only reads: each day of each shop, and what stands open."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from domain.clock import Instant
from store.views import Fetches

CANNOT_LIST = "cannot_list"
"""The code of a proof that says of all days of a shop that they cannot be proved: nothing that a person could mend."""


class Differs(Struct, frozen=True, array_like=True):
    """An order that platform and books do not agree about: `code` is its stable reason."""

    platform_order_id: str
    number: str
    code: str


class Proof(Struct, frozen=True):
    """One day of one shop. `until` = how far into the day it goes; `proved_at` None = never proved.

    `day` '' says of all of them that they cannot be proved (`CANNOT_LIST`).
    `listed` = `held` + `excluded` + `abnormal` + `missing`; `strangers` are held beside what the platform lists.
    `code` says why the last attempt proved nothing; the figures are then those of the proof before it.
    """

    shop_id: int
    shop: str
    day: str
    until: Instant = 0
    listed: int = 0
    held: int = 0
    excluded: int = 0
    abnormal: int = 0
    missing: int = 0
    strangers: int = 0
    reasons: Mapping[str, Mapping[str, int]] = {}
    differing: tuple[Differs, ...] = ()
    proved_at: Instant | None = None
    tried_at: Instant = 0
    code: str = ""
    message: str = ""

    @property
    def complete(self) -> bool:
        """Proved, and nothing differs."""
        return not self.code and self.proved_at is not None and not self.differing


async def listing(reader: Fetches, limit: int = 1_000) -> list[Proof]:
    """The newest days of every bound shop: the newest day first, shops by name."""
    rows = await reader.fetch(
        f"""SELECT p.*, sh.name AS shop FROM proof p JOIN shop sh ON sh.id = p.shop_id WHERE sh.bound = 1
            ORDER BY p.day DESC, sh.name LIMIT {int(limit)}"""
    )
    return [proof_of(r) for r in rows]


def proof_of(row: Mapping[str, Any]) -> Proof:
    """A row as a proof."""
    found = {**row, "reasons": msgspec.json.decode(row["reasons"]), "differing": msgspec.json.decode(row["differing"])}
    return msgspec.convert(found, Proof)


class Open(Struct, frozen=True):
    """What no proof has explained yet, over all bound shops."""

    orders: int = 0
    """Orders that differ."""
    unproved: int = 0
    """Days whose last attempt proved nothing."""


async def open_ones(reader: Fetches) -> Open:
    """What stands open; answered by an index that holds only that."""
    rows = await reader.fetch(
        f"""SELECT CAST(coalesce(sum(p.missing + p.strangers), 0) AS bigint) AS orders,
               CAST(coalesce(sum(CASE WHEN p.code NOT IN ('', '{CANNOT_LIST}') THEN 1 ELSE 0 END), 0) AS bigint) AS unproved
           FROM shop sh CROSS JOIN proof p
           WHERE sh.bound = 1 AND p.shop_id = sh.id AND (p.code <> '' OR p.missing + p.strangers > 0)"""
    )
    return Open(**{name: int(n) for name, n in rows[0].items()})
