"""The stock list 仓库清单: on hand, reserved, free, who waits; receive, adjust and count as moves of the ledger."""

from typing import Any, ClassVar

from console.actions import ALL, Action
from console.cells import clean, fit
from console.keys import Key
from console.places.place import Item, TablePlace
from console.screens.form import Form, FormField
from console.widgets.lines import Styled
from console.wording import moment
from domain.enums import Stage
from domain.facts import code_of
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import overview
from store.overview import StockLine

MOVES: dict[str, str] = {
    "received": _("received"),
    "receive": _("received"),
    "allocate": _("promised"),
    "release": _("promise released"),
    "recall": _("returned"),
    "return": _("returned"),
    "adjust": _("adjusted"),
    "adjusted": _("adjusted"),
    "count": _("counted"),
    "counted": _("counted"),
    "shipped": _("shipped"),
    "ship": _("shipped"),
    "returned": _("returned"),
    "allocated": _("promised"),
    "released": _("promise released"),
}


class StockList(TablePlace):
    """Variants, those that somebody waits for first."""

    name: ClassVar[str] = "stock"
    columns = (
        (_("SKU"), 14),
        (_("Name"), 22),
        (_("Bin"), 7),
        (_("On hand"), -7),
        (_("Reserved"), -8),
        (_("Free"), -6),
        (_("Short"), -6),
    )

    def __init__(self, desk: Any) -> None:
        super().__init__(desk)
        self.text = ""
        self.came_from = False
        """Opened from an out-of-stock row: one key leads back to it."""

    async def items(self) -> list[Item]:
        """Read the list."""
        text = self.text
        found = await self.desk.console_app.eyes.look(lambda r: overview.stock(r, text))
        return [Item(str(line.variant_id), _line(line), line) for line in found]

    async def open(self) -> None:
        """Read the list; from an out-of-stock row, at what it lacks."""
        orders = self.desk.deeds.orders if self.desk.deeds is not None else None
        row = orders.row if orders is not None else None
        self.came_from = bool(
            row is not None and orders is not None and row.stage == Stage.TO_PRINT and row.status == "out_of_stock"
        )
        await super().open()
        if self.came_from and row is not None:
            skus = await overview.variants_of(self.desk.console_app.eyes.quick, row.id)
            wanted = set(skus)
            for n, item in enumerate(self.table.items):
                line = item.value
                if isinstance(line, StockLine) and line.sku in wanted and line.free < line.demand:
                    self.desk.rows.cursor = n
                    break

    def sublists(self) -> Styled:
        """What this place is, and the way back."""
        short = sum(1 for i in self.table.items if isinstance(i.value, StockLine) and i.value.waiting)
        pieces: list[tuple[str, str]] = [
            ("  ", "sub"),
            (_("[stock: {n} SKUs, {m} short]").format(n=self.table.total, m=short), "sub.on"),
        ]
        if self.text:
            pieces.append(("  " + _("filter {text}").format(text=safe(self.text, 30)), "warn"))
        back = _("4 leads back to the order") if self.came_from else _("Enter shows who waits")
        pieces.append(("  " + back, "sub"))
        return pieces

    def empty(self) -> list[Styled]:
        """The next step."""
        return [(), (("   " + _("No product is known yet: 9 reads a shop's products."), "text"),)]

    def footer(self) -> list[tuple[Action, str]]:
        """Moves of the ledger."""
        return [
            (ALL["forward"], _("Receive")),
            (ALL["address"], _("Count")),
            (ALL["assign"], _("Adjust")),
            (ALL["filter"], ALL["filter"].title),
        ]

    async def detail(self, width: int) -> list[Styled]:
        """Who waits, and the newest moves."""
        item = self.current
        if item is None or not isinstance(item.value, StockLine):
            return []
        line, app = item.value, self.desk.console_app
        waits = await app.eyes.look(lambda r: overview.who_waits(r, line.variant_id))
        moves = await app.eyes.look(lambda r: overview.moves(r, line.variant_id))
        lines: list[Styled] = [
            ((f" {safe(line.sku, 30)}", "title"),),
            ((f" {safe(line.name, 80)}", "text"),),
            (
                (
                    " "
                    + _("on hand {on_hand}  reserved {reserved}  free {free}").format(
                        on_hand=line.on_hand, reserved=line.reserved, free=line.free
                    ),
                    "text",
                ),
            ),
        ]
        if not line.tracked:
            lines.append(((" " + _("not counted: from its first receipt on it is"), "warn"),))
        if waits:
            lines += [
                (),
                ((" " + _("{n} shipments wait for {pieces}:").format(n=len(waits), pieces=line.demand), "bad"),),
            ]
            lines += [((f"   {code_of(i)}", "text"),) for i in waits[:10]]
        lines += [(), ((" " + _("Ledger, newest first"), "dim"),)]
        now = app.clock()
        for move in moves:
            code = code_of(move["shipment_id"]) if move["shipment_id"] else ""
            amounts = f"{move['on_hand']:+d}/{move['reserved']:+d}"
            what = MOVES.get(move["reason"], safe(move["reason"]))
            text = f"   {moment(move['at'], now)} {what} {amounts} {code} {safe(move['who'])}"
            lines.append(((text, "dim"),))
        return lines

    async def act(self, action: Action, key: Key) -> bool:
        """Receive, count, adjust; who waits; filter."""
        app, item = self.desk.console_app, self.current
        match action.name:
            case "forward" | "address" | "assign" if item is not None and isinstance(item.value, StockLine):
                change = {"forward": "receive", "address": "count", "assign": "adjust"}[action.name]
                app.flow(self._change(change, item.value, key))
            case "detail" if item is not None and isinstance(item.value, StockLine):
                line = item.value
                waits = await app.eyes.look(lambda r: overview.who_waits(r, line.variant_id))
                if waits and self.desk.deeds is not None:
                    await self.desk.deeds.orders.show_only(
                        Stage.TO_PRINT, waits, _("waiting for {sku}").format(sku=safe(line.sku, 20))
                    )
                else:
                    self.desk.say(_("Nobody waits for {sku}.").format(sku=safe(line.sku, 30)))
            case "filter":
                app.flow(self._ask_filter(key))
            case "escape" if self.text:
                self.text = ""
                await self.desk.go("stock")
            case "refresh":
                await self.desk.reload()
            case _:
                return False
        return True

    async def _ask_filter(self, key: Key) -> None:
        answer = await self.desk.app.push_screen_wait(
            Form(_("Filter"), [FormField("text", _("Part of a SKU or name"), self.text)], opened_by=key)
        )
        if answer is not None:
            self.text = answer["text"].strip()
            await self.desk.go("stock")

    async def _change(self, change: str, line: StockLine, key: Key) -> None:
        from pipeline import stocktaking

        labels = {
            "receive": (_("Receive {sku}"), _("Pieces that came in")),
            "count": (_("Count {sku}"), _("Pieces that are there")),
            "adjust": (_("Adjust {sku}"), _("By so many pieces, + or -")),
        }
        title, label = labels[change]

        def wrong(values: dict[str, str]) -> str:
            text = values["pieces"].strip()
            good = text.lstrip("+-").isdecimal() and len(text) < 10 and (change == "adjust" or text.isdecimal())
            return "" if good else _("Pieces are a whole number.")

        answer = await self.desk.app.push_screen_wait(
            Form(
                title.format(sku=safe(line.sku, 30)),
                [FormField("pieces", label)],
                notes=[
                    _("on hand {on_hand}  reserved {reserved}  free {free}").format(
                        on_hand=line.on_hand, reserved=line.reserved, free=line.free
                    )
                ],
                check=wrong,
                opened_by=key,
            )
        )
        if answer is None:
            return
        who = self.desk.deeds.who if self.desk.deeds else ""
        pieces = int(answer["pieces"])
        kept = await self.desk.console_app.write(lambda p: stocktaking.change(p, line.sku, change, pieces, who))
        if isinstance(kept, Refused):
            self.desk.say(kept.message, bad=True)
            return
        text = _("{sku}: on hand {on_hand}, reserved {reserved}").format(
            sku=safe(line.sku, 30), on_hand=kept["on_hand"], reserved=kept["reserved"]
        )
        if kept.get("released"):
            text += "  " + _("lost their goods: {codes}").format(codes=", ".join(map(str, kept["released"][:6])))
        self.desk.say(text)
        await self.desk.reload()


def _line(line: StockLine) -> tuple[tuple[str, str], ...]:
    free = str(line.free) if line.tracked else "-"
    head = f"{clean(line.sku, 14)} {clean(line.name, 22)} {clean(line.bin or '-', 7)} "
    numbers = f"{fit(str(line.on_hand), 7, True)} {fit(str(line.reserved), 8, True)} {fit(free, 6, True)} "
    short = fit(str(line.demand) if line.waiting else "", 6, True)
    if line.waiting:
        return ((head + numbers + short, "bad" if line.free < line.demand else "warn"),)
    return ((head + numbers + short, "text" if line.tracked else "dim"),)
