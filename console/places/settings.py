"""What is set up: shops, carriers, printers, warehouses, persons, this terminal; what can be done with each."""

from typing import TYPE_CHECKING, ClassVar

from console.actions import ALL, Action
from console.cells import fit
from console.keys import Key
from console.places.binding import Binding
from console.places.carriers import Carriers
from console.places.offers import Offer
from console.places.people import People
from console.places.place import Item, TablePlace
from console.places.printers import Printers
from console.places.setting_panel import panel
from console.places.setting_rows import Known, Row, items, rows
from console.places.shops import Shops
from console.places.terminal import Terminal, Warehouses
from console.screens.dialogs import Choice, Choose
from console.widgets.lines import Styled
from domain.text import safe
from domain.words import _
from store import overview, people_views, proof_views, settings_views

if TYPE_CHECKING:
    from console.screens.desk import Desk


class Settings(TablePlace):
    """One table over everything that is set up."""

    name: ClassVar[str] = "settings"
    columns = ((_("What"), 11), (_("Name"), 17), (_("Kind"), 11), (_("How it stands"), 31))

    def __init__(self, desk: "Desk") -> None:
        super().__init__(desk)
        self.known: Known | None = None
        self.shops = Shops(desk)
        self.binding = Binding(desk)
        self.carriers = Carriers(desk)
        self.printers = Printers(desk)
        self.warehouses = Warehouses(desk)
        self.people = People(desk)
        self.terminal = Terminal(desk)

    # -------------------------------------------------------------- the list

    async def items(self) -> list[Item]:
        """Read everything."""
        app = self.desk.console_app
        now = app.clock()
        look = app.eyes.look
        self.known = Known(
            tuple(await look(lambda r: overview.shop_states(r, now))),
            await look(overview.accounts),
            tuple(await look(people_views.operators)),
            tuple(await look(settings_views.abnormal_reasons)),
            tuple(await look(settings_views.left_out)),
            await look(proof_views.open_ones),
        )
        return items(rows(self.known, now, app.config, app.place, app.person))

    async def refresh(self) -> None:
        """Read everything again; the cursor stays on its row."""
        await self.look_again()

    def titles(self, width: int) -> str:
        """The column titles; the last column takes what is left."""
        return fit("   " + " ".join(fit(title, n) for title, n in self.columns), width)

    def sublists(self) -> Styled:
        """What this place is."""
        known = self.known
        shops = sum(1 for s in known.shops if s.bound) if known is not None else 0
        text = _("[shops and settings, bound {n}]").format(n=shops)
        return (("  ", "sub"), (text, "sub.on"), ("  " + _("Enter: what can be done with it"), "sub"))

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        item = self.current
        return item.value if item is not None and isinstance(item.value, Row) else None

    @property
    def cursor_id(self) -> str:
        """What the panel is about."""
        item = self.current
        return item.id if item is not None else ""

    def footer(self) -> list[tuple[Action, str]]:
        """The first thing that can be done with the row, and all of them."""
        found = self.offers()
        first = [(ALL["forward"], found[0].text)] if found and not self._asks_first else []
        adds = self.row is not None and self.row.adds
        more = [(ALL["detail"], _("Choose"))] if not adds and (len(found) > 1 or not self.desk.panel_beside) else []
        return [*first, *more, (ALL["refresh"], ALL["refresh"].title)]

    def moved(self) -> None:
        """Another row, other keys."""
        self.desk.paint_all()

    async def detail(self, width: int) -> list[Styled]:
        """The facts of the row."""
        row, known = self.row, self.known
        return await panel(self.desk.console_app, row, known, width) if row is not None and known is not None else []

    async def find(self, row_id: str) -> None:
        """Put the cursor on a row."""
        await self.desk.reload()
        at = next((n for n, item in enumerate(self.table.items) if item.id == row_id), None)
        if at is not None:
            await self.desk.rows.move_to(at)

    # -------------------------------------------------------------- what can be done

    def offers(self) -> list[Offer]:
        """Everything that the row under the cursor offers, the first thing to do first."""
        row = self.row
        if row is None or self.desk.deeds is None:
            return []
        match row.sort:
            case "shop" if row.adds:
                return [Offer(_("Bind a shop"), self.bind, why=self.binding.why_not())]
            case "shop":
                return self.shops.offers(row.value)
            case "abnormal":
                return [Offer(_("Open the list"), self._abnormal)]
            case "completeness":
                return [Offer(_("Open the list"), self._completeness)]
            case "carrier":
                return self.carriers.adding() if row.adds else self.carriers.offers(row.value)
            case "printer":
                return self.printers.adding() if row.adds else self.printers.offers(row.value)
            case "warehouse":
                return self.warehouses.offers(row.value)
            case "person":
                return self.people.adding() if row.adds else self.people.offers(row.value)
            case _:
                return self.terminal.offers(row)

    @property
    def _asks_first(self) -> bool:
        """Is there no first thing to do that one key may do? What a person may do is chosen, never just done."""
        return self.row is not None and self.row.sort == "person" and not self.row.adds

    async def act(self, action: Action, key: Key) -> bool:
        """Enter offers, `n` does the first thing."""
        match action.name:
            case "refresh":
                await self.desk.reload()
            case "detail" | "forward" if self.desk.deeds is None:
                self.desk.say(_("One moment: the console is still starting."))
            case "detail" | "forward" if self.row is not None and (action.name == "detail" or self._asks_first):
                self.desk.console_app.flow(self._offer(key))
            case "forward" if found := self.offers():
                await self._do(found[0], key)
            case _:
                return False
        return True

    async def _offer(self, key: Key) -> None:
        row, found = self.row, self.offers()
        if row is None:
            return
        if row.adds and found:
            await self._do(found[0], key, beside=False)
            return
        choices = [Choice(o.text, str(n), o.hint, o.why) for n, o in enumerate(found)]
        if not self.desk.panel_beside:
            choices.append(Choice(_("Details"), "panel", _("Esc closes them")))
        if not choices:
            self.desk.say(_("Nothing can be done with it here."))
            return
        if len(choices) == 1 and row.sort in {"abnormal", "completeness"}:
            await found[0].act(key)
            return
        choose = Choose(safe(row.name, 60), choices, opened_by=key)
        chosen = await self.desk.app.push_screen_wait(choose)
        if chosen == "panel":
            self.desk.show_panel(True)
        elif chosen is not None:
            await found[int(chosen)].act(choose.last_key or key)

    async def _do(self, offer: Offer, key: Key, *, beside: bool = True) -> None:
        if offer.why:
            self.desk.say(offer.why, bad=True)
        elif beside:
            self.desk.console_app.flow(offer.act(key))
        else:
            await offer.act(key)

    async def bind(self, key: Key | None) -> None:
        """Bind a shop; the cursor stands on it then."""
        made = await self.binding.bind(key)
        if made is not None:
            await self.find(f"shop:{made}")

    async def _abnormal(self, _key: Key) -> None:
        await self.desk.go("abnormal")

    async def _completeness(self, _key: Key) -> None:
        await self.desk.go("completeness")
