"""Processes killed and frozen at every named step; what they leave is finished by another, once.

The steps are not listed here: a run of each scenario says which it passes, and the source says which there are.
Each run is a process of its own on the shared database. A frozen one stands still (SIGSTOP) past its lease, another
worker takes over, and it goes on (SIGCONT). In a sample every step of every scenario is struck once, killed on SQLite or
frozen on PostgreSQL; `--matrix=full` does both on both, at the first and at the last time a step is passed.
"""

import ast
import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

import pipeline
from connectors.contract import Repeat
from domain.enums import Op
from domain.results import Refused
from pipeline import stock_pushing, stocktaking
from pipeline.commands import Begun, begin
from pipeline.worker import sync_now
from tests.matrix.cells import ANY, BACK, NEITHER, POINTS, Cell
from tests.matrix.gate import Time
from tests.matrix.ground import SKU, VISITS, Ground, beginning
from tests.pipeline.conftest import LATER

TOGETHER = 3
"""Effects that are open at once, so that a process can be struck between two of them."""
BATCH = 60
"""More rows than one transaction takes."""

Check = Callable[[], Coroutine[Any, Any, None]]


class Run(Struct):
    """What a process is to do, what is open afterwards, and the check of the books."""

    task: dict[str, Any]
    waiting: Callable[[], Coroutine[Any, Any, int | None]]
    check: Check
    again: Check | None = None
    """What a person does where the command went down with its process."""


