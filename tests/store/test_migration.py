"""From the first schema to today's, with what was in it; and the order in which a stage is worked off."""

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

from domain.clock import now
from domain.enums import Stage
from domain.filters import parse
from domain.results import Refused
from store import accounts, people_views, views
from store import tables as t
from store.database import Store
from store.place import Place
from store.queue import ATTENTION, ATTENTION_MASK, DUE, NO_DEADLINE
from store.reader import Reader
from store.schema import HEAD
from store.upgrade import _config, open_store
from tests.store.conftest import differences

DEADLINES = {"late": now() + 9_000_000, "none": None, "soon": now() + 1_000, "also late": now() + 9_000_000}


async def first_schema(place: Place) -> None:
    """A database as the first version left it, with a shop and four orders in review."""
    store = Store(place)

    def work(connection: Any) -> None:
        from alembic import command

        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.commit()

    await store.run_sync(work)
    async with store.transaction() as tx:
        shop_id = await accounts.add_shop(tx, "woocommerce", "PL-Woo", {}, title="", zone="UTC", currency="PLN")
        for number, deadline in DEADLINES.items():
            order = {"shop_id": shop_id, "platform_order_id": number, "number": number, "status": "open",
                     "raw_status": "processing", "kind": "delivery", "payment": "prepaid", "currency": "PLN", "total_minor": 100,
                     "created_at": 1, "updated_at": 1, "imported_at": 1, "content_hash": b"digest"}  # fmt: skip
            order_id = await tx.add(t.orders, order)
            address = {
                "order_id": order_id,
                "source": "platform",
                "name": "Łucja Wiśniewska",
                "fingerprint": "f",
                "created_at": 1,
            }
            address_id = await tx.add(t.address, address)
            await tx.run("UPDATE orders SET address_id = :a WHERE id = :o", a=address_id, o=order_id)
            await tx.run(
                """INSERT INTO buyer (order_id, contact_id, first_name, last_name, phone, email, phone_key, email_key, redacted)
                   VALUES (:o, NULL, '小明', :last, '', '', '', '', 0)""",
                o=order_id,
                last="王" if number == "late" else "李",
            )
            shipment = {"shop_id": shop_id, "order_id": order_id, "stage": 1, "status": "open", "ship_by": deadline,
                        "created_at": 1, "changed_at": 1}  # fmt: skip
            shipment_id = await tx.add(t.shipment, shipment)
            if number == "none":
                corrected = {**address, "source": "ours", "name": "Jan Øst"}
                corrected_id = await tx.add(t.address, corrected)
                await tx.run("UPDATE shipment SET address_id = :a WHERE id = :s", a=corrected_id, s=shipment_id)
    await store.close()


def plain(statement: str) -> str:
    """A statement without what means nothing: quotes, layout, parentheses around the whole condition."""
    return " ".join(re.sub('["()]', " ", statement).split())


async def explained(store: Store, sql: str) -> list[str]:
    return [r["detail"] for r in await store.fetch(f"EXPLAIN QUERY PLAN {sql}")]


async def test_the_first_schema_becomes_todays_and_keeps_what_was_in_it(bare_place: Place) -> None:
    await first_schema(bare_place)
    store = await open_store(bare_place)
    assert await store.run_sync(differences) == []
    async with store.reading() as tx:
        assert await tx.value("SELECT version_num FROM alembic_version") == HEAD
        assert await tx.value("SELECT count(*) FROM operator") == 0
    rows = await views.listing(store, [], [Stage.REVIEW])
    assert [r["order_number"] for r in rows] == ["soon", "late", "also late", "none"]
    assert (await views.counts(store))["review"] == {"open": 4}
    for text, numbers in {"王小": ["late"], "wisnie": ["soon", "late", "also late", "none"], "ost": ["none"]}.items():
        terms = parse(f"buyer:{text}")
        assert not isinstance(terms, Refused)
        assert [r["order_number"] for r in await views.listing(store, terms)] == numbers
    await store.close()


async def test_a_copy_of_the_first_schema_is_kept_before_it_is_changed(bare_sqlite_place: Place) -> None:
    await first_schema(bare_sqlite_place)
    assert not bare_sqlite_place.backups.exists()
    await (await open_store(bare_sqlite_place)).close()
    (copy,) = bare_sqlite_place.backups.glob(f"*before-{HEAD}.sqlite")
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone()[0] == "0001"
        assert connection.execute("SELECT count(*) FROM shipment").fetchone()[0] == 4


