"""Stock back to shops: after every change each shop is told how many pieces can be promised.

Unlike a push of an order this effect has no row for each time: a quantity is absolute, the newest one wins, and telling
it twice is telling it once. What the outbox promises is kept by `store.stock_pushes` all the same: a change notes itself
in the transaction that makes it, a number leaves only under the account's lease, and a note of it is written before. After
a lost answer or a killed process the platform is read before anything is written (every `push_stock` does so), and once
more when nothing of the lost number can still be on its way: until then it might arrive late, over a newer one.

The platform lowers its own number with each order it takes. Such an order lowers what we can promise when it is read, so
that both agree and nothing is written. Until it is read, our number is too high by its pieces, and writing it (for another
shop's sale, say) gives them back to the platform for a moment: a shop whose number was neither what it was told nor what
is due has sold something unread, so its orders are read at once. That moment is what a shop's buffer is for.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from connectors.contract import StockLevel, StockOutcome, StockSet
from connectors.http import WireError
from domain.clock import MINUTE, SECOND, iso
from domain.facts import ShopFacts
from domain.offering import offered, urgency
from domain.results import NotActed, Refused, Unauthorised, Unknown
from domain.words import _
from pipeline import persons
from pipeline.base import Pipeline
from pipeline.effects import Held
from pipeline.steps import step
from store import accounts, leases, outbox, stock_pushes
from store.database import Tx
from store.stock_pushes import Due

log = logging.getLogger("shipdeck.stock")

AT_ONCE = 100
"""Numbers told in one round; the connector makes of it as few calls as its platform allows."""
LOOKED_AT = 500
"""Numbers of which a round takes the most urgent."""
BREATH_S = 0.003
"""Between two transactions, so that a scan's commit comes in."""
SETTLE_MS = 60 * SECOND
SPELL_S = 5.0
READ_AGAIN_MS = 10 * SECOND
"""A shop that sells all the time is not read again sooner."""


class Chosen(Struct, frozen=True):
    """A number on its way."""

    due: Due
    level: StockLevel


class Plan(Struct):
    """One round: numbers to tell, numbers that are there already, listings of which nothing is counted."""

    chosen: list[Chosen] = []
    there: list[Due] = []
    nowhere: list[Due] = []


def is_told(row: Any, shop: ShopFacts) -> bool:
    """Is this shop told its stock? Not before it is known which orders of its first import are still to be shipped."""
    settings, can = shop.settings, shop.capabilities
    wanted = settings.keeps_stock and settings.push_stock and can.keeps_stock and can.stock_write
    return bool(wanted and shop.bound and row.first_import_done and row.cut_over != "open")


async def _shops(p: Pipeline, tx: Tx) -> tuple[set[int], set[int]]:
    """(shops that are told their stock, shops whose orders take our stock)."""
    told, keeping = set(), set()
    for row in await accounts.shops(tx):
        shop = p.shop_facts(row)
        if is_told(row, shop):
            told.add(shop.id)
        if shop.settings.keeps_stock and shop.capabilities.keeps_stock:
            keeping.add(shop.id)
    return told, keeping


async def take_note(p: Pipeline) -> None:
    """Take note of every change so far, in short transactions."""

    async def work(tx: Tx) -> int:
        told, _keeping = await _shops(p, tx)
        return await stock_pushes.take_note(tx, told)

    async with p.store.reading() as tx:
        waits = await stock_pushes.noted(tx)
    while waits:
        waits = await p.store.retrying(work) == stock_pushes.BLOCK
        await asyncio.sleep(BREATH_S)


async def due_accounts(tx: Tx) -> list[str]:
    """Accounts of shops with a number to be told."""
    return [f"shop:{shop_id}" for shop_id in await stock_pushes.due_shops(tx)]


async def serve(p: Pipeline, held: Held, stop: asyncio.Event) -> None:
    """Tell a shop the numbers that are due, under its lease; other accounts have none.

    After a spell it returns although more are due, so that whatever else fell due meanwhile has its turn.
    """
    if not held.account.startswith("shop:"):
        return
    pusher, until = _Pusher(p, held), time.monotonic() + SPELL_S
    while await pusher.round() and time.monotonic() < until:
        if stop.is_set() or held.lost:
            return


