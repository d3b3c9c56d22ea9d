"""Keeps orders and products of a shop true: pages stream in, each is fetched, taken over and committed before the next.

What is new becomes an order with a shipment; what changed is compared and its shipments are brought in line; what the
shop's policy leaves out is counted by reason; what cannot be an order is kept raw with its reason. Nothing is dropped.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from connectors import registry
from connectors.contract import Gone, Parsed, Poison, ShopConnector
from connectors.http import WireError
from domain.clock import Instant, months_before
from domain.enums import DEAD_ORDER, OrderStatus, Stage
from domain.facts import ShopFacts
from domain.imports import Defect, Exclusion, ImportPolicy, admit, defect
from domain.reconcile import Difference, reconcile
from domain.records import Order, Product, keepable
from domain.words import _
from pipeline.base import Directory, Pipeline
from pipeline.steps import step
from store import accounts, catalogue, intake, leases, order_changes, quarantined, shops, submissions
from store.apply import add_events, apply, raise_lines
from store.database import Tx, chunks
from store.intake import Draft, Incoming
from store.shipments import load_facts, shipments_of_orders

log = logging.getLogger("shipdeck.sync")

MAPPER = b"2"
"""Raise when the meaning of a record changes: every stored order is then compared anew, once."""
FIRST_CHUNK, CHUNK_MS, GAP_S = 50, 25, 0.003
POISON_SHARE, POISON_LEAST = 0.5, 20
"""A page with more unreadable orders than this share (and number) means the platform changed: stop and say so."""


class Counts(Struct):
    """What a sync did."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    excluded: int = 0
    abnormal: int = 0

    def add(self, other: "Counts") -> None:
        """Sum two counts."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class SyncStopped(Exception):
    """The lease was lost, or the platform's pages make no sense any more."""


def kept_form(order: Order) -> tuple[Order, bytes]:
    """The order as it can be kept, and the digest of its content, its timestamp left out: platforms touch that for nothing."""
    plain = msgspec.structs.replace(order, updated_at=0)
    kept, content = keepable(plain)
    digest = hashlib.blake2b(content + MAPPER, digest_size=16).digest()
    return order if kept is plain else msgspec.structs.replace(kept, updated_at=order.updated_at), digest


def policy_of(shop: ShopFacts, currency: str, connected_at: Instant) -> ImportPolicy:
    """A shop's import policy: its settings, the platform's defaults where a setting says so."""
    declaration = registry.shop(shop.platform).declaration
    s = shop.settings
    excludes = declaration.first_import_excludes
    if s.import_exclude:
        excludes = frozenset(x.strip() for x in s.import_exclude.split(",") if x.strip() not in {"", "-"})
    require = declaration.requires_contact if s.require_contact == "default" else s.require_contact == "yes"
    return ImportPolicy(
        connected_at=connected_at,
        window_start=months_before(connected_at, s.import_months, shop.zone),
        first_import_excludes=excludes,
        require_contact=require,
        currency="" if s.currency == "any" else s.currency or currency,
    )


def writes_delivery(shop: ShopFacts) -> bool:
    """ROA-40: delivery details become a comment, where neither the platform nor the shop says otherwise."""
    if shop.settings.delivery_comment == "default":
        return registry.shop(shop.platform).declaration.delivery_comment
    return shop.settings.delivery_comment == "yes"


