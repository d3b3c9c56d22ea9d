"""Compares two sets of books: what the simulated platform says over HTTP, and what we hold."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from domain.enums import Submission
from pipeline.base import Pipeline
from store import books
from store.database import Tx
from store.doctor import examine


class Books(Protocol):
    """A simulated third party that shows its books."""

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Call its back door."""


async def compare(
    p: Pipeline, shop: Books, carrier: Books, refused: Mapping[str, int], kills: int, seconds: float
) -> dict[str, Any]:
    """The demo's closing document; `differences` is empty when every promise held."""
    platform = {str(o["id"]): o for o in shop.admin("GET", "orders")}
    counted = shop.admin("GET", "counts")["orders"]
    waybills = carrier.admin("GET", "waybills")
    faults: Counter[str] = Counter()
    for twin in (shop, carrier):
        faults.update(twin.admin("GET", "faults"))
    if kills:
        faults["worker_killed"] = kills
    async with p.store.reading() as tx:
        ours = await books.figures(tx)
        wrong = [f"{f.check}: {f.where}: {f.found}" for f in await examine(tx)]
    total = ours.orders + ours.abnormal + sum(ours.excluded.values())
    if total != counted:
        wrong.append(f"orders: {total} accounted for, {counted} on the platform")
    async with p.store.reading() as tx:
        wrong += await _pushes(tx, platform)
        wrong += await _labels(tx, waybills)
    return {
        "platform_orders": counted,
        "orders": ours.orders,
        "abnormal": ours.abnormal,
        "excluded": ours.excluded,
        "stages": ours.stages,
        "shipped": ours.shipped,
        "pushed": ours.pushed,
        "refused": dict(sorted(refused.items())),
        "effects": ours.effects,
        "faults": dict(sorted(faults.items())),
        "labels": ours.labels,
        "stock_deducted": ours.stock_deducted,
        "seconds": round(seconds, 1),
        "orders_per_second": round(ours.shipped / seconds, 1),
        "differences": wrong,
    }


async def _pushes(tx: Tx, platform: Mapping[str, Any]) -> list[str]:
    """Every order we call done is shipped exactly once there, with our number; none other by us."""
    wrong = []
    done: dict[str, set[str]] = {}
    for told in await books.told_orders(tx):
        if told.state == Submission.DONE.value:
            done.setdefault(told.platform_order_id, set()).add(told.number)
    for order_id, numbers in done.items():
        there = platform.get(order_id)
        if there is None:
            wrong.append(f"order {order_id}: done here, unknown there")
            continue
        noted = [t["number"] for t in there["tracking"] if "note_id" in t]
        for number in numbers - {""}:
            if noted.count(number) != 1:
                wrong.append(f"order {order_id}: number {number} told {noted.count(number)} times")
        if there["times_completed"] > 1:
            wrong.append(f"order {order_id}: completed {there['times_completed']} times")
    for order_id, there in platform.items():
        if there["made_by_us"] and order_id not in done:
            wrong.append(f"order {order_id}: completed there by us, not done here")
    return wrong


async def _labels(tx: Tx, waybills: list[dict[str, Any]]) -> list[str]:
    """Every reference at the carrier was bought once, and every number we hold is one of theirs."""
    wrong = [
        f"waybill {w['reference']}: created {w['created_times']} times" for w in waybills if w["created_times"] > 1
    ]
    theirs = {w["reference"]: w for w in waybills}
    for r in await books.held_numbers(tx, "simulated"):
        there = theirs.get(r.reference)
        if there is None or there["number"] != r.number:
            wrong.append(f"waybill {r.reference}: number {r.number} is not the carrier's")
        elif r.state == "void" and there["status"] != "void":
            wrong.append(f"waybill {r.reference}: void here, {there['status']} there")
    return wrong
