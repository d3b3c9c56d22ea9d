"""`python -m bench path [--orders N] [--json FILE]`: how fast the headless path is, step by step.

Each step is timed by wall and by this process' CPU, beside a bare `sqlite3` loop that commits as many plain rows on the
same disk in the same run: absolute figures move with the machine, their ratio less.
"""

import asyncio
import json
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.commands import run
from pipeline.worker import Worker, sync_now
from store import views
from store.place import Place


class Timer:
    """Collects (step, wall seconds, CPU seconds)."""

    def __init__(self, orders: int) -> None:
        self.orders = orders
        self.results: list[dict[str, Any]] = []

    async def step(self, name: str, work: Awaitable[Any]) -> Any:
        """Time one step; a step that refuses anything is wrong and says so."""
        wall, cpu = time.perf_counter(), time.process_time()
        answer = await work
        spent, used = time.perf_counter() - wall, time.process_time() - cpu
        refused = getattr(answer, "refused", [])
        if refused:
            raise SystemExit(f"{name}: {len(refused)} refused, {refused[0]}")
        self.results.append(
            {
                "name": name,
                "wall_s": round(spent, 3),
                "cpu_s": round(used, 3),
                "orders_per_s": round(self.orders / spent, 1),
            }
        )
        return answer


def bare_commits(folder: Path, rows: int) -> float:
    """Seconds that bare sqlite3 needs to insert `rows` rows of a kilobyte, 100 a commit, synchronous FULL."""
    connection = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, v)"
    )
    started = time.perf_counter()
    for first in range(0, rows, 100):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO t (v) VALUES (?)", [("x" * 1000,)] * min(100, rows - first))
        connection.execute("COMMIT")
    connection.close()
    return time.perf_counter() - started


async def path(orders: int) -> dict[str, Any]:
    """The main path for `orders` plain orders on SQLite, against the twins."""
    timer = Timer(orders)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with Twin("woocommerce", orders=orders, plain=True, seed=1) as shop, Twin("carrier", seed=1) as carrier:
            p = await Pipeline.open(Place("", folder / "bench.sqlite", folder / "key", folder / "backups"), worker=True)
            keys = {k: str(shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
            (folder / "papers").mkdir()
            for made in (
                await setup.add_shop(p, "woocommerce", "Bench", {"url": shop.url, "parallel": "4"}, keys),
                await setup.add_carrier(
                    p, "simulated", "Sim", {"url": carrier.url, "parallel": "4"}, {"token": str(carrier.hello["token"])}
                ),
                await setup.add_printer(p, "folder", "papers", {"folder": str(folder / "papers")}),
            ):
                assert not isinstance(made, Refused), made
            await timer.step("sync, first", sync_now(p, 1))
            await timer.step("sync, unchanged", sync_now(p, 1, full=True))
            await setup.cut_over(p, 1, "ship_these", "bench")
            ids = [i for i, _v in await views.selection(p.store, [])]
            unread = [r["id"] for r in await views.listing(p.store, []) if "note_unread" in r["flags"]]
            await run(p, "note", unread, {"read": True}, "bench")
            rows = await p.store.fetch("SELECT id FROM service WHERE code = 'SIM-STD'")
            await timer.step("approve", run(p, "approve", ids, {}, "bench"))
            await timer.step("assign", run(p, "assign", ids, {"service_id": rows[0]["id"]}, "bench"))
            await timer.step("request", run(p, "waybill", ids, {}, "bench"))
            await timer.step("worker: waybills", Worker(p).run(until_idle=True))
            await timer.step("print", run(p, "print", ids, {}, "bench"))
            await timer.step("worker: printing", Worker(p).run(until_idle=True))
            await timer.step("ship", run(p, "ship", ids, {}, "bench"))
            await timer.step("worker: checks, pushes", Worker(p).run(until_idle=True))
            done = sum(o["times_completed"] for o in shop.admin("GET", "orders"))
            await p.aclose()
        if done != orders:
            raise SystemExit(f"{done} of {orders} orders were completed on the platform")
        bare = bare_commits(folder, orders)
    return {
        "orders": orders,
        "machine": {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "system": platform.system()},
        "bare_insert_s": round(bare, 3),
        "results": timer.results,
    }


def main(orders: int, file: str | None) -> int:
    """Run it, print its table, and write it as JSON where a file is named."""
    found = asyncio.run(path(orders))
    for r in found["results"]:
        sys.stdout.write(
            f"{r['name']:<24}{r['wall_s']:>8.2f} s wall {r['cpu_s']:>8.2f} s cpu {r['orders_per_s']:>9.1f} orders/s\n"
        )
    sys.stdout.write(f"bare sqlite3 inserts the same number of rows in {found['bare_insert_s']} s\n")
    if file:
        Path(file).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0
