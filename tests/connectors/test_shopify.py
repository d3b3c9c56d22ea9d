"""Shopify: how an order becomes ours, how the app gets in, and what a binding is told about its shop."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from shopify_kit import AT, SAMPLES, SCOPES, a_shop, data, health, parsed, refused, sample

from connectors.contract import Gone, Parsed, Poison
from connectors.http import WireError
from connectors.shops.shopify import Shopify
from connectors.shops.shopify_orders import FINANCIAL, FULFILLMENT
from domain.clock import DAY, MINUTE, iso
from domain.enums import OrderKind, OrderStatus, Payment
from domain.imports import Exclusion, ImportPolicy, admit
from domain.results import NotActed, Refused, Unauthorised

# ---------------------------------------------------------------- orders


def order(**changes: Any) -> dict[str, Any]:
    return {**sample("paid_and_edited"), **changes}


def state(financial: str | None, fulfillment: str, **changes: Any) -> dict[str, Any]:
    return order(displayFinancialStatus=financial, displayFulfillmentStatus=fulfillment, **changes)


def routes(**changes: Any) -> dict[str, Any]:
    """The sample's one fulfilment order, changed."""
    return {"nodes": [{**sample("paid_and_edited")["fulfillmentOrders"]["nodes"][0], **changes}]}


def test_roa_04_every_transferred_field_arrives_unaltered() -> None:
    found = parsed(order())
    assert (found.platform_order_id, found.number, found.currency) == ("6120000004417", "KW-2207", "EUR")
    assert (found.total_minor, found.shipping_minor) == (8125, 590)
    assert [iso(at) for at in (found.created_at, found.updated_at)] == ["2026-11-19T07:10:05Z", "2026-11-20T16:42:11Z"]
    assert (found.buyer.first_name, found.buyer.last_name) == ("Lena", "Vogt")
    assert (found.buyer.phone, found.buyer.email) == ("+49341555002", "lena@example.test")
    socks, repair, gift = found.lines
    assert (socks.name, socks.sku, socks.quantity, socks.options) == ("Wollsocken", "SOCK-2", Decimal(5), "M / Grau")
    assert (socks.unit_price, socks.total_minor) == ("9.0", 4500)
    assert (repair.sku, repair.platform_product_id, repair.platform_variant_id) == ("", "", "")
    assert (repair.options, gift.options) == ("Gravur: Ola", "")
    assert [line.platform_line_id for line in found.lines] == ["15100000071", "15100000072", "15100000073"]
    assert found.shipping_method == "DHL Paket"
    assert iso(found.deadline) == "2026-11-23T22:59:59Z"


def test_roa_23_sku_product_and_variant_stay_apart() -> None:
    socks = parsed(order()).lines[0]
    assert (socks.sku, socks.platform_product_id, socks.platform_variant_id) == ("SOCK-2", "8000000003", "44000000012")


def test_roa_31_the_address_is_transferred_as_well() -> None:
    address = parsed(order()).address
    assert (address.name, address.company, address.line1, address.line2) == (
        "Otto Vogt",
        "Vogt & Kind",
        "Heftgasse 9",
        "2. OG",
    )
    assert (address.city, address.state, address.postcode, address.country) == ("Leipzig", "SN", "04109", "DE")
    assert (address.phone, address.email) == ("+49341555002", "lena@example.test")


def test_roa_33_a_redacted_buyer_is_seen_by_the_nulls_and_the_order_is_taken() -> None:
    found = parsed(sample("redacted_on_hold"))
    assert found.buyer.redacted
    assert (found.buyer.first_name, found.buyer.phone, found.address.city, found.address.country) == (
        "",
        "",
        "Gdańsk",
        "PL",
    )
    policy = ImportPolicy(0, 0, frozenset(), require_contact=True, currency="EUR")
    assert admit(found, policy) is None
    assert not parsed(order()).buyer.redacted


