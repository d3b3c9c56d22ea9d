"""What an API write does to an order: PUT and POST of the writable keys, with the shop's own rules.

Source: reference page §4 and "Measured on a real store": no transition check, read-only keys are ignored, an
unregistered status is 400, a line with quantity 0 goes, sending lines recalculates the totals.
"""

from typing import Any

from connectors.simulated.catalogue import Product
from connectors.simulated.orders import Payload, decimal, minor, recalculate, stamp, tax_of
from connectors.simulated.wordpress import Refusal, invalid_params
from connectors.simulated.world import Row, World

_TYPES: dict[str, tuple[type, str]] = {
    "status": (str, "string"),
    "currency": (str, "string"),
    "customer_id": (int, "integer"),
    "customer_note": (str, "string"),
    "transaction_id": (str, "string"),
    "payment_method": (str, "string"),
    "payment_method_title": (str, "string"),
    "set_paid": (bool, "boolean"),
    "billing": (dict, "object"),
    "shipping": (dict, "object"),
    "meta_data": (list, "array"),
    "line_items": (list, "array"),
    "shipping_lines": (list, "array"),
    "fee_lines": (list, "array"),
    "coupon_lines": (list, "array"),
}
_PLAIN = ("currency", "customer_id", "customer_note", "transaction_id", "payment_method", "payment_method_title")
_RECALCULATES = {"line_items", "shipping_lines", "fee_lines", "coupon_lines", "billing", "shipping"}
_CURRENCIES = ("PLN", "EUR", "USD", "GBP", "CNY", "CZK", "UAH", "JPY")


def check_types(body: Payload, statuses: tuple[str, ...]) -> None:
    """Raise 400 `rest_invalid_param` for values of the wrong type or outside their set."""
    problems: dict[str, tuple[str, str]] = {}
    for name, (kind, word) in _TYPES.items():
        if name in body and not isinstance(body[name], kind):
            problems[name] = ("rest_invalid_type", f"{name} is not of type {word}.")
    status = body.get("status")
    if isinstance(status, str) and status not in statuses:
        problems["status"] = ("rest_not_in_enum", f"status is not one of {', '.join(statuses)}.")
    if isinstance(body.get("currency"), str) and body["currency"] not in _CURRENCIES:
        problems["currency"] = ("rest_not_in_enum", f"currency is not one of {', '.join(_CURRENCIES)}.")
    billing = body.get("billing")
    if isinstance(billing, dict) and billing.get("email") and "@" not in str(billing["email"]):
        problems["billing"] = ("rest_invalid_email", "Invalid email address.")
    for name in ("meta_data", "line_items", "shipping_lines", "fee_lines", "coupon_lines"):
        if isinstance(body.get(name), list) and not all(isinstance(one, dict) for one in body[name]):
            problems[name] = ("rest_invalid_type", f"{name}[0] is not of type object.")
    if problems:
        raise invalid_params(problems)


def apply(world: World, row: Row, order: Payload, body: Payload, new: bool = False) -> None:
    """Change `order` by the writable keys of `body`; the caller saves it. Raises `Refusal`: then keep nothing."""
    check_types(body, world.statuses)
    for name in _PLAIN:
        if name in body:
            order[name] = body[name]
    for side in ("billing", "shipping"):
        if side in body:
            kept = order[side] if isinstance(order[side], dict) else {}
            order[side] = {**kept, **{key: str(value) for key, value in body[side].items()}}
    if "meta_data" in body:
        _meta(world, order, body["meta_data"])
    if "line_items" in body:
        order["line_items"] = order["line_items"] or []
        for item in body["line_items"]:
            _line(world, order, item)
    for name in ("shipping_lines", "fee_lines", "coupon_lines"):
        for item in body.get(name, ()):
            _other_line(world, order, name, item)
    if _RECALCULATES & body.keys() and order["line_items"] is not None:
        recalculate(order)
    if body.get("set_paid") and order["status"] in ("pending", "on-hold", "failed", "cancelled"):
        stamp(order, "date_paid", world.now(), world.zone)
        world.transition(row, order, "processing" if order.get("needs_processing", True) else "completed", True)
    if "status" in body and not (new and body["status"] == order["status"]):
        world.transition(row, order, body["status"], by_api=True)