class _Pusher:
    """Tells one shop its numbers, round by round."""

    def __init__(self, p: Pipeline, held: Held) -> None:
        self.p, self.held = p, held
        self.shop_id = int(held.account.partition(":")[2])
        self.settle_ms = SETTLE_MS
        self._troubled = True
        self._random = random.Random()

    async def round(self) -> bool:
        """Tell the most urgent numbers; False when nothing is left that can be told now."""
        async with self.p.store.reading() as tx:
            plan = await self._plan(tx)
        if plan is None or not await self.p.store.retrying(lambda tx: self._begin(tx, plan)):
            return False
        step("stock.chosen")
        if not plan.chosen:
            return True
        outcomes = await self._tell([c.level for c in plan.chosen])
        step("stock.told")
        return await self.p.store.retrying(lambda tx: self._record(tx, plan.chosen, outcomes))

    async def _plan(self, tx: Tx) -> Plan | None:
        """What is told now, from one view of the database; None: nothing is due.

        What is due already and cannot have moved by itself costs no call.
        """
        row = await accounts.shop(tx, self.shop_id)
        shop = self.p.shop_facts(row)
        if not is_told(row, shop) or self.shop_id not in await stock_pushes.due_shops(tx):
            return None
        _told, keeping = await _shops(self.p, tx)
        waiting = await stock_pushes.due(tx, self.shop_id, LOOKED_AT)
        parts = await stock_pushes.parts_of(tx, [d.listing_id for d in waiting], keeping)
        install = await accounts.installed(tx)
        plan = Plan()
        urgent: list[tuple[int, Chosen]] = []
        for d in waiting:
            pieces = offered(parts.get(d.listing_id, []), shop.settings.stock_buffer, shop.settings.stock_cap)
            if pieces is None:
                plan.nowhere.append(d)
            elif pieces == d.sent and not d.look and d.unsure_at is None:
                plan.there.append(d)
            else:
                # Tries to tell the same number share a key; one that was told before has another, restored books or not:
                # a platform that knows a key answers as it did then and does nothing.
                key = f"{install}-S{d.listing_id}-{d.version}-{d.since or tx.now}"
                level = StockLevel(d.platform_product_id, d.platform_variant_id, pieces, key)
                waits = tx.now - d.since if d.since is not None else 0
                urgent.append((urgency(pieces, d.heat, waits), Chosen(d, level)))
        urgent.sort(key=lambda one: -one[0])
        plan.chosen = [c for _urgency, c in urgent[:AT_ONCE]]
        return plan

    async def _begin(self, tx: Tx, plan: Plan) -> bool:
        """Note what leaves now, before it does; False when the lease was lost. What changed since is told after it."""
        if not await leases.holds(tx, self.held.account, self.held.fence):
            self.held.lost = True
            return False
        await stock_pushes.leave(tx, plan.there, look_later=True)
        await stock_pushes.leave(tx, plan.nowhere, look_later=False)
        await stock_pushes.begin(tx, [c.due.listing_id for c in plan.chosen])
        return True

    async def _tell(self, levels: Sequence[StockLevel]) -> Sequence[StockOutcome]:
        connector: Any = await self.p.shop(self.shop_id)
        made = self.p.connector_of(self.held.account)
        assert made is not None
        http = made.binding_http
        # The lease must outlast the call, as for every effect.
        http.may_send = lambda: self.held.outlasts(int(http.timeout_s * 1000))
        self.settle_ms = int(float(made.binding_settings.get("settle_s") or SETTLE_MS / 1000) * 1000)
        try:
            outcomes: Sequence[StockOutcome] = await connector.push_stock(levels)
        except WireError as error:
            # What the client says of one call holds for the round: nobody knows how far it came.
            acted = not isinstance(error.outcome, NotActed | Unauthorised)
            return [Unknown(error.outcome.code, error.outcome.message) if acted else error.outcome] * len(levels)
        except Exception as error:
            # A defect of ours while acting: whatever was sent is read before it is sent again.
            log.exception("telling %s its stock failed in our own code", self.held.account)
            return [Unknown("own_error", type(error).__name__)] * len(levels)
        return outcomes

    async def _record(self, tx: Tx, chosen: Sequence[Chosen], outcomes: Sequence[StockOutcome]) -> bool:
        """Write what became of a round; False when the account should be left alone for a while."""
        if not await leases.holds(tx, self.held.account, self.held.fence):
            # Whoever has the lease now finds our note that these may have arrived.
            self.held.lost = True
            return False
        told: list[tuple[Due, int]] = []
        parked: list[tuple[Due, str, str]] = []
        later: list[tuple[Due, int, str, str, bool]] = []
        trouble: NotActed | Unauthorised | Unknown | None = None
        sold_unread = False
        for c, outcome in zip(chosen, outcomes, strict=True):
            match outcome:
                case StockSet(quantity=pieces, before=before):
                    told.append((c.due, pieces))
                    sold_unread = sold_unread or (c.due.sent is not None and before not in {c.due.sent, pieces})
                case Refused(code=code, message=message):
                    parked.append((c.due, code, message))
                case NotActed(code=code, message=message, retry_after_ms=wait):
                    at = tx.now + (wait if wait is not None else self._backoff(c.due.tries))
                    later.append((c.due, at, code, message, False))
                    trouble = trouble or (outcome if wait is None else None)
                case Unauthorised(code=code, message=message):
                    later.append((c.due, tx.now, code, message, False))
                    trouble = outcome
                case Unknown(code=code, message=message):
                    later.append((c.due, tx.now + self._backoff(c.due.tries), code, message, True))
                    trouble = trouble or outcome
        await stock_pushes.told(tx, told, self.settle_ms)
        await stock_pushes.refused(tx, parked)
        await stock_pushes.put_off(tx, later)
        for d, code, _message in parked:
            log.warning("%s does not take the stock of listing %d: %s", self.held.account, d.listing_id, code)
        if sold_unread:
            await self._read_orders(tx)
        if trouble is not None and (not told or isinstance(trouble, Unauthorised)):
            if trouble.code in {"lease_lost", "no_connector"}:
                return False
            # Of its own health: a shop that takes no stock is read and told of its orders all the same.
            account = stock_pushes.account_of(self.shop_id)
            paused = isinstance(trouble, Unauthorised)
            await outbox.failing(tx, account, trouble.code, trouble.message, paused=paused)
            self._troubled = True
            return False
        if told and self._troubled:
            await outbox.healthy(tx, stock_pushes.account_of(self.shop_id))
            self._troubled = False
        return True

    async def _read_orders(self, tx: Tx) -> None:
        task = await accounts.task(tx, self.held.account, "orders")
        if task is not None and (task.started_at or 0) + READ_AGAIN_MS <= tx.now:
            await accounts.hurry(tx, self.held.account, "orders")

    def _backoff(self, tries: int) -> int:
        """Full jitter, doubling, never longer than 15 minutes."""
        return int(self._random.uniform(0.5, 1.0) * min(15 * MINUTE, SECOND * 2 ** min(tries, 10)))


