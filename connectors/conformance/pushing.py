"""Telling the platform what was shipped: what it then has, and what must be refused without touching it."""

from connectors.conformance.case import Cases
from connectors.conformance.ground import Ground, holds, same
from connectors.conformance.kit import Wanted
from connectors.contract import Parsed, Push, Pushed, PushedInPart, PushLine
from domain.enums import DONE_ORDER
from domain.results import NotFound, Refused

CASES = Cases()


@CASES.add
async def a_whole_order_is_told_and_read_back(g: Ground) -> None:
    """Number and status are there afterwards, told once; telling it again tells nothing twice."""
    shop, order = g.bind(), g.make(lines=2)
    push = await g.push_of(shop, order, "CF100000001")
    same([type(found) for found in await g.said(shop.find_push([push]))], [NotFound], "before anything was told")
    [outcome] = await g.told(shop, push)
    holds(isinstance(outcome, Pushed) and outcome.number == push.number, f"the push: {outcome}")
    same(g.numbers(order), [push.number], "numbers the platform was told")
    found = await g.read(shop, order)
    holds(found.status in DONE_ORDER, f"the order is {found.status}")
    holds(found.tracking in ((), (push.number,)), f"its numbers: {found.tracking}")
    [outcome] = await g.told(g.bind(), push)
    holds(isinstance(outcome, Pushed), f"the same push again: {outcome}")
    same(g.numbers(order), [push.number], "numbers after the same push again")


@CASES.add
async def several_orders_are_told_in_one_call(g: Ground) -> None:
    """One outcome each, in their order; one that must be refused does not touch the others."""
    shop = g.bind()
    good, bad, other = g.make(), g.make(), g.make()
    pushes = [await g.push_of(shop, order, f"CF11000000{n}") for n, order in enumerate((good, bad, other))]
    g.deed("cancel")(g.twin, bad)
    first, second, third = await g.told(shop, *pushes)
    same([type(first), type(second), type(third)], [Pushed, Refused, Pushed], "outcomes by place")
    same([g.numbers(one) for one in (good, bad, other)], [["CF110000000"], [], ["CF110000002"]], "numbers told")
    same(await g.told(shop), [], "outcomes of no push")


@CASES.add
async def more_orders_than_a_page_holds_are_told_in_one_call(g: Ground) -> None:
    """Every one of them is told, once, and its outcome stands in its place."""
    g.declares("push")
    shop = g.bind()
    orders = g.kit.make(g.twin, [Wanted(pieces=1) for _n in range(105)])
    found = await g.said(shop.read_orders(orders))
    pushes = [
        Push(f"many-{one.order.platform_order_id}-{g.time()}", one.order.platform_order_id, f"CF9{n:08d}", "DHL")
        for n, one in enumerate(found)
        if isinstance(one, Parsed)
    ]
    outcomes = await g.told(shop, *pushes)
    same([getattr(one, "number", one) for one in outcomes], [push.number for push in pushes], "outcomes by place")
    wrong = [push.number for push in pushes[::9] if g.numbers(push.platform_order_id) != [push.number]]
    same(wrong, [], "numbers told, of every ninth order")


@CASES.add
async def a_number_is_not_taken_for_a_longer_one(g: Ground) -> None:
    """Looked up, a number that is the beginning, the end or the middle of another is not there."""
    g.declares("push_early")
    shop, order = g.bind(), g.make()
    await g.told(shop, await g.push_of(shop, order, "CF9912345678", finish=False))
    for part in ("CF99123456", "12345678", "F9912345", "CF99123456789"):
        [found] = await g.said(shop.find_push([await g.push_of(shop, order, part, finish=False)]))
        holds(not isinstance(found, Pushed | PushedInPart), f"{part} beside CF9912345678: {found}")


@CASES.add
async def the_number_may_go_before_the_goods(g: Ground) -> None:
    """An early push tells the number, once, and leaves the order open where it says so; the status follows."""
    g.declares("push_early")
    shop, order = g.bind(), g.make()
    early = await g.push_of(shop, order, "CF120000001", finish=False)
    [outcome] = await g.told(shop, early)
    holds(isinstance(outcome, Pushed), f"the early push: {outcome}")
    same(g.numbers(order), ["CF120000001"], "numbers told early")
    if g.kind.declaration.capabilities.early_is_note_only:
        status = (await g.read(shop, order)).status
        holds(status not in DONE_ORDER, f"after an early push the order is {status}")
    late = await g.push_of(shop, order, "CF120000001", tell=False, lines=early.lines)
    [outcome] = await g.told(shop, late)
    holds(isinstance(outcome, Pushed), f"the push that finishes: {outcome}")
    same(g.numbers(order), ["CF120000001"], "numbers told in the end")
    holds((await g.read(shop, order)).status in DONE_ORDER, "the order is done in the end")


