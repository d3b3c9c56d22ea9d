"""Cartum: what a push writes, what it refuses, and that a lost answer is read back before anything is sent again."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from test_cartum import a_shop, an_order, bind, envelope, make

from connectors.contract import Push, Pushed, PushedInPart, StockLevel, StockOutcome, StockSet
from connectors.simulated.launch import Twin
from domain.results import NotActed, NotFound, Refused, Unauthorised, Unknown
from tests.conftest import lent

NUMBER = "0503799000001"


@pytest.fixture(scope="module")
def quiet() -> Iterator[Twin]:
    with lent("cartum", seed=4) as twin:
        yield twin


@pytest.fixture(scope="module")
def showing() -> Iterator[Twin]:
    with lent("cartum", seed=5, shows_number=True, own_code=True, names_orders=True) as twin:
        yield twin


@pytest.fixture(params=["quiet", "showing"])
def twin(request: pytest.FixtureRequest) -> Twin:
    """A shop that does not show the number it was told, and one that does."""
    twin: Twin = request.getfixturevalue(request.param)
    twin.admin("POST", "faults", {"rate": 0, "retry_after_s": 0, "hold_s": 0.1})
    return twin


def there(twin: Twin, order: str) -> Any:
    return twin.admin("GET", "orders", {"orders": [int(order)]})[0]


def change(twin: Twin, order: str, what: str, **how: Any) -> None:
    twin.admin("POST", "change", {"order": int(order), "change": what, **how})


def a_push(order: str, **changes: Any) -> Push:
    return Push(**{"key": "e1", "platform_order_id": order, "number": NUMBER, "carrier": "Ukrposhta", **changes})


# ---------------------------------------------------------------- what is written


async def test_a_push_sets_status_and_number_in_one_call_and_reads_both_back(twin: Twin) -> None:
    [order] = make(twin)
    assert await bind(twin).push([a_push(order)]) == [Pushed(NUMBER, "6")]
    after = there(twin, order)
    assert after["updates"] == [{"status": 6, "tracking_code": NUMBER}]
    assert after["order"]["payed"] == 1


async def test_an_early_push_tells_the_number_alone_and_the_status_follows_once(twin: Twin) -> None:
    [order] = make(twin)
    shop = bind(twin)
    assert await shop.push([a_push(order, finish=False)]) == [Pushed(NUMBER, "1")]
    assert await shop.push([a_push(order, tell=False)]) == [Pushed(NUMBER, "6")]
    assert there(twin, order)["updates"] == [{"tracking_code": NUMBER}, {"status": 6}]


async def test_a_hand_over_without_number_sets_the_status_alone(twin: Twin) -> None:
    [order] = make(twin)
    assert await bind(twin).push([a_push(order, number="", tell=False)]) == [Pushed("", "6")]
    assert there(twin, order)["updates"] == [{"status": 6}]


async def test_nothing_to_tell_calls_nobody(twin: Twin) -> None:
    [order] = make(twin)
    assert await bind(twin).push([a_push(order, number="", tell=False, finish=False)]) == [Pushed("", "1")]
    assert there(twin, order)["updates"] == []


async def test_roa_17_the_status_that_is_set_is_a_setting(twin: Twin) -> None:
    [order] = make(twin)
    assert await bind(twin, shipped_status="3150").push([a_push(order)]) == [Pushed(NUMBER, "3150")]
    assert there(twin, order)["status"] == 3150


@pytest.mark.parametrize("wrong", ["4", "3", "1", "x"])
async def test_status_4_is_never_sent_whatever_the_setting_says(twin: Twin, wrong: str) -> None:
    [order] = make(twin)
    await bind(twin, shipped_status=wrong).push([a_push(order)])
    after = there(twin, order)
    assert (after["updates"][0]["status"], after["cancelled_by_api"]) == (6, 0)


async def test_own_tracking_code_is_sent_where_the_setting_says_so(showing: Twin, quiet: Twin) -> None:
    [order] = make(showing)
    assert await bind(showing, number_field="own_tracking_code").push([a_push(order)]) == [Pushed(NUMBER, "6")]
    assert there(showing, order)["numbers"] == {"own_tracking_code": NUMBER}
    [order] = make(quiet)
    [refusal] = await bind(quiet, number_field="own_tracking_code").push([a_push(order)])
    assert refusal == Refused("platform_refused", "own_tracking_code is not available")
    assert there(quiet, order)["status"] == 1


async def test_many_orders_go_in_one_call_and_each_answers_for_itself(twin: Twin) -> None:
    good, cancelled, other = make(twin, {}, {"case": "cancelled"}, {"case": "two_lines"})
    before = twin.admin("GET", "calls")["calls"].get("POST /api/orders/update/", 0)
    outcomes = await bind(twin).push([a_push(one, number=f"N{one}") for one in (good, cancelled, "999999", other)])
    assert [type(one) for one in outcomes] == [Pushed, Refused, Refused, Pushed]
    assert [one.code for one in outcomes if isinstance(one, Refused)] == ["order_cancelled", "order_gone"]
    assert twin.admin("GET", "calls")["calls"]["POST /api/orders/update/"] == before + 1
    assert there(twin, other)["numbers"] == {"tracking_code": f"N{other}"}


async def test_of_two_parcels_the_one_that_finishes_the_order_goes_last(twin: Twin) -> None:
    [order] = make(twin)
    pushes = [a_push(order, number="LAST"), a_push(order, number="FIRST", finish=False)]
    assert await bind(twin).push(pushes) == [Pushed("LAST", "6"), Pushed("FIRST", "1")]
    assert there(twin, order)["updates"] == [{"tracking_code": "FIRST"}, {"status": 6, "tracking_code": "LAST"}]


# ---------------------------------------------------------------- what the live order stands against


async def test_a_cancelled_order_is_never_touched(twin: Twin) -> None:
    [order] = make(twin)
    change(twin, order, "status", status=4)
    [refusal] = await bind(twin).push([a_push(order)])
    assert isinstance(refusal, Refused)
    assert (refusal.code, there(twin, order)["updates"]) == ("order_cancelled", [])


async def test_a_delivered_order_does_not_go_back_to_shipped(twin: Twin) -> None:
    [order] = make(twin, {"case": "delivered"})
    [refusal] = await bind(twin).push([a_push(order)])
    assert isinstance(refusal, Refused)
    assert (refusal.code, there(twin, order)["updates"]) == ("already_delivered", [])
    # What it has been told already, or where there is nothing to tell, is well.
    assert await bind(twin).push([a_push(order, tell=False)]) == [Pushed(NUMBER, "3")]
    change(twin, order, "waybill", number=NUMBER)
    assert await bind(twin).push([a_push(order)]) == [Pushed(NUMBER, "3")]


async def test_shipped_with_the_same_number_is_done_already(twin: Twin) -> None:
    [order] = make(twin, {"case": "sent"})
    change(twin, order, "waybill", number=NUMBER)
    assert await bind(twin).push([a_push(order)]) == [Pushed(NUMBER, "6")]
    assert there(twin, order)["updates"] == []


async def test_shipped_with_another_number_was_shipped_by_somebody_else(twin: Twin) -> None:
    [order] = make(twin, {"case": "sent"})
    change(twin, order, "waybill", number="20450000000777")
    [refusal] = await bind(twin).push([a_push(order)])
    assert isinstance(refusal, Refused)
    assert (refusal.code, there(twin, order)["updates"]) == ("already_shipped", [])


async def test_shipped_without_a_number_gets_ours(twin: Twin) -> None:
    [order] = make(twin, {"case": "sent"})
    assert await bind(twin).push([a_push(order)]) == [Pushed(NUMBER, "6")]
    assert there(twin, order)["numbers"] == {"tracking_code": NUMBER}


async def test_a_new_number_takes_the_place_of_the_one_we_told(twin: Twin) -> None:
    [order] = make(twin)
    shop = bind(twin)
    await shop.push([a_push(order, number="OLD-1")])
    assert await shop.push([a_push(order, replaces="OLD-1")]) == [Pushed(NUMBER, "6")]
    assert there(twin, order)["numbers"] == {"tracking_code": NUMBER}


# ---------------------------------------------------------------- what the shop says


def a_log(*items: dict[str, Any], status: str = "OK") -> dict[str, Any]:
    return envelope(status, {"log": list(items)})


def shop_with(log: Any, **after: Any) -> Any:
    """A shop that answers an update so, and shows the orders so afterwards."""
    told: list[Any] = []

    def answer(function: str, body: dict[str, Any]) -> Any:
        if function == "orders/update":
            told.append(body)
            return log
        return envelope("OK", {"orders": [an_order(order_id=n, **(after if told else {})) for n in body["ids"]]})

    return a_shop(answer)[0]


OK, BAD = {"status": "OK", "messages": "UPDATED"}, {"status": "ERROR", "messages": "no such status"}


async def test_a_logs_items_go_by_position_where_they_name_no_order() -> None:
    shop = shop_with(a_log(OK, BAD, status="WARNING"), stat_status=6)
    assert await shop.push([a_push("5"), a_push("6")]) == [
        Pushed(NUMBER, "6"),
        Refused("platform_refused", "no such status"),
    ]


async def test_a_log_that_names_its_orders_may_have_any_order() -> None:
    named = a_log({"status": "ERROR", "message": "busy", "order_id": 6}, {**OK, "order_id": "5"}, status="WARNING")
    shop = shop_with(named, stat_status=6)
    assert await shop.push([a_push("5"), a_push("6")]) == [Pushed(NUMBER, "6"), Refused("platform_refused", "busy")]


@pytest.mark.parametrize("log", [a_log(), a_log(OK), envelope("OK", []), envelope("OK", None), envelope("EMPTY", {})])
async def test_an_order_the_log_does_not_name_is_decided_by_the_read_back(log: Any) -> None:
    pushes = [a_push("5"), a_push("6")]
    assert await shop_with(log, stat_status=6).push(pushes) == [Pushed(NUMBER, "6")] * 2
    for outcome in await shop_with(log, stat_status=2).push(pushes):
        assert isinstance(outcome, Unknown)
        assert outcome.code == "not_confirmed"


async def test_a_status_that_is_not_kept_is_a_failure() -> None:
    [outcome] = await shop_with(a_log(OK), stat_status=2).push([a_push("5")])
    assert isinstance(outcome, Refused)
    assert outcome.code == "status_not_kept"


async def test_another_number_than_the_one_told_is_a_failure() -> None:
    [outcome] = await shop_with(a_log(OK), stat_status=6, tracking_code="other").push([a_push("5")])
    assert isinstance(outcome, Refused)
    assert outcome.code == "number_not_kept"


async def test_cancelled_between_write_and_read_back_is_told() -> None:
    [outcome] = await shop_with(a_log(OK), stat_status=4).push([a_push("5")])
    assert isinstance(outcome, Refused)
    assert outcome.code == "order_cancelled"


@pytest.mark.parametrize("word", ["ERROR", "EXCEPTION", "HTTP_ERROR", "UNDEFINED_FUNCTION", "PERHAPS"])
async def test_an_error_of_the_whole_call_is_a_failure_of_each(word: str) -> None:
    outcomes = await shop_with(envelope(word, {"message": "bad data"})).push([a_push("5"), a_push("6")])
    assert [type(one) for one in outcomes] == [Refused, Refused]


async def test_words_of_the_shop_are_made_safe() -> None:
    [outcome] = await shop_with(a_log({"status": "ERROR", "messages": "\x1b[2Jgone"}, status="WARNING")).push(
        [a_push("5")]
    )
    assert isinstance(outcome, Refused)
    assert "\x1b" not in outcome.message


async def test_a_refused_token_in_a_push_is_renewed_and_the_push_sent_once(twin: Twin) -> None:
    [order] = make(twin)
    twin.fail_next("expired_token", path="orders/update")
    assert await bind(twin).push([a_push(order)]) == [Pushed(NUMBER, "6")]
    assert len(there(twin, order)["updates"]) == 1


async def test_a_login_that_is_refused_pauses_the_account(twin: Twin) -> None:
    [order] = make(twin)
    [outcome] = await bind(twin, password="wrong").push([a_push(order)])
    assert isinstance(outcome, Unauthorised)


# ---------------------------------------------------------------- lost answers

ACTED = ["cut_after", "timeout_after", "reset_mid_body", "http_500_after", "malformed", "garbled"]
NOT_SENT = ["cut_before", "http_502", "html", "http_500"]


@pytest.mark.parametrize("kind", ACTED)
async def test_a_lost_answer_is_unknown_and_the_read_back_settles_it(twin: Twin, showing: Twin, kind: str) -> None:
    [order] = make(twin)
    shop = bind(twin)
    if kind == "timeout_after":
        twin.admin("POST", "faults", {"hold_s": 2})
        shop._http.timeout_s = 0.7
    twin.fail_next(kind, path="orders/update")
    push = a_push(order)
    [outcome] = await shop.push([push])
    assert isinstance(outcome, Unknown), outcome
    assert len(there(twin, order)["updates"]) == 1
    [found] = await shop.find_push([push])
    # The status is there; where the number does not show, telling it again is safe.
    assert found == (Pushed(NUMBER, "6") if twin is showing else NotFound())
    assert await shop.push([a_push(order, retry=True)]) == [Pushed(NUMBER, "6")]
    assert (there(twin, order)["status"], there(twin, order)["numbers"]) == (6, {"tracking_code": NUMBER})


@pytest.mark.parametrize("kind", NOT_SENT)
async def test_what_never_acted_is_not_found_and_may_be_sent_again(twin: Twin, kind: str) -> None:
    [order] = make(twin)
    shop = bind(twin)
    twin.fail_next(kind, path="orders/update")
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, Unknown)
    assert there(twin, order)["updates"] == []
    assert await shop.find_push([a_push(order)]) == [NotFound()]
    assert await shop.push([a_push(order, retry=True)]) == [Pushed(NUMBER, "6")]


async def test_a_throttled_push_has_not_acted(twin: Twin) -> None:
    [order] = make(twin)
    twin.fail_next("refused_429", path="orders/update")
    [outcome] = await bind(twin).push([a_push(order)])
    assert isinstance(outcome, NotActed)
    assert there(twin, order)["updates"] == []


async def test_a_number_that_shows_is_found_and_a_missing_status_told_as_missing(showing: Twin) -> None:
    [order] = make(showing)
    shop = bind(showing)
    assert await shop.find_push([a_push(order)]) == [NotFound()]
    await shop.push([a_push(order, finish=False)])
    assert await shop.find_push([a_push(order, finish=False), a_push(order)]) == [
        Pushed(NUMBER, "1"),
        PushedInPart(NUMBER),
    ]
    await shop.push([a_push(order, tell=False)])
    assert await shop.find_push([a_push(order), a_push(order, tell=False)]) == [Pushed(NUMBER, "6")] * 2


async def test_a_status_without_number_to_tell_is_found_by_itself(quiet: Twin) -> None:
    sent, open_ = make(quiet, {"case": "sent"}, {})
    pushes = [a_push(one, number="", tell=False) for one in (sent, open_)]
    assert await bind(quiet).find_push(pushes) == [Pushed("", "6"), NotFound()]


async def test_a_read_back_that_fails_leaves_the_push_unknown(twin: Twin) -> None:
    [order] = make(twin)
    twin.admin("POST", "faults", {"next": [{"kind": "http_500", "path": "orders/get", "skip": 1, "times": 3}]})
    [outcome] = await bind(twin).push([a_push(order)])
    assert isinstance(outcome, Unknown)
    assert outcome.code == "not_read_back"
    assert there(twin, order)["status"] == 6


async def test_a_live_read_that_fails_sends_nothing(twin: Twin) -> None:
    [order] = make(twin)
    twin.admin("POST", "faults", {"next": [{"kind": "http_500", "path": "orders/get", "times": 3}]})
    [outcome] = await bind(twin).push([a_push(order)])
    assert isinstance(outcome, NotActed)
    assert there(twin, order)["updates"] == []


async def test_a_refused_look_says_nothing_about_the_push() -> None:
    shop, _wire = a_shop(lambda _f, _b: envelope("EXCEPTION", {"message": "maintenance"}))
    [found] = await shop.find_push([a_push("5")])
    assert found == Unknown("not_read_back", "maintenance")
    shop, _wire = a_shop(lambda _f, _b: httpx.Response(502, html="<html>"))
    [found] = await shop.find_push([a_push("5")])
    assert isinstance(found, NotActed)


# ---------------------------------------------------------------- stock


def a_level(article: str, quantity: int) -> StockLevel:
    return StockLevel(article, "", quantity, f"s-{article}")


async def test_stock_is_set_read_back_and_not_written_twice(quiet: Twin) -> None:
    quiet.admin("POST", "stock", {"article": "PEN-07", "shelves": {"Склад 1": 40}})
    shop = bind(quiet)
    assert await shop.push_stock([a_level("PEN-07", 17)]) == [StockSet(17, 40)]
    assert quiet.admin("GET", "stock")["PEN-07"] == {"Склад 1": 17}
    before = quiet.admin("GET", "counts")["imported"]
    assert await shop.push_stock([a_level("PEN-07", 17)]) == [StockSet(17, 17)]
    assert quiet.admin("GET", "counts")["imported"] == before


async def test_each_level_answers_for_itself_and_fifty_go_in_one_call() -> None:
    stock = {f"A{n}": n for n in range(120)}
    sizes: list[int] = []

    def answer(function: str, body: dict[str, Any]) -> Any:
        if function == "catalog/import":
            sizes.append(len(body["products"]))
            for record in body["products"]:
                assert record.keys() == {"article", "residues"}
                stock[record["article"]] = record["residues"][0]["quantity"]
            return envelope("OK", {"log": []})
        rows = [
            {"article": a, "residues": [{"warehouse": "W", "quantity": stock[a]}]}
            for a in body["article"]
            if a in stock
        ]
        return envelope("OK", {"products": rows})

    shop, _wire = a_shop(answer)
    outcomes = await shop.push_stock([*(a_level(f"A{n}", 500) for n in range(120)), a_level("Z", 1)])
    assert outcomes[:120] == [StockSet(500, n) for n in range(120)]
    assert isinstance(outcomes[120], Refused)
    assert outcomes[120].code == "product_gone"
    assert sizes == [50, 50, 20]


@pytest.mark.parametrize("replaces", [True, False])
async def test_of_several_warehouses_ours_is_set_and_the_others_stay(replaces: bool) -> None:
    with lent("cartum", warehouses=2, residues_replace=replaces) as twin:
        [refusal] = await bind(twin).push_stock([a_level("INK-50", 3)])
        assert isinstance(refusal, Refused)
        assert refusal.code == "no_warehouse"
        shop = bind(twin, stock_warehouse="Склад 2")
        assert await shop.push_stock([a_level("INK-50", 3)]) == [StockSet(3, 40)]
        assert twin.admin("GET", "stock")["INK-50"] == {"Склад 1": 40, "Склад 2": 3}


async def test_without_warehouse_accounting_nothing_is_claimed() -> None:
    with lent("cartum", warehouses=0) as twin:
        for settings, code in (({}, "no_warehouse"), ({"stock_warehouse": "Main"}, "stock_not_kept")):
            [refusal] = await bind(twin, **settings).push_stock([a_level("INK-50", 3)])
            assert isinstance(refusal, Refused)
            assert refusal.code == code


async def test_a_lost_answer_about_stock_is_unknown_and_the_next_try_finds_it(quiet: Twin) -> None:
    quiet.admin("POST", "stock", {"article": "BOX-1", "shelves": {"Склад 1": 9}})
    quiet.admin("POST", "faults", {"rate": 0})
    shop = bind(quiet)
    quiet.fail_next("cut_after", path="catalog/import")
    outcomes: list[StockOutcome] = list(await shop.push_stock([a_level("BOX-1", 4)]))
    assert isinstance(outcomes[0], Unknown)
    assert await shop.push_stock([a_level("BOX-1", 4)]) == [StockSet(4, 4)]
    quiet.admin("POST", "faults", {"next": [{"kind": "http_500", "path": "catalog/export", "skip": 1, "times": 3}]})
    [outcome] = await shop.push_stock([a_level("BOX-1", 5)])
    assert isinstance(outcome, Unknown)
    assert outcome.code == "not_read_back"
