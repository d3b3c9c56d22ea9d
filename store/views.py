"""What screens, `list`, `show` and `find` read: few plain SQL texts, the same on both engines."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from domain.clock import DAY, iso
from domain.enums import Flag, Stage
from domain.facts import code_of, id_of
from domain.filters import Term
from domain.money import UNUSUAL_EXPONENTS, UnknownCurrency, format_minor
from domain.search import question
from domain.text import full_name, phone_key
from store.queue import DUE

LIVE = "('requesting', 'waiting', 'obtained', 'unknown')"
UNDER_WAY = "('queued', 'running', 'unknown')"
"""States of an effect that has not come to its end."""
TROUBLE = int(
    Flag.AFTER_SALE
    | Flag.LINES_CHANGED
    | Flag.LABEL_STALE
    | Flag.STOPPED
    | Flag.PULL
    | Flag.TOLD_NOT_SENT
    | Flag.UNMATCHED
)


class Fetches(Protocol):
    """Anything that runs a query and gives dict rows."""

    async def fetch(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Every row of a query."""


_FROM = f"""FROM shipment s JOIN shop sh ON sh.id = s.shop_id JOIN orders o ON o.id = s.order_id
    LEFT JOIN buyer b ON b.order_id = o.id
    LEFT JOIN address a ON a.id = coalesce(s.address_id, o.address_id)
    LEFT JOIN waybill w ON w.shipment_id = s.id AND w.state IN {LIVE}
    LEFT JOIN service sv ON sv.id = s.service_id LEFT JOIN carrier c ON c.id = sv.carrier_id"""

