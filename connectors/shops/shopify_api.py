"""Calling Shopify's GraphQL Admin API: the token, what a call may cost, and what its errors mean.

What is asked stands in `shopify.graphql` beside this module. Wire facts: Shopify's developer documentation (rate
limits, client credentials grant) and the error shapes of its reference; see `declaration.unconfirmed`.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from connectors.contract import Binding
from connectors.http import Answer, WireError, failure
from connectors.shops.shopify_orders import PageInfo, Wire
from domain.clock import MINUTE, SECOND
from domain.results import NotActed, Refused, Unauthorised, Unknown
from domain.text import safe
from domain.words import _

T = TypeVar("T")

log = logging.getLogger("shipdeck.shopify")

VERSION = "2026-10"
MOST_COST, TRIES = 1000, 6
PROTECTED = frozenset({"email", "phone", "customer", "shippingAddress"})
"""Below these a field may be hidden from us: it is null, named in `errors`, and the rest of the answer stands."""


def _blocks() -> dict[str, str]:
    text = Path(__file__).with_name("shopify.graphql").read_text(encoding="utf-8")
    parts = re.findall(r"^((?:query|mutation|fragment) (\w+).*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return {name: " ".join(part.split()) for part, name in parts}


def _whole(name: str) -> str:
    """An operation with the fragments it names."""
    names = [name]
    for one in names:
        names += [used for used in re.findall(r"\.\.\.(\w+)", _BLOCKS[one]) if used not in names]
    return " ".join(_BLOCKS[one] for one in names)


_BLOCKS = _blocks()
DOCUMENTS = {name: _whole(name) for name, text in _BLOCKS.items() if not text.startswith("fragment")}
"""Every operation by its name, complete."""


class Problem(Wire):
    """A user error: the mutation was understood and not done."""

    message: str = ""
    code: str | None = None
    field: list[str] | None = None


class _Extensions(Wire):
    code: str | None = None
    required_access: str | None = None
    max_cost: float | None = None


class _Error(Wire):
    message: str = ""
    path: list[str | int] = []
    extensions: _Extensions = msgspec.field(default_factory=_Extensions)

    @property
    def hidden(self) -> bool:
        """A field of the buyer that this app may not see."""
        return not PROTECTED.isdisjoint(self.path)


class _Throttle(Wire):
    maximum_available: float = 0
    currently_available: float = 0
    restore_rate: float = 0


class _Cost(Wire):
    requested_query_cost: float | None = None
    throttle_status: _Throttle | None = None


class _Costs(Wire):
    cost: _Cost | None = None


class _Envelope(Wire):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_Error] = []
    extensions: _Costs | None = None


class _Grant(Wire, rename=None):
    access_token: str
    expires_in: float = 86_399


class Shop(Wire):
    """The shop itself."""

    name: str
    currency_code: str
    iana_timezone: str


class _Scope(Wire):
    handle: str


class _App(Wire):
    access_scopes: list[_Scope]


class Health(Wire):
    """Who answers, and what this app may do there."""

    shop: Shop
    current_app_installation: _App | None = None


class Pages:
    """The pages of one connection as they are turned: `more` says whether to ask again, `after` for what."""

    def __init__(self, first: PageInfo | None = None) -> None:
        """`first` tells of the page that is read already; None = nothing is."""
        self.more, self.after = True, None if first is None else first.end_cursor
        self._met = set[str | None]()
        if first is not None:
            self.turn(first)

    def turn(self, page: PageInfo) -> None:
        """Go on behind this page. Raises `WireError` where the shop names no place to go on from, or one that was read."""
        self.more, self.after = page.has_next_page, page.end_cursor
        if self.more and (not self.after or self.after in self._met):
            text = _("The shop says that more follows, but not where: its pages cannot be read to the end now.")
            raise WireError(NotActed("no_next_page", text))
        self._met.add(self.after)


class Api:
    """The Admin API of one shop, as one app of it."""

    def __init__(self, binding: Binding) -> None:
        self._binding, self._http = binding, binding.http
        self.version = binding.settings.get("version", "").strip() or VERSION
        self.served = ""
        """The version that answered: Shopify serves an expired one by the oldest that lives."""
        self.most = float(MOST_COST)
        """What one call may cost at most, in points."""
        self.costs: dict[str, float] = {}
        """What each operation was priced at when it was asked last."""
        self._granted, self._expires = "", 0
        self._lock = asyncio.Lock()
        self._points = _Throttle()
        self._at = 0
        self._scopes: frozenset[str] | None = None

    # ------------------------------------------------------------ the token

    async def _token(self, refused: str = "") -> str:
        """The token to send; a granted one is renewed five minutes early, or when it is the one `refused`."""
        secrets = self._binding.secrets
        if static := secrets.get("access_token", "").strip():
            return static
        async with self._lock:
            if self._granted in {"", refused} or self._binding.clock() > self._expires - 5 * MINUTE:
                self._granted = ""
                grant = await self._grant(secrets.get("client_secret", "").strip())
                self._granted = grant.access_token
                self._expires = self._binding.clock() + int(grant.expires_in) * SECOND
            return self._granted

    async def _grant(self, secret: str) -> _Grant:
        client_id = self._binding.settings.get("client_id", "").strip()
        if not (client_id and secret):
            text = _("Give client id and client secret of the app, or an access token.")
            raise WireError(Unauthorised("no_credentials", text))
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        answer = await self._http.call(
            "POST",
            "/admin/oauth/access_token",
            content=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            writes=False,
        )
        if answer.status in {400, 401, 403}:
            text = _("The shop does not take client id and secret: is the app installed there, by the same owner?")
            raise WireError(Unauthorised("wrong_key", text), answer.status)
        if answer.status == 200:
            try:
                return msgspec.json.decode(answer.body, type=_Grant)
            except (msgspec.MsgspecError, RecursionError):
                pass
        raise _failed(answer, acts=False)

    # ------------------------------------------------------------ calling

    async def health(self) -> Health:
        """One light call; the scopes it names are remembered."""
        health = await self.ask("Health", Health)
        app = health.current_app_installation
        self._scopes = frozenset(scope.handle for scope in app.access_scopes) if app else frozenset()
        return health

    async def scopes(self) -> frozenset[str]:
        """What the app was granted, asked once. A scope to write holds the one to read."""
        if self._scopes is None:
            await self.health()
        found = self._scopes or frozenset()
        return found | {scope.replace("write_", "read_", 1) for scope in found}

    async def pause(self, seconds: float) -> None:
        """Wait as the platform asked."""
        await self._http.pause(seconds)

    async def ask(self, name: str, kind: type[T], acts: bool = False, **variables: Any) -> T:
        """What an operation answers, decoded. `acts`: a lost answer is `Unknown` and nothing is sent twice.

        Raises `WireError`; its code is `max_cost` where the question was too large for one call.
        """
        body = {"query": DOCUMENTS[name], "variables": variables}
        wait_s = 1.0
        for attempt in range(TRIES):
            await self._afford(name)
            answer = await self._post(body, acts)
            try:
                whole = msgspec.json.decode(answer.body, type=_Envelope)
            except (msgspec.MsgspecError, RecursionError):
                if acts or attempt:
                    raise _failed(answer, acts) from None
                continue  # Half a body or a passing page of some proxy is worth a second look.
            self._note_cost(name, whole.extensions)
            codes = {error.extensions.code for error in whole.errors}
            again = "THROTTLED" in codes or (not acts and "INTERNAL_SERVER_ERROR" in codes)
            if not again or attempt + 1 == TRIES:
                return self._understood(whole, answer, kind, acts)
            # Throttled is certainly not done, so that a write may be sent again too.
            await self._http.pause(wait_s)
            wait_s = min(30.0, wait_s * 2)
        raise AssertionError("unreachable")

    async def _post(self, body: Mapping[str, Any], acts: bool) -> Answer:
        path = f"/admin/api/{self.version}/graphql.json"
        refused = ""
        for attempt in (1, 2):
            token = await self._token(refused)
            headers = {"X-Shopify-Access-Token": token, "Accept": "application/json"}
            answer = await self._http.call("POST", path, json=body, headers=headers, writes=acts)
            if answer.status != 401:
                break
            # Unless the token is new or for ever: one renewal; a refused call did nothing.
            refused = token
            if attempt == 2 or self._binding.secrets.get("access_token", "").strip():
                text = _("The shop does not take this token: bind it again with a new one.")
                raise WireError(Unauthorised("wrong_key", text), 401)
        if answer.status != 200:
            raise _failed(answer, acts)
        served = answer.headers.get("x-shopify-api-version", "")
        if served and served != self.version and served != self.served:
            log.warning("%s: version %s was asked for, %s answered", self._binding.name, self.version, served)
        self.served = served
        return answer

    async def _afford(self, name: str) -> None:
        """Wait until the bucket holds what this operation was priced at last time, and take that out of it."""
        need = self.costs.get(name, 0.0)
        while (lack := need - self._available()) > 0 and self._points.restore_rate > 0:
            await self._http.pause(lack / self._points.restore_rate)
        self._points.currently_available = self._available() - need
        self._at = self._binding.clock()

    def _available(self) -> float:
        points = self._points
        restored = (self._binding.clock() - self._at) / 1000 * points.restore_rate
        return min(points.maximum_available, points.currently_available + restored)

    def _note_cost(self, name: str, costs: _Costs | None) -> None:
        if costs is None or costs.cost is None:
            return
        if costs.cost.requested_query_cost:
            self.costs[name] = costs.cost.requested_query_cost
        if costs.cost.throttle_status is not None:
            self._points, self._at = costs.cost.throttle_status, self._binding.clock()

    def _understood(self, whole: _Envelope, answer: Answer, kind: type[T], acts: bool) -> T:
        # A root field that is there makes a whole answer, whatever deeper fields were refused.
        empty = bytes(whole.data) == b"null" or re.search(rb"\A\s*\{\s*\"\w+\"\s*:\s*null\s*\}", whole.data) is not None
        for error in whole.errors:
            if not error.hidden and (empty or not acts):
                raise self._refusal(error, whole, acts)
        try:
            return msgspec.json.decode(whole.data, type=kind)
        except (msgspec.MsgspecError, RecursionError):
            raise _failed(answer, acts) from None

    def _refusal(self, error: _Error, whole: _Envelope, acts: bool) -> WireError:
        code, words = error.extensions.code or "", safe(error.message)
        if code == "THROTTLED":
            return WireError(NotActed("throttled", _("The shop's budget of calls is used up."), 10 * SECOND))
        if code == "MAX_COST_EXCEEDED":
            self.most = error.extensions.max_cost or self.most
            return WireError(Refused("max_cost", words))
        if code == "ACCESS_DENIED":
            needed = safe(error.extensions.required_access or words, 200)
            text = _("The app lacks an access scope. Grant it and install the app again: {scope}")
            return WireError(Unauthorised("missing_scope", text.format(scope=needed)))
        if code in {"INTERNAL_SERVER_ERROR", "TIMEOUT"} or (acts and bytes(whole.data) != b"null"):
            return WireError(Unknown(code.lower(), words) if acts else NotActed(code.lower() or "server_error", words))
        return WireError(Refused("graphql_error", words))


def _failed(answer: Answer, acts: bool) -> WireError:
    """Class an answer that is not what was asked. Outside 200 `errors` is a plain text."""
    try:
        told = msgspec.json.decode(answer.body, type=dict[str, Any]).get("errors")
    except (msgspec.MsgspecError, RecursionError):
        told = None
    words = safe(told, 200) if isinstance(told, str) else ""
    if answer.status in {402, 403, 423}:
        text = _("The shop is closed to us ({status}): {words}")
        words = words or _("it may be frozen or unpaid; open its admin pages")
        return WireError(Unauthorised("shop_closed", text.format(status=answer.status, words=words)), answer.status)
    if answer.status == 404:
        text = _("There is no Shopify shop at this address; give https://NAME.myshopify.com.")
        return WireError(Refused("no_shop", words or text, "url"), 404)
    return failure(answer, acts, "not_json" if answer.status == 200 else "", words)
