"""Every fault on every effect that reaches a third party: bought once, told once, or honestly left for a person."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.demo_books import compare
from pipeline.worker import Worker
from store.place import Place
from tests.conftest import World

WRITE_FAULTS = [
    "http_500",
    "http_500_after",
    "http_502",
    "http_503",
    "http_503_retry_after",
    "refused_429",
    "throttled_no_header",
    "html",
    "malformed",
    "cut_before",
    "cut_after",
    "timeout_before",
    "timeout_after",
    "reset_mid_body",
]


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


@pytest.mark.parametrize("fault", WRITE_FAULTS)
async def test_a_waybill_request_that_meets_a_fault_buys_exactly_one_number(quick: World, fault: str) -> None:
    order = quick.order(customer_note="")
    await quick.sync()
    shipment = await quick.shipment_of(order)
    assert quick.carrier is not None
    quick.carrier.fail_next(fault, "POST", "/v1/waybills")
    await quick.to_stage(shipment, "to_print")
    shown = await quick.shown(shipment)
    assert (shown["stage"], shown["status"]) == ("to_print", "in_stock")
    reference = shown["waybills"][0]["reference"]
    there = [w for w in quick.carrier.admin("GET", "waybills") if w["reference"] == reference]
    assert [(w["number"], w["created_times"]) for w in there] == [(shown["waybill"], 1)]


@pytest.mark.parametrize("path", ["/notes", "PUT"])
@pytest.mark.parametrize("fault", WRITE_FAULTS)
async def test_a_push_that_meets_a_fault_tells_the_platform_exactly_once(quick: World, fault: str, path: str) -> None:
    order, shipment = await ready_to_ship(quick)
    if path == "PUT":
        quick.shop.fail_next(fault, "PUT", f"/orders/{order}")
    else:
        quick.shop.fail_next(fault, "POST", path)
    await quick.do("ship", [shipment])
    await quick.work()
    shown = await quick.shown(shipment)
    assert (shown["stage"], shown["status"]) == ("shipped", "succeeded"), shown["message"]
    there = quick.there(order)
    assert there["times_completed"] == 1
    assert [t["number"] for t in there["tracking"] if "note_id" in t] == [shown["waybill"]]


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


async def test_after_all_faults_the_books_agree(quick: World) -> None:
    assert quick.carrier is not None
    _order, shipment = await ready_to_ship(quick)
    await quick.do("ship", [shipment])
    await quick.work()
    books = await compare(quick.p, quick.shop, quick.carrier, {}, 0, 1.0)
    assert [d for d in books["differences"] if "orders:" not in d and "not done here" not in d] == []
