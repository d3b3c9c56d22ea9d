"""The machine is lost and an older backup restored: with real twins, nothing is bought, told or shipped twice."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain.clock import now
from domain.results import Refused
from pipeline import setup, stocktaking
from pipeline.base import Pipeline
from pipeline.demo_books import compare
from pipeline.worker import Worker
from store import batches, leases, remembered
from store import restore as restore_module
from store.backup import backup_file
from store.doctor import examine
from store.place import Place
from store.restore import Restored, restart, restore
from tests.conftest import World, lent

ORDERS = 12


@pytest.fixture
async def lost(sqlite_place: Place, tmp_path: Path) -> AsyncIterator[World]:
    """A world with twins of its own, so that their whole books can be compared."""
    with lent("woocommerce", orders=ORDERS, plain=True, seed=3) as shop, lent("carrier", seed=3) as carrier:
        world = World(await Pipeline.open(sqlite_place), shop, carrier, tmp_path / "papers")
        await world.bind()
        await world.sync()
        await world.do("note", await open_ids(world), read=True)
        yield world
        await world.p.aclose()


async def open_ids(world: World) -> list[int]:
    return [r["id"] for r in await world.fetch("SELECT id FROM shipment WHERE stage < 5 ORDER BY id")]


async def backed_up(world: World) -> Path:
    return await asyncio.to_thread(backup_file, world.p.store.place, now)


async def machine_lost(world: World, copy: Path, *, key: bool = True) -> Restored:
    """Throw the machine away; restore the copy on another one, and go on there. Look-ups settle at once."""
    await world.p.aclose()
    old = world.p.store.place
    assert old.file is not None
    home = old.file.parent.parent / "new machine"
    place = Place("", home / "test.sqlite", home / "key", home / "backups")
    home.mkdir()
    shutil.copyfile(old.key_file, place.key_file)
    moved = shutil.copyfile(copy, home / "taken along.sqlite")
    shutil.rmtree(old.file.parent)
    made = await restore(place, moved, now)
    assert isinstance(made, Restored), made
    world.p = await Pipeline.open(place)
    return made


async def agree(world: World) -> None:
    """The twins' books show nothing doubled, ours are whole and say the same as theirs."""
    assert world.carrier is not None
    books = await compare(world.p, world.shop, world.carrier, {}, 0, 1.0)
    assert books["differences"] == []
    assert all(o["times_completed"] <= 1 for o in world.shop.admin("GET", "orders"))


async def test_what_was_shipped_after_the_backup_is_neither_voided_nor_shipped_again(lost: World) -> None:
    """Orders the backup knows in every stage; the lost machine took all of them to their end."""
    ids = await open_ids(lost)
    quarter = len(ids) // 4
    await lost.do("approve", ids[quarter:])
    service = await lost.service("SIM-STD")
    await lost.do("assign", ids[2 * quarter :], service_id=service)
    await lost.do("waybill", ids[2 * quarter :])
    await lost.work()
    await lost.do("print", ids[3 * quarter :])
    await lost.work()
    copy = await backed_up(lost)
    for command in ("approve", "assign", "waybill"):
        await lost.do(command, ids, **({"service_id": service} if command == "assign" else {}))
    await lost.work()
    late = lost.order(customer_note="")
    await lost.sync(cut_over=False)
    late_one = await lost.shipment_of(late)
    await lost.to_stage(late_one, "printed")
    late_reference = (await lost.shown(late_one))["waybills"][0]["reference"]
    await lost.do("print", ids)
    await lost.work()
    assert not (await lost.do("ship", [*ids, late_one])).refused
    await lost.work()
    bought = {w["reference"]: w for w in lost.carrier.admin("GET", "waybills")}  # type: ignore[union-attr]
    assert len(bought) == len(ids) + 1

    made = await machine_lost(lost, copy)
    assert (made.anew.shops, made.kept) == (1, None)
    await lost.work()

    where = await lost.fetch("SELECT DISTINCT stage, status, deducted FROM shipment")
    assert [(r["stage"], r["status"], r["deducted"]) for r in where] == [(5, "succeeded", 1)]
    after = lost.carrier.admin("GET", "waybills")  # type: ignore[union-attr]
    assert {w["reference"] for w in after} == bought.keys()
    assert {w["status"] for w in after} == {"numbered"}
    assert all(len([t for t in o["tracking"] if "note_id" in t]) == 1 for o in lost.shop.admin("GET", "orders"))
    told = {r["number"] for r in await lost.fetch("SELECT number FROM submission WHERE state = 'done'")}
    assert told == {w["number"] for w in after} - {bought[late_reference]["number"]}
    assert await lost.value("SELECT count(*) FROM meta WHERE key LIKE 'restored:%'") == 0
    async with lost.p.store.reading() as tx:
        assert await examine(tx) == []


