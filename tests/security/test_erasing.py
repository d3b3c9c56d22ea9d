"""People leave the database N days after their orders were over, from every place that holds them; the books stay."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.launch import Twin
from domain.clock import DAY
from pipeline import erasing, setup
from store.doctor import examine
from store.place import Place
from store.quarantined import quarantine
from tests.conftest import World

PERSON = {
    "first_name": "Zdzisława",
    "last_name": "Qwertyniak",
    "company": "Firma Xylofon",
    "address_1": "ul. Niezapominajkowa 77",
    "address_2": "m. 4 klatka Vidoq",
    "city": "Wąchocknik",
    "state": "",
    "postcode": "27-987",
    "country": "PL",
}
REACH = {"phone": "+48 512 345 987", "email": "zdzicha.q@vidoq.example"}
OTHER = {**PERSON, "first_name": "Ingeborga", "last_name": "Pozostalska", "address_1": "ul. Trwała 1"}
NOTE = "Proszę dzwonić: 512345987, pies nazywa się Burek-Vidoq"
PLANTED = (
    "Zdzisława", "zdzislawa", "Qwertyniak", "qwertyniak", "Xylofon", "xylofon", "Niezapominajkowa", "Vidoq", "vidoq",
    "Wąchocknik", "27-987", "512 345 987", "512345987", "Burek", "Zdzichna Własna", "609 111 222", "Rybna 9",
)  # fmt: skip
SHARED = ("27-987", "Wąchocknik", "Xylofon", "xylofon", "Vidoq")
"""What the neighbour who stays holds, too."""


async def everything(world: World) -> str:
    """Every text and byte column of every table, unpacked where it is a payload."""
    from store.packing import unpacked
    from store.tables import metadata

    found: list[str] = []
    for table in metadata.sorted_tables:
        for row in await world.fetch(f"SELECT * FROM {table.name}"):
            for value in row.values():
                if isinstance(value, str):
                    found.append(value)
                elif isinstance(value, bytes):
                    try:
                        found.append(unpacked(value).decode("utf-8", "replace"))
                    except ValueError:
                        found.append(value.decode("latin-1"))
    return "\n".join(found)


async def books(world: World) -> dict[str, Any]:
    """What must stay: counts, amounts, ledger, history, numbers, countries."""
    asked = {
        "orders": "SELECT id, number, status, currency, total_minor, shipping_minor, created_at, paid_at FROM orders ORDER BY id",
        "lines": "SELECT * FROM order_line ORDER BY id",
        "shipments": "SELECT id, stage, status, version, shipped_at, deducted FROM shipment ORDER BY id",
        "moves": "SELECT * FROM stock_move ORDER BY id",
        "events": "SELECT * FROM event ORDER BY id",
        "submissions": "SELECT shipment_id, order_id, state, number, code FROM submission ORDER BY shipment_id",
        "waybills": "SELECT id, number, state, cost_minor, code FROM waybill ORDER BY id",
        "counts": """SELECT shop_id, stage, status, CAST(sum(n) AS bigint) AS n
            FROM stage_count GROUP BY shop_id, stage, status
            ORDER BY 1, 2, 3""",
        "countries": "SELECT id, country FROM address ORDER BY id",
    }  # fmt: skip
    return {name: await world.fetch(sql) for name, sql in asked.items()}


def plain(**order: Any) -> dict[str, Any]:
    return {"line_items": [{"sku": "NB-A5", "quantity": 1}], "customer_note": "", **order}


@pytest.fixture(autouse=True)
def nobody_else(shop_twin: Twin) -> None:
    """The shop's orders of other tests are gone: they were for the same people."""
    for order in shop_twin.admin("GET", "orders"):
        shop_twin.admin("POST", "change", {"order": order["id"], "change": "delete"})


