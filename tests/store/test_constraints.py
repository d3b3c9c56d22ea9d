"""What the schema itself makes impossible, on both engines, whatever the program above it does."""

import asyncio
import random

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from domain.change import Change, NewEffect
from domain.commands import closing
from domain.enums import STATUSES, Op, Stage, Status
from pipeline.base import Pipeline
from pipeline.commands import run
from store import batches, leases, outbox
from store import tables as t
from store.apply import OutOfDate, apply
from store.counters import fold_counters
from tests.machines import at_once
from tests.store.conftest import Books

# ------------------------------------------------------------------ lines are never assigned twice


async def another(books: Books, shipment: int, stage: Stage = Stage.REVIEW, status: Status = Status.OPEN) -> int:
    """An empty shipment of the same order."""
    async with books.p.store.transaction() as tx:
        order = await tx.value("SELECT order_id FROM shipment WHERE id = :s", s=shipment)
        return await tx.add(
            t.shipment,
            {
                "shop_id": books.shop_id,
                "order_id": order,
                "stage": int(stage),
                "status": status.value,
                "created_at": 1,
                "changed_at": 1,
            },
        )


async def test_a_line_cannot_be_given_to_two_shipments_beyond_what_was_ordered(books: Books) -> None:
    shipment = await books.order(pieces=2)
    (line,) = (await books.facts(shipment))[0].lines
    other = await another(books, shipment)
    with pytest.raises(DBAPIError, match="over_assigned"):
        async with books.p.store.transaction() as tx:
            await tx.insert(
                t.shipment_line, [{"shipment_id": other, "order_line_id": line.order_line_id, "quantity": 1}]
            )
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE shipment_line SET quantity = 1 WHERE shipment_id = :s", s=shipment)
        await tx.insert(t.shipment_line, [{"shipment_id": other, "order_line_id": line.order_line_id, "quantity": 1}])
    for part in (shipment, other):
        with pytest.raises(DBAPIError, match="over_assigned"):
            async with books.p.store.transaction() as tx:
                await tx.run("UPDATE shipment_line SET quantity = 2 WHERE shipment_id = :s", s=part)
    assert await books.findings() == []


async def test_what_was_cancelled_cannot_be_assigned_and_a_lowered_order_passes(books: Books) -> None:
    shipment = await books.order(pieces=3)
    (line,) = (await books.facts(shipment))[0].lines
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE order_line SET cancelled = 2 WHERE id = :id", id=line.order_line_id)
        await tx.run("UPDATE shipment_line SET quantity = 1 WHERE shipment_id = :s", s=shipment)
    with pytest.raises(DBAPIError, match="over_assigned"):
        async with books.p.store.transaction() as tx:
            await tx.run("UPDATE shipment_line SET quantity = 2 WHERE shipment_id = :s", s=shipment)


async def test_what_a_closed_shipment_carried_may_be_assigned_anew(books: Books) -> None:
    shipment = await books.order(pieces=1)
    (line,) = (await books.facts(shipment))[0].lines
    other = await another(books, shipment)
    async with books.p.store.transaction() as tx:
        await books.put(tx, shipment, Stage.CLOSED, Status.CANCELLED)
        await tx.insert(t.shipment_line, [{"shipment_id": other, "order_line_id": line.order_line_id, "quantity": 1}])
    assert await books.findings() == []


async def test_of_two_machines_that_take_the_last_piece_at_once_one_is_refused(books: Books, second: Pipeline) -> None:
    shipment = await books.order(pieces=2)
    (line,) = (await books.facts(shipment))[0].lines
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE shipment_line SET quantity = 1 WHERE shipment_id = :s", s=shipment)
    others = [await another(books, shipment) for _two in range(2)]

    async def take(p: Pipeline, into: int) -> bool:
        try:
            async with p.store.transaction() as tx:
                row = {"shipment_id": into, "order_line_id": line.order_line_id, "quantity": 1}
                await tx.insert(t.shipment_line, [row])
        except DBAPIError:
            return False
        return True

    assert sorted(await asyncio.gather(take(books.p, others[0]), take(second, others[1]))) == [False, True]
    assert await books.findings() == []


# ------------------------------------------------------------------ one live waybill


