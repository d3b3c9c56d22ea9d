"""Several machines on one database, at the very same moment."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.base import Pipeline
from pipeline.commands import Report, report_of, work_off
from store import batches, leases


async def at_once(
    command: str, machines: Sequence[tuple[Pipeline, Sequence[int]]], arguments: Mapping[str, Any] | None = None
) -> list[Report]:
    """Let every machine run a command over its own selection, all begun together; the report of each."""
    made = []
    for number, (p, ids) in enumerate(machines):
        async with p.store.transaction() as tx:
            selection = [(i, 0) for i in ids]
            made.append((p, await batches.create(tx, command, arguments or {}, f"machine {number}", "test", selection)))
    await asyncio.gather(*(work_off(p, batch, leases.new_owner()) for p, batch in made))
    return [await report_of(p, batch) for p, batch in made]
