"""Amounts in every currency, text from anywhere, and days in every zone."""

import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.clock import DAY, HOUR, from_datetime, iso, months_before, to_datetime
from domain.money import BadAmount, Money, UnknownCurrency, format_minor
from domain.settings import ShopSettings
from domain.ship_by import ship_by
from domain.text import email_key, is_masked, phone_key, safe, storable

ZONES = (
    "UTC",
    "Europe/Warsaw",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Asia/Shanghai",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Etc/GMT+12",
)
INSTANTS = st.integers(from_datetime(datetime(2020, 1, 1, tzinfo=UTC)), from_datetime(datetime(2035, 1, 1, tzinfo=UTC)))


def at(text: str, zone: str = "UTC", fold: int = 0) -> int:
    """A wall-clock time of a zone as an instant."""
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold))


def local(instant: int, zone: str) -> datetime:
    """The wall clock of a zone at an instant."""
    return to_datetime(instant).astimezone(ZoneInfo(zone))


# ------------------------------------------------------------------ money


@pytest.mark.parametrize(
    ("amount", "currency", "minor", "shown"),
    [
        ("1200", "JPY", 1200, "1200 JPY"),
        ("1200.00", "JPY", 1200, "1200 JPY"),
        ("1200.5", "JPY", 1201, "1201 JPY"),
        ("0", "JPY", 0, "0 JPY"),
        ("1.234", "KWD", 1234, "1.234 KWD"),
        ("1.2345", "KWD", 1235, "1.235 KWD"),
        ("0.005", "KWD", 5, "0.005 KWD"),
        ("19.99", "EUR", 1999, "19.99 EUR"),
        ("19.995", "EUR", 2000, "20.00 EUR"),
        ("-19.995", "EUR", -2000, "-20.00 EUR"),
        ("-0.05", "EUR", -5, "-0.05 EUR"),
        ("0.1", "CNY", 10, "0.10 CNY"),
        (" 8888.88 ", "CNY", 888888, "8888.88 CNY"),
        ("", "CNY", 0, "0.00 CNY"),
        (7, "PLN", 700, "7.00 PLN"),
        (Decimal("0.00015"), "CLF", 2, "0.0002 CLF"),
    ],
)
def test_amounts_keep_the_digits_of_their_currency(amount: str, currency: str, minor: int, shown: str) -> None:
    money = Money.parse(amount, currency)
    assert (money.minor, str(money)) == (minor, shown)


