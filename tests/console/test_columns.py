"""One row of the list, cell for cell: `mocks.md` §1 says what stands where."""

import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from console.cells import Width, cells, fit
from console.columns import MORE, NARROW, WIDE, Painted, header, paint
from console.styles import DARK, styles_of
from console.window import _strip
from domain.clock import DAY, HOUR, MINUTE, SECOND, Instant
from domain.enums import STATUSES, Flag, PrintState, Stage, Status
from store.lists import Line
from store.queue import NO_DEADLINE

Column = tuple[int, int]
CODE, BY, SHOP, BUYER, TO, ITEMS, LAST = (7, 7), (15, 5), (21, 8), (30, 10), (41, 11), (53, 15), (69, 10)
"""Where each column of the mock begins, and its cells; the flags stand in the four cells from 2 on."""
ALL_STATUSES = [(stage, status) for stage, statuses in STATUSES.items() for status in sorted(statuses)]


@pytest.fixture(autouse=True, params=["Europe/Warsaw", "Asia/Shanghai", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The terminal's zone: deadlines are shown in it."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> Instant:
    """A moment on the clock of the terminal."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def saturday() -> Instant:
    return at("2025-11-22T14:02:00")


def a_row(stage: Stage = Stage.REVIEW, status: str = "open", flags: int = 0, **values: object) -> Line:
    line = Line(
        id=204217,
        due=at("2025-11-22T15:00:00"),
        version=1,
        stage=int(stage),
        status=status,
        flags=int(flags),
        mark=0,
        hold_reason="",
        code="",
        print_state="none",
        changed_at=saturday() - 12 * SECOND,
        collected_at=None,
        shop="PL-Woo",
        number="58213",
        currency="PLN",
        total_minor=24900,
        first_name="Zofia",
        last_name="Wiśniewska",
        recipient="Zofia Wiśniewska",
        country="PL",
        city="Warszawa",
        waybill=None,
        service=None,
        told=0,
        remarks=0,
        bin=None,
        items=((2, "BD-BLUE"), (1, "NB-A5")),
    )
    return structs.replace(line, **values)


def painted(row: Line, width: int = NARROW, same_buyer: frozenset[int] = frozenset(), **how: bool) -> Painted:
    return paint(row, saturday(), same_buyer, width, **how)


def text_of(p: Painted) -> str:
    """The whole line of a row that is neither marked nor under the cursor."""
    return f"  {p.flags} {p.code} {p.by}{p.rest}"


def part(text: str, where: Column) -> str:
    """So many cells of a text from a cell on."""
    start, wide = where
    found, used = "", 0
    for character in text:
        if start <= used < start + wide:
            found += character
        used += cells(character)
    return found


def column(row: Line, where: Column, **how: bool) -> str:
    """What stands in a column of a row."""
    return part(text_of(painted(row, **how)), where)


def flags(row: Line, same_buyer: frozenset[int] = frozenset()) -> str:
    return painted(row, same_buyer=same_buyer).flags


# ------------------------------------------------------------------ the mock itself


def test_the_row_of_the_mock_stands_as_the_mock_says() -> None:
    row = a_row(flags=int(Flag.NOTE_UNREAD | Flag.STOPPED))
    assert text_of(painted(row)) == ("  !N   K204217 15:00 PL-Woo   Wiśniewska PL Warszawa 2 BD-BLUE +1    249.00 PLN")
    han = a_row(
        flags=int(Flag.AFTER_SALE),
        shop="微信小店",
        first_name="伟明",
        last_name="张",
        country="CN",
        city="杭州市",
        items=((3, "文具礼盒"), (1, "A"), (1, "B")),
        currency="CNY",
        total_minor=18800,
    )
    assert text_of(painted(han)) == "  R    K204217 15:00 微信小店 张伟明     CN 杭州市   3 文具礼盒 +2   188.00 CNY"


def test_a_title_stands_over_each_column() -> None:
    for stage in (*Stage, None):
        titles = header(stage, NARROW)
        for where in (CODE, BY, SHOP, BUYER, TO, ITEMS, LAST):
            found = part(titles, where)
            assert found.strip(), (stage, where)
            assert titles[where[0] - 1] == " ", "columns lie a blank apart"
    assert part(header(Stage.REVIEW, NARROW), LAST) == "     Total"
    assert part(header(Stage.TO_PRINT, NARROW), LAST) == "Bin       "


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize(("stage", "status"), ALL_STATUSES)
def test_every_row_is_exactly_as_wide_as_its_list(stage: Stage, status: Status, width: int) -> None:
    styles = styles_of(DARK, True)
    for flag in (Flag(0), *Flag):
        for everywhere in (False, True):
            row = a_row(
                stage, status, int(flag), waybill="YT1912550001234567", service="YT-PL-STD", code="address_wrong"
            )
            p = painted(row, width, everywhere=everywhere)
            assert cells(text_of(p)) == width
            for cursor in (False, True):
                strip = _strip(p, styles, width, cursor=cursor, marked=cursor, gone=not cursor)
                assert sum(cells(s.text) for s in strip) == strip.cell_length == width
    assert cells(header(stage, width)) == width


@given(st.data())
def test_no_text_from_outside_moves_a_column(data: st.DataObject) -> None:
    text = st.one_of(
        st.text(max_size=30), st.sampled_from(["张伟明", "Шевченко", "👩‍👩‍👧‍👦", "e\u0301" * 9, "\x1b[31mred", ""])
    )
    stage, status = data.draw(st.sampled_from(ALL_STATUSES))
    row = a_row(
        stage,
        status,
        data.draw(st.integers(0, 2 * max(Flag) - 1)),
        id=data.draw(st.integers(1, 9_999_999)),
        due=data.draw(st.one_of(st.just(NO_DEADLINE), st.integers(0, 4 * saturday()))),
        hold_reason=data.draw(st.sampled_from(["", "wait"])),
        code=data.draw(text),
        print_state=data.draw(st.sampled_from([p.value for p in PrintState])),
        changed_at=data.draw(st.integers(0, saturday())),
        shop=data.draw(text),
        number=data.draw(text),
        currency=data.draw(st.sampled_from(["PLN", "JPY", "KWD", "", "???", "zł"])),
        total_minor=data.draw(st.integers(0, 10**12)),
        first_name=data.draw(st.none() | text),
        last_name=data.draw(st.none() | text),
        recipient=data.draw(st.none() | text),
        country=data.draw(st.none() | text),
        city=data.draw(st.none() | text),
        waybill=data.draw(st.none() | text),
        service=data.draw(st.none() | text),
        told=data.draw(st.integers(0, 2)),
        remarks=data.draw(st.integers(0, 3)),
        bin=data.draw(st.none() | text),
        items=tuple(data.draw(st.lists(st.tuples(st.integers(1, 999), text), max_size=3))),
    )
    Width.ambiguous = data.draw(st.sampled_from([1, 2]))
    cells.cache_clear()
    fit.cache_clear()
    try:
        for width in (NARROW, WIDE):
            p = painted(row, width, frozenset({row.id}))
            assert cells(text_of(p)) == width
            assert len(p.flags) == 4
            assert cells(p.code) == CODE[1]
            assert cells(p.by) == BY[1]
            assert "\x1b" not in text_of(p)
    finally:
        Width.ambiguous = 1
        cells.cache_clear()
        fit.cache_clear()


def test_a_wide_list_adds_order_service_and_waybill() -> None:
    row = a_row(Stage.WAYBILL, "obtained", service="YT-PL-STD", waybill="YT1912550001234567")
    assert WIDE == 119
    assert text_of(painted(row, WIDE))[NARROW:] == " 58213        YT-PL-STD YT1912550001234~"
    assert [title for title, _cells in MORE] == ["Order", "Service", "Waybill"]


def test_a_code_is_never_cut() -> None:
    assert painted(a_row(id=217)).code == "K000217"
    assert painted(a_row(id=999_999)).code == "K999999"
    assert painted(a_row(id=1_204_217)).code == "1204217", "from a million on its digits, which find it as well"


# ------------------------------------------------------------------ the four letters


@pytest.mark.parametrize(
    ("row", "letter"),
    [
        ({}, " "),
        ({"flags": Flag.AFTER_SALE | Flag.STOPPED}, "R"),
        ({"flags": Flag.STOPPED}, "!"),
        ({"flags": Flag.LINES_CHANGED}, "!"),
        ({"flags": Flag.LABEL_STALE}, "!"),
        ({"flags": Flag.PULL}, "!"),
        ({"flags": Flag.TOLD_NOT_SENT}, "!"),
        ({"stage": Stage.WAYBILL, "status": "failed", "hold_reason": "wait"}, "!"),
        ({"hold_reason": "wait", "flags": Flag.UNMATCHED}, "H"),
        ({"flags": Flag.UNMATCHED | Flag.CHANGED}, "?"),
        ({"stage": Stage.WAYBILL, "status": "unknown"}, "?"),
        ({"stage": Stage.TO_PRINT, "status": "in_stock", "print_state": "unknown"}, "?"),
        ({"stage": Stage.SHIPPED, "status": "succeeded", "flags": Flag.UNMATCHED}, " "),
        ({"flags": Flag.CHANGED | Flag.FIRST_IMPORT}, "C"),
        ({"flags": Flag.FIRST_IMPORT}, "F"),
        ({"flags": Flag.UNPAID}, "U"),
        ({"stage": Stage.WAYBILL, "status": "requesting"}, "~"),
        ({"stage": Stage.WAYBILL, "status": "closing"}, "~"),
        ({"stage": Stage.TO_PRINT, "status": "checking"}, "~"),
        ({"stage": Stage.SHIPPED, "status": "pushing"}, "~"),
    ],
)
def test_the_first_letter_says_what_troubles_it(row: dict[str, object], letter: str) -> None:
    assert flags(a_row(**row))[0] == letter


@pytest.mark.parametrize(
    ("row", "letter"),
    [
        ({}, " "),
        ({"flags": Flag.NOTE_UNREAD, "remarks": 3}, "N"),
        ({"remarks": 1}, "n"),
        ({"remarks": 2}, "w"),
        ({"remarks": 3}, "w"),
    ],
)
def test_the_second_letter_says_what_words_it_has(row: dict[str, object], letter: str) -> None:
    assert flags(a_row(**row))[1] == letter


def test_the_third_letter_says_what_belongs_together() -> None:
    mates = frozenset({204217})
    assert flags(a_row())[2] == " "
    assert flags(a_row(), mates)[2] == "m"
    assert flags(a_row(flags=int(Flag.MERGED | Flag.SPLIT)), mates)[2] == "M"
    assert flags(a_row(flags=int(Flag.SPLIT)), mates)[2] == "/"


@pytest.mark.parametrize(
    ("row", "letter"),
    [
        ({}, " "),
        ({"waybill": "N1"}, "W"),
        ({"waybill": "N1", "print_state": "asked"}, "p"),
        ({"waybill": "N1", "print_state": "sent"}, "p"),
        ({"waybill": "N1", "print_state": "unknown"}, "p"),
        ({"waybill": "N1", "print_state": "confirmed"}, "P"),
        ({"waybill": "N1", "print_state": "confirmed", "told": 1}, "V"),
        ({"stage": Stage.SHIPPED, "status": "succeeded", "waybill": "N1", "print_state": "confirmed", "told": 1}, "P"),
        ({"status": "out_of_stock", "waybill": "N1", "told": 1}, "o"),
        ({"status": "out_of_stock", "flags": Flag.LABEL_STALE}, "S"),
    ],
)
def test_the_fourth_letter_says_what_paper_it_has(row: dict[str, object], letter: str) -> None:
    assert flags(a_row(**{"stage": Stage.TO_PRINT, "status": "in_stock", **row}))[3] == letter


def test_a_colour_only_repeats_a_letter() -> None:
    for flag in Flag:
        p = painted(a_row(flags=int(flag)))
        assert (p.tone != "") == (p.flags[0] != " ")


# ------------------------------------------------------------------ the deadline


@pytest.mark.parametrize(
    ("due", "shown", "late"),
    [
        ("2025-11-22T11:52:00", "-2h10", True),
        ("2025-11-22T13:42:00", "-0h20", True),
        ("2025-11-22T04:03:00", "-9h59", True),
        ("2025-11-22T00:02:00", " -14h", True),
        ("2025-11-18T00:00:00", "  -4d", True),
        ("2020-01-01T00:00:00", "-999d", True),
        ("2025-11-22T14:02:00", "14:02", False),
        ("2025-11-22T15:00:00", "15:00", False),
        ("2025-11-22T23:59:00", "23:59", False),
        ("2025-11-23T00:00:00", "  Sun", False),
        ("2025-11-24T16:30:00", "  Mon", False),
        ("2025-11-28T14:01:00", "  Fri", False),
        ("2025-11-28T14:02:00", "11-28", False),
        ("2025-12-03T12:00:00", "12-03", False),
    ],
)
def test_a_deadline_is_told_in_five_cells(due: str, shown: str, late: bool) -> None:
    p = painted(a_row(due=at(due)))
    assert (p.by, p.late) == (shown, late)


def test_no_deadline_and_none_that_counts_any_more_is_a_blank() -> None:
    p = painted(a_row(due=NO_DEADLINE))
    assert (p.by, p.late) == ("     ", False)
    for stage, status in ((Stage.SHIPPED, "succeeded"), (Stage.CLOSED, "merged")):
        p = painted(a_row(stage, status, due=saturday() - DAY))
        assert (p.by, p.late) == ("     ", False)


# ------------------------------------------------------------------ the last column


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"total_minor": 24900}, "249.00 PLN"),
        ({"total_minor": 990, "currency": "EUR"}, "  9.90 EUR"),
        ({"total_minor": 124_900}, "1249.00PLN"),
        ({"total_minor": 1_234_567}, " 12345 PLN"),
        ({"total_minor": 24900, "currency": "JPY"}, " 24900 JPY"),
    ],
)
def test_the_review_shows_the_total_and_never_cuts_its_currency(row: dict[str, object], shown: str) -> None:
    assert column(a_row(**row), LAST) == shown


@pytest.mark.parametrize(
    ("stage", "row", "shown"),
    [
        (Stage.PROCESSING, {"status": "open"}, "service?"),
        (Stage.PROCESSING, {"status": "open", "service": "YT-PL"}, "customs?"),
        (Stage.PROCESSING, {"status": "ready", "service": "YT-PL-STD"}, "YT-PL-STD"),
        (Stage.WAYBILL, {"status": "requesting"}, "asking 12s"),
        (Stage.WAYBILL, {"status": "waiting"}, "waits"),
        (Stage.WAYBILL, {"status": "obtained", "waybill": "YT1912550001234567"}, "01234567"),
        (Stage.WAYBILL, {"status": "failed", "code": "no_cod"}, "no_cod"),
        (Stage.WAYBILL, {"status": "failed"}, "failed"),
        (Stage.WAYBILL, {"status": "unknown"}, "unknown"),
        (Stage.TO_PRINT, {"status": "in_stock", "bin": "A-03-1"}, "A-03-1"),
        (Stage.TO_PRINT, {"status": "in_stock"}, "-"),
        (Stage.TO_PRINT, {"status": "out_of_stock", "bin": "A-03-1"}, "short"),
        (Stage.TO_PRINT, {"status": "checking", "bin": "A-03-1"}, "checking"),
        (Stage.TO_PRINT, {"status": "in_stock", "bin": "A-03-1", "flags": Flag.LABEL_STALE}, "stale"),
        (Stage.TO_PRINT, {"status": "in_stock", "bin": "A-03-1", "flags": Flag.AFTER_SALE}, "refund"),
        (Stage.TO_PRINT, {"status": "in_stock", "bin": "A-03-1", "flags": Flag.STOPPED}, "stopped"),
        (Stage.TO_PRINT, {"status": "in_stock", "bin": "A-03-1", "flags": Flag.LINES_CHANGED}, "changed"),
        (Stage.SHIPPED, {"status": "pushing"}, "pushing"),
        (Stage.SHIPPED, {"status": "succeeded"}, "ok 14:01"),
        (Stage.SHIPPED, {"status": "failed"}, "failed"),
        (Stage.SHIPPED, {"status": "ignored"}, "ignored"),
        (Stage.CLOSED, {"status": "merged"}, "merged"),
    ],
)
def test_the_last_column_says_what_its_stage_waits_for(stage: Stage, row: dict[str, object], shown: str) -> None:
    assert column(a_row(stage, **row), LAST).strip() == shown


def test_an_age_of_asking_is_never_cut_in_its_digits() -> None:
    for ms in (9 * SECOND, 59 * MINUTE, 119 * MINUTE, 47 * HOUR, 99 * DAY):
        shown = column(a_row(Stage.WAYBILL, "requesting", changed_at=saturday() - ms), LAST)
        assert "~" not in shown


def test_all_orders_together_show_where_each_stands() -> None:
    for stage, shown in ((Stage.REVIEW, "Review"), (Stage.TO_PRINT, "To print"), (Stage.SHIPPED, "Shipped")):
        assert column(a_row(stage, sorted(STATUSES[stage])[0]), LAST, everywhere=True).strip() == shown
    assert column(a_row(Stage.CLOSED, "refunded"), LAST, everywhere=True).strip() == "refunded"


# ------------------------------------------------------------------ the others


def test_what_is_not_known_is_said_not_left_out() -> None:
    row = a_row(country="DE", city=None, items=(), last_name=None, first_name=None, recipient="Fa. Schmidt")
    assert column(row, TO).strip() == "DE ?"
    assert column(row, ITEMS).strip() == "-"
    assert column(row, BUYER).strip() == "Fa. Schmi~"
    assert column(a_row(shop="Hangzhou main"), SHOP) == "Hangzho~"


def test_a_person_is_called_as_at_home() -> None:
    assert column(a_row(first_name="伟明", last_name="张"), BUYER).strip() == "张伟明"
    assert column(a_row(first_name="Тарас", last_name="Шевченко"), BUYER).strip() == "Шевченко"
    assert column(a_row(first_name="Cher", last_name=""), BUYER).strip() == "Cher"
