"""`python -m bench.generate --orders 1000000 --seed 7 FILE`: a database as years of work leave it, in minutes.

The rows are written past the program, but they are rows the program itself could have written: `shipdeck doctor` finds
nothing wrong with them. The same seed, orders, stages and `--now` give the same rows, whoever makes them and when.
`--stages review=100000` names how many shipments stand where; named stages hold plain work that nothing stands against.
"""

import argparse
import asyncio
import hashlib
import sqlite3
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from msgspec import Struct

from bench import goods as g
from bench.vocabulary import HOLDS, PEOPLE, REMARKS, SELLER_NOTES, Country
from domain.clock import DAY, HOUR, MINUTE, SECOND, Instant, from_datetime, iso, to_datetime
from domain.enums import Flag, Stage, Status
from domain.facts import fingerprint
from domain.search import words_of
from domain.text import full_name
from store.database import as_json
from store.place import Place, find
from store.schema import fold
from store.stock_pushes import REBUILD
from store.upgrade import open_store

NOW: Instant = from_datetime(datetime(2026, 11, 23, 8, tzinfo=UTC))
"""The moment the database stands at unless told otherwise, so that the same call gives the same rows on any day."""
MIX = {
    Stage.REVIEW: 0.02,
    Stage.PROCESSING: 0.01,
    Stage.WAYBILL: 0.005,
    Stage.TO_PRINT: 0.03,
    Stage.SHIPPED: 0.9,
    Stage.CLOSED: 0.035,
}
BLOCK = 10_000
"""Orders in memory at a time."""
OPEN_DAYS, ALL_DAYS = 7, 400
"""Open work is at most so old; the first order is."""
RETURNING, REMEMBERED = 0.3, 5_000
"""Share of orders by buyers who bought before, among so many newest of each shop."""

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]

COLUMNS: dict[str, tuple[str, ...]] = {
    name: tuple(columns.split())
    for name, columns in {
        "meta": "key value",
        "shop": "id platform name title zone currency settings connected_at checked_at cut_over first_import_done",
        "sync_task": "account kind enabled every_ms due_at ok_at",
        "carrier": "id kind name settings checked_at",
        "service": "id carrier_id code name data",
        "warehouse": "id name sender is_default",
        "printer": "id kind name host settings checked_at is_default",
        "category": "id name name_key",
        "product": "id code name category_id created_at",
        "variant": "id product_id sku name weight_g bin tracked created_at",
        "listing": "id shop_id platform_product_id platform_variant_id sku name match_key",
        "listing_item": "listing_id variant_id quantity",
        "contact": "id name phone email phone_key email_key created_at",
        "orders": "id shop_id platform_order_id number status raw_status kind payment currency total_minor shipping_minor"
        " shipping_method pickup_point after_sale created_at paid_at updated_at imported_at content_hash address_id",
        "order_line": "id order_id position platform_line_id name sku options platform_product_id platform_variant_id"
        " listing_id quantity cancelled unit_price total_minor ships",
        "buyer": "order_id contact_id first_name last_name phone email phone_key email_key words",
        "address": "id order_id source name company line1 line2 city state postcode country phone email fingerprint"
        " created_at who",
        "raw_order": "order_id payload at",
        "left_out": "shop_id platform_order_id number reason first_at last_at",
        "abnormal": "id shop_id platform_order_id code message payload first_at last_at",
        "shipment": "id shop_id order_id stage status version flags hold_reason mark ship_by service_id address_id code"
        " reason print_state copies printed_at deducted shipped_at collected_at collected_by courier created_at"
        " changed_at",
        "shipment_line": "shipment_id order_line_id quantity",
        "submission": "shipment_id order_id state number code reason at",
        "note": "order_id shipment_id kind text who at read_at read_by",
        "waybill": "id shipment_id generation carrier_id service_id reference state number tracking address_id"
        " address_print lines lines_print cost_minor cost_currency code reason field requested_at obtained_at ended_at",
        "label_file": "waybill_id media data pages at",
        "pool_number": "carrier_id number state reference at",
        "stock": "variant_id warehouse_id on_hand reserved",
        "allocation": "shipment_id variant_id warehouse_id quantity at",
        "stock_move": "id key variant_id warehouse_id on_hand reserved reason shipment_id who at",
        "effect": "key account op shipment_id order_id waybill_id batch_id payload state attempts due_at started_at"
        " unknown_since looks code message created_at ended_at",
        "batch": "id name command arguments who state total done refused created_at ended_at",
        "batch_item": "batch_id position shipment_id outcome code reason version before",
        "event": "at who kind shipment_id order_id data",
    }.items()
}
"""What is written of each table; all other columns keep their defaults. Referred-to tables come first."""

STAYS = next(n for n, s in enumerate(g.SHOPS, 1) if not s.moves_on)
"""The shop whose parcels may stand in the stage "waybill" with a number."""

_OURS = ("shipment_counted", "shipment_line_added", "buyer_words_added", "stock_line_added", "stock_part_added")
"""Triggers whose work is done here, in bulk or by construction. Any other one acts on our rows as on anybody's."""

_PDF_HEAD = b"%PDF-1.4\n"
_PDF_PARTS = (
    b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n",
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n",
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 283 425]>>endobj\n",
)


def blank_label() -> bytes:
    """The smallest PDF of one empty label (100 × 150 mm) that a printer takes."""
    at, table = len(_PDF_HEAD), b"xref\n0 4\n0000000000 65535 f \n"
    for part in _PDF_PARTS:
        table += b"%010d 00000 n \n" % at
        at += len(part)
    return _PDF_HEAD + b"".join(_PDF_PARTS) + table + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % at


class Summary(Struct, frozen=True):
    """What was made: orders, shipments per stage, rows per table, and the size of the file in bytes."""

    orders: int
    stages: dict[str, int]
    rows: dict[str, int]
    bytes: int


Progress = Callable[[int, int], None]
"""Told after every block: orders written, orders in all."""


def generate(
    place: Place,
    orders: int,
    seed: int = 7,
    *,
    stages: Mapping[Stage, int] | None = None,
    now: Instant = NOW,
    progress: Progress | None = None,
) -> Summary:
    """Make the SQLite database of `place`, which must not be there yet, with so many orders, as it stands at `now`.

    `stages` says how many shipments stand in a stage: what it names holds nothing but plain work (paid, matched, read,
    not held), the other stages share the rest as usual. Blocks until done and needs no event loop of the caller: from
    async code call it in a thread. A failure leaves no file behind. Raises `FileExistsError`, or `ValueError` for
    stages that hold more than all orders.
    """
    counts = planned(orders, stages or {})
    if place.file is None:
        raise ValueError("only SQLite databases are generated")
    if place.file.exists():
        raise FileExistsError(place.file)
    try:
        asyncio.run(_create(place))
        connection = _open(place.file)
        try:
            maker = Maker(Random(seed), now, counts, frozenset(stages or {}))
            _load(connection, maker, orders, progress)
            rows = {name: _count(connection, name) for name in COLUMNS}
        finally:
            connection.close()
    except BaseException:
        for suffix in ("", "-wal", "-shm", "-journal"):
            place.file.with_name(place.file.name + suffix).unlink(missing_ok=True)
        raise
    return Summary(orders, {s.word: n for s, n in counts.items()}, rows, place.file.stat().st_size)


