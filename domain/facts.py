"""What a decision may know of a shipment: frozen facts, loaded in bulk by the store."""

import hashlib
from collections.abc import Mapping

from msgspec import Struct, field

from domain.capabilities import NumberWay, Service, ShopCapabilities
from domain.clock import Instant
from domain.enums import (
    DEAD_ORDER,
    LIVE_WAYBILL,
    EffectState,
    Flag,
    Op,
    OrderKind,
    OrderStatus,
    Payment,
    PrintState,
    Stage,
    Status,
    Submission,
    WaybillState,
)
from domain.records import Address
from domain.settings import ShopSettings


def code_of(shipment_id: int) -> str:
    """The code people read and scan (`K000217`)."""
    return f"K{shipment_id:06d}"


def id_of(code: str) -> int | None:
    """The shipment id of a code, or None for anything else."""
    text = code.strip().upper()
    return int(text[1:]) if text[:1] == "K" and text[1:].isascii() and text[1:].isdecimal() and len(text) < 17 else None


def fingerprint(*parts: object) -> str:
    """A short stable digest of what a label was made from."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=8).hexdigest()


def address_print(address: Address) -> str:
    """The digest of an address."""
    return fingerprint(
        address.name,
        address.company,
        address.line1,
        address.line2,
        address.city,
        address.state,
        address.postcode,
        address.country,
        address.phone,
    )


class ShopFacts(Struct, frozen=True):
    """A shop as decisions see it."""

    id: int
    name: str
    platform: str
    zone: str
    bound: bool
    settings: ShopSettings
    capabilities: ShopCapabilities


class ServiceFacts(Struct, frozen=True):
    """A service with what matters of its carrier account."""

    id: int
    carrier_id: int
    carrier_name: str
    checked: bool
    enabled: bool
    service: Service
    number_way: NumberWay
    can_void: bool
    fresh_reference: bool


class OrderFacts(Struct, frozen=True):
    """One source order of a shipment, with its submission."""

    id: int
    platform_order_id: str
    number: str
    status: OrderStatus
    kind: OrderKind
    payment: Payment
    currency: str
    total_minor: int
    paid_at: Instant | None
    after_sale: bool
    pickup_point: str
    submission: Submission
    told: str
    """The number the platform was told, '' = none."""
    address_print: str = ""
    """The digest of where the platform says this order goes."""

    @property
    def payable(self) -> bool:
        """Paid, pay-on-delivery, or marked payment, and accepted by the platform."""
        if self.status in {OrderStatus.UNPAID, OrderStatus.ON_HOLD, OrderStatus.FAILED} or self.status in DEAD_ORDER:
            return False
        return self.paid_at is not None or self.payment is not Payment.PREPAID

    @property
    def dead(self) -> bool:
        """Cancelled, refunded or deleted on the platform."""
        return self.status in DEAD_ORDER


class LineFacts(Struct, frozen=True):
    """A line of a shipment: `quantity` pieces of an order line."""

    order_line_id: int
    order_id: int
    platform_line_id: str
    sku: str
    name: str
    quantity: int
    allowed: int
    """Ordered less cancelled and less what has left by other hands, of the whole order line."""
    assigned: int
    """Σ over all shipments not closed, this one included."""
    ships: bool
    needs: tuple[tuple[int, int], ...]
    """(variant, pieces of it per piece of the line) for tracked variants."""
    matched: bool


class CustomsFacts(Struct, frozen=True):
    """The customs declaration of one line."""

    name_local: str = ""
    name_en: str = ""
    hs_code: str = ""
    origin: str = ""
    unit_weight_g: int = 0
    unit_value_minor: int = 0
    currency: str = ""
    battery: str = "none"
    liquid: bool = False


class WaybillFacts(Struct, frozen=True):
    """A generation of a waybill."""

    id: int
    generation: int
    state: WaybillState
    carrier_id: int
    service_id: int
    reference: str
    number: str
    tracking: str
    address_print: str
    lines_print: str
    has_label: bool


class EffectFacts(Struct, frozen=True):
    """An effect that is not settled."""

    id: int
    op: Op
    state: EffectState
    order_id: int | None
    batch_id: int | None


class ShipmentFacts(Struct, frozen=True):
    """Everything a decision may know of one shipment."""

    id: int
    version: int
    shop: ShopFacts
    order_id: int
    stage: Stage
    status: Status
    flags: Flag
    hold_reason: str
    mark: int
    ship_by: Instant | None
    warehouse_id: int
    service: ServiceFacts | None
    address: Address
    address_id: int | None
    overlay: bool
    """The address in force is ours, not the platform's."""
    print_state: PrintState
    copies: int
    deducted: bool
    cycle: int
    shipped_at: Instant | None
    collected_at: Instant | None
    code: str
    reason: str
    orders: tuple[OrderFacts, ...]
    lines: tuple[LineFacts, ...]
    waybills: tuple[WaybillFacts, ...]
    allocated: Mapping[int, int]
    effects: tuple[EffectFacts, ...]
    effect_count: int
    customs: Mapping[int, CustomsFacts]
    defaults: Mapping[int, CustomsFacts] = field(default_factory=dict)
    taken: Mapping[int, int] = field(default_factory=dict)
    """Pieces of each variant it took from stock and has not given back, by the ledger."""

    @property
    def name(self) -> str:
        """The code people see."""
        return code_of(self.id)

    @property
    def waybill(self) -> WaybillFacts | None:
        """The live waybill."""
        return next((w for w in self.waybills if w.state in LIVE_WAYBILL), None)

    @property
    def voiding(self) -> tuple[WaybillFacts, ...]:
        """Waybills waiting for their void."""
        return tuple(w for w in self.waybills if w.state is WaybillState.VOIDING)

    @property
    def held(self) -> bool:
        """Put aside by a person."""
        return bool(self.hold_reason)

    @property
    def printed(self) -> bool:
        """On paper as far as anybody can know."""
        return self.print_state in {PrintState.SENT, PrintState.CONFIRMED}

    @property
    def lines_print(self) -> str:
        """The digest of what is in the box."""
        return fingerprint(*sorted((line.order_line_id, line.quantity) for line in self.lines))

    @property
    def address_print(self) -> str:
        """The digest of where it goes."""
        return address_print(self.address)

    @property
    def divided(self) -> bool:
        """A merged box whose orders go to different addresses, and nobody gave one for the whole box."""
        return not self.overlay and len({o.address_print for o in self.orders}) > 1

    @property
    def wants(self) -> dict[int, int]:
        """Pieces of each tracked variant the shipment needs; empty where the shop keeps no stock with us."""
        if not self.shop.settings.keeps_stock or not self.shop.capabilities.keeps_stock:
            return {}
        total: dict[int, int] = {}
        for line in self.lines:
            for variant, each in line.needs:
                total[variant] = total.get(variant, 0) + each * line.quantity
        return total
