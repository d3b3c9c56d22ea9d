"""Every command: where it works, why it is refused, that twice does no more than once, and what it leaves behind."""

from typing import Any

import pytest

from domain.enums import Flag
from pipeline import setup
from pipeline.commands import UnknownCommand, run
from tests.pipeline.conftest import Bench

STAGES = ["review", "processing", "waybill", "to_print", "shipped"]

# ------------------------------------------------------------------ where commands work

WORKS_IN = {
    "approve": {"review"},
    "assign": {"processing", "waybill"},
    "customs": {"processing"},
    "waybill": {"processing", "waybill", "to_print"},
    "hand-over": {"processing"},
    "to-print": {"waybill"},
    "in-stock": {"to_print"},
    "push": {"waybill", "to_print"},
    "print": {"to_print"},
    "ship": {"to_print"},
    "retry": {"shipped"},
    "ignore": {"shipped"},
    "recall": {"shipped"},
    "collect": {"shipped"},
    "hold": {"review", "processing", "waybill", "to_print"},
    "release": {"review", "processing", "waybill", "to_print"},
    "split": {"review", "processing"},
    "unmerge": {"review", "processing"},
    "keep": {"waybill", "to_print"},
    "back": {"processing", "waybill", "to_print"},
    "close": {"review", "processing", "waybill", "to_print"},
    "address": {"review", "processing", "waybill"},
}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "assign": {"service_id": 1},
    "customs": {"name_en": "notebook"},
    "split": {"lines": {"1": 1}},
    "take-out": {"order_id": 1},
    "address": {"line1": "ul. Inna 9"},
    "flag": {"colour": 3},
    "note": {"text": "x"},
}
"""What a command cannot do without."""


@pytest.mark.parametrize("stage", [*STAGES, "closed"])
async def test_a_command_outside_its_stages_is_refused_and_changes_nothing(
    sqlite_world: Bench, platform: Any, stage: str
) -> None:
    w = sqlite_world
    platform(edit_address=True)
    _o, shipment = await w.take("review" if stage == "closed" else stage)
    if stage == "closed":
        await w.accept("close", shipment)
    for command, stages in WORKS_IN.items():
        if stage not in stages:
            assert await w.refusal(command, shipment, **ARGUMENTS.get(command, {})) == "wrong_stage", command
    await w.healthy()


async def test_every_command_is_refused_for_a_shop_that_is_not_bound(sqlite_world: Bench) -> None:
    w = sqlite_world
    shipments = [(await w.take(stage))[1] for stage in STAGES]
    await setup.unbind_shop(w.p, w.shop_id, "anna")
    for command in [*WORKS_IN, "note", "flag", "void", "abandon", "take-out", "merge"]:
        report = await w.do(command, shipments, **ARGUMENTS.get(command, {}))
        codes = {r.code for r in report.refused} - ({"nothing_to_merge"} if command == "merge" else set())
        assert (report.done, codes) == ([], {"shop_unbound"}), command


