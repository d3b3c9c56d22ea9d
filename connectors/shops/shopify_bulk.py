"""A large first import: one bulk operation of Shopify's, and the file it makes read piece by piece.

The file has one JSON object per line; with `groupObjects` an order's lines and fulfilment orders follow it. It is read in
byte ranges, so that memory stays flat and a crash goes on at the order where it stopped. Wire facts: Shopify's
published Admin schema (`bulkOperationRunQuery`, `BulkOperation`).
"""

import logging
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from connectors.http import HttpClient, WireError, failure
from connectors.shops.shopify_api import DOCUMENTS, Api, Problem
from connectors.shops.shopify_orders import Wire, gid, number_of
from domain.clock import from_datetime, iso
from domain.results import NotActed, Refused
from domain.words import _

log = logging.getLogger("shipdeck.shopify")

BLOCK = 4 * 1024 * 1024
"""Bytes read at once."""
MOST = 16 * 1024 * 1024
"""Bytes of one order with all that belongs to it: more is not held in memory."""
ORDERS = 100
"""Orders in a page."""
POLL_S, MOST_POLL_S = 1.0, 30.0
_ROUTE, _LINE = b'{"id":"gid://shopify/FulfillmentOrder/', b'{"id":"gid://shopify/LineItem/'
_PARENT = b'"__parentId":'
"""No text inside a value reads like this: its quotes would be escaped."""


class _Operation(Wire):
    id: str
    created_at: datetime
    status: str = "CREATED"
    error_code: str | None = None
    url: str | None = None


class _Started(Wire):
    bulk_operation: _Operation | None
    user_errors: list[Problem]


class _Start(Wire):
    bulk_operation_run_query: _Started


class _State(Wire):
    node: _Operation | None


class _Child(Wire):
    """What says where a line of the file belongs; '' where it cannot be read."""

    id: str = ""
    parent: str = msgspec.field(default="", name="__parentId")


