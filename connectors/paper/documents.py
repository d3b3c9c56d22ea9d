"""Documents of the warehouse on A4: the pick list of a wave, the packing slip in the box."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from connectors.contract import Label
from connectors.paper.sheet import LEADING, MM, PRACTICE, SIZES, Sheet, address_lines, drawing
from connectors.paper.text import cut, first_few, wrap
from domain.records import Address
from domain.words import _

A4 = (210 * MM, 297 * MM)


class PickRow(Struct, frozen=True):
    """One thing to fetch. Rows are printed in the order given; a new `zone` gets a heading."""

    location: str
    sku: str
    name: str
    quantity: int
    options: str = ""
    orders: int = 1
    basket: str = ""
    """Where a piece of a multi-piece order goes; several are written with commas."""
    zone: str = ""


class SlipLine(Struct, frozen=True):
    """One line of what is in the box."""

    sku: str
    name: str
    quantity: int
    options: str = ""


class Slip(Struct, frozen=True):
    """What a packing slip says. `code` is our shipment code, `number` the waybill's."""

    code: str
    recipient: Address
    lines: tuple[SlipLine, ...]
    sender: Address = Address()
    order_numbers: tuple[str, ...] = ()
    carrier: str = ""
    number: str = ""
    note: str = ""
    """The buyer's note."""


class _Column(Struct, frozen=True):
    title: str
    width: float
    size: float = 9
    align: str = "left"


_MARGIN = 15 * MM
_CELL_LINES = 12


def pick_list(
    title: str,
    rows: Sequence[PickRow],
    code: str,
    *,
    printed: str = "",
    practice: bool = False,
    substitute: bool = True,
) -> Label:
    """Draw an A4 pick list: location, SKU, name, pieces, a box to tick; `code` as a barcode, page n/m at the foot.

    `printed` is who printed it and when, in the words of the caller. A letter the font lacks becomes 〓 here, unless
    `substitute` is off: a picker goes by location and SKU.
    """
    with drawing:
        sheet = Sheet(A4, title, substitute=substitute)
        columns = (
            _Column("", 8 * MM),
            _Column(sheet.checked(_("Location"), "label"), 26 * MM, 10),
            _Column(sheet.checked(_("SKU"), "label"), 38 * MM),
            _Column(sheet.checked(_("Name"), "label"), 62 * MM),
            _Column(sheet.checked(_("Basket"), "label"), 18 * MM),
            _Column(sheet.checked(_("Orders"), "label"), 14 * MM, 9, "right"),
            _Column(sheet.checked(_("Qty"), "label"), 14 * MM, 12, "right"),
        )
        table: list[tuple[str, ...] | str] = []
        zone = ""
        for index, row in enumerate(rows):
            if row.zone != zone:
                zone = row.zone
                table.append(sheet.checked(zone, f"rows.{index}.zone"))
            cells = (row.location, row.sku, f"{row.name} {row.options}", row.basket, str(row.orders), str(row.quantity))
            table.append(("☐", *(sheet.checked(cell, f"rows.{index}") for cell in cells)))
        pieces = sum(row.quantity for row in rows)
        summary = _("{rows} lines, {pieces} pieces").format(rows=len(rows), pieces=pieces)

        def head(page: int) -> float:
            y = _document_head(sheet, sheet.checked(title, "title"), code, page)
            if page == 0:
                sheet.text(_MARGIN, y - 10, sheet.checked(summary, "label"), 10)
                y -= 16
            return y

        _document(sheet, head, columns, table, 32 * MM, 32 * MM, printed, practice)
        return sheet.finish()


def packing_slip(slip: Slip, *, printed: str = "", practice: bool = False, substitute: bool = True) -> Label:
    """Draw the A4 slip that goes into the box: goods, quantities, the buyer's note, the shipment's barcode."""
    with drawing:
        sheet = Sheet(A4, slip.code, substitute=substitute)
        columns = (
            _Column(sheet.checked(_("SKU"), "label"), 45 * MM),
            _Column(sheet.checked(_("Name"), "label"), 119 * MM),
            _Column(sheet.checked(_("Qty"), "label"), 16 * MM, 12, "right"),
        )
        table: list[tuple[str, ...] | str] = [
            tuple(
                sheet.checked(cell, f"lines.{index}")
                for cell in (line.sku, f"{line.name} {line.options}", str(line.quantity))
            )
            for index, line in enumerate(slip.lines)
        ]
        facts = [
            (_("Order"), first_few(slip.order_numbers, 12)),
            (_("Carrier"), slip.carrier),
            (_("Tracking number"), slip.number),
            # A buyer may write a novel; what the slip has room for is eight lines of small print.
            (_("Note"), cut(sheet.checked(slip.note, "note"), 6, 8 * 170 * MM)),
        ]
        told = [(sheet.checked(f"{word}: {text}", "facts"), 1.0) for word, text in facts if text]

        def head(page: int) -> float:
            y = _document_head(sheet, sheet.checked(_("Packing slip"), "label"), slip.code, page)
            if page == 0:
                sizes = (11.0, 10.0, 9.0, 8.0, 7.0, 6.0)
                half = 86 * MM
                sheet.block(
                    _MARGIN, y, address_lines(sheet, slip.recipient, "recipient"), (half, 36 * MM), sizes, "recipient"
                )
                aside = [(text, 1.0) for text, _factor in address_lines(sheet, slip.sender, "sender")]
                sheet.block(_MARGIN + half + 8 * MM, y, aside, (half, 36 * MM), sizes[2:], "sender")
                y -= 38 * MM
                sheet.block(_MARGIN, y, told, (180 * MM, 26 * MM), sizes[1:], "note")
                y -= 28 * MM
            return y

        _document(sheet, head, columns, table, 98 * MM, 32 * MM, printed, practice)
        return sheet.finish()


