"""Completeness: day by day what each shop's platform lists and what of it is here; what differs is read and taken over."""

from datetime import date
from functools import partial
from typing import Any, ClassVar

from console.actions import ALL, Action
from console.cells import clean, fit, wrap
from console.keys import Key
from console.places.place import Item, TablePlace
from console.places.rules import left_out_words
from console.widgets.lines import Styled
from console.wording import count, moment, reason_word, reason_words
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import proof_views
from store.proof_views import CANNOT_LIST, Proof

SHOWN = 200
"""Order numbers that the panel names for each reason."""


class Completeness(TablePlace):
    """Shop by day, the newest day first."""

    name: ClassVar[str] = "completeness"
    columns = (
        (_("Day"), 10),
        (_("Shop"), 11),
        (_("State"), 11),
        (_("Platform"), -8),
        (_("Here"), -6),
        (_("Left out"), -8),
        (_("Abnormal"), -8),
        (_("Missing"), -7),
    )

    async def items(self) -> list[Item]:
        """Read the newest proofs."""
        found = await self.desk.console_app.eyes.look(proof_views.listing)
        return [Item(f"{one.shop_id}/{one.day}", _line(one), one) for one in found]

    def sublists(self) -> Styled:
        """What this place is, and whether anything stands open."""
        proofs = [i.value for i in self.table.items if isinstance(i.value, Proof)]
        differs = sum(len(one.differing) for one in proofs)
        unproved = sum(1 for one in proofs if one.code not in {"", CANNOT_LIST})
        pieces: list[tuple[str, str]] = [
            ("  ", "sub"),
            (_("[completeness, days {n}]").format(n=len(proofs)), "sub.on"),
            ("  " + _("Enter names the orders"), "sub"),
        ]
        if differs:
            pieces.append(("  " + _("! differ {n}").format(n=differs), "bad"))
        if unproved:
            pieces.append(("  " + _("! unproved {n}").format(n=unproved), "warn"))
        return pieces

    def empty(self) -> list[Styled]:
        """The next step."""
        text = _("No day has been proved yet. A worker does it each night; n does it now for the last three days.")
        return [(), *((("   " + part, "text"),) for part in wrap(text, max(20, self.desk.size.width - 8)))]

    def footer(self) -> list[tuple[Action, str]]:
        """Prove and repair."""
        more = [] if self.desk.panel_beside else [(ALL["detail"], ALL["detail"].title)]
        return [(ALL["forward"], _("Repair")), *more, (ALL["refresh"], ALL["refresh"].title)]

    async def detail(self, width: int) -> list[Styled]:
        """The figures of the day by reason, and the orders that differ."""
        item = self.current
        if item is None or not isinstance(item.value, Proof):
            return []
        one, now = item.value, self.desk.console_app.clock()
        lines: list[Styled] = [((f" {safe(one.shop, 30)}  {_day(one)}  {_state(one)[0]}", "title"),), ()]
        if one.code:
            reason = _("Not proved: {reason}").format(reason=reason_words(one.code, one.message))
            lines += [*(((f" {part}", "warn"),) for part in wrap(reason, width - 3)), ()]
        if one.proved_at is not None:
            told = _("The platform listed {n}, {held} of them are here.").format(
                n=count(one.listed), held=count(one.held)
            )
            lines += [((f" {part}", "text"),) for part in wrap(told, width - 3)]
            for reason, n in one.reasons.get("excluded", {}).items():
                lines += _counted(n, left_out_words(reason), "dim", width)
            for code, n in one.reasons.get("abnormal", {}).items():
                lines += _counted(n, f"{_('abnormal')}: {reason_word(code)}", "warn", width)
            lines.append(((" " + _("proved {when}").format(when=moment(one.proved_at, now)), "dim"),))
        for code, numbers in _by_code(one).items():
            lines += [(), ((f" ! {reason_word(code)}: {count(len(numbers))}", "bad"),)]
            shown = _("{first} and {n} more") if len(numbers) > SHOWN else "{first}"
            text = shown.format(first="  ".join(numbers[:SHOWN]), n=len(numbers) - SHOWN)
            lines += [((f"   {part}", "text"),) for part in wrap(text, width - 5)]
        if not one.complete and one.code != CANNOT_LIST:
            hint = _("n reads what differs from the platform and takes it over.")
            lines += [(), *(((f" {part}", "dim"),) for part in wrap(hint, width - 3))]
        return lines

    async def act(self, action: Action, key: Key) -> bool:
        """Prove the day under the cursor again and repair it; where there is none, the last three of every shop."""
        if action.name == "refresh":
            await self.desk.reload()
            return True
        if action.name == "detail" and self.current is not None:
            self.desk.show_panel(True)
            return True
        if action.name != "forward":
            return False
        item = self.current
        self.desk.console_app.flow(self._repair(item.value if item is not None else None))
        return True

    async def _repair(self, one: object) -> None:
        desk, app = self.desk, self.desk.console_app
        who = desk.deeds.who if desk.deeds else ""
        if isinstance(one, Proof) and one.code == CANNOT_LIST:
            desk.say(reason_words(one.code, one.message), bad=True)
            return
        desk.say(_("Asking the platform which orders it has ..."))
        if isinstance(one, Proof):
            answer = await app.write(partial(_prove, who=who, shop_id=one.shop_id, day=one.day))
        else:
            answer = await app.write(partial(_prove, who=who))
        if isinstance(answer, Refused):
            desk.say(answer.message, bad=True)
            return
        failed = next((p for p in answer if p.code), None)
        differs = sum(len(p.differing) for p in answer)
        if failed is not None:
            reason = reason_words(failed.code, failed.message)
            desk.say(_("{day} is not proved: {reason}").format(day=failed.day, reason=reason), bad=True)
        elif differs:
            desk.say(_("{n} orders still differ; Enter says why.").format(n=differs), bad=True)
        else:
            desk.say(_("Complete: every order of the platform is accounted for."))
        await desk.reload()


