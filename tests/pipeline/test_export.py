"""Everything out in open formats and in again: equal rows on the same engine and on the other one."""

import hashlib
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.results import Refused
from pipeline import stocktaking
from pipeline.base import Pipeline
from store import accounts
from store import tables as t
from store.database import Store
from store.doctor import examine
from store.export import LEFT_OUT, TABLES, Exported, Manifest, every_row, export, import_
from store.packing import unpacked
from store.place import Place, find
from store.upgrade import open_store
from tests.conftest import World


@pytest.fixture
async def filled(world: World) -> World:
    """Orders in every stage, a merge, notes, stock, a void number, a batch, an abnormal order, categories."""
    goods = [{"sku": "NB-A5", "quantity": 2}]
    orders = [world.order(customer_note="" if n else "po południu, proszę", line_items=goods) for n in range(4)]
    await world.sync()
    ids = [await world.shipment_of(o) for o in orders]
    await world.do("note", ids, read=True)
    await world.do("note", ids[:1], text="Zerbrechlich ⚠ 易碎")
    await stocktaking.change(world.p, "NB-A5", "receive", 40, "anna")
    for shipment, stage in zip(ids[:3], ("shipped", "printed", "to_print"), strict=True):
        await world.to_stage(shipment, stage)
    await world.do("void", ids[2:3])
    await world.work()
    async with world.p.store.transaction() as tx:
        parent = await tx.add(t.category, {"name": "Papier", "name_key": "papier x"})
        child = await tx.add(t.category, {"name": "Hefte", "name_key": "hefte x", "parent_id": parent})
        await tx.run("UPDATE category SET parent_id = :c WHERE id = :p", c=child, p=parent)
        await tx.run("UPDATE category SET parent_id = NULL WHERE id = :c", c=child)
        # A quantity that the platform lowered after the goods were put into the box.
        await tx.run(
            "UPDATE order_line SET cancelled = quantity WHERE order_id = (SELECT order_id FROM shipment WHERE id = :s)",
            s=ids[1],
        )
    return world


