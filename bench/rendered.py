"""A simulated shop that answers as fast as a socket allows: its order pages are rendered beforehand, in its own process.

The library's twin works every list out anew; with 100,000 orders that, and not the client, would be measured.
"""

import argparse
import signal
from bisect import bisect_right
from pathlib import Path

from bench.bound import SEED
from connectors.simulated.__main__ import _serve, _stop
from connectors.simulated.launch import Twin
from connectors.simulated.orders import parse_gmt
from connectors.simulated.server import Answer, Request
from connectors.simulated.woocommerce import WooCommerceTwin, WooOptions
from connectors.simulated.world import WorldConfig


class RenderedShop(WooCommerceTwin):
    """The twin, with a short way to its orders by their last change."""

    def __init__(self, orders: int) -> None:
        super().__init__(WooOptions(world=WorldConfig(orders=orders, plain=True, seed=SEED)))
        rows = sorted(self.world.rows.values(), key=lambda r: (r.modified, r.id))
        self._modified = [row.modified for row in rows]
        self._ids = [str(row.id) for row in rows]
        self._wires = [row.wire for row in rows]

    def handle(self, request: Request) -> Answer:
        """Order pages at once, everything else as the twin does."""
        asked = dict(request.query)
        if request.method != "GET" or not request.path.endswith("/wc/v3/orders") or asked.get("orderby") != "modified":
            return super().handle(request)
        since = parse_gmt(asked["modified_after"]) if "modified_after" in asked else 0
        first = bisect_right(self._modified, since)
        size, page = int(asked.get("per_page", "10")), int(asked.get("page", "1"))
        left_out = set(asked.get("exclude", "").split(",")) - {""}
        start = (page - 1) * size
        if left_out:
            kept = [n for n in range(first, len(self._ids)) if self._ids[n] not in left_out]
            places = kept[start : start + size]
        else:
            places = list(range(first + start, min(len(self._ids), first + start + size)))
        total = len(self._ids) - first - len(left_out)
        headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(-(-total // size))}
        return Answer(200, b"[]" if not places else b"", headers, rows=[self._wires[n] for n in places] or None)


class Rendered(Twin):
    """That shop in a process of its own; use as a context manager."""

    def __init__(self, orders: int) -> None:
        self._begin(["-m", "bench.rendered", "--orders", str(orders)], Path(__file__).parent.parent)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--orders", type=int, required=True)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    shop = RenderedShop(parser.parse_args().orders)
    _serve(shop, lambda _given: shop, 0, None)
