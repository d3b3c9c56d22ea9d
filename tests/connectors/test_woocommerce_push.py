"""WooCommerce: what a push writes, what it refuses, and that a lost answer is never sent twice."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from test_woocommerce import a_shop, an_order, error, no_places

from connectors.contract import Binding, Parsed, Push, Pushed, PushedInPart, PushLine
from connectors.http import HttpClient, WireError
from connectors.shops.woocommerce import WooCommerce
from connectors.simulated.cases import ODD
from connectors.simulated.launch import Twin
from domain.clock import now
from domain.enums import OrderStatus
from domain.results import NotActed, NotFound, Refused, Unauthorised, Unknown
from tests.conftest import lent

NUMBER = "62000001"


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with lent("woocommerce", orders=40, plain=True, status=["packed"]) as running:
        yield running


class Time:
    """This machine's time, moved on by every wait instead of waiting."""

    waited_ms = 0

    def __call__(self) -> int:
        return now() + self.waited_ms

    async def sleep(self, seconds: float) -> None:
        self.waited_ms += int(seconds * 1000) + 1


def bind(twin: Twin, key: str = "consumer", **settings: str) -> WooCommerce:
    names = ("consumer_key", "consumer_secret") if key == "consumer" else (f"{key}_key", f"{key}_secret")
    secrets = dict(zip(("consumer_key", "consumer_secret"), (str(twin.hello[name]) for name in names), strict=True))
    time = Time()
    http = HttpClient(twin.url, sleep=time.sleep, clock=time)
    return WooCommerce(Binding("twin", {"url": twin.url, **settings}, secrets, http, time))


@pytest.fixture
async def shop(twin: Twin) -> AsyncIterator[WooCommerce]:
    twin.admin("POST", "faults", {"rate": 0})
    connector = bind(twin)
    yield connector
    await connector._http.aclose()


@pytest.fixture
def order(twin: Twin) -> dict[str, Any]:
    """A paid order nobody has touched yet."""
    twin.admin("POST", "arrive", {"n": 1, "plain": True})
    return shown(twin, max(one["id"] for one in twin.admin("GET", "orders")))


def shown(twin: Twin, order_id: int) -> dict[str, Any]:
    return next(one for one in twin.admin("GET", "orders") if one["id"] == order_id)


def a_push(order: dict[str, Any], **changes: Any) -> Push:
    values: dict[str, Any] = {
        "key": "e1",
        "platform_order_id": str(order["id"]),
        "number": NUMBER,
        "carrier": "InPost",
        "url": f"https://parcels.test/{NUMBER}",
        "lines": tuple(PushLine(str(line["id"]), line["quantity"]) for line in order["lines"]),
    }
    return Push(**{**values, **changes})


# ---------------------------------------------------------------- what is written


