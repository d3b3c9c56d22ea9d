"""Benchmark 2: keys that walk the list of all orders, through a pseudo-terminal, from the key to the last byte.

Beside it the same keys in Textual's own DataTable of 1,000 rows, and in VisiData with as many rows as ours.
"""

import re
import sqlite3
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from bench import data
from bench.harness import Options, Result, at_most, check, plain, rss_mb
from bench.keyboard import Series, Stopwatch, console, cursor_on, ready
from bench.peer_apps import TABLE_ROWS, TITLES
from bench.peers import peers
from domain.facts import code_of
from tests.console.terminal import Terminal

KEYS = ("row", "page, cold", "page, warm", "ends")
MUST = {"row": (5.0, 12.0), "page, cold": (None, 24.0), "page, warm": (None, 16.0), "ends": (None, 16.0)}
"""ms of CPU at most, p50 and p95."""


def run(options: Options) -> list[Result]:
    """Row moves, pages, the ends, memory after many jumps; then how it grows with the order book."""
    ours, grown, first = _ours(options, options.orders, options.size(40, 2), options.size(1_000, 8))
    table = _peer_table(options, options.size(40, 2))
    sheet = None if options.quick else _visidata(options, 40)
    results: list[Result] = []
    for name in KEYS:
        mine, peer = ours[name], table[name.partition(",")[0]]
        half, most = MUST[name]
        if half is not None:
            results.append(at_most("list", f"{name}, p50", mine.cpu(0.5), "ms", half, peer.cpu(0.5)))
        else:
            results.append(plain("list", f"{name}, p50", mine.cpu(0.5), "ms", peer.cpu(0.5)))
        results.append(at_most("list", f"{name}, p95", mine.cpu(0.95), "ms", most, peer.cpu(0.95)))
        results.append(plain("list", f"{name}, wall p50", mine.wall(0.5), "ms wall", peer.wall(0.5)))
        results.append(plain("list", f"{name}, wall p95", mine.wall(0.95), "ms wall", peer.wall(0.95)))
        if sheet is not None:
            other = sheet[name.partition(",")[0]]
            results.append(plain("list", f"{name}, beside VisiData, p95", mine.cpu(0.95), "ms", other.cpu(0.95)))
    results.append(plain("list", "bytes of a cold page", ours["page, cold"].bytes(), "B", table["page"].bytes()))
    results.append(plain("list", "detail beside the row, 0.12 s after it, p95", ours["detail"].cpu(0.95), "ms"))
    results.append(at_most("list", f"RSS growth over {options.size(1_000, 8)} jumps", grown, "MB", 25))
    results.append(plain("list", "RSS before them", first, "MB"))
    for orders in options.growth()[:-1]:
        found, _grown, _first = _ours(options, orders, options.size(25, 3), 0)
        results += [
            plain("list", f"growth: {name}, p50, {orders}", found[name].cpu(0.5), "ms", ours[name].cpu(0.5))
            for name in KEYS
        ]
    return results


def _ours(options: Options, orders: int, times: int, jumps: int) -> tuple[dict[str, Series], float, float]:
    """Every kind of key on the list of all orders; how many MB the console grows over `jumps`, and where it began."""
    file = data.generated(options, orders)
    connection = data.read_only(file)
    ids = array("q", (i for (i,) in connection.execute("SELECT id FROM shipment ORDER BY id DESC")))
    connection.close()
    with data.copied(options, file, f"list{orders}") as place:
        data.no_worker(place)
        with console(place, options.scratch / f"list-home{orders}") as terminal:
            terminal.wait_for("anna", timeout=30)
            terminal.press("0")
            ready(terminal, code_of(ids[0])[-7:], 0.3 if options.quick else 2.0)
            return _walk(terminal, ids, times, jumps)


_ROW = re.compile(r"^[> ][* ].{4} (K\d{6}|\d{7}) ")
"""A row of the list on the screen."""


