"""`shipdeck shop preview` and `shop import-sheet`: a spreadsheet as orders, before and after it is taken over."""

import argparse
from pathlib import Path
from typing import Any

from console.output import complain, emit, refuse, say, table
from domain.clock import iso
from domain.money import format_minor
from domain.results import Refused
from domain.text import safe
from domain.words import _
from pipeline import sheets
from pipeline.base import Pipeline

OUTCOMES = ("new", "changed", "same", "left_out", "failed")


async def handle(options: argparse.Namespace, p: Pipeline, row: Any) -> int:
    """Show a file, or take it over. 1 where an order of it failed."""
    file, code = Path(options.file), ""
    if options.action == "preview":
        seen = await sheets.preview(p, row.id, file, options.who)
    else:
        answer = await sheets.import_sheet(p, row.id, file, options.who)
        seen = answer if isinstance(answer, Refused) else answer.preview
        code = "" if isinstance(answer, Refused) else answer.code
    if isinstance(seen, Refused):
        return refuse(seen, as_json=options.json)
    if options.save and (refusal := await sheets.save_columns(p, row.id, seen.columns, options.who)):
        return refuse(refusal, as_json=options.json)
    if options.failures and seen.failures and (refusal := sheets.write_failures(seen, Path(options.failures))):
        return refuse(refusal, as_json=options.json)
    counts = {outcome: seen.count(outcome) for outcome in OUTCOMES}
    shown = [_shown(one) for one in seen.rows]
    if options.json:
        about = {"shop": row.name, "file": str(file), "source": seen.source, "columns": seen.columns, "code": code}
        emit({**about, "saved": seen.saved or options.save, **counts, "orders": shown})
    else:
        say(_("{file}: {source}").format(file=safe(file), source=safe(seen.source)))
        say(_("columns={columns}").format(columns=safe(seen.columns, 2000)))
        # What needs a hand first.
        shown.sort(key=lambda one: OUTCOMES[::-1].index(one["outcome"]))
        wanted = ("outcome", "number", "rows", "created", "buyer", "country", "quantity", "total", "currency", "reason")
        table(shown[: max(0, options.limit)], wanted)
        say(
            _("{new} new, {changed} changed, {same} as they were, {left_out} left out, {failed} failed.").format(
                **counts
            )
        )
    if code:
        complain(_("The worker takes them over now.") if code == "asked_worker" else code)
    return 1 if counts["failed"] or code not in {"", "asked_worker"} else 0


def _shown(one: sheets.Row) -> dict[str, Any]:
    """An order of a sheet as a flat row; of one that failed only its number, its rows and why."""
    order = one.order
    return {
        "outcome": one.outcome,
        "number": one.number,
        "rows": ",".join(map(str, one.rows)),
        "created": iso(order.created_at) if order else "",
        "status": order.status.value if order else "",
        "buyer": order.address.name if order else "",
        "country": order.address.country if order else "",
        "lines": len(order.lines) if order else 0,
        "quantity": sum(int(line.quantity) for line in order.lines) if order else 0,
        "total": format_minor(order.total_minor, order.currency) if order else "",
        "currency": order.currency if order else "",
        "code": one.code,
        "reason": one.reason,
        "warnings": list(order.warnings) if order else [],
    }
