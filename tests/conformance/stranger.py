"""Connectors of somebody else, installed as a package installer leaves them, without one and without a network."""

import json
import multiprocessing
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def install(site: Path, package: str, version: str, groups: Mapping[str, Mapping[str, str]]) -> None:
    """Leave in a folder of `sys.path` what tells that a package is installed there, with its entry points."""
    info = site / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = [line for group, entries in groups.items() for line in (f"[{group}]", *_pairs(entries), "")]
    (info / "entry_points.txt").write_text("\n".join(lines))


def _pairs(entries: Mapping[str, str]) -> list[str]:
    return [f"{name} = {value}" for name, value in entries.items()]


def install_project(folder: Path) -> None:
    """Install the project of a folder from where it stands, by its own `pyproject.toml`."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install(folder, project["name"], project["version"], project["entry-points"])


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["console.cli", "console.handlers", "console.connector_kit", "pipeline.worker"])


def _program(arguments: Sequence[str], env: Mapping[str, str], cwd: Path, told: Path) -> None:
    """`shipdeck` in a process forked from one that has imported it already: what it says goes into two files."""
    for place, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(told / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), place)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [folder for folder in env["PYTHONPATH"].split(os.pathsep) if folder]
    sys.argv = ["shipdeck", *arguments]
    from console.cli import main

    sys.exit(main(list(arguments)))


class Shell:
    """`shipdeck` as a process of its own with more on its path, its own database and key."""

    def __init__(self, folder: Path, *path: Path) -> None:
        self.folder = folder
        self._told = folder / "told"
        self._told.mkdir(parents=True, exist_ok=True)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SHIPDECK")} | {
            "SHIPDECK_DB": str(folder / "cli.sqlite"),
            "SHIPDECK_KEY_FILE": str(folder / "key"),
            "SHIPDECK_CONFIG": str(folder / "config.toml"),
            "SHIPDECK_LANG": "en",
            "PYTHONPATH": os.pathsep.join(map(str, path)),
        }

    def run(self, *command: str, exits: int = 0, cwd: Path | None = None, **env: str) -> str:
        """Run any command; what it wrote, errors last."""
        done = subprocess.run(
            command, env=self.env | env, capture_output=True, text=True, timeout=120, cwd=cwd or self.folder
        )
        return self._judged(command, done.returncode, exits, done.stdout, done.stderr)

    def __call__(self, *arguments: str, exits: int = 0, cwd: Path | None = None, **env: str) -> str:
        """Run a sub-command."""
        given = (arguments, self.env | env, cwd or self.folder, self._told)
        process = _FORKS.Process(target=_program, args=given)
        process.start()
        process.join(120)
        if process.exitcode is None:
            process.kill()
        out, err = ((self._told / name).read_text(encoding="utf-8") for name in ("out", "err"))
        return self._judged(arguments, process.exitcode, exits, out, err)

    @staticmethod
    def _judged(command: Sequence[str], code: int | None, exits: int, out: str, err: str) -> str:
        assert code == exits, f"{command}: {code}\n{out}\n{err}"
        assert "Traceback" not in err, err
        return out + err

    def json(self, *arguments: str, exits: int = 0, **env: str) -> Any:
        """Run a sub-command and read its document."""
        text = self(*arguments, "--json", exits=exits, **env)
        return json.JSONDecoder().raw_decode(text)[0]
