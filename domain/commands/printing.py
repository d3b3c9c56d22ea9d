"""Decisions of the stage *to print*: hand over, allocate stock, ask for the label on paper."""

import msgspec

from domain import guards
from domain.change import Change
from domain.commands.context import Arguments, Context, Decision, moved_to, one_event
from domain.commands.waybill import sendable
from domain.enums import OrderKind, PrintState, Stage, Status
from domain.facts import ShipmentFacts
from domain.guards import first
from domain.results import Refused
from domain.words import _


def hand_over(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """Pickup, same-city, or a service without numbers: on to print, with a slip in place of a label."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.PROCESSING),
        sendable(f),
        guards.not_held(f),
    )
    if refused:
        return refused
    collected = all(o.kind in {OrderKind.PICKUP, OrderKind.SAME_CITY} for o in f.orders)
    if not collected and not (f.service and not f.service.service.has_number):
        return Refused("needs_waybill", _("This parcel needs a waybill."))
    return msgspec.structs.replace(allocated(f, x), events=one_event("handed_to_print"))


def to_print(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """T8: allocate and go on to print, in stock or out of stock."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.WAYBILL),
        guards.in_status(f, {Status.OBTAINED}),
        guards.not_held(f),
    )
    return refused or allocated(f, x)


def allocated(f: ShipmentFacts, x: Context) -> Change:
    """Put it to print: pieces taken from `x.stock` when all are free (*in stock*), none otherwise (*out of stock*)."""
    short = shortage(f, x)
    if short:
        return Change(
            set=moved_to(Stage.TO_PRINT, Status.OUT_OF_STOCK, code="short", reason=short),
            events=one_event("out_of_stock"),
        )
    return Change(
        set=moved_to(Stage.TO_PRINT, Status.IN_STOCK, code="", reason=""),
        allocate=_take(f, x),
        events=one_event("allocated"),
    )


def shortage(f: ShipmentFacts, x: Context) -> str:
    """What is missing to allocate the whole shipment, in words; '' when everything is free now."""
    for variant, wanted in f.wants.items():
        free = x.stock.get((variant, f.warehouse_id), 0)
        if free < wanted:
            sku = next((ln.sku for ln in f.lines if any(v == variant for v, _n in ln.needs)), "")
            return _("{sku}: {free} free, {wanted} wanted").format(sku=sku or variant, free=max(0, free), wanted=wanted)
    return ""


def _take(f: ShipmentFacts, x: Context) -> dict[int, int]:
    wants = f.wants
    for variant, wanted in wants.items():
        x.stock[variant, f.warehouse_id] = x.stock.get((variant, f.warehouse_id), 0) - wanted
    return wants


def in_stock(f: ShipmentFacts, _a: Arguments, x: Context) -> Decision:
    """T10: out of stock → in stock, when every line is free now."""
    refused = first(
        guards.bound(f),
        guards.in_stage(f, Stage.TO_PRINT),
        guards.in_status(f, {Status.OUT_OF_STOCK}),
        guards.not_held(f),
    )
    if refused:
        return refused
    if short := shortage(f, x):
        return Refused("short", short)
    return allocated(f, x)


def print_label(f: ShipmentFacts, a: Arguments, x: Context) -> Decision:
    """Ask for the label (or slip) on paper; the job itself is queued per batch."""
    reprint = str(a.get("reprint", ""))
    stages = (Stage.TO_PRINT, Stage.SHIPPED) if reprint else (Stage.TO_PRINT,)
    refused = first(guards.bound(f), guards.in_stage(f, *stages), guards.not_held(f), guards.unblocked(f))
    if refused:
        return refused
    if f.status is Status.OUT_OF_STOCK:
        return Refused("out_of_stock", _("It is out of stock."))
    if f.status is Status.CHECKING:
        return Refused("effect_running", _("It is being checked for shipping."))
    if f.print_state is PrintState.ASKED:
        return Refused("print_asked", _("It is already in a print job."))
    if f.print_state is not PrintState.NONE and not reprint:
        return Refused("already_printed", _("It was printed before: reprint it with a reason."))
    if f.waybill is not None and not f.waybill.has_label:
        return Refused("no_label", _("The carrier has not delivered the label yet."))
    if not x.printer_id:
        return Refused("no_printer", _("No printer is set up: shipdeck printer add folder …"))
    event = one_event("reprint_asked", reason=reprint) if reprint else one_event("print_asked")
    return Change(set={"print_state": PrintState.ASKED.value}, events=event)
