"""WooCommerce through its REST API v3: what a shop declares, its binding, its orders. Products, pushes, the wire and the
calls have modules of their own beside it.

Wire facts: WooCommerce REST API v3 as documented, and as measured on 9.9 and 10.5.
"""

import base64
import hashlib
import hmac
import html
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import ROUND_HALF_UP
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

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
from connectors.shops.woocommerce_api import API, PAGE, Api, explained, failed, part_of
from connectors.shops.woocommerce_goods import Goods
from connectors.shops.woocommerce_orders import (
    DRAFTS,
    PICKUP_POINT_KEYS,
    STATUSES,
    Head,
    Reading,
    Row,
    gmt,
    id_of,
    instant,
    parse_order,
    row_of,
    seconds,
)
from connectors.shops.woocommerce_parcels import AUTO, PLACES, Places
from connectors.shops.woocommerce_push import Telling
from connectors.shops.woocommerce_stock import Shelf
from connectors.wire import BadOrder, Scalar, as_number, as_text, every, in_list, in_pairs, option
from domain.clock import DAY, Instant
from domain.enums import OrderKind, OrderStatus
from domain.records import Product
from domain.results import NotActed, Refused, Unauthorised
from domain.words import _

OVERLAP_S = 600
PASSES = 4
"""A list whose pages shift is read again, at most so often."""
MAX_EXCLUDE = 500
"""Ids in one `exclude=`: more would outgrow the 8 KB of URL that common servers accept."""
_HALF_HOURS = {  # Places without summer time, for offsets that no Etc/GMT zone has.
    "3.5": "Asia/Tehran",
    "4.5": "Asia/Kabul",
    "5.5": "Asia/Kolkata",
    "5.75": "Asia/Kathmandu",
    "6.5": "Asia/Yangon",
    "8.75": "Australia/Eucla",
    "9.5": "Australia/Darwin",
    "-9.5": "Pacific/Marquesas",
}


class _ListedRow(Struct):
    """No more of an order than says that it is there."""

    id: Scalar
    number: Scalar = None
    status: Scalar = ""
    date_created_gmt: Scalar = None


