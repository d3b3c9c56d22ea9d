"""Cartum: how orders and products are read, what the envelope means, and what a binding is told about its shop."""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from connectors import registry
from connectors.contract import Binding, Gone, Parsed, Poison
from connectors.http import HttpClient, WireError
from connectors.shops.cartum import Cartum
from connectors.shops.cartum_wire import STATUSES, Reading, parse_order
from connectors.simulated.launch import Twin
from domain.clock import now
from domain.enums import OrderKind, OrderStatus, Payment
from domain.records import Order
from domain.results import NotActed, Refused, Unauthorised
from tests.conftest import lent

SAMPLES = Path(__file__).parent.parent / "samples" / "cartum"
READING = Reading(ZoneInfo("Europe/Kyiv"), STATUSES, frozenset({"13"}), frozenset({"1"}))
AT = 1_795_400_000_000


class Time:
    """A clock that is moved on by every wait instead of waiting."""

    def __init__(self, at: int = 0) -> None:
        self.at = at or now()
        self.waits: list[float] = []

    def __call__(self) -> int:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += int(seconds * 1000) + 1


def bind(twin: Twin, time: Time | None = None, password: str = "", **settings: str) -> Cartum:
    """The connector of a twin; it keeps no pace but with `calls_per_second`."""
    time = time or Time()
    rate = float(settings.pop("calls_per_second", "0"))
    http = HttpClient(twin.url, calls_per_second=rate, parallel=1, sleep=time.sleep, clock=time)
    given = {"url": twin.url, "login": str(twin.hello["login"]), **settings}
    secrets = {"password": password or str(twin.hello["password"])}
    return Cartum(Binding("twin", given, secrets, http, time))


Answers = Callable[[str, dict[str, Any]], httpx.Response | Any]


