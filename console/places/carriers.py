"""Carriers: adding one, checking it, its services, and the numbers of a pool."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from console.keys import Key
from console.places.accounts import add_account
from console.places.binding import checked_words
from console.places.offers import Flow, Flows, Offer
from console.screens.dialogs import Read
from console.screens.form import Form, FormField
from console.widgets.lines import Styled
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import overview

LONGEST = 20_000_000
"""Bytes of a file of numbers; a million numbers are about as many."""
SHOWN = 200


class Carriers(Flows):
    """The flows of carriers."""

    def adding(self) -> list[Offer]:
        """The row that adds one."""
        return [Offer(_("Add a carrier"), self._add, why=self.why_not())]

    def offers(self, carrier: dict[str, Any]) -> list[Offer]:
        """What can be done with a carrier."""

        def on(flow: Any) -> Flow:
            return partial(flow, carrier)

        pool = "" if carrier["kind"] == "pool" else _("it gives its numbers itself")
        numbers = Offer(
            _("Import numbers"), on(self._numbers), _("a file, one number per line"), pool or self.why_not()
        )
        check = Offer(_("Check the connection"), on(self._check), _("its services are read again"))
        services = Offer(_("Services"), on(self._services))
        return [check, services, numbers] if pool else [numbers, check, services]

    async def _add(self, key: Key) -> None:
        await add_account(self, "carrier", _("Which kind of carrier?"), _add, key)

    async def _check(self, carrier: dict[str, Any], _key: Key) -> None:
        name = safe(carrier["name"], 40)
        found = await self.asked(_("Asking {name} ...").format(name=name), partial(_check, carrier_id=carrier["id"]))
        if found is None or isinstance(found, Refused):
            await self.tell(found, "")
            return
        words = ", ".join(
            part for part in (safe(found.title, 60), *(f"! {safe(w, 200)}" for w in found.warnings)) if part
        )
        await self.tell(found, _("{name} answers: {facts}").format(name=name, facts=words or checked_words(found)))

    async def _services(self, carrier: dict[str, Any], key: Key) -> None:
        import json

        found = await self.app.eyes.look(overview.accounts)
        lines: list[Styled] = []
        for service in found.services:
            if service["carrier"] != carrier["name"]:
                continue
            facts = json.loads(service["data"] or "{}")
            countries = facts.get("countries") or []
            words = [
                ", ".join(safe(c, 3) for c in sorted(countries)) or _("everywhere"),
                _("collects on delivery") if facts.get("collects_on_delivery") else "",
                _("needs customs declarations") if facts.get("cross_border") else "",
                "" if service["enabled"] else _("no longer offered"),
            ]
            lines.append(((f"{safe(service['code'], 20):<12} {safe(service['name'], 60)}", "ask"),))
            lines.append(((" " * 13 + ", ".join(w for w in words if w), "ask.dim"),))
        title = _("Services of {name}").format(name=safe(carrier["name"], 40))
        await self.app.push_screen_wait(Read(title, lines or [((_("none"), "ask.dim"),)], opened_by=key))

    async def _numbers(self, carrier: dict[str, Any], key: Key) -> None:
        title = _("Import numbers for {name}").format(name=safe(carrier["name"], 40))
        hint = _("Its path, as /home/anna/numbers.txt or ~/numbers.txt: one number per line.")
        notes = [_("Numbers that are there already, or whose check digit is wrong, are left out and counted.")]
        value, message = "", ""
        opened: Key | None = key
        while True:
            field = FormField("file", _("File"), value, help=hint)
            form = Form(title, [field], notes=notes, message=message, opened_by=opened)
            answer = await self.app.push_screen_wait(form)
            opened = None
            if answer is None:
                return
            value = answer["file"]
            lines = await asyncio.to_thread(read_lines, value)
            if isinstance(lines, str):
                message = lines
                continue
            break
        wanted = sum(1 for line in lines if line.strip())
        found = await self.app.write(partial(_import, carrier_id=carrier["id"], lines=lines, who=self.who))
        if isinstance(found, Refused):
            await self.tell(found, "")
            return
        added, bad = found
        if not added and len(bad) == 1 and bad[0].code != "bad_number":
            await self.tell(bad[0], "")
            return
        again = wanted - added - len(bad)
        text = _("{name}: {added} numbers added, {again} were there already, {bad} refused.").format(
            name=safe(carrier["name"], 40), added=added, again=again, bad=len(bad)
        )
        await self.tell(found, text)
        if bad:
            shown: list[Styled] = [((text, "ask"),), ()]
            shown += [((safe(each.message, 120), "ask.bad"),) for each in bad[:SHOWN]]
            if len(bad) > SHOWN:
                shown.append(((_("... and {n} more").format(n=len(bad) - SHOWN), "ask.dim"),))
            await self.app.push_screen_wait(Read(_("Numbers that were refused"), shown))


def read_lines(named: str) -> list[str] | str:
    """The lines of a text file of this machine, or a sentence that says why it cannot be read."""
    if not named.strip():
        return _("Name a file.")
    path = Path(named.strip())
    try:
        path = path.expanduser()
        if not path.is_file():
            return _("There is no file {file}.").format(file=path)
        if path.stat().st_size > LONGEST:
            return _("{file} is too large for a list of numbers.").format(file=path)
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return _("{file} is not UTF-8 text.").format(file=path)
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return _("{file} cannot be read: {error}.").format(file=path, error=why)


# ------------------------------------------------------------------ in the writing thread


async def _add(p: Any, *, kind: str, name: str, given: dict[str, str], secrets: dict[str, str], who: str) -> Any:
    from pipeline import setup

    made = await setup.add_carrier(p, kind, name, given, secrets, who)
    return made if isinstance(made, Refused) else (made.id, made.checked)


async def _check(p: Any, *, carrier_id: int) -> Any:
    from pipeline import setup

    return await setup.check_carrier(p, carrier_id)


async def _import(p: Any, *, carrier_id: int, lines: list[str], who: str) -> Any:
    from pipeline import setup

    return await setup.import_numbers(p, carrier_id, lines, who)
