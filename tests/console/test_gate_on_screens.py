"""A scanner, an input method and a paste on every screen of the real console: nothing is changed by them."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.simulated.launch import Twin
from console.keys import WINDOW_S
from pipeline.base import Pipeline
from pipeline.commands import run
from pipeline.worker import Worker, sync_now
from store import views
from tests.console.shopfloor import ShopFloor
from tests.console.terminal import Terminal

BURSTS = ("U:anna\r", "SF1234567890123\r", "nnn")
SCREENS: dict[str, tuple[tuple[str, ...], str]] = {
    "review": (("1",), "[1 Review"),
    "review, marked": (("1", "a"), "marked"),
    "processing": (("2",), "[2 Processing"),
    "waybill": (("3",), "[3 Waybill"),
    "to print": (("4",), "[4 To print"),
    "out of stock": (("4", "right"), "[out of stock"),
    "shipped": (("5",), "[5 Shipped"),
    "all orders": (("0",), "[all orders"),
    "jobs": (("6",), "[jobs:"),
    "stock": (("8",), "[stock:"),
    "settings": (("9",), "9 Shops"),
    "help": (("1", "?"), "Everywhere"),
    "palette": (("1", ":"), "letters narrow"),
    "detail": (("1", "end", "enter"), "K0"),
    "filter": (("1", "/"), "Show only"),
    "edit": (("1", "A", "e"), "Recipient"),
    "remark": (("1", "w"), "Our remark"),
    "hold": (("1", "h"), "Why"),
    "flag": (("1", "f"), "cornflower"),
    "merge": (("1", "A", "m"), "Unmerge"),
    "service": (("2", "s"), "OwnPost/OWN"),
    "customs": (("2", "c"), "HS code"),
    "send back": (("4", "b"), "to processing"),
    "ship": (("4", "end", "n"), "to go on"),
    "close": (("1", "delete"), "to go on"),
    "recall": (("5", "b"), "Back to print"),
    "receive": (("8", "n"), "Pieces that came in"),
    "person": (("1", "O"), "Who is at the keyboard"),
    "last batch": (("1", "l"), "Batch B"),
    "copy": (("1", "y"), "Order number"),
    "quit": (("1", "q"), "Quit, stop now"),
}

STALL_S = 0.030
"""No scanner pauses so long between two characters; the gate takes 40 ms for a person's."""
SMALL = {"review", "detail", "palette", "edit", "ship", "stock", "quit"}
"""Screens that are tried at 80x24 too, where the panel lies over the list."""


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopFloor]:
    """Orders at every stage; nothing that moves by itself any more."""
    with Twin("woocommerce", orders=0, seed=8) as shop:
        made = ShopFloor(tmp_path_factory.mktemp("gate"), shop)
        made.set_up(orders_every_s="3600")
        made.orders(*[{"customer_note": ""}] * 12)
        made.do(_spread)
        yield made


async def _spread(p: Pipeline) -> None:
    await sync_now(p, 1, ("orders",))
    ids = [i for i, _v in await views.selection(p.store, [])]
    await run(p, "approve", ids[3:], {}, "anna")
    await run(p, "assign", ids[6:], {"service_id": 1}, "anna")
    await run(p, "waybill", ids[8:], {}, "anna")
    await Worker(p).run(until_idle=True)
    await run(p, "print", ids[9:], {"copies": 1, "reprint": ""}, "anna")
    await Worker(p).run(until_idle=True)
    await run(p, "ship", ids[11:], {"close_refunds": False}, "anna")
    await Worker(p).run(until_idle=True)


def books(floor: ShopFloor) -> dict[str, list[tuple[Any, ...]]]:
    """Everything a person could have changed."""
    return {
        "shipments": floor.rows(
            "SELECT id, stage, status, version, flags, mark, hold_reason, service_id, address_id, print_state FROM shipment"
        ),
        "batches": floor.rows("SELECT name, state FROM batch"),
        "moves": floor.rows("SELECT id FROM stock_move"),
        "notes": floor.rows("SELECT id, text, read_at FROM note"),
        "people": floor.rows("SELECT name, role, active FROM operator"),
        "shops": floor.rows("SELECT name, bound, settings FROM shop"),
        "accounts": floor.rows("SELECT name, settings FROM carrier UNION ALL SELECT name, settings FROM printer"),
    }


@pytest.mark.parametrize("size", [(36, 120), (24, 80)])
def test_a_scan_a_badge_and_an_input_method_change_nothing_on_any_screen(
    floor: ShopFloor, size: tuple[int, int]
) -> None:
    before = books(floor)
    with floor.console(*size) as t:
        t.wait_for("anna @", 20)
        t.wait_for("worker ok", 20) if size[1] > 100 else None
        for name, (keys, shown) in SCREENS.items():
            if size[1] < 100 and name not in SMALL:
                continue
            _open(t, keys, shown)
            for burst in BURSTS:
                t.write(burst)
                t.wait_quiet(0.05)
                pause = t.type(burst.replace("\r", "\n"), gap_s=0.012)
                t.wait_quiet(0.05)
                if pause > STALL_S:
                    # It was we who stood still, and what pauses so long is no scan: it may have acted, or still act.
                    t.pause(0.7)
                    before = books(floor)
                assert books(floor) == before, f"{name}: {burst!r} changed something; {t.text}"
            t.press("esc", "esc")
    assert books(floor) == before


def _open(t: Terminal, keys: tuple[str, ...], shown: str) -> None:
    """Come to a screen by its keys. Where the machine stood still, two of them arrive as one piece and are no command."""
    for tries_left in (2, 1, 0):
        for key in keys:
            t.press(key, gap_s=0.12)
        if t.columns_count < 120:
            t.wait_quiet(0.05)
            return
        try:
            t.wait_for(shown, 10 if not tries_left else 4)
        except AssertionError:
            if not tries_left:
                raise
            t.press("esc", "esc")
        else:
            return


@pytest.mark.parametrize(("before_it", "behind_it"), [("n", "nn"), ("nU", ":nn"), ("nnn", "n")])
def test_a_scan_is_no_command_where_the_console_stood_still_within_it(
    floor: ShopFloor, before_it: str, behind_it: str
) -> None:
    with floor.console(24, 120) as t:
        t.wait_for("anna @", 20)
        t.press("1")
        t.wait_for("[1 Review")
        for _again in range(5):
            t.pause(0.5)
            before, began = books(floor), time.monotonic()
            t.write(before_it)
            t.pause(0.008)
            t.signal(signal.SIGSTOP)
            hesitated = time.monotonic() - began > STALL_S
            t.write(behind_it)
            t.pause(3 * WINDOW_S)
            t.signal(signal.SIGCONT)
            if not hesitated:
                break
        assert not hesitated, "this machine is too busy to play a scanner"
        t.wait_for("is no command")
        t.pause(0.5)
        assert books(floor) == before, t.text
