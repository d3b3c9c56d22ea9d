"""A simulated RO App account: the public API under `/v2` for orders, their lines and statuses, and the catalogue.

Written from the reference page. What the page leaves open is an option here, so that a client can be held against both
readings: whether bounds of dates take their own instant in, how money and phones are written, whether the change of a line
dates its order anew, whether a custom field that an update leaves out is emptied.
"""

import argparse
import copy
import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct, field

from connectors.simulated.server import Answer, Request, Service, answer_json

Payload = dict[str, Any]

PAGE = 50
NEW, UNPAID, SENT, DONE, REFUSED, ODD = 1201, 1202, 1207, 1208, 1209, 1277
STATUSES: dict[int, tuple[str, str]] = {
    NEW: ("New", "new"),
    UNPAID: ("Waits for payment", "new"),
    SENT: ("Sent", "in progress"),
    DONE: ("Handed over", "done"),
    REFUSED: ("Called off", "closed"),
    ODD: ("At the engraver", "in progress"),
}
"""Id → name and group, as this account has defined them."""
NUMBER_FIELD, ADDRESS_FIELD = "f501", "f502"
CATEGORIES = ((40, "Bags", None), (41, "Small bags", 40), (50, "Care", None))
GOODS = (
    (300, 41, "8123", "BAG-RED", "Bag, red", "124.50"),
    (301, 41, "8124", "BAG-BLUE", "Bag, blue", "124.50"),
    (302, 40, "8130", "TRUNK", "Trunk", "410.00"),
    (303, 50, "9001", "WAX", "Leather wax", "19.90"),
)
_NAMES = (("Maria", "Bondar"), ("Olena", "Sad"), ("Piotr", "Klon"), ("Ihor", "Brama"))
_ORDER_FIELDS = frozenset(
    [
        "branch_id",
        "order_type_id",
        "client_id",
        "manager_id",
        "assignee_id",
        "asset_id",
        "payer_id",
        "ad_campaign_id",
        "scheduled_for",
        "scheduled_to",
        "resource_id",
        "malfunction",
        "manager_notes",
        "engineer_notes",
        "resume",
        "estimated_price",
        "due_date",
        "urgent",
        "custom_fields",
    ]
)
_LIST_FIELDS = frozenset(
    [
        "page",
        "sort",
        "types[]",
        "branches[]",
        "ids[]",
        "numbers[]",
        "statuses[]",
        "managers[]",
        "clients_ids[]",
        "client_names[]",
        "client_phones[]",
        "created_at[]",
        "modified_at[]",
        "scheduled_for[]",
        "due_date[]",
        "asset_uid[]",
    ]
)
_FILTERS = frozenset({"page", "sort", "ids[]", "created_at[]", "modified_at[]"})
_ORDER = re.compile(r"/v2/orders/(\d+)(/items|/status)?")


class RoAppOptions(Struct, frozen=True):
    """How the simulated account behaves; `rate` calls a second are answered, 0 = any number."""

    seed: int = 1
    orders: int = 0
    rate: float = 3
    bound_excluded: bool = False
    decimal_comma: bool = False
    bare_phones: bool = False
    lines_quiet: bool = False
    fields_replace: bool = False
    no_fields: bool = False
    read_only: bool = False


