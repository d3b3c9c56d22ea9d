"""Paging, sorting and time filters of the simulated shop (WooCommerce reference §2 and the measured section)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from conftest import Shop

from connectors.simulated.launch import Twin


def _walk(shop: Shop, **params: object) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    page = 1
    while batch := shop.get("/orders", per_page=100, page=page, **params).json:
        rows += batch
        page += 1
    return rows


def test_walking_the_pages_by_modified_finds_every_order_once_in_order(shop: Shop) -> None:
    rows = _walk(shop, orderby="modified", order="asc")
    keys = [(row["date_modified_gmt"], row["id"]) for row in rows]
    assert len({row["id"] for row in rows}) == len(rows) == sum(shop.twin.admin("GET", "counts")["by_status"].values())
    assert keys == sorted(keys)
    assert len({row["date_modified_gmt"] for row in rows}) < len(rows)


def test_headers_count_orders_and_pages_and_link_to_neighbours(shop: Shop) -> None:
    reply = shop.get("/orders", per_page=100, page=2)
    total = int(reply.headers["x-wp-total"])
    assert int(reply.headers["x-wp-totalpages"]) == -(-total // 100)
    assert 'rel="prev"' in reply.headers["link"]
    assert 'rel="next"' in reply.headers["link"]
    assert "oauth_" not in reply.headers["link"]


def test_a_page_past_the_end_is_empty(shop: Shop) -> None:
    reply = shop.get("/orders", page=99, per_page=100)
    assert (reply.status, reply.json) == (200, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("per_page", 101),
        ("per_page", "x"),
        ("page", 0),
        ("status", "shipped"),
        ("orderby", "total"),
        ("order", "up"),
        ("modified_after", "2026-11-22"),
        ("modified_after", "yesterday"),
        ("dates_are_gmt", "perhaps"),
        ("include", "1,x"),
    ],
)
def test_an_invalid_value_is_refused_by_name(shop: Shop, name: str, value: object) -> None:
    reply = shop.get("/orders", **{name: value})
    assert (reply.status, reply.code) == (400, "rest_invalid_param")
    assert list(reply.json["data"]["params"]) == [name]


def test_an_unknown_parameter_is_ignored(shop: Shop) -> None:
    assert shop.get("/orders", colour="blue").status == 200


@pytest.mark.parametrize("orderby", ["modified", "date", "id"])
def test_modified_after_is_exclusive_at_the_same_second(shop: Shop, orderby: str) -> None:
    newest = shop.get("/orders", orderby="modified", per_page=1).json[0]
    same = shop.get("/orders", modified_after=newest["date_modified_gmt"], dates_are_gmt="true", orderby=orderby).ids
    moment = datetime.fromisoformat(newest["date_modified_gmt"]) - timedelta(seconds=1)
    before = shop.get("/orders", modified_after=moment.isoformat(), dates_are_gmt="true", orderby=orderby).ids
    assert newest["id"] not in same
    assert newest["id"] in before


def test_a_naive_date_is_read_in_the_shops_zone(shop: Shop) -> None:
    shop.create({"created_ago_s": 600})
    newest = shop.get("/orders", per_page=1, orderby="modified").json[0]
    moment = datetime.fromisoformat(newest["date_modified_gmt"]).replace(tzinfo=UTC) - timedelta(seconds=1)
    local = moment.astimezone(ZoneInfo("Europe/Warsaw")).replace(tzinfo=None)
    naive = moment.replace(tzinfo=None).isoformat()
    wanted = newest["id"]
    assert newest["date_modified"] == (local + timedelta(seconds=1)).isoformat()
    assert wanted in shop.get("/orders", modified_after=local.isoformat()).ids
    assert wanted in shop.get("/orders", modified_after=f"{naive}Z").ids
    assert wanted in shop.get("/orders", modified_after=f"{naive}+00:00").ids
    late = (local + timedelta(seconds=1)).isoformat()
    assert wanted not in shop.get("/orders", modified_after=late).ids
    assert wanted not in shop.get("/orders", modified_before=naive).ids


def test_fields_reduce_a_row(shop: Shop) -> None:
    row = shop.get("/orders", _fields="id,billing.email,line_items.sku", per_page=1, status="processing").json[0]
    assert set(row) == {"id", "billing", "line_items"}
    assert list(row["billing"]) == ["email"]


def test_include_exclude_offset_and_search(shop: Shop) -> None:
    ids = shop.create({"billing": {"last_name": "Unikatowska"}}, {}, {})
    listed = ",".join(map(str, ids))
    assert sorted(shop.get("/orders", include=listed).ids) == ids
    assert shop.get("/orders", include=listed, exclude=ids[1], orderby="id", order="asc").ids == [ids[0], ids[2]]
    assert shop.get("/orders", include=listed, orderby="include", order="asc").ids == ids
    assert shop.get("/orders", include=listed, orderby="id", order="asc", offset=1).ids == ids[1:]
    assert shop.get("/orders", search="unikatowska").ids == ids[:1]


def test_drafts_are_in_any_and_the_bin_is_not(shop: Shop) -> None:
    draft, binned = shop.create({"case": "checkout_draft"}, {})
    before = shop.twin.admin("GET", "counts")["orders"]
    shop.twin.admin("POST", "change", {"order": binned, "change": "trash"})
    both = f"{draft},{binned}"
    assert shop.get("/orders", include=both).ids == [draft]
    assert shop.get("/orders", include=both, status="trash").ids == [binned]
    assert shop.get(f"/orders/{binned}").json["status"] == "trash"
    assert shop.twin.admin("GET", "counts")["orders"] == before - 1


def test_more_than_a_page_may_share_one_second(shop: Shop) -> None:
    shop.twin.admin("POST", "touch", {"n": 150})
    newest = shop.get("/orders", orderby="modified", per_page=1).json[0]["date_modified_gmt"]
    after = (datetime.fromisoformat(newest) - timedelta(seconds=1)).isoformat()
    reply = shop.get(
        "/orders", modified_after=after, dates_are_gmt="true", orderby="modified", order="asc", per_page=100
    )
    assert int(reply.headers["x-wp-total"]) >= 150
    assert {row["date_modified_gmt"] for row in reply.json} == {newest}


def test_the_same_seed_makes_the_same_shop() -> None:
    shops = []
    for _ in range(2):
        with Twin("woocommerce", orders=40, seed=11) as twin:
            shops.append(
                [(one["id"], one["status"], one["total"], one["lines"]) for one in twin.admin("GET", "orders")]
            )
    assert shops[0] == shops[1]


def test_a_plain_shop_has_only_paid_orders_of_the_last_weeks() -> None:
    with Twin("woocommerce", orders=60, plain=True, zone="Asia/Shanghai", currency="CNY") as twin:
        shop = Shop(twin)
        rows = shop.get("/orders", per_page=100).json
        recent = (datetime.now(UTC) - timedelta(days=50)).replace(tzinfo=None, microsecond=0).isoformat()
        assert len(rows) == len(shop.get("/orders", after=recent, per_page=100).json) == 60
        assert {(row["status"], row["currency"], bool(row["date_paid_gmt"])) for row in rows} == {
            ("processing", "CNY", True)
        }
        hours = datetime.fromisoformat(rows[0]["date_created"]) - datetime.fromisoformat(rows[0]["date_created_gmt"])
        assert hours == timedelta(hours=8)
