"""While somebody else is asked, and what they answered: a box that waits, and facts with a choice under them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical

from console.cells import wrap
from console.keys import Key
from console.screens.dialogs import Choice, Choose, Dialog
from console.widgets.lines import Lines, Pane, Styled
from domain.words import _

if TYPE_CHECKING:
    from console.app import Console


class Waiting(Dialog[bool]):
    """Says who is being asked. Esc stops waiting."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def compose(self) -> ComposeResult:
        """Its widgets."""
        with Vertical():
            yield Lines(1, "ask", id="text")
            yield Lines(1, "ask", id="say")

    def on_mount(self) -> None:
        """Show what it was made with."""
        self.query_one("#text", Lines).show(((self.text, "ask.title"),))
        self.query_one("#say", Lines).show(((_("Esc does not wait for it."), "ask.dim"),))


async def asked(
    app: "Console",
    text: str,
    act: Callable[[Any], Awaitable[Any]],
    late: Callable[[Any], None] | None = None,
) -> Any:
    """Run `act` over the pipeline behind a box that says `text`.

    Returns its answer (a `Refused` too); None where the person did not wait. `late` gets the answer then; without it
    `act` is one that keeps nothing, and is given up.
    """
    work = asyncio.create_task(app.write(act))
    left: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def closed(_answer: bool | None) -> None:
        if not left.done():
            left.set_result(None)

    box = Waiting(text)
    await app.push_screen(box, closed)
    await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
    if not left.done():
        await box.dismiss(True)
        return work.result()
    if late is None:
        work.cancel()
        return None
    report = late
    work.add_done_callback(lambda task: None if task.cancelled() else report(task.result()))
    return None


class Found(Choose):
    """Facts to read, and under them what can be done with them."""

    def __init__(
        self,
        title: str,
        facts: Sequence[tuple[str, str]],
        choices: Sequence[Choice],
        *,
        opened_by: Key | None = None,
    ) -> None:
        super().__init__(title, choices, opened_by=opened_by)
        self.facts = list(facts)
        """(text, style name); each is wrapped."""

    def _lines(self) -> list[Styled]:
        width = max(20, min(76, self.app.size.width) - 4)
        lines: list[Styled] = []
        for text, style in self.facts:
            indent = " " * (len(text) - len(text.lstrip(" ")))
            parts = wrap(text.strip(" "), width - len(indent))
            lines += [((indent + part, style),) for part in parts]
        return lines

    def compose(self) -> ComposeResult:
        """Its widgets."""
        lines = self._lines()
        with Vertical():
            yield Lines(1, "ask", id="title")
            facts = Pane("ask", id="facts")
            facts.styles.height = max(1, min(len(lines), self.app.size.height - 2 - 3 - len(self.choices)))
            yield facts
            yield Lines(1, "ask")
            pane = Pane("ask", id="choices")
            pane.styles.height = min(len(self.choices), 9)
            yield pane
            yield Lines(1, "ask", id="say")

    def on_mount(self) -> None:
        """Show what it was made with."""
        self.query_one("#facts", Pane).show(self._lines())

    async def act(self, key: Key) -> None:
        """PgUp and PgDn scroll the facts; everything else chooses."""
        if key.name in {"pageup", "pagedown"}:
            pane = self.query_one("#facts", Pane)
            pane.scroll(max(1, pane.size.height - 1) * (1 if key.name == "pagedown" else -1))
            return
        await super().act(key)
