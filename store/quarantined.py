"""Orders that are not orders here: abnormal ones with their reason, and those left out by a shop's rules."""

from collections.abc import Sequence
from typing import Any

from store.database import Tx

_COLUMNS = """a.id, sh.name AS shop, a.shop_id, a.platform_order_id, a.code, a.message, a.state, a.tries, a.first_at,
    a.last_at FROM abnormal a JOIN shop sh ON sh.id = a.shop_id"""


async def open_rows(tx: Tx) -> Sequence[Any]:
    """Abnormal orders nobody has solved or dismissed."""
    return await tx.rows(f"SELECT {_COLUMNS} WHERE a.state = 'open' ORDER BY a.id")


async def chosen(tx: Tx, ids: Sequence[int] | None) -> Sequence[Any]:
    """The named open abnormal orders; None = all of them."""
    if ids is None:
        return await open_rows(tx)
    return await tx.rows(f"SELECT {_COLUMNS} WHERE a.state = 'open' AND a.id IN :ids ORDER BY a.id", ids=list(ids))


async def set_state(tx: Tx, ids: Sequence[int], state: str) -> None:
    """Mark abnormal orders solved or dismissed."""
    await tx.do("UPDATE abnormal SET state = :s, last_at = :now WHERE id IN :ids", s=state, now=tx.now, ids=list(ids))


async def excluded(tx: Tx) -> Sequence[Any]:
    """Orders left out, one by one; those before the import window are only counted (see `older`)."""
    return await tx.rows(
        """SELECT sh.name AS shop, e.number, e.platform_order_id, e.reason, e.detail FROM left_out e
           JOIN shop sh ON sh.id = e.shop_id WHERE e.reason <> 'older_than_window' ORDER BY sh.name, e.number"""
    )


async def older(tx: Tx) -> Sequence[Any]:
    """Per shop: how many orders the platform held before the import window."""
    return await tx.rows("SELECT name AS shop, older_orders AS n FROM shop WHERE older_orders > 0 ORDER BY name")


async def exclusion_counts(tx: Tx) -> dict[str, int]:
    """Orders left out by reason, over all shops."""
    found = {
        r.reason: r.n
        for r in await tx.rows(
            "SELECT reason, count(*) AS n FROM left_out WHERE reason <> 'older_than_window' GROUP BY reason ORDER BY reason"
        )
    }
    total = sum(r.n for r in await older(tx))
    return {**found, "older_than_window": total} if total else found


async def may_pass_now(
    tx: Tx, shop_id: int, currency: str, *, contact_required: bool, closed: Sequence[str], limit: int = 500
) -> list[str]:
    """Platform ids of left-out orders that today's settings would let in. `currency` '' = any is taken.

    `closed`: the raw statuses that the first import leaves out.
    """
    rows = await tx.rows(
        """SELECT platform_order_id FROM left_out WHERE shop_id = :s
           AND ((reason = 'other_currency' AND (:any = 1 OR detail LIKE :mine))
                OR (reason = 'closed_before_import' AND NOT (detail IN :closed))
                OR (reason IN ('no_contact', 'no_customer', 'no_goods') AND :contact = 0))
           ORDER BY last_at LIMIT :n""",
        s=shop_id,
        any=int(not currency),
        mine=f"{currency} %",
        contact=int(contact_required),
        closed=list(closed),
        n=limit,
    )
    return [r.platform_order_id for r in rows]
