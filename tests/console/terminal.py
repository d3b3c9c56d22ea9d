"""A real pseudo-terminal with a program in it: press its keys, read its screen, hang up on it.

The program gets a session and a controlling terminal of its own and meets what a present-day terminal would do:
colours, the alternate screen, synchronised output, answers to its questions. Everything that waits polls a condition
that the reading thread notifies; the only sleeps are the gaps between keys, which are part of what is tested.
"""

import codecs
import copy
import fcntl
import math
import os
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
import unicodedata
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte
from pyte import modes
from pyte.screens import Char, Cursor, StaticDefaultDict, wcwidth

from bench.picture import Cell

PRESS_GAP_S = 0.06
"""Seconds between single keys: the console takes anything faster for a scanner."""
ESCAPE_GAP_S = 0.15
"""Seconds after Esc: the program holds it back for 0.1 s, and a key in between would make it Alt plus that key."""
FRAME_S = 1.0
"""Seconds after which an unfinished synchronised frame is shown all the same, as terminals do."""
DRAINED_S = 0.2
"""Seconds without output after which a program that has ended has said everything."""

Wanted = str | re.Pattern[str] | Callable[["Terminal"], object]
"""What may be waited for: a text, a pattern over the whole screen, or a question put to the terminal."""

TOKEN = re.compile(
    r"\x1b\[(?P<params>[0-?]*)(?P<inter>[ -/]*)(?P<final>[@-~])"
    r"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\|(?=\x1b[^\\]))"
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\|(?=\x1b[^\\]))"
    r"|\x1b(?P<esc>[ -/]*[0-OQ-WYZ`-~\\])"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)"
)
UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)")
C1 = {0x80 + n: "\x1b" + chr(0x40 + n) for n in range(32)}
"""The one-character forms of escape sequences: terminals obey them too."""

SCREEN_MODES = {5, 6, 7, 25}
"""Private modes that change what is on the screen and that pyte knows: reversed, origin, wrapping, cursor shown."""
KNOWN_MODES = SCREEN_MODES | {1, 47, 1000, 1002, 1003, 1004, 1006, 1047, 1049, 2004, 2026}

SS3 = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
FUNCTION = {"f1": "P", "f2": "Q", "f3": "R", "f4": "S"}
NUMBERED = {"insert": 2, "delete": 3, "pgup": 5, "pgdn": 6, "f5": 15, "f6": 17, "f7": 18, "f8": 19} | {
    "f9": 20,
    "f10": 21,
    "f11": 23,
    "f12": 24,
}
SIMPLE = {"enter": "\r", "esc": "\x1b", "tab": "\t", "space": " ", "backspace": "\x7f"}
ALIASES = {"pageup": "pgup", "pagedown": "pgdn", "escape": "esc", "ins": "insert", "del": "delete"}
MODIFIERS = {"shift": 1, "alt": 2, "ctrl": 4}


def key_bytes(name: str, *, application: bool = False) -> bytes:
    """What xterm sends for a key.

    Args:
        name: `enter`, `f2`, `pgdn`, `shift+down`, `ctrl+c`, … or one plain character.
        application: whether the program has asked for application cursor keys.

    Raises:
        ValueError: a terminal has no code for it.
    """
    if len(name) == 1:
        return name.encode()
    *held, key = name.lower().split("+") if not name.endswith("++") else [*name.lower()[:-2].split("+"), "+"]
    key = ALIASES.get(key, key)
    if set(held) - set(MODIFIERS):
        raise ValueError(f"no such key: {name}")
    modifier = 1 + sum(MODIFIERS[h] for h in set(held))
    if name.lower() == "shift+tab":
        return b"\x1b[Z"
    if key in SS3 or key in FUNCTION:
        letter = SS3.get(key) or FUNCTION[key]
        if modifier > 1:
            return f"\x1b[1;{modifier}{letter}".encode()
        return f"\x1b{'O' if key in FUNCTION or application else '['}{letter}".encode()
    if key in NUMBERED:
        return f"\x1b[{NUMBERED[key]}{f';{modifier}' if modifier > 1 else ''}~".encode()
    plain = SIMPLE.get(key, key)
    if len(plain) != 1 or "shift" in held:
        raise ValueError(f"no such key: {name}")
    if "ctrl" in held:
        if not ("@" <= plain.upper() <= "_" or plain == " "):
            raise ValueError(f"no such key: {name}")
        plain = chr(ord(plain.upper()) & 0x1F)
    return (("\x1b" if "alt" in held else "") + plain).encode()


