"""The one HTTP client every connector is handed; the only module that imports httpx.

It keeps the account's budget, classes every failure by whether the third party may have acted, caps bodies, verifies
TLS always, refuses plain HTTP outside loopback unless the account forces it, and logs without queries, headers or
bodies, so that no secret and no buyer reaches a log.
"""

import asyncio
import email.utils
import ipaddress
import logging
import os
import random
import ssl
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from domain.clock import Clock, elapsed, now
from domain.results import NotActed, Refused, Unauthorised, Unknown
from domain.text import safe
from domain.words import _

log = logging.getLogger("shipdeck.http")
# httpx writes every URL, query included, at INFO; signed queries are secrets.
logging.getLogger("httpx").setLevel(logging.WARNING)

Sleep = Callable[[float], Awaitable[None]]
Failure = Refused | NotActed | Unauthorised | Unknown


class WireError(Exception):
    """A call that did not answer what was asked; `outcome` says in the contract's words what that means."""

    def __init__(self, outcome: Failure, status: int = 0) -> None:
        super().__init__(f"{outcome.code}: {outcome.message}")
        self.outcome = outcome
        self.status = status


class Answer(Struct, frozen=True):
    """A whole HTTP answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_json(self) -> bool:
        """Does the server call it JSON?"""
        return "json" in self.headers.get("content-type", "")

    def text(self, limit: int = 300) -> str:
        """The beginning of the body, safe to show."""
        return safe(self.body[: limit * 4].decode("utf-8", "replace"), limit)


NAP_S = 5.0
"""The longest a call waits for its budget without looking at the time."""


class Budget:
    """A token bucket of one account: calls per second and calls in flight; a 429 halves the rate for a while.

    `rate` 0 means no published limit. A clean minute gives 5 % of the rate back. `burst` calls may go at once after a
    rest; 0 = as many as in a second. `steady` is time that passes while the machine sleeps and that nobody sets: a
    clock put right must neither cut a wait short nor make it last for hours.
    """

    burst: float = 0

    def __init__(self, rate: float, parallel: int, steady: Clock, sleep: Sleep) -> None:
        self._full = self._rate = rate
        self._steady, self._sleep = steady, sleep
        self._tokens = max(rate, 1.0)
        self._at = steady()
        self._healed = self._at
        self._not_before = 0
        self._gate = asyncio.Semaphore(max(1, parallel))
        self.calls = 0

    async def __aenter__(self) -> None:
        await self._gate.acquire()
        try:
            while (wait := self._wait_s()) > 0:
                # In pieces: asyncio's own timers stand still while the machine sleeps.
                await self._sleep(min(wait, NAP_S))
        except BaseException:
            self._gate.release()
            raise
        self.calls += 1

    async def __aexit__(self, *_exc: object) -> None:
        self._gate.release()

    def _wait_s(self) -> float:
        at = self._steady()
        if at < self._not_before:
            return (self._not_before - at) / 1000
        if not self._rate:
            return 0.0
        if at - self._healed > 60_000:
            self._rate, self._healed = min(self._full, self._rate + self._full * 0.05), at
        self._tokens = min(self.burst or max(self._rate, 1.0), self._tokens + (at - self._at) / 1000 * self._rate)
        self._at = at
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return max(0.001, (1 - self._tokens) / self._rate)

    def throttled(self, retry_after_ms: int | None) -> None:
        """The third party said 429: obey its wait and slow down."""
        self._not_before = self._steady() + (retry_after_ms if retry_after_ms is not None else 1000)
        if self._rate:
            self._rate = max(self._full / 16, self._rate / 2)
            self._healed = self._steady()


def is_loopback(host: str) -> bool:
    """True for addresses that never leave this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


Query = Mapping[str, str] | Sequence[tuple[str, str]]
"""The query of a call; as pairs where a name stands there more than once."""


def _pairs(query: Query) -> list[tuple[str, str]]:
    return list(query.items()) if isinstance(query, Mapping) else list(query)


