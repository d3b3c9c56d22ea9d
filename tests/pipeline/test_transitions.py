"""The numbered transitions of the pipeline (T1 to T19), each as an operator and a platform meet it."""

import pytest

from connectors.simulated.launch import Twin
from domain.enums import Flag
from pipeline import setup
from tests.pipeline.conftest import Bench

CUSTOMS = {
    "name_local": "zeszyt",
    "name_en": "notebook",
    "hs_code": "482020",
    "origin": "PL",
    "unit_weight_g": 310,
    "unit_value_minor": 2490,
}

# ------------------------------------------------------------------ T1: from the platform into review


async def test_t01_sync_brings_an_order_into_review_once_however_often_it_is_read(sqlite_world: Bench) -> None:
    """T1: stored and updated idempotently by platform, shop and order."""
    w = sqlite_world
    order, shipment = await w.take()
    for _again in range(2):
        assert await w.sync(full=True) == ""
    assert await w.at(shipment) == "review/open"
    assert await w.value("SELECT count(*) FROM orders WHERE platform_order_id = :o", o=str(order)) == 1
    assert (await w.history(shipment)).count("imported") == 1
    await w.healthy()


@pytest.mark.parametrize(
    ("case", "place"),
    [("completed", "shipped/outside"), ("cancelled", "closed/cancelled"), ("refunded", "closed/refunded")],
)
async def test_t01_what_is_over_on_the_platform_queues_and_moves_nothing(
    sqlite_world: Bench, case: str, place: str
) -> None:
    """T1: shipped or completed → shipped outside; cancelled or refunded → closed."""
    w = sqlite_world
    await w.take()
    await w.stock(5)
    order = w.order(case=case, customer_note="")
    await w.sync()
    shipment = await w.shipment_of(order)
    assert await w.at(shipment) == place
    assert await w.value("SELECT count(*) FROM effect") == 0
    assert await w.on_hand() == (5, 0)
    await w.healthy()


async def test_t01_a_platform_change_reaches_the_order_until_stock_is_deducted(sqlite_world: Bench) -> None:
    """T1 (ROA-06): refund and address reach a parcel to print."""
    w = sqlite_world
    order, shipment = await w.take("to_print", skus=[("NB-A5", 2)])
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    await w.change(order, "partial_refund", quantity=1)
    shown = await w.shown(shipment)
    assert shown["address"]["line1"] == "ul. Inna 9"
    assert shown["lines"][0]["cancelled"] == 1


async def test_t01_after_deduction_lines_and_address_are_frozen_but_status_is_read(sqlite_world: Bench) -> None:
    """T1 (ROA-06): only platform status, after-sale and payment facts are still read."""
    w = sqlite_world
    order, shipment = await w.take("shipped", skus=[("NB-A5", 2)])
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    await w.change(order, "partial_refund", quantity=1)
    await w.change(order, "refund")
    shown = await w.shown(shipment)
    assert shown["address"]["line1"] == "ul. Zeszytowa 5"
    assert shown["lines"][0]["cancelled"] == 0
    assert shown["source_orders"][0]["status"] == "refunded"
    assert await w.flags(shipment) & Flag.CHANGED
    await w.healthy()


# ------------------------------------------------------------------ T2, T18: approve


async def test_t02_approve_moves_a_batch_to_processing_and_says_who(sqlite_world: Bench) -> None:
    """T2: single or batch, with an audit entry."""
    w = sqlite_world
    _o, one = await w.take()
    _o, two = await w.take()
    report = await w.accept("approve", one, two)
    assert report.done == [one, two]
    for shipment in (one, two):
        assert await w.at(shipment) == "processing/open"
        event = (await w.shown(shipment))["events"][-1]
        assert (event["kind"], event["who"], event["batch"]) == ("approved", "anna", report.batch)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"case": "pending"}, "unpaid"),
        ({"case": "bacs_on_hold"}, "order_on_hold"),
        ({"case": "failed"}, "order_failed"),
    ],
)
async def test_t02_approve_needs_an_order_that_can_be_paid(sqlite_world: Bench, order: dict, code: str) -> None:
    """T2: the order is still shippable on the platform."""
    w = sqlite_world
    made = w.order(customer_note="", **order)
    await w.sync()
    assert await w.refusal("approve", await w.shipment_of(made)) == code


