"""The acceptance scenarios of the pipeline, told from the operator's chair."""

from domain.enums import Flag
from pipeline.base import Pipeline
from pipeline.checkup import checkup
from pipeline.commands import run
from tests.machines import at_once
from tests.pipeline.conftest import Bench


async def test_scenario_01_a_stale_sync_warns_and_after_a_sync_the_counts_are_equal(sqlite_world: Bench) -> None:
    w = sqlite_world
    before = w.shop.admin("GET", "counts")["orders"]
    assert await w.sync() == ""
    assert not [n for n in (await checkup(w.p))["notes"] if "orders" in n]
    w.shop.admin("POST", "arrive", {"n": 7, "plain": True})
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET ok_at = ok_at - 2 * every_ms - 1000")
    assert [n for n in (await checkup(w.p))["notes"] if f"shop:{w.shop_id} orders" in n]
    assert await w.sync() == ""
    assert not [n for n in (await checkup(w.p))["notes"] if "orders" in n]
    assert await w.value("SELECT count(*) FROM orders") == before + 7
    assert w.shop.admin("GET", "counts")["orders"] == before + 7


async def test_scenario_02_a_missing_customs_name_is_refused_by_name(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("processing")
    await w.accept("assign", shipment, service_id=await w.service("SIM-INT"))
    await w.accept(
        "customs", shipment, name_local="zeszyt", hs_code="482020", origin="PL", unit_weight_g=1, unit_value_minor=1
    )
    report = await w.do("waybill", [shipment])
    assert [(r.code, "name_en" in r.reason) for r in report.refused] == [("customs_missing", True)]
    assert await w.at(shipment) == "processing/open"


async def test_scenario_03_asking_twice_quickly_is_one_request(either_world: Bench) -> None:
    w = either_world
    _o, shipment = await w.take("processing")
    await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))
    reports = [await w.do("waybill", [shipment]) for _twice in range(2)]
    assert [len(r.done) for r in reports] == [1, 0]
    await w.work()
    assert [(a["asked_times"], a["created_times"]) for a in w.asked(shipment)] == [(1, 1)]


async def test_scenario_04_a_refused_request_is_corrected_and_asked_again(sqlite_world: Bench, platform) -> None:
    w = sqlite_world
    platform(edit_address=True)
    _o, shipment = await w.take("waybill", shipping={"address_1": "ul. Bez Numeru", "postcode": "60-101"})
    await w.work()
    shown = await w.shown(shipment)
    assert (shown["status"], shown["message"]) == ("failed", "The address has no house number.")
    await w.accept("address", shipment, line1="ul. Z Numerem 5")
    await w.accept("waybill", shipment)
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"
    assert [(a["status"], a["created_times"]) for a in w.asked(shipment)] == [("refused", 0), ("numbered", 1)]
    assert w.asked(shipment)[1]["recipient"]["line1"] == "ul. Z Numerem 5"


async def test_scenario_05_goods_without_a_product_of_ours_count_as_in_stock(sqlite_world: Bench) -> None:
    w = sqlite_world
    lines = [{"sku": "GHOST", "name": "Ghost", "product_id": 0, "variation_id": 0, "quantity": 1}]
    _o, shipment = await w.take("to_print", line_items=lines)
    assert await w.at(shipment) == "to_print/in_stock"
    assert await w.value("SELECT count(*) FROM allocation") == 0


