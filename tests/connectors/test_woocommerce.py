"""WooCommerce: how orders and products are read, and what a binding is told about its shop."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest

from connectors.contract import Binding, Gone, Parsed, Poison
from connectors.http import HttpClient, WireError
from connectors.shops.woocommerce import WooCommerce
from connectors.shops.woocommerce_orders import STATUSES, Reading, parse_order
from domain.clock import from_datetime
from domain.enums import OrderKind, OrderStatus, Payment
from domain.records import Order

SAMPLES = Path(__file__).parent.parent / "samples" / "woocommerce"
READING = Reading(STATUSES)
AT = 1_795_400_000_000


async def no_wait(_seconds: float) -> None:
    """Time that costs none."""


class Wire(httpx.AsyncBaseTransport):
    """A shop that answers as a function says; remembers what it was asked."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.answer = answer
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)


def a_shop(
    answer: Callable[[httpx.Request], httpx.Response], url: str = "https://shop.test", clock: int = AT, **settings: str
) -> tuple[WooCommerce, Wire]:
    wire = Wire(answer)
    http = HttpClient(url, transport=wire, sleep=no_wait, clock=lambda: clock, allow_plain_http=True)
    secrets = {"consumer_key": "ck_one", "consumer_secret": "cs_two"}
    return WooCommerce(Binding("test", {"url": url, **settings}, secrets, http, lambda: clock)), wire


def sample(name: str) -> dict[str, Any]:
    return dict(json.loads((SAMPLES / f"{name}.json").read_text()))


def an_order(**changes: Any) -> dict[str, Any]:
    return {**sample("paid_to_parcel_machine"), **changes}


def parsed(order: Mapping[str, Any], **more: Any) -> Order:
    result = parse_order(json.dumps(order).encode(), READING, **more)
    assert isinstance(result, Parsed), result
    return result.order


def refused(order: object) -> Poison:
    raw = order if isinstance(order, bytes) else json.dumps(order).encode()
    result = parse_order(raw, READING)
    assert isinstance(result, Poison)
    assert result.raw == raw
    return result


def error(status: int, code: str, message: str = "No.") -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": message, "data": {"status": status}})


def no_places(request: httpx.Request) -> httpx.Response | None:
    """The answers of a shop that has neither fulfilments nor Shipment Tracking to the question which it has."""
    path = request.url.path
    if path == "/wp-json/wc/v3":
        return httpx.Response(200, json={"namespace": "wc/v3", "routes": {"/wc/v3/orders": {}}})
    return error(404, "rest_no_route") if path == "/wp-json/wc-shipment-tracking/v3" else None


# ---------------------------------------------------------------- orders


def test_roa_04_every_transferred_field_arrives_unaltered() -> None:
    order = parsed(an_order())
    assert (order.platform_order_id, order.number, order.currency) == ("9311", "KP-0311", "PLN")
    assert order.total_minor == 9818
    assert order.shipping_minor == 1250
    assert order.created_at == 1_795_196_410_000
    assert order.updated_at - order.created_at == (14 * 3600 + 20 * 60 + 20) * 1000
    assert order.paid_at == order.created_at + 50_000
    buyer = order.buyer
    assert (buyer.first_name, buyer.last_name, buyer.phone, buyer.email) == (
        "Ada",
        "Wilk",
        "501 222 333",
        "ada@example.test",
    )
    assert order.buyer_note == "Dzwonek nie działa\n=SUM(A1)"
    pen, notes = order.lines
    assert (pen.name, pen.sku, pen.quantity, pen.total_minor) == (
        "Pióro – Kolor: Granat & złoto",
        "PIO-GRA",
        Decimal(2),
        6000,
    )
    assert pen.options == "Kolor: Granat"
    assert (notes.quantity, notes.sku, notes.platform_product_id) == (Decimal("1.5"), "", "")


def test_a_price_keeps_its_digits_and_a_missing_one_is_total_by_quantity() -> None:
    raw = (SAMPLES / "paid_to_parcel_machine.json").read_bytes()
    result = parse_order(raw, READING)
    assert isinstance(result, Parsed)
    assert [line.unit_price for line in result.order.lines] == ["30.00", "6.0"]
    assert result.raw == raw


