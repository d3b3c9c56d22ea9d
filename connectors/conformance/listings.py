"""Listing the orders of a time: all of them or none, since whoever holds an order that is not listed goes by that."""

from datetime import UTC, datetime, timedelta

from connectors.conformance.case import Cases
from connectors.conformance.ground import Failed, Ground, Skipped, holds, same
from connectors.conformance.kit import Wanted
from connectors.contract import Listed, Parsed
from connectors.http import WireError

CASES = Cases()

OFTEN = 60
"""More often than any connector tries again."""
MANY = 260
"""A page of headlines may be longer than one of whole orders."""


def _declared(g: Ground) -> None:
    if not g.kind.declaration.lists_orders:
        raise Skipped("the connector does not declare lists_orders")


def _noon(g: Ground) -> int:
    """Unix second of a noon some days ago: far from every switch of a day, and never to come."""
    today = datetime.fromtimestamp(g.time() / 1000, UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return int((today - timedelta(days=3)).timestamp())


async def _listing(g: Ground, since_s: int, before_s: int) -> dict[str, Listed]:
    """What is listed of [since, before), by id."""
    found: dict[str, Listed] = {}
    async for page in g.bind().listing(since_s * 1000, before_s * 1000):  # type: ignore[attr-defined]
        g.evidence.append(repr(page))
        found.update((one.platform_order_id, one) for one in page)
    return found


@CASES.alone
async def every_order_of_a_time_is_listed(g: Ground) -> None:
    """More than a page of them, whatever became of each: from the first second on, up to the last one before the end."""
    _declared(g)
    at = _noon(g)
    number = max(MANY, g.kind.declaration.limits.batch * 2 + 5)
    end = at + number
    ids = g.kit.make(g.twin, [Wanted(created_s=at + n) for n in range(number)])
    outside = g.kit.make(g.twin, [Wanted(created_s=at - 1), Wanted(created_s=end)])
    deeds = [deed for deed in (g.kit.cancel, g.kit.delete) if deed is not None]
    changed = dict(zip(ids, deeds, strict=False))
    for order, deed in changed.items():
        deed(g.twin, order)
    if g.kit.ship is not None:
        g.kit.ship(g.twin, ids[len(deeds)], "ELSE0000003")
    found = await _listing(g, at, end)
    deleted = {order for order, deed in changed.items() if deed is g.kit.delete}
    same(sorted(set(ids) - deleted - found.keys()), [], "orders of the time that are not listed")
    same(sorted(found.keys() & set(outside)), [], "orders of another time that are listed")
    same(sorted(found.keys() - set(ids)), [], "orders that nobody made")
    for one in await g.said(g.bind().read_orders([ids[0], ids[len(deeds)], ids[-1]])):
        if isinstance(one, Parsed):
            is_ = one.order
            shown = Listed(is_.platform_order_id, is_.number, is_.created_at, is_.raw_status)
            same(found[is_.platform_order_id], shown, "number, time and status of an order")
    same(await _listing(g, at - 7200, at - 3600), {}, "orders of an hour without any")


@CASES.alone
async def a_listing_loses_nothing_to_what_happens_meanwhile(g: Ground) -> None:
    """Orders that are made, moved or deleted while its pages are turned take no other one out of the list."""
    _declared(g)
    at = _noon(g)
    number = max(MANY, g.kind.declaration.limits.batch * 2 + 5)
    ids = g.kit.make(g.twin, [Wanted(created_s=at + n) for n in range(number)])
    found, deleted = set[str](), set[str]()
    async for page in g.bind().listing(at * 1000, (at + number) * 1000):  # type: ignore[attr-defined]
        found.update(one.platform_order_id for one in page)
        g.kit.make(g.twin, [Wanted(created_s=at + 1), Wanted()])
        if g.kit.address is not None:
            g.kit.address(g.twin, ids[-1], "Moved 1")
        if g.kit.delete is not None and len(deleted) < 3:
            deleted.add(ids[len(deleted)])
            g.kit.delete(g.twin, ids[len(deleted) - 1])
    same(sorted(set(ids) - deleted - found), [], "orders that are not listed")


@CASES.add
async def a_listing_that_cannot_be_whole_is_none(g: Ground) -> None:
    """Whichever call fails, it raises: a part of the orders is never given for all of them."""
    _declared(g)
    at = _noon(g) - 86_400
    ids = set(g.kit.make(g.twin, [Wanted(created_s=at + n) for n in range(5)]))
    for fault in ("http_500", "html", "http_403", "malformed", "cut_before", "refused_429"):
        for place in range(OFTEN):
            g.twin.fail_next(fault, times=OFTEN, skip=place)
            try:
                found = await _listing(g, at, at + 5)
            except WireError as error:
                holds(error.outcome.code and error.outcome.message.strip(), f"{fault} says why: {error.outcome}")
                met = True
            else:
                met = False
            g.twin.admin("POST", "faults", {"next": [], "forget": True})
            if not met:
                # The fault came behind the last call.
                same(sorted(ids - found.keys()), [], f"orders that are not listed, {fault} at call {place + 1}")
                break
        else:
            raise Failed(f"a listing of five orders takes more than {OFTEN} calls")
        holds(place, f"a listing meets {fault}")
