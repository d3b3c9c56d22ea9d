"""Connectors of other packages: found, listed, and where one is broken, named and in nobody's way."""

import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors import registry
from connectors.simulated.launch import Twin
from store.place import Place
from tests.conformance.stranger import ROOT, Shell, install
from tests.console.pilot import console
from tests.console.terminal import Terminal

MODULES = {
    "no_such_import": "import no_such_package_at_all\n",
    "leaves": "import sys\nsys.exit(3)\n",
    "raises": "raise RuntimeError('\\x1b[31mnot today')\n",
    "bad_syntax": "class :\n",
    "no_class": "Thing = 7\n",
    "no_attribute": "",
    "no_declaration": "class Thing:\n    pass\n",
    "wrong_declaration": "class Thing:\n    declaration = {'platform': 'wrong_declaration'}\n",
    "carriers_declaration": (
        "from connectors.carriers.pool import NumberPool\nclass Thing:\n    declaration = NumberPool.declaration\n"
    ),
    "wrong_values": (
        "import msgspec\nfrom connectors.template.shop import Newshop\nclass Thing(Newshop):\n"
        "    declaration = msgspec.structs.replace(Newshop.declaration, platform='wrong_values', fields=None)\n"
    ),
    "another_name": "from connectors.template.shop import Newshop as Thing\n",
    "lacks": (
        "import msgspec\nfrom connectors.template.shop import Newshop\nclass Thing:\n"
        "    declaration = msgspec.structs.replace(Newshop.declaration, platform='lacks')\n"
        "    async def check(self): ...\n"
    ),
    "fine": (
        "import msgspec\nfrom connectors.template.shop import Newshop\nclass Thing(Newshop):\n"
        "    declaration = msgspec.structs.replace(Newshop.declaration, platform='fine')\n"
    ),
}
"""Shop connectors by name, each wrong in its own way but the last."""

