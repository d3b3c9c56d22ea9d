"""Benchmark: how soon another shop offers a piece less, while one shop sells fifty orders a second.

A WooCommerce shop sells, a Shopify shop with the call budget of a usual plan offers the same goods, a worker reads the one
and tells the other. What counts is the time from the commit that takes an order over to the moment at which the other
platform shows a number that has it in: numbers only fall here, so that it has as soon as it is low enough.
"""

import asyncio
import itertools
import time
from collections import defaultdict
from pathlib import Path

from bench import data
from bench.bound import SEED, bound
from bench.harness import Options, Result, at_most, check, p, plain
from bench.push import good
from connectors.simulated.launch import Twin
from domain.clock import SECOND
from pipeline import setup, stocktaking
from pipeline.base import Pipeline
from pipeline.worker import Worker, sync_now

ON_HAND = 100_000
LOOK_S = 0.05
PATIENCE_S = 120.0


class Seen:
    """The other platform's numbers over time."""

    def __init__(self, shop: Twin, skus: dict[str, str]) -> None:
        self.shop, self.skus = shop, skus
        self.falls: dict[str, list[tuple[int, float]]] = defaultdict(list)
        """Our SKU → (pieces gone, when that was seen, Unix ms)."""

    def look(self) -> dict[str, int]:
        """The numbers now; a new one is noted with its time."""
        stock = self.shop.admin("GET", "state")["stock"]
        at, now = time.time() * 1000, dict[str, int]()
        for theirs, ours in self.skus.items():
            now[ours] = gone = ON_HAND - next(iter(stock[theirs].values()))
            if not self.falls[ours] or self.falls[ours][-1][0] != gone:
                self.falls[ours].append((gone, at))
        return now

    def when(self, sku: str, pieces: int) -> float:
        """When so many pieces were gone at the latest."""
        return next(at for gone, at in self.falls[sku] if gone >= pieces)


def run(options: Options) -> list[Result]:
    """Change to platform, purchase to the other platform, calls for each change."""
    rate, seconds = options.size(50, 20), options.size(30, 2)
    folder = options.scratch / "stock"
    folder.mkdir()
    delays, whole, calls = asyncio.run(_sell(folder, rate, seconds))
    many = f"{rate} orders/s for {seconds} s"
    return [
        at_most("stock", f"change to platform, p95, {many}", p(delays, 0.95), "s wall", 30.0),
        plain("stock", "change to platform, median", p(delays, 0.5), "s wall"),
        plain("stock", "purchase to the other platform, p95, read every 5 s", p(whole, 0.95), "s wall"),
        plain("stock", "calls to tell one change", calls / len(delays), "calls", 1.0),
    ]


async def _sell(folder: Path, rate: int, seconds: int) -> tuple[list[float], list[float], int]:
    """(seconds from each change to the platform, from each purchase, calls to the other platform)."""
    with Twin("woocommerce", orders=0, plain=True, seed=SEED) as seller, Twin("shopify", seed=SEED) as other:
        database, seller_id = await bound(data.place_of(folder / "stock.sqlite"), seller, orders_every_s="5")
        try:
            seen = Seen(other, await _same_goods(database, seller_id, other))
            worker = Worker(database)
            working = asyncio.create_task(worker.run())
            deadline = time.monotonic() + PATIENCE_S
            while any(gone != 0 for gone in (await asyncio.to_thread(seen.look)).values()):
                check(time.monotonic() < deadline, "the stock that was counted was told")
                await asyncio.sleep(LOOK_S)
            seen.falls.clear()
            before = sum(other.admin("GET", "state")["operations"].values())
            bought = await asyncio.gather(
                _buy(seller, list(seen.skus.values()), rate, seconds), _watch(seen, rate * seconds)
            )
            calls = sum(other.admin("GET", "state")["operations"].values()) - before
            worker.ask_to_stop()
            await working
            return *await _delays(database, seen, bought[0]), calls
        finally:
            await database.aclose()


async def _same_goods(database: Pipeline, seller_id: int, other: Twin) -> dict[str, str]:
    """Bind the other shop, let its listings stand for goods of the seller's, count them; their SKU → ours."""
    fields = {"url": other.url, "client_id": str(other.hello["client_id"]), "location": "Main street"}
    secrets = {"client_secret": str(other.hello["client_secret"])}
    made = good(await setup.add_shop(database, "shopify", "Other", {**fields, "orders_every_s": "3600"}, secrets))
    for shop_id in (seller_id, made.id):
        codes = await sync_now(database, shop_id, ("products", "orders"))
        check(set(codes.values()) == {""}, f"the first read ended with {codes}")
    async with database.store.transaction() as tx:
        listed = (
            "SELECT l.id, l.sku FROM listing l WHERE l.shop_id = :s AND l.sku <> '' AND l.sku <> 'CANDLE' ORDER BY l.id"
        )
        theirs, ours = await tx.rows(listed, s=made.id), await tx.rows(listed, s=seller_id)
        pairs = dict(zip([r.sku for r in theirs], [r.sku for r in ours], strict=False))
        for row, mine in zip(theirs, ours, strict=False):
            await tx.do(
                """UPDATE listing_item SET variant_id = (SELECT variant_id FROM listing_item WHERE listing_id = :mine)
                   WHERE listing_id = :id""",
                mine=mine.id,
                id=row.id,
            )
    for sku in pairs.values():
        good(await stocktaking.change(database, sku, "count", ON_HAND, ""))
    return pairs


async def _buy(seller: Twin, skus: list[str], rate: int, seconds: int) -> dict[str, float]:
    """Platform order id → when it was bought, Unix ms; ten times a second some, on time."""
    turn, bought, began = itertools.cycle(skus), dict[str, float](), time.monotonic()
    for tick in range(seconds * 10):
        await asyncio.sleep(max(0.0, began + tick / 10 - time.monotonic()))
        orders = [
            {"line_items": [{"sku": next(turn), "quantity": 1}], "customer_note": ""}
            for _ in range(rate * (tick + 1) // 10 - rate * tick // 10)
        ]
        made = await asyncio.to_thread(seller.admin, "POST", "orders", {"orders": orders})
        bought |= dict.fromkeys(map(str, made), time.time() * 1000)
    return bought


async def _watch(seen: Seen, pieces: int) -> None:
    """Look at the other platform until every piece that is sold is gone there."""
    deadline = time.monotonic() + PATIENCE_S
    while sum((await asyncio.to_thread(seen.look)).values()) < pieces:
        check(time.monotonic() < deadline, f"every sale was told: {seen.look()} of {pieces}")
        await asyncio.sleep(LOOK_S)


async def _delays(database: Pipeline, seen: Seen, bought: dict[str, float]) -> tuple[list[float], list[float]]:
    async with database.store.reading() as tx:
        rows = await tx.rows(
            """SELECT o.platform_order_id AS id, o.imported_at AS at, ol.sku FROM orders o
               JOIN order_line ol ON ol.order_id = o.id ORDER BY o.imported_at, o.id"""
        )
    check(len(rows) == len(bought), f"{len(rows)} of {len(bought)} orders were taken over")
    gone: dict[str, int] = defaultdict(int)
    changes, whole = [], []
    for row in rows:
        gone[row.sku] += 1
        told = seen.when(row.sku, gone[row.sku])
        changes.append(max(0.0, told - row.at) / SECOND)
        whole.append((told - bought[row.id]) / SECOND)
    return changes, whole
