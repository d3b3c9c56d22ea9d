"""A Shopify shop from binding to the fulfilment read back: what an operator does, against the twin."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.worker import Worker
from store.place import Place
from tests.conftest import World, lent
from tests.pipeline.shops import at_once


@pytest.fixture(scope="module")
def shopify() -> Iterator[Twin]:
    with lent("shopify", points=1_000_000) as twin:
        yield twin


class ShopifyWorld(World):
    """A world whose shop is the Shopify twin, bound as `EU-Shopify`."""

    async def bind(self, **settings: str) -> None:
        """Bind shop, carriers and printer."""
        secrets = {"client_secret": str(self.shop.hello["client_secret"])}
        values = {
            "url": self.shop.url,
            "client_id": str(self.shop.hello["client_id"]),
            "settle_s": "0",
            "timeout_s": "2",
        }
        made = await setup.add_shop(self.p, "shopify", "EU-Shopify", {**values, **settings}, secrets)
        assert not isinstance(made, Refused), made
        self.shop_id = made.id
        assert self.carrier is not None
        fields = {"url": self.carrier.url, "settle_s": "0", "timeout_s": "2"}
        token = {"token": str(self.carrier.hello["token"])}
        assert not isinstance(await setup.add_carrier(self.p, "simulated", "SimPost", fields, token), Refused)
        self.folder.mkdir(parents=True, exist_ok=True)
        assert not isinstance(
            await setup.add_printer(self.p, "folder", "papers", {"folder": str(self.folder)}), Refused
        )

    def make(self, **order: Any) -> int:
        """One order in the shop; returns its platform id."""
        return int(self.shop.admin("POST", "orders", {"orders": [order]})[0])

    def change(self, order: int, what: str, **how: Any) -> None:
        """Be the merchant, the buyer or another app."""
        self.shop.admin("POST", "change", {"order": order, "change": what, **how})

    def there(self, platform_order_id: int) -> dict[str, Any]:
        """The platform's own view of an order."""
        return dict(next(o for o in self.shop.admin("GET", "orders") if o["id"] == platform_order_id))

    async def left_out(self) -> dict[int, tuple[str, str]]:
        """Platform id → reason and detail of the orders that the import rules leave out."""
        rows = await self.fetch("SELECT platform_order_id AS id, reason, detail FROM left_out")
        return {int(r["id"]): (r["reason"], r["detail"]) for r in rows}

    async def imported(self) -> set[int]:
        """Platform ids of the orders that are in."""
        return {int(r["id"]) for r in await self.fetch("SELECT platform_order_id AS id FROM orders")}


@pytest.fixture
async def world(sqlite_place: Place, shopify: Twin, carrier_twin: Twin, tmp_path: Path) -> AsyncIterator[ShopifyWorld]:
    shopify.admin("POST", "faults", {"rate": 0})
    shopify.admin("POST", "settings", {"without": [], "redact": ""})
    for order in shopify.admin("GET", "orders"):
        shopify.admin("POST", "change", {"order": order["id"], "change": "delete"})
    p = await Pipeline.open(sqlite_place)
    p.sleep = at_once
    made = ShopifyWorld(p, shopify, carrier_twin, tmp_path / "papers")
    yield made
    await p.aclose()


async def test_an_order_goes_from_the_shop_to_shipped_and_its_fulfilment_is_read_back(world: ShopifyWorld) -> None:
    order = world.make(lines=[["MUG", 2], ["SOCK-1", 1]], places=["Main street", "Outlet"])
    await world.bind(companies="SimPost=DHL Express")
    assert await world.sync() == ""
    shipment = await world.shipment_of(order)
    assert (await world.shown(shipment))["stage"] == "review"
    await world.to_stage(shipment, "shipped")
    shown = await world.shown(shipment)
    assert (shown["stage"], shown["status"]) == ("shipped", "succeeded")
    there = world.there(order)
    assert there["displayFulfillmentStatus"] == "FULFILLED"
    assert [(p["tracking"][0]["company"], p["tracking"][0]["number"]) for p in there["parcels"]] == [
        ("DHL Express", shown["waybill"])
    ] * 2
    assert await world.sync() == ""
    assert (await world.shown(shipment))["status"] == "succeeded"


