"""What is cheap now and dear later: others at work, the first-import guard, the sender, who may change what, a full disk."""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.screen import Screen
from textual.widgets import Input

from bench.generate import generate
from connectors.simulated.launch import Twin
from console import window
from console.keys import WINDOW_S, Key, Verdict
from console.places import orders as orders_place
from console.places.orders import Orders
from console.screens.desk import Desk
from console.screens.dialogs import Read
from domain.capabilities import Service
from domain.clock import MINUTE
from domain.enums import Stage
from domain.facts import ShopFacts
from domain.persons import Role
from domain.records import Address, Buyer
from domain.settings import ShopSettings
from pipeline import persons, setup
from pipeline.base import NOTHING, Pipeline
from pipeline.commands import run, work_off
from pipeline.worker import sync_now
from store import accounts, batches, leases, views
from store.intake import Incoming, draft, insert_orders
from store.place import Place
from tests.console.pilot import DeskPilot, console
from tests.console.shopfloor import ShopFloor
from tests.domain.orders import a_line, an_order


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """600 orders in review, clean and ready; anna is the owner."""
    folder = tmp_path_factory.mktemp("stocked")
    place = Place("", folder / "data" / "db.sqlite", folder / "keys" / "key", folder / "data" / "backups")
    generate(place, 600, stages={Stage.REVIEW: 600})
    return place


@pytest.fixture
def reviewed(stocked: Place, tmp_path: Path) -> Place:
    """A copy of it for one test."""
    place = Place("", tmp_path / "data" / "db.sqlite", tmp_path / "keys" / "key", tmp_path / "data" / "backups")
    assert place.file is not None
    assert stocked.file is not None
    place.file.parent.mkdir(parents=True)
    place.file.write_bytes(stocked.file.read_bytes())
    return place


def shown_codes(d: DeskPilot) -> list[str]:
    """The codes on the screen, in order."""
    return [line[7:14] for line in d.screen().splitlines() if line[7:8] == "K" and line[8:14].isdigit()]


def marks(d: DeskPilot) -> int:
    """Marked rows on the screen."""
    return sum(line[1:2] == "*" for line in d.screen().splitlines())


async def test_an_escape_and_the_key_behind_it_are_two_keys(reviewed: Place) -> None:
    def send(d: DeskPilot, typed: str) -> None:
        parser = XTermParser()
        for token in (*parser.feed(typed), *parser.feed("")):
            d.app.post_message(token)

    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        send(d, "\x1b8")
        await d.sees("[stock:")
        send(d, "\x1b1")
        await d.sees("[1 Review 600")
        # Whoever thinks better of it must not be taken for one who agrees.
        await d.press("q")
        await d.sees("Quit; the worker")
        send(d, "\x1b\r")
        await d.sees("arrows scroll, Esc closes")  # Enter opened the row.
        assert not d.app.ends
        await d.press("escape")
        await d.closed()
        assert "[1 Review 600" in d.screen()
        # A text is edited with Alt: that neither leaves the field nor acts behind it.
        await d.press("slash")
        await d.sees("Show only")
        await d.type("ab")
        send(d, "\x1bn")
        await d.press("c")
        focused = d.app.screen.focused
        assert isinstance(focused, Input)
        assert focused.value == "abc"
        assert "[1 Review 600" in d.screen()


@pytest.mark.parametrize("way", ["scan", "paste"])
async def test_a_scan_or_a_paste_into_a_dialog_that_is_not_drawn_yet_is_told_there(reviewed: Place, way: str) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        d.app.push_screen(Read("Some title", [(("some text", "ask"),)]))
        assert not d.app.screen.is_mounted
        if way == "scan":
            await d.app._follow(Verdict(burst="SF1234567890123"))
            await d.sees("15 keys at once are a scan")
        else:
            await d.app.on_event(events.Paste("SF1234567890123"))
            await d.sees("A paste of 15 characters is no command")


async def filter_typed(d: DeskPilot, text: str) -> None:
    """Open the filter's form and type into it; Enter is the caller's."""
    await d.press("slash")
    await d.dialog("Form")
    await d.type(text)
    await d.pilot.pause()


