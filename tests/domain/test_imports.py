"""Which orders are taken over, and how goods meet goods of ours: the rules as pure decisions."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import registry
from connectors.contract import ShopDeclaration
from domain.clock import DAY
from domain.enums import OrderKind, OrderStatus, Payment, Stage, Status
from domain.imports import Defect, Exclusion, ImportPolicy, admit
from domain.matching import category_key, choose_category, match_key
from domain.order_types import order_types, type_of
from domain.reconcile import born
from domain.records import Address, Buyer, Category
from domain.results import Refused
from domain.settings import ShopSettings, changed
from tests.domain.orders import CONNECTED, a_line, an_order

WOOCOMMERCE = registry.shop("woocommerce").declaration
STATUSES = ("pending", "on-hold", "processing", "packed", "completed", "cancelled", "refunded", "failed", "trash")
NOBODY = {"buyer": Buyer(), "address": Address(line1="ul. Piórkowa 7", country="PL")}


def a_policy(**changes: Any) -> ImportPolicy:
    """WooCommerce's defaults for a shop in złoty whose window goes back sixty days."""
    fields = {
        "connected_at": CONNECTED,
        "window_start": CONNECTED - 60 * DAY,
        "first_import_excludes": WOOCOMMERCE.first_import_excludes,
        "require_contact": WOOCOMMERCE.requires_contact,
        "currency": "PLN",
    }
    return ImportPolicy(**{**fields, **changes})


def why(verdict: Exclusion | Defect | None) -> str:
    """The reason or code of a verdict, '' for an order that is taken."""
    return verdict.reason if isinstance(verdict, Exclusion) else verdict.code if verdict else ""


# ------------------------------------------------------------------ status and age


@pytest.mark.parametrize("status", STATUSES)
def test_roa_01_an_order_made_after_connecting_is_taken_whatever_its_status(status: str) -> None:
    assert admit(an_order(raw_status=status, created_at=CONNECTED), a_policy()) is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("pending", ""),
        ("on-hold", ""),
        ("processing", ""),
        ("packed-by-plugin", ""),
        *((s, "closed_before_import") for s in ("completed", "cancelled", "refunded", "failed", "trash")),
    ],
)
def test_roa_13_of_the_orders_before_connecting_only_the_closed_ones_are_left_out(status: str, reason: str) -> None:
    assert why(admit(an_order(raw_status=status, created_at=CONNECTED - 1), a_policy())) == reason


def test_roa_10_the_first_instant_of_the_window_is_in_and_the_one_before_is_out() -> None:
    policy = a_policy()
    assert admit(an_order(created_at=policy.window_start), policy) is None
    assert why(admit(an_order(created_at=policy.window_start - 1), policy)) == "older_than_window"


def test_roa_02_a_platform_without_rules_of_its_own_follows_the_general_ones() -> None:
    general = {f: ShopDeclaration.__struct_defaults__[i] for i, f in enumerate(_with_defaults(ShopDeclaration))}
    policy = a_policy(
        first_import_excludes=general["first_import_excludes"], require_contact=general["requires_contact"]
    )
    for status in STATUSES:
        assert admit(an_order(raw_status=status, created_at=CONNECTED - 1), policy) is None
    assert admit(an_order(**NOBODY), policy) is None


def _with_defaults(struct: Any) -> tuple[str, ...]:
    return struct.__struct_fields__[-len(struct.__struct_defaults__) :]


def test_an_order_in_the_bin_of_the_platform_is_never_taken() -> None:
    assert why(admit(an_order(status=OrderStatus.DELETED, raw_status="trash"), a_policy())) == "deleted"


# ------------------------------------------------------------------ currency, goods, customer


def test_roa_05_an_order_in_another_currency_is_left_out_naming_both() -> None:
    verdict = admit(an_order(currency="EUR"), a_policy())
    assert verdict == Exclusion("other_currency", "EUR ≠ PLN")
    assert admit(an_order(currency="EUR"), a_policy(currency="EUR")) is None
    assert admit(an_order(currency="EUR"), a_policy(currency="")) is None


def test_roa_14_an_order_without_goods_is_left_out() -> None:
    assert why(admit(an_order(lines=()), a_policy())) == "no_goods"


def test_roa_15_an_order_without_any_customer_is_left_out() -> None:
    assert why(admit(an_order(**NOBODY), a_policy())) == "no_customer"
    assert why(admit(an_order(buyer=Buyer(" ", "\t"), address=Address(name=" ")), a_policy())) == "no_customer"


