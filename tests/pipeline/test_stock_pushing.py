"""Two Shopify shops sell the same goods: after whatever happens both offer what can be promised, and nobody is told twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from connectors.shops.shopify import Shopify
from connectors.simulated.launch import Twin
from domain.clock import MINUTE, Instant, now
from domain.results import Refused
from pipeline import setup, stock_pushing, stocktaking
from pipeline.base import Pipeline
from pipeline.checkup import checkup
from pipeline.commands import run
from pipeline.effects import Held
from pipeline.steps import Steps
from pipeline.worker import Worker, sync_now
from store import accounts, leases, stock_pushes
from store.doctor import examine
from store.place import Place
from tests.conftest import apart, copied, lent, sqlite_at

GOODS = ("MUG", "SOCK-1", "TOWEL-2")


class Killed(BaseException):
    """The process is gone."""


class Ahead:
    """A clock that can be put ahead."""

    ms = 0

    def __call__(self) -> Instant:
        return now() + self.ms


class Shops:
    """Two bound shops of the same goods, and what a test does with them."""

    def __init__(self, p: Pipeline, clock: Ahead, *twins: Twin) -> None:
        self.p, self.clock, self.twins = p, clock, twins
        self.ids = (1, 2)

    async def bind(self) -> None:
        """Bind both and read their goods."""
        for n, twin in enumerate(self.twins):
            values = {"url": twin.url, "client_id": str(twin.hello["client_id"]), "location": "Main street"}
            values |= {"settle_s": "60", "timeout_s": "2"}
            secrets = {"client_secret": str(twin.hello["client_secret"])}
            made = await setup.add_shop(self.p, "shopify", f"shop {n}", values, secrets)
            assert not isinstance(made, Refused), made
            assert made.id == self.ids[n]
            assert await sync_now(self.p, made.id, ("products", "orders")) == {"products": "", "orders": ""}

    async def set(self, shop: int, **values: str) -> None:
        """Change settings of a shop."""
        answer = await setup.set_shop(self.p, self.ids[shop], values, {})
        assert not isinstance(answer, Refused), answer

    async def stock(self, sku: str, how: str, pieces: int) -> None:
        """Receive, adjust or count."""
        answer = await stocktaking.change(self.p, sku, how, pieces, "")
        assert not isinstance(answer, Refused), answer

    def buy(self, shop: int, sku: str, pieces: int = 1) -> int:
        """A buyer buys: the platform lowers its own number at once."""
        self.type_over(shop, sku, self.there(shop, sku) - pieces)
        return int(self.twins[shop].admin("POST", "orders", {"orders": [{"lines": [[sku, pieces]]}]})[0])

    def cancel(self, shop: int, order: int, sku: str, pieces: int = 1) -> None:
        """The order is cancelled and its goods are put back by the platform."""
        self.twins[shop].admin("POST", "change", {"order": order, "change": "cancel"})
        self.type_over(shop, sku, self.there(shop, sku) + pieces)

    def there(self, shop: int, sku: str) -> int:
        """What the platform offers."""
        return int(next(iter(self.twins[shop].admin("GET", "state")["stock"][sku].values())))

    def type_over(self, shop: int, sku: str, pieces: int) -> None:
        """Set the platform's number behind our back."""
        self.twins[shop].admin("POST", "stock", {"sku": sku, "pieces": pieces})

    def sets(self, shop: int) -> int:
        """How many numbers were written."""
        return int(self.twins[shop].admin("GET", "state")["operations"].get("SetStock", 0))

    async def read(self, *shops: int) -> None:
        """Sync orders."""
        for shop in shops or (0, 1):
            assert await sync_now(self.p, self.ids[shop]) == {"orders": ""}

    async def tell(self, *, later: int = 4_000) -> None:
        """Tell every shop what is due `later` ms from now: what was told just now has rested by then."""
        self.clock.ms += later
        await stock_pushing.take_note(self.p)
        async with self.p.store.reading() as tx:
            due = await stock_pushing.due_accounts(tx)
        for account in due:
            held = await Held.take(self.p, account, leases.new_owner())
            assert held is not None
            await stock_pushing.serve(self.p, held, asyncio.Event())
            await held.release()

    async def row(self, shop: int, sku: str) -> dict[str, Any]:
        """What is known of a number."""
        async with self.p.store.reading() as tx:
            found = await tx.row(
                """SELECT p.* FROM stock_push p JOIN listing l ON l.id = p.listing_id
                   WHERE l.shop_id = :s AND l.sku = :k""",
                s=self.ids[shop],
                k=sku,
            )
        return dict(found._asdict()) if found is not None else {}

    async def value(self, sql: str, **params: Any) -> Any:
        """One value of the database."""
        async with self.p.store.reading() as tx:
            return await tx.value(sql, **params)


