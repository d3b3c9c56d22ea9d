"""A shop's sales figures: today's live, earlier ones settled the morning after their sync."""

from typing import Any

from domain.sales import cut
from pipeline.base import Pipeline
from store import accounts, sales


async def figures(p: Pipeline, shop_id: int) -> list[dict[str, Any]]:
    """Pieces per SKU: `live` (paid today), `settled`, and `waiting` for 08:00 of the day after they were synced."""
    async with p.store.reading() as tx:
        row = await accounts.shop(tx, shop_id)
        rows = await sales.by_listing(tx, shop_id, cut(p.clock(), row.zone))
    return [{"sku": r.sku, "name": r.name, "live": r.live, "settled": r.settled, "waiting": r.waiting} for r in rows]
