"""Turns in the life of a shop: its first import ends, its cut-over is named, it is unbound."""

from collections.abc import Mapping
from typing import Any

from domain.enums import Flag, Op, Stage, Status
from store import accounts, outbox
from store.apply import add_events
from store.database import Tx, as_json

_WAITS = f"shop_id = :s AND (flags & {int(Flag.FIRST_IMPORT)}) <> 0"
"""Shipments of a shop's first import that wait for its cut-over."""


async def end_first_import(tx: Tx, shop_id: int) -> None:
    """The first import is whole; its cut-over is open when orders wait for it."""
    waiting = await tx.value(f"SELECT 1 FROM shipment WHERE {_WAITS} LIMIT 1", s=shop_id)
    await tx.do(
        """UPDATE shop SET first_import_done = 1,
               cut_over = CASE WHEN cut_over = 'none' AND :waiting = 1 THEN 'open' ELSE cut_over END WHERE id = :s""",
        s=shop_id,
        waiting=int(waiting is not None),
    )


async def cut_over(tx: Tx, shop_id: int, choice: str, who: str) -> int:
    """Name what becomes of the orders of the first import; returns how many shipments it concerned.

    `ship_these` frees them, `already_left` books them as shipped outside: nothing is pushed, no stock moves.
    """
    lower = f"flags = flags & ~{int(Flag.FIRST_IMPORT)}"
    reviewed = f"{_WAITS} AND stage = {int(Stage.REVIEW)}"
    rows = await tx.rows(f"SELECT id, order_id FROM shipment WHERE {reviewed}", s=shop_id)
    left = f", stage = {int(Stage.SHIPPED)}, status = '{Status.OUTSIDE.value}'" if choice == "already_left" else ""
    await tx.do(
        f"UPDATE shipment SET {lower}, version = version + 1, changed_at = :now{left} WHERE {reviewed}",
        s=shop_id,
        now=tx.now,
    )
    await tx.do(f"UPDATE shipment SET {lower} WHERE {_WAITS}", s=shop_id)
    await accounts.update(tx, "shop", shop_id, {"cut_over": choice})
    await add_events(tx, [(r.id, r.order_id, f"cut_over_{choice}", {}) for r in rows], who)
    return len(rows)


async def bind_again(tx: Tx, shop_id: int, settings: Mapping[str, Any]) -> None:
    """Take an unbound shop up again where it was left."""
    values = {"bound": 1, "unbound_at": None, "settings": as_json(settings), "checked_at": tx.now}
    await accounts.update(tx, "shop", shop_id, values)
    await outbox.resume(tx, f"shop:{shop_id}")
    await tx.do("UPDATE sync_task SET enabled = 1, due_at = :now WHERE account = :a", now=tx.now, a=f"shop:{shop_id}")


async def unbind(tx: Tx, shop_id: int, who: str) -> int:
    """Stop a shop's sync and everything queued for its shipments (`shop_unbound`), forget its secrets, keep the rest.

    Voids go on: they belong to the carrier, and cost money. A result that a third party has accepted already is still
    waited for. Returns how many effects were stopped.
    """
    account = f"shop:{shop_id}"
    await accounts.update(tx, "shop", shop_id, {"bound": 0, "unbound_at": tx.now})
    await accounts.end_tasks(tx, account)
    stopped = await tx.rows(
        """SELECT e.id, e.shipment_id, e.op, e.waybill_id FROM effect e JOIN shipment s ON s.id = e.shipment_id
           WHERE s.shop_id = :s AND e.state = 'queued' AND e.code <> 'accepted' AND e.op <> 'void_waybill'""",
        s=shop_id,
    )
    await outbox.withdraw(tx, [r.id for r in stopped], "shop_unbound")
    asked = [r for r in stopped if r.op == Op.REQUEST_WAYBILL.value]
    await tx.do(
        "UPDATE waybill SET state = 'failed', code = 'shop_unbound', ended_at = :now WHERE id IN :ids",
        ids=[r.waybill_id for r in asked],
        now=tx.now,
    )
    await tx.do(
        f"""UPDATE shipment SET status = '{Status.FAILED.value}', code = 'shop_unbound', version = version + 1
            WHERE id IN :ids AND stage = {int(Stage.WAYBILL)}""",
        ids=[r.shipment_id for r in asked],
    )
    await tx.do(
        f"""UPDATE shipment SET status = '{Status.IN_STOCK.value}', code = 'shop_unbound', version = version + 1
            WHERE id IN :ids AND status = '{Status.CHECKING.value}'""",
        ids=[r.shipment_id for r in stopped if r.op == Op.CHECK.value],
    )
    pushes = [r.shipment_id for r in stopped if r.op == Op.PUSH.value]
    await tx.do(
        """UPDATE submission SET state = 'failed', code = 'shop_unbound', at = :now
           WHERE shipment_id IN :ids AND state = 'none'""",
        ids=pushes,
        now=tx.now,
    )
    await tx.do(
        f"""UPDATE shipment SET status = '{Status.FAILED.value}', code = 'shop_unbound', version = version + 1,
                changed_at = :now WHERE id IN :ids AND stage = {int(Stage.SHIPPED)}""",
        ids=pushes,
        now=tx.now,
    )
    await accounts.drop_secrets(tx, account)
    await add_events(tx, [(r.shipment_id, None, "shop_unbound", {}) for r in stopped], who)
    return len(stopped)
