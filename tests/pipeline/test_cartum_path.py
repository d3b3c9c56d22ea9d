"""A Cartum shop from binding to shipped, on the whole pipeline: what cannot be asked for as a change is seen all the same."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.launch import Twin
from domain.enums import Flag
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.worker import sync_now
from store.place import Place
from tests.conftest import World, lent
from tests.pipeline.shops import at_once


@pytest.fixture(scope="module")
def running() -> Iterator[Twin]:
    with lent("cartum", seed=6) as twin:
        yield twin


class CartumShop(World):
    """A bound Cartum shop, a carrier with numbers of its own and a printer."""

    async def bind(self, **settings: str) -> None:
        fields = {
            "url": self.shop.url,
            "login": str(self.shop.hello["login"]),
            "calls_per_second": "0",
            "timeout_s": "2",
        }
        fields |= {"on_delivery_payments": "13", "pickup_deliveries": "1", "settle_s": "0", **settings}
        secrets = {"password": str(self.shop.hello["password"])}
        made = await setup.add_shop(self.p, "cartum", "UA-Cartum", fields, secrets)
        assert not isinstance(made, Refused), made
        self.shop_id = made.id
        pool = await setup.add_carrier(
            self.p, "pool", "OwnPost", {"carrier_name": "Own Post", "services": "OWN=Own letter", "cod": "yes"}, {}
        )
        assert not isinstance(pool, Refused), pool
        await setup.import_numbers(self.p, pool.id, [f"OWN{n:09d}" for n in range(1, 50)])
        self.folder.mkdir(parents=True, exist_ok=True)
        printer = await setup.add_printer(self.p, "folder", "papers", {"folder": str(self.folder)})
        assert not isinstance(printer, Refused), printer

    async def take(self, **order: Any) -> tuple[int, int]:
        """One fresh order, in review: (platform order id, shipment)."""
        made = self.order(**order)
        assert await self.sync() == ""
        return made, await self.shipment_of(made)

    async def pack(self, shipment: int, stage: str) -> None:
        """Bring a shipment to a stage. The platform gives no postcodes, and Ukraine's parcels need none."""
        await self.to_stage(shipment, stage, "OWN")

    def change(self, order: int, what: str, **how: Any) -> None:
        self.shop.admin("POST", "change", {"order": order, "change": what, **how})

    def there(self, platform_order_id: int) -> dict[str, Any]:
        there: dict[str, Any] = self.shop.admin("GET", "orders", {"orders": [platform_order_id]})[0]
        return there

    async def at(self, shipment: int) -> str:
        shown = await self.shown(shipment)
        return f"{shown['stage']}/{shown['status']}"

    async def imported(self) -> set[int]:
        return {int(r["id"]) for r in await self.fetch("SELECT platform_order_id AS id FROM orders")}


@asynccontextmanager
async def bound(place: Place, running: Twin, folder: Path) -> AsyncIterator[CartumShop]:
    """A Cartum shop with one order, bound to an empty database."""
    running.admin("POST", "faults", {"rate": 0})
    running.admin("POST", "clock", {})
    for order in running.admin("GET", "orders"):
        running.admin("POST", "change", {"order": order["id"], "change": "delete"})
    p = await Pipeline.open(place)
    p.sleep = at_once
    made = CartumShop(p, running, None, folder)
    running.admin("POST", "orders", {"orders": [{"created_ago_s": 60}]})  # It has a currency by this.
    try:
        await made.bind()
        assert await made.sync() == ""
        yield made
    finally:
        await p.aclose()


@pytest.fixture
async def cartum(sqlite_place: Place, running: Twin, tmp_path: Path) -> AsyncIterator[CartumShop]:
    """For what does not concern the engine."""
    async with bound(sqlite_place, running, tmp_path / "papers") as made:
        yield made


@pytest.fixture
async def cartum_on_each(place: Place, running: Twin, tmp_path: Path) -> AsyncIterator[CartumShop]:
    """On each engine in turn."""
    async with bound(place, running, tmp_path / "papers") as made:
        yield made


async def test_one_order_goes_from_the_shop_to_shipped_and_back_to_the_platform(cartum_on_each: CartumShop) -> None:
    cartum = cartum_on_each
    order, shipment = await cartum.take(case="two_lines")
    assert await cartum.at(shipment) == "review/open"
    await cartum.pack(shipment, "shipped")
    shown = await cartum.shown(shipment)
    assert (shown["stage"], shown["status"]) == ("shipped", "succeeded")
    there = cartum.there(order)
    assert (there["status"], there["numbers"]) == (6, {"tracking_code": shown["waybill"]})
    assert there["updates"] == [{"status": 6, "tracking_code": shown["waybill"]}]
    assert there["cancelled_by_api"] == 0
    # Our own shipping comes back as nothing new.
    assert await cartum.sync() == ""
    assert await cartum.at(shipment) == "shipped/succeeded"
    assert len(list(cartum.folder.glob("*.pdf"))) == 1


async def test_a_lost_answer_ends_with_one_status_and_one_number(cartum: CartumShop) -> None:
    order, shipment = await cartum.take()
    await cartum.pack(shipment, "printed")
    cartum.shop.fail_next("cut_after", path="orders/update")
    report = await cartum.do("ship", [shipment])
    assert not report.refused, report
    await cartum.work()
    shown = await cartum.shown(shipment)
    assert (shown["stage"], shown["status"]) == ("shipped", "succeeded")
    assert cartum.there(order)["numbers"] == {"tracking_code": shown["waybill"]}


