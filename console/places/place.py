"""What every place has, and the plain table that most of them are."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from console.actions import Action
from console.cells import cells, fit
from console.keys import Key
from console.widgets.lines import Styled
from console.widgets.rows import Source
from domain.text import safe

if TYPE_CHECKING:
    from console.screens.desk import Desk


class Place:
    """One thing that the body of the screen shows."""

    name: ClassVar[str]
    """The action that opens it."""

    def __init__(self, desk: "Desk") -> None:
        self.desk = desk

    @property
    def source(self) -> Source:
        """Its rows."""
        raise NotImplementedError

    def titles(self, width: int) -> str:
        """The line above the rows."""
        raise NotImplementedError

    def sublists(self) -> Styled:
        """The third line of the screen."""
        return ()

    def empty(self) -> list[Styled]:
        """What stands there when there are no rows: the next step."""
        return []

    async def open(self) -> None:
        """Read the rows for the first time."""
        raise NotImplementedError

    async def look_again(self) -> None:
        """Something was committed: show it without moving anything."""

    def when_quiet(self) -> Awaitable[None] | None:
        """No key has come for a moment: what may take longer is to be done now. None: nothing is."""
        return None

    async def refresh(self) -> None:
        """A person asked to read the list again."""
        await self.open()

    def footer(self) -> list[tuple[Action, str]]:
        """(action, label) of the keys that change something here, in order."""
        return []

    async def detail(self, width: int) -> list[Styled]:
        """Everything about the row under the cursor, for the panel."""
        return []

    async def act(self, action: Action, key: Key) -> bool:
        """Do what a key means here; False when it means nothing here."""
        return False


class Item(Struct, frozen=True):
    """A row of a table: its line, and what it is."""

    id: str
    line: tuple[tuple[str, str], ...]
    value: object = None


class Table:
    """A `Source` over rows that are all at hand."""

    def __init__(self, styles: Callable[[], dict[str, Style]]) -> None:
        self.items: list[Item] = []
        self._styles = styles

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self.items)

    def draw(self, index: int, width: int, *, cursor: bool) -> Strip:
        """One row."""
        styles = self._styles()
        segments = [Segment(" > " if cursor else "   ", styles["cursor" if cursor else "text"])]
        used = 3
        for text, style in self.items[index].line:
            if used >= width:
                break
            text = safe(text, 4_000)
            text = text if used + cells(text) <= width else fit(text, width - used)
            name = ("cursor.bad" if style == "bad" else "cursor") if cursor else style
            segments.append(Segment(text, styles[name]))
            used += cells(text)
        if used < width:
            segments.append(Segment(" " * (width - used), styles["cursor" if cursor else "text"]))
        return Strip(segments, width)

    async def reach(self, first: int, last: int) -> None:
        """Everything is there."""


class TablePlace(Place):
    """A place whose rows are read at once."""

    columns: ClassVar[Sequence[tuple[str, int]]] = ()
    """(title, cells); negative cells stand to the right."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__(desk)
        self.table = Table(desk.styles_by_name)

    @property
    def source(self) -> Table:
        """Its rows."""
        return self.table

    def titles(self, width: int) -> str:
        """The column titles."""
        return fit("   " + " ".join(fit(t, abs(n), n < 0) for t, n in self.columns), width)

    async def items(self) -> list[Item]:
        """Read the rows."""
        raise NotImplementedError

    async def open(self) -> None:
        """Read the rows."""
        self.table.items = await self.items()

    async def look_again(self) -> None:
        """Read the rows anew; the cursor stays on what it stood on."""
        rows = self.desk.rows
        current = self.current
        fresh = await self.items()
        if fresh == self.table.items:
            return
        self.table.items = fresh
        if current is not None:
            at = next((n for n, item in enumerate(fresh) if item.id == current.id), None)
            if at is not None and at != rows.cursor:
                rows.top = max(0, rows.top + at - rows.cursor)
                rows.cursor = at
        await rows.settle()

    @property
    def current(self) -> Item | None:
        """The row under the cursor."""
        at = self.desk.rows.cursor
        return self.table.items[at] if at < len(self.table.items) else None
