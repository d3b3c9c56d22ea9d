"""Each kind of fault as a client sees it at the socket, and whether the shop acted."""

import http.client
import json
import time
from collections.abc import Iterator

import pytest
from conftest import Reply, Shop

from connectors.simulated.launch import Twin, TwinFailed


@pytest.fixture
def order(shop: Shop) -> Iterator[int]:
    shop.twin.admin("POST", "faults", {"rate": 0, "hold_s": 0.05, "latency_s": 0.05, "reset_counts": True})
    yield shop.create({})[0]
    shop.twin.admin("POST", "faults", {"rate": 0})


def _write(shop: Shop, order: int) -> Reply:
    return shop.call("POST", f"/orders/{order}/notes", body={"note": "SIM0000000077"})


def _acted(shop: Shop, order: int) -> bool:
    return any(one["id"] == order and one["tracking"] for one in shop.twin.admin("GET", "orders"))


@pytest.mark.parametrize(
    ("kind", "status", "retry_after", "is_json"),
    [
        ("refused_429", 429, "1", True),
        ("throttled_no_header", 429, None, True),
        ("http_500", 500, None, True),
        ("http_502", 502, None, False),
        ("http_503", 503, None, False),
        ("http_503_retry_after", 503, "1", False),
        ("html", 200, None, False),
        ("expired_token", 401, None, True),
    ],
)
def test_an_answer_instead_of_acting(
    shop: Shop, order: int, kind: str, status: int, retry_after: str | None, is_json: bool
) -> None:
    shop.twin.fail_next(kind, "POST", "/notes")
    reply = _write(shop, order)
    assert (reply.status, reply.headers.get("retry-after")) == (status, retry_after)
    assert ("json" in reply.headers["content-type"]) is is_json
    assert not _acted(shop, order)
    assert shop.twin.admin("GET", "faults") == {kind: 1}
    assert _write(shop, order).status == 201


@pytest.mark.parametrize(
    ("kind", "acted"),
    [("cut_before", False), ("cut_after", True), ("timeout_before", False), ("reset_mid_body", True)],
)
def test_a_connection_that_breaks(shop: Shop, order: int, kind: str, acted: bool) -> None:
    shop.twin.fail_next(kind, "POST", "/notes")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        _write(shop, order)
    assert _acted(shop, order) is acted


def test_the_end_of_a_cut_is_orderly_before_and_a_reset_after(shop: Shop, order: int) -> None:
    shop.twin.fail_next("cut_before", "POST", "/notes")
    with pytest.raises(http.client.RemoteDisconnected):
        _write(shop, order)
    shop.twin.fail_next("cut_after", "POST", "/notes")
    with pytest.raises(ConnectionResetError) as caught:
        _write(shop, order)
    assert not isinstance(caught.value, http.client.RemoteDisconnected)


def test_a_held_answer_comes_late_and_was_acted_on(shop: Shop, order: int) -> None:
    shop.twin.fail_next("timeout_after", "POST", "/notes")
    began = time.monotonic()
    assert _write(shop, order).status == 201
    assert time.monotonic() - began >= 0.05


def test_a_malformed_answer_is_no_json_but_was_acted_on(shop: Shop, order: int) -> None:
    shop.twin.fail_next("malformed", "POST", "/notes")
    reply = _write(shop, order)
    with pytest.raises(json.JSONDecodeError):
        _ = reply.json
    assert _acted(shop, order)


def test_a_server_error_after_the_fact(shop: Shop, order: int) -> None:
    shop.twin.fail_next("http_500_after", "POST", "/notes")
    assert _write(shop, order).status == 500
    assert _acted(shop, order)


def test_a_list_with_a_duplicate_and_one_out_of_order(shop: Shop, order: int) -> None:
    good = shop.get("/orders", per_page=20).ids
    shop.twin.fail_next("duplicate", "GET", "/orders")
    twice = shop.get("/orders", per_page=20).ids
    shop.twin.fail_next("reorder", "GET", "/orders")
    mixed = shop.get("/orders", per_page=20).ids
    assert len(twice) == 21
    assert set(twice) == set(good)
    assert mixed != good
    assert sorted(mixed) == sorted(good)
    assert shop.twin.admin("GET", "faults") == {"duplicate": 1, "reorder": 1}


def test_one_shots_wait_for_their_method_path_and_turn(shop: Shop, order: int) -> None:
    shop.twin.fail_next("http_500", "GET", "per_page=3", times=2, skip=1)
    assert _write(shop, order).status == 201
    assert [shop.get("/orders", per_page=n).status for n in (3, 4, 3, 3, 3)] == [200, 200, 500, 500, 200]


def test_a_rate_is_seeded_and_spares_the_back_door(shop: Shop, order: int) -> None:
    runs = []
    for _ in range(2):
        shop.twin.admin("POST", "faults", {"rate": 0.4, "kinds": ["http_500", "refused_429"], "seed": 5})
        runs.append([shop.get(f"/orders/{order}").status for _ in range(25)])
        for _ in range(10):
            shop.twin.admin("GET", "counts")
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 429, 500}
    counts = shop.twin.admin("GET", "faults")
    assert counts == {"http_500": 2 * runs[0].count(500), "refused_429": 2 * runs[0].count(429)}
    shop.twin.admin("POST", "faults", {"rate": 0})
    assert {shop.get(f"/orders/{order}").status for _ in range(10)} == {200}


def test_an_unknown_kind_is_refused(shop: Shop) -> None:
    with pytest.raises(TwinFailed, match="no such fault: gremlins"):
        shop.twin.admin("POST", "faults", {"rate": 1, "kinds": ["gremlins"]})


def test_one_connection_serves_many_requests(shop: Shop) -> None:
    connection = http.client.HTTPConnection(shop.twin.url.removeprefix("http://"), timeout=5)
    for _ in range(3):
        connection.request("GET", shop.signed("GET", "/wp-json/wc/v3/orders", {"per_page": 1}))
        first = connection.sock
        assert connection.getresponse().read()
        assert connection.sock is first is not None
    connection.close()


def test_a_twin_dies_when_its_parent_lets_go() -> None:
    twin = Twin("carrier")
    twin.close()
    with pytest.raises(ConnectionRefusedError):
        twin.admin("GET", "waybills")