@pytest.fixture(scope="module")
def twins() -> Iterator[tuple[Twin, Twin]]:
    with lent("shopify", points=1_000_000, seed=1) as one, lent("shopify", points=1_000_000, seed=2) as two:
        yield one, two


@pytest.fixture(scope="module")
def template(twins: tuple[Twin, Twin], tmp_path_factory: pytest.TempPathFactory, new_sqlite: Path) -> Place:
    """Both shops bound and their goods read: what each test copies."""
    place = copied(new_sqlite, sqlite_at(tmp_path_factory.mktemp("template")))

    async def bind() -> None:
        shops = Shops(await Pipeline.open(place, worker=True), Ahead(), *twins)
        await shops.bind()
        await shops.p.store.checkpoint()
        await shops.p.aclose()

    apart(bind())
    return place


@pytest.fixture
async def shops(template: Place, twins: tuple[Twin, Twin], tmp_path: Path) -> AsyncIterator[Shops]:
    for twin in twins:
        twin.admin("POST", "faults", {"rate": 0})
        twin.admin("POST", "settings", {"without": [], "redact": ""})
        for order in twin.admin("GET", "orders"):
            twin.admin("POST", "change", {"order": order["id"], "change": "delete"})
        for sku in GOODS:
            twin.admin("POST", "stock", {"sku": sku, "pieces": 20})
    assert template.file is not None
    place = copied(template.file, structs.replace(sqlite_at(tmp_path), key_file=template.key_file))
    clock = Ahead()
    made = Shops(await Pipeline.open(place, clock), clock, *twins)
    yield made
    Steps.hook = None
    await made.p.aclose()


def at(name: str, act: Callable[[], object]) -> None:
    """The first time a step is passed, something happens."""

    def passed(step: str) -> None:
        if step == name:
            Steps.hook = None
            act()

    Steps.hook = passed


async def test_a_receipt_is_told_to_every_shop_less_its_buffer_and_never_above_its_cap(shops: Shops) -> None:
    await shops.set(0, stock_buffer="2")
    await shops.set(1, stock_cap="5")
    await shops.stock("MUG", "count", 9)
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [7, 5]
    # What is not counted here is the shop's own affair.
    assert [shops.there(0, "SOCK-1"), shops.there(1, "SOCK-1")] == [20, 20]
    # Settings that change tell anew.
    await shops.set(0, stock_buffer="0")
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [9, 5]


async def test_a_sale_lowers_the_other_shop_and_is_not_subtracted_twice_from_its_own(shops: Shops) -> None:
    await shops.stock("MUG", "count", 9)
    await shops.tell()
    before = shops.sets(0), shops.sets(1)
    shops.buy(0, "MUG", 2)
    await shops.read(0)
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [7, 7]
    # The seller's own shop was looked at, and had the right number already.
    assert (shops.sets(0) - before[0], shops.sets(1) - before[1]) == (0, 1)


async def test_a_cancelled_order_gives_its_pieces_back_to_both_shops(shops: Shops) -> None:
    await shops.stock("MUG", "count", 9)
    order = shops.buy(0, "MUG", 2)
    await shops.read(0)
    await shops.tell()
    shops.cancel(0, order, "MUG", 2)
    shops.clock.ms += 1_000
    await shops.read(0)
    async with shops.p.store.reading() as tx:
        (shipment,) = [r.id for r in await tx.rows("SELECT id FROM shipment")]
    assert not (await run(shops.p, "close", [shipment], {}, "")).refused
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [9, 9]