# ------------------------------------------------------------------ for people


async def listing(p: Pipeline, sku: str = "", shop_name: str = "") -> list[dict[str, Any]] | Refused:
    """What each shop was told, oldest waiting first: shop, sku, name, state, told, told_at, since, code, reason.

    `state`: refused (parked for a person), waits, or told.
    """
    async with p.store.reading() as tx:
        shop = await _named(tx, shop_name) if shop_name else None
        if isinstance(shop, Refused):
            return shop
        return [_shown(row) for row in await stock_pushes.listing(tx, sku, shop.id if shop is not None else 0)]


def _shown(row: Any) -> dict[str, Any]:
    state = "refused" if row.code and row.due_at is None else "waits" if row.since is not None else "told"
    return {
        "shop": row.shop,
        "sku": row.sku,
        "name": row.name,
        "state": state,
        "told": row.sent,
        "told_at": iso(row.sent_at) if row.sent_at else "",
        "since": iso(row.since) if row.since else "",
        "code": row.code,
        "reason": row.message,
    }


async def tell_again(p: Pipeline, shop_name: str, who: str) -> Refused | None:
    """Tell a shop all its numbers anew; what it refused before is tried again."""

    async def work(tx: Tx) -> Refused | None:
        person = await persons.resolve(tx, who)
        if isinstance(person, Refused):
            return person
        row = await _named(tx, shop_name)
        if isinstance(row, Refused):
            return row
        if not is_told(row, p.shop_facts(row)):
            text = _("{shop} is not told its stock: see push_stock and keeps_stock, and whether its platform takes it.")
            return Refused("stock_not_pushed", text.format(shop=row.name), "push_stock")
        await stock_pushes.tell_again(tx, row.id)
        return None

    return await p.store.retrying(work)


async def _named(tx: Tx, name: str) -> Any:
    row = await accounts.shop_named(tx, name)
    return row if row is not None else Refused("unknown_shop", _("There is no shop {name}.").format(name=name))
