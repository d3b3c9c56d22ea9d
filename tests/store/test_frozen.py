"""PostgreSQL: a process that stands still in the middle of a transaction must not hold the others for ever."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from console.handlers import explain
from domain.clock import now
from store import database
from store.database import Store, Tx, is_passing
from store.place import Place, find
from store.upgrade import open_store

ROOT = Path(__file__).parents[2]
SHORT_MS = 400
HOLDER = """
import asyncio, os, signal, sys
from pathlib import Path
from store import database
from store.place import find

async def main():
    database.FROZEN = {name: int(sys.argv[1]) for name in database.FROZEN}
    store = database.Store(find(None, Path(sys.argv[2])))
    tries = 0
    async def work(tx):
        nonlocal tries
        tries += 1
        await tx.run("UPDATE meta SET value = :v WHERE key = 'install'", v=f"{sys.argv[3]} {tries}")
        if tries == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        return await tx.value("SELECT 1")
    if sys.argv[3] == "retrying":
        await store.retrying(work)
    else:
        async with store.transaction() as tx:
            await work(tx)
asyncio.run(main())
"""


@pytest.fixture
def pg_place(postgresql_url: str, tmp_path: Path) -> Place:
    """An empty database on PostgreSQL."""
    import asyncpg

    name = f"frozen_{abs(hash(str(tmp_path))):x}"

    async def create() -> None:
        connection = await asyncpg.connect(postgresql_url)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    return find(postgresql_url.replace("/postgres?", f"/{name}?"), tmp_path / "key")


def _holder(place: Place, how: str, limit_ms: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SHIPDECK_DB": place.url}
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(limit_ms), str(place.key_file), how],
        cwd=ROOT, env=environment, stderr=subprocess.PIPE,
    )  # fmt: skip


async def frozen(place: Place, how: str, limit_ms: int = SHORT_MS) -> subprocess.Popen[bytes]:
    """A process that stands still inside a transaction which has changed a row."""
    holder = _holder(place, how, limit_ms)
    _pid, status = await asyncio.to_thread(os.waitpid, holder.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), holder.stderr.read() if holder.stderr else ""
    return holder


async def install(store: Store) -> str:
    async with store.reading() as tx:
        return str(await tx.value("SELECT value FROM meta WHERE key = 'install'"))


async def thawed(holder: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Let it go on, and how it ended."""
    os.kill(holder.pid, signal.SIGCONT)
    _out, err = await asyncio.to_thread(holder.communicate, None, 20)
    return holder.returncode, err.decode()


async def opened(place: Place) -> Store:
    store = await open_store(place)
    async with store.transaction() as tx:
        await tx.run("INSERT INTO meta (key, value) VALUES ('install', 'nobody')")
    return store


async def test_the_server_ends_a_transaction_whose_process_stands_still(pg_place: Place) -> None:
    store = await open_store(pg_place)
    async with store.reading() as tx:
        major = int(await tx.value("SHOW server_version_num")) // 10_000
        assert await tx.value("SHOW idle_in_transaction_session_timeout") == "20s"
        if major >= 17:
            assert await tx.value("SHOW transaction_timeout") == "2min"
    await store.close()


