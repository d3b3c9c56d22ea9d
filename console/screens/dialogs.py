"""What comes and goes over the screen: a question, a choice, a form, something to read. None of them acts by itself.

A dialog closes with a result or with None. It is never answered by the key that opened it, nor by its repeat.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from msgspec import Struct
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from console.cells import cells, fit, wrap
from console.keys import Key
from console.widgets.lines import Lines, Pane, Styled
from domain.text import typed
from domain.words import _

T = TypeVar("T")
HELD_S = 0.5
"""The key that opened a dialog counts as held while its repeats lie closer together than this."""


class Field(Input):
    """A field to type in. Several pasted lines become one; control characters are left out; its cursor does not blink."""

    def __init__(self, value: str = "", *, id: str, password: bool = False, max_length: int = 0) -> None:
        super().__init__(value, id=id, password=password, compact=True, max_length=max_length, select_on_focus=False)
        self.cursor_blink = False

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert_text_at_cursor(typed(event.text))


class Dialog(ModalScreen[T | None], Generic[T]):
    """The common part: a box in the middle, Esc closes it."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > Vertical { width: 76; max-width: 100%; height: auto; max-height: 100%; background: $surface; padding: 1 2; }
    Dialog Input { background: $panel; color: $foreground; border: none; height: 1; padding: 0 1; }
    Dialog Input:focus { border: none; background: $primary 25%; }
    """
    BINDINGS = []

    def __init__(self, opened_by: Key | None = None) -> None:
        super().__init__()
        self._held = self.last_key = opened_by
        """`last_key` is the newest key given to it: what it opens in turn was opened by that one."""

    def refuses(self, key: Key) -> bool:
        """Is this still the key that opened the dialog, held down?"""
        self.last_key = key
        if self._held is None or key.name != self._held.name:
            self._held = None
            return False
        if key.at - self._held.at < HELD_S:
            self._held = key
            return True
        self._held = None
        return False

    def looks(self, name: str) -> bool:
        """May this key act at once here?"""
        return name in {"up", "down", "pageup", "pagedown", "home", "end", "escape", "left", "right"}

    async def act(self, key: Key) -> None:
        """A key that passed the gate."""
        if key.name == "escape":
            self.dismiss(None)

    def scanned(self, text: str) -> None:
        """A burst of keys came: no answer."""
        self.say(_("{n} keys at once are a scan or a paste, not an answer.").format(n=len(text)))

    def say(self, text: str) -> None:
        """One line for the person."""


class Choice(Struct, frozen=True):
    """One line of a choice; `value` is what choosing it gives. `why` greys it and says why it cannot be chosen."""

    text: str
    value: str
    hint: str = ""
    why: str = ""


class Choose(Dialog[str]):
    """A numbered list: digits, arrows and Enter, or the beginning of a word."""

    def __init__(
        self, title: str, choices: Sequence[Choice], *, opened_by: Key | None = None, note: str = "", at: int = 0
    ) -> None:
        super().__init__(opened_by)
        self.title_text, self.note = title, note
        self.choices = list(choices)
        self.shown = list(choices)
        self.at = at
        self.needle = ""
        self.message = ""

    def compose(self) -> ComposeResult:
        """Its widgets."""
        with Vertical():
            yield Lines(1 + bool(self.note), "ask", id="title")
            pane = Pane("ask", id="choices")
            pane.styles.height = min(len(self.choices), 18)
            yield pane
            yield Lines(1, "ask", id="say")

    def on_mount(self) -> None:
        """Show what it was made with."""
        self._paint()

    def _paint(self) -> None:
        width = self.query_one("#choices", Pane).size.width or 70
        title: list[Styled] = [((fit(self.title_text, width), "ask.title"),)]
        if self.note:
            title.append(((self.note, "ask.dim"),))
        self.query_one("#title", Lines).show(*title)
        content: list[Styled] = []
        for n, choice in enumerate(self.shown):
            on = n == self.at
            number = str(n + 1) if n < 9 else " "
            hint = choice.why or choice.hint
            room = max(10, width - 4 - min(cells(hint), width // 2) - 2)
            text = f" {number} {fit(choice.text, room)} "
            style = "ask.on" if on else ("ask.dim" if choice.why else "ask")
            content.append(((text, style), (fit(hint, max(0, width - cells(text))), "ask.on" if on else "ask.dim")))
        pane = self.query_one("#choices", Pane)
        pane.show(content or [((_("nothing matches"), "ask.dim"),)], keep=True)
        if pane.size.height:
            pane.reveal(self.at)
        hint = self.message or (
            f"> {self.needle}" if self.needle else _("1-9 or arrows and Enter; letters narrow; Esc closes")
        )
        self.query_one("#say", Lines).show(((hint, "ask.bad" if self.message else "ask.dim"),))

    def say(self, text: str) -> None:
        """Show a line under the list."""
        self.message = text
        self._paint()

    async def act(self, key: Key) -> None:
        """Move, narrow, choose."""
        if self.refuses(key):
            return
        self.message = ""
        match key.name:
            case "escape":
                self.dismiss(None)
                return
            case "down" | "up":
                self.at = max(0, min(len(self.shown) - 1, self.at + (1 if key.name == "down" else -1)))
            case "pagedown" | "end":
                self.at = max(0, len(self.shown) - 1)
            case "pageup" | "home":
                self.at = 0
            case "enter":
                self._choose(self.at)
                return
            case "backspace":
                self._narrow(self.needle[:-1])
            case name if name.isdecimal() and name.isascii() and len(name) == 1 and name != "0":
                self._choose(int(name) - 1)
                return
            case _ if key.text and key.text.isprintable():
                self._narrow(self.needle + key.text)
            case _:
                return
        self._paint()

    def _narrow(self, needle: str) -> None:
        self.needle = needle
        self.shown = [c for c in self.choices if needle.lower() in f"{c.text} {c.hint}".lower()]
        self.at = 0

    def _choose(self, n: int) -> None:
        if not 0 <= n < len(self.shown):
            return
        if why := self.shown[n].why:
            self.at = n
            self.say(why)
            return
        self.dismiss(self.shown[n].value)


class Ask(Dialog[bool]):
    """A question before something that cannot simply be taken back: the number that goes is typed."""

    def __init__(self, title: str, lines: Sequence[str], expect: str, *, opened_by: Key | None = None) -> None:
        super().__init__(opened_by)
        self.title_text, self.texts, self.expect = title, list(lines), expect

    def compose(self) -> ComposeResult:
        """Its widgets."""
        with Vertical():
            yield Lines(1, "ask", id="title")
            yield Lines(max(1, sum(len(wrap(t, 70)) for t in self.texts)), "ask", id="text")
            yield Lines(1, "ask", id="how")
            yield Field(id="answer", max_length=12)
            yield Lines(1, "ask", id="say")

    def on_mount(self) -> None:
        """Show what it was made with."""
        self.query_one("#title", Lines).show(((self.title_text, "ask.title"),))
        self.query_one("#text", Lines).show(*(((part, "ask"),) for text in self.texts for part in wrap(text, 70)))
        self.query_one("#how", Lines).show(
            ((_("Type {n} and Enter to go on; Esc leaves everything as it is.").format(n=self.expect), "ask.dim"),)
        )
        self.query_one(Input).focus()

    def say(self, text: str) -> None:
        """Show why the answer was not taken."""
        self.query_one("#say", Lines).show(((text, "ask.bad"),))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The answer counts only when it is the very number."""
        event.stop()
        if event.value.strip() == self.expect:
            self.dismiss(True)
        else:
            self.query_one(Input).value = ""
            self.say(_("That is not {n}; nothing was done.").format(n=self.expect))


