"""The table of what is set up, as lines: shops, abnormal orders, carriers, printers, warehouses, persons, this terminal."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from console.cells import clean, fit
from console.config import Config
from console.places.place import Item
from console.widgets.lines import Piece
from console.wording import age, moment
from domain.clock import Instant
from domain.persons import Operator
from domain.text import safe
from domain.words import LANGUAGES, _, language
from store.overview import Accounts, ShopState
from store.place import Place
from store.proof_views import Open
from store.settings_views import Reason

SECTIONS: dict[str, str] = {
    "shop": _("Shops"),
    "abnormal": _("Abnormal"),
    "completeness": _("Proof"),
    "carrier": _("Carriers"),
    "printer": _("Printers"),
    "warehouse": _("Warehouses"),
    "person": _("Persons"),
    "terminal": _("Terminal"),
}
FEW = 50
"""Free numbers of a pool below which it is said."""


class Known(Struct, frozen=True):
    """Everything the table is made of."""

    shops: tuple[ShopState, ...]
    accounts: Accounts
    people: tuple[Operator, ...]
    abnormal: tuple[Reason, ...]
    left_out: tuple[Reason, ...]
    proved: Open = Open()


class Row(Struct, frozen=True):
    """One row. `sort` is a key of `SECTIONS`, `value` what it is about: None for the row that adds one."""

    id: str
    sort: str
    name: str
    kind: str = ""
    state: tuple[Piece, ...] = ()
    value: Any = None
    tone: str = "text"

    @property
    def adds(self) -> bool:
        """Does it add one of its sort?"""
        return self.id.startswith("add:")


def rows(known: Known, now: Instant, config: Config, place: Place, me: Operator | None) -> list[Row]:
    """The whole table."""
    return [
        *(shop_row(s, now) for s in known.shops),
        Row("add:shop", "shop", _("+ Bind a shop")),
        abnormal_row(known),
        proof_row(known),
        *(carrier_row(c, known.accounts.services, now) for c in known.accounts.carriers),
        Row("add:carrier", "carrier", _("+ Add a carrier")),
        *(printer_row(p, now) for p in known.accounts.printers),
        Row("add:printer", "printer", _("+ Add a printer")),
        *(warehouse_row(w) for w in known.accounts.warehouses or [FIRST_WAREHOUSE]),
        *(person_row(o, me) for o in known.people),
        Row("add:person", "person", _("+ Add a person")),
        *terminal_rows(config, place),
    ]


FIRST_WAREHOUSE: dict[str, Any] = {"id": 0, "name": "", "kind": "own", "sender": "{}", "is_default": 1}
"""The warehouse that is made when it is first needed."""


def items(table: Sequence[Row]) -> list[Item]:
    """The rows as lines; a section's name stands at its first one."""
    found, before = [], ""
    for row in table:
        section = SECTIONS[row.sort] if row.sort != before else ""
        before = row.sort
        tone = "dim" if row.adds else row.tone
        head = f"{clean(row.name, 17)} {clean(row.kind, 11)} " if row.kind or row.state else clean(row.name, 29)
        found.append(Item(row.id, ((fit(section, 11) + " ", "title"), (head, tone), *row.state), row))
    return found


def shop_row(shop: ShopState, now: Instant) -> Row:
    """A shop: what is wrong comes first, then when it was read."""
    if not shop.bound:
        text = _("unbound, its orders are frozen")
        return Row(f"shop:{shop.id}", "shop", shop.name, shop.platform, ((text, "dim"),), shop, "dim")
    words: list[Piece] = []
    if shop.paused:
        words.append((_("paused: {code}").format(code=safe(shop.paused, 24)), "bad"))
    words.append(read_words(shop, now))
    if shop.waiting:
        words.append((_("cut-over {n}").format(n=shop.waiting), "warn"))
    if shop.abnormal:
        words.append((_("abnormal {n}").format(n=shop.abnormal), "bad"))
    return Row(f"shop:{shop.id}", "shop", shop.name, shop.platform, _joined(words), shop)


def read_words(shop: ShopState, now: Instant) -> Piece:
    """When a shop's orders were last read, and whether that is too long ago."""
    if shop.ok_at is None:
        if shop.message:
            return (_("could not be read yet"), "bad")
        return (_("first import runs"), "busy") if shop.running else (_("not read yet"), "bad" if shop.late else "warn")
    old = age(now - shop.ok_at)
    if shop.late:
        return (_("late {age}").format(age=old), "bad")
    return (_("read {age}").format(age=old), "text")


def abnormal_row(known: Known) -> Row:
    """How many orders could not be taken over, and how many the rules left out."""
    n, left = sum(r.n for r in known.abnormal), sum(r.n for r in known.left_out)
    words: list[Piece] = [(str(n), "bad" if n else "good")]
    if left:
        words.append((_("left out by rules {n}").format(n=left), "dim"))
    return Row("abnormal", "abnormal", _("Abnormal orders"), "", _joined(words), known, "bad" if n else "text")


