"""Finding people by name in every alphabet, on both engines, whatever the case."""

import pytest

from domain.filters import parse
from domain.results import Refused
from store import views
from tests.conftest import World


@pytest.mark.parametrize(
    "text", ["buyer:Śnieżyński", "buyer:śnieżyński", "ŚNIEŻYŃSKI", "city:Łódź", "city:łódź", "city:ŁÓDŹ"]
)
async def test_a_polish_name_or_city_is_found_in_any_case(world: World, text: str) -> None:
    home = {"first_name": "Łukasz", "last_name": "Śnieżyński", "address_1": "Polna 3", "city": "Łódź", "postcode": "90-001",
            "country": "PL", "company": "", "address_2": "", "state": ""}  # fmt: skip
    order = world.order(
        customer_note="", shipping=home, billing={**home, "email": "lukasz@example.test", "phone": "600300400"}
    )
    await world.sync()
    terms = parse(text)
    assert not isinstance(terms, Refused)
    found = await views.listing(world.p.store, terms)
    assert str(order) in {row["platform_order_id"] for row in found}
