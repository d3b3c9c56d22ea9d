"""What a case stands on: a running twin, the connector bound to it, a clock that waits for nobody, and the caller's mirror."""

import asyncio
import base64
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from connectors.conformance.kit import Kit, Wanted
from connectors.contract import Binding, Gone, OrderPage, Parsed, Poison, Push, PushLine, ShopConnector
from connectors.http import Failure, HttpClient, WireError
from connectors.simulated.launch import Twin
from domain.clock import Instant, now
from domain.enums import DEAD_ORDER, DONE_ORDER
from domain.records import Order

T = TypeVar("T")
_KEYS = count(now())  # Never the same in two cases: a platform that honours keys would remember.


class Failed(AssertionError):
    """The connector does not do what it must; the message says what."""


class Skipped(Exception):
    """The platform does not have it, or its twin cannot show it; the message is the kit's reason."""


def holds(condition: object, what: str) -> None:
    """Fail with this sentence where the condition is not true."""
    if not condition:
        raise Failed(what)


def same(found: object, wanted: object, what: str) -> None:
    """Fail where two values differ, showing both."""
    if found != wanted:
        raise Failed(f"{what}: {_short(found)}, not {_short(wanted)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 400 else text[:400] + "…"


class Time:
    """The connector's clock: real, or set to an instant; a wait moves it on instead of waiting."""

    def __init__(self, ground: "Ground") -> None:
        self._ground = ground
        self._set: Instant | None = None
        self.waited_ms = 0

    def __call__(self) -> Instant:
        """The present instant."""
        return (now() if self._set is None else self._set) + self.waited_ms

    def set(self, at: Instant) -> None:
        """Stand still at an instant."""
        self._set, self.waited_ms = at, 0

    async def sleep(self, seconds: float) -> None:
        """Wait, as far as the connector can tell."""
        self.waited_ms += int(seconds * 1000) + 1
        if self._ground.kit.waited is not None:
            self._ground.kit.waited(self._ground.twin, seconds)
        await asyncio.sleep(0)


class Impatience:
    """For which of its calls a connector's client has no time, so that a case need not wait long for a time-out."""

    def __init__(self) -> None:
        self._passed, self._first, self._last = 0, 0, 0

    def of(self, first: int, last: int = 1 << 30) -> None:
        """No time for the calls from the first to the last of those to come, counted from one."""
        self._first, self._last = self._passed + first, self._passed + last

    def passes(self) -> bool:
        """Is there no time for the call that begins now?"""
        self._passed += 1
        return self._first <= self._passed <= self._last


class _Client(HttpClient):
    """A client with the patience of its case: ten seconds, or next to none."""

    impatience: Impatience

    def patience_s(self) -> float:
        """Seconds for one call."""
        return 0.05 if self.impatience.passes() else 10.0


class Mirror:
    """The orders as the caller of a connector keeps them: an older version never overwrites a newer one."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.poison: dict[str, Poison] = {}
        self.raw: dict[str, bytes] = {}
        self.versions: list[Parsed] = []

    def take(self, items: Iterable[Parsed | Poison | Gone]) -> None:
        """Take what a connector gave."""
        for item in items:
            if isinstance(item, Parsed):
                self.versions.append(item)
                held = self.orders.get(item.order.platform_order_id)
                if held is None or item.order.updated_at >= held.updated_at:
                    self.orders[item.order.platform_order_id] = item.order
                    self.raw[item.order.platform_order_id] = item.raw
            elif isinstance(item, Poison):
                self.poison[item.platform_order_id] = item

    def content(self, ids: Sequence[str]) -> dict[str, Order]:
        """These orders without the instant of their last change."""
        return {one: msgspec.structs.replace(self.orders[one], updated_at=0) for one in ids if one in self.orders}


class Ground:
    """One case's ground. `twin` is shared with other cases, so that a case looks at its own orders only."""

    def __init__(
        self, kind: type[ShopConnector], kit: Kit, twin: Twin, fresh: Callable[[Mapping[str, object]], Twin]
    ) -> None:
        self.kind, self.kit, self.twin = kind, kit, twin
        self.fresh = fresh
        """A twin just started with the kit's options and these; it is that of a case which is `alone`, and of the last call."""
        self.time = Time(self)
        self.evidence: list[str] = []
        """Everything that was said: what must hold no secret."""
        self.phones: set[str] = set()
        self._clients: list[HttpClient] = []

    # ------------------------------------------------------------ the kit

    def deed(self, name: str) -> Any:
        """A deed of the kit, or its excuse as `Skipped`."""
        if found := getattr(self.kit, name, None):
            return found
        if name not in self.kit.cannot:
            raise Failed(f"the kit neither gives {name} nor says in `cannot` why there is none")
        raise Skipped(self.kit.cannot[name])

    def can(self, name: str) -> bool:
        """May a case ask for this? For what has no deed of its own: an order's currency, kind, redaction."""
        return name not in self.kit.cannot

    def needs(self, name: str) -> None:
        """Skip the case where the kit excuses this."""
        if name in self.kit.cannot:
            raise Skipped(self.kit.cannot[name])

    def declares(self, capability: str) -> None:
        """Skip the case where the connector does not declare a capability."""
        if not getattr(self.kind.declaration.capabilities, capability):
            raise Skipped(f"the connector does not declare {capability}")

    # ------------------------------------------------------------ binding

    def words(self) -> tuple[dict[str, str], dict[str, str]]:
        """The settings and secrets of the kit, filled in from the twin's hello line."""
        hello = {**self.twin.hello, "url": self.twin.url}
        return (
            {name: text.format_map(hello) for name, text in self.kit.settings.items()},
            {name: text.format_map(hello) for name, text in self.kit.secrets.items()},
        )

    def bind(
        self,
        settings: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        impatience: "Impatience | None" = None,
    ) -> ShopConnector:
        """The connector on this twin, with some settings and secrets in place of the kit's."""
        own, hidden = self.words()
        own |= settings or {}
        hidden |= secrets or {}
        limits = self.kind.declaration.limits
        http = _Client(
            own.get("url", ""),
            calls_per_second=limits.calls_per_second,
            parallel=limits.parallel,
            clock=self.time,
            sleep=self.time.sleep,
        )
        http.impatience = impatience or Impatience()
        self._clients.append(http)
        binding = Binding("conformance", own, hidden, http, self.time)
        self.evidence.append(repr(binding))
        return self.kind(binding)

    def same_shop(self, twin: Twin) -> "Ground":
        """The same ground over another twin; what is said there counts here."""
        other = Ground(self.kind, self.kit, twin, self.fresh)
        other.evidence, other.phones, other._clients = self.evidence, self.phones, self._clients
        return other

    async def aclose(self) -> None:
        """Close every connection."""
        for http in self._clients:
            await http.aclose()

    # ------------------------------------------------------------ orders

    def make(self, **wanted: Any) -> str:
        """One order on the platform; its id."""
        return self.kit.make(self.twin, [Wanted(**wanted)])[0]

    async def read(self, shop: ShopConnector, order: str) -> Order:
        """An order as it stands, which must be readable."""
        [found] = await self.said(shop.read_orders([order]))
        if not isinstance(found, Parsed):
            raise Failed(f"the order comes as {_short(found)}")
        self.met([found])
        return found.order

    def met(self, items: Iterable[object]) -> None:
        """Remember whose phone must not be said."""
        for item in items:
            if isinstance(item, Parsed):
                self.phones |= {phone for phone in (item.order.buyer.phone, item.order.address.phone) if phone}

    async def pages(self, shop: ShopConnector, cursor: str, since: Instant | None = None) -> list[OrderPage]:
        """Every page of one reading; only its last says it is the last."""
        found: list[OrderPage] = []
        async for page in shop.orders(cursor, since):
            found.append(page)
            self.met(page.items)
        holds(found, "a reading gives at least one page")
        same([page.last for page in found], [False] * (len(found) - 1) + [True], "which pages are the last")
        return found

    async def sync(self, shop: ShopConnector, mirror: Mirror, cursor: str, since: Instant | None = None) -> str:
        """One run as the caller makes it: the pages, and open orders by id where the platform shows no changes."""
        for page in await self.pages(shop, cursor, since):
            mirror.take(page.items)
            cursor = page.cursor
        if not self.kind.declaration.sees_changes:
            settled = DEAD_ORDER | DONE_ORDER
            open_ = [one for one, order in mirror.orders.items() if order.status not in settled]
            mirror.take(await self.said(shop.read_orders(open_)))
        return cursor

    # ------------------------------------------------------------ pushing

    async def push_of(self, shop: ShopConnector, order: str, number: str, **changes: Any) -> Push:
        """A push of everything an order still has."""
        self.declares("push")
        found = await self.read(shop, order)
        lines = tuple(
            PushLine(line.platform_line_id, int(line.quantity - line.cancelled)) for line in found.lines if line.ships
        )
        key = f"conformance-{next(_KEYS)}"
        values = {"url": f"https://parcels.example.test/{number}" if number else "", "lines": lines, **changes}
        return Push(key, order, number, values.pop("carrier", "DHL" if number else ""), **values)

    async def told(self, shop: ShopConnector, *pushes: Push) -> list[Any]:
        """What a push answers, one outcome per push."""
        outcomes = list(await self.said(shop.push(pushes)))
        same(len(outcomes), len(pushes), "outcomes of a push")
        return outcomes

    def numbers(self, order: str) -> list[str]:
        """The numbers the platform was told."""
        return self.kit.numbers(self.twin, order)

    # ------------------------------------------------------------ what was said

    async def said(self, call: Awaitable[T]) -> T:
        """The answer of an operation, kept as evidence, its exceptions too."""
        try:
            answer = await call
        except Exception as error:
            self.evidence.append("".join(traceback.format_exception(error)) + repr(error))
            raise
        if isinstance(answer, list | tuple):
            # Orders are the caller's; what comes beside them is shown and logged.
            self.evidence += [repr(one) for one in answer if not isinstance(one, Parsed | Poison)]
        else:
            self.evidence.append(repr(answer))
        return answer

    async def refusal(self, call: Awaitable[object]) -> Failure:
        """The outcome of a read that must fail."""
        try:
            answer = await self.said(call)
        except WireError as error:
            outcome = error.outcome
            holds(outcome.code and outcome.code == outcome.code.lower(), f"a reason code: {outcome.code!r}")
            holds(outcome.message.strip(), f"{outcome.code} comes without a sentence")
            return outcome
        raise Failed(f"it answers {_short(answer)} where it must fail")

    def leaks(self, logged: Sequence[str]) -> list[str]:
        """Secrets and phones that were said or logged, each with a piece of where."""
        secrets = [text for text in self.words()[1].values() if len(text) > 3]
        pairs = [f"{one}:{other}" for one in secrets for other in secrets if one != other]
        hidden = {*secrets, *(quote(text, safe="") for text in secrets)}
        hidden |= {base64.b64encode(text.encode()).decode() for text in [*secrets, *pairs]}
        hidden |= {phone for phone in self.phones if sum(c.isdigit() for c in phone) > 5}
        found = []
        for text in [*self.evidence, *logged]:
            for one in hidden:
                if (place := text.find(one)) >= 0:
                    found.append(text[max(0, place - 60) : place] + "█" * 5)
        return found


class Listener(logging.Handler):
    """Keeps every log record of a run as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Format and keep."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += "".join(traceback.format_exception(record.exc_info[1]))
        self.heard.append(text)

    def __enter__(self) -> "Listener":
        root = logging.getLogger()
        self._level = root.level
        # Whoever listens already hears no more than before.
        self._others = {handler: handler.level for handler in root.handlers}
        for handler, level in self._others.items():
            handler.setLevel(max(level, root.level))
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        # These tell of sockets, at length; what they log belongs to httpx, which connectors do not see.
        self._quiet = {name: logging.getLogger(name).level for name in ("httpcore", "asyncio")}
        for name in self._quiet:
            logging.getLogger(name).setLevel(logging.INFO)
        return self

    def __exit__(self, *_exc: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)
        for handler, level in self._others.items():
            handler.setLevel(level)
        for name, level in self._quiet.items():
            logging.getLogger(name).setLevel(level)
