"""Where a WooCommerce shop keeps a parcel's number: core fulfilments, the Shipment Tracking extension, or a note.

Core orders have no field for it. What the shop has is asked once a day, and again when a route turns out to be gone.
Fulfilments and the extension honour no key of ours, so that their lists are looked at before anything is added; that
the status `completed` follows is the push's own step. Wire facts: WooCommerce 10.1 and later (fulfilments), the
extension's REST API v3.
"""

import asyncio
import html
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec

from connectors.contract import Parsed, Push
from connectors.http import WireError
from connectors.shops.woocommerce_api import API, Api
from connectors.shops.woocommerce_orders import Fulfillment, metas
from connectors.wire import as_text
from domain.clock import DAY, Clock, Instant
from domain.results import Refused
from domain.words import _

T = TypeVar("T")

AUTO, FULFILLMENTS, SHIPMENT_TRACKING, NOTE = "auto", "fulfillments", "shipment_tracking", "note"
PLACES = (AUTO, FULFILLMENTS, SHIPMENT_TRACKING, NOTE)
"""What `tracking_place` may say."""
EXTENSION = "/wc-shipment-tracking/v3"


class Place(Protocol):
    """One way to keep a parcel's number."""

    async def holds(self, push: Push) -> bool:
        """Is this number of this order there? Raises `WireError`."""

    async def put(self, push: Push, live: Parsed) -> None:
        """Put the number there where the push tells one, unless it is there already. Raises `WireError`."""


def _tells(push: Push) -> bool:
    return push.tell and bool(push.number)


class Notes:
    """An order note: any shop has it, and it may be mailed."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def holds(self, push: Push) -> bool:
        """Is the number a word of any note?"""
        notes, _answer = await self._api.get(f"{API}/orders/{push.platform_order_id}/notes", list[dict[str, Any]])
        number = re.compile(rf"(?<![0-9A-Za-z]){re.escape(push.number)}(?![0-9A-Za-z])")
        return any(number.search(html.unescape(as_text(note.get("note")))) for note in notes)

    async def put(self, push: Push, live: Parsed) -> None:
        """A note with carrier, number and address. It is looked for where an earlier try may have written it."""
        if not _tells(push) or (push.retry and await self.holds(push)):
            return
        note = " ".join(filter(None, (push.carrier, push.number, push.url)))
        json = {"note": note, "customer_note": self._api.yes("customer_note")}
        await self._api.write("POST", f"{API}/orders/{push.platform_order_id}/notes", json, msgspec.Raw)


class Fulfillments:
    """Core fulfilments: each parcel with its pieces. Fulfilled is one only once its order finishes (ROA-19)."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def _path(self, push: Push) -> str:
        return f"{API}/orders/{push.platform_order_id}/fulfillments"

    async def _held(self, push: Push) -> list[Fulfillment]:
        found, _answer = await self._api.get(self._path(push), list[Fulfillment])
        return [one for one in found if one.number()]

    async def holds(self, push: Push) -> bool:
        """Has a fulfilment of the order this number?"""
        return any(one.number() == push.number for one in await self._held(push))

    async def put(self, push: Push, live: Parsed) -> None:
        """A fulfilment of the parcel's pieces; with the order's last parcel those before it become fulfilled too."""
        held = await self._held(push)
        if _tells(push) and all(one.number() != push.number for one in held):
            body = self._body(push, push.finish, _meta(push, live))
            await self._api.write("POST", self._path(push), body, msgspec.Raw)
        for one in held if push.finish else ():
            if one.is_fulfilled is not True:
                # An update drops whatever it does not name.
                whole = [{"id": meta.id, "key": meta.key, "value": meta.value} for meta in metas(one.meta_data)]
                path = f"{self._path(push)}/{as_text(one.id)}"
                await self._api.write("PUT", path, self._body(push, True, whole), msgspec.Raw)

    def _body(self, push: Push, fulfilled: bool, meta: object) -> dict[str, object]:
        return {
            "entity_type": "WC_Order",
            "entity_id": push.platform_order_id,
            "status": "fulfilled" if fulfilled else "unfulfilled",
            "is_fulfilled": fulfilled,
            "notify_customer": fulfilled and self._api.yes("customer_note"),
            "meta_data": meta,
        }


def _meta(push: Push, live: Parsed) -> list[dict[str, object]]:
    """What a new fulfilment holds. A push that names no lines means all that is left of the order."""
    pieces = {line.platform_line_id: line.quantity for line in push.lines} or {
        line.platform_line_id: int(line.quantity - line.cancelled - line.fulfilled) for line in live.order.lines
    }
    values: dict[str, object] = {
        "_items": [{"item_id": int(line), "qty": quantity} for line, quantity in pieces.items() if quantity > 0],
        "_tracking_number": push.number,
        "_tracking_url": push.url,
        "_shipment_provider": "other",
        "_provider_name": push.carrier,
    }
    return [{"id": 0, "key": key, "value": value} for key, value in values.items()]


