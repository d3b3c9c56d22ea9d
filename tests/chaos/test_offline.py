"""The network is gone: a short form of `python -m tests.chaos --offline`, and who may ship without having read."""

from pathlib import Path

from domain.clock import MINUTE
from pipeline import setup
from tests.chaos.offline import Offline
from tests.conftest import World


async def test_four_hours_without_a_network_stop_nobody_and_everything_is_told_once_afterwards(tmp_path: Path) -> None:
    found = await Offline(60, tmp_path, 20 * MINUTE).run()
    assert found["differences"] == []
    assert found["unchecked"] == 54
    assert found["calls"] > 54


CASES = (
    ("unreachable", True, MINUTE, "pushing"),
    ("timeout", True, MINUTE, "pushing"),
    # A key that is refused says nothing about the network, and what is tried again now is asked.
    ("unauthorised", True, MINUTE, "checking"),
    ("unreachable", True, -1, "checking"),
    ("unreachable", False, MINUTE, "checking"),
)
"""Why the shop is left alone, whether it allows to go unchecked, for how long it is left alone; where its parcel is then."""


async def test_what_a_silent_shop_allows_to_go_unchecked_goes_without_asking_it_for_each_parcel(world: World) -> None:
    made = [world.order(customer_note="") for _case in CASES]
    await world.sync()
    for order, (code, allowed, left_alone_ms, status) in zip(made, CASES, strict=True):
        shipment = await world.shipment_of(order)
        await world.to_stage(shipment, "printed", "OWN")
        await setup.set_shop(world.p, world.shop_id, {"ship_unchecked": "yes" if allowed else "no"}, {})
        async with world.p.store.transaction() as tx:
            await tx.run("DELETE FROM account_health")
            await tx.run(
                """INSERT INTO account_health (account, fails, retry_at, paused_code, message)
                   VALUES (:a, 6, :retry, :code, '')""",
                a=f"shop:{world.shop_id}",
                retry=tx.now + left_alone_ms,
                code=code,
            )
        report = await world.do("ship", [shipment])
        assert not report.refused, report
        shown = await world.shown(shipment)
        (event,) = [e for e in shown["events"] if e["kind"] in {"shipped", "ship_checking"}]
        unchecked = status == "pushing"
        assert (shown["status"], event["kind"]) == (status, "shipped" if unchecked else "ship_checking"), code
        assert ("unchecked" in event["data"]) is unchecked
        async with world.p.store.transaction() as tx:
            await tx.run("DELETE FROM account_health")