def _walk(terminal: Stopwatch, ids: "array[int]", times: int, jumps: int) -> tuple[dict[str, Series], float, float]:
    found = {name: Series([]) for name in (*KEYS, "detail")}
    height = sum(_ROW.match(line) is not None for line in terminal.lines())
    at = 0

    def go(kind: str, key: str, to: int) -> None:
        nonlocal at
        at = max(0, min(len(ids) - 1, to))
        found[kind].answers.append(terminal.key(key, cursor_on(code_of(ids[at]))))
        spent = terminal.settled_after(0.25)
        found["detail"].answers.append(spent)

    for _n in range(times):
        go("row", "down", at + 1)
    found["row"].answers = found["row"].answers[1:]
    for n in range(times):
        before = at
        go("page, cold", "pgdn", at + height)
        if n % 2:
            go("page, warm", "pgup", before)
            go("page, warm", "pgdn", before + height)
    for _n in range(max(2, times // 4)):
        go("ends", "end", len(ids) - 1)
        go("ends", "home", 0)
    # The very first visit to the end builds its rows; the others find them, as somebody does who goes to and fro.
    first = rss_mb(terminal.pid)
    for n in range(jumps):
        key, to = (("end", len(ids) - 1), ("pgup", at - height), ("home", 0), ("pgdn", at + height))[n % 4]
        if key in ("pgup", "pgdn"):
            to = at - height if key == "pgup" else at + height
        at = max(0, min(len(ids) - 1, to))
        terminal.key(key, cursor_on(code_of(ids[at])))
    return found, rss_mb(terminal.pid) - first, first


# ------------------------------------------------------------------ the peers


def _peer_table(options: Options, times: int) -> dict[str, Series]:
    """Textual's DataTable with 1,000 rows."""
    file = data.generated(options, min(options.orders, 10_000))
    connection = data.read_only(file)
    codes = [row[0] for row in connection.execute(TABLE_ROWS.format(limit=1_000))]
    connection.close()
    argv = [sys.executable, "-P", "-m", "bench.peer_apps", "table", str(file)]
    with Stopwatch(argv, cwd=Path(__file__).parent.parent) as terminal:
        terminal.wait_for(codes[0], timeout=60)
        time.sleep(0.2 if options.quick else 1.0)
        terminal.settle(0.2, timeout=60)
        return _press(terminal, times, lambda row: codes[row], len(codes))


def _press(terminal: Stopwatch, times: int, text: Callable[[int], str], rows: int) -> dict[str, Series]:
    """Rows, pages and ends; what must be seen is the row's text where the program tells nothing of its cursor."""
    found = {name: Series([]) for name in ("row", "page", "ends")}

    def changed(before: str) -> Callable[[Terminal], bool]:
        return lambda t: _places(t) != before

    for _n in range(times):
        found["row"].answers.append(terminal.key("down", changed(_places(terminal))))
    for _n in range(min(times, 20)):
        found["page"].answers.append(terminal.key("pgdn", changed(_places(terminal))))
    for _n in range(max(2, times // 4)):
        found["ends"].answers.append(terminal.key("ctrl+end", lambda t: text(rows - 1) in t.text))
        found["ends"].answers.append(terminal.key("ctrl+home", lambda t: text(0) in t.text))
    return found


def _places(terminal: Terminal) -> str:
    """The screen with its colours: where a cursor is only a colour, this is what changes."""
    return "".join(f"{c.char}{c.bg}{int(c.reverse)}{int(c.bold)}" for line in terminal.rows() for c in line)


def _visidata(options: Options, times: int) -> dict[str, Series] | None:
    """VisiData over a TSV file of as many rows as our list has."""
    programs = peers(options)
    if programs is None:
        return None
    sheet = options.scratch / "orders.tsv"
    source = data.read_only(data.generated(options, options.orders))
    last = _export(source, sheet, options.orders)
    source.close()
    argv = [str(programs / "vd"), "--nothing", "-f", "tsv", str(sheet)]
    with Stopwatch(argv, {"HOME": str(options.scratch)}) as terminal:
        terminal.wait_for("Number", timeout=60)
        terminal.wait_for(lambda t: f"{options.orders}" in t.text.replace(",", ""), timeout=180)
        time.sleep(2.0)
        terminal.settle(0.3, timeout=120)
        found = {name: Series([]) for name in ("row", "page", "ends")}
        for _n in range(times):
            before = _places(terminal)
            found["row"].answers.append(terminal.key("down", lambda t, b=before: _places(t) != b))
        for _n in range(times):
            before = _places(terminal)
            found["page"].answers.append(terminal.key("ctrl+f", lambda t, b=before: _places(t) != b))
        for _n in range(8):
            found["ends"].answers.append(terminal.key("G", lambda t: last in t.text))
            terminal.write("g")
            found["ends"].answers.append(terminal.key("g", lambda t: last not in t.text))
        check(found["row"].answers, "VisiData has answered")
    sheet.unlink()
    return found


def _export(connection: sqlite3.Connection, file: Path, orders: int) -> str:
    """Write the ten columns of the peers as TSV; returns the code in the last row."""
    last = ""
    with file.open("w", encoding="utf-8") as out:
        out.write("\t".join(TITLES) + "\n")
        for row in connection.execute(TABLE_ROWS.format(limit=orders)):
            last = row[0]
            out.write("\t".join(str(v).replace("\t", " ").replace("\n", " ") for v in row) + "\n")
    return last
