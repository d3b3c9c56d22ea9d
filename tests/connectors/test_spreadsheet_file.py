"""Files as tables: encodings, delimiters, headers, workbooks; what a spreadsheet shows otherwise than it keeps; bounds."""

import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.shops import spreadsheet_file
from connectors.shops.spreadsheet_columns import known_among
from connectors.shops.spreadsheet_file import BadSheet, Kind, Reading, Special, Table, read_table, sheet_bytes
from tests.connectors.sheet_kit import HEADER, ROW, csv_of, row, xlsx_of

POLISH = row(recipient="Żaneta Świątek-Łąkowa", address="ul. Źródlana 7", city="Białystok")
UKRAINIAN = (
    ("Номер замовлення", "Дата", "Артикул", "Назва", "Кількість", "Ціна", "Отримувач", "Адреса", "Місто", "Телефон"),
    row(recipient="Їжакевич Ґалина", address="вул. Євгена Чикаленка, 3", city="Київ"),
)
CHINESE = (
    ("订单编号", "订单创建时间", "商家编码", "宝贝标题", "数量", "单价", "收货人姓名", "收货地址", "市", "联系手机"),
    row(recipient="欧阳娜娜", address="浙江省杭州市西湖区文三路1号", city="杭州市"),
)


def table(data: bytes, name: str = "orders.csv", **how: str) -> Table:
    return read_table(data, name, Reading(**how), known_among({}))


def code(data: bytes, name: str = "orders.csv", **how: str) -> str:
    with pytest.raises(BadSheet) as refused:
        table(data, name, **how)
    assert str(refused.value).endswith((".", ")")), refused.value
    return refused.value.code


# ---------------------------------------------------------------- text files


