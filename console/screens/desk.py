"""The screen the operator works at: header, places with counts, sub-lists, the list with its panel, status, keys."""

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any, cast

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from console.actions import CONSOLE, Action, key_name, only_looks
from console.cells import cells
from console.columns import NARROW, WIDE
from console.keys import Key
from console.places.place import Place
from console.screens import bars
from console.widgets.lines import Lines, Pane, Styled
from console.widgets.rows import Rows
from console.wording import STAGES
from domain.clock import MINUTE
from domain.enums import Stage
from domain.persons import may_change
from domain.text import safe
from domain.words import _
from store.lists import Counts
from store.overview import Overview

if TYPE_CHECKING:
    from console.app import Console
    from console.deeds import Deeds

PANEL = 41
"""Cells of the panel beside the list, its scroll bar of the list not counted."""
PANEL_FROM = 120
"""Columns from which the panel stands beside the list; below, it comes over it."""
ANSWERED_S, LATEST_S = 0.2, 1.0
"""So long after a key its answer stands there; what others did is shown no later than that."""
BETWEEN_KEYS_S = 0.12
"""So long after a key the young objects are collected, so that no key has to wait for it."""
YOUNG = 4_000
"""Fewer are not worth it."""
QUIET_S = 0.6
"""So long without a key, and what may take longer is done."""
LATER = {
    "today": _("The day board comes with a later version."),
    "station": _("The scan station comes with a later version."),
}


def _tidy() -> None:
    """Collect what a few keys have left behind: mostly cycles of messages and tasks, 30,000 objects in ten switches."""
    young, middle, _old = gc.get_count()
    if young > YOUNG:
        gc.collect(1 if middle > 20 else 0)


