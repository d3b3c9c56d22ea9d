"""After a restore: open orders and held numbers are read before anything is sent, then the whole import window.

What the platform calls shipped was shipped by the machine that is gone; it is booked as shipped from here, with the
goods. Cursors are their connectors' own text and belong to a moment our books no longer know, so that they cannot be
turned back by days; reading everything again is always right, and what did not change costs a comparison.
"""

import asyncio
import logging
from collections.abc import Sequence

from connectors.contract import NumberWay, Parsed, Repeat
from connectors.http import WireError
from connectors.registry import NoConnector
from domain.enums import DONE_ORDER
from domain.restored import number_void, shipped_since
from domain.results import NotActed, Refused, Unauthorised, Unknown
from domain.words import _
from pipeline.base import Pipeline
from pipeline.sync import SyncStopped
from pipeline.waybills import request_of
from store import leases, outbox, parcels, restored, submissions
from store.apply import add_events, apply
from store.database import Tx, chunks
from store.shipments import free_stock, load_facts

log = logging.getLogger("shipdeck.restoring")


async def to_read(p: Pipeline, account: str) -> str:
    """What is still to be read of an account after a restore; mostly nothing ('')."""
    async with p.store.reading() as tx:
        return await restored.to_read(tx, account)


async def may_send(p: Pipeline, account: str, fence: int) -> bool:
    """Read what must be known of a restored account before its first effect leaves; False while it cannot be read."""
    read = {restored.READ_ORDERS: read_open, restored.READ_NUMBERS: read_numbers}.get(await to_read(p, account))
    if read is None:
        return True
    try:
        await read(p, account, fence)
    except (WireError, NoConnector, SyncStopped) as error:
        outcome = error.outcome if isinstance(error, WireError) else None
        code = outcome.code if outcome else "no_connector"
        async with p.store.transaction() as tx:
            paused = isinstance(outcome, Unauthorised)
            await outbox.failing(tx, account, code, str(error), paused=paused)
        log.warning("%s is not read yet after the restore (%s); nothing is sent to it", account, code)
        return False
    return True


async def read_numbers(p: Pipeline, account: str, fence: int) -> int:
    """Look the numbers of open shipments up; one that was voided after the backup is void. Returns how many are."""
    carrier_id = int(account.partition(":")[2])
    connector = await p.carrier(carrier_id)
    declared = connector.declaration
    held: dict[int, int] = {}
    if declared.number_way is not NumberWay.POOL and declared.create_repeat is Repeat.READ_BACK:
        async with p.store.reading() as tx:
            held = await restored.open_numbers(tx, carrier_id)
    void = 0
    for ids in chunks(list(held), 20):
        async with p.store.reading() as tx:
            asked = [parcel for i in ids if (parcel := await parcels.parcel_of(tx, i, held=True)) is not None]
        found = await asyncio.gather(*(connector.lookup(request_of(parcel)) for parcel in asked))
        for outcome in found:
            if isinstance(outcome, NotActed | Unauthorised | Unknown):
                raise WireError(outcome)
        refused = {parcel.shipment_id: o for parcel, o in zip(asked, found, strict=True) if isinstance(o, Refused)}
        void += await _void(p, account, fence, refused)

    async def end(tx: Tx) -> None:
        await _check(tx, account, fence)
        await restored.has_read(tx, account, "")

    await p.store.retrying(end)
    log.info("%s: %d numbers were voided after the backup", account, void)
    return void


async def _void(p: Pipeline, account: str, fence: int, refused: dict[int, Refused]) -> int:
    async def work(tx: Tx) -> int:
        await _check(tx, account, fence)
        directory = await p.directory(tx)
        facts = await load_facts(
            tx, list(refused), directory.shops, directory.services, default_warehouse=directory.warehouse_id
        )
        decided = [(f, c) for f in facts.values() if (c := number_void(f, refused[f.id].message)) is not None]
        await restored.end_effects(tx, [f.id for f, _c in decided], [])
        await apply(tx, decided, "")
        return len(decided)

    return await p.store.retrying(work) if refused else 0


async def read_open(p: Pipeline, account: str, fence: int) -> int:
    """Book what of a shop's open orders has been shipped since the backup; returns how many shipments that were."""
    shop_id = int(account.partition(":")[2])
    connector = await p.shop(shop_id)
    async with p.store.reading() as tx:
        open_ = await submissions.open_orders(tx, shop_id)
    booked = 0
    for ids in chunks(open_, 100):
        read = [f.order for f in await connector.read_orders(ids) if isinstance(f, Parsed)]
        done = {o.platform_order_id: o.tracking for o in read if o.status in DONE_ORDER}
        booked += await _book(p, account, fence, shop_id, done)

    async def end(tx: Tx) -> None:
        await _check(tx, account, fence)
        await restored.has_read(tx, account, restored.READ_ALL)
        await restored.let_voids_go(tx, shop_id)

    await p.store.retrying(end)
    log.info("%s: %d shipments were shipped after the backup", account, booked)
    return booked


async def _book(p: Pipeline, account: str, fence: int, shop_id: int, done: dict[str, tuple[str, ...]]) -> int:
    async def work(tx: Tx) -> int:
        await _check(tx, account, fence)
        ours, ids = await restored.open_shipments(tx, shop_id, list(done))
        directory = await p.directory(tx)
        facts = await load_facts(tx, ids, directory.shops, directory.services, default_warehouse=directory.warehouse_id)
        known = await restored.known_numbers(tx, [n for numbers in done.values() for n in numbers])
        shown = {ours[o]: numbers for o, numbers in done.items() if o in ours}
        decided = [(f, c) for f in facts.values() if (c := shipped_since(f, shown, known, tx.now)) is not None]
        reclaimed = [w for _f, c in decided for w in c.waybills]
        await restored.end_effects(tx, [f.id for f, _c in decided], reclaimed)
        free = await free_stock(tx, [f for f, _c in decided])
        short = await restored.take_goods(tx, [f for f, _c in decided], free)
        await apply(tx, decided, "")
        await add_events(tx, [(i, None, "goods_short", {}) for i in short], "")
        return len(decided)

    return await p.store.retrying(work) if done else 0


async def ends(p: Pipeline, account: str, fence: int) -> int:
    """The whole window has been read: orders that came after the backup and have left are booked with their goods."""
    shop_id = int(account.partition(":")[2])
    async with p.store.reading() as tx:
        outside = await restored.shipped_outside_since(tx, shop_id)
    for part in chunks(outside, 100):

        async def work(tx: Tx, part: Sequence[int] = part) -> None:
            await _check(tx, account, fence)
            directory = await p.directory(tx)
            facts = await load_facts(
                tx, part, directory.shops, directory.services, default_warehouse=directory.warehouse_id
            )
            free = await free_stock(tx, facts.values())
            short = await restored.take_goods(tx, list(facts.values()), free)
            await restored.book_outside(tx, list(part))
            await add_events(tx, [(i, None, "shipped_since_backup", {}) for i in part], "")
            await add_events(tx, [(i, None, "goods_short", {}) for i in short], "")

        await p.store.retrying(work)

    async def end(tx: Tx) -> None:
        await _check(tx, account, fence)
        await restored.has_read(tx, account, "")

    await p.store.retrying(end)
    return len(outside)


async def _check(tx: Tx, account: str, fence: int) -> None:
    if not await leases.holds(tx, account, fence):
        raise SyncStopped(_("Another worker took the shop over."))
