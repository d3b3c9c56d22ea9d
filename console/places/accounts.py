"""Adding a carrier or a printer: which kind, its fields, and the test call that must succeed before it is kept."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from console.keys import Key
from console.places.binding import account_form, choose_kind, field_of, sorted_values
from console.places.offers import Flows
from domain.results import Refused
from domain.text import safe
from domain.words import _


async def add_account(flows: Flows, what: str, question: str, add: Callable[..., Awaitable[Any]], key: Key) -> None:
    """Ask and add; a refusal opens the form again at its field, with everything that was typed."""
    kind = await choose_kind(flows, what, question, key)
    if kind is None:
        return
    values = {f.name: f.default for f in kind.fields}
    message, at = "", ""
    while True:
        form = account_form(_("Add: {title}").format(title=safe(kind.title, 60)), kind, values, at, message)
        answer = await flows.app.push_screen_wait(form)
        if answer is None:
            flows.desk.say(_("Nothing was added."))
            return
        values = answer
        name, given, secrets = sorted_values(kind.fields, values)
        made = await flows.asked(
            _("Trying {name} ...").format(name=safe(name, 40)),
            partial(add, kind=kind.name, name=name, given=given, secrets=secrets, who=flows.who),
        )
        if isinstance(made, Refused):
            message, at = made.message, field_of(made)
            continue
        if made is None:
            await flows.tell(None, "")
            return
        new_id, checked = made
        text = _("{name} is set up: {title}").format(name=safe(name, 40), title=safe(checked.title, 60))
        warned = "  ".join("! " + safe(w, 200) for w in checked.warnings)
        await flows.tell(made, f"{text}  {warned}".rstrip())
        place = flows.desk.place
        find = getattr(place, "find", None)
        if find is not None:
            await find(f"{what}:{new_id}")
        return
