"""A machine that sleeps, changes its network, or loses its database for a while: it goes on, and nothing is done twice."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin
from domain.clock import HOUR, MINUTE
from pipeline.base import Pipeline
from pipeline.checkup import checkup
from pipeline.worker import Worker
from store import overview
from store.place import Place
from tests.chaos.line import Line
from tests.chaos.offline import Behind
from tests.chaos.test_clock import working
from tests.conftest import World
from tests.matrix.gate import Time
from tests.matrix.ground import VISITS, Ground
from tests.matrix.test_crash import Processes
from tests.pipeline.conftest import Bench
from tests.pipeline.shops import emptied

# ------------------------------------------------------------------ asleep


class Laptop:
    """One machine with one worker, which sleeps when its lid is closed."""

    def __init__(self, home: Path) -> None:
        clock = home / "clock"
        self.ground = Ground("sqlite", home, str, Time(clock))
        self.ground.do(self.ground.open({}))
        self.processes = Processes(self.ground, clock, home / "log")

    def close(self) -> None:
        self.processes.close()
        self.ground.do(self.ground.close())
        self.ground.runner.close()


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    made = Laptop(tmp_path_factory.mktemp("laptop"))
    yield made
    made.close()


@pytest.mark.parametrize("step", ["push.before", "effect.claimed", "effect.acted"])
def test_a_worker_that_slept_for_eight_hours_tells_once_and_reads_what_came_meanwhile(
    laptop: Laptop, step: str
) -> None:
    g = laptop.ground

    async def story() -> None:
        (shipment,) = await g.take("numbered", 1)
        async with g.p.store.transaction() as tx:
            at = {"now": g.time(), "due": g.time() + 5 * MINUTE}
            await tx.run("UPDATE sync_task SET ok_at = :now, due_at = :due WHERE kind = 'orders'", **at)
        await g.command("ship", [shipment])
        told = laptop.processes.run({"run": "worker"}, step, 1, "stop")
        assert told["end"] == "stopped"
        # Nobody writes now: it may stand in the middle of a transaction.
        g.time.to(g.time() + 8 * HOUR)
        g.shop.admin("POST", "clock", {"offset_s": g.time.skipped / 1000})
        (made,) = g.shop.admin("POST", "orders", {"orders": [Bench.plain()]})
        (shop,) = await overview.shop_states(g.p.store, g.time())
        assert shop.late, "the screen shows the gap"
        lines = [c for c in (await checkup(g.p))["checks"] if c["code"] == "sync_late"]
        assert [line["where"] for line in lines] == [f"shop:{g.shop_id}"], "and so does the doctor"
        assert laptop.processes.go(told["pid"])["end"] == "ended 0"
        for _visit in range(VISITS):
            await g.workers[id(g.p)].tick_once()
            due = await g.unsettled(shipment)
            if due is None:
                break
            g.time.to(due + 1)
        await g._check_push(shipment, "done")
        assert await g.value("SELECT count(*) FROM orders WHERE platform_order_id = :o", o=str(made)) == 1
        (shop,) = await overview.shop_states(g.p.store, g.time())
        assert not shop.late
        g.shop.admin("POST", "clock", {})
        await g.begin_anew()

    g.do(story())


# ------------------------------------------------------------------ another network


async def test_connections_that_a_change_of_network_has_killed_cost_one_time_out_and_no_second_telling(
    sqlite_place: Place, shop_twin: Twin, tmp_path: Path
) -> None:
    emptied(shop_twin)
    p = await Pipeline.open(sqlite_place)
    with Line(shop_twin.url) as line:
        shop = Behind(shop_twin, line)
        world = World(p, shop, None, tmp_path / "papers")  # type: ignore[arg-type]
        await world.bind(ship_without_printing="yes", check_before_ship="no", note_gate="no", grace_s="0")
        async with p.store.transaction() as tx:
            await tx.run('UPDATE shop SET settings = replace(settings, \'"timeout_s":"2"\', \'"timeout_s":"0.6"\')')
        p.forget(f"shop:{world.shop_id}")
        order = world.order()
        await world.sync()
        shipment = await world.shipment_of(order)
        await world.to_stage(shipment, "waybill", "OWN")
        await world.work()
        await world.do("ship", [shipment])
        line.stuck()
        await Worker(p).tick_once()
        assert world.there(order)["times_completed"] == 0
        line.on()
        await world.work()
        there = world.there(order)
        assert there["times_completed"] == 1
        assert sum("note_id" in t for t in there["tracking"]) == 1
        assert (await world.shown(shipment))["status"] == "succeeded"
    await p.aclose()


# ------------------------------------------------------------------ without its database


@pytest.fixture
async def world(place: Place, shop_twin: Twin, tmp_path: Path) -> AsyncIterator[World]:
    """A bound shop without orders, on each engine in turn."""
    p = await Pipeline.open(place)
    made = World(p, emptied(shop_twin), None, tmp_path / "papers")
    await made.bind(orders_every_s="1")
    yield made
    await p.aclose()


async def test_a_worker_outlives_a_database_that_does_not_answer_for_a_while(
    world: World, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.lane.BUSY_MS", 100)
    worker = Worker(world.p)
    async with working(worker):
        world.order()
        while not await world.value("SELECT count(*) FROM orders"):
            await asyncio.sleep(0.02)
        if place.file is not None:
            other = sqlite3.connect(place.file, timeout=0, isolation_level=None)
            while True:
                try:
                    other.execute("BEGIN IMMEDIATE")
                    break
                except sqlite3.OperationalError:
                    await asyncio.sleep(0.01)
            world.order()
            await asyncio.sleep(1.5)
            other.execute("ROLLBACK")
            other.close()
        else:
            import asyncpg

            connection = await asyncpg.connect(place.url)
            world.order()
            for _time in range(3):
                await connection.execute(
                    """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid()"""
                )
                await asyncio.sleep(0.3)
            await connection.close()
        for _look in range(500):
            assert not worker.stop.is_set(), "it has ended"
            try:
                if await world.value("SELECT count(*) FROM orders") == 2:
                    return
            except Exception:
                # Ours has lost its connections, too.
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.02)
    raise AssertionError("the second order did not come")
