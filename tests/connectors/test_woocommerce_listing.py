"""WooCommerce: which orders a day has is told whole or not at all, whatever changes while pages are turned."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from test_woocommerce import a_shop, error
from test_woocommerce_paging import START, Shelf

from connectors.contract import Listed
from connectors.http import WireError

SINCE, BEFORE = (START - 3600) * 1000, (START + 3600) * 1000


async def listed(shelf: Any) -> list[Listed]:
    pages: list[Sequence[Listed]] = [page async for page in a_shop(shelf)[0].listing(SINCE, BEFORE)]
    return [one for page in pages for one in page]


def ids(found: Sequence[Listed]) -> set[int]:
    return {int(one.platform_order_id) for one in found}


@pytest.mark.parametrize("totals", [True, False])
async def test_every_order_of_the_time_is_listed_once_with_the_bin(totals: bool) -> None:
    shelf = Shelf(dict.fromkeys(range(1, 251), START))
    shelf.has_totals = totals
    shelf.put(300, START, status="trash", number="T-300")
    shelf.put(301, START, status="checkout-draft")
    found = await listed(shelf)
    assert ids(found) == {*range(1, 251), 300}
    assert len(found) == 251
    assert found[-1] == Listed("300", "T-300", START * 1000, "trash")
    asked = shelf.calls[0]
    assert asked["_fields"] == "id,number,status,date_created_gmt"
    assert len(asked["after"]) == len(asked["before"]) == len("2026-11-22T00:00:00")
    assert len(shelf.calls) == (4 if totals else 7), "without totals a list of several pages is read twice"


@pytest.mark.parametrize("totals", [True, False])
async def test_an_order_that_goes_while_pages_are_turned_hides_no_other(totals: bool) -> None:
    shelf = Shelf(dict.fromkeys(range(1, 251), START))
    shelf.has_totals = totals
    shelf.between = lambda call: shelf.orders.pop(5, None) if call == 2 else None
    assert ids(await listed(shelf)) == {n for n in range(1, 251) if n != 5}


async def test_a_list_that_is_never_whole_proves_nothing() -> None:
    shelf = Shelf(dict.fromkeys(range(1, 251), START))
    shelf.between = lambda call: shelf.orders.pop(call, None)
    with pytest.raises(WireError) as caught:
        await listed(shelf)
    assert caught.value.outcome.code == "listing_unsteady"


async def test_a_cache_that_answers_every_page_alike_proves_nothing() -> None:
    shelf = Shelf(dict.fromkeys(range(1, 251), START))

    def first_page_for_ever(request: httpx.Request) -> httpx.Response:
        return shelf(httpx.Request("GET", request.url.copy_remove_param("page")))

    with pytest.raises(WireError) as caught:
        await listed(first_page_for_ever)
    assert caught.value.outcome.code == "listing_unsteady"


async def test_a_shop_that_hides_its_bin_lists_the_rest() -> None:
    shelf = Shelf(dict.fromkeys(range(1, 4), START))

    def hides(request: httpx.Request) -> httpx.Response:
        hidden = request.url.params["status"] == "trash"
        return error(400, "rest_invalid_param", "Invalid parameter(s): status") if hidden else shelf(request)

    assert ids(await listed(hides)) == {1, 2, 3}


async def test_an_order_without_a_date_belongs_to_the_time_it_was_asked_for_in() -> None:
    shelf = Shelf({1: START})
    shelf.orders[1]["date_created_gmt"] = "never"
    (one,) = await listed(shelf)
    assert one.created_at == SINCE