class Desk(Screen[None]):
    """The one screen under everything."""

    DEFAULT_CSS = """
    Desk { layout: vertical; }
    Desk #body { height: 1fr; }
    Desk #list { width: 80; height: 1fr; }
    Desk #panel { width: 1fr; display: none; }
    """
    BLANK = True

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counts | None = None
        self.facts: Overview | None = None
        self.place: Place | None = None
        self.places: dict[str, Place] = {}
        self.message: Styled = ()
        self.batch_line: Styled = ()
        self.panel_open = False
        self.deeds: Deeds | None = None
        self._dirty_at: float | None = time.monotonic()
        """Since when something around the list may have changed that has not been read; None = nothing."""
        self._refreshing = False
        self._refreshed_at = 0.0
        self.changes = 0
        """How often somebody was seen to have committed."""
        self.counted_for: object = None
        self._detail_wanted = 0.0
        self._detail_of: object = None
        self.pace_s = 0.4
        """At least so long lies between two readings of what others have changed."""
        self.rest_s = 0.12
        """The cursor rests so long before its detail is read."""
        self._minute = 0
        """What the list was last drawn in."""
        self._ready = False
        self._backup_at: int | None = None

    # -------------------------------------------------------------- layout

    def compose(self) -> ComposeResult:
        """Its widgets."""
        yield Lines(1, "head", id="header")
        yield Lines(1, "tab", id="tabs")
        yield Lines(1, "sub", id="sublists")
        with Horizontal(id="body"):
            with Vertical(id="list"):
                yield Lines(1, "band", id="titles")
                yield Rows(_Nothing(), id="rows")
            yield Pane(id="panel")
        yield Lines(1, "text", id="status")
        yield Lines(2, "foot", id="footer")

    @property
    def console_app(self) -> "Console":
        """The app."""
        return cast("Console", self.app)

    @property
    def rows(self) -> Rows:
        """The list."""
        return self.query_one("#rows", Rows)

    def styles_by_name(self) -> dict[str, Style]:
        """The theme's styles."""
        return self.rows.palette

    async def on_mount(self) -> None:
        """Open the database and the first place; everything heavy comes after the first rows."""
        app = self.console_app
        await app.eyes.open()
        self._minute = app.clock() // MINUTE
        from console.places.orders import Orders

        orders = Orders(self)
        self.places = {"orders": orders}
        self.place = orders
        self.rows.source = orders.source
        self._fit()
        self._paint_footer()
        await orders.open()
        await self.rows.settle()
        self.rows.focus()
        self._paint_place()
        self.call_after_refresh(self._begin)

    async def _begin(self) -> None:
        """After the first rows: counts, the header, then the write side and the worker."""
        app = self.console_app
        await app.wake.open()
        self._ready = True
        await self._read_around()
        self.set_interval(0.1, self._tick)
        self.set_interval(1.0, self._second)
        app.flow(self._warm())

    async def _warm(self) -> None:
        from console.deeds import Deeds

        app = self.console_app
        self.deeds = Deeds(self)
        gc.collect()
        gc.freeze()
        # A full collection while keys arrive shows as a stutter; it is made while they are quiet instead.
        gc.set_threshold(50_000, 20, 10_000)
        await self.deeds.seat.who_is_there()
        await self._quiet(QUIET_S)
        app.writer.start()
        await self.deeds.last_batch_line()
        self._look_after_worker()

    async def _quiet(self, quiet_s: float) -> None:
        """Wait until no key has come for so long."""
        while (left := self.console_app.last_key_at + quiet_s - time.monotonic()) > 0:
            await asyncio.sleep(left)

    def on_resize(self, event: events.Resize) -> None:
        """Fit the panel and the columns to the terminal."""
        self._fit()
        if self._ready:
            self.call_after_refresh(self._resized)

    async def _resized(self) -> None:
        await self.rows.settle()
        self.paint_all()

    def _fit(self) -> None:
        width, height = self.app.size
        beside = width >= PANEL_FROM
        panel = self.query_one("#panel", Pane)
        list_ = self.query_one("#list")
        showing = beside or self.panel_open
        panel.display = showing
        list_.display = not showing or beside
        if beside:
            list_.styles.width = (WIDE if width >= WIDE + 1 + PANEL - 1 else NARROW) + 1
            if width > 170:
                list_.styles.width = width - max(PANEL, min(60, width - WIDE - 1))
        else:
            list_.styles.width = "1fr"
        self.query_one("#footer", Lines).resize(1 if height < 30 else 2)

    @property
    def panel_beside(self) -> bool:
        """Does the panel stand beside the list?"""
        return self.app.size.width >= PANEL_FROM

    # -------------------------------------------------------------- keys

    def looks(self, name: str) -> bool:
        """May this key act at once?"""
        action = self.console_app.keymap.get(name)
        if name == "enter" and self.panel_open and self.place is not None and self._would_read_note():
            return False
        return action is None or only_looks(action, name)

    def _would_read_note(self) -> bool:
        unread = getattr(self.place, "note_unread", None)
        return bool(unread is not None and unread())

    def scanned(self, text: str) -> None:
        """A burst of keys: no command, but perhaps what somebody wants to find."""
        shown = safe(text.strip(), 40)
        self.say(_("{text}: a scan or a paste is no command. / looks for it.").format(text=shown))
        orders = self.places.get("orders")
        if orders is not None:
            cast(Any, orders).scanned = text.strip()

    async def act(self, key: Key) -> None:
        """A key that passed the gate."""
        action = self.console_app.keymap.get(key.name)
        if action is None:
            if key.text.strip():
                self.say(_("{key} means nothing here; ? shows the keys.").format(key=safe(key.name, 12)))
            return
        self.clear_message()
        await self.perform(action, key)

    async def perform(self, action: Action, key: Key) -> None:
        """Do what an action says, wherever it was chosen."""
        place, rows, app = self.place, self.rows, self.console_app
        if place is None:
            return
        over = self.panel_open and not self.panel_beside
        if over and action.name in {"up", "down", "page_up", "page_down", "home", "end"}:
            await self._scroll_panel(action.name)
            return
        if self._nobody(action):
            person = self.console_app.person
            refused = may_change(person) if person is not None else None
            self.say(refused.message if refused else _("Nobody sits here yet: O says who works."))
            return
        match action.name:
            case "up" | "down":
                await rows.move(1 if action.name == "down" else -1)
            case "page_up" | "page_down":
                await rows.page(1 if action.name == "page_down" else -1)
            case "home":
                await rows.move_to(0)
            case "end":
                await rows.move_to(rows.source.total - 1)
            case "help":
                app.flow(self._help(key))
            case "palette":
                app.flow(self._palette(key))
            case "jobs" | "stock" | "settings" | "abnormal" | "completeness":
                await self.go(action.name)
            case "today" | "station":
                self.say(LATER[action.name])
            case "theme":
                app.flow(self._theme(key))
            case "escape" if self.panel_open and not self.panel_beside:
                self.show_panel(False)
            case _:
                if await place.act(action, key):
                    return
                if self.deeds is not None and await self.deeds.act(action, key):
                    return
                self._cannot(action, key)

    def _nobody(self, action: Action) -> bool:
        """Is this something that only somebody with a name and the right may do?"""
        person = self.console_app.person
        if self.deeds is None or (person is not None and may_change(person) is None):
            return False
        free = {"person", "quit", "copy", "refresh", "mark", "mark_all", "unmark", "mark_range", "mark_invert"}
        return not action.looks and action.name not in free

    def _cannot(self, action: Action, key: Key) -> None:
        if self.deeds is None:
            self.say(_("One moment: the console is still starting."))
            return
        where = ", ".join(STAGES[s].lower() for s in action.acts_in)
        if where:
            self.say(
                _("{key} ({title}) works on: {stages}.").format(
                    key=key_name(key.name), title=action.title.lower(), stages=where
                )
            )
        else:
            self.say(_("{title} has nothing to do here.").format(title=action.title))

    async def _scroll_panel(self, name: str) -> None:
        panel = self.query_one("#panel", Pane)
        page = max(1, panel.size.height - 1)
        by = {"up": -1, "down": 1, "page_up": -page, "page_down": page, "home": -10_000, "end": 10_000}[name]
        panel.scroll(by)

    # -------------------------------------------------------------- places

    async def go(self, name: str) -> None:
        """Show a place."""
        if name not in self.places:
            self.places[name] = _make(name, self)
        self.show_panel(False)
        self.place = self.places[name]
        rows = self.rows
        rows.cursor = rows.top = 0
        rows.source = self.place.source
        await self.place.open()
        rows.empty = self.place.empty()
        await rows.settle()
        self._detail_of = None
        self.paint_all()
        # Counts that are there and hold (nobody has committed) are not counted again for another view of the stage.
        if self.counted_for != self.stage:
            self._touch()

    async def reload(self) -> None:
        """Read the present list again; the cursor stays on its row where that is still there."""
        if self.place is not None:
            await self.place.refresh()
            self.rows.empty = self.place.empty()
            await self.rows.settle()
            self._detail_of = None
            self.paint_all()
            self._touch()

    def _touch(self) -> None:
        if self._dirty_at is None:
            self._dirty_at = time.monotonic()

    def forget_marks(self) -> None:
        """Another person is at the keyboard: the marks were not theirs."""
        forget = getattr(self.places["orders"], "forget_marks", None)
        if forget is not None:
            forget()

    # -------------------------------------------------------------- time

    async def _tick(self) -> None:
        """Ten times a second: has somebody committed, is a detail wanted?"""
        app = self.console_app
        if app.ends:
            return
        if app.wake.changed():
            self.changes += 1
            self._touch()
        if self._detail_wanted and time.monotonic() >= self._detail_wanted and self._panel_showing():
            self._detail_wanted = 0.0
            await self.paint_detail()
        now = time.monotonic()
        since_key = now - app.last_key_at
        # Beside no key that is being answered; hands that never rest wait for it a little.
        rested = since_key > ANSWERED_S or (self._dirty_at is not None and now - self._dirty_at > LATEST_S)
        if self._dirty_at is not None and rested and not self._refreshing and now - self._refreshed_at > self.pace_s:
            self._dirty_at = None
            app.flow(self._read_around())
        if since_key > BETWEEN_KEYS_S:
            _tidy()

    def _panel_showing(self) -> bool:
        return self.panel_beside or self.panel_open

    async def _second(self) -> None:
        if self.console_app.ends:
            return
        if self.console_app.writer.too_new is not None:
            self.console_app.crash = self.console_app.writer.too_new
            self.console_app.exit()
            return
        self._paint_header()
        if (minute := self.console_app.clock() // MINUTE) != self._minute:
            # Deadlines are told in hours and minutes.
            self._minute = minute
            self.rows.refresh()
        quiet = time.monotonic() - self.console_app.last_key_at > QUIET_S
        # What nobody has changed (ages, beats) is read beside no key; hands that never rest wait for it a little.
        if time.monotonic() - self._refreshed_at > (2.0 if quiet else 6.0) and not self._refreshing:
            self.console_app.flow(self._read_around(changed=False))
        if self.place is not None and quiet and (work := self.place.when_quiet()) is not None:
            self.console_app.flow(work)
        self._look_after_worker()

    def _look_after_worker(self) -> None:
        keeper, facts = self.console_app.keeper, self.facts
        if keeper is None or facts is None or not self.console_app.writer.started:
            return
        match keeper.look(facts.worker_at):
            case "died":
                self.say(_("The worker had died; another one was started. Nothing is lost."), bad=True)
            case "frozen":
                self.say(_("The worker did not answer any more; another one was started. Nothing is lost."), bad=True)

    async def _read_around(self, *, changed: bool = True) -> None:
        """Header facts, read beside the screen; where somebody has committed, counts and the rows on the screen too."""
        if self._refreshing:
            return
        self._refreshing = True
        app = self.console_app
        try:
            from store.lists import counts
            from store.overview import overview
            from store.place import newest_backup

            stage = self.stage
            if changed or self.counted_for != stage:
                self.counts = await app.eyes.look(lambda r: counts(r, stage))
                self.counted_for = stage
            self.facts = await app.eyes.look(lambda r: overview(r, app.clock()))
            self._backup_at = await asyncio.to_thread(newest_backup, app.place)
            if changed and self.place is not None and self.app.screen is self:
                await self.place.look_again()
            if changed and self.deeds is not None:
                await self.deeds.look_again()
            self._paint_place()
            self._paint_header()
            self._paint_empty()
            if changed and self._panel_showing() and self.place is not None:
                self._detail_wanted = self._detail_wanted or time.monotonic()
        finally:
            self._refreshing = False
            self._refreshed_at = time.monotonic()

    @property
    def stage(self) -> Stage | None:
        """The stage that the list shows, None elsewhere."""
        return cast("Stage | None", getattr(self.place, "stage", None))

    def on_rows_moved(self, event: Rows.Moved) -> None:
        """The detail follows the cursor once it rests."""
        self._detail_wanted = time.monotonic() + self.rest_s
        moved = getattr(self.place, "moved", None)
        if moved is not None:
            moved()

    # -------------------------------------------------------------- painting

    def say(self, text: str, *, bad: bool = False) -> None:
        """One line for the person, above the keys."""
        self.message = ((" " + text, "bad" if bad else "warn"),)
        self._paint_status()

    def clear_message(self) -> None:
        """The last thing said has been read."""
        if self.message:
            self.message = ()
            self._paint_status()

    def paint_all(self) -> None:
        """Everything around the list."""
        self._paint_place()
        self._paint_header()
        self._paint_status()
        self._paint_footer()
        self._detail_wanted = time.monotonic()

    def _paint_place(self) -> None:
        self._paint_tabs()
        place = self.place
        if place is None:
            return
        self.query_one("#sublists", Lines).show(place.sublists())
        titles = self.query_one("#titles", Lines)
        width = max(20, self.rows.size.width)
        titles.show(((place.titles(width), "band"),))
        self._paint_status()
        self._paint_footer()

    def _paint_empty(self) -> None:
        """An empty list says what the next step is, and how old that knowledge is."""
        rows = self.rows
        if self.place is not None and not rows.source.total and (fresh := self.place.empty()) != rows.empty:
            rows.empty = fresh
            rows.refresh()

    def _paint_tabs(self) -> None:
        place = self.place.name if self.place is not None else ""
        jobs = self.facts.jobs if self.facts else 0
        shown = bars.tabs(self.counts, jobs, self.stage, place, self.app.size.width)
        self.query_one("#tabs", Lines).show(shown)

    def _paint_header(self) -> None:
        app = self.console_app
        keeper = app.keeper
        standing = bars.Standing(
            now=app.clock(),
            who=app.person.name if app.person else "-",
            terminal=app.config.terminal,
            worker_starts=keeper is not None and keeper.child_alive,
            backup_at=self._backup_at,
        )
        self.query_one("#header", Lines).show(bars.header(self.facts, standing, self.app.size.width))

    def _paint_status(self) -> None:
        if not self.is_mounted:
            return
        status = self.query_one("#status", Lines)
        if self.message:
            status.show(self.message)
            return
        place_line = getattr(self.place, "status", None)
        pieces: list[tuple[str, str]] = list(place_line()) if place_line is not None else []
        used = sum(cells(t) for t, _s in pieces)
        room = self.app.size.width - used - 12
        if self.batch_line and room > 20:
            pieces.append(("  ", "text"))
            pieces += self.batch_line
        status.show(pieces)

    def _paint_footer(self) -> None:
        if self.place is None:
            return
        width = self.app.size.width
        changing = [(a, label) for a, label in self.place.footer()]
        looking = [
            (a, a.title)
            for a in sorted((a for a in CONSOLE if a.footer >= 110), key=lambda a: a.footer)
            if self.place.name == "orders" or a.name in {"help", "palette", "person", "quit", "detail"}
            if a.name not in {c.name for c, _label in changing}
        ]
        one_line = self.app.size.height < 30
        if one_line:
            short = [(a, label) for a, label in looking if a.name in {"help", "palette", "mark", "quit"}]
            self.query_one("#footer", Lines).show(bars.keys([*changing, *short], width, keep_last=4))
        else:
            self.query_one("#footer", Lines).show(bars.keys(changing, width), bars.keys(looking, width))

    async def paint_detail(self) -> None:
        """The panel shows the row under the cursor."""
        if self.place is None or not self._panel_showing():
            return
        panel = self.query_one("#panel", Pane)
        width = (panel.size.width or PANEL) if self.panel_beside else self.app.size.width
        content = await self.place.detail(width)
        mark = getattr(self.place, "cursor_id", self.rows.cursor)
        panel.show(content, keep=mark == self._detail_of)
        self._detail_of = mark

    def detail_again(self) -> None:
        """Somebody else looks: the panel shows what they may see."""
        self._detail_wanted = time.monotonic()

    def show_panel(self, on: bool) -> None:
        """Open or close the panel over the list (below 120 columns)."""
        if self.panel_open != on:
            self.panel_open = on
            self._fit()
            self._detail_wanted = time.monotonic()

    # -------------------------------------------------------------- help, palette, theme

    async def _help(self, key: Key) -> None:
        from console.help import help_lines
        from console.screens.dialogs import Read

        stage = self.stage
        await self.app.push_screen_wait(Read(_("Keys"), help_lines(self.console_app.keymap, stage), opened_by=key))

    async def _palette(self, key: Key) -> None:
        """What is possible for this selection, numbered; then everything else."""
        from console.screens.dialogs import Choice, Choose

        if self.deeds is None or self.place is None:
            return
        choices: list[Choice] = []
        offered: dict[str, Action] = {}
        for action, why in self.deeds.offers():
            names = " ".join(key_name(k) for k in action.keys)
            choices.append(Choice(action.title, action.name, names or action.help, why))
            offered[action.name] = action
        chosen = await self.app.push_screen_wait(Choose(_("Commands"), choices, opened_by=key))
        if chosen:
            await self.perform(
                offered[chosen], Key(offered[chosen].keys[0] if offered[chosen].keys else "", "", key.at)
            )

    async def _theme(self, key: Key) -> None:
        from console import config
        from console.screens.dialogs import Choice, Choose

        names = sorted(self.app.available_themes, key=lambda n: (not n.startswith("shipdeck"), n))
        chosen = await self.app.push_screen_wait(
            Choose(_("Theme"), [Choice(n, n) for n in names if n != "textual-ansi"], opened_by=key)
        )
        if chosen:
            self.app.theme = chosen
            self.console_app.config.theme = chosen
            config.save(self.console_app.config)
            repaint = getattr(self.rows.source, "repaint", None)
            if repaint is not None:
                repaint()
            self.refresh(recompose=False)
            for widget in self.query("Lines, Pane, Rows"):
                widget.refresh()


class _Nothing:
    """An empty list, before the first place is open."""

    total = 0

    def draw(self, index: int, width: int, *, cursor: bool) -> Styled:
        """Never asked for."""
        return ()

    async def reach(self, first: int, last: int) -> None:
        """Nothing to do."""


def _make(name: str, desk: Desk) -> Place:
    """The place of an action; its module is loaded when it is first wanted."""
    if name == "jobs":
        from console.places.jobs import Jobs

        return Jobs(desk)
    if name == "stock":
        from console.places.stock import StockList

        return StockList(desk)
    if name == "abnormal":
        from console.places.abnormal import AbnormalList

        return AbnormalList(desk)
    if name == "completeness":
        from console.places.completeness import Completeness

        return Completeness(desk)
    from console.places.settings import Settings

    return Settings(desk)
