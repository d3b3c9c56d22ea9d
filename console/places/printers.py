"""Printers of this host: adding one, a test page."""

import socket
from functools import partial
from typing import Any

from console.keys import Key
from console.places.accounts import add_account
from console.places.offers import Flows, Offer
from domain.results import Refused
from domain.text import safe
from domain.words import _


class Printers(Flows):
    """The flows of printers."""

    def adding(self) -> list[Offer]:
        """The row that adds one."""
        return [Offer(_("Add a printer"), self._add, why=self.why_not())]

    def offers(self, printer: dict[str, Any]) -> list[Offer]:
        """What can be done with a printer: only its own host reaches it."""
        here = printer["host"] == socket.gethostname()
        away = "" if here else _("it belongs to {host}").format(host=safe(printer["host"], 40))
        return [Offer(_("Print a test page"), partial(self._test, printer), why=away or self.why_not())]

    async def _add(self, key: Key) -> None:
        await add_account(self, "printer", _("Which kind of printer?"), _add, key)

    async def _test(self, printer: dict[str, Any], _key: Key) -> None:
        name = safe(printer["name"], 40)
        done = await self.asked(
            _("Printing a test page on {name} ...").format(name=name),
            partial(_test_page, printer_id=printer["id"], who=self.who),
        )
        await self.tell(done, _("{name} took a test page: {job}").format(name=name, job=safe(done, 80)))


async def _add(p: Any, *, kind: str, name: str, given: dict[str, str], secrets: dict[str, str], who: str) -> Any:
    from pipeline import setup

    made = await setup.add_printer(p, kind, name, given, who)
    return made if isinstance(made, Refused) else (made.id, made.checked)


async def _test_page(p: Any, *, printer_id: int, who: str) -> Any:
    from pipeline import setup

    return await setup.test_printer(p, printer_id, who)
