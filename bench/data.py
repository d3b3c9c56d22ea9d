"""The databases the benchmarks look at: generated once, kept in the cache, copied before anything is written."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.generate import generate
from bench.harness import Options
from domain.clock import now
from domain.enums import Stage
from domain.results import Refused
from pipeline import persons
from pipeline.base import Pipeline
from store.place import Place
from store.schema import HEAD, revision_of

SEED = 7


def place_of(file: Path) -> Place:
    """The place of a benchmark's database: its key lies beside the cache, not in the user's folders."""
    return Place("", file, file.parent / "keys" / "key", file.parent / "backups")


def generated(options: Options, orders: int, stages: Mapping[Stage, int] | None = None) -> Path:
    """A generated database of so many orders, with an owner; made when it is not in the cache or of another schema."""
    options.cache.mkdir(parents=True, exist_ok=True)
    plain = "".join(f"-{s.word}{n}" for s, n in (stages or {}).items())
    file = options.cache / f"orders-{orders}{plain}.sqlite"
    place = place_of(file)
    if file.exists() and revision_of(place) != HEAD:
        for path in options.cache.glob(file.name + "*"):
            path.unlink()
    if not file.exists():
        sys.stderr.write(f"making {file} ...\n")
        made = place_of(options.cache / f"making-{os.getpid()}.sqlite")
        generate(made, orders, SEED, stages=stages)
        _with_owner(made)
        assert made.file is not None
        for path in options.cache.glob(made.file.name + "-*"):
            path.unlink()
        made.file.rename(file)
    return file


def _with_owner(place: Place) -> None:
    async def work() -> None:
        p = await Pipeline.open(place, worker=True)
        made = await persons.first_owner(p, "anna")
        assert not isinstance(made, Refused) or made.code == "owner_exists", made
        await p.store.checkpoint()
        await p.aclose()

    asyncio.run(work())


@contextlib.contextmanager
def copied(options: Options, file: Path, name: str = "copy") -> Iterator[Place]:
    """A copy of a database that may be written, gone afterwards."""
    folder = options.scratch / name
    folder.mkdir(parents=True)
    try:
        copy = folder / "copy.sqlite"
        shutil.copyfile(file, copy)
        copy.chmod(0o600)
        yield place_of(copy)
    finally:
        shutil.rmtree(folder)


def no_worker(place: Place) -> None:
    """Let the console believe that a worker lives, so that it starts none: what is measured is the console alone."""
    assert place.file is not None
    connection = sqlite3.connect(place.file)
    at = now() + 365 * 86_400_000
    connection.execute(
        "INSERT INTO worker (owner, host, pid, started_at, beat_at) VALUES ('bench', 'bench', 0, ?, ?)", (at, at)
    )
    connection.commit()
    connection.close()


def environment(place: Place, folder: Path) -> dict[str, str]:
    """The variables under which the program works on a benchmark's database."""
    return {
        "SHIPDECK_DB": str(place.file),
        "SHIPDECK_KEY_FILE": str(place.key_file),
        "SHIPDECK_CONFIG": str(folder / "config.toml"),
        "SHIPDECK_LANG": "en",
        "SHIPDECK_OPERATOR": "",
        "SHIPDECK_AMBIGUOUS": "1",
        "HOME": str(folder),
    }


def read_only(file: Path) -> sqlite3.Connection:
    """A connection for looking up what the right answer is."""
    return sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)
