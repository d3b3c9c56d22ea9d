"""Which column of an export means what: a saved mapping, or one guessed from the words of its header.

The words are those that platforms' exports and people use in English, Chinese, Polish and Ukrainian. A guess is shown in a
preview and can be saved; a saved mapping is exact: a column it names and a sheet lacks stops the file, not the order.
"""

import re
from collections.abc import Mapping, Sequence

from connectors.shops.spreadsheet_file import BadSheet, Table
from domain.text import safe
from domain.words import _

WORDS: Mapping[str, tuple[str, ...]] = {
    "number": (
        "order number", "order no", "order id", "order", "order name", "sales record number", "number",
        "订单编号", "订单号", "订单id", "主订单编号", "原始单号",
        "numer zamówienia", "nr zamówienia", "id zamówienia", "zamówienie", "numer",
        "номер замовлення", "замовлення", "id замовлення", "номер заказа", "номер",
    ),
    "date": (
        "order date", "created at", "created", "purchase date", "sale date", "date", "order time", "order created",
        "订单创建时间", "下单时间", "创建时间", "订单时间", "拍下时间", "日期",
        "data zamówienia", "data złożenia", "data utworzenia", "data zakupu", "data",
        "дата замовлення", "дата створення", "створено", "дата заказа", "дата",
    ),
    "paid": (
        "paid at", "payment date", "payments date", "paid on date", "date paid", "paid",
        "订单付款时间", "付款时间", "支付时间",
        "data płatności", "data zapłaty", "opłacono", "zapłacono",
        "дата оплати", "оплачено",
    ),
    "status": (
        "order status", "status", "fulfillment status", "state",
        "订单状态", "状态",
        "status zamówienia", "stan",
        "статус замовлення", "статус",
    ),
    "sku": (
        "sku", "lineitem sku", "item sku", "seller sku", "custom label", "custom label sku", "product sku",
        "merchant code", "code", "商家编码", "规格编码", "货品编号", "商品编码", "sku编码",
        "kod produktu", "symbol", "kod", "sygnatura", "артикул", "код товару",
    ),
    "name": (
        "item name", "product name", "lineitem name", "item title", "product", "item", "title", "description",
        "宝贝标题", "商品名称", "商品", "货品名称", "标题", "产品名称",
        "nazwa produktu", "produkt", "nazwa", "towar", "oferta",
        "назва товару", "товар", "назва", "найменування",
    ),
    "options": (
        "variation", "variations", "options", "variant", "item options", "规格", "商品属性", "销售属性", "规格名称",
        "wariant", "opcje", "варіант", "варіація",
    ),
    "quantity": (
        "quantity", "qty", "lineitem quantity", "quantity purchased", "pieces", "amount ordered", "units",
        "数量", "购买数量", "商品数量", "宝贝数量", "件数",
        "ilość", "liczba", "liczba sztuk", "sztuk", "кількість", "к-сть",
    ),
    "price": (
        "price", "unit price", "lineitem price", "item price", "sold for",
        "单价", "价格", "商品单价", "cena", "cena jednostkowa", "ціна", "ціна за одиницю",
    ),
    "line_total": (
        "line total", "item total", "subtotal of item", "金额", "小计", "商品金额", "wartość", "сума рядка", "вартість",
    ),
    "total": (
        "total", "order total", "total price", "grand total", "amount",
        "实付金额", "订单金额", "应付金额", "总金额", "总价",
        "suma", "kwota", "do zapłaty", "razem", "wartość zamówienia", "сума", "всього", "сума замовлення",
    ),
    "shipping": (
        "shipping", "shipping cost", "shipping price", "delivery cost", "postage", "邮费", "运费", "快递费",
        "koszt dostawy", "koszt wysyłki", "вартість доставки",
    ),
    "currency": ("currency", "currency code", "币种", "货币", "waluta", "валюта"),
    "recipient": (
        "shipping name", "recipient name", "recipient", "ship name", "ship to name", "full name", "customer name",
        "customer", "buyer name", "post to name", "收货人姓名", "收货人", "收件人", "收件人姓名",
        "odbiorca", "imię i nazwisko", "klient", "kupujący", "отримувач", "одержувач", "піб", "покупець", "клієнт",
    ),
    "first_name": ("first name", "shipping first name", "名", "imię", "ім'я", "імя"),
    "last_name": ("last name", "shipping last name", "surname", "姓", "nazwisko", "прізвище"),
    "company": ("shipping company", "company", "ship company", "公司", "firma", "компанія"),
    "line1": (
        "shipping address1", "shipping street", "shipping address", "ship address 1", "address line 1", "address 1",
        "post to address 1", "address", "street", "ship address1",
        "详细地址", "收货地址", "收件地址", "地址", "adres dostawy", "ulica", "adres", "адреса доставки", "адреса", "вулиця",
    ),
    "line2": (
        "shipping address2", "ship address 2", "address line 2", "address 2", "post to address 2", "ship address2",
        "adres 2", "адреса 2",
    ),
    "city": (
        "shipping city", "ship city", "city", "town", "post to city", "市", "城市", "收货城市",
        "miasto", "miejscowość", "місто", "населений пункт",
    ),
    "state": (
        "shipping province", "ship state", "state province", "province", "region", "county", "省", "省份",
        "województwo", "область",
    ),
    "postcode": (
        "shipping zip", "ship postal code", "postcode", "post code", "postal code", "zip", "zip code", "ship zipcode",
        "邮编", "邮政编码", "kod pocztowy", "індекс", "поштовий індекс",
    ),
    "country": (
        "shipping country", "ship country", "country", "country code", "国家", "收货国家", "kraj", "країна",
    ),
    "phone": (
        "shipping phone", "ship phone number", "phone", "phone number", "mobile", "telephone", "buyer phone number",
        "联系手机", "手机", "手机号", "收货人手机", "联系电话", "电话",
        "telefon", "numer telefonu", "nr telefonu", "komórka", "телефон", "номер телефону",
    ),
    "email": ("email", "e mail", "buyer email", "email address", "邮箱", "电子邮件", "adres e mail", "пошта", "ел пошта"),
    "note": (
        "notes", "note", "buyer note", "customer note", "buyer message", "comment",
        "买家留言", "留言", "备注", "uwagi", "uwagi kupującego", "wiadomość", "komentarz", "коментар", "примітка",
    ),
    "seller_note": ("seller note", "staff note", "private notes", "卖家备注", "商家备注", "uwagi sprzedawcy", "нотатка продавця"),
    "method": (
        "shipping method", "delivery method", "ship service level", "物流方式", "配送方式", "快递方式",
        "sposób dostawy", "forma dostawy", "спосіб доставки",
    ),
    "payment": (
        "payment method", "payment type", "支付方式", "付款方式", "sposób płatności", "forma płatności", "спосіб оплати",
    ),
    "tracking": (
        "tracking number", "tracking", "tracking code", "快递单号", "运单号", "物流单号", "numer przesyłki", "nr przesyłki",
        "номер ттн", "ттн",
    ),
    "line": ("line id", "order item id", "lineitem id", "子订单编号", "transaction id", "id pozycji"),
    "deadline": ("ship by", "ship by date", "latest ship date", "最晚发货时间", "wysłać do", "відправити до"),
}  # fmt: skip
"""Field → the words of its column, the surest first, as `plain` writes them."""

