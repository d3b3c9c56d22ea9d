"""What connectors share: settings that hold several words, lists as PHP writes them, and the words of a yes."""

import pytest

from connectors.wire import in_list, in_pairs, listed, option
from domain.text import is_yes


def test_words_and_pairs_of_a_setting_stand_between_commas_of_either_kind() -> None:
    assert in_list(" a, b，c ,, ") == ["a", "b", "c"]
    assert in_list("") == []
    assert in_pairs("DHL = DHL Express, 3150=open，alone,=x") == [
        ("DHL", "DHL Express"),
        ("3150", "open"),
        ("alone", ""),
        ("", "x"),
    ]


@pytest.mark.parametrize(("wire", "found"), [([1], [1]), ({"0": 1, "2": 3}, [1, 3]), ({}, []), (None, []), ("x", [])])
def test_a_list_with_gaps_is_a_list(wire: object, found: list[int]) -> None:
    assert listed(wire) == found


def test_an_option_may_stay_empty_and_be_a_secret() -> None:
    field = option("token", "Token", "where", "", True)
    assert (field.required, field.secret, field.default, field.help) == (False, True, "", "where")


def test_only_the_words_of_a_yes_are_one() -> None:
    assert all(map(is_yes, ("yes", " YES ", "y", "true", "1", "on")))
    assert not any(map(is_yes, ("", "no", "off", "0", "yes please")))