async def test_scenario_06_one_of_two_in_stock_waits_for_the_second_and_for_the_operator(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(1)
    _o, shipment = await w.take("to_print", skus=[("NB-A5", 2)])
    assert await w.at(shipment) == "to_print/out_of_stock"
    assert await w.refusal("in-stock", shipment) == "short"
    await w.stock(1)
    assert await w.at(shipment) == "to_print/out_of_stock"
    await w.accept("in-stock", shipment)
    assert await w.at(shipment) == "to_print/in_stock"
    assert await w.on_hand() == (2, 2)
    await w.healthy()


async def test_scenario_07_a_number_told_early_is_not_told_again_when_it_ships(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(2)
    await w.setting(move_to_print=False)
    order, shipment = await w.take("to_print")
    await w.accept("push", shipment)
    await w.work()
    assert (await w.at(shipment), await w.on_hand()) == ("waybill/obtained", (2, 0))
    assert w.there(order)["times_completed"] == 0
    await w.accept("to-print", shipment)
    await w.to_stage_from_print(shipment)
    assert (await w.at(shipment), await w.on_hand()) == ("shipped/succeeded", (1, 0))
    there = w.there(order)
    assert there["times_completed"] == 1
    assert len([t for t in there["tracking"] if "note_id" in t]) == 1
    await w.healthy()


async def test_scenario_08_shipping_from_out_of_stock_is_refused(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(0, how="count")
    _o, shipment = await w.take("to_print")
    assert await w.refusal("ship", shipment) == "out_of_stock"


async def test_scenario_09_an_order_refunded_between_print_and_ship_fails_with_the_platforms_words(
    sqlite_world: Bench,
) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(1)
    await w.setting(grace_s=600)
    order, shipment = await w.take("printed")
    await w.as_console("ship", shipment)
    await w.work()
    w.shop.admin("POST", "change", {"order": order, "change": "refund"})
    await w.make_due()
    await w.work()
    shown = await w.shown(shipment)
    assert (shown["stage"], shown["status"], shown["reason"]) == ("shipped", "failed", "order_refunded")
    assert shown["message"] == "The shop says: refunded"
    await w.accept("ignore", shipment)
    shown = await w.shown(shipment)
    assert (shown["status"], shown["reason"]) == ("ignored", "")
    assert "push_refused" in [e["kind"] for e in shown["events"]]
    assert await w.on_hand() == (0, 0)
    await w.healthy()


async def test_scenario_10_shipping_again_after_a_failure_deducts_once(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(3)
    await w.setting(check_before_ship=False)
    order, shipment = await w.take("printed")
    w.shop.admin("POST", "change", {"order": order, "change": "status", "status": "failed"})
    await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/failed"
    w.shop.admin("POST", "change", {"order": order, "change": "reopen"})
    await w.accept("retry", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/succeeded"
    assert await w.on_hand() == (2, 0)
    await w.healthy()


async def test_a_number_told_before_the_shop_refused_to_complete_is_not_told_again(sqlite_world: Bench) -> None:
    """The note is written, then the shop refuses the status: the buyer is not mailed the number a second time."""
    w = sqlite_world
    await w.setting(check_before_ship=False)
    order, shipment = await w.take("printed")
    w.shop.fail_next("http_404", "PUT", f"/orders/{order}")
    await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/failed"
    assert w.there(order)["times_completed"] == 0
    await w.accept("retry", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/succeeded"
    there = w.there(order)
    assert there["times_completed"] == 1
    assert len([t for t in there["tracking"] if "note_id" in t]) == 1


async def test_scenario_11_of_two_machines_shipping_one_parcel_one_wins_and_the_other_is_told_who(
    either_world: Bench,
) -> None:
    w = either_world
    await w.take()
    await w.stock(2)
    await w.setting(check_before_ship=False)
    order, shipment = await w.take("printed")
    seen = {shipment: await w.value("SELECT version FROM shipment WHERE id = :id", id=shipment)}
    other = await Pipeline.open(w.p.store.place)
    try:
        first = await run(w.p, "ship", [shipment], {}, "anna", seen=seen)
        second = await run(other, "ship", [shipment], {}, "boris", seen=seen)
    finally:
        await other.aclose()
    assert first.done == [shipment]
    (told,) = second.refused
    assert told.code == "changed_since"
    assert "anna" in told.reason
    assert "shipped" in told.reason
    await w.work()
    assert w.there(order)["times_completed"] == 1
    assert await w.on_hand() == (1, 0)
    await w.healthy()


async def test_scenario_11_two_machines_at_the_very_same_moment_ship_a_parcel_once(either_world: Bench) -> None:
    w = either_world
    await w.take()
    await w.stock(20)
    await w.setting(check_before_ship=False, ship_without_printing=True)
    shipments = [(await w.take("to_print"))[1] for _each in range(4)]
    other = await Pipeline.open(w.p.store.place)
    try:
        reports = await at_once("ship", [(w.p, shipments), (other, list(reversed(shipments)))])
    finally:
        await other.aclose()
    done = sorted(i for r in reports for i in r.done)
    refused = sorted(x.id for r in reports for x in r.refused)
    assert done == refused == shipments
    assert {x.code for r in reports for x in r.refused} == {"wrong_stage"}
    assert await w.on_hand() == (16, 0)
    await w.healthy()


async def test_scenario_13_of_a_hundred_the_three_that_cannot_stay_with_their_reasons(sqlite_world: Bench) -> None:
    w = sqlite_world
    made = [w.order(**w.plain()) for _each in range(97)]
    made += [w.order(case="pending", customer_note=""), w.order(**w.plain(customer_note="Proszę o paragon"))]
    made.append(w.order(**w.plain()))
    await w.read_all(made)
    ids = [await w.shipment_of(o) for o in made]
    await w.accept("hold", ids[-1], reason="waits for a gift")
    report = await w.do("approve", ids)
    assert (len(report.done), len(report.refused)) == (97, 3)
    assert [r.code for r in report.refused] == ["unpaid", "note_unread", "held"]
    batch = await w.fetch("SELECT done, refused, total, state FROM batch WHERE name = :n", n=report.batch)
    assert batch == [{"done": 97, "refused": 3, "total": 100, "state": "done"}]
    for shipment in ids[-3:]:
        assert (await w.shown(shipment))["stage"] == "review"
    assert await w.value("SELECT count(*) FROM shipment WHERE stage = 2") == 97
    assert await w.flags(ids[98]) & Flag.NOTE_UNREAD
    await w.healthy()
