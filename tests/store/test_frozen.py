"""PostgreSQL: a process that stands still in the middle of a transaction must not hold the others for ever."""

import pytest

from pipeline.base import Pipeline
from store.place import Place


@pytest.mark.xfail(
    strict=True,
    reason="Store opens its PostgreSQL sessions without a limit: the locks of a frozen process last as long as it does",
)
async def test_the_server_ends_a_transaction_whose_process_stands_still(p: Pipeline, place: Place) -> None:
    if place.dialect == "sqlite":
        pytest.xfail("SQLite's lock is the process's own; the console's keeper kills a frozen worker")
    async with p.store.reading() as tx:
        for setting in ("idle_in_transaction_session_timeout", "transaction_timeout"):
            assert await tx.value(f"SHOW {setting}") != "0"
