"""Any second of any zone, through both switches of the clock: an order made then is read, once, and rightly dated."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from connectors.conformance.case import Cases
from connectors.conformance.ground import Ground, Mirror, same
from connectors.contract import ShopConnector

CASES = Cases()

ZONES = ("Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Kiritimati")
"""An hour forward and back on each side of the ocean, half an hour, a quarter past any hour, and a day ahead."""
HOUR, DAY = 3600, 86_400


@cache
def switches(zone: str) -> list[int]:
    """Unix seconds of the zone's next two changes of offset; a midnight where it has none."""
    place = ZoneInfo(zone)
    at = datetime(2027, 1, 1, tzinfo=UTC)
    found = []
    for _hour in range(365 * 48):
        after = at + timedelta(minutes=30)
        if at.astimezone(place).utcoffset() != after.astimezone(place).utcoffset():
            found.append(int(after.timestamp()))
        at = after
        if len(found) == 2:
            return found
    return [int(datetime(2027, 3, 1, tzinfo=place).timestamp())]


def _back_s(zone: str, at: int) -> int:
    """How far an instant may be misread where local times are ambiguous: the length of the repeated stretch, else 0."""
    local = datetime.fromtimestamp(at, ZoneInfo(zone))
    other = local.replace(fold=1 - local.fold)
    return abs(
        int((local.utcoffset() or timedelta()).total_seconds() - (other.utcoffset() or timedelta()).total_seconds())
    )


def moments(zone: str, switch: int, chance: random.Random) -> list[int]:
    """The seconds in which something is most easily lost, and some of any kind."""
    edges = [d + e for d in (-2 * HOUR, -HOUR, -HOUR // 2, 0, HOUR // 2, HOUR, 2 * HOUR) for e in (-1, 0, 1)]
    local = datetime.fromtimestamp(switch, ZoneInfo(zone)).replace(hour=0, minute=0, second=0, fold=0)
    nights = [int((local + timedelta(days=n)).timestamp()) - switch for n in (-1, 0, 1)]
    edges += [night + e for night in nights for e in (-1, 0)]
    return sorted({switch + d for d in [*edges, *(chance.randrange(-36 * HOUR, 36 * HOUR) for _n in range(8))]})


async def _read_through(g: Ground, zone: str, exact: bool) -> None:
    settings = {g.kit.zone_setting: zone} if g.kit.zone_setting else {}
    shop = g.bind(settings=settings)
    clock = g.deed("clock")
    for switch in switches(zone):
        chance = random.Random(f"{zone} {switch}")
        made: dict[str, int] = {}
        created = moments(zone, switch, chance)
        # Readings at any time, and some in the very second of an order: one is there before it, one after.
        shared = chance.sample(created, 4)
        runs = sorted({*shared, *(chance.randrange(created[0], created[-1]) for _n in range(6)), created[-1] + DAY})
        mirror = Mirror()
        cursor = await _sync_at(g, shop, mirror, "", created[0] - HOUR, (created[0] - 2 * DAY) * 1000)
        for at in sorted({*created, *runs}):
            clock(g.twin, at)
            if at in created:
                made[g.make()] = at
            if at in runs:
                cursor = await _sync_at(g, shop, mirror, cursor, at)
                if at in shared:
                    made[g.make()] = at
        _judge(mirror, made, zone, exact)


async def _sync_at(
    g: Ground, shop: ShopConnector, mirror: Mirror, cursor: str, at: int, since: int | None = None
) -> str:
    g.deed("clock")(g.twin, at)
    g.time.set(at * 1000)
    return await g.sync(shop, mirror, cursor, since)


def _shop_of(g: Ground, zone: str) -> Ground:
    """A twin of its own that keeps its days in a zone, where the platform keeps them in any: shops have it from birth."""
    return g.same_shop(g.fresh({g.kit.zone_option: zone} if g.kit.zone_option else {}))


def _judge(mirror: Mirror, made: dict[str, int], zone: str, exact: bool) -> None:
    missed = [_local(made[order], zone) for order in made if order not in mirror.orders]
    same(missed, [], f"orders of {zone} that no run held")
    for order, at in made.items():
        off = abs(mirror.orders[order].created_at // 1000 - at)
        allowed: Sequence[int] = (0,) if exact else (0, _back_s(zone, at))
        if off not in allowed:
            same(mirror.orders[order].created_at, at * 1000, f"the instant of an order made {_local(at, zone)}")


def _local(at: int, zone: str) -> str:
    return datetime.fromtimestamp(at, ZoneInfo(zone)).isoformat()


def _zone(zone: str) -> None:
    async def run(g: Ground) -> None:
        await _read_through(_shop_of(g, zone), zone, exact="autumn_hour" not in g.kit.cannot)

    run.__name__ = "every_second_is_read_once_in_" + zone.lower().replace("/", "_")
    CASES.add(run)


for _name in ZONES:
    _zone(_name)


@CASES.alone
async def every_second_is_read_once_where_the_shop_is(g: Ground) -> None:
    """The same in the shop's own zone, as the test call tells it."""
    g.deed("clock")
    g.make()
    zone = (await g.bind().check()).zone
    await _read_through(g, zone, exact="autumn_hour" not in g.kit.cannot)


@CASES.add
async def the_hour_that_comes_twice_is_told_apart(g: Ground) -> None:
    """Two orders an hour apart, under one local time of the shop."""
    g.needs("autumn_hour")
    zone = "Europe/Kyiv"
    switch = next(at for at in switches(zone) if _back_s(zone, at))
    there = _shop_of(g, zone)
    for at in (switch - HOUR // 2, switch + HOUR // 2):
        there.deed("clock")(there.twin, at)
        order = there.make()
        there.time.set(at * 1000)
        shop = there.bind(settings={g.kit.zone_setting: zone} if g.kit.zone_setting else {})
        same((await there.read(shop, order)).created_at, at * 1000, f"the instant of an order of {_local(at, zone)}")
