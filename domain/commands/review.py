"""Decisions of the review: approve; and the marks a person sets on a shipment: hold, note, flag, address."""

from typing import Any

import msgspec

from domain import guards
from domain.change import Change
from domain.commands.context import Arguments, Context, Decision, before_shipped, moved_to, one_event
from domain.enums import Flag, Stage, Status
from domain.facts import ServiceFacts, ShipmentFacts
from domain.guards import first
from domain.records import Address
from domain.results import Refused
from domain.words import _


def approve(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """T2, T18: review → processing."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.REVIEW),
        guards.payable(f),
        guards.not_stopped(f),
        guards.not_held(f),
        after_sale(f),
        guards.one_place(f),
        _cut_over(f, x),
        _matched(f),
        _sender(f),
        _note_read(f),
    )
    if refused:
        return refused
    return Change(
        set=moved_to(Stage.PROCESSING, readiness(f, f.service), code="", reason=""), events=one_event("approved")
    )


def after_sale(f: ShipmentFacts) -> Refused | None:
    """No open after-sale case of the buyer."""
    if Flag.AFTER_SALE in f.flags:
        return Refused("after_sale", _("The buyer has an open after-sale case."))
    return None


def _cut_over(f: ShipmentFacts, x: Context) -> Refused | None:
    if Flag.FIRST_IMPORT in f.flags and not x.explicit:
        return Refused(
            "first_import",
            _("Imported with the shop's first sync: say first whether these still are to be shipped (shop cut-over)."),
        )
    return None


def _matched(f: ShipmentFacts) -> Refused | None:
    if f.shop.settings.require_matched:
        for line in f.lines:
            if not line.matched:
                return Refused("unmatched", _("{line} has no product of ours.").format(line=line.sku or line.name))
    return None


def _sender(f: ShipmentFacts) -> Refused | None:
    s = f.shop.settings
    if s.semi_managed:
        for name in ("sender_name", "sender_address"):
            if not getattr(s, name):
                return Refused("sender_missing", _("Semi-managed shop: {field} is not set.").format(field=name), name)
    return None


def _note_read(f: ShipmentFacts) -> Refused | None:
    if f.shop.settings.note_gate and Flag.NOTE_UNREAD in f.flags:
        return Refused("note_unread", _("The buyer left a note nobody has read."))
    return None


def readiness(f: ShipmentFacts, service: ServiceFacts | None) -> Status:
    """*ready* when a service is chosen and the customs declaration, where needed, is complete."""
    if service is None or guards.service_fits(f, service) or guards.customs_complete(f, service):
        return Status.OPEN
    return Status.READY


def hold(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """Put aside with a reason; queued effects wait."""
    refused = first(guards.bound(f), before_shipped(f))
    if refused:
        return refused
    reason = str(a.get("reason", "")).strip() or _("no reason given")
    return Change(set={"hold_reason": reason}, events=one_event("held"))


def release(f: ShipmentFacts, _a: Arguments, _x: Context) -> Decision:
    """Take back from hold."""
    refused = first(guards.bound(f), before_shipped(f))
    if refused:
        return refused
    if not f.held:
        return Refused("not_held", _("It is not held."))
    return Change(set={"hold_reason": ""}, events=one_event("released"))


def note(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """Our own remark; `read` marks the buyer's note as read."""
    if refused := guards.bound(f):
        return refused
    if a.get("read"):
        if Flag.NOTE_UNREAD not in f.flags:
            return Refused("nothing_unread", _("There is no unread note."))
        return Change(set={"flags": int(f.flags & ~Flag.NOTE_UNREAD)}, notes_read=True, events=one_event("note_read"))
    return Change(note=str(a.get("text", "")), events=one_event("remark_written"))


def flag(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """A colour from 1 to 10, 0 = none."""
    colour = int(a.get("colour", 0))
    if not 0 <= colour <= 10:
        return Refused("bad_colour", _("A flag is a number from 0 (none) to 10."), "colour")
    if refused := guards.bound(f):
        return refused
    return Change(set={"mark": colour}, events=one_event("flagged", colour=colour))


def edit_address(f: ShipmentFacts, a: Arguments, _x: Context) -> Decision:
    """An overlay on this shipment; the platform's version is kept beside it."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.REVIEW, Stage.PROCESSING, Stage.WAYBILL),
        guards.in_status(f, {Status.FAILED}) if f.stage is Stage.WAYBILL else None,
    )
    if refused:
        return refused
    if not f.shop.capabilities.edit_address:
        return Refused("address_locked", _("The platform does not allow another address."))
    fields: dict[str, str] = {k: str(v) for k, v in a.items() if k in Address.__struct_fields__}
    if "country" in fields:
        fields["country"] = fields["country"].upper()
    address = msgspec.structs.replace(f.address, **fields)
    if address == f.address:
        return Refused("unchanged", _("The address is the same as before."))
    after = msgspec.structs.replace(f, address=address)
    moved: dict[str, Any] = {"status": readiness(after, f.service).value} if f.stage is Stage.PROCESSING else {}
    if Flag.LABEL_STALE in f.flags:
        moved["flags"] = int(f.flags & ~Flag.LABEL_STALE)
    return Change(address=address, set=moved, events=one_event("address_edited", fields=sorted(fields)))
