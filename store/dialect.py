"""One SQL text for both engines: `:name` parameters, `IN :names` for lists. Imports nothing but the standard library."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

_LIST = re.compile(r"\bIN :(\w+)")
_NAME = re.compile(r"(?<![:\w]):([a-zA-Z_]\w*)")


@lru_cache(maxsize=1024)
def _sqlite_text(sql: str) -> tuple[str, tuple[str, ...]]:
    return _LIST.sub(r"IN (SELECT value FROM json_each(:\1))", sql), tuple(_LIST.findall(sql))


@lru_cache(maxsize=1024)
def _postgresql_text(sql: str) -> tuple[str, tuple[str, ...]]:
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return _NAME.sub(number, _LIST.sub(r"= ANY(:\1)", sql)), tuple(names)


def for_sqlite(sql: str, params: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The text and parameters as sqlite3 takes them; a list travels as one JSON text."""
    text, lists = _sqlite_text(sql)
    if not lists:
        return text, params
    return text, {**params, **{name: json.dumps(list(params[name])) for name in lists}}


def for_postgresql(sql: str, params: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """The text and parameters as asyncpg takes them; a list travels as an array."""
    text, names = _postgresql_text(sql)
    return text, tuple(list(v) if isinstance(v := params[n], set | frozenset | range) else v for n in names)
