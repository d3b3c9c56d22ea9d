"""What `make matrix` prints at its end: cells played, by kind and engine, and how they ended."""

from collections import Counter
from typing import Any

import pytest


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """A table of the matrix, where one was played in full."""
    if config.getoption("--matrix") != "full":
        return
    rows: dict[tuple[str, str], Counter[str]] = {}
    struck: Counter[str] = Counter()
    crashed: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            told = dict(report.user_properties)
            if report.when == "call" and "crash" in told:
                crashed[told["crash"][1]] += told["crash"][2]
            if report.when != "call" or "matrix" not in told:
                continue
            engine, kind, fault = told["matrix"]
            end = told.get("matrix_end", "FAILED") if outcome == "passed" else "FAILED"
            rows.setdefault((kind, engine), Counter())[end] += 1
            struck[fault] += 1
    if not rows:
        return
    line = terminalreporter.write_line
    terminalreporter.section("fault matrix")
    line(f"{'kind':<18}{'engine':<12}{'cells':>7}{'done':>7}{'parked':>8}{'refused':>9}{'FAILED':>8}")
    for (kind, engine), ends in [*sorted(rows.items()), (("all", ""), sum(rows.values(), Counter()))]:
        shown = f"{ends['done']:>7}{ends['parked']:>8}{ends['failed']:>9}{ends['FAILED']:>8}"
        line(f"{kind:<18}{engine:<12}{ends.total():>7}{shown}")
    line(f"{struck.total()} faults of {len(struck)} kinds: " + ", ".join(f"{k} {n}" for k, n in sorted(struck.items())))
    line("processes struck at a step: " + ", ".join(f"{n} on {engine}" for engine, n in sorted(crashed.items())))
