"""RO App's import rules on a real shop: what comes in, what is left out and why, and what is frozen once it was sent."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors import registry
from connectors.simulated.launch import Twin
from domain.clock import DAY, months_before, to_datetime
from domain.enums import Stage
from domain.facts import ShopFacts
from domain.results import Refused
from domain.settings import ShopSettings
from pipeline import abnormal, persons, setup
from pipeline.commands import preview, run
from pipeline.sync import policy_of, writes_delivery
from pipeline.undo import target_of
from store import quarantined
from store.place import Place
from tests.conftest import World, lent
from tests.pipeline import shops
from tests.pipeline.shops import Shop, bound, emptied

shop, shop_on_each = shops.shop, shops.shop_on_each
HOUR_S = 3600
LONG_AGO = {"created_ago_s": 7200, "modified_ago_s": 7200}
"""Behind what a sync reads again by itself: it comes back only when somebody looks for it."""


def gmt(ms: int) -> str:
    """An instant as the shop's API writes it."""
    return to_datetime(ms).strftime("%Y-%m-%dT%H:%M:%S")


# ------------------------------------------------------------------ general


async def test_roa_01_every_order_made_after_connecting_comes_in_once_whatever_its_status(shop: Shop) -> None:
    await shop.sync()
    cases = ["", "pending", "bacs_on_hold", "completed", "cancelled", "refunded", "failed", "unregistered_status"]
    made = shop.make(*({"case": case, "created_ago_s": -2} for case in cases))
    await shop.sync()
    await shop.sync()
    assert await shop.imported() == set(made)
    assert await shop.value("SELECT count(*) FROM shipment") == len(made)


GENERAL = (frozenset[str](), False, True)
OWN_RULES = {
    "cartum": (frozenset({"3"}), False, True),
    "shopify": (frozenset({"fulfilled", "cancelled", "refunded"}), False, True),
    "woocommerce": (frozenset({"completed", "cancelled", "refunded", "failed", "trash"}), True, False),
}
"""Platform → what the first import leaves out, whether a contact is asked for, whether delivery becomes a comment."""


def test_roa_02_the_general_rules_hold_for_every_platform_that_has_no_own() -> None:
    for platform in registry.names("shop"):
        capabilities = registry.shop(platform).declaration.capabilities
        facts = ShopFacts(1, "x", platform, "UTC", True, ShopSettings(), capabilities)
        policy = policy_of(facts, "PLN", 100 * DAY)
        found = (policy.first_import_excludes, policy.require_contact, writes_delivery(facts))
        assert found == OWN_RULES.get(platform, GENERAL), platform


async def test_roa_03_only_who_has_the_permission_works_with_a_shops_imported_orders_and_all_may_look(
    shop_on_each: Shop,
) -> None:
    shop = shop_on_each
    assert not isinstance(await persons.first_owner(shop.p, "Anna"), Refused)
    for name, lead in (("Jan", False), ("Ewa", True)):
        assert not isinstance(await persons.add(shop.p, name, "operator", lead, "Anna"), Refused)
    one, two = shop.make({}, {})
    broken = shop.make({"line_items": [{"sku": "NB-A5", "quantity": 1.5}]})
    await shop.sync()
    first, second = [await shop.shipment_of(o) for o in (one, two)]

    def code(answer: object) -> str:
        return answer.code if isinstance(answer, Refused) else ""

    async def refusals(who: str, command: str, ids: list[int], **arguments: object) -> set[str]:
        seen = await preview(shop.p, command, ids, arguments, who)
        report = await run(shop.p, command, ids, arguments, who)
        if command != "merge":
            assert {r.code for r in seen.refused} == {r.code for r in report.refused}
        return {r.code for r in report.refused}

    assert await refusals("Jan", "hold", [first], reason="x") == set()
    # Who works with the shop is said by those who look after people, and by nobody else.
    assert code(await setup.set_shop(shop.p, shop.shop_id, {"worked_by": "Jan"}, {}, "Ewa")) == "not_allowed"
    assert not isinstance(await setup.set_shop(shop.p, shop.shop_id, {"worked_by": "Ewa"}, {}, "Anna"), Refused)
    for command, arguments in (("release", {}), ("approve", {}), ("flag", {"colour": 3}), ("merge", {})):
        assert await refusals("jan", command, [first, second], **arguments) == {"no_permission"}
    last = await target_of(shop.p, "Jan")
    assert not isinstance(last, Refused)
    undone = await run(shop.p, "undo", [first], {"batch_id": last.id}, "Jan")
    assert [r.code for r in undone.refused] == ["no_permission"]
    assert code(await setup.set_shop(shop.p, shop.shop_id, {"currency": "any"}, {}, "Jan")) == "no_permission"
    assert code(await setup.unbind_shop(shop.p, shop.shop_id, "Jan")) == "no_permission"
    assert code(await setup.cut_over(shop.p, shop.shop_id, "ship_these", "Jan")) == "no_permission"
    _done, refused = await abnormal.repush(shop.p, None, "Jan")
    assert [r.code for _i, r in refused] == ["no_permission"], broken
    assert (await shop.shown(first))["lines"]
    assert await refusals("Ewa", "release", [first]) == set()
    assert await refusals("Anna", "approve", [first, second]) == set()


