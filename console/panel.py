"""The detail panel: one shipment, what matters first — notes, then trouble, address, lines, waybill, submissions, history."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from console.actions import ALL, forward_of, key_name
from console.cells import cells, clean, fit, wrap
from console.widgets.lines import Styled
from console.wording import (
    ADDRESS,
    FLAGS,
    MENDS,
    PRINTED,
    STAGES,
    STATUSES,
    SUBMISSIONS,
    WAYBILLS,
    event_detail,
    event_text,
    listed,
    moment,
    remaining,
)
from domain.clock import Instant, from_datetime
from domain.enums import Flag, Stage
from domain.masking import masked_phone
from domain.text import safe
from domain.words import _


def _at(text: str | None) -> Instant | None:
    from datetime import datetime

    return from_datetime(datetime.fromisoformat(text)) if text else None


def masked(phone: str) -> str:
    """A phone number as it may stand on a screen others can see: its ends."""
    return masked_phone(safe(phone, 40))


def detail_lines(
    one: Mapping[str, Any],
    *,
    width: int,
    now: Instant,
    free: Mapping[int, int],
    mates: Sequence[str] = (),
    sublist: str = "all",
    plain: bool = False,
) -> list[Styled]:
    """`store.views.detail` as lines of at most `width` cells.

    `mates` are codes that could share its box; `plain`: the calls of its shop travel unencrypted.
    """
    inner = width - 2
    stage = Stage[one["stage"].upper()]
    status = STATUSES.get(one["status"], one["status"])
    lines: list[Styled] = []

    def add(text: str, style: str = "text", indent: int = 0) -> None:
        for part in wrap(text, inner - indent):
            lines.append(((" " + " " * indent + part, style),))

    title = f"{one['code']}  {STAGES[stage].lower()} / {status}"
    lines.append(((" " + fit(title, inner), "title"),))
    paid = next((o["paid_at"] for o in one["source_orders"] if o["paid_at"]), None)
    add(f"{safe(one['shop'])} #{safe(one['order_number'])}   {one['total']} {one['currency']}")
    if plain:
        add(_("! unencrypted: plain HTTP is allowed for this shop"), "bad")
    due = _at(one["ship_by"])
    parts = [_("paid {time}").format(time=moment(_at(paid) or now, now))] if paid else []
    if due is not None and stage < Stage.SHIPPED:
        left = remaining(due, now)
        text = _("ship by {time}") if left == moment(due, now) else _("ship by {time} - {left}")
        parts.append(text.format(time=moment(due, now), left=left))
    if parts:
        add("   ".join(parts), "bad" if due is not None and due < now and stage < Stage.SHIPPED else "dim")
    lines.append(())
    _trouble(add, one, stage)
    _notes(add, one)
    _address(add, one, mates)
    _goods(add, lines, one, free, inner)
    _waybills(add, one, stage)
    _told(add, one, stage)
    _can(add, one, stage, sublist)
    lines.append(())
    _history(add, one, now)
    return lines


def _trouble(add: Any, one: Mapping[str, Any], stage: Stage) -> None:
    if one["reason"]:
        add(f"! {safe(one['message'] or one['reason'], 300)}", "bad")
        if mend := MENDS.get(one["reason"]):
            add(mend, "warn", 2)
    for name in one["flags"]:
        flag = Flag[name.upper()]
        if flag in FLAGS:
            warn = flag in {Flag.UNMATCHED, Flag.CHANGED, Flag.KEPT, Flag.FIRST_IMPORT}
            add(f"{'?' if warn else '!'} {FLAGS[flag]}", "warn" if warn else "bad")
    if one["held"]:
        add(_("H on hold: {reason}").format(reason=safe(one["held"])), "warn")
    if one["status"] == "out_of_stock":
        add(_("o out of stock: 8 shows what is missing, n takes it when it is there"), "warn")


def _notes(add: Any, one: Mapping[str, Any]) -> None:
    unread = "note_unread" in one["flags"]
    for note in one["notes"]:
        text = safe(note["text"], 1000)
        if note["kind"] == "buyer":
            head = _("N NOTE (unread, Enter = read)") if unread else _("n note, read")
            add(head, "mark" if unread else "dim")
            add(f'"{text}"', "bold" if unread else "text", 2)
        elif note["kind"] == "ours":
            add(_("w ours: {text}").format(text=text), "busy")
        elif note["kind"] == "seller":
            add(_("seller: {text}").format(text=text), "text")
        else:
            add(text, "dim")


def _address(add: Any, one: Mapping[str, Any], mates: Sequence[str]) -> None:
    a = one["address"]
    if not a:
        add(_("no address"), "bad")
        return
    add("")
    name = safe(a["name"] or one["buyer"])
    add(f"{name}   {masked(a['phone'] or '')}".rstrip(), "bold")
    if a["company"]:
        add(safe(a["company"]))
    street = ", ".join(safe(a[k]) for k in ("line1", "line2") if a[k])
    place = " ".join(safe(a[k]) for k in ("postcode", "city") if a[k])
    add(", ".join(p for p in (street, place, safe(a["state"] or ""), safe(a["country"])) if p))
    missing = [k for k in ("name", "line1", "city", "country") if not a[k]]
    if missing:
        add(_("! missing: {fields}   e: correct it").format(fields=listed(ADDRESS[m] for m in missing)), "bad")
    if a["source"] == "ours":
        add(_("corrected here; e shows the platform's beside it"), "dim")
    if mates:
        add(_("m same buyer, same address: {codes}").format(codes=listed(mates)), "busy")


def _goods(add: Any, lines: list[Styled], one: Mapping[str, Any], free: Mapping[int, int], inner: int) -> None:
    add("")
    for line in one["lines"]:
        known = free.get(line["order_line_id"])
        tail = _("free {n}").format(n=known) if known is not None else ("" if line["matched"] else _("unmatched"))
        short = known is not None and known < line["quantity"]
        sku = clean(line["sku"] or "-", 10)
        room = inner - 15 - cells(tail) - 1
        text = f" {line['quantity']:>3} {sku} {clean(line['name'], max(4, room))} "
        lines.append(((text, "text"), (tail, "bad" if short or not line["matched"] else "dim")))
    service = f"{safe(one['carrier'])}/{safe(one['service'])}" if one["service"] else "-"
    add(_("service {service}   {printed}").format(service=service, printed=PRINTED[one["printed"]]), "dim")


def _waybills(add: Any, one: Mapping[str, Any], stage: Stage) -> None:
    for w in one["waybills"]:
        live = w["state"] in {"requesting", "waiting", "obtained", "unknown"}
        text = f"{safe(w['number'] or w['reference'])}  {WAYBILLS[w['state']]}"
        if w["reason"] and w["state"] in {"failed", "unknown"}:
            text += f": {safe(w['reason'], 200)}"
        add(f"W {text}" if live else f"  {text}", "text" if live else "dim")


def _told(add: Any, one: Mapping[str, Any], stage: Stage) -> None:
    for order in one["source_orders"]:
        if order["submission"] == "none" and stage < Stage.SHIPPED and len(one["source_orders"]) == 1:
            continue
        bad = order["submission"] in {"failed", "unknown"}
        text = f"#{safe(order['number'])} {SUBMISSIONS[order['submission']]}"
        if order["told"]:
            text += f" {safe(order['told'])}"
        if order["submission_reason"]:
            text += f": {safe(order['submission_reason'], 300)}"
        add(text, "bad" if bad else "dim")


def _can(add: Any, one: Mapping[str, Any], stage: Stage, sublist: str) -> None:
    if stage is Stage.CLOSED:
        return
    forward = ALL[forward_of(stage, sublist, one["status"])]
    # A key and its word stay together: no break between them.
    can = [f"n\u00a0{forward.title.lower()}".replace(" ", "\u00a0")]
    for action in ALL.values():
        if action.command and action.keys and stage in action.acts_in and action.name != forward.name:
            can.append(f"{key_name(action.keys[0])} {action.title.lower()}".replace(" ", "\u00a0"))
    add("")
    add(_("can: {keys}").format(keys="  ".join(can[:6])), "dim")
    if stage is Stage.REVIEW:
        add(_("not: p print - there is no waybill yet"), "dim")


def _history(add: Any, one: Mapping[str, Any], now: Instant) -> None:
    for event in reversed(one["events"]):
        at = _at(event["at"]) or now
        data = json.loads(event["data"] or "{}")
        who = safe(event["who"] or _("worker"), 20)
        more = event_detail(data)
        batch = f" {safe(event['batch'])}" if event["batch"] else ""
        add(f"{moment(at, now)} {event_text(event['kind'])} ({who}{batch}){': ' + more if more else ''}", "dim")