class Screen(pyte.Screen):
    """pyte's screen, mended where a real terminal does otherwise: wide characters, unprintable ones, dim text."""

    ambiguous_wide = False
    """Whether letters that are wide only in East Asian terminals (ł, ó, Cyrillic, lines) take two cells."""

    def width(self, char: str) -> int:
        """Cells that a character takes: 0, 1 or 2; -1 where it cannot be shown."""
        width = wcwidth(char)
        return 2 if width == 1 and self.ambiguous_wide and unicodedata.east_asian_width(char) == "A" else width

    def draw(self, data: str) -> None:
        """Put text at the cursor; pyte's own forgets the rest of a text after a zero-width character."""
        for char in data:
            width = self.width(char)
            if width < 1:
                if width == 0 and unicodedata.combining(char):
                    self.combine(char)
                continue
            if self.cursor.x + width > self.columns:
                if modes.DECAWM in self.mode:
                    self.carriage_return()
                    self.linefeed()
                else:
                    self.cursor.x = max(0, self.columns - width)
            if modes.IRM in self.mode:
                self.insert_characters(width)
            line, x = self.buffer[self.cursor.y], self.cursor.x
            line[x] = self.cursor.attrs._replace(data=char)
            if width == 2 and x + 1 < self.columns:
                line[x + 1] = self.cursor.attrs._replace(data="")
            self.cursor.x = min(x + width, self.columns)

    def combine(self, mark: str) -> None:
        """Put an accent on the character before the cursor."""
        line, x = self.buffer[self.cursor.y], self.cursor.x - 1
        while x > 0 and line[x].data == "":
            x -= 1
        if x >= 0:
            line[x] = line[x]._replace(data=unicodedata.normalize("NFC", line[x].data + mark))

    def select_graphic_rendition(self, *attrs: int, **_: bool) -> None:
        """Set colours and style. pyte knows no dim text, and nobody here blinks: blink carries dim."""
        given, made = list(attrs), []
        while given:
            attr = given.pop(0)
            if attr in (38, 48):
                taken = {5: 2, 2: 4}.get(given[0] if given else 0, 0)
                made += [attr, *given[:taken]]
                del given[:taken]
            elif attr == 2:
                made.append(5)
            elif attr == 22:
                made += [22, 25]
            elif attr not in (5, 6, 25):
                made.append(attr)
        if made or not attrs:
            super().select_graphic_rendition(*made)

    def char(self, row: int, column: int) -> str:
        """The character of a cell; none in the right half of a wide one, a space where the other half was lost."""
        line = self.buffer[row]
        char = line[column].data
        if char == "":
            whole = column > 0 and self.width(line[column - 1].data[:1] or " ") == 2
            return "" if whole else " "
        if char > "\x7f" and self.width(char[0]) == 2:
            return char if column + 1 < self.columns and line[column + 1].data == "" else " "
        return char

    def cell(self, row: int, column: int) -> Cell:
        """What stands in a cell, with its colours and style."""
        found = self.buffer[row][column]
        return Cell(
            self.char(row, column),
            found.fg,
            found.bg.replace("bfight", "bright"),  # pyte misspells one of its names
            found.bold,
            found.blink,
            found.italics,
            found.underscore,
            found.reverse,
        )


