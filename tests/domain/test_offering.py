"""How many pieces a shop is to offer, and whose number is told first."""

import pytest

from domain.clock import MINUTE, SECOND
from domain.offering import Part, offered, urgency


@pytest.mark.parametrize(
    ("parts", "buffer", "cap", "pieces"),
    [
        ([Part(10, 3)], 0, 0, 7),
        ([Part(10, 3)], 2, 0, 5),
        ([Part(10, 3)], 2, 4, 4),
        ([Part(10, 3)], 0, 7, 7),
        ([Part(3, 10)], 0, 0, 0),
        ([Part(3, 0)], 5, 0, 0),
        ([Part(10, 0, 3)], 0, 0, 3),
        # A bundle of two of one and one of another; one is kept back of bundles, not of parts.
        ([Part(9, 0, 2), Part(50, 0)], 1, 0, 3),
        ([Part(9, 10, 2), Part(50, 0)], 0, 0, 0),
    ],
)
def test_a_shop_offers_what_can_be_promised_less_its_buffer_and_never_more_than_its_cap(
    parts: list[Part], buffer: int, cap: int, pieces: int
) -> None:
    assert offered(parts, buffer, cap) == pieces


def test_what_is_not_counted_is_not_told() -> None:
    assert offered([], 0, 0) is None


def test_what_may_sell_out_comes_first_then_what_sells_and_nothing_waits_for_ever() -> None:
    assert urgency(0, 0, 0) > urgency(50, 20, 0) > urgency(50, 0, 0)
    assert urgency(4, 5, 0) > urgency(500, 60, 0)
    assert urgency(500, 0, 3 * MINUTE) > urgency(0, 1_000, 0)
    assert urgency(500, 0, 2 * SECOND) > urgency(500, 1, 0)
