"""Keeps a worker alive beside the console: starts one where none lives, notices a dead or frozen one, and lets go in peace.

The child's standard input is the line between the two. It closes when the console ends, however it ends; the worker
then finishes the jobs it has and stops. One word beforehand says otherwise: `go on` or `stop`.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from domain.clock import SECOND, Clock, Instant
from store.place import Place, private_directory

LOOK_S = 2.0
"""How often the console looks for a living worker."""
FROZEN_MS = 20 * SECOND
"""A child that has not said anything for so long is frozen: it is killed, and another one started."""
START_MS = 15 * SECOND
"""A child that was just started gets so long for its first word; one that dies sooner is started again after a pause."""
PAUSE_MS, LONGEST_PAUSE_MS = SECOND, 60 * SECOND
"""The pause before a child that keeps dying at its start is tried again; it doubles."""
COMMAND = (sys.executable, "-P", "-m", "console.cli", "worker", "--until-stdin-closes", "--nice", "10")
"""A worker of ours."""


class Keeper:
    """The console's own worker, where it needs one."""

    def __init__(
        self, place: Place, clock: Clock, say: Callable[[str], None], command: Sequence[str] = COMMAND
    ) -> None:
        self._place, self._clock, self._say, self._command = place, clock, say, command
        self._child: subprocess.Popen[bytes] | None = None
        self._started: Instant = 0
        self._not_before: Instant = 0
        self._stillborn = 0
        """How many children in a row have died at their start."""
        self.deaths = 0
        """How often a child of ours has died or been given up."""

    @property
    def child_alive(self) -> bool:
        """Does our own worker run?"""
        return self._child is not None and self._child.poll() is None

    def look(self, beat_at: Instant | None) -> str:
        """Look after the worker, knowing the newest heartbeat of any: '' or what was found (`died`, `frozen`, `started`).

        A beat of the future is one by a clock that was put back since: no sign of life.
        """
        now = self._clock()
        lives = beat_at is not None and abs(now - beat_at) < FROZEN_MS
        if self._child is not None and self._child.poll() is not None:
            self._bury()
            self.deaths += 1
            self._stillborn = self._stillborn + 1 if now - self._started < START_MS else 0
            if self._stillborn > 1:
                self._not_before = now + min(LONGEST_PAUSE_MS, PAUSE_MS << min(self._stillborn, 10))
            else:
                self.start()
            return "died"
        if self._child is not None and not lives and now - self._started > max(START_MS, FROZEN_MS):
            self._kill()
            self.deaths += 1
            self.start()
            return "frozen"
        if self._child is None and now >= self._not_before and not lives:
            self.start()
            return "started"
        return ""

    def start(self) -> None:
        """Start a worker of our own, niced, in a session of its own so that Ctrl-C in the terminal does not reach it."""
        env = {**os.environ}
        # The address may hold a password: it travels in the environment, never in an argument.
        env["SHIPDECK_DB"] = self._place.url or str(self._place.file)
        env["SHIPDECK_KEY_FILE"] = str(self._place.key_file)
        log: int | None = None
        try:
            if self._place.file is not None:
                folder = private_directory(self._place.file.parent)
                log = os.open(folder / "worker.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log if log is not None else subprocess.DEVNULL,
                env=env,
                start_new_session=True,
                cwd=Path.home() if Path.home().is_dir() else "/",
            )
            self._started = self._clock()
        except OSError as error:
            self._child = None
            self._say(error.strerror or type(error).__name__)
        finally:
            if log is not None:
                os.close(log)

    def _kill(self) -> None:
        if self._child is not None:
            with contextlib.suppress(OSError):
                os.kill(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._bury()

    def _bury(self) -> None:
        """Forget a child that has ended."""
        child, self._child = self._child, None
        if child is not None and child.stdin is not None:
            with contextlib.suppress(OSError):
                child.stdin.close()

    def _word(self, word: bytes) -> None:
        child = self._child
        if child is None or child.stdin is None or child.stdin.closed:
            return
        with contextlib.suppress(OSError):
            child.stdin.write(word)
            child.stdin.flush()
        with contextlib.suppress(OSError):
            child.stdin.close()

    def leave_running(self) -> None:
        """The worker goes on without us."""
        self._word(b"go on\n")

    def finish(self) -> None:
        """The worker finishes its jobs, then stops."""
        self._word(b"")

    def stop(self) -> None:
        """The worker settles only what is in hand this moment, then stops."""
        self._word(b"stop\n")

    async def ended(self, patience_s: float) -> bool:
        """Wait for our worker to end; False when it has not within that time."""
        if self._child is None:
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self._child.wait), patience_s)
        return self._child.poll() is not None
