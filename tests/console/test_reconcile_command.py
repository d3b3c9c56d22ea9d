"""`shipdeck reconcile`: what differs is named by order number, exit 1 until it is repaired; wrong usage is exit 2."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import lent
from tests.console.shell import Shell

TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def sh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shop in UTC that was bound two months ago; an order dated two days back came to it behind the cursor."""
    with lent("woocommerce", orders=0, seed=5, zone="UTC") as shop:
        shell = Shell(tmp_path_factory.mktemp("reconcile"))
        shell.bind(shop)
        shop.admin("POST", "orders", {"orders": [{}]})
        shell("sync")
        noon = f"{TODAY - timedelta(days=2)}T12:00:00"
        shop.admin(
            "POST", "orders", {"orders": [{"date_created_gmt": noon, "date_modified_gmt": noon, "number": "LOST-7"}]}
        )
        yield shell


def test_what_differs_is_named_and_repaired(sh: Shell, tmp_path: Path) -> None:
    rows = json.loads(sh.program("reconcile", "--json", exits=1))
    assert [r["day"] for r in rows] == [str(TODAY - timedelta(days=n)) for n in (1, 2, 3)]
    (bad,) = [r for r in rows if not r["complete"]]
    assert bad["day"] == str(TODAY - timedelta(days=2))
    assert {k: bad[k] for k in ("shop", "listed", "held", "excluded", "abnormal", "missing", "strangers", "code")} == {
        "shop": "PL-Woo", "listed": 1, "held": 0, "excluded": 0, "abnormal": 0, "missing": 1, "strangers": 0, "code": "",
    }  # fmt: skip
    (differing,) = bad["differing"]
    assert (differing["number"], differing["code"]) == ("LOST-7", "missing")
    assert "LOST-7" in sh("reconcile", "PL-Woo", "--days", "2", exits=1)
    day = str(TODAY - timedelta(days=2))
    (mended,) = sh.json("reconcile", "PL-Woo", "--from", day, "--to", day, "--repair")
    assert (mended["complete"], mended["held"], mended["differing"]) == (True, 1, [])
    assert sh.json("find", "LOST-7")[0]["order_number"] == "LOST-7"
    assert all(r["complete"] for r in sh.json("reconcile", "--repair"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--days", "0"),
        ("--days", "367"),
        ("--days", "2", "--from", "2026-01-01"),
        ("--to", "2026-01-01"),
        ("--from", "yesterday"),
        ("--from", "2026-01-02", "--to", "2026-01-01"),
        ("--from", "2020-01-01", "--to", "2026-01-01"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_said_and_exits_two(sh: Shell, arguments: tuple[str, ...]) -> None:
    assert sh("reconcile", *arguments, exits=2)


def test_an_unknown_shop_is_refused(sh: Shell) -> None:
    answer = sh.json("reconcile", "Nowhere", exits=1)
    assert answer["refused"][0]["code"] == "unknown_shop"


def test_a_person_who_may_only_look_proves_and_does_not_repair(sh: Shell) -> None:
    sh("operator", "add", "anna", "--role", "owner")
    sh("operator", "add", "Vera", "--role", "viewer", "--as", "anna")
    assert sh.json("reconcile", "--as", "Vera")
    (row,) = sh.json("reconcile", "--repair", "--as", "Vera", exits=1)
    assert row["code"] == "viewer_only"
