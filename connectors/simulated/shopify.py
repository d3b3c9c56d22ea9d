"""A Shopify shop on loopback: the GraphQL Admin API with its token, scopes, budget, bulk operations and refusals.

Written from the reference page. Documents are checked and answered by graphql-core, which only the `dev` extra brings:
this twin is for tests. What is not published (how connections are priced, texts of refusals) is this twin's own.
"""

import argparse
import importlib.util
import json
import re
import time
from collections import Counter
from typing import Any

from connectors.simulated.server import Answer, Request, Service, answer_json
from connectors.simulated.shopify_changes import change, fill
from connectors.simulated.shopify_world import Refusal, Thing, World, gid, number_of, stamp

VERSIONS = ("2026-01", "2026-04", "2026-07", "2026-10")
SCOPES = (
    "read_all_orders",
    "read_orders",
    "write_orders",
    "read_customers",
    "read_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
    "read_merchant_managed_fulfillment_orders",
    "write_merchant_managed_fulfillment_orders",
    "read_third_party_fulfillment_orders",
)
WINDOW_S = 60 * 86_400
MAX_COST = 1000
TOKEN_S = 86_399
PROTECTED = {
    "Order": {"email", "phone"},
    "Customer": {"displayName", "firstName", "lastName", "defaultEmailAddress", "defaultPhoneNumber"},
    "MailingAddress": {"name", "firstName", "lastName", "address1", "address2", "zip", "phone"},
}
NEEDS = {
    "orders": "read_orders",
    "order": "read_orders",
    "ordersCount": "read_orders",
    "fulfillmentOrders": "",
    "products": "read_products",
    "product": "read_products",
    "productVariants": "read_products",
    "locations": "read_locations",
    "fulfillmentCreate": "write_merchant_managed_fulfillment_orders",
    "fulfillmentTrackingInfoUpdate": "write_merchant_managed_fulfillment_orders",
    "fulfillmentOrderLineItemsPreparedForPickup": "write_merchant_managed_fulfillment_orders",
    "inventorySetQuantities": "write_inventory",
    "inventoryLevel": "read_inventory",
    "inventoryLevels": "read_inventory",
    "customer": "read_customers",
}
"""Root fields, and fields of any object, with the scope they ask for; '' = none, what is not allowed is left out."""


