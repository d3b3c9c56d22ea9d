"""One SQL text for both engines: `:name` parameters, `IN :names` for lists. Imports nothing but the standard library."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
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


@lru_cache(maxsize=512)
def _positional(sql: str) -> tuple[str, tuple[str, ...]]:
    return _NAME.sub("?", sql), tuple(_NAME.findall(sql))


def many_for_sqlite(sql: str, rows: Sequence[Mapping[str, Any]]) -> tuple[str, Sequence[Any]]:
    """The text and the parameters of each row: by position, which sqlite3 binds faster, where no list is among them."""
    if _sqlite_text(sql)[1]:
        return _sqlite_text(sql)[0], [for_sqlite(sql, row)[1] for row in rows]
    text, names = _positional(sql)
    if len(names) > 1:
        return text, [*map(itemgetter(*names), rows)]
    return text, [tuple(row[name] for name in names) for row in rows]


def for_postgresql(sql: str, params: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """The text and parameters as asyncpg takes them; a list travels as an array."""
    text, names = _postgresql_text(sql)
    return text, tuple(list(v) if isinstance(v := params[n], set | frozenset | range) else v for n in names)
