"""How the console says things: ages and deadlines, stages and statuses, reasons with the key that mends them, events."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from domain.clock import DAY, HOUR, MINUTE, SECOND, Instant
from domain.enums import Flag, Stage
from domain.text import safe
from domain.words import _
from store.queue import NO_DEADLINE

STAGES: dict[Stage, str] = {
    Stage.REVIEW: _("Review"),
    Stage.PROCESSING: _("Processing"),
    Stage.WAYBILL: _("Waybill"),
    Stage.TO_PRINT: _("To print"),
    Stage.SHIPPED: _("Shipped"),
    Stage.CLOSED: _("Closed"),
}
SHORT_STAGES: dict[Stage, str] = {
    Stage.REVIEW: _("Rev"),
    Stage.PROCESSING: _("Proc"),
    Stage.WAYBILL: _("Wayb"),
    Stage.TO_PRINT: _("Print"),
    Stage.SHIPPED: _("Ship"),
}
SUBLISTS: dict[Stage, tuple[tuple[str, str], ...]] = {
    Stage.REVIEW: (
        ("all", _("all")),
        ("ready_to_approve", _("ready")),
        ("notes", _("notes")),
        ("same_buyer", _("same buyer")),
        ("problems", _("problems")),
        ("unmatched", _("unmatched")),
        ("held", _("held")),
        ("first_import", _("first import")),
    ),
    Stage.PROCESSING: (
        ("all", _("all")),
        ("ready", _("all set")),
        ("no_service", _("no service")),
        ("customs", _("customs open")),
        ("problems", _("problems")),
        ("held", _("held")),
    ),
    Stage.WAYBILL: (
        ("all", _("all")),
        ("asking", _("asking")),
        ("waiting", _("number later")),
        ("failed", _("failed")),
        ("unknown", _("unknown")),
        ("obtained", _("obtained")),
        ("held", _("held")),
    ),
    Stage.TO_PRINT: (
        ("in_stock", _("in stock")),
        ("out_of_stock", _("out of stock")),
        ("printed", _("printed")),
        ("print_unknown", _("print unconfirmed")),
        ("problems", _("problems")),
        ("held", _("held")),
    ),
    Stage.SHIPPED: (
        ("all", _("all")),
        ("to_collect", _("to collect")),
        ("pushing", _("pushing")),
        ("failed", _("failed")),
        ("unknown", _("unknown")),
        ("pull", _("pull out")),
        ("collected", _("collected")),
    ),
}
"""The sub-lists of each stage, in the order of Left and Right; the first is the one a digit opens."""

STATUSES: dict[str, str] = {
    "open": _("open"),
    "ready": _("all set"),
    "requesting": _("asking"),
    "waiting": _("waits"),
    "obtained": _("obtained"),
    "failed": _("failed"),
    "unknown": _("unknown"),
    "closing": _("closing"),
    "in_stock": _("in stock"),
    "out_of_stock": _("out of stock"),
    "checking": _("checking"),
    "pushing": _("pushing"),
    "succeeded": _("ok"),
    "ignored": _("ignored"),
    "outside": _("outside"),
    "elsewhere": _("elsewhere"),
    "cancelled": _("cancelled"),
    "refunded": _("refunded"),
    "merged": _("merged"),
    "empty": _("empty"),
    "discarded": _("discarded"),
}
STATES: dict[str, str] = {
    "queued": _("waits"),
    "running": _("at work"),
    "done": _("ended"),
    "cancelled": _("cancelled"),
}
"""The states of a batch."""
SUBMISSIONS: dict[str, str] = {
    "none": _("not told yet"),
    "tracking_sent": _("number sent"),
    "done": _("told"),
    "failed": _("refused"),
    "unknown": _("unknown"),
}
WAYBILLS: dict[str, str] = {
    "requesting": _("asking"),
    "waiting": _("number comes later"),
    "obtained": _("obtained"),
    "unknown": _("unknown"),
    "failed": _("failed"),
    "voiding": _("to void"),
    "void": _("void"),
    "abandoned": _("abandoned"),
}
PRINTED: dict[str, str] = {
    "none": _("not printed"),
    "asked": _("asked for"),
    "sent": _("sent, not confirmed"),
    "confirmed": _("printed"),
    "unknown": _("nobody knows"),
}
FLAGS: dict[Flag, str] = {
    Flag.AFTER_SALE: _("the buyer opened an after-sale case"),
    Flag.LINES_CHANGED: _("the quantities changed after the label was made"),
    Flag.LABEL_STALE: _("the address changed after the label was made"),
    Flag.CHANGED: _("the platform changed the order"),
    Flag.PULL: _("printed, then cancelled: pull the parcel out"),
    Flag.FIRST_IMPORT: _("open before the shop was bound: waits for the cut-over"),
    Flag.TOLD_NOT_SENT: _("told shipped, not sent"),
    Flag.STOPPED: _("cancelled or refunded on the platform"),
    Flag.UNMATCHED: _("a line has no product of ours"),
    Flag.UNPAID: _("not payable yet"),
    Flag.ELSEWHERE: _("the platform shows another number than ours"),
    Flag.KEPT: _("kept as it is although the order changed"),
}
MENDS: dict[str, str] = {
    "note_unread": _("Enter twice: read it"),
    "address_incomplete": _("e: correct the address"),
    "house_number_missing": _("e: correct the address"),
    "address_rejected": _("e: correct the address"),
    "no_service": _("s: choose a service"),
    "unknown_service": _("s: choose a service"),
    "country_not_served": _("s: choose another service"),
    "no_cod": _("s: choose another service"),
    "cod_not_offered": _("s: choose another service"),
    "customs_missing": _("c: fill in customs"),
    "held": _("h: release it"),
    "not_printed": _("p: print it"),
    "already_printed": _("p: print again, with a reason"),
    "short": _("8: stock"),
    "out_of_stock": _("8: stock, then n"),
    "label_stale": _("n on the waybill stage, or F2: keep the label"),
    "lines_changed": _("F2: new waybill, or keep the label"),
    "first_import": _("n on the row: name the cut-over"),
    "unmatched": _("9: read the shop's products"),
    "pool_empty": _("9: import numbers"),
    "no_printer": _("9: set up a printer"),
    "sender_missing": _("9: settings of the shop"),
    "carrier_unchecked": _("9: check the carrier"),
    "shop_unbound": _("9: bind the shop again"),
    "changed_since": _("look at it again, then mark it"),
    "has_waybill": _("F2: void the number first"),
    "nothing_failed": _("nothing to do"),
    "asks_close_refund": _("F2: ship and close refunds"),
    "viewer_only": _("O: another person"),
    "unknown_operator": _("O: another person"),
}
"""Reason code → the key that mends it."""

EVENTS: dict[str, str] = {
    "imported": _("imported"),
    "imported_closed": _("imported, closed already"),
    "imported_shipped": _("imported, shipped already"),
    "imported_virtual": _("imported, nothing to send"),
    "shipment_added": _("shipment added"),
    "approved": _("approved"),
    "held": _("put on hold"),
    "released": _("released"),
    "note_read": _("the buyer's note was read"),
    "remark_written": _("remark written"),
    "flagged": _("flagged"),
    "address_edited": _("address corrected"),
    "address_taken_over": _("address changed on the platform"),
    "service_assigned": _("service chosen"),
    "customs_declared": _("customs filled in"),
    "waybill_requested": _("waybill requested"),
    "waybill_accepted": _("the carrier sends the number later"),
    "waybill_asked_again": _("waybill asked for again"),
    "waybill_obtained": _("waybill obtained"),
    "waybill_refused": _("the carrier refused"),
    "waybill_unknown": _("no answer from the carrier; it is looked up"),
    "waybill_abandoned": _("number abandoned"),
    "waybill_void": _("number void"),
    "void_requested": _("void requested"),
    "void_refused": _("the carrier refused the void"),
    "allocated": _("stock allocated"),
    "allocation_lost": _("its stock was lost to a count"),
    "out_of_stock": _("out of stock"),
    "handed_to_print": _("moved to print without a number"),
    "print_asked": _("print asked for"),
    "reprint_asked": _("print asked for again"),
    "printed": _("printed"),
    "print_refused": _("the printer refused"),
    "print_unknown": _("nobody knows whether it was printed"),
    "ship_checking": _("read live before shipping"),
    "ship_refused": _("shipping refused after the live check"),
    "shipped": _("shipped"),
    "shipped_elsewhere": _("shipped elsewhere"),
    "shipped_since_backup": _("shipped after the backup this database was restored from"),
    "goods_short": _("not enough goods to deduct: count them"),
    "restored": _("database restored"),
    "push_queued": _("the platform will be told"),
    "pushed": _("the platform was told"),
    "tracking_sent": _("the platform has the number"),
    "push_refused": _("the platform refused"),
    "push_unknown": _("no answer from the platform; it is read back"),
    "push_not_found": _("the platform shows nothing; it is told again"),
    "pushed_in_part": _("told in part; the rest is sent again"),
    "push_ignored": _("notice cleared"),
    "recalled": _("recalled"),
    "collected": _("collected by the courier"),
    "sent_back": _("sent back"),
    "closed": _("closed"),
    "closing": _("closing"),
    "kept": _("kept as it is"),
    "split": _("split"),
    "merged": _("merged"),
    "merged_into": _("merged into another"),
    "unmerged": _("unmerged"),
    "order_taken_out": _("an order was taken out"),
    "undone": _("undone"),
    "shop_unbound": _("shop unbound"),
    "cut_over_ship_these": _("cut-over: to be shipped"),
    "cut_over_already_left": _("cut-over: had already left"),
    "lines_lowered": _("pieces taken off by the platform"),
    "order_stopped": _("cancelled or refunded on the platform"),
    "order_reopened": _("open again on the platform"),
    "stopped_after_shipping": _("cancelled or refunded after shipping"),
    "changed_after_shipping": _("changed on the platform after shipping"),
    "after_sale_opened": _("after-sale case opened"),
    "after_sale_withdrawn": _("after-sale case withdrawn"),
    "difference_found": _("not as the platform lists it"),
    "difference_repaired": _("found by the proof of its day and put right"),
}


ADDRESS: dict[str, str] = {
    "name": _("Recipient"),
    "company": _("Company"),
    "line1": _("Street, house number"),
    "line2": _("Second line"),
    "city": _("City"),
    "state": _("State, province"),
    "postcode": _("Postcode"),
    "country": _("Country (two letters)"),
    "phone": _("Phone"),
    "email": _("E-mail"),
}
"""The fields of an address as people call them."""
REASONS: dict[str, str] = {
    "missing": _("on the platform, not here"),
    "not_listed": _("here, no longer on the platform"),
    "order_hidden": _("hidden by the platform"),
    "note_unread": _("unread notes"),
    "address_incomplete": _("address"),
    "city_missing": _("address"),
    "name_missing": _("address"),
    "postcode_missing": _("address"),
    "country_not_served": _("country"),
    "missing_glyph": _("letters"),
    "pool_empty": _("no numbers"),
    "rejected": _("rejected"),
    "abandoned": _("abandoned"),
    "too_long": _("too long"),
    "unknown_service": _("service"),
    "unreachable": _("unreachable"),
    "timeout": _("no answer"),
    "unauthorised": _("key refused"),
    "wrong_key": _("key refused"),
    "forbidden": _("key refused"),
    "key_missing": _("key file missing"),
    "house_number_missing": _("address"),
    "after_sale": _("refund"),
    "held": _("held"),
    "unpaid": _("unpaid"),
    "order_on_hold": _("held by the platform"),
    "first_import": _("first import"),
    "unmatched": _("unmatched"),
    "no_service": _("no service"),
    "customs_missing": _("customs"),
    "not_printed": _("not printed"),
    "already_printed": _("printed already"),
    "print_asked": _("being printed"),
    "short": _("short"),
    "out_of_stock": _("out of stock"),
    "label_stale": _("label stale"),
    "lines_changed": _("changed"),
    "stopped": _("stopped"),
    "order_cancelled": _("cancelled"),
    "order_refunded": _("refunded"),
    "changed_since": _("changed meanwhile"),
    "wrong_stage": _("another stage"),
    "wrong_status": _("another status"),
    "has_waybill": _("has a number"),
    "shop_unbound": _("shop unbound"),
    "shipped_elsewhere": _("shipped elsewhere"),
    "check_failed": _("not checked"),
    "viewer_only": _("may only look"),
    "no_permission": _("others work there"),
    "unconfirmed": _("unconfirmed"),
    "not_undoable": _("no undo for it"),
    "already_sent": _("sent already"),
    "printed": _("on paper"),
    "was_refused": _("had stayed"),
    "nothing_to_merge": _("nothing to merge with"),
    "other_address": _("another address"),
    "other_shop": _("another shop"),
    "other_stage": _("another stage"),
    "other_payment": _("paid otherwise"),
    "other_currency": _("another currency"),
    "no_pickup_point": _("pick-up point missing"),
    "no_waybill": _("no number"),
    "needs_waybill": _("needs a number"),
    "void_pending": _("old number not void"),
    "effect_running": _("being done"),
    "nothing_changed": _("nothing changed"),
    "nothing_left": _("nothing left"),
    "not_merged": _("one order only"),
    "collected": _("collected"),
    "own_error": _("defect"),
    "conflict": _("conflict"),
}
"""Reason code → the word or two that stand in a batch's line; the sentence stands with the row."""