@pytest.mark.parametrize("field", ["name", "address1", "zip"])
def test_any_hidden_part_of_an_address_marks_the_buyer(field: str) -> None:
    address = {**order()["shippingAddress"], field: None}
    assert parsed(order(shippingAddress=address)).buyer.redacted
    assert not parsed(order(shippingAddress=address, requiresShipping=False)).buyer.redacted


def test_a_phone_may_be_the_orders_or_the_customers_when_the_address_has_none() -> None:
    address = {**order()["shippingAddress"], "phone": None}
    found = parsed(order(shippingAddress=address))
    assert (found.buyer.phone, found.buyer.redacted) == ("+4930555001", False)
    assert parsed(order(shippingAddress=address, phone="+49999")).buyer.phone == "+49999"
    assert parsed(order(shippingAddress=address, customer=None)).buyer.redacted


def test_removed_pieces_are_cancelled_and_those_that_left_are_fulfilled() -> None:
    socks = parsed(order()).lines[0]
    assert (socks.quantity, socks.cancelled, socks.fulfilled) == (5, 1, 3)


def test_a_gift_card_is_not_packed() -> None:
    assert [line.ships for line in parsed(order()).lines] == [True, True, False]


def test_an_order_is_paid_when_the_last_successful_capture_was() -> None:
    assert iso(parsed(order()).paid_at) == "2026-11-19T08:00:00Z"
    assert parsed(state("AUTHORIZED", "UNFULFILLED", fullyPaid=False)).paid_at is None
    free = parsed(order(transactions=[]))
    assert iso(free.paid_at) == "2026-11-19T07:09:58Z"


def test_roa_05_money_is_the_shops_and_not_what_the_buyer_saw() -> None:
    money = {
        "shopMoney": {"amount": "10", "currencyCode": "EUR"},
        "presentmentMoney": {"amount": "42", "currencyCode": "PLN"},
    }
    found = parsed(order(currentTotalPriceSet=money))
    assert (found.total_minor, found.currency) == (1000, "EUR")


def test_note_and_the_buyers_extras_are_one_note_without_what_programs_say() -> None:
    assert parsed(order()).buyer_note == "Bitte beim Nachbarn abgeben\n=SUM(A1)\ngift_text: Alles Gute"
    assert parsed(order(note=None, customAttributes=[])).buyer_note == ""


def test_tracking_leaves_cancelled_parcels_out() -> None:
    assert parsed(order()).tracking == ("JJD0000017", "JJD0000018")


@pytest.mark.parametrize(
    ("financial", "fulfillment", "more", "status", "raw"),
    [
        ("PAID", "UNFULFILLED", {}, OrderStatus.OPEN, "paid/unfulfilled"),
        ("PAID", "UNFULFILLED", {"cancelledAt": "2026-11-20T00:00:00Z"}, OrderStatus.CANCELLED, "cancelled"),
        ("REFUNDED", "FULFILLED", {"cancelledAt": "2026-11-20T00:00:00Z"}, OrderStatus.CANCELLED, "cancelled"),
        ("REFUNDED", "UNFULFILLED", {"fulfillable": False}, OrderStatus.REFUNDED, "refunded"),
        ("REFUNDED", "UNFULFILLED", {}, OrderStatus.UNPAID, "refunded"),
        ("VOIDED", "UNFULFILLED", {"fulfillable": False}, OrderStatus.REFUNDED, "voided/unfulfilled"),
        ("EXPIRED", "UNFULFILLED", {}, OrderStatus.UNPAID, "expired/unfulfilled"),
        ("PAID", "FULFILLED", {"fulfillable": False}, OrderStatus.SHIPPED, "fulfilled"),
        ("REFUNDED", "FULFILLED", {"fulfillable": False}, OrderStatus.REFUNDED, "refunded"),
        ("PAID", "ON_HOLD", {}, OrderStatus.ON_HOLD, "paid/on_hold"),
        ("PAID", "SCHEDULED", {}, OrderStatus.ON_HOLD, "paid/scheduled"),
        ("PENDING", "UNFULFILLED", {}, OrderStatus.UNPAID, "pending/unfulfilled"),
        ("PARTIALLY_PAID", "UNFULFILLED", {}, OrderStatus.UNPAID, "partially_paid/unfulfilled"),
        ("AUTHORIZED", "UNFULFILLED", {}, OrderStatus.OPEN, "authorized/unfulfilled"),
        ("PARTIALLY_REFUNDED", "PARTIALLY_FULFILLED", {}, OrderStatus.OPEN, "partially_refunded/partially_fulfilled"),
        ("PAID", "IN_PROGRESS", {}, OrderStatus.OPEN, "paid/in_progress"),
        (
            "PAID",
            "REQUEST_DECLINED",
            {"fulfillmentOrders": {"nodes": []}},
            OrderStatus.ON_HOLD,
            "paid/request_declined",
        ),
    ],
)
def test_the_first_row_of_the_table_that_fits_decides_the_status(
    financial: str, fulfillment: str, more: dict[str, Any], status: OrderStatus, raw: str
) -> None:
    found = parsed(state(financial, fulfillment, **more))
    assert (found.status, found.raw_status) == (status, raw)


