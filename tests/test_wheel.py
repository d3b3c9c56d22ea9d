"""The built wheel, installed alone in an empty environment, runs from a folder full of a stranger's modules.

What it asks for is lent to that environment, not installed into it: links to where this one has it. Nothing else of this
one is there, so that what the wheel does not ask for is missing.
"""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def asked(of: Distribution, extras: frozenset[str], met: set[tuple[str, frozenset[str]]]) -> Iterator[Distribution]:
    """What a distribution requires, and what that requires, each in a version that the requirement allows."""
    for requirement in map(Requirement, of.requires or ()):
        if requirement.marker and not any(requirement.marker.evaluate({"extra": e}) for e in extras or {""}):
            continue
        key = (requirement.name, frozenset(requirement.extras))
        if key not in met:
            met.add(key)
            found = distribution(requirement.name)
            assert requirement.specifier.contains(found.version), f"{of.name} asks for {requirement}: {found.version}"
            yield found
            yield from asked(found, key[1], met)


def lend(found: Distribution, site: Path) -> None:
    """Let a folder of `sys.path` hold a distribution by links to its files, folder by folder where one is whole."""
    for file in found.files or ():
        top = file.parts[0]
        if top in {"..", "__pycache__"} or top.endswith(".pth"):
            continue
        package = Path(str(found.locate_file(top)))
        shared = package.is_dir() and not top.endswith(".dist-info") and not (package / "__init__.py").exists()
        name = Path(*file.parts[:2]) if shared else Path(top)
        if not (site / name).is_symlink():
            (site / name).parent.mkdir(exist_ok=True)
            (site / name).symlink_to(Path(str(found.locate_file(str(name)))))


def install(project: Path, folder: Path, python: Path) -> Distribution:
    """Build a project's wheel and install that alone; returns what the environment then knows of it."""
    folder.mkdir()
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, project, cwd=folder)
    wheel = next(folder.glob("*.whl"))
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", "--no-index", wheel, cwd=folder)
    site = next((python.parent.parent / "lib").glob("python*/site-packages"))
    return Distribution.at(next(site.glob(f"{wheel.name.split('-')[0]}-*.dist-info")))


def test_the_wheel_runs_the_demo_beside_a_strangers_modules(tmp_path: Path) -> None:
    venv.create(tmp_path / "alone", with_pip=False, symlinks=True)
    python = tmp_path / "alone" / "bin" / "python"
    ours = install(ROOT, tmp_path / "built", python)
    site = Path(str(ours.locate_file("")))
    lent = list(asked(ours, frozenset(), set()))
    assert "textual" in {found.name for found in lent}
    for found in lent:
        lend(found, site)

    strange = tmp_path / "strange"
    (strange / "console").mkdir(parents=True)
    for name in ("store.py", "domain.py", "connectors.py", "console/__init__.py"):
        (strange / name).write_text("raise RuntimeError('the wrong module was imported')\n")
    home = {"HOME": str(tmp_path / "home"), "XDG_DATA_HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path)}
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SHIPDECK"))} | home
    absent = "import importlib.util as u; print([n for n in ('pytest', 'babel', 'hatchling', 'pip', 'bench') if u.find_spec(n)])"
    assert run(python, "-c", absent, cwd=strange, env=env).strip() == "[]", "the development tools are there"
    out = run(python.parent / "shipdeck", "demo", "--headless", "--orders", "50", cwd=strange, env=env)

    books = json.loads(out)
    assert books["platform_orders"] == books["orders"] + books["abnormal"] + sum(books["excluded"].values())
    assert books["shipped"] > 30
    assert books["differences"] == []
    assert not (tmp_path / "home" / "shipdeck").exists(), "the demo must leave the user's own data alone"

    # A connector made by it builds, installs beside it and conforms, with nothing of the development tools there.
    shipdeck = python.parent / "shipdeck"
    run(shipdeck, "connector", "new", "mint", "--folder", tmp_path / "mint", cwd=strange, env=env)
    install(tmp_path / "mint", tmp_path / "made", python)
    rows = json.loads(run(shipdeck, "connector", "list", "--json", cwd=strange, env=env))
    assert [(row["package"], row["problem"]) for row in rows if row["name"] == "mint"] == [("shipdeck-mint", "")]
    told = json.loads(run(shipdeck, "connector", "test", "shop.mint", "--case", "told", "--json", cwd=strange, env=env))
    assert (told["passed"] > 5, told["failed"]) == (True, 0)