class ShopifyTwin(Service):
    """One shop and one app of it."""

    def __init__(self, world: World, *, points: float = 2_000.0, restore: float = 100.0) -> None:
        super().__init__()
        # Loaded here: the module itself must be importable where graphql-core is not.
        from connectors.simulated.shopify_bulks import Bulks
        from connectors.simulated.shopify_engine import Engine

        self.world = world
        self.engine = Engine(self._look)
        self.client_id, self.client_secret = (
            f"client-{world.rng.getrandbits(40):x}",
            f"shpss_{world.rng.getrandbits(90):x}",
        )
        self.static = f"shpat_{world.rng.getrandbits(90):x}"
        self.tokens: dict[str, float] = {self.static: float("inf")}
        self.scopes = set(SCOPES)
        self.redact = ""
        self.max_cost = MAX_COST
        self.status = 200
        self.points = self.full = points
        self.restore = restore
        self.at = time.monotonic()
        self.grants = 0
        self.operations: Counter[str] = Counter()
        self.costs: list[int] = []
        self.keys: dict[str, tuple[str, Thing | None]] = {}
        self.busy_keys = 0
        self.bulks = Bulks(self.engine, world, self._root, lambda: self.base)
        self.counted = 0
        """Orders that are said to be there besides."""
        self.text, self.variables = "", Thing()

    def hello(self) -> dict[str, object]:
        """What an app needs."""
        return {"client_id": self.client_id, "client_secret": self.client_secret, "access_token": self.static}

    def refusal(self, status: int) -> Answer:
        """Outside 200 `errors` is a plain text; the API's own failure comes with 200."""
        texts = {
            401: "[API] Invalid API key or access token (unrecognized login or wrong password)",
            402: "Payment Required",
            403: "Forbidden",
            404: "Not Found",
            423: "Locked",
            429: "Exceeded 2 calls per second for api client.",
        }
        if status == 500:
            error = {"message": "Internal error. Looks like something went wrong on our end.", "extensions": {}}
            error["extensions"] = {"code": "INTERNAL_SERVER_ERROR", "requestId": "5d1e-77"}
            return answer_json({"errors": [error]}, 500)
        return answer_json({"errors": texts.get(status, "Error")}, status)

    # ------------------------------------------------------------ requests

    def handle(self, request: Request) -> Answer:
        """The token's address, the API's, and the files of bulk operations."""
        if self.status != 200:
            return self.refusal(self.status)
        if request.path == "/admin/oauth/access_token":
            return self._grant(request)
        if match := re.fullmatch(r"/admin/api/([^/]+)/graphql\.json", request.path):
            return self._graphql(request, match[1])
        if match := re.fullmatch(r"/bulk-results/(\d+)\.jsonl", request.path):
            return self.bulks.answer(request, gid("BulkOperation", int(match[1])))
        return self.refusal(404)

    def _grant(self, request: Request) -> Answer:
        from urllib.parse import parse_qs

        if "x-www-form-urlencoded" not in request.headers.get("content-type", "") or request.method != "POST":
            return answer_json({"error": "invalid_request"}, 400)
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return answer_json({"error": "unsupported_grant_type"}, 400)
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return answer_json({"error": "application_cannot_be_found"}, 400)
        self.grants += 1
        token = f"shpca_{self.grants:04d}{self.world.rng.getrandbits(80):x}"
        self.tokens[token] = self.world.now() + TOKEN_S
        scope = ",".join(sorted(self.scopes))
        return answer_json({"access_token": token, "scope": scope, "expires_in": TOKEN_S})

    def _graphql(self, request: Request, version: str) -> Answer:
        if not re.fullmatch(r"20\d\d-\d\d|unstable", version) or request.method != "POST":
            return self.refusal(404)
        served = version if version in VERSIONS else VERSIONS[0]
        token = request.headers.get("x-shopify-access-token", "")
        if self.tokens.get(token, 0) < self.world.now():
            return self.refusal(401)
        try:
            body = request.json()
            text, variables = str(body["query"]), dict(body.get("variables") or {})
        except (ValueError, KeyError, TypeError):
            return answer_json({"errors": "Bad Request"}, 400)
        answer = self._answer(text, variables)
        return answer_json(answer, headers={"X-Shopify-API-Version": served})

    def _answer(self, text: str, variables: Thing) -> Thing:
        from connectors.simulated.shopify_engine import Rejected

        name = match[1] if (match := re.search(r"(?:query|mutation)\s+(\w+)", text)) else "anonymous"
        self.operations[name] += 1
        try:
            document, price = self.engine.prepared(text, variables)
        except Rejected as error:
            return {"errors": error.errors}
        self.costs.append(price)
        now = time.monotonic()
        self.points = min(self.full, self.points + (now - self.at) * self.restore)
        self.at = now
        if price > self.max_cost:
            extensions = {"code": "MAX_COST_EXCEEDED", "cost": price, "maxCost": self.max_cost}
            return {
                "errors": [{"message": f"Query cost is {price}", "extensions": extensions}],
                **self._cost(price, None),
            }
        if price > self.points:
            return {
                "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
                **self._cost(price, None),
            }
        self.text, self.variables = text, variables
        answer, counted = self.engine.run(document, variables, self._root())
        actual = min(price, max(counted, 1))
        self.points -= actual
        return {**answer, **self._cost(price, actual)}

    def _cost(self, price: int, actual: int | None) -> Thing:
        throttle = {
            "maximumAvailable": self.full,
            "currentlyAvailable": int(self.points),
            "restoreRate": self.restore,
        }
        cost = {"requestedQueryCost": price, "actualQueryCost": actual, "throttleStatus": throttle}
        return {"extensions": {"cost": cost}}

    # ------------------------------------------------------------ what the app may see

    def _look(self, source: Any, parent: str, name: str, value: Any) -> Any:
        """Scopes and protected data, field by field."""
        from graphql import GraphQLError

        scope = NEEDS.get(name, "") if parent in {"QueryRoot", "Mutation", "Order", "InventoryItem"} else ""
        if scope and not self._has(scope):
            raise GraphQLError(
                f"Access denied for {name} field.",
                extensions={"code": "ACCESS_DENIED", "requiredAccess": f"`{scope}` access scope."},
            )
        if name == "fulfillmentOrders":
            if parent == "QueryRoot":
                return value
            return [route for route in value if self._may_see(route)]
        if name == "accessScopes":
            return [{"handle": scope} for scope in sorted(self.scopes)]
        if self.redact and name in PROTECTED.get(parent, ()):
            if self.redact == "errors":
                raise GraphQLError(
                    f"This app is not approved to use the {name} field.", extensions={"code": "ACCESS_DENIED"}
                )
            return None
        return value

    def _has(self, scope: str) -> bool:
        return scope in self.scopes or scope.replace("read_", "write_", 1) in self.scopes

    def _may_see(self, route: Thing) -> bool:
        kind = "merchant_managed" if route["assignedLocation"]["location"]["kind"] == "merchant" else "third_party"
        return self._has(f"read_{kind}_fulfillment_orders")

    def _visible(self) -> list[Thing]:
        """Orders inside the sixty days, or all of them."""
        if "read_all_orders" in self.scopes:
            return list(self.world.orders.values())
        since = stamp(self.world.now() - WINDOW_S)
        return [order for order in self.world.orders.values() if order["createdAt"] >= since]

    def _order(self, id: str) -> Thing | None:
        order = self.world.orders.get(id)
        return order if order is not None and any(order is one for one in self._visible()) else None

    # ------------------------------------------------------------ the root

    def _root(self) -> Thing:
        world = self.world
        return {
            "shop": {
                "__typename": "Shop",
                "id": gid("Shop", 61),
                "name": "Wool & Enamel",
                "myshopifyDomain": "wool-enamel.myshopify.com",
                "currencyCode": world.currency,
                "ianaTimezone": "Europe/Berlin",
                "plan": {"publicDisplayName": "Grow"},
            },
            "currentAppInstallation": {"id": gid("AppInstallation", 9), "accessScopes": []},
            "orders": self._orders,
            "order": self._order,
            "ordersCount": self._count,
            "node": self._node,
            "nodes": lambda ids: [self._node(one) for one in ids],
            "fulfillmentOrders": self._routes,
            "fulfillmentOrder": lambda id: self._seen_route(id),
            "fulfillment": lambda id: world.parcels.get(id),
            "products": lambda **_given: list(world.products.values()),
            "product": lambda id: world.products.get(id),
            "productVariants": lambda **_given: list(world.variants.values()),
            "locations": lambda **_given: [one for one in world.places.values() if one["kind"] == "merchant"],
            "bulkOperation": lambda id: self.bulks.poll(id),
            "currentBulkOperation": lambda **_given: next(reversed(self.bulks.all.values()), None),
            "bulkOperationRunQuery": self.bulks.start,
            "fulfillmentCreate": lambda fulfillment, message=None: _told(
                "fulfillment", lambda: world.fulfil(fulfillment)
            ),
            "fulfillmentTrackingInfoUpdate": self._retrack,
            "fulfillmentOrderLineItemsPreparedForPickup": self._prepared,
            "inventorySetQuantities": self._set_quantities,
        }

    def _node(self, id: str) -> Thing | None:
        world = self.world
        if id.startswith("gid://shopify/Order/"):
            if not self._has("read_orders"):
                from graphql import GraphQLError

                raise GraphQLError("Access denied for nodes field.", extensions={"code": "ACCESS_DENIED"})
            return self._order(id)
        if id.startswith("gid://shopify/BulkOperation/"):
            return self.bulks.poll(id)
        found = world.products.get(id) or world.variants.get(id) or world.parcels.get(id)
        return found or self._seen_route(id)

    def _seen_route(self, id: str) -> Thing | None:
        route = self.world.routes.get(id)
        return route if route is not None and self._may_see(route) else None

    def _orders(
        self, query: str | None = None, sortKey: str = "PROCESSED_AT", reverse: bool = False, **_given: Any
    ) -> Any:
        from connectors.simulated.shopify_engine import Sorted

        field = {"UPDATED_AT": "updatedAt", "CREATED_AT": "createdAt", "PROCESSED_AT": "processedAt"}.get(sortKey, "id")
        rows = [order for order in self._visible() if matches(order, query or "")]
        return Sorted(rows, lambda order: (order[field], number_of(order["id"])), reverse)

    def _routes(self, query: str | None = None, includeClosed: bool = False, **_given: Any) -> Any:
        from connectors.simulated.shopify_engine import Sorted

        rows = [route for route in self.world.routes.values() if self._may_see(route) and matches(route, query or "")]
        rows = [route for route in rows if self._order(route["orderId"]) is not None]
        if not includeClosed:
            rows = [route for route in rows if route["status"] not in {"CLOSED", "CANCELLED"}]
        return Sorted(rows, lambda route: (route["updatedAt"], number_of(route["id"])))

    def _count(self, query: str | None = None, limit: int | None = 10_000) -> Thing:
        found = self.counted + sum(1 for order in self._visible() if matches(order, query or ""))
        if limit is not None and found > limit:
            return {"count": limit, "precision": "AT_LEAST"}
        return {"count": found, "precision": "EXACT"}

    # ------------------------------------------------------------ mutations

    def _retrack(self, fulfillmentId: str, trackingInfoInput: Thing, notifyCustomer: bool | None = None) -> Thing:
        call = lambda: self.world.retrack(fulfillmentId, trackingInfoInput, notifyCustomer)  # noqa: E731
        return _told("fulfillment", call)

    def _prepared(self, input: Thing) -> Thing:
        ids = [one["fulfillmentOrderId"] for one in input["lineItemsByFulfillmentOrder"]]
        return _told("", lambda: self.world.prepared(ids))

    def _set_quantities(self, input: Thing) -> Thing:
        """Compare and swap, under a key: the same question is answered alike, another under the same key is refused."""
        from graphql import GraphQLError

        directive = re.search(r"inventorySetQuantities\([^)]*\)\s*@idempotent\(key:\s*\$(\w+)\)", self.text)
        if directive is None:
            text = "The @idempotent directive is required for this mutation."
            raise GraphQLError(text, extensions={"code": "IDEMPOTENCY_KEY_REQUIRED"})
        key = str(self.variables[directive[1]])
        asked = json.dumps(input, sort_keys=True)
        if self.busy_keys > 0:
            self.busy_keys -= 1
            return _wrong("IDEMPOTENCY_CONCURRENT_REQUEST", "A request with this key is being processed.")
        if key in self.keys:
            before, answer = self.keys[key]
            if before != asked:
                return _wrong("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "The key was used with other parameters.")
            return answer or _wrong("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", "An earlier attempt under this key failed.")
        self.keys[key] = (asked, None)
        problem = self._quantities_problem(input)
        if problem is not None:
            return problem
        for one in input["quantities"]:
            self._stock_of(one["inventoryItemId"])["stock"][one["locationId"]] = one["quantity"]
        group = {
            "id": gid("InventoryAdjustmentGroup", len(self.keys)),
            "createdAt": stamp(self.world.now()),
            "changes": [],
        }
        done: Thing = {"inventoryAdjustmentGroup": {**group, "reason": input["reason"]}, "userErrors": []}
        self.keys[key] = (asked, done)
        return done

    def _stock_of(self, item: str) -> Thing:
        return next(
            (one for one in self.world.variants.values() if one["inventoryItem"]["id"] == item), {"stock": None}
        )

    def _quantities_problem(self, input: Thing) -> Thing | None:
        if input["name"] not in {"available", "on_hand"}:
            return _wrong("INVALID_NAME", "The quantity name is invalid.")
        if input["reason"] not in {"correction", "cycle_count_available", "received", "other"}:
            return _wrong("INVALID_REASON", "The reason is invalid.")
        for index, one in enumerate(input["quantities"]):
            field = ["input", "quantities", str(index)]
            stock = self._stock_of(one["inventoryItemId"])["stock"]
            if stock is None:
                return _wrong("INVALID_INVENTORY_ITEM", "The inventory item could not be found.", field)
            if one["locationId"] not in stock:
                return _wrong("INVALID_LOCATION", "The location could not be found.", field)
            if one["quantity"] < 0:
                return _wrong("INVALID_QUANTITY_NEGATIVE", "The quantity cannot be negative.", field)
            if "changeFromQuantity" not in one:
                return _wrong("CHANGE_FROM_QUANTITY_STALE", "changeFromQuantity must be given.", field)
            if one["changeFromQuantity"] not in {None, stock[one["locationId"]]}:
                return _wrong("CHANGE_FROM_QUANTITY_STALE", "The quantity has changed.", field)
        return None

    # ------------------------------------------------------------ the back door

    def admin_route(self, method: str, path: str, body: Any) -> Any:
        """`GET orders|state`; `POST orders|change|stock|settings|refill|expire`."""
        world = self.world
        match (method, path):
            case ("GET", "orders"):
                wanted = body.get("orders") if isinstance(body, dict) else None
                return [
                    _shown(order)
                    for order in world.orders.values()
                    if not wanted or order["legacyResourceId"] in wanted
                ]
            case ("GET", "state"):
                return {
                    "operations": dict(self.operations),
                    "grants": self.grants,
                    "mails": world.mails,
                    "ranges": self.bulks.served,
                    "costs": self.costs,
                    "bulks": [one["query"] for one in self.bulks.all.values()],
                    "urls": [one["url"] for one in self.bulks.all.values() if one["url"]],
                    "stock": {one["sku"]: dict(one["stock"]) for one in world.variants.values()},
                    "keys": list(self.keys),
                    "now": stamp(world.now()),
                }
            case ("GET", "variants"):
                return [
                    {"id": number_of(one["id"]), "product": number_of(one["product"]["id"]), "sku": one["sku"]}
                    for one in world.variants.values()
                ]
            case ("POST", "orders"):
                return [int(world.make(**one)["legacyResourceId"]) for one in body["orders"]]
            case ("POST", "change"):
                change(world, gid("Order", int(body["order"])), body["change"], body)
            case ("POST", "stock"):
                variant = next(one for one in world.variants.values() if one["sku"] == body["sku"])
                variant["stock"][world.places[body.get("place", "Main street")]["id"]] = body["pieces"]
            case ("POST", "settings"):
                self._configure(body)
            case ("POST", "refill"):
                self.points = min(self.full, self.points + body["seconds"] * self.restore)
            case ("POST", "expire"):
                self.tokens = {self.static: float("inf")} if body.get("granted") else {}
            case _:
                raise LookupError(path)
        return {}

    def _configure(self, body: Thing) -> None:
        if "scopes" in body:
            self.scopes = set(body["scopes"])
        if "without" in body:
            self.scopes = set(SCOPES) - set(body["without"])
        own = {"redact", "max_cost", "status", "points", "restore", "busy_keys", "counted"}
        bulk = {"polls", "ends", "planted", "ranges", "file_status", "cut"}
        engine = {"stuck", "stuck_at"}
        if unknown := set(body) - own - bulk - engine - {"scopes", "without"}:
            raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
        for name in set(body) & own:
            setattr(self, name, body[name])
        for name in set(body) & bulk:
            setattr(self.bulks, name, body[name])
        for name in set(body) & engine:
            setattr(self.engine, name, body[name])
        self.full, self.at = max(self.full, self.points), time.monotonic()


def matches(thing: Thing, query: str) -> bool:
    """Does an order (or fulfilment order) fit a search? Terms that Shopify would not understand are ignored, as it does."""
    fields = {"updated_at": "updatedAt", "created_at": "createdAt", "processed_at": "processedAt"}
    if "status:open" in query.split() and (thing["cancelledAt"] or thing["closedAt"]):
        return False
    if "fulfillment_status:unshipped" in query.split() and thing["displayFulfillmentStatus"] == "FULFILLED":
        return False
    for name, sign, value in re.findall(r"(\w+):(>=|<=|>|<|)('[^']*'|\S+)", query):
        if name not in fields or not re.fullmatch(r"'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ'", value):
            continue
        mine, asked = thing[fields[name]], value.strip("'")
        fits = {">=": mine >= asked, "<=": mine <= asked, ">": mine > asked, "<": mine < asked, "": mine == asked}
        if not fits[sign]:
            return False
    return True


def _told(name: str, call: Any) -> Thing:
    """A mutation's payload: what it made, or the user errors."""
    try:
        made = call()
    except Refusal as error:
        problem = {"field": error.field, "message": str(error)}
        return {**({name: None} if name else {}), "userErrors": [problem]}
    return {**({name: made} if name else {}), "userErrors": []}


def _wrong(code: str, message: str, field: list[str] | None = None) -> Thing:
    return {"inventoryAdjustmentGroup": None, "userErrors": [{"code": code, "field": field, "message": message}]}


def _pieces(rows: list[Thing]) -> dict[str, int]:
    """Pieces by order line; a line may lie in several fulfilment orders."""
    found = Counter[str]()
    for one in rows:
        found[str(number_of(one["lineItem"]["id"]))] += one["quantity"]
    return dict(found)


def _shown(order: Thing) -> Thing:
    """An order as a test wants to see it."""
    names = (
        "name",
        "createdAt",
        "updatedAt",
        "cancelledAt",
        "displayFinancialStatus",
        "displayFulfillmentStatus",
        "test",
    )
    return {
        "id": int(order["legacyResourceId"]),
        **{name: order[name] for name in names},
        "lines": [
            {
                "id": number_of(o["id"]),
                "sku": o["sku"],
                "pieces": o["currentQuantity"],
                "left": o["unfulfilledQuantity"],
            }
            for o in order["lineItems"]
        ],
        "parcels": [
            {
                "status": one["status"],
                "tracking": one["trackingInfo"],
                "lines": _pieces(one["fulfillmentLineItems"]),
            }
            for one in order["fulfillments"]
        ],
        "routes": [
            {"id": number_of(one["id"]), "status": one["status"], "place": one["assignedLocation"]["name"]}
            for one in order["fulfillmentOrders"]
        ],
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command-line options of this twin."""
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--currency", default="EUR")
    parser.add_argument("--orders", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="only paid orders that nothing stands in the way of")
    parser.add_argument("--points", type=float, default=2_000, help="the bucket of calls")
    parser.add_argument("--restore", type=float, default=100, help="points given back in a second")


def make(options: argparse.Namespace) -> ShopifyTwin:
    """The twin that these options ask for. Ends with a sentence where graphql-core is missing."""
    if importlib.util.find_spec("graphql") is None:
        raise SystemExit("the Shopify twin needs graphql-core: install shipdeck with its dev extra")
    world = World(options.seed, options.currency)
    fill(world, options.orders, plain=options.plain)
    return ShopifyTwin(world, points=options.points, restore=options.restore)
