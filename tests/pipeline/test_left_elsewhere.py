"""Pieces that the platform says have left by other hands are never sent from here as well."""

import itertools
from decimal import Decimal

import msgspec
import pytest

from connectors.contract import Parsed
from pipeline.sync import OrderSync
from tests.pipeline.conftest import Bench

LATER = itertools.count(1_000, 1_000)


async def left(world: Bench, order: int, pieces: int) -> None:
    """The platform's next version of an order calls so many pieces of its line fulfilled."""
    connector = await world.p.shop(world.shop_id)
    (found,) = await connector.read_orders([str(order)])
    assert isinstance(found, Parsed)
    (line,) = found.order.lines
    changed = msgspec.structs.replace(
        found.order,
        lines=(msgspec.structs.replace(line, fulfilled=Decimal(pieces)),),
        updated_at=found.order.updated_at + next(LATER),
    )
    shop, policy = await world.policy()
    await OrderSync(world.p, world.shop_id).take_over(shop, policy, connector, [Parsed(changed, found.raw)])


async def pieces(world: Bench, shipment: int) -> int:
    return sum((await world.pieces(shipment)).values())


async def test_in_review_what_left_elsewhere_is_taken_off(either_world: Bench) -> None:
    world = either_world
    order, shipment = await world.take(skus=[("NB-A5", 3)])
    await left(world, order, 1)
    assert await pieces(world, shipment) == 2
    await left(world, order, 1)
    assert await pieces(world, shipment) == 2
    await left(world, order, 3)
    assert await world.at(shipment) == "closed/empty"
    await world.healthy()


async def test_pieces_that_did_not_leave_after_all_are_to_be_sent_again(sqlite_world: Bench) -> None:
    world = sqlite_world
    order, shipment = await world.take(skus=[("NB-A5", 3)])
    await left(world, order, 2)
    assert await pieces(world, shipment) == 1
    await left(world, order, 0)
    assert await pieces(world, shipment) == 3


@pytest.mark.parametrize("stage", ["to_print", "printed"])
async def test_under_a_label_it_stops_the_shipment_until_a_person_decides(sqlite_world: Bench, stage: str) -> None:
    world = sqlite_world
    order, shipment = await world.take(stage, skus=[("NB-A5", 3)])
    await left(world, order, 1)
    assert await world.refusal("ship", shipment) == "lines_changed"
    await world.accept("keep", shipment)
    await left(world, order, 2)
    assert await world.refusal("ship", shipment) == "lines_changed", "one more left since it was decided"


async def test_what_left_from_here_stops_nothing(sqlite_world: Bench) -> None:
    world = sqlite_world
    order, shipment = await world.take("processing", skus=[("NB-A5", 3)])
    (line,) = await world.fetch("SELECT order_line_id AS id FROM shipment_line WHERE shipment_id = :s", s=shipment)
    await world.accept("split", shipment, lines={str(line["id"]): 1})
    small = await world.value("SELECT max(id) FROM shipment")
    other = shipment
    assert (await pieces(world, small), await pieces(world, other)) == (1, 2)
    await world.accept("assign", small, service_id=await world.service("SIM-STD"))
    await world.accept("waybill", small)
    await world.work()
    await world.to_stage_from_print(small)
    assert (await world.at(small)).startswith("shipped/")
    await left(world, order, 1)
    assert await pieces(world, other) == 2
    await left(world, order, 2)
    assert await pieces(world, other) == 1
