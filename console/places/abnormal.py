"""Abnormal orders: payloads that could not become an order, with their reason; tried again or put away."""

from typing import ClassVar

from console.actions import ALL, Action
from console.cells import clean, fit, wrap
from console.keys import Key
from console.places.place import Item, TablePlace
from console.widgets.lines import Styled
from console.wording import moment, reason_words
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import overview


class AbnormalList(TablePlace):
    """What could not be taken over, newest first."""

    name: ClassVar[str] = "abnormal"
    columns = ((_("Shop"), 14), (_("Order"), 14), (_("Reason"), 24), (_("Last seen"), 11), (_("Tries"), -5))

    async def items(self) -> list[Item]:
        """Read the open ones."""
        app = self.desk.console_app
        now = app.clock()
        rows = await app.eyes.look(overview.abnormal)
        return [
            Item(
                str(r["id"]),
                (
                    (
                        f"{clean(r['shop'], 14)} {clean(r['platform_order_id'] or '-', 14)} {clean(r['code'], 24)} "
                        f"{fit(moment(r['last_at'], now), 11)} {fit(str(r['tries']), 5, True)}",
                        "bad",
                    ),
                ),
                r,
            )
            for r in rows
        ]

    def sublists(self) -> Styled:
        """What this place is."""
        return (("  ", "sub"), (_("[abnormal orders: {n}]").format(n=self.table.total), "sub.on"))

    def empty(self) -> list[Styled]:
        """Nothing to do."""
        return [(), (("   " + _("Every order that was read could be taken over."), "good"),)]

    def footer(self) -> list[tuple[Action, str]]:
        """Try again, put away."""
        return [(ALL["forward"], _("Try again")), (ALL["ignore"], _("Dismiss"))]

    async def detail(self, width: int) -> list[Styled]:
        """The reason in full."""
        item = self.current
        if item is None or not isinstance(item.value, dict):
            return []
        row = item.value
        lines: list[Styled] = [((f" {safe(row['shop'])} {safe(row['platform_order_id'])}", "title"),), ()]
        lines += [((f" {part}", "bad"),) for part in wrap(reason_words(row["code"], row["message"]), width - 3)]
        lines += [(), ((" " + _("Correct it on the platform, then n tries again. x puts it away."), "dim"),)]
        return lines

    async def act(self, action: Action, key: Key) -> bool:
        """Try again or put away the one under the cursor."""
        item = self.current
        if action.name == "refresh":
            await self.desk.reload()
            return True
        if item is not None and action.name == "detail":
            self.desk.show_panel(True)
            return True
        if item is None or action.name not in {"forward", "ignore"}:
            return False
        self.desk.console_app.flow(self._act(item.id, again=action.name == "forward"))
        return True

    async def _act(self, abnormal_id: str, *, again: bool) -> None:
        from pipeline import abnormal

        who = self.desk.deeds.who if self.desk.deeds else ""
        act = abnormal.repush if again else abnormal.dismiss
        answer = await self.desk.console_app.write(lambda p: act(p, [int(abnormal_id)], who))
        if isinstance(answer, Refused):
            self.desk.say(answer.message, bad=True)
            return
        done, refused = answer
        if refused:
            self.desk.say(reason_words(refused[0][1].code, refused[0][1].message), bad=True)
        elif done:
            self.desk.say(_("Taken over.") if again else _("Put away."))
        await self.desk.reload()
