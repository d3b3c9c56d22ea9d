"""Shops, carriers, services, printers, warehouses: what is set up, and its secrets."""

import secrets as chance
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain.capabilities import Service
from domain.clock import Instant
from store import tables as t
from store.database import Tx, as_json, from_json
from store.sealing import Sealer

ASIDE = "set aside"
"""Stands for the reference of a pool number that a restored database must not give out: it may have been used since."""


async def install_code(tx: Tx) -> str:
    """Four characters that make this database's references unlike those of any other one of the same seller."""
    found = await tx.value("SELECT value FROM meta WHERE key = 'install'")
    if found is None:
        found = new_code()
        await tx.insert(t.meta, [{"key": "install", "value": found}])
    return str(found)


def new_code() -> str:
    """An install code by chance."""
    return "".join(chance.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(4))


async def earlier_installs(tx: Tx) -> tuple[tuple[int, str], ...]:
    """(last shipment id, install code) of every database this one was restored from, oldest first; mostly none."""
    kept = await tx.value("SELECT value FROM meta WHERE key = 'installs_before'")
    return tuple((int(last), str(code)) for last, code in from_json(kept)) if kept else ()


async def installed(tx: Tx) -> str:
    """The install code, or '' before the first account was set up."""
    return str(await tx.value("SELECT value FROM meta WHERE key = 'install'") or "")


async def mark_practice(tx: Tx) -> None:
    """This database is for practice: every screen says so."""
    await tx.do("INSERT INTO meta (key, value) VALUES ('practice', 'yes') ON CONFLICT (key) DO NOTHING")


async def is_practice(tx: Tx) -> bool:
    """Is this a database to train in?"""
    return await tx.value("SELECT 1 FROM meta WHERE key = 'practice'") is not None


async def set_secrets(tx: Tx, sealer: Sealer, account: str, values: Mapping[str, str]) -> None:
    """Keep secrets of an account, sealed. A missing key file is made only while the database holds no secret yet."""
    if not values:
        return
    if await tx.value("SELECT 1 FROM secret LIMIT 1") is not None:
        sealer.require()
    await tx.insert(
        t.secret,
        [
            {"account": account, "field": field, "key_id": sealer.key_id, "sealed": sealer.seal(account, field, value)}
            for field, value in values.items()
        ],
        tail="ON CONFLICT (account, field) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id",
    )


async def get_secrets(tx: Tx, sealer: Sealer, account: str) -> dict[str, str]:
    """The secrets of an account, opened."""
    rows = await tx.rows("SELECT field, sealed FROM secret WHERE account = :a", a=account)
    return {r.field: sealer.open(account, r.field, bytes(r.sealed)) for r in rows}


async def drop_secrets(tx: Tx, account: str) -> None:
    """Forget the secrets of an account."""
    await tx.do("DELETE FROM secret WHERE account = :a", a=account)


# ------------------------------------------------------------------ shops


async def add_shop(
    tx: Tx, platform: str, name: str, settings: Mapping[str, Any], *, title: str, zone: str, currency: str
) -> int:
    """Bind a shop; its sync tasks are made with it."""
    return await tx.add(
        t.shop,
        {
            "platform": platform,
            "name": name,
            "title": title,
            "zone": zone,
            "currency": currency,
            "settings": as_json(settings),
            "connected_at": tx.now,
            "checked_at": tx.now,
        },
    )


async def shops(tx: Tx) -> Sequence[Any]:
    """Every shop, unbound ones included."""
    return await tx.rows("SELECT * FROM shop ORDER BY id")


async def shop(tx: Tx, shop_id: int) -> Any:
    """A shop by id, or None."""
    return await tx.row("SELECT * FROM shop WHERE id = :id", id=shop_id)


async def shop_named(tx: Tx, name: str) -> Any:
    """A shop by name (or by number), or None."""
    row = await tx.row("SELECT * FROM shop WHERE name = :n", n=name)
    if row is None and name.isdecimal():
        row = await shop(tx, int(name))
    return row


async def update(tx: Tx, table: str, row_id: int, values: Mapping[str, Any]) -> None:
    """Set columns of one row of a set-up table."""
    columns = ", ".join(f"{name} = :{name}" for name in values)
    await tx.do(f"UPDATE {table} SET {columns} WHERE id = :id", id=row_id, **values)


