"""Everything in open formats: a folder with JSON Lines per table, labels as files, and a manifest with digests.

It is how a database moves from SQLite to PostgreSQL or back, and how a seller reads the books without shipdeck. Left out
is what belongs to running processes (leases, workers) and what is counted anew (stage counters, what shops were told).
Secrets go only together with their key file. Payloads stand there unpacked; instants are milliseconds UTC, amounts minor units.
"""

import asyncio
import base64
import hashlib
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import LargeBinary, Table

from domain.clock import Instant
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store import stock_pushes
from store import tables as t
from store.database import Store, Tx
from store.files import digest, new_file, put_file, write_new
from store.packing import packed, unpacked
from store.place import private_directory
from store.remembered import note
from store.restore import refuse_living, refuse_others
from store.restored import BegunAnew, begin_anew
from store.schema import HEAD
from store.upgrade import OthersConnected

FORMAT = "shipdeck export 1"
LEFT_OUT = frozenset({"lease", "worker", "stage_count", "stock_change", "stock_push"})
TABLES: tuple[Table, ...] = tuple(table for table in t.metadata.sorted_tables if table.name not in LEFT_OUT)
"""In an order in which no row comes before one it refers to."""
_BLOCK = 500
_ENDINGS = {"application/pdf": "pdf", "text/zpl": "zpl"}


class File(Struct):
    """One file of an export: its rows (tables only) and the digest of its bytes."""

    sha256: str
    rows: int = 0


class Manifest(Struct):
    """What an export consists of."""

    format: str
    schema: str
    program: str
    made_at: Instant
    engine: str
    files: dict[str, File]
    """By path within the folder, slashes between."""
    without_secrets: list[str]
    """Accounts whose secrets were left out."""


class Exported(Struct, frozen=True):
    """How much was written or read."""

    rows: int
    labels: int
    with_key: bool
    made_at: Instant


class Imported(Struct, frozen=True):
    """What an import read, and what of it is not taken for granted any more."""

    read: Exported
    anew: BegunAnew


class BadRow(ValueError):
    """A row or label of an export that cannot be one of ours; the message names file, line and what is wrong."""


# ------------------------------------------------------------------ out


async def export(store: Store, folder: Path, program: str, *, with_key: bool = False) -> Exported | Refused:
    """Write everything into an empty folder, from one view of the database. Refused for a folder in use."""
    if await asyncio.to_thread(_in_use, folder):
        return Refused("not_empty", _("{folder} is in use: name a new or an empty folder.").format(folder=folder))
    if with_key and not store.place.key_file.is_file():
        return Refused("key_missing", _("The key file {file} is missing.").format(file=store.place.key_file))
    for name in ("", "tables", "labels"):
        private_directory(folder / name)
    manifest = Manifest(FORMAT, HEAD, program, 0, store.dialect, {}, [])
    async with store.reading() as tx:
        await tx.unhurried()
        manifest.made_at = tx.now
        for table in TABLES:
            await _write_table(tx, table, folder, manifest, with_key)
    if with_key:
        write_new(folder / "key", store.place.key_file.read_bytes())
        manifest.files["key"] = File(digest(folder / "key"))
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    # Written last and at once: a folder without a manifest is no export.
    put_file(folder / "manifest.json", text)
    return _told(manifest)


