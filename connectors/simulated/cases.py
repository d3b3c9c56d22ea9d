"""The orders that are not plain: what shops hold beside paid parcels, and payloads that poison a careless reader."""

from collections.abc import Callable

from connectors.simulated.orders import OrderFactory, Payload, decimal, minor, parse_gmt, stamp, tax_of
from connectors.simulated.people import UGLY_NOTES

Mutate = Callable[[Payload, OrderFactory], None]

DAY = 86_400


def _unpaid(order: Payload, factory: OrderFactory) -> None:
    stamp(order, "date_paid", None, factory.zone)
    order["transaction_id"] = ""


def _cod(order: Payload, factory: OrderFactory) -> None:
    _unpaid(order, factory)
    order.update(payment_method="cod", payment_method_title="Za pobraniem")


def _bacs_on_hold(order: Payload, factory: OrderFactory) -> None:
    _unpaid(order, factory)
    order.update(status="on-hold", payment_method="bacs", payment_method_title="Przelew bankowy")


def _pending(order: Payload, factory: OrderFactory) -> None:
    _unpaid(order, factory)
    order.update(status="pending", needs_payment=True, is_editable=True, meta_data=[])


def _failed(order: Payload, factory: OrderFactory) -> None:
    _pending(order, factory)
    order["status"] = "failed"


def _draft(order: Payload, factory: OrderFactory) -> None:
    _pending(order, factory)
    order.update(status="checkout-draft", created_via="store-api", needs_payment=False)


def _virtual(order: Payload, factory: OrderFactory) -> None:
    order.update(
        line_items=[factory.line(factory.catalogue.products[211], 1)], shipping_lines=[], needs_processing=False
    )


def _completed(order: Payload, factory: OrderFactory) -> None:
    order["status"] = "completed"
    stamp(order, "date_completed", parse_gmt(order["date_modified_gmt"]), factory.zone)


def _virtual_completed(order: Payload, factory: OrderFactory) -> None:
    _virtual(order, factory)
    _completed(order, factory)


def _cancelled(order: Payload, factory: OrderFactory) -> None:
    _unpaid(order, factory)
    order.update(status="cancelled", meta_data=[])


def _local_pickup(order: Payload, factory: OrderFactory) -> None:
    order["shipping_lines"] = [factory.shipping_line("local_pickup", "Odbiór osobisty", 0)]
    order["shipping"] = dict.fromkeys(order["shipping"], "")


def _pickup_location(order: Payload, factory: OrderFactory) -> None:
    place = [factory.meta("pickup_location", "Showroom"), factory.meta("pickup_address", "ul. Kałamarza 1, Poznań")]
    order["shipping_lines"] = [factory.shipping_line("pickup_location", "Pickup (Showroom)", 0, place)]


def _parcel_machine(order: Payload, factory: OrderFactory) -> None:
    point = [factory.meta("parcel_machine_id", f"POZ{order['id'] % 90 + 10}A"), factory.meta("_hidden", "x")]
    line = factory.shipping_line("easypack_parcel_machines", "Paczkomat", 1299, point)
    order["shipping_lines"] = [line]


def _multi_line(order: Payload, factory: OrderFactory) -> None:
    products = factory.catalogue.ordinary[: min(12, len(factory.catalogue.ordinary))]
    order["line_items"] = [factory.line(product, n % 4 + 1) for n, product in enumerate(products)]
    order["line_items"].append(factory.line(products[0], 1))


def _no_sku(order: Payload, factory: OrderFactory) -> None:
    products = factory.catalogue.products
    order["line_items"] = [factory.line(products[207], 2), factory.line(products[323], 1)]


def _ugly_note(order: Payload, factory: OrderFactory) -> None:
    order["customer_note"] = UGLY_NOTES[order["id"] % len(UGLY_NOTES)]


def _ship_to_billing(order: Payload, factory: OrderFactory) -> None:
    order["shipping"] = dict.fromkeys(order["shipping"], "")


def _gift(order: Payload, factory: OrderFactory) -> None:
    order["shipping"].update(
        first_name="乐", last_name="诸葛", company="", address_1="文具路 88号", address_2="3单元 502"
    )
    order["shipping"].update(city="上海市", state="CN2", postcode="200099", country="CN", phone="+86 199 0000 0001")


def _email_only(order: Payload, factory: OrderFactory) -> None:
    order["billing"]["phone"] = order["shipping"]["phone"] = ""


def _phone_only(order: Payload, factory: OrderFactory) -> None:
    order["billing"]["email"] = ""


def _engraving(order: Payload, factory: OrderFactory) -> None:
    order["line_items"][0]["meta_data"] += [
        factory.meta("Grawer", "„Dla Łucji” ♥", display_key="Grawer", display_value="„Dla Łucji” ♥"),
        factory.meta("_internal", {"position": [1, 2]}),
    ]


def _coupon_and_fee(order: Payload, factory: OrderFactory) -> None:
    line = order["line_items"][0]
    net = round(minor(line["subtotal"]) * 0.9)
    line.update(total=decimal(net), total_tax=decimal(tax_of(net)))
    off = decimal(minor(line["subtotal"]) - net)
    order["coupon_lines"] = [
        {"id": factory.next_id(), "code": "zeszyt10", "discount": off, "discount_tax": "0.00", "meta_data": []}
    ]
    order["fee_lines"] = [
        {
            "id": factory.next_id(),
            "name": "Gift wrap",
            "tax_class": "",
            "total": "5.00",
            "total_tax": "1.15",
            "meta_data": [],
        }
    ]


def _two_packages(order: Payload, factory: OrderFactory) -> None:
    order["shipping_lines"].append(factory.shipping_line("flat_rate", "Second parcel", 900))


