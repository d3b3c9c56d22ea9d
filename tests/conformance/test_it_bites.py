"""The suite itself: a connector that is wrong in one way fails the case that is about it."""

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec
import pytest

from connectors.conformance import CASES, Suite
from connectors.conformance.kit import Kit
from connectors.contract import (
    Binding,
    Checked,
    Gone,
    Listed,
    OrderPage,
    Parsed,
    Poison,
    Push,
    Pushed,
    PushFound,
    PushOutcome,
    StockLevel,
)
from connectors.http import WireError
from connectors.template.shop import Newshop
from connectors.template.shop_kit import KIT
from domain.clock import Instant
from domain.enums import OrderStatus
from domain.results import NotActed, NotFound, Refused, Unknown

BY_NAME = {case.name: case for case in CASES}


def changed(item: Any, **values: Any) -> Any:
    """A parsed order with other values; anything else as it is."""
    if not isinstance(item, Parsed):
        return item
    return Parsed(msgspec.structs.replace(item.order, **values), item.raw)


class Reading(Newshop):
    """Gives orders as `told` makes them."""

    @staticmethod
    def told(item: Parsed | Poison) -> Parsed | Poison | None:
        return item

    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        async for page in super().orders(cursor, created_since):
            items = tuple(told for item in page.items if (told := self.told(item)) is not None)
            yield OrderPage(items, page.cursor, page.last)

    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        found = await super().read_orders(platform_order_ids)
        return [i if isinstance(i, Gone) else self.told(i) or Gone(i.platform_order_id) for i in found]  # type: ignore[union-attr]


class DropsWhatItCannotRead(Reading):
    @staticmethod
    def told(item: Parsed | Poison) -> Parsed | Poison | None:
        return None if isinstance(item, Poison) else item


class KeepsSilentAboutOddStatuses(Reading):
    @staticmethod
    def told(item: Parsed | Poison) -> Parsed | Poison | None:
        return changed(item, warnings=())


class TakesOddStatusesForShipped(Reading):
    @staticmethod
    def told(item: Parsed | Poison) -> Parsed | Poison | None:
        odd = isinstance(item, Parsed) and item.order.warnings
        return changed(item, status=OrderStatus.SHIPPED) if odd else item


class CountsEveryCurrencyInCents(Reading):
    @staticmethod
    def told(item: Parsed | Poison) -> Parsed | Poison | None:
        if not isinstance(item, Parsed):
            return item
        return changed(item, total_minor=round(float(msgspec.json.decode(item.raw)["total"]) * 100))


class ShowsHiddenBuyersAsAnybody(Reading):
    @staticmethod
    def told(item: Parsed | Poison) -> Parsed | Poison | None:
        if not isinstance(item, Parsed):
            return item
        return changed(item, buyer=msgspec.structs.replace(item.order.buyer, redacted=False))


class CountsRefundedPieces(Reading):
    @staticmethod
    def told(item: Parsed | Poison) -> Parsed | Poison | None:
        if not isinstance(item, Parsed):
            return item
        return changed(item, lines=tuple(msgspec.structs.replace(line, cancelled=0) for line in item.order.lines))


class SeesNoCases(Reading):
    @staticmethod
    def told(item: Parsed | Poison) -> Parsed | Poison | None:
        return changed(item, after_sale=False)


class DatesEverythingAnHourLate(Reading):
    @staticmethod
    def told(item: Parsed | Poison) -> Parsed | Poison | None:
        return changed(item, created_at=item.order.created_at + 3_600_000) if isinstance(item, Parsed) else item


class NeverLooksBack(Newshop):
    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        whole = f"{cursor}|{10**9}" if cursor and "|" not in cursor else cursor
        async for page in super().orders(whole, created_since):
            yield page


class TurnsPagesByNumber(Newshop):
    """Skips what moves up while pages are turned."""

    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        held: list[Any] = []
        async for page in super().orders(cursor, created_since):
            held = [*held, *page.items]
            if page.last:
                break
        for start in range(0, max(1, len(held)), 50):
            rows, last = held[start : start + 50], start + 50 >= len(held)
            live = await self.read_orders([i.order.platform_order_id for i in rows if isinstance(i, Parsed)])
            moved = [i for i in live if isinstance(i, Parsed) and i.order.address.line1.startswith("Moved")]
            kept = tuple(i for i in rows if not any(i.order.number == m.order.number for m in moved))
            yield OrderPage(kept, page.cursor, last)