class Failed(Exception):
    """An answer that is not the one asked for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Row(Struct):
    """One order with what happened to it; instants are Unix seconds."""

    id: int
    order: Payload
    items: list[Payload]
    created: int
    modified: int
    comments: list[str] = field(default_factory=list)
    """What stands in its event feed beside each status that was set."""


class RoAppTwin(Service):
    """The account's API and its back door."""

    def __init__(self, options: RoAppOptions) -> None:
        super().__init__()
        self.options = options
        self.key = f"key-{crc32(f'key {options.seed}'.encode()):08x}"
        self.rows: dict[int, Row] = {}
        self.counts: Counter[str] = Counter()
        self.at_s = 0.0
        self._last = 55_000
        self._tokens, self._refilled = float(options.rate), time.monotonic()
        for turn in range(options.orders):
            self.create({"created_s": int(time.time()) - 3600 * (turn + 1)})

    def hello(self) -> dict[str, object]:
        """What a client needs to connect."""
        return {"api_key": self.key, "orders": len(self.rows)}

    def refusal(self, status: int) -> Answer:
        """An error in the platform's shape (invented: the page confirms none)."""
        words = {401: "Unauthorized", 403: "Forbidden", 404: "Not found", 429: "Too Many Requests"}
        return answer_json({"message": words.get(status, "Something went wrong")}, status)

    def now(self) -> int:
        """The account's clock in Unix seconds: a fixed instant where one was set."""
        return int(self.at_s or time.time())

    # ---------------------------------------------------------------- the API

    def handle(self, request: Request) -> Answer:
        """Answer one call."""
        if not self._within_rate():
            self.counts["throttled"] += 1
            return self.refusal(429)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return self.refusal(401)
        if request.method != "GET" and self.options.read_only:
            return self.refusal(403)
        try:
            return self._route(request)
        except Failed as failed:
            return answer_json({"message": str(failed)}, failed.status)

    def _within_rate(self) -> bool:
        if not self.options.rate:
            return True
        at = time.monotonic()
        self._tokens = min(self.options.rate, self._tokens + (at - self._refilled) * self.options.rate)
        self._refilled = at
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _route(self, request: Request) -> Answer:
        match request.method, request.path:
            case "GET", "/v2/orders":
                return self._orders(request)
            case "GET", "/v2/orders/statuses":
                shown = [
                    {"id": id_, "name": name, "color": "#808080", "group": {"type": n, "name": group}}
                    for n, (id_, (name, group)) in enumerate(STATUSES.items())
                ]
                return answer_json(shown)
            case "GET", "/v2/orders/custom-fields":
                fields = [
                    {"id": 501, "title": "Parcel number", "type": 1},
                    {"id": 502, "title": "Delivery address", "type": 2},
                ]
                return _paged(request, [] if self.options.no_fields else fields)
            case "GET", "/v2/company":
                return answer_json({"id": 7, "name": "Bondar Leather"})
            case "GET", "/v2/catalog/products":
                return _paged(request, [self._good(*one) for one in GOODS])
            case "GET", "/v2/catalog/products/categories":
                return answer_json([{"id": a, "title": b, "parent_id": c} for a, b, c in CATEGORIES])
            case _:
                return self._one_order(request)

    def _one_order(self, request: Request) -> Answer:
        match = _ORDER.fullmatch(request.path)
        if match is None:
            raise Failed(404, "Not found")
        row = self.rows.get(int(match[1]))
        if row is None:
            raise Failed(404, "Order not found")
        match request.method, match[2]:
            case "GET", None:
                return answer_json(self._shown(row))
            case "GET", "/items":
                return _paged(request, [self._item(one) for one in row.items])
            case "PATCH", None:
                self._patch(row, _body(request))
            case "POST", "/status":
                self._set_status(row, _body(request))
            case _:
                raise Failed(405, "Method not allowed")
        return answer_json(self._shown(row))

    def _orders(self, request: Request) -> Answer:
        given = [name for name, _value in request.query]
        if unknown := sorted(set(given) - _LIST_FIELDS):
            raise Failed(400, f"Unknown parameter {unknown[0]}")
        if not_here := sorted(set(given) - _FILTERS):
            raise Failed(501, f"The twin does not know {not_here[0]}")
        query: dict[str, list[str]] = {name: [v for n, v in request.query if n == name] for name in given}
        rows = list(self.rows.values())
        if "ids[]" in query:
            rows = [row for row in rows if str(row.id) in query["ids[]"]]
        for name, at_of in (("created_at[]", _created), ("modified_at[]", _modified)):
            if name in query:
                rows = self._within(rows, at_of, [_instant(value) for value in query[name]])
        sort = query.get("sort", ["id"])[0]
        if sort.lstrip("-") not in {"id", "modified_at", "created_at"}:
            raise Failed(400, f"Unknown sort {sort}")
        key = {"modified_at": _modified, "created_at": _created}.get(sort.lstrip("-"), _id)
        rows.sort(key=lambda row: (key(row), row.id), reverse=sort.startswith("-"))
        return _paged(request, [self._shown(row) for row in rows])

    def _within(self, rows: list[Row], at_of: Callable[[Row], int], bounds: list[int]) -> list[Row]:
        if not 1 <= len(bounds) <= 2:
            raise Failed(400, "A range has one or two values")
        first = bounds[0] + self.options.bound_excluded
        last = bounds[1] - self.options.bound_excluded if len(bounds) == 2 else None
        return [row for row in rows if at_of(row) >= first and (last is None or at_of(row) <= last)]

    def _patch(self, row: Row, body: Payload) -> None:
        if unknown := sorted(body.keys() - _ORDER_FIELDS):
            raise Failed(400, f"Unknown field {unknown[0]}")
        own = body.pop("custom_fields", {})
        if not isinstance(own, dict) or (bad := sorted(own.keys() - row.order["custom_fields"].keys())):
            raise Failed(422, f"Unknown custom field {bad[0] if isinstance(own, dict) else own}")
        if not all(isinstance(value, str) for value in own.values()):
            raise Failed(422, "A text field takes a text")
        if own and self.options.fields_replace:
            row.order["custom_fields"] = dict.fromkeys(row.order["custom_fields"], "")
        row.order["custom_fields"].update(own)
        row.order.update(body)
        row.modified = self.now()
        self.counts["patched"] += 1

    def _set_status(self, row: Row, body: Payload) -> None:
        if unknown := sorted(body.keys() - {"status_id", "comment"}):
            raise Failed(400, f"Unknown field {unknown[0]}")
        status, comment = body.get("status_id"), body.get("comment", "")
        if type(status) is not int or status not in STATUSES:
            raise Failed(422, "Invalid status_id")
        if not isinstance(comment, str):
            raise Failed(422, "Invalid comment")
        if STATUSES[row.order["status"]["id"]][1] == "closed":
            raise Failed(422, "Invalid status_id: the order is closed")
        self._put(row, status)
        row.comments.append(comment)
        row.modified = self.now()
        self.counts["statuses"] += 1

    @staticmethod
    def _put(row: Row, status: int) -> None:
        row.order["status"] = {"id": status, "name": STATUSES[status][0]}

    # ---------------------------------------------------------------- how things are written

    def _money(self, text: str) -> str:
        return text.replace(".", ",") if self.options.decimal_comma else text

    def _shown(self, row: Row) -> Payload:
        order = copy.deepcopy(row.order)
        total = sum(float(one["price"]) * float(one["quantity"]) for one in row.items)
        order.setdefault("total", self._money(f"{total:.2f}"))
        client = order["client"]
        if self.options.bare_phones and client:
            client["phone"] = [one["phone"] for one in client.pop("phones")]
        return {"id": row.id, **order, "created_at": _stamp(row.created), "modified_at": _stamp(row.modified)}

    def _item(self, item: Payload) -> Payload:
        return {**item, "price": self._money(item["price"]), "cost": self._money(item["cost"])}

    def _good(self, id_: int, category: int, code: str, sku: str, title: str, price: str) -> Payload:
        return {
            "id": id_,
            "category_id": category,
            "title": title,
            "description": "",
            "code": code,
            "sku": sku,
            "cost": self._money("10.00"),
            "barcodes": [{"code": f"59{id_:011d}"}],
            "prices": [{"id": 1, "price": self._money(price)}],
        }

    # ---------------------------------------------------------------- the world

    def create(self, given: Payload) -> Row:
        """A new order made now, plain but for what is given.

        Besides wire keys: `lines` (SKU, quantity), `created_s` its Unix second, `status_id`.
        """
        given = dict(given)
        self._last += 1
        first, last = _NAMES[self._last % len(_NAMES)]
        at = int(given.pop("created_s", 0)) or self.now()
        own = {} if self.options.no_fields else {NUMBER_FIELD: "", ADDRESS_FIELD: "Tkacka 3, Gdansk"}
        phone = f"+38050{self._last:07d}"
        order: Payload = {
            "number": f"A-{self._last}",
            "due_date": None,
            "scheduled_for": None,
            "malfunction": "",
            "manager_notes": "",
            "engineer_notes": "",
            "client": {
                "id": 9000 + self._last,
                "is_organization": False,
                "first_name": first,
                "last_name": last,
                "email": f"buyer{self._last}@example.test",
                "phones": [{"phone": phone, "title": "mobile"}],
                "address": "Rynok 1, Lviv",
            },
            "asset": None,
            "custom_fields": own,
        }
        lines = [self._line(n, sku, pieces) for n, (sku, pieces) in enumerate(given.pop("lines", [("BAG-RED", 2)]))]
        row = Row(self._last, order, lines, at, at)
        self._put(row, int(given.pop("status_id", NEW)))
        order.update(given)
        self.rows[row.id] = row
        return row

    def _line(self, place: int, sku: str, pieces: float, price: str = "") -> Payload:
        good = next(one for one in GOODS if one[3] == sku)
        entity = {"id": good[0], "type": "product", "code": good[2], "sku": sku, "title": good[4]}
        line = {"id": self._last * 100 + place, "quantity": str(pieces), "price": price or good[5], "cost": "10.00"}
        return {**line, "entity": entity}

    def change(self, body: Payload) -> Row:
        """Be the merchant: `status`, `pieces`, `price`, `field`, `client`, `service` (a line that is one), `set`, `delete`."""
        row, what = self.rows[int(body["order"])], body["change"]
        quiet = False
        match what:
            case "status":
                self._put(row, int(body["status"]))
            case "pieces":
                row.items[0]["quantity"] = str(body["pieces"])
                quiet = self.options.lines_quiet
            case "price":
                row.items[0]["price"] = body["price"]
            case "field":
                row.order["custom_fields"][body["field"]] = body["value"]
            case "client":
                row.order["client"].update(body["values"])
            case "service":
                entity = {"id": 900, "type": body["type"], "code": "", "sku": "", "title": "Engraving"}
                line = {"id": row.id * 100 + 99, "quantity": "1", "price": "15.00", "cost": "0.00"}
                row.items.append({**line, "entity": entity})
            case "set":
                row.order.update(body["values"])
            case "delete":
                del self.rows[row.id]
            case unknown:
                raise ValueError(f"no such change: {unknown}")
        row.modified = row.modified if quiet else self.now()
        return row

    def admin_route(self, method: str, path: str, body: Any) -> Any:
        """`GET orders|counts`; `POST orders|change|clock|refill`."""
        match f"{method} {path}":
            case "GET orders":
                return [self._seen(self.rows[id_]) for id_ in body.get("orders") or sorted(self.rows)]
            case "GET counts":
                return dict(self.counts)
            case "POST orders":
                return [self.create(one).id for one in body["orders"]]
            case "POST change":
                return self._seen(self.change(body))
            case "POST clock":
                self.at_s = float(body["at_s"])
                return {"now": self.now()}
            case "POST refill":
                self._tokens = min(self.options.rate, self._tokens + float(body["seconds"]) * self.options.rate)
                return {}
            case known:
                raise LookupError(known)

    @staticmethod
    def _seen(row: Row) -> Payload:
        return {"id": row.id, "order": row.order, "comments": row.comments}


