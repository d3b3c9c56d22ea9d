"""What shops are to be told is counted by the database itself, whatever happens to orders, goods and shops."""

import asyncio
from typing import Any

import pytest

from domain.clock import Instant, now
from domain.enums import Stage, Status
from domain.offering import Part
from pipeline.base import Pipeline
from store import stock_pushes
from store.database import from_json
from store.place import Place
from store.stock_pushes import Due
from store.upgrade import open_store
from tests.store.conftest import Books
from tests.store.test_migration import first_schema


async def fold(books: Books, *telling: int) -> int:
    """Take note of everything; the number of notes."""
    notes = 0
    async with books.p.store.transaction() as tx:
        while folded := await stock_pushes.take_note(tx, telling or (books.shop_id,)):
            notes += folded
    return notes


async def wanted(books: Books, sku: str) -> int:
    return int(
        await books.value(
            "SELECT p.wanted FROM stock_push p JOIN listing l ON l.id = p.listing_id WHERE l.sku = :s AND l.shop_id = :h",
            s=sku,
            h=books.shop_id,
        )
        or 0
    )


async def row(books: Books, sku: str) -> dict[str, Any]:
    [found] = await books.fetch(
        "SELECT p.* FROM stock_push p JOIN listing l ON l.id = p.listing_id WHERE l.sku = :s AND l.shop_id = :h",
        s=sku,
        h=books.shop_id,
    )
    return found


async def due(books: Books, at: Instant | None = None) -> list[Due]:
    async with books.p.store.reading() as tx:
        if at is not None:
            tx.now = at
        return await stock_pushes.due(tx, books.shop_id, 1_000)


async def parts(books: Books, sku: str) -> list[Part]:
    listing = await books.value("SELECT id FROM listing WHERE sku = :s AND shop_id = :h", s=sku, h=books.shop_id)
    async with books.p.store.reading() as tx:
        return (await stock_pushes.parts_of(tx, [listing], [books.shop_id]))[listing]


async def miscounted(books: Books) -> list[str]:
    """What the doctor finds of it."""
    return [f.found for f in await books.findings() if f.check == "what shops are told counts open shipments"]


async def move(books: Books, shipment: int, stage: Stage, status: Status) -> None:
    async with books.p.store.transaction() as tx:
        await books.put(tx, shipment, stage, status)


async def test_open_shipments_are_wanted_until_they_ship_or_close_and_again_when_they_come_back(books: Books) -> None:
    sku = await books.goods(10)
    one, two = await books.order(sku, pieces=2), await books.order(sku, pieces=3)
    assert await parts(books, sku) == [Part(10, 5)]  # Before anybody took note.
    await fold(books)
    assert (await wanted(books, sku), await parts(books, sku)) == (5, [Part(10, 5)])
    await move(books, one, Stage.SHIPPED, Status.PUSHING)
    await move(books, two, Stage.CLOSED, Status.CANCELLED)
    assert await parts(books, sku) == [Part(10, 0)]
    await move(books, two, Stage.REVIEW, Status.OPEN)
    await fold(books)
    assert await wanted(books, sku) == 3
    assert await miscounted(books) == []


async def test_lines_lowered_matched_anew_and_taken_off_are_counted(books: Books) -> None:
    sku, other = await books.goods(10), await books.goods(10)
    shipment = await books.order(sku, pieces=4)
    [line] = await books.fetch("SELECT order_line_id AS id FROM shipment_line WHERE shipment_id = :s", s=shipment)
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE shipment_line SET quantity = 3 WHERE shipment_id = :s", s=shipment)
    assert await parts(books, sku) == [Part(10, 3)]
    async with books.p.store.transaction() as tx:
        await tx.run(
            "UPDATE order_line SET listing_id = (SELECT id FROM listing WHERE sku = :o AND shop_id = :h) WHERE id = :id",
            o=other,
            h=books.shop_id,
            id=line["id"],
        )
    await fold(books)
    assert (await wanted(books, sku), await wanted(books, other)) == (0, 3)
    async with books.p.store.transaction() as tx:
        await tx.run("DELETE FROM shipment_line WHERE shipment_id = :s", s=shipment)
    assert await parts(books, other) == [Part(10, 0)]
    assert await miscounted(books) == []


async def test_a_count_that_is_kept_wrong_is_found_by_the_doctor(books: Books) -> None:
    sku = await books.goods(10)
    await books.order(sku)
    await fold(books)
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE stock_push SET wanted = wanted + 1 WHERE shop_id = :h", h=books.shop_id)
    assert await miscounted(books) == ["2 against 1"]
    async with books.p.store.transaction() as tx:
        await stock_pushes.rebuild(tx)
    assert await miscounted(books) == []


async def test_allocating_moves_no_number_receiving_does(books: Books) -> None:
    sku = await books.goods(10)
    await fold(books)
    shipment = await books.numbered(sku)
    await fold(books)
    assert await fold(books) == 0
    async with books.p.store.transaction() as tx:
        await tx.run(
            """UPDATE stock SET reserved = reserved + 1
               WHERE variant_id = (SELECT id FROM variant WHERE sku = :s)""",
            s=sku,
        )
        await tx.run("UPDATE shipment SET stage = :p WHERE id = :id", p=int(Stage.TO_PRINT), id=shipment)
    assert await fold(books) == 0
    async with books.p.store.transaction() as tx:
        await tx.run(
            "UPDATE stock SET reserved = reserved - 1 WHERE variant_id = (SELECT id FROM variant WHERE sku = :s)", s=sku
        )
    await books.stock(sku, "receive", 5)
    assert await fold(books) == 1


