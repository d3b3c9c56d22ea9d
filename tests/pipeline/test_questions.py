"""What the pipeline, the command line and the demo ask the store has the same answer on both engines."""

from domain.enums import Op, PrintState
from store import batches, books, counters, doctor, leases, outbox, overview, papers, parcels, submissions, views
from store.shipments import existing, last_event
from tests.pipeline.conftest import Bench


async def test_a_shipment_is_described_alike_on_both_engines(either_world: Bench) -> None:
    world = either_world
    order, shipment = await world.take("to_print", skus=[("NB-A5", 2)])
    shown = await world.shown(shipment)
    ((line, sku),) = await views.lines_of(world.p.store, shipment)
    assert sku == "NB-A5"
    (order_id,) = await views.orders_numbered(world.p.store, str(order))
    assert not await views.under_way(world.p.store, [shipment], "B0000-00")
    assert await views.gone_wrong(world.p.store, [shipment]) == []
    async with world.p.store.reading() as tx:
        assert await existing(tx, [shipment, 10_000_000]) == {shipment}
        last = await last_event(tx, shipment)
        assert last is not None
        assert last.kind == shown["events"][-1]["kind"]
        told = await submissions.submittable(tx, shipment, order_id)
        assert told is not None
        assert told.tracking is not None
        assert (told.tracking.number, told.last, told.told) == (shown["waybill"], False, "")
        assert [quantity for _line, quantity in told.lines] == [2]
        assert await submissions.platform_orders(tx, [shipment]) == {shipment: [str(order)]}
        assert list(await papers.labels(tx, [shipment])) == [shipment]
        slip = await papers.slip(tx, shipment)
        assert (slip.buyer, [(x.sku, x.quantity) for x in slip.lines]) == ("Ada Nowak", [("NB-A5", 2)])
        (waybill,) = await world.fetch("SELECT id FROM waybill WHERE shipment_id = :s", s=shipment)
        assert await parcels.parcel_of(tx, waybill["id"]) is None, "nobody waits for a number that has come"
        assert await parcels.to_void(tx, [waybill["id"]]) == {}
        assert await parcels.request_behind(tx, shipment, 0) is None
    assert line


async def test_a_waybill_that_is_wanted_has_a_parcel(either_world: Bench) -> None:
    world = either_world
    _order, shipment = await world.take("processing", skus=[("NB-A5", 3)])
    await world.accept("assign", shipment, service_id=(await books.service_ids(world.p.store))["SIM-STD"])
    await world.accept("waybill", shipment)
    (waybill,) = await world.fetch("SELECT id, reference FROM waybill WHERE shipment_id = :s", s=shipment)
    async with world.p.store.reading() as tx:
        parcel = await parcels.parcel_of(tx, waybill["id"])
    assert parcel is not None
    assert (parcel.reference, parcel.service_code) == (waybill["reference"], "SIM-STD")
    assert [(x.sku, x.quantity, x.customs) for x in parcel.pieces] == [("NB-A5", 3, None)]
    assert (parcel.recipient.city, parcel.cod_minor) == ("Poznań", 0)
    assert await books.busy(world.p.store, (Op.REQUEST_WAYBILL,))
    assert not await books.busy(world.p.store, (Op.PUSH, Op.CHECK))


async def test_a_row_of_a_batch_is_corrected_once_the_platform_was_read(either_world: Bench) -> None:
    world = either_world
    _order, shipment = await world.take()
    report = await world.accept("approve", shipment)
    async with world.p.store.transaction() as tx:
        batch = await batches.by_name(tx, report.batch)
        assert batch is not None
        refused = batches.ItemResult(0, "refused", "order_gone", "It is gone.", 9)
        await batches.correct(tx, batch.id, shipment, refused)
        await batches.correct(tx, batch.id, 10_000_000, refused)
        after = await batches.get(tx, batch.id)
        assert after is not None
        assert (after.done, after.refused) == (0, 1)
        row = (await batches.items_of(tx, batch.id, [shipment]))[shipment]
        assert (row.outcome, row.code, row.version) == ("refused", "order_gone", 9)
        assert (await outbox.sent_by(tx, batch.id)).printed is False


async def test_the_books_and_the_doctor_count_alike(either_world: Bench) -> None:
    world = either_world
    _order, shipment = await world.take(skus=[("NB-A5", 2)])
    await world.accept("approve", shipment)
    async with world.p.store.transaction() as tx:
        await counters.fold_counters(tx)
        await leases.forget_workers(tx, 60_000)
        await papers.set_print_state(tx, [shipment], PrintState.SENT)
        found = await books.figures(tx)
        assert found.stages["processing"] == 1
        assert (found.shipped, found.pushed, found.labels, found.stock_deducted) == (0, 0, 0, 0)
        assert {t.state for t in await books.told_orders(tx)} == {"none"}
        assert await books.held_numbers(tx, "simulated") == []
        assert not await outbox.falls_due_within(tx, 1_000)
        assert await doctor.examine(tx) == []
    waits = await doctor.standing(world.p.store, world.p.clock(), 15 * 60_000)
    assert (list(waits.stuck), waits.parked, list(waits.paused)) == ([], 0, [])
    assert waits.workers == 0
    assert [s for s, _line in await books.splittable(world.p.store, 5)] == [shipment]
    assert await books.imported(world.p.store)
    assert not await books.synced_since(world.p.store, world.p.clock())
    assert await books.unique_skus(world.p.store)
    assert (await views.counts(world.p.store))["processing"] != {}


async def test_late_is_what_was_not_read_for_twice_its_interval_wherever_it_is_told(sqlite_world: Bench) -> None:
    world, account = sqlite_world, f"shop:{sqlite_world.shop_id}"
    async with world.p.store.transaction() as tx:
        await tx.do("UPDATE sync_task SET ok_at = NULL")
        await tx.do("UPDATE shop SET connected_at = :now", now=tx.now)
        await leases.beat(tx, "desk|1|a", tx.now, "1", kind="terminal")

        # A worker that died by a clock which was put back since: its last beat lies ahead.
        await leases.beat(tx, "desk|2|b", tx.now, "1")
        await tx.do("UPDATE worker SET beat_at = beat_at + 28800000 WHERE kind = 'worker'")
    head = await overview.overview(world.p.store, world.p.clock())
    assert (head.workers, head.worker_at) == (0, None), "a beat of the future is no life"

    async def told(at: int) -> tuple[set[tuple[str, str]], bool]:
        waits = await doctor.standing(world.p.store, at, 15 * 60_000)
        (state,) = await overview.shop_states(world.p.store, at)
        assert waits.workers == 0, "a console is no worker"
        return {(row["account"], row["kind"]) for row in waits.late}, state.late

    at = world.p.clock()
    every = {t["kind"]: t["every_ms"] for t in await world.fetch("SELECT kind, every_ms FROM sync_task")}
    assert await told(at) == (set(), False), "what was set up a moment ago is not late"
    late, shown = await told(at + 2 * every["orders"] + 60_000)
    assert (account, "orders") in late
    assert shown
    late, _shown = await told(at + 9 * max(every.values()))
    assert (account, "reconcile") not in late
