"""A damaged database: what can be read is saved into a new file that is whole; the damaged one is never written."""

import hashlib
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from domain.clock import now
from domain.results import Refused
from pipeline.base import Pipeline
from pipeline.checkup import examine_place
from store.backup import backup_file
from store.doctor import examine
from store.place import Place
from store.salvage import Salvaged, salvage
from store.schema import HEAD, revision_of
from store.upgrade import open_store
from tests.conftest import apart, copied, sqlite_at
from tests.store.conftest import Books
from tests.store.test_migration import first_schema

PAGE = 4096
ORDERS = 120
UNREADABLE = {3, 6, 10}
"""Seeds that strike the root of a table: looking for rows that nobody can read then ends with the patience for it alone."""


@pytest.fixture(scope="module")
def whole(new_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Books of 120 orders over many pages, closed, for every test to take a copy of."""
    place = copied(new_sqlite, sqlite_at(tmp_path_factory.mktemp("whole")))

    async def fill() -> None:
        p = await Pipeline.open(place)
        books = Books(p)
        await books.open()
        skus = [await books.goods(1000) for _ in range(5)]
        for n in range(ORDERS):
            await books.order(skus[n % 5], skus[(n + 1) % 5])
        await p.store.checkpoint()
        await p.aclose()

    apart(fill())
    return place


@pytest.fixture
def healthy(whole: Place, bare_sqlite_place: Place) -> Place:
    """Those books in this test's own file."""
    return copied(file_of(whole), bare_sqlite_place)


def file_of(place: Place) -> Path:
    assert place.file is not None
    return place.file


def tables_of(file: Path) -> dict[str, set[tuple[object, ...]]]:
    with closing(sqlite3.connect(file)) as connection:
        names = [
            r[0]
            for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not r[0].startswith(
                ("sqlite_", "buyer_words", "alembic", "lease", "worker", "stage_count", "stock_change", "stock_push")
            )
        ]
        return {n: set(connection.execute(f"SELECT * FROM {n}")) for n in names}


async def saved(place: Place, target: Path) -> Salvaged:
    before = hashlib.sha256(file_of(place).read_bytes()).digest()
    made = await salvage(place, target, now)
    assert isinstance(made, Salvaged), made
    assert hashlib.sha256(file_of(place).read_bytes()).digest() == before
    assert not list(target.parent.glob(".shipdeck-*"))
    return made


async def assert_whole(place: Place, target: Path) -> None:
    fresh = Place("", target, place.key_file, place.backups)
    assert revision_of(fresh) == HEAD
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        words = connection.execute("SELECT count(*) FROM buyer_words").fetchone()[0]
        assert words == connection.execute("SELECT count(*) FROM buyer").fetchone()[0]
    store = await open_store(fresh)
    async with store.reading() as tx:
        assert [f for f in await examine(tx) if f.check in {"stage counters equal counts", "file is whole"}] == []
    await store.close()


async def test_of_a_whole_file_nothing_is_lost(healthy: Place, tmp_path: Path) -> None:
    before = tables_of(file_of(healthy))
    made = await saved(healthy, tmp_path / "new.sqlite")
    assert {t.table: (t.kept, t.lost) for t in made.tables if t.kept} == {
        n: (len(rows), 0) for n, rows in before.items() if rows
    }
    assert tables_of(tmp_path / "new.sqlite") == before
    await assert_whole(healthy, tmp_path / "new.sqlite")


@pytest.mark.parametrize("seed", range(12))
async def test_with_pages_destroyed_anywhere_the_new_file_is_whole_and_holds_what_could_be_read(
    healthy: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    if seed in UNREADABLE:
        monkeypatch.setattr("store.salvage.PATIENCE", 3_000)
    file = file_of(healthy)
    backup_file(healthy, now)
    before = tables_of(file)
    chance = random.Random(seed)
    data = bytearray(file.read_bytes())
    pages = len(data) // PAGE
    hit = sorted(chance.sample(range(1, pages), 1 + seed % 6))
    for page in hit:
        at = page * PAGE + chance.choice([0, 0, chance.randrange(PAGE - 600)])
        data[at : at + 600] = chance.randbytes(600)
    file.write_bytes(data)
    made = await saved(healthy, tmp_path / "new.sqlite")
    await assert_whole(healthy, tmp_path / "new.sqlite")
    after = tables_of(tmp_path / "new.sqlite")
    kept, total = sum(map(len, after.values())), sum(map(len, before.values()))
    assert sum(t.kept for t in made.tables) == kept
    assert kept < total or sum(t.lost for t in made.tables) == 0
    # One page holds some dozens of rows, and a lost order takes what hangs on it along.
    assert kept > total * (0.85 - 0.13 * len(hit)), (hit, kept, total)


async def test_the_rows_around_a_destroyed_page_are_all_there_and_the_lost_are_counted(
    healthy: Place, tmp_path: Path
) -> None:
    """Only leaf pages of one table that nothing refers to: exactly what stood on them is lost."""
    file = file_of(healthy)
    with closing(sqlite3.connect(file)) as connection:
        try:
            leaves = connection.execute(
                "SELECT pageno FROM dbstat WHERE name = 'buyer' AND pagetype = 'leaf' ORDER BY pageno"
            ).fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")
        rows = connection.execute("SELECT count(*) FROM buyer").fetchone()[0]
    data = bytearray(file.read_bytes())
    at = (leaves[1][0] - 1) * PAGE
    data[at : at + 100] = b"\xff" * 100
    file.write_bytes(data)
    made = await saved(healthy, tmp_path / "new.sqlite")
    (buyer,) = [t for t in made.tables if t.table == "buyer"]
    assert buyer.kept + buyer.lost == rows
    assert 0 < buyer.lost < rows / 2
    assert [t.table for t in made.tables if t.lost] == ["buyer"]


async def test_what_hangs_on_a_lost_row_goes_too_or_lets_go(healthy: Place, tmp_path: Path) -> None:
    file = file_of(healthy)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DELETE FROM orders WHERE id <= 10")
        connection.execute("UPDATE shipment SET warehouse_id = 77 WHERE id > 100")
        connection.commit()
    made = await saved(healthy, tmp_path / "new.sqlite")
    orphans = {t.table: t.orphans for t in made.tables if t.orphans}
    assert orphans["shipment"] == 10
    assert {"order_line", "buyer", "submission", "shipment_line"} <= orphans.keys()
    assert "event" not in orphans
    with closing(sqlite3.connect(tmp_path / "new.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM shipment WHERE warehouse_id = 77").fetchone()[0] == 0
        assert connection.execute("SELECT count(*) FROM shipment").fetchone()[0] == ORDERS - 10
    await assert_whole(healthy, tmp_path / "new.sqlite")


async def test_a_lost_schema_is_taken_from_a_backup_and_without_one_nothing_is_made_up(
    healthy: Place, tmp_path: Path
) -> None:
    file = file_of(healthy)
    before = tables_of(file)
    copy = backup_file(healthy, now)
    data = bytearray(file.read_bytes())
    data[100:PAGE] = bytes(PAGE - 100)
    file.write_bytes(data)
    made = await saved(healthy, tmp_path / "new.sqlite")
    assert tables_of(tmp_path / "new.sqlite") == before
    assert sum(t.lost for t in made.tables) == 0
    data[:100] = bytes(100)
    file.write_bytes(data)
    await saved(healthy, tmp_path / "newer.sqlite")
    assert tables_of(tmp_path / "newer.sqlite") == before
    copy.unlink()
    refused = await salvage(healthy, tmp_path / "newest.sqlite", now)
    assert isinstance(refused, Refused)
    assert refused.code == "schema_lost"
    assert not (tmp_path / "newest.sqlite").exists()


async def test_an_older_schema_is_saved_into_todays(bare_sqlite_place: Place, tmp_path: Path) -> None:
    await first_schema(bare_sqlite_place)
    made = await saved(bare_sqlite_place, tmp_path / "new.sqlite")
    assert sum(t.lost for t in made.tables) == 0
    await assert_whole(bare_sqlite_place, tmp_path / "new.sqlite")
    with closing(sqlite3.connect(tmp_path / "new.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM buyer WHERE words <> ''").fetchone()[0] == 4


async def test_a_file_that_is_there_is_never_overwritten(healthy: Place, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    made = await salvage(healthy, tmp_path / "mine", now)
    assert isinstance(made, Refused)
    assert made.code == "file_exists"
    assert (tmp_path / "mine").read_bytes() == b"mine"


async def test_what_lies_in_the_wal_alone_is_saved_too(sqlite_place: Place, tmp_path: Path) -> None:
    p = await Pipeline.open(sqlite_place)
    books = Books(p)
    await books.open()
    await books.order()
    made = await saved(sqlite_place, tmp_path / "new.sqlite")
    await p.aclose()
    assert {t.table: t.kept for t in made.tables}["shipment"] == 1


async def test_the_doctor_names_the_damage_and_what_to_do_and_goes_on(healthy: Place) -> None:
    file = file_of(healthy)
    whole = await examine_place(healthy)
    assert whole["findings"] == []
    with closing(sqlite3.connect(file)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'submission'").fetchone()[0]
    data = bytearray(file.read_bytes())
    data[(root - 1) * PAGE : (root - 1) * PAGE + 200] = b"\xee" * 200
    file.write_bytes(data)
    found = await examine_place(healthy)
    codes = {line["code"] for line in found["findings"]}
    assert codes & {"damaged", "not_whole"}
    assert any("salvage" in line["todo"] for line in found["findings"])
    assert len(found["checks"]) >= len(whole["checks"]) - 2
    assert file.read_bytes() == bytes(data)
    file.write_bytes(b"something else entirely" * 1000)
    found = await examine_place(healthy)
    assert [(line["check"], line["code"]) for line in found["findings"]] == [("database opens", "damaged")]
