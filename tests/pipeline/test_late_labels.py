"""A number is there and its label is not: how soon it is asked for again."""

from pipeline.worker import Worker
from tests.pipeline.conftest import Bench


async def test_a_label_is_asked_for_soon_however_often_its_number_was_asked_for(sqlite_world: Bench) -> None:
    world = sqlite_world
    _order, shipment = await world.take("processing")
    service = await world.service("SIM-LATE")
    assert not (await world.do("assign", [shipment], service_id=service)).refused
    assert not (await world.do("waybill", [shipment])).refused
    assert world.carrier is not None
    world.carrier.fail_next("http_502", "GET", "/label", times=6)
    waits = []
    for _visit in range(8):
        await Worker(world.p).tick_once()
        (effect,) = await world.fetch("SELECT id, state, due_at, attempts FROM effect WHERE op = 'request_waybill'")
        if effect["state"] != "queued":
            break
        if await world.value("SELECT number FROM waybill WHERE shipment_id = :s", s=shipment):
            waits.append(effect["due_at"] - world.p.clock())
        async with world.p.store.transaction() as tx:
            await tx.run("UPDATE effect SET due_at = 0 WHERE id = :i", i=effect["id"])
            # The number has been asked for many times before it came.
            await tx.run("UPDATE effect SET attempts = attempts + 3 WHERE id = :i", i=effect["id"])
    assert effect["state"] == "done"
    assert len(waits) == 2
    assert max(waits) <= 5_000
    numbered_at = await world.value("SELECT obtained_at FROM waybill WHERE shipment_id = :s", s=shipment)
    assert numbered_at < await world.value("SELECT ended_at FROM effect WHERE op = 'request_waybill'")
