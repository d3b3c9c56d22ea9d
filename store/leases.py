"""Leases with fences: one worker serves an account at a time, and a late one is found out when it writes."""

import os
import socket
import uuid
from collections.abc import Callable
from pathlib import Path

from domain.clock import Instant
from store.database import Tx


def new_owner() -> str:
    """A name for this process that no other one, now or later, has: host, pid, start, chance."""
    pid = os.getpid()
    return f"{socket.gethostname()}|{pid}|{_started(pid)}|{uuid.uuid4().hex[:8]}"


def _started(pid: int) -> str:
    """When a process started, in kernel ticks; '' where the system does not say (then only its absence counts)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_dead(owner: str) -> bool:
    """True when the owner was a process of this host that certainly no longer runs."""
    host, _, rest = owner.partition("|")
    pid, _, rest = rest.partition("|")
    started = rest.partition("|")[0]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    now = _started(int(pid))
    return bool(started and now and started != now) or _is_zombie(int(pid))


def _is_zombie(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
            in "ZX"
        )
    except (OSError, IndexError):
        return False


def _now_sql(tx: Tx) -> str:
    """The database's clock on PostgreSQL, where workers of several hosts meet; ours on SQLite."""
    return ":now" if tx.dialect == "sqlite" else "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"


async def take(tx: Tx, name: str, owner: str, ttl_ms: int) -> int | None:
    """Take a free, expired or orphaned lease; returns its fence, or None while somebody else holds it.

    Every taking raises the fence, so that whatever an earlier holder still writes can be told apart.
    """
    now = _now_sql(tx)
    params = {"name": name, "owner": owner, "ttl": ttl_ms}
    if tx.dialect == "sqlite":
        params["now"] = tx.now
    await tx.do(
        "INSERT INTO lease (name, owner, until, fence) VALUES (:name, '', 0, 0) ON CONFLICT (name) DO NOTHING",
        name=name,
    )
    taken = await tx.value(
        f"""UPDATE lease SET owner = :owner, until = {now} + :ttl, fence = fence + 1
            WHERE name = :name AND (until < {now} OR owner = '') RETURNING fence""",
        **params,
    )
    if taken is not None:
        return int(taken)
    held = await tx.row("SELECT owner, fence FROM lease WHERE name = :name", name=name)
    if held is None or not (is_dead(held.owner) or held.owner == owner):
        return None
    taken = await tx.value(
        f"""UPDATE lease SET owner = :owner, until = {now} + :ttl, fence = fence + 1
            WHERE name = :name AND owner = :old AND fence = :fence RETURNING fence""",
        **params,
        old=held.owner,
        fence=held.fence,
    )
    return None if taken is None else int(taken)


async def renew(tx: Tx, name: str, owner: str, fence: int, ttl_ms: int) -> bool:
    """Prolong a lease we hold; False when it was lost."""
    now = _now_sql(tx)
    params = {"now": tx.now} if tx.dialect == "sqlite" else {}
    touched = await tx.run(
        f"UPDATE lease SET until = {now} + :ttl WHERE name = :name AND owner = :owner AND fence = :fence",
        name=name,
        owner=owner,
        fence=fence,
        ttl=ttl_ms,
        **params,
    )
    return touched == 1


async def give_back(tx: Tx, name: str, owner: str, fence: int) -> None:
    """Let go of a lease; harmless when it was lost."""
    await tx.do(
        "UPDATE lease SET owner = '', until = 0 WHERE name = :name AND owner = :owner AND fence = :fence",
        name=name,
        owner=owner,
        fence=fence,
    )


async def drop(tx: Tx, name: str) -> None:
    """Forget a lease: what it guarded is over."""
    await tx.do("DELETE FROM lease WHERE name = :n", n=name)


async def holds(tx: Tx, name: str, fence: int) -> bool:
    """Is `fence` still the newest of this lease? Checked in the transaction that writes what was done under it."""
    return bool(await tx.value(_fence(tx), name=name) == fence)


async def guard(tx: Tx, name: str, fence: int, lost: Callable[[], Exception]) -> None:
    """The same where nothing else is to be done without it: `lost()` is raised no later than at the commit."""

    def check(newest: int | None) -> None:
        if newest != fence:
            raise lost()

    await tx.guard(check, _fence(tx), name=name)


def _fence(tx: Tx) -> str:
    lock = " FOR NO KEY UPDATE" if tx.dialect == "postgresql" else ""
    return f"SELECT fence FROM lease WHERE name = :name{lock}"


async def is_held(tx: Tx, name: str) -> bool:
    """Does a living process hold this lease right now?"""
    row = await tx.row("SELECT owner, until FROM lease WHERE name = :name", name=name)
    return row is not None and bool(row.owner) and row.until > tx.now and not is_dead(row.owner)


async def beat(tx: Tx, owner: str, started_at: Instant, version: str, kind: str = "worker") -> None:
    """Say that this worker (or `terminal`) lives."""
    host, pid = owner.split("|")[:2]
    await tx.do(
        """INSERT INTO worker (owner, host, pid, started_at, beat_at, version, kind)
           VALUES (:owner, :host, :pid, :started, :now, :version, :kind)
           ON CONFLICT (owner) DO UPDATE SET beat_at = excluded.beat_at""",
        owner=owner,
        host=host,
        pid=int(pid),
        started=started_at,
        now=tx.now,
        version=version,
        kind=kind,
    )


async def leave(tx: Tx, owner: str) -> None:
    """Take this worker off the list."""
    await tx.do("DELETE FROM worker WHERE owner = :owner", owner=owner)


async def forget_workers(tx: Tx, silent_ms: int) -> None:
    """Take workers off the list that have not been heard of for so long."""
    await tx.do("DELETE FROM worker WHERE beat_at < :old", old=tx.now - silent_ms)


async def living_workers(tx: Tx, within_ms: int = 15_000) -> list[str]:
    """Workers that said so lately and are not certainly dead. One that said so in the future spoke by a clock that was
    put back since, and is none."""
    rows = await tx.rows(
        "SELECT owner FROM worker WHERE kind = 'worker' AND beat_at > :since AND beat_at < :until",
        since=tx.now - within_ms,
        until=tx.now + within_ms,
    )
    return [r.owner for r in rows if not is_dead(r.owner)]
