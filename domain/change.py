"""What a decision wants done: plain data, applied in one transaction by the store."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from domain.enums import Op
from domain.facts import CustomsFacts
from domain.records import Address


class NewEffect(Struct, frozen=True):
    """An effect to queue. `key` is unique for ever; the payload holds ids, never personal data."""

    op: Op
    account: str
    key: str
    order_id: int | None = None
    waybill_id: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    delay_ms: int = 0
    for_new_waybill: bool = False


class NewWaybill(Struct, frozen=True):
    """A new generation of a waybill, to be requested."""

    generation: int
    carrier_id: int
    service_id: int
    reference: str
    address_print: str
    lines_print: str


class Change(Struct, frozen=True):
    """Everything one decision changes about one shipment. `set` names columns of `shipment`."""

    set: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    effects: tuple[NewEffect, ...] = ()
    withdraw: frozenset[Op] = frozenset()
    """Queued effects of these kinds are withdrawn."""
    waybills: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    new_waybill: NewWaybill | None = None
    allocate: Mapping[int, int] = field(default_factory=dict)
    release: bool = False
    deduct: bool = False
    give_back: bool = False
    submissions: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    customs: Mapping[int, CustomsFacts] = field(default_factory=dict)
    address: Address | None = None
    note: str | None = None
    notes_read: bool = False
    lines: Mapping[int, int] = field(default_factory=dict)
    """New quantity per order line of this shipment; 0 removes the line."""
    split_off: tuple[Mapping[int, int], ...] = ()
    """Shipments to make beside this one, in the same stage, each with its quantities."""
    split_to_review: bool = False