def test_every_status_of_the_schema_is_known_and_a_new_one_is_a_warning() -> None:
    for financial in FINANCIAL:
        for fulfillment in FULFILLMENT:
            assert not any(w.startswith("unknown") for w in parsed(state(financial, fulfillment)).warnings)
    found = parsed(
        state(
            "LAID_AWAY",
            "BEAMED_UP",
            returnStatus="LOST",
            fulfillmentOrders=routes(deliveryMethod={"methodType": "DRONE"}),
        )
    )
    assert found.warnings == (
        "unknown_financial_status:LAID_AWAY",
        "unknown_fulfillment_status:BEAMED_UP",
        "unknown_return_status:LOST",
        "unknown_delivery_method:DRONE",
    )
    assert (found.status, found.kind) == (OrderStatus.OPEN, OrderKind.DELIVERY)


def test_holds_and_dates_are_named() -> None:
    assert parsed(sample("redacted_on_hold")).warnings == ("on_hold:INCORRECT_ADDRESS",)
    later = routes(status="SCHEDULED", fulfillAt="2026-12-24T00:00:00Z")
    assert parsed(state("PAID", "SCHEDULED", fulfillmentOrders=later)).warnings == ("scheduled:2026-12-24",)


def test_what_a_fulfilment_service_was_asked_for_is_not_ours_to_ship() -> None:
    found = parsed(
        state("PAID", "PENDING_FULFILLMENT", fulfillmentOrders=routes(status="OPEN", requestStatus="ACCEPTED"))
    )
    assert (found.status, found.warnings) == (OrderStatus.ON_HOLD, ("handled_by_service",))


@pytest.mark.parametrize(
    ("gateway", "payment", "status"),
    [
        ("Cash on Delivery (COD)", Payment.ON_DELIVERY, OrderStatus.OPEN),
        ("Codfish Pay", Payment.PREPAID, OrderStatus.UNPAID),
        ("shopify_payments", Payment.PREPAID, OrderStatus.UNPAID),
    ],
)
def test_paid_on_delivery_is_told_by_the_payment_methods_name(
    gateway: str, payment: Payment, status: OrderStatus
) -> None:
    found = parsed(state("PENDING", "UNFULFILLED", paymentGatewayNames=[gateway], fullyPaid=False))
    assert (found.payment, found.status, found.paid_at) == (payment, status, None)


