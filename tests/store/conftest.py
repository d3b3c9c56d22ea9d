"""Books without a shop behind them: a database per engine and module, and orders written straight into it."""

import warnings
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest

from domain.capabilities import Service
from domain.enums import Stage, Status
from domain.facts import ShipmentFacts
from domain.records import Product
from domain.results import Refused
from pipeline import stocktaking
from pipeline.base import Pipeline
from store import accounts, catalogue, intake
from store import tables as t
from store.database import Tx
from store.doctor import Finding, examine
from store.intake import Incoming
from store.place import Place, find
from store.shipments import load_facts
from tests.conftest import copied, database_on, sqlite_at
from tests.domain.orders import a_line, an_order

_numbers = count(1)


class Books:
    """A shop with nothing behind it, goods, orders and shipments; what tests of the store need."""

    def __init__(self, p: Pipeline) -> None:
        self.p = p
        self.shop_id = self.carrier_id = self.service_id = 0

    async def open(self) -> None:
        """Make a shop and a carrier of this test's own."""
        number = next(_numbers)
        async with self.p.store.transaction() as tx:
            await accounts.install_code(tx)
            await accounts.default_warehouse(tx)
            self.shop_id = await accounts.add_shop(
                tx, "woocommerce", f"shop {number}", {"check_before_ship": False}, title="", zone="UTC", currency="PLN"
            )
            self.carrier_id = await accounts.add_carrier(tx, "pool", f"carrier {number}", {"carrier_name": "Own"})
            await accounts.set_services(tx, self.carrier_id, [Service("OWN", "Own")])
            await accounts.update(tx, "carrier", self.carrier_id, {"checked_at": tx.now})
            self.service_id = await tx.value("SELECT id FROM service WHERE carrier_id = :c", c=self.carrier_id)

    async def goods(self, pieces: int | None = None) -> str:
        """A product of its own; its SKU. With `pieces` it is tracked and that many are on hand."""
        sku = f"SKU-{next(_numbers)}"
        async with self.p.store.transaction() as tx:
            await catalogue.keep_products(tx, self.shop_id, [Product(sku, "", sku, sku=sku)], "sku")
        if pieces is not None:
            await self.stock(sku, "count", pieces)
        return sku

    async def stock(self, sku: str, how: str, pieces: int) -> dict[str, Any]:
        """Receive, adjust or count; must be done."""
        answer = await stocktaking.change(self.p, sku, how, pieces, "anna")
        assert not isinstance(answer, Refused), answer
        return answer

    async def balance(self, sku: str) -> tuple[int, int]:
        """(on hand, reserved)."""
        (row,) = await stocktaking.listing(self.p, sku)
        return row["on_hand"], row["reserved"]

    async def order(self, *skus: str, pieces: int = 1) -> int:
        """A paid order of some goods; the id of its shipment, in review."""
        number = str(next(_numbers))
        lines = tuple(
            a_line(n + 1, quantity=pieces, sku=sku, platform_product_id=sku)
            for n, sku in enumerate(skus or (await self.goods(),))
        )
        async with self.p.store.transaction() as tx:
            row = await tx.row("SELECT * FROM shop WHERE id = :id", id=self.shop_id)
            item = Incoming(an_order(platform_order_id=number, number=number, lines=lines), b"{}", b"0" * 16)
            shop = self.p.shop_facts(row)
            await intake.insert_orders(tx, shop, [intake.draft(shop, item, False)])
            return int(
                await tx.value(
                    """SELECT su.shipment_id FROM submission su JOIN orders o ON o.id = su.order_id
                       WHERE o.shop_id = :s AND o.platform_order_id = :o""",
                    s=self.shop_id,
                    o=number,
                )
            )

    async def numbered(self, *skus: str, pieces: int = 1) -> int:
        """A shipment that has its number and waits to be moved to print."""
        shipment = await self.order(*skus, pieces=pieces)
        async with self.p.store.transaction() as tx:
            await self.put(tx, shipment, Stage.WAYBILL, Status.OBTAINED)
            await tx.insert(t.waybill, [self.waybill(shipment, state="obtained", number=f"N{shipment}")])
        return shipment

    async def put(self, tx: Tx, shipment: int, stage: Stage, status: Status) -> None:
        """Put a shipment somewhere, whatever it is."""
        await tx.run(
            "UPDATE shipment SET stage = :stage, status = :status, service_id = :service WHERE id = :id",
            stage=int(stage),
            status=status.value,
            service=self.service_id,
            id=shipment,
        )

    def waybill(self, shipment: int, generation: int = 1, **values: Any) -> dict[str, Any]:
        """A row of a waybill."""
        return {
            "shipment_id": shipment,
            "generation": generation,
            "carrier_id": self.carrier_id,
            "service_id": self.service_id,
            "reference": f"{shipment}-{generation}",
            "requested_at": 1,
            **values,
        }

    async def facts(self, *shipments: int) -> list[ShipmentFacts]:
        """Facts as decisions see them, in the order asked."""
        async with self.p.store.transaction() as tx:
            d = await self.p.directory(tx)
            found = await load_facts(tx, shipments, d.shops, d.services, default_warehouse=d.warehouse_id)
        return [found[s] for s in shipments]

    async def fetch(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Rows of any query."""
        async with self.p.store.reading() as tx:
            return [row._asdict() for row in await tx.rows(sql, **params)]

    async def value(self, sql: str, **params: Any) -> Any:
        """The first value of a query."""
        async with self.p.store.reading() as tx:
            return await tx.value(sql, **params)

    async def findings(self) -> list[Finding]:
        """What the doctor says."""
        async with self.p.store.reading() as tx:
            return await examine(tx)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A database on each engine in turn, shared by a module: every test has a shop and goods of its own."""
    home = tmp_path_factory.mktemp("books")
    if request.param == "sqlite":
        return copied(request.getfixturevalue("new_sqlite"), sqlite_at(home))
    url = request.getfixturevalue("postgresql_url")
    return find(database_on(url, home, request.getfixturevalue("new_postgresql")), home / "key")


@pytest.fixture
async def books(shared_place: Place) -> AsyncIterator[Books]:
    """Books on each engine in turn."""
    made = Books(await Pipeline.open(shared_place))
    await made.open()
    yield made
    await made.p.aclose()


@pytest.fixture
async def second(shared_place: Place) -> AsyncIterator[Pipeline]:
    """Another machine on the same database."""
    pipeline = await Pipeline.open(shared_place)
    yield pipeline
    await pipeline.aclose()


def differences(connection: Any) -> list[Any]:
    """How a database differs from the tables of the code, as alembic sees it.

    The index over names is left out: on SQLite it is a kind of table, on PostgreSQL an index over a function, and alembic
    knows neither.
    """
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = compare_metadata(MigrationContext.configure(connection), t.metadata)
    return [d for d in found if "buyer_words" not in getattr(d[1], "name", "")]
