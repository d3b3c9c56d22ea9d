"""The console without a terminal: keys in, what stands on the screen out. Nothing sleeps; everything waits for a condition."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from console.app import Console
from console.config import Config
from console.places.settings import Settings
from console.screens.desk import Desk
from console.widgets.lines import Lines
from domain.persons import Role
from domain.results import Refused
from pipeline import persons
from pipeline.base import Pipeline
from store.place import Place
from tests.console.unseen import painted, unseen

PATIENCE_S = 20.0
LONG = 8
"""Letters from which a text is pasted into a field rather than typed."""


class DeskPilot:
    """One running console with somebody at its keyboard."""

    def __init__(self, app: Console, pilot: Pilot[str]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def desk(self) -> Desk:
        """The screen under everything."""
        return cast(Desk, self.app.screen_stack[0])

    @property
    def settings(self) -> Settings:
        """The place that `9` opens."""
        return cast(Settings, self.desk.places["settings"])

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Type into the field in focus (a long text is pasted); what stood there is taken away first."""
        focused = self.app.screen.focused
        assert isinstance(focused, Input)
        focused.value = ""
        if len(text) > LONG:
            self.app.post_message(events.Paste(text))
            await self.until(lambda: focused.value == text, "what was pasted")
        else:
            await self.press(*text)
        assert focused.value == text

    async def fill(self, **values: str) -> None:
        """Fill in fields of the form on the screen by their names, going to each with Tab."""
        for name, value in values.items():
            for _n in range(40):
                if self.focused == name:
                    break
                await self.press("tab")
            assert self.focused == name
            await self.type(value)

    @property
    def focused(self) -> str:
        """The name of the form's field in focus."""
        focused = self.app.screen.focused
        return (focused.id or "").removeprefix("field_") if focused is not None else ""

    def value(self, name: str) -> str:
        """What stands in a field of the form."""
        found = self.app.screen.query(f"#field_{name}").results(Input)
        return next((box.value for box in found), "")

    async def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        """Wait until a condition holds, and paint what stands on the screen then; fails with what stands there."""
        end = time.monotonic() + PATIENCE_S
        while True:
            if answer := condition():
                self.screen()
                return answer
            assert self.app.crash is None, self.app.crash
            assert time.monotonic() < end, f"never: {what}\n{self.screen()}"
            await self.pilot.pause(0.01)

    async def sees(self, text: str) -> None:
        """Wait until a text stands on the screen."""
        await self.until(lambda: text in self.screen(), text)

    async def dialog(self, kind: str) -> None:
        """Wait until a dialog of that class is on top."""

        def there() -> bool:
            screen = self.app.screen
            return (
                type(screen).__name__ == kind
                and bool(screen.query(Lines))
                and bool(screen.focused or not screen.query(Input))
            )

        await self.until(there, kind)

    async def closed(self) -> None:
        """Wait until the desk is on top again."""
        await self.until(lambda: self.app.screen is self.desk, "the desk")

    async def row(self, row_id: str) -> None:
        """Put the cursor of the settings on a row, by keys."""
        await self.until(lambda: any(i.id == row_id for i in self.settings.table.items), row_id)
        await self.press("home")
        for _n in range(len(self.settings.table.items)):
            if self.settings.cursor_id == row_id:
                return
            await self.press("down")
        raise AssertionError(f"no row {row_id}\n{self.screen()}")

    def screen(self) -> str:
        """Everything that stands on the screen, line by line."""
        width, height = self.app.size
        lines = ["".join(segment.text for segment in strip) for strip in painted(self.app)]
        return "\n".join(line[:width].rstrip() for line in lines[:height])

    def field_is_visible(self) -> bool:
        """Is the whole field in focus inside the screen, and drawn?"""
        focused = self.app.screen.focused
        if focused is None:
            return False
        width, height = self.app.size
        region = focused.region
        inside = region.x >= 0 and region.right <= width and region.y >= 0 and region.bottom <= height
        return inside and self.app.screen.get_widget_at(region.x, region.y)[0] is focused


@contextlib.asynccontextmanager
async def console(
    place: Place,
    *,
    size: tuple[int, int] = (120, 36),
    person: str = "anna",
    role: Role | None = None,
    before: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[DeskPilot]:
    """A console over this database with `person` at the keyboard; the first of all is the owner, others get a role.

    `before` happens once the person is there, right before the console starts.
    """
    p = await Pipeline.open(place)
    made = await persons.first_owner(p, "anna")
    assert not isinstance(made, Refused) or made.code == "owner_exists", made
    if role is not None:
        added = await persons.add(p, person, role.value, False, "anna")
        assert not isinstance(added, Refused), added
    await p.aclose()
    if before is not None:
        await before()
    base = place.file.parent if place.file is not None else place.backups
    app = Console(place, Config(base / "config.toml"), person=person, keep_worker=False, window_s=0)
    try:
        with unseen():
            async with app.run_test(size=size) as pilot:
                desk = DeskPilot(app, pilot)
                await desk.until(lambda: app.person is not None and app.writer.started, "the desk is ready")
                yield desk
    finally:
        await app.close_all()
