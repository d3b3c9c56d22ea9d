"""Each day of a shop is proved complete against its platform; what is lost is found, named and repaired."""

import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from connectors.shops.woocommerce import WooCommerce
from connectors.simulated.launch import Twin
from domain.clock import HOUR, MINUTE, day_of, day_start, next_time
from domain.results import Refused
from pipeline import completeness
from pipeline.steps import Steps
from pipeline.worker import Worker, sync_now
from store import proof_views
from store.place import Place
from store.proof_views import Differs, Proof
from tests.pipeline.shops import Shop, bound, emptied

DAY_S = 86_400


class Proved(Shop):
    """A bound shop whose orders are made yesterday at noon unless a test says otherwise."""

    zone = "UTC"

    @property
    def yesterday(self) -> date:
        return day_of(self.p.clock(), self.zone) - timedelta(days=1)

    def noon(self, **order: Any) -> dict[str, Any]:
        """What the twin makes an order of yesterday noon from; nobody has touched it since."""
        ago = (self.p.clock() - day_start(self.yesterday, self.zone) - 12 * HOUR) // 1000
        return {"created_ago_s": ago, "modified_ago_s": ago, **order}

    async def proof(self, *, repair: bool = False, day: date | None = None) -> Proof:
        """Prove one day (yesterday), and repair it."""
        found = await completeness.prove(self.p, self.shop_id, [day or self.yesterday], "anna", repair=repair)
        assert not isinstance(found, Refused), found
        (one,) = found
        return one

    async def lose(self, order: int) -> None:
        """Somebody takes an order out of the database by hand."""
        name = {"o": str(order)}
        async with self.p.store.transaction() as tx:
            (row,) = await tx.rows("SELECT id FROM orders WHERE platform_order_id = :o", **name)
            if tx.dialect == "sqlite":
                await tx.run("DROP TRIGGER event_kept_delete")
            else:
                await tx.run("ALTER TABLE event DISABLE TRIGGER event_kept")
            await tx.run("UPDATE orders SET address_id = NULL WHERE id = :i", i=row.id)
            ours = "(SELECT id FROM shipment WHERE order_id = :i)"
            for table, which in (
                ("event", f"order_id = :i OR shipment_id IN {ours}"),
                ("submission", "order_id = :i"),
                ("shipment_line", f"shipment_id IN {ours}"),
                ("shipment", "order_id = :i"),
                *((t, "order_id = :i") for t in ("order_line", "buyer", "address", "raw_order", "note")),
                ("orders", "id = :i"),
            ):
                await tx.run(f"DELETE FROM {table} WHERE {which}", i=row.id)

    async def move_on(self) -> None:
        """Let the cursor stand at an order of right now, so that older changes lie behind it."""
        self.make({})
        await self.sync()

    async def at_stage(self, order: int) -> str:
        """The stage of an order's shipment."""
        return str((await self.shown(await self.shipment_of(order)))["stage"])

    async def told(self, kind: str) -> list[str]:
        """Reason codes of the events of a kind, oldest first."""
        rows = await self.fetch("SELECT data FROM event WHERE kind = :k ORDER BY id", k=kind)
        return [json.loads(r["data"])["code"] for r in rows]


async def _proved(place: Place, twin: Twin, folder: Path) -> AsyncIterator[Proved]:
    async with bound(place, emptied(twin), folder) as made:
        made.__class__ = Proved
        assert isinstance(made, Proved)
        made.zone = await made.value("SELECT zone FROM shop")
        async with made.p.store.transaction() as tx:
            await tx.run("UPDATE shop SET connected_at = connected_at - :d", d=60 * DAY_S * 1000)
        assert await made.sync() == ""
        yield made