@CASES.add
async def a_part_of_an_order_leaves_the_rest_open(g: Ground) -> None:
    """One line goes, the other waits: the order is not done before its last parcel."""
    g.declares("partial")
    shop, order = g.bind(), g.make(lines=2, pieces=2)
    whole = await g.push_of(shop, order, "CF130000001")
    one, two = whole.lines
    part = (PushLine(one.platform_line_id, 1),)
    rest = (PushLine(one.platform_line_id, 1), PushLine(two.platform_line_id, 2))
    [outcome] = await g.told(shop, await g.push_of(shop, order, "CF130000001", lines=part, finish=False))
    holds(isinstance(outcome, Pushed), f"the part: {outcome}")
    holds((await g.read(shop, order)).status not in DONE_ORDER, "with a part away the order is not done")
    [outcome] = await g.told(shop, await g.push_of(shop, order, "CF130000002", lines=rest))
    holds(isinstance(outcome, Pushed), f"the rest: {outcome}")
    same(sorted(g.numbers(order)), ["CF130000001", "CF130000002"], "numbers of both parcels")
    holds((await g.read(shop, order)).status in DONE_ORDER, "with the rest away the order is done")


@CASES.add
async def parcels_of_one_order_go_in_one_call(g: Ground) -> None:
    """Two parcels, the finishing one first in the list: both are told and the order is done."""
    g.declares("partial")
    shop, order = g.bind(), g.make(lines=2)
    one, two = (await g.push_of(shop, order, "CF140000001")).lines
    last = await g.push_of(shop, order, "CF140000001", lines=(one,))
    first = await g.push_of(shop, order, "CF140000002", lines=(two,), finish=False)
    outcomes = await g.told(shop, last, first)
    same([type(outcome) for outcome in outcomes], [Pushed, Pushed], "outcomes of both parcels")
    same([outcome.number for outcome in outcomes], ["CF140000001", "CF140000002"], "their numbers")
    same(sorted(g.numbers(order)), ["CF140000001", "CF140000002"], "numbers told")
    holds((await g.read(shop, order)).status in DONE_ORDER, "the order is done")


@CASES.add
async def orders_of_one_box_share_its_number(g: Ground) -> None:
    """A merged parcel: every order takes the same number."""
    g.declares("merge")
    shop, orders = g.bind(), [g.make(), g.make()]
    pushes = [await g.push_of(shop, order, "CF150000001") for order in orders]
    same([type(o) for o in await g.told(shop, *pushes)], [Pushed, Pushed], "outcomes of both orders")
    same([g.numbers(order) for order in orders], [["CF150000001"]] * 2, "numbers told")


@CASES.add
async def a_hand_over_without_number_only_finishes(g: Ground) -> None:
    """No waybill: the order is done, no number is told."""
    shop, order = g.bind(), g.make()
    push = await g.push_of(shop, order, "")
    same([type(found) for found in await g.said(shop.find_push([push]))], [NotFound], "before anything was told")
    [outcome] = await g.told(shop, push)
    holds(isinstance(outcome, Pushed), f"the hand-over: {outcome}")
    same(g.numbers(order), [], "numbers told")
    holds((await g.read(shop, order)).status in DONE_ORDER, "the order is done")
    same([type(found) for found in await g.said(shop.find_push([push]))], [Pushed], "found afterwards")


@CASES.add
async def a_number_can_take_the_place_of_another(g: Ground) -> None:
    """`update_tracking`: the new number stands where the old one stood."""
    g.declares("update_tracking")
    shop, order = g.bind(), g.make()
    old = await g.push_of(shop, order, "CF160000001")
    await g.told(shop, old)
    new = await g.push_of(shop, order, "CF160000002", replaces="CF160000001", lines=old.lines)
    [outcome] = await g.told(shop, new)
    holds(isinstance(outcome, Pushed), f"the new number: {outcome}")
    same(g.numbers(order)[-1:], ["CF160000002"], "the number there now")
    [found] = await g.said(shop.find_push([new]))
    if isinstance(found, NotFound):  # Nothing shows there: telling it again must do no harm.
        [found] = await g.told(shop, new)
    holds(isinstance(found, Pushed), f"the new one, looked up: {found}")
    same(g.numbers(order)[-1:], ["CF160000002"], "the number there in the end")


# ---------------------------------------------------------------- what must be refused


