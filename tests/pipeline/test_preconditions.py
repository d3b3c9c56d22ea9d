"""Dianxiaomi's preconditions: an authorised shop, an authorised carrier, a fresh list, and stock that is really kept."""

import asyncio
import json

import pytest

from console.cli import main
from domain.clock import MINUTE
from domain.results import Refused
from pipeline import setup, stocktaking
from pipeline.checkup import checkup
from tests.conftest import World
from tests.pipeline import shops
from tests.pipeline.shops import Shop, emptied

shop, unbound = shops.shop, shops.unbound


async def listed(s: World, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """The shop as `shop list --json` shows it."""
    capsys.readouterr()
    assert await asyncio.to_thread(main, ["shop", "list", "--json", "--db", f"sqlite:///{s.p.store.place.file}"]) == 0
    rows: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return rows[0]


# ------------------------------------------------------------------ P1


async def test_p1_a_shop_whose_key_the_platform_refuses_is_not_there_to_be_synchronised(unbound: Shop) -> None:
    wrong = {"consumer_key": str(unbound.shop.hello["consumer_key"]), "consumer_secret": "cs_wrong"}
    answer = await setup.add_shop(unbound.p, "woocommerce", "PL-Woo", {"url": unbound.shop.url}, wrong)
    assert isinstance(answer, Refused)
    assert answer.code == "wrong_key"
    for table in ("shop", "sync_task", "secret"):
        assert await unbound.value(f"SELECT count(*) FROM {table}") == 0


async def test_p1_orders_of_an_unbound_shop_are_neither_synchronised_nor_handled(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    (order,) = shop.make({})
    await shop.sync()
    shipment = await shop.shipment_of(order)
    await setup.unbind_shop(shop.p, shop.shop_id, "anna")
    (later,) = shop.make({})
    await shop.work()
    assert later not in await shop.imported()
    arguments = {
        "hold": {"reason": "x"},
        "flag": {"colour": 1},
        "assign": {"service_id": await shop.service("OWN")},
        "note": {"text": "x"},
    }
    for command in ("approve", "hold", "assign", "waybill", "print", "ship", "close", "note", "flag"):
        report = await shop.do(command, [shipment], **arguments.get(command, {}))
        assert [r.code for r in report.refused] == ["shop_unbound"], command
    assert (
        await asyncio.to_thread(main, ["shop", "sync", "PL-Woo", "--db", f"sqlite:///{shop.p.store.place.file}"]) == 1
    )
    assert "shop_unbound" in capsys.readouterr().err


# ------------------------------------------------------------------ P2


async def test_p2_a_carrier_that_refuses_its_token_offers_no_service(world: World) -> None:
    assert world.carrier is not None
    before = await world.value("SELECT count(*) FROM service")
    answer = await setup.add_carrier(
        world.p, "simulated", "Another", {"url": world.carrier.url, "timeout_s": "2"}, {"token": "wrong"}
    )
    assert isinstance(answer, Refused)
    assert await world.value("SELECT count(*) FROM service") == before
    assert await world.value("SELECT count(*) FROM carrier WHERE name = 'Another'") == 0


async def test_p2_services_of_an_unchecked_carrier_cannot_be_chosen_nor_asked_for_a_waybill(world: World) -> None:
    chosen, unchosen = (world.order(customer_note="") for _ in range(2))
    await world.sync()
    first, second = [await world.shipment_of(o) for o in (chosen, unchosen)]
    await world.do("approve", [first, second])
    service = await world.service("SIM-STD")
    assert not (await world.do("assign", [first], service_id=service)).refused
    async with world.p.store.transaction() as tx:
        await tx.run("UPDATE carrier SET checked_at = NULL")
    for command, shipment in (("assign", second), ("waybill", first)):
        report = await world.do(command, [shipment], service_id=service)
        assert [r.code for r in report.refused] == ["carrier_unchecked"], command
    await world.work()
    assert await world.value("SELECT count(*) FROM waybill") == 0
    carrier = await world.value("SELECT id FROM carrier WHERE name = 'SimPost'")
    assert not isinstance(await setup.check_carrier(world.p, carrier), Refused)
    assert not (await world.do("waybill", [first])).refused


# ------------------------------------------------------------------ P3


async def test_p3_a_stale_list_says_so_and_after_a_sync_it_equals_the_platforms(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    made = shop.make({}, {}, {})
    assert (await listed(shop, capsys))["last_sync"] is None
    assert (await listed(shop, capsys))["late"] is False, "it was bound a moment ago"
    async with shop.p.store.transaction() as tx:
        await tx.run("UPDATE shop SET connected_at = connected_at - :ago", ago=11 * MINUTE)
    assert (await listed(shop, capsys))["late"] is True
    assert await shop.value("SELECT count(*) FROM shipment") == 0
    await shop.sync()
    fresh = await listed(shop, capsys)
    assert fresh["last_sync"]
    assert fresh["late"] is False
    assert await shop.imported() == set(made)
    assert (
        await shop.value("SELECT count(*) FROM shipment WHERE stage = 1") == shop.shop.admin("GET", "counts")["orders"]
    )
    for minutes, late in ((9, False), (11, True)):
        async with shop.p.store.transaction() as tx:
            await tx.run("UPDATE sync_task SET ok_at = :at WHERE kind = 'orders'", at=tx.now - minutes * MINUTE)
        assert (await listed(shop, capsys))["late"] is late
        noted = [n for n in (await checkup(shop.p))["notes"] if "shop:1 orders" in n]
        assert bool(noted) is late


# ------------------------------------------------------------------ P4


async def in_to_print(world: World, sku: str, **line: object) -> str:
    """The sub-status that a fresh order of two pieces of a SKU gets in to print."""
    order = world.order(line_items=[{"sku": sku, "quantity": 2, **line}], customer_note="")
    await world.sync()
    shipment = await world.shipment_of(order)
    await world.to_stage(shipment, "to_print")
    shown = await world.shown(shipment)
    assert shown["stage"] == "to_print"
    return str(shown["status"])


async def test_p4_stock_counts_only_where_it_is_kept_and_the_sku_is_paired(world: World) -> None:
    emptied(world.shop)
    assert await in_to_print(world, "NB-A5") == "in_stock"  # paired, its stock never kept
    assert await in_to_print(world, "", product_id=0, name="Deleted") == "in_stock"  # not paired at all
    await stocktaking.change(world.p, "NB-A5", "count", 3, "anna")
    assert await in_to_print(world, "NB-A5") == "in_stock"
    assert await in_to_print(world, "NB-A5") == "out_of_stock"  # one is left of two
    assert await world.value("SELECT sum(reserved) FROM stock") == 2
    answer = await setup.set_shop(world.p, world.shop_id, {"keeps_stock": "no"}, {})
    assert not isinstance(answer, Refused)
    assert await in_to_print(world, "NB-A5") == "in_stock"
    assert await world.value("SELECT sum(reserved) FROM stock") == 2
