"""What the documentation of a platform leaves open: the connector holds under each reading of it, and names the doubt."""

from connectors.conformance import losses, orders, pushing, times
from connectors.conformance.case import Case, Cases
from connectors.conformance.ground import Failed, Ground, Skipped, holds

CASES = Cases()

_CORE: tuple[Case, ...] = tuple(
    case
    for module in (orders, pushing, losses, times)  # The last turns the clock.
    for case in module.CASES
    if case.name
    in {
        "every_page_is_read_while_orders_change",
        "changes_are_read",
        "a_whole_order_is_told_and_read_back",
        "the_number_may_go_before_the_goods",
        "a_hand_over_without_number_only_finishes",
        "a_push_through_cut_after",
        "a_push_through_http_500",
        "every_second_is_read_once_where_the_shop_is",
    }
)


@CASES.add
async def the_connector_holds_under_every_reading(g: Ground) -> None:
    """The core of the suite again, on a twin that follows each reading in turn."""
    readings = g.deed("readings")
    holds(g.kind.declaration.unconfirmed, "what the documentation leaves open is declared as unconfirmed")
    for reading, options in readings.items():
        twin = g.fresh(options)
        for case in _CORE:
            try:
                await case.run(g.same_shop(twin))
            except Skipped:
                continue
            except Failed as failed:
                raise Failed(f"{reading}, {case.name}: {failed}") from None
