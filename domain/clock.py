"""Time: instants are integer milliseconds since 1970 in UTC; zones appear only at the edges."""

import calendar
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo

Instant = int
"""Milliseconds since the epoch, UTC."""

Clock = Callable[[], Instant]
"""Whatever tells the time; passed in, so that a test can be the one who tells it."""

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def now() -> Instant:
    """The present instant by this machine's clock."""
    return time.time_ns() // 1_000_000


def elapsed() -> Instant:
    """Milliseconds since some moment of this machine's own, its sleep included; no setting of a clock moves it.

    Only differences mean something. macOS counts sleep in `CLOCK_MONOTONIC` (clock_gettime(3)), Linux in `CLOCK_BOOTTIME`.
    """
    if sys.platform == "win32":
        return time.monotonic_ns() // 1_000_000
    which = time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC
    return time.clock_gettime_ns(which) // 1_000_000


def to_datetime(at: Instant) -> datetime:
    """`at` as an aware UTC datetime."""
    return datetime.fromtimestamp(at / 1000, UTC)


def from_datetime(value: datetime) -> Instant:
    """An aware datetime as an instant. A naive one is refused: its zone would be a guess."""
    if value.tzinfo is None:
        raise ValueError("a naive datetime has no instant")
    return int(value.timestamp() * 1000)


def iso(at: Instant | None) -> str | None:
    """`at` as `2026-11-22T05:40:00Z`, or None."""
    return None if at is None else to_datetime(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def overdue(last: Instant | None, every_ms: int, at: Instant) -> bool:
    """Has what is done every `every_ms` not been done for over twice as long? `last` None = never."""
    return (last or 0) < at - 2 * every_ms


def months_before(at: Instant, months: int, zone: str) -> Instant:
    """`months` calendar months before `at` in `zone`, the day clipped to the month's end (ROA-10)."""
    local = to_datetime(at).astimezone(ZoneInfo(zone))
    month0 = local.year * 12 + local.month - 1 - months
    year, month = divmod(month0, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    return from_datetime(local.replace(year=year, month=month + 1, day=day))


def day_of(at: Instant, zone: str) -> date:
    """The calendar day that `at` lies on in `zone`."""
    return to_datetime(at).astimezone(ZoneInfo(zone)).date()


def day_start(day: date, zone: str) -> Instant:
    """The first instant of a calendar day in `zone`; one day ends where the next begins, 23, 24 or 25 hours later."""
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)))


def next_time(after: Instant, clock: str, zone: str) -> Instant:
    """The next time that clocks in `zone` show `HH:MM`; where they skip it, as much later as they were put forward."""
    hours, minutes = (int(part) for part in clock.split(":"))
    day = day_of(after, zone)
    while True:
        at = from_datetime(datetime.combine(day, clock_time(hours, minutes), ZoneInfo(zone)))
        if at > after:
            return at
        day += timedelta(days=1)
