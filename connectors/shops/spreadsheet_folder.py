"""The folder of a spreadsheet shop: which files came when, and what they say of an order together.

    FOLDER/                 exports are put here, by `shipdeck shop import-sheet` or by anybody
    FOLDER/taken/           those that were read, each under the instant it came at: the later one is the newer version
    FOLDER/refused/         those that are no table of orders, each with the reason beside it
    FOLDER/failed/          of each taken file the rows that could not become orders, with their reasons
    FOLDER/tracking/        a sheet a day with what was shipped, for the platform's upload

A file that was taken is never written again; one with the same bytes is not taken twice. What a row said last is what
its order is: orders and lines that a later file leaves out are not touched by it, a quantity of 0 takes a line off.
"""

import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from connectors import files
from connectors.contract import Parsed, Poison
from connectors.http import WireError
from connectors.shops.spreadsheet_columns import as_setting
from connectors.shops.spreadsheet_file import ENDINGS, MAX_BYTES, BadSheet, Table, sheet_bytes, text_of
from connectors.shops.spreadsheet_orders import Found
from domain.clock import SECOND, Clock, Instant, from_datetime, to_datetime
from domain.enums import DEAD_ORDER
from domain.records import Order, OrderLine
from domain.text import safe
from domain.words import _

STILL_MS = 3 * SECOND
"""A file that was written to within this time may not be whole yet."""
KEPT_FILES = 4
"""Taken files whose orders are kept in memory."""
LOOK_BACK = 60
"""An order that a file names again is compared with so many files before it: exports overlap."""

REASON = ".reason.txt"
_TAKEN = re.compile(r"(\d{8}-\d{6}-\d{3}) ([0-9a-f]{16}) (.+)", re.DOTALL)


class Sheet(Struct, frozen=True):
    """A file as orders: what was found in it, and how it was understood."""

    table: Table
    columns: dict[str, str]
    """Field → name of the column it was read from."""
    saved: bool
    """The columns are those of the shop's setting, not a guess."""
    found: tuple[Found, ...]

    @property
    def setting(self) -> str:
        """The columns as the setting `columns` keeps them."""
        return as_setting(self.columns, self.table.header)

    def failures(self, reasons: dict[str, str] | None = None) -> list[list[str]]:
        """Rows of a failure list: the header, and every row that became no order, its reason in the last column.

        `reasons` adds orders (by number) that were refused later. Empty where nothing failed.
        """
        rows = []
        width = max([len(self.table.header), *(len(row.cells) for one in self.found for row in one.rows)])
        for one in self.found:
            item = one.item
            why = item.message if isinstance(item, Poison) else (reasons or {}).get(item.order.platform_order_id, "")
            if why:
                for row in one.rows:
                    cells = [text_of(cell) for cell in row.cells]
                    rows.append((row.number, [*cells, *[""] * (width - len(cells)), why]))
        header = [*self.table.header, *[""] * (width - len(self.table.header)), _("Reason")]
        return [header, *(cells for _number, cells in sorted(rows, key=lambda row: row[0]))] if rows else []


Understand = Callable[[bytes, str, Instant], Sheet]
"""Reads a file (its bytes, its name, when it came). Raises `BadSheet`, or `WireError` for a setting that makes no sense."""


class Taken(Struct, frozen=True):
    """A taken file."""

    path: Path
    stamp: str
    digest: str
    name: str

    @property
    def at(self) -> Instant:
        """When it came."""
        second, _sign, ms = self.stamp.rpartition("-")
        return from_datetime(datetime.strptime(second, "%Y%m%d-%H%M%S").replace(tzinfo=UTC)) + int(ms)


def _stamp(at: Instant) -> str:
    return to_datetime(at).strftime("%Y%m%d-%H%M%S-") + f"{at % 1000:03d}"


