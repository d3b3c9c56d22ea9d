"""The simulated shop's memory: orders as rendered JSON, sorted for paging, with a clock that tests may push.

One world belongs to one twin process. It is deterministic: the same seed gives the same orders, counted back from the
moment the world began. Callers hold the twin's lock.
"""

import random
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

from connectors.simulated.cases import CASES, DAY, ODD, POISON
from connectors.simulated.catalogue import Catalogue
from connectors.simulated.orders import OrderFactory, Payload, add_refund, parse_gmt, refundable, stamp

CORE_STATUSES = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft")
_REDUCES = ("processing", "on-hold", "completed")
_SPAN = 40 * DAY
_ANY_TIME = 1 << 60


class WorldConfig(Struct, frozen=True):
    """How the world begins. `extra_products` fills the catalogue with postcards; `statuses` adds custom ones."""

    orders: int = 200
    plain: bool = False
    seed: int = 1
    zone: str = "Europe/Warsaw"
    currency: str = "PLN"
    extra_products: int = 0
    number_prefix: str = ""
    statuses: tuple[str, ...] = ()


class Row(Struct):
    """One order: what is needed to find it, and its JSON. Times are Unix seconds."""

    id: int
    status: str
    created: int
    modified: int
    customer: int
    wire: bytes
    notes: list[Payload] = field(default_factory=list)
    refunds: list[Payload] = field(default_factory=list)
    fulfillments: list[Payload] = field(default_factory=list)
    trackings: list[Payload] = field(default_factory=list)
    times_completed: int = 0
    made_by_us: bool = False


class Filter(Struct, frozen=True):
    """Which orders a list asks for. Time bounds are Unix seconds and exclusive; `statuses` None is `any`."""

    statuses: frozenset[str] | None = None
    orderby: str = "date"
    descending: bool = True
    after: int | None = None
    before: int | None = None
    modified_after: int | None = None
    modified_before: int | None = None
    include: tuple[int, ...] = ()
    exclude: tuple[int, ...] = ()
    search: str = ""
    customer: int | None = None
    product: int | None = None


def _segment(keys: list[tuple[int, int]], after: int | None, before: int | None) -> list[int]:
    low = 0 if after is None else bisect_right(keys, (after, _ANY_TIME))
    high = len(keys) if before is None else bisect_left(keys, (before, 0))
    return [id_ for _at, id_ in keys[low:high]]