def test_roa_23_sku_product_and_variation_stay_apart() -> None:
    pen = parsed(an_order()).lines[0]
    assert (pen.sku, pen.platform_product_id, pen.platform_variant_id) == ("PIO-GRA", "41", "43")


def test_empty_shipping_means_the_billing_address() -> None:
    address = parsed(an_order()).address
    assert (address.name, address.company, address.line1, address.city) == (
        "Ada Wilk",
        "Wilk sp. j.",
        "ul. Krótka 8",
        "Łódź",
    )


def test_roa_32_the_delivery_phone_comes_before_the_payers() -> None:
    order = parsed(sample("collected_and_paid_at_the_door"))
    assert (order.buyer.phone, order.buyer.first_name) == ("700 100 200", "Ola")
    assert (order.address.name, order.address.phone, order.address.line2) == ("Jan Mak", "700 100 200", "m. 1")
    assert parsed(an_order()).buyer.phone == "501 222 333"


def test_roa_42_delivery_details_become_no_comment() -> None:
    order = parsed(an_order())
    assert order.seller_note == ""
    assert "Krótka" not in order.buyer_note


def test_an_erased_buyer_is_marked_redacted_and_foxx_is_not() -> None:
    erased = {"first_name": "[deleted]", "last_name": "[deleted]", "email": "", "phone": ""}
    assert parsed(an_order(billing=erased, shipping=[])).buyer.redacted
    assert not parsed(an_order(billing={"first_name": "Foxx", "last_name": "Maxx"})).buyer.redacted


def test_what_only_the_screen_must_fear_is_kept_as_it_is() -> None:
    note = "\x1b[31mred\a \u202eback\n<b>bold</b> =SUM(A1)"
    line = {"id": 5, "quantity": 1, "name": "Markup &amp; &lt;b&gt; ", "sku": "[A/B] 笔-<7>"}
    order = parsed(an_order(customer_note=note, line_items=[line]))
    assert (order.buyer_note, order.lines[0].name, order.lines[0].sku) == (note, "Markup & <b> ", "[A/B] 笔-<7>")
    assert parsed(an_order(customer_note="   ")).buyer_note == "   "


def test_object_valued_meta_never_becomes_text() -> None:
    options = [
        {"key": "pa_kolor", "value": {"raw": "x"}, "display_value": ["y"], "display_key": None},
        {"key": "Size", "value": 42, "display_key": {"a": 1}},
        {"key": {"odd": 1}, "value": "lost"},
    ]
    line = {"id": 5, "quantity": 1, "meta_data": options}
    meta = [{"key": "_tracking_number", "value": {"0": ["not", "text"], "1": "6200"}}]
    order = parsed(an_order(line_items=[line], meta_data=meta))
    assert (order.lines[0].options, order.tracking) == ("Size: 42", ("6200",))


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ("pending", OrderStatus.UNPAID),
        ("on-hold", OrderStatus.ON_HOLD),
        ("processing", OrderStatus.OPEN),
        ("completed", OrderStatus.COMPLETED),
        ("cancelled", OrderStatus.CANCELLED),
        ("refunded", OrderStatus.REFUNDED),
        ("failed", OrderStatus.FAILED),
        ("trash", OrderStatus.DELETED),
    ],
)
def test_each_status_has_its_meaning(status: str, ours: OrderStatus) -> None:
    order = parsed(an_order(status=status))
    assert (order.status, order.raw_status, order.warnings) == (ours, status, ())


def test_an_unknown_status_is_open_and_reported() -> None:
    order = parsed(an_order(status="packed"))
    assert (order.status, order.warnings) == (OrderStatus.OPEN, ("unknown_status:packed",))


async def test_a_plugins_status_means_what_the_setting_says() -> None:
    shop, _wire = a_shop(
        lambda _r: httpx.Response(200, json=an_order(status="shipped")),
        custom_statuses="shipped=shipped, wc-packed=open",
    )
    [found] = await shop.read_orders(["9311"])
    assert isinstance(found, Parsed)
    assert (found.order.status, found.order.warnings) == (OrderStatus.SHIPPED, ())


