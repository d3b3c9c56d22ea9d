"""What keys do to shipments: who is meant, what must still be asked, the command, and what became of it.

Up to a screenful of rows is done at once in the writing thread; more becomes a job that the worker does.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from console.actions import ACTIONS, ALL, CONSOLE, Action
from console.keys import Key
from console.screens.dialogs import Ask, Choice, Choose, Read
from console.screens.form import Form, FormField
from console.widgets.lines import Styled
from console.wording import ADDRESS as ADDRESS_WORDS
from console.wording import MENDS, STAGES, STATES, batch_words, counted, reason_word, reason_words
from domain.enums import Flag, Stage
from domain.facts import code_of
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import overview, people_views, views
from store.overview import BatchState

if TYPE_CHECKING:
    from console.places.orders import Orders
    from console.screens.desk import Desk

SCREENFUL = 50
"""Rows up to which a command is done in the console itself."""
ADDRESS = ("name", "company", "line1", "line2", "city", "state", "postcode", "country", "phone")
COLOURS = 10


class Deeds:
    """The acting half of the desk."""

    def __init__(self, desk: "Desk") -> None:
        self.desk = desk
        self.followed: str = ""
        """The batch whose end is waited for."""
        self._shown_at = (-1, -1)
        self._busy = False

    # -------------------------------------------------------------- who

    @property
    def who(self) -> str:
        """Under which name commands are given."""
        person = self.desk.console_app.person
        # Nobody is nobody's name: where persons are kept, the pipeline refuses it.
        return person.name if person else "-"

    @property
    def orders(self) -> "Orders":
        """The list of orders."""
        from console.places.orders import Orders

        place = self.desk.places["orders"]
        assert isinstance(place, Orders)
        return place

    async def who_is_there(self) -> None:
        """The person who was last at this keyboard; the first start of all makes the owner."""
        from pipeline import persons

        app = self.desk.console_app
        people = [o for o in await app.eyes.look(people_views.operators) if o.active]
        wanted = app.person_wanted
        app.person = next((o for o in people if o.name == wanted), None)
        if app.person is None and people:
            if len(people) == 1:
                app.person = people[0]
            else:
                await self.choose_person(None)
        elif not people:
            if self.desk.facts is not None and self.desk.facts.practice and wanted:
                made = await app.write(partial(persons.first_owner, name=wanted))
                if not isinstance(made, Refused):
                    app.person = made
            await self._make_owner()
            if app.person is not None:
                from console.welcome import welcome

                await welcome(self.desk)
        self.desk.paint_all()

    async def _make_owner(self) -> None:
        from pipeline import persons

        app = self.desk.console_app
        message = ""
        while app.person is None:
            answer = await app.push_screen_wait(
                Form(
                    _("Who works here?"),
                    [FormField("name", _("Your name"), help=_("it stands in the history of everything you do"))],
                    notes=[_("You are the first one: the owner. Others are added later with O.")],
                    message=message,
                )
            )
            if answer is None:
                self.desk.say(_("Without a name you may look. O names you."))
                return
            name = answer["name"].strip()
            made = await app.write(partial(persons.first_owner, name=name))
            if isinstance(made, Refused):
                message = made.message
            else:
                self._sits_down(made)

    def _sits_down(self, person: Any) -> None:
        from console import config

        app = self.desk.console_app
        app.person = person
        app.config.operator = person.name
        config.save(app.config)
        self.desk.paint_all()

    async def choose_person(self, key: Key | None) -> None:
        """`O`: another person takes the keyboard; owner and admins add people here too."""
        app = self.desk.console_app
        people = [o for o in await app.eyes.look(people_views.operators) if o.active]
        if not people:
            await self._make_owner()
            return
        choices = [
            Choice(o.name, f"={o.name}", role_word(o.role.value) + (", " + _("lead") if o.lead else "")) for o in people
        ]
        choices.append(Choice(_("Add a person"), "+", _("name and role")))
        chosen = await app.push_screen_wait(Choose(_("Who is at the keyboard?"), choices, opened_by=key))
        if chosen is None:
            return
        if chosen == "+":
            await self.add_person()
            return
        person = next(o for o in people if f"={o.name}" == chosen)
        if app.person is None or person.name != app.person.name:
            self.orders.forget_marks()
        self._sits_down(person)
        self.desk.say(_("{name} works here now.").format(name=safe(person.name)))

    async def add_person(self) -> None:
        """Ask for role and name of somebody who is to work here."""
        from domain.persons import Role
        from pipeline import persons

        app = self.desk.console_app
        role = await app.push_screen_wait(
            Choose(_("Role"), [Choice(role_word(r.value), r.value) for r in (Role.OPERATOR, Role.VIEWER, Role.ADMIN)])
        )
        if role is None:
            return
        answer = await app.push_screen_wait(Form(_("Add a person"), [FormField("name", _("Name"))]))
        if answer is None:
            return
        made = await app.write(lambda p: persons.add(p, answer["name"], role, False, self.who))
        if isinstance(made, Refused):
            self.desk.say(made.message, bad=True)
        else:
            self.desk.say(_("{name} is added.").format(name=safe(made.name)))

    # -------------------------------------------------------------- keys

    async def act(self, action: Action, key: Key) -> bool:
        """Do what a key means beyond the list; False when it means nothing here."""
        app = self.desk.console_app
        match action.name:
            case "quit":
                app.flow(self._quit(key))
            case "person":
                app.flow(self.choose_person(key))
            case "last":
                app.flow(self.show_batch("", key))
            case "sync":
                app.flow(self._sync())
            case "undo":
                app.flow(self._undo())
            case "copy":
                app.flow(self._copy(key))
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
            arguments = await self._arguments(command, chosen, key)
        finally:
            self._busy = False
        if arguments is None:
            return
        if command == "merge":
            chosen = arguments.pop("_chosen", chosen)
        command = arguments.pop("_command", command)
        await self.run(command, arguments, chosen)

    async def _arguments(self, command: str, chosen: list[tuple[int, int]], key: Key) -> dict[str, Any] | None:
        """What the command must still be told; None when the person left the question."""
        match command:
            case "assign":
                return await self._ask_service(key)
            case "address":
                return await self._ask_address(chosen, key)
            case "customs":
                return await self._ask_customs(key)
            case "note":
                return await self._ask_text(_("Remark"), "text", _("Our remark"), key, self._present_remark)
            case "hold":
                return await self._ask_text(_("Hold"), "reason", _("Why"), key)
            case "flag":
                return await self._ask_flag(key)
            case "merge":
                return await self._ask_merge(chosen, key)
            case "print":
                return await self._ask_print(chosen, key)
            case "waybill":
                return await self._before_waybill(key)
            case "recall":
                return await self._ask_recall(key)
            case "ship":
                return await self._ask_ship(chosen, key)
            case "close" | "void" | "abandon":
                return await self._ask_number(command, chosen, key)
            case "back":
                return await self._ask_back(key)
            case "split":
                return await self._ask_split(chosen, key)
            case "take-out":
                return await self._ask_take_out(chosen, key)
            case _:
                return {}

    async def _ask_text(
        self, title: str, name: str, label: str, key: Key, present: Any = None
    ) -> dict[str, Any] | None:
        value = await present() if present is not None else ""
        return await self.desk.app.push_screen_wait(Form(title, [FormField(name, label, value)], opened_by=key))

    async def _present_remark(self) -> str:
        row = self.orders.row
        if row is None or len(self.orders.mine) > 1:
            return ""
        shown = await views.detail(self.desk.console_app.eyes.quick, row.id)
        return next((str(n["text"]) for n in (shown or {}).get("notes", ()) if n["kind"] == "ours"), "")

    async def _ask_service(self, key: Key) -> dict[str, Any] | None:
        found = await overview.accounts(self.desk.console_app.eyes.quick)
        services = [s for s in found.services if s["enabled"]]
        if not services:
            self.desk.say(_("No carrier is set up: 9, then Add a carrier."), bad=True)
            return None
        choices = [
            Choice(f"{safe(s['carrier'], 20)}/{safe(s['code'], 20)}  {safe(s['name'], 30)}", str(s["id"]))
            for s in services
        ]
        chosen = await self.desk.app.push_screen_wait(Choose(_("Service"), choices, opened_by=key))
        return {"service_id": int(chosen)} if chosen else None

    async def _ask_address(self, chosen: list[tuple[int, int]], key: Key) -> dict[str, Any] | None:
        """The platform's address and ours side by side, opened at the field that was refused."""
        if len(chosen) != 1:
            self.desk.say(_("An address is corrected one at a time: take the marks away (A)."))
            return None
        app = self.desk.console_app
        theirs, ours = await overview.addresses(app.eyes.quick, chosen[0][0])
        shown = await views.detail(app.eyes.quick, chosen[0][0])
        now: Mapping[str, Any] = ours or theirs or {}
        failed = next((w for w in reversed((shown or {}).get("waybills", ())) if w["state"] == "failed"), None)
        refused_at = str(failed["field"]).removeprefix("recipient.") if failed else ""
        at = refused_at if refused_at in ADDRESS else ""
        if not at:
            at = next((f for f in ("name", "line1", "city", "country") if not now.get(f)), "name")
        labels = ADDRESS_WORDS
        fields = [
            FormField(f, labels[f], str(now.get(f) or ""), beside=str((theirs or {}).get(f) or "-")) for f in ADDRESS
        ]
        answer = await app.push_screen_wait(
            Form(
                _("Address of {code}").format(code=code_of(chosen[0][0])),
                fields,
                at=at,
                notes=[_("Only this shipment changes; the platform keeps its own address.")],
                message=reason_words(failed["code"], failed["reason"]) if failed else "",
                opened_by=key,
            )
        )
        if answer is None:
            return None
        changed = {f: v.strip() for f, v in answer.items() if v.strip() != safe(now.get(f) or "", 2000).strip()}
        if not changed:
            self.desk.say(_("Nothing was changed."))
            return None
        return changed

    async def _ask_customs(self, key: Key) -> dict[str, Any] | None:
        fields = [
            FormField("name_local", _("Name, local")),
            FormField("name_en", _("Name, English")),
            FormField("hs_code", _("HS code")),
            FormField("origin", _("Country of origin (two letters)")),
            FormField("unit_weight_g", _("Weight of a piece"), help=_("grams")),
            FormField("unit_value_minor", _("Value of a piece"), help=_("smallest unit of the currency")),
            FormField("currency", _("Currency")),
            FormField("battery", _("Battery"), help=_("none, inside, packed, alone")),
            FormField("sku", _("Only this SKU"), help=_("empty: every line")),
        ]

        def wrong(values: dict[str, str]) -> str:
            for name in ("unit_weight_g", "unit_value_minor"):
                if values[name] and not values[name].isdecimal():
                    return _("{name} is a whole number.").format(name=name)
            return ""

        answer = await self.desk.app.push_screen_wait(
            Form(
                _("Customs declaration"),
                fields,
                notes=[_("Empty fields stay as they are.")],
                check=wrong,
                opened_by=key,
            )
        )
        if answer is None:
            return None
        values: dict[str, Any] = {k: v.strip() for k, v in answer.items() if v.strip()}
        for name in ("unit_weight_g", "unit_value_minor"):
            if name in values:
                values[name] = int(values[name])
        return values

    async def _ask_flag(self, key: Key) -> dict[str, Any] | None:
        names = [
            _("green"), _("yellow"), _("orange"), _("red"), _("violet"),
            _("blue"), _("cornflower"), _("pink"), _("teal"), _("turquoise"),
        ]  # fmt: skip
        choices = [Choice(name, str(n)) for n, name in enumerate(names, 1)]
        choices.append(Choice(_("no flag"), "0"))
        chosen = await self.desk.app.push_screen_wait(Choose(_("Flag"), choices, opened_by=key))
        return {"colour": int(chosen)} if chosen is not None else None

    async def _ask_merge(self, chosen: list[tuple[int, int]], key: Key) -> dict[str, Any] | None:
        orders, row = self.orders, self.orders.row
        mates = next((g for g in orders.groups if row is not None and row.id in g), [])
        many = len(chosen) > 1
        choices = [
            Choice(
                _("Merge the {n} marked").format(n=len(chosen)),
                "marked",
                why="" if many else _("mark two or more first"),
            ),
            Choice(
                _("Merge with the same buyer's"),
                "mates",
                ", ".join(code_of(i) for i in mates[:6]),
                "" if len(mates) > 1 else _("no other goes to that address"),
            ),
            Choice(_("Split"), "split", why=_("one at a time: take the marks away (A)") if many else ""),
            Choice(_("Unmerge"), "unmerge"),
            Choice(_("Take an order out"), "take-out", why=_("one at a time: take the marks away (A)") if many else ""),
        ]
        answer = await self.desk.app.push_screen_wait(
            Choose(_("Merge/split"), choices, opened_by=key, at=0 if many else 1)
        )
        match answer:
            case "marked":
                return {}
            case "mates":
                return {"_chosen": [(i, 0) for i in mates]}
            case "split":
                more = await self._ask_split(chosen, key)
                return {**more, "_command": "split"} if more is not None else None
            case "take-out":
                more = await self._ask_take_out(chosen, key)
                return {**more, "_command": "take-out"} if more is not None else None
            case "unmerge":
                return {"_command": "unmerge"}
        return None

    async def _ask_split(self, chosen: list[tuple[int, int]], key: Key) -> dict[str, Any] | None:
        shown = await views.detail(self.desk.console_app.eyes.quick, chosen[0][0])
        lines = (shown or {}).get("lines", [])
        fields = [
            FormField(
                str(line["order_line_id"]),
                f"{line['quantity']} x {safe(line['sku'] or line['name'], 40)}",
                "0",
                help=_("pieces into a shipment of their own"),
            )
            for line in lines
        ]

        def wrong(values: dict[str, str]) -> str:
            if not all(v.strip().isdecimal() for v in values.values()):
                return _("Pieces are whole numbers.")
            return "" if any(int(v) for v in values.values()) else _("Nothing would be split off.")

        answer = await self.desk.app.push_screen_wait(Form(_("Split"), fields, check=wrong, opened_by=key))
        if answer is None:
            return None
        return {"lines": {line: int(n) for line, n in answer.items() if int(n)}}

    async def _ask_take_out(self, chosen: list[tuple[int, int]], key: Key) -> dict[str, Any] | None:
        shown = await views.detail(self.desk.console_app.eyes.quick, chosen[0][0])
        found = (shown or {}).get("source_orders", [])
        if len(found) < 2:
            self.desk.say(_("It holds one order only."))
            return None
        choices = [Choice(f"#{safe(o['number'], 30)}", str(o["id"]), safe(o["status"])) for o in found]
        answer = await self.desk.app.push_screen_wait(Choose(_("Take an order out"), choices, opened_by=key))
        return {"order_id": int(answer)} if answer else None

    async def _ask_print(self, chosen: list[tuple[int, int]], key: Key) -> dict[str, Any] | None:
        found = await overview.accounts(self.desk.console_app.eyes.quick)
        if not found.printers:
            self.desk.say(_("No printer is set up: 9, then Add a printer."), bad=True)
            return None
        row = self.orders.row
        again = len(chosen) == 1 and row is not None and row.print_state != "none"
        if not again:
            return {"copies": 1, "reprint": ""}
        answer = await self._ask_text(_("Print again"), "reprint", _("Why is it printed again?"), key)
        if answer is None or not answer["reprint"].strip():
            return None
        return {"copies": 1, "reprint": answer["reprint"].strip()}

    async def _before_waybill(self, key: Key) -> dict[str, Any] | None:
        """The sender's address is asked for before the first label."""
        found = await overview.accounts(self.desk.console_app.eyes.quick)
        import json

        sender = json.loads(found.warehouses[0]["sender"] or "{}") if found.warehouses else {}
        if sender.get("name") and sender.get("line1") and sender.get("city") and sender.get("country"):
            return {}
        return (
            {} if await self.edit_sender(found.warehouses[0]["name"] if found.warehouses else "", sender, key) else None
        )

    async def edit_sender(self, warehouse: str, sender: Mapping[str, Any], key: Key | None) -> bool:
        """The form for a warehouse's sender and return address; True when it was kept."""
        from pipeline import setup

        labels = ADDRESS_WORDS | {"name": _("Sender, return address")}
        fields = [FormField(f, labels[f], str(sender.get(f) or "")) for f in (*ADDRESS, "email")]

        def wrong(values: dict[str, str]) -> str:
            missing = [labels[f] for f in ("name", "line1", "city", "country") if not values[f].strip()]
            return _("Missing: {fields}.").format(fields=", ".join(missing)) if missing else ""

        answer = await self.desk.app.push_screen_wait(
            Form(
                _("Sender on labels: {warehouse}").format(warehouse=safe(warehouse) or _("first warehouse")),
                fields,
                notes=[_("It stands on every label, and unclaimed parcels come back to it.")],
                check=wrong,
                opened_by=key,
            )
        )
        if answer is None:
            return False
        given = {k: v.strip() for k, v in answer.items()}
        kept = await self.desk.console_app.write(lambda p: setup.set_sender(p, warehouse, given, self.who))
        if isinstance(kept, Refused):
            self.desk.say(kept.message, bad=True)
            return False
        return True

    async def _ask_recall(self, key: Key) -> dict[str, Any] | None:
        chosen = await self.desk.app.push_screen_wait(
            Choose(
                _("Recall"),
                [
                    Choice(_("Back to print, the number stays"), "to_print"),
                    Choice(_("Close, the number is voided"), "close"),
                ],
                opened_by=key,
            )
        )
        return {"to": chosen} if chosen else None

    async def _ask_back(self, key: Key) -> dict[str, Any] | None:
        if self.orders.row_stage is Stage.PROCESSING:
            return {"to": "review"}
        chosen = await self.desk.app.push_screen_wait(
            Choose(
                _("Send back"),
                [Choice(_("to processing"), "processing"), Choice(_("to review"), "review")],
                opened_by=key,
                note=_("Its number is voided, its stock released."),
            )
        )
        return {"to": chosen} if chosen else None

    async def _would(self, command: str, chosen: list[tuple[int, int]], arguments: Mapping[str, Any]) -> Any:
        """What a command would do to these, nothing written."""
        from pipeline.commands import preview

        self.desk.say(_("Looking ..."))
        explicit = not self.orders.marked_whole
        ids = [i for i, _v in chosen]
        answer = await self.desk.console_app.write(
            lambda p: preview(p, command, ids, arguments, self.who, explicit=explicit)
        )
        self.desk.clear_message()
        return answer

    async def _ask_ship(self, chosen: list[tuple[int, int]], key: Key) -> dict[str, Any] | None:
        """`240 marked: 226 go, 14 stay (9 notes, 3 address, 2 refund)`; the number that goes is typed."""
        arguments = {"close_refunds": False}
        would = await self._would("ship", chosen, arguments)
        if isinstance(would, Refused):
            self.desk.say(would.message, bad=True)
            return None
        return arguments if await self._confirm("ship", _("Ship"), chosen, would, key) else None

    async def _ask_number(self, command: str, chosen: list[tuple[int, int]], key: Key) -> dict[str, Any] | None:
        would = await self._would(command, chosen, {})
        if isinstance(would, Refused):
            self.desk.say(would.message, bad=True)
            return None
        return {} if await self._confirm(command, ALL[command].title, chosen, would, key) else None

    async def _confirm(self, command: str, title: str, chosen: list[tuple[int, int]], would: Any, key: Key) -> bool:
        go, stay = len(would.done), len(would.refused)
        reasons = Counter(r.code for r in would.refused)
        sentences = {r.code: r.reason for r in would.refused}
        marked = len(chosen)
        line = _("{n} marked: {go} go, {stay} stay").format(n=marked, go=go, stay=stay)
        if reasons:
            line += " " + _("({reasons})").format(reasons=counted(reasons.most_common(4)))
        if not go:
            first = would.refused[0]
            mend = MENDS.get(first.code, "")
            self.desk.say(reason_words(first.code, first.reason) + (f"  {mend}" if mend else ""), bad=True)
            return False
        lines = [
            line,
            *(f"{reason_word(code)}: {reason_words(code, sentences[code])}" for code, _n in reasons.most_common(4)),
        ]
        if command == "ship":
            lines.append(
                _("Stock is deducted now; the platforms are told after the grace, until then u takes it back.")
            )
        answer: bool | None = await self.desk.app.push_screen_wait(Ask(title, lines, str(go), opened_by=key))
        return bool(answer)

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
                f" {group.n} x {group.code}  {reason_words(group.code, group.reason)}",
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
        if choice == "already_left" and not await app.push_screen_wait(
            Ask(_("Already left"), [_("These orders leave the work lists for good.")], str(shop.waiting))
        ):
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


def role_word(role: str) -> str:
    """A role in words."""
    return {
        "owner": _("owner"),
        "admin": _("admin"),
        "operator": _("operator"),
        "viewer": _("viewer"),
    }[role]


__all__ = ["STAGES", "Deeds", "asyncio", "role_word"]
