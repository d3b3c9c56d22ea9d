"""Shops, carriers, printers and persons are set up by keys alone; what is refused is asked again with what was typed."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connectors import registry
from connectors.simulated.launch import Twin
from console.places.shop_settings import PAGES, WORDS
from console.screens.asking import Waiting
from console.welcome import welcome
from domain.persons import Role
from domain.results import Refused
from domain.settings import CALL_SETTINGS, ShopSettings, call_setting, changed
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.worker import sync_now
from store.place import Place
from tests.console.pilot import DeskPilot, console

ROOT = Path(__file__).parents[2]
BOTH_SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])


def keys_of(twin: Twin) -> dict[str, str]:
    return {k: str(twin.hello[k]) for k in ("consumer_key", "consumer_secret")}


async def rows(place: Place, sql: str) -> list[dict[str, Any]]:
    p = await Pipeline.open(place)
    async with p.store.reading() as tx:
        found = [r._asdict() for r in await tx.rows(sql)]
    await p.aclose()
    return found


@pytest.fixture
async def bound(sqlite_place: Place, shop_twin: Twin) -> Place:
    """A database with the shop PL-Woo."""
    p = await Pipeline.open(sqlite_place)
    made = await setup.add_shop(p, "woocommerce", "PL-Woo", {"url": shop_twin.url}, keys_of(shop_twin))
    assert not isinstance(made, Refused), made
    await p.aclose()
    return sqlite_place


async def open_bind_form(d: DeskPilot) -> None:
    await d.press("9")
    await d.row("add:shop")
    await d.press("n")
    await d.dialog("Choose")
    await d.press(str(registry.names("shop").index("woocommerce") + 1))
    await d.dialog("Form")


# ------------------------------------------------------------------ shops


@BOTH_SIZES
async def test_a_wrong_key_opens_the_form_again_at_it_and_the_right_one_binds(
    sqlite_place: Place, shop_twin: Twin, size: tuple[int, int]
) -> None:
    keys = keys_of(shop_twin)
    async with console(sqlite_place, size=size) as d:
        await open_bind_form(d)
        await d.fill(
            _name="PL-Woo", url=shop_twin.url, consumer_key="ck_wrong", consumer_secret=keys["consumer_secret"]
        )
        await d.press("f9")
        await d.sees("does not take this key")
        assert d.focused == "consumer_key"
        assert d.field_is_visible()
        assert (d.value("_name"), d.value("url")) == ("PL-Woo", shop_twin.url)
        assert d.value("consumer_secret") == keys["consumer_secret"]
        assert "ck_wrong" not in d.screen()
        assert keys["consumer_secret"] not in d.screen()
        assert await rows(sqlite_place, "SELECT 1 FROM shop") == []

        await d.type(keys["consumer_key"])
        await d.press("f9")
        await d.dialog("Found")
        shown = d.screen()
        assert "Kleks" in shown
        assert "PLN" in shown
        assert "cancelled" in shown
        assert "_refunded_item_id" in shown
        assert await rows(sqlite_place, "SELECT 1 FROM shop") == []
        await d.press("1")
        await d.sees("is bound")
        assert d.settings.cursor_id == "shop:1"
        assert [(r["name"], r["bound"]) for r in await rows(sqlite_place, "SELECT name, bound FROM shop")] == [
            ("PL-Woo", 1)
        ]
        due = await rows(
            sqlite_place, "SELECT kind FROM sync_task WHERE due_at <= (SELECT connected_at + 5000 FROM shop)"
        )
        assert sorted(r["kind"] for r in due) == ["orders", "products"]


async def test_what_the_test_call_found_may_be_left_and_nothing_is_kept(sqlite_place: Place, shop_twin: Twin) -> None:
    async with console(sqlite_place) as d:
        await open_bind_form(d)
        await d.fill(_name="PL-Woo", url=shop_twin.url, **keys_of(shop_twin))
        await d.press("f9")
        await d.dialog("Found")
        await d.press("2")
        await d.dialog("Form")
        assert d.value("url") == shop_twin.url
        await d.press("f9")
        await d.dialog("Found")
        await d.press("3")
        await d.sees("Nothing was bound")
        assert await rows(sqlite_place, "SELECT 1 FROM shop UNION SELECT 1 FROM secret") == []


async def test_a_shop_that_does_not_answer_can_be_left_without_waiting(sqlite_place: Place, shop_twin: Twin) -> None:
    async with console(sqlite_place) as d:
        shop_twin.fail_next("timeout_before", times=1)
        await open_bind_form(d)
        await d.fill(_name="PL-Woo", url=shop_twin.url, **keys_of(shop_twin))
        await d.press("f9")
        await d.until(lambda: isinstance(d.app.screen, Waiting), "the box")
        await d.press("escape")
        await d.sees("was not waited for")
        assert d.value("_name") == "PL-Woo"
        # It was given up: the writing thread is free for the next one.
        await d.press("f9")
        await d.dialog("Found")
        await d.press("escape")
        await d.closed()


async def test_a_shop_is_not_bound_twice_and_the_address_is_where_it_says_so(bound: Place, shop_twin: Twin) -> None:
    async with console(bound) as d:
        await open_bind_form(d)
        await d.fill(_name="Again", url=shop_twin.url, **keys_of(shop_twin))
        await d.press("f9")
        await d.sees("bound already, as PL-Woo")
        assert d.focused == "url"
        await d.fill(_name="")
        await d.fill(url="https://other.example")
        await d.press("f9")
        await d.sees("A name has up to 40")
        assert d.focused == "_name"
        await d.press("escape")
        await d.closed()
        assert len(await rows(bound, "SELECT 1 FROM shop")) == 1


@BOTH_SIZES
async def test_a_setting_out_of_range_is_asked_again_and_only_what_changed_is_kept(
    bound: Place, size: tuple[int, int]
) -> None:
    async with console(bound, size=size) as d:
        await d.press("9")
        await d.row("shop:1")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("4")
        await d.sees("Settings of PL-Woo")
        await d.press("2")
        await d.dialog("Form")
        await d.fill(ship_without_printing="yes", grace_s="99999")
        await d.press("f9")
        await d.sees("from 0 to 3600")
        assert d.focused == "grace_s"
        assert d.value("ship_without_printing") == "yes"
        assert d.field_is_visible()
        await d.type("60")
        await d.press("f9")
        await d.sees("Settings of PL-Woo")
        await d.press("escape")
        await d.closed()
        await d.sees("changed ship without printing, grace")
        settings = json.loads((await rows(bound, "SELECT settings FROM shop"))[0]["settings"])
        assert {k: v for k, v in settings.items() if k in ShopSettings.__struct_fields__} == {
            "ship_without_printing": True,
            "grace_s": 60,
        }


@pytest.mark.parametrize("size", [(80, 14), (80, 24), (120, 36)], ids=["80x14", "80x24", "120x36"])
async def test_no_page_of_a_form_hides_the_field_in_focus(bound: Place, size: tuple[int, int]) -> None:
    async with console(bound, size=size) as d:
        await d.press("9")
        await d.row("shop:1")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("4")
        for page in range(1, len(PAGES) + 2):
            await d.sees("Settings of PL-Woo")
            await d.press(str(page))
            await d.dialog("Form")
            fields = d.app.screen.fields  # type: ignore[attr-defined]
            for field in fields:
                await d.until(lambda name=field.name: d.focused == name, field.name)
                await d.until(d.field_is_visible, f"{field.name} in sight")
                await d.press("tab")
            await d.press("escape")
        await d.press("escape")
        await d.closed()


async def test_a_changed_address_is_tried_before_it_is_kept(bound: Place, shop_twin: Twin) -> None:
    async with console(bound) as d:
        await d.press("9")
        await d.row("shop:1")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("4")
        await d.sees("Settings of PL-Woo")
        await d.press("6")
        await d.dialog("Form")
        await d.fill(url="http://127.0.0.1:9", customer_note="yes")
        await d.press("f9")
        await d.until(lambda: type(d.app.screen).__name__ == "Form" and "127.0.0.1:9" in d.value("url"), "again")
        await d.until(lambda: d.focused == "url", "at the address")
        kept = json.loads((await rows(bound, "SELECT settings FROM shop"))[0]["settings"])
        assert kept["url"] == shop_twin.url
        await d.type(shop_twin.url)
        await d.press("f9")
        await d.sees("Settings of PL-Woo")
        kept = json.loads((await rows(bound, "SELECT settings FROM shop"))[0]["settings"])
        assert (kept["url"], kept["customer_note"]) == (shop_twin.url, "yes")
        await d.press("escape")


async def test_new_keys_are_kept_only_when_the_shop_takes_them(bound: Place, shop_twin: Twin) -> None:
    sealed = await rows(bound, "SELECT * FROM secret ORDER BY 1, 2")
    async with console(bound) as d:
        await d.press("9")
        await d.row("shop:1")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("5")
        await d.dialog("Form")
        await d.type("ck_other")
        await d.press("f9")
        await d.sees("does not take this key")
        assert await rows(bound, "SELECT * FROM secret ORDER BY 1, 2") == sealed
        await d.type(keys_of(shop_twin)["consumer_key"])
        await d.press("f9")
        await d.sees("took the new credentials")
        assert await rows(bound, "SELECT * FROM secret ORDER BY 1, 2") != sealed


@BOTH_SIZES
async def test_unbinding_asks_for_the_number_and_another_one_leaves_the_shop(
    bound: Place, size: tuple[int, int]
) -> None:
    async with console(bound, size=size) as d:
        await d.press("9")
        await d.row("shop:1")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("8")
        await d.dialog("Ask")
        assert "Type 0" in d.screen()
        await d.press("7", "enter")
        await d.sees("nothing was done")
        await d.press("escape")
        await d.closed()
        assert (await rows(bound, "SELECT bound FROM shop"))[0]["bound"] == 1
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("8")
        await d.dialog("Ask")
        await d.press("0", "enter")
        await d.sees("is unbound")
        assert (await rows(bound, "SELECT bound FROM shop"))[0]["bound"] == 0
        assert d.settings.offers()[0].text == "Bind it again"
        assert all(o.why for o in d.settings.offers() if o.text in {"Settings", "Unbind", "Read its orders now"})


async def test_reading_the_products_makes_them_due(bound: Place) -> None:
    async with console(bound) as d:
        before = await rows(bound, "UPDATE sync_task SET due_at = 9999999999999 RETURNING kind")
        assert len(before) == 3
        await d.press("9")
        await d.row("shop:1")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("2")
        await d.sees("Reading now: PL-Woo")
        left = await rows(bound, "SELECT kind FROM sync_task WHERE due_at = 9999999999999")
        assert sorted(r["kind"] for r in left) == ["orders", "reconcile"]


async def test_the_rules_of_the_import_are_said_in_words(bound: Place) -> None:
    async with console(bound) as d:
        await d.press("9")
        await d.row("shop:1")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("6")
        await d.dialog("Read")
        await d.sees("only orders in PLN")
        assert "refunded" in d.screen()


async def test_an_unbound_shop_is_bound_again_with_its_fields_filled_in(bound: Place, shop_twin: Twin) -> None:
    p = await Pipeline.open(bound)
    assert not isinstance(await setup.unbind_shop(p, 1, ""), Refused)
    await p.aclose()
    async with console(bound) as d:
        await d.press("9")
        await d.row("shop:1")
        await d.press("n")
        await d.dialog("Form")
        assert (d.value("_name"), d.value("url"), d.value("consumer_key")) == ("PL-Woo", shop_twin.url, "")
        await d.fill(**keys_of(shop_twin))
        await d.press("f9")
        await d.dialog("Found")
        await d.sees("bound before")
        await d.press("1")
        await d.sees("is bound")
        assert [(r["id"], r["bound"]) for r in await rows(bound, "SELECT id, bound FROM shop")] == [(1, 1)]


async def test_the_cut_over_of_one_shop_is_named_from_its_row(bound: Place, shop_twin: Twin) -> None:
    shop_twin.admin("POST", "orders", {"orders": [{"customer_note": ""}]})
    p = await Pipeline.open(bound)
    assert (await sync_now(p, 1))["orders"] == ""
    await p.aclose()
    async with console(bound) as d:
        await d.press("9")
        await d.row("shop:1")
        await d.sees("cut-over 1")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("7")
        await d.sees("were open before it was bound")
        await d.press("1")
        await d.dialog("Ask")
        await d.type("1")
        await d.press("enter")
        await d.sees("1 orders of PL-Woo: done")
        assert (await rows(bound, "SELECT cut_over FROM shop"))[0]["cut_over"] == "ship_these"


# ------------------------------------------------------------------ the first start


async def test_a_first_start_offers_practice_a_shop_or_a_look(sqlite_place: Place) -> None:
    async with console(sqlite_place) as d:
        d.app.flow(welcome(d.desk))
        await d.sees("What would you like to begin with")
        await d.press("3")
        await d.closed()
        d.app.flow(welcome(d.desk))
        await d.dialog("Choose")
        await d.press("2")
        await d.sees("Which platform")
        await d.press("escape")
        await d.closed()
        assert d.desk.place is d.settings
        d.app.flow(welcome(d.desk))
        await d.sees("What would you like to begin with")
        await d.press("1")
        await d.until(lambda: d.app.return_value == "practice", "the way to practice")


async def test_where_there_is_a_shop_a_start_asks_nothing(bound: Place) -> None:
    async with console(bound) as d:
        await welcome(d.desk)
        assert d.app.screen is d.desk


def test_the_settings_need_neither_the_writing_side_nor_a_connector_to_be_looked_at() -> None:
    program = "import sys, console.places.settings, console.welcome; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not {"sqlalchemy", "httpx", "pipeline", "connectors", "reportlab"} & set(done.stdout.split())


# ------------------------------------------------------------------ carriers and printers


async def test_a_pool_takes_its_numbers_and_names_those_it_refuses(sqlite_place: Place, tmp_path: Path) -> None:
    numbers = tmp_path / "numbers.txt"
    numbers.write_text("RR473124829CN\nRR473124829CN\nRR473124828CN\n\n", encoding="utf-8")
    async with console(sqlite_place) as d:
        await d.press("9")
        await d.row("add:carrier")
        await d.press("n")
        await d.sees("Which kind of carrier")
        await d.press("1")
        await d.dialog("Form")
        await d.fill(_name="Post", carrier_name="China Post", check_digit="s11")
        await d.press("f9")
        await d.until(lambda: d.focused == "check_digit", "the field")
        await d.type("s10")
        await d.press("f9")
        await d.sees("Post is set up")
        assert d.settings.cursor_id == "carrier:1"
        await d.press("n")
        await d.dialog("Form")
        await d.type(str(tmp_path / "nothing.txt"))
        await d.press("enter")
        await d.sees("There is no file")
        await d.type(str(numbers))
        await d.press("f9")
        await d.dialog("Read")
        await d.sees("RR473124828CN")
        await d.press("escape")
        await d.closed()
        await d.sees("1 numbers added, 1 were there already, 1 refused")
        free = await rows(sqlite_place, "SELECT number FROM pool_number WHERE state = 'free'")
        assert [r["number"] for r in free] == ["RR473124829CN"]


async def test_a_printer_whose_folder_is_missing_is_asked_again(sqlite_place: Place, tmp_path: Path) -> None:
    async with console(sqlite_place) as d:
        await d.press("9")
        await d.row("add:printer")
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("1")
        await d.dialog("Form")
        await d.fill(_name="Labels", folder=str(tmp_path / "none"))
        await d.press("f9")
        await d.until(lambda: d.focused == "folder", "the field")
        assert d.value("_name") == "Labels"
        folder = tmp_path / "labels"
        folder.mkdir()
        await d.type(str(folder))
        await d.press("f9")
        await d.sees("Labels is set up")
        await d.press("n")
        await d.sees("took a test page")
        assert list(folder.glob("*.pdf"))


# ------------------------------------------------------------------ persons, terminal


async def test_a_viewer_sees_everything_and_changes_nothing(bound: Place) -> None:
    async with console(bound, person="vera", role=Role.VIEWER) as d:
        await d.press("9")
        for row, may in (("add:shop", False), ("add:carrier", False), ("add:printer", False), ("add:person", False)):
            await d.row(row)
            assert bool(d.settings.offers()[0].why) is not may
            await d.press("n")
            await d.pilot.pause()
            assert d.app.screen is d.desk
        await d.row("shop:1")
        refused = {o.text for o in d.settings.offers() if o.why}
        assert {"Settings", "New credentials", "Unbind"} <= refused
        await d.press("enter")
        await d.dialog("Choose")
        await d.press("4")
        await d.sees("may look, not change")
        await d.press("escape")
        await d.closed()
        p = await Pipeline.open(bound)
        tried = await setup.try_shop(p, "woocommerce", "x", {}, {}, "vera")
        assert isinstance(tried, Refused)
        assert tried.code == "viewer_only"
        again = await setup.rebind_shop(p, 1, {}, {}, "vera")
        assert isinstance(again, Refused)
        assert again.code == "viewer_only"
        await p.aclose()


async def test_ownership_is_handed_over_only_when_it_is_said_twice(sqlite_place: Place) -> None:
    async with console(sqlite_place) as d:
        await d.press("9")
        await d.row("add:person")
        await d.press("n")
        await d.dialog("Choose")
        await d.press("1")
        await d.dialog("Form")
        await d.press(*"Bert", "enter")
        await d.sees("Bert")
        await d.closed()
        await d.row("person:2")
        await d.press("n")
        await d.dialog("Choose")
        handing = next(n for n, o in enumerate(d.settings.offers(), 1) if "ownership" in o.text)
        await d.press(str(handing))
        await d.dialog("Found")
        await d.press("enter")
        await d.closed()
        assert d.app.person is not None
        assert d.app.person.role is Role.OWNER
        await d.press("enter")
        await d.dialog("Choose")
        await d.press(str(handing))
        await d.dialog("Found")
        await d.press("2")
        await d.until(lambda: d.app.person is not None and d.app.person.role is Role.ADMIN, "an admin now")
        found = {r["name"]: r["role"] for r in await rows(sqlite_place, "SELECT name, role FROM operator")}
        assert found == {"anna": "admin", "Bert": "owner"}


async def test_the_terminal_keeps_its_name_in_its_own_file(sqlite_place: Place) -> None:
    async with console(sqlite_place) as d:
        await d.press("9")
        await d.row("terminal:name")
        await d.press("n")
        await d.dialog("Form")
        await d.press(*"bench-7", "enter")
        await d.sees("@bench-7")
        assert 'terminal = "bench-7"' in d.app.config.file.read_text(encoding="utf-8")


# ------------------------------------------------------------------ the words of the settings


def test_every_setting_of_a_shop_stands_on_one_page_with_its_words() -> None:
    shown = [s for page in PAGES for s in page.settings]
    assert sorted(shown) == sorted({*ShopSettings.__struct_fields__, *CALL_SETTINGS})
    assert set(shown) == set(WORDS)


@pytest.mark.parametrize("name", [n for n, (_label, help_) in WORDS.items() if re.match(r"[\d.]+-\d+", help_)])
def test_the_range_that_a_setting_names_is_the_one_that_is_taken(name: str) -> None:
    found = re.match(r"([\d.]+)-(\d+)", WORDS[name][1])
    assert found is not None

    def taken(value: str) -> bool:
        if name in CALL_SETTINGS:
            return call_setting(name, value) is None
        return not isinstance(changed(ShopSettings(), name, value), Refused)

    least, most = found.groups()
    assert taken(least)
    assert taken(most)
    assert not taken(str(int(most) + 1))
    assert float(least) == 0 or not taken("0")
