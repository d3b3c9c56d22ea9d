"""Webhooks: a platform's word that something changed, taken as nothing more than "read this shop's orders soon".

Off unless `SHIPDECK_WEBHOOKS` names an address (`127.0.0.1:8787`) that a worker of this machine listens on. A message is
POSTed to `/shop/NAME`; its shop's connector says whether the shop sent it, and what it says is not looked at. Nothing
depends on it: the shop is polled as before, and what is lost here is read then. TLS is the business of the web server
that hands the messages over.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Mapping
from typing import Protocol, runtime_checkable
from urllib.parse import unquote

from connectors.registry import NoConnector
from domain.clock import MINUTE, Instant
from pipeline.base import Pipeline
from store import accounts
from store.sealing import KeyMissing, WrongKey

log = logging.getLogger("shipdeck.webhooks")

VARIABLE = "SHIPDECK_WEBHOOKS"
MAX_HEAD, MAX_BODY = 16 * 1024, 1024 * 1024
"""Bytes. WooCommerce sends a whole order; one beyond this is left to polling."""
MAX_OPEN = 32
"""Connections at a time; more are turned away."""
PATIENCE_S = 10.0
"""For a whole message: who trickles it is cut off."""
GATHER_S, GAP_S = 1.0, 10.0
"""Messages that come together are one reading, and a shop is read at most so often for them."""
BIND_AGAIN_S = 30.0
FORGET_MS = 5 * MINUTE
"""A shop that was not read by then (it is paused, say) is left to its own times."""
_WORDS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}
_WORDS |= {411: "Length Required", 413: "Content Too Large", 431: "Header Fields Too Large", 503: "Unavailable"}


@runtime_checkable
class Wakeable(Protocol):
    """What a shop's connector has besides where its platform signs webhooks."""

    def wakes(self, headers: Mapping[str, str], body: bytes) -> bool | None:
        """Did the shop send this? None: it carries neither news nor a signature (a ping). Header names are lower case."""


class _Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Wakeups:
    """Takes messages and hurries the orders of the shops that sent them."""

    def __init__(self, p: Pipeline, *, gather_s: float = GATHER_S, gap_s: float = GAP_S) -> None:
        self._p, self._gather_s, self._gap_s = p, gather_s, gap_s
        self._open = 0
        self.asked: dict[int, Instant] = {}
        """Shop → when its reading was asked for; 0 = to be asked for."""
        self._news = asyncio.Event()

    # -------------------------------------------------------------- hearing

    async def serve(self, host: str, port: int) -> None:
        """Listen for ever; while the address is taken (by another worker of this machine), try again now and then."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hurry_for_ever())
            while True:
                try:
                    server = await asyncio.start_server(self.answer, host, port, limit=MAX_HEAD)
                except OSError as error:
                    log.warning("no webhooks: %s:%d cannot be listened on (%s)", host, port, error.strerror)
                    await asyncio.sleep(BIND_AGAIN_S)
                    continue
                log.info("webhooks are taken on %s:%d", host, port)
                async with server:
                    await server.serve_forever()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one message of one connection, and answer by a status alone."""
        self._open += 1
        status = 400
        try:
            if self._open > MAX_OPEN:
                raise _Refused(503)
            async with asyncio.timeout(PATIENCE_S):
                await self._take(reader, writer)
            status = 200
        except _Refused as refused:
            status = refused.status
        except asyncio.LimitOverrunError:
            status = 431
        except asyncio.CancelledError:
            status = 503  # The worker stops; nobody waits for this task.
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError, ValueError):
            pass
        except (KeyMissing, WrongKey, NoConnector) as error:
            log.error("webhook: %s", error)
            status = 503
        except Exception:
            # A defect of ours ends this message only; the shop is polled anyway.
            log.exception("a webhook failed in our own code")
            status = 503
        finally:
            self._open -= 1
            with contextlib.suppress(OSError, TimeoutError):
                writer.write(
                    f"HTTP/1.1 {status} {_WORDS[status]}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
                )
                async with asyncio.timeout(PATIENCE_S):
                    await writer.drain()
            writer.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _version = first.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _sep, value in (one.partition(":") for one in lines)}
        name = unquote(target.partition("?")[0]).removeprefix("/shop/")
        if not name or not target.startswith("/shop/"):
            raise _Refused(404)
        if method != "POST":
            raise _Refused(405)
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal()) or len(length) > 12:
            raise _Refused(411)
        if int(length) > MAX_BODY:
            raise _Refused(413)
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await self._heard(name, headers, await reader.readexactly(int(length)))

    async def _heard(self, name: str, headers: Mapping[str, str], body: bytes) -> None:
        async with self._p.store.reading() as tx:
            row = await accounts.shop_named(tx, name)
        if row is None or not row.bound:
            raise _Refused(404)
        connector = await self._p.shop(row.id)
        if not isinstance(connector, Wakeable):
            raise _Refused(404)
        sent = connector.wakes(headers, body)
        if sent is False:
            log.warning("a webhook for %s was not signed with its secret", row.name)
            raise _Refused(401)
        if sent:
            self.asked[row.id] = 0
            self._news.set()

    # -------------------------------------------------------------- hurrying

    async def hurry_for_ever(self) -> None:
        """Ask for the shops' orders until each was read from after its message on: a reading under way may have passed
        by what changed.
        """
        while True:
            await self._news.wait()
            await asyncio.sleep(self._gather_s)
            self._news.clear()
            try:
                await self._hurry()
            except Exception:
                log.exception("webhooks could not be passed on")
            await asyncio.sleep(self._gap_s)
            if self.asked:
                self._news.set()

    async def _hurry(self) -> None:
        async with self._p.store.transaction() as tx:
            for shop_id, asked_at in list(self.asked.items()):
                account = f"shop:{shop_id}"
                task = await accounts.task(tx, account, "orders")
                read = asked_at and task is not None and (task.started_at or 0) >= asked_at
                if task is None or read or (asked_at and tx.now - asked_at > FORGET_MS):
                    del self.asked[shop_id]
                    continue
                self.asked[shop_id] = asked_at or tx.now
                await accounts.hurry(tx, account, "orders")


@contextlib.asynccontextmanager
async def listening(p: Pipeline) -> AsyncIterator[None]:
    """Take webhooks while the block runs, where this machine's environment says on which address."""
    host, _sep, port = os.environ.get(VARIABLE, "").rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 65536):
        if host or port:
            log.error("%s must be like 127.0.0.1:8787; no webhooks are taken", VARIABLE)
        yield
        return
    task = asyncio.create_task(Wakeups(p).serve(host.strip("[]"), int(port)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=1)  # Who still holds a connection open keeps no worker from stopping.
