"""The orders of a stage (or of all): sub-lists, filter, marks, and the command that a key means here."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from console.actions import ACTIONS, ALL, Action, backward_of, forward_of
from console.cells import cells
from console.columns import header
from console.keys import Key
from console.marks import Marks
from console.panel import detail_lines
from console.places.place import Place
from console.widgets.lines import Styled
from console.window import PAGE, OrderWindow
from console.wording import SUBLISTS, age, count
from domain.enums import Flag, Stage
from domain.facts import code_of
from domain.filters import Term, parse
from domain.masking import masked_detail
from domain.persons import sees_persons
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import lists, overview, people_views, views
from store.lists import Line, Query

if TYPE_CHECKING:
    from console.screens.desk import Desk

_NO_TERMS: tuple[Term, ...] = ()
ONE_FRAME_S = 0.1
"""No longer than this is anything painted later to come in one frame."""
MATES_EVERY_S = 10.0
"""How often it is looked for shipments that could share a box, while others change something."""


class _Mates(Struct):
    """What of a stage could share a box, when that was looked for, and the last of the desk's `changes` it knows of."""

    groups: list[list[int]] = []
    ids: frozenset[int] = frozenset()
    at: float = -MATES_EVERY_S
    seen: int = -1


class Orders(Place):
    """The list the operator works in."""

    name: ClassVar[str] = "orders"

    def __init__(self, desk: "Desk") -> None:
        super().__init__(desk)
        app = desk.console_app
        self.stage: Stage | None = Stage.REVIEW
        self.sublist = 0
        self.filter_text = ""
        self.terms = _NO_TERMS
        self.only: tuple[int, ...] | None = None
        """The very shipments to show (same buyer, who waits for a SKU), where a list is given by its ids."""
        self.title = ""
        self.problems = False
        self.latest: dict[Stage | None, bool] = {Stage.SHIPPED: True}
        self.marks: dict[Stage | None, Marks] = {}
        self.handled: set[int] = set()
        """Shipments this person's own batches have changed: what changed them since is known."""
        self.marked_whole = False
        self.marking = False
        self.range_from: int | None = None
        self._mates: dict[Stage | None, _Mates] = {}
        self.scanned = ""
        self._back_to: Stage | None = None
        """The stage from which a batch's rows were opened: Esc leads back to it."""
        self._window = OrderWindow(app.eyes, Marks(), app.clock, desk.styles_by_name)
        self._window.ready = self._arrived

    # -------------------------------------------------------------- what is shown

    @property
    def source(self) -> OrderWindow:
        """Its rows."""
        return self._window

    @property
    def sublist_name(self) -> str:
        """The sub-list that is shown."""
        return SUBLISTS[self.stage][self.sublist][0] if self.stage is not None else "all"

    @property
    def mine(self) -> Marks:
        """The marks of this stage."""
        return self.marks.setdefault(self.stage, Marks())

    @property
    def _mates_here(self) -> "_Mates":
        return self._mates.setdefault(self.stage, _Mates())

    @property
    def same_buyer(self) -> frozenset[int]:
        """Shipments of this stage that could share a box with another, as far as they have been looked for."""
        return self._mates_here.ids

    @property
    def groups(self) -> list[list[int]]:
        """The same, box by box."""
        return self._mates_here.groups

    @property
    def query(self) -> Query:
        """What the list shows."""
        terms = self.terms
        if self.problems:
            terms = (*terms, Term("trouble", ("yes",)))
        only = self.only
        if only is None and self.sublist_name == "same_buyer":
            only = tuple(sorted(self.same_buyer))
        return Query(
            (self.stage,) if self.stage is not None else (),
            self.sublist_name,
            terms,
            only,
            self.latest.get(self.stage, False),
        )

    def _counted(self) -> int | None:
        counts = self.desk.counts
        if counts is None or self.terms or self.problems or self.only is not None:
            return None
        if self.stage is None:
            return sum(counts.stages.values())
        if self.sublist_name == "all":
            return counts.stages[self.stage]
        return None

    async def open(self) -> None:
        """Read the list from its first row."""
        self._window.marks = self.mine
        self._window.same_buyer = self.same_buyer
        self.range_from = None
        await self._window.open(self.query, self._counted(), self.desk.rows.size.height or PAGE)

    async def _arrived(self) -> None:
        """Rows of a filtered list have come."""
        if self.desk.place is self:
            self.desk.rows.empty = self.empty()
            await self.desk.rows.settle()
            self.desk.paint_all()

    async def refresh(self) -> None:
        """Read the list again around the row of the cursor, which stays on its line of the screen where it can."""
        rows = self.desk.rows
        row = self.row
        offset = rows.cursor - rows.top
        old = rows.cursor
        await self.open()
        if row is None or not self.query.quick or self.query.ids is not None:
            rows.cursor = min(old, max(0, self._window.total - 1))
            return
        at = await self._window.go_to(row.key)
        rows.cursor = max(0, min(at, self._window.total - 1))
        rows.top = max(0, rows.cursor - offset)

    async def look_again(self) -> None:
        """Rows on the screen as they are now; nothing moves. What left the list stays until it is read again."""
        rows = self.desk.rows
        if self.desk.place is not self:
            return
        if not self._window.total and self._counted():
            # Nothing stood there, so nothing can move.
            await self.open()
            await rows.settle()
            return
        changed = await self._window.look_again(range(rows.top, rows.top + rows.size.height))
        if changed:
            rows.refresh()

    def when_quiet(self) -> Awaitable[None] | None:
        """The search for shared boxes costs as much as several keys: now and then, and never between keys."""
        mates, stage = self._mates_here, self.stage
        due = time.monotonic() - mates.at > MATES_EVERY_S and mates.seen != self.desk.changes
        return self._find_mates(stage, mates) if due and stage in {Stage.REVIEW, Stage.PROCESSING} else None

    async def _find_mates(self, stage: Stage, mates: "_Mates") -> None:
        """Shipments that could share a box, found beside the screen now and then."""
        mates.at, mates.seen = time.monotonic(), self.desk.changes
        mates.groups = await self.desk.console_app.eyes.look(lambda r: views.merge_candidates(r, (stage,)))
        ids = frozenset(i for group in mates.groups for i in group)
        if ids != mates.ids:
            mates.ids = ids
            if self.stage is stage:
                self._window.same_buyer = ids
                self._window.repaint()
                self.desk.rows.refresh()

    # -------------------------------------------------------------- the row

    @property
    def row(self) -> Line | None:
        """The row under the cursor."""
        return self._window.row(self.desk.rows.cursor)

    @property
    def cursor_id(self) -> int:
        """The shipment under the cursor, 0 where there is none."""
        row = self.row
        return row.id if row else 0

    def note_unread(self) -> bool:
        """Would a second Enter mark a note as read?"""
        row = self.row
        return row is not None and bool(row.flags & Flag.NOTE_UNREAD)

    def selection(self) -> list[tuple[int, int]]:
        """(id, version seen) of what a command means: the marks, else the row under the cursor."""
        if len(self.mine):
            return [(i, 0 if i in self.handled else v) for i, v in self.mine]
        row = self.row
        return [(row.id, 0 if row.id in self.handled else row.version)] if row is not None else []

    def chosen(self) -> int:
        """How many shipments a command would mean."""
        return len(self.mine) or (1 if self.row is not None else 0)

    @property
    def row_stage(self) -> Stage | None:
        """The stage a command would act in: the list's, on *all orders* the row's own."""
        if self.stage is not None:
            return self.stage
        row = self.row
        return Stage(row.stage) if row is not None else None

    def command_of(self, action: Action) -> str | None:
        """The command that an action means here: `forward` and `backward` depend on the stage."""
        stage = self.row_stage
        if stage is None or stage is Stage.CLOSED:
            return None
        row = self.row
        status = row.status if row is not None and not len(self.mine) else ""
        if action.name == "forward":
            return forward_of(stage, self.sublist_name, status)
        if action.name == "backward":
            return backward_of(stage)
        if not action.command or stage not in action.acts_in:
            return None
        if action.name == "hold" and row is not None and row.hold_reason:
            return "release"
        return action.name

    # -------------------------------------------------------------- around the list

    def titles(self, width: int) -> str:
        """The column titles."""
        return header(self.stage, width)

    def sublists(self) -> Styled:
        """The sub-lists with their counts, the filter and the order."""
        width = self.desk.app.size.width
        pieces: list[tuple[str, str]] = [("  ", "sub")]
        counts = self.desk.counts
        if self.stage is None:
            pieces.append((f"[{_('all orders')} {count(self._window.total)}]", "sub.on"))
        else:
            # Counts of another stage say nothing here: names alone, until this one is counted.
            known = counts.sublists if counts and self.desk.counted_for is self.stage else {}
            pieces += self._named_sublists(self.stage, known, width)
        tail = self._tail()
        used = sum(cells(t) for t, _s in pieces)
        if used + cells(tail) + 2 <= width or self.filter_text or self.problems or self.only is not None:
            pieces.append(("  ", "sub"))
            bad = bool(self.filter_text or self.problems or self.only is not None)
            pieces.append((tail, "warn" if bad else "sub"))
        return pieces

    def _named_sublists(self, stage: Stage, known: Mapping[str, int], width: int) -> list[tuple[str, str]]:
        """Each sub-list with its count; where there is no room, those that are empty are left out."""
        known = {**known, "same_buyer": len(self.same_buyer)}
        for whole in (True, False):
            pieces: list[tuple[str, str]] = []
            for n, (name, title) in enumerate(SUBLISTS[stage]):
                on = n == self.sublist
                if not whole and not on and known.get(name) == 0:
                    continue
                text = f"{title} {count(known[name])}" if name in known else title
                pieces.append((f"[{text}]" if on else f" {text} ", "sub.on" if on else "sub"))
            if sum(cells(t) for t, _s in pieces) + 2 <= width:
                break
        return pieces

    def _tail(self) -> str:
        parts = []
        if self.title:
            parts.append(self.title)
        if self.problems:
            parts.append(_("only problems"))
        if self.filter_text:
            total = f" {count(self._window.total)}{'...' if self._window.reading else ''}"
            parts.append(_("filter {text}").format(text=safe(self.filter_text, 40)) + total)
        if parts:
            return "  ".join(parts) + "  " + _("Esc shows all")
        if self.stage is None:
            return _("newest first")
        return "<- ->  " + (_("latest deadline first") if self.latest.get(self.stage) else _("by deadline"))

    def status(self) -> Styled:
        """What is marked."""
        n = len(self.mine)
        if self.marking:
            return ((" " + _("marking ..."), "busy"),)
        if self._window.reading:
            return ((" " + _("looking ..."), "busy"),)
        if not n:
            if self.stage is not None and self.sublist_name == "first_import" and self._window.total:
                return ((" " + _("Open before the shop was bound: n names what becomes of them."), "warn"),)
            return self._shops_read() if self.stage is Stage.REVIEW else ()
        height = self.desk.rows.size.height
        shown = sum(
            1
            for i in range(self.desk.rows.top, self.desk.rows.top + height)
            if (row := self._window.row(i)) is not None and row.id in self.mine
        )
        where = _("all shown") if shown == n else _("{n} on this page").format(n=shown)
        return ((" " + _("{n} marked ({where})").format(n=n, where=where), "mark"),)

    def _shops_read(self) -> Styled:
        """P3: on the review, when each shop was read last; late ones stand out."""
        facts = self.desk.facts
        if facts is None:
            return ()
        now = self.desk.console_app.clock()
        pieces: list[tuple[str, str]] = []
        room = self.desk.app.size.width // 2
        for shop in sorted((s for s in facts.shops if s.bound), key=lambda s: not s.late):
            when = age(now - shop.ok_at) if shop.ok_at else _("never")
            piece = (f" {safe(shop.name, 12)} {when} ", "bad" if shop.late else "dim")
            if sum(cells(t) for t, _s in (*pieces, piece)) > room:
                break
            pieces.append(piece)
        return pieces

    def empty(self) -> list[Styled]:
        """The next step where there is nothing to show."""
        if self._window.reading:
            return []
        if self.filter_text or self.problems or self.only is not None:
            return [
                (),
                (("   " + _("Nothing matches here. 0 looks at all orders; Esc shows everything again."), "dim"),),
            ]
        texts = {
            Stage.REVIEW: [
                _("No order waits for review."),
                _("R reads the shops now; 9 shows when each was read last."),
            ],
            Stage.PROCESSING: [_("Nothing is in processing."), _("n on the review stage (1) approves orders into it.")],
            Stage.WAYBILL: [_("No waybill is being asked for."), _("n on the processing stage (2) asks the carriers.")],
            Stage.TO_PRINT: [_("Nothing waits to be printed."), _("What has its number comes here by itself.")],
            Stage.SHIPPED: [_("Nothing has been shipped yet."), _("n on the to-print stage (4) ships.")],
        }.get(self.stage or Stage.CLOSED, [_("There are no orders yet."), _("9 binds a shop; R reads it.")])
        lines: list[Styled] = [()]
        if self.stage is Stage.REVIEW:
            lines += self._last_syncs()
        return [*lines, *((("   " + text, "text" if not n else "dim"),) for n, text in enumerate(texts))]

    def _last_syncs(self) -> list[Styled]:
        """P3: the review shows each shop's last sync, and warns where it is old."""
        facts = self.desk.facts
        if facts is None:
            return []
        if not facts.shops:
            return [(("   " + _("No shop is bound yet: 9, then Bind a shop."), "warn"),), ()]
        now = self.desk.console_app.clock()
        lines: list[Styled] = []
        for shop in facts.shops:
            if shop.bound:
                when = _("{age} ago").format(age=age(now - shop.ok_at)) if shop.ok_at else _("never")
                text = f"   {safe(shop.name, 20)}: " + _("last read {when}").format(when=when)
                lines.append(((text, "bad" if shop.late else "dim"),))
        return [*lines, ()]

    def footer(self) -> list[tuple[Action, str]]:
        """The keys that change something here."""
        shown: list[tuple[int, Action, str]] = []
        stage = self.stage
        if stage is None:
            stage = self.row_stage
        n = self.chosen()
        if stage is None or stage is Stage.CLOSED:
            return [(ALL["undo"], ALL["undo"].title), (ALL["sync"], ALL["sync"].title)]
        command = self.command_of(ALL["forward"])
        if command:
            shown.append((1, ALL["forward"], f"{ALL[command].title} {count(n)}"))
        for action in ACTIONS:
            if action.footer and action.keys and stage in action.acts_in:
                title = action.title
                if action.name == "merge":
                    title = _("Merge/split")
                shown.append((action.footer, action, title))
        if stage is not Stage.REVIEW:
            title = ALL[backward_of(stage)].title if stage is Stage.SHIPPED else ALL["backward"].title
            shown.append((65, ALL["backward"], title))
        shown += [(a.footer, a, a.title) for a in (ALL["undo"], ALL["sync"])]
        return [(a, label) for _n, a, label in sorted(shown, key=lambda s: s[0])]

    async def detail(self, width: int) -> list[Styled]:
        """The shipment under the cursor."""
        row = self.row
        if row is None:
            return []
        app = self.desk.console_app
        shown = await views.detail(app.eyes.quick, row.id)
        if shown is None:
            return []
        if not await self._sees_persons():
            shown = masked_detail(shown)
        free = await overview.free_of(app.eyes.quick, row.id) if row.stage < Stage.SHIPPED else {}
        mates = next((group for group in self.groups if row.id in group), [])
        return detail_lines(
            shown,
            width=width,
            now=app.clock(),
            free=free,
            mates=[code_of(i) for i in mates if i != row.id],
            sublist=self.sublist_name,
            plain=any(s.plain and s.name == shown["shop"] for s in (self.desk.facts.shops if self.desk.facts else ())),
        )

    async def _sees_persons(self) -> bool:
        """May whoever sits here see buyers whole? Before it is known who does, only where nobody is kept at all."""
        app = self.desk.console_app
        if app.person is not None:
            return sees_persons(app.person)
        return await people_views.sees_persons(app.eyes.quick, "")

    # -------------------------------------------------------------- keys that stay in the list

    async def act(self, action: Action, key: Key) -> bool:
        """Stages, sub-lists, marks, filter; what changes shipments is done by the deeds."""
        desk = self.desk
        match action.name:
            case name if name.startswith("stage_"):
                await self.show(Stage(int(name[-1])))
            case "everything" if self.filter_text and self.stage is not None and self.only is None:
                await self.show_filter(None, self.filter_text)
            case "everything":
                await self.show(None)
            case "left" | "right":
                await self._turn(1 if action.name == "right" else -1)
            case "filter":
                desk.console_app.flow(self._ask_filter(key))
            case "problems":
                self.problems = not self.problems
                await self._reopen()
            case "sort":
                self.latest[self.stage] = not self.latest.get(self.stage, False)
                await self._reopen()
            case "escape":
                await self._escape()
            case "detail":
                return await self._enter(key)
            case "mark":
                await self._mark()
            case "mark_all" | "mark_invert":
                desk.console_app.flow(self._mark_all(invert=action.name == "mark_invert"))
            case "unmark":
                self.mine.clear()
                self._marks_changed()
            case "mark_range":
                self._range()
            case "refresh":
                await desk.reload()
                desk.say(_("Read again."))
            case _:
                return False
        return True

    async def show(self, stage: Stage | None) -> None:
        """Show a stage from its first sub-list, or all orders."""
        self.stage, self.sublist, self._back_to = stage, 0, None
        self.filter_text, self.terms, self.only, self.title, self.problems = "", _NO_TERMS, None, "", False
        await self._reopen()

    async def show_only(self, stage: Stage | None, ids: list[int], title: str) -> None:
        """Show these very shipments under a title."""
        self.stage, self.sublist = stage, 0
        if stage is Stage.TO_PRINT:
            self.sublist = next(n for n, (name, _t) in enumerate(SUBLISTS[stage]) if name == "out_of_stock")
        self.filter_text, self.terms, self.problems = "", _NO_TERMS, False
        self.only, self.title = tuple(ids), title
        await self.desk.go("orders")

    async def show_filter(self, stage: Stage | None, text: str, title: str = "") -> None:
        """Show what a filter matches."""
        terms = parse(text)
        if isinstance(terms, Refused):
            self.desk.say(terms.message, bad=True)
            return
        self._back_to = self.stage
        self.stage, self.sublist, self.only, self.problems = stage, 0, None, False
        self.filter_text, self.terms, self.title = text, tuple(terms), title
        await self.desk.go("orders")

    async def _reopen(self) -> None:
        await self.desk.go("orders")

    async def _turn(self, by: int) -> None:
        if self.stage is None:
            return
        n = len(SUBLISTS[self.stage])
        self.sublist = (self.sublist + by) % n
        self.only, self.title = None, ""
        await self._reopen()

    async def _escape(self) -> None:
        if self.range_from is not None:
            self.range_from = None
            self.desk.say(_("Range ended."))
        elif self.stage is None and self._back_to is not None:
            await self.show(self._back_to)
        elif self.filter_text or self.problems or self.only is not None:
            self.filter_text, self.terms, self.problems, self.only, self.title = "", _NO_TERMS, False, None, ""
            await self._reopen()

    async def _enter(self, key: Key) -> bool:
        desk = self.desk
        if not desk.panel_beside and not desk.panel_open:
            desk.show_panel(True)
            await desk.paint_detail()
            return True
        if self.note_unread() and desk.deeds is not None:
            row = self.row
            assert row is not None
            await desk.deeds.run("note", {"read": True}, [(row.id, row.version)])
            return True
        if not desk.panel_beside:
            desk.show_panel(False)
        else:
            await self._whole(key)
        return True

    async def _whole(self, key: Key) -> None:
        """The detail over the whole screen."""
        from console.screens.dialogs import Read

        row = self.row
        if row is None:
            return
        content = await self.detail(104)
        ground = {"text": "ask", "bold": "ask.title", "title": "ask.title", "dim": "ask.dim", "bad": "ask.bad"}
        lines = [tuple((text, ground.get(style, "ask")) for text, style in line) for line in content]
        self.desk.console_app.flow(self.desk.app.push_screen_wait(Read(code_of(row.id), lines, opened_by=key)))

    async def _ask_filter(self, key: Key) -> None:
        from console.screens.form import Form, FormField
        from domain.filters import FIELDS

        def wrong(values: dict[str, str]) -> str:
            terms = parse(values["filter"])
            return terms.message if isinstance(terms, Refused) else ""

        start, self.scanned = self.scanned or self.filter_text, ""
        notes = [
            _(
                "Words find order numbers, waybills, codes, phones and names. field:value, ! in front: not, a comma: or. Fields:"
            ),
            " ".join(FIELDS),
        ]
        answer = await self.desk.app.push_screen_wait(
            Form(
                _("Filter"),
                [FormField("filter", _("Show only"), start, help=_("empty shows all"))],
                notes=notes,
                check=wrong,
                opened_by=key,
            )
        )
        if answer is None:
            return
        with ExitStack() as frame:
            # The form goes and the rows come in one frame; a database that does not answer holds no screen back.
            frame.enter_context(self.desk.app.batch_update())
            late = asyncio.get_running_loop().call_later(ONE_FRAME_S, frame.close)
            try:
                await self._find(answer["filter"].strip())
            finally:
                late.cancel()

    async def _find(self, text: str) -> None:
        """Filter; a number or code that is known exactly shows that shipment, whatever its stage."""
        terms = parse(text)
        assert not isinstance(terms, Refused)
        self.only, self.title = None, ""
        if len(terms) == 1 and terms[0].field == "" and not terms[0].negated:
            ids = await views.find_ids(self.desk.console_app.eyes.quick, text)
            if ids:
                self.stage, self.sublist = None, 0
                self.filter_text, self.terms = text, _NO_TERMS
                self.only = tuple(ids)
                await self._reopen()
                return
        self.filter_text, self.terms = text, tuple(terms)
        await self._reopen()

    # -------------------------------------------------------------- marks

    async def _mark(self) -> None:
        row = self.row
        if row is None:
            return
        if row.id in self._window.gone:
            self.desk.say(_("It has left this list; r reads the list again."))
            return
        self.marked_whole = False
        self.mine.toggle(row.id, row.version)
        await self.desk.rows.move(1)
        self._marks_changed()

    def _range(self) -> None:
        if self.range_from is None:
            self.range_from = self.desk.rows.cursor
            self.moved()
            self.desk.say(_("Range: move, then v again."))
        else:
            self.range_from = None
            self.desk.say(_("{n} marked.").format(n=len(self.mine)))

    def moved(self) -> None:
        """The cursor moved: a range grows along."""
        if self.range_from is None:
            return
        first, last = sorted((self.range_from, self.desk.rows.cursor))
        for index in range(first, last + 1):
            if (row := self._window.row(index)) is not None:
                self.mine.add(row.id, row.version)
        self.marked_whole = False
        self._marks_changed()

    async def _mark_all(self, *, invert: bool) -> None:
        """Everything the list holds at this moment, in one view of the database; the first-import guard stays out of it."""
        query, marks, stage = self.query, self.mine, self.stage
        if stage is None:
            self.desk.say(_("Marks belong to one stage: choose it first (1-5)."))
            return
        if self.sublist_name == "first_import":
            self.desk.say(_("Name the cut-over first: n says what becomes of these orders."))
            return
        guarded = 0
        if stage is Stage.REVIEW:
            guarded = self.desk.counts.sublists.get("first_import", 0) if self.desk.counts else 0
            query = Query(query.stages, query.sublist, (*query.terms, Term("is", ("first_import",), True)), query.ids)
        self.marking = True
        self.desk.paint_all()
        try:
            ids, versions = await self.desk.console_app.eyes.search(lambda r: lists.all_of(r, query))
        finally:
            self.marking = False
        if invert:
            marks.invert(ids, versions)
        else:
            marks.replace(ids, versions)
        self.marked_whole = True
        self._marks_changed()
        if guarded and not invert:
            self.desk.say(
                _("{n} orders of a first import were not marked: their cut-over is not named yet.").format(n=guarded)
            )

    def _marks_changed(self) -> None:
        self._window.repaint()
        self.desk.rows.refresh()
        self.desk.paint_all()

    def forget_marks(self) -> None:
        """Another person is at the keyboard: the marks were not theirs."""
        for marks in self.marks.values():
            marks.clear()
        self.handled.clear()
        self._marks_changed()

    def settled(self, command: str, done: list[int]) -> None:
        """A batch of this person ended: its shipments are known to them; those that left the list lose their mark."""
        self.handled.update(done)
        for mates in self._mates.values():
            mates.at, mates.seen = -MATES_EVERY_S, -1
        if command in _LEAVES:
            for i in done:
                self.mine.remove(i)
        self._window.repaint()
        self.desk.rows.refresh()


_LEAVES = {
    "approve", "waybill", "to-print", "in-stock", "ship", "back", "close", "recall", "void", "hand-over", "merge", "collect",
}  # fmt: skip
"""Commands after which a shipment stands elsewhere: its mark has served."""
