"""`shipdeck shop preview` and `shop import-sheet` as somebody uses them."""

import json
import os
import time
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from console.cli import main
from domain.clock import now, to_datetime
from tests.connectors.sheet_kit import HEADER, csv_of, row


class Shell:
    """Runs commands in this process: what they cost is the spreadsheet, not the start of a program."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str, exits: int = 0) -> str:
        code = main(arguments)
        shown = self._capsys.readouterr()
        assert code == exits, f"{arguments}: {code}\n{shown.out}\n{shown.err}"
        return shown.out

    def json(self, *arguments: str, exits: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", exits=exits))


@pytest.fixture
def sh(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("SHIPDECK_DB", str(tmp_path / "cli.sqlite"))
    monkeypatch.setenv("SHIPDECK_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.chdir(tmp_path)
    shell = Shell(capsys)
    (tmp_path / "exports").mkdir()
    fields = (f"folder={tmp_path / 'exports'}", "timezone=Europe/Warsaw", "default_currency=PLN")
    shell("shop", "add", "spreadsheet", "Sheets", *[word for field in fields for word in ("--set", field)])
    return shell


def today(**changes: str) -> tuple[str, ...]:
    return row(**{"order_date": f"{to_datetime(now() - 60_000):%Y-%m-%dT%H:%M:%SZ}", **changes})


def export(tmp_path: Path, *rows: tuple[str, ...]) -> str:
    file = tmp_path / "export.csv"
    file.write_bytes(csv_of(*rows, encoding="cp1250", delimiter=";"))
    return str(file)


def test_a_file_is_looked_at_its_columns_kept_and_then_taken_over(sh: Shell, tmp_path: Path) -> None:
    file = export(tmp_path, today(), today(order_number="BAD", quantity="x", recipient="=1+1"))
    failures = tmp_path / "failed.xlsx"
    seen = sh.json("shop", "preview", "Sheets", file, "--failures", str(failures), "--save", exits=1)
    assert {key: seen[key] for key in ("source", "new", "changed", "same", "left_out", "failed", "saved")} == {
        "source": "cp1250, semicolon", "new": 1, "changed": 0, "same": 0, "left_out": 0, "failed": 1, "saved": True,
    }  # fmt: skip
    good, bad = seen["orders"]
    assert (good["number"], good["buyer"], good["total"], good["quantity"]) == ("A-100", "Ada Nowak", "39.98", 2)
    assert (bad["rows"], bad["code"]) == ("3", "formula")
    sheet = openpyxl.load_workbook(failures).active
    assert [[cell.value for cell in line][:: len(HEADER)] for line in sheet.iter_rows()] == [  # type: ignore[union-attr]
        ["Order number", "Reason"],
        ["BAD", bad["reason"]],
    ]
    assert sh.json("shop", "show", "Sheets")["columns"] == seen["columns"]
    assert sh.json("list", "review") == []
    done = sh.json("shop", "import-sheet", "Sheets", file, exits=1)
    assert (done["new"], done["failed"], done["code"]) == (1, 1, "")
    assert [one["order_number"] for one in sh.json("list", "review")] == ["A-100"]
    assert [one["platform_order_id"] for one in sh.json("abnormal", "list")] == ["BAD"]
    again = sh.json("shop", "import-sheet", "Sheets", file, exits=1)
    assert (again["new"], again["same"]) == (0, 1)
    assert len(sh.json("list", "review")) == 1


def test_a_person_reads_what_needs_a_hand_first(sh: Shell, tmp_path: Path) -> None:
    file = export(tmp_path, today(), today(order_number="BAD", quantity="x"))
    shown = sh("shop", "preview", "Sheets", file, "--limit", "1", exits=1)
    assert "columns=number=Order number; date=Order date;" in shown
    assert "Row 3, Quantity: x is no whole number of pieces." in shown
    assert "A-100" not in shown
    assert "1 new, 0 changed, 0 as they were, 0 left out, 1 failed." in shown


def test_what_cannot_be_done_is_said(sh: Shell, tmp_path: Path) -> None:
    refused = sh.json("shop", "import-sheet", "Sheets", str(tmp_path / "none.csv"), exits=1)
    assert refused["refused"][0]["code"] == "not_found"
    file = export(tmp_path, today(quantity="x"))
    refused = sh.json("shop", "preview", "Sheets", file, "--failures", str(tmp_path / "failed.pdf"), exits=1)
    assert refused["refused"][0]["code"] == "bad_ending"
    assert sh.json("shop", "import-sheet", "Sheets", file, exits=1)["refused"][0]["code"] == "no_orders"
    assert sh.json("shop", "preview", "Nobody", file, exits=1)["refused"][0]["code"] == "unknown_shop"


def test_what_is_dropped_into_the_folder_is_read_by_a_sync(sh: Shell, tmp_path: Path) -> None:
    dropped = Path(export(tmp_path, today())).rename(tmp_path / "exports" / "export.csv")
    os.utime(dropped, (time.time() - 60,) * 2)
    assert sh.json("shop", "sync", "Sheets")[0]["changed"] == 1
