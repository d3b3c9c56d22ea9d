"""Cartum and Shopify are proved complete as WooCommerce is, each by what it can be asked."""

from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin
from domain.clock import DAY, HOUR, SECOND, day_of, day_start
from domain.results import Refused
from pipeline import completeness
from pipeline.base import Pipeline
from store.place import Place
from store.proof_views import Proof
from tests.conftest import World, lent
from tests.pipeline.shops import at_once
from tests.pipeline.test_cartum_path import CartumShop
from tests.pipeline.test_cartum_path import bound as bound_cartum
from tests.pipeline.test_shopify_path import ShopifyWorld


@pytest.fixture(scope="module")
def cartum_twin() -> Iterator[Twin]:
    with lent("cartum", seed=6) as twin:
        yield twin


@pytest.fixture(scope="module")
def shopify_twin() -> Iterator[Twin]:
    with lent("shopify", points=1_000_000) as twin:
        yield twin


async def _long_bound(w: World) -> None:
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE shop SET connected_at = connected_at - :d", d=50 * DAY)


@pytest.fixture
async def cartum(sqlite_place: Place, cartum_twin: Twin, tmp_path: Path) -> AsyncIterator[CartumShop]:
    async with bound_cartum(sqlite_place, cartum_twin, tmp_path / "papers") as made:
        await _long_bound(made)
        yield made


@pytest.fixture
async def shopify(
    sqlite_place: Place, shopify_twin: Twin, carrier_twin: Twin, tmp_path: Path
) -> AsyncIterator[ShopifyWorld]:
    p = await Pipeline.open(sqlite_place)
    p.sleep = at_once
    made = ShopifyWorld(p, shopify_twin, carrier_twin, tmp_path / "papers")
    await made.bind()
    await _long_bound(made)
    assert await made.sync() == ""
    yield made
    await p.aclose()


async def zone_of(w: World) -> str:
    return str(await w.value("SELECT zone FROM shop"))


async def ago(w: World, days: int) -> tuple[date, int]:
    """A day of the shop so long ago, and how many seconds ago its noon was."""
    zone = await zone_of(w)
    day = day_of(w.p.clock(), zone) - timedelta(days=days)
    return day, (w.p.clock() - day_start(day, zone) - 12 * HOUR) // SECOND


async def proof(w: World, day: date, *, repair: bool = False) -> Proof:
    found = await completeness.prove(w.p, w.shop_id, [day], "anna", repair=repair)
    assert not isinstance(found, Refused), found
    (one,) = found
    return one


async def test_cartum_an_order_behind_every_reading_is_found_and_taken_over(cartum: CartumShop) -> None:
    day, seconds = await ago(cartum, 10)
    beside = (await ago(cartum, 11))[1]
    late, other, next_day = (cartum.order(created_ago_s=s) for s in (seconds, beside, seconds - 86_400))
    assert await cartum.sync() == ""
    assert not {late, other, next_day} & await cartum.imported()
    found = await proof(cartum, day)
    assert (found.listed, found.missing, found.differing[0].number) == (1, 1, str(late))
    mended = await proof(cartum, day, repair=True)
    assert mended.complete
    assert late in await cartum.imported()
    assert other not in await cartum.imported()


async def test_cartum_an_order_that_is_gone_ends_its_shipment(cartum: CartumShop) -> None:
    day, seconds = await ago(cartum, 1)
    gone = cartum.order(created_ago_s=seconds)
    assert await cartum.sync() == ""
    cartum.change(gone, "delete")
    assert (await proof(cartum, day)).strangers == 1
    assert (await proof(cartum, day, repair=True)).complete
    assert (await cartum.at(await cartum.shipment_of(gone))).startswith("closed/")


async def test_cartum_a_delivered_order_of_before_the_binding_is_explained(cartum: CartumShop) -> None:
    day, seconds = await ago(cartum, 5)
    async with cartum.p.store.transaction() as tx:
        await tx.run("UPDATE shop SET connected_at = :n", n=tx.now)
    cartum.order(created_ago_s=seconds, stat_status=3)
    found = await proof(cartum, day)
    assert (found.listed, found.excluded, found.missing) == (1, 1, 0)


async def test_shopify_lists_by_creation_and_repairs_by_id(shopify: ShopifyWorld) -> None:
    day, seconds = await ago(shopify, 2)
    zone = await zone_of(shopify)
    edge = (shopify.p.clock() - day_start(day, zone)) // SECOND + 5
    # The twin stamps the change with the creation, so that the cursor of a sync of right now lies beyond both.
    shopify.make()
    assert await shopify.sync() == ""
    inside, outside = shopify.make(age_s=seconds), shopify.make(age_s=edge)
    shopify.make(age_s=seconds, test=True)
    async with shopify.p.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET started_at = :n, ok_at = :n WHERE kind = 'orders'", n=tx.now)
    found = await proof(shopify, day)
    assert (found.listed, found.missing) == (1, 1)
    assert (await proof(shopify, day, repair=True)).complete
    assert inside in await shopify.imported()
    assert outside not in await shopify.imported()


async def test_shopify_days_that_the_app_sees_in_part_only_are_not_proved(shopify: ShopifyWorld) -> None:
    shopify.shop.admin("POST", "settings", {"without": ["read_all_orders"]})
    try:
        p = await Pipeline.open(shopify.p.store.place)
        day, _seconds = await ago(shopify, 70)
        found = await completeness.prove(p, shopify.shop_id, [day])
        assert not isinstance(found, Refused)
        assert found[0].code == "order_hidden"
        assert found[0].proved_at is None
        await p.aclose()
    finally:
        shopify.shop.admin("POST", "settings", {"without": []})
