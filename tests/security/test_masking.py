"""Who may only look sees enough to tell orders apart, and nobody's phone, e-mail or street."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from console.cli import main
from console.traces import Formatter, frames
from domain.masking import masked_detail, masked_email, masked_phone, masked_text
from domain.persons import Operator, Role, sees_persons
from pipeline import persons
from pipeline.base import Pipeline
from store import accounts
from store.intake import Incoming, draft, insert_orders
from store.place import Place
from tests.console.pilot import console

PHONE, EMAIL, STREET = "+48 512 345 987", "zdzicha.q@vidoq.example", "Niezapominajkowa"
NOTE = f"dzwonić {PHONE}, pisać {EMAIL}, hasło bramy: tulipan"


@pytest.fixture
async def kept(sqlite_place: Place) -> Place:
    """One order, and people: anna the owner, vi who may look, lena who may look and has a lead's right, olek."""
    from domain.facts import ShopFacts
    from domain.records import Address, Buyer
    from domain.settings import ShopSettings
    from pipeline.base import NOTHING
    from tests.domain.orders import an_order

    p = await Pipeline.open(sqlite_place)
    await persons.first_owner(p, "anna")
    for name, role, lead in (("vi", "viewer", False), ("lena", "viewer", True), ("olek", "operator", False)):
        await persons.add(p, name, role, lead, "anna")
    async with p.store.transaction() as tx:
        shop_id = await accounts.add_shop(tx, "woocommerce", "S", {}, title="", zone="UTC", currency="PLN")
        shop = ShopFacts(shop_id, "S", "woocommerce", "UTC", True, ShopSettings(), NOTHING)
        address = Address("Ada Nowak", "", f"ul. {STREET} 7", "", "Łódź", "", "90-001", "PL", PHONE, EMAIL)
        order = an_order(
            platform_order_id="77",
            number="77",
            buyer=Buyer("Ada", "Nowak", PHONE, EMAIL),
            address=address,
            seller_note=NOTE,
        )
        await insert_orders(tx, shop, [draft(shop, Incoming(order, b"{}", b"digest"), False)])
    await p.aclose()
    return sqlite_place


def command(capsys: pytest.CaptureFixture[str], place: Place, *words: str) -> str:
    assert main([*words, "--db", str(place.file)]) == 0
    return capsys.readouterr().out


READS = (
    ["show", "77"],
    ["show", "77", "--json"],
    ["list", "all"],
    ["list", "all", "--json"],
    ["find", "Nowak", "--json"],
)


@pytest.mark.parametrize("who", ["vi", "a stranger"])
@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_who_may_only_look_sees_no_phone_no_address(
    kept: Place, capsys: pytest.CaptureFixture[str], words: list[str], who: str
) -> None:
    shown = command(capsys, kept, *words, "--as", who)
    assert "77" in shown
    for secret in (PHONE, "512 345", "512345987", EMAIL, "zdzicha", STREET, "90-001"):
        assert secret not in shown
    assert "Nowak" in shown


@pytest.mark.parametrize("who", ["anna", "olek", "lena", "owner"])
def test_who_works_with_parcels_or_leads_sees_all(kept: Place, capsys: pytest.CaptureFixture[str], who: str) -> None:
    shown = json.loads(command(capsys, kept, "show", "77", "--json", "--as", who))
    assert (shown["address"]["phone"], shown["address"]["email"]) == (PHONE, EMAIL)
    assert STREET in shown["address"]["line1"]


@pytest.mark.parametrize(("person", "role", "whole"), [("wera", Role.VIEWER, False), ("ola", Role.OPERATOR, True)])
async def test_the_panel_masks_by_who_sits_there(kept: Place, person: str, role: Role, whole: bool) -> None:
    async with console(kept, person=person, role=role) as d:
        await d.sees("Nowak")
        await d.until(lambda: "tulipan" in d.screen(), "the note")
        await d.until(lambda: (STREET in d.screen()) is whole, "the panel of this person")
        # A phone in the line of the address is masked for everybody: others stand behind the chair.
        await d.press("enter")
        await d.dialog("Read")
        assert (STREET in d.screen()) is whole
        assert (PHONE in d.screen()) is whole, "in the shop's note"


def test_the_right_is_the_role_or_the_lead() -> None:
    def may(role: Role, lead: bool = False, active: bool = True) -> bool:
        return sees_persons(Operator(1, "x", role, lead, active))

    assert [may(r) for r in (Role.OWNER, Role.ADMIN, Role.OPERATOR, Role.VIEWER)] == [True, True, True, False]
    assert may(Role.VIEWER, lead=True)
    assert not may(Role.OPERATOR, active=False)


def test_masks_keep_ends_alone() -> None:
    assert masked_phone(PHONE) == "+48 5*******987"
    assert masked_email(EMAIL) == "z***@vidoq.example"
    assert masked_text(NOTE) == "dzwonić ***, pisać ***@***, hasło bramy: tulipan"
    assert masked_detail({"message": "", "held": "", "address": None, "code": "K1"})["code"] == "K1"


# What is said of errors


class Careless(Exception):
    pass


def trip(value: str) -> None:
    local = f"password {value}"
    try:
        int(local)
    except ValueError as error:
        raise Careless(local) from error


def test_an_error_is_logged_by_its_places_alone() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(Formatter("%(name)s %(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)
    try:
        trip("tulipan-77")
    except Careless:
        log.exception("one \x1b[31m line\nforged %s", "x")
    said = out.getvalue()
    assert "tulipan" not in said
    assert "\x1b" not in said
    assert "Careless" in said
    assert "ValueError" in said
    assert "test_masking.py:" in said


def test_a_defect_in_a_command_shows_places_and_no_value(
    kept: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_a: Any, **_k: Any) -> list[Any]:
        trip("tulipan-77")
        return []

    monkeypatch.setattr("store.views.counts", broken)
    for words in (["stages"], ["stages", "--verbose"]):
        assert main([*words, "--db", str(kept.file)]) == 1
        said = capsys.readouterr()
        assert "tulipan" not in said.out + said.err
        assert "Careless" in said.err
        assert "defect of its own" in said.err


async def test_a_failing_statement_names_no_parameter(kept: Place) -> None:
    p = await Pipeline.open(kept)
    try:
        with pytest.raises(Exception, match="no such table") as failed:
            async with p.store.transaction() as tx:
                await tx.rows("SELECT * FROM not_there WHERE phone = :p", p=PHONE)
        assert PHONE not in str(failed.value)
        assert PHONE not in "".join(frames(failed.value))
    finally:
        await p.aclose()


def test_a_crash_report_holds_no_value(tmp_path: Path) -> None:
    from console.launch import write_report

    place = Place("", tmp_path / "x.sqlite", tmp_path / "key", tmp_path)
    try:
        trip("tulipan-77")
    except Careless as error:
        report = write_report(place, error)
    assert report is not None
    assert "tulipan" not in report.read_text()
    assert "Careless" in report.read_text()
