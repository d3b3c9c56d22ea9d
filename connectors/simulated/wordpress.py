"""What WordPress does before WooCommerce sees a request: query reading, checking of values, errors, `_fields`.

Unknown parameters are ignored, an invalid value is 400 `rest_invalid_param` naming every bad parameter at once.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from connectors.simulated.server import Answer, Request, answer_json

Payload = dict[str, Any]

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?(?P<zone>[Zz]|[+-]\d\d(:?\d\d)?)?")
_LIST_NAME = re.compile(r"(?P<name>[^\[]+)\[(?P<key>[^\]]*)\]")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "": False}


class Refusal(Exception):
    """An error the API answers: HTTP status, code, message, and more `data` where there is some."""

    def __init__(self, status: int, code: str | int, message: str, **data: object) -> None:
        super().__init__(message)
        self.status = status
        self.body: Payload = {"code": code, "message": message, "data": {"status": status, **data}}

    def answer(self) -> Answer:
        """The refusal as an HTTP answer."""
        return answer_json(self.body, self.status)


class Call(Struct):
    """A routed request: ids from the path, the query as PHP reads it, the decoded body."""

    request: Request
    ids: dict[str, str]
    query: dict[str, str | list[str]]
    body: Payload

    @property
    def id(self) -> int:
        """The first id of the path."""
        return int(self.ids["id"])

    @property
    def sub(self) -> int:
        """The second id of the path."""
        return int(self.ids["sub"])


Handler = Callable[[Call], Answer]


def item_methods(get: Handler, update: Handler, delete: Handler | None = None) -> dict[str, Handler]:
    """The methods of an item route: PUT, PATCH and POST all update."""
    methods = {"GET": get, "PUT": update, "PATCH": update, "POST": update}
    return methods | ({"DELETE": delete} if delete else {})


def paging_headers(call: Call, total: int, page: int, per_page: int) -> dict[str, str]:
    """`X-WP-Total`, `X-WP-TotalPages` and, where there is a neighbour, `Link`."""
    pages = -(-total // per_page)
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
    kept = [(name, value) for name, value in call.request.query if name != "page" and not name.startswith("oauth_")]
    links = []
    for word, number in (("prev", min(page - 1, pages)), ("next", page + 1)):
        if 1 <= number <= pages:
            links.append(
                f'<{call.request.origin}{call.request.path}?{urlencode([*kept, ("page", number)])}>; rel="{word}"'
            )
    return headers | ({"Link": ", ".join(links)} if links else {})


def in_batch(act: Callable[[Any], bytes], item: Any) -> bytes:
    """One item of a batch: what the act answers, or the item's own error."""
    try:
        return act(item)
    except Refusal as refusal:
        id_ = item.get("id", 0) if isinstance(item, dict) else item
        return msgspec.json.encode({"id": id_, "error": refusal.body})


def invalid_params(problems: dict[str, tuple[str, str]]) -> Refusal:
    """400 `rest_invalid_param`; `problems` maps a parameter to (detail code, message)."""
    return Refusal(
        400,
        "rest_invalid_param",
        f"Invalid parameter(s): {', '.join(problems)}",
        params={name: message for name, (_code, message) in problems.items()},
        details={name: {"code": code, "message": text, "data": None} for name, (code, text) in problems.items()},
    )


def no_route() -> Refusal:
    """404 `rest_no_route`."""
    return Refusal(404, "rest_no_route", "No route was found matching the URL and request method")


