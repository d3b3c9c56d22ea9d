"""Persons: what each may do, who is lead, who works here no longer."""

from functools import partial
from typing import Any

from msgspec import structs

from console.keys import Key
from console.places.offers import Flows, Offer
from console.screens.asking import Found
from console.screens.dialogs import Choice
from console.seat import role_word
from domain.persons import Operator, Role, may_manage, owner_refusal
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import people_views


class People(Flows):
    """The flows of the people who work here."""

    def adding(self) -> list[Offer]:
        """The row that adds one."""
        me = self.app.person
        why = _("O: say who you are")
        if me is not None:
            refused = may_manage(me, None, Operator(0, "", Role.VIEWER))
            why = refused.message if refused else ""
        return [Offer(_("Add a person"), self._add, why=why)]

    def offers(self, person: Operator) -> list[Offer]:
        """What can be changed about a person, by whoever may."""
        name = safe(person.name, 40)
        found = []
        for role in (Role.OPERATOR, Role.VIEWER, Role.ADMIN):
            same = _("that is the role now") if person.role is role else ""
            text = _("Role: {role}").format(role=role_word(role.value))
            found.append(self._offer(person, text, structs.replace(person, role=role), same))
        lead = _("only an operator needs that right") if person.role is not Role.OPERATOR else ""
        text = _("No lead any more") if person.lead else _("Make lead")
        found.insert(0, self._offer(person, text, structs.replace(person, lead=not person.lead), lead))
        text = _("Works here no longer") if person.active else _("Works here again")
        found.append(self._offer(person, text, structs.replace(person, active=not person.active)))
        owner = structs.replace(person, role=Role.OWNER)
        same = _("that is the role now") if person.role is Role.OWNER else ""
        handing = self._offer(person, _("Hand ownership over to {name}").format(name=name), owner, same)
        found.append(structs.replace(handing, act=partial(self._hand_over, person)))
        return found

    def _offer(self, person: Operator, text: str, after: Operator, same: str = "") -> Offer:
        me = self.app.person
        if me is None:
            why = _("O: say who you are")
        else:
            refused = may_manage(me, person, after) or owner_refusal(person, after)
            why = same or (refused.message if refused else "")
        return Offer(text, partial(self._change, person, after), why=why)

    async def _add(self, _key: Key) -> None:
        await self.deeds.seat.add_person()
        await self.again()

    async def _hand_over(self, person: Operator, key: Key) -> None:
        facts = [
            (_("{name} becomes the owner, you an admin.").format(name=safe(person.name, 40)), "ask"),
            (_("Only {name} can give it back.").format(name=safe(person.name, 40)), "ask"),
        ]
        choices = [Choice(_("Leave it as it is"), "no"), Choice(_("Hand it over"), "yes")]
        answer = await self.app.push_screen_wait(Found(_("Hand ownership over"), facts, choices, opened_by=key))
        if answer == "yes":
            await self._change(person, structs.replace(person, role=Role.OWNER), key)

    async def _change(self, person: Operator, after: Operator, _key: Key) -> None:
        done = await self.app.write(
            partial(
                _change,
                name=person.name,
                by=self.who,
                role=after.role.value if after.role is not person.role else None,
                lead=after.lead if after.lead is not person.lead else None,
                active=after.active if after.active is not person.active else None,
            )
        )
        if not isinstance(done, Refused) and self.app.person is not None:
            # What the person at the keyboard may do can have changed with it.
            me = self.app.person.id
            now = await self.app.eyes.look(people_views.operators)
            self.app.person = next((o for o in now if o.id == me and o.active), None)
        role = role_word(after.role.value) + (", " + _("lead") if after.lead else "")
        said = role if after.active else _("works here no longer")
        await self.tell(done, _("{name}: {role}.").format(name=safe(person.name, 40), role=said))


async def _change(
    p: Any, *, name: str, by: str, role: str | None, lead: bool | None, active: bool | None
) -> Operator | Refused:
    from pipeline import persons

    return await persons.change(p, name, by=by, role=role, lead=lead, active=active)
