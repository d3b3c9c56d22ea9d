"""The index over names, on both engines: it follows every change of a buyer's words, and answers as they are spelled."""

from collections.abc import AsyncIterator

import pytest

from domain.facts import ShopFacts
from domain.filters import parse
from domain.records import Address, Buyer
from domain.results import Refused
from domain.settings import ShopSettings
from pipeline.base import NOTHING
from store import accounts, lists, views
from store.apply import _found_by
from store.database import Store
from store.intake import Incoming, draft, insert_orders
from store.lists import Query
from store.place import Place
from store.reader import Reader
from store.upgrade import open_store
from tests.domain.orders import an_order

NAMES = {
    "Anna Kowalska": ("Anna", "Kowalska"),
    "Łukasz Śnieżyński": ("Łukasz", "Śnieżyński"),
    "王小明": ("小明", "王"),
    "王明": ("明", "王"),
    "Annabel O'Neil": ("Annabel", "O'Neil"),
}


@pytest.fixture
async def named(place: Place) -> AsyncIterator[Store]:
    """A shop's five orders, one of each name."""
    store = await open_store(place)
    async with store.transaction() as tx:
        shop_id = await accounts.add_shop(tx, "woocommerce", "PL-Woo", {}, title="", zone="UTC", currency="PLN")
        shop = ShopFacts(shop_id, "PL-Woo", "woocommerce", "UTC", True, ShopSettings(), NOTHING)
        orders = [
            an_order(
                platform_order_id=str(9000 + n),
                number=f"N-{n}",
                buyer=Buyer(*parts, f"+48 600 000 10{n}", f"b{n}@example.test"),
                address=Address(name=name, city="Łódź", country="PL"),
            )
            for n, (name, parts) in enumerate(NAMES.items())
        ]
        await insert_orders(tx, shop, [draft(shop, Incoming(o, b"{}", b"digest"), False) for o in orders])
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("anna", {"Anna Kowalska", "Annabel O'Neil"}),
        ("ANNA kow", {"Anna Kowalska"}),
        ("kow anna", {"Anna Kowalska"}),
        ("owalska", set()),
        ("sniezyn", {"Łukasz Śnieżyński"}),
        ("łuk", {"Łukasz Śnieżyński"}),
        ("王", {"王小明", "王明"}),
        ("小明", {"王小明"}),
        ("王小明", {"王小明"}),
        ("明", {"王小明", "王明"}),
        ("明王", set()),
        ("o'neil", {"Annabel O'Neil"}),
        ("neil", {"Annabel O'Neil"}),
        ("'; DROP", set()),
        ('"*', set()),
    ],
)
async def test_names_are_found_by_words_and_parts(named: Store, typed: str, found: set[str]) -> None:
    assert await _found(named, f'buyer:"{typed}"' if '"' not in typed else 'buyer:"*"') == found


async def test_a_name_is_found_no_longer_once_it_is_gone(named: Store) -> None:
    async with named.transaction() as tx:
        await tx.run("UPDATE buyer SET words = 'zofia' WHERE words LIKE 'anna %'")
    assert await _found(named, "buyer:kowalska") == set()
    assert len(await _found(named, "buyer:zofia")) == 1
    async with named.transaction() as tx:
        await tx.run("UPDATE buyer SET words = ''")
    assert await _found(named, "buyer:zofia") == set()


async def test_the_recipient_an_operator_wrote_is_found_beside_the_platforms(named: Store) -> None:
    async with named.transaction() as tx:
        order_id = await tx.value("SELECT order_id FROM buyer WHERE first_name = 'Anna'")
        await _found_by(tx, order_id, Address(name="Piotr Zając", company="Kwiaty"))
    for typed in ("zajac", "kwiat", "kowalska"):
        assert await _found(named, f"buyer:{typed}") == {"Anna Kowalska"}


async def test_a_few_are_told_by_their_ids_and_many_by_a_walk(named: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows either way, of a field and of a bare word."""
    for text in ("buyer:anna", "anna", "buyer:王,kow", "!buyer:anna"):
        terms = parse(text)
        assert not isinstance(terms, Refused)
        query = Query((), terms=tuple(terms))
        async with Reader(named.place) as reader:
            monkeypatch.setattr(lists, "FEW", 2_000)
            narrowed = await lists.narrowed(reader, query)
            assert (narrowed.ids is None) == text.startswith("!")
            few = [line.id for line in await lists.window(reader, query, 50)]
            monkeypatch.setattr(lists, "FEW", 0)
            assert (await lists.narrowed(reader, query)).ids is None
            assert [line.id for line in await lists.window(reader, query, 50)] == few
            assert few


async def test_a_bare_word_is_also_a_number_of_any_kind(named: Store) -> None:
    async with named.reading() as tx:
        row = await tx.row(
            "SELECT s.id, o.number, o.platform_order_id AS pid FROM shipment s JOIN orders o ON o.id = s.order_id"
        )
    assert row is not None
    for text in (row.number, f"#{row.number}", row.pid, f"K{row.id}"):
        terms = parse(text)
        assert not isinstance(terms, Refused)
        async with Reader(named.place) as reader:
            assert row.id in [line.id for line in await lists.window(reader, Query((), terms=tuple(terms)), 50)], text


async def _found(store: Store, text: str) -> set[str]:
    terms = parse(text)
    assert not isinstance(terms, Refused)
    return {row["buyer"] for row in await views.listing(store, terms)}
