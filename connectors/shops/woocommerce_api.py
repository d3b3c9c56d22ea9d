"""Calling a WooCommerce shop: how a call is signed, what an answer is, and what a failure means."""

import base64
import html
import json as stdjson
import logging
import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_QUERY, Client

from connectors.contract import Binding
from connectors.http import Answer, WireError, failure
from connectors.wire import as_text
from domain.results import NotActed, Refused, Unauthorised, Unknown
from domain.text import is_yes, safe
from domain.words import _

T = TypeVar("T")

# It writes keys and signatures at DEBUG.
logging.getLogger("oauthlib").setLevel(logging.WARNING)

API = "/wc/v3"
PAGE = 100
"""Rows per read and items per batch, the most the API gives and takes."""


def decode(body: bytes, kind: type[T]) -> T:
    """Decode JSON, also behind PHP notices or before a cache's comment. Raises `msgspec.MsgspecError`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise msgspec.DecodeError("nested without end") from None
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        text = body.decode("utf-8", "replace")
        for start in list(re.finditer(r"[\[{]", text[:100_000]))[:50]:
            try:
                value, end = stdjson.JSONDecoder().raw_decode(text, start.start())
            except (ValueError, RecursionError):
                continue
            # A script inside a web page is JSON too; only nothing or a comment may follow ours.
            if re.fullmatch(r"\s*(<!--.*-->\s*)*", text[end:], re.DOTALL) and value != [0]:
                return msgspec.json.decode(text[start.start() : end].encode(), type=kind)
        raise


def part_of(body: Mapping[str, Any], *path: str) -> str:
    """A value deep in a body, as text; '' where any step is missing."""
    value: object = body
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return as_text(value)


class _Error(Struct):
    code: str | int
    message: str
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def is_error(answer: Answer) -> bool:
    """Is this the API's error, whatever status came with it? What stands between us and the shop may make it a 200."""
    if answer.body.lstrip()[:1] != b"{":
        return False
    try:
        return msgspec.json.decode(answer.body, type=_Error).id is msgspec.UNSET
    except (msgspec.MsgspecError, RecursionError):
        return False


def failed(answer: Answer, acts: bool) -> WireError:
    """Class an answer that is not what was asked, keeping the shop's own words."""
    status = answer.status
    try:
        body = decode(answer.body, dict[str, Any])
    except msgspec.MsgspecError:
        if status < 300:
            # Never the body itself: half an answer is full of buyers.
            return failure(answer, acts, "not_json", _("The shop's answer is not the data that was asked for."))
        title = re.search(rb"<title>(.{1,200}?)</title>", answer.body, re.DOTALL | re.IGNORECASE)
        words = html.unescape(title[1].decode("utf-8", "replace")) if title else ""
        text = _("The server answered a web page, not data ({status}): {title}")
        return failure(answer, acts, "", text.format(status=status, title=safe(words, 200)))
    code = body.get("code")
    if not isinstance(code, str):
        # The exceptions of core fulfilments carry numbers for codes.
        code = "fulfillment_refused" if isinstance(code, int) else ""
    words = safe(html.unescape(part_of(body, "message")))
    data = body.get("data")
    if isinstance(data, dict) and isinstance(data.get("params"), dict):
        words += f" ({'; '.join(safe(f'{name}: {why}') for name, why in data['params'].items())})"
    if status == 401:
        # On a write this code means a key without write permission; whoever writes has read before.
        read_only = acts and code == "woocommerce_rest_authentication_error"
        return WireError(Unauthorised("read_only_key" if read_only else "wrong_key", words), status)
    if status in {408, 409}:
        outcome = Unknown(code or f"http_{status}", words) if acts else NotActed(code or f"http_{status}", words)
        return WireError(outcome, status)
    ours = "order_gone" if code.endswith("order_invalid_id") else "no_rest_api" if code == "rest_no_route" else code
    return failure(answer, acts, ours, words or f"HTTP {status}")


