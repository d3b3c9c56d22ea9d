"""Benchmark 4: marking everything, approving and shipping 10,000, beside bare sqlite3 writing the same rows.

A batch is worked off as the worker does it: in another process than the console, in short transactions. The console's
keys are pressed meanwhile.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

from bench import data
from bench.harness import Options, Result, Spent, at_most, check, cpu_ms, median, plain, ratio_at_most
from bench.keyboard import Series, Stopwatch, console, cursor_on, ready
from bench.replay import Raw, marks, recording, same
from domain.enums import Stage
from domain.facts import code_of
from pipeline.base import Pipeline
from pipeline.commands import preview
from pipeline.commands import run as run_command
from store.place import Place

WHO = "anna"


def run(options: Options) -> list[Result]:
    """Mark, approve and ship at the full size; approve and ship as the order book grows."""
    many = options.size(10_000, 30)
    results = _mark(options)
    found = asyncio.run(_commands(options, options.orders, many))
    for command, (ours, raw, rows) in found.items():
        results += [
            ratio_at_most("bulk", f"{command} {rows}", ours.cpu, "s", 4.0, raw.cpu),
            plain("bulk", f"{command} {rows}, wall", ours.wall, "s wall", raw.wall),
        ]
    results += _keys_meanwhile(options, many)
    some = options.size(100, 20)
    for size in options.growth():
        grown = asyncio.run(_commands(options, size, some))
        for command, (ours, raw, rows) in grown.items():
            results.append(
                plain(
                    "bulk",
                    f"growth: {command}, per shipment, {size} stored",
                    ours.cpu / rows * 1000,
                    "ms",
                    raw.cpu / rows * 1000,
                )
            )
    return results


# ------------------------------------------------------------------ commands


async def _commands(options: Options, size: int, many: int) -> dict[str, tuple[Spent, Spent, int]]:
    """Approve and ship so many shipments: (ours, the bare writer's, how many)."""
    found = {}
    with data.copied(options, data.generated(options, size), f"bulk{size}") as place:
        assert place.file is not None
        beside = place.file.with_name("raw.sqlite")
        shutil.copyfile(place.file, beside)
        before = marks(beside)
        raw = Raw(beside)
        p = await Pipeline.open(place, worker=True)
        try:
            for command, stage in (("approve", Stage.REVIEW), ("ship", Stage.TO_PRINT)):
                ids = await _willing(p, command, stage, many)
                with recording() as recorder:
                    spent = Spent()
                    with spent.more():
                        report = await run_command(p, command, ids, {}, WHO)
                    check(len(report.done) == len(ids), f"{command}: {report.refused[:3]}")
                    raw.spent = Spent()
                    raw.write(recorder.take())
                found[command] = (spent, raw.spent, len(ids))
        finally:
            await p.aclose()
            raw.close()
        check(not (wrong := same(place.file, beside, before)), f"the bare writer's {wrong} differs from ours")
    return found


async def _willing(p: Pipeline, command: str, stage: Stage, many: int) -> list[int]:
    """So many shipments of a stage that the command would take, most urgent first."""
    async with p.store.reading() as tx:
        ids = [
            r.id
            for r in await tx.rows(
                "SELECT id FROM shipment WHERE stage = :s ORDER BY coalesce(ship_by, 9007199254740991), id",
                s=int(stage),
            )
        ]
    found: list[int] = []
    for start in range(0, len(ids), 1_000):
        report = await preview(p, command, ids[start : start + 1_000], {}, WHO)
        found += report.done
        if len(found) >= many:
            break
    check(found, f"no shipment of {stage.word} would take {command}")
    return found[:many]


# ------------------------------------------------------------------ in the console


def _mark(options: Options) -> list[Result]:
    """`a` on the largest stage, from the key to "n marked"; the key press itself, and all of it."""
    file = data.generated(options, options.orders)
    with data.copied(options, file, "bulk-mark") as place:
        data.no_worker(place)
        ids = _stage(file, Stage.SHIPPED)
        with console(place, options.scratch / "bulk-home") as terminal:
            _open(terminal, ids, 0.3 if options.quick else 2.0)
            done, begun = f" {len(ids)} marked", "marking ..."
            acknowledged, whole, bare = [], [], Spent()
            for _n in range(options.size(3, 1)):
                with bare.more():
                    _bare_marks(file)
                before = cpu_ms(terminal.pid)
                answer = terminal.key("a", lambda t: begun in t.text or done in t.text)
                acknowledged.append(answer.shown_cpu)
                whole.append(terminal.until(lambda t: done in t.text, 120).cpu - before)
                terminal.press("A")
                terminal.settled_after(1.0)
    return [
        at_most("bulk", "mark all: until the key is acknowledged", median(acknowledged), "ms", 20),
        plain("bulk", f"mark all: {len(ids)} rows marked", median(whole), "ms", bare.cpu * 1000 / options.size(3, 1)),
    ]


def _bare_marks(file: Path) -> None:
    """Ids and versions of everything shipped, as two arrays."""
    connection = data.read_only(file)
    ids, versions = array("q"), array("q")
    for shipment, version in connection.execute("SELECT id, version FROM shipment WHERE stage = 5 ORDER BY id"):
        ids.append(shipment)
        versions.append(version)
    connection.close()


def _keys_meanwhile(options: Options, many: int) -> list[Result]:
    """Row moves in the console while another process approves."""
    file = data.generated(options, options.orders)
    with data.copied(options, file, "bulk-keys") as place:
        data.no_worker(place)
        ids = _stage(file, Stage.SHIPPED)
        with console(place, options.scratch / "bulk-keys-home") as terminal:
            _open(terminal, ids, 0.3 if options.quick else 2.0)
            working = subprocess.Popen(
                [sys.executable, "-m", "bench.bulk", str(place.file), str(many)], stdout=subprocess.PIPE, text=True
            )
            assert working.stdout is not None
            check(working.stdout.readline() == "begun\n", "the batch has begun")
            series, at = Series([]), 0
            while working.poll() is None and at < len(ids) - 2:
                at += 1
                series.answers.append(terminal.key("down", cursor_on(code_of(ids[at]))))
                time.sleep(0.05)
            done = working.stdout.read()
            working.stdout.close()
            check(done == f"{many}\n" or options.quick, f"approved: {done}")
    if not series.answers:
        return []
    return [
        at_most("bulk", f"a key while {many} are approved, p95", series.cpu(0.95), "ms", 50),
        plain("bulk", f"the same, wall p95 ({len(series.answers)} keys)", series.wall(0.95), "ms wall"),
    ]


def _stage(file: Path, stage: Stage) -> list[int]:
    connection = data.read_only(file)
    rows = connection.execute(
        "SELECT id FROM shipment WHERE stage = ? ORDER BY coalesce(ship_by, 9007199254740991) DESC, id DESC",
        (int(stage),),
    )
    ids = [row[0] for row in rows]
    connection.close()
    return ids


def _open(terminal: Stopwatch, ids: Sequence[int], rest_s: float) -> None:
    """The list of what was shipped, at its first row."""
    terminal.wait_for("anna", timeout=30)
    terminal.press("5")
    ready(terminal, code_of(ids[0])[-7:], rest_s)


async def _approve(place: Place, many: int) -> None:
    p = await Pipeline.open(place, worker=True)
    ids = await _willing(p, "approve", Stage.REVIEW, many)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    report = await run_command(p, "approve", ids, {}, WHO)
    sys.stdout.write(f"{len(report.done)}\n")
    await p.aclose()


if __name__ == "__main__":
    os.nice(10)
    asyncio.run(_approve(data.place_of(Path(sys.argv[1])), int(sys.argv[2])))
