"""The worked example of docs/connectors.md, run word for word."""

import re
import shlex
from pathlib import Path

from tests.conformance.stranger import ROOT, Shell, install_project

PAGE = ROOT / "docs" / "connectors.md"


def section(title: str) -> str:
    """A section of the page with everything under it."""
    text = PAGE.read_text(encoding="utf-8")
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1]


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of the fenced blocks, in their order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def words(line: str) -> str:
    return " ".join(line.split())


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path) -> None:
        self.home, self.at = folder, folder
        self.commands = self.changes = 0

    def console(self, block: str) -> None:
        """Commands after `$`; under each, lines that must stand in what it says."""
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _end, wanted = part.partition("\n")
            said = words(self.do(shlex.split(command), wanted))
            for line in wanted.splitlines():
                assert words(line) in said, f"{command}\nsays: {said[-900:]}\nnot:  {words(line)}"
            self.commands += 1

    def do(self, command: list[str], wanted: str) -> str:
        match command:
            case ["cd", folder]:
                self.at = self.at / folder
                return ""
            case ["pip", "install", "-e", "."]:
                install_project(self.at)
                return ""
            case ["shipdeck", *arguments]:
                fails = re.search(r" ([1-9]\d*) failed", wanted) is not None
                shell = Shell(self.home / "home", self.home / "shipdeck-mint")
                return shell(*arguments, exits=int(fails), cwd=self.at)
        raise AssertionError(f"the page wants {command}")

    def diff(self, block: str) -> None:
        """Hunks, each under the name of its file."""
        for hunk in re.split(r"^--- ", block, flags=re.MULTILINE)[1:]:
            name, _end, rows = hunk.partition("\n")
            lines = [(row[:1], row[1:]) for row in rows.splitlines()]
            old = "".join(f"{text}\n" for sign, text in lines if sign != "+")
            new = "".join(f"{text}\n" for sign, text in lines if sign != "-")
            file = self.at / name.strip()
            text = file.read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{name}: {text.count(old)} places for\n{old}"
            file.write_text(text.replace(old, new), encoding="utf-8")
            self.changes += 1


def test_the_worked_example_is_true(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for language, block in blocks(section("A platform in an hour")):
        assert language in {"console", "diff"}
        getattr(reader, language)(block)
    assert reader.commands >= 7
    assert reader.changes >= 4


def test_what_the_page_names_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((\.\./[^)#]+)", text):
        assert (PAGE.parent / target).exists(), target
