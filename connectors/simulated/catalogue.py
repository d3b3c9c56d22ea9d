"""What the simulated shop sells: stationery, a category tree, simple products and variations. All invented."""

import html
import random
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

Payload = dict[str, Any]

CATEGORIES: tuple[tuple[int, str, int], ...] = (
    (15, "Paper", 0),
    (16, "Notebooks", 15),
    (17, "Dotted notebooks", 16),
    (18, "Writing", 0),
    (19, "Pens", 18),
    (20, "Pencil cases", 0),
    (21, "Gifts", 0),
    (22, "Zeszyty i bloki", 15),
    (23, "文具礼盒", 21),
    (24, "Pens &amp; inks", 18),
)
"""(id, name as the API gives it, parent id or 0)."""

# id, sku, name, price in minor units, weight in kg, categories, stock (None = not managed), virtual
_SIMPLE: tuple[tuple[int, str, str, int, str, tuple[int, ...], int | None, bool], ...] = (
    (201, "NB-A5", "Notebook A5, ruled", 2490, "0.31", (15, 16), 400, False),
    (202, "NB-A6-DOT", "Notebook A6, dotted", 1890, "0.17", (15, 16, 17), 250, False),
    (203, "PEN-07", "Gel pen 0.7 mm", 690, "0.012", (18, 19), 2000, False),
    (204, "PEN-05", "Gel pen 0.5 mm", 690, "0.012", (19, 21), 1500, False),
    (205, "BOX-GIFT", "Zestaw upominkowy „Biurko”", 8900, "0.85", (20, 21), 40, False),
    (206, "墨水-30", "墨水 30 ml（蓝黑）", 3200, "0.11", (24, 23), 75, False),
    (207, "", "Offcuts bag, assorted paper", 990, "0.5", (15,), None, False),
    (208, "RUL[15]/CM", "Ruler 15 cm", 450, "0.02", (18,), 3, False),
    (209, "BLOK-A4", "Blok techniczny A4 – żółty", 1290, "0.4", (22, 16), 120, False),
    (210, "SET &amp; GO", "Markers &amp; liners &ndash; set of 12", 4590, "0.22", (18, 21), 60, False),
    (211, "GIFT-CARD", "Gift card by e-mail", 10000, "", (21,), None, True),
)

# id, sku stem, name, attribute, price, weight, categories, ((variation id, sku, option, stock), …)
_VARIABLE: tuple[
    tuple[int, str, str, str, int, str, tuple[int, ...], tuple[tuple[int, str, str, int | None], ...]], ...
]
_VARIABLE = (
    (
        301, "BD", "Pencil case", "Colour", 3490, "0.14", (20,),
        ((311, "BD-BLUE", "Blue", 90), (312, "BD-RED", "Red", 85), (313, "BD-GREEN", "Green", 0)),
    ),
    (
        302, "FP", "Fountain pen", "Nib", 7900, "0.06", (18, 19),
        ((321, "FP-EF", "EF", 25), (322, "FP-F", "F", 30), (323, "", "M", None)),
    ),
    (
        303, "ZE", "Zeszyt w kratkę", "Kartki", 890, "0.2", (22,),
        ((331, "ZE-60", "60", 300), (332, "ZE-96", "96 & more", 300)),
    ),
)  # fmt: skip


class Product(Struct):
    """A product or, when `parent_id` is not 0, a variation. `name` is as the API gives it (HTML-escaped)."""

    id: int
    sku: str
    name: str
    kind: Literal["simple", "variable", "variation"]
    price: int
    weight: str
    categories: tuple[int, ...]
    stock: int | None
    modified: int
    virtual: bool = False
    parent_id: int = 0
    attribute: str = ""
    option: str = ""
    children: list[int] = field(default_factory=list)
    status: str = "publish"
    backorders: str = "no"

    @property
    def full_name(self) -> str:
        """The name an order line carries: a variation's option stands behind its product's name."""
        return f"{self.name} - {html.escape(self.option, quote=False)}" if self.parent_id else self.name


