"""Draws our own labels and documents, and checks and joins the PDFs that go to a printer.

Drawing needs reportlab, checking and joining need PDFium; both are imported when first used, so that importing this
module costs nothing. Neither may be used by two threads at once: each has its lock, and every function here may be
called from any thread.

Sizes are points (1/72 inch) from the lower left corner; widths of bars are whole dots of a 203 dpi thermal printer.
"""

import hashlib
import io
import math
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from connectors.contract import Label, WaybillRequest
from domain.money import UnknownCurrency, format_minor
from domain.records import Address
from domain.text import safe
from domain.words import _

T = TypeVar("T")

PDF = "application/pdf"
MM = 72 / 25.4
DOT = 72 / 203
"""One dot of the coarsest printers in use: a bar that is not a whole number of them wide prints blurred."""
LABEL_SIZE = (100 * MM, 150 * MM)
A4 = (210 * MM, 297 * MM)
QUIET = 10
"""White modules a Code128 needs on either side."""
PRACTICE = "PRACTICE / 练习"
SUBSTITUTE = "〓"

_FONT_FILE = Path(__file__).parent / "fonts" / "wqy-microhei.ttc"
_FONT = "WenQuanYiMicroHei"
_LEADING = 1.22
_SIZES = (15.0, 14.0, 13.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.5, 5.0)

_drawing = threading.RLock()
_pdfium = threading.Lock()


class LabelRefused(ValueError):
    """The page cannot be made as asked. `code` is stable, `field` names what must change (`recipient.name`)."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.field = code, message, field


class MissingGlyph(LabelRefused):
    """A character that the label font cannot print; a parcel must not leave with a hole in its address."""

    def __init__(self, character: str, field: str) -> None:
        self.character = character
        super().__init__(
            "missing_glyph",
            _("The label font has no letter {letter} (U+{code}), which stands in {field}; correct the text.").format(
                letter=safe(character), code=f"{ord(character):04X}", field=field
            ),
            field,
        )


class BadLabel(LabelRefused):
    """Bytes that are no printable PDF. `kind` says what they look like: html, json, zpl, truncated, empty, …"""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__("bad_label", message)


# ---------------------------------------------------------------- text


class _Font(Struct, frozen=True):
    string_width: Callable[[str, float], float]
    inked: frozenset[int]

    def width(self, text: str, size: float) -> float:
        return _advance(text) * size


@lru_cache(maxsize=16_384)
def _advance(text: str) -> float:
    """The width of `text` at size 1. The font is not kerned, so widths of pieces add up."""
    return _font().string_width(text, 1)


@lru_cache(maxsize=1)
def _font() -> _Font:
    """The label font, parsed once per process and known to reportlab as `_FONT`."""
    from reportlab import rl_config
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    rl_config.useA85 = 0  # ASCII armour makes every label a quarter larger and slower
    font = TTFont(_FONT, str(_FONT_FILE), asciiReadable=False, shapable=False)
    face = font.face
    # Each document would copy the whole outline table (3.5 MB) to pick some forty letters out of it.
    face.get_table = lru_cache(maxsize=None)(face.get_table)
    pdfmetrics.registerFont(font)
    # The font names 17 characters (ǎ, ℃, Ⅴ …) that have no outline: they would print as nothing.
    start = face.glyphPos
    inked = {code for code, glyph in face.charToGlyph.items() if glyph and start[glyph + 1] > start[glyph]}
    return _Font(lambda text, size: float(font.stringWidth(text, size)), frozenset(inked | {0x20, 0x3000}))


_INVISIBLE = re.compile("[\u180b-\u180e\ufe00-\ufe0f\U000e0100-\U000e01ef\u3164]")


def printable(text: str) -> str:
    """`text` as ink can show it: composed (NFC), on one line, without what has no shape (controls, marks of direction).

    Ideographic spaces stay; other runs of white space become one space.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if "  " in text else text.strip()
    kept = []
    for character in unicodedata.normalize("NFC", _INVISIBLE.sub("", text)):
        category = unicodedata.category(character)
        if character in "\t\n\r\v\f" or category in {"Zl", "Zp"} or (category == "Zs" and character != "\u3000"):
            kept.append(" ")
        elif category not in {"Cc", "Cf"}:
            kept.append(character)
    return re.sub(" {2,}", " ", "".join(kept)).strip()