def test_kinds_follow_the_shipping_method() -> None:
    assert (parsed(an_order()).kind, parsed(an_order()).pickup_point) == (OrderKind.PICKUP_POINT, "LOD07N")
    assert parsed(sample("collected_and_paid_at_the_door")).kind is OrderKind.PICKUP
    assert parsed(an_order(shipping_lines=[{"method_id": "flat_rate:3"}])).kind is OrderKind.DELIVERY
    block = [{"method_id": "pickup_location"}]
    assert parsed(an_order(shipping_lines=block)).kind is OrderKind.PICKUP
    both = [{"method_id": "local_pickup"}, {"method_id": "flat_rate"}]
    assert parsed(an_order(shipping_lines=both)).kind is OrderKind.DELIVERY


def test_goods_that_need_no_parcel_are_virtual() -> None:
    order = parsed(an_order(needs_processing=False))
    assert order.kind is OrderKind.VIRTUAL
    assert not any(line.ships for line in order.lines)


def test_cash_on_delivery_is_paid_at_the_door() -> None:
    order = parsed(sample("collected_and_paid_at_the_door"))
    assert (order.payment, order.paid_at) == (Payment.ON_DELIVERY, None)
    assert parsed(an_order()).payment is Payment.PREPAID


def test_tracking_is_ours_and_the_extensions() -> None:
    items = [{"tracking_number": "EXT-1"}, {"tracking_number": 77}, "odd"]
    meta = [
        {"key": "_tracking_number", "value": "620001, 620002"},
        {"key": "_wc_shipment_tracking_items", "value": items},
    ]
    assert parsed(an_order(meta_data=meta)).tracking == ("620001", "620002", "EXT-1", "77")


def test_a_refunded_piece_is_cancelled_on_its_own_line() -> None:
    refunds = [(json.dumps(refund)).encode() for refund in json.loads((SAMPLES / "refunds.json").read_text())]
    order = parsed(sample("collected_and_paid_at_the_door"), refunds=refunds)
    assert (order.lines[0].quantity, order.lines[0].cancelled, order.warnings) == (Decimal(3), Decimal(1), ())


def test_a_refund_of_money_alone_cancels_nothing_and_warns() -> None:
    order = parsed(sample("collected_and_paid_at_the_door"), refunds=[b'{"id":1,"amount":"5","line_items":[]}'])
    assert (order.lines[0].cancelled, order.warnings) == (Decimal(0), ("refund_amount_only",))


def test_a_refund_without_the_original_line_goes_by_product_or_warns() -> None:
    by_product = b'{"line_items":[{"product_id":50,"variation_id":0,"quantity":-2}]}'
    stranger = b'{"line_items":[{"product_id":51,"variation_id":0,"quantity":-2}]}'
    order = parsed(sample("collected_and_paid_at_the_door"), refunds=[by_product, stranger])
    assert (order.lines[0].cancelled, order.warnings) == (Decimal(2), ("refund_line_unmatched",))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"currency": "XQZ"}, "unknown_currency"),
        ({"currency": ""}, "unknown_currency"),
        ({"total": "abc"}, "bad_amount"),
        ({"total": "NaN"}, "bad_amount"),
        ({"total": "1e9999999"}, "bad_amount"),
        ({"total": ""}, "bad_amount"),
        ({"line_items": [{"id": 1, "quantity": "two"}]}, "bad_quantity"),
        ({"line_items": [{"id": 1}]}, "bad_quantity"),
        ({"line_items": [{"id": 1, "quantity": 1, "price": "cheap"}]}, "bad_amount"),
        ({"line_items": [{"quantity": 1}]}, "malformed_order"),
        ({"line_items": "none"}, "malformed_order"),
        ({"status": None}, "malformed_order"),
        ({"date_created_gmt": None}, "bad_date"),
        ({"date_created_gmt": "-0001-11-30T00:00:00"}, "bad_date"),
    ],
)
def test_what_cannot_be_an_order_keeps_its_id_and_says_why(changes: dict[str, Any], code: str) -> None:
    poison = refused(an_order(**changes))
    assert (poison.platform_order_id, poison.code) == ("9311", code)
    assert poison.message


@pytest.mark.parametrize("raw", [b"null", b"[]", b'"x"', b"{}", b'{"id":0}', b'{"id":5,"x":"\xff"}'])
def test_what_is_no_order_at_all_is_kept_raw(raw: bytes) -> None:
    assert refused(raw).code == "malformed_order"


