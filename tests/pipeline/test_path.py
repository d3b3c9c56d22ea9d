"""The main path, one order from the shop to shipped, on both engines."""

from tests.conftest import World


async def test_one_order_goes_from_the_shop_to_shipped_and_back_to_the_platform(world: World) -> None:
    order = world.order()
    await world.sync()
    shipment = await world.shipment_of(order)
    assert (await world.shown(shipment))["stage"] == "review"
    await world.to_stage(shipment, "shipped")
    shown = await world.shown(shipment)
    assert (shown["stage"], shown["status"]) == ("shipped", "succeeded")
    there = world.there(order)
    assert there["times_completed"] == 1
    assert [t["number"] for t in there["tracking"] if "note_id" in t] == [shown["waybill"]]
    assert len(list(world.folder.glob("*.pdf"))) == 1
