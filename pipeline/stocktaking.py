"""Stock as people handle it: receive, adjust, count; and who loses an allocation when a count is short."""

from typing import Any

from domain.change import Change
from domain.clock import iso
from domain.enums import Stage, Status
from domain.facts import code_of
from domain.results import Refused
from domain.words import _
from pipeline import persons
from pipeline.base import Pipeline
from store import accounts, stock
from store.apply import apply
from store.database import Tx
from store.shipments import load_facts


async def change(p: Pipeline, sku: str, how: str, pieces: int, who: str) -> dict[str, Any] | Refused:
    """`how`: receive (+ pieces), adjust (± pieces) or count (= pieces). Shipments that lose stock go out of stock."""
    if how in {"receive", "count"} and pieces < 0:
        return Refused("bad_pieces", _("Pieces cannot be negative."))

    async def work(tx: Tx) -> dict[str, Any] | Refused:
        person = await persons.resolve(tx, who)
        if isinstance(person, Refused):
            return person
        variant = await stock.variant_by_sku(tx, sku)
        if variant is None:
            return Refused("unknown_sku", _("There is no product with SKU {sku}.").format(sku=sku))
        warehouse = await accounts.default_warehouse(tx)
        answer = await stock.change(
            tx,
            variant.id,
            warehouse.id,
            how,
            person,
            by=0 if how == "count" else pieces,
            to=pieces if how == "count" else None,
        )
        if isinstance(answer, Refused):
            return answer
        if answer.released:
            directory = await p.directory(tx)
            facts = await load_facts(
                tx, answer.released, directory.shops, directory.services, default_warehouse=warehouse.id
            )
            lost = Change(
                set={
                    "stage": int(Stage.TO_PRINT),
                    "status": Status.OUT_OF_STOCK.value,
                    "code": "short",
                    "reason": _("{sku}: a count found fewer").format(sku=sku),
                },
                events=(("allocation_lost", {"sku": sku}),),
            )
            await apply(tx, [(f, lost) for f in facts.values()], person)
        return {
            "sku": sku,
            "on_hand": answer.on_hand,
            "reserved": answer.reserved,
            "released": [code_of(i) for i in answer.released],
        }

    return await p.store.retrying(work)


async def listing(p: Pipeline, sku: str = "") -> list[dict[str, Any]]:
    """On hand, reserved, free and waiting shipments per tracked variant and warehouse."""
    async with p.store.reading() as tx:
        return [
            {**row._asdict(), "free": row.on_hand - row.reserved, "tracked": bool(row.tracked)}
            for row in await stock.balances(tx, sku)
        ]


async def moves(p: Pipeline, sku: str) -> list[dict[str, Any]]:
    """The ledger of a SKU, oldest first."""
    async with p.store.reading() as tx:
        return [
            {
                "at": iso(row.at),
                "reason": row.reason,
                "on_hand": row.on_hand,
                "reserved": row.reserved,
                "shipment": code_of(row.shipment_id) if row.shipment_id else "",
                "who": row.who,
            }
            for row in await stock.ledger(tx, sku)
        ]
