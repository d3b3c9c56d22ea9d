"""Takes back a person's last batch, row by row, where nothing has happened to the row since and nothing left the house."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain import guards
from domain.change import Change
from domain.commands import Context
from domain.enums import EffectState, Flag, Op, Stage, Status, WaybillState
from domain.facts import ShipmentFacts
from domain.results import Refused
from domain.words import _
from pipeline import persons
from pipeline.base import Pipeline
from pipeline.commands import changed_since
from store import batches, outbox
from store.apply import apply
from store.batches import Batch, ItemResult
from store.database import Tx, from_json
from store.outbox import Sent


async def target_of(p: Pipeline, who: str, name: str = "") -> Batch | Refused:
    """The batch to take back: the named one, else the person's last."""
    async with p.store.reading() as tx:
        person = await persons.resolve(tx, who)
        if isinstance(person, Refused):
            return person
        batch = await (batches.by_name(tx, name) if name else batches.last_of(tx, person))
    if batch is None:
        return Refused("nothing_to_undo", _("There is no batch of {who} to take back.").format(who=person or "?"))
    if batch.command == "undo":
        return Refused("nothing_to_undo", _("{name} was itself an undo.").format(name=batch.name))
    return batch


async def undo_items(
    tx: Tx, batch: Batch, items: Sequence[Any], facts: Mapping[int, ShipmentFacts], context: Context
) -> list[ItemResult]:
    """Reverse the rows of the batch named in `batch.arguments["batch_id"]` that this chunk holds."""
    undone_id = int(batch.arguments["batch_id"])
    rows = await batches.items_of(tx, undone_id, [i.shipment_id for i in items])
    sent = await outbox.sent_by(tx, undone_id)
    results: list[ItemResult] = []
    decided: list[tuple[ShipmentFacts, Change]] = []
    for item in items:
        f, row = facts[item.shipment_id], rows[item.shipment_id]
        answer = await _reverse(tx, f, row, undone_id, context, sent)
        if isinstance(answer, Refused):
            results.append(ItemResult(item.position, "refused", answer.code, answer.message))
        else:
            decided.append((f, answer))
            results.append(ItemResult(item.position, "done", version=f.version + 1))
    await apply(tx, decided, batch.who, batch.id)
    if decided:
        # Where nothing could be taken back it stays the last batch: the next undo must not reach behind it.
        await batches.mark_undone(tx, undone_id)
    return results


async def _reverse(tx: Tx, f: ShipmentFacts, row: Any, undone_id: int, x: Context, sent: Sent) -> Change | Refused:
    if refused := guards.bound(f):
        return refused
    if row.outcome != "done":
        return Refused("was_refused", _("That batch had left it alone."))
    if f.version != row.version:
        return await changed_since(tx, f.id)
    if sent.printed:
        return Refused("printed", _("That batch printed; paper cannot be taken back."))
    before = from_json(row.before)
    if before["final"]:
        return Refused("not_undoable", _("This command has no undo; use its opposite."))
    if _has_sent(f, undone_id, before, sent):
        return Refused("already_sent", _("What it queued has already been sent."))
    old: dict[str, Any] = before["set"]
    if old.get("status") == Status.CHECKING.value:
        # The check it stood in is over; before it there was stock.
        old["status"] = Status.IN_STOCK.value
    if Flag.KEPT in f.flags and not old.get("flags", Flag.KEPT) & Flag.KEPT:
        return Refused("not_undoable", _("This command has no undo; use its opposite."))
    if refused := _taken_meanwhile(f, old):
        return refused
    allocate: dict[int, int] = {}
    if before["deducted"]:
        allocate = {int(k): v for k, v in before["deducted_of"].items()}
    elif before["released"]:
        allocate = {int(k): v for k, v in before["released"].items()}
        for variant, pieces in allocate.items():
            if x.stock.get((variant, f.warehouse_id), 0) < pieces:
                return Refused("short", _("Its stock went to another shipment meanwhile."))
            x.stock[variant, f.warehouse_id] -= pieces
    if before["gave_back"]:
        return Refused("not_undoable", _("A recall is undone by shipping again."))
    waybills: dict[int, dict[str, Any]] = {}
    if before["new_waybill"] and f.waybill is not None:
        # First of all: at no moment are there two live ones.
        waybills[f.waybill.id] = {"state": WaybillState.VOID.value}
    waybills |= {int(k): {"state": state, "ended_at": None} for k, state in before["waybills"].items()}
    ops = {Op(e.op) for e in f.effects if e.batch_id == undone_id and e.state is EffectState.QUEUED}
    return Change(
        set=old,
        release=before["allocated"],
        give_back=before["deducted"],
        allocate=allocate,
        waybills=waybills,
        withdraw=frozenset(ops),
        events=(("undone", {"batch": undone_id}),),
    )


def _has_sent(f: ShipmentFacts, undone_id: int, before: Mapping[str, Any], sent: Sent) -> bool:
    """Has anything that cannot be called back begun?"""
    if not before["deducted"] and f.status is not Status.CHECKING:
        return f.id in sent.shipments
    # Shipping read the platform first, which leaves no trace there. A push that has ended has changed the shipment.
    return any(e.batch_id == undone_id and e.op is Op.PUSH and e.state is not EffectState.QUEUED for e in f.effects)


def _taken_meanwhile(f: ShipmentFacts, old: Mapping[str, Any]) -> Refused | None:
    """A closed shipment comes back only with pieces that nobody else carries by now."""
    if f.stage is not Stage.CLOSED or old.get("stage", Stage.CLOSED) == Stage.CLOSED:
        return None
    if all(line.assigned + line.quantity <= line.allowed for line in f.lines):
        return None
    return Refused("lines_taken", _("Its pieces are in another shipment, or no longer wanted."))
