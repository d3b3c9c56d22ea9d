"""Cartum (Horoshop) through its gateway `/api/<function>/`: orders and products read, shipments told by `orders/update`.

The gateway answers HTTP 200 to nearly everything; what happened stands in the envelope's `status`. There is no filter by
change: new orders come by creation date, open ones are read again by number (`sees_changes=False`). Wire facts: the
public Cartum and Horoshop documentation, and measurements on live shops; what neither says is in `unconfirmed`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from connectors.contract import (
    Binding,
    Checked,
    Field,
    Gone,
    Limits,
    Listed,
    OrderPage,
    Parsed,
    Poison,
    ProductPage,
    Push,
    Pushed,
    PushedInPart,
    PushFound,
    PushOutcome,
    Repeat,
    ShopCapabilities,
    ShopDeclaration,
    StockLevel,
    StockOutcome,
)
from connectors.http import WireError
from connectors.shops.cartum_stock import Shelves
from connectors.shops.cartum_wire import (
    STATUSES,
    Reading,
    Row,
    codes_in,
    instant,
    not_understood,
    opened,
    orders_in,
    parse_order,
    part,
    products_in,
    section_of,
    sections_in,
    status_of,
    titles_in,
    unit,
    update_log,
)
from connectors.wire import BadOrder, in_list, in_pairs, option
from domain.clock import MINUTE, SECOND, Instant, to_datetime
from domain.enums import DEAD_ORDER, DONE_ORDER, OrderKind, OrderStatus
from domain.records import Product
from domain.results import NotFound, Refused, Unauthorised, Unknown
from domain.text import safe
from domain.words import _

TOKEN_MS = 9 * MINUTE + 10 * SECOND
"""A token lives 600 s; it is renewed a little before."""
ORDERS_PAGE, IDS, PRODUCTS_PAGE = 500, 100, 100
RECENT_DAYS, NIGHT_DAYS = 3, 60
"""Every sync reads the orders created in the last days; once a day a longer time, for whatever slipped through."""
SLICE_DAYS = 7
PASSES = 4
"""A list of several pages is read again until nothing new shows, at most so often."""


_IDS = _("Ids as the test call lists them, comma separated.")
_FIELDS = (
    Field("url", _("Shop address"), help=_("The shop's front page, https://…")),
    Field("login", _("Login"), help=_("Of an administrator made for the API: Settings → Administrators.")),
    Field("password", _("Password"), secret=True),
    option("timezone", _("Time zone"), _("The zone the shop's own times are in."), "Europe/Kyiv"),
    option("country", _("Country"), _("Two letters; orders name none."), "UA"),
    option("language", _("Language of names"), _("ua, ru, en, …"), "ua"),
    option("on_delivery_payments", _("Paid on delivery"), _IDS),
    option("pickup_deliveries", _("Collected by the buyer"), _IDS),
    option(
        "custom_statuses",
        _("The shop's own statuses"),
        _("The shop's id = ours, comma separated: 3123=shipped,3150=open. Others count as open."),
    ),
    option("shipped_status", _("Status set when shipped"), _("An id; 6 is Delivering. Never 4."), "6"),
    option("number_field", _("Field of the number"), _("tracking_code or own_tracking_code"), "tracking_code"),
    option("stock_warehouse", _("Warehouse of our stock"), _("As the catalogue names it, where it has several.")),
    option("allow_plain_http", _("Allow plain HTTP"), _("yes: buyers' data travels unencrypted."), "no"),
)


class Cartum:
    """A Cartum (Horoshop) shop, bound with an administrator's login."""

    declaration: ClassVar[ShopDeclaration] = ShopDeclaration(
        platform="cartum",
        title="Cartum (Horoshop)",
        fields=_FIELDS,
        capabilities=ShopCapabilities(
            kinds=frozenset({OrderKind.DELIVERY, OrderKind.PICKUP_POINT, OrderKind.PICKUP}),
            push_early=True,
            early_is_note_only=True,
            update_tracking=True,
            merge=True,
            check_before_ship=True,
            edit_address=True,
            stock_read=True,
            stock_write=True,
        ),
        limits=Limits(calls_per_second=1 / 0.3, parallel=1, batch=ORDERS_PAGE),
        push_repeat=Repeat.READ_BACK,
        first_import_excludes=frozenset({"3"}),
        lists_orders=True,
        sees_changes=False,
        unconfirmed=(
            _("Whether an order shows the number it was told: where it shows none, the shop's OK counts."),
            _("The zone of the shop's times is not told by the platform; the setting decides."),
            _("Whether the catalogue can be asked for several articles at once; orders' own lines stand in."),
        ),
    )

    def __init__(self, binding: Binding) -> None:
        self._binding, self._http = binding, binding.http
        self._http.base_url = re.split(r"/api(?:/|$)|/edit(?:/|$)|/?\?", self._http.base_url)[0].rstrip("/")
        self._http.budget.burst = 1  # No two calls within 300 ms, however long it was quiet.
        self._token, self._token_until = "", 0
        self._sections: dict[str, tuple[str, str]] = {}
        self._asked: set[str] = set()
        self._shared = asyncio.Lock()  # One login for all that ask at the same time.
        self._bad_settings: list[tuple[str, str]] = []
        self._shipped = self._setting("shipped_status") or "6"
        if not self._shipped.isdecimal() or STATUSES.get(self._shipped, OrderStatus.SHIPPED) is not OrderStatus.SHIPPED:
            self._bad_settings.append(("shipped_status", self._shipped))
            self._shipped = "6"
        self._number_field = self._setting("number_field") or "tracking_code"
        if self._number_field not in {"tracking_code", "own_tracking_code"}:
            self._bad_settings.append(("number_field", self._number_field))
            self._number_field = "tracking_code"
        self._reading = self._how_to_read()

    def _setting(self, name: str) -> str:
        return self._binding.settings.get(name, "").strip()

    def _how_to_read(self) -> Reading:
        statuses = dict(STATUSES)
        for theirs, ours in in_pairs(self._setting("custom_statuses")):
            if theirs.isdecimal() and theirs not in STATUSES and ours in set(OrderStatus):
                statuses[theirs] = OrderStatus(ours)
            else:
                self._bad_settings.append(("custom_statuses", f"{theirs}={ours}"))
        statuses[self._shipped] = OrderStatus.SHIPPED
        try:
            zone = ZoneInfo(self._setting("timezone") or "Europe/Kyiv")
        except (ValueError, OSError, LookupError):
            self._bad_settings.append(("timezone", self._setting("timezone")))
            zone = ZoneInfo("Europe/Kyiv")
        on_delivery, pickup = (
            frozenset(in_list(self._setting(name))) for name in ("on_delivery_payments", "pickup_deliveries")
        )
        country, language = self._setting("country").upper() or "UA", self._setting("language") or "ua"
        return Reading(zone, statuses, on_delivery, pickup, country, language)

    # ------------------------------------------------------------ calling

    async def _ask(self, function: str, body: Mapping[str, Any], writes: bool = False) -> bytes | None:
        """Call a function under the token; one that is refused is renewed once, since nothing acted then."""
        token = await self._signed_in()
        try:
            return await self._post(function, {"token": token, **body}, writes)
        except WireError as error:
            if not isinstance(error.outcome, Unauthorised):
                raise
        return await self._post(function, {"token": await self._signed_in(stale=token), **body}, writes)

    async def _signed_in(self, stale: str = "") -> str:
        async with self._shared:
            if self._token == stale or self._binding.clock() >= self._token_until:
                # Taken before the call: the token ages while its answer travels.
                until = self._binding.clock() + TOKEN_MS
                login = {"login": self._setting("login"), "password": self._binding.secrets.get("password", "")}
                response = await self._post("auth", login, False)
                token = part(msgspec.json.decode(response or b"null"), "token")
                if not token:
                    not_understood(acts=False)
                self._token, self._token_until = token, until
            return self._token

    async def _post(self, function: str, body: Mapping[str, Any], writes: bool) -> bytes | None:
        for attempt in (1, 2):
            answer = await self._http.call("POST", f"/api/{function}/", json=body, writes=writes)
            try:
                return opened(answer, function, writes)
            except WireError as error:
                if error.outcome.code != "not_json":
                    raise
                # A front that challenges scripts, or an outage: wait, and look once more where looking is all it is.
                self._http.budget.throttled(None)
                if writes or attempt == 2:
                    raise
        raise AssertionError("unreachable")

    async def _orders(self, wanted: Mapping[str, Any]) -> list[Row]:
        return orders_in(await self._ask("orders/get", {"additionalData": True, **wanted}))

    # ------------------------------------------------------------ binding

    async def check(self) -> Checked:
        """Log in, read the currency of orders, and list what the settings must name by id."""
        if self._bad_settings:
            name, value = self._bad_settings[0]
            text = _("{name}: {value} cannot be used.").format(name=name, value=safe(value, 60))
            raise WireError(Refused("bad_setting", text, name))
        rows = (await self._orders({"offset": 0, "limit": 10}))[:10]
        currency = next((one.order.currency for one in self._parsed(rows, 0) if isinstance(one, Parsed)), "")
        warnings = [] if currency else [_("The shop's currency cannot be read.")]
        titles = await self._titles("orders/get_available_statuses")
        own = [f"{id_} {title}" for id_, title in titles.items() if id_ not in self._reading.statuses]
        if own:
            text = _("These statuses of the shop count as open (custom_statuses): {titles}")
            warnings.append(text.format(titles=safe(", ".join(own))))
        for function, setting in (("payment/export", "on_delivery_payments"), ("delivery/export", "pickup_deliveries")):
            if not self._setting(setting) and (listed := await self._titles(function)):
                text = _("{setting} is not set; the shop has: {titles}")
                titled = ", ".join(f"{id_} {title}" for id_, title in listed.items())
                warnings.append(text.format(setting=setting, titles=safe(titled)))
        title = urlsplit(self._http.base_url).hostname or ""
        return Checked(title, self._reading.zone.key, currency, "4" if titles else "3", warnings=tuple(warnings))

    async def _titles(self, function: str) -> dict[str, str]:
        """Id → title of a list of reference; empty where the shop's version has none."""
        try:
            return titles_in(await self._ask(function, {}), self._reading.language)
        except WireError as error:
            if isinstance(error.outcome, Refused):
                return {}
            raise

    # ------------------------------------------------------------ orders

    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        """Orders by creation: the last 3 days (from the last complete reading, if that is longer ago), once a day 60.

        The cursor is `read|night|place`: the shop's day of the last complete reading, that of the last long one, and,
        within a reading, the day its next slice begins with.
        """
        await self._signed_in()  # Tells how far this machine's clock is off, too.
        zone = self._reading.zone
        today = to_datetime(self._binding.clock() + (self._http.skew_ms or 0)).astimezone(zone).date()
        read, night, place = _days(cursor)
        start = place
        if start is None and read is not None:
            back = RECENT_DAYS if night == today else NIGHT_DAYS
            start = min(today - timedelta(back), read - timedelta(RECENT_DAYS))
        elif start is None and created_since is not None:
            start = to_datetime(created_since).astimezone(zone).date()
        known: dict[str | bytes, int] = {}
        while True:
            end = None if start is None else start + timedelta(SLICE_DAYS)
            newest = end is None or end >= today
            # Whether `to` takes the whole of its day is not told: the next slice begins with that day.
            bounds = {} if start is None else {"from": start.isoformat()}
            if end is not None and not newest:
                bounds["to"] = end.isoformat()
            async for at, rows, whole in self._window(bounds, known):
                if read is None and created_since is not None:
                    rows = [row for row in rows if (instant(row.created, zone) or created_since) >= created_since]
                done = newest and whole
                cursor = f"{today}|{today}|" if done else f"{read or ''}|{night or ''}|{start or ''}"
                yield OrderPage(tuple(self._parsed(rows, at)), cursor, done)
            if newest:
                return
            start = end

    async def _window(
        self, bounds: Mapping[str, str], known: dict[str | bytes, int]
    ) -> AsyncIterator[tuple[Instant, list[Row], bool]]:
        """When each page was asked for, what it holds that is not `known` yet, and "was that all?".

        Offsets shift while orders come and go, so that what took several pages is read again until nothing new shows.
        """
        page = self.declaration.limits.batch
        for turn in range(1, PASSES + 1):
            offset, new, shown, ended = 0, False, list[str](), False
            while not ended:
                at = self._binding.clock()
                rows = await self._orders({**bounds, "offset": offset, "limit": page})
                ids = [row.id for row in rows]
                if offset and rows and ids == shown:
                    if len(rows) == page:
                        text = _("The shop's version cannot turn pages (3.30 can): choose fewer import_months.")
                        raise WireError(Refused("no_paging", text))
                    rows = []  # It knows no limit either, and had given everything at once.
                shown, offset = ids, offset + min(len(rows), page)
                new = new or any((row.id or row.raw) not in known for row in rows)
                unique = {row.id or row.raw: row for row in rows}
                fresh = [row for key, row in unique.items() if known.get(key) != hash(row.raw)]
                known.update((row.id or row.raw, hash(row.raw)) for row in fresh)
                ended = len(rows) < page
                whole = ended and (turn == PASSES or not new or offset < page)
                yield at, fresh, whole
            if whole:
                return

    def _parsed(self, rows: Iterable[Row], read_at: Instant) -> list[Parsed | Poison]:
        return [parse_order(row.raw, self._reading, read_at) for row in rows]

    async def count_orders(self, created_before: Instant | None) -> int | None:
        """The platform gives no total."""
        return None

    async def listing(self, since: Instant, before: Instant) -> AsyncIterator[Sequence[Listed]]:
        """The orders of these days of the shop, whole as it gives them: there is no shorter form."""
        zone = self._reading.zone
        first, last = (to_datetime(at).astimezone(zone).date() for at in (since, before))
        # Whether `to` takes the whole of its day is not told.
        bounds = {"from": first.isoformat(), "to": (last + timedelta(days=1)).isoformat()}
        async for _at, rows, _whole in self._window(bounds, {}):
            if any(not row.id.isdecimal() for row in rows):
                not_understood(acts=False)
            dated = [(row, since if (at := instant(row.created, zone)) is None else at) for row in rows]
            yield [Listed(row.id, row.id, at, status_of(row.raw)) for row, at in dated if since <= at < before]

    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        """One answer per id, in the order asked; a hundred in one call."""
        wanted = [order_id for order_id in dict.fromkeys(platform_order_ids) if order_id.isdecimal()]
        found: dict[str, Parsed | Poison] = {}
        for start in range(0, len(wanted), IDS):
            chunk = wanted[start : start + IDS]
            at = self._binding.clock()
            rows = await self._orders({"ids": [int(order_id) for order_id in chunk]})
            if any(row.id not in chunk for row in rows):
                not_understood(acts=False)  # Rows nobody asked for: what is missing among them proves nothing.
            found.update(zip((row.id for row in rows), self._parsed(rows, at), strict=True))
        return [found.get(order_id) or Gone(order_id) for order_id in platform_order_ids]

    # ------------------------------------------------------------ products

    async def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """Every article of the catalogue; the cursor is the offset of the next page."""
        self._sections, self._asked = {}, set()
        offset = int(cursor) if cursor.isdecimal() else 0
        while True:
            raws = await self._catalogue({"offset": offset, "limit": PRODUCTS_PAGE})
            units, problems = await self._units(raws)
            offset, last = offset + len(raws), len(raws) < PRODUCTS_PAGE
            yield ProductPage(tuple(units), tuple(problems), "" if last else str(offset), last)
            if last:
                return

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """These articles; what the shop does not know, or answers unasked, is left out."""
        wanted = [article for article in dict.fromkeys(platform_product_ids) if article]
        found: list[Product | Poison] = []
        for start in range(0, len(wanted), PRODUCTS_PAGE):
            chunk = wanted[start : start + PRODUCTS_PAGE]
            raws = await self._catalogue({"article": chunk, "offset": 0, "limit": len(chunk)})
            units, _problems = await self._units(raws)
            found += [unit for unit in units if unit.platform_product_id in chunk]
        return found

    async def _catalogue(self, wanted: Mapping[str, Any]) -> list[bytes]:
        return products_in(await self._ask("catalog/export", wanted))

    async def _units(self, raws: Sequence[bytes]) -> tuple[list[Product], list[Poison]]:
        rows = [value for raw in raws if isinstance(value := msgspec.json.decode(raw), dict)]
        paths = await self._paths({section_of(row.get("parent")) for row in rows} - {""})
        units: list[Product] = []
        problems: list[Poison] = []
        for raw in raws:
            try:
                units.append(unit(raw, paths, self._reading.language))
            except (msgspec.MsgspecError, BadOrder, ArithmeticError) as error:
                problems.append(Poison("", "malformed_product", safe(error), raw))
        return units, problems

    async def _paths(self, wanted: set[str]) -> dict[str, tuple[str, ...]]:
        """Section id → names from the root on. The tree is asked for branch by branch, until all these are found."""
        queue = ["0", *self._sections]
        while queue and not wanted <= self._sections.keys():
            if (branch := queue.pop(0)) not in self._asked:
                found = sections_in(await self._ask("pages/export", {"parent": int(branch)}), self._reading.language)
                queue += found.keys() - self._sections.keys()
                self._asked.add(branch)
                self._sections |= found
        return {section: path for section in wanted if (path := self._path(section))}

    def _path(self, section: str) -> tuple[str, ...]:
        names: list[str] = []
        met: set[str] = set()
        while section in self._sections and section not in met:
            met.add(section)
            section, name = self._sections[section]
            names.insert(0, name)
        return tuple(names)

    # ------------------------------------------------------------ pushing

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """Guard by a live read, set number and status at once, and believe what is read back."""
        outcomes: dict[int, PushOutcome] = {}
        waves: list[list[int]] = []
        # Of several parcels of one order the one that finishes it goes last, each in a call of its own.
        for index in sorted(range(len(pushes)), key=lambda i: pushes[i].finish):
            order_id = pushes[index].platform_order_id
            wave = next((w for w in waves if all(pushes[i].platform_order_id != order_id for i in w)), None)
            if wave is None:
                waves.append(wave := [])
            wave.append(index)
        for wave in waves:
            outcomes.update(zip(wave, await self._told([pushes[index] for index in wave]), strict=True))
        return [outcomes[index] for index in range(len(pushes))]

    async def _told(self, pushes: Sequence[Push]) -> list[PushOutcome]:
        """Tell these orders, no two of them the same, in one call."""
        live = await self._live([push.platform_order_id for push in pushes])
        outcomes: dict[str, PushOutcome] = {}
        rest: list[Push] = []
        for push in pushes:
            if (settled := self._settled(push, live[push.platform_order_id])) is None:
                rest.append(push)
            else:
                outcomes[push.platform_order_id] = settled
        if rest:
            outcomes |= await self._written(rest)
        return [outcomes[push.platform_order_id] for push in pushes]

    async def _written(self, pushes: Sequence[Push]) -> dict[str, PushOutcome]:
        ids = [push.platform_order_id for push in pushes]
        try:
            response = await self._ask("orders/update", {"orders": [self._record(p) for p in pushes]}, writes=True)
        except WireError as error:
            return dict.fromkeys(ids, error.outcome)
        log = update_log(response or b"null", ids)
        after = await self._live([order_id for order_id in ids if not log.get(order_id)])
        outcomes: dict[str, PushOutcome] = {}
        for push in pushes:
            order_id = push.platform_order_id
            if refusal := log.get(order_id):
                outcomes[order_id] = Refused("platform_refused", refusal)
            else:
                outcomes[order_id] = self._kept(push, after[order_id], sure=order_id in log)
        return outcomes

    def _record(self, push: Push) -> dict[str, Any]:
        number = {self._number_field: push.number} if push.tell and push.number else {}
        status = {"status": int(self._shipped)} if push.finish else {}
        return {"order_id": int(push.platform_order_id), **status, **number}

    async def _live(self, order_ids: Sequence[str]) -> dict[str, "_Live"]:
        """Each order as it stands, why nothing may be told of it any more, or why it could not be read."""
        try:
            return dict(zip(order_ids, map(_alive, await self.read_orders(order_ids)), strict=True))
        except WireError as error:
            return dict.fromkeys(order_ids, error)

    def _settled(self, push: Push, live: "_Live") -> PushOutcome | None:
        """What the live order decides without a write; None = tell it."""
        if not isinstance(live, Parsed):
            return live.outcome if isinstance(live, WireError) else live
        order = live.order
        told = not push.tell or not push.number or push.number in order.tracking
        if order.status is OrderStatus.COMPLETED and not told:
            text = _("The shop says the order is delivered, so that the number was not told to it.")
            return Refused("already_delivered", text)
        if order.status in DONE_ORDER:
            # Another number, and not the one that ours takes the place of: somebody else shipped it.
            if told:
                return Pushed(push.number, order.raw_status)
            if set(order.tracking) - {push.replaces}:
                text = _("The shop already says {status}, with another number or none.")
                return Refused("already_shipped", text.format(status=safe(order.raw_status, 40)))
        return Pushed(push.number, order.raw_status) if told and not push.finish else None

    def _kept(self, push: Push, live: "_Live", sure: bool) -> PushOutcome:
        """What the read-back means. `sure`: the shop's log said OK for this very order."""
        if isinstance(live, WireError):
            return Unknown("not_read_back", live.outcome.message)
        if isinstance(live, Refused):
            return live
        if push.finish and live.order.status not in DONE_ORDER:
            if not sure:
                return Unknown("not_confirmed", _("The shop took the change, but its order does not show it."))
            text = _("The shop took the change but keeps the status {status}.")
            return Refused("status_not_kept", text.format(status=safe(live.order.raw_status, 40)))
        if push.tell and push.number and push.number not in live.order.tracking and codes_in(live.raw):
            return Refused("number_not_kept", _("The shop took the change but shows another tracking number."))
        return Pushed(push.number, live.order.raw_status)

    async def find_push(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """What became of pushes. Where the number does not show, telling it again does no harm: all values are absolute."""
        live = await self._live(list(dict.fromkeys(push.platform_order_id for push in pushes)))
        return [self._found(push, live[push.platform_order_id]) for push in pushes]

    @staticmethod
    def _found(push: Push, live: "_Live") -> PushFound:
        if isinstance(live, WireError):
            # A refusal of the read says nothing about the push.
            refused = isinstance(live.outcome, Refused)
            return Unknown("not_read_back", live.outcome.message) if refused else live.outcome
        if isinstance(live, Refused):
            return live
        done = not push.finish or live.order.status in DONE_ORDER
        if push.number and push.number in live.order.tracking:
            return Pushed(push.number, live.order.raw_status) if done else PushedInPart(push.number)
        if push.finish and done and not (push.tell and push.number):
            return Pushed(push.number, live.order.raw_status)
        return NotFound()

    # ------------------------------------------------------------ stock

    async def push_stock(self, levels: Sequence[StockLevel]) -> Sequence[StockOutcome]:
        """Set the pieces of one warehouse of the shop; works only where its warehouse accounting is on."""
        return await Shelves(self._ask, self._setting("stock_warehouse")).push_stock(levels)


_Live = Parsed | Refused | WireError


def _alive(found: Parsed | Poison | Gone) -> _Live:
    """The guard every push meets. A cancelled order is never touched: its goods stay deducted for ever."""
    if isinstance(found, Poison):
        return WireError(Refused(found.code, found.message))
    if isinstance(found, Gone):
        return Refused("order_gone", _("The shop no longer knows this order."))
    if found.order.status not in DEAD_ORDER:
        return found
    text = _("The shop says: {status}").format(status=safe(found.order.raw_status, 40))
    return Refused("order_cancelled", text)


def _days(cursor: str) -> list[date | None]:
    """The three days of a cursor; what is none counts as not there."""
    days: list[date | None] = []
    for text in (*cursor.split("|"), "", "", "")[:3]:
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            days.append(None)
    return days
