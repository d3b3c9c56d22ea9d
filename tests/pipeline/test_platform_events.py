"""What the platform does while we work: every event at every stage, and inside a merged box."""

from typing import Any

import pytest

from domain.capabilities import Service
from domain.enums import Flag
from store.database import as_json
from tests.pipeline.conftest import Bench

EARLY = ["review", "processing"]
AFTER_NUMBER = ["waybill/obtained", "to_print/in_stock", "to_print/out_of_stock"]


async def take_with_number(w: Bench, place: str, **order: Any) -> tuple[int, int]:
    """A fresh shipment whose number is there: obtained, to print in stock, or out of stock."""
    await w.take()
    await w.stock(0 if place.endswith("out_of_stock") else 5, how="count")
    await w.setting(move_to_print=place != "waybill/obtained")
    made, shipment = await w.take("to_print", **order)
    assert await w.at(shipment) == place
    return made, shipment


# ------------------------------------------------------------------ cancelled whole


@pytest.mark.parametrize("stage", EARLY)
async def test_cancelled_before_a_number_was_asked_for_closes(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    order, shipment = await w.take(stage)
    await w.change(order, "cancel")
    assert await w.at(shipment) == "closed/cancelled"
    assert await w.value("SELECT count(*) FROM effect") == 0
    await w.healthy()


@pytest.mark.parametrize("stage", [*EARLY, "to_print"])
async def test_cancelled_only_blocks_where_the_shop_says_so(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    await w.setting(close_on_cancel=False)
    order, shipment = await w.take(stage)
    await w.change(order, "cancel")
    assert (await w.shown(shipment))["stage"] == stage
    assert await w.flags(shipment) & Flag.STOPPED
    command = {"review": "approve", "processing": "waybill", "to_print": "print"}[stage]
    if stage == "processing":
        await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))
    assert await w.refusal(command, shipment) == "order_cancelled"
    await w.change(order, "reopen")
    assert not await w.flags(shipment) & Flag.STOPPED
    await w.accept(command, shipment)


