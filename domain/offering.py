"""How many pieces of a listing a shop is to offer, and which number is told first: pure decisions."""

from collections.abc import Sequence

from msgspec import Struct

from domain.clock import SECOND, Instant

LAST_PIECES = 3
"""So few pieces may sell out with the next order, whatever sold before."""


class Part(Struct, frozen=True):
    """A counted variant in a listing: pieces on hand, pieces that open shipments want, pieces in one of the listing."""

    on_hand: int
    wanted: int
    each: int = 1


def offered(parts: Sequence[Part], buffer: int, cap: int) -> int | None:
    """Available to promise less the buffer, never more than the cap (0 = none), never below nothing.

    What open shipments want includes what is reserved for them, so that on hand less wanted is what design §3 calls on
    hand less reserved less the demand of those without a reservation. A bundle is offered as often as its scarcest part
    allows. None where nothing of it is counted: that listing is the shop's own affair.
    """
    if not parts:
        return None
    free = min((part.on_hand - part.wanted) // part.each for part in parts) - buffer
    return max(0, min(free, cap) if cap else free)


def urgency(pieces: int, heat: int, waits_ms: Instant) -> int:
    """What sorts numbers to be told, the largest first: what may sell out, then what sells, then what waits longest.

    `heat` is the pieces sold lately. Each piece is worth a second of waiting (a minute at most), being about to sell out
    another minute, so that nothing is overtaken for ever.
    """
    short = 60 if pieces <= max(heat, LAST_PIECES) else 0
    return waits_ms + SECOND * (min(heat, 60) + short)
