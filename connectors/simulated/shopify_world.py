"""An invented Shopify shop: orders with their fulfilment orders, variants with stock, and everything a merchant can do.

Objects are dictionaries in the form of the Admin schema; lists stand where the schema has connections.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.simulated.people import make_buyer

Thing = dict[str, Any]
MERCHANT, SERVICE = "merchant", "service"
DAY = 86_400
_GOODS = (
    ("Wool socks", ("S / Grey", "M / Grey", "L / Blue"), "SOCK", "9.5", 80),
    ("Enamel mug", ("Default Title",), "MUG", "14.0", 310),
    ("Linen towel", ("Sand", "Moss"), "TOWEL", "22.9", 240),
    ("Candle", ("Default Title",), "CANDLE", "11.25", 420),
    ("Field notes", ("Plain", "Ruled", "Dotted"), "NOTE", "6.8", 90),
)
_PEOPLES = {"PL": "Poland", "DE": "Germany", "CN": "China"}


def gid(kind: str, number: int) -> str:
    """A global id."""
    return f"gid://shopify/{kind}/{number}"


def number_of(one: str) -> int:
    """The number in a global id."""
    return int(one.rpartition("/")[2])


def stamp(at: float) -> str:
    """Seconds since the epoch as the API writes them."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Refusal(ValueError):
    """A user error: text, field path and, where the mutation has one, a code."""

    def __init__(self, message: str, field: list[str] | None = None, code: str = "") -> None:
        super().__init__(message)
        self.field, self.code = field, code


