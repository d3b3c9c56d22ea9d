"""A defect of ours after something was sent must look like an unknown outcome, never like "nothing was done"."""

from typing import Any

from connectors.carriers.simulated import SimulatedCarrier
from tests.pipeline.conftest import Bench


async def test_a_key_error_after_the_request_was_sent_is_unknown_and_read_back(
    sqlite_world: Bench, monkeypatch: Any
) -> None:
    w = sqlite_world
    _order, shipment = await w.take("processing")
    await w.do("assign", [shipment], service_id=await w.service("SIM-STD"))
    await w.do("waybill", [shipment])
    create, asked = SimulatedCarrier.create, []

    async def broken(self: SimulatedCarrier, request: Any) -> Any:
        asked.append(request.reference)
        await create(self, request)
        raise KeyError("a defect")

    monkeypatch.setattr(SimulatedCarrier, "create", broken)
    await w.work()
    assert len(asked) == 1
    kinds = [e["kind"] for e in (await w.shown(shipment))["events"]]
    assert "waybill_unknown" in kinds
    assert (await w.shown(shipment))["waybill"] != ""