def _document_head(sheet: Sheet, title: str, code: str, page: int) -> float:
    """Title and barcode of every page; returns where its own matter begins."""
    top = sheet.height - _MARGIN
    width = sheet.barcode(
        sheet.width - _MARGIN, top - 11 * MM, code, 100 * MM, 11 * MM, (2, 1), field="code", align="right"
    )
    sheet.text(sheet.width - _MARGIN - width / 2, top - 15 * MM, sheet.checked(code, "code"), 9, "middle")
    room = (180 * MM - width - 4 * MM, 14 * MM)
    sheet.block(_MARGIN, top, [(title, 1)], room, (18, *SIZES) if page == 0 else SIZES[3:], "title")
    return top - 18 * MM


def _document(
    sheet: Sheet,
    head: Callable[[int], float],
    columns: Sequence[_Column],
    rows: Sequence[tuple[str, ...] | str],
    first: float,
    later: float,
    printed: str,
    practice: bool,
) -> None:
    """Draw every page: `head`, the rows that fit, the foot. `first` and `later` are the heights heads may take."""
    laid = [_lay(columns, row) for row in rows]
    pages: list[list[tuple[list[list[str]] | str, float]]] = [[]]
    room = full = sheet.height - _MARGIN - first - 10 * MM - 8 * MM
    for index, (cells, tall) in enumerate(laid):
        # A heading stays with the row it heads.
        keep = tall + (laid[index + 1][1] if isinstance(cells, str) and index + 1 < len(laid) else 0)
        if keep > room and room < full:
            pages.append([])
            room = full = sheet.height - _MARGIN - later - 10 * MM - 8 * MM
        pages[-1].append((cells, tall))
        room -= tall
    foot = sheet.checked(printed, "printed")
    for number, page in enumerate(pages):
        if practice:
            sheet.watermark(_MARGIN, 40 * MM, sheet.width - 2 * _MARGIN, 200 * MM)
        y = _titles(sheet, columns, head(number))
        for cells, tall in page:
            _row(sheet, columns, cells, y, tall)
            y -= tall
        counted = _("Page {page}/{pages}").format(page=number + 1, pages=len(pages))
        sheet.text(sheet.width - _MARGIN, 9 * MM, sheet.checked(counted, "label"), 8, "right")
        sheet.text(_MARGIN, 9 * MM, cut(foot, 8, 130 * MM), 8)
        if practice:
            sheet.text(sheet.width / 2, 5 * MM, PRACTICE, 8, "middle")
        sheet.next_page()


def _lay(columns: Sequence[_Column], row: tuple[str, ...] | str) -> tuple[list[list[str]] | str, float]:
    if isinstance(row, str):
        return row, 20.0
    cells = []
    for column, cell in zip(columns, row, strict=True):
        lines = wrap(cell, column.size, column.width - 4) if cell != "☐" else [cell]
        if len(lines) > _CELL_LINES:
            lines = [*lines[: _CELL_LINES - 1], cut(lines[_CELL_LINES - 1] + "…", column.size, column.width - 4)]
        cells.append(lines)
    return cells, max(
        18.0, max(len(lines) * column.size * LEADING for column, lines in zip(columns, cells, strict=True)) + 6
    )


def _titles(sheet: Sheet, columns: Sequence[_Column], top: float) -> float:
    x = _MARGIN
    for column in columns:
        at = x if column.align == "left" else x + column.width - 4
        sheet.line(at, top - 9, column.title, column.width, (8, 7, 6, 5, 4), "label", column.align)
        x += column.width
    sheet.rule(_MARGIN, top - 13, x - _MARGIN, 1)
    return top - 13


def _row(sheet: Sheet, columns: Sequence[_Column], cells: list[list[str]] | str, top: float, tall: float) -> None:
    whole = sum(column.width for column in columns)
    if isinstance(cells, str):
        sheet.band(_MARGIN, top - tall, whole, tall)
        sheet.text(_MARGIN + 4, top - 14, cut(cells, 11, whole - 8), 11)
        return
    x = _MARGIN
    for column, lines in zip(columns, cells, strict=True):
        y = top - 3
        for line in lines:
            if line == "☐":  # drawn: the font has no such letter
                sheet.frame(x + 1, top - 14, 10, 10, 0.8)
                continue
            at = x if column.align == "left" else x + column.width - 4
            sheet.text(at, y - column.size, line, column.size, column.align)
            y -= column.size * LEADING
        x += column.width
    sheet.rule(_MARGIN, top - tall, whole, 0.3)
