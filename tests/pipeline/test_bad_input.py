"""What shops, buyers and people get wrong: kept with its reason, mended when it is mended, and never a leak."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from connectors.http import WireError
from connectors.simulated.cases import POISON
from connectors.simulated.launch import Twin
from console.cli import main
from domain.results import Refused
from pipeline import abnormal, setup
from pipeline.base import Pipeline
from pipeline.worker import sync_now
from store import tables
from store.packing import unpacked
from store.place import Place
from tests.pipeline import shops
from tests.pipeline.shops import Shop, at_once, emptied

shop, shop_on_each, unbound = shops.shop, shops.shop_on_each, shops.unbound

UNREADABLE = {
    "unknown_currency": "unknown_currency",
    "total_abc": "bad_amount",
    "quantity_text": "bad_quantity",
    "fractional_quantity": "fractional_quantity",
}
ODD_BUT_FINE = {"entity_name", "object_meta", "deleted_product", "no_price", "number_missing", "unregistered_status"}
LEFT_OUT = {
    "foreign_currency": "other_currency",
    "zero_lines": "no_goods",
    "lines_null": "no_goods",
    "no_customer": "no_customer",
    "no_contact": "no_contact",
}


async def numbers(s: Shop) -> list[int]:
    """Ids of the open abnormal orders."""
    return [r["id"] for r in await abnormal.listing(s.p)]


# ------------------------------------------------------------------ quarantine


async def test_one_bad_order_among_a_hundred_leaves_the_other_ninety_nine_alone(shop_on_each: Shop) -> None:
    s = shop_on_each
    made = s.make(*({"case": "total_abc" if n == 50 else "", "lines": 1} for n in range(100)))
    assert await s.sync() == ""
    assert await s.imported() == set(made) - {made[50]}
    assert await s.abnormal() == {made[50]: "bad_amount"}
    payload = await s.value("SELECT payload FROM abnormal")
    kept = json.loads(unpacked(payload))
    assert (kept["id"], kept["total"]) == (made[50], "abc")
    (row,) = await abnormal.listing(s.p)
    assert (row["shop"], row["message"]) == ("PL-Woo", "The order's amount is not a number: abc")


async def test_every_odd_payload_ends_in_one_list_with_its_reason(shop_on_each: Shop) -> None:
    s = shop_on_each
    reached = {"billing_list": {"shipping": {"phone": "+48 599 000 001"}}}
    made = dict(zip(POISON, s.make(*({"case": case, **reached.get(case, {})} for case in POISON)), strict=True))
    assert await s.sync() == ""
    assert await s.imported() == {made[c] for c in ODD_BUT_FINE} | {made["billing_list"]}
    assert await s.left_out() == {made[c]: reason for c, reason in LEFT_OUT.items()}
    assert await s.abnormal() == {made[c]: code for c, code in UNREADABLE.items()}
    assert len(made) == len(ODD_BUT_FINE) + 1 + len(LEFT_OUT) + len(UNREADABLE)


@pytest.mark.parametrize(
    "broken",
    [
        {"total": "1e30"},
        {"line_items": [{"total": "9" * 15 + "e20"}]},
        {"shipping_total": "1e40", "total": "1.00"},
        {"number": "".join(chr(0x4E00 + n % 9000) for n in range(5000))},
        {"billing": {"last_name": "".join(chr(0x4E00 + n * 7 % 9000) for n in range(5000))}},
        {"billing": {"email": "".join(chr(97 + n * n % 23) for n in range(9000)) + "@example.test"}},
        {"line_items": [{"sku": "".join(chr(0x4E00 + n * 7 % 9000) for n in range(5000)), "product_id": 0}]},
        {"line_items": [{"quantity": 999_999_999_999}]},
        {"line_items": [{"quantity": -1}]},
    ],
)
async def test_values_no_database_holds_keep_only_their_own_order_out(
    shop_on_each: Shop, broken: dict[str, Any]
) -> None:
    s = shop_on_each
    bad, good = s.make({"shipping": {"first_name": ""}, **broken}, {})
    assert await s.sync() == ""
    assert await s.imported() == {good}
    assert set(await s.abnormal()) == {bad}


async def test_an_order_that_became_unreadable_keeps_its_last_good_version(shop_on_each: Shop) -> None:
    s = shop_on_each
    (order,) = s.make({"line_items": [{"sku": "NB-A5", "quantity": 2}]})
    await s.sync()
    s.change(order, "quantity", quantity=2.5)
    assert await s.sync() == ""
    assert await s.abnormal() == {order: "fractional_quantity"}
    assert [ln["quantity"] for ln in await s.lines(order)] == [2]
    s.change(order, "quantity", quantity=4)
    await s.sync()
    assert [ln["quantity"] for ln in await s.lines(order)] == [4]
    assert (await s.abnormal(), await s.abnormal("solved")) == ({}, {order: "fractional_quantity"})


async def test_a_page_that_is_mostly_unreadable_stops_the_sync_and_keeps_every_payload(shop: Shop) -> None:
    made = shop.make(*({"case": "total_abc", "lines": 1} for _ in range(25)), {}, {})
    assert await shop.sync() == "sync_stopped"
    assert set(await shop.abnormal()) == set(made[:25])
    assert await shop.imported() == set()
    for order in made[:25]:
        shop.change(order, "quantity", quantity=1)
    assert await shop.sync() == ""
    assert (await shop.imported(), await shop.abnormal()) == (set(made), {})


# ------------------------------------------------------------------ trying again


async def test_a_bad_order_comes_in_by_repush_once_the_platform_has_mended_it(shop_on_each: Shop) -> None:
    s = shop_on_each
    (order,) = s.make({"case": "fractional_quantity"})
    await s.sync()
    ids = await numbers(s)
    done, refused = await abnormal.repush(s.p, ids, "anna")
    assert (done, [(i, r.code) for i, r in refused]) == ([], [(ids[0], "fractional_quantity")])
    assert await s.abnormal() == {order: "fractional_quantity"}
    # The merchant mends it without the change time moving: no sync would see it.
    s.change(order, "quantity", quantity=2, silent=True)
    done, refused = await abnormal.repush(s.p, ids, "anna")
    assert (done, refused) == (ids, [])
    assert await s.imported() == {order}
    assert (await s.abnormal(), await s.abnormal("solved")) == ({}, {order: "fractional_quantity"})
    assert await s.value("SELECT who FROM event WHERE kind = 'abnormal_repushed'") == "anna"
    done, refused = await abnormal.repush(s.p, ids, "anna")
    assert (done, [r.code for _i, r in refused]) == ([], ["not_found"])
    assert await s.value("SELECT count(*) FROM orders") == 1


async def test_a_bad_order_comes_in_by_the_next_sync_when_the_mending_is_seen(shop: Shop) -> None:
    (order,) = shop.make({"case": "quantity_text"})
    await shop.sync()
    shop.change(order, "quantity", quantity=2)
    await shop.sync()
    assert (await shop.imported(), await shop.abnormal()) == ({order}, {})


async def test_historical_abnormal_orders_are_refused_on_repush(shop_on_each: Shop) -> None:
    s = shop_on_each
    await s.sync()
    (order,) = s.make({"case": "total_abc", "created_ago_s": 100 * 86400})
    await s.sync()
    assert await s.abnormal() == {order: "bad_amount"}
    s.change(order, "quantity", quantity=1, silent=True)
    _done, refused = await abnormal.repush(s.p, None, "anna")
    assert [r.code for _i, r in refused] == ["historical"]
    assert (await s.imported(), await s.abnormal()) == (set(), {order: "bad_amount"})


async def test_a_repush_obeys_the_shops_rules_and_the_platforms_bin(shop: Shop) -> None:
    # A platform's times are whole seconds: what was there before the shop was bound was so by more than one.
    before = {"total": "abc", "created_ago_s": 60}
    euro, gone, binned = shop.make(*({**before, "currency": c} for c in ("EUR", "PLN", "PLN")))
    await shop.sync()
    for order in (euro, binned):
        shop.change(order, "quantity", quantity=1, silent=True)
    shop.change(gone, "delete")
    shop.change(binned, "trash")
    ids = await numbers(shop)
    _done, refused = await abnormal.repush(shop.p, ids, "anna")
    assert {i: r.code for i, r in refused} == dict(
        zip(ids, ("other_currency", "order_gone", "closed_before_import"), strict=True)
    )
    shop.shop.admin("POST", "faults", {"rate": 1, "kinds": ["http_503"]})
    _done, refused = await abnormal.repush(shop.p, ids[:1], "anna")
    assert len(refused) == 1
    assert await shop.imported() == set()


async def test_a_dismissed_order_stays_away_until_it_is_whole(shop: Shop) -> None:
    (order,) = shop.make({"case": "total_abc"})
    await shop.sync()
    done, _refused = await abnormal.dismiss(shop.p, None, "anna")
    assert len(done) == 1
    await shop.sync()
    assert (await shop.abnormal(), await shop.abnormal("dismissed")) == ({}, {order: "bad_amount"})
    shop.change(order, "quantity", quantity=1)
    await shop.sync()
    assert await shop.imported() == {order}


# ------------------------------------------------------------------ text


HOSTILE = "\x00nul \x1b[31mred\x1b[0m \u202egnirts\u202c \x07 [red]markup[/red]"
KEPT = HOSTILE.replace("\x00", "\ufffd")


async def test_hostile_text_is_stored_as_it_came_and_shown_tamed(
    shop_on_each: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    s = shop_on_each
    person = dict.fromkeys(("first_name", "last_name", "company", "address_1", "city", "postcode", "state"), HOSTILE)
    lines = [{"name": HOSTILE, "sku": HOSTILE, "product_id": 0}, {"name": HOSTILE, "product_id": "20\x001"}]
    (order,) = s.make(
        {
            "number": HOSTILE,
            "customer_note": HOSTILE,
            "billing": {**person, "email": "a\x00b@example.test", "phone": "+48 599\x00000 001"},
            "shipping": {**person, "phone": ""},
            "line_items": lines,
            "shipping_lines": [
                {"method_id": "flat_rate", "method_title": HOSTILE, "total": "1.00", "total_tax": "0.00"}
            ],
        }
    )
    await s.configure(delivery_comment="yes")
    assert await s.sync() == ""
    assert await s.sync(full=True) == ""
    stored = await s.stored(order)
    assert (stored["number"], await s.notes(order, "buyer")) == (KEPT, [KEPT])
    assert [ln["name"] for ln in await s.lines(order)] == [KEPT, KEPT]
    buyer = (await s.fetch("SELECT * FROM buyer"))[0]
    assert (buyer["last_name"], buyer["email"]) == (KEPT, "a\ufffdb@example.test")
    s.change(order, "address", address={"address_1": HOSTILE + "2"})
    assert await s.sync() == ""
    assert len(await s.notes(order, "delivery")) == 2
    if s.p.store.place.file is None:
        return
    shipment = await s.shipment_of(order)
    for command in (["show", str(shipment)], ["list", "review"], ["abnormal", "list"]):
        capsys.readouterr()
        assert await asyncio.to_thread(main, [*command, "--db", f"sqlite:///{s.p.store.place.file}"]) == 0
        shown = capsys.readouterr().out
        assert not set(shown) & set("\x00\x1b\x07\u202e\u202c")


async def test_a_ten_megabyte_note_is_kept_whole_and_its_neighbours_come_in(shop_on_each: Shop) -> None:
    s = shop_on_each
    long, plain = s.make({"customer_note_size": 10_000_000}, {})
    assert await s.sync() == ""
    assert await s.imported() == {long, plain}
    (note,) = await s.notes(long, "buyer")
    assert len(note) == 10_000_000


# ------------------------------------------------------------------ keys and hosts


async def bind_with(s: Shop, **changes: str) -> Refused | setup.Set:
    """Bind the shop with some of its fields or secrets wrong."""
    hello = s.shop.hello
    url = changes.pop("url", s.shop.url)
    secrets = {k: str(hello[k]) for k in ("consumer_key", "consumer_secret")} | changes
    return await setup.add_shop(s.p, "woocommerce", "PL-Woo", {"url": url, "timeout_s": "2"}, secrets)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"consumer_key": "ck_nobody"}, "wrong_key"),
        ({"consumer_secret": "cs_wrong"}, "wrong_key"),
        ({"consumer_secret": ""}, "missing_field"),
        ({"consumer_key": "read_only_key", "consumer_secret": "read_only_secret"}, "read_only_key"),
        ({"consumer_key": "write_only_key", "consumer_secret": "write_only_secret"}, "wrong_key"),
        ({"url": "http://127.0.0.1:9"}, "unreachable"),
        ({"url": "http://shop.example.test"}, "plain_http"),
        ({"url": "ftp://127.0.0.1"}, "bad_url"),
        ({"url": "not an address"}, "bad_url"),
    ],
)
async def test_a_shop_that_cannot_be_reached_or_written_is_not_bound(
    unbound: Shop, changes: dict[str, str], code: str
) -> None:
    hello = unbound.shop.hello
    answer = await bind_with(unbound, **{k: str(hello.get(v, v)) for k, v in changes.items()})
    assert isinstance(answer, Refused)
    assert answer.code == code
    assert answer.message
    assert await unbound.value("SELECT count(*) FROM shop") == 0
    assert await unbound.value("SELECT count(*) FROM secret") == 0


async def test_a_web_page_instead_of_data_is_named_so_at_binding(unbound: Shop) -> None:
    unbound.shop.admin("POST", "faults", {"rate": 1, "kinds": ["html"]})
    answer = await bind_with(unbound)
    assert isinstance(answer, Refused)
    assert answer.code == "not_json"
    assert await unbound.value("SELECT count(*) FROM shop") == 0


async def test_a_web_page_instead_of_data_harms_no_sync(shop: Shop) -> None:
    (order,) = shop.make({})
    await shop.sync()
    before = await shop.rows_of("orders", "shipment", "event")
    shop.shop.admin("POST", "faults", {"rate": 1, "kinds": ["html"]})
    assert await shop.sync() == "not_json"
    assert await shop.rows_of("orders", "shipment", "event") == before
    shop.shop.admin("POST", "faults", {"rate": 0})
    assert await shop.sync() == ""
    assert await shop.imported() == {order}


async def test_a_key_that_was_revoked_pauses_the_shop_until_a_good_one_is_given(shop: Shop) -> None:
    (order,) = shop.make({})
    good = str(shop.shop.hello["consumer_secret"])
    assert not isinstance(await setup.set_shop(shop.p, shop.shop_id, {}, {"consumer_secret": "cs_old"}), Refused)
    assert await shop.sync() == "wrong_key"
    health = (await shop.fetch("SELECT * FROM account_health WHERE account = 'shop:1'"))[0]
    assert health["paused_code"] == "wrong_key"
    assert await shop.imported() == set()
    await setup.set_shop(shop.p, shop.shop_id, {}, {"consumer_secret": good})
    other = await Pipeline.open(shop.p.store.place)
    try:
        assert not isinstance(await setup.check_shop(other, shop.shop_id), Refused)
        assert await shop.value("SELECT paused_code FROM account_health WHERE account = 'shop:1'") == ""
        assert await sync_now(other, shop.shop_id) == {"orders": ""}
    finally:
        await other.aclose()
    assert await shop.imported() == {order}


# ------------------------------------------------------------------ secrets


async def test_no_secret_is_ever_written_down_or_said(
    place: Place, shop_twin: Twin, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    emptied(shop_twin)
    secrets = {k: str(shop_twin.hello[k]) for k in ("consumer_key", "consumer_secret")}
    wrong = {"consumer_key": secrets["consumer_key"], "consumer_secret": "cs_0123456789wrong"}
    said: list[str] = []
    p = await Pipeline.open(place)
    p.sleep = at_once
    try:
        s = Shop(p, shop_twin, None, tmp_path / "papers")
        refused = await setup.add_shop(p, "woocommerce", "PL-Bad", {"url": shop_twin.url}, wrong)
        argued = await setup.add_shop(p, "woocommerce", "PL-Bad", {"url": shop_twin.url, **secrets}, {})
        assert isinstance(argued, Refused)
        assert argued.code == "secret_in_argument"
        said += [repr(refused), repr(argued)]
        await s.bind()
        shop_twin.admin("POST", "orders", {"orders": [{}, {"case": "total_abc"}]})
        await s.sync()
        connector: Any = await p.shop(s.shop_id)
        said += [repr(connector), repr(vars(connector)["_binding"]), repr(p.sealer), repr(p)]
        for kind in ("expired_token", "cut_before", "malformed", "http_500", "html"):
            shop_twin.admin("POST", "faults", {"rate": 1, "kinds": [kind]})
            await s.sync()
            with pytest.raises(WireError) as caught:
                await connector.check()
            said += [str(caught.value), repr(caught.value), repr(caught.value.outcome)]
        shop_twin.admin("POST", "faults", {"rate": 0})
        for table in tables.metadata.sorted_tables:
            said += [repr(r) for r in await s.fetch(f"SELECT * FROM {table.name}")]
        payloads = [r["payload"] for r in await s.fetch("SELECT payload FROM raw_order")]
        said += [unpacked(payload).decode() for payload in payloads]
        async with p.store.reading() as tx:
            assert await tx.value("SELECT count(*) FROM secret WHERE account = 'shop:1'") == 2
    finally:
        await p.aclose()
    said += [caplog.text, *(repr(r.__dict__) for r in caplog.records)]
    if place.file is not None:
        said.append(await _spoken_by_the_command_line(place, shop_twin, secrets, capsys))
    found = [text[:80] for text in said for secret in (*secrets.values(), wrong["consumer_secret"]) if secret in text]
    assert not found
    assert not _files_with(tmp_path, secrets.values())
    assert any("PL-Woo" in text for text in said)


def _files_with(folder: Path, secrets: Iterable[str]) -> list[Path]:
    """Files below a folder that hold one of the secrets in plain: database, write-ahead log, key, papers."""
    files = [f for f in folder.rglob("*") if f.is_file()]
    return [f for f in files if any(s.encode() in f.read_bytes() for s in secrets)]


async def _spoken_by_the_command_line(
    place: Place, twin: Twin, secrets: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> str:
    """Everything the commands about shops print, on both channels."""
    assert place.file is not None
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in secrets.items():
            patch.setenv(f"TEST_{name.upper()}", value)
        given = [w for n in secrets for w in ("--secret-env", f"{n}=TEST_{n.upper()}")]
        for command, code in (
            (["shop", "add", "woocommerce", "PL-Bad", "--set", f"url={twin.url}", *_as_arguments(secrets)], 1),
            (["shop", "add", "woocommerce", "PL-Cli", "--set", f"url={twin.url}", *given], 0),
            (["sync"], 0),
            (["shop", "show", "PL-Cli"], 0),
            (["shop", "rules", "PL-Cli"], 0),
            (["shop", "check", "PL-Cli"], 0),
            (["shop", "list"], 0),
            (["abnormal", "list"], 0),
            (["doctor"], 0),
        ):
            words = [*command, "--json", "--verbose", "--db", f"sqlite:///{place.file.with_name('cli.sqlite')}"]
            patch.setenv("SHIPDECK_KEY_FILE", str(place.key_file))
            assert await asyncio.to_thread(main, words) == code, words
    caught = capsys.readouterr()
    assert "PL-Cli" in caught.out
    return caught.out + caught.err


def _as_arguments(secrets: dict[str, str]) -> list[str]:
    """What a hurried person types; it is refused without being repeated."""
    return [word for name, value in secrets.items() for word in ("--set", f"{name}={value}")]
