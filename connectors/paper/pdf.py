"""PDFs as bytes, ours and other people's: whether one can be opened, and many joined into one for the printer.

PDFium is imported when first used and must not be used by two threads at once; it has its lock here, so that every
function may be called from any thread.
"""

import hashlib
import io
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from connectors.contract import Label
from connectors.paper.refusals import BadLabel
from domain.words import _

T = TypeVar("T")

PDF = "application/pdf"

_pdfium = threading.Lock()


def _kind(data: bytes) -> str:
    """What the first bytes say; a Content-Type may lie."""
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n\x00")
    if not start:
        return "empty"
    for magic, kind in (
        (b"%PDF-", "pdf"),
        (b"<", "html"),
        (b"{", "json"),
        (b"[", "json"),
        (b"^XA", "zpl"),
        (b"~", "zpl"),
        (b"SIZE ", "tspl"),
        (b"\x89PNG", "png"),
        (b"\xff\xd8", "jpeg"),
    ):
        if start.startswith(magic):
            return kind
    return "unknown"


def _says(kind: str) -> str:
    return {
        "empty": _("The label is empty."),
        "html": _("A web page came in place of the label."),
        "json": _("A message came in place of the label."),
        "truncated": _("The label is cut off or damaged."),
        "oversized": _("The label has too many pages, or is too large for one."),
    }.get(kind) or _("The label is no PDF but {kind}.").format(kind=kind)


MOST_BYTES, MOST_PAGES, LONGEST_SIDE = 16 * 1024 * 1024, 100, 3_000.0
"""What a label may be at most; the side in points (3,000 are about a metre). Real ones have 1 to 5 pages of 10 to 300 kB."""


def check_pdf(data: bytes) -> int:
    """The number of pages of a PDF that can really be opened. Raises `BadLabel` for anything else, and for what is too large."""
    kind = _kind(data)
    if kind != "pdf":
        raise BadLabel(kind, _says(kind))
    if len(data) > MOST_BYTES:
        raise BadLabel("oversized", _says("oversized"))
    with _pdfium:
        return _with_pdf(data, _count)


def _count(document: Any) -> int:
    count = len(document)
    if count > MOST_PAGES:
        # As many as it claims: asking each for its size could take for ever.
        raise BadLabel("oversized", _says("oversized"))
    for index in range(count):
        width, height = document.get_page_size(index)
        if width <= 0 or height <= 0:
            raise BadLabel("truncated", _says("truncated"))
        if max(width, height) > LONGEST_SIDE:
            raise BadLabel("oversized", _says("oversized"))
    if not count:
        raise BadLabel("truncated", _says("truncated"))
    return count


def _with_pdf(data: bytes, use: Callable[[Any], T]) -> T:
    import pypdfium2

    # PDFium mends what it can; a file whose last line is missing lost more than that line as often as not.
    if b"%%EO" not in data[-4096:]:
        raise BadLabel("truncated", _says("truncated"))
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        raise BadLabel("truncated", _says("truncated")) from None
    try:
        return use(document)
    except pypdfium2.PdfiumError:
        raise BadLabel("truncated", _says("truncated")) from None
    finally:
        document.close()


def merge(labels: Iterable[Label]) -> bytes:
    """One PDF with the pages of all these labels in their order. Raises `BadLabel` for what is no PDF, or for nothing.

    The same labels give the same bytes.
    """
    import pypdfium2

    with _pdfium:
        whole = pypdfium2.PdfDocument.new()
        try:
            for label in labels:
                kind = _kind(label.data)
                if label.media != PDF or kind != "pdf":
                    raise BadLabel(kind, _says(kind))
                _with_pdf(label.data, whole.import_pages)
            if not len(whole):
                raise BadLabel("empty", _("There is nothing to print."))
            out = io.BytesIO()
            whole.save(out)
        finally:
            whole.close()
    return _settled(out.getvalue())


_ID = re.compile(rb"/ID\s*\[<[0-9A-Fa-f]{32}><[0-9A-Fa-f]{32}>\]")


def _settled(data: bytes) -> bytes:
    """Replace the time and the random file identifier that PDFium writes by ones made from nothing but the contents."""
    # Both are as long as before, so that no offset in the file moves.
    data = re.sub(rb"\(D:\d{14}", b"(D:20000101000000", data)
    found = None
    for found in _ID.finditer(data, max(0, len(data) - 4096)):  # noqa: B007 - the last one is the trailer's
        pass
    if found is None:
        return data
    rest = data[: found.start()] + data[found.end() :]
    name = hashlib.md5(rest, usedforsecurity=False).hexdigest().upper().encode()
    text = found.group()
    fresh = re.sub(rb"<[0-9A-Fa-f]{32}>", b"<" + name + b">", text)
    return data[: found.start()] + fresh + data[found.end() :]
