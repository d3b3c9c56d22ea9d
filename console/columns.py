"""The order list's columns: one row of the database as one line of exactly so many cells.

The first 79 cells are the same in every terminal; wider ones add the order number, the service and the waybill.
"""

from collections.abc import Set

from msgspec import Struct

from console.cells import cells, clean, fit
from console.wording import STAGES, STATUSES, age, clock_time, deadline, reason_word
from domain.clock import Instant
from domain.enums import Flag, Stage
from domain.facts import code_of
from domain.text import full_name
from domain.words import _
from store.lists import PROBLEM, Line
from store.views import amount

NARROW = 79
"""Cells of the list in an 80-column terminal, without its scroll bar."""
MORE = ((_("Order"), 12), (_("Service"), 9), (_("Waybill"), 16))
"""What a list of `WIDE` cells adds, each after one blank."""
WIDE = NARROW + sum(width + 1 for _title, width in MORE)


class Painted(Struct, frozen=True):
    """A row ready to draw: the mark, the four flags, the rest, and what colour each wants."""

    flags: str
    code: str
    by: str
    rest: str
    late: bool
    tone: str
    """'' for a plain row, else `bad` (needs a hand), `warn` (look at it), `busy` or `gone`."""


def header(stage: Stage | None, width: int) -> str:
    """The column titles."""
    last = {
        Stage.REVIEW: _("Total"),
        Stage.PROCESSING: _("Service"),
        Stage.WAYBILL: _("Number"),
        Stage.TO_PRINT: _("Bin"),
        Stage.SHIPPED: _("Told"),
    }.get(stage or Stage.CLOSED, _("Where"))
    line = (
        f"       {fit(_('Code'), 7)} {fit(_('By'), 5, True)} {fit(_('Shop'), 8)} {fit(_('Buyer'), 10)} {fit(_('Goes to'), 11)} "
        f"{fit(_('Items'), 15)} {fit(last, 10, stage is Stage.REVIEW)}"
    )
    if width >= WIDE:
        line += "".join(" " + fit(title, wide) for title, wide in MORE)
    return fit(line, width)


def paint(line: Line, now: Instant, same_buyer: Set[int], width: int, *, everywhere: bool = False) -> Painted:
    """One row as text; `same_buyer` holds shipments that could share a box, `everywhere` is the list of all stages."""
    stage = Stage(line.stage)
    open_ = stage < Stage.SHIPPED
    name = full_name(line.first_name or "", line.last_name or "")
    # One name fits: the family's, but a Chinese name is short and whole.
    buyer = ((line.last_name or "").strip() if " " in name else name) or name or line.recipient or ""
    place = f"{line.country or ''} {line.city or '?'}".strip()
    first = f"{line.items[0][0]} {line.items[0][1]}" if line.items else "-"
    more = f" +{len(line.items) - 1}" if len(line.items) > 1 else ""
    items = clean(first, 15 - len(more)).rstrip() + more
    rest = (
        f" {clean(line.shop, 8)} {clean(buyer, 10)} {clean(place, 11)} {fit(items, 15)} "
        f"{_where(line) if everywhere else _last(line, stage, now)}"
    )
    if width >= WIDE:
        for text, wide in ((line.number, 12), (line.service or "-", 9), (line.waybill or "-", 16)):
            rest += " " + clean(text, wide)
    marks = _flags(line, stage, same_buyer)
    trouble = marks[0]
    tone = {"!": "bad", "R": "bad", "?": "warn", "C": "warn", "F": "warn", "U": "warn", "H": "dim", "~": "busy"}.get(
        trouble, ""
    )
    return Painted(
        marks,
        _code(line.id),
        fit(deadline(line.due, now) if open_ else "", 5, True),
        rest,
        open_ and line.due < now,
        tone,
    )


def _code(shipment_id: int) -> str:
    """Its code; from a million on its digits alone, which name it just as well, so that none of them is cut."""
    code = code_of(shipment_id)
    return fit(code if len(code) <= 7 else code[1:], 7)