@pytest.fixture
async def shipped(world: World) -> tuple[World, int, int]:
    """An order shipped for a person who is to be forgotten, another still in review; (world, order, shipment)."""
    person = {"billing": {**PERSON, **REACH}, "shipping": {**PERSON, "phone": REACH["phone"]}, "customer_note": NOTE}
    made = world.order(**plain(**person))
    other = {**OTHER, "phone": "+48 700 000 001", "email": "inga@stays.example"}
    world.order(**plain(billing=other, shipping={**OTHER, "phone": other["phone"]}))
    await world.sync()
    shipment = await world.shipment_of(made)
    await world.do("note", [shipment], read=True)
    await world.do("note", [shipment], text="oddzwonić: Zdzichna Własna 609 111 222")
    assert not (
        await world.do("address", [shipment], name="Zdzichna Własna", line1="Rybna 9", phone="609 111 222")
    ).refused
    await world.to_stage(shipment, "shipped")
    async with world.p.store.transaction() as tx:
        await quarantine(tx, world.shop_id, [("9901", "bad_date", "Qwertyniak?", b'{"phone": "512 345 987"}')])
        await tx.do("UPDATE abnormal SET state = 'dismissed'")
        # What a carrier may repeat in its own words.
        await tx.do("UPDATE waybill SET reason = 'no courier at 512345987'")
    return world, made, shipment


def later(world: World, days: int) -> None:
    """So many days on, by the database's time alone: signatures are made with the shop's."""
    clock = world.p.clock
    world.p.store.clock = lambda: clock() + days * DAY


async def set_days(world: World, days: str) -> None:
    assert isinstance(await setup.set_shop(world.p, world.shop_id, {"redact_after": days}, {}), dict)


async def test_people_are_erased_from_every_table_and_the_books_stay_whole(shipped: tuple[World, int, int]) -> None:
    world, _made, shipment = shipped
    await set_days(world, "30")
    assert await erasing.erase_due(world.p) == 0, "nothing is due on the first day"
    before = await everything(world)
    assert [word for word in PLANTED if word not in before and word != "xylofon"] == []
    whole = await books(world)
    later(world, 31)
    assert await erasing.erase_due(world.p) == 1
    after = await everything(world)
    assert [word for word in PLANTED if word in after and word not in SHARED] == []
    assert "Pozostalska" in after
    assert "700 000 001" in after
    assert await books(world) == whole
    async with world.p.store.reading() as tx:
        assert not await examine(tx)
    assert await world.value("SELECT count(*) FROM label_file WHERE waybill_id IN (SELECT id FROM waybill)") == 0
    shown = await world.shown(shipment)
    assert (shown["buyer"], shown["country"], shown["notes"]) == ("", "PL", [])
    assert await erasing.erase_due(world.p) == 0, "done twice it does nothing"


async def test_never_means_never(shipped: tuple[World, int, int]) -> None:
    world, _made, _shipment = shipped
    later(world, 4000)
    assert await erasing.erase_due(world.p) == 0
    assert "Qwertyniak" in await everything(world)


async def test_a_later_version_brings_nothing_back(shipped: tuple[World, int, int]) -> None:
    world, made, shipment = shipped
    await set_days(world, "30")
    later(world, 31)
    await erasing.erase_due(world.p)
    new = {"customer_note": f"noch einmal {NOTE}", "billing": {**PERSON, **REACH}}
    world.shop.admin("POST", "change", {"order": made, "change": "set", "values": new})
    world.shop.admin("POST", "change", {"order": made, "change": "refund"})
    assert await world.sync(cut_over=False, full=True) == ""
    row = (await world.fetch("SELECT status FROM orders WHERE platform_order_id = :o", o=str(made)))[0]
    assert row["status"] == "refunded"
    async with world.p.store.transaction() as tx:
        await quarantine(tx, world.shop_id, [(str(made), "bad_date", "Qwertyniak", b"Qwertyniak 512 345 987")])
    text = await everything(world)
    assert [word for word in PLANTED if word in text and word not in SHARED] == []
    assert "address_changed" not in {e["kind"] for e in (await world.shown(shipment))["events"]}


