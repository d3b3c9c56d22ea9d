"""Takes the people out of orders that are long over; the books (amounts, pieces, ledger, history, country) stay whole.

What is erased is marked (`buyer.redacted` = `ERASED`): a later version of such an order changes its status, and brings
nothing back (`store.intake`).
"""

from collections.abc import Sequence

from domain.clock import DAY, Instant
from domain.enums import Stage
from domain.facts import address_print
from domain.records import Address
from store.database import Tx
from store.remembered import note

ERASED = 2
"""`buyer.redacted` of an order whose people we erased; 1 = the platform hides them."""

_WHOLE = "(SELECT su.shipment_id FROM submission su WHERE su.order_id IN :ids)"


async def due_orders(tx: Tx, shop_id: int, before: Instant, after: int, limit: int) -> list[int]:
    """Orders (ids above `after`, ascending) all of whose shipments were shipped or closed before an instant.

    An order that shares a box waits for the orders beside it, since their label and address are one.
    """
    rows = await tx.rows(
        f"""SELECT o.id FROM orders o JOIN buyer b ON b.order_id = o.id
            WHERE o.shop_id = :shop AND o.id > :after AND b.redacted <> {ERASED}
              AND EXISTS (SELECT 1 FROM submission su WHERE su.order_id = o.id)
              AND NOT EXISTS (
                SELECT 1 FROM submission su JOIN submission beside ON beside.shipment_id = su.shipment_id
                    JOIN submission theirs ON theirs.order_id = beside.order_id
                    JOIN shipment s ON s.id = theirs.shipment_id
                WHERE su.order_id = o.id
                  AND (s.stage < {int(Stage.SHIPPED)} OR coalesce(s.shipped_at, s.changed_at) >= :before))
            ORDER BY o.id LIMIT :n""",
        shop=shop_id,
        after=after,
        before=before,
        n=limit,
    )
    return [r.id for r in rows]


async def erase_orders(tx: Tx, order_ids: Sequence[int]) -> None:
    """Erase buyer, contact, addresses, notes, payload, labels and the words of third parties of these orders."""
    ids = list(order_ids)
    contacts = [
        r.contact_id
        for r in await tx.rows(
            "SELECT DISTINCT contact_id FROM buyer WHERE order_id IN :ids AND contact_id IS NOT NULL", ids=ids
        )
    ]
    await tx.do(
        f"""UPDATE buyer SET contact_id = NULL, first_name = '', last_name = '', phone = '', email = '', phone_key = '',
                email_key = '', words = '', redacted = {ERASED} WHERE order_id IN :ids""",
        ids=ids,
    )
    # Made empty rather than deleted: an import that has just found one may be about to refer to it.
    await tx.do(
        """UPDATE contact SET name = '', phone = '', email = '', phone_key = NULL, email_key = NULL
           WHERE id IN :contacts AND NOT EXISTS (SELECT 1 FROM buyer b WHERE b.contact_id = contact.id)""",
        contacts=contacts,
    )
    await tx.do(
        """UPDATE address SET name = '', company = '', line1 = '', line2 = '', city = '', state = '', postcode = '',
               phone = '', email = '', fingerprint = '' WHERE order_id IN :ids""",
        ids=ids,
    )
    await tx.do("UPDATE orders SET pickup_point = '' WHERE id IN :ids AND pickup_point <> ''", ids=ids)
    await tx.do(f"DELETE FROM note WHERE order_id IN :ids OR shipment_id IN {_WHOLE}", ids=ids)
    await tx.do("DELETE FROM raw_order WHERE order_id IN :ids", ids=ids)
    await tx.do(
        f"""DELETE FROM label_file WHERE waybill_id IN (SELECT w.id FROM waybill w WHERE w.shipment_id IN {_WHOLE})""",
        ids=ids,
    )
    # A carrier or a platform may repeat a phone number in its refusal: codes stay, their sentences go.
    await tx.do(f"UPDATE waybill SET reason = '' WHERE shipment_id IN {_WHOLE}", ids=ids)
    waybills = await tx.rows(
        f"""SELECT w.id, a.country FROM waybill w JOIN shipment s ON s.id = w.shipment_id JOIN orders o ON o.id = s.order_id
            JOIN address a ON a.id = coalesce(s.address_id, o.address_id) WHERE w.shipment_id IN {_WHOLE}""",
        ids=ids,
    )
    # The label still agrees with what is left of its address.
    await tx.many(
        "UPDATE waybill SET address_print = :p WHERE id = :id",
        [{"id": w.id, "p": address_print(Address(country=w.country))} for w in waybills],
    )
    await tx.do("UPDATE submission SET reason = '' WHERE order_id IN :ids AND reason <> ''", ids=ids)
    await tx.do(f"UPDATE shipment SET reason = '', hold_reason = '' WHERE id IN {_WHOLE}", ids=ids)
    await tx.do(
        f"UPDATE effect SET message = '' WHERE shipment_id IN {_WHOLE} AND message <> ''",
        ids=ids,
    )
    await tx.do(f"UPDATE batch_item SET reason = '' WHERE shipment_id IN {_WHOLE} AND reason <> ''", ids=ids)


async def erase_abnormal(tx: Tx, shop_id: int, before: Instant, nothing: bytes, limit: int) -> int:
    """Empty the payloads of abnormal orders that were solved or put away before an instant; how many there were."""
    return await tx.run(
        """UPDATE abnormal SET payload = :nothing, message = '' WHERE id IN (
               SELECT id FROM abnormal WHERE shop_id = :shop AND state <> 'open' AND last_at < :before
                   AND payload <> :nothing2 ORDER BY id LIMIT :n)""",
        nothing=nothing,
        nothing2=nothing,
        shop=shop_id,
        before=before,
        n=limit,
    )


async def erased(tx: Tx, shop_id: int, platform_ids: Sequence[str]) -> set[str]:
    """Which of these platform orders have been erased."""
    rows = await tx.rows(
        f"""SELECT o.platform_order_id AS p FROM orders o JOIN buyer b ON b.order_id = o.id
            WHERE o.shop_id = :shop AND o.platform_order_id IN :ids AND b.redacted = {ERASED}""",
        shop=shop_id,
        ids=list(platform_ids),
    )
    return {r.p for r in rows}


async def forget_words(tx: Tx) -> bool:
    """Rewrite a part of SQLite's index of names, so that words taken out are in it no more; False when it is clean.

    FTS5 only marks a word as gone; it leaves with the merge of all segments (`merge` with a negative number begins one).
    """
    if tx.dialect != "sqlite":
        return False
    before = await tx.value("SELECT total_changes()")
    await tx.do("INSERT INTO buyer_words (buyer_words, rank) VALUES ('merge', :n)", n=-64)
    after = await tx.value("SELECT total_changes()")
    # As the manual of FTS5 says: a merge that changed fewer than two rows had nothing left to do.
    return bool(after - before >= 2)


async def last_run(tx: Tx) -> Instant:
    """When people were last erased; 0 = never."""
    return int(await tx.value("SELECT value FROM meta WHERE key = 'erased_at'") or 0)


async def note_run(tx: Tx) -> None:
    """Remember that it has been done now."""
    await note(tx, "erased_at", str(tx.now))


def cutoff(now: Instant, days: int) -> Instant:
    """What ended before this instant is due."""
    return now - days * DAY
