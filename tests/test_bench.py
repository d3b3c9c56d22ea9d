"""The benchmark harness runs and checks its own answers; what it measures is asserted nowhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.harness import (
    NAMES,
    Options,
    Result,
    WrongAnswer,
    at_most,
    check,
    markdown,
    p,
    ratio_at_least,
    ratio_at_most,
    run_all,
)

ROOT = Path(__file__).parent.parent


def test_the_path_benchmark_runs_and_names_every_step(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    command = [sys.executable, "-m", "bench", "path", "--orders", "15", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    steps = [r["name"] for r in json.loads(file.read_text())["results"]]
    assert steps[0] == "sync, first"
    assert steps[-1] == "worker: checks, pushes"


def test_every_benchmark_runs_small_and_checks_its_own_answers(tmp_path: Path) -> None:
    """A smoke check: what is timed is right, and every figure is told with its unit. No time is asserted."""
    file = tmp_path / "found.json"
    command = [sys.executable, "-m", "bench", "--quick", "--cache", str(tmp_path / "cache"), "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert {r["name"] for r in found["results"]} == set(NAMES)
    assert all(
        set(r) == {"name", "metric", "value", "unit", "reference", "ratio", "must", "held"} for r in found["results"]
    )
    assert all((r["must"] == "") is (r["held"] is None) for r in found["results"])
    assert {"python", "sqlite", "cores", "date"} <= found["machine"].keys()


def test_an_answer_that_is_not_right_fails_its_benchmark() -> None:
    with pytest.raises(WrongAnswer, match="the row was there"):
        check(False, "the row was there")


def test_a_benchmark_that_fails_is_told_and_the_others_go_on() -> None:
    def fails(_options: Options) -> list[Result]:
        raise WrongAnswer("no row")

    said: list[str] = []
    (result,) = run_all([("list", fails), ("cli", lambda _options: [])], Options(), said.append)
    assert (result.name, result.held) == ("list", False)
    assert "no row" in result.metric


def test_medians_and_ranks() -> None:
    assert p([5, 1, 3, 2, 4], 0.95) == 5
    assert p(list(range(1, 101)), 0.95) == 95
    assert ratio_at_most("bulk", "x", 3.0, "s", 4.0, 1.0).held
    assert not ratio_at_most("bulk", "x", 5.0, "s", 4.0, 1.0).held
    assert ratio_at_least("ingest", "x", 0.4, "orders/s", 0.35, 1.0).held
    assert "| **missed** |" in markdown([at_most("cli", "x", 2.0, "s", 1.0)])