async def test_a_filter_answers_in_one_frame(reviewed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[tuple[str, str]] = []
    paint = Screen._compositor_refresh
    monkeypatch.setattr(window, "AT_ONCE_S", 10.0)
    monkeypatch.setattr(orders_place, "ONE_FRAME_S", 10.0)

    def painted(screen: Screen[object]) -> None:
        frames.append(
            (type(screen).__name__, cast(Orders, d.desk.place).filter_text if d.desk.rows.source.total else "")
        )
        paint(screen)

    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await filter_typed(d, "!code:K000001")
        monkeypatch.setattr(Screen, "_compositor_refresh", painted)
        frames.clear()
        await d.press("enter")
        await d.until(lambda: ("Desk", "!code:K000001") in frames, "the rows")
        monkeypatch.undo()
    assert next(filtered for screen, filtered in frames if screen == "Desk") == "!code:K000001"


async def test_nothing_comes_between_what_a_filter_found_and_its_frame(
    reviewed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, held_back = Orders._find, list[int]()

    async def found(place: Orders, text: str) -> None:
        await find(place, text)
        # Whatever has its turn next (the rest of the list is read then) meets a screen that may be painted.
        asyncio.get_running_loop().call_soon(lambda: held_back.append(d.app._batch_count))

    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await filter_typed(d, "!code:K000001")
        monkeypatch.setattr(Orders, "_find", found)
        await d.press("enter")
        await d.until(lambda: bool(held_back), "the rows")
    assert held_back == [0]


async def test_a_key_that_waits_lets_through_what_the_ear_is_reading(reviewed: Place) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        d.app.gate.window_s = WINDOW_S
        d.app.hearing.reading = True
        await d.press("n")
        assert d.app.gate.pending is not None
        pressed = d.app.gate.pending.at
        await d.until(lambda: time.monotonic() > pressed + 3 * WINDOW_S, "its time has passed")
        assert d.app.gate.pending is not None
        d.app.hearing.reading = False
        await d.until(lambda: d.app.gate.pending is None, "it acts")


async def test_a_filter_that_is_not_answered_does_not_hold_the_screen_back(
    reviewed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()

    async def waits(*_what: object) -> list[int]:
        await go.wait()
        return []

    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await filter_typed(d, "nobody")
        monkeypatch.setattr(views, "find_ids", waits)
        await d.press("enter")
        await d.closed()
        await d.until(lambda: d.app._batch_count == 0, "painting goes on")
        go.set()
        await d.sees("Nothing matches")


async def test_what_could_share_a_box_is_kept_for_each_stage(reviewed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[object] = []
    search = views.merge_candidates

    async def counted(reader: Any, stages: Any) -> list[list[int]]:
        searched.append(stages[0])
        return await search(reader, stages)

    monkeypatch.setattr(views, "merge_candidates", counted)
    async with console(reviewed) as d:
        await d.sees("same buyer 294")
        orders = cast(Orders, d.desk.places["orders"])
        found = orders.same_buyer
        await d.press("2")
        await d.sees("[2 Processing 0")
        assert (orders.same_buyer, orders.groups) == (frozenset(), []), "those of another stage"
        await d.until(lambda: Stage.PROCESSING in searched, "looked for here, too")
        await d.press("1")
        await d.sees("same buyer 294")
        assert orders.same_buyer is found
        assert searched.count(Stage.REVIEW) == 1, "nobody has changed anything"
        d.desk.changes += 1
        for mates in orders._mates.values():
            mates.at = float("-inf")
        await d.until(lambda: searched.count(Stage.REVIEW) == 2, "somebody has")


async def test_a_move_inside_the_view_draws_two_rows_and_a_new_minute_all(
    reviewed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = Desk._second

    async def nothing(desk: Desk) -> None:
        """What goes on beside the keys would draw too."""

    monkeypatch.setattr(Desk, "_second", nothing)
    monkeypatch.setattr(Desk, "_tick", nothing)
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        rows = d.desk.rows
        d.desk._minute = d.app.clock() // MINUTE
        all_of_them = set(range(rows.size.height))

        async def drawn_by(act: Callable[[], Awaitable[None]]) -> set[int]:
            d.screen()
            before = dict(rows._kept)
            await act()
            d.screen()
            return {y for y, strip in rows._kept.items() if strip is not before.get(y)}

        await d.press("down")
        # The first size is a change of size too, and painted anew a moment later.
        assert d.app._resized is not None
        d.app._resized.stop()
        await d.pilot.pause()
        assert await drawn_by(lambda: d.press("down")) == {1, 2}
        assert await drawn_by(lambda: d.press("pagedown")) == all_of_them, "the view moved"
        d.desk._minute -= 1
        assert await drawn_by(lambda: second(d.desk)) == all_of_them, "deadlines are told in minutes"


async def test_what_others_do_moves_neither_cursor_nor_view_nor_marks(reviewed: Place) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await d.press("down", "down", "space", "space", "pagedown", "space")
        before, marked = shown_codes(d), marks(d)
        cursor = d.desk.rows.cursor
        p = await Pipeline.open(reviewed)
        ids = [int(code[1:]) for code in before[:6]]
        report = await run(p, "approve", ids, {}, "anna")
        assert len(report.done) == 6, report.refused
        await d.sees("2 Processing 6")
        await d.until(lambda: len(d.desk.places["orders"].source.gone) == 6, "six rows greyed")  # type: ignore[attr-defined]
        await p.aclose()
        assert shown_codes(d) == before
        assert d.desk.rows.cursor == cursor
        assert marks(d) == marked
        await d.press("r")
        await d.until(lambda: not set(before[:6]) & set(shown_codes(d)), "the list without them")


async def test_a_mark_means_what_was_seen_and_a_later_change_is_named(reviewed: Place) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        first = int(shown_codes(d)[0][1:])
        await d.press("space", "space")
        p = await Pipeline.open(reviewed)
        await persons.add(p, "bo", "operator", False, "anna")
        await run(p, "flag", [first], {"colour": 3}, "bo")
        await p.aclose()
        await d.press("n")
        await d.sees("approve 2: 1 done, 1 stayed: 1 changed meanwhile")
        await d.press("l")
        await d.sees("bo changed it meanwhile, at ")


async def test_mark_all_keeps_out_what_arrives_after_the_key(reviewed: Place) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await d.press("a")
        await d.sees("600 marked")
        # One leaves and comes back into review after the key was pressed: it is not what was seen.
        p = await Pipeline.open(reviewed)
        first = int(shown_codes(d)[-1][1:])
        await run(p, "approve", [first], {}, "anna")
        await run(p, "back", [first], {"to": "review"}, "anna")
        await d.press("n")
        await d.until(lambda: d.desk.deeds is not None and d.desk.deeds.followed, "a job")
        (batch,) = [b for b in await _unfinished(p) if b.total == 600]
        await work_off(p, batch, leases.new_owner())
        await p.aclose()
        await d.sees("approve 600: 599 done, 1 stayed: 1 changed meanwhile")


async def _unfinished(p: Pipeline) -> list[batches.Batch]:
    async with p.store.reading() as tx:
        return await batches.unfinished(tx)


async def test_a_viewer_sees_everything_and_changes_nothing(reviewed: Place) -> None:
    async with console(reviewed, person="wanda", role=Role.VIEWER) as d:
        await d.sees("wanda @")
        await d.press("n")
        await d.sees("wanda may look, not change anything.")
        await d.press("2")
        await d.sees("[2 Processing 0")


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[ShopFloor]:
    """A shop that has orders before it is bound."""
    with Twin("woocommerce", orders=0, seed=12) as shop:
        yield ShopFloor(tmp_path, shop)


async def test_orders_of_a_first_import_wait_for_the_cut_over(floor: ShopFloor) -> None:
    floor.orders(*[{"customer_note": ""}] * 5)
    p = await Pipeline.open(floor.place)
    fields = {"url": floor.shop.url}
    keys = {k: str(floor.shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
    await setup.add_shop(p, "woocommerce", "PL-Woo", fields, keys)
    await sync_now(p, 1, ("products", "orders"))
    await p.aclose()
    async with console(floor.place) as d:
        await d.sees("first import 5")
        await d.press("a")
        await d.sees("5 orders of a first import were not marked")
        assert len(d.desk.places["orders"].mine) == 0  # type: ignore[attr-defined]
        for _n in range(7):
            await d.press("right")
        await d.sees("[first import 5]")
        await d.press("n")
        await d.sees("5 orders of PL-Woo were open before it was bound")
        await d.press("1")
        await d.dialog("Ask")
        await d.type("5")
        await d.press("enter")
        await d.sees("5 orders of PL-Woo: done.")
        await d.press("1")
        await d.sees("first import 0")


async def test_the_sender_is_asked_for_before_the_first_label(floor: ShopFloor) -> None:
    p = await Pipeline.open(floor.place)
    keys = {k: str(floor.shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
    await setup.add_shop(p, "woocommerce", "PL-Woo", {"url": floor.shop.url}, keys)
    pool = await setup.add_carrier(
        p, "pool", "OwnPost", {"carrier_name": "Own", "services": "OWN=Letter", "cod": "yes"}, {}
    )
    await setup.import_numbers(p, getattr(pool, "id", 0), ["OWN000000001"])
    await sync_now(p, 1, ("products", "orders"))
    floor.orders({"customer_note": ""})
    await sync_now(p, 1, ("orders",))
    await run(p, "approve", [1], {}, "anna")
    await run(p, "assign", [1], {"service_id": 1}, "anna")
    await p.aclose()
    async with console(floor.place) as d:
        await d.press("2")
        await d.sees("[2 Processing 1")
        await d.press("n")
        await d.dialog("Form")
        await d.sees("It stands on every label")
        await d.press("f9")
        await d.sees("Missing:")
        await d.fill(name="Kleks", line1="Polna 1", city="Kraków", country="PL")
        await d.press("f9")
        await d.sees("3 Waybill 1")


async def test_a_job_can_be_cancelled_in_the_drawer(reviewed: Place) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await d.press("a")
        await d.sees("600 marked")
        await d.press("n")
        await d.until(lambda: d.desk.deeds is not None and d.desk.deeds.followed, "a job that waits for a worker")
        await d.press("6")
        await d.sees("[jobs: 1 at work]")
        await d.press("x")
        await d.sees("is cancelled; what was done stays done.")
        await d.sees("cancelled")


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk of its own can only be mounted by root")
async def test_a_full_disk_says_so_and_leaves_the_console_usable(reviewed: Place, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    assert reviewed.file is not None
    size = reviewed.file.stat().st_size + 300_000
    await asyncio.to_thread(_run, "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk))
    try:
        place = Place("", disk / "db.sqlite", tmp_path / "keys" / "key", tmp_path / "backups")
        assert place.file is not None
        place.file.write_bytes(reviewed.file.read_bytes())
        async with console(place) as d:
            await d.sees("[1 Review 600")
            (disk / "filler").write_bytes(b"x" * max(0, os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize - 40_000))
            await d.press("a")
            await d.sees("600 marked")
            await d.press("n")
            await d.sees("The disk is full; nothing was changed.")
            await d.press("2")
            await d.sees("[2 Processing 0")
    finally:
        await asyncio.to_thread(_run, "umount", "-l", str(disk))


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own can only be mounted by root")
async def test_a_read_only_disk_says_so_and_leaves_the_console_usable_for_reading(
    reviewed: Place, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    assert reviewed.file is not None
    await asyncio.to_thread(_run, "mount", "-t", "tmpfs", "tmpfs", str(disk))
    try:
        place = Place("", disk / "db.sqlite", tmp_path / "keys" / "key", tmp_path / "backups")
        assert place.file is not None
        place.file.write_bytes(reviewed.file.read_bytes())

        async def seal() -> None:
            await asyncio.to_thread(_run, "mount", "-o", "remount,ro", str(disk))

        async with console(place, before=seal) as d:
            await d.sees("[1 Review 600")
            await d.press("down", "end", "home", "slash")
            await d.dialog("Form")
            await d.type("country:PL")
            await d.press("enter")
            await d.sees("filter country:PL")
            await d.press("escape", "space", "n")
            await d.sees("The database cannot be written")
            await d.press("2")
            await d.sees("[2 Processing 0")
    finally:
        await asyncio.to_thread(_run, "umount", "-l", str(disk))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


async def test_the_console_works_on_either_engine(place: Place) -> None:
    p = await Pipeline.open(place)
    async with p.store.transaction() as tx:
        shop_id = await accounts.add_shop(tx, "woocommerce", "PL-Woo", {}, title="", zone="UTC", currency="PLN")
        shop = ShopFacts(shop_id, "PL-Woo", "woocommerce", "UTC", True, ShopSettings(), NOTHING)
        orders = [an_order(platform_order_id=str(n), number=str(n)) for n in range(70, 76)]
        await insert_orders(tx, shop, [draft(shop, Incoming(o, b"{}", b"digest"), False) for o in orders])
    await p.aclose()
    async with console(place) as d:
        await d.sees("[1 Review 6")
        await d.press("space", "space", "n")
        await d.sees("approve 2: 2 done")
        await d.sees("2 Processing 2")
        await d.press("slash")
        await d.dialog("Form")
        await d.type("75")
        await d.press("enter")
        await d.sees("filter 75 1")
        await d.press("escape", "u")
        await d.sees("taken back: 2")
        for key in ("2", "3", "4", "5", "0", "6", "8", "9", "1"):
            await d.press(key)
        await d.sees("[1 Review 6")


async def test_p3_an_empty_review_shows_each_shops_last_sync_and_warns_when_it_is_old(floor: ShopFloor) -> None:
    """P3: platforms are not read in real time; the review says when each shop was read last."""
    p = await Pipeline.open(floor.place)
    keys = {k: str(floor.shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
    await setup.add_shop(p, "woocommerce", "PL-Woo", {"url": floor.shop.url, "orders_every_s": "1"}, keys)
    await sync_now(p, 1, ("orders",))
    await p.aclose()
    async with console(floor.place) as d:
        await d.sees("PL-Woo: last read")
        await d.sees("No order waits for review.")
        await d.until(lambda: d.desk.facts is not None and d.desk.facts.shops[0].late, "late")
        await d.sees("! PL-Woo")
        await d.press("R")
        await d.sees("Reading now: PL-Woo")


async def test_undo_behind_a_batch_that_changed_nothing_is_asked_for(reviewed: Place) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await d.press("space", "space", "n")
        await d.sees("approve 2: 2 done")
        await d.press("A", "h")
        await d.dialog("Form")
        await d.type("later")
        await d.press("enter")
        await d.sees("hold 1: 1 done")
        await d.press("n")
        await d.sees("Held: later")
        await d.press("u")
        await d.sees("changed nothing.")
        await d.sees("hold: 1 done.")
        await d.press("escape")
        await d.closed()
        await d.press("u")
        await d.type("1")
        await d.press("enter")
        await d.sees("hold taken back: 1")


async def test_what_is_pasted_into_a_field_is_one_line_without_control_characters(reviewed: Place) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await d.press("w")
        await d.dialog("Form")
        d.app.post_message(events.Paste("one\ntwo\x1b[31m\u202ethree\u200b"))
        await d.until(lambda: "one two[31mthree" in d.value("text"), "the pasted text")
        await d.press("enter")
        await d.sees("remark 1: 1 done")
        await d.sees("w ours: one two[31mthree")


async def test_an_address_that_cannot_be_stays_in_its_form(reviewed: Place) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await d.press("e")
        await d.dialog("Form")
        await d.fill(city="Gdynia", country="ZZZ")
        await d.press("f9")
        await d.sees("two-letter")
        assert d.value("city") == "Gdynia"
        await d.fill(country="PL")
        await d.press("f9")
        await d.sees("edit address 1: 1 done")


async def test_a_question_about_many_says_how_many(reviewed: Place) -> None:
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        await d.press("a")
        await d.sees("600 marked")
        await d.press("w")
        await d.sees("Remark: 600 shipments")


EVIL = "a\x1b]0;owned\x07b\x1b[31mc\x9b2Jd\u202ee\u200bf\r\x08g"
UNSAFE = {
    *range(32),
    *range(127, 160),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    0x200B,
    0x200E,
    0x200F,
    0xFEFF,
} - {10}


async def test_no_outside_text_reaches_the_terminal_with_a_control_character(sqlite_place: Place) -> None:
    """Textual passes escape sequences through: whatever a buyer, a shop or a carrier wrote is made safe by us."""
    p = await Pipeline.open(sqlite_place)
    async with p.store.transaction() as tx:
        shop_id = await accounts.add_shop(tx, "woocommerce", EVIL, {}, title=EVIL, zone="UTC", currency="PLN")
        shop = ShopFacts(shop_id, EVIL, "woocommerce", "UTC", True, ShopSettings(), NOTHING)
        fields = ("name", "company", "line1", "line2", "city", "state", "postcode", "phone")
        to = Address(country="PL", **dict.fromkeys(fields, EVIL))
        orders = [
            an_order(
                platform_order_id=f"{n}{EVIL}",
                number=f"{n}{EVIL}",
                buyer=Buyer(EVIL, EVIL, EVIL, EVIL),
                address=to,
                lines=(a_line(name=EVIL, sku=EVIL), a_line(2, name=EVIL, sku="")),
                buyer_note=EVIL,
                shipping_method=EVIL,
            )
            for n in range(3)
        ]
        await insert_orders(tx, shop, [draft(shop, Incoming(o, b"{}", b"digest"), False) for o in orders])
        carrier = await accounts.add_carrier(tx, "pool", EVIL, {})
        await accounts.set_services(tx, carrier, [Service(EVIL, EVIL)])
        await tx.run(
            "INSERT INTO account_health (account, fails, paused_code, message) VALUES (:a, 9, :c, :m)",
            a=f"shop:{shop_id}",
            c=EVIL,
            m=EVIL,
        )
        await tx.run("UPDATE shipment SET code = :c, reason = :c, hold_reason = :c WHERE id = 2", c=EVIL)
        await tx.run(
            """INSERT INTO abnormal (shop_id, platform_order_id, code, message, payload, first_at, last_at)
               VALUES (:s, :c, :c2, :m, :p, 1, 1)""",
            s=shop_id,
            c=EVIL,
            c2=EVIL,
            m=EVIL,
            p=b"{}",
        )
    await p.aclose()
    async with console(sqlite_place) as d:
        await d.sees("[1 Review 3")

        def clean(where: str) -> None:
            bad = sorted({ord(c) for c in d.screen() if ord(c) in UNSAFE})
            assert not bad, f"{where}: {[hex(b) for b in bad]}"

        for keys in ("1", "down", "e", "y", "m", "w", "n", "l", "0", "8", "9", "6"):
            await d.press(keys)
            await d.pilot.pause(0.15)
            clean(keys)
            while d.app.screen is not d.desk:
                await d.press("escape")
                await d.pilot.pause(0.05)
        await d.desk.go("abnormal")
        await d.pilot.pause(0.2)
        clean("abnormal")
        d.desk.say(EVIL, bad=True)
        await d.pilot.pause(0.1)
        clean("what is said")


async def test_what_falls_due_while_the_program_ends_is_let_go(reviewed: Place) -> None:
    """A resize or a key held back right before the end: when its time comes, no screen is left."""
    async with console(reviewed) as d:
        await d.sees("[1 Review 600")
        app, desk = d.app, d.desk
        app.gate.window_s = 5.0
        assert app.gate.feed(Key("n", "n", time.monotonic() - 10)).wait is not None
    assert not app.screen_stack
    app.paint_anew()
    await app._due()
    # A reading beside the screen that comes back when the desk's widgets are gone.
    await app._guarded(desk._read_around())
    assert app.crash is None
    assert app.gate.pending is not None, "a key nobody can see the effect of was followed"
