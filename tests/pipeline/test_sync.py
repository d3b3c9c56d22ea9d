"""Keeping orders true: nothing missed, nothing twice, nothing older over newer, and a broken run goes on where it stood."""

import asyncio
from contextlib import AsyncExitStack
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.contract import Parsed
from connectors.simulated.cases import CASES, POISON
from connectors.simulated.launch import Twin
from domain.clock import SECOND
from domain.enums import OrderStatus
from domain.records import Address, Order
from pipeline.base import Pipeline
from pipeline.sync import OrderSync, arrivals, policy_of, take_over_chunk
from pipeline.worker import sync_now
from store.place import Place
from store.tables import metadata
from tests.conftest import lent
from tests.domain.orders import a_line, an_order
from tests.pipeline import shops
from tests.pipeline.shops import Shop, bound, emptied

shop, shop_on_each = shops.shop, shops.shop_on_each
BOOKS = (
    "orders",
    "order_line",
    "buyer",
    "address",
    "shipment",
    "shipment_line",
    "submission",
    "note",
    "event",
    "contact",
)


async def deliver(s: Shop, orders: list[Order], p: Pipeline | None = None) -> None:
    """Take orders over as one page of a sync would, through any pipeline on the same database."""
    at = p or s.p
    async with at.store.reading() as tx:
        row = await tx.row("SELECT * FROM shop WHERE id = :id", id=s.shop_id)
    assert row is not None
    facts = at.shop_facts(row)
    # The builder's orders are dated once and for all; what counts here is not their age.
    policy = msgspec.structs.replace(policy_of(facts, row.currency, row.connected_at), connected_at=0)
    page = [Parsed(o, msgspec.json.encode(o)) for o in orders]
    await at.store.retrying(lambda tx: take_over_chunk(at, tx, facts, arrivals(facts, policy, page)))


# ------------------------------------------------------------------ at once


async def test_fifty_identical_deliveries_at_once_make_one_order_and_one_event(shop_on_each: Shop) -> None:
    s = shop_on_each
    async with AsyncExitStack() as stack:
        others = [await Pipeline.open(s.p.store.place) for _ in range(4)]
        for other in others:
            stack.push_async_callback(other.aclose)
        everybody = [s.p, *others]
        await asyncio.gather(*(deliver(s, [an_order()], everybody[n % 5]) for n in range(50)))
    for table in ("orders", "shipment", "submission", "contact", "buyer"):
        assert await s.value(f"SELECT count(*) FROM {table}") == 1, table
    assert [e["kind"] for e in await s.fetch("SELECT kind FROM event")] == ["imported"]


async def test_fifty_deliveries_of_one_change_at_once_change_the_order_once(shop_on_each: Shop) -> None:
    s = shop_on_each
    await deliver(s, [an_order()])
    newer = an_order(updated_at=an_order().updated_at + 5, lines=(a_line(quantity=3),))
    async with AsyncExitStack() as stack:
        others = [await Pipeline.open(s.p.store.place) for _ in range(4)]
        for other in others:
            stack.push_async_callback(other.aclose)
        await asyncio.gather(*(deliver(s, [newer], [s.p, *others][n % 5]) for n in range(50)))
    kinds = [e["kind"] for e in await s.fetch("SELECT kind FROM event ORDER BY id")]
    assert kinds == ["imported", "order_changed", "lines_raised"]
    assert await s.value("SELECT sum(quantity) FROM shipment_line") == 3


async def test_what_was_made_ready_for_a_transaction_serves_the_next_one_too(shop_on_each: Shop) -> None:
    s = shop_on_each
    async with s.p.store.reading() as tx:
        row = await tx.row("SELECT * FROM shop WHERE id = :id", id=s.shop_id)
    facts = s.p.shop_facts(row)
    policy = msgspec.structs.replace(policy_of(facts, "PLN", 0), connected_at=0)
    mine = an_order(lines=(a_line(1), a_line(2, quantity=3)))
    ready = arrivals(facts, policy, [Parsed(mine, b"{}")], first_import=True)

    async def undone() -> None:
        async with s.p.store.transaction() as tx:
            assert (await take_over_chunk(s.p, tx, facts, ready)).new == 1
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await undone()
    # Meanwhile the ids that it was given belong to another order.
    await deliver(s, [an_order(platform_order_id="2", number="2")])
    async with s.p.store.transaction() as tx:
        assert (await take_over_chunk(s.p, tx, facts, ready)).new == 1
    stored = """SELECT o.platform_order_id AS id, count(*) AS n, sum(sl.quantity) AS pieces, min(sh.order_id - o.id) AS apart
        FROM orders o JOIN buyer b ON b.order_id = o.id JOIN address a ON a.id = o.address_id AND a.order_id = o.id
        JOIN raw_order r ON r.order_id = o.id JOIN order_line ol ON ol.order_id = o.id
        JOIN shipment_line sl ON sl.order_line_id = ol.id JOIN shipment sh ON sh.id = sl.shipment_id
        GROUP BY o.platform_order_id ORDER BY 1"""
    assert [tuple(r.values()) for r in await s.fetch(stored)] == [
        (mine.platform_order_id, 2, 5, 0),
        ("2", 1, 2, 0),
    ]