_WIDE = "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef"
# A wide character may end a line, but not before a mark that closes what precedes it.
_PIECES = re.compile(rf"\s+|[{_WIDE}][，。、；：！？）」』】》]*|[^\s{_WIDE}]+")


def wrap(text: str, size: float, width: float) -> list[str]:
    """Break `text` into lines no wider than `width`: at spaces, between Han characters, else inside a long word."""
    measure = _font().width
    if measure(text, size) <= width:
        return [text] if text else []
    lines: list[str] = []
    line = ""
    taken = 0.0
    for piece in _PIECES.findall(text):
        long = measure(piece, size)
        if taken + long <= width or piece.isspace():
            line += piece
            taken += long
            continue
        if line.strip():
            lines.append(line.rstrip())
        line, taken = piece, long
        while taken > width and len(line) > 1:
            head = _fitting(line, size, width)
            lines.append(line[:head])
            line = line[head:]
            taken = measure(line, size)
    if line.strip():
        lines.append(line.rstrip())
    return lines


def _fitting(text: str, size: float, width: float) -> int:
    """How many characters of `text` fit, at least one."""
    measure = _font().width
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle], size) <= width:
            low = middle
        else:
            high = middle - 1
    return low


def cut(text: str, size: float, width: float) -> str:
    """`text`, shortened to `width` with `…` where it must be."""
    measure = _font().width
    if measure(text, size) <= width:
        return text
    return text[: _fitting(text, size, width - measure("…", size))].rstrip() + "…"


# ---------------------------------------------------------------- barcodes


@lru_cache(maxsize=4096)
def code128(value: str) -> tuple[tuple[tuple[int, int], ...], int]:
    """The bars of a Code128 as (offset, width) in modules, and its whole width without quiet zones.

    Raises `LabelRefused` for text that the symbology cannot hold.
    """
    if not value or not value.isascii() or not value.isprintable():
        raise LabelRefused(
            "bad_barcode", _("A barcode can hold Latin letters and digits only, not “{text}”.").format(text=safe(value))
        )
    from reportlab.graphics.barcode.code128 import Code128

    symbol = Code128(value)
    symbol.validate()
    symbol.encode()
    bars = []
    at = 0
    # reportlab spells a symbol in letters: capitals are bars and small letters spaces of 1 to 4 modules.
    for letter in symbol.decompose():
        modules = ord(letter.lower()) - ord("a") + 1
        if letter.isupper():
            bars.append((at, modules))
        at += modules
    return tuple(bars), at


# ---------------------------------------------------------------- the sheet


