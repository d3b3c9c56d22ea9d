"""How a stage is worked off: what is due first, and what needs a hand. Shared by the tables and by what reads them.

The indexes of `shipment` are written with the same expressions: a query that spells them otherwise sorts or scans.
"""

from domain.enums import Flag

NO_DEADLINE = 9007199254740991
"""Stands for "no deadline" where shipments are sorted: later than any instant, and exact in JSON and in a float."""

DUE = f"coalesce(s.ship_by, {NO_DEADLINE})"
"""What lists are sorted by, before the id: the deadline, and those without one last. `s` is the shipment."""

ATTENTION_MASK = (
    Flag.AFTER_SALE
    | Flag.LINES_CHANGED
    | Flag.LABEL_STALE
    | Flag.CHANGED
    | Flag.PULL
    | Flag.FIRST_IMPORT
    | Flag.TOLD_NOT_SENT
    | Flag.STOPPED
    | Flag.UNMATCHED
    | Flag.UNPAID
    | Flag.NOTE_UNREAD
)
"""Flags that somebody has to look at; the others only describe."""

ATTENTION = f"((s.flags & {int(ATTENTION_MASK)}) <> 0 OR s.hold_reason <> '' OR s.status IN ('failed', 'unknown'))"
"""What needs a hand: a flag, a hold, a failure. `s` is the shipment."""
