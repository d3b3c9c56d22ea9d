"""Text in terminal cells: how wide it is, and how it is made to fit exactly so many.

Letters such as ł, ó and all of Cyrillic are *ambiguous* in width: some terminals of East Asia draw them two cells wide.
The console measures its terminal at the start and sets `Width.ambiguous` accordingly.
"""

import unicodedata
from functools import lru_cache

from rich.cells import cell_len, split_graphemes

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
    return cell_len(text) if Width.ambiguous == 1 else sum(wide for _part, wide in _parts(text))


def _parts(text: str) -> list[tuple[str, int]]:
    """A text in what is drawn as one (a letter with its accents, a joined emoji), with the cells of each."""
    found = []
    for start, end, wide in split_graphemes(text)[0]:
        if wide == 1 and Width.ambiguous > 1 and unicodedata.east_asian_width(text[start]) == "A":
            wide = Width.ambiguous
        found.append((text[start:end], wide))
    return found


def _cut(text: str, width: int) -> tuple[str, int]:
    """The beginning of a text that fits into `width` cells, and how many it takes."""
    kept, used = "", 0
    for part, wide in _parts(text):
        if used + wide > width:
            break
        kept += part
        used += wide
    return kept, used


@lru_cache(maxsize=8192)
def fit(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` cells: padded with blanks, or cut with `~` at its end."""
    if text.isascii():
        if len(text) > width:
            text = text[: width - 1] + "~" if width > 0 else ""
        return text.rjust(width) if right else text.ljust(width)
    used = cells(text)
    if used > width:
        if width < 1:
            return ""
        text, used = _cut(text, width - 1)
        text, used = text + "~", used + 1
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
            kept, _used = _cut(line, width)
            if not kept:
                break
            lines.append(kept)
            line = line[len(kept) :]
    return [*lines, line] if line or not lines else lines
