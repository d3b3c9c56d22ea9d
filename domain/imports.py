"""Which orders are taken over: the import policy of a shop, one pure decision per order.

The numbered rules restate RO App's article; `docs/rules.md` lists where a default differs per platform.
"""

from msgspec import Struct

from domain.clock import Instant, iso
from domain.enums import OrderStatus
from domain.records import Order
from domain.text import LONGEST_KEY, email_key, phone_key
from domain.words import _

_BUYER_KEYS = ("number", "first_name", "last_name", "phone", "email")
_LINE_KEYS = ("sku", "platform_line_id", "platform_product_id", "platform_variant_id")


class ImportPolicy(Struct, frozen=True):
    """What decides over one shop's imports, settings and platform defaults already resolved."""

    connected_at: Instant
    window_start: Instant
    """Older orders are left out of the first import (ROA-10)."""
    first_import_excludes: frozenset[str]
    require_contact: bool
    currency: str
    """The only currency taken (ROA-05); '' = any."""


class Exclusion(Struct, frozen=True):
    """An order left out, counted by `reason` and looked at again at every sync."""

    reason: str
    detail: str


class Defect(Struct, frozen=True):
    """An order that was read but cannot be kept as one: it goes to the abnormal list with this code."""

    code: str
    message: str


def admit(order: Order, policy: ImportPolicy) -> Exclusion | Defect | None:
    """None when the order is to be imported, else why not.

    ROA-01, 10, 13: window and status exclusions hold only for orders created before the shop was connected.
    """
    if order.created_at < policy.connected_at:
        if order.created_at < policy.window_start:
            return Exclusion("older_than_window", iso(order.created_at) or "")
        if order.raw_status in policy.first_import_excludes:
            return Exclusion("closed_before_import", order.raw_status)
    if order.status is OrderStatus.DELETED:
        return Exclusion("deleted", order.raw_status)
    if policy.currency and order.currency != policy.currency:
        return Exclusion("other_currency", f"{order.currency} ≠ {policy.currency}")
    if policy.require_contact:
        if not order.lines:
            return Exclusion("no_goods", "")
        buyer = order.buyer
        if not buyer.redacted:
            known = (buyer.first_name, buyer.last_name, buyer.phone, buyer.email, order.address.name)
            if not any(text.strip() for text in known):
                return Exclusion("no_customer", "")
            if not (phone_key(buyer.phone) or email_key(buyer.email)):
                return Exclusion("no_contact", "")
    return defect(order)


def defect(order: Order) -> Defect | None:
    """What makes an order unfit to be kept: fractions of a piece, no line at all, values no column or index holds."""
    if not order.lines:
        return Defect("no_lines", _("The order has no lines."))
    seen: set[str] = set()
    for line in order.lines:
        if line.quantity != line.quantity.to_integral_value() or line.cancelled != line.cancelled.to_integral_value():
            return Defect(
                "fractional_quantity",
                _("{name}: a quantity of {quantity} is not whole pieces.").format(
                    name=line.name or line.sku, quantity=line.quantity.normalize()
                ),
            )
        if line.quantity < 0 or line.cancelled < 0 or line.quantity > 1_000_000:
            return Defect("bad_quantity", _("A quantity of {quantity} makes no sense.").format(quantity=line.quantity))
        if line.platform_line_id in seen:
            return Defect("double_line", _("Two lines carry the same id {id}.").format(id=line.platform_line_id))
        seen.add(line.platform_line_id)
        if not -_MOST < line.total_minor < _MOST:
            return Defect("bad_amount", _("An amount of the order makes no sense."))
        if (
            len(line.sku) > LONGEST_KEY
            or len(line.platform_line_id) > LONGEST_KEY
            or len(line.platform_product_id) > LONGEST_KEY
            or len(line.platform_variant_id) > LONGEST_KEY
        ):
            return _too_long(order)
    if not (-_MOST < order.total_minor < _MOST and -_MOST < order.shipping_minor < _MOST):
        return Defect("bad_amount", _("An amount of the order makes no sense."))
    buyer = order.buyer
    if max(map(len, (order.number, buyer.first_name, buyer.last_name, buyer.phone, buyer.email))) > LONGEST_KEY:
        return _too_long(order)
    return None


_MOST = 2**53
"""Minor units that no order costs; what counts in floats is exact below."""


def _too_long(order: Order) -> Defect:
    names = (*_BUYER_KEYS, *(name for _line in order.lines for name in _LINE_KEYS))
    field = next(name for name, text in zip(names, _searched_by(order), strict=True) if len(text) > LONGEST_KEY)
    return Defect("too_long", _("The order's {field} is too long to be one.").format(field=field))


def _searched_by(order: Order) -> list[str]:
    """The texts of an order that stand in an index: those of `_BUYER_KEYS`, then `_LINE_KEYS` of each line."""
    buyer = order.buyer
    found = [order.number, buyer.first_name, buyer.last_name, buyer.phone, buyer.email]
    for line in order.lines:
        found += (line.sku, line.platform_line_id, line.platform_product_id, line.platform_variant_id)
    return found
