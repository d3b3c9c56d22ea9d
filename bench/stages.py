"""Benchmark 3: stage switches, filters within a stage, finding and free text, through a pseudo-terminal.

What counts is the time on a CPU from the last key until the first rows stand there; the whole count may follow. Beside
each stands the bare SQL: the same question, written by hand for SQLite, asked for the ids of one page.
"""

import sqlite3
import time
from collections.abc import Sequence

from msgspec import Struct

from bench import data
from bench.harness import Options, Result, at_most, p, plain
from bench.keyboard import Answer, Series, Stopwatch, console, cursor_on, ready
from console.wording import STAGES, count
from domain.enums import Stage
from domain.facts import code_of
from domain.search import question
from domain.text import phone_key
from tests.console.terminal import Terminal

DUE = "coalesce(s.ship_by, 9007199254740991)"
LATEST = {Stage.SHIPPED: True}
"""Stages whose list begins with the latest deadline."""
PAGE = 96
FIND_MS = 20
"""What finding by a number may cost, p95."""
ENOUGH_MS = 3_000
"""A question that takes longer than this altogether is not asked again: its figure is clear enough."""


class Case(Struct, frozen=True):
    """A filter within a stage (None: all orders), how to ask it in SQL, and what it may cost (ms, p95)."""

    title: str
    stage: Stage | None
    text: str
    sql: str
    most: float
    params: tuple[object, ...] = ()
    anywhere: bool = False
    """A number that is known exactly is shown whatever its stage."""


def run(options: Options) -> list[Result]:
    """The figures at the full size, then how they grow with the order book."""
    results, ours = _at(options, options.orders, options.size(8, 1))
    for orders in options.growth()[:-1]:
        _results, found = _at(options, orders, options.size(4, 1))
        for title, series in found.items():
            if title in ours:
                results.append(
                    plain("stages", f"growth: {title}, {orders}", series.shown(0.5), "ms", ours[title].shown(0.5))
                )
    return results


def _at(options: Options, orders: int, times: int) -> tuple[list[Result], dict[str, Series]]:
    file = data.generated(options, orders)
    connection = data.read_only(file)
    connection.create_function("lower", 1, lambda t: t.lower() if isinstance(t, str) else t, deterministic=True)
    results: list[Result] = []
    found: dict[str, Series] = {}
    with data.copied(options, file, f"stages{orders}") as place:
        data.no_worker(place)
        with console(place, options.scratch / f"stages-home{orders}") as terminal:
            ready(terminal, code_of(_first(connection, Stage.REVIEW, "1 = 1")[0])[-7:], 0.3 if options.quick else 2.0)
            switches, bare = _switches(connection, terminal, options.size(10, 1), 0.1 if options.quick else 0.8)
            found["stage switch"] = switches
            results.append(
                at_most("stages", "stage switch with counts, p95", switches.cpu(0.95), "ms", 50, p(bare, 0.95))
            )
            results.append(plain("stages", "stage switch, p50", switches.cpu(0.5), "ms", p(bare, 0.5)))
            results.append(plain("stages", "stage switch, wall p95", switches.wall(0.95), "ms wall"))
            for case in _cases(connection)[:: 4 if options.quick else 1]:
                # The narrowest limit wants a p95 that is one, not the slowest of a handful.
                series, bare, busy = _filter(
                    connection, terminal, case, times * 5 if case.most == FIND_MS and not options.quick else times
                )
                found[case.title] = series
                results.append(
                    at_most("stages", f"{case.title}, p95", series.shown(0.95), "ms", case.most, p(bare, 0.95))
                )
                if case.title.startswith("free text") and busy:
                    results.append(
                        plain("stages", f"a key while it counts ({case.title}), wall p95", p(busy, 0.95), "ms wall")
                    )
    connection.close()
    return results, found


# ------------------------------------------------------------------ the keys


def _switches(
    connection: sqlite3.Connection, terminal: Stopwatch, times: int, rest_s: float
) -> tuple[Series, list[float]]:
    """From stage to stage: the first row and the count must stand there."""
    series, bare = Series([]), []
    open_stages = (Stage.PROCESSING, Stage.TO_PRINT, Stage.SHIPPED, Stage.WAYBILL, Stage.REVIEW)
    for _n in range(times):
        for stage in open_stages:
            began = time.process_time()
            first = _first(connection, stage, "1 = 1")[0]
            counted = dict(connection.execute("SELECT stage, sum(n) FROM stage_count GROUP BY stage").fetchall())
            bare.append((time.process_time() - began) * 1000)
            on_row, shown = cursor_on(code_of(first)), f"{STAGES[stage]} {count(counted[stage])}"
            answer = terminal.key(
                str(int(stage)), lambda t, on_row=on_row, shown=shown: on_row(t) and shown in t.lines()[1]
            )
            series.answers.append(answer)
            terminal.settled_after(rest_s)
    return series, bare


def _filter(
    connection: sqlite3.Connection, terminal: Stopwatch, case: Case, times: int
) -> tuple[Series, list[float], list[float]]:
    """Type a filter; timed from Enter to the first rows. Then keys while the rest is counted."""
    series, bare, busy = Series([]), [], []
    terminal.press("0" if case.stage is None else str(int(case.stage)))
    while len(bare) < times and sum(bare) < ENOUGH_MS:
        began = time.process_time()
        expected = _first(connection, None if case.anywhere else case.stage, case.sql, case.params)
        bare.append((time.process_time() - began) * 1000)
    there = cursor_on(code_of(expected[0])) if expected else _nothing
    while len(series.answers) < times and sum(a.shown_cpu for a in series.answers) < ENOUGH_MS:
        terminal.settled_after(0.3)
        terminal.press("/")
        terminal.wait_for("Show only")
        terminal.type(case.text, gap_s=0.05)
        terminal.wait_for(case.text)
        time.sleep(0.15)  # An Enter right behind a letter would be a scanner's.
        series.answers.append(terminal.key("enter", there, patience_s=120))
        for row in expected[1:4]:
            busy.append(_move(terminal, row).shown_wall)
        terminal.press("esc")
        terminal.settled_after(0.3)
    return series, bare, busy


