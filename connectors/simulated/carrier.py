"""A simulated carrier: waybills by reference, numbers that come at once, late or never, labels as PDF.

Services: `SIM-STD` answers a number at once, `SIM-LATE` after two polls, `SIM-NEVER` stays pending for ever, `SIM-INT`
needs a customs declaration and a telephone. A reference is an idempotency key: asking twice is refused with the waybill
that exists, and a voided reference is used up.

Two other kinds of carrier, by `--repeat`: `honours_key` answers a repeated reference with its waybill, as if for the first
time, and has no call that finds one; to `neither` a reference is a remark: each request books another parcel, everything
else is addressed by number, and numbers come at once or not at all.
"""

import argparse
import hmac
import io
import re
import unicodedata
from collections import Counter, defaultdict
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct

from connectors.simulated.server import Answer, Request, Service, answer_json

Payload = dict[str, Any]

SERVICES = {
    "SIM-STD": "Standard, number at once",
    "SIM-LATE": "Economy, number after a while",
    "SIM-NEVER": "Lost cause, never a number",
    "SIM-INT": "International, customs needed",
}
_FIELDS = frozenset(
    [
        "reference",
        "service",
        "recipient",
        "sender",
        "lines",
        "weight_g",
        "code",
        "cod_minor",
        "currency",
        "customs",
        "pickup_point",
    ]
)
_ADDRESS = frozenset(["name", "company", "line1", "line2", "city", "state", "postcode", "country", "phone"])
_LINE = frozenset(["sku", "name", "quantity"])
_ROUTE = re.compile(r"/v1/waybills/(?P<reference>[^/]+)(?:/(?P<part>label|void))?")
REPEATS = ("read_back", "honours_key", "neither")
_COST = {"SIM-STD": 1290, "SIM-LATE": 890, "SIM-NEVER": 490, "SIM-INT": 4900}


class CarrierOptions(Struct, frozen=True):
    """How the carrier behaves. Shares are between 0 and 1 and decided by the reference, so a retry meets the same."""

    seed: int = 1
    currency: str = "PLN"
    late_share: float = 0.0
    refuse_share: float = 0.0
    late_polls: int = 2
    poll_after_ms: int = 50
    repeat: str = "read_back"


class Refused(Exception):
    """An error answer in the carrier's shape; `more` stands beside `error`."""

    def __init__(self, status: int, code: str, message: str, field: str = "", more: Payload | None = None) -> None:
        super().__init__(message)
        error = {"code": code, "message": message} | ({"field": field} if field else {})
        self.status = status
        self.body = {"error": error, **(more or {})}


class Waybill(Struct):
    """One waybill; `polls_left` None means that its number never comes."""

    reference: str
    service: str
    recipient: Payload
    pickup_point: str
    number: str
    cost_minor: int
    currency: str
    status: str = "pending"
    polls_left: int | None = 0
    collected: bool = False
    error: Payload | None = None
    label: bytes = b""


