"""Shopify: a shop's declaration, its orders, products and stock. Calls and pushes have modules of their own beside it.

Wire facts: Shopify's published Admin schema, 2026-10, and its developer documentation; what nobody could confirm is
named in `declaration.unconfirmed`.
"""

import logging
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

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
    PushFound,
    PushOutcome,
    Repeat,
    ShopCapabilities,
    ShopDeclaration,
    StockLevel,
    StockOutcome,
)
from connectors.http import WireError
from connectors.shops.shopify_api import VERSION, Api, Pages
from connectors.shops.shopify_bulk import BulkRead
from connectors.shops.shopify_goods import Goods
from connectors.shops.shopify_orders import (
    Head,
    Reading,
    Rows,
    Wire,
    gid,
    head,
    number_of,
    parse_order,
    parse_orders,
    raw_status,
)
from connectors.shops.shopify_push import Telling
from connectors.wire import every, in_list, in_pairs, option
from domain.clock import DAY, SECOND, Instant, from_datetime, iso
from domain.enums import OrderKind
from domain.records import Product
from domain.results import NotActed, Refused, Unauthorised
from domain.text import NO, is_yes, safe
from domain.words import _

log = logging.getLogger("shipdeck.shopify")

OVERLAP_S = 600
ROWS, LINES, MOST_ROWS, FEWEST_LINES = 5, 25, 100, 5
"""Orders per call at first and lines per order; what a call may cost decides how many they become."""
LISTED = 250
"""Orders per page where only their headlines are asked, as many as a page may have."""
LIGHT = 100
"""Fulfilment orders per page, of which only the order's id is asked."""
BULK_FROM = 500
"""A first import of more orders than this is one bulk operation and the file it makes."""
WINDOW_DAYS = 60
OPEN = "status:open fulfillment_status:unshipped"
"""What is still to be shipped, as the search has it."""
COD = "cash on delivery, cod"
TO_READ = ("read_orders", "read_products", "read_customers", "read_merchant_managed_fulfillment_orders")
TO_STOCK = ("read_locations", "read_inventory", "write_inventory")
TO_WRITE = "write_merchant_managed_fulfillment_orders"
TO_READ_ALL = "read_all_orders"
"""Scopes: to read orders and goods, to set stock, to tell of parcels, to see orders of more than 60 days."""


class _Orders(Wire):
    orders: Rows[msgspec.Raw]


class _Headline(Wire):
    """No more of an order than says that it is there."""

    id: str
    name: str
    created_at: datetime
    display_fulfillment_status: str
    test: bool = False
    cancelled_at: datetime | None = None
    display_financial_status: str | None = None


class _Listing(Wire):
    orders: Rows[_Headline]


class _Nodes(Wire):
    nodes: list[msgspec.Raw]


class _Moved(Wire):
    order_id: str


class _Moves(Wire):
    fulfillment_orders: Rows[_Moved]


class _MoreLines(Wire):
    line_items: Rows[msgspec.Raw]


class _More(Wire):
    order: _MoreLines | None


class _Count(Wire):
    count: int
    precision: str


class _Counted(Wire):
    orders_count: _Count | None


_FIELDS = (
    Field("url", _("Shop address"), help=_("https://NAME.myshopify.com, as under Settings → Domains.")),
    option(
        "client_id",
        _("Client id"),
        _("Dev Dashboard → your app → Settings; the app must be installed in the shop. Scopes: {scopes}").format(
            scopes=", ".join((*TO_READ, TO_WRITE, TO_READ_ALL))
        ),
    ),
    option(
        "client_secret", _("Client secret"), _("Beside the client id. Tokens of a day are fetched with it."), "", True
    ),
    option("access_token", _("Access token"), _("Instead: the token of an app made in the shop's admin."), "", True),
    option("version", _("API version"), _("Move on purpose: Shopify changes its API every quarter."), VERSION),
    option("notify_customer", _("Mail the buyer"), _("yes: Shopify mails the buyer what was sent."), "no"),
    option(
        "cod_gateways",
        _("Payment methods paid on delivery"),
        _("Words in the shop's payment methods, comma separated."),
        COD,
    ),
    option(
        "companies", _("Carriers as Shopify names them"), _("ours=Shopify's, comma separated: SimPost=DHL Express.")
    ),
    option(
        "location",
        _("Location of the stock"),
        _("Name of the location whose stock is set; empty: the only one. Scopes for that: {scopes}").format(
            scopes=", ".join(TO_STOCK)
        ),
    ),
    option("test_orders", _("Test orders"), _("yes: orders of Shopify's test mode are imported too."), "no"),
)


