"""Submissions: what a platform is told of a shipment's order, and which orders of it are read before it ships."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from domain.enums import Op, Stage
from store.database import Tx, from_json


class Tracking(Struct, frozen=True):
    """The live waybill of a shipment, as a platform may be told of it."""

    number: str
    tracking: str
    """The number buyers track by where that is another one, else empty."""
    carrier: str
    carrier_settings: dict[str, Any]


class Submittable(Struct, frozen=True):
    """What one order's platform can be told of one shipment, as it stands at this moment."""

    platform_order_id: str
    shop_settings: str
    """JSON text of the shop's settings."""
    tracking: Tracking | None
    lines: tuple[tuple[str, int], ...]
    """(platform line id, pieces) of this order in this shipment."""
    told: str | None
    """The number the platform has been told already."""
    tried: bool
    """Another push of this order in this shipment has begun before: a part of it may stand there although it failed."""
    last: bool
    """Everything of the order has been shipped, this shipment included."""


async def submittable(
    tx: Tx, shipment_id: int | None, order_id: int | None, effect_id: int | None = None
) -> Submittable | None:
    """What the effect is to tell of an order in a shipment; None when either is gone."""
    row = await tx.row(
        """SELECT o.platform_order_id, sh.settings FROM shipment s JOIN shop sh ON sh.id = s.shop_id
           JOIN orders o ON o.id = :o WHERE s.id = :s""",
        s=shipment_id,
        o=order_id,
    )
    if row is None:
        return None
    w = await tx.row(
        """SELECT w.number, w.tracking, c.name AS carrier, c.settings AS carrier_settings
           FROM waybill w JOIN carrier c ON c.id = w.carrier_id
           WHERE w.shipment_id = :s AND w.state = 'obtained' ORDER BY w.generation DESC LIMIT 1""",
        s=shipment_id,
    )
    lines = await tx.rows(
        """SELECT ol.platform_line_id, sl.quantity FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
           WHERE sl.shipment_id = :s AND ol.order_id = :o ORDER BY ol.position""",
        s=shipment_id,
        o=order_id,
    )
    told = await tx.row(
        f"""SELECT su.number, (SELECT 1 FROM effect e WHERE e.shipment_id = :s AND e.order_id = :o AND e.attempts > 0
                               AND e.op = '{Op.PUSH}' AND e.id <> :e LIMIT 1) AS tried
            FROM submission su WHERE su.shipment_id = :s AND su.order_id = :o""",
        s=shipment_id,
        o=order_id,
        e=effect_id or 0,
    )
    still_open = await tx.value(
        f"""SELECT 1 FROM order_line ol WHERE ol.order_id = :o AND ol.ships = 1 AND ol.quantity - ol.cancelled > coalesce((
               SELECT sum(sl.quantity) FROM shipment_line sl JOIN shipment x ON x.id = sl.shipment_id
               WHERE sl.order_line_id = ol.id AND x.stage = {int(Stage.SHIPPED)}), 0) LIMIT 1""",
        o=order_id,
    )
    return Submittable(
        row.platform_order_id,
        row.settings,
        Tracking(w.number, w.tracking, w.carrier, from_json(w.carrier_settings)) if w is not None else None,
        tuple((ln.platform_line_id, ln.quantity) for ln in lines),
        told.number if told is not None else None,
        bool(told is not None and told.tried),
        still_open is None,
    )


async def open_orders(tx: Tx, shop_id: int) -> list[str]:
    """Platform ids of a shop's orders that have a shipment still to be shipped."""
    rows = await tx.rows(
        f"""SELECT DISTINCT o.platform_order_id AS id FROM shipment s JOIN submission su ON su.shipment_id = s.id
            JOIN orders o ON o.id = su.order_id
            WHERE s.stage < {int(Stage.SHIPPED)} AND s.shop_id = :s ORDER BY o.platform_order_id""",
        s=shop_id,
    )
    return [row.id for row in rows]


async def platform_orders(tx: Tx, shipment_ids: Sequence[int]) -> dict[int, list[str]]:
    """Shipment id → platform ids of the orders that have lines in it."""
    found: dict[int, list[str]] = {}
    for r in await tx.rows(
        """SELECT su.shipment_id, o.platform_order_id FROM submission su JOIN orders o ON o.id = su.order_id
           WHERE su.shipment_id IN :ids AND EXISTS (SELECT 1 FROM shipment_line sl JOIN order_line ol
               ON ol.id = sl.order_line_id WHERE sl.shipment_id = su.shipment_id AND ol.order_id = su.order_id)""",
        ids=list(shipment_ids),
    ):
        found.setdefault(r.shipment_id, []).append(r.platform_order_id)
    return found
