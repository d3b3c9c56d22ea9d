"""A mixed day at the keyboard: a note, a refused address, goods that lack, a refund after printing, an undo in time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin
from pipeline import stocktaking
from tests.console.shopfloor import ShopFloor

HOME = {"country": "PL", "city": "Kraków", "postcode": "30-001", "address_1": "Polna 1"}
RED = [{"sku": "BD-RED", "quantity": 1}]


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[ShopFloor]:
    """A shop, a carrier that may refuse, a printer."""
    with Twin("woocommerce", orders=0, seed=6) as shop, Twin("carrier", seed=6) as carrier:
        made = ShopFloor(tmp_path, shop)
        made.set_up(carrier=carrier, grace_s="20")
        yield made


def test_a_mixed_day_is_worked_by_keys_alone(floor: ShopFloor) -> None:
    floor.do(lambda p: stocktaking.change(p, "BD-BLUE", "receive", 1, "anna"))
    plain = {"customer_note": "", "shipping": HOME, "line_items": RED}
    plain_ids = floor.orders(plain, plain, plain)
    (noted,) = floor.orders({**plain, "customer_note": "Please no invoice in the box"})
    (nameless,) = floor.orders({**plain, "shipping": {**HOME, "address_1": "ul. Bez Numeru"}})
    (lacking,) = floor.orders({**plain, "line_items": [{"sku": "BD-BLUE", "quantity": 2}]})
    (refunded,) = floor.orders(plain)
    code = {
        order: f"K{floor_id:06d}"
        for order, floor_id in zip([*plain_ids, noted, nameless, lacking, refunded], range(1, 8), strict=True)
    }
    with floor.console() as t:
        t.wait_for("[1 Review 7", 30)

        # The note keeps its order back; l says why; reading it lets it go.
        t.press("a")
        t.wait_for("7 marked")
        t.press("n")
        t.wait_for("approve 7: 6 done, 1 stayed: 1 unread notes", 20)
        t.press("l")
        t.wait_for("The buyer left a note nobody has read.")
        t.wait_for("Enter twice: read it")
        t.press("esc")
        t.wait_for("Please no invoice in the box")
        t.press("enter")
        t.wait_for("remark 1: 1 done")
        t.press("A", "n")
        t.wait_for("2 Processing 7", 20)

        # A service for all, a number for all but the one whose house has none.
        t.press("2", "a")
        t.wait_for("7 marked")
        t.press("s")
        t.wait_for("SimPost/SIM-STD")
        t.press("S", gap_s=0.2)
        t.press("T", gap_s=0.2)
        t.press("D", gap_s=0.2)
        t.press("enter")
        t.wait_for("choose service 7: 7 done", 20)
        t.press("n")
        t.wait_for("3 Waybill 1 !1", 30)
        t.press("3")
        t.wait_for(code[nameless])
        t.wait_for("The address has no house number.")
        t.press("e")
        t.wait_for("Address of " + code[nameless])
        t.type(" 12", gap_s=0.06)
        t.press("f9")
        t.wait_for("edit address 1: 1 done", 20)
        t.press("n")
        t.wait_for("4 To print 7", 30)

        # What lacks is received from its own row, and taken.
        t.press("4", "right")
        t.wait_for("[out of stock 1]")
        t.wait_for(code[lacking])
        t.press("8")
        t.wait_for("4 leads back to the order")
        t.wait_for("> BD-BLUE")
        t.press("n")
        t.wait_for("Pieces that came in")
        t.press("5", "enter")
        t.wait_for("on hand 6")
        t.press("4", "right")
        t.wait_for(code[lacking])
        t.press("n")
        t.wait_for("[out of stock 0]", 20)

        # Labels; then one of them is refunded on the platform.
        t.press("4", "a")
        t.wait_for("7 marked")
        t.press("p")
        t.wait_for("printed 7", 30)
        floor.shop.admin("POST", "change", {"order": refunded, "change": "refund"})
        t.press("R")
        t.wait_for("4 To print 6", 30)
        t.press("n")
        t.wait_for("7 marked: 6 go, 1 stay", 20)
        t.press("6", "enter")
        t.wait_for("5 Shipped 6", 30)
        t.wait_for("undo 0:", 20)

        # Taken back in time: nothing was sent.
        t.press("u")
        t.wait_for("taken back: 6", 20)
        t.wait_for("4 To print 6", 20)
        assert floor.value("SELECT count(*) FROM submission WHERE state <> 'none'") == 0
        assert {o["status"] for o in floor.shop.admin("GET", "orders")} == {"processing", "refunded"}

        # And shipped after all.
        t.press("4", "A", "a")
        t.wait_for("6 marked")
        t.press("n")
        t.wait_for("6 marked: 6 go, 0 stay", 20)
        t.press("6", "enter")
        t.wait_for("5 Shipped 6", 30)
        t.wait_for(lambda _t: floor.value("SELECT count(*) FROM submission WHERE state = 'done'") == 6, 60)
        t.press("q", "1")
        assert t.exit(20) == 0
    there = {o["id"]: o["status"] for o in floor.shop.admin("GET", "orders")}
    assert there.pop(refunded) == "refunded"
    assert set(there.values()) == {"completed"}
    assert floor.value("SELECT on_hand FROM stock") == 4
    assert floor.value("SELECT count(*) FROM shipment WHERE stage = 6 AND (flags & 16) <> 0") == 1