async def test_several_syncs_of_one_shop_at_once_import_everything_once(shop_on_each: Shop) -> None:
    s = shop_on_each
    made = s.make(*({"lines": 2} for _ in range(40)))
    async with AsyncExitStack() as stack:
        others = [await Pipeline.open(s.p.store.place) for _ in range(3)]
        for other in others:
            stack.push_async_callback(other.aclose)
        # Some under the lease, some (a repush, say) beside it.
        codes = asyncio.gather(*(sync_now(p, s.shop_id) for p in (s.p, *others)))
        await asyncio.gather(*(OrderSync(p, s.shop_id).run() for p in others))
        assert {c["orders"] for c in await codes} <= {"", "asked_worker"}
    assert await s.imported() == set(made)
    assert await s.value("SELECT count(*) FROM event WHERE kind = 'imported'") == 40
    assert await s.value("SELECT count(*) FROM shipment") == 40
    skus = [r["sku"] for r in await s.fetch("SELECT sku FROM variant WHERE sku <> ''")]
    assert len(skus) == len(set(skus))


async def test_two_shops_that_import_the_same_buyer_at_once_share_one_contact(place: Place, tmp_path: Path) -> None:
    first, second = await Pipeline.open(place), await Pipeline.open(place)
    try:
        async with first.store.transaction() as tx:
            for name in ("one", "two"):
                await tx.run(
                    """INSERT INTO shop (platform, name, connected_at, settings)
                       VALUES ('woocommerce', :n, :at, '{"currency":"any"}')""",
                    n=name,
                    at=tx.now,
                )
        worlds = [Shop(p, None, None, tmp_path) for p in (first, second)]  # type: ignore[arg-type]
        for number, s in enumerate(worlds, 1):
            s.shop_id = number
        for number in range(5):
            buyer = msgspec.structs.replace(
                an_order().buyer, phone=f"+4859900{number:04}", email=f"b{number}@example.test"
            )
            order = an_order(platform_order_id=str(number), buyer=buyer)
            await asyncio.gather(*(deliver(s, [order]) for s in worlds))
        assert await worlds[0].value("SELECT count(*) FROM contact") == 5
        assert await worlds[0].value("SELECT count(DISTINCT contact_id) FROM buyer") == 5
        assert await worlds[0].value("SELECT count(*) FROM orders") == 10
    finally:
        await first.aclose()
        await second.aclose()


# ------------------------------------------------------------------ older and newer


def versions() -> list[Order]:
    """Five versions of one order, as its buyer and the merchant changed it."""
    first = an_order()
    moved = Address(name="Celina Pąk", line1="ul. Nowa Linijka 7", city="Poznań", postcode="60-001", country="PL")
    changes: list[dict[str, Any]] = [
        {},
        {"lines": (a_line(1, quantity=3), a_line(2, sku="PEN-07", name="Pen"))},
        {"address": moved, "lines": (a_line(1, quantity=1),)},
        {
            "status": OrderStatus.ON_HOLD,
            "raw_status": "on-hold",
            "address": moved,
            "buyer_note": "leave at the blue door",
        },
        {
            "lines": (a_line(1, quantity=2), a_line(3, sku="RUL", name="Ruler")),
            "total_minor": 7000,
            "number": "PL-1001",
        },
    ]
    return [
        msgspec.structs.replace(first, updated_at=first.updated_at + n * SECOND, **change)
        for n, change in enumerate(changes)
    ]


