"""Completeness: per shop and day what the platform says it has, what is here, what is left out or abnormal and why, and
the difference by order number.

A proof reads and changes nothing but itself. A repair reads what differs by id and takes it over as a sync does, so that
it may run again, and stop anywhere. A day whose listing fails is not proved, and says so.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import cast

from msgspec import Struct

from connectors import registry
from connectors.contract import Gone, Listed, OrderLister, Parsed, Poison, ShopConnector
from connectors.http import WireError
from domain.clock import MINUTE, Instant, day_of, day_start, next_time
from domain.facts import ShopFacts
from domain.imports import ImportPolicy
from domain.results import Refused
from domain.text import safe, storable
from domain.words import _
from pipeline import persons
from pipeline.base import Pipeline
from pipeline.effects import Held
from pipeline.steps import step
from pipeline.sync import OrderSync, SyncStopped, policy_of, take_gone
from store import accounts, leases, proof_views, proofs
from store.apply import add_events
from store.database import Tx, chunks
from store.proof_views import CANNOT_LIST, Differs, Proof
from store.proofs import Books, HeldOrder

log = logging.getLogger("shipdeck.completeness")

TASK = "reconcile"
OVERLAP_DAYS, MOST_DAYS = 3, 31
"""A night proves the last days, more where nights were missed, at most so many."""
SLACK_MS = MINUTE
"""What was made so shortly before the last reading of the orders may not have been in it."""
RETRY_MS, MOST_RETRY_MS = 15 * MINUTE, 6 * 60 * MINUTE
ALL_DAYS = ""
"""The day of a proof that says of all days that they cannot be proved."""
MISSING, NOT_LISTED = "missing", "not_listed"
"""The platform lists it and it is nowhere here; it is here and the platform does not list it."""
WAIT_S = 30


class NotProved(Exception):
    """Days that could not be proved; the first one's reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Compared(Struct, frozen=True):
    """A day's listing beside the books."""

    books: Books
    excluded: dict[str, str]
    strangers: tuple[HeldOrder, ...]
    missing: tuple[Listed, ...]


def can_list(platform: str) -> bool:
    """Can this platform say which orders were made in a time?"""
    return registry.shop(platform).declaration.lists_orders


def explained(one: Listed, policy: ImportPolicy) -> str:
    """Why a first import has passed an order by without keeping a line of it; '' for no such reason."""
    if one.created_at >= policy.connected_at:
        return ""
    if one.created_at < policy.window_start:
        return "older_than_window"
    return "closed_before_import" if one.raw_status in policy.first_import_excludes else ""


