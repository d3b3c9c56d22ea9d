"""Binding a shop: which platform, its fields, a test call, what was found, and only then the binding itself."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from console.keys import Key
from console.places.offers import Flows
from console.places.rules import rule_lines
from console.screens.asking import Found
from console.screens.dialogs import Choice, Choose
from console.screens.form import Form, FormField
from domain.imports import ImportPolicy
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store.overview import ShopState

if TYPE_CHECKING:
    from connectors.contract import Checked, Field
    from pipeline.kinds import Kind

NAME = "_name"
"""The field of the account's own name in a form; no connector's field begins with a dash."""


class Binding(Flows):
    """The flows that bind a shop and give it new keys."""

    async def bind(self, key: Key | None, *, again: ShopState | None = None) -> int | None:
        """Bind a new shop, or an unbound one again; returns its id once it is bound."""
        if why := self.why_not():
            self.desk.say(why, bad=True)
            return None
        chosen = await choose_kind(self, "shop", _("Which platform?"), key, again.platform if again else "")
        if chosen is None:
            return None
        values = {f.name: f.default for f in chosen.fields}
        if again is not None:
            values |= {k: v for k, v in (await self._settings(again.id)).items() if k in values} | {NAME: again.name}
        message, at = "", ""
        while True:
            form = account_form(_("Bind a shop: {title}").format(title=chosen.title), chosen, values, at, message)
            answer = await self.app.push_screen_wait(form)
            if answer is None:
                self.desk.say(_("Nothing was bound."))
                return None
            values = answer
            name, given, secrets = sorted_values(chosen.fields, values)
            found = await self.tried(
                _("Asking the shop {name} ...").format(name=safe(name, 40)),
                partial(_try, platform=chosen.name, name=name, given=given, secrets=secrets, who=self.who),
            )
            if found is None:
                message, at = _("The shop was not waited for; nothing is kept."), ""
                continue
            if isinstance(found, Refused):
                message, at = found.message, field_of(found)
                continue
            checked, rules = found
            match await self._confirm(name, chosen, checked, rules, again is not None or self._was_bound(name)):
                case "form":
                    message, at = "", ""
                    continue
                case None:
                    self.desk.say(_("Nothing was bound."))
                    return None
            made = await self.app.write(
                partial(
                    _add, platform=chosen.name, name=name, given=given, secrets=secrets, who=self.who, found=checked
                )
            )
            if isinstance(made, Refused):
                message, at = made.message, field_of(made)
                continue
            await self.again()
            self.desk.say(
                _("{name} is bound, its orders are being read. Then: its cut-over here, and 1, review.").format(
                    name=safe(name, 40)
                )
            )
            return int(made)

    def _was_bound(self, name: str) -> bool:
        facts = self.desk.facts
        return any(s.name == name and not s.bound for s in (facts.shops if facts is not None else ()))

    async def _settings(self, shop_id: int) -> dict[str, str]:
        from console.places.shop_settings import present

        return await present(self.app, shop_id)

    async def _confirm(self, name: str, kind: "Kind", found: "Checked", rules: ImportPolicy, again: bool) -> str | None:
        """What the test call found, and which orders will come."""
        facts: list[tuple[str, str]] = [
            (safe(found.title, 100) or safe(name, 40), "ask.title"),
            (checked_words(found), "ask"),
        ]
        facts += [("! " + safe(warning, 300), "ask.bad") for warning in found.warnings]
        if again:
            facts.append((_("It was bound before: its orders and its place in them are taken up again."), "ask"))
        else:
            facts.append((_("Its first import takes:"), "ask.title"))
            facts += [("  " + line, "ask") for line in rule_lines(rules)]
        if kind.unconfirmed:
            facts.append((_("Nobody could confirm of this platform:"), "ask.title"))
            facts += [("  " + safe(each, 300), "ask.dim") for each in kind.unconfirmed]
        choices = [
            Choice(_("Bind it"), "bind", _("the first read begins at once")),
            Choice(_("Back to the form"), "form"),
            Choice(_("Leave it; nothing is kept"), "leave"),
        ]
        title = _("{name}: the shop answers").format(name=safe(name, 40))
        answer: str | None = await self.app.push_screen_wait(Found(title, facts, choices))
        return None if answer == "leave" else answer

    async def new_keys(self, shop: ShopState, key: Key) -> None:
        """New credentials for a bound shop; they are kept when the shop takes them."""
        kind = await self.app.write(partial(kind_named, what="shop", name=shop.platform))
        if isinstance(kind, Refused) or kind.problem:
            self.desk.say(kind.message if isinstance(kind, Refused) else kind.problem, bad=True)
            return
        fields = [f for f in kind.fields if f.secret]
        values = {f.name: "" for f in fields}
        message, at = "", ""
        opened: Key | None = key
        while True:
            title = _("New credentials of {name}").format(name=safe(shop.name, 40))
            notes = [_("An empty field keeps what there is. Nothing is kept unless the shop takes them.")]
            form = Form(
                title, [as_field(f, values) for f in fields], at=at, notes=notes, message=message, opened_by=opened
            )
            answer = await self.app.push_screen_wait(form)
            opened = None
            if answer is None:
                return
            values = answer
            secrets = {k: v.strip() for k, v in values.items() if v.strip()}
            if not secrets:
                message, at = _("Nothing was filled in."), ""
                continue
            done = await self.asked(
                _("Asking the shop {name} ...").format(name=safe(shop.name, 40)),
                partial(rebind, shop_id=shop.id, given={}, secrets=secrets, who=self.who),
            )
            if isinstance(done, Refused):
                message, at = done.message, done.field
                continue
            await self.tell(done, _("{name} took the new credentials; they are kept.").format(name=safe(shop.name, 40)))
            return


# ------------------------------------------------------------------ forms of accounts


async def choose_kind(flows: Flows, what: str, title: str, key: Key | None, wanted: str = "") -> "Kind | None":
    """Which installed connector is meant; `wanted` is taken without asking."""
    found = await flows.app.write(partial(_kinds, what=what))
    if isinstance(found, Refused):
        flows.desk.say(found.message, bad=True)
        return None
    kinds: dict[str, Kind] = {k.name: k for k in found}
    if wanted in kinds and not kinds[wanted].problem:
        return kinds[wanted]
    choices = [Choice(safe(k.title, 60), k.name, k.name, safe(k.problem, 200)) for k in found]
    if not choices:
        flows.desk.say(_("No connector of that sort is installed."), bad=True)
        return None
    chosen = await flows.app.push_screen_wait(Choose(title, choices, opened_by=key))
    return kinds[chosen] if chosen is not None else None


def account_form(title: str, kind: "Kind", values: Mapping[str, str], at: str, message: str) -> Form:
    """The account's name, what must be given, then what may be."""
    name = FormField(NAME, _("Name here") + " *", values.get(NAME, ""), help=_("How it is called on every screen."))
    fields = sorted(kind.fields, key=lambda f: not f.required)
    notes = [_("* must be filled in. A test call is made first; nothing is kept unless it succeeds.")]
    return Form(title, [name, *(as_field(f, values) for f in fields)], at=at, notes=notes, message=message)


