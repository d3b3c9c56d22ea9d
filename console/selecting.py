"""Commands over a selection: who is meant, is it as many as expected, and what became of each."""

import argparse
import asyncio
import os
import sys
from typing import Any

from console.actions import Action
from console.handlers import opened, pairs
from console.output import complain, emit, refuse, say, table
from domain.facts import code_of
from domain.filters import parse
from domain.results import Refused
from domain.text import is_yes
from domain.words import _
from pipeline.base import Pipeline
from pipeline.commands import RefusedRow, Report, named_report, preview, run
from store import accounts, leases, views


async def run_action(options: argparse.Namespace, action: Action) -> int:
    """Select, ask the pipeline, wait if told to, report."""
    if bool(options.ids) + bool(options.where) + bool(options.all) != 1:
        complain(_("Name shipments, or --where EXPR, or --all (one of the three)."))
        return 2
    if (options.wait or 0) < 0 or (options.expect or 0) < 0:
        complain(_("--wait and --expect take a number from 0 on."))
        return 2
    if options.all and action.irreversible and not options.yes and not options.dry_run:
        complain(_("{name} --all cannot be taken back: add --yes.").format(name=action.name))
        return 2
    async with opened(options) as p:
        chosen = await _select(p, options, action)
        if isinstance(chosen, Refused):
            complain(chosen.message)
            return 2
        ids, missing = chosen
        if options.expect is not None and options.expect != len(ids):
            return refuse(
                Refused(
                    "not_as_expected",
                    _("{name}: {n} match, {m} were expected; nothing was done.").format(
                        name=action.name, n=len(ids), m=options.expect
                    ),
                ),
                as_json=options.json,
            )
        arguments = await _arguments(p, options, action, ids)
        if isinstance(arguments, Refused):
            return refuse(arguments, as_json=options.json)
        if options.dry_run:
            would = await preview(p, action.name, ids, arguments, options.who, explicit=bool(options.ids))
            would.refused.extend(missing)
            return report_and_exit(options, would)
        show = sys.stderr.isatty() and not options.json
        report = await run(
            p,
            action.name,
            ids,
            arguments,
            options.who,
            explicit=bool(options.ids),
            progress=_progress if show else None,
        )
        report.refused.extend(missing)
        settled = True
        if options.wait is not None and report.done:
            settled = await _wait(p, options, report)
        return report_and_exit(options, report, settled if options.wait is not None else None)


async def _progress(done: int, total: int) -> None:
    sys.stderr.write(f"\r{done}/{total}" + ("\n" if done >= total else ""))
    sys.stderr.flush()


async def _select(
    p: Pipeline, options: argparse.Namespace, action: Action
) -> tuple[list[int], list[RefusedRow]] | Refused:
    if options.ids:
        ids: list[int] = []
        missing: list[RefusedRow] = []
        for text in options.ids:
            found = await views.find_ids(p.store, text)
            if not found:
                missing.append(RefusedRow(text, "not_found", _("Nothing is found for {text}.").format(text=text)))
            ids.extend(found)
        return list(dict.fromkeys(ids)), missing
    terms = parse(options.where or "")
    if isinstance(terms, Refused):
        return terms
    stages = () if any(t.field == "stage" for t in terms) else action.stages
    return [i for i, _version in await views.selection(p.store, terms, stages)], []


async def _arguments(
    p: Pipeline, options: argparse.Namespace, action: Action, ids: list[int]
) -> dict[str, Any] | Refused:
    """The action's options as the pipeline takes them."""
    given: dict[str, Any] = {}
    for option in action.options:
        value = getattr(options, option.name.replace("-", "_"))
        if option.many:
            mapped = pairs(value)
            if isinstance(mapped, Refused):
                return mapped
            value = mapped
        given[option.name.replace("-", "_")] = value
    match action.name:
        case "address":
            return dict(given["set"]) or Refused("nothing_given", _("Give at least one --set FIELD=VALUE."))
        case "customs":
            return _customs(given)
        case "assign":
            return await _service(p, str(given["service"]))
        case "split":
            return await _split(p, given["line"], ids)
        case "take-out":
            return await _order(p, str(given["order"]))
        case "print":
            return await _printer(p, given)
    return given


def _customs(given: dict[str, Any]) -> dict[str, Any] | Refused:
    values: dict[str, Any] = {}
    for name, text in given["set"].items():
        if name in {"unit_weight_g", "unit_value_minor"}:
            if not text.isdecimal():
                return Refused("bad_argument", _("{name} is a whole number.").format(name=name))
            values[name] = int(text)
        elif name in {"name_local", "name_en", "hs_code", "origin", "currency", "battery"}:
            values[name] = text
        elif name == "liquid":
            values[name] = is_yes(text)
        else:
            return Refused("bad_argument", _("Customs has no field {name}.").format(name=name))
    return {**values, "sku": given["sku"]}


