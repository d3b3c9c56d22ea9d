"""No hot query scans a table, sorts in a temporary B-tree to find its first rows, or counts rows away with OFFSET.

Plans are SQLite's own, of the statements the program really sends: everything is run over a generated database and each
statement is explained as it passes. Hot is what is asked for between two keys, at every commit, or for every order.
"""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.bound import empty_shop, reading_of, wires
from bench.generate import generate
from connectors.shops.woocommerce import parse_order
from console.wording import SUBLISTS
from domain.enums import Stage
from domain.filters import parse
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.commands import begin, work_off
from pipeline.sync import arrivals, policy_of, take_over_chunk
from store import accounts, batches, intake, lane, leases, lists, outbox, overview, views
from store.dialect import for_sqlite
from store.lists import Query
from store.place import Place
from store.reader import Reader

ORDERS = 2_000
SMALL = {
    "CONSTANT",
    "account_health", "alembic_version", "batch", "carrier", "category", "lease", "left_out", "meta", "operator", "printer",
    "service", "shop", "stage_count", "sync_task", "variant", "warehouse", "worker", "json_each", "abnormal",
}  # fmt: skip
"""Tables that do not grow with the orders (batches: a hundred a day, asked for by an index of their own)."""


class Plans:
    """The plan of every statement that passed, with the statement."""

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, check_same_thread=False)
        self.connection.create_function("lower", 1, lambda t: t)
        self.found: dict[str, list[str]] = {}

    def explain(self, sql: str, params: Any) -> None:
        if sql.lstrip().split(None, 1)[0].upper() in {"SELECT", "UPDATE", "DELETE", "INSERT", "WITH"}:
            plan = self.connection.execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall()
            self.found[" ".join(sql.split())] = [step[3] for step in plan]

    def faults(self) -> list[str]:
        """What is wrong with the statements so far, each named."""
        wrong = []
        for sql, steps in self.found.items():
            alias = _aliases(sql)
            for step in steps:
                scanned = re.match(r"SCAN (\w+)", step)
                # All orders together are walked by their number, which is the table's own order.
                walked = "WHERE 1 = 1 ORDER BY s.id" in sql and "LIMIT" in sql
                if (
                    scanned
                    and not walked
                    and alias.get(scanned[1], scanned[1]) not in SMALL
                    and "VIRTUAL TABLE" not in step
                ):
                    wrong.append(f"{step}: {sql}")
                small = set(re.findall(r"\b(?:FROM|JOIN) (\w+)", sql)) <= SMALL
                if "TEMP B-TREE FOR ORDER BY" in step and re.search(r"\bLIMIT\b", sql) and not small:
                    wrong.append(f"{step}: {sql}")
            if re.search(r"\bOFFSET\b", sql):
                wrong.append(f"OFFSET: {sql}")
        return wrong


def _aliases(sql: str) -> dict[str, str]:
    """Alias → table."""
    return {alias: table for table, alias in re.findall(r"(?:FROM|JOIN|UPDATE|,) (\w+) (?:AS )?(\w+)", sql)}