class OrderSync:
    """One run over the orders of one shop. `fence` is checked in every transaction (None: no lease, tests only)."""

    def __init__(self, p: Pipeline, shop_id: int, lease: str = "", fence: int | None = None) -> None:
        self.p = p
        self.shop_id = shop_id
        self.lease, self.fence = lease, fence
        self.counts = Counts()
        self._chunk = FIRST_CHUNK
        self._listed: set[catalogue.ListingKey] = set()
        """Listings that this run has seen in the store."""

    async def run(self, *, full: bool = False) -> Counts:
        """Read every change since the cursor (or everything in the import window) and take it over."""
        p = self.p
        account = f"shop:{self.shop_id}"
        connector = await p.shop(self.shop_id)
        async with p.store.reading() as tx:
            row = await accounts.shop(tx, self.shop_id)
            task = await accounts.task(tx, account, "orders")
            assert row is not None
            shop = p.shop_facts(row)
        policy = policy_of(shop, row.currency, row.connected_at)
        first = not row.first_import_done
        cursor = "" if full or task is None else task.cursor
        since = policy.window_start if first or full else None
        older = await connector.count_orders(policy.window_start) or 0
        if older != row.older_orders:
            async with p.store.transaction() as tx:
                await self.check_lease(tx)
                await accounts.update(tx, "shop", self.shop_id, {"older_orders": older})
        async for page in connector.orders(cursor, since):
            step("sync.page_read")
            await self.take_over(shop, policy, connector, page.items, first_import=first, cursor=page.cursor)
            step("sync.page_kept")
        if not first and not registry.shop(shop.platform).declaration.sees_changes:
            await self._read_open(shop, policy, connector)
        # Left-out orders are looked at again: their page may lie before the cursor, the setting may have changed.
        if not first:
            await self._look_again(shop, policy, connector)
        if first:
            await self._end_first_import()
        return self.counts

    async def _read_open(self, shop: ShopFacts, policy: ImportPolicy, connector: ShopConnector) -> None:
        """What is still to ship is read by id where the platform cannot be asked for changes: nothing else shows them."""
        async with self.p.store.reading() as tx:
            open_ = await submissions.open_orders(tx, shop.id)
        for ids in chunks(open_, 100):
            found = await connector.read_orders(ids)
            await self.take_over(shop, policy, connector, [f for f in found if not isinstance(f, Gone)])

    async def _end_first_import(self) -> None:
        async with self.p.store.transaction() as tx:
            await self.check_lease(tx)
            await shops.end_first_import(tx, self.shop_id)

    async def _look_again(self, shop: ShopFacts, policy: ImportPolicy, connector: ShopConnector) -> None:
        """Orders left out for what a setting or the platform may have changed since (currency, contact, goods)."""
        async with self.p.store.reading() as tx:
            may_pass = await quarantined.may_pass_now(
                tx,
                shop.id,
                policy.currency,
                contact_required=policy.require_contact,
                closed=sorted(policy.first_import_excludes),
            )
        for ids in chunks(may_pass, 100):
            found = await connector.read_orders(ids)
            await self.take_over(shop, policy, connector, [f for f in found if not isinstance(f, Gone)])

    async def take_over(
        self,
        shop: ShopFacts,
        policy: ImportPolicy,
        connector: ShopConnector | None,
        items: Sequence[Parsed | Poison],
        *,
        first_import: bool = False,
        cursor: str | None = None,
    ) -> None:
        """Take a page of orders over, in transactions of about 25 ms. `cursor` moves with the last of them."""
        parsed = _newest_first_wins([i for i in items if isinstance(i, Parsed)])
        poison = [i for i in items if isinstance(i, Poison)]
        if len(poison) >= POISON_LEAST and len(poison) > POISON_SHARE * len(items):
            await self._quarantine(shop, [(i.platform_order_id, i.code, i.message, i.raw) for i in poison])
            raise SyncStopped(_("Most orders of a page cannot be read: the platform's format seems to have changed."))
        self.counts.seen += len(items)
        await self._quarantine(shop, [(i.platform_order_id, i.code, i.message, i.raw) for i in poison])
        if connector is not None:
            await self._learn_products(shop, policy, connector, [p.order for p in parsed])
        position = 0
        while position < len(parsed) or (cursor is not None and not parsed):
            part = arrivals(shop, policy, parsed[position : position + self._chunk], first_import=first_import)
            position += len(part)
            started = time.perf_counter()

            async def work(tx: Tx, part: Sequence[Arrival] = part, last: bool = position == len(parsed)) -> Counts:
                await self.check_lease(tx)
                counts = await take_over_chunk(self.p, tx, shop, part)
                if last and cursor is not None:
                    moved = {"cursor": cursor, "seen": self.counts.seen}
                    await accounts.update_task(tx, f"shop:{self.shop_id}", "orders", moved)
                return counts

            self.counts.add(await self.p.store.retrying(work))
            step("sync.chunk_kept")
            if not parsed:
                break
            spent = (time.perf_counter() - started) * 1000
            self._chunk = max(10, min(500, int(self._chunk * min(2.0, max(0.5, CHUNK_MS / max(spent, 1))))))
            # Whoever waits for SQLite's one lock (a scan, another terminal) comes in between.
            await asyncio.sleep(GAP_S if self.p.store.dialect == "sqlite" else 0)

    async def check_lease(self, tx: Tx) -> None:
        """End the transaction with `SyncStopped` when this run's lease is no longer the newest."""
        if self.fence is not None:
            lost = _("Another worker took the shop over.")
            await leases.guard(tx, self.lease, self.fence, lambda: SyncStopped(lost))

    async def _quarantine(self, shop: ShopFacts, rows: Sequence[tuple[str, str, str, bytes]]) -> None:
        if not rows:
            return
        named = [(pid or f"raw:{hashlib.sha256(raw).hexdigest()[:16]}", c, m, raw) for pid, c, m, raw in rows]
        async with self.p.store.transaction() as tx:
            await self.check_lease(tx)
            await quarantined.quarantine(tx, shop.id, named)
        self.counts.abnormal += len(named)

    async def _learn_products(
        self, shop: ShopFacts, policy: ImportPolicy, connector: ShopConnector, orders: Sequence[Order]
    ) -> None:
        """ROA-20: a product first seen in an order is added at once, from the platform, else from the line itself."""
        wanted = catalogue.wanted_listings(ln for o in orders for ln in o.lines)
        whole = all(ln.platform_product_id not in {"", "0"} for o in orders for ln in o.lines)
        if whole and wanted <= self._listed:
            return
        async with self.p.store.reading() as tx:
            have = await catalogue.listings(tx, shop.id, wanted)
        self._listed |= have.keys()
        if whole and not wanted - have.keys():
            return
        lines = [ln for o in orders if admit(o, policy) is None for ln in o.lines]
        wanted = catalogue.wanted_listings(lines)
        missing = sorted({product for product, _v in wanted - have.keys()})
        found: list[Product] = []
        for ids in chunks(missing, 100):
            try:
                read = await connector.read_products(ids)
            except WireError as error:
                log.warning("products of %s could not be read: %s", shop.name, error.outcome.code)
                read = []
            found.extend(item for item in read if not isinstance(item, Poison))
        known = have.keys() | {(p.platform_product_id, _blank(p.platform_variant_id)) for p in found}
        for line in lines:
            key = (line.platform_product_id, _blank(line.platform_variant_id))
            orphan = line.platform_product_id in {"", "0"}
            if key in known or (orphan and not line.sku.strip()):
                continue
            product = f"sku:{line.sku.strip()}" if orphan else line.platform_product_id
            if (product, key[1]) not in known:
                found.append(Product(product, key[1], line.name, sku=line.sku))
                known = known | {(product, key[1])}
        for part in chunks(found, 100):

            async def work(tx: Tx, part: Sequence[Product] = part) -> None:
                await self.check_lease(tx)
                await catalogue.keep_products(tx, shop.id, part, shop.settings.identify_by)

            await self.p.store.retrying(work)


