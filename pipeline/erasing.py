"""Erases the people of orders that were shipped or closed longer ago than their shop says (`redact_after`).

Short transactions, once a day by whichever worker finds it due; done twice, it does nothing the second time.
"""

import asyncio
import logging

from domain.clock import DAY
from pipeline.base import Pipeline, load_settings
from store import accounts, erasing
from store.database import Tx
from store.packing import packed

log = logging.getLogger("shipdeck.erasing")

CHUNK = 20
GAP_S = 0.003


async def daily(p: Pipeline) -> int:
    """Erase what is due, unless that was done within the last day; how many orders."""
    async with p.store.reading() as tx:
        if tx.now - await erasing.last_run(tx) < DAY:
            return 0
    return await erase_due(p)


async def erase_due(p: Pipeline) -> int:
    """Erase what is due in every shop, unbound ones included; how many orders."""
    async with p.store.reading() as tx:
        days = {s.id: load_settings(s.settings).redact_after for s in await accounts.shops(tx)}
        now = tx.now
    count = abnormal = 0
    for shop_id, keep in days.items():
        if keep:
            count += await _orders(p, shop_id, erasing.cutoff(now, keep))
            abnormal += await _abnormal(p, shop_id, erasing.cutoff(now, keep))
    if count:
        while await p.store.retrying(erasing.forget_words):
            await asyncio.sleep(GAP_S)
    await p.store.retrying(erasing.note_run)
    if count or abnormal:
        log.info("erased the people of %d orders and %d abnormal payloads", count, abnormal)
    return count


async def _orders(p: Pipeline, shop_id: int, before: int) -> int:
    count = after = 0
    while True:

        async def work(tx: Tx, after: int = after) -> list[int]:
            due = await erasing.due_orders(tx, shop_id, before, after, CHUNK)
            if due:
                await erasing.erase_orders(tx, due)
            return due

        done = await p.store.retrying(work)
        if not done:
            return count
        count, after = count + len(done), done[-1]
        await asyncio.sleep(GAP_S)


async def _abnormal(p: Pipeline, shop_id: int, before: int) -> int:
    nothing, count = packed(b""), 0
    while done := await p.store.retrying(lambda tx: erasing.erase_abnormal(tx, shop_id, before, nothing, CHUNK)):
        count += done
        await asyncio.sleep(GAP_S)
    return count
