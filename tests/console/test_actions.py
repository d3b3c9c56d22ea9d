"""One table of actions: every command can be reached by keys, is explained, and has its twin on the command line."""

import argparse
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.actions import (
    ACTIONS,
    ALL,
    CONSOLE,
    KEY_NAMES,
    Action,
    backward_of,
    forward_of,
    key_name,
    keymap,
    only_looks,
)
from console.cli import build_parser
from console.deeds import Deeds
from console.help import help_lines
from console.places.orders import Orders
from console.wording import SUBLISTS
from domain.clock import now
from domain.commands import COMMANDS
from domain.enums import STATUSES, Stage
from store import lists

STAGES = [s for s in Stage if s is not Stage.CLOSED]
EVERY_COMMAND = sorted([*COMMANDS, "merge"])
BOTH_WAYS = {"approve", "waybill", "to-print", "in-stock", "ship", "collect", "back", "recall"}
"""Commands behind `n` and `b`."""


def orders_on(stage: Stage) -> Orders:
    """The place of orders at a stage, with an empty list and no screen."""
    app = SimpleNamespace(eyes=None, clock=now)
    desk = SimpleNamespace(
        console_app=app, styles_by_name=dict, rows=SimpleNamespace(cursor=0, top=0), places={}, counts=None, place=None
    )
    place = Orders(cast(Any, desk))
    place.stage = stage
    desk.places["orders"] = desk.place = place
    return place


def offered(stage: Stage) -> list[Action]:
    """What F2 lists on a stage."""
    deeds = Deeds(cast(Any, orders_on(stage).desk))
    return [action for action, _why in deeds.offers()]


def helped(stage: Stage) -> str:
    return "\n".join("".join(text for text, _style in line) for line in help_lines(keymap({}), stage))


def sub_commands() -> dict[str, argparse.ArgumentParser]:
    parser = build_parser()
    for group in parser._subparsers._group_actions if parser._subparsers else []:
        return dict(cast(Any, group).choices)
    raise AssertionError("there are no sub-commands")


def reached_by(command: str) -> Iterator[tuple[Stage, str]]:
    """(stage, key) that gives a command, `n` and `b` included."""
    action = ALL[command]
    for stage in STAGES:
        for sublist, _title in SUBLISTS[stage]:
            for status in ("", *STATUSES[stage]):
                if forward_of(stage, sublist, status) == command:
                    yield stage, "n"
        if stage is not Stage.REVIEW and backward_of(stage) == command:
            yield stage, "b"
        if stage in action.acts_in:
            for key in action.keys:
                yield stage, key


# ------------------------------------------------------------------ every command


def test_every_command_of_the_pipeline_stands_in_the_table() -> None:
    assert {a.name for a in ACTIONS} == set(EVERY_COMMAND)
    assert "undo" in ALL


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_is_offered_by_f2_wherever_it_works(command: str) -> None:
    action = ALL[command]
    assert action.acts_in, "it works somewhere"
    for stage in STAGES:
        names = [a.name for a in offered(stage)]
        assert names.count(command) == (1 if stage in action.acts_in else 0), stage
        assert "undo" in names


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_has_a_line_in_the_help_of_its_stages(command: str) -> None:
    action = ALL[command]
    assert action.title
    assert len(action.help) > 5
    for stage in action.acts_in:
        if stage is not Stage.CLOSED:
            assert action.help in helped(stage)


@pytest.mark.parametrize("command", [*EVERY_COMMAND, "undo"])
def test_every_command_is_a_sub_command_that_explains_itself(command: str) -> None:
    parser = sub_commands()[command]
    assert len(parser.format_help()) > 100
    taken = {option for a in parser._actions for option in a.option_strings}
    assert {"--json", "--dry-run"} <= taken or command == "undo"
    for option in ALL[command].options:
        assert f"--{option.name}" in taken or option.name in {a.dest for a in parser._actions}, option.name


@pytest.mark.parametrize("stage", STAGES)
def test_the_footer_shows_the_forward_key_and_keys_that_act_here(stage: Stage) -> None:
    footer = orders_on(stage).footer()
    assert footer[0][0].name == "forward"
    assert ALL[forward_of(stage, SUBLISTS[stage][0][0], "")].title in footer[0][1]
    for action, label in footer:
        assert label
        assert action.keys
        assert not action.command or stage in action.acts_in


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.name)
def test_a_command_with_a_key_has_its_place_in_the_footer(action: Action) -> None:
    assert bool(action.footer) == bool(action.keys)
    for stage in action.acts_in:
        shown = [a.name for a, _label in orders_on(stage).footer()]
        assert (action.name in shown) == bool(action.footer), stage


def test_commands_behind_forward_and_back_are_the_steps_of_the_pipeline() -> None:
    assert {c for c in EVERY_COMMAND if any(k in "nb" for _s, k in reached_by(c))} == BOTH_WAYS
    for stage in STAGES:
        for sublist, _title in SUBLISTS[stage]:
            for status in ("", *STATUSES[stage]):
                assert stage in ALL[forward_of(stage, sublist, status)].acts_in, (stage, sublist, status)
        if stage is not Stage.REVIEW:
            assert stage in ALL[backward_of(stage)].acts_in


def test_out_of_stock_and_failed_have_a_forward_key_of_their_own() -> None:
    assert forward_of(Stage.TO_PRINT, "out_of_stock", "") == "in-stock"
    assert forward_of(Stage.TO_PRINT, "in_stock", "out_of_stock") == "in-stock"
    assert forward_of(Stage.TO_PRINT, "in_stock", "in_stock") == "ship"
    assert forward_of(Stage.WAYBILL, "failed", "") == forward_of(Stage.WAYBILL, "all", "failed") == "waybill"


