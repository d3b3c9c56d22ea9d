"""A simulated Cartum (Horoshop) shop: the gateway `/api/<function>/` with its envelope, its tokens and its habits.

Written from the reference page. What the page leaves open is an option here, so that a client can be held against both
readings: which way lists are sorted, what a `to` without a time means, whether an order shows the number it was told.
"""

import argparse
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct

from connectors.simulated.cartum_world import CANCELLED, GOODS, SECTIONS, STATUSES, Payload, Row, ShopWorld, spread
from connectors.simulated.server import Answer, Request, Service, answer_json

TOKEN_S = 600
_ROUTE = re.compile(r"/api/([A-Za-z_]+(?:/[A-Za-z_]+)?)/")
_LISTS = {"orders/get": "orders", "catalog/export": "products"}
_SCRIPTS = re.compile(r"(python|curl|wget|go-http|java)", re.IGNORECASE)
_CHALLENGE = b"<!DOCTYPE html><html><body><script>location.reload()</script>One moment, please</body></html>"
_DATES = ("%Y-%m-%d", "%d.%m.%Y")
_TIMES = ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S")


class CartumOptions(Struct, frozen=True):
    """How the simulated shop behaves; `version` is that of its platform (3.20, 3.30 or 4.0)."""

    seed: int = 1
    currency: str = "UAH"
    zone: str = "Europe/Kyiv"
    orders: int = 0
    plain: bool = False
    version: str = "4.0"
    newest_first: bool = False
    to_is_midnight: bool = False
    shows_number: bool = False
    own_code: bool = False
    names_orders: bool = False
    warehouses: int = 1
    no_article_filter: bool = False
    residues_replace: bool = False


class Failed(Exception):
    """An envelope that is not OK; `response` stands in it."""

    def __init__(self, status: str, response: Any) -> None:
        super().__init__(status)
        self.status, self.response = status, response


def _error(message: str) -> Failed:
    return Failed("ERROR", {"message": message})


