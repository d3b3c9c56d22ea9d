"""`shipdeck …`: reads the arguments and runs one command. Exit 0 all done, 1 some refused or failed, 2 wrong usage.

Imports stay light: what a command needs is imported when it runs.
"""

import argparse
import asyncio
import io
import logging
import os
import sys
from collections.abc import Sequence

from domain.words import _

STAGES = ("review", "processing", "waybill", "to_print", "shipped", "closed", "all")


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    none = argparse.SUPPRESS
    common.add_argument("--db", metavar="URL", default=none, help=_("sqlite:///… or postgresql://…"))
    common.add_argument("--json", action="store_true", default=none, help=_("one JSON document on standard output"))
    common.add_argument("--as", dest="who", metavar="NAME", default=none, help=_("who works"))
    common.add_argument("--verbose", action="store_true", default=none, help=_("log to standard error"))
    return common


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    from console.actions import ACTIONS
    from console.keeping import add_parsers as add_keeping

    common = _common()
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="shipdeck",
        description=_("Carry every shop's orders from review to shipped."),
        parents=[common],
    )
    parser.add_argument("--version", action="store_true", help=_("print the version"))
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common], allow_abbrev=False)

    for action in ACTIONS:
        sub = add(action.name, f"{action.title}: {action.help}")
        sub.add_argument("ids", nargs="*", metavar="ID", help=_("code, id, order number or waybill number"))
        sub.add_argument("--where", metavar="EXPR", help=_("the / filter, e.g. 'shop:PL-Woo country:PL'"))
        sub.add_argument("--all", action="store_true", help=_("everything in its stage"))
        sub.add_argument("--wait", type=float, metavar="S", help=_("wait up to S seconds until its effects settle"))
        sub.add_argument("--dry-run", action="store_true", help=_("say what would be done, do nothing"))
        sub.add_argument("--expect", type=int, metavar="N", help=_("refuse unless exactly N match"))
        sub.add_argument("--yes", action="store_true", help=_("needed with --all where nothing can be taken back"))
        for option in action.options:
            flag = f"--{option.name}"
            if option.switch:
                sub.add_argument(flag, action="store_true", help=option.help)
            elif option.many:
                sub.add_argument(
                    flag,
                    action="append",
                    metavar=option.metavar,
                    help=option.help,
                    default=[],
                    required=option.required,
                )
            else:
                sub.add_argument(
                    flag,
                    metavar=None if option.choices else option.metavar,
                    help=option.help,
                    default=option.default,
                    choices=option.choices or None,
                    required=option.required,
                )
    undo = add("undo", _("take back your last batch (or the one named)"))
    undo.add_argument("batch", nargs="?", default="", metavar="BATCH")

    lister = add("list", _("shipments of a stage, most urgent first"))
    lister.add_argument("stage", choices=STAGES)
    lister.add_argument("--where", metavar="EXPR", default="")
    lister.add_argument("--limit", type=int, metavar="N")
    add("show", _("everything about one shipment or order")).add_argument("id")
    finder = add("find", _("find by order number, waybill, code, phone or name"))
    finder.add_argument("text")
    add("stages", _("how many shipments stand where"))
    add("candidates", _("groups of shipments that go to one address and could share a box"))
    batch = add("batch", _("what a batch did, row by row"))
    batch.add_argument("name", nargs="?", default="")

    _add_setup(add)
    worker = add("worker", _("run syncs and effects without a screen; SIGTERM drains and stops"))
    worker.add_argument("--until-stdin-closes", action="store_true", help=argparse.SUPPRESS)
    worker.add_argument("--nice", type=int, default=0, help=argparse.SUPPRESS)
    worker.add_argument("--once", action="store_true", help=_("work until nothing is due, then stop"))
    for name, text in (
        ("demo", _("the whole path on a simulated shop and carrier")),
        ("practice", _("a practice database with simulated shops, to train on")),
    ):
        demo = add(name, text)
        demo.add_argument("--orders", type=int, default=2000 if name == "demo" else 200, metavar="N")
        demo.add_argument("--headless", action="store_true", help=_("no screen"))
        demo.add_argument("--faults", type=float, default=0.05 if name == "demo" else 0.0, metavar="SHARE")
        demo.add_argument("--seed", type=int, default=7)
        demo.add_argument("--keep", metavar="FOLDER", help=_("keep the practice database there"))
        demo.add_argument("--ready", action="store_true", help=argparse.SUPPRESS)
        demo.add_argument("--until-stdin-closes", action="store_true", help=argparse.SUPPRESS)
    add_keeping(add)
    config = add("config", _("where things are"))
    config.add_argument("what", choices=("path", "check", "keys"), nargs="?", default="path")
    return parser


