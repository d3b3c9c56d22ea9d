"""Two ways a shop can hold a parcel's number that core orders cannot: core fulfilments and Shipment Tracking.

Source: reference page §6a (core fulfilments, WooCommerce 10.1 and later, may be off) and §6b (the extension). Neither
changes the order's status or its modification time here; both leave their trace in the order's meta.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from connectors.simulated.orders import Payload
from connectors.simulated.server import Answer, answer_json
from connectors.simulated.wordpress import Call, Handler, Refusal, item_methods
from connectors.simulated.world import Row, World

_ID = r"(?P<id>[\d]+)"
_SUB = r"(?P<sub>[\d]+)"
_ITEMS = "_wc_shipment_tracking_items"
_PROVIDERS = {"Poland": {"InPost": "https://parcels.example.test/inpost/%1$s"}, "Global": {"Simulated": ""}}


class ParcelRoutes:
    """The routes of both; the shop registers those that its options turn on."""

    def __init__(self, world: World, row: Callable[[int, int, str], Row]) -> None:
        self._world = world
        self._find_row = row

    def fulfillment_routes(self) -> list[tuple[str, dict[str, Handler]]]:
        """Core fulfilments."""
        base = f"/wc/v3/orders/{_ID}/fulfillments"
        return [
            (base, {"GET": self._list_fulfillments, "POST": self._add_fulfillment}),
            (f"{base}/{_SUB}", item_methods(self._get_fulfillment, self._put_fulfillment, self._drop_fulfillment)),
        ]

    def tracking_routes(self) -> list[tuple[str, dict[str, Handler]]]:
        """The Shipment Tracking extension."""
        base = f"/wc-shipment-tracking/v3/orders/{_ID}/shipment-trackings"
        providers = "/wc-shipment-tracking/v3/shipment-trackings/providers"
        return [
            (providers, {"GET": lambda call: answer_json(_PROVIDERS)}),
            (base, {"GET": self._list_trackings, "POST": self._add_tracking}),
            (f"{base}/(?P<tracking>[a-f0-9]+)", {"GET": self._get_tracking, "DELETE": self._drop_tracking}),
        ]

    def _row(self, call: Call) -> Row:
        return self._find_row(call.id, 404, "woocommerce_rest_order_invalid_id")

    def _set_meta(self, row: Row, key: str, value: object) -> None:
        order = self._world.load(row)
        kept = [one for one in order["meta_data"] if one["key"] != key]
        order["meta_data"] = [*kept, self._world.factory.meta(key, value)]
        self._world.save(row, order, touch=False)

    # ---------------------------------------------------------------- core fulfilments

    def _list_fulfillments(self, call: Call) -> Answer:
        return answer_json(self._row(call).fulfillments)

    def _fill(self, fulfillment: Payload, body: Payload) -> None:
        if not isinstance(body.get("meta_data"), list):
            code = "rest_missing_callback_param"
            raise Refusal(400, code, "Missing parameter(s): meta_data", params=["meta_data"])
        status = body.get("status", "fulfilled" if body.get("is_fulfilled") else "unfulfilled")
        if status not in ("fulfilled", "unfulfilled"):
            raise Refusal(400, 0, "Invalid fulfillment status.")
        items = next((one.get("value") for one in body["meta_data"] if one.get("key") == "_items"), None)
        if not items:
            raise Refusal(400, 0, "The fulfillment should contain at least one item.")
        if not isinstance(items, list):
            raise Refusal(400, 0, "The fulfillment items should be an array.")
        if not all(_good_item(one) for one in items):
            raise Refusal(400, 0, "Invalid item.")
        meta = [self._world.factory.meta(str(one["key"]), one.get("value")) for one in body["meta_data"]]
        updated = datetime.fromtimestamp(self._world.now(), UTC).strftime("%Y-%m-%d %H:%M:%S")
        fulfillment.update(status=status, is_fulfilled=status == "fulfilled", date_updated=updated, meta_data=meta)

    def _add_fulfillment(self, call: Call) -> Answer:
        row = self._row(call)
        fulfillment: Payload = {
            "id": self._world.factory.next_id(),
            "entity_type": "WC_Order",
            "entity_id": str(row.id),
            "date_deleted": None,
        }
        self._fill(fulfillment, call.body)
        row.fulfillments.append(fulfillment)
        self._mark(row)
        return answer_json(fulfillment, 201)

    def _mark(self, row: Row) -> None:
        """Keep the order's `_fulfillment_status` in step."""
        wanted = {line["id"]: line["quantity"] for line in self._world.load(row)["line_items"] or []}
        held = row.fulfillments
        for one in held:
            if one["is_fulfilled"]:
                for item in next(meta["value"] for meta in one["meta_data"] if meta["key"] == "_items"):
                    wanted[item["item_id"]] = wanted.get(item["item_id"], 0) - item["qty"]
        if not held:
            word = "no_fulfillments"
        elif not any(one["is_fulfilled"] for one in held):
            word = "unfulfilled"
        else:
            word = "fulfilled" if all(left <= 0 for left in wanted.values()) else "partially_fulfilled"
        self._set_meta(row, "_fulfillment_status", word)

    def _fulfillment(self, call: Call) -> tuple[Row, Payload]:
        row = self._row(call)
        for one in row.fulfillments:
            if one["id"] == call.sub:
                return row, one
        raise Refusal(400, 0, "Fulfillment not found.")

    def _get_fulfillment(self, call: Call) -> Answer:
        return answer_json(self._fulfillment(call)[1])

    def _put_fulfillment(self, call: Call) -> Answer:
        row, fulfillment = self._fulfillment(call)
        self._fill(fulfillment, call.body)
        self._mark(row)
        return answer_json(fulfillment)

    def _drop_fulfillment(self, call: Call) -> Answer:
        row, fulfillment = self._fulfillment(call)
        row.fulfillments.remove(fulfillment)
        self._mark(row)
        return answer_json({**fulfillment, "date_deleted": fulfillment["date_updated"]})

    # ---------------------------------------------------------------- Shipment Tracking

    def _list_trackings(self, call: Call) -> Answer:
        return answer_json(self._row(call).trackings)

    def _add_tracking(self, call: Call) -> Answer:
        row = self._row(call)
        body = call.body
        number = str(body.get("tracking_number", ""))
        provider = body.get("tracking_provider") or body.get("custom_tracking_provider")
        if not number or not provider:
            code = "rest_missing_callback_param"
            raise Refusal(400, code, "Missing parameter(s): tracking_number", params=["tracking_number"])
        known = {name: url for region in _PROVIDERS.values() for name, url in region.items()}
        link = known.get(str(body.get("tracking_provider"))) or str(body.get("custom_tracking_link", ""))
        today = datetime.fromtimestamp(self._world.now(), self._world.zone).date().isoformat()
        held = row.trackings
        tracking: Payload = {
            "tracking_id": hashlib.md5(f"{row.id} {len(held)} {number}".encode(), usedforsecurity=False).hexdigest(),
            "tracking_provider": str(provider),
            "tracking_link": link.replace("%1$s", number),
            "tracking_number": number,
            "date_shipped": str(body.get("date_shipped") or today),
        }
        held.append(tracking)
        self._set_meta(row, _ITEMS, held)
        location = f"{call.request.origin}{call.request.path}/{tracking['tracking_id']}"
        links = {"self": [{"href": location}], "collection": [{"href": location.rpartition("/")[0]}]}
        return answer_json({**tracking, "_links": links}, 201, {"Location": location})

    def _tracking(self, call: Call) -> tuple[Row, Payload]:
        row = self._row(call)
        for one in row.trackings:
            if one["tracking_id"] == call.ids["tracking"]:
                return row, one
        raise Refusal(404, "woocommerce_rest_order_shipment_tracking_invalid_id", "Invalid shipment tracking ID.")

    def _get_tracking(self, call: Call) -> Answer:
        return answer_json(self._tracking(call)[1])

    def _drop_tracking(self, call: Call) -> Answer:
        row, tracking = self._tracking(call)
        row.trackings.remove(tracking)
        self._set_meta(row, _ITEMS, row.trackings)
        return Answer(200, msgspec.json.encode(tracking))


def _good_item(item: Any) -> bool:
    """Both the line id and the quantity must be JSON numbers above zero."""
    if not isinstance(item, dict):
        return False
    id_, quantity = item.get("item_id"), item.get("qty")
    if isinstance(id_, bool) or isinstance(quantity, bool) or not isinstance(id_, int):
        return False
    return isinstance(quantity, int | float) and id_ > 0 and quantity > 0
