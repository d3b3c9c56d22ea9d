"""Text in terminal cells: how wide it is, and how it is made to fit exactly so many.

Letters such as ł, ó and all of Cyrillic are *ambiguous* in width: some terminals of East Asia draw them two cells wide.
The console measures its terminal at the start and sets `Width.ambiguous` accordingly.
"""

import unicodedata
from functools import lru_cache

from rich.cells import cell_len

from domain.text import safe


class Width:
    """How this terminal draws."""

    ambiguous = 1
    """Cells of a letter of East Asian ambiguous width."""


@lru_cache(maxsize=8192)
def cells(text: str) -> int:
    """Cells that a text takes in this terminal."""
    if text.isascii():
        return len(text)
    wide = cell_len(text)
    if Width.ambiguous > 1:
        wide += sum(unicodedata.east_asian_width(c) == "A" and not unicodedata.combining(c) for c in text)
    return wide


@lru_cache(maxsize=8192)
def fit(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` cells: padded with blanks, or cut with `~` at its end."""
    if text.isascii():
        if len(text) > width:
            text = text[: width - 1] + "~" if width > 0 else ""
        return text.rjust(width) if right else text.ljust(width)
    used = cells(text)
    if used > width:
        kept, used = "", 0
        for character in text:
            wide = cells(character)
            if used + wide > width - 1:
                break
            kept += character
            used += wide
        text, used = kept + "~", used + 1
    blank = " " * (width - used)
    return blank + text if right else text + blank


def clean(text: object, width: int, right: bool = False) -> str:
    """Outside text made safe and fitted."""
    return fit(safe(text if text is not None else "", 400), width, right)


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at blanks where there are any, else between letters."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if cells(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        line = word
        while cells(line) > width:
            kept, used = "", 0
            for character in line:
                wide = cells(character)
                if used + wide > width:
                    break
                kept += character
                used += wide
            if not kept:
                break
            lines.append(kept)
            line = line[len(kept) :]
    return [*lines, line] if line or not lines else lines