async def final(s: Shop, platform_id: str) -> tuple[Any, ...]:
    """What is stored of an order, without our own ids and times."""
    order = (await s.fetch("SELECT * FROM orders WHERE platform_order_id = :o", o=platform_id))[0]
    address = (await s.fetch("SELECT name, line1, city, postcode FROM address WHERE id = :a", a=order["address_id"]))[0]
    lines = await s.fetch(
        """SELECT ol.platform_line_id AS line, ol.sku, ol.quantity - ol.cancelled AS pieces, (SELECT sum(sl.quantity)
               FROM shipment_line sl JOIN shipment x ON x.id = sl.shipment_id
               WHERE sl.order_line_id = ol.id AND x.stage < 6) AS packed
           FROM order_line ol WHERE ol.order_id = :o AND ol.quantity > ol.cancelled ORDER BY ol.platform_line_id""",
        o=order["id"],
    )
    kept = ("number", "status", "raw_status", "total_minor", "updated_at")
    return (*(order[k] for k in kept), tuple(address.values()), tuple(tuple(ln.values()) for ln in lines))


async def test_every_order_of_arrival_of_five_versions_ends_with_the_newest(shop: Shop) -> None:
    s = shop
    arrivals = {str(5000 + n): order for n, order in enumerate(permutations(versions()))}
    assert len(arrivals) == 120
    for step in range(5):
        await deliver(
            s, [msgspec.structs.replace(order[step], platform_order_id=pid) for pid, order in arrivals.items()]
        )
    await deliver(s, [msgspec.structs.replace(versions()[-1], platform_order_id="1")])
    expected = await final(s, "1")
    assert expected[0] == "PL-1001"
    assert expected[-1] == (("1", "NB-A5", 2, 2), ("3", "RUL", 2, 2))
    for pid, order in arrivals.items():
        assert await final(s, pid) == expected, [versions().index(v) for v in order]


async def test_an_older_version_after_a_newer_one_changes_no_row(shop_on_each: Shop) -> None:
    s = shop_on_each
    old, *_rest, newest = versions()
    await deliver(s, [newest])
    before = await s.rows_of(*BOOKS)
    await deliver(s, [old])
    await deliver(s, [newest, old])
    assert await s.rows_of(*BOOKS) == before


# ------------------------------------------------------------------ nothing new


async def test_a_second_sync_of_an_unchanged_shop_changes_nothing(shop_on_each: Shop) -> None:
    s = shop_on_each
    s.make(*({"case": case} for case in ("", *CASES, *POISON)))
    # What is always written: when a sync ran, and that an order left out or abnormal was met again.
    quiet = [t.name for t in metadata.sorted_tables if t.name not in {"sync_task", "lease", "account_health"}]
    quiet = [t for t in quiet if t not in {"left_out", "abnormal"}]
    await s.sync()
    await s.sync()
    before = await s.rows_of(*quiet)
    assert len(before["orders"]) > 20
    lists = await s.left_out(), await s.abnormal()
    await s.sync()
    await s.sync(full=True)
    assert await s.rows_of(*quiet) == before
    assert (await s.left_out(), await s.abnormal()) == lists


async def test_a_new_change_time_alone_is_no_change(shop: Shop) -> None:
    made = shop.make({}, {}, {})
    await shop.sync()
    before = await shop.rows_of("shipment", "event", "order_line", "address", "note", "buyer")
    shop.shop.admin("POST", "touch", {"orders": made})
    await shop.sync()
    assert await shop.rows_of(*before) == before


# ------------------------------------------------------------------ reading


async def test_more_orders_in_one_second_than_fit_a_page_all_come_in_once(shop: Shop) -> None:
    made = shop.make(*({"created_ago_s": 5000, "modified_ago_s": 5000, "lines": 1} for _ in range(130)))
    await shop.sync()
    assert await shop.imported() == set(made)
    made += shop.make(*({"created_ago_s": 2500, "modified_ago_s": 2500, "lines": 1} for _ in range(110)))
    await shop.sync()
    assert await shop.imported() == set(made)
    assert await shop.value("SELECT count(*) FROM event WHERE kind = 'imported'") == 240


