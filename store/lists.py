"""What the order list reads: windows of rows found by key, never by offset; and the counts that stand above them.

Every window is one walk along an index of `shipment` (`store.queue`), so that a page costs the same with a thousand
orders and with a million. Sub-lists are named conditions; the screen names them, this module says what they mean.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, structs

from domain.clock import Instant
from domain.enums import Flag, Stage, Status
from domain.facts import id_of
from domain.filters import Term
from domain.search import question
from domain.text import phone_key
from store.queue import ATTENTION, DUE
from store.views import LIVE, where

PROBLEM = int(Flag.AFTER_SALE | Flag.LINES_CHANGED | Flag.LABEL_STALE | Flag.STOPPED | Flag.PULL | Flag.TOLD_NOT_SENT)
"""Flags that need a person's hand."""
_HAND = f"((s.flags & {PROBLEM}) <> 0 OR s.status IN ('failed', 'unknown'))"
_PRINTED = "s.print_state IN ('sent', 'confirmed')"


def _flag(flag: Flag) -> str:
    return f"{ATTENTION} AND (s.flags & {int(flag)}) <> 0"


def _status(*statuses: Status) -> str:
    return "s.status IN (" + ", ".join(f"'{s.value}'" for s in statuses) + ")"


SUBLISTS: dict[str, str] = {
    "all": "",
    "ready_to_approve": f"NOT {ATTENTION}",
    "notes": _flag(Flag.NOTE_UNREAD),
    "same_buyer": "",
    "problems": f"{ATTENTION} AND {_HAND}",
    "unmatched": _flag(Flag.UNMATCHED),
    "held": f"{ATTENTION} AND s.hold_reason <> ''",
    "first_import": _flag(Flag.FIRST_IMPORT),
    "ready": _status(Status.READY),
    "no_service": "s.service_id IS NULL",
    "customs": "s.status = 'open' AND s.service_id IS NOT NULL",
    "asking": _status(Status.REQUESTING, Status.CLOSING),
    "waiting": _status(Status.WAITING),
    "failed": _status(Status.FAILED),
    "unknown": _status(Status.UNKNOWN),
    "obtained": _status(Status.OBTAINED),
    "in_stock": _status(Status.IN_STOCK, Status.CHECKING),
    "out_of_stock": _status(Status.OUT_OF_STOCK),
    "printed": _PRINTED,
    "print_unknown": "s.print_state IN ('asked', 'unknown')",
    "to_collect": f"s.collected_at IS NULL AND {_status(Status.PUSHING, Status.SUCCEEDED, Status.IGNORED)}",
    "pushing": _status(Status.PUSHING),
    "pull": _flag(Flag.PULL),
    "collected": "s.collected_at IS NOT NULL",
}
"""Sub-list → its condition; `same_buyer` is a list of ids (`store.views.merge_candidates`)."""


class Query(Struct, frozen=True):
    """What a list shows: stages (none = all), a sub-list, a filter, or the very shipments `ids`. `latest` turns it round."""

    stages: tuple[Stage, ...] = ()
    sublist: str = "all"
    terms: tuple[Term, ...] = ()
    ids: tuple[int, ...] | None = None
    latest: bool = False

    @property
    def by_id(self) -> bool:
        """All orders together are walked by their number, newest first: there is no index by deadline over all stages."""
        return not self.stages

    @property
    def rising(self) -> bool:
        """Does the sort key grow down the list?"""
        return self.latest if self.by_id else not self.latest

    @property
    def quick(self) -> bool:
        """True when a page is a walk along an index: it may be read between two frames."""
        return not self.terms and self.sublist not in {"printed", "print_unknown", "collected", "to_collect"}


Key = tuple[int, int]
"""Where a row stands in its list: (deadline or NO_DEADLINE, id)."""


class Line(Struct, frozen=True):
    """One row of the order list, as the database has it. Text comes from outside: it passes `safe()` when drawn."""

    id: int
    due: int
    version: int
    stage: int
    status: str
    flags: int
    mark: int
    hold_reason: str
    code: str
    print_state: str
    changed_at: Instant
    collected_at: Instant | None
    shop: str
    number: str
    currency: str
    total_minor: int
    first_name: str | None
    last_name: str | None
    recipient: str | None
    country: str | None
    city: str | None
    waybill: str | None
    service: str | None
    told: int
    remarks: int
    bin: str | None
    items: tuple[tuple[int, str], ...] = ()
    """(pieces, SKU or name) of its lines in the order's order."""

    @property
    def key(self) -> Key:
        """Where it stands in its list."""
        return (self.due, self.id)


