"""RO App: what an order says under the account's own words, what is told of it, and what is refused as unconfirmed."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.contract import Binding, Gone, Parsed, Poison, Push, Pushed, PushedInPart
from connectors.http import HttpClient, WireError
from connectors.shops.roapp import RoApp
from connectors.shops.roapp_wire import Reading, numbers_in, parse_order
from connectors.simulated.launch import Twin
from domain.clock import now
from domain.enums import OrderKind, OrderStatus, Payment
from domain.results import NotActed, NotFound, Refused, Unauthorised, Unknown
from tests.conftest import lent

READING = Reading({1201: OrderStatus.OPEN, 1202: OrderStatus.UNPAID}, "UAH", "UA", "f501", "f502")
NUMBER = "20450000000001"


@pytest.fixture(scope="module")
def running() -> Iterator[Twin]:
    with lent("roapp", rate=0) as twin:
        yield twin


@pytest.fixture
def twin(running: Twin) -> Twin:
    running.admin("POST", "faults", {"rate": 0, "next": [], "forget": True, "retry_after_s": 0})
    return running


def bind(twin: Twin, key: str = "", **settings: str) -> RoApp:
    """The connector on this twin; `number_field=""` is an account that has no field for the number."""
    own = {
        "account_currency": "uah",
        "country": "UA",
        "shipped_status": "1207",
        "statuses": "1201=open, 1202=unpaid,1208=completed,1209=cancelled",
        "number_field": "f501",
        "address_field": "f502",
        **settings,
    }
    http = HttpClient(f"{twin.url}/v2", timeout_s=2)
    return RoApp(Binding("acc", own, {"api_key": key or str(twin.hello["api_key"])}, http, now))


def make(twin: Twin, **given: Any) -> str:
    [made] = twin.admin("POST", "orders", {"orders": [given]})
    return str(made)


def change(twin: Twin, order: str, what: str, **how: Any) -> None:
    twin.admin("POST", "change", {"order": int(order), "change": what, **how})


def there(twin: Twin, order: str) -> Any:
    return twin.admin("GET", "orders", {"orders": [int(order)]})[0]


def a_push(order: str, **changes: Any) -> Push:
    return Push(**{"key": "e1", "platform_order_id": order, "number": NUMBER, "carrier": "Nova Poshta", **changes})


async def read(shop: RoApp, order: str) -> Any:
    [found] = await shop.read_orders([order])
    assert isinstance(found, Parsed), found
    return found.order


async def refusal(call: Any) -> Any:
    with pytest.raises(WireError) as caught:
        await call
    return caught.value.outcome


# ---------------------------------------------------------------- reading


ORDER = b"""{"id": 55, "number": "A-9", "status": {"id": 1202, "name": "Waits"}, "created_at": "2026-11-21T17:02:11Z",
 "modified_at": "2026-11-21T19:05:00+02:00", "due_date": "2026-11-25T10:00:00Z", "total": "249,00", "manager_notes": "ring twice",
 "client": {"id": 1, "is_organization": true, "name": "Dratwa", "phone": ["+48 500 000 001"], "address": "Rynok 1"},
 "custom_fields": {"f501": "A1, B2", "f502": ""}}"""
ITEM = b"""{"id": 71, "quantity": "2,0", "price": "124,50",
 "entity": {"id": 300, "type": "product", "sku": "BAG", "title": "Bag"}}"""
WORK = b"""{"id": 72, "quantity": 1, "price": 15, "entity": {"id": 9, "type": "service", "title": "Engraving"}}"""


def test_roa_04_number_dates_buyer_goods_and_amount_are_taken_over_as_they_are() -> None:
    found = parse_order(ORDER, (WORK, ITEM), READING)
    assert isinstance(found, Parsed), found
    order = found.order
    assert (order.platform_order_id, order.number, order.raw_status, order.status) == (
        "55",
        "A-9",
        "Waits",
        OrderStatus.UNPAID,
    )
    assert (order.currency, order.total_minor, order.kind, order.payment) == (
        "UAH",
        24900,
        OrderKind.DELIVERY,
        Payment.MARKED,
    )
    assert order.paid_at is None
    assert (order.updated_at - order.created_at, order.deadline) == (169_000, 1_795_600_800_000)
    assert (order.buyer.first_name, order.buyer.phone, order.address.company) == ("Dratwa", "+48 500 000 001", "Dratwa")
    assert (order.address.name, order.address.line1, order.address.country) == ("Dratwa", "Rynok 1", "UA")
    assert (order.seller_note, order.tracking) == ("ring twice", ("A1", "B2"))
    bag, work = order.lines
    assert (bag.platform_line_id, bag.sku, int(bag.quantity), bag.unit_price, bag.total_minor) == (
        "71",
        "BAG",
        2,
        "124.50",
        24900,
    )
    assert (bag.ships, work.ships, work.name) == (True, False, "Engraving")
    assert order.warnings == ()
    assert b"Dratwa" in found.raw
    assert b"Engraving" in found.raw


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"249,00"', b'"1,249.00"', "bad_amount"),
        (b'"249,00"', b"null", "bad_amount"),
        (b'"2026-11-21T17:02:11Z"', b'"2026-11-21T17:02:11"', "bad_date"),
        (b'"2026-11-21T17:02:11Z"', b'"yesterday"', "malformed_order"),
        (b'"status": {"id": 1202, "name": "Waits"}', b'"status": null', "malformed_order"),
    ],
)
def test_an_order_that_cannot_be_read_is_kept_with_its_id_and_why(old: bytes, new: bytes, code: str) -> None:
    found = parse_order(ORDER.replace(old, new), (ITEM,), READING)
    assert isinstance(found, Poison)
    assert (found.platform_order_id, found.code) == ("55", code)
    assert found.message.strip()


def test_lines_of_an_unknown_type_ship_and_are_reported() -> None:
    found = parse_order(ORDER, (ITEM.replace(b'"product"', b'"bundle"'),), READING)
    assert isinstance(found, Parsed)
    assert found.order.lines[0].ships
    assert found.order.warnings == ("unknown_line_type:bundle",)


def test_a_field_may_hold_several_numbers() -> None:
    assert numbers_in(" A1, B2;A1\nC3 ") == ("A1", "B2", "C3")
    assert numbers_in("") == ()


async def test_no_two_calls_come_within_a_third_of_a_second() -> None:
    with lent("roapp", orders=6) as twin:
        clock = {"ms": now()}

        async def sleep(seconds: float) -> None:
            clock["ms"] += int(seconds * 1000) + 1
            twin.admin("POST", "refill", {"seconds": seconds})
            await asyncio.sleep(0)

        limits = RoApp.declaration.limits
        http = HttpClient(
            f"{twin.url}/v2",
            calls_per_second=limits.calls_per_second,
            parallel=limits.parallel,
            clock=lambda: clock["ms"],
            sleep=sleep,
        )
        own = {"account_currency": "UAH", "shipped_status": "1207"}
        began = clock["ms"]
        shop = RoApp(Binding("acc", own, {"api_key": str(twin.hello["api_key"])}, http, lambda: clock["ms"]))
        pages = [page async for page in shop.orders("", None)]
        assert [len(page.items) for page in pages] == [6]
        calls = http.budget.calls
        assert (calls, twin.admin("GET", "counts").get("throttled", 0)) == (7, 0)
        assert clock["ms"] - began >= (calls - 1) * 340


# ---------------------------------------------------------------- binding


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"shipped_status": ""}, "shipped_status"),
        ({"shipped_status": "Sent"}, "shipped_status"),
        ({"shipped_status": "4711"}, "shipped_status"),
        ({"shipped_status": "1209"}, "shipped_status"),
        ({"statuses": "New=open"}, "statuses"),
        ({"statuses": "1201=away"}, "statuses"),
        ({"number_field": "f999"}, "number_field"),
        ({"address_field": "501"}, "address_field"),
        ({"timezone": "Nowhere/Town"}, "timezone"),
    ],
)
async def test_the_test_call_holds_settings_against_the_account_and_lists_what_there_is(
    twin: Twin, settings: dict[str, str], field: str
) -> None:
    answer = await refusal(bind(twin, **settings).check())
    assert isinstance(answer, Refused)
    assert (answer.code, answer.field) == ("bad_setting", field)
    assert ("f501 Parcel number" if field.endswith("_field") else "1207 Sent") in answer.message


async def test_the_test_call_names_what_counts_as_open_and_what_cannot_be_read_back(twin: Twin) -> None:
    checked = await bind(twin, number_field="").check()
    assert (checked.title, checked.currency, checked.zone) == ("Bondar Leather", "UAH", "Europe/Kyiv")
    open_, unread = checked.warnings
    assert "1277 At the engraver" in open_
    assert "1201" not in open_
    assert "number_field" in unread


async def test_a_wrong_key_is_unauthorised(twin: Twin) -> None:
    assert isinstance(await refusal(bind(twin, key="other").check()), Unauthorised)


# ---------------------------------------------------------------- telling


@pytest.mark.parametrize("fields_replace", [False, True])
async def test_the_number_goes_into_its_field_and_with_the_carrier_into_the_comment_of_the_status(
    fields_replace: bool,
) -> None:
    with lent("roapp", rate=0, fields_replace=fields_replace) as twin:
        order = make(twin)
        assert await bind(twin).push([a_push(order)]) == [Pushed(NUMBER, "Sent")]
        after = there(twin, order)
        assert after["comments"] == [f"Nova Poshta {NUMBER}"]
        # Whether leaving the other fields out would empty them is not told: they stand as they stood.
        assert after["order"]["custom_fields"] == {"f501": NUMBER, "f502": "Tkacka 3, Gdansk"}


async def test_a_second_parcels_number_stands_beside_the_first_and_takes_the_place_of_the_one_it_replaces(
    twin: Twin,
) -> None:
    order, shop = make(twin), bind(twin)
    assert await shop.push([a_push(order, number="A1", finish=False)]) == [Pushed("A1", "New")]
    assert await shop.push([a_push(order, number="B2", finish=False, replaces="")]) == [Pushed("B2", "New")]
    assert await shop.push([a_push(order, number="C3", finish=False, replaces="B2")]) == [Pushed("C3", "New")]
    assert there(twin, order)["order"]["custom_fields"]["f501"] == "A1, C3"
    assert there(twin, order)["comments"] == []


async def test_without_a_field_the_number_is_told_once_with_the_status_and_the_status_is_what_is_read_back(
    twin: Twin,
) -> None:
    order, shop = make(twin), bind(twin, number_field="")
    push = a_push(order)
    assert await shop.find_push([push]) == [NotFound()]
    twin.fail_next("cut_after", method="POST")
    [lost] = await shop.push([push])
    assert isinstance(lost, Unknown)
    assert await shop.find_push([push]) == [Pushed(NUMBER, "Sent")]
    assert await shop.push([a_push(order, retry=True)]) == [Pushed(NUMBER, "Sent")]
    assert there(twin, order)["comments"] == [f"Nova Poshta {NUMBER}"]


async def test_without_a_field_an_order_that_is_sent_already_is_somebody_elses(twin: Twin) -> None:
    order = make(twin, status_id=1207)
    [answer] = await bind(twin, number_field="").push([a_push(order)])
    assert isinstance(answer, Refused)
    assert answer.code == "already_shipped"
    assert there(twin, order)["comments"] == []


async def test_what_nobody_confirmed_is_refused_with_that_word_and_nothing_is_written(twin: Twin) -> None:
    order = make(twin)
    [answer] = await bind(twin, number_field="").push([a_push(order, finish=False)])
    assert isinstance(answer, Refused)
    assert answer.code == "unconfirmed"
    assert "nconfirmed" in answer.message
    assert there(twin, order)["comments"] == []
    assert RoApp.declaration.unconfirmed
    capabilities = RoApp.declaration.capabilities
    assert not any(getattr(capabilities, one) for one in ("stock_read", "stock_write", "push_early", "partial"))


@pytest.mark.parametrize("fault", ["refused_429", "expired_token"])
async def test_a_status_that_was_not_taken_after_the_number_is_a_part_and_only_the_rest_is_repeated(
    twin: Twin, fault: str
) -> None:
    order, shop = make(twin), bind(twin)
    twin.fail_next(fault, method="POST")
    assert await shop.push([a_push(order)]) == [PushedInPart(NUMBER)]
    assert await shop.find_push([a_push(order)]) == [PushedInPart(NUMBER)]
    before = twin.admin("GET", "counts")["patched"]
    assert await shop.push([a_push(order, tell=False, retry=True)]) == [Pushed(NUMBER, "Sent")]
    assert twin.admin("GET", "counts")["patched"] == before
    assert there(twin, order)["comments"] == [f"Nova Poshta {NUMBER}"]


async def test_an_employee_who_may_not_write_is_named_by_the_platforms_refusal() -> None:
    with lent("roapp", rate=0, read_only=True) as twin:
        order = make(twin)
        [answer] = await bind(twin).push([a_push(order)])
        assert isinstance(answer, Refused)
        assert (answer.code, answer.message) == ("forbidden", "Forbidden")
        assert there(twin, order)["order"]["custom_fields"]["f501"] == ""


async def test_a_page_of_something_in_front_of_the_api_does_not_make_an_order_gone(twin: Twin) -> None:
    order, shop = make(twin), bind(twin)
    assert [type(one) for one in await shop.read_orders(["99999999", order])] == [Gone, Parsed]
    twin.fail_next("http_404", path="/v2/orders/99999999")
    answer = await refusal(shop.read_orders(["99999999"]))
    assert (type(answer), answer.code) == (Refused, "http_404")
    twin.fail_next("http_404", path="/items")
    assert (await refusal(shop.read_orders([order]))).code == "http_404"


async def test_an_order_that_goes_while_it_is_read_is_gone(twin: Twin) -> None:
    order, shop = make(twin), bind(twin)
    [head] = (await shop._heads([order])).values()
    change(twin, order, "delete")
    assert head is not None
    assert await shop._with_lines(head) == Gone(order)
    [told] = await shop.push([a_push(order)])
    assert isinstance(told, Refused)
    assert told.code == "order_gone"


async def test_rows_nobody_asked_for_prove_nothing(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    make(twin)
    shop = bind(twin)
    whole = shop._page

    async def unfiltered(path: str, query: Any, number: int = 1) -> Any:
        return await whole(path, (), number)

    monkeypatch.setattr(shop, "_page", unfiltered)
    answer = await refusal(shop.read_orders(["99999999"]))
    assert (type(answer), answer.code) == (NotActed, "not_understood")


async def test_goods_have_their_categories_and_are_found_in_the_catalogue(twin: Twin) -> None:
    shop = bind(twin)
    [page] = [page async for page in shop.products("")]
    bag = next(unit for unit in page.items if unit.platform_product_id == "300")
    assert (bag.name, bag.sku, bag.categories[0].path) == ("Bag, red", "BAG-RED", ("Bags", "Small bags"))
    assert list(await shop.read_products(["300", "999"])) == [bag]
    assert list(await shop.read_products([])) == []
