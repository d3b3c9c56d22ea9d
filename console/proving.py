"""`shipdeck reconcile`: each day of a shop beside what its platform lists, the difference by order number, its repair."""

import argparse
from datetime import date, timedelta
from typing import Any

from console.handlers import opened
from console.output import complain, emit, refuse, table
from domain.clock import day_of, iso
from domain.results import Refused
from domain.words import _
from store.proof_views import Proof

Options = argparse.Namespace
DAYS, MOST_DAYS = 3, 366
COLUMNS = ("shop", "day", "listed", "held", "excluded", "abnormal", "missing", "strangers", "code", "message")


def add_parser(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("shop", nargs="?", default="", metavar="SHOP")
    parser.add_argument("--days", type=int, metavar="N", help=_("the last N whole days (3)"))
    parser.add_argument("--from", dest="first", metavar="DATE", help=_("the first day, like 2026-11-22"))
    parser.add_argument("--to", dest="last", metavar="DATE", help=_("the last day; else yesterday"))
    parser.add_argument("--repair", action="store_true", help=_("read what differs by id and take it over"))


async def handle(options: Options) -> int:
    """Prove days of one bound shop or of all; 1 while anything differs or could not be proved."""
    from pipeline import completeness
    from store import accounts

    wanted = _asked(options)
    if wanted is None:
        return 2
    rows: list[dict[str, Any]] = []
    async with opened(options) as p:
        async with p.store.reading() as tx:
            shops = [s for s in await accounts.shops(tx) if s.bound and options.shop in {"", s.name, str(s.id)}]
        if options.shop and not shops:
            text = _("There is no bound shop {name}.").format(name=options.shop)
            return refuse(Refused("unknown_shop", text), as_json=options.json)
        for shop in shops:
            days = _days(wanted, day_of(p.clock(), shop.zone))
            if not days:
                complain(_("--from is a day before --to, and at most 366 of them."))
                return 2
            found = await completeness.prove(p, shop.id, days, options.who, repair=options.repair)
            if isinstance(found, Refused):
                rows.append(_row(Proof(shop.id, shop.name, "", code=found.code, message=found.message)))
            else:
                rows += [_row(one) for one in found]
    if options.json:
        emit(rows)
    else:
        table(rows, COLUMNS)
        differing = [{"shop": r["shop"], "day": r["day"], **one} for r in rows for one in r["differing"]]
        if differing:
            table(differing, ("shop", "day", "number", "platform_order_id", "code"))
    return 0 if all(row["complete"] for row in rows) else 1


def _asked(options: Options) -> tuple[int, date | None, date | None] | None:
    """(days, first, last) as asked for; None after a complaint."""
    ends: list[date | None] = []
    for name in ("first", "last"):
        text = getattr(options, name)
        try:
            ends.append(date.fromisoformat(text) if text else None)
        except ValueError:
            complain(_("{text} is no day like 2026-11-22.").format(text=text))
            return None
    if options.days is not None and (options.first or options.last):
        complain(_("Give --days, or --from and --to."))
        return None
    if options.last and not options.first:
        complain(_("--to needs --from."))
        return None
    if options.days is not None and not 1 <= options.days <= MOST_DAYS:
        complain(_("--days takes a number from 1 to 366."))
        return None
    return options.days or DAYS, ends[0], ends[1]


def _days(wanted: tuple[int, date | None, date | None], today: date) -> list[date]:
    """The days meant, oldest first; none where that makes no sense."""
    n, first, last = wanted
    last = last or today - timedelta(days=1)
    first = first or today - timedelta(days=n)
    many = (last - first).days + 1
    return [first + timedelta(days=k) for k in range(many)] if 0 < many <= MOST_DAYS else []


def _row(one: Proof) -> dict[str, Any]:
    return {
        "shop": one.shop,
        "day": one.day,
        "until": iso(one.until) if one.until else None,
        "listed": one.listed,
        "held": one.held,
        "excluded": one.excluded,
        "abnormal": one.abnormal,
        "missing": one.missing,
        "strangers": one.strangers,
        "complete": one.complete,
        "reasons": {kind: dict(counts) for kind, counts in one.reasons.items()},
        "differing": [
            {"number": d.number, "platform_order_id": d.platform_order_id, "code": d.code} for d in one.differing
        ],
        "code": one.code,
        "message": one.message,
        "proved_at": iso(one.proved_at),
    }
