"""What platforms and carriers can do, as data the decisions read."""

from enum import StrEnum

from msgspec import Struct

from domain.enums import OrderKind


class ShopCapabilities(Struct, frozen=True):
    """What a platform can do; screens grey out the rest and say why."""

    kinds: frozenset[OrderKind]
    push: bool = True
    push_early: bool = False
    early_is_note_only: bool = False
    """The early push can only leave the number as a note; the status follows at ship (WooCommerce)."""
    update_tracking: bool = False
    partial: bool = False
    merge: bool = False
    """Every source order of a merged parcel can take the number."""
    check_before_ship: bool = False
    after_sale: bool = False
    ship_closes_refund: bool = False
    edit_address: bool = False
    keeps_stock: bool = True
    stock_read: bool = False
    stock_write: bool = False
    """The connector has `push_stock`."""


class NumberWay(StrEnum):
    """How a carrier gives numbers."""

    LATER = "later"
    """The carrier gives one, in its answer or some time after."""
    POOL = "pool"
    """From a range the carrier allotted; the pipeline claims one and hands it over in the request."""
    NONE = "none"


class Service(Struct, frozen=True):
    """One product of a carrier (物流渠道). Empty `countries` = everywhere."""

    code: str
    name: str
    countries: frozenset[str] = frozenset()
    excluded_countries: frozenset[str] = frozenset()
    collects_on_delivery: bool = False
    cross_border: bool = False
    """Needs a customs declaration."""
    takes_pickup_points: bool = False
    has_number: bool = True