class ForgetsTheLastPage(Newshop):
    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        async for page in super().orders(cursor, created_since):
            if page.last and "|" in cursor:
                yield OrderPage((), page.cursor, True)
            else:
                yield page


class NeverSaysLast(Newshop):
    async def orders(self, cursor: str, created_since: Instant | None) -> AsyncIterator[OrderPage]:
        async for page in super().orders(cursor, created_since):
            yield OrderPage(page.items, page.cursor, False)


class LeavesUnknownIdsOut(Newshop):
    async def read_orders(self, platform_order_ids: Sequence[str]) -> Sequence[Parsed | Poison | Gone]:
        return [one for one in await super().read_orders(platform_order_ids) if not isinstance(one, Gone)]


class TellsTwice(Newshop):
    """Sends again what may have acted."""

    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        first = await super().push(pushes)
        if not any(isinstance(one, Unknown) for one in first):
            return first
        for push in pushes:
            body = {"number": push.number, "carrier": push.carrier, "last": push.finish}
            try:
                await self._ask("POST", f"/orders/{push.platform_order_id}/parcels", msgspec.Raw, json=body)
            except WireError:
                return first
        return [Pushed(push.number) for push in pushes]


class BelievesWithoutLooking(Newshop):
    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        return [
            Pushed(p.number) if isinstance(o, Unknown) else o
            for p, o in zip(pushes, await super().push(pushes), strict=True)
        ]


class TakesUnknownForUndone(Newshop):
    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        return [NotActed(o.code, o.message) if isinstance(o, Unknown) else o for o in await super().push(pushes)]


class FindsNothingWhereItCannotLook(Newshop):
    async def find_push(self, pushes: Sequence[Push]) -> Sequence[PushFound]:
        found = await super().find_push(pushes)
        return [NotFound() if isinstance(one, Unknown | NotActed) else one for one in found]


class ShipsTheDead(Newshop):
    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        return [
            Pushed(p.number) if isinstance(o, Refused) else o
            for p, o in zip(pushes, await super().push(pushes), strict=True)
        ]


class FinishesTooEarly(Newshop):
    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        return await super().push([msgspec.structs.replace(push, finish=True) for push in pushes])


class MixesOutcomesUp(Newshop):
    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        outcomes = await super().push(pushes)
        return [o for o in outcomes if isinstance(o, Pushed)] + [o for o in outcomes if not isinstance(o, Pushed)]


class LogsItsToken(Newshop):
    async def check(self) -> Checked:
        logging.getLogger("newshop").debug("asking with %s", self._binding.secrets["token"])
        return await super().check()


class NamesBuyersInRefusals(Newshop):
    async def push(self, pushes: Sequence[Push]) -> Sequence[PushOutcome]:
        [found] = await self.read_orders([pushes[0].platform_order_id])
        phone = found.order.buyer.phone if isinstance(found, Parsed) else ""
        told = await super().push(pushes)
        return [Refused(o.code, f"{o.message} {phone}") if isinstance(o, Refused) else o for o in told]


class CallsRefusedKeysRefused(Newshop):
    async def check(self) -> Checked:
        try:
            return await super().check()
        except WireError as error:
            raise WireError(Refused(error.outcome.code, error.outcome.message), error.status) from None


class GivesUpAtOnce(Newshop):
    def __init__(self, binding: Binding) -> None:
        super().__init__(binding)
        plain = self._http.call

        async def once(method: str, path: str, **how: Any) -> Any:
            return await plain(method, path, **{**how, "writes": True})

        self._http.call = once  # type: ignore[method-assign]


class HasMoreThanItDeclares(Newshop):
    async def push_stock(self, levels: Sequence[StockLevel]) -> list[Any]:
        return []


class DeclaresMoreThanItHas(Newshop):
    declaration = msgspec.structs.replace(
        Newshop.declaration,
        capabilities=msgspec.structs.replace(Newshop.declaration.capabilities, stock_write=True),
    )


class HasASecretInTheOpen(Newshop):
    declaration = msgspec.structs.replace(
        Newshop.declaration,
        fields=tuple(msgspec.structs.replace(field, secret=False) for field in Newshop.declaration.fields),
    )