def _in_use(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _told(manifest: Manifest) -> Exported:
    labels = sum(name.startswith("labels/") for name in manifest.files)
    return Exported(sum(f.rows for f in manifest.files.values()), labels, "key" in manifest.files, manifest.made_at)


async def _write_table(tx: Tx, table: Table, folder: Path, manifest: Manifest, with_key: bool) -> None:
    name, rows, hashed = f"tables/{table.name}.jsonl", 0, hashlib.sha256()
    with new_file(folder / name) as file:
        async for row in every_row(tx, table):
            if table is t.secret and not with_key:
                if row["account"] not in manifest.without_secrets:
                    manifest.without_secrets.append(row["account"])
                continue
            if table is t.label_file:
                label = f"labels/{row['waybill_id']}.{_ENDINGS.get(row['media'], 'bin')}"
                write_new(folder / label, bytes(row["data"]))
                manifest.files[label] = File(digest(folder / label))
                row["data"] = {"file": label}
            line = msgspec.json.encode({k: _opened(table, k, v) for k, v in row.items()}) + b"\n"
            file.write(line)
            hashed.update(line)
            rows += 1
        file.flush()
        os.fsync(file.fileno())
    manifest.files[name] = File(hashed.hexdigest(), rows)


async def every_row(tx: Tx, table: Table) -> AsyncIterator[dict[str, Any]]:
    """Every row of a table by its primary key, read in blocks."""
    keys = [column.name for column in table.primary_key.columns]
    columns = ", ".join(f'"{c.name}"' for c in table.columns)
    order = ", ".join(keys)
    last: Mapping[str, Any] | None = None
    while True:
        after = f"WHERE ({order}) > ({', '.join(f':{k}' for k in keys)})" if last is not None else ""
        found = await tx.rows(
            f"SELECT {columns} FROM {table.name} {after} ORDER BY {order} LIMIT {_BLOCK}", **last or {}
        )
        for values in found:
            yield dict(zip([c.name for c in table.columns], values, strict=True))
        if len(found) < _BLOCK:
            return
        last = {k: found[-1][[c.name for c in table.columns].index(k)] for k in keys}


def _is_payload(table: Table, column: str) -> bool:
    return (table.name, column) in {("raw_order", "payload"), ("abnormal", "payload")}


def _opened(table: Table, column: str, value: Any) -> Any:
    """A value as JSON: bytes as text where they are text, else in base64; payloads unpacked."""
    if not isinstance(value, bytes | memoryview):
        return value
    raw = bytes(value)
    if _is_payload(table, column):
        try:
            raw = unpacked(raw)
        except ValueError:
            return {"kept": base64.b64encode(raw).decode()}
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
    return {"text": text}


# ------------------------------------------------------------------ in


async def import_(store: Store, folder: Path, *, nothing_since: bool = False) -> Imported | Refused:
    """Read an export into an empty database and begin anew with it (`store.restored`), all or nothing, on either engine.

    Refused: somebody is connected, no export, another schema, a file that is not as it was written or holds what none of
    ours does, a database in use, another key file.
    """
    try:
        await refuse_others(store)
        read = check(folder)
        if isinstance(read, Refused):
            return read
        if refused := _key_fits(store, folder, read):
            return refused
        async with store.transaction() as tx:
            await tx.unhurried()
            await refuse_living(tx)
            if await _in_work(tx):
                return Refused("database_there", _("The database is in use: import into a new one."))
            await take_in(tx, folder, read)
            anew = await begin_anew(tx, socket.gethostname(), nothing_since=nothing_since)
            for account in read.without_secrets:
                await tx.do(
                    """INSERT INTO account_health (account, fails, paused_code) VALUES (:a, 0, 'key_missing')
                       ON CONFLICT (account) DO UPDATE SET paused_code = 'key_missing'""",
                    a=account,
                )
            if "key" in read.files and not store.place.key_file.exists():
                private_directory(store.place.key_file.parent)
                write_new(store.place.key_file, (folder / "key").read_bytes())
    except OthersConnected as error:
        return Refused("others_connected", str(error))
    except BadRow as error:
        return Refused("changed_file", str(error))
    return Imported(_told(read), anew)


async def _in_work(tx: Tx) -> bool:
    for table in TABLES:
        if table is not t.meta and await tx.value(f"SELECT 1 FROM {table.name} LIMIT 1") is not None:
            return True
    return False


async def take_in(tx: Tx, folder: Path, manifest: Manifest) -> None:
    """Every row of a checked export as it was, into a database without any; raises `BadRow`."""
    await tx.do("DELETE FROM meta")
    async with _Unguarded(tx):
        for table in TABLES:
            await _read_table(tx, table, folder, manifest)
    await _go_on_counting(tx)
    await stock_pushes.rebuild(tx)
    # The newest moment these books know.
    await note(tx, "backup_at", str(manifest.made_at))


def check(folder: Path) -> Manifest | Refused:
    """The manifest of an export of this schema whose every file is as it was written."""
    try:
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return Refused("no_export", _("{folder} is no export: it has no manifest.").format(folder=folder))
    if manifest.format != FORMAT or manifest.schema != HEAD:
        text = _("The export has schema {found}, this program {head}: import it with shipdeck {version}, then upgrade.")
        found, version = safe(manifest.schema, 40), safe(manifest.program, 40)
        return Refused("other_schema", text.format(found=found, head=HEAD, version=version))
    wanted = {f"tables/{table.name}.jsonl" for table in TABLES}
    for name, said in manifest.files.items():
        known = name == "key" or name in wanted or (name.startswith("labels/") and name.count("/") == 1)
        if not known or ".." in name or not _is_plain(folder, name) or digest(folder / name) != said.sha256:
            return _changed(folder / name)
    if missing := wanted - manifest.files.keys():
        return _changed(folder / min(missing))
    return manifest


def _is_plain(folder: Path, name: str) -> bool:
    """Is it a file right here? A link may lead to anything on this machine, and another thing when it is read again."""
    path = folder / name
    return path.is_file() and not path.is_symlink() and (path.parent == folder or not path.parent.is_symlink())


def _changed(path: Path) -> Refused:
    file = safe(path, 300)
    return Refused("changed_file", _("{file} is missing or not as it was written.").format(file=file), path.name)


def _key_fits(store: Store, folder: Path, manifest: Manifest) -> Refused | None:
    """The secrets of an export open with its key file alone."""
    file = store.place.key_file
    if "key" not in manifest.files or not file.exists() or file.read_bytes() == (folder / "key").read_bytes():
        return None
    text = _("{file} is another key file than the export's: name a new one by SHIPDECK_KEY_FILE.")
    return Refused("other_key", text.format(file=file))


class _Unguarded:
    """While rows come in, over-assignment is not looked at: the platform may have lowered a quantity since."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._kept: list[str] = []

    async def __aenter__(self) -> None:
        if self._tx.dialect == "postgresql":
            await self._tx.run("ALTER TABLE shipment_line DISABLE TRIGGER shipment_line_added")
            return
        rows = await self._tx.rows(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'shipment_line' ORDER BY name"
        )
        self._kept = [row.sql for row in rows]
        for row in rows:
            await self._tx.run(f"DROP TRIGGER {row.name}")

    async def __aexit__(self, kind: object, *_about: object) -> None:
        if kind is not None:
            # The transaction is taken back, triggers and all.
            return
        if self._tx.dialect == "postgresql":
            await self._tx.run("ALTER TABLE shipment_line ENABLE TRIGGER shipment_line_added")
        for sql in self._kept:
            await self._tx.run(sql)


async def _read_table(tx: Tx, table: Table, folder: Path, manifest: Manifest) -> None:
    rows = _rows(table, folder, manifest)
    if table is t.category:
        rows = iter(_parents_first(list(rows)))
    block: list[dict[str, Any]] = []
    for row in rows:
        block.append(row)
        if len(block) == _BLOCK:
            await _insert(tx, table, block)
            block = []
    await _insert(tx, table, block)


async def _insert(tx: Tx, table: Table, block: list[dict[str, Any]]) -> None:
    await tx.insert(table, block)
    # Writes wait for the next question: not for as many of them as there are rows.
    await tx.value("SELECT 1")


def _rows(table: Table, folder: Path, manifest: Manifest) -> Iterator[dict[str, Any]]:
    """The rows of a table. Their keys become part of statements: none but the table's own columns, and all of them."""
    columns = {c.name: isinstance(c.type, LargeBinary) for c in table.columns}
    path = folder / "tables" / f"{table.name}.jsonl"
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError as error:
                raise _bad(path, number, str(error)) from error
            for name in sorted(row.keys() ^ columns.keys()):
                text = _("{column} is no column of {table}.") if name in row else _("{column} of {table} is missing.")
                raise _bad(path, number, text.format(column=name, table=table.name))
            for name, is_binary in columns.items():
                try:
                    row[name] = _closed(table, name, row[name], folder, manifest) if is_binary else _plain(row[name])
                except ValueError as error:
                    raise _bad(path, number, f"{name}: {error}") from error
            yield row


def _bad(path: Path, line: int, what: str) -> BadRow:
    return BadRow(_("{file}, line {n}: {what}").format(file=safe(path, 300), n=line, what=safe(what, 200)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list):
        raise ValueError(_("one value is expected."))
    return value


def _closed(table: Table, column: str, value: Any, folder: Path, manifest: Manifest) -> bytes:
    """What `_opened` wrote, as it is kept."""
    match value:
        case {"file": str(name)} if table is t.label_file:
            if not name.startswith("labels/") or name not in manifest.files:
                raise ValueError(_("{file} is not in the manifest.").format(file=name))
            return (folder / name).read_bytes()
        case {"kept": str(text)}:
            return base64.b64decode(text)
        case {"text": str(text)}:
            raw = text.encode()
        case {"base64": str(text)}:
            raw = base64.b64decode(text)
        case _:
            raise ValueError(_("one value is expected."))
    return packed(raw) if _is_payload(table, column) else raw


def _parents_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    placed: dict[int | None, None] = {None: None}
    ordered: list[dict[str, Any]] = []
    while rows:
        ready = [row for row in rows if row["parent_id"] in placed]
        if not ready:
            return ordered + rows
        placed.update((row["id"], None) for row in ready)
        ordered += ready
        rows = [row for row in rows if row["id"] not in placed]
    return ordered


async def _go_on_counting(tx: Tx) -> None:
    """PostgreSQL's counters begin behind the ids that came in."""
    if tx.dialect != "postgresql":
        return
    for name in [table.name for table in TABLES if "id" in table.columns]:
        await tx.value(
            f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM {name}), false)"
        )
