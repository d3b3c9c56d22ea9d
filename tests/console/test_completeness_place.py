"""The place of completeness: what differs is named, one key repairs it, and the header says it until then."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.simulated.launch import Twin
from console.screens.bars import Standing, header
from domain.clock import DAY, HOUR, MINUTE, day_of, day_start
from domain.persons import Role
from pipeline import completeness
from store.overview import Overview, ShopState
from store.place import Place
from tests.console.pilot import console
from tests.pipeline.shops import Shop, bound, emptied

SIZES = pytest.mark.parametrize("size", [(80, 24), (160, 45)], ids=["80x24", "160x45"])


@pytest.fixture
async def shop(sqlite_place: Place, shop_twin: Twin, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop of yesterday: one order here, one in another currency, one that never came, one deleted there since."""
    async with bound(sqlite_place, emptied(shop_twin), tmp_path / "papers") as made:
        async with made.p.store.transaction() as tx:
            await tx.run("UPDATE shop SET connected_at = connected_at - :d", d=60 * DAY)
        zone = await made.value("SELECT zone FROM shop")
        yesterday = day_of(made.p.clock(), zone) - timedelta(days=1)
        noon = (made.p.clock() - day_start(yesterday, zone) - 12 * HOUR) // 1000
        at_noon = {"created_ago_s": noon, "lines": 1}
        _here, _euro, gone = made.make(at_noon, {**at_noon, "currency": "EUR"}, at_noon)
        assert await made.sync() == ""
        made.make({**at_noon, "modified_ago_s": noon, "number": "LOST-7"})
        made.change(gone, "delete")
        await completeness.prove(made.p, made.shop_id, [yesterday])
        yield made


@SIZES
async def test_enter_names_the_orders_that_differ_and_n_repairs_them(shop: Shop, size: tuple[int, int]) -> None:
    async with console(shop.p.store.place, size=size) as d:
        await d.sees("! differ 2")
        await d.desk.go("completeness")
        await d.sees("differs 2")
        row = next(line for line in d.screen().splitlines() if "differs 2" in line)
        assert row.split("differs 2")[1].replace("|", " ").split()[:5] == ["3", "1", "1", "0", "1"], row
        assert "Repair" in d.screen()
        if size[0] < 100:
            await d.press("enter")
        await d.sees("LOST-7")
        await d.sees("on the platform, not here")
        await d.sees("here, no longer on the platform")
        if size[0] < 100:
            await d.press("escape")
        await d.press("n")
        await d.sees("every order of the platform is accounted for")
        await d.until(lambda: "differs" not in d.screen(), "nothing differs")
        await d.sees("complete")
        assert await shop.value("SELECT count(*) FROM orders WHERE number = 'LOST-7'") == 1
        assert await shop.value("SELECT count(*) FROM orders WHERE status = 'deleted'") == 1


async def test_a_viewer_sees_what_differs_and_repairs_nothing(shop: Shop) -> None:
    async with console(shop.p.store.place, person="Vera", role=Role.VIEWER) as d:
        await d.desk.go("completeness")
        await d.sees("differs 2")
        await d.press("n")
        await d.press("x")
        await d.until(lambda: "differs 2" in d.screen(), "still there")
    assert await shop.value("SELECT count(*) FROM orders WHERE number = 'LOST-7'") == 0


async def test_a_shop_that_does_not_answer_is_said_in_words(shop: Shop) -> None:
    async with console(shop.p.store.place) as d:
        await d.desk.go("completeness")
        await d.sees("differs 2")
        shop.shop.fail_next("http_503", path="_fields=id%2Cnumber", times=3)
        await d.press("n")
        await d.sees("not proved")
        await d.sees("! unproved 1")
        assert await shop.value("SELECT count(*) FROM orders WHERE number = 'LOST-7'") == 0


async def test_where_no_day_was_proved_n_proves_the_last_three(
    sqlite_place: Place, shop_twin: Twin, tmp_path: Path
) -> None:
    async with bound(sqlite_place, emptied(shop_twin), tmp_path / "papers") as made:
        await made.sync()
        async with console(sqlite_place, size=(80, 24)) as d:
            await d.press("9")
            await d.row("completeness")
            await d.press("n")
            await d.sees("No day has been proved yet")
            await d.press("n")
            await d.sees("every order of the platform is accounted for")
            assert await made.value("SELECT count(*) FROM proof") == 3


# ------------------------------------------------------------------ what the header counts down


def a_shop(**more: object) -> ShopState:
    known = {
        "id": 1, "name": "PL-Woo", "platform": "woocommerce", "title": "", "zone": "UTC", "currency": "PLN", "bound": True,
        "cut_over": "none", "imported": True, "ok_at": NOW, "every_ms": 5 * MINUTE, "running": False, "seen": 0,
        "late": False, "paused": "", "message": "", "waiting": 0, "abnormal": 0,
    }  # fmt: skip
    return ShopState(**{**known, **more})  # type: ignore[arg-type]


NOW = int(time.time() * 1000)


def head(width: int = 160, shop: ShopState | None = None, **more: object) -> str:
    known = {
        "shops": (shop or a_shop(),), "worker_at": NOW, "workers": 1, "warehouse": "main", "practice": False, "pushes": 0,
        "undo_until": None, "jobs": 0, "accounts_failing": (), "copy_old": False, "copy_at": 0,
    }  # fmt: skip
    facts = Overview(**{**known, **more})  # type: ignore[arg-type]
    return "".join(text for text, _style in header(facts, Standing(NOW, "anna", "bench", False, None), width))


def test_what_waits_in_the_queue_shows_its_age_and_alarms_over_twice_the_interval() -> None:
    assert "queue" not in head()
    assert "queue 9m" in head(queue_at=NOW - 9 * MINUTE)
    assert "! queue" not in head(queue_at=NOW - 9 * MINUTE)
    assert "! queue 11m" in head(80, queue_at=NOW - 11 * MINUTE)


@pytest.mark.parametrize(
    ("left", "shown"),
    [(8 * DAY, ""), (6 * DAY, "key ends in 6d"), (5 * HOUR, "key ends in 5h"), (-MINUTE, "key ended")],
)
def test_credentials_that_end_within_a_week_are_counted_down(left: int, shown: str) -> None:
    text = head(80, a_shop(expires_at=NOW + left))
    assert ("! PL-Woo " + shown in text) if shown else ("key" not in text)


def test_what_differs_stands_in_the_header_at_any_width() -> None:
    assert "! differ 2" in head(80, differing=2)
    assert "! unproved 3" in head(80, unproved=3)


async def test_when_credentials_end_is_kept_from_the_test_call(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from msgspec import structs

    from connectors.contract import Checked
    from connectors.shops.woocommerce import WooCommerce
    from pipeline import setup
    from store import overview

    asked = WooCommerce.check

    async def ends(self: WooCommerce) -> Checked:
        return structs.replace(await asked(self), expires_at=NOW + 3 * DAY)

    monkeypatch.setattr(WooCommerce, "check", ends)
    await setup.check_shop(shop.p, shop.shop_id)
    (state,) = await overview.shop_states(shop.p.store, NOW)
    assert state.expires_at == NOW + 3 * DAY