async def test_roa_04_number_date_customer_goods_and_amount_arrive_unaltered(shop: Shop) -> None:
    (order,) = shop.make(
        {
            "number": "#PL/2026-0007",
            "total": "123.45",
            "created_ago_s": 7200,
            "billing": {"first_name": "Łucja", "last_name": "Ździebło-Pąk", "email": "Lucja@Example.test", "phone": ""},
            "shipping": {"phone": "+48 599 111 222"},
            "line_items": [
                {"sku": "NB-A5", "name": "Notebook „A5”", "quantity": 3, "price": 24.899999, "total": "74.70"},
                {"sku": "PEN-07", "quantity": 1},
            ],
        }
    )
    await shop.sync()
    stored = await shop.stored(order)
    there = shop.there(order)
    assert (stored["number"], stored["currency"], stored["total_minor"]) == ("#PL/2026-0007", "PLN", 12345)
    assert gmt(stored["created_at"]) == there["date_created_gmt"]
    buyer = (await shop.fetch("SELECT * FROM buyer WHERE order_id = :o", o=stored["id"]))[0]
    assert (buyer["first_name"], buyer["last_name"]) == ("Łucja", "Ździebło-Pąk")
    assert (buyer["phone"], buyer["email"]) == ("+48 599 111 222", "Lucja@Example.test")
    first, second = await shop.lines(order)
    assert (first["name"], first["sku"], first["quantity"]) == ("Notebook „A5”", "NB-A5", 3)
    assert (first["unit_price"], first["total_minor"]) == ("24.899999", 7470)
    assert (second["sku"], second["quantity"], second["unit_price"]) == ("PEN-07", 1, "6.9")


async def test_roa_05_order_in_another_currency_is_left_out_until_the_setting_changes(shop_on_each: Shop) -> None:
    shop = shop_on_each
    euro, zloty = shop.make({"currency": "EUR", **LONG_AGO}, {})
    await shop.sync()
    assert (await shop.imported(), await shop.left_out()) == ({zloty}, {euro: "other_currency"})
    listed = await abnormal.listing(shop.p, excluded=True)
    assert [(r["platform_order_id"], r["detail"]) for r in listed] == [(str(euro), "EUR ≠ PLN")]
    await shop.sync()
    assert await shop.imported() == {zloty}
    await shop.configure(currency="EUR")
    await shop.sync()
    assert (await shop.imported(), await shop.left_out()) == ({euro, zloty}, {})
    assert (await shop.stored(euro))["currency"] == "EUR"


async def test_roa_05_a_shop_that_takes_any_currency_keeps_each_in_its_own(shop: Shop) -> None:
    await shop.configure(currency="any")
    yen, dinar = shop.make({"currency": "JPY", "total": "1200"}, {"currency": "KWD", "total": "1.234"})
    await shop.sync()
    assert [(await shop.stored(o))["total_minor"] for o in (yen, dinar)] == [1200, 1234]
    assert [(await shop.shown(await shop.shipment_of(o)))["total"] for o in (yen, dinar)] == ["1200", "1.234"]


