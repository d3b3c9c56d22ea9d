"""The worker killed with SIGKILL at every named step: nothing is lost, nothing is done twice."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin
from pipeline.base import Pipeline
from pipeline.commands import report_of, work_off
from pipeline.demo_books import compare
from store import batches, leases
from store.place import Place
from tests.conftest import World

ORDERS = 12


@pytest.fixture
def own_shop() -> Iterator[Twin]:
    with Twin("woocommerce", orders=ORDERS, plain=True, seed=3) as twin:
        yield twin


@pytest.fixture
async def crashing(sqlite_place: Place, own_shop: Twin, carrier_twin: Twin, tmp_path: Path) -> AsyncIterator[World]:
    p = await Pipeline.open(sqlite_place)
    world = World(p, own_shop, carrier_twin, tmp_path / "papers")
    await world.bind()
    yield world
    await p.aclose()


def run_until_killed(world: World, what: str, step: str, nth: int = 1) -> None:
    place = world.p.store.place
    env = {**os.environ, "SHIPDECK_DB": str(place.file), "SHIPDECK_KEY_FILE": str(place.key_file)}
    script = str(Path(__file__).parent / "killed_worker.py")
    done = subprocess.run(
        [sys.executable, "-P", script, what, step, str(nth)], env=env, timeout=60, capture_output=True
    )
    assert done.returncode == -9, (done.returncode, done.stderr.decode()[-2000:])


async def everything(world: World) -> list[int]:
    return [r["id"] for r in await world.fetch("SELECT id FROM shipment WHERE stage < 6 ORDER BY id")]


async def assert_books_agree(world: World) -> None:
    assert world.carrier is not None
    books = await compare(world.p, world.shop, world.carrier, {}, 0, 1.0)
    assert books["differences"] == []


@pytest.mark.parametrize("step", ["sync.orders", "sync.page_read", "sync.chunk_kept", "sync.page_kept"])
async def test_killed_while_syncing_no_order_is_missing_or_double(crashing: World, step: str) -> None:
    run_until_killed(crashing, "worker", step)
    await crashing.work()
    assert await crashing.value("SELECT count(*) FROM orders") == ORDERS
    assert await crashing.value("SELECT count(*) FROM shipment") == ORDERS


@pytest.mark.parametrize(
    ("step", "nth"),
    [
        ("request_waybill.before", 1),
        ("request_waybill.before", 3),
        ("request_waybill.after", 1),
        ("request_waybill.after", 3),
        ("effect.acted", 1),
        ("effect.claimed", 1),
    ],
)
async def test_killed_while_asking_for_waybills_each_is_bought_once(crashing: World, step: str, nth: int) -> None:
    await crashing.sync()
    ids = await everything(crashing)
    await crashing.do("note", ids, read=True)
    await crashing.do("approve", ids)
    await crashing.do("assign", ids, service_id=await crashing.service("SIM-STD"))
    await crashing.do("waybill", ids)
    run_until_killed(crashing, "worker", step, nth)
    await crashing.work()
    numbers = await crashing.fetch("SELECT number FROM waybill WHERE state = 'obtained'")
    assert len({n["number"] for n in numbers}) == ORDERS
    await assert_books_agree(crashing)


@pytest.mark.parametrize(
    "step",
    ["check.before", "check.after", "push.before", "push.after", "effect.claimed", "effect.acted", "effect.recorded"],
)
async def test_killed_while_shipping_every_parcel_is_pushed_once(crashing: World, step: str) -> None:
    await crashing.sync()
    ids = await everything(crashing)
    await crashing.do("note", ids, read=True)
    for shipment in ids:
        await crashing.to_stage(shipment, "waybill", "OWN")
    await crashing.work()
    await crashing.do("print", ids)
    await crashing.work()
    report = await crashing.do("ship", ids)
    assert not report.refused
    run_until_killed(crashing, "worker", step)
    await crashing.work()
    assert await crashing.value("SELECT count(*) FROM submission WHERE state = 'done'") == ORDERS
    assert all(o["times_completed"] == 1 for o in crashing.shop.admin("GET", "orders"))
    await assert_books_agree(crashing)


async def test_killed_during_a_batch_the_next_one_goes_on_where_it_stopped(crashing: World) -> None:
    await crashing.sync()
    ids = await everything(crashing)
    await crashing.do("note", ids, read=True)
    async with crashing.p.store.transaction() as tx:
        batch = await batches.create(tx, "approve", {}, "anna", "command_line", [(i, 0) for i in ids])
    run_until_killed(crashing, "batch", "batch.chunk_done")
    assert await work_off(crashing.p, batch, leases.new_owner())
    report = await report_of(crashing.p, batch)
    assert sorted(report.done) == ids
    assert await crashing.value("SELECT count(*) FROM event WHERE kind = 'approved'") == ORDERS
