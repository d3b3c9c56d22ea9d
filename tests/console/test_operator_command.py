"""`shipdeck operator` as somebody uses it, and what it means for the other commands."""

import json
from pathlib import Path

import pytest

from tests.console.shell import Shell

CODES = ("unknown_operator", "viewer_only", "not_allowed", "owner_exists", "last_owner", "bad_role")


@pytest.fixture
def sh(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_the_first_operator_is_the_owner_and_makes_the_database(sh: Shell) -> None:
    assert "no database" in sh("operator", "list", exits=1)
    assert "no database" in sh("operator", "set", "Anna", "--lead", "yes", exits=1)
    refused = sh.json("operator", "add", "Jan", "--role", "operator", exits=1)
    assert refused["refused"][0]["code"] == "bad_role"
    assert "owner" in refused["refused"][0]["reason"]
    made = json.loads(sh.program("operator", "add", "Anna", "--role", "owner", "--json"))
    assert made == {"id": 1, "name": "Anna", "role": "owner", "lead": False, "active": True}
    (row,) = sh.json("operator", "list")
    assert (row["name"], row["created_by"]) == ("Anna", "Anna")
    assert row.keys() == {"id", "name", "role", "lead", "active", "created_at", "created_by"}


def test_people_are_added_changed_and_removed_and_their_rights_hold(sh: Shell) -> None:
    sh("operator", "add", "Anna", "--role", "owner")
    assert sh("operator", "add", "Jan", "--role", "operator", "--lead") == "Jan is operator, with the lead right.\n"
    sh("operator", "add", "Ola", "--role", "viewer", "--as", "Anna")
    assert sh.json("operator", "add", "Leo", "--role", "viewer", "--as", "Jan", exits=1)["refused"][0]["code"] == (
        "not_allowed"
    )
    approved = sh.json("approve", "1", "--as", "Ola", exits=1)
    assert approved["batch"] == ""
    assert [r["code"] for r in approved["refused"]] == ["viewer_only", "not_found"]
    stock = sh.json("stock", "receive", "MUG", "1", "--as", "Ola", exits=1)
    assert stock["refused"][0]["code"] == "viewer_only"
    sh("operator", "set", exits=2)
    sh("operator", "set", "Ola", exits=2)
    sh("operator", "set", "Ola", "--role", "boss", exits=2)
    assert sh.json("operator", "set", "ola", "--role", "operator", "--lead", "yes")["lead"] is True
    assert sh.json("stock", "receive", "MUG", "1", "--as", "Ola", exits=1)["refused"][0]["code"] == "unknown_sku"
    assert sh("operator", "remove", "Ola") == "Ola no longer works here.\n"
    assert sh.json("stock", "receive", "MUG", "1", "--as", "Ola", exits=1)["refused"][0]["code"] == "unknown_operator"
    assert {r["name"]: r["active"] for r in sh.json("operator", "list")} == {"Anna": True, "Jan": True, "Ola": False}
    assert sh.json("operator", "set", "Ola", "--active", "yes")["active"] is True
    assert sh.json("operator", "set", "Jan", "--role", "owner")["role"] == "owner"
    assert {r["name"]: r["role"] for r in sh.json("operator", "list")} == {
        "Anna": "admin",
        "Jan": "owner",
        "Ola": "operator",
    }
    assert sh.json("operator", "remove", "Jan", exits=1)["refused"][0]["code"] == "last_owner"


def test_setting_up_asks_for_the_right_too(sh: Shell) -> None:
    sh("operator", "add", "Anna", "--role", "owner")
    for command in (
        ("warehouse", "set", "city=Kraków"),
        ("carrier", "add", "pool", "Post", "--set", "carrier_name=Post"),
        ("printer", "add", "folder", "Labels", "--set", f"folder={sh.folder}"),
        ("undo",),
    ):
        assert sh.json(*command, "--as", "nobody", exits=1)["refused"][0]["code"] == "unknown_operator"
    sh("warehouse", "set", "city=Kraków")
    sh("carrier", "add", "pool", "Post", "--set", "carrier_name=Post")
    (sh.folder / "numbers").write_text("POST0001\nPOST0002\n")
    assert sh.json("carrier", "numbers", "Post", "numbers", "--as", "nobody", exits=1)["added"] == 0
    assert sh.json("carrier", "numbers", "Post", "numbers")["added"] == 2


@pytest.mark.parametrize("code", CODES)
def test_every_refusal_of_people_stands_in_the_table_of_reason_codes(code: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert f"| `{code}` |" in text.partition("## Reason codes")[2]
