"""A carrier that allotted a range of numbers: no calls are made, the pipeline claims a number and we draw the label.

Also here, pure: what a number of such a range must look like before it may be imported.
"""

import asyncio
import re
import unicodedata
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote, urlsplit

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
from connectors.http import WireError
from connectors.paper.labels import own_label
from connectors.paper.refusals import LabelRefused
from connectors.wire import in_list, in_pairs
from domain.results import NotActed, NotFound, Refused
from domain.text import NO, YES, is_yes, safe
from domain.words import _

NO_POSTCODE = frozenset(
    "AE AG AO BJ BO BS BZ CF CG CI CM DJ ER FJ GH GM GY HK JM KM MO ML QA RW SC TD TG UG YE".split()  # noqa: SIM905
)
"""Countries that have no postcodes."""
OFTEN_WITHOUT = frozenset({"CN", "IE", "UA"})
"""Countries that have them, and whose parcels mostly travel without: asked for only where the carrier is said to need it."""
NO_CITY = frozenset({"GI", "MC", "SG", "VA"})
"""Countries that are their own city."""

CHECK_DIGITS = ("none", "s10", "gs1", "ups1z")


class NumberPool:
    """Numbers from an allotted range, printed on our own label."""

    declaration: ClassVar[CarrierDeclaration] = CarrierDeclaration(
        carrier="pool",
        title=_("Numbers from a list, own label"),
        fields=(
            Field("carrier_name", _("Carrier"), help=_("Who carries; printed on the label and told to the shop.")),
            Field(
                "services",
                _("Services"),
                required=False,
                default="STD=Standard",
                help=_("Codes and names: STD=Standard,EXP=Express"),
            ),
            Field(
                "countries",
                _("Countries"),
                required=False,
                help=_("Two-letter codes with commas; empty means everywhere."),
            ),
            Field("cod", _("Collects on delivery"), required=False, default="no", help=_("yes or no")),
            Field("cross_border", _("Needs customs declarations"), required=False, default="no", help=_("yes or no")),
            Field(
                "postcode",
                _("Needs every postcode"),
                required=False,
                default="no",
                help=_("yes: those of China, Ireland and Ukraine too, whose parcels mostly travel without."),
            ),
            Field(
                "tracking_url",
                _("Tracking page"),
                required=False,
                help=_("The address with {number} where the number belongs."),
            ),
            Field(
                "check_digit",
                _("Check digit of the numbers"),
                required=False,
                default="none",
                help=_("none, s10 (postal RR123456785CN), gs1 (digits only), ups1z"),
            ),
            Field(
                "missing_letters",
                _("Letters the label font lacks"),
                required=False,
                default="refuse",
                help=_("refuse: no label until the text is corrected; mark: print 〓 in their place"),
            ),
            Field("practice", _("Practice labels"), required=False, default="no", help=_("yes or no")),
        ),
        number_way=NumberWay.POOL,
        limits=Limits(),
        create_repeat=Repeat.HONOURS_KEY,
        can_void=True,
        settle_ms=0,
    )

    def __init__(self, binding: Binding) -> None:
        settings = binding.settings
        self._settings = settings
        self._carrier = settings.get("carrier_name", "").strip() or binding.name
        self._countries = frozenset(part.upper() for part in in_list(settings.get("countries", "")))
        self._services = [
            Service(
                code=code,
                name=name,
                countries=self._countries,
                collects_on_delivery=is_yes(settings.get("cod", "")),
                cross_border=is_yes(settings.get("cross_border", "")),
            )
            for code, name in read_services(settings.get("services", ""))
        ]
        self._practice = is_yes(settings.get("practice", ""))
        self._substitute = settings.get("missing_letters", "").strip().lower() == "mark"

    def services(self) -> Sequence[Service]:
        """One service per entry of the setting `services`, all serving the same countries."""
        return self._services

    async def check(self) -> Checked:
        """Read the settings; no call is made. Raises `WireError` for the first that cannot be meant."""
        settings = self._settings
        codes = [service.code for service in self._services]
        if len(set(codes)) != len(codes) or not all(re.fullmatch(r"[A-Za-z0-9._-]{1,20}", code) for code in codes):
            raise _wrong("services", _("Write services as CODE=Name with commas between, each code once."))
        if not all(re.fullmatch("[A-Z]{2}", country) for country in self._countries):
            raise _wrong("countries", _("Write countries as two-letter codes with commas between."))
        if settings.get("check_digit", "").strip().lower() not in {"", *CHECK_DIGITS}:
            raise _wrong("check_digit", _("The check digit is one of: {names}.").format(names=", ".join(CHECK_DIGITS)))
        if settings.get("missing_letters", "").strip().lower() not in {"", "refuse", "mark"}:
            raise _wrong("missing_letters", _("Write refuse or mark."))
        for name in ("cod", "cross_border", "postcode", "practice"):
            if settings.get(name, "").strip().lower() not in {"", *YES, *NO}:
                raise _wrong(name, _("Write yes or no."))
        template = settings.get("tracking_url", "").strip()
        if template and (urlsplit(template).scheme not in {"http", "https"} or "{number}" not in template):
            raise _wrong(
                "tracking_url", _("The tracking page is an address beginning with https:// that contains {number}.")
            )
        return Checked(title=self._carrier)

    async def create(self, request: WaybillRequest) -> CreateOutcome:
        """Take the claimed number and draw its label. Doing it again gives the same."""
        if refused := self._refusal(request):
            return refused
        label = await self.label(request.number, request)
        if isinstance(label, Label):
            return Numbered(request.number, label)
        return label

    def _refusal(self, request: WaybillRequest) -> Refused | None:
        service = next((each for each in self._services if each.code == request.service), None)
        if service is None:
            message = _("The account offers no service {code}.").format(code=safe(request.service, 40))
            return Refused("unknown_service", message, "service")
        if not request.number:
            return Refused("pool_empty", _("There is no free number left; import more."), "number")
        if request.cod_minor and not service.collects_on_delivery:
            return Refused("cod_not_offered", _("This service does not collect on delivery."), "cod")
        return self._incomplete(request) or self._elsewhere(request)

    def _incomplete(self, request: WaybillRequest) -> Refused | None:
        """The first thing a parcel's address lacks, or None."""
        to = request.recipient
        without = NO_POSTCODE if is_yes(self._settings.get("postcode", "")) else NO_POSTCODE | OFTEN_WITHOUT
        missing = {
            "name": not (to.name.strip() or to.company.strip()),
            "line1": not to.line1.strip(),
            "city": not to.city.strip() and to.country not in NO_CITY,
            "postcode": not to.postcode.strip() and to.country not in without,
            "country": not re.fullmatch("[A-Z]{2}", to.country),
        }
        words = {
            "name": _("The address names neither a person nor a company."),
            "line1": _("The address has no street."),
            "city": _("The address has no city."),
            "postcode": _("The address has no postcode."),
            "country": _("The address has no two-letter country code."),
        }
        # The country first: whether a postcode is needed depends on it.
        for name in ("country", "name", "line1", "city", "postcode"):
            if missing[name]:
                return Refused("address_incomplete", words[name], f"recipient.{name}")
        return None

    def _elsewhere(self, request: WaybillRequest) -> Refused | None:
        country = request.recipient.country
        if not self._countries or country in self._countries:
            return None
        message = _("This carrier does not serve {country}.").format(country=safe(country, 20))
        return Refused("country_not_served", message, "recipient.country")

    async def lookup(self, request: WaybillRequest) -> LookupOutcome:
        """The claimed number is the waybill."""
        return Numbered(request.number) if request.number else NotFound()

    async def label(self, number: str, request: WaybillRequest) -> Label | NotActed | Refused:
        """Draw the label; the same request gives the same bytes."""
        service = next((each.name for each in self._services if each.code == request.service), request.service)
        try:
            return await asyncio.to_thread(
                own_label,
                request,
                number=number,
                carrier=self._carrier,
                service=service,
                practice=self._practice,
                substitute=self._substitute,
            )
        except LabelRefused as refused:
            return Refused(refused.code, refused.message, refused.field)

    async def void(self, number: str, reference: str) -> VoidOutcome:
        """Nobody has to be told; the pipeline marks the number as used up."""
        return Voided()

    def tracking_url(self, number: str) -> str:
        """Where the buyer can follow `number`, or an empty text."""
        return self._settings.get("tracking_url", "").strip().replace("{number}", quote(number, safe=""))


