"""A shop twin's orders, and a database to which that shop is bound: what ingest, sync and push begin with."""

import contextlib
from collections.abc import Iterator
from typing import Any

from connectors.shops.woocommerce import Reading
from connectors.simulated.launch import Twin
from connectors.simulated.woocommerce import WooCommerceTwin, WooOptions
from connectors.simulated.world import WorldConfig
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.worker import sync_now
from store.place import Place

SEED = 11


def wires(orders: int) -> list[bytes]:
    """The JSON of so many plain orders as the shop sends them, in the order of their last change."""
    twin = WooCommerceTwin(WooOptions(world=WorldConfig(orders=orders, plain=True, seed=SEED)))
    return [row.wire for row in sorted(twin.world.rows.values(), key=lambda r: (r.modified, r.id))]


async def bound(place: Place, shop: Twin, **settings: str) -> tuple[Pipeline, int]:
    """A pipeline over a database (a new one where there is none) with the shop bound and its products read."""
    p = await Pipeline.open(place, worker=True)
    keys = {k: str(shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
    fields = {"url": shop.url, "parallel": "4", **settings}
    made = await setup.add_shop(p, "woocommerce", "Bench", fields, keys)
    if isinstance(made, Refused):
        raise RuntimeError(made.message)
    await sync_now(p, made.id, ("products",))
    return p, made.id


@contextlib.contextmanager
def empty_shop() -> Iterator[Twin]:
    """The shop without orders, for binding and products."""
    with Twin("woocommerce", orders=0, plain=True, seed=SEED) as shop:
        yield shop


async def reading_of(p: Pipeline, shop_id: int) -> Reading:
    """How the bound shop's orders are parsed."""
    connector: Any = await p.shop(shop_id)
    reading: Reading = connector._reading
    return reading