class Catalogue:
    """Products by id, and what the API shows of them."""

    def __init__(self, zone: ZoneInfo, born: int, extra: int = 0) -> None:
        self.zone = zone
        self.products: dict[int, Product] = {}
        for id_, sku, name, price, weight, categories, stock, virtual in _SIMPLE:
            self._add(Product(id_, sku, name, "simple", price, weight, categories, stock, born, virtual))
        for id_, stem, name, attribute, price, weight, categories, options in _VARIABLE:
            parent = Product(id_, stem, name, "variable", price, weight, categories, None, born, attribute=attribute)
            self._add(parent)
            for child, sku, option, stock in options:
                parent.children.append(child)
                self._add(
                    Product(
                        child, sku, name, "variation", price, weight, categories, stock, born,
                        parent_id=id_, attribute=attribute, option=option,
                    )
                )  # fmt: skip
        for n in range(1, extra + 1):
            sku = f"CARD-{n:05d}"
            self._add(Product(400 + n, sku, f"Postcard no. {n}", "simple", 350, "0.01", (15,), 100, born))
        self.sellable = [p for p in self.products.values() if p.kind != "variable" and not p.virtual]
        self.ordinary = [p for p in self.sellable if p.sku]

    def _add(self, product: Product) -> None:
        self.products[product.id] = product

    def by_sku(self, sku: str) -> Product:
        """The sellable unit with that SKU. Raises `LookupError`."""
        for product in self.products.values():
            if product.sku == sku and product.kind != "variable":
                return product
        raise LookupError(f"no product with SKU {sku}")

    def taken(self, sku: str, by_other_than: int) -> bool:
        """Does another product have this SKU? WooCommerce keeps SKUs unique per shop."""
        return any(p.sku == sku and p.id != by_other_than for p in self.products.values()) if sku else False

    def pick(self, rng: random.Random, lines: int) -> list[Product]:
        """Some different ordinary products."""
        return rng.sample(self.ordinary, lines)

    def move_stock(self, product_id: int, variation_id: int, delta: int, now: int) -> None:
        """Change what is on hand, as the shop does when an order is paid or cancelled. Below zero is allowed."""
        product = self.products.get(variation_id or product_id)
        if product is not None and product.stock is not None:
            product.stock += delta
            product.modified = now

    def _local(self, at: int) -> str:
        return datetime.fromtimestamp(at, self.zone).strftime("%Y-%m-%dT%H:%M:%S")

    def wire(self, product: Product) -> Payload:
        """A product or variation as WooCommerce REST v3 shows it."""
        price = f"{product.price // 100}.{product.price % 100:02d}"
        stock_status = "outofstock" if product.stock is not None and product.stock <= 0 else "instock"
        moment = datetime.fromtimestamp(product.modified, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        shown: Payload = {
            "id": product.id,
            "name": product.full_name if not product.parent_id else html.escape(product.option, quote=False),
            "slug": f"p-{product.id}",
            "type": product.kind,
            "status": product.status,
            "description": "",
            "short_description": "",
            "sku": product.sku,
            "global_unique_id": "",
            "price": price if product.kind != "variable" or product.children else "",
            "regular_price": price,
            "sale_price": "",
            "virtual": product.virtual,
            "downloadable": False,
            "manage_stock": product.stock is not None,
            "stock_quantity": product.stock,
            "stock_status": stock_status,
            "backorders": product.backorders,
            "backorders_allowed": product.backorders != "no",
            "weight": product.weight,
            "dimensions": {"length": "", "width": "", "height": ""},
            "parent_id": product.parent_id,
            "date_created": self._local(product.modified),
            "date_modified": self._local(product.modified),
            "date_modified_gmt": moment,
            "meta_data": [],
        }
        if product.parent_id:
            shown["attributes"] = [{"id": 0, "name": product.attribute, "option": product.option}]
            return shown
        shown["categories"] = [
            {"id": id_, "name": name, "slug": f"c-{id_}"}
            for id_, name, _parent in CATEGORIES
            if id_ in product.categories
        ]
        shown["variations"] = list(product.children)
        options = [self.products[child].option for child in product.children]
        shown["attributes"] = (
            [{"id": 0, "name": product.attribute, "variation": True, "visible": True, "options": options}]
            if options
            else []
        )
        return shown

    def rendered(self, product: Product) -> bytes:
        """The product's JSON."""
        return msgspec.json.encode(self.wire(product))

    def categories(self) -> list[Payload]:
        """The category tree, flat, as the API lists it."""
        tops = [p for p in self.products.values() if not p.parent_id]
        return [
            {
                "id": id_,
                "name": name,
                "slug": f"c-{id_}",
                "parent": parent,
                "description": "",
                "display": "default",
                "menu_order": 0,
                "count": sum(id_ in product.categories for product in tops),
            }
            for id_, name, parent in CATEGORIES
        ]