def proof_row(known: Known) -> Row:
    """Whether every day's orders are all accounted for."""
    words: list[Piece] = []
    if known.proved.orders:
        words.append((_("! differ {n}").format(n=known.proved.orders), "bad"))
    if known.proved.unproved:
        words.append((_("! unproved {n}").format(n=known.proved.unproved), "warn"))
    if not words:
        words.append((_("nothing stands open"), "good"))
    return Row("completeness", "completeness", _("Completeness"), "", _joined(words), known)


def carrier_row(carrier: dict[str, Any], services: Sequence[dict[str, Any]], now: Instant) -> Row:
    """A carrier: the numbers that are left, checked, its services."""
    words: list[Piece] = []
    if carrier["paused_code"]:
        words.append((_("paused: {code}").format(code=safe(carrier["paused_code"], 24)), "bad"))
    if carrier["kind"] == "pool":
        free = int(carrier["free"])
        words.append((_("numbers {n}").format(n=free), "bad" if not free else "warn" if free < FEW else "text"))
    words.append(checked_words(carrier["checked_at"], now))
    n = sum(1 for s in services if s["carrier"] == carrier["name"] and s["enabled"])
    words.append((_("services {n}").format(n=n), "text" if n else "bad"))
    return Row(f"carrier:{carrier['id']}", "carrier", carrier["name"], carrier["kind"], _joined(words), carrier)


def checked_words(at: Instant | None, now: Instant) -> Piece:
    """When something was tried out."""
    return (_("checked {when}").format(when=moment(at, now)), "text") if at else (_("not checked"), "bad")


def printer_row(printer: dict[str, Any], now: Instant) -> Row:
    """A printer and the host it belongs to."""
    words = [checked_words(printer["checked_at"], now), (f"@{safe(printer['host'], 20)}", "dim")]
    if printer["is_default"]:
        words.append((_("default"), "text"))
    return Row(f"printer:{printer['id']}", "printer", printer["name"], printer["kind"], _joined(words), printer)


def sender_of(warehouse: dict[str, Any]) -> dict[str, Any]:
    """The sender's address of a warehouse."""
    found = json.loads(warehouse["sender"] or "{}")
    return found if isinstance(found, dict) else {}


def warehouse_row(warehouse: dict[str, Any]) -> Row:
    """A warehouse and its sender on labels."""
    sender = sender_of(warehouse)
    if sender.get("name") and sender.get("line1") and sender.get("city") and sender.get("country"):
        words: list[Piece] = [(_("sender: {name}").format(name=safe(sender["name"], 24)), "text")]
    else:
        words = [(_("no sender for labels yet"), "bad")]
    if warehouse["is_default"]:
        words.append((_("default"), "dim"))
    name = warehouse["name"] or _("first warehouse")
    kind = _("own") if warehouse["kind"] == "own" else safe(warehouse["kind"])
    return Row(f"warehouse:{warehouse['id']}", "warehouse", name, kind, _joined(words), warehouse)


def person_row(person: Operator, me: Operator | None) -> Row:
    """A person, what they may do, whether they are still here."""
    from console.seat import role_word

    words: list[Piece] = []
    if person.lead:
        words.append((_("lead"), "text"))
    if not person.active:
        words.append((_("works here no longer"), "dim"))
    elif me is not None and me.id == person.id:
        words.append((_("at this keyboard"), "text"))
    tone = "text" if person.active else "dim"
    role = role_word(person.role.value)
    return Row(f"person:{person.id}", "person", person.name, role, _joined(words), person, tone)


def terminal_rows(config: Config, place: Place) -> list[Row]:
    """What belongs to this terminal, and where things are."""
    spoken = dict(LANGUAGES)[language()]
    named = config.terminal or _("the host's name")
    return [
        Row("terminal:language", "terminal", _("Language"), "", ((spoken, "text"),)),
        Row("terminal:theme", "terminal", _("Theme"), "", ((safe(config.theme, 30) or "shipdeck", "text"),)),
        Row("terminal:name", "terminal", _("Terminal's name"), "", ((safe(named, 40), "text"),)),
        Row(
            "terminal:config",
            "terminal",
            _("Settings file"),
            "",
            ((_short(str(config.file)), "dim"),),
            str(config.file),
        ),
        Row(
            "terminal:database",
            "terminal",
            _("Database"),
            "",
            ((_short(database_name(place)), "dim"),),
            database_name(place),
        ),
    ]


def database_name(place: Place) -> str:
    """Where the data are, without a password."""
    if place.file is not None:
        return str(place.file)
    parts = urlsplit(place.url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _short(path: str, room: int = 33) -> str:
    shown = safe(path, 400)
    return shown if len(shown) <= room else "..." + shown[3 - room :]


def _joined(words: Sequence[Piece]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for word in words:
        pieces += [("  ", "text"), word] if pieces else [word]
    return tuple(pieces)