class World:
    """Products, buyers and orders of one shop."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self.offset_s, self.at_s = 0.0, 0.0
        self.zone = ZoneInfo(config.zone)
        self.catalogue = Catalogue(self.zone, self.now() - 90 * DAY, config.extra_products)
        self.factory = OrderFactory(self.catalogue, self.zone, config.currency, config.seed, config.number_prefix)
        self.statuses = (*CORE_STATUSES, *config.statuses)
        self.rows: dict[int, Row] = {}
        self.heard: Callable[[str, bytes], object] = lambda _topic, _body: None
        """Told of every order that was created, updated or deleted, with what a webhook would carry."""
        self._by_created: list[tuple[int, int]] = []
        self._by_modified: list[tuple[int, int]] = []
        self._version = 0
        self._cached: tuple[int, Filter, list[int]] | None = None
        self._rng = random.Random(config.seed + 1)
        self._last_id = 1000
        self._generate(config.orders)

    def now(self) -> int:
        """The world's clock, Unix seconds: a fixed instant where one was set."""
        return int(self.at_s or time.time() + self.offset_s)

    # ---------------------------------------------------------------- reading

    def load(self, row: Row) -> Payload:
        """The order as it is on the wire, decoded for a change."""
        order: Payload = msgspec.json.decode(row.wire)
        return order

    def select(self, wanted: Filter) -> list[int]:
        """Ids of the orders a list asks for, in its order. The last answer is kept until something changes."""
        if self._cached is not None and self._cached[:2] == (self._version, wanted):
            return self._cached[2]
        ids = self._ordered(wanted)
        ids = [id_ for id_ in ids if self._matches(self.rows[id_], wanted)] if self._narrow(wanted) else ids
        self._cached = (self._version, wanted, ids)
        return ids

    def _ordered(self, wanted: Filter) -> list[int]:
        if wanted.statuses is not None and "trash" in wanted.statuses:
            field_ = "modified" if wanted.orderby == "modified" else "created"
            ids = sorted(self.rows, key=lambda id_: (getattr(self.rows[id_], field_), id_))
        elif wanted.orderby == "modified":
            ids = _segment(self._by_modified, wanted.modified_after, wanted.modified_before)
        else:
            ids = _segment(self._by_created, wanted.after, wanted.before)
        if wanted.orderby in ("id", "title", "slug"):
            ids.sort()
        if wanted.orderby == "include" and wanted.include:
            place = {id_: n for n, id_ in enumerate(wanted.include)}
            return sorted((id_ for id_ in ids if id_ in place), key=place.__getitem__)
        return ids[::-1] if wanted.descending else ids

    @staticmethod
    def _narrow(wanted: Filter) -> bool:
        """Is there anything left to check row by row?"""
        served = ("modified_after", "modified_before") if wanted.orderby == "modified" else ("after", "before")
        checked = {"after", "before", "modified_after", "modified_before"} - set(served)
        return bool(
            wanted.statuses is not None
            or wanted.include
            or wanted.exclude
            or wanted.search
            or wanted.customer is not None
            or wanted.product is not None
            or any(getattr(wanted, name) is not None for name in checked)
        )

    def _matches(self, row: Row, wanted: Filter) -> bool:
        if wanted.statuses is not None and row.status not in wanted.statuses:
            return False
        if (wanted.after is not None and row.created <= wanted.after) or (
            wanted.before is not None and row.created >= wanted.before
        ):
            return False
        if (wanted.modified_after is not None and row.modified <= wanted.modified_after) or (
            wanted.modified_before is not None and row.modified >= wanted.modified_before
        ):
            return False
        if (wanted.include and row.id not in wanted.include) or row.id in wanted.exclude:
            return False
        if wanted.customer is not None and row.customer != wanted.customer:
            return False
        if wanted.product is None and not wanted.search:
            return True
        order = self.load(row)
        lines = order["line_items"] or []
        if wanted.product is not None and all(line["product_id"] != wanted.product for line in lines):
            return False
        texts = [str(row.id), *(str(line["name"]) for line in lines)]
        for side in ("billing", "shipping"):
            texts += map(str, order[side].values() if isinstance(order[side], dict) else ())
        return wanted.search.lower() in "\n".join(texts).lower()

    # ---------------------------------------------------------------- writing

    def save(self, row: Row, order: Payload, touch: bool = True) -> None:
        """Keep a changed order: `touch` moves its modification time to now. Renders it and puts it in its place."""
        if touch:
            stamp(order, "date_modified", self.now(), self.zone)
        topic = "order.updated" if row.id in self.rows else "order.created"
        if row.id in self.rows:
            self._unlist(row)
        row.status = str(order["status"])
        row.created = parse_gmt(order["date_created_gmt"])
        row.modified = parse_gmt(order["date_modified_gmt"])
        customer = order["customer_id"]
        row.customer = customer if isinstance(customer, int) else 0
        row.wire = msgspec.json.encode(order)
        self.rows[row.id] = row
        if row.status != "trash":
            insort(self._by_created, (row.created, row.id))
            insort(self._by_modified, (row.modified, row.id))
        self._version += 1
        self.heard(topic, row.wire)

    def delete(self, row: Row) -> None:
        """Remove an order for good."""
        self._unlist(row)
        del self.rows[row.id]
        self._version += 1
        self.heard("order.deleted", msgspec.json.encode({"id": row.id}))

    def _unlist(self, row: Row) -> None:
        for keys, key in ((self._by_created, (row.created, row.id)), (self._by_modified, (row.modified, row.id))):
            place = bisect_left(keys, key)
            if place < len(keys) and keys[place] == key:
                del keys[place]

    def note(
        self, row: Row, text: str, author: str = "system", to_buyer: bool = False, by_api: bool = False
    ) -> Payload:
        """Write a note on an order; it does not count as a modification."""
        entry: Payload = {"id": self.factory.next_id(), "author": author}
        stamp(entry, "date_created", self.now(), self.zone)
        entry |= {"note": text, "customer_note": to_buyer, "added_by_user": author != "system", "_by_api": by_api}
        row.notes.append(entry)
        return entry

    def transition(self, row: Row, order: Payload, status: str, by_api: bool) -> None:
        """Give an order another status with all that the shop does then; no transition is forbidden."""
        previous = order["status"]
        if previous == status:
            return
        order["status"] = status
        if status == "trash" or previous == "trash":
            return
        self.note(row, f"Order status changed from {previous} to {status}.")
        paid_by_now = status == "completed" or (status == "processing" and order["payment_method"] != "cod")
        if paid_by_now and not order["date_paid_gmt"]:
            stamp(order, "date_paid", self.now(), self.zone)
        if status == "completed":
            row.times_completed += 1
            row.made_by_us = by_api
            if not order["date_completed_gmt"]:
                stamp(order, "date_completed", self.now(), self.zone)
        if status == "refunded" and (left := refundable(order)) > 0:
            row.refunds.insert(0, add_refund(order, {}, left, "Order fully refunded.", self.now(), self.factory))
        order["needs_payment"] = status in ("pending", "failed")
        order["is_editable"] = status in ("pending", "on-hold")
        self._reduce_stock(order, status)

    def _reduce_stock(self, order: Payload, status: str) -> None:
        reduced = [one for one in order["meta_data"] if one["key"] == "_order_stock_reduced"]
        if status in _REDUCES and not reduced:
            order["meta_data"].append(self.factory.meta("_order_stock_reduced", "yes"))
            self._move_stock(order, -1)
        elif status in ("cancelled", "pending") and reduced:
            order["meta_data"] = [one for one in order["meta_data"] if one["key"] != "_order_stock_reduced"]
            self._move_stock(order, 1)

    def _move_stock(self, order: Payload, sign: int) -> None:
        for line in order["line_items"] or []:
            if isinstance(line["quantity"], int):
                delta = sign * line["quantity"]
                self.catalogue.move_stock(line["product_id"], line["variation_id"], delta, self.now())

    # ---------------------------------------------------------------- new orders

    def create(self, overrides: Mapping[str, Any]) -> Row:
        """A new order made now, plain but for the overrides.

        Besides wire keys: `case` names one of the special cases, `lines` a number of lines, `customer_note_size`
        makes a note of that many characters, `created_ago_s` and `modified_ago_s` move its times back.
        """
        wire_keys = dict(overrides)
        case = str(wire_keys.pop("case", ""))
        lines = int(wire_keys.pop("lines", 0))
        note_size = int(wire_keys.pop("customer_note_size", 0))
        created = self.now() - int(wire_keys.pop("created_ago_s", 0))
        modified = self.now() - int(wire_keys.pop("modified_ago_s", 0))
        if case and case not in CASES | POISON | ODD:
            raise ValueError(f"no such case: {case}; known: {', '.join([*CASES, *POISON, *ODD])}")
        if note_size:
            wire_keys["customer_note"] = ("płacę 一 " * (note_size // 8 + 1))[:note_size]
        row, order = self._build(self.next_id(), created, modified, case, lines)
        if wire_keys:
            self.factory.merge(order, wire_keys)
        self.save(row, order, touch=False)
        if isinstance(order["meta_data"], list) and any(
            m.get("key") == "_order_stock_reduced" for m in order["meta_data"]
        ):
            self._move_stock(order, -1)
        return row

    def arrive(self, number: int, plain: bool) -> list[int]:
        """Some new orders made now; the mixture is the same as at the beginning unless `plain`."""
        names = self._mixture(number, plain)
        return [self.create({"case": name}).id for name in names]

    def next_id(self) -> int:
        """The id of the next order; ids grow with gaps."""
        self._last_id += self._rng.randint(1, 3)
        return self._last_id

    def _mixture(self, number: int, plain: bool) -> list[str]:
        """A case name per order; "" is a plain one. One in five is special, each case in turn."""
        names = [""] * number
        if not plain:
            cases = [*CASES, *POISON]
            random.Random(self.config.seed + 2).shuffle(cases)
            places = self._rng.sample(range(number), number // 5)
            for turn, place in enumerate(places):
                names[place] = cases[turn % len(cases)]
        return names

    def _build(self, order_id: int, created: int, modified: int, case: str, lines: int = 0) -> tuple[Row, Payload]:
        factory = self.factory
        order = factory.plain(order_id, created, modified, lines)
        row = Row(order_id, "", created, modified, 0, b"")
        if case in CASES:
            CASES[case](order, factory)
            factory.merge(order, {})
        if spoil := (POISON | ODD).get(case):
            spoil(order, factory)
        if case == "partial_refund":
            back = {order["line_items"][0]["id"]: 1}
            row.refunds.append(add_refund(order, back, None, "one too many", modified, factory))
        if case == "refunded":
            every = {line["id"]: line["quantity"] for line in order["line_items"]} if order_id % 2 else {}
            refund = add_refund(order, every, refundable(order), "Order fully refunded.", modified, factory)
            row.refunds.append(refund)
        row.times_completed = int(order["status"] == "completed")
        return row, order

    def _generate(self, number: int) -> None:
        rng = self._rng
        now = self.now()
        moments = sorted(now - 600 - int(rng.random() ** 1.5 * _SPAN) for _ in range(number))
        for place, (created, case) in enumerate(zip(moments, self._mixture(number, self.config.plain), strict=True)):
            modified = created + (rng.randint(60, 3 * DAY) if rng.random() < 0.1 else rng.randint(46, 900))
            if place % 40 < 7:  # a bulk edit in the shop: neighbours share one second
                modified = moments[min(place - place % 40 + 6, number - 1)] + 120
            row, order = self._build(self.next_id(), created, min(modified, now - 5), case)
            row.status = str(order["status"])
            row.created = parse_gmt(order["date_created_gmt"])
            row.modified = parse_gmt(order["date_modified_gmt"])
            row.customer = order["customer_id"]
            row.wire = msgspec.json.encode(order)
            self.rows[row.id] = row
        self._by_created = sorted((row.created, row.id) for row in self.rows.values())
        self._by_modified = sorted((row.modified, row.id) for row in self.rows.values())

    def touch(self, ids: Iterable[int]) -> int:
        """Move the modification time of all these orders to one and the same second; returns how many."""
        now = self.now()
        moved = 0
        for id_ in ids:
            if row := self.rows.get(id_):
                order = self.load(row)
                stamp(order, "date_modified", now, self.zone)
                self.save(row, order, touch=False)
                moved += 1
        return moved
