"""RO App (once RemOnline, Orderry): an account's orders read, and told *sent* with a comment, through its public API.

Orders come by last change, 50 a page; their lines are one call more each. Statuses are the account's own, so that settings
name them. The API has no field for a tracking number: the number goes into the comment of the status, where nobody can read
it back, and into a custom field of the order, where `number_field` names one. Wire facts: the public pages of RO App's API
and public programs that call it; what neither says is in `unconfirmed`, and refused with that code where it is asked for.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

import msgspec

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
from connectors.shops.roapp_wire import (
    Head,
    Named,
    Page,
    Reading,
    dated,
    head_of,
    message_in,
    numbers_in,
    own_field,
    parse_order,
    paths_of,
    unit,
    word_of,
)
from connectors.wire import as_text
from domain.clock import MINUTE, SECOND, Instant, iso
from domain.enums import DEAD_ORDER, DONE_ORDER, OrderKind, OrderStatus
from domain.records import Product
from domain.results import NotActed, NotFound, Refused, Unauthorised, Unknown
from domain.text import safe
from domain.words import _

T = TypeVar("T")
Pairs = Sequence[tuple[str, str]]

PAGE = 50
"""Orders a page; the API lets nobody choose another number."""
OVERLAP = 10 * MINUTE
"""An order may show up a little after the instant it is dated with, so that every run looks back."""
PASSES = 4
"""More orders of one second than a page holds are read again until nothing new shows, at most so often."""


# ---------------------------------------------------------------- the connector


_FIELDS = (
    Field("url", _("API address"), default="https://api.roapp.io/v2"),
    Field("api_key", _("API key"), secret=True, help=_("Settings → API. It may do what its employee may.")),
    Field("account_currency", _("Currency"), help=_("Such as PLN; orders name none.")),
    Field("shipped_status", _("Status set when shipped"), help=_("Its id; the test call lists them.")),
    Field(
        "statuses",
        _("The account's statuses"),
        required=False,
        help=_("Id = ours, comma separated: 1201=open,1202=unpaid,1209=cancelled. Others count as open."),
    ),
    Field(
        "number_field",
        _("Field of the number"),
        required=False,
        help=_("A custom field of orders, such as f501: only there can a number be read back."),
    ),
    Field(
        "address_field",
        _("Field of the address"),
        required=False,
        help=_("A custom field of orders, such as f502; empty: the buyer's own address."),
    ),
    Field("country", _("Country"), required=False, default="UA", help=_("Two letters; orders name none.")),
    Field("timezone", _("Time zone"), required=False, default="Europe/Kyiv", help=_("The zone the shop works in.")),
    Field(
        "allow_plain_http",
        _("Allow plain HTTP"),
        required=False,
        default="no",
        help=_("yes: buyers' data travels unencrypted."),
    ),
)


class RoApp:
    """An RO App account, bound with an API key."""

    declaration: ClassVar[ShopDeclaration] = ShopDeclaration(
        platform="roapp",
        title="RO App",
        fields=_FIELDS,
        capabilities=ShopCapabilities(
            kinds=frozenset({OrderKind.DELIVERY}), merge=True, check_before_ship=True, edit_address=True
        ),
        limits=Limits(calls_per_second=1 / 0.34, parallel=1, batch=PAGE),
        push_repeat=Repeat.READ_BACK,
        unconfirmed=(
            _("Whether a change of its lines dates an order anew; the read before shipping sees it in any case."),
            _("How an order's lines look: they are read as those of sales."),
            _("Whether an order is paid: it counts as paid unless its status is set to be unpaid."),
            _("A delivery address of an order: a custom field of it, else the buyer's own address."),
            _("Fields for a tracking number and its carrier: the comment of the status holds both."),
            _("Comments other than that of a status: without a custom field a number can only be told at ship."),
            _("Writing products, stock and write-offs: none of them is written."),
        ),
    )

    def __init__(self, binding: Binding) -> None:
        self._binding, self._http = binding, binding.http
        self._http.budget.burst = 1  # No two calls within a third of a second, however long it was quiet.
        self._bad_settings: list[tuple[str, str]] = []
        statuses: dict[int, OrderStatus] = {}
        for pair in filter(None, self._setting("statuses").replace(" ", "").split(",")):
            theirs, _sep, ours = pair.partition("=")
            if theirs.isdecimal() and ours in set(OrderStatus):
                statuses[int(theirs)] = OrderStatus(ours)
            else:
                self._bad_settings.append(("statuses", pair))
        shipped = self._setting("shipped_status")
        if not shipped.isdecimal():
            self._bad_settings.append(("shipped_status", shipped))
        self._shipped = int(shipped) if shipped.isdecimal() else 0
        if statuses.setdefault(self._shipped, OrderStatus.SHIPPED) not in DONE_ORDER:
            self._bad_settings.append(("shipped_status", shipped))
        try:
            self._zone = ZoneInfo(self._setting("timezone") or "Europe/Kyiv").key
        except (ValueError, OSError, LookupError):
            self._bad_settings.append(("timezone", self._setting("timezone")))
        self._reading = Reading(
            statuses,
            self._setting("account_currency").upper(),
            self._setting("country").upper(),
            self._setting("number_field"),
            self._setting("address_field"),
        )

    def _setting(self, name: str) -> str:
        return self._binding.settings.get(name, "").strip()

    # ------------------------------------------------------------ calling

    async def _ask(self, method: str, path: str, kind: type[T], query: Pairs = (), json: Any = None) -> T:
        """Call the API. Raises `WireError`; `not_found` is the API's own word that there is no such thing."""
        headers = {"Authorization": f"Bearer {self._binding.secrets.get('api_key', '').strip()}"}
        acts = method != "GET"
        for attempt in (1, 2):
            answer = await self._http.call(method, path, params=query, json=json, headers=headers)
            if not 200 <= answer.status < 300:
                said = message_in(answer.body)
                code = "not_found" if answer.status == 404 and said is not None else ""
                raise failure(answer, acts, code, said or "")
            try:
                return msgspec.json.decode(answer.body, type=kind)
            except (msgspec.MsgspecError, RecursionError):
                if acts or attempt == 2:  # Half an answer to a read is worth a second look.
                    raise failure(answer, acts) from None
        raise AssertionError("unreachable")

    async def _page(self, path: str, query: Pairs, number: int = 1) -> Page:
        """One page of a list; some lists come bare, and whole."""
        found = await self._ask("GET", path, Page | list[msgspec.Raw], [*query, ("page", str(number))])  # type: ignore[arg-type]
        return found if isinstance(found, Page) else Page(found)

    async def _whole(self, path: str) -> list[bytes]:
        """Every page of a list that nobody changes meanwhile."""
        found: list[bytes] = []
        number, pages = 0, 1
        while number < pages:
            number += 1
            page = await self._page(path, (), number)
            found += map(bytes, page.data)
            pages = page.paging.total_pages
        return list(dict.fromkeys(found))

    async def _named(self, path: str) -> list[Named]:
        try:
            return [msgspec.json.decode(raw, type=Named) for raw in await self._whole(path)]
        except (msgspec.MsgspecError, RecursionError):
            raise _not_understood() from None

    # ------------------------------------------------------------ binding

    async def check(self) -> Checked:
        """Read the account's name, and hold the settings against its statuses and custom fields."""
        statuses = {one.id: one.words for one in await self._named("/orders/statuses")}
        listed = safe(", ".join(f"{id_} {name}" for id_, name in statuses.items()))
        if self._bad_settings:
            name, value = self._bad_settings[0]
            text = _("{name}: {value} cannot be used; the account's statuses: {listed}")
            raise WireError(
                Refused("bad_setting", text.format(name=name, value=safe(value, 60) or "-", listed=listed), name)
            )
        if self._shipped not in statuses:
            text = _("The account has no status {id}: {listed}").format(id=self._shipped, listed=listed)
            raise WireError(Refused("bad_setting", text, "shipped_status"))
        if wanted := [n for n in ("number_field", "address_field") if self._setting(n)]:
            fields = {f"f{one.id}": one.words for one in await self._named("/orders/custom-fields")}
            for name in wanted:
                if self._setting(name) not in fields:
                    shown = ", ".join(f"{key} {title}" for key, title in fields.items()) or "-"
                    text = _("Orders have no field {field}: {listed}")
                    text = text.format(field=safe(self._setting(name), 40), listed=safe(shown))
                    raise WireError(Refused("bad_setting", text, name))
        warnings = []
        if open_ := [f"{id_} {name}" for id_, name in statuses.items() if id_ not in self._reading.statuses]:
            text = _("These statuses count as open (statuses): {titles}")
            warnings.append(text.format(titles=safe(", ".join(open_))))
        if not self._reading.number_field:
            warnings.append(_("Numbers cannot be read back: number_field names no custom field."))
        company = await self._ask("GET", "/company", dict[str, Any])
        title = as_text(company.get("name")) or as_text(company.get("title")) or "RO App"
        return Checked(title, self._zone, self._reading.currency, "2", warnings=tuple(warnings))

    # ------------------------------------------------------------ orders

    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        """Orders by last change. The cursor is the newest change read; a run begins a little before it.

        Page numbers shift while orders change, so that every page is the first one behind the newest change seen.
        Whether bounds take their own second in is not told: each is a second wider than meant.
        """
        bounds: list[tuple[str, str]] = []
        if created_since is not None:
            bounds.append(("created_at[]", _second(created_since - SECOND)))
        read = dated(cursor)
        lower = None if read is None else read - OVERLAP
        newest = max(read or 0, 0)
        known: set[tuple[int, str]] = set()
        while True:
            query = [*bounds, ("sort", "modified_at")]
            if lower is not None:
                query.append(("modified_at[]", _second(lower)))
            page = await self._page("/orders", query)
            heads = [head_of(bytes(raw)) for raw in page.data]
            dates = [at for head in heads if (at := dated(head.modified_at)) is not None]
            newest = max([newest, *dates])
            last = page.paging.total_pages <= 1
            if last and not newest:
                # Where nothing was there to read, the next run must not begin with every order there ever was.
                newest = self._binding.clock() - OVERLAP
            yield OrderPage(await self._understood(heads, created_since, known), _second(newest), last)
            if last:
                return
            top = (max(dates) if dates else newest) // SECOND * SECOND
            if lower is None or top - SECOND > lower:
                lower = top - SECOND
                continue
            async for crowd in self._crowd([*query, ("modified_at[]", _second(top + 2 * SECOND))]):
                yield OrderPage(await self._understood(crowd, created_since, known), _second(newest), False)
            lower = top + SECOND

    async def _crowd(self, query: Pairs) -> AsyncIterator[list[Head]]:
        """Orders of two seconds that are more than a page, read again until nothing new shows: some may move on meanwhile."""
        seen: set[int] = set()
        for _turn in range(PASSES):
            number, pages, new = 0, 1, False
            while number < pages:
                number += 1
                page = await self._page("/orders", query, number)
                pages = page.paging.total_pages
                heads = [head_of(bytes(raw)) for raw in page.data]
                new = new or any(head.id not in seen for head in heads)
                seen |= {head.id for head in heads}
                yield heads
            if not new:
                return

    async def _understood(
        self, heads: Sequence[Head], created_since: Instant | None, known: set[tuple[int, str]]
    ) -> tuple[Parsed | Poison, ...]:
        """The orders of a page that this run has not given yet in the same version, with their lines."""
        found: list[Parsed | Poison] = []
        for head in heads:
            version = (head.id, as_text(head.modified_at))
            created = dated(head.created_at)
            if version in known or (created_since is not None and created is not None and created < created_since):
                continue
            if head.id:
                known.add(version)
            if not isinstance(order := await self._with_lines(head), Gone):
                found.append(order)
        return tuple(found)

    async def _with_lines(self, head: Head) -> Parsed | Poison | Gone:
        if not head.id:
            return parse_order(head.raw, (), self._reading)
        try:
            items = await self._whole(f"/orders/{head.id}/items")
        except WireError as error:
            if error.outcome.code == "not_found":  # Deleted since it was listed.
                return Gone(str(head.id))
            raise
        return parse_order(head.raw, items, self._reading)

    async def count_orders(self, created_before: Instant | None) -> int | None:
        """How many there are."""
        query: list[tuple[str, str]] = []
        if created_before is not None:
            before = -(-created_before // SECOND) * SECOND - SECOND
            query = [("created_at[]", _second(0)), ("created_at[]", _second(before))]
        return (await self._page("/orders", query)).paging.count

    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        """One answer per id, in the order asked; the lines are one call each."""
        heads = await self._heads(platform_order_ids)
        found = {order_id: await self._with_lines(head) for order_id, head in heads.items() if head is not None}
        return [found.get(order_id) or Gone(order_id) for order_id in platform_order_ids]

    async def _heads(self, platform_order_ids: Sequence[str]) -> dict[str, Head | None]:
        """Each order as listed now; None where the API says of its very id that there is none."""
        wanted = [one for one in dict.fromkeys(platform_order_ids) if one.isdecimal() and len(one) < 19 and int(one)]
        found: dict[str, Head | None] = {}
        for start in range(0, len(wanted), PAGE):
            ids = wanted[start : start + PAGE]
            page = await self._page("/orders", [("ids[]", one) for one in ids])
            listed = {str(head.id): head for head in map(head_of, map(bytes, page.data))}
            if listed.keys() - set(ids):
                raise _not_understood()  # Rows nobody asked for: what is missing among them proves nothing.
            found |= listed
            for order_id in ids:
                if order_id not in listed:
                    await self._must_be_gone(order_id)
                    found[order_id] = None
        return found

    async def _must_be_gone(self, order_id: str) -> None:
        try:
            await self._ask("GET", f"/orders/{order_id}", msgspec.Raw)
        except WireError as error:
            if error.outcome.code == "not_found":
                return
            raise
        raise _not_understood()

    # ------------------------------------------------------------ products

    async def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """Every product; the cursor is the number of the next page."""
        paths = paths_of(await self._named("/catalog/products/categories"))
        number = int(cursor) if cursor.isdecimal() else 1
        seen: set[str] = set()
        while True:
            page = await self._page("/catalog/products", (), number)
            units: list[Product] = []
            problems: list[Poison] = []
            for raw in map(bytes, page.data):
                try:
                    good = unit(raw, paths)
                except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                    problems.append(Poison("", "malformed_product", safe(error), raw))
                    continue
                if good.platform_product_id not in seen:  # Pages shift while goods are added.
                    seen.add(good.platform_product_id)
                    units.append(good)
            last = number >= page.paging.total_pages
            number += 1
            yield ProductPage(tuple(units), tuple(problems), "" if last else str(number), last)
            if last:
                return

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """These products, out of the whole catalogue: it cannot be asked for some. Those it does not hold are left out."""
        missing = {one for one in platform_product_ids if one.isdecimal()}
        found: list[Product | Poison] = []
        if missing:
            async for page in self.products(""):
                found += [good for good in page.items if good.platform_product_id in missing]
                missing -= {good.platform_product_id for good in page.items}
                if not missing:
                    break
        return found

    # ------------------------------------------------------------ pushing

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        """Guard by a live read, tell, and believe what is read back. Of several parcels the finishing one goes last."""
        outcomes: dict[int, PushOutcome] = {}
        for wave in _waves(pushes):
            outcomes |= await self._told({index: pushes[index] for index in wave})
        return [outcomes[index] for index in range(len(pushes))]

    async def _told(self, pushes: Mapping[int, Push]) -> dict[int, PushOutcome]:
        """Tell these orders, no two of them the same."""
        try:
            live = await self._heads([push.platform_order_id for push in pushes.values()])
        except WireError as error:
            return dict.fromkeys(pushes, error.outcome)
        outcomes: dict[int, PushOutcome] = {}
        written: dict[int, Push] = {}
        for index, push in pushes.items():
            head = live.get(push.platform_order_id)
            outcome = self._settled(push, head)
            if outcome is None and head is not None:
                outcome = await self._write(push, head)
            if outcome is None:
                written[index] = push
            else:
                outcomes[index] = outcome
        for index, found in zip(written, await self.find_push(list(written.values())), strict=True):
            if isinstance(found, Pushed | PushedInPart):
                outcomes[index] = found
            elif isinstance(found, NotFound):
                text = _("RO App took the change, but its order does not show it.")
                outcomes[index] = Unknown("not_confirmed", text)
            else:
                outcomes[index] = Unknown("not_read_back", found.message)
        return outcomes

    def _settled(self, push: Push, head: Head | None) -> PushOutcome | None:
        """What the live order decides without a write; None = tell it."""
        if refused := self._dead(head):
            return refused
        assert head is not None
        told = not (push.tell and push.number) or push.number in self._shown(head)
        if self._is_done(head):
            ours = push.retry and not self._reading.number_field and head.status and head.status.id == self._shipped
            if ours or (told and (self._reading.number_field or not push.number)):
                return Pushed(push.number, word_of(head))
            text = _("RO App already says {status}, with another number or none that can be read.")
            return Refused("already_shipped", text.format(status=word_of(head)))
        if push.finish:
            return None
        if not self._reading.number_field:
            text = _("Unconfirmed: RO App is not known to take a number without a new status; number_field names none.")
            return Refused("unconfirmed", text)
        return Pushed(push.number, word_of(head)) if told else None

    async def _write(self, push: Push, head: Head) -> PushOutcome | None:
        """The number into its field, then the status with its comment; None where both were taken."""
        field, shown = self._reading.number_field, self._shown(head)
        there = push.number in shown
        try:
            if field and push.tell and push.number and not there:
                numbers = [one for one in shown if one != push.replaces] + [push.number]
                # The others as they are: whether leaving them out would empty them is not told.
                fields = {**head.custom_fields, field: ", ".join(numbers)}
                await self._ask("PATCH", f"/orders/{head.id}", msgspec.Raw, json={"custom_fields": fields})
                there = True
            if push.finish:
                comment = f"{push.carrier} {push.number}".strip() if push.number else ""
                body = {"status_id": self._shipped, **({"comment": comment} if comment else {})}
                await self._ask("POST", f"/orders/{head.id}/status", msgspec.Raw, json=body)
        except WireError as error:
            part = there and push.finish and isinstance(error.outcome, NotActed | Unauthorised)
            return PushedInPart(push.number) if part else error.outcome
        return None

    async def find_push(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        """What became of pushes: the status set when shipped, and the number where a field shows it.

        Where none does, the status alone is looked at: setting it again would write its comment a second time.
        """
        if not pushes:
            return []
        try:
            live = await self._heads([push.platform_order_id for push in pushes])
        except WireError as error:
            # A refusal of the read says nothing about the push.
            outcome = error.outcome
            return [Unknown("not_read_back", outcome.message) if isinstance(outcome, Refused) else outcome] * len(
                pushes
            )
        return [self._found(push, live.get(push.platform_order_id)) for push in pushes]

    def _found(self, push: Push, head: Head | None) -> PushFound:
        if refused := self._dead(head):
            return refused
        assert head is not None
        done = not push.finish or self._is_done(head)
        shows = bool(self._reading.number_field and push.number)
        if shows and push.number in self._shown(head):
            return Pushed(push.number, word_of(head)) if done else PushedInPart(push.number)
        return Pushed(push.number, word_of(head)) if done and push.finish and not shows else NotFound()

    def _dead(self, head: Head | None) -> Refused | None:
        """Why nothing may be told of an order any more."""
        if head is None:
            return Refused("order_gone", _("RO App no longer knows this order."))
        if self._status(head) in DEAD_ORDER:
            return Refused("order_cancelled", _("RO App says: {status}").format(status=word_of(head)))
        return None

    def _status(self, head: Head) -> OrderStatus:
        return self._reading.statuses.get(head.status.id if head.status else 0, OrderStatus.OPEN)

    def _is_done(self, head: Head) -> bool:
        return self._status(head) in DONE_ORDER

    def _shown(self, head: Head) -> tuple[str, ...]:
        return numbers_in(own_field(head.custom_fields, self._reading.number_field))


def _waves(pushes: Sequence[Push]) -> Iterator[list[int]]:
    """Places of pushes, no order twice in a wave, those that finish an order after its others."""
    left = sorted(range(len(pushes)), key=lambda i: pushes[i].finish)
    while left:
        wave: dict[str, int] = {}
        for index in left:
            wave.setdefault(pushes[index].platform_order_id, index)
        yield list(wave.values())
        left = [index for index in left if index not in wave.values()]


def _second(at: Instant) -> str:
    return iso(at // SECOND * SECOND) or ""


def _not_understood() -> WireError:
    return WireError(NotActed("not_understood", _("RO App's answer is not the data that was asked for.")))
