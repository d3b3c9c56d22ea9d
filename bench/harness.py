"""What every benchmark shares: how CPU is counted, how a result is told and judged, the table, the JSON document.

`ms` means milliseconds on a CPU of the measured process, as the kernel's scheduler counts them, unless a metric says
*wall*: wall depends on who else uses the machine, CPU hardly.
"""

import contextlib
import json
import math
import os
import platform
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

NAMES = (
    "start",
    "list",
    "stages",
    "bulk",
    "ingest",
    "sync",
    "bulk_import",
    "push",
    "stock",
    "labels",
    "scan",
    "cli",
    "idle",
)
"""The benchmarks in the order in which they run."""


class Result(Struct, frozen=True):
    """One figure. `reference` is what the limit or peer took in the same run, `ratio` = value ÷ reference.

    `must` says in words what is asked; `held` is None where nothing is.
    """

    name: str
    metric: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    must: str = ""
    held: bool | None = None


class Options(Struct, frozen=True):
    """How to run: orders in the large database, a smoke check of the harness (`quick`), where files may lie."""

    orders: int = 1_000_000
    quick: bool = False
    cache: Path = Path("/tmp/shipdeck-bench")
    """Generated databases and the peers' own environments; kept between runs."""
    scratch: Path = Path("/tmp")
    """A folder of this run alone."""

    def size(self, full: int, quick: int) -> int:
        """How often something is done: `full` times, or `quick` in a smoke check."""
        return quick if self.quick else full

    def growth(self) -> tuple[int, ...]:
        """The sizes of the order book at which growth is looked at."""
        return (*(n for n in (10_000, 100_000, 1_000_000) if n < self.orders), self.orders)


class WrongAnswer(AssertionError):
    """A benchmark timed an answer that was not the right one: its figures mean nothing."""


def check(right: object, what: str) -> None:
    """Raise `WrongAnswer` unless `right`."""
    if not right:
        raise WrongAnswer(what)


# ------------------------------------------------------------------ results


def plain(
    name: str,
    metric: str,
    value: float,
    unit: str,
    reference: float | None = None,
    must: str = "",
    held: bool | None = None,
) -> Result:
    """A figure, beside its limit or peer where there is one."""
    ratio = value / reference if reference else None
    return Result(name, metric, value, unit, reference, ratio, must, held)


def at_most(name: str, metric: str, value: float, unit: str, most: float, reference: float | None = None) -> Result:
    """A figure that may be `most`."""
    return plain(name, metric, value, unit, reference, f"<= {most:g} {unit}", value <= most)


def ratio_at_most(name: str, metric: str, value: float, unit: str, most: float, reference: float) -> Result:
    """A figure that may be `most` times its peer's."""
    return plain(name, metric, value, unit, reference, f"<= {most:g} x", value <= most * reference)


def ratio_at_least(name: str, metric: str, value: float, unit: str, least: float, reference: float) -> Result:
    """A rate that must be `least` times its peer's."""
    return plain(name, metric, value, unit, reference, f">= {least:g} x", value >= least * reference)


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def p(values: Sequence[float], share: float) -> float:
    """The value that `share` (0.95) of all do not exceed: the nearest rank, no interpolation."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


# ------------------------------------------------------------------ counting


def cpu_ms(pid: int) -> float:
    """Milliseconds on a CPU of every living thread of a process, from the scheduler's own books (Linux)."""
    total = 0
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return 0.0
    for thread in threads:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/schedstat", "rb") as file:
            total += int(file.read().split(b" ", 1)[0])
    return total / 1e6


def rss_mb(pid: int) -> float:
    """Memory of a process that is in RAM now, in MB, the shared pages of its libraries included."""
    with open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def children(pid: int) -> list[int]:
    """The living children of a process."""
    found: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
            found += [int(word) for word in file.read().split()]
    return found


class Spent(Struct):
    """What a block took: seconds of wall, and of CPU of this whole process."""

    wall: float = 0.0
    cpu: float = 0.0

    @contextlib.contextmanager
    def more(self) -> Iterator[None]:
        """Add what the block takes."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu


def machine() -> dict[str, object]:
    """What the figures depend on."""
    model = ""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "load": [round(x, 2) for x in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


# ------------------------------------------------------------------ telling


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def row(r: Result) -> str:
    """One result as a line of the table."""
    held = {True: "held", False: "MISSED", None: ""}[r.held]
    ratio = f"{r.ratio:.2f}" if r.ratio is not None else ""
    return (
        f"{r.name:<7} {r.metric:<58.58} {_figure(r.value):>9} {r.unit:<9}{_figure(r.reference):>9} {ratio:>7}"
        f"  {r.must:<14} {held}".rstrip()
    )


HEADER = f"{'bench':<7} {'metric':<58} {'value':>9} {'unit':<9}{'peer':>9} {'ratio':>7}  {'must':<14}"


def markdown(results: Sequence[Result]) -> str:
    """The results as a table for `docs/performance.md`."""
    lines = ["| bench | metric | value | peer | ratio | must | |", "| --- | --- | ---: | ---: | ---: | --- | --- |"]
    for r in results:
        held = {True: "held", False: "**missed**", None: ""}[r.held]
        ratio = f"{r.ratio:.2f}" if r.ratio is not None else ""
        must = r.must.replace("<=", "≤").replace(">=", "≥").replace(" x", " ×")
        lines.append(
            f"| {r.name} | {r.metric} | {_figure(r.value)} {r.unit} | {_figure(r.reference)} | {ratio} | {must} | {held} |"
        )
    return "\n".join(lines) + "\n"


def run_all(
    benches: Sequence[tuple[str, Callable[[Options], Sequence[Result]]]], options: Options, say: Callable[[str], object]
) -> list[Result]:
    """Run benchmarks one after the other and tell each result as it comes; one that fails says so and the rest go on."""
    results: list[Result] = []
    say(HEADER)
    for name, bench in benches:
        try:
            for result in bench(options):
                results.append(result)
                say(row(result))
        except Exception as error:
            if options.quick:
                raise
            text = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            results.append(Result(name, f"failed: {text}", math.nan, "", must="runs", held=False))
            say(row(results[-1]))
            sys.stderr.write(f"{name} failed: {error}\n")
    return results


def document(results: Sequence[Result], options: Options) -> str:
    """The JSON document of a run."""
    whole = {
        "machine": machine(),
        "orders": options.orders,
        "quick": options.quick,
        "results": [
            {k: (None if isinstance(v, float) and math.isnan(v) else v) for k, v in msgspec.to_builtins(r).items()}
            for r in results
        ],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
