"""A spreadsheet shop on the whole pipeline: an export becomes orders, and what is shipped stands in the tracking sheet once."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from connectors.shops.spreadsheet_tracking import Tracking
from connectors.simulated.launch import Twin
from domain.clock import to_datetime
from domain.enums import Flag
from domain.results import Refused
from pipeline import abnormal, persons, setup, sheets, stocktaking
from pipeline.base import Pipeline
from store.place import Place
from tests.conftest import World
from tests.connectors.sheet_kit import HEADER, csv_of, row, xlsx_of


class SheetShop(World):
    """A bound folder, a carrier with numbers of its own and a printer."""

    exports: Path

    async def bind(self, **settings: str) -> None:
        fields = {"folder": str(self.exports), "timezone": "Europe/Warsaw", "default_currency": "PLN", "country": "PL"}
        made = await setup.add_shop(self.p, "spreadsheet", "Sheets", {**fields, "settle_s": "0", **settings}, {})
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

    def drop(self, data: bytes, name: str = "orders.csv") -> None:
        """Lay a file into the folder as a person does, a while ago."""
        (self.exports / name).write_bytes(data)
        os.utime(self.exports / name, (self.p.clock() / 1000 - 60,) * 2)

    def today(self, **changes: str) -> tuple[str, ...]:
        """A plain row of an order made a minute ago."""
        made = to_datetime(self.p.clock() - 60_000)
        return row(**{"order_date": f"{made:%Y-%m-%dT%H:%M:%SZ}", "quantity": "1", **changes})

    async def imported(self, *rows: tuple[str, ...]) -> None:
        self.drop(csv_of(*rows))
        assert await self.sync() == ""

    async def receive(self, sku: str) -> None:
        answer = await stocktaking.change(self.p, sku, "receive", 5, "anna")
        assert not isinstance(answer, Refused), answer

    async def pack(self, shipment: int, stage: str = "printed") -> None:
        report = await self.do("address", [shipment], postcode="60-101")
        assert not report.refused, report
        await self.to_stage(shipment, stage, "OWN")

    async def at(self, shipment: int) -> str:
        shown = await self.shown(shipment)
        return f"{shown['stage']}/{shown['status']}"

    def told(self) -> list[list[str]]:
        """The rows of every tracking sheet, headers left out."""
        found = sorted((self.exports / "tracking").glob("*.csv"))
        return [line.split(",")[:3] for path in found for line in path.read_text("utf-8-sig").splitlines()[1:]]


@asynccontextmanager
async def bound(place: Place, tmp_path: Path) -> AsyncIterator[SheetShop]:
    p = await Pipeline.open(place)
    made = SheetShop(p, cast(Twin, None), None, tmp_path / "papers")
    made.exports = tmp_path / "exports"
    made.exports.mkdir()
    try:
        await made.bind()
        assert await made.sync() == ""
        yield made
    finally:
        await p.aclose()


@pytest.fixture
async def shop(sqlite_place: Place, tmp_path: Path) -> AsyncIterator[SheetShop]:
    """For what does not concern the engine."""
    async with bound(sqlite_place, tmp_path) as made:
        yield made


@pytest.fixture
async def on_each(place: Place, tmp_path: Path) -> AsyncIterator[SheetShop]:
    """On each engine in turn."""
    async with bound(place, tmp_path) as made:
        yield made


async def test_an_export_goes_from_review_to_shipped_and_back_as_a_sheet(on_each: SheetShop) -> None:
    shop = on_each
    shop.drop(csv_of(shop.today(), shop.today(sku="PEN", product_name="Pen"), encoding="cp1250", delimiter=";"))
    assert await shop.sync() == ""
    shipment = await shop.shipment_of("A-100")
    assert sorted(line["sku"] for line in (await shop.shown(shipment))["lines"]) == ["NB-A5", "PEN"]
    for sku in ("NB-A5", "PEN"):
        await shop.receive(sku)
    await shop.pack(shipment, "shipped")
    shown = await shop.shown(shipment)
    assert (shown["stage"], shown["status"]) == ("shipped", "succeeded")
    assert shop.told() == [["A-100", "Own Post", shown["waybill"]]]
    assert await shop.sync() == ""
    assert await shop.at(shipment) == "shipped/succeeded"


async def test_the_same_file_again_is_no_second_order_and_a_changed_row_is_a_changed_order(on_each: SheetShop) -> None:
    shop = on_each
    first = shop.today()
    await shop.imported(first, shop.today(order_number="B-1"))
    await shop.imported(first, shop.today(order_number="B-1"))
    assert await shop.value("SELECT count(*) FROM orders") == 2
    assert await shop.value("SELECT count(*) FROM shipment") == 2
    changed = list(first)
    changed[HEADER.index("City")] = "Kraków"
    await shop.imported(tuple(changed))
    shown = await shop.shown(await shop.shipment_of("A-100"))
    assert shown["address"]["city"] == "Kraków"
    # What the newer file leaves out is as it was.
    assert await shop.at(await shop.shipment_of("B-1")) == "review/open"


async def test_a_cancelled_row_closes_its_shipment(shop: SheetShop) -> None:
    await shop.imported(shop.today())
    shop.drop(csv_of((*shop.today(), "Anulowane"), header=(*HEADER, "Order status")), "later.csv")
    assert await shop.sync() == ""
    assert await shop.at(await shop.shipment_of("A-100")) == "closed/cancelled"


async def test_a_line_that_vanished_is_still_to_be_shipped(shop: SheetShop) -> None:
    first = shop.today()
    await shop.imported(first, shop.today(sku="PEN", order_date=first[1]))
    changed = list(first)
    changed[HEADER.index("City")] = "Kraków"
    await shop.imported(tuple(changed))
    shown = await shop.shown(await shop.shipment_of("A-100"))
    assert (shown["address"]["city"], sorted(line["sku"] for line in shown["lines"])) == ("Kraków", ["NB-A5", "PEN"])


async def test_bad_rows_are_abnormal_and_solved_by_the_file_that_mends_them(shop: SheetShop) -> None:
    rows = [shop.today(order_number=f"X-{n}", quantity="many") for n in range(40)]
    await shop.imported(shop.today(), *rows)
    assert await shop.value("SELECT count(*) FROM orders") == 1
    listed = await abnormal.listing(shop.p)
    assert [r["platform_order_id"] for r in listed] == [f"X-{n}" for n in range(40)]
    assert {r["code"] for r in listed} == {"bad_quantity"}
    await shop.imported(*[shop.today(order_number=f"X-{n}") for n in range(40)])
    assert await shop.value("SELECT count(*) FROM orders") == 41
    assert await abnormal.listing(shop.p) == []


async def test_old_orders_of_the_first_file_wait_for_the_cut_over(sqlite_place: Place, tmp_path: Path) -> None:
    p = await Pipeline.open(sqlite_place)
    shop = SheetShop(p, cast(Twin, None), None, tmp_path / "papers")
    shop.exports = tmp_path / "exports"
    shop.exports.mkdir()
    shop.drop(csv_of(shop.today()))
    await shop.bind()
    assert await shop.sync(cut_over=False) == ""
    flags = await shop.value("SELECT flags FROM shipment")
    assert Flag.FIRST_IMPORT in Flag(flags)
    await p.aclose()


async def test_a_sheet_that_could_not_be_written_ends_with_one_row(
    shop: SheetShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.imported(shop.today())
    shipment = await shop.shipment_of("A-100")
    await shop.receive("NB-A5")
    await shop.pack(shipment)
    tries = []
    plain = Tracking.write_sheet

    def once(self: Tracking, name: str) -> None:
        tries.append(name)
        if len(tries) == 1:
            raise OSError(5, "Input/output error")
        plain(self, name)

    monkeypatch.setattr(Tracking, "write_sheet", once)
    report = await shop.do("ship", [shipment])
    assert not report.refused, report
    await shop.work()
    assert await shop.at(shipment) == "shipped/succeeded"
    assert len(tries) == 2
    assert len(shop.told()) == 1


async def test_a_folder_belongs_to_one_shop_and_is_taken_up_again(shop: SheetShop) -> None:
    fields = {"folder": f"{shop.exports}/", "timezone": "Europe/Warsaw", "default_currency": "PLN"}
    again = await setup.add_shop(shop.p, "spreadsheet", "Other", fields, {})
    assert isinstance(again, Refused)
    assert again.code == "already_bound"
    await shop.imported(shop.today())
    assert not isinstance(await setup.unbind_shop(shop.p, shop.shop_id, "anna"), Refused)
    made = await setup.add_shop(shop.p, "spreadsheet", "Sheets", fields, {})
    assert not isinstance(made, Refused), made
    assert made.id == shop.shop_id


# ---------------------------------------------------------------- by hand


async def test_a_preview_says_what_would_become_of_each_order_and_keeps_nothing(
    shop: SheetShop, tmp_path: Path
) -> None:
    first = shop.today()
    await shop.imported(first, shop.today(order_number="B-1", order_date=first[1]))
    file = tmp_path / "export.xlsx"
    changed = list(first)
    changed[HEADER.index("City")] = "Kraków"
    old = shop.today(order_number="OLD", order_date="2020-01-05")
    bad = shop.today(order_number="BAD", quantity="x")
    rows = (changed, shop.today(order_number="B-1", order_date=first[1]), shop.today(order_number="C-1"), old, bad)
    file.write_bytes(xlsx_of(*rows))
    seen = await sheets.preview(shop.p, shop.shop_id, file, "anna")
    assert not isinstance(seen, Refused), seen
    outcomes = {one.number: (one.outcome, one.code) for one in seen.rows}
    assert outcomes == {
        "A-100": ("changed", ""),
        "B-1": ("same", ""),
        "C-1": ("new", ""),
        "OLD": ("left_out", "older_than_window"),
        "BAD": ("failed", "bad_quantity"),
    }
    assert seen.rows[4].rows == (6,)
    assert [line[0] for line in seen.failures] == ["Order number", "BAD"]
    assert await shop.value("SELECT count(*) FROM orders") == 2
    assert sorted(path.name for path in shop.exports.iterdir()) == ["taken"]


async def test_an_import_does_what_its_preview_said(shop: SheetShop, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(csv_of(shop.today(), shop.today(order_number="BAD", quantity="x")))
    done = await sheets.import_sheet(shop.p, shop.shop_id, file, "anna")
    assert not isinstance(done, Refused), done
    assert (done.preview.count("new"), done.preview.count("failed"), done.code) == (1, 1, "")
    assert await shop.value("SELECT count(*) FROM orders") == 1
    assert file.exists()
    again = await sheets.import_sheet(shop.p, shop.shop_id, file, "anna")
    assert not isinstance(again, Refused), again
    assert (again.preview.count("same"), len(list((shop.exports / "taken").iterdir()))) == (1, 1)


@pytest.mark.parametrize(
    ("data", "code"), [(b"a,b\n1,2\n", "no_header"), (csv_of(row(quantity="x")), "no_orders"), (b"", "empty_file")]
)
async def test_a_file_without_an_order_is_not_laid_into_the_folder(
    shop: SheetShop, tmp_path: Path, data: bytes, code: str
) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(data)
    refused = await sheets.import_sheet(shop.p, shop.shop_id, file, "anna")
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert list(shop.exports.iterdir()) == []
    missing = await sheets.preview(shop.p, shop.shop_id, tmp_path / "none.csv", "anna")
    assert isinstance(missing, Refused)
    assert missing.code == "not_found"


async def test_who_may_only_look_imports_nothing(shop: SheetShop, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(csv_of(shop.today()))
    assert not isinstance(await persons.first_owner(shop.p, "anna"), Refused)
    assert not isinstance(await persons.add(shop.p, "ola", "viewer", False, "anna"), Refused)
    for act in (sheets.preview, sheets.import_sheet):
        refused = await act(shop.p, shop.shop_id, file, "ola")
        assert isinstance(refused, Refused)
        assert refused.code == "viewer_only"
