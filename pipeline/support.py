"""A file for support: what is needed to understand a defect, and nothing of any person, shop or key.

Texts that anybody else may have written (log lines, sentences of a platform) pass `Scrubber`: it knows the words of this
program, and what it does not know it does not let through.
"""

import ast
import asyncio
import builtins
import json
import os
import platform
import re
import sqlite3
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from connectors import registry
from domain.clock import iso, now
from pipeline.checkup import examine_place
from store import portrait
from store.place import Place
from store.reader import Reader
from store.schema import Damaged, TooNew

LINES = 2_000
_PACKAGES = ("shipdeck", "textual", "sqlalchemy", "aiosqlite", "asyncpg", "httpx", "cryptography", "apscheduler")
_ROOT = Path(__file__).parent.parent
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([,.]\d+)?Z?")
_TOKEN = re.compile(r"\b(?=[\w-]*\d)[\w-]{12,}")
_DIGITS = re.compile(r"\+?\d(?:[\s().,/-]{0,2}\d){4,}")
_PATH = re.compile(r"(?:[A-Za-z]:)?[^\s\"']*[/\\]([\w.-]+\.py)\b")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W\d_]+)*", re.UNICODE)


class Scrubber:
    """Lets the words of this program through, short numbers and what stands between; `…` for everything else."""

    def __init__(self) -> None:
        self._known = {name.lower() for name in dir(builtins)} | {
            "line",
            "file",
            "traceback",
            "most",
            "recent",
            "last",
            "py",
        }
        for file in _sources():
            self._known |= _words_of(file)

    def __call__(self, text: str) -> str:
        """A text without what may be somebody's."""
        stamp = _TIME.match(text)
        begin = stamp[0] if stamp else ""
        rest = _PATH.sub(r"\1", text[len(begin) :])
        rest = _DIGITS.sub("#", _TOKEN.sub("…", rest))
        return begin + _WORD.sub(self._word, rest)

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        if word.isdecimal():
            return word if len(word) < 5 else "#"
        return word if word.lower() in self._known else "…"


def _sources() -> list[Path]:
    """Our own modules; simulated twins know people's names."""
    found = []
    for package in ("domain", "store", "connectors", "pipeline", "console"):
        for file in sorted((_ROOT / package).rglob("*.py")):
            if not {"simulated", "template", "conformance"} & set(file.parts) and file.stem not in {"demo", "practice"}:
                found.append(file)
    return found


def _words_of(file: Path) -> set[str]:
    """Names of the code, and the words of what it says; never those of examples in its comments."""
    words: set[str] = set()
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return words
    for node in ast.walk(tree):
        for name in ("id", "attr", "arg", "name", "module"):
            value = getattr(node, name, None)
            if isinstance(value, str):
                words.update(_split(value))
        if isinstance(node, ast.Call) and (_called(node) in {"_", "debug", "info", "warning", "error", "exception"}):
            for argument in ast.walk(node):
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    words.update(_split(argument.value))
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch("[a-z_]{3,30}", node.value)
        ):
            # Reason codes, columns, states.
            words.update(_split(node.value))
    return words


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _split(text: str) -> set[str]:
    # Examples of paths name people.
    return {w.lower() for w in _WORD.findall(re.sub(r"/\w[\w./-]*", " ", text)) if not w.isdecimal()}


async def bundle(place: Place, target: Path) -> Path:
    """Write the file; refuses (`FileExistsError`) one that is there."""
    scrub = await asyncio.to_thread(Scrubber)
    found = await examine_place(place)
    found["checks"] = [_scrubbed(line, scrub) for line in found["checks"]]
    parts: dict[str, str] = {
        "versions.json": _json(_versions(place)),
        "checks.json": _json({"made_at": iso(now()), "checks": found["checks"]}),
    }
    try:
        async with Reader(place) as reader:
            parts["counts.json"] = _json(await portrait.counts(reader))
            parts["settings.json"] = _json(await portrait.settings(reader))
            parts["schema.sql"] = ";\n".join(await portrait.schema(reader, place.dialect))
            parts["plans.json"] = _json(await portrait.plans(reader, place.dialect))
    except (Damaged, TooNew, sqlite3.DatabaseError) as error:
        parts["unreadable.txt"] = scrub(str(error))
    for name, text in (await asyncio.to_thread(_logs, place)).items():
        parts[name] = "\n".join(scrub(line) for line in text)
    await asyncio.to_thread(_write, target, parts)
    return target


def _scrubbed(line: dict[str, str], scrub: Scrubber) -> dict[str, str]:
    return {name: value if name in {"check", "level", "code"} else scrub(value) for name, value in line.items()}


def _versions(place: Place) -> dict[str, Any]:
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = ""
    return {
        "packages": packages,
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "engine": place.dialect,
        "bytes": place.file.stat().st_size if place.file is not None and place.file.exists() else None,
        "connectors": sorted(f"{row['kind']}.{row['name']}" for row in registry.installed()),
    }


def _logs(place: Place) -> dict[str, list[str]]:
    """The end of the worker's log, and the newest reports of crashes."""
    found: dict[str, list[str]] = {}
    if place.file is None:
        return found
    home = place.file.parent
    for file in (home / "worker.log", *sorted(home.glob("shipdeck-crash-*.txt"))[-5:]):
        try:
            with file.open("rb") as handle:
                handle.seek(max(0, file.stat().st_size - 400 * LINES))
                found[file.name] = handle.read().decode("utf-8", "replace").splitlines()[-LINES:]
        except OSError:
            continue
    return found


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


def _write(target: Path, parts: dict[str, str]) -> None:
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
