"""Sixteen operators and two workers in one process, over a database shared with others like it. Run as a process of its own.

Every operator works at the most urgent shipments, as all the others do, with the versions they saw a moment before. What
came of it goes to standard output as one JSON document.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from typing import Any

from pipeline.base import Pipeline
from pipeline.commands import run
from pipeline.worker import Worker
from store.place import find

TERMINALS, WORKERS, AT_ONCE, LONGEST_S = 16, 2, 6, 60
NEXT = {
    ("review", "open"): "approve",
    ("processing", "open"): "assign",
    ("processing", "ready"): "waybill",
    ("to_print", "in_stock"): "ship",
}
OPEN = """SELECT id, version, stage, status FROM shipment WHERE stage < 5 AND status IN ('open', 'ready', 'in_stock')
    ORDER BY coalesce(ship_by, 0), id LIMIT 18"""
STAGES = {1: "review", 2: "processing", 3: "waybill", 4: "to_print"}


class Seen:
    """What the operators of this process met."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.sentences: set[str] = set()
        self.errors: list[str] = []


async def operator(p: Pipeline, name: str, service: int, luck: random.Random, seen: Seen) -> None:
    idle, until = 0, time.monotonic() + LONGEST_S
    while idle < 12 and time.monotonic() < until:
        async with p.store.reading() as tx:
            rows = await tx.rows(OPEN)
        if not rows:
            idle += 1
            await asyncio.sleep(0.25)
            continue
        idle = 0
        chosen = luck.sample(rows, min(AT_ONCE, len(rows)))
        command = NEXT[STAGES[chosen[0].stage], chosen[0].status]
        mine = [r for r in chosen if NEXT.get((STAGES[r.stage], r.status)) == command]
        arguments: dict[str, Any] = {"service_id": service} if command == "assign" else {}
        await asyncio.sleep(luck.random() * 0.05)
        try:
            versions = {r.id: r.version for r in mine}
            report = await run(p, command, list(versions), arguments, name, source="console", seen=versions)
        except Exception as error:
            seen.errors.append(f"{type(error).__name__}: {error}"[:300])
            return
        seen.done[command] += len(report.done)
        seen.refused.update(r.code for r in report.refused)
        seen.sentences.update(r.reason for r in report.refused if r.code == "changed_since")


async def main(number: int, service: int) -> None:
    p = await Pipeline.open(find())
    seen = Seen()
    workers = [Worker(p) for _ in range(WORKERS)]
    working = [asyncio.create_task(w.run()) for w in workers]
    began = time.perf_counter()
    await asyncio.gather(
        *(operator(p, f"op{number}-{n}", service, random.Random(number * 100 + n), seen) for n in range(TERMINALS))
    )
    for worker in workers:
        worker.ask_to_stop()
    await asyncio.gather(*working)
    await p.aclose()
    found = {
        "done": seen.done,
        "refused": seen.refused,
        "sentences": sorted(seen.sentences)[:20],
        "errors": seen.errors,
        "seconds": time.perf_counter() - began,
    }
    sys.stdout.write(json.dumps(found) + "\n")


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
