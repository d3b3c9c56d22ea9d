"""When a shipment must leave: the platform's deadline, else the shop's rule."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from domain.clock import HOUR, Instant, from_datetime, to_datetime
from domain.settings import ShopSettings


def ship_by(deadline: Instant | None, paid_at: Instant | None, settings: ShopSettings, zone: str) -> Instant | None:
    """The instant by which a shipment must be shipped; None while nothing is paid and no deadline is known.

    With a cut-off: an order paid before it on a working day leaves that day by the cut-off, else on the next working
    day. Without one: handling hours after payment.
    """
    if deadline is not None:
        return deadline
    if paid_at is None:
        return None
    if not settings.cut_off:
        return paid_at + settings.handling_hours * HOUR
    hours, minutes = (int(part) for part in settings.cut_off.split(":"))
    local = to_datetime(paid_at).astimezone(ZoneInfo(zone))
    due = local.replace(hour=hours, minute=minutes, second=0, microsecond=0)
    if local > due:
        due += timedelta(days=1)
    days = settings.working_days if any(d in "1234567" for d in settings.working_days) else "1234567"
    while str(due.isoweekday()) not in days:
        due += timedelta(days=1)
    return from_datetime(due)
