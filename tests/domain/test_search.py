"""Names are found by the beginnings of their words, Chinese by any part; case and accents do not count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.search import LONGEST, folded, question, words_of


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Łucja Wiśniewska-Kowal", "lucja wisniewska kowal"),
        ("Søren Ærøskøbing", "soren aeroskobing"),
        ("Straße GROß", "strasse gross"),
        ("Їжак Ґонта", "іжак ґонта"),
        ("王小明", "王 小 明 王小 小明"),
        ("王小明 Wang", "王 小 明 王小 小明 wang"),
        ("O'Neil 3rd_x", "o neil 3rd x"),
        ("anna ANNA Anna", "anna"),
        ("", ""),
        (" -*\" ' ", ""),
        ("김민준", "김민준"),
    ],
)
def test_what_is_kept_of_a_name(name: str, kept: str) -> None:
    assert words_of(name) == kept


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("Wiśn", '"wisn"*'),
        ("anna kow", '"anna"* "kow"*'),
        ("王", '"王"'),
        ("王小", '"王小"'),
        ("王小明", '"王小" "小明"'),
        ('a" OR "b*', '"a"* "or"* "b"*'),
        ("*\"'()", ""),
    ],
)
def test_what_is_asked_of_the_index(typed: str, asked: str) -> None:
    assert question(typed) == asked


@given(st.text())
def test_nothing_typed_is_more_than_words(typed: str) -> None:
    for word in question(typed).split(" ") if question(typed) else []:
        bare = word.removesuffix("*").strip('"')
        assert bare == folded(bare) or bare.isalnum()
        assert bare.isalnum()
        assert len(bare) <= LONGEST


@given(st.text(), st.text())
def test_the_words_kept_are_in_themselves_a_name_of_the_same_words(first: str, last: str) -> None:
    """What an operator's recipient is added to: nothing is lost by keeping words of words."""
    kept = words_of(first, last)
    assert set(kept.split()) <= set(words_of(kept, "Anna").split())
    assert "  " not in kept
    assert kept == kept.strip()