async def test_cancelled_before_the_request_was_sent_closes_and_asks_nobody(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill")
    await w.change(order, "cancel")
    assert await w.at(shipment) == "closed/cancelled"
    await w.work()
    assert (w.asked(shipment), await w.waybills(shipment)) == ([], ["void"])
    await w.healthy()


async def test_cancelled_while_the_carrier_is_asked_waits_for_the_number_and_voids_it(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.change(order, "cancel")
    assert await w.at(shipment) == "waybill/closing"
    await w.answer(shipment)
    assert await w.at(shipment) == "closed/cancelled"
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    assert await w.waybills(shipment) == ["void"]
    await w.healthy()


async def test_cancelled_while_the_carrier_is_asked_closes_when_the_carrier_refuses(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.change(order, "cancel")
    w.carrier.admin("POST", "reject", {"references": [w.asked(shipment)[0]["reference"]]})
    await w.make_due()
    await w.work()
    assert await w.at(shipment) == "closed/cancelled"
    await w.healthy()


async def test_cancelled_while_held_still_gets_its_number_voided(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.accept("hold", shipment, reason="buyer asked")
    await w.change(order, "cancel")
    await w.answer(shipment)
    assert await w.at(shipment) == "closed/cancelled"
    assert [a["voided"] for a in w.asked(shipment)] == [True]


@pytest.mark.parametrize("place", AFTER_NUMBER)
async def test_cancelled_with_a_number_closes_voids_and_releases(sqlite_world: Bench, place: str) -> None:
    w = sqlite_world
    order, shipment = await take_with_number(w, place)
    await w.change(order, "cancel")
    assert await w.at(shipment) == "closed/cancelled"
    assert not await w.flags(shipment) & Flag.PULL
    assert (await w.on_hand())[1] == 0
    await w.work()
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    await w.healthy()


async def test_cancelled_after_printing_asks_to_pull_the_parcel(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("printed")
    await w.change(order, "cancel")
    assert await w.at(shipment) == "closed/cancelled"
    assert await w.flags(shipment) & Flag.PULL


@pytest.mark.parametrize(("what", "status"), [("cancel", "cancelled"), ("refund", "refunded")])
async def test_cancelled_as_the_live_check_reads_it_closes(sqlite_world: Bench, what: str, status: str) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(1)
    order, shipment = await w.take("printed")
    w.shop.admin("POST", "change", {"order": order, "change": what})
    report = await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == f"closed/{status}"
    assert await w.flags(shipment) & Flag.PULL
    row = await w.fetch("SELECT outcome, code FROM batch_item WHERE shipment_id = :s ORDER BY batch_id", s=shipment)
    assert (row[-1]["outcome"], row[-1]["code"]) == ("refused", f"order_{status}"), report.batch
    assert await w.on_hand() == (1, 0)
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    await w.healthy()


async def test_cancelled_after_shipping_is_flagged_and_can_be_recalled_before_the_push(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(1)
    await w.setting(grace_s=600)
    order, shipment = await w.take("printed")
    await w.as_console("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/pushing"
    await w.change(order, "cancel")
    assert await w.at(shipment) == "shipped/pushing"
    assert await w.flags(shipment) & Flag.STOPPED
    assert "stopped_after_shipping" in await w.history(shipment)
    await w.accept("recall", shipment, to="close")
    assert await w.at(shipment) == "closed/discarded"
    assert await w.on_hand() == (1, 0)
    assert await w.effects(shipment, "push") == ["withdrawn"]
    assert w.there(order)["times_completed"] == 0
    await w.healthy()


# ------------------------------------------------------------------ line cancelled or refunded


@pytest.mark.parametrize("stage", EARLY)
async def test_a_refunded_piece_lowers_the_quantity(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    order, shipment = await w.take(stage, skus=[("NB-A5", 3), "PEN-07"])
    await w.change(order, "partial_refund", quantity=1)
    assert await w.pieces(shipment) == {"NB-A5": 2, "PEN-07": 1}
    await w.change(order, "partial_refund", quantity=2)
    assert await w.pieces(shipment) == {"PEN-07": 1}
    assert (await w.shown(shipment))["stage"] == stage
    await w.healthy()


@pytest.mark.parametrize("stage", EARLY)
async def test_a_shipment_without_any_line_left_closes(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    order, shipment = await w.take(stage)
    await w.change(order, "partial_refund", quantity=1)
    assert await w.at(shipment) == "closed/empty"
    await w.healthy()


async def test_a_piece_refunded_while_the_carrier_is_asked_is_flagged_after_the_answer(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill", service="SIM-NEVER", skus=[("NB-A5", 2)])
    await w.work()
    await w.change(order, "partial_refund", quantity=1)
    await w.answer(shipment)
    assert await w.at(shipment) == "to_print/in_stock"
    assert await w.flags(shipment) & Flag.LINES_CHANGED
    assert await w.refusal("print", shipment) == "lines_changed"


@pytest.mark.parametrize("place", AFTER_NUMBER)
async def test_a_refunded_piece_blocks_until_the_parcel_is_labelled_again(sqlite_world: Bench, place: str) -> None:
    w = sqlite_world
    order, shipment = await take_with_number(w, place, skus=[("NB-A5", 3)])
    await w.change(order, "partial_refund", quantity=1)
    assert await w.at(shipment) == place
    assert await w.flags(shipment) & Flag.LINES_CHANGED
    assert await w.refusal("push", shipment) == "lines_changed"
    if place.startswith("to_print"):
        assert await w.refusal("print", shipment) in {"lines_changed", "out_of_stock"}
        assert await w.refusal("ship", shipment) in {"lines_changed", "out_of_stock"}
    await w.accept("waybill", shipment)
    await w.work()
    assert await w.at(shipment) == place
    assert [(a["voided"], a["created_times"]) for a in w.asked(shipment)] == [(True, 1), (False, 1)]
    assert await w.pieces(shipment) == {"NB-A5": 2}
    assert not await w.flags(shipment) & Flag.LINES_CHANGED
    assert (await w.on_hand())[1] == (2 if place == "to_print/in_stock" else 0)
    await w.healthy()


@pytest.mark.parametrize("place", AFTER_NUMBER)
async def test_a_refunded_piece_may_ship_under_the_label_it_has(sqlite_world: Bench, place: str) -> None:
    w = sqlite_world
    order, shipment = await take_with_number(w, place, skus=[("NB-A5", 3)])
    await w.change(order, "partial_refund", quantity=1)
    await w.accept("keep", shipment)
    assert await w.at(shipment) == place
    assert await w.pieces(shipment) == {"NB-A5": 2}
    assert (await w.on_hand())[1] == (2 if place == "to_print/in_stock" else 0)
    assert await w.refusal("keep", shipment) == "nothing_changed"
    await w.change(order, "address", address={"phone": "+48 600 100 201"})
    assert not await w.flags(shipment) & Flag.LINES_CHANGED
    await w.healthy()


async def test_a_piece_refunded_after_shipping_is_an_event_and_a_flag(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("shipped", skus=[("NB-A5", 2)])
    await w.change(order, "partial_refund", quantity=1)
    assert await w.at(shipment) == "shipped/succeeded"
    assert await w.flags(shipment) & Flag.CHANGED
    assert "changed_after_shipping" in await w.history(shipment)
    assert await w.pieces(shipment) == {"NB-A5": 2}
    await w.healthy()


# ------------------------------------------------------------------ after-sale opened, withdrawn


@pytest.mark.parametrize(("stage", "command"), [("review", "approve"), ("processing", "waybill")])
async def test_an_after_sale_case_blocks_and_unblocks_early_work(sqlite_world: Bench, stage: str, command: str) -> None:
    w = sqlite_world
    order, shipment = await w.take(stage)
    if stage == "processing":
        await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))
    await w.platform_says(order, after_sale=True)
    assert await w.refusal(command, shipment) == "after_sale"
    await w.platform_says(order)
    await w.accept(command, shipment)
    kinds = await w.history(shipment)
    assert kinds.index("after_sale_opened") < kinds.index("after_sale_withdrawn")


async def test_an_after_sale_case_holds_a_request_back_and_lets_it_go_on(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill")
    await w.platform_says(order, after_sale=True)
    await w.hold_still()
    assert (await w.at(shipment), w.asked(shipment)) == ("waybill/requesting", [])
    await w.platform_says(order)
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"


@pytest.mark.parametrize("place", AFTER_NUMBER)
async def test_an_after_sale_case_blocks_printing_pushing_and_shipping(sqlite_world: Bench, place: str) -> None:
    w = sqlite_world
    order, shipment = await take_with_number(w, place)
    await w.platform_says(order, after_sale=True)
    assert await w.refusal("push", shipment) == "after_sale"
    if place == "to_print/in_stock":
        assert await w.refusal("print", shipment) == "after_sale"
        assert await w.refusal("ship", shipment) == "after_sale"
    await w.platform_says(order)
    assert not await w.flags(shipment) & Flag.AFTER_SALE
    await w.accept("push", shipment)


async def test_where_shipping_closes_the_refund_it_asks_once(sqlite_world: Bench, platform: Any) -> None:
    w = sqlite_world
    platform(ship_closes_refund=True)
    await w.setting(check_before_ship=False)
    order, shipment = await w.take("printed")
    await w.platform_says(order, after_sale=True)
    assert await w.refusal("ship", shipment) == "asks_close_refund"
    await w.accept("ship", shipment, close_refunds=True)
    assert (await w.shown(shipment))["stage"] == "shipped"


async def test_an_after_sale_case_after_shipping_is_an_event_and_a_flag(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("shipped")
    await w.platform_says(order, after_sale=True)
    assert await w.at(shipment) == "shipped/succeeded"
    assert await w.flags(shipment) & Flag.AFTER_SALE
    await w.platform_says(order)
    assert not await w.flags(shipment) & Flag.AFTER_SALE
    assert {"after_sale_opened", "after_sale_withdrawn"} <= set(await w.history(shipment))


# ------------------------------------------------------------------ address changed


@pytest.mark.parametrize("stage", EARLY)
async def test_a_changed_address_is_taken_over_early(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    order, shipment = await w.take(stage)
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    assert (await w.shown(shipment))["address"]["line1"] == "ul. Inna 9"
    assert "address_taken_over" in await w.history(shipment)
    assert not await w.flags(shipment) & Flag.CHANGED


async def test_an_address_the_service_cannot_serve_takes_the_readiness_away(sqlite_world: Bench) -> None:
    w = sqlite_world
    domestic = Service("SIM-STD", "Standard", countries=frozenset({"PL"}))
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE service SET data = :d WHERE code = 'SIM-STD'", d=as_json(domestic))
    order, shipment = await w.take("processing")
    await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))
    assert await w.at(shipment) == "processing/ready"
    await w.change(order, "address", address={"country": "DE"})
    assert await w.at(shipment) == "processing/open"
    assert await w.refusal("waybill", shipment) == "country_not_served"


@pytest.mark.parametrize("stage", EARLY)
async def test_an_operators_own_address_wins_and_is_flagged(sqlite_world: Bench, platform: Any, stage: str) -> None:
    w = sqlite_world
    platform(edit_address=True)
    order, shipment = await w.take(stage)
    await w.accept("address", shipment, line1="ul. Nasza 1")
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    assert (await w.shown(shipment))["address"]["line1"] == "ul. Nasza 1"
    assert await w.flags(shipment) & Flag.CHANGED
    kept = await w.value(
        "SELECT a.line1 FROM orders o JOIN address a ON a.id = o.address_id WHERE o.platform_order_id = :o",
        o=str(order),
    )
    assert kept == "ul. Inna 9"


async def test_an_address_changed_while_the_carrier_is_asked_makes_the_label_stale(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    await w.answer(shipment)
    assert await w.flags(shipment) & Flag.LABEL_STALE
    assert await w.refusal("print", shipment) == "label_stale"


@pytest.mark.parametrize("place", AFTER_NUMBER)
async def test_a_stale_label_is_voided_and_asked_for_again_in_that_order(sqlite_world: Bench, place: str) -> None:
    w = sqlite_world
    order, shipment = await take_with_number(w, place)
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    assert await w.refusal("push", shipment) == "label_stale"
    await w.accept("waybill", shipment)
    assert await w.at(shipment) == "waybill/requesting"
    await w.work()
    assert await w.at(shipment) == place
    old, new = w.asked(shipment)
    assert (old["voided"], old["recipient"]["line1"]) == (True, "ul. Zeszytowa 5")
    assert (new["voided"], new["recipient"]["line1"]) == (False, "ul. Inna 9")
    assert await w.waybills(shipment) == ["void", "obtained"]
    assert not await w.flags(shipment) & Flag.LABEL_STALE
    await w.healthy()


async def test_a_label_whose_address_came_back_is_good_again(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("to_print")
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    await w.change(order, "address", address={"address_1": "ul. Zeszytowa 5"})
    assert not await w.flags(shipment) & Flag.LABEL_STALE
    await w.accept("print", shipment)


async def test_an_address_changed_after_shipping_is_an_event_and_a_flag(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("shipped")
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    assert await w.at(shipment) == "shipped/succeeded"
    assert await w.flags(shipment) & Flag.CHANGED
    assert "changed_after_shipping" in await w.history(shipment)


# ------------------------------------------------------------------ shipped elsewhere


@pytest.mark.parametrize("stage", EARLY)
async def test_shipped_elsewhere_is_booked_without_stock_or_push(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(1)
    order, shipment = await w.take(stage)
    await w.change(order, "complete")
    assert await w.at(shipment) == "shipped/elsewhere"
    assert await w.on_hand() == (1, 0)
    assert await w.effects(shipment, "push") == []
    assert not await w.flags(shipment) & Flag.STOPPED
    await w.healthy()


async def test_shipped_elsewhere_while_the_carrier_is_asked_voids_the_number(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.change(order, "complete")
    assert await w.at(shipment) == "waybill/closing"
    await w.answer(shipment)
    assert await w.at(shipment) == "shipped/elsewhere"
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    await w.healthy()


async def test_shipped_elsewhere_before_the_request_was_sent_asks_nobody(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill")
    await w.change(order, "complete")
    assert await w.at(shipment) == "shipped/elsewhere"
    await w.work()
    assert w.asked(shipment) == []


@pytest.mark.parametrize("place", AFTER_NUMBER)
async def test_shipped_elsewhere_with_a_number_voids_it(sqlite_world: Bench, place: str) -> None:
    w = sqlite_world
    order, shipment = await take_with_number(w, place)
    before = (await w.on_hand())[0]
    await w.change(order, "complete")
    assert await w.at(shipment) == "shipped/elsewhere"
    await w.work()
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    assert await w.on_hand() == (before, 0)
    await w.healthy()


async def test_shipped_elsewhere_as_the_live_check_reads_it_is_not_shipped_again(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(1)
    order, shipment = await w.take("printed")
    w.shop.admin("POST", "change", {"order": order, "change": "complete"})
    await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/elsewhere"
    assert await w.on_hand() == (1, 0)
    row = await w.fetch("SELECT outcome, code FROM batch_item WHERE shipment_id = :s ORDER BY batch_id", s=shipment)
    assert (row[-1]["outcome"], row[-1]["code"]) == ("refused", "shipped_elsewhere")
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    await w.healthy()


async def test_our_own_early_push_is_not_taken_for_somebody_elses(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("printed")
    await w.accept("push", shipment)
    await w.work()
    await w.change(order, "complete")
    assert await w.at(shipment) == "to_print/in_stock"
    await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/succeeded"


async def test_completed_after_shipping_is_what_we_told_it(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("shipped")
    await w.read(order)
    assert await w.at(shipment) == "shipped/succeeded"
    assert not await w.flags(shipment) & (Flag.CHANGED | Flag.STOPPED)


# ------------------------------------------------------------------ reopened, quantity raised


async def test_a_raised_quantity_grows_an_untouched_review_shipment(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take()
    await w.change(order, "quantity", quantity=3)
    assert await w.pieces(shipment) == {"NB-A5": 3}
    assert await w.shipments(order) == [shipment]
    await w.healthy()


@pytest.mark.parametrize("stage", ["processing", "waybill", "to_print", "printed"])
async def test_a_raised_quantity_gets_a_review_shipment_of_its_own(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    order, shipment = await w.take(stage)
    before = await w.at(shipment)
    await w.change(order, "quantity", quantity=3)
    await w.change(order, "add_line", sku="PEN-07", quantity=2)
    assert await w.at(shipment) == before
    assert await w.pieces(shipment) == {"NB-A5": 1}
    _old, fresh = await w.shipments(order)
    assert await w.at(fresh) == "review/open"
    assert await w.pieces(fresh) == {"NB-A5": 2, "PEN-07": 2}
    assert not await w.flags(shipment) & Flag.LINES_CHANGED
    await w.healthy()


async def test_a_quantity_raised_after_shipping_is_an_event_and_a_flag(sqlite_world: Bench) -> None:
    """Lines are frozen once stock is deducted (ROA-06): a person decides."""
    w = sqlite_world
    order, shipment = await w.take("shipped")
    await w.change(order, "quantity", quantity=3)
    assert await w.flags(shipment) & Flag.CHANGED
    assert "changed_after_shipping" in await w.history(shipment)
    await w.healthy()


@pytest.mark.parametrize("stage", ["review", "processing", "waybill", "to_print"])
async def test_a_reopened_order_gets_a_new_review_shipment(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    order, shipment = await w.take(stage, skus=[("NB-A5", 2)])
    await w.change(order, "cancel")
    await w.change(order, "reopen")
    old, fresh = await w.shipments(order)
    assert (old, await w.at(old)) == (shipment, "closed/cancelled")
    assert (await w.at(fresh), await w.pieces(fresh)) == ("review/open", {"NB-A5": 2})
    await w.to_stage(fresh, "shipped")
    assert await w.at(fresh) == "shipped/succeeded"
    await w.healthy()


async def test_an_order_reopened_before_the_number_came_goes_on_with_it(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.change(order, "cancel")
    assert await w.at(shipment) == "waybill/closing"
    await w.change(order, "reopen")
    assert await w.at(shipment) == "waybill/waiting"
    await w.answer(shipment)
    assert await w.at(shipment) == "to_print/in_stock"
    assert await w.shipments(order) == [shipment]
    assert not await w.flags(shipment) & Flag.STOPPED
    await w.healthy()


async def test_an_order_reopened_after_shipping_loses_its_flag(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("shipped")
    await w.change(order, "cancel")
    assert await w.flags(shipment) & Flag.STOPPED
    await w.change(order, "reopen")
    assert not await w.flags(shipment) & Flag.STOPPED
    assert await w.shipments(order) == [shipment]


# ------------------------------------------------------------------ inside a merged box


@pytest.mark.parametrize(("stage", "command"), [("review", "approve"), ("processing", "waybill")])
@pytest.mark.parametrize("which", [0, 1])
async def test_one_cancelled_order_blocks_a_box_until_it_is_taken_out(
    sqlite_world: Bench, stage: str, command: str, which: int
) -> None:
    w = sqlite_world
    orders, box = await w.box(stage)
    if stage == "processing":
        await w.accept("assign", box, service_id=await w.service("SIM-STD"))
    await w.change(orders[which], "cancel")
    assert (await w.shown(box))["stage"] == stage
    assert await w.refusal(command, box) == "order_cancelled"
    await w.accept("take-out", box, order_id=await w.id_of(orders[which]))
    assert await w.pieces(box) == ({"NB-A5": 1} if which else {"PEN-07": 1})
    assert not await w.flags(box) & (Flag.STOPPED | Flag.MERGED)
    await w.accept(command, box)
    assert await w.at(await w.shipment_of(orders[which])) == "closed/cancelled"
    await w.healthy()


async def test_one_cancelled_order_in_a_box_blocks_it_after_the_answer(sqlite_world: Bench) -> None:
    w = sqlite_world
    orders, box = await w.box("processing")
    await w.accept("assign", box, service_id=await w.service("SIM-NEVER"))
    await w.accept("waybill", box)
    await w.work()
    await w.change(orders[1], "cancel")
    assert await w.at(box) == "waybill/waiting"
    await w.answer(box)
    assert await w.at(box) == "to_print/in_stock"
    assert await w.refusal("print", box) == "order_cancelled"


async def test_a_box_is_labelled_again_once_the_cancelled_order_is_out(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(3)
    orders, box = await w.box("printed")
    await w.change(orders[0], "cancel")
    assert await w.at(box) == "to_print/in_stock"
    assert await w.refusal("ship", box) == "order_cancelled"
    await w.accept("take-out", box, order_id=await w.id_of(orders[0]))
    assert await w.refusal("ship", box) == "lines_changed"
    await w.accept("waybill", box)
    await w.work()
    assert [a["voided"] for a in w.asked(box)] == [True, False]
    assert await w.on_hand() == (3, 0)
    await w.accept("print", box)
    await w.work()
    await w.accept("ship", box)
    await w.work()
    assert await w.at(box) == "shipped/succeeded"
    assert [w.there(o)["times_completed"] for o in orders] == [0, 1]
    await w.healthy()


async def test_a_cancelled_order_in_a_shipped_box_fails_alone(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(check_before_ship=False)
    orders, box = await w.box("printed")
    w.shop.admin("POST", "change", {"order": orders[0], "change": "cancel"})
    await w.accept("ship", box)
    await w.work()
    shown = await w.shown(box)
    assert [o["submission"] for o in shown["source_orders"]] == ["failed", "done"]
    assert (shown["status"], shown["reason"]) == ("failed", "order_cancelled")
    w.shop.admin("POST", "change", {"order": orders[0], "change": "reopen"})
    await w.accept("retry", box)
    await w.work()
    assert await w.at(box) == "shipped/succeeded"
    assert [w.there(o)["times_completed"] for o in orders] == [1, 1]
    await w.healthy()


async def test_a_box_closes_when_all_its_orders_are_cancelled(sqlite_world: Bench) -> None:
    w = sqlite_world
    orders, box = await w.box("to_print")
    for order in orders:
        await w.change(order, "cancel")
    assert await w.at(box) == "closed/cancelled"


@pytest.mark.parametrize(("stage", "command"), [("review", "approve"), ("processing", "waybill")])
async def test_an_after_sale_case_of_one_order_blocks_the_box_and_goes_out_with_it(
    sqlite_world: Bench, stage: str, command: str
) -> None:
    w = sqlite_world
    orders, box = await w.box(stage)
    if stage == "processing":
        await w.accept("assign", box, service_id=await w.service("SIM-STD"))
    await w.platform_says(orders[1], after_sale=True)
    assert await w.refusal(command, box) == "after_sale"
    await w.accept("take-out", box, order_id=await w.id_of(orders[1]))
    await w.accept(command, box)
    out = await w.shipment_of(orders[1])
    assert await w.at(out) == "review/open"
    assert await w.refusal("approve", out) == "after_sale"


async def test_an_after_sale_case_of_one_order_blocks_a_labelled_box(sqlite_world: Bench) -> None:
    w = sqlite_world
    orders, box = await w.box("to_print")
    await w.platform_says(orders[1], after_sale=True)
    assert await w.refusal("print", box) == "after_sale"
    await w.accept("take-out", box, order_id=await w.id_of(orders[1]))
    assert await w.refusal("print", box) == "lines_changed"
    await w.accept("waybill", box)
    await w.work()
    await w.accept("print", box)


@pytest.mark.parametrize(("stage", "command"), [("review", "approve"), ("processing", "waybill")])
@pytest.mark.parametrize("which", [0, 1])
async def test_a_box_whose_orders_go_to_two_addresses_is_blocked_until_one_is_out(
    sqlite_world: Bench, stage: str, command: str, which: int
) -> None:
    w = sqlite_world
    orders, box = await w.box(stage)
    if stage == "processing":
        await w.accept("assign", box, service_id=await w.service("SIM-STD"))
    await w.change(orders[which], "address", address={"address_1": "ul. Inna 9"})
    assert await w.refusal(command, box) == "other_address"
    await w.accept("take-out", box, order_id=await w.id_of(orders[which]))
    await w.accept(command, box)
    assert (await w.shown(box))["address"]["line1"] == "ul. Zeszytowa 5"
    assert (await w.shown(await w.shipment_of(orders[which])))["address"]["line1"] == "ul. Inna 9"


async def test_an_address_given_for_the_whole_box_settles_two_addresses(sqlite_world: Bench, platform: Any) -> None:
    w = sqlite_world
    platform(edit_address=True)
    orders, box = await w.box()
    await w.change(orders[1], "address", address={"address_1": "ul. Inna 9"})
    assert await w.refusal("approve", box) == "other_address"
    await w.accept("address", box, line1="ul. Inna 9")
    await w.accept("approve", box)


@pytest.mark.parametrize("which", [0, 1])
async def test_a_labelled_box_whose_orders_go_to_two_addresses_is_labelled_again(
    sqlite_world: Bench, which: int
) -> None:
    w = sqlite_world
    orders, box = await w.box("to_print")
    await w.change(orders[which], "address", address={"address_1": "ul. Inna 9"})
    assert await w.refusal("print", box) == "label_stale"
    assert await w.refusal("waybill", box) == "other_address"
    await w.accept("take-out", box, order_id=await w.id_of(orders[which]))
    await w.accept("waybill", box)
    await w.work()
    assert [a["recipient"]["line1"] for a in w.asked(box)] == ["ul. Zeszytowa 5"] * 2
    await w.accept("print", box)
    await w.healthy()


@pytest.mark.parametrize("which", [0, 1])
async def test_a_refunded_piece_of_one_order_lowers_or_blocks_the_box(sqlite_world: Bench, which: int) -> None:
    w = sqlite_world
    orders, box = await w.box(skus=[("PEN-07", 2)])
    await w.change(orders[1], "partial_refund", quantity=1)
    assert await w.pieces(box) == {"NB-A5": 1, "PEN-07": 1}
    await w.to_stage(box, "to_print")
    await w.change(orders[which], "partial_refund", quantity=1)
    assert await w.refusal("print", box) == "lines_changed"
    await w.accept("waybill", box)
    await w.work()
    await w.accept("print", box)
    assert await w.pieces(box) == ({"NB-A5": 1} if which else {"PEN-07": 1})
    await w.healthy()


@pytest.mark.parametrize(("stage", "command"), [("review", "approve"), ("processing", "waybill")])
async def test_one_order_shipped_elsewhere_blocks_the_box_until_it_is_out(
    sqlite_world: Bench, stage: str, command: str
) -> None:
    w = sqlite_world
    orders, box = await w.box(stage)
    if stage == "processing":
        await w.accept("assign", box, service_id=await w.service("SIM-STD"))
    await w.change(orders[1], "complete")
    assert await w.refusal(command, box) == "stopped"
    await w.accept("take-out", box, order_id=await w.id_of(orders[1]))
    assert await w.at(await w.shipment_of(orders[1])) == "shipped/elsewhere"
    await w.accept(command, box)
    await w.healthy()


async def test_one_order_shipped_elsewhere_blocks_a_labelled_box(sqlite_world: Bench) -> None:
    w = sqlite_world
    orders, box = await w.box("printed")
    await w.change(orders[1], "complete")
    assert await w.refusal("ship", box) == "stopped"
    for order in orders[:1]:
        await w.change(order, "complete")
    assert await w.at(box) == "shipped/elsewhere"


@pytest.mark.parametrize("stage", ["processing", "to_print"])
async def test_a_quantity_raised_in_a_box_gets_a_shipment_of_its_own(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    orders, box = await w.box(stage)
    await w.change(orders[1], "quantity", quantity=2)
    assert await w.pieces(box) == {"NB-A5": 1, "PEN-07": 1}
    assert await w.pieces(await w.shipment_of(orders[1])) == {"PEN-07": 1}
    await w.healthy()


async def test_a_reopened_order_unblocks_its_box(sqlite_world: Bench) -> None:
    w = sqlite_world
    orders, box = await w.box("to_print")
    await w.change(orders[1], "cancel")
    assert await w.refusal("print", box) == "order_cancelled"
    await w.change(orders[1], "reopen")
    await w.accept("print", box)


async def test_changes_of_a_shipped_box_are_events_and_flags(sqlite_world: Bench) -> None:
    w = sqlite_world
    orders, box = await w.box("shipped")
    await w.change(orders[1], "address", address={"address_1": "ul. Inna 9"})
    await w.change(orders[0], "refund")
    assert await w.at(box) == "shipped/succeeded"
    assert await w.flags(box) & Flag.CHANGED
    assert await w.flags(box) & Flag.STOPPED