class HttpClient:
    """Calls one account's server.

    Args:
        base_url: scheme, host and path that every call's path is appended to.
        calls_per_second, parallel: the account's budget.
        allow_plain_http: permit `http://` to a host other than loopback (set per account by an operator).
        timeout_s: limit for a whole call, connection included.
        sign: called with (method, url with query) before sending; returns the URL and headers to send instead.
        clock, sleep: time, so that tests can be the time.
        steady: time as the budget counts it; whoever hands in a clock of their own is the time altogether.
    """

    MAX_BODY = 64 * 1024 * 1024

    def __init__(
        self,
        base_url: str,
        *,
        calls_per_second: float = 0,
        parallel: int = 2,
        allow_plain_http: bool = False,
        timeout_s: float = 30.0,
        clock: Clock = now,
        sleep: Sleep = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
        steady: Clock | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout_s = timeout_s
        self.budget = Budget(calls_per_second, parallel, steady or (elapsed if clock is now else clock), sleep)
        self.skew_ms: int | None = None
        self.may_send: Callable[[], bool] = lambda: True
        """Asked just before each call that may act: False (a lease about to end) stops it, certainly not sent."""
        self._clock, self._sleep = clock, sleep
        self._allow_plain_http = allow_plain_http
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._random = random.Random()

    @property
    def plain(self) -> bool:
        """True when calls travel unencrypted."""
        return urlsplit(self.base_url).scheme == "http"

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            try:
                parts = urlsplit(self.base_url)
                usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
            except ValueError:
                usable = False
            if not usable or not parts.hostname:
                raise WireError(Refused("bad_url", _("The address must begin with https:// and name a host.")))
            if "@" in parts.netloc:
                # An address is logged and shown; what is secret has fields that are sealed.
                raise WireError(Refused("bad_url", _("The address must hold no name and password.")))
            if parts.scheme == "http" and not is_loopback(parts.hostname) and not self._allow_plain_http:
                raise WireError(
                    Refused(
                        "plain_http",
                        _("Plain HTTP would send buyers' data unencrypted; use https:// or set allow_plain_http=yes."),
                    )
                )
            trust_env = not is_loopback(parts.hostname)
            self._client = httpx.AsyncClient(
                transport=self._transport,
                verify=_authorities(trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
                timeout=httpx.Timeout(self.timeout_s, connect=min(5.0, self.timeout_s)),
                limits=httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=30),
                follow_redirects=False,
                trust_env=trust_env,
            )
        return self._client

    def beside(self, url: str) -> "HttpClient":
        """A client for another server that this one pointed to (a result file); nothing of this one's headers goes there."""
        parts = urlsplit(url)
        return HttpClient(
            f"{parts.scheme}://{parts.netloc}",
            allow_plain_http=self._allow_plain_http,
            timeout_s=self.timeout_s,
            clock=self._clock,
            sleep=self._sleep,
            transport=self._transport,
        )

    def patience_s(self) -> float:
        """Seconds the call that begins now may take, all in all."""
        return self.timeout_s

    async def pause(self, seconds: float) -> None:
        """Wait as the platform asked, by this client's own time."""
        await self._sleep(seconds)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Query | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        sign: Callable[[str, str], tuple[str, dict[str, str]]] | None = None,
        writes: bool | None = None,
    ) -> Answer:
        """Send one call and return its answer, whatever its status.

        `writes` (default: anything but GET and HEAD) says the call may act on the third party: a failure after the
        first byte was sent is then `Unknown`. Reads are tried up to three times; writes exactly once.

        Raises `WireError` when there is no whole answer.
        """
        acts = method not in {"GET", "HEAD"} if writes is None else writes
        attempts = 1 if acts else 3
        for attempt in range(attempts):
            try:
                answer = await self._once(method, path, params, json, content, headers or {}, sign, acts)
            except WireError as error:
                if (
                    attempt + 1 == attempts
                    or not isinstance(error.outcome, NotActed)
                    or error.outcome.code == "too_large"
                ):
                    raise
            else:
                if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
                    self.budget.throttled(retry_after_ms(answer))
                if attempt + 1 == attempts or answer.status not in {429, 500, 502, 503, 504}:
                    return answer
                if (retry_after_ms(answer) or 0) > 10_000:
                    return answer
            await self._sleep(0.2 * 2**attempt * (0.5 + self._random.random()))
        raise AssertionError("unreachable")

    async def _once(
        self,
        method: str,
        path: str,
        params: Query | None,
        json: Any,
        content: bytes | None,
        headers: Mapping[str, str],
        sign: Callable[[str, str], tuple[str, dict[str, str]]] | None,
        acts: bool,
    ) -> Answer:
        client = self._open()
        send = dict(headers)
        send.setdefault("User-Agent", "shipdeck")
        send.setdefault("Accept-Encoding", "gzip, deflate")
        if json is not None:
            content = msgspec.json.encode(json)
            send["Content-Type"] = "application/json"
        async with self.budget:
            if acts:
                self._ask_whether_to_send()
            # Signed inside the budget's gate: a signature's timestamp must not age in a queue.
            url = str(httpx.URL(self.base_url + path, params=_pairs(params) if params else None))
            if sign is not None:
                url, signed = sign(method, url)
                send.update(signed)
            started = self._clock()
            asking = {"trace": self._before_headers_and_body if content else self._before_headers} if acts else None
            try:
                async with asyncio.timeout(self.patience_s()):
                    async with client.stream(method, url, content=content, headers=send, extensions=asking) as response:
                        body = await self._read(response, acts)
                        answer = Answer(response.status_code, dict(response.headers), body)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                log.info("%s %s%s not sent: %s", method, self.base_url, path, type(error).__name__)
                raise WireError(_unreachable(error)) from None
            except (TimeoutError, httpx.TimeoutException):
                log.info("%s %s%s timed out", method, self.base_url, path)
                raise WireError(_maybe(acts, "timeout", _("No answer within the time allowed."))) from None
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
                log.info("%s %s%s broke: %s", method, self.base_url, path, type(error).__name__)
                raise WireError(
                    _maybe(acts, "cut_off", _("The connection broke before the answer was whole."))
                ) from None
        log.info("%s %s%s %d in %d ms", method, self.base_url, path, answer.status, self._clock() - started)
        self._note_skew(answer)
        return answer

    def _ask_whether_to_send(self) -> None:
        if not self.may_send():
            raise WireError(NotActed("lease_lost", _("This worker may no longer act for the account.")))

    async def _before_headers(self, event: str, _info: Mapping[str, Any]) -> None:
        # A connection may have been waited for since, and this process may have stood still meanwhile: asked once
        # more when nothing but the writing itself is left.
        if event.endswith("send_request_headers.started"):
            self._ask_whether_to_send()

    async def _before_headers_and_body(self, event: str, info: Mapping[str, Any]) -> None:
        # Nobody acts on half a request, so that what has a body can still be left unsent when its head is gone.
        await self._before_headers(event, info)
        if event.endswith("send_request_body.started"):
            self._ask_whether_to_send()

    async def _read(self, response: httpx.Response, acts: bool) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            # A transport may hand over a body that is whole and unpacked already; from a wire it never is.
            whole = response.is_stream_consumed
            unpack = _unpacker("" if whole else response.headers.get("content-encoding", ""))
            async for raw in response.aiter_bytes() if whole else response.aiter_raw():
                for part in unpack(raw):
                    size += len(part)
                    if size > self.MAX_BODY:
                        words = _("The answer is larger than 64 MB and was not read.")
                        raise WireError(_maybe(acts, "too_large", words))
                    parts.append(part)
        except (zlib.error, LookupError):
            raise WireError(
                _maybe(acts, "not_understood", _("The answer is packed in a way that cannot be read."))
            ) from None
        return b"".join(parts)

    def _note_skew(self, answer: Answer) -> None:
        if date := answer.headers.get("date"):
            try:
                self.skew_ms = int(email.utils.parsedate_to_datetime(date).timestamp() * 1000) - self._clock()
            except ValueError:
                pass


