"""Benchmark 10: what a single command of the command line costs, beside an interpreter that does nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import data
from bench.harness import Options, Result, at_most, check, median, plain
from bench.keyboard import CONSOLE
from domain.facts import code_of

LIMIT = 50


def run(options: Options) -> list[Result]:
    """`shipdeck list --json` over the whole order book, and `shipdeck --version`."""
    file = data.generated(options, options.orders)
    times = options.size(9, 1)
    connection = data.read_only(file)
    ids = [
        row[0]
        for row in connection.execute(
            "SELECT id FROM shipment WHERE stage = 1 ORDER BY coalesce(ship_by, 9007199254740991), id"
        )
    ]
    connection.close()
    folder = options.scratch / "cli"
    folder.mkdir()
    # Reading writes nothing, so the cached database itself is asked.
    env = {**os.environ, **data.environment(data.place_of(file), folder)}

    def listed(*arguments: str) -> tuple[float, list[str]]:
        found = [_cpu([*CONSOLE, "list", "review", *arguments, "--json"], env) for _n in range(times)]
        return median([cpu for cpu, _o in found]), [r["code"] for r in json.loads(found[0][1])]

    nothing = median([_cpu([sys.executable, "-c", "pass"], env)[0] for _n in range(times)])
    said = [_cpu([*CONSOLE, "--version"], env) for _n in range(times)]
    check(said[0][1].startswith(b"shipdeck "), "the version was told")
    page, codes = listed("--limit", str(LIMIT))
    check(codes == [code_of(i) for i in ids[:LIMIT]], "the most urgent shipments were listed")
    some, codes = listed("--where", "country:UA", "--limit", str(LIMIT))
    check(len(codes) == LIMIT or options.quick, "the filter found its page")
    results = [
        at_most("cli", f"list review --limit {LIMIT} --json", page, "s", 0.45, nothing),
        at_most("cli", f"list review --where country:UA --limit {LIMIT} --json", some, "s", 0.45, nothing),
        at_most("cli", "--version", median([cpu for cpu, _o in said]), "s", 0.15, nothing),
    ]
    whole, codes = listed()
    check(codes == [code_of(i) for i in ids], "the whole stage was listed in its order")
    results.append(plain("cli", f"list review --json, all {len(ids)} rows", whole, "s", nothing))
    return results


def _cpu(argv: Sequence[str | Path], env: dict[str, str]) -> tuple[float, bytes]:
    """(CPU seconds of the process from its start to its end, what it wrote)."""
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read()
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    check(process.returncode == 0, f"{argv} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, output
