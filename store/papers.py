"""Papers: the labels and slips a print job is made of, the jobs of a batch, and whether a label is on paper."""

from collections.abc import Sequence

from msgspec import Struct

from domain.enums import Op, PrintState
from store import tables as t
from store.accounts import earlier_installs, installed
from store.batches import Batch
from store.database import Tx, as_json


class KeptLabel(Struct, frozen=True):
    """A label as its carrier gave it."""

    media: str
    data: bytes
    pages: int


class SlipLine(Struct, frozen=True):
    """Goods on a packing slip."""

    sku: str
    name: str
    quantity: int


class SlipContents(Struct, frozen=True):
    """What a packing slip says of a shipment."""

    buyer: str
    lines: tuple[SlipLine, ...]
    order_numbers: tuple[str, ...]


async def labels(tx: Tx, shipment_ids: Sequence[int]) -> dict[int, KeptLabel]:
    """Shipment id → the label of its obtained waybill; shipments without one are left out."""
    rows = await tx.rows(
        """SELECT w.shipment_id, l.media, l.data, l.pages FROM waybill w JOIN label_file l ON l.waybill_id = w.id
           WHERE w.shipment_id IN :ids AND w.state = 'obtained'""",
        ids=list(shipment_ids),
    )
    return {r.shipment_id: KeptLabel(r.media, bytes(r.data), r.pages) for r in rows}


async def slip(tx: Tx, shipment_id: int) -> SlipContents:
    """What goes on the packing slip of a shipment."""
    rows = await tx.rows(
        """SELECT ol.sku, ol.name, sl.quantity, o.number, b.first_name, b.last_name
           FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id JOIN orders o ON o.id = ol.order_id
           LEFT JOIN buyer b ON b.order_id = o.id WHERE sl.shipment_id = :s ORDER BY o.id, ol.position""",
        s=shipment_id,
    )
    return SlipContents(
        buyer=f"{rows[0].first_name} {rows[0].last_name}".strip() if rows else "",
        lines=tuple(SlipLine(r.sku, r.name, r.quantity) for r in rows),
        order_numbers=tuple(sorted({r.number for r in rows})),
    )


async def set_print_state(
    tx: Tx, shipment_ids: Sequence[int], state: PrintState, code: str = "", reason: str = ""
) -> list[int]:
    """Tell shipments that wait for their print how it went; returns which they were.

    Others (recalled, sent back, printed otherwise meanwhile) stay as they are. Where another copy was refused, the
    earlier one is still on paper.
    """
    rows = await tx.rows(
        "SELECT id FROM shipment WHERE id IN :ids AND print_state IN ('asked', 'unknown') AND print_state <> :state",
        ids=list(shipment_ids),
        state=state.value,
    )
    waiting = [r.id for r in rows]
    printed = state in {PrintState.CONFIRMED, PrintState.SENT}
    await tx.do(
        """UPDATE shipment SET print_state = CASE WHEN :state2 = 'none' AND printed_at IS NOT NULL THEN 'sent' ELSE :state END,
               copies = copies + :printed, version = version + 1,
               changed_at = :now, printed_at = CASE WHEN :printed = 1 THEN :now ELSE printed_at END
           WHERE id IN :ids""",
        state=state.value,
        state2=state.value,
        printed=int(printed),
        now=tx.now,
        ids=waiting,
    )
    if code:
        await tx.do(
            "UPDATE shipment SET code = :code, reason = :reason WHERE id IN :ids",
            code=code,
            reason=reason[:500],
            ids=waiting,
        )
    return waiting


async def queue_jobs(tx: Tx, batch: Batch, printer_id: int, jobs: Sequence[Sequence[int]], copies: int) -> None:
    """Queue a print job for each group of shipment ids. A batch's jobs are numbered on, over all of its transactions."""
    before = int(await tx.value("SELECT count(*) FROM effect WHERE batch_id = :b AND op = 'print'", b=batch.id))
    # A restored database gives the names and ids of lost batches again; a printer must not take a job for theirs.
    mark = f":{await installed(tx)}" if await earlier_installs(tx) else ""
    await tx.insert(
        t.effect,
        [
            {
                "key": f"print:{batch.name}:{number:03d}:{batch.id}{mark}",
                "account": f"printer:{printer_id}",
                "op": Op.PRINT.value,
                "batch_id": batch.id,
                "payload": as_json(
                    {"shipments": list(members), "copies": copies, "title": f"{batch.name}-{number:03d}"}
                ),
                "due_at": tx.now,
                "created_at": tx.now,
            }
            for number, members in enumerate(jobs, before + 1)
        ],
    )
