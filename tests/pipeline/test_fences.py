"""A process whose lease was taken writes no result and begins nothing: what the fence of every effect is for."""

import asyncio

from domain.enums import EffectState
from pipeline.effects import AccountRunner, Held
from pipeline.worker import HANDLERS
from store import leases, outbox
from tests.pipeline.conftest import Bench


async def _push_is_due(w: Bench) -> tuple[str, int]:
    """A shipped parcel whose platform is still to be told: its account and its order there."""
    await w.setting(check_before_ship=False)
    order, shipment = await w.take("printed")
    await w.accept("ship", shipment)
    return f"shop:{w.shop_id}", order


async def test_a_result_under_an_older_fence_is_not_written(either_world: Bench) -> None:
    w = either_world
    account, _order = await _push_is_due(w)
    async with w.p.store.transaction() as tx:
        first = await leases.take(tx, account, "one|1|1", 60_000)
        assert first is not None
        (effect,) = await outbox.claim(tx, account, first, 10)
        await tx.run("UPDATE lease SET until = 0 WHERE name = :n", n=account)
        second = await leases.take(tx, account, "two|2|2", 60_000)
        assert second is not None
        assert second > first
        (again,) = await outbox.claim(tx, account, second, 10)
        assert (again.id, again.unknown) == (effect.id, True), "nobody knows what the first one did"
        assert not await outbox.settle(tx, effect, first, EffectState.DONE)
        assert await tx.value("SELECT state FROM effect WHERE id = :id", id=effect.id) == "unknown"
        assert await outbox.settle(tx, again, second, EffectState.DONE)
        assert not await outbox.settle(tx, again, second, EffectState.QUEUED), "an end is an end"


async def test_a_worker_whose_lease_was_taken_begins_nothing(either_world: Bench) -> None:
    w = either_world
    account, order = await _push_is_due(w)
    held = await Held.take(w.p, account, leases.new_owner())
    assert held is not None
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE lease SET fence = fence + 1 WHERE name = :n", n=account)
    runner = AccountRunner(w.p, held, HANDLERS, asyncio.Event())
    await runner.run()
    await held.release()
    assert held.lost
    assert await w.value("SELECT count(*) FROM effect WHERE op = 'push' AND state = 'queued' AND attempts = 0") == 1
    assert w.there(order)["times_completed"] == 0
