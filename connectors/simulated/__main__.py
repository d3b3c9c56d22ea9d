"""`python -P -m connectors.simulated NAME …`: serve one twin until stdin closes or SIGTERM comes.

Prints one JSON line on stdout when it is ready: where it is and how to get in. NAME is a module beside this one, or the
dotted path of one in another package; it defines

    add_arguments(parser: argparse.ArgumentParser) -> None    the twin's own options (port and https are taken)
    make(options: argparse.Namespace) -> Service              the twin, told those options
"""

import argparse
import importlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType, ModuleType

import msgspec

from connectors.simulated.server import Service, TwinServer
from connectors.simulated.tls import make_certificate, server_context


def _module(parser: argparse.ArgumentParser, name: str) -> ModuleType:
    """The module of a twin; ends with usage and exit code 2 where there is none."""
    path = name if "." in name else f"connectors.simulated.{name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name and (path == error.name or path.startswith(f"{error.name}.")):
            parser.error(f"there is no twin {name}")
        raise  # The twin is there; what it needs is not.
    if not (hasattr(module, "add_arguments") and hasattr(module, "make")):
        parser.error(f"{path} is no twin: add_arguments or make is missing")
    return module


def _twin(argv: Sequence[str]) -> tuple[Callable[[list[str]], Service], argparse.Namespace]:
    """What makes the twin from its own options, and the options it begins with."""
    parser = argparse.ArgumentParser(prog="connectors.simulated", description="Serve a simulated twin on loopback.")
    parser.add_argument(
        "twin", metavar="NAME", help="woocommerce, carrier, …, or the dotted module of a twin elsewhere"
    )
    if not argv or argv[0].startswith("-"):
        parser.parse_args(argv[:1])  # Says what is missing, or helps, and ends.
    module = _module(parser, argv[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--https", action="store_true", help="serve TLS with a certificate made now")
    module.add_arguments(parser)
    options = parser.parse_args(argv)
    return lambda given: module.make(parser.parse_args([argv[0], *given])), options


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _serve(twin: Service, make: Callable[[list[str]], Service], port: int, folder: Path | None) -> None:
    tls = server_context(folder) if folder else None
    server = TwinServer(twin, port, tls, make)
    server.start()
    cafile = str(folder / "ca.pem") if folder else ""
    line = {"url": server.url, **twin.hello(), "cafile": cafile, "pid": os.getpid()}
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.flush()
    try:
        while os.read(sys.stdin.fileno(), 4096):
            pass
    finally:
        server.leave()


def main(argv: Sequence[str]) -> None:
    """Build the twin, say hello, serve until told to stop."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    make, options = _twin(argv)
    twin = make(list(argv[1:]))
    if not options.https:
        _serve(twin, make, options.port, None)
        return
    with tempfile.TemporaryDirectory(prefix="shipdeck-twin-") as name:
        folder = Path(name)
        make_certificate(folder)
        _serve(twin, make, options.port, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
