"""The simulated Shopify shop checks what Shopify would check. Asked by a client of the tests' own."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from conftest import Reply, send

from connectors.simulated.launch import Twin, TwinFailed
from domain.clock import iso, now

API = "/admin/api/2026-10/graphql.json"
ORDERS = "query Q($first: Int!, $after: String, $query: String) { orders(first: $first, after: $after, query: $query, %s) %s }"
ROWS = "{ pageInfo { hasNextPage endCursor } nodes { id updatedAt } }"
SHIP = """mutation S($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) {
  fulfillment { id totalQuantity trackingInfo { number company } } userErrors { field message } } }"""
ROUTES = """query R($id: ID!) { order(id: $id) { displayFulfillmentStatus fulfillable fulfillmentOrders(first: 20) { nodes {
  id status requestStatus supportedActions { action } assignedLocation { name }
  lineItems(first: 100) { nodes { id remainingQuantity lineItem { id } } } } } } }"""
SET = """mutation T($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id } userErrors { code message } } }"""


class Shopify:
    """Speaks to the twin as an app would."""

    def __init__(self, twin: Twin) -> None:
        self.twin, self.token = twin, str(twin.hello["access_token"])

    def post(
        self, text: str, variables: dict[str, Any] | None = None, path: str = API, token: str | None = None
    ) -> Reply:
        body = json.dumps({"query": text, "variables": variables or {}}).encode()
        headers = {"X-Shopify-Access-Token": self.token if token is None else token}
        return send(self.twin.url, "POST", path, headers, body)

    def ask(self, text: str, **variables: Any) -> Any:
        reply = self.post(text, variables)
        assert reply.status == 200
        return reply.json

    def data(self, text: str, **variables: Any) -> Any:
        whole = self.ask(text, **variables)
        assert "errors" not in whole, whole
        return whole["data"]

    def code(self, text: str, **variables: Any) -> Any:
        return self.ask(text, **variables)["errors"][0]["extensions"]["code"]

    def make(self, **order: Any) -> str:
        return f"gid://shopify/Order/{self.twin.admin('POST', 'orders', {'orders': [order]})[0]}"

    def change(self, order: str, what: str, **how: Any) -> None:
        self.twin.admin("POST", "change", {"order": int(order.rpartition("/")[2]), "change": what, **how})

    def settings(self, **values: Any) -> None:
        self.twin.admin("POST", "settings", values)

    def routes(self, order: str) -> list[dict[str, Any]]:
        return list(self.data(ROUTES, id=order)["order"]["fulfillmentOrders"]["nodes"])

    def ship(self, *routes: dict[str, Any], pieces: int | None = None, number: str = "N1") -> Any:
        lines = [
            {
                "fulfillmentOrderId": route["id"],
                "fulfillmentOrderLineItems": [
                    {"id": one["id"], "quantity": one["remainingQuantity"] if pieces is None else pieces}
                    for one in route["lineItems"]["nodes"]
                ],
            }
            for route in routes
        ]
        body = {"lineItemsByFulfillmentOrder": lines, "trackingInfo": {"company": "UPS", "number": number}}
        return self.data(SHIP, f=body)["fulfillmentCreate"]

    def refusal(self, *routes: dict[str, Any], pieces: int | None = None) -> str:
        answer = self.ship(*routes, pieces=pieces)
        assert answer["fulfillment"] is None
        return str(answer["userErrors"][0]["message"])

    def set(self, key: str, before: int | None, after: int, **more: Any) -> list[str]:
        variants = self.data("{ productVariants(first: 5) { nodes { inventoryItem { id } } } }")["productVariants"][
            "nodes"
        ]
        place = self.data("{ locations(first: 5) { nodes { id name } } }")["locations"]["nodes"][0]["id"]
        change = {"inventoryItemId": variants[0]["inventoryItem"]["id"], "locationId": place, "quantity": after}
        body = {"name": "available", "reason": "correction", "quantities": [{**change, "changeFromQuantity": before}]}
        answer = self.data(SET, input={**body, **more}, key=key)["inventorySetQuantities"]
        return [one["code"] for one in answer["userErrors"]]


@pytest.fixture(scope="module")
def running() -> Iterator[Twin]:
    with Twin("shopify", orders=40, points=100_000, seed=5) as twin:
        yield twin


@pytest.fixture
def app(running: Twin) -> Shopify:
    running.admin("POST", "settings", {"without": [], "redact": "", "max_cost": 1000, "status": 200, "points": 100_000})
    running.admin("POST", "settings", {"polls": 1, "ends": "COMPLETED", "planted": "", "ranges": True})
    return Shopify(running)


# ---------------------------------------------------------------- who may ask, and what


def test_a_wrong_token_is_401_with_a_plain_text(app: Shopify) -> None:
    reply = app.post("{ shop { name } }", token="shpat_no")
    assert reply.status == 401
    assert isinstance(reply.json["errors"], str)


def grant(app: Shopify, **form: str) -> Reply:
    values = {
        "grant_type": "client_credentials",
        "client_id": str(app.twin.hello["client_id"]),
        "client_secret": str(app.twin.hello["client_secret"]),
        **form,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return send(app.twin.url, "POST", "/admin/oauth/access_token", headers, urlencode(values).encode())


def test_a_grant_gives_a_token_of_a_day_and_checks_what_it_is_given(app: Shopify) -> None:
    granted = grant(app).json
    assert granted["expires_in"] == 86_399
    assert "read_orders" in granted["scope"]
    assert app.post("{ shop { name } }", token=granted["access_token"]).status == 200
    assert grant(app, client_secret="no").status == 400
    assert grant(app, grant_type="password").status == 400
    app.twin.admin("POST", "expire", {"granted": True})
    assert app.post("{ shop { name } }", token=granted["access_token"]).status == 401
    assert app.post("{ shop { name } }").status == 200


def test_an_expired_version_is_served_by_the_oldest_that_lives_and_says_so(app: Shopify) -> None:
    for asked, served in (("2026-10", "2026-10"), ("2024-01", "2026-01"), ("2027-01", "2026-01")):
        reply = app.post("{ shop { name } }", path=f"/admin/api/{asked}/graphql.json")
        assert reply.headers["x-shopify-api-version"] == served
    assert app.post("{ shop { name } }", path="/admin/api/newest/graphql.json").status == 404


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{ shop { name nonsense } }", "undefinedField"),
        ("{ shop(colour: 1) { name } }", "argumentNotAccepted"),
        ("{ orders(first: 1) }", "validationError"),
        ('{ order(id: "x") { lineItems(first: "many") { nodes { id } } } }', "validationError"),
    ],
)
def test_a_document_the_schema_does_not_allow_is_an_error_with_200_and_no_data(
    app: Shopify, text: str, code: str
) -> None:
    whole = app.ask(text)
    assert whole["errors"][0]["extensions"]["code"] == code
    assert "data" not in whole


def test_a_connection_needs_first_and_not_too_much_of_it(app: Shopify) -> None:
    assert "first or last" in app.ask("{ orders { nodes { id } } }")["errors"][0]["message"]
    assert "250" in app.ask("{ orders(first: 251) { nodes { id } } }")["errors"][0]["message"]
    assert "errors" not in app.ask("{ orders(first: 250) { nodes { id } } }")


def test_a_missing_scope_is_access_denied_and_names_the_scope(app: Shopify) -> None:
    app.settings(scopes=["read_products"])
    error = app.ask("{ orders(first: 1) { nodes { id } } }")["errors"][0]
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert "read_orders" in error["extensions"]["requiredAccess"]
    handles = app.data("{ currentAppInstallation { accessScopes { handle } } }")
    assert handles["currentAppInstallation"]["accessScopes"] == [{"handle": "read_products"}]


def test_fulfilment_orders_one_may_not_see_are_left_out_without_an_error(app: Shopify) -> None:
    ours, theirs = app.make(lines=[["MUG", 1]]), app.make(lines=[["MUG", 1]], service=True)
    assert [len(app.routes(one)) for one in (ours, theirs)] == [1, 1]
    app.settings(without=["read_third_party_fulfillment_orders"])
    assert [len(app.routes(one)) for one in (ours, theirs)] == [1, 0]
    app.settings(without=["read_merchant_managed_fulfillment_orders", "write_merchant_managed_fulfillment_orders"])
    assert [len(app.routes(one)) for one in (ours, theirs)] == [0, 1]


def test_sixty_days_are_shown_without_read_all_orders(app: Shopify) -> None:
    old, new = app.make(age_s=60 * 86_400 + 60), app.make(age_s=60 * 86_400 - 60)
    text = "query N($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert app.data(text, ids=[old, new])["nodes"] == [{"id": old}, {"id": new}]
    before = app.data("{ ordersCount { count precision } }")["ordersCount"]
    app.settings(without=["read_all_orders"])
    assert app.data(text, ids=[old, new])["nodes"] == [None, {"id": new}]
    assert app.data("query O($id: ID!) { order(id: $id) { id } }", id=old) == {"order": None}
    assert app.data("{ ordersCount { count precision } }")["ordersCount"]["count"] < before["count"]


@pytest.mark.parametrize("how", ["null", "errors"])
def test_protected_data_is_null_with_or_without_an_error_and_the_rest_is_there(app: Shopify, how: str) -> None:
    order = app.make()
    app.settings(redact=how)
    text = "query O($id: ID!) { order(id: $id) { name email shippingAddress { city zip } } }"
    whole = app.ask(text, id=order)
    assert whole["data"]["order"]["email"] is None
    assert whole["data"]["order"]["shippingAddress"]["zip"] is None
    assert whole["data"]["order"]["shippingAddress"]["city"]
    assert [one["path"] for one in whole.get("errors", [])] == (
        [] if how == "null" else [["order", "email"], ["order", "shippingAddress", "zip"]]
    )


# ---------------------------------------------------------------- what it costs


def test_every_answer_says_what_it_cost_and_what_is_left(app: Shopify) -> None:
    began = time.monotonic()
    app.settings(points=1_000.0)
    cost = app.ask("{ orders(first: 5) { nodes { id } } }")["extensions"]["cost"]
    throttle = cost["throttleStatus"]
    assert cost["requestedQueryCost"] >= cost["actualQueryCost"] >= 1
    assert throttle["restoreRate"] == 100.0
    restored = 100.0 * (time.monotonic() - began)
    assert throttle["currentlyAvailable"] <= 1_000 - cost["actualQueryCost"] + restored


def test_an_empty_bucket_throttles_and_time_fills_it(app: Shopify) -> None:
    app.settings(points=-500.0)
    text = "{ orders(first: 50) { nodes { id } } }"
    whole = app.ask(text)
    assert whole["errors"] == [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]
    assert whole["extensions"]["cost"]["actualQueryCost"] is None
    app.twin.admin("POST", "refill", {"seconds": 60})
    assert "errors" not in app.ask(text)


def test_a_query_that_costs_too_much_is_refused_before_it_runs(app: Shopify) -> None:
    app.settings(max_cost=10)
    error = app.ask("{ orders(first: 250) { nodes { id lineItems(first: 250) { nodes { id } } } } }")["errors"][0]
    assert (error["extensions"]["code"], error["extensions"]["maxCost"]) == ("MAX_COST_EXCEEDED", 10)
    assert error["extensions"]["cost"] > 10


# ---------------------------------------------------------------- lists


def walk(app: Shopify, sort: str, query: str | None = None, between: Any = None) -> list[str]:
    text, after, found = ORDERS % (sort, ROWS), None, list[str]()
    while True:
        page = app.data(text, first=7, after=after, query=query)["orders"]
        found += [one["id"] for one in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]
        if between is not None:
            between(found)


def everything(app: Shopify) -> set[str]:
    return {f"gid://shopify/Order/{one['id']}" for one in app.twin.admin("GET", "orders")}


def test_pages_sorted_by_change_lose_nothing_when_orders_change_meanwhile(app: Shopify) -> None:
    def touch(found: list[str]) -> None:
        if len(found) < 30:
            app.change(found[-1], "set", fields={"note": "touched"})

    found = walk(app, "sortKey: UPDATED_AT", between=touch)
    assert set(found) == everything(app)
    assert len(found) > len(set(found))


def test_dates_in_filters_count_only_quoted_and_in_utc(app: Shopify) -> None:
    since = iso(now() - 30 * 3_600_000)
    fits = {
        f"gid://shopify/Order/{one['id']}" for one in app.twin.admin("GET", "orders") if one["createdAt"] >= str(since)
    }
    assert fits < everything(app)
    assert set(walk(app, "sortKey: ID", f"created_at:>='{since}'")) == fits
    for ignored in (f"created_at:>={since}", f"created_at:>='{str(since)[:-1]}+00:00'", f"made_at:>='{since}'"):
        assert set(walk(app, "sortKey: ID", ignored)) == everything(app)


def test_a_change_of_a_fulfilment_order_does_not_touch_its_order(app: Shopify) -> None:
    order = app.make(age_s=9_000, lines=[["MUG", 2]])
    text = "query O($id: ID!) { order(id: $id) { updatedAt } }"
    before = app.data(text, id=order)
    listed = (
        "query F($q: String) { fulfillmentOrders(first: 50, query: $q, includeClosed: true) { nodes { orderId } } }"
    )
    since = f"updated_at:>='{iso(now() - 60_000)}'"
    app.change(order, "hold")
    assert app.data(text, id=order) == before
    assert {"orderId": order} in app.data(listed, q=since)["fulfillmentOrders"]["nodes"]
    app.change(order, "cancel")
    assert app.data(text, id=order) != before


# ---------------------------------------------------------------- shipping


def test_a_fulfilment_takes_pieces_and_closes_what_is_empty(app: Shopify) -> None:
    order = app.make(lines=[["MUG", 3]])
    [route] = app.routes(order)
    made = app.ship(route, pieces=1)
    assert made["fulfillment"]["totalQuantity"] == 1
    [after] = app.routes(order)
    assert (after["status"], after["lineItems"]["nodes"][0]["remainingQuantity"]) == ("IN_PROGRESS", 2)
    assert app.data(ROUTES, id=order)["order"]["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED"
    app.ship(after)
    assert app.routes(order)[0]["status"] == "CLOSED"
    assert app.data(ROUTES, id=order)["order"]["displayFulfillmentStatus"] == "FULFILLED"


@pytest.mark.parametrize(
    ("what", "how", "words"),
    [
        ("hold", {}, "has an unfulfillable status= on_hold."),
        ("schedule", {"at": "2026-12-24T00:00:00Z"}, "has an unfulfillable status= scheduled."),
        ("cancel", {}, "has an unfulfillable status= cancelled."),
        ("fulfil", {}, "has an unfulfillable status= closed."),
        ("move", {"place": "Far Away Logistics"}, "must be of api type"),
    ],
)
def test_a_fulfilment_order_in_another_state_is_refused(
    app: Shopify, what: str, how: dict[str, Any], words: str
) -> None:
    order = app.make(lines=[["MUG", 3]])
    [route] = app.routes(order)
    assert {"action": "CREATE_FULFILLMENT"} in route["supportedActions"]
    app.change(order, what, **how)
    assert {"action": "CREATE_FULFILLMENT"} not in app.routes(order)[0]["supportedActions"]
    assert words in app.refusal(route)


def test_wrong_lines_and_mixed_orders_and_places_are_refused(app: Shopify) -> None:
    order = app.make(lines=[["MUG", 3], ["SOCK-1", 1]], places=["Main street", "Outlet"])
    main, outlet = app.routes(order)
    other = app.routes(app.make(lines=[["MUG", 1]]))[0]
    assert app.refusal(main, pieces=4) == "Invalid fulfillment order line item quantity requested."
    assert app.refusal({**main, "lineItems": outlet["lineItems"]}) == "Fulfillment order line item does not exist."
    line = main["lineItems"]["nodes"][0]["lineItem"]["id"]
    wrong = {"nodes": [{"id": line, "remainingQuantity": 1}]}
    assert app.refusal({**main, "lineItems": wrong}) == "Fulfillment order line item does not exist."
    assert app.refusal({**main, "id": "gid://shopify/FulfillmentOrder/1"}) == "Fulfillment order does not exist."
    assert "same location" in app.refusal(main, outlet)
    assert "same order" in app.refusal(main, other)


def test_without_the_scope_to_write_a_fulfilment_is_access_denied_and_nothing_happens(app: Shopify) -> None:
    order = app.make(lines=[["MUG", 1]])
    [route] = app.routes(order)
    app.settings(without=["write_merchant_managed_fulfillment_orders"])
    body = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": route["id"]}]}
    whole = app.ask(SHIP, f=body)
    assert whole["data"] == {"fulfillmentCreate": None}
    assert whole["errors"][0]["path"] == ["fulfillmentCreate"]
    assert app.routes(order)[0]["status"] == "OPEN"


def test_a_cancelled_fulfilment_opens_new_fulfilment_orders(app: Shopify) -> None:
    order = app.make(lines=[["MUG", 2]])
    app.ship(*app.routes(order))
    app.change(order, "unfulfil")
    before, after = app.routes(order)
    assert (before["status"], after["status"]) == ("CLOSED", "OPEN")
    assert after["lineItems"]["nodes"][0]["remainingQuantity"] == 2


def test_ready_for_pickup_is_for_what_is_picked_up_and_open(app: Shopify) -> None:
    text = """mutation P($i: FulfillmentOrderLineItemsPreparedForPickupInput!) {
      fulfillmentOrderLineItemsPreparedForPickup(input: $i) { userErrors { message } } }"""

    def prepare(order: str) -> int:
        body = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": app.routes(order)[0]["id"]}]}
        answer = app.data(text, i=body)["fulfillmentOrderLineItemsPreparedForPickup"]
        return len(answer["userErrors"])

    collected = app.make(method="PICK_UP", lines=[["MUG", 1]])
    assert [prepare(collected), prepare(collected), prepare(app.make(lines=[["MUG", 1]]))] == [0, 1, 1]
    assert app.twin.admin("GET", "state")["mails"].count(f"pickup {collected.rpartition('/')[2]}") == 1


def test_a_refund_takes_pieces_off_the_fulfilment_order(app: Shopify) -> None:
    order = app.make(lines=[["MUG", 3]])
    app.change(order, "refund", pieces=1)
    assert app.routes(order)[0]["lineItems"]["nodes"][0]["remainingQuantity"] == 2
    app.change(order, "refund")
    whole = app.data(ROUTES, id=order)["order"]
    assert (whole["fulfillable"], whole["fulfillmentOrders"]["nodes"][0]["status"]) == (False, "CLOSED")


# ---------------------------------------------------------------- stock


def test_stock_is_set_only_under_a_key_and_from_what_is_there(app: Shopify) -> None:
    app.twin.admin("POST", "stock", {"sku": "SOCK-1", "pieces": 20})
    bare = SET.replace("@idempotent(key: $key)", "").replace(", $key: String!", "")
    body = {"name": "available", "reason": "correction", "quantities": []}
    assert app.code(bare, input=body) == "IDEMPOTENCY_KEY_REQUIRED"
    assert app.set("a", 19, 5) == ["CHANGE_FROM_QUANTITY_STALE"]
    assert app.set("a", 19, 5) == ["IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"]
    assert app.set("b", 20, 5) == []
    assert app.set("b", 20, 5) == []
    assert app.set("b", 20, 6) == ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
    assert list(app.twin.admin("GET", "state")["stock"]["SOCK-1"].values()) == [5, 3]
    assert app.set("c", 5, -1) == ["INVALID_QUANTITY_NEGATIVE"]
    assert app.set("d", None, 8) == []
    assert app.set("e", 8, 9, name="reserved") == ["INVALID_NAME"]
    app.settings(busy_keys=1)
    assert app.set("f", 8, 9) == ["IDEMPOTENCY_CONCURRENT_REQUEST"]
    assert app.set("f", 8, 9) == []


# ---------------------------------------------------------------- bulk operations

RUN = """mutation B($q: String!, $g: Boolean!) { bulkOperationRunQuery(query: $q, groupObjects: $g) {
  bulkOperation { id status } userErrors { code message } } }"""
STATE = "query S($id: ID!) { node(id: $id) { ... on BulkOperation { status url objectCount errorCode } } }"
WANTED = "{ orders { edges { node { id name lineItems { edges { node { id sku } } } } } } }"


def start(app: Shopify, text: str = WANTED, grouped: bool = True) -> Any:
    return app.data(RUN, q=text, g=grouped)["bulkOperationRunQuery"]


def file_of(app: Shopify, started: Any, wanted: str = "", token: bool = False) -> Reply:
    url = urlsplit(app.data(STATE, id=started["bulkOperation"]["id"])["node"]["url"])
    headers = {"Range": wanted} if wanted else {}
    return send(
        app.twin.url,
        "GET",
        f"{url.path}?{url.query}",
        headers | ({"X-Shopify-Access-Token": "x"} if token else {}),
        None,
    )


def test_a_bulk_operation_writes_every_object_on_a_line_with_its_parent(app: Shopify) -> None:
    rows = [json.loads(line) for line in file_of(app, start(app)).body.splitlines()]
    assert {one["id"] for one in rows if "__parentId" not in one} == everything(app)
    owner = ""
    for one in rows:
        owner = one["id"] if "__parentId" not in one else owner
        assert one.get("__parentId", owner) == owner
    loose = [json.loads(line) for line in file_of(app, start(app, grouped=False)).body.splitlines()]
    assert sorted(one["id"] for one in loose) == sorted(one["id"] for one in rows)
    assert ["__parentId" in one for one in loose] == sorted("__parentId" in one for one in loose)


@pytest.mark.parametrize(
    "text",
    [
        "{ shop { name } }",
        "query Q($n: Int) { orders(first: $n) { edges { node { id } } } }",
        "{ orders { edges { node { nonsense } } } }",
        "{ orders { edges { node { fulfillmentOrders { edges { node { lineItems { edges { node { id } } } } } } } } } }",
    ],
)
def test_what_cannot_be_a_bulk_operation_is_a_user_error(app: Shopify, text: str) -> None:
    answer = start(app, text)
    assert answer["bulkOperation"] is None
    assert [one["code"] for one in answer["userErrors"]] == ["INVALID"]


def test_one_bulk_operation_at_a_time_and_its_file_in_ranges_without_a_token(app: Shopify) -> None:
    app.settings(polls=2)
    first = start(app)
    assert [one["code"] for one in start(app)["userErrors"]] == ["OPERATION_IN_PROGRESS"]
    assert app.data(STATE, id=first["bulkOperation"]["id"])["node"] == {
        "status": "RUNNING",
        "url": None,
        "objectCount": app.data(STATE, id=first["bulkOperation"]["id"])["node"]["objectCount"],
        "errorCode": None,
    }
    whole = file_of(app, first)
    assert whole.status == 200
    part = file_of(app, first, "bytes=10-29")
    assert (part.status, part.body) == (206, whole.body[10:30])
    assert part.headers["content-range"] == f"bytes 10-29/{len(whole.body)}"
    assert file_of(app, first, f"bytes={len(whole.body)}-").status in {200, 416}
    assert file_of(app, first, f"bytes={len(whole.body)}-{len(whole.body) + 9}").status == 416
    assert file_of(app, first, token=True).status == 400
    assert send(app.twin.url, "GET", "/bulk-results/881.jsonl?signature=0", {}, None).status == 403


# ---------------------------------------------------------------- faults and the back door


def test_faults_come_through_the_same_back_door_as_with_every_twin(app: Shopify) -> None:
    app.twin.fail_next("refused_429", path="graphql.json")
    assert app.post("{ shop { name } }").status == 429
    app.twin.fail_next("http_500_after", path="graphql.json")
    reply = app.post("{ shop { name } }")
    assert (reply.status, reply.json["errors"][0]["extensions"]["code"]) == (500, "INTERNAL_SERVER_ERROR")
    app.settings(status=423)
    assert app.post("{ shop { name } }").status == 423


def test_the_back_door_knows_what_it_was_not_asked_for(app: Shopify) -> None:
    with pytest.raises(TwinFailed, match="no such setting"):
        app.settings(colour="green")
    with pytest.raises(TwinFailed, match="no such change"):
        app.change(app.make(), "paint")
