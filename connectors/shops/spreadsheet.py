"""A shop whose platform is a folder: exports of any platform come in as spreadsheets, tracking numbers go back as spreadsheets.

What lies in the folder, and what its files say together, is `spreadsheet_folder`; what a file, its columns and its rows
mean is `spreadsheet_file`, `spreadsheet_columns` and `spreadsheet_orders`; the way back is `spreadsheet_tracking`.
"""

import asyncio
import codecs
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

from msgspec import structs

from connectors import files
from connectors.contract import (
    Binding,
    Checked,
    Field,
    Gone,
    Limits,
    OrderPage,
    Parsed,
    Poison,
    ProductPage,
    Push,
    Pushed,
    PushFound,
    PushOutcome,
    Repeat,
    ShopCapabilities,
    ShopDeclaration,
)
from connectors.http import Failure, WireError
from connectors.shops.spreadsheet_columns import guessed, known_among, mapping_of, places
from connectors.shops.spreadsheet_file import (
    DELIMITERS,
    BadSheet,
    Reading,
    read_table,
)
from connectors.shops.spreadsheet_folder import Folder, Sheet
from connectors.shops.spreadsheet_orders import ON_DELIVERY, Found, Rules, orders_of
from connectors.shops.spreadsheet_tracking import DEFAULT_LAYOUT, Layout, Told, Tracking, layout_of, pairs
from domain.clock import Instant
from domain.enums import DEAD_ORDER, DONE_ORDER, OrderKind, OrderStatus
from domain.money import UnknownCurrency, exponent
from domain.records import Order, Product
from domain.results import NotActed, NotFound, Refused, Unknown
from domain.text import safe
from domain.words import _

PAGE = 100
PAGE_POISON = 15
"""Of one page: a file with many bad rows must not pass for a platform whose format has changed, and stop those behind it."""


def _option(name: str, label: str, help: str = "", default: str = "") -> Field:
    return Field(name, label, required=False, default=default, help=help)


_FIELDS = (
    Field("folder", _("Folder"), help=_("A folder that exists, written in full; exports are put there.")),
    Field("timezone", _("Time zone"), help=_("The zone of days and times in the sheets, as Europe/Warsaw.")),
    Field("default_currency", _("Currency"), help=_("Of amounts where a sheet has no column for it, as PLN.")),
    _option(
        "columns", _("Columns"), _("field=column; … as shop preview shows them; empty = found by the header's words.")
    ),
    _option("country", _("Country"), _("Two letters, where a sheet has no column for it.")),
    _option("statuses", _("Statuses"), _("The sheet's word = ours; …: packed=open; sent=shipped.")),
    _option(
        "on_delivery", _("Paid on delivery"), _("Words of payment methods, comma separated; empty = the usual ones.")
    ),
    _option("decimal", _("Decimal sign"), _("point or comma; empty = found out from the column.")),
    _option("days", _("Order of day and month"), _("dmy or mdy, for days as 03/04/2026; empty = found out.")),
    _option("encoding", _("Encoding"), _("Of text files, as gb18030 or cp1250; empty = found out.")),
    _option("delimiter", _("Delimiter"), _("Of text files: comma, semicolon, tab, pipe; empty = found out.")),
    _option("sheet", _("Sheet"), _("Name of the sheet with the orders, where several hold some.")),
    _option("layout", _("Tracking layout"), _("title=field; … of the sheet that goes back."), DEFAULT_LAYOUT),
    _option("carriers", _("Carriers"), _("Our carrier = the platform's name for it; …")),
    _option("tracking_format", _("Tracking format"), _("csv or xlsx"), "csv"),
    _option("tracking_encoding", _("Tracking encoding"), _("Of tracking sheets in csv."), "utf-8-sig"),
    _option("tracking_every", _("A tracking sheet holds"), _("day or hour"), "day"),
)


