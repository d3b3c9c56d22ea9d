"""Runs commands over selections: frozen, in short transactions, safe to run twice, an answer per shipment.

A selection becomes a batch; whoever holds the batch's lease works it off chunk by chunk, so that a crash leaves either
a chunk wholly done or not begun, and anybody may go on.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs
from sqlalchemy.exc import DBAPIError, IntegrityError

from domain.arguments import check
from domain.change import Change
from domain.clock import to_datetime
from domain.commands import COMMANDS, Context, merge_refusal, readiness
from domain.enums import Flag, Stage, Status
from domain.facts import ShipmentFacts, code_of
from domain.guards import first
from domain.results import Refused
from domain.words import _
from pipeline import persons
from pipeline.base import Directory, Pipeline
from pipeline.effects import TROUBLE
from pipeline.steps import step
from store import batches, leases, outbox, papers
from store.apply import OutOfDate, apply, put_in
from store.batches import Batch, ItemResult
from store.database import Tx, as_json, chunks
from store.shipments import existing, free_stock, last_event, load_facts

log = logging.getLogger("shipdeck.commands")

CHUNK_MS = 25
"""How long a transaction of a batch should take, so that a scan's commit never waits long."""
AT_ONCE = 50
"""A selection of so many rows is one transaction: about what 25 ms hold."""
PAGES_PER_JOB = 50
"""Labels per print job: a jam loses little."""

Progress = Callable[[int, int], Awaitable[None]]


class RefusedRow(Struct, frozen=True):
    """One shipment a command did not touch, and why. `id` is the given text where it names no shipment."""

    id: int | str
    code: str
    reason: str


class Report(Struct):
    """What a command answered."""

    batch: str
    done: list[int]
    refused: list[RefusedRow]


class UnknownCommand(LookupError):
    """There is no command of that name."""


