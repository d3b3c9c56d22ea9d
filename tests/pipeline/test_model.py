"""A stateful model: two operators, the buyers and the platform do what they like, in any order, with restarts between.

Real parts: a real SQLite file, the simulated shop and carrier over HTTP, the worker. After every step the books must be
whole, and nothing may have changed but what the step was about.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from connectors.simulated.launch import Twin
from domain.enums import STATUSES, Stage, Status
from domain.results import Refused
from pipeline.base import Pipeline
from pipeline.commands import Report, run
from pipeline.undo import target_of
from store import batches
from store.place import Place
from tests.pipeline.conftest import Bench, Template, _moved_in

T = TypeVar("T")

PEOPLE = st.sampled_from(["anna", "bo"])
STOCK = {"NB-A5": 40, "PEN-07": 40}

LEADS: dict[str, dict[str, set[str]]] = {
    "approve": {"review": {"processing"}},
    "hold": {s: {s} for s in ("review", "processing", "waybill", "to_print")},
    "release": {s: {s} for s in ("review", "processing", "waybill", "to_print")},
    "flag": {s: {s} for s in ("review", "processing", "waybill", "to_print", "shipped", "closed")},
    "assign": {"processing": {"processing"}, "waybill": {"waybill"}},
    "waybill": {"processing": {"waybill"}, "waybill": {"waybill"}},
    "hand-over": {"processing": {"to_print"}},
    "to-print": {"waybill": {"to_print"}},
    "in-stock": {"to_print": {"to_print"}},
    "print": {"to_print": {"to_print"}, "shipped": {"shipped"}},
    "push": {"waybill": {"waybill"}, "to_print": {"to_print"}},
    "ship": {"to_print": {"shipped", "to_print"}},
    "retry": {"shipped": {"shipped"}},
    "ignore": {"shipped": {"shipped"}},
    "collect": {"shipped": {"shipped"}},
    "recall": {"shipped": {"to_print", "closed"}},
    "back": {s: {"review", "processing"} for s in ("processing", "waybill", "to_print")},
    "close": {s: {"closed", "waybill"} for s in ("review", "processing", "waybill", "to_print")},
    "void": {s: {"processing", "waybill", "to_print", s} for s in ("waybill", "to_print", "closed")},
    "keep": {s: {s} for s in ("review", "processing", "waybill", "to_print", "shipped")},
}
"""The reference: from which stage a command leads where. `ship` may wait in *to print* for its check."""
NEXT: dict[tuple[int, str], list[str]] = {
    (1, "open"): ["approve", "approve", "approve", "hold"],
    (2, "open"): ["assign", "assign", "assign", "hand-over"],
    (2, "ready"): ["waybill", "waybill", "waybill", "back"],
    (3, "obtained"): ["to-print", "push", "back"],
    (3, "failed"): ["waybill", "back", "close"],
    (4, "in_stock"): ["print", "print", "ship", "ship", "push"],
    (4, "out_of_stock"): ["in-stock", "back"],
    (5, "pushing"): ["recall", "collect"],
    (5, "succeeded"): ["collect", "recall"],
    (5, "failed"): ["retry", "ignore"],
}
"""What an operator would do next in a place."""
DONE: Counter[str] = Counter()
"""Rows that commands changed, over all examples: a model that does nothing proves nothing."""
BASKETS = st.lists(
    st.tuples(st.sampled_from(list(STOCK)), st.integers(1, 3)), min_size=1, max_size=2, unique_by=lambda s: s[0]
)
PLACES = ["review", "processing", "to_print", "printed", "shipped"]
CHANGES = st.sampled_from(
    [
        "cancel",
        "partial_refund",
        "address",
        "quantity",
        "add_line",
        "remove_line",
        "reopen",
        "complete",
        "trash",
        "refund",
    ]
)


class Machine(RuleBasedStateMachine):
    """One database, one example."""

    orders = Bundle("orders")

    def __init__(self, template: Template, shop: Twin, carrier: Twin, folder: Path, number: int) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        home = folder / str(number)
        file = home / "data" / "test.sqlite"
        file.parent.mkdir(parents=True)
        shutil.copyfile(template.file, file)
        file.chmod(0o600)
        self.place = Place("", file, template.key, home / "backups")
        self.w: Bench = self.go(_moved_in(self.place, template, shop, carrier, home / "papers"))
        self.made: list[int] = []
        self.seen: dict[int, tuple[int, int]] = {}
        """Shipment → (version, its newest event) when last looked at."""
        self.touched: set[int] = set()
        """Shipments that the present step may have changed."""

    def go(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    # -------------------------------------------------------------- rules

    @initialize(
        target=orders,
        checks=st.booleans(),
        prints=st.booleans(),
        baskets=st.lists(BASKETS, min_size=4, max_size=4),
        shuffled=st.permutations(PLACES),
    )
    def begin(self, checks: bool, prints: bool, baskets: list[list[tuple[str, int]]], shuffled: list[str]) -> Any:
        """A shop with its rules, goods on hand, four orders in different places."""
        for sku, pieces in STOCK.items():
            self.go(self.w.stock(pieces, sku))
        for skus, stage in zip(baskets, shuffled, strict=False):
            self.made.append(self.go(self.w.take(stage, skus=skus))[0])
        self.go(self.w.setting(check_before_ship=checks, ship_without_printing=not prints, grace_s=600))
        self.go(self.look())
        return multiple(*self.made)

    @rule(target=orders, skus=BASKETS)
    def order(self, skus: list[tuple[str, int]]) -> Any:
        """Somebody buys."""
        if len(self.made) >= 7:
            return multiple()
        made, shipment = self.go(self.w.take(skus=skus))
        self.made.append(made)
        self.touched = {shipment}
        return made

    def forward(self, who: str, data: st.DataObject, console: bool) -> None:
        """An operator takes everything of one place a step further."""
        rows = self.go(self.rows())
        places = sorted({(r["stage"], r["status"]) for r in rows.values()} & NEXT.keys())
        if not places:
            return
        place = data.draw(st.sampled_from(places), "place")
        chosen = [i for i, r in rows.items() if (r["stage"], r["status"]) == place]
        self.command_on(data.draw(st.sampled_from(NEXT[place]), "command"), chosen, who, data, False, console)

    forward_one = rule(who=PEOPLE, data=st.data(), console=st.booleans())(forward)
    forward_two = rule(who=PEOPLE, data=st.data(), console=st.booleans())(forward)
    forward_three = rule(who=PEOPLE, data=st.data(), console=st.booleans())(forward)
    """Thrice as likely as anything else: most of what happens is work."""

    @precondition(lambda self: self.made)
    @rule(
        who=PEOPLE,
        data=st.data(),
        fits=st.booleans(),
        stale=st.sampled_from([False, False, True]),
        console=st.booleans(),
    )
    def command(self, who: str, data: st.DataObject, fits: bool, stale: bool, console: bool) -> None:
        """An operator does something with some rows, perhaps with versions seen a while ago, perhaps out of place."""
        rows = self.go(self.rows())
        one = data.draw(st.sampled_from(sorted(rows)), "row")
        stage = Stage(rows[one]["stage"]).word
        fitting = sorted(c for c, leads in LEADS.items() if stage in leads)
        command = data.draw(st.sampled_from(fitting if fits else sorted(LEADS)), "command")
        others = data.draw(st.lists(st.sampled_from(sorted(rows)), max_size=2, unique=True), "beside it")
        self.command_on(command, sorted({one, *others}), who, data, stale, console)

    def command_on(
        self, command: str, chosen: list[int], who: str, data: st.DataObject, stale: bool, console: bool
    ) -> None:
        """Run it and compare with the reference."""
        rows = self.go(self.rows())
        arguments: dict[str, Any] = {}
        if command == "assign":
            arguments["service_id"] = self.go(self.w.service(data.draw(st.sampled_from(["SIM-STD", "OWN"]), "service")))
        elif command in {"recall", "back"}:
            to = ["to_print", "close"] if command == "recall" else ["review", "processing"]
            arguments["to"] = data.draw(st.sampled_from(to), "to")
        elif command == "flag":
            arguments["colour"] = 3
        versions = {i: rows[i]["version"] - (1 if stale and rows[i]["version"] > 1 else 0) for i in chosen}
        report = self.act(command, chosen, arguments, who, console, versions if stale else None)
        after = self.go(self.rows())
        assert set(report.done) | {r.id for r in report.refused} == set(chosen)
        assert not set(report.done) & {r.id for r in report.refused}
        for i in report.done:
            assert versions[i] == rows[i]["version"] or not stale, "a stale row was changed"
            before = Stage(rows[i]["stage"]).word
            assert Stage(after[i]["stage"]).word in LEADS[command].get(before, set()), (
                f"{command} from {before}: {after[i]}"
            )
        for r in report.refused:
            assert r.code, r
            assert r.code != "own_error", r
            assert r.reason, r
            assert after[int(r.id)]["version"] == rows[int(r.id)]["version"], f"{command} refused, yet changed: {r}"
        self.touched = set(report.done)
        DONE[command] += len(report.done)

    @precondition(lambda self: len(self.made) > 1)
    @rule(who=PEOPLE, data=st.data())
    def merge(self, who: str, data: st.DataObject) -> None:
        """Two shipments of one buyer go into one box."""
        rows = self.go(self.rows())
        chosen = data.draw(st.lists(st.sampled_from(sorted(rows)), min_size=2, max_size=3, unique=True), "rows")
        report = self.act("merge", chosen, {}, who, False)
        self.touched = set(report.done) and set(chosen)

    @precondition(lambda self: self.made)
    @rule(who=PEOPLE, data=st.data())
    def rearrange(self, who: str, data: st.DataObject) -> None:
        """One piece goes into a box of its own, or a merged box is taken apart."""
        rows = self.go(self.rows())
        one = data.draw(st.sampled_from(sorted(rows)), "row")
        if data.draw(st.booleans(), "split"):
            lines = self.go(self.w.fetch("SELECT order_line_id AS id FROM shipment_line WHERE shipment_id = :s", s=one))
            if not lines:
                return
            report = self.act("split", [one], {"lines": {str(lines[0]["id"]): 1}}, who, False)
        else:
            report = self.act("unmerge", [one], {}, who, False)
        self.touched = set(report.done) and {*rows, *self.go(self.rows())}

    @precondition(lambda self: self.made)
    @rule(order=orders, what=CHANGES)
    def platform(self, order: int, what: str) -> None:
        """The buyer or the merchant changes something, and the order is read."""
        try:
            self.go(self.w.change(order, what))
        except AssertionError:
            raise
        except Exception as error:
            # The twin refuses what the platform would: no line is left to take off, nothing is left to refund.
            assert type(error).__name__ in {"TwinFailed", "HTTPError", "TwinError"}, error  # noqa: PT017
        self.touched = set(self.go(self.w.shipments(order)))

    @rule()
    def read_again(self) -> None:
        """The same orders once more: nothing changes."""
        if self.made:
            self.go(self.w.read_all(self.made))
        self.touched = set()

    @rule()
    def work(self) -> None:
        """The grace is over, and a worker does what is due."""
        self.go(self.w.make_due())
        self.go(self.w.work())
        self.touched = set(self.go(self.rows()))

    @rule(who=PEOPLE)
    def undo(self, who: str) -> None:
        """An operator takes their last batch back."""
        target = self.go(target_of(self.w.p, who))
        if isinstance(target, Refused):
            return

        async def rows_of() -> list[int]:
            async with self.w.p.store.reading() as tx:
                return [r.shipment_id for r in await batches.results(tx, target.id) if r.outcome == "done"]

        ids = self.go(rows_of())
        before = self.go(self.rows())
        report = self.act("undo", ids, {"batch_id": target.id}, who, False)
        after = self.go(self.rows())
        for r in report.refused:
            assert after[int(r.id)]["version"] == before[int(r.id)]["version"]
        self.touched = set(report.done)

    @rule()
    def restart(self) -> None:
        """The program ends and begins anew."""

        async def anew() -> None:
            await self.w.p.aclose()
            self.w.p = await Pipeline.open(self.place)

        self.go(anew())
        self.touched = set()

    # -------------------------------------------------------------- what always holds

    def act(
        self,
        command: str,
        ids: list[int],
        arguments: dict[str, Any],
        who: str,
        console: bool,
        seen: dict[int, int] | None = None,
    ) -> Report:
        source = "console" if console else "command_line"
        return self.go(run(self.w.p, command, ids, arguments, who, source=source, seen=seen))

    async def rows(self) -> dict[int, dict[str, Any]]:
        """Shipments of the orders of this example."""
        found = await self.w.fetch(
            """SELECT DISTINCT s.id, s.stage, s.status, s.version FROM shipment s JOIN orders o ON o.id = s.order_id
               WHERE o.platform_order_id IN :made ORDER BY s.id""",
            made=[str(m) for m in self.made],
        )
        return {r["id"]: r for r in found}

    async def look(self) -> None:
        events = await self.w.fetch("SELECT shipment_id AS id, max(id) AS last FROM event GROUP BY shipment_id")
        last = {r["id"]: r["last"] for r in events}
        self.seen = {i: (r["version"], last.get(i, 0)) for i, r in (await self.rows()).items()}

    @invariant()
    def nothing_else_changed(self) -> None:
        """A step changes only what it is about, and every change of a shipment has its line of history."""
        before = self.seen
        self.go(self.look())
        for i, (version, last) in self.seen.items():
            old = before.get(i)
            if old is None:
                assert last, f"K{i} was born without a line of history"
                continue
            if version != old[0]:
                assert i in self.touched, f"K{i} changed though the step was about {self.touched}"
                assert last > old[1], f"K{i} changed from version {old[0]} to {version} without a line of history"
        self.touched = set()

    @invariant()
    def the_books_are_whole(self) -> None:
        """The doctor finds nothing; status fits stage; stock is what came less what left; orders are accounted for."""
        self.go(self.w.healthy())
        for i, r in self.go(self.rows()).items():
            assert Status(r["status"]) in STATUSES[Stage(r["stage"])], f"K{i}: {r}"
        for sku, came in STOCK.items():
            left = self.go(
                self.w.value(
                    """SELECT coalesce(sum(sl.quantity * li.quantity), 0) FROM shipment s
                       JOIN shipment_line sl ON sl.shipment_id = s.id JOIN order_line ol ON ol.id = sl.order_line_id
                       JOIN listing_item li ON li.listing_id = ol.listing_id JOIN variant v ON v.id = li.variant_id
                       WHERE s.deducted = 1 AND v.sku = :sku""",
                    sku=sku,
                )
            )
            on_hand, reserved = self.go(self.w.on_hand(sku)) if self.seen or self.made else (came, 0)
            assert on_hand == came - left, f"{sku}: {on_hand} on hand, {came} came, {left} left"
            assert 0 <= reserved <= on_hand
        held = self.go(
            self.w.fetch(
                """SELECT platform_order_id AS id FROM orders UNION SELECT platform_order_id FROM left_out
                   UNION SELECT platform_order_id FROM abnormal"""
            )
        )
        assert {str(m) for m in self.made} <= {r["id"] for r in held}

    @invariant()
    def no_effect_without_its_state(self) -> None:
        """One unsettled effect of a kind per shipment and order (two pushes: early, and the finishing one behind it)."""
        open_ = self.go(
            self.w.fetch(
                """SELECT e.op, e.shipment_id AS s, coalesce(e.order_id, 0) AS o, coalesce(e.waybill_id, 0) AS w, count(*) AS n
                   FROM effect e WHERE e.state IN ('queued', 'running', 'unknown') AND e.op <> 'print'
                   GROUP BY e.op, e.shipment_id, e.order_id, e.waybill_id
                   HAVING count(*) > CASE e.op WHEN 'push' THEN 2 ELSE 1 END"""
            )
        )
        assert open_ == []
        homeless = self.go(
            self.w.fetch(
                """SELECT e.id, e.op, s.stage, s.status FROM effect e JOIN shipment s ON s.id = e.shipment_id
                   WHERE e.state IN ('queued', 'running') AND e.op IN ('push', 'check')
                     AND NOT (e.op = 'push' AND s.stage IN (3, 4, 5)) AND NOT (e.op = 'check' AND s.status = 'checking')"""
            )
        )
        assert homeless == []

    def teardown(self) -> None:
        """Everything under way ends; then the platform's books and the carrier's say the same as ours."""
        try:
            for _round in range(3):
                self.go(self.w.make_due())
                self.go(self.w.work())
            self.go(self.w.healthy())
            self.go(self._compare())
        finally:
            self.go(self.w.p.aclose())
            self.runner.close()

    async def _compare(self) -> None:
        there = {o["id"]: o for o in self.w.shop.admin("GET", "orders") if o["id"] in set(self.made)}
        told = await self.w.fetch(
            """SELECT o.platform_order_id AS id, su.number FROM submission su JOIN orders o ON o.id = su.order_id
               WHERE su.state IN ('tracking_sent', 'done') AND su.number <> ''"""
        )
        for order in there.values():
            noted = [t["number"] for t in order["tracking"] if "note_id" in t]
            assert len(noted) == len(set(noted)), f"order {order['id']} was told a number twice: {noted}"
            ours = {t["number"] for t in told if t["id"] == str(order["id"])}
            assert ours <= set(noted), f"order {order['id']}: told {noted}, ours {ours}"
        shipments: Iterable[int] = await self.rows()
        for shipment in shipments:
            for waybill in self.w.asked(shipment):
                assert waybill["created_times"] == 1, waybill


def test_whatever_two_operators_and_a_platform_do_the_books_stay_whole(
    sqlite_template: Template, shop_twin: Twin, carrier_twin: Twin, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    count = 0

    def machine() -> Machine:
        nonlocal count
        count += 1
        return Machine(sqlite_template, shop_twin, carrier_twin, tmp_path, count)

    full = request.config.getoption("--matrix") == "full"
    DONE.clear()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=250 if full else 12,
            stateful_step_count=50 if full else 30,
            deadline=None,
            derandomize=not full,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    for command in ("approve", "assign", "waybill", "print", "ship", "hold"):
        assert DONE[command], f"no example did {command}: {DONE}"
