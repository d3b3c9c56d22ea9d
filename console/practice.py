"""`shipdeck practice`: a practice database with a simulated shop and carrier, alive until it is stopped.

Orders keep arriving, a worker runs, nothing leaves this machine. Every start begins anew in a folder of its own; labels
say PRACTICE. On a terminal the console opens in that world; without one (`--headless`) another terminal works in it by
naming the database that is printed.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from platformdirs import user_data_path

from connectors.simulated.launch import Twin
from console.output import complain, emit, say
from domain.results import Refused
from domain.words import _
from pipeline import setup, stocktaking
from pipeline.base import Pipeline
from pipeline.worker import Worker, stop_on_signals, sync_now
from store import accounts, books
from store.place import Place, private_directory

ARRIVE_S = 20.0


def open_console(options: argparse.Namespace) -> int:
    """Start a practice world as a child and open the console in it; the world ends with the console."""
    from console.config import load
    from console.launch import run

    config = load()
    if isinstance(config, Refused):
        complain(config.message)
        return 1
    say(_("Setting the practice world up ..."))
    command = [sys.executable, "-P", "-m", "console.cli", "practice", "--headless", "--json", "--until-stdin-closes"]
    command += ["--orders", str(options.orders), "--faults", str(options.faults), "--seed", str(options.seed)]
    if options.keep:
        command += ["--keep", options.keep]
    if options.command == "demo":
        command.append("--ready")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as world:
        assert world.stdout is not None
        assert world.stdin is not None
        told = world.stdout.read()
        try:
            where = json.loads(told)
        except ValueError:
            world.wait()
            complain(_("The practice world could not be set up."))
            return 1
        os.environ["SHIPDECK_DB"], os.environ["SHIPDECK_KEY_FILE"] = where["database"], where["key_file"]
        from store.place import find

        word = run(find(), config, person=config.operator or "anna", keep_worker=False)
        if word == "restart":
            # The language is fixed for a process: the console begins anew in the same world, whose line it takes along.
            os.environ.pop("SHIPDECK_LANG", None)
            os.set_inheritable(world.stdin.fileno(), True)
            os.execv(sys.executable, [sys.executable, "-P", "-m", "console.cli"])
        world.stdin.close()
        world.wait()
    return 0 if word is not None else 1


async def run_practice(options: argparse.Namespace) -> int:
    """Set the practice world up, print where it is, and serve it until SIGINT or SIGTERM."""
    folder = Path(options.keep) if options.keep else user_data_path("shipdeck") / "practice"
    place = await asyncio.to_thread(_fresh, folder)
    if isinstance(place, Refused):
        complain(place.message)
        return 1
    with (
        Twin("woocommerce", orders=options.orders, seed=options.seed) as shop,
        Twin("carrier", seed=options.seed) as carrier,
    ):
        p = await Pipeline.open(place, worker=True)
        try:
            refused = await _set_up(p, shop, carrier, folder / "papers")
            if refused is not None:
                complain(refused.message)
                return 1
            if options.ready:
                await _make_ready(p)
            if options.faults:
                shop.admin("POST", "faults", {"rate": options.faults, "seed": options.seed})
            _tell(options, place)
            if options.until_stdin_closes:
                # Whoever waits for the place of the database reads to the end of our output.
                sys.stdout.flush()
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            arriving = asyncio.create_task(_arrive(shop, options.seed))
            worker = Worker(p)
            stop_on_signals(worker)
            if options.until_stdin_closes:
                asyncio.get_running_loop().add_reader(0, worker.ask_to_stop)
            try:
                await worker.run()
            finally:
                arriving.cancel()
        finally:
            await p.aclose()
    return 0


def _fresh(folder: Path) -> Place | Refused:
    """An empty practice folder; only one that is marked as such is ever emptied."""
    mark = folder / "PRACTICE"
    if folder.exists() and any(folder.iterdir()):
        if not mark.exists():
            return Refused(
                "not_practice", _("{folder} is not a practice folder; nothing was touched.").format(folder=folder)
            )
        shutil.rmtree(folder)
    private_directory(folder)
    mark.touch(0o600)
    return Place("", folder / "practice.sqlite", folder / "key", folder / "backups")


async def _make_ready(p: Pipeline) -> None:
    """For who wants to see it at once: orders read, cut over, goods in stock, one SKU scarce."""
    await sync_now(p, 1, ("products", "orders"))
    await setup.cut_over(p, 1, "ship_these", "")
    for n, sku in enumerate((await books.unique_skus(p.store))[:12]):
        await stocktaking.change(p, sku, "receive", 3 if n == 0 else 500, "")


async def _set_up(p: Pipeline, shop: Twin, carrier: Twin, papers: Path) -> Refused | None:
    private_directory(papers)
    async with p.store.transaction() as tx:
        await accounts.mark_practice(tx)
    patience = {"timeout_s": "5", "settle_s": "5"}
    shop_fields = {"url": shop.url, "orders_every_s": "10", **patience}
    answers = (
        await setup.add_shop(
            p,
            "woocommerce",
            "Practice",
            shop_fields,
            {k: str(shop.hello[k]) for k in ("consumer_key", "consumer_secret")},
        ),
        await setup.add_carrier(
            p, "simulated", "SimPost", {"url": carrier.url, **patience}, {"token": str(carrier.hello["token"])}
        ),
        await setup.add_carrier(
            p,
            "pool",
            "OwnPost",
            {"carrier_name": "Own Post", "services": "OWN=Own letter", "cod": "yes", "practice": "yes"},
            {},
        ),
        await setup.add_printer(p, "folder", "papers", {"folder": str(papers)}),
    )
    for answer in answers:
        if isinstance(answer, Refused):
            return answer
    pool = answers[2]
    assert not isinstance(pool, Refused)
    await setup.import_numbers(p, pool.id, [f"OWN{n:09d}" for n in range(1, 5001)])
    await setup.set_sender(p, "", {"name": "PRACTICE", "line1": "Ćwiczebna 1", "city": "Poznań", "country": "PL"})
    return None


def _tell(options: argparse.Namespace, place: Place) -> None:
    if options.json:
        emit({"database": str(place.file), "key_file": str(place.key_file)})
        return
    say("PRACTICE / 练习")
    say(_("In another terminal:"))
    say(f"  export SHIPDECK_DB='{place.file}' SHIPDECK_KEY_FILE='{place.key_file}'")
    say("  shipdeck shop cut-over Practice ship-these && shipdeck list review")
    say(_("Ctrl-C ends it; the next practice begins anew."))


async def _arrive(shop: Twin, seed: int) -> None:
    """Buyers keep buying."""
    chance = random.Random(seed)
    with contextlib.suppress(OSError):
        while True:
            await asyncio.sleep(ARRIVE_S * chance.uniform(0.5, 1.5))
            await asyncio.to_thread(shop.admin, "POST", "arrive", {"n": chance.randint(1, 4)})