class Api:
    """One shop's REST API, called with the key and by the ways that its binding names."""

    def __init__(self, binding: Binding) -> None:
        self.http = binding.http
        # People paste the API's address as often as the shop's; ours begins at the shop.
        self.http.base_url = re.split(r"/wp-json|/wp-admin|/index\.php|/?\?", self.http.base_url)[0].rstrip("/")
        self._binding = binding
        self._updates_by_post = False

    def yes(self, name: str) -> bool:
        """Is a setting of the binding switched on?"""
        return is_yes(self._binding.settings.get(name, ""))

    def _sign(self, method: str, url: str) -> tuple[str, dict[str, str]]:
        key, secret = (self._binding.secrets.get(f"consumer_{part}", "").strip() for part in ("key", "secret"))
        if self.http.plain:
            at = (self._binding.clock() + (self.http.skew_ms or 0)) // 1000
            client = Client(
                key,
                secret,
                signature_method=SIGNATURE_HMAC_SHA256,
                signature_type=SIGNATURE_TYPE_QUERY,
                timestamp=str(at),
            )
            return str(client.sign(url, method)[0]), {}  # type: ignore[arg-type]
        if self.yes("query_auth"):
            pair = urlencode({"consumer_key": key, "consumer_secret": secret})
            return f"{url}{'&' if '?' in url else '?'}{pair}", {}
        return url, {"Authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()}

    async def _send(
        self, method: str, path: str, params: Mapping[str, str] | None = None, json: Any = None, keyed: bool = True
    ) -> Answer:
        if self.yes("rest_route"):
            path, params = "/", {"rest_route": path, **(params or {})}
        else:
            path = "/wp-json" + path
        before = self.http.skew_ms or 0
        for attempt in (1, 2):
            answer = await self.http.call(method, path, params=params, json=json, sign=self._sign if keyed else None)
            # A clock far off makes the first signature too old; that refusal told us the shop's time.
            off = abs((self.http.skew_ms or 0) - before) > 300_000
            if not (attempt == 1 and answer.status == 401 and keyed and self.http.plain and off):
                break
        return answer

    async def get(
        self, path: str, kind: type[T], params: Mapping[str, str] | None = None, keyed: bool = True
    ) -> tuple[T, Answer]:
        """Read `path`; the decoded body and the whole answer. `keyed` False leaves the key out. Raises `WireError`."""
        for _attempt in range(2):
            answer = await self._send("GET", path, params, keyed=keyed)
            if not 200 <= answer.status < 300:
                break
            if is_error(answer):
                continue
            try:
                return decode(answer.body, kind), answer
            except msgspec.MsgspecError:
                continue  # Half a body or a passing maintenance page is worth a second look.
        raise failed(answer, acts=False)

    async def write(self, method: str, path: str, json: Any, kind: type[T]) -> T:
        """Write once and decode what came back. Raises `WireError`."""
        if method == "PUT" and self._updates_by_post:
            method = "POST"
        answer = await self._send(method, path, json=json)
        if method == "PUT" and (answer.status in {405, 501} or (answer.status == 403 and not answer.is_json)):
            # The host lets no PUT through; POST to the same address updates as well.
            self._updates_by_post = True
            answer = await self._send("POST", path, json=json)
        if not 200 <= answer.status < 300 or is_error(answer):
            raise failed(answer, acts=True)
        try:
            return decode(answer.body, kind)
        except msgspec.MsgspecError:
            raise failed(answer, acts=True) from None

    async def setting(self, path: str) -> dict[str, Any]:
        """An object below the API's root, or {}: a shop manager's key may not read settings, and others tell the same."""
        try:
            return (await self.get(f"{API}/{path}", dict[str, Any]))[0]
        except WireError:
            return {}


def explained(error: WireError) -> WireError:
    """The sentence for the person who binds a shop."""
    outcome, status = error.outcome, error.status
    if status == 404:
        text = _(
            "There is no REST API at this address: choose pretty permalinks (Settings → Permalinks, not Plain) or set"
            " rest_route=yes."
        )
        return WireError(Refused("no_rest_api", text), status)
    if outcome.code in {"not_json", "not_understood"}:
        text = _(
            "The shop answers a web page where its REST API should be: check the address, and that permalinks are not"
            " Plain (Settings → Permalinks) or set rest_route=yes."
        )
        return WireError(Refused("not_json", text), status)
    if isinstance(outcome, Unauthorised):
        text = _("The shop does not take this key ({words}): check consumer key and secret.")
        return WireError(Unauthorised("wrong_key", text.format(words=outcome.message)), status)
    return error
