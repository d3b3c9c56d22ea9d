"""Who sits at the keyboard: asked at the start, changed with `O`; the first one of all becomes the owner."""

from functools import partial
from typing import TYPE_CHECKING, Any

from console.keys import Key
from console.screens.dialogs import Choice, Choose
from console.screens.form import Form, FormField
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import people_views

if TYPE_CHECKING:
    from console.screens.desk import Desk


class Seat:
    """The person at this terminal."""

    def __init__(self, desk: "Desk") -> None:
        self.desk = desk

    @property
    def who(self) -> str:
        """Under which name commands are given."""
        person = self.desk.console_app.person
        # Nobody is nobody's name: where persons are kept, the pipeline refuses it.
        return person.name if person else "-"

    async def who_is_there(self) -> None:
        """The person who was last at this keyboard; the first start of all makes the owner."""
        from pipeline import persons

        app = self.desk.console_app
        people = [o for o in await app.eyes.look(people_views.operators) if o.active]
        wanted = app.person_wanted
        app.person = next((o for o in people if o.name == wanted), None)
        if app.person is None and people:
            if len(people) == 1:
                app.person = people[0]
            else:
                await self.choose_person(None)
        elif not people:
            if self.desk.facts is not None and self.desk.facts.practice and wanted:
                made = await app.write(partial(persons.first_owner, name=wanted))
                if not isinstance(made, Refused):
                    app.person = made
            await self._make_owner()
            if app.person is not None:
                from console.welcome import welcome

                await welcome(self.desk)
        self.desk.detail_again()
        self.desk.paint_all()

    async def _make_owner(self) -> None:
        from pipeline import persons

        app = self.desk.console_app
        message = tried = ""
        while app.person is None:
            answer = await app.push_screen_wait(
                Form(
                    _("Who works here?"),
                    [
                        FormField(
                            "name", _("Your name"), value=tried, help=_("it stands in the history of everything you do")
                        )
                    ],
                    notes=[_("You are the first one: the owner. Others are added later with O.")],
                    message=message,
                )
            )
            if answer is None:
                self.desk.say(_("Without a name you may look. O names you."))
                return
            name = tried = answer["name"].strip()
            made = await app.write(partial(persons.first_owner, name=name))
            if isinstance(made, Refused):
                message = made.message
            else:
                self._sits_down(made)

    def _sits_down(self, person: Any) -> None:
        from console import config

        app = self.desk.console_app
        app.person = person
        app.config.operator = person.name
        config.save(app.config)
        self.desk.detail_again()
        self.desk.paint_all()

    async def choose_person(self, key: Key | None) -> None:
        """`O`: another person takes the keyboard; owner and admins add people here too."""
        app = self.desk.console_app
        people = [o for o in await app.eyes.look(people_views.operators) if o.active]
        if not people:
            await self._make_owner()
            return
        choices = [
            Choice(o.name, f"={o.name}", role_word(o.role.value) + (", " + _("lead") if o.lead else "")) for o in people
        ]
        choices.append(Choice(_("Add a person"), "+", _("name and role")))
        chosen = await app.push_screen_wait(Choose(_("Who is at the keyboard?"), choices, opened_by=key))
        if chosen is None:
            return
        if chosen == "+":
            await self.add_person()
            return
        person = next(o for o in people if f"={o.name}" == chosen)
        if app.person is None or person.name != app.person.name:
            self.desk.forget_marks()
        self._sits_down(person)
        self.desk.say(_("{name} works here now.").format(name=safe(person.name)))

    async def add_person(self) -> None:
        """Ask for role and name of somebody who is to work here."""
        from domain.persons import Role
        from pipeline import persons

        app = self.desk.console_app
        role = await app.push_screen_wait(
            Choose(_("Role"), [Choice(role_word(r.value), r.value) for r in (Role.OPERATOR, Role.VIEWER, Role.ADMIN)])
        )
        if role is None:
            return
        answer = await app.push_screen_wait(Form(_("Add a person"), [FormField("name", _("Name"))]))
        if answer is None:
            return
        made = await app.write(lambda p: persons.add(p, answer["name"], role, False, self.who))
        if isinstance(made, Refused):
            self.desk.say(made.message, bad=True)
        else:
            self.desk.say(_("{name} is added.").format(name=safe(made.name)))


def role_word(role: str) -> str:
    """A role in words."""
    return {
        "owner": _("owner"),
        "admin": _("admin"),
        "operator": _("operator"),
        "viewer": _("viewer"),
    }[role]
