"""What a connector declares and does.

A shop connector reads orders and products and tells the platform what was shipped. A carrier connector gets, finds and
voids waybills. A printer connector puts pages on paper. Each is a class with a `declaration` (data) and a constructor
that takes a `Binding`; its operations are coroutines that return the result types of `domain.results` rather than raise
for what a third party may answer. Reads raise `WireError` (see `connectors.http`), which carries such a result.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from types import FunctionType
from typing import ClassVar, Protocol

from msgspec import Struct

from connectors.http import HttpClient
from domain.capabilities import NumberWay as NumberWay
from domain.capabilities import Service as Service
from domain.capabilities import ShopCapabilities as ShopCapabilities
from domain.clock import Clock, Instant
from domain.records import Address, Order, Product
from domain.results import Accepted, NotActed, NotFound, Refused, Unauthorised, Unknown


class Repeat(StrEnum):
    """What makes repeating an operation safe."""

    HONOURS_KEY = "honours_key"
    READ_BACK = "read_back"
    NEITHER = "neither"


class Field(Struct, frozen=True):
    """One thing a person must give to bind an account, and where to find it."""

    name: str
    label: str
    secret: bool = False
    required: bool = True
    default: str = ""
    help: str = ""


class Limits(Struct, frozen=True):
    """What the account bears: calls per second (0 = no published limit), calls in flight, rows per read."""

    calls_per_second: float = 0
    parallel: int = 2
    batch: int = 100


class Binding(Struct, frozen=True):
    """One bound account as its connector sees it. `secrets` never leave the process."""

    name: str
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    http: HttpClient
    clock: Clock

    def __repr__(self) -> str:
        """Never shows a secret."""
        return f"Binding({self.name!r})"


class Checked(Struct, frozen=True):
    """What a test call found out about an account."""

    title: str
    zone: str = "UTC"
    """IANA name or a fixed offset the account keeps its days in."""
    currency: str = ""
    version: str = ""
    warnings: tuple[str, ...] = ()
    expires_at: Instant | None = None
    """When what was given to bind ends and a person must renew it; None = never, or nobody knows."""


# ---------------------------------------------------------------- shops


class ShopDeclaration(Struct, frozen=True):
    """Everything about a platform that is data."""

    platform: str
    title: str
    fields: tuple[Field, ...]
    capabilities: ShopCapabilities
    limits: Limits
    push_repeat: Repeat
    first_import_excludes: frozenset[str] = frozenset()
    """Raw statuses the one-time first import leaves out (ROA-11…13)."""
    begins_with: Mapping[str, bool | int | str] = {}
    """Settings of the pipeline that a newly bound shop of this platform begins with (`domain.settings`)."""
    requires_contact: bool = False
    """Orders without goods, customer, or phone and e-mail are left out by default (ROA-14…16)."""
    delivery_comment: bool = True
    """Delivery details become a comment by default (ROA-40; not so for WooCommerce, ROA-42)."""
    sees_changes: bool = True
    """`orders` shows every changed order. False: new ones only, so that open ones are read by id at each sync."""
    lists_orders: bool = False
    """It can say which orders were made in a time (`OrderLister`), so that a day can be proved complete."""
    unconfirmed: tuple[str, ...] = ()
    """Facts nobody could confirm, told to the user as such."""


class Parsed(Struct, frozen=True, gc=False):
    """An order read and understood, with the payload it came from."""

    order: Order
    raw: bytes


class Poison(Struct, frozen=True):
    """A payload that could not become an order: kept raw with its reason. `platform_order_id` may be empty."""

    platform_order_id: str
    code: str
    message: str
    raw: bytes


class OrderPage(Struct, frozen=True, gc=False):
    """One page of orders, oldest change first. `cursor` resumes after this page and is stored with its last row."""

    items: tuple[Parsed | Poison, ...]
    cursor: str
    last: bool


class ProductPage(Struct, frozen=True):
    """One page of products."""

    items: tuple[Product, ...]
    problems: tuple[Poison, ...]
    cursor: str
    last: bool


class Gone(Struct, frozen=True):
    """The platform no longer knows this order."""

    platform_order_id: str


class PushLine(Struct, frozen=True):
    """How many of a platform line are in the parcel."""

    platform_line_id: str
    quantity: int


class Push(Struct, frozen=True):
    """What to tell a platform about one parcel of one order."""

    key: str
    """Ours, unique per effect; sent as the platform's reference where it has one."""
    platform_order_id: str
    number: str
    """Tracking number; empty for a hand-over without waybill."""
    carrier: str
    url: str = ""
    lines: tuple[PushLine, ...] = ()
    tell: bool = True
    """The number has not been told yet."""
    finish: bool = True
    """Set the platform's shipped/completed status too (goods are written off and this is the order's last parcel)."""
    retry: bool = False
    """An earlier try may have left a part of it there, whatever it ended as: look before each step."""
    replaces: str = ""
    """The number the platform was told before, where this one takes its place (`update_tracking`)."""


