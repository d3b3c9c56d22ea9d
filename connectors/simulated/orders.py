"""How one order looks on the WooCommerce wire: built from products and a buyer, totals worked out as the shop would."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from connectors.simulated.catalogue import Catalogue, Product
from connectors.simulated.people import NOTES, Buyer, make_buyer

Payload = dict[str, Any]

ADDRESS = ("first_name", "last_name", "company", "address_1", "address_2", "city", "state", "postcode", "country")
_SYMBOLS = {"PLN": "zł", "EUR": "€", "USD": "$", "CNY": "¥", "GBP": "£"}
_METHODS = (("flat_rate", "Kurier", 1499), ("flat_rate", "快递", 1200), ("free_shipping", "Free shipping", 0))
_TAX = 23
_AGENT = "Mozilla/5.0 (X11; Linux x86_64)"


def decimal(minor: int) -> str:
    """Minor units as the API's decimal string."""
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def minor(text: object) -> int:
    """A decimal string of the API as minor units; 0 for what is not a number."""
    try:
        return round(float(str(text)) * 100)
    except ValueError:
        return 0


def tax_of(net: int) -> int:
    """VAT on a net amount."""
    return round(net * _TAX / 100)


def stamp(order: Payload, name: str, at: int | None, zone: ZoneInfo) -> None:
    """Set a date in both its forms, shop time and GMT, without a zone suffix."""
    if at is None:
        order[name] = order[f"{name}_gmt"] = None
        return
    order[name] = datetime.fromtimestamp(at, zone).strftime("%Y-%m-%dT%H:%M:%S")
    order[f"{name}_gmt"] = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def parse_gmt(text: str) -> int:
    """The Unix time of a `…_gmt` value."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def recalculate(order: Payload) -> None:
    """Work out the totals from the lines, shipping and fees, as the shop does after an edit."""
    goods = sum(minor(line["total"]) for line in order["line_items"])
    goods_tax = sum(minor(line["total_tax"]) for line in order["line_items"])
    fees = sum(minor(line["total"]) for line in order["fee_lines"])
    fees_tax = sum(minor(line.get("total_tax", "0")) for line in order["fee_lines"])
    shipping = sum(minor(line["total"]) for line in order["shipping_lines"])
    shipping_tax = sum(minor(line["total_tax"]) for line in order["shipping_lines"])
    discount = sum(minor(line["subtotal"]) - minor(line["total"]) for line in order["line_items"])
    discount_tax = sum(minor(line["subtotal_tax"]) - minor(line["total_tax"]) for line in order["line_items"])
    order["discount_total"] = decimal(discount)
    order["discount_tax"] = decimal(discount_tax)
    order["shipping_total"] = decimal(shipping)
    order["shipping_tax"] = decimal(shipping_tax)
    order["cart_tax"] = decimal(goods_tax + fees_tax)
    order["total_tax"] = decimal(goods_tax + fees_tax + shipping_tax)
    order["total"] = decimal(goods + fees + shipping + goods_tax + fees_tax + shipping_tax)
    for tax in order["tax_lines"]:
        tax["tax_total"] = decimal(goods_tax + fees_tax)
        tax["shipping_tax_total"] = decimal(shipping_tax)


def add_refund(
    order: Payload, quantities: Mapping[int, int], amount: int | None, reason: str, at: int, factory: "OrderFactory"
) -> Payload:
    """Refund some of an order: adds the short entry to the order and returns the refund as `/refunds` shows it.

    `quantities` maps line ids to pieces given back; an `amount` of None is worked out from them. A refund without
    lines gives back money only, which is also what the shop makes when somebody sets the status to `refunded`.
    """
    given_back = []
    net = tax = 0
    for line in order["line_items"] or []:
        pieces = quantities.get(line["id"], 0)
        if not pieces or not line["quantity"]:
            continue
        line_net = round(minor(line["total"]) * pieces / line["quantity"])
        line_tax = round(minor(line["total_tax"]) * pieces / line["quantity"])
        net, tax = net + line_net, tax + line_tax
        given_back.append(
            {
                **line,
                "id": factory.next_id(),
                "quantity": -pieces,
                "subtotal": decimal(-line_net),
                "subtotal_tax": decimal(-line_tax),
                "total": decimal(-line_net),
                "total_tax": decimal(-line_tax),
                "taxes": [],
                "meta_data": [factory.meta("_refunded_item_id", str(line["id"]))],
            }
        )
    amount = net + tax if amount is None else amount
    refund: Payload = {
        "id": factory.next_id(),
        "parent_id": order["id"],
        "date_created": None,
        "date_created_gmt": None,
        "amount": decimal(amount),
        "reason": reason,
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [],
        "line_items": given_back,
        "shipping_lines": [],
        "tax_lines": [],
        "fee_lines": [],
    }
    stamp(refund, "date_created", at, factory.zone)
    order["refunds"] = [{"id": refund["id"], "reason": reason, "total": decimal(-amount)}, *order["refunds"]]
    return refund


def refundable(order: Payload) -> int:
    """What has not been given back yet, in minor units."""
    return minor(order["total"]) + sum(minor(one["total"]) for one in order["refunds"])


class OrderFactory:
    """Builds orders in wire shape. The same seed builds the same orders."""

    def __init__(self, catalogue: Catalogue, zone: ZoneInfo, currency: str, seed: int, prefix: str = "") -> None:
        self.catalogue = catalogue
        self.zone = zone
        self.currency = currency
        self.rng = random.Random(seed)
        self.home = {"PLN": "PL", "EUR": "DE", "CNY": "CN"}.get(currency, "PL")
        self._prefix = prefix
        self._ids = count(50_001)
        self._buyers: list[Buyer] = []

    def next_id(self) -> int:
        """A fresh id for a line, a meta entry, a note or a refund."""
        return next(self._ids)

    def buyer(self) -> Buyer:
        """Somebody who buys: mostly a new person, sometimes one who bought before."""
        if self._buyers and self.rng.random() < 0.25:
            return self.rng.choice(self._buyers)
        fresh = make_buyer(self.rng, len(self._buyers) + 1, self.home)
        self._buyers.append(fresh)
        return fresh

    def meta(self, key: str, value: object, **shown: str) -> Payload:
        """A meta entry; `shown` may hold display_key and display_value."""
        return {"id": self.next_id(), "key": key, "value": value, **shown}

    def line(self, product: Product, quantity: int) -> Payload:
        """An order line of a product at its present price."""
        net = product.price * quantity
        parent = self.catalogue.products.get(product.parent_id)
        options = []
        if product.parent_id:
            key = f"pa_{product.attribute.lower()}"
            shown = {"display_key": product.attribute, "display_value": product.option}
            options = [self.meta(key, product.option.lower(), **shown)]
        return {
            "id": self.next_id(),
            "name": product.full_name,
            "product_id": product.parent_id or product.id,
            "variation_id": product.id if product.parent_id else 0,
            "quantity": quantity,
            "tax_class": "",
            "subtotal": decimal(net),
            "subtotal_tax": decimal(tax_of(net)),
            "total": decimal(net),
            "total_tax": decimal(tax_of(net)),
            "taxes": [{"id": 1, "total": decimal(tax_of(net)), "subtotal": decimal(tax_of(net))}],
            "meta_data": options,
            "sku": product.sku,
            "global_unique_id": "",
            "price": product.price / 100,
            "image": {"id": "", "src": ""},
            "parent_name": parent.name if parent else None,
        }

    def shipping_line(self, method_id: str, title: str, cost: int, meta: list[Payload] | None = None) -> Payload:
        """A shipping line; `cost` is net, in minor units."""
        return {
            "id": self.next_id(),
            "method_title": title,
            "method_id": method_id,
            "instance_id": "3",
            "total": decimal(cost),
            "total_tax": decimal(tax_of(cost)),
            "taxes": [],
            "tax_status": "taxable",
            "meta_data": meta or [],
        }

    def plain(self, order_id: int, created: int, modified: int, lines: int = 0) -> Payload:
        """A paid order in `processing` that nothing stands in the way of. `lines` 0 leaves their number to chance."""
        rng = self.rng
        buyer = self.buyer()
        who = {name: getattr(buyer, name) for name in ADDRESS}
        line_items = [
            self.line(product, rng.choices((1, 2, 3, 10), (70, 18, 9, 3))[0])
            for product in self.catalogue.pick(rng, lines or rng.choices((1, 2, 3, 5), (60, 25, 10, 5))[0])
        ]
        method_id, title, cost = rng.choices(_METHODS, (70, 10, 20))[0]
        token = f"{rng.getrandbits(52):013x}"
        order: Payload = {
            "id": order_id,
            "parent_id": 0,
            "number": f"{self._prefix}{order_id}",
            "order_key": f"wc_order_{token}",
            "created_via": "checkout",
            "version": "10.5.0",
            "status": "processing",
            "currency": self.currency,
            "date_created": None,
            "date_created_gmt": None,
            "date_modified": None,
            "date_modified_gmt": None,
            "discount_total": "0.00",
            "discount_tax": "0.00",
            "shipping_total": "0.00",
            "shipping_tax": "0.00",
            "cart_tax": "0.00",
            "total": "0.00",
            "total_tax": "0.00",
            "prices_include_tax": False,
            "customer_id": buyer.customer_id,
            "customer_ip_address": "203.0.113.9",
            "customer_user_agent": _AGENT,
            "customer_note": rng.choice(NOTES) if rng.random() < 0.05 else "",
            "billing": {**who, "email": buyer.email, "phone": buyer.phone},
            "shipping": {**who, "phone": buyer.phone if rng.random() < 0.5 else ""},
            "payment_method": "p24",
            "payment_method_title": "Przelewy24",
            "transaction_id": f"p24-{order_id}",
            "date_paid": None,
            "date_paid_gmt": None,
            "date_completed": None,
            "date_completed_gmt": None,
            "cart_hash": token,
            "meta_data": [self.meta("_order_stock_reduced", "yes")],
            "line_items": line_items,
            "tax_lines": [
                {
                    "id": self.next_id(),
                    "rate_code": "VAT-1",
                    "rate_id": 1,
                    "label": "VAT",
                    "compound": False,
                    "tax_total": "0.00",
                    "shipping_tax_total": "0.00",
                    "rate_percent": _TAX,
                    "meta_data": [],
                }
            ],
            "shipping_lines": [self.shipping_line(method_id, title, cost)],
            "fee_lines": [],
            "coupon_lines": [],
            "refunds": [],
            "payment_url": "",
            "is_editable": False,
            "needs_payment": False,
            "needs_processing": True,
            "currency_symbol": _SYMBOLS.get(self.currency, self.currency),
        }
        self.dates(order, created, modified, min(created + 45, modified))
        recalculate(order)
        return order

    def dates(self, order: Payload, created: int, modified: int, paid: int | None) -> None:
        """Set the order's own times."""
        stamp(order, "date_created", created, self.zone)
        stamp(order, "date_modified", modified, self.zone)
        stamp(order, "date_paid", paid, self.zone)

    def merge(self, order: Payload, overrides: Mapping[str, Any]) -> None:
        """Lay partial overrides over an order; totals follow unless `total` itself is given.

        A line is an object with `sku` and `quantity`, or any wire keys of a line; `line_items` that is no list of
        objects goes in as it is. GMT dates may be given; shop time follows.
        """
        for key, value in overrides.items():
            if key == "line_items" and isinstance(value, list) and all(isinstance(one, dict) for one in value):
                order[key] = [self._line_from(one) for one in value]
            elif isinstance(value, dict) and isinstance(order.get(key), dict):
                order[key] = {**order[key], **value}
            else:
                order[key] = value
        for name in ("date_created", "date_modified", "date_paid", "date_completed"):
            if isinstance(overrides.get(f"{name}_gmt"), str):
                stamp(order, name, parse_gmt(overrides[f"{name}_gmt"]), self.zone)
            elif name in overrides and overrides[name] is None:
                stamp(order, name, None, self.zone)
        if "total" not in overrides and isinstance(order["line_items"], list):
            recalculate(order)

    def _line_from(self, partial: Mapping[str, Any]) -> Payload:
        quantity = partial.get("quantity", 1)
        try:
            product = self.catalogue.by_sku(str(partial.get("sku", "NB-A5")))
        except LookupError:
            product = self.catalogue.by_sku("NB-A5")
        line = self.line(product, quantity if isinstance(quantity, int) else 1)
        return {**line, **partial}
