"""Everything out in open formats and in again: equal rows on the same engine and on the other one."""

import hashlib
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.simulated.launch import Twin
from domain.enums import Stage, Status
from domain.results import Refused
from pipeline import stocktaking
from pipeline.base import Pipeline
from pipeline.commands import run
from store import accounts, leases
from store import tables as t
from store.database import Store
from store.doctor import examine
from store.export import (
    LEFT_OUT,
    TABLES,
    Exported,
    Imported,
    Manifest,
    check,
    every_row,
    export,
    import_,
    take_in,
)
from store.packing import unpacked
from store.place import Place, find
from store.upgrade import open_store
from tests.conftest import World, apart, copied, database_on, name_of, sqlite_at
from tests.pipeline.conftest import Template, moved_to
from tests.store.conftest import Books


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled_once(
    request: pytest.FixtureRequest, shop_twin: Twin, carrier_twin: Twin, tmp_path_factory: pytest.TempPathFactory
) -> Template:
    """Orders in every stage, a merge, notes, stock, a void number, a batch, an abnormal order, categories."""
    home = tmp_path_factory.mktemp("filled")
    if request.param == "sqlite":
        place = copied(request.getfixturevalue("new_sqlite"), sqlite_at(home))
    else:
        url = request.getfixturevalue("postgresql_url")
        place = find(database_on(url, home, request.getfixturevalue("new_postgresql")), home / "key")

    async def made() -> int:
        world = World(await Pipeline.open(place), shop_twin, carrier_twin, home / "papers")
        await world.bind()
        await fill(world)
        await world.p.store.checkpoint()
        await world.p.aclose()
        return world.shop_id

    file = place.file or home / name_of(place.url)
    return Template(file, place.key_file, home / "papers", apart(made()), place.url)


async def fill(world: World) -> None:
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


@pytest.fixture
async def filled(
    filled_once: Template,
    request: pytest.FixtureRequest,
    shop_twin: Twin,
    carrier_twin: Twin,
    tmp_path: Path,
) -> AsyncIterator[World]:
    """Those books in a database of this test's own, on each engine in turn."""
    if filled_once.url:
        server = request.getfixturevalue("postgresql_url")
        place = find(database_on(server, tmp_path, filled_once.file.name), filled_once.key)
    else:
        place = moved_to(filled_once, tmp_path)
    world = World(await Pipeline.open(place), shop_twin, carrier_twin, filled_once.folder)
    world.shop_id = filled_once.shop_id
    yield world
    await world.p.aclose()


@pytest.fixture
async def small(new_sqlite: Path, tmp_path: Path) -> AsyncIterator[Store]:
    """A shop with a secret, a parcel with its label, another one whose carrier is to be asked."""
    home = tmp_path / "small"
    p = await Pipeline.open(copied(new_sqlite, sqlite_at(home)))
    books = Books(p)
    await books.open()
    await books.numbered()
    waits = await books.order()
    async with p.store.transaction() as tx:
        await accounts.set_secrets(tx, p.sealer, f"shop:{books.shop_id}", {"key": "ck_hush"})
        waybill = await tx.value("SELECT id FROM waybill")
        await tx.insert(
            t.label_file,
            [{"waybill_id": waybill, "media": "application/pdf", "data": b"%PDF-1", "pages": 1, "at": tx.now}],
        )
        await books.put(tx, waits, Stage.PROCESSING, Status.READY)
    assert not (await run(p, "waybill", [waits], {}, "anna")).refused
    yield p.store
    await p.aclose()


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


async def taken_in(store: Store, folder: Path) -> None:
    """Every row as it was, nothing begun anew."""
    manifest = check(folder)
    assert isinstance(manifest, Manifest), manifest
    async with store.transaction() as tx:
        await take_in(tx, folder, manifest)
    if (folder / "key").exists():
        store.place.key_file.parent.mkdir(parents=True, exist_ok=True)
        store.place.key_file.write_bytes((folder / "key").read_bytes())


