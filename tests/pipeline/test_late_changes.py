"""Changes that come late, make no sense, or are taken back; and what a setting lets in afterwards."""

from typing import Any

import pytest

from domain.results import Refused
from pipeline import setup
from tests.domain.orders import a_line, an_order
from tests.pipeline import shops
from tests.pipeline.shops import Shop
from tests.pipeline.test_sync import deliver

shop, shop_on_each = shops.shop, shops.shop_on_each
ENDLESS = "".join(chr(0x4E00 + n * 7 % 9000) for n in range(5000))


async def test_a_change_taken_back_stays_taken_back_when_the_versions_arrive_late(shop: Shop) -> None:
    first = an_order()
    raised = an_order(updated_at=first.updated_at + 1000, lines=(a_line(quantity=5),))
    back = an_order(updated_at=first.updated_at + 2000)
    for version in (first, back, raised):
        await deliver(shop, [version])
    assert [ln["quantity"] for ln in await shop.lines(1001)] == [2]


@pytest.mark.parametrize(
    "lines",
    [
        (a_line(quantity=-1),),
        (a_line(1), a_line(2), a_line(2)),
        (a_line(sku=ENDLESS),),
        (a_line(quantity=5_000_000),),
    ],
)
async def test_a_change_that_makes_no_sense_is_kept_apart_and_the_others_go_on(shop_on_each: Shop, lines: Any) -> None:
    shop = shop_on_each
    await deliver(shop, [an_order()])
    later = an_order().updated_at + 1000
    await deliver(shop, [an_order(updated_at=later, lines=lines), an_order(platform_order_id="7")])
    assert set(await shop.abnormal()) == {1001}
    assert await shop.imported() == {1001, 7}


async def test_an_order_mended_to_what_it_was_is_no_longer_abnormal(shop: Shop) -> None:
    (order,) = shop.make({"line_items": [{"sku": "NB-A5", "quantity": 2}]})
    await shop.sync()
    for quantity in (2.5, 2):
        shop.change(order, "quantity", quantity=quantity)
        await shop.sync()
    assert await shop.abnormal() == {}


async def test_products_of_orders_that_are_left_out_are_not_created(shop: Shop) -> None:
    shop.make({"case": "no_contact"})
    await shop.sync()
    assert await shop.value("SELECT count(*) FROM product") == 0


async def test_an_order_closed_before_the_import_comes_in_when_the_setting_changes(shop: Shop) -> None:
    closed = shop.make({"case": "completed", "created_ago_s": 7200, "modified_ago_s": 7200}, {})[0]
    await shop.sync()
    assert closed not in await shop.imported()
    await shop.configure(import_exclude="-")
    await shop.sync()
    assert closed in await shop.imported()


async def test_a_renewed_secret_is_used_at_once(shop: Shop) -> None:
    await setup.set_shop(shop.p, 1, {}, {"consumer_secret": "cs_old"})
    assert await shop.sync() != ""
    await setup.set_shop(shop.p, 1, {}, {"consumer_secret": str(shop.shop.hello["consumer_secret"])})
    assert not isinstance(await setup.check_shop(shop.p, 1), Refused)


async def test_a_page_too_large_to_read_is_read_in_smaller_ones(shop: Shop) -> None:
    await setup.set_shop(shop.p, 1, {"timeout_s": "30"}, {})
    made = shop.make(*({"customer_note_size": 10_000_000} for _ in range(7)), {})
    assert await shop.sync() == ""
    assert await shop.imported() == set(made)