def test_authorised_money_may_be_shipped_against() -> None:
    assert parsed(state("AUTHORIZED", "UNFULFILLED", fullyPaid=False)).payment is Payment.MARKED


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("SHIPPING", OrderKind.DELIVERY),
        ("PICKUP_POINT", OrderKind.PICKUP_POINT),
        ("LOCAL", OrderKind.SAME_CITY),
        ("PICK_UP", OrderKind.PICKUP),
        ("RETAIL", OrderKind.VIRTUAL),
        ("NONE", OrderKind.VIRTUAL),
    ],
)
def test_the_delivery_method_is_the_kind_of_order(method: str, kind: OrderKind) -> None:
    found = parsed(order(fulfillmentOrders=routes(deliveryMethod={"methodType": method, "serviceCode": "PT-17"})))
    assert found.kind is kind
    assert found.pickup_point == ("PT-17" if kind is OrderKind.PICKUP_POINT else "")
    assert ("no_delivery_method" in found.warnings) == (method in {"RETAIL", "NONE"})


def test_who_collects_it_needs_no_address() -> None:
    nowhere = {"shippingAddress": None, "phone": "+49301"}
    method = routes(deliveryMethod={"methodType": "PICK_UP"})
    assert not parsed(order(**nowhere, fulfillmentOrders=method)).buyer.redacted
    assert parsed(order(**nowhere)).buyer.redacted


def test_an_order_without_shipping_is_virtual() -> None:
    assert parsed(order(requiresShipping=False)).kind is OrderKind.VIRTUAL
    assert parsed(state("PAID", "FULFILLMENT_NOT_REQUIRED")).kind is OrderKind.VIRTUAL


def test_a_return_is_a_case_only_of_what_has_left() -> None:
    assert parsed(state("PAID", "FULFILLED", returnStatus="RETURN_REQUESTED")).after_sale
    assert not parsed(state("PAID", "FULFILLED")).after_sale
    assert not parsed(state("PAID", "PARTIALLY_FULFILLED", returnStatus="RETURN_REQUESTED")).after_sale


def test_roa_12_fulfilled_cancelled_and_refunded_are_left_out_of_the_first_import_only() -> None:
    policy = ImportPolicy(AT, 0, Shopify.declaration.first_import_excludes, require_contact=False, currency="EUR")
    gone = [
        state("PAID", "FULFILLED"),
        state("PENDING", "FULFILLED"),
        state("REFUNDED", "UNFULFILLED"),
        state("PAID", "UNFULFILLED", cancelledAt="2026-11-19T08:00:00Z"),
    ]
    for one in gone:
        assert isinstance(admit(parsed(one), policy), Exclusion)
        assert admit(parsed(one), ImportPolicy(0, 0, policy.first_import_excludes, False, "EUR")) is None
    for one in (
        state("PARTIALLY_REFUNDED", "UNFULFILLED"),
        state("PAID", "PARTIALLY_FULFILLED"),
        state("VOIDED", "ON_HOLD"),
    ):
        assert admit(parsed(one), policy) is None


def test_an_order_that_makes_no_sense_is_kept_raw_with_its_id() -> None:
    assert refused(order(currentTotalPriceSet=None)).platform_order_id == "6120000004417"
    assert refused(order(updatedAt="yesterday")).code == "malformed_order"
    bad = {"shopMoney": {"amount": "many", "currencyCode": "EUR"}}
    assert refused(order(currentTotalPriceSet=bad)).code == "bad_amount"
    assert (
        refused(order(currentTotalPriceSet={"shopMoney": {"amount": "1", "currencyCode": "QQQ"}})).code
        == "unknown_currency"
    )
    assert refused(b"<html>").platform_order_id == ""


# ---------------------------------------------------------------- getting in


def by_name(answers: dict[str, Any]) -> Any:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("access_token"):
            return httpx.Response(
                200, json={"access_token": f"t{answers['granted']()}", "scope": "", "expires_in": 86_399}
            )
        name = json.loads(request.content)["query"].split("(")[0].split()[1]
        found = answers[name]
        return found(request) if callable(found) else data(found)

    return answer


