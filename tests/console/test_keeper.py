"""The console's own worker: started where none lives, replaced when it dies or freezes, let go in peace."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from console.keeper import COMMAND, FROZEN_MS, LOOK_S, START_MS, Keeper
from domain.clock import HOUR, MINUTE, SECOND, Instant
from store.place import Place, find

LISTENS = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
"""A child that writes down what it was told once its standard input has closed."""
TELLS = """
import os, sys
told = [os.environ["SHIPDECK_DB"], os.environ["SHIPDECK_KEY_FILE"], *sys.argv]
open(sys.argv[1], "w").write("\\n".join(told))
"""
DIES = "raise SystemExit(1)"
START: Instant = 1_790_000_000_000


class Kept:
    """A keeper with a clock of its own and a stand-in for the worker."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.out = place, folder / "told"
        self.now = START
        self.said: list[str] = []
        self.keepers: list[Keeper] = []

    def keeper(self, script: str, command: Sequence[str] = ()) -> Keeper:
        made = Keeper(
            self.place,
            lambda: self.now,
            self.said.append,
            command or (sys.executable, "-c", script, str(self.out)),
        )
        self.keepers.append(made)
        return made

    def told(self, keeper: Keeper) -> bytes:
        """What its child was told by the time it ended."""
        assert keeper._child is not None
        assert keeper._child.wait(20) == 0
        return self.out.read_bytes()


