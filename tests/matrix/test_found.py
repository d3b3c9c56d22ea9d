"""Defects that faults in pairs bring to light: a loss and a late arrival, a label and a look, a day without an end."""

from collections.abc import Iterator

import pytest

from tests.matrix.cells import BACK, NEITHER, NOTE, Cell, Shot, point
from tests.matrix.ground import Ground


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground("sqlite", tmp_path_factory.mktemp("ground"), lambda: "")
    made.do(made.open({"numbered": 2, "late:read_back": 1, "ready:neither": 1}))
    yield made
    made.do(made.close())
    made.runner.close()


async def _skip_to_next(g: Ground, shipment: int) -> None:
    due = await g.unsettled(shipment)
    assert due is not None
    g.time.to(due + 1)


def test_the_settle_time_counts_from_the_first_look_however_long_ago_the_process_died(ground: Ground) -> None:
    async def story(g: Ground) -> None:
        await g.begin_anew()
        (shipment,) = await g.take("numbered", 1)
        await g.command("push", [shipment])
        g.shop.strike("acts_late", NOTE)
        await g.workers[id(g.p)].tick_once()
        async with g.p.store.transaction() as tx:
            # As a process leaves it that dies before it writes down what happened.
            await tx.run(
                """UPDATE effect SET state = 'running', unknown_since = NULL, looks = 0, due_at = 0, fence = fence - 1
                   WHERE shipment_id = :s AND op = 'push'""",
                s=shipment,
            )
        g.time.to(g.time() + 600_000)
        began = g.time()
        while g.time() < began + 50_000:
            # Whatever it does within the settle time, it must not send again: the note is still on its way.
            await g.workers[id(g.q)].tick_once()
            await _skip_to_next(g, shipment)
            if g.time() > began + 50_000:
                break
        assert g.shop.admin("POST", "release") == {"acted": 1}
        while await g.unsettled(shipment) is not None:
            await g.workers[id(g.q)].tick_once()
            if await g.unsettled(shipment) is not None:
                await _skip_to_next(g, shipment)
        assert await g.check(Cell(point("early"), "", BACK, ""), shipment) == "done"

    ground.do(story(ground))


def test_a_number_is_kept_while_its_label_is_still_to_come(ground: Ground) -> None:
    async def story(g: Ground) -> None:
        await g.begin_anew()
        (shipment,) = await g.take("ready:neither", 1)
        await g.command("waybill", [shipment])
        carrier = g.carriers[NEITHER]
        carrier.strike("cut_after", Shot("GET", "/label"))
        await g.workers[id(g.p)].tick_once()
        carrier.calm()
        (waybill,) = await g.fetch("SELECT * FROM waybill WHERE shipment_id = :s", s=shipment)
        (there,) = carrier.admin("GET", "waybills", {"references": [waybill["reference"]]})
        assert (waybill["state"], [waybill["number"]]) == ("waiting", there["numbers"])
        assert waybill["cost_minor"] > 0
        await _skip_to_next(g, shipment)
        await g.workers[id(g.p)].tick_once()
        (after,) = await g.fetch("SELECT * FROM waybill WHERE shipment_id = :s", s=shipment)
        assert (after["state"], after["cost_minor"]) == ("obtained", waybill["cost_minor"])
        assert await g.check(Cell(point("label"), "", NEITHER, ""), shipment) == "done"

    ground.do(story(ground))


def test_what_was_accepted_and_is_never_found_again_is_parked_after_a_day(ground: Ground) -> None:
    async def story(g: Ground) -> None:
        await g.begin_anew()
        (shipment,) = await g.take("late:read_back", 1)
        await g.command("waybill", [shipment])
        await g.workers[id(g.p)].tick_once()
        (effect,) = [e for e in await g.effects(shipment) if e["op"] == "request_waybill"]
        assert effect["code"] == "accepted"
        twin = g.carriers[BACK].service
        twin._waybills.clear()  # type: ignore[attr-defined]
        g.time.to(effect["created_at"] + 25 * 3_600_000)
        await g.workers[id(g.p)].tick_once()
        (effect,) = [e for e in await g.effects(shipment) if e["op"] == "request_waybill"]
        assert (effect["state"], effect["code"]) == ("parked", "number_late")
        assert await g.value("SELECT status FROM shipment WHERE id = :s", s=shipment) == "unknown"

    ground.do(story(ground))
