"""`python -P -m connectors.simulated woocommerce|carrier …`: serve one twin until stdin closes or SIGTERM comes.

Prints one JSON line on stdout when it is ready: where it is and how to get in.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec

from connectors.simulated.carrier import CarrierOptions, CarrierTwin
from connectors.simulated.server import Service, TwinServer
from connectors.simulated.tls import make_certificate, server_context
from connectors.simulated.woocommerce import WooCommerceTwin, WooOptions
from connectors.simulated.world import WorldConfig


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="connectors.simulated", description="Serve a simulated twin on loopback.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    shop = kinds.add_parser("woocommerce", help="a WooCommerce shop")
    shop.add_argument("--orders", type=int, default=200)
    shop.add_argument("--plain", action="store_true", help="only paid orders that nothing stands in the way of")
    shop.add_argument("--zone", default="Europe/Warsaw")
    shop.add_argument("--extra-products", type=int, default=0)
    shop.add_argument("--number-prefix", default="", help="order numbers as a numbering plugin makes them")
    shop.add_argument("--status", action="append", default=[], help="register a custom order status (repeatable)")
    shop.add_argument("--name", default="Kleks & Papier")
    shop.add_argument("--fulfillments", action="store_true", help="core fulfilments are on")
    shop.add_argument("--shipment-tracking", action="store_true", help="the Shipment Tracking extension is on")
    shop.add_argument("--no-orderby-modified", action="store_true", help="an old shop that cannot sort by modified")
    carrier = kinds.add_parser("carrier", help="a carrier")
    carrier.add_argument("--late-share", type=float, default=0.0)
    carrier.add_argument("--refuse-share", type=float, default=0.0)
    carrier.add_argument("--late-polls", type=int, default=2)
    carrier.add_argument("--poll-after-ms", type=int, default=50)
    for one in (shop, carrier):
        one.add_argument("--port", type=int, default=0)
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--currency", default="PLN")
        one.add_argument("--https", action="store_true", help="serve TLS with a certificate made now")
    return parser.parse_args(argv)


def _twin(options: argparse.Namespace) -> WooCommerceTwin | CarrierTwin:
    if options.kind == "carrier":
        names = ("seed", "currency", "late_share", "refuse_share", "late_polls", "poll_after_ms")
        return CarrierTwin(CarrierOptions(**{name: getattr(options, name) for name in names}))
    world = ("orders", "plain", "seed", "zone", "currency", "extra_products", "number_prefix")
    config = WorldConfig(**{name: getattr(options, name) for name in world}, statuses=tuple(options.status))
    return WooCommerceTwin(
        WooOptions(
            world=config,
            name=options.name,
            fulfillments=options.fulfillments,
            shipment_tracking=options.shipment_tracking,
            reject_orderby_modified=options.no_orderby_modified,
        )
    )


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _serve(twin: Service, hello: dict[str, object], port: int, folder: Path | None) -> None:
    tls = server_context(folder) if folder else None
    server = TwinServer(twin, port, tls)
    if isinstance(twin, WooCommerceTwin):
        twin.base = server.url
    server.start()
    line = {"url": server.url, **hello, "cafile": str(folder / "ca.pem") if folder else "", "pid": os.getpid()}
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.flush()
    try:
        while os.read(sys.stdin.fileno(), 4096):
            pass
    finally:
        server.stop()


def main(argv: Sequence[str]) -> None:
    """Build the twin, say hello, serve until told to stop."""
    options = _arguments(argv)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    twin = _twin(options)
    if not options.https:
        _serve(twin, twin.hello(), options.port, None)
        return
    with tempfile.TemporaryDirectory(prefix="shipdeck-twin-") as name:
        folder = Path(name)
        make_certificate(folder)
        _serve(twin, twin.hello(), options.port, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
