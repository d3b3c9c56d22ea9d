"""Small inputs that grow without end: each is refused by its name, and takes no more memory than it may."""

import asyncio
import contextlib
import gzip
import io
import json
import resource
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http import HttpClient, WireError
from connectors.paper.pdf import MOST_BYTES, check_pdf
from connectors.paper.refusals import BadLabel
from domain.text import neutral

ROOT = Path(__file__).parent.parent.parent
MB = 1024 * 1024


def packed_zeros(size: int, wbits: int) -> bytes:
    """So many blanks, packed: one megabyte is, and stands there as often as needed, since nothing before it is remembered."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    blanks = b" " * MB
    body = (squeeze.compress(blanks) + squeeze.flush(zlib.Z_FULL_FLUSH)) * (size // MB) + squeeze.flush()
    if wbits == -15:
        return body
    total, check = (0, zlib.crc32) if wbits == 31 else (1, zlib.adler32)
    for _n in range(size // MB):
        total = check(blanks, total)
    if wbits == 31:
        return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + body + total.to_bytes(4, "little") + size.to_bytes(4, "little")
    return b"\x78\xda" + body + total.to_bytes(4, "big")


@pytest.mark.parametrize("wbits", [31, 15, -15])
def test_the_bomb_is_what_it_says(wbits: int) -> None:
    unpack = zlib.decompressobj(wbits)
    assert unpack.decompress(packed_zeros(3 * MB, wbits)) == b" " * (3 * MB)
    assert unpack.eof
    assert unpack.unused_data == b""


@contextmanager
def serving(body: bytes, encoding: str) -> Iterator[str]:
    """A server that answers every call with this body; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {encoding}\r\nConnection: close\r\n"

    def serve() -> None:
        while True:
            try:
                line, _who = listener.accept()
            except OSError:
                return
            with line:
                line.recv(65536)
                try:
                    line.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


async def get(address: str, method: str = "GET") -> str:
    """The code a call ends with, or the first bytes of its answer."""
    http = HttpClient(address, timeout_s=20)
    try:
        return (await http.call(method, "/")).body[:20].decode()
    except WireError as error:
        return error.outcome.code
    finally:
        await http.aclose()


def grown_by(program: str, *arguments: str) -> tuple[str, float]:
    """What a program prints, and by how many MB its memory grew at most while it did so."""
    measured = f"""
import resource, sys
{program.partition("# now")[0]}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{program.partition("# now")[2]}
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", measured, *arguments], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    said, _sep, grown = done.stdout.strip().rpartition("\n")
    return said, float(grown)


CALL = """
import asyncio
from connectors.http import HttpClient, WireError
http = HttpClient(sys.argv[1], timeout_s=30)
# now
async def call():
    try:
        return len((await http.call("GET", "/")).body)
    except WireError as error:
        return error.outcome.code
print(asyncio.run(call()))
"""


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_a_body_that_unpacks_to_a_gigabyte_is_given_up_at_64_mb(encoding: str, wbits: int) -> None:
    bomb = packed_zeros(1024 * MB, wbits)
    assert len(bomb) < 2 * MB
    with serving(bomb, encoding) as address:
        said, grown = grown_by(CALL, address)
    assert said == "too_large"
    assert grown < 100


@pytest.mark.parametrize(("encoding", "wbits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_an_honest_packed_body_is_read_whole(encoding: str, wbits: int) -> None:
    body = json.dumps([{"id": n} for n in range(50_000)]).encode()
    squeeze = zlib.compressobj(6, zlib.DEFLATED, wbits)
    with serving(squeeze.compress(body) + squeeze.flush(), encoding) as address:
        http = HttpClient(address)

        async def call() -> bytes:
            try:
                return (await http.call("GET", "/")).body
            finally:
                await http.aclose()

        assert asyncio.run(call()) == body


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("br", b"whatever"), ("gzip, gzip", gzip.compress(gzip.compress(b"x", mtime=0), mtime=0)), ("gzip", b"no gzip at all"),
     ("zstd", b"\x28\xb5\x2f\xfd\x00\x00\x01\x00\x00")],
    ids=["br", "twice", "no gzip", "zstd"],
)  # fmt: skip
async def test_a_packing_nobody_asked_for_is_not_unpacked(encoding: str, body: bytes) -> None:
    with serving(body, encoding) as address:
        assert await get(address) == "not_understood"
        # What may have acted may not be taken for refused.
        assert await get(address, "POST") == "not_understood"


def test_a_payload_that_unpacks_to_a_gigabyte_is_not_unpacked() -> None:
    program = """