def test_every_sub_list_of_a_stage_is_one_that_the_store_knows() -> None:
    for stage in STAGES:
        assert {name for name, _title in SUBLISTS[stage]} <= set(lists.SUBLISTS)


# ------------------------------------------------------------------ keys


def test_no_key_means_two_things() -> None:
    seen: dict[str, str] = {}
    for action in ALL.values():
        for key in action.keys:
            assert key not in seen, (key, seen.get(key), action.name)
            seen[key] = action.name
    assert len(ALL) == len(ACTIONS) + len(CONSOLE), "no name stands twice"


def test_the_keys_of_the_mock_mean_what_it_says() -> None:
    meant = {key: action.name for key, action in keymap({}).items()}
    assert meant == {
        **{str(n): f"stage_{n}" for n in range(1, 6)},
        **{"6": "jobs", "7": "today", "8": "stock", "9": "settings", "0": "everything"},
        **{"left": "left", "right": "right", "up": "up", "down": "down", "pageup": "page_up", "pagedown": "page_down"},
        **{"home": "home", "end": "end", "j": "down", "k": "up", "g": "home", "G": "end"},
        **{"/": "filter", "f3": "filter", "!": "problems", "f8": "problems", "enter": "detail", "l": "last"},
        **{"?": "help", "f1": "help", ":": "palette", "f2": "palette", "o": "sort", "f10": "station", "i": "station"},
        **{"escape": "escape", "space": "mark", "insert": "mark", "a": "mark_all", "f6": "mark_all", "A": "unmark"},
        **{"v": "mark_range", "*": "mark_invert", "n": "forward", "f9": "forward", "b": "backward", "e": "address"},
        **{"s": "assign", "c": "customs", "w": "note", "f": "flag", "h": "hold", "m": "merge", "p": "print"},
        **{"P": "push", "t": "retry", "f7": "retry", "x": "ignore", "delete": "close", "u": "undo", "f4": "undo"},
        **{"r": "refresh", "f5": "refresh", "R": "sync", "O": "person", "q": "quit", "y": "copy"},
    }


def works_with_an_input_method(key: str) -> bool:
    """Keys that an input method lets through: F-keys, digits, arrows, Enter, Space, Del and the like."""
    return key.isdecimal() or key in KEY_NAMES


@pytest.mark.parametrize("action", [a for a in ALL.values() if a.keys], ids=lambda a: a.name)
def test_every_letter_has_a_twin_that_works_with_an_input_method(action: Action) -> None:
    if any(works_with_an_input_method(key) for key in action.keys):
        return
    for stage in STAGES:
        if not action.acts_in or stage in action.acts_in:
            assert action.name in {a.name for a in offered(stage)}, "it stands in the numbered palette"


def test_what_has_no_key_at_all_stands_in_the_palette() -> None:
    for action in ALL.values():
        if not action.keys:
            for stage in action.acts_in or STAGES:
                assert action.name in {a.name for a in offered(stage)}, action.name


def test_the_palette_begins_with_the_next_step_and_names_nothing_twice() -> None:
    for stage in STAGES:
        names = [a.name for a in offered(stage)]
        assert names[0] == forward_of(stage, SUBLISTS[stage][0][0], "")
        assert len(names) == len(set(names))


def test_no_key_is_taken_that_a_terminal_a_desktop_or_a_multiplexer_wants() -> None:
    for action in ALL.values():
        for key in action.keys:
            assert not re.search(r"alt|ctrl|meta|super|shift", key), (action.name, key)
            assert len(key) == 1 or key in KEY_NAMES, key
            assert key.isascii()
            assert key_name(key)


def test_only_keys_that_change_nothing_act_at_once() -> None:
    keys = keymap({})
    at_once = {key for key, action in keys.items() if only_looks(action, key)}
    assert at_once == {
        *"0123456789jkgG/!l?:o",
        *("left", "right", "up", "down", "pageup", "pagedown", "home", "end", "enter", "escape"),
        *("f1", "f2", "f3", "f8", "f10"),
    }
    for action in ACTIONS:
        assert not action.looks


def test_a_person_may_have_keys_of_their_own() -> None:
    mine = keymap({"hold": ["z"], "retry": ["T", "f12"], "station": []})
    assert (mine["z"].name, mine["T"].name, mine["f12"].name) == ("hold", "retry", "retry")
    assert "h" not in mine
    assert "t" not in mine
    assert "f7" not in mine
    assert "i" not in mine
    assert "f10" not in mine
    assert mine["n"].name == "forward", "the others stay"
    text = "\n".join("".join(t for t, _s in line) for line in help_lines(mine, Stage.REVIEW))
    assert re.search(r"^ +z +Hold", text, re.MULTILINE), "the help names the person's own keys"


# ------------------------------------------------------------------ help of the console's own


@pytest.mark.parametrize("stage", STAGES)
def test_every_action_of_the_console_stands_in_the_help(stage: Stage) -> None:
    text = helped(stage)
    for action in CONSOLE:
        if action.name == "forward":
            assert ALL[forward_of(stage, "all", "")].help in text
        elif action.name == "backward":
            assert stage is Stage.REVIEW or ALL[backward_of(stage)].help in text
        else:
            assert action.help in text, action.name


def test_what_a_key_does_a_sub_command_does_without_a_terminal() -> None:
    known = sub_commands()
    for action in CONSOLE:
        word = action.sub.partition(" ")[0]
        if word and not word.startswith("-") and action.name != "station":
            assert word in known, (action.name, action.sub)
