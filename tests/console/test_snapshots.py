"""Every screen at three sizes in both languages, as text. `make snapshots` after a change that is meant to be seen."""

import asyncio
import difflib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.console.gallery import generated

ROOT = Path(__file__).parent.parent.parent
KEPT = Path(__file__).parent / "snapshots"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The orders of both languages."""
    return asyncio.run(generated(tmp_path_factory.mktemp("gallery")))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_screen_looks_as_it_was_last_looked_at(language: str, made: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.console.gallery", language, str(tmp_path), str(made)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    wanted = {f.name: f.read_text(encoding="utf-8") for f in KEPT.glob(f"*.{language}.txt")}
    found = {f.name: f.read_text(encoding="utf-8") for f in tmp_path.glob("*.txt")}
    assert sorted(found) == sorted(wanted)
    differing = [
        "\n".join(difflib.unified_diff(wanted[n].splitlines(), found[n].splitlines(), n, "now", lineterm=""))
        for n in sorted(wanted)
        if wanted[n] != found[n]
    ]
    assert not differing, "\n".join(differing[:3])


def test_no_screen_is_wider_or_higher_than_its_terminal() -> None:
    from console.cells import cells

    for file in KEPT.glob("*.txt"):
        width, height = map(int, file.name.split(".")[1].split("x"))
        lines = file.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= height, file.name
        assert all(cells(line) <= width for line in lines), file.name
