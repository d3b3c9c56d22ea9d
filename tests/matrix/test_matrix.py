"""The fault matrix: every call of every effect and sync × every fault × how repeating is safe × engine.

`make matrix` plays all cells (`--matrix=full`); otherwise a pairwise sample is played, always the same.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations

import pytest

from connectors.simulated import faults
from domain.enums import Op
from pipeline.worker import HANDLERS
from tests.matrix.cells import ENGINES, FAULTS, POINTS, Cell, cells, kinds, sample
from tests.matrix.ground import Ground, beginning

HARMLESS = {"latency", "reorder"}
"""Faults of the twins that are no rows here: nothing is lost, doubled or unclear."""


class Books:
    """Stands behind the cells of one ground: its books as a whole."""

    def __init__(self, group: str) -> None:
        self.group = group


def chosen(full: bool) -> tuple[Cell, ...]:
    """The cells to play."""
    return cells() if full else tuple(sample(cells()))


def group_of(cell: Cell, full: bool) -> str:
    """Cells of one group share a ground; in a full run there is one for each kind, so that processes can share them."""
    return f"{cell.engine}-{cell.point.kind}" if full else cell.engine


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each cell, and one for the books of each ground behind its cells."""
    if "cell" not in metafunc.fixturenames:
        return
    full = metafunc.config.getoption("--matrix") == "full"
    groups: dict[str, list[Cell]] = {}
    for cell in chosen(full):
        groups.setdefault(group_of(cell, full), []).append(cell)
    params = []
    for group, members in groups.items():
        mark = pytest.mark.xdist_group(group)
        params += [pytest.param(cell, id=cell.id, marks=mark) for cell in members]
        params.append(pytest.param(Books(group), id=f"{group}-books", marks=mark))
    metafunc.parametrize("cell", params)


@pytest.fixture(scope="module")
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Ground]]:
    """The ground of a group, opened when its first cell comes, closed when the next group begins."""
    full = request.config.getoption("--matrix") == "full"
    standing: dict[str, Ground] = {}

    def of(group: str) -> Ground:
        if group not in standing:
            close()
            made = Ground(
                group.partition("-")[0],
                tmp_path_factory.mktemp("ground"),
                lambda: str(request.getfixturevalue("postgresql_url")),
            )
            mine = [c for c in chosen(full) if group_of(c, full) == group]
            made.do(made.open(Counter(b for c in mine if (b := beginning(c)))))
            standing[group] = made
        return standing[group]

    def close() -> None:
        while standing:
            _group, ended = standing.popitem()
            ended.do(ended.close())
            ended.runner.close()

    yield of
    close()


def test_every_cell_ends_with_equal_books(
    cell: Cell | Books,
    ground: Callable[..., Ground],
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    if isinstance(cell, Books):
        here = ground(cell.group)
        assert here.do(here.whole_books()) == []
        return
    here = ground(group_of(cell, request.config.getoption("--matrix") == "full"))
    record_property("matrix", [cell.engine, str(cell.point.kind), cell.fault])
    record_property("matrix_end", here.do(here.play(cell)))


def test_every_kind_of_effect_and_of_sync_has_a_row(
    ground: Callable[..., Ground], request: pytest.FixtureRequest
) -> None:
    here = ground("sqlite-sync.orders" if request.config.getoption("--matrix") == "full" else "sqlite")
    assert set(HANDLERS) == set(Op)
    assert kinds() == {op.value for op in Op} | {f"sync.{kind}" for kind in here.kinds_of_sync}


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
