"""The simulated carrier: a small HTTP API that shows everything a carrier can do to us.

`connectors.simulated.carrier` serves it; the module is also the pattern for a real carrier. Waybills are known by our
reference, so a request whose outcome is unknown is read back, and a second request with the same reference is answered
with the waybill that exists.

The setting `repeat` says what the carrier at the other end is like: `read_back` (what is described above), `honours_key`
(asking again under the same reference answers the same waybill, nothing else finds it) or `neither` (each request books
another parcel; label and void go by number).
"""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from connectors.contract import (
    Binding,
    CarrierDeclaration,
    Checked,
    CreateOutcome,
    Field,
    Label,
    Limits,
    LookupOutcome,
    Numbered,
    NumberWay,
    Repeat,
    Service,
    Voided,
    VoidOutcome,
    WaybillRequest,
)
from connectors.http import Answer, Failure, WireError, failure
from connectors.paper.pdf import PDF, check_pdf
from connectors.paper.refusals import BadLabel
from domain.records import Address
from domain.results import Accepted, NotActed, NotFound, Refused, Unknown
from domain.text import safe
from domain.words import _

T = TypeVar("T")

SERVICES = (
    Service("SIM-STD", "Standard", collects_on_delivery=True, takes_pickup_points=True),
    Service("SIM-LATE", "Economy"),
    Service("SIM-NEVER", "Lost cause"),
    Service("SIM-INT", "International", cross_border=True),
)
POLL_MS = 5_000
"""When to look again if the server does not say."""

_ADDRESS = ("name", "company", "line1", "line2", "city", "state", "postcode", "country", "phone")


class _Error(Struct):
    code: str = ""
    message: str = ""
    field: str = ""


class _Waybill(Struct):
    status: str
    reference: str = ""
    number: str = ""
    tracking: str = ""
    cost_minor: int = 0
    cost_currency: str = ""
    poll_after_ms: int = POLL_MS
    error: _Error | None = None


class _Refusal(Struct):
    error: _Error
    waybill: _Waybill | None = None


class _AccountService(Struct):
    code: str
    name: str = ""


class _Account(Struct):
    name: str
    services: list[_AccountService]
    currency: str = ""


