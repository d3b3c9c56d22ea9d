"""Own labels, documents, and the check and merge of other people's PDFs; what is drawn is rendered and read back."""

import io
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from connectors.contract import Label, ParcelLine, WaybillRequest
from connectors.paper.documents import PickRow, Slip, SlipLine, packing_slip, pick_list
from connectors.paper.labels import own_label
from connectors.paper.pdf import check_pdf, merge
from connectors.paper.refusals import BadLabel, LabelRefused, MissingGlyph
from connectors.paper.sheet import QUIET, code128
from connectors.paper.text import cut, label_font, wrap
from domain.records import Address

MM = 72 / 25.4
NUMBER = "RR473124829CN"


def an_address(**changes: str) -> Address:
    fields = {
        "name": "Jan Żółkiewski",
        "line1": "ul. Święta 7 m. 3",
        "city": "Łódź",
        "postcode": "90-001",
        "country": "PL",
        "phone": "+48 600 100 200",
    }
    return Address(**{**fields, **changes})


def a_request(**changes: Any) -> WaybillRequest:
    fields: dict[str, Any] = {
        "reference": "S-000123",
        "service": "STD",
        "recipient": an_address(),
        "sender": an_address(name="Sklep", line1="ul. Długa 5"),
        "lines": (ParcelLine("SKU-1", "Kubek", 2),),
        "weight_g": 500,
        "code": "S-000123",
        "order_numbers": ("WC-1001",),
    }
    return WaybillRequest(**{**fields, **changes})


def a_label(number: str = NUMBER, **changes: Any) -> Label:
    drawing = {name: changes.pop(name) for name in ("note", "practice", "substitute") if name in changes}
    return own_label(a_request(**changes), number=number, carrier="Poczta", service="Standard", **drawing)


def picture(data: bytes, page: int = 0, dpi: int = 203) -> Image.Image:
    with pypdfium2.PdfDocument(data) as document:
        image: Image.Image = document[page].render(scale=dpi / 72, grayscale=True).to_pil()
        return image


def text(data: bytes, page: int = 0) -> str:
    with pypdfium2.PdfDocument(data) as document:
        found: str = document[page].get_textpage().get_text_bounded()
        return found


def squeezed(data: bytes, page: int = 0) -> str:
    return "".join(text(data, page).split())


def scanned(image: Image.Image) -> set[str]:
    return {found.text for found in zxingcpp.read_barcodes(image)}


# ---------------------------------------------------------------- the label


def test_a_label_is_100_by_150_mm_and_one_page() -> None:
    label = a_label()
    assert (label.media, label.pages) == ("application/pdf", 1)
    with pypdfium2.PdfDocument(label.data) as document:
        assert document[0].get_size() == pytest.approx((283.4646, 425.1969), abs=0.01)


def test_number_and_shipment_code_are_read_by_a_scanner_at_203_dpi() -> None:
    assert scanned(picture(a_label().data)) == {NUMBER, "S-000123"}


@pytest.mark.parametrize(
    "number",
    ["YT2612345678901234", "SF1234567890123", "1Z999AA10123456784", "00359007738000000015", "A1B2", "X" * 30, "12345"],
)
def test_every_shape_of_number_is_read_by_a_scanner(number: str) -> None:
    assert number in scanned(picture(a_label(number).data))


def test_random_numbers_are_read_by_a_scanner() -> None:
    chance = random.Random(7)
    for _round in range(40):
        number = "".join(chance.choices("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ-", k=chance.randint(6, 26)))
        assert number in scanned(picture(a_label(number).data)), number


