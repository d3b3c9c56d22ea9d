"""Rows as orders: mapped columns, several rows of one number, local amounts and days, and what is refused with its reason."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Parsed, Poison
from connectors.http import WireError
from connectors.shops.spreadsheet_columns import guessed, mapping_of
from connectors.shops.spreadsheet_file import BadSheet, sheet_bytes
from domain.clock import iso
from domain.enums import OrderStatus, Payment
from tests.connectors.sheet_kit import HEADER, NOW, ROW, a_shop, csv_of, one, read, row, xlsx_of


def reason(tmp_path: Path, *rows: Any, header: Any = HEADER, **settings: str) -> str:
    """The reason code of the only order of a file, which must say where to look."""
    found = one(a_shop(tmp_path, **settings), *rows, header=header)
    assert isinstance(found, Poison), found
    assert found.message
    return found.code


def wider(name: str, *values: str, **changes: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """A header and rows with one more column."""
    return (*HEADER, name), [(*row(**changes), value) for value in values]


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (
            "Name;Email;Financial Status;Paid at;Fulfillment Status;Currency;Shipping;Total;Created at;Lineitem quantity;"
            "Lineitem name;Lineitem price;Lineitem sku;Shipping Name;Shipping Address1;Shipping City;Shipping Zip;Shipping Phone",
            "number=Name; date=Created at; name=Lineitem name; sku=Lineitem sku; quantity=Lineitem quantity; "
            "recipient=Shipping Name; total=Total; postcode=Shipping Zip; status=Fulfillment Status; paid=Paid at",
        ),
        (
            "order-id;order-item-id;purchase-date;buyer-email;recipient-name;sku;product-name;quantity-purchased;"
            "ship-address-1;ship-city;ship-postal-code;ship-country;ship-phone-number",
            "number=order-id; line=order-item-id; date=purchase-date; name=product-name; quantity=quantity-purchased; "
            "line1=ship-address-1; postcode=ship-postal-code; country=ship-country; phone=ship-phone-number",
        ),
        (
            "订单编号;买家留言;收货人姓名;收货地址;联系手机;订单创建时间;订单付款时间;宝贝标题;商家编码;数量;订单状态",
            "number=订单编号; note=买家留言; recipient=收货人姓名; line1=收货地址; phone=联系手机; date=订单创建时间; "
            "paid=订单付款时间; name=宝贝标题; sku=商家编码; quantity=数量; status=订单状态",
        ),
        (
            "Nr zamówienia;Data zamówienia;Nazwa produktu;Kod produktu;Ilość;Cena;Odbiorca;Ulica;Miasto;Kod pocztowy;Telefon",
            "number=Nr zamówienia; date=Data zamówienia; name=Nazwa produktu; sku=Kod produktu; quantity=Ilość; price=Cena; "
            "recipient=Odbiorca; line1=Ulica; city=Miasto; postcode=Kod pocztowy; phone=Telefon",
        ),
        (
            "Номер замовлення;Дата створення;Назва товару;Артикул;Кількість;Ціна;Отримувач;Адреса доставки;Місто;Телефон",
            "number=Номер замовлення; date=Дата створення; name=Назва товару; sku=Артикул; quantity=Кількість; price=Ціна; "
            "recipient=Отримувач; line1=Адреса доставки; city=Місто; phone=Телефон",
        ),
    ],
    ids=["shopify", "amazon", "taobao", "polish", "ukrainian"],
)
def test_the_words_of_a_header_say_what_its_columns_are(header: str, wanted: str) -> None:
    assert mapping_of(wanted).items() <= guessed(header.split(";")).items()


def test_a_saved_mapping_is_read_by_names_and_places(tmp_path: Path) -> None:
    header = ("Ref", "When", "What", "Pcs", "Anything", "Pcs")
    shop = a_shop(tmp_path, columns="number=Ref; date=when; sku=What; quantity=#4")
    order = one(shop, ("R-1", "2026-11-20", "NB-A5", "3", "", "9"), header=header)
    assert (order.number, order.lines[0].sku, order.lines[0].quantity) == ("R-1", "NB-A5", 3)


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ("number=Ref; date=When; sku=What; quantity=Pcs", "column_twice"),
        ("number=Ref; date=When; sku=What; quantity=Pieces", "columns_missing"),
        ("number=Ref; date=When; quantity=#4", "columns_missing"),
        ("number=Ref; nonsense=When", "bad_mapping"),
    ],
)
def test_a_mapping_that_does_not_fit_stops_the_file(tmp_path: Path, columns: str, code: str) -> None:
    data = csv_of(
        ("R-1", "2026-11-20", "NB-A5", "3", "", "9"), header=("Ref", "When", "What", "Pcs", "Anything", "Pcs")
    )
    with pytest.raises((BadSheet, WireError)) as stopped:
        read(a_shop(tmp_path, columns=columns), data)
    outcome = stopped.value.outcome if isinstance(stopped.value, WireError) else stopped.value
    assert outcome.code == code


def test_a_guess_can_be_saved_and_reads_the_same(tmp_path: Path) -> None:
    data = csv_of(ROW, header=("Order; number", *HEADER[1:]))
    seen = a_shop(tmp_path).understood(data, "a.csv", NOW)
    assert (seen.saved, seen.columns["number"]) == (False, "Order; number")
    again = a_shop(tmp_path, columns=seen.setting).understood(data, "a.csv", NOW)
    assert (again.saved, again.found) == (True, seen.found)
    assert "number=#1" in seen.setting


# ---------------------------------------------------------------- orders


def test_a_row_becomes_an_order_of_the_shops_zone_and_currency(tmp_path: Path) -> None:
    order = one(a_shop(tmp_path), ROW)
    assert (order.platform_order_id, order.number, order.currency, order.total_minor) == ("A-100", "A-100", "PLN", 3998)
    assert iso(order.created_at) == iso(order.paid_at) == "2026-11-20T09:30:00Z"
    assert (order.status, order.payment, order.updated_at) == (OrderStatus.OPEN, Payment.PREPAID, NOW)
    assert (order.address.name, order.address.line1, order.address.city) == ("Ada Nowak", "ul. Długa 5", "Poznań")
    assert (order.address.country, order.address.phone, order.buyer.phone) == ("PL", "+48600100200", "+48600100200")
    [line] = order.lines
    assert (line.platform_line_id, line.sku, line.name, line.quantity) == ("NB-A5", "NB-A5", "Notebook A5", 2)
    assert (line.unit_price, line.total_minor) == ("19.99", 3998)


def test_rows_of_one_number_are_one_order_wherever_they_stand(tmp_path: Path) -> None:
    rows = (ROW, row(order_number="B-1"), row(sku="PEN", quantity="1", recipient="", price="2.50"), row(quantity="7"))
    first, second = read(a_shop(tmp_path), csv_of(*rows))
    assert isinstance(first, Parsed)
    assert isinstance(second, Parsed)
    assert [(x.platform_line_id, int(x.quantity)) for x in first.order.lines] == [
        ("NB-A5", 2),
        ("PEN", 1),
        ("NB-A5 ×2", 7),
    ]
    assert first.order.total_minor == 9 * 1999 + 250
    assert second.order.number == "B-1"


def test_the_payload_is_the_row_with_every_column_whatever_its_file_is_called(tmp_path: Path) -> None:
    header, rows = wider("Gift wrapping", "blue")
    shop = a_shop(tmp_path)
    [item] = read(shop, csv_of(*rows, header=header), "monday.csv")
    [again] = read(shop, b"A title\n" + csv_of(*rows, header=header), "tuesday.csv")
    assert b'"Gift wrapping":"blue"' in item.raw
    assert item == again


@pytest.mark.parametrize(
    ("amount", "minor"),
    [
        ("19.99", 1999), ("19,99", 1999), ("1 234,56 zł", 123456), ("1.234,56", 123456), ("1,234.56", 123456),
        ("1 234,5", 123450), ("PLN 12", 1200), ("12 zł", 1200), ("1,234,567", 123456700), ("0,5", 50), ("1'234.50", 123450),
    ],
)  # fmt: skip
def test_amounts_in_local_writing(tmp_path: Path, amount: str, minor: int) -> None:
    assert one(a_shop(tmp_path), row(price=amount, quantity="1")).total_minor == minor


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("UAH", "410,00 ₴", 41000), ("CNY", "¥128.5", 12850), ("JPY", "￥1200", 1200), ("KWD", "1.2345", 1235)],
)
def test_amounts_of_other_currencies(tmp_path: Path, currency: str, amount: str, minor: int) -> None:
    header, rows = wider("Currency", currency.lower(), price=amount, quantity="1")
    order = one(a_shop(tmp_path), *rows, header=header)
    assert (order.currency, order.total_minor) == (currency, minor)


def test_an_amount_that_can_be_read_in_two_ways_asks_the_column_then_the_setting(tmp_path: Path) -> None:
    odd = row(price="1,234", quantity="1")
    assert reason(tmp_path, odd) == "ambiguous_amount"
    assert one(a_shop(tmp_path, decimal="comma"), odd).total_minor == 123
    assert one(a_shop(tmp_path, decimal="point"), odd).total_minor == 123400
    first, _second = read(a_shop(tmp_path), csv_of(odd, row(order_number="B", price="9.90")))
    assert isinstance(first, Parsed)
    assert first.order.total_minor == 123400
    first, *_rest = read(
        a_shop(tmp_path), csv_of(odd, row(order_number="B", price="9.90"), row(order_number="C", price="9,90"))
    )
    assert isinstance(first, Poison)


@pytest.mark.parametrize(
    ("day", "instant"),
    [
        ("2026-11-20 10:30", "2026-11-20T09:30:00Z"), ("2026/11/20 10:30:05", "2026-11-20T09:30:05Z"),
        ("20.11.2026 10:30", "2026-11-20T09:30:00Z"), ("20.11.2026, 10:30", "2026-11-20T09:30:00Z"),
        ("2026年11月20日 10:30", "2026-11-20T09:30:00Z"), ("20/11/2026 1:05 PM", "2026-11-20T12:05:00Z"),
        ("11/20/2026 12:05 am", "2026-11-19T23:05:00Z"), ("2026-11-20T10:30:00+02:00", "2026-11-20T08:30:00Z"),
        ("2026-11-20T10:30:00Z", "2026-11-20T10:30:00Z"), ("2026-11-20 10:30:00 -0500", "2026-11-20T15:30:00Z"),
        ("2026-07-20", "2026-07-19T22:00:00Z"), ("03.04.2026", "2026-04-02T22:00:00Z"),
    ],
)  # fmt: skip
def test_days_in_local_writing_are_the_shops(tmp_path: Path, day: str, instant: str) -> None:
    assert iso(one(a_shop(tmp_path), row(order_date=day)).created_at) == instant


def test_a_day_that_can_be_read_in_two_ways_asks_the_column_then_the_setting(tmp_path: Path) -> None:
    odd = row(order_date="03/04/2026 12:00")
    assert reason(tmp_path, odd) == "ambiguous_date"
    assert iso(one(a_shop(tmp_path, days="dmy"), odd).created_at) == "2026-04-03T10:00:00Z"
    assert iso(one(a_shop(tmp_path, days="mdy"), odd).created_at) == "2026-03-04T11:00:00Z"
    first, _second = read(a_shop(tmp_path), csv_of(odd, row(order_number="B", order_date="25/04/2026")))
    assert isinstance(first, Parsed)
    assert iso(first.order.created_at) == "2026-04-03T10:00:00Z"


def test_a_day_kept_as_one_is_the_shops(tmp_path: Path) -> None:
    [item] = read(a_shop(tmp_path), xlsx_of([ROW[0], datetime(2026, 11, 20, 10, 30), *ROW[2:]]))
    assert isinstance(item, Parsed)
    assert iso(item.order.created_at) == "2026-11-20T09:30:00Z"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Unfulfilled", OrderStatus.OPEN), ("已发货", OrderStatus.SHIPPED), ("Anulowane", OrderStatus.CANCELLED),
        ("Виконано", OrderStatus.COMPLETED), ("nieopłacone", OrderStatus.UNPAID), ("gepackt", OrderStatus.SHIPPED),
        ("", OrderStatus.OPEN),
    ],
)  # fmt: skip
def test_statuses_are_known_by_their_words(tmp_path: Path, word: str, status: OrderStatus) -> None:
    header, rows = wider("Order status", word)
    order = one(a_shop(tmp_path, statuses="gepackt=shipped"), *rows, header=header)
    assert (order.status, order.warnings) == (status, ())
    assert order.raw_status == (word or "open")


def test_an_unknown_status_is_open_and_told(tmp_path: Path) -> None:
    header, rows = wider("Order status", "beim Graveur")
    order = one(a_shop(tmp_path), *rows, header=header)
    assert (order.status, order.warnings) == (OrderStatus.OPEN, ("unknown_status:beim Graveur",))


def test_what_is_not_paid_waits_unless_it_is_collected_on_delivery(tmp_path: Path) -> None:
    header, rows = wider("Payment date", "")
    order = one(a_shop(tmp_path), *rows, header=header)
    assert (order.status, order.paid_at) == (OrderStatus.UNPAID, None)
    header, rows = wider("Payment method", "Za pobraniem (kurier)")
    assert one(a_shop(tmp_path), *rows, header=header).payment is Payment.ON_DELIVERY
    assert one(a_shop(tmp_path, on_delivery="bei Erhalt"), *rows, header=header).payment is Payment.PREPAID


def test_countries_are_two_letters_or_known_by_name(tmp_path: Path) -> None:
    for word, wanted in (("de", "DE"), ("Польща", "PL"), ("乌克兰", "UA")):
        header, rows = wider("Country", word)
        assert one(a_shop(tmp_path), *rows, header=header).address.country == wanted
    header, rows = wider("Country", "Middle-earth")
    assert reason(tmp_path, *rows, header=header) == "bad_country"


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"order_number": "2.40512E+17"}, "scientific"),
        ({"phone": "4,86E+10"}, "scientific"),
        ({"sku": "1E+05"}, "scientific"),
        ({"order_number": "'000123"}, "apostrophe"),
        ({"sku": "’0012"}, "apostrophe"),
        ({"sku": "=A1&B1"}, "formula"),
        ({"price": "=2*3"}, "formula"),
        ({"recipient": "Ada \ufffdowak"}, "damaged_text"),
        ({"quantity": "1.5"}, "bad_quantity"),
        ({"quantity": ""}, "bad_quantity"),
        ({"quantity": "-1"}, "bad_quantity"),
        ({"price": "twelve"}, "bad_amount"),
        ({"price": "12 €"}, "other_currency"),
        ({"order_date": ""}, "no_date"),
        ({"order_date": "yesterday"}, "bad_date"),
        ({"order_date": "2026-02-30"}, "bad_date"),
        ({"order_date": "46346.5"}, "bad_date"),
        ({"sku": "", "product_name": ""}, "no_goods"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_trusted_stops_its_order(tmp_path: Path, changes: dict[str, str], code: str) -> None:
    assert reason(tmp_path, row(**changes)) == code


def test_an_apostrophe_that_belongs_to_a_name_is_one(tmp_path: Path) -> None:
    order = one(a_shop(tmp_path), row(city="'s-Hertogenbosch", product_name="'t Boek"))
    assert (order.address.city, order.lines[0].name) == ("'s-Hertogenbosch", "'t Boek")


@pytest.mark.parametrize(
    ("column", "value", "shown", "code"),
    [
        (0, 240512345678901234, "0", "digits_cut"),
        (2, 12345, "00-000", "number_format"),
        (2, datetime(2026, 3, 1), "mmm-yy", "became_date"),
        (9, "=A1", "General", "formula"),
        (5, "#N/A", "General", "cell_error"),
    ],
)
def test_what_a_workbook_lost_stops_its_order(tmp_path: Path, column: int, value: Any, shown: str, code: str) -> None:
    cells: list[Any] = list(ROW)
    cells[column] = value

    def also(sheet: Any) -> None:
        sheet.cell(2, column + 1).number_format = shown

    [item] = read(a_shop(tmp_path), xlsx_of(cells, also=also), "orders.xlsx")
    assert isinstance(item, Poison)
    assert item.code == code


def test_one_bad_row_stops_all_of_its_order_and_no_other(tmp_path: Path) -> None:
    first, second = read(a_shop(tmp_path), csv_of(ROW, row(sku="PEN", quantity="x"), row(order_number="B-1")))
    assert isinstance(first, Poison)
    assert (first.platform_order_id, first.code) == ("A-100", "bad_quantity")
    assert first.message == "Row 3, Quantity: x is no whole number of pieces."
    assert b"PEN" in first.raw
    assert isinstance(second, Parsed)


def test_rows_of_one_order_must_agree(tmp_path: Path) -> None:
    assert reason(tmp_path, ROW, row(sku="PEN", city="Kraków")) == "rows_disagree"


def test_an_order_whose_number_is_merged_over_its_rows_is_refused_whole(tmp_path: Path) -> None:
    data = xlsx_of(
        ROW, row(order_number="", sku="PEN"), row(order_number="B"), also=lambda sheet: sheet.merge_cells("A2:A3")
    )
    first, second = read(a_shop(tmp_path), data, "orders.xlsx")
    assert isinstance(first, Poison)
    assert (first.platform_order_id, first.code) == ("A-100", "merged")
    assert isinstance(second, Parsed)


def test_goods_without_a_number_stop_the_order_above_and_a_sum_below_does_not(tmp_path: Path) -> None:
    rows = (row(order_number="B"), ROW, row(order_number="", sku="PEN"))
    other, order, nameless = read(a_shop(tmp_path), csv_of(*rows))
    assert isinstance(other, Parsed)
    assert [x.code for x in (order, nameless) if isinstance(x, Poison)] == ["no_number"] * 2
    order, total = read(a_shop(tmp_path), csv_of(ROW, ("", "", "", "", "2", "39.98", "", "", "", "")))
    assert isinstance(order, Parsed)
    assert isinstance(total, Poison)


def test_a_row_with_more_cells_than_the_header_is_refused(tmp_path: Path) -> None:
    assert reason(tmp_path, (*ROW, "Warszawa")) == "too_many_cells"


def test_an_unknown_currency_is_named(tmp_path: Path) -> None:
    header, rows = wider("Currency", "XYZ")
    assert reason(tmp_path, *rows, header=header) == "unknown_currency"


def test_a_failure_list_has_the_rows_as_they_were_and_why(tmp_path: Path) -> None:
    seen = a_shop(tmp_path).understood(
        csv_of(ROW, row(order_number="B", quantity="x"), row(order_number="", sku="", product_name="")), "a.csv", NOW
    )
    header, first, second = seen.failures()
    assert header == [*HEADER, "Reason"]
    assert first == [*row(order_number="B", quantity="x"), "Row 3, Quantity: x is no whole number of pieces."]
    assert second[-1] == "Row 4 has no order number."
    assert a_shop(tmp_path).understood(csv_of(ROW), "a.csv", NOW).failures() == []


def test_a_corrected_failure_list_is_an_export_again(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    rows = shop.understood(csv_of(row(quantity="x")), "a.csv", NOW).failures()
    rows[1][4] = "2"
    for ending in ("csv", "xlsx"):
        [item] = read(shop, sheet_bytes(rows, ending), f"failed.{ending}")
        assert isinstance(item, Parsed)
        assert item.order.buyer.phone == "+48600100200"


def test_instants_of_a_sheet_are_in_milliseconds(tmp_path: Path) -> None:
    assert one(a_shop(tmp_path), ROW).created_at == int(datetime(2026, 11, 20, 9, 30, tzinfo=UTC).timestamp() * 1000)
