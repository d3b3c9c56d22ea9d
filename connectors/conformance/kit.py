"""What the author of a connector declares, so that the suite can set its twin up: names, and one line per deed.

Every deed goes through the twin's back door. What the platform does not have, or the twin cannot show, is named in
`cannot` with its reason; a deed that is neither given nor excused fails the suite.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from connectors.simulated.launch import Twin
from domain.enums import OrderKind


class Wanted(Struct, frozen=True):
    """An order to be made: paid, to be delivered, nothing in its way, but for what stands here."""

    lines: int = 1
    pieces: int = 2
    """Of each line."""
    created_s: int = 0
    """Unix second of its making, and of its last change; 0 = now by the twin's clock."""
    currency: str = ""
    price: str = ""
    """Decimal text, in `currency`: what one line of one piece costs, and the whole order."""
    kind: OrderKind = OrderKind.DELIVERY
    redacted: bool = False
    """The platform hides the buyer."""


Deed = Callable[[Twin, str], object]
"""Something that happens to the order of that platform id."""


class Kit(Struct, frozen=True, kw_only=True):
    """How to bind a connector to its twin, and how to be the merchant and the buyer there."""

    twin: str
    """As on the command line of twins: a name of ours, or a dotted module."""
    options: Mapping[str, object] = {}
    """Options the twin is started with."""
    settings: Mapping[str, str]
    """Binding field → text; `{word}` stands for that word of the twin's hello line."""
    secrets: Mapping[str, str]
    """Secret binding field → text, likewise. Each of them must be needed: a wrong one is tried."""
    batch: int = 0
    """Rows per read that the suite lets the connector ask for, where filling pages of its own size takes long; 0 = its own.
    The connector must read by `declaration.limits.batch`."""
    zone_option: str = ""
    """The twin's option for the zone the shop keeps its days in; '' where the platform dates everything in UTC."""
    zone_setting: str = ""
    """The binding field that must name the same zone, where the platform does not tell it."""
    readings: Mapping[str, Mapping[str, object]] = {}
    """What the platform's documentation leaves open, as options of the twin: the connector must hold under each."""

    make: Callable[[Twin, Sequence[Wanted]], list[str]]
    """Make orders; their platform ids."""
    numbers: Callable[[Twin, str], list[str]]
    """The tracking numbers the platform was told for an order; one that buyers were told twice stands there twice."""
    clock: Callable[[Twin, float], object] | None = None
    """Set the platform's clock to a Unix time; it may run on from there."""
    waited: Callable[[Twin, float], object] | None = None
    """The connector waited so many seconds, none of which passed: let the platform's budget recover."""

    address: Callable[[Twin, str, str], object] | None = None
    """The buyer moves: the first line of the address becomes this."""
    pieces: Callable[[Twin, str, int], object] | None = None
    """The first line of the order has so many pieces from now on."""
    refund: Callable[[Twin, str, int], object] | None = None
    """So many pieces of the first line are given back; the order lives on."""
    cancel: Deed | None = None
    delete: Deed | None = None
    ship: Callable[[Twin, str, str], object] | None = None
    """The whole order is marked shipped by somebody else, under this tracking number."""
    open_case: Deed | None = None
    close_case: Deed | None = None
    odd_status: Callable[[Twin, str], str] | None = None
    """The order gets a status nobody has heard of; answers its word."""
    odd_field: Callable[[Twin, str], str] | None = None
    """The order gets a field nobody has heard of; answers its name."""
    spoil: Deed | None = None
    """The order becomes one that nobody can read: an amount that is none, say."""
    stock: Callable[[Twin, str, str], int] | None = None
    """Pieces of (product id, variant id) where the connector sets them."""
    offered: Callable[[Twin, str, str], int] | None = None
    """Pieces that its product shows, where that is another number: the sum of several places."""
    bad_carrier: str = ""
    """A carrier's name that the platform refuses."""

    cannot: Mapping[str, str] = {}
    """Why something is missing, by name: a deed, `readings`, or one of

    `autumn_hour` (local times without an offset), `currency`, `redacted`,
    `line_check` (a push does not say what is in the parcel), `kind_…` (a declared kind of orders).
    """
    says_nothing: Mapping[str, str] = {}
    """Faults (`http_403`, `http_404`) whose status comes from something in front of the platform and proves nothing,
    each with its reason: a read is then `NotActed`, a write `Unknown`."""
