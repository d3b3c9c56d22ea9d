"""The settings of a shop: names, defaults, meaning. One table for the command line, the screens and the store."""

import msgspec
from msgspec import Struct

from domain.money import UnknownCurrency, exponent
from domain.order_types import order_types
from domain.results import Refused
from domain.text import NO, YES, is_yes
from domain.words import _


class ShopSettings(Struct, frozen=True, omit_defaults=True):
    """How one shop's orders are treated. A docstring under each field is its help text."""

    import_months: int = 2
    """The first import takes orders of so many calendar months (ROA-10)."""
    import_exclude: str = ""
    """Raw statuses the first import leaves out, comma separated; empty = the platform's defaults, `-` = none."""
    require_contact: str = "default"
    """Leave out orders without goods, customer, or e-mail and phone: yes, no, default of the platform (ROA-14…16)."""
    identify_by: str = "sku"
    """Products are recognised by sku, name or id (ROA-21)."""
    currency: str = ""
    """Orders in another currency are left out (ROA-05); empty = the shop's own; `any` = take all."""
    delivery_comment: str = "default"
    """Write delivery details as a comment (ROA-40): yes, no, default of the platform (WooCommerce: no, ROA-42)."""
    order_types: str = ""
    """What imported orders begin with, as NAME: what=value, …; further types behind a semicolon (ROA-18)."""
    worked_by: str = ""
    """Who may work with this shop's orders beside owner and admins (ROA-03): empty = everybody, lead, or names."""
    keeps_stock: bool = True
    """Orders of this shop reserve and deduct our stock."""
    push_stock: bool = True
    """The shop is told how many pieces can be promised, where it uses our stock and its platform takes it."""
    stock_buffer: int = 0
    """So many pieces of everything are kept back from this shop."""
    stock_cap: int = 0
    """The shop is never told of more pieces than these; 0 = as many as there are."""
    require_matched: bool = False
    """Approve only orders whose every line has a product of ours."""
    note_gate: bool = True
    """An unread buyer note keeps a shipment in review."""
    semi_managed: bool = False
    """Others ship from this shop's own stock: sender name and address are needed at approve (T18)."""
    sender_name: str = ""
    """Sender of a semi-managed shop."""
    sender_address: str = ""
    """Sender address of a semi-managed shop."""
    move_to_print: bool = True
    """Go on to print by itself as soon as the waybill is there."""
    ship_without_printing: bool = False
    """Ship does not ask for a printed label."""
    check_before_ship: bool = True
    """Read the orders live before shipping, where the platform allows it."""
    ship_unchecked: bool = False
    """When the platform cannot be reached, ship without the check; the event says so."""
    close_on_cancel: bool = True
    """An order cancelled on the platform closes its shipment (else it is only blocked)."""
    handling_hours: int = 24
    """Ship by: so many hours after payment…"""
    cut_off: str = ""
    """…or, when set (HH:MM in the shop's zone): the same day before this time, the next working day after it."""
    working_days: str = "12345"
    """Days that count for the cut-off, 1 = Monday."""
    grace_s: int = 30
    """Seconds in which a batch from the console can be undone before anything is sent."""
    orders_every_s: int = 300
    """Seconds between two reads of the orders."""
    products_every_s: int = 86400
    """Seconds between two reads of the products."""
    reconcile_at: str = "03:00"
    """When (HH:MM in the shop's zone) the last days are proved complete and repaired; empty = never."""
    redact_after: int = 0
    """Days after shipping or closing after which buyer, address, notes, payload and label are erased; 0 = never."""
    send_tracking: str = "waybill"
    """Which number the platform gets where a carrier gives two: waybill or tracking."""


_RANGES = {
    "import_months": (0, 120),
    "handling_hours": (0, 8760),
    "grace_s": (0, 3600),
    "orders_every_s": (1, 86_400),
    "products_every_s": (60, 604_800),
    "redact_after": (0, 3650),
    "stock_buffer": (0, 1_000_000),
    "stock_cap": (0, 1_000_000),
}
_CHOICES = {
    "require_contact": {"yes", "no", "default"},
    "delivery_comment": {"yes", "no", "default"},
    "identify_by": {"sku", "name", "id"},
    "send_tracking": {"waybill", "tracking"},
}


def is_setting(name: str) -> bool:
    """Is `name` a setting of a shop (rather than a binding field of its connector)?"""
    return name in ShopSettings.__struct_fields__


def changed(settings: ShopSettings, name: str, value: str) -> ShopSettings | Refused:
    """`settings` with `name` set from text, or why not."""
    current = getattr(settings, name)
    value = value.strip()
    new: object = value
    if isinstance(current, bool):
        if value.lower() not in YES | NO:
            return Refused("bad_setting", _("{name} is yes or no.").format(name=name), name)
        new = is_yes(value)
    elif isinstance(current, int):
        least, most = _RANGES[name]
        if not value.isdecimal() or len(value) > 9 or not least <= int(value) <= most:
            return Refused(
                "bad_setting",
                _("{name} is a whole number from {least} to {most}.").format(name=name, least=least, most=most),
                name,
            )
        new = int(value)
    elif name in _CHOICES and value not in _CHOICES[name]:
        choices = ", ".join(sorted(_CHOICES[name]))
        return Refused("bad_setting", _("{name} is one of {choices}.").format(name=name, choices=choices), name)
    elif name in {"cut_off", "reconcile_at"} and value and not _is_time(value):
        return Refused("bad_setting", _("{name} is a time like 15:00.").format(name=name), name)
    elif name == "order_types" and isinstance(types := order_types(value), Refused):
        return types
    elif name == "working_days" and (not value or set(value) - set("1234567")):
        return Refused("bad_setting", _("{name} are digits from 1 (Monday) to 7.").format(name=name), name)
    elif name == "currency" and value not in {"", "any"}:
        new = value.upper()
        try:
            exponent(value.upper())
        except UnknownCurrency:
            return Refused("bad_setting", _("{name} is a currency code such as PLN, or any.").format(name=name), name)
    return msgspec.structs.replace(settings, **{name: new})


CALL_SETTINGS: dict[str, tuple[float, float]] = {
    "calls_per_second": (0, 1000),
    "parallel": (1, 16),
    "timeout_s": (0.1, 300),
    "settle_s": (0, 3600),
}
"""What every account that makes calls understands, with its range."""


def call_setting(name: str, value: str) -> Refused | None:
    """Why `value` cannot be this call setting, or None."""
    if name == "allow_plain_http":
        if value.lower() in YES | NO:
            return None
        return Refused("bad_setting", _("{name} is yes or no.").format(name=name), name)
    least, most = CALL_SETTINGS[name]
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not least <= number <= most or (name == "parallel" and number != int(number)):
        return Refused(
            "bad_setting",
            _("{name} is a number from {least} to {most}.").format(name=name, least=least, most=most),
            name,
        )
    return None


def _is_time(text: str) -> bool:
    hours, _sep, minutes = text.partition(":")
    return hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60 and len(minutes) == 2
