"""An empty simulated shop, bound to an empty database: what the tests of importing begin with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from store.place import Place
from tests.conftest import World


async def at_once(_seconds: float) -> None:
    """What waits between two attempts in these tests: nothing."""
    await asyncio.sleep(0)


def emptied(twin: Twin) -> Twin:
    """A shared twin without the orders and faults of the test before."""
    twin.admin("POST", "faults", {"rate": 0, "retry_after_s": 0})
    for order in twin.admin("GET", "orders"):
        twin.admin("POST", "change", {"order": order["id"], "change": "delete"})
    return twin


class Shop(World):
    """A bound shop and its twin, with the questions that tests of importing ask."""

    def make(self, *orders: dict[str, Any]) -> list[int]:
        """Orders in the shop; returns their platform ids."""
        made: list[int] = self.shop.admin("POST", "orders", {"orders": list(orders)})
        return made

    def change(self, order: int, what: str, **how: Any) -> None:
        """Be the merchant or the buyer (see the twin's back door)."""
        self.shop.admin("POST", "change", {"order": order, "change": what, **how})

    async def configure(self, **settings: str) -> None:
        """Change settings of the shop."""
        answer = await setup.set_shop(self.p, self.shop_id, settings, {})
        assert not isinstance(answer, Refused), answer

    async def imported(self) -> set[int]:
        """Platform ids of the orders that are in."""
        return {int(r["id"]) for r in await self.fetch("SELECT platform_order_id AS id FROM orders")}

    async def left_out(self) -> dict[int, str]:
        """Platform id → reason of the orders that the shop's rules leave out."""
        rows = await self.fetch("SELECT platform_order_id AS id, reason FROM left_out")
        return {int(r["id"]): r["reason"] for r in rows}

    async def abnormal(self, state: str = "open") -> dict[int, str]:
        """Platform id → code of the abnormal orders in a state."""
        rows = await self.fetch("SELECT platform_order_id AS id, code FROM abnormal WHERE state = :s", s=state)
        return {int(r["id"]): r["code"] for r in rows}

    async def stored(self, order: int) -> dict[str, Any]:
        """The row of an order."""
        return (await self.fetch("SELECT * FROM orders WHERE platform_order_id = :o", o=str(order)))[0]

    async def lines(self, order: int) -> list[dict[str, Any]]:
        """The lines of an order, in the platform's order."""
        return await self.fetch(
            """SELECT ol.* FROM order_line ol JOIN orders o ON o.id = ol.order_id
               WHERE o.platform_order_id = :o ORDER BY ol.position, ol.id""",
            o=str(order),
        )

    async def notes(self, order: int, kind: str) -> list[str]:
        """Texts of one kind of note of an order, oldest first."""
        rows = await self.fetch(
            """SELECT n.text FROM note n JOIN orders o ON o.id = n.order_id
               WHERE o.platform_order_id = :o AND n.kind = :k ORDER BY n.id""",
            o=str(order),
            k=kind,
        )
        return [r["text"] for r in rows]

    async def rows_of(self, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
        """Everything in some tables, to see whether anything moved."""
        return {
            t: sorted((tuple(r.values()) for r in await self.fetch(f"SELECT * FROM {t}")), key=repr) for t in tables
        }


@asynccontextmanager
async def bound(place: Place, twin: Twin, folder: Path, **settings: str) -> AsyncIterator[Shop]:
    """A database with one shop, that of the twin."""
    p = await Pipeline.open(place)
    p.sleep = at_once
    made = Shop(p, twin, None, folder)
    try:
        await made.bind(**settings)
        yield made
    finally:
        await p.aclose()


@pytest.fixture
async def unbound(sqlite_place: Place, shop_twin: Twin, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop without orders and an empty SQLite database that knows nothing of it yet."""
    p = await Pipeline.open(sqlite_place)
    p.sleep = at_once
    yield Shop(p, emptied(shop_twin), None, tmp_path / "papers")
    await p.aclose()


@pytest.fixture
async def shop(sqlite_place: Place, shop_twin: Twin, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop without orders, bound to an empty SQLite database."""
    async with bound(sqlite_place, emptied(shop_twin), tmp_path / "papers") as made:
        yield made


@pytest.fixture
async def shop_on_each(place: Place, shop_twin: Twin, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop without orders, bound to an empty database of each engine in turn."""
    async with bound(place, emptied(shop_twin), tmp_path / "papers") as made:
        yield made
