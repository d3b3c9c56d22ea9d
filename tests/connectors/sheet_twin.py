"""A merchant at a desk: exports what changed as spreadsheets into a folder, and uploads the tracking sheets found there.

No wire stands between the connector and this twin, only the folder; the back door is how a test is the merchant.
"""

import argparse
import csv
import io
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.conformance.kit import Kit, Wanted
from connectors.simulated.launch import Twin
from connectors.simulated.server import Answer, Request, Service

GOODS = (("NB-A5", "Notebook A5", "19.99"), ("PEN-07", "Pen", "2.50"), ("BD-RED", "Binder", "7.00"))
HEADER = (
    "Order number", "Order date", "Order status", "Currency", "Line id", "SKU", "Product name", "Quantity", "Line total",
    "Price", "Recipient", "Address", "City", "Postcode", "Country", "Phone", "Tracking number", "Gift wrapping",
)  # fmt: skip


class Desk(Service):
    """One merchant."""

    def __init__(self) -> None:
        super().__init__()
        self._home = tempfile.TemporaryDirectory(prefix="shipdeck-sheets-")
        self.folder = Path(self._home.name)
        self.orders: dict[str, dict[str, Any]] = {}
        self.at_s = 0.0
        self.exports = 0

    def hello(self) -> dict[str, object]:
        """Where exports lie."""
        return {"folder": str(self.folder)}

    def handle(self, request: Request) -> Answer:
        """Nobody calls."""
        raise NotImplementedError(request.path)

    def admin_route(self, method: str, path: str, body: Any) -> Any:
        """`POST orders|change|clock`, `GET numbers`."""
        match f"{method} {path}":
            case "POST orders":
                made = [self._make(one) for one in body["orders"]]
                self._export(made)
                return made
            case "POST change":
                order = self.orders[body["order"]]
                order.update(body.get("values", {}))
                order["lines"][0].update(body.get("line", {}))
                self._export([body["order"]])
                return {}
            case "POST clock":
                self.at_s = float(body["at_s"])
                return {}
            case "GET numbers":
                return self._uploaded()
        raise LookupError(path)

    def _make(self, given: dict[str, Any]) -> str:
        number = f"{1001 + len(self.orders)}"
        at = given.get("created_s") or self.at_s or time.time()
        price = given.get("price", "")
        lines = [
            {
                "id": f"{number}-{n}",
                "sku": sku,
                "name": name,
                "pieces": given["pieces"],
                "price": price or cost,
                "total": price,
            }
            for n, (sku, name, cost) in enumerate(GOODS[: given["lines"]])
        ]
        self.orders[number] = {
            "date": datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "status": "paid",
            "currency": given["currency"] or "PLN",
            "line1": "ul. Zeszytowa 5",
            "tracking": "",
            "wrapping": "",
            "lines": lines,
        }
        return number

    def _export(self, numbers: list[str]) -> None:
        """A sheet with the orders that changed, laid there whole, a while ago."""
        self.exports += 1
        out = io.StringIO(newline="")
        write = csv.writer(out, delimiter=";").writerow
        write(HEADER)
        for number in numbers:
            o = self.orders[number]
            for line in o["lines"]:
                write(
                    (number, o["date"], o["status"], o["currency"], line["id"], line["sku"], line["name"], line["pieces"],
                     line["total"], line["price"], "Ada Nowak", o["line1"], "Białystok", "15-001", "PL", "+48600100200",
                     o["tracking"], o["wrapping"])
                )  # fmt: skip
        part = self.folder / ".export.part"
        part.write_bytes(out.getvalue().encode("cp1250"))
        os.utime(part, (1e9, 1e9))
        part.rename(self.folder / f"export-{self.exports:05d}.csv")

    def _uploaded(self) -> dict[str, list[str]]:
        """Order → the numbers that the tracking sheets tell, as often as they do."""
        found: dict[str, list[str]] = {}
        for path in sorted((self.folder / "tracking").glob("*.csv")):
            for line in csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))):
                if line["Tracking number"]:
                    found.setdefault(line["Order number"], []).append(line["Tracking number"])
        return found


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def make(_options: argparse.Namespace) -> Desk:
    """The merchant."""
    return Desk()


# ---------------------------------------------------------------- the kit


def _orders(twin: Twin, wanted: Any) -> list[str]:
    made: list[str] = twin.admin("POST", "orders", {"orders": [_order(one) for one in wanted]})
    return made


def _order(wanted: Wanted) -> dict[str, Any]:
    names = ("lines", "pieces", "created_s", "currency", "price")
    return {name: getattr(wanted, name) for name in names}


def _set(twin: Twin, order: str, **values: Any) -> None:
    twin.admin("POST", "change", {"order": order, "values": values})


def _line(twin: Twin, order: str, **values: Any) -> None:
    twin.admin("POST", "change", {"order": order, "line": values})


def _odd(twin: Twin, order: str, field: str, word: str, told: str) -> str:
    _set(twin, order, **{field: word})
    return told


_NO_ROWS = "a sheet has no row for what was given back"
KIT = Kit(
    twin="tests.connectors.sheet_twin",
    settings={"folder": "{folder}", "timezone": "Europe/Warsaw", "default_currency": "PLN", "decimal": "point"},
    secrets={},
    make=_orders,
    numbers=lambda twin, order: twin.admin("GET", "numbers").get(order, []),
    clock=lambda twin, at: twin.admin("POST", "clock", {"at_s": at}),
    address=lambda twin, order, line: _set(twin, order, line1=line),
    pieces=lambda twin, order, pieces: _line(twin, order, pieces=pieces),
    cancel=lambda twin, order: _set(twin, order, status="cancelled"),
    ship=lambda twin, order, number: _set(twin, order, status="shipped", tracking=number),
    odd_status=lambda twin, order: _odd(twin, order, "status", "at the engraver", "at the engraver"),
    odd_field=lambda twin, order: _odd(twin, order, "wrapping", "blue", "Gift wrapping"),
    spoil=lambda twin, order: _line(twin, order, total="a lot"),
    cannot={
        "delete": "a row that vanished is not deleted",
        "refund": _NO_ROWS,
        "open_case": _NO_ROWS,
        "close_case": _NO_ROWS,
        "stock": "a sheet of orders tells no stock",
        "bad_carrier": "nobody refuses a row of a sheet",
        "redacted": "a sheet says what it says",
        "line_check": "nobody compares a parcel with its order",
        "readings": "no documentation leaves anything open",
    },
)
