"""Text from outside: made safe for a terminal, and normalised for comparison."""

import re
import unicodedata
from functools import lru_cache

_BIDI_AND_INVISIBLE = {
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    0x200B,
    0x200E,
    0x200F,
    0x061C,
    0x2028,
    0x2029,
    0xFEFF,
    0x00AD,
    0x180E,
    *range(0x2060, 0x2070),
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
}
_UNSAFE = {
    **dict.fromkeys((*range(0, 32), *range(127, 160), *_BIDI_AND_INVISIBLE), "�"),
    0x09: " ",
    0x0A: " ",
    0x0D: " ",
}
_MARK = r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_TOWER = re.compile(f"({_MARK}{{4}}){_MARK}+")
"""More marks on one letter than any language has: they would be drawn over the lines above."""
_SURROGATES = re.compile("[\ud800-\udfff]")


def safe(text: object, limit: int = 500) -> str:
    """Return `text` as something a terminal may be sent: no control, bidi, zero-width or surrogate characters.

    Textual and plain `print` both pass escape sequences of outside text through to the terminal, so everything that a
    shop, a carrier or a buyer wrote goes through here before it is shown. The stored value stays as it came.
    `limit` is a length in characters; what is cut is marked with `~`.
    """
    raw = str(text)
    if len(raw) > limit:
        raw = raw[: limit - 1] + "~"
    if raw.isascii() and raw.isprintable():
        return raw
    shown = unicodedata.normalize("NFC", _SURROGATES.sub("\ufffd", raw.translate(_UNSAFE)))
    return _TOWER.sub(r"\1", shown)


_DROPPED = dict.fromkeys(_UNSAFE) | {0x09: " ", 0x0A: " ", 0x0D: " "}


def typed(text: str) -> str:
    """What a person typed or pasted, as it may be kept: no control, bidi or zero-width characters, lines joined by a blank."""
    return _SURROGATES.sub("", "\n".join(text.splitlines()).translate(_DROPPED))


def _escape(code: int) -> str:
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD7C0 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


ESCAPES = {code: _escape(code) for code in _UNSAFE if code != 0x0A}
"""A translation table that writes every unsafe character as a JSON string may: nothing is lost, nothing acts."""


def storable(text: str) -> str:
    """Return `text` without what no database column can hold: NUL (PostgreSQL) and lone surrogates (UTF-8)."""
    if text.isascii() and "\x00" not in text:
        return text
    return _SURROGATES.sub("\ufffd", text.replace("\x00", "\ufffd"))


LONGEST_KEY = 500
"""Characters of a text that is searched by: PostgreSQL indexes no value above 2.7 kB."""

_FORMULA = frozenset("=+-@\t\r\n|%＝＋－＠")


def neutral(text: str) -> str:
    """Outside text as a cell of a spreadsheet: what a spreadsheet would take for a formula gets an apostrophe in front.

    For text columns of CSV and XLSX files; numbers are written as numbers. A quote or blanks before the sign do not hide it.
    """
    begin = text.lstrip(" \"'\u00a0\ufeff\u200b")[:1]
    # Wide signs count in East Asian versions.
    return f"'{text}" if {text[:1], begin} & _FORMULA else text


# Two x stand in many a name (Foxx), four in none.
_MASKED = re.compile(r"[*•●]{2,}|[xX]{4,}|\[deleted\]|^#{2,}")
_MASKED_DIGITS = re.compile(r"[xX]{2,}")
_NO_DIGITS = re.compile(r"[^0-9]+")


YES, NO = frozenset({"yes", "y", "true", "1", "on"}), frozenset({"no", "n", "false", "0", "off"})
"""The words of a yes and of a no, in small letters."""


def is_yes(text: str) -> bool:
    """Is this word of a setting a yes? Anything else is a no, an empty text too."""
    return text.strip().lower() in YES


def is_masked(text: str) -> bool:
    """True for a value the platform hid (`138****1234`, `[deleted]`): it identifies nobody and must never match."""
    return bool(_MASKED.search(text))


def phone_key(phone: str) -> str:
    """Normalise a phone number for comparison: digits only, an international `00` or `+` prefix made `+`.

    Masked or very short values give `""`, which matches nothing (ROA-30: compared in normalised form).
    """
    # An order's phone is asked for several times on its way in; what is too long for one is not kept in mind.
    return _phone_key(phone) if len(phone) <= 64 else _phone_key.__wrapped__(phone)


@lru_cache(maxsize=1024)
def _phone_key(phone: str) -> str:
    text = (phone if phone.isascii() else unicodedata.normalize("NFKC", phone)).strip()
    if not text or is_masked(text) or _MASKED_DIGITS.search(text):
        return ""
    digits = _NO_DIGITS.sub("", text)
    if len(digits) < 5:
        return ""
    if "+" in text.partition(digits[0])[0]:
        return "+" + digits
    if digits.startswith("00"):
        return "+" + digits[2:]
    return digits


def email_key(email: str) -> str:
    """Normalise an e-mail address for comparison (trimmed, lower case); `""` when it is none or masked."""
    return _email_key(email) if len(email) <= 320 else _email_key.__wrapped__(email)


@lru_cache(maxsize=1024)
def _email_key(email: str) -> str:
    text = email.strip().lower()
    return text if "@" in text and not is_masked(text) else ""


_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\u3005\u30a0-\u30ff\u3040-\u309f]+")


def full_name(first: str, last: str) -> str:
    """A person's name in one text: a Chinese or Japanese one family name first and without a blank."""
    first, last = first.strip(), last.strip()
    if first and last and not first.isascii() and _HAN.fullmatch(first) and _HAN.fullmatch(last):
        return last + first
    return f"{first} {last}".strip()