@pytest.mark.parametrize(
    ("encoding", "header", "cells"),
    [
        ("utf-8", HEADER, POLISH),
        ("utf-8-sig", HEADER, POLISH),
        ("utf-16", HEADER, POLISH),
        ("cp1250", HEADER, POLISH),
        ("cp1251", *UKRAINIAN),
        ("gb18030", *CHINESE),
        ("gb18030", HEADER, CHINESE[1]),
        ("cp1250", ("Numer zamówienia", "Data", "Kod", "Nazwa", "Ilość", *HEADER[5:]), POLISH),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_found_out(
    encoding: str, header: tuple[str, ...], cells: tuple[str, ...], delimiter: str
) -> None:
    found = table(csv_of(cells, encoding=encoding, delimiter=delimiter, header=header))
    assert found.header == tuple(header)
    assert [one.cells for one in found.rows] == [cells]


def test_bytes_of_no_certain_encoding_are_refused_and_taken_under_the_named_one() -> None:
    # ń of the one is ñ of the other, and nothing else in the file speaks for either.
    data = csv_of(row(city="Poznań", address="Rynek 1"), encoding="cp1250")
    assert code(data) == "unknown_encoding"
    assert table(data, encoding="cp1250").rows[0].cells[8] == "Poznań"
    assert code(data, encoding="utf-8") == "unknown_encoding"
    assert code(data, encoding="no-such") == "unknown_encoding"


def test_titles_stand_above_the_header_and_rows_keep_their_numbers() -> None:
    data = b"My shop\n\n2026-11-22;export\n" + csv_of(ROW, delimiter=";")
    found = table(data)
    assert found.header == HEADER
    assert [one.number for one in found.rows] == [5]


def test_excels_own_line_names_the_delimiter() -> None:
    found = table(b"sep=;\r\n" + csv_of(ROW, delimiter=";"))
    assert (found.header, found.rows[0].number) == (HEADER, 3)


def test_a_text_over_several_lines_is_one_cell() -> None:
    found = table(csv_of(row(address="ul. Długa 5\nm. 3"), row(order_number="A-2")))
    assert found.rows[0].cells[7] == "ul. Długa 5\nm. 3"
    assert [one.number for one in found.rows] == [2, 4]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", "empty_file"),
        (b"  \n", "empty_file"),
        (b"a,b,c\n1,2,3\n", "no_header"),
        (b"\xd0\xcf\x11\xe0" + b"\x00" * 100, "old_format"),
        (b"<html><table><tr><td>Order number</td></tr></table>", "old_format"),
        (b"Order number,SKU,Quantity\n\x00\x01,x,1\n", "unreadable_file"),
        (b'Order number,SKU,Quantity\n"A-1,NB,1\nA-2,NB,1\n', "unreadable_file"),
        (b"PK\x03\x04 no zip at all", "unreadable_file"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, wanted: str) -> None:
    assert code(data) == wanted


def test_zeros_that_an_export_guards_with_a_text_formula_are_read() -> None:
    cells = table(csv_of(row(order_number='="000123"', phone="'+48600100200"))).rows[0].cells
    assert (cells[0], cells[9]) == ("000123", "+48600100200")


def test_a_formula_is_marked_whatever_it_hides() -> None:
    for formula in ("=1+1", '=HYPERLINK("http://x.example","A")', '="a"&"b"'):
        assert table(csv_of(row(sku=formula))).rows[0].cells[2] == Special(Kind.FORMULA, formula)


# ---------------------------------------------------------------- workbooks


def test_a_workbook_gives_text_numbers_and_days_as_they_are_kept() -> None:
    cells = list(ROW)
    found = table(xlsx_of([1234567, datetime(2026, 11, 20, 10, 30), "0012", True, 2, 19.99, *cells[6:9], 600100200]))
    assert found.rows[0].cells[:6] == (
        Special(Kind.NUMBER, "1234567"),
        Special(Kind.DATE, "2026-11-20T10:30:00"),
        "0012",
        "TRUE",
        Special(Kind.NUMBER, "2"),
        Special(Kind.NUMBER, "19.99"),
    )
    assert found.rows[0].number == 2


def test_a_sum_of_binary_fractions_is_read_as_a_spreadsheet_shows_it() -> None:
    assert table(xlsx_of([*ROW[:5], 0.1 + 0.2, *ROW[6:]])).rows[0].cells[5] == Special(Kind.NUMBER, "0.3")


@pytest.mark.parametrize(
    ("value", "shown", "wanted"),
    [
        (123, "00000", "00123"),
        (12345, "00-000", Special(Kind.SHAPED, "12345")),
        (12345, "00\\-000", Special(Kind.SHAPED, "12345")),
        (600100200, "000 000 000", Special(Kind.SHAPED, "600100200")),
        (1234.5, "#,##0.00", Special(Kind.NUMBER, "1234.5")),
        (1234.5, '# ##0.00" zł"', Special(Kind.NUMBER, "1234.5")),
        (1234.5, "[$€-2] #,##0.00", Special(Kind.NUMBER, "1234.5")),
        (240512345678901234, "0", Special(Kind.CUT, "240512345678901000")),
        (2.40512345678901e17, "General", Special(Kind.CUT, "240512345678901000")),
        (240512345678, "0.00E+00", Special(Kind.NUMBER, "240512345678")),
    ],
)
def test_a_number_that_is_shown_otherwise_than_it_is_kept_is_marked(value: float, shown: str, wanted: object) -> None:
    def also(sheet: Any) -> None:
        sheet["A2"].number_format = shown

    assert table(xlsx_of([value, *ROW[1:]], also=also)).rows[0].cells[0] == wanted


def test_formulas_errors_and_merged_cells_are_marked() -> None:
    def also(sheet: Any) -> None:
        sheet["E2"] = "=1+1"
        sheet["F2"] = "#N/A"
        sheet.merge_cells("A2:A3")

    first, second = table(xlsx_of(ROW, row(order_number="", sku="PEN"), also=also)).rows
    assert first.cells[4] == Special(Kind.FORMULA, "=1+1")
    assert first.cells[5] == Special(Kind.ERROR, "#N/A")
    assert [one.cells[0] for one in (first, second)] == [Special(Kind.MERGED, "A-100")] * 2


def test_the_only_sheet_with_orders_is_read_and_several_ask_for_a_name() -> None:
    book = openpyxl.Workbook()
    book.active.append(["Notes of ours"])  # type: ignore[union-attr]
    for title, state in (("Orders", "visible"), ("Old", "hidden")):
        sheet = book.create_sheet(title)
        sheet.append(HEADER)
        sheet.append(ROW)
        sheet.sheet_state = state
    out = io.BytesIO()
    book.save(out)
    assert table(out.getvalue()).source == "Orders"
    assert table(out.getvalue(), sheet="Old").source == "Old"
    assert code(out.getvalue(), sheet="None") == "no_sheet"
    book["Old"].sheet_state = "visible"
    out = io.BytesIO()
    book.save(out)
    assert code(out.getvalue()) == "several_sheets"


def test_blank_rows_in_between_are_no_rows() -> None:
    found = table(xlsx_of(ROW, [None] * 10, row(order_number="A-2")))
    assert [one.number for one in found.rows] == [2, 4]


# ---------------------------------------------------------------- bounds


def rewritten(data: bytes, change: Any) -> bytes:
    """A workbook with its first sheet's XML changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            content = old.read(part)
            new.writestr(part.filename, change(content) if part.filename.endswith("sheet1.xml") else content)
    return out.getvalue()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet_file, "MAX_UNPACKED", 5_000_000)
    bomb = rewritten(xlsx_of(ROW), lambda xml: xml + b" " * 5_000_000)
    assert len(bomb) < 50_000
    assert code(bomb, "bomb.xlsx") == "too_large"


def test_entities_that_grow_are_refused() -> None:
    def grown(xml: bytes) -> bytes:
        # One step only: whoever expands it reads a plain sheet, and this test goes red.
        return b'<!DOCTYPE worksheet [<!ENTITY e "NB-A5">]>' + xml.replace(b"<t>NB-A5</t>", b"<t>&e;</t>")

    assert code(rewritten(xlsx_of(ROW), grown), "bomb.xlsx") == "unreadable_file"


def test_rows_and_columns_that_only_claim_to_be_there_cost_nothing() -> None:
    def claimed(xml: bytes) -> bytes:
        far = b'<row r="200000"><c r="A200000"><v>1</v></c></row></sheetData>'
        return xml.replace(b"A1:J2", b"A1:XFD1048576").replace(b"</sheetData>", far)

    found = table(rewritten(xlsx_of(ROW), claimed), "wide.xlsx")
    assert [one.number for one in found.rows] == [2, 200000]
    assert len(found.rows[0].cells) == len(HEADER)


def test_too_many_rows_cells_and_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(order_number=f"A-{n}") for n in range(30)]
    for name, limit in (("MAX_ROWS", 20), ("MAX_CELLS", 200), ("MAX_BYTES", 500)):
        with monkeypatch.context() as patched:
            patched.setattr(spreadsheet_file, name, limit)
            assert code(csv_of(*rows)) == "too_large", name
            assert code(xlsx_of(*rows), "orders.xlsx") == "too_large", name
    assert len(table(csv_of(*rows)).rows) == 30


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_no_cell_that_is_written_can_act(ending: str, tmp_path: Path) -> None:
    dangerous = ['=cmd|"/C calc"!A0', "+48600100200", "@SUM(A1)", "-1", "plain", "#N/A", "240512345678901234"]
    data = sheet_bytes([["Order number", "SKU", "Quantity", *"abcd"], dangerous], ending)
    if ending == "xlsx":
        cells: Any = openpyxl.load_workbook(io.BytesIO(data)).active[2]
        assert {cell.data_type for cell in cells} == {"s"}
        assert [cell.value[:1] for cell in cells[:4]] == ["'"] * 4
        assert cells[6].value == "240512345678901234"
    else:
        assert (
            data.decode("utf-8-sig")
            .splitlines()[1]
            .startswith('"\'=cmd|""/C calc""!A0",\'+48600100200,\'@SUM(A1),\'-1,plain')
        )
    # What was written is read again as it was.
    assert table(data, f"x.{ending}").rows[0].cells[4] == "plain"
