"""Ending a batch where it is: what was done stays done, the rest is not begun, on both engines."""

import asyncio
from typing import Any

import pytest

from domain.results import Refused
from pipeline import persons
from pipeline.base import Pipeline
from pipeline.commands import Begun, begin, cancel, report_of, run, work_off
from pipeline.undo import target_of
from pipeline.worker import Worker
from store import batches, leases
from store.batches import Batch, ItemResult
from store.place import Place
from tests.store.conftest import Books


@pytest.fixture
async def books(p: Pipeline) -> Books:
    made = Books(p)
    await made.open()
    return made


async def asked(books: Books, n: int, command: str = "flag", **arguments: Any) -> tuple[Batch, list[int]]:
    """A batch over `n` new shipments that nobody has begun."""
    sku = await books.goods()
    ids = [await books.order(sku) for _n in range(n)]
    begun = await begin(books.p, command, ids, arguments or {"colour": "3"}, "anna", source="console")
    assert isinstance(begun, Begun)
    return begun.batch, ids


async def now(books: Books, batch: Batch) -> Batch:
    async with books.p.store.reading() as tx:
        found = await batches.get(tx, batch.id)
    assert found is not None
    return found


async def marks(books: Books, ids: list[int]) -> list[int]:
    rows = await books.fetch("SELECT mark FROM shipment WHERE id IN :ids ORDER BY id", ids=ids)
    return [row["mark"] for row in rows]


async def waiting(books: Books) -> list[str]:
    async with books.p.store.reading() as tx:
        return [b.name for b in await batches.unfinished(tx)]


def refused(answer: Batch | Refused, code: str) -> None:
    assert isinstance(answer, Refused), answer
    assert answer.code == code
    assert answer.message


async def test_a_batch_that_nobody_has_begun_is_ended_with_nothing_done(books: Books) -> None:
    batch, ids = await asked(books, 3)
    assert await waiting(books) == [batch.name]
    ended = await cancel(books.p, batch.name.lower(), "anna")
    assert isinstance(ended, Batch)
    assert (ended.name, ended.state, ended.done, ended.refused) == (batch.name, "cancelled", 0, 0)
    assert await waiting(books) == []
    assert await work_off(books.p, batch, leases.new_owner()), "who comes to it finds nothing to do"
    await Worker(books.p).run(until_idle=True)
    assert await marks(books, ids) == [0, 0, 0]
    assert (await now(books, batch)).state == "cancelled"
    assert (await books.value("SELECT ended_at FROM batch WHERE id = :i", i=batch.id)) is not None


async def test_a_batch_at_work_ends_between_two_chunks(books: Books) -> None:
    batch, ids = await asked(books, 120)
    at: list[int] = []

    async def progress(done: int, total: int) -> None:
        assert total == 120
        at.append(done)
        assert isinstance(await cancel(books.p, batch.name, "bea"), Batch), "anybody who may change things may end it"

    assert await work_off(books.p, batch, leases.new_owner(), progress=progress)
    assert len(at) == 1, "no further chunk was begun"
    assert 0 < at[0] < 120
    ended = await now(books, batch)
    assert (ended.state, ended.done, ended.refused) == ("cancelled", at[0], 0)
    assert await marks(books, ids) == [3] * at[0] + [0] * (120 - at[0])
    report = await report_of(books.p, batch)
    assert (report.done, report.refused) == (ids[: at[0]], [])
    assert await waiting(books) == []
    assert await books.value("SELECT count(*) FROM lease WHERE name = :n AND owner <> ''", n=f"batch:{batch.id}") == 0


async def test_what_was_done_before_the_end_can_be_taken_back(books: Books) -> None:
    batch, ids = await asked(books, 60)

    async def progress(_done: int, _total: int) -> None:
        await cancel(books.p, batch.name, "anna")

    await work_off(books.p, batch, leases.new_owner(), progress=progress)
    done = (await now(books, batch)).done
    assert 0 < done < 60
    target = await target_of(books.p, "anna")
    assert isinstance(target, Batch)
    assert target.name == batch.name
    report = await run(books.p, "undo", ids[:done], {"batch_id": batch.id}, "anna")
    assert len(report.done) == done
    assert await marks(books, ids) == [0] * 60


async def test_ending_and_working_at_the_same_moment_agree(books: Books, place: Place) -> None:
    batch, ids = await asked(books, 90)
    other = await Pipeline.open(place)
    begun = asyncio.Event()

    async def progress(_done: int, _total: int) -> None:
        begun.set()

    async def end() -> Batch | Refused:
        await begun.wait()
        return await cancel(other, batch.name, "anna")

    _worked, answer = await asyncio.gather(work_off(books.p, batch, leases.new_owner(), progress=progress), end())
    await other.aclose()
    ended = await now(books, batch)
    changed = sum(mark == 3 for mark in await marks(books, ids))
    assert changed == ended.done == len((await report_of(books.p, batch)).done)
    if isinstance(answer, Refused):
        assert (ended.state, ended.done) == ("done", 90)
    else:
        assert ended.state == "cancelled"
        assert answer.done <= ended.done


async def test_a_batch_that_was_ended_in_the_middle_of_a_chunk_stays_ended(books: Books) -> None:
    batch, ids = await asked(books, 3)
    assert isinstance(await cancel(books.p, batch.name, "anna"), Batch)
    async with books.p.store.transaction() as tx:
        # A chunk that was already decided (a row refused after five conflicts) is written down.
        await batches.record(tx, batch.id, [ItemResult(0, "refused", "conflict", "No.")])
    ended = await now(books, batch)
    assert (ended.state, ended.refused) == ("cancelled", 1)
    assert await work_off(books.p, batch, leases.new_owner())
    assert await marks(books, ids) == [0, 0, 0]


async def test_a_batch_that_has_ended_cannot_be_ended(books: Books) -> None:
    batch, ids = await asked(books, 2)
    assert await work_off(books.p, batch, leases.new_owner())
    refused(await cancel(books.p, batch.name, "anna"), "not_running")
    assert (await now(books, batch)).state == "done"
    assert await marks(books, ids) == [3, 3]
    other, _ids = await asked(books, 1)
    assert isinstance(await cancel(books.p, other.name, "anna"), Batch)
    refused(await cancel(books.p, other.name, "anna"), "not_running")
    refused(await cancel(books.p, "B0101-99", "anna"), "not_running")


async def test_who_may_only_look_ends_nothing(books: Books) -> None:
    await persons.first_owner(books.p, "anna")
    await persons.add(books.p, "ola", "viewer", False, "anna")
    await persons.add(books.p, "jan", "operator", False, "anna")
    batch, _ids = await asked(books, 1)
    refused(await cancel(books.p, batch.name, "ola"), "viewer_only")
    refused(await cancel(books.p, batch.name, "nobody"), "unknown_operator")
    assert (await now(books, batch)).state == "queued"
    assert isinstance(await cancel(books.p, batch.name, "jan"), Batch)
