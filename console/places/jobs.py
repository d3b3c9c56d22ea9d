"""The jobs drawer: batches at work with their progress, then those that ended; a job can be cancelled, a result opened."""

from typing import ClassVar

from console.actions import ALL, Action
from console.cells import fit
from console.keys import Key
from console.places.place import Item, TablePlace
from console.widgets.lines import Styled
from console.wording import MENDS, STATES, batch_words, moment, reason_word, reason_words
from domain.facts import code_of
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import overview
from store.overview import BatchState


class Jobs(TablePlace):
    """Batches, those at work first."""

    name: ClassVar[str] = "jobs"
    columns = (
        (_("Batch"), 11),
        (_("Command"), 16),
        (_("Who"), 10),
        (_("Begun"), 11),
        (_("State"), 10),
        (_("Done"), -13),
    )

    async def items(self) -> list[Item]:
        """Read the newest batches."""
        app = self.desk.console_app
        now = app.clock()
        found = await app.eyes.look(overview.jobs)
        return [Item(b.name, _line(b, now), b) for b in found]

    def sublists(self) -> Styled:
        """What this place is."""
        at_work = sum(
            1 for i in self.table.items if isinstance(i.value, BatchState) and i.value.state in {"queued", "running"}
        )
        return (
            ("  ", "sub"),
            (_("[jobs: {n} at work]").format(n=at_work), "sub.on"),
            ("  " + _("Enter opens, x cancels"), "sub"),
        )

    def empty(self) -> list[Styled]:
        """The next step."""
        return [(), (("   " + _("No command has been given yet."), "text"),)]

    def footer(self) -> list[tuple[Action, str]]:
        """Cancel and undo."""
        return [(ALL["ignore"], _("Cancel job")), (ALL["undo"], ALL["undo"].title)]

    async def detail(self, width: int) -> list[Styled]:
        """What the batch under the cursor did, by reason."""
        item = self.current
        if item is None or not isinstance(item.value, BatchState):
            return []
        state = item.value
        groups = await self.desk.console_app.eyes.look(lambda r: overview.refusals(r, state.id))
        lines: list[Styled] = [
            ((f" {state.name}  {batch_words(state.command)}", "title"),),
            (
                (
                    " "
                    + _("{done} done, {refused} stayed of {total}").format(
                        done=state.done, refused=state.refused, total=state.total
                    ),
                    "text",
                ),
            ),
        ]
        if state.under_way:
            lines.append(((" " + _("{n} effects under way").format(n=state.under_way), "busy"),))
        for group in groups:
            lines += [
                (),
                ((f" {group.n} x {reason_word(group.code)}", "warn"),),
                ((f"   {reason_words(group.code, group.reason)}", "text"),),
            ]
            lines.append(((f"   {' '.join(code_of(i) for i in group.ids)}", "dim"),))
            if mend := MENDS.get(group.code):
                lines.append(((f"   {mend}", "dim"),))
        return lines

    async def act(self, action: Action, key: Key) -> bool:
        """Open or cancel the job under the cursor."""
        item = self.current
        app = self.desk.console_app
        if item is None:
            return False
        if action.name == "detail" and self.desk.deeds is not None:
            app.flow(self.desk.deeds.show_batch(item.id, key))
            return True
        if action.name == "ignore":
            app.flow(self._cancel(item.id))
            return True
        if action.name == "refresh":
            await self.desk.reload()
            return True
        return False

    async def _cancel(self, name: str) -> None:
        from pipeline.commands import cancel

        app = self.desk.console_app
        who = self.desk.deeds.who if self.desk.deeds else ""
        answer = await app.write(lambda p: cancel(p, name, who))
        if isinstance(answer, Refused):
            self.desk.say(answer.message, bad=True)
        else:
            self.desk.say(_("{batch} is cancelled; what was done stays done.").format(batch=name))
            await self.desk.reload()


def _line(b: BatchState, now: int) -> tuple[tuple[str, str], ...]:
    settled = b.done + b.refused
    state = _("undone") if b.undone else STATES[b.state]
    tone = "busy" if b.state in {"queued", "running"} else ("warn" if b.refused else "text")
    counted = f"{settled}/{b.total}" if b.state != "done" else (f"{b.done} +{b.refused}" if b.refused else str(b.done))
    text = (
        f"{fit(b.name, 11)} {fit(batch_words(b.command), 16)} {fit(safe(b.who), 10)} "
        f"{fit(moment(b.created_at, now), 11)} {fit(state, 10)} {fit(counted, 13, True)}"
    )
    return ((text, tone),)
