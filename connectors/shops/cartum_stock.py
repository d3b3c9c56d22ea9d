"""Cartum (Horoshop): how many pieces a shop offers, read before it is written and read back afterwards.

A quantity is absolute. Whether a warehouse that an import leaves out would be emptied is not told anywhere, so that the
others are written as they are.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from connectors.contract import StockLevel, StockOutcome, StockSet
from connectors.http import WireError
from connectors.shops.cartum_wire import products_in, shelves_in
from domain.results import Refused, Unknown
from domain.text import safe
from domain.words import _

IMPORT = 50
"""Articles per call."""
Ask = Callable[..., Awaitable[bytes | None]]
"""Calls a function of the gateway: `ask(function, body, writes=False)`."""


class Shelves:
    """The warehouses of one shop, of which one is ours: `warehouse`, or the only one that holds an article."""

    def __init__(self, ask: Ask, warehouse: str) -> None:
        self._ask, self._warehouse = ask, warehouse

    async def push_stock(self, levels: Sequence[StockLevel]) -> Sequence[StockOutcome]:
        """Set the pieces of our warehouse, one outcome per level in the same order."""
        outcomes: list[StockOutcome] = []
        for start in range(0, len(levels), IMPORT):
            outcomes += await self._stocked(levels[start : start + IMPORT])
        return outcomes

    async def _stocked(self, levels: Sequence[StockLevel]) -> list[StockOutcome]:
        wanted = {level.platform_product_id: level for level in levels}  # The last word on an article counts.
        outcomes: dict[str, StockOutcome] = {}
        records: list[dict[str, Any]] = []
        before: dict[str, tuple[str, int]] = {}
        try:
            shelves = await self._shelves(list(wanted))
            for article, level in wanted.items():
                shelf = self._shelf(article, shelves.get(article))
                if isinstance(shelf, Refused):
                    outcomes[article] = shelf
                elif shelf[1] == level.quantity:
                    outcomes[article] = StockSet(level.quantity, level.quantity)
                else:
                    before[article] = shelf
                    # The others as they are: whether leaving them out would empty them is not told.
                    rows = {**shelves[article], shelf[0]: level.quantity}
                    residues = [{"warehouse": name, "quantity": quantity} for name, quantity in rows.items()]
                    records.append({"article": article, "residues": residues})
            if records:
                await self._ask("catalog/import", {"products": records}, writes=True)
        except WireError as error:
            return [outcomes.get(level.platform_product_id, error.outcome) for level in levels]
        try:
            after = await self._shelves(list(before)) if before else {}
        except WireError as error:
            outcomes |= dict.fromkeys(before, Unknown("not_read_back", error.outcome.message))
            before = {}
        for article, (name, quantity) in before.items():
            if after.get(article, {}).get(name) == wanted[article].quantity:
                outcomes[article] = StockSet(wanted[article].quantity, quantity)
            else:
                text = _("The shop keeps another number of pieces: is its warehouse accounting on?")
                outcomes[article] = Refused("stock_not_kept", text)
        return [outcomes[level.platform_product_id] for level in levels]

    async def _shelves(self, articles: Sequence[str]) -> dict[str, dict[str, int]]:
        """Article → warehouse → pieces."""
        wanted = {"article": list(articles), "offset": 0, "limit": len(articles)}
        raws = products_in(await self._ask("catalog/export", wanted))
        found = dict(map(shelves_in, raws))
        return {article: found[article] for article in articles if article in found}

    def _shelf(self, article: str, shelves: Mapping[str, int] | None) -> tuple[str, int] | Refused:
        """The warehouse that is ours, and what it has."""
        if shelves is None:
            text = _("The shop knows no article {article}.")
            return Refused("product_gone", text.format(article=safe(article, 60)))
        if self._warehouse:
            return self._warehouse, shelves.get(self._warehouse, 0)
        if len(shelves) == 1:
            return next(iter(shelves.items()))
        text = _("{n} warehouses of the shop hold {article}: name ours in stock_warehouse.")
        return Refused("no_warehouse", text.format(n=len(shelves), article=safe(article, 60)))