async def test_t02_an_order_paid_on_delivery_is_approved_unpaid(sqlite_world: Bench) -> None:
    """T2: pay-on-delivery is payable."""
    w = sqlite_world
    _o, shipment = await w.take(case="cod")
    await w.accept("approve", shipment)


@pytest.mark.parametrize("missing", ["sender_name", "sender_address"])
async def test_t18_a_semi_managed_shop_needs_its_sender_at_approve(sqlite_world: Bench, missing: str) -> None:
    """T18: refused, naming the missing field; otherwise as T2."""
    w = sqlite_world
    sender = {"sender_name": "Ada", "sender_address": "Poznań"}
    await w.setting(semi_managed=True, **{**sender, missing: ""})
    _o, shipment = await w.take()
    report = await w.do("approve", [shipment])
    assert report.refused[0].code == "sender_missing"
    assert missing in report.refused[0].reason
    await w.setting(**sender)
    await w.accept("approve", shipment)


# ------------------------------------------------------------------ T3, T4: service, customs, request


async def test_t03_a_chosen_service_and_a_complete_declaration_make_it_ready(sqlite_world: Bench) -> None:
    """T3: completeness is recomputed with every edit."""
    w = sqlite_world
    _o, shipment = await w.take("processing")
    await w.accept("assign", shipment, service_id=await w.service("SIM-INT"))
    assert await w.at(shipment) == "processing/open"
    await w.accept("customs", shipment, **{**CUSTOMS, "hs_code": ""})
    assert await w.at(shipment) == "processing/open"
    await w.accept("customs", shipment, hs_code="482020")
    assert await w.at(shipment) == "processing/ready"
    await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))
    assert await w.at(shipment) == "processing/ready"


async def test_t03_a_service_of_an_unchecked_carrier_cannot_be_chosen(sqlite_world: Bench) -> None:
    """T3 (P2): the carrier account must have been checked."""
    w = sqlite_world
    _o, shipment = await w.take("processing")
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE carrier SET checked_at = NULL")
    assert await w.refusal("assign", shipment, service_id=await w.service("SIM-STD")) == "carrier_unchecked"


async def test_t04_a_request_without_service_or_customs_is_refused_naming_the_field(sqlite_world: Bench) -> None:
    """T4: otherwise refused naming the missing field, still in processing."""
    w = sqlite_world
    _o, shipment = await w.take("processing")
    assert await w.refusal("waybill", shipment) == "no_service"
    await w.accept("assign", shipment, service_id=await w.service("SIM-INT"))
    await w.accept("customs", shipment, **{**CUSTOMS, "origin": ""})
    report = await w.do("waybill", [shipment])
    assert report.refused[0].code == "customs_missing"
    assert "origin" in report.refused[0].reason
    assert await w.at(shipment) == "processing/open"


async def test_t04_a_request_moves_at_once_and_reaches_the_carrier_once(sqlite_world: Bench) -> None:
    """T4: moves at submission, before the answer; idempotent per package."""
    w = sqlite_world
    _o, shipment = await w.take("waybill")
    assert await w.at(shipment) == "waybill/requesting"
    assert w.asked(shipment) == []
    assert await w.refusal("waybill", shipment) == "has_waybill"
    await w.work()
    assert [a["asked_times"] for a in w.asked(shipment)] == [1]


async def test_t04_the_declaration_travels_with_the_request(sqlite_world: Bench) -> None:
    """T4: order and customs data go to the forwarder."""
    w = sqlite_world
    _o, shipment = await w.take("processing")
    await w.accept("assign", shipment, service_id=await w.service("SIM-INT"))
    await w.accept("customs", shipment, **CUSTOMS)
    await w.accept("waybill", shipment)
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"


# ------------------------------------------------------------------ T5, T6: the carrier answers


async def test_t05_the_number_and_its_label_are_kept(sqlite_world: Bench) -> None:
    """T5: number and label saved."""
    w = sqlite_world
    await w.setting(move_to_print=False)
    _o, shipment = await w.take("waybill")
    await w.work()
    assert await w.at(shipment) == "waybill/obtained"
    assert (await w.shown(shipment))["waybill"] == w.asked(shipment)[0]["number"]
    label = await w.value("SELECT data FROM label_file")
    assert bytes(label).startswith(b"%PDF")


async def test_t05_a_number_that_comes_later_is_waited_for(sqlite_world: Bench) -> None:
    """T5: accepted first, numbered later, asked for once."""
    w = sqlite_world
    _o, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    assert await w.at(shipment) == "waybill/waiting"
    await w.answer(shipment)
    assert await w.at(shipment) == "to_print/in_stock"
    assert [a["created_times"] for a in w.asked(shipment)] == [1]


