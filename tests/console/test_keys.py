"""The key gate: a person's keys act, a scanner's, an input method's and a paste's never do."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from console.actions import keymap, only_looks
from console.keys import REPEAT_S, WINDOW_S, Gate, Key, named

KEYMAP = keymap({})
CHANGING = sorted(k for k, a in KEYMAP.items() if len(k) == 1 and not only_looks(a, k))
TICK_S = 0.005

Acted = list[tuple[str, float]]
"""(key, when it was pressed) of what acted, in the order in which it acted."""


def looks(name: str) -> bool:
    """As the desk tells it: what means nothing changes nothing."""
    action = KEYMAP.get(name)
    return action is None or only_looks(action, name)


def key(text: str, at: float) -> Key:
    """One key: a letter, Enter as a newline, or the name of a key that types nothing."""
    if text == "\n":
        return named("enter", "\r", at)
    return named(text, text if len(text) == 1 else None, at)


def typed(text: str, gap_s: float, start: float = 0.0) -> list[Key]:
    return [key(character, start + n * gap_s) for n, character in enumerate(text)]


def play(keys: Iterable[Key], *, busy: bool = False, gate: Gate | None = None) -> tuple[Acted, list[str]]:
    """Feed keys as the app does; what acted, and the bursts. `busy`: the app comes to its timers only in the end."""
    gate = gate or Gate(looks)
    acted: Acted = []
    bursts: list[str] = []
    asked_at = 0.0

    def settle(until: float) -> None:
        nonlocal asked_at
        while gate.pending is not None and asked_at < until:
            verdict = gate.due(asked_at)
            if verdict.act is not None:
                acted.append((verdict.act.name, verdict.act.at))
            asked_at += TICK_S

    for each in keys:
        if not busy:
            settle(each.at)
        verdict = gate.feed(each)
        if verdict.burst:
            bursts.append(verdict.burst)
        if verdict.act is not None:
            acted.append((verdict.act.name, verdict.act.at))
        if verdict.wait is not None:
            asked_at = verdict.wait.at + WINDOW_S
    settle(float("inf"))
    return acted, bursts


def changing(acted: Acted) -> list[str]:
    return [name for name, _at in acted if not looks(name)]


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("gap_s", [0.0, 0.012])
@pytest.mark.parametrize("text", ["U:anna\n", "SF1234567890123\n", "nnn", "nnn\n", "n\n", "qy\n", "hold\n"])
def test_a_scan_a_badge_and_a_committed_word_change_nothing(text: str, gap_s: float, busy: bool) -> None:
    acted, bursts = play(typed(text, gap_s), busy=busy)
    assert changing(acted) == []
    assert len(acted) <= 1, "at most its first key may have looked"
    assert bursts[-1] == text.strip(), "what came is told whole"


def test_enter_at_the_end_of_a_burst_is_swallowed_and_its_text_is_told() -> None:
    acted, bursts = play(typed("K000217\n", 0.012))
    assert "enter" not in [name for name, _at in acted]
    assert bursts[-1] == "K000217"


def test_the_second_half_of_a_line_end_opens_no_detail_either() -> None:
    keys = [*typed("K000217\n", 0.005), named("ctrl+j", "\n", 0.040)]
    assert "enter" not in [name for name, _at in play(keys)[0]]


def test_a_second_scan_right_behind_the_first_acts_no_more_than_the_first() -> None:
    acted, bursts = play([*typed("SF1\n", 0.012), *typed("nnn\n", 0.012, start=0.060)])
    assert changing(acted) == []
    assert bursts[-1].strip() == "nnn"


def test_a_held_key_that_looks_goes_on() -> None:
    acted, bursts = play([key("j", 0.0), *(key("j", 0.3 + n * 0.03) for n in range(30))])
    assert [name for name, _at in acted] == ["j"] * 31
    assert bursts == []


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("name", ["n", "h", "space", "f9", "delete"])
@pytest.mark.parametrize("every_ms", [30, 33, 40, 45, 60, 80, 100])
@pytest.mark.parametrize("first_ms", [225, 250, 400, 500, 660, 1000])
def test_a_held_key_that_changes_something_acts_once(first_ms: int, every_ms: int, name: str, busy: bool) -> None:
    text = " " if name == "space" else name
    keys = [key(text, 0.0), *(key(text, (first_ms + n * every_ms) / 1000) for n in range(40))]
    acted, _bursts = play(keys, busy=busy)
    assert acted == [(name, 0.0)]


@pytest.mark.parametrize("every_ms", [30, 45, 60, 80, 100])
def test_a_key_that_repeats_from_its_first_moment_on_acts_once_at_most(every_ms: int) -> None:
    acted, _bursts = play([key("n", n * every_ms / 1000) for n in range(40)])
    assert len(acted) <= 1


def test_a_held_key_is_not_told_as_a_scan_once_it_has_acted() -> None:
    assert play([key("n", 0.0), *(key("n", 0.5 + n * 0.03) for n in range(9))])[1] == []


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("name", ["n", "f9"])
def test_two_deliberate_presses_act_twice(name: str, busy: bool) -> None:
    assert play([key(name, 0.0), key(name, 0.3)], busy=busy)[0] == [(name, 0.0), (name, 0.3)]


def test_a_deliberate_second_press_waits_just_long_enough_to_be_told_from_a_repeat() -> None:
    gate = Gate(looks)
    assert gate.feed(key("n", 0.0)).wait is not None
    assert gate.due(WINDOW_S).act == key("n", 0.0)
    gate.feed(key("n", 0.3))
    assert gate.due(0.3 + WINDOW_S).act is None
    assert gate.due(0.3 + REPEAT_S).act == key("n", 0.3)
    gate.feed(key("n", 2.0))
    assert gate.due(2.0 + WINDOW_S).act == key("n", 2.0), "long after it, the usual time is enough"


def test_a_key_that_changes_something_waits_and_one_that_looks_does_not() -> None:
    gate = Gate(looks)
    assert gate.feed(key("j", 0.0)).act == key("j", 0.0)
    verdict = gate.feed(key("n", 1.0))
    assert verdict.act is None
    assert verdict.wait == key("n", 1.0)
    assert gate.due(1.0 + WINDOW_S - 0.001).act is None
    assert gate.due(1.0 + WINDOW_S).act == key("n", 1.0)
    assert gate.due(9.0).act is None, "once"


def test_quit_station_and_copy_wait_although_they_only_look() -> None:
    for name in "qiy":
        assert play([key(name, 0.0), key("x", 0.012)])[0] == []
        assert play([key(name, 0.0)])[0] == [(name, 0.0)]


def test_keys_act_in_the_order_in_which_they_came_however_busy_the_console_is() -> None:
    # The cursor must not move before `n` has acted on the row that it was pressed for.
    for last in ("j", "down", "h", "f9"):
        keys = [key("n", 0.0), key(last, 0.060)]
        assert play(keys)[0] == play(keys, busy=True)[0] == [("n", 0.0), (last, 0.060)]


def test_a_key_pressed_right_behind_a_function_key_neither_overtakes_it_nor_doubles_it() -> None:
    assert play([key("f9", 0.0), key("j", 0.020)])[0] == [("f9", 0.0), ("j", 0.020)]
    both, _bursts = play([key("f9", 0.0), key("n", 0.020)])
    assert len(both) == 1, "both mean forward: one step"
    assert play([key("f9", 0.0), *typed("nnn", 0.012, 0.012)])[0] == []


def test_an_arrow_within_the_window_drops_what_waits() -> None:
    assert play([key("n", 0.0), key("down", 0.020)])[0] == [("down", 0.020)]


def test_what_waits_can_be_forgotten() -> None:
    gate = Gate(looks)
    gate.feed(key("n", 0.0))
    gate.forget()
    assert gate.due(9.0).act is None


def test_without_a_window_every_key_acts_at_once() -> None:
    gate = Gate(looks, 0)
    assert [gate.feed(k).act for k in typed("nnj", 0.0)] == typed("nnj", 0.0)


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("ｎ", "n"),
        ("／", "/"),
        ("：", ":"),
        ("？", "?"),
        ("！", "!"),
        ("＊", "*"),
        ("１", "1"),
        ("Ｒ", "R"),
        ("\u3000", "space"),
    ],
)
def test_full_width_forms_mean_their_plain_keys(character: str, name: str) -> None:
    found = named("whatever_the_terminal_calls_it", character, 0.0)
    assert found.name == name
    assert name in KEYMAP
    assert found.text, "it is printable: several of them are a burst"
    assert changing(play([named("", character, n * 0.012) for n in range(3)])[0]) == []


@pytest.mark.parametrize("character", ["ª", "²", "ⁿ", "①", "ℎ", "𝐧", "\u00a0", "ф", "审", "é"])
def test_other_look_alikes_mean_nothing(character: str) -> None:
    assert named("", character, 0.0).name not in KEYMAP


def test_a_control_character_types_nothing() -> None:
    assert named("ctrl+n", "\x0e", 0.0) == Key("ctrl+n", "", 0.0)
    assert named("f9", None, 0.0) == Key("f9", "", 0.0)
    assert named("enter", "\r", 0.0).name == named("ctrl+j", "\n", 0.0).name == "enter"


NAMES = st.sampled_from(["n", "n", "h", "a", "space", "j", "k", "1", "enter", "x", "審", "f9", "f5", "delete", "down"])
GAPS = st.one_of(st.sampled_from([0, 1, 12, 30, 39, 40, 41, 45, 100, 119, 121, 300]), st.integers(0, 1500))
PRESSES = st.lists(st.tuples(NAMES, GAPS), max_size=25)


def pressed(presses: Sequence[tuple[str, int]]) -> list[Key]:
    keys, at = [], 0
    for name, gap in presses:
        at += gap
        text = {"space": " ", "enter": "\n"}.get(name, name)
        keys.append(key(text, at / 1000))
    return keys


@given(PRESSES, st.booleans())
@example([("n", 0), ("f5", 20), ("h", 10)], False)
@example([("n", 0), ("n", 60), ("h", 30)], True)
def test_no_changing_key_acts_that_has_another_printable_key_close_to_it(
    presses: list[tuple[str, int]], busy: bool
) -> None:
    keys = pressed(presses)
    acted, _bursts = play(keys, busy=busy)
    for number, each in enumerate(keys):
        if not each.text or looks(each.name):
            continue
        near = [k for n, k in enumerate(keys) if n != number and k.text and abs(k.at - each.at) < WINDOW_S]
        if near:
            assert (each.name, each.at) not in acted, (each, near)


@given(PRESSES, st.booleans())
def test_every_key_acts_at_most_once_and_in_order(presses: list[tuple[str, int]], busy: bool) -> None:
    keys = pressed(presses)
    acted, _bursts = play(keys, busy=busy)
    times = [at for _name, at in acted]
    assert times == sorted(times)
    left = [(k.name, k.at) for k in keys]
    for each in acted:
        left.remove(each)


@given(PRESSES)
def test_a_changing_key_that_stands_alone_acts(presses: list[tuple[str, int]]) -> None:
    keys = pressed(presses)
    acted, _bursts = play(keys)
    for number, each in enumerate(keys):
        alone = all(abs(k.at - each.at) >= WINDOW_S for n, k in enumerate(keys) if n != number)
        again = any(k.name == each.name and 0 <= each.at - k.at < 2.0 for k in keys[:number])
        held = any(k.name == each.name and 0 <= k.at - each.at < REPEAT_S for k in keys[number + 1 :])
        if alone and not again and not held:
            assert (each.name, each.at) in acted, each