def _zone(rest: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The shop's zone as something `zoneinfo` opens, and a warning where that is a stand-in for a bare offset."""
    name = as_text(rest.get("timezone_string"))
    try:
        if name:
            ZoneInfo(name)
            return name, ()
    except (ValueError, OSError, LookupError):
        pass
    try:
        offset = as_number(as_text(rest.get("gmt_offset")) or "0", "gmt_offset").normalize()
    except BadOrder:
        return "UTC", (_("The shop's time zone cannot be read; days are counted in UTC."),)
    whole = int(offset.to_integral_value(ROUND_HALF_UP))
    if not -12 <= whole <= 14:
        return "UTC", (_("The shop's time zone cannot be read; days are counted in UTC."),)
    zone = _HALF_HOURS.get(f"{offset:f}") or ("UTC" if whole == 0 else f"Etc/GMT{-whole:+d}")
    if offset == whole and not name:
        return zone, ()
    text = _("The shop keeps its time by a bare offset ({offset} h); days are counted in {zone}.")
    return zone, (text.format(offset=f"{offset:f}", zone=zone),)


_KEYS = _("WooCommerce → Settings → Advanced → REST API → Add key, permissions Read/Write.")
_FIELDS = (
    Field("url", _("Shop address"), help=_("The shop's front page, https://…; no /wp-json needed.")),
    Field("consumer_key", _("Consumer key"), secret=True, help=_KEYS),
    Field("consumer_secret", _("Consumer secret"), secret=True, help=_("Shown once, beside the consumer key.")),
    option("customer_note", _("Mail the note"), _("yes: the note with the number is mailed to the buyer."), "no"),
    option(
        "custom_statuses",
        _("Statuses of plugins"),
        _("The shop's status = ours, comma separated: shipped=shipped,packed=open. Others count as open."),
    ),
    option(
        "tracking_place",
        _("Where numbers go"),
        _("fulfillments, shipment_tracking or note; auto: the first of these that the shop has."),
        AUTO,
    ),
    option("tracking_key", _("Meta key of the number"), default="_tracking_number"),
    option("provider_key", _("Meta key of the carrier"), default="_tracking_provider"),
    option(
        "pickup_point_keys",
        _("Meta keys of pickup points"),
        _("Where the shop's carrier plugin keeps the chosen parcel machine, comma separated."),
        PICKUP_POINT_KEYS,
    ),
    option(
        "webhook_secret",
        _("Webhook secret"),
        _("What the shop's webhooks are signed with, where a worker listens for them (docs/woocommerce.md)."),
        secret=True,
    ),
    option("query_auth", _("Keys in the query"), _("yes: the host strips the Authorization header (HTTPS)."), "no"),
    option("rest_route", _("Plain permalinks"), _("yes: the shop has no pretty permalinks."), "no"),
    option("allow_plain_http", _("Allow plain HTTP"), _("yes: buyers' data travels unencrypted."), "no"),
)


def _cursor(at: int) -> str:
    return gmt(at) if at else ""


class WooCommerce:
    """A WooCommerce shop, bound with a REST API key."""

    declaration: ClassVar[ShopDeclaration] = ShopDeclaration(
        platform="woocommerce",
        title="WooCommerce",
        fields=_FIELDS,
        capabilities=ShopCapabilities(
            kinds=frozenset({OrderKind.DELIVERY, OrderKind.PICKUP_POINT, OrderKind.PICKUP, OrderKind.VIRTUAL}),
            push_early=True,
            early_is_note_only=True,
            partial=True,
            merge=True,
            check_before_ship=True,
            edit_address=True,
            stock_read=True,
            stock_write=True,
        ),
        limits=Limits(parallel=2, batch=PAGE),
        push_repeat=Repeat.READ_BACK,
        first_import_excludes=frozenset({"completed", "cancelled", "refunded", "failed", "trash"}),
        requires_contact=True,
        delivery_comment=False,
        lists_orders=True,
        unconfirmed=(
            _("Which line a refund belongs to (`_refunded_item_id`) is not documented by WooCommerce."),
            _("A trashed order's change date is taken to move when it is trashed."),
            _("Shipment Tracking's error answers are not documented; those of WordPress are expected."),
        ),
    )

    def __init__(self, binding: Binding) -> None:
        self._binding, self._http = binding, binding.http
        self._api = Api(binding)
        setting = binding.settings.get
        self._page = PAGE
        self._by_id = False
        self._bad_settings: list[str] = []
        statuses = dict(STATUSES)
        for theirs, ours in in_pairs(setting("custom_statuses") or ""):
            if theirs and ours in set(OrderStatus):
                statuses[theirs.removeprefix("wc-")] = OrderStatus(ours)
            else:
                self._bad_settings.append(f"{theirs}={ours}" if ours else theirs)
        points = tuple(key.lstrip("_") for key in in_list(setting("pickup_point_keys") or PICKUP_POINT_KEYS))
        keys = (setting("tracking_key") or "_tracking_number", setting("provider_key") or "_tracking_provider")
        self._reading = Reading(statuses, keys[0], points)
        self._goods = Goods(self._api)
        self._shelf = Shelf(self._api)
        self._places = Places(self._api, setting("tracking_place") or AUTO, binding.clock)
        self._telling = Telling(self._api, self._places, self._reading, keys, self.read_orders)

    async def check(self) -> Checked:
        """Read the shop's name, zone, currency and version, and find out whether the key may write."""
        if self._bad_settings:
            text = _("custom_statuses: {pairs} is not like shipped=shipped.")
            raise WireError(Refused("bad_setting", text.format(pairs=", ".join(self._bad_settings)), "custom_statuses"))
        place = self._binding.settings.get("tracking_place") or AUTO
        if place not in PLACES:
            text = _("tracking_place is one of {words}.").format(words=", ".join(PLACES))
            raise WireError(Refused("bad_setting", text, "tracking_place"))
        rest, warnings = await self._index()
        zone, doubts = _zone(rest)
        fields = {"per_page": "1", "_fields": "id,version,currency"}
        try:
            newest, _answer = await self._api.get(f"{API}/orders", list[dict[str, Any]], fields)
        except WireError as error:
            raise explained(error) from None
        order = newest[0] if newest else {}
        currency = as_text((await self._api.setting("settings/general/woocommerce_currency")).get("value"))
        version = as_text(order.get("version"))
        if not (currency and version):
            status = await self._api.setting("system_status")
            currency = currency or part_of(status, "settings", "currency") or as_text(order.get("currency"))
            version = version or part_of(status, "environment", "version")
        warnings += (*doubts, *(() if currency else (_("The shop's currency cannot be read."),)))
        if not await self._may_write():
            warnings += (_("Whether the key may write could not be found out."),)
        if told := await self._places.told_where():
            warnings += (told,)
        return Checked(html.unescape(as_text(rest.get("name"))), zone, currency, version, warnings=warnings)

    async def _index(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        wanted = {"_fields": "name,gmt_offset,timezone_string,namespaces"}
        try:
            # Without the key: WordPress takes a Basic header on its own routes for an application password.
            rest, _answer = await self._api.get("/", dict[str, Any], wanted, keyed=False)
        except WireError as error:
            if error.status in {401, 403}:
                return {}, (_("The shop hides its name and time zone; days are counted in UTC."),)
            raise explained(error) from None
        if "wc/v3" not in (rest.get("namespaces") or ["wc/v3"]):
            text = _("WordPress answers, WooCommerce does not: is the plugin active and at least 3.5?")
            raise WireError(Refused("no_rest_api", text))
        return rest, ()

    async def _may_write(self) -> bool:
        """False when it cannot be told. Order 0 never exists, so that this write changes nothing."""
        try:
            await self._api.write("PUT", f"{API}/orders/0", {}, msgspec.Raw)
        except WireError as error:
            if error.status == 401 or (error.status == 403 and error.outcome.code != "forbidden"):
                text = _("The key may only read: give it Read/Write (WooCommerce → Settings → Advanced → REST API).")
                raise WireError(Unauthorised("read_only_key", text), error.status) from None
            return error.status in {400, 404}
        return False

    # ------------------------------------------------------------ orders

    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        """Orders by last change from `cursor` on: every status, then the bin, which no "any" includes.

        The cursor is the newest `date_modified_gmt` seen; within a run `|` and where the bin's reading stands follow.
        """
        seen, midway, bin_text = cursor.partition("|")
        mark, bin_mark = seconds(seen), seconds(bin_text)
        # The first import leaves the bin out (ROA-13), and nobody holds an order that could be in it.
        bin_too = bool(bin_text) if midway else bool(cursor) or created_since is None
        if bin_too and not midway:
            bin_mark = mark
        bounds = {} if created_since is None else {"after": gmt(-(-created_since // 1000) - 1)}
        async for rows, newest, last in self._sweep("any", mark - OVERLAP_S, bounds):
            mark = self._later(mark, newest)
            ended = last and not bin_too
            place = "" if ended else f"|{gmt(bin_mark) if bin_too else ''}"
            yield OrderPage(await self._parsed(rows), _cursor(mark) + place, ended)
        if not bin_too:
            return
        try:
            async for rows, newest, last in self._sweep("trash", bin_mark - OVERLAP_S, bounds):
                bin_mark = max(bin_mark, self._later(bin_mark, newest))
                place = "" if last else f"|{gmt(bin_mark)}"
                yield OrderPage(await self._parsed(rows), _cursor(mark) + place, last)
        except WireError as error:
            if error.status != 400:
                raise
            yield OrderPage((), _cursor(mark), True)  # A shop that hides its bin: reconciliation finds those orders.

    def _later(self, mark: int, newest: Sequence[int]) -> int:
        """The watermark after a page. One order dated far ahead must not hide every later change."""
        if self._http.skew_ms is not None:
            limit = (self._binding.clock() + self._http.skew_ms + DAY) // 1000
            sane = [at for at in newest if at <= limit]
            if mark <= limit and (sane or mark):
                return max(mark, *sane, 0)
        return max(mark, *newest, 0)

    async def _sweep(
        self, status: str, since: int, bounds: Mapping[str, str]
    ) -> AsyncIterator[tuple[list[Row], list[int], bool]]:
        """Unseen rows changed after `since` (seconds, exclusive), the change times they prove read, and "was that all?".

        Every page starts where the last ended, less a second: page numbers skip what moves up while one turns them.
        Where one second holds more than a page, what was seen is excluded; beyond that page numbers are all there is,
        turned until they show nothing new.
        """
        page, again, known, passed = 1, False, dict[str | bytes, int](), list[int]()
        shown: list[Row] = []
        left_out: list[str] | None = []  # None: this shop takes no notice of `exclude`.
        while True:
            size = self._page
            params = {"status": status, "order": "asc", "per_page": str(size), "dates_are_gmt": "true", **bounds}
            params["orderby"] = "id" if self._by_id else "modified"
            if since > 0:
                params["modified_after"] = gmt(since)
            if page > 1:
                params["page"] = str(page)
            if left_out:
                params["exclude"] = ",".join(left_out)
            try:
                raws, answer = await self._api.get(f"{API}/orders", list[msgspec.Raw], params)
            except WireError as error:
                if error.outcome.code == "too_large" and size > 1:
                    # Notes of megabytes: the same rows in smaller pages.
                    self._page, page = max(1, size // 10), 1
                    continue
                if self._by_id or error.status != 400 or "orderby" not in error.outcome.message:
                    raise
                self._by_id, page = True, 1
                continue
            rows = [row_of(bytes(raw)) for raw in raws]
            if left_out and any(row.id in left_out for row in rows):
                left_out = None
            fresh = [row for row in rows if known.get(row.id or row.raw) != row.modified]
            known.update((row.id or row.raw, row.modified) for row in fresh)
            pages = answer.headers.get("x-wp-totalpages", "")
            last = not rows or (page >= int(pages) if pages.isdecimal() else len(rows) < size)
            # A cache that answers every page alike would be asked for ever.
            last, shown = last or (page > 1 and rows == shown), rows
            times = [row.modified for row in rows if row.modified]
            again = again or (page > 1 and bool(fresh))
            turned, last = last, last and not again
            if self._by_id:
                # Ids say nothing about changes: only the whole list proves a watermark.
                passed += times
                yield fresh, passed if last else [], last
            else:
                # A page turned over a crowded second proves nothing yet.
                yield fresh, [] if again else times, last
            if last:
                return
            reached = max(times, default=0) - 1
            if self._by_id:
                # A deleted order moves all that follow up by one, past the page that was to show them.
                page, again = (1, False) if turned else (page + 1, again)
            elif again and (turned or reached > since):
                page, again = 1, False
            elif reached > since:
                since, page, left_out = reached, 1, None if left_out is None else []
                known = {key: at for key, at in known.items() if at > since}
            elif left_out is not None and len(known) <= MAX_EXCLUDE and (fresh or not left_out):
                page, left_out = 1, [key for key in known if isinstance(key, str) and key.isdecimal()]
            else:
                page += 1

    async def _parsed(self, rows: Sequence[Row]) -> tuple[Parsed | Poison, ...]:
        """The rows as orders: drafts left out, one per id (the newest), refunds read where there are any."""
        kept: dict[str | bytes, Row] = {}
        for row in rows:
            key = row.id or row.raw
            if row.status not in DRAFTS and (key not in kept or kept[key].modified <= row.modified):
                kept.pop(key, None)
                kept[key] = row
        return tuple(await self._understood(list(kept.values())))

    async def _understood(self, rows: Sequence[Row]) -> list[Parsed | Poison]:
        """The rows as orders; only those with refunds or fulfilments need further calls."""
        more = [row for row in rows if (row.refunded or row.fulfilled) and row.id.isdecimal()]
        read = dict(zip((id(row) for row in more), await every([self._whole(row) for row in more]), strict=True))
        return [read.get(id(row)) or parse_order(row.raw, self._reading, wire=row.wire) for row in rows]

    async def _whole(self, row: Row) -> Parsed | Poison:
        refunds, doubt = await self._beside(row, "refunds", row.refunded)
        parcels, other = await self._beside(row, "fulfillments", row.fulfilled)
        return parse_order(row.raw, self._reading, refunds, (*doubt, *other), row.wire, parcels)

    async def _beside(self, row: Row, what: str, wanted: bool) -> tuple[list[bytes], tuple[str, ...]]:
        """A list that belongs to an order, and a warning where this key may not read it."""
        if not wanted:
            return [], ()
        try:
            params = {"per_page": str(PAGE)}
            found, _answer = await self._api.get(f"{API}/orders/{row.id}/{what}", list[msgspec.Raw], params)
        except WireError as error:
            if not isinstance(error.outcome, Refused):
                raise
            return [], (f"{what}_unreadable",)
        return [bytes(one) for one in found], ()

    async def count_orders(self, created_before: Instant | None) -> int | None:
        """How many orders the shop holds, its open baskets not counted."""
        bounds = {} if created_before is None else {"before": gmt(-(-created_before // 1000)), "dates_are_gmt": "true"}
        total, _ids = await self._total({"status": "any", **bounds})
        try:
            drafts, ids = await self._total({"status": "checkout-draft", **bounds})
        except WireError:
            return total
        # Some releases count baskets among "any", others do not: one of them tells.
        if total and drafts and (await self._total({"status": "any", "include": ids}))[0]:
            return total - drafts
        return total

    async def _total(self, params: Mapping[str, str]) -> tuple[int | None, str]:
        rows, answer = await self._api.get(f"{API}/orders", list[Head], {"per_page": "1", "_fields": "id", **params})
        text = answer.headers.get("x-wp-total", "")
        return int(text) if text.isdecimal() else None, ",".join(id_of(row.id) for row in rows)

    async def listing(self, since: Instant, before: Instant) -> AsyncIterator[Sequence[Listed]]:
        """Id, number and status of every order created in [since, before), then those of the bin."""
        bounds = {"after": gmt(-(-since // 1000) - 1), "before": gmt(-(-before // 1000)), "dates_are_gmt": "true"}
        yield await self._listed({"status": "any", **bounds}, since, before)
        try:
            yield await self._listed({"status": "trash", **bounds}, since, before)
        except WireError as error:
            if error.status != 400:
                raise  # A shop that hides its bin: an order in there is found by its id.

    async def _listed(self, bounds: Mapping[str, str], since: Instant, before: Instant) -> list[Listed]:
        """One status, turned page by page by id; again while the shop's own total moves, so that no page slips past."""
        params = {"_fields": "id,number,status,date_created_gmt", "orderby": "id", "order": "asc", **bounds}
        found: dict[str, Listed] = {}
        for _turn in range(PASSES):
            passed, totals, page, ended = set(found), set[str](), 1, False
            found = {}
            while not ended:
                paged = {**params, "per_page": str(PAGE), "page": str(page)}
                rows, answer = await self._api.get(f"{API}/orders", list[_ListedRow], paged)
                fresh = {id_of(row.id): row for row in rows if id_of(row.id) not in found}
                if any(not order_id.isdecimal() for order_id in fresh):
                    raise failed(answer, acts=False)
                for order_id, row in fresh.items():
                    at = instant(row.date_created_gmt)
                    number = as_text(row.number) or order_id
                    found[order_id] = Listed(order_id, number, since if at is None else at, as_text(row.status))
                totals.add(total := answer.headers.get("x-wp-total", ""))
                page += 1
                # A cache that answers every page alike would be asked for ever.
                ended = not fresh or (len(found) >= int(total) if total.isdecimal() else len(rows) < PAGE)
            if totals == {str(len(found))} or (totals == {""} and (page == 2 or passed == set(found))):
                return [
                    one for one in found.values() if one.raw_status not in DRAFTS and since <= one.created_at < before
                ]
        text = _("The shop's list of orders changed while it was read, or is not whole.")
        raise WireError(NotActed("listing_unsteady", text))

    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        """One answer per id, in the order asked."""
        wanted = [order_id for order_id in dict.fromkeys(platform_order_ids) if order_id.isdecimal()]
        rows: dict[str, Row] = {}
        for start in range(0, len(wanted), PAGE):
            chunk = wanted[start : start + PAGE]
            for status in ("any", "trash"):
                if len(missing := [order_id for order_id in chunk if order_id not in rows]) > 1:
                    params = {"include": ",".join(missing), "status": status, "per_page": str(PAGE)}
                    raws, _answer = await self._api.get(f"{API}/orders", list[msgspec.Raw], params)
                    rows.update((row.id, row) for raw in raws if (row := row_of(bytes(raw))).id in missing)
        singles = [order_id for order_id in wanted if order_id not in rows]
        rows.update((row.id, row) for row in await every([self._one(order_id) for order_id in singles]) if row)
        found = dict(zip(rows, await self._understood(list(rows.values())), strict=True))
        return [found.get(order_id) or Gone(order_id) for order_id in platform_order_ids]

    async def _one(self, order_id: str) -> Row | None:
        try:
            raw, _answer = await self._api.get(f"{API}/orders/{order_id}", msgspec.Raw)
        except WireError as error:
            # Only the shop's own word means gone: a vanished route would otherwise cancel every open order.
            if error.outcome.code == "order_gone":
                return None
            raise
        return msgspec.structs.replace(row_of(bytes(raw)), id=order_id)

    # ------------------------------------------------------------ products

    # ------------------------------------------------------------ products

    def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """Every sellable unit, by product id; the cursor is the next page's number."""
        return self._goods.products(cursor)

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """These products with their variations; ids the shop does not know are left out."""
        return await self._goods.read_products(platform_product_ids)

    async def push_stock(self, levels: Sequence[StockLevel]) -> Sequence[StockOutcome]:
        """Set how many pieces the shop offers; one outcome per level in the same order."""
        return await self._shelf.push_stock(levels)

    # ------------------------------------------------------------ pushing

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """Guard by a live read, tell the number, set the status where asked, and believe only what is read back."""
        return await self._telling.push(pushes)

    async def find_push(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """What became of pushes: a number counts wherever it stands."""
        return await self._telling.find(pushes)

    # ------------------------------------------------------------ waking up

    def wakes(self, headers: Mapping[str, str], body: bytes) -> bool | None:
        """Did this shop send these bytes (`X-WC-Webhook-Signature`: base64 of the body's HMAC-SHA256)? None for the ping
        that a new webhook sends first. Header names are lower case; without a webhook secret nothing is believed.
        """
        given = headers.get("x-wc-webhook-signature", "")
        if not given and re.fullmatch(rb"webhook_id=\d{1,20}", body):
            return None
        secret = self._binding.secrets.get("webhook_secret", "").strip()
        signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest())
        return bool(secret) and hmac.compare_digest(signature, given.encode())