@pytest.mark.parametrize("state", ["requesting", "waiting", "obtained", "unknown"])
async def test_a_shipment_has_one_live_waybill(books: Books, state: str) -> None:
    shipment = await books.numbered()
    with pytest.raises(IntegrityError):
        async with books.p.store.transaction() as tx:
            await tx.insert(t.waybill, [books.waybill(shipment, 2, state=state)])
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE waybill SET state = 'voiding' WHERE shipment_id = :s", s=shipment)
        await tx.insert(t.waybill, [books.waybill(shipment, 2, state=state)])
    with pytest.raises(IntegrityError):
        async with books.p.store.transaction() as tx:
            await tx.run("UPDATE waybill SET state = 'obtained' WHERE shipment_id = :s AND generation = 1", s=shipment)


# ------------------------------------------------------------------ history stays


@pytest.mark.parametrize("table", ["stock_move", "event"])
@pytest.mark.parametrize("statement", ["UPDATE {table} SET who = 'mallory'", "DELETE FROM {table}"])
async def test_ledger_and_history_cannot_be_rewritten(books: Books, table: str, statement: str) -> None:
    await books.order(await books.goods(3))
    before = await books.value(f"SELECT count(*) FROM {table}")
    assert before > 0
    with pytest.raises(DBAPIError, match="immutable"):
        async with books.p.store.transaction() as tx:
            await tx.run(statement.format(table=table))
    assert await books.value(f"SELECT count(*) FROM {table} WHERE who <> 'mallory'") == before


# ------------------------------------------------------------------ stock


@pytest.mark.parametrize("change", ["on_hand = -1", "reserved = -1", "reserved = 4", "on_hand = 0, reserved = 1"])
async def test_stock_is_never_below_zero_nor_promised_twice(books: Books, change: str) -> None:
    sku = await books.goods(3)
    with pytest.raises(IntegrityError):
        async with books.p.store.transaction() as tx:
            await tx.run(f"UPDATE stock SET {change} WHERE variant_id = (SELECT id FROM variant WHERE sku = :s)", s=sku)
    assert await books.balance(sku) == (3, 0)


async def test_twenty_at_once_share_ten_pieces(books: Books, second: Pipeline) -> None:
    sku = await books.goods(10)
    shipments = [await books.numbered(sku) for _each in range(20)]
    reports = await at_once("to-print", [((books.p, second)[n % 2], [s]) for n, s in enumerate(shipments)])
    assert [r.done for r in reports] == [[s] for s in shipments]
    where = await books.fetch("SELECT status, count(*) AS n FROM shipment WHERE id IN :ids GROUP BY 1", ids=shipments)
    assert {row["status"]: row["n"] for row in where} == {"in_stock": 10, "out_of_stock": 10}
    assert await books.balance(sku) == (10, 10)
    assert await books.findings() == []


async def test_one_batch_gives_the_pieces_to_the_first_of_its_rows(books: Books) -> None:
    sku = await books.goods(3)
    shipments = [await books.numbered(sku) for _each in range(5)]
    await run(books.p, "to-print", list(reversed(shipments)), {}, "anna")
    status = [f.status for f in await books.facts(*reversed(shipments))]
    assert status == [Status.IN_STOCK] * 3 + [Status.OUT_OF_STOCK] * 2
    assert await books.findings() == []


# ------------------------------------------------------------------ unique for ever


async def test_keys_are_unique(books: Books) -> None:
    sku = await books.goods(1)
    one, two = await books.numbered(sku), await books.numbered(sku)
    variant = await books.value("SELECT id FROM variant WHERE sku = :s", s=sku)
    number = await books.value("SELECT platform_order_id FROM orders WHERE shop_id = :s LIMIT 1", s=books.shop_id)
    effect = {"key": f"push:{one}", "account": "shop:1", "op": "push", "due_at": 1, "created_at": 1}
    move = {"key": f"m:{one}", "variant_id": variant, "warehouse_id": 1, "reason": "x", "at": 1}
    order = await books.fetch("SELECT * FROM orders WHERE shop_id = :s AND platform_order_id = :o LIMIT 1",
                              s=books.shop_id, o=number)  # fmt: skip
    copy = {k: v for k, v in order[0].items() if k != "id"}
    async with books.p.store.transaction() as tx:
        await tx.insert(t.effect, [effect])
        await tx.insert(t.stock_move, [move])
    for table, row in (
        (t.effect, effect),
        (t.stock_move, move),
        (t.orders, copy),
        (t.waybill, books.waybill(two, 1, state="void")),
        (t.waybill, books.waybill(two, 2, state="void", reference=f"{one}-1")),
        (t.waybill, books.waybill(two, 2, state="void", number=f"N{one}")),
    ):
        with pytest.raises(IntegrityError):
            async with books.p.store.transaction() as tx:
                await tx.insert(table, [row])


