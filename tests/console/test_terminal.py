"""The pseudo-terminal that other tests stand on, tried with small programs."""

import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.picture import Cell
from tests.console.terminal import PRESS_GAP_S, Emulator, Terminal, key_bytes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for what is left in /proc")

ECHO = """
import os, sys, termios, time, tty
before = termios.tcgetattr(0)
tty.setraw(0)
sys.stdout.write("ready\\r\\n"); sys.stdout.flush()
last = time.monotonic()
while True:
    data = os.read(0, 1024)
    now = time.monotonic()
    sys.stdout.write(f"{data!r} {(now - last) * 1000:.0f}ms\\r\\n"); sys.stdout.flush()
    last = now
    if data == b"q":
        break
termios.tcsetattr(0, termios.TCSADRAIN, before)
sys.exit(7)
"""
"""Writes what it reads, with the milliseconds since the read before; ends with code 7 at q."""


def python(program: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", program, *arguments]


def emulated(*pieces: bytes, rows: int = 4, columns: int = 20, ambiguous_wide: bool = False) -> tuple[Emulator, bytes]:
    emulator = Emulator(rows, columns, ambiguous_wide=ambiguous_wide)
    return emulator, b"".join(emulator.feed(piece) for piece in pieces)


def line(emulator: Emulator, row: int = 0) -> str:
    return "".join(emulator.screen.char(row, x) for x in range(emulator.screen.columns))


def held() -> set[str]:
    """Descriptors, reading threads and children of this process; the last include zombies."""
    fds = {f"fd {n}" for n in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{n}")}
    threads = {thread.name for thread in threading.enumerate() if thread.name.startswith("terminal ")}
    children = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # gone meanwhile
            continue
        if parent == os.getpid():
            children.add(f"child {stat.parent.name}")
    return fds | threads | children


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = held()
    yield
    assert held() - before == set()


# Programs


def test_keys_arrive_one_by_one_and_the_exit_code_comes_back() -> None:
    with Terminal(python(ECHO), rows=10, columns=40) as t:
        t.wait_for("ready")
        began = time.monotonic()
        t.press("a", "up", "q")
        assert time.monotonic() - began >= 2 * PRESS_GAP_S
        assert t.exit() == 7
        shown = [re.sub(r" \d+ms\s*$", "", row) for row in t.lines()[:4]]
        assert shown == ["ready".ljust(40), "b'a'", r"b'\x1b[A'", "b'q'"]


def test_typing_is_faster_than_pressing() -> None:
    with Terminal(python(ECHO), rows=30, columns=40) as t:
        t.wait_for("ready")
        t.type("K000001\nq")
        assert t.exit() == 7
        arrived = re.findall(r"b'(.*)' (\d+)ms", t.text)
        assert "".join(data for data, _ in arrived) == r"K000001\rq"
        # A busy machine may read two at once, or one late; most come as they were sent.
        assert len(arrived) > 4
        assert 5 <= statistics.median(int(ms) for _, ms in arrived[1:]) < 40


def test_a_write_arrives_in_one() -> None:
    with Terminal(python(ECHO), rows=10, columns=60) as t:
        t.wait_for("ready")
        t.write("K000001\r")
        t.wait_for(r"b'K000001\r'")


def test_the_key_after_escape_waits_until_it_cannot_be_taken_for_alt() -> None:
    with Terminal(python(ECHO), rows=10, columns=40) as t:
        t.wait_for("ready")
        began = time.monotonic()
        t.press("esc", "q")
        assert time.monotonic() - began >= 0.14
        assert t.exit() == 7


def test_chinese_fills_two_cells_and_lines_are_as_wide_as_the_screen() -> None:
    program = "print('a快递b\\n' + '国' * 10); print('Łódź', end='', flush=True); input()"
    with Terminal(python(program), rows=4, columns=20) as t:
        t.wait_for("Łódź")
        assert t.lines() == ["a快递b" + " " * 14, "国" * 10, "Łódź" + " " * 16, " " * 20]
        assert [t.cell(0, x).char for x in range(7)] == ["a", "快", "", "递", "", "b", " "]
        assert t.cursor == (2, 4)


def test_the_program_has_a_terminal_of_its_own() -> None:
    program = """
import os, shutil, sys
print(os.isatty(0), os.isatty(2), os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpgrp(), os.ttyname(0) != "")
print(open("/dev/tty").isatty(), *shutil.get_terminal_size(), sys.stdout.encoding)
print(os.environ["TERM"], os.environ["COLORTERM"], os.environ.get("NO_COLOR"), os.environ["SHOP"], os.environ.get("HOME"))
"""
    env = {"SHOP": "淘宝", "HOME": None}
    with Terminal(python(program), rows=10, columns=70, env=env) as t:
        assert t.exit() == 0
        assert t.text.splitlines()[:3] == [
            "True True True True True",
            "True 70 10 utf-8",
            "xterm-256color truecolor None 淘宝 None",
        ]


def test_a_program_that_does_not_exist_leaves_nothing() -> None:
    with pytest.raises(FileNotFoundError):
        Terminal(["/no/such/program"])


def test_output_right_before_the_end_is_not_lost() -> None:
    with Terminal(python("print('x' * 50_000 + 'END')"), rows=5, columns=40) as t:
        assert t.exit() == 0
        assert "END" in t.text
        assert t.bytes_seen.count(b"x") == 50_000


def test_ctrl_c_interrupts() -> None:
    # Naps, not `input()`: a signal right before it blocks would be seen only after a line.
    program = """
import time
try:
    print("go", flush=True)
    while True:
        time.sleep(0.02)
except KeyboardInterrupt:
    exit(5)
"""
    with Terminal(python(program)) as t:
        t.wait_for("go")
        t.press("ctrl+c")
        assert t.exit() == 5


def test_a_signal_ends_the_program_and_shows_in_its_code() -> None:
    with Terminal(python("print('go', flush=True); input()")) as t:
        t.wait_for("go")
        t.signal(signal.SIGTERM)
        assert t.exit() == -signal.SIGTERM


def test_a_hang_up_reaches_the_program(tmp_path: Path) -> None:
    program = """
import pathlib, signal, sys
signal.signal(signal.SIGHUP, lambda *_: (pathlib.Path(sys.argv[1]).write_text("hung up"), sys.exit(3)))
print("go", flush=True)
while True:
    signal.pause()
"""
    told = tmp_path / "told"
    with Terminal(python(program, str(told))) as t:
        t.wait_for("go")
        t.hangup()
        assert t.exit() == 3
        assert told.read_text() == "hung up"
        assert "go" in t.text
        with pytest.raises(AssertionError, match="hung up"):
            t.write("x")


def test_a_resize_is_told_to_the_program() -> None:
    program = """
import os, signal
def tell(*_): print(*os.get_terminal_size(), flush=True)
signal.signal(signal.SIGWINCH, tell)
tell()
while True: signal.pause()
"""
    with Terminal(python(program), rows=10, columns=40) as t:
        t.wait_for("40 10")
        t.resize(6, 33)
        t.wait_for("33 6")
        assert [len(row) for row in t.lines()] == [33] * 6


def test_closing_kills_children_that_left_the_session() -> None:
    program = """
import signal, subprocess, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sleeper = [sys.executable, "-c", "import signal; print('asleep', flush=True); signal.pause()"]
subprocess.Popen(sleeper)
subprocess.Popen(sleeper, start_new_session=True)
signal.pause()
"""
    with Terminal(python(program)) as t:
        t.wait_for(lambda t: t.text.count("asleep") == 2)
        running = t.processes()
        assert len(running) == 3
        assert t.pid in running
    assert t.processes() == []
    t.close()


def test_a_child_left_in_the_session_is_killed_after_the_program_has_ended() -> None:
    program = """
import subprocess, sys
ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); print('asleep', flush=True); signal.pause()"
subprocess.Popen([sys.executable, "-c", ignore])
input()
"""
    with Terminal(python(program)) as t:
        t.wait_for("asleep")
        t.press("enter")
        assert t.exit() == 0
        assert len(t.processes()) == 1
    assert t.processes() == []


# Waiting


def test_what_does_not_come_shows_the_screen() -> None:
    with Terminal(python("print('订单 here', flush=True); input()"), rows=3, columns=20) as t:
        t.wait_for("here")
        with pytest.raises(AssertionError) as told:
            t.wait_for("elsewhere", timeout=0.1)
        assert "not seen: 'elsewhere' (after 0.1 s)" in str(told.value)
        assert "still running" in str(told.value)
        assert "|订单 here" in str(told.value)
        with pytest.raises(AssertionError, match="still there"):
            t.wait_gone(re.compile("her."), timeout=0.1)
        with pytest.raises(AssertionError, match="no exit"):
            t.exit(0.1)


def test_waiting_ends_with_the_program() -> None:
    with Terminal(python("print('bye')")) as t:
        began = time.monotonic()
        with pytest.raises(AssertionError, match=r"has ended(.|\n)*ended with 0(.|\n)*bye"):
            t.wait_for("never", timeout=60)
        assert time.monotonic() - began < 30


def test_a_text_a_pattern_and_a_question_may_be_waited_for() -> None:
    program = "print('one 1'); input(); print('\\x1b[2J\\x1b[H\\x1b[31mtwo', end='', flush=True); input()"
    with Terminal(python(program)) as t:
        t.wait_for(re.compile(r"^one \d$", re.MULTILINE))
        t.press("enter")
        t.wait_gone("one")
        t.wait_for(lambda t: t.cell(0, 0) == Cell("t", "red"))
        t.wait_quiet()


def test_a_synchronised_frame_is_seen_whole_or_not_at_all() -> None:
    program = """
import sys
out = sys.stdout
out.write("\\x1b[?2026hhalf"); out.flush(); input()
out.write(" and half\\x1b[?2026l"); out.flush(); input()
"""
    with Terminal(python(program)) as t:
        t.wait_for(lambda t: b"half" in t.bytes_seen)
        assert "half" not in t.text
        t.press("enter")
        t.wait_for("half")
        assert "and half" in t.text


def test_an_unfinished_frame_is_shown_in_the_end() -> None:
    with Terminal(python("print('\\x1b[?2026hhalf', flush=True); input()")) as t:
        t.wait_for("half")


# What a terminal answers and shows


def test_the_terminal_answers_what_a_program_asks() -> None:
    program = """
import os, sys, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
def ask(question, end):
    os.write(1, question.encode())
    got = b""
    while not got.endswith(end): got += os.read(0, 1)
    return got
found = [ask("\\x1b[?u\\x1b[?2026$p", b"y"), ask("\\x1b[?9999$p", b"y"), ask("\\x1b[3;5H\\x1b[6n", b"R"), ask("\\x1b[c", b"c")]
termios.tcsetattr(0, termios.TCSADRAIN, before)
print("\\x1b[H", found)
"""
    with Terminal(python(program), columns=120) as t:
        assert t.exit() == 0
        assert r"[b'\x1b[?2026;2$y', b'\x1b[?9999;0$y', b'\x1b[3;5R', b'\x1b[?62;22c']" in t.text


@pytest.mark.parametrize(
    "sequence",
    [
        b"\x1b[?2026$p",
        b"\x1b[?u",
        b"\x1b[>1u",
        b"\x1b[<u",
        b"\x1b[=1;2u",
        b"\x1b[>4;2m",
        b"\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h",
        b"\x1b[2 q",
        b"\x1b[!p",
        b"\x1b[4:3m\x1b[0m",
        b"\x1b[38:2::1:2:3m\x1b[m",
        b"\x1b]52;c;aGVsbG8=\x07",
        b"\x1b]11;?\x1b\\",
        b"\x1bP+q544e\x1b\\",
        b"\x1b_Gi=31;AAAA\x1b\\",
        b"\x1b(B\x1b=\x1b>",
        b"\x1b[22;0;0t",
        b"\xc2\x9b?25l",
        b"\x1b[1;2;3;4A",
        b"\x0e\x0f\x01\x7f",
        "\u200d\ufe0f\u200b".encode(),
    ],
)
def test_no_sequence_leaves_anything_on_the_screen(sequence: bytes) -> None:
    for pieces in ([b"ab", sequence, b"cd"], [bytes([byte]) for byte in b"ab" + sequence + b"cd"]):
        emulator, _ = emulated(*pieces)
        assert line(emulator) == "abcd".ljust(20)
        assert emulator.screen.cell(0, 3) == Cell("d")


def test_styles_and_colours_are_kept() -> None:
    emulator, _ = emulated(
        b"\x1b[1;2;3;4;7;38;2;255;128;0;48;5;21mx\x1b[22;27my\x1b[0;95;105mz\x1b[38:2::1:2:3m0\x1b[m1"
    )
    cell = emulator.screen.cell
    assert cell(0, 0) == Cell("x", "ff8000", "0000ff", True, True, True, True, True)
    assert cell(0, 1) == Cell("y", "ff8000", "0000ff", False, False, True, True, False)
    assert cell(0, 2) == Cell("z", "brightmagenta", "brightmagenta")
    assert cell(0, 3) == Cell("0", "010203", "brightmagenta")
    assert cell(0, 4) == Cell("1")


def test_a_number_inside_a_colour_is_not_a_style() -> None:
    emulator, _ = emulated(b"\x1b[38;5;2mx\x1b[m\x1b[48;2;2;5;25my")
    assert emulator.screen.cell(0, 0) == Cell("x", "00cd00")
    assert emulator.screen.cell(0, 1) == Cell("y", bg="020519")


def test_half_of_a_wide_character_does_not_survive_the_other() -> None:
    assert line(emulated("快递".encode(), b"\x1b[1;2Hx")[0]) == " x递".ljust(19)
    assert line(emulated("快递".encode(), b"\x1b[1;1Hx")[0]) == "x 递".ljust(19)
    assert line(emulated("快递".encode(), b"\x1b[1;3H\x1b[K")[0]) == "快".ljust(19)
    assert line(emulated("快递".encode(), b"\x1b[1;4H\x1b[K")[0]) == "快".ljust(19)


def test_a_wide_character_that_does_not_fit_goes_to_the_next_row() -> None:
    emulator, _ = emulated("abcde快".encode(), columns=6)
    assert (line(emulator, 0), line(emulator, 1)) == ("abcde ", "快    ")
    emulator, _ = emulated("\x1b[?7labcdef快".encode(), columns=6)
    assert (line(emulator, 0), line(emulator, 1)) == ("abcd快", "      ")


def test_accents_join_their_letter_and_nothing_after_a_joiner_is_lost() -> None:
    assert line(emulated("z\u0307ycie\u200d ok".encode())[0]) == "życie ok".ljust(20)


def test_characters_cut_between_two_reads_are_whole() -> None:
    data = "快递 Łódź".encode()
    assert line(emulated(*[bytes([byte]) for byte in data])[0]).startswith("快递 Łódź")


def test_letters_of_ambiguous_width_may_be_wide() -> None:
    emulator, answer = emulated("ł\x1b[6n".encode(), ambiguous_wide=True)
    assert answer == b"\x1b[1;3R"
    assert emulated("ł\x1b[6n".encode())[1] == b"\x1b[1;2R"
    assert len(line(emulator)) == 19


def test_the_alternate_screen_gives_the_first_one_back() -> None:
    emulator, _ = emulated(b"before\x1b[?1049h\x1b[?25l\x1b[Hinside")
    assert line(emulator).strip() == "inside"
    assert {1049} == emulator.modes & {1049, 25}
    emulator.feed(b"\x1b[?1049l\x1b[?25h!")
    assert line(emulator).strip() == "before!"
    assert {25} == emulator.modes & {1049, 25}


def test_the_title_and_the_bell_are_noted() -> None:
    emulator, _ = emulated(b"\x1b]0;shipdeck \xe5\xbf\xab\x07\x07")
    assert emulator.screen.title == "shipdeck 快"
    assert emulator.bells == 1


# Keys


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", b"a"),
        ("+", b"+"),
        ("快", "快".encode()),
        ("enter", b"\r"),
        ("space", b" "),
        ("esc", b"\x1b"),
        ("pgdn", b"\x1b[6~"),
        ("home", b"\x1b[H"),
        ("shift+down", b"\x1b[1;2B"),
        ("ctrl+shift+end", b"\x1b[1;6F"),
        ("shift+tab", b"\x1b[Z"),
        ("ctrl+p", b"\x10"),
        ("alt+x", b"\x1bx"),
        ("ctrl+pgup", b"\x1b[5;5~"),
        ("F2", b"\x1bOQ"),
        ("shift+f2", b"\x1b[1;2Q"),
        ("f12", b"\x1b[24~"),
    ],
)
def test_keys_are_sent_as_xterm_sends_them(name: str, expected: bytes) -> None:
    assert key_bytes(name) == expected


