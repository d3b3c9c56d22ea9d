"""Benchmark 9: eight stations that scan parcels while a sync writes, by the clock on the wall.

A scan here is what the pipeline has for it today: find the shipment by its waybill number, take it as collected, and
answer once that is committed. Every station is a process of its own; nothing may be lost and nothing may fail.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from bench import data
from bench.bound import bound
from bench.harness import Options, Result, at_most, check, p, plain
from bench.rendered import Rendered
from pipeline.base import Pipeline
from pipeline.commands import run as run_command
from pipeline.worker import sync_now
from store import views

STATIONS, PER_SECOND = 8, 2
ROOT = Path(__file__).parent.parent


def run(options: Options) -> list[Result]:
    """Scan to verdict at the full size, then at smaller ones."""
    seconds = options.size(60, 1)
    results: list[Result] = []
    for size in reversed(options.growth()):
        times, bare, synced = _at(options, size, seconds if size == options.orders else options.size(15, 2))
        if size == options.orders:
            results += [
                at_most(
                    "scan", f"scan to verdict, {STATIONS} stations, p95", p(times, 0.95), "ms wall", 100, p(bare, 0.95)
                ),
                at_most("scan", "the same, p99", p(times, 0.99), "ms wall", 150, p(bare, 0.99)),
                plain("scan", "the same, p50", p(times, 0.5), "ms wall", p(bare, 0.5)),
                at_most("scan", "lost scans and lock errors", 0, "", 0),
                plain("scan", "orders synced meanwhile", synced, "orders"),
            ]
        else:
            results.append(plain("scan", f"growth: p95, {size}", p(times, 0.95), "ms wall", p(bare, 0.95)))
    return results


def _at(options: Options, size: int, seconds: int) -> tuple[list[float], list[float], int]:
    """(ms of every scan, ms of the bare SQL, orders synced meanwhile)."""
    stations = STATIONS if not options.quick else 2
    each = seconds * PER_SECOND
    with (
        data.copied(options, data.generated(options, size), f"scan{size}") as place,
        Rendered(options.size(100_000, 200)) as shop,
    ):
        assert place.file is not None
        numbers, bare = _numbers(place.file, stations * each)
        check(len(numbers) == stations * each, f"{len(numbers)} parcels to scan")
        shop_id = asyncio.run(_bind(place.file, shop))
        command = [sys.executable, "-m", "bench.scan"]
        syncing = subprocess.Popen([*command, "sync", str(place.file), str(shop_id)], cwd=ROOT)
        started = [
            subprocess.Popen(
                [*command, "station", str(place.file), json.dumps(numbers[n::stations])],
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for n in range(stations)
        ]
        times: list[float] = []
        for station in started:
            output = station.communicate()[0]
            check(station.returncode == 0, f"a station ended with {station.returncode}")
            times += json.loads(output)
        syncing.terminate()
        syncing.wait()
        connection = data.read_only(place.file)
        marks = ", ".join("?" * len(numbers))
        (done,) = connection.execute(
            f"""SELECT count(*) FROM shipment s JOIN waybill w ON w.shipment_id = s.id
                WHERE w.number IN ({marks}) AND s.collected_by = 'anna'""",
            numbers,
        ).fetchone()
        (synced,) = connection.execute("SELECT count(*) FROM orders WHERE shop_id = ?", (shop_id,)).fetchone()
        connection.close()
        check(len(times) == len(numbers) == done, f"{len(numbers)} scans, {len(times)} verdicts, {done} collected")
        check(synced > 0, "a sync ran meanwhile")
    return times, bare, int(synced)


def _numbers(file: Path, many: int) -> tuple[list[str], list[float]]:
    """Waybill numbers of parcels that stand to be collected, and what finding them takes in bare SQL."""
    connection = data.read_only(file)
    rows = connection.execute(
        """SELECT w.number FROM shipment s JOIN waybill w ON w.shipment_id = s.id WHERE s.stage = 5
           AND s.status = 'succeeded' AND s.collected_at IS NULL AND w.state = 'obtained' AND w.number <> ''
           ORDER BY s.id DESC LIMIT ?""",
        (many,),
    ).fetchall()
    bare = []
    for (number,) in rows[:200]:
        began = time.perf_counter()
        connection.execute(
            "SELECT s.id, s.stage, s.status FROM waybill w JOIN shipment s ON s.id = w.shipment_id WHERE w.number = ?",
            (number,),
        ).fetchall()
        bare.append((time.perf_counter() - began) * 1000)
    connection.close()
    return [row[0] for row in rows], bare


async def _bind(file: Path, shop: Rendered) -> int:
    p, shop_id = await bound(data.place_of(file), shop)
    await p.aclose()
    return shop_id


async def _sync(file: Path, shop_id: int) -> None:
    p = await Pipeline.open(data.place_of(file), worker=True)
    while True:
        await sync_now(p, shop_id, full=True)


async def _station(file: Path, numbers: list[str]) -> list[float]:
    """Scan at a steady pace; returns the ms of every verdict, counted from the moment the scan was due."""
    pipeline = await Pipeline.open(data.place_of(file))
    await views.find_ids(pipeline.store, "warm")
    times = []
    began = time.perf_counter()
    for n, number in enumerate(numbers):
        due = began + n / PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        ids = await views.find_ids(pipeline.store, number)
        report = await run_command(pipeline, "collect", ids, {}, "anna")
        check(len(report.done) == 1, f"{number}: {report.refused}")
        times.append((time.perf_counter() - due) * 1000)
    await pipeline.aclose()
    return times


if __name__ == "__main__":
    if sys.argv[1] == "sync":
        asyncio.run(_sync(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        sys.stdout.write(json.dumps(asyncio.run(_station(Path(sys.argv[2]), json.loads(sys.argv[3])))) + "\n")
