"""Benchmark 6: a whole sync from a shop in another process into SQLite, beside a raw loader and beside dlt.

The raw loader works page by page in turn with ours: it fetches the same page by `http.client`, decodes it by msgspec
into typed structs and writes the very rows that ours has written, in the same commits. Mapping, comparing and deciding
cost it nothing.
"""

import asyncio
import gc
import http.client
import json
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench import data
from bench.bound import bound
from bench.harness import Options, Result, Spent, check, plain, ratio_at_least
from bench.peers import peers
from bench.rendered import Rendered
from bench.replay import Raw, marks, recording, same
from connectors.shops.woocommerce_orders import WireOrder
from pipeline.base import Pipeline
from pipeline.steps import Steps
from pipeline.worker import sync_now
from store.place import Place

PAGE = 100


class Loader:
    """The raw loader: pages by `http.client`, decoded, written as they were recorded."""

    def __init__(self, url: str, file: Path) -> None:
        self.http = http.client.HTTPConnection(urlsplit(url).netloc)
        self.raw = Raw(file)
        self.fetched = Spent()
        self.orders = 0
        self._page = 0

    def page(self) -> int:
        """Fetch and decode the next page; returns how many orders it held."""
        self._page += 1
        with self.fetched.more():
            where = f"/wp-json/wc/v3/orders?status=any&order=asc&orderby=modified&per_page={PAGE}&page={self._page}"
            self.http.request("GET", where)
            rows = msgspec.json.decode(self.http.getresponse().read(), type=list[WireOrder])
        self.orders += len(rows)
        return len(rows)

    @property
    def cpu(self) -> float:
        """Seconds of CPU for all of it."""
        return self.fetched.cpu + self.raw.spent.cpu


class Taken(msgspec.Struct):
    """What a sync took: ours and the raw loader's, and the rows written."""

    ours: Spent
    loader_cpu: float
    loader_wall: float
    rows: int
    again: Spent


def run(options: Options) -> list[Result]:
    """100,000 orders into a new database; dlt beside it; 5,000 into databases of growing size."""
    orders = options.size(100_000, 250)
    folder = options.scratch / "sync"
    folder.mkdir()
    with Rendered(orders) as shop:
        server = _server_speed(shop.url, 0.1 if options.quick else 1.0)
        taken = asyncio.run(_sync(data.place_of(folder / "ours.sqlite"), shop, orders, whole=True))
        beside = None if options.quick else _dlt(options, shop.url, folder)
    ours, raw = orders / taken.ours.cpu, orders / taken.loader_cpu
    results = [
        ratio_at_least("sync", f"{orders} orders, per s of CPU", ours, "orders/s", 0.45, raw),
        plain("sync", "the same by wall", orders / taken.ours.wall, "orders/s", orders / taken.loader_wall),
        plain("sync", "the same orders again, unchanged", orders / taken.again.cpu, "orders/s", ours),
        ratio_at_least(
            "sync", "what the shop's process can hand out, wall", server, "orders/s", 3.0, orders / taken.ours.wall
        ),
    ]
    if beside is not None:
        rows = taken.rows / taken.ours.cpu
        results += [
            ratio_at_least(
                "sync", "rows per s of CPU, beside dlt", rows, "rows/s", 2.0, beside["rows"] / beside["cpu"]
            ),
            plain("sync", "orders per s of CPU, beside dlt", ours, "orders/s", beside["orders"] / beside["cpu"]),
        ]
    some = options.size(5_000, 120)
    rates: dict[int, float] = {}
    with Rendered(some) as shop:
        for size in options.growth():
            with data.copied(options, data.generated(options, size), f"sync{size}") as place:
                grown = asyncio.run(_sync(place, shop, some, whole=False))
            rates[size] = some / grown.ours.cpu
            results.append(
                plain("sync", f"growth: {some} orders, {size} stored", rates[size], "orders/s", some / grown.loader_cpu)
            )
    if len(rates) > 1:
        results.append(
            ratio_at_least(
                "sync", f"rate at {max(rates)} stored", rates[max(rates)], "orders/s", 0.5, rates[min(rates)]
            )
        )
    return results


async def _sync(place: Place, shop: Rendered, orders: int, *, whole: bool) -> Taken:
    assert place.file is not None
    p, shop_id = await bound(place, shop)
    beside = place.file.with_name("raw.sqlite")
    await p.store.checkpoint()
    shutil.copyfile(place.file, beside)
    before = None if whole else marks(beside)
    loader = Loader(shop.url, beside)
    outside = Spent()
    gc.collect()
    gc.freeze()
    try:
        with recording() as recorder:

            def passed(name: str) -> None:
                if name == "sync.page_kept":
                    with outside.more():
                        loader.page()
                        loader.raw.write(recorder.take())

            Steps.hook = passed
            total = Spent()
            with total.more():
                code = (await sync_now(p, shop_id))["orders"]
            check(code == "", f"the sync ended with {code}")
            loader.raw.write(recorder.take())
        Steps.hook = None
        check(await _stored(p, shop_id) == orders, "every order was taken over")
        check(loader.orders == orders, f"the raw loader fetched {loader.orders} of {orders}")
        check(not (wrong := same(place.file, beside, before)), f"the raw loader's {wrong} differs from ours")
        again = Spent()
        if whole:
            with again.more():
                await sync_now(p, shop_id, full=True)
    finally:
        Steps.hook = None
        gc.unfreeze()
        loader.raw.close()
        await p.aclose()
    ours = Spent(total.wall - outside.wall, total.cpu - outside.cpu)
    wall = loader.fetched.wall + loader.raw.spent.wall
    return Taken(ours, loader.cpu, wall, loader.raw.rows, again)


async def _stored(p: Pipeline, shop_id: int) -> int:
    async with p.store.reading() as tx:
        return int(await tx.value("SELECT count(*) FROM orders WHERE shop_id = :s", s=shop_id))


def _server_speed(url: str, seconds: float) -> float:
    """Orders per second that a client gets who only reads."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    began, got = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        connection.request("GET", f"/wp-json/wc/v3/orders?status=any&order=asc&orderby=modified&per_page={PAGE}")
        connection.getresponse().read()
        got += PAGE
    return got / (time.perf_counter() - began)


def _dlt(options: Options, url: str, folder: Path) -> dict[str, float] | None:
    """dlt's own figures over the same orders."""
    programs = peers(options)
    if programs is None:
        return None
    script = Path(__file__).with_name("dlt_peer.py")
    done = subprocess.run(
        [str(programs / "python"), str(script), url, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    check(done.returncode == 0, f"dlt ended with {done.stderr[-300:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