async def test_the_call_carries_version_token_and_a_named_document() -> None:
    shop, wire, _time = a_shop(by_name({"Health": health()}), version="2026-07")
    await shop.check()
    [request] = wire.asked
    assert str(request.url) == "https://wool.myshopify.com/admin/api/2026-07/graphql.json"
    assert request.headers["X-Shopify-Access-Token"] == "shpat_one"
    assert wire.operations == ["Health"]


@pytest.mark.parametrize(
    "url",
    [
        "https://wool.myshopify.com/admin/products",
        "wool.myshopify.com",
        "wool",
        "https://admin.shopify.com/store/wool/orders?x=1",
        "https://wool.myshopify.com/",
    ],
)
async def test_the_address_may_be_given_as_people_have_it(url: str) -> None:
    shop, wire, _time = a_shop(by_name({"Health": health()}), url=url)
    await shop.check()
    assert wire.asked[0].url.host == "wool.myshopify.com"


async def test_a_token_is_granted_once_kept_and_renewed_before_it_ends() -> None:
    granted = iter(range(1, 9))
    answers = by_name({"Health": health(), "granted": lambda: next(granted)})
    shop, wire, time = a_shop(answers, client_id="c1", client_secret="shpss_two")
    await shop.check()
    await shop.check()
    first = wire.asked[0]
    assert first.url.path == "/admin/oauth/access_token"
    assert first.content == b"grant_type=client_credentials&client_id=c1&client_secret=shpss_two"
    assert [one.headers.get("X-Shopify-Access-Token") for one in wire.asked] == [None, "t1", "t1"]
    time.waited_ms = 86_399_000 - 5 * MINUTE
    await shop.check()
    assert wire.asked[-1].headers["X-Shopify-Access-Token"] == "t1"
    time.waited_ms += 1
    await shop.check()
    assert wire.asked[-1].headers["X-Shopify-Access-Token"] == "t2"


async def test_a_refused_token_is_renewed_once_and_a_second_refusal_pauses_the_shop() -> None:
    granted = iter(range(1, 9))
    refusing = {"left": 1}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("graphql.json") and refusing["left"] > 0:
            refusing["left"] -= 1
            return httpx.Response(401, json={"errors": "[API] Invalid API key or access token"})
        return by_name({"Health": health(), "granted": lambda: next(granted)})(request)

    shop, wire, _time = a_shop(answer, client_id="c1", client_secret="s")
    await shop.check()
    assert [one.headers.get("X-Shopify-Access-Token") for one in wire.asked] == [None, "t1", None, "t2"]
    refusing["left"] = 2
    with pytest.raises(WireError) as caught:
        await shop.check()
    assert isinstance(caught.value.outcome, Unauthorised)
    assert next(granted) == 4


async def test_a_token_for_ever_is_not_renewed() -> None:
    shop, wire, _time = a_shop(lambda _request: httpx.Response(401, json={"errors": "no"}))
    with pytest.raises(WireError) as caught:
        await shop.check()
    assert (caught.value.outcome.code, len(wire.asked)) == ("wrong_key", 1)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (402, Unauthorised, "shop_closed"),
        (423, Unauthorised, "shop_closed"),
        (404, Refused, "no_shop"),
        (502, NotActed, "server_error"),
    ],
)
async def test_what_the_shop_answers_outside_200_is_classed(status: int, kind: type, code: str) -> None:
    shop, _wire, _time = a_shop(lambda _request: httpx.Response(status, json={"errors": "Nope"}))
    with pytest.raises(WireError) as caught:
        await shop.check()
    assert isinstance(caught.value.outcome, kind)
    assert caught.value.outcome.code == code


