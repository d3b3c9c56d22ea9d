"""The folder printer: once per key, whole or not at all, and every fault by its name."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pypdfium2
import pytest

from connectors.contract import Binding, Label, Printed, PrinterConnector, PrintRequest, Repeat
from connectors.http import HttpClient, WireError
from connectors.paper.documents import PickRow, pick_list
from connectors.printers.folder import FolderPrinter, file_name
from domain.results import NotActed, NotFound, Refused, Unknown


def a_printer(folder: Path | str) -> PrinterConnector:
    return FolderPrinter(Binding("folder", {"folder": str(folder)}, {}, HttpClient("http://127.0.0.1:9"), lambda: 0))


def a_page(word: str) -> Label:
    return pick_list(word, [PickRow("A-1", word, "Kubek", 1)], "W:1")


def a_job(key: str = "print-1", pages: tuple[Label, ...] = (), copies: int = 1) -> PrintRequest:
    return PrintRequest(key, "Labels", pages or (a_page("FIRST"), a_page("SECOND")), copies)


def words(path: str) -> list[str]:
    with pypdfium2.PdfDocument(path) as document:
        return ["FIRST" if "FIRST" in page.get_textpage().get_text_bounded() else "SECOND" for page in document]


async def test_a_job_becomes_one_pdf_in_order_that_only_its_owner_reads(tmp_path: Path) -> None:
    printed = await a_printer(tmp_path).send(a_job())
    assert printed == Printed(str(tmp_path / "print-1.pdf"))
    assert isinstance(printed, Printed)
    assert words(printed.reference) == ["FIRST", "SECOND"]
    assert stat.S_IMODE(os.stat(printed.reference).st_mode) == 0o600
    assert os.listdir(tmp_path) == ["print-1.pdf"]


async def test_copies_repeat_the_whole_job(tmp_path: Path) -> None:
    printed = await a_printer(tmp_path).send(a_job(copies=2))
    assert isinstance(printed, Printed)
    assert words(printed.reference) == ["FIRST", "SECOND", "FIRST", "SECOND"]


async def test_the_same_job_is_not_written_twice(tmp_path: Path) -> None:
    printer = a_printer(tmp_path)
    first = await printer.send(a_job())
    before = os.stat(tmp_path / "print-1.pdf")
    assert await printer.send(a_job(pages=(a_page("SECOND"),))) == first
    after = os.stat(tmp_path / "print-1.pdf")
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert printer.declaration.repeat is Repeat.HONOURS_KEY
    assert printer.declaration.confirms


async def test_find_sees_what_was_printed_and_only_that(tmp_path: Path) -> None:
    printer = a_printer(tmp_path)
    assert await printer.find(a_job()) == NotFound()
    await printer.send(a_job())
    assert await printer.find(a_job()) == Printed(str(tmp_path / "print-1.pdf"))
    assert await printer.find(a_job("print-2")) == NotFound()


async def test_a_folder_that_is_away_says_nothing_about_a_job(tmp_path: Path) -> None:
    got = await a_printer(tmp_path / "gone").find(a_job())
    assert isinstance(got, Unknown)


async def test_zpl_is_refused(tmp_path: Path) -> None:
    got = await a_printer(tmp_path).send(a_job(pages=(a_page("FIRST"), Label("text/zpl", b"^XA^XZ"))))
    assert isinstance(got, Refused)
    assert got.code == "media_not_supported"
    assert os.listdir(tmp_path) == []


async def test_a_broken_label_is_refused(tmp_path: Path) -> None:
    got = await a_printer(tmp_path).send(a_job(pages=(Label("application/pdf", b"<html>oops</html>"),)))
    assert isinstance(got, Refused)
    assert got.code == "bad_label"


@pytest.mark.parametrize("folder", ["", "relative/labels"])
async def test_a_folder_must_be_given_in_full(folder: str) -> None:
    got = await a_printer(folder).send(a_job())
    assert isinstance(got, Refused)
    assert (got.code, got.field) == ("folder_missing", "folder")


async def test_a_missing_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    for folder in (tmp_path / "gone", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        got = await a_printer(folder).send(a_job())
        assert isinstance(got, Refused)
        assert got.code == "folder_missing"
        with pytest.raises(WireError, match="folder_missing"):
            await a_printer(folder).check()
    assert os.listdir(tmp_path) == ["file"]


def failing(number: int) -> Any:
    def fail(*_args: object, **_kwargs: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("call", "number", "kind", "code"),
    [
        ("fsync", errno.ENOSPC, NotActed, "disk_full"),
        ("fsync", errno.EDQUOT, NotActed, "disk_full"),
        ("fsync", errno.EIO, NotActed, "folder_failed"),
        ("open", errno.EACCES, Refused, "not_writable"),
        ("open", errno.EROFS, Refused, "not_writable"),
        ("replace", errno.ENOSPC, NotActed, "disk_full"),
    ],
)
async def test_faults_of_the_disk_have_names_and_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type, code: str
) -> None:
    printer, job = a_printer(tmp_path), a_job()
    with monkeypatch.context() as patch:
        patch.setattr(f"connectors.printers.folder.os.{call}", failing(number))
        got = await printer.send(job)
        assert isinstance(got, kind)
        assert getattr(got, "code", "") == code
        if call != "replace":
            with pytest.raises(WireError, match=code):
                await printer.check()
    assert os.listdir(tmp_path) == []
    assert isinstance(await printer.send(job), Printed)


async def test_a_name_that_may_not_have_reached_the_disk_is_unknown_and_then_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printer = a_printer(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("connectors.printers.folder._sync_folder", failing(errno.EIO))
        assert isinstance(await printer.send(a_job()), Unknown)
    assert isinstance(await printer.find(a_job()), Printed)


async def test_check_writes_and_removes(tmp_path: Path) -> None:
    assert (await a_printer(tmp_path).check()).title == str(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("key", ["../../etc/passwd", "a/b", "a b", "", ".hidden", "ż" * 300, "x" * 300, "a\x00b"])
async def test_any_key_is_a_file_in_the_folder(tmp_path: Path, key: str) -> None:
    printed = await a_printer(tmp_path).send(a_job(key))
    assert isinstance(printed, Printed)
    assert Path(printed.reference).parent == tmp_path
    assert len(os.listdir(tmp_path)) == 1
    assert words(printed.reference) == ["FIRST", "SECOND"]


def test_different_keys_have_different_files() -> None:
    keys = ["a/b", "a_b", "a b", "a\\b", "x" * 300, "x" * 301, "", "."]
    assert len({file_name(key) for key in keys}) == len(keys)
