"""Rows of a sheet as orders: several rows of one number are one order, and a row that cannot be trusted stops its order.

Nothing is repaired by guessing. Digits that a spreadsheet cut off or wrote as `1.2E+11`, formulas, merged cells, amounts
and days that can be read in two ways are refused with their reason; the whole order then, since a part of it would be
shipped as the whole.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from connectors.contract import Parsed, Poison
from connectors.shops.spreadsheet_file import Cell, Kind, SheetRow, Special, Table, text_of
from connectors.wire import BadOrder, understood
from domain.clock import Instant, from_datetime
from domain.enums import OrderKind, OrderStatus, Payment
from domain.money import Money, exponent
from domain.records import Address, Buyer, Order, OrderLine
from domain.text import full_name, safe
from domain.words import _

STATUSES: Mapping[OrderStatus, tuple[str, ...]] = {
    OrderStatus.UNPAID: ("unpaid", "pending payment", "awaiting payment", "等待买家付款", "待付款", "nieopłacone", "не оплачено"),
    OrderStatus.OPEN: (
        "open", "new", "paid", "processing", "unshipped", "unfulfilled", "买家已付款", "等待卖家发货", "待发货", "已付款",
        "nowe", "opłacone", "w realizacji", "do wysłania", "нове", "новий", "оплачено", "прийнято", "в обробці",
    ),
    OrderStatus.SHIPPED: (
        "shipped", "sent", "fulfilled", "卖家已发货", "等待买家确认收货", "已发货", "wysłane", "wysłano", "відправлено",
    ),
    OrderStatus.COMPLETED: (
        "completed", "complete", "delivered", "交易成功", "已完成", "已签收", "zakończone", "zrealizowane", "dostarczone",
        "виконано", "доставлено", "завершено",
    ),
    OrderStatus.CANCELLED: (
        "cancelled", "canceled", "voided", "交易关闭", "已取消", "已关闭", "anulowane", "скасовано", "відмінено",
    ),
    OrderStatus.REFUNDED: ("refunded", "退款成功", "已退款", "zwrócone", "повернено"),
}  # fmt: skip
ON_DELIVERY = (
    "cash on delivery", "cod", "货到付款", "za pobraniem", "pobranie", "płatność przy odbiorze",
    "накладений платіж", "післяплата", "наложенный платеж", "оплата при отриманні",
)  # fmt: skip
SIGNS: Mapping[str, frozenset[str]] = {
    "zł": frozenset({"PLN"}), "€": frozenset({"EUR"}), "£": frozenset({"GBP"}), "₴": frozenset({"UAH"}),
    "грн": frozenset({"UAH"}), "kč": frozenset({"CZK"}), "¥": frozenset({"CNY", "JPY"}), "￥": frozenset({"CNY", "JPY"}),
    "元": frozenset({"CNY"}), "$": frozenset({"USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN"}),
}  # fmt: skip
"""What people write beside an amount, and the currencies it can mean."""
EXACT = frozenset({"number", "sku", "phone", "postcode", "tracking", "line"})
"""Fields in which every digit counts."""
OF_LINE = frozenset({"sku", "name", "options", "quantity", "price", "line_total", "line"})
COUNTRIES: Mapping[str, tuple[str, ...]] = {
    "PL": ("poland", "polska", "波兰", "польща"), "UA": ("ukraine", "ukraina", "乌克兰", "україна"),
    "CN": ("china", "chiny", "中国", "китай"), "DE": ("germany", "deutschland", "niemcy", "德国", "німеччина"),
    "GB": ("united kingdom", "great britain", "uk", "wielka brytania", "英国", "велика британія"),
    "US": ("united states", "united states of america", "usa", "stany zjednoczone", "美国", "сша"),
    "CZ": ("czechia", "czech republic", "czechy", "捷克", "чехія"), "SK": ("slovakia", "słowacja", "словаччина"),
    "FR": ("france", "francja", "法国", "франція"), "IT": ("italy", "włochy", "意大利", "італія"),
    "ES": ("spain", "hiszpania", "西班牙", "іспанія"), "NL": ("netherlands", "holandia", "荷兰", "нідерланди"),
    "LT": ("lithuania", "litwa", "литва"), "RO": ("romania", "rumunia", "румунія"),
}  # fmt: skip
"""Countries that exports write out; others are taken as two letters."""
_COUNTRY = {name: code for code, names in COUNTRIES.items() for name in names}


class Rules(Struct, frozen=True):
    """How a shop's sheets are to be understood."""

    zone: str
    currency: str
    """Of amounts where the sheet has no column for it."""
    country: str = ""
    decimal: str = ""
    """`.` or `,`; '' = found out from the column."""
    days: str = ""
    """`dmy` or `mdy` for days like 03/04/2026; '' = found out from the column."""
    statuses: Mapping[str, OrderStatus] = {}
    on_delivery: tuple[str, ...] = ON_DELIVERY