async def test_effects_that_waited_in_the_backup_are_looked_up_and_done_once(lost: World) -> None:
    """Requests and pushes queued at the moment of the backup; the lost machine had them done."""
    ids = await open_ids(lost)
    asked, pushed = ids[:6], ids[6:]
    for shipment in pushed:
        await lost.to_stage(shipment, "waybill", "SIM-STD")
    await lost.work()
    await lost.do("print", pushed)
    await lost.work()
    await lost.do("approve", asked)
    await lost.do("assign", asked, service_id=await lost.service("SIM-STD"))
    await lost.do("waybill", asked)
    await lost.do("ship", pushed)
    async with lost.p.store.transaction() as tx:
        await tx.run("UPDATE effect SET due_at = due_at - 1")
    copy = await backed_up(lost)
    await lost.work()
    made = await machine_lost(lost, copy)
    assert made.anew.effects == 12
    states = await lost.fetch(
        "SELECT DISTINCT state FROM effect WHERE op IN ('request_waybill', 'check') AND ended_at IS NULL"
    )
    assert [r["state"] for r in states] == ["unknown"]
    await lost.work()
    assert await lost.value("SELECT count(*) FROM effect WHERE state NOT IN ('done', 'withdrawn')") == 0
    assert await lost.value("SELECT count(*) FROM shipment WHERE stage = 4 AND status = 'in_stock'") == 6
    assert await lost.value("SELECT count(*) FROM shipment WHERE stage = 5 AND status = 'succeeded'") == 6
    await agree(lost)


async def test_what_waited_and_was_never_done_is_done_once_after_the_restore(lost: World) -> None:
    ids = await open_ids(lost)
    await lost.do("approve", ids)
    await lost.do("assign", ids, service_id=await lost.service("SIM-STD"))
    await lost.do("waybill", ids)
    copy = await backed_up(lost)
    await machine_lost(lost, copy)
    await lost.work()
    await lost.do("print", ids)
    await lost.work()
    assert not (await lost.do("ship", ids)).refused
    await lost.work()
    assert await lost.value("SELECT count(*) FROM shipment WHERE stage = 5 AND status = 'succeeded'") == ORDERS
    await agree(lost)


async def test_a_number_bought_after_the_backup_is_found_when_it_is_asked_for_again(lost: World) -> None:
    """The operator does the lost day's work again: the same references find the same numbers, new ones stay apart."""
    ids = await open_ids(lost)
    copy = await backed_up(lost)
    service = await lost.service("SIM-STD")
    late = lost.order(customer_note="")
    await lost.sync(cut_over=False)
    for shipment in [*ids[:4], await lost.shipment_of(late)]:
        await lost.to_stage(shipment, "waybill", "SIM-STD")
    await lost.work()
    bought = {w["reference"]: w["number"] for w in lost.carrier.admin("GET", "waybills")}  # type: ignore[union-attr]
    await machine_lost(lost, copy)
    # Another order takes the id that the lost one had.
    lost.shop.admin("POST", "change", {"order": late, "change": "cancel"})
    other = lost.order(customer_note="")
    await lost.sync(cut_over=False)
    again = [*ids, await lost.shipment_of(other)]
    await lost.do("approve", again)
    await lost.do("assign", again, service_id=service)
    assert not (await lost.do("waybill", again)).refused
    marked = await lost.fetch(
        "SELECT shipment_id AS id FROM effect WHERE op = 'request_waybill' AND code = 'look_first'"
    )
    assert sorted(r["id"] for r in marked) == ids
    await lost.work()
    held = {r["reference"]: r["number"] for r in await lost.fetch("SELECT reference, number FROM waybill")}
    assert len(held) == ORDERS + 1
    assert {r: n for r, n in bought.items() if r in held} == {r: held[r] for r in held if r in bought}
    assert len(held.keys() & bought.keys()) == 4
    there = lost.carrier.admin("GET", "waybills")  # type: ignore[union-attr]
    assert all(w["created_times"] == 1 for w in there)
    assert len(there) == len(bought) + ORDERS - 4 + 1


