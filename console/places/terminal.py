"""Warehouses with their sender, and what belongs to this terminal: language, theme, its name, where things are."""

from functools import partial
from typing import Any

from console import config
from console.actions import ALL
from console.keys import Key
from console.places.offers import Flows, Offer
from console.places.setting_rows import Row, sender_of
from console.screens.form import Form, FormField
from domain.text import safe
from domain.words import _


class Warehouses(Flows):
    """The flows of warehouses."""

    def offers(self, warehouse: dict[str, Any]) -> list[Offer]:
        """What can be done with one."""
        return [Offer(_("Sender on labels"), partial(self._sender, warehouse), why=self.why_not())]

    async def _sender(self, warehouse: dict[str, Any], key: Key) -> None:
        if await self.deeds.questions.edit_sender(str(warehouse["name"]), sender_of(warehouse), key):
            await self.tell("", _("The sender is kept."))


class Terminal(Flows):
    """The flows of this terminal."""

    def offers(self, row: Row) -> list[Offer]:
        """What can be done with one of its rows."""
        match row.id:
            case "terminal:language":
                return [Offer(_("Change the language"), partial(self._perform, "language"))]
            case "terminal:theme":
                return [Offer(_("Change the theme"), partial(self._perform, "theme"))]
            case "terminal:name":
                return [Offer(_("Name this terminal"), self._name)]
            case _:
                return [Offer(_("Show it in full"), partial(self._show, str(row.value)))]

    async def _perform(self, action: str, key: Key) -> None:
        await self.desk.perform(ALL[action], key)

    async def _name(self, key: Key) -> None:
        kept = self.app.config
        field = FormField("terminal", _("Name"), kept.terminal, help=_("empty: the host's name"))
        form = Form(_("Name this terminal"), [field], opened_by=key)
        answer = await self.app.push_screen_wait(form)
        if answer is None:
            return
        kept.terminal = " ".join(answer["terminal"].split())[:40]
        refused = config.save(kept)
        await self.tell(
            refused or "", _("This terminal is called {name}.").format(name=safe(kept.terminal) or _("as its host"))
        )
        self.desk.paint_all()

    async def _show(self, text: str, _key: Key) -> None:
        self.desk.say(safe(text, 1000))
