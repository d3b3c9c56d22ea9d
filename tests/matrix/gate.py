"""What stands between the worker and the wire in the matrix: time that can be skipped, calls that can be stopped."""

import asyncio
import os
import socket
import ssl
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from connectors.http import Answer, HttpClient
from domain.clock import Clock, Instant, now
from tests.matrix.cells import Shot


class Time:
    """The machine's clock plus whatever was skipped; who sleeps by it skips."""

    def __init__(self, file: Path | None = None) -> None:
        """`file`: where other processes read what was skipped."""
        self._file = file
        self._skip(0)

    def __call__(self) -> Instant:
        return now() + self.skipped

    def to(self, at: Instant) -> None:
        """Let it be `at` (never earlier than it is)."""
        if at - now() > self.skipped:
            self._skip(at - now())

    def reset(self) -> None:
        """Give back what was skipped."""
        self._skip(0)

    def _skip(self, ms: int) -> None:
        self.skipped = ms
        if self._file is not None:
            # Whole or not at all: another process may be reading.
            self._file.with_suffix(".new").write_text(str(ms))
            os.replace(self._file.with_suffix(".new"), self._file)

    async def sleep(self, seconds: float) -> None:
        """Wait by skipping."""
        self.to(self() + int(seconds * 1000) + 1)
        await asyncio.sleep(0)

    def shifted(self, ms: int) -> Clock:
        """The clock of a machine whose time is off."""
        return lambda: self() + ms


class Gate:
    """One worker's gate: refuses connections, or stops a call until it is let go."""

    def __init__(self) -> None:
        self.refuse: Shot | None = None
        self.freeze: tuple[str, Shot] | None = None
        self.struck: Counter[str] = Counter()
        self.stopped = asyncio.Event()
        self.go = asyncio.Event()
        with socket.socket() as nobody:
            # A port of our own where nothing listens.
            nobody.bind(("127.0.0.1", 0))
            self.closed_port: int = nobody.getsockname()[1]

    def client(self, *args: Any, **kwargs: Any) -> HttpClient:
        """In place of `HttpClient`: the same client, through this gate."""
        return _Client(self, *args, **kwargs)

    async def meet(self, when: str, method: str, target: str) -> None:
        """Stand still here, if that is what was asked for."""
        if self.freeze is None or self.freeze[0] != when or not matches(self.freeze[1], method, target):
            return
        if self.freeze[1].skip:
            shot = self.freeze[1]
            self.freeze = (when, Shot(shot.method, shot.path, shot.skip - 1))
            return
        self.freeze = None
        self.struck[f"frozen_{when}"] += 1
        self.stopped.set()
        await self.go.wait()

    def refuses(self, method: str, target: str) -> bool:
        """Is this call's connection to be refused?"""
        if self.refuse is None or not matches(self.refuse, method, target):
            return False
        if self.refuse.skip:
            self.refuse = Shot(self.refuse.method, self.refuse.path, self.refuse.skip - 1)
            return False
        self.struck["refused"] += 1
        if self.refuse.writes:
            self.refuse = None
        return True


def matches(shot: Shot, method: str, target: str) -> bool:
    """Is this one of the calls that a fault strikes?"""
    return shot.method == method and shot.path in target


class _Client(HttpClient):
    def __init__(self, gate: Gate, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, transport=_Wire(gate), **kwargs)
        self._gate = gate

    async def _once(self, method: str, path: str, params: Any, *rest: Any) -> Answer:
        await self._gate.meet("before", method, f"{path}?{urlencode(params)}" if params else path)
        return await super()._once(method, path, params, *rest)


NOBODY_S = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: twins speak plain HTTP, and to read every authority there is costs more than a whole cell."""


class _Wire(httpx.AsyncBaseTransport):
    """The real transport behind the gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._inner = httpx.AsyncHTTPTransport(verify=NOBODY_S, limits=httpx.Limits(max_keepalive_connections=8))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = request.url.raw_path.decode()
        if self._gate.refuses(request.method, target):
            request.url = request.url.copy_with(port=self._gate.closed_port)
        await self._gate.meet("sending", request.method, target)
        response = await self._inner.handle_async_request(request)
        await self._gate.meet("after", request.method, target)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()
