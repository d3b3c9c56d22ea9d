"""Writes decisions: many changes of many shipments in few statements, all inside the caller's transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from domain.change import Change
from domain.enums import EffectState, Flag, Op, Stage, Status
from domain.facts import CustomsFacts, ShipmentFacts, address_print
from domain.reconcile import Difference, reconcile
from domain.records import Address, keepable
from domain.search import words_of
from domain.text import storable
from store import tables as t
from store.accounts import earlier_installs
from store.database import Tx, as_json
from store.outbox import LOOK_FIRST
from store.shipments import load_facts

Decided = Sequence[tuple[ShipmentFacts, Change]]


class OutOfDate(RuntimeError):
    """A row changed between reading and writing: the transaction must be repeated from its start."""


class Applied(Struct):
    """What applying made: new shipments, and the accounts that have new work."""

    new_shipments: list[int]
    accounts: set[str]


async def apply(tx: Tx, decided: Decided, who: str, batch_id: int | None = None) -> Applied:
    """Write every change. The order of writes keeps all constraints true at each step.

    Lines are lowered and stages set before anything is assigned anew; stock is released before it is allocated.
    Raises `OutOfDate` when a shipment's version is no longer the one its facts were read with.
    """
    made = Applied([], {e.account for _f, c in decided for e in c.effects})
    await _withdraw(tx, decided)
    await _lower_lines(tx, decided)
    await _waybills(tx, decided)
    await _addresses_and_notes(tx, decided, who)
    await _shipments(tx, decided)
    await _stock(tx, decided, who)
    await _submissions(tx, decided)
    await _customs(tx, decided)
    made.new_shipments = await _split_off(tx, decided)
    await _effects(tx, decided, batch_id)
    await _bring_in_line(tx, decided, made.new_shipments)
    await add_events(
        tx,
        [(f.id, f.order_id, kind, data) for f, c in decided for kind, data in c.events],
        who,
        batch_id,
    )
    return made


async def add_events(
    tx: Tx,
    events: Sequence[tuple[int | None, int | None, str, Mapping[str, Any]]],
    who: str,
    batch_id: int | None = None,
) -> None:
    """Append lines of history: (shipment, order, kind, data). Data names personal fields, never their values."""
    await tx.insert(
        t.event,
        [
            {
                "at": tx.now,
                "who": who,
                "kind": kind,
                "shipment_id": shipment,
                "order_id": order,
                "batch_id": batch_id,
                "data": as_json(data) if data else "{}",
            }
            for shipment, order, kind, data in events
        ],
    )


async def _withdraw(tx: Tx, decided: Decided) -> None:
    by_op: dict[str, list[int]] = defaultdict(list)
    seen: dict[str, int] = defaultdict(int)
    for f, c in decided:
        for op in c.withdraw:
            by_op[op.value].append(f.id)
            seen[op.value] += sum(e.op is op and e.state is EffectState.QUEUED for e in f.effects)
    for name, ids in by_op.items():
        withdrawn = await tx.run(
            """UPDATE effect SET state = 'withdrawn', ended_at = :now
               WHERE shipment_id IN :ids AND op = :op AND state = 'queued'""",
            ids=ids,
            op=name,
            now=tx.now,
        )
        if withdrawn < seen[name]:
            # A worker has begun one since it was read as queued: what was decided no longer holds.
            raise OutOfDate


async def _lower_lines(tx: Tx, decided: Decided) -> None:
    gone = [{"s": f.id, "l": line} for f, c in decided for line, quantity in c.lines.items() if quantity == 0]
    lowered = [
        {"s": f.id, "l": line, "q": quantity} for f, c in decided for line, quantity in c.lines.items() if quantity > 0
    ]
    await tx.many("DELETE FROM shipment_line WHERE shipment_id = :s AND order_line_id = :l", gone)
    await tx.many("UPDATE shipment_line SET quantity = :q WHERE shipment_id = :s AND order_line_id = :l", lowered)


async def _waybills(tx: Tx, decided: Decided) -> None:
    for _f, c in decided:
        for waybill_id, values in c.waybills.items():
            await set_waybill(tx, waybill_id, values)


async def set_waybill(tx: Tx, waybill_id: int, values: Mapping[str, Any]) -> None:
    """Set columns of one waybill; an ended one gets its end time."""
    values = dict(values)
    if values.get("state") in {"void", "abandoned", "failed"}:
        values.setdefault("ended_at", tx.now)
    columns = ", ".join(f"{name} = :{name}" for name in values)
    await tx.do(f"UPDATE waybill SET {columns} WHERE id = :id", id=waybill_id, **values)


async def _addresses_and_notes(tx: Tx, decided: Decided, who: str) -> None:
    for f, c in decided:
        if c.address is not None:
            address_id = await add_address(tx, f.order_id, c.address, "ours", who)
            await tx.do("UPDATE shipment SET address_id = :a WHERE id = :id", a=address_id, id=f.id)
            await _found_by(tx, f.order_id, c.address)
        if c.note is not None:
            await tx.do("DELETE FROM note WHERE shipment_id = :id AND kind = 'ours'", id=f.id)
            if c.note:
                await tx.insert(
                    t.note,
                    [{"shipment_id": f.id, "kind": "ours", "text": storable(c.note), "who": who, "at": tx.now}],
                )
        if c.notes_read:
            await tx.do(
                """UPDATE note SET read_at = :now, read_by = :who
                   WHERE kind = 'buyer' AND read_at IS NULL AND order_id IN :orders""",
                orders=[o.id for o in f.orders],
                now=tx.now,
                who=who,
            )


async def _found_by(tx: Tx, order_id: int, address: Address) -> None:
    """Let an order be found by the recipient an operator wrote, too."""
    held = await tx.value("SELECT words FROM buyer WHERE order_id = :id", id=order_id)
    if held is not None and (words := words_of(held, address.name, address.company)) != held:
        await tx.do("UPDATE buyer SET words = :words WHERE order_id = :id", words=words, id=order_id)


async def add_address(tx: Tx, order_id: int, address: Address, source: str, who: str) -> int:
    """Keep one version of an address; returns its id."""
    row = address_row(keepable(address)[0], source, who)
    return await tx.add(t.address, {**row, "order_id": order_id, "created_at": tx.now})


def address_row(address: Address, source: str, who: str) -> dict[str, Any]:
    """An address version as a row, its order and its moment left open."""
    row = structs.asdict(address)
    row["source"] = source
    row["fingerprint"] = address_print(address)
    row["who"] = who
    return row


async def _shipments(tx: Tx, decided: Decided) -> None:
    seen = {f.id: f.version for f, _c in decided}
    if seen:
        lock = " FOR NO KEY UPDATE" if tx.dialect == "postgresql" else ""
        now = await tx.rows(f"SELECT id, version FROM shipment WHERE id IN :ids ORDER BY id{lock}", ids=sorted(seen))
        if any(row.version != seen[row.id] for row in now):
            raise OutOfDate
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for f, c in decided:
        groups[tuple(sorted(c.set))].append({**c.set, "_id": f.id, "_seen": f.version, "_now": tx.now})
    for columns, rows in groups.items():
        sets = "".join(f"{name} = :{name}, " for name in columns)
        await tx.many(
            f"UPDATE shipment SET {sets}version = version + 1, changed_at = :_now WHERE id = :_id AND version = :_seen",
            rows,
        )


async def _stock(tx: Tx, decided: Decided, who: str) -> None:
    """Release, then deduct or give back, then allocate; a ledger row for every difference."""
    moves: list[dict[str, Any]] = []

    def move(f: ShipmentFacts, variant: int, on_hand: int, reserved: int, reason: str) -> None:
        moves.append(
            {
                # The version makes the key: one change of a shipment can move a variant once per reason, ever.
                "key": f"{reason}:{f.id}:{f.version}:{variant}",
                "variant_id": variant,
                "warehouse_id": f.warehouse_id,
                "on_hand": on_hand,
                "reserved": reserved,
                "reason": reason,
                "shipment_id": f.id,
                "who": who,
                "at": tx.now,
            }
        )

    freed: list[int] = []
    allocated: list[dict[str, Any]] = []
    for f, c in decided:
        if c.release or c.deduct:
            freed.append(f.id)
            for variant, quantity in f.allocated.items():
                move(f, variant, -quantity if c.deduct else 0, -quantity, "ship" if c.deduct else "release")
        if c.give_back:
            for variant, quantity in (await _deducted(tx, f)).items():
                move(f, variant, quantity, 0, "recall")
        for variant, quantity in c.allocate.items():
            move(f, variant, 0, quantity, "allocate")
            allocated.append(
                {
                    "shipment_id": f.id,
                    "variant_id": variant,
                    "warehouse_id": f.warehouse_id,
                    "quantity": quantity,
                    "at": tx.now,
                }
            )
    if freed:
        await tx.do("DELETE FROM allocation WHERE shipment_id IN :ids", ids=freed)
    await tx.insert(t.allocation, allocated)
    await book(tx, moves)


async def _deducted(tx: Tx, f: ShipmentFacts) -> dict[int, int]:
    """What this shipment took from stock and has not given back, by the ledger."""
    rows = await tx.rows(
        """SELECT variant_id, CAST(sum(on_hand) AS bigint) AS n FROM stock_move
           WHERE shipment_id = :id AND reason IN ('ship', 'recall') GROUP BY variant_id""",
        id=f.id,
    )
    return {row.variant_id: -row.n for row in rows if row.n < 0}


async def book(tx: Tx, moves: Sequence[Mapping[str, Any]]) -> None:
    """Write ledger rows and their balances. The columns' CHECKs refuse what would go below zero or over-reserve."""
    if not moves:
        return
    await tx.insert(t.stock_move, moves)
    totals: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
    for m in moves:
        total = totals[m["variant_id"], m["warehouse_id"]]
        total[0] += m["on_hand"]
        total[1] += m["reserved"]
    places = sorted(totals)
    await tx.insert(
        t.stock,
        [{"variant_id": v, "warehouse_id": w} for v, w in places],
        tail="ON CONFLICT (variant_id, warehouse_id) DO NOTHING",
    )
    await tx.many(
        """UPDATE stock SET on_hand = on_hand + :h, reserved = reserved + :r
           WHERE variant_id = :v AND warehouse_id = :w""",
        [{"v": v, "w": w, "h": totals[v, w][0], "r": totals[v, w][1]} for v, w in places],
    )


