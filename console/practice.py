"""`shipdeck practice`: a practice database with a simulated shop and carrier, alive until it is stopped.

Orders keep arriving, a worker runs, nothing leaves this machine. Every start begins anew in a folder of its own; labels
say PRACTICE. Another terminal works in it by naming the database that is printed.
"""

import argparse
import asyncio
import contextlib
import random
import shutil
from pathlib import Path

from platformdirs import user_data_path

from connectors.simulated.launch import Twin
from console.output import complain, emit, say
from domain.results import Refused
from domain.words import _
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.worker import Worker, stop_on_signals
from store.place import Place, private_directory

ARRIVE_S = 20.0


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
            if options.faults:
                shop.admin("POST", "faults", {"rate": options.faults, "seed": options.seed})
            _tell(options, place)
            arriving = asyncio.create_task(_arrive(shop, options.seed))
            worker = Worker(p)
            stop_on_signals(worker)
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


async def _set_up(p: Pipeline, shop: Twin, carrier: Twin, papers: Path) -> Refused | None:
    private_directory(papers)
    shop_fields = {"url": shop.url, "orders_every_s": "10"}
    answers = (
        await setup.add_shop(
            p,
            "woocommerce",
            "Practice",
            shop_fields,
            {k: str(shop.hello[k]) for k in ("consumer_key", "consumer_secret")},
        ),
        await setup.add_carrier(
            p, "simulated", "SimPost", {"url": carrier.url}, {"token": str(carrier.hello["token"])}
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