def as_field(field: "Field", values: Mapping[str, str]) -> FormField:
    """A connector's field as one of a form: a star where it must be filled in, secrets hidden."""
    label = f"{field.label} *" if field.required else field.label
    return FormField(field.name, label, values.get(field.name, ""), help=field.help, secret=field.secret)


def sorted_values(fields: "Sequence[Field]", values: Mapping[str, str]) -> tuple[str, dict[str, str], dict[str, str]]:
    """(name, fields, secrets) of what was filled in; empty fields are as if not given."""
    name = " ".join(values.get(NAME, "").split())
    filled = {k: v.strip() for k, v in values.items() if k != NAME and v.strip()}
    secret = {f.name for f in fields if f.secret}
    return (
        name,
        {k: v for k, v in filled.items() if k not in secret},
        {k: v for k, v in filled.items() if k in secret},
    )


def field_of(refused: Refused) -> str:
    """The field of the form that a refusal is about."""
    return NAME if refused.field == "name" else refused.field


def checked_words(found: "Checked") -> str:
    """What a test call found, in one line."""
    parts = [
        _("time zone {zone}").format(zone=safe(found.zone, 40)) if found.zone else "",
        _("currency {currency}").format(currency=safe(found.currency, 10)) if found.currency else "",
        _("version {version}").format(version=safe(found.version, 20)) if found.version else "",
    ]
    return ", ".join(part for part in parts if part)


# ------------------------------------------------------------------ in the writing thread


async def _kinds(_p: Any, *, what: Any) -> Any:
    from pipeline import kinds

    return kinds.kinds(what)


async def kind_named(_p: Any, *, what: Any, name: str) -> Any:
    """One installed connector with its fields."""
    from pipeline import kinds

    return kinds.kind(what, name)


async def _try(p: Any, *, platform: str, name: str, given: dict[str, str], secrets: dict[str, str], who: str) -> Any:
    from pipeline import setup

    found = await setup.try_shop(p, platform, name, given, secrets, who)
    return found if isinstance(found, Refused) else (found, setup.first_import(p, platform, given, found))


async def _add(
    p: Any, *, platform: str, name: str, given: dict[str, str], secrets: dict[str, str], who: str, found: Any
) -> Any:
    from pipeline import setup
    from pipeline.worker import ask_sync

    made = await setup.add_shop(p, platform, name, given, secrets, who, found=found)
    if isinstance(made, Refused):
        return made
    await ask_sync(p, made.id, ("orders", "products"))
    return made.id


async def rebind(p: Any, *, shop_id: int, given: dict[str, str], secrets: dict[str, str], who: str) -> Any:
    """Change binding fields after a test call, and read the shop again."""
    from pipeline import setup
    from pipeline.worker import ask_sync

    done = await setup.rebind_shop(p, shop_id, given, secrets, who)
    if not isinstance(done, Refused):
        await ask_sync(p, shop_id)
    return done
