"""What is declared is there, and what is there is declared."""

import inspect

from connectors.conformance.case import Cases
from connectors.conformance.ground import Ground, holds, same
from connectors.contract import Gone, Parsed, ShopConnector, StockLevel, StockSet, extras, operations
from domain.enums import DEAD_ORDER
from domain.records import Product
from domain.results import NotActed, Refused, Unauthorised, Unknown

CASES = Cases()


@CASES.add
async def every_operation_is_there(g: Ground) -> None:
    """Every operation of the contract, under its parameters; what only some platforms have exactly where it is declared."""
    for protocol, declared in {ShopConnector: True, **extras(g.kind.declaration)}.items():
        for name, arguments in operations(protocol).items():
            operation = getattr(g.kind, name, None)
            same(callable(operation), declared, f"there is {name}, as is declared")
            if operation is not None:
                same(len(inspect.signature(operation).parameters) - 1, arguments, f"parameters of {name}")


@CASES.add
async def a_live_check_sees_what_stops_a_shipment(g: Ground) -> None:
    """`check_before_ship`: many orders read at once, each as it stands now."""
    g.declares("check_before_ship")
    fine, cancelled, deleted = g.make(), g.make(), g.make()
    g.deed("cancel")(g.twin, cancelled)
    if g.kit.delete is not None:
        g.kit.delete(g.twin, deleted)
    first, second, third = await g.said(g.bind().read_orders([fine, cancelled, deleted]))
    holds(isinstance(first, Parsed) and first.order.status not in DEAD_ORDER, "an order nothing stands in the way of")
    holds(isinstance(second, Parsed) and second.order.status in DEAD_ORDER, "a cancelled one")
    if g.kit.delete is not None:
        holds(isinstance(third, Gone) or third.order.status in DEAD_ORDER, "a deleted one")  # type: ignore[union-attr]


@CASES.add
async def an_open_case_is_seen(g: Ground) -> None:
    """`after_sale`: an order whose buyer wants it back says so, and no longer once that is settled."""
    g.declares("after_sale")
    open_case, close_case = g.deed("open_case"), g.deed("close_case")
    shop, order = g.bind(), g.make()
    holds(not (await g.read(shop, order)).after_sale, "without a case none is seen")
    open_case(g.twin, order)
    holds((await g.read(shop, order)).after_sale, "an open case is seen")
    before = g.numbers(order)
    [outcome] = await g.told(shop, await g.push_of(shop, order, "CF600000001"))
    told = not isinstance(outcome, Refused | NotActed | Unauthorised | Unknown)
    same(g.numbers(order) != before, told, f"a number was told where the push says {outcome}")
    close_case(g.twin, order)
    holds(not (await g.read(shop, order)).after_sale, "a settled case is not seen")


@CASES.add
async def stock_is_read(g: Ground) -> None:
    """`stock_read`: some unit tells how many there are, and as many as the platform offers."""
    g.declares("stock_read")
    stock, shop = g.kit.offered or g.deed("stock"), g.bind()
    units = [u for page in [p async for p in shop.products("")] for u in page.items]
    counted = [unit for unit in units if unit.stock_managed and unit.stock_quantity is not None]
    holds(counted, "a unit with its stock")
    for unit in counted[:5]:
        there = stock(g.twin, unit.platform_product_id, unit.platform_variant_id)
        same(unit.stock_quantity, there, f"pieces of {unit.platform_product_id}/{unit.platform_variant_id}")


@CASES.add
async def stock_is_set_and_setting_it_again_changes_nothing(g: Ground) -> None:
    """`stock_write`: each level gets its outcome in its place; unknown units are refused; a lost answer is found out."""
    g.declares("stock_write")
    stock, shop = g.deed("stock"), g.bind()
    units = [u for page in [p async for p in shop.products("")] for u in page.items]
    unit: Product = next(one for one in units if one.stock_managed and one.stock_quantity is not None)
    ids = (unit.platform_product_id, unit.platform_variant_id)
    before = stock(g.twin, *ids)

    def level(quantity: int, key: str, product: str = "") -> StockLevel:
        return StockLevel(product or ids[0], ids[1] if not product else "", quantity, f"{g.time()}-{key}")

    wanted = level(before + 3, "a")
    first, second = await g.said(shop.push_stock([wanted, level(7, "b", "99999999")]))  # type: ignore[attr-defined]
    same(first, StockSet(before + 3, before), "the level that was set")
    holds(isinstance(second, Refused), f"a unit nobody knows: {second}")
    same(stock(g.twin, *ids), before + 3, "pieces there now")
    [again] = await g.said(shop.push_stock([wanted]))  # type: ignore[attr-defined]
    holds(isinstance(again, StockSet) and again.quantity == before + 3, f"the same level again: {again}")
    same(stock(g.twin, *ids), before + 3, "pieces after the same level again")
    for fault in ("http_500", "cut_after", "html", "refused_429"):
        for place in range(4):
            there = stock(g.twin, *ids)
            wanted = level(there + 1, f"{fault}{place}")
            g.twin.fail_next(fault, skip=place)
            [outcome] = await g.said(shop.push_stock([wanted]))  # type: ignore[attr-defined]
            g.twin.admin("POST", "faults", {"next": [], "forget": True})
            now = stock(g.twin, *ids)
            if isinstance(outcome, StockSet):
                same(now, wanted.quantity, f"pieces where it says {outcome}, {fault} at call {place + 1}")
            elif isinstance(outcome, NotActed | Refused | Unauthorised):
                same(now, there, f"pieces where it says {outcome}, {fault} at call {place + 1}")
            [outcome] = await g.said(shop.push_stock([wanted]))  # type: ignore[attr-defined]
            holds(isinstance(outcome, StockSet), f"told again after {fault} at call {place + 1}: {outcome}")
            same(stock(g.twin, *ids), wanted.quantity, f"pieces in the end, {fault} at call {place + 1}")