async def test_what_only_looks_reads_the_first_schema_as_it_is(bare_sqlite_place: Place) -> None:
    await first_schema(bare_sqlite_place)
    async with Reader(bare_sqlite_place) as reader:
        assert len(await views.listing(reader, [])) == 4
        assert await people_views.operators(reader) == []
    assert bare_sqlite_place.file is not None
    with sqlite3.connect(bare_sqlite_place.file) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone()[0] == "0001"


async def test_the_migrated_indexes_are_spelled_as_those_of_the_code(sqlite_place: Place) -> None:
    from sqlalchemy.dialects import sqlite

    store = await open_store(sqlite_place)
    kept = {r["name"]: r["sql"] for r in await store.fetch("SELECT name, sql FROM sqlite_master WHERE type = 'index'")}
    for index in t.shipment.indexes | t.operator.indexes:
        ours = str(CreateIndex(index).compile(dialect=sqlite.dialect()))
        assert plain(kept[str(index.name)]) == plain(ours)
    assert not {"ix_shipment_open", "ix_shipment_stage_status"} & kept.keys()
    await store.close()


async def test_an_unfiltered_list_of_a_stage_is_read_in_its_order_without_sorting(sqlite_place: Place) -> None:
    store = await open_store(sqlite_place)
    asked: list[tuple[str, Any]] = []

    class Listens:
        async def fetch(self, sql: str, params: Any = None) -> list[dict[str, Any]]:
            asked.append((sql, params))
            return []

    await views.listing(Listens(), [], [Stage.REVIEW])
    await views.listing(Listens(), [], [Stage.REVIEW], 50)
    await views.selection(Listens(), [], [Stage.REVIEW])
    for sql, _params in asked:
        steps = await explained(store, sql)
        assert steps[0] == "SEARCH s USING INDEX ix_shipment_queue (stage=?)"
        assert not [s for s in steps if "TEMP B-TREE" in s]
    assert len(asked) == 3
    await store.close()


async def test_a_status_is_read_in_its_order_and_troubles_are_counted_from_their_index(sqlite_place: Place) -> None:
    store = await open_store(sqlite_place)
    status = f"SELECT s.id FROM shipment s WHERE s.stage = 3 AND s.status = 'obtained' ORDER BY {DUE}, s.id"
    assert await explained(store, status) == ["SEARCH s USING INDEX ix_shipment_status_queue (stage=? AND status=?)"]
    troubles = f"SELECT count(*) FROM shipment s WHERE s.stage = 3 AND {ATTENTION}"
    assert await explained(store, troubles) == ["SEARCH s USING COVERING INDEX ix_shipment_attention (stage=?)"]
    await store.close()


def test_the_literals_of_the_indexes_are_the_constants_of_the_code() -> None:
    text = (Path(t.__file__).parent / "migrations" / "versions" / "second_0002.py").read_text(encoding="utf-8")
    assert f"(flags & {int(ATTENTION_MASK)}) <> 0" in text
    assert text.count(f"coalesce(ship_by, {NO_DEADLINE})") == 3


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"name": "Ewa", "name_key": "ewa", "role": "owner"}, "uq_operator_owner|operator.role"),
        ({"name": "Ewa", "name_key": "anna", "role": "viewer"}, "name_key"),
        ({"name": "Ewa", "name_key": "ewa", "role": "boss"}, "ck_operator_role"),
        ({"name": "Ewa", "name_key": "ewa", "role": "viewer", "lead": 2}, "ck_operator_lead"),
    ],
)
async def test_the_schema_itself_forbids_a_second_owner_a_doubled_name_and_an_unknown_role(
    place: Place, values: dict[str, Any], why: str
) -> None:
    store = await open_store(place)
    async with store.transaction() as tx:
        await tx.add(t.operator, {"name": "Anna", "name_key": "anna", "role": "owner", "created_at": 1})
        await tx.add(t.operator, {"name": "Old", "name_key": "old", "role": "owner", "active": 0, "created_at": 1})
    with pytest.raises(DBAPIError, match=why):
        async with store.transaction() as tx:
            await tx.add(t.operator, {**values, "created_at": 1})
    await store.close()
