"""A list with a cursor that shows a window of any number of rows, one line each, and its own scroll bar.

It holds no rows: a `Source` tells how many there are and draws each. A cursor move inside the window repaints two lines.
"""

from typing import Protocol

from rich.segment import Segment
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from console.widgets.lines import Drawn, Styled


class Source(Protocol):
    """What a list shows."""

    @property
    def total(self) -> int:
        """How many rows there are."""

    def draw(self, index: int, width: int, *, cursor: bool) -> Styled | Strip:
        """Row `index` in exactly `width` cells; () for one that is not there yet."""

    async def reach(self, first: int, last: int) -> None:
        """Make rows `first` to `last` ready to be drawn."""


class Rows(Drawn):
    """The list widget."""

    can_focus = True

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

        def can_replace(self, message: Message) -> bool:
            """A burst of moves is one."""
            return isinstance(message, Rows.Moved)

    def __init__(self, source: Source, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.source = source
        self.cursor = 0
        self.top = 0
        self.empty: list[Styled] = []

    # -------------------------------------------------------------- moving

    async def move_to(self, index: int) -> None:
        """Put the cursor on a row (or the nearest there is) and scroll just so far that it is seen."""
        await self._place(index)

    async def move(self, by: int) -> None:
        """Move the cursor by so many rows."""
        await self._place(self.cursor + by)

    async def page(self, by: int) -> None:
        """Move by pages; the view moves along."""
        height = max(1, self.size.height)
        await self._place(self.cursor + by * height, self.top + by * height)

    async def _place(self, index: int, top: int | None = None) -> None:
        total, height = self.source.total, max(1, self.size.height)
        index = max(0, min(total - 1, index))
        top = self.top if top is None else top
        top = max(0, min(top, total - height, index), index - height + 1)
        old_cursor, old_top = self.cursor, self.top
        if top != old_top or not total:
            await self.source.reach(top, top + height - 1)
        self.cursor, self.top = max(0, index), top
        if top != old_top:
            self.refresh()
        elif self.cursor != old_cursor:
            self._repaint(old_cursor)
            self._repaint(self.cursor)
        if self.cursor != old_cursor or top != old_top:
            self.post_message(self.Moved(self.cursor))

    async def settle(self) -> None:
        """Rows came or went: keep cursor and view inside what there is, and repaint."""
        total, height = self.source.total, max(1, self.size.height)
        self.cursor = max(0, min(self.cursor, total - 1))
        self.top = max(0, min(self.top, total - height, self.cursor), self.cursor - height + 1)
        await self.source.reach(self.top, self.top + height - 1)
        self.refresh()

    def _repaint(self, index: int) -> None:
        self.refresh(Region(0, index - self.top, self.size.width, 1))

    def repaint(self, index: int) -> None:
        """Draw one row again."""
        if self.top <= index < self.top + self.size.height:
            self._repaint(index)

    # -------------------------------------------------------------- drawing

    def line(self, y: int, width: int) -> Strip:
        """A row with its piece of the scroll bar."""
        index, inner = self.top + y, width - 1
        if index < self.source.total:
            drawn = self.source.draw(index, inner, cursor=index == self.cursor)
            row = drawn if isinstance(drawn, Strip) else self.strip(drawn, inner)
        elif not self.source.total and y < len(self.empty):
            row = self.strip(self.empty[y], inner)
        else:
            row = self.strip((), inner)
        return Strip([*row, self._bar(y)], width)

    def _bar(self, y: int) -> Segment:
        total, height = self.source.total, max(1, self._kept_for[0].height)
        styles = self.palette
        if total > height:
            size = max(1, height * height // total)
            start = (height - size) * self.top // max(1, total - height)
            if start <= y < start + size:
                return Segment("#", styles["thumb"])
        return Segment("|", styles["bar"])
