"""Money: integer minor units and an ISO 4217 code, never a float."""

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from msgspec import Struct

# ISO 4217 active codes; the digits after the point where they are not two.
_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
_TWO_DIGITS = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "ANG",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BGN",
        "BMD",
        "BND",
        "BOB",
        "BOV",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHE",
        "CHF",
        "CHW",
        "CNY",
        "COP",
        "COU",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IRR",
        "JMD",
        "KES",
        "KGS",
        "KHR",
        "KPW",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MXV",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "USD",
        "USN",
        "UYU",
        "UZS",
        "VED",
        "VES",
        "WST",
        "XCD",
        "XCG",
        "YER",
        "ZAR",
        "ZMW",
        "ZWG",
    ]
)


_AMOUNT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
_LARGEST = 2**63
"""What no column can hold any more."""


UNUSUAL_EXPONENTS: dict[int, tuple[str, ...]] = {
    digits: tuple(sorted(code for code, d in _EXPONENTS.items() if d == digits)) for digits in (0, 3, 4)
}
"""Currencies by their digits after the point, where those are not two."""


class UnknownCurrency(ValueError):
    """The code is not an ISO 4217 currency, so its minor unit is unknown and no amount can be kept in it."""


class BadAmount(ValueError):
    """The text is not a decimal number, or one that no order can cost."""


def exponent(currency: str) -> int:
    """Digits after the decimal point of `currency` (`PLN` 2, `JPY` 0, `KWD` 3). Raises `UnknownCurrency`."""
    if currency in _TWO_DIGITS:
        return 2
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise UnknownCurrency(currency) from None


@lru_cache(maxsize=8192)
def _minor(value: Decimal, digits: int) -> int:
    """A shop has few prices."""
    return int(value.scaleb(digits).to_integral_value(rounding=ROUND_HALF_UP))


class Money(Struct, frozen=True, order=True):
    """An amount in minor units of `currency` (1999 PLN = 19.99 zł)."""

    minor: int
    currency: str

    @classmethod
    def parse(cls, amount: str | int | Decimal, currency: str) -> "Money":
        """Read a platform's decimal amount; half a minor unit rounds away from zero.

        Raises `UnknownCurrency` for a code without a known minor unit and `BadAmount` for anything but a number.
        """
        digits = exponent(currency)
        if isinstance(amount, Decimal) and amount.is_finite():
            value = amount
        else:
            text = str(amount).strip() or "0"
            # Decimal itself would read "1_000" and digits of any script.
            if len(text) > 60 or not _AMOUNT.fullmatch(text):
                raise BadAmount(text[:60])
            value = Decimal(text)
        minor = _minor(value, digits)
        if not -_LARGEST <= minor < _LARGEST:
            raise BadAmount(str(amount)[:60])
        return cls(minor, currency)

    def __str__(self) -> str:
        """The amount as people write it: `19.99 PLN`."""
        return f"{format_minor(self.minor, self.currency)} {self.currency}"


def format_minor(minor: int, currency: str) -> str:
    """Minor units as decimal text (`1999`, `PLN` → `19.99`). Raises `UnknownCurrency`."""
    digits = exponent(currency)
    return str(Decimal(minor).scaleb(-digits)) if digits else str(minor)