@pytest.fixture
def platform_lists(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the shop's platform be one that can, or cannot, list its orders."""

    def change(can: bool) -> None:
        monkeypatch.setattr(WooCommerce, "declaration", structs.replace(WooCommerce.declaration, lists_orders=can))

    return change


@pytest.fixture
async def shop(sqlite_place: Place, shop_twin: Twin, tmp_path: Path) -> AsyncIterator[Proved]:
    async for made in _proved(sqlite_place, shop_twin, tmp_path / "papers"):
        yield made


@pytest.fixture
async def shop_on_each(place: Place, shop_twin: Twin, tmp_path: Path) -> AsyncIterator[Proved]:
    async for made in _proved(place, shop_twin, tmp_path / "papers"):
        yield made


def figures(one: Proof) -> tuple[int, ...]:
    return (one.listed, one.held, one.excluded, one.abnormal, one.missing, one.strangers)


# ------------------------------------------------------------------ what is found, and why


async def test_a_day_on_which_everything_is_here_is_complete(shop_on_each: Proved) -> None:
    s = shop_on_each
    s.make(*(s.noon(modified_ago_s=0) for _ in range(3)))
    await s.sync()
    one = await s.proof()
    assert figures(one) == (3, 3, 0, 0, 0, 0)
    assert one.complete
    assert (one.shop, one.day, one.code) == ("PL-Woo", s.yesterday.isoformat(), "")
    assert one.until == day_start(s.yesterday + timedelta(days=1), s.zone)
    assert not await s.told("difference_found")


async def test_an_order_taken_out_of_the_database_is_found_missing_and_repaired(shop_on_each: Proved) -> None:
    s = shop_on_each
    kept, lost = s.make(s.noon(modified_ago_s=0), s.noon(modified_ago_s=0))
    await s.sync()
    await s.lose(lost)
    found = await s.proof()
    assert figures(found) == (2, 1, 0, 0, 1, 0)
    assert found.differing == (Differs(str(lost), str(lost), "missing"),)
    assert not found.complete
    assert await s.imported() == {kept}
    assert await s.told("difference_found") == ["missing"]
    await s.proof()
    assert await s.told("difference_found") == ["missing"], "told once"
    mended = await s.proof(repair=True)
    assert figures(mended) == (2, 2, 0, 0, 0, 0)
    assert mended.complete
    assert await s.imported() == {kept, lost}
    assert await s.told("difference_repaired") == ["missing"]
    again = await s.proof(repair=True)
    assert again.complete
    assert await s.value("SELECT count(*) FROM orders") == 2
    assert await s.told("difference_repaired") == ["missing"]


async def test_an_order_dated_behind_the_cursor_by_somebody_else_is_found_and_taken_over(shop_on_each: Proved) -> None:
    s = shop_on_each
    s.make(s.noon(modified_ago_s=0))
    await s.sync()
    (late,) = s.make(s.noon())
    await s.sync()
    assert late not in await s.imported()
    assert (await s.proof()).missing == 1
    assert (await s.proof(repair=True)).complete
    assert late in await s.imported()
    assert await s.at_stage(late) == "review"


async def test_an_order_in_the_bin_is_listed_and_explained(shop: Proved) -> None:
    held, unseen, kept = shop.make(*(shop.noon(modified_ago_s=0) for _ in range(3)))
    shop.change(unseen, "trash")
    await shop.sync()
    assert await shop.left_out() == {unseen: "deleted"}
    shop.change(held, "trash", silent=True)
    one = await shop.proof()
    assert figures(one) == (3, 2, 1, 0, 0, 0)
    assert one.reasons["excluded"] == {"deleted": 1}
    assert kept in await shop.imported()


async def test_an_order_deleted_for_good_ends_its_shipment_when_it_is_repaired(shop_on_each: Proved) -> None:
    s = shop_on_each
    (gone,) = s.make(s.noon(modified_ago_s=0))
    await s.sync()
    s.change(gone, "delete")
    found = await s.proof()
    assert figures(found) == (0, 0, 0, 0, 0, 1)
    assert found.differing == (Differs(str(gone), str(gone), "not_listed"),)
    assert await s.at_stage(gone) == "review", "a proof changes nothing"
    mended = await s.proof(repair=True)
    assert figures(mended) == (0, 0, 0, 0, 0, 0)
    assert (await s.stored(gone))["status"] == "deleted"
    assert await s.at_stage(gone) == "closed"
    assert await s.told("difference_repaired") == ["not_listed"]


async def test_an_order_that_comes_back_after_it_was_deleted_is_open_again(shop: Proved) -> None:
    (gone,) = shop.make(shop.noon(modified_ago_s=0))
    await shop.sync()
    wire = shop.shop.admin("GET", "orders")[0]
    assert wire["id"] == gone
    async with shop.p.store.transaction() as tx:
        from pipeline.sync import take_gone

        (row,) = await tx.rows("SELECT id FROM orders")
        await take_gone(shop.p, tx, [row.id])
    assert (await shop.stored(gone))["status"] == "deleted"
    assert await shop.sync(full=True) == ""
    assert (await shop.stored(gone))["status"] == "open"
    assert await shop.value("SELECT count(*) FROM shipment WHERE stage = 1") == 1


async def test_what_the_shops_rules_leave_out_is_counted_by_reason(shop: Proved) -> None:
    shop.make(shop.noon(modified_ago_s=0), shop.noon(modified_ago_s=0, currency="EUR"))
    await shop.sync()
    one = await shop.proof()
    assert figures(one) == (2, 1, 1, 0, 0, 0)
    assert one.reasons == {"excluded": {"other_currency": 1}, "abnormal": {}}
    assert one.complete


async def test_a_missing_order_that_the_rules_leave_out_is_explained_once_it_is_read(shop: Proved) -> None:
    await shop.move_on()
    shop.make(shop.noon(currency="EUR"))
    await shop.sync()
    assert (await shop.proof()).missing == 1
    mended = await shop.proof(repair=True)
    assert figures(mended) == (1, 0, 1, 0, 0, 0)
    assert mended.complete


@pytest.mark.parametrize("before", [True, False], ids=["read before", "read by the repair"])
async def test_poison_is_counted_by_its_code(shop: Proved, before: bool) -> None:
    await shop.move_on()
    shop.make(shop.noon(case="fractional_quantity", **({"modified_ago_s": 0} if before else {})))
    await shop.sync()
    one = await shop.proof(repair=not before)
    assert figures(one) == (1, 0, 0, 1, 0, 0)
    assert one.reasons["abnormal"] == {"fractional_quantity": 1}


async def test_what_came_before_the_shop_was_bound_is_explained_by_its_import_rules(shop: Proved) -> None:
    async with shop.p.store.transaction() as tx:
        await tx.run("UPDATE shop SET connected_at = :n, first_import_done = 1", n=shop.p.clock())
    shop.make(shop.noon(status="completed"), {"created_ago_s": 100 * DAY_S, "modified_ago_s": 100 * DAY_S})
    one = await shop.proof()
    assert figures(one) == (1, 0, 1, 0, 0, 0)
    assert one.reasons["excluded"] == {"closed_before_import": 1}
    old = await shop.proof(day=day_of(shop.p.clock() - 100 * DAY_S * 1000, shop.zone))
    assert old.reasons["excluded"] == {"older_than_window": 1}


async def test_an_order_that_was_abnormal_once_and_is_lost_is_missing(shop: Proved) -> None:
    (order,) = shop.make(shop.noon(case="fractional_quantity", modified_ago_s=0))
    await shop.sync()
    shop.change(order, "remove_line")
    shop.change(order, "add_line")
    await shop.sync()
    assert await shop.abnormal("solved") == {order: "fractional_quantity"}
    await shop.lose(order)
    assert (await shop.proof()).differing[0].code == "missing"


async def test_what_is_deleted_while_it_is_repaired_is_no_difference(
    shop: Proved, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.move_on()
    gone, stays = shop.make(shop.noon(), shop.noon())

    def between(step: str) -> None:
        if step == "completeness.listed":
            shop.change(gone, "delete")

    monkeypatch.setattr(Steps, "hook", between)
    one = await shop.proof(repair=True)
    assert figures(one) == (1, 1, 0, 0, 0, 0)
    assert one.complete
    assert stays in await shop.imported()


async def test_what_shows_again_while_it_is_repaired_is_no_difference(
    shop: Proved, monkeypatch: pytest.MonkeyPatch
) -> None:
    (order,) = shop.make(shop.noon(modified_ago_s=0))
    await shop.sync()
    created = shop.shop.admin("GET", "orders")[-1]["date_created_gmt"]
    long_ago = "2020-01-01T00:00:00"
    shop.change(order, "set", values={"date_created_gmt": long_ago}, silent=True)
    assert (await shop.proof()).differing[0].code == "not_listed"

    def between(step: str) -> None:
        if step == "completeness.listed":
            shop.change(order, "set", values={"date_created_gmt": created}, silent=True)

    monkeypatch.setattr(Steps, "hook", between)
    one = await shop.proof(repair=True)
    assert figures(one) == (1, 1, 0, 0, 0, 0)
    assert (await shop.stored(order))["status"] == "open"


# ------------------------------------------------------------------ what proves nothing


@pytest.mark.parametrize("skip", [0, 1, 2], ids=["at once", "at the second page", "in the bin"])
async def test_a_listing_that_fails_midway_proves_nothing_and_says_so(shop: Proved, skip: int) -> None:
    shop.make(*(shop.noon(modified_ago_s=0, lines=1) for _ in range(120)))
    await shop.sync()
    good = await shop.proof()
    assert good.complete
    shop.make(shop.noon())
    shop.shop.fail_next("http_503", path="_fields=id%2Cnumber", times=3, skip=skip)
    bad = await shop.proof(repair=True)
    assert bad.code == "server_error"
    assert bad.message
    assert not bad.complete
    assert (figures(bad), bad.proved_at) == (figures(good), good.proved_at), "the last figures stay beside the reason"
    assert await shop.value("SELECT count(*) FROM orders") == 120
    assert (await proof_views.open_ones(shop.p.store)).unproved == 1
    assert (await shop.proof(repair=True)).complete
    assert await shop.value("SELECT count(*) FROM orders") == 121


async def test_a_day_that_has_not_been_read_yet_is_not_proved(shop: Proved) -> None:
    tomorrow = shop.yesterday + timedelta(days=2)
    one = await shop.proof(day=tomorrow)
    assert (one.code, one.proved_at) == ("not_read_yet", None)


async def test_what_came_after_the_last_reading_is_left_for_the_next(shop: Proved) -> None:
    today = shop.yesterday + timedelta(days=1)
    shop.make({"created_ago_s": 0})
    one = await shop.proof(day=today)
    if not one.code:  # In the first minute of a day nothing of it has been read.
        assert (one.listed, one.missing) == (0, 0)
        assert one.until < shop.p.clock()


async def test_a_shop_whose_first_import_is_not_whole_is_refused(
    sqlite_place: Place, shop_twin: Twin, tmp_path: Path
) -> None:
    async with bound(sqlite_place, emptied(shop_twin), tmp_path / "papers") as made:
        answer = await completeness.prove(made.p, made.shop_id, [date(2026, 1, 1)])
        assert isinstance(answer, Refused)
        assert answer.code == "first_import_running"


# ------------------------------------------------------------------ days


@pytest.mark.parametrize(
    ("day", "hours", "inside", "outside"),
    [
        (
            "2026-03-29",
            23,
            ["2026-03-28T23:00:00", "2026-03-29T21:59:59"],
            ["2026-03-28T22:59:59", "2026-03-29T22:00:00"],
        ),
        (
            "2026-10-25",
            25,
            ["2026-10-24T22:00:00", "2026-10-25T22:59:59"],
            ["2026-10-24T21:59:59", "2026-10-25T23:00:00"],
        ),
    ],
)
async def test_a_day_is_the_shops_own_also_when_the_clocks_change(
    shop: Proved, day: str, hours: int, inside: list[str], outside: list[str]
) -> None:
    async with shop.p.store.transaction() as tx:
        await tx.run("UPDATE shop SET connected_at = 1750000000000")
    the_day = date.fromisoformat(day)
    assert day_start(the_day + timedelta(days=1), shop.zone) - day_start(the_day, shop.zone) == hours * HOUR
    shop.make(*({"date_created_gmt": at, "date_modified_gmt": at} for at in [*inside, *outside]))
    one = await shop.proof(day=the_day)
    assert (shop.zone, one.listed, one.missing) == ("Europe/Warsaw", 2, 2)
    mended = await shop.proof(day=the_day, repair=True)
    assert mended.complete
    assert await shop.value("SELECT count(*) FROM orders") == 2
    for other in (-1, 1):
        assert (await shop.proof(day=the_day + timedelta(days=other))).listed == 1


@pytest.mark.parametrize(
    ("now", "clock", "zone", "then"),
    [
        ("2026-11-24T01:00:00", "03:00", "Europe/Warsaw", "2026-11-24T02:00:00"),
        ("2026-11-24T02:00:00", "03:00", "Europe/Warsaw", "2026-11-25T02:00:00"),
        ("2026-03-28T12:00:00", "02:30", "Europe/Warsaw", "2026-03-29T01:30:00"),
        ("2026-10-25T00:31:00", "02:30", "Europe/Warsaw", "2026-10-26T01:30:00"),
        ("2026-11-24T23:00:00", "00:00", "Pacific/Kiritimati", "2026-11-25T10:00:00"),
    ],
)
def test_the_next_time_that_a_shops_clock_shows(now: str, clock: str, zone: str, then: str) -> None:
    def at(text: str) -> int:
        from datetime import UTC, datetime

        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)

    assert next_time(at(now), clock, zone) == at(then)


# ------------------------------------------------------------------ the night


async def test_the_night_proves_and_repairs_the_last_three_days_by_itself(shop_on_each: Proved) -> None:
    s = shop_on_each
    due = await s.value("SELECT due_at FROM sync_task WHERE kind = 'reconcile'")
    assert due == next_time(due - 1, "03:00", s.zone)
    assert s.p.clock() < due <= s.p.clock() + 25 * HOUR
    await s.move_on()
    here = await s.imported()
    lost = s.make(*(s.noon(created_ago_s=s.noon()["created_ago_s"] + n * DAY_S) for n in range(3)))
    await s.sync()
    assert not await s.imported() & set(lost)
    async with s.p.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET due_at = 0 WHERE kind = 'reconcile'")
    await Worker(s.p).tick_once()
    assert await s.imported() - here == set(lost)
    row = (await s.fetch("SELECT * FROM sync_task WHERE kind = 'reconcile'"))[0]
    assert (row["code"], row["seen"], row["due_at"] > s.p.clock()) == ("", 3, True)
    days = [one.day for one in await proof_views.listing(s.p.store) if one.complete]
    assert days == [(s.yesterday - timedelta(days=n)).isoformat() for n in range(3)]


async def test_nights_that_were_missed_are_proved_later(shop: Proved) -> None:
    async with shop.p.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET ok_at = :at WHERE kind = 'reconcile'", at=tx.now - 5 * DAY_S * 1000)
    assert await sync_now(shop.p, shop.shop_id, ("reconcile",)) == {"reconcile": ""}
    assert len(await proof_views.listing(shop.p.store)) == 7


async def test_a_night_that_proves_nothing_is_tried_again_and_stops_no_orders(shop: Proved) -> None:
    for fails, minutes in ((1, 15), (2, 30)):
        shop.shop.fail_next("http_503", path="_fields=id%2Cnumber", times=3)
        assert await sync_now(shop.p, shop.shop_id, ("reconcile",)) == {"reconcile": "server_error"}
        row = (await shop.fetch("SELECT * FROM sync_task WHERE kind = 'reconcile'"))[0]
        assert row["fails"] == fails
        assert 0 <= shop.p.clock() + minutes * MINUTE - row["due_at"] < MINUTE
    assert await shop.value("SELECT coalesce(max(fails), 0) FROM account_health") == 0
    assert await shop.sync() == ""


async def test_the_hour_of_the_night_is_a_setting_and_empty_means_never(shop: Proved) -> None:
    await shop.configure(reconcile_at="04:30")
    row = (await shop.fetch("SELECT * FROM sync_task WHERE kind = 'reconcile'"))[0]
    assert row["due_at"] == next_time(shop.p.clock(), "04:30", shop.zone)
    await shop.configure(reconcile_at="")
    assert await shop.value("SELECT enabled FROM sync_task WHERE kind = 'reconcile'") == 0
    await shop.configure(reconcile_at="03:00")
    assert await shop.value("SELECT enabled FROM sync_task WHERE kind = 'reconcile'") == 1


async def test_a_platform_that_cannot_list_is_not_tried_again_and_shown_as_unprovable(
    shop: Proved, platform_lists: Any
) -> None:
    platform_lists(False)
    assert await sync_now(shop.p, shop.shop_id, ("reconcile",)) == {"reconcile": ""}
    (row,) = await shop.fetch("SELECT * FROM sync_task WHERE kind = 'reconcile'")
    assert (row["code"], row["fails"]) == ("", 0)
    assert row["due_at"] > shop.p.clock() + 5 * 60_000
    asked = await completeness.prove(shop.p, shop.shop_id, [shop.yesterday])
    assert isinstance(asked, Refused)
    assert asked.code == "cannot_list"
    (shown,) = await proof_views.listing(shop.p.store)
    assert (shown.day, shown.code, shown.complete) == ("", "cannot_list", False)
    assert (await proof_views.open_ones(shop.p.store)).unproved == 0
    platform_lists(True)
    assert (await shop.proof()).complete
    assert [one.day for one in await proof_views.listing(shop.p.store)] == [shop.yesterday.isoformat()]
