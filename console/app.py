"""The Textual app: one key gate for all screens, the read and the write side, the worker, and how it ends.

It shows nothing itself; `screens.desk` does. Keys do not go through Textual's bindings but through the gate and the
action table, save where a text field has the focus.
"""

import asyncio
import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar, cast

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._context import NoActiveAppError
from textual._xterm_parser import XTermParser
from textual.app import App, ScreenStackError
from textual.css.query import NoMatches
from textual.driver import Driver
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES
from textual.timer import Timer
from textual.widgets import Input

from console import styles
from console.actions import keymap, only_looks
from console.config import Config
from console.eyes import Eyes, Wake
from console.hearing import Hearing, listening_driver
from console.keeper import Keeper
from console.keys import WINDOW_S, Gate, Key, Verdict, named
from console.writer import Writer
from domain.clock import Clock, now
from domain.persons import Operator
from domain.words import _
from store.place import Place

T = TypeVar("T")


class Joined(events.Key):
    """An Escape that came in one piece with the key behind it: pressed one after the other over a slow line, or Alt."""


def escapes_apart() -> None:
    """Have Textual take an Escape and the key behind it as two keys, in whatever pieces they come.

    It takes them for one: Esc 8 becomes a bullet, Esc Enter an Enter. Then the next key acts where nobody meant it to.
    """
    known = cast("dict[str, object]", ANSI_SEQUENCES_KEYS)
    for sequence in [s for s, key in known.items() if len(s) == 2 and s[0] == "\x1b" and isinstance(key, str)]:
        del known[sequence]
    if _single_keys is XTermParser._sequence_to_key_events:
        XTermParser._sequence_to_key_events = _two_keys  # type: ignore[method-assign, assignment]


_single_keys = XTermParser._sequence_to_key_events


def _two_keys(parser: XTermParser, sequence: str, alt: bool = False) -> Iterable[events.Key]:
    if alt:
        yield Joined("escape", "\x1b")
    yield from _single_keys(parser, sequence)