async def test_only_counted_goods_of_shops_that_are_told_are_due(books: Books) -> None:
    counted, uncounted = await books.goods(10), await books.goods()
    await books.order(counted)
    await books.order(uncounted)
    await fold(books, -1)
    assert await due(books) == []
    assert await wanted(books, counted) == 1
    await books.stock(counted, "receive", 1)
    await books.order(uncounted)
    await fold(books)
    assert [d.platform_product_id for d in await due(books)] == [counted]


async def test_a_change_while_a_number_is_on_its_way_keeps_it_due(books: Books) -> None:
    sku = await books.goods(10)
    await fold(books)
    [d] = await due(books)
    async with books.p.store.transaction() as tx:
        await stock_pushes.begin(tx, [d.listing_id])
    await books.stock(sku, "receive", 1)
    await fold(books)
    async with books.p.store.transaction() as tx:
        await stock_pushes.told(tx, [(d, 10)], 0)
    found = await row(books, sku)
    assert (found["sent"], found["since"] is not None, found["unsure_at"]) == (10, True, None)
    [again] = await due(books, now() + stock_pushes.GAP_MS)
    async with books.p.store.transaction() as tx:
        await stock_pushes.told(tx, [(again, 11)], 0)
    assert (await row(books, sku))["since"] is None
    # What nobody touched for a day is looked at.
    assert await due(books, now() + stock_pushes.LOOK_MS - 60_000) == []
    [look] = await due(books, now() + stock_pushes.LOOK_MS)
    assert (look.since, look.look) == (None, True)


async def test_where_the_platform_may_have_moved_its_own_number_it_is_looked_at(books: Books) -> None:
    """A payment that comes in lowers it, a cancelled line raises it; what our shipments want does not move with either."""
    sku = await books.goods(10)
    shipment = await books.order(sku, pieces=2)
    order = await books.value("SELECT order_id FROM shipment WHERE id = :s", s=shipment)
    for change in (
        "UPDATE orders SET status = 'on_hold' WHERE id = :o",
        "UPDATE order_line SET cancelled = 1 WHERE order_id = :o",
    ):
        await fold(books)
        async with books.p.store.transaction() as tx:
            await stock_pushes.told(tx, [(d, 8) for d in await stock_pushes.due(tx, books.shop_id, 9)], 0)
            await tx.run("UPDATE stock_push SET sent_at = 0 WHERE shop_id = :s", s=books.shop_id)
        assert await due(books) == []
        async with books.p.store.transaction() as tx:
            await tx.run(change, o=order)
        await fold(books)
        [d] = await due(books)
        assert (d.look, d.since is not None) == (True, True)
    assert await miscounted(books) == []


async def test_what_is_counted_as_nothing_is_told_as_nothing(books: Books) -> None:
    sku = await books.goods(0)
    await fold(books)
    assert [d.platform_product_id for d in await due(books)] == [sku]
    assert await parts(books, sku) == [Part(0, 0)]


async def test_what_was_refused_waits_for_a_person_and_not_for_the_next_change(books: Books) -> None:
    sku = await books.goods(10)
    await fold(books)
    async with books.p.store.transaction() as tx:
        await stock_pushes.refused(
            tx, [(d, "not_tracked", "No.") for d in await stock_pushes.due(tx, books.shop_id, 9)]
        )
    await books.stock(sku, "receive", 1)
    await fold(books)
    assert await due(books) == []
    async with books.p.store.transaction() as tx:
        await stock_pushes.tell_again(tx, books.shop_id)
    await fold(books)
    assert [d.platform_product_id for d in await due(books)] == [sku]


async def test_a_change_of_a_shop_concerns_all_its_listings_block_by_block(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    skus = [await books.goods(5) for _ in range(7)]
    await fold(books, -1)
    monkeypatch.setattr(stock_pushes, "BLOCK", 3)
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE shop SET settings = :s WHERE id = :id", s='{"stock_buffer":1}', id=books.shop_id)
    assert await fold(books) == 3
    assert sorted(d.platform_product_id for d in await due(books)) == sorted(skus)
    # More notes than a block takes are all taken.
    await books.order(*skus)
    await fold(books)
    assert [await wanted(books, sku) for sku in skus] == [1] * 7
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE shop SET bound = 0 WHERE id = :id", id=books.shop_id)
    await fold(books, -1)
    assert await due(books) == []


async def test_shops_bound_before_are_told_nothing_before_somebody_says_so(bare_place: Place) -> None:
    await first_schema(bare_place)
    store = await open_store(bare_place)
    async with store.reading() as tx:
        [settings] = [from_json(r.settings) for r in await tx.rows("SELECT settings FROM shop")]
    assert settings["push_stock"] is False
    await store.close()


async def test_two_workers_that_take_note_at_once_count_every_piece_once(books: Books, second: Pipeline) -> None:
    skus = [await books.goods(1_000) for _ in range(3)]
    done = asyncio.Event()

    async def sell() -> None:
        for n in range(24):
            await books.order(*skus[: n % 3 + 1], pieces=1 + n % 2)
        done.set()

    async def notes(p: Pipeline) -> None:
        while not done.is_set():
            await p.store.retrying(lambda tx: stock_pushes.take_note(tx, [books.shop_id]))
            await asyncio.sleep(0)

    await asyncio.gather(sell(), notes(books.p), notes(second))
    await fold(books)
    assert [await wanted(books, sku) for sku in skus] == [36, 24, 12]
    assert await miscounted(books) == []
