"""Merge candidates are found and offered: same shop, stage and address."""

from store import views
from tests.pipeline.conftest import Bench


async def test_shipments_to_one_address_are_offered_together_and_can_be_merged(sqlite_world: Bench) -> None:
    w = sqlite_world
    _first, one = await w.take()
    _second, two = await w.take()
    _third, other = await w.take(
        shipping={
            "first_name": "Jan",
            "last_name": "Lis",
            "address_1": "Inna 9",
            "city": "Łódź",
            "postcode": "90-001",
            "country": "PL",
            "company": "",
            "address_2": "",
            "state": "",
        }
    )
    groups = await views.merge_candidates(w.p.store)
    assert sum(one in g for g in groups) == 1
    assert {one, two} <= set(next(g for g in groups if one in g))
    assert not any(other in g and one in g for g in groups)
    assert not (await w.do("merge", [one, two])).refused
