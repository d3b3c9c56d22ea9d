"""Webhooks: a signed word of the shop makes its orders read soon, anything else does nothing, and nothing depends on it."""

import asyncio
import base64
import hashlib
import hmac
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from connectors.simulated.launch import Twin
from pipeline import setup, webhooks
from pipeline.webhooks import MAX_BODY, MAX_HEAD, MAX_OPEN, Wakeups, listening
from pipeline.worker import Worker, serve
from tests.pipeline.conftest import Bench

SECRET = "a secret of the shop's webhooks"
LATER = 10_000_000_000_000


def signed(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def a_message(body: bytes, path: str = "/shop/PL-Woo", method: str = "POST", **headers: str) -> bytes:
    given = {"Content-Length": str(len(body)), "X-WC-Webhook-Signature": signed(body)}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Door:
    """The listener on loopback, quick to pass news on, beside a shop whose next reading is far away."""

    def __init__(self, world: Bench, port: int, wakeups: Wakeups | None = None) -> None:
        self.world, self.port = world, port
        self.wakeups = wakeups or Wakeups(world.p)

    async def say(self, message: bytes) -> int:
        """The status that a connection with these bytes gets; 0 for none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(message)
        try:
            said = await reader.read()
        except ConnectionError:  # Closed before our words were read.
            said = b""
        writer.close()
        return int(said.split(b" ", 2)[1]) if said else 0

    async def due(self) -> bool:
        """Are the shop's orders to be read now?"""
        return bool(
            await self.world.value(
                "SELECT due_at < :later FROM sync_task WHERE kind = 'orders' AND account = :a",
                later=LATER,
                a=f"shop:{self.world.shop_id}",
            )
        )


async def soon(true: Callable[[], Awaitable[Any]]) -> bool:
    """Does it become true? Looked at again and again, for five seconds at most."""
    for _ in range(500):
        if await true():
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.fixture
async def door(sqlite_world: Bench) -> AsyncIterator[Door]:
    p = sqlite_world.p
    await setup.set_shop(p, sqlite_world.shop_id, {}, {"webhook_secret": SECRET})
    async with p.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET due_at = :later", later=LATER)
    wakeups = Wakeups(p, gather_s=0, gap_s=0.02)
    server = await asyncio.start_server(wakeups.answer, "127.0.0.1", 0, limit=MAX_HEAD)
    hurrying = asyncio.create_task(wakeups.hurry_for_ever())
    yield Door(sqlite_world, server.sockets[0].getsockname()[1], wakeups)
    hurrying.cancel()
    server.close()


async def test_a_signed_message_makes_the_shops_orders_read_soon_whatever_it_says(door: Door) -> None:
    body = b'{"id": "nonsense", \xff this is no order'
    assert await door.say(a_message(body)) == 200
    assert await soon(door.due)


async def test_what_is_not_signed_with_the_secret_wakes_nobody(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    body = b'{"id":4711,"billing":{"phone":"600100200"}}'
    caplog.set_level(logging.DEBUG, "shipdeck")
    for signature in ("", signed(body, "another"), signed(body + b" "), signed(body)[:-1], "ąż", signed(body).lower()):
        assert await door.say(a_message(body, X_WC_Webhook_Signature=signature)) == 401, signature
    await setup.set_shop(door.world.p, door.world.shop_id, {}, {"webhook_secret": " "})
    assert await door.say(a_message(body, X_WC_Webhook_Signature=signed(body, ""))) == 401
    assert not door.wakeups.asked
    assert SECRET not in caplog.text
    assert "600100200" not in caplog.text


async def test_a_new_webhooks_ping_is_welcome_and_wakes_nobody(door: Door) -> None:
    assert await door.say(a_message(b"webhook_id=12", X_WC_Webhook_Signature="")) == 200
    assert await door.say(a_message(b"webhook_id=12&x=1", X_WC_Webhook_Signature="")) == 401
    assert not door.wakeups.asked


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (a_message(b"{}", path="/shop/Nobody"), 404),
        (a_message(b"{}", path="/shop/"), 404),
        (a_message(b"{}", path="/"), 404),
        (a_message(b"{}", path="/other/shop/PL-Woo"), 404),
        (a_message(b"", method="GET"), 405),
        (a_message(b"{}", Content_Length="2x"), 411),
        (a_message(b"{}", Content_Length=""), 411),
        (a_message(b"{}", Content_Length=str(MAX_BODY + 1)), 413),
        (a_message(b"{}", X_Long="x" * MAX_HEAD), 431),
        (b"\x16\x03\x01\x02\x00 a greeting of TLS\r\n\r\n", 400),
        (b"POST\r\n\r\n", 400),
    ],
)
async def test_what_is_no_message_for_a_shop_gets_its_status(door: Door, message: bytes, status: int) -> None:
    assert await door.say(message) == status
    assert not door.wakeups.asked


