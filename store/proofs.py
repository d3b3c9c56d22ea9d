"""Proofs: what a shop's platform said it had on a day, what of it is here, and which orders differ."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from domain.clock import Instant
from store import tables as t
from store.database import Tx, as_json
from store.proof_views import Differs, Proof


class Books(Struct, frozen=True):
    """What is here of the orders a platform listed, by platform id."""

    held: Mapping[str, int]
    """Our id of each order."""
    excluded: Mapping[str, str]
    abnormal: Mapping[str, str]


class HeldOrder(Struct, frozen=True):
    """An order of ours."""

    id: int
    platform_order_id: str
    number: str


async def books(tx: Tx, shop_id: int, platform_ids: Sequence[str]) -> Books:
    """Where these orders are with us: as orders, left out (by reason), abnormal (by code; put away ones too)."""
    named = {"s": shop_id, "ids": list(platform_ids)}
    which = "WHERE shop_id = :s AND platform_order_id IN :ids"
    held = await tx.rows(f"SELECT platform_order_id AS p, id FROM orders {which}", **named)
    out = await tx.rows(f"SELECT platform_order_id AS p, reason FROM left_out {which}", **named)
    bad = await tx.rows(f"SELECT platform_order_id AS p, code FROM abnormal {which} AND state <> 'solved'", **named)
    return Books({r.p: r.id for r in held}, {r.p: r.reason for r in out}, {r.p: r.code for r in bad})


async def held_between(tx: Tx, shop_id: int, since: Instant, before: Instant) -> list[HeldOrder]:
    """Orders of ours made in [since, before) that the platform has not deleted, as far as we know."""
    rows = await tx.rows(
        """SELECT id, platform_order_id, number FROM orders
           WHERE shop_id = :s AND created_at >= :a AND created_at < :b AND status <> 'deleted'""",
        s=shop_id,
        a=since,
        b=before,
    )
    return [HeldOrder(r.id, r.platform_order_id, r.number) for r in rows]


async def differing(tx: Tx, shop_id: int, day: str) -> tuple[Differs, ...]:
    """What the newest proof of a day found."""
    text = await tx.value("SELECT differing FROM proof WHERE shop_id = :s AND day = :d", s=shop_id, d=day)
    return msgspec.json.decode(text or "[]", type=tuple[Differs, ...])


async def keep(tx: Tx, proof: Proof) -> None:
    """Keep a day's proof in the place of the one before, and of the word that no day can be proved."""
    await tx.run("DELETE FROM proof WHERE shop_id = :s AND day = ''", s=proof.shop_id)
    row = {name: getattr(proof, name) for name in _KEPT}
    row |= {"reasons": as_json(proof.reasons), "differing": as_json(proof.differing)}
    row |= {"proved_at": tx.now, "tried_at": tx.now, "code": "", "message": ""}
    changed = ", ".join(f"{name} = excluded.{name}" for name in row if name not in {"shop_id", "day"})
    await tx.insert(t.proof, [row], tail=f"ON CONFLICT (shop_id, day) DO UPDATE SET {changed}")


async def note_failure(tx: Tx, shop_id: int, day: str, until: Instant, code: str, message: str) -> None:
    """A day could not be proved; what was proved of it before stays beside the reason."""
    row = {"shop_id": shop_id, "day": day, "until": until, "tried_at": tx.now, "code": code, "message": message[:500]}
    await tx.insert(
        t.proof,
        [row],
        tail="""ON CONFLICT (shop_id, day) DO UPDATE
                SET tried_at = excluded.tried_at, code = excluded.code, message = excluded.message""",
    )


_KEPT = ("shop_id", "day", "until", "listed", "held", "excluded", "abnormal", "missing", "strangers")