async def test_what_ends_where_it_began_costs_no_call(shops: Shops) -> None:
    await shops.stock("MUG", "count", 9)
    await shops.tell()
    before = shops.twins[0].admin("GET", "state")["operations"]
    await shops.stock("MUG", "receive", 1)
    await shops.stock("MUG", "adjust", -1)
    await shops.tell()
    assert shops.twins[0].admin("GET", "state")["operations"] == before
    assert (await shops.row(0, "MUG"))["since"] is None


async def test_an_order_placed_between_our_read_and_our_push_is_right_again_with_the_next_read(shops: Shops) -> None:
    """The window that remains: until the order is read, its shop offers its pieces once more."""
    await shops.stock("MUG", "count", 9)
    await shops.tell()
    async with shops.p.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET due_at = :later", later=now() + 60 * MINUTE)
    shops.buy(0, "MUG", 2)
    # Something else moves the number before that order was read.
    await shops.stock("MUG", "adjust", -1)
    shops.clock.ms += stock_pushing.READ_AGAIN_MS
    await shops.tell()
    assert shops.there(0, "MUG") == 8
    # It was found out: the shop had neither what it was told nor what was due, so its orders are read at once.
    hurried = "SELECT account FROM sync_task WHERE kind = 'orders' AND due_at <= :now"
    assert await shops.value(hurried, now=shops.clock()) == f"shop:{shops.ids[0]}"
    await shops.read(0)
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [6, 6]


async def test_a_change_while_a_number_is_on_its_way_is_told_after_it(shops: Shops) -> None:
    await shops.stock("MUG", "count", 9)
    done: list[asyncio.Task[None]] = []
    at("stock.chosen", lambda: done.append(asyncio.ensure_future(shops.stock("MUG", "adjust", -4))))
    await shops.tell()
    await asyncio.gather(*done)
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [5, 5]


async def test_a_lost_answer_is_looked_at_and_looked_at_once_more_when_it_can_come_no_more(shops: Shops) -> None:
    await shops.stock("MUG", "count", 9)
    # Locations and levels are read; the write acts and its answer is lost.
    shops.twins[0].fail_next("cut_after", path="graphql.json", skip=2)
    await shops.tell()
    row = await shops.row(0, "MUG")
    assert row["unsure_at"] is not None
    assert row["since"] is not None
    before = shops.sets(0)
    await shops.tell()
    row = await shops.row(0, "MUG")
    assert (row["sent"], row["since"], row["due_at"]) == (9, None, row["unsure_at"] + MINUTE)
    assert shops.sets(0) == before
    # A late arrival of an older number is put right by the second look.
    shops.type_over(0, "MUG", 3)
    await shops.tell(later=MINUTE)
    assert shops.there(0, "MUG") == 9
    assert (await shops.row(0, "MUG"))["unsure_at"] is None


@pytest.mark.parametrize("step", ["stock.chosen", "stock.told"])
async def test_a_killed_process_loses_nothing_and_writes_nothing_twice(shops: Shops, step: str) -> None:
    await shops.stock("MUG", "count", 9)

    def kill() -> None:
        raise Killed

    before = shops.sets(0) + shops.sets(1)
    at(step, kill)
    with pytest.raises(Killed):
        await shops.tell()
    assert (await shops.row(0, "MUG"))["unsure_at"] is not None
    async with shops.p.store.transaction() as tx:
        await tx.run("UPDATE lease SET owner = '', until = 0")
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [9, 9]
    assert shops.sets(0) + shops.sets(1) - before == 2


