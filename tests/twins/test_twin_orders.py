"""Writing to the simulated shop and what its back door shows (WooCommerce reference §3–§7)."""

import hmac
import json
import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any

import pytest
from conftest import Shop, send

from connectors.simulated.cases import CASES, ODD, POISON
from connectors.simulated.launch import Twin


def _seen(shop: Shop, order: int) -> dict[str, Any]:
    return next(one for one in shop.twin.admin("GET", "orders") if one["id"] == order)


def test_completing_twice_sets_the_completion_date_once(shop: Shop) -> None:
    (order,) = shop.create({"created_ago_s": 900, "modified_ago_s": 800})
    old = shop.get(f"/orders/{order}").json
    first = shop.call("PUT", f"/orders/{order}", body={"status": "completed"})
    shop.twin.admin("POST", "clock", {"offset_s": 60})
    second = shop.call("PUT", f"/orders/{order}", body={"status": "completed"})
    shop.twin.admin("POST", "change", {"order": order, "change": "reopen"})
    third = shop.call("PUT", f"/orders/{order}", body={"status": "completed"})
    shop.twin.admin("POST", "clock", {"offset_s": 0})
    assert third.json["date_completed_gmt"] == first.json["date_completed_gmt"]
    assert (first.status, second.status) == (200, 200)
    assert first.json["date_completed_gmt"] == second.json["date_completed_gmt"]
    assert old["date_modified_gmt"] < first.json["date_modified_gmt"] < second.json["date_modified_gmt"]
    assert old["total"] == second.json["total"]
    assert len(shop.get(f"/orders/{order}/notes").json) == 3
    seen = _seen(shop, order)
    assert (seen["times_completed"], seen["made_by_us"]) == (2, True)


def test_no_transition_is_forbidden_but_an_unregistered_status_is(shop: Shop) -> None:
    (order,) = shop.create({"case": "cancelled"})
    assert shop.call("PUT", f"/orders/{order}", body={"status": "completed"}).status == 200
    assert shop.call("PUT", f"/orders/{order}", body={"status": "packed"}).json["status"] == "packed"
    reply = shop.call("PUT", f"/orders/{order}", body={"status": "shipped"})
    assert (reply.status, reply.code) == (400, "rest_invalid_param")


def test_unknown_orders_are_refused_as_each_call_does(shop: Shop) -> None:
    code = "woocommerce_rest_shop_order_invalid_id"
    get, put = shop.get("/orders/9999999"), shop.call("PUT", "/orders/9999999", body={})
    note = shop.call("POST", "/orders/9999999/notes", body={"note": "x"})
    assert (get.status, get.code) == (404, code)
    assert (put.status, put.code) == (400, code)
    assert (note.status, note.code) == (404, "woocommerce_rest_order_invalid_id")
    assert shop.get("/elephants").code == "rest_no_route"


def test_a_note_does_not_move_the_modification_time(shop: Shop) -> None:
    (order,) = shop.create({"modified_ago_s": 500, "created_ago_s": 600})
    before = shop.get(f"/orders/{order}").json["date_modified_gmt"]
    reply = shop.call("POST", f"/orders/{order}/notes", body={"note": "Simulated Post SIM0000000011 https://t.test/x"})
    assert reply.status == 201
    assert shop.get(f"/orders/{order}").json["date_modified_gmt"] == before
    assert _seen(shop, order)["tracking"] == [{"number": "SIM0000000011", "note_id": reply.json["id"]}]
    gone = shop.call("DELETE", f"/orders/{order}/notes/{reply.json['id']}", {"force": "true"})
    assert gone.status == 200
    assert shop.get(f"/orders/{order}/notes").json == []


def test_meta_is_added_or_updated_by_key_and_totals_stay(shop: Shop) -> None:
    (order,) = shop.create({})
    entry = {"key": "_tracking_number", "value": "SIM0000000022"}
    shop.call("PUT", f"/orders/{order}", body={"meta_data": [entry]})
    changed = shop.call("PUT", f"/orders/{order}", body={"meta_data": [{**entry, "value": "SIM0000000033"}]}).json
    assert [one["value"] for one in changed["meta_data"] if one["key"] == "_tracking_number"] == ["SIM0000000033"]
    assert {"number": "SIM0000000033", "meta_key": "_tracking_number"} in _seen(shop, order)["tracking"]


