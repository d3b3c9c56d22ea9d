"""Plays cells: one database with many shipments, twins on loopback, two workers and their skewed clocks in one process.

Every cell has a shipment (or an order) of its own. Its effect is queued by a command, the fault strikes while the worker
serves it, and the worker comes again, at the times the pipeline itself names, until nothing of it is open. Then the
platform's books, read over HTTP, must equal ours.
"""

import asyncio
import contextlib
import http.client
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from connectors.contract import Repeat
from connectors.shops.woocommerce import WooCommerce
from connectors.simulated.carrier import CarrierOptions, CarrierTwin
from connectors.simulated.server import Service, TwinServer
from connectors.simulated.woocommerce import WooCommerceTwin, WooOptions
from connectors.simulated.world import WorldConfig
from domain.clock import MINUTE, now
from domain.enums import Op
from domain.results import Refused
from pipeline import base, setup, stocktaking
from pipeline.base import Pipeline
from pipeline.commands import run
from pipeline.sync import OrderSync, policy_of
from pipeline.worker import Worker, sync_now
from store.database import as_json, from_json
from store.doctor import examine
from store.place import Place, find
from tests.matrix import print_service
from tests.matrix.cells import ANY, BACK, FROZEN, Cell, Point, Shot
from tests.matrix.gate import Gate, Time
from tests.pipeline.conftest import LATER, Bench

T = TypeVar("T")

SKU, PIECES = "NB-A5", 100_000
TIMEOUT_S = 0.5
VISITS = 40
READS_TRIED = 6
"""Three times by the HTTP client, and all that twice where an answer cannot be read."""
ENDED = {"done", "failed", "parked", "withdrawn"}


class Served:
    """A twin in this process, served on loopback; its books are read over HTTP."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._server = TwinServer(service)
        service.base = self._server.url
        self._server.start()
        self.url = self._server.url
        self.hello = service.hello()
        self._door = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=60)

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Ask the back door."""
        self._door.request(method, f"/_twin/{path}", json.dumps(body) if body is not None else None)
        answer = self._door.getresponse()
        text = answer.read()
        assert answer.status == 200, (method, path, answer.status, text[:300])
        return json.loads(text)

    def strike(self, kind: str, shot: Shot) -> None:
        """The next such call meets the fault, a read as often as a client may try it, until `calm`."""
        times = 1 if shot.writes else READS_TRIED
        one = {"kind": kind, "method": shot.method, "path": shot.path, "skip": shot.skip, "times": times}
        self.admin("POST", "faults", {"next": [one]})

    def calm(self) -> None:
        """No further faults."""
        self.admin("POST", "faults", {"forget": True})

    def close(self) -> None:
        """End it."""
        self._door.close()
        self._server.stop()


