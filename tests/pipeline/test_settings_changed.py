"""Settings that change while a worker acts for an account change the connector under it, and nothing it may do."""

from pipeline import setup
from tests.pipeline.conftest import Bench


async def test_a_connector_made_anew_still_asks_the_lease_of_who_acts_through_it(sqlite_world: Bench) -> None:
    world = sqlite_world
    account = f"shop:{world.shop_id}"
    await world.p.ensure(account)
    first = world.p.http_of(account)
    assert first is not None

    def held() -> bool:
        return False

    first.may_send = held
    assert isinstance(await setup.set_shop(world.p, world.shop_id, {"timeout_s": "3"}, {}), dict)
    world.p.forget(account)
    await world.p.ensure(account)
    second = world.p.http_of(account)
    assert second is not None
    assert second is not first
    assert second.may_send is held
