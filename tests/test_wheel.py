"""The built wheel, installed alone in an empty environment, runs from a folder full of a stranger's modules."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_the_wheel_runs_the_demo_beside_a_strangers_modules(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", ROOT, cwd=tmp_path)
    wheel = next((tmp_path / "dist").glob("*.whl"))
    venv.create(tmp_path / "alone", with_pip=True)
    python = tmp_path / "alone" / "bin" / "python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)

    strange = tmp_path / "strange"
    (strange / "console").mkdir(parents=True)
    for name in ("store.py", "domain.py", "connectors.py", "console/__init__.py"):
        (strange / name).write_text("raise RuntimeError('the wrong module was imported')\n")
    home = {"HOME": str(tmp_path / "home"), "XDG_DATA_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path)}
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SHIPDECK"))} | home
    out = run(python.parent / "shipdeck", "demo", "--headless", "--orders", "50", cwd=strange, env=env)

    books = json.loads(out)
    assert books["platform_orders"] == books["orders"] + books["abnormal"] + sum(books["excluded"].values())
    assert books["shipped"] > 30
    assert books["differences"] == []
    assert not (tmp_path / "home" / "shipdeck").exists(), "the demo must leave the user's own data alone"

    # A connector made by it builds, installs beside it and conforms, with nothing of the development tools there.
    shipdeck = python.parent / "shipdeck"
    run(shipdeck, "connector", "new", "mint", "--folder", tmp_path / "mint", cwd=strange, env=env)
    run(*pip, "--no-deps", tmp_path / "mint", cwd=tmp_path)
    rows = json.loads(run(shipdeck, "connector", "list", "--json", cwd=strange, env=env))
    assert [(row["package"], row["problem"]) for row in rows if row["name"] == "mint"] == [("shipdeck-mint", "")]
    told = json.loads(run(shipdeck, "connector", "test", "shop.mint", "--case", "told", "--json", cwd=strange, env=env))
    assert (told["passed"] > 5, told["failed"]) == (True, 0)