SAYS = {
    "no_such_import": "ModuleNotFoundError: No module named 'no_such_package_at_all'",
    "leaves": "SystemExit: 3",
    "raises": "RuntimeError: ",
    "bad_syntax": "SyntaxError",
    "no_class": "it is no class",
    "no_attribute": "AttributeError",
    "no_declaration": "its declaration is no ShopDeclaration",
    "wrong_declaration": "its declaration is no ShopDeclaration",
    "carriers_declaration": "its declaration is no ShopDeclaration",
    "wrong_values": "its declaration is wrong: ",
    "another_name": "its declaration names newshop",
    "lacks": "it lacks orders, count_orders, read_orders, products, read_products, push, find_push",
    "fine": "",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages: one with all the connectors above, one that takes a name of ours, one of no kind."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in MODULES.items():
        (folder / f"stranger_{name}.py").write_text(text)
    group = {f"shop.{name}": f"stranger_{name}:Thing" for name in MODULES}
    install(folder, "strange-connectors", "4.2", {"shipdeck.connectors": group})
    taken = {"shop.woocommerce": "stranger_fine:Thing", "shop.fine": "stranger_raises:Thing"}
    install(folder, "zealous-connectors", "1.0", {"shipdeck.connectors": taken})
    install(
        folder, "odd-connectors", "0.1", {"shipdeck.connectors": {"drone.fly": "stranger_fine:Thing", "plain": "x:Y"}}
    )
    return folder


@pytest.fixture(scope="module")
def sh(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A database with a WooCommerce shop, and every stranger on the path."""
    with Twin("woocommerce", orders=3, plain=True) as twin:
        shell = Shell(tmp_path_factory.mktemp("home"), site)
        keys = {"A": str(twin.hello["consumer_key"]), "B": str(twin.hello["consumer_secret"])}
        secrets = ("--secret-env", "consumer_key=A", "--secret-env", "consumer_secret=B")
        shell("shop", "add", "woocommerce", "PL-Woo", "--set", f"url={twin.url}", *secrets, **keys)
        yield shell


@pytest.fixture(scope="module")
def listed(sh: Shell) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = sh.json("connector", "list")
    return rows


@pytest.mark.parametrize("name", MODULES)
def test_each_is_listed_with_its_version_and_what_is_wrong_with_it(listed: list[dict[str, Any]], name: str) -> None:
    [row] = [r for r in listed if r["name"] == name and r["package"] == "strange-connectors"]
    assert (row["kind"], row["version"]) == ("shop", "4.2")
    assert SAYS[name] in row["problem"]
    assert bool(row["problem"]) == bool(SAYS[name])
    assert "\x1b" not in row["problem"]


def test_a_name_is_taken_by_ours_before_anybodys_and_by_one_only(listed: list[dict[str, Any]]) -> None:
    rows = {(r["name"], r["package"]): r["problem"] for r in listed}
    assert rows["woocommerce", "shipdeck"] == ""
    assert rows["woocommerce", "zealous-connectors"] == "shipdeck has a connector of that name already"
    assert rows["fine", "strange-connectors"] == ""
    assert rows["fine", "zealous-connectors"] == "strange-connectors has a connector of that name already"
    assert rows["fly", "odd-connectors"] == "no such kind; there are shop, carrier, printer"
    assert rows["", "odd-connectors"] == "no such kind; there are shop, carrier, printer"


def test_every_command_goes_on_beside_them(sh: Shell) -> None:
    assert [row["seen"] for row in sh.json("sync")] == [3]
    sh("shop", "cut-over", "PL-Woo", "ship-these")
    assert len(sh.json("list", "review")) == 3
    assert len(sh.json("approve", "--all")["done"]) == 3
    sh("worker", "--once")
    for command in (("stages",), ("shop", "list"), ("shop", "check", "PL-Woo"), ("carrier", "list"), ("doctor",)):
        sh(*command)


@pytest.mark.parametrize("name", ["no_such_import", "leaves", "wrong_values"])
def test_binding_a_broken_one_is_refused_with_its_problem(sh: Shell, name: str) -> None:
    [refused] = sh.json("shop", "add", name, "Other", "--set", "url=https://x.test", exits=1)["refused"]
    assert refused["code"] == "unknown_platform"
    assert SAYS[name] in refused["reason"]


def test_the_suite_refuses_a_broken_one_and_one_without_a_kit(sh: Shell) -> None:
    assert sh.json("connector", "test", "shop.raises", exits=1)["refused"][0]["code"] == "no_connector"
    [refused] = sh.json("connector", "test", "shop.fine", exits=1)["refused"]
    assert refused["code"] == "no_kit"
    assert "shop.fine" in refused["reason"]


def test_the_console_starts_beside_them(sh: Shell, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "console.cli"]
    env = {**sh.env, "SHIPDECK_OPERATOR": "", "HOME": str(tmp_path)}
    sh("operator", "add", "anna", "--role", "owner")
    with Terminal(command, rows=36, columns=120, env=env) as t:
        t.wait_for("1 Review", 30)
        t.press("9")
        t.wait_for("PL-Woo", 30)


async def test_who_binds_a_shop_in_the_console_sees_the_broken_ones_named(
    site: Path, sqlite_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(site))
    registry._entries.cache_clear()
    try:
        async with console(sqlite_place, size=(160, 45)) as d:
            await d.press("9")
            await d.row("add:shop")
            await d.press("n")
            await d.dialog("Choose")
            await d.sees("WooCommerce")
            shown = d.screen()
            for name in ("no_such_import", "leaves", "lacks"):
                assert name in shown
            await d.press(str(registry.names("shop").index("lacks") + 1))
            await d.sees("it lacks orders, count_orders")
    finally:
        registry._entries.cache_clear()


# ------------------------------------------------------------------ one that breaks after it was bound


def test_a_bound_shop_whose_connector_breaks_keeps_its_orders_and_holds_nobody_up(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(site))
    shell, broken = Shell(tmp_path / "home", site), tmp_path / "broken"
    broken.mkdir()
    (broken / "stranger_fine.py").write_text("import no_such_package_at_all\n")
    with Twin("woocommerce", orders=3, plain=True) as woo, Twin("connectors.template.shop_twin", orders=2) as mint:
        keys = {
            "A": str(woo.hello["consumer_key"]),
            "B": str(woo.hello["consumer_secret"]),
            "C": str(mint.hello["token"]),
        }
        secrets = ("--secret-env", "consumer_key=A", "--secret-env", "consumer_secret=B")
        shell("shop", "add", "woocommerce", "PL-Woo", "--set", f"url={woo.url}", *secrets, **keys)
        shell("shop", "add", "fine", "Fine", "--set", f"url={mint.url}", "--secret-env", "token=C", **keys)
        assert {row["shop"]: row["code"] for row in shell.json("sync")} == {"PL-Woo": "", "Fine": ""}

        later = Shell(tmp_path / "home", broken, site)
        with sqlite3.connect(later.env["SHIPDECK_DB"]) as books:
            books.execute("UPDATE sync_task SET due_at = 0")
        assert "no_such_package_at_all" in later("worker", "--once")
        stand = {row["name"]: row for row in later.json("shop", "list")}
        assert (stand["PL-Woo"]["paused"], stand["Fine"]["paused"]) == ("", "no_connector")
        assert "no_such_package_at_all" in stand["Fine"]["message"]
        assert {row["shop"]: row["code"] for row in later.json("sync", exits=1)} == {
            "PL-Woo": "",
            "Fine": "no_connector",
        }
        assert {row["shop"] for row in later.json("list", "review")} == {"PL-Woo", "Fine"}
        later("stages")
        later("doctor")
        for command in (("shop", "check"), ("shop", "rules"), ("shop", "set")):
            out = later(*command, "Fine", *(["import_months=3"] if command[1] == "set" else []), exits=1)
            assert "no_such_package_at_all" in out, command
        later("shop", "show", "Fine")
        later("shop", "unbind", "Fine", "--yes")


# ------------------------------------------------------------------ adding one


def test_the_documented_line_adds_a_package_to_an_installation_of_its_own() -> None:
    text = (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    assert f"uv tool install {name} --with " in text
    assert f"pipx inject {name} " in text


def test_asking_what_is_installed_imports_no_twin_and_no_suite(sh: Shell) -> None:
    program = "import sys; from connectors import registry; registry.installed(); print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert not [m for m in done.stdout.split() if m.startswith(("connectors.simulated", "connectors.conformance"))]