class Shopify:
    """A Shopify shop, bound as an app of its owner or with a token."""

    declaration: ClassVar[ShopDeclaration] = ShopDeclaration(
        platform="shopify",
        title="Shopify",
        fields=_FIELDS,
        capabilities=ShopCapabilities(
            kinds=frozenset(OrderKind),
            push_early=True,
            update_tracking=True,
            partial=True,
            merge=True,
            check_before_ship=True,
            after_sale=True,
            edit_address=True,
            stock_read=True,
            stock_write=True,
        ),
        limits=Limits(parallel=2, batch=MOST_ROWS),
        push_repeat=Repeat.READ_BACK,
        first_import_excludes=frozenset({"fulfilled", "cancelled", "refunded"}),
        lists_orders=True,
        # ROA-18: a status of the shop does not move a shipment by itself; a cancelled order is blocked.
        begins_with={"close_on_cancel": False},
        unconfirmed=(
            _("How the answer to a client credentials grant is shaped, and what a query may cost at most (1,000)."),
            _("What HTTP 402, 403 and 423 mean, and the texts of Shopify's refusals."),
            _("That a fulfilment order is in progress once its goods are ready for pickup."),
            _("That the file of a bulk operation is served in byte ranges; otherwise orders are read page by page."),
        ),
    )

    def __init__(self, binding: Binding) -> None:
        self._binding, self._http = binding, binding.http
        self._http.base_url = _base(self._http.base_url)
        self._api = Api(binding)
        setting = binding.settings.get
        self._reading = Reading(_words(setting("cod_gateways") or COD), is_yes(setting("test_orders", "")))
        companies = {ours: theirs for ours, theirs in in_pairs(setting("companies", "")) if theirs}
        self._telling = Telling(self._api, binding.clock, companies, is_yes(setting("notify_customer", "")))
        self._goods = Goods(self._api, setting("location", ""))
        self._rows, self._lines = ROWS, LINES
        # As the pipeline has it: stock is told unless one of the two says no.
        self._stocks = not any(setting(name, "").strip().lower() in NO for name in ("keeps_stock", "push_stock"))

    # ------------------------------------------------------------ binding

    async def check(self) -> Checked:
        """Name, zone and currency of the shop, and what the app's scopes and version leave out."""
        health = await self._api.health()
        scopes = await self._api.scopes()
        lacking = [scope for scope in TO_READ if scope not in scopes]
        if "read_orders" in lacking:
            text = _("The app may not read orders. Grant it these scopes and install it again: {scopes}")
            raise WireError(Unauthorised("missing_scope", text.format(scopes=", ".join([*lacking, TO_WRITE]))))
        warnings = [
            _("Without {scope} part of the orders' data stays hidden: grant it to the app.").format(scope=scope)
            for scope in lacking
        ]
        if TO_WRITE not in scopes:
            text = _("The app may only read: to tell the shop what was shipped, grant it {scope}.")
            warnings.append(text.format(scope=TO_WRITE))
        if self._stocks and (lacking := [scope for scope in TO_STOCK if scope not in scopes]):
            text = _("The shop's stock cannot be set: to have that, grant the app {scopes}.")
            warnings.append(text.format(scopes=", ".join(lacking)))
        if TO_READ_ALL not in scopes:
            text = _("Orders older than {days} days cannot be read: to have them, grant the app read_all_orders.")
            warnings.append(text.format(days=WINDOW_DAYS))
        if self._api.served and self._api.served != self._api.version:
            text = _("Shopify answers version {served} in place of {wanted}: set version to one that lives.")
            warnings.append(text.format(served=safe(self._api.served, 20), wanted=self._api.version))
        shop = health.shop
        return Checked(shop.name, shop.iana_timezone, shop.currency_code, self._api.served, tuple(warnings))

    # ------------------------------------------------------------ orders

    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        """Orders by last change from `cursor` on, then those whose fulfilment orders alone have changed.

        The cursor is the newest change read, then `|` and when every open order was read anew: once a day, since windows
        of changes have been known to miss some. Many orders at once are read from the file of a bulk operation, whose
        cursor says how far (see `BulkRead`); then follows what changed since it began.
        """
        started = self._binding.clock()
        if created_since is not None:
            await self._log_window(created_since)
        mark, _sep, looked = ("", "", "") if BulkRead.began(cursor) else cursor.partition("|")
        created, later = _from("created_at", created_since), bool(mark) and created_since is None
        if BulkRead.began(cursor) or (not mark and await self._many(created)):
            bulk = BulkRead(self._api, self._http, cursor)
            async for raws, place in bulk.pages(created):
                yield OrderPage(parse_orders(raws, self._reading), place, False)
            mark = bulk.mark
        newest = _instant(mark)
        floor = newest - OVERLAP_S * SECOND
        seen: set[str] = set()
        query = " ".join(filter(None, (created, _from("updated_at", floor if mark else None))))
        async for heads in self._pages(query):
            # Filters have been known to be ignored; what cannot be read is kept.
            fresh = [(h, r) for h, r in heads if _late(h.updated_at, floor) and _late(h.created_at, created_since)]
            seen.update(h.id for h, _raw in fresh)
            newest = max(newest, *(from_datetime(h.updated_at) for h, _raw in fresh if h.updated_at), 0)
            yield OrderPage(parse_orders([raw for _h, raw in fresh], self._reading), _cursor(newest, looked), False)
        now = self._binding.clock()
        if later:
            async for raws in self._moved(_from("updated_at", floor), seen):
                yield OrderPage(parse_orders(raws, self._reading), _cursor(newest, looked), False)
        if later and now - _instant(looked) >= DAY:
            async for heads in self._pages(OPEN):
                raws = [raw for h, raw in heads if h.id not in seen]
                yield OrderPage(parse_orders(raws, self._reading), _cursor(newest, looked), False)
        if not later or now - _instant(looked) >= DAY:
            looked = iso(now) or ""
        # Where nothing was there to read, the next run must not begin with every order there ever was.
        yield OrderPage((), _cursor(newest or started + (self._http.skew_ms or 0), looked), True)

    async def _pages(self, query: str) -> AsyncIterator[list[tuple[Head, bytes]]]:
        """Every order of a search, the one changed longest ago first: what changes meanwhile moves to the end."""
        pages = Pages()
        while pages.more:
            page = (await self._sized("Orders", _Orders, after=pages.after, query=query)).orders
            yield [(head(raw), raw) for raw in await every([self._whole(bytes(raw)) for raw in page.nodes])]
            pages.turn(page.page_info)

    async def _moved(self, query: str, seen: set[str]) -> AsyncIterator[list[bytes]]:
        """Orders not seen in this run of which a fulfilment order was held, released, moved or split since."""
        pages = Pages()
        while pages.more:
            try:
                answer = await self._api.ask("Moved", _Moves, first=LIGHT, after=pages.after, query=query)
            except WireError as error:
                if error.outcome.code != "missing_scope":
                    raise
                log.warning("%s: fulfilment orders are not shown: %s", self._binding.name, error.outcome.message)
                return
            page = answer.fulfillment_orders
            ids = [one for one in dict.fromkeys(node.order_id for node in page.nodes) if one not in seen]
            seen.update(ids)
            if raws := [raw for raw in (await self._nodes(ids)).values() if raw]:
                yield raws
            pages.turn(page.page_info)

    async def _log_window(self, created_since: Instant) -> None:
        """ROA-12: where old orders are hidden, how far a first import really reaches is logged."""
        oldest = self._binding.clock() - WINDOW_DAYS * DAY
        if created_since < oldest and TO_READ_ALL not in await self._api.scopes():
            text = "%s: orders since %s were asked for, the app sees those since %s (no scope read_all_orders)"
            log.warning(text, self._binding.name, iso(created_since), iso(oldest))

    async def _many(self, query: str) -> bool:
        counted = (await self._api.ask("Count", _Counted, query=query or None)).orders_count
        return counted is not None and counted.count > BULK_FROM

    async def count_orders(self, created_before: Instant | None) -> int | None:
        """How many orders the app may see; None where Shopify only says "at least"."""
        query = f"created_at:<'{_second(created_before)}'" if created_before is not None else None
        counted = (await self._api.ask("Count", _Counted, query=query)).orders_count
        return counted.count if counted is not None and counted.precision == "EXACT" else None

    async def listing(self, since: Instant, before: Instant) -> AsyncIterator[Sequence[Listed]]:
        """Every order created in [since, before) by its headline. Refused for days of which the app sees only a part."""
        if since < self._binding.clock() - WINDOW_DAYS * DAY and TO_READ_ALL not in await self._api.scopes():
            text = _("Orders older than {days} days cannot be read: to have them, grant the app read_all_orders.")
            raise WireError(Refused("order_hidden", text.format(days=WINDOW_DAYS)))
        query = f"{_from('created_at', since)} created_at:<'{_second(before)}'"
        pages = Pages()
        while pages.more:
            page = (await self._api.ask("Listing", _Listing, first=LISTED, after=pages.after, query=query)).orders
            listed = [_listed(one) for one in page.nodes if self._reading.test_orders or not one.test]
            yield [one for one in listed if since <= one.created_at < before]
            pages.turn(page.page_info)

    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        """One answer per id, in the order asked. Where old orders are hidden, one that is not shown may still be there."""
        found = await self._nodes([gid("Order", one) for one in dict.fromkeys(platform_order_ids) if one.isdecimal()])
        hidden = not all(found.values()) and TO_READ_ALL not in await self._api.scopes()
        answers: list[Parsed | Poison | Gone] = []
        for order_id in platform_order_ids:
            if raw := found.get(gid("Order", order_id)):
                answers.append(parse_order(raw, self._reading))
            elif hidden:
                text = _("Deleted, or older than {days} days: to know, grant the app read_all_orders.")
                answers.append(Poison(order_id, "order_hidden", text.format(days=WINDOW_DAYS), b""))
            else:
                answers.append(Gone(order_id))
        return answers

    async def _nodes(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Whole orders by global id; b'' for one that is not shown."""
        found: dict[str, bytes] = {}
        rest = list(ids)
        while rest:
            answer = await self._sized("OrdersById", _Nodes, ids=rest)
            whole = await every([self._whole(bytes(raw)) for raw in answer.nodes])
            if not whole:
                raise WireError(NotActed("not_understood", _("The shop answers nothing where orders were asked for.")))
            found.update(zip(rest, whole, strict=False))
            rest = rest[len(whole) :]
        return found

    async def _sized(self, name: str, kind: type[Any], **variables: Any) -> Any:
        """Ask for as many orders as a call may cost: halved where it is too much, doubled where it is little."""
        while True:
            rows = min(self._rows, len(variables["ids"])) if "ids" in variables else self._rows
            size = {"ids": variables["ids"][:rows]} if "ids" in variables else {"first": rows}
            try:
                answer = await self._api.ask(name, kind, **{**variables, **size, "lines": self._lines})
            except WireError as error:
                if error.outcome.code != "max_cost" or (rows == 1 and self._lines <= FEWEST_LINES):
                    raise
                self._lines = max(FEWEST_LINES, self._lines // 2) if rows == 1 else self._lines
                self._rows = max(1, rows // 2)
                continue
            cost = self._api.costs.get(name, 0.0)
            if rows == self._rows and cost and cost < self._api.most / 2:
                self._rows = min(self.declaration.limits.batch, rows * 2)
            return answer

    async def _whole(self, raw: bytes) -> bytes:
        """An order with every one of its lines, as if they had come in one answer; b'' for none."""
        if raw == b"null":
            return b""
        lines = head(raw).line_items
        pages = Pages(lines.page_info)
        if not pages.more:
            return raw
        order = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        nodes, order_id = list(lines.nodes), head(raw).id
        while pages.more:
            answer = await self._api.ask("MoreLines", _More, id=order_id, after=pages.after, lines=self._lines)
            if answer.order is None:
                break  # Deleted between two pages: the next read finds it gone.
            nodes += answer.order.line_items.nodes
            pages.turn(answer.order.line_items.page_info)
        return msgspec.json.encode({**order, "lineItems": {"nodes": nodes}})

    # ------------------------------------------------------------ goods

    def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """Every variant by id. The cursor is Shopify's own, good for this run."""
        return self._goods.products(cursor)

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """These products' variants; ids the shop does not know are left out."""
        return await self._goods.read_products(platform_product_ids)

    async def push_stock(self, levels: Sequence[StockLevel]) -> Sequence[StockOutcome]:
        """Set what is available at the location: only if nobody changed it since it was read, each call under a key."""
        return await self._goods.push_stock(levels)

    # ------------------------------------------------------------ pushing

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """Tell of parcels, guarded by a live read and believed when read back (see `Telling`). ROA-18: nothing else is told."""
        return await self._telling.push(pushes)

    async def find_push(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """What became of pushes: a number counts where a living fulfilment carries it."""
        return await self._telling.find(pushes)


# ---------------------------------------------------------------- values


def _listed(one: _Headline) -> Listed:
    status = raw_status(
        one.cancelled_at is not None, one.display_financial_status or "", one.display_fulfillment_status
    )
    return Listed(number_of(one.id), one.name, from_datetime(one.created_at), status)


def _base(url: str) -> str:
    """The shop's address out of what people paste: a bare name, an admin page, an address without https."""
    text = url.strip()
    if admin := re.match(r"(?:https://)?admin\.shopify\.com/store/([\w-]+)", text):
        text = admin[1]
    if re.fullmatch(r"[\w-]+", text):
        text += ".myshopify.com"
    return re.sub(r"(?<=[^/:])/(?!/).*", "", text if "://" in text else f"https://{text}")


def _words(text: str) -> re.Pattern[str]:
    """A pattern that finds any of these words; letters of one word are not found inside another."""
    words = [re.escape(word) for word in in_list(text)]
    return re.compile("|".join(rf"(?<![a-z0-9]){word}(?![a-z0-9])" for word in words) or r"(?!)", re.IGNORECASE)


def _second(at: Instant) -> str:
    """An instant as filters take it, a begun second as its end."""
    return iso(-(-at // SECOND) * SECOND) or ""


def _from(name: str, at: Instant | None) -> str:
    """A filter for instants from `at` on, a begun second included. Dates are quoted and in UTC."""
    return f"{name}:>='{iso(at)}'" if at is not None else ""


def _late(at: datetime | None, since: Instant | None) -> bool:
    return at is None or since is None or from_datetime(at) >= since


def _cursor(newest: Instant, looked: str) -> str:
    return f"{iso(newest)}|{looked}" if newest else ""


def _instant(cursor: str) -> Instant:
    """What a cursor says, 0 for none."""
    try:
        return from_datetime(datetime.fromisoformat(cursor)) if cursor else 0
    except ValueError:
        return 0
