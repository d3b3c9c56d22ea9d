"""The rows of the order list that are at hand: a window that slides along the list by key, whatever its length.

Where a list is a walk along an index it is read page by page between two frames. A filtered list is read once beside
the screen as the ids it holds; its pages are then rows by id.
"""

import asyncio
import contextlib
import sqlite3
from array import array
from collections.abc import Awaitable, Callable, Set

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from console.cells import cells, fit
from console.columns import Painted, paint
from console.eyes import Eyes
from console.marks import Marks
from domain.clock import MINUTE, Clock
from store import lists
from store.lists import Key, Line, Query
from store.reader import Reader

PAGE = 96
"""Rows per read: two screens of a large terminal."""
KEEP = 1_200
"""Rows at hand at most; further ones are read again when they are wanted."""

FEW = 20
"""So many shipments that are known by number are read between two frames."""
AT_ONCE_S = 0.04
"""Rows that are found within this time come with the screen that is painted for them, not after an empty one."""
COUNT_AFTER_S = 0.05
"""Between the first rows of a filtered list and the reading of all of it."""


class OrderWindow:
    """A `Source` of the list widget over one `Query`."""

    def __init__(self, eyes: Eyes, marks: Marks, clock: Clock, styles: Callable[[], dict[str, Style]]) -> None:
        self.eyes, self.marks, self.clock, self.styles = eyes, marks, clock, styles
        self.query = Query(())
        self.total = 0
        self.start = 0
        """The place in the list of the first row at hand."""
        self.rows: list[Line] = []
        self.gone: set[int] = set()
        """Rows that have left the list since they were read; they stay where they are, greyed, until it is read again."""
        self.same_buyer: Set[int] = frozenset()
        self.everywhere = False
        self.reading = False
        """The whole list is being read beside the screen; `total` grows."""
        self.ready: Callable[[], Awaitable[None]] | None = None
        """Called when rows have come that were not there when they were wanted."""
        self._ids: array[int] | None = None
        self._generation = 0
        self._task: asyncio.Task[None] | None = None
        self._strips: dict[tuple[int, int, bool, bool, bool, int], Strip] = {}
        self._minute = 0

    # -------------------------------------------------------------- reading

    async def open(self, query: Query, total: int | None, shown: int = PAGE) -> None:
        """Show a list from its first row. `total` as the counters know it, None when only reading it can tell.

        `shown`: rows that fit on the screen; a filter finds those first.
        """
        self.eyes.give_up_search((id(self), self._generation))
        self._generation += 1
        self.query, self.gone, self._ids = query, set(), None
        self.everywhere = not query.stages
        self._strips.clear()
        self.start, self.reading = 0, False
        if query.quick and query.ids is None:
            self.rows = await lists.window(self.eyes.quick, query, PAGE)
            self.total = max(total or 0, len(self.rows)) if len(self.rows) == PAGE else len(self.rows)
            if total is None and len(self.rows) == PAGE:
                counted = await self.eyes.search(lambda r: lists.count(r, query))
                self.total = max(len(self.rows), counted)
            return
        if (few := await lists.by_number(self.eyes.quick, query, FEW)) is not None:
            self.rows = await lists.window(self.eyes.quick, few, FEW)
            self.total = len(self.rows)
            return
        self.rows, self.total, self.reading = [], 0, True
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()
        self._task = loop.create_task(self._read_all(self._generation, max(1, min(shown, PAGE)), arrived))
        # Rows that come at once are painted once, with the screen that they come to.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(arrived, AT_ONCE_S)

    async def _read_all(self, generation: int, shown: int, arrived: asyncio.Future[None]) -> None:
        """A filtered list: a screenful of rows as soon as they are found, the next page, then the ids of all of them.

        `arrived` is cancelled once nobody waits any more to paint the first rows.
        """
        query, who = self.query, (id(self), generation)

        async def first_rows(reader: Reader) -> list[Line]:
            return await lists.window(reader, query, shown) if generation == self._generation else []

        try:
            first = await self.eyes.search(first_rows, who)
            if generation != self._generation:
                return
            self.rows, self.total, self.reading = first, len(first), len(first) == shown
            if not arrived.done():
                arrived.set_result(None)
            elif self.ready is not None:
                await self.ready()
            if not self.reading:
                return
            # The first rows are painted before the rest is counted: both at once would be slower to see.
            await asyncio.sleep(COUNT_AFTER_S)
            if generation != self._generation:
                return
            more = await self.eyes.search(lambda r: lists.window(r, query, PAGE, after=first[-1].key), who)
            if generation != self._generation:
                return
            self.rows, self.total = [*first, *more], len(first) + len(more)
            ids = await self.eyes.search(lambda r: lists.ids_of(r, query), who)
            if generation != self._generation:
                return
            self._ids, self.total = ids, len(ids)
        except sqlite3.OperationalError:
            # Interrupted: another list is wanted by now.
            if generation == self._generation:
                raise
            return
        finally:
            if generation == self._generation:
                self.reading = False
        if self.ready is not None:
            await self.ready()

    async def reach(self, first: int, last: int) -> None:
        """Make rows `first` to `last` of the list ready."""
        first, last = max(0, first), min(last, self.total - 1)
        if last < first or (first >= self.start and last < self.start + len(self.rows)):
            return
        if self._ids is not None:
            await self._by_ids(first, last)
        elif not self.query.quick or self.query.ids is not None:
            return
        elif last >= self.total - 1 and first >= self.start + len(self.rows) + PAGE:
            self.rows = await lists.last(self.eyes.quick, self.query, PAGE)
            if len(self.rows) < PAGE:
                self.total = len(self.rows)
            self.start = max(0, self.total - len(self.rows))
        elif first < PAGE and first < self.start - PAGE:
            self.rows, self.start = await lists.window(self.eyes.quick, self.query, PAGE), 0
        else:
            await self._slide(first, last)

    async def _by_ids(self, first: int, last: int) -> None:
        assert self._ids is not None
        start, end = max(0, first - PAGE // 2), min(len(self._ids), last + PAGE // 2)
        wanted = self._ids[start:end]
        found = await lists.lines(self.eyes.quick, wanted)
        self.gone |= {i for i in wanted if i not in found}
        self.rows = [found[i] for i in wanted if i in found]
        self.start = start

    async def _slide(self, first: int, last: int) -> None:
        while last >= self.start + len(self.rows) and self.rows:
            more = await lists.window(self.eyes.quick, self.query, PAGE, after=self.rows[-1].key)
            self.rows += more
            if len(more) < PAGE:
                self.total = self.start + len(self.rows)
                break
        while first < self.start and self.rows:
            more = await lists.window(self.eyes.quick, self.query, PAGE, before=self.rows[0].key)
            self.rows[:0] = more
            self.start -= len(more)
            if len(more) < PAGE:
                # The first row of all: more or fewer stood before than was known.
                self.total -= self.start
                self.start = 0
                break
            if self.start <= 0:
                # At the top by what was known; how many do stand before?
                before = await self._before(self.rows[0].key)
                self.total += before - self.start
                self.start = before
        if (over := len(self.rows) - KEEP) > 0:
            if first - self.start > len(self.rows) // 2:
                del self.rows[:over]
                self.start += over
            else:
                del self.rows[-over:]

    async def _before(self, key: Key) -> int:
        """How many rows stand before a key."""
        query = self.query
        return await self.eyes.search(lambda r: lists.position(r, query, key))

    async def look_again(self, shown: range) -> bool:
        """Read the rows on the screen anew, in place; True when one of them looks different now.

        Those that have left the list stay, greyed. Nothing moves.
        """
        here = [r for i in shown if (r := self.row(i)) is not None]
        if not here:
            return False
        ids = [r.id for r in here]
        fresh = await lists.lines(self.eyes.quick, ids)
        stay = await lists.still_in(self.eyes.quick, self.query, ids)
        left = {i for i in ids if i not in stay}
        changed = False
        for index in shown:
            row = self.row(index)
            if row is None:
                continue
            if (now := fresh.get(row.id)) is not None and now != row:
                self.rows[index - self.start] = now
                changed = True
            if (row.id in left) != (row.id in self.gone):
                self.gone ^= {row.id}
                changed = True
        if changed:
            self._strips.clear()
        return changed

    def row(self, index: int) -> Line | None:
        """The row at a place of the list, None while it is not at hand."""
        at = index - self.start
        return self.rows[at] if 0 <= at < len(self.rows) else None

    async def go_to(self, key: Key) -> int:
        """Bring the rows around a key to hand; returns the place of the first row not before it."""
        if self._ids is not None or not self.query.quick or self.query.ids is not None:
            return 0
        before = await lists.window(self.eyes.quick, self.query, PAGE, before=key)
        after = await lists.window(
            self.eyes.quick, self.query, PAGE, after=(key[0], key[1] + (-1 if self.query.rising else 1))
        )
        if len(before) < PAGE:
            self.start = 0
        else:
            self.start = await self._before(before[0].key)
        self.rows = before + after
        self.total = max(self.total, self.start + len(self.rows))
        return self.start + len(before)

    # -------------------------------------------------------------- drawing

    def repaint(self) -> None:
        """Forget what was drawn: the theme, the marks or the minute changed."""
        self._strips.clear()

    def draw(self, index: int, width: int, *, cursor: bool) -> Strip:
        """One row of the list."""
        styles = self.styles()
        row = self.row(index)
        if row is None:
            return Strip([Segment(fit("       ...", width), styles["dim"])], width)
        now = self.clock()
        if now // MINUTE != self._minute:
            self._minute = now // MINUTE
            self._strips.clear()
        marked, gone = row.id in self.marks, row.id in self.gone
        key = (row.id, row.version, cursor, marked, gone, width)
        if (kept := self._strips.get(key)) is not None:
            return kept
        if len(self._strips) > 4_000:
            self._strips.clear()
        painted = paint(row, now, self.same_buyer, width, everywhere=self.everywhere)
        strip = self._strips[key] = _strip(painted, styles, width, cursor=cursor, marked=marked, gone=gone)
        return strip


def _strip(p: Painted, styles: dict[str, Style], width: int, *, cursor: bool, marked: bool, gone: bool) -> Strip:
    """A painted row as few segments: plain rows are one."""
    head = (">" if cursor else " ") + ("*" if marked else " ")
    text = f"{p.code} {p.by}{p.rest}"
    if gone:
        line = fit(f"{head}{p.flags} {text}", width)
        return Strip([Segment(line, styles["cursor" if cursor else "gone"])], width)
    if cursor:
        segments = [
            Segment(head, styles["cursor.mark" if marked else "cursor"]),
            Segment(f"{p.flags} ", styles["cursor.bad" if p.tone == "bad" else "cursor"]),
            Segment(f"{p.code} ", styles["cursor"]),
            Segment(p.by, styles["cursor.bad" if p.late else "cursor"]),
            Segment(p.rest, styles["cursor"]),
        ]
    elif not marked and not p.tone and not p.late and p.flags == "    ":
        segments = [Segment(f"{head}{p.flags} {text}", styles["text"])]
    else:
        segments = [
            Segment(head, styles["mark" if marked else "text"]),
            Segment(f"{p.flags} ", styles[p.tone or "busy"]),
            Segment(f"{p.code} ", styles["mark" if marked else "text"]),
            Segment(p.by, styles["bad" if p.late else "text"]),
            Segment(p.rest, styles["dim" if p.tone == "dim" else "text"]),
        ]
    used = sum(cells(s.text) for s in segments)
    if used < width:
        segments.append(Segment(" " * (width - used), segments[-1].style))
    return Strip(segments, width)
