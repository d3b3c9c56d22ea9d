"""Sales: today's counted live, earlier ones from 08:00 of the day after their sync; refunds are out."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import DAY, HOUR, from_datetime, to_datetime
from domain.sales import cut
from pipeline import sales
from tests.conftest import World

WARSAW = ZoneInfo("Europe/Warsaw")


def at(day: int, hour: int, minute: int = 0) -> int:
    return from_datetime(datetime(2026, 11, day, hour, minute, tzinfo=WARSAW))


@pytest.mark.parametrize(
    ("now", "today", "settled"),
    [
        (at(22, 7, 59), at(22, 0), at(21, 0)),
        (at(22, 8, 0), at(22, 0), at(22, 0)),
        (at(23, 0, 0), at(23, 0), at(22, 0)),
    ],
)
def test_an_order_synced_yesterday_is_settled_at_eight_and_not_a_minute_before(
    now: int, today: int, settled: int
) -> None:
    assert (cut(now, "Europe/Warsaw").today, cut(now, "Europe/Warsaw").settled) == (today, settled)


@given(st.integers(0, 4 * 10**12), st.sampled_from(["Europe/Warsaw", "Asia/Shanghai", "Pacific/Apia", "America/Lima"]))
def test_settling_never_runs_ahead_of_today_nor_more_than_two_days_behind(now: int, zone: str) -> None:
    found = cut(now, zone)
    assert found.settled <= found.today <= now
    assert now - found.settled < 2 * DAY + 10 * HOUR


async def test_pieces_paid_today_are_live_refunded_ones_are_out_and_earlier_ones_wait(world: World) -> None:
    today = world.order(customer_note="", line_items=[{"sku": "NB-A5", "quantity": 2}])
    dead = world.order(customer_note="", line_items=[{"sku": "NB-A5", "quantity": 5}])
    await world.sync()
    world.shop.admin("POST", "change", {"order": dead, "change": "refund"})
    await world.sync()
    mine = [str(today), str(dead)]
    async with world.p.store.transaction() as tx:
        await tx.run("UPDATE orders SET paid_at = NULL WHERE NOT (platform_order_id IN :mine)", mine=mine)
        await tx.run("UPDATE orders SET paid_at = :now WHERE platform_order_id IN :mine", mine=mine, now=tx.now)
    rows = await sales.figures(world.p, world.shop_id)
    assert [(r["sku"], r["live"], r["settled"], r["waiting"]) for r in rows] == [("NB-A5", 2, 0, 0)]

    zone = str(await world.value("SELECT zone FROM shop"))
    yesterday = cut(world.p.clock(), zone).today - HOUR
    async with world.p.store.transaction() as tx:
        await tx.run("UPDATE orders SET paid_at = :y WHERE platform_order_id IN :mine", mine=mine, y=yesterday)
    rows = await sales.figures(world.p, world.shop_id)
    assert [(r["live"], r["settled"], r["waiting"]) for r in rows] == [(0, 0, 2)]
    assert to_datetime(yesterday).tzinfo is UTC


async def test_while_the_first_import_runs_its_rules_and_the_binding_stand(world: World) -> None:
    from domain.results import Refused
    from pipeline import setup
    from pipeline.effects import Held
    from store import leases

    held = await Held.take(world.p, f"shop:{world.shop_id}", leases.new_owner())
    assert held is not None
    for answer in (
        await setup.unbind_shop(world.p, world.shop_id, "anna"),
        await setup.set_shop(world.p, world.shop_id, {"import_months": "3"}, {}),
    ):
        assert isinstance(answer, Refused)
        assert answer.code == "import_running"
    assert isinstance(await setup.set_shop(world.p, world.shop_id, {"grace_s": "5"}, {}), dict)
    await held.release()
    await world.sync()
    assert isinstance(await setup.unbind_shop(world.p, world.shop_id, "anna"), int)
