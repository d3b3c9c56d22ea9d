"""`config.toml`: read whole or refused in one sentence, written so that it reads back the same."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from console.actions import ALL
from console.config import Config, check_keys, config_file, load, save
from domain.results import Refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "conf" / "config.toml"


def given_text(file: Path, text: str | bytes) -> Config | Refused:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(file)


def refused(answer: Config | Refused | None, *words: str) -> None:
    assert isinstance(answer, Refused), answer
    for word in words:
        assert word in answer.message
    assert "\n" not in answer.message.strip(), "it is said in one line"


def test_a_missing_file_is_an_empty_one(file: Path) -> None:
    assert load(file) == Config(file)


def test_the_environment_names_the_file(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setenv("SHIPDECK_CONFIG", str(file))
    assert config_file() == file
    assert load() == Config(file)
    monkeypatch.delenv("SHIPDECK_CONFIG")
    assert config_file().name == "config.toml"


def test_what_it_may_hold_is_read(file: Path) -> None:
    found = given_text(
        file,
        'language = "zh"\ntheme = "shipdeck-light"\nterminal = "2号台"\noperator = "安娜"\n'
        '[keys]\nhold = ["z"]\nsort = "Z"\nstation = []\n',
    )
    assert found == Config(file, "zh", "shipdeck-light", "2号台", "安娜", {"hold": ["z"], "sort": ["Z"], "station": []})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("language = ", ("TOML",)),
        ("language", ("TOML",)),
        ('language = "en"\nlanguage = "zh"', ("TOML",)),
        (b"\xff\xfe\x00", ("cannot be read",)),
        ('colour = "red"', ("colour",)),
        ("language = 7", ("language",)),
        ("theme = true", ("theme",)),
        ('terminal = ["a"]', ("terminal",)),
        ("operator = {}", ("operator",)),
        ('keys = "n"', ("keys",)),
        ("keys = 3", ("keys",)),
        ("[keys]\nhold = 3", ("keys.hold",)),
        ("[keys]\nhold = [3]", ("keys.hold",)),
        ('[keys]\nhold = [""]', ("keys.hold",)),
        ('[keys]\nhold = ""', ("keys.hold",)),
        ('[keys]\nhold = {a = "b"}', ("keys.hold",)),
        ('[keys]\nfly = ["z"]', ("fly",)),
        ('[keys]\nhold = ["n"]', ("n", "hold", "forward")),
        ('[keys]\nhold = ["z"]\nflag = ["z"]', ("z", "hold", "flag")),
        ('[keys]\napprove = ["f9"]', ("f9", "approve", "forward")),
    ],
)
def test_what_is_wrong_in_it_is_named(file: Path, text: str | bytes, words: tuple[str, ...]) -> None:
    refused(given_text(file, text), str(file), *words)


def test_a_folder_in_its_place_is_refused(file: Path) -> None:
    file.mkdir(parents=True)
    refused(load(file), "cannot be read")


def test_a_key_given_away_may_be_taken(file: Path) -> None:
    found = given_text(file, '[keys]\nforward = ["f9"]\napprove = ["n"]\n')
    assert isinstance(found, Config)
    assert check_keys(found) is None


def test_a_key_named_twice_for_one_action_means_one_thing(file: Path) -> None:
    assert isinstance(given_text(file, '[keys]\nhold = ["h", "h"]\n'), Config)


def test_the_table_itself_has_no_clash(file: Path) -> None:
    assert check_keys(Config(file)) is None


def test_a_long_name_is_cut(file: Path) -> None:
    found = given_text(file, f'terminal = "{"x" * 500}"')
    assert isinstance(found, Config)
    assert len(found.terminal) == 80


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=80)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    TEXTS, TEXTS, st.dictionaries(st.sampled_from(sorted(ALL)), st.lists(TEXTS.filter(bool), max_size=3), max_size=3)
)
@example('say "hi" \\ and', "2号台\t\n\x7f\u200b\U000e0001\U0001f600", {"stage_1": ['"'], "take-out": ["\\"]})
def test_what_was_written_reads_back_the_same(
    tmp_path: Path, terminal: str, operator: str, keys: dict[str, list[str]]
) -> None:
    config = Config(tmp_path / "config.toml", "zh", "nord", terminal, operator, keys)
    if check_keys(config) is not None:
        config.keys = {}
    assert save(config) is None
    assert load(config.file) == config


def test_a_name_that_is_no_text_does_not_make_the_file_unreadable(file: Path) -> None:
    assert save(Config(file, terminal="host\ud800", operator="anna")) is None
    found = load(file)
    assert isinstance(found, Config)
    assert found.operator == "anna"
    assert found.terminal == "host\ufffd"


def test_what_is_empty_is_not_written(file: Path) -> None:
    assert save(Config(file, language="en")) is None
    assert file.read_text() == 'language = "en"\n'
    assert os.listdir(file.parent) == ["config.toml"], "nothing half-written stays behind"


def test_a_folder_that_cannot_be_written_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    refused(save(Config(blocked / "conf" / "config.toml", language="en")), "cannot be written")
    there = tmp_path / "config.toml"
    assert save(Config(there, language="zh")) is None
    (tmp_path / "config.part").mkdir()
    refused(save(Config(there, language="en")), "cannot be written")
    assert there.read_text() == 'language = "zh"\n'
