"""A terminal that nobody looks at: what a headless console would send to it is not made, what a test looks at is."""

import contextlib
from collections.abc import Iterator
from typing import Any

from textual._compositor import Compositor
from textual._context import visible_screen_stack
from textual.app import App
from textual.strip import Strip

from console.widgets.lines import Drawn
from console.widgets.rows import Rows
from console.window import OrderWindow
from domain.clock import MINUTE


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Let no headless app of this process paint the updates of its terminal, which throws them away.

    That is a third of what such an app costs. Whoever looks paints the whole screen: see `painted`.
    """
    made = Compositor.render_update
    Compositor.render_update = _not_sent  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Compositor.render_update = made  # type: ignore[method-assign]


def _not_sent(compositor: Compositor, full: bool = False, screen_stack: Any = None, simplify: bool = False) -> None:
    compositor._dirty_regions.clear()


def painted(app: App[Any]) -> list[Strip]:
    """Paint everything that stands on the screen now, what shines through a dialog included.

    Lines that a widget keeps from the last time must be what it would draw now.
    """
    for screen in app.screen_stack:
        for widget in screen.query(Drawn):
            _holds(widget)
    visible_screen_stack.set(app._background_screens)
    return app.screen._compositor.render_strips(app.size)


def _holds(widget: Drawn) -> None:
    if widget._kept_for != (widget.size, id(widget.styles_by_name)):
        return  # Nothing of it will be used.
    window = widget.source if isinstance(widget, Rows) and isinstance(widget.source, OrderWindow) else None
    if window is not None and window.clock() // MINUTE != window._minute:
        return  # Deadlines are told in minutes; within a second everything is drawn anew.
    for y, kept in widget._kept.items():
        now = widget.line(y, widget.size.width)
        assert kept == now, f"{widget}, line {y}: {now.text!r} was not asked to be drawn, {kept.text!r} stands there"
