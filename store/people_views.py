"""What screens and `operator list` read about the people who work here; plain SQL, the same on both engines."""

from typing import Any

from domain.clock import iso
from domain.persons import WHOEVER_OWNS, Operator, Role, name_key
from domain.persons import sees_persons as may_see
from store.views import Fetches


async def operators(reader: Fetches) -> list[Operator]:
    """Everybody, the removed included: those who are here first, then by name."""
    return [
        Operator(r["id"], r["name"], Role(r["role"]), bool(r["lead"]), bool(r["active"])) for r in await _rows(reader)
    ]


async def sees_persons(reader: Fetches, who: str) -> bool:
    """May whoever works as `who` see a buyer's phone, e-mail and street? Everybody while nobody is kept."""
    people = await operators(reader)
    owner = next((o for o in people if o.role is Role.OWNER and o.active), None)
    if owner is None:
        return True
    key = name_key(who)
    named = owner if key == WHOEVER_OWNS else next((o for o in people if name_key(o.name) == key), None)
    return named is not None and may_see(named)


async def listing(reader: Fetches) -> list[dict[str, Any]]:
    """Everybody as flat objects with the keys of `docs/cli.md`, in the same order."""
    return [
        {
            "id": r["id"],
            "name": r["name"],
            "role": r["role"],
            "lead": bool(r["lead"]),
            "active": bool(r["active"]),
            "created_at": iso(r["created_at"]),
            "created_by": r["created_by"],
        }
        for r in await _rows(reader)
    ]


async def _rows(reader: Fetches) -> list[dict[str, Any]]:
    found = await reader.fetch("SELECT version_num FROM alembic_version")
    if found and found[0]["version_num"] == "0001":
        # A file that only looks are allowed at is not migrated; that schema knew nobody.
        return []
    rows = await reader.fetch("SELECT id, name, name_key, role, lead, active, created_at, created_by FROM operator")
    # Sorted here: the engines disagree about letters beyond ASCII.
    return sorted(rows, key=lambda r: (not r["active"], r["name_key"]))