async def test_a_contact_of_a_living_order_stays(world: World) -> None:
    person = {"billing": {**PERSON, **REACH}, "shipping": {**PERSON, "phone": REACH["phone"]}}
    first, second = world.order(**plain(**person)), world.order(**plain(**person))
    await world.sync()
    await world.to_stage(await world.shipment_of(first), "shipped")
    await set_days(world, "1")
    later(world, 2)
    assert await erasing.erase_due(world.p) == 1
    assert await world.value("SELECT count(*) FROM contact WHERE phone_key <> ''") == 1
    assert (await world.shown(await world.shipment_of(second)))["address"]["phone"] == REACH["phone"]
    assert (await world.shown(await world.shipment_of(first)))["address"]["phone"] == ""


async def test_the_worker_does_it_once_a_day(shipped: tuple[World, int, int]) -> None:
    world, _made, _shipment = shipped
    await set_days(world, "30")
    assert await erasing.daily(world.p) == 0
    later(world, 31)
    assert await erasing.daily(world.p) == 1
    assert await erasing.daily(world.p) == 0


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_no_byte_of_them_is_left_in_the_files(shipped: tuple[World, int, int], place: Place) -> None:
    world, made, _shipment = shipped
    # A longer history: earlier versions of the order, and neighbours that make pages split and move.
    for n in range(3):
        note = {"customer_note": f"{NOTE} {n}"}
        world.shop.admin("POST", "change", {"order": made, "change": "set", "values": note})
        await world.sync()
    many = {"billing": {**OTHER, "city": "Kielce"}, "shipping": {**OTHER, "city": "Kielce"}}
    world.shop.admin("POST", "orders", {"orders": [plain(**many)] * 150})
    await world.sync()
    await set_days(world, "30")
    assert place.file is not None
    await world.p.store.checkpoint()
    raw = place.file.read_bytes()
    assert b"Qwertyniak" in raw
    assert b"512 345 987" in raw
    later(world, 31)
    assert await erasing.erase_due(world.p) == 1
    await world.p.store.checkpoint()
    left = left_over(place.file, ("Qwertyniak", "qwertyniak", "512 345 987", "512345987", "Niezapominajkowa",
                                  "zdzicha.q", "Zdzichna", "zdzichna", "Rybna 9"))  # fmt: skip
    assert left == []


def left_over(file: Path, words: tuple[str, ...]) -> list[str]:
    """Which words stand in the bytes of a database, its log, and the terms of its index of names."""
    raw = b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*") if part.is_file())
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        blocks = b"".join(row[0] for row in connection.execute("SELECT block FROM buyer_words_data"))
    finally:
        connection.close()
    return [word for word in words if word.encode() in raw or word.encode() in blocks]


async def test_a_closed_order_that_changes_later_stays_empty_too(world: World) -> None:
    """Nothing of it was deducted, so it is not frozen: only the mark keeps its people out."""
    person = {"billing": {**PERSON, **REACH}, "shipping": {**PERSON, "phone": REACH["phone"]}, "customer_note": NOTE}
    made = world.order(**plain(**person))
    await world.sync()
    world.shop.admin("POST", "change", {"order": made, "change": "cancel"})
    await world.sync()
    await set_days(world, "30")
    later(world, 31)
    assert await erasing.erase_due(world.p) == 1
    values = {"customer_note": f"doch: {NOTE}", "billing": {**PERSON, **REACH, "first_name": "Zdzisława II"}}
    world.shop.admin("POST", "change", {"order": made, "change": "set", "values": values})
    world.shop.admin("POST", "change", {"order": made, "change": "refund"})
    assert await world.sync(cut_over=False) == ""
    assert await world.value("SELECT status FROM orders") == "refunded"
    text = await everything(world)
    assert [word for word in PLANTED if word in text] == []