@pytest.mark.parametrize(
    ("phone", "email", "reason"),
    [
        ("", "", "no_contact"),
        ("+48 599 000 001", "", ""),
        ("", "celina@example.test", ""),
        ("", "maxx@roxxy.example.test", ""),
        ("138****1234", "", "no_contact"),
        ("138xxxx1234", "c***@example.test", "no_contact"),
        ("-", "none", "no_contact"),
    ],
)
def test_roa_16_one_of_phone_and_email_is_enough_and_a_masked_one_is_none(phone: str, email: str, reason: str) -> None:
    order = an_order(buyer=Buyer("Celina", "Pąk", phone, email))
    assert why(admit(order, a_policy())) == reason


def test_a_buyer_whom_the_platform_hides_is_no_reason_to_leave_the_order_out() -> None:
    assert admit(an_order(buyer=Buyer("[deleted]", redacted=True)), a_policy()) is None


def test_a_shop_that_asks_for_no_contact_takes_the_order_but_never_one_without_lines() -> None:
    lenient = a_policy(require_contact=False)
    assert admit(an_order(**NOBODY), lenient) is None
    assert why(admit(an_order(lines=()), lenient)) == "no_lines"


# ------------------------------------------------------------------ unfit orders


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"lines": (a_line(quantity=Decimal("1.5")),)}, "fractional_quantity"),
        ({"lines": (a_line(cancelled=Decimal("0.5")),)}, "fractional_quantity"),
        ({"lines": (a_line(quantity=Decimal("2.000")),)}, ""),
        ({"lines": (a_line(quantity=Decimal(-1)),)}, "bad_quantity"),
        ({"lines": (a_line(quantity=Decimal("1e9")),)}, "bad_quantity"),
        ({"lines": (a_line(1), a_line(1))}, "double_line"),
        ({"total_minor": 2**63}, "bad_amount"),
        ({"shipping_minor": 2**63}, "bad_amount"),
        ({"lines": (a_line(total_minor=-(2**63) - 1),)}, "bad_amount"),
        ({"number": "9" * 600}, "too_long"),
        ({"buyer": Buyer("Celina", "ą" * 3000, "+48 599 000 001")}, "too_long"),
        ({"buyer": Buyer("Celina", "Pąk", "5" * 3000)}, "too_long"),
        ({"buyer": Buyer("Celina", "Pąk", "", "a" * 3000 + "@example.test")}, "too_long"),
        ({"lines": (a_line(sku="S" * 3000),)}, "too_long"),
        ({"lines": (a_line(platform_product_id="7" * 3000),)}, "too_long"),
        ({"buyer_note": "ą" * 100_000, "address": Address(name="Celina", line1="ul. " * 5000)}, ""),
    ],
)
def test_an_order_that_cannot_be_kept_says_why(changes: dict[str, Any], code: str) -> None:
    assert why(admit(an_order(**changes), a_policy())) == code


def test_a_fractional_quantity_is_named_with_its_goods() -> None:
    verdict = admit(an_order(lines=(a_line(quantity=Decimal("1.50")),)), a_policy())
    assert verdict == Defect("fractional_quantity", "Notebook: a quantity of 1.5 is not whole pieces.")


# ------------------------------------------------------------------ products and categories


@pytest.mark.parametrize(
    ("by", "key"),
    [("name", "Pencil case - Blue"), ("sku", "BD-Blue"), ("id", "311")],
)
def test_roa_21_the_setting_says_by_what_products_are_compared(by: str, key: str) -> None:
    assert match_key(by, " Pencil case - Blue ", "\tBD-Blue ", "301", "311") == key


def test_roa_21_a_product_without_variants_goes_by_its_own_id_and_an_empty_key_matches_nothing() -> None:
    assert match_key("id", "Notebook", "NB", "201", "0") == match_key("id", "Notebook", "NB", "201", "") == "201"
    assert match_key("sku", "Notebook", "  ", "201", "") == ""
    assert match_key("sku", "", "nb-a5", "", "") != match_key("sku", "", "NB-A5", "", "")


def test_roa_25_categories_are_compared_trimmed_and_without_case() -> None:
    assert category_key(" Zeszyty ŁÓDŹ ") == category_key("zeszyty łódź")


def categories(*paths: str) -> list[Category]:
    """Categories from `A>B` texts."""
    return [Category(str(n), tuple(p.split(">"))) for n, p in enumerate(paths)]


@pytest.mark.parametrize(
    ("assigned", "chosen"),
    [
        (["Clothes>Shirts"], "Clothes>Shirts"),
        (["Clothes", "Clothes>Shirts"], "Clothes>Shirts"),
        (["Clothes", "Clothes>Shirts>Polo"], "Clothes>Shirts>Polo"),
        (["Mugs", "Hats"], "Hats"),
        (["mugs", "Hats", "bags"], "bags"),
        (["Clothes>Shirts>Polo", "Gifts"], "Gifts"),
        (["A>X", "B>W"], "B>W"),
        (["Clothes", "Clothes>Shirts", "Clothes>Hats"], "Clothes"),
        (["Clothes>Shirts>Polo", "Clothes>Shirts", "Clothes>Hats"], "Clothes>Hats"),
        (["Paper", "Paper>Notebooks", "Paper>Notebooks>Dotted"], "Paper>Notebooks>Dotted"),
    ],
)
def test_roa_26_of_several_categories_one_is_chosen_whatever_their_order(assigned: list[str], chosen: str) -> None:
    for order in permutations(categories(*assigned)):
        found = choose_category(order)
        assert found is not None
        assert ">".join(found.path) == chosen


