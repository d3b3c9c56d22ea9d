"""Who may do what, and what a person may be called."""

import pytest

from domain.persons import (
    Operator,
    Role,
    is_lead,
    may_change,
    may_manage,
    may_work_with,
    name_key,
    name_refusal,
    owner_refusal,
    tidy,
)


def person(role: Role, *, lead: bool = False, active: bool = True, id: int = 1) -> Operator:
    return Operator(id, role.value.title(), role, lead, active)


@pytest.mark.parametrize(
    ("role", "lead", "expected"),
    [
        (Role.OWNER, False, True),
        (Role.ADMIN, False, True),
        (Role.OPERATOR, False, False),
        (Role.OPERATOR, True, True),
        (Role.VIEWER, True, False),
    ],
)
def test_lead_is_the_owner_an_admin_or_an_operator_who_was_given_the_right(
    role: Role, lead: bool, expected: bool
) -> None:
    assert is_lead(person(role, lead=lead)) is expected


@pytest.mark.parametrize("role", list(Role))
def test_everybody_but_a_viewer_may_change_things(role: Role) -> None:
    refused = may_change(person(role))
    assert (refused.code if refused else "") == ("viewer_only" if role is Role.VIEWER else "")


@pytest.mark.parametrize("name", ["Anna", "王小明", "Łukasz Żak", "Jan.K", "a-b_c", "Ewa 2", "2b", "नीलम", "x" * 40])
def test_a_name_is_letters_of_any_alphabet(name: str) -> None:
    assert name_refusal(tidy(name)) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * 41,
        "12",
        "1 2",
        "٣",
        ".",
        "-x",
        "a/b",
        "a\x1b[0m",
        "Anna\u200b",
        "\u202eannA",
        "\u3164",
        "Anna\ufe0f",
    ],
)
def test_a_name_is_short_shows_itself_and_is_more_than_digits(name: str) -> None:
    refused = name_refusal(tidy(name))
    assert refused is not None
    assert refused.code == "bad_name"


@pytest.mark.parametrize("name", ["owner", "OWNER", "\uff2f\uff37\uff2e\uff25\uff32"])
def test_nobody_is_called_owner_because_the_word_stands_for_whoever_it_is(name: str) -> None:
    refused = name_refusal(tidy(name))
    assert refused is not None
    assert refused.code == "bad_name"


def test_names_that_are_written_otherwise_but_read_the_same_are_the_same() -> None:
    assert name_key("Łódź") == name_key("ŁÓDŹ") == name_key("  Ło\u0301dz\u0301 ")
    assert name_key("\uff21nna  K") == name_key("anna k")
    assert name_key("Anna") != name_key("Hanna")


@pytest.mark.parametrize("by", [Role.OPERATOR, Role.VIEWER])
def test_only_owner_and_admins_look_after_people(by: Role) -> None:
    refused = may_manage(person(by, lead=True), None, person(Role.VIEWER))
    assert refused is not None
    assert refused.code == "not_allowed"


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        (None, Role.OPERATOR, True),
        (Role.OPERATOR, Role.VIEWER, True),
        (None, Role.ADMIN, False),
        (Role.OPERATOR, Role.ADMIN, False),
        (Role.ADMIN, Role.OPERATOR, False),
        (Role.ADMIN, Role.ADMIN, False),
        (Role.OPERATOR, Role.OWNER, False),
        (Role.OWNER, Role.VIEWER, False),
    ],
)
def test_what_concerns_admins_and_the_owner_is_the_owners_alone(
    before: Role | None, after: Role, allowed: bool
) -> None:
    was = None if before is None else person(before, id=2)
    refused = may_manage(person(Role.ADMIN), was, person(after, id=2))
    assert (refused.code if refused else "") == ("" if allowed else "not_allowed")
    assert may_manage(person(Role.OWNER), was, person(after, id=2)) is None


def test_the_owner_can_neither_step_down_nor_go_nor_be_somebody_who_is_gone() -> None:
    owner, gone = person(Role.OWNER), person(Role.OPERATOR, active=False)
    for before, after in (
        (owner, person(Role.ADMIN)),
        (owner, person(Role.OWNER, active=False)),
        (gone, person(Role.OWNER, active=False)),
    ):
        refused = owner_refusal(before, after)
        assert refused is not None
        assert refused.code == "last_owner"
    assert owner_refusal(gone, person(Role.OWNER)) is None
    assert owner_refusal(owner, person(Role.OWNER, lead=True)) is None


@pytest.mark.parametrize(
    ("role", "lead", "worked_by", "allowed"),
    [
        (Role.OPERATOR, False, "", True),
        (Role.OPERATOR, False, " , ", True),
        (Role.OPERATOR, False, "lead", False),
        (Role.OPERATOR, True, "lead", True),
        (Role.OPERATOR, False, "Ola,  OPERATOR", True),
        (Role.OPERATOR, True, "Ola", False),
        (Role.ADMIN, False, "Ola", True),
        (Role.OWNER, False, "lead", True),
    ],
)
def test_roa_03_a_shops_orders_are_worked_by_whom_its_setting_names_and_always_by_owner_and_admins(
    role: Role, lead: bool, worked_by: str, allowed: bool
) -> None:
    refused = may_work_with(person(role, lead=lead), "PL-Woo", worked_by)
    assert (refused is None) is allowed
    if refused is not None:
        assert refused.code == "no_permission"
        assert "PL-Woo" in refused.message
        assert "worked_by" in refused.message