class Reads(Protocol):
    """A reader that gives plain tuples (`store.reader.Reader`)."""

    async def tuples(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """Every row of a query."""


_LOOKS = f"""SELECT s.id, {DUE}, s.version, s.stage, s.status, s.flags, s.mark, s.hold_reason, s.code, s.print_state,
    s.changed_at, s.collected_at, sh.name, o.number, o.currency, o.total_minor, b.first_name, b.last_name, a.name, a.country,
    a.city, w.number, sv.code,
    (SELECT count(*) FROM submission su WHERE su.shipment_id = s.id AND su.state IN ('tracking_sent', 'done')),
    (SELECT max(CASE n.kind WHEN 'buyer' THEN 1 ELSE 0 END) + 2 * max(CASE n.kind WHEN 'ours' THEN 1 ELSE 0 END)
        FROM note n WHERE n.shipment_id = s.id OR n.order_id = s.order_id),
    CASE WHEN s.stage = {int(Stage.TO_PRINT)} THEN (SELECT min(v.bin) FROM allocation al JOIN variant v ON v.id = al.variant_id
        WHERE al.shipment_id = s.id AND v.bin <> '') END
    FROM shipment s JOIN shop sh ON sh.id = s.shop_id JOIN orders o ON o.id = s.order_id
    LEFT JOIN buyer b ON b.order_id = o.id
    LEFT JOIN address a ON a.id = coalesce(s.address_id, o.address_id)
    LEFT JOIN waybill w ON w.shipment_id = s.id AND w.state IN {LIVE}
    LEFT JOIN service sv ON sv.id = s.service_id WHERE s.id IN :ids"""
_ITEMS = """SELECT sl.shipment_id, sl.quantity, CASE WHEN ol.sku <> '' THEN ol.sku ELSE ol.name END
    FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id WHERE sl.shipment_id IN :ids
    ORDER BY ol.order_id, ol.position"""
_JOINS = {
    "o": "JOIN orders o ON o.id = s.order_id",
    "b": "LEFT JOIN buyer b ON b.order_id = s.order_id",
    "a": "LEFT JOIN address a ON a.id = coalesce(s.address_id, o.address_id)",
}
"""What filters look at besides the shipment itself, by its name in a condition; each costs a look-up for every row walked."""


def _joins(tests: str) -> str:
    """The joins that a condition needs, no others."""
    named = set(_ALIAS.findall(tests))
    if "a" in named:
        named.add("o")
    return " ".join(text for alias, text in _JOINS.items() if alias in named)


_ALIAS = re.compile(r"\b([oba])\.")


FEW = 2_000
"""A filter that matches no more shipments than this is answered from them; one that matches more is met soon enough by
walking the list."""
_NAMED: dict[str, str] = {
    "order": """SELECT su.shipment_id FROM orders o JOIN submission su ON su.order_id = o.id WHERE o.number = :value""",
    "waybill": "SELECT w.shipment_id FROM waybill w WHERE w.number = :value",
    "phone": """SELECT s.id FROM buyer b JOIN shipment s ON s.order_id = b.order_id
        WHERE b.phone_key = :value AND b.phone_key <> ''""",
    "platform_order": """SELECT su.shipment_id FROM orders o JOIN submission su ON su.order_id = o.id
        WHERE o.shop_id IN (SELECT id FROM shop) AND o.platform_order_id = :value""",
    "sku": "SELECT ol.id FROM order_line ol WHERE ol.sku = :value",
    "buyer": "SELECT rowid FROM buyer_words(:value)",
    "batch": "SELECT bi.shipment_id FROM batch ba JOIN batch_item bi ON bi.batch_id = ba.id WHERE ba.name = :value",
}
"""Filter fields that an index finds by themselves, whatever the stage: the shipments that may match, or what `_OF` finds
them by."""
_OF: dict[str, str] = {
    "sku": "SELECT sl.shipment_id FROM shipment_line sl WHERE sl.order_line_id IN :met",
    "buyer": "SELECT s.id FROM shipment s WHERE s.order_id IN :met",
}
"""Of what many may match, the index alone is looked at first: that more than a few match is known in a moment."""
_NUMBERS = {"code", "order", "platform_order", "waybill", "phone"}
"""Filter fields that name one parcel, or a buyer's few."""
_WORDS = ("order", "platform_order", "waybill", "phone", "buyer")
"""What a bare word may be, besides one of our codes."""


def conditions(query: Query) -> tuple[str, str, dict[str, Any]]:
    """(joins, WHERE clause, parameters) of a list."""
    clause, params = where(query.terms, query.stages)
    tests = [clause.removeprefix(" WHERE ")] if clause else []
    if condition := SUBLISTS[query.sublist]:
        tests.append(condition)
    text = " AND ".join(tests) or "1 = 1"
    joins = _joins(text)
    if query.ids is not None:
        text = _among(text, "only")
        params["only"] = list(query.ids)
    return joins, text, params


def _among(tests: str, name: str) -> str:
    """`tests` of the shipments in the list `name` only, found by their ids.

    The sign keeps SQLite from walking the whole stage instead: it does not know how few ids there are.
    """
    return f"s.id IN :{name} AND {tests.replace('s.stage', '+s.stage')}"


async def narrowed(reader: Reads, query: Query) -> Query:
    """The same list, told by the ids that may be in it, where its filter names a few shipments that an index finds."""
    if query.ids is not None:
        return query
    for term in query.terms:
        if term.field == "code" and not term.negated:
            return structs.replace(query, ids=tuple(sorted({id_of(value) or 0 for value in term.values})))
        if (
            term.negated
            or term.field not in {*_NAMED, ""}
            or (term.field == "sku" and any("*" in v for v in term.values))
        ):
            continue
        found = await _named(reader, term)
        if found is not None:
            return structs.replace(query, ids=tuple(sorted(found)))
    return query


async def by_number(reader: Reads, query: Query, most: int) -> Query | None:
    """The same list, told by ids, where it is of given shipments or its filter names a number that no more than `most`
    have: to find those takes a look into an index. None for any other list."""
    if query.ids is None:
        term = next((t for t in query.terms if t.field in _NUMBERS and not t.negated), None)
        if term is None:
            return None
        query = structs.replace(query, ids=(await narrowed(reader, structs.replace(query, terms=(term,)))).ids)
    return query if query.ids is not None and len(query.ids) <= most else None


async def _named(reader: Reads, term: Term) -> set[int] | None:
    """The shipments that a term's values may mean; None where they are more than a few."""
    found: set[int] = set()
    for value in term.values:
        for field in _WORDS if term.field == "" else (term.field,):
            if not (wanted := _value(field, value)):
                continue
            rows = await reader.tuples(f"{_NAMED[field]} LIMIT {FEW + 1}", {"value": wanted})
            if len(rows) <= FEW and field in _OF:
                rows = await reader.tuples(_OF[field], {"met": [row[0] for row in rows]})
            found.update(int(row[0]) for row in rows)
            if len(rows) > FEW or len(found) > FEW:
                return None
        if term.field == "":
            found.add(id_of(value) or 0)
    return found


def _value(field: str, value: str) -> str:
    """A filter's value as the index has it; '' = nothing can match."""
    match field:
        case "order" | "platform_order":
            return value.lstrip("#")
        case "phone":
            return phone_key(value)
        case "buyer":
            return question(value)
        case "batch":
            return value.partition("/")[0].upper()
    return value


async def window(
    reader: Reads, query: Query, limit: int, after: Key | None = None, before: Key | None = None
) -> list[Line]:
    """Up to `limit` rows next to a key (exclusive), in the order of the list; without a key its first rows.

    With `before` the rows that come right before that key. Use `last` for the end of a list.
    """
    query = await narrowed(reader, query)
    backwards = before is not None
    rising = query.rising != backwards
    joins, tests, params = conditions(query)
    if (key := before if backwards else after) is not None:
        beyond, named = _beyond(query, key, ">" if rising else "<")
        tests, params = f"{tests} AND {beyond}", params | named
    return await _read(reader, query, joins, tests, params, limit, rising=rising, turned=backwards)


async def last(reader: Reads, query: Query, limit: int) -> list[Line]:
    """The last `limit` rows of a list, in its order."""
    query = await narrowed(reader, query)
    joins, tests, params = conditions(query)
    return await _read(reader, query, joins, tests, params, limit, rising=not query.rising, turned=True)


def _beyond(query: Query, key: Key, way: str) -> tuple[str, dict[str, Any]]:
    if query.by_id:
        return f"s.id {way} :_id", {"_id": key[1]}
    return f"({DUE}, s.id) {way} (:_due, :_id)", {"_due": key[0], "_id": key[1]}


async def _read(
    reader: Reads,
    query: Query,
    joins: str,
    tests: str,
    params: Mapping[str, Any],
    limit: int,
    *,
    rising: bool,
    turned: bool,
) -> list[Line]:
    way = "ASC" if rising else "DESC"
    order = f"s.id {way}" if query.by_id else f"{DUE} {way}, s.id {way}"
    if query.ids is not None:
        few = await reader.tuples(_BARE.format(joins=joins, tests=tests), params)
        ids = _in_order(query, few, rising=rising)[:limit]
    else:
        rows = await reader.tuples(
            f"SELECT s.id FROM shipment s {joins} WHERE {tests} ORDER BY {order} LIMIT {int(limit)}", params
        )
        ids = [int(row[0]) for row in rows]
    found = await lines(reader, ids)
    return [found[i] for i in (reversed(ids) if turned else ids) if i in found]


_BARE = f"SELECT s.id, {DUE} FROM shipment s {{joins}} WHERE {{tests}}"


def _in_order(query: Query, rows: Sequence[Sequence[Any]], *, rising: bool) -> list[int]:
    """The ids of rows (id, due) as the list has them: a few rows are put in order here, not by a walk along an index."""
    place = (lambda r: r[0]) if query.by_id else (lambda r: (r[1], r[0]))
    return [int(row[0]) for row in sorted(rows, key=place, reverse=not rising)]


async def lines(reader: Reads, ids: Sequence[int]) -> dict[int, Line]:
    """These shipments as rows of the list, by id."""
    if not ids:
        return {}
    key = {"ids": list(ids)}
    items: dict[int, list[tuple[int, str]]] = {}
    for shipment, pieces, name in await reader.tuples(_ITEMS, key):
        items.setdefault(shipment, []).append((pieces, name))
    return {
        row[0]: Line(*(*row[:24], row[24] or 0, row[25], tuple(items.get(row[0], ()))))
        for row in await reader.tuples(_LOOKS, key)
    }


async def still_in(reader: Reads, query: Query, ids: Sequence[int]) -> set[int]:
    """Which of `ids` the list still holds."""
    joins, tests, params = conditions(query)
    rows = await reader.tuples(
        f"SELECT s.id FROM shipment s {joins} WHERE {_among(tests, '_these')}", {**params, "_these": list(ids)}
    )
    return {row[0] for row in rows}


async def count(reader: Reads, query: Query) -> int:
    """How many rows a list has."""
    query = await narrowed(reader, query)
    joins, tests, params = conditions(query)
    return int((await reader.tuples(f"SELECT count(*) FROM shipment s {joins} WHERE {tests}", params))[0][0])


async def position(reader: Reads, query: Query, key: Key) -> int:
    """How many rows of a list stand before `key`."""
    joins, tests, params = conditions(query)
    beyond, named = _beyond(query, key, "<" if query.rising else ">")
    sql = f"SELECT count(*) FROM shipment s {joins} WHERE {tests} AND {beyond}"
    return int((await reader.tuples(sql, params | named))[0][0])


async def all_of(reader: Reads, query: Query) -> tuple["array[int]", "array[int]"]:
    """(ids, versions) of every row of a list, by id: what a person means who marks all of it at this moment."""
    query = await narrowed(reader, query)
    joins, tests, params = conditions(query)
    ids, versions = array("q"), array("q")
    for shipment, version in await reader.tuples(
        f"SELECT s.id, s.version FROM shipment s {joins} WHERE {tests} ORDER BY s.id", params
    ):
        ids.append(shipment)
        versions.append(version)
    return ids, versions


async def ids_of(reader: Reads, query: Query) -> "array[int]":
    """The ids of a whole list in its order, for lists that no index walks."""
    query = await narrowed(reader, query)
    joins, tests, params = conditions(query)
    if query.ids is not None:
        rows = await reader.tuples(_BARE.format(joins=joins, tests=tests), params)
        return array("q", _in_order(query, rows, rising=query.rising))
    way = "ASC" if query.rising else "DESC"
    order = f"s.id {way}" if query.by_id else f"{DUE} {way}, s.id {way}"
    rows = await reader.tuples(f"SELECT s.id FROM shipment s {joins} WHERE {tests} ORDER BY {order}", params)
    return array("q", (row[0] for row in rows))


# ------------------------------------------------------------------ counts


class Counts(Struct, frozen=True):
    """Rows per stage, those of them that need a hand, and per sub-list of one stage."""

    stages: dict[Stage, int]
    trouble: dict[Stage, int]
    sublists: dict[str, int]


async def counts(reader: Reads, stage: Stage | None) -> Counts:
    """The counts above the list: all stages from the counters, the sub-lists of `stage` from its indexes."""
    by_status: dict[tuple[int, str], int] = {}
    for at, status, n in await reader.tuples(
        "SELECT stage, status, CAST(sum(n) AS bigint) FROM stage_count GROUP BY stage, status"
    ):
        by_status[at, status] = int(n)
    stages = {s: sum(n for (at, _status), n in by_status.items() if at == s) for s in Stage}
    trouble = dict.fromkeys(Stage, 0)
    flagged: dict[str, int] = {}
    attention = 0
    for at, flags, status, held, n in await reader.tuples(
        f"""SELECT s.stage, s.flags, s.status, CASE WHEN s.hold_reason <> '' THEN 1 ELSE 0 END, count(*) FROM shipment s
            WHERE {ATTENTION} AND s.stage <= {int(Stage.SHIPPED)} GROUP BY 1, 2, 3, 4"""
    ):
        hand = bool(flags & PROBLEM) or status in {"failed", "unknown"}
        trouble[Stage(at)] += n * hand
        if at != stage:
            continue
        attention += n
        for name, counted in (
            ("notes", flags & Flag.NOTE_UNREAD),
            ("problems", hand),
            ("unmatched", flags & Flag.UNMATCHED),
            ("held", held),
            ("first_import", flags & Flag.FIRST_IMPORT),
            ("pull", flags & Flag.PULL),
        ):
            flagged[name] = flagged.get(name, 0) + (n if counted else 0)
    if stage is None:
        return Counts(stages, trouble, {})
    here = {status: n for (at, status), n in by_status.items() if at == stage}
    sub = {"all": stages[stage], "ready_to_approve": stages[stage] - attention, **flagged}
    for name in ("notes", "problems", "unmatched", "held", "first_import", "pull"):
        sub.setdefault(name, 0)
    for name, statuses in _BY_STATUS.items():
        sub[name] = sum(here.get(s.value, 0) for s in statuses)
    if counted_here := _COUNTED.get(stage, ()):
        sums = ", ".join(f"CAST(sum(CASE WHEN {SUBLISTS[name]} THEN 1 ELSE 0 END) AS bigint)" for name in counted_here)
        row = (await reader.tuples(f"SELECT {sums} FROM shipment s WHERE s.stage = {int(stage)}"))[0]
        sub |= {name: int(n or 0) for name, n in zip(counted_here, row, strict=True)}
    return Counts(stages, trouble, sub)


_BY_STATUS: dict[str, tuple[Status, ...]] = {
    "ready": (Status.READY,),
    "asking": (Status.REQUESTING, Status.CLOSING),
    "waiting": (Status.WAITING,),
    "failed": (Status.FAILED,),
    "unknown": (Status.UNKNOWN,),
    "obtained": (Status.OBTAINED,),
    "in_stock": (Status.IN_STOCK, Status.CHECKING),
    "out_of_stock": (Status.OUT_OF_STOCK,),
    "pushing": (Status.PUSHING,),
}
_COUNTED: dict[Stage, tuple[str, ...]] = {
    Stage.PROCESSING: ("no_service", "customs"),
    Stage.TO_PRINT: ("printed", "print_unknown"),
}
"""Sub-lists that are counted row by row, all of a stage in one pass; their stages are never large."""
