"""A spreadsheet shop's folder: files are taken once, the later one is the newer version, and what vanishes is not deleted."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import Gone, OrderPage, Parsed, Poison
from connectors.http import WireError
from connectors.shops import spreadsheet
from connectors.shops.spreadsheet import Spreadsheet
from connectors.shops.spreadsheet_folder import Folder
from domain.results import Refused
from tests.connectors.sheet_kit import HEADER, NOW, ROW, Clock, a_shop, csv_of, row

MINUTE = 60_000


def drop(folder: Path, data: bytes, name: str = "orders.csv", age_s: float = 60, at: int = NOW) -> Path:
    """Lay a file into the folder as a person does."""
    path = folder / name
    path.write_bytes(data)
    os.utime(path, (at / 1000 - age_s,) * 2)
    return path


def there(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def pages(shop: Spreadsheet, cursor: str = "", since: int | None = None) -> list[OrderPage]:
    found = [page async for page in shop.orders(cursor, since)]
    assert [page.last for page in found] == [False] * (len(found) - 1) + [True]
    return found


async def synced(shop: Spreadsheet, cursor: str = "") -> tuple[list[Parsed | Poison], str]:
    """Everything a run reads, and where the next one goes on."""
    found = await pages(shop, cursor)
    return [item for page in found for item in page.items], found[-1].cursor


def numbers(items: Sequence[Any]) -> list[str]:
    return [item.order.number if isinstance(item, Parsed) else f"!{item.code}" for item in items]


async def test_a_file_is_taken_once_and_kept_under_the_instant_it_came(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    drop(tmp_path, csv_of(ROW), "Zamówienia / list.csv".replace("/", "-"))
    items, cursor = await synced(shop)
    assert numbers(items) == ["A-100"]
    [kept] = (tmp_path / "taken").iterdir()
    assert kept.name.startswith("20261122-120000-000 ")
    assert kept.name.endswith(" Zamówienia - list.csv")
    assert kept.read_bytes() == csv_of(ROW)
    assert (await synced(shop, cursor), there(tmp_path)) == (([], cursor), ["taken"])


async def test_the_same_bytes_are_not_taken_twice_whatever_they_are_called(tmp_path: Path) -> None:
    clock = Clock()
    shop = a_shop(tmp_path, clock)
    drop(tmp_path, csv_of(ROW))
    _items, cursor = await synced(shop)
    clock.at += MINUTE
    drop(tmp_path, csv_of(row(city="Kraków")))
    _items, cursor = await synced(shop, cursor)
    clock.at += MINUTE
    # The older version once more: it must not become the newest again.
    again = drop(tmp_path, csv_of(ROW), "other.csv")
    assert await synced(shop, cursor) == ([], cursor)
    assert not again.exists()
    [found] = await shop.read_orders(["A-100"])
    assert isinstance(found, Parsed)
    assert found.order.address.city == "Kraków"


async def test_a_changed_row_is_a_newer_version_and_a_vanished_one_is_not_deleted(tmp_path: Path) -> None:
    clock = Clock()
    shop = a_shop(tmp_path, clock)
    drop(tmp_path, csv_of(ROW, row(order_number="B-1")))
    _items, cursor = await synced(shop)
    clock.at += MINUTE
    drop(tmp_path, csv_of(row(city="Kraków")))
    items, cursor = await synced(shop, cursor)
    assert numbers(items) == ["A-100"]
    first, second, third = await shop.read_orders(["B-1", "A-100", "none"])
    assert isinstance(first, Parsed)
    assert isinstance(second, Parsed)
    assert (second.order.address.city, second.order.updated_at - first.order.updated_at) == ("Kraków", MINUTE)
    assert third == Gone("none")


async def test_a_vanished_line_stays_and_is_told_and_a_quantity_of_nought_takes_it_off(tmp_path: Path) -> None:
    clock = Clock()
    shop = a_shop(tmp_path, clock)
    pen = row(sku="PEN", product_name="Pen")
    for rows, wanted, warned in (
        ((ROW, pen), {"NB-A5": 2, "PEN": 2}, ()),
        ((row(quantity="1"),), {"NB-A5": 1, "PEN": 2}, ("row_vanished:PEN",)),
        ((row(quantity="3"),), {"NB-A5": 3, "PEN": 2}, ("row_vanished:PEN",)),
        ((row(quantity="3"), row(sku="PEN", quantity="0")), {"NB-A5": 3, "PEN": 0}, ()),
        ((row(quantity="4"),), {"NB-A5": 4}, ()),
    ):
        clock.at += MINUTE
        drop(tmp_path, csv_of(*rows))
        [item], _cursor = await synced(shop, _stamp_before(tmp_path))
        assert isinstance(item, Parsed)
        assert {line.sku: int(line.quantity) for line in item.order.lines} == wanted
        assert item.order.warnings == warned
        # A process that begins anew sees the same.
        assert await a_shop(tmp_path, clock).read_orders(["A-100"]) == [item]


def _stamp_before(folder: Path) -> str:
    taken = sorted((folder / "taken").iterdir()) if (folder / "taken").exists() else []
    return taken[-1].name[:19] if taken else ""


async def test_a_file_that_is_still_being_written_waits(tmp_path: Path) -> None:
    clock = Clock()
    shop = a_shop(tmp_path, clock)
    drop(tmp_path, csv_of(ROW), age_s=1)
    assert await synced(shop) == ([], "")
    clock.at += 5_000
    assert numbers((await synced(shop))[0]) == ["A-100"]


async def test_what_is_put_is_whole_at_once_and_covers_nothing(tmp_path: Path) -> None:
    clock = Clock(int(time.time() * 1000))
    shop = a_shop(tmp_path, clock)
    drop(tmp_path, csv_of(row(order_number="B")), "orders.csv", at=clock.at)
    shop.put(csv_of(ROW), "orders.csv")
    assert sorted(numbers((await synced(shop))[0])) == ["A-100", "B"]
    assert there(tmp_path) == ["taken"]


async def test_an_order_read_by_its_number_is_that_of_the_files_that_wait_and_they_go_on_waiting(
    tmp_path: Path,
) -> None:
    clock = Clock()
    shop = a_shop(tmp_path, clock)
    drop(tmp_path, csv_of(ROW))
    _items, cursor = await synced(shop)
    clock.at += MINUTE
    drop(tmp_path, csv_of(row(city="Kraków")), "a.csv", at=clock.at)
    drop(tmp_path, csv_of(row(city="Lublin")), "b.csv", at=clock.at)
    drop(tmp_path, b"a,b\n", "c.csv", at=clock.at)
    [found] = await shop.read_orders(["A-100"])
    assert [found] == await shop.read_orders(["A-100"])
    clock.at += MINUTE
    assert isinstance(found, Parsed)
    assert found.order.address.city == "Lublin"
    assert there(tmp_path) == ["a.csv", "b.csv", "c.csv", "taken"]
    items, _cursor = await synced(shop, cursor)
    newest = items[-1]
    assert isinstance(newest, Parsed)
    # What is taken in is newer than any reading of it before.
    assert newest.order.updated_at > found.order.updated_at > NOW


async def test_files_that_are_nobodys_orders_are_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    drop(outside, csv_of(ROW), "secret.csv")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("~$orders.xlsx", ".orders.csv", "photo.jpg", "orders.csv.part"):
        drop(folder, csv_of(ROW), name)
    (folder / "link.csv").symlink_to(outside / "secret.csv")
    (folder / "sub.csv").mkdir()
    before = there(folder)
    assert await synced(a_shop(folder)) == ([], "")
    assert there(folder) == before


async def test_what_is_no_table_is_put_aside_with_its_reason_and_stops_nothing(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    drop(tmp_path, b"a,b,c\n1,2,3\n", "a.csv")
    drop(tmp_path, b"x,y\n", "b.csv")
    drop(tmp_path, csv_of(ROW), "c.csv")
    items, cursor = await synced(shop)
    assert numbers(items) == ["!no_header", "!no_header", "A-100"]
    assert (tmp_path / "refused" / "a.csv").read_bytes() == b"a,b,c\n1,2,3\n"
    assert (tmp_path / "refused" / "a.csv.reason.txt").read_text(encoding="utf-8").startswith("no_header: ")
    assert (await shop.check()).warnings == ("2 files could not be read as orders: they lie in refused.",)
    assert await synced(shop, cursor) == ([], cursor)
    # Mended settings, and back with it.
    shop = a_shop(tmp_path, columns="number=a; date=b; sku=c; quantity=#1")
    os.replace(tmp_path / "refused" / "a.csv", tmp_path / "a.csv")
    assert numbers((await synced(shop, cursor))[0]) == ["!bad_date"]


async def test_rows_that_failed_are_listed_beside_their_file(tmp_path: Path) -> None:
    drop(tmp_path, csv_of(ROW, row(order_number="B", quantity="x", recipient="=1+1")))
    await synced(a_shop(tmp_path))
    [listed] = (tmp_path / "failed").iterdir()
    assert listed.name == "20261122-120000-000 orders.csv.csv"
    header, line = listed.read_text(encoding="utf-8-sig").splitlines()
    assert header == ",".join([*HEADER, "Reason"])
    assert line.startswith("B,")
    assert ",'=1+1," in line


async def test_pages_go_on_from_any_of_them_and_hold_few_bad_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "PAGE", 30)
    clock = Clock()
    rows = [row(order_number=f"A-{n:03d}", quantity="x" if n % 2 else "1") for n in range(60)]
    drop(tmp_path, csv_of(*rows), "a.csv")
    drop(tmp_path, csv_of(*[row(order_number=f"B-{n}", quantity="x") for n in range(40)]), "b.csv")
    shop = a_shop(tmp_path, clock)
    found = await pages(shop)
    whole = [item for page in found for item in page.items]
    assert len(whole) == 100
    # Twenty bad ones on one page would stop the sync as a changed format.
    assert max(sum(isinstance(item, Poison) for item in page.items) for page in found) < 20
    for index, page in enumerate(found):
        rest, _cursor = await synced(a_shop(tmp_path, clock), page.cursor)
        assert [item for p in found[: index + 1] for item in p.items] + rest == whole


async def test_two_files_of_one_instant_have_their_order(tmp_path: Path) -> None:
    drop(tmp_path, csv_of(ROW), "a.csv")
    drop(tmp_path, csv_of(row(city="Kraków")), "b.csv")
    items, _cursor = await synced(a_shop(tmp_path))
    assert [item.order.address.city for item in items if isinstance(item, Parsed)] == ["Poznań", "Kraków"]
    stamps = [path.name[:19] for path in sorted((tmp_path / "taken").iterdir())]
    assert stamps == ["20261122-120000-000", "20261122-120000-001"]


async def test_files_of_one_instant_in_two_runs_have_their_order_too(tmp_path: Path) -> None:
    clock = Clock(NOW + 999)
    cursor = ""
    for city in ("Poznań", "Kraków", "Lublin"):
        drop(tmp_path, csv_of(row(city=city)))
        items, cursor = await synced(a_shop(tmp_path, clock), cursor)
        assert [item.order.address.city for item in items if isinstance(item, Parsed)] == [city]
    assert len(there(tmp_path / "taken")) == 3


async def test_a_clock_that_was_turned_back_makes_no_file_older(tmp_path: Path) -> None:
    clock = Clock()
    shop = a_shop(tmp_path, clock)
    drop(tmp_path, csv_of(ROW))
    _items, cursor = await synced(shop)
    clock.at -= 3_600_000
    drop(tmp_path, csv_of(row(city="Kraków")), at=clock.at)
    items, after = await synced(shop, cursor)
    assert numbers(items) == ["A-100"]
    assert after > cursor


async def test_a_first_import_leaves_out_what_is_older(tmp_path: Path) -> None:
    drop(tmp_path, csv_of(ROW, row(order_number="old", order_date="2026-01-05")))
    found = await pages(a_shop(tmp_path), since=NOW - 30 * 86_400_000)
    assert numbers([item for page in found for item in page.items]) == ["A-100"]


async def test_only_a_file_that_names_an_order_is_read_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    shop = a_shop(tmp_path, clock)
    cursor = ""
    for n in range(8):
        clock.at += MINUTE
        drop(tmp_path, csv_of(row(order_number=f"N-{n}")))
        _items, cursor = await synced(shop, cursor)
    read: list[str] = []
    plain = Folder._parsed
    monkeypatch.setattr(Folder, "_parsed", lambda self, file: read.append(file.path.name) or plain(self, file))  # type: ignore[func-returns-value]
    [found] = await shop.read_orders(["N-2"])
    assert isinstance(found, Parsed)
    assert len(read) == 1


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"folder": "relative"}, "folder"),
        ({"folder": "/nowhere/at/all"}, "folder"),
        ({"timezone": "Mars/North"}, "timezone"),
        ({"default_currency": "XYZ"}, "default_currency"),
        ({"columns": "no=sense"}, "columns"),
        ({"statuses": "a=b"}, "statuses"),
        ({"decimal": "dot"}, "decimal"),
        ({"days": "ymd"}, "days"),
        ({"encoding": "no-such"}, "encoding"),
        ({"delimiter": ";"}, "delimiter"),
        ({"layout": "Number=number"}, "layout"),
        ({"layout": "Number=number; T=tracking; x=y"}, "layout"),
        ({"tracking_format": "pdf"}, "tracking_format"),
        ({"tracking_encoding": "no-such"}, "tracking_encoding"),
        ({"tracking_every": "week"}, "tracking_every"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_refused_by_name(
    tmp_path: Path, settings: dict[str, str], field: str
) -> None:
    with pytest.raises(WireError) as refused:
        await a_shop(tmp_path, **settings).check()
    assert isinstance(refused.value.outcome, Refused)
    assert refused.value.outcome.field == field


async def test_settings_that_make_no_sense_put_no_file_aside(tmp_path: Path) -> None:
    path = drop(tmp_path, csv_of(ROW))
    with pytest.raises(WireError):
        await synced(a_shop(tmp_path, columns="no=sense"))
    assert path.exists()


async def test_the_test_call_tells_zone_and_currency_and_leaves_nothing_behind(tmp_path: Path) -> None:
    checked = await a_shop(tmp_path).check()
    assert (checked.title, checked.zone, checked.currency, checked.warnings) == (
        tmp_path.name,
        "Europe/Warsaw",
        "PLN",
        (),
    )
    assert there(tmp_path) == []


async def test_a_folder_that_is_gone_is_said_so(tmp_path: Path) -> None:
    shop = a_shop(tmp_path / "gone")
    with pytest.raises(WireError) as refused:
        await synced(shop)
    assert refused.value.outcome.code == "folder_missing"
