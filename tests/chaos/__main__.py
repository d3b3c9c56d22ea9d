"""`python -m tests.chaos [--offline] [--orders N] …`: prints one JSON document; exit 1 on any difference."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from msgspec import structs

from tests.chaos.offline import Offline
from tests.chaos.play import Form, play


def main() -> int:
    usual = Form()
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--offline", action="store_true", help="four hours without a network instead, time skipped")
    parser.add_argument("--orders", type=int, default=usual.orders)
    parser.add_argument("--hours", type=float, default=0.0, help="real hours over which the orders arrive")
    parser.add_argument(
        "--seed", type=int, default=int(time.time()) % 100_000, help="replays the plan of an earlier run"
    )
    parser.add_argument("--database", default="sqlite", help="sqlite, postgresql (a server of its own), or a URL")
    parser.add_argument("--gap", type=float, default=usual.gap_s[0], help="least seconds between two kills")
    parser.add_argument(
        "--limit", type=float, default=0.0, help="seconds after which it has failed (0.3 for each order)"
    )
    parser.add_argument("--keep", metavar="FOLDER", help="keep database and logs there")
    o = parser.parse_args()
    gap = (o.gap, 3 * o.gap)
    arrive_s = o.hours * 3600 or usual.arrive_s
    form = structs.replace(
        usual, orders=o.orders, arrive_s=arrive_s, seed=o.seed, database=o.database, gap_s=gap,
        limit_s=o.limit or max(300.0, 0.3 * o.orders + 1.5 * arrive_s),
    )  # fmt: skip
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {text}\n")

    with tempfile.TemporaryDirectory(prefix="shipdeck-chaos-") as scratch:
        folder = Path(o.keep) if o.keep else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if o.offline:
            document = asyncio.run(Offline(o.orders, folder, say=say).run())
        else:
            say(f"seed {form.seed}")
            document = asyncio.run(play(form, folder, say))
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1, default=str) + "\n")
    return 1 if document["differences"] else 0


if __name__ == "__main__":
    sys.exit(main())