async def test_nothing_is_sent_to_a_shop_that_could_not_be_read_after_the_restore(lost: World) -> None:
    ids = await open_ids(lost)
    for shipment in ids[:2]:
        await lost.to_stage(shipment, "waybill", "SIM-STD")
    await lost.work()
    await lost.do("print", ids[:2])
    await lost.work()
    await lost.do("ship", ids[:2])
    copy = await backed_up(lost)
    await machine_lost(lost, copy)
    lost.shop.admin("POST", "faults", {"rate": 1.0, "kinds": ["http_503"]})
    await Worker(lost.p).tick_once()
    assert await lost.value("SELECT value FROM meta WHERE key = :k", k=f"restored:shop:{lost.shop_id}") == "orders"
    assert await lost.value("SELECT count(*) FROM effect WHERE op = 'check' AND state = 'unknown'") == 2
    lost.shop.admin("POST", "faults", {"rate": 0})
    async with lost.p.store.transaction() as tx:
        await tx.run("UPDATE account_health SET retry_at = NULL")
        await tx.run("UPDATE sync_task SET due_at = 0")
    await lost.work()
    assert await lost.value("SELECT count(*) FROM shipment WHERE stage = 5 AND status = 'succeeded'") == 2
    await agree(lost)


async def test_free_pool_numbers_may_have_been_given_out_and_are_set_aside_until_imported_again(lost: World) -> None:
    ids = await open_ids(lost)
    copy = await backed_up(lost)
    await lost.to_stage(ids[0], "waybill", "OWN")
    await lost.work()
    used = await lost.value("SELECT number FROM waybill")
    made = await machine_lost(lost, copy)
    assert made.anew.numbers == 199
    await lost.to_stage(ids[1], "waybill", "OWN")
    async with lost.p.store.transaction() as tx:
        await tx.run("UPDATE effect SET due_at = 0")
    await lost.work()
    assert (await lost.shown(ids[1]))["reason"] == "pool_empty"
    carrier = await lost.value("SELECT id FROM carrier WHERE kind = 'pool'")
    fresh = [f"OWN{n:09d}" for n in range(100, 200)]
    assert await setup.import_numbers(lost.p, carrier, fresh) == (100, [])
    await lost.do("assign", [ids[1]], service_id=await lost.service("OWN"))
    await lost.work()
    assert await lost.value("SELECT number FROM waybill WHERE state = 'obtained'") not in {used, None}


async def test_a_batch_at_work_is_not_gone_on_with(lost: World) -> None:
    ids = await open_ids(lost)
    async with lost.p.store.transaction() as tx:
        await batches.create(tx, "approve", {}, "anna", "command_line", [(i, 0) for i in ids])
    copy = await backed_up(lost)
    made = await machine_lost(lost, copy)
    await lost.work()
    assert made.anew.batches == 1
    assert await lost.value("SELECT state FROM batch ORDER BY id DESC LIMIT 1") == "cancelled"
    assert await lost.value("SELECT count(*) FROM shipment WHERE stage = 1") == ORDERS


async def test_a_print_job_of_another_machine_waits_for_a_person(lost: World) -> None:
    ids = await open_ids(lost)
    await lost.to_stage(ids[0], "waybill", "SIM-STD")
    await lost.work()
    await lost.do("print", [ids[0]])
    async with lost.p.store.transaction() as tx:
        await tx.run("UPDATE printer SET host = 'elsewhere'")
    copy = await backed_up(lost)
    made = await machine_lost(lost, copy)
    assert made.anew.prints == 1
    assert (await lost.shown(ids[0]))["printed"] == "unknown"
    assert await lost.value("SELECT state FROM effect WHERE op = 'print'") == "parked"


async def test_a_copy_that_nothing_followed_goes_on_where_it_stood(lost: World) -> None:
    """Moving to another machine or engine: nothing happened since, so that cursors, numbers and batches still hold."""
    cursor = await lost.value("SELECT cursor FROM sync_task WHERE kind = 'orders'")
    install = await lost.value("SELECT value FROM meta WHERE key = 'install'")
    made = await restart(lost.p.store, nothing_since=True)
    assert (made.numbers, made.shops, made.batches) == (0, 0, 0)
    assert await lost.value("SELECT cursor FROM sync_task WHERE kind = 'orders'") == cursor != ""
    assert await lost.value("SELECT value FROM meta WHERE key = 'install'") == install