@pytest.mark.parametrize(
    "changes",
    [
        {"billing": [], "shipping": []},
        {"billing": None, "shipping": None},
        {"meta_data": {"3": {"key": "_x", "value": [1]}}},
        {"line_items": {"0": {"id": "771", "quantity": "2", "name": None, "sku": False}}},
        {"line_items": []},
        {"number": 4711, "customer_note": None, "payment_method": None},
        {"date_modified_gmt": None, "date_paid_gmt": "0000-00-00 00:00:00"},
        {"total": 98.18},
        {"refunds": None, "shipping_lines": None, "needs_processing": 1},
        {"meta_data": [None, "odd", 7, ["x"], {"id": 1}, {"key": {"a": 1}, "value": {"b": [2]}}]},
        {"meta_data": {"a": None, "b": {"key": "_x"}}},
        {"meta_data": ""},
        {"billing": "", "shipping": False},
        {"billing": {"first_name": "Ada", "_vat": {"number": [1]}, "phone": ["600"]}},
    ],
)
def test_php_oddities_are_no_reason_to_lose_an_order(changes: dict[str, Any]) -> None:
    assert parsed(an_order(**changes)).total_minor == 9818


# ---------------------------------------------------------------- calling


async def test_one_bad_order_never_spoils_the_page() -> None:
    rows = [an_order(id=1), an_order(id=2, currency="XQZ"), None, an_order(id=3)]
    shop, _wire = a_shop(lambda r: httpx.Response(200, json=rows if "trash" not in str(r.url) else []))
    [page, _bin] = [page async for page in shop.orders("", None)]
    kinds = [type(item).__name__ for item in page.items]
    assert kinds == ["Parsed", "Poison", "Poison", "Parsed"]


@pytest.mark.parametrize(
    "noise",
    [
        b"<br />\n<b>Notice</b>: Undefined index [foo] in <b>/a/b.php</b> on line <b>3</b><br />\n%s",
        b"\xef\xbb\xbf%s",
        b"Warning: {bad} thing\n%s\n<!-- cached -->\n",
    ],
)
async def test_php_notices_around_the_json_are_tolerated(noise: bytes) -> None:
    body = noise.replace(b"%s", json.dumps(an_order()).encode())
    shop, _wire = a_shop(lambda _r: httpx.Response(200, content=body, headers={"Content-Type": "text/html"}))
    [found] = await shop.read_orders(["9311"])
    assert isinstance(found, Parsed)


async def test_https_signs_with_a_basic_header_and_never_in_the_address() -> None:
    shop, wire = a_shop(lambda _r: httpx.Response(200, json=an_order()))
    await shop.read_orders(["9311"])
    assert wire.asked[0].headers["authorization"] == "Basic " + base64.b64encode(b"ck_one:cs_two").decode()
    assert str(wire.asked[0].url) == "https://shop.test/wp-json/wc/v3/orders/9311"


async def test_keys_travel_in_the_query_where_the_setting_says_so() -> None:
    shop, wire = a_shop(lambda _r: httpx.Response(200, json=an_order()), query_auth="yes")
    await shop.read_orders(["9311"])
    assert dict(wire.asked[0].url.params) == {"consumer_key": "ck_one", "consumer_secret": "cs_two"}
    assert "authorization" not in wire.asked[0].headers


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.test/",
        "https://shop.test/wp-json",
        "https://shop.test/wp-json/wc/v3/",
        "https://shop.test/index.php",
        "https://shop.test/?rest_route=/",
    ],
)
async def test_the_address_is_found_however_it_was_pasted(url: str) -> None:
    shop, wire = a_shop(lambda _r: httpx.Response(200, json=an_order()), url)
    await shop.read_orders(["9311"])
    assert wire.asked[0].url.path == "/wp-json/wc/v3/orders/9311"


async def test_plain_permalinks_go_through_rest_route() -> None:
    shop, wire = a_shop(lambda _r: httpx.Response(200, json=[]), rest_route="yes")
    await shop.count_orders(None)
    assert wire.asked[0].url.path == "/"
    assert wire.asked[0].url.params["rest_route"] == "/wc/v3/orders"


