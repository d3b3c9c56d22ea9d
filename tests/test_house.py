"""House rules that no linter knows: SQL lives in the store, and what only looks stays light."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from domain.facts import ShopFacts
from domain.settings import ShopSettings
from pipeline.base import NOTHING
from store import accounts
from store.intake import Incoming, draft, insert_orders
from store.place import Place
from store.upgrade import open_store
from tests.domain.orders import an_order

ROOT = Path(__file__).parent.parent
SQL = re.compile(r"\s*(SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM|WITH)\s")
"""Keywords stand in capitals, as in every statement of ours; prose begins otherwise."""
HEAVY = ("sqlalchemy", "alembic", "httpx", "apscheduler", "reportlab", "pipeline", "connectors")


def sql_texts(source: str) -> list[tuple[int, str]]:
    """(line, text) of every string in a module that begins like an SQL statement, f-strings by their first part."""
    tree = ast.parse(source)
    inner = {id(v) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for v in node.values[1:]}
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner
        if SQL.match(node.value)
    ]


@pytest.mark.parametrize(
    "source",
    [
        'tx.rows("SELECT 1 FROM shop")',
        'tx.run("""\n   UPDATE shop SET name = :n""")',
        'f"DELETE FROM {table} WHERE id = :id"',
        'tx.run("INSERT INTO shop (id) VALUES (1)")',
        "'WITH gone AS (SELECT 1) SELECT 2'",
    ],
)
def test_a_statement_is_recognised_wherever_it_stands(source: str) -> None:
    assert sql_texts(source)


@pytest.mark.parametrize("source", ['"select a row"', '"With care"', '"Update the shop"', 'f"{n} SELECT it"'])
def test_prose_is_not_taken_for_a_statement(source: str) -> None:
    assert not sql_texts(source)


@pytest.mark.parametrize("package", ["console", "pipeline", "connectors", "domain"])
def test_no_sql_stands_outside_the_store(package: str) -> None:
    found = {
        f"{file.relative_to(ROOT)}:{line}": text
        for file in sorted((ROOT / package).rglob("*.py"))
        for line, text in sql_texts(file.read_text(encoding="utf-8"))
    }
    assert found == {}


@pytest.mark.parametrize("package", ["console", "pipeline"])
def test_only_the_store_knows_its_tables(package: str) -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and node.module == "store" and any(a.name == "tables" for a in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "store.tables")
        or (isinstance(node, ast.Import) and any(a.name == "store.tables" for a in node.names))
    ]
    assert wrong == []


def modules_after(*arguments: str) -> tuple[str, set[str]]:
    """What a command prints, and the modules its process has imported by its end."""
    program = f"""
import json, sys
from console.cli import main
assert main({list(arguments)!r}) == 0
sys.stderr.write(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture
async def small_database(tmp_path: Path) -> str:
    """A database with one shop and one order in review."""
    place = Place("", tmp_path / "small.sqlite", tmp_path / "key", tmp_path / "backups")
    store = await open_store(place)
    async with store.transaction() as tx:
        shop_id = await accounts.add_shop(tx, "woocommerce", "PL-Woo", {}, title="", zone="UTC", currency="PLN")
        shop = ShopFacts(shop_id, "PL-Woo", "woocommerce", "UTC", True, ShopSettings(), NOTHING)
        order = an_order(platform_order_id="77", number="77")
        await insert_orders(tx, shop, [draft(shop, Incoming(order, b"{}", b"digest"), False)])
    await store.close()
    return str(place.file)


@pytest.mark.parametrize("command", [["list", "review"], ["stages"], ["find", "77"], ["show", "77"]])
async def test_looking_needs_neither_the_writing_store_nor_any_connector(
    command: list[str], small_database: str
) -> None:
    shown, modules = modules_after(*command, "--db", small_database)
    assert "77" in shown or "review" in shown
    assert sorted(m for m in modules if m.split(".")[0] in HEAVY) == []


def test_asking_for_the_version_imports_next_to_nothing() -> None:
    shown, modules = modules_after("--version")
    assert shown.startswith("shipdeck ")
    ours = {m for m in modules if m.split(".")[0] in {"console", "pipeline", "connectors", "store", "domain"}}
    assert ours == {"console", "console.cli", "domain", "domain.words"}
    assert not {"msgspec", "textual", "asyncpg"} & modules
