"""WooCommerce: numbers go to core fulfilments or Shipment Tracking where the shop has them, once, and are read from there."""

import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from test_woocommerce import a_checked_shop, a_shop, an_order, error, parsed
from test_woocommerce_push import FAKE_PUSH, LOST, NUMBER, a_push, bind, shown

from connectors.contract import Parsed, Pushed, PushedInPart, PushLine
from connectors.http import WireError
from connectors.shops.woocommerce import WooCommerce
from connectors.simulated.launch import Twin
from domain.clock import DAY
from domain.enums import OrderStatus
from domain.records import Order
from domain.results import NotActed, NotFound, Refused, Unknown
from tests.conftest import lent

PLACES = {"fulfillments": "/fulfillments", "shipment_tracking": "/shipment-trackings"}


@pytest.fixture(scope="module")
def twins() -> Iterator[dict[str, Twin]]:
    with (
        lent("woocommerce", orders=0, fulfillments=True) as one,
        lent("woocommerce", orders=0, shipment_tracking=True) as two,
    ):
        yield {"fulfillments": one, "shipment_tracking": two}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def twin(twins: dict[str, Twin], place: str) -> Twin:
    twins[place].admin("POST", "faults", {"rate": 0})
    return twins[place]


@pytest.fixture
async def shop(twin: Twin) -> AsyncIterator[WooCommerce]:
    connector = bind(twin)
    yield connector
    await connector._http.aclose()


@pytest.fixture
def order(twin: Twin) -> dict[str, Any]:
    return made(twin)


def made(twin: Twin, lines: int = 1, quantity: int = 2) -> dict[str, Any]:
    skus = ("NB-A5", "PEN-07", "BOX-GIFT")[:lines]
    wanted = {"line_items": [{"sku": sku, "quantity": quantity} for sku in skus]}
    return shown(twin, twin.admin("POST", "orders", {"orders": [wanted]})[0])


def told(twin: Twin, order: dict[str, Any]) -> list[str]:
    """Numbers in the shop's place and in notes."""
    return [one["number"] for one in shown(twin, order["id"])["tracking"] if one.get("meta_key") != "_tracking_number"]


async def fulfillments(shop: WooCommerce, order: dict[str, Any]) -> list[dict[str, Any]]:
    """(status, number, pieces by line) of each, as the shop shows them."""
    found, _answer = await shop._api.get(f"/wc/v3/orders/{order['id']}/fulfillments", list[dict[str, Any]])
    values = [{meta["key"]: meta["value"] for meta in one["meta_data"]} | {"status": one["status"]} for one in found]
    return [{key.lstrip("_"): value for key, value in one.items()} for one in values]


async def as_it_stands(shop: WooCommerce, order: dict[str, Any]) -> Order:
    [found] = await shop.read_orders([str(order["id"])])
    assert isinstance(found, Parsed)
    return found.order


# ---------------------------------------------------------------- what is written


