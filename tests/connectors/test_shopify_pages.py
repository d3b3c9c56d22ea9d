"""Shopify: where a connection says that more follows but not where, every reading of it is given up, and nothing is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from shopify_kit import bind, fresh, make, settings, shown

from connectors.contract import Push, PushLine, StockLevel
from connectors.http import WireError
from connectors.shops.shopify import Shopify
from connectors.simulated.launch import Twin
from domain.clock import DAY, HOUR, iso, now
from domain.results import NotActed, Unknown
from tests.conftest import lent

CODE = "no_next_page"


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with lent("shopify", orders=8, points=1_000_000) as running:
        yield running


@pytest.fixture
async def shop(twin: Twin) -> Any:
    fresh(twin)
    connector = bind(twin)
    yield connector
    await connector._http.aclose()


async def all_of(pages: AsyncIterator[Any]) -> list[Any]:
    return [page async for page in pages]


READS: dict[str, tuple[str, Callable[[Shopify, str], Awaitable[Any]]]] = {
    "orders": ("QueryRoot.orders", lambda shop, _order: all_of(shop.orders("", None))),
    "moved": ("QueryRoot.fulfillmentOrders", lambda shop, _order: all_of(shop.orders(f"{iso(now() - HOUR)}|", None))),
    "listing": ("QueryRoot.orders", lambda shop, _order: all_of(shop.listing(now() - DAY, now() + DAY))),
    "lines": ("Order.lineItems", lambda shop, order: shop.read_orders([order])),
    "goods": ("QueryRoot.productVariants", lambda shop, _order: all_of(shop.products(""))),
    "variants": ("Product.variants", lambda shop, _order: products(shop)),
}


async def products(shop: Shopify) -> Any:
    ids = {unit.platform_product_id for page in await all_of(shop.products("")) for unit in page.items}
    return await shop.read_products(sorted(ids)[:1])


@pytest.mark.parametrize("at", ["same", "nowhere"])
@pytest.mark.parametrize("what", READS)
async def test_a_read_whose_pages_do_not_move_is_given_up(twin: Twin, shop: Shopify, what: str, at: str) -> None:
    connection, read = READS[what]
    order = str(make(twin))
    settings(twin, stuck=connection, stuck_at=at)
    async with asyncio.timeout(20):
        with pytest.raises(WireError) as given_up:
            await read(shop, order)
    assert isinstance(given_up.value.outcome, NotActed)
    assert given_up.value.outcome.code == CODE


def a_push(twin: Twin, order: int) -> Push:
    [line] = shown(twin, order)["lines"]
    return Push("e1", str(order), "62000001", "InPost", lines=(PushLine(str(line["id"]), line["pieces"]),))


@pytest.mark.parametrize("at", ["same", "nowhere"])
@pytest.mark.parametrize("connection", ["Order.fulfillmentOrders", "FulfillmentOrder.lineItems"])
async def test_nothing_is_told_where_an_order_cannot_be_read_whole(
    twin: Twin, shop: Shopify, connection: str, at: str
) -> None:
    order = make(twin, lines=[["MUG", 2]])
    push = a_push(twin, order)
    settings(twin, stuck=connection, stuck_at=at)
    async with asyncio.timeout(20):
        [told] = await shop.push([push])
        [found] = await shop.find_push([push])
    assert (type(told), told.code) == (NotActed, CODE)
    assert isinstance(found, NotActed)
    assert shown(twin, order)["parcels"] == []


@pytest.mark.parametrize("at", ["same", "nowhere"])
async def test_a_parcel_that_cannot_be_read_whole_leaves_a_push_unknown(twin: Twin, shop: Shopify, at: str) -> None:
    """Another number of the parcel's pieces than ours makes the connector look into it, after it was written too."""
    order = make(twin, lines=[["MUG", 2], ["SOCK-1", 1]])
    mug, sock = shown(twin, order)["lines"]
    push = Push("e1", str(order), "62000001", "InPost", lines=(PushLine(str(mug["id"]), 2),))
    await shop.push([push])
    more = Push("e2", str(order), "62000001", "InPost", lines=(*push.lines, PushLine(str(sock["id"]), 1)))
    settings(twin, stuck="Fulfillment.fulfillmentLineItems", stuck_at=at)
    async with asyncio.timeout(20):
        [told] = await shop.push([more])
        [found] = await shop.find_push([more])
    assert isinstance(told, NotActed | Unknown)
    assert (type(found), found.code) == (NotActed, CODE)
    assert len(shown(twin, order)["parcels"]) == 1


@pytest.mark.parametrize("at", ["same", "nowhere"])
async def test_no_stock_is_set_while_the_locations_cannot_be_read(twin: Twin, shop: Shopify, at: str) -> None:
    [mug] = [one for one in twin.admin("GET", "variants") if one["sku"] == "MUG"]
    before = twin.admin("GET", "state")["stock"]["MUG"]
    settings(twin, stuck="QueryRoot.locations", stuck_at=at)
    async with asyncio.timeout(20):
        [outcome] = await shop.push_stock([StockLevel(str(mug["product"]), str(mug["id"]), 7, "k")])
    assert (type(outcome), outcome.code) == (NotActed, CODE)
    assert twin.admin("GET", "state")["stock"]["MUG"] == before