async def test_the_goods_of_a_parcel_that_left_are_deducted_as_far_as_they_are_there(lost: World) -> None:
    ids = await open_ids(lost)
    rows = await lost.fetch(
        """SELECT DISTINCT li.variant_id FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
           JOIN listing_item li ON li.listing_id = ol.listing_id WHERE sl.shipment_id = :s""",
        s=ids[0],
    )
    sku = await lost.value("SELECT sku FROM variant WHERE id = :v", v=rows[0]["variant_id"])
    await stocktaking.change(lost.p, sku, "count", 500, "anna")
    wanted = await lost.value(
        """SELECT sum(sl.quantity) FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
           WHERE sl.shipment_id = :s AND ol.sku = :sku""",
        s=ids[0],
        sku=sku,
    )
    copy = await backed_up(lost)
    await lost.to_stage(ids[0], "shipped")
    on_hand = await lost.value("SELECT on_hand FROM stock WHERE variant_id = :v", v=rows[0]["variant_id"])
    assert on_hand == 500 - wanted
    await machine_lost(lost, copy)
    await lost.work()
    assert await lost.value("SELECT on_hand FROM stock WHERE variant_id = :v", v=rows[0]["variant_id"]) == on_hand
    with closing(sqlite3.connect(str(lost.p.store.place.file))) as file:
        assert file.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    async with lost.p.store.reading() as tx:
        assert await examine(tx) == []


async def test_a_damaged_database_is_put_aside_as_it_is_and_replaced(lost: World) -> None:
    copy = await backed_up(lost)
    place = lost.p.store.place
    await lost.p.aclose()
    assert place.file is not None
    place.file.write_bytes(broken := b"nothing that could be read " * 400)
    made = await restore(place, copy, now, replace=True)
    assert isinstance(made, Restored)
    assert made.kept is not None
    assert "damaged" in made.kept.name
    assert made.kept.read_bytes() == broken
    lost.p = await Pipeline.open(place)
    assert len(await open_ids(lost)) == ORDERS


async def noted(place: Place, word: str, *, also: Path | None = None) -> None:
    """A word in a database; `also`: a place whose files are copied before the WAL is written back."""
    p = await Pipeline.open(place)
    async with p.store.transaction() as tx:
        await remembered.note(tx, "word", word)
    if also is not None:
        await asyncio.to_thread(shutil.copytree, str(place.file and place.file.parent), also)
    await p.aclose()


def word_in(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("SELECT value FROM meta WHERE key = 'word'").fetchone()[0])


@pytest.fixture
async def replaced(sqlite_place: Place, tmp_path: Path) -> tuple[Place, Path]:
    """A database that a killed program left with its last word in the WAL alone; and an earlier backup of it."""
    await noted(sqlite_place, "early")
    copy = await asyncio.to_thread(backup_file, sqlite_place, now, "", tmp_path / "copy")
    await noted(sqlite_place, "late", also=tmp_path / "left")
    place = Place("", tmp_path / "left" / "test.sqlite", sqlite_place.key_file, tmp_path / "left" / "backups")
    assert place.file is not None
    assert wal_of(place.file).stat().st_size > 0
    return place, copy


def wal_of(file: Path) -> Path:
    return Path(f"{file}-wal")


def beside(file: Path) -> list[str]:
    return sorted(f.name for f in file.parent.iterdir() if f.name.startswith(f"{file.name}-"))


