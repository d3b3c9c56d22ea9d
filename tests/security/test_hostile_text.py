"""Whatever a shop, a carrier or a buyer wrote: on no screen and in no command does it act on the terminal.

Hostile text stands in every column that is shown; every place, dialog and panel of the console is visited by keys in a
real pseudo-terminal, and every command's answer is taken from one. The stream of bytes is cut into tokens by the rules
of ECMA-48, apart from the emulator's: the kinds of sequences are among those of a clean run, no C1 is in it, nothing of a
payload stands inside a sequence, and no character arrives that turns text around or hides.
"""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from bench.generate import generate
from domain.enums import Stage
from domain.text import safe, storable
from store.place import Place
from tests.console.terminal import Terminal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for what is left in /proc")

MARK = "PWNED"
"""Stands in every payload: found inside a sequence, a payload has made one."""
ESC, C1 = "\x1b", [chr(n) for n in range(0x80, 0xA0)]
HIDDEN = [*range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x200B, 0x200E, 0x200F, 0x061C, 0x2028, 0x2029, 0xFEFF]
HIDDEN += [0x00AD, 0x180E, *range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0080)]
PIECES = (
    f"{ESC}]0;{MARK}\x07", f"{ESC}]52;c;{MARK}\x07", f"{ESC}]8;;http://{MARK}.example{ESC}\\x{ESC}]8;;{ESC}\\",
    f"{ESC}[31m{MARK}", f"{ESC}[2J{MARK}", f"{ESC}[6n", f"{ESC}P{MARK}{ESC}\\", f"{ESC}_{MARK}{ESC}\\", f"{ESC}c",
    f"{ESC}[?1049l",
    f"{ESC}[201~{MARK}", f"\x9b31m{MARK}", f"\x9d0;{MARK}\x9c", f"\x90{MARK}\x9c", f"\x07\x08\x0b\x0c\x0e\x7f{MARK}",
    f"\r{MARK}", f"a\nb\t{MARK}\r\n", f"[red]{MARK}[/red]", f"[@click=app.quit]{MARK}[/]", f"[link=http://{MARK}]x[/link]",
    f"\\[bold]{MARK}[", "[/]", "[[", f"{{{MARK}}}", "{0}", "%s%n", f"\u202e{MARK}\u2066\u200b\ufeff", "\u200d" * 9,
    f"e{chr(0x300) * 300}",
    "👩\u200d👩\u200d👧", "🏴\U000e0067\U000e0062\U000e007f", "\ud800", "\udfff", "\x00",
    "國" * 40, "ﷺ" * 3, "ㅤ", "\u2028", "\u2029",
)  # fmt: skip

SHOWN: dict[str, tuple[str, ...]] = {
    "shop": ("name", "title"),
    "carrier": ("name",),
    "service": ("name", "code"),
    "printer": ("name",),
    "warehouse": ("name",),
    "orders": ("number", "platform_order_id", "raw_status", "shipping_method", "pickup_point", "warnings"),
    "order_line": ("name", "sku", "options"),
    "product": ("name", "code", "description"),
    "variant": ("name", "sku", "bin"),
    "listing": ("name", "sku", "problem"),
    "category": ("name",),
    "buyer": ("first_name", "last_name", "phone", "email"),
    "address": ("name", "company", "line1", "line2", "city", "state", "postcode", "country", "phone", "email"),
    "note": ("text", "who", "read_by"),
    "shipment": ("reason", "code", "hold_reason", "courier", "collected_by"),
    "submission": ("number", "reason", "code"),
    "waybill": ("number", "tracking", "reason", "code", "field", "reference", "carrier_order"),
    "effect": ("message", "code"),
    "batch": ("who",),
    "batch_item": ("reason", "code"),
    "event": ("who", "kind"),
    "abnormal": ("message", "code", "platform_order_id"),
    "left_out": ("number", "reason", "detail"),
    "sync_task": ("message", "code"),
    "account_health": ("message", "paused_code"),
    "customs_line": ("name_local", "name_en", "hs_code", "origin"),
    "stock_move": ("who", "reason"),
}
"""Columns whose text comes from outside, or from a person, and is shown somewhere."""


