"""The simulated shop's products, categories, settings and system status. Source: reference page §1, §7."""

from collections.abc import Callable
from typing import Any

import msgspec

from connectors.simulated.catalogue import Product
from connectors.simulated.orders import Payload, minor
from connectors.simulated.server import Answer, answer_json
from connectors.simulated.wordpress import (
    Call,
    Handler,
    Params,
    Refusal,
    in_batch,
    invalid_params,
    item_methods,
    paging_headers,
    with_fields,
)
from connectors.simulated.world import World

_STATUSES = ("any", "draft", "pending", "private", "publish")
_KINDS = ("simple", "grouped", "external", "variable")
_ID = r"(?P<id>[\d]+)"
_SUB = r"(?P<sub>[\d]+)"


class CatalogueRoutes:
    """Everything under `/wc/v3` that is not an order."""

    def __init__(self, world: World, name: str, base: Callable[[], str]) -> None:
        self._world = world
        self._catalogue = world.catalogue
        self._name = name
        self._base = base

    def routes(self) -> list[tuple[str, dict[str, Handler]]]:
        """Path patterns and their methods."""
        return [
            ("/wc/v3/products", {"GET": self._list}),
            ("/wc/v3/products/batch", {"POST": self._batch}),
            ("/wc/v3/products/categories", {"GET": self._categories}),
            (f"/wc/v3/products/{_ID}", item_methods(self._get, self._put)),
            (f"/wc/v3/products/{_ID}/variations", {"GET": self._variations}),
            (f"/wc/v3/products/{_ID}/variations/batch", {"POST": self._batch}),
            (f"/wc/v3/products/{_ID}/variations/{_SUB}", item_methods(self._get, self._put)),
            ("/wc/v3/system_status", {"GET": self._system_status}),
            ("/wc/v3/settings/general", {"GET": self._settings}),
            (r"/wc/v3/settings/general/(?P<name>[\w-]+)", {"GET": self._setting}),
        ]

    def _page(self, call: Call, params: Params, found: list[bytes]) -> Answer:
        page = params.integer("page", 1, 1)
        per_page = params.integer("per_page", 10, 1, 100)
        offset = params.integer("offset", (page - 1) * per_page, 0)
        params.check()
        rows = with_fields(found[offset : offset + per_page], params.words("_fields"))
        return Answer(rows=rows, headers=paging_headers(call, len(found), page, per_page))

    def _list(self, call: Call) -> Answer:
        params = Params(call.query)
        skus, ids = params.words("sku"), params.ids("include")
        status, kind = params.choice("status", "any", _STATUSES), params.choice("type", "", _KINDS)
        stock = params.choice("stock_status", "", ("instock", "outofstock", "onbackorder"))
        category, search = params.optional("category"), params.text("search").lower()
        after = params.moment("modified_after", self._world.zone, params.boolean("dates_are_gmt"))
        orderby = params.choice("orderby", "date", ("date", "id", "include", "title", "slug", "modified"))
        descending = params.choice("order", "desc", ("asc", "desc")) == "desc"
        found = []
        for product in self._catalogue.products.values():
            in_stock = product.stock is None or product.stock > 0
            if product.parent_id and product.sku not in skus:  # a variation is listed only when asked for by its SKU
                continue
            if (skus and product.sku not in skus) or (ids and product.id not in ids):
                continue
            if (status not in ("any", product.status)) or (kind and product.kind != kind):
                continue
            if (stock and (stock == "instock") != in_stock) or (category and category not in product.categories):
                continue
            if search not in product.name.lower() or (after is not None and product.modified <= after):
                continue
            found.append(product)
        found.sort(key=lambda one: (one.modified if orderby == "modified" else 0, one.id), reverse=descending)
        return self._page(call, params, [self._catalogue.rendered(one) for one in found])

    def _product(self, call: Call) -> Product:
        product = self._catalogue.products.get(call.sub if "sub" in call.ids else call.id)
        if product is None or product.parent_id != (call.id if "sub" in call.ids else product.parent_id):
            raise Refusal(404, "woocommerce_rest_product_invalid_id", "Invalid ID.")
        return product

    def _get(self, call: Call) -> Answer:
        row = self._catalogue.rendered(self._product(call))
        return Answer(200, with_fields([row], Params(call.query).words("_fields"))[0])

    def _put(self, call: Call) -> Answer:
        return Answer(200, self._change(self._product(call), call.body))

    def _change(self, product: Product, body: Payload) -> bytes:
        problems: dict[str, tuple[str, str]] = {}
        quantity = body.get("stock_quantity", 0)
        if quantity is not None and (isinstance(quantity, bool) or not isinstance(quantity, int)):
            problems["stock_quantity"] = ("rest_invalid_type", "stock_quantity is not of type integer.")
        if body.get("manage_stock", False) not in (True, False, "parent"):
            problems["manage_stock"] = ("rest_invalid_type", "manage_stock is not of type boolean.")
        if problems:
            raise invalid_params(problems)
        sku = str(body.get("sku", product.sku))
        if self._catalogue.taken(sku, product.id):
            raise Refusal(400, "product_invalid_sku", "Invalid or duplicated SKU.", resource_id=product.id)
        product.sku = sku
        product.name = str(body.get("name", product.name))
        product.price = minor(body["regular_price"]) if body.get("regular_price") else product.price
        if "manage_stock" in body:
            product.stock = (product.stock or 0) if body["manage_stock"] is True else None
        if product.stock is not None and isinstance(body.get("stock_quantity"), int):
            product.stock = body["stock_quantity"]
        product.modified = self._world.now()
        return self._catalogue.rendered(product)

    def _batch(self, call: Call) -> Answer:
        items: Any = call.body.get("update", [])
        if sum(len(call.body.get(name, [])) for name in ("create", "update", "delete")) > 100:
            code = "woocommerce_rest_request_entity_too_large"
            raise Refusal(413, code, "Unable to accept more than 100 items for this request.")

        def update(item: Any) -> bytes:
            product = self._catalogue.products.get(item.get("id", 0))
            if product is None or product.parent_id != (call.id if "id" in call.ids else 0):
                raise Refusal(400, "woocommerce_rest_product_invalid_id", "Invalid ID.")
            return self._change(product, item)

        return answer_json({"update": [msgspec.Raw(in_batch(update, item)) for item in items]})

    def _variations(self, call: Call) -> Answer:
        parent = self._product(call)
        rows = [self._catalogue.rendered(self._catalogue.products[child]) for child in reversed(parent.children)]
        return self._page(call, Params(call.query), rows)

    def _categories(self, call: Call) -> Answer:
        params = Params(call.query)
        parent = params.optional("parent")
        found = [one for one in self._catalogue.categories() if parent is None or one["parent"] == parent]
        found.sort(key=lambda one: str(one["name"]).lower())
        return self._page(call, params, [msgspec.json.encode(one) for one in found])

    def _all_settings(self) -> list[Payload]:
        values = {
            "woocommerce_store_address": "ul. Kałamarza 1",
            "woocommerce_store_city": "Poznań",
            "woocommerce_default_country": "PL",
            "woocommerce_store_postcode": "60-001",
            "woocommerce_calc_taxes": "yes",
            "woocommerce_currency": self._world.config.currency,
            "woocommerce_price_num_decimals": "2",
        }
        return [
            {
                "id": id_,
                "label": id_,
                "description": "",
                "type": "text",
                "default": "",
                "value": value,
                "group_id": "general",
            }
            for id_, value in values.items()
        ]

    def _settings(self, call: Call) -> Answer:
        return answer_json(self._all_settings())

    def _setting(self, call: Call) -> Answer:
        for setting in self._all_settings():
            if setting["id"] == call.ids["name"]:
                return answer_json(setting)
        raise Refusal(404, "rest_setting_setting_invalid", "Invalid setting.")

    def _system_status(self, call: Call) -> Answer:
        base = self._base()
        return answer_json(
            {
                "environment": {
                    "home_url": base,
                    "site_url": base,
                    "version": "10.5.0",
                    "wp_version": "6.9",
                    "wp_multisite": False,
                    "default_timezone": "UTC",
                    "language": "pl_PL",
                },
                "active_plugins": [
                    {"plugin": "woocommerce/woocommerce.php", "name": "WooCommerce", "version": "10.5.0"}
                ],
                "settings": {"api_enabled": False, "currency": self._world.config.currency, "number_of_decimals": 2},
                "security": {"secure_connection": base.startswith("https"), "hide_errors": True},
            }
        )
