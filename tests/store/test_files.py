"""Database files: private, migrated with a backup, refused when newer or damaged; secrets sealed to their place."""

import asyncio
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from domain.clock import now
from store import accounts
from store.backup import backup_file
from store.place import BadPlace, Place, find
from store.schema import HEAD, Damaged, TooNew, revision_of
from store.sealing import KeyMissing, Sealer, WrongKey
from store.upgrade import open_store, upgrade
from tests.store.conftest import differences


async def test_a_new_database_is_private_and_at_the_newest_schema(sqlite_place: Place) -> None:
    store = await open_store(sqlite_place)
    await store.close()
    assert sqlite_place.file is not None
    assert revision_of(sqlite_place) == HEAD
    assert stat.S_IMODE(sqlite_place.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(sqlite_place.file.parent.stat().st_mode) == 0o700


async def test_the_migrations_lead_to_the_tables_of_the_code(place: Place) -> None:
    store = await open_store(place)
    assert await store.run_sync(differences) == []
    await store.close()


async def test_opening_twice_migrates_once_and_two_at_once_agree(place: Place) -> None:
    stores = await asyncio.gather(*(open_store(place) for _ in range(3)))
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


async def test_what_is_not_a_database_is_named_and_left_alone(sqlite_place: Place) -> None:
    assert sqlite_place.file is not None
    sqlite_place.file.parent.mkdir(parents=True)
    sqlite_place.file.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    before = sqlite_place.file.read_bytes()
    with pytest.raises(Damaged):
        await open_store(sqlite_place)
    assert sqlite_place.file.read_bytes() == before


async def test_a_backup_is_whole_private_and_made_while_somebody_writes(sqlite_place: Place) -> None:
    store = await open_store(sqlite_place)
    async with store.transaction() as tx:
        await accounts.install_code(tx)
        copy = await asyncio.to_thread(backup_file, sqlite_place, now)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with sqlite3.connect(copy) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert not list(sqlite_place.backups.glob("*.part"))
    await store.close()


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
