"""What each command of the command line does: opens the database, calls the pipeline or a view, prints the answer."""

import argparse
import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from console.output import complain, emit, refuse, say, table
from domain.enums import Stage
from domain.filters import parse
from domain.results import Refused
from domain.words import _
from store.place import BadPlace, Place, find

Options = argparse.Namespace
LIST_COLUMNS = (
    "code",
    "ship_by",
    "shop",
    "order_number",
    "buyer",
    "country",
    "quantity",
    "total",
    "currency",
    "status",
    "waybill",
    "reason",
)


async def handle(options: Options) -> int:
    """Run the command of `options`; returns the exit code."""
    from console.actions import BY_NAME

    if options.command in BY_NAME:
        from console.selecting import run_action

        return await run_action(options, BY_NAME[options.command])
    table_: dict[str, Callable[[Options], Awaitable[int]]] = {
        "undo": _undo,
        "list": _list,
        "show": _show,
        "find": _find,
        "stages": _stages,
        "candidates": _candidates,
        "batch": _batch,
        "sync": _sync,
        "worker": _worker,
        "demo": _demo,
        "practice": _practice,
        "config": _config,
    }
    if options.command in table_:
        return await table_[options.command](options)
    if options.command in {"doctor", "backup", "restore", "export", "import", "upgrade"}:
        from console.keeping import handle as keep

        return await keep(options)
    if options.command == "reconcile":
        from console.proving import handle as prove

        return await prove(options)
    from console.setting_up import handle as set_up

    return await set_up(options)


def explain(error: Exception) -> str | None:
    """One sentence for an error a person can act on; None for a defect of ours."""
    from store.schema import Damaged, NothingThere, TooNew
    from store.sealing import KeyMissing, WrongKey

    if isinstance(error, BadPlace | NothingThere | KeyMissing | WrongKey | Damaged | TooNew):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name == "asyncpg":
        return _("PostgreSQL needs one more package: install shipdeck[postgres].")
    if any(c.__name__ in {"NoConnector", "NotPortable", "OthersConnected"} for c in type(error).__mro__):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return _("That is not UTF-8 text.")
    if isinstance(error, UnicodeEncodeError | OverflowError):
        return _("That argument cannot be used: {error}").format(error=type(error).__name__)
    if any(c.__module__.startswith("asyncpg") for c in type(error).__mro__):
        # Its second line may quote the row it is about.
        return _("PostgreSQL answered: {error}").format(error=str(error).partition("\n")[0])
    if any(c.__name__ == "DBAPIError" for c in type(error).__mro__):
        from sqlalchemy.exc import DBAPIError

        from store.database import is_lost

        if isinstance(error, DBAPIError) and is_lost(error):
            return _("The connection to the database was lost; what was committed stays. Try again.")
    if isinstance(error, sqlite3.DatabaseError) or any(c.__name__ == "DBAPIError" for c in type(error).__mro__):
        text = str(getattr(error, "orig", error)).partition("\n")[0]
        if "readonly" in text or "read-only" in text or "unable to open" in text:
            return _("The database cannot be written: {error}").format(error=text)
        if "full" in text:
            return _("The disk is full; nothing was changed.")
        if "locked" in text:
            return _("The database is busy; try again.")
        return _("The database failed: {error}").format(error=text)
    if isinstance(error, PermissionError | FileNotFoundError | NotADirectoryError):
        return _("{file}: {error}").format(file=error.filename, error=error.strerror)
    if isinstance(error, OSError):
        return _("The system refused: {error}").format(error=error.strerror or type(error).__name__)
    return None


def place_of(options: Options) -> Place:
    """The database the person named."""
    return find(options.db)


@asynccontextmanager
async def opened(options: Options, *, worker: bool = False, create: bool = False) -> Any:
    """A pipeline on the named database, closed at the end. Only what sets things up may create one."""
    from pipeline.base import Pipeline
    from store.schema import NothingThere, revision_of

    place = place_of(options)
    if place.file is not None and not create and not await asyncio.to_thread(revision_of, place):
        raise NothingThere(_("There is no database at {file} yet.").format(file=place.file))
    p = await Pipeline.open(place_of(options), worker=worker)
    try:
        yield p
    finally:
        await p.aclose()


# ------------------------------------------------------------------ reading


async def _list(options: Options) -> int:
    from store.reader import Reader
    from store.views import listing

    terms = parse(options.where)
    if options.limit is not None and options.limit < 1:
        complain(_("--limit takes a number from 1 on."))
        return 2
    if isinstance(terms, Refused):
        complain(terms.message)
        return 2
    stages = [] if options.stage == "all" else [s for s in Stage if s.word == options.stage]
    async with Reader(place_of(options)) as reader:
        rows = await _as_seen(reader, options, await listing(reader, terms, stages, options.limit))
    if options.json:
        emit(rows)
    else:
        table(rows, LIST_COLUMNS)
    return 0