class CartumTwin(Service):
    """The shop's gateway and its back door."""

    def __init__(self, options: CartumOptions) -> None:
        super().__init__()
        self.options = options
        self.world = ShopWorld(options.zone, options.currency, options.seed, options.warehouses)
        self.login, self.password = "api-robot", f"pw-{crc32(f'password {options.seed}'.encode()):08x}"
        self.tokens: dict[str, float] = {}
        self.counts: Counter[str] = Counter()
        self.own_version = tuple(int(part) for part in options.version.split("."))
        self._functions: dict[str, tuple[frozenset[str], Callable[[Payload], Any]]] = {
            "orders/get": (_named("from to ids status additionalData offset limit"), self._get_orders),
            "orders/update": (_named("orders"), self._update_orders),
            "catalog/export": (
                _named("offset limit article display_in_showcase includedParams excludedParams"),
                self._export,
            ),
            "catalog/import": (_named("products"), self._import),
            "pages/export": (_named("parent"), self._pages),
            "delivery/export": (frozenset(), lambda _body: {"deliveries": _REFERENCE["delivery"]}),
            "payment/export": (frozenset(), lambda _body: {"payments": _REFERENCE["payment"]}),
        }
        if self.own_version >= (4, 0):
            self._functions["orders/get_available_statuses"] = (frozenset(), self._statuses)
        spread(self.world, options.orders, options.plain)

    def hello(self) -> dict[str, object]:
        """What a client needs to connect."""
        return {
            "login": self.login,
            "password": self.password,
            "zone": self.options.zone,
            "orders": len(self.world.rows),
        }

    def refusal(self, status: int) -> Answer:
        """An error in the gateway's shape; what comes from the server before it is a web page."""
        if status == 401:
            return answer_json({"status": "UNAUTHORIZED", "response": {"message": "token expired"}})
        if status == 429:
            return Answer(429, _CHALLENGE, content_type="text/html")
        return answer_json({"status": "EXCEPTION", "response": {"message": "Something went wrong"}}, status)

    # ---------------------------------------------------------------- the gateway

    def handle(self, request: Request) -> Answer:
        """Answer one call, HTTP 200 nearly always."""
        if _SCRIPTS.match(request.headers.get("user-agent", "") or "python"):
            return Answer(200, _CHALLENGE, content_type="text/html; charset=UTF-8")
        match = _ROUTE.fullmatch(request.path)
        if match is None:
            if _ROUTE.fullmatch(request.path + "/"):
                return Answer(301, b"", {"Location": request.path + "/"}, content_type="text/html")
            return Answer(404, b"<!DOCTYPE html><title>404</title>", content_type="text/html; charset=UTF-8")
        try:
            status, response = self._called(match[1], request)
        except Failed as failed:
            status, response = failed.status, failed.response
        name = _LISTS.get(match[1], "")
        if isinstance(response, dict) and isinstance(rows := response.get(name), list):
            head = f'{{"status":"{status}","response":{{"{name}":['.encode()
            return Answer(rows=[msgspec.json.encode(row) for row in rows], frame=(head, b"]}}"))
        return answer_json({"status": status, "response": response})

    def _called(self, function: str, request: Request) -> tuple[str, Any]:
        json = request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"
        try:
            body = request.json() if json and request.method == "POST" else None
        except msgspec.DecodeError:
            body = None
        if not isinstance(body, dict):
            raise Failed("HTTP_ERROR", {"code": 400, "message": "Payload is not JSON"})
        if function == "auth":
            return "OK", self._auth(body)
        if function not in self._functions:
            raise Failed("UNDEFINED_FUNCTION", [])
        token = body.pop("token", None)
        if not isinstance(token, str) or self.tokens.get(token, 0) <= self.world.now():
            self.counts["refused_tokens"] += 1
            if self.own_version < (4, 0):
                raise _error("Token is not valid")
            raise Failed("UNAUTHORIZED", {"message": "token expired"})
        fields, act = self._functions[function]
        if unknown := sorted(body.keys() - fields):
            raise _error(f"Unknown field: {unknown[0]}")
        answer = act(body)
        return answer if isinstance(answer, tuple) else ("OK", answer)

    def _auth(self, body: Payload) -> Payload:
        self.counts["logins"] += 1
        if body != {"login": self.login, "password": self.password}:
            raise _error("Wrong login or password")
        token = f"{crc32(f'{self.options.seed} {self.counts}'.encode()):08x}{len(self.tokens):04x}"
        self.tokens[token] = self.world.now() + TOKEN_S
        return {"token": token}

    # ---------------------------------------------------------------- orders

    def _moment(self, name: str, value: Any) -> datetime | None:
        if value is None:
            return None
        for form in (*_DATES, *(_TIMES if self.own_version >= (3, 30) else ())):
            try:
                moment = datetime.strptime(value, form) if isinstance(value, str) else None
            except ValueError:
                continue
            if moment is None:
                break
            whole_day = name == "to" and form in _DATES and not self.options.to_is_midnight
            return moment + timedelta(seconds=86_399) if whole_day else moment
        raise _error(f"{name} is not defined or defined incorrectly")

    def _get_orders(self, body: Payload) -> tuple[str, Payload]:
        since, until = self._moment("from", body.get("from")), self._moment("to", body.get("to"))
        ids, status = body.get("ids"), body.get("status")
        if ids is not None and not (isinstance(ids, list) and all(type(one) is int for one in ids)):
            raise _error("ids is not defined or defined incorrectly")
        statuses = None if status is None else set(status if isinstance(status, list) else [status])
        rows = [
            row
            for _id, row in sorted(self.world.rows.items(), reverse=self.options.newest_first)
            if (since is None or row.created >= since)
            and (until is None or row.created <= until)
            and (ids is None or row.id in ids)
            and (statuses is None or row.order["stat_status"] in statuses)
        ]
        limit = body.get("limit") if self.own_version >= (3, 30) else None
        # Without a limit the offset is not looked at, and the page is the default one.
        first = int(body.get("offset", 0)) if limit is not None else 0
        page = rows[first : first + (500 if limit is None else _count("limit", limit))]
        shown = [self._shown(row, bool(body.get("additionalData"))) for row in page]
        return ("OK" if shown else "EMPTY"), {"orders": shown}

    def _shown(self, row: Row, more: bool) -> Payload:
        order = {name: value for name, value in row.order.items() if more or name != "additional_data"}
        return order | (row.numbers if self.options.shows_number else {})

    def _update_orders(self, body: Payload) -> tuple[str, Payload]:
        records = body.get("orders")
        if not isinstance(records, list) or not records:
            raise _error("orders is not defined or defined incorrectly")
        log = []
        for record in records:
            trouble = self._update(record)
            item = {"status": "ERROR", "messages": trouble} if trouble else {"status": "OK", "messages": "UPDATED"}
            if self.options.names_orders:
                item = {"status": item["status"], "message": item["messages"], "order_id": record.get("order_id")}
            log.append(item)
        return ("WARNING" if any(item["status"] == "ERROR" for item in log) else "OK"), {"log": log}

    def _update(self, record: Any) -> str:
        if not isinstance(record, dict) or type(record.get("order_id")) is not int:
            return "order_id is not defined or defined incorrectly"
        row = self.world.rows.get(record["order_id"])
        if row is None:
            return "order is not found"
        known = {
            "order_id",
            "status",
            "payed",
            "tracking_code",
            *(["own_tracking_code"] if self.options.own_code else []),
        }
        if unknown := sorted(record.keys() - known):
            return f"{unknown[0]} is not available"
        if row.order["stat_status"] == CANCELLED:
            return "order is cancelled and cannot be edited"
        if "status" in record and (type(record["status"]) is not int or record["status"] not in STATUSES):
            return "status is not defined or defined incorrectly"
        if "payed" in record and record["payed"] not in (0, 1):
            return "payed is not defined or defined incorrectly"
        for name in ("tracking_code", "own_tracking_code"):
            if name in record and not (isinstance(record[name], str) and record[name]):
                return f"{name} is not defined or defined incorrectly"
            if name in record:
                row.numbers[name] = record[name]
        if "status" in record:
            row.order["stat_status"] = record["status"]
            row.cancelled_by_api += record["status"] == CANCELLED
        row.order["payed"] = record.get("payed", row.order["payed"])
        row.updates.append({name: value for name, value in record.items() if name != "order_id"})
        return ""

    def _statuses(self, _body: Payload) -> Payload:
        return {
            "statuses": {
                str(id_): {"id": id_, "title": title, "is_successful": id_ == 3} for id_, title in STATUSES.items()
            }
        }

    # ---------------------------------------------------------------- goods

    def _export(self, body: Payload) -> tuple[str, Payload]:
        wanted = body.get("article") if not self.options.no_article_filter else None
        articles = None if wanted is None else wanted if isinstance(wanted, list) else [wanted]
        goods = [one for one in GOODS if articles is None or one[0] in articles]
        first = int(body.get("offset", 0))
        page = goods[first : first + min(500, _count("limit", body.get("limit", 100)))]
        rows = [self._good(*one) for one in page]
        return ("OK" if rows else "EMPTY"), {"products": rows}

    def _good(self, article: str, main: str, section: int, title: str, price: float) -> Payload:
        return {
            "article": article,
            "parent_article": main,
            "parent": section,
            "title": {"ua": title, "ru": "", "en": f"{article} (en)"},
            "price": price,
            "presence": {"id": 1, "value": {"ua": "В наявності"}},
            "residues": [{"warehouse": name, "quantity": n} for name, n in self.world.stock[article].items()],
            "gtin": "",
        }

    def _import(self, body: Payload) -> tuple[str, Payload]:
        products = body.get("products")
        if not isinstance(products, list) or not 0 < len(products) <= 50:
            raise _error("products: from 1 to 50")
        log = []
        for product in products:
            code, words = self._import_one(product)
            log.append({"article": product.get("article"), "info": [{"code": code, "message": words}]})
        return ("WARNING" if any(item["info"][0]["code"] for item in log) else "OK"), {"log": log}

    def _import_one(self, product: Payload) -> tuple[int, str]:
        if product.get("article") not in self.world.stock:
            return 6, "title is missing"
        if unknown := sorted(product.keys() - {"article", "residues", "price", "presence"}):
            return 11, f"{unknown[0]} is not in the template"
        shelf = self.world.stock[product["article"]]
        if self.options.residues_replace and "residues" in product:
            shelf.update(dict.fromkeys(shelf, 0))
        for row in product.get("residues", []):
            if row.keys() != {"warehouse", "quantity"} or type(row["quantity"]) is not int:
                return 11, "residues"
            if row["warehouse"] in shelf:  # Without warehouse accounting nothing comes of it.
                shelf[row["warehouse"]] = row["quantity"]
        self.counts["imported"] += 1
        return 0, "updated"

    @staticmethod
    def _pages(body: Payload) -> tuple[str, Payload]:
        parent = body.get("parent", 0)
        pages = [
            {"id": id_, "parent": above, "title": {"ua": title}}
            for id_, (above, title) in SECTIONS.items()
            if above == parent
        ]
        return ("OK" if pages else "EMPTY"), {"pages": pages}

    # ---------------------------------------------------------------- back door

    def admin_route(self, method: str, path: str, body: Any) -> Any:
        """`GET orders|counts|stock`; `POST orders|change|clock|expire|stock`."""
        world = self.world
        match f"{method} {path}":
            case "GET orders":
                wanted = body.get("orders") or sorted(world.rows)
                return [self._seen(world.rows[id_]) for id_ in wanted]
            case "GET counts":
                return dict(self.counts)
            case "GET stock":
                return world.stock
            case "POST orders":
                return [world.create(one).id for one in body["orders"]]
            case "POST change":
                return self._seen(world.change(body))
            case "POST clock":
                world.offset_s, world.at_s = float(body.get("offset_s", 0)), float(body.get("at_s", 0))
                return {"now": world.now()}
            case "POST expire":
                self.tokens.clear()
                return {}
            case "POST stock":
                world.stock[body["article"]].update(body["shelves"])
                return world.stock[body["article"]]
            case known:
                raise LookupError(known)

    @staticmethod
    def _seen(row: Row) -> Payload:
        return {
            "id": row.id,
            "status": row.order["stat_status"],
            "numbers": row.numbers,
            "updates": row.updates,
            "cancelled_by_api": row.cancelled_by_api,
            "order": row.order,
        }


