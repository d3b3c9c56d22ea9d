"""Are a command's arguments sensible? Asked once, before a batch is made, so that no row can trip over them."""

from collections.abc import Mapping
from typing import Any

from domain.enums import Status
from domain.facts import CustomsFacts
from domain.records import Address
from domain.results import Refused
from domain.words import _

_TEXT_LIMIT = 2000


def check(command: str, arguments: Mapping[str, Any]) -> Refused | None:
    """Why these arguments cannot be used for `command`, or None."""
    for name, value in arguments.items():
        if isinstance(value, str) and len(value) > _TEXT_LIMIT:
            return Refused("bad_argument", _("{name} is too long.").format(name=name), name)
    match command:
        case "flag":
            return _whole(arguments, "colour", 0, 10)
        case "assign":
            return _whole(arguments, "service_id", 1, 2**53)
        case "take-out":
            return _whole(arguments, "order_id", 1, 2**53)
        case "print":
            return _whole(arguments, "copies", 1, 20) if "copies" in arguments else None
        case "address":
            return _address(arguments)
        case "customs":
            return _customs(arguments)
        case "split":
            return _split(arguments.get("lines"))
        case "recall":
            return _choice(arguments, "to", {"to_print", "close"})
        case "back":
            return _choice(arguments, "to", {"review", "processing"})
        case "close":
            return _choice(arguments, "status", {s.value for s in Status})
        case _:
            return None


def _whole(arguments: Mapping[str, Any], name: str, least: int, most: int) -> Refused | None:
    text = str(arguments.get(name, "")).strip()
    if text.isascii() and text.isdecimal() and len(text) < 17 and least <= int(text) <= most:
        return None
    return Refused(
        "bad_argument",
        _("{name} is a whole number from {least} to {most}.").format(name=name, least=least, most=most),
        name,
    )


def _choice(arguments: Mapping[str, Any], name: str, known: set[str]) -> Refused | None:
    if name not in arguments or str(arguments[name]) in known:
        return None
    return Refused(
        "bad_argument", _("{name} is one of {known}.").format(name=name, known=", ".join(sorted(known))), name
    )


def _address(arguments: Mapping[str, Any]) -> Refused | None:
    given = {k: v for k, v in arguments.items() if not k.startswith("_")}
    for name in given:
        if name not in Address.__struct_fields__:
            known = ", ".join(Address.__struct_fields__)
            return Refused(
                "bad_argument", _("An address has no {name}; it has {known}.").format(name=name, known=known), name
            )
    country = str(given.get("country", "PL")).strip()
    if len(country) != 2 or not country.isascii() or not country.isalpha():
        return Refused("bad_argument", _("A country is its two-letter code, such as PL."), "country")
    return None if given else Refused("bad_argument", _("Nothing to change was given."))


def _customs(arguments: Mapping[str, Any]) -> Refused | None:
    known = {*CustomsFacts.__struct_fields__, "sku"}
    for name, value in arguments.items():
        if name.startswith("_"):
            continue
        if name not in known:
            return Refused("bad_argument", _("Customs has no field {name}.").format(name=name), name)
        if name in {"unit_weight_g", "unit_value_minor"} and (refused := _whole({name: value}, name, 0, 10**9)):
            return refused
    return None


def _split(lines: Any) -> Refused | None:
    if not isinstance(lines, Mapping) or not lines:
        return Refused("bad_split", _("Name lines of this shipment with quantities it holds."), "lines")
    for line, pieces in lines.items():
        if not str(line).isdecimal() or not str(pieces).isdecimal() or len(str(pieces)) > 9:
            return Refused("bad_split", _("Name lines of this shipment with quantities it holds."), "lines")
    return None