async def test_a_push_whose_answer_is_lost_is_found_and_made_once(world: ShopifyWorld) -> None:
    order = world.make(lines=[["MUG", 2]])
    await world.bind(check_before_ship="no")
    await world.sync()
    shipment = await world.shipment_of(order)
    await world.to_stage(shipment, "printed")
    # The read before the push passes; the push itself acts and is cut off.
    world.shop.fail_next("cut_after", path="graphql.json", skip=1)
    assert not (await world.do("ship", [shipment])).refused
    await world.work()
    assert (await world.shown(shipment))["status"] == "succeeded"
    assert len(world.there(order)["parcels"]) == 1


async def test_two_parcels_of_one_order_become_two_fulfilments(world: ShopifyWorld) -> None:
    order = world.make(lines=[["MUG", 2], ["SOCK-1", 1]])
    await world.bind()
    await world.sync()
    shipment = await world.shipment_of(order)
    lines = {line["sku"]: line["order_line_id"] for line in (await world.shown(shipment))["lines"]}
    report = await world.do("split", [shipment], lines={lines["MUG"]: 2})
    assert not report.refused, report
    rows = await world.fetch("SELECT id FROM shipment WHERE stage < 6 ORDER BY id")
    for row in rows:
        await world.to_stage(int(row["id"]), "shipped")
    statuses = [(await world.shown(int(row["id"])))["status"] for row in rows]
    assert statuses == ["succeeded", "succeeded"]
    assert [sorted(p["lines"].values()) for p in world.there(order)["parcels"]] in ([[1], [2]], [[2], [1]])


async def test_roa_12_the_first_import_leaves_out_what_is_over(world: ShopifyWorld) -> None:
    kept = world.make(age_s=90_000)
    partly = world.make(age_s=80_000, lines=[["MUG", 3]])
    world.change(partly, "fulfil", pieces=1, number="P1")
    gone = [world.make(age_s=70_000, lines=[["MUG", 1]]) for _n in range(3)]
    for order, what in zip(gone, ("fulfil", "cancel", "refund"), strict=True):
        world.change(order, what)
    old = world.make(age_s=100 * 86_400)
    await world.bind()
    assert await world.sync() == ""
    assert await world.imported() == {kept, partly}
    found = await world.left_out()
    assert {order: found[order] for order in gone} == {
        gone[0]: ("closed_before_import", "fulfilled"),
        gone[1]: ("closed_before_import", "cancelled"),
        gone[2]: ("closed_before_import", "refunded"),
    }
    assert old not in found
    assert await world.value("SELECT older_orders FROM shop") == 1


async def test_roa_01_after_binding_everything_new_is_imported_whatever_its_state(world: ShopifyWorld) -> None:
    await world.bind()
    await world.sync()
    order = world.make(age_s=-1, lines=[["MUG", 1]])
    world.change(order, "fulfil")
    assert await world.sync() == ""
    assert order in await world.imported()


async def test_pieces_that_left_before_the_import_are_not_shipped_again(world: ShopifyWorld) -> None:
    order = world.make(age_s=90_000, lines=[["MUG", 3], ["SOCK-1", 1]])
    world.change(order, "fulfil", pieces=2, number="P1")
    await world.bind()
    await world.sync()
    shipment = await world.shipment_of(order)
    assert {line["sku"]: line["quantity"] for line in (await world.shown(shipment))["lines"]} == {"MUG": 1, "SOCK-1": 1}
    await world.to_stage(shipment, "shipped")
    assert (await world.shown(shipment))["status"] == "succeeded"
    assert world.there(order)["displayFulfillmentStatus"] == "FULFILLED"


async def test_roa_33_orders_without_a_named_buyer_are_imported_and_share_no_contact(world: ShopifyWorld) -> None:
    orders = {world.make(redacted=True) for _n in range(2)}
    await world.bind()
    await world.sync()
    assert await world.imported() == orders
    rows = await world.fetch("SELECT contact_id, redacted FROM buyer")
    assert [(r["contact_id"], r["redacted"]) for r in rows] == [(None, 1), (None, 1)]


async def test_a_hold_in_the_shop_keeps_an_order_in_review_until_it_is_released(world: ShopifyWorld) -> None:
    order = world.make(lines=[["MUG", 1]])
    world.change(order, "hold", reason="INCORRECT_ADDRESS")
    await world.bind()
    await world.sync()
    shipment = await world.shipment_of(order)
    report = await world.do("approve", [shipment])
    assert [r.code for r in report.refused] == ["order_on_hold"]
    world.change(order, "release")
    await world.sync()
    assert not (await world.do("approve", [shipment])).refused


