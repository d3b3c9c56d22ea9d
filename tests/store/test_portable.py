"""The portable backup: opens with its passphrase alone, whole or not at all, with little memory."""

import random
import stat
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from store import portable
from store.portable import CHUNK, MAGIC, NotPortable, is_portable, pack, unpack

SECRET = "correct horse, battery"


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files in one: a large one of which nothing can be squeezed out, and a small one."""
    monkeypatch.setattr(portable, "_COST", 2**14)
    (tmp_path / "books").write_bytes(random.Random(5).randbytes(3 * CHUNK + 4711))
    return pack(
        tmp_path / "out" / "books.shipdeck", {"database.sqlite": tmp_path / "books", "labels/K1.pdf": b"%PDF-x"}, SECRET
    )


def test_what_goes_in_comes_out_and_only_for_its_owner(packed: Path, tmp_path: Path) -> None:
    assert is_portable(packed)
    names = unpack(packed, tmp_path / "in", SECRET)
    assert names == ["database.sqlite", "labels/K1.pdf"]
    assert (tmp_path / "in" / "database.sqlite").read_bytes() == (tmp_path / "books").read_bytes()
    assert (tmp_path / "in" / "labels" / "K1.pdf").read_bytes() == b"%PDF-x"
    modes = {stat.S_IMODE(f.stat().st_mode) for f in [packed, *(tmp_path / "in").rglob("*")] if f.is_file()}
    assert modes == {0o600}
    assert list(packed.parent.iterdir()) == [packed]


def test_another_passphrase_opens_nothing(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(NotPortable, match="passphrase"):
        unpack(packed, tmp_path / "in", SECRET + " ")
    assert not (tmp_path / "in").exists()


def chunks_of(data: bytes) -> tuple[bytes, list[bytes]]:
    """The head of a file and its sealed chunks, each with its length before it."""
    at = len(MAGIC) + 4 + struct.unpack(">I", data[len(MAGIC) : len(MAGIC) + 4])[0]
    head, chunks = data[:at], []
    while at < len(data):
        n = 4 + struct.unpack(">I", data[at : at + 4])[0]
        chunks.append(data[at : at + n])
        at += n
    return head, chunks


@pytest.mark.parametrize(
    "how", ["cut", "cut at a chunk", "swapped", "doubled", "left out", "more", "flipped", "other head"]
)
def test_a_file_that_was_cut_off_or_altered_is_found_out(packed: Path, tmp_path: Path, how: str) -> None:
    head, chunks = chunks_of(packed.read_bytes())
    assert len(chunks) >= 4
    flipped = bytearray(chunks[2])
    flipped[500] ^= 1
    altered = {
        "cut": head + b"".join(chunks)[:-1000],
        "cut at a chunk": head + b"".join(chunks[:-1]),
        "swapped": head + b"".join([chunks[1], chunks[0], *chunks[2:]]),
        "doubled": head + b"".join([chunks[0], *chunks]),
        "left out": head + b"".join(chunks[1:]),
        "more": head + b"".join([*chunks, chunks[0]]),
        "flipped": head + b"".join([*chunks[:2], bytes(flipped), *chunks[3:]]),
        "other head": head.replace(b'"r":8', b'"r": 8') + b"".join(chunks),
    }[how]
    packed.write_bytes(altered)
    with pytest.raises(NotPortable):
        unpack(packed, tmp_path / "in", SECRET)
    assert not (tmp_path / "in").exists()


def test_an_altered_cost_does_not_fill_the_memory(packed: Path, tmp_path: Path) -> None:
    packed.write_bytes(packed.read_bytes().replace(b'"n":16384', b'"n":1<<30', 1))
    with pytest.raises(NotPortable):
        unpack(packed, tmp_path / "in", SECRET)


def test_what_is_none_of_ours_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"SQLite format 3\0" * 100)
    assert not is_portable(tmp_path / "x")
    with pytest.raises(NotPortable, match="no portable"):
        unpack(tmp_path / "x", tmp_path / "in", SECRET)


@pytest.mark.parametrize("name", ["../evil", "in/../../evil", "/evil", "a/b/evil", "//evil", ".", "in/.."])
def test_what_names_a_place_elsewhere_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(portable, "_COST", 2**14)
    made = pack(tmp_path / "books.shipdeck", {"key": b"k", name: b"evil"}, SECRET)
    with pytest.raises(NotPortable):
        unpack(made, tmp_path / "deep" / "in", SECRET)
    assert [f for f in tmp_path.rglob("*") if f.is_file()] == [made]


def test_a_link_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "_COST", 2**14)
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")

    def link(tar: tarfile.TarFile, name: str, _content: Path | bytes) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, str(victim)
        tar.addfile(info)

    monkeypatch.setattr(portable, "_add", link)
    made = pack(tmp_path / "books.shipdeck", {"key": b""}, SECRET)
    with pytest.raises(NotPortable):
        unpack(made, tmp_path / "in", SECRET)
    assert victim.read_bytes() == b"mine"
    assert not (tmp_path / "in").exists()


def test_memory_stays_flat_however_large_the_books_are(tmp_path: Path) -> None:
    """128 MB in and out, with less than a third of that beyond what the program itself takes."""
    with (tmp_path / "big").open("wb") as file:
        file.truncate(128 * CHUNK)
    program = f"""
import resource, sys
from pathlib import Path
from store import portable
portable._COST = 2**14
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
portable.pack(Path({str(tmp_path / "o")!r}), {{"big": Path({str(tmp_path / "big")!r})}}, "12345678")
portable.unpack(Path({str(tmp_path / "o")!r}), Path({str(tmp_path / "in")!r}), "12345678")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "in" / "big").stat().st_size == 128 * CHUNK
    assert int(done.stdout) < 40 * 1024


def test_no_two_chunks_are_sealed_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "_COST", 2**14)
    with (tmp_path / "x").open("wb") as file:
        sealing = portable._Sealing(file, SECRET)
        for _ in range(4):
            sealing.write(b"a" * CHUNK)
        sealing.end()
    _head, chunks = chunks_of((tmp_path / "x").read_bytes())
    assert len(chunks) == len(set(chunks)) == 4
