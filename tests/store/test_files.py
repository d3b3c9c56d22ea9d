"""Database files: private, migrated with a backup, refused when newer or damaged; secrets sealed to their place."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain.clock import HOUR, now
from pipeline.checkup import examine_place
from store import accounts, files
from store.backup import backup_file
from store.place import BadPlace, Place, find, newest_backup, stamp
from store.reader import Reader, Watch
from store.restore import Restored, restore
from store.salvage import Salvaged, salvage
from store.schema import HEAD, Damaged, TooNew, revision_of
from store.sealing import KeyMissing, Sealer, WrongKey
from store.upgrade import open_store, upgrade
from tests.store.conftest import differences


async def test_a_new_database_is_private_and_at_the_newest_schema(bare_sqlite_place: Place) -> None:
    store = await open_store(bare_sqlite_place)
    await store.close()
    assert bare_sqlite_place.file is not None
    assert revision_of(bare_sqlite_place) == HEAD
    assert stat.S_IMODE(bare_sqlite_place.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(bare_sqlite_place.file.parent.stat().st_mode) == 0o700


async def test_the_migrations_lead_to_the_tables_of_the_code(bare_place: Place) -> None:
    store = await open_store(bare_place)
    assert await store.run_sync(differences) == []
    await store.close()


async def test_opening_twice_migrates_once_and_two_at_once_agree(bare_place: Place) -> None:
    stores = await asyncio.gather(*(open_store(bare_place) for _ in range(3)))
    for store in stores:
        async with store.reading() as tx:
            assert await tx.value("SELECT version_num FROM alembic_version") == HEAD
        await store.close()


async def test_a_newer_database_is_refused_and_left_alone(sqlite_place: Place) -> None:
    await (await open_store(sqlite_place)).close()
    assert sqlite_place.file is not None
    with sqlite3.connect(sqlite_place.file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(TooNew, match="9999"):
        await open_store(sqlite_place)
    assert revision_of(sqlite_place) == "9999"


async def test_an_older_database_is_backed_up_before_it_is_migrated(sqlite_place: Place, monkeypatch: Any) -> None:
    store = await open_store(sqlite_place)
    assert sqlite_place.file is not None
    with sqlite3.connect(sqlite_place.file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    monkeypatch.setattr("store.schema.KNOWN", ("0000", HEAD))
    with pytest.raises(Exception, match="0000"):
        # No script leads from there: the migration fails, but its backup was made first.
        await upgrade(store)
    await store.close()
    copies = list(sqlite_place.backups.glob("*.sqlite"))
    assert len(copies) == 1
    with sqlite3.connect(copies[0]) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone()[0] == "0000"


async def test_what_is_not_a_database_is_named_and_left_alone(bare_sqlite_place: Place) -> None:
    assert bare_sqlite_place.file is not None
    bare_sqlite_place.file.parent.mkdir(parents=True)
    bare_sqlite_place.file.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    before = bare_sqlite_place.file.read_bytes()
    with pytest.raises(Damaged):
        await open_store(bare_sqlite_place)
    assert bare_sqlite_place.file.read_bytes() == before


async def test_a_backup_is_whole_private_and_made_while_somebody_writes(sqlite_place: Place) -> None:
    store = await open_store(sqlite_place)
    async with store.transaction() as tx:
        await accounts.install_code(tx)
        copy = await asyncio.to_thread(backup_file, sqlite_place, now)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with sqlite3.connect(copy) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert list(sqlite_place.backups.iterdir()) == [copy]
    await store.close()


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def installs(file: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT value FROM meta WHERE key = 'install'").fetchall()


@pytest.mark.parametrize("name", ["box #3", "who?mode=rwc", "100%23", "a&b;c"])
async def test_a_name_that_means_something_in_an_address_is_a_name_everywhere(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    place = Place("", home / f"{name}.sqlite", tmp_path / "key", home / "backups")
    assert place.file is not None
    store = await open_store(place)
    async with store.transaction() as tx:
        code = await accounts.install_code(tx)
    async with Reader(place) as reader:
        assert await reader.fetch("SELECT value FROM meta WHERE key = 'install'") == [{"value": code}]
    with Watch(place) as watch:
        assert not watch.changed()
    await store.close()
    assert revision_of(place) == HEAD
    copy = backup_file(place, now)
    assert installs(copy) == [(code,)]
    saved = await salvage(place, home / f"{name} saved.sqlite", now)
    assert isinstance(saved, Salvaged)
    assert installs(saved.file) == [(code,)]
    made = await restore(place, copy, now, replace=True, nothing_since=True)
    assert isinstance(made, Restored)
    assert made.kept is not None
    assert installs(place.file) == installs(made.kept) == [(code,)]
    assert names_in(tmp_path) == {name}
    assert names_in(home) == {place.file.name, saved.file.name, "backups"}


def of_another_program(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE orders (id)")


def without_its_orders(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.commit()


@pytest.mark.parametrize("made", [Path.touch, of_another_program, without_its_orders])
async def test_what_holds_no_database_of_ours_is_neither_a_backup_nor_restored(
    sqlite_place: Place, tmp_path: Path, made: Any
) -> None:
    await (await open_store(sqlite_place)).close()
    assert sqlite_place.file is not None
    before = installs(sqlite_place.file)
    made(tmp_path / "other.sqlite")
    other = Place("", tmp_path / "other.sqlite", tmp_path / "key", tmp_path / "b")
    with pytest.raises(Damaged):
        backup_file(other, now)
    assert list(other.backups.iterdir()) == []
    with pytest.raises(Damaged):
        await restore(sqlite_place, tmp_path / "other.sqlite", now, replace=True)
    assert installs(sqlite_place.file) == before
    with pytest.raises(Damaged, match="not there"):
        await restore(sqlite_place, tmp_path / "nowhere", now, replace=True)


async def test_the_newest_backup_is_told_by_the_names_that_backups_have(sqlite_place: Place) -> None:
    assert newest_backup(sqlite_place) is None
    await (await open_store(sqlite_place)).close()
    at = now()
    backup_file(sqlite_place, lambda: at - HOUR, "before-0004")
    assert newest_backup(sqlite_place) == at - HOUR
    (sqlite_place.backups / "mine.sqlite").touch()
    for name in ("x-" + stamp(at), "test-99999999-999999-999", "test-" + stamp(at) + "-copy.bak"):
        (sqlite_place.backups / f"{name}.sqlite").touch()
    assert newest_backup(sqlite_place) == at - HOUR
    backup_file(sqlite_place, lambda: at)
    assert newest_backup(sqlite_place) == at


KILLED = """
import os, signal, sys
from pathlib import Path
from store.files import new_file, scratch, temporary
home, backups = map(Path, sys.argv[1:])
with scratch(home, "unpacked") as folder:
    new_file(folder / "key").write(b"k")
    new_file(temporary(backups, "backup")).write(b"b")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_command_left_is_named_by_the_doctor_and_swept_by_the_next_one(sqlite_place: Place) -> None:
    async def create() -> None:
        await (await open_store(sqlite_place)).close()

    asyncio.run(create())
    assert sqlite_place.file is not None
    home = sqlite_place.file.parent
    copy = backup_file(sqlite_place, now)
    done = subprocess.run([sys.executable, "-c", KILLED, str(home), str(copy.parent)], timeout=60)
    assert done.returncode == -signal.SIGKILL
    left = [*home.glob(".*"), *copy.parent.glob(".*")]
    assert len(left) == 2
    mine = files.temporary(home, "unpacked")
    mine.mkdir()
    named = [c["where"] for c in asyncio.run(examine_place(sqlite_place))["checks"] if c["code"] == "left_behind"]
    assert sorted(named) == sorted(map(str, left)), "what a living process makes is not left behind"
    backup_file(sqlite_place, now)
    assert list(copy.parent.glob(".*")) == []
    with files.scratch(home, "portable") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert sorted(home.glob(".*")) == sorted([mine, folder])
    assert list(home.glob(".*")) == [mine]


