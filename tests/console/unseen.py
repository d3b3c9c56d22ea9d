"""A terminal that nobody looks at: what a headless console would send to it is not made, what a test looks at is."""

import contextlib
from collections.abc import Iterator
from typing import Any

from textual._compositor import Compositor
from textual._context import visible_screen_stack
from textual.app import App
from textual.strip import Strip


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
    """Paint everything that stands on the screen now, what shines through a dialog included."""
    visible_screen_stack.set(app._background_screens)
    return app.screen._compositor.render_strips(app.size)
