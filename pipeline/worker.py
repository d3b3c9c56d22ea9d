"""The worker: everything slow. Ticks, finds what is due, serves each account under its lease, works off batches.

APScheduler is only the ticker, with its memory store; due times, cursors and leases are rows of ours, so that several
workers, a restart and a manual "now" all take the same path.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.metadata import version

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.exc import DBAPIError

from connectors.http import WireError
from connectors.registry import NoConnector
from domain.clock import MINUTE, SECOND, elapsed
from domain.enums import Op
from domain.results import Unauthorised
from domain.words import _
from pipeline import (
    backing_up,
    completeness,
    erasing,
    printing,
    rereading,
    restoring,
    ship,
    stock_pushing,
    waybills,
    webhooks,
)
from pipeline.base import Pipeline
from pipeline.commands import work_off
from pipeline.effects import AccountRunner, Handler, Held
from pipeline.steps import step
from pipeline.sync import OrderSync, SyncStopped, sync_products
from store import accounts, batches, clock_set, leases, outbox, restored
from store.counters import fold_counters
from store.database import is_passing
from store.reader import Watch
from store.restored import READ_ORDERS
from store.schema import TooNew
from store.sealing import KeyMissing, WrongKey
from store.upgrade import still_fits

log = logging.getLogger("shipdeck.worker")

TICK_S = 1.0
PATIENCE_S = 3.0
"""After so long without a tick the worker looks by itself: the scheduler waits for a clock that may have been put back."""
POLL_S = 0.2
"""How often a worker asks SQLite whether somebody has committed: a waking costs more than the question."""
SKEW_MS = MINUTE
"""A clock that is off by more is named by the doctor."""
FINISH_S = 30.0
"""How long a worker that is asked to finish still serves what is due, beyond its jobs."""

HANDLERS: dict[Op, Handler] = {h.op: h for h in (*waybills.HANDLERS, *ship.HANDLERS, *printing.HANDLERS)}


class Worker:
    """One worker process. `run()` returns when `stop` was asked for and everything in hand has settled."""

    def __init__(self, p: Pipeline) -> None:
        self.p = p
        self.owner = leases.new_owner()
        self.started_at = p.clock()
        self._version = version("shipdeck")
        self.stop = asyncio.Event()
        self._wake = asyncio.Event()
        self._finish_by: float | None = None
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._idle_since: float | None = None
        self._ahead_ms: int | None = None
        """How far our clock was ahead of time as it passes, when last looked at."""

    def ask_to_stop(self) -> None:
        """Drain: claim nothing new, finish what is in hand."""
        self.stop.set()
        self._wake.set()

    def ask_to_finish(self) -> None:
        """Finish the jobs and, for half a minute at most, what is due now; then stop."""
        self._finish_by = time.monotonic() + FINISH_S
        self._wake.set()

    async def run(self, *, until_idle: bool = False) -> None:
        """Work until asked to stop (or, with `until_idle`, until nothing is due or waiting)."""
        scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        scheduler.add_job(self._on_tick, "interval", seconds=TICK_S, id="tick")
        scheduler.add_job(self._until_stopped, "interval", seconds=5, id="beat", args=(self._beat,))
        scheduler.add_job(self._until_stopped, "interval", seconds=300, id="tidy", args=(self._tidy,))
        scheduler.start()
        listening = asyncio.create_task(self._listen())
        try:
            await self._beat()
            while not self.stop.is_set():
                self._wake.clear()
                try:
                    if await self._clock_was_put_back():
                        for job in scheduler.get_jobs():
                            # Its own next times lie as far ahead.
                            job.modify(next_run_time=datetime.now(UTC))
                    busy = await self.tick()
                    if until_idle and not busy and not self._serving and not await self._anything_waiting():
                        break
                    if await self._finished(busy):
                        break
                except (OSError, DBAPIError) as error:
                    if not is_passing(error):
                        raise
                    log.warning("the database does not answer: %s; trying again", type(error).__name__)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), PATIENCE_S)
        finally:
            self.stop.set()
            scheduler.shutdown(wait=False)
            listening.cancel()
            if self._serving:
                await asyncio.wait(self._serving.values(), timeout=60)
            for task in self._serving.values():
                task.cancel()
            await self.p.store.retrying(lambda tx: leases.leave(tx, self.owner))
            await self.p.store.checkpoint()

    async def _until_stopped(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what the scheduler asks for. Cut off at the end it is no failure, which the scheduler would log as one."""
        try:
            await work()
        except asyncio.CancelledError:
            if not self.stop.is_set():
                raise

    async def _on_tick(self) -> None:
        self._wake.set()

    async def _clock_was_put_back(self) -> bool:
        """Was it, since we looked last, or before we began? Then what is due too late is made due."""
        ahead, before = self.p.clock() - elapsed(), self._ahead_ms
        if before is not None and before - ahead < clock_set.SLACK_MS:
            self._ahead_ms = max(before, ahead)
            return False
        async with self.p.store.transaction() as tx:
            behind = before is not None or await clock_set.is_behind(tx)
            again = await clock_set.make_due(tx) if behind else 0
        self._ahead_ms = ahead
        if behind:
            log.warning("the clock was put back: %d syncs and effects that waited for it are due now", again)
        return before is not None

    async def _beat(self) -> None:
        try:
            async with self.p.store.transaction() as tx:
                await still_fits(tx)
                await leases.beat(tx, self.owner, self.started_at, self._version)
        except TooNew as error:
            log.error("%s", error)
            self.ask_to_stop()

    async def _tidy(self) -> None:
        """Everything that is due now and then; what fails is said and tried again, and stops nothing beside it."""
        for part in (self._back_up, self._fold, self.p.store.checkpoint, self._erase):
            try:
                await part()
            except Exception:
                log.exception("tidying up: %s failed", part.__name__.strip("_"))

    async def _back_up(self) -> None:
        """Before people are erased: what that should not have taken is in the night's backup."""
        await backing_up.nightly(self.p, self.owner)

    async def _fold(self) -> None:
        """Fold PostgreSQL's counter deltas, forget dead workers."""
        async with self.p.store.transaction() as tx:
            await fold_counters(tx)
            await leases.forget_workers(tx, 60 * MINUTE)

    async def _erase(self) -> None:
        await erasing.daily(self.p)

    async def _listen(self) -> None:
        """Wake up as soon as another process has committed something."""
        if self.p.store.dialect == "postgresql":
            await self._listen_postgresql()
            return
        with Watch(self.p.store.place) as watch:
            while True:
                await asyncio.sleep(POLL_S)
                if watch.changed():
                    self._wake.set()

    async def _listen_postgresql(self) -> None:
        import asyncpg

        while True:
            try:
                connection = await asyncpg.connect(self.p.store.place.url)
                try:
                    await connection.add_listener("shipdeck", lambda *_a: self._wake.set())
                    self._wake.set()
                    closed = asyncio.Event()
                    connection.add_termination_listener(lambda _c, e=closed: e.set())
                    await closed.wait()
                finally:
                    await connection.close()
            except (OSError, asyncpg.PostgresError) as error:
                log.warning("not listening: %s", type(error).__name__)
                await asyncio.sleep(TICK_S)

    # -------------------------------------------------------------- what is due

    async def tick(self) -> bool:
        """Start serving whatever is due; True when something was started."""
        for account in [a for a, t in self._serving.items() if t.done()]:
            task = self._serving.pop(account)
            if not task.cancelled() and task.exception() is not None:
                log.error("serving %s failed", account, exc_info=task.exception())
        await stock_pushing.take_note(self.p)
        due: dict[str, None] = {}
        async with self.p.store.reading() as tx:
            for task_row in await accounts.due_tasks(tx):
                due[task_row.account] = None
            for account in await outbox.due_accounts(tx, await accounts.served_on(tx, socket.gethostname())):
                due[account] = None
            for account in (*await restored.carriers_to_read(tx), *await stock_pushing.due_accounts(tx)):
                due[account] = None
            if await batches.unfinished(tx):
                due["batches"] = None
        started = False
        for account in due:
            if account not in self._serving and not self.stop.is_set():
                self._serving[account] = asyncio.create_task(self._serve(account))
                started = True
        return started

    async def tick_once(self) -> None:
        """One tick, and everything it started, to its end."""
        await self.tick()
        await asyncio.gather(*self._serving.values())

    async def _anything_waiting(self) -> bool:
        """Effects or batches that will fall due by themselves soon (retries, looks)."""
        async with self.p.store.reading() as tx:
            return await outbox.falls_due_within(tx, 60 * SECOND) or bool(await batches.unfinished(tx))

    async def _finished(self, busy: bool) -> bool:
        """Was it asked to finish, and has it? Jobs are finished however long they take, others get half a minute."""
        if self._finish_by is None:
            return False
        async with self.p.store.reading() as tx:
            if await batches.unfinished(tx):
                return False
        return (not busy and not self._serving) or time.monotonic() > self._finish_by

    async def _serve(self, account: str) -> None:
        if account == "batches":
            await self._serve_batches()
        else:
            await self._serve_account(account)
        self._wake.set()

    async def _serve_account(self, account: str) -> None:
        held = await Held.take(self.p, account, self.owner)
        if held is None:
            return
        beside: list[asyncio.Task[None]] = []
        try:
            if not await restoring.may_send(self.p, account, held.fence):
                return
            beside = [
                asyncio.create_task(self._sync(account, held.fence)),
                asyncio.create_task(stock_pushing.serve(self.p, held, self.stop)),
            ]
            while True:
                # A long import, or many numbers, must not keep pushes waiting: effects are served beside them.
                await AccountRunner(self.p, held, HANDLERS, self.stop).run()
                _done, pending = await asyncio.wait(beside, timeout=0.5)
                if not pending:
                    break
            for task in beside:
                await task
        except (KeyMissing, WrongKey) as error:
            log.error("%s", error)
            await self._put_off(account, "key_missing", str(error))
        except NoConnector as error:
            log.error("%s", error)
            await self._put_off(account, "no_connector", str(error))
        except Exception as error:
            if isinstance(error, DBAPIError | ConnectionError) and is_passing(error):
                # Not the account's fault: whatever was begun is taken up as after a crash.
                log.warning("serving %s: the database does not answer: %s", account, type(error).__name__)
                return
            # A defect of ours: said whole, shown at the account, tried again later.
            log.exception("serving %s failed", account)
            await self._put_off(account, "own_error", type(error).__name__)
        finally:
            for task in beside:
                task.cancel()
            if beside:
                await asyncio.wait(beside)
            await held.release()

    async def _put_off(self, account: str, code: str, message: str) -> None:
        async with self.p.store.transaction() as tx:
            await outbox.failing(tx, account, code, message, paused=True)

    async def _serve_batches(self) -> None:
        async with self.p.store.reading() as tx:
            waiting = await batches.unfinished(tx)
        for batch in waiting:
            if self.stop.is_set():
                return
            try:
                await work_off(self.p, batch, self.owner, stop=self.stop)
            except Exception:
                log.exception("batch %s failed; the next ones go on", batch.name)
                await self.p.sleep(TICK_S)

    async def _sync(self, account: str, fence: int) -> None:
        if not account.startswith("shop:"):
            return
        async with self.p.store.reading() as tx:
            due = [t.kind for t in await accounts.due_tasks(tx) if t.account == account]
        for kind in due:
            if not self.stop.is_set():
                await sync_account(self.p, account, kind, fence)


