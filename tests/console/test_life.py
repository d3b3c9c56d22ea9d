"""How the console starts, ends, is killed and is lost; what it says when the database cannot be used."""

import json
import os
import select
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.generate import generate
from domain.enums import Stage
from pipeline import persons
from pipeline.base import Pipeline
from store.place import Place
from tests.conftest import copied, lent
from tests.console.shopfloor import ShopFloor
from tests.console.terminal import Terminal

ROOT = Path(__file__).parent.parent.parent
HEAVY = {"sqlalchemy", "httpx", "apscheduler", "reportlab", "alembic", "aiosqlite", "pipeline", "connectors"}


class Generated(ShopFloor):
    """A generated database: no twin behind it, nothing falls due by itself."""

    def __init__(self, folder: Path, orders: int, stages: dict[Stage, int] | None = None) -> None:
        super().__init__(folder, None)  # type: ignore[arg-type]
        generate(self.place, orders, stages=stages)
        self.do(lambda p: persons.first_owner(p, "anna"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    """2,000 orders at every stage, 400 of them in review."""
    return Generated(tmp_path_factory.mktemp("many"), 2_000, {Stage.REVIEW: 400})


@pytest.fixture
def floor(tmp_path: Path, new_sqlite: Path) -> Iterator[ShopFloor]:
    """An empty shop, everything set up."""
    with lent("woocommerce", orders=0, seed=9) as shop:
        made = ShopFloor(tmp_path, shop)
        copied(new_sqlite, made.place)
        made.set_up(numbers=10, orders_every_s="3600")
        yield made


@pytest.fixture(scope="module")
def open_console(many: Generated) -> Iterator[Terminal]:
    """A console that is open for all who leave it open, with its worker."""
    with many.console() as t:
        t.wait_for("worker ok", 20)
        yield t


def test_nothing_heavy_is_loaded_when_the_first_order_is_painted(many: Generated, tmp_path: Path) -> None:
    told = tmp_path / "modules.json"
    program = f"""
import json, sys
import console.widgets.rows as rows
from console.window import OrderWindow
drawn = OrderWindow.draw
def draw(self, index, width, *, cursor):
    strip = drawn(self, index, width, cursor=cursor)
    if self.row(index) is not None and not done:
        done.append(1)
        with open({str(told)!r}, "w") as out:
            json.dump(sorted(sys.modules), out)
    return strip
done = []
OrderWindow.draw = draw
from console.cli import main
sys.exit(main([]))
"""
    with Terminal(
        [sys.executable, "-P", "-c", program], rows=36, columns=120, env=many.environment(), cwd=str(ROOT)
    ) as t:
        t.wait_for("[1 Review 400", 20)
        modules = set(json.loads(told.read_text()))
    assert "console.window" in modules
    assert sorted(m for m in modules if m.split(".")[0] in HEAVY) == []


def test_the_console_is_left_as_the_terminal_was_before(many: Generated) -> None:
    with many.console() as t:
        t.wait_for("[1 Review 400", 20)
        t.wait_for("worker ok", 20)
        t.press("q")
        t.wait_for("Nothing is under way.")
        t.press("2")
        assert t.exit(20) == 0
        assert t.private_modes == {7, 25}


def test_escape_and_control_c_do_not_end_it_and_unknown_keys_say_so(open_console: Terminal) -> None:
    t = open_console
    t.write("\x03")
    t.write("\x11")
    t.press("esc", "z")
    t.wait_for("z means nothing here; ? shows the keys.")


def test_a_lost_terminal_ends_the_console_and_its_worker(floor: ShopFloor) -> None:
    with floor.console() as t:
        t.wait_for("worker ok", 20)
        t.wait_for(lambda t: len(t.processes()) >= 2, 20)
        pids = t.processes()
        t.hangup()
        t.exit(20)
        assert [pid for pid in pids if not _ends(pid, 20)] == []


def _ends(pid: int, patience_s: float) -> bool:
    """Wait for the end of a process that need not be a child of ours."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], patience_s)[0])
    finally:
        os.close(process)


def test_a_storm_of_resizes_leaves_a_whole_screen(open_console: Terminal) -> None:
    t = open_console
    for rows, columns in ((24, 80), (45, 160), (10, 40), (80, 300), (24, 80), (36, 120)) * 5:
        t.resize(rows, columns)
    t.press("down")
    t.wait_for("[1 Review 400")
    t.wait_for(lambda t: t.lines()[3].lstrip().startswith("Code"))
    t.wait_for(lambda t: t.lines()[35].strip().startswith("Space Mark"))
    t.resize(80, 300)
    t.wait_for(lambda t: t.lines()[79].strip().startswith("Space Mark"))
    t.press("end")
    t.wait_for(lambda t: any(line.startswith(">") for line in t.lines()[60:78]))
    t.resize(36, 120)


def test_a_job_of_a_killed_console_ends_in_the_worker_and_the_next_start_shows_its_result(tmp_path: Path) -> None:
    floor = Generated(tmp_path, 1_500, {Stage.REVIEW: 1_500})
    with floor.console() as t:
        t.wait_for("[1 Review 1500", 20)
        t.wait_for("worker ok", 20)
        t.press("a")
        t.wait_for("1500 marked")
        t.press("n")
        t.wait_for(lambda _t: floor.value("SELECT count(*) FROM batch") == 1, 20)
        os.kill(t.pid, signal.SIGKILL)
        t.wait_for(lambda _t: floor.value("SELECT state FROM batch") == "done", 60)
    assert floor.value("SELECT done FROM batch") == 1_500
    with floor.console() as t:
        t.wait_for("approve 1500: 1500 done", 20)
        t.wait_for("2 Processing 1500")


def test_keys_are_answered_while_a_job_of_ten_thousand_runs(tmp_path: Path) -> None:
    floor = Generated(tmp_path, 10_000, {Stage.REVIEW: 10_000})
    with floor.console() as t:
        t.wait_for("[1 Review 10k", 20)
        t.wait_for("worker ok", 20)
        t.press("a")
        t.wait_for("10000 marked")
        t.press("n")
        t.wait_for(re_progress, 30)
        moved = 0
        while floor.value("SELECT state FROM batch") != "done" and moved < 200:
            t.press("down", gap_s=0.03)
            moved += 1
            wanted = moved
            t.wait_for(lambda t, n=wanted: _cursor_row(t) >= min(n, 20), 5)
        assert moved > 5
        t.wait_for("approve 10000: 10000 done", 60)


def re_progress(t: Terminal) -> bool:
    """The job's bar has appeared."""
    return "of 10000" in t.text or "10000 done" in t.text


def _cursor_row(t: Terminal) -> int:
    return next((n for n, line in enumerate(t.lines()) if line.startswith(">")), -1)


def test_a_dead_and_a_frozen_worker_are_replaced_and_named(open_console: Terminal) -> None:
    t = open_console
    t.wait_for(lambda t: len(t.processes()) >= 2, 20)
    (child,) = [pid for pid in t.processes() if pid != t.pid]
    os.kill(child, signal.SIGKILL)
    t.wait_for("The worker had died; another one was started.", 20)
    t.wait_for(lambda t: [p for p in t.processes() if p not in {t.pid, child}], 20)


def test_escape_at_the_question_who_works_leaves_nobody_who_may_change(many: Generated, tmp_path: Path) -> None:
    other = _copy(many, tmp_path)
    other.do(lambda p: persons.add(p, "bo", "operator", False, "anna"))
    with other.console() as t:
        t.wait_for("Who is at the keyboard?", 20)
        t.press("esc")
        t.wait_gone("Who is at the keyboard?")
        t.press("n")
        t.wait_for("Nobody sits here yet: O says who works.")
        assert other.value("SELECT count(*) FROM batch WHERE name LIKE 'B11%' AND who = '-'") == 0


def test_a_database_of_a_newer_program_is_refused_in_one_sentence(many: Generated, tmp_path: Path) -> None:
    other = _copy(many, tmp_path)
    connection = sqlite3.connect(other.place.file)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with other.console() as t:
        t.wait_for("Install a newer shipdeck")
        assert t.exit(10) == 1
        assert "Traceback" not in t.text


def test_what_is_no_database_is_refused_in_one_sentence(tmp_path: Path) -> None:
    floor = ShopFloor(tmp_path, None)  # type: ignore[arg-type]
    assert floor.place.file is not None
    floor.place.file.parent.mkdir(parents=True)
    floor.place.file.write_bytes(b"this is no database at all" * 100)
    with floor.console() as t:
        t.wait_for("is not a database")
        assert t.exit(10) == 1


def test_a_locked_database_says_so_and_changes_nothing(many: Generated, tmp_path: Path) -> None:
    other = _copy(many, tmp_path)
    with other.console() as t:
        t.wait_for("worker ok", 20)
        t.press("down")
        blocker = sqlite3.connect(other.place.file, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        before = other.value("SELECT count(*) FROM event")
        t.press("w")
        t.wait_for("Our remark")
        t.type("x", gap_s=0.06)
        t.press("enter")
        t.press("down", "down")
        t.wait_for("The database is busy; try again.", 40)
        assert other.value("SELECT count(*) FROM event") == before
        blocker.execute("ROLLBACK")
        blocker.close()


def test_a_crash_restores_the_terminal_and_its_report_holds_no_value(many: Generated, tmp_path: Path) -> None:
    other = _copy(many, tmp_path)
    program = """
import sys
from console.places.orders import Orders
async def act(self, action, key):
    secret_of_a_buyer = "Wisniewska-4711"
    raise KeyError(secret_of_a_buyer)
Orders.act = act
from console.cli import main
sys.exit(main([]))
"""
    argv = [sys.executable, "-P", "-c", program]
    with Terminal(argv, rows=36, columns=120, env=other.environment(), cwd=str(ROOT)) as t:
        t.wait_for("worker ok", 20)
        t.press("4")
        assert t.exit(20) == 1
        assert t.private_modes == {7, 25}
        assert "shipdeck ended because of a defect of its own" in t.text.replace("\n", "")
        assert b"Wisniewska" not in t.bytes_seen
    assert other.place.file is not None
    (report,) = other.place.file.parent.glob("shipdeck-crash-*.txt")
    text = report.read_text()
    assert "KeyError" in text
    assert "Wisniewska" not in text
    assert report.stat().st_mode & 0o777 == 0o600


def test_the_first_start_asks_for_the_language_and_makes_the_owner(tmp_path: Path) -> None:
    floor = ShopFloor(tmp_path, None)  # type: ignore[arg-type]
    with floor.console(SHIPDECK_LANG="", LANG="C.UTF-8") as t:
        t.wait_for("Language / 语言")
        t.write("SF1234567890123\r")
        t.wait_quiet(0.2)
        assert "Language" in t.text
        t.press("2")
        t.wait_for("谁在", 20)
        t.type("安娜", gap_s=0.06)
        t.press("enter")
        t.wait_for("安娜 @", 20)
    assert 'language = "zh"' in (tmp_path / "config.toml").read_text()
    assert floor.rows("SELECT name, role FROM operator") == [("安娜", "owner")]


def _copy(many: Generated, folder: Path) -> ShopFloor:
    other = ShopFloor(folder, None)  # type: ignore[arg-type]
    assert many.place.file is not None
    assert other.place.file is not None
    other.place.file.parent.mkdir(parents=True)
    shutil.copy(many.place.file, other.place.file)
    other.do(_touch)
    return other


async def _touch(p: Pipeline) -> None:
    """Opening makes what belongs beside the file."""


__all__ = ["Place"]
