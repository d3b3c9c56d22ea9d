"""Sales figures per listing, derived from the orders themselves: nothing is counted twice, refunds are out."""

from collections.abc import Sequence
from typing import Any

from domain.enums import DEAD_ORDER
from domain.sales import Cut
from store.database import Tx

_DEAD = ", ".join(f"'{status.value}'" for status in sorted(DEAD_ORDER))


async def by_listing(tx: Tx, shop_id: int, cut: Cut) -> Sequence[Any]:
    """Rows (sku, name, live, settled, waiting): pieces sold today, counted earlier, and synced but not counted yet."""
    return await tx.rows(
        f"""SELECT sku, max(name) AS name,
               CAST(sum(CASE WHEN paid_at >= :today THEN n ELSE 0 END) AS bigint) AS live,
               CAST(sum(CASE WHEN paid_at < :today2 AND imported_at < :settled THEN n ELSE 0 END) AS bigint) AS settled,
               CAST(sum(CASE WHEN paid_at < :today3 AND imported_at >= :settled2 THEN n ELSE 0 END) AS bigint) AS waiting
            FROM (SELECT ol.sku, ol.name, o.paid_at, o.imported_at, ol.quantity - ol.cancelled AS n
                  FROM orders o JOIN order_line ol ON ol.order_id = o.id
                  WHERE o.shop_id = :shop AND o.paid_at IS NOT NULL AND o.status NOT IN ({_DEAD})) sold
            GROUP BY sku HAVING sum(n) > 0 ORDER BY sku""",
        shop=shop_id,
        today=cut.today,
        today2=cut.today,
        today3=cut.today,
        settled=cut.settled,
        settled2=cut.settled,
    )
