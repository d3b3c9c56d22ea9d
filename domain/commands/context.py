"""What a decision is given and what it answers, and the few words all of them share."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field

from domain import guards
from domain.change import Change
from domain.clock import Instant
from domain.enums import Stage, Status
from domain.facts import ServiceFacts, ShipmentFacts
from domain.results import Refused

Decision = Change | Refused


class Context(Struct):
    """What a decision may use beside the shipment itself."""

    now: Instant
    who: str
    install: str
    """A few characters that make our references unique among all databases of this seller."""
    earlier: tuple[tuple[int, str], ...] = ()
    """(last shipment id, install code) of what this database was restored from: a shipment keeps its references."""
    stock: dict[tuple[int, int], int] = field(default_factory=dict)
    """(variant, warehouse) → free pieces; decisions of one transaction take from it in turn."""
    services: Mapping[int, ServiceFacts] = field(default_factory=dict)
    grace_ms: int = 0
    explicit: bool = True
    """The person named this very shipment (not everything that matches)."""
    checked: bool = False
    """A live read of the orders has just come back clean (ship)."""
    unchecked: bool = False
    """The platform could not be read; the shop allows to ship all the same."""
    silent: frozenset[int] = frozenset()
    """Shops that have not answered for a while and are left alone: nobody asks them before each parcel anew."""
    printer_id: int = 0

    def code_for(self, shipment_id: int) -> str:
        """The install code of a shipment's references: the one that held when it was made."""
        return next((code for last, code in self.earlier if shipment_id <= last), self.install)


Arguments = Mapping[str, Any]
Decide = Callable[[ShipmentFacts, Arguments, Context], Decision]


def one_event(kind: str, **data: Any) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """`Change.events` holding the one event `kind` with its data."""
    return ((kind, data),)


def moved_to(stage: Stage, status: Status, **more: Any) -> dict[str, Any]:
    """`Change.set` for a move to that stage and status, with whatever else changes by it."""
    return {"stage": int(stage), "status": status.value, **more}


def before_shipped(f: ShipmentFacts) -> Refused | None:
    """It is in a stage before *shipped*."""
    return guards.in_stage(f, Stage.REVIEW, Stage.PROCESSING, Stage.WAYBILL, Stage.TO_PRINT)
