"""Keys pressed from outside through a pseudo-terminal, timed to the last byte of the answer, and what they cost.

The bytes of an answer are stamped when they arrive, by a thread that does nothing else, and fed to the emulated screen by
another, so that the emulator's own work (it is slow) stands in no figure. Wall is moved by whoever else uses
the machine; CPU is the program's own.
"""

import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from bench.data import environment
from bench.harness import check, cpu_ms, median, p
from store.place import Place
from tests.console.terminal import Terminal, key_bytes

ROWS, COLUMNS = 40, 140
QUIET_S = 0.06
"""Without output for so long, an answer is complete."""
IDLE_S = 0.02
"""Without output for so long, what has come is drawn on the emulated screen."""
CONSOLE = (sys.executable, "-P", "-m", "console.cli")


class Stamp(Struct, frozen=True):
    """When bytes arrived (`perf_counter`), and the program's CPU until then in ms."""

    at: float
    cpu: float


class Stopwatch(Terminal):
    """A terminal that stamps what arrives before it looks at it."""

    def __init__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
    ) -> None:
        # Whoever stamps must not wait for whoever draws: the default lets the latter go on for 5 ms.
        sys.setswitchinterval(0.0002)
        self._late: deque[tuple[Stamp, bytes]] = deque()
        self._come = threading.Event()
        self._question = self._over = False
        self.arrived = 0
        """Bytes so far, those not drawn yet included."""
        self.wanted: Callable[[Terminal], object] | None = None
        self.met: Stamp | None = None
        """When the bytes came with which `wanted` was first on the screen."""
        super().__init__(argv, rows=ROWS, columns=COLUMNS, env=env, cwd=cwd)

    def _read(self) -> None:
        assert self._master is not None
        master, poll = self._master, select.poll()
        poll.register(master, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        drawing = threading.Thread(target=self._draw_all, name=f"screen {self.pid}", daemon=True)
        drawing.start()
        data = b"."
        while data and self._wake_read not in dict(poll.poll()):
            try:
                data = os.read(master, 65536)
            except OSError:
                data = b""
            stamp = Stamp(time.perf_counter(), cpu_ms(self.pid))
            if data:
                self.last_output_at = stamp.at
                self.arrived += len(data)
                self._late.append((stamp, data))
            # A question is answered at once.
            self._question = self._question or any(q in data for q in (b"\x1b[?2026$p", b"\x1b[6n", b"\x1b[c"))
            self._come.set()
        self._over = True
        self._come.set()
        drawing.join()
        if not data:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _draw_all(self) -> None:
        """The drawing thread: the screen as it is once nothing more comes for a moment."""
        while not self._over:
            self._come.wait(IDLE_S if self._emulator.in_frame else None)
            self._come.clear()
            while not (self._question or self._over) and time.perf_counter() - self.last_output_at < IDLE_S:
                time.sleep(0.002)
            self._question = False
            self._draw()

    def _draw(self) -> None:
        answer = b""
        with self._changed:
            if not self._late and self._emulator.in_frame:
                answer += self._emulator.flush()
            while self._late:
                stamp, data = self._late.popleft()
                self._seen += data
                answer += self._emulator.feed(data)
                self._changes += 1
                if self.wanted is not None and self.met is None and not self._emulator.in_frame and self.wanted(self):
                    self.met = stamp
            self._changes += 1
            self._changed.notify_all()
        if answer and self._master is not None:
            try:
                os.write(self._master, answer)
            except OSError:
                pass

    def settle(self, quiet_s: float = QUIET_S, timeout: float = 10.0) -> None:
        """Wait until nothing has come for so long and all of it is drawn."""
        until = time.monotonic() + timeout
        while time.perf_counter() - self.last_output_at < quiet_s or self._late:
            check(time.monotonic() < until, "the program never falls quiet")
            time.sleep(0.005)

    def settled_after(self, rest_s: float) -> "Answer":
        """Wait so long and until all is quiet; what that cost."""
        first, before, at = cpu_ms(self.pid), self.arrived, time.perf_counter()
        time.sleep(rest_s)
        self.settle()
        spent, wall = cpu_ms(self.pid) - first, (self.last_output_at - at) * 1000
        return Answer(wall, spent, wall, spent, self.arrived - before)

    def until(self, wanted: Callable[[Terminal], object], patience_s: float = 20.0) -> Stamp:
        """Wait until something is on the screen; the stamp of the bytes with which it came, of now where it stood there."""
        with self._changed:
            self.wanted, self.met = wanted, None
            if wanted(self):
                self.met = Stamp(time.perf_counter(), cpu_ms(self.pid))
        until = time.monotonic() + patience_s
        while self.met is None:
            if time.monotonic() > until:
                raise AssertionError(f"not seen; {self._described()}")
            time.sleep(0.005)
        return self.met

    def key(self, name: str, wanted: Callable[[Terminal], object], *, patience_s: float = 20.0) -> "Answer":
        """Press one key; its answer counts when `wanted` has come true on the screen and the program is quiet."""
        self.settle()
        with self._changed:
            self.wanted, self.met = wanted, None
        before, first, at = self.arrived, cpu_ms(self.pid), time.perf_counter()
        self.write(key_bytes(name, application=1 in self.private_modes))
        until = time.monotonic() + patience_s
        while self.met is None:
            if time.monotonic() > until:
                raise AssertionError(f"{name}: not seen; {self._described()}")
            time.sleep(0.002)
        while time.perf_counter() - self.last_output_at < QUIET_S:
            time.sleep(0.005)
        last, spent = self.last_output_at, cpu_ms(self.pid)
        self.settle()
        return Answer(
            wall=(last - at) * 1000,
            cpu=spent - first,
            shown_wall=(self.met.at - at) * 1000,
            shown_cpu=self.met.cpu - first,
            bytes=self.arrived - before,
        )


class Answer(Struct, frozen=True):
    """What one key cost: ms to the last byte and until what was wanted stood on the screen, by wall and by CPU."""

    wall: float
    cpu: float
    shown_wall: float
    shown_cpu: float
    bytes: int


class Series(Struct):
    """The answers to many keys."""

    answers: list[Answer]

    def cpu(self, share: float = 0.5) -> float:
        """CPU of a key, to its last byte, that so many do not exceed."""
        return p([a.cpu for a in self.answers], share)

    def shown(self, share: float = 0.5) -> float:
        """CPU until what was wanted stood there."""
        return p([a.shown_cpu for a in self.answers], share)

    def wall(self, share: float = 0.5) -> float:
        """Wall of a key, to its last byte."""
        return p([a.wall for a in self.answers], share)

    def bytes(self) -> float:
        """Bytes of a usual answer."""
        return median([a.bytes for a in self.answers])


def console(place: Place, folder: Path) -> Stopwatch:
    """The console over a database, in a terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    return Stopwatch(CONSOLE, environment(place, folder))


def ready(terminal: Stopwatch, code: str, rest_s: float = 2.0) -> None:
    """Wait until a row stands there and, for so long, until the console has ended what it does after its start."""
    terminal.wait_for(code, timeout=30)
    terminal.wait_for("anna", timeout=30)
    time.sleep(rest_s)
    terminal.settle(0.15, timeout=20)


def cursor_on(code: str) -> Callable[[Terminal], bool]:
    """Is the list's cursor on the row of this shipment? Its column holds seven characters: of longer codes the last."""

    def there(terminal: Terminal) -> bool:
        return any(line.startswith(">") and f" {code[-7:]} " in line[:20] for line in terminal.lines())

    return there