@pytest.fixture(params=["sqlite", "postgresql"])
async def other(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database on each engine."""
    home = tmp_path / "other"
    if request.param == "sqlite":
        place = copied(request.getfixturevalue("new_sqlite"), sqlite_at(home))
    else:
        url = request.getfixturevalue("postgresql_url")
        place = find(database_on(url, home, request.getfixturevalue("new_postgresql")), home / "key")
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
    await taken_in(other, tmp_path / "out")
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
    assert isinstance(await import_(other, tmp_path / "out"), Imported)
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


async def refused(store: Store, folder: Path) -> Refused:
    """Import; must be refused, with nothing read and no key file left."""
    key = store.place.key_file.exists()
    answer = await import_(store, folder)
    assert isinstance(answer, Refused), answer
    async with store.reading() as tx:
        assert await tx.value("SELECT count(*) FROM shop") == 0
        assert await tx.value("SELECT count(*) FROM meta") > 0
    assert store.place.key_file.exists() is key
    return answer


def sealed(folder: Path, name: str, content: bytes) -> None:
    """Alter a file as somebody would who writes the manifest, too."""
    (folder / name).write_bytes(content)
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    manifest.files[name].sha256 = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))


async def test_an_import_is_refused_whole_and_changes_nothing(small: Store, other: Store, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    await export(small, folder, "0.1.0", with_key=True)
    again = await export(small, folder, "0.1.0")
    assert isinstance(again, Refused)
    assert again.code == "not_empty"
    assert (await refused(other, tmp_path)).code == "no_export"
    own = await import_(small, folder)
    assert isinstance(own, Refused)
    assert own.code == "database_there"
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"schema": "', '"schema": "9'))
    assert (await refused(other, folder)).code == "other_schema"
    (folder / "manifest.json").write_text(manifest)
    async with other.transaction() as tx:
        await leases.beat(tx, "packing-2|1|1|x", tx.now, "0.0.9", "terminal")
    living = await refused(other, folder)
    assert living.code == "others_connected"
    assert "packing-2" in living.message
    async with other.transaction() as tx:
        await leases.leave(tx, "packing-2|1|1|x")
    other.place.key_file.parent.mkdir(parents=True, exist_ok=True)
    other.place.key_file.write_bytes(b"k" * 32)
    assert (await refused(other, folder)).code == "other_key"


async def test_no_file_of_an_export_can_be_altered_missing_or_a_link(small: Store, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    await export(small, folder, "0.1.0", with_key=True)
    label = next((folder / "labels").iterdir())
    empty = next(f for f in sorted((folder / "tables").iterdir()) if not f.stat().st_size)
    store = await open_store(Place("", tmp_path / "new.sqlite", tmp_path / "key", tmp_path / "b"))
    for path in (folder / "tables" / "shipment.jsonl", folder / "tables" / "meta.jsonl", empty, label, folder / "key"):
        whole = path.read_bytes()
        for how in ("longer", "other", "missing", "link"):
            path.unlink()
            if how == "link":
                (tmp_path / "elsewhere").write_bytes(whole)
                path.symlink_to(tmp_path / "elsewhere")
            elif how != "missing":
                path.write_bytes(whole + b"\n" if how == "longer" or not whole else whole[:-2] + b"0" + whole[-1:])
            answer = await refused(store, folder)
            assert (answer.code, path.name in answer.message) == ("changed_file", True), (path, how)
            path.unlink(missing_ok=True)
            path.write_bytes(whole)
    for name in ("labels", "tables"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
        assert (await refused(store, folder)).code == "changed_file"
        (folder / name).unlink()
        (tmp_path / name).rename(folder / name)
    assert isinstance(await import_(store, folder), Imported)
    await store.close()


INJECTED = "id) VALUES (1); DROP TABLE orders; --"


async def test_a_file_that_somebody_made_up_is_refused_by_what_is_wrong_with_it(
    small: Store, other: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    await export(small, folder, "0.1.0")
    whole = {name: (folder / name).read_bytes() for name in ("tables/raw_order.jsonl", "tables/label_file.jsonl")}

    def with_(name: str, **changes: Any) -> bytes:
        first, *more = whole[name].splitlines(keepends=True)
        row = {k: v for k, v in (json.loads(first) | changes).items() if v is not ...}
        return b"".join([json.dumps(row).encode() + b"\n", *more])

    raw, label = whole
    secret = tmp_path / "id_secret"
    secret.write_bytes(b"not for labels")
    (folder / "labels" / "99.pdf").write_bytes(b"%PDF-not in the manifest")
    for name, content, said in (
        (raw, with_(raw, **{INJECTED: 1}), "DROP TABLE"),
        (raw, with_(raw, payload=...), "payload of raw_order is missing"),
        (raw, with_(raw, order_id={"text": "x"}), "order_id: one value"),
        (raw, with_(raw, payload={"file": "labels/1.pdf"}), "payload: one value"),
        (raw, b"[1, 2]\n", "line 1"),
        (raw, b"\x00\n", "line 1"),
        (label, with_(label, data={"file": "labels/99.pdf"}), "labels/99.pdf is not in the manifest"),
        (label, with_(label, data={"file": "../id_secret"}), "../id_secret is not in the manifest"),
        (label, with_(label, data={"file": str(secret)}), "is not in the manifest"),
        (label, with_(label, data={"file": "tables/raw_order.jsonl"}), "is not in the manifest"),
        (label, with_(label, data={"base64": "x"}), "data:"),
        (label, with_(label, data=None), "data: one value"),
        (label, with_(label, data={"file": 7}), "data: one value"),
    ):
        sealed(folder, name, content)
        answer = await refused(other, folder)
        assert answer.code == "changed_file"
        assert said in answer.message, answer.message
        assert Path(name).name in answer.message
        sealed(folder, name, whole[name])
    assert isinstance(await import_(other, folder), Imported)


async def test_rows_that_cannot_be_leave_an_empty_database(small: Store, other: Store, tmp_path: Path) -> None:
    folder, name = tmp_path / "out", "tables/waybill.jsonl"
    await export(small, folder, "0.1.0")
    sealed(folder, name, (folder / name).read_bytes().replace(b'"state":"obtained"', b'"state":"lost"'))
    with pytest.raises(Exception, match="ck_waybill_state"):
        await import_(other, folder)
    async with other.reading() as tx:
        assert await tx.value("SELECT count(*) FROM shop") == 0
        assert await tx.value("SELECT count(*) FROM meta") > 0


async def test_an_import_and_its_new_beginning_are_one_transaction(
    small: Store, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await export(small, tmp_path / "out", "0.1.0")

    async def cut(*_about: Any, **_more: Any) -> None:
        raise RuntimeError("the power is gone")

    monkeypatch.setattr("store.export.begin_anew", cut)
    with pytest.raises(RuntimeError):
        await import_(other, tmp_path / "out")
    async with other.reading() as tx:
        assert await tx.value("SELECT count(*) FROM effect") == 0, "what waits would be sent as if nothing had happened"
    monkeypatch.undo()
    made = await import_(other, tmp_path / "out")
    assert isinstance(made, Imported)
    assert made.anew.effects == 1
    assert made.anew.moment == made.read.made_at
    async with other.reading() as tx:
        assert await tx.value("SELECT count(*) FROM effect WHERE state = 'queued' AND code <> 'accepted'") == 0
        assert await tx.value("SELECT count(*) FROM event WHERE kind = 'restored'") == 1
