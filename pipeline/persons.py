"""The people who work here: made and changed by the owner and admins, and asked for their right by every command.

While nobody is kept every name may do everything: a database that one person works with needs no set-up.
"""

from typing import Any

from msgspec import structs

from domain.facts import ShopFacts
from domain.persons import (
    WHOEVER_OWNS,
    Operator,
    Role,
    may_change,
    may_manage,
    may_work_with,
    name_key,
    name_refusal,
    owner_refusal,
    tidy,
)
from domain.results import Refused
from domain.words import _
from pipeline.base import Pipeline
from store import operators
from store.apply import add_events
from store.database import Tx


async def resolve(tx: Tx, who: str) -> str | Refused:
    """The name under which `who` changes something, as it is written in the history; or why they may not.

    `owner` stands for the actual owner; '' is the worker, who always may.
    """
    if not who:
        return ""
    person = await acting(tx, who)
    if person is None:
        return who
    if isinstance(person, Refused):
        return person
    return may_change(person) or person.name


async def acting(tx: Tx, who: str) -> Operator | Refused | None:
    """The person who works as `who`; None while nobody is kept. Looking needs no more than that."""
    named, owner = await operators.named_and_owner(tx, who)
    if owner is None:
        return None
    if name_key(who) == WHOEVER_OWNS:
        return owner
    if named is None:
        return _unknown(who)
    if not named.active:
        return Refused("unknown_operator", _("{name} no longer works here.").format(name=named.name), "who")
    return named


async def name_of(tx: Tx, who: str) -> str:
    """The name under which the history knows `who`; as given where nobody has it."""
    person = await acting(tx, who)
    return person.name if isinstance(person, Operator) else who


async def refusal(p: Pipeline, who: str) -> Refused | None:
    """Why `who` may change nothing, or None; for what is done without a name in the history."""
    async with p.store.reading() as tx:
        answer = await resolve(tx, who)
    return answer if isinstance(answer, Refused) else None


async def shop_refusal(tx: Tx, who: str, shop: ShopFacts) -> Refused | None:
    """Why `who` may not work with a shop's imported orders (ROA-03), or None; the worker ('') always may."""
    if not (who and shop.settings.worked_by):
        return None
    person = await acting(tx, who)
    if person is None or isinstance(person, Refused):
        return person
    return may_work_with(person, shop.name, shop.settings.worked_by)


async def manager_refusal(tx: Tx, who: str) -> Refused | None:
    """Why `who` may not say who works with what, or None."""
    person = await acting(tx, who) if who else None
    if person is None or isinstance(person, Refused):
        return person
    return may_manage(person, None, Operator(0, "", Role.OPERATOR))


async def first_owner(p: Pipeline, name: str) -> Operator | Refused:
    """Make the owner, where there is nobody yet."""
    name = tidy(name)
    if refused := name_refusal(name):
        return refused

    async def work(tx: Tx) -> Operator | Refused:
        return await _first(tx, name)

    return await p.store.retrying(work)


async def add(p: Pipeline, name: str, role: str, lead: bool, by: str) -> Operator | Refused:
    """Let somebody work here. The first one is the owner, whoever says so; later ones are added by owner or admin."""
    name = tidy(name)
    kind = _role(role)
    if isinstance(kind, Refused):
        return kind
    if refused := name_refusal(name):
        return refused

    async def work(tx: Tx) -> Operator | Refused:
        actor = await acting(tx, by)
        if actor is None:
            if kind is not Role.OWNER:
                return Refused("bad_role", _("The first one is the owner: give the role owner."), "role")
            return await _first(tx, name)
        if isinstance(actor, Refused):
            return actor
        if refused := may_manage(actor, None, Operator(0, name, kind, lead)):
            return refused
        if kind is Role.OWNER:
            return await _owner_exists(tx)
        made = await operators.add(tx, name, kind, lead=lead, by=actor.name)
        if made is None:
            return await _taken(tx, name)
        await add_events(tx, [(None, None, "operator_added", _told(Operator(made, name, kind, lead)))], actor.name)
        return Operator(made, name, kind, lead)

    return await p.store.retrying(work)


async def change(
    p: Pipeline,
    name: str,
    *,
    by: str,
    role: str | None = None,
    lead: bool | None = None,
    active: bool | None = None,
) -> Operator | Refused:
    """Change what a person may do, or remove them (`active=False`) and take them back; None leaves a thing as it is.

    The owner hands over by giving somebody else the role owner, and is an admin from then on.
    """
    kind = None if role is None else _role(role)
    if isinstance(kind, Refused):
        return kind

    async def work(tx: Tx) -> Operator | Refused:
        # Two changes at once could each be right alone and leave two owners or none.
        await operators.everyone(tx, lock=True)
        actor = await acting(tx, by)
        if isinstance(actor, Refused):
            return actor
        before = await operators.named(tx, name)
        if actor is None or before is None:
            return _unknown(name)
        after = structs.replace(
            before,
            role=before.role if kind is None else kind,
            lead=before.lead if lead is None else lead,
            active=before.active if active is None else active,
        )
        if refused := may_manage(actor, before, after) or owner_refusal(before, after):
            return refused
        if after == before:
            return before
        told: list[tuple[None, None, str, dict[str, Any]]] = [(None, None, "operator_changed", _told(after))]
        if after.role is Role.OWNER and before.role is not Role.OWNER:
            # First of all: at no moment are there two owners.
            await operators.update(tx, actor.id, {"role": Role.ADMIN.value})
            told.insert(0, (None, None, "operator_changed", _told(structs.replace(actor, role=Role.ADMIN))))
        await operators.update(
            tx, before.id, {"role": after.role.value, "lead": int(after.lead), "active": int(after.active)}
        )
        await add_events(tx, told, actor.name)
        return after

    return await p.store.retrying(work)


async def _first(tx: Tx, name: str) -> Operator | Refused:
    if await operators.everyone(tx):
        return await _owner_exists(tx)
    made = await operators.add(tx, name, Role.OWNER, lead=False, by=name)
    if made is None:
        return await _owner_exists(tx)
    owner = Operator(made, name, Role.OWNER)
    await add_events(tx, [(None, None, "operator_added", _told(owner))], name)
    return owner


async def _owner_exists(tx: Tx) -> Refused:
    _named, owner = await operators.named_and_owner(tx, WHOEVER_OWNS)
    return Refused(
        "owner_exists",
        _("{name} is the owner, and hands over by: shipdeck operator set NAME --role owner.").format(
            name=owner.name if owner else "?"
        ),
        "role",
    )


async def _taken(tx: Tx, name: str) -> Refused:
    other = await operators.named(tx, name)
    if other is not None and not other.active:
        text = _("{name} worked here before: shipdeck operator set NAME --active yes.").format(name=other.name)
    else:
        text = _("There is somebody of that name already.")
    return Refused("name_taken", text, "name")


def _unknown(who: str) -> Refused:
    return Refused(
        "unknown_operator", _("Nobody called {name} works here: see shipdeck operator list.").format(name=who), "who"
    )


def _role(text: str) -> Role | Refused:
    try:
        return Role(text)
    except ValueError:
        return Refused("bad_role", _("A role is one of {known}.").format(known=", ".join(Role)), "role")


def _told(op: Operator) -> dict[str, Any]:
    return {"operator": op.id, "role": op.role.value, "lead": op.lead, "active": op.active}
