"""Backup, restore, export, import, doctor and upgrade as commands: exit codes, nothing secret.

Most commands run in this process; a few are programs of their own, where the process is the point.
"""

import json
import sqlite3
import stat
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import lent
from tests.console.shell import Shell

PASS = "pass phrase of the owner"


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A bound shop with three orders."""
    with lent("woocommerce", orders=3, plain=True, seed=5) as shop:
        sh = Shell(tmp_path_factory.mktemp("keeping"))
        sh.secrets.append(PASS)
        sh.bind(shop)
        sh("sync")
        yield sh


def another(bound: Shell, folder: Path) -> Shell:
    """Another machine."""
    sh = Shell(folder)
    sh.env |= {"SHIPDECK_CONFIG": str(folder / "config.toml"), "BACKUP_PASS": PASS}
    return sh


def test_a_portable_backup_carries_books_and_key_to_another_machine(bound: Shell, tmp_path: Path) -> None:
    carried = tmp_path / "carried.shipdeck"
    sh = another(bound, bound.folder)
    (bound.folder / "config.toml").write_text('terminal = "bench-9"\n')
    assert "passphrase" in sh("backup", "--portable", str(carried), exits=2)
    sh("backup", "--portable", str(carried), "--passphrase-stdin", stdin="short\n", exits=1)
    made = json.loads(sh.program("backup", "--portable", str(carried), "--passphrase-env", "BACKUP_PASS", "--json"))
    assert made["holds"] == ["config.toml", "database.sqlite", "key"]
    sh("backup", "--portable", str(carried), "--passphrase-env", "BACKUP_PASS", exits=1)
    new = another(bound, tmp_path)
    question = new("restore", str(carried), "--passphrase-env", "BACKUP_PASS", exits=2)
    assert "--old-machine-retired" in question
    assert not list(tmp_path.glob("cli.sqlite*"))
    stdin = ("restore", str(carried), "--old-machine-retired", "--passphrase-stdin")
    wrong = new.program(*stdin, stdin="no such\n", exits=1)
    assert "passphrase" in wrong
    answer = new.json("restore", str(carried), "--old-machine-retired", "--passphrase-env", "BACKUP_PASS")
    assert (answer["shops"], answer["kept"]) == (1, "")
    assert answer["backup_at"].endswith("Z")
    assert (tmp_path / "config.toml").read_text() == 'terminal = "bench-9"\n'
    assert stat.S_IMODE((tmp_path / "config.toml").stat().st_mode) == 0o600
    assert (tmp_path / "key").read_bytes() == (bound.folder / "key").read_bytes()
    assert new.json("doctor")["findings"] == []
    assert new.json("sync")[0]["code"] == ""
    assert len(new.json("list", "all")) == 3
    names = {f.name for f in tmp_path.iterdir()} - {"cli.sqlite-wal", "cli.sqlite-shm"}
    assert names == {"cli.sqlite", "key", "config.toml", "carried.shipdeck"}
    assert new("restore", str(carried), "--old-machine-retired", "--passphrase-env", "BACKUP_PASS", exits=1)
    again = new.json("restore", str(carried), "--old-machine-retired", "--replace", "--passphrase-env", "BACKUP_PASS")
    assert Path(again["kept"]).name.endswith("-before-restore.sqlite")
    with closing(sqlite3.connect(again["kept"])) as kept:
        assert kept.execute("SELECT count(*) FROM orders").fetchone()[0] == 3
    for secret in bound.secrets:
        assert secret not in new.written + sh.written
        assert secret.encode() not in carried.read_bytes()
    assert b"SQLite format" not in carried.read_bytes()


def test_another_key_file_is_never_overwritten(bound: Shell, tmp_path: Path) -> None:
    carried = tmp_path / "carried.shipdeck"
    another(bound, bound.folder)("backup", "--portable", str(carried), "--passphrase-env", "BACKUP_PASS")
    new = another(bound, tmp_path)
    (tmp_path / "key").write_bytes(b"o" * 32)
    arguments = ("restore", str(carried), "--old-machine-retired", "--passphrase-env", "BACKUP_PASS")
    assert "other_key" in new(*arguments, exits=1)
    assert not (tmp_path / "cli.sqlite").exists()
    new(*arguments, "--replace")
    assert [f.read_bytes() for f in tmp_path.glob("key.old-*")] == [b"o" * 32]
    assert new.json("doctor")["findings"] == []


def test_a_plain_backup_goes_into_the_second_place_and_comes_back(bound: Shell, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    made = bound.json("backup", "--second", str(tmp_path / "stick"), "--keep", "3")
    assert Path(made["second"]).read_bytes() == Path(made["backup"]).read_bytes()
    bound("backup", "--second", str(tmp_path / "nowhere"))
    assert "backup_copy_failed" in bound.written
    assert "backup_copy_old" in {c["code"] for c in bound.json("doctor")["checks"]}
    bound("backup", "--second", "-")
    new = another(bound, tmp_path)
    new("restore", exits=2)
    new("restore", str(tmp_path / "not there"), "--old-machine-retired", exits=1)
    new("restore", made["second"], "--old-machine-retired")
    assert "looked up" in new.written
    assert "Count the stock" in new.written
    found = new.json("doctor", exits=1)["findings"]
    assert [f["code"] for f in found] == ["key_missing"]
    with closing(sqlite3.connect(tmp_path / "cli.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM meta WHERE key LIKE 'restored:%'").fetchone()[0] == 1


def test_a_damaged_backup_is_refused_and_the_place_stays_as_it_was(bound: Shell, tmp_path: Path) -> None:
    made = Path(bound.json("backup", "--to", str(tmp_path / "b"))["backup"])
    data = bytearray(made.read_bytes())
    data[4096 * 3 : 4096 * 9] = b"\xff" * 4096 * 6
    made.write_bytes(data)
    before = (bound.folder / "cli.sqlite").read_bytes()
    out = bound("restore", str(made), "--old-machine-retired", "--replace", exits=1)
    assert "salvage" in out
    assert (bound.folder / "cli.sqlite").read_bytes() == before
    assert {f.name for f in bound.folder.glob(".*")} == set()


def test_an_export_moves_to_postgresql_and_goes_on_there(bound: Shell, tmp_path: Path, postgresql_url: str) -> None:
    import asyncio

    import asyncpg

    async def create() -> None:
        connection = await asyncpg.connect(postgresql_url)
        await connection.execute("CREATE DATABASE moved")
        await connection.close()

    asyncio.run(create())
    out = bound.json("export", str(tmp_path / "out"), "--with-key")
    assert out["with_key"] is True
    new = another(bound, tmp_path)
    new.env["SHIPDECK_DB"] = postgresql_url.replace("/postgres?", "/moved?")
    new("import", str(tmp_path / "out"), exits=2)
    answer = new.json("import", str(tmp_path / "out"), "--old-machine-retired", "--nothing-since")
    assert answer["shops"] == answer["batches"] == answer["numbers"] == 0
    assert "database_there" in new("import", str(tmp_path / "out"), "--old-machine-retired", exits=1)
    assert len(new.json("list", "all")) == 3
    assert new.json("sync")[0]["code"] == ""
    assert new.json("doctor")["findings"] == []
    assert "pg_dump" in new("backup", exits=1)
    assert "restore --here" in new("restore", str(tmp_path / "out"), "--old-machine-retired", exits=1)
    assert new.json("restore", "--here", "--old-machine-retired")["shops"] == 1


def test_the_doctor_works_where_nothing_may_be_written_and_makes_its_bundle(bound: Shell, tmp_path: Path) -> None:
    made = bound.json("backup", "--to", str(tmp_path / "ro"))["backup"]
    Path(made).chmod(0o400)
    (tmp_path / "ro").chmod(0o500)
    try:
        found = bound.json("doctor", "--db", made)
        assert found["findings"] == []
        assert {"file is whole", "references hold", "files are private"} & {c["check"] for c in found["checks"]}
        assert all(set(c) == {"check", "level", "code", "where", "found", "todo"} for c in found["checks"])
    finally:
        (tmp_path / "ro").chmod(0o700)
    bound("doctor", "--bundle", str(tmp_path / "support.zip"))
    with zipfile.ZipFile(tmp_path / "support.zip") as archive:
        assert json.loads(archive.read("versions.json"))["packages"]["shipdeck"]
    bound("doctor", "--bundle", str(tmp_path / "support.zip"), exits=1)
    saved = bound.json("doctor", "--salvage", str(tmp_path / "saved.sqlite"))
    assert {t["table"]: t["kept"] for t in saved["tables"]}["orders"] == 3
    (bound.folder / "key").chmod(0o644)
    try:
        found = bound.json("doctor", exits=1)["findings"]
        assert [f["code"] for f in found] == ["readable_by_others"]
        assert found[0]["todo"].startswith("chmod 600")
    finally:
        (bound.folder / "key").chmod(0o600)


def test_keys_rotate_and_the_shop_is_read_with_the_new_one(bound: Shell) -> None:
    before = (bound.folder / "key").read_bytes()
    bound("operator", "add", "Ewa", "--role", "owner")
    bound("operator", "add", "Jan", "--role", "viewer", "--as", "Ewa")
    assert "viewer_only" in bound("upgrade", "--rotate-key", "--as", "Jan", exits=1)
    assert "viewer_only" in bound("backup", "--keep", "2", "--as", "Jan", exits=1)
    assert (bound.folder / "key").read_bytes() == before
    answer = bound.json("upgrade", "--rotate-key")
    assert answer["secrets"] == 2
    assert Path(answer["old_key_file"]).read_bytes() == before
    assert (bound.folder / "key").read_bytes() != before
    assert bound.json("sync")[0]["code"] == ""
    assert bound.json("doctor")["findings"] == []
