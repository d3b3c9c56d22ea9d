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


_JOINER = "\u200d"


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
    # A joiner at either end would join the blanks there.
    text = text.strip(_JOINER)
    used = cells(text)
    if used > width:
        if width < 1:
            return ""
        text, used = _cut(text, width - 1)
        text, used = text.rstrip(_JOINER) + "~", used + 1
    blank = " " * (width - used)
    return blank + text if right else text + blank


def clean(text: object, width: int, right: bool = False) -> str:
    """Outside text made safe and fitted."""
    return fit(safe(text if text is not None else "", 400), width, right)


_HELD = "\u00a0"
"""A blank that is no place to break at."""
_NO_START = frozenset("，。、；：！？）」』》】〉,.;:!?)]}")
"""What no line begins with."""


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at blanks and between Chinese letters, else where it must be.

    A word with a no-break blank in it stays whole where a line can hold it.
    """
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if cells(candidate) <= width:
            line = candidate
            continue
        if line and (cells(word) <= width and (_HELD in word or not _breakable(word))):
            lines.append(line)
            line = word
            continue
        line = candidate
        while cells(line) > width:
            kept, _used = _cut(line, width)
            if not kept:
                break
            at = _break_in(kept, line)
            lines.append(line[:at].rstrip(" "))
            line = line[at:].lstrip(" ")
    lines = [*lines, line] if line or not lines else lines
    return [each.replace(_HELD, " ") for each in lines]


def _breakable(word: str) -> bool:
    return any(cells(c) == 2 for c in word)


def _break_in(kept: str, line: str) -> int:
    """Where to break: `kept` letters fit; back to a blank or a wide letter, and never before a closing sign."""
    at = len(kept)
    while at > 1 and line[at : at + 1] in _NO_START:
        at -= 1
    if at < len(line) and line[at] != " " and cells(line[at]) < 2 and cells(line[at - 1]) < 2:
        start = at
        while start > 0 and line[start - 1] != " " and cells(line[start - 1]) < 2:
            start -= 1
        if start > 0:
            return start
    return at
