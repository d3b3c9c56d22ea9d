"""A process that forks workers and commands which kill or stop themselves at a named step.

Everything is imported once; each run is a fork, so that it costs milliseconds. It reads JSON lines and answers each with
one: `{"run": what, "at": [step, nth, "kill"|"stop"|""], …}` says how the run ended or that it stands still;
`{"go": pid, "signal": n}` sends it a signal (to go on, or to end), and says how it ended then.
"""

import asyncio
import importlib
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from connectors import http, registry
from domain.clock import Instant, now
from pipeline.base import Pipeline
from pipeline.commands import run
from pipeline.steps import Steps
from pipeline.worker import Worker
from store.place import find
from tests.matrix import print_service


class FileClock:
    """The machine's clock plus the milliseconds that stand in a file: time that another process lets pass."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self) -> Instant:
        return now() + int(self._file.read_text() or 0)


async def _work(task: dict[str, Any]) -> None:
    clock = FileClock(Path(task["clock"]))
    p = await Pipeline.open(find(task["database"], Path(task["key_file"])), clock, worker=True)
    if task["run"] == "worker":
        await Worker(p).tick_once()
    else:
        report = await run(p, task["run"], task["ids"], task["arguments"], "anna")
        assert not report.refused, report.refused
    await p.aclose()


def _child(task: dict[str, Any], steps: int) -> None:
    wanted, nth, how = task["at"]
    passed: Counter[str] = Counter()

    def hook(name: str) -> None:
        passed[name] += 1
        os.write(steps, f"{name}\n".encode())
        if how and name == wanted and passed[name] == nth:
            os.kill(os.getpid(), signal.SIGKILL if how == "kill" else signal.SIGSTOP)

    Steps.hook = hook
    sys.stderr = open(task["log"], "a")  # noqa: SIM115 - for the life of the process
    try:
        asyncio.run(_work(task))
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(3)
    os._exit(0)


def _how(status: int) -> str:
    if os.WIFSTOPPED(status):
        return "stopped"
    return "killed" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}"


LATE = ("aiosqlite", "anyio._backends._asyncio", "asyncpg", "h11", "httpcore", "sniffio")
"""What libraries import when they are first used."""


def _warm() -> None:
    """Load once what every fork would load for itself; no loop, thread or connection comes of it."""
    for name in LATE:
        importlib.import_module(name)
    for dialect in ("sqlite.aiosqlite", "postgresql.asyncpg"):
        importlib.import_module(f"sqlalchemy.dialects.{dialect}")
    registry.shop("woocommerce")
    registry.carrier("simulated")
    registry.carrier("pool")
    # The authorities that twins on loopback are met with; reading them costs more than a whole run.
    http._authorities(False, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


def main() -> None:
    """Serve until standard input closes."""
    print_service.install()
    _warm()
    pipes: dict[int, int] = {}
    for line in sys.stdin:
        task = json.loads(line)
        if "go" in task:
            pid = task["go"]
            os.kill(pid, task["signal"])
        else:
            reading, writing = os.pipe()
            os.set_blocking(writing, False)
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                _child(task, writing)
            os.close(writing)
            pipes[pid] = reading
        _pid, status = os.waitpid(pid, os.WUNTRACED)
        steps: list[str] = []
        if not os.WIFSTOPPED(status):
            with os.fdopen(pipes.pop(pid)) as told:
                steps = told.read().split()
        sys.stdout.write(json.dumps({"pid": pid, "end": _how(status), "steps": steps}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