async def _submissions(tx: Tx, decided: Decided) -> None:
    for f, c in decided:
        for order_id, values in c.submissions.items():
            columns = ", ".join(f"{name} = :{name}" for name in values)
            await tx.do(
                f"UPDATE submission SET {columns}, at = :now WHERE shipment_id = :s AND order_id = :o",
                s=f.id,
                o=order_id,
                now=tx.now,
                **values,
            )


def _customs_rows(shipment_id: int, declared: Mapping[int, CustomsFacts]) -> list[dict[str, Any]]:
    return [
        {"shipment_id": shipment_id, "order_line_id": line, **structs.asdict(facts), "liquid": int(facts.liquid)}
        for line, facts in declared.items()
    ]


async def _customs(tx: Tx, decided: Decided) -> None:
    rows = [row for f, c in decided for row in _customs_rows(f.id, c.customs)]
    if rows:
        names = [n for n in rows[0] if n not in {"shipment_id", "order_line_id"}]
        sets = ", ".join(f"{n} = excluded.{n}" for n in names)
        await tx.insert(t.customs_line, rows, tail=f"ON CONFLICT (shipment_id, order_line_id) DO UPDATE SET {sets}")


_NOT_INHERITED = (
    Flag.MERGED | Flag.STOPPED | Flag.AFTER_SALE | Flag.LINES_CHANGED | Flag.LABEL_STALE | Flag.KEPT | Flag.UNPAID
)
"""What belongs to the box, or follows anew from what the platform says of the orders in it."""


