"""Whatever reason code a person can meet stands in docs/cli.md with its meaning."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("connectors", "console", "domain", "pipeline", "store")
NOT_OURS = ("connectors/simulated/", "connectors/conformance/", "connectors/template/", "console/demo.py")
"""What twins say is theirs; the kit's cases speak to who writes a connector."""
NAMED = {"Refused", "NotActed", "Unauthorised", "Unknown", "Refusal", "Defect", "Poison", "BadOrder", "Exclusion"}
INSIDE = {"looked_not_found", "not_found_yet", "accepted"}
"""States of an effect between two looks; nobody is shown them as a reason."""


def words(given: ast.expr) -> Iterator[str]:
    """The literal texts that an argument may be."""
    if isinstance(given, ast.IfExp):
        yield from words(given.body)
        yield from words(given.orelse)
    elif isinstance(given, ast.BoolOp):
        for part in given.values:
            yield from words(part)
    elif isinstance(given, ast.Constant) and isinstance(given.value, str):
        yield given.value


def codes() -> Iterator[tuple[str, str]]:
    """(code, file) of every refusal, failure and defect that is made with a literal code."""
    for part in PARTS:
        for file in sorted((ROOT / part).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            if name.startswith(NOT_OURS):
                continue
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name | ast.Attribute):
                    continue
                called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                given = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "code")]
                for first in given if called in NAMED else ():
                    for code in words(first):
                        if re.fullmatch(r"[a-z]+(_[a-z]+)*", code):
                            yield code, name


def test_every_reason_code_stands_in_the_list() -> None:
    known = set(re.findall(r"`([a-z_…]+)`", (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")))
    known |= set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")))
    found = dict(codes())
    assert len(found) > 150, "the search finds what it is there for"
    assert {code: file for code, file in found.items() if code not in known | INSIDE} == {}
