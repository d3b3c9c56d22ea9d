"""Sample exports, made here cell by cell, and a spreadsheet shop on a folder."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from connectors.contract import Binding, Parsed, Poison
from connectors.http import HttpClient
from connectors.shops.spreadsheet import Spreadsheet

NOW = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)

HEADER = (
    "Order number",
    "Order date",
    "SKU",
    "Product name",
    "Quantity",
    "Price",
    "Recipient",
    "Address",
    "City",
    "Phone",
)
ROW = (
    "A-100",
    "2026-11-20 10:30",
    "NB-A5",
    "Notebook A5",
    "2",
    "19.99",
    "Ada Nowak",
    "ul. Długa 5",
    "Poznań",
    "+48600100200",
)


def row(**changes: str) -> tuple[str, ...]:
    """A plain row; `changes` by the field's name in lower case, blanks as underscores."""
    names = [name.lower().replace(" ", "_") for name in HEADER]
    assert changes.keys() <= set(names), changes
    return tuple(changes.get(name, value) for name, value in zip(names, ROW, strict=True))


def csv_of(
    *rows: Sequence[str], encoding: str = "utf-8", delimiter: str = ",", header: Sequence[str] = HEADER
) -> bytes:
    """A text file with these rows under a header."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([header, *rows])
    return out.getvalue().encode(encoding)


def xlsx_of(*rows: Sequence[Any], header: Sequence[str] = HEADER, also: Callable[[Any], object] | None = None) -> bytes:
    """A workbook of one sheet; `also` is done to the sheet before it is saved."""
    book = Workbook()
    sheet: Any = book.active
    for cells in [header, *rows]:
        sheet.append(list(cells))
    if also is not None:
        also(sheet)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


class Clock:
    """Stands where it is put."""

    def __init__(self, at: int = NOW) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


def a_shop(folder: Path, clock: Clock | None = None, /, **settings: str) -> Spreadsheet:
    """A shop on a folder, in Warsaw and złoty."""
    fields = {
        "folder": str(folder),
        "timezone": "Europe/Warsaw",
        "default_currency": "PLN",
        "country": "PL",
        **settings,
    }
    ticks = clock or Clock()
    return Spreadsheet(Binding("Sheets", fields, {}, HttpClient("", clock=ticks), ticks))


def read(shop: Spreadsheet, data: bytes, name: str = "orders.csv") -> list[Parsed | Poison]:
    """A file's orders, as a preview finds them."""
    return [one.item for one in shop.understood(data, name, NOW).found]


def one(shop: Spreadsheet, *rows: Sequence[str], header: Sequence[str] = HEADER) -> Any:
    """The only order of a text file with these rows, or what is wrong with it."""
    [item] = read(shop, csv_of(*rows, header=header))
    return item.order if isinstance(item, Parsed) else item
