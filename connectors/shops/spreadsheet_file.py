"""Spreadsheet files as rows of cells, and rows of text as spreadsheet files: xlsx by openpyxl, csv by the standard library.

What a spreadsheet would show otherwise than it keeps (formulas, merged cells, digits cut off) is marked, never turned
into text: whoever needs the value refuses it with its reason. Sizes are bounded before anything is unpacked.
"""

import codecs
import csv
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

from msgspec import Struct

from domain.text import neutral, safe
from domain.words import _

MAX_BYTES = 30_000_000
MAX_UNPACKED = 150_000_000
"""Bytes of all parts of an xlsx; Python's zipfile never unpacks more of a part than it declares."""
MAX_ROWS, MAX_CELLS, MAX_COLUMNS = 50_000, 3_000_000, 1_000
HEADER_WITHIN = 30
"""Rows that may stand above the names of the columns: titles, dates, logos."""
ENDINGS = (".xlsx", ".xlsm", ".csv", ".tsv", ".txt")


class Kind(StrEnum):
    """What a cell holds that is not plain text."""

    NUMBER = "number"
    DATE = "date"
    """An instant as the sheet keeps it: local, without a zone; `text` is ISO."""
    FORMULA = "formula"
    ERROR = "cell_error"
    MERGED = "merged"
    CUT = "digits_cut"
    """A number of more than 15 digits: what stands behind the 15th is lost."""
    SHAPED = "number_format"
    """A number shown with signs that are not in it (`00-000`)."""


class Special(Struct, frozen=True):
    """A cell that is not plain text; `text` is its content as far as it has one."""

    kind: Kind
    text: str


Cell = str | Special


class SheetRow(Struct, frozen=True):
    """One row below the header; `number` as a spreadsheet counts, from 1."""

    number: int
    cells: tuple[Cell, ...]


class Table(Struct, frozen=True):
    """A sheet with its header found."""

    header: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    source: str
    """How it was read, for people: encoding and delimiter, or the sheet's name."""


class Reading(Struct, frozen=True):
    """How a file is to be read; empty = found out."""

    encoding: str = ""
    delimiter: str = ""
    """The character itself."""
    sheet: str = ""


class BadSheet(Exception):
    """A file that is no table of orders; `code` is stable, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Known = Callable[[Sequence[str]], int]
"""How many of these texts are names of columns that mean something."""


def text_of(cell: Cell) -> str:
    """A cell's content as text, whatever it is."""
    return cell if isinstance(cell, str) else cell.text


def read_table(data: bytes, name: str, reading: Reading, known: Known) -> Table:
    """A file as a table. Raises `BadSheet` for what is too large, damaged, ambiguous or has no header that is known."""
    if len(data) > MAX_BYTES:
        raise BadSheet("too_large", _("The file is larger than {n} MB.").format(n=MAX_BYTES // 1_000_000))
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadSheet(
            "old_format", _("An old .xls or a protected file: save it as .xlsx or .csv, without a password.")
        )
    if data.startswith(b"PK\x03\x04"):
        return _workbook(data, reading.sheet, known)
    if not data.strip():
        raise BadSheet("empty_file", _("The file is empty."))
    if data.lstrip()[:1] == b"<":
        raise BadSheet("old_format", _("A web page or XML under a spreadsheet's name: save it as .xlsx or .csv."))
    return _delimited(data, name, reading, known)


# ---------------------------------------------------------------- xlsx


_DOCTYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))


