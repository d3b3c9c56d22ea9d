"""The people who work here: rows are never deleted, so that a name in the history still has its person."""

from collections.abc import Mapping
from typing import Any

from domain.persons import Operator, Role, name_key
from store import tables as t
from store.database import Tx


async def add(tx: Tx, name: str, role: Role, *, lead: bool, by: str) -> int | None:
    """Keep a person; None where the name is taken, or where there is an owner already and this would be another."""
    ((made,),) = await tx.next_ids(operator=1)
    await tx.insert(
        t.operator,
        [
            {
                "id": made,
                "name": name,
                "name_key": name_key(name),
                "role": role.value,
                "lead": int(lead),
                "created_at": tx.now,
                "created_by": by,
            }
        ],
        # Another terminal may have been faster with either of them.
        tail="ON CONFLICT DO NOTHING",
    )
    return made if await tx.value("SELECT 1 FROM operator WHERE id = :id", id=made) is not None else None


async def everyone(tx: Tx, *, lock: bool = False) -> list[Operator]:
    """Everybody, the removed included, in the order they came; `lock` keeps others from changing them meanwhile."""
    locking = " FOR NO KEY UPDATE" if lock and tx.dialect == "postgresql" else ""
    return [operator_of(r) for r in await tx.rows(f"SELECT * FROM operator ORDER BY id{locking}")]


async def named(tx: Tx, name: str) -> Operator | None:
    """A person by name, however its letters are written; the removed included."""
    row = await tx.row("SELECT * FROM operator WHERE name_key = :k", k=name_key(name))
    return operator_of(row) if row is not None else None


async def named_and_owner(tx: Tx, name: str) -> tuple[Operator | None, Operator | None]:
    """The person of that name and the owner, by one look; no owner means that there is nobody at all."""
    key = name_key(name)
    rows = await tx.rows("SELECT * FROM operator WHERE name_key = :k OR (role = 'owner' AND active = 1)", k=key)
    found = [(r.name_key, operator_of(r)) for r in rows]
    return (
        next((o for k, o in found if k == key), None),
        next((o for _k, o in found if o.role is Role.OWNER and o.active), None),
    )


async def update(tx: Tx, operator_id: int, values: Mapping[str, Any]) -> None:
    """Set columns of a person."""
    columns = ", ".join(f"{name} = :{name}" for name in values)
    await tx.do(f"UPDATE operator SET {columns} WHERE id = :id", id=operator_id, **values)


def operator_of(row: Any) -> Operator:
    """A row as decisions see it."""
    return Operator(row.id, row.name, Role(row.role), bool(row.lead), bool(row.active))