async def test_a_worker_whose_lease_was_taken_writes_no_result(shops: Shops) -> None:
    await shops.stock("MUG", "count", 9)
    await stock_pushing.take_note(shops.p)
    held = await Held.take(shops.p, f"shop:{shops.ids[0]}", leases.new_owner())
    assert held is not None

    async def taken() -> None:
        async with shops.p.store.transaction() as tx:
            await tx.run("UPDATE lease SET fence = fence + 1 WHERE name = :n", n=held.account)

    lost: list[asyncio.Task[None]] = []
    at("stock.chosen", lambda: lost.append(asyncio.ensure_future(taken())))
    await stock_pushing.serve(shops.p, held, asyncio.Event())
    await asyncio.gather(*lost)
    row = await shops.row(0, "MUG")
    assert (row["sent"], row["unsure_at"] is not None, held.lost) == (None, True, True)


async def test_a_platform_that_asks_to_wait_is_told_when_it_may_be(shops: Shops) -> None:
    await shops.stock("MUG", "count", 9)
    shops.twins[0].fail_next("refused_429", path="graphql.json", times=2)
    for _ in range(4):
        await shops.tell(later=MINUTE)
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [9, 9]


async def test_what_a_platform_refuses_is_parked_with_its_reason_until_somebody_acts(shops: Shops) -> None:
    await shops.stock("CANDLE", "count", 4)
    await shops.tell()
    found = await stock_pushing.listing(shops.p, "CANDLE")
    assert not isinstance(found, Refused)
    assert [(one["shop"], one["state"], one["code"]) for one in found] == [
        ("shop 0", "refused", "not_tracked"),
        ("shop 1", "refused", "not_tracked"),
    ]
    assert found[0]["reason"]
    lines = [line for line in (await checkup(shops.p))["checks"] if line["code"] == "stock_refused"]
    assert [(line["where"], line["todo"]) for line in lines] == [
        (f"shop {n}", f"shipdeck stock pushes --shop 'shop {n}'") for n in (0, 1)
    ]
    before = shops.twins[0].admin("GET", "state")["operations"]
    await shops.stock("CANDLE", "receive", 1)
    await shops.tell()
    assert shops.twins[0].admin("GET", "state")["operations"] == before
    assert await stock_pushing.tell_again(shops.p, "shop 0", "") is None
    await shops.tell()
    assert shops.twins[0].admin("GET", "state")["operations"] != before


async def test_shops_that_keep_no_stock_are_not_told_and_their_orders_take_none(shops: Shops) -> None:
    await shops.set(0, push_stock="no")
    await shops.set(1, keeps_stock="no")
    await shops.stock("MUG", "count", 9)
    before = shops.sets(0), shops.sets(1)
    shops.buy(1, "MUG", 2)
    await shops.read(1)
    await shops.tell()
    assert (shops.sets(0), shops.sets(1)) == before
    refusal = await stock_pushing.tell_again(shops.p, "shop 1", "")
    assert refusal is not None
    assert refusal.code == "stock_not_pushed"
    await shops.set(0, push_stock="yes")
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [9, 18]


async def test_nothing_is_told_before_the_cut_over_is_named_nor_after_unbinding(shops: Shops) -> None:
    async with shops.p.store.transaction() as tx:
        await accounts.update(tx, "shop", shops.ids[0], {"cut_over": "open"})
    await shops.stock("MUG", "count", 9)
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [20, 9]
    assert not isinstance(await setup.cut_over(shops.p, shops.ids[0], "ship_these", ""), Refused)
    assert not isinstance(await setup.unbind_shop(shops.p, shops.ids[1], ""), Refused)
    await shops.stock("MUG", "receive", 1)
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [10, 9]


async def test_without_the_right_to_write_stock_orders_are_read_all_the_same(shops: Shops) -> None:
    shops.twins[0].admin("POST", "settings", {"without": ["write_inventory"]})
    await shops.stock("MUG", "count", 9)
    shops.p.forget(f"shop:{shops.ids[0]}")
    await shops.tell()
    row = await shops.row(0, "MUG")
    assert row["since"] is not None
    async with shops.p.store.reading() as tx:
        health = await accounts.health(tx, f"stock:{shops.ids[0]}")
        own = await accounts.health(tx, f"shop:{shops.ids[0]}")
    assert (health.paused_code, own.paused_code) == (row["code"], "")
    calls = dict(shops.twins[0].admin("GET", "state")["operations"])
    await shops.tell()
    assert shops.twins[0].admin("GET", "state")["operations"] == calls
    shops.twins[0].admin("POST", "settings", {"without": []})
    await shops.tell(later=MINUTE)
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [9, 9]


