"""A console says that it is there, so that no other program changes the schema under it."""

import asyncio
from importlib.metadata import version

from pipeline.base import Pipeline
from store import leases
from store.upgrade import still_fits

BEAT_S = 40.0
"""Two of these and more fit into the time after which nobody counts as connected (`store.upgrade.SILENT_MS`)."""


async def be_seen(p: Pipeline) -> None:
    """Beat until cancelled, then leave. Raises `TooNew` once a newer program has migrated the database."""
    owner, started = leases.new_owner(), p.clock()
    try:
        while True:
            async with p.store.transaction() as tx:
                await still_fits(tx)
                await leases.beat(tx, owner, started, version("shipdeck"), kind="terminal")
            await asyncio.sleep(BEAT_S)
    finally:
        async with p.store.transaction() as tx:
            await leases.leave(tx, owner)