class _Sheet:
    """A document being drawn. Use under `_drawing`: reportlab's font object serves one document at a time."""

    def __init__(self, size: tuple[float, float], title: str, *, substitute: bool) -> None:
        from reportlab.pdfgen.canvas import Canvas

        self.width, self.height = size
        self.pages = 0
        self._font = _font()
        self._substitute = substitute
        self._out = io.BytesIO()
        # invariant: without dates, so that the same label is the same bytes
        self._canvas: Any = Canvas(self._out, pagesize=size, invariant=1, pageCompression=1)
        self._canvas.setTitle(safe(title))
        self._canvas.setCreator("shipdeck")
        self._canvas.setAuthor("shipdeck")

    def checked(self, text: str, field: str) -> str:
        """`text` as it will be printed. Raises `MissingGlyph`, or puts 〓, for what the font lacks."""
        text = printable(text)
        inked = self._font.inked
        if inked.issuperset(map(ord, text)):
            return text
        if not self._substitute:
            raise MissingGlyph(next(c for c in text if ord(c) not in inked), field)
        return "".join(c if ord(c) in inked else SUBSTITUTE for c in text)

    def measure(self, text: str, size: float) -> float:
        return self._font.width(text, size)

    def text(self, x: float, y: float, text: str, size: float, align: str = "left") -> None:
        """One line with its baseline at `y`; `x` is its left, middle or right."""
        if align != "left":
            x -= self.measure(text, size) * (0.5 if align == "middle" else 1)
        self._canvas.setFont(_FONT, size)
        self._canvas.drawString(x, y, text)

    def line(
        self, x: float, y: float, text: str, width: float, sizes: Sequence[float], field: str, align: str = "left"
    ) -> None:
        """One line in the largest of `sizes` that fits. Raises `LabelRefused` when none does."""
        for size in sizes:
            if self.measure(text, size) <= width:
                return self.text(x, y, text, size, align)
        raise _too_long(field)

    def block(
        self,
        x: float,
        top: float,
        paragraphs: Sequence[tuple[str, float]],
        box: tuple[float, float],
        sizes: Sequence[float],
        field: str,
    ) -> float:
        """Paragraphs (text, factor of the size), wrapped, in the largest size that fits `box`; returns their bottom."""
        width, height = box
        for size in sizes:
            lines = [(row, size * factor) for text, factor in paragraphs for row in wrap(text, size * factor, width)]
            if sum(each * _LEADING for _row, each in lines) <= height:
                break
        else:
            raise _too_long(field)
        y = top
        for row, each in lines:
            self.text(x, y - each, row, each)
            y -= each * _LEADING
        return y

    def rule(self, x: float, y: float, width: float, thickness: float = 0.7) -> None:
        self._canvas.setLineWidth(thickness)
        self._canvas.line(x, y, x + width, y)

    def frame(self, x: float, y: float, width: float, height: float, thickness: float = 1.2) -> None:
        self._canvas.setLineWidth(thickness)
        self._canvas.rect(x, y, width, height)

    def band(self, x: float, y: float, width: float, height: float) -> None:
        """A light grey field to write on."""
        self._canvas.setFillGray(0.9)
        self._canvas.rect(x, y, width, height, stroke=0, fill=1)
        self._canvas.setFillGray(0)

    def barcode(
        self, x: float, y: float, value: str, room: float, height: float, dots: Sequence[int], field: str, align: str
    ) -> float:
        """A Code128 in the first of `dots` per module that fits `room`, quiet zones included; returns its width."""
        try:
            bars, modules = code128(value)
        except LabelRefused as refused:
            raise LabelRefused(refused.code, refused.message, field) from None
        across = modules + 2 * QUIET
        each = next((n for n in dots if across * n * DOT <= room), 0)
        if not each:
            raise _too_long(field)
        width = across * each * DOT
        left = x - {"left": 0.0, "middle": width / 2, "right": width}[align]
        # The corner stands on a whole dot and so does every edge after it.
        x_dot, y_dot, tall = round(left / DOT) + QUIET * each, round(y / DOT), math.ceil(height / DOT)
        canvas = self._canvas
        canvas.saveState()
        canvas.scale(DOT, DOT)
        rectangles = (f"{x_dot + at * each} {y_dot} {thick * each} {tall} re" for at, thick in bars)
        canvas.addLiteral(" ".join((*rectangles, "f")))
        canvas.restoreState()
        return width

    def watermark(self, x: float, y: float, width: float, height: float) -> None:
        """PRACTICE in light grey from corner to corner of this box, to be drawn before what stands on it."""
        angle = math.atan2(height, width)
        # A text of length w and height h, turned by a, needs w·cos a + h·sin a across and w·sin a + h·cos a up.
        one = self.measure(PRACTICE, 1)
        size = min(
            width / (one * math.cos(angle) + math.sin(angle)), height / (one * math.sin(angle) + math.cos(angle))
        )
        canvas = self._canvas
        canvas.saveState()
        canvas.translate(x + width / 2, y + height / 2)
        canvas.rotate(math.degrees(angle))
        canvas.setFillGray(0.82)
        canvas.setFont(_FONT, size)
        canvas.drawCentredString(0, -size * 0.36, PRACTICE)
        canvas.restoreState()

    def next_page(self) -> None:
        self.pages += 1
        self._canvas.showPage()

    def finish(self) -> Label:
        self._canvas.save()
        return Label(PDF, self._out.getvalue(), self.pages)


def _too_long(field: str) -> LabelRefused:
    return LabelRefused(
        "too_long", _("There is no room on the page for {field}; shorten it.").format(field=field), field
    )


# ---------------------------------------------------------------- the label