class Proving:
    """One run over days of one shop. `fence` is checked in every transaction (None: no lease, tests only)."""

    def __init__(self, p: Pipeline, shop_id: int, lease: str = "", fence: int | None = None) -> None:
        self.p, self.shop_id = p, shop_id
        self.taking = OrderSync(p, shop_id, lease, fence)
        self.failed: list[NotProved] = []

    async def run(self, days: Sequence[date], *, repair: bool) -> int:
        """Prove each day, oldest first, and keep what came of it; returns how many orders the platform listed.

        What was made since the orders were last read is left for the next sync: a day is proved up to there.
        """
        p = self.p
        connector = await p.shop(self.shop_id)
        async with p.store.reading() as tx:
            row = await accounts.shop(tx, self.shop_id)
            task = await accounts.task(tx, f"shop:{self.shop_id}", "orders")
        if not row.first_import_done:
            raise NotProved("first_import_running", _("The first import is not whole yet: sync first."))
        if not can_list(row.platform):
            message = _("This platform cannot say which orders it has.")
            async with p.store.transaction() as tx:
                await self.taking.check_lease(tx)
                await proofs.note_failure(tx, self.shop_id, ALL_DAYS, 0, CANNOT_LIST, message)
            raise NotProved(CANNOT_LIST, message)
        shop = p.shop_facts(row)
        policy = policy_of(shop, row.currency, row.connected_at)
        read_until = min(task.started_at or 0, task.ok_at or 0) - SLACK_MS if task is not None else 0
        listed = 0
        for day in sorted(days):
            since, end = day_start(day, shop.zone), day_start(day + timedelta(days=1), shop.zone)
            before = min(end, read_until)
            try:
                if before <= since:
                    raise NotProved("not_read_yet", _("The orders of this day have not been read yet."))
                listed += await self._day(shop, policy, connector, day, since, before, repair)
            except WireError as error:
                await self._failed(shop, day, before, error.outcome.code, error.outcome.message)
            except NotProved as error:
                await self._failed(shop, day, before, error.code, str(error))
            except SyncStopped as error:
                await self._failed(shop, day, before, "sync_stopped", str(error))
        return listed

    async def _failed(self, shop: ShopFacts, day: date, until: Instant, code: str, message: str) -> None:
        log.warning("%s %s is not proved: %s", shop.name, day, code)
        self.failed.append(NotProved(code, message))
        async with self.p.store.transaction() as tx:
            await self.taking.check_lease(tx)
            await proofs.note_failure(tx, shop.id, day.isoformat(), until, code, message)

    async def _day(
        self,
        shop: ShopFacts,
        policy: ImportPolicy,
        connector: ShopConnector,
        day: date,
        since: Instant,
        before: Instant,
        repair: bool,
    ) -> int:
        listed: dict[str, Listed] = {}
        async for page in cast(OrderLister, connector).listing(since, before):
            listed.update((storable(one.platform_order_id), one) for one in page)
        step("completeness.listed")
        first = found = await self._compare(shop.id, policy, listed, since, before)
        codes: dict[str, str] = {}
        if repair and (found.missing or found.strangers):
            codes = await self._repair(shop, policy, connector, listed, found)
            found = await self._compare(shop.id, policy, listed, since, before)
        await self._keep(shop, day, before, listed, first, found, codes)
        return len(listed)

    async def _compare(
        self, shop_id: int, policy: ImportPolicy, listed: dict[str, Listed], since: Instant, before: Instant
    ) -> _Compared:
        async with self.p.store.reading() as tx:
            books = await proofs.books(tx, shop_id, list(listed))
            ours = await proofs.held_between(tx, shop_id, since, before)
        excluded: dict[str, str] = {}
        missing: list[Listed] = []
        for one_id, one in listed.items():
            if one_id in books.held or one_id in books.abnormal:
                continue
            if reason := books.excluded.get(one_id) or explained(one, policy):
                excluded[one_id] = reason
            else:
                missing.append(one)
        strangers = tuple(order for order in ours if order.platform_order_id not in listed)
        return _Compared(books, excluded, strangers, tuple(missing))

    async def _repair(
        self,
        shop: ShopFacts,
        policy: ImportPolicy,
        connector: ShopConnector,
        listed: dict[str, Listed],
        found: _Compared,
    ) -> dict[str, str]:
        """Read what differs by id and take it over; `listed` follows what was read. Returns why orders still differ, by id."""
        codes: dict[str, str] = {}
        for ids in chunks([one.platform_order_id for one in found.missing], 100):
            read = await connector.read_orders(ids)
            for gone in (one for one in read if isinstance(one, Gone)):
                listed.pop(storable(gone.platform_order_id), None)  # Deleted since it was listed.
            await self.taking.take_over(shop, policy, connector, [one for one in read if not isinstance(one, Gone)])
            step("completeness.missing_kept")
        for strangers in chunks(found.strangers, 100):
            read = await connector.read_orders([one.platform_order_id for one in strangers])
            there = [one for one in read if isinstance(one, Parsed)]
            await self.taking.take_over(shop, policy, connector, there)
            for one in there:
                o = one.order
                listed[storable(o.platform_order_id)] = Listed(
                    o.platform_order_id, o.number, o.created_at, o.raw_status
                )
            codes |= {one.platform_order_id: one.code for one in read if isinstance(one, Poison)}
            away = [ours.id for ours, one in zip(strangers, read, strict=True) if isinstance(one, Gone)]
            for part in chunks(away, 10):

                async def work(tx: Tx, part: Sequence[int] = part) -> None:
                    await self.taking.check_lease(tx)
                    await take_gone(self.p, tx, part)

                await self.p.store.retrying(work)
            step("completeness.strangers_kept")
        return codes

    async def _keep(
        self,
        shop: ShopFacts,
        day: date,
        until: Instant,
        listed: dict[str, Listed],
        first: _Compared,
        found: _Compared,
        codes: dict[str, str],
    ) -> None:
        """Write the proof, with an event for each difference that is new and each that is no more."""
        books = found.books
        abnormal = {i: code for i, code in books.abnormal.items() if i not in books.held}
        differing = _differing(found, codes)
        proof = Proof(
            shop.id,
            shop.name,
            day.isoformat(),
            until,
            listed=len(listed),
            held=len(books.held),
            excluded=len(found.excluded),
            abnormal=len(abnormal),
            missing=len(found.missing),
            strangers=len(found.strangers),
            reasons={
                "excluded": dict(sorted(Counter(found.excluded.values()).items())),
                "abnormal": dict(sorted(Counter(abnormal.values()).items())),
            },
            differing=differing,
        )

        async def work(tx: Tx) -> None:
            await self.taking.check_lease(tx)
            before = {one.platform_order_id: one for one in await proofs.differing(tx, shop.id, proof.day)}
            seen = before | {one.platform_order_id: one for one in _differing(first, {})}
            still = {one.platform_order_id for one in differing}
            new = [one for i, one in seen.items() if i not in before]
            done = [one for i, one in seen.items() if i not in still]
            for kind, ones in (("difference_found", new), ("difference_repaired", done)):
                for one in ones:
                    log.warning("%s %s: %s %s %s", shop.name, proof.day, kind, one.code, safe(one.number, 60))
                told = {"shop": shop.name, "day": proof.day}
                rows = [
                    (
                        None,
                        books.held.get(one.platform_order_id),
                        kind,
                        {**told, "number": one.number, "code": one.code},
                    )
                    for one in ones
                ]
                await add_events(tx, rows, "")
            await proofs.keep(tx, proof)

        await self.p.store.retrying(work)
        step("completeness.kept")