def test_writing_lines_recalculates(shop: Shop) -> None:
    (order,) = shop.create({"line_items": [{"sku": "NB-A5", "quantity": 1}, {"sku": "PEN-07", "quantity": 2}]})
    before = shop.get(f"/orders/{order}").json
    first, second = (line["id"] for line in before["line_items"])
    lines = [{"id": first, "quantity": 3}, {"id": second, "quantity": 0}]
    after = shop.call("POST", f"/orders/{order}", body={"line_items": lines}).json
    assert [(line["sku"], line["quantity"], line["total"]) for line in after["line_items"]] == [("NB-A5", 3, "74.70")]
    assert after["total"] != before["total"]


def test_a_batch_answers_per_item(shop: Shop) -> None:
    ids = shop.create({}, {})
    update = [
        {"id": ids[0], "status": "completed"},
        {"id": 8888888, "status": "completed"},
        {"id": ids[1], "status": "no"},
    ]
    reply = shop.call("POST", "/orders/batch", body={"update": update})
    good, unknown, bad = reply.json["update"]
    assert reply.status == 200
    assert good["status"] == "completed"
    assert unknown["error"]["code"] == "woocommerce_rest_shop_order_invalid_id"
    assert bad["error"]["data"]["status"] == 400
    too_many = shop.call("POST", "/orders/batch", body={"update": [{"id": ids[0]}] * 101})
    assert (too_many.status, too_many.code) == (413, "woocommerce_rest_request_entity_too_large")


def test_an_order_created_over_the_api(shop: Shop) -> None:
    body = {
        "status": "processing",
        "set_paid": True,
        "billing": {"first_name": "Łucja", "email": "l@example.test"},
        "line_items": [{"product_id": 301, "variation_id": 311, "quantity": 2}],
    }
    reply = shop.call("POST", "/orders", body=body)
    assert reply.status == 201
    assert reply.json["status"] == "processing"
    assert reply.json["line_items"][0]["sku"] == "BD-BLUE"
    assert reply.json["date_paid_gmt"]


def test_refunds_show_on_the_order_and_in_their_list(shop: Shop) -> None:
    (order,) = shop.create({"line_items": [{"sku": "NB-A5", "quantity": 3}]})
    shop.twin.admin("POST", "change", {"order": order, "change": "partial_refund", "quantity": 2})
    shown = shop.get(f"/orders/{order}").json
    (refund,) = shop.get(f"/orders/{order}/refunds").json
    assert shown["status"] == "processing"
    assert shown["refunds"][0]["total"] == f"-{refund['amount']}"
    assert refund["line_items"][0]["quantity"] == -2
    assert refund["line_items"][0]["meta_data"][0]["value"] == str(shown["line_items"][0]["id"])
    shop.twin.admin("POST", "change", {"order": order, "change": "refund"})
    assert shop.get(f"/orders/{order}").json["status"] == "refunded"


@pytest.mark.parametrize("change", ["cancel", "address", "quantity", "add_line", "remove_line", "complete", "trash"])
def test_the_merchant_changes_an_order(shop: Shop, change: str) -> None:
    (order,) = shop.create({"created_ago_s": 900, "modified_ago_s": 900, "lines": 2})
    before = shop.get(f"/orders/{order}").json
    shop.twin.admin("POST", "change", {"order": order, "change": change})
    after = shop.get(f"/orders/{order}").json
    assert after["date_modified_gmt"] > before["date_modified_gmt"]
    changed = {"quantity": "line_items", "add_line": "line_items", "remove_line": "line_items", "address": "shipping"}
    assert after[changed.get(change, "status")] != before[changed.get(change, "status")]
    assert _seen(shop, order)["made_by_us"] is False


def test_a_silent_change_and_a_deletion(shop: Shop) -> None:
    (order,) = shop.create({"created_ago_s": 900, "modified_ago_s": 900})
    before = shop.get(f"/orders/{order}").json
    shop.twin.admin("POST", "change", {"order": order, "change": "cancel", "silent": True})
    after = shop.get(f"/orders/{order}").json
    assert (after["status"], after["date_modified_gmt"]) == ("cancelled", before["date_modified_gmt"])
    shop.twin.admin("POST", "change", {"order": order, "change": "delete"})
    assert shop.get(f"/orders/{order}").status == 404