async def test_the_largest_message_is_taken_once_the_shop_was_told_to_go_on(door: Door) -> None:
    body = b"x" * MAX_BODY
    message = a_message(body, Expect="100-continue")
    head, _blank, rest = message.partition(b"\r\n\r\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(head + b"\r\n\r\n")
    assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
    writer.write(rest)
    assert b"200 OK" in await reader.read()
    writer.close()
    assert await soon(door.due)


async def test_who_trickles_is_cut_off_and_who_goes_away_is_forgotten(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PATIENCE_S", 0.05)
    assert await door.say(a_message(b"whole")[:-2]) == 400
    _reader, gone = await asyncio.open_connection("127.0.0.1", door.port)
    gone.write(b"POST /shop/PL-Woo HT")
    gone.close()
    assert await door.say(a_message(b"{}")) == 200


async def test_more_connections_than_it_holds_are_turned_away(door: Door) -> None:
    held = [await asyncio.open_connection("127.0.0.1", door.port) for _n in range(MAX_OPEN)]

    async def full() -> bool:
        return await door.say(a_message(b"{}")) in {503, 0}

    assert await soon(full)
    for _reader, writer in held:
        writer.close()

    async def free() -> bool:
        return await door.say(a_message(b"{}")) == 200

    assert await soon(free)


async def test_a_shop_that_was_unbound_hears_nothing(door: Door) -> None:
    async with door.world.p.store.transaction() as tx:
        await tx.run("UPDATE shop SET bound = 0")
    assert await door.say(a_message(b"{}")) == 404


async def test_a_message_during_a_reading_asks_for_another_one(door: Door) -> None:
    account = f"shop:{door.world.shop_id}"
    assert await door.say(a_message(b"{}")) == 200
    assert await soon(door.due)
    # The reading that began before the message ends now, and puts the next one off.
    async with door.world.p.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET due_at = :l WHERE account = :a AND kind = 'orders'", l=LATER, a=account)
    assert await soon(door.due)
    async with door.world.p.store.transaction() as tx:
        await tx.run(
            "UPDATE sync_task SET due_at = :l, started_at = :s WHERE account = :a AND kind = 'orders'",
            l=LATER,
            s=tx.now + 1,
            a=account,
        )

    async def content() -> bool:
        return not door.wakeups.asked

    assert await soon(content)
    assert not await door.due()


async def test_a_change_in_the_shop_reaches_the_books_through_its_webhook(door: Door, shop_twin: Twin) -> None:
    world = door.world
    connector = await world.p.shop(world.shop_id)
    url = f"http://127.0.0.1:{door.port}/shop/PL-Woo"
    hook = {"topic": "order.created", "delivery_url": url, "secret": SECRET}
    await connector._api.write("POST", "/wc/v3/webhooks", hook, dict[str, Any])  # type: ignore[attr-defined]
    made = await asyncio.to_thread(world.order, **world.plain())
    assert await soon(door.due)
    await Worker(world.p).tick_once()
    assert await world.value("SELECT COUNT(*) FROM orders WHERE platform_order_id = :o", o=str(made)) == 1


# ---------------------------------------------------------------- switched on


def a_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("said", ["", "8787", "127.0.0.1", "127.0.0.1:99999", ":80"])
async def test_without_an_address_nobody_listens(
    sqlite_world: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    monkeypatch.setenv(webhooks.VARIABLE, said)
    before = asyncio.all_tasks()
    async with listening(sqlite_world.p):
        assert asyncio.all_tasks() == before
    assert bool(said) == (webhooks.VARIABLE in caplog.text)


async def test_the_address_is_listened_on_while_the_worker_runs_and_a_taken_one_is_waited_for(
    sqlite_world: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "BIND_AGAIN_S", 0.01)
    port = a_free_port()
    monkeypatch.setenv(webhooks.VARIABLE, f"127.0.0.1:{port}")
    door = Door(sqlite_world, port)

    async def answers() -> bool:
        try:
            return await door.say(a_message(b"{}")) == 401
        except OSError:
            return False

    async with listening(sqlite_world.p), listening(sqlite_world.p):
        assert await soon(answers)
    with pytest.raises(OSError):
        await door.say(a_message(b"{}"))


async def test_a_worker_that_serves_takes_webhooks(sqlite_world: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    port = a_free_port()
    monkeypatch.setenv(webhooks.VARIABLE, f"127.0.0.1:{port}")
    door, said = Door(sqlite_world, port), []

    async def answers() -> bool:
        try:
            said.append(await door.say(a_message(b"{}")))
        except OSError:
            return False
        return True

    async def run(_worker: Worker) -> None:
        await soon(answers)

    monkeypatch.setattr(Worker, "run", run)
    monkeypatch.setattr("pipeline.worker.stop_on_signals", lambda _worker: None)
    await serve(sqlite_world.p)
    assert said == [401]
