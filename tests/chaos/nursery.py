"""Workers and operators as processes that begin within milliseconds: one process imports everything and forks the others.

Reads JSON lines, `{"run": "worker"|"operator", "arguments": […], "log": FILE}`, and answers each with the child's process
id. When standard input closes, all of them are killed.
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Nursery:
    """The other end: starts it, and children through it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, cwd=ROOT, start_new_session=True, text=True,
        )  # fmt: skip

    def start(self, run: str, arguments: list[Any], log: Path) -> int:
        """Start a child; its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"run": run, "arguments": arguments, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it and whoever it has started."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def lives(pid: int) -> bool:
    """Is that child still there? Nobody stays a zombie here."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Actor:
    """One of the day's processes: killed, frozen, and started again under the same name."""

    def __init__(self, nursery: Nursery, run: str, name: str, arguments: list[Any], log: Path) -> None:
        self.kind, self.name = run, name
        self._nursery, self._arguments, self._log = nursery, arguments, log
        self.pid = 0
        self.life = 0
        self.frozen = False

    def start(self) -> None:
        self.life += 1
        self.pid = self._nursery.start(self.kind, [*self._arguments, self.life], self._log)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.frozen = False
        while lives(self.pid):
            time.sleep(0.001)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)
        self.frozen = False

    def ask_to_end(self) -> None:
        if self.frozen:
            self.thaw()
        os.kill(self.pid, signal.SIGTERM)


def _child(run: str, arguments: list[Any], log: str) -> int:
    from tests.chaos import operator, worker

    out = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.dup2(out, 2)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return {"worker": worker.work, "operator": operator.work}[run](*arguments)


def main() -> None:
    import pipeline.worker
    from tests.chaos import operator

    assert pipeline.worker
    assert operator
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children: list[int] = []
    # Not by `sys.stdin`: a child must not inherit what was read ahead.
    with os.fdopen(os.dup(0), buffering=1) as asked:
        for line in iter(asked.readline, ""):
            task = json.loads(line)
            pid = os.fork()
            if pid == 0:
                code = 3
                try:
                    code = _child(task["run"], task["arguments"], task["log"])
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            children.append(pid)
            sys.stdout.write(f"{pid}\n")
            sys.stdout.flush()
    for pid in children:
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
