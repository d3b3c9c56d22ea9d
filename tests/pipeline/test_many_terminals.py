"""Sixty-four terminals and eight workers on one PostgreSQL: one effect each, no lock error, and losers are told to whom."""

import asyncio
import json
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.results import Refused
from pipeline import persons
from pipeline.base import Pipeline
from pipeline.demo_books import compare
from store.place import Place, find
from tests.conftest import World, lent

ORDERS, PROCESSES = 24, 4


@pytest.fixture
async def busy(postgresql_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A shop of plain orders, all in review, on a PostgreSQL of its own."""
    import asyncpg

    connection = await asyncpg.connect(postgresql_url)
    await connection.execute("CREATE DATABASE many_terminals")
    await connection.close()
    place: Place = find(postgresql_url.replace("/postgres?", "/many_terminals?"), tmp_path / "key")
    with lent("woocommerce", orders=ORDERS, plain=True, seed=3) as shop, lent("carrier", seed=3) as carrier:
        p = await Pipeline.open(place)
        world = World(p, shop, carrier, tmp_path / "papers")
        await world.bind(ship_without_printing="yes", grace_s="0", note_gate="no")
        await world.sync()
        yield world
        await p.aclose()


async def test_sixty_four_terminals_and_eight_workers_do_everything_once(busy: World, tmp_path: Path) -> None:
    owner = await persons.first_owner(busy.p, "anna")
    assert not isinstance(owner, Refused)
    for process in range(PROCESSES):
        for n in range(16):
            added = await persons.add(busy.p, f"op{process}-{n}", "operator", False, "anna")
            assert not isinstance(added, Refused), added
    service = await busy.service("SIM-STD")
    environment = {**os.environ, "SHIPDECK_DB": busy.p.store.place.url, "SHIPDECK_KEY_FILE": str(tmp_path / "key")}
    script = Path(__file__).with_name("many_terminals.py")
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, str(script), str(n), str(service),
            env=environment, cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
        for n in range(PROCESSES)
    ]  # fmt: skip
    answers = await asyncio.gather(*(process.communicate() for process in running))
    said = [json.loads(out) for out, _err in answers]
    assert [process.returncode for process in running] == [0] * PROCESSES, answers
    assert [e for s in said for e in s["errors"]] == []
    written = b"".join(err for _out, err in answers).decode()
    assert not re.search(r"deadlock|locked|could not serialize|Traceback", written), written[-3000:]

    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for s in said:
        done.update(s["done"])
        refused.update(s["refused"])
    # Every step of every parcel was done by exactly one of the sixty-four; the others were told who and when.
    assert done == {"approve": ORDERS, "assign": ORDERS, "waybill": ORDERS, "ship": ORDERS}
    assert refused["changed_since"] > 0
    assert set(refused) <= {"changed_since", "wrong_stage", "conflict"}, refused
    for sentence in {x for s in said for x in s["sentences"]}:
        assert re.match(r"(op\d-\d+|the worker) changed it meanwhile, at \d\d:\d\d:\d\d \(\w+\)\.", sentence), sentence
    await setup_worker_to_end(busy)
    books = await compare(busy.p, busy.shop, busy.carrier, {}, 0, 1.0)
    assert books["differences"] == []
    assert (books["shipped"], books["pushed"], books["labels"]) == (ORDERS, ORDERS, ORDERS)
    waybills = busy.carrier.admin("GET", "waybills")
    assert [w["created_times"] for w in waybills] == [1] * ORDERS
    assert {o["times_completed"] for o in busy.shop.admin("GET", "orders")} == {1}


async def setup_worker_to_end(world: World) -> None:
    """Whatever the stopped workers left is finished by one more."""
    await world.work()
    async with world.p.store.transaction() as tx:
        from store.counters import fold_counters

        await fold_counters(tx)
