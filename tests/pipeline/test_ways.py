"""How often the store is asked for what is done every second, or for every few orders: no more often for many than for few."""

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

from bench.bound import empty_shop, reading_of, wires
from connectors.contract import Parsed
from connectors.shops.woocommerce_orders import parse_order
from domain.facts import ShopFacts
from domain.imports import ImportPolicy
from domain.records import OrderLine
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.sync import arrivals, policy_of, take_over_chunk
from pipeline.worker import Worker, sync_now
from store import accounts, catalogue, lane
from store.place import Place


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many ways to SQLite's threads and back there were since it was asked last."""
    gone = 0
    ride = lane._ride

    def counted(*of: Any) -> Any:
        nonlocal gone
        gone += 1
        return ride(*of)

    def told() -> int:
        nonlocal gone
        seen, gone = gone, 0
        return seen

    monkeypatch.setattr(lane, "_ride", counted)
    return told


async def test_a_worker_asks_as_often_for_thirty_accounts_as_for_three(
    sqlite_place: Place, ways: Callable[[], int]
) -> None:
    p = await Pipeline.open(sqlite_place, worker=True)
    try:
        worker, asked = Worker(p), []
        for more in (3, 27):
            async with p.store.transaction() as tx:
                for n in range(more):
                    await accounts.add_shop(
                        tx, "woocommerce", f"S-{more}-{n}", {}, title="", zone="UTC", currency="PLN"
                    )
            ways()
            assert not await worker.tick()
            asked.append(ways())
        assert asked[0] == asked[1] <= 12
    finally:
        await p.aclose()


def test_an_id_too_long_to_be_one_is_not_kept_in_mind() -> None:
    line = OrderLine("1", "Notebook", Decimal(1), platform_product_id="9" * 1_000_000)
    kept = catalogue._listing_key.cache_info().currsize
    assert catalogue.line_key(line) == (line.platform_product_id, "")
    assert catalogue._listing_key.cache_info().currsize == kept


class Incoming(Struct):
    """A bound shop, and forty orders of it on their way in."""

    p: Pipeline
    facts: ShopFacts
    policy: ImportPolicy
    parsed: list[Parsed]


@pytest.fixture
async def incoming(sqlite_place: Place) -> AsyncIterator[Incoming]:
    with empty_shop() as shop:
        p = await Pipeline.open(sqlite_place)
        keys = {k: str(shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
        made: Any = await setup.add_shop(p, "woocommerce", "Bench", {"url": shop.url}, keys)
        await sync_now(p, made.id, ("products",))
        reading = await reading_of(p, made.id)
        parsed: Any = [parse_order(raw, reading) for raw in wires(40)]
        async with p.store.reading() as tx:
            row = await accounts.shop(tx, made.id)
        assert row is not None
        facts = p.shop_facts(row)
        yield Incoming(p, facts, policy_of(facts, row.currency, row.connected_at), parsed)
        await p.aclose()


async def test_a_few_new_orders_are_two_ways_what_is_known_and_the_commit(
    incoming: Incoming, ways: Callable[[], int]
) -> None:
    arrived = arrivals(incoming.facts, incoming.policy, incoming.parsed, first_import=True)
    ways()
    async with incoming.p.store.transaction() as tx:
        counts = await take_over_chunk(incoming.p, tx, incoming.facts, arrived)
    assert counts.new == 40
    assert ways() == 2


async def test_an_order_that_nobody_made_ready_is_taken_over_beside_those_that_are(incoming: Incoming) -> None:
    arrived = arrivals(incoming.facts, incoming.policy, incoming.parsed)
    assert [bool(one.verdict) for one in arrived[::2]] == [True] * 20
    async with incoming.p.store.transaction() as tx:
        counts = await take_over_chunk(incoming.p, tx, incoming.facts, arrived)
        matched = await tx.value("SELECT count(*) FROM order_line WHERE listing_id IS NOT NULL")
        lines = await tx.value("SELECT count(*) FROM order_line")
    assert counts.new == 40
    assert matched == lines >= 40
