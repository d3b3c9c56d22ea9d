"""Shopify: what a push makes, what it refuses and why, and that a lost answer is never sent twice."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from msgspec import structs
from shopify_kit import AT, SCOPES, a_shop, bind, change, data, fresh, make, operations, settings, shown

from connectors.contract import Parsed, Push, Pushed, PushedInPart, PushLine
from connectors.shops.shopify import Shopify
from connectors.simulated.launch import Twin
from domain.clock import MINUTE, iso
from domain.results import NotActed, NotFound, Refused, Unauthorised, Unknown
from tests.conftest import lent

NUMBER = "62000001"


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with lent("shopify", points=1_000_000) as running:
        yield running


@pytest.fixture
async def shop(twin: Twin) -> Any:
    fresh(twin)
    connector = bind(twin)
    yield connector
    await connector._http.aclose()


def a_push(twin: Twin, order: int, **changes: Any) -> Push:
    """All of an order in one parcel; `pieces` is (SKU, pieces) for a part of it."""
    lines = {one["sku"]: one for one in shown(twin, order)["lines"]}
    pieces = changes.pop("pieces", [(sku, one["left"]) for sku, one in lines.items()])
    values: dict[str, Any] = {
        "key": "e1",
        "platform_order_id": str(order),
        "number": NUMBER,
        "carrier": "InPost",
        "url": f"https://parcels.test/{NUMBER}",
        "lines": tuple(PushLine(str(lines[sku]["id"]), n) for sku, n in pieces),
    }
    return Push(**{**values, **changes})


def parcels(twin: Twin, order: int) -> list[Any]:
    """(company, numbers, pieces) of every living parcel."""
    return [
        (
            one["tracking"][0]["company"] if one["tracking"] else None,
            [t["number"] for t in one["tracking"]],
            sorted(one["lines"].values()),
        )
        for one in shown(twin, order)["parcels"]
        if one["status"] == "SUCCESS"
    ]


# ---------------------------------------------------------------- what is made


async def test_a_push_makes_one_fulfilment_of_all_lines_and_reads_it_back(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3], ["SOCK-1", 2]])
    push = a_push(twin, order)
    assert await shop.push([push]) == [Pushed(NUMBER, "fulfilled")]
    after = shown(twin, order)
    assert after["displayFulfillmentStatus"] == "FULFILLED"
    assert after["parcels"][0]["tracking"] == [{"company": "Inpost", "number": NUMBER, "url": push.url}]
    assert parcels(twin, order) == [("Inpost", [NUMBER], [2, 3])]
    [found] = await shop.read_orders([str(order)])
    assert isinstance(found, Parsed)
    assert found.order.tracking == (NUMBER,)


async def test_parcels_of_one_order_take_their_own_lines(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3], ["SOCK-1", 2]])
    first = a_push(twin, order, pieces=[("MUG", 2)])
    second = a_push(twin, order, pieces=[("MUG", 1), ("SOCK-1", 2)], number="62000002", key="e2")
    outcomes = await shop.push([first, second])
    assert [type(one) for one in outcomes] == [Pushed, Pushed]
    assert parcels(twin, order) == [("Inpost", [NUMBER], [2]), ("Inpost", ["62000002"], [1, 2])]
    assert shown(twin, order)["displayFulfillmentStatus"] == "FULFILLED"


async def test_a_push_is_split_by_location(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3], ["SOCK-1", 2]], places=["Main street", "Outlet"])
    assert await shop.push([a_push(twin, order)]) == [Pushed(NUMBER, "fulfilled")]
    assert parcels(twin, order) == [("Inpost", [NUMBER], [3]), ("Inpost", [NUMBER], [2])]


async def test_pieces_of_a_line_that_lie_in_two_fulfilment_orders_go_in_one_parcel(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 4]])
    change(twin, order, "split", pieces=1)
    assert len(shown(twin, order)["routes"]) == 2
    assert await shop.push([a_push(twin, order)]) == [Pushed(NUMBER, "fulfilled")]
    assert parcels(twin, order) == [("Inpost", [NUMBER], [4])]


async def test_the_second_parcel_of_an_order_takes_from_what_the_first_left(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 4]])
    change(twin, order, "split", pieces=1)
    pushes = [a_push(twin, order, pieces=[("MUG", 3)]), a_push(twin, order, pieces=[("MUG", 1)], number="62000002")]
    assert [type(one) for one in await shop.push(pushes)] == [Pushed, Pushed]
    assert parcels(twin, order) == [("Inpost", [NUMBER], [3]), ("Inpost", ["62000002"], [1])]


async def test_pieces_an_edit_added_are_shipped_from_their_own_fulfilment_order(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]])
    change(twin, order, "edit", sku="MUG", pieces=3)
    change(twin, order, "edit", sku="SOCK-2", pieces=1)
    assert await shop.push([a_push(twin, order)]) == [Pushed(NUMBER, "fulfilled")]


async def test_many_fulfilment_orders_and_many_lines_are_all_read(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]] * 60)
    lines = tuple(PushLine(str(one["id"]), 1) for one in shown(twin, order)["lines"])
    for _n in range(6):
        change(twin, order, "edit", sku="SOCK-1", pieces=1 + _n)
    await shop.push([a_push(twin, order, pieces=[], lines=lines)])
    assert [len(numbers) for _company, numbers, _pieces in parcels(twin, order)] == [1]
    assert await shop.push([a_push(twin, order, pieces=[("SOCK-1", 6)], number="62000002")]) == [
        Pushed("62000002", "fulfilled")
    ]
    assert operations(twin)["MoreShippable"] >= 1
    assert operations(twin)["MoreRoutes"] >= 1


async def test_a_push_without_lines_sends_everything_that_may_go(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3], ["SOCK-1", 2]])
    assert await shop.push([a_push(twin, order, lines=())]) == [Pushed(NUMBER, "fulfilled")]
    assert parcels(twin, order) == [("Inpost", [NUMBER], [2, 3])]


@pytest.mark.parametrize(
    ("carrier", "company"),
    [
        ("InPost", "Inpost"),
        ("yunexpress", "YunExpress"),
        ("Japan Post", "Japan Post (EN)"),
        ("SimPost", "DHL Express"),
        ("Nova Poshta", "Nova Poshta"),
    ],
)
async def test_carriers_are_spelled_as_shopify_lists_them(twin: Twin, carrier: str, company: str) -> None:
    fresh(twin)
    shop = bind(twin, companies="SimPost=DHL Express, x=")
    order = make(twin, lines=[["MUG", 1]])
    assert await shop.push([a_push(twin, order, carrier=carrier)]) == [Pushed(NUMBER, "fulfilled")]
    assert parcels(twin, order)[0][0] == company
    await shop._http.aclose()


async def test_the_buyer_is_mailed_only_where_the_setting_says_so(twin: Twin, shop: Shopify) -> None:
    quiet, loud = make(twin, lines=[["MUG", 1]]), make(twin, lines=[["MUG", 1]])
    await shop.push([a_push(twin, quiet)])
    mailing = bind(twin, notify_customer="yes")
    await mailing.push([a_push(twin, loud)])
    await mailing._http.aclose()
    mails = twin.admin("GET", "state")["mails"]
    assert f"fulfilled {loud}" in mails
    assert f"fulfilled {quiet}" not in mails


async def test_an_early_push_is_the_whole_push_and_is_not_repeated_at_ship(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]])
    assert Shopify.declaration.capabilities.push_early
    assert not Shopify.declaration.capabilities.early_is_note_only
    assert await shop.push([a_push(twin, order, finish=False)]) == [Pushed(NUMBER, "fulfilled")]
    assert await shop.push([a_push(twin, order, tell=False)]) == [Pushed(NUMBER, "fulfilled")]
    assert len(parcels(twin, order)) == 1


async def test_a_new_number_takes_the_place_of_the_one_told_before(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3], ["SOCK-1", 2]], places=["Main street", "Outlet"])
    await shop.push([a_push(twin, order)])
    again = a_push(
        twin, order, pieces=[("MUG", 3), ("SOCK-1", 2)], number="62000009", url="", carrier="DPD", replaces=NUMBER
    )
    assert await shop.find_push([again]) == [NotFound()]
    assert await shop.push([again]) == [Pushed("62000009", "fulfilled")]
    assert parcels(twin, order) == [("DPD", ["62000009"], [3]), ("DPD", ["62000009"], [2])]
    assert await shop.find_push([again]) == [Pushed("62000009", "fulfilled")]


@pytest.mark.parametrize("pieces", [[("MUG", 3), ("SOCK-1", 2)], [("MUG", 3)]])
async def test_a_number_changed_at_one_place_only_is_changed_at_the_other_too(
    twin: Twin, shop: Shopify, pieces: list[tuple[str, int]]
) -> None:
    order = make(twin, lines=[["MUG", 3], ["SOCK-1", 2]], places=["Main street", "Outlet"])
    await shop.push([a_push(twin, order)])
    again = a_push(twin, order, pieces=pieces, number="62000009", replaces=NUMBER)
    twin.fail_next("cut_before", path="graphql.json", skip=2)
    assert isinstance((await shop.push([again]))[0], Unknown)
    assert await shop.find_push([again]) == [PushedInPart("62000009")]
    assert await shop.push([again]) == [Pushed("62000009", "fulfilled")]
    assert parcels(twin, order) == [("Inpost", ["62000009"], [3]), ("Inpost", ["62000009"], [2])]


async def test_pieces_a_new_parcel_holds_besides_are_told_under_the_new_number(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3]])
    await shop.push([a_push(twin, order, pieces=[("MUG", 2)])])
    again = a_push(twin, order, pieces=[("MUG", 3)], number="62000009", replaces=NUMBER)
    assert await shop.push([again]) == [PushedInPart("62000009")]
    assert await shop.push([again]) == [Pushed("62000009", "fulfilled")]
    assert parcels(twin, order) == [("Inpost", ["62000009"], [2]), ("Inpost", ["62000009"], [1])]


async def test_other_numbers_of_the_same_parcel_stay_when_one_is_changed(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]])
    await shop.push([a_push(twin, order)])
    [sent] = (await shop._telling._live([str(order)])).values()
    tracking = {"company": "Inpost", "numbers": ["A1", NUMBER], "urls": ["https://p.test/A1", "https://p.test/2"]}
    from connectors.shops.shopify_push import _Live, _Retracked

    assert isinstance(sent, _Live)
    await shop._api.ask("Retrack", _Retracked, acts=True, id=sent.fulfillments[0].id, tracking=tracking, notify=False)
    again = a_push(twin, order, pieces=[("MUG", 1)], number="B2", url="https://p.test/B2", replaces=NUMBER)
    assert await shop.push([again]) == [Pushed("B2", "fulfilled")]
    assert shown(twin, order)["parcels"][0]["tracking"] == [
        {"company": "Inpost", "number": "A1", "url": "https://p.test/A1"},
        {"company": "Inpost", "number": "B2", "url": "https://p.test/B2"},
    ]


async def test_what_waits_for_its_buyer_is_told_ready_once(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]], method="PICK_UP")
    push = a_push(twin, order, number="", carrier="", url="")
    assert await shop.find_push([push]) == [NotFound()]
    assert await shop.push([push]) == [Pushed("", "paid/in_progress")]
    assert await shop.find_push([push]) == [Pushed("", "paid/in_progress")]
    assert await shop.push([push]) == [Pushed("", "paid/in_progress")]
    assert twin.admin("GET", "state")["mails"].count(f"pickup {order}") == 1


async def test_what_our_own_courier_brings_needs_no_number(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]], method="LOCAL")
    push = a_push(twin, order, number="", carrier="", url="")
    assert await shop.push([push]) == [Pushed("", "fulfilled")]
    assert parcels(twin, order) == [(None, [], [1])]
    assert await shop.find_push([push]) == [Pushed("", "fulfilled")]


async def test_roa_18_nothing_but_the_fulfilment_is_told(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]])
    before = operations(twin)
    await shop.push([a_push(twin, order)])
    after = operations(twin)
    asked = {name for name in after if after[name] > before.get(name, 0)}
    assert asked == {"Ship", "Fulfil"}
    assert shown(twin, order)["displayFinancialStatus"] == "PAID"


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("what", "how", "code"),
    [
        ("cancel", {}, "order_cancelled"),
        ("delete", {}, "order_gone"),
        ("fulfil", {"number": "ELSE1"}, "already_shipped"),
        ("refund", {"pieces": 1}, "lines_changed"),
        ("edit", {"sku": "MUG", "pieces": 1}, "lines_changed"),
        ("hold", {"reason": "INCORRECT_ADDRESS", "notes": "no house number"}, "on_hold"),
        ("schedule", {"at": "2026-12-24T00:00:00Z"}, "scheduled"),
        ("request", {}, "by_service"),
        ("move", {"place": "Far Away Logistics"}, "not_shippable"),
    ],
)
async def test_what_stands_against_a_push_is_found_before_it_and_named(
    twin: Twin, shop: Shopify, what: str, how: dict[str, Any], code: str
) -> None:
    order = make(twin, lines=[["MUG", 3]])
    push = a_push(twin, order)
    change(twin, order, what, **how)
    before = operations(twin).get("Fulfil", 0)
    [outcome] = await shop.push([push])
    assert isinstance(outcome, Refused)
    assert outcome.code == code
    assert operations(twin).get("Fulfil", 0) == before
    words = {"already_shipped": "ELSE1", "on_hold": "no house number", "scheduled": "2026-12-24"}
    assert words.get(code, "") in outcome.message


async def test_a_fulfilment_order_that_may_be_shipped_again_is(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3]])
    push = a_push(twin, order)
    change(twin, order, "hold")
    assert isinstance((await shop.push([push]))[0], Refused)
    change(twin, order, "release")
    assert await shop.push([push]) == [Pushed(NUMBER, "fulfilled")]


async def test_a_number_of_a_cancelled_fulfilment_does_not_count(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3]])
    push = a_push(twin, order)
    await shop.push([push])
    change(twin, order, "unfulfil")
    assert await shop.find_push([push]) == [NotFound()]
    assert await shop.push([push]) == [Pushed(NUMBER, "fulfilled")]
    assert len(parcels(twin, order)) == 1


async def test_a_just_made_order_is_not_routed_yet_and_tried_again(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]], unrouted=True)
    push = a_push(twin, order)
    [outcome] = await shop.push([push])
    assert isinstance(outcome, NotActed)
    assert (outcome.code, outcome.retry_after_ms) == ("not_routed", 30_000)
    change(twin, order, "route")
    assert await shop.push([push]) == [Pushed(NUMBER, "fulfilled")]


async def test_an_old_order_without_visible_fulfilment_orders_is_a_permission_finding(
    twin: Twin, shop: Shopify
) -> None:
    order = make(twin, lines=[["MUG", 1]], age_s=86_400)
    push = a_push(twin, order)
    scopes = [one for one in SCOPES if "fulfillment" not in one]
    settings(twin, scopes=scopes)
    [outcome] = await shop.push([push])
    assert isinstance(outcome, Unauthorised)
    assert "write_merchant_managed_fulfillment_orders" in outcome.message
    fresh(twin)
    hidden = make(twin, lines=[["MUG", 1]], age_s=86_400, unrouted=True)
    [outcome] = await bind(twin).push([a_push(twin, hidden)])
    assert isinstance(outcome, Refused)
    assert outcome.code == "not_shippable"


async def test_a_key_that_may_only_read_pauses_the_shop_and_nothing_is_made(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]])
    settings(twin, without=["write_merchant_managed_fulfillment_orders"])
    [outcome] = await shop.push([a_push(twin, order)])
    assert isinstance(outcome, Unauthorised)
    assert "write_merchant_managed_fulfillment_orders" in outcome.message
    assert parcels(twin, order) == []


def by_turns(answers: dict[str, list[Any]]) -> Any:
    """Answers by operation, the last of each for ever."""

    def answer(request: httpx.Request) -> httpx.Response:
        name = json.loads(request.content)["query"].split("(")[0].split()[1]
        found = answers[name].pop(0) if len(answers[name]) > 1 else answers[name][0]
        return found if isinstance(found, httpx.Response) else data(found)

    return answer


def live(**changes: Any) -> dict[str, Any]:
    """An order of one line as the read before a push shows it."""
    route = {
        "id": "gid://shopify/FulfillmentOrder/7",
        "status": "OPEN",
        "requestStatus": "UNSUBMITTED",
        "assignedLocation": {"location": {"id": "gid://shopify/Location/1"}},
        "deliveryMethod": {"methodType": "SHIPPING"},
        "supportedActions": [{"action": "CREATE_FULFILLMENT"}],
        "lineItems": {"nodes": [{"id": "f9", "remainingQuantity": 2, "lineItem": {"id": "gid://shopify/LineItem/5"}}]},
    }
    route |= changes.pop("route", {})
    order = {
        "id": "gid://shopify/Order/1",
        "createdAt": iso(AT - 60 * MINUTE),
        "displayFulfillmentStatus": "UNFULFILLED",
    }
    rows = {"pageInfo": {"hasNextPage": False}, "nodes": [route]}
    return {
        "nodes": [{**order, "displayFinancialStatus": "PAID", "fulfillments": [], "fulfillmentOrders": rows, **changes}]
    }


def sent(
    number: str = NUMBER, company: str | None = "Inpost", pieces: int = 2, status: str = "SUCCESS"
) -> dict[str, Any]:
    tracking = [{"company": company, "number": number, "url": None}]
    return {"id": "gid://shopify/Fulfillment/3", "status": status, "totalQuantity": pieces, "trackingInfo": tracking}


PUSH = Push("e1", "1", NUMBER, "InPost", "", (PushLine("5", 2),))
NO = {
    "fulfillmentCreate": {"fulfillment": None, "userErrors": [{"field": None, "message": "Cannot be fulfilled now."}]}
}
YES = {"fulfillmentCreate": {"fulfillment": {"id": "gid://shopify/Fulfillment/3"}, "userErrors": []}}


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (live(cancelledAt="2026-11-20T00:00:00Z"), "order_cancelled"),
        ({"nodes": [None]}, "order_gone"),
        (live(route={"status": "ON_HOLD", "supportedActions": []}), "on_hold"),
        (live(route={"status": "OPEN", "requestStatus": "ACCEPTED", "supportedActions": []}), "by_service"),
        (live(), "platform_refused"),
    ],
)
async def test_a_refusal_is_explained_by_looking_again_not_by_its_words(then: dict[str, Any], expected: str) -> None:
    shop, wire, _time = a_shop(by_turns({"Ship": [live(), then], "Fulfil": [NO]}))
    [outcome] = await shop.push([PUSH])
    assert isinstance(outcome, Refused)
    assert outcome.code == expected
    assert expected in {"order_gone"} or "Cannot be fulfilled now." in outcome.message
    assert wire.operations == ["Ship", "Fulfil", "Ship"]


async def test_a_refusal_of_what_is_there_already_is_no_failure() -> None:
    done = live(
        fulfillments=[sent()], displayFulfillmentStatus="FULFILLED", route={"status": "CLOSED", "supportedActions": []}
    )
    shop, _wire, _time = a_shop(by_turns({"Ship": [live(), done], "Fulfil": [NO]}))
    assert await shop.push([PUSH]) == [Pushed(NUMBER, "fulfilled")]


async def test_what_was_taken_but_is_not_shown_or_shown_otherwise_is_not_called_done() -> None:
    shop, _wire, _time = a_shop(by_turns({"Ship": [live()], "Fulfil": [YES]}))
    [outcome] = await shop.push([PUSH])
    assert isinstance(outcome, Unknown)
    assert outcome.code == "not_confirmed"
    for company in ("DHL", None):
        wrong = live(fulfillments=[sent(company=company)])
        shop, _wire, _time = a_shop(by_turns({"Ship": [live(), wrong], "Fulfil": [YES]}))
        [outcome] = await shop.push([PUSH])
        assert isinstance(outcome, Refused)
        assert outcome.code == "number_not_kept"


async def test_a_changed_number_that_one_parcel_does_not_show_is_changed_in_part() -> None:
    before = live(fulfillments=[sent("OLD"), sent("OLD")])
    after = live(fulfillments=[sent(), sent("OLD")])
    done = {"fulfillmentTrackingInfoUpdate": {"fulfillment": {"id": "gid://shopify/Fulfillment/3"}, "userErrors": []}}
    shop, wire, _time = a_shop(by_turns({"Ship": [before, after], "Retrack": [done]}))
    assert await shop.push([structs.replace(PUSH, replaces="OLD")]) == [PushedInPart(NUMBER)]
    assert wire.operations == ["Ship", "Retrack", "Retrack", "Ship"]


async def test_a_read_back_that_fails_leaves_the_outcome_unknown() -> None:
    shop, _wire, _time = a_shop(by_turns({"Ship": [live(), httpx.Response(502)], "Fulfil": [YES]}))
    [outcome] = await shop.push([PUSH])
    assert isinstance(outcome, Unknown)


# ---------------------------------------------------------------- lost answers


@pytest.mark.parametrize("fault", ["cut_after", "timeout_after", "http_500_after", "malformed", "reset_mid_body"])
async def test_a_lost_answer_of_a_push_that_was_done_is_found_and_never_sent_twice(
    twin: Twin, shop: Shopify, fault: str
) -> None:
    twin.admin("POST", "faults", {"hold_s": 2})
    shop._http.timeout_s = 1.0
    order = make(twin, lines=[["MUG", 3]])
    push = a_push(twin, order)
    twin.fail_next(fault, path="graphql.json", skip=1)
    [outcome] = await shop.push([push])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([push]) == [Pushed(NUMBER, "fulfilled")]
    assert await shop.push([a_push(twin, order, pieces=[("MUG", 3)], retry=True)]) == [Pushed(NUMBER, "fulfilled")]
    assert len(parcels(twin, order)) == 1


@pytest.mark.parametrize(("fault", "kind"), [("cut_before", Unknown), ("http_502", Unknown), ("refused_429", NotActed)])
async def test_a_push_that_was_not_done_is_found_missing_and_sent_again(
    twin: Twin, shop: Shopify, fault: str, kind: type
) -> None:
    order = make(twin, lines=[["MUG", 3]])
    push = a_push(twin, order)
    twin.fail_next(fault, path="graphql.json", skip=1)
    assert isinstance((await shop.push([push]))[0], kind)
    assert await shop.find_push([push]) == [NotFound()]
    assert await shop.push([push]) == [Pushed(NUMBER, "fulfilled")]
    assert len(parcels(twin, order)) == 1


async def test_of_two_places_only_the_one_that_is_missing_is_told_again(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3], ["SOCK-1", 2]], places=["Main street", "Outlet"])
    push = a_push(twin, order)
    twin.fail_next("cut_before", path="graphql.json", skip=2)
    assert isinstance((await shop.push([push]))[0], Unknown)
    assert await shop.find_push([push]) == [PushedInPart(NUMBER)]
    tell_no_more = a_push(twin, order, pieces=[("MUG", 3), ("SOCK-1", 2)], tell=False)
    assert await shop.push([tell_no_more]) == [Pushed(NUMBER, "fulfilled")]
    assert parcels(twin, order) == [("Inpost", [NUMBER], [3]), ("Inpost", [NUMBER], [2])]


async def test_a_place_that_certainly_was_not_told_makes_a_push_in_part(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 3], ["SOCK-1", 2]], places=["Main street", "Outlet"])
    twin.fail_next("refused_429", path="graphql.json", skip=2)
    assert await shop.push([a_push(twin, order)]) == [PushedInPart(NUMBER)]


async def test_a_throttled_push_is_repeated_since_it_was_certainly_not_done(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]])
    throttled = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
    done = live(fulfillments=[sent()])
    fake, wire, time = a_shop(by_turns({"Ship": [live(), done], "Fulfil": [httpx.Response(200, json=throttled), YES]}))
    [outcome] = await fake.push([PUSH])
    assert isinstance(outcome, Pushed)
    assert (wire.operations, len(time.waits)) == (["Ship", "Fulfil", "Fulfil", "Ship"], 1)
    assert parcels(twin, order) == []


async def test_an_error_beside_a_mutation_that_acted_is_not_a_refusal() -> None:
    """An internal error leaves the outcome unknown; an error deep inside the payload does not hide that it acted."""
    internal = {"errors": [{"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}
    shop, wire, _time = a_shop(by_turns({"Ship": [live()], "Fulfil": [httpx.Response(200, json=internal)]}))
    assert isinstance((await shop.push([PUSH]))[0], Unknown)
    assert wire.operations.count("Fulfil") == 1
    half = {
        "data": {"fulfillmentCreate": None},
        "errors": [{"message": "x", "path": ["fulfillmentCreate"], "extensions": {}}],
    }
    shop, _wire, _time = a_shop(by_turns({"Ship": [live()], "Fulfil": [httpx.Response(200, json=half)]}))
    assert isinstance((await shop.push([PUSH]))[0], Unknown)
    deep = {
        "data": YES,
        "errors": [
            {"message": "x", "path": ["fulfillmentCreate", "fulfillment", "x"], "extensions": {"code": "ACCESS_DENIED"}}
        ],
    }
    done = live(fulfillments=[sent()])
    shop, _wire, _time = a_shop(by_turns({"Ship": [live(), done], "Fulfil": [httpx.Response(200, json=deep)]}))
    assert isinstance((await shop.push([PUSH]))[0], Pushed)


async def test_a_read_back_of_many_pushes_is_one_call_and_answers_each(twin: Twin, shop: Shopify) -> None:
    orders = [make(twin, lines=[["MUG", 1]]) for _n in range(6)]
    pushes = [a_push(twin, order, number=f"N{order}") for order in orders]
    change(twin, orders[1], "hold")
    change(twin, orders[2], "delete")
    done = await shop.push(pushes[3:])
    assert [type(one) for one in done] == [Pushed] * 3
    before = operations(twin)["Ship"]
    found = await shop.find_push(pushes)
    assert operations(twin)["Ship"] - before <= 2
    assert [type(one) for one in found] == [NotFound, Refused, Refused, Pushed, Pushed, Pushed]


async def test_an_order_that_costs_too_much_to_read_is_read_in_smaller_steps(twin: Twin, shop: Shopify) -> None:
    orders = [make(twin, lines=[["MUG", 1]] * 30) for _n in range(3)]
    settings(twin, max_cost=100)
    pushes = [a_push(twin, o, pieces=[], lines=(), number=f"N{o}") for o in orders]
    assert [type(one) for one in await shop.push(pushes)] == [Pushed] * 3
    assert shop._telling._lines < 50


async def test_a_read_of_orders_that_fails_makes_no_push(twin: Twin, shop: Shopify) -> None:
    order = make(twin, lines=[["MUG", 1]])
    settings(twin, status=423)
    [outcome] = await shop.push([a_push(twin, order)])
    assert isinstance(outcome, Unauthorised)
    assert isinstance((await shop.find_push([a_push(twin, order)]))[0], Unauthorised)
    settings(twin, status=200)
    assert parcels(twin, order) == []
