"""The simulated RO App account: its key and rate, its lists, its statuses and fields."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Reply, send

from connectors.simulated.launch import Twin


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with Twin("roapp", rate=0) as running:
        yield running


def ask(twin: Twin, method: str, path: str, body: Any = None, key: str = "") -> Reply:
    headers = {"Authorization": f"Bearer {key or twin.hello['api_key']}", "Content-Type": "application/json"}
    return send(twin.url, method, f"/v2{path}", headers, json.dumps(body).encode() if body is not None else b"")


def make(twin: Twin, *orders: dict[str, Any]) -> list[int]:
    made: list[int] = twin.admin("POST", "orders", {"orders": list(orders or ({},))})
    return made


def test_only_the_key_opens_it(twin: Twin) -> None:
    assert ask(twin, "GET", "/orders", key="other").status == 401
    assert ask(twin, "GET", "/orders").status == 200
    assert ask(twin, "GET", "/nowhere").status == 404


def test_it_answers_three_calls_a_second() -> None:
    with Twin("roapp") as strict:
        codes = [ask(strict, "GET", "/company").status for _n in range(5)]
        assert codes[:3] == [200, 200, 200]
        assert 429 in codes
        strict.admin("POST", "refill", {"seconds": 1})
        assert ask(strict, "GET", "/company").status == 200


def test_lists_come_fifty_a_page_sorted_and_within_their_bounds() -> None:
    with Twin("roapp", rate=0) as twin:
        at = 1_795_000_000
        ids = make(twin, *({"created_s": at + n} for n in range(51)))
        first = ask(twin, "GET", "/orders?sort=-modified_at").json
        assert [row["id"] for row in first["data"]] == ids[:0:-1]
        assert first["paging"] == {"page": 1, "total_pages": 2, "count": 51}
        assert [row["id"] for row in ask(twin, "GET", "/orders?sort=-modified_at&page=2").json["data"]] == ids[:1]
        edge = ask(twin, "GET", f"/orders?ids[]={ids[4]}").json["data"][0]["modified_at"]
        from_edge = ask(twin, "GET", f"/orders?modified_at[]={edge}").json["paging"]["count"]
        between = ask(twin, "GET", f"/orders?created_at[]=1970-01-01T00:00:00Z&created_at[]={edge}").json["paging"][
            "count"
        ]
        assert (from_edge, between) == (47, 5)


@pytest.mark.parametrize(
    "query", ["limit=100", "sort=colour", "modified_at[]=today", "modified_at[]=2026-01-01T00:00:00", "page=0"]
)
def test_what_a_list_does_not_know_is_refused(twin: Twin, query: str) -> None:
    assert ask(twin, "GET", f"/orders?{query}").status == 400


def test_a_status_is_set_with_its_comment_and_a_closed_order_takes_none(twin: Twin) -> None:
    [order] = make(twin)
    assert ask(twin, "POST", f"/orders/{order}/status", {"status_id": 1207, "comment": "Nova 1"}).status == 200
    assert ask(twin, "GET", f"/orders/{order}").json["status"] == {"id": 1207, "name": "Sent"}
    assert twin.admin("GET", "orders", {"orders": [order]})[0]["comments"] == ["Nova 1"]
    for body, status in (
        ({"status_id": "1207"}, 422),
        ({"status_id": 9}, 422),
        ({"status_id": 1207, "tracking": "x"}, 400),
        ({"comment": "x"}, 422),
    ):
        assert ask(twin, "POST", f"/orders/{order}/status", body).status == status
    assert ask(twin, "POST", "/orders/1/status", {"status_id": 1207}).status == 404
    twin.admin("POST", "change", {"order": order, "change": "status", "status": 1209})
    assert ask(twin, "POST", f"/orders/{order}/status", {"status_id": 1207}).status == 422


def test_an_update_takes_the_fields_there_are(twin: Twin) -> None:
    [order] = make(twin)
    assert ask(twin, "PATCH", f"/orders/{order}", {"custom_fields": {"f501": "N1"}}).status == 200
    shown = ask(twin, "GET", f"/orders/{order}").json
    assert shown["custom_fields"] == {"f501": "N1", "f502": "Tkacka 3, Gdansk"}
    for body, status in (
        ({"tracking_number": "N1"}, 400),
        ({"custom_fields": {"f9": "N1"}}, 422),
        ({"custom_fields": {"f501": 1}}, 422),
        ([], 400),
    ):
        assert ask(twin, "PATCH", f"/orders/{order}", body).status == status