async def test_a_first_import_interrupted_by_an_error_goes_on_where_it_stood(shop_on_each: Shop) -> None:
    s = shop_on_each
    made = s.make(*({"created_ago_s": 1000 * n, "modified_ago_s": 1000 * n, "lines": 1} for n in range(1, 251)))
    s.shop.fail_next("http_500", path="orderby=modified", times=3, skip=1)
    assert await s.sync(cut_over=False) != ""
    assert len(await s.imported()) == 100
    assert await s.value("SELECT first_import_done FROM shop") == 0
    assert await s.sync(cut_over=False) == ""
    seen = await s.value("SELECT seen FROM sync_task WHERE kind = 'orders'")
    assert 150 <= seen < 160
    assert await s.imported() == set(made)
    assert await s.value("SELECT first_import_done FROM shop") == 1
    assert await s.value("SELECT count(*) FROM event WHERE kind = 'imported'") == 250
    assert await s.value("SELECT count(*) FROM shipment WHERE (flags & 128) <> 0") == 250


@pytest.mark.parametrize("kind", ["cut_before", "reset_mid_body", "malformed", "refused_429", "http_503", "html"])
async def test_a_shop_that_fails_now_and_then_loses_and_doubles_nothing(shop: Shop, kind: str) -> None:
    made = shop.make(*({"created_ago_s": 1000 * n, "modified_ago_s": 1000 * n, "lines": 1} for n in range(1, 151)))
    for _ in range(3):
        shop.shop.fail_next(kind, path="/wc/v3/orders", skip=1, times=2)
        await shop.sync()
        shop.shop.admin("POST", "faults", {"rate": 0})
    await shop.sync()
    assert await shop.imported() == set(made)
    assert await shop.value("SELECT count(*) FROM event WHERE kind = 'imported'") == 150


async def test_a_shop_that_failed_for_hours_is_read_again_by_itself_and_misses_nothing(shop: Shop) -> None:
    await shop.sync()
    shop.shop.admin("POST", "faults", {"rate": 1, "kinds": ["http_503"]})
    for _ in range(30):
        assert await shop.sync() != ""
    row = (await shop.fetch("SELECT * FROM sync_task WHERE kind = 'orders'"))[0]
    assert (row["enabled"], row["fails"]) == (1, 30)
    retry_at = await shop.value("SELECT retry_at FROM account_health")
    assert 0 < retry_at - shop.p.clock() <= 15 * 60 * SECOND
    made = shop.make({}, {})
    shop.shop.admin("POST", "faults", {"rate": 0})
    assert await shop.sync() == ""
    assert await shop.imported() == set(made)
    assert await shop.value("SELECT fails FROM sync_task WHERE kind = 'orders'") == 0


# ------------------------------------------------------------------ zones


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "America/St_Johns"])
async def test_in_every_zone_an_order_made_now_is_read_at_the_next_sync(
    zone: str, sqlite_place: Place, tmp_path: Path
) -> None:
    with lent("woocommerce", orders=0, seed=1, zone=zone) as twin:
        async with bound(sqlite_place, twin, tmp_path / "papers") as s:
            await s.sync()
            for _ in range(3):
                made = s.make({"created_ago_s": -1})
                await s.sync()
                assert set(made) <= await s.imported()
            assert await s.value("SELECT count(*) FROM event WHERE kind = 'imported'") == 3
            row = (await s.fetch("SELECT created_at, paid_at FROM orders ORDER BY id LIMIT 1"))[0]
            assert abs(row["created_at"] - s.p.clock()) < 60 * SECOND


async def test_the_hour_that_the_clocks_repeat_or_skip_hides_no_order(
    sqlite_place: Place, shop_twin: Twin, tmp_path: Path
) -> None:
    # In Warsaw 02:30 came twice on 27 October 2024 and never on 31 March 2024.
    moments = ["2024-03-31T00:30:00", "2024-03-31T01:30:00", "2024-10-27T00:30:00", "2024-10-27T01:30:00"]
    async with bound(sqlite_place, emptied(shop_twin), tmp_path / "papers") as s:
        async with s.p.store.transaction() as tx:
            await tx.run("UPDATE shop SET connected_at = 1700000000000")
        await s.sync()
        for done, moment in enumerate(moments, 1):
            s.make({"date_created_gmt": moment, "date_modified_gmt": moment})
            await s.sync()
            assert await s.value("SELECT count(*) FROM orders") == done
        created = [r["c"] for r in await s.fetch("SELECT created_at AS c FROM orders ORDER BY created_at")]
        assert [b - a for a, b in zip(created[::2], created[1::2], strict=True)] == [3_600_000] * 2