# ------------------------------------------------------------------ counters


async def test_the_stage_counters_equal_the_counts_after_anything_that_happens(books: Books) -> None:
    chance = random.Random(11)
    places = [(stage, status) for stage in Stage for status in sorted(STATUSES[stage])]
    shipments = [await books.order() for _each in range(6)]
    for _step in range(40):
        stage, status = chance.choice(places)
        chosen = chance.sample(shipments, chance.randint(1, 4))
        try:
            async with books.p.store.transaction() as tx:
                for shipment in chosen:
                    await books.put(tx, shipment, stage, status)
                if chance.random() < 0.2:
                    raise RuntimeError("and it was all for nothing")
        except RuntimeError:
            pass
    counts = "SELECT stage, status, CAST({n} AS bigint) AS n FROM {table} WHERE shop_id = :s GROUP BY 1, 2"
    for _folded in range(2):
        kept = await books.fetch(counts.format(n="sum(n)", table="stage_count"), s=books.shop_id)
        real = await books.fetch(counts.format(n="count(*)", table="shipment"), s=books.shop_id)
        assert {(r["stage"], r["status"]): r["n"] for r in kept if r["n"]} == {
            (r["stage"], r["status"]): r["n"] for r in real
        }
        async with books.p.store.transaction() as tx:
            await fold_counters(tx)
            for shipment in shipments:
                await books.put(tx, shipment, Stage.CLOSED, Status.DISCARDED)
    assert not [f for f in await books.findings() if "counters" in f.check]


# ------------------------------------------------------------------ decisions on what is no longer so


async def test_a_decision_over_facts_that_changed_since_writes_nothing(books: Books) -> None:
    shipment = await books.order()
    (seen,) = await books.facts(shipment)
    decision = Change(set={"mark": 3}, events=(("flagged", {}),))
    async with books.p.store.transaction() as tx:
        await apply(tx, [(seen, decision)], "anna")
    events = await books.value("SELECT count(*) FROM event WHERE shipment_id = :s", s=shipment)
    with pytest.raises(OutOfDate):
        async with books.p.store.transaction() as tx:
            await apply(tx, [(seen, decision)], "boris")
    assert await books.value("SELECT count(*) FROM event WHERE shipment_id = :s", s=shipment) == events


async def test_an_effect_that_a_worker_has_begun_is_not_withdrawn_behind_its_back(books: Books) -> None:
    shipment = await books.order()
    account = f"carrier:{books.carrier_id}"
    async with books.p.store.transaction() as tx:
        await books.put(tx, shipment, Stage.WAYBILL, Status.REQUESTING)
        waybill = await tx.add(t.waybill, books.waybill(shipment))
    (fresh,) = await books.facts(shipment)
    request = NewEffect(Op.REQUEST_WAYBILL, account, f"waybill:{shipment}", waybill_id=waybill)
    async with books.p.store.transaction() as tx:
        await apply(tx, [(fresh, Change(effects=(request,)))], "anna")
    (seen,) = await books.facts(shipment)
    decision = closing(seen, Status.DISCARDED)
    assert Op.REQUEST_WAYBILL in decision.withdraw
    async with books.p.store.transaction() as tx:
        fence = await leases.take(tx, account, leases.new_owner(), 60_000)
        assert fence is not None
        assert len(await outbox.claim(tx, account, fence, 10)) == 1
    with pytest.raises(OutOfDate):
        async with books.p.store.transaction() as tx:
            await apply(tx, [(seen, decision)], "anna")
    assert (await run(books.p, "close", [shipment], {}, "anna")).done == [shipment]
    assert (await books.facts(shipment))[0].status is Status.CLOSING


async def test_commands_of_the_same_moment_get_names_of_their_own(p: Pipeline) -> None:
    async def ask() -> str:
        async with p.store.transaction() as tx:
            return (await batches.create(tx, "approve", {}, "anna", "command_line", [])).name

    names = await asyncio.gather(*(ask() for _ in range(12)))
    assert len(set(names)) == 12