async def test_t06_a_refusal_is_shown_with_its_words_and_goes_back_to_be_corrected(sqlite_world: Bench) -> None:
    """T6, T6b: reason stored and shown; back to processing."""
    w = sqlite_world
    _o, shipment = await w.take("waybill", shipping={"address_1": "ul. Bez Numeru", "postcode": "60-101"})
    await w.work()
    shown = await w.shown(shipment)
    assert (shown["stage"], shown["status"], shown["reason"]) == ("waybill", "failed", "house_number_missing")
    assert shown["message"] == "The address has no house number."
    await w.accept("back", shipment)
    assert await w.at(shipment) == "processing/ready"


async def test_t06_after_a_lost_answer_the_carrier_is_queried_and_not_asked_again(sqlite_world: Bench) -> None:
    """T6: a timeout is unknown: query before re-applying."""
    w = sqlite_world
    _o, shipment = await w.take("waybill")
    w.carrier.fail_next("cut_after", "POST", "/v1/waybills")
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"
    assert "waybill_unknown" in await w.history(shipment)
    assert [(a["asked_times"], a["created_times"]) for a in w.asked(shipment)] == [(1, 1)]


async def test_t06_what_certainly_never_arrived_is_asked_again_under_the_same_reference(sqlite_world: Bench) -> None:
    """T6: unknown, looked up, not found, asked again."""
    w = sqlite_world
    _o, shipment = await w.take("waybill")
    w.carrier.fail_next("cut_before", "POST", "/v1/waybills")
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"
    assert [a["created_times"] for a in w.asked(shipment)] == [1]


# ------------------------------------------------------------------ T8, T10, T12: stock


@pytest.mark.parametrize(("free", "status"), [(2, "in_stock"), (1, "out_of_stock")])
async def test_t08_waybill_obtained_goes_to_print_in_or_out_of_stock(
    either_world: Bench, free: int, status: str
) -> None:
    """T8: every line allocatable → in stock with stock reserved; otherwise out of stock, nothing reserved."""
    w = either_world
    await w.take()
    await w.stock(free)
    await w.setting(move_to_print=False)
    _o, shipment = await w.take("waybill", skus=[("NB-A5", 2), "PEN-07"])
    await w.work()
    await w.accept("to-print", shipment)
    assert await w.at(shipment) == f"to_print/{status}"
    assert await w.on_hand() == (free, 2 if free == 2 else 0)
    await w.healthy()


async def test_t08_goods_that_are_not_tracked_count_as_in_stock(sqlite_world: Bench) -> None:
    """T8 (P4): without stock management or pairing the package is in stock, and nothing moves."""
    w = sqlite_world
    _o, shipment = await w.take("to_print", skus=["PEN-07"])
    assert await w.at(shipment) == "to_print/in_stock"
    assert await w.value("SELECT count(*) FROM stock_move") == 0


async def test_t08_a_shop_that_keeps_no_stock_with_us_reserves_nothing(sqlite_world: Bench) -> None:
    """T8 (P4): the shop's setting is off."""
    w = sqlite_world
    await w.take()
    await w.stock(0, how="count")
    await w.setting(keeps_stock=False)
    _o, shipment = await w.take("to_print")
    assert await w.at(shipment) == "to_print/in_stock"
    assert await w.on_hand() == (0, 0)


async def test_t08_to_print_needs_an_obtained_number(sqlite_world: Bench) -> None:
    """T8: the guard."""
    w = sqlite_world
    _o, shipment = await w.take("waybill")
    assert await w.refusal("to-print", shipment) == "wrong_status"
    _o, other = await w.take("processing")
    assert await w.refusal("to-print", other) == "wrong_stage"


async def test_t10_move_to_in_stock_needs_every_line_free(sqlite_world: Bench) -> None:
    """T10: partial replenishment leaves it out of stock."""
    w = sqlite_world
    await w.take(skus=["NB-A5", "PEN-07"])
    await w.stock(0, how="count")
    await w.stock(0, "PEN-07", "count")
    _o, shipment = await w.take("to_print", skus=["NB-A5", ("PEN-07", 2)])
    assert await w.at(shipment) == "to_print/out_of_stock"
    await w.stock(3)
    assert await w.refusal("in-stock", shipment) == "short"
    await w.stock(2, "PEN-07")
    await w.accept("in-stock", shipment)
    assert await w.at(shipment) == "to_print/in_stock"
    assert (await w.on_hand(), await w.on_hand("PEN-07")) == ((3, 1), (2, 2))
    await w.healthy()