_COLUMNS = """s.id, s.stage, s.status, s.version, s.flags, s.mark, s.hold_reason, s.code, s.reason, s.ship_by, s.print_state,
    s.copies, s.deducted, s.unchecked, s.shipped_at, s.collected_at, s.order_id, sh.name AS shop, sh.platform, o.number,
    o.platform_order_id, o.currency, o.total_minor, o.status AS order_status, o.kind, o.payment, b.first_name, b.last_name,
    a.name AS recipient, a.country, a.city, w.number AS waybill, w.state AS waybill_state, sv.code AS service,
    c.name AS carrier,
    (SELECT coalesce(sum(x.quantity), 0) FROM shipment_line x WHERE x.shipment_id = s.id) AS quantity,
    (SELECT count(*) FROM submission x WHERE x.shipment_id = s.id) AS orders"""


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class _Where:
    """Conditions of a filter, collected with their parameters."""

    def __init__(self) -> None:
        self.sql: list[str] = []
        self.params: dict[str, Any] = {}

    def _name(self, value: Any) -> str:
        name = f"p{len(self.params)}"
        self.params[name] = value
        return f":{name}"

    def add(self, term: Term) -> None:
        """Add one term."""
        any_of = [self._one(term, value) for value in term.values]
        condition = "(" + " OR ".join(any_of) + ")"
        # What is unknown (no service, no deadline) is not what was asked for, so that it belongs to the opposite.
        self.sql.append(f"{condition} IS NOT TRUE" if term.negated else condition)

    def _one(self, term: Term, value: str) -> str:
        match term.field:
            case "":
                return self._word(value)
            case "stage":
                stages = [int(s) for s in Stage if s.word == value.replace("-", "_")]
                return f"s.stage = {stages[0]}" if stages else "1 = 0"
            case "status":
                return f"s.status = {self._name(value)}"
            case "shop":
                return self._of_shop("lower(name)", value)
            case "platform":
                return self._of_shop("platform", value)
            case "country":
                return f"a.country = {self._name(value.upper())}"
            case "city":
                return f"lower(a.city) = {self._name(value.lower())}"
            case "sku":
                if not value.endswith("*"):
                    # Most rows are passed by with a look into the index of SKUs; the lines of the few others are looked at.
                    return f"""EXISTS (SELECT 1 FROM submission su CROSS JOIN order_line ol CROSS JOIN shipment_line sl
                        WHERE su.shipment_id = s.id AND ol.order_id = su.order_id AND ol.sku = {self._name(value)}
                        AND sl.shipment_id = s.id AND sl.order_line_id = ol.id)"""
                test = f"ol.sku LIKE {self._name(_like(value[:-1]) + '%')} ESCAPE '\\'"
                return f"""EXISTS (SELECT 1 FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
                    WHERE sl.shipment_id = s.id AND {test})"""
            case "service":
                return self._by_service("lower(v.code)", value)
            case "carrier":
                return self._by_service("lower(p.name)", value)
            case "order":
                return f"""EXISTS (SELECT 1 FROM submission su JOIN orders so ON so.id = su.order_id
                    WHERE su.shipment_id = s.id AND so.number = {self._name(value.lstrip("#"))})"""
            case "waybill":
                return f"EXISTS (SELECT 1 FROM waybill v WHERE v.shipment_id = s.id AND v.number = {self._name(value)})"
            case "buyer":
                return self._named(value)
            case "phone":
                return f"b.phone_key = {self._name(phone_key(value) or '-')}"
            case "kind":
                return f"o.kind = {self._name(value)}"
            case "payment":
                return f"o.payment = {self._name(value)}"
            case "reason":
                return f"s.code = {self._name(value)}"
            case "held":
                return "s.hold_reason <> ''" if value == "yes" else "s.hold_reason = ''"
            case "printed":
                inside = "s.print_state IN ('sent', 'confirmed')"
                return inside if value == "yes" else f"NOT {inside}"
            case "note":
                if value == "unread":
                    return f"(s.flags & {int(Flag.NOTE_UNREAD)}) <> 0"
                has = "EXISTS (SELECT 1 FROM note n WHERE n.order_id = s.order_id AND n.kind = 'buyer')"
                return has if value == "yes" else f"NOT {has}"
            case "trouble":
                bad = f"((s.flags & {TROUBLE}) <> 0 OR s.status IN ('failed', 'unknown'))"
                return bad if value == "yes" else f"NOT {bad}"
            case "flag":
                return f"s.mark = {int(value)}" if value.isdecimal() else "1 = 0"
            case "batch":
                name, _sep, code = value.partition("/")
                stayed = f" AND bi.outcome = 'refused' AND bi.code = {self._name(code)}" if code else ""
                return f"""EXISTS (SELECT 1 FROM batch_item bi JOIN batch ba ON ba.id = bi.batch_id
                    WHERE bi.shipment_id = s.id AND ba.name = {self._name(name.upper())}{stayed})"""
            case "code":
                return f"s.id = {id_of(value) or 0}"
            case "is":
                if value == "to_void":
                    return "EXISTS (SELECT 1 FROM waybill v WHERE v.shipment_id = s.id AND v.state = 'voiding')"
                return f"(s.flags & {int(Flag[value.upper()])}) <> 0"
            case "total":
                return self._total(term.compare, value)
            case "quantity":
                pieces = "(SELECT coalesce(sum(x.quantity), 0) FROM shipment_line x WHERE x.shipment_id = s.id)"
                return f"{pieces} {term.compare} {int(value)}"
            case _:
                return self._ship_by(term.compare, value)

    def _of_shop(self, what: str, value: str) -> str:
        """Asked once of the few shops, not of the shop of every row; the sign keeps the walk along the stage."""
        return f"+s.shop_id IN (SELECT id FROM shop WHERE {what} = {self._name(value.lower())})"

    def _by_service(self, what: str, value: str) -> str:
        services = "SELECT v.id FROM service v JOIN carrier p ON p.id = v.carrier_id"
        return f"+s.service_id IN ({services} WHERE {what} = {self._name(value.lower())})"

    def _word(self, value: str) -> str:
        exact = self._name(value.lstrip("#"))
        return f"""(s.id = {id_of(value) or 0} OR o.number = {exact} OR o.platform_order_id = {exact}
            OR EXISTS (SELECT 1 FROM waybill v WHERE v.shipment_id = s.id AND v.number = {exact})
            OR b.phone_key = {self._name(phone_key(value) or "-")}
            OR {self._named(value)})"""

    def _named(self, value: str) -> str:
        asked = question(value)
        return f"s.order_id IN (SELECT rowid FROM buyer_words({self._name(asked)}))" if asked else "1 = 0"

    def _total(self, compare: str, value: str) -> str:
        """The amount in each order's own minor units; figures of different currencies are compared as figures."""
        amount = Decimal(value)
        by_digits = " ".join(
            f"WHEN o.currency IN ({', '.join(repr(c) for c in currencies)}) THEN {int(amount * 10**digits)}"
            for digits, currencies in UNUSUAL_EXPONENTS.items()
        )
        return f"o.total_minor {compare} CASE {by_digits} ELSE {int(amount * 100)} END"

    def _ship_by(self, compare: str, value: str) -> str:
        try:
            day = int(
                datetime.fromisoformat(value + ("+00:00" if "T" in value else "T00:00:00+00:00")).timestamp() * 1000
            )
        except ValueError:
            return "1 = 0"
        return f"s.ship_by >= {day} AND s.ship_by < {day + DAY}" if compare == "=" else f"s.ship_by {compare} {day}"