def own_label(
    request: WaybillRequest,
    *,
    number: str,
    carrier: str,
    service: str,
    note: str = "",
    practice: bool = False,
    substitute: bool = False,
) -> Label:
    """Draw a 100 × 150 mm label for a waybill of ours.

    Args:
        request: recipient, sender, goods and our shipment code.
        number: the waybill number; its bars are what the carrier scans.
        carrier, service: names for people.
        note: one or two lines at the foot (`REPRINT 2`).
        practice: mark the label as one that must not travel.
        substitute: print 〓 for letters that the font lacks instead of refusing.

    Raises:
        MissingGlyph: a letter that cannot be printed, by name.
        LabelRefused: a text or a number that has no room even in the smallest print, or cannot be a barcode.
    """
    with _drawing:
        sheet = _Sheet(LABEL_SIZE, number, substitute=substitute)
        left, width = 4 * MM, 92 * MM
        right = left + width
        foot = _label_foot(sheet, request, note)
        head = _label_head(sheet, request, number, carrier, service)
        if practice:
            sheet.watermark(left, foot + 1 * MM, width, head - foot - 2 * MM)
            sheet.text(right, head - 9, PRACTICE, 8, "right")
        y = head - 1 * MM
        sheet.text(left, y - 6.5, sheet.checked(_("To"), "label"), 6.5)
        y -= 8
        paid = _collect(request)
        point = sheet.checked(request.pickup_point, "pickup_point")
        # What stands below needs its room: the sum to collect, the pickup point, one or two lines of goods.
        below = (13 * MM if paid else 0) + (12 * MM if point else 0) + 9 * MM
        recipient = _address(sheet, request.recipient, "recipient")
        y = sheet.block(left, y, recipient, (width, y - foot - below), _SIZES, "recipient") - 1.5 * MM
        if point:
            label = sheet.checked(_("Pickup point"), "label")
            sheet.rule(left, y, width)
            y = sheet.block(left, y - 2, [(f"{label}: {point}", 1)], (width, 11 * MM), _SIZES[3:], "pickup_point")
            y -= 1 * MM
        if paid:
            sheet.frame(left, y - 11 * MM, width, 11 * MM)
            text = sheet.checked(f"{_('COD')} {paid}", "cod")
            sheet.line(left + width / 2, y - 8 * MM, text, width - 4 * MM, (24, 20, 16, 12), "cod", "middle")
            y -= 12 * MM
        _label_goods(sheet, request, left, y, width, foot)
        sheet.next_page()
        return sheet.finish()


def _label_head(sheet: _Sheet, request: WaybillRequest, number: str, carrier: str, service: str) -> float:
    left, width, top = 4 * MM, 92 * MM, sheet.height
    country = sheet.checked(request.recipient.country, "recipient.country")
    aside = sheet.measure(country, 24) + 2 * MM if country else 0.0
    if country:
        sheet.line(left + width, top - 11.5 * MM, country, 30 * MM, (24, 12, 6), "recipient.country", "right")
    names = (sheet.checked(carrier, "carrier"), 1.0), (sheet.checked(service, "service"), 0.8)
    room = (width - min(aside, 30 * MM), 11 * MM)
    sheet.block(left, top - 2.5 * MM, [each for each in names if each[0]], room, _SIZES, "service")
    sheet.barcode(
        sheet.width / 2, top - 36 * MM, number, sheet.width - 2 * MM, 20 * MM, (3, 2), field="number", align="middle"
    )
    text = sheet.checked(number, "number")
    sheet.line(sheet.width / 2, top - 41.5 * MM, text, width, (15, 13, 11, 9, 7), "number", "middle")
    sheet.rule(left, top - 43.5 * MM, width)
    return top - 43.5 * MM


def _label_foot(sheet: _Sheet, request: WaybillRequest, note: str) -> float:
    """Our own code, the sender, the order numbers and the note; returns where the room above begins."""
    left, width = 4 * MM, 92 * MM
    bars = sheet.barcode(2 * MM, 7.5 * MM, request.code, 64 * MM, 11 * MM, (2,), field="code", align="left")
    code = sheet.checked(request.code, "code")
    sheet.line(2 * MM + bars / 2, 3.5 * MM, code, bars, (10, 8, 6, 5), "code", "middle")
    at = max(left + bars, 2 * MM + bars)
    sender = [(text, 1.0) for text, _factor in _address(sheet, request.sender, "sender")]
    if sender:
        sender[0] = (f"{sheet.checked(_('From'), 'label')}: {sender[0][0]}", 1.0)
    orders = sheet.checked(_more(request.order_numbers, 6), "order_numbers")
    if orders:
        sender.append((f"{sheet.checked(_('Order'), 'label')}: {orders}", 1.0))
    room = (left + width - at, 17.5 * MM)
    sheet.block(at, 20.5 * MM, sender, room, (7, 6.5, 6, 5.5, 5, 4.5, 4, 3.5), "sender")
    foot = 21.5 * MM
    if text := sheet.checked(note, "note"):
        sheet.rule(left, foot, width)
        foot = 29 * MM
        sheet.block(left, foot - 0.5 * MM, [(text, 1)], (width, 7 * MM), _SIZES[5:], "note")
    sheet.rule(left, foot, width)
    return foot


