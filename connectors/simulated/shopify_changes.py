"""What a merchant, a buyer or another app does to an order of the simulated Shopify shop, and a shop's first orders.

Changes of fulfilment orders alone do not touch their order's `updatedAt`; a change made `quietly` touches nothing, as when
the search index missed it.
"""

from connectors.simulated.people import NOTES
from connectors.simulated.shopify_world import Thing, World, stamp


def fill(world: World, orders: int, *, plain: bool = False) -> None:
    """Orders of the last weeks; unless `plain`, every so often one that is not simple."""
    for n in range(orders):
        age = (orders - n) * 2 * 3600
        given: Thing = {"age_s": age}
        if not plain:
            given |= {"note": world.rng.choice([None, None, *NOTES]), **_UGLY[n % len(_UGLY)]}
        order = world.make(**given)
        if not plain and n % 31 == 30:
            change(world, order["id"], "cancel", {})
        if not plain and n % 37 == 36:
            change(world, order["id"], "hold", {"reason": "INCORRECT_ADDRESS"})
        for one in (order, *order["fulfillmentOrders"]):
            one["updatedAt"] = order["createdAt"]


def change(world: World, order_id: str, what: str, how: Thing) -> None:
    """Be the merchant, the buyer or another app. Fulfilment-order changes do not touch the order's `updatedAt`."""
    order = world.orders[order_id]
    routes = [one for one in order["fulfillmentOrders"] if one["status"] not in {"CLOSED", "CANCELLED"}]
    silent = what in {"hold", "release", "schedule", "open", "move", "split", "request", "route"} or how.get("quietly")
    match what:
        case "cancel":
            order["cancelledAt"], order["cancelReason"] = stamp(world.now()), how.get("reason", "CUSTOMER")
            for route in routes:
                route["status"] = "CANCELLED"
        case "refund":
            _refund(world, order, how)
        case "edit":
            _edit(world, order, how["sku"], int(how["pieces"]))
        case "return":
            order["returnStatus"] = how.get("status", "RETURN_REQUESTED")
        case "pay":
            order["displayFinancialStatus"], order["fullyPaid"], order["unpaid"] = "PAID", True, False
            when = stamp(world.now())
            paid = {"id": world.new("OrderTransaction"), "kind": "SALE", "status": "SUCCESS", "processedAt": when}
            order["transactions"].append(paid)
        case "fulfil":
            lines = [(route, one, one["remainingQuantity"]) for route in routes for one in route["lineItems"]]
            if "pieces" in how:
                lines = [(lines[0][0], lines[0][1], int(how["pieces"]))]
            world.send(order, lines, {"company": how.get("company", "UPS"), "number": how.get("number", "")}, False)
        case "unfulfil":
            _unfulfil(world, order)
        case "hold":
            for route in routes:
                route["status"] = "ON_HOLD"
                route["fulfillmentHolds"] = [_hold(world, how)]
        case "release":
            for route in routes:
                route["status"], route["fulfillmentHolds"] = "OPEN", []
        case "schedule":
            for route in routes:
                route["status"], route["fulfillAt"] = "SCHEDULED", how["at"]
        case "open":
            for route in routes:
                route["status"] = "OPEN"
        case "move":
            for route in routes:
                place = world.places[how["place"]]
                route["assignedLocation"] = {"name": place["name"], "location": place}
        case "split":
            _split(world, order, routes[0], int(how.get("pieces", 1)))
        case "request":
            for route in routes:
                route["requestStatus"] = how.get("status", "SUBMITTED")
        case "route":
            world.route(order, how.get("method", "SHIPPING"))
        case "set":
            order |= how["fields"]
        case "delete":
            del world.orders[order_id]
        case _:
            raise ValueError(f"no such change: {what}")
    if not how.get("quietly"):
        for route in order["fulfillmentOrders"]:
            route["updatedAt"] = stamp(world.now())
    world.settle(order, touch=not silent)


def _hold(world: World, how: Thing) -> Thing:
    return {
        "id": world.new("FulfillmentHold"),
        "reason": how.get("reason", "OTHER"),
        "reasonNotes": how.get("notes"),
        "handle": None,
        "heldByRequestingApp": False,
    }


