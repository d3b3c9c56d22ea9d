"""A short day of `make chaos`: the same program with few orders, short leases and little patience."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from tests.chaos.play import SHORT, play


def test_a_day_of_kills_freezes_and_faults_ends_with_equal_books(tmp_path: Path) -> None:
    document = asyncio.run(play(SHORT, tmp_path))
    assert document["differences"] == []
    assert document["shipped"] == document["pushed"] == SHORT.orders
    assert sum(document["faults"].values()) > 10
    assert {"worker killed", "operator killed"} <= document["injected"].keys(), document["injected"]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_plan_of_kills_is_its_seeds(seed: int, tmp_path: Path) -> None:
    from store.place import Place
    from tests.chaos.play import Chaos

    place = Place("", tmp_path / "x", tmp_path / "key", tmp_path / "b")
    draws = [
        [Chaos(structs.replace(SHORT, seed=s), tmp_path, place).luck.random() for _n in range(3)]
        for s in (seed, seed, 9)
    ]
    assert draws[0] == draws[1] != draws[2]
