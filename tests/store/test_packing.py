"""Payloads come back as they were; what is no payload is refused, a bomb too."""

import pytest
from backports import zstd

from store import packing
from store.packing import packed, unpacked


@pytest.mark.parametrize("raw", [b"", b"{}", "订单 Łódź".encode() * 500, bytes(range(256)) * 40])
def test_a_payload_comes_back_as_it_was(raw: bytes) -> None:
    assert unpacked(packed(raw)) == raw


def test_a_payload_is_kept_smaller_than_it_came() -> None:
    raw = b'{"id": 4711, "status": "processing", "currency": "PLN"}' * 40
    assert len(packed(raw)) < len(raw) / 10


@pytest.mark.parametrize("kept", [b"", b"not compressed at all", packed(b"x" * 900)[:-3]])
def test_what_is_no_payload_is_refused(kept: bytes) -> None:
    with pytest.raises(ValueError, match="payload"):
        unpacked(kept)


def test_a_bomb_is_refused_rather_than_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LARGEST", 1000)
    with pytest.raises(ValueError, match="longer than any payload"):
        unpacked(zstd.compress(b"0" * 1_000_000))
