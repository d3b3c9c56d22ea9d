"""Text in cells: exactly as wide as asked for, and harmless, whatever was written by whom."""

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from console.cells import Width, cells, clean, fit, wrap

BIDI = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
MARKS_OF_DIRECTION = set("\u200e\u200f\u061c")
SAMPLES = [
    "Wiśniewska",
    "Шевченко Київ",
    "文具礼盒帆布笔袋",
    "e\u0301a\u0308o\u0302 n\u0303",
    "👩‍👩‍👧‍👦 family",
    "❤️ 🏃‍♂️ ☎️ 1️⃣",
    "🇵🇱🇨🇳🇺🇦",
    "·×→●○✓✗…",
    "\u0301\u0302",
    "\u200d\u200d\ufe0f",
    "ﾊﾝｶｸ ＦＵＬＬ",
    "नमस्ते กรุงเทพ",
]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=("Cc", "Cs"))),
    st.text(st.sampled_from(list("".join(SAMPLES)))),
    st.lists(st.sampled_from(SAMPLES)).map("".join),
    st.text("abcdefghij 0123456789", max_size=40),
)


@pytest.fixture(params=[1, 2], ids=["narrow", "ambiguous wide"], autouse=True)
def terminal(request: pytest.FixtureRequest) -> Iterator[int]:
    """Both kinds of terminal in turn."""
    _of_another_terminal()
    Width.ambiguous = request.param
    yield request.param
    Width.ambiguous = 1
    _of_another_terminal()


def _of_another_terminal() -> None:
    """The width of a terminal never changes while the console runs: what it remembers is another one's now."""
    cells.cache_clear()
    fit.cache_clear()


@given(TEXTS, st.integers(0, 30), st.booleans())
@example("漢", 1, False)
@example("漢字", 3, False)
@example("👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 3, False)
@example("☎️☎️", 3, True)
@example("\u200d0", 2, True)
def test_a_fitted_text_takes_exactly_the_cells_that_were_asked_for(text: str, width: int, right: bool) -> None:
    fitted = fit(text, width, right)
    assert cells(fitted) == width
    # A joiner at an end is dropped: it would join the blanks there.
    text = text.strip("\u200d")
    if cells(text) <= width:
        assert fitted == (text.rjust if right else text.ljust)(width - cells(text) + len(text))
    elif width:
        assert fitted.strip(" ").endswith("~"), "a cut is marked"
        assert text.startswith(fitted.strip(" ")[:-1].lstrip(" ")) or text.startswith(fitted.rstrip(" ")[:-1])


@given(TEXTS)
def test_a_text_is_as_wide_as_its_parts(text: str) -> None:
    if Width.ambiguous == 1:
        assert cells(text) == (len(text) if text.isascii() else cell_len(text))
    else:
        assert cells(text) >= (len(text) if text.isascii() else cell_len(text))


def test_ambiguous_letters_are_as_wide_as_this_terminal_draws_them(terminal: int) -> None:
    assert cells("ł") == cells("ó") == cells("Ш") == terminal
    assert cells("l") == cells("ś") == 1
    assert cells("漢") == cells("❤️") == 2, "what is wide anyway does not grow"
    assert cells("e\u0301") == cells("e\ufe00") == 1, "an accent takes no cell of its own"


@given(TEXTS, st.integers(2, 40))
@example("文具礼盒帆布笔袋", 3)
@example("aaaa 漢字漢字", 2)
def test_wrapped_lines_never_exceed_and_lose_nothing(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert lines
    assert max(cells(line) for line in lines) <= width
    # A no-break blank has served once the lines are broken: it is drawn as a blank.
    assert "".join(lines).replace(" ", "") == text.replace(" ", "").replace("\xa0", "")


def test_words_stay_whole_where_they_can() -> None:
    assert wrap("Please no invoice in the box", 10) == ["Please no", "invoice in", "the box"]
    assert wrap("", 10) == [""]
    assert wrap("abcdefghijkl m", 5) == ["abcde", "fghij", "kl m"]


ANYTHING = st.text(
    st.one_of(
        st.characters(),
        st.integers(0, 0x10FFFF).map(chr),
        st.sampled_from("\x1b\x9b\x07\x08\r\n\t\x7f\u202e\u2066\u200b\u200f\u061c\ufeff\u2028\ud800"),
    )
)


@given(ANYTHING, st.integers(1, 40))
@example("\x1b]52;c;aGVsbG8=\x07", 30)
@example("\x9b31m\u202emoc.live", 30)
def test_no_control_bidi_or_escape_character_comes_through(text: str, width: int) -> None:
    shown = clean(text, width)
    assert cells(shown) == width
    for character in shown:
        assert unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}, hex(ord(character))
        assert unicodedata.bidirectional(character) not in BIDI, hex(ord(character))
        assert character not in MARKS_OF_DIRECTION | set("\u200b\ufeff"), hex(ord(character))
    shown.encode()


def test_nothing_at_all_is_a_blank() -> None:
    assert clean(None, 3) == "   "
    assert clean(12, 4, right=True) == "  12"
