"""Commands that set things up: shops, carriers, printers, warehouses, stock, abnormal orders, operators, connectors."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from console import operators
from console.handlers import opened, pairs, secrets_of
from console.output import complain, emit, refuse, say, table
from domain.clock import iso, overdue
from domain.results import Refused
from domain.text import safe
from domain.words import _
from pipeline import abnormal as abnormal_orders
from pipeline import sales, setup, stock_pushing, stocktaking
from pipeline.base import Pipeline
from pipeline.worker import sync_now
from store import accounts
from store.database import from_json
from store.overview import travels_plain

Options = argparse.Namespace


async def handle(options: Options) -> int:
    """Run a set-up command."""
    table_: dict[str, Callable[[Options, Pipeline], Awaitable[int]]] = {
        "shop": _shop,
        "carrier": _carrier,
        "printer": _printer,
        "warehouse": _warehouse,
        "stock": _stock,
        "abnormal": _abnormal,
        "operator": operators.handle,
    }
    if options.command == "connector":
        from console import connector_kit

        return await connector_kit.handle(options)
    # Whoever is changed must be somewhere already.
    makes = options.action == "add" or (options.action == "set" and options.command != "operator")
    async with opened(options, create=makes) as p:
        return await table_[options.command](options, p)


def _answer(options: Options, document: Any, text: str) -> int:
    if options.json:
        emit(document)
    else:
        say(text)
    return 0


# ------------------------------------------------------------------ shops


async def _shop(options: Options, p: Pipeline) -> int:
    if options.action == "add":
        return await _add(options, p, setup.add_shop, options.platform)
    if options.action == "list":
        return await _shop_list(options, p)
    async with p.store.reading() as tx:
        row = await accounts.shop_named(tx, options.name)
    if row is None:
        return refuse(
            Refused("unknown_shop", _("There is no shop {name}.").format(name=options.name)), as_json=options.json
        )
    if not row.bound and options.action not in {"show", "rules", "sales"}:
        refusal = Refused("shop_unbound", _("The shop {name} is unbound.").format(name=row.name))
        return refuse(refusal, as_json=options.json)
    match options.action:
        case "show" | "rules":
            return _shop_show(options, p, row)
        case "sales":
            rows = await sales.figures(p, row.id)
            emit(rows) if options.json else table(rows, ("sku", "name", "live", "settled", "waiting"))
            return 0
        case "check":
            checked = await setup.check_shop(p, row.id)
            if isinstance(checked, Refused):
                return refuse(checked, as_json=options.json)
            for warning in checked.warnings:
                complain(warning)
            text = f"{safe(checked.title)}  {checked.zone}  {checked.currency}  {safe(checked.version)}"
            return _answer(
                options,
                {
                    "shop": row.name,
                    "title": checked.title,
                    "zone": checked.zone,
                    "currency": checked.currency,
                    "version": checked.version,
                    "warnings": list(checked.warnings),
                },
                text,
            )
        case "set":
            return await _shop_set(options, p, row)
        case "sync":
            kinds = ("products", "orders") if options.products else ("orders",)
            codes = await sync_now(p, row.id, kinds, full=options.full)
            async with p.store.reading() as tx:
                tasks = {k: await accounts.task(tx, f"shop:{row.id}", k) for k in codes}
            answers = [
                {
                    "shop": row.name,
                    "kind": k,
                    "code": c,
                    "message": tasks[k].message if c else "",
                    "seen": tasks[k].seen,
                    "changed": tasks[k].changed,
                }
                for k, c in codes.items()
            ]
            emit(answers) if options.json else table(answers, ("shop", "kind", "seen", "changed", "code", "message"))
            return 1 if any(c not in {"", "asked_worker"} for c in codes.values()) else 0
        case "preview" | "import-sheet":
            from console import sheets

            return await sheets.handle(options, p, row)
        case "cut-over":
            n = await setup.cut_over(p, row.id, options.choice.replace("-", "_"), options.who)
            if isinstance(n, Refused):
                return refuse(n, as_json=options.json)
            return _answer(options, {"shop": row.name, "shipments": n}, _("{n} shipments.").format(n=n))
        case _:
            if not options.yes:
                complain(_("Unbinding freezes the shop's orders and stops what is queued: add --yes."))
                return 2
            n = await setup.unbind_shop(p, row.id, options.who)
            if isinstance(n, Refused):
                return refuse(n, as_json=options.json)
            return _answer(options, {"shop": row.name, "stopped": n}, _("{n} queued effects stopped.").format(n=n))


async def _add(options: Options, p: Pipeline, add: Callable[..., Awaitable[Any]], kind: str) -> int:
    given, secrets = pairs(options.set), secrets_of(options)
    if isinstance(given, Refused):
        return refuse(given, as_json=options.json)
    if isinstance(secrets, Refused):
        return refuse(secrets, as_json=options.json)
    made = await add(p, kind, options.name, given, secrets, who=options.who)
    if isinstance(made, Refused):
        return refuse(made, as_json=options.json)
    for warning in made.checked.warnings:
        complain(warning)
    document = {
        "id": made.id,
        "name": made.name,
        "title": made.checked.title,
        "zone": made.checked.zone,
        "currency": made.checked.currency,
        "version": made.checked.version,
        "warnings": list(made.checked.warnings),
    }
    return _answer(
        options, document, _("{name} is set up: {title}").format(name=made.name, title=safe(made.checked.title))
    )


async def _shop_list(options: Options, p: Pipeline) -> int:
    rows = []
    async with p.store.reading() as tx:
        for s in await accounts.shops(tx):
            task = await accounts.task(tx, f"shop:{s.id}", "orders")
            health = await accounts.health(tx, f"shop:{s.id}")
            late = bool(s.bound and task) and overdue(task.ok_at or s.connected_at, task.every_ms, tx.now)
            rows.append(
                {
                    "id": s.id,
                    "name": s.name,
                    "platform": s.platform,
                    "title": s.title,
                    "zone": s.zone,
                    "currency": s.currency,
                    "bound": bool(s.bound),
                    "cut_over": s.cut_over,
                    "last_sync": iso(task.ok_at) if task else None,
                    "imported": bool(s.first_import_done),
                    "seen": task.seen if task else 0,
                    "late": late,
                    "plain_http": bool(s.bound) and travels_plain(s.settings),
                    "paused": health.paused_code if health else "",
                    "message": (task.message if task else "") or (health.message if health else ""),
                }
            )
    if options.json:
        emit(rows)
    else:
        table(
            rows,
            (
                "name",
                "platform",
                "currency",
                "bound",
                "last_sync",
                "late",
                "plain_http",
                "cut_over",
                "paused",
                "message",
            ),
        )
    return 0


def _shop_show(options: Options, p: Pipeline, row: Any) -> int:
    import msgspec

    facts = p.shop_facts(row)
    if options.action == "rules":
        from pipeline.sync import policy_of, writes_delivery

        policy = msgspec.to_builtins(policy_of(facts, row.currency, row.connected_at))
        policy["window_start"], policy["connected_at"] = iso(policy["window_start"]), iso(policy["connected_at"])
        document = {k: sorted(v) if isinstance(v, list) else v for k, v in policy.items()}
        document |= {k: getattr(facts.settings, k) for k in ("identify_by", "order_types", "worked_by")}
        document["delivery_comment"] = writes_delivery(facts)
    else:
        defaults = {n: getattr(facts.settings, n) for n in facts.settings.__struct_fields__}
        document = {**defaults, **from_json(row.settings)}
    if options.json:
        emit(document)
    else:
        for name, value in document.items():
            say(f"{name:<24} {safe(value)}")
    return 0


async def _shop_set(options: Options, p: Pipeline, row: Any) -> int:
    if not (options.values or options.set or options.secret_env or options.secret_stdin):
        complain(_("Say what to set: NAME=VALUE."))
        return 2
    given, secrets = pairs([*options.values, *options.set]), secrets_of(options)
    if isinstance(given, Refused):
        return refuse(given, as_json=options.json)
    if isinstance(secrets, Refused):
        return refuse(secrets, as_json=options.json)
    answer = await setup.set_shop(p, row.id, given, secrets, options.who)
    if isinstance(answer, Refused):
        return refuse(answer, as_json=options.json)
    return _answer(options, answer, ", ".join(f"{k}={answer[k]}" for k in given) or _("Kept."))


# ------------------------------------------------------------------ carriers, printers, warehouses


async def _carrier(options: Options, p: Pipeline) -> int:
    if options.action == "add":
        return await _add(options, p, setup.add_carrier, options.kind)
    async with p.store.reading() as tx:
        carriers = list(await accounts.carriers(tx))
        services = list(await accounts.services(tx))
        free = await accounts.free_numbers(tx)
    if options.action == "list":
        rows = [
            {
                "name": c.name,
                "kind": c.kind,
                "checked": iso(c.checked_at),
                "services": ", ".join(s.code for s in services if s.carrier_id == c.id and s.enabled),
                "free_numbers": free.get(c.id),
            }
            for c in carriers
        ]
        emit(rows) if options.json else table(rows, ("name", "kind", "checked", "services", "free_numbers"))
        return 0
    row = next((c for c in carriers if c.name == options.name), None)
    if row is None:
        refusal = Refused("unknown_carrier", _("There is no carrier account {name}.").format(name=options.name))
        return refuse(refusal, as_json=options.json)
    if options.action == "check":
        checked = await setup.check_carrier(p, row.id)
        if isinstance(checked, Refused):
            return refuse(checked, as_json=options.json)
        return _answer(options, {"carrier": row.name, "title": checked.title}, safe(checked.title))
    if row.kind != "pool":
        return refuse(
            Refused("no_pool", _("{name} gives its numbers itself.").format(name=row.name)), as_json=options.json
        )
    text = sys.stdin.read() if options.file == "-" else await asyncio.to_thread(_read, options.file)
    added, bad = await setup.import_numbers(p, row.id, text.splitlines(), options.who)
    for refusal in bad:
        complain(refusal.message)
    _answer(options, {"added": added, "bad": [b.message for b in bad]}, _("{n} numbers added.").format(n=added))
    return 1 if bad else 0


def _read(file: str) -> str:
    return Path(file).read_text(encoding="utf-8-sig")


async def _printer(options: Options, p: Pipeline) -> int:
    if options.action == "add":
        given = pairs(options.set)
        if isinstance(given, Refused):
            return refuse(given, as_json=options.json)
        made = await setup.add_printer(p, options.kind, options.name, given, options.who)
        if isinstance(made, Refused):
            return refuse(made, as_json=options.json)
        return _answer(options, {"id": made.id, "name": made.name}, _("{name} is set up.").format(name=made.name))
    async with p.store.reading() as tx:
        rows = list(await accounts.printers(tx))
    if options.action == "list":
        shown = [{"name": r.name, "kind": r.kind, "host": r.host, "default": bool(r.is_default)} for r in rows]
        emit(shown) if options.json else table(shown, ("name", "kind", "host", "default"))
        return 0
    row = next((r for r in rows if r.name == options.name), None)
    if row is None:
        return refuse(Refused("unknown_printer", _("There is no printer of that name.")), as_json=options.json)
    answer = await setup.test_printer(p, row.id)
    if isinstance(answer, Refused):
        return refuse(answer, as_json=options.json)
    return _answer(options, {"printed": answer}, safe(answer))


async def _warehouse(options: Options, p: Pipeline) -> int:
    if options.action == "list":
        async with p.store.transaction() as tx:
            await accounts.default_warehouse(tx)
            rows = [
                {
                    "name": w.name,
                    "kind": w.kind,
                    "default": bool(w.is_default),
                    **{f"sender_{k}": v for k, v in from_json(w.sender).items()},
                }
                for w in await accounts.warehouses(tx)
            ]
        emit(rows) if options.json else table(
            rows, ("name", "kind", "default", "sender_name", "sender_line1", "sender_city", "sender_country")
        )
        return 0
    given = pairs(options.values)
    if isinstance(given, Refused):
        return refuse(given, as_json=options.json)
    answer = await setup.set_sender(p, options.warehouse, given, options.who)
    if isinstance(answer, Refused):
        return refuse(answer, as_json=options.json)
    return _answer(options, given, _("Sender kept."))


# ------------------------------------------------------------------ stock


async def _stock(options: Options, p: Pipeline) -> int:
    if options.action == "list":
        rows = await stocktaking.listing(p, options.sku)
        emit(rows) if options.json else table(
            rows, ("sku", "name", "warehouse", "on_hand", "reserved", "free", "waiting")
        )
        return 0
    if options.action == "moves":
        rows = await stocktaking.moves(p, options.sku)
        emit(rows) if options.json else table(rows, ("at", "reason", "on_hand", "reserved", "shipment", "who"))
        return 0
    if options.action == "pushes":
        return await _pushes(options, p)
    answer = await stocktaking.change(p, options.sku, options.action, options.pieces, options.who)
    if isinstance(answer, Refused):
        return refuse(answer, as_json=options.json)
    return _answer(options, answer, f"{answer['sku']}: {answer['on_hand']} / {answer['reserved']}")


async def _pushes(options: Options, p: Pipeline) -> int:
    if options.again:
        if not options.shop:
            complain(_("Name the shop: --shop NAME."))
            return 2
        refused = await stock_pushing.tell_again(p, options.shop, options.who)
        if refused is not None:
            return refuse(refused, as_json=options.json)
        return _answer(options, {"shop": options.shop}, _("Everything is told anew."))
    rows = await stock_pushing.listing(p, options.sku, options.shop)
    if isinstance(rows, Refused):
        return refuse(rows, as_json=options.json)
    emit(rows) if options.json else table(rows, ("shop", "sku", "state", "told", "told_at", "since", "code", "reason"))
    return 0


# ------------------------------------------------------------------ abnormal orders


async def _abnormal(options: Options, p: Pipeline) -> int:
    if options.action == "list":
        rows = await abnormal_orders.listing(p, excluded=options.excluded)
        columns = (
            ("shop", "number", "reason", "detail")
            if options.excluded
            else ("id", "shop", "platform_order_id", "code", "message")
        )
        emit(rows) if options.json else table(rows, columns)
        return 0
    if bool(options.ids) == bool(options.all):
        complain(_("Name ids, or --all."))
        return 2
    act = abnormal_orders.repush if options.action == "repush" else abnormal_orders.dismiss
    done, refused = await act(p, None if options.all else options.ids, options.who)
    if options.json:
        emit({"done": done, "refused": [{"id": i, "code": r.code, "reason": r.message} for i, r in refused]})
    else:
        say(_("{n} done, {m} refused").format(n=len(done), m=len(refused)))
        for number, refusal in refused:
            say(f"{number}: {refusal.code}: {safe(refusal.message)}")
    return 1 if refused else 0