async def test_a_merchants_cancellation_is_seen_by_the_check_before_shipping(world: ShopifyWorld) -> None:
    order = world.make(lines=[["MUG", 1]])
    await world.bind()
    await world.sync()
    shipment = await world.shipment_of(order)
    await world.to_stage(shipment, "printed")
    world.change(order, "cancel")
    await world.do("ship", [shipment])
    await world.work()
    assert world.there(order)["parcels"] == []
    assert (await world.shown(shipment))["stage"] != "shipped"


async def test_a_new_waybill_after_an_early_push_changes_the_number_of_the_same_fulfilment(world: ShopifyWorld) -> None:
    order = world.make(lines=[["MUG", 1]])
    await world.bind()
    await world.sync()
    shipment = await world.shipment_of(order)
    await world.to_stage(shipment, "to_print")
    assert not (await world.do("push", [shipment])).refused
    await world.work()
    first = (await world.shown(shipment))["waybill"]
    assert world.there(order)["parcels"][0]["tracking"][0]["number"] == first
    report = await world.do("back", [shipment])
    assert not report.refused, report
    await world.work()
    for command in ("waybill",):
        report = await world.do(command, [shipment])
        assert not report.refused, report
    await world.work()
    await world.do("print", [shipment])
    await world.work()
    report = await world.do("ship", [shipment])
    assert not report.refused, report
    await world.work()
    shown = await world.shown(shipment)
    assert shown["waybill"] != first
    assert (shown["stage"], shown["status"]) == ("shipped", "succeeded")
    assert [[t["number"] for t in p["tracking"]] for p in world.there(order)["parcels"]] == [[shown["waybill"]]]


async def test_roa_33_what_is_hidden_later_overwrites_nothing_and_what_is_shown_later_fills_it(
    world: ShopifyWorld,
) -> None:
    shown, hidden = world.make(lines=[["MUG", 1]]), world.make(lines=[["MUG", 1]])
    world.shop.admin("POST", "settings", {"redact": "null"})
    await world.bind()
    await world.sync()
    assert await world.value("SELECT count(*) FROM buyer WHERE redacted = 1 AND last_name = '' AND phone = ''") == 2
    world.shop.admin("POST", "settings", {"redact": ""})
    world.change(shown, "set", fields={"note": "again"})
    await world.sync()
    named = "SELECT b.last_name, b.phone, b.contact_id, a.line1 FROM buyer b JOIN orders o ON o.id = b.order_id JOIN address a"
    [full] = await world.fetch(f"{named} ON a.id = o.address_id WHERE o.platform_order_id = :o", o=str(shown))
    assert all((full["last_name"], full["phone"], full["contact_id"], full["line1"]))
    world.shop.admin("POST", "settings", {"redact": "errors"})
    for order in (shown, hidden):
        world.change(order, "set", fields={"note": "and again"})
    await world.sync()
    [after] = await world.fetch(f"{named} ON a.id = o.address_id WHERE o.platform_order_id = :o", o=str(shown))
    assert after == full
    notes = await world.fetch("SELECT text FROM note WHERE kind = 'buyer' AND text = 'and again'")
    assert len(notes) == 2


async def test_what_is_taken_off_an_address_that_is_shown_is_gone(world: ShopifyWorld) -> None:
    """A buyer without a phone reads like a hidden one; an address that is shown is nevertheless the address."""
    order = world.make(lines=[["MUG", 1]])
    where = {
        **dict.fromkeys(("firstName", "lastName", "company", "province", "provinceCode", "phone")),
        "name": "Lena Vogt",
        "address1": "Heftgasse 9",
        "address2": "2. OG",
        "city": "Leipzig",
        "zip": "04109",
        "country": "Germany",
        "countryCodeV2": "DE",
    }
    nobody = {"shippingAddress": where, "phone": None, "customer": None}
    world.change(order, "set", fields=nobody)
    await world.bind()
    await world.sync()
    address = "SELECT a.line2, b.redacted FROM orders o JOIN address a ON a.id = o.address_id JOIN buyer b ON b.order_id = o.id"
    assert await world.fetch(address) == [{"line2": "2. OG", "redacted": 1}]
    world.change(order, "set", fields={**nobody, "shippingAddress": {**where, "address2": None}})
    await world.sync()
    assert await world.fetch(address) == [{"line2": "", "redacted": 1}]