async def test_neither_token_nor_secret_is_a_clear_refusal_and_no_secret_is_told() -> None:
    shop, wire, _time = a_shop(by_name({}), client_id="c1", client_secret=" ")
    with pytest.raises(WireError) as caught:
        await shop.check()
    assert (caught.value.outcome.code, wire.asked) == ("no_credentials", [])
    shop, wire, _time = a_shop(
        lambda _request: httpx.Response(400, text="shpss_two"), client_id="c", client_secret="shpss_two"
    )
    with pytest.raises(WireError) as caught:
        await shop.check()
    assert caught.value.outcome.code == "wrong_key"
    assert "shpss_two" not in str(caught.value)


# ---------------------------------------------------------------- check


async def test_a_good_binding_says_the_shops_name_zone_currency_and_version() -> None:
    shop, _wire, _time = a_shop(by_name({"Health": health()}))
    found = await shop.check()
    assert (found.title, found.zone, found.currency, found.version) == ("Wool", "Europe/Berlin", "EUR", "2026-10")
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("read_all_orders", "Orders older than 60 days cannot be read"),
        ("write_merchant_managed_fulfillment_orders", "may only read"),
        ("read_customers", "read_customers"),
        ("write_inventory", "stock cannot be set"),
    ],
)
async def test_a_missing_scope_is_a_finding_that_says_what_to_do(scope: str, words: str) -> None:
    shop, _wire, _time = a_shop(by_name({"Health": health([one for one in SCOPES if one != scope])}))
    found = await shop.check()
    assert len(found.warnings) == 1
    assert words in found.warnings[0]
    assert scope in found.warnings[0]


@pytest.mark.parametrize("setting", ["keeps_stock", "push_stock"])
async def test_the_scopes_of_the_stock_are_not_missed_where_no_stock_is_told(setting: str) -> None:
    scopes = [one for one in SCOPES if "inventory" not in one and "locations" not in one]
    for value, warnings in (("no", 0), ("yes", 1)):
        shop, _wire, _time = a_shop(by_name({"Health": health(scopes)}), **{setting: value})
        assert len((await shop.check()).warnings) == warnings


def test_the_fields_name_the_scopes_for_what_they_are_for() -> None:
    helps = {field.name: field.help for field in Shopify.declaration.fields}
    assert {scope for scope in SCOPES if scope in helps["client_id"] or scope in helps["location"]} == set(SCOPES)
    assert "write_inventory" in helps["location"]
    assert "write_inventory" not in helps["client_id"]


async def test_without_the_scope_to_read_orders_nothing_is_bound() -> None:
    shop, _wire, _time = a_shop(by_name({"Health": health(["read_products"])}))
    with pytest.raises(WireError) as caught:
        await shop.check()
    assert caught.value.outcome.code == "missing_scope"
    assert "read_orders" in caught.value.outcome.message


async def test_a_version_that_is_served_by_another_is_warned_of() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"data": health()}, headers={"X-Shopify-API-Version": "2027-01"})

    shop, _wire, _time = a_shop(answer)
    found = await shop.check()
    assert found.version == "2027-01"
    assert any("2027-01 in place of 2026-10" in warning for warning in found.warnings)


# ---------------------------------------------------------------- errors in an answer


def failing(*errors: dict[str, Any], **more: Any) -> Any:
    return lambda _request: httpx.Response(200, json={"errors": list(errors), **more})


def error(code: str, path: list[str | int] | None = None, **more: Any) -> dict[str, Any]:
    return {"message": "No.", "path": path or [], "extensions": {"code": code, **more}}


@pytest.mark.parametrize(
    ("one", "kind", "code"),
    [
        (
            error("ACCESS_DENIED", ["nodes"], requiredAccess="`read_orders` access scope."),
            Unauthorised,
            "missing_scope",
        ),
        (error("undefinedField", ["query", "nodes", "x"]), Refused, "graphql_error"),
        (error("INTERNAL_SERVER_ERROR"), NotActed, "internal_server_error"),
        (error("THROTTLED"), NotActed, "throttled"),
    ],
)
async def test_top_level_errors_are_classed(one: dict[str, Any], kind: type, code: str) -> None:
    shop, _wire, _time = a_shop(failing(one))
    with pytest.raises(WireError) as caught:
        await shop.read_orders(["1"])
    assert (type(caught.value.outcome), caught.value.outcome.code) == (kind, code)
    if code == "missing_scope":
        assert "read_orders" in caught.value.outcome.message