class Spreadsheet:
    """A shop that exports spreadsheets, bound with a folder."""

    declaration: ClassVar[ShopDeclaration] = ShopDeclaration(
        platform="spreadsheet",
        title=_("Spreadsheets in a folder"),
        fields=_FIELDS,
        capabilities=ShopCapabilities(
            kinds=frozenset({OrderKind.DELIVERY}),
            push_early=True,
            update_tracking=True,
            partial=True,
            merge=True,
            edit_address=True,
        ),
        limits=Limits(parallel=1, batch=PAGE),
        push_repeat=Repeat.READ_BACK,
    )

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._files: Folder | None = None
        self._tracking: Tracking | None = None
        self._tells = threading.Lock()

    def _setting(self, name: str) -> str:
        return self._binding.settings.get(name, "").strip()

    # ------------------------------------------------------------ binding

    async def check(self) -> Checked:
        """Are the settings sound, and can the folder be written to? Raises `WireError`."""
        return await asyncio.to_thread(self._check)

    def _check(self) -> Checked:
        self._reading()
        self._layout()
        folder = self._folder()
        refused = folder.refused()
        folder.probe()
        warnings = []
        if refused:
            warnings.append(_("{n} files could not be read as orders: they lie in refused.").format(n=refused))
        return Checked(folder.path.name, self._zone(), self._currency(), warnings=tuple(warnings))

    def _folder(self) -> Folder:
        """The shop's folder. Raises `WireError` where the setting names none."""
        if self._files is None:
            path = Path(self._setting("folder")).expanduser()
            if not self._setting("folder") or not path.is_absolute():
                raise WireError(Refused("folder_missing", _("Give the folder in full, beginning with /."), "folder"))
            self._files = Folder(path, self.understood, self._binding.clock)
        return self._files

    def _zone(self) -> str:
        name = self._setting("timezone")
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            text = _("There is no time zone {name}.").format(name=safe(name, 40))
            raise WireError(Refused("bad_zone", text, "timezone")) from None
        return name

    def _currency(self) -> str:
        currency = self._setting("default_currency").upper()
        try:
            exponent(currency)
        except UnknownCurrency:
            text = _("No known currency: {code}").format(code=safe(currency, 20))
            raise WireError(Refused("unknown_currency", text, "default_currency")) from None
        return currency

    def _reading(self) -> tuple[Reading, Rules, dict[str, str]]:
        """How files are read and rows understood. Raises `WireError` for a setting that makes no sense."""

        def wrong(name: str, text: str) -> WireError:
            return WireError(Refused("bad_setting", text, name))

        for name, words in (
            ("decimal", ("point", "comma")),
            ("days", ("dmy", "mdy")),
            ("delimiter", tuple(DELIMITERS)),
        ):
            if self._setting(name) not in {"", *words}:
                text = _("{name} is one of {choices}.")
                raise wrong(name, text.format(name=name, choices=", ".join(words)))
        try:
            codecs.lookup(self._setting("encoding") or "utf-8")
        except LookupError:
            raise wrong(
                "encoding", _("There is no encoding {name}.").format(name=safe(self._setting("encoding"), 40))
            ) from None
        statuses = pairs(self._setting("statuses"))
        if odd := [word for word in statuses.values() if word not in set(OrderStatus)]:
            text = _("{name} is no status; there are {choices}.")
            raise wrong("statuses", text.format(name=safe(odd[0], 40), choices=", ".join(OrderStatus)))
        try:
            columns = mapping_of(self._setting("columns"))
        except BadSheet as bad:
            raise WireError(Refused(bad.code, str(bad), "columns")) from None
        on_delivery = tuple(word.strip().casefold() for word in self._setting("on_delivery").split(",") if word.strip())
        rules = Rules(
            self._zone(),
            self._currency(),
            self._setting("country").upper(),
            {"point": ".", "comma": ","}.get(self._setting("decimal"), ""),
            self._setting("days"),
            {word: OrderStatus(ours) for word, ours in statuses.items()},
            on_delivery or ON_DELIVERY,
        )
        delimiter = DELIMITERS.get(self._setting("delimiter"), "")
        return Reading(self._setting("encoding"), delimiter, self._setting("sheet")), rules, columns

    # ------------------------------------------------------------ files

    def understood(self, data: bytes, name: str, at: Instant) -> Sheet:
        """A file as orders; nothing is kept. Raises `BadSheet`, or `WireError` for a setting that makes no sense."""
        reading, rules, saved = self._reading()
        table = read_table(data, name, reading, known_among(saved))
        columns = saved or guessed(table.header)
        return Sheet(table, columns, bool(saved), tuple(orders_of(table, places(table, columns), rules, at)))

    def preview(self, data: bytes, name: str) -> Sheet:
        """A file as the orders that would come of it now; nothing is kept. Raises as `understood` does."""
        sheet = self.understood(data, name, self._binding.clock())
        folder = self._folder()
        items = folder.whole([one.item for one in sheet.found], folder.taken())
        found = tuple(Found(item, one.rows) for item, one in zip(items, sheet.found, strict=True))
        return structs.replace(sheet, found=found)

    def put(self, data: bytes, name: str) -> None:
        """Lay a whole file into the folder, for the next reading of orders. Raises `WireError`."""
        self._folder().put(data, name)

    # ------------------------------------------------------------ orders

    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        """Orders of the files that came after the cursor: the instant of the newest file read, and within one a place.

        `20261122-054000-123` or, in the middle of a file, `20261122-054000-123|100`.
        """
        self._reading()  # With settings that make no sense every file would be put aside.
        folder = self._folder()
        problems = await asyncio.to_thread(folder.take_in)
        stamp, _sep, place = cursor.partition("|")
        begin = int(place) if place.isdecimal() else 0
        todo = [
            one for one in await asyncio.to_thread(folder.taken) if one.stamp > stamp or (begin and one.stamp == stamp)
        ]
        page = OrderPage(tuple(problems[:PAGE_POISON]), cursor, False)
        for start in range(PAGE_POISON, len(problems), PAGE_POISON):
            yield page
            page = OrderPage(tuple(problems[start : start + PAGE_POISON]), cursor, False)
        for file in todo:
            items = await asyncio.to_thread(folder.orders_in, file)
            for first, after in _pages(items, begin if file.stamp == stamp else 0):
                if page.items or page.cursor != cursor:
                    yield page
                within = tuple(
                    item
                    for item in items[first:after]
                    if isinstance(item, Poison) or created_since is None or item.order.created_at >= created_since
                )
                page = OrderPage(within, file.stamp if after >= len(items) else f"{file.stamp}|{after}", False)
        yield OrderPage(page.items, page.cursor, True)

    async def count_orders(self, created_before: Instant | None) -> int | None:
        """Not told: it would mean reading every file that ever came."""
        return None

    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        """What the newest file that names an order says of it."""
        found = await asyncio.to_thread(self._folder().newest, set(platform_order_ids) - {""})
        return [found.get(one) or Gone(one) for one in platform_order_ids]

    # ------------------------------------------------------------ products

    async def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """None: goods are known by the lines of orders."""
        yield ProductPage((), (), "", True)

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """None: the line of an order stands in for its product."""
        return []

    # ------------------------------------------------------------ pushing

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """Write parcels into the tracking sheet, each once; the newest file must not say that the order is dead."""
        return await asyncio.to_thread(self._push, pushes)

    def _push(self, pushes: Sequence[Push]) -> list[PushOutcome]:
        with self._tells:
            return self._tell(pushes)

    def _tell(self, pushes: Sequence[Push]) -> list[PushOutcome]:
        outcomes: dict[int, PushOutcome] = {}
        entries: dict[int, Told] = {}
        new: list[Told] = []
        lost = NotActed("lease_lost", _("This worker may no longer act for the account."))
        try:
            tracking = self._sheets()
            newest = self._folder().newest({push.platform_order_id for push in pushes})
            for index, push in enumerate(pushes):
                if (told := tracking.told(push)) is not None:
                    entries[index] = told  # Its sheet is written again: a crash may have come before it.
                    continue
                stopped = _stopped(push, newest.get(push.platform_order_id))
                entry = stopped or tracking.entry(push, self._binding.clock())
                if not isinstance(entry, Told):
                    outcomes[index] = entry
                elif self._binding.http.may_send():
                    entries[index] = entry
                    new.append(entry)
                else:
                    outcomes[index] = lost
        except WireError as error:
            return [_again(error.outcome)] * len(pushes)
        except OSError as error:
            return [_again(files.failure(error))] * len(pushes)
        try:
            if new:
                tracking.append(new)
            for name in sorted({entry.sheet for entry in entries.values()}):
                tracking.write_sheet(name)
        except (OSError, UnicodeEncodeError) as error:
            text = _("The tracking sheet could not be written: {reason}.")
            unknown = Unknown("not_confirmed", text.format(reason=type(error).__name__))
            return [outcomes.get(index, unknown) for index in range(len(pushes))]
        return [outcomes.get(index) or Pushed(push.number) for index, push in enumerate(pushes)]

    async def find_push(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """What the book of what was told says; a sheet that a crash kept from being written is written."""
        return await asyncio.to_thread(self._look, pushes)

    def _look(self, pushes: Sequence[Push]) -> list[PushFound]:
        with self._tells:
            return [self._found(push) for push in pushes]

    def _found(self, push: Push) -> PushFound:
        try:
            tracking = self._sheets()
            told = tracking.told(push)
            if told is None:
                return NotFound()
            tracking.write_sheet(told.sheet)
        except WireError as error:
            return Unknown("not_read_back", error.outcome.message)
        except (OSError, UnicodeEncodeError) as error:
            return Unknown("not_read_back", type(error).__name__)
        return Pushed(told.number)

    def _layout(self) -> Layout:
        """The layout of tracking sheets. Raises `WireError` for a setting that makes no sense."""
        layout = layout_of(
            self._setting("layout"),
            self._setting("carriers"),
            self._zone(),
            self._setting("tracking_format") or "csv",
            self._setting("tracking_encoding") or "utf-8-sig",
            self._setting("tracking_every") or "day",
        )
        if isinstance(layout, Refused):
            raise WireError(layout)
        return layout

    def _sheets(self) -> Tracking:
        path = self._folder().path
        if self._tracking is None:
            self._tracking = Tracking(path / "tracking", self._layout())
        if not path.is_dir():
            raise WireError(Refused("folder_missing", _("The folder does not exist."), "folder"))
        return self._tracking


def _stopped(push: Push, newest: Parsed | Poison | None) -> Refused | Pushed | None:
    """What the newest file says against telling a parcel. An order that no file names any more may be told."""
    if not isinstance(newest, Parsed):
        return None
    order: Order = newest.order
    if order.status in DEAD_ORDER:
        text = _("The newest sheet says: {status}").format(status=safe(order.raw_status, 40))
        return Refused("order_cancelled", text)
    if push.number and push.number in order.tracking:
        return Pushed(push.number, order.raw_status)
    if order.status in DONE_ORDER and not push.replaces:
        text = _("The newest sheet already says {status}, with another number or none.")
        return Refused("already_shipped", text.format(status=safe(order.raw_status, 40)))
    return None


def _again(outcome: Failure) -> PushOutcome:
    """A folder that is not there now may be a share that comes back; nothing was written."""
    if isinstance(outcome, Refused) and outcome.code in {"folder_missing", "not_writable"}:
        return NotActed(outcome.code, outcome.message)
    return outcome


def _pages(items: Sequence[Parsed | Poison], begin: int) -> Iterator[tuple[int, int]]:
    """(first, after) of each page of a file; a file without orders is one empty page."""
    first, bad = begin, 0
    for index in range(begin, len(items)):
        bad += isinstance(items[index], Poison)
        if index - first == PAGE or bad > PAGE_POISON:
            yield first, index
            first, bad = index, int(isinstance(items[index], Poison))
    yield first, len(items)