WRONG: list[tuple[type[Newshop], str]] = [
    (DropsWhatItCannotRead, "what_cannot_be_read_is_kept_with_its_reason"),
    (KeepsSilentAboutOddStatuses, "an_unknown_status_is_open_and_reported"),
    (TakesOddStatusesForShipped, "an_unknown_status_is_open_and_reported"),
    (CountsEveryCurrencyInCents, "money_in_jpy"),
    (CountsEveryCurrencyInCents, "money_in_kwd"),
    (ShowsHiddenBuyersAsAnybody, "a_hidden_buyer_is_marked"),
    (CountsRefundedPieces, "refunded_pieces_are_taken_off_their_line"),
    (SeesNoCases, "an_open_case_is_seen"),
    (DatesEverythingAnHourLate, "every_second_is_read_once_in_europe_kyiv"),
    (NeverLooksBack, "windows_overlap"),
    (TurnsPagesByNumber, "every_page_is_read_while_orders_change"),
    (ForgetsTheLastPage, "a_run_that_broke_off_goes_on_from_any_page"),
    (NeverSaysLast, "every_page_is_read_while_orders_change"),
    (LeavesUnknownIdsOut, "every_id_gets_its_answer_in_its_place"),
    (TellsTwice, "an_early_push_through_cut_after"),
    (BelievesWithoutLooking, "a_push_through_http_500"),
    (TakesUnknownForUndone, "a_push_through_html"),
    (TakesUnknownForUndone, "a_push_that_arrives_late_is_told_once"),
    (FindsNothingWhereItCannotLook, "looking_up_says_that_it_could_not_look"),
    (ShipsTheDead, "a_cancelled_order_is_not_told"),
    (ShipsTheDead, "an_order_shipped_by_somebody_else_is_not_shipped_again"),
    (FinishesTooEarly, "the_number_may_go_before_the_goods"),
    (FinishesTooEarly, "a_part_of_an_order_leaves_the_rest_open"),
    (MixesOutcomesUp, "several_orders_are_told_in_one_call"),
    (LogsItsToken, "the_test_call_tells_title_zone_and_currency"),
    (NamesBuyersInRefusals, "a_cancelled_order_is_not_told"),
    (CallsRefusedKeysRefused, "wrong_secrets_are_refused_by_name"),
    (GivesUpAtOnce, "a_passing_failure_is_read_through"),
    (GivesUpAtOnce, "a_read_through_cut_before"),
    (HasMoreThanItDeclares, "every_operation_is_there"),
    (DeclaresMoreThanItHas, "every_operation_is_there"),
    (HasASecretInTheOpen, "the_fields_bind_it_and_nothing_else_does"),
]


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    with Suite("shop.newshop", Newshop, KIT) as made:
        yield made


