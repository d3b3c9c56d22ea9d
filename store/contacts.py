"""Contacts: the people behind buyers, told apart by phone, else by e-mail (ROA-30, ROA-32)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.records import Order
from domain.text import email_key, is_masked, phone_key
from store import tables as t
from store.database import Tx

Reach = tuple[str, str]
"""How a buyer is found again: (phone, e-mail), normalised, '' = not by this."""
Met = tuple[dict[str, int], dict[str, int]]
"""Contacts by phone and by e-mail."""


def reach_of(order: Order) -> Reach:
    """How the buyer of an order is found again."""
    return phone_key(order.buyer.phone), email_key(order.buyer.email)


async def keep_contacts(
    tx: Tx, buyers: Sequence[tuple[Order, Reach]], met: Met, free: Iterable[int]
) -> list[int | None]:
    """The contact of each order: an existing one (`met`) by phone, else by e-mail, else a new one (ROA-30, ROA-32)."""
    by_phone, by_email = met
    ids: list[int | None] = []
    fresh: list[dict[str, Any]] = []
    next_id = iter(free)
    for order, (phone, email) in buyers:
        contact = (by_phone.get(phone) if phone else None) or (by_email.get(email) if email else None)
        if contact is None and (phone or email):
            contact = next(next_id)
            name = f"{order.buyer.first_name} {order.buyer.last_name}".strip()
            fresh.append(
                {
                    "id": contact,
                    "name": "" if is_masked(name) else name,
                    "phone": order.buyer.phone if phone else "",
                    "email": order.buyer.email if email else "",
                    "phone_key": phone if phone and phone not in by_phone else None,
                    "email_key": email if email and email not in by_email else None,
                    "created_at": tx.now,
                }
            )
            if phone:
                by_phone.setdefault(phone, contact)
            if email:
                by_email.setdefault(email, contact)
        ids.append(contact)
    await tx.insert(t.contact, fresh, tail="ON CONFLICT DO NOTHING" if tx.dialect == "postgresql" else "")
    if fresh and tx.dialect == "postgresql":
        ids = await _those_that_won(tx, ids, fresh)
    return ids


async def _those_that_won(tx: Tx, ids: list[int | None], fresh: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """`ids` with the contacts that another shop's import made first in the place of ours of the same phone or e-mail."""
    kept = {r.id for r in await tx.rows("SELECT id FROM contact WHERE id IN :ids", ids=[c["id"] for c in fresh])}
    lost = [c for c in fresh if c["id"] not in kept]
    sql, params = contacts_asked([(c["phone_key"] or "", c["email_key"] or "") for c in lost])
    by_phone, by_email = contacts_told(await tx.rows(sql, **params))
    winner = {c["id"]: by_phone.get(c["phone_key"]) or by_email.get(c["email_key"]) for c in lost}
    return [winner.get(i, i) if i is not None else None for i in ids]


def contacts_asked(reaches: Sequence[Reach]) -> tuple[str, dict[str, Any]]:
    """The question who of them is known, for who asks more at once."""
    sql = """SELECT 0 AS way, phone_key AS key, id FROM contact WHERE phone_key IN :phones
             UNION ALL SELECT 1, email_key, id FROM contact WHERE email_key IN :emails"""
    phones, emails = ({reach[way] for reach in reaches} - {""} for way in (0, 1))
    return sql, {"phones": sorted(phones), "emails": sorted(emails)}


def contacts_told(rows: Iterable[Any]) -> Met:
    """Its answer."""
    found: Met = ({}, {})
    for row in rows:
        found[row.way][row.key] = row.id
    return found
