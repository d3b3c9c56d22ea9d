"""The benchmark harness runs and checks its own answers; what it measures is asserted nowhere."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_path_benchmark_runs_and_names_every_step(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    command = [sys.executable, "-m", "bench", "path", "--orders", "15", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    steps = [r["name"] for r in json.loads(file.read_text())["results"]]
    assert steps[0] == "sync, first"
    assert steps[-1] == "worker: checks, pushes"
