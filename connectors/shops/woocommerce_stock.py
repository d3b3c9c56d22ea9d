"""WooCommerce: how many pieces a shop offers, read before it is written and written in batches.

Source: reference page §7. A quantity is absolute and the last write wins, nothing is compared by the shop: so it is read
just before, and only a difference is written. The shop lowers its own number with each order it takes (meta
`_order_stock_reduced`), so that what is written is what is left after the orders that we have read.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

from connectors.contract import StockLevel, StockOutcome, StockSet
from connectors.http import WireError
from connectors.shops.woocommerce_api import API, PAGE, Api
from connectors.shops.woocommerce_orders import id_of
from connectors.wire import BadOrder, Scalar, as_number, every
from domain.results import NotActed, Refused, Unknown
from domain.text import safe
from domain.words import _


class _Fault(Struct):
    code: str = ""
    message: str = ""


class _Unit(Struct):
    """A product or variation as far as its stock goes; in a batch's answer perhaps an error instead."""

    id: int
    manage_stock: Scalar = False
    stock_quantity: Scalar = None
    error: _Fault | None = None


class _Batch(Struct):
    update: list[_Unit] = []


class Shelf:
    """Sets the pieces that one shop offers."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def push_stock(self, levels: Sequence[StockLevel]) -> Sequence[StockOutcome]:
        """One outcome per level in the same order: two calls for every hundred products, two for a product's variations."""
        groups: dict[str, list[int]] = defaultdict(list)
        for index, level in enumerate(levels):
            # Variations are read and written below their product, products beside each other.
            groups[level.platform_product_id if level.platform_variant_id else ""].append(index)
        slices = [
            (parent, group[start : start + PAGE])
            for parent, group in groups.items()
            for start in range(0, len(group), PAGE)
        ]
        outcomes: dict[int, StockOutcome] = {}
        for found in await every(
            [self._set(parent, {index: levels[index] for index in some}) for parent, some in slices]
        ):
            outcomes |= found
        return [outcomes[index] for index in range(len(levels))]

    async def _set(self, parent: str, levels: Mapping[int, StockLevel]) -> dict[int, StockOutcome]:
        path = f"{API}/products/{parent}/variations" if parent else f"{API}/products"
        try:
            there = await self._read(path, [_id(level) for level in levels.values()])
        except WireError as error:
            return {index: _unread(error, level) for index, level in levels.items()}
        outcomes: dict[int, StockOutcome] = {}
        differ: dict[int, int] = {}
        for index, level in levels.items():
            before = _before(there.get(_id(level)))
            if not isinstance(before, int):
                outcomes[index] = before
            elif before == level.quantity:
                outcomes[index] = StockSet(level.quantity, before)
            else:
                differ[index] = before
        if differ:
            update = [{"id": int(_id(levels[index])), "stock_quantity": levels[index].quantity} for index in differ]
            try:
                answer = await self._api.write("POST", f"{path}/batch", {"update": update}, _Batch)
            except WireError as error:
                return outcomes | dict.fromkeys(differ, error.outcome)
            now = {str(unit.id): unit for unit in answer.update}
            for index, before in differ.items():
                outcomes[index] = _after(now.get(_id(levels[index])), levels[index], before)
        return outcomes

    async def _read(self, path: str, ids: Sequence[str]) -> Mapping[str, _Unit]:
        wanted = [one for one in ids if id_of(one).isdecimal()]
        if not wanted:
            return {}
        params = {
            "include": ",".join(wanted),
            "per_page": str(PAGE),
            "orderby": "id",
            "_fields": "id,manage_stock,stock_quantity",
        }
        rows, _answer = await self._api.get(path, list[_Unit], params)
        return {str(row.id): row for row in rows}


def _id(level: StockLevel) -> str:
    return level.platform_variant_id or level.platform_product_id


def _unread(error: WireError, level: StockLevel) -> StockOutcome:
    if error.status == 404 and level.platform_variant_id:
        return _gone()
    # What a read is refused for says nothing about a level: it is no reason to give it up.
    outcome = error.outcome
    return NotActed(outcome.code, outcome.message) if isinstance(outcome, Refused) else outcome


def _gone() -> Refused:
    return Refused("variant_gone", _("The shop no longer has this variant."))


def _quantity(unit: _Unit) -> int | None:
    try:
        return None if unit.stock_quantity is None else int(as_number(unit.stock_quantity, _("The stock")))
    except (BadOrder, ValueError, ArithmeticError):
        return None


def _before(unit: _Unit | None) -> int | Refused:
    """What the shop offers, or why it cannot be set. A variation that leaves its stock to the product has none."""
    if unit is None:
        return _gone()
    if unit.manage_stock is not True:
        return Refused("not_tracked", _("The shop does not manage the stock of this product itself: switch that on."))
    return _quantity(unit) or 0


def _after(unit: _Unit | None, level: StockLevel, before: int) -> StockOutcome:
    if unit is None:
        return Unknown("not_answered", _("The shop's answer does not tell what became of it."))
    if unit.error is not None:
        return Refused(safe(unit.error.code, 60) or "stock_refused", safe(unit.error.message, 300))
    if _quantity(unit) != level.quantity:
        return Refused("stock_not_kept", _("The shop keeps another number of pieces than it was told."))
    return StockSet(level.quantity, before)
