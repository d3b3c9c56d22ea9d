"""The conformance suite on a spreadsheet shop: all of it that does not ask for a wire that fails."""

from collections.abc import Iterator

import pytest

from connectors.conformance import CASES, Suite
from connectors.conformance.case import Case
from connectors.shops.spreadsheet import Spreadsheet
from tests.connectors.sheet_twin import KIT

FAILING_WIRE = ("a_read_through_", "a_push_through_", "an_early_push_through_")
SILENT = "a folder does not say what the platform made of a sheet; test_spreadsheet_tracking.py holds what it can say"
NOT_HERE = {
    "a_whole_order_is_told_and_read_back": SILENT,
    "the_number_may_go_before_the_goods": SILENT,
    "a_part_of_an_order_leaves_the_rest_open": SILENT,
    "parcels_of_one_order_go_in_one_call": SILENT,
    "a_hand_over_without_number_only_finishes": SILENT,
    "a_passing_failure_is_read_through": "there is no wire that fails",
    "a_push_that_arrives_late_is_told_once": "there is no wire that fails",
    "looking_up_says_that_it_could_not_look": "there is no wire that fails",
    "rows_that_come_twice_or_in_another_order_make_no_difference": "there is no wire that shuffles",
    "where_nobody_answers_nothing_was_done": "there is no port",
    "buyers_data_never_travel_unencrypted": "nothing travels",
    "goods_are_read_and_found_again": "goods are known by the lines of orders alone",
}
"""Each case that does not fit, and why."""
ANY_ZONE = "every_second_is_read_once_in_"
"""A folder knows no zones: the case of the shop's own stands for them, test_spreadsheet_orders.py reads local times."""
FITTING = [c for c in CASES if not c.name.startswith((*FAILING_WIRE, ANY_ZONE)) and c.name not in NOT_HERE]


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    with Suite("shop.spreadsheet", Spreadsheet, KIT) as made:
        yield made


@pytest.mark.parametrize("case", FITTING, ids=lambda case: case.name)
async def test_conformance(suite: Suite, case: Case) -> None:
    result = await suite.run(case)
    if result.outcome == "skipped":
        pytest.skip(result.reason)
    assert result.outcome == "passed", result.reason


def test_what_does_not_fit_is_a_case_there_is() -> None:
    assert NOT_HERE.keys() <= {case.name for case in CASES}