async def test_roa_06_after_the_write_off_nothing_of_the_goods_or_the_buyer_changes_any_more(world: World) -> None:
    order = world.order(lines=2, customer_note="")
    await world.sync()
    shipment = await world.shipment_of(order)
    await world.to_stage(shipment, "shipped")
    frozen = ("order_line", "buyer", "shipment_line")

    async def goods() -> dict[str, list[dict[str, object]]]:
        rows = {t: await world.fetch(f"SELECT * FROM {t}") for t in frozen}
        rows["order"] = await world.fetch("SELECT total_minor, shipping_minor, shipping_method, address_id FROM orders")
        return rows

    before = await goods()
    for change in (
        {"change": "quantity", "quantity": 9},
        {"change": "add_line"},
        {"change": "address", "address": {"address_1": "Neuer Federweg 12"}},
        {"change": "address", "side": "billing", "address": {"first_name": "Ktoś", "phone": "+48 599 999 999"}},
    ):
        world.shop.admin("POST", "change", {"order": order, **change})
        await world.sync()
    assert await goods() == before
    shown = await world.shown(shipment)
    assert "changed" in shown["flags"]
    assert "stopped" not in shown["flags"]
    world.shop.admin("POST", "change", {"order": order, "change": "cancel"})
    await world.sync()
    shown = await world.shown(shipment)
    assert await goods() == before
    assert "stopped" in shown["flags"]
    assert "stopped_after_shipping" in [e["kind"] for e in shown["events"]]


async def test_roa_07_before_the_write_off_lines_follow_the_platform(shop_on_each: Shop) -> None:
    shop = shop_on_each
    (order,) = shop.make({"line_items": [{"sku": "NB-A5", "quantity": 2}, {"sku": "PEN-07", "quantity": 1}]})
    await shop.sync()
    shipment = await shop.shipment_of(order)

    async def packed() -> dict[str, int]:
        return {ln["sku"]: ln["quantity"] for ln in (await shop.shown(shipment))["lines"]}

    assert await packed() == {"NB-A5": 2, "PEN-07": 1}
    for what, how, expected in (
        ("quantity", {"quantity": 3}, {"NB-A5": 3, "PEN-07": 1}),
        ("add_line", {"sku": "RUL[15]/CM", "quantity": 2}, {"NB-A5": 3, "PEN-07": 1, "RUL[15]/CM": 2}),
        ("remove_line", {"line": 1}, {"NB-A5": 3, "RUL[15]/CM": 2}),
        ("quantity", {"quantity": 1}, {"NB-A5": 1, "RUL[15]/CM": 2}),
    ):
        shop.change(order, what, **how)
        await shop.sync()
        assert await packed() == expected
    assert await shop.value("SELECT count(*) FROM shipment") == 1


async def test_roa_08_importing_again_makes_no_second_order_customer_product_or_category(shop_on_each: Shop) -> None:
    shop = shop_on_each
    shop.make(*({"case": c} for c in ("", "multi_line", "no_sku", "gift", "deleted_product", "cod")))
    tables = ("orders", "contact", "product", "variant", "listing", "category", "shipment", "order_line")
    await shop.sync()
    once = await shop.rows_of(*tables)
    await shop.sync(full=True)
    await shop.sync()
    assert await shop.rows_of(*tables) == once


# ------------------------------------------------------------------ the first import


