"""Nobody's schema is changed while they are at work; who is older than the schema stops and is told what to install."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

import pytest

from console.writer import Writer
from domain.clock import MINUTE, now
from domain.results import Refused
from pipeline.base import Pipeline
from pipeline.presence import be_seen
from pipeline.worker import Worker
from store import leases
from store.backup import backup_file
from store.database import Store
from store.place import Place
from store.restore import refuse_others, restore
from store.schema import HEAD, TooNew, refuse_other, revision_of
from store.upgrade import OthersConnected, open_store
from tests.store.test_migration import first_schema


async def beats(place: Place, host: str, ago_ms: int) -> None:
    """A program on another host that was last heard of so long ago, in a database of the first schema."""
    store = Store(place)
    async with store.transaction() as tx:
        await tx.run(
            """INSERT INTO worker (owner, host, pid, started_at, beat_at, version)
               VALUES (:o, :h, 1, 1, :at, '0.0.9')""",
            o=f"{host}|1|1|x",
            h=host,
            at=now() - ago_ms,
        )
    await store.close()


async def revision(place: Place) -> str:
    store = Store(place)
    async with store.reading() as tx:
        found = str(await tx.value("SELECT version_num FROM alembic_version"))
    await store.close()
    return found


async def test_while_others_are_connected_nothing_is_migrated_and_they_are_named(bare_place: Place) -> None:
    await first_schema(bare_place)
    await beats(bare_place, "packing-2", 30_000)
    with pytest.raises(OthersConnected, match=r"packing-2 \(0\.0\.9\)"):
        await open_store(bare_place)
    assert await revision(bare_place) == "0001"
    if bare_place.file is not None:
        assert not bare_place.backups.exists()


async def test_who_was_not_heard_of_for_two_minutes_is_not_connected_any_more(bare_place: Place) -> None:
    await first_schema(bare_place)
    await beats(bare_place, "packing-2", 2 * MINUTE + 1_000)
    store = await open_store(bare_place)
    async with store.reading() as tx:
        assert await tx.value("SELECT version_num FROM alembic_version") == HEAD
        assert await tx.value("SELECT value FROM meta WHERE key = 'program'") == version("shipdeck")
    await store.close()


async def test_a_dead_program_of_this_host_is_in_nobodys_way(bare_sqlite_place: Place) -> None:
    await first_schema(bare_sqlite_place)
    store = Store(bare_sqlite_place)
    dead = leases.new_owner().split("|")
    async with store.transaction() as tx:
        await tx.run(
            "INSERT INTO worker (owner, host, pid, started_at, beat_at, version) VALUES (:o, :h, 1, 1, :at, '0.0.9')",
            o=f"{dead[0]}|{2**22 - 1}|1|x",
            h=dead[0],
            at=now(),
        )
    await store.close()
    await (await open_store(bare_sqlite_place)).close()
    assert revision_of(bare_sqlite_place) == HEAD


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    for _ in range(500):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def test_a_console_is_seen_while_it_is_open_and_is_no_worker(place: Place) -> None:
    p = await Pipeline.open(place)

    async def rows() -> list[Any]:
        async with p.store.reading() as tx:
            return list(await tx.rows("SELECT kind, version FROM worker"))

    writer = Writer(place)
    writer.start()
    await until(rows)
    assert [(r.kind, r.version) for r in await rows()] == [("terminal", version("shipdeck"))]
    async with p.store.reading() as tx:
        assert await leases.living_workers(tx) == []
    await writer.close()
    assert await rows() == []
    await p.aclose()


async def make_newer(p: Pipeline) -> None:
    async with p.store.transaction() as tx:
        await tx.run("UPDATE alembic_version SET version_num = '9999'")
        await tx.run("UPDATE meta SET value = '7.1' WHERE key = 'program'")


async def test_a_console_under_which_the_schema_became_newer_stops_and_names_the_version(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.presence.BEAT_S", 0.01)
    p = await Pipeline.open(place)
    writer = Writer(place)
    writer.start()

    async def seen() -> Any:
        async with p.store.reading() as tx:
            return await tx.value("SELECT count(*) FROM worker")

    await until(seen)
    await make_newer(p)

    async def told() -> bool:
        return writer.too_new is not None

    await until(told)
    assert "7.1" in str(writer.too_new)
    await writer.close()
    with pytest.raises(TooNew):
        await be_seen(p)
    await p.aclose()


async def test_a_worker_under_which_the_schema_became_newer_stops(place: Place) -> None:
    p = await Pipeline.open(place)
    worker = Worker(p)
    await worker._beat()
    assert not worker.stop.is_set()
    await make_newer(p)
    await worker._beat()
    assert worker.stop.is_set()
    await p.aclose()


async def test_an_older_program_is_told_which_version_to_install(sqlite_place: Place) -> None:
    p = await Pipeline.open(sqlite_place)
    await make_newer(p)
    await p.aclose()
    with pytest.raises(TooNew, match=r"9999.*7\.1"):
        await open_store(sqlite_place)
    with pytest.raises(TooNew, match="a newer shipdeck"):
        refuse_other("9999")


async def test_a_database_somebody_works_on_is_not_replaced(sqlite_place: Place, tmp_path: Any) -> None:
    p = await Pipeline.open(sqlite_place)
    copy = await asyncio.to_thread(backup_file, sqlite_place, now, "", tmp_path)
    async with p.store.transaction() as tx:
        await leases.beat(tx, "packing-2|1|1|x", now(), "0.0.9", "terminal")
    answer = await restore(sqlite_place, copy, now)
    assert isinstance(answer, Refused)
    assert answer.code == "database_there"
    answer = await restore(sqlite_place, copy, now, replace=True)
    assert isinstance(answer, Refused)
    assert answer.code == "others_connected"
    assert "packing-2" in answer.message
    await p.aclose()


async def test_a_database_somebody_works_on_is_not_begun_anew(place: Place) -> None:
    p = await Pipeline.open(place)
    await refuse_others(p.store)
    async with p.store.transaction() as tx:
        await leases.beat(tx, "packing-2|1|1|x", now(), "0.0.9")
    with pytest.raises(OthersConnected, match="packing-2"):
        await refuse_others(p.store)
    await p.aclose()
