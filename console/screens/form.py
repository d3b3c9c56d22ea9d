"""A form: one line per field, scrolled so that the field in focus is seen, its help written out below."""

from collections.abc import Callable, Sequence

from msgspec import Struct
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input

from console.cells import cells, fit, wrap
from console.keys import Key
from console.screens.dialogs import Dialog, Field
from console.widgets.lines import Lines, Styled
from domain.text import safe, typed
from domain.words import _

WIDTH = 104
HELP, SAY = 2, 3
"""Lines kept for the help of the field in focus, and for what is wrong."""


class FormField(Struct, frozen=True):
    """One field of a form. `beside` is shown to the right of it (the platform's value); `secret` hides what is typed."""

    name: str
    label: str
    value: str = ""
    beside: str = ""
    help: str = ""
    secret: bool = False
    choices: tuple[str, ...] = ()


class Form(Dialog[dict[str, str]]):
    """Fields to fill in. Enter, Tab and Down go on, F9 keeps, Esc leaves; a single field is kept by Enter.

    Gives every field by name. `check` looks at the fields before the form closes: a sentence keeps it open, (field,
    sentence) keeps it open at that field.
    """

    DEFAULT_CSS = """
    Form > Vertical { width: 104; }
    Form #fields { scrollbar-size: 0 0; background: $surface; }
    Form #fields Horizontal { height: 1; }
    Form #fields Lines { width: 30; }
    Form #fields Lines.beside { width: 1fr; }
    Form #fields Input { width: 1fr; }
    """

    def __init__(
        self,
        title: str,
        fields: Sequence[FormField],
        *,
        at: str = "",
        notes: Sequence[str] = (),
        message: str = "",
        check: Callable[[dict[str, str]], str | tuple[str, str] | None] | None = None,
        opened_by: Key | None = None,
    ) -> None:
        super().__init__(opened_by)
        self.title_text, self.fields, self.first, self.notes = title, list(fields), at, list(notes)
        self.message, self.check = message, check

    # -------------------------------------------------------------- layout

    def compose(self) -> ComposeResult:
        """Its widgets."""
        notes = self._notes()
        with Vertical():
            yield Lines(1, "ask", id="title")
            if notes:
                yield Lines(len(notes), "ask", id="notes")
            with VerticalScroll(id="fields", can_focus=False) as box:
                box.styles.height = self._room()
                for field in self.fields:
                    with Horizontal():
                        yield Lines(1, "ask", id=f"label_{field.name}")
                        yield Field(safe(field.value, 2000), id=f"field_{field.name}", password=field.secret)
                        if field.beside:
                            yield Lines(1, "ask", id=f"beside_{field.name}").add_class("beside")
            yield Lines(HELP, "ask", id="help")
            yield Lines(SAY, "ask", id="say")
            yield Lines(1, "ask", id="keys")

    @property
    def _inner(self) -> int:
        return max(20, min(WIDTH, self.app.size.width) - 4)

    def _notes(self) -> list[str]:
        return [part for note in self.notes for part in wrap(note, self._inner)]

    def _room(self) -> int:
        """Lines for the fields: all of them where the terminal is high enough."""
        around = 2 + 1 + len(self._notes()) + HELP + SAY + 1
        return max(1, min(len(self.fields), self.app.size.height - around))

    def on_resize(self, _event: events.Resize) -> None:
        """Another terminal, another number of lines."""
        self.query_one("#fields").styles.height = self._room()
        self.call_after_refresh(self._reveal)

    def on_mount(self) -> None:
        """Show what it was made with, at the field that was asked for."""
        self.query_one("#title", Lines).show(((self.title_text, "ask.title"),))
        if notes := self._notes():
            self.query_one("#notes", Lines).show(*(((part, "ask.dim"),) for part in notes))
        for field in self.fields:
            self.query_one(f"#label_{field.name}", Lines).show(((fit(safe(field.label, 80), 29), "ask"),))
            if field.beside:
                text = " " + _("platform: {value}").format(value=safe(field.beside, 80))
                self.query_one(f"#beside_{field.name}", Lines).show(((text, "ask.dim"),))
        self.say(self.message)
        self._go_to(self.first if any(f.name == self.first for f in self.fields) else self.fields[0].name)

    # -------------------------------------------------------------- moving

    def _go_to(self, name: str) -> None:
        box = self.query_one(f"#field_{name}", Input)
        box.focus()
        box.cursor_position = len(box.value)

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """The help follows the focus."""
        at = self._at
        field = self.fields[at]
        hints = [safe(field.help, 400)] if field.help else []
        if field.choices:
            hints.append(" / ".join(field.choices))
        if field.secret:
            hints.append(_("It is kept sealed and never shown."))
        lines = wrap("  ".join(hints), self._inner)
        self.query_one("#help", Lines).show(*(((part, "ask.dim"),) for part in lines[:HELP]))
        for n, each in enumerate(self.fields):
            style = "ask.title" if n == at else "ask"
            self.query_one(f"#label_{each.name}", Lines).show(((fit(safe(each.label, 80), 29), style),))
        alone = len(self.fields) == 1
        keys = _("Enter keeps, Esc leaves") if alone else _("Enter next field, F9 keeps, Esc leaves")
        where = "" if alone else _("field {n} of {total}").format(n=at + 1, total=len(self.fields))
        gap = max(2, self._inner - cells(keys) - cells(where))
        self.query_one("#keys", Lines).show(((keys + " " * gap + where, "ask.dim"),))
        self.call_after_refresh(self._reveal)

    @property
    def _at(self) -> int:
        focused = self.focused.id if self.focused is not None else ""
        return next((n for n, f in enumerate(self.fields) if f"field_{f.name}" == focused), 0)

    def _reveal(self) -> None:
        if self.focused is not None:
            self.focused.scroll_visible(animate=False, immediate=True)

    # -------------------------------------------------------------- keeping

    def say(self, text: str) -> None:
        """What is wrong, in whole sentences."""
        lines: list[Styled] = [((part, "ask.bad"),) for part in wrap(safe(text, 600), self._inner)] if text else []
        self.query_one("#say", Lines).show(*lines[:SAY])

    def values(self) -> dict[str, str]:
        """Every field as it stands."""
        return {f.name: typed(self.query_one(f"#field_{f.name}", Input).value) for f in self.fields}

    async def act(self, key: Key) -> None:
        """Keys that the field in focus leaves to the form."""
        if self.refuses(key):
            return
        match key.name:
            case "escape":
                self.dismiss(None)
            case "f9":
                self.keep()
            case "down" | "tab":
                self.focus_next(Input)
            case "up" | "shift+tab":
                self.focus_previous(Input)
            case _:
                return

    def keep(self) -> None:
        """Close with what was filled in, unless something is wrong with it."""
        values = self.values()
        if self.check is not None and (wrong := self.check(values)):
            at, sentence = wrong if isinstance(wrong, tuple) else (self.fields[self._at].name, wrong)
            self._go_to(at)
            self.say(sentence)
            return
        self.dismiss(values)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes on to the next field; only a form of one field is kept by it."""
        event.stop()
        if len(self.fields) == 1:
            self.keep()
        else:
            self.focus_next(Input)
