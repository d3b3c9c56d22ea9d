"""The matrix as data: where a call can go wrong, what can go wrong with it, and what must be true afterwards.

A cell is one point (a call that some kind of effect or sync makes) meeting one fault, with one way of repeating safely,
on one engine. Which cells exist, and how each must end, is said here by rules; `ground.py` plays them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from zlib import crc32

from msgspec import Struct

from connectors.contract import Repeat
from domain.enums import Op

ENGINES = ("sqlite", "postgresql")
KEY, BACK, NEITHER = Repeat.HONOURS_KEY, Repeat.READ_BACK, Repeat.NEITHER
ANY = (KEY, BACK, NEITHER)
READ = (KEY,)
"""A read, or what is idempotent by contract, may be repeated at will: there is one way only."""


class Shot(Struct, frozen=True):
    """Which calls a fault strikes: by method and a part of the target, after `skip` matching ones passed."""

    method: str
    path: str
    skip: int = 0

    @property
    def writes(self) -> bool:
        """May such a call act?"""
        return self.method != "GET"


class Point(Struct, frozen=True):
    """One call that an effect or a sync makes."""

    name: str
    kind: str
    """The operation it belongs to, or `sync.orders` and the like."""
    twin: str
    at: Shot
    repeats: tuple[Repeat, ...]
    writes: bool = False
    rows: bool = False
    """Answers a list of rows."""
    first: Shot | None = None
    """The call whose answer must be lost before this one is made at all."""
    second_visit: bool = False
    """Made when the worker comes again, without anything having gone wrong before."""
    again: Shot | None = None
    """The call instead of `at` where a key is honoured: asking again."""

    def shot(self, repeat: Repeat) -> Shot:
        """The call to strike."""
        return self.again if self.again is not None and repeat is KEY else self.at


ASK = Shot("POST", "/v1/waybills")
NOTE = Shot("POST", "/notes")
FINISH = Shot("PUT", "/orders/")
ORDER = Shot("GET", "/orders/")
JOB = Shot("POST", "/jobs")

POINTS = (
    Point("ask", Op.REQUEST_WAYBILL, "carrier", ASK, ANY, writes=True),
    Point("label", Op.REQUEST_WAYBILL, "carrier", Shot("GET", "/label"), ANY),
    Point("look", Op.REQUEST_WAYBILL, "carrier", Shot("GET", "/v1/waybills/"), (KEY, BACK), first=ASK, again=ASK),
    Point(
        "poll", Op.REQUEST_WAYBILL, "carrier", Shot("GET", "/v1/waybills/"), (KEY, BACK), second_visit=True, again=ASK
    ),
    Point("void", Op.VOID_WAYBILL, "carrier", Shot("POST", "/void"), ANY, writes=True),
    Point("guard", Op.PUSH, "shop", ORDER, ANY),
    Point("note", Op.PUSH, "shop", NOTE, ANY, writes=True),
    Point("finish", Op.PUSH, "shop", FINISH, ANY, writes=True),
    Point("confirm", Op.PUSH, "shop", Shot("GET", "/orders/", skip=1), ANY),
    Point("find", Op.PUSH, "shop", ORDER, (KEY, BACK), first=FINISH),
    Point("early", Op.PUSH, "shop", NOTE, ANY, writes=True),
    Point("early_seen", Op.PUSH, "shop", Shot("GET", "/notes"), ANY, rows=True),
    Point("check", Op.CHECK, "shop", ORDER, READ),
    Point("send", Op.PRINT, "printer", JOB, ANY, writes=True),
    Point("job", Op.PRINT, "printer", Shot("GET", "/jobs/"), (KEY, BACK), first=JOB, again=JOB),
    Point("page", "sync.orders", "shop", Shot("GET", "status=any&order=asc"), READ, rows=True),
    Point("bin", "sync.orders", "shop", Shot("GET", "status=trash&order=asc"), READ),
    Point("count", "sync.orders", "shop", Shot("GET", "_fields=id"), READ),
    Point("refunds", "sync.orders", "shop", Shot("GET", "/refunds"), READ, rows=True),
    Point("learn", "sync.orders", "shop", Shot("GET", "/products?include="), READ, rows=True),
    Point("goods", "sync.products", "shop", Shot("GET", "/products?orderby=id"), READ, rows=True),
    Point("variations", "sync.products", "shop", Shot("GET", "/variations"), READ, rows=True),
    Point("listing", "sync.reconcile", "shop", Shot("GET", "orderby=id&order=asc&status=any"), READ, rows=True),
    Point("missing", "sync.reconcile", "shop", ORDER, READ),
    Point("stranger", "sync.reconcile", "shop", ORDER, READ),
)


def point(name: str) -> Point:
    """A point by its name."""
    return next(one for one in POINTS if one.name == name)


NOT_ACTED = {"refused", "refused_429", "throttled_no_header", "http_503_retry_after"}
"""The third party has certainly not acted, and we can tell."""
REFUSALS = {"http_403", "http_404"}
"""A definite no, of whoever stands in front of the third party."""
UNCLEAR = {
    "timeout_before",
    "timeout_after",
    "acts_late",
    "cut_before",
    "cut_after",
    "reset_mid_body",
    "http_500",
    "http_500_after",
    "http_502",
    "http_503",
    "html",
    "garbled",
    "malformed",
    "error_envelope",
    "error_envelope_after",
}
"""Whether it acted cannot be told from what came back."""
OURS = {"skew_ahead", "skew_behind", "two_workers"}
"""Nothing goes wrong on the wire: the worker's clock is ten minutes off, or two workers come at the same moment."""
FROZEN = {"frozen_before", "frozen_sending", "frozen_after"}
"""The worker stands still past its lease: before it asks whether it still holds it, with the request made up and about to
leave, or with the answer on its way."""
TWICE = {"delivered_twice", "duplicate"}
"""A request that arrives twice, rows that come twice."""
FAULTS = tuple(sorted(NOT_ACTED | REFUSALS | {"expired_token"} | UNCLEAR | OURS | FROZEN | TWICE))