@pytest.fixture
def kept(sqlite_place: Place, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(sqlite_place, tmp_path)
    yield made
    for keeper in made.keepers:
        keeper._kill()


def pid(keeper: Keeper) -> int:
    assert keeper._child is not None
    return keeper._child.pid


def ended(keeper: Keeper) -> None:
    """Wait for the child's end without taking notice of it for the keeper."""
    assert keeper._child is not None
    keeper._child.wait(20)


def test_a_worker_is_started_where_none_lives(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    assert not keeper.child_alive
    assert keeper.look(None) == "started"
    assert keeper.child_alive
    assert keeper.look(None) == "", "it has its time to begin"
    kept.now += START_MS
    assert keeper.look(kept.now - SECOND) == ""
    assert keeper.deaths == 0


def test_no_worker_is_started_where_one_lives(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    assert keeper.look(START - SECOND) == ""
    assert not keeper.child_alive
    kept.now += FROZEN_MS
    assert keeper.look(START - SECOND) == "started", "the other one has fallen silent"


def test_a_beat_of_the_future_is_no_sign_of_life(kept: Kept) -> None:
    """The clock was put back by eight hours and the old worker is dead: its last beat lies ahead."""
    keeper = kept.keeper(LISTENS)
    assert keeper.look(kept.now + 8 * HOUR) == "started"


def test_a_killed_worker_is_replaced_at_once(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    keeper.look(None)
    first = pid(keeper)
    kept.now += MINUTE
    os.kill(first, signal.SIGKILL)
    ended(keeper)
    assert not keeper.child_alive
    assert keeper.look(kept.now - SECOND) == "died", "its last word is no sign of life"
    assert keeper.child_alive
    assert pid(keeper) != first
    assert keeper.deaths == 1


def test_a_frozen_worker_is_killed_after_its_silence_and_replaced(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    keeper.look(None)
    frozen = pid(keeper)
    os.kill(frozen, signal.SIGSTOP)
    beat = kept.now + MINUTE
    kept.now = beat + FROZEN_MS - 1
    assert keeper.look(beat) == ""
    assert pid(keeper) == frozen
    kept.now += 1
    assert keeper.look(beat) == "frozen"
    with pytest.raises(ProcessLookupError):
        os.kill(frozen, 0)
    assert keeper.child_alive
    assert pid(keeper) != frozen
    assert keeper.deaths == 1
    assert keeper.look(beat) == "", "the new one has its time to begin"


def test_a_worker_that_never_says_a_word_is_given_up(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    keeper.look(None)
    kept.now += max(START_MS, FROZEN_MS)
    assert keeper.look(None) == ""
    kept.now += 1
    assert keeper.look(None) == "frozen"


def test_a_worker_that_dies_at_its_start_is_not_started_over_and_over(kept: Kept) -> None:
    keeper = kept.keeper(DIES)
    begun = 0
    for _look in range(300):
        begun += keeper.look(None) == "started" or keeper.child_alive
        if keeper._child is not None:
            ended(keeper)
        kept.now += int(LOOK_S * SECOND)
    assert 5 < begun < 30, "ten minutes of looking every two seconds"
    assert keeper.deaths >= begun - 1


def test_a_worker_that_lived_well_for_a_while_is_replaced_without_a_pause(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    keeper.look(None)
    for _time in range(4):
        kept.now += MINUTE
        os.kill(pid(keeper), signal.SIGKILL)
        ended(keeper)
        assert keeper.look(kept.now - SECOND) == "died"
        assert keeper.child_alive


def test_a_worker_that_cannot_be_started_is_said(kept: Kept) -> None:
    keeper = kept.keeper("", ("/nowhere/python",))
    assert keeper.look(None) == "started"
    assert not keeper.child_alive
    assert kept.said == ["No such file or directory"]


def test_told_nothing_the_worker_meets_the_end_of_its_line(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    keeper.look(None)
    keeper.finish()
    assert kept.told(keeper) == b""


def test_stop_and_go_on_arrive_before_the_end_of_the_line(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    keeper.look(None)
    keeper.stop()
    assert kept.told(keeper) == b"stop\n"
    keeper = kept.keeper(LISTENS)
    keeper.look(None)
    keeper.leave_running()
    assert keeper.child_alive or kept.told(keeper) == b"go on\n"
    assert kept.told(keeper) == b"go on\n"


def test_a_word_to_nobody_and_a_second_word_do_no_harm(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    for word in (keeper.leave_running, keeper.finish, keeper.stop):
        word()
    keeper.look(None)
    keeper.leave_running()
    keeper.finish()
    keeper.stop()
    assert kept.told(keeper) == b"go on\n", "the first word counts"


async def test_its_end_is_waited_for_as_long_as_one_has_patience(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    assert await keeper.ended(0), "there is none"
    keeper.look(None)
    assert not await keeper.ended(0.01)
    keeper.finish()
    assert await keeper.ended(20)


def test_it_lives_in_a_session_of_its_own_and_is_told_its_database_by_the_environment(kept: Kept) -> None:
    keeper = kept.keeper(LISTENS)
    keeper.look(None)
    assert os.getsid(pid(keeper)) == pid(keeper), "Ctrl-C in the terminal does not reach it"
    keeper._kill()
    kept.place = find("postgresql://anna:secret@db.example.com/orders", kept.place.key_file)
    keeper = kept.keeper(TELLS)
    keeper.look(None)
    url, key_file, *arguments = kept.told(keeper).decode().split("\n")
    assert url == "postgresql://anna:secret@db.example.com/orders"
    assert key_file == str(kept.place.key_file)
    assert "secret" not in " ".join(arguments)


def test_what_is_started_is_a_worker_that_ends_with_the_console() -> None:
    assert COMMAND[0] == sys.executable
    assert "-P" in COMMAND, "the folder one stands in is not where its modules come from"
    assert COMMAND[COMMAND.index("console.cli") + 1] == "worker"
    assert "--until-stdin-closes" in COMMAND


def test_what_it_writes_is_kept_beside_the_database_and_for_its_owner_only(kept: Kept) -> None:
    keeper = kept.keeper("import sys; sys.stderr.write('hello')")
    keeper.look(None)
    ended(keeper)
    assert kept.place.file is not None
    log = kept.place.file.parent / "worker.log"
    assert log.read_text() == "hello"
    assert log.stat().st_mode & 0o077 == 0