def _state(one: Proof) -> tuple[str, str]:
    if one.code == CANNOT_LIST:
        return _("unprovable"), "dim"
    if one.code:
        return _("not proved"), "warn"
    if one.differing:
        return _("differs {n}").format(n=count(len(one.differing))), "bad"
    return _("complete"), "good"


def _day(one: Proof) -> str:
    return one.day or _("every day")


def _counted(n: int, text: str, tone: str, width: int) -> list[Styled]:
    """A figure and what it counts, on as many lines as the words need."""
    first, *rest = wrap(text, width - 10)
    return [((f" {count(n):>6}  {first}", tone),), *(((f"{'':9}{part}", tone),) for part in rest)]


def _by_code(one: Proof) -> dict[str, list[str]]:
    """Reason → the order numbers that differ for it."""
    found: dict[str, list[str]] = {}
    for differs in one.differing:
        found.setdefault(differs.code, []).append(safe(differs.number, 40).replace(" ", "\u00a0"))
    return found


def _line(one: Proof) -> tuple[tuple[str, str], ...]:
    word, tone = _state(one)
    never = one.proved_at is None
    figures = (one.listed, one.held, one.excluded, one.abnormal, one.missing)
    widths = (8, 6, 8, 8, 7)
    shown = " ".join(fit("-" if never else count(n), w, True) for n, w in zip(figures, widths, strict=True))
    return (
        (f"{fit(_day(one), 10)} {clean(one.shop, 11)} ", "text"),
        (fit(word, 11) + " ", tone),
        (shown, "bad" if one.differing else "text"),
    )


# ------------------------------------------------------------------ in the writing thread


async def _prove(p: Any, *, who: str, shop_id: int = 0, day: str = "") -> list[Proof] | Refused:
    """Prove and repair one day of a shop, or the last three days of every bound one."""
    from pipeline import completeness
    from store import accounts

    if shop_id:
        return await completeness.prove(p, shop_id, [date.fromisoformat(day)], who, repair=True, wait_s=10)
    async with p.store.reading() as tx:
        shops = [s for s in await accounts.shops(tx) if s.bound]
    found: list[Proof] = []
    for shop in shops:
        days = completeness.last_days(p, shop.zone, completeness.OVERLAP_DAYS)
        answer = await completeness.prove(p, shop.id, days, who, repair=True, wait_s=10)
        if isinstance(answer, list):
            found += answer
        elif answer.code != CANNOT_LIST:
            return answer
    return found