class Folder:
    """The files of a shop. Its methods read and write: they belong in a thread. They raise `WireError`."""

    def __init__(self, path: Path, understand: Understand, clock: Clock) -> None:
        self.path, self._understand, self._clock = path, understand, clock
        self._reads = threading.Lock()
        self._orders: OrderedDict[str, tuple[Parsed | Poison, ...]] = OrderedDict()
        self._lines: dict[str, dict[str, frozenset[str]]] = {}

    def probe(self) -> None:
        """Write and remove a small file."""
        try:
            files.replace(self.path / ".shipdeck", b"")
            (self.path / ".shipdeck").unlink()
        except OSError as error:
            raise WireError(files.failure(error)) from None

    def refused(self) -> int:
        """How many files lie there that could not be read as orders."""
        try:
            return sum(not path.name.endswith(REASON) for path in self._listed("refused"))
        except OSError as error:
            raise WireError(files.failure(error)) from None

    def put(self, data: bytes, name: str) -> None:
        """Lay a whole file into the folder, for the next reading of orders. Raises `WireError`."""
        target = self.path / _plain(name)
        try:
            while target.exists():
                target = target.with_name(f"+{target.name}")
            files.replace(target, data)
            past = self._clock() / 1000 - 60
            os.utime(target, (past, past))  # It is whole: nobody need wait for more of it.
        except OSError as error:
            raise WireError(files.failure(error)) from None

    def _listed(self, part: str) -> list[Path]:
        try:
            return sorted(one for one in (self.path / part).iterdir() if one.is_file() and not one.is_symlink())
        except FileNotFoundError:
            if part:
                return []
            raise

    def taken(self) -> list[Taken]:
        """The taken files, oldest first."""
        try:
            found = [(path, _TAKEN.fullmatch(path.name)) for path in self._listed("taken")]
        except OSError as error:
            raise WireError(files.failure(error)) from None
        return [Taken(path, name[1], name[2], name[3]) for path, name in found if name]

    def _waiting(self) -> list[Path]:
        """Files that lie there whole and were not taken yet, in the order in which they will be. Raises `OSError`."""
        named = [
            one for one in self._listed("") if one.suffix.lower() in ENDINGS and not one.name.startswith((".", "~$"))
        ]
        now = self._clock()
        return [one for one in named if not 0 <= now - int(one.stat().st_mtime * 1000) < STILL_MS]

    def take_in(self) -> list[Poison]:
        """Move what lies in the folder among the taken files; what is no table of orders is put aside and told."""
        problems: list[Poison] = []
        try:
            taken = self.taken()
            digests = {one.digest for one in taken}
            latest = taken[-1].at if taken else 0
            for path in self._waiting():
                data = _read(path)
                digest = hashlib.sha256(data).hexdigest()[:16]
                if digest in digests:
                    path.unlink()  # The same bytes lie among the taken.
                    continue
                try:
                    sheet = self._understand(data, path.name, self._clock())
                except BadSheet as bad:
                    problems.append(self._put_aside(path, digest, bad))
                    continue
                latest = max(self._clock(), latest + 1)
                digests.add(digest)
                self._keep_failures(sheet, f"{_stamp(latest)} {_plain(path.name)}")
                (path.parent / "taken").mkdir(mode=0o700, exist_ok=True)
                target = path.parent / "taken" / f"{_stamp(latest)} {digest} {_plain(path.name)}"
                os.replace(path, target)
                files.settle(target.parent)
        except OSError as error:
            raise WireError(files.failure(error)) from None
        return problems

    def _put_aside(self, path: Path, digest: str, bad: BadSheet) -> Poison:
        folder = path.parent / "refused"
        folder.mkdir(mode=0o700, exist_ok=True)
        target = folder / _plain(path.name)
        while target.exists() and hashlib.sha256(_read(target)).hexdigest()[:16] != digest:
            target = target.with_name(f"+{target.name}")
        files.replace(target.with_name(f"{target.name}{REASON}"), f"{bad.code}: {bad}\n".encode())
        os.replace(path, target)
        text = _("{file}: {reason} It lies in refused; put it back when that is mended.")
        return Poison(
            f"file:{digest}",
            bad.code,
            text.format(file=safe(path.name, 60), reason=bad),
            path.name.encode(errors="replace"),
        )

    def _keep_failures(self, sheet: Sheet, name: str) -> None:
        rows = sheet.failures()
        if rows:
            folder = self.path / "failed"
            folder.mkdir(mode=0o700, exist_ok=True)
            files.replace(folder / f"{name}.csv", sheet_bytes(rows, "csv"))

    def _parsed(self, file: Taken) -> tuple[Parsed | Poison, ...]:
        """The orders of a taken file as it says them. One that can be read no longer (mapped anew) is one problem."""
        with self._reads:
            if file.path.name not in self._orders:
                try:
                    found = tuple(one.item for one in self._understand(_read(file.path), file.name, file.at).found)
                except BadSheet as bad:
                    text = f"{safe(file.name, 60)}: {bad}"
                    found = (Poison(f"file:{file.digest}", bad.code, text, file.name.encode(errors="replace")),)
                except OSError as error:
                    raise WireError(files.failure(error)) from None
                self._orders[file.path.name] = found
                self._lines[file.path.name] = {id_of(item): _line_ids(item) for item in found}
                while len(self._orders) > KEPT_FILES:
                    self._orders.popitem(last=False)
            self._orders.move_to_end(file.path.name)
            return self._orders[file.path.name]

    def _lines_in(self, file: Taken) -> dict[str, frozenset[str]]:
        """Order → ids of its lines in a taken file."""
        if file.path.name not in self._lines:
            self._parsed(file)
        return self._lines[file.path.name]

    def whole(self, items: Sequence[Parsed | Poison], before: Sequence[Taken]) -> list[Parsed | Poison]:
        """Orders with the lines that earlier files gave them and this one leaves out: an absence proves nothing."""
        lacking: dict[str, set[str]] = {}
        recent = before[-LOOK_BACK:]
        for item in items:
            if isinstance(item, Parsed) and item.order.status not in DEAD_ORDER:
                number = item.order.platform_order_id
                ever = frozenset[str]().union(*(self._lines_in(file).get(number, ()) for file in recent))
                if more := ever - _line_ids(item):
                    lacking[number] = set(more)
        if not lacking:
            return list(items)
        kept: dict[str, list[OrderLine]] = {}
        for file in reversed(recent):
            if any(lines & self._lines_in(file).get(number, frozenset()) for number, lines in lacking.items()):
                for item in self._parsed(file):
                    for line in item.order.lines if isinstance(item, Parsed) else ():
                        wanted = lacking.get(id_of(item), set())
                        if line.platform_line_id in wanted:
                            wanted.discard(line.platform_line_id)
                            if line.quantity:
                                kept.setdefault(id_of(item), []).append(line)
        return [
            structs.replace(item, order=_with_lines(item.order, kept[id_of(item)]))
            if isinstance(item, Parsed) and id_of(item) in kept
            else item
            for item in items
        ]

    def orders_in(self, file: Taken) -> list[Parsed | Poison]:
        """The orders of a taken file, each whole."""
        return self.whole(self._parsed(file), [one for one in self.taken() if one.stamp < file.stamp])

    def newest(self, wanted: set[str]) -> dict[str, Parsed | Poison]:
        """What the newest file that names each of these orders says of it; nothing of those that none names.

        Files that wait count, and go on waiting: whoever reads an order needs no right to take files in.
        """
        found: dict[str, Parsed | Poison] = {}
        taken = self.taken()
        for items in self._unread(taken[-1].at + 1 if taken else 0):
            items = [item for item in items if id_of(item) in wanted - found.keys()]
            found |= {id_of(item): item for item in self.whole(items, taken)}
        for place in range(len(taken) - 1, -1, -1):
            missing = wanted - found.keys()
            if not missing:
                break
            if missing & self._lines_in(taken[place]).keys():
                items = [item for item in self._parsed(taken[place]) if id_of(item) in missing]
                found |= {id_of(item): item for item in self.whole(items, taken[:place])}
        return found

    def _unread(self, earliest: Instant) -> Iterator[list[Parsed | Poison]]:
        """The orders of each file that waits, the last one first, dated by its coming but not before `earliest`."""
        try:
            for path in reversed(self._waiting()):
                try:
                    # When it came here: a copy may keep the time at which its original was written.
                    at = max(earliest, min(self._clock(), int(path.stat().st_ctime * 1000)))
                    found = self._understand(_read(path), path.name, at).found
                except BadSheet:
                    continue  # It is told when it is put aside.
                yield [one.item for one in found]
        except OSError as error:
            raise WireError(files.failure(error)) from None


