"""WooCommerce: telling a shop what was shipped, and finding out what it was told.

The number goes where the shop keeps numbers (`woocommerce_parcels`); once the goods are written off it goes into the
order's meta too, together with the status `completed`. The shop itself would complete a cancelled order without
complaint, so that every push looks at the live order first.
"""

import html
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from connectors.contract import (
    Gone,
    Parsed,
    Poison,
    Push,
    Pushed,
    PushedInPart,
    PushFound,
    PushLine,
    PushOutcome,
)
from connectors.http import Answer, WireError
from connectors.shops.woocommerce_api import API, PAGE, Api, failed
from connectors.shops.woocommerce_orders import Head, Reading, WireOrder, meta_text, metas
from connectors.shops.woocommerce_parcels import Places
from connectors.wire import as_text, every
from domain.enums import DONE_ORDER, OrderStatus
from domain.records import Order
from domain.results import NotActed, NotFound, Refused, Unauthorised, Unknown
from domain.text import safe
from domain.words import _

BATCH = 5
"""Orders completed in one call. The shop may send a mail for each while we wait: many more outlast its time limits, and
what is cut off then must be read back for all of them."""

_DEAD = {
    OrderStatus.CANCELLED: "order_cancelled",
    OrderStatus.REFUNDED: "order_refunded",
    OrderStatus.FAILED: "order_failed",
    OrderStatus.DELETED: "order_gone",
}
_Live = Parsed | Refused | WireError
_Read = Callable[[Sequence[str]], Awaitable[Sequence[Parsed | Poison | Gone]]]


class _Completed(Struct):
    """One order in a batch's answer: itself, or its own error."""

    id: Any = None
    status: Any = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Batch(Struct):
    update: list[_Completed]


