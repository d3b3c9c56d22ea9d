"""An account whose credentials are refused goes on by itself once they work. Every other fault: `tests/matrix`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.worker import Worker
from store.place import Place
from tests.conftest import World


async def ready_to_ship(world: World) -> tuple[int, int]:
    order = world.order(customer_note="")
    await world.sync()
    shipment = await world.shipment_of(order)
    await world.to_stage(shipment, "printed")
    return order, shipment


@pytest.fixture
async def quick(sqlite_place: Place, shop_twin: Twin, carrier_twin: Twin, tmp_path: Path) -> AsyncIterator[World]:
    """What an effect meets does not depend on the engine: SQLite only, short time-outs, no waiting."""
    p = await Pipeline.open(sqlite_place)
    world = World(p, shop_twin, carrier_twin, tmp_path / "papers")
    await world.bind()
    for twin in (world.shop, world.carrier):
        assert twin is not None
        twin.admin("POST", "faults", {"rate": 0, "hold_s": 1.2, "retry_after_s": 0})
    for table in ("shop", "carrier"):
        async with world.p.store.transaction() as tx:
            await tx.run(f'UPDATE {table} SET settings = replace(settings, \'"timeout_s":"2"\', \'"timeout_s":"0.8"\')')
    yield world
    await p.aclose()


async def test_an_unauthorised_account_is_paused_its_effects_stay_and_go_out_when_it_works_again(quick: World) -> None:
    order, shipment = await ready_to_ship(quick)
    await quick.do("ship", [shipment])
    quick.shop.fail_next("expired_token", "GET", "/orders")
    await Worker(quick.p).tick_once()
    rows = await quick.fetch("SELECT state, code FROM effect WHERE op = 'check' ORDER BY id DESC LIMIT 1")
    assert rows[0]["state"] == "queued"
    assert await quick.value("SELECT paused_code FROM account_health WHERE account = :a", a=f"shop:{quick.shop_id}")
    checked = await setup.check_shop(quick.p, quick.shop_id)
    assert checked.title  # type: ignore[union-attr]
    await quick.work()
    assert quick.there(order)["times_completed"] == 1
