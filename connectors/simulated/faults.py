"""Which request meets which fault: a seeded rate, and a queue of one-shots; every injected fault is counted."""

import random
from collections import Counter
from threading import Lock
from typing import Any

from msgspec import Struct, convert

INSTEAD = frozenset(
    {
        "refused_429",
        "throttled_no_header",
        "http_500",
        "http_502",
        "http_503",
        "http_503_retry_after",
        "html",
        "expired_token",
        "error_envelope",
        "http_403",
        "http_404",
    }
)
"""Kinds that answer something else; the request is not acted on. `error_envelope` is the platform's error with 200;
`http_403` and `http_404` are web pages of whatever stands in front of the platform."""

SOCKET = frozenset({"cut_before", "cut_after", "timeout_before", "timeout_after", "reset_mid_body", "acts_late"})
"""Kinds that happen at the socket: `_before` did not act, `_after` and `reset_mid_body` did; `acts_late` cuts the
connection at once and acts when the back door's `release` is called."""

ANSWER = frozenset(
    {
        "latency",
        "malformed",
        "garbled",
        "http_500_after",
        "error_envelope_after",
        "delivered_twice",
        "duplicate",
        "reorder",
    }
)
"""Kinds that act and then spoil the answer, or only delay it. `malformed` is cut short, `garbled` was never JSON;
`delivered_twice` acts twice, as when something on the way repeats a request, and answers what the second one got."""

KINDS = INSTEAD | SOCKET | ANSWER

ASKED_FOR = frozenset({"timeout_before", "timeout_after", "acts_late", "delivered_twice", "http_403", "http_404"})
"""Kinds that a rate draws only where they are named: they take long, look final, or no client can be safe from them."""

LISTS_ONLY = frozenset({"duplicate", "reorder"})
"""Kinds that need an answer with rows; they are counted only when they found one."""


class FaultError(ValueError):
    """The fault configuration names something that does not exist."""


class OneShot(Struct, forbid_unknown_fields=True):
    """The next `times` matching requests fail, after `skip` matching ones passed.

    `path` is looked for anywhere in the request target (path and query); an empty `method` matches all.
    `{"next": [], "forget": true}` drops those that are still waiting.
    """

    kind: str
    method: str = ""
    path: str = ""
    times: int = 1
    skip: int = 0


class FaultConfig(Struct, forbid_unknown_fields=True):
    """What `POST /_twin/faults` takes. Keys that are left out stay as they are; `{"rate": 0}` clears everything."""

    rate: float | None = None
    kinds: list[str] | None = None
    seed: int = 0
    methods: list[str] | None = None
    path: str = ""
    next: list[OneShot] | None = None
    hold_s: float | None = None
    latency_s: float | None = None
    retry_after_s: int | None = None
    reset_counts: bool = False
    forget: bool = False


class Faults:
    """The fault plan of one twin. Safe to ask from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._random = random.Random(0)
        self._rate = 0.0
        self._kinds: list[str] = []
        self._methods: list[str] = []
        self._path = ""
        self._queue: list[OneShot] = []
        self._counts: Counter[str] = Counter()
        self.hold_s = 35.0
        self.latency_s = 0.3
        self.retry_after_s = 1

    def configure(self, body: Any) -> None:
        """Apply a decoded `FaultConfig`. Raises `FaultError` or `msgspec.ValidationError`."""
        config = convert(body, FaultConfig)
        named = [*(config.kinds or []), *(shot.kind for shot in config.next or [])]
        if unknown := sorted(set(named) - KINDS):
            raise FaultError(f"no such fault: {', '.join(unknown)}; known: {', '.join(sorted(KINDS))}")
        with self._lock:
            if config.reset_counts:
                self._counts.clear()
            if config.forget:
                self._queue.clear()
            if config.rate is not None:
                self._rate = config.rate
                self._random = random.Random(config.seed)
                self._methods = [method.upper() for method in config.methods or []]
                self._path = config.path
                if config.kinds is not None:
                    self._kinds = config.kinds
                elif not self._kinds:
                    self._kinds = sorted(KINDS - ASKED_FOR)
                if not config.rate:
                    self._queue.clear()
            self._queue.extend(config.next or [])
            self.hold_s = self.hold_s if config.hold_s is None else config.hold_s
            self.latency_s = self.latency_s if config.latency_s is None else config.latency_s
            self.retry_after_s = self.retry_after_s if config.retry_after_s is None else config.retry_after_s

    def pick(self, method: str, target: str) -> str:
        """The kind of fault this request meets, or ""."""
        with self._lock:
            kind = self._shot(method, target) or self._drawn(method, target)
            if kind and kind not in LISTS_ONLY:
                self._counts[kind] += 1
            return kind

    def _shot(self, method: str, target: str) -> str:
        for shot in self._queue:
            if (shot.method and shot.method.upper() != method) or shot.path not in target:
                continue
            if shot.skip > 0:
                shot.skip -= 1
                continue
            shot.times -= 1
            if shot.times <= 0:
                self._queue.remove(shot)
            return shot.kind
        return ""

    def _drawn(self, method: str, target: str) -> str:
        if not self._rate or (self._methods and method not in self._methods) or self._path not in target:
            return ""
        if self._random.random() >= self._rate or not self._kinds:
            return ""
        return self._random.choice(self._kinds)

    def spoil(self, kind: str, rows: list[bytes]) -> list[bytes]:
        """Rows of a list answer with one of them twice (`duplicate`) or in another order (`reorder`)."""
        if not rows or kind not in LISTS_ONLY or (kind == "reorder" and len(rows) < 2):
            return rows
        with self._lock:
            self._counts[kind] += 1
            if kind == "duplicate":
                copy = self._random.choice(rows)
                return [*rows, copy]
            mixed = list(rows)
            self._random.shuffle(mixed)
            return mixed if mixed != rows else rows[::-1]

    def counts(self) -> dict[str, int]:
        """Faults injected so far, by kind; kinds never injected are left out."""
        with self._lock:
            return dict(sorted(self._counts.items()))
