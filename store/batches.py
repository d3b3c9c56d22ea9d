"""Batches: one command over a frozen selection, its outcome per row, and how to take it back."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from domain.clock import DAY, to_datetime
from store import tables as t
from store.database import Tx, as_json, from_json


class Batch(Struct, frozen=True):
    """A batch as it was asked for."""

    id: int
    name: str
    command: str
    arguments: dict[str, Any]
    who: str
    source: str
    state: str
    total: int
    done: int
    refused: int


class Item(Struct, frozen=True):
    """A row of a batch that has no outcome yet. `seen_version` 0 = the person saw none."""

    position: int
    shipment_id: int
    seen_version: int


class ItemResult(Struct, frozen=True):
    """What became of one row of a batch. `before` holds the old values of the columns it changed."""

    position: int
    outcome: str
    code: str = ""
    reason: str = ""
    version: int = 0
    before: str = ""


async def create(
    tx: Tx,
    command: str,
    arguments: Mapping[str, Any],
    who: str,
    source: str,
    selection: Sequence[tuple[int, int]],
) -> Batch:
    """Freeze a selection of (shipment id, version seen or 0) under a new name like `B1122-03`."""
    day = to_datetime(tx.now)
    midnight = tx.now - tx.now % 86_400_000
    number = 1 + int(await tx.value("SELECT count(*) FROM batch WHERE created_at >= :m", m=midnight))
    row = {
        "command": command,
        "arguments": as_json(arguments),
        "who": who,
        "source": source,
        "total": len(selection),
        "created_at": tx.now,
    }
    # Two commands of the same moment, or of the same day of another year: the next free name.
    name, batch_id = f"B{day:%m%d}-{number:02d}", None
    while (batch_id := await tx.try_add(t.batch, {"name": name, **row}, "name")) is None:
        number += 1
        name = (
            f"B{day:%y%m%d}-{number:02d}"
            if number > 999 or await _of_another_year(tx, name)
            else f"B{day:%m%d}-{number:02d}"
        )
    await tx.insert(
        t.batch_item,
        [
            {"batch_id": batch_id, "position": position, "shipment_id": shipment, "seen_version": seen}
            for position, (shipment, seen) in enumerate(selection)
        ],
    )
    return Batch(batch_id, name, command, dict(arguments), who, source, "queued", len(selection), 0, 0)


async def _of_another_year(tx: Tx, name: str) -> bool:
    made = await tx.value("SELECT created_at FROM batch WHERE name = :n", n=name)
    return made is not None and tx.now - int(made) > 180 * DAY


async def get(tx: Tx, batch_id: int) -> Batch | None:
    """A batch by id."""
    row = await tx.row("SELECT * FROM batch WHERE id = :id", id=batch_id)
    return _batch(row) if row else None


async def by_name(tx: Tx, name: str) -> Batch | None:
    """A batch by name."""
    row = await tx.row("SELECT * FROM batch WHERE name = :n", n=name.upper())
    return _batch(row) if row else None


async def last_of(tx: Tx, who: str) -> Batch | None:
    """The newest batch of a person that is neither an undo nor undone."""
    row = await tx.row(
        "SELECT * FROM batch WHERE who = :who AND command <> 'undo' AND undone = 0 AND done > 0 ORDER BY id DESC LIMIT 1",
        who=who,
    )
    return _batch(row) if row else None


def _batch(r: Any) -> Batch:
    return Batch(r.id, r.name, r.command, from_json(r.arguments), r.who, r.source, r.state, r.total, r.done, r.refused)


async def unfinished(tx: Tx) -> list[Batch]:
    """Batches that wait for a worker, or whose worker may have died."""
    rows = await tx.rows("SELECT * FROM batch WHERE state IN ('queued', 'running') ORDER BY id")
    return [_batch(r) for r in rows]


async def next_items(tx: Tx, batch_id: int, limit: int) -> list[Item]:
    """The next rows of a batch that have no outcome yet."""
    rows = await tx.rows(
        """SELECT position, shipment_id, seen_version FROM batch_item WHERE batch_id = :b AND outcome = ''
           ORDER BY position LIMIT :n""",
        b=batch_id,
        n=limit,
    )
    return [Item(*row) for row in rows]


async def record(tx: Tx, batch_id: int, results: Sequence[ItemResult]) -> None:
    """Write outcomes, in the transaction that made them true. A batch that was ended meanwhile stays ended."""
    await tx.many(
        """UPDATE batch_item SET outcome = :outcome, code = :code, reason = :reason, version = :version,
               before = :before WHERE batch_id = :batch AND position = :position""",
        [
            {
                "batch": batch_id,
                "position": r.position,
                "outcome": r.outcome,
                "code": r.code,
                "reason": r.reason[:500],
                "version": r.version,
                "before": r.before,
            }
            for r in results
        ],
    )
    await tx.do(
        """UPDATE batch SET state = CASE state WHEN 'queued' THEN 'running' ELSE state END, done = done + :d,
               refused = refused + :r WHERE id = :b""",
        d=sum(r.outcome == "done" for r in results),
        r=sum(r.outcome == "refused" for r in results),
        b=batch_id,
    )


async def correct(tx: Tx, batch_id: int, shipment_id: int, result: ItemResult) -> None:
    """A row that counted as done was still under way: write what became of it in the end.

    The position of `result` is not looked at: a batch holds a shipment once.
    """
    if result.outcome == "refused":
        await tx.do(
            """UPDATE batch SET done = done - 1, refused = refused + 1 WHERE id = :b
               AND EXISTS (SELECT 1 FROM batch_item WHERE batch_id = :b2 AND shipment_id = :s)""",
            b=batch_id,
            b2=batch_id,
            s=shipment_id,
        )
    await tx.do(
        """UPDATE batch_item SET outcome = :outcome, code = :code, reason = :reason, version = :version, before = :before
           WHERE batch_id = :b AND shipment_id = :s""",
        b=batch_id,
        s=shipment_id,
        outcome=result.outcome,
        code=result.code,
        reason=result.reason[:500],
        version=result.version,
        before=result.before,
    )


async def finish(tx: Tx, batch_id: int) -> None:
    """Nothing of the batch is left to do; a cancelled one stays cancelled."""
    await tx.do(
        "UPDATE batch SET state = 'done', ended_at = :now WHERE id = :b AND state <> 'cancelled'",
        now=tx.now,
        b=batch_id,
    )
    await _forget_what_was_written(tx, batch_id)


async def cancel(tx: Tx, batch_id: int) -> bool:
    """End a batch that is queued or at work; False when it had ended."""
    ended = await tx.run(
        "UPDATE batch SET state = 'cancelled', ended_at = :now WHERE id = :b AND state IN ('queued', 'running')",
        now=tx.now,
        b=batch_id,
    )
    await _forget_what_was_written(tx, batch_id)
    return ended == 1


async def _forget_what_was_written(tx: Tx, batch_id: int) -> None:
    """An address or a note stands where it belongs, and can be erased there; a batch that has ended needs it no more."""
    await tx.do("UPDATE batch SET arguments = '{}' WHERE id = :b AND command IN ('address', 'note')", b=batch_id)


async def is_cancelled(tx: Tx, batch_id: int) -> bool:
    """Was the batch ended by a person? On PostgreSQL the row is locked, so that nobody ends it in mid-chunk."""
    lock = " FOR NO KEY UPDATE" if tx.dialect == "postgresql" else ""
    return bool(await tx.value(f"SELECT state FROM batch WHERE id = :b{lock}", b=batch_id) == "cancelled")


async def results(tx: Tx, batch_id: int) -> Sequence[Any]:
    """Every row of a batch with its outcome."""
    return await tx.rows("SELECT * FROM batch_item WHERE batch_id = :b ORDER BY position", b=batch_id)


async def items_of(tx: Tx, batch_id: int, shipment_ids: Sequence[int]) -> dict[int, Any]:
    """Shipment id → its row of a batch."""
    rows = await tx.rows(
        "SELECT * FROM batch_item WHERE batch_id = :b AND shipment_id IN :ids", b=batch_id, ids=list(shipment_ids)
    )
    return {r.shipment_id: r for r in rows}


async def mark_undone(tx: Tx, batch_id: int) -> None:
    """Remember that a batch was taken back."""
    await tx.do("UPDATE batch SET undone = 1 WHERE id = :b", b=batch_id)
