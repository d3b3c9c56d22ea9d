"""The simulated Cartum shop: its envelope and tokens, its lists, its updates, its goods."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Reply, send

from connectors.simulated.launch import Twin

AGENT = {"User-Agent": "test-shop-client"}


class Gateway:
    """A client of the tests' own."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.token = self.call("auth", login=twin.hello["login"], password=twin.hello["password"])["response"]["token"]

    def send(self, path: str, body: bytes, headers: dict[str, str] = AGENT, method: str = "POST") -> Reply:
        return send(self.twin.url, method, path, headers, body)

    def call(self, function: str, **body: Any) -> Any:
        reply = self.send(f"/api/{function}/", json.dumps(body).encode())
        assert reply.status == 200
        return reply.json

    def ask(self, function: str, **body: Any) -> Any:
        return self.call(function, token=self.token, **body)

    def orders(self, **wanted: Any) -> list[Any]:
        orders: list[Any] = self.ask("orders/get", **wanted)["response"]["orders"]
        return orders

    def make(self, *orders: dict[str, Any]) -> list[int]:
        ids: list[int] = self.twin.admin("POST", "orders", {"orders": list(orders)})
        return ids

    def there(self, order: int) -> Any:
        return self.twin.admin("GET", "orders", {"orders": [order]})[0]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Twin("cartum", seed=3) as twin:
        yield Gateway(twin)


@pytest.fixture(scope="module")
def old() -> Iterator[Gateway]:
    with Twin("cartum", version="3.20") as twin:
        yield Gateway(twin)


# ---------------------------------------------------------------- envelope and tokens


def test_a_wrong_login_is_an_error_with_http_200(gateway: Gateway) -> None:
    answer = gateway.call("auth", login=gateway.twin.hello["login"], password="guess")
    assert answer == {"status": "ERROR", "response": {"message": "Wrong login or password"}}


def test_a_missing_made_up_or_old_token_is_unauthorised(gateway: Gateway) -> None:
    assert gateway.call("orders/get")["status"] == "UNAUTHORIZED"
    assert gateway.call("orders/get", token="none")["status"] == "UNAUTHORIZED"
    late = Gateway(gateway.twin)
    gateway.twin.admin("POST", "clock", {"offset_s": 599})
    assert late.ask("orders/get")["status"] in {"OK", "EMPTY"}
    gateway.twin.admin("POST", "clock", {"offset_s": 601})
    assert late.ask("orders/get")["status"] == "UNAUTHORIZED"
    gateway.twin.admin("POST", "clock", {})


def test_an_old_shop_calls_it_an_error_that_names_the_token(old: Gateway) -> None:
    assert old.call("orders/get", token="none") == {"status": "ERROR", "response": {"message": "Token is not valid"}}


def test_an_unknown_function_answers_200_and_an_empty_response(gateway: Gateway, old: Gateway) -> None:
    assert gateway.ask("orders/burn") == {"status": "UNDEFINED_FUNCTION", "response": []}
    assert old.ask("orders/get_available_statuses")["status"] == "UNDEFINED_FUNCTION"


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xef\xbb\xbf{}", b"login=a"])
def test_what_is_no_json_object_is_an_http_error(gateway: Gateway, body: bytes) -> None:
    assert gateway.send("/api/auth/", body).json["status"] == "HTTP_ERROR"


def test_a_form_is_no_json_and_get_is_no_call(gateway: Gateway) -> None:
    form = gateway.send("/api/auth/", b"{}", {**AGENT, "Content-Type": "application/x-www-form-urlencoded"})
    assert form.json["status"] == "HTTP_ERROR"
    assert gateway.send("/api/auth/", b"{}", method="GET").json["status"] == "HTTP_ERROR"


def test_the_trailing_slash_is_not_optional(gateway: Gateway) -> None:
    assert gateway.send("/api/auth", b"{}").status == 301


