"""The shop's back door for tests and demos (`/_twin/…`): look at everything, and be the merchant and the buyers."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from connectors.simulated.orders import Payload, add_refund, decimal, minor, recalculate, refundable, tax_of
from connectors.simulated.world import Row, World

_NUMBER = re.compile(r"(?<![A-Za-z0-9])(?=(?:[A-Za-z-]*\d){5})[A-Za-z0-9][A-Za-z0-9-]{6,38}[A-Za-z0-9](?![A-Za-z0-9])")
_STREETS = ("ul. Nowa Linijka 7", "Neuer Federweg 12", "新墨水巷 19号", "ul. Kałamarza 44 m. 3")
_SPRINKLE = ("refund", "cancel", "address", "partial_refund")


def route(world: World, method: str, path: str, body: Any) -> Any:
    """Answer an admin request. Raises `LookupError` for an unknown route or order, `ValueError` for a bad body."""
    known = f"{method} {path}"
    if known == "GET orders":
        wanted = world.rows if "orders" not in body else {id_: world.rows[id_] for id_ in body["orders"]}
        return [_shown(world, row) for _id, row in sorted(wanted.items())]
    if known == "GET counts":
        return _counts(world)
    if known == "POST orders":
        return [world.create(one).id for one in body["orders"]]
    if known == "POST arrive":
        return world.arrive(int(body.get("n", 1)), bool(body.get("plain", False)))
    if known == "POST change":
        return _shown(world, row) if (row := change(world, body)) else None
    if known == "POST scenario":
        return scenario(world, body)
    if known == "POST touch":
        ids = body["orders"] if "orders" in body else sorted(world.rows)[: int(body["n"])]
        return {"touched": world.touch(ids)}
    if known == "POST clock":
        world.offset_s, world.at_s = float(body.get("offset_s", 0)), float(body.get("at_s", 0))
        return {"now": world.now()}
    if known == "GET stock":
        units = world.catalogue.products.values()
        return {f"{one.parent_id or one.id}/{one.id if one.parent_id else ''}": one.stock for one in units}
    raise LookupError(known)


def _counts(world: World) -> dict[str, object]:
    by_status = Counter(row.status for row in world.rows.values())
    hidden = by_status["checkout-draft"] + by_status["trash"]
    return {
        "orders": len(world.rows) - hidden,
        "by_status": dict(sorted(by_status.items())),
        "products": sum(not product.parent_id for product in world.catalogue.products.values()),
        "variations": sum(bool(product.parent_id) for product in world.catalogue.products.values()),
    }


def numbers_in(text: str) -> list[str]:
    """What looks like a tracking number in a note: eight or more letters and digits, five of them digits."""
    return list(dict.fromkeys(_NUMBER.findall(text)))


def _meta_numbers(order: Payload) -> Iterator[dict[str, object]]:
    for entry in order["meta_data"] if isinstance(order["meta_data"], list) else ():
        key, value = str(entry["key"]), entry["value"]
        if "tracking" not in key.lower():
            continue
        if isinstance(value, str) and "number" in key.lower():
            yield {"number": value, "meta_key": key}
        if isinstance(value, list):
            for one in value:
                if isinstance(one, dict) and one.get("tracking_number"):
                    yield {"number": one["tracking_number"], "meta_key": key}


def _fulfilled_numbers(row: Row) -> Iterator[dict[str, object]]:
    for one in row.fulfillments:
        for meta in one["meta_data"]:
            if meta["key"] == "_tracking_number":
                yield {"number": meta["value"], "fulfillment_id": one["id"]}


def _shown(world: World, row: Row) -> dict[str, object]:
    order = world.load(row)
    lines = order["line_items"] if isinstance(order["line_items"], list) else []
    notes = [note for note in row.notes if note["_by_api"]]
    tracking: list[dict[str, object]] = [
        {"number": number, "note_id": note["id"]} for note in notes for number in numbers_in(str(note["note"]))
    ]
    return {
        "id": row.id,
        "number": order.get("number"),
        "status": row.status,
        "currency": order["currency"],
        "total": order["total"],
        "lines": [{key: line.get(key) for key in ("id", "product_id", "sku", "name", "quantity")} for line in lines],
        "tracking": [*tracking, *_meta_numbers(order), *_fulfilled_numbers(row)],
        "notes": [{"id": n["id"], "note": n["note"], "customer_note": n["customer_note"]} for n in notes],
        "refunded": decimal(sum(minor(one["total"]) for one in order["refunds"])),
        "times_completed": row.times_completed,
        "made_by_us": row.made_by_us,
        "date_created_gmt": order["date_created_gmt"],
        "date_modified_gmt": order["date_modified_gmt"],
    }


def _line(order: Payload, wanted: Any) -> Payload:
    """The line with that id, or at that place; the first when nothing is said."""
    lines: list[Payload] = order["line_items"] or []
    for line in lines:
        if line["id"] == wanted:
            return line
    place = wanted or 0
    if not isinstance(place, int) or not 0 <= place < len(lines):
        raise LookupError(f"line {wanted}")
    return lines[place]


def _resize(line: Payload, quantity: Any) -> None:
    pieces = line["quantity"] if isinstance(line["quantity"], int | float) and line["quantity"] else 1
    net = round(minor(line["total"]) / pieces * quantity)
    line.update(quantity=quantity, subtotal=decimal(net), total=decimal(net))
    line.update(subtotal_tax=decimal(tax_of(net)), total_tax=decimal(tax_of(net)))


_STATUS_OF = {
    "cancel": "cancelled",
    "complete": "completed",
    "reopen": "processing",
    "trash": "trash",
    "refund": "refunded",
}


def change(world: World, body: Payload) -> Row | None:
    """Be the merchant or the buyer: one change of one order. Returns its row, or None once it is deleted.

    `silent` leaves the modification time alone, as direct database edits do. A note never moves it.
    """
    row = world.rows.get(body["order"])
    if row is None:
        raise LookupError(f"order {body['order']}")
    what = body["change"]
    if what == "delete":
        world.delete(row)
        return None
    if what == "note":
        world.note(
            row, str(body.get("note", "Zapakować razem")), "shop-manager", bool(body.get("customer_note", False))
        )
        return row
    order = world.load(row)
    if what in _STATUS_OF or what == "status":
        world.transition(row, order, str(body["status"]) if what == "status" else _STATUS_OF[what], by_api=False)
    elif what == "partial_refund":
        line = _line(order, body.get("line"))
        pieces = {line["id"]: int(body.get("quantity", 1))}
        reason = str(body.get("reason", "buyer changed their mind"))
        row.refunds.insert(0, add_refund(order, pieces, None, reason, world.now(), world.factory))
        if refundable(order) <= 0:
            world.transition(row, order, "refunded", by_api=False)
    elif what == "address":
        side = str(body.get("side", "shipping"))
        held = order[side] if isinstance(order[side], dict) else {}
        if not any(held.values()) and isinstance(order["billing"], dict):
            held = {key: order["billing"].get(key, "") for key in held}
        order[side] = {**held, **(body.get("address") or {"address_1": _STREETS[row.id % len(_STREETS)]})}
    elif what == "quantity":
        line = _line(order, body.get("line"))
        _resize(line, body["quantity"] if "quantity" in body else line["quantity"] + 1)
        recalculate(order)
    elif what == "add_line":
        product = world.catalogue.by_sku(str(body.get("sku", "NB-A5")))
        order["line_items"] = [*(order["line_items"] or []), world.factory.line(product, int(body.get("quantity", 1)))]
        recalculate(order)
    elif what == "remove_line":
        order["line_items"].remove(_line(order, body.get("line")))
        recalculate(order)
    elif what == "set":
        order.update(body["values"])
    else:
        raise ValueError(f"no such change: {what}")
    world.save(row, order, touch=not body.get("silent", False))
    return row


def scenario(world: World, body: Payload) -> dict[str, object]:
    """A random sprinkle of refunds, cancellations and address changes over orders in work.

    In the phase `shipped` completed orders are touched too. The same seed over the same orders does the same.
    """
    phase = body.get("phase", "review")
    if phase not in ("review", "print", "shipped"):
        raise ValueError(f"no such phase: {phase}")
    open_statuses = ("processing", "completed") if phase == "shipped" else ("processing",)
    rng = random.Random(f"{phase} {body.get('seed', 1)}")
    share = float(body.get("share", 0.02))
    chosen = sorted(body["orders"]) if body.get("orders") is not None else sorted(world.rows)
    applied = []
    for id_ in chosen:
        row = world.rows.get(id_)
        if row is None or row.status not in open_statuses or rng.random() >= share:
            continue
        what = rng.choice(_SPRINKLE)
        order = world.load(row)
        if what == "partial_refund" and not _has_whole_line(order):
            what = "refund"
        change(world, {"order": id_, "change": what})
        applied.append({"order": id_, "change": what})
    return {
        "phase": phase,
        "applied": applied,
        "counts": dict(sorted(Counter(one["change"] for one in applied).items())),
    }


def _has_whole_line(order: Payload) -> bool:
    lines = order["line_items"]
    return bool(lines) and isinstance(lines[0]["quantity"], int) and isinstance(order["billing"], dict)
