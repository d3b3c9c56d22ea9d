"""Reading open orders again by their ids: what no list of changes shows.

A platform's list of changes knows nothing of an order that was deleted for good, nor of one that somebody changed in the
database behind it; a proof of the last days does not reach back to old orders. Once a night every order that is still to be
shipped is read by its id, and only the platform's own answer to that id makes it deleted.
"""

from collections.abc import Sequence

from connectors.contract import Gone
from pipeline.base import Pipeline
from pipeline.steps import step
from pipeline.sync import OrderSync, policy_of, take_gone
from store import accounts, proofs, submissions
from store.database import Tx, chunks

MOST = 100
"""Orders per read, as many as a page of any platform holds."""


async def read_again(p: Pipeline, shop_id: int, fence: int) -> int:
    """Read a shop's open orders as they stand and take them over; returns how many there were.

    Raises `WireError` where the platform cannot be read: what was taken over until then is kept.
    """
    connector = await p.shop(shop_id)
    taking = OrderSync(p, shop_id, f"shop:{shop_id}", fence)
    async with p.store.reading() as tx:
        row = await accounts.shop(tx, shop_id)
        open_ = await submissions.open_orders(tx, shop_id)
    shop = p.shop_facts(row)
    policy = policy_of(shop, row.currency, row.connected_at)
    for ids in chunks(open_, MOST):
        found = await connector.read_orders(ids)
        await taking.take_over(shop, policy, connector, [one for one in found if not isinstance(one, Gone)])
        gone = [one.platform_order_id for one in found if isinstance(one, Gone)]

        async def work(tx: Tx, gone: Sequence[str] = gone) -> None:
            await taking.check_lease(tx)
            await take_gone(p, tx, list((await proofs.books(tx, shop_id, gone)).held.values()))

        if gone:
            await p.store.retrying(work)
        step("rereading.kept")
    return len(open_)