class Read(Dialog[str]):
    """Something to read, larger than a line. Lines that carry a value can be chosen with Enter."""

    DEFAULT_CSS = """
    Read > Vertical { width: 100%; height: 100%; }
    Read Pane { height: 1fr; }
    """

    def __init__(
        self,
        title: str,
        content: Sequence[Styled],
        *,
        values: Sequence[str] = (),
        keys: str = "",
        opened_by: Key | None = None,
    ) -> None:
        super().__init__(opened_by)
        self.title_text, self.content, self.values, self.keys = title, list(content), list(values), keys
        self.at = next((n for n, v in enumerate(self.values) if v), -1)

    def compose(self) -> ComposeResult:
        """Its widgets."""
        with Vertical():
            yield Lines(2, "ask", id="title")
            yield Pane("ask", id="text")
            yield Lines(1, "ask", id="say")

    def on_mount(self) -> None:
        """Show what it was made with."""
        self.query_one("#title", Lines).show(((self.title_text, "ask.title"),))
        keys = self.keys or _("arrows scroll, Esc closes")
        self.query_one("#say", Lines).show(((keys, "ask.dim"),))
        self.call_after_refresh(self._paint)

    def _paint(self) -> None:
        shown: list[Styled] = []
        for n, line in enumerate(self.content):
            if n == self.at:
                shown.append(tuple((text, "ask.on") for text, _style in line))
            else:
                shown.append(line)
        pane = self.query_one("#text", Pane)
        pane.show(shown, keep=True)
        if self.at >= 0:
            pane.reveal(self.at)

    def say(self, text: str) -> None:
        """Show a line under the text."""
        self.query_one("#say", Lines).show(((text, "ask.bad"),))

    async def act(self, key: Key) -> None:
        """Scroll, or go from one choosable line to the next."""
        if self.refuses(key):
            return
        pane = self.query_one("#text", Pane)
        match key.name:
            case "escape" | "q":
                self.dismiss(None)
            case "up" | "down" if self.at >= 0:
                step = 1 if key.name == "down" else -1
                n = self.at + step
                while 0 <= n < len(self.values) and not self.values[n]:
                    n += step
                if 0 <= n < len(self.values):
                    self.at = n
                    self._paint()
            case "up" | "down":
                pane.scroll(1 if key.name == "down" else -1)
            case "pageup" | "pagedown":
                pane.scroll((pane.size.height - 1) * (1 if key.name == "pagedown" else -1))
            case "home":
                pane.scroll(-len(self.content))
            case "end":
                pane.scroll(len(self.content))
            case "enter" if self.at >= 0:
                self.dismiss(self.values[self.at])
            case _:
                return