def id_of(item: Parsed | Poison) -> str:
    """The number of the order that something is, or could not be."""
    return item.order.platform_order_id if isinstance(item, Parsed) else item.platform_order_id


def _line_ids(item: Parsed | Poison) -> frozenset[str]:
    return frozenset(line.platform_line_id for line in item.order.lines) if isinstance(item, Parsed) else frozenset()


def _with_lines(order: Order, more: Sequence[OrderLine]) -> Order:
    """An order with lines that a file left out, by their ids, each told as a warning."""
    added = sorted(more, key=lambda line: line.platform_line_id)
    warnings = (*order.warnings, *(f"row_vanished:{line.platform_line_id[:60]}" for line in added))
    return structs.replace(order, lines=(*order.lines, *added), warnings=warnings)


def _plain(name: str) -> str:
    """A file's name without what other systems trip over; its ending stays."""
    stem, ending = os.path.splitext(os.path.basename(name))
    plain = re.sub(r"[^\w.\- ]+", "_", stem).strip(". ")[:60] or "sheet"
    while len(plain.encode()) > 150:
        plain = plain[:-1]
    return plain + re.sub(r"[^\w.]+", "", ending.lower())[:8]


def _read(path: Path) -> bytes:
    """A file's bytes, no more of them than it takes to see that it is too large."""
    with open(path, "rb") as file:
        return file.read(MAX_BYTES + 1)