class Processes:
    """The forking process, see `crashing.py`."""

    def __init__(self, ground: Ground, clock: Path, log: Path) -> None:
        script = ["-P", "-m", "tests.matrix.crashing"]
        self._process = subprocess.Popen(
            [sys.executable, *script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        place = ground.place
        self.standing: set[int] = set()
        self._log = log
        self._common = {
            "database": str(place.file) if place.file else place.url,
            "key_file": str(place.key_file),
            "clock": str(clock),
            "log": str(log),
        }

    def run(self, task: dict[str, Any], step: str = "", nth: int = 0, how: str = "") -> dict[str, Any]:
        """Start a process and wait until it has ended or stands still."""
        return self._ask({**self._common, **task, "at": [step, nth, how]})

    def go(self, pid: int) -> dict[str, Any]:
        """Let it go on to its end."""
        return self._ask({"go": pid, "signal": int(signal.SIGCONT)})

    def kill(self, pid: int) -> dict[str, Any]:
        """Do not let it go on."""
        return self._ask({"go": pid, "signal": int(signal.SIGKILL)})

    def _ask(self, line: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        answer = self._process.stdout.readline()
        assert answer, "the forking process ended"
        told: dict[str, Any] = json.loads(answer)
        self.standing = {told["pid"]} if told["end"] == "stopped" else set()
        assert told["end"] != "ended 3", self._log.read_text()[-3000:]
        return told

    def close(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(10)


class Scene:
    """One engine's ground with its processes."""

    def __init__(self, engine: str, home: Path, postgresql_url: Callable[[], str]) -> None:
        clock = home / "clock"
        self.ground = Ground(engine, home, postgresql_url, Time(clock))
        self.do = self.ground.do
        self.do(self.ground.open({}))
        self.processes = Processes(self.ground, clock, home / "log")
        self.engine = engine

    async def settle(self, run: Run) -> None:
        """Let another worker come until nothing is open."""
        g = self.ground
        for _visit in range(VISITS):
            await g.workers[id(g.q)].tick_once()
            due = await run.waiting()
            if due is None:
                return
            g.time.to(due + 1)
        raise AssertionError("still open")

    async def strike(self, run: Run, step: str, nth: int, how: str) -> None:
        """One run, struck at a step; then whoever comes next finishes it, and the books are compared."""
        told = self.processes.run(run.task, step, nth, how)
        if told["end"] == "ended 0":
            # Whether effects end together or apart is chance; then a step is passed less often.
            assert nth > 1, f"{step} was not passed: {told}"
        else:
            assert told["end"] == {"kill": "killed", "stop": "stopped"}[how]
        if told["end"] == "stopped":
            if await self._writing():
                # It stands in the middle of a write that another task of it was at; nobody can wait for it, as the
                # console's keeper does not.
                assert self.processes.kill(told["pid"])["end"] == "killed"
            await self.ground.lease_runs_out()
            await self.settle(run)
            if told["pid"] in self.processes.standing:
                assert self.processes.go(told["pid"])["end"] == "ended 0"
        if run.again is not None:
            await run.again()
        await self.settle(run)
        await run.check()

    async def _writing(self) -> bool:
        """Is SQLite's write lock held?"""
        if self.ground.place.file is None:
            return False
        with closing(sqlite3.connect(self.ground.place.file, timeout=0.1, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return True
        return False

    def close(self) -> None:
        """End everything."""
        self.processes.close()
        self.do(self.ground.close())
        self.ground.runner.close()


# ------------------------------------------------------------------ scenarios


def an_effect(name: str, repeat: Repeat) -> Callable[[Ground], Coroutine[Any, Any, Run]]:
    """A worker serving a few effects of one kind."""
    point = next(p for p in POINTS if p.name == name)
    cell = Cell(point, "crash", repeat, "")

    async def prepare(g: Ground) -> Run:
        ids = await g.take(beginning(cell), TOGETHER)
        await g.check_before_ship(point.kind == Op.CHECK)
        for shipment in ids if point.kind == Op.PRINT else ():
            await g.command("print", [shipment], printer_id=g.printer_ids[repeat])
        if point.kind != Op.PRINT:
            command = {"check": "ship", "guard": "ship", "early": "push", "void": "void"}.get(name, "waybill")
            await g.command(command, ids)

        async def waiting() -> int | None:
            open_ = [due for i in ids if (due := await g.unsettled(i)) is not None]
            return min(open_) if open_ else None

        async def check() -> None:
            for shipment in ids:
                end = await g.check(cell, shipment)
                may_park = repeat is NEITHER and point.kind != Op.VOID_WAYBILL
                assert end in ({"done", "parked"} if may_park else {"done"}), await g.story(shipment)

        return Run({"run": "worker"}, waiting, check)

    return prepare


def a_sync(kind: str) -> Callable[[Ground], Coroutine[Any, Any, Run]]:
    """A worker reading what changed on the platform."""

    async def prepare(g: Ground) -> Run:
        names = {"orders": ("page", "bin", "refunds"), "products": ("goods",), "reconcile": ("missing", "stranger")}[
            kind
        ]
        checks = [await g.change_on_platform(next(p for p in POINTS if p.name == name)) for name in names]
        async with g.p.store.transaction() as tx:
            await tx.run("UPDATE sync_task SET started_at = :now, ok_at = :now", now=tx.now)
            await tx.run("UPDATE sync_task SET due_at = 0, ok_at = 0 WHERE kind = :k", k=kind)

        async def waiting() -> int | None:
            (row,) = await g.fetch("SELECT * FROM sync_task WHERE kind = :k", k=kind)
            return None if row["ok_at"] else int(row["due_at"])

        async def check() -> None:
            async with g.p.store.transaction() as tx:
                await tx.run("UPDATE sync_task SET due_at = :later", later=LATER)
            for one in checks:
                await one()

        return Run({"run": "worker"}, waiting, check)

    return prepare


def a_telling_of_stock() -> Callable[[Ground], Coroutine[Any, Any, Run]]:
    """A worker telling the shop how many pieces there are of a few goods."""

    async def prepare(g: Ground) -> Run:
        assert await sync_now(g.p, g.shop_id, ("products",)) == {"products": ""}
        managed = [unit for unit, pieces in g.shop.admin("GET", "stock").items() if pieces is not None]
        units = {
            f"{r['product']}/{r['variant']}": r
            for r in await g.fetch(
                """SELECT l.id, l.sku, l.platform_product_id AS product, l.platform_variant_id AS variant
                   FROM listing l WHERE l.sku <> '' AND l.sku <> :own ORDER BY l.id""",
                own=SKU,
            )
        }
        shelf = [units[unit] for unit in managed if unit in units][:TOGETHER]
        assert len(shelf) == TOGETHER
        await g.push_stock(True)
        for row in shelf:
            answer = await stocktaking.change(g.p, row["sku"], "receive", 2, "anna")
            assert not isinstance(answer, Refused), answer
        await stock_pushing.take_note(g.p)
        async with g.p.store.transaction() as tx:
            # What was told a moment ago would rest for seconds.
            await tx.run("UPDATE stock_push SET due_at = 1 WHERE since IS NOT NULL")

        async def waiting() -> int | None:
            if await g.value("SELECT count(*) FROM stock_change"):
                return 0
            due = await g.value("SELECT min(due_at) FROM stock_push WHERE since IS NOT NULL OR unsure_at IS NOT NULL")
            return None if due is None else int(due)

        async def check() -> None:
            there = g.shop.admin("GET", "stock")
            for row in shelf:
                (kept,) = await g.fetch(
                    """SELECT st.on_hand, p.sent, p.code FROM listing_item li JOIN stock st ON st.variant_id = li.variant_id
                       JOIN stock_push p ON p.listing_id = li.listing_id WHERE li.listing_id = :l""",
                    l=row["id"],
                )
                offered = there[f"{row['product']}/{row['variant']}"]
                assert (kept["code"], kept["sent"], offered) == ("", kept["on_hand"], kept["on_hand"]), row["sku"]
            await g.push_stock(False)

        return Run({"run": "worker"}, waiting, check)

    return prepare


def a_command(rows: int, by: str) -> Callable[[Ground], Coroutine[Any, Any, Run]]:
    """A command over some rows: worked off by the process that asked, or left to a worker."""

    async def prepare(g: Ground) -> Run:
        ids = await g.take("review", rows)
        events = await _held(g, ids)
        if by == "worker":
            begun = await begin(g.p, "hold", ids, {"reason": "wait"}, "anna")
            assert isinstance(begun, Begun), begun
            task: dict[str, Any] = {"run": "worker"}
        else:
            task = {"run": "hold", "ids": ids, "arguments": {"reason": "wait"}}

        async def waiting() -> int | None:
            left = await g.value("SELECT count(*) FROM batch WHERE state IN ('queued', 'running')")
            return 0 if left else None

        async def again() -> None:
            # A command that fits in one transaction is there wholly or not at all, and the person sees which.
            done = await _held(g, ids) - events
            assert sum(done.values()) in ({0, rows} if rows <= 50 else {*range(rows + 1)})
            if not done and not await waiting_is_open():
                await g.command("hold", ids, reason="wait")

        async def waiting_is_open() -> bool:
            return await waiting() is not None

        async def check() -> None:
            now_held = await _held(g, ids)
            assert {i: now_held[i] - events[i] for i in ids} == dict.fromkeys(ids, 1)
            reasons = await g.fetch("SELECT hold_reason FROM shipment WHERE id IN :ids", ids=ids)
            assert {r["hold_reason"] for r in reasons} == {"wait"}
            wrong = await g.fetch("SELECT name FROM batch WHERE done + refused <> total")
            assert wrong == []
            await g.command("release", ids)
            g.pools["review"].extend(ids)

        return Run(task, waiting, check, None if by == "worker" else again)

    return prepare


async def _held(g: Ground, ids: list[int]) -> Counter[int]:
    rows = await g.fetch(
        "SELECT shipment_id AS s, count(*) AS n FROM event WHERE kind = 'held' AND shipment_id IN :ids GROUP BY shipment_id",
        ids=ids,
    )
    return Counter({r["s"]: r["n"] for r in rows})


SCENARIOS: dict[str, Callable[[Ground], Coroutine[Any, Any, Run]]] = {
    "sync of orders": a_sync("orders"),
    "sync of products": a_sync("products"),
    "proof of the last days": a_sync("reconcile"),
    **{f"waybills, {r.value}": an_effect("ask", r) for r in ANY},
    "late waybills": an_effect("poll", BACK),
    **{f"voids, {r.value}": an_effect("void", r) for r in (BACK, NEITHER)},
    "checks and pushes": an_effect("check", BACK),
    "pushes": an_effect("guard", BACK),
    "early pushes": an_effect("early", BACK),
    **{f"print jobs, {r.value}": an_effect("send", r) for r in ANY},
    "stock told": a_telling_of_stock(),
    "a batch of a worker": a_command(BATCH, "worker"),
    "a command of few rows": a_command(5, "command"),
    "a command of many rows": a_command(BATCH, "command"),
}

_passed: dict[str, set[str]] = {}


@pytest.fixture(scope="module")
def scenes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Scene]]:
    """A scene for each engine, made when it is first asked for."""
    made: dict[str, Scene] = {}

    def of(engine: str) -> Scene:
        if engine not in made:
            home = tmp_path_factory.mktemp("scene")
            made[engine] = Scene(engine, home, lambda: str(request.getfixturevalue("postgresql_url")))
        return made[engine]

    yield of
    for scene in made.values():
        scene.close()


def _ways(step: str, turn: int, engine: str, full: bool) -> tuple[str, ...]:
    """How to strike: both ways on both engines, or in a sample one way on one of them."""
    if step.endswith(".writing"):
        # Stopped here a process holds the lock that everybody waits for: nobody goes on before it is killed or goes on.
        return ("kill",) if full or engine == "sqlite" else ()
    if full:
        return ("kill", "stop")
    return (("kill",) if turn % 2 else ()) if engine == "sqlite" else () if turn % 2 else ("stop",)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_step_a_process_is_killed_or_frozen_at_the_books_end_equal(
    scenes: Callable[..., Scene],
    engine: str,
    name: str,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    scene = scenes(engine)
    full = request.config.getoption("--matrix") == "full"

    def fresh() -> Run:
        scene.do(scene.ground.begin_anew())
        return scene.do(SCENARIOS[name](scene.ground))

    clean = fresh()
    steps = Counter(scene.processes.run(clean.task)["steps"])
    scene.do(scene.settle(clean))
    scene.do(clean.check())
    assert steps
    _passed.setdefault(name, set()).update(steps)
    struck = 0
    for turn, (step, times) in enumerate(steps.items()):
        for nth in sorted({1, times} if full else {1}):
            for how in _ways(step, turn, engine, full):
                run = fresh()
                try:
                    scene.do(scene.strike(run, step, nth, how))
                except AssertionError as error:
                    raise AssertionError(f"{how} at {step} ({nth}): {error}") from error
                struck += 1
    record_property("crash", [name, engine, struck])


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_after_all_crashes_the_books_as_a_whole_are_equal(scenes: Callable[..., Scene], engine: str) -> None:
    ground = scenes(engine).ground
    assert ground.do(ground.whole_books()) == []


def patterns() -> set[str]:
    """Names of the steps in the source; what is filled in when they are passed stands as `{…}`."""
    found = set()
    for file in Path(pipeline.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "step":
                found.add(ast.unparse(node.args[0]).removeprefix("f").strip("'\""))
    return found


def test_every_step_of_the_source_is_struck_by_a_scenario() -> None:
    if set(_passed) != set(SCENARIOS):
        pytest.skip("only a part of the scenarios was run")
    passed = set().union(*_passed.values())
    missing = set()
    for pattern in patterns():
        names = [pattern]
        if "{op.value}" in pattern:
            names = [pattern.replace("{op.value}", op.value) for op in Op]
        wanted = [re.compile(re.sub(r"\\\{.*?\\\}", ".+", re.escape(name))) for name in names]
        missing |= {w.pattern for w in wanted if not any(w.fullmatch(name) for name in passed)}
    assert patterns()
    assert missing == set()