class Telling:
    """Tells one shop. `keys` are the meta keys of number and carrier; `read` reads orders as they stand."""

    def __init__(self, api: Api, places: Places, reading: Reading, keys: tuple[str, str], read: _Read) -> None:
        self._api, self._places, self._reading, self._read = api, places, reading, read
        self._tracking_key, self._provider_key = keys
        self._batches = True

    # ------------------------------------------------------------ telling

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """One outcome per push, each guarded by a live read before it and believed only when read back."""
        live = await self._live([push.platform_order_id for push in pushes])
        outcomes: list[PushOutcome | None] = [None] * len(pushes)

        async def tell(indexes: Sequence[int]) -> None:
            for index in indexes:
                outcomes[index] = await self._tell(pushes[index], live[pushes[index].platform_order_id])

        by_order: dict[str, list[int]] = {}
        # Of several parcels of one order the one that finishes it goes last.
        for index in sorted(range(len(pushes)), key=lambda i: pushes[i].finish):
            by_order.setdefault(pushes[index].platform_order_id, []).append(index)
        await every([tell(indexes) for indexes in by_order.values()])
        told = [index for index, outcome in enumerate(outcomes) if outcome is None]
        changes = [self._change(pushes[index], live[pushes[index].platform_order_id]) for index in told]
        for index, failure in zip(told, await self._complete(changes), strict=True):
            outcomes[index] = failure and _in_part(pushes[index], failure)
        written = [push.platform_order_id for push, outcome in zip(pushes, outcomes, strict=True) if outcome is None]
        after = await self._live(written)
        return [
            outcome or self._kept(push, after[push.platform_order_id])
            for push, outcome in zip(pushes, outcomes, strict=True)
        ]

    async def _live(self, order_ids: Sequence[str]) -> dict[str, _Live]:
        """Each order as it stands, why nothing may be told of it any more, or why it could not be read."""
        unique = list(dict.fromkeys(order_ids))
        live: dict[str, _Live] = {}
        for start in range(0, len(unique), PAGE):
            chunk = unique[start : start + PAGE]
            try:
                live.update(zip(chunk, map(_alive, await self._read(chunk)), strict=True))
            except WireError as error:
                live.update(dict.fromkeys(chunk, error))
        return live

    def _done(self, order: Order) -> bool:
        """Does the shop's own status say so? Fulfilments alone leave it where it was."""
        return self._reading.statuses.get(order.raw_status.removeprefix("wc-")) in DONE_ORDER

    async def _tell(self, push: Push, live: _Live) -> PushOutcome | None:
        """Tell the number; None = the order may be completed now."""
        if not isinstance(live, Parsed):
            return live.outcome if isinstance(live, WireError) else live
        order = live.order
        ours = bool(push.number) and push.number in order.tracking
        try:
            if self._done(order):
                if not push.number or ours or await self._places.holds(push):
                    return Pushed(push.number, order.raw_status)
                text = _("The shop already says {status}, with another number or none.")
                return Refused("already_shipped", text.format(status=safe(order.raw_status, 40)))
            if order.status in DONE_ORDER and push.number and not ours:
                return Refused("already_shipped", _("The shop has fulfilled all of it, with another number or none."))
            if not ours and (excess := _excess(push, order)):
                text = _("The order no longer has {quantity} of line {line}.")
                words = text.format(quantity=excess.quantity, line=excess.platform_line_id)
                return Refused("lines_changed", words, excess.platform_line_id)
            if push.finish or push.tell:
                await self._places.put(push, live)
        except WireError as error:
            return error.outcome
        # ROA-19: without `finish` nothing of the order itself is touched.
        return None if push.finish else await self._number_kept(push, order.raw_status)

    async def _number_kept(self, push: Push, status: str) -> PushOutcome:
        try:
            if not push.number or not push.tell or await self._places.holds(push):
                return Pushed(push.number, status)
        except WireError as error:
            return Unknown("not_read_back", error.outcome.message)
        return Refused("number_not_kept", _("The shop took the tracking number but does not show it."))

    # ------------------------------------------------------------ completing

    def _change(self, push: Push, live: _Live) -> dict[str, Any]:
        """What completes an order: only the keys that change, since others would make the shop count it anew."""
        assert isinstance(live, Parsed)
        change: dict[str, Any] = {"id": int(push.platform_order_id), "status": "completed"}
        if push.number:
            wire = msgspec.json.decode(live.raw, type=WireOrder)
            pairs = ((self._tracking_key, push.number), (self._provider_key, push.carrier))
            change["meta_data"] = [_joined(wire, key, value) for key, value in pairs if value]
        return change

    async def _complete(self, changes: Sequence[dict[str, Any]]) -> list[PushOutcome | None]:
        """Why each order was not completed, or None for those that the shop says it has completed."""
        parts = [changes[start : start + BATCH] for start in range(0, len(changes), BATCH)]
        return [one for part in await every([self._complete_part(part) for part in parts]) for one in part]

    async def _complete_part(self, part: Sequence[dict[str, Any]]) -> list[PushOutcome | None]:
        if len(part) > 1 and self._batches:
            try:
                answer = await self._api.write("POST", f"{API}/orders/batch", {"update": part}, _Batch)
            except WireError as error:
                if not isinstance(error.outcome, Refused):
                    return [error.outcome] * len(part)
                # The whole call was turned away, so that nothing was done: some hosts and keys take no batches.
                self._batches = False
            else:
                by_id = {as_text(one.id): one for one in answer.update}
                missing = Unknown("not_confirmed", _("The shop took the change, but its order does not show it."))
                found = [by_id.get(str(change["id"])) for change in part]
                return [missing if one is None else _completed(one) for one in found]
        return await every([self._complete_one(change) for change in part])

    async def _complete_one(self, change: dict[str, Any]) -> PushOutcome | None:
        own = {key: value for key, value in change.items() if key != "id"}
        try:
            answer = await self._api.write("PUT", f"{API}/orders/{change['id']}", own, Head)
        except WireError as error:
            return error.outcome
        return _status_kept(answer.status)

    def _kept(self, push: Push, live: _Live) -> PushOutcome:
        """What the read-back after a finishing push means."""
        if isinstance(live, WireError):
            return Unknown("not_read_back", live.outcome.message)
        if isinstance(live, Refused):
            return live
        if not self._done(live.order):
            return Unknown("not_confirmed", _("The shop took the change, but its order does not show it."))
        carriers = meta_text(msgspec.json.decode(live.raw, type=WireOrder).meta_data, self._provider_key)
        if push.number and (
            push.number not in live.order.tracking or push.carrier.strip() not in html.unescape(carriers)
        ):
            return Refused("number_not_kept", _("The shop completed the order but dropped tracking number or carrier."))
        return Pushed(push.number, live.order.raw_status)

    # ------------------------------------------------------------ looking

    async def find(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """What became of pushes: a number counts where it stands, in the order's meta, in the shop's place, in a note."""
        live = await self._live([push.platform_order_id for push in pushes])
        return await every([self._look(push, live[push.platform_order_id]) for push in pushes])

    async def _look(self, push: Push, live: _Live) -> PushFound:
        try:
            if isinstance(live, WireError):
                raise live
            if isinstance(live, Refused):
                return live
            told = bool(push.number) and (push.number in live.order.tracking or await self._places.holds(push))
        except WireError as error:
            # A firewall's refusal of the read says nothing about the push.
            return error.outcome if not isinstance(error.outcome, Refused) else Unknown("not_read_back", str(error))
        if (told or not push.number) and (self._done(live.order) or not push.finish):
            return Pushed(push.number, live.order.raw_status)
        return PushedInPart(push.number) if told else NotFound()


def _alive(found: Parsed | Poison | Gone) -> _Live:
    """The guard every push meets."""
    if isinstance(found, Poison):
        return WireError(Refused(found.code, found.message))
    if isinstance(found, Gone):
        return Refused("order_gone", _("The shop no longer knows this order."))
    if not (code := _DEAD.get(found.order.status)):
        return found
    return Refused(code, _("The shop says: {status}").format(status=safe(found.order.raw_status, 40)))


def _excess(push: Push, order: Order) -> PushLine | None:
    """The first line of the parcel of which the live order has less, refunded and fulfilled pieces taken off."""
    left = {line.platform_line_id: line.quantity - line.cancelled - line.fulfilled for line in order.lines}
    return next((line for line in push.lines if line.quantity > left.get(line.platform_line_id, 0)), None)


def _joined(wire: WireOrder, key: str, value: str) -> dict[str, Any]:
    """The meta entry to send: what stands there is kept, ours is added (an order of several parcels)."""
    old = [meta for meta in metas(wire.meta_data) if meta.key == key]
    values = [part.strip() for meta in old for part in as_text(meta.value).split(",")]
    entry = {"key": key, "value": ", ".join(dict.fromkeys(part for part in [*values, value] if part))}
    # The key alone would be ambiguous where it stands twice.
    return {"id": old[0].id, **entry} if len(old) > 1 else entry


def _completed(one: _Completed) -> PushOutcome | None:
    """What one order's part of a batch's answer means."""
    if one.error is msgspec.UNSET:
        return _status_kept(one.status)
    try:
        data = msgspec.json.decode(one.error, type=dict[str, Any]).get("data")
    except msgspec.MsgspecError:
        data = None
    status = data.get("status") if isinstance(data, dict) else None
    return failed(Answer(status if isinstance(status, int) else 500, {}, bytes(one.error)), acts=True).outcome


def _status_kept(status: object) -> Refused | None:
    if as_text(status) == "completed":
        return None
    text = _("The shop took the change but keeps the status {status}.")
    return Refused("status_not_kept", text.format(status=safe(as_text(status), 40)))


def _in_part(push: Push, failure: PushOutcome) -> PushOutcome:
    """A status that was certainly not set leaves a number that was told before it."""
    told = push.tell and push.number and isinstance(failure, NotActed | Unauthorised)
    return PushedInPart(push.number) if told else failure
