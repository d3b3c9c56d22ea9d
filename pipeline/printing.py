"""Printing: a job puts the labels of up to fifty shipments on paper, in the order they were chosen."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from connectors.contract import Label, Printed, PrintRequest, Repeat
from connectors.labels import Slip, SlipLine, packing_slip
from domain.enums import EffectState, Op, PrintState
from domain.facts import code_of
from domain.records import Address
from domain.results import Refused, Unknown
from pipeline.base import Pipeline
from pipeline.effects import Handler, Job, Outcome, Settled
from store.apply import add_events
from store.database import Tx
from store.outbox import Effect


class Prepared(Struct):
    """A print job with its pages."""

    printer_id: int
    request: PrintRequest
    shipments: list[int]


class PrintHandler:
    """Print jobs (`Op.PRINT`): a printer that knows jobs by our key never prints one twice."""

    op = Op.PRINT
    group = 1

    async def prepare(self, p: Pipeline, tx: Tx, effects: Sequence[Effect]) -> list[Job]:
        """Collect the pages."""
        return [Job(e, await _prepare(tx, e)) for e in effects]

    async def act(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """One job after the other: pick lists depend on the order."""
        connector = await p.printer(int(account.partition(":")[2]))
        return [await connector.send(j.prepared.request) for j in jobs]

    async def look(self, p: Pipeline, account: str, jobs: Sequence[Job]) -> Sequence[Outcome]:
        """Did the job reach the printer?"""
        connector = await p.printer(int(account.partition(":")[2]))
        return [await connector.find(j.prepared.request) for j in jobs]

    async def record(self, p: Pipeline, tx: Tx, settled: Sequence[Settled]) -> None:
        """Every shipment of a job knows whether its label is on paper."""
        for s in settled:
            await self._record(p, tx, s.job, s.state, s.outcome)

    async def _record(self, p: Pipeline, tx: Tx, job: Job, state: EffectState, outcome: Outcome) -> None:
        ids = [int(i) for i in job.effect.payload["shipments"]]
        kept = p.connector_of(job.effect.account)
        confirms = bool(kept and kept.connector.declaration.confirms)
        match outcome:
            case Printed(reference=reference):
                end = PrintState.CONFIRMED if confirms else PrintState.SENT
                await _set(tx, ids, end, "printed", {"job": reference})
            case Refused(code=code, message=message):
                await _set(tx, ids, PrintState.NONE, "print_refused", {"code": code}, code, message)
            case Unknown() if state in {EffectState.UNKNOWN, EffectState.PARKED}:
                await _set(tx, ids, PrintState.UNKNOWN, "print_unknown", {})
            case _:
                pass

    def repeat(self, p: Pipeline, account: str, kind: str) -> tuple[Repeat, int]:
        """What the printer declares."""
        kept = p.connector_of(account)
        return (kept.connector.declaration.repeat if kept else Repeat.READ_BACK), 1000


async def _set(
    tx: Tx, ids: Sequence[int], state: PrintState, event: str, data: dict[str, Any], code: str = "", reason: str = ""
) -> None:
    printed = state in {PrintState.CONFIRMED, PrintState.SENT}
    await tx.run(
        """UPDATE shipment SET print_state = :state, printed_at = CASE WHEN :printed = 1 THEN :now ELSE printed_at END,
               copies = copies + :printed, version = version + 1, changed_at = :now2,
               code = CASE WHEN :code <> '' THEN :code2 ELSE code END,
               reason = CASE WHEN :code3 <> '' THEN :reason ELSE reason END
           WHERE id IN :ids AND print_state = 'asked'""",
        state=state.value,
        printed=int(printed),
        now=tx.now,
        now2=tx.now,
        code=code,
        code2=code,
        code3=code,
        reason=reason[:500],
        ids=ids,
    )
    await add_events(tx, [(i, None, event, data) for i in ids], "")


async def _prepare(tx: Tx, e: Effect) -> Prepared | None:
    ids = [int(i) for i in e.payload["shipments"]]
    rows = await tx.rows(
        """SELECT w.shipment_id, w.number, l.media, l.data, l.pages FROM waybill w JOIN label_file l ON l.waybill_id = w.id
           WHERE w.shipment_id IN :ids AND w.state = 'obtained'""",
        ids=ids,
    )
    labels = {r.shipment_id: Label(r.media, bytes(r.data), r.pages) for r in rows}
    pages = []
    for shipment_id in ids:
        label = labels.get(shipment_id)
        pages.append(label if label is not None else await _slip(tx, shipment_id))
    printer = int(e.account.partition(":")[2])
    request = PrintRequest(e.key, str(e.payload["title"]), tuple(pages), int(e.payload.get("copies") or 1))
    return Prepared(printer, request, ids)


async def _slip(tx: Tx, shipment_id: int) -> Label:
    """A parcel without waybill (pickup, same city) gets a packing slip in place of a label."""
    rows = await tx.rows(
        """SELECT ol.sku, ol.name, sl.quantity, o.number, b.first_name, b.last_name
           FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id JOIN orders o ON o.id = ol.order_id
           LEFT JOIN buyer b ON b.order_id = o.id WHERE sl.shipment_id = :s ORDER BY o.id, ol.position""",
        s=shipment_id,
    )
    buyer = f"{rows[0].first_name} {rows[0].last_name}".strip() if rows else ""
    return packing_slip(
        Slip(
            code=code_of(shipment_id),
            recipient=Address(name=buyer),
            lines=tuple(SlipLine(r.sku, r.name, r.quantity) for r in rows),
            order_numbers=tuple(sorted({r.number for r in rows})),
        )
    )


HANDLERS: tuple[Handler, ...] = (PrintHandler(),)