def where(terms: Sequence[Term], stages: Sequence[Stage] = ()) -> tuple[str, dict[str, Any]]:
    """The WHERE clause of a filter within stages, with its parameters."""
    conditions = _Where()
    if stages:
        conditions.sql.append("s.stage IN (" + ", ".join(str(int(s)) for s in stages) + ")")
    for term in terms:
        conditions.add(term)
    return (" WHERE " + " AND ".join(conditions.sql) if conditions.sql else ""), conditions.params


_ORDER = f" ORDER BY {DUE}, s.id"


async def listing(
    reader: Fetches, terms: Sequence[Term], stages: Sequence[Stage] = (), limit: int | None = None
) -> list[dict[str, Any]]:
    """Shipments as flat objects, most urgent first."""
    clause, params = where(terms, stages)
    tail = f" LIMIT {int(limit)}" if limit is not None else ""
    rows = await reader.fetch(f"SELECT {_COLUMNS} {_FROM}{clause}{_ORDER}{tail}", params)
    return [flat(row) for row in rows]


async def selection(reader: Fetches, terms: Sequence[Term], stages: Sequence[Stage] = ()) -> list[tuple[int, int]]:
    """(id, version) of every shipment a filter matches, in the order of the list."""
    clause, params = where(terms, stages)
    rows = await reader.fetch(f"SELECT s.id, s.version {_FROM}{clause}{_ORDER}", params)
    return [(row["id"], row["version"]) for row in rows]


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """One shipment with the stable keys of `docs/cli.md`."""
    buyer = full_name(row["first_name"] or "", row["last_name"] or "") or row["recipient"] or ""
    return {
        "id": row["id"],
        "code": code_of(row["id"]),
        "order_number": row["number"],
        "platform_order_id": row["platform_order_id"],
        "orders": int(row["orders"]),
        "shop": row["shop"],
        "platform": row["platform"],
        "stage": Stage(row["stage"]).word,
        "status": row["status"],
        "order_status": row["order_status"],
        "buyer": buyer,
        "country": row["country"] or "",
        "city": row["city"] or "",
        "quantity": int(row["quantity"]),
        "currency": row["currency"],
        "total": amount(row["total_minor"], row["currency"]),
        "service": row["service"] or "",
        "carrier": row["carrier"] or "",
        "waybill": row["waybill"] or "",
        "printed": row["print_state"],
        "ship_by": iso(row["ship_by"]),
        "shipped_at": iso(row["shipped_at"]),
        "held": row["hold_reason"],
        "flags": [flag.name.lower() for flag in Flag if flag & row["flags"] and flag.name],
        "reason": row["code"],
        "message": row["reason"],
        "version": row["version"],
    }


def amount(minor: int, currency: str) -> str:
    """Decimal text of an amount; minor units where the currency is not known."""
    try:
        return format_minor(minor, currency)
    except UnknownCurrency:
        return str(minor)


