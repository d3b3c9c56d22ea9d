"""The panel beside the settings: every fact about the row under the cursor."""

import json
from typing import TYPE_CHECKING, Any

from console.cells import fit, wrap
from console.places.rules import left_out_words
from console.places.setting_rows import Known, Row, read_words, sender_of
from console.widgets.lines import Styled
from console.wording import STAGES, age, moment, reason_words
from domain.clock import Instant
from domain.enums import Stage
from domain.persons import Operator
from domain.text import safe
from domain.words import _
from store import settings_views
from store.overview import ShopState
from store.settings_views import Reason, ShopFile

if TYPE_CHECKING:
    from console.app import Console


async def panel(app: "Console", row: Row, known: Known, width: int) -> list[Styled]:
    """The lines of the panel."""
    lines = Page(width)
    lines.add(row.name, "title")
    match row.sort:
        case "shop" if isinstance(row.value, ShopState):
            shop_id = row.value.id
            file = await app.eyes.look(lambda r: settings_views.shop_file(r, shop_id))
            _shop(lines, row.value, file, app.clock())
        case "shop":
            lines.add(_("The shop's own keys are asked for, tried, and kept sealed."))
        case "abnormal":
            _abnormal(lines, known)
        case "completeness":
            lines.add(
                _("Each night every order that a platform lists is looked for here, and read where it is missing.")
            )
        case "carrier" if row.value is not None:
            _carrier(lines, row.value, known, app.clock())
        case "carrier":
            lines.add(_("Who gives the numbers and carries the parcels."))
        case "printer" if row.value is not None:
            _printer(lines, row.value, app.clock())
        case "printer":
            lines.add(_("A printer of this host; others are set up at their own."))
        case "warehouse":
            _warehouse(lines, row.value)
        case "person" if isinstance(row.value, Operator):
            _person(lines, row.value)
        case "person":
            lines.add(_("Everybody who works here has a name: it stands in the history of what they do."))
        case _:
            lines.add(str(row.value or "".join(text for text, _style in row.state)))
    return lines.lines


class Page:
    """Lines of the panel, wrapped to its width."""

    def __init__(self, width: int) -> None:
        self.width = max(20, width - 2)
        self.lines: list[Styled] = []

    def add(self, text: object, style: str = "text", indent: int = 1) -> None:
        """A text, made safe, on as many lines as it takes."""
        for part in wrap(safe(text, 600), self.width - indent):
            self.lines.append(((" " * indent + part, style),))

    def fact(self, label: str, value: object, style: str = "text") -> None:
        """A label and its value; nothing where there is no value."""
        shown = safe(value, 300) if value not in (None, "") else ""
        if not shown:
            return
        parts = wrap(shown, max(10, self.width - 15))
        for n, part in enumerate(parts):
            self.lines.append(((" " + fit(label if n == 0 else "", 13) + " ", "dim"), (part, style)))

    def count(self, n: int, text: str, style: str = "text") -> None:
        """A number and what it counts."""
        for at, part in enumerate(wrap(safe(text, 200), max(10, self.width - 9))):
            self.lines.append(((f"{n if at == 0 else '':>7}  {part}", style),))

    def head(self, text: str) -> None:
        """A heading after a blank line."""
        self.lines += [(), ((" " + text, "title"),)]


def _shop(lines: Page, shop: ShopState, file: ShopFile | None, now: Instant) -> None:
    lines.fact(_("platform"), shop.platform)
    lines.fact(_("title"), shop.title)
    lines.fact(_("time zone"), shop.zone)
    lines.fact(_("currency"), shop.currency)
    if file is None:
        return
    settings = json.loads(file.settings or "{}")
    lines.fact(_("address"), settings.get("url", ""))
    for label, at in (
        (_("bound"), file.connected_at),
        (_("checked"), file.checked_at),
        (_("unbound"), None if shop.bound else file.unbound_at),
    ):
        lines.fact(label, moment(at, now) if at else "")
    if shop.bound:
        lines.head(_("Reading"))
        if shop.late or shop.ok_at is None:
            words, style = read_words(shop, now)
            lines.add(words, style)
        for read in file.reads:
            _read(lines, read, now)
    if shop.paused:
        lines.add(_("paused: {code}").format(code=shop.paused), "bad")
    if shop.message:
        lines.add(reason_words(shop.paused, shop.message), "bad")
    waits: list[tuple[str, int, str]] = [
        (_("open before it was bound: name the cut-over"), shop.waiting, "warn"),
        (_("abnormal"), shop.abnormal, "bad"),
        (_("things that wait or are under way"), file.queued, "text"),
    ]
    if any(n for _text, n, _style in waits):
        lines.head(_("What waits"))
        for text, n, style in waits:
            if n:
                lines.count(n, text, style)
    if any(file.stages.values()):
        lines.head(_("Its shipments"))
        for stage in Stage:
            if file.stages.get(stage):
                lines.count(file.stages[stage], STAGES[stage])
    if file.left_out:
        lines.head(_("Left out by its rules"))
        for reason, n in file.left_out:
            lines.count(n, left_out_words(reason), "dim")