class Wire(httpx.AsyncBaseTransport):
    """A shop that answers as a function of (function, body) says; remembers what it was asked."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        function = request.url.path.removeprefix("/api/").rstrip("/")
        body = json.loads(request.content)
        self.requests.append(request)
        self.asked.append((function, body))
        if function == "auth":
            return httpx.Response(200, json={"status": "OK", "response": {"token": f"t{len(self.asked)}"}})
        answer = self.answers(function, body)
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


def a_shop(
    answers: Answers, url: str = "https://shop.test", time: Time | None = None, **settings: str
) -> tuple[Cartum, Wire]:
    wire, time = Wire(answers), time or Time(AT)
    http = HttpClient(url, transport=wire, sleep=time.sleep, clock=time, parallel=1)
    given = {"url": url, "login": "robot", **settings}
    return Cartum(Binding("test", given, {"password": "hush"}, http, time)), wire


def envelope(status: str, response: Any) -> dict[str, Any]:
    return {"status": status, "response": response}


def sample(name: str) -> dict[str, Any]:
    return dict(json.loads((SAMPLES / f"{name}.json").read_text()))


def an_order(**changes: Any) -> dict[str, Any]:
    return {**sample("paid_to_branch"), **changes}


def parsed(order: Mapping[str, Any] | bytes, reading: Reading = READING) -> Order:
    raw = order if isinstance(order, bytes) else json.dumps(order).encode()
    result = parse_order(raw, reading, AT)
    assert isinstance(result, Parsed), result
    return result.order


def refused(order: object) -> Poison:
    raw = order if isinstance(order, bytes) else json.dumps(order).encode()
    result = parse_order(raw, READING, AT)
    assert isinstance(result, Poison), result
    assert result.raw == raw
    return result


@pytest.fixture(scope="module")
def running() -> Iterator[Twin]:
    with lent("cartum", seed=2) as twin:
        yield twin


@pytest.fixture
def twin(running: Twin) -> Twin:
    """The shared twin without the faults and clock of the test before."""
    running.admin("POST", "faults", {"rate": 0, "retry_after_s": 0})
    running.admin("POST", "clock", {})
    return running


def make(twin: Twin, *orders: dict[str, Any]) -> list[str]:
    return [str(one) for one in twin.admin("POST", "orders", {"orders": list(orders or ({},))})]


# ---------------------------------------------------------------- orders


def test_roa_04_every_transferred_field_arrives_unaltered() -> None:
    order = parsed((SAMPLES / "paid_to_branch.json").read_bytes())
    assert (order.platform_order_id, order.number, order.currency, order.total_minor) == ("5120", "5120", "UAH", 26370)
    assert order.created_at == 1_795_190_709_000  # 18:05:09 in Kyiv is 16:05:09 UTC.
    assert (order.buyer.first_name, order.buyer.phone, order.buyer.email) == (
        "Орися Вербова",
        "+380 50 000 11 22",
        "orysia@example.test",
    )
    assert (order.address.name, order.address.line1, order.address.city, order.address.country) == (
        "Орися Вербова",
        "Відділення №4, вул. Пір'їна, 2",
        "Полтава",
        "UA",
    )
    notes, pen = order.lines
    assert (notes.name, notes.sku, notes.quantity, notes.unit_price, notes.total_minor) == (
        "Зошит А5",
        "NB-A5",
        Decimal(3),
        "79.90",
        23970,
    )
    assert (pen.unit_price, pen.platform_product_id, pen.platform_variant_id) == ("24", "PEN-07", "")
    assert (order.buyer_note, order.shipping_method, order.shipping_minor) == (
        "Без дзвінка, будь ласка",
        "Новою поштою",
        0,
    )
    assert order.warnings == ()


def test_a_branch_is_a_pickup_point_and_a_paid_order_was_paid_when_it_was_made() -> None:
    order = parsed(an_order())
    assert (order.kind, order.pickup_point) == (OrderKind.PICKUP_POINT, "0f0f0f0f-0000-4000-8000-0000000000aa")
    assert (order.payment, order.paid_at) == (Payment.PREPAID, order.created_at)
    assert parsed(an_order(payed=0)).paid_at is None
    for yes in ("1", True):
        assert parsed(an_order(payed=yes)).paid_at == order.created_at


def test_the_newest_reading_is_the_newest_version() -> None:
    raw = json.dumps(an_order()).encode()
    versions = [parse_order(raw, READING, at) for at in (AT, AT + 1)]
    assert [v.order.updated_at for v in versions if isinstance(v, Parsed)] == [AT, AT + 1]


def test_payment_on_delivery_and_collection_are_what_the_settings_name() -> None:
    order = parsed(sample("set_with_gift"))
    assert (order.payment, order.kind, order.paid_at) == (Payment.ON_DELIVERY, OrderKind.PICKUP, None)
    plain = parsed(sample("set_with_gift"), Reading(ZoneInfo("Europe/Kyiv"), STATUSES))
    assert (plain.payment, plain.kind) == (Payment.PREPAID, OrderKind.DELIVERY)
    assert order.shipping_method == "Самовивіз"


def test_of_a_set_the_parts_are_picked_and_a_gift_without_article_is_kept() -> None:
    order = parsed(sample("set_with_gift"))
    assert [(line.platform_line_id, line.sku, line.quantity) for line in order.lines] == [
        ("1:NB-A5", "NB-A5", 1),
        ("2:7001", "7001", 2),
        ("3:", "", 1),
    ]
    assert order.total_minor == 14925  # The amount the platform says, whatever the lines add up to.


@pytest.mark.parametrize(
    ("types", "kept"),
    [
        (["set_main", "product"], [0, 1]),
        (["set_item", "set_main", "product"], [0, 2]),
        (["set_main", "set_item", "set_main", "product"], [1, 2, 3]),
        (["set_main", "set_item", "set_main", "set_item"], [1, 3]),
        (["gift_parent", "gift"], [0, 1]),
    ],
)
def test_a_set_is_left_out_only_where_its_own_parts_are_there(types: list[str], kept: list[int]) -> None:
    line = an_order()["products"][0]
    order = parsed(an_order(products=[{**line, "article": f"A{n}", "type": t} for n, t in enumerate(types)]))
    assert [line.sku for line in order.lines] == [f"A{n}" for n in kept]


def test_an_unknown_kind_of_line_is_kept_and_reported() -> None:
    order = parsed(an_order(products=[{**an_order()["products"][0], "type": "rental"}]))
    assert (len(order.lines), order.warnings) == (1, ("unknown_line_type:rental",))


@pytest.mark.parametrize(
    ("status", "ours"),
    [(1, "open"), (2, "open"), (6, "shipped"), (3, "completed"), (4, "cancelled"), ("6", "shipped")],
)
def test_roa_17_built_in_statuses(status: object, ours: str) -> None:
    order = parsed(an_order(stat_status=status))
    assert (order.status, order.raw_status, order.warnings) == (OrderStatus(ours), str(status), ())


def test_roa_17_an_unmapped_status_stays_open_and_is_reported() -> None:
    order = parsed(sample("set_with_gift"))
    assert (order.status, order.warnings) == (OrderStatus.OPEN, ("unknown_status:3150",))


def test_roa_11_only_delivered_orders_stay_out_of_the_first_import() -> None:
    assert Cartum.declaration.first_import_excludes == {"3"}
    assert not Cartum.declaration.requires_contact


def test_a_waybill_made_in_the_shop_and_told_codes_are_tracking() -> None:
    data = {"deliveryOperatorType": "novaposhta", "tnNumber": "20450000000777"}
    assert parsed(an_order(delivery_data=data)).tracking == ("20450000000777",)
    both = an_order(delivery_data=data, tracking_code="0503", own_tracking_code="20450000000777")
    assert parsed(both).tracking == ("20450000000777", "0503")
    for nothing in (None, [], {"tnNumber": None}, ""):
        assert parsed(an_order(delivery_data=nothing)).tracking == ()


@pytest.mark.parametrize(("price", "minor"), [(-1, 0), (0, 0), (45.5, 4550), ("60", 6000), (None, 0)])
def test_a_carriage_nobody_reckoned_costs_nothing(price: object, minor: int) -> None:
    assert parsed(an_order(delivery_price=price)).shipping_minor == minor


def test_an_empty_object_is_an_array() -> None:
    order = parsed(an_order(delivery_type=[], payment_type=[], additional_data=[], delivery_data=[], analytics=[]))
    assert (order.kind, order.shipping_method, order.payment) == (OrderKind.DELIVERY, "", Payment.PREPAID)
    assert parsed(an_order(delivery_type=[], delivery_option={"name": "Кур'єр"})).shipping_method == "Кур'єр"


@pytest.mark.parametrize("missing", ["comment", "delivery_type", "payed", "delivery_data", "additional_data", "user"])
def test_whatever_a_shop_leaves_out_is_empty(missing: str) -> None:
    order = an_order()
    del order[missing]
    assert parsed(order).number == "5120"


def test_money_as_text_or_float_is_exact() -> None:
    line = {"article": "X", "title": "x", "price": "0.1", "quantity": "3", "type": "product"}
    order = parsed(an_order(total_sum="0.30", products=[line]))
    assert (order.total_minor, order.lines[0].total_minor, order.lines[0].unit_price) == (30, 30, "0.1")
    raw = json.dumps(an_order(products=[{**line, "total_price": 1}])).replace(
        '"total_price": 1', '"total_price": 0.30000000000000004'
    )
    assert parsed(raw.encode()).lines[0].total_minor == 30


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (an_order(stat_created="0000-00-00 00:00:00"), "bad_date"),
        (an_order(stat_created=None), "bad_date"),
        (an_order(currency="грн"), "unknown_currency"),
        (an_order(total_sum=None), "bad_amount"),
        (an_order(total_sum={}), "bad_amount"),
        (an_order(order_id="12a"), "malformed_order"),
        (an_order(products="none"), "malformed_order"),
        (an_order(products=[{"article": "A", "quantity": "many", "price": 1}]), "bad_quantity"),
        (b'{"order_id": 5120, "stat_status"', "malformed_order"),
        ([], "malformed_order"),
    ],
)
def test_what_cannot_be_an_order_says_why_and_keeps_its_payload(order: object, code: str) -> None:
    assert refused(order).code == code


def test_a_poison_keeps_the_number_it_can_be_found_by() -> None:
    assert refused(an_order(currency="?")).platform_order_id == "5120"
    assert refused(b"nonsense").platform_order_id == ""


# ---------------------------------------------------------------- the shop's zone


@pytest.mark.parametrize(
    ("local", "utc_s"),
    [
        ("2026-03-29 02:59:59", 1_774_745_999),
        ("2026-03-29 04:00:00", 1_774_746_000),
        ("2026-10-25 02:59:59", 1_792_886_399),
        ("2026-10-25 03:30:00", 1_792_888_200),  # This half hour comes twice; the first of the two counts.
        ("2026-10-25 04:00:00", 1_792_893_600),
    ],
)
def test_times_are_the_shops_own_on_both_days_that_clocks_change(local: str, utc_s: int) -> None:
    assert parsed(an_order(stat_created=local)).created_at == utc_s * 1000


def test_the_zone_is_a_setting() -> None:
    tokyo = Reading(ZoneInfo("Asia/Tokyo"), STATUSES)
    order = an_order(stat_created="2026-11-20 18:05:09")
    assert parsed(order).created_at - parsed(order, tokyo).created_at == 7 * 3_600_000


# ---------------------------------------------------------------- token and envelope


async def test_the_token_travels_in_the_body_and_one_login_serves_many_calls() -> None:
    shop, wire = a_shop(lambda _function, _body: envelope("EMPTY", {"orders": []}))
    assert await shop.read_orders(["7"]) == [Gone("7")]
    await shop.read_orders(["8"])
    assert [function for function, _body in wire.asked] == ["auth", "orders/get", "orders/get"]
    assert wire.asked[0][1] == {"login": "robot", "password": "hush"}
    assert wire.asked[1][1] == {"token": "t1", "additionalData": True, "ids": [7]}
    for request in wire.requests:
        assert request.method == "POST"
        assert request.url.path.endswith("/")
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"] == "shipdeck"
        assert "authorization" not in request.headers


async def test_calls_at_the_same_time_share_one_login(twin: Twin) -> None:
    import asyncio

    ids = make(twin, {}, {})
    before = twin.admin("GET", "counts").get("logins", 0)
    shop = bind(twin)
    found = await asyncio.gather(*(shop.read_orders([order_id]) for order_id in ids * 3))
    assert all(isinstance(one, Parsed) for [one] in found)
    assert twin.admin("GET", "counts")["logins"] == before + 1
    assert twin.admin("GET", "calls")["peak_parallel"] == 1


async def test_a_token_is_renewed_before_it_ends(twin: Twin) -> None:
    [order_id] = make(twin)
    time = Time()
    shop = bind(twin, time)
    await shop.read_orders([order_id])
    before = twin.admin("GET", "counts")
    time.at += 549_000
    twin.admin("POST", "clock", {"offset_s": 549})
    await shop.read_orders([order_id])
    assert twin.admin("GET", "counts") == before
    time.at += 52_000
    twin.admin("POST", "clock", {"offset_s": 601})
    assert isinstance((await shop.read_orders([order_id]))[0], Parsed)
    after = twin.admin("GET", "counts")
    assert (after["logins"], after.get("refused_tokens")) == (before["logins"] + 1, before.get("refused_tokens"))


async def test_a_token_that_is_refused_is_renewed_once(twin: Twin) -> None:
    [order_id] = make(twin)
    shop = bind(twin)
    await shop.read_orders([order_id])
    twin.admin("POST", "expire", {})
    assert isinstance((await shop.read_orders([order_id]))[0], Parsed)


async def test_a_token_that_stays_refused_pauses_the_account() -> None:
    shop, wire = a_shop(lambda _function, _body: envelope("AUTHORIZATION_ERROR", {"message": "no"}))
    with pytest.raises(WireError) as caught:
        await shop.read_orders(["7"])
    assert isinstance(caught.value.outcome, Unauthorised)
    assert [function for function, _body in wire.asked] == ["auth", "orders/get"] * 2


async def test_an_old_shop_says_it_with_an_error_that_names_the_token() -> None:
    with lent("cartum", version="3.30") as twin:
        [order_id] = make(twin)
        shop = bind(twin)
        await shop.read_orders([order_id])
        twin.admin("POST", "expire", {})
        assert isinstance((await shop.read_orders([order_id]))[0], Parsed)


async def test_a_wrong_password_is_unauthorised_and_shows_nowhere(twin: Twin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    shop = bind(twin, password="open-sesame")
    with pytest.raises(WireError) as caught:
        await shop.check()
    assert caught.value.outcome == Unauthorised("wrong_login", "Wrong login or password")
    assert "open-sesame" not in caplog.text + repr(caught.value) + repr(shop._binding)


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        (envelope("ERROR", {"message": "ids wrong"}), Refused, "platform_error"),
        (envelope("EXCEPTION", {"message": "oops"}), Refused, "platform_error"),
        (envelope("HTTP_ERROR", {"code": 400, "message": "Payload is not JSON"}), Refused, "bad_request"),
        (envelope("UNDEFINED_FUNCTION", []), Refused, "undefined_function"),
        (envelope("PERHAPS", {"orders": []}), Refused, "unknown_answer"),
        (envelope("OK", []), NotActed, "not_understood"),
        (envelope("OK", {"orders": "none"}), NotActed, "not_understood"),
        (httpx.Response(200, html="<html>wait</html>"), NotActed, "not_json"),
        (httpx.Response(403, html="<html>robots</html>"), NotActed, "not_json"),
        (httpx.Response(200, content=b""), NotActed, "not_json"),
        (httpx.Response(200, json=[1]), NotActed, "not_json"),
        (httpx.Response(502, html="<html>bad gateway</html>"), NotActed, "server_error"),
        (httpx.Response(429, html="<html>slow down</html>"), NotActed, "throttled"),
        (httpx.Response(301, headers={"location": "https://elsewhere.test"}), Refused, "redirected"),
    ],
)
async def test_no_failure_is_ever_read_as_no_orders(answer: Any, outcome: type, code: str) -> None:
    shop, _wire = a_shop(lambda _function, _body: answer)
    with pytest.raises(WireError) as caught:
        await shop.read_orders(["7"])
    assert (type(caught.value.outcome), caught.value.outcome.code) == (outcome, code)


@pytest.mark.parametrize(
    "kind", ["html", "malformed", "garbled", "cut_after", "reset_mid_body", "http_500", "refused_429"]
)
async def test_a_passing_fault_of_a_read_is_waited_out(twin: Twin, kind: str) -> None:
    [order_id] = make(twin)
    time = Time()
    shop = bind(twin, time)
    twin.fail_next(kind, path="orders/get")
    assert isinstance((await shop.read_orders([order_id]))[0], Parsed)
    assert sum(time.waits) >= 0.1


async def test_a_bom_before_the_envelope_does_no_harm() -> None:
    body = b"\xef\xbb\xbf" + json.dumps(envelope("OK", {"orders": [an_order()]})).encode()
    shop, _wire = a_shop(lambda _function, _body: httpx.Response(200, content=body))
    assert isinstance((await shop.read_orders(["5120"]))[0], Parsed)


async def test_calls_keep_300_ms_apart_even_after_a_rest(twin: Twin) -> None:
    time = Time()
    limits = Cartum.declaration.limits
    shop = bind(twin, time, calls_per_second=str(limits.calls_per_second))
    await shop.read_orders(["1"])
    time.at += 60_000
    time.waits.clear()
    for _turn in range(4):
        await shop.read_orders(["1"])
    assert len(time.waits) >= 3
    assert sum(time.waits) >= 0.89
    assert limits.parallel == 1


@pytest.mark.parametrize("pasted", ["https://shop.test/api/", "https://shop.test/edit/users", "https://shop.test/?a=b"])
async def test_a_pasted_address_is_cut_to_the_shops_own(pasted: str) -> None:
    shop, wire = a_shop(lambda _function, _body: envelope("EMPTY", {"orders": []}), pasted)
    await shop.read_orders(["7"])
    assert str(wire.requests[0].url) == "https://shop.test/api/auth/"


# ---------------------------------------------------------------- reading by number


async def test_orders_are_read_in_the_order_asked_and_missing_ones_are_gone(twin: Twin) -> None:
    one, two = make(twin, {}, {"case": "keyed_lines"})
    found = await bind(twin).read_orders([two, "999999", "x", one, two])
    assert [f.order.number if isinstance(f, Parsed) else f for f in found] == [two, Gone("999999"), Gone("x"), one, two]


async def test_open_orders_are_read_a_hundred_at_a_time() -> None:
    asked: list[list[int]] = []

    def answer(_function: str, body: dict[str, Any]) -> Any:
        asked.append(body["ids"])
        return envelope("OK", {"orders": [an_order(order_id=one) for one in body["ids"]]})

    shop, _wire = a_shop(answer)
    found = await shop.read_orders([str(n) for n in range(1, 251)])
    assert all(isinstance(one, Parsed) for one in found)
    assert [len(ids) for ids in asked] == [100, 100, 50]


async def test_orders_nobody_asked_for_prove_nothing_about_the_others() -> None:
    shop, _wire = a_shop(lambda _function, _body: envelope("OK", {"orders": [an_order()]}))
    with pytest.raises(WireError) as caught:
        await shop.read_orders(["7"])
    assert isinstance(caught.value.outcome, NotActed)


async def test_one_bad_order_does_not_stop_the_others(twin: Twin) -> None:
    ids = make(twin, {}, {"case": "bad_date"}, {"case": "label_for_currency"}, {})
    found = await bind(twin).read_orders(ids)
    assert [type(one) for one in found] == [Parsed, Poison, Poison, Parsed]


# ---------------------------------------------------------------- binding


async def test_a_test_call_tells_currency_zone_version_and_what_ids_mean(twin: Twin) -> None:
    make(twin)
    checked = await bind(twin).check()
    assert (checked.currency, checked.zone, checked.version, checked.title) == ("UAH", "Europe/Kyiv", "4", "127.0.0.1")
    statuses, payments, deliveries = checked.warnings
    assert "3150 Запаковано" in statuses
    assert "13 Готівкою" in payments
    assert "1 Самовивіз" in deliveries
    named = {"on_delivery_payments": "13", "pickup_deliveries": "1", "custom_statuses": "3150=open"}
    assert (await bind(twin, **named).check()).warnings == ()


async def test_an_old_shop_has_no_list_of_statuses() -> None:
    with lent("cartum", version="3.20", zone="Europe/Warsaw") as twin:
        make(twin)
        checked = await bind(twin, timezone="Europe/Warsaw").check()
        assert (checked.version, checked.zone, checked.currency) == ("3", "Europe/Warsaw", "UAH")


async def test_an_empty_shop_can_be_bound() -> None:
    with lent("cartum") as twin:
        checked = await bind(
            twin, on_delivery_payments="13", pickup_deliveries="1", custom_statuses="3150=open"
        ).check()
        assert (checked.currency, len(checked.warnings)) == ("", 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timezone", "Kyiv"),
        ("shipped_status", "4"),
        ("shipped_status", "3"),
        ("shipped_status", "sent"),
        ("custom_statuses", "packed=open"),
        ("custom_statuses", "3150=ready"),
        ("custom_statuses", "4=open"),
        ("number_field", "code"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_refused_by_its_name(twin: Twin, name: str, value: str) -> None:
    with pytest.raises(WireError) as caught:
        await bind(twin, **{name: value}).check()
    assert isinstance(caught.value.outcome, Refused)
    assert (caught.value.outcome.code, caught.value.outcome.field) == ("bad_setting", name)


def test_it_is_found_as_an_entry_point() -> None:
    assert registry.shop("cartum") is Cartum


# ---------------------------------------------------------------- products


async def test_every_article_is_a_product_with_the_path_of_its_section(twin: Twin) -> None:
    pages = [page async for page in bind(twin).products("")]
    assert [(page.last, page.cursor, page.problems) for page in pages] == [(True, "", ())]
    goods = {one.sku: one for one in pages[0].items}
    assert sorted(goods) == ["BOX-1", "INK-50", "NB-A5", "NB-A5-B", "PEN-07"]
    blue = goods["NB-A5-B"]
    assert (blue.name, blue.platform_product_id, blue.platform_variant_id) == ("Зошит А5 синій", "NB-A5-B", "")
    assert blue.categories[0].path == ("Канцелярія", "Зошити", "У клітинку")
    assert (blue.stock_managed, blue.stock_quantity, blue.status) == (True, Decimal(40), "В наявності")
    assert goods["BOX-1"].categories[0].path == ("Подарунки",)


async def test_the_catalogue_is_turned_page_by_page_from_its_cursor() -> None:
    goods = [{"article": f"A{n}", "title": {"ua": "", "en": f"Good {n}"}, "parent": 0} for n in range(230)]
    goods[7] = {"title": "no article"}

    def answer(function: str, body: dict[str, Any]) -> Any:
        rows = goods[body["offset"] : body["offset"] + body["limit"]]
        return envelope("OK" if rows else "EMPTY", {"products": rows})

    shop, wire = a_shop(answer)
    pages = [page async for page in shop.products("")]
    assert [(len(page.items), len(page.problems), page.cursor) for page in pages] == [
        (99, 1, "100"),
        (100, 0, "200"),
        (30, 0, ""),
    ]
    assert pages[0].items[0].name == "Good 0"
    assert [len(page.items) async for page in shop.products("200")] == [30]
    assert {function for function, _body in wire.asked} == {"auth", "catalog/export"}


async def test_products_of_an_order_are_read_by_article(twin: Twin) -> None:
    found = await bind(twin).read_products(["PEN-07", "NONE", "", "INK-50"])
    assert sorted(one.sku for one in found if not isinstance(one, Poison)) == ["INK-50", "PEN-07"]


async def test_a_catalogue_that_answers_other_articles_tells_of_none() -> None:
    with lent("cartum", no_article_filter=True) as twin:
        assert await bind(twin).read_products(["INK-50"]) == []
