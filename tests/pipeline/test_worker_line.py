"""The line between a console and its worker: what a real worker does when it closes, and when a word came before."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.generate import generate
from domain.enums import Stage
from pipeline.base import Pipeline
from pipeline.commands import Begun, begin, work_off
from store import batches, leases
from store.batches import Batch
from store.place import Place

ORDERS = 8_000
"""So many that a worker is still at work when it is spoken to."""
LATER = 10_000_000_000_000


class Line:
    """A real worker on a real database, and our end of its standard input."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.log = place.key_file.parent / "worker.log"
        # Open all the time: the files beside a database come and go with who opens it first and closes it last.
        self.looks = sqlite3.connect(place.file or "", isolation_level=None, timeout=10)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it as the console does."""
        assert self.place.file is not None
        env = {**os.environ, "SHIPDECK_DB": str(self.place.file), "SHIPDECK_KEY_FILE": str(self.place.key_file)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "console.cli", "worker", "--until-stdin-closes"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=env,
                start_new_session=True,
            )

    def say(self, word: bytes) -> None:
        """The last word, and the end of the line."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(word)
        self.process.stdin.close()

    def value(self, sql: str, *values: object) -> int:
        return int(self.looks.execute(sql, values).fetchone()[0] or 0)

    def until(self, sql: str, *values: object) -> None:
        """Wait until a query answers something, while the worker lives."""
        assert self.process is not None
        for _look in range(6_000):
            if self.value(sql, *values):
                return
            try:
                self.process.wait(0.005)
            except subprocess.TimeoutExpired:
                continue
            break
        assert self.value(sql, *values), f"never: {sql}"

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        assert self.process is not None
        code = self.process.wait(60)
        assert "Traceback" not in self.log.read_text(), self.log.read_text()
        return code

    def beats(self) -> None:
        """Wait until it lives: it has written its heartbeat."""
        self.until("SELECT count(*) FROM worker")

    def done(self, batch: Batch) -> int:
        return self.value("SELECT done FROM batch WHERE id = ?", batch.id)

    def state(self, batch: Batch) -> str:
        return str(self.looks.execute("SELECT state FROM batch WHERE id = ?", (batch.id,)).fetchone()[0])


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line")
    place = Place("", folder / "orders.sqlite", folder / "key", folder / "backups")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(generate, place, ORDERS, 7, stages={Stage.REVIEW: ORDERS}).result()
    with sqlite3.connect(folder / "orders.sqlite") as connection:
        # Nobody is behind its shops: only batches are to be done.
        connection.execute("UPDATE sync_task SET due_at = ?", (LATER,))
        connection.execute("UPDATE shop SET settings = json_set(settings, '$.push_stock', json('false'))")
    with sqlite3.connect(folder / "orders.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


@pytest.fixture
def line(generated: Path, tmp_path: Path) -> Iterator[Line]:
    for name in ("orders.sqlite", "key"):
        if (generated / name).exists():
            (tmp_path / name).write_bytes((generated / name).read_bytes())
    made = Line(Place("", tmp_path / "orders.sqlite", tmp_path / "key", tmp_path / "backups"))
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    made.looks.close()


def ask(line: Line, first: int, last: int) -> Batch:
    """A batch that colours some shipments, left to a worker."""

    async def work() -> Batch:
        p = await Pipeline.open(line.place)
        begun = await begin(p, "flag", range(first, last + 1), {"colour": "3"}, "anna", source="console")
        await p.aclose()
        assert isinstance(begun, Begun)
        return begun.batch

    return asyncio.run(work())


def coloured(line: Line) -> int:
    return line.value("SELECT count(*) FROM shipment WHERE mark = 3")


def test_when_its_line_closes_it_finishes_the_batches_it_has_and_ends(line: Line) -> None:
    first, second = ask(line, 1, ORDERS // 2), ask(line, ORDERS // 2 + 1, ORDERS)
    line.start()
    line.until("SELECT done FROM batch WHERE id = ?", first.id)
    assert line.state(second) == "queued"
    line.say(b"")
    assert line.ended() == 0
    assert (line.state(first), line.state(second)) == ("done", "done")
    assert (line.done(first), line.done(second)) == (ORDERS // 2, ORDERS - ORDERS // 2)
    assert coloured(line) == ORDERS
    assert line.value("SELECT count(*) FROM worker") == 0, "it has signed off"


def test_a_console_that_ends_before_its_worker_has_begun_loses_no_batch(line: Line) -> None:
    batch = ask(line, 1, 40)
    line.start()
    line.say(b"")
    assert line.ended() == 0
    assert (line.state(batch), line.done(batch)) == ("done", 40)


def test_told_to_stop_it_leaves_the_batch_where_it_is_for_another_to_go_on(line: Line) -> None:
    batch = ask(line, 1, ORDERS)
    line.start()
    line.until("SELECT done FROM batch WHERE id = ?", batch.id)
    line.say(b"stop\n")
    assert line.ended() == 0
    done = line.done(batch)
    assert 0 < done < ORDERS
    assert line.state(batch) == "running"
    assert coloured(line) == done, "a chunk is wholly done or not begun"

    async def go_on() -> bool:
        p = await Pipeline.open(line.place)
        async with p.store.reading() as tx:
            (left,) = await batches.unfinished(tx)
        worked = await work_off(p, left, leases.new_owner())
        await p.aclose()
        return worked

    assert asyncio.run(go_on()), "nobody holds it any more"
    assert (line.state(batch), line.done(batch)) == ("done", ORDERS)
    assert coloured(line) == ORDERS


def test_told_to_stop_before_it_has_begun_it_begins_nothing(line: Line) -> None:
    batch = ask(line, 1, ORDERS)
    line.start()
    line.say(b"stop\n")
    assert line.ended() == 0
    assert line.done(batch) < ORDERS
    assert line.state(batch) in {"queued", "running"}


def test_told_to_go_on_it_outlives_its_console_and_drains_at_sigterm(line: Line) -> None:
    line.start()
    line.beats()
    line.say(b"go on\n")
    after = ask(line, 1, 40)
    line.until("SELECT state = 'done' FROM batch WHERE id = ?", after.id)
    assert line.process is not None
    assert line.process.poll() is None, "it waits for more"
    batch = ask(line, 1, ORDERS)
    line.until("SELECT done FROM batch WHERE id = ?", batch.id)
    line.process.send_signal(signal.SIGTERM)
    assert line.ended() == 0
    assert 0 < line.done(batch) < ORDERS
    assert line.state(batch) == "running"
    assert line.value("SELECT count(*) FROM worker") == 0


def test_an_open_line_alone_keeps_it_waiting(line: Line) -> None:
    line.start()
    line.beats()
    batch = ask(line, 1, 20)
    line.until("SELECT state = 'done' FROM batch WHERE id = ?", batch.id)
    assert line.process is not None
    assert line.process.poll() is None
    line.say(b"")
    assert line.ended() == 0
