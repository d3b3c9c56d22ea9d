"""The simulated carrier's connector, against its twin and against answers that no decent carrier gives."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
import pytest

from connectors.carriers.simulated import SimulatedCarrier
from connectors.contract import (
    Binding,
    CarrierConnector,
    CustomsLine,
    Label,
    Numbered,
    NumberWay,
    ParcelLine,
    Repeat,
    Voided,
    WaybillRequest,
)
from connectors.http import HttpClient, WireError
from connectors.simulated.launch import Twin
from domain.records import Address
from domain.results import Accepted, NotActed, NotFound, Refused, Unauthorised, Unknown
from tests.conftest import lent

NOW = 1_800_000_000_000


async def no_sleep(_seconds: float) -> None:
    return None


def a_carrier(url: str, token: str, timeout_s: float = 10) -> tuple[CarrierConnector, HttpClient]:
    http = HttpClient(url, timeout_s=timeout_s, sleep=no_sleep)
    return SimulatedCarrier(Binding("sim", {"url": url}, {"token": token}, http, lambda: NOW)), http


def a_request(reference: str, service: str = "SIM-STD", **changes: Any) -> WaybillRequest:
    fields: dict[str, Any] = {
        "reference": reference,
        "service": service,
        "recipient": Address("Jan", "", "Długa 5", "", "Łódź", "", "90-001", "PL", "+48600100200", "jan@example.test"),
        "sender": Address("Sklep", "", "Krótka 1", "", "Łódź", "", "90-002", "PL"),
        "lines": (ParcelLine("SKU-1", "Kubek", 2),),
        "weight_g": 500,
        "code": "S-000001",
    }
    return WaybillRequest(**{**fields, **changes})


CUSTOMS = (CustomsLine("SKU-1", "杯子", "ceramic mug", "691200", "CN", 2, 200, 500),)


# ---------------------------------------------------------------- against the twin


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with lent("carrier", poll_after_ms=700) as running:
        yield running


@pytest.fixture
async def carrier(twin: Twin) -> Any:
    twin.admin("POST", "faults", {"rate": 0})
    connector, http = a_carrier(twin.url, str(twin.hello["token"]))
    yield connector
    await http.aclose()


async def test_check_names_the_account(carrier: CarrierConnector) -> None:
    checked = await carrier.check()
    assert (checked.title, checked.currency, checked.warnings) == ("Simulated Post", "PLN", ())


async def test_a_wrong_token_is_unauthorised_everywhere(twin: Twin) -> None:
    connector, http = a_carrier(twin.url, "wrong")
    request = a_request("T-1")
    with pytest.raises(WireError, match="unauthorised"):
        await connector.check()
    assert isinstance(await connector.create(request), Unauthorised)
    assert isinstance(await connector.lookup(request), Unauthorised)
    assert isinstance(await connector.void("", "T-1"), Unauthorised)
    assert isinstance(await connector.label("", request), NotActed)
    await http.aclose()


async def test_a_number_at_once_then_its_label_then_void_twice(carrier: CarrierConnector) -> None:
    request = a_request("A-1", cod_minor=12900, currency="PLN", pickup_point="LDZ01A")
    got = await carrier.create(request)
    assert isinstance(got, Numbered)
    assert (got.label, got.cost_minor, got.cost_currency, got.tracking) == (None, 1490, "PLN", "")
    assert await carrier.lookup(request) == got
    label = await carrier.label(got.number, request)
    assert isinstance(label, Label)
    assert (label.media, label.pages, label.data[:5]) == ("application/pdf", 1, b"%PDF-")
    assert await carrier.void(got.number, "A-1") == Voided()
    assert await carrier.void(got.number, "A-1") == Voided()
    found = await carrier.lookup(request)
    assert isinstance(found, Refused)
    assert found.code == "waybill_void"
    again = await carrier.create(request)
    assert isinstance(again, Refused)
    assert again.code == "reference_voided"


async def test_a_late_number_is_polled_when_the_server_says(carrier: CarrierConnector) -> None:
    request = a_request("L-1", "SIM-LATE")
    assert await carrier.create(request) == Accepted(NOW + 700, "L-1")
    waiting = await carrier.label("", request)
    assert isinstance(waiting, NotActed)
    assert waiting.code == "label_not_ready"
    assert await carrier.lookup(request) == Accepted(NOW + 700, "L-1")
    assert isinstance(await carrier.lookup(request), Numbered)


async def test_a_number_that_never_comes_stays_awaited(carrier: CarrierConnector) -> None:
    request = a_request("N-1", "SIM-NEVER")
    await carrier.create(request)
    for _poll in range(5):
        assert isinstance(await carrier.lookup(request), Accepted)


async def test_a_rejected_waybill_tells_the_carriers_words(carrier: CarrierConnector, twin: Twin) -> None:
    request = a_request("R-1", "SIM-NEVER")
    await carrier.create(request)
    twin.admin("POST", "reject", {"references": ["R-1"], "code": "too_heavy", "message": "Too heavy.\x1b[2J"})
    got = await carrier.lookup(request)
    assert isinstance(got, Refused)
    assert got.code == "too_heavy"
    assert got.message.startswith("Too heavy.")
    assert "\x1b" not in got.message


async def test_asking_twice_gives_the_waybill_that_exists(carrier: CarrierConnector, twin: Twin) -> None:
    request = a_request("D-1")
    first = await carrier.create(request)
    assert await carrier.create(request) == first
    seen = {row["reference"]: row for row in twin.admin("GET", "waybills")}
    assert (seen["D-1"]["created_times"], seen["D-1"]["asked_times"]) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "recipient.name"),
        ({"postcode": ""}, "recipient.postcode"),
        ({"line1": "Długa"}, "recipient.line1"),
    ],
)
async def test_a_refusal_names_the_field_of_the_recipient(
    carrier: CarrierConnector, changes: dict[str, str], field: str
) -> None:
    whole = {"name": "Jan", "line1": "Długa 5", "city": "Łódź", "postcode": "90-001", "country": "PL"}
    got = await carrier.create(a_request("F-1", recipient=Address(**{**whole, **changes})))
    assert isinstance(got, Refused)
    assert got.field == field
    assert await carrier.lookup(a_request("F-1")) == NotFound()


async def test_international_parcels_carry_their_customs(carrier: CarrierConnector) -> None:
    bare = await carrier.create(a_request("I-1", "SIM-INT"))
    assert isinstance(bare, Refused)
    assert (bare.code, bare.field) == ("customs_missing", "customs")
    declared = await carrier.create(a_request("I-1", "SIM-INT", customs=CUSTOMS, currency="PLN"))
    assert isinstance(declared, Numbered)


async def test_a_collected_parcel_cannot_be_voided(carrier: CarrierConnector, twin: Twin) -> None:
    await carrier.create(a_request("C-1"))
    twin.admin("POST", "collect", {"references": ["C-1"]})
    got = await carrier.void("", "C-1")
    assert isinstance(got, Refused)
    assert got.code == "already_collected"


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "http_500", "http_500_after", "malformed"])
async def test_whatever_breaks_a_request_a_read_back_settles_it(
    carrier: CarrierConnector, twin: Twin, fault: str
) -> None:
    request = a_request(f"U-{fault}")
    twin.fail_next(fault, "POST", "/v1/waybills")
    assert isinstance(await carrier.create(request), Unknown)
    found = await carrier.lookup(request)
    acted = fault in {"cut_after", "http_500_after", "malformed"}
    assert isinstance(found, Numbered if acted else NotFound)
    assert isinstance(await carrier.create(request), Numbered)
    seen = {row["reference"]: row for row in twin.admin("GET", "waybills")}
    assert seen[f"U-{fault}"]["created_times"] == 1


@pytest.mark.parametrize("fault", ["refused_429", "http_503_retry_after"])
async def test_a_throttled_request_has_not_acted(carrier: CarrierConnector, twin: Twin, fault: str) -> None:
    twin.fail_next(fault, "POST", "/v1/waybills")
    got = await carrier.create(a_request(f"B-{fault}"))
    assert isinstance(got, NotActed)
    assert got.retry_after_ms == 1000


async def test_a_web_page_instead_of_a_label_is_no_label(carrier: CarrierConnector, twin: Twin) -> None:
    request = a_request("H-1")
    await carrier.create(request)
    twin.fail_next("html", "GET", "/label")
    got = await carrier.label("", request)
    assert isinstance(got, NotActed)
    assert isinstance(await carrier.label("", request), Label)


async def test_a_time_out_after_sending_is_unknown(twin: Twin) -> None:
    connector, http = a_carrier(twin.url, str(twin.hello["token"]), timeout_s=0.3)
    twin.fail_next("timeout_after", "POST", "/v1/waybills")
    got = await connector.create(a_request("TO-1"))
    await http.aclose()
    assert isinstance(got, Unknown)
    assert got.code == "timeout"


async def test_nobody_listening_has_not_acted() -> None:
    connector, http = a_carrier("http://127.0.0.1:9", "token")
    assert isinstance(await connector.create(a_request("X-1")), NotActed)
    assert isinstance(await connector.lookup(a_request("X-1")), NotActed)
    await http.aclose()


# ---------------------------------------------------------------- answers that no decent carrier gives


class Odd(http.server.BaseHTTPRequestHandler):
    """Answers every call with what the test put here, and remembers the bodies."""

    protocol_version = "HTTP/1.1"
    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b""
    seen: ClassVar[list[bytes]] = []

    def do_GET(self) -> None:
        self.seen.append(self.rfile.read(int(self.headers.get("content-length") or 0)))
        self.send_response(self.status)
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET

    def log_message(self, *_args: object) -> None:
        return None


@pytest.fixture(scope="module")
def odd_url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def odd(odd_url: str) -> Any:
    Odd.seen.clear()
    connector, http = a_carrier(odd_url, "token")
    yield connector
    await http.aclose()


def says(status: int, body: object) -> None:
    Odd.status = status
    Odd.body = body if isinstance(body, bytes) else msgspec.json.encode(body)


async def test_the_body_has_the_keys_of_the_wire_and_no_others(odd: CarrierConnector) -> None:
    says(201, {"reference": "A", "status": "numbered", "number": "N1"})
    await odd.create(a_request("A", customs=CUSTOMS))
    sent = msgspec.json.decode(Odd.seen[-1])
    assert " ".join(sent) == (
        "reference service recipient sender lines weight_g code cod_minor currency customs pickup_point"
    )
    party = "name company line1 line2 city state postcode country phone"
    assert " ".join(sent["recipient"]) == " ".join(sent["sender"]) == party
    assert sent["lines"] == [{"sku": "SKU-1", "name": "Kubek", "quantity": 2}]
    assert " ".join(sent["customs"][0]) == (
        "sku name_local name_en hs_code origin quantity unit_weight_g unit_value_minor"
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, b"{"),
        (201, b"\xff\xfe"),
        (201, {"status": "numbered"}),
        (201, {"status": "numbered", "number": "  "}),
        (201, {"status": "flying", "number": "N1"}),
        (201, {"reference": "OTHER", "status": "numbered", "number": "N1"}),
        (409, b"<html>Conflict</html>"),
        (409, {"error": {"code": "duplicate_reference", "message": "exists"}}),
        (500, b"oops"),
        (502, b"<html>Bad gateway</html>"),
    ],
)
async def test_an_answer_to_a_request_that_cannot_be_understood_is_unknown(
    odd: CarrierConnector, status: int, body: object
) -> None:
    says(status, body)
    assert isinstance(await odd.create(a_request("A")), Unknown)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<html>Not found</html>"),
        (404, {"error": {"code": "no_such_call"}}),
        (403, b"Forbidden"),
        (302, b""),
        (200, b"<html>Maintenance</html>"),
        (200, b"{}"),
        (500, b""),
    ],
)
async def test_a_look_up_that_fails_neither_finds_nor_refuses(odd: CarrierConnector, status: int, body: object) -> None:
    says(status, body)
    assert isinstance(await odd.lookup(a_request("A")), NotActed)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"<html>Please wait</html>", NotActed, "label_not_ready"),
        (b'{"error": "later"}', NotActed, "label_not_ready"),
        (b"", NotActed, "label_not_ready"),
        (b"%PDF-1.4 cut", NotActed, "label_not_ready"),
        (b"^XA^XZ", Refused, "label_not_pdf"),
        (b"\x89PNG\r\n", Refused, "label_not_pdf"),
    ],
)
async def test_a_label_is_known_by_its_bytes(odd: CarrierConnector, body: bytes, kind: type, code: str) -> None:
    says(200, body)
    got = await odd.label("N1", a_request("A"))
    assert isinstance(got, kind)
    assert getattr(got, "code", "") == code


async def test_an_address_where_no_carrier_lives_is_refused_by_check(odd: CarrierConnector) -> None:
    for status, body in ((200, b"<html>Welcome</html>"), (404, b"nothing here")):
        says(status, body)
        with pytest.raises(WireError) as wrong:
            await odd.check()
        assert isinstance(wrong.value.outcome, Refused)


async def test_check_warns_of_services_the_account_does_not_have(odd: CarrierConnector) -> None:
    says(200, {"name": "Small Post", "services": [{"code": "SIM-STD", "name": "Standard"}], "currency": "PLN"})
    (warning,) = (await odd.check()).warnings
    assert "SIM-LATE, SIM-NEVER, SIM-INT" in warning


def test_the_declaration_says_how_to_be_safe() -> None:
    declared = SimulatedCarrier.declaration
    assert declared.number_way is NumberWay.LATER
    assert declared.create_repeat is Repeat.READ_BACK
    assert declared.can_void
    assert not declared.fresh_reference_beside_live
    assert [field.name for field in declared.fields if field.secret] == ["token"]
