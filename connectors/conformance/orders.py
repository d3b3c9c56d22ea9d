"""Reading orders: all of them, whatever happens meanwhile, each understood or kept with its reason."""

from collections.abc import Callable
from itertools import islice, permutations

from connectors.conformance.case import Cases
from connectors.conformance.ground import Ground, Mirror, holds, same
from connectors.conformance.kit import Wanted
from connectors.contract import Gone, Parsed, Poison
from domain.enums import DEAD_ORDER, DONE_ORDER, OrderStatus
from domain.money import Money
from domain.records import Product

CASES = Cases()

MINUTE = 60


def _spread(g: Ground, number: int, first_s: int) -> list[str]:
    """Orders made in the past, seven seconds apart: a shop that sold for a while."""
    return g.kit.make(g.twin, [Wanted(created_s=first_s + 7 * n) for n in range(number)])


def _pages_worth(g: Ground) -> int:
    return g.kind.declaration.limits.batch * 2 + g.kind.declaration.limits.batch // 2


async def _true(g: Ground, ids: list[str]) -> dict[str, object]:
    """The orders as the platform has them now, read one by one."""
    mirror = Mirror()
    mirror.take(await g.said(g.bind().read_orders(ids)))
    return dict(mirror.content(ids))


@CASES.alone
async def every_page_is_read_while_orders_change(g: Ground) -> None:
    """Orders that move up while pages are turned, new ones and dead ones: after the next run all is as it is there."""
    at = g.time() // 1000 - 20 * MINUTE * 60
    ids = _spread(g, _pages_worth(g), at)
    first = set(ids)
    shop, mirror, cursor = g.bind(), Mirror(), ""
    turned = 0
    last, deleted = list[bool](), list[str]()
    async for page in shop.orders("", (at - 3600) * 1000):
        g.met(page.items)
        mirror.take(page.items)
        cursor, turned = page.cursor, turned + 1
        last.append(page.last)
        if turned <= 3:
            if g.kit.address is not None:
                g.kit.address(g.twin, ids[turned], f"Moved {turned}")  # Already read.
                g.kit.address(g.twin, ids[-turned], f"Moved {turned}")  # Still to come.
            if g.kit.cancel is not None:
                g.kit.cancel(g.twin, ids[len(ids) // 2 + turned])
            if g.kit.delete is not None:
                # Already read, so that what comes after it moves up by one.
                deleted.append(next(one for one in ids if one in mirror.orders and one not in {*deleted, ids[turned]}))
                g.kit.delete(g.twin, deleted[-1])
            ids.append(g.make())
    same(last, [False] * (len(last) - 1) + [True], "which pages are the last")
    holds(turned > 1, "a reading of many orders takes several pages")
    same(sorted(first - mirror.orders.keys()), [], "orders from before the run that no page of it held")
    await g.sync(shop, mirror, cursor)
    same(sorted(set(ids) - mirror.orders.keys()), [], "orders that no page held")
    same(mirror.poison, {}, "orders that could not be read")
    true = await _true(g, ids)
    wrong = [one for one, order in mirror.content(ids).items() if order != true.get(one) and one not in deleted]
    same(wrong, [], "orders that are another way there")


@CASES.alone
async def a_run_that_broke_off_goes_on_from_any_page(g: Ground) -> None:
    """The cursor of every page resumes after it: nothing is missing, whichever page was the last to be kept."""
    at = g.time() // 1000 - 20 * MINUTE * 60
    ids = _spread(g, _pages_worth(g), at)
    since = (at - 3600) * 1000
    pages = await g.pages(g.bind(), "", since)
    for stop in sorted({0, len(pages) // 2, len(pages) - 1}):
        mirror = Mirror()
        for page in pages[: stop + 1]:
            mirror.take(page.items)
        await g.sync(g.bind(), mirror, pages[stop].cursor, None if pages[stop].last else since)
        same(sorted(set(ids) - mirror.orders.keys()), [], f"orders missing after a stop at page {stop + 1}")


@CASES.alone
async def a_crowded_second_is_read_whole(g: Ground) -> None:
    """More orders changed in one second than a page holds, as after a bulk edit: none is missing, now or next time."""
    at = g.time() // 1000 - 600
    ids = g.kit.make(g.twin, [Wanted(created_s=at) for _n in range(_pages_worth(g))])
    ids += _spread(g, 5, at + 1)
    shop, mirror = g.bind(), Mirror()
    cursor = await g.sync(shop, mirror, "")
    same(sorted(set(ids) - mirror.orders.keys()), [], "orders that no page held")
    late = g.make(created_s=at + 40)
    await g.sync(shop, mirror, cursor)
    holds(late in mirror.orders, "what came afterwards is read")


@CASES.add
async def windows_overlap(g: Ground) -> None:
    """An order dated in the second of the cursor, or a few before it, that shows up after the run, is read by the next."""
    at = g.time() // 1000 - 30
    first = g.make(created_s=at)
    shop, mirror = g.bind(), Mirror()
    cursor = await g.sync(shop, mirror, "")
    holds(first in mirror.orders, "the first order is read")
    late = g.kit.make(g.twin, [Wanted(created_s=at), Wanted(created_s=at - 5)])
    await g.sync(g.bind(), mirror, cursor)
    same(sorted(set(late) - mirror.orders.keys()), [], "late orders that were missed")


@CASES.add
async def the_first_import_begins_where_it_is_told(g: Ground) -> None:
    """`created_since` takes its own second in; what is older need not come, what is younger must."""
    at = g.time() // 1000 - 5 * 86_400
    old, edge, young = g.kit.make(
        g.twin, [Wanted(created_s=at - 3 * 86_400), Wanted(created_s=at), Wanted(created_s=at + 1)]
    )
    pages = await g.pages(g.bind(), "", at * 1000)
    found = {i.order.platform_order_id for page in pages for i in page.items if isinstance(i, Parsed)}
    same({edge, young} - found, set(), "orders of the window that were missed")
    holds(old not in found, "an order from before the window is left out")


@CASES.add
async def every_id_gets_its_answer_in_its_place(g: Ground) -> None:
    """Known, twice, unknown and nonsensical ids: one answer each, in the order asked."""
    first, second = g.make(), g.make()
    asked = [second, "99999999", first, "", "no-such-id", second, "0", "9" * 40]
    answers = await g.said(g.bind().read_orders(asked))
    same(len(answers), len(asked), "answers")
    shown = [a.order.platform_order_id if isinstance(a, Parsed) else type(a) for a in answers]
    same(shown, [second, Gone, first, Gone, Gone, second, Gone, Gone], "answers by place")
    same(list(await g.said(g.bind().read_orders([]))), [], "answers to nothing asked")


@CASES.add
async def a_deleted_order_is_gone(g: Ground) -> None:
    """What the platform deletes is gone, or at least dead."""
    delete = g.deed("delete")
    order, other = g.make(), g.make()
    delete(g.twin, order)
    gone, still = await g.said(g.bind().read_orders([order, other]))
    holds(isinstance(gone, Gone) or (isinstance(gone, Parsed) and gone.order.status in DEAD_ORDER), f"it is {gone}")
    holds(isinstance(still, Parsed), "the other one is there")


@CASES.alone
async def an_update_delivered_twice_or_late_changes_nothing(g: Ground) -> None:
    """Every version of an order, in any order and twice, leads to the same end."""
    clock, address, pieces = g.deed("clock"), g.deed("address"), g.deed("pieces")
    at = g.time() // 1000
    clock(g.twin, at)
    order = g.make(pieces=3)
    shop, mirror, cursor = g.bind(), Mirror(), ""

    async def read(after_s: int) -> None:
        nonlocal cursor
        g.time.set((at + after_s) * 1000)
        cursor = await g.sync(shop, mirror, cursor)

    await read(60)
    steps: list[Callable[[], object]] = [
        lambda: address(g.twin, order, "Elsewhere 1"),
        lambda: pieces(g.twin, order, 2),
        lambda: g.deed("cancel")(g.twin, order),
    ]
    for turn, step in enumerate(steps, 1):
        clock(g.twin, at + 600 * turn)
        step()
        await read(600 * turn + 60)
    end = mirror.content([order])
    versions = [v for v in mirror.versions if v.order.platform_order_id == order]
    distinct = {v.order.updated_at: v for v in versions}
    holds(len(distinct) > len(steps), f"each change makes a newer version: {sorted(distinct)}")
    for some in islice(permutations(distinct.values()), 120):
        again = Mirror()
        again.take([*some, *some[::-1]])
        same(again.content([order]), end, "the end, delivered another way")


@CASES.add
async def rows_that_come_twice_or_in_another_order_make_no_difference(g: Ground) -> None:
    """The platform repeats a row or shuffles a page: the same orders in the same state."""
    g.kit.make(g.twin, [Wanted(created_s=g.time() // 1000 - 60 * n) for n in range(1, 8)])
    plain = Mirror()
    await g.sync(g.bind(), plain, "")
    ids = sorted(plain.orders)
    for fault in ("duplicate", "reorder"):
        g.twin.fail_next(fault, times=3)
        spoilt = Mirror()
        await g.sync(g.bind(), spoilt, "")
        same(sorted(spoilt.orders), ids, f"orders read with {fault}")
        same(spoilt.content(ids), plain.content(ids), f"their content with {fault}")
        g.twin.admin("POST", "faults", {"next": [], "forget": True})


# ---------------------------------------------------------------- what an order says


@CASES.add
async def an_order_says_what_it_must(g: Ground) -> None:
    """Open, dated, with lines that have ids of their own, goods and whole pieces; the payload beside it."""
    order = g.make(lines=2, pieces=3)
    [found] = await g.said(g.bind().read_orders([order]))
    holds(isinstance(found, Parsed) and found.raw, "an order comes with its payload")
    assert isinstance(found, Parsed)
    one = found.order
    same((one.platform_order_id, one.status), (order, OrderStatus.OPEN), "id and status")
    holds(one.number and one.raw_status, "a number and the platform's own word for the status")
    holds(one.paid_at is not None, "it is paid")
    same([int(line.quantity) for line in one.lines], [3, 3], "pieces of its lines")
    same(len({line.platform_line_id for line in one.lines}), 2, "ids of its lines")
    holds(all(line.name.strip() and line.platform_product_id for line in one.lines), "lines name their goods")
    holds(one.address.name.strip() and one.address.line1.strip() and one.address.country, f"an address: {one.address}")
    holds(one.buyer.phone or one.buyer.email, "somebody to reach")
    holds(one.updated_at >= one.created_at > 0, f"made {one.created_at}, changed {one.updated_at}")
    same(one.warnings, (), "warnings of a plain order")


@CASES.add
async def changes_are_read(g: Ground) -> None:
    """Moved, fewer pieces, cancelled: the order shows it when it is read again."""
    shop, order = g.bind(), g.make(pieces=3)
    if g.kit.address is not None:
        g.kit.address(g.twin, order, "Quite Another Street 9")
        same((await g.read(shop, order)).address.line1, "Quite Another Street 9", "the address")
    if g.kit.pieces is not None:
        g.kit.pieces(g.twin, order, 2)
        line = (await g.read(shop, order)).lines[0]
        same(line.quantity - line.cancelled, 2, "pieces left of the line")
    g.deed("cancel")(g.twin, order)
    status = (await g.read(shop, order)).status
    holds(status in DEAD_ORDER, f"a cancelled order is {status}")


@CASES.add
async def refunded_pieces_are_taken_off_their_line(g: Ground) -> None:
    """One of three pieces given back: two are left of that line, and all of the other."""
    refund = g.deed("refund")
    order = g.make(lines=2, pieces=3)
    refund(g.twin, order, 1)
    found = await g.read(g.bind(), order)
    same([int(line.quantity - line.cancelled) for line in found.lines], [2, 3], "pieces left")
    holds(found.status not in DEAD_ORDER, "the order lives on")


@CASES.add
async def an_order_shipped_elsewhere_says_so(g: Ground) -> None:
    """Whoever shipped it: the status is done, and the number shows where the platform shows numbers."""
    ship = g.deed("ship")
    order = g.make()
    ship(g.twin, order, "ELSE0000001")
    found = await g.read(g.bind(), order)
    holds(found.status in DONE_ORDER, f"a shipped order is {found.status}")
    holds(not found.tracking or found.tracking == ("ELSE0000001",), f"its numbers: {found.tracking}")


@CASES.add
async def an_unknown_status_is_open_and_reported(g: Ground) -> None:
    """Never dropped, never guessed: the order comes, open, and a warning names the word."""
    odd = g.deed("odd_status")
    order = g.make()
    word = odd(g.twin, order)
    found = await g.read(g.bind(), order)
    same(found.status, OrderStatus.OPEN, "the status")
    holds(any(word.lower() in warning.lower() for warning in found.warnings), f"{word} in {found.warnings}")
    mirror = Mirror()
    await g.sync(g.bind(), mirror, "")
    holds(order in mirror.orders, "a page holds it too")


@CASES.add
async def an_unknown_field_is_kept(g: Ground) -> None:
    """The order is understood, and its payload still has what nobody understood."""
    odd = g.deed("odd_field")
    order = g.make()
    name = odd(g.twin, order)
    [found] = await g.said(g.bind().read_orders([order]))
    holds(isinstance(found, Parsed) and name.encode() in found.raw, f"{name} is in the payload of {type(found)}")


@CASES.add
async def what_cannot_be_read_is_kept_with_its_reason(g: Ground) -> None:
    """A spoilt order is a `Poison` with id, code, sentence and payload; its neighbours are not touched."""
    spoil = g.deed("spoil")
    before, order, after = g.make(), g.make(), g.make()
    spoil(g.twin, order)
    mirror = Mirror()
    await g.sync(g.bind(), mirror, "")
    holds({before, after} <= mirror.orders.keys(), "the neighbours are read")
    holds(order in mirror.poison, "the spoilt one is kept")
    poison = mirror.poison[order]
    holds(poison.code and poison.message.strip() and poison.raw, f"code, sentence, payload: {poison.code}")
    [found] = await g.said(g.bind().read_orders([order]))
    holds(isinstance(found, Poison), "read by its id it is the same")
    delete = g.kit.delete or g.kit.cancel
    if delete is not None:
        delete(g.twin, order)


def _money(currency: str, price: str) -> None:
    async def run(g: Ground) -> None:
        g.needs("currency")
        order = g.make(pieces=1, currency=currency, price=price)
        found = await g.read(g.bind(), order)
        wanted = Money.parse(price, currency).minor
        same((found.currency, found.total_minor), (currency, wanted), "currency and total in minor units")
        same(found.lines[0].total_minor, wanted, "the line's total in minor units")
        same(Money.parse(found.lines[0].unit_price, currency).minor, wanted, "the price of a piece")

    run.__name__ = f"money_in_{currency.lower()}"
    CASES.add(run)


for _currency, _price in (("EUR", "19.99"), ("JPY", "1200"), ("KWD", "1.234")):
    _money(_currency, _price)


@CASES.add
async def a_hidden_buyer_is_marked(g: Ground) -> None:
    """Where the platform hides or erases the buyer, the order comes and says so."""
    g.needs("redacted")
    found = await g.read(g.bind(), g.make(redacted=True))
    holds(found.buyer.redacted, f"the buyer is marked as redacted: {found.buyer}")
    holds(not (await g.read(g.bind(), g.make())).buyer.redacted, "others are not")


@CASES.add
async def every_declared_kind_of_order_is_told_apart(g: Ground) -> None:
    """One order of each declared kind comes as that kind."""
    kinds = g.kind.declaration.capabilities.kinds
    shown = [kind for kind in sorted(kinds) if g.can(f"kind_{kind}")]
    same([k for k in kinds if k not in shown and f"kind_{k}" not in g.kit.cannot], [], "kinds nobody speaks of")
    for kind in shown:
        same((await g.read(g.bind(), g.make(kind=kind))).kind, kind, "the kind of order")


# ---------------------------------------------------------------- counts and goods


@CASES.alone
async def a_count_is_true_or_none(g: Ground) -> None:
    """`count_orders` says how many, of all time or before an instant, or that it cannot say."""
    at = g.time() // 1000 - 86_400
    whole = await g.said(g.bind().count_orders(None))
    g.kit.make(g.twin, [Wanted(created_s=at - 60), Wanted(created_s=at), Wanted(created_s=at + 60)])
    same(await g.said(g.bind().count_orders(None)), None if whole is None else whole + 3, "orders of all time")
    before = await g.said(g.bind().count_orders(at * 1000))
    same(before, None if before is None else (whole or 0) + 1, "orders before an instant")


@CASES.add
async def goods_are_read_and_found_again(g: Ground) -> None:
    """Every sellable unit once; an order's lines name units that are there; asked by id they are the same."""
    shop = g.bind()
    order = await g.read(shop, g.make(lines=2))
    pages = [page async for page in shop.products("")]
    same([page.last for page in pages], [False] * (len(pages) - 1) + [True], "which pages are the last")
    units: dict[tuple[str, str], Product] = {
        (u.platform_product_id, u.platform_variant_id): u for p in pages for u in p.items
    }
    same(len(units), sum(len(page.items) for page in pages), "units, each once")
    named = {(line.platform_product_id, line.platform_variant_id) for line in order.lines}
    same(named - units.keys(), set(), "units of an order that the shop does not list")
    products = sorted({product for product, _variant in named})
    found = await g.said(shop.read_products([*products, "99999999", ""]))
    read = {(u.platform_product_id, u.platform_variant_id): u for u in found if isinstance(u, Product)}
    same(named - read.keys(), set(), "units that are not found by their product's id")
    same({p for p, _v in read} - set(products), set(), "products nobody asked for")
    holds(all(unit.name.strip() for unit in units.values()), "units have names")
