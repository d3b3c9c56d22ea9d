"""A second copy that fails does not take the first one off the paper."""

import shutil

from tests.conftest import World


async def test_a_refused_reprint_leaves_the_earlier_copy_where_it_is(world: World) -> None:
    order = world.order(customer_note="")
    await world.sync()
    shipment = await world.shipment_of(order)
    await world.to_stage(shipment, "printed", service="OWN")
    before = (await world.shown(shipment))["printed"]
    assert before in {"sent", "confirmed"}
    shutil.rmtree(world.folder)
    report = await world.do("print", [shipment], reprint="torn")
    assert not report.refused
    await world.work()
    shown = await world.shown(shipment)
    assert "print_refused" in [e["kind"] for e in shown["events"]]
    assert shown["printed"] in {"sent", "confirmed"}, "the first copy is still on paper"
    world.folder.mkdir()
    report = await world.do("ship", [shipment])
    assert not report.refused, report
