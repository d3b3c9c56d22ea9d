"""The command line as an operator uses it: processes of their own, exit codes, JSON, and nothing secret anywhere."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.launch import Twin


class Shell:
    """Runs `shipdeck` with its own database; keeps everything it ever wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = ""
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SHIPDECK")}
        self.env |= {
            "SHIPDECK_DB": str(folder / "cli.sqlite"),
            "SHIPDECK_KEY_FILE": str(folder / "key"),
            "SHIPDECK_LANG": "en",
        }

    def __call__(self, *arguments: str, exits: int = 0, stdin: str = "", **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "console.cli", *arguments],
            env=self.env | env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            cwd=self.folder,
        )
        self.written += done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == exits, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if done.stdout else done.stderr

    def json(self, *arguments: str, exits: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", exits=exits))


@pytest.fixture(scope="module")
def sh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    with Twin("woocommerce", orders=6, plain=True, seed=5) as shop, Twin("carrier", seed=5) as carrier:
        shell = Shell(tmp_path_factory.mktemp("cli"))
        shell.shop, shell.carrier = shop, carrier  # type: ignore[attr-defined]
        keys = {"WOO_KEY": str(shop.hello["consumer_key"]), "WOO_SECRET": str(shop.hello["consumer_secret"])}
        shell.secrets = [*keys.values(), str(carrier.hello["token"])]  # type: ignore[attr-defined]
        secrets = ("--secret-env", "consumer_key=WOO_KEY", "--secret-env", "consumer_secret=WOO_SECRET")
        shell("shop", "add", "woocommerce", "PL-Woo", "--set", f"url={shop.url}", *secrets, **keys)
        token = str(carrier.hello["token"])
        shell(
            "carrier",
            "add",
            "simulated",
            "SimPost",
            "--set",
            f"url={carrier.url}",
            "--secret-stdin",
            "token",
            stdin=token,
        )
        (shell.folder / "papers").mkdir()
        shell("printer", "add", "folder", "desk", "--set", f"folder={shell.folder / 'papers'}")
        shell("sync")
        shell("shop", "cut-over", "PL-Woo", "ship-these")
        if shell.json("list", "review", "--where", "note:unread"):
            shell("note", "--where", "note:unread", "--read")
        yield shell


def test_the_whole_path_by_commands_ends_shipped_and_told(sh: Shell) -> None:
    listed = sh.json("list", "review")
    assert len(listed) == 6
    wanted = (
        "id code order_number platform_order_id orders shop stage status buyer country quantity currency total waybill"
    )
    assert {*wanted.split(), "ship_by", "reason"} <= listed[0].keys()
    codes = [row["code"] for row in listed[:3]]
    approved = sh.json("approve", *codes)
    assert approved["done"] == [row["id"] for row in listed[:3]]
    assert approved["refused"] == []
    sh("assign", "--all", "--service", "SimPost/SIM-STD")
    waybills = sh.json("waybill", "--all", "--wait", "60")
    assert waybills["settled"] is True
    sh("print", "--all", "--wait", "60")
    assert list((sh.folder / "papers").glob("*.pdf"))
    sh("ship", "--all", exits=2)
    shipped = sh.json("ship", "--all", "--yes", "--expect", "3", "--wait", "60")
    assert len(shipped["done"]) == 3
    rows = sh.json("list", "shipped")
    assert {row["status"] for row in rows} == {"succeeded"}
    there = {str(o["id"]): o for o in sh.shop.admin("GET", "orders")}  # type: ignore[attr-defined]
    for row in rows:
        assert there[row["platform_order_id"]]["times_completed"] == 1
        shown = sh.json("show", row["code"])
        assert shown["waybills"][0]["number"] == row["waybill"]
        assert sh.json("find", row["waybill"])[0]["id"] == row["id"]
    assert sh.json("doctor")["findings"] == []


def test_refusals_are_named_and_exit_with_one(sh: Shell) -> None:
    code = sh.json("list", "review")[0]["code"]
    answer = sh.json("ship", code, exits=1)
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
    sh("--verbose", "shop", "check", "PL-Woo")
    kept = b"".join(f.read_bytes() for f in sh.folder.glob("cli.sqlite*"))
    for secret in sh.secrets:  # type: ignore[attr-defined]
        assert secret not in sh.written
        assert secret.encode() not in kept


def test_reading_works_where_there_is_no_database_yet(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert "no database" in shell("list", "review", exits=1)
    assert "shipdeck" in shell("--version")
    assert str(tmp_path) in shell("config", "path")