def signature(method: str, url: str, secret: str) -> str:
    """OAuth 1.0a, worked out here once more from RFC 5849."""
    parts = urlsplit(url)
    pairs = [
        (name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "oauth_signature"
    ]
    encoded = sorted((quote(name, safe="-._~"), quote(value, safe="-._~")) for name, value in pairs)
    query = "&".join(f"{name}={value}" for name, value in encoded)
    site = f"{parts.scheme}://{parts.netloc}{parts.path}"
    base = "&".join(quote(part, safe="-._~") for part in (method, site, query))
    return base64.b64encode(hmac.new(f"{secret}&".encode(), base.encode(), hashlib.sha256).digest()).decode()


async def test_plain_http_is_signed_with_oauth_anew_for_each_attempt() -> None:
    answers = iter([httpx.Response(500), httpx.Response(502), httpx.Response(200, json=[])])
    shop, wire = a_shop(lambda _r: next(answers), "http://127.0.0.1:8080/sklep")
    await shop.read_products(["5", "7"])
    assert len(wire.asked) == 3
    for request in wire.asked:
        params = request.url.params
        assert params["oauth_signature_method"] == "HMAC-SHA256"
        assert params["oauth_signature"] == signature("GET", str(request.url), "cs_two")
        assert "cs_two" not in str(request.url)
    assert len({request.url.params["oauth_nonce"] for request in wire.asked}) == 3


async def test_a_wrong_clock_is_corrected_by_the_shops_own_date() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"Date": "Sun, 22 Nov 2026 06:00:00 GMT"}
        if abs(int(request.url.params["oauth_timestamp"]) - 1_795_327_200) > 900:
            body = {"code": "woocommerce_rest_authentication_error", "message": "Invalid timestamp."}
            return httpx.Response(401, json=body, headers=headers)
        return httpx.Response(200, json=an_order(), headers=headers)

    shop, wire = a_shop(answer, "http://127.0.0.1", clock=1_500_000_000_000)
    [found] = await shop.read_orders(["9311"])
    assert isinstance(found, Parsed)
    assert len(wire.asked) == 2


async def test_gone_is_only_what_the_shop_itself_calls_unknown() -> None:
    shop, _wire = a_shop(lambda _r: error(404, "woocommerce_rest_shop_order_invalid_id"))
    assert await shop.read_orders(["5", "abc"]) == [Gone("5"), Gone("abc")]
    shop, _wire = a_shop(lambda _r: error(404, "rest_no_route"))
    with pytest.raises(WireError) as caught:
        await shop.read_orders(["5"])
    assert caught.value.outcome.code == "no_rest_api"


async def test_many_orders_are_read_in_bulk_and_answered_in_the_order_asked() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if "include" not in params:
            return error(404, "woocommerce_rest_shop_order_invalid_id")
        ids = [int(one) for one in params["include"].split(",")]
        held = [one for one in ids if (one % 10 == 0) == (params["status"] == "trash") and one != 7]
        status = "trash" if params["status"] == "trash" else "processing"
        return httpx.Response(200, json=[an_order(id=one, status=status) for one in held])

    shop, wire = a_shop(answer)
    wanted = [str(one) for one in range(150, 0, -1)]
    found = await shop.read_orders(wanted)
    assert [one.order.platform_order_id if isinstance(one, Parsed) else one for one in found] == [
        Gone("7") if one == "7" else one for one in wanted
    ]
    assert isinstance(found[0], Parsed)
    assert found[0].order.status is OrderStatus.DELETED
    assert len(wire.asked) == 5


async def test_open_baskets_are_not_counted() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        params = request.url.params
        total = "1" if "include" in params else "3" if params["status"] == "checkout-draft" else "40"
        return httpx.Response(200, json=[{"id": 8}], headers={"X-WP-Total": total})

    shop, wire = a_shop(answer)
    assert await shop.count_orders(AT + 1) == 37
    assert wire.asked[0].url.params["before"] == "2026-11-23T02:13:21"


async def test_half_an_answer_never_reaches_a_message() -> None:
    body = json.dumps([an_order()]).encode()[:-300]
    shop, _wire = a_shop(lambda _r: httpx.Response(200, content=body))
    with pytest.raises(WireError) as caught:
        await shop.read_orders(["1", "2"])
    assert caught.value.outcome.code == "not_json"
    assert "Wilk" not in caught.value.outcome.message


