"""Benchmark 7: telling the shop of 1,000 shipments through a budget of calls per second.

The limit is the calls of the documented recipe divided by the budget: a note with the number and a change of the status
for each order, and two bulk reads (guard and read-back) for every hundred.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

from bench import data
from bench.bound import SEED, bound
from bench.harness import Options, Result, check, plain, ratio_at_most
from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.commands import run as run_command
from pipeline.worker import Worker, sync_now

BULK = 100
"""Orders per bulk read, as the platform allows."""


def run(options: Options) -> list[Result]:
    """Wall, and calls per shipment; every order must be completed at the shop exactly once."""
    many = options.size(1_000, 20)
    budget = options.size(50, 200)
    folder = options.scratch / "push"
    folder.mkdir()
    took, calls, completed, used = asyncio.run(_push(folder, many, budget))
    check(completed == {1}, f"orders were completed {completed} times")
    needed = 2 * many + 2 * -(-many // BULK)
    batched = many + 3 * -(-many // BULK)
    return [
        ratio_at_most("push", f"{many} shipments at {budget} calls/s", took, "s wall", 1.1, needed / budget),
        plain("push", "calls per shipment", calls / many, "calls", needed / many),
        plain("push", "calls per shipment, beside status changes in batches", calls / many, "calls", batched / many),
        plain("push", "CPU per shipment", used / many * 1000, "ms"),
    ]


async def _push(folder: Path, many: int, budget: int) -> tuple[float, int, set[int], float]:
    """(seconds from the first due push to the last settled one, calls meanwhile, times completed, CPU seconds)."""
    with Twin("woocommerce", orders=many, plain=True, seed=SEED) as shop:
        p, shop_id = await bound(data.place_of(folder / "push.sqlite"), shop)
        try:
            ids = await _shippable(p, shop_id, many, folder)
            report = await run_command(p, "ship", ids, {}, "bench")
            check(len(report.done) == many, f"ship: {report.refused[:2]}")
            good(await setup.set_shop(p, shop_id, {"calls_per_second": str(budget), "parallel": "8"}, {}))
            p.forget(f"shop:{shop_id}")
            before = sum(shop.admin("GET", "calls")["calls"].values())
            began, cpu = time.perf_counter(), time.process_time()
            await Worker(p).run(until_idle=True)
            took, used = time.perf_counter() - began, time.process_time() - cpu
            calls = sum(shop.admin("GET", "calls")["calls"].values()) - before
            times = {o["times_completed"] for o in shop.admin("GET", "orders")}
            return took, calls, times, used
        finally:
            await p.aclose()


async def _shippable(p: Pipeline, shop_id: int, many: int, folder: Path) -> list[int]:
    """Bring every order to the point where nothing but shipping is left."""
    good(
        await setup.set_shop(
            p, shop_id, {"check_before_ship": "no", "ship_without_printing": "yes", "import_months": "6"}, {}
        )
    )
    code = (await sync_now(p, shop_id))["orders"]
    check(code == "", f"the sync ended with {code}")
    good(await setup.cut_over(p, shop_id, "ship_these", "bench"))
    sender = {"name": "Kleks", "line1": "Polna 1", "city": "Kraków", "postcode": "30-001", "country": "PL"}
    good(await setup.set_sender(p, "", sender))
    pool = good(
        await setup.add_carrier(p, "pool", "Post", {"carrier_name": "Post", "services": "STD=Letter", "cod": "yes"}, {})
    )
    await setup.import_numbers(p, pool.id, [f"POST{n:09d}" for n in range(many)])
    async with p.store.reading() as tx:
        ids = [r.id for r in await tx.rows("SELECT id FROM shipment ORDER BY id")]
        service = int(await tx.value("SELECT id FROM service WHERE code = 'STD'"))
    check(len(ids) == many, f"{len(ids)} shipments of {many} orders")
    for command, arguments in (
        ("note", {"read": True}),
        ("approve", {}),
        ("assign", {"service_id": service}),
        ("waybill", {}),
    ):
        report = await run_command(p, command, ids, arguments, "bench")
        check(command == "note" or len(report.done) == many, f"{command}: {report.refused[:2]}")
    await Worker(p).run(until_idle=True)
    return ids


def good(answer: Any) -> Any:
    """The answer of a set-up, unless it was refused."""
    check(not isinstance(answer, Refused), f"{answer}")
    return answer