def _add_setup(add: object) -> None:
    from collections.abc import Callable
    from typing import cast

    make = cast(Callable[[str, str], argparse.ArgumentParser], add)

    def fields(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--set", action="append", default=[], metavar="K=V", help=_("a field or setting"))
        sub.add_argument(
            "--secret-env", action="append", default=[], metavar="FIELD=VAR", help=_("a secret from a variable")
        )
        sub.add_argument("--secret-stdin", metavar="FIELD", help=_("a secret from standard input"))

    shop = make("shop", _("bind, check, set, sync, unbind shops")).add_subparsers(dest="action", required=True)
    common = _common()

    def under(group: object, name: str, text: str) -> argparse.ArgumentParser:
        return cast("argparse._SubParsersAction[argparse.ArgumentParser]", group).add_parser(
            name, help=text, parents=[common], allow_abbrev=False
        )

    sub = under(shop, "add", _("bind a shop"))
    sub.add_argument("platform")
    sub.add_argument("name")
    fields(sub)
    under(shop, "list", _("every shop with its last sync"))
    for name, text in (
        ("show", _("settings of a shop")),
        ("check", _("test the connection")),
        ("rules", _("how its orders are taken over")),
        ("sales", _("pieces sold: today live, earlier ones settled the morning after their sync")),
    ):
        under(shop, name, text).add_argument("name")
    sub = under(shop, "set", _("change settings"))
    sub.add_argument("name")
    sub.add_argument("values", nargs="*", metavar="K=V")
    fields(sub)
    sub = under(shop, "sync", _("read its orders now"))
    sub.add_argument("name")
    sub.add_argument("--products", action="store_true")
    sub.add_argument("--full", action="store_true")
    for name, text in (
        ("preview", _("show a spreadsheet as orders; nothing is taken over")),
        ("import-sheet", _("take the orders of a spreadsheet over")),
    ):
        sub = under(shop, name, text)
        sub.add_argument("name")
        sub.add_argument("file")
        sub.add_argument("--limit", type=int, default=20, metavar="N", help=_("orders that are shown"))
        sub.add_argument(
            "--failures", metavar="FILE", help=_("write the rows that failed, with reasons: .csv or .xlsx")
        )
        sub.add_argument(
            "--save", action="store_true", help=_("keep the columns that were found as the shop's setting")
        )
    sub = under(shop, "cut-over", _("say what becomes of orders that were open before the shop was bound"))
    sub.add_argument("name")
    sub.add_argument("choice", choices=("ship-these", "already-left"))
    sub = under(shop, "unbind", _("stop its sync and effects; its orders are kept and frozen"))
    sub.add_argument("name")
    sub.add_argument("--yes", action="store_true")

    carrier = make("carrier", _("carrier accounts")).add_subparsers(dest="action", required=True)
    sub = under(carrier, "add", _("set up a carrier account"))
    sub.add_argument("kind")
    sub.add_argument("name")
    fields(sub)
    under(carrier, "list", _("carrier accounts and their services"))
    under(carrier, "check", _("test the connection")).add_argument("name")
    sub = under(carrier, "numbers", _("import numbers into a pool, one per line (- = standard input)"))
    sub.add_argument("name")
    sub.add_argument("file")

    printer = make("printer", _("printers of this host")).add_subparsers(dest="action", required=True)
    sub = under(printer, "add", _("set up a printer"))
    sub.add_argument("kind")
    sub.add_argument("name")
    fields(sub)
    under(printer, "list", _("printers"))
    under(printer, "test", _("print a test page")).add_argument("name")

    warehouse = make("warehouse", _("warehouses and their sender address")).add_subparsers(dest="action", required=True)
    under(warehouse, "list", _("warehouses"))
    sub = under(warehouse, "set", _("sender: name, company, line1, city, postcode, country, phone"))
    sub.add_argument("values", nargs="+", metavar="F=V")
    sub.add_argument("--warehouse", default="")

    stock = make("stock", _("stock: list, receive, adjust, count, pushes")).add_subparsers(dest="action", required=True)
    sub = under(stock, "list", _("on hand, reserved, free"))
    sub.add_argument("sku", nargs="?", default="")
    for name, text in (
        ("receive", _("goods came in")),
        ("adjust", _("by so many pieces, + or -")),
        ("count", _("so many are there")),
    ):
        sub = under(stock, name, text)
        sub.add_argument("sku")
        sub.add_argument("pieces", type=int)
    sub = under(stock, "moves", _("the ledger of a SKU"))
    sub.add_argument("sku")
    sub = under(stock, "pushes", _("what each shop was told, refused, or is still to be told"))
    sub.add_argument("sku", nargs="?", default="")
    sub.add_argument("--shop", default="", metavar="SHOP")
    sub.add_argument("--again", action="store_true", help=_("tell --shop all its numbers anew, refused ones too"))

    sync = make("sync", _("read shops now"))
    sync.add_argument("shops", nargs="*", metavar="SHOP")
    sync.add_argument("--products", action="store_true")
    sync.add_argument("--full", action="store_true")

    from console.proving import add_parser

    add_parser(
        make("reconcile", _("prove days of shops complete: what the platform lists, what is here, what differs"))
    )

    abnormal = make("abnormal", _("orders that could not be taken over")).add_subparsers(dest="action", required=True)
    sub = under(abnormal, "list", _("abnormal orders; --excluded: those left out by the shop's rules"))
    sub.add_argument("--excluded", action="store_true")
    for name, text in (("repush", _("try again")), ("dismiss", _("put away"))):
        sub = under(abnormal, name, text)
        sub.add_argument("ids", nargs="*", type=int, metavar="ID")
        sub.add_argument("--all", action="store_true")
    operator = make("operator", _("who works here, and what each may do")).add_subparsers(dest="action", required=True)
    under(operator, "list", _("everybody, the removed included"))
    roles = ("owner", "admin", "operator", "viewer")
    sub = under(operator, "add", _("let somebody work here; the first one is the owner"))
    sub.add_argument("name")
    sub.add_argument("--role", choices=roles, required=True)
    sub.add_argument("--lead", action="store_true", help=_("an operator who may do what needs a lead"))
    sub = under(operator, "set", _("change what somebody may do; --role owner hands ownership over"))
    sub.add_argument("name")
    sub.add_argument("--role", choices=roles)
    sub.add_argument("--lead", choices=("yes", "no"))
    sub.add_argument("--active", choices=("yes", "no"))
    under(operator, "remove", _("let somebody work here no longer; history keeps the name")).add_argument("name")
    connector = make("connector", _("installed connectors")).add_subparsers(dest="action", required=True)
    under(connector, "list", _("installed connectors"))
    sub = under(connector, "new", _("write a connector that works, with its twin and tests, from a template"))
    sub.add_argument("name")
    sub.add_argument("--folder", metavar="DIR", default=".", help=_("where to; made where it is missing"))
    sub = under(connector, "test", _("hold a connector against its simulated twin, without a network"))
    sub.add_argument("name", metavar="shop.NAME")
    sub.add_argument("--case", metavar="TEXT", default="", help=_("only cases with this in their name"))


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point: returns the exit code."""
    try:
        return _main(argv)
    except KeyboardInterrupt:
        return 130


def _main(argv: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["--version"], ["-V"]):
        from importlib.metadata import version

        sys.stdout.write(f"shipdeck {version('shipdeck')}\n")
        return 0
    _speak()
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            return 1
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets its escape, never a crash.
            stream.reconfigure(errors="backslashreplace")
    parser = build_parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    for name, default in (("db", None), ("json", False), ("who", None), ("verbose", False)):
        if not hasattr(options, name):
            setattr(options, name, default)
    options.who = options.who or os.environ.get("SHIPDECK_OPERATOR") or "owner"
    if not options.command or _opens_console(options):
        return _console(options)
    from console.traces import Formatter

    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(Formatter("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR, handlers=[shown])
    for chatty in ("apscheduler", "alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return _run(options)


def _speak() -> None:
    """The language of `config.toml`, where the environment names none: before any table of texts is imported."""
    if os.environ.get("SHIPDECK_LANG"):
        return
    from console.config import configured_language

    if language := configured_language():
        os.environ["SHIPDECK_LANG"] = language


def _opens_console(options: argparse.Namespace) -> bool:
    """Demo and practice open the console where there is a terminal."""
    worlds = options.command in {"demo", "practice"} and not options.headless and not options.json
    return worlds and sys.stdin.isatty() and sys.stdout.isatty()


def _console(options: argparse.Namespace) -> int:
    """The console, for who names no command, and for demo and practice on a terminal."""
    from console.launch import start
    from console.output import complain
    from store.place import BadPlace

    try:
        if options.command:
            from console.practice import open_console

            return open_console(options)
        return start(options)
    except BadPlace as error:
        complain(str(error))
        return 1


def _run(options: argparse.Namespace) -> int:
    from console import handlers
    from console.output import complain

    try:
        return asyncio.run(handlers.handle(options))
    except KeyboardInterrupt:
        complain(_("Interrupted; what was committed stays, the rest was not begun."))
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        sentence = handlers.explain(error)
        if sentence is not None:
            complain(sentence)
        if sentence is None or options.verbose:
            from console.traces import frames

            # Never the message of an error that nobody foresaw: it may quote a buyer or a secret.
            for line in frames(error):
                complain(line)
        if sentence is None:
            complain(_("shipdeck ended because of a defect of its own; nothing that was committed is lost."))
        return 1


if __name__ == "__main__":
    sys.exit(main())
