"""Benchmark 1: from the start of the process to the first order rows, through a pseudo-terminal."""

import sys
import time
from pathlib import Path

from bench import data
from bench.harness import Options, Result, at_most, check, children, cpu_ms, median, plain, ratio_at_most, rss_mb
from bench.keyboard import Stopwatch, console
from bench.peer_apps import READY
from domain.facts import code_of

REST_S = 4.0
"""Seconds after the first rows at which memory is looked at: by then the write side and the worker stand."""


def run(options: Options) -> list[Result]:
    """CPU and wall to the first rows, memory of the console and of its worker, beside a minimal Textual app."""
    file = data.generated(options, options.orders)
    first = code_of(first_in_review(file))
    with data.copied(options, file, "start") as place:
        ours, peers, walls, peer_walls, late = [], [], [], [], []
        for n in range(options.size(7, 1)):
            cpu, wall = _start(Stopwatch([sys.executable, "-P", "-m", "bench.peer_apps", "minimal"]), READY)
            peers.append(cpu)
            peer_walls.append(wall)
            terminal = console(place, options.scratch / f"start-home{n}")
            cpu, wall = _start(terminal, first, keep=True)
            ours.append(cpu)
            walls.append(wall)
            time.sleep(0.2 if options.quick else REST_S)
            late.append((rss_mb(terminal.pid), [(cpu_ms(w), rss_mb(w)) for w in children(terminal.pid)]))
            terminal.close()
        memory = median([console_rss for console_rss, _w in late])
        workers = [w for _c, found in late for w in found]
    results = [
        ratio_at_most("start", "console, CPU to the first rows", median(ours), "ms", 2.0, median(peers)),
        plain("start", "console, wall to the first rows", median(walls), "ms", median(peer_walls)),
        at_most("start", "console, RSS", memory, "MB", 90),
    ]
    if workers:
        results += [
            plain("start", "its worker, CPU of the first seconds", median([c for c, _m in workers]), "ms"),
            at_most("start", "its worker, RSS", median([m for _c, m in workers]), "MB", 150),
        ]
    check(workers or options.quick, "the console has started no worker")
    return results


def first_in_review(file: Path) -> int:
    """The shipment that must stand first: the most urgent one in review."""
    connection = data.read_only(file)
    (found,) = connection.execute(
        "SELECT id FROM shipment WHERE stage = 1 ORDER BY coalesce(ship_by, 9007199254740991), id LIMIT 1"
    ).fetchone()
    connection.close()
    return int(found)


def _start(terminal: Stopwatch, wanted: str, *, keep: bool = False) -> tuple[float, float]:
    """(CPU ms, wall ms) until a text stood on the screen."""
    started = time.perf_counter()
    terminal.wanted = lambda t: wanted in t.text
    try:
        terminal.wait_for(lambda _t: terminal.met is not None, timeout=30)
        assert terminal.met is not None
        return terminal.met.cpu, (terminal.met.at - started) * 1000
    finally:
        if not keep:
            terminal.close()
