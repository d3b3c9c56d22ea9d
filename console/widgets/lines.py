"""Fixed lines of styled text, and a pane that scrolls through many of them."""

from collections.abc import Sequence
from typing import Self

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from console.cells import cells, fit
from console.styles import styles_of
from domain.text import safe

Piece = tuple[str, str]
"""(text, style name); drawn through `safe()`, which callers also use where they cut and pad."""
Styled = Sequence[Piece]
"""One line."""


class Drawn(Widget):
    """A widget that draws whole lines itself, without Textual's per-line style passes."""

    DEFAULT_CSS = """
    Drawn { width: 1fr; height: 1fr; }
    """

    def __init__(self, *, name: str | None = None, id: str | None = None) -> None:
        super().__init__(name=name, id=id)
        self._kept: dict[int, Strip] = {}
        self._kept_for: tuple[Size, int] = (Size(), 0)
        self._palette: dict[str, Style] | None = None

    @property
    def styles_by_name(self) -> dict[str, Style]:
        """The theme's styles."""
        return styles_of(self.app.current_theme, not self.app.no_color)

    @property
    def palette(self) -> dict[str, Style]:
        """The styles that the present drawing began with."""
        return self._palette or self.styles_by_name

    def line(self, y: int, width: int) -> Strip:
        """The strip of row `y`, exactly `width` cells."""
        raise NotImplementedError

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Draw the lines of these regions anew, without regions all of them."""
        for region in regions:
            for y in range(region.y, region.bottom):
                self._kept.pop(y, None)
        if not regions:
            self._kept.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines of a region, as the compositor asks for them: whatever changed on the screen, all of them."""
        # Textual works out its size and theme anew at every look: here once for all lines.
        size, self._palette = self.size, self.styles_by_name
        if self._kept_for != (drawn_for := (size, id(self._palette))):
            self._kept_for = drawn_for
            self._kept.clear()
        kept, width = self._kept, size.width
        strips = []
        for y in range(crop.y, crop.bottom):
            if (strip := kept.get(y)) is None:
                strip = kept[y] = self.line(y, width)
            strips.append(strip)
        if crop.x == 0 and crop.width == width:
            return strips
        return [strip.crop(crop.x, crop.right) for strip in strips]

    def strip(self, pieces: Styled, width: int, ground: str = "text") -> Strip:
        """Pieces as one strip of exactly `width` cells, the rest in the style `ground`."""
        styles = self.palette
        segments: list[Segment] = []
        used = 0
        for text, style in pieces:
            # Whatever a caller forgot: nothing that acts on a terminal leaves here.
            text = safe(text, 4_000)
            wide = cells(text)
            if used + wide > width:
                text = fit(text, width - used)
                wide = width - used
            if wide:
                segments.append(Segment(text, styles[style]))
            used += wide
            if used >= width:
                break
        if used < width:
            segments.append(Segment(" " * (width - used), styles[ground]))
        return Strip(segments, width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as it was given."""
        return self.size.height


class Lines(Drawn):
    """A few lines at a fixed place; `show` repaints only those that changed."""

    DEFAULT_CSS = """
    Lines { height: auto; }
    """

    def __init__(self, rows: int, ground: str = "text", *, name: str | None = None, id: str | None = None) -> None:
        super().__init__(name=name, id=id)
        self.rows, self.ground = rows, ground
        self._shown: list[Styled] = [()] * rows
        self.styles.height = rows

    def resize(self, rows: int) -> None:
        """Take up so many lines from now on."""
        if rows != self.rows:
            self.rows = rows
            self._shown = (self._shown + [()] * rows)[:rows]
            self.styles.height = rows

    def show(self, *lines: Styled) -> None:
        """Put these lines there."""
        wanted = [*lines[: self.rows], *([()] * (self.rows - len(lines)))]
        for y, (old, new) in enumerate(zip(self._shown, wanted, strict=True)):
            if old != new:
                self._shown[y] = new
                self.refresh(Region(0, y, self.size.width, 1))

    def text(self) -> str:
        """What stands there, for tests and pictures."""
        return "\n".join("".join(text for text, _style in line) for line in self._shown)

    def line(self, y: int, width: int) -> Strip:
        """One of the lines."""
        return self.strip(self._shown[y] if y < len(self._shown) else (), width, self.ground)


class Pane(Drawn):
    """Many lines of text that scroll."""

    def __init__(self, ground: str = "text", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ground = ground
        self.content: list[Styled] = []
        self.top = 0

    def show(self, content: Sequence[Styled], *, keep: bool = False) -> None:
        """Show these lines, from the top unless told to keep the place."""
        content = list(content)
        if content == self.content and keep:
            return
        self.content = content
        self.top = min(self.top, self._last()) if keep else 0
        self.refresh()

    def _last(self) -> int:
        return max(0, len(self.content) - self.size.height)

    def scroll(self, by: int) -> None:
        """Move by so many lines."""
        top = max(0, min(self._last(), self.top + by))
        if top != self.top:
            self.top = top
            self.refresh()

    def reveal(self, y: int) -> None:
        """Scroll just so far that line `y` is seen."""
        height = max(1, self.size.height)
        self.scroll(min(0, y - self.top) + max(0, y - self.top - height + 1))

    def line(self, y: int, width: int) -> Strip:
        """One line, or a blank one past the end."""
        at = self.top + y
        return self.strip(self.content[at] if at < len(self.content) else (), width, self.ground)