class Console(App[str]):
    """The console over one database. `run()` returns '' or a word for the one who started it (`restart`, `practice`)."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS = []
    CSS = """
    Desk { background: $background; color: $foreground; }
    Rows, Pane, Lines { scrollbar-size: 0 0; }
    """

    def __init__(
        self,
        place: Place,
        config: Config,
        *,
        person: str = "",
        clock: Clock = now,
        keep_worker: bool = True,
        window_s: float = WINDOW_S,
    ) -> None:
        escapes_apart()
        super().__init__(driver_class=None if _headless() else listening_driver(self.get_driver_class()))
        self.place, self.config, self.clock = place, config, clock
        self.person: Operator | None = None
        self.person_wanted = person or config.operator
        self.keymap = keymap(config.keys)
        self.gate = Gate(self._looks, window_s)
        self.hearing = Hearing(window_s)
        self._pass_over = False
        """The next key belongs to an Escape that was passed over."""
        self._keys_seen = 0
        self._last_typed: Key | None = None
        self.eyes = Eyes(place)
        self.wake = Wake(place)
        self.writer = Writer(place)
        self.keeper = Keeper(place, clock, lambda _text: None) if keep_worker else None
        self.crash: BaseException | None = None
        self._resized: Timer | None = None
        self.last_key_at = 0.0
        self.register_theme(styles.DARK)
        self.register_theme(styles.LIGHT)
        wanted = config.theme if config.theme in {*BUILTIN_THEMES, styles.DARK.name, styles.LIGHT.name} else ""
        self.theme = wanted or styles.DARK.name
        self.animation_level = "none"

    def get_driver_class(self) -> type[Driver]:
        """Textual's own choice for this system."""
        return super().get_driver_class()

    def get_default_screen(self) -> Screen[Any]:
        """The desk; a database without an owner first asks who is there."""
        from console.screens.desk import Desk

        return Desk()

    @property
    def ends(self) -> bool:
        """Is the program on its way out? Nothing is painted any more, and no key means anything."""
        return not (self.is_running and self.screen_stack and self.screen_stack[0].is_attached)

    # -------------------------------------------------------------- life

    async def on_mount(self) -> None:
        """Watch the terminal and look for lost input."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(signal.SIGHUP, self._lost)
            loop.add_signal_handler(signal.SIGTERM, self._lost)
        if not self.is_headless:
            self.set_interval(1.0, self._terminal_there)

    def on_resize(self) -> None:
        """A terminal moves what it shows when its size changes: once it is still, everything is painted anew."""
        if self._resized is not None:
            self._resized.stop()
        self._resized = self.set_timer(0.15, self.paint_anew)

    def paint_anew(self) -> None:
        """Paint the whole screen again."""
        if self.ends:
            return
        self.screen.refresh(layout=True)
        for widget in self.screen.query("*"):
            widget.refresh()

    def _terminal_there(self) -> None:
        """A terminal that has gone leaves an input that never blocks: leave before the input thread spins."""
        try:
            there = os.isatty(0) and os.tcgetpgrp(0) >= 0
        except OSError:
            there = False
        if not there:
            self._lost()

    def _lost(self) -> None:
        """The terminal is gone or we are told to end: the worker finishes its jobs, nothing is asked."""
        self.exit("")

    async def close_all(self) -> None:
        """Close the read and the write side."""
        await self.writer.close()
        await self.wake.close()
        with contextlib.suppress(Exception):
            await self.eyes.close()

    # -------------------------------------------------------------- keys

    def _looks(self, name: str) -> bool:
        screen = self.screen
        looks = getattr(screen, "looks", None)
        if looks is not None:
            return bool(looks(name))
        return only_looks(self.keymap.get(name), name)

    async def on_event(self, event: events.Event) -> None:
        """Every key of every screen passes here first."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self._keys_seen += 1
            self.last_key_at = time.monotonic()
            passed, self._pass_over = self._pass_over, False
            if isinstance(event, Joined) and isinstance(self.focused, Input):
                # Who edits a text may mean Alt: neither leaves the field, neither acts behind it.
                self._pass_over = True
            elif not passed:
                await self._key(event)
            return
        if isinstance(event, events.Paste) and not event.is_forwarded and not isinstance(self.focused, Input):
            # What is pasted may be a secret meant for a field: it is not shown.
            self._say(_("A paste of {n} characters is no command.").format(n=len(event.text)))
            return
        await super().on_event(event)

    async def _key(self, event: events.Key) -> None:
        key = named(event.key, event.character, event.time)
        if isinstance(self.focused, Input):
            await self._typed(event, key)
            return
        self._last_typed = None
        await self._follow(self.gate.feed(key))

    async def _typed(self, event: events.Key, key: Key) -> None:
        """A key for a text field. Enter right behind a letter is a scanner's: it does not answer a question."""
        before, self._last_typed = self._last_typed, key if key.text else None
        close = before is not None and before.name != "enter" and 0 <= key.at - before.at < self.gate.window_s
        if key.name == "enter" and close:
            self._say(_("Enter came with the scan: press Enter again to go on."))
            return
        if key.name in {"escape", "f9", "up", "down", "tab", "shift+tab"}:
            await self._act(key)
            return
        if key.name in {"ctrl+q", "ctrl+c"}:
            return
        refuses = getattr(self.screen, "refuses", None)
        if refuses is not None and refuses(key):
            return
        await super().on_event(event)

    async def _follow(self, verdict: Verdict) -> None:
        if verdict.burst:
            self._burst(verdict.burst)
        if verdict.act is not None:
            await self._act(verdict.act)
        if verdict.wait is not None:
            self.set_timer(self.gate.window_s + 0.002, self._due)

    async def _due(self) -> None:
        """The time of the waiting key has passed; keys that are read, or wait to be read, come first."""
        pending = self.gate.pending
        if pending is None or self.ends:
            return
        if self._input_waits():
            self.set_timer(0.005, self._due)
            return
        verdict = self.gate.due(time.monotonic())
        if verdict.act is not None:
            await self._act(verdict.act)
        elif verdict.wait is not None:
            self.set_timer(0.005, self._due)

    def _input_waits(self) -> bool:
        """Is there a key we have not seen? Asked in the order in which a key goes: the terminal, the ear, the queue."""
        waits = False
        if not self.is_headless:
            with contextlib.suppress(OSError, ValueError):
                waits = bool(select.select([0], [], [], 0)[0])
        return waits or self.hearing.reading or self.hearing.keys_read > self._keys_seen

    async def _act(self, key: Key) -> None:
        act = getattr(self.screen, "act", None)
        # A dialog that is not drawn yet was not meant, and cannot answer.
        if act is not None and self.screen.is_mounted:
            await act(key)

    def _burst(self, text: str) -> None:
        self._tell("scanned", text)

    def _say(self, text: str) -> None:
        self._tell("say", text)

    def _tell(self, how: str, text: str) -> None:
        """Let the screen say something; one that is not drawn yet says it when it is."""
        tell = getattr(self.screen, how, None)
        if tell is not None and self.screen.is_mounted:
            tell(text)
        elif tell is not None:
            self.screen.call_later(tell, text)

    # -------------------------------------------------------------- work beside the screen

    def flow(self, work: Awaitable[Any]) -> None:
        """Do something that asks or waits, beside the keys; a defect in it ends the console with a report."""
        self.run_worker(self._guarded(work), group="flow", exit_on_error=False)

    async def _guarded(self, work: Awaitable[Any]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except (NoMatches, ScreenStackError, NoActiveAppError) as error:
            # What it was to be painted on may have gone with the program.
            if not self.ends:
                self._handle_exception(error)
        except Exception as error:
            self._handle_exception(error)

    async def write(self, act: Callable[[Any], Awaitable[T]]) -> Any:
        """Run something over the pipeline in the writing thread."""
        return await self.writer.do(act)

    # -------------------------------------------------------------- crash

    def _handle_exception(self, error: Exception) -> None:
        """A defect of ours: no traceback with values on the screen; the one who started us writes the report."""
        self.crash = self.crash or error
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()


def _headless() -> bool:
    return not (sys.__stdin__ is not None and sys.__stdin__.isatty())
