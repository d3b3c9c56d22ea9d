"""A simulated WooCommerce shop: REST API v3 with its authentication, its refusals and its habits.

Written from the reference page, above all from its section "Measured on a real store"; where the page contradicts
itself the measurement wins, and a PUT of an unknown order answers 400 as the plugin's source says.
"""

import argparse
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from connectors.simulated import edits, shop_admin
from connectors.simulated.orders import Payload, add_refund, minor, refundable
from connectors.simulated.server import Answer, Request, Service, answer_json
from connectors.simulated.shop_catalogue import CatalogueRoutes
from connectors.simulated.shop_hooks import HookRoutes
from connectors.simulated.shop_keys import KeyRing, permit
from connectors.simulated.shop_parcels import ParcelRoutes
from connectors.simulated.wordpress import (
    Call,
    Handler,
    Params,
    Refusal,
    in_batch,
    item_methods,
    no_route,
    paging_headers,
    read_query,
    with_fields,
)
from connectors.simulated.world import Filter, Row, World, WorldConfig

_READS = ("GET", "HEAD")
_ORDERBY = ("date", "id", "include", "title", "slug", "modified")
_ID = r"(?P<id>[\d]+)"
_SUB = r"(?P<sub>[\d]+)"


class WooOptions(Struct, frozen=True):
    """How the simulated shop behaves. Core fulfilments and Shipment Tracking are off, as in most shops."""

    world: WorldConfig = WorldConfig()
    name: str = "Kleks & Papier"
    url: str = ""
    fulfillments: bool = False
    shipment_tracking: bool = False
    reject_orderby_modified: bool = False


def _note(note: Payload) -> bytes:
    return msgspec.json.encode({key: value for key, value in note.items() if key != "_by_api"})