def planned(orders: int, stages: Mapping[Stage, int]) -> dict[Stage, int]:
    """How many of `orders` stand in each stage: as named, the others in proportion to the usual mix."""
    left = orders - sum(stages.values())
    others = {s: share for s, share in MIX.items() if s not in stages}
    if left < 0 or (left and not others) or min(stages.values(), default=0) < 0:
        raise ValueError(f"{dict(stages)} does not make {orders} orders")
    counts = {s: stages.get(s, 0) for s in Stage}
    for s, share in others.items():
        counts[s] = int(left * share / sum(others.values()))
    if others:
        counts[max(others, key=lambda s: others[s])] += orders - sum(counts.values())
    return counts


# ------------------------------------------------------------------ writing


async def _create(place: Place) -> None:
    await (await open_store(place)).close()


def _open(file: Path) -> sqlite3.Connection:
    """A connection for loading only: without journal and syncs, since a failed load is thrown away."""
    connection = sqlite3.connect(file, isolation_level=None)
    # Indexes may be over it.
    connection.create_function("lower", 1, fold, deterministic=True)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-300000", "threads=2"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _load(connection: sqlite3.Connection, maker: "Maker", orders: int, progress: Progress | None) -> None:
    """Every row, in transactions of a block; indexes and our triggers stand aside meanwhile and come back as they were."""
    aside = connection.execute(
        f"""SELECT type, name, sql FROM sqlite_master
            WHERE (type = 'index' AND sql IS NOT NULL) OR (type = 'trigger' AND name IN {_OURS}) ORDER BY rowid"""
    ).fetchall()
    for kind, name, _sql in aside:
        connection.execute(f"DROP {kind} {name}")
    _write(connection, maker.first())
    for done in range(0, orders, BLOCK):
        upto = min(orders, done + BLOCK)
        _write(connection, maker.block(upto))
        if progress is not None:
            progress(upto, orders)
    _write(connection, maker.last())
    connection.execute(
        """INSERT INTO stage_count (shop_id, stage, status, n)
           SELECT shop_id, stage, status, count(*) FROM shipment GROUP BY shop_id, stage, status"""
    )
    for _kind, _name, sql in aside:
        connection.execute(sql)
    connection.execute("INSERT INTO buyer_words (buyer_words) VALUES ('rebuild')")
    for statement in REBUILD:
        connection.execute(statement)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA journal_mode=WAL")


def _write(connection: sqlite3.Connection, rows: Rows) -> None:
    connection.execute("BEGIN")
    for name, columns in COLUMNS.items():
        if made := rows.get(name):
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", made)
    connection.execute("COMMIT")


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """Every table by name, but those in which SQLite keeps a full-text index: they follow from the others."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in names if not name.startswith("buyer_words")]


def digest(file: Path) -> str:
    """One digest over every row of every table, in a settled order."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    found = hashlib.blake2b()
    for name in tables_of(connection):
        found.update(name.encode())
        for row in connection.execute(f"SELECT * FROM {name} ORDER BY rowid"):
            found.update(repr(row).encode())
    connection.close()
    return found.hexdigest()


# ------------------------------------------------------------------ what becomes of an order


@dataclass(slots=True)
class Person:
    """A buyer, with the address as the row that orders copy."""

    contact: int
    first: str
    last: str
    phone: str
    email: str
    phone_key: str
    email_key: str
    country: Country
    address: Row
    fingerprint: str
    words: str


@dataclass(slots=True)
class Box:
    """A shipment in the making. Times are instants; `events` and `version` grow with its history."""

    id: int
    shop_id: int
    stage: Stage
    status: Status
    person: Person
    recent: bool
    plain: bool
    imported: Instant
    due: Instant | None = None
    orders: list[int] = field(default_factory=list)
    lines: list[tuple[int, int]] = field(default_factory=list)
    wants: dict[int, int] = field(default_factory=dict)
    flags: int = 0
    version: int = 1
    hold: str = ""
    mark: int = 0
    service: int | None = None
    address_id: int = 0
    overlay: bool = False
    code: str = ""
    reason: str = ""
    print_state: str = "none"
    printed_at: Instant | None = None
    deducted: int = 0
    shipped_at: Instant | None = None
    collected_at: Instant | None = None
    changed: Instant = 0
    number: str = ""
    waybill: int | None = None
    on_delivery: bool = False
    pickup_point: bool = False
    short_sku: str = ""
    told: str = "none"
    told_number: str = ""
    told_code: str = ""
    told_reason: str = ""
    told_at: Instant | None = None


_LIKELY: dict[tuple[Stage, bool], tuple[tuple[Status, float], ...]] = {
    (Stage.REVIEW, True): ((Status.OPEN, 1),),
    (Stage.PROCESSING, True): ((Status.READY, 0.6), (Status.OPEN, 0.4)),
    (Stage.WAYBILL, True): (
        (Status.FAILED, 0.32),
        (Status.OBTAINED, 0.28),
        (Status.REQUESTING, 0.18),
        (Status.WAITING, 0.1),
        (Status.UNKNOWN, 0.1),
        (Status.CLOSING, 0.02),
    ),
    (Stage.TO_PRINT, True): ((Status.IN_STOCK, 0.78), (Status.OUT_OF_STOCK, 0.2), (Status.CHECKING, 0.02)),
    (Stage.SHIPPED, True): (
        (Status.SUCCEEDED, 0.78),
        (Status.PUSHING, 0.15),
        (Status.FAILED, 0.04),
        (Status.UNKNOWN, 0.015),
        (Status.ELSEWHERE, 0.015),
    ),
    (Stage.SHIPPED, False): (
        (Status.SUCCEEDED, 0.962),
        (Status.OUTSIDE, 0.02),
        (Status.IGNORED, 0.008),
        (Status.ELSEWHERE, 0.005),
        (Status.FAILED, 0.005),
    ),
    (Stage.CLOSED, True): (
        (Status.CANCELLED, 0.62),
        (Status.REFUNDED, 0.18),
        (Status.DISCARDED, 0.14),
        (Status.EMPTY, 0.06),
    ),
}
"""The statuses of a stage with their shares, for recent shipments (True) and for old ones where those differ."""

_PLAIN = {
    Stage.PROCESSING: Status.READY,
    Stage.WAYBILL: Status.OBTAINED,
    Stage.TO_PRINT: Status.IN_STOCK,
    Stage.SHIPPED: Status.SUCCEEDED,
    Stage.CLOSED: Status.CANCELLED,
}
"""What plain work of a stage stands at."""

