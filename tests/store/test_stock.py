"""Stock as people handle it: the ledger says why, nobody is promised what is not there."""

import asyncio

import pytest

from domain.enums import Stage, Status
from domain.results import Refused
from pipeline import stocktaking
from pipeline.base import Pipeline
from pipeline.commands import run
from tests.machines import at_once
from tests.store.conftest import Books


async def in_stock(books: Books, *skus: str, pieces: int = 1) -> int:
    """A shipment to print with its pieces reserved."""
    shipment = await books.numbered(*skus, pieces=pieces)
    await run(books.p, "to-print", [shipment], {}, "anna")
    (f,) = await books.facts(shipment)
    assert (f.stage, f.status) == (Stage.TO_PRINT, Status.IN_STOCK)
    return shipment


async def test_receiving_adjusting_and_counting_move_only_with_a_line_in_the_ledger(books: Books) -> None:
    sku = await books.goods()
    await books.stock(sku, "receive", 10)
    await books.stock(sku, "adjust", -3)
    await books.stock(sku, "count", 5)
    assert await books.balance(sku) == (5, 0)
    moves = await stocktaking.moves(books.p, sku)
    assert [(m["reason"], m["on_hand"], m["who"]) for m in moves] == [
        ("receive", 10, "anna"),
        ("adjust", -3, "anna"),
        ("count", -2, "anna"),
    ]
    assert await books.findings() == []


async def test_counting_what_is_there_says_so_in_the_ledger(books: Books) -> None:
    sku = await books.goods(4)
    await books.stock(sku, "count", 4)
    assert [m["on_hand"] for m in await stocktaking.moves(books.p, sku)] == [4, 0]
    assert await books.balance(sku) == (4, 0)


@pytest.mark.parametrize(("how", "pieces", "code"), [("receive", -1, "bad_pieces"), ("count", -1, "bad_pieces")])
async def test_pieces_are_not_negative(books: Books, how: str, pieces: int, code: str) -> None:
    answer = await stocktaking.change(books.p, await books.goods(1), how, pieces, "anna")
    assert isinstance(answer, Refused)
    assert answer.code == code


async def test_an_adjustment_below_zero_is_refused_and_leaves_no_trace(books: Books) -> None:
    sku = await books.goods()
    answer = await stocktaking.change(books.p, sku, "adjust", -1, "anna")
    assert isinstance(answer, Refused)
    assert answer.code == "below_zero"
    assert await stocktaking.moves(books.p, sku) == []
    shipment = await in_stock(books, sku)
    assert (await books.facts(shipment))[0].allocated == {}, "the refused adjustment made it a tracked product"


async def test_a_sku_nobody_knows_is_refused(books: Books) -> None:
    answer = await stocktaking.change(books.p, "NO-SUCH", "receive", 1, "anna")
    assert isinstance(answer, Refused)
    assert answer.code == "unknown_sku"


async def test_a_count_below_what_is_reserved_releases_the_newest_and_lists_them(books: Books) -> None:
    sku = await books.goods(6)
    old, middle, new = [await in_stock(books, sku, pieces=2) for _each in range(3)]
    answer = await books.stock(sku, "count", 3)
    assert answer["released"] == [f"K{new:06d}", f"K{middle:06d}"]
    assert await books.balance(sku) == (3, 2)
    facts = await books.facts(old, middle, new)
    assert [f.status for f in facts] == [Status.IN_STOCK, Status.OUT_OF_STOCK, Status.OUT_OF_STOCK]
    assert [f.code for f in facts] == ["", "short", "short"]
    assert await books.findings() == []
    await books.stock(sku, "receive", 1)
    assert (await run(books.p, "in-stock", [middle, new], {}, "anna")).done == [middle]
    assert await books.findings() == []


async def test_who_loses_one_line_gives_all_its_pieces_back(books: Books) -> None:
    short, plenty = await books.goods(1), await books.goods(5)
    shipment = await in_stock(books, short, plenty)
    assert (await books.balance(short), await books.balance(plenty)) == ((1, 1), (5, 1))
    await books.stock(short, "adjust", -1)
    assert (await books.balance(short), await books.balance(plenty)) == ((0, 0), (5, 0))
    assert (await books.facts(shipment))[0].status is Status.OUT_OF_STOCK
    assert await books.findings() == []


async def test_a_count_does_not_touch_what_has_shipped(books: Books) -> None:
    sku = await books.goods(2)
    shipment = await in_stock(books, sku)
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE shipment SET print_state = 'confirmed' WHERE id = :s", s=shipment)
    assert (await run(books.p, "ship", [shipment], {}, "anna")).done == [shipment]
    await books.stock(sku, "count", 0)
    assert (await books.facts(shipment))[0].stage is Stage.SHIPPED
    assert await books.balance(sku) == (0, 0)
    assert await books.findings() == []


async def test_goods_received_at_several_places_at_once_add_up(books: Books, second: Pipeline) -> None:
    sku = await books.goods()
    answers = await asyncio.gather(
        *(stocktaking.change((books.p, second)[n % 2], sku, "receive", 1, f"machine {n}") for n in range(10))
    )
    assert not [a for a in answers if isinstance(a, Refused)]
    assert await books.balance(sku) == (10, 0)
    assert len(await stocktaking.moves(books.p, sku)) == 10
    assert await books.findings() == []


async def test_counting_and_allocating_at_once_never_promise_what_is_not_there(books: Books, second: Pipeline) -> None:
    sku = await books.goods(8)
    shipments = [await books.numbered(sku) for _each in range(8)]
    await asyncio.gather(
        at_once("to-print", [(second, [s]) for s in shipments]),
        *(stocktaking.change(books.p, sku, "count", n, "anna") for n in (7, 6, 5)),
    )
    on_hand, reserved = await books.balance(sku)
    assert on_hand in {5, 6, 7}
    assert reserved <= on_hand
    assert await books.findings() == []


async def test_books_stay_whole_through_ship_recall_back_and_close(books: Books) -> None:
    sku = await books.goods(10)
    shipments = [await in_stock(books, sku, pieces=2) for _each in range(4)]
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE shipment SET print_state = 'confirmed' WHERE id IN :ids", ids=shipments)
    await run(books.p, "ship", shipments[:3], {}, "anna")
    assert await books.balance(sku) == (4, 2)
    await run(books.p, "recall", shipments[:1], {}, "anna")
    await run(books.p, "recall", shipments[1:2], {"to": "close"}, "anna")
    assert await books.balance(sku) == (8, 4)
    await run(books.p, "back", shipments[:1], {}, "anna")
    await run(books.p, "close", shipments[3:], {}, "anna")
    assert await books.balance(sku) == (8, 0)
    taken = await books.fetch("SELECT sum(on_hand) AS n FROM stock_move WHERE shipment_id = :s", s=shipments[2])
    assert int(taken[0]["n"]) == -2
    assert await books.findings() == []


async def test_the_doctor_finds_what_was_changed_behind_the_ledger(books: Books) -> None:
    sku = await books.goods(3)
    change = "UPDATE stock SET on_hand = on_hand + :n WHERE variant_id = (SELECT id FROM variant WHERE sku = :s)"
    async with books.p.store.transaction() as tx:
        await tx.run(change, n=1, s=sku)
    assert [f.check for f in await books.findings()] == ["ledger equals stock"]
    async with books.p.store.transaction() as tx:
        await tx.run(change, n=-1, s=sku)
    assert await books.findings() == []
