"""Taking a batch back: what it restores, row by row, and what can no longer be taken back."""

from typing import Any

import pytest

from domain.enums import Flag
from domain.results import Refused
from pipeline.commands import run
from pipeline.undo import target_of
from tests.pipeline.conftest import Bench

GRACE = {"grace_s": 600}
COLUMNS = "stage, status, flags, hold_reason, mark, service_id, code, reason, print_state, shipped_at, deducted"


async def facts_of(w: Bench, shipment: int) -> list[Any]:
    """What an undo must bring back."""
    return [
        await w.fetch(f"SELECT {COLUMNS} FROM shipment WHERE id = :s", s=shipment),
        await w.fetch("SELECT variant_id, quantity FROM allocation WHERE shipment_id = :s", s=shipment),
        [state for state in await w.waybills(shipment) if state != "void"],
        await w.fetch("SELECT sku, on_hand, reserved FROM stock JOIN variant ON variant.id = variant_id"),
    ]


async def taken_back(w: Bench, command: str, shipment: int, **arguments: Any) -> None:
    """Do it from the console, take it back, and find everything as it was."""
    before = await facts_of(w, shipment)
    report = await w.as_console(command, shipment, **arguments)
    assert await facts_of(w, shipment) != before
    undone = await w.undo()
    assert (undone.done, undone.refused) == ([shipment], []), report
    assert await facts_of(w, shipment) == before
    assert (await w.history(shipment))[-1] == "undone"
    await w.healthy()


@pytest.mark.parametrize(
    ("stage", "command", "arguments"),
    [
        ("review", "approve", {}),
        ("review", "hold", {"reason": "wait"}),
        ("review", "flag", {"colour": 4}),
        ("review", "close", {"reason": "no"}),
        ("processing", "assign", {}),
        ("processing", "back", {}),
        ("waybill", "hold", {"reason": "wait"}),
        ("waybill", "close", {}),
        ("to_print", "hold", {"reason": "wait"}),
        ("to_print", "back", {}),
        ("to_print", "void", {}),
        ("to_print", "close", {}),
        ("printed", "close", {}),
    ],
)
async def test_undo_brings_a_row_back_as_it_was(
    sqlite_world: Bench, stage: str, command: str, arguments: dict[str, Any]
) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(3)
    await w.setting(**GRACE)
    _o, shipment = await w.take(stage, skus=[("NB-A5", 2)])
    if command == "assign":
        arguments = {"service_id": await w.service("SIM-STD")}
    await taken_back(w, command, shipment, **arguments)


