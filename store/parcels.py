"""Parcels: everything a waybill request is made from, the label that comes back, and numbers that are to be voided."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from domain.capabilities import Service
from domain.clock import Instant
from domain.enums import EffectState, Op, Payment, Stage, Status, WaybillState
from domain.facts import CustomsFacts
from domain.records import Address
from store import outbox
from store import tables as t
from store.apply import set_waybill
from store.database import Tx, from_json
from store.shipments import ADDRESS, customs_facts


class Piece(Struct, frozen=True):
    """One order line in a parcel: how many pieces of it are inside, what one weighs, what customs is told of it."""

    order_line_id: int
    sku: str
    name: str
    quantity: int
    weight_g: int
    customs: CustomsFacts | None
    """None where the service crosses no customs border."""


class Parcel(Struct, frozen=True):
    """What a carrier is asked to carry, as it stood when the waybill was asked for (its own address and lines)."""

    waybill_id: int
    carrier_id: int
    shipment_id: int
    reference: str
    number: str
    numbered_at: Instant
    """When its number came; 0 = not yet."""
    service_code: str
    recipient: Address
    sender: Address
    pieces: tuple[Piece, ...]
    order_numbers: tuple[str, ...]
    cod_minor: int
    currency: str
    pickup_point: str


_WANTED = [WaybillState.REQUESTING.value, WaybillState.WAITING.value, WaybillState.UNKNOWN.value]


async def parcel_of(tx: Tx, waybill_id: int | None, *, held: bool = False) -> Parcel | None:
    """The parcel a waybill is wanted for; None when nobody waits for the number any more. `held`: of a number we hold."""
    wanted = [WaybillState.OBTAINED.value] if held else _WANTED
    w = await tx.row("SELECT * FROM waybill WHERE id = :id AND state IN :wanted", id=waybill_id, wanted=wanted)
    if w is None:
        return None
    service = await tx.row("SELECT code, data FROM service WHERE id = :id", id=w.service_id)
    assert service is not None
    cross_border = msgspec.json.decode(service.data, type=Service).cross_border
    address = await tx.row(f"SELECT {ADDRESS} FROM address WHERE id = :id", id=w.address_id)
    quantities: dict[int, int] = dict(from_json(w.lines))
    lines = await tx.rows(
        """SELECT ol.id, ol.order_id, ol.sku, ol.name, coalesce(ol.listing_id, 0) AS listing_id,
               coalesce((SELECT CAST(sum(v.weight_g * li.quantity) AS bigint) FROM listing_item li
                   JOIN variant v ON v.id = li.variant_id WHERE li.listing_id = ol.listing_id), 0) AS weight_g
           FROM order_line ol WHERE ol.id IN :ids ORDER BY ol.order_id, ol.position""",
        ids=list(quantities),
    )
    orders = await tx.rows(
        "SELECT id, number, payment, total_minor, currency, pickup_point FROM orders WHERE id IN :ids ORDER BY id",
        ids=sorted({ln.order_id for ln in lines}),
    )
    declared = await _declared(tx, w.shipment_id, lines) if cross_border else {}
    return Parcel(
        waybill_id=w.id,
        carrier_id=w.carrier_id,
        shipment_id=w.shipment_id,
        reference=w.reference,
        number=w.number,
        numbered_at=w.obtained_at or 0,
        service_code=service.code,
        recipient=Address(*address) if address is not None else Address(),
        sender=await _sender(tx, w.shipment_id),
        pieces=tuple(
            Piece(ln.id, ln.sku, ln.name, quantities[ln.id], ln.weight_g, declared.get(ln.id)) for ln in lines
        ),
        order_numbers=tuple(o.number for o in orders),
        cod_minor=await _cash_on_delivery(tx, orders, w.shipment_id),
        currency=orders[0].currency if orders else "",
        pickup_point=next((o.pickup_point for o in orders if o.pickup_point), ""),
    )


async def _sender(tx: Tx, shipment_id: int) -> Address:
    """Who sends it: the shipment's warehouse, else the default one."""
    row = await tx.row(
        """SELECT w.sender FROM warehouse w JOIN shipment s ON s.id = :s
           WHERE w.id = s.warehouse_id OR coalesce(s.warehouse_id, 0) = 0 ORDER BY w.is_default DESC, w.id LIMIT 1""",
        s=shipment_id,
    )
    return msgspec.convert(from_json(row.sender), Address) if row is not None else Address()