# ---------------------------------------------------------------- check


def a_checked_shop(**special: Callable[[httpx.Request], httpx.Response]) -> Callable[[httpx.Request], httpx.Response]:
    plain: dict[str, Callable[[httpx.Request], httpx.Response]] = {
        "index": lambda _r: httpx.Response(
            200,
            json={
                "name": "Kleks &amp; Co",
                "timezone_string": "Europe/Warsaw",
                "gmt_offset": 1,
                "namespaces": ["wc/v3"],
            },
        ),
        "orders": lambda _r: httpx.Response(200, json=[{"id": 3, "version": "10.5.0", "currency": "EUR"}]),
        "woocommerce_currency": lambda _r: httpx.Response(200, json={"value": "PLN"}),
        "system_status": lambda _r: httpx.Response(
            200, json={"environment": {"version": "9.9.5"}, "settings": {"currency": "CZK"}}
        ),
        "0": lambda _r: error(400, "woocommerce_rest_shop_order_invalid_id"),
        "v3": lambda r: no_places(r) or httpx.Response(404),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rstrip("/").rpartition("/")[2]
        return (plain | special)[{"wp-json": "index"}.get(name, name)](request)

    return answer


async def test_a_check_reports_name_zone_currency_and_version() -> None:
    shop, wire = a_shop(a_checked_shop())
    checked = await shop.check()
    assert (checked.title, checked.zone, checked.currency, checked.version) == (
        "Kleks & Co",
        "Europe/Warsaw",
        "PLN",
        "10.5.0",
    )
    assert checked.warnings == ()
    assert "authorization" not in wire.asked[0].headers
    writes = [(r.method, r.url.path, r.content) for r in wire.asked if r.method != "GET"]
    assert writes == [("PUT", "/wp-json/wc/v3/orders/0", b"{}")]


async def test_currency_and_version_have_other_sources() -> None:
    denied = a_checked_shop(
        woocommerce_currency=lambda _r: error(403, "woocommerce_rest_cannot_view"),
        orders=lambda _r: httpx.Response(200, json=[]),
    )
    checked = await a_shop(denied)[0].check()
    assert (checked.currency, checked.version) == ("CZK", "9.9.5")
    both = a_checked_shop(
        woocommerce_currency=lambda _r: error(403, "no"), system_status=lambda _r: error(403, "woocommerce_rest_no")
    )
    assert (await a_shop(both)[0].check()).currency == "EUR"


@pytest.mark.parametrize(
    ("offset", "zone", "warned"),
    [
        (0, "UTC", False),
        (2, "Etc/GMT-2", False),
        ("-10", "Etc/GMT+10", False),
        ("5.5", "Asia/Kolkata", True),
        (10.5, "Etc/GMT-11", True),
        ("odd", "UTC", True),
    ],
)
async def test_a_bare_offset_becomes_a_zone_that_opens(offset: object, zone: str, warned: bool) -> None:
    index = {"name": "X", "timezone_string": "", "gmt_offset": offset, "namespaces": ["wc/v3"]}
    checked = await a_shop(a_checked_shop(index=lambda _r: httpx.Response(200, json=index)))[0].check()
    assert (checked.zone, bool(checked.warnings)) == (zone, warned)


HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("special", "code"),
    [
        ({"orders": lambda _r: error(401, "woocommerce_rest_cannot_view")}, "wrong_key"),
        ({"0": lambda _r: error(401, "woocommerce_rest_authentication_error")}, "read_only_key"),
        ({"0": lambda _r: error(403, "woocommerce_rest_cannot_edit")}, "read_only_key"),
        ({"index": lambda _r: httpx.Response(200, text="<html>Hello</html>", headers=HTML)}, "not_json"),
        ({"orders": lambda _r: httpx.Response(200, text="<html>Hello</html>", headers=HTML)}, "not_json"),
        ({"index": lambda _r: httpx.Response(404, text="<html>Not here</html>", headers=HTML)}, "no_rest_api"),
        ({"index": lambda _r: httpx.Response(200, json={"name": "X", "namespaces": ["wp/v2"]})}, "no_rest_api"),
        ({"orders": lambda _r: error(404, "rest_no_route")}, "no_rest_api"),
        ({"index": lambda _r: httpx.Response(301, headers={"Location": "https://www.shop.test/"})}, "redirected"),
    ],
)
async def test_a_failing_check_says_what_to_do(special: dict[str, Any], code: str) -> None:
    with pytest.raises(WireError) as caught:
        await a_shop(a_checked_shop(**special))[0].check()
    assert caught.value.outcome.code == code
    assert len(caught.value.outcome.message) > 20