@pytest.mark.parametrize("case", [*CASES, *POISON, *ODD])
def test_every_case_is_listed_and_shown_at_the_back_door(shop: Shop, case: str) -> None:
    (order,) = shop.create({"case": case})
    assert shop.get("/orders", include=order, search="").ids == [order]
    assert _seen(shop, order)["id"] == order


def test_a_note_of_ten_megabytes(shop: Shop) -> None:
    (order,) = shop.create({"customer_note_size": 10_000_000})
    assert len(shop.get(f"/orders/{order}").json["customer_note"]) == 10_000_000
    shop.twin.admin("POST", "change", {"order": order, "change": "delete"})


def test_arrivals_and_a_scenario(shop: Shop) -> None:
    ids = shop.twin.admin("POST", "arrive", {"n": 60, "plain": True})
    assert {one["status"] for one in shop.get("/orders", include=",".join(map(str, ids)), per_page=100).json} == {
        "processing"
    }
    done = shop.twin.admin("POST", "scenario", {"phase": "review", "seed": 3, "share": 0.5, "orders": ids})
    assert sum(done["counts"].values()) == len(done["applied"]) > 10
    assert {one["order"] for one in done["applied"]} <= set(ids)


def test_products_variations_categories_and_stock(shop: Shop) -> None:
    products = shop.get("/products", per_page=100).json
    assert {"NB-A5", "PEN-07", "BD"} <= {one["sku"] for one in products}
    assert [one["sku"] for one in shop.get("/products/301/variations").json] == ["BD-GREEN", "BD-RED", "BD-BLUE"]
    assert shop.get("/products", sku="BD-BLUE").ids == [311]
    assert shop.get("/products/categories", per_page=100, parent=15).status == 200
    reply = shop.call("PUT", "/products/301/variations/311", body={"manage_stock": True, "stock_quantity": 7})
    assert reply.json["stock_quantity"] == 7
    (order,) = shop.create({"line_items": [{"sku": "BD-BLUE", "quantity": 9}]})
    assert shop.get("/products/301/variations/311").json["stock_quantity"] == -2
    shop.twin.admin("POST", "change", {"order": order, "change": "cancel"})
    assert shop.get("/products/301/variations/311").json["stock_quantity"] == 7
    settings = {one["id"]: one["value"] for one in shop.get("/settings/general").json}
    assert settings["woocommerce_currency"] == "PLN"
    assert shop.get("/system_status").json["environment"]["version"]


def test_fulfilments_and_shipment_tracking_when_the_shop_has_them() -> None:
    with Twin("woocommerce", orders=2, plain=True, fulfillments=True, shipment_tracking=True) as twin:
        shop = Shop(twin)
        order = shop.get("/orders").json[0]
        path = f"/orders/{order['id']}/fulfillments"
        items = [{"item_id": line["id"], "qty": line["quantity"]} for line in order["line_items"]]
        meta = [
            {"id": 0, "key": "_items", "value": items},
            {"id": 0, "key": "_tracking_number", "value": "SIM0000000044"},
        ]
        made = shop.call("POST", path, body={"status": "fulfilled", "is_fulfilled": True, "meta_data": meta})
        assert made.status == 201
        after = shop.get(f"/orders/{order['id']}").json
        assert after["status"] == "processing"
        assert [m["value"] for m in after["meta_data"] if m["key"] == "_fulfillment_status"] == ["fulfilled"]
        empty = shop.call("POST", path, body={"meta_data": []})
        assert (empty.status, empty.code) == (400, 0)
        tracking = f"/wp-json/wc-shipment-tracking/v3/orders/{order['id']}/shipment-trackings"
        body = {"custom_tracking_provider": "Simulated", "tracking_number": "SIM0000000055"}
        reply = send(twin.url, "POST", shop.signed("POST", tracking), {}, json.dumps(body).encode())
        assert reply.status == 201
        assert {"number": "SIM0000000055", "meta_key": "_wc_shipment_tracking_items"} in _seen(shop, order["id"])[
            "tracking"
        ]


