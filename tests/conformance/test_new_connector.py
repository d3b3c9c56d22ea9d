"""A connector made from the template, in a folder of a stranger, works at once: suite, command line and console."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors import registry
from connectors.simulated.launch import Twin
from console.connector_kit import OURS, written
from domain.results import Refused
from store.place import Place
from tests.conformance.stranger import ROOT, Shell, install_project
from tests.console.pilot import console


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project made by the command, in an empty folder, and installed."""
    folder = tmp_path_factory.mktemp("mint") / "shipdeck-mint"
    made = Shell(folder.parent / "home").json("connector", "new", "mint", "--folder", str(folder))
    assert {Path(file) for file in made["files"]} == {file for file in folder.rglob("*") if file.is_file()}
    install_project(folder)
    return folder


@pytest.fixture(scope="module")
def sh(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("home"), project)


@pytest.fixture
def twin(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twin]:
    monkeypatch.setenv("PYTHONPATH", str(project))
    with Twin("shipdeck_mint.twin", orders=3) as running:
        yield running


def test_its_own_tests_pass_as_they_were_written(project: Path, sh: Shell) -> None:
    # The whole suite on a new connector is run by the page's own example (test_docs.py).
    some = "understood or money or told or page or excuses or update_tracking or take_the_place"
    out = sh.run(sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", some, "tests", cwd=project)
    passed = re.search(r"(\d+) passed, 1 skipped", out)
    assert passed is not None, out
    assert int(passed[1]) > 15


def test_it_is_listed_with_its_package_and_version(sh: Shell) -> None:
    [mint] = [row for row in sh.json("connector", "list") if row["name"] == "mint"]
    assert mint == {"kind": "shop", "name": "mint", "package": "shipdeck-mint", "version": "0.1.0", "problem": ""}


def test_the_suite_runs_by_a_command_too(sh: Shell) -> None:
    told = sh.json("connector", "test", "shop.mint", "--case", "money")
    assert (told["passed"], told["skipped"], told["failed"]) == (3, 0, 0)
    assert "shop.mint: 0 passed, 1 skipped, 0 failed" in sh("connector", "test", "shop.mint", "--case", "every_reading")
    assert (
        sh.json("connector", "test", "shop.mint", "--case", "nonsense", exits=1)["refused"][0]["code"] == "unknown_case"
    )
    assert sh.json("connector", "test", "shop.nobody", exits=1)["refused"][0]["code"] == "no_connector"
    assert sh.json("connector", "test", "carrier.pool", exits=1)["refused"][0]["code"] == "no_kit"


def test_a_connector_that_is_wrong_fails_by_the_command(project: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    subprocess.run(["cp", "-r", str(project), str(wrong)], check=True)
    file = wrong / "shipdeck_mint" / "connector.py"
    text = file.read_text()
    assert text.count('"cancelled": OrderStatus.CANCELLED') == 1
    file.write_text(text.replace('"cancelled": OrderStatus.CANCELLED', '"cancelled": OrderStatus.OPEN'))
    out = Shell(tmp_path / "home", wrong)("connector", "test", "shop.mint", "--case", "cancelled", exits=1)
    assert "a_cancelled_order_is_not_told" in out
    assert "shop.mint: 0 passed, 0 skipped, 1 failed" in out


def test_the_command_line_carries_its_orders_from_bind_to_push(project: Path, twin: Twin, sh: Shell) -> None:
    fields = ("--set", f"url={twin.url}", "--secret-env", "token=MINT_TOKEN")
    bound = sh.json("shop", "add", "mint", "NL-Mint", *fields, MINT_TOKEN=str(twin.hello["token"]))
    assert (bound["zone"], bound["currency"]) == ("Europe/Amsterdam", "EUR")
    sh("carrier", "add", "pool", "OwnPost", "--set", "carrier_name=Own Post", "--set", "services=OWN=Own letter")
    numbers = sh.folder / "numbers.txt"
    numbers.write_text("".join(f"OWN{n:09d}\n" for n in range(1, 9)))
    sh("carrier", "numbers", "OwnPost", str(numbers))
    (sh.folder / "papers").mkdir()
    sh("printer", "add", "folder", "desk", "--set", f"folder={sh.folder / 'papers'}")
    sh("sync")
    sh("shop", "cut-over", "NL-Mint", "ship-these")
    assert [row["shop"] for row in sh.json("list", "review")] == ["NL-Mint"] * 3
    sh("approve", "--all")
    sh("assign", "--all", "--service", "OWN")
    sh("waybill", "--all", "--wait", "60")
    sh("to-print", "--all") if sh.json("list", "waybill") else None
    sh("print", "--all", "--wait", "60")
    shipped = sh.json("ship", "--all", "--yes", "--wait", "60")
    assert len(shipped["done"]) == 3
    rows = sh.json("list", "shipped")
    assert {row["status"] for row in rows} == {"succeeded"}
    there = {str(one["id"]): one for one in twin.admin("GET", "orders")}
    for row in rows:
        order = there[row["platform_order_id"]]
        assert order["state"] == "shipped"
        assert [parcel["number"] for parcel in order["parcels"]] == [row["waybill"]]
    assert sh.json("doctor")["findings"] == []


async def test_the_console_binds_it_by_keys_and_shows_its_orders(
    project: Path, twin: Twin, sqlite_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(project))
    registry._entries.cache_clear()
    try:
        async with console(sqlite_place) as d:
            await d.press("9")
            await d.row("add:shop")
            await d.press("n")
            await d.dialog("Choose")
            await d.press(str(registry.names("shop").index("mint") + 1))
            await d.dialog("Form")
            await d.fill(_name="NL-Mint", url=twin.url, token=str(twin.hello["token"]))
            await d.press("f9")
            await d.dialog("Found")
            assert "Mint of Ida" in d.screen()
            await d.press("1")
            await d.sees("is bound")
            await read_now(sqlite_place)
            await d.press("1")
            await d.sees("N-1001")
            assert "NL-Mint" in d.screen()
    finally:
        registry._entries.cache_clear()


async def read_now(place: Place) -> None:
    from pipeline.base import Pipeline
    from pipeline.worker import sync_now

    p = await Pipeline.open(place)
    assert await sync_now(p, 1) == {"orders": ""}
    await p.aclose()


# ------------------------------------------------------------------ what it writes, and where it does not


def ours(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_within_shipdeck_it_takes_the_places_of_the_house(tmp_path: Path) -> None:
    for file in ("connectors/contract.py", "console/cli.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text('"""As in the house."""\n')
    out = Shell(tmp_path / "home")("connector", "new", "mint", "--folder", str(tmp_path))
    for path in OURS.values():
        assert (tmp_path / path.format(name="mint")).is_file()
    assert not (tmp_path / "pyproject.toml").exists()
    assert '"shop.mint" = "connectors.shops.mint:Mint"' in out
    assert '"shop.mint" = "connectors.simulated.mint_kit:KIT"' in out
    text = "".join(file.read_text() for file in tmp_path.rglob("*mint*.py"))
    assert "newshop" not in text.lower()
    assert "connectors.template" not in text
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    first = 'lint.isort.known-first-party=["connectors","domain"]'
    for check in (["check", "--config", first], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--no-cache", "connectors", "tests"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_nothing_is_written_over(tmp_path: Path) -> None:
    assert not isinstance(written("mint", tmp_path), Refused)
    before = ours(tmp_path)
    again = written("mint", tmp_path)
    assert isinstance(again, Refused)
    assert again.code == "file_exists"
    assert ours(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Mint", "bad_name"),
        ("m", "bad_name"),
        ("9mint", "bad_name"),
        ("mint-shop", "bad_name"),
        ("../mint", "bad_name"),
        ("import", "bad_name"),
        ("m" * 31, "bad_name"),
        ("woocommerce", "name_taken"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path, name: str, code: str) -> None:
    answer = written(name, tmp_path)
    assert isinstance(answer, Refused)
    assert answer.code == code
    assert ours(tmp_path) == {}


def test_a_name_of_two_words_makes_one_class(tmp_path: Path) -> None:
    assert not isinstance(written("blue_mint2", tmp_path), Refused)
    assert "class BlueMint2:" in (tmp_path / "shipdeck_blue_mint2" / "connector.py").read_text()
    assert json.loads((tmp_path / "tests" / "samples" / "blue_mint2" / "order.json").read_text())["id"] == 1007
