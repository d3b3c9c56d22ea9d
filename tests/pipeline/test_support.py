"""The file for support: everything planted in the books, the settings and the log stays at home."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.support import Scrubber, bundle
from store.place import Place
from tests.conftest import World

PLANTED = {
    "name": "Zbigniew Brzęczyszczykiewicz",
    "phone": "+48 600 731 942",
    "email": "zbyszek.b@poczta.example.test",
    "street": "Chrząszczyżewoszyce 17",
    "city": "Łękołody",
    "postcode": "62-817",
    "company": "Trociny i Wióry",
    "chinese": "欧阳娜娜",
    "note": "Klucz pod wycieraczką",
}


@pytest.fixture
async def planted(sqlite_place: Place, world_parts: Any) -> World:
    return await world_parts(sqlite_place)


@pytest.fixture
def world_parts(shop_twin: Any, carrier_twin: Any, tmp_path: Path) -> Any:
    async def make(place: Place) -> World:
        from pipeline.base import Pipeline

        world = World(await Pipeline.open(place), shop_twin, carrier_twin, tmp_path / "papers")
        await world.bind(sender_name="Hurtownia Gżegżółka", semi_managed="yes", sender_address="Nibynoga-3")
        person = {
            "first_name": "Zbigniew",
            "last_name": "Brzęczyszczykiewicz",
            "company": PLANTED["company"],
            "address_1": PLANTED["street"],
            "address_2": "",
            "city": PLANTED["city"],
            "state": "",
            "postcode": PLANTED["postcode"],
            "country": "PL",
        }
        world.order(
            customer_note=PLANTED["note"],
            billing={**person, "phone": PLANTED["phone"], "email": PLANTED["email"]},
            shipping={**person, "phone": PLANTED["phone"]},
        )
        await world.sync()
        return world

    return make


async def test_no_person_shop_or_secret_is_in_the_bundle(planted: World, tmp_path: Path) -> None:
    place = planted.p.store.place
    assert place.file is not None
    secrets = [str(planted.shop.hello[k]) for k in ("consumer_key", "consumer_secret")]
    log = place.file.parent / "worker.log"
    lines = [
        "2026-11-24 18:29:00,123 shipdeck.sync sync of shop:1 orders: timeout",
        *(f"2026-11-24 18:29:01,000 shipdeck.effects {name} was refused: {value}" for name, value in PLANTED.items()),
        f"Traceback: KeyError: '{PLANTED['name']}' at {PLANTED['street']}, {PLANTED['postcode']} {PLANTED['city']}",
        '  File "/home/zbyszek/.local/lib/store/apply.py", line 77, in apply',
        f"GET https://sklep-gzegzolka.example.test/wp-json?consumer_key={secrets[0]}&consumer_secret={secrets[1]}",
        "call 600731942 or 0048600731942 or (600) 731-942; IBAN PL61109010140000071219812874",
        "contact id 4711 postcode 62 817",
    ]
    log.write_text("\n".join(lines), encoding="utf-8")
    (place.file.parent / "shipdeck-crash-20261124-182900.txt").write_text(f"ValueError {PLANTED['email']}\n", "utf-8")
    async with planted.p.store.transaction() as tx:
        await tx.run(
            "UPDATE account_health SET paused_code = 'wrong_key', message = :m, fails = 9",
            m=f"{PLANTED['name']} {PLANTED['phone']}",
        )
        await tx.run(
            """INSERT INTO effect (key, account, op, due_at, created_at, state, code, message)
               VALUES ('k', 'shop:1', 'push', 1, 1, 'failed', :code, :m)""",
            code=f"refused {PLANTED['email']}",
            m=PLANTED["name"],
        )
    made = await bundle(place, tmp_path / "support.zip")
    assert made.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(made) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    everything = "\n".join(parts.values())
    forbidden = [
        w
        for value in PLANTED.values()
        for w in value.split()
        if len(w) > 2 and w != "pod" and not w.strip("+").isdecimal()
    ]
    forbidden += ["600 731", "731 942", "731-942", "62 817"]
    forbidden += [*secrets, "Gżegżółka", "gzegzolka", "Nibynoga", "zbyszek", "PL-Woo", "SimPost", "600731942", "731942"]
    forbidden += ["7219812874", str(planted.carrier.hello["token"]), planted.shop.url]  # type: ignore[union-attr]
    assert [w for w in forbidden if w.lower() in everything.lower()] == []
    # And it is of use.
    assert {
        "versions.json",
        "checks.json",
        "counts.json",
        "settings.json",
        "schema.sql",
        "plans.json",
        "worker.log",
    } <= parts.keys()
    assert json.loads(parts["counts.json"])["tables"]["orders"] >= 1
    assert "consumer_key=…&consumer_secret=…" in parts["worker.log"]
    assert parts["worker.log"].splitlines()[0] == lines[0]
    assert "apply.py" in parts["worker.log"]
    assert "line 77" in parts["worker.log"]
    shop = next(s for s in json.loads(parts["settings.json"]) if s["account"] == "shop:1")
    assert (shop["settings"]["settle_s"], shop["settings"]["url"], shop["settings"]["sender_name"]) == (
        "0",
        "(set)",
        "(set)",
    )
    assert "wrong_key" in parts["checks.json"]
    assert "CREATE TABLE orders" in parts["schema.sql"]
    assert any("ix_shipment" in step for plan in json.loads(parts["plans.json"]).values() for step in plan)
    with pytest.raises(FileExistsError):
        await bundle(place, made)
    await planted.p.aclose()


def test_the_scrubber_knows_the_programs_words_and_nobodys_names() -> None:
    scrub = Scrubber()
    assert scrub("lease of carrier:1 was lost") == "lease of carrier:1 was lost"
    assert scrub("worker started, 12 effects") == "worker started, 12 effects"
    for name in ("Kowalski", "Wiśniewska", "Schmidt", "王小明", "Ada Nowak", "anna", "ewa@example.test"):
        assert name.split("@")[0].split()[0] not in scrub(f"refused for {name}")
    assert "5" not in scrub("tel. 0501-555-1234 ext")


async def test_of_a_damaged_database_what_can_be_said_is_said(bare_sqlite_place: Place, tmp_path: Path) -> None:
    assert bare_sqlite_place.file is not None
    bare_sqlite_place.file.parent.mkdir(parents=True)
    bare_sqlite_place.file.write_bytes(b"no database " * 900)
    made = await bundle(bare_sqlite_place, tmp_path / "support.zip")
    with zipfile.ZipFile(made) as archive:
        assert {"versions.json", "checks.json", "unreadable.txt"} <= set(archive.namelist())
        assert "damaged" in archive.read("checks.json").decode()
