"""Numbers from a list: the settings, the label, and what may be imported."""

from typing import Any

import pypdfium2
import pytest
import zxingcpp

from connectors.carriers.pool import NumberPool, check_number, normalise_number, read_services
from connectors.contract import Binding, CarrierConnector, Label, Numbered, NumberWay, Repeat, Voided, WaybillRequest
from connectors.http import HttpClient, WireError
from domain.records import Address
from domain.results import NotFound, Refused

NUMBER = "RR473124829CN"


def a_pool(**settings: str) -> CarrierConnector:
    binding = Binding("post", {"carrier_name": "Poczta", **settings}, {}, HttpClient("http://127.0.0.1:9"), lambda: 0)
    return NumberPool(binding)


def a_request(**changes: Any) -> WaybillRequest:
    fields: dict[str, Any] = {
        "reference": "S-1",
        "service": "STD",
        "recipient": Address("Jan", "", "Długa 5", "", "Łódź", "", "90-001", "PL"),
        "sender": Address(),
        "lines": (),
        "weight_g": 100,
        "code": "S-000001",
        "number": NUMBER,
    }
    return WaybillRequest(**{**fields, **changes})


async def test_the_claimed_number_comes_back_with_a_label_that_a_scanner_reads() -> None:
    got = await a_pool().create(a_request())
    assert isinstance(got, Numbered)
    assert got.number == NUMBER
    assert got.label is not None
    with pypdfium2.PdfDocument(got.label.data) as document:
        image = document[0].render(scale=203 / 72).to_pil()
        words = document[0].get_textpage().get_text_bounded()
    assert {found.text for found in zxingcpp.read_barcodes(image)} == {NUMBER, "S-000001"}
    assert "Poczta" in words
    assert "Standard" in words


async def test_asking_again_gives_the_same() -> None:
    pool = a_pool()
    created = await pool.create(a_request())
    assert created == await pool.create(a_request())
    assert isinstance(created, Numbered)
    assert await pool.label(NUMBER, a_request()) == created.label
    assert pool.declaration.create_repeat is Repeat.HONOURS_KEY
    assert pool.declaration.number_way is NumberWay.POOL


async def test_an_empty_pool_is_refused() -> None:
    got = await a_pool().create(a_request(number=""))
    assert isinstance(got, Refused)
    assert got.code == "pool_empty"


@pytest.mark.parametrize("field", ["name", "line1", "city", "postcode", "country"])
async def test_an_incomplete_address_is_refused_by_field(field: str) -> None:
    whole = {"name": "Jan", "line1": "Długa 5", "city": "Łódź", "postcode": "90-001", "country": "PL"}
    got = await a_pool().create(a_request(recipient=Address(**{**whole, field: " "})))
    assert isinstance(got, Refused)
    assert (got.code, got.field) == ("address_incomplete", f"recipient.{field}")


@pytest.mark.parametrize("country", ["UA", "CN", "IE"])
async def test_a_postcode_that_parcels_mostly_lack_is_asked_for_only_where_the_carrier_needs_it(country: str) -> None:
    to = Address("Ivan", "", "Khreshchatyk 1", "", "Kyiv", "", "", country)
    assert isinstance(await a_pool().create(a_request(recipient=to)), Numbered)
    refused = await a_pool(postcode="yes").create(a_request(recipient=to))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.field) == ("address_incomplete", "recipient.postcode")


async def test_countries_without_postcodes_need_none_and_a_company_is_a_name() -> None:
    recipient = Address("", "海港公司", "中环1号", "", "香港", "", "", "HK")
    assert isinstance(await a_pool().create(a_request(recipient=recipient)), Numbered)


async def test_a_missing_letter_is_refused_with_its_field_or_marked_where_the_account_says_so() -> None:
    request = a_request(recipient=Address("𠮷野", "", "Długa 5", "", "Łódź", "", "90-001", "PL"))
    got = await a_pool().create(request)
    assert isinstance(got, Refused)
    assert (got.code, got.field) == ("missing_glyph", "recipient.name")
    assert isinstance(await a_pool(missing_letters="mark").create(request), Numbered)


async def test_practice_labels_say_so() -> None:
    label = await a_pool(practice="yes").label(NUMBER, a_request())
    assert isinstance(label, Label)
    with pypdfium2.PdfDocument(label.data) as document:
        assert "PRACTICE" in document[0].get_textpage().get_text_bounded()