@pytest.mark.parametrize("code", ["XQZ", "", "pln", "zł", "$", "BTC", "XAU"])
def test_a_currency_without_a_known_minor_unit_is_refused(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        Money.parse("1.00", code)
    with pytest.raises(UnknownCurrency):
        format_minor(100, code)


@pytest.mark.parametrize(
    "text", ["abc", "1,50", "1_000", "١٢", "NaN", "Infinity", "1.2.3", "12 zł", "1e999999", "9" * 40]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(BadAmount):
        Money.parse(text, "EUR")


@given(st.integers(-(2**53), 2**53), st.sampled_from(["JPY", "KWD", "EUR", "CNY", "CLF"]))
def test_an_amount_survives_being_written_and_read(minor: int, currency: str) -> None:
    assert Money.parse(format_minor(minor, currency), currency) == Money(minor, currency)


# ------------------------------------------------------------------ text


@given(st.text(st.characters(), max_size=600))
@example("\x1b[31mred\x07\x9b2J\x00")
@example("abc\u202egnirts\u202c\u2066\u200b\ufeff\ud800")
def test_safe_text_holds_nothing_a_terminal_would_obey(text: str) -> None:
    shown = safe(text)
    assert len(shown) <= 1500
    for char in shown:
        assert unicodedata.category(char) not in {"Cc", "Cs"}
        assert (
            char
            not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\u061c\ufeff\u2028\u2029"
        )
    assert safe(shown, 2000) == shown


def test_safe_text_marks_where_it_was_cut_and_leaves_names_alone() -> None:
    assert safe("a" * 600) == "a" * 499 + "~"
    assert safe("Łucja 诸葛乐 „Dla” ♥") == "Łucja 诸葛乐 „Dla” ♥"


@given(st.text(st.characters(), max_size=200))
@example("a\x00b\ud83d")
def test_storable_text_fits_every_database_and_changes_nothing_else(text: str) -> None:
    kept = storable(text)
    kept.encode("utf-8")
    assert "\x00" not in kept
    assert len(kept) == len(text)
    assert all(a == b or b == "\ufffd" for a, b in zip(text, kept, strict=True))


@pytest.mark.parametrize(
    "phone",
    [
        "+48599000001",
        "+48 599 000 001",
        "+48 (599) 000-001",
        "0048 599 000 001",
        "(+48) 599000001",
        "＋４８ 599.000.001",
    ],
)
def test_a_phone_number_has_one_key_however_it_is_written(phone: str) -> None:
    assert phone_key(phone) == "+48599000001"


@given(st.from_regex(r"\+?[0-9]{5,15}", fullmatch=True), st.data())
def test_spaces_dots_and_dashes_never_make_another_phone_number(phone: str, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(1, len(phone) - 1), max_size=5))
    dressed = phone
    for place in sorted(places, reverse=True):
        dressed = dressed[:place] + data.draw(st.sampled_from([" ", "-", ".", "(", ")", "/"])) + dressed[place:]
    assert phone_key(dressed) == phone_key(phone)


@pytest.mark.parametrize("text", ["", "-", "1234", "138****1234", "138xxxx1234", "XXX-XXX-1234", "●●●● 1234"])
def test_a_hidden_or_tiny_phone_number_identifies_nobody(text: str) -> None:
    assert phone_key(text) == ""


def test_an_email_has_one_key_and_a_hidden_one_identifies_nobody() -> None:
    assert email_key(" Celina@Example.TEST ") == "celina@example.test"
    assert [email_key(t) for t in ("", "celina", "c***@example.test", "xxxx@example.test", "[deleted]@x")] == [""] * 5


@pytest.mark.parametrize("text", ["maxx@example.test", "Foxx", "rexxar@roxx.example.test", "Huxxley"])
def test_a_double_x_in_a_name_hides_nobody(text: str) -> None:
    assert not is_masked(text)


# ------------------------------------------------------------------ the import window


@pytest.mark.parametrize(
    ("connected", "zone", "start"),
    [
        ("2026-04-30T12:00", "Europe/Warsaw", "2026-02-28T12:00"),
        ("2028-04-30T12:00", "Europe/Warsaw", "2028-02-29T12:00"),
        ("2026-01-31T00:00", "Asia/Shanghai", "2025-11-30T00:00"),
        ("2026-12-31T23:59", "Pacific/Kiritimati", "2026-10-31T23:59"),
        ("2026-05-15T08:30", "Europe/Warsaw", "2026-03-15T08:30"),
    ],
)
def test_roa_10_the_window_is_two_calendar_months_on_the_shops_own_clock(connected: str, zone: str, start: str) -> None:
    assert months_before(at(connected, zone), 2, zone) == at(start, zone)


@given(INSTANTS, st.integers(0, 24), st.sampled_from(ZONES))
@example(at("2026-05-29T02:30", "Europe/Warsaw"), 2, "Europe/Warsaw")
@example(at("2026-12-25T02:30", "Europe/Warsaw"), 2, "Europe/Warsaw")
def test_months_before_keeps_the_wall_clock_and_clips_the_day(instant: int, months: int, zone: str) -> None:
    now, then = local(instant, zone), local(months_before(instant, months, zone), zone)
    assert (now.year * 12 + now.month) - (then.year * 12 + then.month) == months
    if then.day != now.day:
        assert then.day < now.day
        assert (then + timedelta(days=1)).day == 1
    jump = abs(then.replace(tzinfo=None) - now.replace(year=then.year, month=then.month, day=then.day, tzinfo=None))
    assert jump in {timedelta(0), timedelta(minutes=30), timedelta(hours=1)}
    if jump:  # Only a time that the clocks skipped that night moves.
        assert then.utcoffset() != (then - timedelta(hours=3)).astimezone(UTC).astimezone(ZoneInfo(zone)).utcoffset()


@given(INSTANTS)
def test_an_instant_is_written_in_utc_to_the_second(instant: int) -> None:
    text = iso(instant)
    assert text is not None
    assert from_datetime(datetime.fromisoformat(text)) == instant // 1000 * 1000


def test_a_time_without_a_zone_is_no_instant() -> None:
    with pytest.raises(ValueError, match="naive"):
        from_datetime(datetime(2026, 1, 1))


# ------------------------------------------------------------------ ship by


def test_the_platforms_own_deadline_wins_and_nothing_paid_has_none() -> None:
    assert ship_by(5, 1, ShopSettings(), "UTC") == 5
    assert ship_by(None, None, ShopSettings(), "UTC") is None


def test_handling_hours_count_real_hours_even_when_the_clocks_change() -> None:
    paid = at("2026-10-24T18:00", "Europe/Warsaw")
    due = ship_by(None, paid, ShopSettings(handling_hours=24), "Europe/Warsaw")
    assert due == paid + 24 * HOUR == at("2026-10-25T17:00", "Europe/Warsaw")


@pytest.mark.parametrize(
    ("paid", "due"),
    [
        ("2026-11-20T14:59", "2026-11-20T15:00"),  # a Friday
        ("2026-11-20T15:00", "2026-11-20T15:00"),
        ("2026-11-20T15:01", "2026-11-23T15:00"),
        ("2026-11-21T09:00", "2026-11-23T15:00"),
        ("2026-10-23T16:00", "2026-10-26T15:00"),  # the clocks go back in between
        ("2026-03-27T16:00", "2026-03-30T15:00"),  # the clocks go forward in between
    ],
)
def test_the_cut_off_is_a_time_of_the_shops_wall_clock_on_its_working_days(paid: str, due: str) -> None:
    settings = ShopSettings(cut_off="15:00")
    assert ship_by(None, at(paid, "Europe/Warsaw"), settings, "Europe/Warsaw") == at(due, "Europe/Warsaw")


@given(
    INSTANTS,
    st.sampled_from(ZONES),
    st.integers(0, 23),
    st.sampled_from([0, 15, 30, 59]),
    st.sets(st.sampled_from("1234567")).map(lambda days: "".join(sorted(days))),
)
@example(at("2026-10-25T02:40", "Europe/Warsaw", 0), "Europe/Warsaw", 2, 30, "1234567")
@example(at("2026-10-25T02:20", "Europe/Warsaw", 1), "Europe/Warsaw", 2, 30, "1234567")
@example(at("2026-03-29T01:50", "Europe/Warsaw"), "Europe/Warsaw", 2, 30, "1234567")
@example(at("2026-03-28T02:31", "Europe/Warsaw"), "Europe/Warsaw", 2, 30, "1234567")
def test_a_cut_off_is_never_before_the_payment_nor_later_than_the_next_working_day(
    paid: int, zone: str, hour: int, minute: int, days: str
) -> None:
    due = ship_by(None, paid, ShopSettings(cut_off=f"{hour:02}:{minute:02}", working_days=days), zone)
    assert due is not None
    assert due >= paid // 60_000 * 60_000
    there = local(due, zone)
    works = days or "1234567"
    assert str(there.isoweekday()) in works
    shown = there.hour * 60 + there.minute - (hour * 60 + minute)
    assert shown in {0, 30, 60}  # later only where the clocks skipped that very time
    gap = max(
        b - a for a, b in zip(sorted(map(int, works)), [*sorted(map(int, works))[1:], int(works[0]) + 7], strict=True)
    )
    assert due - paid <= (gap + 1) * DAY


def test_working_days_that_name_no_day_mean_every_day() -> None:
    paid = at("2026-11-21T09:00")
    assert ship_by(None, paid, ShopSettings(cut_off="15:00", working_days="-"), "UTC") == at("2026-11-21T15:00")
