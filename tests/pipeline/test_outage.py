"""A platform that is down for six hours: nobody does anything, and nothing is missed."""

import asyncio
from pathlib import Path

from connectors.simulated.launch import Twin
from domain.clock import MINUTE, now
from pipeline.base import Pipeline
from pipeline.worker import Worker
from store import overview
from store.place import Place
from tests.conftest import World
from tests.pipeline.shops import emptied


class Time:
    """A clock that a test moves, the twin's with it; who sleeps moves it too."""

    def __init__(self, twin: Twin) -> None:
        self.twin, self.at = twin, now()

    def __call__(self) -> int:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += int(seconds * 1000)
        await asyncio.sleep(0)

    def move(self, ms: int) -> None:
        self.at += ms
        self.twin.admin("POST", "clock", {"at_s": self.at / 1000})


async def test_after_six_hours_without_the_platform_everything_is_read_within_fifteen_minutes(
    place: Place, shop_twin: Twin, tmp_path: Path
) -> None:
    twin = emptied(shop_twin)
    time = Time(twin)
    p = await Pipeline.open(place, time)
    p.sleep = time.sleep
    world = World(p, twin, None, tmp_path / "papers")
    made: list[int] = []
    try:
        await world.bind()
        worker = Worker(p)
        made.append(world.order())
        await worker.tick_once()
        assert await world.value("SELECT count(*) FROM orders") == 1
        time.move(6 * MINUTE)
        twin.admin("POST", "faults", {"rate": 1, "kinds": ["cut_before"], "path": "/wp-json"})
        late: list[bool] = []
        for minute in range(6 * 60):
            time.move(MINUTE)
            if minute % 30 == 0:
                made.append(world.order())
                if minute == 60:
                    twin.admin("POST", "change", {"order": made[0], "change": "cancel"})
            await worker.tick_once()
            (shop,) = await overview.shop_states(p.store, time())
            late.append(shop.late)
        assert await world.value("SELECT count(*) FROM orders") == 1
        assert late[-1], "the screens say so"
        assert late.index(True) <= 2 * 5, "from twice the interval on"
        assert await world.value("SELECT enabled FROM sync_task WHERE kind = 'orders'") == 1
        # It comes back at the worst moment: right after a try that failed.
        fails = await world.value("SELECT fails FROM sync_task WHERE kind = 'orders'")
        while await world.value("SELECT fails FROM sync_task WHERE kind = 'orders'") == fails:
            time.move(MINUTE)
            await worker.tick_once()
        twin.admin("POST", "faults", {"rate": 0})
        back = time()
        while await world.value("SELECT count(*) FROM orders") == 1:
            assert time() - back <= 15 * MINUTE, "the first reading comes within fifteen minutes"
            time.move(MINUTE)
            await worker.tick_once()
        rows = await world.fetch("SELECT platform_order_id AS id, status FROM orders")
        assert {int(r["id"]) for r in rows} == set(made)
        assert len(rows) == len(made) == 13
        assert {r["status"] for r in rows if int(r["id"]) == made[0]} == {"cancelled"}
        (shop,) = await overview.shop_states(p.store, time())
        assert not shop.late
        assert await world.value("SELECT fails FROM sync_task WHERE kind = 'orders'") == 0
    finally:
        twin.admin("POST", "faults", {"rate": 0})
        twin.admin("POST", "clock", {})
        await p.aclose()
