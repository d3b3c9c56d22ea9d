"""A database that was brought back from an earlier moment: what is not known any more, and must be looked up first."""

import msgspec
from msgspec import Struct

from domain.clock import HOUR, MINUTE, Instant
from domain.enums import Op, PrintState
from domain.facts import ShipmentFacts
from store import accounts, stock_pushes
from store.apply import book
from store.database import Tx, as_json
from store.papers import set_print_state
from store.remembered import note

_ACCOUNT = "restored:"
READ_ORDERS, READ_ALL, READ_NUMBERS = "orders", "all", "numbers"
"""What is still to be read: of a shop its open orders (before anything is sent), then its whole import window; of a
carrier the numbers we hold."""


VOIDS_WAIT_MS = 10 * MINUTE
"""Nobody can look up a void: it waits until its shop has said whether the number is in use after all, but no longer."""


class BegunAnew(Struct, frozen=True):
    """What a restored database no longer takes for granted; counts, for the person."""

    moment: Instant
    """When the backup was made (0: nobody knows)."""
    effects: int
    """Effects that are read back before anything is sent."""
    prints: int
    """Print jobs of another machine, left to a person."""
    batches: int
    """Batches that were not at their end, and are not gone on with."""
    numbers: int
    """Free numbers of pools set aside: they may have been given out since."""
    shops: int
    """Shops that are read anew."""


async def begin_anew(tx: Tx, host: str, *, nothing_since: bool = False) -> BegunAnew:
    """Make a restored (or imported) database fit to work, in one transaction.

    Every effect that waits becomes unknown. Unless `nothing_since` (the old machine stood still since the copy was
    made), also: open batches end, free pool numbers are set aside, every bound shop is read anew, new shipments get
    references of their own, and what is asked for shipments of the backup is looked up first (`store.apply`).
    """
    await tx.unhurried()
    moment = int(await tx.value("SELECT value FROM meta WHERE key = 'backup_at'") or 0)
    moment = moment or int(await tx.value("SELECT max(at) FROM event") or 0)
    prints = await _leave_prints(tx, host)
    effects = await tx.run(
        """UPDATE effect SET state = 'unknown', unknown_since = :now, looks = 0, fence = 0, due_at = :now
           WHERE state IN ('queued', 'running', 'unknown') AND code <> 'accepted'""",
        now=tx.now,
    )
    await tx.do(
        "UPDATE effect SET due_at = :later WHERE state = 'unknown' AND op = :void",
        later=tx.now + VOIDS_WAIT_MS,
        void=Op.VOID_WAYBILL.value,
    )
    # What a third party has accepted is only listened for.
    await tx.do("UPDATE effect SET state = 'queued', due_at = :now WHERE state = 'running'", now=tx.now)
    await tx.do("UPDATE lease SET owner = '', until = 0, fence = fence + 1")
    await tx.do("DELETE FROM worker")
    await tx.do("UPDATE account_health SET fails = 0, retry_at = NULL, paused_code = '', message = ''")
    await tx.do("UPDATE sync_task SET started_at = NULL, due_at = :now WHERE due_at > :now", now=tx.now)
    await tx.do("DELETE FROM meta WHERE key IN ('backup_at', 'backup_night', 'backup_second_at', 'backup_failed')")
    batches = numbers = shops = 0
    if not nothing_since:
        batches = await tx.run(
            "UPDATE batch SET state = 'cancelled', ended_at = :now WHERE state IN ('queued', 'running')", now=tx.now
        )
        numbers = await tx.run(
            "UPDATE pool_number SET state = 'used', reference = :aside, at = :now WHERE state = 'free'",
            aside=accounts.ASIDE,
            now=tx.now,
        )
        shops = await _read_anew(tx, moment)
        await _new_references(tx)
    # What a shop was told since is not known: all of it is told anew.
    await stock_pushes.rebuild(tx)
    await tx.do(
        "INSERT INTO event (at, who, kind, data) VALUES (:now, '', 'restored', :data)",
        now=tx.now,
        data=as_json({"backup_at": moment, "effects": effects, "batches": batches, "numbers": numbers}),
    )
    return BegunAnew(moment, effects, prints, batches, numbers, shops)