def read_services(text: str) -> list[tuple[str, str]]:
    """`CODE=Name,CODE2=Name2` as pairs; a code alone is its own name. Empty text gives one standard service."""
    return [(code, name or code) for code, name in in_pairs(text)] or [("STD", "Standard")]


def _wrong(field: str, message: str) -> WireError:
    return WireError(Refused(f"bad_{field}", message, field))


# ---------------------------------------------------------------- numbers


def normalise_number(text: str) -> str:
    """A number as it is stored and scanned: full-width made plain, upper case, without spaces and `*`."""
    return re.sub(r"[\s*]", "", unicodedata.normalize("NFKC", text)).upper()


def check_number(number: str, scheme: str = "none") -> str | None:
    """Why `number` (normalised) may not go into a pool, or None when it may.

    `scheme` is the account's `check_digit`: `s10` (UPU S10), `gs1` (SSCC, GTIN and the like), `ups1z`, or `none`.
    Raises `ValueError` for any other scheme.
    """
    if scheme not in CHECK_DIGITS:
        raise ValueError(scheme)
    if not re.fullmatch(r"[A-Z0-9][A-Z0-9./-]{3,29}", number):
        return _("A number has 4 to 30 letters A–Z and digits.")
    if scheme == "s10":
        return _check_s10(number)
    if scheme == "gs1":
        return _check_gs1(number)
    if scheme == "ups1z":
        return _check_1z(number)
    return None


def _expects(digit: int, found: str) -> str | None:
    if str(digit) == found:
        return None
    return _("The check digit is {found} but should be {digit}; the number was mistyped.").format(
        found=found, digit=digit
    )


def _check_s10(number: str) -> str | None:
    if not re.fullmatch(r"[A-Z]{2}\d{9}[A-Z]{2}", number):
        return _("A postal number is two letters, nine digits and two letters.")
    total = sum(int(digit) * weight for digit, weight in zip(number[2:10], (8, 6, 4, 2, 3, 5, 9, 7), strict=True))
    return _expects({10: 0, 11: 5}.get(11 - total % 11, 11 - total % 11), number[10])


def _check_gs1(number: str) -> str | None:
    if not number.isdecimal():
        return _("A GS1 number has digits only.")
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(number[:-1])))
    return _expects(-total % 10, number[-1])


def _check_1z(number: str) -> str | None:
    if not re.fullmatch(r"1Z[A-Z0-9]{15}\d", number):
        return _("A UPS number is 1Z and 16 more characters, the last a digit.")
    values = [int(each) if each.isdecimal() else (ord(each) - 63) % 10 for each in number[2:17]]
    total = sum(value * (2 if place % 2 else 1) for place, value in enumerate(values))
    return _expects(-total % 10, number[17])