async def _refused(g: Ground, order: str, number: str, what: str, **changes: object) -> Refused:
    shop = g.bind()
    push = await g.push_of(shop, order, number, **changes)
    before = g.numbers(order)
    [outcome] = await g.told(shop, push)
    holds(isinstance(outcome, Refused), f"{what}: {outcome}")
    holds(outcome.code and outcome.message.strip(), f"{what} is refused with code and sentence")
    same(g.numbers(order), before, f"numbers after {what}")
    return outcome  # type: ignore[no-any-return]


@CASES.add
async def a_cancelled_order_is_not_told(g: Ground) -> None:
    """Refused, the platform's order untouched."""
    order = g.make()
    g.deed("cancel")(g.twin, order)
    outcome = await _refused(g, order, "CF170000001", "a push of a cancelled order")
    holds("cancel" in outcome.code, f"the reason of a cancelled order: {outcome.code}")


@CASES.add
async def a_deleted_order_is_not_told(g: Ground) -> None:
    """Refused as gone (or as dead, where deleting is that)."""
    delete, shop, order = g.deed("delete"), g.bind(), g.make()
    push = await g.push_of(shop, order, "CF180000001")
    delete(g.twin, order)
    [outcome] = await g.told(shop, push)
    holds(isinstance(outcome, Refused), f"a push of a deleted order: {outcome}")
    [found] = await g.said(shop.find_push([push]))
    holds(isinstance(found, Refused | NotFound), f"looked up: {found}")


@CASES.add
async def an_order_nobody_can_read_is_told_or_refused(g: Ground) -> None:
    """A push that must understand the order refuses it; one that need not tells it; nothing is raised."""
    spoil, shop, order = g.deed("spoil"), g.bind(), g.make()
    push = await g.push_of(shop, order, "CF185000001")
    spoil(g.twin, order)
    [outcome] = await g.told(shop, push)
    holds(isinstance(outcome, Refused | Pushed), f"a push of an unreadable order: {outcome}")
    same(g.numbers(order), ["CF185000001"] if isinstance(outcome, Pushed) else [], "numbers told")
    end = g.kit.delete or g.kit.cancel
    if end is not None:
        end(g.twin, order)


@CASES.add
async def an_order_shipped_by_somebody_else_is_not_shipped_again(g: Ground) -> None:
    """With their number: refused, and theirs stays. With ours: done, and nothing is written."""
    ship = g.deed("ship")
    order, ours = g.make(), g.make()
    push = await g.push_of(g.bind(), order, "CF190000001")
    ship(g.twin, order, "ELSE0000002")
    before = g.numbers(order)
    [outcome] = await g.told(g.bind(), push)
    holds(isinstance(outcome, Refused), f"a push of an order somebody else shipped: {outcome}")
    same(g.numbers(order), before, "its numbers")
    same_push = await g.push_of(g.bind(), ours, "CF190000002")
    ship(g.twin, ours, "CF190000002")
    before = g.numbers(ours)
    [outcome] = await g.told(g.bind(), same_push)
    holds(isinstance(outcome, Pushed), f"a push that is there already: {outcome}")
    same(g.numbers(ours), before, "its numbers")


@CASES.add
async def pieces_that_are_no_longer_there_are_not_told(g: Ground) -> None:
    """More of a line than the order has left is refused, where the platform knows what is in a parcel."""
    g.needs("line_check")
    order = g.make(pieces=2)
    found = await g.read(g.bind(), order)
    lines = (PushLine(found.lines[0].platform_line_id, 3),)
    await _refused(g, order, "CF200000001", "a push of more than there is", lines=lines)


@CASES.add
async def a_carrier_the_platform_refuses_is_named(g: Ground) -> None:
    """The platform's words reach the person; nothing is told."""
    carrier = g.deed("bad_carrier")
    order = g.make()
    outcome = await _refused(g, order, "CF210000001", "a push with a bad carrier", carrier=carrier)
    holds(outcome.message.strip(), "the platform's words")


@CASES.add
async def any_name_of_a_carrier_travels(g: Ground) -> None:
    """Quotes, ampersands and other scripts in a carrier's name do no harm."""
    shop, order = g.bind(), g.make()
    [outcome] = await g.told(shop, await g.push_of(shop, order, "CF220000001", carrier="顺丰 \"S&F\" <b>Łódź</b> 'Co'"))
    holds(isinstance(outcome, Pushed | Refused), f"the push: {outcome}")
    same(g.numbers(order), ["CF220000001"] if isinstance(outcome, Pushed) else [], "numbers told")
