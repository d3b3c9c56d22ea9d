"""Which sales are counted when: today's at once, earlier ones from 08:00 of the day after they were synced (T+1)."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.clock import Instant, from_datetime, to_datetime

SETTLED_AT_HOUR = 8


class Cut(Struct, frozen=True):
    """The instants that divide sales at one moment.

    Paid from `today` on: counted live. Otherwise counted when imported before `settled`.
    """

    today: Instant
    settled: Instant


def cut(now: Instant, zone: str) -> Cut:
    """The division at `now` for a shop that keeps its days in `zone`.

    An order synced on day T, but paid on an earlier one, joins the figures at 08:00 of T+1 in the shop's zone.
    """
    local = to_datetime(now).astimezone(ZoneInfo(zone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    settled = midnight if local.hour >= SETTLED_AT_HOUR else midnight - timedelta(days=1)
    return Cut(from_datetime(midnight), from_datetime(settled))
