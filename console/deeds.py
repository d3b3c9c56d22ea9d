"""What keys do to shipments: who is meant, what must still be asked, the command, and what became of it.

Up to a screenful of rows is done at once in the writing thread; more becomes a job that the worker does.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console.actions import ACTIONS, ALL, CONSOLE, Action
from console.keys import Key
from console.questions import Questions
from console.screens.dialogs import Ask, Choice, Choose, Read
from console.seat import Seat
from console.widgets.lines import Styled
from console.wording import MENDS, STATES, batch_words, counted, reason_word, reason_words
from domain.enums import Flag, Stage
from domain.facts import code_of
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import overview, views
from store.overview import BatchState

if TYPE_CHECKING:
    from console.screens.desk import Desk

SCREENFUL = 50
"""Rows up to which a command is done in the console itself."""


class Deeds:
    """The acting half of the desk."""

    def __init__(self, desk: "Desk") -> None:
        from console.places.orders import Orders

        self.desk = desk
        self.seat = Seat(desk)
        place = desk.places["orders"]
        assert isinstance(place, Orders)
        self.orders = place
        """The list of orders."""
        self.questions = Questions(desk, self.seat, place)
        self.followed: str = ""
        """The batch whose end is waited for."""
        self._busy = False

    @property
    def who(self) -> str:
        """Under which name commands are given."""
        return self.seat.who

    # -------------------------------------------------------------- keys

    async def act(self, action: Action, key: Key) -> bool:
        """Do what a key means beyond the list; False when it means nothing here."""
        app = self.desk.console_app
        match action.name:
            case "quit":
                app.flow(self._quit(key))
            case "person":
                app.flow(self.seat.choose_person(key))
            case "last":
                app.flow(self.show_batch("", key))
            case "sync":
                app.flow(self._sync())
            case "undo":
                app.flow(self._undo())
            case "copy":
                app.flow(self._copy(key))
            case "cut_over":
                app.flow(self.cut_over(key))
            case "language":
                app.flow(self._language(key))
            case _ if self.desk.place is self.orders:
                return self._command(action, key)
            case _ if action.name.startswith("stage_") or action.name == "everything":
                await self.orders.act(action, key)
            case _:
                return False
        return True

    def _command(self, action: Action, key: Key) -> bool:
        orders = self.orders
        command = orders.command_of(action)
        if command is None:
            return False
        row = orders.row
        guarded = row is not None and bool(row.flags & Flag.FIRST_IMPORT)
        if command == "approve" and not len(orders.mine) and guarded:
            self.desk.console_app.flow(self.cut_over(key))
            return True
        if not orders.chosen():
            self.desk.say(_("There is nothing to act on."))
            return True
        if orders.marking:
            self.desk.say(_("Still marking; press it again in a moment."))
            return True
        if self._busy:
            self.desk.say(_("One moment: the last command is being done."))
            return True
        self.desk.console_app.flow(self._ask_and_run(command, orders.selection(), key))
        return True

    def offers(self) -> list[tuple[Action, str]]:
        """(action, why not) for the palette: what is possible first, each stage's forward key on top."""
        orders = self.orders
        here = self.desk.place is orders
        stage = orders.row_stage if here else None
        possible: list[tuple[Action, str]] = []
        if stage is not None and stage is not Stage.CLOSED:
            forward = orders.command_of(ALL["forward"])
            names = [forward] if forward else []
            names += [a.name for a in ACTIONS if stage in a.acts_in and a.name not in names]
            possible = [(ALL[n], "") for n in names]
        elif self.desk.place is not None:
            possible = [(a, "") for a, _label in self.desk.place.footer() if a.name not in {"undo", "sync", "forward"}]
        own = [
            a
            for a in CONSOLE
            if a.name
            not in {
                "palette",
                "up",
                "down",
                "page_up",
                "page_down",
                "left",
                "right",
                "escape",
                "forward",
                "home",
                "end",
            }
        ]
        return possible + [(a, "") for a in own]

    # -------------------------------------------------------------- asking

    async def _ask_and_run(self, command: str, chosen: list[tuple[int, int]], key: Key) -> None:
        self._busy = True
        try:
            arguments = await self.questions.arguments(command, chosen, key)
        finally:
            self._busy = False
        if arguments is None:
            return
        if command == "merge":
            chosen = arguments.pop("_chosen", chosen)
        command = arguments.pop("_command", command)
        await self.run(command, arguments, chosen)

    # -------------------------------------------------------------- running

    async def run(self, command: str, arguments: Mapping[str, Any], chosen: Sequence[tuple[int, int]]) -> None:
        """Give a command over these shipments: at once for a screenful, as a job for more."""
        from pipeline.commands import begin, run

        app, orders = self.desk.console_app, self.orders
        ids = [i for i, _v in chosen]
        seen = {i: v for i, v in chosen if v}
        explicit = not (orders.marked_whole and len(orders.mine))
        self._busy = True
        try:
            if len(ids) <= SCREENFUL:
                report = await app.write(
                    lambda p: run(p, command, ids, arguments, self.who, source="console", explicit=explicit, seen=seen)
                )
                if isinstance(report, Refused):
                    self.desk.say(report.message, bad=True)
                    return
                await self._ended(command, report.batch, report.done, [(r.code, r.reason) for r in report.refused])
                return
            self.desk.say(_("{n} shipments: the worker does it ...").format(n=len(ids)))
            begun = await app.write(
                lambda p: begin(p, command, ids, arguments, self.who, source="console", explicit=explicit, seen=seen)
            )
            if isinstance(begun, Refused):
                self.desk.say(begun.message, bad=True)
                return
            if not hasattr(begun, "batch") or not hasattr(begun, "missing"):
                first = begun.refused[0]
                self.desk.say(reason_words(first.code, first.reason), bad=True)
                return
            self.followed = begun.batch.name
            self.desk.clear_message()
            await self.look_again()
        finally:
            self._busy = False

    async def _ended(self, command: str, batch: str, done: list[int], refused: list[tuple[str, str]]) -> None:
        self.orders.settled(command, done)
        if not batch and refused:
            code, reason = refused[0]
            self.desk.say(reason_words(code, reason), bad=True)
            return
        self.followed = ""
        counted = Counter(code for code, _r in refused)
        self._batch_line(batch, command, len(done) + len(refused), len(done), counted)
        if len(refused) == 1 and not done:
            code, reason = refused[0]
            mend = MENDS.get(code, "")
            self.desk.say(reason_words(code, reason) + (f"  -  {mend}" if mend else ""), bad=True)
        await self.desk.reload()

    def _batch_line(self, name: str, command: str, total: int, done: int, refused: Mapping[str, int]) -> None:
        words = batch_words(command)
        text = _("{batch} {command} {total}: {done} done").format(batch=name, command=words, total=total, done=done)
        stayed = sum(refused.values())
        pieces: list[tuple[str, str]] = [(text, "good" if not stayed else "text")]
        if stayed:
            reasons = counted(Counter(refused).most_common(3))
            pieces.append((_(", {n} stayed: {reasons}").format(n=stayed, reasons=reasons), "warn"))
            pieces.append(("  " + _("l opens"), "dim"))
        self.desk.batch_line = tuple(pieces)
        self.desk.paint_all()

    async def look_again(self) -> None:
        """How far the followed job is; at its end the list is read again."""
        if not self.followed:
            return
        app = self.desk.console_app
        state = await app.eyes.look(lambda r: overview.batch(r, self.followed))
        if state is None:
            return
        if state.state in {"queued", "running"}:
            settled = state.done + state.refused
            words = batch_words(state.command)
            line = _("{batch} {command}: {settled} of {total}").format(
                batch=state.name, command=words, settled=settled, total=state.total
            )
            self.desk.batch_line = ((line + "  ", "busy"), (_bar(settled, state.total), "busy"))
            self.desk.paint_all()
            return
        self.followed = ""
        await self._job_ended(state)

    async def _job_ended(self, state: BatchState) -> None:
        app = self.desk.console_app
        done = await app.eyes.look(lambda r: overview.rows_done(r, state.id))
        stayed = await app.eyes.look(lambda r: overview.refusals(r, state.id, 0))
        self.orders.settled(state.command, done)
        self._batch_line(state.name, state.command, state.total, state.done, {r.code: r.n for r in stayed})
        if self.desk.place is self.orders:
            await self.desk.reload()

    async def last_batch_line(self) -> None:
        """At the start: what the person's last batch did, also one that ended while the console was away."""
        if self.desk.console_app.person is None:
            return
        state = await self.desk.console_app.eyes.look(lambda r: overview.batch(r, "", self.who))
        if state is None:
            return
        if state.state in {"queued", "running"}:
            self.followed = state.name
            return
        stayed = await self.desk.console_app.eyes.look(lambda r: overview.refusals(r, state.id, 0))
        self._batch_line(state.name, state.command, state.total, state.done, {r.code: r.n for r in stayed})

    # -------------------------------------------------------------- the other keys

    async def show_batch(self, name: str, key: Key) -> None:
        """`l`: what a batch did; a reason opens its rows."""
        app = self.desk.console_app
        state = await app.eyes.look(lambda r: overview.batch(r, name, "" if name else self.who))
        if state is None:
            self.desk.say(_("You have given no command yet."))
            return
        groups = await app.eyes.look(lambda r: overview.refusals(r, state.id))
        lines: list[Styled] = []
        values: list[str] = []

        def add(text: str, style: str = "ask", value: str = "") -> None:
            lines.append(((text, style),))
            values.append(value)

        words = batch_words(state.command)
        add(f" {state.name}  {words}  {safe(state.who)}  {STATES[state.state]}")
        add(
            " "
            + _("{done} done, {refused} stayed, {left} not begun, {under_way} under way").format(
                done=state.done,
                refused=state.refused,
                left=state.total - state.done - state.refused,
                under_way=state.under_way,
            ),
        )
        add("")
        add(" " + _("all {n} shipments of this batch").format(n=state.total), "ask", f"batch:{state.name}")
        for group in groups:
            add("")
            add(
                f" {group.n} x {reason_word(group.code)}  {reason_words(group.code, group.reason)}",
                "ask",
                f"batch:{state.name}/{group.code}",
            )
            codes = " ".join(code_of(i) for i in group.ids)
            add(f"     {codes}{' ...' if group.n > len(group.ids) else ''}", "ask.dim")
            if mend := MENDS.get(group.code):
                add(f"     {mend}", "ask.dim")
        chosen = await app.push_screen_wait(
            Read(
                _("Batch {name}").format(name=state.name),
                lines,
                values=values,
                keys=_("Enter shows them, Esc closes"),
                opened_by=key,
            )
        )
        if chosen:
            await self.orders.show_filter(None, chosen)

    async def _undo(self) -> None:
        from pipeline.commands import begin, run
        from pipeline.undo import target_of

        app, who = self.desk.console_app, self.who
        if not await self._undo_is_meant():
            return

        async def work(p: Any) -> Any:
            from store import batches

            target = await target_of(p, who)
            if isinstance(target, Refused):
                return target
            async with p.store.reading() as tx:
                rows = [r.shipment_id for r in await batches.results(tx, target.id) if r.outcome == "done"]
            arguments = {"batch_id": target.id}
            if len(rows) > SCREENFUL:
                return await begin(p, "undo", rows, arguments, who, source="console")
            return target, await run(p, "undo", rows, arguments, who, source="console")

        answer = await app.write(work)
        if isinstance(answer, Refused):
            self.desk.say(answer.message, bad=True)
        elif isinstance(answer, tuple):
            target, report = answer
            await self._ended("undo", report.batch, report.done, [(r.code, r.reason) for r in report.refused])
            if report.done:
                self.desk.say(
                    _("{batch} {command} taken back: {n}").format(
                        batch=target.name, command=batch_words(target.command), n=len(report.done)
                    )
                )
        else:
            self.followed = answer.batch.name if hasattr(answer, "missing") else ""
            await self.look_again()

    async def _undo_is_meant(self) -> bool:
        """The last batch is taken back at once; one behind it, since the last changed nothing, only when it is meant."""
        from pipeline.undo import target_of

        app = self.desk.console_app
        newest = await app.eyes.look(lambda r: overview.batch(r, "", self.who))
        if newest is None or newest.done or newest.command == "undo":
            return True
        target = await app.write(lambda p: target_of(p, self.who))
        if isinstance(target, Refused):
            self.desk.say(target.message, bad=True)
            return False
        lines = [
            _("{batch} {command} changed nothing.").format(batch=newest.name, command=batch_words(newest.command)),
            _("Before it came {batch} {command}: {n} done.").format(
                batch=target.name, command=batch_words(target.command), n=target.done
            ),
        ]
        meant: bool | None = await app.push_screen_wait(Ask(_("Undo"), lines, str(target.done)))
        return bool(meant)

    async def _sync(self) -> None:
        from pipeline.worker import ask_sync

        named = await self.desk.console_app.write(lambda p: ask_sync(p))
        if isinstance(named, Refused):
            self.desk.say(named.message, bad=True)
        elif not named:
            self.desk.say(_("No shop is bound yet: 9, then Bind a shop."), bad=True)
        else:
            self.desk.say(_("Reading now: {shops}").format(shops=", ".join(safe(n, 20) for n in named)))

    async def cut_over(self, key: Key, shop_id: int | None = None) -> None:
        """The first-import guard: what becomes of orders that were open before a shop (this one, or any) was bound."""
        from pipeline import setup

        app = self.desk.console_app
        shops = await app.eyes.look(lambda r: overview.shop_states(r, app.clock()))
        waiting = [s for s in shops if s.waiting and shop_id in {None, s.id}]
        if not waiting:
            self.desk.say(_("No order of a first import waits for a cut-over."))
            return
        shop = waiting[0]
        if len(waiting) > 1:
            which = await app.push_screen_wait(
                Choose(
                    _("Cut-over: which shop?"),
                    [Choice(safe(s.name), str(s.id), str(s.waiting)) for s in waiting],
                    opened_by=key,
                )
            )
            if which is None:
                return
            shop = next(s for s in waiting if str(s.id) == which)
        choice = await app.push_screen_wait(
            Choose(
                _("{n} orders of {shop} were open before it was bound").format(n=shop.waiting, shop=safe(shop.name)),
                [
                    Choice(_("Ship these: they are ordinary orders from now on"), "ship_these"),
                    Choice(
                        _("Already left: another program shipped them; nothing is told, no stock moves"), "already_left"
                    ),
                ],
                opened_by=key,
            )
        )
        if choice is None:
            return
        title, text = {
            "ship_these": (
                _("Ship these"),
                _("They become ordinary orders. What another program has shipped ships again."),
            ),
            "already_left": (_("Already left"), _("These orders leave the work lists for good.")),
        }[choice]
        if not await app.push_screen_wait(Ask(title, [text], str(shop.waiting))):
            return
        answer = await app.write(lambda p: setup.cut_over(p, shop.id, choice, self.who))
        if isinstance(answer, Refused):
            self.desk.say(answer.message, bad=True)
            return
        self.desk.say(_("{n} orders of {shop}: done.").format(n=answer, shop=safe(shop.name)))
        await self.desk.go("orders")

    async def _copy(self, key: Key) -> None:
        row = self.orders.row if self.desk.place is self.orders else None
        if row is None:
            self.desk.say(_("There is nothing to copy."))
            return
        shown = await views.detail(self.desk.console_app.eyes.quick, row.id) or {}
        address = shown.get("address") or {}
        whole = ", ".join(
            str(address[k]) for k in ("name", "line1", "line2", "postcode", "city", "country") if address.get(k)
        )
        values = [
            (_("Order number"), str(shown.get("order_number", ""))),
            (_("Waybill"), str(shown.get("waybill", ""))),
            (_("Phone"), str(address.get("phone") or "")),
            (_("Address"), whole),
            (_("Code"), code_of(row.id)),
        ]
        choices = [
            Choice(label, value, safe(value, 40), "" if value else _("there is none")) for label, value in values
        ]
        chosen = await self.desk.app.push_screen_wait(Choose(_("Copy"), choices, opened_by=key))
        if chosen:
            self.desk.app.copy_to_clipboard(safe(chosen, 2000))
            self.desk.say(_("Copied, where this terminal allows it."))

    async def _language(self, key: Key) -> None:
        from console import config
        from domain.words import LANGUAGES

        app = self.desk.console_app
        chosen = await app.push_screen_wait(
            Choose("Language / 语言", [Choice(n, c) for c, n in LANGUAGES], opened_by=key)
        )
        if chosen:
            app.config.language = chosen
            config.save(app.config)
            app.exit("restart")

    async def _quit(self, key: Key) -> None:
        """Say what is under way, and offer what may become of it."""
        app = self.desk.console_app
        facts = self.desk.facts
        keeper = app.keeper
        notes = []
        if facts is not None and facts.jobs:
            notes.append(_("{n} jobs are under way").format(n=facts.jobs))
        if facts is not None and facts.pushes:
            notes.append(_("{n} pushes wait for the end of their grace").format(n=facts.pushes))
        note = ", ".join(notes) or _("Nothing is under way.")
        if keeper is None or not keeper.child_alive:
            choices = [Choice(_("Quit; the worker elsewhere goes on"), "go on")]
        else:
            choices = [
                Choice(_("Quit, the worker goes on"), "go on", _("shops are read, pushes go out")),
                Choice(_("Quit, finish the jobs, then stop"), "finish"),
                Choice(_("Quit, stop now"), "stop", _("what is queued waits for the next start")),
            ]
        chosen = await app.push_screen_wait(Choose(_("Quit"), choices, note=note, opened_by=key))
        if chosen is None:
            return
        if keeper is not None:
            {"go on": keeper.leave_running, "finish": keeper.finish, "stop": keeper.stop}[chosen]()
        app.exit("")


def _bar(done: int, total: int, width: int = 20) -> str:
    filled = width * done // max(1, total)
    return "[" + "#" * filled + "." * (width - filled) + "]"