async def run(
    p: Pipeline,
    command: str,
    ids: Sequence[int],
    arguments: Mapping[str, Any],
    who: str,
    *,
    source: str = "command_line",
    explicit: bool = True,
    seen: Mapping[int, int] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Run `command` over `ids` to its end and report. `seen` holds the versions the person saw, where there are any.

    Refused whole where `who` is nobody who may change anything here; '' is the worker. A screenful or less is one
    transaction, batch and all: a scan waits for one commit. What that refuses goes the long way, row by row.
    """
    if len(ids) <= AT_ONCE:
        try:
            report = await p.store.retrying(
                lambda tx: _at_once(p, tx, command, ids, arguments, who, source, explicit, seen or {})
            )
        except (OutOfDate, IntegrityError):
            report = None
        except (DBAPIError, UnknownCommand):
            raise
        except Exception:
            log.exception("%s failed in our own code; its rows are tried one by one", command)
            report = None
        if report is not None:
            step("batch.chunk_done")
            if progress is not None and report.batch:
                await progress(len(ids), len(ids))
            return report
    begun = await begin(p, command, ids, arguments, who, source=source, explicit=explicit, seen=seen)
    if isinstance(begun, Report):
        return begun
    await work_off(p, begun.batch, leases.new_owner(), progress=progress)
    report = await report_of(p, begun.batch)
    report.refused.extend(begun.missing)
    return report


async def _at_once(
    p: Pipeline,
    tx: Tx,
    command: str,
    ids: Sequence[int],
    arguments: Mapping[str, Any],
    who: str,
    source: str,
    explicit: bool,
    seen: Mapping[int, int],
) -> Report:
    """Make the batch, work it off and end it in the caller's transaction."""
    asked = await _asked(tx, command, ids, arguments, who, seen)
    if isinstance(asked, Report):
        return asked
    person, selection, missing = asked
    batch = await batches.create(tx, command, {**arguments, "_explicit": explicit}, person, source, selection)
    items = [batches.Item(position, *row) for position, row in enumerate(selection)]
    results = await _decide_and_apply(p, tx, batch, items) if items else []
    await batches.record(tx, batch.id, results)
    await batches.finish(tx, batch.id)
    shipments = {i.position: i.shipment_id for i in items}
    results.sort(key=lambda r: r.position)
    done = [shipments[r.position] for r in results if r.outcome == "done"]
    refused = [RefusedRow(shipments[r.position], r.code, r.reason) for r in results if r.outcome == "refused"]
    return Report(batch.name, done, [*refused, *missing])


class Begun(Struct, frozen=True):
    """A batch whose selection is frozen: whoever takes its lease, this process or a worker, works it off."""

    batch: Batch
    missing: list[RefusedRow]


async def begin(
    p: Pipeline,
    command: str,
    ids: Sequence[int],
    arguments: Mapping[str, Any],
    who: str,
    *,
    source: str = "command_line",
    explicit: bool = True,
    seen: Mapping[int, int] | None = None,
) -> Begun | Report:
    """Freeze a selection as a batch and leave it to a worker; a report where the command was refused whole."""
    async with p.store.transaction() as tx:
        asked = await _asked(tx, command, ids, arguments, who, seen or {})
        if isinstance(asked, Report):
            return asked
        person, selection, missing = asked
        batch = await batches.create(tx, command, {**arguments, "_explicit": explicit}, person, source, selection)
    step("batch.begun")
    return Begun(batch, missing)


async def _asked(
    tx: Tx, command: str, ids: Sequence[int], arguments: Mapping[str, Any], who: str, seen: Mapping[int, int]
) -> tuple[str, list[tuple[int, int]], list[RefusedRow]] | Report:
    """(who, the selection with the versions seen, what there is not); a report where the command is refused whole."""
    if command not in COMMANDS and command not in {"merge", "undo"}:
        raise UnknownCommand(command)
    selection = [(i, seen.get(i, 0)) for i in dict.fromkeys(ids)]
    if refused := check(command, arguments):
        return _refused_whole([i for i, _v in selection], refused)
    person = await persons.resolve(tx, who)
    if isinstance(person, Refused):
        return _refused_whole([i for i, _v in selection], person)
    known = await existing(tx, [i for i, _v in selection])
    missing = [RefusedRow(i, "not_found", _("There is no such shipment.")) for i, _v in selection if i not in known]
    return person, [s for s in selection if s[0] in known], missing


async def preview(
    p: Pipeline, command: str, ids: Sequence[int], arguments: Mapping[str, Any], who: str, *, explicit: bool = True
) -> Report:
    """What `run` would answer now, decided on the same facts, with nothing written (merge and undo: all would go)."""
    if refused := check(command, arguments):
        return _refused_whole(ids, refused)
    report = Report("", [], [])
    async with p.store.reading() as tx:
        person = await persons.resolve(tx, who)
        if isinstance(person, Refused):
            return _refused_whole(ids, person)
        directory = await p.directory(tx)
        facts = await load_facts(
            tx, ids, directory.shops, directory.services, default_warehouse=directory.warehouse_id, lock=False
        )
        context = await context_for(
            tx, directory, facts.values(), person, "command_line", {"_explicit": explicit}, lock=False
        )
        forbidden = await _forbidden(tx, person, facts)
    for i in ids:
        f = facts.get(i)
        if f is None:
            report.refused.append(RefusedRow(i, "not_found", _("There is no such shipment.")))
            continue
        answer = forbidden.get(f.shop.id) or (
            COMMANDS[command](f, arguments, context) if command in COMMANDS else Change()
        )
        if isinstance(answer, Refused):
            report.refused.append(RefusedRow(i, answer.code, answer.message))
        else:
            report.done.append(i)
    return report


def _refused_whole(ids: Sequence[int], refused: Refused) -> Report:
    """Nothing of the selection was looked at, and no batch was made."""
    named: list[int | str] = list(ids)
    return Report("", [], [RefusedRow(i, refused.code, refused.message) for i in named or [""]])


async def cancel(p: Pipeline, name: str, who: str) -> Batch | Refused:
    """End a batch where it is: what was done stays done, the rest is not begun."""
    async with p.store.transaction() as tx:
        person = await persons.resolve(tx, who)
        if isinstance(person, Refused):
            return person
        batch = await batches.by_name(tx, name)
        if batch is None or not await batches.cancel(tx, batch.id):
            return Refused("not_running", _("{name} is not at work.").format(name=name))
        return await batches.get(tx, batch.id) or batch


async def report_of(p: Pipeline, batch: Batch) -> Report:
    """The report of a batch, finished or not."""
    async with p.store.reading() as tx:
        rows = await batches.results(tx, batch.id)
    return Report(
        batch.name,
        [r.shipment_id for r in rows if r.outcome == "done"],
        [RefusedRow(r.shipment_id, r.code, r.reason) for r in rows if r.outcome == "refused"],
    )


async def named_report(p: Pipeline, name: str) -> Report:
    """The report of a batch by its name; an empty one where there is no such batch."""
    async with p.store.reading() as tx:
        batch = await batches.by_name(tx, name)
    return await report_of(p, batch) if batch is not None else Report(name, [], [])


async def work_off(
    p: Pipeline, batch: Batch, owner: str, *, progress: Progress | None = None, stop: asyncio.Event | None = None
) -> bool:
    """Work a batch off until nothing is left; False when another process holds it or `stop` was set."""
    lease = f"batch:{batch.id}"
    async with p.store.transaction() as tx:
        fence = await leases.take(tx, lease, owner, 60_000)
    if fence is None:
        return False
    size = 50
    while stop is None or not stop.is_set():
        started = time.perf_counter()
        count = await _chunk(p, batch, lease, owner, fence, size)
        step("batch.chunk_done")
        if count is None:
            return False
        if count == 0:
            async with p.store.transaction() as tx:
                if await leases.holds(tx, lease, fence):
                    await batches.finish(tx, batch.id)
                    await leases.drop(tx, lease)
            return True
        spent_ms = (time.perf_counter() - started) * 1000
        size = max(5, min(500, int(size * min(2.0, max(0.5, CHUNK_MS / max(spent_ms, 1))))))
        if progress is not None:
            async with p.store.reading() as tx:
                now = await batches.get(tx, batch.id)
            if now is not None:
                await progress(now.done + now.refused, now.total)
        await asyncio.sleep(0)
    async with p.store.transaction() as tx:
        await leases.give_back(tx, lease, owner, fence)
    return False


async def _chunk(p: Pipeline, batch: Batch, lease: str, owner: str, fence: int, size: int) -> int | None:
    """One transaction of a batch: how many rows it settled, None when the lease was lost."""

    async def work(tx: Tx) -> int | None:
        if not await leases.renew(tx, lease, owner, fence, 60_000):
            return None
        if await batches.is_cancelled(tx, batch.id):
            return 0
        items = await batches.next_items(tx, batch.id, size if batch.command not in {"merge"} else 10_000)
        if not items:
            return 0
        results = await _decide_and_apply(p, tx, batch, items)
        await batches.record(tx, batch.id, results)
        return len(results)

    code, reason = "", ""
    for attempt in range(5):
        try:
            return await p.store.retrying(work)
        except (OutOfDate, IntegrityError):
            # Somebody was faster, or a constraint stood in the way: smaller bites until one row alone is refused.
            code, reason = "conflict", _("The database refused this change; nothing of it was written.")
        except DBAPIError:
            raise
        except Exception as error:
            # A defect of ours must not stop the rows beside it, nor the batch for ever.
            log.exception("batch %s: %s failed in our own code", batch.name, batch.command)
            code, reason = "own_error", _("shipdeck itself failed on it: {error}").format(error=type(error).__name__)
            attempt = max(attempt, 2)
        if size == 1 or attempt == 4:
            break
        size = 1 if attempt >= 2 else max(1, size // 4)

    async def refuse(tx: Tx) -> int:
        if await batches.is_cancelled(tx, batch.id):
            return 0
        items = await batches.next_items(tx, batch.id, 1 if batch.command != "merge" else 10_000)
        await batches.record(tx, batch.id, [ItemResult(i.position, "refused", code, reason) for i in items])
        return len(items)

    log.warning("batch %s: a row was refused: %s", batch.name, code)
    return await p.store.retrying(refuse)


async def _decide_and_apply(p: Pipeline, tx: Tx, batch: Batch, items: Sequence[Any]) -> list[ItemResult]:
    directory = await p.directory(tx)
    facts = await load_facts(
        tx,
        [i.shipment_id for i in items],
        directory.shops,
        directory.services,
        default_warehouse=directory.warehouse_id,
    )
    forbidden = await _forbidden(tx, batch.who, facts)
    results: list[ItemResult] = []
    allowed: list[Any] = []
    for item in items:
        if (no := forbidden.get(facts[item.shipment_id].shop.id)) is None:
            allowed.append(item)
        else:
            results.append(ItemResult(item.position, "refused", no.code, no.message))
    if not allowed:
        return results
    context = await context_for(tx, directory, facts.values(), batch.who, batch.source, batch.arguments)
    if batch.command == "merge":
        return [*results, *await _merge(tx, batch, allowed, facts)]
    if batch.command == "undo":
        from pipeline.undo import undo_items

        return [*results, *await undo_items(tx, batch, allowed, facts, context)]
    decide = COMMANDS[batch.command]
    decided: list[tuple[Any, ShipmentFacts, Change]] = []
    for item in allowed:
        f = facts[item.shipment_id]
        answer = await _changed_since(tx, item, f) or decide(f, batch.arguments, context)
        if isinstance(answer, Refused):
            results.append(ItemResult(item.position, "refused", answer.code, answer.message))
        else:
            decided.append((item, f, answer))
    applied = await apply(tx, [(f, c) for _i, f, c in decided], batch.who, batch.id)
    for shipment_id in applied.new_shipments:
        log.info("%s made %s", batch.name, code_of(shipment_id))
    results.extend(ItemResult(i.position, "done", version=f.version + 1, before=before_of(f, c)) for i, f, c in decided)
    if batch.command == "print" and decided:
        await _queue_print(tx, batch, directory, [f for _i, f, _c in decided])
    step("batch.writing")
    return results


async def _forbidden(tx: Tx, who: str, facts: Mapping[int, ShipmentFacts]) -> dict[int, Refused]:
    """Shop id → why `who` may not work with its orders (ROA-03), of the shops these shipments belong to."""
    shops = {f.shop.id: f.shop for f in facts.values()}
    return {i: no for i, shop in shops.items() if (no := await persons.shop_refusal(tx, who, shop)) is not None}


async def context_for(
    tx: Tx,
    directory: Directory,
    facts: Any,
    who: str,
    source: str,
    arguments: Mapping[str, Any],
    *,
    lock: bool = True,
) -> Context:
    """What decisions of one transaction share: free stock above all."""
    loaded = list(facts)
    grace = 0
    if source == "console" and loaded:
        grace = max(f.shop.settings.grace_s for f in loaded) * 1000
    asks = {f"shop:{f.shop.id}": f.shop.id for f in loaded if f.shop.settings.ship_unchecked}
    silent = await outbox.silent(tx, list(asks), TROUBLE) if asks else ()
    return Context(
        now=tx.now,
        who=who,
        install=directory.install,
        earlier=directory.earlier,
        stock=await free_stock(tx, loaded, lock=lock),
        services=directory.services,
        grace_ms=grace,
        explicit=bool(arguments.get("_explicit", True)),
        printer_id=int(arguments.get("printer_id") or directory.printer_id),
        silent=frozenset(asks[account] for account in silent),
    )


async def _changed_since(tx: Tx, item: Any, f: ShipmentFacts) -> Refused | None:
    if not item.seen_version or item.seen_version == f.version:
        return None
    return await changed_since(tx, f.id)


async def changed_since(tx: Tx, shipment_id: int) -> Refused:
    """The refusal of what is no longer as the person saw it: who touched it last, and how."""
    last = await last_event(tx, shipment_id)
    return Refused(
        "changed_since",
        _("{who} changed it meanwhile, at {when} ({what}).").format(
            who=(last.who if last else "") or _("the worker"),
            when=to_datetime(last.at).astimezone().strftime("%H:%M:%S") if last else "?",
            what=last.kind if last else "",
        ),
    )


def before_of(f: ShipmentFacts, c: Change) -> str:
    """What an undo needs to know: old values of the changed columns, and what happened to stock and waybills."""
    old: dict[str, Any] = {}
    for column in c.set:
        if column == "service_id":
            old[column] = f.service.id if f.service else None
        elif column in {"printed_at", "unchecked"}:
            old[column] = None if column == "printed_at" else 0
        elif column in {"collected_by", "courier"}:
            old[column] = ""
        else:
            value = getattr(f, column)
            old[column] = int(value) if isinstance(value, bool | int) else getattr(value, "value", value)
    return as_json(
        {
            "set": old,
            "allocated": bool(c.allocate),
            "deducted": c.deduct,
            "released": dict(f.allocated) if c.release and not c.deduct else {},
            "deducted_of": dict(f.allocated) if c.deduct else {},
            "gave_back": c.give_back,
            "waybills": {str(w.id): w.state.value for w in f.waybills if w.id in c.waybills},
            "new_waybill": c.new_waybill is not None,
            "final": bool(c.lines or c.split_off or c.address or c.customs or c.note is not None or c.submissions),
        }
    )


async def _queue_print(tx: Tx, batch: Batch, directory: Directory, facts: Sequence[ShipmentFacts]) -> None:
    """One print job per 50 labels, in the order of the selection."""
    printer = int(batch.arguments.get("printer_id") or directory.printer_id)
    ids = [f.id for f in facts]
    await papers.queue_jobs(
        tx, batch, printer, list(chunks(ids, PAGES_PER_JOB)), int(batch.arguments.get("copies") or 1)
    )


_CARRIED = Flag.NOTE_UNREAD | Flag.AFTER_SALE | Flag.UNMATCHED | Flag.UNPAID | Flag.FIRST_IMPORT


async def _merge(tx: Tx, batch: Batch, items: Sequence[Any], facts: Mapping[int, ShipmentFacts]) -> list[ItemResult]:
    """Merge the whole selection into its first member; who does not fit stays and says why."""
    results: list[ItemResult] = []
    target = facts[items[0].shipment_id]
    joined: list[ShipmentFacts] = []
    for item in items[1:]:
        other = facts[item.shipment_id]
        refused = first(await _changed_since(tx, item, other), merge_refusal(target, other))
        if refused:
            results.append(ItemResult(item.position, "refused", refused.code, refused.message))
            continue
        joined.append(other)
        results.append(
            ItemResult(item.position, "done", version=other.version + 1, before='{"final": true, "set": {}}')
        )
    if not joined:
        refused = Refused("nothing_to_merge", _("Nothing can be merged with it."))
        return [ItemResult(items[0].position, "refused", refused.code, refused.message), *results]
    flags = target.flags
    changes = []
    for other in joined:
        # What blocks one blocks the box.
        flags |= other.flags & _CARRIED
        changes.append(
            (
                other,
                Change(
                    set={"stage": int(Stage.CLOSED), "status": Status.MERGED.value},
                    events=(("merged_into", {"shipment": target.id}),),
                ),
            )
        )
        await put_in(tx, target, other)
    box = structs.replace(
        target,
        lines=tuple(ln for f in (target, *joined) for ln in f.lines),
        orders=tuple(o for f in (target, *joined) for o in f.orders),
        customs={k: v for f in (target, *joined) for k, v in f.customs.items()},
        defaults={k: v for f in (target, *joined) for k, v in f.defaults.items()},
    )
    status = readiness(box, target.service) if target.stage is Stage.PROCESSING else target.status
    due = [f.ship_by for f in (target, *joined) if f.ship_by is not None]
    changes.append(
        (
            target,
            Change(
                set={
                    "flags": int(flags | Flag.MERGED),
                    "status": status.value,
                    "ship_by": min(due) if due else None,
                },
                events=(("merged", {"shipments": [f.id for f in joined]}),),
            ),
        )
    )
    await apply(tx, changes, batch.who, batch.id)
    results.append(
        ItemResult(items[0].position, "done", version=target.version + 1, before='{"final": true, "set": {}}')
    )
    return results
