"""The outbox at work: claims an account's due effects, acts, and records each result once (design §4).

One runner serves one account under one lease. What may have acted is read back before anything is tried again; what an
operation declares decides how. Kinds of effects plug in as handlers; each step of a runner passes `step(...)`, so that
tests can stop or kill the process at any of them.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct
from sqlalchemy.exc import DBAPIError

from connectors.contract import Repeat
from connectors.http import WireError, turned_away
from connectors.registry import NoConnector
from domain.clock import MINUTE, SECOND
from domain.enums import EffectState, Op
from domain.results import Accepted, NotActed, NotFound, Refused, Unauthorised, Unknown
from domain.words import _
from pipeline.base import Pipeline
from pipeline.steps import step
from store import leases, outbox
from store.database import Tx, is_passing
from store.outbox import Effect

log = logging.getLogger("shipdeck.effects")

LEASE_MS = 120 * SECOND
MAX_IN_HAND = 40
CIRCUIT_MS = 32 * SECOND
"""A back-off this long means five failures in a row: the runner stops and the account says so."""
TROUBLE = {"unreachable", "unavailable", "server_error", "timeout", "cut_off", "not_understood", "not_json"}
"""Failures of the account itself, not of what was asked."""
ACCEPTED_STEPS = (5 * SECOND, 15 * SECOND, 60 * SECOND, 5 * MINUTE, 10 * MINUTE)
"""How often a result that comes later is asked for, where the third party names no time itself."""
GIVE_UP_MS = 24 * 60 * MINUTE

Outcome = Any
"""One of the result types of `domain.results`, or what the connector's operation returns on success."""


class Job(Struct):
    """An effect with whatever its handler prepared to act on it (None: nothing is left to act on)."""

    effect: Effect
    prepared: Any


class Settled(Struct):
    """An effect whose outcome is being recorded, with the state it takes."""

    job: Job
    state: EffectState
    outcome: Outcome


