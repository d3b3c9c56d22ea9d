"""Start a twin as a child process and talk to its back door; used by the demo and by tests."""

import http.client
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from connectors.simulated.faults import OneShot


class TwinFailed(RuntimeError):
    """The twin did not start, or its back door refused; the message says why."""


def _words(options: Mapping[str, object]) -> list[str]:
    """Options as on the command line."""
    words: list[str] = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif isinstance(value, list | tuple):
            words += [word for one in value for word in (flag, str(one))]
        elif value is not False and value is not None:
            words.append(f"{flag}={value}")
    return words


class Twin:
    """A running twin. Use it as a context manager (plain or async), or call `close`; it dies with its parent anyhow.

    `kind` names it as on the command line: `woocommerce`, `carrier`, …, or the dotted module of a twin elsewhere.
    Keyword options become command-line options: `Twin("woocommerce", orders=50, plain=True, https=True,
    status=["packed"])`.
    """

    def __init__(self, kind: str, **options: object) -> None:
        self._begin(["-P", "-m", "connectors.simulated", kind, *_words(options)])

    def _begin(self, words: Sequence[str], folder: Path | None = None) -> None:
        """Start Python with these words, and wait for its first line."""
        # A process group of its own: an interrupt in the terminal stops the parent, which then closes the twin.
        self._process = subprocess.Popen(
            [sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, cwd=folder
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise TwinFailed(f"{' '.join(words)} ended with code {self._process.wait()} before it was ready")
        self.hello: Mapping[str, Any] = json.loads(line)
        # One connection, kept open: tests ask a thousand times.
        self._connection: http.client.HTTPConnection | None = None
        self._asking = threading.Lock()
        self.lives = 1
        """How often it has begun: state that a test keeps beside a twin belongs to one life of it."""

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        return str(self.hello["url"])

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Ask the back door; `path` is what stands behind `/_twin/`. Raises `TwinFailed` when it refuses."""
        with self._asking:
            if self._connection is None:
                self._connection = self._open()
            try:
                target = f"/_twin/{path.removeprefix('/_twin/')}"
                self._connection.request(method, target, json.dumps(body) if body else None)
                answer = self._connection.getresponse()
                text = answer.read()
            except BaseException:
                self._hang_up()
                raise
        if answer.status != 200:
            raise TwinFailed(f"{method} {path}: {answer.status} {text[:300].decode('utf-8', 'replace')}")
        return json.loads(text)

    def _open(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.hello["cafile"])
            return http.client.HTTPSConnection(parts.netloc, timeout=60, context=context)
        return http.client.HTTPConnection(parts.netloc, timeout=60)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def anew(self, **options: object) -> Self:
        """Be as if just started with these options, at the same address: a process and its imports cost half a second."""
        self.hello = {**self.hello, **self.admin("POST", "anew", {"options": _words(options)})}
        self.lives += 1
        return self

    def fail_next(self, kind: str, method: str = "", path: str = "", times: int = 1, skip: int = 0) -> None:
        """The next matching requests meet this fault."""
        shot = OneShot(kind, method, path, times, skip)
        self.admin("POST", "faults", {"next": [{name: getattr(shot, name) for name in shot.__struct_fields__}]})

    def close(self) -> None:
        """End the process: its stdin closes, and it gets a few seconds before it is killed."""
        self._hang_up()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()