async def test_roa_17_what_happens_to_open_orders_is_seen_long_after_they_were_made(cartum_on_each: CartumShop) -> None:
    cartum = cartum_on_each
    long_ago = 40 * 86_400
    made = [cartum.order(created_ago_s=long_ago) for _turn in range(3)]
    assert await cartum.sync(full=True) == ""
    cancelled, moved, sent = made
    shipments = [await cartum.shipment_of(order) for order in made]
    # A day on, so that the long reading of the night is done, and only what is open is asked for by number.
    assert await cartum.sync() == ""
    cartum.change(cancelled, "status", status=4)
    cartum.change(moved, "address", address="вул. Нова, 1")
    cartum.change(sent, "status", status=6)
    assert await cartum.sync() == ""
    assert [await cartum.at(shipment) for shipment in shipments] == [
        "closed/cancelled",
        "review/open",
        "shipped/elsewhere",
    ]
    assert (await cartum.shown(shipments[1]))["address"]["line1"] == "вул. Нова, 1"


async def test_roa_07_a_quantity_changed_on_the_platform_is_taken_over_before_shipping(cartum: CartumShop) -> None:
    order, shipment = await cartum.take()
    cartum.change(order, "quantity", quantity=3)
    assert await cartum.sync() == ""
    assert [line["quantity"] for line in (await cartum.shown(shipment))["lines"]] == [3]


async def test_roa_11_the_first_import_leaves_out_delivered_orders_only(
    sqlite_place: Place, running: Twin, tmp_path: Path
) -> None:
    for order in running.admin("GET", "orders"):
        running.admin("POST", "change", {"order": order["id"], "change": "delete"})
    cases = ("", "delivered", "cancelled", "sent", "packed")
    made = running.admin("POST", "orders", {"orders": [{"case": case, "created_ago_s": 7200} for case in cases]})
    old = running.admin("POST", "orders", {"orders": [{"created_ago_s": 70 * 86_400}]})[0]
    p = await Pipeline.open(sqlite_place)
    p.sleep = at_once
    shop = CartumShop(p, running, None, tmp_path / "papers")
    await shop.bind()
    async with p.store.transaction() as tx:
        # What a test orders in this very second must not count as older than the binding.
        await tx.run("UPDATE shop SET connected_at = connected_at - 3600000")
    assert await shop.sync() == ""
    names = dict(zip(cases, made, strict=True))
    assert await shop.imported() == {names[case] for case in cases if case != "delivered"}
    left_out = await shop.fetch("SELECT platform_order_id AS id, reason FROM left_out")
    assert [(int(r["id"]), r["reason"]) for r in left_out] == [(names["delivered"], "closed_before_import")]
    assert old not in await shop.imported()
    # Only the one-time job leaves them out: what is made from now on comes in whatever its status.
    late = shop.order(case="delivered")
    assert await shop.sync() == ""
    assert late in await shop.imported()
    await p.aclose()


async def test_an_order_cancelled_meanwhile_is_not_shipped(cartum: CartumShop) -> None:
    order, shipment = await cartum.take()
    await cartum.pack(shipment, "printed")
    cartum.change(order, "status", status=4)
    await cartum.do("ship", [shipment])
    await cartum.work()
    assert (await cartum.shown(shipment))["stage"] == "closed"
    assert cartum.there(order)["updates"] == []


async def test_unpaid_waits_and_cash_on_delivery_does_not(cartum: CartumShop) -> None:
    _order, unpaid = await cartum.take(case="unpaid")
    _order, cash = await cartum.take(case="cash")
    assert Flag.UNPAID in Flag(await cartum.value("SELECT flags FROM shipment WHERE id = :id", id=unpaid))
    report = await cartum.do("approve", [unpaid, cash])
    assert (report.done, [r.id for r in report.refused]) == ([cash], [unpaid])
    assert report.refused[0].code == "unpaid"


async def test_a_line_without_article_is_kept_and_flagged(cartum: CartumShop) -> None:
    _order, shipment = await cartum.take(case="gift")
    assert [line["sku"] for line in (await cartum.shown(shipment))["lines"]] == ["NB-A5", ""]
    assert Flag.UNMATCHED in Flag(await cartum.value("SELECT flags FROM shipment WHERE id = :id", id=shipment))


async def test_roa_20_a_product_of_an_order_comes_with_its_category(cartum: CartumShop) -> None:
    await cartum.take(lines=[["NB-A5-B", 1]])
    names = await cartum.fetch("SELECT c.name FROM category c ORDER BY c.id")
    assert {"Канцелярія", "Зошити", "У клітинку"} <= {row["name"] for row in names}
    for _turn in range(2):
        assert await sync_now(cartum.p, cartum.shop_id, ("products",)) == {"products": ""}
        assert await cartum.value("SELECT count(*) FROM listing") == 5


async def test_roa_40_delivery_details_become_a_comment(cartum: CartumShop) -> None:
    order, _shipment = await cartum.take()
    rows = await cartum.fetch(
        "SELECT n.text FROM note n JOIN orders o ON o.id = n.order_id WHERE o.platform_order_id = :o", o=str(order)
    )
    assert any("Новою поштою" in row["text"] for row in rows)
