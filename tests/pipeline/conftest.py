"""A set-up database, made once per module and copied for each test: a shop, carriers and a printer cost nothing then."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, structs

from connectors.contract import Parsed
from connectors.simulated.launch import Twin
from domain.capabilities import ShopCapabilities
from domain.enums import Flag
from domain.facts import ShopFacts
from domain.imports import ImportPolicy
from domain.records import Order
from domain.results import Refused
from pipeline import stocktaking
from pipeline.base import Pipeline
from pipeline.commands import Report, run
from pipeline.sync import OrderSync, arrivals, policy_of, take_over_chunk
from pipeline.undo import target_of
from pipeline.worker import Worker, sync_now
from store import batches
from store.database import as_json, from_json
from store.doctor import examine
from store.place import Place, find
from tests.conftest import World, apart, copied, database_on, name_of, sqlite_at

LATER = 10_000_000_000_000
"""Far in the future: no recurring sync runs unless a test asks for it."""

HOME = {
    "first_name": "Ada",
    "last_name": "Nowak",
    "company": "",
    "address_1": "ul. Zeszytowa 5",
    "address_2": "",
    "city": "Poznań",
    "state": "",
    "postcode": "60-101",
    "country": "PL",
}


class Bench(World):
    """A world whose orders are plain, whose syncs happen when asked for, and whose books can be looked at."""

    install: str
    """What the references at the carrier begin with."""

    @staticmethod
    def plain(**order: Any) -> dict[str, Any]:
        """An order of one NB-A5 to Ada Nowak, without a note; `skus` names other goods (one piece each, or (sku, n))."""
        lines = [
            {"sku": s, "quantity": 1} if isinstance(s, str) else {"sku": s[0], "quantity": s[1]}
            for s in order.pop("skus", ["NB-A5"])
        ]
        # Goods alone are never the whole of an order's amount, so that no refund of them ends the order.
        carriage = {"id": 1, "method_id": "flat_rate", "method_title": "Kurier", "total": "14.99", "total_tax": "3.45"}
        return {
            **({} if "case" in order else {"shipping_lines": [{**carriage, "taxes": [], "meta_data": []}]}),
            "line_items": lines,
            "customer_note": "",
            "billing": {**HOME, "phone": "+48 600 100 200", "email": "ada@example.test"},
            "shipping": {**HOME, "phone": "+48 600 100 200"},
            **order,
        }

    async def take(self, stage: str = "review", *, service: str = "SIM-STD", **order: Any) -> tuple[int, int]:
        """One fresh order brought to a stage: (platform order id, shipment id). By default one NB-A5 to Ada Nowak."""
        made = self.order(**self.plain(**order))
        await self.read(made)
        shipment = await self.shipment_of(made)
        if stage != "review":
            await self.to_stage(shipment, stage, service)
        return made, shipment

    async def change(self, order: int, what: str, **more: Any) -> None:
        """Be the merchant or the buyer on the platform, then read the order."""
        self.shop.admin("POST", "change", {"order": order, "change": what, **more})
        await self.read(order)

    async def read(self, order: int) -> None:
        """Sync this one order, so that a test pays nothing for the orders of the others."""
        await self.read_all([order])

    async def read_all(self, orders: Sequence[int]) -> None:
        """Sync these orders."""
        connector = await self.p.shop(self.shop_id)
        found = await connector.read_orders([str(o) for o in orders])
        shop, policy = await self.policy()
        await OrderSync(self.p, self.shop_id).take_over(
            shop, policy, connector, [f for f in found if isinstance(f, Parsed)]
        )

    async def to_stage_from_print(self, shipment: int) -> None:
        """Print and ship what is to print, in stock."""
        for command in ("print", "ship"):
            await self.accept(command, shipment)
            await self.work()

    async def policy(self) -> tuple[ShopFacts, ImportPolicy]:
        """The shop with its import policy."""
        async with self.p.store.reading() as tx:
            row = await tx.row("SELECT * FROM shop WHERE id = :id", id=self.shop_id)
        assert row is not None
        shop = self.p.shop_facts(row)
        return shop, policy_of(shop, row.currency, row.connected_at)

    async def stock(self, pieces: int, sku: str = "NB-A5", how: str = "receive") -> dict[str, Any]:
        """Receive, adjust or count pieces."""
        answer = await stocktaking.change(self.p, sku, how, pieces, "anna")
        assert not isinstance(answer, Refused), answer
        return answer

    async def on_hand(self, sku: str = "NB-A5") -> tuple[int, int]:
        """(on hand, reserved) of a SKU."""
        (row,) = await stocktaking.listing(self.p, sku)
        return row["on_hand"], row["reserved"]

    async def at(self, shipment: int) -> str:
        """Where a shipment is, as `stage/status`."""
        shown = await self.shown(shipment)
        return f"{shown['stage']}/{shown['status']}"

    async def flags(self, shipment: int) -> Flag:
        """The flags of a shipment."""
        return Flag(await self.value("SELECT flags FROM shipment WHERE id = :id", id=shipment))

    async def history(self, shipment: int) -> list[str]:
        """Kinds of events of a shipment (its orders' included), oldest first."""
        return [e["kind"] for e in (await self.shown(shipment))["events"]]

    async def refusal(self, command: str, shipment: int, **arguments: Any) -> str:
        """Run a command that must be refused, and must change nothing; returns the reason code."""
        before = await self.snapshot(shipment)
        report = await self.do(command, [shipment], **arguments)
        assert not report.done, report
        assert await self.snapshot(shipment) == before
        assert report.refused[0].reason
        return report.refused[0].code

    async def accept(self, command: str, *shipments: int, **arguments: Any) -> Report:
        """Run a command that must be done for every shipment."""
        report = await self.do(command, list(shipments), **arguments)
        assert not report.refused, report
        return report

    async def as_console(self, command: str, *shipments: int, **arguments: Any) -> Report:
        """Run a command as the console does: what it sends falls due after the shop's grace."""
        report = await run(self.p, command, list(shipments), arguments, "anna", source="console")
        assert not report.refused, report
        return report

    async def snapshot(self, shipment: int) -> list[Any]:
        """Everything a command could change about a shipment."""
        key = {"s": shipment}
        row = await self.fetch("SELECT * FROM shipment WHERE id = :s", **key)
        return [
            row,
            await self.fetch("SELECT * FROM shipment_line WHERE shipment_id = :s ORDER BY order_line_id", **key),
            await self.fetch("SELECT * FROM allocation WHERE shipment_id = :s ORDER BY variant_id", **key),
            await self.fetch("SELECT id, state FROM effect WHERE shipment_id = :s ORDER BY id", **key),
            await self.fetch("SELECT id, state FROM waybill WHERE shipment_id = :s ORDER BY id", **key),
            await self.fetch("SELECT * FROM submission WHERE shipment_id = :s ORDER BY order_id", **key),
        ]

    async def waybills(self, shipment: int) -> list[str]:
        """States of every generation of a shipment's waybill, oldest first."""
        return [w["state"] for w in (await self.shown(shipment))["waybills"]]

    async def effects(self, shipment: int, op: str) -> list[str]:
        """States of the effects of a kind, oldest first."""
        return [e["state"] for e in (await self.shown(shipment))["effects"] if e["op"] == op]

    async def make_due(self) -> None:
        """Let the grace (and every other wait) of queued effects be over."""
        async with self.p.store.transaction() as tx:
            await tx.run("UPDATE effect SET due_at = 0 WHERE state IN ('queued', 'unknown')")

    async def setting(self, **values: Any) -> None:
        """Change settings of the shop."""
        async with self.p.store.transaction() as tx:
            row = await tx.row("SELECT settings FROM shop WHERE id = :id", id=self.shop_id)
            assert row is not None
            await tx.run(
                "UPDATE shop SET settings = :s WHERE id = :id",
                s=as_json({**from_json(row.settings), **values}),
                id=self.shop_id,
            )

    def asked(self, shipment: int) -> list[dict[str, Any]]:
        """What the carrier has been asked about a shipment, by reference: generation 1 first."""
        assert self.carrier is not None
        mark = f"{self.install}-K{shipment:06d}"
        return [w for w in self.carrier.admin("GET", "waybills") if w["reference"].split("R")[0] == mark]

    async def box(self, stage: str = "review", **second: Any) -> tuple[tuple[int, int], int]:
        """Two orders of one buyer merged into one box, brought to a stage: ((first, second) order, shipment)."""
        one, target = await self.take()
        two, other = await self.take(**{"skus": ["PEN-07"], **second})
        await self.accept("merge", target, other)
        if stage != "review":
            await self.to_stage(target, stage)
        return (one, two), target

    async def shipments(self, order: int) -> list[int]:
        """Every shipment a platform order ever had, oldest first."""
        rows = await self.fetch(
            """SELECT su.shipment_id AS id FROM submission su JOIN orders o ON o.id = su.order_id
               WHERE o.platform_order_id = :o ORDER BY su.shipment_id""",
            o=str(order),
        )
        return [int(r["id"]) for r in rows]

    async def hold_still(self) -> None:
        """Let a worker look once at what is due, and go on with none of what it must keep back."""
        worker = Worker(self.p)
        assert not await worker.tick()
        # Nor does it wait for what only a person can set free.
        await asyncio.wait_for(Worker(self.p).run(until_idle=True), 20)

    async def id_of(self, order: int) -> int:
        """Our id of a platform order."""
        return int(await self.value("SELECT id FROM orders WHERE platform_order_id = :o", o=str(order)))

    async def pieces(self, shipment: int) -> dict[str, int]:
        """SKU → pieces in a shipment."""
        return {line["sku"]: line["quantity"] for line in (await self.shown(shipment))["lines"]}

    async def answer(self, shipment: int) -> None:
        """The carrier gives the number it was asked for long ago."""
        assert self.carrier is not None
        self.carrier.admin("POST", "number", {"references": [self.asked(shipment)[-1]["reference"]]})
        await self.make_due()
        await self.work()

    async def undo(self, batch: str = "") -> Report:
        """Take a batch back (by default anna's last)."""
        target = await target_of(self.p, "anna", batch)
        assert not isinstance(target, Refused), target
        async with self.p.store.reading() as tx:
            ids = [r.shipment_id for r in await batches.results(tx, target.id) if r.outcome == "done"]
        return await self.do("undo", ids, batch_id=target.id)

    async def undo_refusal(self, shipment: int, batch: str = "") -> str:
        """Take a batch back that must be refused, and must change nothing; returns the reason code."""
        before = await self.snapshot(shipment)
        report = await self.undo(batch)
        assert not report.done, report
        assert await self.snapshot(shipment) == before
        return report.refused[0].code

    async def platform_says(self, order: int, **values: Any) -> None:
        """Take a newer version of an order over, with whatever a platform other than WooCommerce could say."""
        connector = await self.p.shop(self.shop_id)
        (found,) = await connector.read_orders([str(order)])
        assert isinstance(found, Parsed)
        stored = await self.value("SELECT updated_at FROM orders WHERE platform_order_id = :o", o=str(order))
        newer: Order = structs.replace(found.order, updated_at=max(stored, found.order.updated_at) + 1, **values)
        shop, policy = await self.policy()
        async with self.p.store.transaction() as tx:
            await take_over_chunk(self.p, tx, shop, arrivals(shop, policy, [Parsed(newer, found.raw)]))

    async def healthy(self) -> None:
        """Every check of the doctor answers nothing."""
        async with self.p.store.reading() as tx:
            assert await examine(tx) == []


class Template(Struct):
    """A set-up database that tests copy."""

    file: Path
    key: Path
    folder: Path
    shop_id: int
    url: str = ""


async def _set_up(place: Place, shop: Twin, carrier: Twin, folder: Path) -> int:
    pipeline = await Pipeline.open(place, worker=True)
    world = World(pipeline, shop, carrier, folder)
    await world.bind()
    assert await world.sync() == ""
    assert await sync_now(pipeline, world.shop_id, ("products",)) == {"products": ""}
    async with pipeline.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET due_at = :later", later=LATER)
        # What a test orders in this very second must not count as older than the binding.
        await tx.run("UPDATE shop SET connected_at = connected_at - 3600000")
    await pipeline.store.checkpoint()
    await pipeline.aclose()
    return world.shop_id


@pytest.fixture(scope="module")
def sqlite_template(
    shop_twin: Twin, carrier_twin: Twin, tmp_path_factory: pytest.TempPathFactory, new_sqlite: Path
) -> Template:
    """The set-up SQLite database of a module."""
    home = tmp_path_factory.mktemp("template")
    place = copied(new_sqlite, sqlite_at(home))
    shop_id = apart(_set_up(place, shop_twin, carrier_twin, home / "papers"))
    assert place.file is not None
    return Template(place.file, place.key_file, home / "papers", shop_id)


@pytest.fixture(scope="module")
def postgresql_template(
    shop_twin: Twin,
    carrier_twin: Twin,
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_url: str,
    new_postgresql: str,
) -> Template:
    """The set-up PostgreSQL database of a module."""
    home = tmp_path_factory.mktemp("template")
    url = database_on(postgresql_url, home, new_postgresql)
    shop_id = apart(_set_up(find(url, home / "key"), shop_twin, carrier_twin, home / "papers"))
    return Template(home / name_of(url), home / "key", home / "papers", shop_id, postgresql_url)


def moved_to(template: Template, folder: Path) -> Place:
    """A copy of a set-up SQLite database in a folder, under the template's key."""
    return copied(template.file, structs.replace(sqlite_at(folder), key_file=template.key))


async def _moved_in(place: Place, template: Template, shop: Twin, carrier: Twin, folder: Path) -> Bench:
    """Open a copy of the template under an install code of its own, so that the carrier sees other references."""
    pipeline = await Pipeline.open(place)
    bench = Bench(pipeline, shop, carrier, folder)
    bench.shop_id = template.shop_id
    bench.install = hashlib.blake2b(str(folder).encode(), digest_size=4).hexdigest()
    await asyncio.to_thread(folder.mkdir, parents=True)
    async with pipeline.store.transaction() as tx:
        await tx.run("UPDATE meta SET value = :v WHERE key = 'install'", v=bench.install)
        await tx.run("UPDATE printer SET settings = :s", s=as_json({"folder": str(folder)}))
    return bench


@pytest.fixture
async def sqlite_world(
    sqlite_template: Template, shop_twin: Twin, carrier_twin: Twin, tmp_path: Path
) -> AsyncIterator[Bench]:
    """A set-up world on SQLite, for what does not concern the engine."""
    place = moved_to(sqlite_template, tmp_path)
    bench = await _moved_in(place, sqlite_template, shop_twin, carrier_twin, tmp_path / "papers")
    yield bench
    await bench.p.aclose()
    _calm(shop_twin, carrier_twin)


@pytest.fixture(params=["sqlite", "postgresql"])
async def either_world(
    request: pytest.FixtureRequest, shop_twin: Twin, carrier_twin: Twin, tmp_path: Path
) -> AsyncIterator[Bench]:
    """A set-up world on each engine in turn."""
    if request.param == "sqlite":
        template: Template = request.getfixturevalue("sqlite_template")
        place = moved_to(template, tmp_path)
    else:
        template = request.getfixturevalue("postgresql_template")
        place = find(database_on(template.url, tmp_path, template.file.name), template.key)
    bench = await _moved_in(place, template, shop_twin, carrier_twin, tmp_path / "papers")
    yield bench
    await bench.p.aclose()
    _calm(shop_twin, carrier_twin)


def _calm(*twins: Twin) -> None:
    for twin in twins:
        twin.admin("POST", "faults", {"rate": 0})


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the shop's platform have other capabilities than WooCommerce: `platform(update_tracking=True)`."""
    from connectors.shops.woocommerce import WooCommerce

    def change(**capabilities: Any) -> None:
        declaration = WooCommerce.declaration
        other: ShopCapabilities = structs.replace(declaration.capabilities, **capabilities)
        monkeypatch.setattr(WooCommerce, "declaration", structs.replace(declaration, capabilities=other))

    return change
