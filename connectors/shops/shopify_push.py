"""Telling Shopify what left: fulfilments made, their numbers changed, and what became of them read back.

`fulfillmentCreate` honours no key and its user errors carry no code, so that every push looks at the order's fulfilment
orders first, and a refusal is explained by looking again. Wire facts: Shopify's published Admin schema, 2026-10.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from connectors.contract import Push, Pushed, PushedInPart, PushFound, PushOutcome
from connectors.http import WireError
from connectors.shops.shopify_api import Api, Pages, Problem
from connectors.shops.shopify_orders import (
    BY_SERVICE,
    VOID,
    Hold,
    Id,
    Route,
    Rows,
    Sent,
    Wire,
    gid,
    number_of,
    raw_status,
)
from connectors.wire import every
from domain.clock import MINUTE, SECOND, Clock, from_datetime
from domain.results import NotActed, NotFound, Refused, Unauthorised, Unknown
from domain.text import safe
from domain.words import _

ORDERS, ROUTES, LINES, LEAST = 10, 5, 50, 5
"""Orders per read at first, fulfilment orders and lines read at once, and the fewest of those."""
ROUTED_MS = 10 * MINUTE
"""So long an order may be without fulfilment orders: a background router makes them after the order."""
SCOPES = ("read_merchant_managed_fulfillment_orders", "write_merchant_managed_fulfillment_orders")
_LISTED = (
    "4PX,Anjun Logistics,China Post,DHL Express,DHL eCommerce,DPD,DPD UK,Evri,FedEx,GLS,Japan Post (EN),La Poste"
    " Colissimo,Mondial Relay,Packeta,PostNL,PostNord SE,Royal Mail,SF Express,SFC Fulfillment,Singapore Post,Swiss"
    " Post,UPS,USPS,Venipak,YunExpress,Yamato (EN),Inpost,Deutsche Post (DE),DHL,Hermes,BRT,SEUR"
)


def _plain(name: str) -> str:
    """A carrier's name for comparison: letters and digits, a country in brackets left out."""
    return "".join(c for c in name.partition(" (")[0].casefold() if c.isalnum())


COMPANIES = {_plain(name): name for name in _LISTED.split(",")}
"""Carriers as Shopify's own list spells them: only these get a tracking link without a `url`."""


class _Piece(Wire):
    id: str
    remaining_quantity: int
    line_item: Id


class _Location(Wire):
    location: Id | None = None


class _Action(Wire):
    action: str


class _Shippable(Route, kw_only=True):
    """What of an order may go from one place, with what is left of it."""

    id: str
    assigned_location: _Location
    supported_actions: list[_Action] = []
    line_items: Rows[_Piece] = msgspec.field(default_factory=Rows)

    @property
    def open(self) -> bool:
        """The one test: closed, cancelled, held, scheduled and another's do not offer it."""
        return any(one.action == "CREATE_FULFILLMENT" for one in self.supported_actions)

    @property
    def place(self) -> str:
        """Where it goes from; one fulfilment takes from one place only."""
        return self.assigned_location.location.id if self.assigned_location.location else ""

    @property
    def pickup(self) -> bool:
        """The buyer comes for it."""
        return self.delivery_method is not None and self.delivery_method.method_type == "PICK_UP"


class _Live(Wire):
    """An order as a push finds it."""

    id: str
    created_at: datetime
    display_fulfillment_status: str
    cancelled_at: datetime | None = None
    display_financial_status: str | None = None
    fulfillments: list[Sent] = []
    fulfillment_orders: Rows[_Shippable] = msgspec.field(default_factory=Rows)

    @property
    def word(self) -> str:
        """Its raw status."""
        financial, fulfillment = self.display_financial_status or "", self.display_fulfillment_status
        return raw_status(self.cancelled_at is not None, financial, fulfillment)

    def told(self, number: str) -> list[Sent]:
        """The living fulfilments that carry a number."""
        alive = [sent for sent in self.fulfillments if sent.status not in VOID]
        return [sent for sent in alive if number and any(number == one.number for one in sent.tracking_info)]

    def left(self, line: str) -> int:
        """Pieces of a line that have not left, wherever they lie."""
        pieces = [piece for route in self.fulfillment_orders.nodes for piece in route.line_items.nodes]
        return sum(piece.remaining_quantity for piece in pieces if number_of(piece.line_item) == line)