def read_query(pairs: Iterable[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Query parameters as PHP reads them: the last of a repeated name wins, `name[]` and `name[0]` collect."""
    read: dict[str, str | list[str]] = {}
    for name, value in pairs:
        match = _LIST_NAME.fullmatch(name)
        if match is None:
            read[name] = value
            continue
        collected = read.get(match["name"])
        read[match["name"]] = [*collected, value] if isinstance(collected, list) else [value]
    return read


class Params:
    """Typed access to a query; problems are collected and raised together by `check`."""

    def __init__(self, query: dict[str, str | list[str]]) -> None:
        self._query = query
        self._problems: dict[str, tuple[str, str]] = {}

    def check(self) -> None:
        """Raise `Refusal` when any value that was read is invalid."""
        if self._problems:
            raise invalid_params(self._problems)

    def text(self, name: str) -> str:
        """A plain value, "" when absent."""
        value = self._query.get(name, "")
        return value if isinstance(value, str) else ",".join(value)

    def integer(self, name: str, default: int, low: int, high: int | None = None) -> int:
        """A whole number within bounds."""
        if name not in self._query:
            return default
        text = self.text(name)
        if not re.fullmatch(r"-?\d+", text):
            self._problems[name] = ("rest_invalid_type", f"{name} is not of type integer.")
            return default
        number = int(text)
        if number < low or (high is not None and number > high):
            bounds = f"between {low} (inclusive) and {high} (inclusive)" if high else f"greater than or equal to {low}"
            self._problems[name] = ("rest_out_of_bounds", f"{name} must be {bounds}")
        return number

    def optional(self, name: str) -> int | None:
        """A whole number, or None when absent."""
        return self.integer(name, 0, 0) if name in self._query else None

    def boolean(self, name: str) -> bool:
        """true/false/1/0; absent is false."""
        text = self.text(name).lower()
        if text not in _BOOLEANS:
            self._problems[name] = ("rest_invalid_type", f"{name} is not of type boolean.")
        return _BOOLEANS.get(text, False)

    def choice(self, name: str, default: str, allowed: Iterable[str]) -> str:
        """One of a closed set."""
        value = self.text(name) if name in self._query else default
        if name in self._query and value not in (known := list(allowed)):
            self._problems[name] = ("rest_not_in_enum", f"{name} is not one of {', '.join(known)}.")
        return value

    def words(self, name: str, allowed: Iterable[str] | None = None) -> tuple[str, ...]:
        """A list given as `a,b`, `a b` or `name[]=a`; each item must be allowed."""
        value = self._query.get(name, "")
        items = tuple(value) if isinstance(value, list) else tuple(one for one in re.split(r"[\s,]+", value) if one)
        known = None if allowed is None else list(allowed)
        for place, item in enumerate(items):
            if known is not None and item not in known:
                text = f"{name}[{place}] is not one of {', '.join(known)}."
                self._problems[name] = ("rest_not_in_enum", text)
                break
        return items

    def ids(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        items = self.words(name)
        for place, item in enumerate(items):
            if not re.fullmatch(r"-?\d+", item):
                self._problems[name] = ("rest_invalid_type", f"{name}[{place}] is not of type integer.")
                return ()
        return tuple(int(item) for item in items)

    def moment(self, name: str, zone: ZoneInfo, gmt: bool) -> int | None:
        """A date-time as Unix seconds: in the shop's zone unless it carries a zone itself or `gmt` is set."""
        if name not in self._query:
            return None
        text = self.text(name)
        match = _MOMENT.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            parsed = datetime.fromisoformat(text.upper())
        except ValueError:
            self._problems[name] = ("rest_invalid_date", "Invalid date.")
            return None
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=UTC if gmt else zone)
        return int(parsed.timestamp())


def _kept(value: Any, wanted: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_kept(one, wanted) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _kept(value[key], inner) if inner else value[key] for key, inner in wanted.items() if key in value}


def with_fields(rows: list[bytes], fields: tuple[str, ...]) -> list[bytes]:
    """Rendered objects reduced to the `_fields` asked for; a dot reaches into objects and lists of them."""
    if not fields:
        return rows
    wanted: dict[str, Any] = {}
    for name in fields:
        inner = wanted
        for part in name.split("."):
            inner = inner.setdefault(part, {})
    return [msgspec.json.encode(_kept(msgspec.json.decode(row), wanted)) for row in rows]
