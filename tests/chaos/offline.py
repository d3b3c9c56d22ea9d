"""Four hours without a network: people go on, what is to be told waits, and is told once when the network is back.

Time is skipped, the work is real: a shop and a carrier behind lines that are cut, commands as people give them, a worker
that comes every five minutes. Afterwards the calls are counted against the account's budget.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any

from msgspec import structs

from connectors.simulated.launch import Twin
from domain.clock import HOUR, MINUTE, now
from domain.enums import Op
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.demo_books import compare
from pipeline.worker import Worker
from store import books, overview
from store.place import Place
from tests.chaos.line import Line
from tests.conftest import World
from tests.matrix.gate import Time

OFF, EVERY = 4 * HOUR, 5 * MINUTE
CALLS_PER_SECOND = 20
REVIEW_SHARE = 10
"""One of so many orders is still in review when the network goes."""


class Behind:
    """A twin at the far end of a line."""

    def __init__(self, twin: Twin, line: Line) -> None:
        self.hello, self.admin, self.line = twin.hello, twin.admin, line
        self.url = line.url

    def calls(self) -> int:
        """How many calls have reached it."""
        return sum(self.admin("GET", "calls")["calls"].values())


class Offline:
    """One run."""

    def __init__(
        self, orders: int, folder: Path, every: int = EVERY, say: Callable[[str], None] = lambda _text: None
    ) -> None:
        self.orders, self.folder, self.every, self.say = orders, folder, every, say
        self.time = Time()
        self.wrong: list[str] = []

    async def run(self) -> dict[str, Any]:
        """Everything; `differences` is empty when every promise held."""
        began = monotonic()
        with ExitStack() as open_:
            self.shop, self.carrier = (
                Behind(twin, open_.enter_context(Line(twin.url)))
                for twin in (
                    open_.enter_context(Twin("woocommerce", orders=self.orders, plain=True, seed=4)),
                    open_.enter_context(Twin("carrier", seed=4)),
                )
            )
            place = Place("", self.folder / "off.sqlite", self.folder / "keys" / "key", self.folder / "backups")
            self.p = await Pipeline.open(place, self.time, worker=True)
            try:
                await self._before()
                await self._meanwhile()
                drained = await self._afterwards()
                found = await compare(self.p, self.shop, self.carrier, {}, 0, monotonic() - began)
                self.wrong += found["differences"]
                return {**drained, "seconds": round(monotonic() - began, 1), "differences": self.wrong}
            finally:
                await self.p.aclose()

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Note a difference."""
        if found != wanted:
            self.wrong.append(f"{what}: {found}, not {wanted}")

    # ------------------------------------------------------------------ before

    async def _before(self) -> None:
        self.p.sleep = self.time.sleep
        plain = self.p.binding
        # The platform's clock does not skip with ours: a call is signed by the real one.
        self.p.binding = lambda *known: structs.replace(plain(*known), clock=now)  # type: ignore[method-assign]
        self.world = World(self.p, self.shop, self.carrier, self.folder / "papers")  # type: ignore[arg-type]
        await self.world.bind(
            ship_unchecked="yes", note_gate="no", grace_s="0", calls_per_second=str(CALLS_PER_SECOND), parallel="8"
        )
        self.worker = Worker(self.p)
        assert await self.world.sync() == ""
        review = await self._ids("stage = 1")
        self.expect("imported", len(review), self.orders)
        going = review[: len(review) - len(review) // REVIEW_SHARE]
        await self._all("approve", going)
        await self._all("assign", going, service_id=await self.world.service("SIM-STD"))
        await self._all("waybill", going)
        await self._drain((Op.REQUEST_WAYBILL,))
        self.say("labels are stored")

    async def _ids(self, where: str) -> list[int]:
        return [r["id"] for r in await self.world.fetch(f"SELECT id FROM shipment WHERE {where} ORDER BY id")]

    async def _all(self, command: str, ids: Sequence[int], **arguments: Any) -> None:
        report = await self.world.do(command, list(ids), **arguments)
        self.expect(f"{command} refused", [(r.code, r.reason) for r in report.refused][:3], [])

    async def _drain(self, ops: tuple[Op, ...] = ()) -> None:
        """Let the worker come until nothing is open, and time pass where it only waits."""
        for _visit in range(2000):
            await self.worker.tick_once()
            if not await books.busy(self.p.store, ops):
                return
            due = await self.world.value(
                """SELECT min(max(e.due_at, coalesce(h.retry_at, 0))) FROM effect e
                   LEFT JOIN account_health h ON h.account = e.account WHERE e.state IN ('queued', 'unknown')"""
            )
            self.time.to((due or 0) + 1)
        self.wrong.append("effects are still open")

    # ------------------------------------------------------------------ no network

    async def _meanwhile(self) -> None:
        self.printable = await self._ids("stage = 4 AND status = 'in_stock'")
        self.expect("to print", len(self.printable), self.orders - self.orders // REVIEW_SHARE)
        review = await self._ids("stage = 1")
        for twin in (self.shop, self.carrier):
            twin.line.off()
        before = (self.shop.calls(), self.carrier.calls())
        steps = OFF // self.every
        for step in range(steps):
            mine, read = self.printable[step::steps], review[step::steps]
            if read:
                await self._all("approve", read)
            if mine:
                await self._all("print", mine)
                await self.worker.tick_once()
                await self._all("ship", mine)
            self.time.to(self.time() + self.every)
            await self.worker.tick_once()
        (shop,) = await overview.shop_states(self.p.store, self.time())
        self.expect("late on the screen", shop.late, True)
        # The last checks wait for the end of a back-off of a quarter of an hour at most.
        for _visit in range(4):
            self.time.to(self.time() + EVERY)
            await self.worker.tick_once()
        self.expect("approved", await self._count("stage = 2"), len(review))
        self.expect("printed", await self._count("print_state = 'confirmed'"), len(self.printable))
        self.expect(
            "shipped", await self._count("stage = 5 AND status = 'pushing' AND unchecked = 1"), len(self.printable)
        )
        named = await self.world.value(
            "SELECT count(*) FROM event WHERE kind = 'shipped' AND data LIKE '%\"unchecked\":true%'"
        )
        self.expect("events that name it", named, len(self.printable))
        self.expect("calls that came through", (self.shop.calls(), self.carrier.calls()), before)
        await self._not_allowed()
        self.say("four hours have passed")

    async def _count(self, where: str) -> int:
        return int(await self.world.value(f"SELECT count(*) FROM shipment WHERE {where}"))

    async def _not_allowed(self) -> None:
        """Where the shop does not allow it, nothing ships without having been read."""
        answer = await setup.set_shop(self.p, self.world.shop_id, {"ship_unchecked": "no"}, {})
        assert not isinstance(answer, Refused), answer
        one = (await self._ids("stage = 2"))[0]
        await self._all("assign", [one], service_id=await self.world.service("OWN"))
        await self._all("waybill", [one])
        await self.worker.tick_once()
        await self._all("print", [one])
        await self.worker.tick_once()
        await self._all("ship", [one])
        for _visit in range(6):
            self.time.to(self.time() + EVERY)
            await self.worker.tick_once()
        # Behind thousands of pushes its check waits; before few of them it has failed, and says so.
        where = f"id = {one} AND stage = 4 AND (status = 'checking' OR code = 'check_failed')"
        self.expect("not allowed to go unchecked", await self._count(where), 1)

    # ------------------------------------------------------------------ the network is back

    async def _afterwards(self) -> dict[str, Any]:
        for twin in (self.shop, self.carrier):
            twin.line.on()
        before, at = self.shop.calls(), self.time()
        await self._drain()
        calls, passed_s = self.shop.calls() - before, (self.time() - at) / 1000
        if calls > CALLS_PER_SECOND * (passed_s + 1):
            self.wrong.append(f"budget: {calls} calls within {passed_s:.0f} s of {CALLS_PER_SECOND} a second")
        unchecked = await self._count("stage = 5 AND status = 'succeeded' AND unchecked = 1")
        self.expect("told", unchecked, len(self.printable))
        told = [o for o in self.shop.admin("GET", "orders") if o["made_by_us"]]
        self.expect("told there", len(told), await self._count("stage = 5"))
        for there in told:
            notes = sum("note_id" in t for t in there["tracking"])
            if (there["times_completed"], notes) != (1, 1):
                self.wrong.append(f"order {there['id']}: completed {there['times_completed']} times, {notes} notes")
        return {
            "orders": self.orders,
            "unchecked": len(self.printable),
            "calls": calls,
            "drained_in_s": round(passed_s),
            "calls_per_second": round(calls / max(passed_s, 1), 1),
        }