async def find_ids(reader: Fetches, text: str) -> list[int]:
    """Shipments a person may mean by a code, id, order number, platform id or waybill number, exactly."""
    text = text.strip()
    exact = id_of(text)
    if exact is not None:
        rows = await reader.fetch("SELECT id FROM shipment WHERE id = :id", {"id": exact})
        if rows:
            return [exact]
    number = text.lstrip("#")
    rows = await reader.fetch(
        # Each half has an index of its own; one OR over both would walk every order.
        """SELECT su.shipment_id AS id FROM orders o JOIN submission su ON su.order_id = o.id
               JOIN shipment s ON s.id = su.shipment_id WHERE o.number = :t AND s.status <> 'merged'
           UNION SELECT su.shipment_id FROM orders o JOIN submission su ON su.order_id = o.id
               JOIN shipment s ON s.id = su.shipment_id
           WHERE o.shop_id IN (SELECT id FROM shop) AND o.platform_order_id = :t2 AND s.status <> 'merged'
           UNION SELECT shipment_id FROM waybill WHERE number = :t3 AND number <> '' ORDER BY 1""",
        {"t": number, "t2": number, "t3": number},
    )
    if not rows and text.isascii() and text.isdecimal() and len(text) < 17:
        rows = await reader.fetch("SELECT id FROM shipment WHERE id = :id", {"id": int(text)})
    return [row["id"] for row in rows]


async def counts(reader: Fetches) -> dict[str, dict[str, int]]:
    """Shipments per stage and sub-status, over all shops, from the counters."""
    found: dict[str, dict[str, int]] = {s.word: {} for s in Stage}
    for row in await reader.fetch(
        "SELECT stage, status, CAST(sum(n) AS bigint) AS n FROM stage_count GROUP BY stage, status ORDER BY stage, status"
    ):
        if row["n"]:
            found[Stage(row["stage"]).word][row["status"]] = int(row["n"])
    return found


async def detail(reader: Fetches, shipment_id: int) -> dict[str, Any] | None:
    """Everything about one shipment: the flat object plus orders, lines, address, notes, waybills, effects, events."""
    rows = await reader.fetch(f"SELECT {_COLUMNS} {_FROM} WHERE s.id = :id", {"id": shipment_id})
    if not rows:
        return None
    shown = flat(rows[0])
    key = {"id": shipment_id}
    shown["source_orders"] = [
        {**r, "total": amount(r.pop("total_minor"), r["currency"]), "paid_at": iso(r["paid_at"])}
        for r in await reader.fetch(
            """SELECT o.id, o.platform_order_id, o.number, o.status, o.raw_status, o.kind, o.payment, o.currency,
                   o.total_minor, o.paid_at, o.pickup_point, o.shipping_method, o.warnings, su.state AS submission,
                   su.number AS told, su.code AS submission_code, su.reason AS submission_reason
               FROM submission su JOIN orders o ON o.id = su.order_id WHERE su.shipment_id = :id ORDER BY o.id""",
            key,
        )
    ]
    shown["lines"] = await reader.fetch(
        """SELECT ol.id AS order_line_id, ol.order_id, ol.sku, ol.name, ol.options, sl.quantity, ol.quantity AS ordered,
               ol.cancelled, ol.unit_price, CASE WHEN ol.listing_id IS NULL THEN 0 ELSE 1 END AS matched
           FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id WHERE sl.shipment_id = :id
           ORDER BY ol.order_id, ol.position""",
        key,
    )
    fields = "name, company, line1, line2, city, state, postcode, country, phone, email, source"
    addresses = await reader.fetch(
        f"""SELECT {fields} FROM address WHERE id = (SELECT coalesce(s.address_id, o.address_id) FROM shipment s
            JOIN orders o ON o.id = s.order_id WHERE s.id = :id)""",
        key,
    )
    shown["address"] = addresses[0] if addresses else None
    shown["notes"] = [
        {**r, "at": iso(r["at"]), "read_at": iso(r["read_at"])}
        for r in await reader.fetch(
            """SELECT kind, text, who, at, read_at, read_by FROM note
               WHERE shipment_id = :id OR order_id IN (SELECT order_id FROM submission WHERE shipment_id = :id2)
               ORDER BY id""",
            {"id": shipment_id, "id2": shipment_id},
        )
    ]
    shown["waybills"] = [
        {**r, "cost": amount(r.pop("cost_minor"), r["cost_currency"]) if r["cost_currency"] else ""}
        for r in await reader.fetch(
            """SELECT generation, state, reference, number, tracking, code, reason, field, cost_minor, cost_currency
               FROM waybill WHERE shipment_id = :id ORDER BY generation""",
            key,
        )
    ]
    shown["effects"] = [
        {**r, "due_at": iso(r["due_at"])}
        for r in await reader.fetch(
            "SELECT op, state, attempts, due_at, code, message FROM effect WHERE shipment_id = :id ORDER BY id", key
        )
    ]
    shown["events"] = [
        {**r, "at": iso(r["at"])}
        for r in await reader.fetch(
            """SELECT e.at, e.who, e.kind, e.data, b.name AS batch FROM event e LEFT JOIN batch b ON b.id = e.batch_id
               WHERE e.shipment_id = :id OR (e.shipment_id IS NULL AND e.order_id IN
                   (SELECT order_id FROM submission WHERE shipment_id = :id2)) ORDER BY e.id""",
            {"id": shipment_id, "id2": shipment_id},
        )
    ]
    return shown


