"""Waybills: asking a carrier for a number and its label, voiding a number. Each is an effect; this says what it means."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs

from connectors import registry
from connectors.contract import (
    CustomsLine,
    Label,
    LookupOutcome,
    Numbered,
    NumberWay,
    ParcelLine,
    Repeat,
    Voided,
    WaybillRequest,
)
from domain.change import Change
from domain.clock import SECOND
from domain.commands import closing, to_print
from domain.enums import EffectState, Op, Payment, Stage, Status, WaybillState
from domain.facts import CustomsFacts, ShipmentFacts, code_of
from domain.records import Address
from domain.results import Accepted, NotActed, NotFound, Refused, Unknown
from domain.words import _
from pipeline.base import Pipeline
from pipeline.commands import context_for
from pipeline.effects import ACCEPTED_STEPS, Handler, Job, Outcome
from store import accounts
from store import tables as t
from store.apply import add_events, apply, set_waybill
from store.database import Tx, from_json
from store.outbox import Effect
from store.shipments import load_facts

log = logging.getLogger("shipdeck.waybills")

_ADDRESS = "name, company, line1, line2, city, state, postcode, country, phone, email"


class Prepared(Struct):
    """A waybill on its way to a carrier."""

    waybill_id: int
    carrier_id: int
    request: WaybillRequest
    number: str


class Obtained(Struct, frozen=True, tag=True):
    """Number and label are there."""

    numbered: Numbered
    label: Label


class WaybillHandler:
    """Requests (`Op.REQUEST_WAYBILL`): one carrier call each, looked up by our reference when the answer was lost."""

    op = Op.REQUEST_WAYBILL
    group = 1

    async def prepare(self, p: Pipeline, tx: Tx, effects: Sequence[Effect]) -> list[Job]:
        """Build the request from what the waybill was made from: its own address version and lines."""
        return [Job(e, await _prepare(tx, e)) for e in effects]

    async def act(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Ask once."""
        return await asyncio.gather(*(self._act(p, j) for j in jobs))

    async def _act(self, p: Pipeline, job: Job) -> Outcome:
        prepared: Prepared = job.prepared
        connector = await p.carrier(prepared.carrier_id)
        request = prepared.request
        if connector.declaration.number_way is NumberWay.POOL:
            number = await _claim_number(p, prepared)
            if number is None:
                return Refused("pool_empty", _("The number pool is empty: import numbers."))
            request = structs.replace(request, number=number)
        return await _with_label(p, prepared.carrier_id, request, await connector.create(request))

    async def look(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Find it by our reference."""
        return await asyncio.gather(*(self._look(p, j) for j in jobs))

    async def _look(self, p: Pipeline, job: Job) -> Outcome:
        prepared: Prepared = job.prepared
        connector = await p.carrier(prepared.carrier_id)
        found: LookupOutcome = await connector.lookup(prepared.request)
        if isinstance(found, Accepted):
            step = ACCEPTED_STEPS[min(job.effect.attempts, len(ACCEPTED_STEPS) - 1)]
            return found if found.poll_at else Accepted(p.clock() + step)
        if isinstance(found, NotFound):
            return found
        return await _with_label(p, prepared.carrier_id, prepared.request, found)

    async def record(self, p: Pipeline, tx: Tx, job: Job, state: EffectState, outcome: Outcome) -> None:
        """Waybill and shipment follow the answer; a shipment closed meanwhile gets its number voided."""
        waybill_id = job.effect.waybill_id
        if waybill_id is None or job.effect.shipment_id is None or job.prepared is None:
            return
        directory = await p.directory(tx)
        facts = await load_facts(
            tx,
            [job.effect.shipment_id],
            directory.shops,
            directory.services,
            default_warehouse=directory.warehouse_id,
        )
        f = facts[job.effect.shipment_id]
        await _record(p, tx, f, waybill_id, state, outcome)

    def repeat(self, p: Pipeline, account: str, kind: str) -> tuple[Repeat, int]:
        """What the carrier declares."""
        return _repeat(p, account)


class VoidHandler:
    """Voids (`Op.VOID_WAYBILL`): voiding a void waybill succeeds, so a lost answer is simply asked again."""

    op = Op.VOID_WAYBILL
    group = 1

    async def prepare(self, p: Pipeline, tx: Tx, effects: Sequence[Effect]) -> list[Job]:
        """Read the numbers."""
        jobs = []
        for e in effects:
            row = await tx.row("SELECT * FROM waybill WHERE id = :id", id=e.waybill_id)
            still = row is not None and row.state == WaybillState.VOIDING.value
            jobs.append(Job(e, row if still else None))
        return jobs

    async def act(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Void once."""

        async def one(job: Job) -> Outcome:
            connector = await p.carrier(job.prepared.carrier_id)
            return await connector.void(job.prepared.number, job.prepared.reference)

        return await asyncio.gather(*(one(j) for j in jobs))

    async def look(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """The answer to asking again is the answer."""
        return await self.act(p, account, jobs)

    async def record(self, p: Pipeline, tx: Tx, job: Job, state: EffectState, outcome: Outcome) -> None:
        """A confirmed void frees the way for a new request; a refused one stops it."""
        e = job.effect
        if isinstance(outcome, Voided):
            await set_waybill(tx, e.waybill_id or 0, {"state": WaybillState.VOID.value, "code": "", "reason": ""})
            row = await tx.row("SELECT carrier_id, number FROM waybill WHERE id = :id", id=e.waybill_id)
            if row is not None:
                await accounts.void_pool_number(tx, row.carrier_id, row.number)
            await add_events(tx, [(e.shipment_id, None, "waybill_void", {"number": row.number if row else ""})], "")
            return
        if state is not EffectState.FAILED or job.prepared is None:
            return
        await set_waybill(tx, e.waybill_id or 0, {"code": outcome.code, "reason": outcome.message[:500]})
        await add_events(tx, [(e.shipment_id, None, "void_refused", {"code": outcome.code})], "")
        await _stop_waiting_request(p, tx, e, outcome)

    def repeat(self, p: Pipeline, account: str, kind: str) -> tuple[Repeat, int]:
        """Idempotent by contract."""
        return Repeat.HONOURS_KEY, 0


def _repeat(p: Pipeline, account: str) -> tuple[Repeat, int]:
    connector = p.connector_of(account)
    if connector is None:
        return Repeat.READ_BACK, 60 * SECOND
    settle = connector.binding_settings.get("settle_s")
    declaration = connector.connector.declaration
    return declaration.create_repeat, int(float(settle) * 1000) if settle else declaration.settle_ms


async def _stop_waiting_request(p: Pipeline, tx: Tx, void: Effect, outcome: Refused) -> None:
    """The old number cannot be voided: the new request behind it must not go out by itself."""
    row = await tx.row(
        """SELECT e.id, e.waybill_id, w.carrier_id FROM effect e JOIN waybill w ON w.id = e.waybill_id
           WHERE e.shipment_id = :s AND e.op = 'request_waybill' AND e.state = 'queued' AND e.id > :id""",
        s=void.shipment_id,
        id=void.id,
    )
    if row is None:
        return
    carrier = await tx.row("SELECT kind FROM carrier WHERE id = :id", id=row.carrier_id)
    if carrier is not None and registry.carrier(carrier.kind).declaration.fresh_reference_beside_live:
        return
    await tx.run("UPDATE effect SET state = 'withdrawn', ended_at = :now WHERE id = :id", id=row.id, now=tx.now)
    reason = _("The old number could not be voided: {words}").format(words=outcome.message)
    await set_waybill(
        tx, row.waybill_id, {"state": WaybillState.FAILED.value, "code": "void_failed", "reason": reason[:500]}
    )
    await tx.run(
        f"""UPDATE shipment SET status = 'failed', code = 'void_failed', reason = :r, version = version + 1
            WHERE id = :s AND stage = {int(Stage.WAYBILL)}""",
        s=void.shipment_id,
        r=reason[:500],
    )


async def _claim_number(p: Pipeline, prepared: Prepared) -> str | None:
    async with p.store.transaction() as tx:
        return await accounts.claim_pool_number(tx, prepared.carrier_id, prepared.request.reference)


async def _with_label(p: Pipeline, carrier_id: int, request: WaybillRequest, outcome: Any) -> Outcome:
    """A number counts when its label is there too; a label that comes later is asked for again."""
    if not isinstance(outcome, Numbered):
        return outcome
    if outcome.label is not None:
        return Obtained(outcome, outcome.label)
    connector = await p.carrier(carrier_id)
    label = await connector.label(outcome.number, structs.replace(request, number=outcome.number))
    if isinstance(label, Label):
        return Obtained(outcome, label)
    if isinstance(label, NotActed):
        return Accepted(p.clock() + (label.retry_after_ms or 2 * SECOND), outcome.number)
    # The number is bought; only its label is missing. It must not look like a refusal of the number.
    return LabelRefused(outcome, label)


class LabelRefused(Struct, frozen=True, tag=True):
    """The carrier gave a number but no usable label."""

    numbered: Numbered
    why: Refused


async def _prepare(tx: Tx, e: Effect) -> Prepared | None:
    w = await tx.row("SELECT * FROM waybill WHERE id = :id", id=e.waybill_id)
    if w is None or w.state not in {"requesting", "waiting", "unknown"}:
        return None
    service = await tx.row("SELECT * FROM service WHERE id = :id", id=w.service_id)
    assert service is not None
    address = await tx.row(f"SELECT {_ADDRESS} FROM address WHERE id = :id", id=w.address_id)
    pieces = dict(from_json(w.lines))
    lines = await tx.rows(
        """SELECT ol.id, ol.order_id, ol.sku, ol.name, coalesce(ol.listing_id, 0) AS listing_id, ol.quantity,
               ol.total_minor,
               coalesce((SELECT CAST(sum(v.weight_g * li.quantity) AS bigint) FROM listing_item li
                   JOIN variant v ON v.id = li.variant_id WHERE li.listing_id = ol.listing_id), 0) AS weight_g
           FROM order_line ol WHERE ol.id IN :ids ORDER BY ol.order_id, ol.position""",
        ids=list(pieces),
    )
    orders = await tx.rows(
        "SELECT * FROM orders WHERE id IN :ids ORDER BY id", ids=sorted({ln.order_id for ln in lines})
    )
    shipment = await tx.row("SELECT * FROM shipment WHERE id = :id", id=w.shipment_id)
    assert shipment is not None
    return Prepared(
        w.id,
        w.carrier_id,
        WaybillRequest(
            reference=w.reference,
            service=service.code,
            recipient=Address(*address) if address is not None else Address(),
            sender=await _sender(tx, shipment),
            lines=tuple(ParcelLine(ln.sku, ln.name, pieces[ln.id]) for ln in lines),
            weight_g=sum(ln.weight_g * pieces[ln.id] for ln in lines),
            code=code_of(w.shipment_id),
            order_numbers=tuple(o.number for o in orders),
            cod_minor=await _cod(tx, orders, w.shipment_id, pieces),
            currency=orders[0].currency if orders else "",
            customs=await _customs(tx, w, lines, pieces, service),
            pickup_point=next((o.pickup_point for o in orders if o.pickup_point), ""),
            number=w.number,
        ),
        w.number,
    )


async def _sender(tx: Tx, shipment: Any) -> Address:
    row = await tx.row(
        "SELECT sender FROM warehouse WHERE id = :id OR :id2 = 0 ORDER BY is_default DESC, id LIMIT 1",
        id=shipment.warehouse_id or 0,
        id2=shipment.warehouse_id or 0,
    )
    return msgspec.convert(from_json(row.sender), Address) if row is not None else Address()


async def _cod(tx: Tx, orders: Sequence[Any], shipment_id: int, pieces: dict[int, int]) -> int:
    """What the courier collects: the order's whole amount with its first parcel, nothing with later ones."""
    due = 0
    for o in orders:
        if o.payment != Payment.ON_DELIVERY.value:
            continue
        first = await tx.value(
            """SELECT min(sl.shipment_id) FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
               JOIN shipment s ON s.id = sl.shipment_id WHERE ol.order_id = :o AND s.stage < 6""",
            o=o.id,
        )
        if first == shipment_id:
            due += o.total_minor
    return due


async def _customs(
    tx: Tx, w: Any, lines: Sequence[Any], pieces: dict[int, int], service: Any
) -> tuple[CustomsLine, ...]:
    if not accounts.service_of(service).cross_border:
        return ()
    declared = {
        r.order_line_id: r for r in await tx.rows("SELECT * FROM customs_line WHERE shipment_id = :s", s=w.shipment_id)
    }
    made = []
    for ln in lines:
        c: Any = declared.get(ln.id)
        if c is None:
            raw = await tx.value(
                """SELECT v.customs FROM listing_item li JOIN variant v ON v.id = li.variant_id
                   WHERE li.listing_id = :l ORDER BY v.id LIMIT 1""",
                l=ln.listing_id,
            )
            c = msgspec.json.decode(raw or "{}", type=CustomsFacts)
        made.append(
            CustomsLine(
                ln.sku, c.name_local, c.name_en, c.hs_code, c.origin, pieces[ln.id], c.unit_weight_g, c.unit_value_minor
            )
        )
    return tuple(made)


async def _record(p: Pipeline, tx: Tx, f: ShipmentFacts, waybill_id: int, state: EffectState, outcome: Outcome) -> None:
    closing_down = f.status is Status.CLOSING
    ends = Status(f.code) if closing_down and f.code in set(Status) else Status.DISCARDED
    match outcome:
        case Obtained(numbered=numbered, label=label):
            await _store_number(tx, waybill_id, numbered, WaybillState.OBTAINED)
            await tx.insert(
                t.label_file,
                [
                    {
                        "waybill_id": waybill_id,
                        "media": label.media,
                        "data": label.data,
                        "pages": label.pages,
                        "at": tx.now,
                    }
                ],
                tail="ON CONFLICT (waybill_id) DO NOTHING",
            )
            await _after_number(p, tx, f, closing_down, ends)
        case LabelRefused(numbered=numbered, why=why):
            await _store_number(tx, waybill_id, numbered, WaybillState.OBTAINED)
            await set_waybill(tx, waybill_id, {"code": why.code, "reason": why.message[:500]})
            await _after_number(p, tx, f, closing_down, ends, why)
        case Accepted():
            await set_waybill(tx, waybill_id, {"state": WaybillState.WAITING.value})
            if not closing_down and f.status is not Status.WAITING:
                await _set(tx, f, {"status": Status.WAITING.value}, "waybill_accepted")
        case Refused(code=code, message=message, field=field):
            await set_waybill(
                tx,
                waybill_id,
                {"state": WaybillState.FAILED.value, "code": code, "reason": message[:500], "field": field},
            )
            if closing_down:
                await _reload_and(p, tx, f, lambda g: closing(g, ends, g.reason))
            else:
                values = {"status": Status.FAILED.value, "code": code, "reason": message[:500]}
                await _set(tx, f, values, "waybill_refused", code=code)
        case Unknown(code=code, message=message) if state in {EffectState.UNKNOWN, EffectState.PARKED}:
            await set_waybill(tx, waybill_id, {"state": WaybillState.UNKNOWN.value, "code": code, "reason": message})
            if not closing_down and f.status is not Status.UNKNOWN:
                values = {"status": Status.UNKNOWN.value, "code": code, "reason": message[:500]}
                await _set(tx, f, values, "waybill_unknown", code=code)
        case NotFound() if state is EffectState.QUEUED:
            await set_waybill(tx, waybill_id, {"state": WaybillState.REQUESTING.value})
            if not closing_down:
                await _set(tx, f, {"status": Status.REQUESTING.value, "code": "", "reason": ""}, "waybill_asked_again")
            else:
                # Certainly never acted on: nothing to buy any more.
                await tx.run(
                    """UPDATE effect SET state = 'withdrawn', ended_at = :now
                       WHERE waybill_id = :w AND op = 'request_waybill' AND state = 'queued'""",
                    w=waybill_id,
                    now=tx.now,
                )
                await set_waybill(tx, waybill_id, {"state": WaybillState.VOID.value})
                await _reload_and(p, tx, f, lambda g: closing(g, ends, g.reason))
        case _:
            pass


async def _store_number(tx: Tx, waybill_id: int, n: Numbered, state: WaybillState) -> None:
    await set_waybill(
        tx,
        waybill_id,
        {
            "state": state.value,
            "number": n.number,
            "tracking": n.tracking,
            "carrier_order": n.carrier_order,
            "cost_minor": n.cost_minor,
            "cost_currency": n.cost_currency,
            "obtained_at": tx.now,
            "code": "",
            "reason": "",
        },
    )


async def _after_number(
    p: Pipeline, tx: Tx, f: ShipmentFacts, closing_down: bool, ends: Status, why: Refused | None = None
) -> None:
    """On with the shipment: closed and voided if it was closing, else obtained, and on to print where the shop says so."""
    if closing_down:
        await _reload_and(p, tx, f, lambda g: closing(g, ends, g.reason))
        return
    values = {
        "status": Status.OBTAINED.value,
        "code": why.code if why else "",
        "reason": why.message[:500] if why else "",
    }
    await _set(tx, f, values, "waybill_obtained")
    if not f.shop.settings.move_to_print or why is not None or f.held:
        return
    directory = await p.directory(tx)
    again = await load_facts(tx, [f.id], directory.shops, directory.services, default_warehouse=directory.warehouse_id)
    context = await context_for(tx, directory, again.values(), "", "worker", {})
    decision = to_print(again[f.id], {}, context)
    if isinstance(decision, Change):
        await apply(tx, [(again[f.id], decision)], "")


async def _set(tx: Tx, f: ShipmentFacts, values: dict[str, Any], event: str, **data: Any) -> None:
    await apply(tx, [(f, Change(set=values, events=((event, data),)))], "")


async def _reload_and(p: Pipeline, tx: Tx, f: ShipmentFacts, decide: Any) -> None:
    directory = await p.directory(tx)
    facts = await load_facts(tx, [f.id], directory.shops, directory.services, default_warehouse=directory.warehouse_id)
    # What it was waiting for has come: it is no longer closing down but simply to be closed.
    g = structs.replace(facts[f.id], status=Status.OBTAINED)
    await apply(tx, [(g, decide(g))], "")


HANDLERS: tuple[Handler, ...] = (WaybillHandler(), VoidHandler())
