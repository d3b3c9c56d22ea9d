"""What the tests of the Shopify connector share: a shop that answers as a function says, and one bound to the twin."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from connectors.contract import Binding, OrderPage, Parsed, Poison
from connectors.http import HttpClient
from connectors.shops.shopify import Shopify
from connectors.shops.shopify_orders import Reading, parse_order
from connectors.simulated.launch import Twin
from domain.clock import now
from domain.records import Order

SAMPLES = Path(__file__).parent.parent / "samples" / "shopify"
READING = Reading(Shopify(Binding("x", {"url": "x"}, {}, HttpClient("https://x"), now))._reading.cod)
AT = 1_795_400_000_000
SCOPES = [
    *("read_all_orders", "read_orders", "read_customers", "read_products", "read_inventory", "write_inventory"),
    *("read_locations", "read_merchant_managed_fulfillment_orders", "write_merchant_managed_fulfillment_orders"),
]


class Time:
    """This machine's time, moved on by every wait instead of waiting; the twin's budget is refilled meanwhile."""

    def __init__(self, twin: Twin | None = None, at: Callable[[], int] = now) -> None:
        self.twin, self.at, self.waited_ms = twin, at, 0
        self.waits: list[float] = []

    def __call__(self) -> int:
        return self.at() + self.waited_ms

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.waited_ms += int(seconds * 1000) + 1
        if self.twin is not None:
            self.twin.admin("POST", "refill", {"seconds": seconds})


class Wire(httpx.AsyncBaseTransport):
    """A shop that answers as a function says; remembers what it was asked."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.answer = answer
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)

    @property
    def operations(self) -> list[str]:
        """The names of what was asked, in order."""
        texts = [json.loads(one.content)["query"] for one in self.asked if one.url.path.endswith("graphql.json")]
        return [text.split("(")[0].split()[1] for text in texts]


def a_shop(
    answer: Callable[[httpx.Request], httpx.Response], url: str = "https://wool.myshopify.com", **settings: str
) -> tuple[Shopify, Wire, Time]:
    wire, time = Wire(answer), Time(at=lambda: AT)
    http = HttpClient(url, transport=wire, sleep=time.sleep, clock=time)
    secrets = {name: settings.pop(name) for name in ("access_token", "client_secret") if name in settings}
    return (
        Shopify(Binding("test", {"url": url, **settings}, secrets or {"access_token": "shpat_one"}, http, time)),
        wire,
        time,
    )


def bind(twin: Twin, **settings: str) -> Shopify:
    """The twin's shop, by client credentials."""
    time = Time(twin)
    http = HttpClient(twin.url, sleep=time.sleep, clock=time)
    settings = {"client_id": str(twin.hello["client_id"]), "location": "Main street", **settings}
    secrets = {"client_secret": str(twin.hello["client_secret"])}
    return Shopify(Binding("twin", {"url": twin.url, **settings}, secrets, http, time))


def data(value: Any, **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": value, **more}, headers={"X-Shopify-API-Version": "2026-10"})


def health(scopes: list[str] | None = None) -> Any:
    handles = SCOPES if scopes is None else scopes
    shop = {
        "name": "Wool",
        "myshopifyDomain": "w.myshopify.com",
        "currencyCode": "EUR",
        "ianaTimezone": "Europe/Berlin",
    }
    return {"shop": shop, "currentAppInstallation": {"accessScopes": [{"handle": scope} for scope in handles]}}


def sample(name: str) -> dict[str, Any]:
    return dict(json.loads((SAMPLES / f"{name}.json").read_text()))


def parsed(order: Any) -> Order:
    result = parse_order(order if isinstance(order, bytes) else json.dumps(order).encode(), READING)
    assert isinstance(result, Parsed), result
    return result.order


def refused(order: Any) -> Poison:
    raw = order if isinstance(order, bytes) else json.dumps(order).encode()
    result = parse_order(raw, READING)
    assert isinstance(result, Poison)
    assert result.raw == raw
    return result


async def all_pages(connector: Shopify, cursor: str = "", created_since: int | None = None) -> list[OrderPage]:
    pages = [page async for page in connector.orders(cursor, created_since)]
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    return pages


def ids(pages: list[OrderPage]) -> list[int]:
    found = [item for page in pages for item in page.items]
    assert all(isinstance(item, Parsed) for item in found), [i for i in found if isinstance(i, Poison)]
    return [int(item.order.platform_order_id) for item in found if isinstance(item, Parsed)]


def shown(twin: Twin, order_id: int) -> dict[str, Any]:
    return next(one for one in twin.admin("GET", "orders", {"orders": [str(order_id)]}))


def make(twin: Twin, **order: Any) -> int:
    return int(twin.admin("POST", "orders", {"orders": [order]})[0])


def change(twin: Twin, order: int, what: str, **how: Any) -> None:
    twin.admin("POST", "change", {"order": order, "change": what, **how})


def settings(twin: Twin, **values: Any) -> None:
    twin.admin("POST", "settings", values)


def operations(twin: Twin) -> dict[str, int]:
    return dict(twin.admin("GET", "state")["operations"])


def fresh(twin: Twin) -> None:
    """A shared twin as it was: no faults, every scope, a full budget."""
    twin.admin("POST", "faults", {"rate": 0})
    values = {"redact": "", "max_cost": 1000, "status": 200, "points": 1_000_000, "polls": 1, "ends": "COMPLETED"}
    settings(twin, without=[], planted="", ranges=True, file_status=200, cut=0, stuck="", busy_keys=0, **values)