class CarrierTwin(Service):
    """The carrier's API and its back door."""

    def __init__(self, options: CarrierOptions) -> None:
        super().__init__()
        self.options = options
        self.token = f"sim-token-{crc32(f'token {options.seed}'.encode()):08x}"
        self._waybills: dict[str, Waybill] = {}
        self._booked: defaultdict[str, list[Waybill]] = defaultdict(list)
        self._created: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._serial = 0

    def hello(self) -> dict[str, object]:
        """What a client needs to connect."""
        return {"token": self.token, "currency": self.options.currency}

    def refusal(self, status: int) -> Answer:
        """An error in the carrier's shape."""
        code = {401: "unauthorised", 429: "too_many_requests"}.get(status, "internal_error")
        return answer_json({"error": {"code": code, "message": code.replace("_", " ").capitalize()}}, status)

    def handle(self, request: Request) -> Answer:
        """Answer one API request."""
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
            return self.refusal(401)
        try:
            return self._dispatch(request)
        except Refused as refused:
            return answer_json(refused.body, refused.status)

    def _dispatch(self, request: Request) -> Answer:
        known = f"{request.method} {request.path}"
        if known == "GET /v1/account":
            services = [{"code": code, "name": name} for code, name in SERVICES.items()]
            return answer_json({"name": "Simulated Post", "services": services, "currency": self.options.currency})
        if known == "POST /v1/waybills":
            return self._create(request)
        match = _ROUTE.fullmatch(request.path)
        if match is not None and (match["part"] or self.options.repeat == "read_back"):
            waybill = self._addressed(match["reference"])
            if waybill is None:
                raise Refused(404, "not_found", "There is no waybill with this reference.")
            if request.method == "GET" and match["part"] is None:
                return self._look_up(waybill)
            if request.method == "GET" and match["part"] == "label":
                return self._label(waybill)
            if request.method == "POST" and match["part"] == "void":
                return self._void(waybill)
        raise Refused(404, "no_such_call", "This call does not exist.")

    def _addressed(self, name: str) -> Waybill | None:
        if self.options.repeat == "neither":
            return next((w for booked in self._booked.values() for w in booked if w.number == name), None)
        return self._waybills.get(name)

    # ---------------------------------------------------------------- creating

    def _create(self, request: Request) -> Answer:
        try:
            body = request.json()
        except msgspec.DecodeError:
            body = None
        if not isinstance(body, dict):
            raise Refused(400, "bad_json", "The body is not a JSON object.")
        reference = body.get("reference")
        if not isinstance(reference, str) or not reference or "/" in reference:
            raise Refused(422, "reference_missing", "A reference without slashes is needed.", "reference")
        self._asked[reference] += 1
        held = None if self.options.repeat == "neither" else self._waybills.get(reference)
        if held is not None and held.status == "void":
            raise Refused(409, "reference_voided", "This reference belongs to a voided waybill.")
        if held is not None and held.status != "rejected" and self.options.repeat == "honours_key":
            return self._look_up(held)
        if held is not None and held.status != "rejected":
            more = {"waybill": self._shown(held)}
            raise Refused(409, "duplicate_reference", "This reference has a waybill already.", more=more)
        _check(body)
        if self.options.repeat == "neither" and body.get("service") in ("SIM-LATE", "SIM-NEVER"):
            raise Refused(422, "unknown_service", "This carrier gives its numbers at once.", "service")
        if self._share(reference, "refuse") < self.options.refuse_share:
            raise Refused(422, "address_not_served", "No courier serves this address today.", "postcode")
        waybill = self._book(reference, body)
        return answer_json(self._shown(waybill), 201 if waybill.status == "numbered" else 202)

    def _book(self, reference: str, body: Payload) -> Waybill:
        service = str(body["service"])
        self._serial += 1
        self._created[reference] += 1
        late = service == "SIM-LATE" or (
            service == "SIM-STD" and self._share(reference, "late") < self.options.late_share
        )
        waits = None if service == "SIM-NEVER" else self.options.late_polls if late else 0
        serial = f"{self._serial:09d}"
        waybill = Waybill(
            reference=reference,
            service=service,
            recipient=body["recipient"],
            pickup_point=str(body.get("pickup_point") or ""),
            number=f"SIM{serial}{sum(map(int, serial)) % 10}",
            cost_minor=_COST[service] + (200 if body.get("cod_minor") else 0),
            currency=self.options.currency,
            status="pending" if waits is None or waits > 0 else "numbered",
            polls_left=waits,
        )
        self._waybills[reference] = waybill
        self._booked[reference].append(waybill)
        return waybill

    def _share(self, reference: str, purpose: str) -> float:
        return crc32(f"{self.options.seed} {purpose} {reference}".encode()) / 2**32

    # ---------------------------------------------------------------- afterwards

    def _shown(self, waybill: Waybill) -> Payload:
        shown: Payload = {"reference": waybill.reference, "status": waybill.status}
        if waybill.status in ("numbered", "void") and waybill.polls_left == 0:
            shown |= {"number": waybill.number, "tracking": f"https://track.example.test/{waybill.number}"}
            shown |= {"cost_minor": waybill.cost_minor, "cost_currency": waybill.currency}
        if waybill.status == "pending":
            shown["poll_after_ms"] = self.options.poll_after_ms
        if waybill.status == "rejected":
            shown["error"] = waybill.error
        return shown

    def _look_up(self, waybill: Waybill) -> Answer:
        if waybill.status == "pending" and waybill.polls_left is not None:
            waybill.polls_left -= 1
            if waybill.polls_left <= 0:
                waybill.polls_left = 0
                waybill.status = "numbered"
        return answer_json(self._shown(waybill))

    def _label(self, waybill: Waybill) -> Answer:
        if waybill.status != "numbered":
            raise Refused(409, "not_ready", "This waybill has no label (yet).")
        if not waybill.label:
            waybill.label = draw_label(waybill)
        return Answer(200, waybill.label, content_type="application/pdf")

    def _void(self, waybill: Waybill) -> Answer:
        if waybill.collected:
            raise Refused(409, "already_collected", "The courier has collected this parcel.")
        waybill.status = "void"
        return answer_json(self._shown(waybill))

    # ---------------------------------------------------------------- back door

    def admin_route(self, method: str, path: str, body: Any) -> Any:
        """`GET waybills` (all, or those of `references`); `POST collect|reject|number` act on `references`."""
        if (method, path) == ("GET", "waybills"):
            wanted = self._asked if "references" not in body else {r for r in body["references"] if r in self._asked}
            return [self._seen(reference) for reference in sorted(wanted)]
        if method == "POST" and path in ("collect", "reject", "number"):
            for reference in body["references"]:
                self._happen(path, self._waybills[reference], body)
            return {path: len(body["references"])}
        raise LookupError(f"{method} {path}")

    @staticmethod
    def _happen(what: str, waybill: Waybill, body: Payload) -> None:
        if what == "collect":
            waybill.collected = True
        elif what == "number":
            waybill.status, waybill.polls_left = "numbered", 0
        else:
            words = str(body.get("message", "The depot refused the parcel."))
            waybill.status, waybill.error = (
                "rejected",
                {"code": str(body.get("code", "depot_refused")), "message": words},
            )

    def _seen(self, reference: str) -> Payload:
        waybill = self._waybills.get(reference)
        return {
            "reference": reference,
            "number": waybill.number if waybill and waybill.polls_left == 0 else "",
            "status": waybill.status if waybill else "refused",
            "service": waybill.service if waybill else "",
            "voided": waybill is not None and waybill.status == "void",
            "collected": waybill is not None and waybill.collected,
            "created_times": self._created[reference],
            "numbers": [w.number for w in self._booked[reference]],
            "asked_times": self._asked[reference],
            "recipient": waybill.recipient if waybill else {},
        }


