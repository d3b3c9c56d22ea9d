"""Backups by themselves: one a night, the right ones kept, a copy in a second place, and a word when that is old."""

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from console.screens.bars import Standing, header
from domain.clock import DAY, HOUR, MINUTE, now
from pipeline.backing_up import back_up, last_night, nightly
from pipeline.base import Pipeline
from pipeline.checkup import checkup
from pipeline.worker import Worker
from store import accounts
from store import remembered as kept
from store.backup import backup_file, copy_to, made_at, superfluous
from store.overview import overview
from store.place import Place, stamp
from store.reader import Reader
from store.remembered import Remembered
from store.schema import Damaged


class Moved:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = now()

    def __call__(self) -> int:
        return self.at


@pytest.fixture
async def night(sqlite_place: Place) -> AsyncIterator[Pipeline]:
    p = await Pipeline.open(sqlite_place, Moved())
    yield p
    await p.aclose()


def turn(p: Pipeline, ms: int) -> None:
    assert isinstance(p.clock, Moved)
    p.clock.at += ms


async def codes(p: Pipeline) -> set[str]:
    return {line["code"] for line in (await checkup(p))["checks"]} - {"", "wal_race"}


async def remembered(p: Pipeline) -> Remembered:
    async with p.store.reading() as tx:
        return await kept.remembered(tx)


async def test_one_backup_a_night_whoever_works_and_none_twice(night: Pipeline) -> None:
    assert await nightly(night, "a")
    assert not await nightly(night, "b")
    turn(night, last_night(night.clock()) + DAY - night.clock() - MINUTE)
    assert not await nightly(night, "a")
    turn(night, 2 * MINUTE)
    both = await asyncio.gather(nightly(night, "host|1|1|a"), nightly(night, "host|2|2|b"))
    assert sorted(both) == [False, True]
    assert len(list(night.store.place.backups.glob("*.sqlite"))) == 2


async def test_the_worker_makes_it_when_it_tidies_up(night: Pipeline) -> None:
    worker = Worker(night)
    await worker._tidy()
    await worker._tidy()
    assert len(list(night.store.place.backups.glob("*.sqlite"))) == 1


