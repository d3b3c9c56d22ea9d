"""The transactional outbox: effects on third parties, claimed under a fence, recorded once."""

from collections.abc import Collection, Sequence
from typing import Any

from msgspec import Struct

from domain.clock import Instant
from domain.enums import EffectState, Flag, Op, Stage
from store.database import Tx, from_json
from store.remembered import note

LOOK_FIRST = "look_first"


class Effect(Struct, frozen=True):
    """One claimed effect. `unknown`: an earlier try may have acted, so it must be read back first."""

    id: int
    key: str
    account: str
    op: Op
    shipment_id: int | None
    order_id: int | None
    waybill_id: int | None
    batch_id: int | None
    payload: dict[str, Any]
    unknown: bool
    attempts: int
    looks: int
    unknown_since: Instant | None
    created_at: Instant = 0
    code: str = ""
    """`accepted` on a queued effect: the third party has taken it over, the next step is to look, not to act.

    `look_first`: this database was restored, and what it stands for may have been done before; it is claimed as unknown.
    """


_SETTLED_BEFORE = """NOT EXISTS (SELECT 1 FROM effect p WHERE p.shipment_id = e.shipment_id AND p.id < e.id
    AND p.op <> 'print' AND p.state IN ('queued', 'running', 'unknown'))"""

# Voids and checks settle by themselves what holds them back; a poll of something accepted only listens.
_NOT_WAITING = f"""(e.state <> 'queued' OR e.op IN ('{Op.VOID_WAYBILL.value}', '{Op.CHECK.value}') OR e.code = 'accepted'
    OR e.shipment_id IS NULL OR NOT EXISTS (
    SELECT 1 FROM shipment s WHERE s.id = e.shipment_id AND (s.hold_reason <> ''
        OR (s.stage < {int(Stage.SHIPPED)} AND (s.flags & {int(Flag.AFTER_SALE)}) <> 0))))"""

_DUE = f"""e.account = :account AND e.state IN ('queued', 'running', 'unknown') AND e.due_at <= :now
    AND NOT (e.state = 'running' AND e.fence = :fence) AND {_SETTLED_BEFORE} AND {_NOT_WAITING}"""


async def due_accounts(tx: Tx, accounts: Sequence[str]) -> list[str]:
    """Which of `accounts` have a due effect, and are neither paused nor in their back-off."""
    # Asked every second, of twenty accounts or more: in two ways there and back, not in two for each.
    health = "SELECT account FROM account_health WHERE account IN :accounts AND retry_at > :now"
    resting = {row.account for row in await tx.rows(health, accounts=list(accounts), now=tx.now)}
    asked = [account for account in accounts if account not in resting]
    due = f"SELECT 1 FROM effect e WHERE {_DUE} LIMIT 1"
    found = await tx.each(*((due, {"account": account, "now": tx.now, "fence": -1}) for account in asked))
    return [account for account, rows in zip(asked, found, strict=True) if rows]


async def claim(tx: Tx, account: str, fence: int, limit: int, busy: Sequence[int] = ()) -> list[Effect]:
    """Claim due effects of an account, oldest first; `busy` are ids this process has in hand already.

    Effects of one shipment come in order; a hold or an open after-sale case keeps queued ones back. A `running` effect
    of an earlier fence belonged to a process that died or lost its lease: its outcome is unknown.
    """
    lock = " FOR NO KEY UPDATE OF e SKIP LOCKED" if tx.dialect == "postgresql" else ""
    rows = await tx.rows(
        f"""SELECT e.* FROM effect e WHERE {_DUE} AND NOT (e.id IN :busy)
            ORDER BY e.due_at, e.id LIMIT :limit{lock}""",
        account=account,
        now=tx.now,
        fence=fence,
        busy=list(busy),
        limit=limit,
    )
    claimed = [
        Effect(
            r.id,
            r.key,
            r.account,
            Op(r.op),
            r.shipment_id,
            r.order_id,
            r.waybill_id,
            r.batch_id,
            from_json(r.payload),
            r.state != EffectState.QUEUED.value or r.code == LOOK_FIRST,
            r.attempts,
            r.looks,
            r.unknown_since,
            r.created_at,
            r.code,
        )
        for r in rows
    ]
    fresh = [e.id for e in claimed if not e.unknown]
    if fresh:
        await tx.do(
            """UPDATE effect SET state = 'running', fence = :fence, attempts = attempts + 1, started_at = :now
               WHERE id IN :ids""",
            fence=fence,
            now=tx.now,
            ids=fresh,
        )
    looking = [e.id for e in claimed if e.unknown]
    if looking:
        await tx.do(
            """UPDATE effect SET state = 'unknown', fence = :fence, looks = looks + 1,
                   unknown_since = coalesce(unknown_since, started_at, :now) WHERE id IN :ids""",
            fence=fence,
            now=tx.now,
            ids=looking,
        )
    return claimed


