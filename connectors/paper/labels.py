"""Our own label: what a parcel of a carrier without labels of its own wears, 100 × 150 mm."""

from connectors.contract import Label, WaybillRequest
from connectors.paper.refusals import LabelRefused
from connectors.paper.sheet import LEADING, MM, PRACTICE, SIZES, Sheet, address_lines, drawing
from connectors.paper.text import cut, first_few
from domain.money import UnknownCurrency, format_minor
from domain.text import safe
from domain.words import _

LABEL_SIZE = (100 * MM, 150 * MM)


def own_label(
    request: WaybillRequest,
    *,
    number: str,
    carrier: str,
    service: str,
    note: str = "",
    practice: bool = False,
    substitute: bool = False,
) -> Label:
    """Draw a 100 × 150 mm label for a waybill of ours.

    Args:
        request: recipient, sender, goods and our shipment code.
        number: the waybill number; its bars are what the carrier scans.
        carrier, service: names for people.
        note: one or two lines at the foot (`REPRINT 2`).
        practice: mark the label as one that must not travel.
        substitute: print 〓 for letters that the font lacks instead of refusing.

    Raises:
        MissingGlyph: a letter that cannot be printed, by name.
        LabelRefused: a text or a number that has no room even in the smallest print, or cannot be a barcode.
    """
    with drawing:
        sheet = Sheet(LABEL_SIZE, number, substitute=substitute)
        left, width = 4 * MM, 92 * MM
        right = left + width
        foot = _label_foot(sheet, request, note)
        head = _label_head(sheet, request, number, carrier, service)
        if practice:
            sheet.watermark(left, foot + 1 * MM, width, head - foot - 2 * MM)
            sheet.text(right, head - 9, PRACTICE, 8, "right")
        y = head - 1 * MM
        sheet.text(left, y - 6.5, sheet.checked(_("To"), "label"), 6.5)
        y -= 8
        paid = _collect(request)
        point = sheet.checked(request.pickup_point, "pickup_point")
        # What stands below needs its room: the sum to collect, the pickup point, one or two lines of goods.
        below = (13 * MM if paid else 0) + (12 * MM if point else 0) + 9 * MM
        recipient = address_lines(sheet, request.recipient, "recipient")
        y = sheet.block(left, y, recipient, (width, y - foot - below), SIZES, "recipient") - 1.5 * MM
        if point:
            label = sheet.checked(_("Pickup point"), "label")
            sheet.rule(left, y, width)
            y = sheet.block(left, y - 2, [(f"{label}: {point}", 1)], (width, 11 * MM), SIZES[3:], "pickup_point")
            y -= 1 * MM
        if paid:
            sheet.frame(left, y - 11 * MM, width, 11 * MM)
            text = sheet.checked(f"{_('COD')} {paid}", "cod")
            sheet.line(left + width / 2, y - 8 * MM, text, width - 4 * MM, (24, 20, 16, 12), "cod", "middle")
            y -= 12 * MM
        _label_goods(sheet, request, left, y, width, foot)
        sheet.next_page()
        return sheet.finish()


def _label_head(sheet: Sheet, request: WaybillRequest, number: str, carrier: str, service: str) -> float:
    left, width, top = 4 * MM, 92 * MM, sheet.height
    country = sheet.checked(request.recipient.country, "recipient.country")
    aside = sheet.measure(country, 24) + 2 * MM if country else 0.0
    if country:
        sheet.line(left + width, top - 11.5 * MM, country, 30 * MM, (24, 12, 6), "recipient.country", "right")
    names = (sheet.checked(carrier, "carrier"), 1.0), (sheet.checked(service, "service"), 0.8)
    room = (width - min(aside, 30 * MM), 11 * MM)
    sheet.block(left, top - 2.5 * MM, [each for each in names if each[0]], room, SIZES, "service")
    sheet.barcode(
        sheet.width / 2, top - 36 * MM, number, sheet.width - 2 * MM, 20 * MM, (3, 2), field="number", align="middle"
    )
    text = sheet.checked(number, "number")
    sheet.line(sheet.width / 2, top - 41.5 * MM, text, width, (15, 13, 11, 9, 7), "number", "middle")
    sheet.rule(left, top - 43.5 * MM, width)
    return top - 43.5 * MM


def _label_foot(sheet: Sheet, request: WaybillRequest, note: str) -> float:
    """Our own code, the sender, the order numbers and the note; returns where the room above begins."""
    left, width = 4 * MM, 92 * MM
    bars = sheet.barcode(2 * MM, 7.5 * MM, request.code, 64 * MM, 11 * MM, (2,), field="code", align="left")
    code = sheet.checked(request.code, "code")
    sheet.line(2 * MM + bars / 2, 3.5 * MM, code, bars, (10, 8, 6, 5), "code", "middle")
    at = max(left + bars, 2 * MM + bars)
    sender = [(text, 1.0) for text, _factor in address_lines(sheet, request.sender, "sender")]
    if sender:
        sender[0] = (f"{sheet.checked(_('From'), 'label')}: {sender[0][0]}", 1.0)
    orders = sheet.checked(first_few(request.order_numbers, 6), "order_numbers")
    if orders:
        sender.append((f"{sheet.checked(_('Order'), 'label')}: {orders}", 1.0))
    room = (left + width - at, 17.5 * MM)
    sheet.block(at, 20.5 * MM, sender, room, (7, 6.5, 6, 5.5, 5, 4.5, 4, 3.5), "sender")
    foot = 21.5 * MM
    if text := sheet.checked(note, "note"):
        sheet.rule(left, foot, width)
        foot = 29 * MM
        sheet.block(left, foot - 0.5 * MM, [(text, 1)], (width, 7 * MM), SIZES[5:], "note")
    sheet.rule(left, foot, width)
    return foot


def _label_goods(sheet: Sheet, request: WaybillRequest, left: float, top: float, width: float, foot: float) -> None:
    size = 8.0
    step = size * LEADING
    room = int((top - foot - 0.5 * MM) / step)
    lines = request.lines
    shown = lines if len(lines) <= room else lines[: max(0, room - 1)]
    y = top
    for index, line in enumerate(shown):
        parts = (
            f"{line.quantity} ×",
            sheet.checked(line.sku, f"lines.{index}.sku"),
            sheet.checked(line.name, f"lines.{index}.name"),
        )
        sheet.text(left, y - size, cut(" ".join(part for part in parts if part), size, width), size)
        y -= step
    if len(shown) < len(lines):
        more = _("+ {n} more").format(n=len(lines) - len(shown))
        sheet.text(left, y - size, sheet.checked(more, "label"), size)


def _collect(request: WaybillRequest) -> str:
    if not request.cod_minor:
        return ""
    try:
        return f"{format_minor(request.cod_minor, request.currency)} {request.currency}"
    except UnknownCurrency:
        message = _("The currency {code} is not known, so its amount cannot be printed.")
        raise LabelRefused("unknown_currency", message.format(code=safe(request.currency)), "currency") from None
