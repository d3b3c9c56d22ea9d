"""The real console in a real terminal, by keys alone: from review to shipped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin
from tests.console.shopfloor import ShopFloor


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[ShopFloor]:
    """An empty shop, everything set up, and nobody else at work."""
    with Twin("woocommerce", orders=0, seed=5) as shop:
        yield ShopFloor(tmp_path, shop)


def test_a_thousand_plain_orders_go_from_review_to_shipped_in_twenty_keystrokes(floor: ShopFloor) -> None:
    floor.set_up(grace_s="1")
    ids = floor.orders(*[{"customer_note": ""}] * 1000)
    pressed: list[str] = []
    with floor.console() as t:

        def press(*keys: str) -> None:
            pressed.extend(keys)
            t.press(*keys)

        t.wait_for("[1 Review 1000", 30)
        press("a")
        t.wait_for("1000 marked")
        press("n")
        t.wait_for("2 Processing 1000", 30)
        press("2", "a")
        t.wait_for("1000 marked")
        press("s")
        t.wait_for("OwnPost/OWN")
        press("1")
        t.wait_for("choose service 1000: 1000 done", 30)
        press("n")
        t.wait_for("4 To print 1000", 60)
        press("4", "a")
        t.wait_for("1000 marked")
        press("p")
        t.wait_for("printed 1000", 60)
        press("n")
        t.wait_for("1000 go, 0 stay", 30)
        press("1", "0", "0", "0", "enter")
        t.wait_for("5 Shipped 1000", 60)
        t.wait_for(lambda t: floor.value("SELECT count(*) FROM submission WHERE state = 'done'") == 1000, 120)
        t.press("q")
        t.wait_for("Quit, stop now")
        t.press("3")
        assert t.exit(20) == 0
    assert len(pressed) <= 20, pressed
    there = {o["id"]: o["status"] for o in floor.shop.admin("GET", "orders")}
    assert [there[i] for i in ids] == ["completed"] * 1000
    assert floor.value("SELECT count(*) FROM batch WHERE who <> 'anna'") == 0
