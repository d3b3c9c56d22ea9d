"""Orders that are not orders here: abnormal ones with their reason, and those left out by a shop's rules.

Nothing a platform gave is dropped: it is in, or it stands here.
"""

from collections.abc import Sequence
from typing import Any

from domain.text import storable
from store import tables as t
from store.database import Tx
from store.erasing import erased
from store.packing import packed

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


async def exclude(tx: Tx, shop_id: int, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Note orders left out: (platform id, number, reason, detail)."""
    await tx.insert(
        t.left_out,
        [
            {
                "shop_id": shop_id,
                "platform_order_id": storable(pid),
                "number": storable(number),
                "reason": reason,
                "detail": storable(detail),
                "first_at": tx.now,
                "last_at": tx.now,
            }
            for pid, number, reason, detail in rows
        ],
        tail="""ON CONFLICT (shop_id, platform_order_id) DO UPDATE
                SET reason = excluded.reason, detail = excluded.detail, last_at = excluded.last_at""",
    )
    await tx.do(
        "UPDATE abnormal SET state = 'solved' WHERE shop_id = :s AND platform_order_id IN :ids AND state = 'open'",
        s=shop_id,
        ids=[r[0] for r in rows],
    )


async def quarantine(tx: Tx, shop_id: int, rows: Sequence[tuple[str, str, str, bytes]]) -> None:
    """Keep what could not become an order: (platform id, code, message, payload).

    Of an order whose people were erased neither payload nor message is kept.
    """
    rows = [(storable(pid), code, message, raw) for pid, code, message, raw in rows]
    gone = await erased(tx, shop_id, [pid for pid, _code, _message, _raw in rows])
    rows = [
        (pid, code, "" if pid in gone else message, b"" if pid in gone else raw) for pid, code, message, raw in rows
    ]
    await tx.insert(
        t.abnormal,
        [
            {
                "shop_id": shop_id,
                "platform_order_id": storable(pid),
                "code": code,
                "message": storable(message)[:2000],
                "payload": packed(raw),
                "first_at": tx.now,
                "last_at": tx.now,
            }
            for pid, code, message, raw in rows
        ],
        tail="""ON CONFLICT (shop_id, platform_order_id) DO UPDATE
                SET code = excluded.code, message = excluded.message, payload = excluded.payload,
                    last_at = excluded.last_at, tries = abnormal.tries + 1,
                    state = CASE WHEN abnormal.state = 'dismissed' THEN 'dismissed' ELSE 'open' END""",
    )
    await tx.do(
        "DELETE FROM left_out WHERE shop_id = :s AND platform_order_id IN :ids", s=shop_id, ids=[r[0] for r in rows]
    )


async def solve(tx: Tx, shop_id: int, platform_ids: Sequence[str]) -> None:
    """Orders that are as they are stored need no line among the abnormal; nothing is written where there is none."""
    open_ = await tx.rows(
        "SELECT platform_order_id FROM abnormal WHERE shop_id = :s AND state = 'open' AND platform_order_id IN :ids",
        s=shop_id,
        ids=list(platform_ids),
    )
    if open_:
        await tx.do(
            "UPDATE abnormal SET state = 'solved', last_at = :now WHERE shop_id = :s AND platform_order_id IN :ids",
            s=shop_id,
            ids=[r.platform_order_id for r in open_],
            now=tx.now,
        )


async def forget(tx: Tx, shop_id: int, platform_ids: Sequence[str]) -> None:
    """An order that is in needs no line among the excluded or abnormal any more."""
    await tx.do(
        "DELETE FROM left_out WHERE shop_id = :shop AND platform_order_id IN :ids", shop=shop_id, ids=list(platform_ids)
    )
    await tx.do(
        """UPDATE abnormal SET state = 'solved', last_at = :now
           WHERE shop_id = :shop AND platform_order_id IN :ids AND state <> 'solved'""",
        shop=shop_id,
        ids=list(platform_ids),
        now=tx.now,
    )
