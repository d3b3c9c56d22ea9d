"""What is said of an error in logs and reports: its type and the places in the code, never its message or a local value.

A message may quote what it tripped over (SQL parameters, a line of an order): that is a buyer's, or a secret.
"""

import logging
import sys
from importlib.metadata import version
from types import TracebackType
from typing import TypeAlias

_ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def frames(error: BaseException) -> list[str]:
    """Type and places of an error and of its causes, a line each, under the versions of program and Python."""
    return [f"shipdeck {version('shipdeck')}  Python {sys.version.split()[0]}", *_chain(error)]


def _chain(error: BaseException) -> list[str]:
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines.append(f"{type(current).__module__}.{type(current).__name__}")
        trace = current.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            lines.append(f"  {code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
            trace = trace.tb_next
        current = current.__cause__ or current.__context__
    return lines


class Formatter(logging.Formatter):
    """Log lines of ours: safe to show, and an error in them by its places alone."""

    def formatException(self, ei: _ExcInfo) -> str:
        """The places of an error."""
        return "\n".join(_chain(ei[1])) if ei[1] is not None else ""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever was put into it; the places of an error follow on lines of their own."""
        from domain.text import safe

        text = super().format(record)
        return "\n".join(safe(line, 2_000) for line in (text.split("\n") if record.exc_info else (text,)))