def settings_of(row: Any) -> dict[str, str]:
    """The settings of a row as a plain mapping."""
    return dict(from_json(row.settings))


# ------------------------------------------------------------------ carriers, printers, warehouses


async def add_carrier(tx: Tx, kind: str, name: str, settings: Mapping[str, Any]) -> int:
    """Keep a carrier account."""
    return await tx.add(t.carrier, {"kind": kind, "name": name, "settings": as_json(settings)})


async def set_services(tx: Tx, carrier_id: int, services: Sequence[Service]) -> None:
    """Replace what a carrier account offers; a service that is gone is switched off, never deleted."""
    await tx.do("UPDATE service SET enabled = 0 WHERE carrier_id = :c", c=carrier_id)
    await tx.insert(
        t.service,
        [
            {"carrier_id": carrier_id, "code": s.code, "name": s.name, "data": as_json(s), "enabled": 1}
            for s in services
        ],
        tail="ON CONFLICT (carrier_id, code) DO UPDATE SET name = excluded.name, data = excluded.data, enabled = 1",
    )


async def served_on(tx: Tx, host: str) -> list[str]:
    """Every account that a worker on this host may serve: printers only where they are."""
    rows = await tx.rows(
        """SELECT 'shop:' || id AS account, 1 AS kind, id FROM shop
           UNION ALL SELECT 'carrier:' || id, 2, id FROM carrier
           UNION ALL SELECT 'printer:' || id, 3, id FROM printer WHERE host = :host ORDER BY kind, id""",
        host=host,
    )
    return [row.account for row in rows]


async def carriers(tx: Tx) -> Sequence[Any]:
    """Every carrier account."""
    return await tx.rows("SELECT * FROM carrier ORDER BY id")


async def carrier(tx: Tx, carrier_id: int) -> Any:
    """A carrier account by id, or None."""
    return await tx.row("SELECT * FROM carrier WHERE id = :id", id=carrier_id)


async def carrier_named(tx: Tx, name: str) -> Any:
    """A carrier account by name, or None."""
    return await tx.row("SELECT * FROM carrier WHERE name = :n", n=name)


async def services(tx: Tx) -> Sequence[Any]:
    """Every service."""
    return await tx.rows("SELECT * FROM service ORDER BY id")


def service_of(row: Any) -> Service:
    """The declaration kept in a service row."""
    return msgspec.json.decode(row.data, type=Service)


async def printers(tx: Tx) -> Sequence[Any]:
    """Every printer, the default one first."""
    return await tx.rows("SELECT * FROM printer ORDER BY is_default DESC, id")


async def printer(tx: Tx, printer_id: int) -> Any:
    """A printer by id, or None."""
    return await tx.row("SELECT * FROM printer WHERE id = :id", id=printer_id)


async def printer_named(tx: Tx, name: str) -> Any:
    """A printer by name, or None."""
    return await tx.row("SELECT * FROM printer WHERE name = :n", n=name)


async def add_printer(tx: Tx, kind: str, name: str, host: str, settings: Mapping[str, Any]) -> int:
    """Keep a printer of a host; the first one is the default."""
    first = await tx.value("SELECT 1 FROM printer") is None
    return await tx.add(
        t.printer,
        {"kind": kind, "name": name, "host": host, "settings": as_json(settings), "is_default": int(first)},
    )


async def default_warehouse_id(tx: Tx) -> int:
    """The id of the default warehouse, or 0 before there is one."""
    return int(await tx.value("SELECT id FROM warehouse ORDER BY is_default DESC, id LIMIT 1") or 0)


async def warehouse_named(tx: Tx, name: str) -> Any:
    """A warehouse by name, or None."""
    return await tx.row("SELECT * FROM warehouse WHERE name = :n", n=name)


async def default_warehouse(tx: Tx) -> Any:
    """The default warehouse; made on first need."""
    row = await tx.row("SELECT * FROM warehouse ORDER BY is_default DESC, id LIMIT 1")
    if row is None:
        await tx.insert(t.warehouse, [{"name": "main", "is_default": 1}], tail="ON CONFLICT (name) DO NOTHING")
        row = await tx.row("SELECT * FROM warehouse ORDER BY is_default DESC, id LIMIT 1")
    return row