def hostile(random: Random) -> str:
    """One text: a few pieces, random code points between them, now and then a line of a megabyte."""
    parts = []
    for _n in range(random.randint(1, 4)):
        parts.append(random.choice(PIECES))
        parts += [chr(random.choice((random.randrange(0x20), random.randrange(0x7F, 0xA0), random.choice(HIDDEN),
                                     random.randrange(0x110000)))) for _m in range(random.randrange(4))]  # fmt: skip
    text = "".join(parts)
    if random.random() < 0.003:
        text = (text * (1 + 1_000_000 // len(text)))[:1_000_000]
    return storable(text)


def poison(file: Path, random: Random) -> int:
    """Put hostile text into every shown column of every row that takes it; returns how many cells hold some."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.create_function("lower", 1, lambda text: text.lower() if isinstance(text, str) else text)
    cells = 0
    try:
        for trigger in [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
            # History may not be changed by the program; here somebody else wrote it.
            if "buyer_words" not in trigger:
                connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("BEGIN")
        for table, columns in SHOWN.items():
            rows = [r[0] for r in connection.execute(f"SELECT rowid FROM {table} LIMIT 80")]
            for rowid in rows:
                for column in columns:
                    value = "PL" if column == "country" and random.random() < 0.5 else hostile(random)
                    try:
                        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))
                        cells += 1
                    except sqlite3.IntegrityError:
                        continue
        connection.execute("COMMIT")
    finally:
        connection.close()
    return cells


TOKEN = re.compile(
    r"\x1b\[(?P<csi>[0-?]*[ -/]*[@-~])|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b(?P<string>[PX^_])(?P<data>[^\x1b]*)\x1b\\|\x1b(?P<esc>[ -/]*[0-~])|(?P<control>[\x00-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)",
    re.DOTALL,
)


def kinds(stream: bytes, *, towers: bool = False) -> set[str]:
    """The kinds of sequences and controls of a stream; fails for whatever no stream of ours may hold.

    `towers`: letters under any number of marks are allowed, as in the JSON that programs read.
    """
    text = stream.decode("utf-8")  # strict: bytes that are no UTF-8 may be anything to a terminal
    found, at = set(), 0
    while at < len(text):
        token = TOKEN.match(text, at)
        assert token is not None, f"a broken sequence: {text[max(0, at - 40) : at + 60]!r}"
        at = token.end()
        if token["text"] is None:
            assert MARK not in token[0], f"a payload inside a sequence: {token[0][:80]!r}"
        if token["csi"] is not None:
            body = token["csi"]
            # Modes by their number, everything else by its form: colours and places differ from run to run.
            found.add(f"CSI {body}" if body[-1] in "hl" else "CSI " + re.sub(r"[0-9;:]+", "", body))
        elif token["osc"] is not None:
            found.add(f"OSC {token['osc'].partition(';')[0]}")
        elif token["string"] is not None:
            found.add(f"string {token['string']}")
        elif token["esc"] is not None:
            found.add(f"ESC {token['esc']}")
        elif token["control"] is not None:
            found.add(f"control {ord(token['control']):02x}")
        else:
            shown = token["text"]
            assert not set(shown) & set(C1), f"C1: {shown!r}"
            hidden = {ord(c) for c in shown} & set(HIDDEN)
            assert not hidden, f"hidden characters {[f'{c:x}' for c in hidden]}: {shown[:200]!r}"
            assert towers or not re.search(r"[\u0300-\u036f]{6}", shown), f"a tower of marks: {shown[:80]!r}"
    return found


def test_the_tokeniser_sees_what_it_is_there_for() -> None:
    """Every piece, sent as it is, is seen: as a failure, or as a kind that no clean text has."""
    for piece in PIECES:
        raw = storable(piece)
        if not any(c in raw for c in (ESC, *C1, *map(chr, HIDDEN), "\x07", "\x00", "\r", "\u0300")):
            continue
        try:
            seen = kinds(raw.encode())
        except AssertionError:
            continue
        assert seen, repr(piece)


def test_safe_leaves_nothing_that_acts() -> None:
    random = Random(99)
    for _n in range(2_000):
        assert kinds(safe(hostile(random), 2_000).encode()) == set()
    assert kinds(safe("\ud800\udfff").encode()) == set()


# ------------------------------------------------------------------ the console

WALK = (
    # every place with its panel, sub-lists, the whole detail
    "down", "enter", "esc", "right", "left", "2", "enter", "esc", "3", "right", "4", "5", "enter", "esc", "0",
    # every question, left unanswered
    "1", "e", "esc", "w", "esc", "f", "esc", "h", "esc", "m", "esc", "delete", "esc", "!", "/", "esc",
    "2", "s", "esc", "c", "esc", "b", "esc", "3", "t", "esc", "4", "p", "esc", "P", "esc", "n", "esc", "5", "x", "esc",
    # what stands beside the work
    "6", "enter", "esc", "8", "down", "enter", "esc", "l", "esc",
    "9", "down", "enter", "esc", "down", "down", "enter", "esc", "end", "enter", "esc",
    "O", "esc", "?", "esc", "f2", "esc", ":", "a", "esc", "esc", "1", "r",
)  # fmt: skip


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A small warehouse with work in every stage, an abnormal order, one left out, a failed account, and a person."""
    folder = tmp_path_factory.mktemp("clean")
    place = Place("", folder / "db.sqlite", folder / "key", folder / "backups")
    generate(place, 60, stages=dict.fromkeys((Stage.REVIEW, Stage.PROCESSING, Stage.WAYBILL, Stage.TO_PRINT), 8))
    assert place.file is not None
    connection = sqlite3.connect(place.file, isolation_level=None)
    try:
        now = int(time.time() * 1000)
        connection.execute(
            """INSERT INTO abnormal (shop_id, platform_order_id, code, message, payload, first_at, last_at)
               VALUES (1, '990', 'bad_date', 'no date', x'00', ?, ?)""",
            (now, now),
        )
        connection.execute(
            """INSERT INTO left_out (shop_id, platform_order_id, number, reason, first_at, last_at)
               VALUES (1, '991', '991', 'no_goods', ?, ?)""",
            (now, now),
        )
        connection.execute(
            "INSERT INTO operator (name, name_key, role, active, created_at) VALUES ('anna', 'anna', 'owner', 1, 1)"
        )
        connection.execute("UPDATE shipment SET hold_reason = 'later' WHERE id % 4 = 1 AND stage < 5")
        connection.execute("UPDATE shipment SET code = 'no_service', reason = 'why' WHERE id % 3 = 1 AND stage < 5")
        connection.execute(
            "INSERT OR REPLACE INTO account_health (account, fails, paused_code, message) VALUES ('shop:1', 9, 'wrong_key', 'no')"
        )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    return place


def beside(place: Place, folder: Path) -> Place:
    """A copy of a database in a folder of its own."""
    folder.mkdir()
    made = Place("", folder / "db.sqlite", folder / "key", folder / "backups")
    assert place.file is not None
    assert made.file is not None
    shutil.copy(place.file, made.file)
    return made


def environment(place: Place) -> dict[str, str]:
    assert place.file is not None
    folder = place.file.parent
    return {
        "SHIPDECK_DB": str(place.file),
        "SHIPDECK_KEY_FILE": str(place.key_file),
        "SHIPDECK_CONFIG": str(folder / "config.toml"),
        "SHIPDECK_LANG": "en",
        "SHIPDECK_AMBIGUOUS": "1",
        "HOME": str(folder),
    }


CONSOLE = """
import sys
from console.config import load
from console.launch import run
from store.place import find
sys.exit(0 if run(find(None), load(), keep_worker=False) is not None else 1)
"""
"""The console without a worker: nobody shall move the orders while they are looked at."""


def walk(terminals: list[Terminal], keys: tuple[str, ...]) -> None:
    """Press the same keys in all terminals, each when all have drawn what came of the last."""
    for t in terminals:
        t.wait_for(re.compile(r"1 Review"), 30)
    for t in terminals:
        t.wait_quiet(0.3)
    for key in keys:
        for t in terminals:
            t.press(key)
        for t in terminals:
            t.wait_quiet(0.03, 20)


def test_no_screen_lets_text_act_on_the_terminal(clean: Place, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    rounds = int(request.config.getoption("--hostile"))
    plain = beside(clean, tmp_path / "plain")
    allowed: set[str] = set()
    for seed in range(rounds):
        bad = beside(clean, tmp_path / f"bad{seed}")
        assert bad.file is not None
        assert poison(bad.file, Random(seed)) > 500
        command = [sys.executable, "-P", "-c", CONSOLE]
        size = ((36, 120), (24, 80), (45, 160))[seed % 3]
        with (
            Terminal(command, rows=size[0], columns=size[1], env=environment(plain)) as c,
            Terminal(command, rows=size[0], columns=size[1], env=environment(bad)) as b,
        ):
            walk([c, b], WALK)
            assert MARK in b.bytes_seen.decode("utf-8", "replace"), "the payloads were never shown"
            # They end by themselves: what is cut off in the middle of a letter would be no stream of theirs.
            for t in (c, b):
                t.wait_quiet(0.3)  # Right behind the last key of the walk it would be a scan's.
                t.press("q")
                t.wait_for("Quit; the worker elsewhere goes on")
                t.press("1")
                assert t.exit(20) == 0
            allowed |= kinds(c.bytes_seen)
            wrong = kinds(b.bytes_seen) - allowed
        assert not wrong, f"seed {seed}: {sorted(wrong)}"
        assert not list(bad.file.parent.glob("shipdeck-crash-*"))
        title = re.findall(rb"\x1b\]0;[^\x07]*", b.bytes_seen)
        assert not [each for each in title if MARK.encode() in each]


# ------------------------------------------------------------------ the command line

COMMANDS = """
import json, sys
from console.cli import main
for words in json.loads(sys.argv[1]):
    main(words)
    main([*words, "--json"])
print("THE END")
"""
READS: tuple[tuple[str, ...], ...] = (
    *(("list", stage) for stage in ("review", "processing", "waybill", "to_print", "shipped", "closed", "all")),
    *(("show", f"K{n:06d}") for n in (1, 5, 9, 13, 17, 21, 25, 29, 33, 40)),
    ("find", MARK), ("find", f"{ESC}]0;{MARK}\x07"), ("stages",), ("candidates",), ("batch",), ("shop", "list"),
    ("shop", "show", f"{ESC}[31m{MARK}"), ("carrier", "list"), ("printer", "list"), ("warehouse", "list"), ("stock", "list"),
    ("stock", "moves", "NB-A5"), ("abnormal", "list"), ("abnormal", "list", "--excluded"), ("operator", "list"),
    ("approve", "--all", "--dry-run"), ("ship", "--all", "--dry-run", "--yes"), ("waybill", "--all", "--dry-run"), ("doctor",),
    ("list", "review", "--where", f"shop:{ESC}[31m{MARK}"), ("note", "K000001", "--text", f"{ESC}]0;{MARK}\x07"),
    ("carrier", "check", f"{ESC}[31m{MARK}"), ("hold", f"{ESC}[31m{MARK}"), ("abnormal", "repush", "1"), ("sync",),
)  # fmt: skip


def from_terminal(argv: list[str], environ: dict[str, str]) -> bytes:
    """Everything a program writes to a terminal that is its input, output and diagnostics."""
    master, slave = os.openpty()
    try:
        child = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, **environ})
    finally:
        os.close(slave)
    stream = bytearray()
    with contextlib.suppress(OSError):  # nobody holds the other side any more
        while part := os.read(master, 1 << 20):
            stream += part
    os.close(master)
    assert child.wait(20) == 0
    return bytes(stream)


def test_no_command_lets_text_act_on_the_terminal(clean: Place, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for seed in range(int(request.config.getoption("--hostile"))):
        bad = beside(clean, tmp_path / f"bad{seed}")
        assert bad.file is not None
        poison(bad.file, Random(1000 + seed))
        stream = from_terminal([sys.executable, "-P", "-c", COMMANDS, json.dumps(READS)], environment(bad))
        assert MARK.encode() in stream
        assert b"THE END" in stream
        assert kinds(stream, towers=True) <= {"control 0a", "control 0d"}, f"seed {seed}"


async def test_a_key_that_comes_before_a_dialog_is_drawn_ends_nothing(clean: Place, tmp_path: Path) -> None:
    from console.keys import Key
    from console.screens.dialogs import Read
    from tests.console.pilot import console

    async with console(beside(clean, tmp_path / "early")) as d:
        early = Read("K1", [])
        d.app.push_screen(early)
        assert d.app.screen is early
        await d.app._act(Key("escape", "", 0.0))
        await d.dialog("Read")
        await d.press("escape")
        await d.closed()