class World:
    """The shop's state. `now` tells seconds; every change moves an order's `updatedAt` on."""

    def __init__(self, seed: int, currency: str = "EUR", now: Callable[[], float] = time.time) -> None:
        self.rng = random.Random(seed)
        self.currency, self.now = currency, now
        self._ids = {"Order": 6_120_000_000_000 + seed * 1000}
        self.orders: dict[str, Thing] = {}
        self.routes: dict[str, Thing] = {}
        self.parcels: dict[str, Thing] = {}
        self.variants: dict[str, Thing] = {}
        self.products: dict[str, Thing] = {}
        self.mails: list[str] = []
        """Who was mailed what: `fulfilled 61…`, `pickup 61…`."""
        self.places = {
            name: {"__typename": "Location", "id": self.new("Location"), "name": name, "kind": kind}
            for name, kind in (("Main street", MERCHANT), ("Outlet", MERCHANT), ("Far Away Logistics", SERVICE))
        }
        for title, variants, sku, price, grams in _GOODS:
            self._product(title, variants, sku, price, grams)

    def new(self, kind: str) -> str:
        """A new global id of a kind."""
        self._ids[kind] = self._ids.get(kind, 7000 + 100 * len(self._ids)) + 1
        return gid(kind, self._ids[kind])

    def _product(self, title: str, variants: tuple[str, ...], sku: str, price: str, grams: int) -> None:
        product: Thing = {
            "__typename": "Product",
            "id": self.new("Product"),
            "title": title,
            "description": f"{title}, made to last.",
            "status": "ACTIVE",
            "productType": "Household",
            "category": {
                "__typename": "TaxonomyCategory",
                "id": "gid://shopify/TaxonomyCategory/hg-3",
                "fullName": "Home & Garden > Linens",
            },
            "variants": [],
        }
        for number, name in enumerate(variants):
            code = sku if name == "Default Title" else f"{sku}-{number + 1}"
            item: Thing = {
                "__typename": "InventoryItem",
                "id": self.new("InventoryItem"),
                "sku": code,
                "tracked": sku != "CANDLE",
                "measurement": {"weight": {"unit": "GRAMS", "value": float(grams)}},
            }
            variant: Thing = {
                "__typename": "ProductVariant",
                "id": self.new("ProductVariant"),
                "sku": code,
                "barcode": None,
                "title": name,
                "price": price,
                "product": product,
                "inventoryItem": item,
                "stock": {self.places["Main street"]["id"]: 20, self.places["Outlet"]["id"]: 3},
            }
            item["variant"] = variant
            item["inventoryLevel"] = lambda locationId, v=variant: self._level(v, locationId)
            item["inventoryLevels"] = lambda v=variant, **_rest: [self._level(v, place) for place in v["stock"]]
            variant["inventoryQuantity"] = lambda v=variant: sum(v["stock"].values())
            product["variants"].append(variant)
            self.variants[variant["id"]] = variant
        self.products[product["id"]] = product

    def _level(self, variant: Thing, place: str) -> Thing | None:
        if place not in variant["stock"]:
            return None
        available = variant["stock"][place]
        amounts = {"available": available, "on_hand": available, "committed": 0, "incoming": 0}
        return {
            "id": f"{gid('InventoryLevel', number_of(place))}?inventory_item_id={number_of(variant['id'])}",
            "location": next(one for one in self.places.values() if one["id"] == place),
            "quantities": lambda names: [{"name": name, "quantity": amounts[name]} for name in names],
        }

    # ------------------------------------------------------------ making orders

    def make(self, **given: Any) -> Thing:
        """One order. `lines`: (sku or '' for a custom one, pieces); `service`: a fulfilment service has part of it.

        Others: `age_s`, `financial`, `method`, `gateway`, `note`, `test`, `digital`, `redacted`, `places` (one per line),
        `unrouted`, `attributes`, `processed_s`, `number`, and any field of the schema under its own name.
        """
        number = len(self.orders) + 1001
        age = float(given.pop("age_s", 0))
        made = stamp(self.now() - age)
        financial = given.pop("financial", "PAID")
        method = given.pop("method", "SHIPPING")
        digital = given.pop("digital", False)
        paid = financial in {"PAID", "PARTIALLY_REFUNDED", "REFUNDED"}
        order: Thing = {"__typename": "Order", "id": self.new("Order"), "name": f"#{number}", "number": number}
        order |= {
            "legacyResourceId": str(number_of(order["id"])),
            "test": given.pop("test", False),
            "createdAt": made,
            "processedAt": stamp(self.now() - float(given.pop("processed_s", age))),
            "updatedAt": made,
            "cancelledAt": None,
            "cancelReason": None,
            "closedAt": None,
            "currencyCode": self.currency,
            "presentmentCurrencyCode": self.currency,
            "displayFinancialStatus": financial,
            "returnStatus": "NO_RETURN",
            "confirmed": True,
            "requiresShipping": not digital,
            "unpaid": not paid,
            "fullyPaid": paid,
            "edited": False,
            "note": given.pop("note", None),
            "tags": [],
            "sourceName": "web",
            "paymentGatewayNames": [given.pop("gateway", "shopify_payments")],
            "customAttributes": [{"key": k, "value": v} for k, v in given.pop("attributes", {}).items()],
            "shippingLine": None if digital else {"title": "Parcel", "code": "parcel-std", "source": "shopify"},
            "transactions": [],
            "fulfillments": [],
            "refunds": [],
            "returns": [],
        }
        kinds = {
            "PAID": ("SALE", "SUCCESS"),
            "AUTHORIZED": ("AUTHORIZATION", "SUCCESS"),
            "PENDING": ("SALE", "PENDING"),
        }
        if financial in kinds:
            kind, status = kinds[financial]
            order["transactions"].append(
                {
                    "id": self.new("OrderTransaction"),
                    "kind": kind,
                    "status": status,
                    "processedAt": order["processedAt"],
                }
            )
        self._buyer(order, given.pop("redacted", False), digital)
        wanted = given.pop("lines", None) or [(self.rng.choice(list(self._skus())), self.rng.randrange(1, 4))]
        order["lineItems"] = [self.line(sku, int(pieces), digital) for sku, pieces in wanted]
        where = given.pop("places", [])
        service, unrouted = given.pop("service", False), given.pop("unrouted", False)
        order["fulfillmentOrders"] = []
        self.orders[order["id"]] = order
        order |= given
        if not (digital or unrouted):
            self.route(order, method, where, service)
            for route in order["fulfillmentOrders"]:
                route["createdAt"] = route["updatedAt"] = made
        self.settle(order, touch=False)
        return order

    def _skus(self) -> Iterator[str]:
        return (variant["sku"] for variant in self.variants.values())

    def _buyer(self, order: Thing, redacted: bool, digital: bool) -> None:
        one = make_buyer(self.rng, order["number"], "DE")
        hidden = None if redacted else ...

        def seen(value: str) -> str | None:
            return None if hidden is None else value

        order["email"], order["phone"] = seen(one.email), seen(one.phone)
        order["customer"] = (
            None
            if redacted
            else {
                "__typename": "Customer",
                "id": self.new("Customer"),
                "displayName": f"{one.first_name} {one.last_name}",
                "firstName": one.first_name,
                "lastName": one.last_name,
                "defaultEmailAddress": {"emailAddress": one.email},
                "defaultPhoneNumber": {"phoneNumber": one.phone},
            }
        )
        order["shippingAddress"] = (
            None
            if digital
            else {
                "name": seen(f"{one.first_name} {one.last_name}"),
                "firstName": seen(one.first_name),
                "lastName": seen(one.last_name),
                "company": seen(one.company) or None,
                "address1": seen(one.address_1),
                "address2": seen(one.address_2) or None,
                "city": one.city,
                "province": None,
                "provinceCode": one.state or None,
                "zip": seen(one.postcode),
                "country": _PEOPLES[one.country],
                "countryCodeV2": one.country,
                "phone": seen(one.phone),
            }
        )

    def line(self, sku: str, pieces: int, digital: bool) -> Thing:
        """One line of an order; '' for a custom one that no product stands behind."""
        variant = next((one for one in self.variants.values() if one["sku"] == sku), None)
        price = variant["price"] if variant else "35"
        return {
            "__typename": "LineItem",
            "id": self.new("LineItem"),
            "title": variant["product"]["title"] if variant else "Repair of an old mug",
            "variantTitle": variant["title"] if variant else None,
            "sku": sku,
            "quantity": pieces,
            "currentQuantity": pieces,
            "unfulfilledQuantity": pieces,
            "requiresShipping": not digital,
            "isGiftCard": False,
            "customAttributes": [] if variant else [{"key": "engraving", "value": "Ola"}],
            "variant": variant,
            "product": variant["product"] if variant else None,
            "originalUnitPriceSet": self.money(price),
            "discountedUnitPriceAfterAllDiscountsSet": self.money(price),
        }

    def money(self, amount: Decimal | str) -> Thing:
        """An amount as the API has it."""
        one = {"amount": str(amount), "currencyCode": self.currency}
        return {"shopMoney": one, "presentmentMoney": one}

    def route(
        self, order: Thing, method: str = "SHIPPING", places: list[str] | None = None, service: bool = False
    ) -> None:
        """Make the order's fulfilment orders, one per place."""
        names = list(places or [])
        groups: dict[str, list[Thing]] = {}
        for index, line in enumerate(order["lineItems"]):
            name = "Far Away Logistics" if service else names[index] if index < len(names) else "Main street"
            groups.setdefault(name, []).append(line)
        for name, lines in groups.items():
            pieces = [(line, line["unfulfilledQuantity"]) for line in lines]
            self.add_route(order, self.places[name], method, pieces, "SUBMITTED" if service else "UNSUBMITTED")

    def add_route(self, order: Thing, place: Thing, method: str, lines: list[tuple[Thing, int]], request: str) -> Thing:
        """One more fulfilment order: these pieces of these lines, from one place."""
        route: Thing = {"__typename": "FulfillmentOrder", "id": self.new("FulfillmentOrder")}
        route |= {
            "status": "OPEN",
            "requestStatus": request,
            "fulfillAt": order["createdAt"],
            "fulfillBy": None,
            "createdAt": stamp(self.now()),
            "updatedAt": stamp(self.now()),
            "order": order,
            "orderId": order["id"],
            "assignedLocation": {"name": place["name"], "location": place},
            "deliveryMethod": {"id": self.new("DeliveryMethod"), "methodType": method, "serviceCode": "PT-17"},
            "destination": order["shippingAddress"],
            "fulfillmentHolds": [],
            "fulfillments": [],
            "lineItems": [
                {
                    "__typename": "FulfillmentOrderLineItem",
                    "id": self.new("FulfillmentOrderLineItem"),
                    "totalQuantity": pieces,
                    "remainingQuantity": pieces,
                    "sku": line["sku"],
                    "inventoryItemId": line["variant"] and line["variant"]["inventoryItem"]["id"],
                    "lineItem": line,
                }
                for line, pieces in lines
                if pieces
            ],
        }
        route["supportedActions"] = lambda: [{"action": action} for action in self.actions(route)]
        order["fulfillmentOrders"].append(route)
        self.routes[route["id"]] = route
        return route

    @staticmethod
    def actions(route: Thing) -> list[str]:
        """What may be done with a fulfilment order in its state."""
        status = route["status"]
        if status == "ON_HOLD":
            return ["RELEASE_HOLD", "HOLD", "MOVE"]
        if status == "SCHEDULED":
            return ["MARK_AS_OPEN", "MOVE"]
        if status in {"CLOSED", "CANCELLED", "INCOMPLETE"} or not any(
            o["remainingQuantity"] for o in route["lineItems"]
        ):
            return []
        if route["requestStatus"] in {"SUBMITTED", "ACCEPTED"}:
            return ["REQUEST_CANCELLATION"]
        if route["assignedLocation"]["location"]["kind"] == SERVICE:
            return ["REQUEST_FULFILLMENT", "MOVE"]
        return ["CREATE_FULFILLMENT", *(["HOLD", "MOVE", "SPLIT"] if status == "OPEN" else [])]

    # ------------------------------------------------------------ what is told

    def of(self, route_id: str) -> Thing:
        """A fulfilment order that is there."""
        if route_id not in self.routes:
            raise Refusal("Fulfillment order does not exist.", ["fulfillment"])
        return self.routes[route_id]

    def fulfil(self, fulfillment: Thing) -> Thing:
        """`fulfillmentCreate`: the state machine of fulfilment orders and its refusals."""
        chosen: list[tuple[Thing, Thing, int]] = []
        routes: list[Thing] = []
        for i, part in enumerate(fulfillment["lineItemsByFulfillmentOrder"]):
            route = self.of(part["fulfillmentOrderId"])
            routes.append(route)
            word = route["status"].lower()
            if "CREATE_FULFILLMENT" not in self.actions(route):
                if route["assignedLocation"]["location"]["kind"] == SERVICE:
                    text = "The fulfillment order's assigned fulfillment service must be of api type"
                    raise Refusal(text, ["fulfillment"])
                raise Refusal(
                    f"Fulfillment order {number_of(route['id'])} has an unfulfillable status= {word}.", ["fulfillment"]
                )
            lines = {one["id"]: one for one in route["lineItems"]}
            given = part.get("fulfillmentOrderLineItems")
            if given is None:
                given = [{"id": one["id"], "quantity": one["remainingQuantity"]} for one in route["lineItems"]]
            for j, want in enumerate(given):
                path = ["fulfillment", "lineItemsByFulfillmentOrder", str(i), "fulfillmentOrderLineItems", str(j)]
                if want["id"] not in lines:
                    raise Refusal("Fulfillment order line item does not exist.", path)
                if not 0 < want["quantity"] <= lines[want["id"]]["remainingQuantity"]:
                    raise Refusal("Invalid fulfillment order line item quantity requested.", path)
                chosen.append((route, lines[want["id"]], want["quantity"]))
        if len({route["orderId"] for route in routes}) != 1:
            raise Refusal("All fulfillment orders must belong to the same order.", ["fulfillment"])
        if len({route["assignedLocation"]["location"]["id"] for route in routes}) != 1:
            raise Refusal("All fulfillment orders must be assigned to the same location.", ["fulfillment"])
        return self.send(
            routes[0]["order"], chosen, fulfillment.get("trackingInfo") or {}, fulfillment.get("notifyCustomer")
        )

    def send(self, order: Thing, chosen: list[tuple[Thing, Thing, int]], tracking: Thing, mail: bool | None) -> Thing:
        """A parcel of these pieces leaves: (fulfilment order, its line, pieces)."""
        parcel: Thing = {
            "__typename": "Fulfillment",
            "id": self.new("Fulfillment"),
            "name": f"{order['name']}-F{len(order['fulfillments']) + 1}",
            "status": "SUCCESS",
            "displayStatus": "FULFILLED",
            "createdAt": stamp(self.now()),
            "totalQuantity": sum(pieces for _route, _one, pieces in chosen),
            "trackingInfo": _tracking(tracking),
            "order": order,
            "fulfillmentLineItems": [
                {"id": self.new("FulfillmentLineItem"), "lineItem": one["lineItem"], "quantity": pieces}
                for _route, one, pieces in chosen
            ],
        }
        for route, one, pieces in chosen:
            one["remainingQuantity"] -= pieces
            one["lineItem"]["unfulfilledQuantity"] -= pieces
            done = not any(each["remainingQuantity"] for each in route["lineItems"])
            route["status"] = "CLOSED" if done else "IN_PROGRESS"
            route["updatedAt"] = stamp(self.now())
        order["fulfillments"].append(parcel)
        self.parcels[parcel["id"]] = parcel
        if mail:
            self.mails.append(f"fulfilled {order['legacyResourceId']}")
        self.settle(order)
        return parcel

    def retrack(self, parcel_id: str, tracking: Thing, mail: bool | None) -> Thing:
        """`fulfillmentTrackingInfoUpdate`."""
        parcel = self.parcels.get(parcel_id)
        if parcel is None:
            raise Refusal("Fulfillment does not exist.", ["fulfillmentId"])
        if parcel["status"] == "CANCELLED":
            raise Refusal("Fulfillment is cancelled.", ["fulfillmentId"])
        parcel["trackingInfo"] = _tracking(tracking)
        if mail:
            self.mails.append(f"tracking {parcel['order']['legacyResourceId']}")
        self.settle(parcel["order"])
        return parcel

    def prepared(self, route_ids: list[str]) -> None:
        """`fulfillmentOrderLineItemsPreparedForPickup`: mails the buyer each time it is called."""
        for route_id in route_ids:
            route = self.of(route_id)
            if route["deliveryMethod"]["methodType"] != "PICK_UP" or route["status"] != "OPEN":
                raise Refusal("Fulfillment order is not open for pickup.", ["input"])
        for route_id in route_ids:
            route = self.routes[route_id]
            route["status"], route["updatedAt"] = "IN_PROGRESS", stamp(self.now())
            self.mails.append(f"pickup {route['order']['legacyResourceId']}")
            self.settle(route["order"])

    # ------------------------------------------------------------ what follows

    def settle(self, order: Thing, touch: bool = True) -> None:
        """What follows from the parts: the display status, whether anything may be shipped, the amounts."""
        lines, routes = order["lineItems"], [o for o in order["fulfillmentOrders"] if o["status"] != "CANCELLED"]
        open_ = [route for route in routes if route["status"] != "CLOSED"]
        sent = [one for one in order["fulfillments"] if one["status"] == "SUCCESS"]
        left = sum(line["unfulfilledQuantity"] for line in lines)
        statuses = {route["status"] for route in open_}
        if not order["requiresShipping"]:
            display = "FULFILLMENT_NOT_REQUIRED"
        elif sent:
            display = "PARTIALLY_FULFILLED" if left else "FULFILLED"
        elif statuses and statuses <= {"ON_HOLD", "SCHEDULED"}:
            display = "ON_HOLD" if "ON_HOLD" in statuses else "SCHEDULED"
        elif any(route["requestStatus"] in {"SUBMITTED", "ACCEPTED"} for route in open_):
            display = "PENDING_FULFILLMENT"
        else:
            display = "IN_PROGRESS" if statuses == {"IN_PROGRESS"} else "UNFULFILLED"
        order.setdefault("fixedStatus", None)
        order["displayFulfillmentStatus"] = order["fixedStatus"] or display
        order["fulfillable"] = bool(left) and order["requiresShipping"] and order["cancelledAt"] is None
        goods = sum(
            (Decimal(line["discountedUnitPriceAfterAllDiscountsSet"]["shopMoney"]["amount"]) * line["currentQuantity"])
            for line in lines
        )
        order["currentTotalPriceSet"] = self.money(goods + (Decimal("4.9") if goods else 0))
        order["totalShippingPriceSet"] = self.money("4.9")
        order["totalRefundedSet"] = self.money("0.0")
        if touch:
            order["updatedAt"] = stamp(self.now())


def _tracking(given: Thing) -> list[Thing]:
    """Tracking as it is kept: one number, or several with their addresses."""
    numbers = given.get("numbers") or ([given["number"]] if given.get("number") else [])
    urls = given.get("urls") or ([given["url"]] if given.get("url") else [])
    if not numbers and not given.get("company"):
        return []
    pairs = zip(numbers or [None], [*urls, *[None] * len(numbers or [None])], strict=False)
    return [{"company": given.get("company"), "number": number, "url": url} for number, url in pairs]
