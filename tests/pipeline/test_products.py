"""Goods that come in with orders: created once, recognised by what the setting says, never overwritten, never counted."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.records import Category, Product
from pipeline import setup, stocktaking
from pipeline.base import Pipeline
from pipeline.sync import sync_products
from store import catalogue
from store.place import Place
from tests.conftest import lent
from tests.pipeline import shops
from tests.pipeline.shops import Shop

shop, shop_on_each = shops.shop, shops.shop_on_each


async def keep(s: Shop, *products: Product, by: str = "sku") -> catalogue.Kept:
    """Take products over as a sync does."""

    async def work(tx: Any) -> catalogue.Kept:
        return await catalogue.keep_products(tx, s.shop_id, products, by)

    return await s.p.store.retrying(work)


async def variants(s: Shop) -> list[tuple[str, str, str]]:
    """(code, SKU, name) of everything we own, oldest first."""
    rows = await s.fetch(
        "SELECT p.code, v.sku, v.name FROM variant v JOIN product p ON p.id = v.product_id ORDER BY v.id"
    )
    return [(r["code"], r["sku"], r["name"]) for r in rows]


async def matched(s: Shop, order: int) -> list[bool]:
    """Whether each line of an order has a product of ours."""
    return [line["listing_id"] is not None for line in await s.lines(order)]


# ------------------------------------------------------------------ with the order


async def test_roa_20_products_of_an_order_that_are_not_known_yet_come_in_with_it(shop_on_each: Shop) -> None:
    s = shop_on_each
    (order,) = s.make({"line_items": [{"sku": "NB-A5"}, {"sku": "BD-RED"}, {"sku": "BD-BLUE"}]})
    await s.sync()
    assert all(await matched(s, order))
    have = {(code, sku) for code, sku, _name in await variants(s)}
    # The order names the product, so all that is sold of it comes.
    assert have == {("201", "NB-A5"), ("301", "BD-RED"), ("301", "BD-BLUE"), ("301", "BD-GREEN")}
    assert await s.value("SELECT count(*) FROM product") == 2
    assert "unmatched" not in (await s.shown(await s.shipment_of(order)))["flags"]


@pytest.mark.parametrize(
    ("line", "known", "owned"),
    [
        ({"product_id": 9999, "sku": "GONE-1", "name": "Old pen"}, True, [("9999", "GONE-1", "Old pen")]),
        ({"product_id": 0, "sku": " GONE-2 ", "name": "Old cup"}, True, [("sku:GONE-2", "GONE-2", "Old cup")]),
        ({"product_id": 0, "sku": "", "name": "Nobody knows"}, False, []),
    ],
)
async def test_roa_20_a_product_deleted_on_the_platform_never_loses_the_order(
    shop_on_each: Shop, line: dict[str, Any], known: bool, owned: list[tuple[str, str, str]]
) -> None:
    s = shop_on_each
    (order,) = s.make({"line_items": [line]})
    await s.sync()
    await s.sync(full=True)
    assert await matched(s, order) == [known]
    assert await variants(s) == owned
    shown = await s.shown(await s.shipment_of(order))
    assert [ln["name"] for ln in shown["lines"]] == [line["name"]]
    assert ("unmatched" in shown["flags"]) is not known


async def test_roa_20_an_order_comes_in_even_when_its_products_cannot_be_read(shop: Shop) -> None:
    shop.shop.fail_next("http_500", path="/products", times=6)
    (order,) = shop.make({"line_items": [{"sku": "NB-A5", "name": "Notebook"}]})
    assert await shop.sync() == ""
    assert await matched(shop, order) == [True]
    assert await variants(shop) == [("201", "NB-A5", "Notebook")]


# ------------------------------------------------------------------ recognised


@pytest.mark.parametrize(
    ("by", "incoming", "same"),
    [
        ("sku", Product("77", "", "Another name", sku=" NB-A5 "), True),
        ("sku", Product("77", "", "Notebook", sku="nb-a5"), False),
        ("name", Product("77", "", " Notebook ", sku="X"), True),
        ("name", Product("77", "", "notebook", sku="NB-A5"), False),
        ("id", Product("77", "", "Notebook", sku="NB-A5"), False),
    ],
)
async def test_roa_21_an_equal_product_of_ours_is_used_and_not_overwritten(
    shop_on_each: Shop, by: str, incoming: Product, same: bool
) -> None:
    s = shop_on_each
    await keep(s, Product("11", "", "Notebook", sku="NB-A5", description="ours"), by=by)
    answer = await keep(s, incoming, by=by)
    assert (answer.matched, answer.created) == ((1, 0) if same else (0, 1))
    assert (await variants(s))[0] == ("11", "NB-A5", "Notebook")
    assert await s.value("SELECT description FROM product ORDER BY id LIMIT 1") == "ours"
    owners = await s.fetch(
        """SELECT l.platform_product_id AS p, li.variant_id AS v FROM listing l
           JOIN listing_item li ON li.listing_id = l.id ORDER BY l.id"""
    )
    assert (owners[0]["v"] == owners[1]["v"]) is same
    assert (await keep(s, incoming, by=by)).unchanged == 1


async def test_roa_21_by_id_a_product_stays_the_same_whatever_it_is_called(shop: Shop) -> None:
    await keep(shop, Product("11", "", "Notebook", sku="NB-A5"), by="id")
    answer = await keep(shop, Product("11", "", "Renamed", sku="NEW"), by="id")
    assert (answer.unchanged, await variants(shop)) == (1, [("11", "NB-A5", "Notebook")])


async def test_roa_21_an_empty_sku_matches_nothing_and_is_flagged(shop_on_each: Shop) -> None:
    s = shop_on_each
    await keep(s, Product("11", "", "Offcuts"), Product("12", "", "Offcuts", sku="  "))
    assert [code for code, _sku, _name in await variants(s)] == ["11", "12"]
    assert {r["problem"] for r in await s.fetch("SELECT problem FROM listing")} == {"no_key"}
    await keep(s, Product("11", "", "Offcuts"))
    assert len(await variants(s)) == 2


async def test_roa_21_of_two_products_of_ours_the_older_is_used_with_a_warning(shop_on_each: Shop) -> None:
    s = shop_on_each
    await keep(s, Product("11", "", "Notebook", sku="A"), Product("12", "", "Notebook", sku="B"))
    answer = await keep(s, Product("13", "", "Notebook", sku="C"), by="name")
    assert (answer.matched, answer.warnings) == (1, ["Notebook: 2"])
    used = await s.value(
        """SELECT v.sku FROM listing l JOIN listing_item li ON li.listing_id = l.id
           JOIN variant v ON v.id = li.variant_id WHERE l.platform_product_id = '13'"""
    )
    assert used == "A"


async def test_roa_21_two_shops_that_sell_the_same_sku_share_one_product(shop_on_each: Shop) -> None:
    s = shop_on_each
    with lent("woocommerce", orders=0, seed=2) as second:
        secrets = {k: str(second.hello[k]) for k in ("consumer_key", "consumer_secret")}
        other = await setup.add_shop(s.p, "woocommerce", "PL-Two", {"url": second.url}, secrets)
        assert isinstance(other, setup.Set)
        for shop_id in (s.shop_id, other.id):
            await sync_products(s.p, shop_id)
    with_sku = [sku for _code, sku, _name in await variants(s) if sku]
    assert len(with_sku) == len(set(with_sku))
    per_shop = await s.fetch("SELECT shop_id, count(*) AS n FROM listing GROUP BY shop_id")
    assert len({r["n"] for r in per_shop}) == 1
    assert len(per_shop) == 2


# ------------------------------------------------------------------ fields and categories


async def test_roa_22_roa_23_roa_24_name_description_sku_and_id_are_taken_and_the_unit_is_the_piece(shop: Shop) -> None:
    shop.make({"line_items": [{"sku": "SET &amp; GO"}, {"sku": "FP-EF"}]})
    await shop.sync()
    by_sku = {sku: (code, name) for code, sku, name in await variants(shop)}
    assert by_sku["FP-EF"] == ("302", "Fountain pen - EF")
    assert ("210", "Markers & liners – set of 12") in by_sku.values()
    listing = (await shop.fetch("SELECT * FROM listing WHERE sku = 'FP-EF'"))[0]
    assert (listing["platform_product_id"], listing["platform_variant_id"]) == ("302", "321")
    products = await shop.fetch("SELECT unit, description FROM product")
    assert {p["unit"] for p in products} == {"piece"}
    await keep(shop, Product("11", "", "Pen", sku="P", description="<p>blue</p>", weight_g=12))
    assert await shop.value("SELECT description FROM product WHERE code = '11'") == "<p>blue</p>"
    assert await shop.value("SELECT weight_g FROM variant WHERE sku = 'P'") == 12


async def test_roa_25_an_existing_category_is_used_and_a_missing_one_is_made_under_its_parent(
    shop_on_each: Shop,
) -> None:
    s = shop_on_each

    def sold_in(number: str, *path: str) -> Product:
        return Product(number, "", f"Product {number}", sku=f"S{number}", categories=(Category(number, path),))

    await keep(s, sold_in("1", "Paper", "Notebooks"))
    await keep(s, sold_in("2", " PAPER", "notebooks "), sold_in("3", "Gifts", "Notebooks"), sold_in("4", "Paper"))
    rows = await s.fetch("SELECT id, parent_id, name FROM category ORDER BY id")
    paper, notebooks, gifts, theirs = rows
    assert [(r["name"], r["parent_id"]) for r in rows] == [
        ("Paper", None),
        ("Notebooks", paper["id"]),
        ("Gifts", None),
        ("Notebooks", gifts["id"]),
    ]
    used = {r["code"]: r["category_id"] for r in await s.fetch("SELECT code, category_id FROM product")}
    assert used == {"1": notebooks["id"], "2": notebooks["id"], "3": theirs["id"], "4": paper["id"]}


async def test_roa_26_each_product_of_the_shop_gets_the_one_category_the_rules_choose(shop: Shop) -> None:
    shop.make({"line_items": [{"sku": s} for s in ("NB-A5", "NB-A6-DOT", "PEN-05", "BOX-GIFT", "墨水-30", "BLOK-A4")]})
    await shop.sync()
    rows = await shop.fetch(
        """SELECT p.code, c.name, u.name AS parent FROM product p LEFT JOIN category c ON c.id = p.category_id
           LEFT JOIN category u ON u.id = c.parent_id"""
    )
    assert {r["code"]: (r["parent"], r["name"]) for r in rows} == {
        "201": ("Paper", "Notebooks"),  # Paper, Paper > Notebooks
        "202": ("Notebooks", "Dotted notebooks"),  # one branch of three
        "204": (None, "Gifts"),  # Writing > Pens, Gifts
        "205": (None, "Gifts"),  # Pencil cases, Gifts
        "206": ("Writing", "Pens & inks"),  # Writing > Pens & inks, Gifts > 文具礼盒
        "209": ("Paper", "Notebooks"),  # Paper > Zeszyty i bloki, Paper > Notebooks
    }


# ------------------------------------------------------------------ stock


async def test_roa_27_imported_goods_keep_quantity_and_price_and_leave_our_stock_alone(shop_on_each: Shop) -> None:
    s = shop_on_each
    s.make({"line_items": [{"sku": "NB-A5"}]})
    await s.sync()
    await stocktaking.change(s.p, "NB-A5", "receive", 5, "anna")
    before = await s.rows_of("stock", "stock_move", "allocation")
    (order,) = s.make({"line_items": [{"sku": "NB-A5", "quantity": 3, "price": 24.9}]})
    await s.sync()
    (line,) = await s.lines(order)
    assert (line["quantity"], Decimal(line["unit_price"])) == (3, Decimal("24.9"))
    assert await s.rows_of("stock", "stock_move", "allocation") == before
    assert (await s.shown(await s.shipment_of(order)))["stage"] == "review"


async def test_a_sync_of_products_run_twice_keeps_what_there_is(shop_on_each: Shop) -> None:
    s = shop_on_each
    seen = await sync_products(s.p, s.shop_id)
    once = await s.rows_of("product", "variant", "listing", "listing_item", "category")
    assert seen == len(once["listing"]) > 15
    assert await sync_products(s.p, s.shop_id) == seen
    assert await s.rows_of(*once) == once


async def test_a_sku_no_index_can_hold_keeps_only_that_product_out(shop_on_each: Shop) -> None:
    s = shop_on_each
    answer = await keep(s, Product("1", "", "Endless", sku="ż" * 5000), Product("2", "", "Pen", sku="P\x00EN"))
    assert (answer.created, len(answer.warnings)) == (1, 1)
    assert await variants(s) == [("2", "P\ufffdEN", "Pen")]
    assert (await keep(s, Product("2", "", "Pen", sku="P\x00EN"))).unchanged == 1


async def test_two_imports_at_once_create_each_product_and_category_once(place: Place, tmp_path: Path) -> None:
    first = await Pipeline.open(place)
    second = await Pipeline.open(place)
    try:
        async with first.store.transaction() as tx:
            for name in ("one", "two"):
                await tx.run(
                    "INSERT INTO shop (platform, name, connected_at) VALUES ('woocommerce', :n, :at)", n=name, at=tx.now
                )
        goods = [Product(str(n), "", f"P{n}", sku=f"S{n}", categories=(Category("1", ("A", "B")),)) for n in range(30)]

        async def take(p: Pipeline, shop_id: int, part: list[Product]) -> None:
            await p.store.retrying(lambda tx: catalogue.keep_products(tx, shop_id, part, "sku"))

        await asyncio.gather(
            *(take(p, n, goods[at : at + 10]) for p, n in ((first, 1), (second, 2), (first, 2)) for at in (0, 10, 20))
        )
        async with first.store.reading() as tx:
            assert await tx.value("SELECT count(*) FROM variant") == 30
            assert await tx.value("SELECT count(*) FROM listing") == 60
            assert await tx.value("SELECT count(*) FROM category") == 2
    finally:
        await first.aclose()
        await second.aclose()