def _label_goods(sheet: _Sheet, request: WaybillRequest, left: float, top: float, width: float, foot: float) -> None:
    size = 8.0
    step = size * _LEADING
    room = int((top - foot - 0.5 * MM) / step)
    lines = request.lines
    shown = lines if len(lines) <= room else lines[: max(0, room - 1)]
    y = top
    for index, line in enumerate(shown):
        parts = (
            f"{line.quantity} ×",
            sheet.checked(line.sku, f"lines.{index}.sku"),
            sheet.checked(line.name, f"lines.{index}.name"),
        )
        sheet.text(left, y - size, cut(" ".join(part for part in parts if part), size, width), size)
        y -= step
    if len(shown) < len(lines):
        more = _("+ {n} more").format(n=len(lines) - len(shown))
        sheet.text(left, y - size, sheet.checked(more, "label"), size)


def _address(sheet: _Sheet, address: Address, field: str) -> list[tuple[str, float]]:
    """The lines of an address in the order of an envelope; the name (or the company, without one) larger."""

    def part(name: str) -> str:
        return sheet.checked(getattr(address, name), f"{field}.{name}")

    city = ", ".join(each for each in (f"{part('postcode')} {part('city')}".strip(), part("state")) if each)
    rows = [part("name"), part("company"), part("line1"), part("line2"), city, part("country"), part("phone")]
    rows = [row for row in rows if row]
    return [(row, 1.2 if index == 0 else 1.0) for index, row in enumerate(rows)]


def _collect(request: WaybillRequest) -> str:
    if not request.cod_minor:
        return ""
    try:
        return f"{format_minor(request.cod_minor, request.currency)} {request.currency}"
    except UnknownCurrency:
        message = _("The currency {code} is not known, so its amount cannot be printed.")
        raise LabelRefused("unknown_currency", message.format(code=safe(request.currency)), "currency") from None


def _more(texts: Sequence[str], most: int) -> str:
    shown = ", ".join(texts[:most])
    return shown if len(texts) <= most else f"{shown} " + _("+ {n} more").format(n=len(texts) - most)


# ---------------------------------------------------------------- documents


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
    with _drawing:
        sheet = _Sheet(A4, title, substitute=substitute)
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
    with _drawing:
        sheet = _Sheet(A4, slip.code, substitute=substitute)
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
            (_("Order"), _more(slip.order_numbers, 12)),
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
                    _MARGIN, y, _address(sheet, slip.recipient, "recipient"), (half, 36 * MM), sizes, "recipient"
                )
                aside = [(text, 1.0) for text, _factor in _address(sheet, slip.sender, "sender")]
                sheet.block(_MARGIN + half + 8 * MM, y, aside, (half, 36 * MM), sizes[2:], "sender")
                y -= 38 * MM
                sheet.block(_MARGIN, y, told, (180 * MM, 26 * MM), sizes[1:], "note")
                y -= 28 * MM
            return y

        _document(sheet, head, columns, table, 98 * MM, 32 * MM, printed, practice)
        return sheet.finish()


def _document_head(sheet: _Sheet, title: str, code: str, page: int) -> float:
    """Title and barcode of every page; returns where its own matter begins."""
    top = sheet.height - _MARGIN
    width = sheet.barcode(
        sheet.width - _MARGIN, top - 11 * MM, code, 100 * MM, 11 * MM, (2, 1), field="code", align="right"
    )
    sheet.text(sheet.width - _MARGIN - width / 2, top - 15 * MM, sheet.checked(code, "code"), 9, "middle")
    room = (180 * MM - width - 4 * MM, 14 * MM)
    sheet.block(_MARGIN, top, [(title, 1)], room, (18, *_SIZES) if page == 0 else _SIZES[3:], "title")
    return top - 18 * MM


