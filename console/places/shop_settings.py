"""The settings of a shop: pages short enough for any terminal, in words, with what each may be."""

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from console.keys import Key
from console.places.binding import as_field, kind_named, rebind
from console.places.offers import Flows
from console.screens.dialogs import Choice, Choose
from console.screens.form import Form, FormField
from domain.results import Refused
from domain.settings import CALL_SETTINGS, ShopSettings
from domain.text import safe
from domain.words import _
from store import overview
from store.overview import ShopState

if TYPE_CHECKING:
    from console.app import Console
    from pipeline.kinds import Kind


class Page(Struct, frozen=True):
    """Some settings that belong together."""

    name: str
    title: str
    hint: str
    settings: tuple[str, ...]


PAGES: tuple[Page, ...] = (
    Page(
        "import",
        _("Import"),
        _("what is taken over, and how"),
        (
            "import_months",
            "import_exclude",
            "require_contact",
            "identify_by",
            "currency",
            "delivery_comment",
            "order_types",
            "worked_by",
            "redact_after",
        ),
    ),
    Page(
        "shipping",
        _("Shipping"),
        _("printing, checks, grace, numbers"),
        (
            "move_to_print",
            "ship_without_printing",
            "check_before_ship",
            "ship_unchecked",
            "close_on_cancel",
            "grace_s",
            "send_tracking",
        ),
    ),
    Page(
        "deadlines", _("Deadlines"), _("handling, cut-off, working days"), ("handling_hours", "cut_off", "working_days")
    ),
    Page(
        "stock",
        _("Stock, matching, notes"),
        _("what approve asks for"),
        (
            "keeps_stock",
            "push_stock",
            "stock_buffer",
            "stock_cap",
            "require_matched",
            "note_gate",
            "semi_managed",
            "sender_name",
            "sender_address",
        ),
    ),
    Page(
        "sync",
        _("Reading and calls"),
        _("how often, how fast"),
        ("orders_every_s", "products_every_s", "reconcile_at", *CALL_SETTINGS),
    ),
)
WORDS: dict[str, tuple[str, str]] = {
    "import_months": (_("First import, months"), _("0-120; so many calendar months of orders are taken at first.")),
    "import_exclude": (
        _("First import without"),
        _("The platform's own statuses, comma separated; empty: its usual ones; -: none."),
    ),
    "require_contact": (
        _("Contact required"),
        _("yes, no, default; without goods, customer, e-mail and phone it is left out."),
    ),
    "identify_by": (_("Products known by"), _("sku, name, id")),
    "currency": (
        _("Currency"),
        _("Such as PLN; orders in another are left out. Empty: the shop's own; any: all are taken."),
    ),
    "delivery_comment": (
        _("Delivery as a comment"),
        _("yes, no, default; delivery details are written into a comment."),
    ),
    "order_types": (
        _("Order types"),
        _("Such as pickup: kind=pickup, stage=processing; cod: payment=on_delivery, hold=call first; empty: none."),
    ),
    "worked_by": (
        _("Worked by"),
        _("Names, comma separated, or lead; owner and admins always may. Empty: everybody."),
    ),
    "redact_after": (
        _("Erase people after, days"),
        _("0-3650; so long after shipping or closing; 0: never."),
    ),
    "move_to_print": (_("To print by itself"), _("yes, no; as soon as the waybill is there.")),
    "ship_without_printing": (_("Ship without printing"), _("yes, no; yes: no printed label is asked for.")),
    "check_before_ship": (_("Read before shipping"), _("yes, no; the orders are read live before they ship.")),
    "ship_unchecked": (
        _("Ship when unreachable"),
        _("yes, no; yes: ships without that read when the platform is away."),
    ),
    "close_on_cancel": (
        _("Close when cancelled"),
        _("yes, no; no: an order cancelled on the platform is only blocked."),
    ),
    "grace_s": (_("Grace, seconds"), _("0-3600; so long a batch can be undone before anything is sent.")),
    "send_tracking": (_("Number to send"), _("waybill, tracking; where a carrier gives two.")),
    "handling_hours": (_("Handling, hours"), _("0-8760; ship by so many hours after payment.")),
    "cut_off": (
        _("Cut-off"),
        _("Such as 15:00 in the shop's zone: paid before it, ship the same day; empty: handling hours count."),
    ),
    "working_days": (_("Working days"), _("Digits, 1 is Monday, 7 is Sunday: 12345.")),
    "keeps_stock": (_("Uses our stock"), _("yes, no; orders reserve and deduct our stock.")),
    "push_stock": (
        _("Told our stock"),
        _("yes, no; the shop offers what we can promise, where its platform takes it."),
    ),
    "stock_buffer": (_("Buffer, pieces"), _("0-1000000; so many of everything are kept back from this shop.")),
    "stock_cap": (_("At most, pieces"), _("0-1000000; never told of more than these; 0: of all there are.")),
    "require_matched": (
        _("Matched lines only"),
        _("yes, no; yes: approve asks that every line has a product of ours."),
    ),
    "note_gate": (_("Read notes first"), _("yes, no; an unread buyer's note keeps a shipment in review.")),
    "semi_managed": (_("Others ship for us"), _("yes, no; yes: sender name and address are needed to approve.")),
    "sender_name": (_("Their sender name"), _("Only where others ship for us.")),
    "sender_address": (_("Their sender address"), _("Only where others ship for us.")),
    "orders_every_s": (_("Orders every, seconds"), _("1-86400")),
    "products_every_s": (_("Products every, seconds"), _("60-604800")),
    "reconcile_at": (
        _("Proof at"),
        _("Such as 03:00 in the shop's zone: the last days are proved complete; empty: never."),
    ),
    "calls_per_second": (_("Calls a second"), _("0-1000; 0: no limit; empty: as the platform says.")),
    "parallel": (_("Calls at once"), _("1-16, whole; empty: as the platform says.")),
    "timeout_s": (_("Time-out, seconds"), _("0.1-300; empty: 30.")),
    "settle_s": (_("Settle time, seconds"), _("0-3600; between two looks for a lost answer; empty: 60.")),
}
"""Setting → what it is called, what it may be."""


