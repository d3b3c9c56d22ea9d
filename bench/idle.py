"""Benchmark 11: a console and a worker with nothing to do, and a worker through days of syncs that bring nothing.

The days pass on a clock that jumps five minutes a round; every round reads every shop over HTTP as it would in a day's
work. What a round costs, once in five minutes, is part of what idling costs.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import data
from bench.bound import SEED
from bench.harness import Options, Result, at_most, check, children, cpu_ms, plain, rss_mb
from bench.keyboard import console
from bench.push import good
from connectors.simulated.server import TwinServer
from connectors.simulated.woocommerce import WooCommerceTwin, WooOptions
from connectors.simulated.world import WorldConfig
from domain.clock import MINUTE, now
from pipeline import persons, setup
from pipeline.base import Pipeline
from pipeline.steps import Steps
from pipeline.worker import Worker, sync_now
from store.place import Place

EVERY = 5 * MINUTE
EARLY = 240
"""The round after which memory may grow no more than 5 MB."""


def run(options: Options) -> list[Result]:
    """Rounds on a clock that jumps, then real time with console and worker."""
    shops, rounds = options.size(20, 2), options.size(2_400, 4)
    folder = options.scratch / "idle"
    folder.mkdir()
    place = data.place_of(folder / "idle.sqlite")
    with _shops(shops) as hellos:
        asyncio.run(_bind(place, hellos))
        done = subprocess.run(
            [sys.executable, "-m", "bench.idle", "rounds", str(place.file), str(rounds)],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent.parent,
        )
        check(done.returncode == 0, f"the rounds ended with {done.stderr[-500:]}")
        told = json.loads(done.stdout.splitlines()[-1])
        check(told["synced"] == shops * rounds, f"{told['synced']} syncs of {shops * rounds}")
        watched = options.size(30, 1)
        console_ms, worker_ms = _real_time(options, place, watched)
    per_round = told["cpu"] / rounds
    share = (console_ms + worker_ms) / watched / 1000 + per_round / (EVERY / 1000)
    return [
        at_most("idle", "RSS growth of the worker, last round against 240", told["end"] - told["early"], "MB", 5),
        plain("idle", f"RSS of the worker after {rounds} rounds of {shops} shops", told["end"], "MB"),
        plain("idle", f"CPU of a round of {shops} shops", per_round * 1000, "ms"),
        plain("idle", "console, share of a core", console_ms / watched / 10, "%"),
        plain("idle", "worker between its rounds, share of a core", worker_ms / watched / 10, "%"),
        at_most("idle", "all of it, a round every five minutes, share of a core", share * 100, "%", 2.0),
    ]


@contextmanager
def _shops(many: int) -> Iterator[list[dict[str, Any]]]:
    """So many shops in one process, each at an address of its own."""
    argv = [sys.executable, "-m", "bench.idle", "shops", str(many)]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


def _serve(many: int) -> None:
    told = []
    for n in range(many):
        twin = WooCommerceTwin(WooOptions(world=WorldConfig(orders=5, plain=True, seed=SEED + n)))
        _trust_the_callers_clock(twin)
        server = TwinServer(twin)
        twin.base = server.url
        server.start()
        told.append({"url": server.url, **twin.hello()})
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


def _trust_the_callers_clock(twin: WooCommerceTwin) -> None:
    """A signature's time stamp counts as now: the clock that signs jumps."""
    oauth = twin.keys._oauth
    refuse = oauth.refuse

    def asked(method: str, url: str, params: Any, secret: str, _now: int) -> str:
        return refuse(method, url, params, secret, int(dict(params)["oauth_timestamp"]))

    oauth.refuse = asked  # type: ignore[method-assign]


async def _bind(place: Place, hellos: list[dict[str, Any]]) -> None:
    """Bind every shop and read it once: what comes later brings nothing new."""
    p = await Pipeline.open(place, worker=True)
    await persons.first_owner(p, "anna")
    for n, hello in enumerate(hellos):
        keys = {k: str(hello[k]) for k in ("consumer_key", "consumer_secret")}
        made = good(await setup.add_shop(p, "woocommerce", f"Shop-{n:02d}", {"url": hello["url"]}, keys))
        check(set((await sync_now(p, made.id, ("products", "orders"))).values()) == {""}, "the first sync went well")
    await p.aclose()


async def _rounds(place: Place, rounds: int) -> dict[str, float]:
    """Every shop's sync, round after round."""
    at = now()

    def clock() -> int:
        return at + int(time.monotonic() * 1000) - began_ms

    began_ms = int(time.monotonic() * 1000)
    synced = 0

    def passed(name: str) -> None:
        nonlocal synced
        synced += name == "sync.orders"

    Steps.hook = passed
    p = await Pipeline.open(place, clock, worker=True)
    worker = Worker(p)
    early, cpu, pid = 0.0, time.process_time(), os.getpid()
    for n in range(rounds):
        at += EVERY
        await worker.tick_once()
        if n + 1 == min(EARLY, rounds // 2):
            early = rss_mb(pid)
    used = time.process_time() - cpu
    Steps.hook = None
    async with p.store.reading() as tx:
        bad = await tx.rows("SELECT account, kind, code FROM sync_task WHERE code <> ''")
    check(not bad, f"syncs failed: {bad[:3]}")
    await p.aclose()
    return {"early": early, "end": rss_mb(pid), "cpu": used, "synced": synced}


def _real_time(options: Options, place: Place, seconds: int) -> tuple[float, float]:
    """ms of CPU of the console and of its worker over so many seconds in which nothing happens."""
    with console(place, options.scratch / "idle-home") as terminal:
        terminal.wait_for("anna", timeout=30)
        time.sleep(1.0 if options.quick else 10.0)
        workers = children(terminal.pid)
        first, theirs = cpu_ms(terminal.pid), sum(cpu_ms(w) for w in workers)
        time.sleep(seconds)
        return cpu_ms(terminal.pid) - first, sum(cpu_ms(w) for w in workers) - theirs


if __name__ == "__main__":
    if sys.argv[1] == "shops":
        _serve(int(sys.argv[2]))
    else:
        sys.stdout.write(json.dumps(asyncio.run(_rounds(data.place_of(Path(sys.argv[2])), int(sys.argv[3])))) + "\n")