async def _leave_prints(tx: Tx, host: str) -> int:
    """A job of a printer of another machine is nothing that can be looked up from here: a person looks at the paper."""
    away = [f"printer:{r.id}" for r in await tx.rows("SELECT id FROM printer WHERE host <> :h", h=host)]
    rows = await tx.rows(
        """SELECT id, payload FROM effect WHERE op = :op AND account IN :away
           AND state IN ('queued', 'running', 'unknown')""",
        op=Op.PRINT.value,
        away=away,
    )
    await tx.do(
        "UPDATE effect SET state = 'parked', code = 'cannot_look', ended_at = :now WHERE id IN :ids",
        ids=[r.id for r in rows],
        now=tx.now,
    )
    for row in rows:
        shipments = [int(i) for i in msgspec.json.decode(row.payload)["shipments"]]
        await set_print_state(tx, shipments, PrintState.UNKNOWN, "cannot_look", "")
    return len(rows)


async def _read_anew(tx: Tx, moment: Instant) -> int:
    """Cursors belong to a later moment of the platforms than our books, so that they are void.

    A number that the books hold may have been voided since, and another one taken.
    """
    bound = await tx.rows("SELECT id FROM shop WHERE bound = 1")
    await tx.do("UPDATE sync_task SET cursor = '', due_at = :now", now=tx.now)
    await tx.do("DELETE FROM meta WHERE key LIKE 'restored:%'")
    for row in bound:
        await note(tx, f"{_ACCOUNT}shop:{row.id}", READ_ORDERS)
    await note(tx, "restored_at", str(tx.now))
    for row in await tx.rows("SELECT id FROM carrier WHERE bound = 1"):
        await note(tx, f"{_ACCOUNT}carrier:{row.id}", READ_NUMBERS)
    # What was ordered shortly before the backup may not have been read by then.
    await note(tx, "restored_from", str(moment - HOUR))
    return len(bound)


async def _new_references(tx: Tx) -> None:
    """Ids that were given out after the backup will be given out again, to other orders: under another code."""
    code = await accounts.installed(tx)
    if code:
        last = int(await tx.value("SELECT coalesce(max(id), 0) FROM shipment"))
        earlier = [*await accounts.earlier_installs(tx), (last, code)]
        await note(tx, "installs_before", as_json(earlier))
        await note(tx, "install", accounts.new_code())


# ------------------------------------------------------------------ reading a shop anew


async def to_read(tx: Tx, account: str) -> str:
    """What is still to be read of an account after a restore: '' (nothing), or one of the three above."""
    return str(await tx.value("SELECT value FROM meta WHERE key = :k", k=_ACCOUNT + account) or "")


async def carriers_to_read(tx: Tx) -> list[str]:
    """Carrier accounts whose numbers are still to be looked up, and which are not in their back-off."""
    rows = await tx.rows(
        """SELECT m.key FROM meta m LEFT JOIN account_health h ON 'restored:' || h.account = m.key
           WHERE m.key LIKE 'restored:carrier:%' AND coalesce(h.retry_at, 0) <= :now""",
        now=tx.now,
    )
    return [row.key.partition(":")[2] for row in rows]


async def open_numbers(tx: Tx, carrier_id: int) -> dict[int, int]:
    """Numbers of a carrier that open shipments hold: waybill id → shipment id."""
    rows = await tx.rows(
        """SELECT w.id, w.shipment_id FROM waybill w JOIN shipment s ON s.id = w.shipment_id
           WHERE w.carrier_id = :c AND w.state = 'obtained' AND s.stage IN (3, 4) ORDER BY w.id""",
        c=carrier_id,
    )
    return {r.id: r.shipment_id for r in rows}


async def has_read(tx: Tx, account: str, next_: str) -> None:
    """One step of that is done; '' ends it."""
    if next_:
        await note(tx, _ACCOUNT + account, next_)
    else:
        await tx.do("DELETE FROM meta WHERE key = :k", k=_ACCOUNT + account)


