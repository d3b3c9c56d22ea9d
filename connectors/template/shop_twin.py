"""A simulated Newshop: what its API answers, and a back door to be the merchant and the buyers.

Write it from the platform's documentation, not from the connector: check what the platform would check.
"""

import argparse
import re
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from connectors.simulated.server import Answer, Request, Service, answer_json

Payload = dict[str, Any]

GOODS: dict[int, Payload] = {
    11: {"id": 11, "sku": "CUP-S", "title": "Cup, small", "price": "9.50", "stock": 40},
    12: {"id": 12, "sku": "CUP-L", "title": "Cup, large", "price": "12.90", "stock": 25},
    13: {"id": 13, "sku": "TRAY", "title": "Tray", "price": "21.00", "stock": None},
}
_TOKEN = "tok_7f3b9a1c5d"  # noqa: S105
_ADDRESS = {"name": "Ida Wren", "line1": "Mill Lane 4", "city": "Leiden", "postcode": "2311 AB", "country": "NL"}
_BUYER = {"first_name": "Ida", "last_name": "Wren", "phone": "+31612345678", "email": "ida@example.test"}


class Refusal(Exception):
    """An answer that is not the one asked for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class NewshopTwin(Service):
    """One shop: its orders in memory, sorted for paging."""

    def __init__(self, zone: str) -> None:
        super().__init__()
        self.zone = zone
        self.at_s = 0.0
        self.orders: dict[int, Payload] = {}
        self.last = 1000
        self.stock = {number: good["stock"] for number, good in GOODS.items()}

    def hello(self) -> dict[str, object]:
        """What a client needs to connect."""
        return {"token": _TOKEN}

    def now(self) -> str:
        """The shop's clock."""
        return _stamp(self.at_s or time.time())

    def refusal(self, status: int) -> Answer:
        """An error in the platform's shape."""
        return answer_json({"code": f"e{status}", "message": f"Error {status}."}, status)

    # ---------------------------------------------------------------- the API

    def handle(self, request: Request) -> Answer:
        """Answer one call."""
        if request.headers.get("authorization") != f"Bearer {_TOKEN}":
            return self.refusal(401)
        query = dict(request.query)
        try:
            if request.method == "GET" and request.path == "/api/v1/shop":
                return answer_json({"title": "Newshop of Ida", "zone": self.zone, "currency": "EUR"})
            if request.method == "GET" and request.path == "/api/v1/orders":
                return _rows("orders", self._listed(query))
            if request.method == "GET" and request.path == "/api/v1/orders/count":
                before = query.get("created_before", "9999")
                return answer_json({"count": sum(one["created"] < before for one in self.orders.values())})
            if request.method == "GET" and request.path == "/api/v1/products":
                return _rows("products", self._goods(query))
            if request.method == "POST" and (match := re.fullmatch(r"/api/v1/orders/(\d+)/parcels", request.path)):
                return answer_json(self._parcel(int(match[1]), request.json()), 201)
        except Refusal as refusal:
            return answer_json({"code": refusal.code, "message": str(refusal)}, refusal.status)
        return self.refusal(404)

    def _listed(self, query: dict[str, str]) -> list[Payload]:
        known = {"changed_from", "created_from", "after_id", "ids", "limit"}
        if unknown := sorted(query.keys() - known):
            raise Refusal(400, "unknown_parameter", f"No such parameter: {unknown[0]}")
        rows = sorted(self.orders.values(), key=lambda one: (one["changed"], one["id"]))
        if "ids" in query:
            ids = set(query["ids"].split(","))
            rows = [one for one in rows if str(one["id"]) in ids]
        start = (query.get("changed_from", ""), int(query.get("after_id", "0")))
        rows = [
            one
            for one in rows
            if (one["changed"], one["id"]) > start and one["created"] >= query.get("created_from", "")
        ]
        return rows[: min(100, int(query.get("limit", "20")))]

    def _goods(self, query: dict[str, str]) -> list[Payload]:
        ids = set(query["ids"].split(",")) if "ids" in query else None
        rows = [{**good, "stock": self.stock[number]} for number, good in GOODS.items()]
        rows = [one for one in rows if one["id"] > int(query.get("after_id", "0"))]
        return [one for one in rows if ids is None or str(one["id"]) in ids][: int(query.get("limit", "20"))]

    def _parcel(self, order_id: int, body: Payload) -> Payload:
        order = self.orders.get(order_id)
        if order is None:
            raise Refusal(404, "no_such_order", "There is no such order.")
        if order["state"] != "paid":
            raise Refusal(409, "wrong_state", f"The order is {order['state']}.")
        if unknown := sorted(body.keys() - {"number", "carrier", "link", "items", "last"}):
            raise Refusal(422, "unknown_field", f"No such field: {unknown[0]}")
        if body.get("carrier") == "Nobody":
            raise Refusal(422, "unknown_carrier", "No carrier of that name.")
        if body.get("number"):
            order["parcels"].append({"number": str(body["number"]), "carrier": str(body.get("carrier", ""))})
        if body.get("last"):
            order["state"] = "shipped"
        order["changed"] = self.now()
        return order

    # ---------------------------------------------------------------- the back door

    def admin_route(self, method: str, path: str, body: Any) -> Any:
        """`POST orders|change|clock`, `GET orders|stock`."""
        match f"{method} {path}":
            case "POST orders":
                return [self._make(one) for one in body["orders"]]
            case "POST change":
                self._change(self.orders[int(body["order"])], body)
                return {}
            case "POST clock":
                self.at_s = float(body["at_s"])
                return {"now": self.now()}
            case "GET orders":
                return list(self.orders.values())
            case "GET stock":
                return self.stock
        raise LookupError(path)

    def _make(self, given: Payload) -> int:
        self.last = number = self.last + 1
        created = _stamp(given["created_s"]) if given.get("created_s") else self.now()
        goods = list(GOODS.values())[: given.get("lines", 1)]
        items = []
        for place, good in enumerate(goods, 1):
            price, pieces = given.get("price") or good["price"], given.get("pieces", 1)
            total = price if given.get("price") else f"{float(price) * pieces:.2f}"
            item = {"id": number * 10 + place, "product": good["id"], "sku": good["sku"], "title": good["title"]}
            items.append({**item, "pieces": pieces, "taken_back": 0, "price": price, "total": total})
        total = given.get("price") or f"{sum(float(item['total']) for item in items):.2f}"
        hidden = given.get("hidden", False)
        self.orders[number] = {
            "id": number,
            "number": f"N-{number}",
            "state": "paid",
            "created": created,
            "changed": created,
            "paid": created,
            "currency": given.get("currency") or "EUR",
            "total": total,
            "pickup": given.get("pickup", False),
            "case": "",
            "note": "",
            "buyer": {"hidden": True} if hidden else {**_BUYER, "hidden": False},
            "address": {"country": "NL"} if hidden else dict(_ADDRESS),
            "items": items,
            "parcels": [],
        }
        return number

    def _change(self, order: Payload, body: Payload) -> None:
        match body["change"]:
            case "address":
                order["address"]["line1"] = body["line1"]
            case "pieces":
                order["items"][0]["pieces"] = body["pieces"]
            case "refund":
                order["items"][0]["taken_back"] += body["pieces"]
            case "ship":
                order["parcels"].append({"number": body["number"], "carrier": "Somebody"})
                order["state"] = "shipped"
            case "set":
                order.update(body["values"])
            case "delete":
                del self.orders[order["id"]]
            case unknown:
                raise ValueError(f"no such change: {unknown}")
        order["changed"] = self.now()


def _rows(name: str, rows: list[Payload]) -> Answer:
    """A list whose rows faults may repeat and shuffle."""
    return Answer(rows=[msgspec.json.encode(row) for row in rows], frame=(f'{{"{name}":['.encode(), b"]}"))


def _stamp(at_s: float) -> str:
    return datetime.fromtimestamp(int(at_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command-line options of this twin."""
    parser.add_argument("--orders", type=int, default=0)
    parser.add_argument("--zone", default="Europe/Amsterdam")


def make(options: argparse.Namespace) -> NewshopTwin:
    """The twin that these options ask for."""
    twin = NewshopTwin(options.zone)
    for _n in range(options.orders):
        twin._make({"lines": 2})
    return twin