async def settle(
    tx: Tx,
    effect: Effect,
    fence: int,
    state: EffectState,
    *,
    code: str = "",
    message: str = "",
    due_at: Instant | None = None,
    reset_looks: bool = False,
) -> bool:
    """Record what became of a claimed effect; False when another process has taken it over since (write nothing)."""
    ended = state in {EffectState.DONE, EffectState.FAILED, EffectState.WITHDRAWN, EffectState.PARKED}
    touched = await tx.run(
        """UPDATE effect SET state = :state, code = :code, message = :message, due_at = :due, ended_at = :ended,
               unknown_since = CASE WHEN :unknown = 1 THEN coalesce(unknown_since, :now) ELSE NULL END,
               looks = CASE WHEN :reset = 1 THEN 0 ELSE looks END
           WHERE id = :id AND fence = :fence AND state IN ('running', 'unknown')""",
        state=state.value,
        code=code,
        message=message[:1000],
        due=due_at if due_at is not None else tx.now,
        ended=tx.now if ended else None,
        unknown=int(state is EffectState.UNKNOWN),
        now=tx.now,
        reset=int(reset_looks),
        id=effect.id,
        fence=fence,
    )
    return touched == 1


async def healthy(tx: Tx, account: str) -> None:
    """An account answered well: clear its failures."""
    await tx.do(
        """INSERT INTO account_health (account, fails, ok_at) VALUES (:a, 0, :now)
           ON CONFLICT (account) DO UPDATE SET fails = 0, retry_at = NULL, paused_code = '', message = '', ok_at = :now""",
        a=account,
        now=tx.now,
    )


async def note_skew(tx: Tx, account: str, skew_ms: int) -> None:
    """Remember that an account's clock is off ours, for the doctor; 0 forgets it."""
    key = f"skew:{account}"
    known = await tx.value("SELECT value FROM meta WHERE key = :k", k=key)
    if known is not None and not skew_ms:
        await tx.do("DELETE FROM meta WHERE key = :k", k=key)
    elif skew_ms and (known is None or abs(int(known) - skew_ms) > 10_000):
        await note(tx, key, str(skew_ms))


async def failing(tx: Tx, account: str, code: str, message: str, *, paused: bool) -> int:
    """An account failed: back off (never longer than 15 minutes), or pause it until its credentials are checked.

    Returns the milliseconds until it is tried again. A paused account is probed at the same pace, so that it goes on by
    itself once it works.
    """
    fails = 1 + int(await tx.value("SELECT fails FROM account_health WHERE account = :a", a=account) or 0)
    wait = min(15 * 60_000, 1_000 * 2 ** min(fails, 10)) if not paused else min(15 * 60_000, 30_000 * fails)
    await tx.do(
        """INSERT INTO account_health (account, fails, retry_at, paused_code, message)
           VALUES (:a, :fails, :retry, :code, :message)
           ON CONFLICT (account) DO UPDATE SET fails = :fails, retry_at = :retry, paused_code = :code, message = :message""",
        a=account,
        fails=fails,
        retry=tx.now + wait,
        code=code if paused or fails >= 5 else "",
        message=message[:500],
    )
    return wait


async def silent(tx: Tx, accounts: Sequence[str], codes: Collection[str]) -> set[str]:
    """Those of `accounts` that failed five times in a row or more, lately with one of `codes`, and are left alone now."""
    rows = await tx.rows(
        "SELECT account FROM account_health WHERE account IN :accounts AND paused_code IN :codes AND retry_at > :now",
        accounts=list(accounts),
        codes=sorted(codes),
        now=tx.now,
    )
    return {r.account for r in rows}


async def resume(tx: Tx, account: str) -> None:
    """Take an account out of its pause at once (its check succeeded, or a person asked)."""
    await tx.do(
        "UPDATE account_health SET fails = 0, retry_at = NULL, paused_code = '', message = '' WHERE account = :a",
        a=account,
    )


async def withdraw(tx: Tx, ids: Sequence[int], code: str = "") -> None:
    """End effects that have not been sent; the caller has read in this transaction that they are queued."""
    await tx.do(
        "UPDATE effect SET state = 'withdrawn', code = :code, ended_at = :now WHERE id IN :ids",
        ids=list(ids),
        code=code,
        now=tx.now,
    )


async def falls_due_within(tx: Tx, ms: int) -> bool:
    """Does any effect fall due so soon by itself? What a third party has accepted may take its time and does not count,
    nor what a hold keeps back, nor what an account in a longer back-off cannot do."""
    found = await tx.value(
        f"""SELECT 1 FROM effect e WHERE e.state IN ('queued', 'running', 'unknown') AND e.code <> 'accepted'
           AND e.due_at < :soon AND {_SETTLED_BEFORE} AND {_NOT_WAITING} AND NOT EXISTS (
               SELECT 1 FROM account_health h WHERE h.account = e.account AND h.retry_at >= :soon) LIMIT 1""",
        soon=tx.now + ms,
    )
    return found is not None


class Sent(Struct, frozen=True):
    """What of a batch's effects cannot be taken back: shipments whose effects were begun, and whether it printed."""

    shipments: frozenset[int]
    printed: bool


async def sent_by(tx: Tx, batch_id: int) -> Sent:
    """What a batch has had done outside."""
    begun = await tx.rows(
        """SELECT shipment_id FROM effect WHERE batch_id = :b AND state NOT IN ('queued', 'withdrawn')
           AND shipment_id IS NOT NULL""",
        b=batch_id,
    )
    printed = await tx.value("SELECT 1 FROM effect WHERE batch_id = :b AND op = 'print' LIMIT 1", b=batch_id)
    return Sent(frozenset(r.shipment_id for r in begun), printed is not None)