def reason_word(code: str) -> str:
    """A reason in a word or two; its code where there is none."""
    return REASONS.get(code) or safe(code, 40)


def listed(words: Iterable[str]) -> str:
    """Words one after the other, as the language separates them."""
    text = ""
    for word in words:
        text = _("{one}, {other}").format(one=text, other=word) if text else word
    return text


def counted(reasons: Iterable[tuple[str, int]]) -> str:
    """`9 unread notes, 3 address`: how many stayed, and for what."""
    return listed(_("{n} {reason}").format(n=n, reason=reason_word(code)) for code, n in reasons)


def event_text(kind: str) -> str:
    """An event in words; its own kind where there are none yet."""
    return EVENTS.get(kind) or safe(kind.replace("_", " "))


def count(n: int) -> str:
    """A count of the top lines: 9999, then 12k."""
    return str(n) if n < 10_000 else f"{n // 1000}k"


def age(ms: int) -> str:
    """How long ago, shortly: 12s, 41m, 3h, 5d."""
    if ms < MINUTE:
        return _("{n}s").format(n=max(0, ms) // SECOND)
    if ms < 2 * HOUR:
        return _("{n}m").format(n=ms // MINUTE)
    if ms < 2 * DAY:
        return _("{n}h").format(n=ms // HOUR)
    return _("{n}d").format(n=ms // DAY)


def countdown(ms: int) -> str:
    """Minutes and seconds that are left: 0:22."""
    left = max(0, -(-ms // SECOND))
    return f"{left // 60}:{left % 60:02d}"


_DAYS = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))


def weekday(at: Instant) -> str:
    """The day of the week in the terminal's zone."""
    return _DAYS[time.localtime(at / 1000).tm_wday]


def clock_time(at: Instant) -> str:
    """Hours and minutes in the terminal's zone."""
    return time.strftime("%H:%M", time.localtime(at / 1000))


def moment(at: Instant, now: Instant) -> str:
    """A past moment: hours and minutes today, else the day too."""
    then, today = time.localtime(at / 1000), time.localtime(now / 1000)
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%m-%d %H:%M", then)


def deadline(due: Instant, now: Instant) -> str:
    """A deadline in five cells: -2h10 overdue, 15:00 today, Mon within six days, 12-03 later; blank for none."""
    if due >= NO_DEADLINE:
        return ""
    late = now - due
    if late > 0:
        if late < 10 * HOUR:
            return f"-{late // HOUR}h{late % HOUR // MINUTE:02d}"
        return f"-{late // HOUR}h" if late < 100 * HOUR else f"-{min(late // DAY, 999)}d"
    then, today = time.localtime(due / 1000), time.localtime(now / 1000)
    if then[:3] == today[:3]:
        return time.strftime("%H:%M", then)
    return weekday(due) if due - now < 6 * DAY else time.strftime("%m-%d", then)


def remaining(due: Instant, now: Instant) -> str:
    """A deadline in words for the panel."""
    if due >= NO_DEADLINE:
        return _("no deadline")
    left = due - now
    if left < 0:
        return _("late by {age}").format(age=age(-left))
    return _("in {age}").format(age=age(left)) if left < DAY else moment(due, now)


def reason_words(code: str, message: str) -> str:
    """A refusal for one line: its sentence, else its code."""
    return safe(message or code, 300)


def batch_words(command: str) -> str:
    """A command's title as the batch line names it."""
    from console.actions import BY_NAME

    action = BY_NAME.get(command)
    return action.title.lower() if action else {"undo": _("undo")}.get(command, command)


def event_detail(data: Mapping[str, Any]) -> str:
    """The little that an event says beside its kind; names of personal fields, never their values."""
    shown = []
    for name in ("number", "numbers", "fields", "to", "code", "status", "service", "from", "colour", "pieces"):
        value = data.get(name)
        if value in (None, "", [], {}):
            continue
        if name == "code":
            shown.append(reason_word(str(value)))
        elif name == "status":
            shown.append(STATUSES.get(str(value), safe(value, 40)))
        elif name == "fields" and isinstance(value, list):
            shown.append(listed(ADDRESS.get(str(field), safe(field, 40)) for field in value))
        else:
            shown.append(safe(listed(map(str, value)) if isinstance(value, list) else value, 60))
    return " ".join(shown)
