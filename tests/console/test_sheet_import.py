"""A spreadsheet taken over from the console: its path, the preview, the failure list, the import, on keys alone."""

from pathlib import Path
from typing import Any

import pytest

from domain.clock import now, to_datetime
from domain.persons import Role
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from store.place import Place
from tests.connectors.sheet_kit import csv_of, row
from tests.console.pilot import DeskPilot, console


def today(**changes: str) -> tuple[str, ...]:
    return row(**{"order_date": f"{to_datetime(now() - 60_000):%Y-%m-%dT%H:%M:%SZ}", **changes})


@pytest.fixture
async def sheets(sqlite_place: Place, tmp_path: Path) -> Place:
    """A database with a shop of spreadsheets, whose folder is empty."""
    (tmp_path / "exports").mkdir()
    p = await Pipeline.open(sqlite_place)
    fields = {"folder": str(tmp_path / "exports"), "timezone": "Europe/Warsaw", "default_currency": "PLN"}
    made = await setup.add_shop(p, "spreadsheet", "Sheets", fields, {})
    assert not isinstance(made, Refused), made
    await p.aclose()
    return sqlite_place


def written(file: Path, *rows: tuple[str, ...]) -> Path:
    file.write_bytes(csv_of(*rows, encoding="cp1250", delimiter=";"))
    return file


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Two good orders and one without a number of pieces."""
    rows = (today(), today(order_number="A-101", recipient="Łucja Żak"), today(order_number="BAD", quantity="x"))
    return written(tmp_path / "export.csv", *rows)


async def kept(place: Place) -> dict[str, Any]:
    p = await Pipeline.open(place)
    try:
        async with p.store.reading() as tx:
            numbers = [r.number for r in await tx.rows("SELECT number FROM orders ORDER BY number")]
            settings = await tx.value("SELECT settings FROM shop WHERE id = 1")
    finally:
        await p.aclose()
    return {"numbers": numbers, "columns": "number=Order number" in str(settings)}


async def open_preview(d: DeskPilot, file: Path) -> None:
    await d.press("9")
    await d.row("shop:1")
    await d.press("enter")
    await d.dialog("Choose")
    await d.sees("Take over a spreadsheet")
    await d.press("2")
    await d.dialog("Form")
    await d.fill(file=str(file))
    await d.press("enter")


@pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])
async def test_a_sheet_is_looked_at_and_only_then_taken_over(
    sheets: Place, export: Path, size: tuple[int, int]
) -> None:
    async with console(sheets, size=size) as d:
        await open_preview(d, export)
        await d.dialog("Read")
        await d.sees("new 2")
        await d.sees("Row 4, Quantity: x is no whole number of pieces.")
        assert "Łucja Żak" in d.screen()
        assert (await kept(sheets))["numbers"] == [], "a preview has kept something"
        await d.press("enter")
        await d.closed()
        await d.sees("2 new, 0 changed, 0 as they were, 0 left out, 1 failed.")
        assert await kept(sheets) == {"numbers": ["A-100", "A-101"], "columns": False}


async def test_the_columns_are_kept_with_the_import_that_says_so(sheets: Place, export: Path) -> None:
    async with console(sheets) as d:
        await open_preview(d, export)
        await d.dialog("Read")
        await d.press("down", "enter")
        await d.closed()
        await d.sees("2 new, 0 changed")
        assert await kept(sheets) == {"numbers": ["A-100", "A-101"], "columns": True}
        await open_preview(d, export)
        await d.dialog("Read")
        await d.sees("as it was 2")
        assert "a guess" not in d.screen()


async def test_the_failure_list_is_written_and_the_preview_comes_back(sheets: Place, export: Path) -> None:
    async with console(sheets) as d:
        await open_preview(d, export)
        await d.dialog("Read")
        await d.press("down", "down", "enter")
        await d.dialog("Form")
        target = export.with_name("export-failed.csv")
        assert d.value("file") == str(target)
        await d.type(str(target.with_suffix(".pdf")))
        await d.press("enter")
        await d.sees("A failure list is a .csv or an .xlsx file.")
        await d.type(str(export))
        await d.press("enter")
        await d.sees("That is the sheet itself.")
        await d.type(str(target))
        await d.press("enter")
        await d.dialog("Read")
        assert "is no whole number of pieces" in target.read_text("utf-8-sig")
        await d.press("escape")
        await d.sees("Nothing was taken over.")
        assert (await kept(sheets))["numbers"] == []


async def test_a_path_that_is_none_is_asked_again_as_it_was_typed(sheets: Place, tmp_path: Path) -> None:
    async with console(sheets) as d:
        await open_preview(d, tmp_path / "none.csv")
        await d.sees("none.csv cannot be read.")
        await d.dialog("Form")
        assert d.value("file") == str(tmp_path / "none.csv")


async def test_a_sheet_without_one_good_row_offers_only_its_failures(sheets: Place, export: Path) -> None:
    written(export, today(quantity="x"))
    async with console(sheets) as d:
        await open_preview(d, export)
        await d.dialog("Read")
        await d.sees("> Write the failure list")
        assert "> Take over" not in d.screen()


async def test_a_viewer_takes_no_sheet_over(sheets: Place) -> None:
    async with console(sheets, person="wanda", role=Role.VIEWER) as d:
        await d.press("9")
        await d.row("shop:1")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("2")
        await d.sees("wanda may look, not change anything.")
