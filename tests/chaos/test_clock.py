"""Clocks that are set while people work: forwards nothing is done twice, backwards nothing waits for the clock to catch up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from connectors.http import Budget, HttpClient
from connectors.simulated.launch import Twin
from domain.clock import DAY, HOUR, MINUTE, SECOND, elapsed, now
from pipeline.base import Pipeline
from pipeline.worker import Worker
from store import clock_set, leases, overview
from store.database import Store
from store.place import Place
from store.upgrade import open_store
from tests.conftest import World
from tests.pipeline.shops import emptied


class Steady:
    """Time that only passes; who sleeps by it lets it pass."""

    def __init__(self) -> None:
        self.at = 5_000_000
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += int(seconds * 1000)


class Settable:
    """The machine's clock, which a test puts forward and back."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now() + self.ahead


async def passes(budget: Budget) -> None:
    async with budget:
        pass


async def test_a_wait_that_a_third_party_named_lasts_as_long_as_it_said() -> None:
    steady = Steady()
    budget = Budget(0, 1, steady, steady.sleep)
    budget.throttled(17 * SECOND)
    await passes(budget)
    assert sum(steady.slept) == 17
    assert max(steady.slept) <= 5, "the time is looked at now and then: the machine may have slept meanwhile"


async def test_a_machine_that_slept_over_a_named_wait_calls_at_once_when_it_wakes() -> None:
    steady = Steady()
    budget = Budget(0, 1, steady, steady.sleep)
    budget.throttled(10 * MINUTE)
    steady.at += 8 * HOUR
    await passes(budget)
    assert steady.slept == []


