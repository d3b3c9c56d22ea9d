"""What connectors share when they turn a platform's wire into records: tolerant readers, and one way to give up on a payload."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from connectors.contract import Field, Parsed, Poison
from domain.money import BadAmount, Money, UnknownCurrency
from domain.records import Order
from domain.text import safe
from domain.words import _

T = TypeVar("T")

Scalar = str | int | float | bool | None
"""What loosely typed platforms put where any one value belongs."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?")


class BadOrder(ValueError):
    """A payload that cannot become an order (or a product); `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def as_text(value: object) -> str:
    """A scalar as text; '' for none, true, false, a list or an object."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int:
        return str(value)
    return "" if value is None or isinstance(value, _NO_TEXT) else str(value)


_NO_TEXT = (bool, list, dict)


def as_number(value: object, what: str, code: str = "bad_amount") -> Decimal:
    """A number given as text or number. `what` names it in the `BadOrder` this raises for anything else."""
    words = as_text(value).strip()
    if (number := _decimal(words) if len(words) <= 60 else None) is None:
        raise BadOrder(code, _("{what} is not a number: {value}").format(what=what, value=safe(words, 40)))
    return number


def as_minor(value: object, currency: str, what: str) -> int:
    """An amount in minor units of `currency`. Raises as `as_number` does, and what `Money.parse` raises."""
    words = as_text(value).strip()
    known = _minor(words, currency) if len(words) <= 60 else None
    return known if known is not None else Money.parse(as_number(words, what), currency).minor


@lru_cache(maxsize=8192)
def _minor(words: str, currency: str) -> int | None:
    number = _decimal(words)
    return None if number is None else Money.parse(number, currency).minor


@lru_cache(maxsize=8192)
def _decimal(words: str) -> Decimal | None:
    """A shop has few prices and fewer quantities."""
    return Decimal(words) if _NUMBER.fullmatch(words) else None


def listed(value: object) -> list[Any]:
    """A list, also where PHP wrote an array with gaps as an object; [] for anything else."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def option(name: str, label: str, help: str = "", default: str = "", secret: bool = False) -> Field:
    """A field that may stay empty."""
    return Field(name, label, secret=secret, required=False, default=default, help=help)


def in_list(text: str) -> list[str]:
    """The words of a setting that are separated by commas, Chinese ones too; empty ones left out."""
    return [word.strip() for word in re.split("[,，]", text) if word.strip()]


def in_pairs(text: str) -> list[tuple[str, str]]:
    """The pairs of a setting like `one=other, two=third`; what stands alone has '' as its other half."""
    halves = (word.partition("=") for word in in_list(text))
    return [(one.strip(), other.strip()) for one, _sign, other in halves]


def understood(build: Callable[[], Order], raw: bytes, platform_order_id: str) -> Parsed | Poison:
    """The order that `build` makes of `raw`, or why it cannot be one; never raises for what a platform may send."""
    try:
        return Parsed(build(), raw)
    except UnknownCurrency as error:
        problem = ("unknown_currency", _("No known currency: {code}").format(code=safe(error, 20)))
    except BadAmount as error:
        problem = ("bad_amount", _("Not an amount: {amount}").format(amount=safe(error, 40)))
    except BadOrder as error:
        problem = (error.code, str(error))
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        problem = ("malformed_order", safe(error))
    return Poison(platform_order_id, *problem, raw)


async def every(calls: Sequence[Awaitable[T]]) -> list[T]:
    """Every result, in order; the first failure is raised once none is under way."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