@lru_cache(maxsize=8)
def _authorities(trust_env: bool, _file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Whom a server's certificate may be signed by: reading them takes 40 ms, so that all clients share it.

    The two variables name others than the usual ones, where the environment is asked at all.
    """
    return httpx.create_ssl_context(trust_env=trust_env)


PIECE = 256 * 1024
"""Bytes that are unpacked at a time: a body that grows a thousandfold is noticed before it fills the memory."""


def _unpacker(encoding: str) -> Callable[[bytes], Iterator[bytes]]:
    """What turns a body as it travels into the body itself, in pieces. Raises `LookupError` for an unknown packing."""
    match encoding.strip().lower():
        case "" | "identity":
            return lambda raw: iter((raw,))
        case "gzip" | "x-gzip" | "deflate":
            return _Inflater().pieces
        case _:
            raise LookupError(encoding)


class _Inflater:
    """gzip and deflate, the latter also without its header, as some servers send it."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=47)
        self._begun = False

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        """The unpacked bytes of the next part. Raises `zlib.error`."""
        while raw and not self._inflate.eof:
            try:
                part = self._inflate.decompress(raw, PIECE)
            except zlib.error:
                if self._begun:
                    raise
                self._inflate = zlib.decompressobj(wbits=-15)
                part = self._inflate.decompress(raw, PIECE)
            self._begun = True
            yield part
            raw = self._inflate.unconsumed_tail


def _maybe(acts: bool, code: str, message: str) -> Failure:
    return Unknown(code, message) if acts else NotActed(code, message)


def _unreachable(error: Exception) -> NotActed | Refused:
    if "CERTIFICATE" in str(error).upper():
        return Refused("bad_certificate", _("The server's certificate is not valid, so nothing was sent to it."))
    return NotActed("unreachable", _("The server cannot be reached."))


def retry_after_ms(answer: Answer) -> int | None:
    """The server's `Retry-After` in milliseconds (seconds form only; a date form counts as none)."""
    text = answer.headers.get("retry-after", "").strip()
    return int(text) * 1000 if text.isdecimal() and len(text) < 7 else None


def failure(answer: Answer, acts: bool, code: str = "", message: str = "") -> WireError:
    """Class an answer that is not a success by its status alone.

    `code` and `message` are what the platform's own error body said; they win over ours in the text.
    """
    status = answer.status
    # Never the body itself: a truncated page of orders would put buyers' data into an error text.
    words = message or _("The server answered a web page, not data.") if _looks_html(answer) else message
    words = words or _("The server answered with status {status}.").format(status=status)
    outcome: Failure
    if status == 401:
        outcome = Unauthorised(code or "unauthorised", words)
    elif status == 429 or (status == 503 and "retry-after" in answer.headers):
        outcome = NotActed("throttled" if status == 429 else "unavailable", words, retry_after_ms(answer))
    elif status >= 500 or 200 <= status < 300:
        outcome = _maybe(acts, code or ("server_error" if status >= 500 else "not_understood"), words)
    elif 300 <= status < 400:
        outcome = Refused("redirected", _("The server redirects to another address; bind the shop with that one."))
    elif status == 403:
        outcome = Refused(code or "forbidden", words)
    else:
        outcome = Refused(code or f"http_{status}", words)
    return WireError(outcome, status)


def turned_away(refused: Refused) -> bool:
    """Is this a refusal without a reason of the third party's own, as of a firewall or a proxy in front of it?"""
    return refused.code in {"forbidden", "redirected"} or refused.code.startswith("http_")


def _looks_html(answer: Answer) -> bool:
    return answer.body.lstrip()[:1] == b"<" or "html" in answer.headers.get("content-type", "")
