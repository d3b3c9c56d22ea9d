"""What a restored database makes of what its platforms show, and of what it is asked to do again; on both engines."""

from typing import Any

from domain.enums import Flag, Stage, Status
from domain.restored import shipped_since
from pipeline.commands import run
from store import outbox, restored
from store import tables as t
from store.apply import apply
from store.restore import restart
from store.shipments import free_stock
from tests.store.conftest import Books

NOBODY: frozenset[str] = frozenset()


async def waiting(books: Books, state: str = "requesting", **values: Any) -> int:
    """A shipment whose carrier has been asked for a number."""
    shipment = await books.order()
    async with books.p.store.transaction() as tx:
        await books.put(tx, shipment, Stage.WAYBILL, Status.REQUESTING)
        await tx.insert(t.waybill, [books.waybill(shipment, state=state, **values)])
    return shipment


async def shown(books: Books, shipment: int, *numbers: str, known: frozenset[str] = NOBODY) -> Any:
    """What is decided for a shipment whose order the platform calls shipped under these numbers."""
    (f,) = await books.facts(shipment)
    return shipped_since(f, {o.id: numbers for o in f.orders}, known, 77)


async def test_a_number_the_platform_shows_is_that_of_a_request_that_waited(books: Books) -> None:
    change = await shown(books, await waiting(books), "N1")
    (waybill,) = change.waybills.values()
    assert (waybill["state"], waybill["number"]) == ("obtained", "N1")
    assert [s["number"] for s in change.submissions.values()] == ["N1"]
    assert (change.set["stage"], change.set["status"], change.set["deducted"]) == (5, "succeeded", 1)
    assert not change.effects


async def test_a_number_that_another_waybill_holds_or_that_is_not_the_only_one_is_not_taken(books: Books) -> None:
    for numbers, known in ((("N1",), frozenset({"N1"})), (("N1", "N2"), NOBODY), ((), NOBODY)):
        change = await shown(books, await waiting(books), *numbers, known=known)
        assert [w["state"] for w in change.waybills.values()] == ["abandoned"]


async def test_our_own_number_stays_and_another_one_is_flagged(books: Books) -> None:
    shipment = await books.numbered()
    change = await shown(books, shipment, f"N{shipment}", "X")
    assert not change.waybills
    assert not Flag(change.set["flags"]) & Flag.ELSEWHERE
    assert [s["number"] for s in change.submissions.values()] == [f"N{shipment}"]
    change = await shown(books, shipment, "X")
    assert Flag(change.set["flags"]) & Flag.ELSEWHERE
    assert not change.waybills, "a number in use is not voided"
    assert not Flag((await shown(books, shipment)).set["flags"]) & Flag.ELSEWHERE


async def test_a_void_that_was_taken_back_before_it_was_sent_is_not_sent(books: Books) -> None:
    shipment = await waiting(books, "voiding", number="N9")
    change = await shown(books, shipment, "N9")
    assert [w["state"] for w in change.waybills.values()] == ["obtained"]
    assert not (await shown(books, shipment, "N8")).waybills


async def test_only_what_is_open_and_wholly_shipped_is_booked(books: Books) -> None:
    shipment = await books.order()
    (f,) = await books.facts(shipment)
    assert shipped_since(f, {}, NOBODY, 1) is None
    async with books.p.store.transaction() as tx:
        await books.put(tx, shipment, Stage.SHIPPED, Status.OUTSIDE)
    assert await shown(books, shipment, "N1") is None


async def test_goods_are_deducted_once_held_or_not_and_never_below_nothing(books: Books) -> None:
    sku = await books.goods(3)
    for _wanted, left in ((2, 1), (2, 0)):
        shipment = await books.order(sku, pieces=2)
        facts = await books.facts(shipment)
        change = shipped_since(facts[0], {o.id: () for o in facts[0].orders}, NOBODY, 1)
        assert change is not None
        async with books.p.store.transaction() as tx:
            short = await restored.take_goods(tx, facts, await free_stock(tx, facts))
            await apply(tx, [(facts[0], change)], "")
        assert await books.balance(sku) == (left, 0)
        assert bool(short) is (left == 0)


async def restarted(books: Books) -> None:
    await restart(books.p.store)
    async with books.p.store.transaction() as tx:
        await tx.run("DELETE FROM meta WHERE key LIKE 'restored:%'")


async def asked(books: Books, shipment: int) -> dict[str, Any]:
    return (await books.fetch("SELECT * FROM effect WHERE shipment_id = :s ORDER BY id DESC LIMIT 1", s=shipment))[0]


async def ready(books: Books) -> int:
    shipment = await books.order()
    async with books.p.store.transaction() as tx:
        await books.put(tx, shipment, Stage.PROCESSING, Status.READY)
    return shipment


async def test_what_is_asked_for_a_shipment_of_the_backup_is_looked_up_first_and_can_still_be_taken_back(
    books: Books,
) -> None:
    old = await ready(books)
    await restarted(books)
    new = await ready(books)
    for shipment in (old, new):
        report = await run(books.p, "waybill", [shipment], {}, "anna")
        assert not report.refused, report
    assert (await asked(books, old))["state"] == "queued"
    assert [(await asked(books, s))["code"] for s in (old, new)] == ["look_first", ""]
    references = await books.fetch(
        "SELECT reference FROM waybill WHERE shipment_id IN :ids ORDER BY id", ids=[old, new]
    )
    assert references[0]["reference"].split("-")[0] != references[1]["reference"].split("-")[0]
    async with books.p.store.transaction() as tx:
        effects = await outbox.claim(tx, f"carrier:{books.carrier_id}", 1, 10)
    assert {e.shipment_id: e.unknown for e in effects} == {old: True, new: False}


async def test_a_number_that_a_person_gave_up_after_the_restore_is_not_looked_up_for_ever(books: Books) -> None:
    shipment = await ready(books)
    await restarted(books)
    await run(books.p, "waybill", [shipment], {}, "anna")
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE effect SET state = 'parked' WHERE shipment_id = :s", s=shipment)
        await tx.run("UPDATE waybill SET state = 'unknown' WHERE shipment_id = :s", s=shipment)
        await books.put(tx, shipment, Stage.WAYBILL, Status.UNKNOWN)
    report = await run(books.p, "abandon", [shipment], {}, "anna")
    assert not report.refused, report
    async with books.p.store.transaction() as tx:
        await tx.run("UPDATE waybill SET ended_at = ended_at + 1 WHERE shipment_id = :s", s=shipment)
        service = await tx.value("SELECT service_id FROM shipment WHERE id = :s", s=shipment)
    report = await run(books.p, "assign", [shipment], {"service_id": service}, "anna")
    assert not report.refused, report
    assert (await asked(books, shipment))["code"] == ""


async def test_restored_twice_every_shipment_keeps_the_code_it_was_made_under(books: Books) -> None:
    made = []
    for _ in range(3):
        made.append(await ready(books))
        await restarted(books)
    made.append(await ready(books))
    for shipment in made:
        await run(books.p, "waybill", [shipment], {}, "anna")
    rows = await books.fetch("SELECT reference FROM waybill WHERE shipment_id IN :ids ORDER BY shipment_id", ids=made)
    assert len({r["reference"].split("-")[0] for r in rows}) == 4