REQUIRED = ("number", "date", "quantity")
"""And one of `sku` and `name`."""

KNOWN: tuple[tuple[str, frozenset[str], Mapping[str, str]], ...] = (
    (
        # Column names: Shopify Help Center, "Exporting orders".
        "Shopify",
        frozenset({"name", "lineitem quantity", "lineitem name", "financial status"}),
        {"number": "name", "total": "total", "recipient": "shipping name", "line": "", "name": "lineitem name"},
    ),
)
"""Exports whose words would mislead: (title, columns that tell them, field → its column)."""


def plain(header: str) -> str:
    """A column's name for comparison: lower case, marks and blanks as one blank each."""
    return re.sub(r"[\s_\-./\\:：()（）\[\]#*№,;'’]+", " ", header.casefold()).strip()


_KNOWN_WORDS = frozenset(plain(word) for words in WORDS.values() for word in words)


def mapping_of(setting: str) -> dict[str, str]:
    """A saved mapping (`number=Order no; sku=Code; date=#3`, `#3` the third column). Raises `BadSheet`."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in re.split(r"[;\n]", setting))):
        field, sign, column = (piece.strip() for piece in part.partition("="))
        if field not in WORDS or not sign or not column:
            text = _("{part}: write field=column; the fields are {fields}.")
            raise BadSheet("bad_mapping", text.format(part=safe(part, 60), fields=", ".join(WORDS)))
        found[field] = column
    return found


def as_setting(columns: Mapping[str, str], header: Sequence[str]) -> str:
    """A mapping as it is saved; a column whose name cannot be written there stands by its place."""
    names = list(header)
    parts = []
    for field, column in columns.items():
        awkward = ";" in column or "\n" in column or column.startswith("#")
        parts.append(f"{field}={f'#{names.index(column) + 1}' if awkward and column in names else column}")
    return "; ".join(parts)


def known_among(saved: Mapping[str, str]) -> "_Known":
    """Says of a row of texts how many columns it names; with a saved mapping only those count."""
    return _Known(frozenset(map(plain, saved.values())) if saved else _KNOWN_WORDS, bool(saved))


class _Known:
    def __init__(self, words: frozenset[str], saved: bool) -> None:
        self._words, self._few = words, saved

    def __call__(self, texts: Sequence[str]) -> int:
        found = len({plain(text) for text in texts} & self._words)
        # A mapping by places (`#3`) names no words: the first row that fills them is the header.
        if self._few and any(word.isdecimal() for word in self._words):
            return found + (len([text for text in texts if text]) >= len(self._words)) * len(self._words)
        return found


def guessed(header: Sequence[str]) -> dict[str, str]:
    """Field → name of its column, for the columns whose meaning is clear. Each column is taken once."""
    names = {plain(name): name for name in reversed(header) if name.strip()}
    found: dict[str, str] = {}
    left_out: set[str] = set()
    for _title, telling, columns in KNOWN:
        if telling <= names.keys():
            left_out |= {field for field, word in columns.items() if not word}
            found |= {field: names[word] for field, word in columns.items() if word and word in names}
    for field, words in WORDS.items():
        if field in found or field in left_out:
            continue
        for word in map(plain, words):
            if word in names and names[word] not in found.values():
                found[field] = names[word]
                break
    return {field: found[field] for field in WORDS if field in found}


def places(table: Table, columns: Mapping[str, str]) -> dict[str, int]:
    """Field → index of its column in this table. Raises `BadSheet` for what is missing, or named twice."""
    by_name: dict[str, list[int]] = {}
    for index, name in enumerate(table.header):
        by_name.setdefault(plain(name), []).append(index)
    found: dict[str, int] = {}
    missing: list[str] = []
    for field, column in columns.items():
        if re.fullmatch(r"#[1-9][0-9]{0,3}", column):
            found[field] = int(column[1:]) - 1
            continue
        at = by_name.get(plain(column), [])
        if len(at) > 1:
            text = _("Several columns are called {name}: name one by its place, as #3.")
            raise BadSheet("column_twice", text.format(name=safe(column, 60)))
        if at:
            found[field] = at[0]
        else:
            missing.append(f"{field}={column}")
    lacking = [field for field in REQUIRED if field not in columns]
    if "sku" not in columns and "name" not in columns:
        lacking.append("sku")
    if missing or lacking:
        text = _("No column for {fields}. The sheet has: {names}")
        names = ", ".join(safe(name, 30) for name in table.header[:40] if name)
        raise BadSheet("columns_missing", text.format(fields=safe(", ".join([*missing, *lacking]), 200), names=names))
    return found
