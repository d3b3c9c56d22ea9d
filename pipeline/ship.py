"""Shipping: the live check before it, and telling the platform after it. Both are effects of the shop's account."""

import logging
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs

from connectors.contract import Gone, Parsed, Poison, Push, Pushed, PushedInPart, PushLine, Repeat
from domain.change import Change
from domain.clock import SECOND
from domain.commands import ship, unship_check
from domain.enums import EffectState, Op, Stage, Status, Submission
from domain.facts import ShipmentFacts
from domain.results import NotActed, NotFound, Refused, Unknown
from domain.words import _
from pipeline.base import Pipeline, load_settings
from pipeline.commands import before_of, context_for
from pipeline.effects import Handler, Job, Outcome, Settled
from pipeline.sync import arrivals, policy_of, take_over_chunk
from store import accounts, batches, submissions
from store.apply import apply
from store.batches import ItemResult
from store.database import Tx
from store.outbox import Effect
from store.shipments import load_facts

log = logging.getLogger("shipdeck.ship")


# ------------------------------------------------------------------ telling the platform


class PushHandler:
    """Pushes (`Op.PUSH`): number, carrier and, once the goods are written off, the platform's shipped status."""

    op = Op.PUSH
    group = 20

    async def prepare(self, p: Pipeline, tx: Tx, effects: Sequence[Effect]) -> list[Job]:
        """What to tell, as it stands now: whether this is the order's last parcel is decided at this moment."""
        return [Job(e, await _push_of(tx, e)) for e in effects]

    async def act(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Tell the platform, many orders in one go where it can."""
        connector = await p.shop(int(account.partition(":")[2]))
        return [_in_part_is_unknown(o) for o in await connector.push([j.prepared for j in jobs])]

    async def look(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Read back; a push found in part only goes on with the missing step."""
        connector = await p.shop(int(account.partition(":")[2]))
        found = list(await connector.find_push([j.prepared for j in jobs]))
        partial = [i for i, f in enumerate(found) if isinstance(f, PushedInPart)]
        if partial:
            again = await connector.push([structs.replace(jobs[i].prepared, tell=False) for i in partial])
            for i, outcome in zip(partial, again, strict=True):
                found[i] = outcome
        return [_in_part_is_unknown(o) for o in found]

    async def record(self, p: Pipeline, tx: Tx, settled: Sequence[Settled]) -> None:
        """Submission of each order, and the worst of all submissions on the shipment."""
        told = [(s, t) for s in settled if (t := _told(s)) is not None]
        if not told:
            return
        directory = await p.directory(tx)
        ids = sorted({s.job.effect.shipment_id or 0 for s, _t in told})
        facts = await load_facts(tx, ids, directory.shops, directory.services, default_warehouse=directory.warehouse_id)
        changes = []
        for shipment_id in ids:
            f = facts[shipment_id]
            orders = {o.id for o in f.orders}
            mine = [
                (s.job.effect.order_id or 0, t)
                for s, t in told
                if s.job.effect.shipment_id == shipment_id and s.job.effect.order_id in orders
            ]
            if mine:
                changes.append((f, _submitted(f, mine)))
        await apply(tx, changes, "")
        for shop_id in {facts[s.job.effect.shipment_id or 0].shop.id for s, t in told if t.event == "push_refused"}:
            # A refusal usually means that the order changed on the platform: read it now, not in five minutes.
            await accounts.hurry(tx, f"shop:{shop_id}", "orders")

    def repeat(self, p: Pipeline, account: str, kind: str) -> tuple[Repeat, int]:
        """What the platform declares."""
        kept = p.connector_of(account)
        if kept is None:
            return Repeat.READ_BACK, 60 * SECOND
        settle = kept.binding_settings.get("settle_s")
        return kept.connector.declaration.push_repeat, int(float(settle) * 1000) if settle else 60 * SECOND


def _in_part_is_unknown(outcome: Outcome) -> Outcome:
    """Number told, status not: the read-back finds just that and goes on with the missing step."""
    if isinstance(outcome, PushedInPart):
        return Unknown("pushed_in_part", _("The number is there, the status is not yet."))
    return outcome


class _Told(Struct):
    """What one outcome means for one (shipment, order) pair."""

    state: Submission
    event: str
    number: str | None = None
    code: str = ""
    reason: str = ""
    early: bool = False


def _told(s: Settled) -> _Told | None:
    e = s.job.effect
    if e.shipment_id is None or e.order_id is None:
        return None
    match s.outcome:
        case Pushed(number=number):
            if e.payload.get("early"):
                return _Told(Submission.TRACKING_SENT, "tracking_sent", number, early=True)
            return _Told(Submission.DONE, "pushed", number)
        case Refused(code=code, message=message):
            return _Told(Submission.FAILED, "push_refused", code=code, reason=message[:500])
        case Unknown(code=code, message=message) if s.state in {EffectState.UNKNOWN, EffectState.PARKED}:
            if e.unknown and s.state is EffectState.UNKNOWN:
                return None
            return _Told(Submission.UNKNOWN, "push_unknown", code=code, reason=message[:500])
        case NotFound() if s.state is EffectState.QUEUED:
            return _Told(Submission.NONE, "push_not_found")
        case _:
            return None


def _submitted(f: ShipmentFacts, told: Sequence[tuple[int, _Told]]) -> Change:
    states: dict[int, Submission] = {o.id: o.submission for o in f.orders}
    values: dict[int, dict[str, Any]] = {}
    for order_id, t in told:
        state = t.state
        if t.early and not f.shop.capabilities.early_is_note_only:
            # The platform's early push was the whole push.
            state = Submission.DONE
        states[order_id] = state
        values[order_id] = {"state": state.value, "code": t.code, "reason": t.reason}
        if t.number is not None:
            values[order_id]["number"] = t.number
    bad = next((t for _o, t in told if t.code), None)
    return Change(
        set=_worst(f, states, bad),
        submissions=values,
        events=tuple((t.event, {"order": o, **({"code": t.code} if t.code else {})}) for o, t in told),
    )


def _worst(f: ShipmentFacts, states: dict[int, Submission], bad: _Told | None) -> dict[str, Any]:
    """The shipment's status out of all its submissions: the worst wins (failed, unknown, pushing, succeeded)."""
    if f.stage is not Stage.SHIPPED or f.status in {Status.OUTSIDE, Status.ELSEWHERE}:
        return {"code": bad.code, "reason": bad.reason} if bad else {}
    found = set(states.values())
    if Submission.FAILED in found:
        status = Status.FAILED
    elif Submission.UNKNOWN in found:
        status = Status.UNKNOWN
    elif found & {Submission.NONE, Submission.TRACKING_SENT}:
        status = Status.PUSHING
    else:
        status = Status.SUCCEEDED
    if status not in {Status.FAILED, Status.UNKNOWN}:
        return {"status": status.value, "code": "", "reason": ""}
    return {"status": status.value, "code": bad.code if bad else f.code, "reason": bad.reason if bad else f.reason}


async def _push_of(tx: Tx, e: Effect) -> Push | None:
    it = await submissions.submittable(tx, e.shipment_id, e.order_id, e.id)
    if it is None:
        return None
    number, carrier, url = "", "", ""
    if (w := it.tracking) is not None:
        wanted = load_settings(it.shop_settings).send_tracking
        number = w.tracking if wanted == "tracking" and w.tracking else w.number
        carrier = str(w.carrier_settings.get("carrier_name") or w.carrier)
        url = str(w.carrier_settings.get("tracking_url") or "").replace("{number}", number)
    return Push(
        key=e.key,
        platform_order_id=it.platform_order_id,
        number=number,
        carrier=carrier,
        url=url,
        lines=tuple(PushLine(line, quantity) for line, quantity in it.lines),
        tell=bool(number) and it.told != number,
        replaces=it.told if it.told and it.told != number else "",
        finish=it.last and not e.payload.get("early"),
        retry=e.attempts > 0 or it.tried,
    )


# ------------------------------------------------------------------ the live check


class Read(Struct, frozen=True, tag=True):
    """The orders of a shipment as they are on the platform now."""

    items: tuple[Parsed | Poison | Gone, ...]


class CheckHandler:
    """Checks (`Op.CHECK`): read the orders live in bulk; only a clean answer ships."""

    op = Op.CHECK
    group = 50

    async def prepare(self, p: Pipeline, tx: Tx, effects: Sequence[Effect]) -> list[Job]:
        """The platform ids of each shipment's orders."""
        by = await submissions.platform_orders(tx, [e.shipment_id or 0 for e in effects])
        return [Job(e, by.get(e.shipment_id or 0)) for e in effects]

    async def act(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """One bulk read for all of them."""
        connector = await p.shop(int(account.partition(":")[2]))
        wanted = sorted({pid for j in jobs for pid in j.prepared})
        found: dict[str, Parsed | Poison | Gone] = {}
        for item in await connector.read_orders(wanted):
            found[item.order.platform_order_id if isinstance(item, Parsed) else item.platform_order_id] = item
        return [Read(tuple(found[pid] for pid in j.prepared if pid in found)) for j in jobs]

    async def look(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Reading twice harms nobody."""
        return await self.act(p, account, jobs)

    async def record(self, p: Pipeline, tx: Tx, settled: Sequence[Settled]) -> None:
        """Take over what was read, then decide to ship on the fresh facts."""
        answered = [s for s in settled if s.job.effect.shipment_id is not None and s.state is not EffectState.QUEUED]
        if not answered:
            return
        shop_id = int(answered[0].job.effect.account.partition(":")[2])
        row = await accounts.shop(tx, shop_id)
        assert row is not None
        shop = p.shop_facts(row)
        policy = policy_of(shop, row.currency, row.connected_at)
        parsed = {
            i.order.platform_order_id: i
            for s in answered
            if isinstance(s.outcome, Read)
            for i in s.outcome.items
            if isinstance(i, Parsed)
        }
        await take_over_chunk(p, tx, shop, arrivals(shop, policy, list(parsed.values()), force=True))
        directory = await p.directory(tx)
        ids = [s.job.effect.shipment_id or 0 for s in answered]
        facts = await load_facts(tx, ids, directory.shops, directory.services, default_warehouse=directory.warehouse_id)
        by_batch: dict[int | None, list[tuple[ShipmentFacts, Change]]] = {}
        told: list[tuple[Effect, ShipmentFacts, Refused | None, str]] = []
        context = await context_for(tx, directory, facts.values(), "", "worker", {})
        for s in answered:
            e = s.job.effect
            f = facts[e.shipment_id or 0]
            if f.stage is not Stage.TO_PRINT or f.status is not Status.CHECKING:
                continue
            refusal, unchecked = _verdict(s, shop.settings.ship_unchecked)
            context.checked, context.unchecked = True, unchecked
            context.grace_ms = int(e.payload.get("grace_ms") or 0)
            decision = refusal or ship(f, {"close_refunds": e.payload.get("close_refunds")}, context)
            if isinstance(decision, Refused):
                refused_change = unship_check(f, decision.code, decision.message[:500])
                by_batch.setdefault(e.batch_id, []).append((f, refused_change))
                told.append((e, f, decision, ""))
            else:
                by_batch.setdefault(e.batch_id, []).append((f, decision))
                told.append((e, f, None, before_of(f, decision)))
        for batch_id, changes in by_batch.items():
            batch = await batches.get(tx, batch_id) if batch_id else None
            await apply(tx, changes, batch.who if batch else "", batch_id)
        for e, f, refused, before in told:
            await _tell_batch(tx, e, f, refused, before)

    def repeat(self, p: Pipeline, account: str, kind: str) -> tuple[Repeat, int]:
        """A read may be repeated at will."""
        return Repeat.HONOURS_KEY, 0


def _verdict(s: Settled, may_ship_unchecked: bool) -> tuple[Refused | None, bool]:
    """Does the live read stand against shipping; if there was none, may it go unchecked?"""
    match s.outcome:
        case Read(items=items):
            bad = next((i for i in items if not isinstance(i, Parsed)), None)
            if isinstance(bad, Gone):
                return Refused("order_gone", _("The order is no longer on the platform.")), False
            if bad is not None:
                return Refused(bad.code, bad.message), False
            if len(items) < len(s.job.prepared or []):
                return Refused("order_gone", _("The platform did not show the order.")), False
            return None, False
        case NotActed(code=code, message=message):
            return (None, True) if may_ship_unchecked else (Refused("check_failed", message or code), False)
        case Refused(code=code, message=message):
            return Refused("check_failed", message or code), False
        case _:
            return Refused("check_failed", _("The platform could not be read.")), False


async def _tell_batch(tx: Tx, e: Effect, f: ShipmentFacts, refused: Refused | None, before: str = "") -> None:
    """The batch that asked to ship learns how it really went; `l` and undo look there."""
    if e.batch_id is None:
        return
    if refused is not None:
        result = ItemResult(0, "refused", refused.code, refused.message, f.version + 1)
    else:
        result = ItemResult(0, "done", version=f.version + 1, before=before)
    await batches.correct(tx, e.batch_id, f.id, result)


HANDLERS: tuple[Handler, ...] = (PushHandler(), CheckHandler())