@pytest.mark.parametrize("agent", ["python-httpx/0.28", "curl/8", ""])
def test_a_scripts_user_agent_meets_a_challenge(gateway: Gateway, agent: str) -> None:
    reply = gateway.send("/api/auth/", b"{}", {"User-Agent": agent})
    assert (reply.status, reply.body[:9]) == (200, b"<!DOCTYPE")


def test_an_unknown_field_is_an_error(gateway: Gateway) -> None:
    answer = gateway.ask("orders/get", modified_after="2026-01-01")
    assert answer == {"status": "ERROR", "response": {"message": "Unknown field: modified_after"}}


# ---------------------------------------------------------------- orders


def test_no_orders_are_empty(gateway: Gateway) -> None:
    assert gateway.ask("orders/get", ids=[1]) == {"status": "EMPTY", "response": {"orders": []}}


def test_orders_are_found_by_creation_day_by_number_and_by_status(gateway: Gateway) -> None:
    noon = {"stat_created": "2020-05-04 12:00:00", "created_s": 1_588_582_800}
    early, late = gateway.make(noon, {**noon, "stat_created": "2020-05-05 00:00:00", "stat_status": 6})
    late_day = {"from": "2020-05-05", "to": "2020-05-05"}
    assert [one["order_id"] for one in gateway.orders(**{"from": "2020-05-04", "to": "2020-05-04"})] == [early]
    assert [one["order_id"] for one in gateway.orders(**late_day)] == [late]
    assert [one["order_id"] for one in gateway.orders(ids=[late, early])] == [early, late]
    assert [one["order_id"] for one in gateway.orders(ids=[late, early], status=6)] == [late]
    exact = {"from": "04.05.2020 12:00:00", "to": "2020-05-04 12:00:00"}
    assert [one["order_id"] for one in gateway.orders(**exact)] == [early]


def test_a_day_without_a_time_may_end_at_midnight() -> None:
    with Twin("cartum", to_is_midnight=True, newest_first=True) as twin:
        gateway = Gateway(twin)
        made = gateway.make(*[{"created_s": 1_588_582_800 + hour * 3600} for hour in (0, 1)])
        assert gateway.ask("orders/get", **{"from": "2020-05-04", "to": "2020-05-04"})["status"] == "EMPTY"
        days = {"from": "2020-05-04", "to": "2020-05-05"}
        assert [one["order_id"] for one in gateway.orders(**days)] == made[::-1]


def test_an_old_shop_knows_neither_times_nor_pages(old: Gateway) -> None:
    made = old.make({}, {}, {})
    assert old.ask("orders/get", **{"from": "2020-05-04 12:00:00"})["status"] == "ERROR"
    assert [one["order_id"] for one in old.orders(limit=1, offset=1)] == made


def test_an_offset_counts_only_beside_a_limit(gateway: Gateway) -> None:
    made = gateway.make({}, {}, {})
    assert [one["order_id"] for one in gateway.orders(ids=made, offset=1)] == made
    assert [one["order_id"] for one in gateway.orders(ids=made, offset=1, limit=1)] == made[1:2]


def test_the_branch_shows_only_where_additional_data_are_asked_for(gateway: Gateway) -> None:
    [made] = gateway.make({"case": "branch"})
    assert "additional_data" not in gateway.orders(ids=[made])[0]
    assert gateway.orders(ids=[made], additionalData=True)[0]["additional_data"]["recipient_warehouse_ref"]


def test_an_update_is_logged_by_position_and_bad_records_harm_no_others(gateway: Gateway) -> None:
    good, cancelled = gateway.make({}, {"case": "cancelled"})
    answer = gateway.ask(
        "orders/update",
        orders=[
            {"order_id": good, "status": 6, "tracking_code": "0503700000001"},
            {"order_id": good, "status": 99},
            {"order_id": cancelled, "status": 6},
            {"order_id": 1, "status": 6},
            {"order_id": good, "own_tracking_code": "1"},
            {"order_id": str(good), "status": 6},
        ],
    )
    assert answer["status"] == "WARNING"
    assert [item["messages"] for item in answer["response"]["log"]] == [
        "UPDATED",
        "status is not defined or defined incorrectly",
        "order is cancelled and cannot be edited",
        "order is not found",
        "own_tracking_code is not available",
        "order_id is not defined or defined incorrectly",
    ]
    there = gateway.there(good)
    assert (there["status"], there["numbers"]) == (6, {"tracking_code": "0503700000001"})
    assert there["updates"] == [{"status": 6, "tracking_code": "0503700000001"}]