class BulkRead:
    """One reading of a shop's orders through a bulk operation.

    Its cursor is `bulk|operation|byte|when it began`. Afterwards `mark` is where reading by change goes on: when the
    operation began, or '' where it came to nothing and everything is still to be read.
    """

    def __init__(self, api: Api, http: HttpClient, cursor: str) -> None:
        self._api, self._http = api, http
        _word, self._operation, at, self._began = cursor.split("|") if self.began(cursor) else ("", "", "0", "")
        self._at = int(at)
        self.mark = ""

    @staticmethod
    def began(cursor: str) -> bool:
        """Is this the cursor of such a reading?"""
        return cursor.startswith("bulk|") and cursor.count("|") == 3 and cursor.split("|")[2].isdecimal()

    @property
    def _cursor(self) -> str:
        return f"bulk|{self._operation}|{self._at}|{self._began}"

    async def pages(self, query: str) -> AsyncIterator[tuple[list[bytes], str]]:
        """Whole orders as they would have come in a page, each page with its cursor. `query` is the search to read."""
        if not self._operation and not await self._start(query):
            return
        # Kept before and while it is waited for: a crash must not begin a second one, and a lost lease is noticed.
        yield [], self._cursor
        wait_s = POLL_S
        while (url := await self._file()) is None:
            yield [], self._cursor
            await self._http.pause(wait_s)
            wait_s = min(MOST_POLL_S, wait_s * 1.5)
        if not url:
            return
        http = self._http.beside(url)
        try:
            orders: list[bytes] = []
            async for raw, end in self._orders(http, url):
                orders.append(raw)
                self._at = end
                if len(orders) == ORDERS:
                    yield orders, self._cursor
                    orders = []
            yield orders, self._cursor
        except WireError as error:
            if isinstance(error.outcome, NotActed) and error.outcome.code != "too_large":
                raise
            # Not the shop's own word, but that of a store for files: the pages say the same, only slower.
            log.warning("the file of a bulk operation cannot be read: %s", error.outcome.code)
            return
        finally:
            await http.aclose()
        self.mark = self._began

    async def _start(self, query: str) -> bool:
        document = DOCUMENTS["Bulk"].replace('"FILTER"', f'"{query}"')
        started = (await self._api.ask("StartBulk", _Start, acts=False, query=document)).bulk_operation_run_query
        if started.bulk_operation is None:
            log.warning("no bulk operation: %s", "; ".join(p.code or p.message for p in started.user_errors)[:200])
            return False
        self._operation = number_of(started.bulk_operation.id)
        self._began = iso(from_datetime(started.bulk_operation.created_at)) or ""
        return True

    async def _file(self) -> str | None:
        """Where the file is; None while it is made, '' where there will be none."""
        node = (await self._api.ask("BulkState", _State, id=gid("BulkOperation", self._operation))).node
        if node is None or node.status in {"FAILED", "CANCELED", "CANCELING", "EXPIRED"}:
            log.warning("a bulk operation came to nothing: %s", (node and node.error_code) or "gone")
            return ""
        if node.status != "COMPLETED":
            return None
        # No order at all makes no file.
        self.mark = "" if node.url else self._began
        return node.url or ""

    async def _orders(self, http: HttpClient, url: str) -> AsyncIterator[tuple[bytes, int]]:
        """(order with all that belongs to it, the byte behind it) from where this reading stands."""
        order, children = b"", list[bytes]()
        at = begin = self._at
        async for lines in self._lines(http, url, at):
            for line in lines:
                if _PARENT not in line and order:
                    yield _joined(order, children), at
                    order, children, begin = b"", [], at
                at += len(line) + 1
                _bounded(at - begin)
                if text := line.strip():
                    if _PARENT in text:
                        children.append(text)
                    else:
                        order = text
        if order:
            yield _joined(order, children), at

    async def _lines(self, http: HttpClient, url: str, at: int) -> AsyncIterator[list[bytes]]:
        """The file's lines from a byte on, a block of them at a time."""
        rest = b""
        while True:
            # Exact: compressed ranges would be ranges of something else. The address itself is the secret here.
            headers = {"Range": f"bytes={at}-{at + BLOCK - 1}", "Accept-Encoding": "identity"}
            answer = await http.call("GET", "/", headers=headers, sign=lambda _method, _url: (url, {}))
            if answer.status == 416:
                break
            if answer.status not in {200, 206}:
                raise failure(answer, acts=False)
            body = answer.body[at:] if answer.status == 200 else answer.body
            at += len(body)
            *lines, rest = (rest + body).split(b"\n")
            _bounded(len(rest))
            yield lines
            total = answer.headers.get("content-range", "").rpartition("/")[2]
            if answer.status == 200 or (at >= int(total) if total.isdecimal() else len(body) < BLOCK):
                break
            if not body:
                raise WireError(
                    Refused("file_cut", _("The file of the bulk operation ends before all of it was given."))
                )
        if rest:
            yield [rest]


def _bounded(size: int) -> None:
    if size > MOST:
        text = _("An order in the file of the bulk operation is larger than {n} MB.")
        raise WireError(Refused("too_large", text.format(n=MOST >> 20)))


def _joined(order: bytes, children: list[bytes]) -> bytes:
    """An order of the file in the form a page has it. What cannot be read stays with the lines, and spoils the order."""
    owner = _place(order).id
    mine = b'"__parentId":"%b"}' % owner.encode()
    lines, routes = list[bytes](), list[bytes]()
    for child in children:
        # As Shopify writes it, seen without decoding; any other writing is decoded.
        if child.startswith(_ROUTE) and child.endswith(mine):
            routes.append(child)
        elif child.startswith(_LINE) and child.endswith(mine):
            lines.append(child)
        else:
            place = _place(child)
            if place.parent and place.parent != owner:
                raise WireError(Refused("not_grouped", _("The file of the bulk operation mixes its orders.")))
            (routes if "/FulfillmentOrder/" in place.id else lines).append(child)
    rows = (b",".join(lines), b",".join(routes))
    return order[:-1] + b',"lineItems":{"nodes":[%b]},"fulfillmentOrders":{"nodes":[%b]}}' % rows


def _place(line: bytes) -> _Child:
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        return _Child()


_DECODER = msgspec.json.Decoder(_Child)