class Found(Struct, frozen=True):
    """One order (or what could not be one) with the rows it came from."""

    item: Parsed | Poison
    rows: tuple[SheetRow, ...]


def orders_of(table: Table, at: Mapping[str, int], rules: Rules, stamp: Instant) -> list[Found]:
    """Every order of a sheet in the order of its first row, `stamp` being when the file came. `at`: field → column."""
    reader = _Reader(table, at, rules, stamp)
    groups: dict[str, list[SheetRow]] = {}
    found: list[Found] = []
    above, broken = "", set[str]()
    nameless: list[SheetRow] = []
    for row in table.rows:
        number = text_of(reader.cell(row, "number"))
        if number:
            groups.setdefault(number, []).append(row)
            above = number
        else:
            nameless.append(row)
            if above and any(text_of(reader.cell(row, field)) for field in ("sku", "name")):
                broken.add(above)  # It may be a line of the order above: without it that order is not whole.
    for number, rows in groups.items():
        found.append(Found(reader.order(number, rows, whole=number not in broken), tuple(rows)))
    for row in nameless:
        text = _("Row {row} has no order number.").format(row=row.number)
        found.append(Found(Poison("", "no_number", text, reader.raw([row])), (row,)))
    return found


class _Reader:
    """Reads the values of one sheet."""

    def __init__(self, table: Table, at: Mapping[str, int], rules: Rules, stamp: Instant) -> None:
        self.table, self.at, self.rules, self.stamp = table, at, rules, stamp
        self.zone = ZoneInfo(rules.zone)
        self.statuses = {word: status for status, words in STATUSES.items() for word in words}
        self.statuses |= {word.casefold(): status for word, status in rules.statuses.items()}
        self.decimal = rules.decimal or self._decimal_sign()
        self.days = {field: rules.days or self._day_order(field) for field in ("date", "paid", "deadline")}

    # ------------------------------------------------------------ cells

    def cell(self, row: SheetRow, field: str) -> Cell:
        """The cell of a field; empty where the field has no column."""
        index = self.at.get(field, -1)
        return row.cells[index] if 0 <= index < len(row.cells) else ""

    def raw(self, rows: Sequence[SheetRow]) -> bytes:
        """The rows as they stand in the file, every column, without its name: the same row is the same payload."""
        content = [{self._title(i): text_of(cell) for i, cell in enumerate(row.cells) if text_of(cell)} for row in rows]
        return msgspec.json.encode(_encodable(content))

    def _title(self, index: int) -> str:
        """A column's name; its place where it has none of its own."""
        name = self.table.header[index] if index < len(self.table.header) else ""
        return name if name and self.table.header.index(name) == index else f"{name}#{index + 1}"

    def text(self, row: SheetRow, field: str) -> str:
        """The text of a field. Raises `BadOrder` where what the cell holds is not what it shows."""
        cell = self.cell(row, field)
        text = text_of(cell)
        if isinstance(cell, Special):
            match cell.kind:
                case Kind.FORMULA:
                    raise self.bad(row, field, "formula", _("it holds a formula; paste its value"))
                case Kind.ERROR:
                    raise self.bad(row, field, "cell_error", _("it holds the error {value}"), text)
                case Kind.MERGED:
                    raise self.bad(row, field, "merged", _("its cell is merged with others; take them apart"))
                case Kind.CUT if field in EXACT:
                    raise self.bad(
                        row, field, "digits_cut", _("a number of more than 15 digits has lost its end"), text
                    )
                case Kind.SHAPED if field in EXACT:
                    raise self.bad(
                        row, field, "number_format", _("it is shown with signs that are not in {value}"), text
                    )
                case Kind.DATE if field in EXACT:
                    raise self.bad(row, field, "became_date", _("the spreadsheet made a date of it"), text)
        if "\ufffd" in text:
            raise self.bad(row, field, "damaged_text", _("characters of {value} were lost before it came here"), text)
        if field in EXACT and re.fullmatch(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+", text):
            raise self.bad(row, field, "scientific", _("{value} has lost its digits; format the column as text"), text)
        if field in EXACT and text.startswith(("'", "’", "`")):
            raise self.bad(row, field, "apostrophe", _("{value} begins with an apostrophe"), text)
        return text

    def bad(self, row: SheetRow, field: str, code: str, why: str, value: str = "") -> BadOrder:
        """What is wrong with one cell, as people find it."""
        column = self.table.header[self.at[field]] if 0 <= self.at.get(field, -1) < len(self.table.header) else field
        words = why.format(value=safe(value, 40))
        text = _("Row {row}, {column}: {why}.").format(row=row.number, column=safe(column, 40), why=words)
        return BadOrder(code, text)

    # ------------------------------------------------------------ orders

    def order(self, number: str, rows: Sequence[SheetRow], *, whole: bool) -> Parsed | Poison:
        """The rows of one number as an order, or why they cannot be one."""

        def build() -> Order:
            for row in rows:
                self._fits(row)
            if not whole:
                text = _("A row of goods without an order number follows: whether it belongs here is not certain.")
                raise BadOrder("no_number", text)
            return self._built(rows)

        return understood(build, self.raw(rows), number)

    def _fits(self, row: SheetRow) -> None:
        if any(text_of(cell) for cell in row.cells[len(self.table.header) :]):
            text = _("Row {row} has more cells than the header: a sign in a text may have split it.")
            raise BadOrder("too_many_cells", text.format(row=row.number))

    def _one(self, rows: Sequence[SheetRow], field: str) -> tuple[str, SheetRow]:
        """The value that the rows of an order share; empty cells agree with any."""
        found, where = "", rows[0]
        for row in rows:
            text = self.text(row, field)
            if found and text and text != found:
                raise self.bad(row, field, "rows_disagree", _("another value than in the rows of this order above"))
            if text and not found:
                found, where = text, row
        return found, where

    def _built(self, rows: Sequence[SheetRow]) -> Order:
        said = {field: self._one(rows, field) for field in self.at if field not in OF_LINE}

        def one(field: str) -> str:
            return said[field][0] if field in said else ""

        currency = (one("currency") or self.rules.currency).upper()
        exponent(currency)  # An unknown one is named before its amounts are.
        warnings: list[str] = []
        created = self._instant(said["date"][1], "date")
        if created is None:
            raise self.bad(rows[0], "date", "no_date", _("the day of the order is missing"))
        paid = self._instant(said["paid"][1], "paid") if "paid" in said else created
        word = one("status")
        status = self.statuses.get(word.casefold().strip())
        if word and status is None:
            warnings.append(f"unknown_status:{word[:60]}")
        method = one("payment").casefold()
        cash = any(words in method for words in self.rules.on_delivery if words) if method else False
        if status is None:
            status = OrderStatus.OPEN if paid is not None or cash else OrderStatus.UNPAID
        lines = self._lines(rows, currency)
        shipping = self._minor(said["shipping"][1], "shipping", currency) if one("shipping") else 0
        total = self._minor(said["total"][1], "total", currency) if one("total") else None
        return Order(
            platform_order_id=one("number"),
            number=one("number"),
            status=status,
            raw_status=word or status.value,
            kind=OrderKind.DELIVERY,
            payment=Payment.ON_DELIVERY if cash else Payment.PREPAID,
            currency=currency,
            total_minor=shipping + sum(line.total_minor for line in lines) if total is None else total,
            created_at=created,
            updated_at=self.stamp,
            buyer=_buyer(one),
            address=self._address(one, self._country(said)),
            lines=lines,
            paid_at=None if status is OrderStatus.UNPAID else paid,
            shipping_method=one("method"),
            shipping_minor=shipping,
            buyer_note=one("note"),
            seller_note=one("seller_note"),
            tracking=(one("tracking"),) if one("tracking") else (),
            deadline=self._instant(said["deadline"][1], "deadline") if one("deadline") else None,
            warnings=tuple(warnings),
        )

    def _address(self, one: Callable[[str], str], country: str) -> Address:
        name = one("recipient") or full_name(one("first_name"), one("last_name"))
        fields = ("company", "line1", "line2", "city", "state", "postcode", "phone", "email")
        return Address(name=name, country=country, **{f: one(f) for f in fields})

    def _country(self, said: Mapping[str, tuple[str, SheetRow]]) -> str:
        text, row = said.get("country", ("", None))
        if not text or row is None:
            return self.rules.country
        code = _COUNTRY.get(text.casefold(), text.upper())
        if not re.fullmatch("[A-Z]{2}", code):
            raise self.bad(row, "country", "bad_country", _("{value} is no country; write its two letters"), text)
        return code

    def _lines(self, rows: Sequence[SheetRow], currency: str) -> tuple[OrderLine, ...]:
        lines: list[OrderLine] = []
        times: dict[str, int] = {}
        for row in rows:
            sku, name = self.text(row, "sku"), self.text(row, "name")
            if not sku and not name:
                raise self.bad(
                    row, "sku" if "sku" in self.at else "name", "no_goods", _("neither code nor name of goods")
                )
            quantity = self._quantity(row)
            price = self._amount(row, "price", currency)
            total = self._amount(row, "line_total", currency)
            if total is None:
                total = (price or Decimal(0)) * quantity
            line_id = self.text(row, "line") or sku or name[:200]
            times[line_id] = times.get(line_id, 0) + 1
            lines.append(
                OrderLine(
                    # The code again and again, counted: stable whatever the order of the rows of other goods.
                    platform_line_id=line_id if times[line_id] == 1 else f"{line_id} ×{times[line_id]}",
                    name=name or sku,
                    quantity=quantity,
                    sku=sku,
                    platform_product_id=sku or name[:200],
                    options=self.text(row, "options"),
                    unit_price=format(price, "f") if price is not None else "0",
                    total_minor=Money.parse(total, currency).minor,
                )
            )
        return tuple(lines)

    # ------------------------------------------------------------ values

    def _quantity(self, row: SheetRow) -> Decimal:
        text = self.text(row, "quantity")
        if not re.fullmatch(r"[0-9]{1,7}([.,]0+)?", text):
            raise self.bad(row, "quantity", "bad_quantity", _("{value} is no whole number of pieces"), text)
        return Decimal(re.split("[.,]", text)[0])

    def _minor(self, row: SheetRow, field: str, currency: str) -> int:
        amount = self._amount(row, field, currency)
        return Money.parse(Decimal(0) if amount is None else amount, currency).minor

    def _amount(self, row: SheetRow, field: str, currency: str) -> Decimal | None:
        """An amount; None where the cell is empty."""
        cell, text = self.cell(row, field), self.text(row, field)
        if not text:
            return None
        if isinstance(cell, Special) and cell.kind in {Kind.NUMBER, Kind.SHAPED, Kind.CUT}:
            return Decimal(text)
        bare, sign = _unsigned(text)
        if sign and currency not in SIGNS.get(sign, frozenset({sign.upper()})):
            raise self.bad(row, field, "other_currency", _("{value} is not in the order's currency"), text)
        digits = _digits(bare, self.decimal)
        if digits == "ambiguous":
            raise self.bad(row, field, "ambiguous_amount", _("{value} can be read in two ways; set decimal"), text)
        if not digits:
            raise self.bad(row, field, "bad_amount", _("{value} is no amount"), text)
        return Decimal(digits)

    def _instant(self, row: SheetRow, field: str) -> Instant | None:
        """An instant; local times are the shop's. None where the cell is empty."""
        cell, text = self.cell(row, field), self.text(row, field)
        if not text:
            return None
        if isinstance(cell, Special) and cell.kind is Kind.DATE:
            return from_datetime(datetime.fromisoformat(text).replace(tzinfo=self.zone))
        parts = _day(text)
        if parts is None:
            raise self.bad(row, field, "bad_date", _("{value} is no day that can be read"), text)
        order = parts.order or self.days[field]
        if not order:
            raise self.bad(row, field, "ambiguous_date", _("{value} can be read in two ways; set days"), text)
        try:
            return from_datetime(parts.at(order, self.zone))
        except ValueError:
            raise self.bad(row, field, "bad_date", _("{value} is no day that can be read"), text) from None

    # ------------------------------------------------------------ what a column tells

    def _texts(self, fields: Iterable[str]) -> Iterable[str]:
        for field in fields:
            if field in self.at:
                for row in self.table.rows:
                    cell = self.cell(row, field)
                    if isinstance(cell, str) and cell:
                        yield cell

    def _decimal_sign(self) -> str:
        """The decimal sign that the amounts of the sheet show where they can be read in one way only; '' where none does."""
        found = set()
        for text in self._texts(("price", "line_total", "total", "shipping")):
            bare, _sign = _unsigned(text)
            places = [sign for sign in ".," if sign in bare]
            if len(places) == 2:
                found.add(max(places, key=bare.rindex))
            elif places and bare.count(places[0]) == 1 and len(bare.partition(places[0])[2]) != 3:
                found.add(places[0])
        return found.pop() if len(found) == 1 else ""

    def _day_order(self, field: str) -> str:
        found = set()
        for text in self._texts((field,)):
            parts = _day(text)
            if parts is not None and parts.order in {"dmy", "mdy"}:
                found.add(parts.order)
        return found.pop() if len(found) == 1 else ""


def _buyer(one: Callable[[str], str]) -> Buyer:
    first, last = one("first_name"), one("last_name")
    if not first and not last:
        first = one("recipient")
    return Buyer(first_name=first, last_name=last, phone=one("phone"), email=one("email"))


def _encodable(content: list[dict[str, str]]) -> list[dict[str, str]]:
    """Without lone surrogates, which no JSON holds."""
    return [
        {k.encode(errors="replace").decode(): v.encode(errors="replace").decode() for k, v in row.items()}
        for row in content
    ]


_SIGN = re.compile(r"^\s*([^\d\s.,+\-']*)\s*([+-]?[\d\s\u00a0\u202f.,'’]*\d)\s*([^\d\s.,+\-']*)\s*\.?\s*$")


def _unsigned(text: str) -> tuple[str, str]:
    """An amount without the sign of its currency, and that sign in lower case."""
    found = _SIGN.match(text)
    if not found or (found[1] and found[3]):
        return "", ""
    return re.sub(r"[\s\u00a0\u202f'’]", "", found[2]), (found[1] or found[3]).casefold()


def _digits(bare: str, decimal: str) -> str:
    """An amount as decimal text; '' for none, `ambiguous` where one sign could divide thousands or cents."""
    signs = [sign for sign in ".," if sign in bare]
    if not signs:
        return bare if re.fullmatch(r"[+-]?\d{1,15}", bare) else ""
    if len(signs) == 2:
        decimal = max(signs, key=bare.rindex)
    elif bare.count(signs[0]) > 1:
        decimal = "," if signs[0] == "." else "."
    elif len(bare.partition(signs[0])[2]) != 3:
        if decimal and decimal != signs[0]:
            return ""
        decimal = signs[0]
    elif not decimal:
        return "ambiguous"
    thousands = "," if decimal == "." else "."
    whole, _sign, rest = bare.partition(decimal)
    grouped = rf"[+-]?(\d{{1,15}}|\d{{1,3}}({re.escape(thousands)}\d{{3}})+)"
    if not re.fullmatch(grouped, whole or "x") or not re.fullmatch(r"\d{0,6}", rest):
        return ""
    return f"{whole.replace(thousands, '')}.{rest or '0'}"


class _Day(Struct, frozen=True):
    """A day whose parts are read; `order` '' where the first two numbers could be day and month or the other way round."""

    order: str
    first: int
    second: int
    third: int
    time: tuple[int, int, int] = (0, 0, 0)
    offset: str = ""

    def at(self, order: str, zone: ZoneInfo) -> datetime:
        """The aware datetime. Raises `ValueError` for a day there is not."""
        year, month, day = {
            "ymd": (self.first, self.second, self.third),
            "dmy": (self.third, self.second, self.first),
            "mdy": (self.third, self.first, self.second),
        }[order]
        made = datetime(year, month, day, *self.time)
        if not self.offset:
            return made.replace(tzinfo=zone)
        return datetime.fromisoformat(made.isoformat() + self.offset)


_DAY = re.compile(
    r"(?P<a>\d{1,4})\s*(?P<s>[-/.年])\s*(?P<b>\d{1,2})\s*[-/.月]\s*(?P<c>\d{1,4})\s*(?:日|r\.|р\.)?"
    r"(?:[T,\s]*(?P<h>\d{1,2})[:.时時](?P<m>\d{2})(?:[:.分](?P<sec>\d{2})(?:[.,]\d+)?)?秒?\s*(?P<half>[aApP]\.?[mM]\.?)?)?"
    r"\s*(?P<z>Z|UTC|GMT|[+-]\d{2}:?\d{2})?",
)


def _day(text: str) -> _Day | None:
    found = _DAY.fullmatch(text.strip())
    if found is None:
        return None
    a, b, c = found["a"], found["b"], found["c"]
    hour, minute, second = (int(found[name] or 0) for name in ("h", "m", "sec"))
    if half := (found["half"] or "").lower().replace(".", ""):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    offset = found["z"] or ""
    if offset in {"Z", "UTC", "GMT"}:
        offset = "+00:00"
    elif offset and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    if len(a) == 4 and len(c) <= 2:
        order = "ymd"
    elif len(c) == 4 and len(a) <= 2:
        # With dots nobody writes the month first.
        order = "dmy" if found["s"] == "." else "dmy" if int(a) > 12 else "mdy" if int(b) > 12 else ""
    else:
        return None
    return _Day(order, int(a), int(b), int(c), (hour, minute, second), offset)