class ShipmentTracking:
    """The Shipment Tracking extension: a list of numbers per order, which the shop's mail of completion carries."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, str] | None = None
        self._asking = asyncio.Lock()

    def _path(self, push: Push) -> str:
        return f"{EXTENSION}/orders/{push.platform_order_id}/shipment-trackings"

    async def holds(self, push: Push) -> bool:
        """Does the order's list have this number?"""
        found, _answer = await self._api.get(self._path(push), list[dict[str, Any]])
        return any(as_text(one.get("tracking_number")).strip() == push.number for one in found)

    async def put(self, push: Push, live: Parsed) -> None:
        """The number under a carrier the extension knows (it then makes the link), else under the carrier's own name."""
        if not _tells(push) or await self.holds(push):
            return
        body = {"tracking_number": push.number}
        if known := (await self._carriers()).get(push.carrier.strip().casefold()):
            body["tracking_provider"] = known
        else:
            body |= {"custom_tracking_provider": push.carrier, "custom_tracking_link": push.url}
        await self._api.write("POST", self._path(push), body, msgspec.Raw)

    async def _carriers(self) -> dict[str, str]:
        """The carriers it knows, by their names in small letters."""
        async with self._asking:
            if self._known is None:
                regions = await self._regions()
                known = [name for carriers in regions.values() if isinstance(carriers, dict) for name in carriers]
                self._known = {name.casefold(): name for name in known}
            return self._known

    async def _regions(self) -> dict[str, Any]:
        try:
            found, _answer = await self._api.get(f"{EXTENSION}/shipment-trackings/providers", Any)
        except WireError as error:
            if not isinstance(error.outcome, Refused):
                raise
            return {}  # A carrier's own name does as well.
        return found if isinstance(found, dict) else {}


class Places:
    """The place of one shop: as its setting says, or (`auto`) the first that the shop has."""

    def __init__(self, api: Api, wanted: str, clock: Clock) -> None:
        self._api, self._wanted, self._clock = api, wanted, clock
        self._all: dict[str, Place] = {
            FULFILLMENTS: Fulfillments(api),
            SHIPMENT_TRACKING: ShipmentTracking(api),
            NOTE: Notes(api),
        }
        self._found = "" if wanted == AUTO else wanted
        self._asked_at: Instant = 0
        self._asking = asyncio.Lock()  # Many pushes at once ask one time.

    async def holds(self, push: Push) -> bool:
        """Is the number there, or in a note (where it went before the shop had the place it has now)?"""
        return await self._at(lambda place: place.holds(push)) or (
            self._found != NOTE and await self._all[NOTE].holds(push)
        )

    async def put(self, push: Push, live: Parsed) -> None:
        """Put the number into the shop's place."""
        await self._at(lambda place: place.put(push, live))

    async def _at(self, act: Callable[[Place], Awaitable[T]]) -> T:
        try:
            return await act(self._all[await self._name()])
        except WireError as error:
            # A route that is gone was certainly not acted on; what the shop has now is asked once more.
            if error.outcome.code != "no_rest_api" or self._wanted != AUTO:
                raise
        self._found = ""
        return await act(self._all[await self._name()])

    async def _name(self) -> str:
        async with self._asking:
            if self._wanted == AUTO and (not self._found or self._clock() - self._asked_at > DAY):
                self._found, self._asked_at = await self._ask(), self._clock()
            return self._found

    async def _ask(self) -> str:
        index, _answer = await self._api.get(API, dict[str, Any])
        routes = index.get("routes")
        if any(str(route).endswith("/fulfillments") for route in (routes if isinstance(routes, dict) else ())):
            return FULFILLMENTS
        try:
            index, _answer = await self._api.get(EXTENSION, dict[str, Any])
        except WireError as error:
            if error.outcome.code != "no_rest_api":
                raise
            return NOTE
        return SHIPMENT_TRACKING if index.get("namespace") == EXTENSION[1:] else NOTE

    async def told_where(self) -> str:
        """Where numbers go, for the person who checks the shop; '' for a note, as in most shops."""
        try:
            found = await self._name()
        except WireError as error:
            return _("What the shop keeps tracking numbers in could not be found out: {reason}").format(
                reason=error.outcome.message
            )
        if found == NOTE:
            return ""
        title = {FULFILLMENTS: _("WooCommerce's fulfilments"), SHIPMENT_TRACKING: "Shipment Tracking"}[found]
        return _("Tracking numbers go to {place} (tracking_place).").format(place=title)