async def let_voids_go(tx: Tx, shop_id: int) -> None:
    """A shop's open orders have been read: the voids that are still wanted need not wait for it any longer."""
    await tx.do(
        """UPDATE effect SET due_at = :now WHERE op = :void AND state = 'unknown' AND due_at > :now
           AND shipment_id IN (SELECT id FROM shipment WHERE shop_id = :shop)""",
        void=Op.VOID_WAYBILL.value,
        shop=shop_id,
        now=tx.now,
    )


async def open_shipments(tx: Tx, shop_id: int, platform_order_ids: list[str]) -> tuple[dict[str, int], list[int]]:
    """Of these platform orders: our ids, and the shipments that are still to be shipped."""
    rows = await tx.rows(
        """SELECT o.id, o.platform_order_id, s.id AS shipment_id FROM orders o JOIN submission su ON su.order_id = o.id
           JOIN shipment s ON s.id = su.shipment_id
           WHERE o.shop_id = :shop AND o.platform_order_id IN :ids AND s.stage < 5""",
        shop=shop_id,
        ids=platform_order_ids,
    )
    return {r.platform_order_id: r.id for r in rows}, sorted({r.shipment_id for r in rows})


async def shipped_outside_since(tx: Tx, shop_id: int) -> list[int]:
    """Shipments of orders that came after the backup and were shipped when this database first read them."""
    rows = await tx.rows(
        """SELECT s.id FROM shipment s JOIN orders o ON o.id = s.order_id WHERE s.shop_id = :shop AND s.stage = 5
           AND s.status = 'outside' AND s.deducted = 0
           AND s.created_at >= (SELECT CAST(value AS bigint) FROM meta WHERE key = 'restored_at')
           AND o.created_at >= (SELECT CAST(value AS bigint) FROM meta WHERE key = 'restored_from')""",
        shop=shop_id,
    )
    return [r.id for r in rows]


async def known_numbers(tx: Tx, numbers: list[str]) -> frozenset[str]:
    """Which of these numbers a waybill of ours holds."""
    rows = await tx.rows("SELECT number FROM waybill WHERE number IN :numbers", numbers=numbers)
    return frozenset(r.number for r in rows)


async def end_effects(tx: Tx, shipment_ids: list[int], void_waybills: list[int]) -> None:
    """What was to be asked of others for shipments that have left, and voids of numbers in use, is not asked any more."""
    await tx.do(
        """UPDATE effect SET state = 'withdrawn', code = 'shipped_since_backup', ended_at = :now
           WHERE state IN ('queued', 'running', 'unknown') AND ((shipment_id IN :ids
               AND op IN ('request_waybill', 'push', 'check')) OR (op = 'void_waybill' AND waybill_id IN :waybills))""",
        ids=shipment_ids,
        waybills=void_waybills,
        now=tx.now,
    )


async def take_goods(tx: Tx, facts: list[ShipmentFacts], free: dict[tuple[int, int], int]) -> list[int]:
    """Deduct what these shipments took without holding it; returns those for which not enough is there.

    Never below nothing: what was received after the backup is not known either, so the goods are to be counted.
    """
    moves, short = [], []
    for f in facts:
        for variant, wanted in ({} if f.allocated else f.wants).items():
            place = (variant, f.warehouse_id)
            taken = max(0, min(wanted, free.get(place, 0)))
            free[place] = free.get(place, 0) - taken
            if taken < wanted:
                short.append(f.id)
            if taken:
                moves.append(
                    {
                        "key": f"ship:{f.id}:{f.version}:{variant}",
                        "variant_id": variant,
                        "warehouse_id": f.warehouse_id,
                        "on_hand": -taken,
                        "reserved": 0,
                        "reason": "ship",
                        "shipment_id": f.id,
                        "who": "",
                        "at": tx.now,
                    }
                )
    await book(tx, moves)
    return short


async def book_outside(tx: Tx, shipment_ids: list[int]) -> None:
    """These were shipped from here, by the machine that is gone."""
    await tx.do(
        """UPDATE shipment SET status = 'succeeded', deducted = 1, shipped_at = :now, changed_at = :now,
               version = version + 1 WHERE id IN :ids""",
        ids=shipment_ids,
        now=tx.now,
    )
