"""A short day of `make chaos`: the same program with few orders, short leases and little patience."""

import asyncio
import json
from pathlib import Path

from msgspec import structs

from store.place import Place
from tests.chaos.play import SHORT, Chaos, play


def test_a_day_of_kills_freezes_and_faults_ends_with_equal_books(tmp_path: Path) -> None:
    document = asyncio.run(play(SHORT, tmp_path))
    assert document["differences"] == []
    assert document["shipped"] == document["pushed"] == SHORT.orders
    assert sum(document["faults"].values()) > 10
    assert [deed for deed in document["injected"] if deed.endswith(("killed", "frozen"))], document["injected"]


def test_four_consoles_and_two_workers_on_one_sqlite_file_meet_no_lock_error(tmp_path: Path) -> None:
    form = structs.replace(SHORT, orders=24, people=4, harm=False, arrive_s=0.5, at_once=6, limit_s=60.0)
    document = asyncio.run(play(form, tmp_path))
    # Also that nobody was told that the database was busy.
    assert document["differences"] == []
    assert document["shipped"] == document["pushed"] == 24
    logs = [tmp_path / f"console{n}.jsonl" for n in (1, 2, 3, 4)]
    for log in logs:
        told = [json.loads(line) for line in log.read_text().splitlines()]
        assert sum(t.get("done", 0) for t in told) > 0, "each of the four has done something"
        assert not [t for t in told if "locked" in t["said"]]


def test_the_plan_of_kills_is_its_seeds(tmp_path: Path) -> None:
    place = Place("", tmp_path / "x", tmp_path / "key", tmp_path / "b")
    first, again, other = (
        [Chaos(structs.replace(SHORT, seed=seed), tmp_path, place).luck.random() for _draw in range(3)]
        for seed in (7, 7, 8)
    )
    assert first == again != other
