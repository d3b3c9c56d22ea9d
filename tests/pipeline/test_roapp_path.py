"""An RO App account from binding to shipped, on the whole pipeline: what is told is told once, whatever gets lost."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from connectors.shops.roapp import RoApp
from connectors.simulated.launch import Twin
from connectors.simulated.roapp_kit import KIT
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.worker import sync_now
from store.place import Place
from tests.conftest import World, lent
from tests.pipeline.shops import at_once


@pytest.fixture(scope="module")
def running() -> Iterator[Twin]:
    with lent("roapp", rate=0) as twin:
        yield twin


def fields(twin: Twin, **settings: str) -> dict[str, str]:
    quick = {"calls_per_second": "0", "timeout_s": "2", "settle_s": "0"}
    return {**KIT.settings, "url": f"{twin.url}/v2", **quick, **settings}


class RoAppShop(World):
    """A bound account, a carrier with numbers of its own and a printer."""

    async def bind(self, **settings: str) -> None:
        secrets = {"api_key": str(self.shop.hello["api_key"])}
        made = await setup.add_shop(self.p, "roapp", "UA-RO", fields(self.shop, **settings), secrets)
        assert not isinstance(made, Refused), made
        self.shop_id = made.id
        pool = await setup.add_carrier(
            self.p, "pool", "OwnPost", {"carrier_name": "Own Post", "services": "OWN=Own letter"}, {}
        )
        assert not isinstance(pool, Refused), pool
        await setup.import_numbers(self.p, pool.id, [f"OWN{n:09d}" for n in range(1, 50)])
        self.folder.mkdir(parents=True, exist_ok=True)
        printer = await setup.add_printer(self.p, "folder", "papers", {"folder": str(self.folder)})
        assert not isinstance(printer, Refused), printer

    def there(self, platform_order_id: int) -> dict[str, Any]:
        there: dict[str, Any] = self.shop.admin("GET", "orders", {"orders": [platform_order_id]})[0]
        return there

    def change(self, order: int, what: str, **how: Any) -> None:
        self.shop.admin("POST", "change", {"order": order, "change": what, **how})

    async def packed(self, order: int) -> int:
        """The order's shipment, printed. The account tells neither town nor postcode: somebody looks them up."""
        assert await self.sync() == ""
        shipment = await self.shipment_of(order)
        report = await self.do("address", [shipment], city="Lviv", postcode="79000")
        assert not report.refused, report
        await self.to_stage(shipment, "printed", "OWN")
        return shipment


@pytest.fixture
async def account(place: Place, running: Twin, tmp_path: Path) -> AsyncIterator[RoAppShop]:
    running.admin("POST", "faults", {"rate": 0, "next": [], "forget": True})
    for order in running.admin("GET", "orders"):
        running.admin("POST", "change", {"order": order["id"], "change": "delete"})
    p = await Pipeline.open(place)
    p.sleep = at_once
    yield RoAppShop(p, running, None, tmp_path / "papers")
    await p.aclose()


@pytest.mark.parametrize("number_field", ["f501", ""])
async def test_an_order_goes_from_the_account_to_shipped_and_a_lost_answer_is_read_back_before_anything_is_repeated(
    account: RoAppShop, number_field: str
) -> None:
    await account.bind(number_field=number_field)
    order = account.order(lines=[("BAG-RED", 2), ("WAX", 1)])
    shipment = await account.packed(order)
    account.shop.fail_next("cut_after", method="POST", path="/status")
    report = await account.do("ship", [shipment])
    assert not report.refused, report
    await account.work()
    shown = await account.shown(shipment)
    assert (shown["stage"], shown["status"]) == ("shipped", "succeeded")
    there = account.there(order)
    assert there["order"]["status"]["name"] == "Sent"
    assert there["comments"] == ["Own Post OWN000000001"]
    assert there["order"]["custom_fields"]["f501"] == ("OWN000000001" if number_field else "")
    lines = await account.fetch("SELECT sku, quantity, listing_id FROM order_line ORDER BY position")
    assert [(row["sku"], row["quantity"], row["listing_id"] is not None) for row in lines] == [
        ("BAG-RED", 2, True),
        ("WAX", 1, True),
    ]


async def test_an_order_called_off_in_the_account_is_not_shipped(account: RoAppShop) -> None:
    await account.bind()
    order = account.order()
    shipment = await account.packed(order)
    account.change(order, "status", status=1209)
    report = await account.do("ship", [shipment])
    await account.work()
    shown = await account.shown(shipment)
    assert shown["stage"] == "closed", report
    assert account.there(order)["comments"] == []


async def test_accounts_behind_one_address_are_told_apart_by_their_keys(
    account: RoAppShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{account.shop.url}/v2"
    own = tuple(structs.replace(f, default=url) if f.name == "url" else f for f in RoApp.declaration.fields)
    monkeypatch.setattr(RoApp, "declaration", structs.replace(RoApp.declaration, fields=own))
    await account.bind()
    p, given = account.p, fields(account.shop)
    again = await setup.add_shop(p, "roapp", "Twice", given, {"api_key": str(account.shop.hello["api_key"])})
    assert isinstance(again, Refused)
    assert again.code == "already_bound"
    with lent("roapp", rate=0, seed=2) as other:
        key = str(other.hello["api_key"])
        refused = await setup.add_shop(p, "roapp", "Other", given, {"api_key": key})
        # It is no longer taken for the first one, and its key is asked.
        assert isinstance(refused, Refused)
        assert refused.code == "unauthorised"
    assert await setup.unbind_shop(p, account.shop_id, "") == 0
    back = await setup.add_shop(p, "roapp", "UA-RO", given, {"api_key": str(account.shop.hello["api_key"])})
    assert not isinstance(back, Refused)
    assert back.id == account.shop_id
    assert (await sync_now(p, back.id, ("orders",)))["orders"] == ""