async def _service(p: Pipeline, text: str) -> dict[str, Any] | Refused:
    carrier_name, _sep, code = text.rpartition("/")
    async with p.store.reading() as tx:
        carriers = {c.id: c.name for c in await accounts.carriers(tx)}
        found = [
            s
            for s in await accounts.services(tx)
            if s.code == code and s.enabled and (not carrier_name or carriers[s.carrier_id] == carrier_name)
        ]
        known = sorted(f"{carriers[s.carrier_id]}/{s.code}" for s in await accounts.services(tx) if s.enabled)
    if not found:
        return Refused(
            "unknown_service",
            _("There is no service {name}; there are: {names}.").format(name=text, names=", ".join(known) or "-"),
        )
    if len(found) > 1:
        return Refused("ambiguous_service", _("Several carriers have {name}: say CARRIER/{name}.").format(name=code))
    return {"service_id": found[0].id}


async def _split(p: Pipeline, lines: dict[str, str], ids: list[int]) -> dict[str, Any] | Refused:
    if len(ids) != 1:
        return Refused("one_at_a_time", _("Split one shipment at a time."))
    inside = await views.lines_of(p.store, ids[0])
    wanted: dict[str, int] = {}
    for name, pieces in lines.items():
        line = next((i for i, sku in inside if name in {sku, str(i)}), None)
        if line is None or not pieces.isdecimal():
            return Refused(
                "bad_split", _("{name} is not in it, or {pieces} is not a number.").format(name=name, pieces=pieces)
            )
        wanted[str(line)] = int(pieces)
    return {"lines": wanted}


async def _order(p: Pipeline, number: str) -> dict[str, Any] | Refused:
    found = await views.orders_numbered(p.store, number)
    if len(found) != 1:
        return Refused("unknown_order", _("{n} orders have that number.").format(n=len(found)))
    return {"order_id": found[0]}


async def _printer(p: Pipeline, given: dict[str, Any]) -> dict[str, Any] | Refused:
    if not str(given["copies"]).isdecimal() or not 1 <= int(given["copies"]) <= 20:
        return Refused("bad_argument", _("Copies are a number from 1 to 20."))
    answer = {"copies": int(given["copies"]), "reprint": given["reprint"]}
    if given["printer"]:
        async with p.store.reading() as tx:
            found = next((r for r in await accounts.printers(tx) if r.name == given["printer"]), None)
        if found is None:
            return Refused("unknown_printer", _("There is no printer of that name."))
        answer["printer_id"] = found.id
    return answer


async def _wait(p: Pipeline, options: argparse.Namespace, report: Report) -> bool:
    """Wait until nothing of these shipments is under way; a worker is started where none lives."""
    async with p.store.reading() as tx:
        living = await leases.living_workers(tx)
    child = None
    if not living:
        command = [sys.executable, "-P", "-m", "console.cli", "worker", "--until-stdin-closes"]
        # The address may hold a password: it travels in the environment, never in an argument.
        env = {**os.environ, "SHIPDECK_DB": options.db} if options.db else None
        child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, env=env)
    deadline = p.clock() + int(options.wait * 1000)
    settled = False
    try:
        while p.clock() < deadline and not settled:
            settled = not await views.under_way(p.store, report.done, report.batch)
            if not settled:
                await asyncio.sleep(0.1)
    finally:
        if child is not None:
            assert child.stdin is not None
            child.stdin.close()
            await child.wait()
    # A check that said no, a push that was refused: the batch knows by now, and so do the shipments.
    said = await named_report(p, report.batch)
    report.done, late = said.done, {r.id for r in report.refused}
    report.refused.extend(r for r in said.refused if r.id not in late)
    for row in await views.gone_wrong(p.store, report.done):
        report.done.remove(row["id"])
        report.refused.append(RefusedRow(row["id"], row["code"] or row["status"], row["reason"]))
    return settled


def report_and_exit(options: argparse.Namespace, report: Report, settled: bool | None = None) -> int:
    """Print what became of each; 1 when anything was refused, failed, or has not settled in time."""
    if options.json:
        document: dict[str, Any] = {
            "batch": report.batch,
            "done": report.done,
            "refused": [{"id": r.id, "code": r.code, "reason": r.reason} for r in report.refused],
        }
        if settled is not None:
            document["settled"] = settled
        emit(document)
    else:
        say(
            (f"{report.batch}: " if report.batch else _("Nothing was written: "))
            + _("{n} done, {m} refused").format(n=len(report.done), m=len(report.refused))
        )
        table(
            [
                {"shipment": code_of(r.id) if isinstance(r.id, int) else r.id, "code": r.code, "reason": r.reason}
                for r in report.refused
            ],
            ("shipment", "code", "reason"),
        ) if report.refused else None
        if settled is False:
            complain(_("Not everything has settled in that time; the worker goes on."))
    return 1 if report.refused or settled is False else 0