def _blank(variant: str) -> str:
    return "" if variant == "0" else variant


def _newest_first_wins(items: Sequence[Parsed]) -> list[Parsed]:
    """One version per order, the newest; a page may hold an order twice."""
    best: dict[str, Parsed] = {}
    for item in items:
        seen = best.get(item.order.platform_order_id)
        if seen is None or item.order.updated_at >= seen.order.updated_at:
            best[item.order.platform_order_id] = item
    return list(best.values())


class Arrival:
    """An order on its way in, and what can be said of it without a look into the store.

    `force`: a person asked for exactly this one, whatever its age.
    """

    def __init__(
        self, shop: ShopFacts, policy: ImportPolicy, item: Parsed, delivery: bool, *, first_import: bool, force: bool
    ) -> None:
        order, digest = kept_form(item.order)
        open_before = first_import and order.created_at < policy.connected_at
        self.item = Incoming(order, item.raw, digest, first_import=open_before)
        self._shop, self._policy, self._delivery, self._force = shop, policy, delivery, force
        self._verdict: Exclusion | Defect | Draft | None = None

    @property
    def verdict(self) -> Exclusion | Defect | Draft:
        """Why it is left out, or what is to be written where it is not known yet."""
        if self._verdict is None:
            found = admit(self.item.order, self._policy)
            forced = self._force and isinstance(found, Exclusion) and found.reason == "older_than_window"
            if found is None or forced:
                self._verdict = intake.draft(self._shop, self.item, self._delivery)
            else:
                self._verdict = found
        return self._verdict

    @property
    def ready(self) -> Draft | None:
        """What is to be written, where somebody has asked for the verdict before."""
        return self._verdict if isinstance(self._verdict, Draft) else None


