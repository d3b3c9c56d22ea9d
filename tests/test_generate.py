"""Generated databases are true ones: the doctor finds nothing, the program would change nothing, and they repeat."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.generate import NOW, Summary, blank_label, digest, generate, planned, read_stages
from connectors.paper.pdf import check_pdf
from domain.commands import COMMANDS
from domain.enums import STATUSES, Flag, Stage
from domain.reconcile import Difference, reconcile
from domain.results import Refused
from domain.text import email_key, phone_key
from pipeline.base import Pipeline
from pipeline.checkup import checkup
from pipeline.commands import context_for
from store import views
from store.place import Place
from store.shipments import load_facts

ORDERS = 2_000


def place_in(folder: Path) -> Place:
    return Place("", folder / "made.sqlite", folder / "key", folder / "backups")


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Summary]:
    """A database of the usual mix, for tests that only look."""
    place = place_in(tmp_path_factory.mktemp("usual"))
    return place, generate(place, ORDERS)


async def rows_of(place: Place, sql: str) -> list[tuple[Any, ...]]:
    p = await Pipeline.open(place)
    async with p.store.reading() as tx:
        found = [tuple(r) for r in await tx.rows(sql)]
    await p.aclose()
    return found


async def test_the_doctor_finds_no_defect(usual: tuple[Place, Summary]) -> None:
    p = await Pipeline.open(usual[0])
    assert (await checkup(p))["findings"] == []
    async with p.store.reading() as tx:
        assert await tx.value("PRAGMA integrity_check") == "ok"
    await p.aclose()


async def test_indexes_and_triggers_are_those_of_a_new_database(usual: tuple[Place, Summary], tmp_path: Path) -> None:
    schema = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
    assert await rows_of(usual[0], schema) == await rows_of(place_in(tmp_path), schema)


async def test_the_stage_counters_equal_the_counts(usual: tuple[Place, Summary]) -> None:
    p = await Pipeline.open(usual[0])
    counted = await views.counts(p.store)
    async with p.store.reading() as tx:
        shipments = await tx.rows("SELECT stage, status, count(*) AS n FROM shipment GROUP BY stage, status")
    await p.aclose()
    found = Counter({(Stage(r.stage).word, r.status): r.n for r in shipments})
    assert {(stage, status): n for stage, of in counted.items() for status, n in of.items()} == found
    assert {s: sum(of.values()) for s, of in counted.items()} == usual[1].stages
    assert sum(found.values()) == ORDERS


async def test_every_shipment_is_as_the_program_itself_would_have_it(usual: tuple[Place, Summary]) -> None:
    p = await Pipeline.open(usual[0], lambda: NOW)
    async with p.store.reading() as tx:
        d = await p.directory(tx)
        facts = await load_facts(
            tx, range(1, ORDERS + 1), d.shops, d.services, default_warehouse=d.warehouse_id, lock=False
        )
    await p.aclose()
    assert len(facts) == ORDERS
    assert [f.name for f in facts.values() if f.status not in STATUSES[f.stage]] == []
    # Whoever reads the same orders from the shop again changes nothing.
    assert {f.name: c for f in facts.values() if (c := reconcile(f, Difference())) is not None} == {}
    live = [f for f in facts.values() if f.waybill is not None]
    assert [f.name for f in live if f.waybill and f.waybill.lines_print != f.lines_print] == []
    taken = [f for f in facts.values() if f.deducted]
    assert [f.name for f in taken if dict(f.taken) != f.wants] == []


async def test_flags_say_what_is(usual: tuple[Place, Summary]) -> None:
    unread = f"""SELECT s.id FROM shipment s WHERE s.status <> 'merged' AND (s.flags & {int(Flag.NOTE_UNREAD)} <> 0) <>
        EXISTS (SELECT 1 FROM note n JOIN submission su ON su.order_id = n.order_id
                WHERE su.shipment_id = s.id AND n.kind = 'buyer' AND n.read_at IS NULL)"""
    unmatched = f"""SELECT s.id FROM shipment s WHERE (s.flags & {int(Flag.UNMATCHED)} <> 0) <>
        EXISTS (SELECT 1 FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
                WHERE sl.shipment_id = s.id AND ol.listing_id IS NULL)"""
    assert await rows_of(usual[0], unread) == []
    assert await rows_of(usual[0], unmatched) == []


async def test_people_are_found_by_the_keys_that_the_program_makes(usual: tuple[Place, Summary]) -> None:
    people = await rows_of(usual[0], "SELECT phone, phone_key, email, email_key FROM buyer")
    assert [p for p in people if (phone_key(p[0]), email_key(p[2])) != (p[1], p[3])] == []


async def test_every_history_runs_forwards_and_ends_before_now(usual: tuple[Place, Summary]) -> None:
    backwards = """SELECT a.shipment_id, a.kind, b.kind FROM event a JOIN event b ON b.shipment_id = a.shipment_id
        WHERE b.id > a.id AND b.at < a.at"""
    assert await rows_of(usual[0], backwards) == []
    assert await rows_of(usual[0], f"SELECT * FROM event WHERE at > {NOW}") == []


def test_the_same_seed_gives_the_same_rows_and_another_one_others(tmp_path: Path) -> None:
    found = []
    for n, seed in enumerate((7, 7, 8)):
        place = place_in(tmp_path / str(n))
        generate(place, 500, seed)
        assert place.file is not None
        found.append(digest(place.file))
    assert found[0] == found[1]
    assert found[0] != found[2]


async def test_named_stages_hold_plain_work_that_is_ready_to_go_on(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    made = await asyncio.to_thread(generate, place, 400, stages={Stage.REVIEW: 300, Stage.TO_PRINT: 100})
    assert made.stages == {s.word: {1: 300, 4: 100}.get(int(s), 0) for s in Stage}
    p = await Pipeline.open(place, lambda: NOW)
    assert (await checkup(p))["findings"] == []
    async with p.store.reading() as tx:
        d = await p.directory(tx)
        facts = await load_facts(tx, range(1, 401), d.shops, d.services, default_warehouse=d.warehouse_id, lock=False)
        context = await context_for(tx, d, facts.values(), "anna", "command_line", {"_explicit": False})
    await p.aclose()
    commands = {Stage.REVIEW: COMMANDS["approve"], Stage.TO_PRINT: COMMANDS["print"]}
    answers = [commands[f.stage](f, {}, context) for f in facts.values()]
    assert len(answers) == 400
    assert [a for a in answers if isinstance(a, Refused)] == []


def test_stages_that_are_not_named_share_the_rest() -> None:
    counts = planned(1_000, {Stage.REVIEW: 500})
    assert counts[Stage.REVIEW] == 500
    assert sum(counts.values()) == 1_000
    assert counts[Stage.SHIPPED] > 400
    assert planned(10, read_stages(["review=4,to-print=6"]))[Stage.TO_PRINT] == 6
    with pytest.raises(ValueError, match="does not make"):
        planned(10, {Stage.REVIEW: 11})


def test_a_database_that_is_there_is_left_alone(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    generate(place, 10)
    assert place.file is not None
    before = digest(place.file)
    with pytest.raises(FileExistsError):
        generate(place, 10)
    assert digest(place.file) == before
    assert place.file.stat().st_mode & 0o077 == 0


def test_the_label_is_one_that_a_printer_takes() -> None:
    assert check_pdf(blank_label()) == 1
