"""The simulated carrier: waybills by reference, late numbers, refusals, voids, labels."""

import json
from itertools import count
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from conftest import Reply, send

from connectors.simulated.launch import Twin

_numbers = count(1)


def _call(twin: Twin, method: str, path: str, body: Any = None, token: str = "") -> Reply:
    headers = {"Authorization": f"Bearer {token or twin.hello['token']}"}
    return send(twin.url, method, path, headers, None if body is None else json.dumps(body).encode())


def _parcel(service: str = "SIM-STD", **over: Any) -> dict[str, Any]:
    recipient = {"name": "Łucja Wróblik", "company": "", "line1": "ul. Piórkowa 3", "line2": "", "city": "Łódź"}
    recipient |= {"state": "", "postcode": "90-001", "country": "PL", "phone": "+48 599 000 001"}
    recipient |= over.pop("recipient", {})
    lines = [{"sku": "NB-A5", "name": "Notebook", "quantity": 2}]
    return {"reference": f"T-{next(_numbers)}", "service": service, "recipient": recipient, "lines": lines, **over}


def _seen(twin: Twin, reference: str) -> dict[str, Any]:
    return next(one for one in twin.admin("GET", "waybills") if one["reference"] == reference)


def test_a_wrong_token_is_unauthorised(carrier: Twin) -> None:
    reply = _call(carrier, "GET", "/v1/account", token="nobody")
    assert (reply.status, reply.json["error"]["code"]) == (401, "unauthorised")


def test_the_account_lists_its_services(carrier: Twin) -> None:
    account = _call(carrier, "GET", "/v1/account").json
    assert {one["code"] for one in account["services"]} == {"SIM-STD", "SIM-LATE", "SIM-NEVER", "SIM-INT"}


def test_a_number_at_once_and_only_once(carrier: Twin) -> None:
    parcel = _parcel()
    first = _call(carrier, "POST", "/v1/waybills", parcel)
    second = _call(carrier, "POST", "/v1/waybills", parcel)
    assert (first.status, first.json["status"]) == (201, "numbered")
    assert (second.status, second.json["error"]["code"]) == (409, "duplicate_reference")
    assert second.json["waybill"]["number"] == first.json["number"]
    assert _seen(carrier, parcel["reference"])["created_times"] == 1
    assert _seen(carrier, parcel["reference"])["asked_times"] == 2


def test_a_late_number_comes_after_two_polls(carrier: Twin) -> None:
    parcel = _parcel("SIM-LATE")
    first = _call(carrier, "POST", "/v1/waybills", parcel)
    path = f"/v1/waybills/{parcel['reference']}"
    assert (first.status, first.json) == (
        202,
        {"reference": parcel["reference"], "status": "pending", "poll_after_ms": 1},
    )
    assert _call(carrier, "GET", f"{path}/label").json["error"]["code"] == "not_ready"
    assert [_call(carrier, "GET", path).json["status"] for _ in range(3)] == ["pending", "numbered", "numbered"]


def test_a_number_that_never_comes(carrier: Twin) -> None:
    parcel = _parcel("SIM-NEVER")
    _call(carrier, "POST", "/v1/waybills", parcel)
    polls = {_call(carrier, "GET", f"/v1/waybills/{parcel['reference']}").json["status"] for _ in range(5)}
    assert polls == {"pending"}


@pytest.mark.parametrize(
    ("parcel", "code", "field"),
    [
        (_parcel(recipient={"line1": "ul. Bez Numeru"}), "house_number_missing", "line1"),
        (_parcel(recipient={"name": " "}), "name_missing", "name"),
        (_parcel(recipient={"city": ""}), "city_missing", "city"),
        (_parcel(recipient={"postcode": None}), "postcode_missing", "postcode"),
        (_parcel(recipient={"street": "x"}), "unknown_field", "recipient.street"),
        (_parcel(colour="blue"), "unknown_field", "colour"),
        (_parcel("SIM-MOON"), "unknown_service", "service"),
        (_parcel("SIM-INT"), "customs_missing", "customs"),
        (_parcel("SIM-INT", customs=[{}], recipient={"phone": ""}), "phone_missing", "phone"),
        (_parcel(cod_minor=100), "currency_missing", "currency"),
    ],
)
def test_a_refusal_names_its_field_and_leaves_nothing(carrier: Twin, parcel: Any, code: str, field: str) -> None:
    reply = _call(carrier, "POST", "/v1/waybills", parcel)
    error = reply.json["error"]
    assert (reply.status, error["code"], error["field"]) == (422, code, field)
    assert _call(carrier, "GET", f"/v1/waybills/{parcel['reference']}").status == 404
    assert _seen(carrier, parcel["reference"])["created_times"] == 0


def test_a_void_is_idempotent_and_uses_the_reference_up(carrier: Twin) -> None:
    parcel = _parcel()
    _call(carrier, "POST", "/v1/waybills", parcel)
    path = f"/v1/waybills/{parcel['reference']}"
    assert [_call(carrier, "POST", f"{path}/void").json["status"] for _ in range(2)] == ["void", "void"]
    again = _call(carrier, "POST", "/v1/waybills", parcel)
    assert (again.status, again.json["error"]["code"]) == (409, "reference_voided")
    assert _seen(carrier, parcel["reference"])["voided"] is True


def test_a_collected_parcel_cannot_be_voided(carrier: Twin) -> None:
    parcel = _parcel()
    _call(carrier, "POST", "/v1/waybills", parcel)
    carrier.admin("POST", "collect", {"references": [parcel["reference"]]})
    reply = _call(carrier, "POST", f"/v1/waybills/{parcel['reference']}/void")
    assert (reply.status, reply.json["error"]["code"]) == (409, "already_collected")


def test_the_label_is_100_by_150_mm_and_its_bars_read_the_number(carrier: Twin) -> None:
    parcel = _parcel()
    number = _call(carrier, "POST", "/v1/waybills", parcel).json["number"]
    reply = _call(carrier, "GET", f"/v1/waybills/{parcel['reference']}/label")
    page = pypdfium2.PdfDocument(reply.body)[0]
    assert [round(side * 25.4 / 72) for side in page.get_size()] == [100, 150]
    picture = page.render(scale=3, grayscale=True)
    grey = memoryview(bytes(picture.buffer)).cast("B", (picture.height, picture.stride))
    found = zxingcpp.read_barcodes(grey)
    assert [one.text for one in found] == [number]


def test_a_cut_after_the_fact_is_found_by_looking_up(carrier: Twin) -> None:
    parcel = _parcel()
    carrier.fail_next("cut_after", "POST", "/v1/waybills")
    with pytest.raises(ConnectionResetError):
        _call(carrier, "POST", "/v1/waybills", parcel)
    assert _call(carrier, "GET", f"/v1/waybills/{parcel['reference']}").json["status"] == "numbered"


def test_shares_of_late_numbers_and_refusals() -> None:
    with Twin("carrier", late_share=0.5, refuse_share=0.3) as twin:
        answers = [_call(twin, "POST", "/v1/waybills", _parcel()).status for _ in range(40)]
    assert set(answers) == {201, 202, 422}
