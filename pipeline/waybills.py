"""Waybills: asking a carrier for a number and its label, voiding a number. Each is an effect; this says what it means."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

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
from domain.clock import SECOND, Instant
from domain.commands import closing, to_print
from domain.enums import EffectState, Op, Status, WaybillState
from domain.facts import CustomsFacts, ShipmentFacts, code_of
from domain.results import Accepted, NotActed, NotFound, Refused, Unknown
from domain.words import _
from pipeline.base import Directory, Pipeline
from pipeline.commands import context_for
from pipeline.effects import ACCEPTED_STEPS, Handler, Job, Outcome, Settled
from store import accounts, parcels
from store.apply import add_events, apply, set_waybill
from store.database import Tx
from store.outbox import Effect
from store.parcels import Parcel, Piece, ToVoid
from store.shipments import load_facts

log = logging.getLogger("shipdeck.waybills")


class Prepared(Struct):
    """A waybill on its way to a carrier."""

    waybill_id: int
    carrier_id: int
    request: WaybillRequest
    number: str
    numbered_at: Instant


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
        if prepared.number and connector.declaration.number_way is not NumberWay.POOL:
            # Only its label is still to come. Not every carrier could say the number again.
            known = Numbered(prepared.number)
            return await _with_label(p, prepared.carrier_id, prepared.request, known, prepared.numbered_at)
        found: LookupOutcome = await connector.lookup(prepared.request)
        if isinstance(found, Accepted):
            step = ACCEPTED_STEPS[min(job.effect.attempts, len(ACCEPTED_STEPS) - 1)]
            return found if found.poll_at else Accepted(p.clock() + step)
        if isinstance(found, NotFound):
            return found
        return await _with_label(p, prepared.carrier_id, prepared.request, found)

    async def record(self, p: Pipeline, tx: Tx, settled: Sequence[Settled]) -> None:
        """Waybills and shipments follow the answers; a shipment closed meanwhile gets its number voided."""
        mine = [s for s in settled if s.job.prepared is not None and s.job.effect.shipment_id is not None]
        if not mine:
            return
        directory = await p.directory(tx)
        facts = await _facts(tx, directory, [s.job.effect.shipment_id or 0 for s in mine])
        answers = [(facts[s.job.effect.shipment_id or 0], await _follow(tx, s)) for s in mine]
        awaited = [(f, a) for f, a in answers if f.status is not Status.CLOSING]
        await apply(tx, [(f, a.change) for f, a in awaited if a.change is not None], "")
        await _end_closing(tx, directory, [f.id for f, a in answers if a.came and f.status is Status.CLOSING])
        onward = [f.id for f, a in awaited if a.obtained and not f.held and f.shop.settings.move_to_print]
        await _move_on(tx, directory, onward)

    def repeat(self, p: Pipeline, account: str, kind: str) -> tuple[Repeat, int]:
        """What the carrier declares."""
        return _repeat(p, account)


class VoidHandler:
    """Voids (`Op.VOID_WAYBILL`): voiding a void waybill succeeds, so a lost answer is simply asked again."""

    op = Op.VOID_WAYBILL
    group = 1

    async def prepare(self, p: Pipeline, tx: Tx, effects: Sequence[Effect]) -> list[Job]:
        """Read the numbers."""
        wanted = await parcels.to_void(tx, [e.waybill_id or 0 for e in effects])
        return [Job(e, wanted.get(e.waybill_id or 0)) for e in effects]

    async def act(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Void once."""

        async def one(job: Job) -> Outcome:
            connector = await p.carrier(job.prepared.carrier_id)
            return await connector.void(job.prepared.number, job.prepared.reference)

        return await asyncio.gather(*(one(j) for j in jobs))

    async def look(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """The answer to asking again is the answer."""
        return await self.act(p, account, jobs)

    async def record(self, p: Pipeline, tx: Tx, settled: Sequence[Settled]) -> None:
        """A confirmed void frees the way for a new request; a refused one stops it."""
        for s in settled:
            e = s.job.effect
            old: ToVoid | None = s.job.prepared
            if old is None:
                continue
            if isinstance(s.outcome, Voided):
                await set_waybill(tx, old.waybill_id, {"state": WaybillState.VOID.value, "code": "", "reason": ""})
                await accounts.void_pool_number(tx, old.carrier_id, old.number)
                await add_events(tx, [(e.shipment_id, None, "waybill_void", {"number": old.number})], "")
            elif s.state is EffectState.FAILED:
                await set_waybill(tx, old.waybill_id, {"code": s.outcome.code, "reason": s.outcome.message[:500]})
                await add_events(tx, [(e.shipment_id, None, "void_refused", {"code": s.outcome.code})], "")
                await _stop_waiting_request(tx, e, s.outcome)

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


async def _stop_waiting_request(tx: Tx, void: Effect, outcome: Refused) -> None:
    """The old number cannot be voided: the new request behind it must not go out by itself."""
    request = await parcels.request_behind(tx, void.shipment_id, void.id)
    if request is None or registry.carrier(request.carrier_kind).declaration.fresh_reference_beside_live:
        return
    reason = _("The old number could not be voided: {words}").format(words=outcome.message)
    await parcels.stop_request(tx, request, "void_failed", reason)


async def _claim_number(p: Pipeline, prepared: Prepared) -> str | None:
    async with p.store.transaction() as tx:
        return await accounts.claim_pool_number(tx, prepared.carrier_id, prepared.request.reference)


async def _with_label(
    p: Pipeline, carrier_id: int, request: WaybillRequest, outcome: Any, since: Instant = 0
) -> Outcome:
    """A number counts when its label is there too; one that comes later is asked for after as long again as has passed
    `since` the number came."""
    if not isinstance(outcome, Numbered):
        return outcome
    if outcome.label is not None:
        return Obtained(outcome, outcome.label)
    connector = await p.carrier(carrier_id)
    label = await connector.label(outcome.number, structs.replace(request, number=outcome.number))
    if isinstance(label, Label):
        return Obtained(outcome, label)
    if isinstance(label, NotActed):
        passed = p.clock() - since if since else 0
        wait = label.retry_after_ms or min(max(passed, 2 * SECOND), ACCEPTED_STEPS[-1])
        return LabelAwaited(p.clock() + wait, outcome.number, numbered=outcome)
    # The number is bought; only its label is missing. It must not look like a refusal of the number.
    return LabelRefused(outcome, label)


class LabelAwaited(Accepted, frozen=True, tag=True, kw_only=True):
    """The carrier gave a number; its label comes later. The number is kept at once: it has been paid for."""

    numbered: Numbered


class LabelRefused(Struct, frozen=True, tag=True):
    """The carrier gave a number but no usable label."""

    numbered: Numbered
    why: Refused


async def _prepare(tx: Tx, e: Effect) -> Prepared | None:
    parcel = await parcels.parcel_of(tx, e.waybill_id)
    if parcel is None:
        return None
    return Prepared(parcel.waybill_id, parcel.carrier_id, request_of(parcel), parcel.number, parcel.numbered_at)


def request_of(parcel: Parcel) -> WaybillRequest:
    """What a carrier is asked about a parcel."""
    return WaybillRequest(
        reference=parcel.reference,
        service=parcel.service_code,
        recipient=parcel.recipient,
        sender=parcel.sender,
        lines=tuple(ParcelLine(x.sku, x.name, x.quantity) for x in parcel.pieces),
        weight_g=sum(x.weight_g * x.quantity for x in parcel.pieces),
        code=code_of(parcel.shipment_id),
        order_numbers=parcel.order_numbers,
        cod_minor=parcel.cod_minor,
        currency=parcel.currency,
        customs=tuple(_customs_line(x, x.customs) for x in parcel.pieces if x.customs is not None),
        pickup_point=parcel.pickup_point,
        number=parcel.number,
    )


def _customs_line(x: Piece, c: CustomsFacts) -> CustomsLine:
    return CustomsLine(
        x.sku, c.name_local, c.name_en, c.hs_code, c.origin, x.quantity, c.unit_weight_g, c.unit_value_minor
    )


class _Answer(Struct):
    """What an outcome means for a shipment: a change, and whether what it waited for came (or never will)."""

    change: Change | None = None
    obtained: bool = False
    came: bool = False


async def _follow(tx: Tx, s: Settled) -> _Answer:
    """Write an outcome on the waybill itself; say what it means for the shipment."""
    waybill_id, state = s.job.effect.waybill_id or 0, s.state
    match s.outcome:
        case Obtained(numbered=numbered, label=label):
            await _store_number(tx, s.job, numbered)
            await parcels.keep_label(tx, waybill_id, label.media, label.data, label.pages)
            return _Answer(_status(Status.OBTAINED, "waybill_obtained"), obtained=True, came=True)
        case LabelRefused(numbered=numbered, why=why):
            await _store_number(tx, s.job, numbered)
            await set_waybill(tx, waybill_id, {"code": why.code, "reason": why.message[:500]})
            return _Answer(_status(Status.OBTAINED, "waybill_obtained", why.code, why.message), came=True)
        case Accepted():
            if isinstance(s.outcome, LabelAwaited):
                await _store_number(tx, s.job, s.outcome.numbered)
            await set_waybill(tx, waybill_id, {"state": WaybillState.WAITING.value})
            return _Answer(_status(Status.WAITING, "waybill_accepted") if s.job.effect.code != "accepted" else None)
        case Refused(code=code, message=message, field=field):
            values = {"state": WaybillState.FAILED.value, "code": code, "reason": message[:500], "field": field}
            await set_waybill(tx, waybill_id, values)
            return _Answer(_status(Status.FAILED, "waybill_refused", code, message), came=True)
        case Unknown(code=code, message=message) if state in {EffectState.UNKNOWN, EffectState.PARKED}:
            values = {"state": WaybillState.UNKNOWN.value, "code": code, "reason": message[:500]}
            await set_waybill(tx, waybill_id, values)
            first = not s.job.effect.unknown or state is EffectState.PARKED
            return _Answer(_status(Status.UNKNOWN, "waybill_unknown", code, message) if first else None)
        case NotFound() if state is EffectState.QUEUED:
            # Certainly never acted on. A closing shipment wants it no more; any other asks again.
            await set_waybill(tx, waybill_id, {"state": WaybillState.REQUESTING.value})
            return _Answer(_status(Status.REQUESTING, "waybill_asked_again"), came=True)
        case _:
            return _Answer()


def _status(status: Status, event: str, code: str = "", reason: str = "") -> Change:
    data = {"code": code} if code else {}
    return Change(set={"status": status.value, "code": code, "reason": reason[:500]}, events=((event, data),))


async def _store_number(tx: Tx, job: Job, n: Numbered) -> None:
    values: dict[str, Any] = {"state": WaybillState.OBTAINED.value, "code": "", "reason": ""}
    if n.number != job.prepared.number or not job.prepared.numbered_at:
        values["obtained_at"] = tx.now
    if n.number != job.prepared.number or n.tracking or n.carrier_order:
        values |= {
            "number": n.number,
            "tracking": n.tracking,
            "carrier_order": n.carrier_order,
            "cost_minor": n.cost_minor,
            "cost_currency": n.cost_currency,
        }
    await set_waybill(tx, job.effect.waybill_id or 0, values)


async def _facts(tx: Tx, directory: Directory, ids: Sequence[int]) -> dict[int, ShipmentFacts]:
    return await load_facts(
        tx, sorted(set(ids)), directory.shops, directory.services, default_warehouse=directory.warehouse_id
    )


async def _end_closing(tx: Tx, directory: Directory, ids: Sequence[int]) -> None:
    """What a closing shipment waited for has come: now it is closed, and the number, if there is one, voided."""
    if not ids:
        return
    changes = []
    for f in (await _facts(tx, directory, ids)).values():
        ends = Status(f.code) if f.code in set(Status) else Status.DISCARDED
        changes.append((f, closing(structs.replace(f, status=Status.OBTAINED), ends, f.reason)))
    await apply(tx, changes, "")


async def _move_on(tx: Tx, directory: Directory, ids: Sequence[int]) -> None:
    """T8 by itself: allocate and go on to print."""
    if not ids:
        return
    facts = await _facts(tx, directory, ids)
    context = await context_for(tx, directory, facts.values(), "", "worker", {})
    decided = [(facts[i], to_print(facts[i], {}, context)) for i in ids]
    await apply(tx, [(f, d) for f, d in decided if isinstance(d, Change)], "")


HANDLERS: tuple[Handler, ...] = (WaybillHandler(), VoidHandler())