class _Found(Wire):
    nodes: list[_Live | None]


class _Order(Wire):
    fulfillment_orders: Rows[_Shippable]


class _MoreRoutes(Wire):
    order: _Order


class _Lines(Wire):
    line_items: Rows[_Piece]


class _MoreLines(Wire):
    fulfillment_order: _Lines


class _InParcel(Wire):
    quantity: int | None
    line_item: Id


class _Parcel(Wire):
    fulfillment_line_items: Rows[_InParcel]


class _Contents(Wire):
    fulfillment: _Parcel | None


class _Payload(Wire):
    user_errors: list[Problem]
    fulfillment: Id | None = None


class _Fulfilled(Wire):
    fulfillment_create: _Payload


class _Retracked(Wire):
    fulfillment_tracking_info_update: _Payload


class _Prepared(Wire):
    fulfillment_order_line_items_prepared_for_pickup: _Payload


class Parcel(Struct):
    """What goes in one call: the fulfilment orders of one place, each with its lines and pieces."""

    pickup: bool
    routes: dict[str, dict[str, int]]


class Telling:
    """Tells one shop of parcels. `companies` maps our carriers to Shopify's, `notify` mails the buyer."""

    def __init__(self, api: Api, clock: Clock, companies: Mapping[str, str], notify: bool) -> None:
        self._api, self._clock, self._notify = api, clock, notify
        self._companies = {_plain(ours): theirs for ours, theirs in companies.items()}
        self._orders, self._lines = ORDERS, LINES

    def company(self, carrier: str) -> str:
        """A carrier as Shopify spells it; one that it does not list stays as it is."""
        plain = _plain(carrier)
        return self._companies.get(plain) or COMPANIES.get(plain) or carrier

    # ------------------------------------------------------------ reading

    async def _live(self, order_ids: Sequence[str]) -> dict[str, "_Live | Refused | WireError"]:
        """Each order as it stands, why nothing may be told of it, or why it could not be read."""
        wanted = list(dict.fromkeys(order_ids))
        found: dict[str, _Live | Refused | WireError] = {}
        while wanted:
            chunk = wanted[: self._orders]
            ids = [gid("Order", order_id) for order_id in chunk]
            try:
                answer = await self._api.ask("Ship", _Found, ids=ids, first=ROUTES, lines=self._lines)
                whole = await every([self._whole(live) for live in answer.nodes])
                found.update(zip(chunk, whole, strict=True))
            except WireError as error:
                if error.outcome.code == "max_cost" and (len(chunk) > 1 or self._lines > LEAST):
                    self._orders, smaller = max(1, len(chunk) // 2), len(chunk) == 1
                    self._lines = max(LEAST, self._lines // 2) if smaller else self._lines
                    continue
                found.update(dict.fromkeys(chunk, error))
            wanted = wanted[len(chunk) :]
        return found

    async def _whole(self, live: _Live | None) -> "_Live | Refused | WireError":
        """The order with every fulfilment order and every line of them."""
        if live is None:
            text = _("The shop no longer shows this order: deleted, or older than the app may read.")
            return Refused("order_gone", text)
        pages = Pages(live.fulfillment_orders.page_info)
        while pages.more:
            more = await self._api.ask(
                "MoreRoutes", _MoreRoutes, id=live.id, after=pages.after, first=ROUTES, lines=self._lines
            )
            live.fulfillment_orders.nodes.extend(more.order.fulfillment_orders.nodes)
            pages.turn(more.order.fulfillment_orders.page_info)
        for route in live.fulfillment_orders.nodes:
            pages = Pages(route.line_items.page_info)
            while pages.more:
                answer = await self._api.ask(
                    "MoreShippable", _MoreLines, id=route.id, after=pages.after, lines=self._lines
                )
                route.line_items.nodes.extend(answer.fulfillment_order.line_items.nodes)
                pages.turn(answer.fulfillment_order.line_items.page_info)
        return live

    async def _missing(self, push: Push, live: _Live) -> dict[str, int]:
        """Pieces per line that no fulfilment under the push's number holds yet; a push without lines means all."""
        wanted = {line.platform_line_id: line.quantity for line in push.lines}
        ours = live.told(push.number)
        if not wanted:
            pieces = [
                piece for route in live.fulfillment_orders.nodes if route.open for piece in route.line_items.nodes
            ]
            lines = dict.fromkeys(number_of(piece.line_item) for piece in pieces if piece.remaining_quantity)
            return {} if ours else {line: live.left(line) for line in lines}
        if sum(sent.total_quantity for sent in ours) >= sum(wanted.values()):
            return {}
        for sent in ours:
            pages = Pages()
            while pages.more:
                answer = await self._api.ask("Contents", _Contents, id=sent.id, after=pages.after)
                rows: Rows[_InParcel] = answer.fulfillment.fulfillment_line_items if answer.fulfillment else Rows()
                for one in rows.nodes:
                    line = number_of(one.line_item)
                    wanted[line] = wanted.get(line, 0) - (one.quantity or 0)
                pages.turn(rows.page_info)
        return {line: pieces for line, pieces in wanted.items() if pieces > 0}

    # ------------------------------------------------------------ telling

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """Orders side by side, the parcels of one order one after the other; what was written is read back."""
        live = await self._live([push.platform_order_id for push in pushes])
        outcomes: list[PushOutcome | None] = [None] * len(pushes)

        async def tell(indexes: Sequence[int]) -> None:
            for turn, index in enumerate(indexes):
                order_id = pushes[index].platform_order_id
                # After the first parcel the order is another one.
                now = live if turn == 0 else await self._live([order_id])
                outcomes[index] = await self._tell(pushes[index], now[order_id])

        by_order: dict[str, list[int]] = {}
        for index, push in enumerate(pushes):
            by_order.setdefault(push.platform_order_id, []).append(index)
        await every([tell(indexes) for indexes in by_order.values()])
        after = await self._live([p.platform_order_id for p, o in zip(pushes, outcomes, strict=True) if o is None])
        return [
            outcome or await self._kept(push, after[push.platform_order_id])
            for push, outcome in zip(pushes, outcomes, strict=True)
        ]

    async def _tell(self, push: Push, live: "_Live | Refused | WireError") -> PushOutcome | None:
        """Write what is missing; None = written, and a read-back decides."""
        if not isinstance(live, _Live):
            return live.outcome if isinstance(live, WireError) else live
        try:
            if live.cancelled_at is not None:
                return Refused("order_cancelled", _("The shop says: {status}").format(status=live.word))
            if push.replaces and live.told(push.replaces):
                return await self._retrack(push, live)
            missing = await self._missing(push, live)
            if not missing and (live.told(push.number) or not push.number):
                return Pushed(push.number, live.word)
            if not push.number and self._gone(live, missing):
                return Pushed("", live.word)
            parcels = await self._parcels(missing, live)
        except WireError as error:
            return error.outcome
        if not isinstance(parcels, list):
            return parcels
        told = bool(live.told(push.number))
        for parcel in parcels:
            try:
                problems = await self._write(push, parcel)
            except WireError as error:
                if told and isinstance(error.outcome, NotActed | Unauthorised):
                    return PushedInPart(push.number)
                return error.outcome
            if problems:
                return await self._explained(push, problems)
            told = True
        return None

    async def _write(self, push: Push, parcel: Parcel) -> list[Problem]:
        if parcel.pickup and not push.number:
            ready = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": route} for route in parcel.routes]}
            prepared = await self._api.ask("Prepared", _Prepared, acts=True, input=ready)
            return prepared.fulfillment_order_line_items_prepared_for_pickup.user_errors
        lines = [
            {
                "fulfillmentOrderId": route,
                "fulfillmentOrderLineItems": [{"id": piece, "quantity": n} for piece, n in pieces.items()],
            }
            for route, pieces in parcel.routes.items()
        ]
        fulfillment: dict[str, Any] = {"lineItemsByFulfillmentOrder": lines, "notifyCustomer": self._notify}
        if push.number:
            fulfillment["trackingInfo"] = self._tracking(push)
        made = await self._api.ask("Fulfil", _Fulfilled, acts=True, fulfillment=fulfillment)
        return made.fulfillment_create.user_errors

    def _tracking(self, push: Push) -> dict[str, Any]:
        pairs = (("company", self.company(push.carrier)), ("number", push.number), ("url", push.url))
        return {name: value for name, value in pairs if value}

    async def _retrack(self, push: Push, live: _Live) -> PushOutcome | None:
        """The number told before gives way to this one; other numbers of the same parcel stay."""
        for sent in live.told(push.replaces):
            kept = [one for one in sent.tracking_info if one.number and one.number != push.replaces]
            tracking = self._tracking(push)
            if kept:
                numbers = [*(one.number for one in kept), push.number]
                urls = [*(one.url or "" for one in kept), push.url]
                tracking = {"company": self.company(push.carrier), "numbers": numbers}
                tracking |= {"urls": urls} if all(urls) else {}
            answer = await self._api.ask(
                "Retrack", _Retracked, acts=True, id=sent.id, tracking=tracking, notify=self._notify
            )
            if problems := answer.fulfillment_tracking_info_update.user_errors:
                return Refused("number_not_kept", _their_words(problems))
        return None

    async def _parcels(
        self, missing: Mapping[str, int], live: _Live
    ) -> list[Parcel] | Refused | NotActed | Unauthorised:
        """Where the missing pieces go from, one parcel per place; or why they cannot go."""
        routes = [route for route in live.fulfillment_orders.nodes if route.open]
        if not live.fulfillment_orders.nodes:
            return await self._unrouted(live)

        def covered(route: _Shippable) -> int:
            left = {number_of(one.line_item): one.remaining_quantity for one in route.line_items.nodes}
            return sum(min(pieces, left.get(line, 0)) for line, pieces in missing.items())

        rest, parcels = dict(missing), dict[tuple[str, bool], Parcel]()
        for route in sorted(routes, key=covered, reverse=True):
            for piece in route.line_items.nodes:
                line = number_of(piece.line_item)
                if (n := min(rest.get(line, 0), piece.remaining_quantity)) > 0:
                    parcel = parcels.setdefault((route.place, route.pickup), Parcel(route.pickup, {}))
                    parcel.routes.setdefault(route.id, {})[piece.id] = n
                    rest[line] -= n
        short = next((line for line, pieces in rest.items() if pieces > 0), None)
        return list(parcels.values()) if short is None else _why(live, short, missing[short])

    async def _unrouted(self, live: _Live) -> Refused | NotActed | Unauthorised:
        """No fulfilment order is shown: too new an order, one that is done, or a permission."""
        if self._clock() - from_datetime(live.created_at) < ROUTED_MS:
            text = _("The shop has not decided yet where this order goes from.")
            return NotActed("not_routed", text, 30 * SECOND)
        if lacking := [scope for scope in SCOPES if scope not in await self._api.scopes()]:
            text = _("The app lacks an access scope. Grant it and install the app again: {scope}")
            return Unauthorised("missing_scope", text.format(scope=", ".join(lacking)))
        text = _("The shop shows nothing of this order that may be shipped: another app's or location's, perhaps.")
        return Refused("not_shippable", text)

    @staticmethod
    def _gone(live: _Live, missing: Mapping[str, int]) -> bool:
        """Without a number only what is left tells: nothing of it, or it waits for its buyer."""
        nodes = live.fulfillment_orders.nodes
        mine = [r for r in nodes if any(number_of(one.line_item) in missing for one in r.line_items.nodes)]
        waits = bool(mine) and all(route.pickup and route.status in {"IN_PROGRESS", "CLOSED"} for route in mine)
        return waits or (bool(mine) and not any(live.left(line) for line in missing))

    async def _explained(self, push: Push, problems: Sequence[Problem]) -> PushOutcome:
        """Why the shop refused, by looking again: its words carry no code and are no contract."""
        words = _their_words(problems)
        live = (await self._live([push.platform_order_id]))[push.platform_order_id]
        if isinstance(live, WireError):
            return Refused("platform_refused", words)
        if isinstance(live, Refused):
            return live
        try:
            missing = await self._missing(push, live)
            if not missing and live.told(push.number):
                return Pushed(push.number, live.word)
            parcels = await self._parcels(missing, live)
        except WireError:
            return Refused("platform_refused", words)
        if live.cancelled_at is not None:
            return Refused("order_cancelled", words)
        if isinstance(parcels, Refused):
            return Refused(parcels.code, f"{parcels.message} ({words})", parcels.field)
        return Refused("platform_refused", words)

    async def _kept(self, push: Push, live: "_Live | Refused | WireError") -> PushOutcome:
        """What the read-back after a write means."""
        if isinstance(live, WireError):
            return Unknown("not_read_back", live.outcome.message)
        if isinstance(live, Refused):
            return live
        try:
            missing = await self._missing(push, live)
        except WireError as error:
            return Unknown("not_read_back", error.outcome.message)
        ours = live.told(push.number)
        if push.number and not ours:
            return Unknown("not_confirmed", _("The shop took the change, but its order does not show it."))
        if push.number and (missing or live.told(push.replaces)):
            return PushedInPart(push.number)
        shown = {_plain(one.company or "") for sent in ours for one in sent.tracking_info if one.number == push.number}
        if push.number and push.carrier and _plain(self.company(push.carrier)) not in shown:
            return Refused("number_not_kept", _("The shop shows the number with another carrier or none."))
        return Pushed(push.number, live.word)

    async def find(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """What became of pushes: our number there, nothing of it and all still to ship, or why not."""
        live = await self._live([push.platform_order_id for push in pushes])
        return await every([self._became(push, live[push.platform_order_id]) for push in pushes])

    async def _became(self, push: Push, live: "_Live | Refused | WireError") -> PushFound:
        try:
            if isinstance(live, WireError):
                raise live
            if isinstance(live, Refused):
                return live
            missing = await self._missing(push, live)
            if live.told(push.number):
                in_part = missing or live.told(push.replaces)
                return PushedInPart(push.number) if in_part else Pushed(push.number, live.word)
            if not push.number and (not missing or self._gone(live, missing)):
                return Pushed("", live.word)
            if live.cancelled_at is not None:
                return Refused("order_cancelled", _("The shop says: {status}").format(status=live.word))
            if live.told(push.replaces):
                return NotFound()
            parcels = await self._parcels(missing, live)
        except WireError as error:
            # A refusal of the read says nothing about the push.
            return error.outcome if not isinstance(error.outcome, Refused) else Unknown("not_read_back", str(error))
        return NotFound() if isinstance(parcels, list) else parcels


def _their_words(problems: Sequence[Problem]) -> str:
    return safe("; ".join(dict.fromkeys(problem.message for problem in problems)), 300)


def _why(live: _Live, line: str, wanted: int) -> Refused:
    """Why pieces of a line cannot go, by what its fulfilment orders say."""
    nodes = live.fulfillment_orders.nodes
    routes = [route for route in nodes if any(number_of(one.line_item) == line for one in route.line_items.nodes)]
    waiting = [route for route in routes if not route.open]
    holds: list[Hold] = [hold for route in waiting for hold in route.fulfillment_holds]
    left = live.left(line)
    if left == 0 and live.fulfillments:
        numbers = {one.number for sent in live.fulfillments for one in sent.tracking_info if one.number}
        text = _("The shop says already shipped, with another number or none: {numbers}")
        return Refused("already_shipped", text.format(numbers=safe(", ".join(sorted(numbers)) or "-", 100)), line)
    if left < wanted:
        text = _("The order no longer has {quantity} of line {line}.")
        return Refused("lines_changed", text.format(quantity=wanted, line=line), line)
    if any(route.status == "ON_HOLD" for route in waiting):
        text = _("On hold in the shop: {reasons}. Release it there, then try again.")
        reasons = ", ".join(filter(None, (f"{hold.reason} {hold.reason_notes or ''}".strip() for hold in holds)))
        return Refused("on_hold", text.format(reasons=safe(reasons or "-", 200)), line)
    if any(route.status == "SCHEDULED" for route in waiting):
        dates = ", ".join(f"{route.fulfill_at:%Y-%m-%d}" for route in waiting if route.fulfill_at)
        text = _("The shop plans this order for later: {date}.")
        return Refused("scheduled", text.format(date=dates or "?"), line)
    if any(route.request_status in BY_SERVICE for route in waiting):
        return Refused(
            "by_service", _("A fulfilment service has been asked to ship this; ask it to give it back."), line
        )
    text = _("The shop does not let this be shipped from here ({status}).")
    statuses = ", ".join(sorted({route.status for route in waiting}))
    return Refused("not_shippable", text.format(status=safe(statuses, 60)), line)
