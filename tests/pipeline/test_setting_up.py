"""Binding, keys and settings: what is wrong is said before anything is kept, and nothing is bound twice."""

from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.checkup import checkup
from pipeline.commands import run
from pipeline.worker import Worker
from store.place import Place
from store.sealing import KeyMissing
from tests.conftest import World


@pytest.fixture
async def small(sqlite_place: Place, shop_twin: Twin, tmp_path: Path) -> Any:
    p = await Pipeline.open(sqlite_place)
    world = World(p, shop_twin, None, tmp_path / "papers")
    await world.bind()
    yield world
    await p.aclose()


def keys_of(world: World) -> dict[str, str]:
    return {k: str(world.shop.hello[k]) for k in ("consumer_key", "consumer_secret")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("orders_every_s", "0"),
        ("orders_every_s", "99999999999999999999"),
        ("import_months", "99999"),
        ("currency", "bananas"),
        ("working_days", "abc"),
        ("working_days", ""),
        ("cut_off", "25:00"),
        ("calls_per_second", "fast"),
        ("calls_per_second", "nan"),
        ("parallel", "0"),
        ("timeout_s", "-1"),
        ("allow_plain_http", "maybe"),
        ("require_matched", "perhaps"),
        ("nonsense", "1"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_refused_and_not_kept(small: World, name: str, value: str) -> None:
    before = await small.value("SELECT settings FROM shop")
    answer = await setup.set_shop(small.p, 1, {name: value}, {})
    assert isinstance(answer, Refused)
    assert await small.value("SELECT settings FROM shop") == before


async def test_a_shop_is_never_bound_twice_under_another_name(small: World) -> None:
    again = await setup.add_shop(small.p, "woocommerce", "Twice", {"url": small.shop.url + "/"}, keys_of(small))
    assert isinstance(again, Refused)
    assert again.code == "already_bound"


async def test_an_unbound_shop_is_taken_up_again_with_its_orders_and_none_twice(small: World) -> None:
    order = small.order(customer_note="")
    await small.sync()
    await setup.unbind_shop(small.p, 1, "anna")
    shipment = await small.shipment_of(order)
    refused = await small.do("approve", [shipment])
    assert [r.code for r in refused.refused] == ["shop_unbound"]

    other = await setup.add_shop(small.p, "woocommerce", "Other", {"url": small.shop.url}, keys_of(small))
    assert isinstance(other, Refused)
    assert other.code == "bound_before"
    again = await setup.add_shop(small.p, "woocommerce", "PL-Woo", {"url": small.shop.url}, keys_of(small))
    assert not isinstance(again, Refused)
    assert again.id == 1
    orders = await small.value("SELECT count(*) FROM orders")
    await small.sync()
    assert await small.value("SELECT count(*) FROM orders") == orders
    assert not (await small.do("approve", [shipment])).refused


async def test_a_missing_key_file_is_said_everywhere_and_no_second_key_is_made(small: World) -> None:
    key = small.p.store.place.key_file
    away = key.rename(key.with_name("away"))
    p = await Pipeline.open(small.p.store.place)
    with pytest.raises(KeyMissing):
        await setup.set_shop(p, 1, {}, {"consumer_key": "ck_new"})
    assert not key.exists()
    found = (await checkup(p))["findings"]
    assert [f["check"] for f in found] == ["secrets open"]
    worker = Worker(p)
    await worker.tick_once()
    async with p.store.reading() as tx:
        assert await tx.value("SELECT count(*) FROM account_health WHERE retry_at > :now", now=tx.now) == 1
    away.rename(key)
    fresh = await Pipeline.open(small.p.store.place)
    assert (await checkup(fresh))["findings"] == []
    await fresh.aclose()
    await p.aclose()


async def test_a_cut_over_is_named_once(small: World) -> None:
    small.order(customer_note="")
    await small.sync(cut_over=False)
    assert isinstance(await setup.cut_over(small.p, 1, "ship_these", "anna"), int)
    again = await setup.cut_over(small.p, 1, "already_left", "anna")
    assert isinstance(again, Refused)
    assert await small.value("SELECT cut_over FROM shop") == "ship_these"


async def test_arguments_that_make_no_sense_are_refused_before_a_batch_is_made(small: World) -> None:
    order = small.order(customer_note="")
    await small.sync()
    shipment = await small.shipment_of(order)
    for command, arguments in (
        ("flag", {"colour": "x"}),
        ("address", {"bogus": "1"}),
        ("address", {"country": "Poland"}),
        ("customs", {"hs": "1"}),
        ("split", {"lines": {"x": "y"}}),
        ("recall", {"to": "moon"}),
    ):
        report = await run(small.p, command, [shipment], arguments, "anna")
        assert [r.code for r in report.refused] in (["bad_argument"], ["bad_split"]), command
    assert await small.value("SELECT count(*) FROM batch") == 0


async def test_a_defect_of_ours_refuses_its_row_and_the_others_go_on(small: World, monkeypatch: Any) -> None:
    from pipeline import commands

    orders = [small.order(customer_note="") for _ in range(3)]
    await small.sync()
    ids = [await small.shipment_of(o) for o in orders]
    approve = commands.COMMANDS["approve"]

    def broken(f: Any, a: Any, x: Any) -> Any:
        if f.id == ids[1]:
            raise ZeroDivisionError
        return approve(f, a, x)

    monkeypatch.setitem(commands.COMMANDS, "approve", broken)
    report = await run(small.p, "approve", ids, {}, "anna")
    assert report.done == [ids[0], ids[2]]
    assert [(r.id, r.code) for r in report.refused] == [(ids[1], "own_error")]
    assert await small.value("SELECT state FROM batch") == "done"