def test_what_the_shop_has_is_told_by_the_indexes_of_its_routes() -> None:
    with Twin("woocommerce", orders=0, fulfillments=True) as one, Twin("woocommerce", orders=0) as none:
        routes = Shop(one).get("").json["routes"]
        assert any(route.endswith("/fulfillments") for route in routes)
        assert not any(route.endswith("/fulfillments") for route in Shop(none).get("").json["routes"])
        path = "/wp-json/wc-shipment-tracking/v3"
        reply = send(none.url, "GET", Shop(none).signed("GET", path), {}, None)
        assert (reply.status, reply.code) == (404, "rest_no_route")
    with Twin("woocommerce", orders=0, shipment_tracking=True) as two:
        reply = send(two.url, "GET", Shop(two).signed("GET", path), {}, None)
        assert reply.json["namespace"] == "wc-shipment-tracking/v3"


def test_an_updated_fulfilment_keeps_only_what_it_was_given() -> None:
    with Twin("woocommerce", orders=1, plain=True, fulfillments=True) as twin:
        shop = Shop(twin)
        order = shop.get("/orders").json[0]
        path = f"/orders/{order['id']}/fulfillments"
        items = {"key": "_items", "value": [{"item_id": order["line_items"][0]["id"], "qty": 1}]}
        number = {"key": "_tracking_number", "value": "SIM0000000066"}
        made = shop.call("POST", path, body={"meta_data": [items, number]}).json
        assert (made["status"], made["is_fulfilled"]) == ("unfulfilled", False)
        assert _seen(shop, order["id"])["tracking"][-1]["number"] == "SIM0000000066"
        shop.call("PUT", f"{path}/{made['id']}", body={"is_fulfilled": True, "meta_data": [items]})
        [kept] = shop.get(path).json
        assert (kept["status"], [meta["key"] for meta in kept["meta_data"]]) == ("fulfilled", ["_items"])
        for bad in ([{"item_id": "5", "qty": 1}], [{"item_id": 5, "qty": 0}], ["x"], "text"):
            reply = shop.call("POST", path, body={"meta_data": [{"key": "_items", "value": bad}]})
            assert (reply.status, reply.code) == (400, 0)


class Inbox(BaseHTTPRequestHandler):
    """Keeps what was delivered; answers `status`."""

    heard: SimpleQueue[tuple[dict[str, str], bytes]] = SimpleQueue()
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.put(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Nothing to say."""


def test_webhooks_are_signed_begin_with_a_ping_and_end_where_nobody_takes_them(shop: Shop) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/shop/A"
    hook = {"topic": "order.updated", "delivery_url": url, "secret": "s3"}
    made = shop.call("POST", "/webhooks", body=hook)
    assert (made.status, "secret" in made.json) == (201, False)
    headers, body = Inbox.heard.get(timeout=5)
    assert (body, headers.get("x-wc-webhook-signature")) == (f"webhook_id={made.json['id']}".encode(), None)
    (order,) = shop.create({})
    shop.call("PUT", f"/orders/{order}", body={"status": "completed"})
    headers, body = Inbox.heard.get(timeout=5)
    assert headers["x-wc-webhook-signature"] == b64encode(hmac.new(b"s3", body, "sha256").digest()).decode()
    assert (json.loads(body)["id"], headers["x-wc-webhook-topic"]) == (order, "order.updated")
    Inbox.status = 500
    path = f"/webhooks/{made.json['id']}"
    for n in range(5):
        shop.call("PUT", f"/orders/{order}", body={"customer_note": str(n)})
        Inbox.heard.get(timeout=5)
    # The shop counts a delivery after its answer, which this side has sent but the shop may not have read yet.
    late = time.monotonic() + 5
    while shop.get(path).json["status"] != "disabled":
        assert time.monotonic() < late, "five refused deliveries in a row did not end the webhook"
    shop.call("PUT", f"/orders/{order}", body={"customer_note": "nobody is told"})
    # Deliveries go out one after the other: were that change told, it would be heard before the next webhook's ping.
    other = shop.call("POST", "/webhooks", body=hook).json["id"]
    assert Inbox.heard.get(timeout=5)[1] == f"webhook_id={other}".encode()
    for ended in (path, f"/webhooks/{other}"):
        assert shop.call("DELETE", ended, {"force": "true"}).status == 200
    assert [one["id"] for one in shop.get("/webhooks").json] == []
    for bad in ({**hook, "topic": "x"}, {**hook, "delivery_url": "ftp://x"}):
        assert shop.call("POST", "/webhooks", body=bad).status == 400
    server.shutdown()
    server.server_close()
