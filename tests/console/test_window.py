"""The rows at hand of a long list: whatever way it is walked, each index shows the row of a plain sort."""

import asyncio
import gc
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bench.generate import NOW, generate
from console.cells import cells
from console.eyes import Eyes
from console.marks import Marks
from console.styles import DARK, styles_of
from console.window import FEW, KEEP, PAGE, OrderWindow
from domain.clock import MINUTE
from domain.enums import Stage
from domain.filters import Term
from store import lists
from store.lists import Query
from store.place import Place
from store.queue import NO_DEADLINE
from store.reader import Reader
from store.upgrade import open_store

HEIGHT = 31
SHIPPED, REVIEW = Query((Stage.SHIPPED,)), Query((Stage.REVIEW,))
POLAND = Query((Stage.SHIPPED,), terms=(Term("country", ("PL",)),))
STYLES = styles_of(DARK, True)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5,000 orders as years of work leave them, made once."""
    folder = tmp_path_factory.mktemp("five thousand")
    place = Place("", folder / "orders.sqlite", folder / "key", folder / "backups")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(generate, place, 5_000, 7).result()
    with sqlite3.connect(folder / "orders.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "orders.sqlite"


@pytest.fixture
def here(generated: Path, tmp_path: Path) -> Place:
    """A copy of them that a test may change."""
    shutil.copy(generated, tmp_path / "orders.sqlite")
    return Place("", tmp_path / "orders.sqlite", tmp_path / "key", tmp_path / "backups")


@pytest.fixture
async def eyes(here: Place) -> AsyncIterator[Eyes]:
    made = Eyes(here)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def window(eyes: Eyes) -> OrderWindow:
    return OrderWindow(eyes, Marks(), lambda: NOW, lambda: STYLES)


def plain(place: Place, query: Query, where: str = "1 = 1") -> list[int]:
    """The ids of a list by a plain sort in Python."""
    with sqlite3.connect(place.file or "") as connection:
        rows = connection.execute(f"SELECT id, stage, ship_by FROM shipment s WHERE {where}").fetchall()
    if not query.stages:
        return sorted((row[0] for row in rows), reverse=not query.latest)
    mine = [(NO_DEADLINE if due is None else due, i) for i, stage, due in rows if stage in query.stages]
    return [i for _due, i in sorted(mine, reverse=query.latest)]


def change(place: Place, sql: str, *values: Any) -> None:
    """Somebody else commits something."""
    with sqlite3.connect(place.file or "") as connection:
        connection.execute(sql, values)


def ids_at_hand(window: OrderWindow, first: int, last: int) -> list[int | None]:
    return [row.id if (row := window.row(i)) is not None else None for i in range(first, last + 1)]


class Screen:
    """What the list widget asks of its rows, without a widget."""

    def __init__(self, window: OrderWindow) -> None:
        self.window, self.top = window, 0

    async def show(self, top: int) -> list[int | None]:
        """Move the view, as far as there are rows; what it shows."""
        self.top = max(0, min(top, self.window.total - HEIGHT))
        await self.window.reach(self.top, self.top + HEIGHT - 1)
        return self.seen()

    def seen(self) -> list[int | None]:
        return ids_at_hand(self.window, self.top, min(self.top + HEIGHT, self.window.total) - 1)


async def arrived(window: OrderWindow, query: Query) -> list[int]:
    """Open a filtered list and wait until it is read whole; its totals at every painting of it on the way."""
    totals: list[int] = []
    done = asyncio.Event()

    async def ready() -> None:
        totals.append(window.total)
        if not window.reading:
            done.set()

    window.ready = ready
    await window.open(query, None)
    # Whoever opened paints what stands there now: an empty list that says that it is being read, or the first rows.
    totals.insert(0, window.total)
    if window.reading:
        await asyncio.wait_for(done.wait(), 20)
    return totals


@pytest.fixture(params=["with the screen", "later"])
def first_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """First rows that come at once, and some that take longer; the totals that are painted before them."""
    late = request.param == "later"
    monkeypatch.setattr("console.window.AT_ONCE_S", 0.0 if late else 20.0)
    return [0] if late else []


# ------------------------------------------------------------------ walking


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "query", [SHIPPED, Query((Stage.SHIPPED,), latest=True), Query(), Query(latest=True), REVIEW], ids=repr
)
async def test_every_index_shows_the_row_of_the_plain_sort_however_one_gets_there(
    window: OrderWindow, here: Place, query: Query, seed: int
) -> None:
    wanted = plain(here, query)
    chance = Random(seed)
    screen = Screen(window)
    await window.open(query, len(wanted))
    assert screen.seen() == wanted[:HEIGHT]
    fullest = 0
    for _step in range(250):
        how = chance.choice(["down"] * 8 + ["up"] * 7 + ["home", "end", "one down", "one up"])
        pages = chance.randint(1, 3) * HEIGHT
        tops = {
            "down": screen.top + pages,
            "up": screen.top - pages,
            "home": 0,
            "end": len(wanted),
            "one down": screen.top + 1,
            "one up": screen.top - 1,
        }
        assert await screen.show(tops[how]) == wanted[screen.top : screen.top + HEIGHT], (how, screen.top)
        assert window.total == len(wanted)
        assert len(window.rows) <= KEEP
        fullest = max(fullest, len(window.rows))
    assert fullest > PAGE or len(wanted) <= PAGE


async def test_the_whole_way_down_and_up_again_never_holds_more_than_it_may(window: OrderWindow, here: Place) -> None:
    wanted = plain(here, SHIPPED)
    screen = Screen(window)
    await window.open(SHIPPED, len(wanted))
    down = [i for top in range(0, len(wanted), HEIGHT) for i in (await screen.show(top))[-HEIGHT:]]
    assert set(down) == set(wanted)
    assert KEEP - PAGE < len(window.rows) <= KEEP
    for top in range(len(wanted) - HEIGHT, -1, -HEIGHT):
        assert await screen.show(top) == wanted[screen.top : screen.top + HEIGHT]
        assert len(window.rows) <= KEEP
    assert await screen.show(0) == wanted[:HEIGHT]


async def test_a_list_nobody_has_counted_counts_itself(window: OrderWindow, here: Place) -> None:
    await window.open(SHIPPED, None)
    assert window.total == len(plain(here, SHIPPED))
    held = Query((Stage.REVIEW,), "held")
    await window.open(held, None)
    assert window.total == len(plain(here, held, "hold_reason <> ''")) == len(window.rows)


@pytest.mark.parametrize("wrong_by", [-150, -97, -96, -50, -1, 1, 50, 150])
async def test_counters_that_lag_behind_hide_no_row(window: OrderWindow, here: Place, wrong_by: int) -> None:
    wanted = plain(here, SHIPPED)
    screen = Screen(window)
    await window.open(SHIPPED, len(wanted) + wrong_by)
    shown = await screen.show(len(wanted) + wrong_by)
    assert shown[-1] == wanted[-1], "End shows the last row"
    for _page in range(len(wanted) // HEIGHT + 10):
        assert None not in await screen.show(screen.top - HEIGHT)
    assert screen.top == 0
    assert screen.seen() == wanted[:HEIGHT], "walked up to, the first row is the first one"
    assert window.total == len(wanted), "and by then it is known how many there are"
    for top in range(0, len(wanted), HEIGHT):
        assert await screen.show(top) == wanted[screen.top : screen.top + HEIGHT]


async def test_a_list_that_shrank_ends_where_it_ends(window: OrderWindow, here: Place) -> None:
    wanted = plain(here, REVIEW)
    screen = Screen(window)
    await window.open(REVIEW, 500)
    for top in range(0, 500, HEIGHT):
        await screen.show(top)
    assert window.total == len(wanted)
    assert await screen.show(0) == wanted[:HEIGHT]


async def test_a_row_is_found_again_with_its_neighbours(window: OrderWindow, here: Place) -> None:
    wanted = plain(here, SHIPPED)
    await window.open(SHIPPED, len(wanted))
    with sqlite3.connect(here.file or "") as connection:
        due = dict(connection.execute("SELECT id, coalesce(ship_by, ?) FROM shipment", (NO_DEADLINE,)))
    for at in (0, 5, PAGE, 2_000, len(wanted) - 1):
        assert await window.go_to((due[wanted[at]], wanted[at])) == at
        top = max(0, min(at - 10, len(wanted) - HEIGHT))
        await window.reach(top, top + HEIGHT - 1)
        assert ids_at_hand(window, top, top + HEIGHT - 1) == wanted[top : top + HEIGHT]


# ------------------------------------------------------------------ what changes meanwhile


async def test_rows_that_left_the_list_stay_where_they_are_greyed(window: OrderWindow, here: Place) -> None:
    wanted = plain(here, REVIEW)
    await window.open(REVIEW, len(wanted))
    shown = range(HEIGHT)
    before = [window.draw(i, 79, cursor=False) for i in shown]
    assert not await window.look_again(shown), "nothing has changed"
    left = {wanted[3], wanted[7], wanted[20]}
    change(here, f"UPDATE shipment SET stage = 2, version = version + 1 WHERE id IN {tuple(left)}")
    assert await window.look_again(shown)
    assert ids_at_hand(window, 0, HEIGHT - 1) == wanted[:HEIGHT], "nothing moves"
    assert window.total == len(wanted)
    assert window.gone == left
    for i in shown:
        strip = window.draw(i, 79, cursor=False)
        grey = {s.style for s in strip} == {STYLES["gone"]}
        assert grey == (wanted[i] in left)
        assert grey or strip.text == before[i].text
    assert not await window.look_again(shown)
    change(here, "UPDATE shipment SET stage = 1 WHERE id = ?", wanted[3])
    assert await window.look_again(shown)
    assert window.gone == left - {wanted[3]}, "what came back is no longer grey"
    await window.open(REVIEW, len(wanted) - 2)
    assert window.gone == set()
    assert ids_at_hand(window, 0, HEIGHT - 1) == [i for i in wanted if i not in left or i == wanted[3]][:HEIGHT]


async def test_a_row_that_changed_is_drawn_as_it_is_now(window: OrderWindow, here: Place) -> None:
    wanted = plain(here, REVIEW)
    await window.open(REVIEW, len(wanted))
    change(here, "UPDATE shipment SET hold_reason = 'wait', flags = 0 WHERE id = ?", wanted[2])
    assert "H" not in window.draw(2, 79, cursor=False).text[2:6]
    assert await window.look_again(range(HEIGHT))
    assert window.draw(2, 79, cursor=False).text[2] == "H"
    assert not await window.look_again(range(0, 0)), "an empty screen has nothing to look at"


async def test_what_arrives_later_moves_nothing(window: OrderWindow, here: Place) -> None:
    wanted = plain(here, REVIEW)
    await window.open(REVIEW, len(wanted))
    change(here, "UPDATE shipment SET stage = 1, status = 'open', ship_by = 1 WHERE id = ?", plain(here, SHIPPED)[0])
    await window.look_again(range(HEIGHT))
    assert ids_at_hand(window, 0, HEIGHT - 1) == wanted[:HEIGHT]
    await window.open(REVIEW, len(wanted) + 1)
    assert ids_at_hand(window, 1, HEIGHT - 1) == wanted[: HEIGHT - 1], "read again it stands first"


# ------------------------------------------------------------------ filters


async def test_a_filtered_list_arrives_beside_the_screen(
    window: OrderWindow, here: Place, eyes: Eyes, first_rows: list[int]
) -> None:
    wanted = list(await lists.ids_of(eyes.quick, POLAND))
    everything = plain(here, SHIPPED)
    assert PAGE < len(wanted) < len(everything)
    assert wanted == [i for i in everything if i in set(wanted)]
    assert await arrived(window, POLAND) == [*first_rows, PAGE, len(wanted)], "its first rows, then all of them"
    screen = Screen(window)
    for top in [0, HEIGHT, len(wanted), len(wanted) // 2, len(wanted) // 2 - HEIGHT, 3, 0]:
        assert await screen.show(top) == wanted[screen.top : screen.top + HEIGHT]
        assert len(window.rows) <= KEEP


async def test_the_page_behind_the_first_screenful_is_there_before_all_is_counted(
    window: OrderWindow, here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = list(await lists.ids_of(window.eyes.quick, POLAND))
    begun, go, ids_of = threading.Event(), threading.Event(), lists.ids_of

    async def counts(reader: Reader, query: Query) -> Any:
        begun.set()
        go.wait(20)
        return await ids_of(reader, query)

    monkeypatch.setattr("console.window.AT_ONCE_S", 20.0)
    monkeypatch.setattr(lists, "ids_of", counts)
    try:
        await window.open(POLAND, None, HEIGHT)
        assert (window.total, window.reading) == (HEIGHT, True)
        assert await asyncio.to_thread(begun.wait, 20)
        assert (window.total, window.reading) == (HEIGHT + PAGE, True)
        assert ids_at_hand(window, 0, HEIGHT + PAGE - 1) == wanted[: HEIGHT + PAGE]
    finally:
        go.set()


async def test_a_filter_that_matches_little_or_nothing_says_so(
    window: OrderWindow, here: Place, first_rows: list[int]
) -> None:
    some = plain(here, REVIEW)[5]
    assert await arrived(window, Query((), terms=(Term("code", (f"K{some:06d}",)),))) == [1], (
        "a number is looked up at once"
    )
    assert ids_at_hand(window, 0, 0) == [some]
    assert await arrived(window, Query((), terms=(Term("buyer", ("nobody at all",)),))) == [*first_rows, 0]
    assert window.total == 0
    assert await arrived(window, Query((Stage.REVIEW,), ids=tuple(plain(here, REVIEW)[:4]))) == [4], (
        "a few known by number are read at once"
    )
    many = tuple(plain(here, REVIEW)[: FEW + 1])
    assert await arrived(window, Query((Stage.REVIEW,), ids=many)) == [*first_rows, len(many)]


async def test_rows_of_a_filtered_list_that_match_no_more_turn_grey(window: OrderWindow, here: Place) -> None:
    held = Query((Stage.SHIPPED,), terms=(Term("held", ("no",)),))
    await arrived(window, held)
    first = window.rows[0].id
    change(here, "UPDATE shipment SET hold_reason = 'wait' WHERE id = ?", first)
    assert await window.look_again(range(HEIGHT))
    assert window.gone == {first}


async def test_another_list_may_be_wanted_while_one_is_searched(window: OrderWindow, here: Place) -> None:
    loop, failed = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _loop, context: failed.append(context))
    slow = Query((), terms=(Term("", ("ski",)), Term("buyer", ("a",))))
    for turn in range(30):
        await window.open(slow, None)
        if turn % 3 == 0:
            await window.eyes.look(lambda r: lists.counts(r, None))
        if turn % 2:
            await window.open(REVIEW, None)
            assert ids_at_hand(window, 0, HEIGHT - 1) == plain(here, REVIEW)[:HEIGHT]
            assert not window.reading
    totals = await arrived(window, POLAND)
    assert totals[-1] == window.total
    assert ids_at_hand(window, 0, HEIGHT - 1) == list(await lists.ids_of(window.eyes.quick, POLAND))[:HEIGHT]
    gc.collect()
    assert failed == [], "nobody is told of a search that was given up"


async def stuck(reader: Reader, begun: threading.Event, go: threading.Event) -> int:
    """A query that stands still in its middle until it may go on."""

    def wait() -> int:
        begun.set()
        go.wait(20)
        return 1

    connection = reader._sqlite
    assert connection is not None
    connection.create_function("wait_here", 0, wait)
    rows = await reader.tuples(
        """WITH RECURSIVE n(x) AS (SELECT wait_here() UNION ALL SELECT x + 1 FROM n WHERE x < 50000)
           SELECT count(*) FROM n"""
    )
    return int(rows[0][0])


@pytest.mark.parametrize("who", ["mine", "another's"])
async def test_a_search_is_given_up_by_whom_it_was_for_alone(eyes: Eyes, who: str) -> None:
    begun, go = threading.Event(), threading.Event()
    search = asyncio.create_task(eyes.search(lambda r: stuck(r, begun, go), "mine"))
    await asyncio.to_thread(begun.wait, 20)
    eyes.give_up_search(who)
    go.set()
    if who == "mine":
        with pytest.raises(sqlite3.OperationalError):
            await search
    else:
        assert await search == 50_000
    assert await eyes.search(lambda r: lists.count(r, REVIEW)) > 0, "the next search is not disturbed"


async def test_marking_everything_is_not_given_up_by_a_new_list(window: OrderWindow, eyes: Eyes) -> None:
    begun, go = threading.Event(), threading.Event()
    marking = asyncio.create_task(eyes.search(lambda r: stuck(r, begun, go)))
    await asyncio.to_thread(begun.wait, 20)
    await window.open(POLAND, None)
    await window.open(REVIEW, 5)
    go.set()
    assert await marking == 50_000


async def test_several_readings_at_once_do_not_disturb_each_other(place: Place) -> None:
    await (await open_store(place)).close()
    eyes = Eyes(place)
    await eyes.open()
    try:
        # A key that moves the list and a refresh of what it shows read at the same moment.
        found = await asyncio.gather(
            *(lists.counts(eyes.quick, Stage.REVIEW) for _n in range(5)),
            *(eyes.quick.fetch("SELECT 1 AS one") for _n in range(5)),
            eyes.search(lambda r: lists.count(r, REVIEW)),
            eyes.look(lambda r: lists.count(r, REVIEW)),
        )
        assert found[5:] == [[{"one": 1}]] * 5 + [0, 0]
    finally:
        await eyes.close()


# ------------------------------------------------------------------ drawing


async def test_a_row_is_drawn_in_exactly_its_cells_and_anew_when_it_must(eyes: Eyes, here: Place) -> None:
    moment = [NOW]
    marks = Marks()
    window = OrderWindow(eyes, marks, lambda: moment[0], lambda: STYLES)
    await window.open(SHIPPED, None)
    for width in (79, 119):
        for i in range(HEIGHT):
            for cursor in (False, True):
                strip = window.draw(i, width, cursor=cursor)
                assert strip.cell_length == width == cells(strip.text)
                assert strip.text[0] == (">" if cursor else " ")
    once = window.draw(0, 79, cursor=False)
    assert window.draw(0, 79, cursor=False) is once, "what was drawn is kept"
    marks.add(window.rows[0].id, 1)
    assert window.draw(0, 79, cursor=False).text[1] == "*"
    moment[0] += MINUTE
    marks.clear()
    assert window.draw(0, 79, cursor=False) is not once, "a new minute shows new ages"
    assert window.draw(99_999, 79, cursor=False).text.strip() == "..."
    assert window.draw(99_999, 79, cursor=False).cell_length == 79
