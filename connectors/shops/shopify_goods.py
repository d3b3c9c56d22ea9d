"""What a Shopify shop sells: its variants read, and how many of each it offers set.

Stock is written by compare and swap under an idempotency key. Wire facts: Shopify's published Admin schema, 2026-10.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from connectors.contract import Poison, ProductPage, StockLevel, StockOutcome, StockSet
from connectors.http import WireError
from connectors.shops.shopify_api import Api, Pages, Problem
from connectors.shops.shopify_orders import PageInfo, Rows, Wire, gid, head, number_of
from connectors.wire import every
from domain.clock import SECOND
from domain.records import Category, Product
from domain.results import NotActed, Refused, Unknown
from domain.text import safe
from domain.words import _

UNITS, PRODUCTS, LEVELS = 50, 5, 50
"""Variants per page, products read at once, levels read at once."""
GRAMS = {"GRAMS": "1", "KILOGRAMS": "1000", "OUNCES": "28.349523125", "POUNDS": "453.59237"}


class _Category(Wire):
    id: str
    full_name: str


class _Weight(Wire):
    unit: str
    value: Decimal


class _Measurement(Wire):
    weight: _Weight | None = None


class _Item(Wire):
    tracked: bool
    measurement: _Measurement


class _Unit(Wire):
    id: str
    title: str
    inventory_item: _Item
    sku: str | None = None
    inventory_quantity: int | None = None


class _Goods(Wire):
    id: str
    title: str
    description: str
    status: str
    product_type: str = ""
    category: _Category | None = None
    variants: Rows[_Unit] = msgspec.field(default_factory=Rows)


class _UnitOf(_Unit, kw_only=True):
    product: _Goods


class _Variants(Wire):
    product_variants: Rows[msgspec.Raw]


class _Products(Wire):
    nodes: list[_Goods | None]


class _VariantsOnly(Wire):
    variants: Rows[_Unit]


class _MoreUnits(Wire):
    product: _VariantsOnly | None


class _Location(Wire):
    id: str
    name: str


class _Locations(Wire):
    locations: Rows[_Location]


class _Quantity(Wire):
    quantity: int


class _Level(Wire):
    quantities: list[_Quantity]


class _Stocked(Wire):
    id: str
    tracked: bool
    inventory_level: _Level | None = None


class _StockOf(Wire):
    id: str
    inventory_item: _Stocked


class _Levels(Wire):
    nodes: list[_StockOf | None]


class _SetPayload(Wire):
    user_errors: list[Problem]


class _Set(Wire):
    inventory_set_quantities: _SetPayload


class Goods:
    """The goods of one shop. `location` names whose stock is set; empty means the only one."""

    def __init__(self, api: Api, location: str) -> None:
        self._api, self._wanted = api, location.strip()
        self._place = ""

    async def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """Every variant by id. The cursor is Shopify's own, good for this run."""
        pages = Pages(PageInfo(True, cursor) if cursor else None)
        while pages.more:
            answer = await self._api.ask("Variants", _Variants, first=UNITS, after=pages.after)
            units = [_unit_of(bytes(raw)) for raw in answer.product_variants.nodes]
            pages.turn(answer.product_variants.page_info)
            yield ProductPage(
                tuple(unit for unit in units if isinstance(unit, Product)),
                tuple(unit for unit in units if isinstance(unit, Poison)),
                pages.after or "" if pages.more else "",
                not pages.more,
            )

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """These products' variants; ids the shop does not know are left out."""
        wanted = [gid("Product", one) for one in dict.fromkeys(platform_product_ids) if one.isdecimal()]
        units: list[Product | Poison] = []
        size = PRODUCTS
        for start in range(0, len(wanted), size):
            answer = await self._api.ask("Products", _Products, ids=wanted[start : start + size], first=UNITS)
            for goods in filter(None, answer.nodes):
                variants, pages = list(goods.variants.nodes), Pages(goods.variants.page_info)
                while pages.more:
                    more = await self._api.ask("MoreVariants", _MoreUnits, id=goods.id, first=UNITS, after=pages.after)
                    rows = more.product.variants if more.product else Rows[_Unit]()
                    variants += rows.nodes
                    pages.turn(rows.page_info)
                units += [_product(unit, goods) for unit in variants]
        return units

    # ------------------------------------------------------------ stock

    async def push_stock(self, levels: Sequence[StockLevel]) -> Sequence[StockOutcome]:
        """Set what is available at the location: only if nobody changed it since it was read, each call under a key.

        A screenful goes in one call. What such a call names as wrong is set by itself, the others go together again.
        """
        outcomes: list[StockOutcome] = []
        try:
            place = await self._location()
        except WireError as error:
            return [error.outcome] * len(levels)
        for start in range(0, len(levels), LEVELS):
            chunk = {level.platform_variant_id: level for level in levels[start : start + LEVELS]}
            found = await self._set_together(chunk, place)
            outcomes += [found[level.platform_variant_id] for level in levels[start : start + LEVELS]]
        return outcomes

    async def _set_together(self, levels: Mapping[str, StockLevel], place: str) -> dict[str, StockOutcome]:
        """Variant → what became of it."""
        try:
            read = await self._read_levels(list(levels), place)
        except WireError as error:
            return dict.fromkeys(levels, error.outcome)
        looked = {variant: _change(level, place, read.get(variant)) for variant, level in levels.items()}
        done: dict[str, StockOutcome] = {v: one for v, one in looked.items() if not isinstance(one, _Change)}
        changes = {v: one for v, one in looked.items() if isinstance(one, _Change)}
        if len(changes) < 2:
            alone = list(changes)
        else:
            key = "\n".join(sorted(one.key for one in changes.values()))
            try:
                problems = await self._set_once(
                    list(changes.values()), blake2b(key.encode(), digest_size=16).hexdigest()
                )
            except WireError as error:
                return done | dict.fromkeys(changes, error.outcome)
            if not problems:
                return done | {v: StockSet(levels[v].quantity, one.before) for v, one in changes.items()}
            # Whether any of them was set all the same is seen by reading them again.
            named = {_place_of(one) for one in problems}
            alone = [variant for n, variant in enumerate(changes) if n in named]
            rest = {v: levels[v] for v in changes if v not in alone}
            if alone and rest:
                done |= await self._set_together(rest, place)
            else:
                alone = list(changes)
            try:
                read = await self._read_levels(alone, place)
            except WireError as error:
                return done | dict.fromkeys(alone, error.outcome)
        outcomes = await every([self._set(levels[variant], place, read.get(variant)) for variant in alone])
        return done | dict(zip(alone, outcomes, strict=True))

    async def _location(self) -> str:
        if not self._place:
            pages, names = Pages(), dict[str, str]()
            while pages.more:
                answer = await self._api.ask("Locations", _Locations, after=pages.after)
                names |= {one.name: one.id for one in answer.locations.nodes}
                pages.turn(answer.locations.page_info)
            fits = [
                one for name, one in names.items() if not self._wanted or name.casefold() == self._wanted.casefold()
            ]
            found = fits[0] if len(fits) == 1 else None
            if found is None:
                text = _("Name the location whose stock is set; the shop has: {names}")
                known = safe(", ".join(sorted(names)) or "-", 200)
                raise WireError(Refused("no_location", text.format(names=known), "location"))
            self._place = found
        return self._place

    async def _read_levels(self, variant_ids: Sequence[str], place: str) -> dict[str, _StockOf]:
        ids = [gid("ProductVariant", one) for one in dict.fromkeys(variant_ids) if one.isdecimal()]
        answer = await self._api.ask("Levels", _Levels, ids=ids, location=place)
        return {number_of(node.id): node for node in answer.nodes if node is not None}

    async def _set(self, level: StockLevel, place: str, found: _StockOf | None) -> StockOutcome:
        for attempt in range(3):
            change = _change(level, place, found)
            if not isinstance(change, _Change):
                return change
            try:
                problems = await self._set_once([change], f"{change.key}:{attempt}")
                codes = {problem.code for problem in problems}
                if not problems:
                    return StockSet(level.quantity, change.before)
                if not codes & {"CHANGE_FROM_QUANTITY_STALE", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"}:
                    words = safe("; ".join(problem.message for problem in problems), 300)
                    if "IDEMPOTENCY_CONCURRENT_REQUEST" in codes:
                        return Unknown("stock_under_way", words)
                    return Refused((problems[0].code or "stock_refused").lower(), words)
                found = (await self._read_levels([level.platform_variant_id], place)).get(level.platform_variant_id)
            except WireError as error:
                return error.outcome
        return NotActed("stock_moves", _("The stock changed in the shop each time it was set."), 30 * SECOND)

    async def _set_once(self, changes: Sequence["_Change"], key: str) -> list[Problem]:
        """One call under its key; while another call under it is at work, wait for that one."""
        body = {"name": "available", "reason": "correction", "quantities": [change.body for change in changes]}
        for attempt in range(3):
            answer = await self._api.ask("SetStock", _Set, acts=True, input=body, key=key)
            problems = answer.inventory_set_quantities.user_errors
            if attempt == 2 or not any(problem.code == "IDEMPOTENCY_CONCURRENT_REQUEST" for problem in problems):
                break
            await self._api.pause(1.0)
        return problems


class _Change(msgspec.Struct, frozen=True):
    """A level that must be written. The same question always has the same `key`, another one never."""

    body: dict[str, Any]
    before: int
    key: str


def _change(level: StockLevel, place: str, found: _StockOf | None) -> _Change | StockOutcome:
    """What must be written for a level, or why nothing is."""
    if found is None:
        return Refused("variant_gone", _("The shop no longer has this variant."))
    item = found.inventory_item
    if not item.tracked or item.inventory_level is None:
        return Refused("not_tracked", _("The shop does not keep stock of this variant at the location."))
    before = sum(one.quantity for one in item.inventory_level.quantities)
    if before == level.quantity:
        return StockSet(level.quantity, before)
    body = {"inventoryItemId": item.id, "locationId": place, "quantity": level.quantity, "changeFromQuantity": before}
    return _Change(body, before, f"{level.key}:{before}:{level.quantity}")


def _place_of(problem: Problem) -> int | None:
    """Which of the quantities a problem names: `["input", "quantities", "3", …]`."""
    named = problem.field or []
    return int(named[2]) if named[1:2] == ["quantities"] and len(named) > 2 and named[2].isdecimal() else None


def _product(unit: _Unit, goods: _Goods) -> Product:
    """ROA-22, 23, 25: the variant with its product's name, description and category."""
    title = "" if unit.title == "Default Title" else unit.title
    category = goods.category
    paths = (Category(number_of(category.id), tuple(category.full_name.split(" > "))),) if category else ()
    if not paths and goods.product_type.strip():
        paths = (Category(f"type:{goods.product_type.strip()}", (goods.product_type.strip(),)),)
    weight = unit.inventory_item.measurement.weight
    grams = weight.value * Decimal(GRAMS.get(weight.unit, "0")) if weight else Decimal(0)
    return Product(
        platform_product_id=number_of(goods.id),
        platform_variant_id=number_of(unit.id),
        name=" - ".join(filter(None, (goods.title, title))),
        sku=unit.sku or "",
        description=goods.description,
        categories=paths,
        stock_managed=unit.inventory_item.tracked,
        stock_quantity=None if unit.inventory_quantity is None else Decimal(unit.inventory_quantity),
        weight_g=int(grams.to_integral_value(ROUND_HALF_UP)) or None,
        status=goods.status.lower(),
    )


def _unit_of(raw: bytes) -> Product | Poison:
    try:
        unit = msgspec.json.decode(raw, type=_UnitOf)
        return _product(unit, unit.product)
    except (msgspec.MsgspecError, ArithmeticError, ValueError) as error:
        return Poison(number_of(head(raw).id), "malformed_product", safe(error), raw)
