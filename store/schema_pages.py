"""The pages on which an SQLite file keeps its schema, taken over from a backup of the same database.

A file whose schema cannot be read shows none of its tables, however whole they are. A backup is a copy page by page, so
that its tables stand at the same roots; only a migration since then makes it useless for this. The layout is that of
SQLite's file format, version 3 ("Database File Format", sections 1.3, 1.6 and 1.7).
"""

from collections.abc import Iterator
from pathlib import Path

_INTERIOR, _LEAF = 5, 13


def take_over(damaged: Path, backup: Path) -> bool:
    """Write the backup's schema pages into `damaged` (a copy to work on). False where they do not fit together."""
    whole = backup.read_bytes()
    size = _page_size(whole)
    with damaged.open("r+b") as file:
        head = bytearray(file.read(100))
        if head[:16] != whole[:16] or _page_size(head) != size:
            # The header itself is gone: the backup's, with as many pages as the file has.
            head = bytearray(whole[:100])
            head[28:32] = (damaged.stat().st_size // size).to_bytes(4, "big")
        try:
            pages = dict(_schema_pages(whole, size))
        except (IndexError, ValueError):
            return False
        for number, content in pages.items():
            file.seek((number - 1) * size)
            file.write(bytes(head) + content[100:] if number == 1 else content)
    return True


def _page_size(head: bytes | bytearray) -> int:
    size = int.from_bytes(head[16:18], "big")
    return 65536 if size == 1 else size


def _schema_pages(data: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    """(number, content) of every page of the schema's tree, those that hold what overflows included."""
    usable = size - data[20]
    waiting, seen = [1], set[int]()
    while waiting:
        number = waiting.pop()
        if number in seen or not 0 < number * size <= len(data):
            raise ValueError("no tree")
        seen.add(number)
        page = data[(number - 1) * size : number * size]
        yield number, page
        at = 100 if number == 1 else 0
        kind, cells = page[at], int.from_bytes(page[at + 3 : at + 5], "big")
        first = at + (12 if kind == _INTERIOR else 8)
        offsets = [int.from_bytes(page[first + 2 * n : first + 2 * n + 2], "big") for n in range(cells)]
        if kind == _INTERIOR:
            waiting += [int.from_bytes(page[o : o + 4], "big") for o in offsets]
            waiting.append(int.from_bytes(page[at + 8 : at + 12], "big"))
        elif kind == _LEAF:
            for offset in offsets:
                yield from _overflow(data, page, offset, size, usable)
        else:
            raise ValueError("no page of a table")


def _overflow(data: bytes, page: bytes, offset: int, size: int, usable: int) -> Iterator[tuple[int, bytes]]:
    payload, offset = _varint(page, offset)
    _rowid, offset = _varint(page, offset)
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    if payload <= most:
        return
    local = least + (payload - least) % (usable - 4)
    local = local if local <= most else least
    number = int.from_bytes(page[offset + local : offset + local + 4], "big")
    while number:
        content = data[(number - 1) * size : number * size]
        yield number, content
        number = int.from_bytes(content[:4], "big")


def _varint(page: bytes, at: int) -> tuple[int, int]:
    value = 0
    for n in range(9):
        byte = page[at + n]
        if n == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, at + n + 1
    raise AssertionError("unreachable")
