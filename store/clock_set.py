"""A clock that was put back: what had been written by it is due too late, and is made due again.

A machine that ran hours fast until it was put right leaves due times hours away: nothing would be read or sent, and
nothing would look late, until the clock has caught up with them.
"""

from domain.clock import HOUR, MINUTE
from store.database import Tx

SLACK_MS = MINUTE
"""A clock that is off by less is of no account here."""
LONGEST_PAUSE_MS = 15 * MINUTE
"""No account is left alone for longer (`store.outbox.failing`)."""


async def is_behind(tx: Tx) -> bool:
    """Has somebody written here by a clock that was over a minute ahead of ours?"""
    event = await tx.value("SELECT max(at) FROM event WHERE id > (SELECT max(id) - 100 FROM event)")
    sync = await tx.value("SELECT max(started_at) FROM sync_task")
    return max(event or 0, sync or 0) > tx.now + SLACK_MS


async def make_due(tx: Tx) -> int:
    """Make everything due now that waits for longer than it can by itself; how many syncs and effects that were.

    A third party's own word (`Retry-After`, when to ask again) may reach far; only what was begun in the future is
    certainly wrong. What an unknown effect has waited is not known any more, so that its settle time begins anew.
    """
    syncs = await tx.run(
        "UPDATE sync_task SET due_at = :now WHERE due_at - every_ms > :soon", now=tx.now, soon=tx.now + SLACK_MS
    )
    effects = await tx.run(
        """UPDATE effect SET due_at = :now,
               unknown_since = CASE WHEN unknown_since > :now THEN CAST(:now AS bigint) ELSE unknown_since END
           WHERE state IN ('queued', 'running', 'unknown')
             AND (created_at > :soon OR started_at > :soon OR unknown_since > :soon)""",
        now=tx.now,
        soon=tx.now + SLACK_MS,
    )
    await tx.do(
        "UPDATE account_health SET retry_at = :now WHERE retry_at > :late", now=tx.now, late=tx.now + LONGEST_PAUSE_MS
    )
    await tx.do(
        """UPDATE stock_push SET due_at = CASE WHEN due_at > :late THEN CAST(:now AS bigint) ELSE due_at END,
               sent_at = CASE WHEN sent_at > :now THEN CAST(:now AS bigint) ELSE sent_at END,
               unsure_at = CASE WHEN unsure_at > :now THEN CAST(:now AS bigint) ELSE unsure_at END
           WHERE due_at > :late OR sent_at > :soon OR unsure_at > :soon""",
        now=tx.now,
        soon=tx.now + SLACK_MS,
        late=tx.now + HOUR,
    )
    return syncs + effects