async def lines_of(reader: Fetches, shipment_id: int) -> list[tuple[int, str]]:
    """(order line id, SKU) of what is in a shipment."""
    rows = await reader.fetch(
        """SELECT ol.id, ol.sku FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
           WHERE sl.shipment_id = :s ORDER BY ol.id""",
        {"s": shipment_id},
    )
    return [(row["id"], row["sku"]) for row in rows]


async def orders_numbered(reader: Fetches, number: str) -> list[int]:
    """Ids of the orders with this number (or platform id), over all shops."""
    rows = await reader.fetch(
        "SELECT id FROM orders WHERE number = :n OR platform_order_id = :n2 ORDER BY id", {"n": number, "n2": number}
    )
    return [row["id"] for row in rows]


async def under_way(reader: Fetches, ids: Sequence[int], batch: str) -> bool:
    """Has anything for these shipments, or for the batch of that name, not come to its end yet?"""
    rows = await reader.fetch(
        f"""SELECT 1 FROM effect e WHERE e.state IN {UNDER_WAY} AND (e.shipment_id IN :ids
            OR e.batch_id = (SELECT id FROM batch WHERE name = :b)) LIMIT 1""",
        {"ids": list(ids), "b": batch},
    )
    return bool(rows)


async def gone_wrong(reader: Fetches, ids: Sequence[int]) -> list[dict[str, Any]]:
    """Those of `ids` (id, status, code, reason) that failed or are unknown."""
    return await reader.fetch(
        """SELECT id, status, code, reason FROM shipment
           WHERE id IN :ids AND status IN ('failed', 'unknown') ORDER BY id""",
        {"ids": list(ids)},
    )


async def merge_candidates(
    reader: Fetches, stages: Sequence[Stage] = (Stage.REVIEW, Stage.PROCESSING)
) -> list[list[int]]:
    """Groups of open shipments of one shop and stage that go to the same address and could share a box."""
    among = ", ".join(str(int(s)) for s in stages)
    rows = await reader.fetch(
        f"""SELECT id, shop_id, stage, fingerprint FROM (
                SELECT s.id, s.shop_id, s.stage, a.fingerprint,
                    count(*) OVER (PARTITION BY s.shop_id, s.stage, a.fingerprint) AS n
                FROM shipment s JOIN orders o ON o.id = s.order_id JOIN address a ON a.id = coalesce(s.address_id, o.address_id)
                WHERE s.stage IN ({among}) AND a.line1 <> '') AS mates
            WHERE n > 1 ORDER BY id"""
    )
    groups: dict[tuple[int, int, str], list[int]] = {}
    for row in rows:
        groups.setdefault((row["shop_id"], row["stage"], row["fingerprint"]), []).append(row["id"])
    return list(groups.values())