class Ground:
    """One engine's database with everything bound, and what cells are played with."""

    def __init__(self, engine: str, home: Path, postgresql_url: Callable[[], str], time: Time | None = None) -> None:
        self.engine, self.home = engine, home
        self._postgresql_url = postgresql_url
        self.runner = asyncio.Runner()
        self.time = time or Time()
        self.gates: dict[int, Gate] = {}
        self.pools: dict[str, list[int]] = {}
        self._numbers = 0
        self._stocked = False

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the ground's own loop."""
        return self.runner.run(work)

    # ---------------------------------------------------------------- setting up

    async def open(self, wanted: Mapping[str, int]) -> None:
        """Twins, database, accounts, and as many shipments as are wanted at each beginning."""
        print_service.install()
        self.shop = Served(WooCommerceTwin(WooOptions(world=WorldConfig(orders=0, extra_products=150))))
        self.carriers = {r: Served(CarrierTwin(CarrierOptions(repeat=r.value, poll_after_ms=5000))) for r in ANY}
        self.printer = Served(print_service.PrintService())
        for twin in self.twins():
            twin.admin("POST", "faults", {"hold_s": TIMEOUT_S * 1.6, "retry_after_s": 1})
        self.place = await self._new_place()
        self.p = await self._pipeline(0)
        self.q = await self._pipeline(0)
        self.ahead, self.behind = await self._pipeline(10 * MINUTE), await self._pipeline(-10 * MINUTE)
        self.workers = {id(p): Worker(p) for p in (self.p, self.q, self.ahead, self.behind)}
        await self._bind()
        await self.fill(wanted)

    def twins(self) -> list[Served]:
        """All of them."""
        return [self.shop, self.printer, *self.carriers.values()]

    async def _new_place(self) -> Place:
        if self.engine == "sqlite":
            return Place("", self.home / "matrix.sqlite", self.home / "keys" / "key", self.home / "backups")
        import asyncpg

        url = self._postgresql_url()
        name = f"matrix_{uuid.uuid4().hex[:10]}"
        connection = await asyncpg.connect(url)
        await connection.execute(f"CREATE DATABASE {name}")
        # A process that stands still in the middle of a transaction must not hold the others for ever.
        await connection.execute(f"ALTER DATABASE {name} SET transaction_timeout = 6000")
        await connection.close()
        return find(url.replace("/postgres?", f"/{name}?"), self.home / "key")

    async def _pipeline(self, skew_ms: int) -> Pipeline:
        clock = self.time.shifted(skew_ms) if skew_ms else self.time
        p = await Pipeline.open(self.place, clock, worker=True)
        p.sleep = self.time.sleep
        gate = self.gates[id(p)] = Gate()
        plain = p.binding

        def binding(*args: Any) -> Any:
            # The pipeline makes its clients by this name; here each goes through its worker's gate.
            kept, base.HttpClient = base.HttpClient, gate.client  # type: ignore[misc, assignment]
            try:
                return plain(*args)
            finally:
                base.HttpClient = kept  # type: ignore[misc]

        p.binding = binding  # type: ignore[method-assign]
        return p

    async def _bind(self) -> None:
        calls = {"settle_s": "60", "timeout_s": "2"}
        keys = {k: str(self.shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
        shop = await setup.add_shop(
            self.p,
            "woocommerce",
            "PL-Woo",
            {
                "url": self.shop.url,
                "grace_s": "0",
                "ship_without_printing": "yes",
                "parallel": "8",
                # Told only where a test is about it: it happens beside everything else, at times of its own.
                "push_stock": "no",
                **calls,
            },
            keys,
        )
        assert not isinstance(shop, Refused), shop
        self.shop_id = shop.id
        self.carrier_ids: dict[Repeat, int] = {}
        for repeat, twin in self.carriers.items():
            made = await setup.add_carrier(
                self.p, "simulated", repeat.value, {"url": twin.url, **calls}, {"token": str(twin.hello["token"])}
            )
            assert not isinstance(made, Refused), made
            self.carrier_ids[repeat] = made.id
        pool = await setup.add_carrier(
            self.p, "pool", "OwnPost", {"carrier_name": "Own Post", "services": "OWN=Own letter"}, {}
        )
        assert not isinstance(pool, Refused), pool
        self.pool_id = pool.id
        self.printer_ids: dict[Repeat, int] = {}
        for repeat in ANY:
            printer = await setup.add_printer(
                self.p, print_service.NAME, repeat.value, {"url": self.printer.url, "kind": repeat.value}
            )
            assert not isinstance(printer, Refused), printer
            self.printer_ids[repeat] = printer.id
        self.kinds_of_sync = {r["kind"] for r in await self.fetch("SELECT kind FROM sync_task")}
        assert await sync_now(self.p, self.shop_id, ("orders",)) == {"orders": ""}
        async with self.p.store.transaction() as tx:
            for table, own in (("shop", {}), ("carrier", {}), ("printer", {})):
                for row in await tx.rows(f"SELECT id, name, settings FROM {table}"):
                    settings = {**from_json(row.settings), "timeout_s": str(TIMEOUT_S), **own}
                    if table == "carrier" and row.name in set(Repeat):
                        settings["repeat"] = row.name
                    await tx.run(f"UPDATE {table} SET settings = :s WHERE id = :i", s=as_json(settings), i=row.id)
            await tx.run("UPDATE sync_task SET due_at = :later", later=LATER)
            await tx.run("UPDATE shop SET connected_at = connected_at - 7200000")
        await self.check_before_ship(False)

    async def check_before_ship(self, wanted: bool) -> None:
        """Set whether the shop's orders are read live before they ship."""
        await self._set("check_before_ship", wanted)

    async def push_stock(self, wanted: bool) -> None:
        """Set whether the shop is told its stock."""
        await self._set("push_stock", wanted)

    async def _set(self, name: str, wanted: bool) -> None:
        async with self.p.store.transaction() as tx:
            row = await tx.row("SELECT settings FROM shop WHERE id = :i", i=self.shop_id)
            settings = from_json(row.settings)
            if settings.get(name) is wanted:
                return
            text = as_json({**settings, name: wanted})
            await tx.run("UPDATE shop SET settings = :s WHERE id = :i", s=text, i=self.shop_id)
        for account in [*self.accounts()]:
            for p in self.pipelines():
                p.forget(account)

    def pipelines(self) -> tuple[Pipeline, ...]:
        """The worker's, the second worker's, and those whose clocks are off."""
        return (self.p, self.q, self.ahead, self.behind)

    def accounts(self) -> list[str]:
        """Every account that is bound."""
        return [
            f"shop:{self.shop_id}",
            *(f"carrier:{i}" for i in (*self.carrier_ids.values(), self.pool_id)),
            *(f"printer:{i}" for i in self.printer_ids.values()),
        ]

    async def fill(self, wanted: Mapping[str, int]) -> None:
        """Make so many shipments more at each beginning (see `beginning`; `review` is one more)."""
        number = sum(wanted.values())
        if not number:
            return
        made = self.shop.admin(
            "POST", "orders", {"orders": [Bench.plain(created_ago_s=3600, modified_ago_s=3600) for _ in range(number)]}
        )
        await self._take_over(made)
        if not self._stocked:
            answer = await stocktaking.change(self.p, SKU, "count", PIECES, "anna")
            assert not isinstance(answer, Refused), answer
            self._stocked = True
        rows = await self.fetch(
            """SELECT su.shipment_id AS id FROM submission su JOIN orders o ON o.id = su.order_id
               WHERE o.platform_order_id IN :ids ORDER BY su.shipment_id""",
            ids=[str(m) for m in made],
        )
        ids = [r["id"] for r in rows]
        assert len(ids) == len(made)
        review = wanted.get("review", 0)
        self.pools.setdefault("review", []).extend(ids[:review])
        ids = ids[review:]
        if ids:
            await self.command("approve", ids)
        services = {(r["carrier_id"], r["code"]): r["id"] for r in await self.fetch("SELECT * FROM service")}
        if numbers := wanted.get("numbered", 0):
            first = self._numbers + 1
            self._numbers += numbers
            await setup.import_numbers(self.p, self.pool_id, [f"OWN{n:09d}" for n in range(first, first + numbers)])
        asked: list[int] = []
        for name, number in sorted(wanted.items()):
            if name == "review" or not number:
                continue
            mine, ids = ids[:number], ids[number:]
            what, _sep, repeat = name.partition(":")
            carrier = self.carrier_ids[Repeat(repeat)] if repeat else self.pool_id
            code = {"late": "SIM-LATE", "numbered": "OWN"}.get(what, "SIM-STD")
            await self.command("assign", mine, service_id=services[carrier, code])
            self.pools.setdefault(name, []).extend(mine)
            if what in {"numbered", "held"}:
                asked += mine
        if asked:
            await self.command("waybill", asked)
            async with self._patient():
                while await self.fetch("SELECT 1 AS one FROM effect WHERE state IN ('queued', 'running') LIMIT 1"):
                    await self.workers[id(self.p)].tick_once()

    @contextlib.asynccontextmanager
    async def _patient(self) -> AsyncIterator[None]:
        """Wait for carriers as long as it takes: a number that is unknown because this machine was slow is no beginning."""
        changed = []
        for carrier in self.carrier_ids.values():
            await self.p.ensure(f"carrier:{carrier}")
            http = self.p.http_of(f"carrier:{carrier}")
            assert http is not None
            changed.append((http, http.timeout_s))
            http.timeout_s = 60
        try:
            yield
        finally:
            for http, usual in changed:
                http.timeout_s = usual

    async def _take_over(self, made: Sequence[int]) -> None:
        """Bring these orders in, whatever the cursor says."""
        connector = await self.p.shop(self.shop_id)
        async with self.p.store.reading() as tx:
            row = await tx.row("SELECT * FROM shop WHERE id = :i", i=self.shop_id)
        shop = self.p.shop_facts(row)
        policy = policy_of(shop, row.currency, row.connected_at)
        found = await connector.read_orders([str(m) for m in made])
        await OrderSync(self.p, self.shop_id).take_over(shop, policy, connector, found)  # type: ignore[arg-type]

    async def take(self, name: str, number: int) -> list[int]:
        """So many shipments out of a pool, which is filled up where it is short."""
        if len(self.pools.get(name, ())) < number:
            await self.fill({name: max(number, 30)})
        taken, self.pools[name] = self.pools[name][:number], self.pools[name][number:]
        return taken

    # ---------------------------------------------------------------- playing

    async def play(self, cell: Cell) -> str:
        """Play one cell; how it ended, `done` or `parked`. Raises AssertionError when the books differ."""
        await self.begin_anew()
        WooCommerce.declaration = structs.replace(WooCommerce.declaration, push_repeat=cell.repeat)
        try:
            if cell.point.kind.startswith("sync."):
                await self._play_sync(cell)
                return "done"
            return await self._play_effect(cell)
        finally:
            WooCommerce.declaration = structs.replace(WooCommerce.declaration, push_repeat=BACK)
            for twin in self.twins():
                twin.calm()
            for gate in self.gates.values():
                gate.refuse = gate.freeze = None

    async def begin_anew(self) -> None:
        """Give skipped time back, and let nobody still wait by it; what was done to an account before is over."""
        self.time.reset()
        for p in self.pipelines():
            for _settings, kept in p._connectors.values():
                await kept.binding_http.aclose()
            p._connectors.clear()
        async with self.p.store.transaction() as tx:
            await tx.run("UPDATE account_health SET fails = 0, retry_at = NULL, paused_code = '', message = ''")

    async def _play_effect(self, cell: Cell) -> str:
        (shipment,) = await self.take(beginning(cell), 1)
        await self.check_before_ship(cell.point.kind == Op.CHECK)
        await self.command(*_command(cell), [shipment], **self._arguments(cell))
        await self._serve(cell, lambda: self.unsettled(shipment))
        if cell.point.kind == Op.CHECK and await self._at(shipment) == "in_stock":
            # The check could not be made, and that was said: the person ships again.
            await self.command("ship", [shipment])
            await self._serve(None, lambda: self.unsettled(shipment))
        end = await self.check(cell, shipment)
        assert end == cell.end, (end, await self.story(shipment))
        return end

    async def _serve(self, cell: Cell | None, waiting: Callable[[], Coroutine[Any, Any, int | None]]) -> None:
        """Let the worker come until nothing is open; the fault strikes at its first visit (or when its call is made)."""
        strikes_at = 1 if cell and (cell.point.first or cell.point.second_visit) else 0
        released = cell is None or cell.fault != "acts_late"
        for visit in range(VISITS):
            if cell is not None and visit == 0 and strikes_at == 1 and cell.point.first is not None:
                self._twin(cell).strike("cut_after", cell.point.first)
            struck = cell is not None and visit == strikes_at
            if struck:
                assert cell is not None
                await self._struck(cell)
            else:
                await self.workers[id(self.p)].tick_once()
            if cell is not None:
                self._twin(cell).calm()
                self.gates[id(self.p)].refuse = None
            due = await waiting()
            if not released and cell is not None and (visit > strikes_at or due is None):
                assert self._twin(cell).admin("POST", "release")["acted"] >= 1
                released = True
            if due is None and (visit >= strikes_at or cell is None):
                return
            self.time.to((due or 0) + 1)
        raise AssertionError(f"still open after {VISITS} visits")

    async def _struck(self, cell: Cell) -> None:
        """The visit at which the fault strikes, and proof that it did."""
        twin, shot = self._twin(cell), cell.point.shot(cell.repeat)
        gate = self.gates[id(self.p)]
        before = Counter(twin.admin("GET", "faults"))
        gate.struck.clear()
        mine = self.workers[id(self.p)]
        if cell.fault in FROZEN:
            await self._freeze(cell, shot)
        elif cell.fault == "two_workers":
            await asyncio.gather(mine.tick_once(), self.workers[id(self.q)].tick_once())
        elif cell.fault in {"skew_ahead", "skew_behind"}:
            other = self.ahead if cell.fault == "skew_ahead" else self.behind
            await self.workers[id(other)].tick_once()
        else:
            if cell.fault == "refused":
                gate.refuse = shot
            else:
                twin.strike(cell.fault, shot)
            await mine.tick_once()
            after = Counter(twin.admin("GET", "faults")) + gate.struck
            assert after[cell.fault] > before[cell.fault], f"{cell.fault} struck nothing"

    async def _freeze(self, cell: Cell, shot: Shot) -> None:
        """The worker stands still past its lease, another takes over, then it goes on."""
        gate = self.gates[id(self.p)]
        await self.p.ensure(self._account(cell))
        http = self.p.http_of(self._account(cell))
        assert http is not None
        http.timeout_s, patience = 60, http.timeout_s
        gate.stopped.clear()
        gate.go.clear()
        gate.freeze = (cell.fault.partition("_")[2], shot)
        frozen = asyncio.create_task(self.workers[id(self.p)].tick_once())
        stopped = asyncio.create_task(gate.stopped.wait())
        done, _pending = await asyncio.wait({frozen, stopped}, return_when=asyncio.FIRST_COMPLETED)
        assert stopped in done, "nothing was frozen"
        await self.lease_runs_out()
        taken_over = self.workers[id(self.q)]
        await taken_over.tick_once()
        for _visit in range(VISITS):
            due = await self._next_due(cell)
            if due is None:
                break
            self.time.to(due + 1)
            await taken_over.tick_once()
        gate.go.set()
        await frozen
        http.timeout_s = patience

    async def lease_runs_out(self) -> None:
        """130 seconds pass, on PostgreSQL by the database's own clock, which nobody here can turn."""
        self.time.to(self.time() + 130_000)
        if self.engine == "postgresql":
            async with self.p.store.transaction() as tx:
                await tx.run("UPDATE lease SET until = until - 130000 WHERE owner <> ''")

    # ---------------------------------------------------------------- sync

    async def _play_sync(self, cell: Cell) -> None:
        kind = cell.point.kind.partition(".")[2]
        check = await self.change_on_platform(cell.point)
        async with self.p.store.transaction() as tx:
            # The orders were read just now; what a proof finds missing must have been passed by.
            await tx.run("UPDATE sync_task SET started_at = :now, ok_at = :now", now=tx.now)
            await tx.run("UPDATE sync_task SET due_at = 0, code = '', ok_at = 0 WHERE kind = :k", k=kind)
        began = self.time()

        async def waiting() -> int | None:
            (row,) = await self.fetch("SELECT * FROM sync_task WHERE kind = :k", k=kind)
            if row["code"] == "" and (row["ok_at"] or 0) >= min(began, began - 11 * MINUTE) and row["ok_at"]:
                return None
            due = max(row["due_at"] or 0, await self._retry_at(f"shop:{self.shop_id}"))
            if kind == "reconcile":
                # A proof is tried again after a quarter of an hour: the shop's clock goes with ours, and the orders
                # have been read again by then.
                self.shop.admin("POST", "clock", {"offset_s": (due - now()) / 1000})
                async with self.p.store.transaction() as tx:
                    await tx.run("UPDATE sync_task SET started_at = :d, ok_at = :d WHERE kind = 'orders'", d=due)
            return due

        await self._serve(cell, waiting)
        self.shop.admin("POST", "clock", {"offset_s": 0})
        async with self.p.store.transaction() as tx:
            await tx.run("UPDATE sync_task SET due_at = :later", later=LATER)
        await check()

    async def change_on_platform(self, point: Point) -> Callable[[], Coroutine[Any, Any, None]]:
        """Let something happen there that a sync must bring in; returns the check that it came in, once."""
        if point.kind == "sync.products":
            wanted = {p.sku for p in self.shop.service.world.catalogue.sellable}  # type: ignore[attr-defined]

            async def listed() -> None:
                rows = await self.fetch("SELECT sku FROM variant")
                skus = Counter(r["sku"] for r in rows)
                assert wanted <= skus.keys()
                assert await self.value("SELECT count(*) FROM listing") == await self.value(
                    """SELECT count(*) FROM (SELECT DISTINCT shop_id, platform_product_id, platform_variant_id
                       FROM listing) x"""
                )

            return listed
        sku = SKU
        if point.name == "learn":
            known = {r["sku"] for r in await self.fetch("SELECT sku FROM variant")}
            catalogue = self.shop.service.world.catalogue.sellable  # type: ignore[attr-defined]
            sku = next(p.sku for p in catalogue if p.sku not in known and p.kind == "simple")
        ago = {"created_ago_s": 86_400, "modified_ago_s": 86_400} if point.kind == "sync.reconcile" else {}
        (order,) = self.shop.admin("POST", "orders", {"orders": [Bench.plain(skus=[(sku, 2)], **ago)]})
        if point.name == "stranger":
            await self._take_over([order])
            # What is still to be shipped is read by its id, so that the proof finds only what is not.
            ours = await self.value(
                """SELECT su.shipment_id FROM submission su JOIN orders o ON o.id = su.order_id
                   WHERE o.platform_order_id = :o""",
                o=str(order),
            )
            await self.command("close", [int(ours)])
            self.shop.admin("POST", "change", {"order": order, "change": "delete"})
        if point.name in {"bin", "refunds"}:
            # It must be known before it is thrown away.
            assert await sync_now(self.p, self.shop_id, ("orders",)) == {"orders": ""}
            self.time.reset()
            change = {"bin": {"change": "trash"}, "refunds": {"change": "partial_refund", "quantity": 1}}[point.name]
            self.shop.admin("POST", "change", {"order": order, **change})

        async def kept() -> None:
            rows = await self.fetch(
                """SELECT o.id, o.status, s.id AS shipment, s.stage, sl.quantity, v.sku FROM orders o
                   JOIN submission su ON su.order_id = o.id JOIN shipment s ON s.id = su.shipment_id
                   LEFT JOIN shipment_line sl ON sl.shipment_id = s.id LEFT JOIN order_line ol ON ol.id = sl.order_line_id
                   LEFT JOIN listing_item li ON li.listing_id = ol.listing_id LEFT JOIN variant v ON v.id = li.variant_id
                   WHERE o.platform_order_id = :o""",
                o=str(order),
            )
            assert len(rows) == 1, rows
            found = (rows[0]["stage"], rows[0]["quantity"], rows[0]["sku"])
            wanted = {"bin": (6, 2, sku), "stranger": (6, 2, sku), "refunds": (1, 1, sku)}.get(point.name, (1, 2, sku))
            assert found == wanted, (found, wanted)
            assert (rows[0]["status"] == "deleted") is (point.name in {"bin", "stranger"}), rows[0]["status"]
            assert await self.value("SELECT count(*) FROM left_out WHERE platform_order_id = :o", o=str(order)) == 0

        return kept

    # ---------------------------------------------------------------- what is open, and how it ended

    async def unsettled(self, shipment: int) -> int | None:
        """When the next effect of a shipment (or of its print job) may be served; None when nothing is open."""
        rows = await self.effects(shipment)
        open_ = [r for r in rows if r["state"] not in ENDED]
        if not open_:
            return None
        return min([max(r["due_at"], await self._retry_at(r["account"])) for r in open_])

    async def _next_due(self, cell: Cell) -> int | None:
        account = self._account(cell)
        if cell.point.kind.startswith("sync."):
            return None
        rows = await self.fetch(
            "SELECT due_at FROM effect WHERE account = :a AND state IN ('queued', 'running', 'unknown')", a=account
        )
        return max(min(r["due_at"] for r in rows), await self._retry_at(account)) if rows else None

    async def _retry_at(self, account: str) -> int:
        return int(await self.value("SELECT retry_at FROM account_health WHERE account = :a", a=account) or 0)

    async def effects(self, shipment: int) -> list[dict[str, Any]]:
        """Effects of a shipment, its print jobs among them."""
        return await self.fetch(
            """SELECT * FROM effect WHERE shipment_id = :s OR (op = 'print' AND payload LIKE :one) ORDER BY id""",
            s=shipment,
            one=f'%"shipments":[{shipment}]%',
        )

    async def check(self, cell: Cell, shipment: int) -> str:
        """Compare the books of one shipment; `done`, `parked`, or what else its effects ended as."""
        kind = cell.point.kind
        states = {e["state"] for e in await self.effects(shipment) if e["op"] == kind}
        if kind == Op.CHECK:
            # A check that could not be made has failed, and was asked for again.
            states -= {"failed"}
        end = states.pop() if len(states) == 1 else str(sorted(states))
        if kind in {Op.REQUEST_WAYBILL, Op.VOID_WAYBILL}:
            await self._check_waybill(cell, shipment, end)
        elif kind == Op.PRINT:
            await self._check_print(cell, shipment, end)
        elif cell.point.name in {"early", "early_seen"}:
            await self._check_early(shipment, end)
        else:
            await self._check_push(shipment, end)
        return end

    async def _check_waybill(self, cell: Cell, shipment: int, end: str) -> None:
        ours = (await self.fetch("SELECT * FROM waybill WHERE shipment_id = :s ORDER BY id", s=shipment))[-1]
        theirs = self.carriers[cell.repeat].admin("GET", "waybills", {"references": [ours["reference"]]})
        numbers = theirs[0]["numbers"] if theirs else []
        assert len(numbers) <= 1, numbers
        if end == "parked":
            assert ours["state"] == "unknown"
            return
        if end == "failed":
            waits = cell.point.kind == Op.VOID_WAYBILL
            assert (ours["state"], len(numbers)) == (("voiding", 1) if waits else ("failed", 0))
            assert ours["code"]
            assert not theirs or theirs[0]["status"] != "void"
            return
        labelled = await self.value("SELECT count(*) FROM label_file WHERE waybill_id = :w", w=ours["id"])
        assert (numbers, labelled) == ([ours["number"]], 1), (numbers, ours["number"], labelled)
        status = "void" if cell.point.kind == Op.VOID_WAYBILL else "numbered"
        assert theirs[0]["status"] == status
        assert ours["state"] == ("void" if status == "void" else "obtained")

    async def _pushed(self, shipment: int) -> tuple[dict[str, Any], dict[str, Any], list[int]]:
        (row,) = await self.fetch(
            """SELECT s.*, su.state AS told, su.number AS told_number, w.number, o.platform_order_id FROM shipment s
               JOIN submission su ON su.shipment_id = s.id JOIN orders o ON o.id = su.order_id
               JOIN waybill w ON w.shipment_id = s.id WHERE s.id = :s""",
            s=shipment,
        )
        (there,) = self.shop.admin("GET", "orders", {"orders": [int(row["platform_order_id"])]})
        moves = await self.fetch(
            "SELECT on_hand FROM stock_move WHERE shipment_id = :s AND reason = 'ship' ORDER BY id", s=shipment
        )
        return row, there, [m["on_hand"] for m in moves]

    async def _check_push(self, shipment: int, end: str) -> None:
        row, there, moves = await self._pushed(shipment)
        noted = [t["number"] for t in there["tracking"] if "note_id" in t].count(row["number"])
        assert moves == [-1], moves
        assert noted <= 1, "told twice"
        assert there["times_completed"] <= 1
        if end == "parked":
            assert (row["told"], row["status"]) == ("unknown", "unknown")
            return
        if end == "failed":
            assert (row["told"], row["status"], there["times_completed"]) == ("failed", "failed", 0)
            return
        assert (noted, there["times_completed"]) == (1, 1), there
        assert (row["told"], row["told_number"], row["status"]) == ("done", row["number"], "succeeded"), row
        assert any(t["number"] == row["number"] for t in there["tracking"] if "meta_key" in t)

    async def _check_early(self, shipment: int, end: str) -> None:
        row, there, moves = await self._pushed(shipment)
        noted = [t["number"] for t in there["tracking"] if "note_id" in t].count(row["number"])
        assert (moves, there["times_completed"]) == ([], 0)
        assert noted <= 1, "told twice"
        if end == "done":
            assert (noted, row["told"], row["told_number"]) == (1, "tracking_sent", row["number"]), row
        else:
            assert row["told"] == {"parked": "unknown", "failed": "failed"}[end]
            assert end == "parked" or not noted

    async def _check_print(self, cell: Cell, shipment: int, end: str) -> None:
        (job,) = [e for e in await self.effects(shipment) if e["op"] == "print"]
        printed = self.printer.admin("GET", "jobs").get(job["key"], 0)
        state = await self.value("SELECT print_state FROM shipment WHERE id = :s", s=shipment)
        assert printed <= 1, "printed twice"
        if end == "parked":
            assert state == "unknown"
        elif end == "failed":
            assert (printed, state) == (0, "none")
        else:
            assert (printed, state) == (1, "confirmed")

    async def _at(self, shipment: int) -> str:
        return str(await self.value("SELECT status FROM shipment WHERE id = :s", s=shipment))

    async def story(self, shipment: int) -> str:
        effects = [(e["op"], e["state"], e["code"], e["message"]) for e in await self.effects(shipment)]
        events = await self.fetch("SELECT kind, data FROM event WHERE shipment_id = :s ORDER BY id", s=shipment)
        return f"{effects} {[(e['kind'], e['data']) for e in events][-8:]}"

    # ---------------------------------------------------------------- the whole

    async def whole_books(self) -> list[str]:
        """What is wrong with the books as a whole, after everything that was played."""
        async with self.p.store.reading() as tx:
            wrong = [f"{f.check}: {f.where}: {f.found}" for f in await examine(tx)]
        doubled = [
            w["reference"] for c in self.carriers.values() for w in c.admin("GET", "waybills") if len(w["numbers"]) > 1
        ]
        wrong += [f"bought twice: {r}" for r in doubled]
        wrong += [f"printed {n} times: {k}" for k, n in self.printer.admin("GET", "jobs").items() if n != 1]
        held = {
            r["number"]: r["n"]
            for r in await self.fetch(
                "SELECT number, count(*) AS n FROM waybill WHERE number <> '' GROUP BY number, carrier_id"
            )
        }
        wrong += [f"number held twice: {n}" for n, times in held.items() if times != 1]
        shipped = int(
            await self.value(
                """SELECT coalesce(sum(sl.quantity), 0) FROM shipment_line sl JOIN shipment s ON s.id = sl.shipment_id
               WHERE s.deducted = 1"""
            )
        )
        moved = int(await self.value("SELECT coalesce(sum(-on_hand), 0) FROM stock_move WHERE reason = 'ship'"))
        left = int(
            await self.value(
                """SELECT coalesce(sum(st.on_hand), 0) FROM stock st JOIN variant v ON v.id = st.variant_id
                   WHERE v.sku = :sku""",
                sku=SKU,
            )
        )
        if shipped != moved or (left and left != PIECES - shipped):
            wrong.append(f"stock: {shipped} shipped, {moved} moved, {left} of {PIECES} left")
        done = {
            str(r["o"])
            for r in await self.fetch(
                """SELECT o.platform_order_id AS o FROM submission su JOIN orders o ON o.id = su.order_id
               JOIN shipment s ON s.id = su.shipment_id WHERE su.state = 'done'"""
            )
        }
        completed = {str(o["id"]) for o in self.shop.admin("GET", "orders") if o["made_by_us"]}
        unknown = {
            str(r["o"])
            for r in await self.fetch(
                """SELECT o.platform_order_id AS o FROM submission su JOIN orders o ON o.id = su.order_id
               WHERE su.state = 'unknown'"""
            )
        }
        wrong += [f"order {o}: done here, not there" for o in sorted(done - completed)]
        wrong += [f"order {o}: completed by us there, not known here" for o in sorted(completed - done - unknown)]
        return wrong

    # ---------------------------------------------------------------- bits

    def _twin(self, cell: Cell) -> Served:
        return {"shop": self.shop, "printer": self.printer}.get(cell.point.twin) or self.carriers[cell.repeat]

    def _account(self, cell: Cell) -> str:
        match cell.point.twin:
            case "shop":
                return f"shop:{self.shop_id}"
            case "printer":
                return f"printer:{self.printer_ids[cell.repeat]}"
            case _:
                return f"carrier:{self.carrier_ids[cell.repeat]}"

    def _arguments(self, cell: Cell) -> dict[str, Any]:
        return {"printer_id": self.printer_ids[cell.repeat]} if cell.point.kind == Op.PRINT else {}

    async def command(self, name: str, ids: Sequence[int], **arguments: Any) -> None:
        """Run a command as anna; every shipment must be done."""
        report = await run(self.p, name, ids, arguments, "anna")
        assert not report.refused, report.refused[:3]

    async def fetch(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Rows of any query."""
        async with self.p.store.reading() as tx:
            return [r._asdict() for r in await tx.rows(sql, **params)]

    async def value(self, sql: str, **params: Any) -> Any:
        """The first value of a query."""
        async with self.p.store.reading() as tx:
            return await tx.value(sql, **params)

    async def close(self) -> None:
        """End everything."""
        for p in self.pipelines():
            await p.aclose()
        for twin in self.twins():
            twin.close()


def beginning(cell: Cell) -> str:
    """Where a cell's shipment begins: ready for its number (at once or late), with its number held by a carrier, or
    with one of ours; '' for a sync."""
    match cell.point.kind:
        case Op.REQUEST_WAYBILL:
            return f"{'late' if cell.point.name == 'poll' else 'ready'}:{cell.repeat.value}"
        case Op.VOID_WAYBILL:
            return f"held:{cell.repeat.value}"
        case Op.PUSH | Op.CHECK | Op.PRINT:
            return "numbered"
    return ""


def _command(cell: Cell) -> tuple[str]:
    if cell.point.name in {"early", "early_seen"}:
        return ("push",)
    return {
        Op.REQUEST_WAYBILL: ("waybill",),
        Op.VOID_WAYBILL: ("void",),
        Op.PUSH: ("ship",),
        Op.CHECK: ("ship",),
        Op.PRINT: ("print",),
    }[Op(cell.point.kind)]
