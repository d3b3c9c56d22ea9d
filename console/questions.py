"""What a command must still be told before it is given: a service, an address, a reason, the number that goes.

Each question answers the command's arguments, or None when the person left it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from console.actions import ALL
from console.keys import Key
from console.screens.dialogs import Ask, Choice, Choose
from console.screens.form import Form, FormField
from console.wording import ADDRESS as ADDRESS_WORDS
from console.wording import MENDS, counted, reason_word, reason_words
from domain.arguments import check
from domain.enums import Stage
from domain.facts import code_of
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import overview, views

if TYPE_CHECKING:
    from console.places.orders import Orders
    from console.screens.desk import Desk
    from console.seat import Seat

ADDRESS = ("name", "company", "line1", "line2", "city", "state", "postcode", "country", "phone")


class Questions:
    """Asks over the list of orders."""

    def __init__(self, desk: "Desk", seat: "Seat", orders: "Orders") -> None:
        self.desk, self.seat, self.orders = desk, seat, orders
        self._n = 1
        """How many shipments the present question is about."""

    async def arguments(self, command: str, chosen: list[tuple[int, int]], key: Key) -> dict[str, Any] | None:
        """What the command must still be told; None when the person left the question."""
        self._n = len(chosen)
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

    def _about(self, title: str) -> str:
        """A title that says how many shipments it is about, where they are many."""
        return title if self._n == 1 else _("{title}: {n} shipments").format(title=title, n=self._n)

    async def _ask_text(
        self, title: str, name: str, label: str, key: Key, present: Any = None
    ) -> dict[str, Any] | None:
        value = await present() if present is not None else ""
        return await self.desk.app.push_screen_wait(
            Form(self._about(title), [FormField(name, label, value)], opened_by=key)
        )

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
        chosen = await self.desk.app.push_screen_wait(Choose(self._about(_("Service")), choices, opened_by=key))
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

        def changes(answer: Mapping[str, str]) -> dict[str, str]:
            return {f: v.strip() for f, v in answer.items() if v.strip() != safe(now.get(f) or "", 2000).strip()}

        def wrong(answer: dict[str, str]) -> str | tuple[str, str]:
            refused = check("address", changes(answer))
            return (
                (refused.field, refused.message)
                if refused and refused.field in ADDRESS
                else refused.message
                if refused
                else ""
            )

        answer = await app.push_screen_wait(
            Form(
                _("Address of {code}").format(code=code_of(chosen[0][0])),
                fields,
                at=at,
                notes=[_("Only this shipment changes; the platform keeps its own address.")],
                message=reason_words(failed["code"], failed["reason"]) if failed else "",
                check=wrong,
                opened_by=key,
            )
        )
        if answer is None:
            return None
        changed: dict[str, Any] = dict(changes(answer))
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
                self._about(_("Customs declaration")),
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
        chosen = await self.desk.app.push_screen_wait(Choose(self._about(_("Flag")), choices, opened_by=key))
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
        kept = await self.desk.console_app.write(lambda p: setup.set_sender(p, warehouse, given, self.seat.who))
        if isinstance(kept, Refused):
            self.desk.say(kept.message, bad=True)
            return False
        return True

    async def _ask_recall(self, key: Key) -> dict[str, Any] | None:
        chosen = await self.desk.app.push_screen_wait(
            Choose(
                self._about(_("Recall")),
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
                self._about(_("Send back")),
                [Choice(_("to processing"), "processing"), Choice(_("to review"), "review")],
                opened_by=key,
                note=_("A number it has is voided, stock is released."),
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
            lambda p: preview(p, command, ids, arguments, self.seat.who, explicit=explicit)
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