async def sync_account(p: Pipeline, account: str, kind: str, fence: int, *, full: bool = False) -> str:
    """Run one sync task under the account's lease and note how it went; returns '' or a reason code."""
    shop_id = int(account.partition(":")[2])
    async with p.store.transaction() as tx:
        task = await accounts.task(tx, account, kind)
        every = task.every_ms if task is not None else 5 * MINUTE
        await accounts.update_task(tx, account, kind, {"started_at": tx.now})
    code, message, paused = "", "", False
    seen = changed = 0
    step(f"sync.{kind}")
    try:
        if kind == "orders":
            anew = await restoring.to_read(p, account)
            if anew == READ_ORDERS:
                await restoring.read_open(p, account, fence)
            counts = await OrderSync(p, shop_id, account, fence).run(full=full or bool(anew))
            if anew:
                await restoring.ends(p, account, fence)
            seen, changed = counts.seen, counts.new + counts.changed
        elif kind == completeness.TASK:
            await rereading.read_again(p, shop_id, fence)
            seen = await completeness.nightly(p, shop_id, fence)
        else:
            seen = await sync_products(p, shop_id, account, fence)
    except WireError as error:
        code, message, paused = error.outcome.code, error.outcome.message, isinstance(error.outcome, Unauthorised)
    except SyncStopped as error:
        code, message = "sync_stopped", str(error)
    except completeness.NotProved as error:
        code, message = error.code, str(error)
    except NoConnector as error:
        code, message = "no_connector", str(error)
    except (KeyMissing, WrongKey) as error:
        code, message, paused = "key_missing", str(error), True
    except Exception as error:
        if isinstance(error, DBAPIError) and is_passing(error):
            raise
        # A defect of ours stops this sync only: it is logged whole, shown by its code, and tried again after a back-off.
        log.exception("sync of %s %s failed in our own code", account, kind)
        code, message = "own_error", type(error).__name__
    async with p.store.transaction() as tx:
        if not await leases.holds(tx, account, fence):
            return "lease_lost"
        fails = (task.fails if task is not None else 0) + 1 if code else 0
        proof = kind == completeness.TASK
        if code:
            # A day that cannot be proved says nothing about the account: its orders are read as before.
            wait = 0 if proof else await outbox.failing(tx, account, code, message, paused=paused)
            log.warning("sync of %s %s: %s", account, kind, code)
            values = {"due_at": tx.now + min(wait, every), "code": code, "message": message[:500], "fails": fails}
        else:
            await outbox.healthy(tx, account)
            http = p.http_of(account)
            skew = (http.skew_ms or 0) if http is not None else 0
            await outbox.note_skew(tx, account, skew if abs(skew) > SKEW_MS else 0)
            values = {
                "due_at": tx.now + every,
                "ok_at": tx.now,
                "code": "",
                "message": "",
                "fails": 0,
                "seen": seen,
                "changed": changed,
            }
        if proof:
            shop = p.shop_facts(await accounts.shop(tx, shop_id))
            values["due_at"] = completeness.due_after(tx.now, shop, fails)
        await accounts.update_task(tx, account, kind, values)
    return code