def test_barcodes_survive_a_bad_print_head() -> None:
    """Rendered with half a dot of shift, cut to black and white, every 40th column lost."""
    for number in (NUMBER, "YT2612345678901234", "1Z999AA10123456784"):
        image = picture(a_label(number).data, dpi=406)
        half_a_dot = image.crop((1, 0, image.width - 1, image.height))
        small = half_a_dot.resize((half_a_dot.width // 2, half_a_dot.height // 2), Image.Resampling.BOX)
        columns = [x for x in range(small.width) if x % 40]
        worn = Image.new("L", (len(columns), small.height), 255)
        black = small.point(lambda grey: 0 if grey < 128 else 255)
        for place, x in enumerate(columns):
            worn.paste(black.crop((x, 0, x + 1, small.height)), (place, 0))
        assert scanned(worn) == {number, "S-000123"}


def test_bars_are_whole_dots_three_wide_and_ten_mm_tall() -> None:
    bars, modules = code128(NUMBER)
    image = picture(a_label().data).point(lambda grey: 0 if grey < 128 else 255)
    row = image.crop((0, 180, image.width, 181)).tobytes()
    runs = _black_runs(row)
    assert len(runs) == len(bars)
    # The renderer may round an edge by one of its pixels; a module of three dots stays three dots on average.
    assert sum(runs) == pytest.approx(3 * sum(width for _at, width in bars), abs=3)
    assert row.index(0) >= 3 * QUIET
    column = image.crop((row.index(0) + 1, 100, row.index(0) + 2, 320)).tobytes()
    assert max(_black_runs(column)) >= 80
    assert row.rindex(0) - row.index(0) + 1 == pytest.approx(3 * modules, abs=1)


def _black_runs(pixels: bytes) -> list[int]:
    return [len(run) for run in pixels.replace(b"\xff", b" ").split() if run]


@pytest.mark.parametrize(
    ("name", "street"),
    [
        ("张伟", "上海市浦东新区世纪大道100号"),
        ("Łucja Wiśniewska-Żak", "Święty Marcin 1"),
        ("Jürgen Groß", "Königstraße 12"),
        ("Иван Щербаков", "ул. Тверская, д. 5"),
        ("Ева Їжак", "вул. Ґалаґанівська 3"),
    ],
)
def test_names_of_many_scripts_are_printed_as_they_are(name: str, street: str) -> None:
    found = squeezed(a_label(recipient=an_address(name=name, line1=street)).data)
    assert name.replace(" ", "") in found
    assert street.replace(" ", "") in found


def test_everything_a_courier_needs_is_on_the_label() -> None:
    found = text(
        a_label(
            cod_minor=12900,
            currency="PLN",
            pickup_point="WAW01A",
            order_numbers=("WC-1", "WC-2"),
            note="REPRINT 2",
        ).data
    )
    for expected in (
        *(NUMBER, "S-000123", "Poczta", "Standard", "COD 129.00 PLN", "WAW01A", "2 × SKU-1 Kubek", "WC-1, WC-2"),
        *("REPRINT 2", "Jan Żółkiewski", "90-001 Łódź", "+48 600 100 200", "Sklep", "ul. Długa 5"),
    ):
        assert expected in found, expected


@pytest.mark.parametrize(("letter", "code"), [("𠮷", "U+20BB7"), ("🎁", "U+1F381"), ("ก", "U+0E01"), ("م", "U+0645")])
def test_a_letter_the_font_lacks_refuses_the_label_by_name(letter: str, code: str) -> None:
    with pytest.raises(MissingGlyph) as refused:
        a_label(recipient=an_address(name=f"{letter}野家"))
    assert refused.value.field == "recipient.name"
    assert refused.value.code == "missing_glyph"
    assert letter in str(refused.value)
    assert code in str(refused.value)


def test_a_letter_that_the_font_names_but_cannot_draw_is_missing_too() -> None:
    """The font maps 17 characters to empty outlines; printed, they would be holes."""
    for letter in "ǎǐǒǔ℃ⅤⅩ":
        with pytest.raises(MissingGlyph):
            a_label(recipient=an_address(line1=f"A{letter}B 1"))


def test_goods_name_their_line_when_a_letter_is_missing() -> None:
    with pytest.raises(MissingGlyph) as refused:
        a_label(lines=(ParcelLine("A", "mug", 1), ParcelLine("B", "🎁 box", 1)))
    assert refused.value.field == "lines.1.name"


def test_a_missing_letter_can_be_replaced_by_a_mark() -> None:
    assert "〓野家" in text(a_label(recipient=an_address(name="𠮷野家"), substitute=True).data)


def test_what_has_no_shape_needs_no_letter() -> None:
    label = a_label(
        recipient=an_address(name="Jo\u200bhn\u202e Z\u0307o\u0301ł\ufe0f\x1b", line1="line\none\t\u00a0 2")
    )
    assert "John Żół" in text(label.data)
    assert "line one 2" in text(label.data)


def test_a_lone_surrogate_refuses_the_label() -> None:
    with pytest.raises(MissingGlyph, match=r"U\+D800"):
        a_label(recipient=an_address(name="a\ud800"))


@pytest.mark.parametrize("street", ["Długa ulica " * 20, "浦东新区世纪大道" * 25, "Donaudampfschifffahrt" * 12])
def test_long_texts_are_wrapped_and_nothing_is_lost(street: str) -> None:
    street = street.strip()
    address = an_address(line1=street, line2="Klatka B, " * 6, company="Bardzo Długa Nazwa Spółki z o.o. " * 3)
    data = a_label(
        recipient=address,
        cod_minor=1,
        currency="PLN",
        pickup_point="Paczkomat KRA012 przy sklepie " * 3,
        lines=tuple(ParcelLine(f"S{i}", "Nazwa towaru " * 30, 1) for i in range(30)),
        note="REPRINT 2 " * 8,
    ).data
    assert street.replace(" ", "") in squeezed(data)
    assert "+600100200" not in squeezed(data)
    assert "+48600100200" in squeezed(data)
    assert "more" in text(data)
    assert _inside_the_margins(data)
    assert scanned(picture(data)) == {NUMBER, "S-000123"}


def _inside_the_margins(data: bytes) -> bool:
    """Every letter lies wholly on the page and upon no other letter."""
    with pypdfium2.PdfDocument(data) as document:
        page = document[0]
        width, height = page.get_size()
        words = page.get_textpage()
        boxes = [words.get_charbox(index) for index in range(words.count_chars())]
    whole = all(min(box) >= 0 and box[2] <= width and box[3] <= height for box in boxes)
    boxes.sort()
    for place, (left, bottom, right, top) in enumerate(boxes):
        for other in boxes[place + 1 :]:
            if other[0] >= right - 0.6:
                break
            if min(right, other[2]) - max(left, other[0]) > 0.6 and min(top, other[3]) - max(bottom, other[1]) > 0.6:
                return False
    return whole


def test_goods_that_do_not_fit_are_counted() -> None:
    found = text(a_label(lines=tuple(ParcelLine(f"SKU-{i}", "Kubek", 1) for i in range(100))).data)
    shown = found.count("1 × SKU-")
    assert 5 < shown < 100
    assert f"+ {100 - shown} more" in found


def test_an_address_without_room_in_the_smallest_print_is_refused() -> None:
    with pytest.raises(LabelRefused) as refused:
        a_label(recipient=an_address(line1="浦东" * 2000))
    assert (refused.value.code, refused.value.field) == ("too_long", "recipient")


@pytest.mark.parametrize(("number", "code"), [("", "bad_barcode"), ("Ż123", "bad_barcode"), ("A" * 60, "too_long")])
def test_a_number_that_cannot_be_a_barcode_is_refused(number: str, code: str) -> None:
    with pytest.raises(LabelRefused) as refused:
        a_label(number)
    assert (refused.value.code, refused.value.field) == (code, "number")


def test_an_amount_in_no_known_currency_is_refused() -> None:
    with pytest.raises(LabelRefused) as refused:
        a_label(cod_minor=100, currency="XXX")
    assert refused.value.field == "currency"


def test_amounts_follow_their_currency() -> None:
    assert "COD 1290 JPY" in text(a_label(cod_minor=1290, currency="JPY").data)


def test_the_same_label_is_the_same_bytes() -> None:
    assert a_label().data == a_label().data
    assert a_label().data != a_label("RR473124832CN").data


def test_an_empty_sender_and_no_goods_leave_a_label() -> None:
    data = a_label(sender=Address(), lines=(), order_numbers=()).data
    assert scanned(picture(data)) == {NUMBER, "S-000123"}
    assert "From" not in text(data)


def test_practice_labels_say_so_and_stay_readable_by_a_scanner() -> None:
    plain, practice = a_label(), a_label(practice=True)
    assert "PRACTICE / 练习" not in text(plain.data)
    assert text(practice.data).count("PRACTICE / 练习") == 2
    assert scanned(picture(practice.data)) == {NUMBER, "S-000123"}
    head = (0, 0, 799, 43 * 8)
    foot = (0, 1199 - 21 * 8, 799, 1199)
    for barcodes in (head, foot):
        assert picture(plain.data).crop(barcodes).tobytes() == picture(practice.data).crop(barcodes).tobytes()


def test_labels_can_be_drawn_by_several_threads_at_once() -> None:
    """Without the lock about one label in fifty is wrong or fails."""

    def draw(n: int) -> bytes:
        return a_label(f"AB{n:06d}", recipient=an_address(name="张伟 Żółć Müller", company="上海浦东新区世纪大道")).data

    expected = [draw(n) for n in range(12)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            got = list(threads.map(draw, [*range(12)] * 20))
    finally:
        sys.setswitchinterval(usual)
    assert got == expected * 20


def test_importing_the_package_imports_neither_reportlab_nor_pdfium() -> None:
    modules = "connectors.paper.documents, connectors.paper.labels, connectors.paper.pdf"
    code = f"import sys, {modules}; print({{'reportlab', 'pypdfium2', 'PIL'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# ---------------------------------------------------------------- documents


def rows(count: int) -> list[PickRow]:
    return [
        PickRow(f"A-{i:03d}", f"SKU-{i:04d}", f"棉质T恤 {i}", 2, "XL", 1, "K1", f"Zone {i // 30}") for i in range(count)
    ]


def test_a_pick_list_has_every_row_its_code_on_each_page_and_page_numbers() -> None:
    label = pick_list("Wave 3 全部", rows(120), "W:1122-03", printed="2026-11-22 14:05 · Anna")
    assert label.pages == check_pdf(label.data) > 1
    whole = "".join(text(label.data, page) for page in range(label.pages))
    for i in range(120):
        assert whole.count(f"SKU-{i:04d}") == 1
    assert "120 lines, 240 pieces" in whole
    assert "Zone 3" in whole
    for page in range(label.pages):
        assert "W:1122-03" in scanned(picture(label.data, page))
        assert f"Page {page + 1}/{label.pages}" in text(label.data, page)
        assert "2026-11-22 14:05 · Anna" in text(label.data, page)
    with pypdfium2.PdfDocument(label.data) as document:
        assert document[0].get_size() == pytest.approx((595.28, 841.89), abs=0.02)


@pytest.mark.parametrize("before", range(5))
def test_a_heading_never_ends_a_page(before: int) -> None:
    unzoned = [PickRow("A", "SKU-X", "x\u3000" * 90 * before, 1)] * before
    label = pick_list("W", [*unzoned, *(PickRow("A", f"SKU-{i}", "x", 1, zone=f"Zone {i}") for i in range(99))], "W")
    for page in range(label.pages):
        found = text(label.data, page)
        assert found.count("Zone ") == found.count("SKU-") - found.count("SKU-X")


def test_a_pick_list_without_rows_is_still_a_page() -> None:
    assert pick_list("Empty", [], "W:1").pages == 1


def test_a_packing_slip_says_what_is_in_the_box() -> None:
    slip = Slip(
        "S-000123",
        an_address(name="张伟"),
        (SlipLine("SKU-1", "Kubek", 2, "niebieski"),),
        an_address(name="Sklep"),
        ("WC-1001",),
        "Poczta",
        NUMBER,
        "Proszę zapakować 🎁",
    )
    label = packing_slip(slip, practice=True)
    found = text(label.data)
    for expected in ("张伟", "Sklep", "Kubek niebieski", "WC-1001", NUMBER, "Proszę zapakować 〓", "PRACTICE / 练习"):
        assert expected in found, expected
    assert "S-000123" in scanned(picture(label.data))


def test_a_slip_survives_a_very_long_note_and_very_long_names() -> None:
    slip = Slip("S-1", an_address(), (SlipLine("S" * 200, "长" * 3000, 1),) * 40, note="请小心轻放" * 2000)
    assert check_pdf(packing_slip(slip).data) > 1


def test_documents_refuse_missing_letters_when_asked_to() -> None:
    with pytest.raises(MissingGlyph):
        pick_list("W", [PickRow("A", "S", "🎁", 1)], "W:1", substitute=False)


# ---------------------------------------------------------------- wrapping


def test_han_text_breaks_between_any_two_characters_and_words_do_not() -> None:
    lines = wrap("浦东新区世纪大道 Pudong Avenue", 10, 45)
    assert "".join(lines).replace(" ", "") == "浦东新区世纪大道PudongAvenue"
    assert lines[0] == "浦东新区"
    assert "Pudong" in lines


@pytest.mark.parametrize("width", [3, 11, 40, 77, 200])
def test_wrapping_loses_no_letter_and_keeps_to_the_width(width: int) -> None:
    sentence = "Zażółć gęślą jaźń，浦东新区（世纪大道）100号 Rindfleischetikettierungsüberwachung 한국어 ok"
    lines = wrap(sentence, 10, width)
    assert "".join("".join(lines).split()) == "".join(sentence.split())
    for line in lines:
        assert len(line) == 1 or label_font().width(line, 10) <= width + 1e-6


def test_cut_text_fits_and_shows_that_it_was_cut() -> None:
    short = cut("A very long name of goods", 8, 50)
    assert short.endswith("…")
    assert label_font().width(short, 8) <= 50
    assert cut("Mug", 8, 50) == "Mug"


# ---------------------------------------------------------------- check and merge


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"<!DOCTYPE html><html>", "html"),
        (b'\xef\xbb\xbf\n{"error": 1}', "json"),
        (b"^XA^FO50,50^FS^XZ", "zpl"),
        (b"\x89PNG\r\n", "png"),
        (b"\xff\xd8\xff", "jpeg"),
        (b"hello", "unknown"),
        (b"%PDF-1.4\nnothing\n%%EOF\n", "truncated"),
    ],
)
def test_what_is_no_pdf_is_refused_by_what_it_is(data: bytes, kind: str) -> None:
    with pytest.raises(BadLabel) as bad:
        check_pdf(data)
    assert bad.value.kind == kind


