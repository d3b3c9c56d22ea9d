"""What the settings screens read about one shop beside `overview`: its reads, what waits, what its rules leave out."""

from typing import Any

from msgspec import Struct

from domain.clock import Instant
from domain.enums import Stage
from store.views import Fetches


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
    """(reason, orders), the most frequent first."""

    @property
    def in_work(self) -> int:
        """Shipments that have not left: an unbinding freezes them."""
        return sum(n for stage, n in self.stages.items() if stage < Stage.SHIPPED)


async def shop_file(reader: Fetches, shop_id: int) -> ShopFile | None:
    """The file of one shop; None where it is not there."""
    rows = await reader.fetch(
        "SELECT settings, connected_at, checked_at, unbound_at FROM shop WHERE id = :i", {"i": shop_id}
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
        "SELECT reason, count(*) AS n FROM left_out WHERE shop_id = :i GROUP BY reason ORDER BY 2 DESC, 1",
        {"i": shop_id},
    )
    return ShopFile(
        **rows[0],
        reads=tuple(Read(**r) for r in reads),
        stages={r["stage"]: int(r["n"]) for r in stages},
        queued=int(queued[0]["n"]),
        left_out=tuple((r["reason"], int(r["n"])) for r in left),
    )


async def abnormal_reasons(reader: Fetches) -> list[dict[str, Any]]:
    """Open abnormal orders, counted: shop, code, n."""
    return await reader.fetch(
        """SELECT sh.name AS shop, a.code, count(*) AS n FROM abnormal a JOIN shop sh ON sh.id = a.shop_id
           WHERE a.state = 'open' GROUP BY sh.name, a.code ORDER BY sh.name, 3 DESC"""
    )