def test_a_new_file_is_private_whatever_the_mask_and_goes_through_no_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "link").symlink_to(victim)
    with pytest.raises(FileExistsError):
        files.write_new(tmp_path / "link", b"x")
    mask = os.umask(0)
    try:
        with files.new_file(tmp_path / "new") as file:
            assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
            file.write(b"x")
        files.put_file(tmp_path / "link", b"put")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "link").lstat().st_mode) == 0o600
    assert (victim.read_bytes(), (tmp_path / "link").read_bytes()) == (b"mine", b"put")
    assert {f.name for f in tmp_path.iterdir()} == {"victim", "link", "new"}


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_cannot_be_a_database_is_refused(url: str) -> None:
    with pytest.raises(BadPlace):
        find(url)


def test_a_place_never_shows_a_password() -> None:
    assert "hunter2" not in repr(find("postgresql://anna:hunter2@db.example.test/ship"))


def test_a_secret_opens_only_as_its_own_field_of_its_own_account(tmp_path: Path) -> None:
    sealer = Sealer(tmp_path / "keys" / "key")
    sealed = sealer.seal("shop:1", "consumer_secret", "cs_hush")
    assert b"cs_hush" not in sealed
    assert sealer.open("shop:1", "consumer_secret", sealed) == "cs_hush"
    for account, field in (("shop:2", "consumer_secret"), ("shop:1", "consumer_key")):
        with pytest.raises(WrongKey):
            sealer.open(account, field, sealed)
    assert stat.S_IMODE((tmp_path / "keys" / "key").stat().st_mode) == 0o600


def test_a_missing_or_other_key_file_is_named(tmp_path: Path) -> None:
    sealed = Sealer(tmp_path / "key").seal("shop:1", "token", "hush")
    with pytest.raises(KeyMissing):
        Sealer(tmp_path / "gone").open("shop:1", "token", sealed)
    other = Sealer(tmp_path / "other")
    other.seal("shop:1", "token", "x")
    with pytest.raises(WrongKey):
        other.open("shop:1", "token", sealed)