async def test_a_protected_field_is_null_beside_an_error_and_the_order_is_taken() -> None:
    hidden = order(email=None, customer=None)
    answer = failing(error("ACCESS_DENIED", ["nodes", 0, "email"]), data={"nodes": [hidden]})
    shop, _wire, _time = a_shop(answer)
    [found] = await shop.read_orders(["6120000004417"])
    assert isinstance(found, Parsed)
    assert found.order.buyer.redacted
    other = failing(error("ACCESS_DENIED", ["nodes", 0, "lineItems"]), data={"nodes": [hidden]})
    shop, _wire, _time = a_shop(other)
    with pytest.raises(WireError):
        await shop.read_orders(["6120000004417"])


async def test_what_a_call_was_priced_at_is_waited_for_before_the_next_one() -> None:
    """100 points asked, 20 left, 50 come back in a second: 1.6 seconds; another kind of call is not priced yet."""

    def answer(request: httpx.Request) -> httpx.Response:
        throttle = {"maximumAvailable": 2000.0, "currentlyAvailable": 20, "restoreRate": 50.0}
        cost = {"requestedQueryCost": 100, "actualQueryCost": 90, "throttleStatus": throttle}
        counted = {"ordersCount": {"count": 3, "precision": "EXACT"}}
        return data(counted if b"Count" in request.content else {"nodes": [None]}, extensions={"cost": cost})

    shop, _wire, time = a_shop(answer)
    await shop.count_orders(None)
    assert time.waits == []
    await shop.count_orders(None)
    assert time.waits == [1.6]
    time.waited_ms += 60_000
    await shop.count_orders(None)
    assert time.waits == [1.6]


async def test_half_an_answer_is_not_taken_for_one() -> None:
    shop, _wire, _time = a_shop(lambda _request: httpx.Response(200, text='{"data":{"nodes":[{"id"'))
    with pytest.raises(WireError) as caught:
        await shop.read_orders(["1"])
    assert isinstance(caught.value.outcome, NotActed)


async def test_an_order_that_is_not_shown_is_gone_only_where_old_ones_are_not_hidden() -> None:
    answers = {"OrdersById": {"nodes": [None]}, "Health": health()}
    shop, _wire, _time = a_shop(by_name(answers))
    assert await shop.read_orders(["1"]) == [Gone("1")]
    answers["Health"] = health(["read_orders"])
    shop, _wire, _time = a_shop(by_name(answers))
    [found] = await shop.read_orders(["1"])
    assert isinstance(found, Poison)
    assert "read_all_orders" in found.message
    assert await shop.read_orders(["no number"]) == [Gone("no number")]


async def test_roa_10_how_far_back_the_first_import_really_reaches_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    empty = {"orders": {"pageInfo": {"hasNextPage": False}, "nodes": []}}
    answers = {
        "Orders": empty,
        "Count": {"ordersCount": {"count": 0, "precision": "EXACT"}},
        "Health": health(["read_orders"]),
    }
    shop, _wire, _time = a_shop(by_name(answers))
    assert [page.last async for page in shop.orders("", AT - 62 * DAY)] == [False, True]
    assert "read_all_orders" in caplog.text
    assert iso(AT - 60 * DAY) in caplog.text
    caplog.clear()
    assert [page.last async for page in shop.orders("", AT - 59 * DAY)] == [False, True]
    assert caplog.text == ""


def test_the_samples_of_a_bulk_file_are_one_object_a_line() -> None:
    lines = (SAMPLES / "bulk_of_two_orders.jsonl").read_text().splitlines()
    assert [("__parentId" in json.loads(line)) for line in lines] == [False, True, True, True, False]
