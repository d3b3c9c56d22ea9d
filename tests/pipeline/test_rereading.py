"""Orders that no list of changes shows any more: deleted, binned or changed behind the platform's back."""

import asyncio

import pytest

from connectors.http import WireError
from pipeline.completeness import TASK
from pipeline.rereading import read_again
from pipeline.worker import sync_account
from store import leases
from tests.pipeline.conftest import Bench

DAY_S = 86_400


async def night(world: Bench) -> None:
    """What a worker does for a shop at night."""
    account = f"shop:{world.shop_id}"
    async with world.p.store.transaction() as tx:
        fence = await leases.take(tx, account, "night", 120_000)
        await tx.run("UPDATE shop SET first_import_done = 1")
    assert fence is not None
    await sync_account(world.p, account, TASK, fence)
    async with world.p.store.transaction() as tx:
        await leases.give_back(tx, account, "night", fence)


@pytest.mark.parametrize(
    ("change", "silent"), [("delete", False), ("trash", True), ("cancel", True)], ids=["deleted", "binned", "cancelled"]
)
async def test_an_old_order_that_ended_without_a_trace_is_closed_the_night_after(
    sqlite_world: Bench, change: str, silent: bool
) -> None:
    old = {"created_ago_s": 30 * DAY_S, "modified_ago_s": 30 * DAY_S}
    ended, shipment = await sqlite_world.take(**old)
    _order, kept = await sqlite_world.take(**old)
    body = {"order": ended, "change": change, "silent": silent}
    await asyncio.to_thread(sqlite_world.shop.admin, "POST", "change", body)
    await night(sqlite_world)
    assert await sqlite_world.at(shipment) == "closed/cancelled"
    assert await sqlite_world.at(kept) == "review/open"


async def test_a_shop_that_cannot_be_read_ends_no_order(sqlite_world: Bench) -> None:
    _order, shipment = await sqlite_world.take()
    sqlite_world.shop.fail_next("http_404", "GET", "/orders", times=9)
    with pytest.raises(WireError):
        await read_again(sqlite_world.p, sqlite_world.shop_id, 0)
    assert await sqlite_world.at(shipment) == "review/open"
