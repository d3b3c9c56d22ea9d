"""The grammar of the `/` filter and of `--where`: words that must all hold.

    shop:PL-Woo country:PL,DE !sku:BD-RED status:failed held:yes total:>100 Kowalski

`field:value`, several values separated by commas (any of them), `!` in front for not, `"…"` around spaces, `>`/`<` in
front of a number or date. A bare word looks for an order number, waybill, code, phone or a name (`domain.search`).
Never SQL.
"""

import re
from datetime import datetime

from msgspec import Struct

from domain.enums import Flag, OrderKind, Payment, Stage, Status
from domain.results import Refused
from domain.words import _

FIELDS: dict[str, str] = {
    "stage": _("stage name"),
    "status": _("sub-status, as shown"),
    "shop": _("shop name"),
    "platform": _("platform"),
    "country": _("two-letter country of the recipient"),
    "city": _("city of the recipient"),
    "sku": _("SKU of a line; * at the end for a beginning"),
    "service": _("service code"),
    "carrier": _("carrier account"),
    "order": _("order number"),
    "waybill": _("waybill number"),
    "buyer": _("a name of the buyer or recipient: beginnings of its words, any part of a Chinese one"),
    "phone": _("phone number"),
    "kind": _("delivery, pickup, pickup_point, same_city, virtual"),
    "payment": _("prepaid, on_delivery, marked"),
    "reason": _("reason code"),
    "held": _("yes or no"),
    "printed": _("yes or no"),
    "note": _("unread, yes or no"),
    "trouble": _("yes or no: needs a hand"),
    "flag": _("colour number"),
    "batch": _("batch name; NAME/CODE only what stayed for that reason"),
    "total": _("amount, with < or >"),
    "quantity": _("pieces, with < or >"),
    "ship_by": _("date, with < or >"),
    "code": _("our shipment code"),
    "is": _("after_sale, lines_changed, label_stale, stopped, pull, told_not_sent, first_import, merged, to_void …"),
}

COMPARED = {"total", "quantity", "ship_by"}
CHOICES: dict[str, frozenset[str]] = {
    "stage": frozenset(s.word for s in Stage),
    "status": frozenset(s.value for s in Status),
    "kind": frozenset(k.value for k in OrderKind),
    "payment": frozenset(k.value for k in Payment),
    "held": frozenset({"yes", "no"}),
    "printed": frozenset({"yes", "no"}),
    "trouble": frozenset({"yes", "no"}),
    "note": frozenset({"unread", "yes", "no"}),
    "flag": frozenset(str(n) for n in range(11)),
    "is": frozenset({*(flag.name.lower() for flag in Flag if flag.name), "to_void"}),
}
"""Fields that take only these values; a typo must not look like an empty list."""
_SHAPES = {
    "total": re.compile(r"\d{1,12}(\.\d{1,4})?"),
    "quantity": re.compile(r"\d{1,9}"),
    "ship_by": re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?"),
}


class Term(Struct, frozen=True):
    """One condition: any of `values` of `field` ('' = a bare word), negated or compared (`<`, `>`, '=')."""

    field: str
    values: tuple[str, ...]
    negated: bool = False
    compare: str = "="


_WORD = re.compile(r'(!?)(?:([a-z_]+):)?("[^"]*"|[^\s"]+)')


def _no_field(field: str) -> str:
    """Short enough for a line of 80 columns where the field is nearly one."""
    from difflib import get_close_matches  # Whoever types no wrong field need not load it.

    if near := get_close_matches(field, FIELDS, 1, 0.7):
        return _("There is no field {field}; did you mean {near}?").format(field=field, near=near[0])
    return _("No field {field}. There are: {fields}.").format(field=field, fields=", ".join(FIELDS))


def parse(text: str) -> list[Term] | Refused:
    """Read a filter; refused with the word that was not understood."""
    terms: list[Term] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _WORD.match(text, position)
        if match is None:
            return Refused("bad_filter", _("Not understood: {rest}").format(rest=text[position : position + 30]))
        position = match.end()
        negated, field, value = bool(match[1]), match[2] or "", match[3].strip('"')
        if field and field not in FIELDS:
            return Refused("bad_filter", _no_field(field), field)
        compare = "="
        if field in COMPARED and value[:1] in {"<", ">"}:
            compare, value = value[0], value[1:]
        quoted = match[3].startswith('"')
        values = tuple(v for v in value.split(",") if v) if field and not quoted else (value,)
        if not values or not all(values):
            return Refused("bad_filter", _("{field} has no value.").format(field=field or '""'), field)
        if field in CHOICES:
            values = tuple(v.lower().replace("-", "_") for v in values)
        if wrong := _wrong(field, values):
            return Refused("bad_filter", wrong, field)
        terms.append(Term(field, values, negated, compare))
    return terms


def _wrong(field: str, values: tuple[str, ...]) -> str:
    """What is wrong with a field's values; '' when nothing is."""
    if field in CHOICES and (unknown := sorted(set(values) - CHOICES[field])):
        return _("{field} is never {value}; it is one of {known}.").format(
            field=field, value=unknown[0], known=", ".join(sorted(CHOICES[field]))
        )
    if field in COMPARED:
        for value in values:
            if not _SHAPES[field].fullmatch(value):
                return _("{field} wants a number or a date, not {value}.").format(field=field, value=value)
            if field == "ship_by":
                try:
                    datetime.fromisoformat(value)
                except ValueError:
                    return _("There is no day {value}.").format(value=value)
    return ""