async def test_tidying_up_backs_up_before_it_erases_and_one_part_that_fails_stops_no_other(
    night: Pipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker, done = Worker(night), []

    async def erase(p: Pipeline) -> None:
        done.append(len(list(p.store.place.backups.glob("*.sqlite"))))

    async def fails(*_about: Any) -> None:
        raise RuntimeError("the disk hums")

    monkeypatch.setattr("pipeline.erasing.daily", erase)
    await worker._tidy()
    assert done == [1], "people are erased after the night's backup was made"
    monkeypatch.setattr("pipeline.backing_up.nightly", fails)
    monkeypatch.setattr("pipeline.worker.fold_counters", fails)
    monkeypatch.setattr(night.store, "checkpoint", fails)
    await worker._tidy()
    assert done == [1, 1]
    assert [r.message.split(": ")[1] for r in caplog.records if "tidying" in r.message] == [
        "back_up failed",
        "fold failed",
        "fails failed",
    ]


async def test_a_practice_database_is_not_backed_up(night: Pipeline) -> None:
    async with night.store.transaction() as tx:
        await accounts.mark_practice(tx)
    assert not await nightly(night, "a")
    assert not await codes(night)


def test_the_newest_and_one_a_week_for_eight_weeks_are_kept(tmp_path: Path) -> None:
    def name(days: int) -> Path:
        return tmp_path / f"shop-{stamp(1_790_000_000_000 - days * DAY)}.sqlite"

    files = [name(d) for d in range(120)]
    labelled = [tmp_path / "shop-20260101-000000-000-before-0004.sqlite", tmp_path / "other-20260101-000000-000.sqlite"]
    gone = set(superfluous([*files, *labelled], "shop", 14))
    days = [d for d in range(120) if name(d) not in gone]
    assert days[:14] == list(range(14))
    assert len(days) == 14 + 8
    assert all(6 <= b - a <= 8 for a, b in pairwise(days[15:]))
    assert not gone & set(labelled)
    assert made_at(name(3), "shop") == 1_790_000_000_000 - 3 * DAY
    assert made_at(labelled[0], "shop") is None


async def test_older_backups_go_here_and_in_the_second_place(night: Pipeline, tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    async with night.store.transaction() as tx:
        await kept.remember(tx, second=str(second), keep=2)
    for _ in range(4):
        made = await back_up(night)
        turn(night, HOUR // 60)
    assert made.second == second / made.file.name
    assert made.second.read_bytes() == made.file.read_bytes()
    # The two newest, and the newest of the week that the others were made in.
    for folder in (night.store.place.backups, second):
        assert len(list(folder.iterdir())) == 3, list(folder.iterdir())


async def test_a_second_place_that_is_not_there_stops_nothing_and_is_named_after_a_day(
    night: Pipeline, tmp_path: Path
) -> None:
    second = tmp_path / "stick"
    second.mkdir()
    async with night.store.transaction() as tx:
        await kept.remember(tx, second=str(second))
    await nightly(night, "a")
    assert not await codes(night) & {"backup_copy_old", "no_second_place", "backup_failed"}
    for copy in second.iterdir():
        copy.unlink()
    second.rmdir()
    turn(night, DAY + HOUR)
    assert await nightly(night, "a")
    assert not second.exists(), "a mount that is away must not become a folder on this disk"
    known = await remembered(night)
    assert known.copy_old(night.clock())
    assert str(second) in known.failed
    assert {"backup_copy_old", "backup_failed"} <= await codes(night)
    assert (await checkup(night))["findings"] == []
    async with Reader(night.store.place) as reader:
        facts = await overview(reader, night.clock())
    shown = "".join(text for text, _style in header(facts, Standing(night.clock(), "anna", "bench", False, None), 160))
    assert "! copy" in shown
    second.mkdir()
    turn(night, DAY)
    assert await nightly(night, "a")
    assert not await codes(night) & {"backup_copy_old", "backup_failed"}


async def test_without_a_second_place_the_doctor_says_what_that_means(night: Pipeline) -> None:
    assert {"no_backup", "no_second_place"} <= await codes(night)
    await back_up(night)
    assert "no_backup" not in await codes(night)
    turn(night, 2 * DAY)
    assert "backup_old" in await codes(night)


@pytest.mark.parametrize(
    "trouble",
    [
        Damaged("page 7"),
        sqlite3.OperationalError("page 7 is locked"),
        sqlite3.DatabaseError("page 7"),
        OSError(28, "no room for page 7"),
    ],
)
async def test_what_hinders_the_nights_backup_is_remembered_until_one_is_made(
    night: Pipeline, monkeypatch: Any, trouble: Exception
) -> None:
    def hindered(*_about: Any) -> Path:
        raise trouble

    monkeypatch.setattr("store.backup.backup_file", hindered)
    assert not await nightly(night, "a")
    assert "page 7" in (await remembered(night)).failed
    assert "backup_failed" in await codes(night)
    monkeypatch.undo()
    assert await nightly(night, "a")
    assert (await remembered(night)).failed == ""
    assert "backup_failed" not in await codes(night)


async def test_what_cannot_be_thinned_out_hinders_neither_the_backup_nor_its_copy(
    night: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "second").mkdir()
    async with night.store.transaction() as tx:
        await kept.remember(tx, second=str(tmp_path / "second"))

    def stuck(folder: Path, *_about: Any) -> list[Path]:
        raise PermissionError(1, "not yours", str(folder))

    monkeypatch.setattr("store.backup.thin_out", stuck)
    made = await back_up(night)
    assert made.file.exists()
    assert made.second is not None
    assert made.second.exists()
    assert made.trouble == f"{made.file.parent}: not yours; {made.second.parent}: not yours"
    assert (await remembered(night)).failed == made.trouble
    assert not (await remembered(night)).copy_old(night.clock())


def test_a_copy_in_a_place_that_others_use_is_private_at_once_and_goes_through_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, second, victim = tmp_path / "b.sqlite", tmp_path / "second", tmp_path / "victim"
    file.write_bytes(b"books")
    victim.write_bytes(b"mine")
    second.mkdir()
    # Whoever may write there too lays links under every name that can be foreseen.
    (second / file.name).symlink_to(victim)
    (second / f".{file.name}.part").symlink_to(victim)
    modes: list[int] = []
    copying = shutil.copyfileobj

    def watched(source: Any, target: Any, *about: Any) -> None:
        modes.append(stat.S_IMODE(os.fstat(target.fileno()).st_mode))
        copying(source, target, *about)

    monkeypatch.setattr("shutil.copyfileobj", watched)
    mask = os.umask(0)
    try:
        made = copy_to(file, second)
    finally:
        os.umask(mask)
    assert modes == [0o600]
    assert not made.is_symlink()
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert (made.read_bytes(), victim.read_bytes()) == (b"books", b"mine")


def test_half_a_copy_keeps_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "b.sqlite"
    file.write_bytes(b"books")
    (tmp_path / "second").mkdir()
    monkeypatch.setattr("shutil.copyfileobj", lambda source, target, *_about: target.write(source.read(2)))
    with pytest.raises(OSError, match="read back"):
        copy_to(file, tmp_path / "second")
    assert list((tmp_path / "second").iterdir()) == []


def test_a_copy_of_a_damaged_file_keeps_no_name(sqlite_place: Place) -> None:
    async def make() -> None:
        p = await Pipeline.open(sqlite_place)
        async with p.store.transaction() as tx:
            for n in range(2000):
                await tx.do("INSERT INTO event (at, kind, data) VALUES (:n, 'x', '{}')", n=n)
        await p.store.checkpoint()
        await p.aclose()

    asyncio.run(make())
    file = sqlite_place.file
    assert file is not None
    with closing(sqlite3.connect(file)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()[0]
    data = bytearray(file.read_bytes())
    data[(root - 1) * 4096 : (root - 1) * 4096 + 4096] = b"\xff" * 4096
    file.write_bytes(data)
    with pytest.raises(Damaged, match="doctor"):
        backup_file(sqlite_place, now)
    assert list(sqlite_place.backups.iterdir()) == []
    assert file.read_bytes() == bytes(data)


async def test_a_backup_needs_no_other_file_and_knows_its_moment(night: Pipeline) -> None:
    async with night.store.transaction() as tx:
        await tx.do("INSERT INTO event (at, kind, data) VALUES (1, 'only in the WAL', '{}')")
    copy = await asyncio.to_thread(backup_file, night.store.place, night.clock)
    copy.chmod(0o400)
    copy.parent.chmod(0o500)
    try:
        with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as connection:
            # Bytes 18 and 19 of the header: 1 = no WAL beside it, 2 = WAL.
            assert copy.read_bytes()[18:20] == b"\x01\x01"
            assert connection.execute("SELECT count(*) FROM event WHERE kind = 'only in the WAL'").fetchone()[0] == 1
            moment = connection.execute("SELECT value FROM meta WHERE key = 'backup_at'").fetchone()[0]
    finally:
        copy.parent.chmod(0o700)
    assert int(moment) == night.clock()
    assert [f.name for f in copy.parent.iterdir()] == [copy.name]