def _id(row: Row) -> int:
    return row.id


def _created(row: Row) -> int:
    return row.created


def _modified(row: Row) -> int:
    return row.modified


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(text: str) -> int:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise Failed(400, f"Not a date: {text}") from None
    if value.tzinfo is None:
        raise Failed(400, f"A date without a zone: {text}")
    return int(value.timestamp())


def _body(request: Request) -> Payload:
    try:
        body = request.json()
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        raise Failed(400, "Not a JSON object")
    return body


def _paged(request: Request, rows: list[Payload]) -> Answer:
    page = dict(request.query).get("page", "1")
    if not page.isdecimal() or int(page) < 1:
        raise Failed(400, "Invalid page")
    number, pages = int(page), max(1, -(-len(rows) // PAGE))
    shown = rows[(number - 1) * PAGE : number * PAGE]
    paging = {"page": number, "total_pages": pages, "count": len(rows)}
    tail = b'],"paging":' + msgspec.json.encode(paging) + b"}"
    return Answer(rows=[msgspec.json.encode(row) for row in shown], frame=(b'{"data":[', tail))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command-line options of this twin."""
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--orders", type=int, default=0)
    parser.add_argument("--rate", type=float, default=3, help="calls a second before 429; 0: any number")
    parser.add_argument("--bound-excluded", action="store_true", help="bounds of dates leave their own second out")
    parser.add_argument("--decimal-comma", action="store_true", help="money is written 124,50")
    parser.add_argument("--bare-phones", action="store_true", help="a buyer's phones are texts under `phone`")
    parser.add_argument("--lines-quiet", action="store_true", help="a changed line does not date its order anew")
    parser.add_argument("--fields-replace", action="store_true", help="a custom field that is left out is emptied")
    parser.add_argument("--no-fields", action="store_true", help="the account has no custom fields")
    parser.add_argument("--read-only", action="store_true", help="the key's employee may change nothing")


def make(options: argparse.Namespace) -> RoAppTwin:
    """The twin that these options ask for."""
    return RoAppTwin(RoAppOptions(**{name: getattr(options, name) for name in RoAppOptions.__struct_fields__}))