def _check(body: Payload) -> None:
    """Raise 422 for a body that the carrier does not take."""
    recipient, sender = body.get("recipient"), body.get("sender") or {}
    if not isinstance(recipient, dict) or not isinstance(sender, dict):
        raise Refused(422, "field_missing", "A recipient is needed.", "recipient")
    lines = body.get("lines") or []
    groups = [(body, _FIELDS, ""), (recipient, _ADDRESS, "recipient."), (sender, _ADDRESS, "sender.")]
    groups += [(line, _LINE, "lines.") for line in lines]
    for values, known, prefix in groups:
        for name in values:
            if name not in known:
                raise Refused(422, "unknown_field", f"The field {prefix}{name} is not known.", f"{prefix}{name}")
    service = body.get("service")
    if service not in SERVICES:
        raise Refused(422, "unknown_service", "This service does not exist.", "service")
    for name in ("name", "city", "postcode"):
        if not str(recipient.get(name) or "").strip():
            raise Refused(422, f"{name}_missing", f"The recipient's {name} is missing.", name)
    if not any(sign.isdigit() for sign in str(recipient.get("line1") or "")):
        raise Refused(422, "house_number_missing", "The address has no house number.", "line1")
    weight, cash = body.get("weight_g") or 0, body.get("cod_minor") or 0
    for name, value in (("weight_g", weight), ("cod_minor", cash)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise Refused(422, "not_a_number", f"{name} must be a whole number.", name)
    if cash and not body.get("currency"):
        raise Refused(422, "currency_missing", "Cash on delivery needs a currency.", "currency")
    if service == "SIM-INT":
        if not body.get("customs"):
            raise Refused(422, "customs_missing", "International parcels need a customs declaration.", "customs")
        if not str(recipient.get("phone") or "").strip():
            raise Refused(422, "phone_missing", "International parcels need a telephone number.", "phone")


def _ascii(text: object) -> str:
    """Text that the standard PDF fonts can show; what they cannot becomes a question mark."""
    plain = unicodedata.normalize("NFKD", str(text).replace("ł", "l").replace("Ł", "L").replace("ß", "ss"))
    kept = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return re.sub(r"[^\x20-\x7e]", "?", kept)[:44]


def draw_label(waybill: Waybill) -> bytes:
    """A 100 × 150 mm PDF: the number as Code 128, the recipient, the reference."""
    from reportlab.graphics.barcode.code128 import Code128
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    target = io.BytesIO()
    canvas = Canvas(target, pagesize=(100 * mm, 150 * mm), invariant=1)
    canvas.setTitle(waybill.number)
    canvas.setFont("Helvetica-Bold", 14)
    canvas.drawString(8 * mm, 138 * mm, f"SIMULATED POST  {waybill.service}")
    barcode = Code128(waybill.number, barHeight=25 * mm, barWidth=0.42 * mm, quiet=False)
    barcode.drawOn(canvas, 8 * mm, 106 * mm)
    canvas.setFont("Helvetica", 12)
    canvas.drawString(8 * mm, 100 * mm, waybill.number)
    who = waybill.recipient
    town = f"{who.get('postcode', '')} {who.get('city', '')} {who.get('country', '')}"
    lines = [who.get("name", ""), who.get("company", ""), who.get("line1", ""), who.get("line2", ""), town]
    lines += [who.get("phone", ""), f"Point {waybill.pickup_point}" if waybill.pickup_point else ""]
    for place, line in enumerate(line for line in lines if line):
        canvas.drawString(8 * mm, (84 - 7 * place) * mm, _ascii(line))
    canvas.setFont("Helvetica", 9)
    canvas.drawString(8 * mm, 8 * mm, _ascii(f"Ref. {waybill.reference}"))
    canvas.save()
    return target.getvalue()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command-line options of this twin."""
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--currency", default="PLN")
    parser.add_argument("--late-share", type=float, default=0.0)
    parser.add_argument("--refuse-share", type=float, default=0.0)
    parser.add_argument("--late-polls", type=int, default=2)
    parser.add_argument("--poll-after-ms", type=int, default=50)
    parser.add_argument("--repeat", choices=REPEATS, default="read_back", help="what makes asking again safe")


def make(options: argparse.Namespace) -> CarrierTwin:
    """The twin that these options ask for."""
    return CarrierTwin(CarrierOptions(**{name: getattr(options, name) for name in CarrierOptions.__struct_fields__}))
