"""WooCommerce: several orders are completed in one call, each for itself, and as safely as one by one."""

import json
from typing import Any

import httpx
import pytest
from test_woocommerce import a_shop, an_order, error, no_places
from test_woocommerce_push import a_push, bind, shown

from connectors.contract import Push, Pushed, PushedInPart
from connectors.shops.woocommerce_push import BATCH
from connectors.simulated.launch import Twin
from domain.results import NotActed, Refused, Unauthorised, Unknown
from tests.conftest import lent


@pytest.fixture(scope="module")
def twin() -> Any:
    with lent("woocommerce", orders=0) as running:
        yield running


def pushes_of(twin: Twin, count: int) -> list[Push]:
    ids = twin.admin("POST", "arrive", {"n": count, "plain": True})
    return [a_push(shown(twin, one), number=f"6400{one}") for one in ids]


def _calls(twin: Twin) -> dict[str, int]:
    return dict(twin.admin("GET", "calls")["calls"])


async def test_a_shipment_costs_little_more_than_its_note(twin: Twin) -> None:
    shop, pushes = bind(twin), pushes_of(twin, 20)
    before = _calls(twin)
    assert await shop.push(pushes) == [Pushed(push.number, "completed") for push in pushes]
    made = {name: count - before.get(name, 0) for name, count in _calls(twin).items() if count != before.get(name, 0)}
    found = {name.rpartition("/wc")[2]: count for name, count in made.items()}
    assert found == {
        "/v3": 1,
        "-shipment-tracking/v3": 1,
        "/v3/orders": 2,
        "/v3/orders/{id}/notes": 20,
        "/v3/orders/batch": 20 // BATCH,
    }
    await shop._http.aclose()


@pytest.mark.parametrize("kind", ["cut_after", "http_500_after", "malformed", "cut_before", "http_500"])
async def test_a_lost_answer_leaves_every_order_of_the_call_unknown_and_all_are_found(twin: Twin, kind: str) -> None:
    shop, pushes = bind(twin), pushes_of(twin, BATCH)
    twin.fail_next(kind, "POST", "/orders/batch")
    assert all(isinstance(outcome, Unknown) for outcome in await shop.push(pushes))
    acted = kind not in {"cut_before", "http_500"}
    wanted = [Pushed(push.number, "completed") if acted else PushedInPart(push.number) for push in pushes]
    assert await shop.find_push(pushes) == wanted
    again = [a_push(shown(twin, int(push.platform_order_id)), number=push.number, tell=False) for push in pushes]
    assert await shop.push(again) == [Pushed(push.number, "completed") for push in pushes]
    after = [shown(twin, int(push.platform_order_id)) for push in pushes]
    assert [(len(one["notes"]), one["times_completed"]) for one in after] == [(1, 1)] * BATCH
    await shop._http.aclose()


class Batching:
    """Orders 1 to 3 of a shop; `answer` is what a batch is answered with (None: as the platform does)."""

    def __init__(self, answer: httpx.Response | None = None, **items: dict[str, Any]) -> None:
        self.orders = {n: an_order(id=n, meta_data=[]) for n in (1, 2, 3)}
        self.noted: dict[int, list[str]] = {n: [] for n in self.orders}
        self.answer, self.items = answer, items
        self.batches, self.puts = 0, 0

    def _update(self, change: dict[str, Any]) -> dict[str, Any]:
        order = self.orders[change["id"]]
        order |= change
        return order

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if (said := no_places(request)) is not None:
            return said
        parts = request.url.path.split("/")
        if parts[-1] == "batch":
            self.batches += 1
            if self.answer is not None:
                return self.answer
            update = json.loads(request.content)["update"]
            return httpx.Response(
                200, json={"update": [self.items.get(f"o{one['id']}") or self._update(one) for one in update]}
            )
        if parts[-1] == "notes":
            noted = self.noted[int(parts[-2])]
            if request.method == "POST":
                noted.append(json.loads(request.content)["note"])
            return httpx.Response(200, json=[{"note": note} for note in noted])
        if request.method == "PUT":
            self.puts += 1
            return httpx.Response(200, json=self._update({"id": int(parts[-1]), **json.loads(request.content)}))
        if "include" in request.url.params:
            wanted = [int(one) for one in request.url.params["include"].split(",")]
            return httpx.Response(200, json=[self.orders[n] for n in wanted])
        return httpx.Response(200, json=self.orders[int(parts[-1])])