def arrivals(
    shop: ShopFacts, policy: ImportPolicy, part: Sequence[Parsed], *, first_import: bool = False, force: bool = False
) -> list[Arrival]:
    """Orders made ready for `take_over_chunk`: nobody has to wait for the store's lock meanwhile."""
    delivery = writes_delivery(shop)
    made = [Arrival(shop, policy, item, delivery, first_import=first_import, force=force) for item in part]
    if first_import:
        # Hardly one is known already, so that each of them will be asked for its rows.
        for one in made:
            _ = one.verdict
    return made


async def take_over_chunk(p: Pipeline, tx: Tx, shop: ShopFacts, arrived: Sequence[Arrival]) -> Counts:
    """Take a few orders over in the caller's transaction."""
    counts = Counts()
    if not arrived:
        return counts
    ready = [draft for one in arrived if (draft := one.ready)]
    known, around = await intake.look_up(tx, shop.id, [a.item.order.platform_order_id for a in arrived], ready)
    new: list[Draft] = []
    left_out: list[tuple[str, str, str, str]] = []
    unfit: list[tuple[str, str, str, bytes]] = []
    changed: list[tuple[int, Incoming]] = []
    same: list[str] = []
    touched: list[tuple[int, Instant]] = []
    for one in arrived:
        item, order = one.item, one.item.order
        stored = known.get(order.platform_order_id)
        if stored is not None:
            if order.updated_at < stored.updated_at or item.content_hash == stored.content_hash:
                # An older version never overwrites a newer one; an equal one changes nothing but its time.
                counts.unchanged += 1
                if item.content_hash == stored.content_hash:
                    same.append(order.platform_order_id)
                    if order.updated_at > stored.updated_at:
                        touched.append((stored.id, order.updated_at))
                continue
            changed.append((stored.id, item))
            continue
        verdict = one.verdict
        if isinstance(verdict, Exclusion):
            left_out.append((order.platform_order_id, order.number, verdict.reason, verdict.detail))
        elif isinstance(verdict, Defect):
            unfit.append((order.platform_order_id, verdict.code, verdict.message, item.raw))
        else:
            new.append(verdict)
    await order_changes.touch_unchanged(tx, touched)
    if same:
        await quarantined.solve(tx, shop.id, same)
    if new:
        asked_for = {id(draft) for draft in ready}
        await intake.insert_orders(tx, shop, new, around if all(id(draft) in asked_for for draft in new) else None)
    if left_out:
        await quarantined.exclude(tx, shop.id, left_out)
    if unfit:
        await quarantined.quarantine(tx, shop.id, unfit)
    if changed:
        directory = await p.directory(tx)
        for order_id, incoming in changed:
            await _take_change(tx, directory, shop, order_id, incoming)
    counts.new, counts.excluded, counts.abnormal, counts.changed = len(new), len(left_out), len(unfit), len(changed)
    return counts