async def sync_now(
    p: Pipeline, shop_id: int, kinds: tuple[str, ...] = ("orders",), *, full: bool = False
) -> dict[str, str]:
    """Sync a shop from this process: its lease is taken, or the worker that holds it is asked to do it now.

    Returns kind → '' or a reason code (`asked_worker` when another process does it).
    """
    account = f"shop:{shop_id}"
    held = await Held.take(p, account, leases.new_owner())
    if held is None:
        async with p.store.transaction() as tx:
            for kind in kinds:
                await accounts.update_task(tx, account, kind, {"due_at": tx.now})
        return dict.fromkeys(kinds, "asked_worker")
    try:
        return {kind: await sync_account(p, account, kind, held.fence, full=full) for kind in kinds}
    finally:
        await held.release()


async def ask_sync(p: Pipeline, shop_id: int | None = None, kinds: tuple[str, ...] = ("orders",)) -> list[str]:
    """Make the worker read bound shops (one, or all) at once; returns their names."""
    async with p.store.transaction() as tx:
        shops = [s for s in await accounts.shops(tx) if s.bound and shop_id in {None, s.id}]
        for shop in shops:
            for kind in kinds:
                await accounts.update_task(tx, f"shop:{shop.id}", kind, {"due_at": tx.now})
    return [s.name for s in shops]


async def serve(p: Pipeline, *, until_stdin_closes: bool = False) -> None:
    """Run a worker until SIGTERM or SIGINT (or until the console that started it closes our stdin)."""
    worker = Worker(p)
    loop = asyncio.get_running_loop()
    stop_on_signals(worker)
    if until_stdin_closes:
        loop.add_reader(0, _stdin_ready, worker, loop)
    log.info(_("worker %s started"), worker.owner)
    async with webhooks.listening(p):
        await worker.run()


def stop_on_signals(worker: Worker) -> None:
    """SIGTERM and SIGINT drain: nothing new is begun, what is in hand settles."""
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, worker.ask_to_stop)


def _stdin_ready(worker: Worker, loop: asyncio.AbstractEventLoop) -> None:
    """The console that started us says how to go on without it; where it ended without a word, its jobs are finished."""
    said = os.read(0, 1024)
    loop.remove_reader(0)
    if said.startswith(b"go on"):
        return
    if said.startswith(b"stop"):
        worker.ask_to_stop()
    else:
        worker.ask_to_finish()