@pytest.mark.parametrize("jump", [8 * HOUR, -8 * HOUR])
async def test_no_setting_of_the_clock_cuts_a_named_wait_short_or_makes_it_longer(
    jump: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady, wall = Steady(), Settable()
    monkeypatch.setattr("connectors.http.elapsed", steady)
    monkeypatch.setattr("connectors.http.now", wall)
    http = HttpClient("http://127.0.0.1:9", clock=wall, sleep=steady.sleep, steady=steady)
    machine = HttpClient("http://127.0.0.1:9", clock=wall, sleep=steady.sleep)
    for budget in (http.budget, machine.budget):
        steady.slept.clear()
        budget.throttled(20 * SECOND)
        wall.ahead += jump
        await passes(budget)
        assert sum(steady.slept) == 20


def test_elapsed_time_goes_on_with_the_clock_but_is_not_the_clock() -> None:
    began = elapsed()
    assert began != now()
    assert elapsed() - began in range(0, 5 * SECOND)


# ------------------------------------------------------------------ the worker's clock


@contextlib.asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    """A worker that runs, and is asked to stop at the end."""
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.ask_to_stop()
        await asyncio.wait_for(running, 30)


@pytest.fixture
async def shop(sqlite_place: Place, shop_twin: Twin, tmp_path: Path) -> AsyncIterator[tuple[World, Settable]]:
    """A bound shop without orders, and a clock to set."""
    wall = Settable()
    p = await Pipeline.open(sqlite_place, wall)
    plain = p.binding
    # Over HTTPS, as everywhere but here, there is no time in what a call is signed with.
    p.binding = lambda *known: structs.replace(plain(*known), clock=now)  # type: ignore[method-assign]
    world = World(p, emptied(shop_twin), None, tmp_path / "papers")
    await world.bind()
    yield world, wall
    await p.aclose()


async def orders(world: World, worker: Worker, wanted: int) -> None:
    """Wait until so many have come, and the reading that brought them has ended."""
    for _look in range(600):
        come = await world.value("SELECT count(*) FROM orders") == wanted
        if come and all(task.done() for task in worker._serving.values()):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{wanted} orders did not come")


async def due(world: World) -> None:
    """Make the orders due now."""
    async with world.p.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET due_at = :now WHERE kind = 'orders'", now=tx.now)


async def test_orders_are_read_on_after_the_clock_was_put_back_under_a_worker(shop: tuple[World, Settable]) -> None:
    world, wall = shop
    wall.ahead = 8 * HOUR
    world.order()
    async with working(worker := Worker(world.p)):
        await orders(world, worker, 1)
        world.order()
        wall.ahead = 0
        await orders(world, worker, 2)
        (state,) = await overview.shop_states(world.p.store, wall())
        assert not state.late


async def test_a_worker_that_begins_after_the_clock_was_put_back_reads_at_once(shop: tuple[World, Settable]) -> None:
    world, wall = shop
    wall.ahead = 8 * HOUR
    world.order()
    async with working(worker := Worker(world.p)):
        await orders(world, worker, 1)
    wall.ahead = 0
    world.order()
    async with working(worker := Worker(world.p)):
        await orders(world, worker, 2)


async def test_after_a_jump_forwards_and_back_no_order_is_passed_by_and_none_comes_twice(
    shop: tuple[World, Settable],
) -> None:
    world, wall = shop
    made = []
    async with working(worker := Worker(world.p)):
        for n, ahead in enumerate((0, 8 * HOUR, 0, -2 * HOUR, 3 * DAY, 0)):
            wall.ahead = ahead
            made.append(world.order())
            await due(world)
            await orders(world, worker, n + 1)
    rows = await world.fetch("SELECT platform_order_id AS id FROM orders")
    assert sorted(int(r["id"]) for r in rows) == sorted(made)


async def test_a_beating_worker_goes_on_beating_after_the_clock_was_put_back(
    shop: tuple[World, Settable], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, wall = shop
    looked: list[object] = []
    monkeypatch.setattr("apscheduler.job.Job.modify", lambda job, **changes: looked.append((job.id, *changes)) or job)
    async with working(worker := Worker(world.p)):
        while worker._ahead_ms is None:
            await asyncio.sleep(0)
        wall.ahead = -HOUR
        for _look in range(300):
            if looked:
                break
            await asyncio.sleep(0.02)
    assert {job for job, *_changes in looked} == {"tick", "beat", "tidy"}  # type: ignore[misc]


async def test_a_worker_looks_by_itself_where_its_scheduler_waits_for_the_clock(
    shop: tuple[World, Settable], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, often = 0, asyncio.Event()

    async def look(_worker: Worker) -> bool:
        nonlocal looks
        looks += 1
        if looks >= 8:
            often.set()
        return False

    async def waits(_worker: Worker) -> None:
        """A tick that never comes."""

    monkeypatch.setattr("pipeline.worker.PATIENCE_S", 0.02)
    monkeypatch.setattr(Worker, "_on_tick", waits)
    monkeypatch.setattr(Worker, "tick", look)
    async with working(Worker(shop[0].p)), asyncio.timeout(10):
        await often.wait()


@pytest.mark.parametrize("stopping", [True, False])
async def test_what_the_scheduler_asks_for_is_no_failure_where_the_end_cuts_it_off(
    shop: tuple[World, Settable], stopping: bool
) -> None:
    worker, begun = Worker(shop[0].p), asyncio.Event()

    async def beat() -> None:
        begun.set()
        await asyncio.Event().wait()

    job = asyncio.create_task(worker._until_stopped(beat))
    await begun.wait()
    if stopping:
        worker.stop.set()
    job.cancel()
    await asyncio.wait([job])
    assert job.cancelled() is not stopping


# ------------------------------------------------------------------ the rows


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    opened = await open_store(place)
    yield opened
    await opened.close()


async def effect(store: Store, key: str, **values: object) -> None:
    given = {"created_at": 0, "due_at": 0, "started_at": None, "unknown_since": None, **values}
    async with store.transaction() as tx:
        await tx.run(
            """INSERT INTO effect (key, account, op, state, payload, created_at, due_at, started_at, unknown_since,
                   code, message, attempts, looks, fence)
               VALUES (:key, 'shop:1', 'push', 'queued', '{}', :created_at, :due_at, :started_at, :unknown_since,
                   '', '', 0, 0, 0)""",
            key=key,
            **given,
        )


async def test_what_was_written_in_the_future_is_due_and_a_third_partys_own_word_is_kept(store: Store) -> None:
    at, far = now(), now() + 8 * HOUR
    await effect(store, "begun in the future", created_at=at, started_at=far, due_at=far + SECOND)
    await effect(store, "made in the future", created_at=far, due_at=far)
    await effect(store, "unknown since the future", created_at=at, unknown_since=far, due_at=far)
    await effect(store, "asked again tomorrow", created_at=at, started_at=at, due_at=at + DAY)
    async with store.transaction() as tx:
        for kind, every, due in (("orders", 5 * MINUTE, far), ("products", DAY, at + DAY), ("sales", MINUTE, at)):
            await tx.run(
                """INSERT INTO sync_task (account, kind, enabled, every_ms, due_at, cursor, seen, changed, fails, code, message)
                   VALUES ('shop:1', :kind, 1, :every, :due, '', 0, 0, 0, '', '')""",
                kind=kind, every=every, due=due,
            )  # fmt: skip
        for account, retry in (("shop:1", far), ("shop:2", at + 10 * MINUTE)):
            await tx.run(
                "INSERT INTO account_health (account, fails, retry_at, paused_code, message) VALUES (:a, 1, :r, '', '')",
                a=account,
                r=retry,
            )
        assert await clock_set.make_due(tx) == 4
        due = {r.key: r.due_at <= tx.now for r in await tx.rows("SELECT key, due_at FROM effect")}
        assert due == {
            "begun in the future": True,
            "made in the future": True,
            "unknown since the future": True,
            "asked again tomorrow": False,
        }
        assert await tx.value("SELECT max(unknown_since) FROM effect") <= tx.now
        tasks = {r.kind: r.due_at for r in await tx.rows("SELECT kind, due_at FROM sync_task")}
        assert tasks["orders"] <= tx.now
        assert tasks["products"] == at + DAY
        health = {r.account: r.retry_at for r in await tx.rows("SELECT account, retry_at FROM account_health")}
        assert health["shop:1"] <= tx.now
        assert health["shop:2"] == at + 10 * MINUTE


async def test_a_worker_that_spoke_in_the_future_is_not_counted_among_the_living(store: Store) -> None:
    async with store.transaction() as tx:
        await leases.beat(tx, "packing-2|1|1|x", now(), "1.0")
        assert await leases.living_workers(tx) == ["packing-2|1|1|x"]
        await tx.run("UPDATE worker SET beat_at = :far", far=now() + 8 * HOUR)
        assert await leases.living_workers(tx) == []