async def test_t12_shipping_from_out_of_stock_is_refused(sqlite_world: Bench) -> None:
    """T12: forbidden, must pass T10."""
    w = sqlite_world
    await w.take()
    await w.stock(0, how="count")
    _o, shipment = await w.take("to_print")
    assert await w.refusal("print", shipment) == "out_of_stock"
    assert await w.refusal("ship", shipment) == "out_of_stock"


# ------------------------------------------------------------------ T9: push early


@pytest.mark.parametrize("place", ["waybill/obtained", "to_print/in_stock", "to_print/out_of_stock"])
async def test_t09_pushing_early_tells_the_number_and_changes_nothing_else(sqlite_world: Bench, place: str) -> None:
    """T9: stage, stock and printing unchanged; the result recorded; refused a second time."""
    w = sqlite_world
    await w.take()
    await w.stock(0 if place.endswith("out_of_stock") else 3, how="count")
    await w.setting(move_to_print=place != "waybill/obtained")
    order, shipment = await w.take("to_print")
    assert await w.at(shipment) == place
    before = await w.on_hand()
    await w.accept("push", shipment)
    await w.work()
    shown = await w.shown(shipment)
    assert f"{shown['stage']}/{shown['status']}" == place
    assert (await w.on_hand(), shown["printed"]) == (before, "none")
    assert (shown["source_orders"][0]["submission"], shown["source_orders"][0]["told"]) == (
        "tracking_sent",
        shown["waybill"],
    )
    there = w.there(order)
    assert ([t["number"] for t in there["tracking"]], there["times_completed"]) == ([shown["waybill"]], 0)
    assert await w.refusal("push", shipment) == "already_told"
    await w.healthy()


async def test_t09_pushing_early_needs_a_number(sqlite_world: Bench) -> None:
    """T9: the guard."""
    w = sqlite_world
    _o, shipment = await w.take("waybill")
    assert await w.refusal("push", shipment) == "wrong_status"


# ------------------------------------------------------------------ T11, T13 to T17: shipped


async def test_t11_shipping_deducts_once_and_tells_the_platform(either_world: Bench) -> None:
    """T11, T13, T16: in stock → shipped; deducted exactly once; accepted and final status set."""
    w = either_world
    await w.take()
    await w.stock(5)
    order, shipment = await w.take("printed", skus=[("NB-A5", 2)])
    assert await w.on_hand() == (5, 2)
    await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/succeeded"
    assert await w.on_hand() == (3, 0)
    assert w.there(order)["times_completed"] == 1
    assert await w.refusal("ship", shipment) == "wrong_stage"
    assert await w.value("SELECT count(*) FROM stock_move WHERE reason = 'ship'") == 1
    await w.healthy()


async def test_t11_shipping_needs_a_printed_label_unless_the_shop_ships_without(sqlite_world: Bench) -> None:
    """T11: label printed, or the setting."""
    w = sqlite_world
    _o, shipment = await w.take("to_print")
    assert await w.refusal("ship", shipment) == "not_printed"
    await w.setting(ship_without_printing=True)
    await w.accept("ship", shipment)


async def test_t13_the_submission_is_done_when_the_platform_accepts(sqlite_world: Bench) -> None:
    """T13: submission ok, read back on the platform."""
    w = sqlite_world
    _o, shipment = await w.take("shipped")
    assert (await w.shown(shipment))["source_orders"][0]["submission"] == "done"
    assert "pushed" in await w.history(shipment)


@pytest.mark.parametrize(
    ("what", "code"), [("refund", "order_refunded"), ("cancel", "order_cancelled"), ("complete", "already_shipped")]
)
async def test_t14_a_refused_push_leaves_the_parcel_shipped_with_the_reason(
    sqlite_world: Bench, what: str, code: str
) -> None:
    """T14: submission failed with reason; the package stays in shipped, its stock deducted."""
    w = sqlite_world
    await w.take()
    await w.stock(1)
    await w.setting(check_before_ship=False)
    order, shipment = await w.take("printed")
    w.shop.admin("POST", "change", {"order": order, "change": what})
    await w.accept("ship", shipment)
    await w.work()
    shown = await w.shown(shipment)
    assert (shown["stage"], shown["status"], shown["reason"]) == ("shipped", "failed", code)
    assert (shown["source_orders"][0]["submission"], shown["message"] != "") == ("failed", True)
    assert await w.on_hand() == (0, 0)
    await w.healthy()


