"""`python -m bench [--only start,list,…] [--orders N] [--json FILE] [--quick]`: what the program takes, beside its limits.

Each benchmark measures our program and its limit or peer in the same run and checks that what it timed was right.
`--quick` runs all of them small, as a check of the benchmarks themselves. `python -m bench path` goes the headless path
step by step. Databases and the peers' programs are kept in `--cache` between runs.
"""

import argparse
import compileall
import importlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.data import generated
from bench.harness import NAMES, Options, Result, document, machine, markdown, run_all

MODULES = {"list": "lists", "bulk_import": "shopify_bulk"}
"""Benchmarks whose module has another name."""


PROGRAM = ("console", "pipeline", "store", "domain", "connectors")


def _as_installed() -> None:
    """Compile the program's modules, as an installer does: a start that compiles them is another one than users have."""
    for name in PROGRAM:
        compileall.compile_dir(Path(__file__).parent.parent / name, quiet=2)


def bench_of(name: str) -> Callable[[Options], Sequence[Result]]:
    """The benchmark of that name; its module is loaded when it is wanted."""
    run: Callable[[Options], Sequence[Result]] = importlib.import_module(f"bench.{MODULES.get(name, name)}").run
    return run


def main() -> int:
    """Run what was asked for; exit code 1 where a benchmark failed (not where a figure misses what it must reach)."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("path", "table"), help="the headless path; or FILE.json as a table")
    parser.add_argument("files", nargs="*", help="JSON documents for `table`")
    parser.add_argument("--only", metavar="NAMES", default=",".join(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument("--orders", type=int, metavar="N", help="orders in the large database (1,000,000)")
    parser.add_argument("--json", metavar="FILE", help="write the results as one JSON document")
    parser.add_argument("--quick", action="store_true", help="a smoke check with a small database")
    parser.add_argument("--cache", type=Path, default=os.environ.get("SHIPDECK_BENCH_CACHE") or Options().cache)
    given = parser.parse_args()
    os.environ["SHIPDECK_LANG"] = "en"
    if given.what == "path":
        from bench.path import main as path

        return path(given.orders or 500, given.json)
    if given.what == "table":
        return _table(given.files)
    wanted = [name.strip() for name in given.only.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in NAMES]:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    with tempfile.TemporaryDirectory(prefix="shipdeck-bench-run-") as scratch:
        orders = given.orders or (2_000 if given.quick else 1_000_000)
        options = Options(orders, given.quick, given.cache, Path(scratch))
        sys.stdout.write(" ".join(f"{k}={v}" for k, v in machine().items()) + "\n")
        if not given.quick:
            _as_installed()
        if {"list", "stages", "bulk", "ingest", "sync", "scan"} & set(wanted):
            for size in options.growth():
                generated(options, size)  # Now: a benchmark in an event loop cannot start another one.
        results = run_all([(name, bench_of(name)) for name in NAMES if name in wanted], options, _say)
    if given.json:
        Path(given.json).write_text(document(results, options), encoding="utf-8")
    held = [r.held for r in results if r.held is not None]
    _say(f"{held.count(True)} held, {held.count(False)} missed")
    return 1 if any(r.metric.startswith("failed: ") for r in results) else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _table(files: Sequence[str]) -> int:
    """The results of JSON documents, the later ones in the place of earlier ones of the same benchmark, in Markdown."""
    found: dict[str, list[Result]] = {}
    for file in files:
        rows = json.loads(Path(file).read_text(encoding="utf-8"))["results"]
        read = [msgspec.convert({**r, "value": math.nan if r["value"] is None else r["value"]}, Result) for r in rows]
        for name in dict.fromkeys(r.name for r in read):
            found[name] = [r for r in read if r.name == name]
    sys.stdout.write(markdown([r for name in NAMES for r in found.get(name, [])]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