def _nothing(terminal: Terminal) -> bool:
    return "Nothing matches" in terminal.text


def _move(terminal: Stopwatch, row: int) -> Answer:
    return terminal.key("down", cursor_on(code_of(row)))


# ------------------------------------------------------------------ what is right


def _first(connection: sqlite3.Connection, stage: Stage | None, sql: str, params: Sequence[object] = ()) -> list[int]:
    """The ids of the first page, in the order of the list."""
    if stage is None:
        order, within = "s.id DESC", "1 = 1"
    else:
        way = "DESC" if LATEST.get(stage) else "ASC"
        order, within = f"{DUE} {way}, s.id {way}", f"s.stage = {int(stage)}"
    rows = connection.execute(
        f"""SELECT s.id FROM shipment s {_JOINS if sql != "1 = 1" else ""} WHERE {within} AND {sql}
            ORDER BY {order} LIMIT {PAGE}""",
        params,
    )
    return [row[0] for row in rows]


_JOINS = """JOIN orders o ON o.id = s.order_id JOIN shop sh ON sh.id = s.shop_id JOIN buyer b ON b.order_id = o.id
    JOIN address a ON a.id = coalesce(s.address_id, o.address_id)"""
_SKU = """EXISTS (SELECT 1 FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
    WHERE sl.shipment_id = s.id AND ol.sku = ?)"""
_NAME = "s.order_id IN (SELECT rowid FROM buyer_words(?))"


def _cases(connection: sqlite3.Connection) -> list[Case]:
    """What is asked, with values that the database holds."""
    one = connection.execute(
        """SELECT s.id, o.number, w.number, b.phone FROM shipment s JOIN orders o ON o.id = s.order_id
           JOIN buyer b ON b.order_id = o.id JOIN waybill w ON w.shipment_id = s.id
           WHERE s.stage = 5 AND b.phone <> '' AND w.number <> '' ORDER BY s.id LIMIT 1 OFFSET 17"""
    ).fetchone()
    given, family = connection.execute(
        """SELECT b.first_name, b.last_name FROM shipment s JOIN buyer b ON b.order_id = s.order_id
           JOIN address a ON a.order_id = s.order_id WHERE s.stage = 5 AND a.country = 'CN' AND length(b.first_name) = 2
           AND length(b.last_name) = 1 ORDER BY s.ship_by LIMIT 1 OFFSET 30"""
    ).fetchone()
    whole = family + given
    rare = connection.execute(
        "SELECT last_name FROM buyer WHERE length(last_name) > 5 GROUP BY last_name ORDER BY count(*), last_name"
    ).fetchone()[0]
    skus = [
        r[0]
        for r in connection.execute(
            """SELECT ol.sku FROM order_line ol JOIN shipment s ON s.order_id = ol.order_id
               WHERE s.stage = 5 AND ol.sku <> '' AND ol.ships = 1 GROUP BY ol.sku ORDER BY count(*), ol.sku"""
        )
    ]
    shipped, review = Stage.SHIPPED, Stage.REVIEW
    phone = f"b.phone_key = '{phone_key(one[3])}'"

    def text(part: str) -> tuple[str]:
        return (question(part),)

    return [
        Case("shop within review", review, "shop:WeChat-1", "sh.name = 'WeChat-1'", 50),
        Case("shop within shipped", shipped, "shop:WeChat-1", "sh.name = 'WeChat-1'", 50),
        Case("country within review", review, "country:UA", "a.country = 'UA'", 50),
        Case("country within shipped", shipped, "country:UA", "a.country = 'UA'", 50),
        Case("frequent SKU within shipped", shipped, f"sku:{skus[-1]}", _SKU, 50, (skus[-1],)),
        Case("rare SKU within shipped", shipped, f"sku:{skus[0]}", _SKU, 50, (skus[0],)),
        Case(
            "combination: shop, country, SKU", shipped, f"shop:PL-Woo country:PL sku:{skus[-1]}",
            f"sh.name = 'PL-Woo' AND a.country = 'PL' AND {_SKU}", 150, (skus[-1],),
        ),
        Case(
            "combination: status, country", shipped, "status:failed country:CN",
            "s.status = 'failed' AND a.country = 'CN'", 150,
        ),
        Case("find by order number", review, one[1], "s.id = ?", FIND_MS, (one[0],), True),
        Case("find by waybill", review, one[2], "s.id = ?", FIND_MS, (one[0],), True),
        Case("find by phone", shipped, f"phone:{phone_key(one[3])}", phone, FIND_MS),
        Case("free text: 1 Chinese character", shipped, f"buyer:{family}", _NAME, 150, text(family)),
        Case("free text: 2 Chinese characters", shipped, f"buyer:{given}", _NAME, 150, text(given)),
        Case("free text: whole Chinese name", shipped, f'"{whole}"', _NAME, 150, text(whole)),
        Case("free text: rare word, all orders", None, rare, _NAME, 150, text(rare)),
        Case("free text: a word that nobody has", shipped, "qqqqq", _NAME, 150, text("qqqqq")),
    ]  # fmt: skip