@pytest.mark.parametrize("zone", ["Europe/Warsaw", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_roa_10_the_first_import_reaches_back_two_months_of_the_shops_own_days(
    zone: str, sqlite_place: Place, tmp_path: Path
) -> None:
    with lent("woocommerce", orders=0, seed=1, zone=zone) as twin:
        async with bound(sqlite_place, twin, tmp_path / "papers") as shop:
            row = (await shop.fetch("SELECT connected_at, zone FROM shop"))[0]
            assert row["zone"] == zone
            start = months_before(row["connected_at"], 2, zone)
            edge = -(-start // 1000) * 1000
            first, before = shop.make(
                {"date_created_gmt": gmt(edge), "created_ago_s": 90 * 86400},
                {"date_created_gmt": gmt(edge - 1000), "created_ago_s": 90 * 86400},
            )
            await shop.sync()
            assert await shop.imported() == {first}
            async with shop.p.store.reading() as tx:
                assert [(r.shop, r.n) for r in await quarantined.older(tx)] == [("PL-Woo", 1)]
            shop.change(before, "quantity", quantity=5)
            await shop.sync()
            assert await shop.imported() == {first}


async def test_roa_10_the_day_is_clipped_to_the_end_of_a_shorter_month(
    sqlite_place: Place, shop_twin: Twin, tmp_path: Path
) -> None:
    async with bound(sqlite_place, emptied(shop_twin), tmp_path / "papers") as shop:
        connected = int(datetime(2026, 4, 30, 10, tzinfo=UTC).timestamp() * 1000)
        async with shop.p.store.transaction() as tx:
            await tx.run("UPDATE shop SET connected_at = :c", c=connected)
        # Noon in Warsaw on 30 April (summer time) is noon on 28 February (winter time).
        inside, outside = shop.make(
            {"date_created_gmt": "2026-02-28T11:00:00"}, {"date_created_gmt": "2026-02-28T10:59:59"}
        )
        await shop.sync()
        assert await shop.imported() == {inside}
        assert outside not in await shop.left_out()


async def test_roa_10_the_first_import_runs_once_and_marks_what_was_open_before_connecting(shop_on_each: Shop) -> None:
    shop = shop_on_each
    (old,) = shop.make({"created_ago_s": 5 * 86400})
    await shop.sync(cut_over=False)
    assert "first_import" in (await shop.shown(await shop.shipment_of(old)))["flags"]
    (late,) = shop.make({"created_ago_s": 3 * 86400})
    (new,) = shop.make({"created_ago_s": -2})
    await shop.sync(cut_over=False)
    for order in (late, new):
        assert "first_import" not in (await shop.shown(await shop.shipment_of(order)))["flags"]


async def test_roa_13_the_first_import_leaves_closed_orders_out_and_the_next_sync_does_not(shop: Shop) -> None:
    cases = {"": "in", "pending": "in", "bacs_on_hold": "in", "cod": "in", "unregistered_status": "in"}
    closed = ("completed", "cancelled", "refunded", "failed")
    before = shop.make(*({"case": c, "created_ago_s": HOUR_S} for c in (*cases, *closed)))
    await shop.sync()
    assert await shop.imported() == set(before[: len(cases)])
    assert await shop.left_out() == dict.fromkeys(before[len(cases) :], "closed_before_import")
    (later,) = shop.make({"case": "completed", "created_ago_s": -2})
    await shop.sync()
    assert later in await shop.imported()
    shipped = await shop.shown(await shop.shipment_of(later))
    assert (shipped["stage"], shipped["status"]) == ("shipped", "outside")


async def test_roa_13_a_closed_order_that_is_opened_again_comes_in(shop: Shop) -> None:
    (order,) = shop.make({"case": "cancelled", "created_ago_s": HOUR_S})
    await shop.sync()
    shop.change(order, "reopen")
    await shop.sync()
    assert (await shop.imported(), await shop.left_out()) == ({order}, {})


async def test_roa_13_another_list_of_statuses_may_be_set(shop: Shop) -> None:
    await shop.configure(import_exclude="on-hold")
    held, done = shop.make(*({"case": c, "created_ago_s": HOUR_S} for c in ("bacs_on_hold", "completed")))
    await shop.sync()
    assert (await shop.imported(), await shop.left_out()) == ({done}, {held: "closed_before_import"})


# ------------------------------------------------------------------ never imported


@pytest.mark.parametrize(
    ("rule", "case", "reason"),
    [
        ("ROA-14", "zero_lines", "no_goods"),
        ("ROA-14", "lines_null", "no_goods"),
        ("ROA-15", "no_customer", "no_customer"),
    ],
)
async def test_roa_14_roa_15_no_goods_or_no_customer_keeps_an_order_out_with_its_reason(
    shop: Shop, rule: str, case: str, reason: str
) -> None:
    (order,) = shop.make({"case": case})
    await shop.sync()
    await shop.sync()
    assert (await shop.imported(), await shop.left_out(), await shop.abnormal()) == (set(), {order: reason}, {})
    async with shop.p.store.reading() as tx:
        assert await quarantined.exclusion_counts(tx) == {reason: 1}
    assert await shop.value("SELECT count(*) FROM contact") == 0


async def test_roa_16_an_order_without_phone_and_email_comes_in_once_there_is_one(shop_on_each: Shop) -> None:
    shop = shop_on_each
    neither, phone, email = shop.make({"case": "no_contact"}, {"case": "phone_only"}, {"case": "email_only"})
    await shop.sync()
    assert await shop.imported() == {phone, email}
    assert await shop.left_out() == {neither: "no_contact"}
    shop.change(neither, "address", side="billing", address={"phone": "+48 599 333 444"})
    await shop.sync()
    assert neither in await shop.imported()
    assert await shop.left_out() == {}


async def test_roa_16_orders_left_out_come_in_when_the_shop_no_longer_asks_for_a_contact(shop: Shop) -> None:
    made = shop.make({"case": "no_contact", **LONG_AGO}, {"case": "no_customer", **LONG_AGO}, {})
    await shop.sync()
    async with shop.p.store.reading() as tx:
        assert await quarantined.exclusion_counts(tx) == {"no_contact": 1, "no_customer": 1}
    await shop.configure(require_contact="no")
    await shop.sync()
    assert (await shop.imported(), await shop.left_out()) == (set(made), {})
    assert await shop.value("SELECT count(*) FROM contact") == 1


# ------------------------------------------------------------------ status


async def test_roa_19_completed_is_never_sent_before_the_goods_are_written_off_and_once_after(world: World) -> None:
    order = world.order(customer_note="")
    await world.sync()
    shipment = await world.shipment_of(order)
    await world.to_stage(shipment, "to_print")
    assert not (await world.do("push", [shipment])).refused
    await world.work()
    there = world.there(order)
    assert (there["status"], there["times_completed"], len(there["tracking"])) == ("processing", 0, 1)
    for step in ("print", "ship"):
        assert not (await world.do(step, [shipment])).refused
        await world.work()
    await world.sync()
    await world.work()
    there = world.there(order)
    assert (there["status"], there["times_completed"]) == ("completed", 1)
    assert len([t for t in there["tracking"] if "note_id" in t]) == 1


async def test_roa_18_the_first_status_of_an_order_comes_from_its_type_and_only_the_first(shop_on_each: Shop) -> None:
    shop = shop_on_each
    await shop.sync()
    await shop.configure(
        order_types="cod: payment=on_delivery, hold=call first, flag=4; courier: method=express, stage=processing"
    )
    courier = {
        "shipping_lines": [
            {"method_id": "flat_rate", "method_title": "Express 24", "total": "0.00", "total_tax": "0.00", "taxes": []}
        ]
    }
    plain, cod, fast, unpaid = shop.make({}, {"case": "cod"}, courier, {**courier, "case": "pending"})
    await shop.sync()

    async def seen(order: int) -> tuple[str, str, str, int]:
        row = (
            await shop.fetch(
                "SELECT stage, status, hold_reason, mark FROM shipment WHERE id = :i", i=await shop.shipment_of(order)
            )
        )[0]
        return Stage(row["stage"]).word, row["status"], row["hold_reason"], row["mark"]

    expected = {
        plain: ("review", "open", "", 0),
        cod: ("review", "open", "call first", 4),
        fast: ("processing", "open", "", 0),
        unpaid: ("review", "open", "", 0),
    }
    assert {o: await seen(o) for o in expected} == expected
    born_of = {}
    for order in expected:
        first = (await shop.shown(await shop.shipment_of(order)))["events"][0]
        born_of[order] = json.loads(first["data"]).get("order_type")
    assert born_of == {plain: None, cod: "cod", fast: "courier", unpaid: "courier"}
    await shop.do("release", [await shop.shipment_of(cod)])
    await shop.configure(order_types="all: stage=review, flag=9, hold=later")
    for order in expected:
        shop.change(order, "address", address={"address_1": "ul. Nowa Linijka 7"})
    await shop.sync()
    assert await seen(cod) == ("review", "open", "", 4)
    assert await seen(fast) == ("processing", "open", "", 0)


# ------------------------------------------------------------------ customers


async def buyers(shop: Shop) -> list[tuple[str, int]]:
    """(order, contact) of every order, in the order they were made."""
    rows = await shop.fetch(
        """SELECT o.platform_order_id AS o, b.contact_id AS c FROM buyer b JOIN orders o ON o.id = b.order_id ORDER BY o.id"""
    )
    return [(r["o"], r["c"]) for r in rows]


async def test_roa_30_the_same_phone_or_email_is_the_same_contact_and_it_is_not_overwritten(shop_on_each: Shop) -> None:
    shop = shop_on_each
    people = [
        {"first_name": "Celina", "last_name": "Pąk", "phone": "+48 599 000 001", "email": "celina@example.test"},
        {"first_name": "C.", "last_name": "P.", "phone": "0048 599-000-001", "email": "other@example.test"},
        {"first_name": "Cela", "last_name": "Pąk", "phone": "", "email": " CELINA@example.TEST"},
        {"first_name": "Bogumił", "last_name": "Gęś", "phone": "+48 599 000 002", "email": "celina@example.test"},
        {"first_name": "Ość", "last_name": "Brzęk", "phone": "+48 599 000 003", "email": "osc@example.test"},
    ]
    for person in people:
        shop.make({"billing": person, "shipping": {"phone": ""}})
        await shop.sync()
    contacts = [c for _o, c in await buyers(shop)]
    assert contacts[0] == contacts[1] == contacts[2] == contacts[3] != contacts[4]
    kept = await shop.fetch("SELECT name, phone, email FROM contact ORDER BY id")
    assert [tuple(r.values()) for r in kept] == [
        ("Celina Pąk", "+48 599 000 001", "celina@example.test"),
        ("Ość Brzęk", "+48 599 000 003", "osc@example.test"),
    ]
    snapshots = await shop.fetch("SELECT first_name FROM buyer ORDER BY order_id")
    assert [r["first_name"] for r in snapshots] == [p["first_name"] for p in people]


async def test_roa_30_a_phone_wins_over_an_email_and_one_page_makes_no_doubles(shop_on_each: Shop) -> None:
    shop = shop_on_each
    both = shop.make(
        {"billing": {"phone": "+48 599 000 010", "email": "ten@example.test"}, "shipping": {"phone": ""}},
        {"billing": {"phone": "+48 599 000 020", "email": "twenty@example.test"}, "shipping": {"phone": ""}},
        {"billing": {"phone": "+48 599 000 010", "email": "twenty@example.test"}, "shipping": {"phone": ""}},
    )
    await shop.sync()
    contact = dict(await buyers(shop))
    assert contact[str(both[2])] == contact[str(both[0])] != contact[str(both[1])]
    assert await shop.value("SELECT count(*) FROM contact") == 2


async def test_roa_30_hidden_values_never_make_strangers_one_contact(shop: Shop) -> None:
    shop.make(
        {"billing": {"phone": "+48 599 000 010", "email": "j***@example.test"}, "shipping": {"phone": ""}},
        {"billing": {"phone": "+48 599 000 020", "email": "j***@example.test"}, "shipping": {"phone": ""}},
    )
    await shop.sync()
    assert len({c for _o, c in await buyers(shop)}) == 2


async def test_roa_32_the_delivery_phone_comes_before_the_paying_ones(shop: Shop) -> None:
    delivery, paying, stranger = shop.make(
        {"billing": {"phone": "+48 599 000 001", "email": ""}, "shipping": {"phone": "+48 599 000 002"}},
        {"billing": {"phone": "+48 599 000 002", "email": ""}, "shipping": {"phone": ""}},
        {"billing": {"phone": "+48 599 000 001", "email": ""}, "shipping": {"phone": ""}},
    )
    await shop.sync()
    contact = dict(await buyers(shop))
    assert contact[str(delivery)] == contact[str(paying)] != contact[str(stranger)]


# ------------------------------------------------------------------ delivery


async def test_roa_40_delivery_details_become_a_comment_where_the_shop_wants_it(shop: Shop) -> None:
    await shop.configure(delivery_comment="yes")
    to = {"first_name": "Łucja", "last_name": "Pąk", "address_1": "ul. Piórkowa 7", "address_2": "m. 3"}
    to |= {"city": "Łódź", "postcode": "90-001", "country": "PL"}
    (order,) = shop.make(
        {"shipping": to, "shipping_lines": [{"method_id": "flat_rate", "method_title": "Kurier", "total": "14.99"}]}
        | {"shipping_total": "14.99", "total": "60.00"}
    )
    await shop.sync()
    assert await shop.notes(order, "delivery") == [
        "Kurier | 14.99 PLN | Łucja Pąk, ul. Piórkowa 7, m. 3, 90-001 Łódź, PL"
    ]


async def test_roa_41_each_change_of_the_delivery_adds_a_comment_and_nothing_else_does(shop_on_each: Shop) -> None:
    shop = shop_on_each
    await shop.configure(delivery_comment="yes")
    (order,) = shop.make({})
    await shop.sync()
    await shop.sync()
    shop.change(order, "quantity")
    await shop.sync()
    first = await shop.notes(order, "delivery")
    assert len(first) == 1
    shop.change(order, "address", address={"address_1": "ul. Nowa Linijka 7"})
    await shop.sync()
    await shop.sync()
    both = await shop.notes(order, "delivery")
    assert both[:1] == first
    assert len(both) == 2
    assert "ul. Nowa Linijka 7" in both[1]


async def test_roa_42_by_default_a_woocommerce_delivery_is_kept_on_the_order_and_not_as_a_comment(shop: Shop) -> None:
    (order,) = shop.make({"shipping": {"address_1": "ul. Piórkowa 7"}})
    await shop.sync()
    shop.change(order, "address", address={"address_1": "ul. Nowa Linijka 7"})
    await shop.sync()
    assert await shop.notes(order, "delivery") == []
    assert (await shop.shown(await shop.shipment_of(order)))["address"]["line1"] == "ul. Nowa Linijka 7"
