"""WooCommerce: products, variations and categories as sellable units."""

import asyncio
import html
from collections.abc import AsyncIterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import msgspec
from msgspec import Struct

from connectors.contract import Poison, ProductPage
from connectors.http import WireError
from connectors.shops.woocommerce_api import API, PAGE, Api, part_of
from connectors.shops.woocommerce_orders import id_of, row_of
from connectors.wire import BadOrder, Scalar, as_number, as_text, every, listed
from domain.records import Category, Product
from domain.text import safe
from domain.words import _

WEIGHTS = {"kg": Decimal(1000), "g": Decimal(1), "lbs": Decimal("453.59237"), "oz": Decimal("28.349523125")}


class _Named(Struct):
    id: int
    name: Scalar = ""
    parent: int = 0


class _Product(Struct):
    """A product or one variation of it."""

    id: int
    name: Scalar = ""
    sku: Scalar = ""
    type: Scalar = "simple"
    status: Scalar = ""
    description: Scalar = ""
    manage_stock: Scalar = False
    stock_quantity: Scalar = None
    weight: Scalar = ""
    categories: list[_Named] | None = None
    variations: list[Any] | dict[str, Any] | None = None
    attributes: list[Any] | dict[str, Any] | None = None


def _unit(product: _Product, variation: _Product | None, paths: tuple[Category, ...], unit_g: Decimal) -> Product:
    own = variation or product
    options = [part_of(option, "option") for option in listed(own.attributes)] if variation else []
    # A variation may leave its stock ("parent") and its weight to the product.
    counted = product if own.manage_stock == "parent" and own.stock_quantity is None else own
    weight = as_text(own.weight) or as_text(product.weight)
    stock = None if counted.stock_quantity is None else as_number(counted.stock_quantity, _("The stock"))
    return Product(
        platform_product_id=str(product.id),
        platform_variant_id=str(variation.id) if variation else "",
        name=html.unescape(" - ".join(filter(None, (as_text(product.name), ", ".join(filter(None, options)))))),
        sku=as_text(own.sku),
        description=as_text(own.description) or as_text(product.description),
        categories=paths,
        stock_managed=own.manage_stock is True or own.manage_stock == "parent",
        stock_quantity=stock,
        weight_g=int((as_number(weight, _("The weight")) * unit_g).to_integral_value(ROUND_HALF_UP))
        if weight
        else None,
        status=as_text(product.status),
    )


class Goods:
    """Reads a shop's products. Categories and the weight unit are read once for many of them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._categories: dict[int, _Named] = {}
        self._weight_g: Decimal | None = None
        self._shared = asyncio.Lock()

    async def products(self, cursor: str) -> AsyncIterator[ProductPage]:
        """Every sellable unit, by product id; the cursor is the next page's number."""
        self._categories, self._weight_g = {}, None
        page = int(cursor) if cursor.isdecimal() and int(cursor) else 1
        while True:
            params = {"orderby": "id", "order": "asc", "per_page": str(PAGE), "page": str(page)}
            raws, answer = await self._api.get(f"{API}/products", list[msgspec.Raw], params)
            pages = answer.headers.get("x-wp-totalpages", "")
            last = not raws or (page >= int(pages) if pages.isdecimal() else len(raws) < PAGE)
            units = [unit for many in await every([self._units(bytes(raw), False) for raw in raws]) for unit in many]
            page += 1
            yield ProductPage(
                tuple(unit for unit in units if isinstance(unit, Product)),
                tuple(unit for unit in units if isinstance(unit, Poison)),
                "" if last else str(page),
                last,
            )
            if last:
                return

    async def read_products(self, platform_product_ids: Sequence[str]) -> Sequence[Product | Poison]:
        """These products with their variations; ids the shop does not know are left out."""
        wanted = [product_id for product_id in dict.fromkeys(platform_product_ids) if id_of(product_id).isdecimal()]
        raws: list[msgspec.Raw] = []
        for start in range(0, len(wanted), PAGE):
            params = {"include": ",".join(wanted[start : start + PAGE]), "per_page": str(PAGE)}
            raws += (await self._api.get(f"{API}/products", list[msgspec.Raw], params))[0]
        return [unit for many in await every([self._units(bytes(raw), True) for raw in raws]) for unit in many]

    async def _units(self, raw: bytes, named: bool) -> list[Product | Poison]:
        """The sellable units of one product. `named`: an order names it, so even a mere container becomes one."""
        try:
            product = msgspec.json.decode(raw, type=_Product)
            if product.type in {"grouped", "external"} and not named:
                return []
            async with self._shared:
                paths, unit_g = await self._paths(product.categories or []), await self._weight()
            parts: list[bytes] = []
            if product.variations or product.type == "variable":
                parts = await self._variations(product.id)
                if not parts and not named:
                    return []
            if not parts:
                return [_unit(product, None, paths, unit_g)]
        except (msgspec.MsgspecError, BadOrder, RecursionError) as error:
            return [Poison(row_of(raw).id, "malformed_product", safe(error), raw)]
        units: list[Product | Poison] = []
        for part in parts:
            try:
                units.append(_unit(product, msgspec.json.decode(part, type=_Product), paths, unit_g))
            except (msgspec.MsgspecError, BadOrder, RecursionError) as error:
                units.append(Poison(row_of(part).id, "malformed_product", safe(error), part))
        return units

    async def _variations(self, product_id: int) -> list[bytes]:
        found: list[bytes] = []
        page = 1
        while True:
            params = {"per_page": str(PAGE), "page": str(page), "orderby": "id", "order": "asc"}
            path = f"{API}/products/{product_id}/variations"
            try:
                rows, _answer = await self._api.get(path, list[msgspec.Raw], params)
            except WireError as error:
                if error.status == 404:
                    return found  # Deleted since its product was read.
                raise
            found += [bytes(row) for row in rows]
            if len(rows) < PAGE:
                return found
            page += 1

    async def _weight(self) -> Decimal:
        if self._weight_g is None:
            unit = await self._api.setting("settings/products/woocommerce_weight_unit")
            self._weight_g = WEIGHTS.get(as_text(unit.get("value")), WEIGHTS["kg"])
        return self._weight_g

    async def _paths(self, assigned: Sequence[_Named]) -> tuple[Category, ...]:
        if any(category.id not in self._categories for category in assigned):
            page, more = 1, True
            while more:
                params = {"per_page": str(PAGE), "page": str(page), "orderby": "id", "order": "asc"}
                rows, _answer = await self._api.get(f"{API}/products/categories", list[_Named], params)
                self._categories.update((row.id, row) for row in rows)
                page, more = page + 1, len(rows) == PAGE
            for category in assigned:  # What the list does not hold stands by itself rather than be asked for again.
                self._categories.setdefault(category.id, category)
        return tuple(Category(str(category.id), self._path(category.id)) for category in assigned)

    def _path(self, category_id: int) -> tuple[str, ...]:
        names: list[str] = []
        met: set[int] = set()
        while (category := self._categories.get(category_id)) and category_id not in met:
            met.add(category_id)
            names.insert(0, html.unescape(as_text(category.name)))
            category_id = category.parent
        return tuple(names)