async def present(app: "Console", shop_id: int) -> dict[str, str]:
    """Every setting of a shop as text: its own where it has one, else the default. No secret is among them."""
    row = await app.eyes.look(lambda r: overview.shop_settings(r, shop_id))
    kept = json.loads(row["settings"] or "{}") if row is not None else {}
    defaults = {name: getattr(ShopSettings(), name) for name in ShopSettings.__struct_fields__}
    return {name: as_text(value) for name, value in {**dict.fromkeys(CALL_SETTINGS, ""), **defaults, **kept}.items()}


def as_text(value: Any) -> str:
    """A setting's value as it is typed."""
    if isinstance(value, bool):
        return yes_no(value)
    return "" if value is None else str(value)


def yes_no(value: bool) -> str:
    """The words that `domain.settings` takes, in every language."""
    return "yes" if value else "no"


class ShopSettingsForms(Flows):
    """The forms over a shop's settings."""

    async def open(self, shop: ShopState, key: Key) -> None:
        """Choose a page, fill it in, and back to the pages until Esc."""
        kind = await self.app.write(partial(kind_named, what="shop", name=shop.platform))
        if isinstance(kind, Refused):
            self.desk.say(kind.message, bad=True)
            return
        opened: Key | None = key
        at = 0
        while True:
            now = await present(self.app, shop.id)
            choices = [Choice(p.title, p.name, p.hint) for p in PAGES]
            title = _("Of {platform}").format(platform=safe(kind.title, 30))
            own = Choice(title, "own", _("address and what the connector knows"), safe(kind.problem, 200))
            chosen = await self.app.push_screen_wait(
                Choose(
                    _("Settings of {name}").format(name=safe(shop.name, 40)), [*choices, own], opened_by=opened, at=at
                )
            )
            if chosen is None:
                return
            opened = None
            at = next((n for n, p in enumerate(PAGES) if p.name == chosen), len(PAGES))
            if chosen == "own":
                await self._own(shop, kind, now)
            else:
                await self._page(shop, next(p for p in PAGES if p.name == chosen), now)

    async def _page(self, shop: ShopState, page: Page, now: dict[str, str]) -> None:
        values = dict(now)
        message, at = "", ""
        while True:
            fields = [FormField(s, WORDS[s][0], values.get(s, ""), help=WORDS[s][1]) for s in page.settings]
            form = Form(f"{safe(shop.name, 40)}: {page.title}", fields, at=at, message=message)
            answer = await self.app.push_screen_wait(form)
            if answer is None:
                return
            values = answer
            changed = {k: v.strip() for k, v in answer.items() if v.strip() != now.get(k, "").strip()}
            if not changed:
                self.desk.say(_("Nothing was changed."))
                return
            done = await self.app.write(partial(_set, shop_id=shop.id, given=changed, who=self.who))
            if isinstance(done, Refused):
                message, at = in_words(done), done.field
                continue
            names = ", ".join(WORDS[name][0].lower() for name in changed)
            await self.tell(done, _("{name}: changed {settings}.").format(name=safe(shop.name, 40), settings=names))
            return

    async def _own(self, shop: ShopState, kind: "Kind", now: dict[str, str]) -> None:
        fields = [f for f in kind.fields if not f.secret]
        before = {f.name: now.get(f.name, f.default) for f in fields}
        values = dict(before)
        message, at = "", ""
        while True:
            form = Form(
                f"{safe(shop.name, 40)}: {safe(kind.title, 40)}",
                [as_field(f, values) for f in fields],
                at=at,
                notes=[_("A test call is made with the changes first; they are kept when it succeeds.")],
                message=message,
            )
            answer = await self.app.push_screen_wait(form)
            if answer is None:
                return
            values = answer
            changed = {k: v.strip() for k, v in answer.items() if v.strip() != before[k].strip()}
            if not changed:
                self.desk.say(_("Nothing was changed."))
                return
            done = await self.asked(
                _("Asking the shop {name} ...").format(name=safe(shop.name, 40)),
                partial(rebind, shop_id=shop.id, given=changed, secrets={}, who=self.who),
            )
            if isinstance(done, Refused):
                message, at = done.message, done.field
                continue
            names = ", ".join(f.label.lower() for f in fields if f.name in changed)
            await self.tell(done, _("{name}: changed {settings}.").format(name=safe(shop.name, 40), settings=names))
            return


def in_words(refused: Refused) -> str:
    """A refusal with the setting called as the form calls it."""
    if refused.field in WORDS:
        return refused.message.replace(refused.field, WORDS[refused.field][0], 1)
    return refused.message


async def _set(p: Any, *, shop_id: int, given: dict[str, str], who: str) -> Any:
    from pipeline import setup

    return await setup.set_shop(p, shop_id, given, {}, who)