async def test_a_bundle_is_offered_as_often_as_its_scarcest_part_allows(shops: Shops) -> None:
    await shops.stock("MUG", "count", 9)
    await shops.stock("SOCK-1", "count", 5)
    await shops.tell()
    async with shops.p.store.transaction() as tx:
        listing = await tx.value("SELECT id FROM listing WHERE sku = 'TOWEL-2' AND shop_id = :s", s=shops.ids[1])
        await tx.run("DELETE FROM listing_item WHERE listing_id = :l", l=listing)
        for sku, pieces in (("MUG", 2), ("SOCK-1", 3)):
            await tx.run(
                """INSERT INTO listing_item (listing_id, variant_id, quantity)
                   SELECT :l, id, :n FROM variant WHERE sku = :s""",
                l=listing,
                n=pieces,
                s=sku,
            )
    await shops.tell()
    assert shops.there(1, "TOWEL-2") == 1
    shops.buy(1, "TOWEL-2")
    await shops.read(1)
    await shops.tell()
    assert [shops.there(shop, sku) for shop in (0, 1) for sku in GOODS] == [7, 2, 20, 7, 2, 0]


async def test_hot_goods_are_told_before_the_others(shops: Shops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock_pushing, "AT_ONCE", 1)
    told: list[str] = []
    really = Shopify.push_stock

    async def listens(self: Any, levels: Any) -> Any:
        told.extend(level.platform_variant_id for level in levels)
        return await really(self, levels)

    await shops.set(0, push_stock="no")
    for sku in GOODS:
        await shops.stock(sku, "count", 500)
    for _ in range(3):
        shops.buy(1, "SOCK-1")
    await shops.read(1)
    await shops.stock("TOWEL-2", "count", 1)
    monkeypatch.setattr(Shopify, "push_stock", listens)
    await shops.tell()
    skus = {str(one["id"]): one["sku"] for one in shops.twins[1].admin("GET", "variants")}
    # As good as sold out, then what sells, then the rest.
    assert [skus[one] for one in told] == ["TOWEL-2", "SOCK-1", "MUG"]


async def test_many_numbers_do_not_keep_the_orders_of_their_shop_waiting(
    shops: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_pushing, "AT_ONCE", 1)
    monkeypatch.setattr(stock_pushing, "SPELL_S", 0.0)
    for sku in GOODS:
        await shops.stock(sku, "count", 9)
    await shops.set(1, push_stock="no")
    await shops.tell()
    assert sorted(shops.there(0, sku) for sku in GOODS) == [9, 20, 20]
    await shops.tell()
    await shops.tell()
    assert [shops.there(0, sku) for sku in GOODS] == [9, 9, 9]


async def test_numbers_that_wait_for_long_are_named_by_the_doctor(shops: Shops) -> None:
    await shops.stock("MUG", "count", 9)
    await stock_pushing.take_note(shops.p)
    shops.clock.ms += 16 * MINUTE
    lines = [line for line in (await checkup(shops.p))["checks"] if line["code"] == "stock_stuck"]
    assert [(line["where"], line["todo"]) for line in lines] == [(f"shop {n}", "shipdeck worker") for n in (0, 1)]


async def test_after_a_restore_everything_is_told_anew_under_new_keys(shops: Shops) -> None:
    """The books may say again what they said before, at the same version: the platform must not take it for a repetition."""
    await shops.stock("MUG", "count", 9)
    await shops.tell()
    shops.type_over(0, "MUG", 20)
    async with shops.p.store.transaction() as tx:
        await stock_pushes.rebuild(tx)
    await shops.tell()
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [9, 9]


async def test_the_worker_tells_by_itself(shops: Shops) -> None:
    async with shops.p.store.transaction() as tx:
        await tx.run("UPDATE sync_task SET due_at = :later", later=now() + 60 * MINUTE)
    await shops.stock("MUG", "count", 9)
    await Worker(shops.p).run(until_idle=True)
    assert [shops.there(0, "MUG"), shops.there(1, "MUG")] == [9, 9]
    assert await shops.value("SELECT count(*) FROM stock_change") == 0


