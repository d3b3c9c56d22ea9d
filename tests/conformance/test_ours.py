"""Every shop connector of ours against its twin, case by case."""

from collections.abc import Iterator

import pytest

from connectors import registry
from connectors.conformance import CASES, Suite
from connectors.conformance.case import Case

NO_WIRE = {"spreadsheet"}
"""Their platform is a folder: tests/connectors/test_spreadsheet_conformance.py runs what does not ask for a wire."""
OURS = sorted(
    row["name"]
    for row in registry.installed()
    if row["package"] == "shipdeck" and row["kind"] == "shop" and row["name"] not in NO_WIRE
)


@pytest.fixture(scope="module", params=OURS)
def suite(request: pytest.FixtureRequest) -> Iterator[Suite]:
    with Suite(f"shop.{request.param}") as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_conformance(suite: Suite, case: Case) -> None:
    result = await suite.run(case)
    if result.outcome == "skipped":
        pytest.skip(result.reason)
    assert result.outcome == "passed", result.reason