def _read(lines: Page, read: settings_views.Read, now: Instant) -> None:
    label = _("orders") if read.kind == "orders" else _("products") if read.kind == "products" else read.kind
    due = _("next in {age}").format(age=age(read.due_at - now)) if read.due_at > now else _("due now")
    if read.ok_at is None:
        lines.fact(label, _("never yet") + ", " + due, "warn")
    else:
        lines.fact(label, _("{age} ago").format(age=age(now - read.ok_at)) + ", " + due)
        counts = _("seen {n}").format(n=read.seen)
        if read.changed:
            counts += ", " + _("new or changed {n}").format(n=read.changed)
        lines.fact("", counts, "dim")
    if read.code:
        lines.fact("", reason_words(read.code, read.message), "bad")


def _abnormal(lines: Page, known: Known) -> None:
    if known.abnormal:
        lines.add(_("Enter opens the list: correct them on the platform, then try again."))
    else:
        lines.add(_("Every order that was read could be taken over."), "good")
    _reasons(lines, known.abnormal, "bad", words=False)
    if known.left_out:
        lines.head(_("Left out by the shops' rules"))
        lines.add(_("Looked at again whenever they or a rule change."), "dim")
        _reasons(lines, known.left_out, "text", words=True)


def _reasons(lines: Page, found: tuple[Reason, ...], style: str, *, words: bool) -> None:
    before = ""
    for each in found:
        if each.shop != before:
            before = each.shop
            lines.add(each.shop, "bold")
        lines.count(each.n, left_out_words(each.reason) if words else each.reason, style)


def _carrier(lines: Page, carrier: dict[str, Any], known: Known, now: Instant) -> None:
    settings = json.loads(carrier["settings"] or "{}")
    lines.fact(_("kind"), carrier["kind"])
    lines.fact(_("carrier"), settings.get("carrier_name", ""))
    lines.fact(_("address"), settings.get("url", ""))
    lines.fact(_("checked"), moment(carrier["checked_at"], now) if carrier["checked_at"] else _("never yet"))
    if carrier["kind"] == "pool":
        lines.fact(_("free numbers"), str(carrier["free"]), "text" if carrier["free"] else "bad")
        lines.fact(_("check digit"), settings.get("check_digit", ""))
    if carrier["paused_code"] or carrier["message"]:
        lines.add(reason_words(carrier["paused_code"] or "", carrier["message"] or ""), "bad")
    own = [s for s in known.accounts.services if s["carrier"] == carrier["name"]]
    if own:
        lines.head(_("Services"))
    for service in own:
        style = "text" if service["enabled"] else "dim"
        lines.add(f"{safe(service['code'], 20):<10} {safe(service['name'], 60)}", style)


def _printer(lines: Page, printer: dict[str, Any], now: Instant) -> None:
    lines.fact(_("kind"), printer["kind"])
    lines.fact(_("host"), printer["host"])
    for name, value in json.loads(printer["settings"] or "{}").items():
        lines.fact(safe(name.replace("_", " "), 20), value)
    lines.fact(_("checked"), moment(printer["checked_at"], now) if printer["checked_at"] else _("never yet"))


def _warehouse(lines: Page, warehouse: dict[str, Any]) -> None:
    sender = sender_of(warehouse)
    lines.fact(_("kind"), _("own") if warehouse["kind"] == "own" else warehouse["kind"])
    lines.head(_("Sender on labels"))
    shown = [sender.get(f) for f in ("name", "company", "line1", "line2")]
    shown += [" ".join(str(sender.get(f) or "") for f in ("postcode", "city", "state", "country")).strip()]
    shown += [sender.get("phone"), sender.get("email")]
    for text in shown:
        if text:
            lines.add(text)
    if not any(shown):
        lines.add(_("none yet: no label can be asked for"), "bad")


def _person(lines: Page, person: Operator) -> None:
    from console.seat import role_word

    lines.fact(_("role"), role_word(person.role.value))
    lines.fact(_("lead"), _("yes") if person.lead else "")
    lines.add(
        {
            "owner": _("May do everything, looks after everybody, and hands ownership over."),
            "admin": _("May do everything, and looks after operators and viewers."),
            "operator": _("Works with the orders and sets things up."),
            "viewer": _("May look, not change anything."),
        }[person.role.value],
        "dim",
    )
    if not person.active:
        lines.add(_("Works here no longer; the history keeps the name."), "dim")