def _meta(world: World, order: Payload, entries: list[Payload]) -> None:
    held: list[Payload] = order["meta_data"]
    for entry in entries:
        by_id = [one for one in held if one["id"] == entry.get("id")] if entry.get("id") else []
        found = by_id or [one for one in held if "key" in entry and one["key"] == entry["key"]]
        if entry.get("value", "") is None:
            held[:] = [one for one in held if not found or one is not found[0]]
        elif found:
            found[0].update({key: entry[key] for key in ("key", "value") if key in entry})
        elif "key" in entry:
            held.append(world.factory.meta(str(entry["key"]), entry.get("value", "")))


def _gone(item: Payload, key: str) -> bool:
    """Does the item ask for its line to be removed (quantity 0, or a null in its main key)?"""
    return item.get("quantity", 1) == 0 or (key in item and item[key] is None)


def _line(world: World, order: Payload, item: Payload) -> None:
    lines: list[Payload] = order["line_items"]
    if not item.get("id"):
        product = _product(world, item)
        line = world.factory.line(product, int(item.get("quantity", 1)))
        line.update({key: str(item[key]) for key in ("total", "subtotal") if key in item})
        lines.append(line)
        return
    found = _by_id(lines, item["id"])
    if _gone(item, "product_id"):
        lines.remove(found)
        return
    if "quantity" in item and item["quantity"] != found["quantity"]:
        price = minor(found["subtotal"]) / (found["quantity"] or 1)
        net = round(price * item["quantity"])
        found.update(quantity=item["quantity"], subtotal=decimal(net), total=decimal(net))
        found.update(subtotal_tax=decimal(tax_of(net)), total_tax=decimal(tax_of(net)))
    for key in ("name", "total", "subtotal", "total_tax", "subtotal_tax"):
        if key in item:
            found[key] = str(item[key])
    if isinstance(item.get("meta_data"), list):
        _meta(world, found, item["meta_data"])


def _product(world: World, item: Payload) -> Product:
    wanted = item.get("variation_id") or item.get("product_id")
    product = world.catalogue.products.get(wanted) if isinstance(wanted, int) else None
    if product is None and item.get("sku"):
        try:
            return world.catalogue.by_sku(str(item["sku"]))
        except LookupError:
            product = None
    if product is None:
        code = "woocommerce_rest_required_product_reference"
        raise Refusal(400, code, "Product ID or SKU is required.")
    return product


def _other_line(world: World, order: Payload, name: str, item: Payload) -> None:
    lines: list[Payload] = order[name]
    key = {"shipping_lines": "method_id", "fee_lines": "name", "coupon_lines": "code"}[name]
    if item.get("id"):
        found = _by_id(lines, item["id"])
        if _gone(item, key):
            lines.remove(found)
        else:
            found.update({word: value for word, value in item.items() if word != "id"})
    elif name == "shipping_lines":
        title = str(item.get("method_title", ""))
        lines.append(world.factory.shipping_line(str(item.get("method_id", "")), title, minor(item.get("total", "0"))))
    else:
        blank: Payload = {"id": world.factory.next_id(), "total": "0.00", "total_tax": "0.00", "meta_data": []}
        lines.append({**blank, **item})


def _by_id(lines: list[Payload], wanted: Any) -> Payload:
    for line in lines:
        if line["id"] == wanted:
            return line
    code = "woocommerce_rest_invalid_item_id"
    raise Refusal(400, code, "Order item ID provided is not associated with order.")


def blank_order(world: World, order_id: int) -> Payload:
    """An empty `pending` order as the API creates it before the body is applied."""
    order = world.factory.plain(order_id, world.now(), world.now(), 1)
    order.update(status="pending", created_via="rest-api", customer_id=0, customer_note="", transaction_id="")
    order.update(payment_method="", payment_method_title="", line_items=[], shipping_lines=[], meta_data=[])
    for side in ("billing", "shipping"):
        order[side] = dict.fromkeys(order[side], "")
    stamp(order, "date_paid", None, world.zone)
    recalculate(order)
    return order