PUSHES = [Push(f"e{n}", str(n), f"6500000{n}", "InPost") for n in (1, 2, 3)]
DONE = [Pushed(push.number, "completed") for push in PUSHES]


def an_error(status: int, code: str) -> dict[str, Any]:
    return {"id": 2, "error": {"code": code, "message": "No.", "data": {"status": status}}}


@pytest.mark.parametrize(
    ("item", "kind", "code"),
    [
        (an_error(400, "woocommerce_rest_shop_order_invalid_id"), Refused, "order_gone"),
        (an_error(400, "rest_invalid_param"), Refused, "rest_invalid_param"),
        (an_error(401, "woocommerce_rest_cannot_edit"), PushedInPart, ""),
        (an_error(500, "internal"), Unknown, "internal"),
        ({"id": 2, "error": "odd"}, Unknown, "server_error"),
        ({"id": 2, "error": {"message": "odd"}}, Unknown, "server_error"),
        ({"id": 9, "status": "completed"}, Unknown, "not_confirmed"),
        ({"id": 2, "status": "on-hold"}, Refused, "status_not_kept"),
    ],
)
async def test_each_order_answers_for_itself(item: dict[str, Any], kind: type[object], code: str) -> None:
    fake = Batching(o2=item)
    one, two, three = await a_shop(fake)[0].push(PUSHES)
    assert [one, three] == [DONE[0], DONE[2]]
    assert isinstance(two, kind), two
    assert getattr(two, "code", "") == code


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(403, text="<title>WAF</title>"),
        httpx.Response(404, text="<html>No</html>"),
        error(413, "woocommerce_rest_request_entity_too_large"),
        error(403, "woocommerce_rest_cannot_batch"),
    ],
)
async def test_where_batches_are_turned_away_orders_are_completed_one_by_one(refusal: httpx.Response) -> None:
    fake = Batching(refusal)
    shop, _wire = a_shop(fake)
    assert await shop.push(PUSHES) == DONE
    assert (fake.batches, fake.puts) == (1, 3)
    fake.orders = {n: an_order(id=n, meta_data=[]) for n in (1, 2, 3)}
    assert await shop.push(PUSHES) == DONE
    assert (fake.batches, fake.puts) == (1, 6)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(401, "woocommerce_rest_authentication_error"), PushedInPart),
        (error(429, "slow"), PushedInPart),
        (error(500, "internal"), Unknown),
        (httpx.Response(200, json={"update": []}), Unknown),
        (httpx.Response(200, json=[]), Unknown),
    ],
)
async def test_a_batch_that_fails_whole_fails_for_each(answer: httpx.Response, kind: type[object]) -> None:
    fake = Batching(answer)
    outcomes = await a_shop(fake)[0].push(PUSHES)
    assert [type(outcome) for outcome in outcomes] == [kind] * 3
    assert (fake.puts, [len(notes) for notes in fake.noted.values()]) == (0, [1, 1, 1])


async def test_one_order_alone_needs_no_batch() -> None:
    fake = Batching()
    assert await a_shop(fake)[0].push(PUSHES[:1]) == DONE[:1]
    assert (fake.batches, fake.puts) == (0, 1)


async def test_a_number_that_was_told_before_is_not_claimed_by_a_status_that_was_not_set() -> None:
    fake = Batching(error(429, "slow"))
    again = [Push(push.key, push.platform_order_id, push.number, push.carrier, tell=False) for push in PUSHES]
    assert all(isinstance(outcome, NotActed | Unauthorised) for outcome in await a_shop(fake)[0].push(again))
