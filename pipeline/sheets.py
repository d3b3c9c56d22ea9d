"""Spreadsheets looked at and taken over by hand: a preview of the orders in a file, then the file into the shop's folder.

The orders themselves come over as those of any shop do: the file is laid into the folder and the shop is synced.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from connectors import files
from connectors.contract import Parsed, Poison
from connectors.http import WireError
from connectors.shops.spreadsheet import Spreadsheet
from connectors.shops.spreadsheet_file import MAX_BYTES, BadSheet, sheet_bytes
from connectors.shops.spreadsheet_folder import Sheet
from domain.imports import Defect, Exclusion, ImportPolicy, admit
from domain.records import Order
from domain.results import Refused
from domain.text import storable
from domain.words import _
from pipeline import persons, setup
from pipeline.base import Pipeline
from pipeline.sync import kept_form, policy_of
from pipeline.worker import sync_now
from store import accounts, intake
from store.database import chunks


class Row(Struct, frozen=True):
    """One order of a file, and what would become of it: `new`, `changed`, `same`, `left_out` or `failed`."""

    number: str
    rows: tuple[int, ...]
    """Its rows as a spreadsheet counts them."""
    outcome: str
    code: str = ""
    reason: str = ""
    order: Order | None = None


class Preview(Struct, frozen=True):
    """A file as orders; nothing of it is kept."""

    source: str
    """How the file was read."""
    columns: str
    """The setting `columns` under which it was read, a guess unless `saved`."""
    saved: bool
    rows: tuple[Row, ...]
    failures: tuple[tuple[str, ...], ...]
    """The failure list: the header, then each failed row with its reason in the last column; empty where none failed."""

    def count(self, outcome: str) -> int:
        """How many orders have this outcome."""
        return sum(row.outcome == outcome for row in self.rows)


class Imported(Struct, frozen=True):
    """What came of an import: the preview it began with, and the sync's reason code ('' = done)."""

    preview: Preview
    code: str


async def preview(p: Pipeline, shop_id: int, file: Path, who: str) -> Preview | Refused:
    """What a file would become, in this shop, now."""
    looked = await _looked_at(p, shop_id, file, who)
    return looked if isinstance(looked, Refused) else looked[0]


async def import_sheet(p: Pipeline, shop_id: int, file: Path, who: str) -> Imported | Refused:
    """Lay a file into the shop's folder and sync. Refused where no row of it can become an order."""
    looked = await _looked_at(p, shop_id, file, who)
    if isinstance(looked, Refused):
        return looked
    seen, connector, data = looked
    if all(row.outcome == "failed" for row in seen.rows):
        first = next((row.reason for row in seen.rows), _("it has no rows"))
        return Refused("no_orders", _("No row can become an order: {reason}").format(reason=first))
    try:
        await asyncio.to_thread(connector.put, data, file.name)
    except WireError as error:
        return setup.refused(error)
    codes = await sync_now(p, shop_id, ("orders",))
    return Imported(seen, codes["orders"])


async def save_columns(p: Pipeline, shop_id: int, columns: str, who: str) -> Refused | None:
    """Keep the columns of a preview as the shop's setting."""
    answer = await setup.set_shop(p, shop_id, {"columns": columns}, {}, who)
    return answer if isinstance(answer, Refused) else None


def write_failures(seen: Preview, target: Path) -> Refused | None:
    """Write a failure list as .csv or .xlsx; no cell of it can act as a formula."""
    ending = target.suffix.lower().lstrip(".")
    if ending not in {"csv", "xlsx"}:
        return Refused("bad_ending", _("A failure list is a .csv or an .xlsx file."), "failures")
    try:
        files.replace(target, sheet_bytes(seen.failures, ending))
    except OSError as error:
        return Refused("not_writable", _("{file} cannot be written.").format(file=target), type(error).__name__)
    return None


async def _looked_at(p: Pipeline, shop_id: int, file: Path, who: str) -> tuple[Preview, Spreadsheet, bytes] | Refused:
    async with p.store.reading() as tx:
        shop_row = await accounts.shop(tx, shop_id)
        shop = p.shop_facts(shop_row)
        refusal = await persons.shop_refusal(tx, who, shop)
    if refusal := refusal or await persons.refusal(p, who):
        return refusal
    connector = await p.shop(shop_id)
    if not isinstance(connector, Spreadsheet):
        return Refused("no_sheets", _("{name} is no shop of spreadsheets.").format(name=shop.name))
    try:
        data = await asyncio.to_thread(_read, file)
        sheet = await asyncio.to_thread(connector.preview, data, file.name)
    except OSError:
        return Refused("not_found", _("{file} cannot be read.").format(file=file))
    except BadSheet as bad:
        return Refused(bad.code, str(bad))
    except WireError as error:
        return setup.refused(error)
    rows = await _compared(p, shop_id, sheet, policy_of(shop, shop_row.currency, shop_row.connected_at))
    late = {row.number: row.reason for row in rows if row.outcome == "failed"}
    failures = tuple(tuple(cells) for cells in sheet.failures(late))
    return Preview(sheet.table.source, sheet.setting, sheet.saved, tuple(rows), failures), connector, data


async def _compared(p: Pipeline, shop_id: int, sheet: Sheet, policy: ImportPolicy) -> list[Row]:
    """The orders of a sheet beside those that are kept."""
    numbers = [storable(one.item.order.platform_order_id) for one in sheet.found if isinstance(one.item, Parsed)]
    known: dict[str, bytes] = {}
    async with p.store.reading() as tx:
        for ids in chunks(numbers, 1000):
            known |= {number: kept.content_hash for number, kept in (await intake.look_up(tx, shop_id, ids))[0].items()}
    return [_row(one.item, [row.number for row in one.rows], known, policy) for one in sheet.found]


def _row(item: Parsed | Poison, rows: Sequence[int], known: dict[str, bytes], policy: ImportPolicy) -> Row:
    if isinstance(item, Poison):
        return Row(item.platform_order_id, tuple(rows), "failed", item.code, item.message)
    order, digest = kept_form(item.order)
    stored = known.get(order.platform_order_id)
    if stored is not None:
        return Row(order.number, tuple(rows), "same" if stored == digest else "changed", order=order)
    match admit(order, policy):
        case Exclusion(reason=reason, detail=detail):
            return Row(order.number, tuple(rows), "left_out", reason, detail, order)
        case Defect(code=code, message=message):
            return Row(order.number, tuple(rows), "failed", code, message, order)
    return Row(order.number, tuple(rows), "new", order=order)


def _read(file: Path) -> bytes:
    with open(file, "rb") as opened:
        return opened.read(MAX_BYTES + 1)