def _refund(world: World, order: Thing, how: Thing) -> None:
    lines = order["lineItems"] if "pieces" not in how else order["lineItems"][:1]
    for line in lines:
        pieces = int(how.get("pieces", line["currentQuantity"]))
        line["currentQuantity"] -= pieces
        _take_off(world, order, line, pieces)
    whole = not any(line["currentQuantity"] for line in order["lineItems"])
    order["displayFinancialStatus"] = "REFUNDED" if whole else "PARTIALLY_REFUNDED"


def _take_off(world: World, order: Thing, line: Thing, pieces: int) -> None:
    """Pieces that will not leave any more: off the line's and the fulfilment orders' remainders."""
    line["unfulfilledQuantity"] = max(0, line["unfulfilledQuantity"] - pieces)
    for route in order["fulfillmentOrders"]:
        for one in route["lineItems"]:
            if one["lineItem"] is line:
                n = min(pieces, one["remainingQuantity"])
                one["remainingQuantity"] -= n
                pieces -= n
        if route["lineItems"] and not any(one["remainingQuantity"] for one in route["lineItems"]):
            route["status"] = "CLOSED" if route["status"] != "CANCELLED" else "CANCELLED"


def _edit(world: World, order: Thing, sku: str, pieces: int) -> None:
    """An order edit: so many pieces of a SKU from now on, the line made where there was none."""
    order["edited"] = True
    line = next((one for one in order["lineItems"] if one["sku"] == sku), None)
    if line is None:
        line = world.line(sku, pieces, False)
        order["lineItems"].append(line)
        world.add_route(order, world.places["Main street"], "SHIPPING", [(line, pieces)], "UNSUBMITTED")
    elif pieces < line["currentQuantity"]:
        _take_off(world, order, line, line["currentQuantity"] - pieces)
        line["currentQuantity"] = pieces
    else:
        more = pieces - line["currentQuantity"]
        for name in ("quantity", "currentQuantity", "unfulfilledQuantity"):
            line[name] += more
        world.add_route(order, world.places["Main street"], "SHIPPING", [(line, more)], "UNSUBMITTED")


def _unfulfil(world: World, order: Thing) -> None:
    """Cancel every fulfilment: new fulfilment orders, with new ids, open for what they held."""
    for parcel in order["fulfillments"]:
        if parcel["status"] == "SUCCESS":
            parcel["status"] = "CANCELLED"
            lines = [(one["lineItem"], one["quantity"]) for one in parcel["fulfillmentLineItems"]]
            for line, pieces in lines:
                line["unfulfilledQuantity"] += pieces
            world.add_route(order, world.places["Main street"], "SHIPPING", lines, "UNSUBMITTED")


def _split(world: World, order: Thing, route: Thing, pieces: int) -> None:
    one = route["lineItems"][0]
    pieces = min(pieces, one["remainingQuantity"] - 1)
    one["remainingQuantity"] -= pieces
    one["totalQuantity"] -= pieces
    place, method = route["assignedLocation"]["location"], route["deliveryMethod"]["methodType"]
    world.add_route(order, place, method, [(one["lineItem"], pieces)], route["requestStatus"])


_UGLY: tuple[Thing, ...] = (
    {},
    {"lines": [("", 1), ("MUG", 2)]},
    {"redacted": True},
    {"financial": "PENDING", "gateway": "Cash on Delivery (COD)"},
    {"financial": "PENDING"},
    {"test": True},
    {"method": "PICK_UP"},
    {"method": "LOCAL"},
    {"method": "PICKUP_POINT"},
    {"digital": True},
    {"service": True},
    {"lines": [("SOCK-1", 2), ("TOWEL-2", 1)], "places": ["Main street", "Outlet"]},
    {"financial": "AUTHORIZED"},
    {"attributes": {"gift": "yes", "_cart": "a1"}},
    {"lines": [("MUG", 1)] * 30},
)
"""One after another, what makes orders hard to read."""