async def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    async with store.reading() as tx:
        for table in TABLES:
            rows = [row async for row in every_row(tx, table)]
            for row in rows:
                for name, value in row.items():
                    row[name] = bytes(value) if isinstance(value, memoryview) else value
                if table.name in {"raw_order", "abnormal"}:
                    row["payload"] = unpacked(row["payload"])
            found[table.name] = sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True))
    found["meta"] = [r for r in found["meta"] if r["key"] != "backup_at"]
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
async def other(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database on each engine."""
    home = tmp_path / "other"
    if request.param == "sqlite":
        place = Place("", home / "other.sqlite", home / "key", home / "backups")
    else:
        url: str = request.getfixturevalue("postgresql_url")
        name = f"o{abs(hash(str(tmp_path))):x}"
        connection = await asyncpg.connect(url)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        place = find(url.replace("/postgres?", f"/{name}?"), home / "key")
    store = await open_store(place)
    yield store
    await store.close()


def test_every_table_is_exported_or_left_out_for_a_reason() -> None:
    assert {table.name for table in TABLES} | LEFT_OUT == set(t.metadata.tables)


async def test_a_round_trip_gives_equal_rows_on_either_engine(filled: World, other: Store, tmp_path: Path) -> None:
    before = await everything(filled.p.store)
    filled_tables = {
        "orders",
        "shipment",
        "allocation",
        "stock_move",
        "waybill",
        "label_file",
        "effect",
        "secret",
        "note",
    }
    assert all(before[name] for name in filled_tables)
    out = await export(filled.p.store, tmp_path / "out", "0.1.0", with_key=True)
    assert isinstance(out, Exported)
    assert (out.rows, out.with_key) == (sum(len(rows) for rows in before.values()), True)
    assert out.labels == len(before["label_file"]) > 0
    assert isinstance(await import_(other, tmp_path / "out"), Exported)
    after = await everything(other)
    for name, rows in before.items():
        assert after[name] == rows, name
    again = await export(other, tmp_path / "again", "0.1.0", with_key=True)
    assert isinstance(again, Exported)
    files = [
        msgspec.json.decode((tmp_path / f / "manifest.json").read_bytes(), type=Manifest) for f in ("out", "again")
    ]
    assert files[0].files.keys() == files[1].files.keys()
    async with other.reading() as tx:
        lowered = [f for f in await examine(tx) if f.check != "lines within the order"]
        assert lowered == []
    p = Pipeline(other)
    async with other.reading() as tx:
        assert await accounts.get_secrets(tx, p.sealer, f"shop:{filled.shop_id}")
    async with other.transaction() as tx:
        # Ids go on behind those that came, names are found by their words, and over-assignment is refused again.
        assert await tx.add(t.category, {"name": "n", "name_key": "n n"}) > max(r["id"] for r in before["category"])
        words = (await tx.value("SELECT words FROM buyer WHERE words <> '' LIMIT 1")).split()[0]
        assert await tx.value("SELECT count(*) FROM buyer_words(:q)", q=f'"{words}"*') > 0
        line = await tx.row("SELECT * FROM shipment_line LIMIT 1")
    with pytest.raises(Exception, match="over_assigned"):
        async with other.transaction() as tx:
            await tx.run("UPDATE shipment_line SET quantity = 9999 WHERE order_line_id = :l", l=line.order_line_id)


async def test_without_the_key_no_secret_goes_out_and_the_accounts_say_so(
    filled: World, other: Store, tmp_path: Path
) -> None:
    out = await export(filled.p.store, tmp_path / "out", "0.1.0")
    assert isinstance(out, Exported)
    assert not out.with_key
    assert (tmp_path / "out" / "tables" / "secret.jsonl").read_bytes() == b""
    assert not (tmp_path / "out" / "key").exists()
    assert isinstance(await import_(other, tmp_path / "out"), Exported)
    async with other.reading() as tx:
        rows = await tx.rows("SELECT account FROM account_health WHERE paused_code = 'key_missing' ORDER BY account")
        assert [r.account for r in rows] == ["carrier:1", f"shop:{filled.shop_id}"]
        assert await tx.value("SELECT count(*) FROM secret") == 0


async def test_an_export_is_private_open_and_whole(filled: World, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    await export(filled.p.store, folder, "0.1.0", with_key=True)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in folder.rglob("*") if f.is_file()} == {0o600}
    rows = [json.loads(line) for line in (folder / "tables" / "orders.jsonl").read_text().splitlines()]
    assert {r["platform_order_id"] for r in rows} >= {str(o["id"]) for o in filled.shop.admin("GET", "orders")[-4:]}
    payload = json.loads((folder / "tables" / "raw_order.jsonl").read_text().splitlines()[0])["payload"]["text"]
    assert json.loads(payload)["billing"]
    assert all(f.read_bytes().startswith(b"%PDF") for f in (folder / "labels").iterdir())


async def test_an_import_is_refused_whole_and_changes_nothing(filled: World, other: Store, tmp_path: Path) -> None:
    async def refused(folder: Path, store: Store = other) -> str:
        answer = await import_(store, folder)
        assert isinstance(answer, Refused)
        return answer.code

    folder = tmp_path / "out"
    await export(filled.p.store, folder, "0.1.0", with_key=True)
    again = await export(filled.p.store, folder, "0.1.0")
    assert isinstance(again, Refused)
    assert again.code == "not_empty"
    assert await refused(tmp_path) == "no_export"
    assert await refused(folder, filled.p.store) == "database_there"
    table = folder / "tables" / "shipment.jsonl"
    whole = table.read_bytes()
    table.write_bytes(whole.replace(b'"stage":5', b'"stage":1'))
    assert await refused(folder) == "changed_file"
    table.write_bytes(whole)
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"schema": "', '"schema": "9'))
    assert await refused(folder) == "other_schema"
    (folder / "manifest.json").write_text(manifest)
    other.place.key_file.parent.mkdir(parents=True, exist_ok=True)
    other.place.key_file.write_bytes(b"k" * 32)
    assert await refused(folder) == "other_key"
    async with other.reading() as tx:
        assert await tx.value("SELECT count(*) FROM shop") == 0


async def test_rows_that_cannot_be_leave_an_empty_database(filled: World, other: Store, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    await export(filled.p.store, folder, "0.1.0")
    table, name = folder / "tables" / "waybill.jsonl", "tables/waybill.jsonl"
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    table.write_bytes(table.read_bytes().replace(b'"state":"obtained"', b'"state":"lost"'))
    manifest.files[name].sha256 = hashlib.sha256(table.read_bytes()).hexdigest()
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(Exception, match="ck_waybill_state"):
        await import_(other, folder)
    async with other.reading() as tx:
        assert await tx.value("SELECT count(*) FROM shop") == 0
        assert await tx.value("SELECT count(*) FROM meta") > 0