async def _split_off(tx: Tx, decided: Decided) -> list[int]:
    made: list[int] = []
    for f, c in decided:
        order_of = {ln.order_line_id: ln.order_id for ln in f.lines}
        staying = {ln.order_id for ln in f.lines if c.lines.get(ln.order_line_id, ln.quantity)}
        for part in c.split_off:
            order_ids = sorted({order_of[line] for line in part})
            review = c.split_to_review
            split = Flag.SPLIT if staying.intersection(order_ids) else Flag(0)
            shipment_id = await tx.add(
                t.shipment,
                {
                    "shop_id": f.shop.id,
                    "order_id": order_ids[0],
                    "stage": int(Stage.REVIEW if review else f.stage),
                    "status": (Status.OPEN if review else f.status).value,
                    "flags": int(f.flags & ~_NOT_INHERITED | split),
                    "ship_by": f.ship_by,
                    "warehouse_id": f.warehouse_id or None,
                    "service_id": f.service.id if f.service else None,
                    "address_id": f.address_id if f.overlay else None,
                    "created_at": tx.now,
                    "changed_at": tx.now,
                },
            )
            made.append(shipment_id)
            await tx.insert(
                t.shipment_line,
                [
                    {"shipment_id": shipment_id, "order_line_id": line, "quantity": quantity}
                    for line, quantity in sorted(part.items())
                ],
            )
            await tx.insert(t.submission, [{"shipment_id": shipment_id, "order_id": o} for o in order_ids])
            declared = {line: facts for line, facts in f.customs.items() if line in part}
            await tx.insert(t.customs_line, _customs_rows(shipment_id, declared))
            await add_events(tx, [(shipment_id, order_ids[0], "split_from", {"shipment": f.id})], "")
    return made