class Emulator:
    """Turns the bytes a program writes into a screen, and into the answers a terminal gives.

    It knows the sequences of full-screen programs that address the cursor; scrolling by `CSI S`, repeating by `CSI b`
    and graphics are left out. What it does not know leaves nothing on the screen.
    """

    def __init__(self, rows: int, columns: int, *, ambiguous_wide: bool = False) -> None:
        self.screen = Screen(columns, rows)
        self.screen.ambiguous_wide = ambiguous_wide
        self.modes: set[int] = {7, 25}
        self.bells = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._frame: list[re.Match[str]] | None = None
        self._main: tuple[dict[int, StaticDefaultDict[int, Char]], Cursor] | None = None

    @property
    def in_frame(self) -> bool:
        """Whether a synchronised frame has begun and not ended."""
        return self._frame is not None

    def feed(self, data: bytes) -> bytes:
        """Take what the program wrote; returns what the terminal answers."""
        text = self._rest + self._decoder.decode(data).translate(C1)
        at, answer = 0, b""
        while at < len(text):
            found = TOKEN.match(text, at)
            if found is None:
                if UNFINISHED.fullmatch(text, at):
                    break
                at += 1  # an escape that begins nothing
                continue
            at = found.end()
            private = found["params"] == "?2026" and found["final"] in ("h", "l")
            if private and found["final"] == "h":
                self._frame = [] if self._frame is None else self._frame
            elif private:
                answer += self.flush()
            elif self._frame is not None:
                self._frame.append(found)
            else:
                answer += self._obey(found)
        self._rest = text[at:]
        return answer

    def flush(self) -> bytes:
        """Show what a synchronised frame holds back."""
        held, self._frame = self._frame or [], None
        return b"".join([self._obey(found) for found in held])

    def _obey(self, found: re.Match[str]) -> bytes:
        if found["text"] is not None:
            self.screen.draw(found["text"])
        elif found["final"] is not None:
            return self._sequence(found["params"], found["inter"], found["final"])
        elif found["control"] is not None:
            self.bells += found["control"] == "\a"
            name = pyte.Stream.basic.get(found["control"])
            if name not in (None, "shift_in", "shift_out"):
                getattr(self.screen, name)()
        elif found["esc"] is not None:
            name = pyte.Stream.escape.get(found["esc"])
            if name is not None:
                getattr(self.screen, name)()
        elif found["osc"] is not None:
            code, _, title = found["osc"].partition(";")
            if code in ("0", "2"):
                self.screen.set_title(title)
        return b""

    def _sequence(self, params: str, inter: str, final: str) -> bytes:
        """Obey a control sequence, or answer it."""
        mark = params[:1] if params[:1] in tuple("<=>?") else ""
        body = params[len(mark) :]
        if final == "m":  # the colon forms of underlines and true colours
            body = re.sub(r"([34]8):2:[^:;]*:(\d+:\d+:\d+)", r"\1:2:\2", body)
            body = re.sub(r"(?<![\d:])4:(\d)", lambda m: "24" if m[1] == "0" else "4", body).replace(":", ";")
        if re.fullmatch(r"[\d;]*", body) is None:
            return b""
        numbers = [min(int(n or 0), 9999) for n in body.split(";")]
        first, cursor = numbers[0], self.screen.cursor
        match mark, inter, final:
            case "?", "$", "p":
                known = (1 if first in self.modes else 2) if first in KNOWN_MODES else 0
                return f"\x1b[?{first};{known}$y".encode()
            case (("" | "?"), "", "n") if first == 6:
                column = min(cursor.x, self.screen.columns - 1)
                return f"\x1b[{mark}{cursor.y + 1};{column + 1}R".encode()
            case "", "", "n" if first == 5:
                return b"\x1b[0n"
            case "", "", "c" if first == 0:
                return b"\x1b[?62;22c"
            case ">", "", "c" if first == 0:
                return b"\x1b[>1;4000;0c"
            case "?", "", "h" | "l":
                for mode in numbers:
                    self._private(mode, final == "h")
            case "", "", _ if final in pyte.Stream.csi and final not in "cn":
                try:
                    getattr(self.screen, pyte.Stream.csi[final])(*numbers)
                except TypeError:  # more parameters than the sequence has
                    pass
        return b""

    def _private(self, mode: int, on: bool) -> None:
        (self.modes.add if on else self.modes.discard)(mode)
        screen = self.screen
        if mode in SCREEN_MODES:
            (screen.set_mode if on else screen.reset_mode)(mode, private=True)
        elif mode in (47, 1047, 1049) and on and self._main is None:
            self._main = (screen.buffer, copy.copy(screen.cursor))
            screen.buffer = defaultdict(lambda: StaticDefaultDict[int, Char](screen.default_char))
        elif mode in (47, 1047, 1049) and not on and self._main is not None:
            (screen.buffer, main), self._main = self._main, None
            main.hidden = screen.cursor.hidden
            main.x, main.y = min(main.x, screen.columns - 1), min(main.y, screen.lines - 1)
            screen.cursor = main


