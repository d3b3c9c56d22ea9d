"""`shipdeck operator`: who works here, and what each may do."""

import argparse
from typing import Any

from console.output import complain, emit, refuse, say, table
from domain.persons import Operator
from domain.results import Refused
from domain.text import safe
from domain.words import _
from pipeline import persons
from pipeline.base import Pipeline
from store import people_views


async def handle(options: argparse.Namespace, p: Pipeline) -> int:
    """Run `operator list`, `add`, `set` or `remove`."""
    if options.action == "list":
        rows = await people_views.listing(p.store)
        emit(rows) if options.json else table(rows, ("name", "role", "lead", "active", "created_at", "created_by"))
        return 0
    if options.action == "add":
        answer = await persons.add(p, options.name, options.role, options.lead, options.who)
    elif options.action == "remove":
        answer = await persons.change(p, options.name, by=options.who, active=False)
    elif options.role is None and options.lead is None and options.active is None:
        complain(_("Say what to change: --role, --lead or --active."))
        return 2
    else:
        answer = await persons.change(
            p,
            options.name,
            by=options.who,
            role=options.role,
            lead=_yes(options.lead),
            active=_yes(options.active),
        )
    if isinstance(answer, Refused):
        return refuse(answer, as_json=options.json)
    if options.json:
        emit(_flat(answer))
    else:
        say(_sentence(answer))
    return 0


def _yes(choice: str | None) -> bool | None:
    return None if choice is None else choice == "yes"


def _flat(op: Operator) -> dict[str, Any]:
    return {"id": op.id, "name": op.name, "role": op.role.value, "lead": op.lead, "active": op.active}


def _sentence(op: Operator) -> str:
    if not op.active:
        return _("{name} no longer works here.").format(name=safe(op.name))
    text = _("{name} is {role}, with the lead right.") if op.lead else _("{name} is {role}.")
    return text.format(name=safe(op.name), role=op.role.value)
