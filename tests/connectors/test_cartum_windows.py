"""Cartum cannot be asked for changes: no order is missed by the windows of creation, whatever clocks and pages do."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from test_cartum import AT, Time, a_shop, an_order, bind, envelope

from connectors.contract import OrderPage, Parsed
from connectors.http import WireError
from connectors.shops.cartum import PASSES, Cartum
from domain.clock import DAY, HOUR, MINUTE, SECOND
from domain.results import Refused
from tests.conftest import lent

KYIV = ZoneInfo("Europe/Kyiv")


def local_ms(text: str, zone: ZoneInfo = KYIV) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


async def run(shop: Cartum, cursor: str, since: int | None = None) -> tuple[list[str], str]:
    """The numbers of a run, and its last cursor."""
    pages = [page async for page in shop.orders(cursor, since)]
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return [item.order.number for page in pages for item in page.items if isinstance(item, Parsed)], pages[-1].cursor


# ---------------------------------------------------------------- any second, any pause, both switches

SWITCHES = [
    ("Europe/Kyiv", "2026-03-29 03:00:00"),
    ("Europe/Kyiv", "2026-10-25 04:00:00"),
    ("America/New_York", "2026-03-08 02:00:00"),
    ("America/New_York", "2026-11-01 02:00:00"),
]
EDGES = (-1, 0, 1)


@pytest.mark.parametrize(("zone", "switch"), SWITCHES)
@pytest.mark.parametrize("habit", ["newest_first", "to_is_midnight"])
async def test_an_order_of_any_second_is_fetched_at_the_next_sync_and_once_in_it(
    switch: str, zone: str, habit: str
) -> None:
    chance = random.Random(f"{switch} {zone} {habit}")
    middle = local_ms(switch, zone=ZoneInfo(zone))
    start, end = middle - 12 * DAY, middle + 30 * DAY
    midnights = [
        local_ms((datetime(2026, 1, 1) + timedelta(days=n)).isoformat(), zone=ZoneInfo(zone)) for n in range(365)
    ]
    edges = [at + edge * SECOND for at in midnights if start < at < end for edge in EDGES]
    edges += [middle + hour * HOUR + edge * SECOND for hour in range(-3, 4) for edge in EDGES]
    edges += [middle + minutes * MINUTE for minutes in range(-180, 180, 20)]
    born = sorted([*edges, *(chance.randrange(start, end) for _ in range(60))])
    syncs = [start]
    while syncs[-1] < end:
        pause = chance.choice([5 * MINUTE, 40 * MINUTE, 7 * HOUR, 26 * HOUR, 4 * DAY, 9 * DAY])
        syncs.append(syncs[-1] + chance.randrange(MINUTE, pause))
    # A sync in the very second of every edge, too.
    syncs = sorted({*syncs, *chance.sample(edges, 12), end + HOUR})
    with lent("cartum", zone=zone, **{habit: True}) as twin:
        time, cursor = Time(start), ""
        shop = bind(twin, time, timezone=zone)
        for at in syncs:
            time.at = at
            twin.admin("POST", "clock", {"at_s": at / 1000})
            due = [when for when in born if when <= at]
            del born[: len(due)]
            made = (
                twin.admin("POST", "orders", {"orders": [{"created_s": when // 1000} for when in due]}) if due else []
            )
            seen, cursor = await run(shop, cursor, None if cursor else start - DAY)
            assert not [number for number, times in Counter(seen).items() if times > 1]
            assert {str(number) for number in made} <= set(seen), at
        assert not born


# ---------------------------------------------------------------- which days are asked for


class Asked:
    """A shop without orders that remembers which days it was asked for."""

    def __init__(self, time: Time) -> None:
        self.windows: list[tuple[str, str]] = []
        self.shop, self.wire = a_shop(self, time=time)

    def __call__(self, _function: str, body: dict[str, Any]) -> Any:
        assert body["limit"] == 500
        self.windows.append((body.get("from", ""), body.get("to", "")))
        return envelope("EMPTY", {"orders": []})


async def test_three_days_at_every_sync_and_sixty_once_a_day() -> None:
    time = Time(local_ms("2026-11-20 23:59:50"))
    asked = Asked(time)
    _seen, cursor = await run(asked.shop, "2026-11-20|2026-11-20|")
    assert asked.windows == [("2026-11-17", "")]
    time.at += 10 * SECOND
    asked.windows.clear()
    _seen, cursor = await run(asked.shop, cursor)
    assert asked.windows[0] == ("2026-09-22", "2026-09-29")
    assert asked.windows[-1] == ("2026-11-17", "")
    assert [until for _since, until in asked.windows[:-1]] == [since for since, _until in asked.windows[1:]]
    asked.windows.clear()
    _seen, cursor = await run(asked.shop, cursor)
    assert (asked.windows, cursor) == ([("2026-11-18", "")], "2026-11-21|2026-11-21|")


async def test_after_a_long_pause_everything_since_the_last_reading_is_read() -> None:
    asked = Asked(Time(local_ms("2026-11-20 12:00:00")))
    await run(asked.shop, "2026-05-02|2026-05-02|")
    assert asked.windows[0][0] == "2026-04-29"
    assert asked.windows[-1][1] == ""


async def test_the_first_import_begins_with_its_window_and_leaves_out_what_is_older() -> None:
    since = local_ms("2026-09-20 12:00:00")
    with lent("cartum") as twin:
        ids = twin.admin("POST", "orders", {"orders": [{"created_s": since // 1000 + edge} for edge in (-1, 0, 1)]})
        twin.admin("POST", "clock", {"at_s": local_ms("2026-11-20 12:00:00") / 1000})
        shop = bind(twin, Time(local_ms("2026-11-20 12:00:00")))
        seen, cursor = await run(shop, "", since)
        assert (seen, cursor) == ([str(one) for one in ids[1:]], "2026-11-20|2026-11-20|")
        assert await shop.count_orders(since) is None
        # Without a bound everything is read, in one go.
        assert (await run(shop, ""))[0] == [str(one) for one in ids]


async def test_roa_10_a_crashed_first_import_goes_on_with_its_slice() -> None:
    asked = Asked(Time(local_ms("2026-11-20 12:00:00")))
    since = local_ms("2026-10-20 12:00:00")
    pages = [page async for page in asked.shop.orders("", since)]
    assert [page.cursor for page in pages[:2]] == ["||2026-10-20", "||2026-10-27"]
    asked.windows.clear()
    await run(asked.shop, pages[1].cursor, since)
    assert asked.windows[0] == ("2026-10-27", "2026-11-03")


@pytest.mark.parametrize("cursor", ["nonsense", "||", "2026-13-01|x|y", "|2026-11-20|"])
async def test_a_cursor_that_says_nothing_means_from_the_beginning(cursor: str) -> None:
    asked = Asked(Time(local_ms("2026-11-20 12:00:00")))
    await run(asked.shop, cursor)
    assert asked.windows == [("", "")]


async def test_a_machine_whose_clock_is_far_ahead_still_reads_todays_orders() -> None:
    time = Time(AT)
    answer = envelope("OK", {"orders": [an_order()]})
    shop, wire = a_shop(
        lambda _f, _b: httpx.Response(200, json=answer, headers={"date": "Fri, 20 Nov 2026 16:05:09 GMT"})
    )
    await run(shop, "2026-11-23|2026-11-20|")
    # The first answers told the difference; the next run counts by the shop's time.
    wire.asked.clear()
    time.at = AT
    await run(shop, "2026-11-23|2026-11-20|")
    assert [body["from"] for function, body in wire.asked if function == "orders/get"] == ["2026-11-17"]


# ---------------------------------------------------------------- pages that move


class Shelf:
    """Orders behind the list call, newest or oldest first; `between` acts before each answer, pages hold 500."""

    def __init__(self, numbers: range, *, newest_first: bool = False) -> None:
        self.numbers = list(numbers)
        self.newest_first = newest_first
        self.calls: list[dict[str, Any]] = []
        self.between: Callable[[int], None] = lambda _call: None
        self.shop, self.wire = a_shop(self, time=Time(local_ms("2026-11-20 12:00:00")))

    def __call__(self, _function: str, body: dict[str, Any]) -> Any:
        self.calls.append(body)
        self.between(len(self.calls))
        rows = sorted(self.numbers, reverse=self.newest_first)[body["offset"] : body["offset"] + body["limit"]]
        return envelope("OK" if rows else "EMPTY", {"orders": [an_order(order_id=n) for n in rows]})

    async def read(self) -> list[str]:
        return (await run(self.shop, "2026-11-20|2026-11-20|"))[0]


async def test_a_short_page_is_the_last_and_needs_no_second_look() -> None:
    shelf = Shelf(range(1, 500))
    assert len(await shelf.read()) == 499
    assert len(shelf.calls) == 1


async def test_several_pages_are_read_again_until_nothing_new_shows() -> None:
    shelf = Shelf(range(1, 1101))
    assert len(await shelf.read()) == 1100
    assert [call["offset"] for call in shelf.calls] == [0, 500, 1000] * 2


async def test_a_full_last_page_is_followed_by_an_empty_one() -> None:
    shelf = Shelf(range(1, 501))
    assert len(await shelf.read()) == 500
    assert [call["offset"] for call in shelf.calls] == [0, 500] * 2


@pytest.mark.parametrize("newest_first", [True, False])
async def test_what_slips_between_two_pages_is_found_by_the_second_look(newest_first: bool) -> None:
    shelf = Shelf(range(1, 1101), newest_first=newest_first)

    def between(call: int) -> None:
        if call == 2:
            # What was read already vanishes: the rows behind it move up, over the edge of the page.
            gone = range(1000, 1100) if newest_first else range(1, 100)
            shelf.numbers = [n for n in shelf.numbers if n not in gone]

    shelf.between = between
    seen = await shelf.read()
    assert set(map(str, shelf.numbers)) <= set(seen)
    assert len(seen) == len(set(seen))


async def test_orders_that_come_while_pages_are_turned_are_found_and_told_once() -> None:
    shelf = Shelf(range(1, 801), newest_first=True)

    def between(call: int) -> None:
        if call in {2, 3}:
            shelf.numbers += range(1000 * call, 1000 * call + 60)

    shelf.between = between
    seen = await shelf.read()
    assert sorted(map(int, seen)) == sorted(shelf.numbers)


async def test_a_shop_that_never_rests_is_left_after_a_few_looks() -> None:
    shelf = Shelf(range(1, 601))

    def between(call: int) -> None:
        if shelf.calls[-1]["offset"]:
            shelf.numbers.append(10_000 + call)

    shelf.between = between
    await shelf.read()
    assert len(shelf.calls) == 2 * PASSES


async def test_an_order_that_changes_while_pages_are_turned_comes_again_in_its_new_form() -> None:
    shelf = Shelf(range(1, 601))
    pages: list[OrderPage] = []

    async def turn() -> None:
        async for page in shelf.shop.orders("2026-11-20|2026-11-20|", None):
            pages.append(page)

    changed = {"stat_status": 4}

    def answer(_function: str, body: dict[str, Any]) -> Any:
        shelf.calls.append(body)
        more = changed if len(shelf.calls) > 2 else {}
        rows = shelf.numbers[body["offset"] : body["offset"] + body["limit"]]
        return envelope("OK", {"orders": [an_order(order_id=n, **(more if n == 7 else {})) for n in rows]})

    shelf.wire.answers = answer
    await turn()
    seven = [i.order for p in pages for i in p.items if isinstance(i, Parsed) and i.order.number == "7"]
    assert [order.raw_status for order in seven] == ["2", "4"]


async def test_a_shop_that_turns_no_pages_is_refused_rather_than_read_in_part() -> None:
    shop, _wire = a_shop(
        lambda _f, _b: envelope("OK", {"orders": [an_order(order_id=n) for n in range(500)]}), time=Time(AT)
    )
    with pytest.raises(WireError) as caught:
        await run(shop, "2026-11-20|2026-11-20|")
    assert isinstance(caught.value.outcome, Refused)
    assert caught.value.outcome.code == "no_paging"


async def test_a_shop_that_knows_no_limit_has_given_everything() -> None:
    shop, wire = a_shop(
        lambda _f, _b: envelope("OK", {"orders": [an_order(order_id=n) for n in range(700)]}),
        time=Time(local_ms("2026-11-20 12:00:00")),
    )
    seen, _cursor = await run(shop, "2026-11-20|2026-11-20|")
    assert len(seen) == len(set(seen)) == 700
    assert len(wire.asked) < 8


async def test_a_failure_in_the_middle_keeps_the_cursor_where_it_was() -> None:
    shelf = Shelf(range(1, 1001))
    shelf.wire.answers = lambda f, b: httpx.Response(400, html="<html>") if b.get("offset") else shelf(f, b)
    cursors: list[str] = []

    async def read() -> None:
        async for page in shelf.shop.orders("2026-11-20|2026-11-20|", None):
            cursors.append(page.cursor)

    with pytest.raises(WireError):
        await read()
    assert cursors == ["2026-11-20|2026-11-20|2026-11-17"]


@pytest.mark.parametrize("kind", ["duplicate", "reorder"])
async def test_rows_that_come_twice_or_in_another_order_are_told_once(kind: str) -> None:
    with lent("cartum") as twin:
        made = twin.admin("POST", "orders", {"orders": [{} for _n in range(7)]})
        shop = bind(twin)
        twin.fail_next(kind, path="orders/get", times=2)
        today = datetime.now(KYIV).date()
        seen, _cursor = await run(shop, f"{today}|{today}|")
        assert sorted(seen) == [str(one) for one in made]
        found = await shop.read_orders(seen)
        assert [one.order.number for one in found if isinstance(one, Parsed)] == seen
        assert twin.admin("GET", "faults")[kind] == 2


async def test_a_page_with_a_row_twice_does_not_skip_another() -> None:
    shelf = Shelf(range(1, 1201))
    plain = shelf.wire.answers

    def answer(function: str, body: dict[str, Any]) -> Any:
        said = plain(function, body)
        rows = said["response"]["orders"]
        return envelope("OK", {"orders": [*rows, rows[3]]}) if rows else said

    shelf.wire.answers = answer
    assert sorted(map(int, await shelf.read())) == list(range(1, 1201))
