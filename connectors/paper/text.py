"""Text on paper: the font, what it can print, and how a text is broken or shortened to a width.

reportlab is imported when the font is first used. Sizes and widths are points (1/72 inch).
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from domain.words import _

FONT = "WenQuanYiMicroHei"
"""The font's name in reportlab, known there once `label_font` was called."""
_FONT_FILE = Path(__file__).parent / "fonts" / "wqy-microhei.ttc"
SUBSTITUTE = "〓"
"""Stands for a letter that the font lacks, where a document may be printed without it."""


class Font(Struct, frozen=True):
    """The label font: how wide its texts are, and which code points leave ink (or are a space)."""

    string_width: Callable[[str, float], float]
    inked: frozenset[int]

    def width(self, text: str, size: float) -> float:
        """The width of `text` at `size`."""
        return _advance(text) * size


@lru_cache(maxsize=16_384)
def _advance(text: str) -> float:
    """The width of `text` at size 1. The font is not kerned, so widths of pieces add up."""
    return label_font().string_width(text, 1)


@lru_cache(maxsize=1)
def label_font() -> Font:
    """The label font, parsed once per process and known to reportlab as `FONT`."""
    from reportlab import rl_config
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    rl_config.useA85 = 0  # ASCII armour makes every label a quarter larger and slower
    font = TTFont(FONT, str(_FONT_FILE), asciiReadable=False, shapable=False)
    face = font.face
    # Each document would copy the whole outline table (3.5 MB) to pick some forty letters out of it.
    face.get_table = lru_cache(maxsize=None)(face.get_table)
    pdfmetrics.registerFont(font)
    # The font names 17 characters (ǎ, ℃, Ⅴ …) that have no outline: they would print as nothing.
    start = face.glyphPos
    inked = {code for code, glyph in face.charToGlyph.items() if glyph and start[glyph + 1] > start[glyph]}
    return Font(lambda text, size: float(font.stringWidth(text, size)), frozenset(inked | {0x20, 0x3000}))


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
    measure = label_font().width
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
    measure = label_font().width
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
    measure = label_font().width
    if measure(text, size) <= width:
        return text
    return text[: _fitting(text, size, width - measure("…", size))].rstrip() + "…"


def first_few(texts: Sequence[str], most: int) -> str:
    """The first `most` of these texts with commas, and how many more there are."""
    shown = ", ".join(texts[:most])
    return shown if len(texts) <= most else f"{shown} " + _("+ {n} more").format(n=len(texts) - most)
