"""The ear: two keys count as apart where nothing lay between them for certain, or where nothing speaks for a scan."""

import os
from threading import Event, Thread

import pytest
from textual import events
from textual.message import Message

from console.hearing import IDLE_S, REST_S, Hearing, listen

WINDOW_S = 0.040


def heard(*pieces: tuple[float, int], looked_at: tuple[float, ...] = ()) -> list[float]:
    """The times that pieces of (time, printable keys) count as; `looked_at`: when the ear found nothing to read."""
    ear = Hearing(WINDOW_S)
    times = []
    for now, printable in sorted((*pieces, *((t, -1) for t in looked_at))):
        if printable < 0:
            ear.silence(now)
        else:
            times.append(ear.heard(printable, now))
    return times


def test_a_key_counts_from_when_it_was_read() -> None:
    assert heard((1.0, 1), (1.012, 1), (2.0, 1), looked_at=(1.06,)) == [1.0, 1.012, 2.0]


@pytest.mark.parametrize("looked_at", [(), (1.039,)])
def test_keys_like_a_scan_are_close_where_nobody_looked_between_them(looked_at: tuple[float, ...]) -> None:
    _first, second = heard((1.0, 1), (1.2, 2), looked_at=looked_at)
    assert 1.0 < second < 1.0 + WINDOW_S
    *_rest, third = heard((1.0, 1), (1.012, 1), (1.2, 1), looked_at=())
    assert 1.012 < third < 1.012 + WINDOW_S


def test_two_single_keys_are_a_persons_even_where_nobody_looked() -> None:
    assert heard((1.0, 1), (1.2, 1)) == [1.0, 1.2]


def test_a_window_of_silence_parts_any_keys() -> None:
    assert heard((1.0, 3), (1.2, 3), looked_at=(1.041,)) == [1.0, 1.2]


def test_what_came_apart_is_no_scan_with_what_came_before_it() -> None:
    assert heard((1.0, 3), (1.2, 1), (1.4, 1), looked_at=(1.1,)) == [1.0, 1.2, 1.4]


def test_keys_that_type_nothing_make_no_scan() -> None:
    assert heard((1.0, 0), (1.012, 0), (1.2, 1)) == [1.0, 1.012, 1.2]


def test_the_ear_looks_up_a_window_behind_each_key() -> None:
    ear = Hearing(WINDOW_S)
    assert ear.wait_s(1.0) == REST_S
    ear.heard(1, 1.0)
    assert ear.wait_s(1.01) == pytest.approx(0.03)
    assert ear.wait_s(1.2) == 0
    ear.silence(1.2)
    assert ear.wait_s(1.2) == IDLE_S
    assert ear.wait_s(2.1) == REST_S


class Lost:
    """What `listen` needs of a driver, at a terminal that nobody holds any more."""

    def __init__(self) -> None:
        self.fileno, hand = os.pipe()
        os.write(hand, b"j")
        os.close(hand)
        self.exit_event = Event()
        self._debug = False
        self.heard: list[str] = []

    def process_message(self, message: Message) -> None:
        """Keep what a key says."""
        assert isinstance(message, events.Key)
        self.heard.append(message.key)


def test_the_ear_ends_with_its_terminal_also_where_it_was_begun_anew() -> None:
    lost = Lost()
    ear = Thread(target=listen, args=(lost, Hearing(WINDOW_S)), daemon=True)
    ear.start()
    ear.join(10)
    ended = not ear.is_alive()
    lost.exit_event.set()
    ear.join()
    os.close(lost.fileno)
    assert (lost.heard, ended) == (["j"], True)
