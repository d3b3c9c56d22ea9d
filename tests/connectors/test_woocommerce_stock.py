"""WooCommerce: stock is read, only a difference is written, many at once; what cannot be set is refused one by one."""

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.contract import Binding, StockLevel, StockSet
from connectors.http import HttpClient
from connectors.shops.woocommerce_api import Api
from connectors.shops.woocommerce_stock import Shelf
from connectors.simulated.launch import Twin
from domain.clock import now
from domain.results import NotActed, Refused, Unauthorised, Unknown
from tests.conftest import lent


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with lent("woocommerce", orders=0, seed=4) as running:
        yield running


@pytest.fixture
async def shelf(twin: Twin) -> Any:
    twin.admin("POST", "faults", {"rate": 0})
    made = bind(twin)
    yield made
    await made._api.http.aclose()


def bind(twin: Twin, **secrets: str) -> Shelf:
    http = HttpClient(twin.url, timeout_s=2)
    keys = {name: str(twin.hello[name]) for name in ("consumer_key", "consumer_secret")}
    return Shelf(Api(Binding("test", {"url": twin.url}, {**keys, **secrets}, http, now)))


def there(twin: Twin) -> dict[tuple[str, str], int]:
    """(product, variation) → pieces of what has its stock managed."""
    found = {tuple(name.split("/")): pieces for name, pieces in twin.admin("GET", "stock").items()}
    return {(product, variation): n for (product, variation), n in found.items() if n is not None}


def calls(twin: Twin) -> int:
    return int(sum(twin.admin("GET", "calls")["calls"].values()))


def level(unit: tuple[str, str], pieces: int) -> StockLevel:
    return StockLevel(*unit, pieces, f"k-{unit}-{pieces}")


async def test_products_and_variations_are_set_together_and_say_what_was_there(twin: Twin, shelf: Shelf) -> None:
    before = there(twin)
    simple = [unit for unit in before if not unit[1]][:3]
    family = next(product for product, variation in before if variation)
    variations = [unit for unit in before if unit[0] == family and unit[1]]
    wanted = {unit: before[unit] + 2 for unit in (*variations, *simple)}
    made = calls(twin)
    outcomes = await shelf.push_stock([level(unit, pieces) for unit, pieces in wanted.items()])
    assert outcomes == [StockSet(pieces, pieces - 2) for pieces in wanted.values()]
    assert {unit: there(twin)[unit] for unit in wanted} == wanted
    # A read and a batch for the products, the same for the variations of one of them.
    assert calls(twin) - made == 4
    made = calls(twin)
    again = await shelf.push_stock([level(unit, pieces) for unit, pieces in wanted.items()])
    assert again == [StockSet(pieces, pieces) for pieces in wanted.values()]
    assert calls(twin) - made == 2


async def test_what_cannot_be_set_is_refused_and_the_others_are_set(twin: Twin, shelf: Shelf) -> None:
    unmanaged = next(name for name, pieces in twin.admin("GET", "stock").items() if pieces is None and name[-1] == "/")
    good = next(unit for unit in there(twin) if not unit[1])
    outcomes = await shelf.push_stock(
        [
            level((unmanaged[:-1], ""), 3),
            level(("99999999", ""), 3),
            level((good[0], "99999999"), 3),
            level(good, 44),
            level(("x", ""), 1),
        ]
    )
    assert [
        one.code if isinstance(one, Refused) else one.quantity for one in outcomes if not isinstance(one, NotActed)
    ] == [
        "not_tracked",
        "variant_gone",
        "variant_gone",
        44,
        "variant_gone",
    ]
    assert there(twin)[good] == 44


async def test_a_lost_answer_is_unknown_and_the_same_level_again_writes_nothing_twice(twin: Twin, shelf: Shelf) -> None:
    unit = next(unit for unit in there(twin) if not unit[1])
    wanted = level(unit, there(twin)[unit] + 5)
    twin.fail_next("cut_after", method="POST", path="products/batch")
    assert [type(one) for one in await shelf.push_stock([wanted])] == [Unknown]
    assert there(twin)[unit] == wanted.quantity
    made = calls(twin)
    assert await shelf.push_stock([wanted]) == [StockSet(wanted.quantity, wanted.quantity)]
    assert calls(twin) - made == 1


async def test_a_read_that_fails_parks_nothing(twin: Twin, shelf: Shelf) -> None:
    unit = next(unit for unit in there(twin) if not unit[1])
    twin.fail_next("http_403", method="GET", path="products")
    [outcome] = await shelf.push_stock([level(unit, 3)])
    assert isinstance(outcome, NotActed)
    twin.fail_next("http_503_retry_after", method="POST", path="products/batch")
    [outcome] = await shelf.push_stock([level(unit, 3)])
    assert isinstance(outcome, NotActed)
    assert outcome.retry_after_ms is not None
    [outcome] = await bind(twin, consumer_secret="cs_wrong").push_stock([level(unit, 3)])
    assert isinstance(outcome, Unauthorised)