def _workbook(data: bytes, wanted: str, known: Known) -> Table:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED:
                text = _("Unpacked, the file is larger than {n} MB.")
                raise BadSheet("too_large", text.format(n=MAX_UNPACKED // 1_000_000))
            if any(sign in content for content in map(archive.read, archive.infolist()) for sign in _DOCTYPES):
                # No spreadsheet has one; entities of their own grow without end in an older expat.
                raise BadSheet("unreadable_file", _("The workbook holds declarations that no workbook needs."))
        import openpyxl  # Takes longer to import than all the rest of a shop's connector.

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of styles and extensions that openpyxl leaves out.
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
            try:
                return _chosen_sheet(book, wanted, known)
            finally:
                book.close()
    except BadSheet:
        raise
    except MemoryError:
        raise
    except Exception as error:
        # openpyxl raises whatever its parsing trips over; the file is someone else's.
        text = _("The workbook cannot be read: {reason}.")
        raise BadSheet("unreadable_file", text.format(reason=type(error).__name__)) from None


def _chosen_sheet(book: Any, wanted: str, known: Known) -> Table:
    """The named sheet, else the only visible one whose header is known."""
    sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible" or sheet.title == wanted]
    if wanted:
        sheets = [sheet for sheet in sheets if sheet.title == wanted]
        if not sheets:
            raise BadSheet("no_sheet", _("There is no sheet {name}.").format(name=safe(wanted, 60)))
    tables: list[Table] = []
    problem = BadSheet("no_header", _("No row names columns that are known."))
    for sheet in sheets:
        try:
            tables.append(_with_header(list(_sheet_rows(sheet)), known, sheet.title))
        except BadSheet as bad:
            if bad.code != "no_header" or len(sheets) == 1:
                raise
            problem = bad
    if len(tables) > 1:
        names = ", ".join(safe(table.source, 40) for table in tables)
        raise BadSheet(
            "several_sheets", _("Several sheets hold orders: {names}. Name one in sheet.").format(names=names)
        )
    if not tables:
        raise problem
    return tables[0]


def _sheet_rows(sheet: Any) -> Iterator[SheetRow]:
    """Rows that hold anything. What the sheet says of its own size is not believed."""
    merged = _merged(sheet)
    anchors: dict[int, str] = {}
    rows = cells = 0
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(min_row=1, min_col=1), 1):
        cells += len(row)
        if cells > MAX_CELLS:
            raise BadSheet("too_large", _("The sheet has more than {n} cells.").format(n=MAX_CELLS))
        found = [_cell(cell) for cell in row]
        for index, (first, last, left, right) in enumerate(merged):
            if first <= number <= last:
                if number == first:
                    anchors[index] = text_of(found[left - 1]) if left <= len(found) else ""
                found += [""] * (right - len(found))
                for column in range(left, right + 1):
                    found[column - 1] = Special(Kind.MERGED, anchors.get(index, "") if column == left else "")
        while found and found[-1] == "":
            found.pop()
        if found:
            rows += 1
            if rows > MAX_ROWS:
                raise BadSheet("too_large", _("The sheet has more than {n} rows.").format(n=MAX_ROWS))
            if len(found) > MAX_COLUMNS:
                raise BadSheet("too_large", _("The sheet has more than {n} columns.").format(n=MAX_COLUMNS))
            yield SheetRow(number, tuple(found))


_MERGE = re.compile(rb"""<(?:\w+:)?mergeCell\s[^>]*?ref=["']([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})["']""")
_MOST_MERGES = 1_000


def _merged(sheet: Any) -> list[tuple[int, int, int, int]]:
    """Merged areas as (first row, last row, first column, last column); openpyxl tells none of a sheet it streams."""
    with sheet.parent._archive.open(sheet._worksheet_path) as part:
        content = part.read()
    areas: list[tuple[int, int, int, int]] = []
    for left, first, right, last in _MERGE.findall(content):
        area = (int(first), int(last), _column(left), _column(right))
        if len(areas) == _MOST_MERGES or area[3] > MAX_COLUMNS:
            raise BadSheet("merged", _("The sheet has too many merged cells: take them apart."))
        areas.append(area)
    return areas


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


_UNSEEN = re.compile(r'"[^"]*"|\[[^\]]*\]|\\')
_PLACES_APART = re.compile(r"[0#?][^0#?]*[^0#?,\s%][^0#?]*[0#?]")


def _cell(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return ""
    match cell.data_type:
        case "f":
            return Special(Kind.FORMULA, value if isinstance(value, str) else "=")
        case "e":
            return Special(Kind.ERROR, str(value))
    match value:
        case str():
            return _bare(value.strip())
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float():
            return _number(value, str(cell.number_format or ""))
        case datetime():
            return Special(Kind.DATE, value.isoformat())
        case date():
            return Special(Kind.DATE, datetime(value.year, value.month, value.day).isoformat())
    return str(value)


def _number(value: int | float, shown: str) -> Cell:
    """A number to 15 digits, as spreadsheets count. Zeros that a format puts in front are given: people read them so."""
    number = Decimal(value) if isinstance(value, int) else Decimal(f"{value:.15g}")
    text = format(number, "f")
    if abs(number) >= 10**15:
        return Special(Kind.CUT, text)
    whole = _UNSEEN.sub("", shown).partition(";")[0].partition(".")[0]
    if re.fullmatch("0{2,}", whole) and number == number.to_integral_value():
        return str(int(number)).zfill(len(whole))
    if whole.count("0") > 1 or _PLACES_APART.search(whole):
        return Special(Kind.SHAPED, text)
    return Special(Kind.NUMBER, text)


# ---------------------------------------------------------------- csv


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = ("gb18030", "cp1250", "cp1251", "cp1252")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_LATIN = set("abcdefghijklmnopqrstuvwxyz")
_LETTERS = {
    "cp1250": set("ąćęłńóśźżáčďéěíňřšťúůýžäöüßâăîșțşţľĺŕôőűđ"),
    "cp1252": set("àâäáãåæçéèêëíìîïñóòôöõøœúùûüýÿß"),
    "cp1251": set("абвгґдеєжзиіїйклмнопрстуфхцчшщьюяёъыэў"),
}
_WORD = re.compile(r"[^\W\d_]+")
_SAMPLE = 200_000


def decoded(data: bytes, wanted: str, hits: Callable[[str], int]) -> tuple[str, str]:
    """(text, encoding). Bytes that no encoding makes certain are refused: a wrong guess would mangle names for ever.

    `hits` says how many known names of columns a text's header has.
    """
    if wanted:
        try:
            return data.decode("utf-8-sig" if wanted.lower().replace("_", "-") in {"utf-8", "utf8"} else wanted), wanted
        except LookupError:
            text = _("There is no encoding {name}.")
            raise BadSheet("unknown_encoding", text.format(name=safe(wanted, 40))) from None
        except UnicodeError:
            text = _("The file is not in {encoding}.")
            raise BadSheet("unknown_encoding", text.format(encoding=safe(wanted, 40))) from None
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data, encoding), encoding
    if b"\x00" in data:
        raise BadSheet("unreadable_file", _("The file is no text and no .xlsx."))
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    rated: list[tuple[float, str, str]] = []
    for encoding in _CANDIDATES:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        rated.append((_plausible(text[:_SAMPLE], encoding) + 0.1 * min(4, hits(text)), encoding, text))
    rated.sort(key=lambda one: -one[0])
    others = [encoding for rate, encoding, text in rated[1:] if text != rated[0][2] and rate > rated[0][0] - 0.15]
    if not rated or rated[0][0] < 0.7 or others:
        names = ", ".join(encoding for _rate, encoding, _text in rated)
        raise BadSheet(
            "unknown_encoding", _("The encoding is not certain: name it in encoding ({names}).").format(names=names)
        )
    return rated[0][2], rated[0][1]


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise BadSheet("unknown_encoding", _("The file is not in {encoding}.").format(encoding=encoding)) from None


def _plausible(text: str, encoding: str) -> float:
    """The share of what is not ASCII that looks like writing: common Chinese characters, words of one alphabet."""
    if encoding == "gb18030":
        foreign = [c for c in text if c > "\x7f"]
        return sum(map(_is_common, foreign)) / max(1, len(foreign))
    words = [word.lower() for word in _WORD.findall(text) if not word.isascii()]
    return sum(_is_word(word, encoding) for word in words) / max(1, len(words))


def _is_common(char: str) -> bool:
    """Punctuation, full-width signs, and the characters of the first level of GB 2312, sorted there by use."""
    if "\u3000" <= char <= "\u303f" or "\uff00" <= char <= "\uffef" or char in "“”‘’—…·￥":
        return True
    try:
        return 0xB0 <= char.encode("gb2312")[0] <= 0xD7
    except UnicodeEncodeError:
        return False


def _is_word(word: str, encoding: str) -> bool:
    letters = set(word)
    if encoding == "cp1251":
        return letters <= _LETTERS[encoding]
    accented = sum(letter not in _LATIN for letter in word)
    return letters <= _LATIN | _LETTERS[encoding] and accented <= max(1, len(word) // 2)


def _delimited(data: bytes, name: str, reading: Reading, known: Known) -> Table:
    def hits(text: str) -> int:
        return max(_header_hits(text, delimiter, known) for delimiter in DELIMITERS.values())

    text, encoding = decoded(data, reading.encoding, hits)
    first, _newline, rest = text.partition("\n")
    skipped = 0
    said = re.fullmatch(r"sep=(.)", first.strip())
    if said:  # Excel's own way of naming the delimiter.
        text, skipped = rest, 1
    delimiter = reading.delimiter or (said[1] if said else _delimiter(text, name, known))
    try:
        rows = list(_csv_rows(text, delimiter, skipped))
    except csv.Error as error:
        where = _("The text cannot be read as a table: {reason}.")
        raise BadSheet("unreadable_file", where.format(reason=safe(error, 100))) from None
    words = next((word for word, sign in DELIMITERS.items() if sign == delimiter), delimiter)
    return _with_header(rows, known, f"{encoding}, {words}")


def _lines(text: str) -> Iterable[str]:
    return io.StringIO(text, newline="")


def _csv_rows(text: str, delimiter: str, skipped: int) -> Iterator[SheetRow]:
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    rows = cells = 0
    before = 0
    for record in reader:
        number, before = before + 1 + skipped, reader.line_num
        found: list[Cell] = [_csv_cell(field) for field in record]
        while found and found[-1] == "":
            found.pop()
        rows, cells = rows + bool(found), cells + len(found)
        if rows > MAX_ROWS:
            raise BadSheet("too_large", _("The sheet has more than {n} rows.").format(n=MAX_ROWS))
        if cells > MAX_CELLS or len(found) > MAX_COLUMNS:
            raise BadSheet("too_large", _("The sheet has more than {n} cells.").format(n=MAX_CELLS))
        if found:
            yield SheetRow(number, tuple(found))


_AS_TEXT = re.compile(r'="([^"=]*)"')


def _csv_cell(field: str) -> Cell:
    """Exports write `="0012"` to keep zeros: that computes nothing, and its text is what stands between the quotes."""
    field = field.strip()
    if written := _AS_TEXT.fullmatch(field):
        return written[1].strip()
    if field.startswith("="):
        return Special(Kind.FORMULA, field)
    return _bare(field)


def _bare(text: str) -> str:
    """Without the apostrophe that whoever writes spreadsheets, we too, puts before what could act as a formula."""
    return text[1:] if text.startswith("'") and neutral(text[1:]) == text else text


def _header_hits(text: str, delimiter: str, known: Known) -> int:
    lines = text[:_SAMPLE].splitlines()[:HEADER_WITHIN]
    try:
        records = list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return 0
    return max((known([field.strip() for field in record]) for record in records), default=0)


def _delimiter(text: str, name: str, known: Known) -> str:
    """The delimiter under which a row names the most known columns."""
    if name.lower().endswith(".tsv"):
        return "\t"
    return max(DELIMITERS.values(), key=lambda delimiter: _header_hits(text, delimiter, known))


# ---------------------------------------------------------------- the header


def _with_header(rows: Sequence[SheetRow], known: Known, source: str) -> Table:
    """The first of the rows that name the most known columns is the header; what stands above it is a title."""
    best, at = 1, -1
    for index, row in enumerate(rows[:HEADER_WITHIN]):
        found = known([text_of(cell) for cell in row.cells])
        if found > best:
            best, at = found, index
    if at < 0:
        first = ", ".join(safe(text_of(cell), 20) for cell in rows[0].cells[:12]) if rows else ""
        raise BadSheet("no_header", _("No row names columns that are known. The first is: {row}.").format(row=first))
    return Table(tuple(text_of(cell) for cell in rows[at].cells), tuple(rows[at + 1 :]), source)


# ---------------------------------------------------------------- writing


def sheet_bytes(rows: Sequence[Sequence[str]], ending: str, encoding: str = "utf-8-sig") -> bytes:
    """Rows of text as a file (`csv` or `xlsx`). No cell can act as a formula. Raises `UnicodeEncodeError`."""
    safe_rows = [[neutral(text) for text in row] for row in rows]
    if ending == "csv":
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\r\n").writerows(safe_rows)
        return out.getvalue().encode(encoding)
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    for row in safe_rows:
        sheet.append([_text_cell(sheet, text) for text in row])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def _text_cell(sheet: Any, text: str) -> Any:
    """A cell that is text whatever it looks like: a number of 18 digits stays whole."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=_CONTROL.sub("\ufffd", text)[:32_000])
    cell.data_type = "s"
    cell.number_format = "@"
    return cast(Any, cell)