_WAYBILL_ERRORS = (
    ("house_number_missing", "The address has no house number.", "line1"),
    ("address_incomplete", "The address has no postcode.", "recipient.postcode"),
    ("country_not_served", "This carrier does not serve the country.", "recipient.country"),
    ("missing_glyph", "The label font has no letter for a sign in recipient.name; correct the text.", "recipient.name"),
)
_PUSH_ERRORS = (
    ("already_shipped", "The shop already says completed, with another number or none."),
    ("status_not_kept", "The shop took the change but keeps the status processing."),
    ("http_403", "Sorry, you are not allowed to edit this resource."),
)
_GONE = {Status.CANCELLED: ("cancelled", "cancelled"), Status.REFUNDED: ("refunded", "refunded")}
_SERVED = (Status.OUTSIDE, Status.ELSEWHERE)
_STOPPED, _AFTER_SALE, _UNMATCHED = int(Flag.STOPPED), int(Flag.AFTER_SALE), int(Flag.UNMATCHED)


class Maker:
    """Makes the rows, block by block, in the order of the orders. All chance comes from one generator."""

    def __init__(self, rng: Random, now: Instant, counts: Mapping[Stage, int], plain: frozenset[Stage]) -> None:
        self.rng, self.chance, self.now, self.plain = rng, rng.random, now, plain
        self.since = now - ALL_DAYS * DAY
        self.install = "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=4))
        self.stages, self.recent_from = self._sequence(counts)
        self.open = sum(n for s, n in counts.items() if s < Stage.SHIPPED)
        shortages = counts[Stage.TO_PRINT] > 0 and Stage.TO_PRINT not in plain
        self.goods = g.goods(rng, self.since, shortages=shortages)
        self.short = tuple(tuple(x for x in here if x.short) for here in self.goods.listings)
        self.rows: Rows = {}
        self.begin()
        self.next = 0
        self.people: list[list[Person]] = [[] for _shop in g.SHOPS]
        self.ids: defaultdict[str, int] = defaultdict(int)
        self.taken: defaultdict[int, int] = defaultdict(int)
        self.reserved: defaultdict[int, int] = defaultdict(int)
        self.wanted: defaultdict[int, int] = defaultdict(int)
        self.moves: list[Row] = []
        self.asked: list[int] = []
        self.worked: dict[str, list[tuple[int, int, Instant]]] = defaultdict(list)
        self.label = blank_label()
        self.shops = [(shop_id, s.share) for shop_id, s in enumerate(g.SHOPS, 1)]

    def begin(self) -> None:
        """Start an empty set of rows."""
        self.rows = {name: [] for name in COLUMNS}

    def _sequence(self, counts: Mapping[Stage, int]) -> tuple[list[Stage], int]:
        """The stage of every order, oldest first, and where the recent ones begin, among which all open ones are."""
        done = [s for s in (Stage.SHIPPED, Stage.CLOSED) for _n in range(counts[s])]
        still = [s for s in Stage if s < Stage.SHIPPED for _n in range(counts[s])]
        self.rng.shuffle(done)
        head = max(0, len(done) - max(len(still) // 4, (len(done) + len(still)) // 50))
        # The further on, the older; but not strictly.
        tail = [*done[head:], *still]
        keys = [self.chance() * 1.5 - 0.15 * s for s in tail]
        order = sorted(range(len(tail)), key=keys.__getitem__)
        return [*done[:head], *(tail[n] for n in order)], head

    def _created(self, n: int) -> Instant:
        """When order `n` was placed: more and more of them over a year, and most of the recent ones very recently."""
        if n < self.recent_from:
            left = 1 - n / self.recent_from
            return self.now - OPEN_DAYS * DAY - int((ALL_DAYS - OPEN_DAYS) * DAY * left**1.5)
        left = 1 - (n - self.recent_from) / max(1, len(self.stages) - self.recent_from)
        return self.now - 15 * MINUTE - int((OPEN_DAYS * DAY - 15 * MINUTE) * left**4)

    def id(self, table: str) -> int:
        """The next id of a table."""
        self.ids[table] += 1
        return self.ids[table]

    def pick(self, items: Sequence[Any]) -> Any:
        """Any of `items`."""
        return items[int(self.chance() * len(items))]

    def likely(self, shares: Iterable[tuple[Any, float]]) -> Any:
        """One of the given things by their shares, which add up to one."""
        left, last = self.chance(), None
        for thing, share in shares:
            left, last = left - share, thing
            if left < 0:
                break
        return last

    # -------------------------------------------------------------- blocks

    def first(self) -> Rows:
        """The rows that are there before any order."""
        self.rows["meta"].append(("install", self.install))
        self.rows.update(g.accounts(self.since, self.now))
        self.rows.update(self.goods.rows)
        # Their rows come last, when it is known how much was needed; their ids say that they were the first.
        self.ids["stock_move"] = len(self.goods.tracked)
        return self._taken_out()

    def block(self, upto: int) -> Rows:
        """The rows of the orders up to number `upto`."""
        while self.next < upto:
            self._box()
        # As they happened: the history of one shipment lies apart in the file, as it does in a grown one.
        self.rows["event"].sort(key=lambda row: row[0])
        self.moves.sort(key=lambda row: row[-1])
        self.rows["stock_move"] = [(self.id("stock_move"), *row) for row in self.moves]
        self.moves = []
        return self._taken_out()

    def last(self) -> Rows:
        """The rows that need all the others: what came in, what lies there, free numbers, batches, print jobs."""
        at = self.since - g.RECEIVED_BEFORE
        for n, variant in enumerate(self.goods.tracked, 1):
            free = 0 if variant in self.goods.short else self.wanted[variant] + 20 + int(self.chance() * 400)
            left = self.reserved[variant] + free
            came = self.taken[variant] + left
            self.rows["stock_move"].append(
                (n, f"receive:{variant}:1:0", variant, 1, came, 0, "receive", None, PEOPLE[0], at)
            )
            self.rows["stock"].append((variant, 1, left, self.reserved[variant]))
        for n in range(self.ids["pool"] + 1, self.ids["pool"] + 1001 + self.open):
            self.rows["pool_number"].append((g.POOL, f"OWN{n:09d}", "free", "", self.since))
        self._batches()
        self._never_taken_over()
        return self._taken_out()

    def _taken_out(self) -> Rows:
        made = self.rows
        self.begin()
        return made

    def _batches(self) -> None:
        """Some of the commands that led here, a few rows of each refused; and the print jobs under way."""
        names: defaultdict[str, int] = defaultdict(int)

        def batch(command: str, members: Sequence[tuple[int, int, Instant]], at: Instant) -> tuple[int, str]:
            day = to_datetime(at).strftime("%m%d")
            names[day] += 1
            batch_id, name = self.id("batch"), f"B{day}-{names[day]:02d}"
            refused = sum(n % 41 == 40 for n in range(len(members)))
            ending = (len(members), len(members) - refused, refused, at, at + len(members) * 2)
            self.rows["batch"].append((batch_id, name, command, "{}", self.pick(PEOPLE), "done", *ending))
            for n, (shipment, version, _at) in enumerate(members):
                outcome: Row = ("done", "", "", version, '{"set": {}, "final": true}')
                if n % 41 == 40:
                    outcome = ("refused", "wrong_stage", "It is in another stage.", 0, "")
                self.rows["batch_item"].append((batch_id, n, shipment, *outcome))
            return batch_id, name

        for command, members in self.worked.items():
            for start in range(0, min(len(members), 6000), 400):
                part = members[start : start + 400]
                batch(command, part, max(at for _s, _v, at in part))
        for start in range(0, len(self.asked), 50):
            ids = self.asked[start : start + 50]
            at = self.now - MINUTE
            # Nobody of a job was refused: all of them wait for their paper.
            batch_id, name = batch("print", [(i, 7, at) for i in ids][:40], at)
            payload = as_json({"shipments": ids, "copies": 1, "title": f"{name}-001"})
            key = f"print:{name}:001:{batch_id}"
            self._effect(key, "printer:1", "print", None, None, payload, at, batch=batch_id)

    def _never_taken_over(self) -> None:
        """Orders that could not be read, and orders that the rules leave out."""
        for n in range(len(self.stages) // 5000):
            shop_id, at = 1 + n % len(g.SHOPS), self.now - n * HOUR
            raw = zlib.compress(b'{"id": %d, "total": "twelve"}' % (90_000_000 + n))
            why = ("bad_amount", "Not an amount: twelve")
            self.rows["abnormal"].append((n + 1, shop_id, str(90_000_000 + n), *why, raw, at, at))
        for n in range(len(self.stages) // 2000):
            shop_id, at, pid = 1 + n % len(g.SHOPS), self.now - n * HOUR, str(91_000_000 + n)
            reason = ("other_currency", "no_contact", "no_goods")[n % 3]
            self.rows["left_out"].append((shop_id, pid, pid, reason, at, at))

    # -------------------------------------------------------------- people

    def _person(self, shop_id: int, at: Instant) -> Person:
        """Who buys: somebody who bought in this shop before, or a new contact."""
        known = self.people[shop_id - 1]
        if known and self.chance() < RETURNING:
            return self.pick(known)  # type: ignore[no-any-return]
        person = self._new_person(g.SHOPS[shop_id - 1], at)
        if len(known) < REMEMBERED:
            known.append(person)
        else:
            known[person.contact % REMEMBERED] = person
        return person

    def _new_person(self, shop: g.Shop, at: Instant) -> Person:
        pick = self.pick
        country: Country = self.likely(shop.buyers)
        n = self.id("contact")
        (first, first_ascii), (last, last_ascii) = pick(country.first), pick(country.last)
        serial = f"{n * 7_654_321 % 10**country.digits:0{country.digits}d}"
        phone = f"{country.dial}{serial[:3]} {serial[3:]}"
        phone_key = (country.dial + serial).replace(" ", "")
        email = f"{first_ascii}.{last_ascii}{n}@example.{('com', 'org', 'net')[n % 3]}" if n % 29 else ""
        name = f"{first} {last}"
        city, state, code = pick(country.cities)
        line1 = pick(country.streets).format(int(1 + self.chance() ** 2 * 140))
        line2 = f"m. {n % 60 + 1}" if country.code == "PL" and n % 3 == 0 else ""
        company = pick(country.companies) if n % 23 == 0 else ""
        postcode = f"{code}{int(self.chance() * 10**country.postcode_digits):0{country.postcode_digits}d}"
        address = (name, company, line1, line2, city, state, postcode, country.code, phone, email)
        self.rows["contact"].append((n, name, phone, email, phone_key, email or None, at))
        words = words_of(full_name(first, last), address[0], address[1])
        printed = fingerprint(*address[:-1])
        return Person(n, first, last, phone, email, phone_key, email, country, address, printed, words)

    # -------------------------------------------------------------- orders

    def _box(self) -> None:
        """The next order with its shipment; now and then the one after it is merged into the same box."""
        n = self.next
        stage, recent = self.stages[n], n >= self.recent_from
        plain = stage in self.plain
        created = self._created(n)
        usual = _LIKELY.get((stage, recent)) or _LIKELY[stage, True]
        status: Status = _PLAIN.get(stage, Status.OPEN) if plain else self.likely(usual)
        shop_id = STAYS if status is Status.OBTAINED else self.likely(self.shops)
        imported = min(created + MINUTE + int(self.chance() * 8 * MINUTE), self.now - 2 * MINUTE)
        person = self._person(shop_id, imported)
        box = Box(self.id("shipment"), shop_id, stage, status, person, recent, plain, imported)
        self._order(box, created)
        self.next += 1
        source = None
        follows = self.next < len(self.stages) and self.stages[self.next] is Stage.CLOSED
        fits = stage is not Stage.CLOSED and status not in (*_SERVED, Status.CLOSING) and not plain
        if follows and fits and Stage.CLOSED not in self.plain and self.chance() < (0.4 if recent else 0.06):
            source = self.id("shipment")
            self._merge(box, source, created)
        self._tell_story(box)
        self._finish(box, source)

    def _merge(self, box: Box, source: int, first: Instant) -> None:
        """The next order goes into this box: its own shipment is closed and keeps no lines."""
        created = min(self._created(self.next), first + 40 * SECOND)
        self._order(box, created)
        order_id = box.orders[-1]
        at = self._soon(box, 15)
        box.flags |= int(Flag.MERGED)
        box.version += 1
        who = self.pick(PEOPLE)
        self._shipment_row(
            source,
            box.shop_id,
            order_id,
            Stage.CLOSED,
            Status.MERGED,
            created=box.imported,
            changed=at,
            due=box.due,
            version=2,
        )
        self.rows["submission"].append((source, order_id, "none", "", "", "", None))
        event = self.rows["event"].append
        event((box.imported, "", "imported", source, order_id, "{}"))
        event((at, who, "merged_into", source, order_id, f'{{"shipment":{box.id}}}'))
        event((at, who, "merged", box.id, box.orders[0], f'{{"shipments":[{source}]}}'))
        self.next += 1

    def _order(self, box: Box, created: Instant) -> None:
        """One order of the box: its own rows, buyer, address, lines, notes, and the payload as the shop gave it."""
        chance, rows, shop_id, person, stage, status = (
            self.chance,
            self.rows,
            box.shop_id,
            box.person,
            box.stage,
            box.status,
        )
        shop = g.SHOPS[shop_id - 1]
        order_id = self.id("orders")
        box.orders.append(order_id)
        number = str(shop_id * 10_000_000 + self.id(f"number {shop_id}"))
        state, raw_state = "open", "processing"
        kind, payment, pickup_point, paid = "delivery", "prepaid", "", None
        virtual = status is Status.EMPTY
        after_sale = 0
        main = len(box.orders) == 1

        if status in _GONE:
            state, raw_state = _GONE[status]
        elif status is Status.CLOSING:
            state = raw_state = "cancelled"
        elif stage is Stage.SHIPPED and status in {Status.SUCCEEDED, Status.OUTSIDE, Status.ELSEWHERE}:
            state = raw_state = "completed"
        if virtual:
            kind = "virtual"
        elif status is not Status.WAITING and (chance() < shop.on_delivery if main else box.on_delivery):
            payment = "on_delivery"
            box.on_delivery = True
        if not virtual and person.country.code in {"PL", "UA"} and chance() < 0.1 and status is not Status.WAITING:
            kind, pickup_point = "pickup_point", f"{person.address[4][:3].upper()}{order_id % 90 + 10}M"
            box.pickup_point = True
        elif stage is Stage.REVIEW and not box.plain and main and chance() < 0.01:
            kind = "pickup"
        if payment == "prepaid":
            paid = created + int(chance() * (box.imported - created))
        if stage is Stage.REVIEW and not box.plain and main:
            luck = chance()
            if luck < 0.04:
                state, raw_state = "unpaid", "pending"
                payment, paid = "prepaid", None
            elif luck < 0.05:
                state, raw_state = "on_hold", "on-hold"
            if luck < 0.05:
                box.flags |= int(Flag.UNPAID)
        if not box.plain and stage < Stage.CLOSED and status not in (*_SERVED, Status.CLOSING):
            after_sale = int(chance() < (0.004 if stage is Stage.SHIPPED else 0.015))
            box.flags |= _AFTER_SALE * after_sale
        started = paid if payment == "prepaid" else created
        due = None if started is None else started + shop.handling_hours * HOUR
        box.due = due if box.due is None else min(box.due, due or box.due)

        total, payload_lines = self._lines(box, order_id, virtual)
        shipping = 0 if virtual or total > 20_000 else int(shop.rate * 12) * 100 + 99
        address_id = self.id("address")
        if main:
            box.address_id = address_id
        rows["address"].append(
            (address_id, order_id, "platform", *person.address, person.fingerprint, box.imported, "")
        )
        rows["buyer"].append(
            (
                order_id,
                person.contact,
                person.first,
                person.last,
                person.phone,
                person.email,
                person.phone_key,
                person.email_key,
                person.words,
            )
        )
        note = self._notes(box, order_id)
        updated = created if paid is None else paid
        a = person.address
        raw = (
            f'{{"id":{number},"status":"{raw_state}","currency":"{shop.currency}",'
            f'"total":"{(total + shipping) / 100:.2f}","date_created_gmt":"{(iso(created) or "")[:-1]}",'
            f'"billing":{{"first_name":"{person.first}","last_name":"{person.last}","address_1":"{a[2]}",'
            f'"city":"{a[4]}","postcode":"{a[6]}","country":"{a[7]}","email":"{a[9]}","phone":"{a[8]}"}},'
            f'"customer_note":"{note}","line_items":[{payload_lines}]}}'
        ).encode()
        # A small window: setting up the usual one costs more than packing such a short text.
        packer = zlib.compressobj(6, zlib.DEFLATED, 10, 1)
        rows["raw_order"].append((order_id, packer.compress(raw) + packer.flush(), box.imported))
        rows["orders"].append(
            (
                order_id,
                shop_id,
                number,
                number,
                state,
                raw_state,
                kind,
                payment,
                shop.currency,
                total + shipping,
                shipping,
                "" if virtual else person.country.shipping[order_id % len(person.country.shipping)],
                pickup_point,
                after_sale,
                created,
                paid,
                updated,
                box.imported,
                hashlib.blake2b(raw, digest_size=16).digest(),
                address_id,
            )
        )

    def _lines(self, box: Box, order_id: int, virtual: bool) -> tuple[int, str]:
        """The lines of an order; returns their sum and what the payload says of them."""
        chance, shop = self.chance, box.shop_id - 1
        listings = self.goods.listings[shop]
        luck = chance()
        count = 1 if luck < 0.58 else 2 if luck < 0.82 else 3 if luck < 0.93 else 4 if luck < 0.98 else 5
        chosen = dict.fromkeys(listings[int(len(listings) * chance() ** 3)] for _n in range(count))
        if box.status is Status.OUT_OF_STOCK and not box.short_sku:
            short = self.pick(self.short[shop])
            chosen = dict.fromkeys((short, *chosen))
            box.short_sku = short.sku
        ours = not virtual and not (box.stage is Stage.CLOSED or box.status in _SERVED or box.plain)
        unmatched = ours and chance() < (0.03 if box.stage is Stage.REVIEW else 0.002)
        total, payload, append = 0, [], self.rows["order_line"].append
        for position, it in enumerate(chosen):
            luck = chance()
            quantity = 1 if luck < 0.8 else 2 if luck < 0.93 else 3 if luck < 0.97 else 4 + int(chance() * 9)
            line_id = self.id("order_line")
            # Of every hundredth line of several pieces the buyer gave one back before it was packed.
            cancelled = int(quantity > 1 and line_id % 101 == 0 and not virtual)
            left = quantity - cancelled
            total += it.price * quantity
            platform_id = str(line_id + 300_000)
            if unmatched and position == len(chosen) - 1 and it.sku != box.short_sku:
                # Neither a product nor a SKU: nothing says what it is.
                named: Row = ("Custom order", "", "", "", "", None)
                box.flags |= _UNMATCHED
                payload.append(f'{{"id":{platform_id},"name":"Custom order","quantity":{quantity}}}')
            else:
                named = (it.name, it.sku, it.options, it.product, it.variant, it.id)
                payload.append(
                    f'{{"id":{platform_id},"product_id":{it.product},"sku":"{it.sku}","quantity":{quantity}}}'
                )
                for variant, each in it.wants:
                    box.wants[variant] = box.wants.get(variant, 0) + each * left
            append(
                (
                    line_id,
                    order_id,
                    position,
                    platform_id,
                    *named,
                    quantity,
                    cancelled,
                    it.price_text,
                    it.price * quantity,
                    0 if virtual else 1,
                )
            )
            if not virtual:
                box.lines.append((line_id, left))
        return total, ",".join(payload)

    def _notes(self, box: Box, order_id: int) -> str:
        """What is written beside an order; returns what the buyer wrote. Only in review a note may be unread."""
        append, at, chance = self.rows["note"].append, box.imported, self.chance
        text = ""
        if box.status not in (*_SERVED, Status.EMPTY) and chance() < 0.08:
            text = self.pick(box.person.country.notes)
            unread = box.stage is Stage.REVIEW and not box.plain and chance() < 0.5
            if unread:
                box.flags |= int(Flag.NOTE_UNREAD)
                append((order_id, None, "buyer", text, "", at, None, ""))
            else:
                who, read = self.pick(PEOPLE), self._soon(box, 20)
                append((order_id, None, "buyer", text, "", at, read, who))
                self.rows["event"].append((read, who, "note_read", box.id, box.orders[0], "{}"))
                box.version += 1
        if chance() < 0.015:
            append((order_id, None, "seller", self.pick(SELLER_NOTES), "", at, None, ""))
        if chance() < 0.01 and len(box.orders) == 1:
            who, written = self.pick(PEOPLE), self._soon(box, 25)
            append((None, box.id, "ours", self.pick(REMARKS), who, written, None, ""))
            self.rows["event"].append((written, who, "remark_written", box.id, order_id, "{}"))
            box.version += 1
        return text

    # -------------------------------------------------------------- the way of a shipment

    def _tell_story(self, box: Box) -> None:
        """Everything that happened to a shipment since its import, up to where it stands."""
        born_done = box.status is Status.OUTSIDE or (
            box.stage is Stage.CLOSED and not box.plain and box.status in _GONE and box.id % 3 == 0
        )
        kind = "imported"
        if born_done:
            kind = "imported_shipped" if box.status is Status.OUTSIDE else "imported_closed"
        elif box.status is Status.EMPTY:
            kind = "imported_virtual"
        self._event(box, box.imported, "", kind)
        box.changed = box.imported
        if box.stage < Stage.SHIPPED and not box.plain:
            self._marks(box)
        if born_done or box.status is Status.EMPTY or box.stage is Stage.REVIEW:
            if box.stage is Stage.REVIEW:
                self._want(box)
            return
        left = self.now - MINUTE - box.imported
        span = min(left, int((0.2 + self.chance() * 0.7) * g.SHOPS[box.shop_id - 1].handling_hours * HOUR))
        at = box.imported
        if box.stage is Stage.CLOSED:
            self._closed(box, at, span)
        elif box.status is Status.ELSEWHERE:
            self._step(box, at + span, "", "shipped_elsewhere")
        else:
            self._worked(box, at, span)

    def _soon(self, box: Box, minutes: int) -> Instant:
        """So many minutes after the import, but never late enough to come after the approval."""
        return box.imported + min(minutes * MINUTE, (self.now - MINUTE - box.imported) * minutes // 200)

    def _event(self, box: Box, at: Instant, who: str, kind: str, data: str = "{}") -> None:
        self.rows["event"].append((at, who, kind, box.id, box.orders[0], data))

    def _step(self, box: Box, at: Instant, who: str, kind: str, data: str = "{}", changes: int = 1) -> None:
        """A change of the shipment: an event, and as many versions as its way there had."""
        self.rows["event"].append((at, who, kind, box.id, box.orders[0], data))
        box.version += changes
        box.changed = at

    def _want(self, box: Box) -> None:
        for variant, pieces in box.wants.items():
            self.wanted[variant] += pieces

    def _marks(self, box: Box) -> None:
        """What people set on open shipments: a hold, a colour, an address of ours."""
        luck, chance = self.chance(), self.chance
        at, who = self._soon(box, 30), self.pick(PEOPLE)
        if luck < 0.01 and box.status not in {Status.CLOSING, Status.CHECKING}:
            box.hold = self.pick(HOLDS)
            self._step(box, at, who, "held")
        elif luck < 0.04:
            box.mark = 1 + int(chance() * 10)
            self._step(box, at, who, "flagged", f'{{"colour":{box.mark}}}')
        elif luck < 0.05:
            a = box.person.address
            address = (*a[:3], "c/o", *a[4:])
            print_ = fingerprint(*address[:-1])
            box.address_id, box.overlay = self.id("address"), True
            self.rows["address"].append((box.address_id, box.orders[0], "ours", *address, print_, at, who))
            box.person = replace(box.person, address=address, fingerprint=print_)
            if chance() < 0.2:
                box.flags |= int(Flag.CHANGED)
            self._step(box, at, who, "address_edited", '{"fields":["line2"]}')

    def _worked(self, box: Box, at: Instant, span: int) -> None:
        """Processing, waybill, to print and shipped, one after the other."""
        who = PEOPLE[box.id % len(PEOPLE)]
        stage, status = box.stage, box.status
        self._step(box, at + span * 3 // 10, who, "approved")
        self._batched("approve", box)
        if stage is Stage.PROCESSING:
            self._want(box)
            if status is Status.READY:
                box.service = self._service(box)
                data = f'{{"service":"{g.CODE_OF[box.service]}"}}'
                self._step(box, at + span * 32 // 100, who, "service_assigned", data)
                self._batched("assign", box)
            return
        box.service = self._service(box)
        box.version += 1
        requested = at + span * 35 // 100
        state = {Status.REQUESTING: "requesting", Status.WAITING: "waiting", Status.CLOSING: "waiting"}.get(status)
        if stage is Stage.WAYBILL and status is Status.FAILED:
            state = "failed"
        elif stage is Stage.WAYBILL and status is Status.UNKNOWN:
            state = "unknown"
        self._waybill(box, requested, state or "obtained", who)
        self._batched("waybill", box)
        if stage is Stage.WAYBILL:
            self._want(box)
            return
        self._to_print(box, at, span, who)
        if stage is Stage.SHIPPED:
            self._shipped(box, at, span, who)

    def _batched(self, command: str, box: Box) -> None:
        if box.recent:
            self.worked[command].append((box.id, box.version, box.changed))

    def _service(self, box: Box) -> int:
        if box.pickup_point:
            return g.SIM_STD
        if box.stage is Stage.WAYBILL and box.status in {Status.WAITING, Status.UNKNOWN, Status.CLOSING}:
            return g.SIM_STD if box.on_delivery else g.SIM_LATE
        luck = self.chance()
        if luck < 0.15 and not box.on_delivery:
            return g.SIM_LATE
        return g.SIM_STD if luck < 0.7 else g.OWN if luck < 0.9 else g.EXP

    def _waybill(self, box: Box, at: Instant, state: str, who: str) -> None:
        """The waybill in `state`, with what asking for it left behind."""
        assert box.service is not None
        carrier = g.CARRIER_OF[box.service]
        waybill_id = box.waybill = self.id("waybill")
        reference = f"{self.install}-K{box.id:06d}"
        code = reason = wrong = number = ""
        obtained = ended = None
        if state == "obtained" or state in {"void", "voiding"}:
            if carrier == g.POOL:
                number = f"OWN{self.id('pool'):09d}"
                used = "used" if state != "void" else "void"
                self.rows["pool_number"].append((carrier, number, used, reference, at))
            else:
                number = f"SIM{self.id('sim') * 7_654_321 % 10**10:010d}"
            obtained = at + 5 * SECOND
            box.number = number
        if state == "failed":
            code, reason, wrong = self.pick(_WAYBILL_ERRORS)
            box.code, box.reason, ended = code, reason, at + 5 * SECOND
        elif state == "unknown":
            code, reason = "timeout", "The carrier did not answer in time."
            box.code, box.reason = code, reason
        elif state == "void":
            ended = at + HOUR
        lines = sorted(box.lines)
        self.rows["waybill"].append(
            (
                waybill_id,
                box.id,
                1,
                carrier,
                box.service,
                reference,
                state,
                number,
                "",
                box.address_id,
                box.person.fingerprint,
                "[" + ",".join(f"[{line},{pieces}]" for line, pieces in lines) + "]",
                fingerprint(*lines),
                1250 if number and carrier == g.SIM else 0,
                "PLN" if number and carrier == g.SIM else "",
                code,
                reason,
                wrong,
                at,
                obtained,
                ended,
            )
        )
        self._step(
            box, at, who, "waybill_requested", f'{{"reference":"{reference}","service":"{g.CODE_OF[box.service]}"}}'
        )
        if obtained is not None:
            self._step(box, obtained, "", "waybill_obtained")
        elif state != "requesting":
            kind = {"failed": "waybill_refused", "unknown": "waybill_unknown"}.get(state, "waybill_accepted")
            self._step(box, at + 5 * SECOND, "", kind, f'{{"code":"{code}"}}' if code else "{}")
        kept = box.stage in {Stage.WAYBILL, Stage.TO_PRINT} or box.id % 100 == 0
        if kept and obtained is not None:
            self.rows["label_file"].append((waybill_id, "application/pdf", self.label, 1, obtained))
        if box.stage is Stage.WAYBILL and obtained is None:
            self._request(box, at, carrier, state, code, reason)
            if box.status is Status.CLOSING:
                box.code = "cancelled"
                box.flags |= _STOPPED
                self._step(box, at + MINUTE, "", "closing", '{"status":"cancelled"}')

    def _request(self, box: Box, at: Instant, carrier: int, state: str, code: str, reason: str) -> None:
        """The effect that asks, or asked, for the number."""
        key, account = f"waybill:{box.id}:1", f"carrier:{carrier}"
        match state:
            case "requesting":
                self._effect(key, account, "request_waybill", box, None, "{}", at)
            case "waiting":
                self._effect(
                    key,
                    account,
                    "request_waybill",
                    box,
                    None,
                    "{}",
                    at,
                    code="accepted",
                    tries=1,
                    due=self.now + 5 * MINUTE,
                )
            case "unknown":
                self._effect(
                    key,
                    account,
                    "request_waybill",
                    box,
                    None,
                    "{}",
                    at,
                    "unknown",
                    code,
                    reason,
                    tries=1,
                    due=self.now + MINUTE,
                )
            case _:
                self._effect(key, account, "request_waybill", box, None, "{}", at, "failed", code, reason, tries=1)

    def _effect(
        self,
        key: str,
        account: str,
        op: str,
        box: Box | None,
        order_id: int | None,
        payload: str,
        at: Instant,
        state: str = "queued",
        code: str = "",
        message: str = "",
        *,
        tries: int = 0,
        due: Instant | None = None,
        batch: int | None = None,
    ) -> None:
        waybill = box.waybill if box is not None and op == "request_waybill" else None
        self.rows["effect"].append(
            (
                key,
                account,
                op,
                box.id if box is not None else None,
                order_id,
                waybill,
                batch,
                payload,
                state,
                tries,
                due if due is not None else at,
                at if tries else None,
                at + 30 * SECOND if state == "unknown" else None,
                1 if state == "unknown" else 0,
                code,
                message,
                at,
                at + 5 * SECOND if state in {"done", "failed"} else None,
            )
        )

    def _to_print(self, box: Box, at: Instant, span: int, who: str) -> None:
        """Allocation and paper, whether or not the shipment went further."""
        here, moved = box.stage is Stage.TO_PRINT, at + span * 36 // 100 + 6 * SECOND
        if box.status is Status.OUT_OF_STOCK:
            self._want_others(box)
            wanted = next(pieces for variant, pieces in box.wants.items() if variant in self.goods.short)
            box.code, box.reason = "short", f"{box.short_sku}: 0 free, {wanted} wanted"
            self._step(box, moved, "", "out_of_stock")
            return
        for variant, pieces in box.wants.items():
            self._move(box, "allocate", variant, 0, pieces, "", moved)
            if here:
                self.reserved[variant] += pieces
                self.rows["allocation"].append((box.id, variant, 1, pieces, moved))
        box.version += 1
        box.changed = moved
        if here:
            self._event(box, moved, "", "allocated")
        luck = self.chance()
        if here and box.plain:
            return
        if here and not box.hold and not box.flags & int(Flag.AFTER_SALE):
            self._trouble(box, luck)
        blocked = box.hold or box.flags & int(Flag.AFTER_SALE | Flag.LINES_CHANGED | Flag.LABEL_STALE)
        printed = at + span * 6 // 10
        if here and box.status is Status.IN_STOCK and (luck > 0.55 or blocked):
            return
        box.version += 2
        if here and box.status is Status.IN_STOCK and luck < 0.03:
            box.print_state = "asked"
            box.version -= 1
            self.asked.append(box.id)
            self._event(box, self.now - MINUTE, who, "print_asked")
            box.changed = self.now - MINUTE
            return
        box.print_state, box.printed_at, box.changed = "confirmed", printed, printed
        if here:
            self._event(box, printed, "", "printed")
            self._batched("print", box)
        if box.status is Status.CHECKING:
            asked = self.now - MINUTE
            self._step(box, asked, who, "ship_checking")
            payload = '{"grace_ms":0,"close_refunds":false}'
            self._effect(f"check:{box.id}:0", f"shop:{box.shop_id}", "check", box, None, payload, asked)

    def _want_others(self, box: Box) -> None:
        for variant, pieces in box.wants.items():
            if variant not in self.goods.short:
                self.wanted[variant] += pieces

    def _trouble(self, box: Box, luck: float) -> None:
        """What the platform changed after the label was made, for a few."""
        if box.status is not Status.IN_STOCK or box.overlay or len(box.orders) > 1:
            return
        at = min(box.changed + 10 * MINUTE, self.now - MINUTE)
        order_id = box.orders[0]
        if luck > 0.99:
            address_id = self.id("address")
            a = box.person.address
            address = (*a[:3], "II p.", *a[4:])
            self.rows["address"].append(
                (address_id, order_id, "platform", *address, fingerprint(*address[:-1]), at, "")
            )
            row = self.rows["orders"][-1]
            assert row[0] == order_id
            self.rows["orders"][-1] = (*row[:-1], address_id)
            box.flags |= int(Flag.LABEL_STALE)
            self._step(box, at, "", "label_stale")
        elif luck > 0.98:
            row = self.rows["order_line"][-1]
            quantity, cancelled = row[10], row[11]
            if (row[0], quantity - cancelled) == box.lines[-1] and cancelled < quantity:
                self.rows["order_line"][-1] = (*row[:11], cancelled + 1, *row[12:])
                box.flags |= int(Flag.LINES_CHANGED)
                self._step(box, at, "", "lines_changed")
        elif luck > 0.975:
            box.flags |= int(Flag.KEPT)
            self._step(box, at, PEOPLE[0], "kept")

    def _move(self, box: Box, reason: str, variant: int, on_hand: int, reserved: int, who: str, at: Instant) -> None:
        key = f"{reason}:{box.id}:{box.version}:{variant}"
        self.moves.append((key, variant, 1, on_hand, reserved, reason, box.id, who, at))

    def _shipped(self, box: Box, at: Instant, span: int, who: str) -> None:
        """The goods leave, and the platform is told or not."""
        left = at + span * 9 // 10
        if box.status is Status.PUSHING:
            left = max(left, self.now - 5 * MINUTE)
        box.version += 1
        for variant, pieces in box.wants.items():
            self._move(box, "ship", variant, -pieces, -pieces, who, left)
            self.taken[variant] += pieces
        box.deducted, box.shipped_at = 1, left
        self._step(box, left, who, "shipped")
        self._batched("ship", box)
        if left < self.now - DAY and self.chance() < 0.9:
            box.collected_at = left + 4 * HOUR
            if box.recent:
                self._step(box, box.collected_at, who, "collected")
            else:
                box.version += 1
        told = left + 20 * SECOND
        status = box.status
        box.told_at = told
        if status is Status.SUCCEEDED:
            box.told, box.told_number = "done", box.number
            self._told(box, told, "pushed")
            if self.chance() < 0.003 and not box.plain:
                box.flags |= int(Flag.CHANGED)
                data = '{"address":true,"lines":false}'
                self._step(box, told + HOUR if told + HOUR < self.now else told, "", "changed_after_shipping", data)
            return
        if status is Status.PUSHING:
            box.told_at = None
            for order_id in box.orders:
                self._push(box, order_id, left, "queued")
            return
        if status is Status.UNKNOWN:
            box.told, box.told_code, box.told_reason = "unknown", "timeout", "The shop did not answer in time."
            self._told(box, told, "push_unknown", "timeout")
        else:
            box.told = "failed"
            box.told_code, box.told_reason = self.pick(_PUSH_ERRORS)
            self._told(box, told, "push_refused", box.told_code)
        for order_id in box.orders:
            self._push(box, order_id, left, "unknown" if status is Status.UNKNOWN else "failed")
        if status is Status.IGNORED:
            self._step(box, told + HOUR, who, "push_ignored", f'{{"code":"{box.told_code}"}}')
        else:
            box.code, box.reason = box.told_code, box.told_reason

    def _told(self, box: Box, at: Instant, kind: str, code: str = "") -> None:
        more = f',"code":"{code}"' if code else ""
        for order_id in box.orders:
            self._event(box, at, "", kind, f'{{"order":{order_id}{more}}}')
        box.version += 1
        box.changed = at

    def _push(self, box: Box, order_id: int, at: Instant, state: str) -> None:
        key, account = f"push:{box.id}:{order_id}:0", f"shop:{box.shop_id}"
        waits = state == "queued" and box.id % 5 == 0
        code, message = box.told_code, box.told_reason
        if waits:
            # One in five was turned away once and waits for its next try.
            code, message = "http_429", "Too many requests."
        self._effect(
            key,
            account,
            "push",
            box,
            order_id,
            '{"early":false}',
            at,
            state,
            code,
            message,
            tries=int(waits or state != "queued"),
            due=self.now + 2 * MINUTE if waits or state == "unknown" else None,
        )

    def _closed(self, box: Box, at: Instant, span: int) -> None:
        """Closed in review, or later: then its number is void, and paper that was printed has to be pulled out."""
        box.flags |= _STOPPED
        by = self.pick(PEOPLE) if box.status is Status.DISCARDED else ""
        if self.chance() < 0.2 and box.lines:
            who = PEOPLE[box.id % len(PEOPLE)]
            self._step(box, at + span * 3 // 10, who, "approved")
            box.service = self._service(box)
            box.version += 1
            self._waybill(box, at + span * 35 // 100, "void", who)
            luck = self.chance()
            if luck < 0.2:
                box.flags |= int(Flag.PULL)
                box.print_state, box.printed_at = "confirmed", at + span * 6 // 10
                self._step(box, box.printed_at, "", "printed", changes=2)
            elif luck < 0.3:
                box.flags |= int(Flag.TOLD_NOT_SENT)
                box.told, box.told_number, box.told_at = "tracking_sent", box.number, at + span * 7 // 10
                self._told(box, box.told_at, "tracking_sent")
        self._step(box, at + span, by, "closed", f'{{"status":"{box.status.value}"}}')

    # -------------------------------------------------------------- the shipment itself

    def _finish(self, box: Box, source: int | None) -> None:
        """The rows of the shipment, now that all is known of it."""
        self._shipment_row(
            box.id,
            box.shop_id,
            box.orders[0],
            box.stage,
            box.status,
            created=box.imported,
            changed=box.changed,
            due=box.due,
            version=box.version,
            box=box,
        )
        self.rows["shipment_line"].extend((box.id, line, pieces) for line, pieces in box.lines)
        told = (box.told, box.told_number, box.told_code, box.told_reason, box.told_at)
        self.rows["submission"].extend((box.id, order_id, *told) for order_id in box.orders)

    def _shipment_row(
        self,
        shipment_id: int,
        shop_id: int,
        order_id: int,
        stage: Stage,
        status: Status,
        *,
        created: Instant,
        changed: Instant,
        due: Instant | None,
        version: int,
        box: Box | None = None,
    ) -> None:
        head = (shipment_id, shop_id, order_id, int(stage), status.value, version)
        if box is None:
            middle: Row = (0, "", 0, due, None, None, "", "", "none", 0, None, 0, None, None, "", "")
        else:
            middle = (
                box.flags,
                box.hold,
                box.mark,
                due,
                box.service,
                box.address_id if box.overlay else None,
                box.code,
                box.reason,
                box.print_state,
                1 if box.printed_at is not None else 0,
                box.printed_at,
                box.deducted,
                box.shipped_at,
                box.collected_at,
                PEOPLE[box.id % len(PEOPLE)] if box.collected_at else "",
                "SimPost" if box.collected_at else "",
            )
        self.rows["shipment"].append((*head, *middle, created, changed))


# ------------------------------------------------------------------ command line


def read_stages(words: Sequence[str]) -> dict[Stage, int]:
    """`review=100000` (several with commas, or several words) as stages with counts. Raises `ValueError`."""
    known = {s.word: s for s in Stage}
    found = {}
    for pair in ",".join(words).replace("-", "_").split(","):
        word, _sep, count = pair.strip().partition("=")
        if word not in known or not count.isdecimal():
            raise ValueError(f"{pair}: write STAGE=COUNT; stages: {', '.join(known)}")
        found[known[word]] = int(count)
    return found


def main() -> int:
    """Make one database and say what it holds and what it took."""
    parser = argparse.ArgumentParser(prog="python -m bench.generate", description=__doc__)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--orders", type=int, help="default: as many as --stages names, else 10000")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--stages", action="append", default=[], metavar="STAGE=COUNT,…")
    parser.add_argument("--now", metavar="ISO", help="the moment it stands at, e.g. 2026-11-23T08:00:00Z")
    options = parser.parse_args()
    try:
        stages = read_stages(options.stages) if options.stages else {}
        now = NOW
        if options.now:
            given = datetime.fromisoformat(options.now)
            now = from_datetime(given if given.tzinfo else given.replace(tzinfo=UTC))
        orders = options.orders if options.orders is not None else sum(stages.values()) or 10_000
        started = time.perf_counter()

        def progress(done: int, total: int) -> None:
            spent = time.perf_counter() - started
            sys.stderr.write(f"\r{done} of {total} orders, {spent:.0f} s" + ("; indexes …\n" if done == total else ""))
            sys.stderr.flush()

        made = generate(find(options.file), orders, options.seed, stages=stages, now=now, progress=progress)
    except (ValueError, FileExistsError) as error:
        sys.stderr.write(f"{error if isinstance(error, ValueError) else f'{error} is there already'}\n")
        return 2
    for name, count in (*made.stages.items(), *made.rows.items()):
        sys.stdout.write(f"{name:<16}{count:>12}\n")
    sys.stdout.write(f"{made.bytes / 1e6:.1f} MB in {time.perf_counter() - started:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
