"""Shopify: stock is set by compare and swap, under a key that always asks the same question."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from shopify_kit import a_shop, bind, data, fresh, operations, settings

from connectors.contract import StockLevel, StockSet
from connectors.shops.shopify import Shopify
from connectors.simulated.launch import Twin
from domain.results import NotActed, Refused, Unauthorised, Unknown
from tests.conftest import lent


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with lent("shopify", points=1_000_000) as running:
        yield running


@pytest.fixture
async def shop(twin: Twin) -> Any:
    fresh(twin)
    for sku in ("MUG", "SOCK-1"):
        twin.admin("POST", "stock", {"sku": sku, "pieces": 20})
    connector = bind(twin)
    yield connector
    await connector._http.aclose()


def level(twin: Twin, sku: str, pieces: int, key: str = "k1") -> StockLevel:
    one = next(one for one in twin.admin("GET", "variants") if one["sku"] == sku)
    return StockLevel(str(one["product"]), str(one["id"]), pieces, key)


def on_hand(twin: Twin, sku: str) -> list[int]:
    return list(twin.admin("GET", "state")["stock"][sku].values())


def sets(twin: Twin) -> int:
    return operations(twin).get("SetStock", 0)


async def test_each_level_is_set_at_the_location_and_says_what_was_there(twin: Twin, shop: Shopify) -> None:
    assert Shopify.declaration.capabilities.stock_write
    wanted = [level(twin, "MUG", 7), level(twin, "SOCK-1", 0, "k2")]
    assert await shop.push_stock(wanted) == [StockSet(7, 20), StockSet(0, 20)]
    assert on_hand(twin, "MUG") == [7, 3]
    assert on_hand(twin, "SOCK-1") == [0, 3]


async def test_levels_travel_together_under_a_key_of_all_of_them(twin: Twin, shop: Shopify) -> None:
    before, known = sets(twin), set(twin.admin("GET", "state")["keys"])
    assert await shop.push_stock([level(twin, "MUG", 7), level(twin, "SOCK-1", 5, "k2")]) == [
        StockSet(7, 20), StockSet(5, 20),
    ]  # fmt: skip
    assert await shop.push_stock([level(twin, "MUG", 20, "k3"), level(twin, "SOCK-1", 20, "k4")]) == [
        StockSet(20, 7), StockSet(20, 5),
    ]  # fmt: skip
    # The first question again, as after books that were restored: another key, for it begins at other numbers.
    assert sets(twin) == before + 2
    assert len(set(twin.admin("GET", "state")["keys"]) - known) == 2


async def test_of_levels_whose_answer_was_lost_none_is_written_twice(twin: Twin, shop: Shopify) -> None:
    wanted = [level(twin, "MUG", 9, "k5"), level(twin, "SOCK-1", 4, "k6")]
    twin.fail_next("cut_after", path="graphql.json", skip=2)
    assert [type(one) for one in await shop.push_stock(wanted)] == [Unknown, Unknown]
    before = sets(twin)
    assert await shop.push_stock(wanted) == [StockSet(9, 9), StockSet(4, 4)]
    assert sets(twin) == before


async def test_what_stands_there_already_is_not_written(twin: Twin, shop: Shopify) -> None:
    before = sets(twin)
    assert await shop.push_stock([level(twin, "MUG", 20)]) == [StockSet(20, 20)]
    assert sets(twin) == before


async def test_a_lost_answer_is_unknown_and_the_same_level_again_writes_nothing_twice(
    twin: Twin, shop: Shopify
) -> None:
    wanted = level(twin, "MUG", 9, "k3")
    # Locations, levels, then the write.
    twin.fail_next("cut_after", path="graphql.json", skip=2)
    [outcome] = await shop.push_stock([wanted])
    assert isinstance(outcome, Unknown)
    before = sets(twin)
    assert await shop.push_stock([wanted]) == [StockSet(9, 9)]
    assert sets(twin) == before


async def test_a_key_is_never_used_for_another_question(twin: Twin, shop: Shopify) -> None:
    """The buyers take two between a try that was cut off and the next one under the same key."""
    wanted = level(twin, "MUG", 11, "k4")
    twin.fail_next("cut_before", path="graphql.json", skip=2)
    assert isinstance((await shop.push_stock([wanted]))[0], Unknown)
    twin.admin("POST", "stock", {"sku": "MUG", "pieces": 18})
    assert await shop.push_stock([wanted]) == [StockSet(11, 18)]
    keys = [key for key in twin.admin("GET", "state")["keys"] if key.startswith("k4")]
    assert len(keys) == len(set(keys)) == 1


def levels(available: int) -> dict[str, Any]:
    item = {"id": "i1", "tracked": True, "inventoryLevel": {"quantities": [{"quantity": available}]}}
    return {"nodes": [{"id": "gid://shopify/ProductVariant/5", "inventoryItem": item}]}


PLACES = {"locations": {"pageInfo": {"hasNextPage": False}, "nodes": [{"id": "l1", "name": "Main"}]}}


def problem(code: str | None) -> dict[str, Any]:
    found = [] if code is None else [{"code": code, "field": None, "message": "No."}]
    return {"inventorySetQuantities": {"inventoryAdjustmentGroup": None, "userErrors": found}}


def scripted(*codes: str | None, available: list[int]) -> Any:
    """A shop whose sets are answered in turn, the last for ever; what it has changes with each reading."""
    left, have = list(codes), list(available)

    def answer(request: httpx.Request) -> httpx.Response:
        name = json.loads(request.content)["query"].split("(")[0].split()[1]
        if name == "Locations":
            return data(PLACES)
        if name == "Levels":
            return data(levels(have.pop(0) if len(have) > 1 else have[0]))
        return data(problem(left.pop(0) if len(left) > 1 else left[0]))

    return answer


async def test_a_quantity_that_moved_is_read_again_and_set_under_a_new_key() -> None:
    shop, wire, _time = a_shop(scripted("CHANGE_FROM_QUANTITY_STALE", None, available=[20, 17]))
    assert await shop.push_stock([StockLevel("1", "5", 9, "k")]) == [StockSet(9, 17)]
    asked = [json.loads(one.content)["variables"] for one in wire.asked if b"SetStock" in one.content]
    assert [one["input"]["quantities"][0]["changeFromQuantity"] for one in asked] == [20, 17]
    assert len({one["key"] for one in asked}) == 2
    assert asked[0]["input"]["name"] == "available"


async def test_a_quantity_that_never_rests_is_left_for_later() -> None:
    shop, wire, _time = a_shop(scripted("CHANGE_FROM_QUANTITY_STALE", available=[20, 19, 18, 17]))
    [outcome] = await shop.push_stock([StockLevel("1", "5", 9, "k")])
    assert isinstance(outcome, NotActed)
    assert wire.operations.count("SetStock") == 3


async def test_a_call_under_way_is_waited_for_under_the_same_key() -> None:
    shop, wire, time = a_shop(scripted("IDEMPOTENCY_CONCURRENT_REQUEST", None, available=[20]))
    assert await shop.push_stock([StockLevel("1", "5", 9, "k")]) == [StockSet(9, 20)]
    asked = [json.loads(one.content)["variables"]["key"] for one in wire.asked if b"SetStock" in one.content]
    assert len(asked) == 2
    assert len(set(asked)) == 1
    assert time.waits == [1.0]
    shop, _wire, _time = a_shop(scripted("IDEMPOTENCY_CONCURRENT_REQUEST", available=[20]))
    assert isinstance((await shop.push_stock([StockLevel("1", "5", 9, "k")]))[0], Unknown)


async def test_a_failed_attempt_gives_a_new_key() -> None:
    shop, wire, _time = a_shop(scripted("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", None, available=[20]))
    assert await shop.push_stock([StockLevel("1", "5", 9, "k")]) == [StockSet(9, 20)]
    asked = [json.loads(one.content)["variables"]["key"] for one in wire.asked if b"SetStock" in one.content]
    assert len(set(asked)) == 2


async def test_what_cannot_be_set_is_refused_one_by_one(twin: Twin, shop: Shopify) -> None:
    wanted = [
        level(twin, "CANDLE", 4),
        level(twin, "MUG", -1),
        StockLevel("1", "99", 3, "k"),
        level(twin, "SOCK-1", 5, "k9"),
    ]
    outcomes = await shop.push_stock(wanted)
    assert [getattr(one, "code", None) for one in outcomes] == [
        "not_tracked",
        "invalid_quantity_negative",
        "variant_gone",
        None,
    ]
    assert outcomes[3] == StockSet(5, 20)


def together(*named: int | None) -> Any:
    """Four variants; the calls for several of them name in turn what is wrong (None = nothing), single ones are done."""
    left = list(named)

    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        name = asked["query"].split("(")[0].split()[1]
        if name == "Locations":
            return data(PLACES)
        if name == "Levels":
            nodes = [{**levels(20)["nodes"][0], "id": one} for one in asked["variables"]["ids"]]
            return data({"nodes": nodes})
        at = left.pop(0) if len(asked["variables"]["input"]["quantities"]) > 1 and left else None
        field = None if at is None or at < 0 else ["input", "quantities", str(at), "changeFromQuantity"]
        found = [] if at is None else [{"code": "CHANGE_FROM_QUANTITY_STALE", "field": field, "message": "No."}]
        return data({"inventorySetQuantities": {"inventoryAdjustmentGroup": None, "userErrors": found}})

    return answer


def sizes(wire: Any) -> list[int]:
    """How many levels each write carried."""
    asked = [json.loads(one.content)["variables"] for one in wire.asked if b"SetStock" in one.content]
    return [len(one["input"]["quantities"]) for one in asked]


@pytest.mark.parametrize(
    ("named", "carried"),
    [((None,), [4]), ((1, None), [4, 3, 1]), ((-1,), [4, 1, 1, 1, 1]), ((0, 2, None), [4, 3, 2, 1, 1])],
    ids=["none", "one", "nobody knows which", "one after the other"],
)
async def test_what_a_call_names_as_wrong_goes_by_itself_and_the_others_together(
    named: tuple[int | None, ...], carried: list[int]
) -> None:
    shop, wire, _time = a_shop(together(*named))
    wanted = [StockLevel("1", str(n), 9, f"k{n}") for n in range(5, 9)]
    assert await shop.push_stock(wanted) == [StockSet(9, 20)] * 4
    assert sizes(wire) == carried


async def test_with_several_locations_one_must_be_named(twin: Twin, shop: Shopify) -> None:
    [outcome] = await bind(twin, location="").push_stock([level(twin, "MUG", 1)])
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.field) == ("no_location", "location")
    assert "Outlet" in outcome.message
    assert await bind(twin, location="outlet").push_stock([level(twin, "MUG", 1)]) == [StockSet(1, 3)]
    twin.admin("POST", "stock", {"sku": "MUG", "pieces": 3, "place": "Outlet"})


async def test_without_the_scope_nothing_is_set(twin: Twin, shop: Shopify) -> None:
    settings(twin, without=["write_inventory"])
    [outcome] = await shop.push_stock([level(twin, "MUG", 1)])
    assert isinstance(outcome, Unauthorised)
    assert on_hand(twin, "MUG") == [20, 3]