async def test_a_push_notes_the_number_completes_the_order_and_reads_both_back(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    push = a_push(order)
    assert await shop.push([push]) == [Pushed(NUMBER, "completed")]
    after = shown(twin, order["id"])
    assert [(note["note"], note["customer_note"]) for note in after["notes"]] == [
        (f"InPost {NUMBER} https://parcels.test/{NUMBER}", False)
    ]
    [found] = await shop.read_orders([push.platform_order_id])
    assert isinstance(found, Parsed)
    assert (found.order.tracking, found.order.status) == ((NUMBER,), OrderStatus.COMPLETED)
    assert found.order.total_minor == int(float(order["total"]) * 100 + 0.5)


async def test_roa_19_completed_is_never_sent_before_the_goods_are_written_off_and_then_once(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    early = a_push(order, finish=False)
    assert await shop.push([early]) == [Pushed(NUMBER, "processing")]
    assert (shown(twin, order["id"])["status"], shown(twin, order["id"])["times_completed"]) == ("processing", 0)
    assert await shop.find_push([early]) == [Pushed(NUMBER, "processing")]
    assert await shop.push([a_push(order, tell=False)]) == [Pushed(NUMBER, "completed")]
    after = shown(twin, order["id"])
    assert (after["status"], after["times_completed"], len(after["notes"])) == ("completed", 1, 1)


async def test_the_buyer_is_mailed_only_where_the_setting_says_so(twin: Twin, order: dict[str, Any]) -> None:
    connector = bind(twin, customer_note="yes")
    await connector.push([a_push(order, finish=False)])
    assert shown(twin, order["id"])["notes"][0]["customer_note"] is True
    await connector._http.aclose()


async def test_parcels_of_one_order_note_each_number_and_the_last_one_finishes(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    last, first = a_push(order, lines=()), a_push(order, number="62000002", lines=(), finish=False)
    assert await shop.push([last, first]) == [Pushed(NUMBER, "completed"), Pushed("62000002", "processing")]
    assert len(shown(twin, order["id"])["notes"]) == 2
    assert shown(twin, order["id"])["times_completed"] == 1


async def test_a_hand_over_without_waybill_only_finishes(twin: Twin, shop: WooCommerce, order: dict[str, Any]) -> None:
    push = a_push(order, number="", carrier="", url="")
    assert await shop.find_push([push]) == [NotFound()]
    assert await shop.push([push]) == [Pushed("", "completed")]
    assert (shown(twin, order["id"])["notes"], shown(twin, order["id"])["tracking"]) == ([], [])
    assert await shop.find_push([push]) == [Pushed("", "completed")]


async def test_a_batch_is_guarded_and_read_back_in_bulk(twin: Twin, shop: WooCommerce) -> None:
    twin.admin("POST", "arrive", {"n": 12, "plain": True})
    newest = sorted(twin.admin("GET", "orders"), key=lambda one: int(one["id"]))[-12:]
    pushes = [a_push(one, number=f"6300{one['id']}") for one in newest]
    before = _lists(twin)
    outcomes = await shop.push(pushes)
    assert outcomes == [Pushed(push.number, "completed") for push in pushes]
    assert _lists(twin) - before == 2
    assert await shop.find_push(pushes) == outcomes


def _lists(twin: Twin) -> int:
    return int(twin.admin("GET", "calls")["calls"].get("GET /wp-json/wc/v3/orders", 0))


async def test_earlier_numbers_in_the_orders_meta_are_kept() -> None:
    fake = Fake(meta_data=[{"id": 4, "key": "_tracking_number", "value": "OLD1"}])
    assert await a_shop(fake)[0].push([FAKE_PUSH]) == [Pushed(NUMBER, "completed")]
    assert fake.order["meta_data"][0]["value"] == f"OLD1, {NUMBER}"


async def test_only_changed_keys_travel_and_the_meta_keys_are_the_settings() -> None:
    fake = Fake()
    shop, _wire = a_shop(fake, tracking_key="_our_no", provider_key="_our_firm")
    assert await shop.push([FAKE_PUSH]) == [Pushed(NUMBER, "completed")]
    assert fake.puts == [
        {
            "status": "completed",
            "meta_data": [{"key": "_our_no", "value": NUMBER}, {"key": "_our_firm", "value": "InPost"}],
        }
    ]


@pytest.mark.parametrize("case", [*ODD, "object_meta", "entity_name", "no_price", "billing_list", "number_missing"])
async def test_what_plugins_make_of_an_order_is_read_and_told(twin: Twin, shop: WooCommerce, case: str) -> None:
    (made,) = twin.admin("POST", "orders", {"orders": [{"case": case}]})
    [found] = await shop.read_orders([str(made)])
    assert isinstance(found, Parsed)
    assert found.order.status is OrderStatus.OPEN
    assert "{" not in found.order.lines[0].options
    assert await shop.push([a_push(shown(twin, made))]) == [Pushed(NUMBER, "completed")]


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"change": "cancel"}, "order_cancelled"),
        ({"change": "refund"}, "order_refunded"),
        ({"change": "status", "status": "failed"}, "order_failed"),
        ({"change": "trash"}, "order_gone"),
        ({"change": "delete"}, "order_gone"),
        ({"change": "complete"}, "already_shipped"),
    ],
)
async def test_an_order_that_changed_meanwhile_is_refused_untouched(
    twin: Twin, shop: WooCommerce, order: dict[str, Any], change: dict[str, Any], code: str
) -> None:
    twin.admin("POST", "change", {"order": order["id"], **change})
    writes = _writes(twin)
    for push in (a_push(order), a_push(order, finish=False), a_push(order, retry=True)):
        [outcome] = await shop.push([push])
        assert isinstance(outcome, Refused)
        assert outcome.code == code
        assert outcome.message
    assert _writes(twin) == writes


def _writes(twin: Twin) -> int:
    calls = twin.admin("GET", "calls")["calls"]
    return sum(count for name, count in calls.items() if not name.startswith("GET"))


