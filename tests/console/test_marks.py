"""Marks against the plainest model there is: a dict of shipment id → version seen."""

from array import array

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from console.marks import Marks

IDS = st.integers(1, 12)
VERSIONS = st.integers(1, 9)
LISTS = st.dictionaries(IDS, VERSIONS)


def arrays(rows: dict[int, int]) -> tuple["array[int]", "array[int]"]:
    """A whole list as the store gives it: ids rising, the version of each."""
    ids = sorted(rows)
    return array("q", ids), array("q", (rows[i] for i in ids))


class MarksLikeADict(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.marks, self.model = Marks(), dict[int, int]()

    @rule(shipment=IDS, version=VERSIONS)
    def add(self, shipment: int, version: int) -> None:
        self.marks.add(shipment, version)
        self.model[shipment] = version

    @rule(shipment=IDS)
    def remove(self, shipment: int) -> None:
        self.marks.remove(shipment)
        self.model.pop(shipment, None)

    @rule(shipment=IDS, version=VERSIONS)
    def toggle(self, shipment: int, version: int) -> None:
        expected = shipment not in self.model
        assert self.marks.toggle(shipment, version) == expected
        if expected:
            self.model[shipment] = version
        else:
            del self.model[shipment]

    @rule(rows=LISTS)
    def replace(self, rows: dict[int, int]) -> None:
        self.marks.replace(*arrays(rows))
        self.model = dict(rows)

    @rule(rows=LISTS)
    def invert(self, rows: dict[int, int]) -> None:
        self.marks.invert(*arrays(rows))
        self.model = {i: v for i, v in rows.items() if i not in self.model}

    @rule()
    def clear(self) -> None:
        self.marks.clear()
        self.model = {}

    @invariant()
    def same(self) -> None:
        assert len(self.marks) == len(self.model)
        found = list(self.marks)
        assert len(found) == len({i for i, _v in found}), "nothing is marked twice"
        assert dict(found) == self.model
        assert {i for i in range(14) if i in self.marks} == set(self.model)


TestMarksAreADict = MarksLikeADict.TestCase


def test_the_version_that_was_seen_last_counts() -> None:
    marks = Marks()
    marks.replace(array("q", [1, 2]), array("q", [5, 5]))
    marks.add(2, 7)
    assert dict(marks) == {1: 5, 2: 7}


def test_two_marks_never_share_what_they_hold() -> None:
    one, other = Marks(), Marks()
    one.add(1, 1)
    one.replace(array("q", [3]), array("q", [1]))
    assert list(other) == []


def test_a_whole_list_of_a_million_takes_no_more_than_its_two_arrays() -> None:
    ids = array("q", range(1, 1_000_001))
    marks = Marks()
    marks.replace(ids, array("q", bytes(8_000_000)))
    assert len(marks) == 1_000_000
    assert 1_000_000 in marks
    assert 1_000_001 not in marks
    marks.remove(500_000)
    assert len(marks) == 999_999
    assert 500_000 not in marks