async def test_the_number_goes_there_instead_of_a_note_and_the_order_is_completed(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    assert await shop.find_push([a_push(order)]) == [NotFound()]
    assert await shop.push([a_push(order)]) == [Pushed(NUMBER, "completed")]
    assert told(twin, order) == [NUMBER]
    after = shown(twin, order["id"])
    assert (after["notes"], after["times_completed"]) == ([], 1)
    assert await shop.find_push([a_push(order)]) == [Pushed(NUMBER, "completed")]


async def test_the_number_is_told_before_the_mail_of_completion_leaves(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    twin.fail_next("refused_429", "PUT", f"/wc/v3/orders/{order['id']}?")
    assert await shop.push([a_push(order)]) == [PushedInPart(NUMBER)]
    assert (told(twin, order), shown(twin, order["id"])["times_completed"]) == ([NUMBER], 0)


async def test_an_early_number_leaves_the_order_open_and_is_not_told_again(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    early = a_push(order, finish=False)
    assert await shop.push([early]) == [Pushed(NUMBER, "processing")]
    assert await shop.find_push([early]) == [Pushed(NUMBER, "processing")]
    assert (await as_it_stands(shop, order)).status is OrderStatus.OPEN
    assert await shop.push([a_push(order, tell=False)]) == [Pushed(NUMBER, "completed")]
    assert told(twin, order) == [NUMBER]


async def test_a_hand_over_without_waybill_puts_nothing_there(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    assert await shop.push([a_push(order, number="", carrier="", url="")]) == [Pushed("", "completed")]
    assert told(twin, order) == []


@pytest.mark.parametrize("place", ["fulfillments"], indirect=True)
async def test_a_fulfilment_has_the_parcels_pieces_and_is_fulfilled_with_the_last_parcel_only(
    twin: Twin, shop: WooCommerce
) -> None:
    order = made(twin, lines=2)
    one, two = (str(line["id"]) for line in order["lines"])
    first = a_push(order, lines=(PushLine(one, 1),), finish=False)
    last = a_push(order, number="62000002", lines=(PushLine(one, 1), PushLine(two, 2)))
    assert await shop.push([first]) == [Pushed(NUMBER, "processing")]
    [early] = await fulfillments(shop, order)
    assert early == {
        "status": "unfulfilled",
        "items": [{"item_id": int(one), "qty": 1}],
        "tracking_number": NUMBER,
        "tracking_url": f"https://parcels.test/{NUMBER}",
        "shipment_provider": "other",
        "provider_name": "InPost",
    }
    assert await shop.push([last]) == [Pushed("62000002", "completed")]
    assert await fulfillments(shop, order) == [
        {**early, "status": "fulfilled"},
        {
            **early,
            "status": "fulfilled",
            "items": [{"item_id": int(one), "qty": 1}, {"item_id": int(two), "qty": 2}],
            "tracking_number": "62000002",
        },
    ]


@pytest.mark.parametrize("place", ["fulfillments"], indirect=True)
async def test_a_push_without_lines_fulfils_what_is_left(twin: Twin, shop: WooCommerce) -> None:
    order = made(twin, lines=2)
    line = order["lines"][0]
    twin.admin("POST", "change", {"order": order["id"], "change": "partial_refund", "line": line["id"]})
    assert await shop.push([a_push(order, lines=())]) == [Pushed(NUMBER, "completed")]
    [one] = await fulfillments(shop, order)
    assert [item["qty"] for item in one["items"]] == [1, 2]


@pytest.mark.parametrize("place", ["shipment_tracking"], indirect=True)
async def test_a_carrier_the_extension_knows_goes_by_its_name_and_others_by_their_own(
    twin: Twin, shop: WooCommerce
) -> None:
    known, own = made(twin), made(twin)
    await shop.push([a_push(known, carrier="inpost"), a_push(own, carrier="Own Post")])
    found = []
    for order in (known, own):
        path = f"/wc-shipment-tracking/v3/orders/{order['id']}/shipment-trackings"
        [one] = (await shop._api.get(path, list[dict[str, Any]]))[0]
        found.append((one["tracking_provider"], one["tracking_link"]))
    assert found == [
        ("InPost", f"https://parcels.example.test/inpost/{NUMBER}"),
        ("Own Post", f"https://parcels.test/{NUMBER}"),
    ]


@pytest.mark.parametrize(
    "said", [httpx.Response(200, json=[]), httpx.Response(200, json={"PL": []}), error(403, "rest_forbidden")]
)
async def test_without_a_list_of_carriers_the_carriers_own_name_does(said: httpx.Response) -> None:
    fake, sent = Changing(), []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/providers"):
            return said
        if request.method == "POST":
            sent.append(json.loads(request.content))
        return fake(request)

    assert await a_shop(answer)[0].push([FAKE_PUSH]) == [Pushed(NUMBER, "completed")]
    assert sent == [{"tracking_number": NUMBER, "custom_tracking_provider": "InPost", "custom_tracking_link": ""}]


# ---------------------------------------------------------------- lost answers


@pytest.mark.parametrize("kind", LOST)
async def test_a_number_whose_answer_is_lost_is_found_and_not_put_there_twice(
    twin: Twin, shop: WooCommerce, order: dict[str, Any], place: str, kind: str
) -> None:
    twin.fail_next(kind, "POST", PLACES[place])
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([a_push(order)]) == [PushedInPart(NUMBER)]
    # What goes on after a part was found, and what a person asks for anew.
    assert await shop.push([a_push(order, tell=False), a_push(order)]) == [Pushed(NUMBER, "completed")] * 2
    assert told(twin, order) == [NUMBER]
    assert shown(twin, order["id"])["times_completed"] == 1


async def test_a_number_that_never_arrived_is_not_found_and_told_again(
    twin: Twin, shop: WooCommerce, order: dict[str, Any], place: str
) -> None:
    twin.fail_next("cut_before", "POST", PLACES[place])
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([a_push(order)]) == [NotFound()]
    assert await shop.push([a_push(order, retry=True)]) == [Pushed(NUMBER, "completed")]
    assert told(twin, order) == [NUMBER]


async def test_a_number_that_arrives_late_is_not_told_again(
    twin: Twin, shop: WooCommerce, order: dict[str, Any], place: str
) -> None:
    twin.fail_next("acts_late", "POST", PLACES[place])
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([a_push(order)]) == [NotFound()]
    twin.admin("POST", "release")
    assert await shop.push([a_push(order, retry=True)]) == [Pushed(NUMBER, "completed")]
    assert told(twin, order) == [NUMBER]


@pytest.mark.parametrize("kind", [*LOST, "cut_before"])
@pytest.mark.parametrize("place", ["fulfillments"], indirect=True)
async def test_an_earlier_parcel_whose_fulfilling_is_lost_is_fulfilled_in_the_end(
    twin: Twin, shop: WooCommerce, order: dict[str, Any], kind: str
) -> None:
    await shop.push([a_push(order, finish=False)])
    twin.fail_next(kind, "PUT", "/fulfillments/")
    [outcome] = await shop.push([a_push(order, tell=False)])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([a_push(order, tell=False)]) == [PushedInPart(NUMBER)]
    assert await shop.push([a_push(order, tell=False)]) == [Pushed(NUMBER, "completed")]
    assert [one["status"] for one in await fulfillments(shop, order)] == ["fulfilled"]


async def test_a_place_that_cannot_be_read_leaves_the_push_unknown_or_not_begun(
    twin: Twin, shop: WooCommerce, order: dict[str, Any], place: str
) -> None:
    await shop.push([a_push(made(twin))])
    twin.fail_next("http_500", "GET", PLACES[place], times=3)
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, NotActed)
    assert told(twin, order) == []
    twin.fail_next("http_500", "GET", PLACES[place], times=3, skip=1)
    [outcome] = await shop.push([a_push(order, finish=False)])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([a_push(order, finish=False)]) == [Pushed(NUMBER, "processing")]


@pytest.mark.parametrize("place", ["fulfillments"], indirect=True)
async def test_a_refused_fulfilment_is_a_refusal_in_the_shops_words_and_nothing_is_told(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    line = str(order["lines"][0]["id"])
    [outcome] = await shop.push([a_push(order, lines=(PushLine(line, 0),))])
    assert isinstance(outcome, Refused)
    words = "The fulfillment should contain at least one item."
    assert (outcome.code, outcome.message) == ("fulfillment_refused", words)
    assert (told(twin, order), shown(twin, order["id"])["status"]) == ([], "processing")


# ---------------------------------------------------------------- which place


def _asked(twin: Twin) -> int:
    calls = twin.admin("GET", "calls")["calls"]
    return sum(calls.get(f"GET /wp-json/{path}", 0) for path in ("wc/v3", "wc-shipment-tracking/v3"))


async def test_what_the_shop_has_is_asked_once_a_day(twin: Twin, shop: WooCommerce, place: str) -> None:
    before = _asked(twin)
    for _n in range(3):
        await shop.push([a_push(made(twin))])
    once = 1 if place == "fulfillments" else 2
    assert _asked(twin) - before == once
    order = made(twin)
    shop._binding.clock.waited_ms += DAY + 1000  # type: ignore[attr-defined]
    twin.admin("POST", "clock", {"offset_s": DAY // 1000 + 1})
    assert await shop.push([a_push(order)]) == [Pushed(NUMBER, "completed")]
    twin.admin("POST", "clock", {"offset_s": 0})
    assert _asked(twin) - before == 2 * once


async def test_a_setting_wins_over_what_the_shop_has(twin: Twin, order: dict[str, Any]) -> None:
    connector = bind(twin, tracking_place="note")
    before = _asked(twin)
    assert await connector.push([a_push(order)]) == [Pushed(NUMBER, "completed")]
    assert len(shown(twin, order["id"])["notes"]) == 1
    assert _asked(twin) == before
    await connector._http.aclose()


async def test_a_number_noted_before_the_shop_had_a_better_place_is_found(twin: Twin, order: dict[str, Any]) -> None:
    noting, now_better = bind(twin, tracking_place="note"), bind(twin)
    await noting.push([a_push(order, finish=False)])
    assert await now_better.find_push([a_push(order)]) == [PushedInPart(NUMBER)]
    for connector in (noting, now_better):
        await connector._http.aclose()


class Changing:
    """A shop whose extension is switched off in the middle."""

    def __init__(self) -> None:
        self.has = True
        self.order = an_order(meta_data=[])
        self.notes: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/wp-json")
        if path == "/wc/v3":
            return httpx.Response(200, json={"routes": {"/wc/v3/orders": {}}})
        if path.startswith("/wc-shipment-tracking/v3"):
            if not self.has:
                return error(404, "rest_no_route", "No route was found.")
            known = {"namespace": "wc-shipment-tracking/v3"} if path.endswith("v3") else {}
            return httpx.Response(200, json=[] if path.endswith("trackings") else known)
        if path.endswith("/notes"):
            if request.method == "POST":
                self.notes.append(json.loads(request.content)["note"])
            return httpx.Response(200, json=[{"note": note} for note in self.notes])
        if request.method == "PUT":
            self.order |= json.loads(request.content)
        return httpx.Response(200, json=self.order)


async def test_a_place_that_is_gone_is_looked_for_again_and_the_push_goes_on() -> None:
    fake = Changing()
    shop, wire = a_shop(fake)
    assert await shop.find_push([FAKE_PUSH]) == [NotFound()]
    fake.has = False
    assert await shop.push([FAKE_PUSH]) == [Pushed(NUMBER, "completed")]
    assert fake.notes == [f"InPost {NUMBER}"]
    assert not [r for r in wire.asked if r.method == "POST" and "trackings" in r.url.path]


async def test_a_place_named_by_setting_that_is_gone_is_a_refusal() -> None:
    fake = Changing()
    fake.has = False
    [outcome] = await a_shop(fake, tracking_place="shipment_tracking")[0].push([FAKE_PUSH])
    assert isinstance(outcome, Refused)
    assert (outcome.code, fake.notes) == ("no_rest_api", [])


@pytest.mark.parametrize("status", [500, 403])
async def test_a_shop_that_cannot_say_what_it_has_is_told_nothing(status: int) -> None:
    fake = Changing()

    def answer(request: httpx.Request) -> httpx.Response:
        mute = request.url.path in ("/wp-json/wc/v3", "/wp-json/wc-shipment-tracking/v3")
        return httpx.Response(status, text="<html>No</html>") if mute else fake(request)

    [outcome] = await a_shop(answer)[0].push([FAKE_PUSH])
    assert isinstance(outcome, NotActed | Refused)
    assert (fake.notes, fake.order["status"]) == ([], "processing")
    [found] = await a_shop(answer)[0].find_push([FAKE_PUSH])
    assert isinstance(found, NotActed | Unknown)


async def test_a_check_says_where_numbers_go(twin: Twin, shop: WooCommerce, place: str) -> None:
    title = {"fulfillments": "WooCommerce's fulfilments", "shipment_tracking": "Shipment Tracking"}[place]
    assert (await shop.check()).warnings == (f"Tracking numbers go to {title} (tracking_place).",)


async def test_a_check_refuses_a_place_it_does_not_know_and_names_one_it_could_not_find_out() -> None:
    with pytest.raises(WireError) as caught:
        await a_shop(a_checked_shop(), tracking_place="moon")[0].check()
    assert (caught.value.outcome.code, getattr(caught.value.outcome, "field", "")) == ("bad_setting", "tracking_place")
    mute = a_checked_shop(v3=lambda _r: httpx.Response(403, text="<title>WAF</title>"))
    [warning] = (await a_shop(mute)[0].check()).warnings
    assert "could not be found out" in warning


# ---------------------------------------------------------------- what others fulfilled


def a_fulfillment(*items: tuple[int, object], number: str = "X1", **changes: Any) -> bytes:
    meta = [
        {"key": "_items", "value": [{"item_id": line, "qty": pieces} for line, pieces in items]},
        {"key": "_tracking_number", "value": number},
    ]
    whole = {"id": 7, "status": "fulfilled", "is_fulfilled": True, "date_deleted": None, "meta_data": meta, **changes}
    return json.dumps(whole).encode()


def fulfilled(word: str = "fulfilled", **changes: Any) -> dict[str, Any]:
    return an_order(meta_data=[{"key": "_fulfillment_status", "value": word}], **changes)


def test_pieces_that_left_with_a_fulfilment_are_counted_and_its_number_shows() -> None:
    pen, notes = (line["id"] for line in an_order()["line_items"])
    order = parsed(fulfilled("partially_fulfilled"), parcels=[a_fulfillment((pen, 1)), a_fulfillment((notes, 9))])
    assert [line.fulfilled for line in order.lines] == [Decimal(1), Decimal("1.5")]
    assert (order.status, order.tracking) == (OrderStatus.OPEN, ("X1",))


def test_a_fulfilment_that_was_deleted_or_only_prepared_takes_nothing() -> None:
    pen = an_order()["line_items"][0]["id"]
    deleted = a_fulfillment((pen, 1), date_deleted="2026-11-22 06:45:00")
    ready = a_fulfillment((pen, 1), number="X2", is_fulfilled=False)
    order = parsed(fulfilled("unfulfilled"), parcels=[deleted, ready])
    assert [line.fulfilled for line in order.lines] == [Decimal(0), Decimal(0)]
    assert order.tracking == ("X2",)


def test_an_order_fulfilled_whole_has_been_shipped_though_its_status_says_processing() -> None:
    pen, notes = (line["id"] for line in an_order()["line_items"])
    whole = a_fulfillment((pen, 2), (notes, 1.5))
    assert parsed(fulfilled(), parcels=[whole]).status is OrderStatus.SHIPPED
    assert parsed(fulfilled()).status is OrderStatus.SHIPPED
    assert parsed(fulfilled(status="cancelled"), parcels=[whole]).status is OrderStatus.CANCELLED


def test_pieces_added_after_everything_was_fulfilled_keep_the_order_open() -> None:
    pen = an_order()["line_items"][0]["id"]
    assert parsed(fulfilled(), parcels=[a_fulfillment((pen, 2))]).status is OrderStatus.OPEN


async def test_fulfilments_that_may_not_be_read_are_a_warning() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/fulfillments"):
            return error(403, "woocommerce_rest_cannot_view")
        return httpx.Response(200, json=fulfilled("partially_fulfilled"))

    [found] = await a_shop(answer)[0].read_orders(["9311"])
    assert isinstance(found, Parsed)
    assert found.order.warnings == ("fulfillments_unreadable",)


async def fulfil_elsewhere(shop: WooCommerce, order: dict[str, Any], pieces: int, number: str) -> None:
    body = json.loads(a_fulfillment((order["lines"][0]["id"], pieces), number=number))
    await shop._api.write("POST", f"/wc/v3/orders/{order['id']}/fulfillments", body, dict[str, Any])


@pytest.mark.parametrize("place", ["fulfillments"], indirect=True)
async def test_what_somebody_else_fulfilled_is_not_sent_again(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    await fulfil_elsewhere(shop, order, 1, "ELSE1")
    found = await as_it_stands(shop, order)
    assert (found.status, found.lines[0].fulfilled, found.tracking) == (OrderStatus.OPEN, Decimal(1), ("ELSE1",))
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, Refused)
    assert outcome.code == "lines_changed"
    await fulfil_elsewhere(shop, order, 1, "ELSE2")
    assert (await as_it_stands(shop, order)).status is OrderStatus.SHIPPED
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, Refused)
    assert outcome.code == "already_shipped"
    assert told(twin, order) == ["ELSE1", "ELSE2"]


@pytest.mark.parametrize("place", ["fulfillments"], indirect=True)
async def test_a_parcel_that_somebody_fulfilled_under_our_number_is_completed(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    await fulfil_elsewhere(shop, order, 2, NUMBER)
    assert await shop.find_push([a_push(order)]) == [PushedInPart(NUMBER)]
    assert await shop.push([a_push(order)]) == [Pushed(NUMBER, "completed")]
    assert told(twin, order) == [NUMBER]
