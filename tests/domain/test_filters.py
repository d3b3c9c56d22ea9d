"""What a filter refuses is said so that it fits a line and shows the way."""

import pytest

from domain.filters import FIELDS, parse
from domain.results import Refused


@pytest.mark.parametrize(
    ("typed", "near"),
    [("contry:PL", "country"), ("shp:PL-Woo", "shop"), ("waybil:1", "waybill"), ("shipby:<2026-01-02", "ship_by")],
)
def test_a_field_that_is_nearly_one_is_named(typed: str, near: str) -> None:
    refused = parse(typed)
    assert isinstance(refused, Refused)
    assert refused.code == "bad_filter"
    assert near in refused.message
    assert len(refused.message) < 76


def test_a_field_that_is_like_none_is_answered_with_all_there_are() -> None:
    refused = parse("zzzz:1")
    assert isinstance(refused, Refused)
    assert all(field in refused.message for field in FIELDS)
