"""Printing: a job puts the labels of up to fifty shipments on paper, in the order they were chosen."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from connectors.contract import Label, Printed, PrintRequest, Repeat
from connectors.paper.documents import Slip, SlipLine, packing_slip
from domain.enums import EffectState, Op, PrintState
from domain.facts import code_of
from domain.records import Address
from domain.results import Refused, Unknown
from pipeline.base import Pipeline
from pipeline.effects import Handler, Job, Outcome, Settled
from store import papers
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
    told = await papers.set_print_state(tx, ids, state, code, reason)
    await add_events(tx, [(i, None, event, data) for i in told], "")


async def _prepare(tx: Tx, e: Effect) -> Prepared | None:
    ids = [int(i) for i in e.payload["shipments"]]
    labels = await papers.labels(tx, ids)
    pages = []
    for shipment_id in ids:
        label = labels.get(shipment_id)
        pages.append(Label(label.media, label.data, label.pages) if label is not None else await _slip(tx, shipment_id))
    printer = int(e.account.partition(":")[2])
    request = PrintRequest(e.key, str(e.payload["title"]), tuple(pages), int(e.payload.get("copies") or 1))
    return Prepared(printer, request, ids)


async def _slip(tx: Tx, shipment_id: int) -> Label:
    """A parcel without waybill (pickup, same city) gets a packing slip in place of a label."""
    contents = await papers.slip(tx, shipment_id)
    return packing_slip(
        Slip(
            code=code_of(shipment_id),
            recipient=Address(name=contents.buyer),
            lines=tuple(SlipLine(ln.sku, ln.name, ln.quantity) for ln in contents.lines),
            order_numbers=contents.order_numbers,
        )
    )


HANDLERS: tuple[Handler, ...] = (PrintHandler(),)
