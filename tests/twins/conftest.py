"""A shop client and a carrier client of the tests' own: http.client and oauthlib, none of our connectors."""

import http.client
import json
import ssl
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import pytest
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_TYPE_QUERY, Client

from connectors.simulated.launch import Twin


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> Any:
        return self.json["code"]

    @property
    def ids(self) -> list[int]:
        return [one["id"] for one in self.json]


def send(url: str, method: str, target: str, headers: dict[str, str], body: bytes | None, cafile: str = "") -> Reply:
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=cafile)
        connection = http.client.HTTPSConnection(parts.netloc, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request(method, target, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Shop:
    """Speaks to the twin as a merchant's program would: signed over plain HTTP, Basic over HTTPS."""

    def __init__(self, twin: Twin, key: str = "", secret: str = "", method: str = SIGNATURE_HMAC_SHA1) -> None:
        self.twin = twin
        self.key = key or twin.hello["consumer_key"]
        self.secret = secret or twin.hello["consumer_secret"]
        self.method = method

    def signed(self, method: str, path: str, params: dict[str, Any] | None = None, **given: str) -> str:
        query = urlencode(params or {}, quote_via=quote)
        url = f"{self.twin.url}{path}" + (f"?{query}" if query else "")
        client = Client(
            self.key,
            client_secret=self.secret,
            signature_method=self.method,
            signature_type=SIGNATURE_TYPE_QUERY,
            **given,
        )
        signed, _headers, _body = client.sign(url, http_method=method)  # type: ignore[arg-type]
        return str(signed)[len(self.twin.url) :]

    def call(self, method: str, path: str, params: dict[str, Any] | None = None, body: Any = None) -> Reply:
        data = None if body is None else json.dumps(body).encode()
        path = f"/wp-json/wc/v3{path}"
        if self.twin.url.startswith("https"):
            token = b64encode(f"{self.key}:{self.secret}".encode()).decode()
            target = f"{path}?{urlencode(params)}" if params else path
            return send(
                self.twin.url, method, target, {"Authorization": f"Basic {token}"}, data, self.twin.hello["cafile"]
            )
        return send(self.twin.url, method, self.signed(method, path, params), {}, data)

    def get(self, path: str, **params: Any) -> Reply:
        return self.call("GET", path, params)

    def create(self, *orders: dict[str, Any]) -> list[int]:
        ids: list[int] = self.twin.admin("POST", "orders", {"orders": list(orders)})
        return ids


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Twin("woocommerce", orders=250, seed=7, status=["packed"]) as twin:
        yield Shop(twin)


@pytest.fixture(scope="module")
def carrier() -> Iterator[Twin]:
    with Twin("carrier", poll_after_ms=1) as twin:
        yield twin