async def test_undo_of_closing_or_sending_back_withdraws_the_void(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(**GRACE)
    for command in ("close", "back"):
        _o, shipment = await w.take("to_print")
        await w.as_console(command, shipment)
        await w.undo()
        assert await w.effects(shipment, "void_waybill") == ["withdrawn"]
        await w.make_due()
        await w.work()
        assert [a["voided"] for a in w.asked(shipment)] == [False]
        await w.accept("print", shipment)


async def test_undo_of_a_queued_request_asks_nobody(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("processing")
    await w.accept("assign", shipment, service_id=await w.service("SIM-STD"))
    await taken_back(w, "waybill", shipment)
    assert await w.effects(shipment, "request_waybill") == ["withdrawn"]
    await w.work()
    assert w.asked(shipment) == []
    await w.accept("waybill", shipment)
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"


async def test_undo_of_a_new_label_keeps_the_old_one(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(**GRACE)
    order, shipment = await w.take("to_print")
    await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    await taken_back(w, "waybill", shipment)
    assert await w.waybills(shipment) == ["obtained", "void"]
    assert await w.flags(shipment) & Flag.LABEL_STALE
    await w.make_due()
    await w.work()
    assert [a["voided"] for a in w.asked(shipment)] == [False]


async def test_undo_of_to_print_and_in_stock_gives_the_pieces_back(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(2)
    await w.setting(move_to_print=False)
    _o, shipment = await w.take("to_print")
    await taken_back(w, "to-print", shipment)
    assert await w.on_hand() == (2, 0)
    await w.stock(0, how="count")
    await w.accept("to-print", shipment)
    await w.stock(1)
    await taken_back(w, "in-stock", shipment)
    assert await w.on_hand() == (1, 0)


async def test_undo_of_an_early_push_within_its_grace_tells_nothing(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(**GRACE)
    order, shipment = await w.take("to_print")
    await w.as_console("push", shipment)
    assert (await w.undo()).done == [shipment]
    await w.make_due()
    await w.work()
    assert w.there(order)["tracking"] == []
    await w.accept("push", shipment)


@pytest.mark.parametrize("checked", [False, True])
async def test_undo_of_a_shipped_batch_within_its_grace_sends_nothing(either_world: Bench, checked: bool) -> None:
    w = either_world
    await w.take()
    await w.stock(5)
    await w.setting(check_before_ship=checked, **GRACE)
    made = [await w.take("printed", skus=[("NB-A5", 2)]) for _two in range(2)]
    ids = [shipment for _o, shipment in made]
    before = [await facts_of(w, s) for s in ids]
    await w.as_console("ship", *ids)
    await w.work()
    assert [await w.at(s) for s in ids] == ["shipped/pushing"] * 2
    assert await w.on_hand() == (1, 0)
    undone = await w.undo()
    assert (undone.done, undone.refused) == (ids, [])
    assert [await facts_of(w, s) for s in ids] == before
    assert await w.on_hand() == (5, 4)
    await w.make_due()
    await w.work()
    assert [w.there(o)["times_completed"] for o, _s in made] == [0, 0]
    await w.healthy()
    await w.accept("ship", *ids)
    await w.work()
    assert [w.there(o)["times_completed"] for o, _s in made] == [1, 1]
    assert await w.on_hand() == (1, 0)
    await w.healthy()


async def test_undo_while_the_orders_are_still_being_checked_ships_nothing(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.setting(**GRACE)
    _o, shipment = await w.take("printed")
    await taken_back(w, "ship", shipment)
    await w.work()
    assert await w.at(shipment) == "to_print/in_stock"
    assert await w.effects(shipment, "check") == ["withdrawn"]


# ------------------------------------------------------------------ what can no longer be taken back


async def test_undo_of_a_row_that_somebody_changed_since_is_refused_with_who_and_what(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, one = await w.take()
    _o, two = await w.take()
    batch = await w.accept("approve", one, two)
    await run(w.p, "hold", [two], {"reason": "x"}, "boris")
    report = await w.undo(batch.batch)
    assert report.done == [one]
    (refused,) = report.refused
    assert (refused.id, refused.code) == (two, "changed_since")
    assert "boris" in refused.reason
    assert "held" in refused.reason
    assert (await w.at(one), await w.at(two)) == ("review/open", "processing/open")


async def test_undo_of_printing_is_refused(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("to_print")
    batch = await w.accept("print", shipment)
    assert await w.undo_refusal(shipment, batch.batch) == "printed"


async def test_undo_of_what_was_sent_is_refused_and_does_not_reach_behind_it(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, other = await w.take()
    await w.accept("approve", other)
    _o, shipment = await w.take("to_print")
    batch = await w.accept("close", shipment)
    await w.work()
    assert await w.undo_refusal(shipment) == "already_sent"
    target = await target_of(w.p, "anna")
    assert not isinstance(target, Refused)
    assert target.name == batch.batch
    assert await w.at(other) == "processing/open"


async def test_undo_of_a_ship_whose_number_was_told_is_refused(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("printed")
    batch = await w.accept("ship", shipment)
    await w.work()
    assert await w.undo_refusal(shipment, batch.batch) == "changed_since"


async def test_undo_twice_is_refused_and_an_undo_is_not_undone(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take()
    batch = await w.accept("approve", shipment)
    undo = await w.undo()
    assert await w.undo_refusal(shipment, batch.batch) == "changed_since"
    assert isinstance(await target_of(w.p, "anna", undo.batch), Refused)
    assert isinstance(await target_of(w.p, "anna"), Refused)
    assert isinstance(await target_of(w.p, "boris"), Refused)


@pytest.mark.parametrize("command", ["split", "note", "customs", "keep"])
async def test_undo_of_what_has_an_opposite_is_refused(sqlite_world: Bench, command: str) -> None:
    w = sqlite_world
    order, shipment = await w.take("to_print" if command == "keep" else "processing", skus=["NB-A5", "PEN-07"])
    if command == "keep":
        await w.change(order, "address", address={"address_1": "ul. Inna 9"})
    line = (await w.shown(shipment))["lines"][0]["order_line_id"]
    arguments = {"split": {"lines": {str(line): 1}}, "note": {"text": "x"}, "customs": {"name_en": "x"}, "keep": {}}
    batch = await w.accept(command, shipment, **arguments[command])
    assert await w.undo_refusal(shipment, batch.batch) == "not_undoable"


async def test_undo_of_a_recall_is_refused(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, shipment = await w.take("shipped")
    batch = await w.accept("recall", shipment)
    assert await w.undo_refusal(shipment, batch.batch) == "not_undoable"


async def test_undo_does_not_take_stock_that_went_to_somebody_else(sqlite_world: Bench) -> None:
    w = sqlite_world
    await w.take()
    await w.stock(1)
    await w.setting(**GRACE)
    _o, shipment = await w.take("to_print")
    batch = await w.as_console("back", shipment)
    _o, other = await w.take("to_print")
    assert await w.at(other) == "to_print/in_stock"
    assert await w.undo_refusal(shipment, batch.batch) == "short"
    await w.healthy()


async def test_undo_does_not_bring_back_pieces_that_another_shipment_carries(sqlite_world: Bench) -> None:
    w = sqlite_world
    order, shipment = await w.take()
    batch = await w.accept("close", shipment)
    await w.change(order, "cancel")
    await w.change(order, "reopen")
    _old, fresh = await w.shipments(order)
    assert await w.at(fresh) == "review/open"
    assert await w.undo_refusal(shipment, batch.batch) == "lines_taken"
    await w.healthy()


async def test_undo_of_the_refused_rows_of_a_batch_does_nothing(sqlite_world: Bench) -> None:
    w = sqlite_world
    _o, good = await w.take()
    _o, bad = await w.take("processing")
    await w.do("approve", [good, bad])
    assert (await w.undo()).done == [good]
    assert await w.at(bad) == "processing/open"


async def test_a_merge_is_refused_with_the_way_back_not_with_a_defect_of_ours(sqlite_world: Bench) -> None:
    w = sqlite_world
    _orders, box = await w.box()
    assert await w.undo_refusal(box) == "not_undoable"