def test_roa_26_a_product_without_categories_gets_none() -> None:
    assert choose_category([]) is None


@given(st.lists(st.lists(st.sampled_from("ABCab"), min_size=1, max_size=4), min_size=1, max_size=5), st.randoms())
def test_roa_26_the_choice_is_one_of_the_assigned_and_never_depends_on_their_order(paths: Any, chance: Any) -> None:
    assigned = [Category(str(n), tuple(p)) for n, p in enumerate(paths)]
    mixed = list(assigned)
    chance.shuffle(mixed)
    one, other = choose_category(assigned), choose_category(mixed)
    assert one is not None
    assert other is not None
    assert one.path == other.path
    assert one in assigned


# ------------------------------------------------------------------ order types

TYPES = (
    "pickup: kind=pickup, stage=processing; cod: payment=on_delivery, hold=call the buyer, flag=3;"
    " express: method=Kurier, status=Processing, stage=processing, flag=7"
)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, ""),
        ({"kind": OrderKind.PICKUP, "payment": Payment.ON_DELIVERY}, "pickup"),
        ({"payment": Payment.ON_DELIVERY}, "cod"),
        ({"shipping_method": "Szybki KURIER 24"}, "express"),
        ({"shipping_method": "Kurier", "raw_status": "on-hold"}, ""),
    ],
)
def test_roa_18_an_order_belongs_to_the_first_type_whose_every_condition_it_meets(
    changes: dict[str, Any], name: str
) -> None:
    types = order_types(TYPES)
    assert isinstance(types, tuple)
    found = type_of(an_order(**changes), types)
    assert (found.name if found else "") == name


def test_roa_18_a_type_says_first_stage_hold_and_flag_and_review_is_the_default() -> None:
    types = order_types(TYPES)
    assert isinstance(types, tuple)
    said = [(one.name, one.stage, one.hold, one.flag) for one in types]
    assert said == [
        ("pickup", Stage.PROCESSING, "", 0),
        ("cod", Stage.REVIEW, "call the buyer", 3),
        ("express", Stage.PROCESSING, "", 7),
    ]
    assert order_types("") == order_types(" ; ") == ()


@pytest.mark.parametrize(
    "text",
    [
        "pickup",
        "pickup:",
        ": kind=pickup",
        "a: colour=red",
        "a: kind=boat",
        "a: kind=",
        "a: stage=shipped",
        "a: flag=11",
        "a: flag=3, flag=4",
        "a: stage=processing, hold=wait",
        "a: flag=3; a: flag=4",
    ],
)
def test_roa_18_a_type_that_says_nothing_or_nonsense_is_refused(text: str) -> None:
    answer = changed(ShopSettings(), "order_types", text)
    assert isinstance(answer, Refused)
    assert answer.code == "bad_setting"
    assert answer.message.endswith((".", text))


NOTHING_IN_ITS_WAY = {
    "virtual": False,
    "payable": True,
    "after_sale": False,
    "note": False,
    "matched": True,
    "first_import": False,
}


@pytest.mark.parametrize(
    ("facts", "settings", "stage"),
    [
        ({}, {}, Stage.PROCESSING),
        ({"payable": False}, {}, Stage.REVIEW),
        ({"after_sale": True}, {}, Stage.REVIEW),
        ({"first_import": True}, {}, Stage.REVIEW),
        ({"note": True}, {}, Stage.REVIEW),
        ({"note": True}, {"note_gate": False}, Stage.PROCESSING),
        ({"matched": False}, {}, Stage.PROCESSING),
        ({"matched": False}, {"require_matched": True}, Stage.REVIEW),
        ({}, {"semi_managed": True}, Stage.REVIEW),
        ({}, {"semi_managed": True, "sender_name": "S", "sender_address": "A"}, Stage.PROCESSING),
    ],
)
def test_roa_18_what_approve_would_refuse_waits_in_review_whatever_its_type(
    facts: dict[str, Any], settings: dict[str, Any], stage: Stage
) -> None:
    given = {**NOTHING_IN_ITS_WAY, **facts}
    birth = born(OrderStatus.OPEN, **given, settings=ShopSettings(**settings), first=Stage.PROCESSING)
    assert (birth.stage, birth.status) == (stage, Status.OPEN)
    assert born(OrderStatus.CANCELLED, **given, settings=ShopSettings(), first=Stage.PROCESSING).stage is Stage.CLOSED