async def test_more_pieces_than_the_order_still_has_are_refused(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    twin.admin("POST", "change", {"order": order["id"], "change": "quantity", "quantity": 3})
    line = order["lines"][0]
    twin.admin("POST", "change", {"order": order["id"], "change": "partial_refund", "line": line["id"]})
    [outcome] = await shop.push([a_push(order, lines=(PushLine(str(line["id"]), 3),))])
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.field) == ("lines_changed", str(line["id"]))
    [outcome] = await shop.push([a_push(order, lines=(PushLine("1", 1),))])
    assert isinstance(outcome, Refused)
    assert outcome.code == "lines_changed"
    assert await shop.push([a_push(order, lines=(PushLine(str(line["id"]), 2),))]) == [Pushed(NUMBER, "completed")]


async def test_one_refused_push_stops_no_other(twin: Twin, shop: WooCommerce, order: dict[str, Any]) -> None:
    gone = a_push({**order, "id": 999_999})
    outcomes = await shop.push([gone, a_push(order)])
    assert [getattr(outcome, "code", "pushed") for outcome in outcomes] == ["order_gone", "pushed"]


async def test_a_completed_order_that_shows_our_number_is_already_pushed(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    await shop.push([a_push(order)])
    writes = _writes(twin)
    assert await shop.push([a_push(order), a_push(order, finish=False)]) == [Pushed(NUMBER, "completed")] * 2
    assert _writes(twin) == writes


async def test_an_order_completed_by_hand_after_our_early_note_is_already_pushed(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    await shop.push([a_push(order, finish=False)])
    twin.admin("POST", "change", {"order": order["id"], "change": "complete"})
    assert await shop.push([a_push(order, tell=False)]) == [Pushed(NUMBER, "completed")]


async def test_a_read_only_key_is_unauthorised_and_a_check_says_so(twin: Twin, order: dict[str, Any]) -> None:
    connector = bind(twin, "read_only")
    [outcome] = await connector.push([a_push(order)])
    assert isinstance(outcome, Unauthorised)
    assert outcome.code == "read_only_key"
    with pytest.raises(WireError) as caught:
        await connector.check()
    assert caught.value.outcome.code == "read_only_key"
    await connector._http.aclose()


async def test_the_shops_own_words_are_kept() -> None:
    params = {"status": "status is not one of pending, processing."}
    body = {"code": "rest_invalid_param", "message": "Invalid parameter(s): status", "data": {"params": params}}
    [outcome] = await a_shop(Fake(put=httpx.Response(400, json=body)))[0].push([FAKE_PUSH])
    assert isinstance(outcome, Refused)
    assert outcome.code == "rest_invalid_param"
    assert "status is not one of pending, processing." in outcome.message


# ---------------------------------------------------------------- lost answers

NOTE, PUT = {"method": "POST", "path": "/notes"}, {"method": "PUT", "path": "/orders/"}
LOST = ["cut_after", "http_500_after", "malformed", "reset_mid_body"]


@pytest.mark.parametrize("kind", LOST)
async def test_a_note_whose_answer_is_lost_is_found_and_not_written_twice(
    twin: Twin, shop: WooCommerce, order: dict[str, Any], kind: str
) -> None:
    push = a_push(order)
    twin.fail_next(kind, **NOTE)
    [outcome] = await shop.push([push])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([push]) == [PushedInPart(NUMBER)]
    assert await shop.push([a_push(order, retry=True)]) == [Pushed(NUMBER, "completed")]
    after = shown(twin, order["id"])
    assert (len(after["notes"]), after["times_completed"]) == (1, 1)


@pytest.mark.parametrize("kind", LOST)
async def test_a_lost_early_note_is_found(twin: Twin, shop: WooCommerce, order: dict[str, Any], kind: str) -> None:
    push = a_push(order, finish=False)
    twin.fail_next(kind, **NOTE)
    [outcome] = await shop.push([push])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([push]) == [Pushed(NUMBER, "processing")]


async def test_a_note_that_never_arrived_is_not_found_and_may_be_written_again(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    twin.fail_next("cut_before", **NOTE)
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([a_push(order)]) == [NotFound()]
    assert await shop.push([a_push(order, retry=True)]) == [Pushed(NUMBER, "completed")]
    assert len(shown(twin, order["id"])["notes"]) == 1


@pytest.mark.parametrize("kind", LOST)
async def test_a_status_whose_answer_is_lost_is_found(
    twin: Twin, shop: WooCommerce, order: dict[str, Any], kind: str
) -> None:
    push = a_push(order)
    twin.fail_next(kind, **PUT)
    [outcome] = await shop.push([push])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([push]) == [Pushed(NUMBER, "completed")]
    assert await shop.push([a_push(order, retry=True)]) == [Pushed(NUMBER, "completed")]
    assert shown(twin, order["id"])["times_completed"] == 1


async def test_a_status_that_never_arrived_leaves_the_missing_step(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    twin.fail_next("cut_before", **PUT)
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, Unknown)
    assert await shop.find_push([a_push(order)]) == [PushedInPart(NUMBER)]
    assert await shop.push([a_push(order, tell=False)]) == [Pushed(NUMBER, "completed")]
    assert len(shown(twin, order["id"])["notes"]) == 1


async def test_a_throttled_note_did_not_act_and_a_throttled_status_leaves_the_number(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    twin.fail_next("refused_429", **NOTE)
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, NotActed)
    twin.fail_next("refused_429", **PUT)
    assert await shop.push([a_push(order)]) == [PushedInPart(NUMBER)]


async def test_a_guard_that_cannot_read_writes_nothing(twin: Twin, shop: WooCommerce, order: dict[str, Any]) -> None:
    for kind in ("http_500", "html", "cut_before"):
        twin.fail_next(kind, "GET", "/orders/", times=3)
        [outcome] = await shop.push([a_push(order)])
        assert isinstance(outcome, NotActed)
        twin.admin("POST", "faults", {"rate": 0})
    assert shown(twin, order["id"])["notes"] == []


async def test_a_push_that_cannot_be_read_back_is_unknown(twin: Twin, shop: WooCommerce, order: dict[str, Any]) -> None:
    twin.fail_next("http_500", "GET", "/orders/", times=3, skip=1)
    [outcome] = await shop.push([a_push(order)])
    assert isinstance(outcome, Unknown)
    assert outcome.code == "not_read_back"
    assert await shop.find_push([a_push(order)]) == [Pushed(NUMBER, "completed")]


async def test_an_early_note_that_cannot_be_read_back_is_unknown(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    twin.fail_next("http_500", "GET", "/notes", times=3)
    [outcome] = await shop.push([a_push(order, finish=False)])
    assert isinstance(outcome, Unknown)


async def test_finding_names_an_order_that_died_meanwhile(twin: Twin, shop: WooCommerce, order: dict[str, Any]) -> None:
    twin.admin("POST", "change", {"order": order["id"], "change": "cancel"})
    [outcome] = await shop.find_push([a_push(order)])
    assert isinstance(outcome, Refused)
    assert outcome.code == "order_cancelled"


async def test_an_order_completed_elsewhere_is_not_our_push(
    twin: Twin, shop: WooCommerce, order: dict[str, Any]
) -> None:
    twin.admin("POST", "change", {"order": order["id"], "change": "complete"})
    assert await shop.find_push([a_push(order)]) == [NotFound()]


async def test_a_firewall_says_nothing_about_the_push() -> None:
    [outcome] = await a_shop(lambda _r: httpx.Response(403, text="<title>Blocked</title>"))[0].find_push([FAKE_PUSH])
    assert isinstance(outcome, Unknown)


# ---------------------------------------------------------------- shops with habits

FAKE_PUSH = Push("e9", "9311", NUMBER, "InPost")


class Fake:
    """One order with its notes; `put`, `keep` and `note` bend what it does with a change."""

    def __init__(
        self,
        put: httpx.Response | None = None,
        keep: Callable[[dict[str, Any]], dict[str, Any]] = lambda change: change,
        note: Callable[[str], str] = lambda text: text,
        **order: Any,
    ) -> None:
        self.order = an_order(**{"meta_data": [], **order})
        self.put, self.keep, self.note = put, keep, note
        self.notes: list[dict[str, Any]] = []
        self.puts: list[dict[str, Any]] = []
        self.methods: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if (said := no_places(request)) is not None:
            return said
        self.methods.append(request.method)
        notes = request.url.path.endswith("/notes")
        if request.method == "GET":
            return httpx.Response(200, json=self.notes if notes else self.order)
        body = json.loads(request.content)
        if notes:
            self.notes.append({"id": 1, "note": self.note(body["note"])})
            return httpx.Response(201, json={"id": 1})
        self.puts.append(body)
        if self.put is not None and request.method == "PUT":
            return self.put
        kept = self.keep(body)
        meta = {one["key"]: one for one in [*self.order["meta_data"], *kept.get("meta_data", [])]}
        self.order = {**self.order, **kept, "meta_data": list(meta.values())}
        return httpx.Response(200, json=self.order)


async def test_a_number_the_shop_drops_silently_is_refused() -> None:
    fake = Fake(keep=lambda change: {"status": change["status"]})
    [outcome] = await a_shop(fake)[0].push([FAKE_PUSH])
    assert isinstance(outcome, Refused)
    assert outcome.code == "number_not_kept"


async def test_a_carrier_the_shop_drops_silently_is_refused_and_an_escaped_one_is_not() -> None:
    without = Fake(keep=lambda change: {**change, "meta_data": change["meta_data"][:1]})
    [outcome] = await a_shop(without)[0].push([FAKE_PUSH])
    assert isinstance(outcome, Refused)

    def escaped(change: dict[str, Any]) -> dict[str, Any]:
        return dict(json.loads(json.dumps(change).replace("&", "&amp;")))

    push = Push("e9", "9311", NUMBER, "Kowal & Syn")
    assert await a_shop(Fake(keep=escaped))[0].push([push]) == [Pushed(NUMBER, "completed")]


async def test_a_status_the_shop_does_not_keep_is_refused() -> None:
    fake = Fake(keep=lambda change: {"meta_data": change["meta_data"]})
    [outcome] = await a_shop(fake)[0].push([FAKE_PUSH])
    assert isinstance(outcome, Refused)
    assert outcome.code == "status_not_kept"


async def test_a_note_the_shop_empties_is_refused() -> None:
    push = Push("e9", "9311", NUMBER, "InPost", finish=False)
    [outcome] = await a_shop(Fake(note=lambda _text: ""))[0].push([push])
    assert isinstance(outcome, Refused)
    assert outcome.code == "number_not_kept"


async def test_a_longer_number_that_contains_ours_is_not_ours() -> None:
    fake = Fake()
    fake.notes.append({"note": f"InPost 9{NUMBER}"})
    assert await a_shop(fake)[0].find_push([FAKE_PUSH]) == [NotFound()]


@pytest.mark.parametrize(
    "refusal", [httpx.Response(405, text="no"), httpx.Response(403, text="<title>WAF</title>"), httpx.Response(501)]
)
async def test_a_host_that_lets_no_put_through_gets_a_post(refusal: httpx.Response) -> None:
    fake = Fake(put=refusal)
    shop, _wire = a_shop(fake)
    assert await shop.push([FAKE_PUSH]) == [Pushed(NUMBER, "completed")]
    assert fake.methods == ["GET", "POST", "PUT", "POST", "GET"]
    fake.order["status"], fake.order["meta_data"] = "processing", []
    await shop.push([FAKE_PUSH])
    assert "PUT" not in fake.methods[5:]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(401, "woocommerce_rest_cannot_edit"), PushedInPart),
        (error(400, "woocommerce_rest_shop_order_invalid_id"), Refused),
        (error(403, "woocommerce_rest_cannot_edit"), Refused),
        (error(409, "busy"), Unknown),
        (error(500, "internal"), Unknown),
        (httpx.Response(200, text="<html>Cached</html>"), Unknown),
        (httpx.Response(503, text="<html>Down</html>"), Unknown),
        (httpx.Response(503, text="<html>Down</html>", headers={"Retry-After": "5"}), PushedInPart),
        (httpx.Response(301, headers={"Location": "https://www.shop.test"}), Refused),
    ],
)
async def test_each_failure_of_the_status_has_its_class(answer: httpx.Response, kind: type[object]) -> None:
    fake = Fake(put=answer)
    [outcome] = await a_shop(fake)[0].push([FAKE_PUSH])
    assert isinstance(outcome, kind)
    assert len(fake.puts) == 1


async def test_an_order_that_dies_between_write_and_read_back_is_named() -> None:
    fake = Fake()

    def answer(request: httpx.Request) -> httpx.Response:
        given = fake(request)
        if request.method == "PUT":
            fake.order["status"] = "cancelled"
        return given

    [outcome] = await a_shop(answer)[0].push([FAKE_PUSH])
    assert isinstance(outcome, Refused)
    assert outcome.code == "order_cancelled"