async def test_what_a_database_limits_itself_stays_and_long_work_has_no_limit(pg_place: Place) -> None:
    import asyncpg

    connection = await asyncpg.connect(pg_place.url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET transaction_timeout = 7000")
    await connection.close()
    store = await open_store(pg_place)
    async with store.reading() as tx:
        assert await tx.value("SHOW transaction_timeout") == "7s"
        await tx.unhurried()
        assert await tx.value("SHOW transaction_timeout") == "0"
        assert await tx.value("SHOW idle_in_transaction_session_timeout") == "20s"
    async with store.reading() as tx:
        assert await tx.value("SHOW transaction_timeout") == "7s", "it was for that one only"
    await store.close()


async def test_others_go_on_while_one_stands_still_and_the_thawed_one_begins_anew(pg_place: Place) -> None:
    store = await opened(pg_place)
    holder = await frozen(pg_place, "retrying")
    began = now()
    async with store.transaction() as tx:
        await tx.run("UPDATE meta SET value = 'another' WHERE key = 'install'")
    assert now() - began < 10_000
    assert await thawed(holder) == (0, "")
    assert await install(store) == "retrying 2", "what it had written before was undone, and it has done it again"
    await store.close()


async def test_one_that_cannot_begin_anew_ends_with_an_error_and_has_written_nothing(pg_place: Place) -> None:
    store = await opened(pg_place)
    holder = await frozen(pg_place, "once")
    async with store.transaction() as tx:
        await tx.run("UPDATE meta SET value = 'another' WHERE key = 'install'")
    code, said = await thawed(holder)
    assert code == 1
    assert "connection was closed" in said
    assert await install(store) == "another"
    await store.close()


async def test_a_commit_that_broke_off_is_not_done_again_for_it_may_have_been_heard(
    pg_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "FROZEN", dict.fromkeys(database.FROZEN, SHORT_MS))
    store = await opened(pg_place)
    tries = 0

    async def work(tx: Tx) -> None:
        nonlocal tries
        tries += 1
        # The last thing before the commit; nothing is asked of this connection in between.
        await tx.run("UPDATE meta SET value = 'mine' WHERE key = 'install'")
        tx.touched = False
        await asyncio.sleep(3 * SHORT_MS / 1000)

    with pytest.raises(DBAPIError) as raised:
        await store.retrying(work)
    assert tries == 1
    assert is_passing(raised.value)
    await store.close()


async def test_connections_that_were_ended_while_nobody_used_them_are_not_the_end_of_a_transaction(
    pg_place: Place,
) -> None:
    import asyncpg

    store = await opened(pg_place)
    other = await asyncpg.connect(pg_place.url)

    async def work(tx: Tx) -> None:
        await tx.run("UPDATE meta SET value = 'mine' WHERE key = 'install'")

    for _time in range(5):
        await store.retrying(work)
        await other.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()"""
        )
        # Before our loop has read of it, and after.
        await store.retrying(work)
    await other.close()
    await store.close()


async def test_a_connection_that_trips_over_its_own_state_counts_as_lost(pg_place: Place) -> None:
    import asyncpg

    store = await opened(pg_place)
    tries = 0

    async def work(tx: Tx) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            # What asyncpg says of a session that was ended just now, as SQLAlchemy hands it on.
            said = Exception("cannot switch to state 11; another operation (2) is in progress")
            said.__cause__ = asyncpg.InternalClientError(str(said))
            raise DBAPIError(None, None, said)
        return int(await tx.value("SELECT 7"))

    assert await store.retrying(work) == 7
    assert tries == 2
    await store.close()


def test_a_person_is_told_that_the_connection_was_lost() -> None:
    lost = DBAPIError(
        None, None, Exception("connection was closed in the middle of operation"), connection_invalidated=True
    )
    assert explain(lost) == "The connection to the database was lost; what was committed stays. Try again."
    other = DBAPIError(None, None, Exception("no such table: x"))
    assert explain(other) == "The database failed: no such table: x"


async def test_a_connection_that_is_ended_while_it_is_made_is_made_again(
    pg_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = "' || pg_terminate_backend(pg_backend_pid())::text || '"
    monkeypatch.setattr(database, "FROZEN", {"idle_in_transaction_session_timeout": ended})
    store = Store(pg_place)
    with pytest.raises(DBAPIError) as raised:
        async with store.reading():
            pass
    assert is_passing(raised.value)
    asked: list[str] = []

    async def work(tx: Tx) -> int:
        return int(await tx.value("SELECT 1"))

    class Once(dict[str, object]):
        """The settings, the first time with what ends the connection."""

        def items(self) -> object:  # type: ignore[override]
            asked.append("")
            return {"idle_in_transaction_session_timeout": ended if len(asked) == 1 else SHORT_MS}.items()

    monkeypatch.setattr(database, "FROZEN", Once())
    assert await store.retrying(work) == 1
    assert len(asked) > 1
    await store.close()