class Explained(Reader):
    """A reader that explains what it is asked."""

    plans: Plans

    async def fetch(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        self.plans.explain(*for_sqlite(sql, params or {}))
        return await super().fetch(sql, params)

    async def tuples(self, sql: str, params: Mapping[str, Any] | None = None) -> Any:
        self.plans.explain(*for_sqlite(sql, params or {}))
        return await super().tuples(sql, params)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("plans")
    made = Place("", folder / "made.sqlite", folder / "key", folder / "backups")
    generate(made, ORDERS)
    return made


@pytest.fixture
async def reader(place: Place) -> AsyncIterator[Explained]:
    assert place.file is not None
    async with Explained(place) as reader:
        reader.plans = Plans(place.file)
        yield reader


def _clean(plans: Plans, least: int = 1) -> None:
    assert len(plans.found) >= least
    assert not plans.faults(), "\n".join(plans.faults())


STAGES = [s for s in Stage if s is not Stage.CLOSED]


@pytest.mark.parametrize("stage", [None, *STAGES])
async def test_pages_of_every_quick_list(reader: Explained, stage: Stage | None) -> None:
    """First page, next page, page before, last page: of each stage, its sub-lists and of all orders, either way round."""
    names = ["all"] if stage is None else [name for name, _title in SUBLISTS[stage]]
    for name in names:
        for latest in (False, True):
            query = Query((stage,) if stage is not None else (), name, latest=latest)
            if name == "same_buyer" or not query.quick:
                continue
            rows = await lists.window(reader, query, 8)
            await lists.last(reader, query, 8)
            key = rows[-1].key if rows else (0, 0)
            await lists.window(reader, query, 8, after=key)
            await lists.window(reader, query, 8, before=key)
            await lists.still_in(reader, query, [row.id for row in rows])
    _clean(reader.plans, 4)


async def test_rows_by_id(reader: Explained) -> None:
    """A list of ids (same buyer, who waits for a SKU, a number that was found) is never a walk along a stage."""
    for stages in ((), (Stage.TO_PRINT,), (Stage.SHIPPED,)):
        for name in ("all", "out_of_stock"):
            await lists.window(reader, Query(stages, name if stages else "all", ids=(5, 6, 7)), 8)
    _clean(reader.plans, 4)
    assert not [sql for sql, plan in reader.plans.found.items() if any("_queue" in step for step in plan)]


async def test_counts_above_the_list_and_the_header(reader: Explained) -> None:
    for stage in (None, *STAGES):
        await lists.counts(reader, stage)
    await overview.overview(reader, 0)
    _clean(reader.plans, 8)


async def test_a_filter_that_names_something_is_found_by_its_index(reader: Explained) -> None:
    """Order, waybill, phone, SKU, batch and code within the largest stage: the shipments come from an index."""
    (one,) = await reader.fetch(
        """SELECT o.number, w.number AS waybill, b.phone_key, ol.sku FROM shipment s JOIN orders o ON o.id = s.order_id
           JOIN buyer b ON b.order_id = o.id JOIN waybill w ON w.shipment_id = s.id JOIN order_line ol ON ol.order_id = o.id
           WHERE s.stage = 5 AND b.phone_key <> '' AND w.number <> '' AND ol.sku <> '' LIMIT 1"""
    )
    reader.plans.found.clear()
    for text in (
        f"order:{one['number']}",
        f"waybill:{one['waybill']}",
        f"phone:{one['phone_key']}",
        f"sku:{one['sku']}",
        "batch:B1123-01",
        "code:K000012",
    ):
        terms = tuple(parse(text))  # type: ignore[arg-type]
        for stages in ((), (Stage.SHIPPED,)):
            query = Query(stages, terms=terms)
            await lists.window(reader, query, 8)
            await lists.count(reader, query)
            await lists.ids_of(reader, query)
    _clean(reader.plans, 12)


async def test_the_detail_and_its_lines(reader: Explained) -> None:
    for shipment in (5, 900, 1_900):
        await views.detail(reader, shipment)
        await overview.free_of(reader, shipment)
        await overview.addresses(reader, shipment)
    _clean(reader.plans, 8)


async def test_finding_by_a_number(reader: Explained) -> None:
    for text in ("K000005", "10000008", "SIM0091851852"):
        await views.find_ids(reader, text)
    _clean(reader.plans, 2)


async def test_a_command_line_page(reader: Explained) -> None:
    for stage in STAGES:
        await views.listing(reader, [], [stage], limit=8)
    _clean(reader.plans, 4)


# ------------------------------------------------------------------ what a worker asks


@pytest.fixture
def watched(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[[Pipeline], Plans]:
    """Explains every statement that a pipeline sends from then on."""

    def watch(_p: Pipeline) -> Plans:
        assert place.file is not None
        plans = Plans(place.file)
        ride = lane._ride

        def explained(
            connection: sqlite3.Connection, begin: str, waiting: Any, work: Callable[..., Any], arguments: Any
        ) -> Any:
            for sql, bound, check in waiting:
                plans.explain(sql, bound[0] if check is None else bound)
            for question in arguments[0] if work is lane._fetch_each else [arguments] if arguments else []:
                plans.explain(*question)
            return ride(connection, begin, waiting, work, arguments)

        monkeypatch.setattr(lane, "_ride", explained)
        return plans

    return watch


async def _asked(
    place: Place, watch: Callable[[Pipeline], Plans], ask: Callable[[Pipeline], Awaitable[object]]
) -> Plans:
    p = await Pipeline.open(place)
    try:
        plans = watch(p)
        await ask(p)
        return plans
    finally:
        await p.aclose()


async def test_the_outbox(place: Place, watched: Callable[[Pipeline], Plans]) -> None:
    """What is due, what may be claimed, when the next falls due."""

    async def ask(p: Pipeline) -> None:
        async with p.store.transaction() as tx:
            await outbox.due_accounts(tx, ["shop:1", "carrier:1"])
            await outbox.claim(tx, "shop:1", 1, 40, [1, 2])
            await outbox.falls_due_within(tx, 60_000)
            await accounts.due_tasks(tx)
            await batches.unfinished(tx)

    _clean(await _asked(place, watched, ask), 5)


async def test_a_batch_chunk(place: Place, watched: Callable[[Pipeline], Plans]) -> None:
    """Freezing a selection, the next rows of a batch, the facts of its shipments, what is written of them."""

    async def ask(p: Pipeline) -> None:
        async with p.store.reading() as tx:
            ids = [r.id for r in await tx.rows("SELECT id FROM shipment WHERE stage = 1 AND flags = 0 LIMIT 20")]
        begun = await begin(p, "approve", ids, {}, "anna")
        assert hasattr(begun, "batch"), begun
        await work_off(p, begun.batch, leases.new_owner())

    _clean(await _asked(place, watched, ask), 15)


async def test_what_intake_looks_up(place: Place, watched: Callable[[Pipeline], Plans]) -> None:
    """A page of a shop: new orders, then the same ones again."""
    with empty_shop() as shop:
        p = await Pipeline.open(place)
        try:
            keys = {k: str(shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
            made: Any = await setup.add_shop(p, "woocommerce", "Bench", {"url": shop.url}, keys)
            reading = await reading_of(p, made.id)
            parsed: Any = [parse_order(raw, reading) for raw in wires(20)]
            async with p.store.reading() as tx:
                row = await accounts.shop(tx, made.id)
            assert row is not None
            facts = p.shop_facts(row)
            policy = policy_of(facts, row.currency, row.connected_at)
            plans = watched(p)
            for _again in range(2):
                async with p.store.transaction() as tx:
                    await take_over_chunk(p, tx, facts, arrivals(facts, policy, parsed, first_import=True))
            async with p.store.reading() as tx:
                known, _around = await intake.look_up(tx, made.id, [i.order.platform_order_id for i in parsed])
                assert len(known) == len(parsed)
        finally:
            await p.aclose()
    _clean(plans, 10)


def test_a_fault_is_seen(tmp_path: Path) -> None:
    """The test itself: a scan, a sort before a page and an offset are all told."""
    place = Place("", tmp_path / "db.sqlite", tmp_path / "key", tmp_path / "backups")
    asyncio.run(_touch(place))
    assert place.file is not None
    plans = Plans(place.file)
    plans.explain("SELECT id FROM orders WHERE raw_status = 'x'", ())
    plans.explain("SELECT id FROM shipment WHERE stage = 1 ORDER BY changed_at LIMIT 3", ())
    plans.explain("SELECT id FROM shipment ORDER BY id LIMIT 3 OFFSET 100", ())
    assert len(plans.faults()) >= 3


async def _touch(place: Place) -> None:
    await (await Pipeline.open(place)).aclose()
