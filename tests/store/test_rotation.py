"""A new key: every secret is sealed anew at once, and opens whatever step the machine stopped at."""

import asyncio
import stat
from pathlib import Path

import pytest

from domain.clock import now
from domain.results import Refused
from store import accounts
from store.backup import backup_file
from store.database import Store
from store.place import Place
from store.rotation import Rotated, put_key, rotate
from store.sealing import Sealer, WrongKey, waiting_key
from store.upgrade import open_store

SECRETS = {"shop:1": {"key": "ck_hush", "secret": "cs_hush"}, "carrier:1": {"token": "t_hush"}}


class PowerCut(Exception):
    """The machine stops here."""


async def sealed(place: Place) -> Store:
    store = await open_store(place)
    async with store.transaction() as tx:
        for account, values in SECRETS.items():
            await accounts.set_secrets(tx, Sealer(place.key_file), account, values)
    return store


async def assert_all_open(store: Store, sealer: Sealer | None = None) -> None:
    async with store.reading() as tx:
        for account, values in SECRETS.items():
            assert await accounts.get_secrets(tx, sealer or Sealer(store.place.key_file), account) == values


async def opens_with(store: Store, key: bytes, folder: Path) -> bool:
    """Does this key alone open them?"""
    file = folder / "alone" / "key"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(key)
    try:
        await assert_all_open(store, Sealer(file))
    except WrongKey:
        return False
    return True


async def test_every_secret_is_under_the_new_key_and_the_old_one_is_kept(place: Place, tmp_path: Path) -> None:
    store = await sealed(place)
    old = place.key_file.read_bytes()
    running = Sealer(place.key_file)
    await assert_all_open(store, running)
    made = await rotate(store)
    assert isinstance(made, Rotated)
    assert made.secrets == 3
    new = place.key_file.read_bytes()
    assert new != old
    assert made.old.read_bytes() == old
    assert {stat.S_IMODE(f.stat().st_mode) for f in (made.key_file, made.old)} == {0o600}
    assert not waiting_key(place.key_file).exists()
    assert await opens_with(store, new, tmp_path)
    assert not await opens_with(store, old, tmp_path)
    # A worker that has been running reads the key again, to open and to seal.
    await assert_all_open(store, running)
    assert Sealer(place.key_file).open("shop:1", "x", running.seal("shop:1", "x", "later")) == "later"
    async with store.reading() as tx:
        ids = {r.key_id for r in await tx.rows("SELECT DISTINCT key_id FROM secret")}
    assert ids == {Sealer(place.key_file).key_id}
    await store.close()


@pytest.mark.parametrize("at", ["made", "sealed", "committed", "kept", "placed"])
async def test_wherever_the_machine_stops_every_secret_opens_and_the_next_rotation_ends_it(
    place: Place, tmp_path: Path, at: str
) -> None:
    store = await sealed(place)
    before = place.key_file.read_bytes()

    def cut(step: str) -> None:
        if step == at:
            raise PowerCut

    with pytest.raises(PowerCut):
        await rotate(store, cut)
    await assert_all_open(store)
    async with store.transaction() as tx:
        await accounts.set_secrets(tx, Sealer(place.key_file), "carrier:1", SECRETS["carrier:1"])
    await assert_all_open(store)
    assert isinstance(await rotate(store), Rotated)
    await assert_all_open(store)
    assert await opens_with(store, place.key_file.read_bytes(), tmp_path)
    assert not waiting_key(place.key_file).exists()
    kept = [f.read_bytes() for f in place.key_file.parent.glob(f"{place.key_file.name}.old-*")]
    assert before in [*kept, place.key_file.read_bytes()]
    await store.close()


async def test_a_backup_from_before_opens_with_the_key_that_was_kept(sqlite_place: Place) -> None:
    store = await sealed(sqlite_place)
    copy = await asyncio.to_thread(backup_file, sqlite_place, now)
    await rotate(store)
    await store.close()
    old = await open_store(Place("", copy, sqlite_place.key_file, sqlite_place.backups))
    await assert_all_open(old)
    await old.close()


async def test_where_a_secret_does_not_open_nothing_is_changed(place: Place) -> None:
    store = await sealed(place)
    key = place.key_file.read_bytes()
    async with store.transaction() as tx:
        await tx.run("UPDATE secret SET sealed = :s WHERE account = 'carrier:1'", s=b"x" * 40)
    refused = await rotate(store)
    assert isinstance(refused, Refused)
    assert refused.code == "key_missing"
    assert place.key_file.read_bytes() == key
    assert list(place.key_file.parent.glob("key*")) == [place.key_file]
    async with store.reading() as tx:
        assert await accounts.get_secrets(tx, Sealer(place.key_file), "shop:1") == SECRETS["shop:1"]
    place.key_file.unlink()
    refused = await rotate(store)
    assert isinstance(refused, Refused)
    assert not place.key_file.exists()
    await store.close()


@pytest.mark.parametrize("at", ["made", "committed", "kept", "placed"])
async def test_a_key_that_an_interrupted_rotation_left_survives_a_refused_one(place: Place, at: str) -> None:
    store = await sealed(place)

    def cut(step: str) -> None:
        if step == at:
            raise PowerCut

    with pytest.raises(PowerCut):
        await rotate(store, cut)
    waiting = waiting_key(place.key_file).read_bytes()
    async with store.transaction() as tx:
        await tx.run("UPDATE secret SET sealed = :s WHERE account = 'carrier:1'", s=b"x" * 40)
    refused = await rotate(store)
    assert isinstance(refused, Refused)
    assert waiting_key(place.key_file).read_bytes() == waiting
    async with store.reading() as tx:
        assert await accounts.get_secrets(tx, Sealer(place.key_file), "shop:1") == SECRETS["shop:1"]
    await store.close()


def test_keys_replaced_within_one_second_are_all_kept_the_newest_last(tmp_path: Path) -> None:
    file, at = tmp_path / "key", now()
    kept = [put_key(file, bytes([n]) * 32, at) for n in range(4)]
    assert [f.read_bytes()[0] for f in kept[1:]] == [0, 1, 2]
    assert sorted(tmp_path.glob("key.old-*")) == kept[1:]


def test_a_key_that_is_put_in_place_never_overwrites_another(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "key"
    put_key(file, b"a" * 32, now())
    assert file.read_bytes() == b"a" * 32
    assert put_key(file, b"a" * 32, now()) == file
    kept = put_key(file, b"b" * 32, now())
    assert (file.read_bytes(), kept.read_bytes()) == (b"b" * 32, b"a" * 32)
    assert set(file.parent.iterdir()) == {file, kept}
