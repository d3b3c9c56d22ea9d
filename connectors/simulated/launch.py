"""Start a twin as a child process and talk to its back door; used by the demo and by tests."""

import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from connectors.simulated.faults import OneShot


class TwinFailed(RuntimeError):
    """The twin did not start, or its back door refused; the message says why."""


class Twin:
    """A running twin. Use it as a context manager (plain or async), or call `close`; it dies with its parent anyhow.

    `kind` names it as on the command line: `woocommerce`, `carrier`, …, or the dotted module of a twin elsewhere.
    Keyword options become command-line options: `Twin("woocommerce", orders=50, plain=True, https=True,
    status=["packed"])`.
    """

    def __init__(self, kind: str, **options: object) -> None:
        argv = [sys.executable, "-P", "-m", "connectors.simulated", kind]
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            if value is True:
                argv.append(flag)
            elif isinstance(value, list | tuple):
                argv += [word for one in value for word in (flag, str(one))]
            elif value is not False and value is not None:
                argv.append(f"{flag}={value}")
        # A process group of its own: an interrupt in the terminal stops the parent, which then closes the twin.
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise TwinFailed(f"the twin {kind} ended with code {self._process.wait()} before it was ready")
        self.hello: Mapping[str, Any] = json.loads(line)

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
        parts = urlsplit(self.url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.hello["cafile"])
            connection = http.client.HTTPSConnection(parts.netloc, timeout=60, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        try:
            connection.request(method, f"/_twin/{path.removeprefix('/_twin/')}", json.dumps(body) if body else None)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise TwinFailed(f"{method} {path}: {answer.status} {text[:300].decode('utf-8', 'replace')}")
        return json.loads(text)

    def fail_next(self, kind: str, method: str = "", path: str = "", times: int = 1, skip: int = 0) -> None:
        """The next matching requests meet this fault."""
        shot = OneShot(kind, method, path, times, skip)
        self.admin("POST", "faults", {"next": [{name: getattr(shot, name) for name in shot.__struct_fields__}]})

    def close(self) -> None:
        """End the process: its stdin closes, and it gets a few seconds before it is killed."""
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
