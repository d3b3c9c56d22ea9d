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
from collections.abc import Callable
from pathlib import Path

from domain.clock import SECOND, Clock, Instant
from store.place import Place, private_directory

LOOK_S = 2.0
"""How often the console looks for a living worker."""
FROZEN_MS = 20 * SECOND
"""A child that has not said anything for so long is frozen: it is killed, and another one started."""
START_MS = 15 * SECOND
"""A child that was just started gets so long for its first word."""


class Keeper:
    """The console's own worker, where it needs one."""

    def __init__(self, place: Place, clock: Clock, say: Callable[[str], None]) -> None:
        self._place, self._clock, self._say = place, clock, say
        self._child: subprocess.Popen[bytes] | None = None
        self._started: Instant = 0
        self.deaths = 0
        """How often a child of ours has died or been given up."""

    @property
    def child_alive(self) -> bool:
        """Does our own worker run?"""
        return self._child is not None and self._child.poll() is None

    def look(self, beat_at: Instant | None) -> str:
        """Look after the worker, knowing the newest heartbeat of any: '' or what was found (`died`, `frozen`, `started`)."""
        now = self._clock()
        lives = beat_at is not None and now - beat_at < FROZEN_MS
        if self._child is not None and self._child.poll() is not None:
            self._child = None
            self.deaths += 1
            self.start()
            return "died"
        if self._child is not None and not lives and now - self._started > max(START_MS, FROZEN_MS):
            self._kill()
            self.deaths += 1
            self.start()
            return "frozen"
        if self._child is None and not lives:
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
                [sys.executable, "-P", "-m", "console.cli", "worker", "--until-stdin-closes", "--nice", "10"],
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
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(OSError):
            os.kill(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdin is not None:
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