async def test_only_services_countries_and_cod_of_the_account_are_served() -> None:
    pool = a_pool(services="STD=Zwykła, EXP = Szybka", countries="pl, DE", cod="no")
    assert [(service.code, service.name) for service in pool.services()] == [("STD", "Zwykła"), ("EXP", "Szybka")]
    assert all(service.countries == {"PL", "DE"} for service in pool.services())
    abroad = a_request(recipient=Address("Jan", "", "Rue 5", "", "Paris", "", "75001", "FR"))
    for request, code in (
        (a_request(service="XXX"), "unknown_service"),
        (abroad, "country_not_served"),
        (a_request(cod_minor=100, currency="PLN"), "cod_not_offered"),
    ):
        got = await pool.create(request)
        assert isinstance(got, Refused)
        assert got.code == code
    assert isinstance(
        await a_pool(cod="yes").create(a_request(cod_minor=100, currency="PLN")),
        Numbered,
    )


async def test_lookup_finds_what_was_claimed_and_voiding_succeeds() -> None:
    pool = a_pool()
    assert await pool.lookup(a_request()) == Numbered(NUMBER)
    assert await pool.lookup(a_request(number="")) == NotFound()
    assert await pool.void(NUMBER, "S-1") == await pool.void(NUMBER, "S-1") == Voided()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("services", "A=1,A=2"),
        ("services", "bad code=1"),
        ("countries", "Poland"),
        ("cod", "maybe"),
        ("check_digit", "s11"),
        ("missing_letters", "drop"),
        ("tracking_url", "https://example.test/"),
        ("tracking_url", "javascript:{number}"),
    ],
)
async def test_settings_that_cannot_be_meant_are_refused_by_name(field: str, value: str) -> None:
    with pytest.raises(WireError) as wrong:
        await a_pool(**{field: value}).check()
    assert isinstance(wrong.value.outcome, Refused)
    assert wrong.value.outcome.field == field


async def test_check_names_the_carrier() -> None:
    assert (await a_pool(check_digit="s10", countries="PL", tracking_url="https://x.test/{number}").check()).title == (
        "Poczta"
    )


def test_the_tracking_page_holds_the_number() -> None:
    binding = Binding("post", {"tracking_url": "https://x.test/?n={number}"}, {}, HttpClient("http://[::1]"), lambda: 0)
    assert NumberPool(binding).tracking_url("A/1 2") == "https://x.test/?n=A%2F1%202"


def test_services_are_read_from_one_line() -> None:
    assert read_services("") == [("STD", "Standard")]
    assert read_services("A=Eins，B, ,C=") == [("A", "Eins"), ("B", "B"), ("C", "C")]


@pytest.mark.parametrize(
    ("number", "scheme"),
    [
        ("RR473124829CN", "s10"),
        ("6291041500213", "gs1"),
        ("003590077380000009", "none"),
        ("1Z999AA10123456784", "ups1z"),
        ("YT2612345678901234", "none"),
    ],
)
def test_numbers_with_a_right_check_digit_may_be_imported(number: str, scheme: str) -> None:
    assert check_number(number, scheme) is None


@pytest.mark.parametrize(
    ("number", "scheme"),
    [
        ("RR473124828CN", "s10"),
        ("RR47312482CN", "s10"),
        ("6291041500214", "gs1"),
        ("62910415A0213", "gs1"),
        ("1Z999AA10123456785", "ups1z"),
        ("2Z999AA10123456784", "ups1z"),
        ("abc", "none"),
        ("AB 123", "none"),
        ("Ł12345", "none"),
        ("A" * 31, "none"),
    ],
)
def test_mistyped_numbers_are_told_why_they_may_not(number: str, scheme: str) -> None:
    assert check_number(number, scheme)


def test_any_one_mistyped_digit_of_a_gs1_number_is_noticed() -> None:
    number = "6291041500213"
    for place in range(len(number)):
        for digit in set("0123456789") - {number[place]}:
            assert check_number(number[:place] + digit + number[place + 1 :], "gs1")


def test_numbers_are_normalised_as_a_scanner_gives_them() -> None:
    assert normalise_number(" *rr 4731 24829ｃｎ* ") == "RR473124829CN"


def test_an_unknown_scheme_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="luhn"):
        check_number("123456", "luhn")
