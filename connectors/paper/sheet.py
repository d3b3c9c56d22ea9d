"""A sheet of paper and what can be drawn on it: text that fits its room, Code128 barcodes, rules, the practice mark.

Positions and sizes are points (1/72 inch) from the lower left corner; bars are whole dots of a 203 dpi printer wide.
reportlab is imported when first used and must not be used by two threads at once: who draws holds `drawing`.
"""

import io
import math
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from connectors.contract import Label
from connectors.paper.pdf import PDF
from connectors.paper.refusals import LabelRefused, MissingGlyph
from connectors.paper.text import FONT, SUBSTITUTE, label_font, printable, wrap
from domain.records import Address
from domain.text import safe
from domain.words import _

MM = 72 / 25.4
DOT = 72 / 203
"""One dot of the coarsest printers in use: a bar that is not a whole number of them wide prints blurred."""
QUIET = 10
"""White modules a Code128 needs on either side."""
PRACTICE = "PRACTICE / 练习"
LEADING = 1.22
"""From one line to the next, in sizes of the text."""
SIZES = (15.0, 14.0, 13.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.5, 5.0)
"""The sizes of text that is read by people, largest first."""

drawing = threading.RLock()
"""Held from the first stroke of a document to its last: reportlab's font object serves one document at a time."""


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


class Sheet:
    """A document being drawn, page by page; use under `drawing`."""

    def __init__(self, size: tuple[float, float], title: str, *, substitute: bool) -> None:
        from reportlab.pdfgen.canvas import Canvas

        self.width, self.height = size
        self.pages = 0
        self._font = label_font()
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
        """The width of `text` at `size`."""
        return self._font.width(text, size)

    def text(self, x: float, y: float, text: str, size: float, align: str = "left") -> None:
        """One line with its baseline at `y`; `x` is its left, middle or right."""
        if align != "left":
            x -= self.measure(text, size) * (0.5 if align == "middle" else 1)
        self._canvas.setFont(FONT, size)
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
            if sum(each * LEADING for _row, each in lines) <= height:
                break
        else:
            raise _too_long(field)
        y = top
        for row, each in lines:
            self.text(x, y - each, row, each)
            y -= each * LEADING
        return y

    def rule(self, x: float, y: float, width: float, thickness: float = 0.7) -> None:
        """A level line from (x, y) to the right."""
        self._canvas.setLineWidth(thickness)
        self._canvas.line(x, y, x + width, y)

    def frame(self, x: float, y: float, width: float, height: float, thickness: float = 1.2) -> None:
        """The outline of a box whose lower left corner is (x, y)."""
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
        canvas.setFont(FONT, size)
        canvas.drawCentredString(0, -size * 0.36, PRACTICE)
        canvas.restoreState()

    def next_page(self) -> None:
        """End the page that is being drawn."""
        self.pages += 1
        self._canvas.showPage()

    def finish(self) -> Label:
        """The document as a PDF of the pages that were ended; nothing can be drawn after this."""
        self._canvas.save()
        return Label(PDF, self._out.getvalue(), self.pages)


def _too_long(field: str) -> LabelRefused:
    return LabelRefused(
        "too_long", _("There is no room on the page for {field}; shorten it.").format(field=field), field
    )


def address_lines(sheet: Sheet, address: Address, field: str) -> list[tuple[str, float]]:
    """The lines of an address in the order of an envelope; the name (or the company, without one) larger."""

    def part(name: str) -> str:
        return sheet.checked(getattr(address, name), f"{field}.{name}")

    city = ", ".join(each for each in (f"{part('postcode')} {part('city')}".strip(), part("state")) if each)
    rows = [part("name"), part("company"), part("line1"), part("line2"), city, part("country"), part("phone")]
    rows = [row for row in rows if row]
    return [(row, 1.2 if index == 0 else 1.0) for index, row in enumerate(rows)]
