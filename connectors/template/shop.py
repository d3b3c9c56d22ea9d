"""Newshop through its JSON API: orders by last change, parcels told by one call each.

Wire facts: say here where they come from, and put what nobody could confirm into `unconfirmed`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

import msgspec
from msgspec import Struct

from connectors.contract import (
    Binding,
    Checked,
    Field,
    Gone,
    Limits,
    OrderPage,
    Parsed,
    Poison,
    ProductPage,
    Push,
    Pushed,
    PushedInPart,
    PushFound,
    PushOutcome,
    Repeat,
    ShopCapabilities,
    ShopDeclaration,
)
from connectors.http import WireError, failure
from connectors.wire import BadOrder, as_number, understood
from domain.clock import MINUTE, Instant, from_datetime, iso
from domain.enums import DEAD_ORDER, DONE_ORDER, OrderKind, OrderStatus, Payment
from domain.money import Money
from domain.records import Address, Buyer, Order, OrderLine, Product
from domain.results import NotFound, Refused, Unknown
from domain.text import safe

T = TypeVar("T")

API = "/api/v1"
PAGE = 50
OVERLAP = 10 * MINUTE
"""An order may show up a little after the instant it is dated with, so that every run looks back."""

STATUSES = {
    "new": OrderStatus.UNPAID,
    "paid": OrderStatus.OPEN,
    "shipped": OrderStatus.SHIPPED,
    "cancelled": OrderStatus.CANCELLED,
}


# ---------------------------------------------------------------- what travels


class _Item(Struct):
    id: int
    product: int
    title: str
    pieces: int
    price: str
    total: str
    sku: str = ""
    taken_back: int = 0


class _Parcel(Struct):
    number: str


class _Order(Struct):
    id: int
    number: str
    state: str
    created: datetime
    changed: datetime
    currency: str
    total: str
    items: list[_Item]
    paid: datetime | None = None
    buyer: dict[str, Any] = {}
    address: dict[str, Any] = {}
    pickup: bool = False
    case: str = ""
    note: str = ""
    parcels: list[_Parcel] = []


class _Head(Struct):
    """What finds an order even where the rest of it is nonsense."""

    id: int | str = ""
    changed: str = ""


class _Orders(Struct):
    orders: list[msgspec.Raw]


class _Unit(Struct):
    id: int
    title: str
    sku: str = ""
    stock: int | None = None


class _Units(Struct):
    products: list[msgspec.Raw]


class _Shop(Struct):
    title: str
    zone: str
    currency: str


class _Count(Struct):
    count: int


# ---------------------------------------------------------------- wire values → ours


def _line(item: _Item, currency: str) -> OrderLine:
    return OrderLine(
        platform_line_id=str(item.id),
        name=item.title,
        quantity=Decimal(item.pieces),
        cancelled=Decimal(item.taken_back),
        sku=item.sku,
        platform_product_id=str(item.product),
        unit_price=item.price,
        total_minor=Money.parse(as_number(item.total, "A line's total"), currency).minor,
    )


def _order(wire: _Order) -> Order:
    status = STATUSES.get(wire.state)
    buyer = {name: str(wire.buyer.get(name) or "") for name in ("first_name", "last_name", "phone", "email")}
    names = ("name", "company", "line1", "line2", "city", "state", "postcode", "country", "phone", "email")
    return Order(
        platform_order_id=str(wire.id),
        number=wire.number,
        status=status or OrderStatus.OPEN,
        raw_status=wire.state,
        kind=OrderKind.PICKUP if wire.pickup else OrderKind.DELIVERY,
        payment=Payment.PREPAID,
        currency=wire.currency,
        total_minor=Money.parse(as_number(wire.total, "The order's amount"), wire.currency).minor,
        created_at=from_datetime(wire.created),
        updated_at=from_datetime(wire.changed),
        buyer=Buyer(**buyer, redacted=bool(wire.buyer.get("hidden"))),
        address=Address(**{name: str(wire.address.get(name) or "") for name in names}),
        lines=tuple(_line(item, wire.currency) for item in wire.items),
        paid_at=from_datetime(wire.paid) if wire.paid else None,
        buyer_note=wire.note,
        after_sale=wire.case == "open",
        tracking=tuple(dict.fromkeys(parcel.number for parcel in wire.parcels if parcel.number)),
        # What nobody has heard of is reported, never dropped and never guessed.
        warnings=() if status else (f"unknown_status:{wire.state}",),
    )


def _head(raw: bytes) -> _Head:
    try:
        return msgspec.json.decode(raw, type=_Head)
    except (msgspec.MsgspecError, RecursionError):
        return _Head()


def parse_order(raw: bytes) -> Parsed | Poison:
    """One order's JSON as ours, or why it cannot be; never raises for what a shop may send."""
    return understood(lambda: _order(msgspec.json.decode(raw, type=_Order)), raw, str(_head(raw).id))