from backports import zstd
from store.packing import unpacked
squeeze = zstd.ZstdCompressor(level=3)
bomb = b"".join(squeeze.compress(b" " * 2**20) for _n in range(1024)) + squeeze.flush()
assert len(bomb) < 200_000, len(bomb)
# now
try:
    print(len(unpacked(bomb)))
except ValueError as error:
    print(error)
"""
    said, grown = grown_by(program)
    assert "longer than any payload" in said
    assert grown < 150


DEEP = {"lists": b"[" * 200_000, "objects": b'{"a":' * 200_000}


@pytest.mark.parametrize("shape", DEEP)
@pytest.mark.parametrize("platform", ["woocommerce", "shopify", "cartum"])
async def test_nested_without_end_is_not_understood_and_no_defect(platform: str, shape: str) -> None:
    from connectors import registry
    from connectors.contract import Binding
    from domain.clock import now

    with serving(DEEP[shape], "identity") as address:
        fields = {"url": address, "client_id": "c", "login": "l"}
        secrets = {"consumer_key": "ck_x", "consumer_secret": "cs_x", "access_token": "t", "password": "p"}
        http = HttpClient(address, timeout_s=5)
        try:
            connector = registry.shop(platform)(Binding("s", fields, secrets, http, now))
            with pytest.raises(WireError):
                await connector.check()
            with pytest.raises(WireError):
                async for _page in connector.orders("", 0):
                    pass
        finally:
            await http.aclose()


@pytest.mark.parametrize("shape", DEEP)
async def test_a_carrier_that_nests_without_end_leaves_the_outcome_unknown(shape: str) -> None:
    from connectors import registry
    from connectors.contract import Binding, WaybillRequest
    from domain.clock import now
    from domain.records import Address
    from domain.results import NotActed, Unknown

    with serving(DEEP[shape], "identity") as address:
        http = HttpClient(address, timeout_s=5)
        try:
            carrier = registry.carrier("simulated")(Binding("c", {"url": address}, {"token": "t"}, http, now))
            request = WaybillRequest("R1", "SIM-STD", Address(), Address(), (), 1, "K000001")
            assert isinstance(await carrier.create(request), Unknown)
            assert isinstance(await carrier.lookup(request), NotActed)
        finally:
            await http.aclose()


# Labels


def pdf(*, pages: int = 1, claimed: int | None = None, side: float = 300.0) -> bytes:
    """A PDF written by hand: so many pages of one object, so many claimed, so large."""
    kids = " ".join(["3 0 R"] * pages)
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages if claimed is None else claimed} >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {side:g} 200] >>",
    )
    out, at = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, io.SEEK_END)
    for number, body in enumerate(objects, 1):
        at.append(out.tell())
        out.write(f"{number} 0 obj\n{body}\nendobj\n".encode())
    start = out.tell()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in at)
    out.write(
        f"xref\n0 4\n0000000000 65535 f \n{table}trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF".encode()
    )
    return out.getvalue()


def test_a_plain_label_is_taken() -> None:
    assert check_pdf(pdf()) == 1


@pytest.mark.parametrize(
    "data",
    [
        pdf(pages=101),
        pdf(side=14_000),
        pdf()[:-6] + b"\n%" + b"x" * MOST_BYTES + b"\n%%EOF",
    ],
    ids=["pages", "side", "bytes"],
)
def test_a_label_that_is_none_any_more_is_refused_at_once(data: bytes) -> None:
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with pytest.raises(BadLabel):
        check_pdf(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - spent < 1.0


def test_pages_that_are_only_claimed_are_not_walked() -> None:
    spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with contextlib.suppress(BadLabel):
        assert check_pdf(pdf(claimed=2_000_000_000)) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - spent < 1.0


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((1, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed_zeros(64 * MB, 15)) + chunk(b"IEND", b"")
    )


def test_a_picture_of_four_gigapixels_is_refused_by_its_first_bytes() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadLabel) as refused:
        check_pdf(png(65_535, 65_535))
    assert refused.value.kind == "png"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


# Spreadsheets


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+48 600", "-2", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0", '"=1', "'=1", "＝1", "|calc", "%0A=1",
     "\u200b=1"],
)  # fmt: skip
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", " ", "Łódź", "a=b", "NB-A5", "12.50", "O'Brien"])
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert neutral(text) == text


@given(st.text(max_size=30))
def test_nothing_that_is_neutral_begins_like_a_formula(text: str) -> None:
    shown = neutral(text)
    assert shown.endswith(text)
    assert shown[:1] not in set("=+-@\t\r\n|%＝＋－＠")