class Terminal:
    """A program in a terminal of its own, started at once; use it as a context manager.

    Args:
        argv: the program and its arguments.
        rows: height in cells.
        columns: width in cells.
        env: variables beside the inherited ones (which lose all that describes the terminal or the language here);
            a value of None takes one away.
        cwd: folder to start in.
        ambiguous_wide: draw characters of ambiguous width two cells wide, as some East Asian terminals do.
    """

    def __init__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        rows: int = 40,
        columns: int = 140,
        env: Mapping[str, str | None] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        *,
        ambiguous_wide: bool = False,
    ) -> None:
        self.rows_count, self.columns_count = rows, columns
        self._emulator = Emulator(rows, columns, ambiguous_wide=ambiguous_wide)
        self._changed = threading.Condition(threading.RLock())
        self._seen = bytearray()
        self._ended = False
        self._changes = 0
        self._key_at = self._key_rest = 0.0
        self.last_output_at = time.perf_counter()
        """When the last bytes arrived, by `time.perf_counter()`, taken before they were read into the screen."""
        self._mark = f"SHIPDECK_TEST_TERMINAL={uuid.uuid4().hex}"
        master, slave = os.openpty()
        self._master: int | None = master
        try:
            os.set_blocking(master, False)
            self._set_size()
            # The controlling terminal must be taken between fork and exec; a helper program in between would cost
            # as much as a third of a small program's start.
            self._process = subprocess.Popen(
                [os.fspath(part) for part in argv],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=self._environment(env or {}),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        self.pid = self._process.pid
        self._wake_read, self._wake_write = os.pipe()
        self._thread: threading.Thread | None = threading.Thread(target=self._read, name=f"terminal {self.pid}")
        self._thread.daemon = True
        self._thread.start()

    def _environment(self, given: Mapping[str, str | None]) -> dict[str, str]:
        strange = re.compile(
            r"LC_|LANG|TEXTUAL|TMUX|TERM|COLOR|NO_COLOR|FORCE_COLOR|CLICOLOR|COLUMNS$|LINES$|STY$|WT_|VTE_|PYTEST_"
        )
        own, value = self._mark.split("=")
        made = {k: v for k, v in os.environ.items() if not strange.match(k)}
        made |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", own: value}
        for name, wanted in given.items():
            made.pop(name, None)
            if wanted is not None:
                made[name] = wanted
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What the program says

    def _read(self) -> None:
        """The reading thread: bytes to the screen, answers to the program, until the terminal ends or we let go."""
        assert self._master is not None
        master, poll = self._master, select.poll()
        poll.register(master, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            events = dict(poll.poll(FRAME_S * 1000 if self._emulator.in_frame else None))
            if self._wake_read in events:
                return
            data = b""
            if events:
                try:
                    data = os.read(master, 65536)
                except OSError:  # EIO: nobody holds the other side any more
                    pass
            at = time.perf_counter()
            with self._changed:
                if data:
                    self.last_output_at = at
                    self._seen += data
                    answer = self._emulator.feed(data)
                else:
                    answer = self._emulator.flush()
                    self._ended = bool(events)
                self._changes += 1
                self._changed.notify_all()
            if answer:
                try:
                    os.write(master, answer)
                except OSError:  # full or closed: a terminal's answer is lost then as well
                    pass
            if self._ended:
                return

    @property
    def bytes_seen(self) -> bytes:
        """Everything the program has written so far, undecoded."""
        with self._changed:
            return bytes(self._seen)

    @property
    def title(self) -> str:
        """The window's title, as the program set it."""
        with self._changed:
            return self._emulator.screen.title

    @property
    def bells(self) -> int:
        """How often the bell has rung."""
        with self._changed:
            return self._emulator.bells

    @property
    def private_modes(self) -> frozenset[int]:
        """The private modes that are on now (1049 the alternate screen, 25 the cursor, 1000… the mouse)."""
        with self._changed:
            return frozenset(self._emulator.modes)

    @property
    def cursor(self) -> tuple[int, int] | None:
        """Row and column of the cursor, counted from 0; None while it is hidden."""
        with self._changed:
            cursor = self._emulator.screen.cursor
            return None if cursor.hidden else (cursor.y, min(cursor.x, self.columns_count - 1))

    def cell(self, row: int, column: int) -> Cell:
        """What stands in a cell, counted from 0; `char` is empty in the right half of a wide character.

        Colours are pyte's: `default`, a name such as `red` or `brightblue` (yellow is `brown`), or six hex digits.
        """
        if not (0 <= row < self.rows_count and 0 <= column < self.columns_count):
            raise IndexError(f"({row}, {column}) is outside of {self.rows_count} rows, {self.columns_count} columns")
        with self._changed:
            return self._emulator.screen.cell(row, column)

    def rows(self) -> list[list[Cell]]:
        """Every cell of the screen, for a picture of it."""
        with self._changed:
            screen = self._emulator.screen
            return [[screen.cell(y, x) for x in range(screen.columns)] for y in range(screen.lines)]

    def lines(self) -> list[str]:
        """The screen's text, a string a row; every string fills the row's cells, a wide character counting as two."""
        with self._changed:
            screen = self._emulator.screen
            return ["".join(screen.char(y, x) for x in range(screen.columns)) for y in range(screen.lines)]

    @property
    def text(self) -> str:
        """The screen's text in one, rows parted by newlines, without the spaces at their ends."""
        return "\n".join(line.rstrip() for line in self.lines())

    # Waiting

    def _asked(self, wanted: Wanted) -> Callable[[], bool]:
        """A question whose answer about a text is worked out anew only when the screen has changed."""
        if not isinstance(wanted, (str, re.Pattern)):
            return lambda: bool(wanted(self))
        known: tuple[int, bool] = (-1, False)

        def found() -> bool:
            nonlocal known
            if known[0] != self._changes:
                text = self.text
                known = (self._changes, wanted in text if isinstance(wanted, str) else bool(wanted.search(text)))
            return known[1]

        return found

    def _wait(self, question: Callable[[], bool], timeout: float, complaint: str, *, screen_only: bool) -> None:
        until = time.monotonic() + timeout
        with self._changed:
            while not question():
                left = until - time.monotonic()
                over = self._ended and screen_only
                if left <= 0 or over:
                    why = "the program has ended" if over else f"after {timeout:g} s"
                    raise AssertionError(f"{complaint} ({why}); {self._described()}")
                # What is asked may depend on more than the screen, so it is asked again without news, too.
                self._changed.wait(min(left, 0.02))

    def wait_for(self, wanted: Wanted, timeout: float = 10) -> None:
        """Wait until a text or pattern is on the screen, or a question put to this terminal is answered yes.

        Texts and patterns are looked for in `text`. A synchronised frame counts when it is complete.

        Raises:
            AssertionError: it did not come within `timeout` seconds or the program ended; shows the whole screen.
        """
        self._wait(self._asked(wanted), timeout, f"not seen: {_named(wanted)}", screen_only=not callable(wanted))

    def wait_gone(self, wanted: Wanted, timeout: float = 10) -> None:
        """Wait until a text or pattern is no longer on the screen, or a question is answered no; else as `wait_for`."""
        asked = self._asked(wanted)
        self._wait(lambda: not asked(), timeout, f"still there: {_named(wanted)}", screen_only=not callable(wanted))

    def wait_quiet(self, quiet_s: float = 0.04, timeout: float = 10) -> None:
        """Wait until the program has written nothing for `quiet_s` seconds."""
        self._wait(
            lambda: self._ended or time.perf_counter() - self.last_output_at >= quiet_s,
            timeout,
            "never quiet",
            screen_only=False,
        )

    def _described(self) -> str:
        try:  # the end of the output comes a moment before the exit code
            code: int | None = self._process.wait(0.5 if self._ended else 0)
        except subprocess.TimeoutExpired:
            code = None
        state = "still running" if code is None else f"ended with {code}"
        bar = "+" + "-" * self.columns_count + "+"
        cursor = "hidden" if self.cursor is None else f"at {self.cursor}"
        framed = "\n".join(f"|{line}|" for line in self.lines())
        return f"the program is {state}, {len(self._seen)} bytes seen, cursor {cursor}\n{bar}\n{framed}\n{bar}"

    def exit(self, timeout: float = 10) -> int:
        """Wait for the program to end by itself and for its last output; returns its code, negative for a signal.

        Raises:
            AssertionError: it still runs after `timeout` seconds.
        """
        self._wait(lambda: self._process.poll() is not None, timeout, "no exit", screen_only=False)
        # The reader comes to its end by itself, unless a child of the program still holds the terminal.
        over_at = time.perf_counter()
        with self._changed:
            while not self._ended and time.perf_counter() - max(over_at, self.last_output_at) < DRAINED_S:
                self._changed.wait(DRAINED_S / 4)
        return self._process.returncode

    # What the person does

    def write(self, data: bytes | str) -> None:
        """Send input in one write; only where the terminal's queue is full does the rest follow."""
        left = data.encode() if isinstance(data, str) else bytes(data)
        if self._master is None:
            raise AssertionError("the terminal has been hung up")
        poll, until = select.poll(), time.monotonic() + 10
        poll.register(self._master, select.POLLOUT)
        while left:
            try:
                left = left[os.write(self._master, left) :]
            except BlockingIOError:
                if time.monotonic() > until:
                    raise AssertionError(f"the program does not read its input; {self._described()}") from None
                poll.poll(100)

    def _key(self, data: bytes, gap: float) -> None:
        """Send one key, `gap` seconds or more after the one before."""
        pause = self._key_at + max(gap, self._key_rest) - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        self.write(data)
        self._key_at, self._key_rest = time.monotonic(), ESCAPE_GAP_S if data == b"\x1b" else 0.0

    def type(self, text: str, gap_s: float = 0.012) -> float:
        """Send characters one at a time, `gap_s` seconds apart, as a scanner or a fast typist; a newline is Enter.

        Returns the longest time between two of them in seconds: longer than asked for where this process stood still.
        """
        longest, before = 0.0, math.inf
        for number, char in enumerate(text.replace("\n", "\r")):
            self._key(char.encode(), gap_s if number else max(gap_s, PRESS_GAP_S))
            longest, before = max(longest, time.monotonic() - before), time.monotonic()
        return longest

    def pause(self, seconds: float) -> None:
        """Keep the hands off the keys, as part of the rhythm in which they are pressed."""
        time.sleep(seconds)

    def press(self, *names: str, gap_s: float = PRESS_GAP_S) -> None:
        """Press keys one after the other, `gap_s` seconds apart (longer after Esc); see `key_bytes` for names."""
        for name in names:
            self._key(key_bytes(name, application=1 in self.private_modes), gap_s)

    def _set_size(self) -> None:
        assert self._master is not None
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows_count, self.columns_count, 0, 0))

    def resize(self, rows: int, columns: int) -> None:
        """Give the window another size, in cells; the kernel tells the program."""
        with self._changed:
            self.rows_count, self.columns_count = rows, columns
            self._emulator.screen.resize(rows, columns)
            self._changes += 1
            self._set_size()

    def signal(self, number: int) -> None:
        """Send the program a signal from outside; Ctrl-C at the keyboard is `press("ctrl+c")`."""
        self._process.send_signal(number)

    # The end

    def _let_go(self) -> None:
        """Stop reading and close our side of the terminal."""
        if self._thread is not None:
            os.write(self._wake_write, b".")
            self._thread.join()
            self._thread = None
            os.close(self._wake_read)
            os.close(self._wake_write)
        if self._master is not None:
            os.close(self._master)
            self._master = None
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def hangup(self) -> None:
        """Close the terminal under the program, as a cut line or a closed window does; the kernel sends SIGHUP."""
        self._let_go()

    def processes(self) -> list[int]:
        """Who still runs of what was started here, however far removed, the program itself included."""
        return [pid for pid in _marked(self._mark) if pid != os.getpid()]

    def close(self) -> None:
        """Kill whatever was started here and still runs, and give everything back; may be called twice."""
        until = time.monotonic() + 10
        while True:
            if self._process.poll() is None:
                self._process.kill()
            left = self.processes()
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if not left and self._process.poll() is not None:
                break
            if time.monotonic() > until:
                self._let_go()
                raise AssertionError(f"these would not die: {left}")
            time.sleep(0.01)
        self._let_go()


def _marked(mark: str) -> Iterable[int]:
    """Processes that inherited a variable: found even where they left the session or lost their parents.

    Only Linux shows it. Elsewhere the program alone is killed, and its session by the hang-up that follows.
    """
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)
        except OSError:  # gone meanwhile, or another user's
            pass


def _named(wanted: Wanted) -> str:
    if isinstance(wanted, re.Pattern):
        return f"pattern {wanted.pattern!r}"
    return repr(wanted)
