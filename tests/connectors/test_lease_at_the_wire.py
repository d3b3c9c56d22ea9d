"""A write is stopped at the last moment at which it certainly has not acted: before its head, and before its body."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from connectors.http import HttpClient, WireError
from domain.results import NotActed


class Heard:
    """A server that keeps what it hears and answers a whole request."""

    def __init__(self) -> None:
        self.bytes = b""
        self.ended = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self._whole() and (part := await reader.read(65536)):
            self.bytes += part
        if self._whole():
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        writer.close()
        self.ended.set()

    def _whole(self) -> bool:
        head, gap, body = self.bytes.partition(b"\r\n\r\n")
        return bool(gap) and (b"content-length: 0" in head.lower() or b'"note"' in body)


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    made = Heard()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made


async def a_write(heard: Heard, answers: list[bool], json: object = None) -> object:
    """Send a write while the lease is asked about so often with these answers; what it came to."""
    http = HttpClient(heard.url)
    left = iter(answers)
    http.may_send = lambda: next(left)
    try:
        return (await http.call("POST", "/orders/1/notes", json=json, content=None if json else b"")).status
    except WireError as error:
        return error.outcome
    finally:
        await http.aclose()
        assert next(left, None) is None, "the lease was not asked about as often as that"


@pytest.mark.parametrize("answers", [[False], [True, False], [True, True, False]])
async def test_a_lease_lost_at_any_moment_before_the_body_leaves_nothing_to_act_on(
    heard: Heard, answers: list[bool]
) -> None:
    outcome = await a_write(heard, answers, {"note": "SIM0000000077"})
    assert isinstance(outcome, NotActed)
    assert outcome.code == "lease_lost"
    if len(answers) > 1:
        await asyncio.wait_for(heard.ended.wait(), 5)
    assert b"SIM0000000077" not in heard.bytes


async def test_what_has_a_body_is_asked_about_three_times_and_what_has_none_twice(heard: Heard) -> None:
    # Without a body the head alone acts: from there on it must not be called unsent any more.
    assert await a_write(heard, [True, True]) == 200
    heard.bytes = b""
    assert await a_write(heard, [True, True, True], {"note": "x"}) == 200