def _document(
    sheet: _Sheet,
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
        18.0, max(len(lines) * column.size * _LEADING for column, lines in zip(columns, cells, strict=True)) + 6
    )


def _titles(sheet: _Sheet, columns: Sequence[_Column], top: float) -> float:
    x = _MARGIN
    for column in columns:
        at = x if column.align == "left" else x + column.width - 4
        sheet.line(at, top - 9, column.title, column.width, (8, 7, 6, 5, 4), "label", column.align)
        x += column.width
    sheet.rule(_MARGIN, top - 13, x - _MARGIN, 1)
    return top - 13


def _row(sheet: _Sheet, columns: Sequence[_Column], cells: list[list[str]] | str, top: float, tall: float) -> None:
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
            y -= column.size * _LEADING
        x += column.width
    sheet.rule(_MARGIN, top - tall, whole, 0.3)


# ---------------------------------------------------------------- other people's PDFs


def _kind(data: bytes) -> str:
    """What the first bytes say; a Content-Type may lie."""
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n\x00")
    if not start:
        return "empty"
    for magic, kind in (
        (b"%PDF-", "pdf"),
        (b"<", "html"),
        (b"{", "json"),
        (b"[", "json"),
        (b"^XA", "zpl"),
        (b"~", "zpl"),
        (b"SIZE ", "tspl"),
        (b"\x89PNG", "png"),
        (b"\xff\xd8", "jpeg"),
    ):
        if start.startswith(magic):
            return kind
    return "unknown"


def _says(kind: str) -> str:
    return {
        "empty": _("The label is empty."),
        "html": _("A web page came in place of the label."),
        "json": _("A message came in place of the label."),
        "truncated": _("The label is cut off or damaged."),
    }.get(kind) or _("The label is no PDF but {kind}.").format(kind=kind)


def check_pdf(data: bytes) -> int:
    """The number of pages of a PDF that can really be opened. Raises `BadLabel` for anything else."""
    kind = _kind(data)
    if kind != "pdf":
        raise BadLabel(kind, _says(kind))
    with _pdfium:
        return _with_pdf(data, _count)


def _count(document: Any) -> int:
    count = len(document)
    for index in range(count):
        width, height = document.get_page_size(index)
        if width <= 0 or height <= 0:
            raise BadLabel("truncated", _says("truncated"))
    if not count:
        raise BadLabel("truncated", _says("truncated"))
    return count


def _with_pdf(data: bytes, use: Callable[[Any], T]) -> T:
    import pypdfium2

    # PDFium mends what it can; a file whose last line is missing lost more than that line as often as not.
    if b"%%EO" not in data[-4096:]:
        raise BadLabel("truncated", _says("truncated"))
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        raise BadLabel("truncated", _says("truncated")) from None
    try:
        return use(document)
    except pypdfium2.PdfiumError:
        raise BadLabel("truncated", _says("truncated")) from None
    finally:
        document.close()


def merge(labels: Iterable[Label]) -> bytes:
    """One PDF with the pages of all these labels in their order. Raises `BadLabel` for what is no PDF, or for nothing.

    The same labels give the same bytes.
    """
    import pypdfium2

    with _pdfium:
        whole = pypdfium2.PdfDocument.new()
        try:
            for label in labels:
                kind = _kind(label.data)
                if label.media != PDF or kind != "pdf":
                    raise BadLabel(kind, _says(kind))
                _with_pdf(label.data, whole.import_pages)
            if not len(whole):
                raise BadLabel("empty", _("There is nothing to print."))
            out = io.BytesIO()
            whole.save(out)
        finally:
            whole.close()
    return _settled(out.getvalue())


_ID = re.compile(rb"/ID\s*\[<[0-9A-Fa-f]{32}><[0-9A-Fa-f]{32}>\]")


def _settled(data: bytes) -> bytes:
    """Replace the random file identifier that PDFium writes by one made from the contents."""
    found = None
    for found in _ID.finditer(data, max(0, len(data) - 4096)):  # noqa: B007 - the last one is the trailer's
        pass
    if found is None:
        return data
    rest = data[: found.start()] + data[found.end() :]
    name = hashlib.md5(rest, usedforsecurity=False).hexdigest().upper().encode()
    text = found.group()
    fresh = re.sub(rb"<[0-9A-Fa-f]{32}>", b"<" + name + b">", text)
    return data[: found.start()] + fresh + data[found.end() :]