def _unit(raw: bytes) -> Product:
    wire = msgspec.json.decode(raw, type=_Unit)
    stock = None if wire.stock is None else Decimal(wire.stock)
    return Product(str(wire.id), "", wire.title, sku=wire.sku, stock_managed=stock is not None, stock_quantity=stock)


# ---------------------------------------------------------------- the connector


class Newshop:
    """A shop of Newshop, bound with a token."""

    declaration: ClassVar[ShopDeclaration] = ShopDeclaration(
        platform="newshop",
        title="Newshop",
        fields=(
            Field("url", "Shop address", help="https://…"),
            Field("token", "Token", secret=True, help="Settings → API → New token."),
        ),
        capabilities=ShopCapabilities(
            kinds=frozenset({OrderKind.DELIVERY, OrderKind.PICKUP}),
            push_early=True,
            early_is_note_only=True,
            partial=True,
            merge=True,
            check_before_ship=True,
            after_sale=True,
            stock_read=True,
        ),
        limits=Limits(calls_per_second=10, parallel=2, batch=PAGE),
        push_repeat=Repeat.READ_BACK,
        first_import_excludes=frozenset({"shipped", "cancelled"}),
    )

    def __init__(self, binding: Binding) -> None:
        self._binding, self._http = binding, binding.http

    # ------------------------------------------------------------ calling

    async def _ask(
        self, method: str, path: str, kind: type[T], params: Mapping[str, str] | None = None, json: Any = None
    ) -> T:
        """Call the API. Raises `WireError`; for a call that may have acted, an answer nobody understands is `Unknown`."""
        headers = {"Authorization": f"Bearer {self._binding.secrets.get('token', '').strip()}"}
        acts = method != "GET"
        for attempt in (1, 2):
            answer = await self._http.call(method, API + path, params=params, json=json, headers=headers)
            if not 200 <= answer.status < 300:
                raise _refused(answer.body, failure(answer, acts), answer.status)
            try:
                return msgspec.json.decode(answer.body, type=kind)
            except (msgspec.MsgspecError, RecursionError):
                if acts or attempt == 2:  # Half an answer to a read is worth a second look.
                    raise failure(answer, acts) from None
        raise AssertionError("unreachable")

    # ------------------------------------------------------------ binding

    async def check(self) -> Checked:
        """Who the shop is."""
        shop = await self._ask("GET", "/shop", _Shop)
        return Checked(shop.title, shop.zone, shop.currency)

    # ------------------------------------------------------------ orders

    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        """Orders by last change. The cursor is the change of the newest row read, and its id within a run: `2026-…Z|41`."""
        changed, _sep, after = cursor.partition("|")
        if changed and not after:
            changed = iso(from_datetime(datetime.fromisoformat(changed)) - OVERLAP) or ""
        bounds = {} if created_since is None else {"created_from": iso(-(-created_since // 1000) * 1000) or ""}
        last = False
        newest = cursor.partition("|")[0]
        while not last:
            params = {**bounds, "limit": str(PAGE), "after_id": after or "0"}
            if changed:
                params["changed_from"] = changed
            rows = [bytes(raw) for raw in (await self._ask("GET", "/orders", _Orders, params)).orders]
            last = len(rows) < PAGE
            if rows:
                head = _head(rows[-1])
                changed, after = head.changed, str(head.id)
                newest = max(newest, changed)
            yield OrderPage(tuple(map(parse_order, rows)), newest if last else f"{changed}|{after}", last)

    async def count_orders(self, created_before: Instant | None) -> int | None:
        """How many there are."""
        bounds = {} if created_before is None else {"created_before": iso(-(-created_before // 1000) * 1000) or ""}
        return (await self._ask("GET", "/orders/count", _Count, bounds)).count

    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        """One answer per id, in the order asked."""
        wanted = [one for one in dict.fromkeys(platform_order_ids) if one.isdecimal() and len(one) < 19]
        found: dict[str, Parsed | Poison] = {}
        for start in range(0, len(wanted), PAGE):
            ids = ",".join(wanted[start : start + PAGE])
            for raw in (await self._ask("GET", "/orders", _Orders, {"ids": ids, "limit": str(PAGE)})).orders:
                found[str(_head(bytes(raw)).id)] = parse_order(bytes(raw))
        return [found.get(order_id) or Gone(order_id) for order_id in platform_order_ids]

    # ------------------------------------------------------------ products

    async def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """Every product by id; the cursor is the id to go on after."""
        after, last = cursor or "0", False
        while not last:
            params = {"after_id": after, "limit": str(PAGE)}
            raws = [bytes(raw) for raw in (await self._ask("GET", "/products", _Units, params)).products]
            units, problems = _units(raws)
            last = len(raws) < PAGE
            after = str(_head(raws[-1]).id) if raws else after
            yield ProductPage(tuple(units), tuple(problems), "" if last else after, last)

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """These products; ids the shop does not know are left out."""
        wanted = [one for one in dict.fromkeys(platform_product_ids) if one.isdecimal() and len(one) < 19]
        if not wanted:
            return []
        answer = await self._ask("GET", "/products", _Units, {"ids": ",".join(wanted), "limit": str(len(wanted))})
        units, problems = _units([bytes(raw) for raw in answer.products])
        return [*units, *problems]

    # ------------------------------------------------------------ pushing

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """Guard by a live read, tell, and believe what is read back. Of several parcels the finishing one goes last."""
        outcomes: dict[int, PushOutcome] = {}
        for index in sorted(range(len(pushes)), key=lambda i: pushes[i].finish):
            try:
                outcomes[index] = await self._tell(pushes[index])
            except WireError as error:
                outcomes[index] = error.outcome
        return [outcomes[index] for index in range(len(pushes))]

    async def _tell(self, push: Push) -> PushOutcome:
        live = await self._live(push)
        if not isinstance(live, Order):
            return live
        told = not push.number or push.number in live.tracking
        if live.status in DONE_ORDER:
            if told:
                return Pushed(push.number, live.raw_status)
            return Refused("already_shipped", f"The shop already says {safe(live.raw_status, 40)}.")
        left = {line.platform_line_id: line.quantity - line.cancelled for line in live.lines}
        if any(line.quantity > left.get(line.platform_line_id, 0) for line in push.lines):
            return Refused("lines_changed", "The order no longer has these pieces.")
        body: dict[str, Any] = {"last": push.finish}
        if push.tell and not told:
            body |= {"number": push.number, "carrier": push.carrier, "link": push.url}
            body["items"] = {line.platform_line_id: line.quantity for line in push.lines}
        if "number" in body or push.finish:
            await self._ask("POST", f"/orders/{push.platform_order_id}/parcels", msgspec.Raw, json=body)
        return await self._confirmed(push)

    async def _confirmed(self, push: Push) -> PushOutcome:
        """What a read-back says of a push that was just told."""
        try:
            [found] = await self.find_push([push])
        except WireError as error:
            return Unknown("not_read_back", error.outcome.message)
        if isinstance(found, NotFound):
            return Unknown("not_confirmed", "The shop took the change, but its order does not show it.")
        return found if isinstance(found, Pushed) else Unknown("not_read_back", getattr(found, "message", ""))

    async def _live(self, push: Push) -> Order | Refused:
        """The order as it stands, or why nothing may be told of it any more."""
        [found] = await self.read_orders([push.platform_order_id])
        if isinstance(found, Gone):
            return Refused("order_gone", "The shop no longer knows this order.")
        if isinstance(found, Poison):
            return Refused(found.code, found.message)
        if found.order.status in DEAD_ORDER:
            return Refused("order_cancelled", f"The shop says {safe(found.order.raw_status, 40)}.")
        return found.order

    async def find_push(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """What became of pushes: a number counts where a parcel of the order carries it."""
        return [await self._found(push) for push in pushes]

    async def _found(self, push: Push) -> PushFound:
        try:
            live = await self._live(push)
        except WireError as error:
            # A refusal of the read says nothing about the push.
            refused = isinstance(error.outcome, Refused)
            return Unknown("not_read_back", error.outcome.message) if refused else error.outcome
        if isinstance(live, Refused):
            return live
        told = not push.number or push.number in live.tracking
        done = not push.finish or live.status in DONE_ORDER
        if told and done:
            return Pushed(push.number, live.raw_status)
        return PushedInPart(push.number) if told and push.number else NotFound()


def _units(raws: Sequence[bytes]) -> tuple[list[Product], list[Poison]]:
    units: list[Product] = []
    problems: list[Poison] = []
    for raw in raws:
        try:
            units.append(_unit(raw))
        except (msgspec.MsgspecError, BadOrder, RecursionError) as error:
            problems.append(Poison(str(_head(raw).id), "malformed_product", safe(error), raw))
    return units, problems


class _Problem(Struct):
    code: str
    message: str


def _refused(body: bytes, error: WireError, status: int) -> WireError:
    """A refusal in the shop's own words, where it has any."""
    if not isinstance(error.outcome, Refused):
        return error
    try:
        said = msgspec.json.decode(body, type=_Problem)
    except msgspec.MsgspecError:
        return error
    return WireError(Refused(said.code, safe(said.message)), status)
