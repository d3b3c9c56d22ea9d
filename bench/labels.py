"""Benchmark 8: our own labels, Chinese and Code128, beside bare reportlab drawing the same pages.

The bare drawer knows every position, size and line break beforehand: it takes the very strokes of our label (texts with
their sizes, bars, rules) and gives them to reportlab.
"""

import io
from typing import Any

from bench.harness import Options, Result, Spent, check, plain, ratio_at_most
from connectors.contract import ParcelLine, WaybillRequest
from connectors.paper.labels import LABEL_SIZE, own_label
from connectors.paper.pdf import check_pdf
from connectors.paper.text import label_font
from domain.records import Address

Stroke = tuple[Any, ...]
"""A call of the canvas: its name and what it was given."""


def run(options: Options) -> list[Result]:
    """Labels of a day, every one of another order, in turn with the bare drawer."""
    many = options.size(1_000, 10)
    label_font()
    own_label(_request(0), number="XX000000000", carrier="SimPost", service="Standard")
    strokes = [_strokes(n) for n in range(many)]
    ours, bare = Spent(), Spent()
    sizes, bare_sizes = 0, 0
    for n in range(many):
        with ours.more():
            label = own_label(_request(n), number=_number(n), carrier="SimPost", service="Standard")
        with bare.more():
            drawn = _bare(strokes[n])
        sizes += len(label.data)
        bare_sizes += len(drawn)
        if n % 100 == 0:
            check(check_pdf(label.data) == check_pdf(drawn) == 1, "one page each")
            check(_same_page(label.data, drawn), "the bare drawer's page is ours")
    return [
        ratio_at_most("labels", f"{many} labels, per label", ours.cpu / many * 1000, "ms", 1.3, bare.cpu / many * 1000),
        plain("labels", "labels per s of CPU", many / ours.cpu, "labels/s", many / bare.cpu),
        plain("labels", "bytes of a label", sizes / many, "B", bare_sizes / many),
    ]


def _number(n: int) -> str:
    return f"XX{n:09d}"


def _request(n: int) -> WaybillRequest:
    names = ("欧阳丽华", "诸葛文博", "上官海涛", "李秀英", "王建国", "Wiśniowiecka Świetlana")
    goods = ("白色陶瓷马克杯 350毫升", "笔记本 A5 横线 红色", "钢笔 EF尖", "Zeszyt w kratkę")
    return WaybillRequest(
        reference=f"R{n}",
        service="STD",
        weight_g=500,
        code=f"K{n:06d}",
        order_numbers=(str(30_000 + n),),
        sender=Address(name="Kleks & Papier", line1="ul. Polna 1", postcode="30-001", city="Kraków", country="PL"),
        recipient=Address(
            name=names[n % len(names)],
            line1=f"学府路{n % 97}弄{n % 31}栋{n % 1203}室",
            city=("长沙市", "重庆市", "西安市", "深圳市")[n % 4],
            state="湖南省",
            postcode=f"{410_000 + n % 9_999}",
            country="CN",
            phone=f"+86 138 {n % 10_000:04d} 1234",
        ),
        lines=tuple(ParcelLine(f"SKU-{n % 50}-{k}", goods[(n + k) % len(goods)], 1 + k) for k in range(1 + n % 3)),
    )  # fmt: skip


# ------------------------------------------------------------------ the bare drawer


_SAID = {"setTitle", "setCreator", "setAuthor", "setFont", "drawString", "setLineWidth", "line", "rect", "saveState"} | {
    "restoreState", "scale", "addLiteral", "showPage"
}  # fmt: skip
"""The calls of a canvas that our labels consist of."""


def _strokes(n: int) -> list[Stroke]:
    """What our label says to reportlab, and with which Code128s."""
    from reportlab.pdfgen import canvas

    told: list[Stroke] = []

    class Recording(canvas.Canvas):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            if name not in _SAID:
                return found

            def call(*given: Any, **named: Any) -> Any:
                told.append((name, given, named))
                return found(*given, **named)

            return call

    real, canvas.Canvas = canvas.Canvas, Recording
    try:
        own_label(_request(n), number=_number(n), carrier="SimPost", service="Standard")
    finally:
        canvas.Canvas = real
    return told


def _bare(strokes: list[Stroke]) -> bytes:
    """The same page by reportlab alone."""
    from reportlab.pdfgen.canvas import Canvas

    out = io.BytesIO()
    canvas = Canvas(out, pagesize=LABEL_SIZE, invariant=1, pageCompression=1)
    for name, given, named in strokes:
        getattr(canvas, name)(*given, **named)
    canvas.save()
    return out.getvalue()


def _same_page(ours: bytes, bare: bytes) -> bool:
    """Do both pages look the same, dot by dot?"""
    import pypdfium2

    pictures = []
    for page in (ours, bare):
        document = pypdfium2.PdfDocument(page)
        pictures.append(bytes(document[0].render(scale=2).buffer))
        document.close()
    return pictures[0] == pictures[1]
