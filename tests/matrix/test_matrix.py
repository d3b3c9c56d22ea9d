"""The fault matrix: every call of every effect and sync × every fault × how repeating is safe × engine.

`make matrix` plays all cells (`--matrix=full`); otherwise a pairwise sample is played, always the same.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations

import pytest

from connectors.simulated import faults
from domain.enums import Op
from pipeline.worker import HANDLERS
from tests.matrix.cells import ENGINES, FAULTS, POINTS, Cell, cells, kinds, sample
from tests.matrix.ground import Ground, beginning

HARMLESS = {"latency", "reorder"}
"""Faults of the twins that are no rows here: nothing is lost, doubled or unclear."""


BOOKS = "books"
"""In place of a cell, behind them all: the books as a whole."""


@lru_cache(maxsize=2)
def chosen(full: bool) -> tuple[Cell, ...]:
    """The cells to play."""
    return cells() if full else tuple(sample(cells()))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each cell of an engine, and one for its books behind them."""
    if "cell" in metafunc.fixturenames:
        full = metafunc.config.getoption("--matrix") == "full"
        mine = [c for c in chosen(full) if c.engine == metafunc.cls.engine]
        metafunc.parametrize("cell", [*(pytest.param(c, id=c.id) for c in mine), BOOKS])


class OnOneEngine:
    """The cells of one engine: a class each, so that a process can play one beside another that plays the other."""

    engine = ""

    @pytest.fixture(scope="class")
    def ground(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
        """The database, with a shipment for every cell that is played here."""
        home = tmp_path_factory.mktemp("ground")
        made = Ground(self.engine, home, lambda: str(request.getfixturevalue("postgresql_url")))
        played = [item.callspec.params.get("cell") for item in request.session.items if hasattr(item, "callspec")]
        mine = [c for c in played if isinstance(c, Cell) and c.engine == self.engine]
        made.do(made.open(Counter(b for c in mine if (b := beginning(c)))))
        yield made
        made.do(made.close())
        made.runner.close()

    def test_every_cell_ends_with_equal_books(
        self, cell: Cell | str, ground: Ground, record_property: Callable[[str, object], None]
    ) -> None:
        if not isinstance(cell, Cell):
            assert ground.do(ground.whole_books()) == []
            return
        record_property("matrix", [cell.engine, str(cell.point.kind), cell.fault])
        record_property("matrix_end", ground.do(ground.play(cell)))

    def test_every_kind_of_effect_and_of_sync_has_a_row(self, ground: Ground) -> None:
        assert set(HANDLERS) == set(Op)
        assert kinds() == {op.value for op in Op} | {f"sync.{kind}" for kind in ground.kinds_of_sync}


class TestSqlite(OnOneEngine):
    engine = "sqlite"


class TestPostgresql(OnOneEngine):
    engine = "postgresql"


def test_every_fault_that_twins_can_show_has_a_column() -> None:
    assert set(FAULTS) >= faults.KINDS - HARMLESS


def test_every_column_is_played_by_some_row_and_every_row_meets_most_columns() -> None:
    assert {c.fault for c in cells()} == set(FAULTS)
    met = {point.name: {c.fault for c in cells() if c.point is point} for point in POINTS}
    assert min(len(columns) for columns in met.values()) >= 24
    assert len({c.id for c in cells()}) == len(cells()) >= 2000


def test_the_sample_holds_every_pair_of_kind_fault_way_and_engine() -> None:
    def pairs(played: tuple[Cell, ...]) -> set[tuple[str, ...]]:
        values = [(str(c.point.kind), c.fault, c.repeat.value, c.engine) for c in played]
        return {(str(i), str(j), v[i], v[j]) for v in values for i, j in combinations(range(4), 2)}

    assert pairs(chosen(False)) == pairs(cells())
    assert {(c.point.name, c.engine) for c in chosen(False)} == {(p.name, e) for p in POINTS for e in ENGINES}
    assert len(chosen(False)) < 250