async def test_at_the_swap_the_old_file_is_whole_alone_and_nothing_is_beside_it_to_be_read_into_the_new_one(
    replaced: tuple[Place, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, copy = replaced
    assert place.file is not None
    seen: list[tuple[list[str], str]] = []
    rename = Path.replace

    def look(fresh: Path, to: Path) -> Path:
        if to == place.file:
            alone = shutil.copyfile(to, to.with_name("alone"))
            seen.append((beside(to), word_in(alone)))
            with pytest.raises(sqlite3.OperationalError, match="locked"), sqlite3.connect(to, timeout=0) as other:
                other.execute("UPDATE meta SET value = 'lost' WHERE key = 'word'")
            with closing(sqlite3.connect(to, timeout=0)) as other, pytest.raises(sqlite3.OperationalError):
                other.execute("PRAGMA journal_mode=WAL")
        return rename(fresh, to)

    monkeypatch.setattr(Path, "replace", look)
    made = await restore(place, copy, now, replace=True)
    assert isinstance(made, Restored)
    assert seen == [([], "late")]
    assert made.kept is not None
    assert (word_in(place.file), word_in(made.kept)) == ("early", "late")


async def test_who_began_to_work_while_the_copy_was_made_ready_is_not_pulled_from(
    replaced: tuple[Place, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, copy = replaced
    made_fit = restore_module._made_fit

    async def meanwhile(*about: Any) -> Any:
        p = await Pipeline.open(place)
        async with p.store.transaction() as tx:
            await leases.beat(tx, "packing-2|1|1|x", now(), "0.0.9", "terminal")
        await p.aclose()
        return await made_fit(*about)

    monkeypatch.setattr("store.restore._made_fit", meanwhile)
    answer = await restore(place, copy, now, replace=True)
    assert isinstance(answer, Refused)
    assert (answer.code, "packing-2" in answer.message) == ("others_connected", True)
    assert place.file is not None
    assert word_in(place.file) == "late"
    assert not list(place.file.parent.glob(".*"))


async def test_who_has_the_file_open_without_a_word_is_found_by_its_lock(replaced: tuple[Place, Path]) -> None:
    place, copy = replaced
    assert place.file is not None
    with closing(sqlite3.connect(place.file)) as somebody:
        somebody.execute("SELECT count(*) FROM meta").fetchone()
        answer = await restore(place, copy, now, replace=True)
        assert isinstance(answer, Refused)
        assert (answer.code, str(place.file) in answer.message) == ("others_connected", True)
    assert word_in(place.file) == "late"
    assert isinstance(await restore(place, copy, now, replace=True), Restored)


async def test_a_database_that_came_meanwhile_is_not_replaced(
    replaced: tuple[Place, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place("", tmp_path / "new" / "test.sqlite", tmp_path / "key", tmp_path / "new" / "backups")
    made_fit = restore_module._made_fit

    async def meanwhile(*about: Any) -> Any:
        await noted(place, "mine")
        return await made_fit(*about)

    monkeypatch.setattr("store.restore._made_fit", meanwhile)
    answer = await restore(place, replaced[1], now)
    assert isinstance(answer, Refused)
    assert answer.code == "database_there"
    assert place.file is not None
    assert word_in(place.file) == "mine"


async def test_a_damaged_file_is_put_aside_with_what_lies_beside_it_and_a_lone_wal_is_not_read_into_the_new_one(
    replaced: tuple[Place, Path],
) -> None:
    place, copy = replaced
    assert place.file is not None
    wal = wal_of(place.file).read_bytes()
    await asyncio.to_thread(place.file.write_bytes, b"nothing that could be read " * 400)
    made = await restore(place, copy, now, replace=True)
    assert isinstance(made, Restored)
    assert made.kept is not None
    assert wal_of(made.kept).read_bytes() == wal
    assert (word_in(place.file), beside(place.file)) == ("early", [])
    place.file.unlink()
    wal_of(place.file).write_bytes(wal)
    assert isinstance(await restore(place, copy, now), Restored)
    assert (word_in(place.file), beside(place.file)) == ("early", [])


@pytest.mark.parametrize("at", ["taken", "fit", "aside"])
async def test_a_restore_that_is_stopped_leaves_the_old_books_and_can_be_done_again(
    lost: World, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    copy = await backed_up(lost)
    place = lost.p.store.place
    await lost.to_stage((await open_ids(lost))[0], "processing")
    await lost.p.aclose()

    class PowerCut(BaseException):
        pass

    def cut(*_about: object) -> None:
        raise PowerCut

    if at == "aside":
        rename = Path.replace
        monkeypatch.setattr(Path, "replace", lambda f, to: cut() if f.name == "fresh.sqlite" else rename(f, to))
    else:
        monkeypatch.setattr({"taken": "store.restore._made_fit", "fit": "store.restore._swap"}[at], cut)
    with pytest.raises(PowerCut):
        await restore(place, copy, now, replace=True)
    monkeypatch.undo()
    assert place.file is not None
    assert len(list(place.backups.glob("*before-restore.sqlite"))) == (at == "aside")
    again = await Pipeline.open(place)
    async with again.store.reading() as tx:
        assert await tx.value("SELECT count(*) FROM shipment WHERE stage = 2") == 1
    await again.aclose()
    assert not list(place.file.parent.glob(".*"))
    assert isinstance(await restore(place, copy, now, replace=True), Restored)
    lost.p = await Pipeline.open(place)
    assert await lost.value("SELECT count(*) FROM shipment WHERE stage = 1") == ORDERS


async def test_a_carrier_that_answers_after_the_shop_was_read_is_not_asked_for_what_has_left(lost: World) -> None:
    """Requests waited in the backup, the parcels left since, and the shop is read while the carrier cannot be."""
    assert lost.carrier is not None
    ids = (await open_ids(lost))[:3]
    await lost.do("approve", ids)
    await lost.do("assign", ids, service_id=await lost.service("SIM-STD"))
    await lost.do("waybill", ids)
    copy = await backed_up(lost)
    await lost.work()
    await lost.do("print", ids)
    await lost.work()
    await lost.do("ship", ids)
    await lost.work()
    bought = {w["reference"]: w["number"] for w in lost.carrier.admin("GET", "waybills")}
    await machine_lost(lost, copy)
    lost.carrier.admin("POST", "faults", {"rate": 1.0, "kinds": ["http_503"]})
    await Worker(lost.p).tick_once()
    lost.carrier.admin("POST", "faults", {"rate": 0})
    async with lost.p.store.transaction() as tx:
        await tx.run("UPDATE effect SET due_at = 0")
        await tx.run("UPDATE account_health SET retry_at = NULL")
    await lost.work()
    rows = await lost.fetch("SELECT stage, status FROM shipment WHERE id IN :ids", ids=ids)
    assert {(r["stage"], r["status"]) for r in rows} == {(5, "succeeded")}
    held = {r["reference"]: r["number"] for r in await lost.fetch("SELECT reference, number FROM waybill")}
    assert held == bought
    assert {r["state"] for r in await lost.fetch("SELECT state FROM effect")} == {"withdrawn"}
    await agree(lost)


async def test_a_print_job_of_a_batch_that_has_a_lost_ones_name_is_printed(lost: World) -> None:
    """The same folder, the same names and ids of batches, other labels: a job must not be taken for the lost one."""
    one, other = (await open_ids(lost))[:2]
    copy = await backed_up(lost)
    await lost.to_stage(one, "printed")
    assert len(list(lost.folder.glob("*.pdf"))) == 1
    await machine_lost(lost, copy)
    await lost.to_stage(other, "printed")
    assert len(list(lost.folder.glob("*.pdf"))) == 2


async def some_work(world: World, chance: random.Random, service: int) -> None:
    """A part of a day: every command over some of what stands there, now and then a step left out or a number voided."""
    for command in ("approve", "assign", "waybill", "push", "print", "ship", "void"):
        some = [i for i in await open_ids(world) if chance.random() < 0.6]
        if chance.random() < (0.25 if command in {"void", "push"} else 0.85):
            await world.do(command, some, **({"service_id": service} if command == "assign" else {}))
        if chance.random() < 0.7:
            await world.work()
    if chance.random() < 0.5:
        world.order(customer_note="")
        await world.sync(cut_over=False)


async def to_the_end(world: World, service: int) -> None:
    """Carry everything to shipped."""
    for _ in range(3):
        for command, arguments in (
            ("approve", {}),
            ("assign", {"service_id": service}),
            ("waybill", {}),
            ("print", {}),
            ("ship", {}),
        ):
            await world.do(command, await open_ids(world), **arguments)
            await world.work()


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_was_done_before_and_after_the_backup_nothing_is_doubled(lost: World, seed: int) -> None:
    assert lost.carrier is not None
    chance = random.Random(seed)
    service = await lost.service("SIM-STD")
    await some_work(lost, chance, service)
    await some_work(lost, chance, service)
    copy = await backed_up(lost)
    await some_work(lost, chance, service)
    await some_work(lost, chance, service)
    await lost.work()
    in_use = {n for o in lost.shop.admin("GET", "orders") for n in (t["number"] for t in o["tracking"])}
    await machine_lost(lost, copy)
    await lost.work()
    await to_the_end(lost, service)
    orders = lost.shop.admin("GET", "orders")
    assert {o["status"] for o in orders} == {"completed"}
    for order in orders:
        assert order["times_completed"] == 1, order["id"]
        noted = [t["number"] for t in order["tracking"] if "note_id" in t]
        assert len(noted) == len(set(noted)) == 1, (order["id"], noted)
    waybills = lost.carrier.admin("GET", "waybills")
    assert all(w["created_times"] == 1 for w in waybills)
    told = {t["number"] for o in orders for t in o["tracking"]}
    assert [w for w in waybills if w["number"] in told and w["status"] == "void"] == []
    assert in_use <= told
    async with lost.p.store.reading() as tx:
        assert await examine(tx) == []
