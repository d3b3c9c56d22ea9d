"""How answers leave the command line: JSON for programs, aligned lines for people; diagnostics to stderr only."""

import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from domain.results import Refused
from domain.text import ESCAPES, safe


def emit(document: object) -> None:
    """Print one JSON document."""
    text = json.dumps(document, ensure_ascii=False, indent=1, default=str)
    # Programs get every character back; a terminal gets none that moves its cursor or turns its text around.
    sys.stdout.write(text.translate(ESCAPES) + "\n")


def say(text: str) -> None:
    """Print a line for people."""
    sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    """Print a diagnostic to stderr."""
    sys.stderr.write(safe(text, 2000) + "\n")


def refuse(refused: Refused, *, as_json: bool) -> int:
    """A command that could not be done at all: its reason, exit 1."""
    if as_json:
        emit({"done": [], "refused": [{"id": None, "code": refused.code, "reason": refused.message}]})
    complain(f"{refused.code}: {refused.message}")
    return 1


def width(text: str) -> int:
    """Cells of a text in a terminal."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


_WHOLE = {"reason", "message", "detail", "found", "problem"}


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print rows as aligned columns under their names."""
    # What says why and what to do is never cut.
    texts = [
        [safe("" if row.get(c) is None else row.get(c), 400 if c in _WHOLE else 60) for c in columns] for row in rows
    ]
    widths = [max([width(c), *(width(line[i]) for line in texts)]) for i, c in enumerate(columns)]
    for line in [list(columns), *texts]:
        say("  ".join(cell + " " * (widths[i] - width(cell)) for i, cell in enumerate(line)).rstrip())
