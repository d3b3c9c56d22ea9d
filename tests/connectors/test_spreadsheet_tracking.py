"""The way back: parcels stand in the day's sheet once, whatever breaks off and whoever asks twice."""

import asyncio
import contextlib
import csv
import io
import threading
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pytest

from connectors import files
from connectors.contract import Push, Pushed, PushLine
from connectors.shops.spreadsheet import Spreadsheet
from connectors.shops.spreadsheet_tracking import Tracking
from domain.results import NotActed, NotFound, Refused, Unknown
from tests.connectors.sheet_kit import HEADER, ROW, Clock, a_shop, csv_of

DAY = "2026-11-22"


def a_push(order: str = "A-100", number: str = "OWN000000001", **changes: Any) -> Push:
    return Push(
        **{"key": f"{order}/{number}", "platform_order_id": order, "number": number, "carrier": "Own Post", **changes}
    )


def sheet(folder: Path, name: str = DAY) -> list[list[str]]:
    """The rows of a tracking sheet in csv."""
    text = (folder / "tracking" / f"{name}.csv").read_text(encoding="utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


async def tell(shop: Spreadsheet, *pushes: Push) -> list[Any]:
    outcomes = list(await shop.push(pushes))
    assert len(outcomes) == len(pushes)
    return outcomes


async def test_a_parcel_stands_in_the_sheet_of_its_day_once(tmp_path: Path) -> None:
    clock = Clock()
    shop = a_shop(tmp_path, clock)
    assert await shop.find_push([a_push()]) == [NotFound()]
    assert await tell(shop, a_push()) == [Pushed("OWN000000001")]
    assert await tell(shop, a_push(), a_push("B-1", "OWN000000002")) == [Pushed("OWN000000001"), Pushed("OWN000000002")]
    clock.at += 86_400_000
    assert await tell(a_shop(tmp_path, clock), a_push(retry=True)) == [Pushed("OWN000000001")]
    assert sheet(tmp_path) == [
        ["Order number", "Carrier", "Tracking number", "Shipped"],
        ["A-100", "Own Post", "OWN000000001", DAY],
        ["B-1", "Own Post", "OWN000000002", DAY],
    ]
    assert await a_shop(tmp_path, clock).find_push([a_push(), a_push("C", "X")]) == [Pushed("OWN000000001"), NotFound()]
    assert sorted(path.name for path in (tmp_path / "tracking").iterdir()) == [f"{DAY}.csv", "told.jsonl"]


async def test_the_layout_is_the_platforms(tmp_path: Path) -> None:
    shop = a_shop(
        tmp_path,
        layout="订单号=number; 物流公司=carrier; 物流单号=tracking; 状态='已发货'; 时间=time; 链接=url",
        carriers="Own Post=顺丰速运; DHL=dhl",
        tracking_encoding="gb18030",
        tracking_every="hour",
    )
    await tell(shop, a_push(url="https://p.example/1"))
    text = (tmp_path / "tracking" / f"{DAY} 13h.csv").read_bytes().decode("gb18030")
    assert text.splitlines() == [
        "订单号,物流公司,物流单号,状态,时间,链接",
        "A-100,顺丰速运,OWN000000001,已发货,2026-11-22 13:00:00,https://p.example/1",
    ]


async def test_a_layout_with_lines_has_a_row_for_each(tmp_path: Path) -> None:
    shop = a_shop(tmp_path, layout="No=number; T=tracking; Line=line; Qty=quantity")
    await tell(shop, a_push(lines=(PushLine("NB-A5", 2), PushLine("PEN", 1))))
    assert sheet(tmp_path)[1:] == [["A-100", "OWN000000001", "NB-A5", "2"], ["A-100", "OWN000000001", "PEN", "1"]]


async def test_a_workbook_keeps_every_digit_as_text(tmp_path: Path) -> None:
    shop = a_shop(tmp_path, tracking_format="xlsx")
    await tell(shop, a_push("240512345678901234", "00001"))
    cells: Any = openpyxl.load_workbook(tmp_path / "tracking" / f"{DAY}.xlsx").active[2]
    assert [(cell.value, cell.data_type) for cell in cells][0:3:2] == [("240512345678901234", "s"), ("00001", "s")]


async def test_no_cell_of_a_tracking_sheet_can_act(tmp_path: Path) -> None:
    await tell(a_shop(tmp_path), a_push("=1+1", "@x"))
    assert sheet(tmp_path)[1][0:3:2] == ["'=1+1", "'@x"]


async def test_letters_that_the_encoding_lacks_are_refused_before_anything_is_told(tmp_path: Path) -> None:
    shop = a_shop(tmp_path, tracking_encoding="cp1250")
    refused, told = await tell(shop, a_push("订单-1"), a_push())
    assert (refused.code, told) == ("not_in_encoding", Pushed("OWN000000001"))
    assert [line[0] for line in sheet(tmp_path)[1:]] == ["A-100"]


async def test_a_number_in_the_place_of_another_is_one_more_row(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    await tell(shop, a_push())
    assert await tell(shop, a_push(number="OWN000000009", replaces="OWN000000001")) == [Pushed("OWN000000009")]
    assert [line[2] for line in sheet(tmp_path)[1:]] == ["OWN000000001", "OWN000000009"]


async def test_a_hand_over_without_number_is_told_once(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    for _turn in range(2):
        assert await tell(shop, a_push(number="", carrier="")) == [Pushed("")]
    assert sheet(tmp_path)[1:] == [["A-100", "", "", DAY]]


@pytest.mark.parametrize(
    ("status", "tracking", "wanted"),
    [
        ("cancelled", "", "order_cancelled"),
        ("shipped", "", "already_shipped"),
        ("shipped", "OTHER", "already_shipped"),
        ("shipped", "OWN000000001", Pushed("OWN000000001", "shipped")),
        ("paid", "", Pushed("OWN000000001")),
    ],
)
async def test_what_the_newest_sheet_says_of_an_order_stops_or_settles_its_push(
    tmp_path: Path, status: str, tracking: str, wanted: Any
) -> None:
    shop = a_shop(tmp_path)
    header = (*HEADER, "Order status", "Tracking number")
    shop.put(csv_of((*ROW, status, tracking), header=header), "orders.csv")
    assert [page async for page in shop.orders("", None)][-1].items
    [outcome] = await tell(shop, a_push())
    assert (outcome.code if isinstance(outcome, Refused) else outcome) == wanted
    assert (tmp_path / "tracking").exists() is (outcome == Pushed("OWN000000001"))


async def test_our_own_number_told_before_is_no_shipping_by_somebody_else(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    await tell(shop, a_push(finish=False))
    shop.put(csv_of((*ROW, "shipped"), header=(*HEADER, "Order status")), "orders.csv")
    assert [page async for page in shop.orders("", None)][-1].items
    assert await tell(shop, a_push(tell=False)) == [Pushed("OWN000000001")]
    assert len(sheet(tmp_path)) == 2


# ---------------------------------------------------------------- what breaks off


async def test_a_crash_between_book_and_sheet_is_mended_by_the_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = a_shop(tmp_path)
    await tell(shop, a_push("B-1", "OWN000000002"))

    class Killed(BaseException):
        pass

    def killed(*_about: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Tracking, "write_sheet", killed)
        with pytest.raises(Killed):
            await shop.push([a_push()])
    assert [line[0] for line in sheet(tmp_path)[1:]] == ["B-1"]
    [found] = await a_shop(tmp_path).find_push([a_push()])
    assert found == Pushed("OWN000000001")
    assert [line[0] for line in sheet(tmp_path)[1:]] == ["B-1", "A-100"]


async def test_a_sheet_that_cannot_be_written_is_unknown_and_told_once_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = a_shop(tmp_path)

    def full(*_about: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files, "replace", full)
        [outcome] = await tell(shop, a_push())
        assert isinstance(outcome, Unknown)
        [found] = await shop.find_push([a_push()])
        assert isinstance(found, Unknown)
    assert await shop.find_push([a_push()]) == [Pushed("OWN000000001")]
    assert await tell(shop, a_push(retry=True)) == [Pushed("OWN000000001")]
    assert len(sheet(tmp_path)) == 2


async def test_a_line_of_the_book_that_was_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    await tell(shop, a_push("B-1", "OWN000000002"))
    book = tmp_path / "tracking" / "told.jsonl"
    whole = book.read_bytes()
    book.write_bytes(whole + whole.replace(b"B-1", b"A-100")[:-20])
    shop = a_shop(tmp_path)
    assert await shop.find_push([a_push(number="OWN000000002")]) == [NotFound()]
    assert await tell(shop, a_push(number="OWN000000002")) == [Pushed("OWN000000002")]
    assert [line[0] for line in sheet(tmp_path)[1:]] == ["B-1", "A-100"]
    lines = book.read_bytes().splitlines()
    assert [msgspec.json.decode(line)["order"] for line in (lines[0], lines[2])] == ["B-1", "A-100"]


async def test_a_line_that_two_processes_wrote_stands_in_the_sheet_once(tmp_path: Path) -> None:
    shop, other = a_shop(tmp_path), a_shop(tmp_path)
    await tell(shop, a_push())
    assert await other.find_push([a_push()]) == [Pushed("OWN000000001")]
    book = tmp_path / "tracking" / "told.jsonl"
    book.write_bytes(book.read_bytes() * 2)
    await tell(other, a_push("B-1", "OWN000000002"))
    assert [line[0] for line in sheet(tmp_path)[1:]] == ["A-100", "B-1"]


async def test_a_worker_that_lost_its_lease_writes_nothing_new(tmp_path: Path) -> None:
    shop = a_shop(tmp_path)
    await tell(shop, a_push())
    shop._binding.http.may_send = lambda: False
    told, lost = await tell(shop, a_push(), a_push("B-1", "OWN000000002"))
    assert (told, type(lost), lost.code) == (Pushed("OWN000000001"), NotActed, "lease_lost")
    assert len(sheet(tmp_path)) == 2


async def test_a_share_that_is_away_is_waited_for(tmp_path: Path) -> None:
    shop = a_shop(tmp_path / "share")
    [outcome] = await tell(shop, a_push())
    assert (type(outcome), outcome.code) == (NotActed, "folder_missing")
    [found] = await shop.find_push([a_push()])
    assert isinstance(found, Unknown)
    (tmp_path / "share").mkdir()
    assert await tell(shop, a_push()) == [Pushed("OWN000000001")]


async def test_a_changed_layout_is_that_of_the_whole_day(tmp_path: Path) -> None:
    await tell(a_shop(tmp_path), a_push())
    await tell(a_shop(tmp_path, layout="No=number; T=tracking"), a_push("B-1", "OWN000000002"))
    assert sheet(tmp_path) == [["No", "T"], ["A-100", "OWN000000001"], ["B-1", "OWN000000002"]]


async def test_pushes_side_by_side_write_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = a_shop(tmp_path)
    both, plain = threading.Barrier(2), Tracking.append

    def met(self: Tracking, told: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)
            pytest.fail("two threads wrote at once")
        plain(self, told)

    monkeypatch.setattr(Tracking, "append", met)
    outcomes = await asyncio.gather(shop.push([a_push()]), shop.push([a_push()]))
    assert outcomes == [[Pushed("OWN000000001")]] * 2
    assert [line[0] for line in sheet(tmp_path)[1:]] == ["A-100"]


def test_the_book_is_its_owners_only(tmp_path: Path) -> None:
    asyncio.run(a_shop(tmp_path).push([a_push()]))
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "tracking").iterdir()} == {0o600}