class Handler(Protocol):
    """One kind of effect. `act` and `look` answer one outcome per job; what follows from it is written by `record`."""

    op: Op
    group: int
    """Effects per call, where the third party takes many at once."""

    async def prepare(self, p: Pipeline, tx: Tx, effects: Sequence[Effect]) -> list[Job]:
        """Read what acting needs. Personal data is read here, from its own tables, and goes nowhere else."""

    async def act(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Do it, once."""

    async def look(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Read back whether it was done."""

    async def record(self, p: Pipeline, tx: Tx, settled: Sequence["Settled"]) -> None:
        """Write what the outcomes mean for the shipments, in the transaction that settles the effects."""

    def repeat(self, p: Pipeline, account: str, kind: str) -> tuple[Repeat, int]:
        """What makes a repetition safe for this account, and the settle time in ms."""


class Held:
    """A lease this process holds over an account, renewed until `release()`; `lost` once another has taken it."""

    def __init__(self, p: Pipeline, account: str, owner: str, fence: int) -> None:
        self.p, self.account, self.owner, self.fence = p, account, owner, fence
        self.lost = False
        self.until = p.clock() + LEASE_MS
        self._renewing = asyncio.create_task(self._renew())

    @classmethod
    async def take(cls, p: Pipeline, account: str, owner: str) -> "Held | None":
        """Take the lease of an account, or None while somebody else holds it."""
        async with p.store.transaction() as tx:
            fence = await leases.take(tx, account, owner, LEASE_MS)
        return None if fence is None else cls(p, account, owner, fence)

    async def release(self) -> None:
        """Give it back."""
        self._renewing.cancel()
        async with self.p.store.transaction() as tx:
            await leases.give_back(tx, self.account, self.owner, self.fence)

    def outlasts(self, timeout_ms: int) -> bool:
        """Just before sending: will the lease still be ours when the call has timed out at the latest?"""
        return not self.lost and self.p.clock() + timeout_ms < self.until

    async def _renew(self) -> None:
        while not self.lost:
            await asyncio.sleep(LEASE_MS / 1000 / 4)
            try:
                async with self.p.store.transaction() as tx:
                    if await leases.renew(tx, self.account, self.owner, self.fence, LEASE_MS):
                        self.until = tx.now + LEASE_MS
                    else:
                        self.lost = True
                        log.warning("lease of %s was lost", self.account)
            except (OSError, DBAPIError) as error:
                log.warning("lease of %s could not be renewed: %s", self.account, type(error).__name__)


class AccountRunner:
    """Serves the due effects of one account until nothing is due, the lease is lost, or `stop` is set."""

    def __init__(self, p: Pipeline, held: Held, handlers: dict[Op, Handler], stop: asyncio.Event) -> None:
        self.p, self.held, self.account, self.fence = p, held, held.account, held.fence
        self.handlers, self.stop = handlers, stop
        self._in_hand: dict[asyncio.Task[list[tuple[Job, bool, Outcome]]], list[Effect]] = {}
        self._halted = False
        self._troubled = True
        self._random = random.Random()
        self.settled = 0

    def may_send(self) -> bool:
        """Just before sending: the lease must outlast the call's time-out."""
        http = self.p.http_of(self.account)
        return self.held.outlasts(int((http.timeout_s if http else 30) * 1000))

    async def run(self) -> None:
        """Work until the account has nothing due."""
        try:
            await self.p.ensure(self.account)
            http = self.p.http_of(self.account)
            if http is not None:
                http.may_send = self.may_send
            while not (self.held.lost or self._halted):
                claimed = [] if self.stop.is_set() else await self._claim()
                if not claimed and not self._in_hand:
                    return
                for op, looking, jobs in self._groups(await self._prepare(claimed)):
                    task = asyncio.create_task(self._work(op, looking, jobs))
                    self._in_hand[task] = [j.effect for j in jobs]
                if self._in_hand:
                    await self._record_finished()
        finally:
            while self._in_hand and not self.held.lost:
                await self._record_finished()
            for task in self._in_hand:
                task.cancel()

    async def _claim(self) -> list[Effect]:
        room = MAX_IN_HAND - sum(len(g) for g in self._in_hand.values())
        if room <= MAX_IN_HAND // 4 and self._in_hand:
            return []
        busy = [e.id for group in self._in_hand.values() for e in group]

        async def work(tx: Tx) -> list[Effect]:
            if not await leases.holds(tx, self.account, self.fence):
                self.held.lost = True
                return []
            return await outbox.claim(tx, self.account, self.fence, room, busy)

        claimed = await self.p.store.retrying(work)
        step("effect.claimed")
        return claimed

    async def _prepare(self, claimed: Sequence[Effect]) -> list[Job]:
        """Read what all of them need in one transaction."""
        jobs: list[Job] = []
        if claimed:
            async with self.p.store.reading() as tx:
                for op in {e.op for e in claimed}:
                    jobs.extend(await self.handlers[op].prepare(self.p, tx, [e for e in claimed if e.op is op]))
        return jobs

    def _groups(self, jobs: Sequence[Job]) -> list[tuple[Op, bool, list[Job]]]:
        """Jobs that may be acted on (or looked at) by one call."""
        groups: list[tuple[Op, bool, list[Job]]] = []
        for op in Op:
            for looking in (False, True):
                mine = [
                    j
                    for j in jobs
                    if j.effect.op is op and (j.effect.unknown or j.effect.code == "accepted") is looking
                ]
                size = self.handlers[op].group if op in self.handlers else 1
                groups.extend((op, looking, mine[i : i + size]) for i in range(0, len(mine), size))
        return groups

    async def _work(self, op: Op, looking: bool, jobs: list[Job]) -> list[tuple[Job, bool, Outcome]]:
        handler = self.handlers[op]
        try:
            ready = [j for j in jobs if j.prepared is not None]
            nothing = Refused("nothing_to_do", _("What it was for is no longer there."))
            gone = [(j, looking, nothing) for j in jobs if j.prepared is None]
            if not ready:
                return gone
            repeat, _settle = handler.repeat(self.p, self.account, op.value)
            step(f"{op.value}.before")
            if looking and repeat is Repeat.NEITHER and not all(j.effect.code == "accepted" for j in ready):
                outcomes: Sequence[Outcome] = [Unknown("cannot_look", _("Nobody can look this up."))] * len(ready)
            elif (looking and repeat is Repeat.READ_BACK) or any(j.effect.code == "accepted" for j in ready):
                outcomes = await handler.look(self.p, self.account, ready)
            else:
                outcomes = await handler.act(self.p, self.account, ready)
                looking = False
            step(f"{op.value}.after")
            return [*gone, *((j, looking, o) for j, o in zip(ready, outcomes, strict=True))]
        except WireError as error:
            return [(j, looking, error.outcome) for j in jobs]
        except NoConnector as error:
            return [(j, looking, NotActed("no_connector", str(error))) for j in jobs]
        except Exception as error:
            # A defect of ours must not look like an answer: whatever was sent is unknown until it is read back.
            if isinstance(error, DBAPIError) and is_passing(error):
                log.warning("effect %s of %s: the database does not answer", op.value, self.account)
            else:
                log.exception("effect %s of %s failed in our own code", op.value, self.account)
            return [(j, looking, Unknown("own_error", type(error).__name__)) for j in jobs]

    async def _record_finished(self) -> None:
        done, _pending = await asyncio.wait(self._in_hand, return_when=asyncio.FIRST_COMPLETED)
        if len(done) < len(self._in_hand):
            # Whatever ends within a blink is recorded in the same transaction.
            more, _pending = await asyncio.wait(set(self._in_hand) - done, timeout=0.004)
            done |= more
        results = [r for task in done for r in task.result()]
        for task in done:
            del self._in_hand[task]
        step("effect.acted")

        async def work(tx: Tx) -> int:
            by_op: dict[Op, list[Settled]] = {}
            for job, looking, outcome in results:
                settled = await self._settle(tx, job, looking, outcome)
                if settled is not None:
                    by_op.setdefault(job.effect.op, []).append(settled)
            for op, group in by_op.items():
                await self.handlers[op].record(self.p, tx, group)
            step("effect.writing")
            ended = {EffectState.DONE, EffectState.FAILED, EffectState.PARKED}
            return sum(s.state in ended for group in by_op.values() for s in group)

        if results:
            self.settled += await self.p.store.retrying(work)
        step("effect.recorded")

    async def _settle(self, tx: Tx, job: Job, looking: bool, outcome: Outcome) -> Settled | None:
        """Give one effect its next state; None when another worker has taken it over since."""
        handler, e = self.handlers[job.effect.op], job.effect
        repeat, settle_ms = handler.repeat(self.p, self.account, e.op.value)
        state, due, code, message = EffectState.DONE, tx.now, "", ""
        reset = False
        given_up = e.code == "accepted" and tx.now - e.created_at > GIVE_UP_MS
        if given_up and isinstance(outcome, Accepted | Unknown | NotFound):
            outcome = Unknown("number_late", _("Nothing has come for 24 hours: ask them, or abandon it."))
        repeated = e.unknown or (e.attempts > 0 and e.code != "looked_not_found")
        if repeated and isinstance(outcome, Refused) and turned_away(outcome) and e.op is not Op.CHECK:
            # An earlier try may have acted, and who turns this one away does not know of that one.
            outcome = Unauthorised(outcome.code, outcome.message)
        match outcome:
            case NotActed(code=code, message=message, retry_after_ms=wait):
                if e.op is Op.CHECK and code not in {"throttled", "lease_lost"}:
                    state = EffectState.FAILED
                else:
                    state = EffectState.UNKNOWN if looking and e.unknown else EffectState.QUEUED
                    due = tx.now + (wait if wait is not None else self._backoff(e.attempts + e.looks))
                if e.code == "accepted":
                    code = "accepted"
                await self._troubled_by(tx, code, message)
                if code in {"lease_lost", "no_connector"}:
                    self._halted = True
            case Unauthorised(code=code, message=message):
                state = EffectState.UNKNOWN if e.unknown and e.code != "accepted" else EffectState.QUEUED
                await outbox.failing(tx, self.account, code, message, paused=True)
                if e.code == "accepted":
                    code = "accepted"
                self._halted = True
            case Unknown(code=code, message=message) if given_up:
                state = EffectState.PARKED
            case Unknown(code=code, message=message):
                await self._troubled_by(tx, code, message)
                if repeat is Repeat.NEITHER:
                    state = EffectState.PARKED
                elif repeat is Repeat.HONOURS_KEY:
                    state, due = EffectState.QUEUED, tx.now + self._backoff(e.attempts)
                else:
                    state = EffectState.UNKNOWN
                    due = tx.now + min(settle_ms, self._backoff(e.looks))
                if e.code == "accepted":
                    state, code, due = EffectState.QUEUED, "accepted", tx.now + ACCEPTED_STEPS[-1]
            case NotFound():
                since = e.unknown_since or tx.now
                if e.code == "accepted":
                    state, code, due = EffectState.QUEUED, "accepted", tx.now + ACCEPTED_STEPS[-1]
                elif e.looks >= 2 and tx.now - since >= settle_ms:
                    state, reset = EffectState.QUEUED, True
                    code = "looked_not_found"
                else:
                    state, code = EffectState.UNKNOWN, "not_found_yet"
                    due = max(since + settle_ms, tx.now + min(settle_ms, SECOND))
            case Refused(code=code, message=message):
                state = EffectState.FAILED
            case Accepted(poll_at=poll_at):
                state, code = EffectState.QUEUED, "accepted"
                due = max(poll_at, tx.now)
                await self._answered_well(tx)
            case _:
                await self._answered_well(tx)
        if not await outbox.settle(tx, e, self.fence, state, code=code, message=message, due_at=due, reset_looks=reset):
            log.warning("effect %s was taken over by another worker; this result is not written", e.key)
            return None
        return Settled(job, state, outcome)

    async def _troubled_by(self, tx: Tx, code: str, message: str) -> None:
        """Count a failure of the account itself; one that keeps failing is left alone for a while."""
        if code in TROUBLE:
            self._troubled = True
            wait = await outbox.failing(tx, self.account, code, message, paused=False)
            self._halted = self._halted or wait >= CIRCUIT_MS

    async def _answered_well(self, tx: Tx) -> None:
        if self._troubled:
            await outbox.healthy(tx, self.account)
            self._troubled = False

    def _backoff(self, tries: int) -> int:
        """Full jitter, doubling, never longer than 15 minutes."""
        return int(self._random.uniform(0.5, 1.0) * min(15 * MINUTE, SECOND * 2 ** min(tries, 10)) / 2)