async def _bring_in_line(tx: Tx, decided: Decided, made: Sequence[int]) -> None:
    """Who left a box takes along what the platform says of its order, and leaves the box without it."""
    apart = [f for f, c in decided if c.split_off]
    if not apart:
        return
    again = await load_facts(
        tx,
        [*(f.id for f in apart), *made],
        {f.shop.id: f.shop for f in apart},
        {f.service.id: f.service for f in apart if f.service is not None},
        default_warehouse=apart[0].warehouse_id,
    )
    changes = [(f, reconcile(f, Difference())) for f in again.values()]
    await apply(tx, [(f, c) for f, c in changes if c is not None], "")


async def _effects(tx: Tx, decided: Decided, batch_id: int | None) -> None:
    fresh: dict[int, int] = {}
    new = [(f, c.new_waybill) for f, c in decided if c.new_waybill is not None]
    if new:
        (ids,) = await tx.next_ids(waybill=len(new))
        address_ids = {
            r.id: r.a
            for r in await tx.rows(
                """SELECT s.id, coalesce(s.address_id, o.address_id) AS a FROM shipment s
                   JOIN orders o ON o.id = s.order_id WHERE s.id IN :ids""",
                ids=[f.id for f, _w in new],
            )
        }
        rows = []
        for waybill_id, (f, w) in zip(ids, new, strict=True):
            fresh[f.id] = waybill_id
            rows.append(
                {
                    "id": waybill_id,
                    "shipment_id": f.id,
                    "generation": w.generation,
                    "carrier_id": w.carrier_id,
                    "service_id": w.service_id,
                    "reference": w.reference,
                    "address_id": address_ids[f.id],
                    "address_print": w.address_print,
                    "lines": as_json([[ln.order_line_id, ln.quantity] for ln in f.lines]),
                    "lines_print": w.lines_print,
                    "requested_at": tx.now,
                }
            )
        await tx.insert(t.waybill, rows)
    wary = await _may_be_done_already(tx, decided)
    await tx.insert(
        t.effect,
        [
            {
                "key": e.key,
                "account": e.account,
                "op": e.op.value,
                "shipment_id": f.id,
                "order_id": e.order_id,
                "waybill_id": fresh[f.id] if e.for_new_waybill else e.waybill_id,
                "batch_id": batch_id,
                "payload": as_json(e.payload),
                "code": LOOK_FIRST if f.id in wary and e.op in {Op.REQUEST_WAYBILL, Op.PUSH} else "",
                "due_at": tx.now + e.delay_ms,
                "created_at": tx.now,
            }
            for f, c in decided
            for e in c.effects
        ],
    )


async def _may_be_done_already(tx: Tx, decided: Decided) -> set[int]:
    """Shipments that were in the backup this database was restored from: what is asked of others may be done already.

    Where a person has given up a number since, that person has looked.
    """
    last = max((last for last, _code in await earlier_installs(tx)), default=0) if decided else 0
    old = [f.id for f, c in decided if f.id <= last and c.effects]
    if not old:
        return set()
    looked = await tx.rows(
        """SELECT DISTINCT shipment_id FROM waybill WHERE shipment_id IN :ids AND state = 'abandoned'
           AND ended_at > (SELECT CAST(value AS bigint) FROM meta WHERE key = 'restored_at')""",
        ids=old,
    )
    return set(old) - {row.shipment_id for row in looked}


async def raise_lines(tx: Tx, shipment_id: int, pieces: Mapping[int, int]) -> None:
    """Put more pieces (order line → pieces) into a shipment."""
    await tx.insert(
        t.shipment_line,
        [{"shipment_id": shipment_id, "order_line_id": line, "quantity": n} for line, n in pieces.items()],
        tail="""ON CONFLICT (shipment_id, order_line_id)
                DO UPDATE SET quantity = shipment_line.quantity + excluded.quantity""",
    )
    await tx.do("UPDATE shipment SET version = version + 1 WHERE id = :s", s=shipment_id)


async def put_in(tx: Tx, target: ShipmentFacts, source: ShipmentFacts) -> None:
    """Move every line of `source` into `target` (merge); submission rows and declarations come along."""
    await tx.do("DELETE FROM shipment_line WHERE shipment_id = :s", s=source.id)
    await tx.insert(
        t.shipment_line,
        [{"shipment_id": target.id, "order_line_id": ln.order_line_id, "quantity": ln.quantity} for ln in source.lines],
        tail="""ON CONFLICT (shipment_id, order_line_id)
                DO UPDATE SET quantity = shipment_line.quantity + excluded.quantity""",
    )
    await tx.insert(
        t.submission,
        [{"shipment_id": target.id, "order_id": o.id} for o in source.orders],
        tail="ON CONFLICT (shipment_id, order_id) DO NOTHING",
    )
    await tx.insert(
        t.customs_line,
        _customs_rows(target.id, source.customs),
        tail="ON CONFLICT (shipment_id, order_line_id) DO NOTHING",
    )