class Pushed(Struct, frozen=True, tag=True):
    """Number and carrier (and status, where asked) were read back on the platform."""

    number: str
    status: str = ""


class PushedInPart(Struct, frozen=True, tag=True):
    """A read-back found the number but not the status: only the missing step may be repeated."""

    number: str


PushOutcome = Pushed | PushedInPart | Refused | NotActed | Unauthorised | Unknown
PushFound = Pushed | PushedInPart | NotFound | Refused | NotActed | Unauthorised | Unknown


class StockLevel(Struct, frozen=True):
    """How many pieces of one sellable unit a platform is to offer. `key` is ours, unique per effect."""

    platform_product_id: str
    platform_variant_id: str
    quantity: int
    key: str


class StockSet(Struct, frozen=True, tag=True):
    """The platform offers this many now; it had `before`."""

    quantity: int
    before: int


StockOutcome = StockSet | Refused | NotActed | Unauthorised | Unknown


class ShopConnector(Protocol):
    """A selling platform. Constructed with a `Binding`."""

    declaration: ClassVar[ShopDeclaration]

    def __init__(self, binding: Binding) -> None: ...

    async def check(self) -> Checked:
        """One test call (or two: can we write?). Raises `WireError` naming what to do."""

    def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        """Orders in the order of their last change, from `cursor` on ('' = from the beginning), every status.

        `created_since` bounds the one-time first import by creation. Windows overlap; the caller deduplicates.
        Ends after a page with `last=True`. Nothing is skipped: what cannot be parsed comes as `Poison`.
        A platform that cannot be asked for changes (`sees_changes` False) gives orders by creation instead.
        """

    async def count_orders(self, created_before: Instant | None) -> int | None:
        """How many orders the platform holds (created before an instant), or None where it cannot say."""

    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        """Live state of these orders, in bulk where the platform has it."""

    def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """Every sellable unit of the shop."""

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """These products, with all their variants: used when an order names a product not seen yet."""

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """Tell the platform, one outcome per push in the same order; every push guards itself by a live read."""

    async def find_push(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """Read back what became of pushes whose outcome is unknown."""


class Listed(Struct, frozen=True):
    """That an order is there: no more of it than proves it."""

    platform_order_id: str
    number: str
    created_at: Instant
    raw_status: str


class OrderLister(Protocol):
    """What a shop connector has besides where `lists_orders` is declared."""

    def listing(self, since: Instant, before: Instant) -> AsyncIterator[Sequence[Listed]]:
        """Every order made in [since, before), in any order, in pages; one may come twice.

        Every status, the bin included where the platform shows one; open baskets and what `orders` leaves out are not
        orders. It either gives all of them or raises `WireError`: whoever holds an order that is not among them asks for
        it by id.
        """


class StockWriter(Protocol):
    """What a shop connector has besides where `stock_write` is declared."""

    async def push_stock(self, levels: Sequence[StockLevel]) -> Sequence[StockOutcome]:
        """Set how many pieces are offered, one outcome per level in the same order.

        Repeating a level under its key is safe: what stands there already is not written again.
        """


def extras(declaration: ShopDeclaration) -> dict[type, bool]:
    """What a shop connector may have besides `ShopConnector`, and whether it declares that: it has it exactly then."""
    return {StockWriter: declaration.capabilities.stock_write, OrderLister: declaration.lists_orders}


def operations(protocol: type) -> dict[str, int]:
    """The operations of a protocol of this module, with how many arguments each takes."""
    calls = {name: call for name, call in vars(protocol).items() if isinstance(call, FunctionType)}
    return {name: call.__code__.co_argcount - 1 for name, call in calls.items() if not name.startswith("_")}


# ---------------------------------------------------------------- carriers


class CarrierDeclaration(Struct, frozen=True):
    """Everything about a carrier that is data."""

    carrier: str
    title: str
    fields: tuple[Field, ...]
    number_way: NumberWay
    limits: Limits
    create_repeat: Repeat
    can_void: bool = True
    fresh_reference_beside_live: bool = False
    """Accepts a new reference while the old waybill is still being voided."""
    settle_ms: int = 60_000
    """How long two read-backs that find nothing must lie apart before a request may be sent again."""
    unconfirmed: tuple[str, ...] = ()


class CustomsLine(Struct, frozen=True):
    """One line of a customs declaration; value in minor units of the waybill's currency, weight in grams."""

    sku: str
    name_local: str
    name_en: str
    hs_code: str
    origin: str
    quantity: int
    unit_weight_g: int
    unit_value_minor: int


class ParcelLine(Struct, frozen=True):
    """What is in the box, for labels and carriers that ask."""

    sku: str
    name: str
    quantity: int


class WaybillRequest(Struct, frozen=True):
    """Everything a carrier may need for one waybill. `reference` is ours, unique, and the key for lookups."""

    reference: str
    service: str
    recipient: Address
    sender: Address
    lines: tuple[ParcelLine, ...]
    weight_g: int
    code: str
    """Our shipment code, printed on own labels."""
    order_numbers: tuple[str, ...] = ()
    cod_minor: int = 0
    """Collect this much on delivery; 0 = nothing."""
    currency: str = ""
    customs: tuple[CustomsLine, ...] = ()
    pickup_point: str = ""
    number: str = ""
    """The number claimed from a pool, for carriers with `NumberWay.POOL`."""


class Label(Struct, frozen=True):
    """A label as the carrier gave it (or as we drew it). `media` is `application/pdf` or `text/zpl`."""

    media: str
    data: bytes
    pages: int = 1


class Numbered(Struct, frozen=True, tag=True):
    """The carrier gave a number. `tracking` is the number buyers follow where it differs (转单号)."""

    number: str
    label: Label | None = None
    tracking: str = ""
    carrier_order: str = ""
    cost_minor: int = 0
    cost_currency: str = ""


class Voided(Struct, frozen=True, tag=True):
    """The waybill is confirmed void (or was already)."""


CreateOutcome = Numbered | Accepted | Refused | NotActed | Unauthorised | Unknown
LookupOutcome = Numbered | Accepted | Refused | NotFound | NotActed | Unauthorised | Unknown
VoidOutcome = Voided | Accepted | Refused | NotActed | Unauthorised | Unknown


class CarrierConnector(Protocol):
    """A carrier account. Constructed with a `Binding`."""

    declaration: ClassVar[CarrierDeclaration]

    def __init__(self, binding: Binding) -> None: ...

    def services(self) -> Sequence[Service]:
        """The services this account offers, from its settings; no call is made."""

    async def check(self) -> Checked:
        """One test call. Raises `WireError`."""

    async def create(self, request: WaybillRequest) -> CreateOutcome:
        """Ask for a waybill once. Never retries."""

    async def lookup(self, request: WaybillRequest) -> LookupOutcome:
        """Find by our reference what became of a request; also polls numbers that come later."""

    async def label(self, number: str, request: WaybillRequest) -> Label | NotActed | Refused:
        """Fetch (or draw) the label of a number."""

    async def void(self, number: str, reference: str) -> VoidOutcome:
        """Void a waybill; voiding a void one succeeds."""


# ---------------------------------------------------------------- printers


class PrinterDeclaration(Struct, frozen=True):
    """Everything about a kind of printer that is data."""

    printer: str
    title: str
    fields: tuple[Field, ...]
    repeat: Repeat
    confirms: bool
    """True when success means on paper (or on disk), not merely taken over."""


class PrintRequest(Struct, frozen=True):
    """One job: pages in order. `key` is unique per job and names it at the printer."""

    key: str
    title: str
    pages: tuple[Label, ...]
    copies: int = 1


class Printed(Struct, frozen=True, tag=True):
    """The printer took the job; `reference` is its name there (a file, a queue's job id)."""

    reference: str


class PrinterConnector(Protocol):
    """A printer of this host. Constructed with a `Binding`."""

    declaration: ClassVar[PrinterDeclaration]

    def __init__(self, binding: Binding) -> None: ...

    async def check(self) -> Checked:
        """Is it there and ready? Raises `WireError`."""

    async def send(self, request: PrintRequest) -> Printed | Refused | NotActed | Unknown:
        """Print once."""

    async def find(self, request: PrintRequest) -> Printed | NotFound | Unknown:
        """Did this job reach the printer?"""
