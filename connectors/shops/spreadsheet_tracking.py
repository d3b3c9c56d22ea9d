"""Tracking numbers back to a platform: one spreadsheet a day (or an hour) in the layout its upload wants.

The book of what was told, `told.jsonl`, is only ever appended to and is what a read-back looks into; the sheets are
written anew from it, whole or not at all, so that a crash between the two leaves nothing out and nothing twice.
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from connectors import files
from connectors.contract import Push, PushLine
from connectors.shops.spreadsheet_file import sheet_bytes
from domain.clock import Instant, to_datetime
from domain.results import Refused
from domain.text import safe
from domain.words import _

FIELDS = ("number", "carrier", "tracking", "url", "date", "time", "line", "quantity")
DEFAULT_LAYOUT = "Order number=number; Carrier=carrier; Tracking number=tracking; Shipped=date"
BOOK = "told.jsonl"


class Told(Struct, frozen=True):
    """One parcel of one order that a sheet tells."""

    key: str
    order: str
    number: str
    carrier: str
    url: str
    at: Instant
    sheet: str
    """Name of its sheet, without ending."""
    lines: tuple[PushLine, ...] = ()


class Layout(Struct, frozen=True):
    """The columns of a tracking sheet: (title, field) or (title, `'constant'`)."""

    columns: tuple[tuple[str, str], ...]
    carriers: Mapping[str, str]
    """Our carrier's name → the platform's."""
    zone: str
    ending: str
    encoding: str
    hourly: bool

    def sheet_of(self, at: Instant) -> str:
        """The sheet that what is told at an instant stands in."""
        local = self._local(at)
        return f"{local:%Y-%m-%d %H}h" if self.hourly else f"{local:%Y-%m-%d}"

    def rows(self, told: Told) -> list[list[str]]:
        """Its rows: one, or one for each line where the layout has columns of lines."""
        local = self._local(told.at)
        values = {
            "number": told.order,
            "carrier": self.carriers.get(told.carrier, told.carrier),
            "tracking": told.number,
            "url": told.url,
            "date": f"{local:%Y-%m-%d}",
            "time": f"{local:%Y-%m-%d %H:%M:%S}",
        }
        by_line = any(field in {"line", "quantity"} for _title, field in self.columns)
        rows = []
        for line in told.lines if by_line and told.lines else (PushLine("", 0),):
            row = {**values, "line": line.platform_line_id, "quantity": str(line.quantity or "")}
            rows.append([field[1:-1] if field.startswith("'") else row[field] for _title, field in self.columns])
        return rows

    def file(self, told: Sequence[Told]) -> bytes:
        """A whole sheet. Raises `UnicodeEncodeError`."""
        header = [title for title, _field in self.columns]
        return sheet_bytes([header, *(row for one in told for row in self.rows(one))], self.ending, self.encoding)

    def _local(self, at: Instant) -> datetime:
        return to_datetime(at).astimezone(ZoneInfo(self.zone))


def layout_of(columns: str, carriers: str, zone: str, ending: str, encoding: str, every: str) -> Layout | Refused:
    """A layout as it is saved (`订单号=number; 物流公司=carrier; Status='shipped'`), or what is wrong with it."""
    found: list[tuple[str, str]] = []
    for part in filter(None, (part.strip() for part in re.split(r"[;\n]", columns or DEFAULT_LAYOUT))):
        title, sign, field = (piece.strip() for piece in part.rpartition("="))
        constant = len(field) > 1 and field.startswith("'") and field.endswith("'")
        if not sign or not title or not (constant or field in FIELDS):
            text = _("{part}: write title=field or title='words'; the fields are {fields}.")
            return Refused("bad_layout", text.format(part=safe(part, 60), fields=", ".join(FIELDS)), "layout")
        found.append((title, field))
    if not {"number", "tracking"} <= {field for _title, field in found}:
        return Refused("bad_layout", _("The layout needs columns for number and tracking."), "layout")
    if ending not in {"csv", "xlsx"}:
        return Refused("bad_layout", _("Tracking sheets are csv or xlsx."), "tracking_format")
    if every not in {"day", "hour"}:
        return Refused("bad_layout", _("A tracking sheet holds a day or an hour."), "tracking_every")
    try:
        "".encode(encoding)
    except LookupError:
        text = _("There is no encoding {name}.")
        return Refused("unknown_encoding", text.format(name=safe(encoding, 40)), "tracking_encoding")
    return Layout(tuple(found), pairs(carriers), zone, ending, encoding, every == "hour")


def pairs(setting: str) -> dict[str, str]:
    """`ours=theirs; ours=theirs` as a mapping; parts without a sign count for nothing."""
    parts = (part.partition("=") for part in re.split(r"[;\n]", setting) if "=" in part)
    return {ours.strip(): theirs.strip() for ours, _sign, theirs in parts}


class Tracking:
    """The folder of tracking sheets. Its methods read and write files: they belong in a thread."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self._folder, self._layout = folder, layout
        self._by_parcel: dict[tuple[str, str], Told] = {}
        self._by_sheet: dict[str, list[Told]] = {}
        self._read_to = 0

    def told(self, push: Push) -> Told | None:
        """What the book says of this parcel of this order. Raises `OSError`."""
        self._look()
        return self._by_parcel.get((push.platform_order_id, push.number))

    def entry(self, push: Push, at: Instant) -> Told | Refused:
        """What would be told, or why its sheet cannot hold it."""
        told = Told(
            push.key,
            push.platform_order_id,
            push.number,
            push.carrier,
            push.url,
            at,
            self._layout.sheet_of(at),
            push.lines,
        )
        if self._layout.ending == "csv":
            try:
                "".join(text for row in self._layout.rows(told) for text in row).encode(self._layout.encoding)
            except UnicodeEncodeError:
                text = _("{encoding} cannot hold every letter of this order: set tracking_encoding.")
                return Refused("not_in_encoding", text.format(encoding=self._layout.encoding))
        return told

    def append(self, told: Sequence[Told]) -> None:
        """Write into the book; from here on they are told. Raises `OSError`: then nobody knows."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        lines = b"".join(msgspec.json.encode(one) + b"\n" for one in told)
        descriptor = os.open(self._folder / BOOK, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "r+b", buffering=0) as book:
            end = book.seek(0, os.SEEK_END)
            if end and os.pread(book.fileno(), 1, end - 1) != b"\n":
                lines = b"\n" + lines  # A line that a crash cut off stays by itself, and counts for nothing.
            while lines:
                lines = lines[book.write(lines) :]
            os.fsync(book.fileno())
        files.settle(self._folder)

    def write_sheet(self, name: str) -> None:
        """Write a sheet from the book. Raises `OSError` or `UnicodeEncodeError`."""
        self._look()
        files.replace(self._folder / f"{name}.{self._layout.ending}", self._layout.file(self._by_sheet[name]))

    def _look(self) -> None:
        """Read what was appended since. A line that is none was cut off by a crash before it was acknowledged."""
        try:
            with open(self._folder / BOOK, "rb") as book:
                book.seek(self._read_to)
                content = book.read()
        except FileNotFoundError:
            return
        whole = content.rpartition(b"\n")[0]
        self._read_to += len(whole) + 1 if whole else 0
        for line in whole.split(b"\n") if whole else ():
            try:
                told = msgspec.json.decode(line, type=Told)
            except msgspec.MsgspecError:
                continue
            if self._by_parcel.setdefault((told.order, told.number), told) is told:
                self._by_sheet.setdefault(told.sheet, []).append(told)
