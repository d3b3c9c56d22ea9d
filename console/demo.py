"""`shipdeck demo`: the whole path on a simulated shop and carrier, in processes of their own, with faults and a kill.

It does what an operator does, by the same commands, and then compares the platform's books (read over HTTP) with ours.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from connectors.simulated.launch import Twin
from console.output import complain, emit
from domain.clock import SECOND
from domain.enums import Op
from domain.filters import Term
from domain.results import Refused
from domain.words import _
from pipeline import demo_books, setup, stocktaking
from pipeline.base import Pipeline
from pipeline.commands import RefusedRow, run
from store import books, views
from store.place import Place

FAULTS = (
    "latency",
    "refused_429",
    "http_500",
    "http_500_after",
    "http_502",
    "http_503",
    "http_503_retry_after",
    "html",
    "malformed",
    "cut_before",
    "cut_after",
    "timeout_after",
    "reset_mid_body",
    "duplicate",
    "reorder",
)
"""Every kind but expired tokens, which rightly stop an account until a person acts."""


class DemoFailed(RuntimeError):
    """The demo could not reach its end."""


async def run_demo(options: argparse.Namespace) -> int:
    """Run the demo and print its JSON; 0 when the books agree."""
    if options.orders < 1:
        complain(_("At least one order, please."))
        return 2
    with tempfile.TemporaryDirectory(prefix="shipdeck-practice-") as scratch:
        folder = Path(options.keep) if options.keep else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        demo = Demo(folder, options.orders, options.faults, options.seed)
        try:
            document = await demo.run()
        except DemoFailed as error:
            complain(str(error))
            return 1
        emit(document)
        for line in document["differences"]:
            complain(line)
        return 1 if document["differences"] else 0


class Demo:
    """One run: twins, a worker process, and the operator's day."""

    def __init__(self, folder: Path, orders: int, faults: float, seed: int) -> None:
        self.place = Place("", folder / "practice.sqlite", folder / "key", folder / "backups")
        self.printed = folder / "printed"
        self.orders, self.faults, self.seed = orders, faults, seed
        self.refused: Counter[str] = Counter()
        self.worker: asyncio.subprocess.Process | None = None
        self.kills = 0
        self._step = 0
        self._started = monotonic()

    async def run(self) -> dict[str, Any]:
        """Everything, from binding the shop to comparing the books."""
        if self.place.file is not None and self.place.file.exists():
            raise DemoFailed(_("There is a practice database in that folder already."))
        self.printed.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = max(1, self.orders * 6 // 10)
        with (
            Twin("woocommerce", orders=first, seed=self.seed) as shop,
            Twin("carrier", seed=self.seed, late_share=0.1) as carrier,
        ):
            p = await Pipeline.open(self.place)
            try:
                await self._set_up(p, shop, carrier)
                self._break(shop, carrier)
                await self._start_worker()
                await self._day(p, shop, carrier, self.orders - first)
                await self._end(p)
                await self._stop_worker()
                seconds = monotonic() - self._started
                self._mend(shop, carrier)
                return await demo_books.compare(p, shop, carrier, self.refused, self.kills, seconds)
            finally:
                await self._stop_worker()
                await p.aclose()

    # -------------------------------------------------------------- set-up

    async def _set_up(self, p: Pipeline, shop: Twin, carrier: Twin) -> None:
        patience = {"settle_s": "1", "timeout_s": "2"}
        made = await setup.add_shop(
            p,
            "woocommerce",
            "PL-Woo",
            {"url": shop.url, "orders_every_s": "2", "grace_s": "0", "parallel": "8", **patience},
            {k: str(shop.hello[k]) for k in ("consumer_key", "consumer_secret")},
        )
        carried = await setup.add_carrier(
            p,
            "simulated",
            "SimPost",
            {"url": carrier.url, "parallel": "8", **patience},
            {"token": str(carrier.hello["token"])},
        )
        pool = await setup.add_carrier(
            p,
            "pool",
            "OwnPost",
            {"carrier_name": "Own Post", "services": "OWN=Own letter", "cod": "yes", "practice": "yes"},
            {},
        )
        printer = await setup.add_printer(p, "folder", "papers", {"folder": str(self.printed)})
        for answer in (made, carried, pool, printer):
            if isinstance(answer, Refused):
                raise DemoFailed(f"{answer.code}: {answer.message}")
        assert not isinstance(pool, Refused)
        await setup.import_numbers(p, pool.id, [f"OWN{n:09d}" for n in range(1, self.orders + 100)])
        await setup.set_sender(
            p, "", {"name": "Papeteria", "line1": "Składowa 1", "city": "Poznań", "postcode": "61-001", "country": "PL"}
        )

    def _break(self, shop: Twin, carrier: Twin) -> None:
        for twin, seed in ((shop, self.seed), (carrier, self.seed + 1)):
            twin.admin(
                "POST",
                "faults",
                {
                    "rate": self.faults,
                    "kinds": list(FAULTS),
                    "seed": seed,
                    "hold_s": 3,
                    "latency_s": 0.05,
                    "retry_after_s": 1,
                },
            )

    def _mend(self, shop: Twin, carrier: Twin) -> None:
        for twin in (shop, carrier):
            twin.admin("POST", "faults", {"rate": 0})

    # -------------------------------------------------------------- the worker

    async def _start_worker(self) -> None:
        env = {**os.environ, "SHIPDECK_DB": str(self.place.file), "SHIPDECK_KEY_FILE": str(self.place.key_file)}
        log = await asyncio.to_thread(open, self.place.backups.parent / "worker.log", "ab")
        self.worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "console.cli",
            "worker",
            "--until-stdin-closes",
            "--verbose",
            stdin=asyncio.subprocess.PIPE,
            stderr=log,
            env=env,
        )
        log.close()

    async def _stop_worker(self) -> None:
        if self.worker is not None:
            if self.worker.returncode is None:
                assert self.worker.stdin is not None
                self.worker.stdin.close()
                await self.worker.wait()
            self.worker = None

    async def _kill_worker(self) -> None:
        """Kill -9 in the middle of things, then start another one: nothing may be lost or doubled."""
        if self.worker is not None and self.faults > 0:
            self.worker.send_signal(signal.SIGKILL)
            await self.worker.wait()
            self.kills += 1
            await self._start_worker()

    # -------------------------------------------------------------- the day

    async def _day(self, p: Pipeline, shop: Twin, carrier: Twin, arriving: int) -> None:
        await self._until(p, _("first import"), self._imported)
        await setup.cut_over(p, 1, "ship_these", "anna")
        if arriving:
            shop.admin("POST", "arrive", {"n": arriving})
        await self._synced(p, shop, "review")
        await self._stock_up(p)
        await self._command(p, "note", {"read": True}, "stage:review note:unread")
        await self._command(p, "approve", {}, "stage:review")
        services = await books.service_ids(p.store)
        await self._command(
            p, "assign", {"service_id": services["SIM-STD"]}, "stage:processing country:PL !kind:pickup"
        )
        await self._command(p, "assign", {"service_id": services["OWN"]}, "stage:processing !country:PL kind:delivery")
        await self._command(
            p, "assign", {"service_id": services["SIM-STD"]}, "stage:processing !country:PL kind:pickup_point"
        )
        slow = [
            i for i, _v in await views.selection(p.store, [Term("stage", ("processing",)), Term("country", ("PL",))])
        ][:4]
        for ids, code in ((slow[:2], "SIM-LATE"), (slow[2:3], "SIM-NEVER")):
            await self._run(p, "assign", ids, {"service_id": services[code]})
        await self._command(p, "hand-over", {}, "stage:processing kind:pickup")
        await self._merge_and_split(p)
        await self._command(p, "waybill", {}, "stage:processing")
        await asyncio.sleep(0.3)
        await self._kill_worker()
        await self._until(p, _("waybills"), self._waybills_settled)
        await self._mend_waybills(p, services)
        await self._push_some_early(p)
        await self._command(p, "print", {}, "stage:to_print status:in_stock printed:no")
        await self._until(p, _("printing"), self._printed)
        await self._synced(p, shop, "print")
        await self._mend_changed(p)
        await self._command(p, "ship", {"close_refunds": False}, "stage:to_print status:in_stock")
        await asyncio.sleep(0.3)
        await self._kill_worker()
        await self._until(p, _("pushes"), self._pushes_settled)
        await self._synced(p, shop, "shipped")

    async def _end(self, p: Pipeline) -> None:
        """What an operator does at the end of the day with what is left over."""
        await self._mend_changed(p)
        await self._command(p, "in-stock", {}, "stage:to_print status:out_of_stock")
        await self._command(p, "print", {}, "stage:to_print status:in_stock printed:no")
        await self._until(p, _("printing"), self._printed)
        await self._command(p, "ship", {}, "stage:to_print status:in_stock printed:yes")
        await self._command(p, "retry", {}, "stage:shipped status:failed")
        await self._until(p, _("pushes"), self._pushes_settled)
        await self._command(p, "ignore", {}, "stage:shipped status:failed")
        await self._until(p, _("voids"), self._all_settled)

    async def _stock_up(self, p: Pipeline) -> None:
        """One SKU is scarce, the others are plenty; replenished before the end."""
        skus = (await books.unique_skus(p.store))[:12]
        for n, sku in enumerate(skus):
            await stocktaking.change(p, sku, "count", 3 if n == 0 else self.orders * 5, "anna")
        self._scarce = skus[0] if skus else ""

    async def _merge_and_split(self, p: Pipeline) -> None:
        for ids in (await views.merge_candidates(p.store))[:5]:
            await self._run(p, "merge", ids, {})
        for shipment, line in await books.splittable(p.store, 5):
            await self._run(p, "split", [shipment], {"lines": {str(line): 1}})

    async def _mend_waybills(self, p: Pipeline, services: Mapping[str, int]) -> None:
        """A refused address is corrected and asked again; a number that never comes is given up."""
        for code, fields in (
            ("house_number_missing", {"line1": "Główna 1"}),
            ("address_incomplete", {"line1": "Główna 1", "city": "Poznań", "postcode": "61-001"}),
        ):
            ids = [
                i for i, _v in await views.selection(p.store, [Term("reason", (code,)), Term("status", ("failed",))])
            ]
            await self._run(p, "address", ids, fields)
            await self._run(p, "waybill", ids, {})
        never = [
            i for i, _v in await views.selection(p.store, [Term("stage", ("waybill",)), Term("status", ("waiting",))])
        ]
        # Refused while the carrier is being asked that very moment: a person tries again.
        waiting = never
        for _attempt in range(20):
            waiting = [r.id for r in await self._run(p, "abandon", waiting, {}) if isinstance(r.id, int)]
            if not waiting:
                break
            await asyncio.sleep(0.2)
        await self._run(p, "assign", never, {"service_id": services["SIM-STD"]})
        await self._until(p, _("waybills"), self._waybills_settled)
        # What a carrier refused for good is shipped by the other one.
        left = [
            i for i, _v in await views.selection(p.store, [Term("stage", ("waybill",)), Term("status", ("failed",))])
        ]
        await self._run(p, "assign", left, {"service_id": services["OWN"]})
        await self._until(p, _("waybills"), self._waybills_settled)

    async def _push_some_early(self, p: Pipeline) -> None:
        rows = await views.selection(p.store, [Term("stage", ("to_print",)), Term("status", ("in_stock",))])
        await self._run(p, "push", [i for i, _v in rows[:10]], {})

    async def _mend_changed(self, p: Pipeline) -> None:
        """Changed after the label was made: new label for a new address, the old one kept for fewer pieces."""
        rows = await views.listing(p.store, [Term("stage", ("to_print", "waybill")), Term("trouble", ("yes",))])
        await self._run(p, "waybill", [r["id"] for r in rows if "label_stale" in r["flags"]], {})
        fewer = [r["id"] for r in rows if "lines_changed" in r["flags"] and "label_stale" not in r["flags"]]
        nothing = [r.id for r in await self._run(p, "keep", fewer, {}) if r.code == "nothing_left"]
        await self._run(p, "close", [i for i in nothing if isinstance(i, int)], {"reason": "nothing left"})
        await self._until(p, _("waybills"), self._waybills_settled)
        if self._scarce:
            await stocktaking.change(p, self._scarce, "receive", self.orders * 5, "anna")
        await self._command(p, "in-stock", {}, "stage:to_print status:out_of_stock")
        await self._command(p, "print", {}, "stage:to_print status:in_stock printed:no")
        await self._until(p, _("printing"), self._printed)

    # -------------------------------------------------------------- commands and waiting

    async def _command(self, p: Pipeline, name: str, arguments: Mapping[str, Any], where: str) -> None:
        from domain.filters import parse

        terms = parse(where)
        assert not isinstance(terms, Refused)
        ids = [i for i, _v in await views.selection(p.store, terms)]
        await self._run(p, name, ids, arguments)

    async def _run(
        self, p: Pipeline, name: str, ids: Sequence[int], arguments: Mapping[str, Any]
    ) -> Sequence[RefusedRow]:
        """Run a command as anna; returns what was refused."""
        if not ids:
            return ()
        report = await run(p, name, ids, arguments, "anna", explicit=False)
        self.refused.update(r.code for r in report.refused)
        self._say(f"{report.batch} {name}: {len(report.done)} done, {len(report.refused)} refused")
        return report.refused

    async def _synced(self, p: Pipeline, shop: Twin, phase: str) -> None:
        """Buyers change their minds; the worker reads it all."""
        if phase != "review":
            shop.admin("POST", "scenario", {"phase": phase, "seed": self.seed, "share": 0.02})
        else:
            shop.admin("POST", "scenario", {"phase": "review", "seed": self.seed, "share": 0.02})
        marked = p.clock()
        await self._until(p, _("sync"), lambda p: books.synced_since(p.store, marked))

    async def _until(self, p: Pipeline, what: str, done: Any, limit_s: float = 600) -> None:
        deadline = monotonic() + limit_s
        while not await done(p):
            if monotonic() > deadline:
                raise DemoFailed(_("{what} did not settle in {n} s.").format(what=what, n=int(limit_s)))
            if self.worker is not None and self.worker.returncode is not None:
                raise DemoFailed(_("The worker ended by itself; see worker.log."))
            await self._draw(p, what)
            await asyncio.sleep(0.1)
        self._say(what)

    async def _imported(self, p: Pipeline) -> bool:
        return await books.imported(p.store)

    async def _waybills_settled(self, p: Pipeline) -> bool:
        """A number that a carrier has promised for later is waited for a few seconds, not longer."""
        return not await books.busy(p.store, (Op.REQUEST_WAYBILL, Op.VOID_WAYBILL), p.clock() - 6 * SECOND)

    async def _printed(self, p: Pipeline) -> bool:
        return not await books.busy(p.store, (Op.PRINT,))

    async def _pushes_settled(self, p: Pipeline) -> bool:
        return not await books.busy(p.store, (Op.PUSH, Op.CHECK))

    async def _all_settled(self, p: Pipeline) -> bool:
        return not await books.busy(p.store)

    async def _draw(self, p: Pipeline, what: str) -> None:
        """On a terminal: a bar of how much of the day has left the house."""
        if sys.stderr.isatty():
            found = await views.counts(p.store)
            every = sum(sum(stage.values()) for stage in found.values()) or 1
            gone = sum(found["shipped"].values()) + sum(found["closed"].values())
            filled = 40 * gone // every
            sys.stderr.write(f"\r[{'#' * filled}{'.' * (40 - filled)}] {gone}/{every}  {what}\x1b[K")
            sys.stderr.flush()

    def _say(self, what: str) -> None:
        if sys.stderr.isatty():
            self._step += 1
            sys.stderr.write(f"\r{monotonic() - self._started:7.1f} s  {what}\x1b[K\n")