async def test_t15_ignoring_clears_the_notice_and_keeps_the_history(sqlite_world: Bench) -> None:
    """T15: only the error notice is cleared; reason kept in the log."""
    w = sqlite_world
    await w.setting(check_before_ship=False)
    order, shipment = await w.take("printed")
    w.shop.admin("POST", "change", {"order": order, "change": "refund"})
    await w.accept("ship", shipment)
    await w.work()
    await w.accept("ignore", shipment)
    shown = await w.shown(shipment)
    assert (shown["status"], shown["reason"], shown["message"]) == ("ignored", "", "")
    assert shown["source_orders"][0]["submission_code"] == "order_refunded"
    assert "push_refused" in await w.history(shipment)
    assert await w.refusal("ignore", shipment) == "wrong_status"


async def test_t16_shipping_means_stock_deducted_and_the_final_status_set(sqlite_world: Bench) -> None:
    """T16: ship success is both."""
    w = sqlite_world
    order, shipment = await w.take("shipped")
    assert await w.value("SELECT deducted FROM shipment WHERE id = :id", id=shipment) == 1
    assert w.there(order)["status"] == "completed"


async def test_t17_shipping_again_after_a_failure_does_not_deduct_twice(sqlite_world: Bench) -> None:
    """T17: correct and ship again → T16."""
    w = sqlite_world
    await w.take()
    await w.stock(1)
    await w.setting(check_before_ship=False)
    order, shipment = await w.take("printed")
    w.shop.admin("POST", "change", {"order": order, "change": "cancel"})
    await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/failed"
    w.shop.admin("POST", "change", {"order": order, "change": "reopen"})
    await w.accept("retry", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/succeeded"
    assert await w.on_hand() == (0, 0)
    assert w.there(order)["times_completed"] == 1
    assert await w.refusal("retry", shipment) == "wrong_status"
    await w.healthy()


async def test_t17_an_unknown_push_is_read_back_and_not_sent_twice(sqlite_world: Bench, shop_twin: Twin) -> None:
    """T17: an exception while shipping: the platform had acted all the same."""
    w = sqlite_world
    order, shipment = await w.take("printed")
    shop_twin.fail_next("cut_after", "PUT", f"/orders/{order}")
    await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/succeeded"
    there = w.there(order)
    assert there["times_completed"] == 1
    assert len([t for t in there["tracking"] if "note_id" in t]) == 1


# ------------------------------------------------------------------ T19: unbound


async def test_t19_an_unbound_shop_freezes_its_orders_and_keeps_its_products(sqlite_world: Bench) -> None:
    """T19: sync stops, orders frozen, products kept; queued effects stop with `shop_unbound`."""
    w = sqlite_world
    _o, reviewed = await w.take()
    _o, asked = await w.take("waybill")
    _o, printed = await w.take("printed")
    products = await w.value("SELECT count(*) FROM listing")
    # Several parcels were worked on meanwhile: this one has a request that was never sent.
    _o, queued = await w.take("waybill")
    assert await setup.unbind_shop(w.p, w.shop_id, "anna") == 1
    for command, shipment in (("approve", reviewed), ("ship", printed), ("close", asked), ("hold", printed)):
        assert await w.refusal(command, shipment) == "shop_unbound"
    shown = await w.shown(queued)
    assert (shown["stage"], shown["status"], shown["reason"]) == ("waybill", "failed", "shop_unbound")
    assert await w.effects(queued, "request_waybill") == ["withdrawn"]
    await w.work()
    assert w.asked(queued) == []
    assert await w.value("SELECT count(*) FROM listing") == products > 0
    assert await w.value("SELECT count(*) FROM sync_task WHERE enabled = 1") == 0
    await w.healthy()


async def test_t19_undo_does_not_touch_a_frozen_order(sqlite_world: Bench) -> None:
    """T19: every operation is refused, taking back included."""
    w = sqlite_world
    _o, shipment = await w.take()
    batch = await w.accept("approve", shipment)
    await setup.unbind_shop(w.p, w.shop_id, "anna")
    assert await w.undo_refusal(shipment, batch.batch) == "shop_unbound"
