"""Takes back a person's last batch, row by row, where nothing has happened to the row since and nothing left the house."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.change import Change
from domain.commands import Context
from domain.enums import EffectState, Op, WaybillState
from domain.facts import ShipmentFacts
from domain.results import Refused
from domain.words import _
from pipeline.base import Pipeline
from pipeline.steps import changed_since
from store import batches, outbox
from store.apply import apply
from store.batches import Batch, ItemResult
from store.database import Tx, from_json


async def target_of(p: Pipeline, who: str, name: str = "") -> Batch | Refused:
    """The batch to take back: the named one, else the person's last."""
    async with p.store.reading() as tx:
        batch = await (batches.by_name(tx, name) if name else batches.last_of(tx, who))
    if batch is None:
        return Refused("nothing_to_undo", _("There is no batch of {who} to take back.").format(who=who or "?"))
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
        answer = await _reverse(tx, f, row, undone_id, context, f.id in sent.shipments, sent.printed)
        if isinstance(answer, Refused):
            results.append(ItemResult(item.position, "refused", answer.code, answer.message))
        else:
            decided.append((f, answer))
            results.append(ItemResult(item.position, "done", version=f.version + 1))
    await apply(tx, decided, batch.who, batch.id)
    await batches.mark_undone(tx, undone_id)
    return results


async def _reverse(
    tx: Tx, f: ShipmentFacts, row: Any, undone_id: int, x: Context, begun: bool, printed: bool
) -> Change | Refused:
    if row.outcome != "done":
        return Refused("was_refused", _("That batch had left it alone."))
    if f.version != row.version:
        return await changed_since(tx, f.id)
    if printed:
        return Refused("printed", _("That batch printed; paper cannot be taken back."))
    if begun:
        return Refused("already_sent", _("What it queued has already been sent."))
    before = from_json(row.before)
    if before["final"]:
        return Refused("not_undoable", _("This command has no undo; use its opposite."))
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
    waybills: dict[int, dict[str, Any]] = {
        int(k): {"state": state, "ended_at": None} for k, state in before["waybills"].items()
    }
    if before["new_waybill"] and f.waybill is not None:
        waybills[f.waybill.id] = {"state": WaybillState.VOID.value}
    ops = {Op(e.op) for e in f.effects if e.batch_id == undone_id and e.state is EffectState.QUEUED}
    return Change(
        set=before["set"],
        release=before["allocated"],
        give_back=before["deducted"],
        allocate=allocate,
        waybills=waybills,
        withdraw=frozenset(ops),
        events=(("undone", {"batch": undone_id}),),
    )
