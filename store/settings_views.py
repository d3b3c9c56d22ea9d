"""What the settings screens read about one shop beside `overview`: its reads, what waits, what its rules leave out."""

from msgspec import Struct

from domain.clock import Instant
from domain.enums import Stage
from store.views import Fetches

OLDER = "older_than_window"
"""The reason of orders from before the import window: a shop's `older_orders` counts them, none is kept."""


class Read(Struct, frozen=True):
    """How the reading of a shop's orders (or products) went last, and when it comes next."""

    kind: str
    ok_at: Instant | None
    due_at: Instant
    seen: int
    changed: int
    fails: int
    code: str
    message: str


class ShopFile(Struct, frozen=True):
    """Everything about one shop that is not in the list; no secrets."""

    settings: str
    """JSON; what is not in it has its default."""
    connected_at: Instant | None
    checked_at: Instant | None
    unbound_at: Instant | None
    reads: tuple[Read, ...]
    stages: dict[int, int]
    """Stage → shipments."""
    queued: int
    """Effects that wait or are under way."""
    left_out: tuple[tuple[str, int], ...]
    """(reason, orders) that its rules leave out; the ones before the import window are only a count."""

    @property
    def in_work(self) -> int:
        """Shipments that have not left: an unbinding freezes them."""
        return sum(n for stage, n in self.stages.items() if stage < Stage.SHIPPED)


async def shop_file(reader: Fetches, shop_id: int) -> ShopFile | None:
    """The file of one shop; None where it is not there."""
    rows = await reader.fetch(
        "SELECT settings, connected_at, checked_at, unbound_at, older_orders FROM shop WHERE id = :i", {"i": shop_id}
    )
    if not rows:
        return None
    reads = await reader.fetch(
        """SELECT kind, ok_at, due_at, seen, changed, fails, code, message FROM sync_task
           WHERE account = :a ORDER BY kind""",
        {"a": f"shop:{shop_id}"},
    )
    stages = await reader.fetch(
        "SELECT stage, CAST(sum(n) AS bigint) AS n FROM stage_count WHERE shop_id = :i GROUP BY stage", {"i": shop_id}
    )
    queued = await reader.fetch(
        """SELECT count(*) AS n FROM effect e JOIN shipment s ON s.id = e.shipment_id
           WHERE e.state IN ('queued', 'running', 'unknown') AND s.shop_id = :i""",
        {"i": shop_id},
    )
    left = await reader.fetch(
        f"""SELECT reason, count(*) AS n FROM left_out WHERE shop_id = :i AND reason <> '{OLDER}'
            GROUP BY reason ORDER BY 2 DESC, 1""",
        {"i": shop_id},
    )
    row = rows[0]
    counted = [(OLDER, int(row["older_orders"]))] if row["older_orders"] else []
    return ShopFile(
        settings=row["settings"],
        connected_at=row["connected_at"],
        checked_at=row["checked_at"],
        unbound_at=row["unbound_at"],
        reads=tuple(Read(**r) for r in reads),
        stages={r["stage"]: int(r["n"]) for r in stages},
        queued=int(queued[0]["n"]),
        left_out=(*counted, *((r["reason"], int(r["n"])) for r in left)),
    )


class Reason(Struct, frozen=True):
    """So many orders of a shop for one reason."""

    shop: str
    reason: str
    n: int


async def abnormal_reasons(reader: Fetches) -> list[Reason]:
    """Open abnormal orders, counted by shop and reason."""
    return [
        Reason(r["shop"], r["code"], int(r["n"]))
        for r in await reader.fetch(
            """SELECT sh.name AS shop, a.code, count(*) AS n FROM abnormal a JOIN shop sh ON sh.id = a.shop_id
               WHERE a.state = 'open' GROUP BY sh.name, a.code ORDER BY sh.name, 3 DESC"""
        )
    ]


async def left_out(reader: Fetches) -> list[Reason]:
    """Orders that import rules left out, counted by shop and reason."""
    older = await reader.fetch("SELECT name AS shop, older_orders AS n FROM shop WHERE older_orders > 0 ORDER BY name")
    rows = await reader.fetch(
        f"""SELECT sh.name AS shop, l.reason, count(*) AS n FROM left_out l JOIN shop sh ON sh.id = l.shop_id
            WHERE l.reason <> '{OLDER}' GROUP BY sh.name, l.reason ORDER BY sh.name, 3 DESC"""
    )
    return [
        *(Reason(r["shop"], OLDER, int(r["n"])) for r in older),
        *(Reason(r["shop"], r["reason"], int(r["n"])) for r in rows),
    ]