def _differing(found: _Compared, codes: dict[str, str]) -> tuple[Differs, ...]:
    missing = [Differs(storable(o.platform_order_id), storable(o.number), MISSING) for o in found.missing]
    return (
        *missing,
        *(Differs(o.platform_order_id, o.number, codes.get(o.platform_order_id, NOT_LISTED)) for o in found.strangers),
    )


# ------------------------------------------------------------------ when


def last_days(p: Pipeline, zone: str, days: int) -> list[date]:
    """The last whole days in a zone."""
    today = day_of(p.clock(), zone)
    return [today - timedelta(days=n) for n in range(days, 0, -1)]


async def schedule(tx: Tx, account: str, reconcile_at: str, zone: str) -> None:
    """Make or re-time the nightly proof of a shop; an empty time switches it off."""
    due = next_time(tx.now, reconcile_at, zone) if reconcile_at else tx.now
    await accounts.set_task(tx, account, TASK, 24 * 60 * MINUTE, due)
    await accounts.update_task(tx, account, TASK, {"due_at": due, "enabled": int(bool(reconcile_at))})


async def nightly(p: Pipeline, shop_id: int, fence: int) -> int:
    """Prove and repair the last days, and those of nights that were missed; returns how many orders were listed.

    Raises `NotProved` when a day could not be proved. Where none ever can, that is kept and nothing is tried again before
    the next night.
    """
    async with p.store.reading() as tx:
        row = await accounts.shop(tx, shop_id)
        task = await accounts.task(tx, f"shop:{shop_id}", TASK)
    days = OVERLAP_DAYS
    if task is not None and task.ok_at:
        missed = (day_of(p.clock(), row.zone) - day_of(task.ok_at, row.zone)).days - 1
        days = min(MOST_DAYS, OVERLAP_DAYS + max(0, missed))
    proving = Proving(p, shop_id, f"shop:{shop_id}", fence)
    try:
        listed: int = await proving.run(last_days(p, row.zone, days), repair=True)
    except NotProved as error:
        if error.code == CANNOT_LIST:
            return 0
        raise
    if proving.failed:
        raise proving.failed[0]
    return listed


def due_after(now: Instant, shop: ShopFacts, fails: int) -> Instant:
    """When the next proof is due: the next night, or earlier where this one proved nothing (`fails` in a row)."""
    if fails:
        return now + min(MOST_RETRY_MS, RETRY_MS << min(fails - 1, 10))
    return next_time(now, shop.settings.reconcile_at or "03:00", shop.zone)


async def prove(
    p: Pipeline, shop_id: int, days: Sequence[date], who: str = "", *, repair: bool = False, wait_s: float = WAIT_S
) -> list[Proof] | Refused:
    """Prove days of a bound shop from this process, under its lease; waits a while for a worker that holds it."""
    if repair and (refusal := await persons.refusal(p, who)):
        return refusal
    account = f"shop:{shop_id}"
    held = await Held.take(p, account, leases.new_owner())
    waited = 0.0
    while held is None:
        if waited >= wait_s:
            return Refused("busy", _("A worker is reading this shop: try again in a moment."))
        await p.sleep(0.5)
        waited += 0.5
        held = await Held.take(p, account, leases.new_owner())
    try:
        await Proving(p, shop_id, account, held.fence).run(days, repair=repair)
    except NotProved as error:
        return Refused(error.code, str(error))
    except SyncStopped as error:
        return Refused("sync_stopped", str(error))
    finally:
        await held.release()
    wanted = {day.isoformat() for day in days}
    return [one for one in await proof_views.listing(p.store, 100_000) if one.shop_id == shop_id and one.day in wanted]
