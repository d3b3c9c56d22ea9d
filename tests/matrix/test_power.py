"""Power loss on SQLite: database and WAL as they lie on the disk at some moment, whole or with the WAL's end missing.

Whatever is found must open, be whole, and hold the transactions up to some point and nothing of a later one.
"""

import random
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from store.doctor import CHECKS
from store.schema import fold
from tests.matrix.ground import Ground
from tests.matrix.test_crash import SCENARIOS, Scene

ROWS = 6
CUTS = 60


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene("sqlite", tmp_path_factory.mktemp("power"), lambda: "")
    yield made
    made.close()


def lying_there(ground: Ground, target: Path) -> tuple[Path, bytes]:
    """Copies of the database and its WAL, as a disk holds them when the power goes."""
    file = ground.place.file
    assert file is not None
    target.mkdir(parents=True, exist_ok=True)
    # By another process: closing the file here would drop the locks that this one holds on it.
    subprocess.run(["cp", str(file), f"{file}-wal", str(target)], check=True)
    return target / file.name, Path(f"{target / file.name}-wal").read_bytes()


def read(copy: Path, wal: bytes) -> tuple[int, list[str]]:
    """(id of the last event, what is wrong) of a database that comes back with this WAL."""
    Path(f"{copy}-wal").write_bytes(wal)
    Path(f"{copy}-shm").unlink(missing_ok=True)
    with closing(sqlite3.connect(copy)) as connection:
        connection.create_function("lower", 1, fold, deterministic=True)
        wrong = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        wrong += [str(row) for row in connection.execute("PRAGMA foreign_key_check")]
        wrong += [f"{name}: {row}" for name, sql in CHECKS.items() for row in connection.execute(sql)]
        last: int = connection.execute("SELECT coalesce(max(id), 0) FROM event").fetchone()[0]
        rows: int = connection.execute("SELECT count(*) FROM event").fetchone()[0]
        if rows and last - rows > connection.execute("SELECT min(id) FROM event").fetchone()[0]:
            wrong.append("events are missing in between")
    return last, wrong


def test_the_disk_of_a_stopped_process_holds_the_commits_so_far(scene: Scene, tmp_path: Path) -> None:
    ground = scene.ground
    for name in ("waybills, read_back", "checks and pushes", "a command of many rows"):
        scene.do(ground.begin_anew())
        steps = ["effect.claimed", "effect.recorded"] if "command" not in name else ["batch.chunk_done"]
        for step in steps:
            run = scene.do(SCENARIOS[name](ground))
            told = scene.processes.run(run.task, step, 1, "stop")
            assert told["end"] == "stopped"
            copy, wal = lying_there(ground, tmp_path / f"{name} {step}")
            last = scene.do(ground.value("SELECT max(id) FROM event"))
            assert read(copy, wal) == (last, [])
            assert scene.processes.go(told["pid"])["end"] == "ended 0"
            scene.do(scene.settle(run))
            scene.do(run.check())


def test_a_wal_cut_anywhere_gives_a_prefix_of_the_commits(scene: Scene, tmp_path: Path) -> None:
    ground = scene.ground
    ids = scene.do(ground.take("review", ROWS))
    scene.do(ground.p.store.checkpoint())
    ends = {scene.do(ground.value("SELECT max(id) FROM event"))}
    for turn in range(12):
        scene.do(ground.command("release" if turn % 2 else "hold", ids, **({} if turn % 2 else {"reason": "wait"})))
        ends.add(scene.do(ground.value("SELECT max(id) FROM event")))
    copy, wal = lying_there(ground, tmp_path / "cut")
    whole = copy.read_bytes()
    chance = random.Random(7)
    cuts = sorted({0, len(wal), *(chance.randrange(len(wal)) for _ in range(CUTS))})
    found = []
    for cut in cuts:
        # What follows the cut never reached the disk, or reached it as something else.
        for tail in (b"", b"\0" * min(5000, len(wal) - cut), chance.randbytes(min(5000, len(wal) - cut))):
            copy.write_bytes(whole)
            last, wrong = read(copy, wal[:cut] + tail)
            assert (wrong, last in ends) == ([], True), (cut, last, wrong)
            found.append((cut, last))
    assert [last for _cut, last in found] == sorted(last for _cut, last in found)
    assert {last for _cut, last in found} == ends