class WooCommerceTwin(Service):
    """The shop: its world, its keys, its routes."""

    def __init__(self, options: WooOptions) -> None:
        super().__init__()
        self.options = options
        self.world = World(options.world)
        self.keys = KeyRing(options.world.seed, self.world.now)
        self.base = options.url
        catalogue = CatalogueRoutes(self.world, options.name, lambda: self.base)
        self.hooks = HookRoutes(self.world)
        parcels = ParcelRoutes(self.world, self.row)
        tables: list[tuple[str, dict[str, Handler]]] = [
            ("/wc/v3/orders", {"GET": self.list_orders, "POST": self.create_order}),
            ("/wc/v3/orders/batch", {"POST": self.batch, "PUT": self.batch}),
            (f"/wc/v3/orders/{_ID}", item_methods(self.get_order, self.put_order, self.delete_order)),
            (f"/wc/v3/orders/{_ID}/notes", {"GET": self.list_notes, "POST": self.add_note}),
            (f"/wc/v3/orders/{_ID}/notes/{_SUB}", {"GET": self.get_note, "DELETE": self.delete_note}),
            (f"/wc/v3/orders/{_ID}/refunds", {"GET": self.list_refunds, "POST": self.add_refund}),
            *catalogue.routes(),
            *self.hooks.routes(),
        ]
        if options.fulfillments:
            tables += parcels.fulfillment_routes()
        if options.shipment_tracking:
            tables += parcels.tracking_routes()
        self._routes = [(re.compile(pattern), pattern, methods) for pattern, methods in tables]

    # ---------------------------------------------------------------- the server's questions

    def handle(self, request: Request) -> Answer:
        """Authenticate, route and answer one API request."""
        try:
            return self._dispatch(request)
        except Refusal as refusal:
            return refusal.answer()

    def refusal(self, status: int) -> Answer:
        """An error in WordPress shape."""
        code = {401: "woocommerce_rest_cannot_view", 429: "rest_too_many_requests"}.get(status, "internal_server_error")
        words = {401: "Sorry, you cannot list resources.", 429: "Too many requests."}
        message = words.get(status, "There has been a critical error on this website.")
        return answer_json({"code": code, "message": message, "data": {"status": status}}, status)

    def admin_route(self, method: str, path: str, body: Any) -> Any:
        """The shop's own `/_twin/` routes."""
        return shop_admin.route(self.world, method, path, body)

    def hello(self) -> dict[str, object]:
        """What a client needs to connect."""
        return {
            **self.keys.hello(),
            "orders": len(self.world.rows),
            "currency": self.world.config.currency,
            "zone": self.world.config.zone,
        }

    # ---------------------------------------------------------------- WordPress

    def _dispatch(self, request: Request) -> Answer:
        query = read_query(request.query)
        path = request.path
        if path in ("/", "/index.php") and isinstance(query.get("rest_route"), str):
            path = "/wp-json" + str(query["rest_route"])
        if path != "/wp-json" and not path.startswith("/wp-json/"):
            return Answer(404, b"<!DOCTYPE html><title>Page not found</title>", content_type="text/html; charset=UTF-8")
        route = path.removeprefix("/wp-json").rstrip("/") or "/"
        override = request.headers.get("x-http-method-override") or query.get("_method")
        method = str(override).upper() if override and request.method == "POST" else request.method
        key = self.keys.authenticate(request, query) if route.startswith(("/wc/", "/wc-")) else None
        if route in ("/", *(f"/{name}" for name in self._namespaces())):
            return self._index(route)
        if key is not None:
            permit(key, method)
        handler, ids = self._find(route, "GET" if method == "HEAD" else method)
        if key is None:
            doing = {"GET": "list", "POST": "create", "PUT": "edit", "DELETE": "delete"}.get(method, "view")
            code = "woocommerce_rest_cannot_view" if method in _READS else f"woocommerce_rest_cannot_{doing}"
            raise Refusal(401, code, f"Sorry, you cannot {doing} resources.")
        return handler(Call(request, ids, query, self._body(request)))

    def _find(self, route: str, method: str) -> tuple[Handler, dict[str, str]]:
        for pattern, _text, methods in self._routes:
            if (match := pattern.fullmatch(route)) and method in methods:
                return methods[method], match.groupdict()
        raise no_route()

    @staticmethod
    def _body(request: Request) -> Payload:
        if request.method in _READS:
            return {}
        try:
            body = request.json()
        except msgspec.DecodeError as error:
            raise Refusal(400, "rest_invalid_json", "Invalid JSON body passed.") from error
        return body if isinstance(body, dict) else {}

    def _namespaces(self) -> list[str]:
        return ["wp/v2", "wc/v3"] + (["wc-shipment-tracking/v3"] if self.options.shipment_tracking else [])

    def _index(self, route: str) -> Answer:
        namespaces = self._namespaces()
        routes = {
            text.replace("(?P<sub>", "(?P<sub_id>"): {
                "namespace": text[1:].split("/v3")[0] + "/v3",
                "methods": list(methods),
                "endpoints": [{"methods": [name], "args": {}} for name in methods],
            }
            for _pattern, text, methods in self._routes
            if route == "/" or text.startswith(route)
        }
        if route != "/":
            return answer_json({"namespace": route[1:], "routes": routes})
        offset = datetime.fromtimestamp(self.world.now(), self.world.zone).utcoffset() or timedelta()
        return answer_json(
            {
                "name": self.options.name,
                "description": "",
                "url": self.base,
                "home": self.base,
                "gmt_offset": offset.total_seconds() / 3600,
                "timezone_string": self.world.config.zone,
                "namespaces": namespaces,
                "authentication": [],
                "routes": routes,
            }
        )

    # ---------------------------------------------------------------- orders

    def row(self, order_id: int, status: int = 404, code: str = "woocommerce_rest_shop_order_invalid_id") -> Row:
        """The order with that id; the refusal for an unknown one differs by route."""
        row = self.world.rows.get(order_id)
        if row is None:
            message = "Invalid order ID." if code == "woocommerce_rest_order_invalid_id" else "Invalid ID."
            raise Refusal(status, code, message)
        return row

    def list_orders(self, call: Call) -> Answer:
        """`GET /orders`."""
        params = Params(call.query)
        zone = self.world.zone
        gmt = params.boolean("dates_are_gmt")
        page = params.integer("page", 1, 1)
        per_page = params.integer("per_page", 10, 1, 100)
        offset = params.integer("offset", 0, 0)
        statuses = params.words("status", ("any", "trash", "auto-draft", *self.world.statuses))
        allowed = _ORDERBY[:-1] if self.options.reject_orderby_modified else _ORDERBY
        wanted = Filter(
            statuses=None if not statuses or "any" in statuses else frozenset(statuses),
            orderby=params.choice("orderby", "date", allowed),
            descending=params.choice("order", "desc", ("asc", "desc")) == "desc",
            after=params.moment("after", zone, gmt),
            before=params.moment("before", zone, gmt),
            modified_after=params.moment("modified_after", zone, gmt),
            modified_before=params.moment("modified_before", zone, gmt),
            include=params.ids("include"),
            exclude=params.ids("exclude"),
            search=params.text("search"),
            customer=params.optional("customer"),
            product=params.optional("product"),
        )
        params.integer("dp", 2, 0)
        params.check()
        ids = self.world.select(wanted)
        start = offset if "offset" in call.query else (page - 1) * per_page
        rows = [self.world.rows[id_].wire for id_ in ids[start : start + per_page]]
        rows = with_fields(rows, params.words("_fields"))
        return Answer(rows=rows, headers=paging_headers(call, len(ids), page, per_page))

    def _one(self, row: Row, call: Call, status: int = 200) -> Answer:
        return Answer(status, with_fields([row.wire], Params(call.query).words("_fields"))[0])

    def get_order(self, call: Call) -> Answer:
        """`GET /orders/{id}`."""
        return self._one(self.row(call.id), call)

    def _update(self, order_id: int, body: Payload) -> Row:
        row = self.row(order_id, 400)
        order = self.world.load(row)
        edits.apply(self.world, row, order, body)
        self.world.save(row, order)
        return row

    def put_order(self, call: Call) -> Answer:
        """`PUT` or `POST /orders/{id}`."""
        return self._one(self._update(call.id, call.body), call)

    def _create(self, body: Payload) -> Row:
        edits.check_types(body, self.world.statuses)
        order = edits.blank_order(self.world, self.world.next_id())
        row = Row(order["id"], "", 0, 0, 0, b"")
        edits.apply(self.world, row, order, body, new=True)
        self.world.save(row, order)
        return row

    def create_order(self, call: Call) -> Answer:
        """`POST /orders`."""
        if call.body.get("id"):
            raise Refusal(400, "woocommerce_rest_shop_order_exists", "Cannot create existing shop_order.")
        return self._one(self._create(call.body), call, 201)

    def _delete(self, order_id: int, force: bool) -> bytes:
        row = self.row(order_id)
        if force:
            self.world.delete(row)
        elif row.status == "trash":
            raise Refusal(410, "woocommerce_rest_already_trashed", "The shop_order has already been deleted.")
        else:
            order = self.world.load(row)
            self.world.transition(row, order, "trash", by_api=True)
            self.world.save(row, order)
        return row.wire

    def delete_order(self, call: Call) -> Answer:
        """`DELETE /orders/{id}`: to the bin, or for good with `force=true`."""
        return Answer(200, self._delete(call.id, Params(call.query).boolean("force")))

    def batch(self, call: Call) -> Answer:
        """`POST /orders/batch`: every item answers for itself."""
        lists = {name: call.body[name] for name in ("create", "update", "delete") if call.body.get(name)}
        if sum(len(items) for items in lists.values()) > 100:
            code = "woocommerce_rest_request_entity_too_large"
            raise Refusal(413, code, "Unable to accept more than 100 items for this request.")
        acts: dict[str, Callable[[Any], bytes]] = {
            "create": lambda item: self._create(item).wire,
            "update": lambda item: self._update(int(item.get("id", 0)), item).wire,
            "delete": lambda item: self._delete(int(item), True),
        }
        answer: dict[str, list[msgspec.Raw]] = {}
        for name, items in lists.items():
            answer[name] = [msgspec.Raw(in_batch(acts[name], item)) for item in items]
        return answer_json(answer)

    # ---------------------------------------------------------------- notes and refunds

    def _noted(self, call: Call) -> Row:
        return self.row(call.id, 404, "woocommerce_rest_order_invalid_id")

    def list_notes(self, call: Call) -> Answer:
        """`GET /orders/{id}/notes`, newest first."""
        params = Params(call.query)
        kind = params.choice("type", "any", ("any", "customer", "internal"))
        params.check()
        notes = [n for n in self._noted(call).notes if kind == "any" or n["customer_note"] == (kind == "customer")]
        return Answer(rows=[_note(note) for note in reversed(notes)])

    def add_note(self, call: Call) -> Answer:
        """`POST /orders/{id}/notes` → 201."""
        row = self._noted(call)
        text = call.body.get("note")
        if not isinstance(text, str):
            data = {"params": ["note"]}
            raise Refusal(400, "rest_missing_callback_param", "Missing parameter(s): note", **data)
        note = self.world.note(row, text, "api-user", bool(call.body.get("customer_note")), by_api=True)
        return Answer(201, _note(note))

    def _find_note(self, call: Call) -> tuple[Row, Payload]:
        row = self._noted(call)
        for note in row.notes:
            if note["id"] == call.sub:
                return row, note
        raise Refusal(404, "woocommerce_rest_invalid_id", "Invalid resource ID.")

    def get_note(self, call: Call) -> Answer:
        """`GET /orders/{id}/notes/{note_id}`."""
        return Answer(200, _note(self._find_note(call)[1]))

    def delete_note(self, call: Call) -> Answer:
        """`DELETE /orders/{id}/notes/{note_id}?force=true`."""
        row, note = self._find_note(call)
        if not Params(call.query).boolean("force") and not call.body.get("force"):
            code = "woocommerce_rest_trash_not_supported"
            raise Refusal(501, code, "Notes do not support trashing.")
        row.notes.remove(note)
        return Answer(200, _note(note))

    def list_refunds(self, call: Call) -> Answer:
        """`GET /orders/{id}/refunds`, newest first."""
        return Answer(rows=[msgspec.json.encode(one) for one in self._noted(call).refunds])

    def add_refund(self, call: Call) -> Answer:
        """`POST /orders/{id}/refunds` with `amount`, maybe `line_items`; the last money makes it refunded."""
        row = self._noted(call)
        order = self.world.load(row)
        amount = minor(call.body.get("amount", "0"))
        if amount <= 0 or amount > refundable(order):
            raise Refusal(400, "woocommerce_rest_invalid_order_refund", "Refund amount is not valid.")
        pieces = {int(one["id"]): abs(int(one.get("quantity", 0))) for one in call.body.get("line_items", ())}
        reason = str(call.body.get("reason", ""))
        refund = add_refund(order, pieces, amount, reason, self.world.now(), self.world.factory)
        row.refunds.insert(0, refund)
        if refundable(order) <= 0:
            self.world.transition(row, order, "refunded", by_api=True)
        self.world.save(row, order)
        return answer_json(refund, 201)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command-line options of this twin."""
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--currency", default="PLN")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--plain", action="store_true", help="only paid orders that nothing stands in the way of")
    parser.add_argument("--zone", default="Europe/Warsaw")
    parser.add_argument("--extra-products", type=int, default=0)
    parser.add_argument("--number-prefix", default="", help="order numbers as a numbering plugin makes them")
    parser.add_argument("--status", action="append", default=[], help="register a custom order status (repeatable)")
    parser.add_argument("--name", default="Kleks & Papier")
    parser.add_argument("--fulfillments", action="store_true", help="core fulfilments are on")
    parser.add_argument("--shipment-tracking", action="store_true", help="the Shipment Tracking extension is on")
    parser.add_argument("--no-orderby-modified", action="store_true", help="an old shop that cannot sort by modified")


def make(options: argparse.Namespace) -> WooCommerceTwin:
    """The twin that these options ask for."""
    world = ("orders", "plain", "seed", "zone", "currency", "extra_products", "number_prefix")
    config = WorldConfig(**{name: getattr(options, name) for name in world}, statuses=tuple(options.status))
    return WooCommerceTwin(
        WooOptions(
            world=config,
            name=options.name,
            fulfillments=options.fulfillments,
            shipment_tracking=options.shipment_tracking,
            reject_orderby_modified=options.no_orderby_modified,
        )
    )