class SimulatedCarrier:
    """Waybills of the simulated carrier."""

    declaration: ClassVar[CarrierDeclaration] = CarrierDeclaration(
        carrier="simulated",
        title=_("Simulated carrier"),
        fields=(
            Field("url", _("Address"), help=_("Where the simulated carrier listens, as it says when it starts.")),
            Field("token", _("Token"), secret=True, help=_("The token it says when it starts.")),
        ),
        number_way=NumberWay.LATER,
        limits=Limits(parallel=4),
        create_repeat=Repeat.READ_BACK,
        can_void=True,
        fresh_reference_beside_live=False,
    )

    def __init__(self, binding: Binding) -> None:
        self._http = binding.http
        self._clock = binding.clock
        self._repeat = Repeat(binding.settings.get("repeat") or Repeat.READ_BACK)
        # A carrier is one of the three for good; this one can play each of them, so its instances declare which.
        self.declaration = msgspec.structs.replace(  # type: ignore[misc]
            type(self).declaration, create_repeat=self._repeat
        )
        self._headers = {"Authorization": f"Bearer {binding.secrets.get('token', '').strip()}"}

    def services(self) -> Sequence[Service]:
        """The four services, whoever the account is."""
        return SERVICES

    async def check(self) -> Checked:
        """Read the account. Raises `WireError`."""
        answer = await self._call("GET", "/v1/account")
        if answer.status != 200:
            raise _failure(answer, acts=False)
        account = _decoded(answer, _Account)
        if account is None:
            raise WireError(Refused("not_this_carrier", _("The server answers, but not as this carrier."), "url"))
        offered = {service.code for service in account.services}
        missing = ", ".join(service.code for service in SERVICES if service.code not in offered)
        warnings = (_("The account does not have: {names}.").format(names=missing),) if missing else ()
        return Checked(title=safe(account.name, 80), currency=safe(account.currency, 3), warnings=warnings)

    async def create(self, request: WaybillRequest) -> CreateOutcome:
        """Ask for a waybill. The label is fetched on its own by `label`."""
        try:
            answer = await self._call("POST", "/v1/waybills", _body(request))
        except WireError as error:
            return error.outcome
        if answer.status in {200, 201, 202}:
            waybill = _decoded(answer, _Waybill)
        elif answer.status == 409:
            # Whatever else it says, the reference is in use: only a waybill in the answer settles what became of it.
            refusal = _decoded(answer, _Refusal)
            waybill = refusal.waybill if refusal else None
            if refusal and refusal.error.code != "duplicate_reference":
                return _failure(answer, acts=True).outcome
        else:
            return _failure(answer, acts=True).outcome
        if waybill is None:
            return Unknown("not_understood", _("The carrier's answer cannot be read."))
        return self._found(waybill, request)

    async def lookup(self, request: WaybillRequest) -> LookupOutcome:
        """Read the waybill of our reference. Only the carrier's own `not_found` means that there is none."""
        if self._repeat is Repeat.HONOURS_KEY:
            return await self.create(request)
        if self._repeat is Repeat.NEITHER:
            return Unknown("cannot_look", _("Nobody can look this up."))
        try:
            answer = await self._call("GET", _path(request.reference))
        except WireError as error:
            return _not_settled(error.outcome)
        if answer.status == 200:
            waybill = _decoded(answer, _Waybill)
            if waybill is None:
                return NotActed("not_understood", _("The carrier's answer cannot be read."))
            return self._found(waybill, request)
        if answer.status == 404 and _code(answer) == "not_found":
            return NotFound()
        return _not_settled(_failure(answer, acts=False).outcome)

    def _found(self, waybill: _Waybill, request: WaybillRequest) -> Numbered | Accepted | Refused | Unknown:
        if waybill.reference and waybill.reference != request.reference:
            return Unknown("other_waybill", _("The carrier answered with another waybill."))
        if waybill.status == "numbered" and waybill.number.strip():
            return Numbered(
                number=waybill.number.strip(),
                # The server gives a page to follow the parcel on; the number that buyers follow is the same.
                tracking="" if waybill.tracking.startswith(("http://", "https://")) else waybill.tracking.strip(),
                carrier_order=waybill.reference,
                cost_minor=waybill.cost_minor,
                cost_currency=waybill.cost_currency,
            )
        if waybill.status == "pending":
            return Accepted(self._clock() + max(0, waybill.poll_after_ms), request.reference)
        if waybill.status == "rejected":
            error = waybill.error or _Error()
            words = safe(error.message) or _("The carrier rejected the parcel.")
            return Refused(safe(error.code, 60) or "rejected", words, _field(error.field))
        if waybill.status == "void":
            return Refused("waybill_void", _("The waybill of this reference is void; a new one needs a new reference."))
        return Unknown("not_understood", _("The carrier's answer cannot be read."))

    async def label(self, number: str, request: WaybillRequest) -> Label | NotActed | Refused:
        """Fetch the label. What is no PDF, whatever it calls itself, is no label."""
        try:
            answer = await self._call("GET", f"{self._address(number, request.reference)}/label")
            if answer.status != 200:
                raise _failure(answer, acts=False)
            pages = await asyncio.to_thread(check_pdf, answer.body)
        except WireError as error:
            return _no_label(error.outcome)
        except BadLabel as bad:
            if bad.kind in {"html", "json", "empty", "truncated", "unknown"}:
                return NotActed("label_not_ready", bad.message)
            return Refused("label_not_pdf", bad.message)
        return Label(PDF, answer.body, pages)

    async def void(self, number: str, reference: str) -> VoidOutcome:
        """Void the waybill; one that is void already is void again."""
        try:
            answer = await self._call("POST", f"{self._address(number, reference)}/void")
        except WireError as error:
            return error.outcome
        if answer.status != 200:
            return _failure(answer, acts=True).outcome
        waybill = _decoded(answer, _Waybill)
        if waybill is None or waybill.status != "void":
            return Unknown("not_understood", _("The carrier's answer cannot be read."))
        return Voided()

    def _address(self, number: str, reference: str) -> str:
        return _path(number if self._repeat is Repeat.NEITHER else reference)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        return await self._http.call(method, path, json=body, headers=self._headers)


# ---------------------------------------------------------------- wire


def _path(reference: str) -> str:
    return f"/v1/waybills/{quote(reference, safe='')}"


def _body(request: WaybillRequest) -> dict[str, Any]:
    return {
        "reference": request.reference,
        "service": request.service,
        "recipient": _party(request.recipient),
        "sender": _party(request.sender),
        "lines": [msgspec.to_builtins(line) for line in request.lines],
        "weight_g": request.weight_g,
        "code": request.code,
        "cod_minor": request.cod_minor,
        "currency": request.currency,
        "customs": [msgspec.to_builtins(line) for line in request.customs],
        "pickup_point": request.pickup_point,
    }


def _party(address: Address) -> dict[str, str]:
    return {name: getattr(address, name) for name in _ADDRESS}


def _decoded(answer: Answer, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _code(answer: Answer) -> str:
    refusal = _decoded(answer, _Refusal)
    return refusal.error.code if refusal else ""


def _field(name: str) -> str:
    """The server's field in our words: it names a recipient's field alone (`postcode`)."""
    return f"recipient.{name}" if name in _ADDRESS else safe(name, 60)


def _failure(answer: Answer, acts: bool) -> WireError:
    """An answer that is no success, with the carrier's own code, words and field."""
    refusal = _decoded(answer, _Refusal)
    if refusal is None:
        return failure(answer, acts)
    said = refusal.error
    found = failure(answer, acts, safe(said.code, 60), safe(said.message))
    if isinstance(found.outcome, Refused):
        return WireError(Refused(found.outcome.code, found.outcome.message, _field(said.field)), found.status)
    return found


def _not_settled(outcome: Failure) -> Failure:
    """A look-up that was itself refused says nothing about the waybill, so it must not read as a refused waybill."""
    return NotActed(outcome.code, outcome.message) if isinstance(outcome, Refused) else outcome


def _no_label(outcome: Failure) -> NotActed | Refused:
    if isinstance(outcome, Refused):
        if outcome.code == "not_ready":
            return NotActed("label_not_ready", outcome.message)
        return outcome
    if isinstance(outcome, NotActed):
        return outcome
    return NotActed(outcome.code, outcome.message)