async def test_a_shipment_that_is_not_there_is_refused_by_its_id(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take()
    report = await w.do("approve", [999_999, shipment])
    assert report.done == [shipment]
    assert [(r.id, r.code) for r in report.refused] == [(999_999, "not_found")]
    with pytest.raises(UnknownCommand):
        await w.do("fly", [shipment])


async def test_a_row_named_twice_is_done_once(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take()
    report = await w.do("approve", [shipment, shipment])
    assert (report.done, report.refused) == ([shipment], [])


async def test_what_somebody_changed_meanwhile_is_refused_with_the_name(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take()
    await run(w.p, "flag", [shipment], {"colour": 3}, "boris")
    report = await run(w.p, "approve", [shipment], {}, "anna", seen={shipment: 1})
    (refused,) = report.refused
    assert refused.code == "changed_since"
    assert "boris" in refused.reason


# ------------------------------------------------------------------ approve: its own guards


async def test_an_unread_buyer_note_keeps_it_in_review_until_it_is_read(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take(customer_note="Proszę zadzwonić")
    assert await w.refusal("approve", shipment) == "note_unread"
    await w.accept("note", shipment, read=True)
    (note,) = (await w.shown(shipment))["notes"]
    assert (note["text"], note["read_by"]) == ("Proszę zadzwonić", "anna")
    assert await w.refusal("note", shipment, read=True) == "nothing_unread"
    await w.accept("approve", shipment)


async def test_a_shop_may_do_without_the_note_gate(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(note_gate=False)
    _o, shipment = await w.take(customer_note="Proszę zadzwonić")
    await w.accept("approve", shipment)


async def test_a_shop_may_ask_for_goods_of_ours_on_every_line(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(require_matched=True)
    lines = [{"sku": "", "name": "Nothing", "product_id": 0, "variation_id": 0, "quantity": 1}]
    _o, shipment = await w.take(line_items=lines)
    assert await w.refusal("approve", shipment) == "unmatched"


async def test_orders_of_a_first_import_are_approved_by_name_only(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take()
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE shipment SET flags = flags | :f", f=int(Flag.FIRST_IMPORT))
    report = await run(w.p, "approve", [shipment], {}, "anna", explicit=False)
    assert [r.code for r in report.refused] == ["first_import"]
    await w.accept("approve", shipment)


@pytest.mark.parametrize(("choice", "place"), [("ship_these", "review/open"), ("already_left", "shipped/outside")])
async def test_the_cut_over_frees_a_first_import_or_books_it_as_gone(
    sqlite_world: Bench, choice: str, place: str
) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(2)
    order, shipment = await w.take()
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE shipment SET flags = flags | :f WHERE id = :s", f=int(Flag.FIRST_IMPORT), s=shipment)
        await tx.run("UPDATE shop SET cut_over = 'open'")
    assert await setup.cut_over(w.p, w.shop_id, choice, "anna") == 1
    assert await w.at(shipment) == place
    assert await w.value("SELECT count(*) FROM effect") == 0
    assert await w.on_hand() == (2, 0)
    assert w.there(order)["times_completed"] == 0
    if choice == "ship_these":
        assert (await run(w.p, "approve", [shipment], {}, "anna", explicit=False)).done == [shipment]
    await w.healthy()


# ------------------------------------------------------------------ hold, release, note, flag


@pytest.mark.parametrize(("stage", "command"), [("review", "approve"), ("processing", "assign"), ("to_print", "print")])
async def test_a_held_shipment_leaves_the_batches_with_its_reason(
    sqlite_world: Bench, stage: str, command: str
) -> None:
    w = sqlite_world
    _o, shipment = await w.take(stage)
    await w.accept("hold", shipment, reason="buyer calls back")
    report = await w.do(command, [shipment], service_id=await w.service("SIM-STD"))
    assert [r.code for r in report.refused] == ["held"]
    assert "buyer calls back" in report.refused[0].reason
    await w.accept("release", shipment)
    assert await w.refusal("release", shipment) == "not_held"
    await w.accept(command, shipment, service_id=await w.service("SIM-STD"))


async def test_a_hold_keeps_queued_effects_back_until_it_is_released(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("waybill")
    await w.accept("hold", shipment, reason="wait")
    await w.hold_still()
    assert (await w.at(shipment), w.asked(shipment)) == ("waybill/requesting", [])
    await w.accept("release", shipment)
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"


async def test_a_hold_put_on_after_the_request_keeps_the_number_from_moving_on(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("waybill")
    w.carrier.fail_next("cut_after", "POST", "/v1/waybills")
    await w.accept("hold", shipment)
    await w.accept("release", shipment)
    await w.setting(move_to_print=False)
    await w.work()
    await w.accept("hold", shipment)
    assert await w.refusal("to-print", shipment) == "held"
    assert await w.refusal("push", shipment) == "held"


async def test_a_remark_is_kept_replaced_and_removed(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take()
    for text in ("first", "second", "second"):
        await w.accept("note", shipment, text=text)
        assert [n["text"] for n in (await w.shown(shipment))["notes"]] == [text]
    await w.accept("note", shipment, text="")
    assert (await w.shown(shipment))["notes"] == []


async def test_a_flag_is_a_colour_from_one_to_ten_or_none(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take()
    for colour in (10, 1, 1, 0):
        await w.accept("flag", shipment, colour=colour)
        assert await w.value("SELECT mark FROM shipment WHERE id = :id", id=shipment) == colour
    for colour in (11, -1):
        assert await w.refusal("flag", shipment, colour=colour) == "bad_argument"


# ------------------------------------------------------------------ split, merge, unmerge, take out


@pytest.mark.parametrize("stage", ["review", "processing"])
async def test_a_split_moves_pieces_into_a_shipment_of_their_own(either_world: Bench, stage: str) -> None:
    w = either_world
    order, shipment = await w.take(stage, skus=[("NB-A5", 3), "PEN-07"])
    lines = {line["sku"]: line["order_line_id"] for line in (await w.shown(shipment))["lines"]}
    await w.accept("split", shipment, lines={str(lines["NB-A5"]): 2})
    old, new = await w.shipments(order)
    assert await w.pieces(old) == {"NB-A5": 1, "PEN-07": 1}
    assert await w.pieces(new) == {"NB-A5": 2}
    assert (await w.shown(new))["stage"] == stage
    for part in (old, new):
        assert await w.flags(part) & Flag.SPLIT
    assert await w.refusal("split", old, lines={str(lines["NB-A5"]): 2}) == "bad_split"
    assert await w.refusal("split", old, lines={}) == "bad_split"
    assert await w.refusal("split", new, lines={str(lines["NB-A5"]): 2}) == "empty_split"
    await w.healthy()


async def test_a_split_order_is_finished_on_the_platform_by_its_last_parcel(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take(skus=["NB-A5", "PEN-07"])
    lines = {line["sku"]: line["order_line_id"] for line in (await w.shown(shipment))["lines"]}
    await w.accept("split", shipment, lines={str(lines["PEN-07"]): 1})
    first, second = await w.shipments(order)
    await w.to_stage(first, "shipped")
    assert w.there(order)["times_completed"] == 0
    await w.read(order)
    assert (await w.shown(second))["stage"] == "review"
    await w.to_stage(second, "shipped")
    there = w.there(order)
    assert there["times_completed"] == 1
    assert {t["number"] for t in there["tracking"]} >= {(await w.shown(s))["waybill"] for s in (first, second)}
    await w.healthy()


async def test_the_part_split_off_takes_its_declaration_and_its_after_sale_case_along(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("processing", skus=["NB-A5", "PEN-07"])
    await w.accept("assign", shipment, service_id=await w.service("SIM-INT"))
    declared = {"name_local": "a", "name_en": "a", "hs_code": "1", "origin": "PL", "unit_weight_g": 1}
    await w.accept("customs", shipment, unit_value_minor=1, **declared)
    await w.platform_says(order, after_sale=True)
    lines = {line["sku"]: line["order_line_id"] for line in (await w.shown(shipment))["lines"]}
    await w.accept("split", shipment, lines={str(lines["PEN-07"]): 1})
    _old, new = await w.shipments(order)
    assert await w.refusal("waybill", new) == "after_sale"
    await w.platform_says(order)
    await w.accept("waybill", new)


async def test_a_merge_puts_several_orders_into_the_first_ones_box(either_world: Bench) -> None:
    w = either_world
    orders, box = await w.box()
    assert await w.pieces(box) == {"NB-A5": 1, "PEN-07": 1}
    assert await w.flags(box) & Flag.MERGED
    source = next(s for s in await w.shipments(orders[1]) if s != box)
    assert await w.at(source) == "closed/merged"
    assert await w.refusal("merge", box) == "nothing_to_merge"
    await w.healthy()


async def test_a_merged_parcel_tells_its_number_to_every_order(sqlite_world: Bench) -> None:
    w = sqlite_world
    orders, box = await w.box("shipped")
    number = (await w.shown(box))["waybill"]
    assert await w.at(box) == "shipped/succeeded"
    for order in orders:
        there = w.there(order)
        assert there["times_completed"] == 1
        assert {t["number"] for t in there["tracking"]} == {number}
    assert [a["created_times"] for a in w.asked(box)] == [1]


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"shipping": {"address_1": "ul. Inna 9", "postcode": "60-101"}}, "other_address"),
        ({"case": "cod"}, "other_payment"),
    ],
)
async def test_a_merge_needs_one_address_and_one_payment_kind(
    sqlite_world: Bench, other: dict[str, Any], code: str
) -> None:
    w = sqlite_world
    _o, target = await w.take()
    _o, stranger = await w.take(**other)
    _o, friend = await w.take()
    report = await w.do("merge", [target, stranger, friend])
    assert (sorted(report.done), [(r.id, r.code) for r in report.refused]) == ([target, friend], [(stranger, code)])
    assert (await w.shown(stranger))["stage"] == "review"


async def test_a_merge_needs_the_same_stage_nobody_holding_and_a_platform_that_can(
    sqlite_world: Bench, platform: Any
) -> None:
    w = sqlite_world
    _o, target = await w.take()
    _o, ahead = await w.take("processing")
    _o, held = await w.take()
    await w.accept("hold", held)
    report = await w.do("merge", [target, ahead, held])
    assert {r.id: r.code for r in report.refused} == {
        target: "nothing_to_merge",
        ahead: "other_stage",
        held: "held",
    }
    _o, friend = await w.take()
    platform(merge=False)
    report = await w.do("merge", [target, friend])
    assert {r.id: r.code for r in report.refused} == {target: "nothing_to_merge", friend: "not_supported"}


async def test_a_cancelled_order_is_merged_into_nothing(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(close_on_cancel=False)
    _o, target = await w.take()
    order, dead = await w.take()
    await w.change(order, "cancel")
    report = await w.do("merge", [target, dead])
    assert {r.id: r.code for r in report.refused} == {target: "nothing_to_merge", dead: "order_cancelled"}


async def test_nothing_is_rearranged_after_an_early_push(sqlite_world: Bench, platform: Any) -> None:
    w = sqlite_world
    platform(update_tracking=True)
    _o, target = await w.take("processing")
    _o, told = await w.take("to_print")
    await w.accept("push", told)
    await w.work()
    await w.accept("back", told)
    lines = {str((await w.shown(told))["lines"][0]["order_line_id"]): 1}
    assert await w.refusal("split", told, lines=lines) == "told_platform"
    report = await w.do("merge", [target, told])
    assert {r.id: r.code for r in report.refused} == {target: "nothing_to_merge", told: "told_platform"}


@pytest.mark.parametrize("stage", ["review", "processing"])
async def test_an_unmerge_gives_every_order_its_own_shipment_again(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    orders, box = await w.box(stage)
    await w.platform_says(orders[1], after_sale=True)
    await w.accept("unmerge", box)
    fresh = await w.shipment_of(orders[1])
    assert (await w.pieces(box), await w.pieces(fresh)) == ({"NB-A5": 1}, {"PEN-07": 1})
    assert (await w.shown(fresh))["stage"] == stage
    assert not await w.flags(box) & (Flag.MERGED | Flag.AFTER_SALE | Flag.SPLIT)
    assert await w.flags(fresh) & Flag.AFTER_SALE
    assert not await w.flags(fresh) & Flag.SPLIT
    assert await w.refusal("unmerge", box) == "not_merged"
    await w.healthy()


async def test_an_unmerge_works_until_a_waybill_exists(sqlite_world: Bench) -> None:
    w = sqlite_world
    _orders, box = await w.box("to_print")
    assert await w.refusal("unmerge", box) == "wrong_stage"


async def test_taking_out_needs_an_order_that_is_in_the_box(sqlite_world: Bench) -> None:
    w = sqlite_world
    orders, box = await w.box()
    _order, alone = await w.take()
    assert await w.refusal("take-out", box, order_id=999) == "not_in_it"
    assert await w.refusal("take-out", alone, order_id=await w.id_of(_order)) == "not_in_it"
    out = await w.id_of(orders[0])
    await w.accept("take-out", box, order_id=out)
    assert await w.refusal("take-out", box, order_id=out) == "not_in_it"
    assert await w.at(await w.shipment_of(orders[0])) == "review/open"
    await w.healthy()


async def test_nothing_is_taken_out_while_its_label_is_in_a_print_job(sqlite_world: Bench) -> None:
    w = sqlite_world
    orders, box = await w.box("to_print")
    await w.accept("print", box)
    assert await w.refusal("take-out", box, order_id=await w.id_of(orders[1])) == "effect_running"
    assert await w.refusal("back", box) == "effect_running"
    assert await w.refusal("void", box) == "effect_running"


# ------------------------------------------------------------------ address


async def test_an_address_edit_is_an_overlay_that_survives_a_sync_with_a_flag(
    sqlite_world: Bench, platform: Any
) -> None:
    w = sqlite_world
    platform(edit_address=True)
    order, shipment = await w.take()
    await w.accept("address", shipment, line1="ul. Nasza 1", country="de")
    assert await w.refusal("address", shipment, line1="ul. Nasza 1") == "unchanged"
    shown = (await w.shown(shipment))["address"]
    assert (shown["line1"], shown["country"], shown["city"], shown["source"]) == ("ul. Nasza 1", "DE", "Poznań", "ours")
    assert not await w.flags(shipment) & Flag.CHANGED
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    assert (await w.shown(shipment))["address"]["line1"] == "ul. Nasza 1"
    assert await w.flags(shipment) & Flag.CHANGED
    event = next(e for e in (await w.shown(shipment))["events"] if e["kind"] == "address_edited")
    assert "Nasza" not in str(event)
    await w.to_stage(shipment, "to_print")
    assert w.asked(shipment)[0]["recipient"]["line1"] == "ul. Nasza 1"


async def test_an_address_is_not_edited_where_the_platform_forbids_it_or_a_number_exists(
    sqlite_world: Bench, platform: Any
) -> None:
    w = sqlite_world
    platform(edit_address=False)
    _o, shipment = await w.take()
    assert await w.refusal("address", shipment, line1="x") == "address_locked"
    platform(edit_address=True)
    await w.to_stage(shipment, "waybill")
    assert await w.refusal("address", shipment, line1="x") == "wrong_status"


# ------------------------------------------------------------------ service and waybill


async def test_a_service_must_collect_money_where_the_order_asks_for_it(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("processing", case="cod")
    assert await w.refusal("assign", shipment, service_id=await w.service("SIM-LATE")) == "no_cod"
    await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))


async def test_a_service_must_reach_pickup_points_where_the_order_goes_to_one(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("processing", case="parcel_machine")
    assert await w.refusal("assign", shipment, service_id=await w.service("SIM-LATE")) == "no_pickup_point"
    await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))


async def test_a_service_that_is_unknown_or_off_is_refused(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("processing")
    assert await w.refusal("assign", shipment, service_id=999) == "no_service"
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE service SET enabled = 0 WHERE code = 'SIM-STD'")
    assert await w.refusal("assign", shipment, service_id=await w.service("SIM-STD")) == "service_off"


async def test_customs_are_declared_only_where_the_service_crosses_a_border(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("processing")
    await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))
    assert await w.refusal("customs", shipment, name_en="x") == "no_customs"


async def test_a_declaration_may_be_given_line_by_line(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("processing", skus=["NB-A5", "PEN-07"])
    await w.accept("assign", shipment, service_id=await w.service("SIM-INT"))
    whole = {"name_local": "a", "name_en": "a", "hs_code": "1", "origin": "PL", "unit_weight_g": 1}
    await w.accept("customs", shipment, sku="NB-A5", unit_value_minor=1, **whole)
    assert await w.at(shipment) == "processing/open"
    report = await w.do("waybill", [shipment])
    assert "PEN-07" in report.refused[0].reason
    await w.accept("customs", shipment, sku="PEN-07", unit_value_minor=2, **whole)
    assert await w.at(shipment) == "processing/ready"


async def test_an_incomplete_address_is_refused_before_the_carrier_hears_of_it(
    sqlite_world: Bench, platform: Any
) -> None:
    w = sqlite_world
    platform(edit_address=True)
    _o, shipment = await w.take("processing")
    await w.accept("address", shipment, city="")
    await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))
    assert await w.refusal("waybill", shipment) == "address_incomplete"


async def test_choosing_another_service_on_a_failed_waybill_asks_again_in_place(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("waybill", shipping={"address_1": "ul. Bez Numeru", "postcode": "60-101"})
    await w.work()
    assert await w.at(shipment) == "waybill/failed"
    await w.accept("assign", shipment, service_id=await w.service("OWN"))
    assert await w.at(shipment) == "waybill/requesting"
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"
    assert (await w.shown(shipment))["service"] == "OWN"
    assert await w.waybills(shipment) == ["failed", "obtained"]


async def test_a_parcel_the_buyer_collects_is_handed_over_without_a_number(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(1)
    order, shipment = await w.take("processing", case="local_pickup")
    assert await w.refusal("waybill", shipment) == "no_waybill_needed"
    await w.accept("hand-over", shipment)
    assert (await w.at(shipment), await w.on_hand()) == ("to_print/in_stock", (1, 1))
    assert await w.refusal("hand-over", shipment) == "wrong_stage"
    assert await w.refusal("push", shipment) == "no_waybill"
    await w.to_stage_from_print(shipment)
    assert await w.at(shipment) == "shipped/succeeded"
    there = w.there(order)
    assert (there["times_completed"], there["tracking"]) == (1, [])
    assert await w.value("SELECT count(*) FROM waybill") == 0
    await w.healthy()


async def test_a_parcel_that_needs_a_number_is_not_handed_over(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("processing")
    assert await w.refusal("hand-over", shipment) == "needs_waybill"


# ------------------------------------------------------------------ print


async def test_a_label_is_printed_once_and_again_only_with_a_reason(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("to_print")
    await w.accept("print", shipment)
    assert await w.refusal("print", shipment) == "print_asked"
    await w.work()
    assert await w.refusal("print", shipment) == "already_printed"
    await w.accept("print", shipment, reprint="jam")
    await w.work()
    assert await w.value("SELECT copies FROM shipment WHERE id = :id", id=shipment) == 2
    await w.accept("ship", shipment)
    await w.work()
    assert await w.refusal("print", shipment) == "wrong_stage"
    await w.accept("print", shipment, reprint="torn")
    await w.work()
    assert len(list(w.folder.glob("*.pdf"))) == 3


async def test_printing_needs_a_printer(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("to_print")
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE printer SET checked_at = NULL")
    assert await w.refusal("print", shipment) == "no_printer"


# ------------------------------------------------------------------ void, abandon, request again


async def test_a_void_goes_to_the_carrier_before_the_new_request(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("to_print")
    await w.accept("void", shipment)
    assert await w.at(shipment) == "processing/ready"
    assert await w.refusal("void", shipment) == "no_waybill"
    assert await w.at(shipment) == "processing/ready"
    await w.accept("waybill", shipment)
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"
    old, new = w.asked(shipment)
    assert (old["voided"], new["voided"]) == (True, False)
    ends = await w.fetch("SELECT op, ended_at FROM effect WHERE shipment_id = :s ORDER BY id", s=shipment)
    assert [e["op"] for e in ends] == ["request_waybill", "void_waybill", "request_waybill"]
    assert ends[1]["ended_at"] <= ends[2]["ended_at"]
    await w.healthy()


async def test_a_number_that_cannot_be_voided_stops_the_new_request_until_it_is_abandoned(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("to_print")
    w.carrier.admin("POST", "collect", {"references": [w.asked(shipment)[0]["reference"]]})
    await w.accept("void", shipment)
    await w.accept("waybill", shipment)
    await w.work()
    shown = await w.shown(shipment)
    assert (shown["stage"], shown["status"], shown["reason"]) == ("waybill", "failed", "void_failed")
    assert len(w.asked(shipment)) == 1
    assert await w.refusal("waybill", shipment) == "void_pending"
    await w.accept("void", shipment)
    await w.work()
    assert await w.refusal("waybill", shipment) == "void_pending"
    await w.accept("abandon", shipment)
    assert await w.refusal("abandon", shipment) == "nothing_to_abandon"
    await w.accept("waybill", shipment)
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"
    assert await w.waybills(shipment) == ["abandoned", "failed", "obtained"]
    await w.healthy()


async def test_a_number_that_never_comes_can_be_abandoned(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.accept("abandon", shipment)
    shown = await w.shown(shipment)
    assert (shown["stage"], shown["status"], shown["reason"]) == ("waybill", "failed", "abandoned")
    await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"
    await w.healthy()


async def test_abandoning_the_number_a_shipment_closes_for_closes_it(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.change(order, "cancel")
    assert await w.at(shipment) == "waybill/closing"
    await w.accept("abandon", shipment)
    assert await w.at(shipment) == "closed/cancelled"
    await w.healthy()


@pytest.mark.parametrize("stage", ["processing", "to_print"])
async def test_there_is_nothing_to_void_abandon_or_keep_where_nothing_happened(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    _o, shipment = await w.take(stage)
    assert await w.refusal("abandon", shipment) == "nothing_to_abandon"
    if stage == "processing":
        assert await w.refusal("void", shipment) == "no_waybill"
    else:
        assert await w.refusal("keep", shipment) == "nothing_changed"


# ------------------------------------------------------------------ push early, ship


async def test_an_early_number_is_not_sent_again_when_the_parcel_ships(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("printed")
    await w.accept("push", shipment)
    assert await w.refusal("push", shipment) == "push_pending"
    await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/succeeded"
    there = w.there(order)
    assert there["times_completed"] == 1
    assert len([t for t in there["tracking"] if "note_id" in t]) == 1


async def test_a_platform_that_takes_no_early_number_is_not_asked(sqlite_world: Bench, platform: Any) -> None:
    w = sqlite_world
    platform(push_early=False)
    _o, shipment = await w.take("to_print")
    assert await w.refusal("push", shipment) == "not_supported"


async def test_shipping_offline_is_refused_unless_the_shop_ships_unchecked(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("printed")
    w.shop.fail_next("html", "GET", f"/orders/{order}", times=2)
    await w.accept("ship", shipment)
    await w.work()
    shown = await w.shown(shipment)
    assert (shown["stage"], shown["status"], shown["reason"]) == ("to_print", "in_stock", "check_failed")
    await w.setting(ship_unchecked=True)
    w.shop.fail_next("html", "GET", f"/orders/{order}", times=2)
    await w.accept("ship", shipment)
    await w.work()
    assert (await w.shown(shipment))["stage"] == "shipped"
    assert await w.value("SELECT unchecked FROM shipment WHERE id = :id", id=shipment) == 1
    event = next(e for e in (await w.shown(shipment))["events"] if e["kind"] == "shipped")
    assert "unchecked" in event["data"]


# ------------------------------------------------------------------ retry, ignore, recall, collect


async def test_only_failed_pushes_are_retried_or_ignored(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("shipped")
    assert await w.refusal("retry", shipment) == "wrong_status"
    assert await w.refusal("ignore", shipment) == "wrong_status"


async def test_a_recall_to_print_keeps_the_number_and_the_stock_for_the_parcel(either_world: Bench) -> None:
    w = either_world
    await w.take()
    await w.stock(3)
    order, shipment = await w.take("shipped", skus=[("NB-A5", 2)])
    assert await w.on_hand() == (1, 0)
    await w.accept("recall", shipment)
    assert await w.at(shipment) == "to_print/in_stock"
    assert await w.on_hand() == (3, 2)
    assert await w.waybills(shipment) == ["obtained"]
    assert await w.flags(shipment) & Flag.TOLD_NOT_SENT
    assert await w.refusal("recall", shipment) == "wrong_stage"
    await w.accept("ship", shipment)
    await w.work()
    assert await w.at(shipment) == "shipped/succeeded"
    assert not await w.flags(shipment) & Flag.TOLD_NOT_SENT
    assert await w.on_hand() == (1, 0)
    assert w.there(order)["times_completed"] == 1
    await w.healthy()


async def test_a_recall_to_closed_returns_the_stock_and_voids_the_number(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(2)
    _order, shipment = await w.take("shipped")
    await w.accept("recall", shipment, to="close")
    assert await w.at(shipment) == "closed/discarded"
    assert await w.on_hand() == (2, 0)
    assert await w.flags(shipment) & Flag.TOLD_NOT_SENT
    await w.work()
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    await w.healthy()


async def test_a_recall_of_goods_tracked_since_is_out_of_stock_and_invents_none(sqlite_world: Bench) -> None:
    w = sqlite_world
    _order, shipment = await w.take("shipped")
    await w.stock(0, how="count")
    await w.accept("recall", shipment)
    assert await w.at(shipment) == "to_print/out_of_stock"
    assert await w.on_hand() == (0, 0)
    await w.healthy()


async def test_a_parcel_whose_push_nobody_knows_of_is_neither_recalled_nor_ignored(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(grace_s=600)
    _order, shipment = await w.take("printed")
    await w.as_console("ship", shipment)
    await w.work()
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE effect SET state = 'unknown' WHERE op = 'push'")
        await tx.run("UPDATE shipment SET status = 'unknown' WHERE id = :s", s=shipment)
    assert await w.refusal("recall", shipment) == "effect_running"
    assert await w.refusal("ignore", shipment) == "effect_running"


async def test_closing_what_the_platform_was_told_lists_it_as_told_and_not_sent(sqlite_world: Bench) -> None:
    w = sqlite_world
    _order, shipment = await w.take("to_print")
    await w.accept("push", shipment)
    await w.work()
    await w.accept("close", shipment)
    assert await w.flags(shipment) & Flag.TOLD_NOT_SENT


async def test_what_the_courier_has_or_somebody_else_shipped_is_not_recalled(sqlite_world: Bench) -> None:
    w = sqlite_world
    _order, shipment = await w.take("shipped")
    await w.accept("collect", shipment, courier="Jan")
    row = await w.fetch("SELECT collected_by, courier FROM shipment WHERE id = :id", id=shipment)
    assert row == [{"collected_by": "anna", "courier": "Jan"}]
    assert await w.refusal("collect", shipment) == "collected"
    assert await w.refusal("recall", shipment) == "collected"
    other, elsewhere = await w.take()
    await w.change(other, "complete")
    assert await w.refusal("recall", elsewhere) == "not_ours"


# ------------------------------------------------------------------ back, close


async def test_send_back_releases_voids_and_goes_one_stage_or_to_review(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(2)
    _o, shipment = await w.take("printed")
    await w.accept("back", shipment)
    assert (await w.at(shipment), await w.on_hand()) == ("processing/ready", (2, 0))
    assert (await w.shown(shipment))["printed"] == "none"
    await w.accept("back", shipment)
    assert await w.at(shipment) == "review/open"
    await w.work()
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    _o, other = await w.take("to_print")
    await w.accept("back", other, to="review")
    assert await w.at(other) == "review/open"
    await w.healthy()


async def test_send_back_is_refused_while_the_carrier_is_asked(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("waybill")
    assert await w.refusal("back", shipment) == "wrong_status"


async def test_after_an_early_push_it_goes_back_only_where_the_number_can_be_corrected(
    sqlite_world: Bench, platform: Any
) -> None:
    w = sqlite_world
    _o, shipment = await w.take("to_print")
    await w.accept("push", shipment)
    await w.work()
    assert await w.refusal("back", shipment) == "told_platform"
    platform(update_tracking=True)
    await w.accept("back", shipment)
    assert await w.at(shipment) == "processing/ready"


@pytest.mark.parametrize("stage", ["review", "processing", "waybill", "to_print", "printed"])
async def test_close_ends_a_shipment_wherever_it_is(sqlite_world: Bench, stage: str) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(2)
    order, shipment = await w.take(stage)
    await w.accept("close", shipment, reason="buyer gave up")
    assert await w.at(shipment) == "closed/discarded"
    assert (await w.shown(shipment))["message"] == "buyer gave up"
    assert await w.on_hand() == (2, 0)
    assert bool(await w.flags(shipment) & Flag.PULL) == (stage == "printed")
    assert await w.refusal("close", shipment) == "wrong_stage"
    await w.work()
    assert [a["voided"] for a in w.asked(shipment)] == ([True] if stage in {"to_print", "printed"} else [])
    assert w.there(order)["times_completed"] == 0
    await w.healthy()


async def test_nothing_is_closed_as_something_that_is_not_an_end(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take()
    assert await w.refusal("close", shipment, status="ready") == "bad_argument"
    await w.accept("close", shipment, status="cancelled")
    assert await w.at(shipment) == "closed/cancelled"


async def test_an_after_sale_case_does_not_keep_a_closing_shipment_open(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.platform_says(order, after_sale=True)
    await w.accept("close", shipment)
    await w.platform_says(order, after_sale=True, buyer_note="halo")
    await w.answer(shipment)
    assert await w.at(shipment) == "closed/discarded"
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    await w.healthy()


@pytest.mark.parametrize("fault", ["", "cut_after"])
async def test_closing_while_the_carrier_is_asked_voids_the_number_when_it_comes(
    sqlite_world: Bench, fault: str
) -> None:
    w = sqlite_world
    _o, shipment = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.accept("close", shipment)
    assert await w.at(shipment) == "waybill/closing"
    assert await w.refusal("close", shipment) == "closing"
    if fault:
        w.carrier.fail_next(fault, "POST", "/void")
    await w.answer(shipment)
    assert await w.at(shipment) == "closed/discarded"
    assert await w.waybills(shipment) == ["void"]
    assert [a["voided"] for a in w.asked(shipment)] == [True]
    await w.healthy()


# ------------------------------------------------------------------ the grace of the console


@pytest.mark.parametrize("command", ["close", "back", "void"])
async def test_a_void_of_the_console_waits_for_the_grace(sqlite_world: Bench, command: str) -> None:
    w = sqlite_world
    await w.setting(grace_s=600)
    _o, shipment = await w.take("to_print")
    await w.as_console(command, shipment)
    await w.hold_still()
    assert [a["voided"] for a in w.asked(shipment)] == [False]
    await w.make_due()
    await w.work()
    assert [a["voided"] for a in w.asked(shipment)] == [True]


async def test_a_push_of_the_console_waits_for_the_grace(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(grace_s=600)
    order, shipment = await w.take("to_print")
    await w.as_console("push", shipment)
    await w.hold_still()
    assert w.there(order)["tracking"] == []
    await w.make_due()
    await w.work()
    assert len(w.there(order)["tracking"]) == 1