def test_cancelling_by_the_api_is_possible_and_counted(gateway: Gateway) -> None:
    [made] = gateway.make({})
    assert gateway.ask("orders/update", orders=[{"order_id": made, "status": 4}])["status"] == "OK"
    assert gateway.there(made)["cancelled_by_api"] == 1


def test_a_told_number_shows_only_where_the_shop_shows_it(gateway: Gateway) -> None:
    [made] = gateway.make({})
    gateway.ask("orders/update", orders=[{"order_id": made, "tracking_code": "77"}])
    assert "tracking_code" not in gateway.orders(ids=[made])[0]
    with Twin("cartum", shows_number=True, names_orders=True) as twin:
        shows = Gateway(twin)
        [made] = shows.make({})
        log = shows.ask("orders/update", orders=[{"order_id": made, "tracking_code": "77"}])["response"]["log"]
        assert log == [{"status": "OK", "message": "UPDATED", "order_id": made}]
        assert shows.orders(ids=[made])[0]["tracking_code"] == "77"


# ---------------------------------------------------------------- goods


def test_goods_come_in_pages_and_by_article(gateway: Gateway) -> None:
    first = gateway.ask("catalog/export", limit=2)["response"]["products"]
    rest = gateway.ask("catalog/export", limit=500, offset=2)["response"]["products"]
    assert [len(first), len(rest)] == [2, 3]
    assert first[0]["residues"] == [{"warehouse": "Склад 1", "quantity": 40}]
    [one] = gateway.ask("catalog/export", article=["PEN-07"])["response"]["products"]
    assert (one["article"], one["title"]["ua"]) == ("PEN-07", "Ручка 0,7")
    assert gateway.ask("catalog/export", offset=50)["status"] == "EMPTY"


def test_stock_is_set_only_where_the_warehouse_is_known(gateway: Gateway) -> None:
    records = [
        {"article": "INK-50", "residues": [{"warehouse": "Склад 1", "quantity": 7}]},
        {"article": "INK-50", "residues": [{"warehouse": "Elsewhere", "quantity": 9}]},
        {"article": "NEW-1", "residues": []},
        {"article": "INK-50", "images": []},
    ]
    answer = gateway.ask("catalog/import", products=records)
    assert [item["info"][0]["code"] for item in answer["response"]["log"]] == [0, 0, 6, 11]
    assert gateway.twin.admin("GET", "stock")["INK-50"] == {"Склад 1": 7}
    assert gateway.ask("catalog/import", products=[records[0]] * 51)["status"] == "ERROR"


def test_sections_are_told_branch_by_branch(gateway: Gateway) -> None:
    assert [page["id"] for page in gateway.ask("pages/export", parent=0)["response"]["pages"]] == [10, 20]
    assert gateway.ask("pages/export", parent=13)["status"] == "EMPTY"


# ---------------------------------------------------------------- faults


def test_faults_come_in_the_gateways_shape(gateway: Gateway) -> None:
    gateway.twin.fail_next("expired_token")
    assert gateway.ask("orders/get")["status"] == "UNAUTHORIZED"
    gateway.twin.fail_next("html")
    assert gateway.send("/api/orders/get/", b"{}").body.startswith(b"<!DOCTYPE")
    gateway.twin.fail_next("http_500_after", path="orders/update")
    [made] = gateway.make({})
    body = json.dumps({"token": gateway.token, "orders": [{"order_id": made, "status": 6}]}).encode()
    reply = gateway.send("/api/orders/update/", body)
    assert (reply.status, reply.json["status"], gateway.there(made)["status"]) == (500, "EXCEPTION", 6)
