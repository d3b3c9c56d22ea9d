"""When a key came: the ear at the terminal, which knows what it cannot know.

A key's time is taken where it is read, and reading may stand still: the machine is busy, another thread has the
interpreter. What came in such a pause came at any time within it. The ear therefore looks, a window after each key,
whether anything is there. Where it saw nothing, the next key is apart from the last one for certain. Where it could not
look and the keys are like a scan's (several at once, or one behind several), they count as close.
"""

import os
import selectors
import time
from codecs import getincrementaldecoder
from collections.abc import Iterable
from typing import Any, Protocol, cast

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from console.keys import named

IDLE_S = 0.1
"""How long to wait for input where nothing is open; Textual's own time, its Escape is waited for by it."""
REST_S = 0.5
"""How long where nothing has come for a second. Each waking costs, and there are ten times as many as needed to end in time."""
PIECE = 4096
"""Bytes read at once."""


class Hearing:
    """What the ear has heard. Written by the input thread; the app reads `reading`, then `keys_read`.

    `window_s`: two keys of a person lie further apart than this, in seconds.
    """

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self.keys_read = 0
        """Keys handed to the app."""
        self.reading = False
        """Something is being read: it is no longer in the terminal's queue and not yet among the keys."""
        self._read_at = self._last_at = -1.0
        self._quiet = True
        self._together = 0
        """Printable keys that followed each other within the window."""

    def wait_s(self, now: float) -> float:
        """How long to wait for input before looking up, in seconds."""
        if self._quiet:
            return IDLE_S if now - self._read_at < 1.0 else REST_S
        return min(IDLE_S, max(0.0, self._read_at + self.window_s - now))

    def silence(self, now: float) -> None:
        """There is nothing to read at `now`."""
        self._quiet = self._quiet or now - self._read_at >= self.window_s

    def heard(self, printable: int, now: float) -> float:
        """The time that keys read together at `now` count as, `printable` of which type something."""
        doubtful = not self._quiet and (printable > 1 or self._together > 1)
        at = min(now, self._last_at + self.window_s * 0.9) if doubtful else now
        self._together = self._together + printable if at - self._last_at < self.window_s else printable
        self._read_at, self._last_at, self._quiet = now, at, False
        return at


class Listening(Protocol):
    """An app with an ear."""

    hearing: Hearing


def listening_driver(base: type[Driver]) -> type[Driver]:
    """A driver that tells the app's `hearing` of each key the moment it is read."""

    class Counting(base):  # type: ignore[misc, valid-type]
        def process_message(self, message: Any) -> None:
            """Runs in the input thread."""
            if isinstance(message, events.Key):
                cast(Listening, self._app).hearing.keys_read += 1
            super().process_message(message)

    if not issubclass(base, LinuxDriver):
        return Counting

    class Ear(Counting):
        def run_input_thread(self) -> None:
            """Read the terminal until told to end."""
            listen(self, cast(Listening, self._app).hearing)

    return Ear


def listen(driver: LinuxDriver, hearing: Hearing) -> None:
    """Hand a terminal's input to the app piece by piece, each key with the time that `hearing` gives it.

    Ends when the driver says so, or with the terminal.
    """
    parser = XTermParser(driver._debug)
    decode = getincrementaldecoder("utf-8")().decode

    def hand_on(messages: Iterable[Message]) -> None:
        heard = list(messages)
        keys = [m for m in heard if isinstance(m, events.Key)]
        if keys:
            printable = sum(1 for k in keys if named(k.key, k.character, 0).text)
            at = hearing.heard(printable, time.monotonic())
            for key in keys:
                key.time = at
        for message in heard:
            driver.process_message(message)

    with selectors.SelectSelector() as selector:
        selector.register(driver.fileno, selectors.EVENT_READ)
        while not driver.exit_event.is_set():
            if selector.select(hearing.wait_s(time.monotonic())):
                hearing.reading = True
                piece = os.read(driver.fileno, PIECE)
                if not piece:
                    # The terminal has gone; it would be read in vain for ever. The app sees to the end.
                    break
                if text := decode(piece):
                    hand_on(parser.feed(text))
                hearing.reading = False
            else:
                hearing.silence(time.monotonic())
            hand_on(parser.tick())
    try:
        list(parser.feed(""))
    except (EOFError, ParseError):
        # The input ended within a sequence, which means nothing any more.
        return
