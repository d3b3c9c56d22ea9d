"""Newshop against its twin: the conformance suite, case by case."""

from collections.abc import Iterator

import pytest

from connectors.conformance import CASES, Suite
from connectors.conformance.case import Case


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    """The connector beside its twin."""
    with Suite("shop.newshop") as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_conformance(suite: Suite, case: Case) -> None:
    """Each case by its own name."""
    result = suite.run_alone(case)
    if result.outcome == "skipped":
        pytest.skip(result.reason)
    assert result.outcome == "passed", result.reason
