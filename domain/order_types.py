"""Order types: what a shop's imported orders begin with, by the order's own words (ROA-18).

A type is one sentence of the setting `order_types`, `NAME: condition, …, consequence, …`; types are parted by semicolons and
an order belongs to the first whose every condition it meets. Conditions: `kind`, `payment`, `status` (the platform's own
word), `method` (a part of the shipping method). Consequences: `stage` (review or processing), `hold` (a reason), `flag`
(a colour from 1 to 10).
"""

from functools import lru_cache

from msgspec import Struct

from domain.enums import OrderKind, Payment, Stage
from domain.records import Order
from domain.results import Refused
from domain.text import safe
from domain.words import _

_CONDITIONS = {"kind", "payment", "status", "method"}
_CLOSED: dict[str, frozenset[str]] = {
    "kind": frozenset(OrderKind),
    "payment": frozenset(Payment),
    "stage": frozenset({Stage.REVIEW.word, Stage.PROCESSING.word}),
    "flag": frozenset(str(colour) for colour in range(1, 11)),
}


class OrderType(Struct, frozen=True):
    """What the orders that meet `conditions` (name, value) begin with."""

    name: str
    conditions: tuple[tuple[str, str], ...] = ()
    stage: Stage = Stage.REVIEW
    hold: str = ""
    """Why they are held, '' = they are not."""
    flag: int = 0
    """Their colour, 0 = none."""

    def takes(self, order: Order) -> bool:
        """Does an order belong to this type?"""
        own = {"kind": order.kind.value, "payment": order.payment.value, "status": order.raw_status.casefold()}
        return all(
            value.casefold() in order.shipping_method.casefold() if name == "method" else own[name] == value.casefold()
            for name, value in self.conditions
        )


def type_of(order: Order, types: tuple[OrderType, ...]) -> OrderType | None:
    """The type an order belongs to, or None: then it begins in review."""
    return next((one for one in types if one.takes(order)), None)


@lru_cache(maxsize=64)
def order_types(text: str) -> tuple[OrderType, ...] | Refused:
    """The types that a setting names, or what is wrong with it (`bad_setting`)."""
    found: list[OrderType] = []
    for sentence in filter(None, (part.strip() for part in text.split(";"))):
        one = _type(sentence)
        if isinstance(one, Refused):
            return one
        if any(other.name == one.name for other in found):
            return _bad(_("Two order types are called {name}.").format(name=safe(one.name, 40)))
        found.append(one)
    return tuple(found)


def _type(sentence: str) -> OrderType | Refused:
    name, _sep, rest = sentence.partition(":")
    pairs = [part.partition("=") for part in rest.split(",") if part.strip()]
    given = {key.strip(): value.strip() for key, _eq, value in pairs}
    if not name.strip() or not given or len(given) < len(pairs):
        return _bad(_("An order type is NAME: what=value, … each once: {text}").format(text=safe(sentence, 60)))
    for key, value in given.items():
        if key not in _CONDITIONS | {"stage", "hold", "flag"}:
            return _bad(_("An order type knows no {what}.").format(what=safe(key, 40)))
        if not value or (key in _CLOSED and value not in _CLOSED[key]):
            known = ", ".join(sorted(_CLOSED.get(key, ()))) or _("a text")
            return _bad(_("{what} of an order type is one of {known}.").format(what=key, known=known))
    stage, hold = Stage[given.get("stage", Stage.REVIEW.word).upper()], given.get("hold", "")
    if hold and stage is not Stage.REVIEW:
        return _bad(_("An order type that holds its orders begins in review."))
    conditions = tuple((key, value) for key, value in given.items() if key in _CONDITIONS)
    return OrderType(name.strip(), conditions, stage, hold, int(given.get("flag", 0)))


def _bad(text: str) -> Refused:
    return Refused("bad_setting", text, "order_types")