async def _take_change(tx: Tx, directory: Directory, shop: ShopFacts, order_id: int, incoming: Incoming) -> None:
    # An order whose last line was taken off is still an order: everything of it is cancelled.
    wrong = defect(incoming.order) if incoming.order.lines else None
    if wrong is not None:
        await quarantined.quarantine(
            tx, shop.id, [(incoming.order.platform_order_id, wrong.code, wrong.message, incoming.raw)]
        )
        return
    updated = await order_changes.update_order(tx, shop, order_id, incoming, writes_delivery(shop))
    if updated.changed_fields:
        await add_events(tx, [(None, order_id, "order_changed", {"fields": list(updated.changed_fields)})], "")
    await bring_in_line(tx, directory, order_id, updated.difference)
    if updated.frozen or incoming.order.status in DEAD_ORDER:
        return
    if updated.difference.reopened or updated.raised:
        free = await order_changes.unassigned(tx, order_id)
        wanted = (
            free
            if updated.difference.reopened
            else {line: min(n, free.get(line, 0)) for line, n in updated.raised.items()}
        )
        wanted = {line: n for line, n in wanted.items() if n > 0}
        if wanted and incoming.order.status not in {OrderStatus.SHIPPED, OrderStatus.COMPLETED}:
            await _grow(tx, directory, shop, order_id, wanted)


async def take_gone(p: Pipeline, tx: Tx, order_ids: Sequence[int]) -> None:
    """Orders that the platform has deleted: what it said of them last stays, their shipments are brought in line."""
    directory = await p.directory(tx)
    for order_id in order_ids:
        await order_changes.mark_deleted(tx, order_id)
        await add_events(tx, [(None, order_id, "order_changed", {"fields": ["status"]})], "")
        await bring_in_line(tx, directory, order_id, Difference(status=True))


async def _grow(tx: Tx, directory: Directory, shop: ShopFacts, order_id: int, wanted: dict[int, int]) -> None:
    """More pieces than before: into the order's own untouched review shipment, else into a new one."""
    ids = (await shipments_of_orders(tx, [order_id])).get(order_id, [])
    facts = await load_facts(tx, ids, directory.shops, directory.services, default_warehouse=directory.warehouse_id)
    home = next((f for f in facts.values() if f.stage is Stage.REVIEW and len(f.orders) == 1), None)
    if home is None:
        due = max((f.ship_by for f in facts.values() if f.ship_by), default=None)
        await order_changes.add_shipment(tx, shop, order_id, wanted, 0, due)
        return
    await raise_lines(tx, home.id, wanted)
    await add_events(tx, [(home.id, order_id, "lines_raised", {"lines": wanted})], "")


async def bring_in_line(tx: Tx, directory: Directory, order_id: int, difference: Difference) -> None:
    """Apply what the platform's newest version of an order means for each of its shipments."""
    ids = (await shipments_of_orders(tx, [order_id])).get(order_id, [])
    found = await load_facts(tx, ids, directory.shops, directory.services, default_warehouse=directory.warehouse_id)
    for shipment_id in sorted(ids, key=lambda i: (found[i].stage, i)):
        # One at a time, the least advanced first: what is lowered there need not disturb a label that is made.
        facts = await load_facts(
            tx, [shipment_id], directory.shops, directory.services, default_warehouse=directory.warehouse_id
        )
        f = facts[shipment_id]
        if not any(o.id == order_id for o in f.orders):
            continue
        change = reconcile(f, difference)
        if change is not None:
            await apply(tx, [(f, change)], "")


async def sync_products(p: Pipeline, shop_id: int, lease: str = "", fence: int | None = None) -> int:
    """Read every product of a shop and keep what is new; returns how many were seen."""
    connector = await p.shop(shop_id)
    runner = OrderSync(p, shop_id, lease, fence)
    async with p.store.reading() as tx:
        row = await accounts.shop(tx, shop_id)
    assert row is not None
    shop = p.shop_facts(row)
    seen = 0
    async for page in connector.products(""):
        for part in chunks(page.items, 100):

            async def work(tx: Tx, part: Sequence[Product] = part) -> None:
                await runner.check_lease(tx)
                await catalogue.keep_products(tx, shop_id, part, shop.settings.identify_by)

            await p.store.retrying(work)
        seen += len(page.items)
    return seen
