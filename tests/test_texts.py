"""Every text a user may see is in every language's catalogue, whole, and the language is the one that was asked for."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from bench import texts
from connectors.paper.text import label_font
from domain import words

FILES = texts.catalogue_files()
each_language = pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.parent.name)
MEND = "run `make texts` and fill in what it names"


source_texts, translations = cache(texts.source_texts), cache(texts.translations)
"""Read once: to parse the whole source is what half of the tests here would begin with."""


def test_every_language_but_that_of_the_source_has_a_catalogue() -> None:
    assert [code for code, _name in words.LANGUAGES[1:]] == [file.parent.parent.name.split("_")[0] for file in FILES]


def test_a_text_is_one_literal_so_that_it_can_be_found() -> None:
    assert [f"{file}:{line}" for file, line, text in texts.calls() if not text] == []


@each_language
def test_no_text_of_the_source_lacks_its_translation(file: Path) -> None:
    known = translations(file)
    assert [text for text in source_texts() if not known.get(text)] == [], MEND


@each_language
def test_no_translation_outlives_its_text(file: Path) -> None:
    assert sorted(translations(file).keys() - source_texts().keys()) == [], MEND


@each_language
def test_a_translation_has_the_placeholders_of_its_text(file: Path) -> None:
    said = {text: other for text, other in translations(file).items() if other}
    assert [text for text, other in said.items() if texts.placeholders(text) != texts.placeholders(other)] == []


@each_language
def test_a_translation_begins_and_ends_in_space_only_where_its_text_does(file: Path) -> None:
    """A text that ends in a colon and a space may end in the full-width colon, which brings its own."""
    wrong = [
        text
        for text, other in translations(file).items()
        if (other[:1].isspace(), other[-1:].isspace()) != (text[:1].isspace(), text[-1:].isspace())
        and not (other.endswith("：") and text.endswith(": "))
    ]
    assert wrong == []


@each_language
def test_the_compiled_catalogue_is_that_of_the_translations(file: Path) -> None:
    assert file.with_suffix(".mo").read_bytes() == texts.compiled(file), MEND


@each_language
def test_an_update_changes_nothing_the_second_time(file: Path) -> None:
    known = translations(file)
    once = texts.catalogue_of(file, source_texts(), known)
    assert texts.as_po(once) == texts.as_po(texts.catalogue_of(file, source_texts(), known))
    assert b"Date" not in texts.as_po(once)
    assert b"fuzzy" not in file.read_bytes()


@each_language
def test_the_label_font_can_print_what_stands_on_paper(file: Path) -> None:
    known, places = translations(file), source_texts()
    printed = [known.get(t, "") for t, files in places.items() if any(f.startswith("connectors/paper/") for f in files)]
    assert {letter for text in printed for letter in text if ord(letter) not in label_font().inked} == set()


def test_placeholders_are_found_whatever_stands_around_them() -> None:
    assert texts.placeholders("{n} of {total}, %s") == ["%s", "{n}", "{total}"]
    assert texts.placeholders("a share of 5 % is kept") != texts.placeholders("no share")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        *[(name, "zh") for name in ("zh", "zh_CN", "zh-CN", "zh_CN.UTF-8", "zh-Hans", "ZH", "zh.UTF-8", "zh_TW@x")],
        *[(name, "en") for name in ("en", "en_GB.UTF-8", "C", "POSIX", "C.UTF-8", "xx", "zhuang")],
    ],
)
def test_a_language_is_named_as_locales_are(asked: str, code: str) -> None:
    assert words.chosen({"SHIPDECK_LANG": asked}) == code


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "pl_PL.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LC_MESSAGES": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "C", "LC_MESSAGES": "zh_CN.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "zh_HK"}, "zh"),
        ({"SHIPDECK_LANG": "", "LANG": "zh_CN.UTF-8"}, "zh"),
        ({"SHIPDECK_LANG": "en", "LC_ALL": "zh_CN.UTF-8"}, "en"),
        ({"SHIPDECK_LANG": "zh", "LC_ALL": "C"}, "zh"),
        ({"LC_CTYPE": "zh_CN.UTF-8", "LANGUAGE": "zh_CN"}, "en"),
    ],
)
def test_the_language_is_the_programs_own_else_that_of_the_locale(environment: dict[str, str], code: str) -> None:
    assert words.chosen(environment) == code


def shipdeck(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program with no other word about its language than these."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SHIPDECK", "LC_", "LANG"))}
    return subprocess.run(
        [sys.executable, "-P", "-X", "utf8", "-m", "console.cli", *arguments],
        env=env | environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        cwd=texts.ROOT,
    )


@pytest.mark.parametrize("environment", [{"SHIPDECK_LANG": "zh"}, {"LANG": "zh_CN.UTF-8"}])
def test_the_command_line_speaks_chinese_to_those_who_ask_for_it(environment: dict[str, str]) -> None:
    shown = shipdeck("--help", **environment)
    assert shown.returncode == 0
    assert "审核通过" in shown.stdout
    assert "运单号" in shown.stdout
    assert "Approve" not in shown.stdout
    refused = shipdeck("list", "all", "--where", "country:XY nonsense:1", **environment)
    assert refused.returncode == 2
    assert "没有字段 nonsense" in refused.stderr


def test_the_command_line_speaks_english_to_everybody_else() -> None:
    assert "Approve" in shipdeck("--help").stdout
    assert "Approve" in shipdeck("--help", LANG="pl_PL.UTF-8").stdout


@pytest.mark.parametrize("command", ["approve", "shop", "carrier", "printer", "stock", "ship", "practice"])
def test_help_can_be_shown_in_chinese(command: str) -> None:
    """argparse fills `%` in help texts in: one too many in a translation would break the help, not the translation."""
    shown = shipdeck(command, "--help", SHIPDECK_LANG="zh")
    assert shown.returncode == 0, shown.stderr
    assert any("\u4e00" <= letter <= "\u9fff" for letter in shown.stdout)


def test_no_tool_for_translators_is_needed_to_run() -> None:
    program = "import sys; from console.cli import main; main(['--help']); assert 'babel' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-P", "-X", "utf8", "-c", program],
        env={**os.environ, "SHIPDECK_LANG": "zh"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        cwd=texts.ROOT,
    )
    assert done.returncode == 0, done.stderr