def _erased(order: Payload, factory: OrderFactory) -> None:
    _completed(order, factory)
    for side in ("billing", "shipping"):
        order[side] = {
            key: "[deleted]" if key in ("first_name", "last_name", "address_1") else "" for key in order[side]
        }
    order["billing"]["email"] = "deleted@site.invalid"


def _old(order: Payload, factory: OrderFactory) -> None:
    back = (70 + order["id"] % 40) * DAY
    factory.dates(
        order,
        parse_gmt(order["date_created_gmt"]) - back,
        parse_gmt(order["date_modified_gmt"]) - back,
        parse_gmt(order["date_created_gmt"]) - back + 45,
    )


def _partial_refund(order: Payload, factory: OrderFactory) -> None:
    order["line_items"][0] = factory.line(factory.catalogue.by_sku("PEN-07"), 3)


def _refunded(order: Payload, factory: OrderFactory) -> None:
    order["status"] = "refunded"


CASES: dict[str, Mutate] = {
    "cod": _cod,
    "bacs_on_hold": _bacs_on_hold,
    "pending": _pending,
    "failed": _failed,
    "checkout_draft": _draft,
    "virtual": _virtual,
    "virtual_completed": _virtual_completed,
    "completed": _completed,
    "cancelled": _cancelled,
    "refunded": _refunded,
    "partial_refund": _partial_refund,
    "local_pickup": _local_pickup,
    "pickup_location": _pickup_location,
    "parcel_machine": _parcel_machine,
    "multi_line": _multi_line,
    "no_sku": _no_sku,
    "ugly_note": _ugly_note,
    "ship_to_billing": _ship_to_billing,
    "gift": _gift,
    "email_only": _email_only,
    "phone_only": _phone_only,
    "engraving": _engraving,
    "coupon_and_fee": _coupon_and_fee,
    "two_packages": _two_packages,
    "erased": _erased,
    "old": _old,
}
"""Good orders of every kind; totals are worked out afterwards, and refunds made for `refunded` and `partial_refund`."""


def _no_customer(order: Payload, factory: OrderFactory) -> None:
    order["billing"] = dict.fromkeys(order["billing"], "")
    order["shipping"] = dict.fromkeys(order["shipping"], "")
    order["customer_id"] = 0


def _no_contact(order: Payload, factory: OrderFactory) -> None:
    order["billing"].update(email="", phone="")
    order["shipping"]["phone"] = ""


def _deleted_product(order: Payload, factory: OrderFactory) -> None:
    order["line_items"][0].update(product_id=0, variation_id=0, sku="", parent_name=None)


def _entity_name(order: Payload, factory: OrderFactory) -> None:
    name = "Markers &amp; &lt;b&gt;liners&lt;/b&gt; &ndash; &#8222;set&#8221;"
    order["line_items"][0]["name"] = name


def _object_meta(order: Payload, factory: OrderFactory) -> None:
    order["meta_data"] += [
        factory.meta("_gift", {"to": {"name": "Łucja"}, "n": [1, None, 2.5]}),
        factory.meta("_flag", True),
        factory.meta("_tracking_number", {"0": ["not", "text"]}),
    ]


def _no_price(order: Payload, factory: OrderFactory) -> None:
    for line in order["line_items"]:
        del line["price"]


def _no_lines(order: Payload, factory: OrderFactory) -> None:
    order.update(line_items=[], total=order["shipping_total"])


POISON: dict[str, Mutate] = {
    "fractional_quantity": lambda order, _f: order["line_items"][0].update(quantity=1.5),
    "unknown_currency": lambda order, _f: order.update(currency="XQZ", currency_symbol=""),
    "foreign_currency": lambda order, f: order.update(currency="EUR" if f.currency != "EUR" else "PLN"),
    "zero_lines": _no_lines,
    "no_customer": _no_customer,
    "no_contact": _no_contact,
    "lines_null": lambda order, _f: order.update(line_items=None),
    "total_abc": lambda order, _f: order.update(total="abc"),
    "entity_name": _entity_name,
    "object_meta": _object_meta,
    "deleted_product": _deleted_product,
    "no_price": _no_price,
    "billing_list": lambda order, _f: order.update(billing=[]),
    "quantity_text": lambda order, _f: order["line_items"][0].update(quantity="two"),
    "number_missing": lambda order, _f: order.pop("number"),
    "unregistered_status": lambda order, _f: order.update(status="packed-by-plugin"),
}
"""Payloads that are odd or broken, applied after the totals."""


def _plugin_address(order: Payload, factory: OrderFactory) -> None:
    for side in ("billing", "shipping"):
        order[side] |= {"_vat": {"number": [1, None]}, "parcel_shop": ["POZ01A"], "marketing_consent": True}


def _keys_missing(order: Payload, factory: OrderFactory) -> None:
    for key in ("customer_note", "customer_ip_address", "cart_hash", "prices_include_tax", "number"):
        order.pop(key, None)


def _object_options(order: Payload, factory: OrderFactory) -> None:
    order["line_items"][0]["meta_data"] = [
        {**factory.meta("_bundle", {"items": [{"id": 1}]}), "display_key": None, "display_value": {"a": 1}},
        {**factory.meta("Size", 42), "display_key": "Size", "display_value": ["no", "text"]},
    ]
    order["meta_data"].append({"id": factory.next_id(), "key": 7, "value": [{"key": {"deep": None}}]})


ODD: dict[str, Mutate] = {
    "plugin_address": _plugin_address,
    "keys_missing": _keys_missing,
    "object_options": _object_options,
}
"""What plugins make of good orders. Made where they are asked for only: the mixture of a world stays as it was."""