@pytest.mark.parametrize(("wrong", "case"), WRONG, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_a_wrong_connector_fails(suite: Suite, wrong: type[Newshop], case: str) -> None:
    suite.kind = wrong
    result = suite.run_alone(BY_NAME[case])
    assert result.outcome == "failed", result
    assert len(result.reason) > 10


def kit(**values: Any) -> Kit:
    return msgspec.structs.replace(KIT, **values)


@pytest.mark.parametrize("name", sorted({case for _wrong, case in WRONG}))
def test_the_connector_they_are_made_from_passes(suite: Suite, name: str) -> None:
    suite.kind = Newshop
    assert suite.run_alone(BY_NAME[name]).outcome == "passed"


def test_what_is_neither_given_nor_excused_fails() -> None:
    with Suite("shop.newshop", Newshop, kit(cancel=None)) as silent:
        result = silent.run_alone(BY_NAME["a_cancelled_order_is_not_told"])
    assert result.outcome == "failed"
    assert "cancel" in result.reason
    with Suite("shop.newshop", Newshop, kit(cancel=None, cannot={"cancel": "nobody cancels here"})) as excused:
        result = excused.run_alone(BY_NAME["a_cancelled_order_is_not_told"])
    assert (result.outcome, result.reason) == ("skipped", "nobody cancels here")


def test_an_excuse_for_nothing_fails() -> None:
    for wrong in ({"cancle": "a slip of the pen"}, {"cancel": "it is given"}, {"bad_carrier": " "}):
        with Suite("shop.newshop", Newshop, kit(cannot={**KIT.cannot, **wrong})) as made:
            assert made.run_alone(BY_NAME["the_kit_excuses_only_what_it_lacks"]).outcome == "failed", wrong


class Lists(Newshop):
    """Lists orders by reading them whole, oldest change first."""

    declaration = msgspec.structs.replace(Newshop.declaration, lists_orders=True)

    async def listing(self, since: Instant, before: Instant) -> AsyncIterator[list[Listed]]:
        async for page in self.orders("", since):
            orders = [item.order for item in page.items if isinstance(item, Parsed)]
            yield [
                Listed(o.platform_order_id, o.number, o.created_at, o.raw_status)
                for o in orders
                if since <= o.created_at < before
            ]


class ListsOnePage(Lists):
    async def listing(self, since: Instant, before: Instant) -> AsyncIterator[list[Listed]]:
        async for page in super().listing(since, before):
            yield page
            return


class ListsTheLivingOnly(Lists):
    async def listing(self, since: Instant, before: Instant) -> AsyncIterator[list[Listed]]:
        async for page in super().listing(since, before):
            yield [one for one in page if one.raw_status != "cancelled"]


class ListsTheEndToo(Lists):
    async def listing(self, since: Instant, before: Instant) -> AsyncIterator[list[Listed]]:
        async for page in super().listing(since, before + 1000):
            yield page


class GivesWhatItHasForAll(Lists):
    async def listing(self, since: Instant, before: Instant) -> AsyncIterator[list[Listed]]:
        try:
            async for page in super().listing(since, before):
                yield page
        except WireError:
            return


LISTINGS = [
    (ListsOnePage, "every_order_of_a_time_is_listed"),
    (ListsOnePage, "a_listing_loses_nothing_to_what_happens_meanwhile"),
    (ListsTheLivingOnly, "every_order_of_a_time_is_listed"),
    (ListsTheEndToo, "every_order_of_a_time_is_listed"),
    (GivesWhatItHasForAll, "a_listing_that_cannot_be_whole_is_none"),
]


@pytest.mark.parametrize(("wrong", "case"), LISTINGS, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_a_wrong_listing_fails(suite: Suite, wrong: type[Lists], case: str) -> None:
    suite.kind = wrong
    assert suite.run_alone(BY_NAME[case]).outcome == "failed"


def test_a_platform_that_cannot_list_its_orders_is_asked_for_no_list(suite: Suite) -> None:
    for name in sorted({case for _wrong, case in LISTINGS}):
        suite.kind = Lists
        assert suite.run_alone(BY_NAME[name]).outcome == "passed"
        suite.kind = Newshop
        skipped = suite.run_alone(BY_NAME[name])
        assert (skipped.outcome, skipped.reason) == ("skipped", "the connector does not declare lists_orders")


@pytest.mark.parametrize("declared", [True, False])
def test_a_list_that_is_declared_otherwise_than_it_is_there_fails(suite: Suite, declared: bool) -> None:
    base = Newshop if declared else Lists
    declaration = msgspec.structs.replace(Newshop.declaration, lists_orders=declared)
    suite.kind = type("Otherwise", (base,), {"declaration": declaration})
    result = suite.run_alone(BY_NAME["every_operation_is_there"])
    assert result.outcome == "failed"
    assert "listing" in result.reason


def test_a_twin_that_does_not_start_fails_every_case_by_name() -> None:
    with Suite("shop.newshop", Newshop, kit(twin="connectors.template.shop")) as made:
        for name in ("changes_are_read", "a_crowded_second_is_read_whole"):
            result = made.run_alone(BY_NAME[name])
            assert result.outcome == "failed"
            assert "ended with code 2" in result.reason


def test_a_shop_that_is_only_read_skips_what_it_would_be_told() -> None:
    capabilities = msgspec.structs.replace(Newshop.declaration.capabilities, push=False)

    class OnlyRead(Newshop):
        declaration = msgspec.structs.replace(Newshop.declaration, capabilities=capabilities)

    with Suite("shop.newshop", OnlyRead, KIT) as made:
        told = made.run_alone(BY_NAME["a_push_through_cut_after"])
        assert (told.outcome, told.reason) == ("skipped", "the connector does not declare push")
        assert made.run_alone(BY_NAME["wrong_secrets_are_refused_by_name"]).outcome == "passed"


def test_every_case_says_what_it_is_about() -> None:
    assert len(BY_NAME) == len(CASES)
    made = ("a_read_through", "a_push_through", "an_early_push_through", "money_in", "every_second")
    for case in CASES:
        assert case.name.startswith(made) or case.run.__doc__, case.name
