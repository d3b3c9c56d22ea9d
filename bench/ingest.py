"""Benchmark 5: parsed orders into the database, and the same ones again, beside bare sqlite3 writing the same rows."""

import asyncio
import gc
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from bench import data
from bench.bound import bound, empty_shop, reading_of, wires
from bench.harness import Options, Result, Spent, check, plain, ratio_at_least
from bench.replay import Raw, Recorder, marks, recording, same
from connectors.contract import OrderPage, Parsed, Poison
from connectors.shops.woocommerce import parse_order
from pipeline.base import Pipeline
from pipeline.sync import Counts, OrderSync
from store.place import Place

PAGE = 100
"""Orders per page, as the platform gives them."""
BLOCK = 1_000
"""Orders between two turns of the bare writer: both work in the same minute, on databases of the same size."""


class Taken:
    """What one run took: ours, the bare writer's, the second time, and how many rows were written."""

    def __init__(self) -> None:
        self.ours, self.again = Spent(), Spent()
        self.raw: Raw | None = None
        self.rows = 0


class Feed:
    """Stands for the shop's connector: hands pages out that were parsed beforehand, untimed."""

    def __init__(
        self,
        make: Callable[[Sequence[bytes]], list[Parsed | Poison]],
        raws: Sequence[bytes],
        before: Callable[[], None],
    ) -> None:
        self._make, self._raws, self._before = make, raws, before
        self.spent = Spent()

    async def count_orders(self, _before: object) -> int:
        """None are older than the import's window."""
        return 0

    async def orders(self, _cursor: str, _since: object) -> AsyncIterator[OrderPage]:
        """Every order once."""
        for start in range(0, len(self._raws), BLOCK):
            block = self._make(self._raws[start : start + BLOCK])
            with self.spent.more():
                for at in range(0, len(block), PAGE):
                    last = start + at + PAGE >= len(self._raws)
                    yield OrderPage(tuple(block[at : at + PAGE]), f"2026-11-01T00:00:00|{start + at}", last)
            self._before()

    async def read_products(self, _ids: object) -> list[Any]:
        """Every product is known."""
        raise AssertionError("a product of the benchmark was not known")


def run(options: Options) -> list[Result]:
    """100,000 orders into a new database; then 5,000 into databases of growing size."""
    orders = options.size(100_000, 150)
    taken = asyncio.run(_new(options, orders))
    assert taken.raw is not None
    ours, raw, again = (orders / s.cpu for s in (taken.ours, taken.raw.spent, taken.again))
    results = [
        ratio_at_least("ingest", f"{orders} new orders, per s of CPU", ours, "orders/s", 0.35, raw),
        plain("ingest", "the same by wall", orders / taken.ours.wall, "orders/s", orders / taken.raw.spent.wall),
        plain(
            "ingest",
            "rows written, per s of CPU",
            taken.rows / taken.ours.cpu,
            "rows/s",
            taken.rows / taken.raw.spent.cpu,
        ),
        ratio_at_least("ingest", "the same orders again, unchanged", again, "orders/s", 4.0, ours),
    ]
    some = options.size(5_000, 100)
    for size in options.growth():
        grown = asyncio.run(_grown(options, size, some))
        assert grown.raw is not None
        results.append(
            plain(
                "ingest",
                f"growth: {some} new, {size} stored",
                some / grown.ours.cpu,
                "orders/s",
                some / grown.raw.spent.cpu,
            )
        )
    return results


async def _new(options: Options, orders: int) -> Taken:
    folder = options.scratch / "ingest"
    folder.mkdir()
    place = data.place_of(folder / "ours.sqlite")
    raws = wires(orders)
    with empty_shop() as shop:
        p, shop_id = await bound(place, shop)
        try:
            return await _ingest(p, place, shop_id, raws, folder / "raw.sqlite", whole=True)
        finally:
            await p.aclose()


async def _grown(options: Options, size: int, orders: int) -> Taken:
    raws = wires(orders)
    with data.copied(options, data.generated(options, size), f"ingest{size}") as place, empty_shop() as shop:
        assert place.file is not None
        p, shop_id = await bound(place, shop)
        try:
            return await _ingest(p, place, shop_id, raws, place.file.with_name("raw.sqlite"), whole=False)
        finally:
            await p.aclose()


async def _ingest(
    p: Pipeline, place: Place, shop_id: int, raws: Sequence[bytes], beside: Path, *, whole: bool
) -> Taken:
    """Take the orders over, block by block in turn with the bare writer; then again."""
    assert place.file is not None
    await p.store.checkpoint()
    await asyncio.to_thread(shutil.copyfile, place.file, beside)
    before = None if whole else marks(beside)
    taken = Taken()
    taken.raw = raw = Raw(beside)
    gc.collect()
    gc.freeze()
    try:
        with recording() as recorder:
            counts, taken.ours = await _sync(p, shop_id, raws, lambda: raw.write(recorder.take()))
            check(counts.new == len(raws), f"{counts} of {len(raws)} new orders")
            raw.write(recorder.take())
            check(not (wrong := same(place.file, beside, before)), f"the bare writer's {wrong} differs from ours")
            taken.rows = raw.rows
            if whole:
                await _again(p, shop_id, raws, recorder, taken)
    finally:
        raw.close()
        gc.unfreeze()
    return taken


async def _again(p: Pipeline, shop_id: int, raws: Sequence[bytes], recorder: Recorder, taken: Taken) -> None:
    """The same orders once more: nothing but the shop's own rows may be written."""
    counts, taken.again = await _sync(p, shop_id, raws, lambda: None)
    check(counts.unchanged == len(raws), f"{counts} of {len(raws)} unchanged orders")
    check(recorder.tables() <= {"sync_task", "shop"}, f"written though nothing changed: {recorder.tables()}")


async def _sync(p: Pipeline, shop_id: int, raws: Sequence[bytes], between: Callable[[], None]) -> tuple[Counts, Spent]:
    """One whole sync over the feed; the time between the pages is the program's own."""
    reading = await reading_of(p, shop_id)
    feed = Feed(lambda part: [parse_order(raw, reading) for raw in part], raws, between)

    async def fed(_shop_id: int) -> Any:
        return feed

    p.shop = fed  # type: ignore[method-assign]
    try:
        counts = await OrderSync(p, shop_id).run(full=True)
    finally:
        del p.shop
    return counts, feed.spent
