"""Abnormal orders: looked at, tried again by reading them anew from the platform, or put away. Nothing is deleted."""

from collections.abc import Sequence
from typing import Any

from connectors.contract import Gone, Parsed
from connectors.http import WireError
from domain.clock import iso
from domain.imports import Defect, Exclusion, admit
from domain.results import Refused
from domain.words import _
from pipeline import persons, setup
from pipeline.base import Pipeline
from pipeline.sync import OrderSync, policy_of
from store import accounts, quarantined
from store.apply import add_events

Outcome = tuple[list[int], list[tuple[int, Refused]]]


async def listing(p: Pipeline, *, excluded: bool = False) -> list[dict[str, Any]]:
    """Open abnormal orders; with `excluded` the orders that a shop's rules leave out, older ones as a count."""
    async with p.store.reading() as tx:
        if excluded:
            rows = [r._asdict() for r in await quarantined.excluded(tx)]
            counted = [r._asdict() for r in await quarantined.older(tx)]
            return [
                *rows,
                *(
                    {"shop": c["shop"], "number": "", "reason": "older_than_window", "detail": str(c["n"])}
                    for c in counted
                ),
            ]
        return [
            {**r._asdict(), "first_at": iso(r.first_at), "last_at": iso(r.last_at)}
            for r in await quarantined.open_rows(tx)
        ]


async def repush(p: Pipeline, ids: Sequence[int] | None, who: str) -> Outcome:
    """Read each order again and take it over; historical ones (older than the first import's window) are refused."""
    async with p.store.reading() as tx:
        person = await persons.resolve(tx, who)
        rows = await quarantined.chosen(tx, ids)
        if isinstance(person, Refused):
            return [], [(i, person) for i in ids or [r.id for r in rows]]
        shops = {s.id: s for s in await accounts.shops(tx)}
        forbidden = {
            i: no
            for i, s in shops.items()
            if (no := await persons.shop_refusal(tx, person, p.shop_facts(s))) is not None
        }
    done: list[int] = []
    refused: list[tuple[int, Refused]] = [
        (i, Refused("not_found", _("There is no such abnormal order."))) for i in set(ids or []) - {r.id for r in rows}
    ]
    for row in rows:
        shop_row = shops[row.shop_id]
        if (no := forbidden.get(row.shop_id)) is not None:
            refused.append((row.id, no))
            continue
        if not shop_row.bound:
            refused.append((row.id, Refused("shop_unbound", _("The shop is unbound."))))
            continue
        if row.platform_order_id.startswith("raw:"):
            refused.append((row.id, Refused("no_id", _("The payload names no order: dismiss it."))))
            continue
        answer = await _repush_one(p, shop_row, row.platform_order_id)
        if answer is None:
            done.append(row.id)
            async with p.store.transaction() as tx:
                await quarantined.set_state(tx, [row.id], "solved")
                await add_events(tx, [(None, None, "abnormal_repushed", {"abnormal": row.id})], person)
        else:
            refused.append((row.id, answer))
    return done, refused


async def _repush_one(p: Pipeline, shop_row: Any, platform_id: str) -> Refused | None:
    shop = p.shop_facts(shop_row)
    policy = policy_of(shop, shop_row.currency, shop_row.connected_at)
    try:
        connector = await p.shop(shop.id)
        found = list(await connector.read_orders([platform_id]))
    except WireError as error:
        return setup.refused(error)
    if not found or isinstance(found[0], Gone):
        return Refused("order_gone", _("The order is no longer on the platform."))
    item = found[0]
    if not isinstance(item, Parsed):
        return Refused(item.code, item.message)
    verdict = admit(item.order, policy)
    if isinstance(verdict, Exclusion):
        if verdict.reason == "older_than_window":
            return Refused("historical", _("A historical order cannot be pushed again."))
        return Refused(verdict.reason, _("The shop's rules leave it out: {detail}").format(detail=verdict.detail))
    if isinstance(verdict, Defect):
        return Refused(verdict.code, verdict.message)
    await OrderSync(p, shop.id).take_over(shop, policy, connector, [item])
    return None


async def dismiss(p: Pipeline, ids: Sequence[int] | None, who: str) -> Outcome:
    """Put abnormal orders away; they stay readable."""
    async with p.store.transaction() as tx:
        person = await persons.resolve(tx, who)
        rows = [r.id for r in await quarantined.chosen(tx, ids)]
        if isinstance(person, Refused):
            return [], [(i, person) for i in ids or rows]
        await quarantined.set_state(tx, rows, "dismissed")
        await add_events(tx, [(None, None, "abnormal_dismissed", {"abnormal": i}) for i in rows], person)
    missing = sorted(set(ids or []) - set(rows))
    return rows, [(i, Refused("not_found", _("There is no such abnormal order."))) for i in missing]