async def _cash_on_delivery(tx: Tx, orders: Sequence[Any], shipment_id: int) -> int:
    """What the courier collects: the order's whole amount with its first parcel, nothing with later ones."""
    due = 0
    for o in orders:
        if o.payment != Payment.ON_DELIVERY.value:
            continue
        first = await tx.value(
            f"""SELECT min(sl.shipment_id) FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
                JOIN shipment s ON s.id = sl.shipment_id WHERE ol.order_id = :o AND s.stage < {int(Stage.CLOSED)}""",
            o=o.id,
        )
        if first == shipment_id:
            due += int(o.total_minor)
    return due


async def _declared(tx: Tx, shipment_id: int, lines: Sequence[Any]) -> dict[int, CustomsFacts]:
    """Order line → what customs is told: the shipment's own declaration, else the goods' default."""
    found = {
        r.order_line_id: customs_facts(r)
        for r in await tx.rows("SELECT * FROM customs_line WHERE shipment_id = :s", s=shipment_id)
    }
    for ln in lines:
        if ln.id not in found:
            default = await tx.value(
                """SELECT v.customs FROM listing_item li JOIN variant v ON v.id = li.variant_id
                   WHERE li.listing_id = :l ORDER BY v.id LIMIT 1""",
                l=ln.listing_id,
            )
            found[ln.id] = msgspec.json.decode(default or "{}", type=CustomsFacts)
    return found


async def keep_label(tx: Tx, waybill_id: int, media: str, data: bytes, pages: int) -> None:
    """Keep the label of a waybill; the first one stays."""
    await tx.insert(
        t.label_file,
        [{"waybill_id": waybill_id, "media": media, "data": data, "pages": pages, "at": tx.now}],
        tail="ON CONFLICT (waybill_id) DO NOTHING",
    )


# ------------------------------------------------------------------ voiding


class ToVoid(Struct, frozen=True):
    """A number its carrier is to void."""

    waybill_id: int
    carrier_id: int
    number: str
    reference: str


async def to_void(tx: Tx, waybill_ids: Sequence[int]) -> dict[int, ToVoid]:
    """Waybill id → what to void; waybills that are not to be voided (any more) are left out."""
    rows = await tx.rows(
        "SELECT id, carrier_id, number, reference FROM waybill WHERE id IN :ids AND state = :voiding",
        ids=list(waybill_ids),
        voiding=WaybillState.VOIDING.value,
    )
    return {r.id: ToVoid(r.id, r.carrier_id, r.number, r.reference) for r in rows}


class WaitingRequest(Struct, frozen=True):
    """A queued waybill request that stands behind the void of the shipment's old number."""

    effect_id: int
    waybill_id: int
    shipment_id: int
    carrier_kind: str


async def request_behind(tx: Tx, shipment_id: int | None, void_effect_id: int) -> WaitingRequest | None:
    """The request that waits for this void, or None."""
    row = await tx.row(
        """SELECT e.id, e.waybill_id, e.shipment_id, c.kind FROM effect e JOIN waybill w ON w.id = e.waybill_id
               JOIN carrier c ON c.id = w.carrier_id
           WHERE e.shipment_id = :s AND e.op = :op AND e.state = :queued AND e.id > :id""",
        s=shipment_id,
        op=Op.REQUEST_WAYBILL.value,
        queued=EffectState.QUEUED.value,
        id=void_effect_id,
    )
    return WaitingRequest(row.id, row.waybill_id, row.shipment_id, row.kind) if row is not None else None


async def stop_request(tx: Tx, request: WaitingRequest, code: str, reason: str) -> None:
    """Withdraw a request before it is sent; its waybill, and the shipment while it still waits for one, have failed."""
    await outbox.withdraw(tx, [request.effect_id])
    failed = {"state": WaybillState.FAILED.value, "code": code, "reason": reason[:500]}
    await set_waybill(tx, request.waybill_id, failed)
    await tx.do(
        f"""UPDATE shipment SET status = '{Status.FAILED.value}', code = :code, reason = :reason, version = version + 1
            WHERE id = :s AND stage = {int(Stage.WAYBILL)}""",
        s=request.shipment_id,
        code=code,
        reason=reason[:500],
    )