async def _as_seen(reader: Any, options: Options, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Shipments as whoever asks may see them."""
    from domain.masking import masked_detail
    from store.people_views import sees_persons

    return rows if await sees_persons(reader, options.who) else [masked_detail(row) for row in rows]


async def _show(options: Options) -> int:
    from store.reader import Reader
    from store.views import detail, find_ids

    async with Reader(place_of(options)) as reader:
        ids = await find_ids(reader, options.id)
        found = [await detail(reader, i) for i in ids]
        shown = await _as_seen(reader, options, [one for one in found if one is not None])
    if not shown:
        complain(_("Nothing is found for {text}.").format(text=options.id))
        return 1
    if options.json:
        emit(shown[0] if len(shown) == 1 else shown)
        return 0
    for one in shown:
        _print_detail(one)
    return 0


def _print_detail(one: dict[str, Any]) -> None:
    from domain.text import safe

    say(
        f"{one['code']}  {one['stage']}/{one['status']}  {safe(one['shop'])} #{safe(one['order_number'])}  {one['total']}"
        f" {one['currency']}  {_('ship by')} {one['ship_by'] or '-'}"
    )
    if one["reason"]:
        say(f"! {safe(one['reason'])}: {safe(one['message'])}")
    for n in one["notes"]:
        say(f"{n['kind']}: {safe(n['text'])}")
    address = one["address"] or {}
    parts = [
        safe(address.get(k) or "")
        for k in ("name", "company", "line1", "line2", "postcode", "city", "country", "phone")
    ]
    say(", ".join(p for p in parts if p))
    for line in one["lines"]:
        say(f"  {line['quantity']} x {safe(line['sku'])}  {safe(line['name'])}")
    for w in one["waybills"]:
        say(f"{_('waybill')} {w['generation']}: {w['state']} {safe(w['number'])} {safe(w['code'])} {safe(w['reason'])}")
    for o in one["source_orders"]:
        say(
            f"{_('order')} {safe(o['number'])}: {o['status']}, {_('platform told')}: {o['submission']} {safe(o['told'])}"
            f" {safe(o['submission_code'])} {safe(o['submission_reason'])}"
        )
    for e in one["events"]:
        say(f"{e['at']} {safe(e['who'] or _('worker'))} {safe(e['kind'])}")


async def _find(options: Options) -> int:
    from domain.filters import Term
    from store.reader import Reader
    from store.views import find_ids, listing

    if not options.text.strip():
        complain(_("Say what to find."))
        return 2
    async with Reader(place_of(options)) as reader:
        ids = await find_ids(reader, options.text)
        terms = [Term("code", tuple(f"K{i:06d}" for i in ids))] if ids else [Term("", (options.text,))]
        rows = await _as_seen(reader, options, await listing(reader, terms, (), 200))
    if options.json:
        emit(rows)
    else:
        table(rows, ("stage", *LIST_COLUMNS))
    return 0 if rows else 1


async def _stages(options: Options) -> int:
    from store.reader import Reader
    from store.views import counts

    async with Reader(place_of(options)) as reader:
        found = await counts(reader)
    if options.json:
        emit(found)
    else:
        for stage, statuses in found.items():
            inside = "  ".join(f"{status} {n}" for status, n in statuses.items())
            say(f"{stage:<11}{sum(statuses.values()):>8}  {inside}")
    return 0


async def _candidates(options: Options) -> int:
    from domain.facts import code_of
    from store.reader import Reader
    from store.views import merge_candidates

    async with Reader(place_of(options)) as reader:
        groups = await merge_candidates(reader)
    if options.json:
        emit(groups)
    else:
        for ids in groups:
            say("shipdeck merge " + " ".join(code_of(i) for i in ids))
    return 0


async def _batch(options: Options) -> int:
    from domain.facts import code_of
    from pipeline.persons import name_of
    from store import batches

    async with opened(options) as p, p.store.reading() as tx:
        who = await name_of(tx, options.who)
        found = await (batches.by_name(tx, options.name) if options.name else batches.last_of(tx, who))
        rows = await batches.results(tx, found.id) if found else []
    if found is None:
        complain(_("There is no such batch."))
        return 1
    items = [
        {
            "id": r.shipment_id,
            "shipment": code_of(r.shipment_id),
            "outcome": r.outcome or "waiting",
            "code": r.code,
            "reason": r.reason,
        }
        for r in rows
    ]
    if options.json:
        emit({"batch": found.name, "command": found.command, "who": found.who, "state": found.state, "items": items})
    else:
        say(
            f"{found.name}  {found.command}  {found.who}  {found.state}  {found.done}/{found.total}, {found.refused} refused"
        )
        table([i for i in items if i["outcome"] != "done"], ("shipment", "outcome", "code", "reason"))
    return 0


# ------------------------------------------------------------------ doing


async def _undo(options: Options) -> int:
    from console.selecting import report_and_exit
    from pipeline.commands import run
    from pipeline.undo import target_of
    from store import batches

    async with opened(options) as p:
        target = await target_of(p, options.who, options.batch)
        if isinstance(target, Refused):
            return refuse(target, as_json=options.json)
        async with p.store.reading() as tx:
            ids = [r.shipment_id for r in await batches.results(tx, target.id) if r.outcome == "done"]
        report = await run(p, "undo", ids, {"batch_id": target.id}, options.who)
        return report_and_exit(options, report)


async def _sync(options: Options) -> int:
    from pipeline.worker import sync_now
    from store import accounts

    async with opened(options) as p:
        async with p.store.reading() as tx:
            rows = [s for s in await accounts.shops(tx) if s.bound]
        wanted = options.shops or [s.name for s in rows]
        unknown = [n for n in wanted if n not in {s.name for s in rows}]
        if unknown:
            return refuse(
                Refused("unknown_shop", _("There is no bound shop {name}.").format(name=unknown[0])),
                as_json=options.json,
            )
        answers = []
        kinds = ("products", "orders") if options.products else ("orders",)
        for shop in rows:
            if shop.name not in wanted:
                continue
            codes = await sync_now(p, shop.id, kinds, full=options.full)
            async with p.store.reading() as tx:
                for kind, code in codes.items():
                    task = await accounts.task(tx, f"shop:{shop.id}", kind)
                    answers.append(
                        {
                            "shop": shop.name,
                            "kind": kind,
                            "code": code,
                            "message": task.message if code else "",
                            "seen": task.seen,
                            "changed": task.changed,
                        }
                    )
    if options.json:
        emit(answers)
    else:
        table(answers, ("shop", "kind", "seen", "changed", "code", "message"))
    return 1 if any(a["code"] not in {"", "asked_worker"} for a in answers) else 0


async def _worker(options: Options) -> int:
    from pipeline.worker import Worker, serve

    if options.nice:
        os.nice(options.nice)
    async with opened(options, worker=True, create=True) as p:
        if options.once:
            await Worker(p).run(until_idle=True)
        else:
            await serve(p, until_stdin_closes=options.until_stdin_closes)
    return 0


async def _demo(options: Options) -> int:
    from console.demo import run_demo

    return await run_demo(options)


async def _practice(options: Options) -> int:
    from console.practice import run_practice

    return await run_practice(options)


async def _config(options: Options) -> int:
    from console.config import config_file, load

    place = place_of(options)
    loaded = load()
    if options.what == "keys":
        from console.help import key_table

        if isinstance(loaded, Refused):
            return refuse(loaded, as_json=options.json)
        rows = key_table(loaded.keys)
        emit(rows) if options.json else table(rows, ("action", "keys", "title", "command"))
        return 0
    shown = {
        "config": str(config_file()),
        "database": str(place.file) if place.file else place.dialect,
        "key_file": str(place.key_file),
        "backups": str(place.backups),
    }
    if options.what == "check":
        if isinstance(loaded, Refused):
            return refuse(loaded, as_json=options.json)
        from store.schema import HEAD, revision_of

        shown["schema"] = HEAD
        if place.file:
            shown["found"] = revision_of(place)
            shown["writable"] = (
                "yes" if os.access(place.file if place.file.exists() else place.file.parent, os.W_OK) else "no"
            )
    if options.json:
        emit(shown)
    else:
        for name, value in shown.items():
            say(f"{name:<10} {value}")
    return 0


def pairs(values: Sequence[str]) -> dict[str, str] | Refused:
    """`K=V` arguments as a mapping."""
    found = {}
    for value in values:
        name, sep, text = value.partition("=")
        if not sep or not name:
            return Refused("bad_argument", _("{value} is not of the form NAME=VALUE.").format(value=value))
        found[name.strip()] = text
    return found


def secrets_of(options: Options) -> dict[str, str] | Refused:
    """Secrets from the environment and standard input, never from an argument."""
    named = pairs(options.secret_env)
    if isinstance(named, Refused):
        return named
    found = {}
    for field, variable in named.items():
        if not os.environ.get(variable):
            return Refused("missing_variable", _("The variable {name} is not set.").format(name=variable))
        found[field] = os.environ[variable]
    if options.secret_stdin:
        found[options.secret_stdin] = sys.stdin.readline().rstrip("\r\n")
    return found
