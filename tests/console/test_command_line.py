"""The command line as an operator uses it: exit codes, JSON, and nothing secret anywhere.

Most commands run in this process; a few are programs of their own, where the process is the point.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin
from tests.conftest import lent
from tests.console.shell import Shell


@pytest.fixture(scope="module")
def shop() -> Iterator[Twin]:
    """A shop with six plain orders."""
    with lent("woocommerce", orders=6, plain=True, seed=5) as twin:
        yield twin


@pytest.fixture(scope="module")
def sh(shop: Twin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The shop bound, with a carrier and a printer, and its orders taken over."""
    with lent("carrier", seed=5) as carrier:
        shell = Shell(tmp_path_factory.mktemp("cli"))
        shell.bind(shop)
        token = str(carrier.hello["token"])
        shell.secrets.append(token)
        where = ("--set", f"url={carrier.url}")
        shell.program("carrier", "add", "simulated", "SimPost", *where, "--secret-stdin", "token", stdin=token)
        (shell.folder / "papers").mkdir()
        shell("printer", "add", "folder", "desk", "--set", f"folder={shell.folder / 'papers'}")
        shell("sync")
        shell("shop", "cut-over", "PL-Woo", "ship-these")
        if shell.json("list", "review", "--where", "note:unread"):
            shell("note", "--where", "note:unread", "--read")
        yield shell


def test_the_whole_path_by_commands_ends_shipped_and_told(sh: Shell, shop: Twin) -> None:
    listed = sh.json("list", "review")
    assert len(listed) == 6
    wanted = (
        "id code order_number platform_order_id orders shop stage status buyer country quantity currency total waybill"
    )
    assert {*wanted.split(), "ship_by", "reason"} <= listed[0].keys()
    codes = [row["code"] for row in listed[:3]]
    approved = json.loads(sh.program("approve", *codes, "--json"))
    assert approved["done"] == [row["id"] for row in listed[:3]]
    assert approved["refused"] == []
    sh("assign", "--all", "--service", "SimPost/SIM-STD")
    waybills = json.loads(sh.program("waybill", "--all", "--wait", "60", "--json"))
    assert waybills["settled"] is True
    sh("print", "--all", "--wait", "60")
    assert list((sh.folder / "papers").glob("*.pdf"))
    sh("ship", "--all", exits=2)
    shipped = json.loads(sh.program("ship", "--all", "--yes", "--expect", "3", "--wait", "60", "--json"))
    assert len(shipped["done"]) == 3
    rows = sh.json("list", "shipped")
    assert {row["status"] for row in rows} == {"succeeded"}
    there = {str(o["id"]): o for o in shop.admin("GET", "orders")}
    for row in rows:
        assert there[row["platform_order_id"]]["times_completed"] == 1
        shown = sh.json("show", row["code"])
        assert shown["waybills"][0]["number"] == row["waybill"]
        assert sh.json("find", row["waybill"])[0]["id"] == row["id"]
    assert sh.json("doctor")["findings"] == []


def test_refusals_are_named_and_exit_with_one(sh: Shell) -> None:
    code = sh.json("list", "review")[0]["code"]
    answer = json.loads(sh.program("ship", code, "--json", exits=1))
    assert [(r["code"]) for r in answer["refused"]] == ["wrong_stage"]
    assert sh.json("approve", "K999999", exits=1)["refused"][0]["code"] == "not_found"
    assert sh.json("approve", "--all", "--expect", "77", exits=1)["refused"][0]["code"] == "not_as_expected"


def test_undo_takes_the_last_batch_back(sh: Shell) -> None:
    code = sh.json("list", "review")[0]["code"]
    sh("approve", code, "--as", "ewa")
    assert sh.json("show", code)["stage"] == "processing"
    sh("undo", "--as", "ewa")
    assert sh.json("show", code)["stage"] == "review"
    sh("undo", "--as", "nobody", exits=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("approve",),
        ("approve", "K000001", "--all"),
        ("list", "nowhere"),
        ("list", "review", "--where", "colour:red"),
        ("frobnicate",),
        ("flag", "K000001"),
    ],
)
def test_wrong_usage_exits_with_two_and_one_sentence(sh: Shell, arguments: tuple[str, ...]) -> None:
    assert sh(*arguments, exits=2)


def test_a_program_that_is_called_wrongly_exits_with_two_as_well(sh: Shell) -> None:
    assert sh.program("frobnicate", exits=2)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("--set", "consumer_key=ck_x"), "secret_in_argument"),
        (("--set", "url=http://shop.example.test"), "missing_field"),
        (("--set", "nonsense=1"), "unknown_field"),
    ],
)
def test_a_shop_that_cannot_be_bound_says_why(sh: Shell, given: tuple[str, ...], code: str) -> None:
    assert sh.json("shop", "add", "woocommerce", "Other", *given, exits=1)["refused"][0]["code"] == code


def test_plain_http_beyond_this_machine_is_refused_before_anything_is_sent(sh: Shell) -> None:
    out = sh(
        "shop",
        "add",
        "woocommerce",
        "Far",
        "--set",
        "url=http://shop.example.test",
        "--secret-env",
        "consumer_key=A",
        "--secret-env",
        "consumer_secret=B",
        "--json",
        exits=1,
        A="ck_1",
        B="cs_1",
    )
    assert json.loads(out)["refused"][0]["code"] == "plain_http"


def test_no_secret_is_in_anything_that_was_written(sh: Shell) -> None:
    sh("shop", "show", "PL-Woo")
    sh("shop", "list", "--json")
    sh.program("--verbose", "shop", "check", "PL-Woo")
    sh("--verbose", "shop", "check", "PL-Woo")
    kept = b"".join(f.read_bytes() for f in sh.folder.glob("cli.sqlite*"))
    for secret in sh.secrets:
        assert secret not in sh.written
        assert secret.encode() not in kept


def test_reading_works_where_there_is_no_database_yet(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert "no database" in shell.program("list", "review", exits=1)
    assert "shipdeck" in shell.program("--version")
    assert str(tmp_path) in shell("config", "path")