async def test_an_unreachable_shop_is_named_so() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(WireError) as caught:
        await a_shop(answer)[0].check()
    assert caught.value.outcome.code == "unreachable"


async def test_a_firewall_before_the_write_leaves_the_question_open() -> None:
    special = a_checked_shop(**{"0": lambda _r: httpx.Response(403, text="<title>WAF</title>", headers=HTML)})
    checked = await a_shop(special)[0].check()
    assert len(checked.warnings) == 1


async def test_a_mistyped_status_map_is_refused_at_the_binding() -> None:
    with pytest.raises(WireError) as caught:
        await a_shop(a_checked_shop(), custom_statuses="shipped=sent")[0].check()
    assert caught.value.outcome.code == "bad_setting"


def test_roa_13_the_first_import_leaves_the_closed_ones_out() -> None:
    declared = WooCommerce.declaration
    assert declared.first_import_excludes == {"completed", "cancelled", "refunded", "failed", "trash"}
    assert declared.requires_contact
    secret = {field.name: field.required for field in declared.fields if field.secret}
    assert secret == {"consumer_key": True, "consumer_secret": True, "webhook_secret": False}


# ---------------------------------------------------------------- products


def a_catalogue(request: httpx.Request) -> httpx.Response:
    path = request.url.path.removeprefix("/wp-json/wc/v3/")
    products = [
        {
            "id": 1,
            "name": "Mug &amp; lid",
            "type": "simple",
            "sku": "MUG",
            "weight": "0.35",
            "manage_stock": True,
            "stock_quantity": -3,
            "categories": [{"id": 12, "name": "Mugs"}],
            "description": "<p>Big</p>",
            "status": "publish",
        },
        {"id": 2, "name": "Shirt", "type": "variable", "sku": "S", "weight": "0.2", "variations": [21, 22]},
        {"id": 3, "name": "Set", "type": "grouped"},
        {"id": "x", "name": "Broken"},
    ]
    variations = [
        {"id": 21, "sku": "S-R", "attributes": [{"option": "Red"}], "weight": "", "manage_stock": "parent"},
        {"id": 22, "sku": "S-B", "attributes": [{"option": "Blue"}], "weight": "0.25", "stock_quantity": "many"},
    ]
    bodies: dict[str, object] = {
        "products": products,
        "products/2/variations": variations,
        "products/categories": [{"id": 10, "name": "Kitchen", "parent": 0}, {"id": 12, "name": "Mugs", "parent": 10}],
        "settings/products/woocommerce_weight_unit": {"value": "kg"},
    }
    return httpx.Response(200, json=bodies[path])


async def test_every_sellable_unit_comes_with_its_category_path_weight_and_stock() -> None:
    shop, wire = a_shop(a_catalogue)
    [page] = [page async for page in shop.products("")]
    mug, red = page.items
    assert (mug.name, mug.sku, mug.weight_g, mug.stock_quantity) == ("Mug & lid", "MUG", 350, Decimal(-3))
    assert mug.categories[0].path == ("Kitchen", "Mugs")
    assert mug.description == "<p>Big</p>"
    assert (red.name, red.platform_product_id, red.platform_variant_id) == ("Shirt - Red", "2", "21")
    assert (red.weight_g, red.stock_managed, red.stock_quantity) == (200, True, None)
    assert [problem.platform_order_id for problem in page.problems] == ["22", "x"]
    assert page.last
    paths = [request.url.path.rpartition("/")[2] for request in wire.asked]
    assert paths.count("categories") == paths.count("woocommerce_weight_unit") == 1


def test_dates_are_utc_whatever_this_machine_thinks() -> None:
    assert parsed(an_order()).created_at == from_datetime(datetime(2026, 11, 20, 17, 40, 10, tzinfo=UTC))
