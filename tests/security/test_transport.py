"""Nothing leaves unencrypted or to somebody else: certificates are verified always, plain HTTP is refused by default."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.http import HttpClient, WireError
from connectors.simulated.launch import Twin
from connectors.simulated.tls import make_certificate, server_context
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from store.place import Place
from tests.console.pilot import console

DAY = timedelta(days=1)
Server = tuple[str, list[bytes]]


@asynccontextmanager
async def listening(context: ssl.SSLContext | None) -> AsyncIterator[Server]:
    """A server that answers anything with 200, and what it was told (none of it where the handshake failed)."""
    told: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.read(65536))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", told


def certificate(folder: Path, *, begins: timedelta, ends: timedelta, host: str) -> Path:
    """A certificate of its own authority for `host`, valid from now + begins to now + ends; returns what to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a shop of tests")])
    now = datetime.now(UTC)
    try:
        names: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        names = x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "twin.pem").write_bytes(pem + private)
    (folder / "ca.pem").write_bytes(pem)
    return folder / "ca.pem"


def trusting(cafile: Path) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(verify=ssl.create_default_context(cafile=str(cafile)))


async def post(base: str, transport: httpx.AsyncBaseTransport | None = None) -> str:
    """The code a write ends with, or '' when it was answered."""
    http = HttpClient(base, timeout_s=5, transport=transport)
    try:
        await http.call("POST", "/orders", json={"note": "Qwertyniak"}, headers={"Authorization": "Basic c2VjcmV0"})
    except WireError as error:
        return error.outcome.code if isinstance(error.outcome, Refused) else type(error.outcome).__name__
    finally:
        await http.aclose()
    return ""


async def test_a_certificate_of_an_unknown_authority_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    async with listening(server_context(tmp_path)) as (address, told):
        assert await post(f"https://{address}") == "bad_certificate"
        assert told == []


async def test_the_same_certificate_is_taken_by_who_trusts_its_authority(tmp_path: Path) -> None:
    """Else the refusals below could have any reason."""
    ca = make_certificate(tmp_path)
    async with listening(server_context(tmp_path)) as (address, told):
        assert await post(f"https://{address}", trusting(ca)) == ""
        assert b"Qwertyniak" in told[0]


@pytest.mark.parametrize(
    ("begins", "ends", "host"),
    [(-9 * DAY, -DAY, "127.0.0.1"), (DAY, 9 * DAY, "127.0.0.1"), (-DAY, 9 * DAY, "shop.example"), (-DAY, 9 * DAY, "127.0.0.9")],
    ids=["expired", "not yet valid", "another host", "another address"],
)  # fmt: skip
async def test_a_bad_certificate_of_a_trusted_authority_is_refused_and_nothing_is_sent(
    tmp_path: Path, begins: timedelta, ends: timedelta, host: str
) -> None:
    ca = certificate(tmp_path, begins=begins, ends=ends, host=host)
    async with listening(server_context(tmp_path)) as (address, told):
        assert await post(f"https://{address}", trusting(ca)) == "bad_certificate"
        assert told == []


async def test_binding_a_shop_behind_a_bad_certificate_keeps_nothing(sqlite_place: Place) -> None:
    p = await Pipeline.open(sqlite_place)
    try:
        with Twin("woocommerce", orders=0, https=True) as twin:
            keys = {k: str(twin.hello[k]) for k in ("consumer_key", "consumer_secret")}
            made = await setup.add_shop(p, "woocommerce", "S", {"url": twin.url}, keys)
        assert isinstance(made, Refused)
        assert made.code == "bad_certificate"
        async with p.store.reading() as tx:
            assert await tx.value("SELECT (SELECT count(*) FROM shop) + (SELECT count(*) FROM secret)") == 0
    finally:
        await p.aclose()


PLAIN = (
    "http://192.0.2.1", "http://shop.example", "http://127.0.0.1.shop.example", "http://localhost.shop.example",
    "http://2130706433", "http://0.0.0.0", "http://[::ffff:192.0.2.1]", "HTTP://shop.example", "http://10.0.0.1:8080",
)  # fmt: skip


class NoLine(httpx.AsyncBaseTransport):
    """Nothing may get as far as here."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"sent to {request.url.host}")


@pytest.mark.parametrize("address", PLAIN)
async def test_plain_http_to_another_machine_is_refused_before_anything_is_sent(address: str) -> None:
    assert await post(address, NoLine()) == "plain_http"


@pytest.mark.parametrize(
    "address", ["https://localhost@shop.example", "http://ck:cs@127.0.0.1", "https://u:p@shop.example"]
)
async def test_an_address_that_holds_a_password_is_no_address(address: str) -> None:
    """It would stand in the log and on the screen; and what stands before the @ may look like another host."""
    assert await post(address, NoLine()) == "bad_url"


async def forced(place: Place, shop: Callable[[], Twin]) -> tuple[Pipeline, Twin]:
    p, twin = await Pipeline.open(place), shop()
    keys = {k: str(twin.hello[k]) for k in ("consumer_key", "consumer_secret")}
    made = await setup.add_shop(p, "woocommerce", "Bare", {"url": twin.url, "allow_plain_http": "yes"}, keys)
    assert not isinstance(made, Refused), made
    return p, twin


async def test_where_plain_http_is_forced_every_screen_of_the_shop_says_so(sqlite_place: Place) -> None:
    from pipeline.worker import sync_now

    p, twin = await forced(sqlite_place, lambda: Twin("woocommerce", orders=2))
    try:
        await sync_now(p, 1)
    finally:
        await p.aclose()
    try:
        async with console(sqlite_place) as d:
            for key in ("1", "2", "3", "4", "5", "6", "8", "9"):
                await d.press(key)
                await d.sees("! unencrypted Bare")
            await d.press("0")
            await d.sees("! unencrypted: plain HTTP is allowed")
        async with console(sqlite_place, size=(80, 24)) as d:
            await d.sees("! unencrypted Bare")
    finally:
        twin.close()


async def test_shop_list_says_so_too(sqlite_place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    from console.cli import main

    p, twin = await forced(sqlite_place, lambda: Twin("woocommerce", orders=0))
    twin.close()
    await p.aclose()
    assert await asyncio.to_thread(main, ["shop", "list", "--db", str(sqlite_place.file), "--json"]) == 0
    assert [row["plain_http"] for row in json.loads(capsys.readouterr().out)] == [True]
