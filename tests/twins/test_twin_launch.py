"""Twins are found by module: ours by name, those of other packages by dotted path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin, TwinFailed

_ELSEWHERE = """
import argparse
from connectors.simulated.server import Answer, Request, Service, answer_json

class Echo(Service):
    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def hello(self) -> dict[str, object]:
        return {"word": self.word}

    def admin_route(self, method: str, path: str, body: object) -> object:
        return {"word": self.word, "base": self.base}

def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--word", default="")
    parser.add_argument("--name", default="")

def make(options: argparse.Namespace) -> Echo:
    return Echo(options.word + options.name)
"""


def _run(*argv: str, path: str = "") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-P", "-m", "connectors.simulated", *argv]
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30, env=env)


def test_a_twin_of_another_package_is_found_by_its_dotted_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "elsewhere_shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "twin.py").write_text(_ELSEWHERE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Twin("elsewhere_shop.twin", word="ink", name="pot") as twin:
        assert twin.hello["word"] == "inkpot"
        assert twin.admin("GET", "word") == {"word": "inkpot", "base": twin.url}


@pytest.mark.parametrize("name", ["nosuch", "nosuch.twin", "connectors.simulated.nosuch"])
def test_a_twin_that_does_not_exist_is_wrong_usage(name: str) -> None:
    ended = _run(name)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"there is no twin {name}" in ended.stderr


def test_a_module_that_is_no_twin_is_wrong_usage() -> None:
    ended = _run("faults")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "connectors.simulated.faults is no twin" in ended.stderr


def test_a_twin_that_needs_what_is_not_installed_says_so(tmp_path: Path) -> None:
    (tmp_path / "hungry.py").write_text("import no_such_package_at_all\n")
    (tmp_path / "hungry_house").mkdir()
    (tmp_path / "hungry_house" / "twin.py").write_text("import hungry\n")
    ended = _run("hungry_house.twin", path=str(tmp_path))
    assert ended.returncode == 1
    assert "no_such_package_at_all" in ended.stderr


@pytest.mark.parametrize("argv", [(), ("--port", "1"), ("carrier", "--colour", "red")])
def test_a_missing_name_or_an_unknown_option_is_wrong_usage(argv: tuple[str, ...]) -> None:
    ended = _run(*argv)
    assert (ended.returncode, ended.stdout) == (2, "")


def test_help_shows_the_twins_own_options() -> None:
    ended = _run("woocommerce", "--help")
    assert ended.returncode == 0
    assert "--no-orderby-modified" in ended.stdout
    assert "--port" in ended.stdout


def test_a_twin_begins_anew_in_the_same_process_with_other_options() -> None:
    with Twin("woocommerce", orders=3, plain=True, seed=5) as twin:
        before, url, pid = dict(twin.hello), twin.url, twin.pid
        assert len(twin.admin("GET", "orders")) == 3
        twin.admin("POST", "faults", {"rate": 1})
        assert twin.anew(orders=1, plain=True, seed=6) is twin
        assert (twin.url, twin.pid, twin.lives) == (url, pid, 2)
        assert twin.hello["consumer_key"] != before["consumer_key"]
        assert len(twin.admin("GET", "orders")) == 1
        assert sum(twin.admin("GET", "calls")["calls"].values()) == 0
        with pytest.raises(TwinFailed):
            twin.admin("GET", "anew")


def test_the_back_door_is_asked_again_after_it_refused() -> None:
    with Twin("woocommerce", orders=1, plain=True) as twin:
        with pytest.raises(TwinFailed):
            twin.admin("GET", "nonsense")
        assert len(twin.admin("GET", "orders")) == 1