async def test_roa_18_a_cancellation_in_the_shop_blocks_a_shipment_and_does_not_move_it(world: ShopifyWorld) -> None:
    order, other = world.make(lines=[["MUG", 1]]), world.make(lines=[["MUG", 1]])
    await world.bind()
    await world.sync()
    shipment, beside = await world.shipment_of(order), await world.shipment_of(other)
    assert not (await world.do("approve", [shipment])).refused
    world.change(order, "cancel")
    world.change(other, "set", fields={"tags": ["vip"]})
    await world.sync()
    shown = await world.shown(shipment)
    assert (shown["stage"], "stopped" in shown["flags"]) == ("processing", True)
    assert [r.code for r in (await world.do("waybill", [shipment])).refused] != []
    assert (await world.shown(beside))["stage"] == "review"
    answer = await setup.set_shop(world.p, world.shop_id, {"close_on_cancel": "yes"}, {})
    assert not isinstance(answer, Refused), answer
    third = world.make(lines=[["MUG", 1]])
    await world.sync()
    world.change(third, "cancel")
    await world.sync()
    assert (await world.shown(await world.shipment_of(third)))["stage"] == "closed"


async def test_roa_40_and_41_delivery_details_become_a_comment_and_a_new_one_when_they_change(
    world: ShopifyWorld,
) -> None:
    order = world.make(lines=[["MUG", 1]])
    await world.bind()
    await world.sync()
    comments = "SELECT text FROM note WHERE kind = 'delivery' ORDER BY id"
    [first] = await world.fetch(comments)
    assert "Parcel" in first["text"]
    world.change(order, "set", fields={"note": "nothing of the delivery"})
    await world.sync()
    assert len(await world.fetch(comments)) == 1
    line = {"title": "Express", "code": "x", "source": "shopify"}
    world.change(order, "set", fields={"shippingLine": line})
    await world.sync()
    assert ["Express" in row["text"] for row in await world.fetch(comments)] == [False, True]


async def test_roa_05_an_order_in_another_currency_than_the_shops_is_left_out(world: ShopifyWorld) -> None:
    order = world.make(lines=[["MUG", 1]])
    await world.bind(currency="PLN")
    await world.sync()
    assert (await world.left_out())[order] == ("other_currency", "EUR ≠ PLN")


FAULTS = [
    *("http_500", "http_500_after", "http_502", "http_503_retry_after", "refused_429", "html", "malformed", "garbled"),
    *(
        "cut_before",
        "cut_after",
        "timeout_after",
        "reset_mid_body",
        "error_envelope",
        "error_envelope_after",
        "acts_late",
    ),
]


BEHIND = ("http_502", "malformed", "cut_before", "timeout_after")


@pytest.mark.parametrize(("fault", "skip"), [*((fault, 1) for fault in FAULTS), *((fault, 2) for fault in BEHIND)])
async def test_a_push_that_meets_a_fault_makes_exactly_one_fulfilment(
    world: ShopifyWorld, fault: str, skip: int
) -> None:
    """The fault strikes the push itself (behind the read that guards it) or the read-back after it."""
    order = world.make(lines=[["MUG", 2]])
    await world.bind(check_before_ship="no", timeout_s="0.6")
    world.shop.admin("POST", "faults", {"rate": 0, "hold_s": 0.8, "retry_after_s": 0})
    await world.sync()
    shipment = await world.shipment_of(order)
    await world.to_stage(shipment, "printed")
    world.shop.fail_next(fault, path="graphql.json", skip=skip)
    assert not (await world.do("ship", [shipment])).refused
    if fault == "acts_late":
        # What was cut off arrives while the worker looks again: nothing of it may be made twice.
        await Worker(world.p).tick_once()
        world.shop.admin("POST", "release")
    await world.work()
    shown = await world.shown(shipment)
    assert (shown["stage"], shown["status"]) == ("shipped", "succeeded"), shown["message"]
    assert [t["number"] for p in world.there(order)["parcels"] for t in p["tracking"]] == [shown["waybill"]]