@pytest.mark.parametrize("name", ["entr", "ctrl+1", "shift+a", "hyper+x", "ctrl+enter", ""])
def test_a_key_no_terminal_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no such key"):
        key_bytes(name)


def test_application_cursor_keys_are_sent_when_asked_for() -> None:
    assert key_bytes("up", application=True) == b"\x1bOA"
    assert key_bytes("shift+up", application=True) == b"\x1b[1;2A"


TEXTUAL = """
from textual.app import App
from textual.widgets import Static
class Keys(App):
    seen = []
    def compose(self):
        yield Static("快递 ready", id="s")
    def on_key(self, event):
        self.seen.append(event.key)
        self.query_one("#s").update(" ".join(self.seen))
        if event.key == "q":
            self.exit(return_code=4)
Keys().run()
raise SystemExit(4)
"""


def test_textual_understands_every_key_and_leaves_the_terminal_as_it_was() -> None:
    keys = [
        "enter",
        "esc",
        "f1",
        "f2",
        "f9",
        "f10",
        "up",
        "left",
        "pgup",
        "pgdn",
        "space",
        "tab",
        "shift+tab",
        "delete",
    ]
    keys += ["home", "end", "insert", "shift+down", "ctrl+down", "backspace", "x", "ctrl+g"]
    names = {"esc": "escape", "pgup": "pageup", "pgdn": "pagedown"}
    with Terminal(python(TEXTUAL), rows=12, columns=60, env={"TEXTUAL_DISABLE_KITTY_KEY": "1"}) as t:
        t.wait_for("快递 ready", timeout=30)
        assert 1049 in t.private_modes
        t.press(*keys)
        expected = [names.get(key, key) for key in keys]
        t.wait_for(lambda t: t.text.split() == expected, timeout=20)
        t.resize(20, 30)
        t.wait_quiet()
        t.wait_for(lambda t: t.text.split() == expected)
        assert b"\x1b[?2026h" in t.bytes_seen, "the answer about synchronised output has not been understood"
        t.press("q")
        assert t.exit() == 4
        assert t.private_modes == {7, 25}
        assert t.text.strip() == ""


def test_many_terminals_one_after_the_other_leave_no_process() -> None:
    marks = []
    for _ in range(5):
        with Terminal(["sleep", "100"]) as t:
            marks.append(t)
    assert all(t.processes() == [] for t in marks)
    listed = subprocess.run(
        ["ps", "-o", "pid=", "-p", ",".join(str(t.pid) for t in marks)], capture_output=True, text=True
    )
    assert listed.stdout.strip() == ""