async def add_pool_numbers(tx: Tx, carrier_id: int, numbers: Sequence[str]) -> int:
    """Add numbers to a pool; those already there are left alone, but for those set aside. Returns how many came in."""
    free = "SELECT count(*) FROM pool_number WHERE carrier_id = :c AND state = 'free'"
    before = int(await tx.value(free, c=carrier_id))
    await tx.insert(
        t.pool_number,
        [{"carrier_id": carrier_id, "number": n, "at": tx.now} for n in numbers],
        tail=f"""ON CONFLICT (carrier_id, number) DO UPDATE SET state = 'free', reference = '', at = excluded.at
                 WHERE pool_number.state = 'used' AND pool_number.reference = '{ASIDE}'""",
    )
    return int(await tx.value(free, c=carrier_id)) - before


async def claim_pool_number(tx: Tx, carrier_id: int, reference: str) -> str | None:
    """The number of a reference: the one it already has, else a free one in a single statement; None = pool empty."""
    have = await tx.value(
        "SELECT number FROM pool_number WHERE carrier_id = :c AND reference = :r", c=carrier_id, r=reference
    )
    if have is not None:
        return str(have)
    lock = " FOR NO KEY UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
    found = await tx.value(
        f"""UPDATE pool_number SET state = 'used', reference = :r, at = :now
            WHERE id = (SELECT id FROM pool_number WHERE carrier_id = :c AND state = 'free' ORDER BY id LIMIT 1{lock})
              AND state = 'free' RETURNING number""",
        c=carrier_id,
        r=reference,
        now=tx.now,
    )
    return None if found is None else str(found)


async def void_pool_number(tx: Tx, carrier_id: int, number: str) -> None:
    """A void number is never handed out again."""
    await tx.do(
        "UPDATE pool_number SET state = 'void', at = :now WHERE carrier_id = :c AND number = :n",
        c=carrier_id,
        n=number,
        now=tx.now,
    )


# ------------------------------------------------------------------ sync tasks


async def set_task(tx: Tx, account: str, kind: str, every_ms: int, due_at: Instant) -> None:
    """Make (or re-time) one recurring task of an account."""
    await tx.insert(
        t.sync_task,
        [{"account": account, "kind": kind, "every_ms": every_ms, "due_at": due_at}],
        tail="ON CONFLICT (account, kind) DO UPDATE SET every_ms = excluded.every_ms, enabled = 1",
    )


async def due_tasks(tx: Tx) -> Sequence[Any]:
    """Tasks that are due, of accounts that are not backing off."""
    return await tx.rows(
        """SELECT s.* FROM sync_task s LEFT JOIN account_health h ON h.account = s.account
           WHERE s.enabled = 1 AND s.due_at <= :now AND coalesce(h.retry_at, 0) <= :now ORDER BY s.due_at""",
        now=tx.now,
    )


async def task(tx: Tx, account: str, kind: str) -> Any:
    """One task, or None."""
    return await tx.row("SELECT * FROM sync_task WHERE account = :a AND kind = :k", a=account, k=kind)


async def update_task(tx: Tx, account: str, kind: str, values: Mapping[str, Any]) -> None:
    """Set columns of a task."""
    columns = ", ".join(f"{name} = :{name}" for name in values)
    await tx.do(f"UPDATE sync_task SET {columns} WHERE account = :_a AND kind = :_k", _a=account, _k=kind, **values)


async def hurry(tx: Tx, account: str, kind: str) -> None:
    """Make a task of an account due now, if it is not yet."""
    await tx.do(
        "UPDATE sync_task SET due_at = :now WHERE account = :a AND kind = :k AND due_at > :now",
        a=account,
        k=kind,
        now=tx.now,
    )


async def end_tasks(tx: Tx, account: str) -> None:
    """Switch the recurring tasks of an account off."""
    await tx.do("UPDATE sync_task SET enabled = 0 WHERE account = :a", a=account)


async def warehouses(tx: Tx) -> Sequence[Any]:
    """Every warehouse, the default one first."""
    return await tx.rows("SELECT * FROM warehouse ORDER BY is_default DESC, id")


async def health(tx: Tx, account: str) -> Any:
    """How an account fares, or None when it never failed nor answered."""
    return await tx.row("SELECT * FROM account_health WHERE account = :a", a=account)


async def free_numbers(tx: Tx) -> dict[int, int]:
    """Free numbers per pool."""
    rows = await tx.rows("SELECT carrier_id, count(*) AS n FROM pool_number WHERE state = 'free' GROUP BY carrier_id")
    return {r.carrier_id: r.n for r in rows}