ONLY_WRITES = {"acts_late", "frozen_sending", *REFUSALS}


class Cell(Struct, frozen=True):
    """One combination."""

    point: Point
    fault: str
    repeat: Repeat
    engine: str

    @property
    def id(self) -> str:
        """Its name in a report."""
        return f"{self.engine}-{self.point.name}-{self.fault}-{self.repeat.value}"

    @property
    def end(self) -> str:
        """How its effect must end."""
        repeated = self.point.first is not None or self.point.second_visit
        by_post = self.point.name == "finish" and self.fault == "http_403"
        if self.fault in REFUSALS and not repeated and not by_post:
            # Not on a repetition, of which nobody in front can say what became of the first try; and a host that lets no
            # PUT through is asked once more by POST, which updates as well.
            return "failed"
        return "parked" if self._parks else "done"

    @property
    def _parks(self) -> bool:
        """Must it end parked for a person? Only where nobody can know, and nothing makes asking again safe."""
        op = self.point.kind
        if self.repeat is not NEITHER or op == Op.VOID_WAYBILL:
            return False
        if self.fault in FROZEN:
            return True
        if self.fault == "delivered_twice" and self.point.name == "finish":
            # The second arrival is refused as a replay, and that refusal is what is answered.
            return True
        if self.point.name in {"confirm", "early_seen"}:
            # Written by then, but not seen to be; a request that arrives twice is refused as a replay.
            return self.fault in UNCLEAR | NOT_ACTED | {"expired_token", "delivered_twice"}
        if self.point.name == "finish":
            # The number is told by then, the status is not: that is half of what was to be done.
            return self.fault in UNCLEAR | NOT_ACTED | {"expired_token"}
        return self.point.writes and self.fault in UNCLEAR


def applies(point: Point, fault: str, repeat: Repeat) -> bool:
    """Does the combination exist?"""
    writes = point.writes or (repeat is KEY and point.again is not None)
    if fault in ONLY_WRITES and not writes:
        return False
    if fault == "duplicate":
        return point.rows
    if fault == "delivered_twice" and writes:
        # Where neither a key nor the nature of the call makes a second arrival harmless, no client can.
        if point.twin == "shop":
            return point.name == "finish"
        return point.name == "void" or repeat is KEY or (point.twin == "carrier" and repeat is BACK)
    # WooCommerce has no key to honour: what makes its notes safe is looking first, and one that comes late is not seen.
    return not (fault == "acts_late" and point.twin == "shop" and repeat is KEY)


@lru_cache(maxsize=1)
def cells() -> tuple[Cell, ...]:
    """Every cell there is."""
    return tuple(
        Cell(point, fault, repeat, engine)
        for engine in ENGINES
        for point in POINTS
        for fault in FAULTS
        for repeat in point.repeats
        if applies(point, fault, repeat)
    )


ONCE_RED = {
    "label-cut_after-neither",
    "label-garbled-read_back",
    "guard-error_envelope-read_back",
    "note-error_envelope-read_back",
    "note-error_envelope_after-neither",
    "finish-error_envelope-read_back",
    "finish-error_envelope_after-read_back",
    "find-error_envelope-honours_key",
    "early-error_envelope-read_back",
    "refunds-duplicate-honours_key",
    "send-frozen_sending-read_back",
    "early-frozen_sending-read_back",
}
"""Cells that found a defect when they were first played: they are in every sample."""


def _pairs(cell: Cell) -> Iterator[tuple[object, ...]]:
    values = (("kind", cell.point.kind), ("fault", cell.fault), ("repeat", cell.repeat), ("engine", cell.engine))
    yield from combinations(values, 2)
    yield ("point", cell.point.name, cell.engine)
    yield ("point", cell.point.name, cell.repeat)


def sample(among: Sequence[Cell]) -> list[Cell]:
    """A pairwise sample: every pair of kind, fault, repeat and engine that occurs is in it, and every point.

    Chosen greedily and always the same: of the cells that add most, the first.
    """
    # Another order than the list's own, the same every time, so that neighbours do not crowd the sample.
    shuffled = sorted(among, key=lambda c: hash_of(c.id))
    open_pairs = {pair for cell in shuffled for pair in _pairs(cell)}
    chosen = {cell for cell in shuffled if cell.engine == ENGINES[0] and cell.id.partition("-")[2] in ONCE_RED}
    open_pairs -= {pair for cell in chosen for pair in _pairs(cell)}
    left = [(cell, frozenset(_pairs(cell))) for cell in shuffled]
    # What a cell added when it was last looked at: it can only have become less, so few need another look.
    added = [len(pairs) for _cell, pairs in left]
    while open_pairs:
        best, most = 0, 0
        for n, (_cell, pairs) in enumerate(left):
            if added[n] > most:
                added[n] = len(pairs & open_pairs)
                if added[n] > most:
                    best, most = n, added[n]
        chosen.add(left[best][0])
        open_pairs -= left[best][1]
    return [cell for cell in among if cell in chosen]


def hash_of(text: str) -> int:
    """A number out of a text, the same in every process."""
    return crc32(text.encode())


def kinds(of: Iterable[Point] = POINTS) -> set[str]:
    """Kinds of effects and syncs that have a row."""
    return {str(point.kind) for point in of}