async def test_whatever_happens_in_whatever_order_both_shops_end_with_what_can_be_promised(shops: Shops) -> None:
    chance = random.Random(7)
    kinds = ("cut_after", "cut_before", "refused_429", "http_500_after", "http_503_retry_after", "garbled")
    on_hand = dict.fromkeys(GOODS, 60)
    open_: list[tuple[int, int, str, int]] = []
    for sku in GOODS:
        await shops.stock(sku, "count", 60)
    for _ in range(45):
        shop, sku, pieces = chance.randrange(2), chance.choice(GOODS), chance.randint(1, 3)
        match chance.randrange(6):
            case 0:
                await shops.stock(sku, "receive", pieces)
                on_hand[sku] += pieces
            case 1 | 2:
                open_.append((shop, shops.buy(shop, sku, pieces), sku, pieces))
            case 3 if open_:
                gone = open_.pop(chance.randrange(len(open_)))
                shops.cancel(*gone)
            case 4:
                twin = shops.twins[shop]
                twin.fail_next(chance.choice(kinds), path="graphql.json", skip=chance.randrange(4))
            case _:
                shops.clock.ms += 2_000
                await sync_now(shops.p, shops.ids[shop])
                await shops.tell()
    for twin in shops.twins:
        twin.admin("POST", "faults", {"rate": 0})
    for _ in range(3):
        # Orders that the platform changed within this second are read with the next window.
        shops.clock.ms += 20 * MINUTE
        await shops.read()
        async with shops.p.store.reading() as tx:
            dead = await tx.rows(
                """SELECT s.id FROM shipment s JOIN orders o ON o.id = s.order_id
                   WHERE o.status IN ('cancelled', 'refunded') AND s.stage < 5"""
            )
            await run(shops.p, "close", [r.id for r in dead], {}, "")
        await shops.tell(later=MINUTE)
    due = {sku: on_hand[sku] - sum(n for _s, _o, k, n in open_ if k == sku) for sku in GOODS}
    assert [{sku: shops.there(shop, sku) for sku in GOODS} for shop in (0, 1)] == [due, due]
    assert await shops.value("SELECT count(*) FROM stock_push WHERE since IS NOT NULL OR code <> ''") == 0
    async with shops.p.store.reading() as tx:
        assert await examine(tx) == []


async def test_a_number_that_arrives_late_over_a_newer_one_is_put_right(sqlite_place: Place, tmp_path: Path) -> None:
    """Cartum compares nothing before it sets: only the second look finds a late arrival."""
    clock = Ahead()
    p = await Pipeline.open(sqlite_place, clock)
    with lent("cartum", seed=3) as twin:
        values = {"url": twin.url, "login": str(twin.hello["login"]), "calls_per_second": "0", "timeout_s": "2"}
        values |= {"settle_s": "60"}
        twin.admin("POST", "orders", {"orders": [{"created_ago_s": 60}]})  # It has a currency by this.
        made = await setup.add_shop(p, "cartum", "UA", values, {"password": str(twin.hello["password"])})
        assert not isinstance(made, Refused), made
        assert await sync_now(p, made.id, ("products", "orders")) == {"products": "", "orders": ""}
        assert not isinstance(await setup.cut_over(p, made.id, "already_left", ""), Refused)
        shops = Shops(p, clock, twin)
        article = next(iter(twin.admin("GET", "stock")))

        def there() -> int:
            return sum(twin.admin("GET", "stock")[article].values())

        await shops.stock(article, "count", 9)
        twin.fail_next("acts_late", path="catalog/import")
        await shops.tell()
        assert there() == 40
        await shops.stock(article, "adjust", -2)
        await shops.tell()
        assert there() == 7
        twin.admin("POST", "release")
        assert there() == 9
        await shops.tell(later=MINUTE)
        assert there() == 7
    await p.aclose()