def _total(line: Line) -> str:
    """An amount with its currency; where it is long the blank, then the decimals go, never the currency."""
    text, currency = amount(line.total_minor, line.currency), clean(line.currency, 3)
    shown = f"{text} {currency}"
    if cells(shown) > 10:
        shown = text + currency
    if cells(shown) > 10:
        shown = f"{text.partition('.')[0]} {currency}"
    return fit(shown, 10, True)


def _flags(line: Line, stage: Stage, same_buyer: Set[int]) -> str:
    return _trouble(line, stage) + _words(line) + _together(line, same_buyer) + _paper(line, stage)


def _trouble(line: Line, stage: Stage) -> str:
    flags = line.flags
    if flags & Flag.AFTER_SALE:
        return "R"
    if flags & PROBLEM or line.status == "failed":
        return "!"
    if line.hold_reason:
        return "H"
    if line.status == "unknown" or line.print_state == "unknown" or (flags & Flag.UNMATCHED and stage < Stage.SHIPPED):
        return "?"
    if flags & Flag.CHANGED:
        return "C"
    if flags & Flag.FIRST_IMPORT:
        return "F"
    if flags & Flag.UNPAID:
        return "U"
    return "~" if line.status in {"requesting", "checking", "pushing", "closing"} else " "


def _words(line: Line) -> str:
    if line.flags & Flag.NOTE_UNREAD:
        return "N"
    if line.remarks & 2:
        return "w"
    return "n" if line.remarks & 1 else " "


def _together(line: Line, same_buyer: Set[int]) -> str:
    if line.flags & Flag.MERGED:
        return "M"
    if line.flags & Flag.SPLIT:
        return "/"
    return "m" if line.id in same_buyer else " "


def _paper(line: Line, stage: Stage) -> str:
    if line.flags & Flag.LABEL_STALE:
        return "S"
    if line.status == "out_of_stock":
        return "o"
    if line.told and stage < Stage.SHIPPED:
        return "V"
    printed = {"confirmed": "P", "sent": "p", "asked": "p", "unknown": "p"}.get(line.print_state)
    return printed or ("W" if line.waybill else " ")


def _last(line: Line, stage: Stage, now: Instant) -> str:
    match stage:
        case Stage.REVIEW:
            return _total(line)
        case Stage.PROCESSING:
            if not line.service:
                return fit(_("service?"), 10)
            return fit(_("customs?"), 10) if line.status == "open" else clean(line.service, 10)
        case Stage.WAYBILL:
            return clean(_waybill(line, now), 10)
        case Stage.TO_PRINT:
            return clean(_to_print(line), 10)
        case Stage.SHIPPED:
            return fit(_told(line), 10)
        case _:
            return _where(line)


def _waybill(line: Line, now: Instant) -> str:
    if line.status == "requesting":
        asking = f"{STATUSES['requesting']} {age(now - line.changed_at)}"
        return asking if cells(asking) <= 10 else asking.replace(" ", "")
    if line.status == "obtained":
        return (line.waybill or "")[-8:]
    return reason_word(line.code) if line.status == "failed" and line.code else STATUSES[line.status]


def _to_print(line: Line) -> str:
    if line.flags & Flag.LABEL_STALE:
        return _("stale")
    if line.flags & Flag.AFTER_SALE:
        return _("refund")
    if line.flags & Flag.STOPPED:
        return _("stopped")
    if line.flags & Flag.LINES_CHANGED:
        return _("changed")
    if line.status == "checking":
        return _("checking")
    if line.status == "out_of_stock":
        return _("short")
    return line.bin or "-"


def _told(line: Line) -> str:
    if line.status == "succeeded":
        return f"{STATUSES['succeeded']} {clock_time(line.changed_at)}"
    return STATUSES[line.status]


def _where(line: Line) -> str:
    stage = Stage(line.stage)
    text = STATUSES[line.status] if stage is Stage.CLOSED else STAGES[stage]
    return fit(text, 10)