_REFERENCE: dict[str, list[Payload]] = {
    "delivery": [
        {"id": 1, "title": {"ua": "Самовивіз"}, "type": "pickup", "enabled": True},
        {"id": 3, "title": {"ua": "Новою поштою"}, "type": "novaposhta", "enabled": True},
    ],
    "payment": [{"id": 5, "title": {"ua": "Онлайн"}}, {"id": 13, "title": {"ua": "Готівкою"}}],
}


def _named(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _count(name: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        raise _error(f"{name} is not defined or defined incorrectly")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command-line options of this twin."""
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--currency", default="UAH")
    parser.add_argument("--zone", default="Europe/Kyiv")
    parser.add_argument("--orders", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="only paid orders that nothing stands in the way of")
    parser.add_argument("--version", default="4.0", help="of the platform: 3.20, 3.30 or 4.0")
    parser.add_argument("--newest-first", action="store_true", help="lists begin with the newest order")
    parser.add_argument("--to-is-midnight", action="store_true", help="a `to` without a time leaves its day out")
    parser.add_argument("--shows-number", action="store_true", help="orders show the number they were told")
    parser.add_argument("--own-code", action="store_true", help="own_tracking_code is released here")
    parser.add_argument("--names-orders", action="store_true", help="the log of an update names its orders")
    parser.add_argument("--warehouses", type=int, default=1, help="0: warehouse accounting is off")
    parser.add_argument(
        "--residues-replace", action="store_true", help="a warehouse that an import leaves out is emptied"
    )
    parser.add_argument("--no-article-filter", action="store_true", help="the catalogue cannot be asked for articles")


def make(options: argparse.Namespace) -> CartumTwin:
    """The twin that these options ask for."""
    return CartumTwin(CartumOptions(**{name: getattr(options, name) for name in CartumOptions.__struct_fields__}))
