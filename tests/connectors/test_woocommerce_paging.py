"""WooCommerce: no order is skipped and no reading goes on for ever, whatever changes while pages are turned."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from test_woocommerce import AT, a_shop, an_order, error

from connectors.contract import OrderPage, Parsed, Poison
from connectors.http import WireError
from connectors.shops.woocommerce import WooCommerce
from domain.clock import to_datetime

START = 1_795_000_000


def stamp(seconds: int) -> str:
    return to_datetime(seconds * 1000).strftime("%Y-%m-%dT%H:%M:%S")


class Shelf:
    """The orders of a shop behind its list call, filtered and sorted as the page says; `between` acts between pages."""

    def __init__(self, modified: Mapping[int, int]) -> None:
        self.orders: dict[int, dict[str, Any]] = {}
        for order_id, at in modified.items():
            self.put(order_id, at)
        self.calls: list[dict[str, str]] = []
        self.between: Callable[[int], None] = lambda _call: None
        self.knows_modified = self.knows_exclude = self.has_totals = True

    def put(self, order_id: int, at: int, **changes: Any) -> None:
        created = {"date_created_gmt": stamp(min(at, START)), "date_modified_gmt": stamp(at)}
        self.orders[order_id] = an_order(id=order_id, **created, **changes)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = dict(request.url.params)
        assert asked["dates_are_gmt"] == "true"
        assert len(str(request.url)) < 8000
        assert not asked.get("modified_after", "").endswith("Z")
        if asked["orderby"] == "modified" and not self.knows_modified:
            return error(400, "rest_invalid_param", "Invalid parameter(s): orderby")
        self.calls.append(asked)
        self.between(len(self.calls))
        left_out = set(asked.get("exclude", "").split(",")) if self.knows_exclude else set()
        rows = [
            order
            for order_id, order in self.orders.items()
            if (order["status"] == "trash") == (asked["status"] == "trash")
            and order["date_modified_gmt"] > asked.get("modified_after", "")
            and order["date_created_gmt"] > asked.get("after", "")
            and str(order_id) not in left_out
        ]
        key = ("date_modified_gmt", "id") if asked["orderby"] == "modified" else ("id", "id")
        rows.sort(key=lambda order: (order[key[0]], order[key[1]]))
        first = (int(asked.get("page", "1")) - 1) * 100
        headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(-(-len(rows) // 100))}
        return httpx.Response(200, json=rows[first : first + 100], headers=headers if self.has_totals else {})


async def pages(shop: WooCommerce, cursor: str = "", since: int | None = None) -> list[OrderPage]:
    found = []
    async for page in shop.orders(cursor, since):
        found.append(page)
        assert len(found) < 200
    assert [page.last for page in found] == [False] * (len(found) - 1) + [True]
    return found


def ids(found: list[OrderPage]) -> list[int]:
    return [int(item.order.platform_order_id) for page in found for item in page.items if isinstance(item, Parsed)]


async def test_pages_follow_the_last_change_and_the_cursor_is_the_shops_own_time() -> None:
    shelf = Shelf({n: START + n for n in range(1, 251)})
    found = await pages(a_shop(shelf, clock=1)[0])
    assert ids(found) == list(range(1, 251))
    assert found[-1].cursor == stamp(START + 250)
    assert "modified_after" not in shelf.calls[0]
    assert shelf.calls[1]["modified_after"] == stamp(START + 99)
    assert "page" not in shelf.calls[1]


async def test_a_new_run_looks_ten_minutes_back() -> None:
    shelf = Shelf({1: START, 2: START + 500, 3: START + 1000})
    found = await pages(a_shop(shelf)[0], stamp(START + 1000))
    assert ids(found) == [2, 3]
    assert shelf.calls[0]["modified_after"] == stamp(START + 400)
    assert found[-1].cursor == stamp(START + 1000)


async def test_nothing_new_leaves_the_cursor_where_it_was() -> None:
    [page, _bin] = await pages(a_shop(Shelf({}))[0], stamp(START))
    assert _bin.cursor == stamp(START)
    [page] = await pages(a_shop(Shelf({}))[0], "", AT)
    assert (page.items, page.cursor) == ((), "")


async def test_orders_modified_while_pages_turn_make_none_skip() -> None:
    shelf = Shelf({n: START + n for n in range(1, 451)})

    def bump(call: int) -> None:
        # Ten orders already read, and ten to be read, drop out of their place at every page.
        for order_id in [*range(call * 10, call * 10 + 10), *range(300 + call * 10, 310 + call * 10)]:
            shelf.put(order_id, START + 10_000 + call * 100 + order_id % 100)

    shelf.between = lambda call: bump(call) if call < 6 else None
    found = await pages(a_shop(shelf)[0])
    assert set(ids(found)) == set(range(1, 451))
    newest = {}
    for page in found:
        for item in page.items:
            assert isinstance(item, Parsed)
            newest[item.order.platform_order_id] = item.order.updated_at
    assert all(stamp(at // 1000) == shelf.orders[int(order_id)]["date_modified_gmt"] for order_id, at in newest.items())


@pytest.mark.parametrize("count", [101, 250, 1300])
@pytest.mark.parametrize("knows_exclude", [True, False])
@pytest.mark.parametrize("has_totals", [True, False])
async def test_more_orders_in_one_second_than_fit_a_page_are_all_read(
    count: int, knows_exclude: bool, has_totals: bool
) -> None:
    shelf = Shelf(dict.fromkeys(range(1, count + 1), START) | {5000 + n: START + n for n in range(1, 131)})
    shelf.knows_exclude, shelf.has_totals = knows_exclude, has_totals
    found = await pages(a_shop(shelf)[0])
    assert sorted(ids(found)) == sorted(shelf.orders)
    assert len(shelf.calls) < 2 * count / 100 + 12


async def test_changes_within_a_crowded_second_make_none_skip() -> None:
    shelf = Shelf(dict.fromkeys(range(1, 401), START))

    def bump(call: int) -> None:
        for order_id in range(call * 40, call * 40 + 40):
            shelf.put(order_id, START + 50 + call)

    shelf.between = lambda call: bump(call) if 1 < call < 9 else None
    assert set(ids(await pages(a_shop(shelf)[0]))) == set(range(1, 401))


async def test_changes_within_a_second_too_crowded_to_exclude_make_none_skip() -> None:
    shelf = Shelf(dict.fromkeys(range(1, 1301), START))

    def bump(call: int) -> None:
        for order_id in range(430 + call * 15, 445 + call * 15):
            shelf.put(order_id, START + 50 + call)

    shelf.between = lambda call: bump(call) if 7 < call < 15 else None
    assert set(ids(await pages(a_shop(shelf)[0]))) == set(range(1, 1301))


async def test_a_shop_that_cannot_sort_by_change_is_read_by_id_and_marks_only_at_the_end() -> None:
    shelf = Shelf({n: START + 1000 - n for n in range(1, 251)})
    shelf.knows_modified = False
    found = await pages(a_shop(shelf)[0], stamp(START + 500), None)
    assert set(ids(found)) == set(range(1, 251))
    assert [page.cursor.partition("|")[0] for page in found[:2]] == [stamp(START + 500)] * 2
    assert found[-1].cursor == stamp(START + 999)


async def test_the_first_import_is_bounded_by_creation_to_the_second() -> None:
    shelf = Shelf({1: START - 1, 2: START, 3: START + 1})
    assert ids(await pages(a_shop(shelf)[0], "", START * 1000)) == [2, 3]
    assert ids(await pages(a_shop(shelf)[0], "", START * 1000 - 400)) == [2, 3]
    assert shelf.calls[0]["after"] == stamp(START - 1)


async def test_roa_13_the_first_import_leaves_the_bin_closed_even_when_resumed() -> None:
    shelf = Shelf({n: START + n for n in range(1, 151)})
    shelf.put(900, START + 5, status="trash")
    shop = a_shop(shelf)[0]
    first = await anext(shop.orders("", START * 1000))
    await pages(shop, first.cursor, START * 1000)
    assert all(call["status"] == "any" for call in shelf.calls)


async def test_trashed_orders_come_at_every_later_run() -> None:
    shelf = Shelf({1: START})
    shelf.put(2, START + 30, status="trash")
    found = await pages(a_shop(shelf)[0], stamp(START))
    assert ids(found) == [1, 2]
    assert found[-1].cursor == stamp(START)


async def test_a_run_cut_in_the_middle_goes_on_without_losing_the_bin() -> None:
    shelf = Shelf({n: START + 2000 + n for n in range(1, 151)})
    shelf.put(900, START + 30, status="trash")
    shop = a_shop(shelf)[0]
    first = await anext(shop.orders(stamp(START), None))
    assert first.cursor == f"{stamp(START + 2100)}|{stamp(START)}"
    assert 900 in ids(await pages(shop, first.cursor))


async def test_a_shop_that_hides_its_bin_is_read_without_it() -> None:
    shelf = Shelf({1: START})

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.params["status"] == "trash":
            return error(400, "rest_invalid_param", "Invalid parameter(s): status")
        return shelf(request)

    assert ids(await pages(a_shop(answer)[0], stamp(START))) == [1]


async def test_baskets_are_no_orders_yet_move_the_cursor() -> None:
    shelf = Shelf({1: START})
    shelf.put(2, START + 9, status="checkout-draft")
    shelf.put(3, START + 8, status="auto-draft")
    found = await pages(a_shop(shelf)[0])
    assert ids(found) == [1]
    assert found[-1].cursor == stamp(START + 9)


async def test_a_row_with_an_unreadable_date_stops_nothing() -> None:
    shelf = Shelf({n: START + n for n in range(1, 121)})
    shelf.orders[100]["date_modified_gmt"] = "2026-99"
    found = await pages(a_shop(shelf)[0])
    assert set(ids(found)) == set(range(1, 121))


async def test_an_order_dated_in_the_far_future_does_not_hide_later_changes() -> None:
    shelf = Shelf({1: START, 2: START + 400_000_000})

    def answer(request: httpx.Request) -> httpx.Response:
        dated = shelf(request)
        dated.headers["Date"] = to_datetime((START + 60) * 1000).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return dated

    shop = a_shop(answer)[0]
    found = await pages(shop)
    assert (ids(found), found[-1].cursor) == ([1, 2], stamp(START))
    again = await pages(shop, stamp(START + 10_000))
    assert again[-1].cursor == stamp(START + 10_000)


async def test_a_shop_whose_whole_world_lies_ahead_still_moves_on() -> None:
    shelf = Shelf({1: START, 2: START + 5})

    def answer(request: httpx.Request) -> httpx.Response:
        dated = shelf(request)
        dated.headers["Date"] = "Wed, 01 Jan 2020 00:00:00 GMT"
        return dated

    assert (await pages(a_shop(answer)[0]))[-1].cursor == stamp(START + 5)


async def test_a_row_twice_on_a_page_counts_once_and_the_newest_wins() -> None:
    rows = [
        an_order(id=1, date_modified_gmt=stamp(START + 5), customer_note="new"),
        an_order(id=1, date_modified_gmt=stamp(START), customer_note="old"),
        an_order(id=2),
    ]
    answer = a_shop(lambda r: httpx.Response(200, json=rows if r.url.params["status"] == "any" else []))
    first = (await pages(answer[0]))[0]
    notes = [item.order.buyer_note for item in first.items if isinstance(item, Parsed)]
    assert len(notes) == 2
    assert notes[0] == "new"


async def test_refunds_are_asked_for_only_where_there_are_any() -> None:
    shelf = Shelf({1: START})
    shelf.put(2, START, refunds=[{"id": 7, "total": "-30.00"}])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/2/refunds"):
            line = {"quantity": -1, "meta_data": [{"key": "_refunded_item_id", "value": 771}]}
            return httpx.Response(200, json=[{"id": 7, "line_items": [line]}])
        return shelf(request)

    shop, wire = a_shop(answer)
    found = await pages(shop, "", 1)
    by_id = {i.order.platform_order_id: i.order for page in found for i in page.items if isinstance(i, Parsed)}
    assert [str(line.cancelled) for line in by_id["2"].lines] == ["1", "0"]
    assert len([request for request in wire.asked if "refunds" in request.url.path]) == 1


async def test_refunds_that_may_not_be_read_are_a_warning_and_an_outage_is_not() -> None:
    shelf = Shelf({})
    shelf.put(2, START, refunds=[{"id": 7}])
    statuses = iter([403, 503, 503, 503])

    def answer(request: httpx.Request) -> httpx.Response:
        return error(next(statuses), "denied") if request.url.path.endswith("refunds") else shelf(request)

    shop = a_shop(answer)[0]
    [page] = await pages(shop, "", 1)
    assert isinstance(page.items[0], Parsed)
    assert page.items[0].order.warnings == ("refunds_unreadable",)
    with pytest.raises(WireError):
        await pages(shop, "", 1)


async def test_a_whole_page_of_nonsense_ends() -> None:
    rows = [{"id": n, "date_modified_gmt": None} for n in range(100)]
    answer = a_shop(lambda r: httpx.Response(200, json=rows if r.url.params.get("page", "1") == "1" else []))
    found = await pages(answer[0])
    assert all(isinstance(item, Poison) for page in found for item in page.items)


async def test_a_cache_that_answers_every_page_alike_ends() -> None:
    rows = [an_order(id=n + 1, date_modified_gmt=stamp(START)) for n in range(100)]
    answer = a_shop(lambda r: httpx.Response(200, json=rows if r.url.params["status"] == "any" else []))
    assert set(ids(await pages(answer[0]))) == set(range(1, 101))