def test_a_pdf_cut_off_anywhere_is_refused() -> None:
    data = a_label().data
    assert check_pdf(data) == 1
    for end in (8, 200, len(data) // 4, len(data) // 2, len(data) - 500, len(data) - 40):
        with pytest.raises(BadLabel):
            check_pdf(data[:end])


def test_merging_keeps_the_order_and_the_pages() -> None:
    numbers = [f"AB{n:06d}" for n in (5, 3, 9, 1)]
    merged = merge([a_label(number) for number in numbers])
    assert check_pdf(merged) == 4
    for page, number in enumerate(numbers):
        assert number in text(merged, page)
        assert number in scanned(picture(merged, page))
        assert picture(merged, page).tobytes() == picture(a_label(number).data).tobytes()


PDFIUM_DATE = re.compile(rb"\(D:\d{14}")


def test_merging_the_same_labels_gives_the_same_bytes() -> None:
    pages = [a_label("AB000001"), pick_list("W", rows(60), "W:1")]
    first = merge(pages)
    later = PDFIUM_DATE.sub(b"(D:20991231235959", first)
    assert PDFIUM_DATE.findall(first) == [b"(D:20000101000000"]
    assert later != first
    assert merge(pages) == first


def test_merging_takes_pdfs_only() -> None:
    with pytest.raises(BadLabel):
        merge([a_label(), Label("text/zpl", b"^XA^XZ")])
    with pytest.raises(BadLabel):
        merge([a_label(), Label("application/pdf", b"<html>")])
    with pytest.raises(BadLabel):
        merge([])


def test_a_label_of_several_pages_is_counted() -> None:
    target = io.BytesIO()
    with pypdfium2.PdfDocument.new() as document:
        for _page in range(3):
            document.new_page(100, 100)
        document.save(target)
    assert check_pdf(target.getvalue()) == 3
