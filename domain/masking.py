"""What somebody sees of a buyer who may not see phone numbers, e-mail and streets: enough to tell two orders apart."""

import re
from collections.abc import Mapping
from typing import Any

_EMAIL = re.compile(r"[^\s@<>,;:\"']+@[^\s@<>,;:\"']+")
_PHONE = re.compile(r"\+?\d(?:[\s().,/-]{0,2}\d){5,}")
_SHOWN_WHOLE = frozenset({"country", "city", "state", "name", "source"})


def masked_phone(phone: str) -> str:
    """A phone number by its ends."""
    first = min(5, len(phone) // 3)
    return phone if len(phone) < 6 else f"{phone[:first]}{'*' * (len(phone) - first - 3)}{phone[-3:]}"


def masked_email(email: str) -> str:
    """An e-mail address by its first letter and its host."""
    name, at, host = email.partition("@")
    return f"{name[:1]}***{at}{host}" if at else masked_words(email)


def masked_words(text: str) -> str:
    """A line of an address: the first letter of each word."""
    return " ".join(f"{word[:1]}***" for word in text.split())


def masked_text(text: str) -> str:
    """A note or a sentence of a third party, without what looks like a phone number or an e-mail address."""
    return _PHONE.sub("***", _EMAIL.sub("***@***", text))


def masked_detail(shown: Mapping[str, Any]) -> dict[str, Any]:
    """`store.views.detail` (or one row of `listing`) for somebody who may not see persons whole."""
    masked = {**shown, "message": masked_text(shown["message"]), "held": masked_text(shown["held"])}
    if shown.get("address"):
        masked["address"] = {name: _field(name, value) for name, value in shown["address"].items()}
    for name, words in (("notes", ("text",)), ("waybills", ("reason",)), ("effects", ("message",))):
        if name in shown:
            masked[name] = [{**row, **{w: masked_text(row[w]) for w in words}} for row in shown[name]]
    if "source_orders" in shown:
        masked["source_orders"] = [
            {
                **row,
                "pickup_point": masked_words(row["pickup_point"]),
                "submission_reason": masked_text(row["submission_reason"]),
            }
            for row in shown["source_orders"]
        ]
    return masked


def _field(name: str, value: str) -> str:
    if name == "phone":
        return masked_phone(value)
    if name == "email":
        return masked_email(value)
    return value if name in _SHOWN_WHOLE else masked_words(value)
