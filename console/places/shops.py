"""What can be done with a bound shop: read it, check it, its settings and keys, its cut-over, and unbinding."""

from functools import partial
from typing import TYPE_CHECKING, Any

from console.cells import wrap
from console.keys import Key
from console.places import sheet_import
from console.places.binding import Binding, checked_words
from console.places.offers import Flow, Flows, Offer
from console.places.rules import left_out_words, rule_lines
from console.places.shop_settings import ShopSettingsForms
from console.screens.dialogs import Ask, Read
from console.widgets.lines import Styled
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import settings_views
from store.overview import ShopState

if TYPE_CHECKING:
    from console.screens.desk import Desk


class Shops(Flows):
    """The flows of a shop that is there."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__(desk)
        self.binding = Binding(desk)
        self.forms = ShopSettingsForms(desk)
        self.sheets = sheet_import.SheetImport(desk)

    def offers(self, shop: ShopState) -> list[Offer]:
        """What can be done with it."""
        may = self.why_not()
        gone = "" if shop.bound else _("unbound: bind it again first")

        def on(flow: Any, *more: Any) -> Flow:
            return partial(flow, shop, *more)

        found = [
            Offer(_("Read its orders now"), on(self._sync, ("orders",)), why=gone),
            Offer(_("Read its products now"), on(self._sync, ("products",)), why=gone),
            Offer(_("Check the connection"), on(self._check), why=gone),
            Offer(_("Settings"), on(self._settings), _("import, shipping, deadlines, stock"), gone or may),
            Offer(_("New credentials"), on(self._keys), why=gone or may),
            Offer(_("Import rules"), on(self._rules), _("which orders are taken over")),
            Offer(
                _("Cut-over of the first import"),
                on(self._cut_over),
                _("{n} wait").format(n=shop.waiting),
                gone or (may if shop.waiting else _("no order waits for it")),
            ),
            Offer(_("Unbind"), on(self._unbind), _("its orders freeze, nothing is lost"), gone or may),
        ]
        if shop.platform == sheet_import.PLATFORM:
            hint = _("a preview first, then its orders")
            found.insert(1, Offer(_("Take over a spreadsheet"), on(self.sheets.open), hint, gone or may))
        if not shop.bound:
            found.insert(0, Offer(_("Bind it again"), on(self._again), _("its orders are taken up again"), may))
        return found

    async def _sync(self, shop: ShopState, kinds: tuple[str, ...], _key: Key) -> None:
        named = await self.app.write(partial(_ask_sync, shop_id=shop.id, kinds=kinds))
        if isinstance(named, Refused):
            self.desk.say(named.message, bad=True)
            return
        text = _("Reading now: {shops}").format(shops=safe(shop.name, 40))
        facts = self.desk.facts
        if facts is not None and not facts.workers:
            text += "  " + _("(as soon as a worker runs)")
        self.desk.say(text)

    async def _check(self, shop: ShopState, _key: Key) -> None:
        asking = _("Asking the shop {name} ...").format(name=safe(shop.name, 40))
        found = await self.asked(asking, partial(_check_shop, shop_id=shop.id))
        if found is None or isinstance(found, Refused):
            await self.tell(found, "")
            return
        text = _("{name} answers: {facts}").format(name=safe(shop.name, 40), facts=checked_words(found))
        warned = "  ".join("! " + safe(w, 200) for w in found.warnings)
        await self.tell(found, f"{text}  {warned}".rstrip())

    async def _settings(self, shop: ShopState, key: Key) -> None:
        await self.forms.open(shop, key)

    async def _keys(self, shop: ShopState, key: Key) -> None:
        await self.binding.new_keys(shop, key)

    async def _again(self, shop: ShopState, key: Key) -> None:
        await self.binding.bind(key, again=shop)

    async def _rules(self, shop: ShopState, key: Key) -> None:
        policy = await self.app.write(partial(_policy, shop_id=shop.id))
        if isinstance(policy, Refused):
            self.desk.say(policy.message, bad=True)
            return
        shop_id = shop.id
        known = await self.app.eyes.look(lambda r: settings_views.shop_file(r, shop_id))
        lines: list[Styled] = [((_("Taken over are:"), "ask.title"),)]
        width = max(20, min(110, self.app.size.width) - 6)
        lines += [(("  " + part, "ask"),) for line in rule_lines(policy) for part in wrap(line, width)]
        if known is not None and known.left_out:
            lines += [(), ((_("Left out so far, looked at again when a rule changes:"), "ask.title"),)]
            lines += [((f"  {n:>6}  {left_out_words(reason)}", "ask"),) for reason, n in known.left_out]
        lines += [(), ((_("They are changed in Settings, Import."), "ask.dim"),)]
        title = _("Import rules of {name}").format(name=safe(shop.name, 40))
        await self.app.push_screen_wait(Read(title, lines, opened_by=key))

    async def _cut_over(self, shop: ShopState, key: Key) -> None:
        await self.deeds.cut_over(key, shop.id)

    async def _unbind(self, shop: ShopState, key: Key) -> None:
        shop_id = shop.id
        known = await self.app.eyes.look(lambda r: settings_views.shop_file(r, shop_id))
        if known is None:
            return
        lines = [
            _("It is read no more, its keys are forgotten here, and {n} shipments that have not left freeze.").format(
                n=known.in_work
            ),
            _("{n} things that wait for the shop, a carrier or a printer are stopped; voids go on.").format(
                n=known.queued
            ),
            _("Binding the same address again takes everything up where it stopped."),
        ]
        title = _("Unbind {name}").format(name=safe(shop.name, 40))
        if not await self.app.push_screen_wait(Ask(title, lines, str(known.in_work), opened_by=key)):
            return
        stopped = await self.app.write(partial(_unbind, shop_id=shop.id, who=self.who))
        await self.tell(stopped, _("{name} is unbound; {n} stopped.").format(name=safe(shop.name, 40), n=stopped))


# ------------------------------------------------------------------ in the writing thread


async def _ask_sync(p: Any, *, shop_id: int, kinds: tuple[str, ...]) -> Any:
    from pipeline.worker import ask_sync

    return await ask_sync(p, shop_id, kinds)


async def _check_shop(p: Any, *, shop_id: int) -> Any:
    from pipeline import setup

    return await setup.check_shop(p, shop_id)


async def _policy(p: Any, *, shop_id: int) -> Any:
    from pipeline import setup

    return await setup.import_policy(p, shop_id)


async def _unbind(p: Any, *, shop_id: int, who: str) -> Any:
    from pipeline import setup

    return await setup.unbind_shop(p, shop_id, who)
