"""Products, variants, listings and categories: what we own, and what it is called on each shop."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from domain.matching import category_key, choose_category, match_key
from domain.records import Category, OrderLine, Product
from domain.text import LONGEST_KEY, storable
from store import tables as t
from store.database import Tx

ListingKey = tuple[str, str]
"""(platform product id, platform variant id) within a shop; '' and '0' mean none."""
NO_PRODUCT = frozenset({"", "0"})
"""What a line names whose product is gone, or never was one."""


class Kept(Struct):
    """What keeping products did."""

    created: int = 0
    matched: int = 0
    unchanged: int = 0
    warnings: list[str] = []


async def listings(tx: Tx, shop_id: int, keys: Iterable[ListingKey]) -> dict[ListingKey, int]:
    """Listing ids of a shop by platform ids."""
    sql, params = listings_asked(shop_id, keys)
    return listings_told(await tx.rows(sql, **params)) if params["products"] else {}


def listings_asked(shop_id: int, keys: Iterable[ListingKey]) -> tuple[str, dict[str, Any]]:
    """The question of `listings`, for who asks more at once."""
    sql = """SELECT id, platform_product_id, platform_variant_id FROM listing
             WHERE shop_id = :shop AND platform_product_id IN :products"""
    return sql, {"shop": shop_id, "products": sorted({p for p, _v in keys})}


def listings_told(rows: Iterable[Any]) -> dict[ListingKey, int]:
    """Its answer."""
    return {(r.platform_product_id, r.platform_variant_id): r.id for r in rows}


async def keep_products(tx: Tx, shop_id: int, products: Sequence[Product], identify_by: str) -> Kept:
    """Take over products of a shop: a known listing stays, an equal product of ours is used, else one is created.

    ROA-20…25: nothing of ours is overwritten, the unit is always the piece, stock is not touched. Two local products
    of the same key: the lowest id is used, with a warning.
    """
    kept = Kept()
    if not products:
        return kept
    have = await listings(tx, shop_id, [_key(p) for p in products])
    if all(_key(p) in have for p in products):
        kept.unchanged = len(products)
        return kept
    if tx.dialect == "postgresql":
        # Imports of several shops would each create what they all find missing: one at a time, until the commit.
        await tx.rows("SELECT pg_advisory_xact_lock(hashtext('catalogue'))")
        have = await listings(tx, shop_id, [_key(p) for p in products])
    fresh = [p for p in {_key(p): p for p in products}.values() if _key(p) not in have]
    kept.unchanged = len(products) - len(fresh)
    too_long = [p for p in fresh if max(map(len, (*_key(p), p.sku))) > LONGEST_KEY]
    if too_long:
        kept.warnings.extend(f"{p.name[:60]}: {len(p.sku)}" for p in too_long)
        fresh = [p for p in fresh if p not in too_long]
    local = await _local(tx, shop_id, identify_by, fresh)
    products_here: dict[str, int] = {}
    for p in fresh:
        key = _match_key(identify_by, p)
        variants = local.get(key, []) if key else []
        if len(variants) > 1:
            kept.warnings.append(f"{key}: {len(variants)}")
        if variants:
            variant_id = variants[0]
            kept.matched += 1
        else:
            variant_id = await _create(tx, p, products_here)
            kept.created += 1
            if key:
                local[key] = [variant_id]
        listing_id = await tx.add(
            t.listing,
            {
                "shop_id": shop_id,
                "platform_product_id": _key(p)[0],
                "platform_variant_id": _key(p)[1],
                "sku": storable(p.sku.strip()),
                "name": storable(p.name),
                "match_key": key,
                "problem": "" if key else "no_key",
            },
        )
        await tx.insert(t.listing_item, [{"listing_id": listing_id, "variant_id": variant_id}])
    return kept


def _variant(platform_variant_id: str) -> str:
    return "" if platform_variant_id == "0" else platform_variant_id


def _key(p: Product) -> ListingKey:
    return _key_of(p.platform_product_id, p.platform_variant_id)


def _match_key(by: str, p: Product) -> str:
    return storable(match_key(by, p.name, p.sku, p.platform_product_id, p.platform_variant_id))


async def _local(tx: Tx, shop_id: int, by: str, products: Sequence[Product]) -> dict[str, list[int]]:
    """Variants of ours by match key, lowest id first."""
    keys = {_match_key(by, p) for p in products} - {""}
    if not keys:
        return {}
    if by == "id":
        rows = await tx.rows(
            """SELECT l.match_key AS key, li.variant_id AS id FROM listing l JOIN listing_item li ON li.listing_id = l.id
               WHERE l.shop_id = :shop AND l.match_key IN :keys ORDER BY li.variant_id""",
            shop=shop_id,
            keys=sorted(keys),
        )
    else:
        column = "sku" if by == "sku" else "name"
        rows = await tx.rows(
            f"SELECT trim({column}) AS key, id FROM variant WHERE trim({column}) IN :keys ORDER BY id",
            keys=sorted(keys),
        )
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(row.key, []).append(row.id)
    return found


async def _create(tx: Tx, p: Product, products_here: dict[str, int]) -> int:
    product_id = products_here.get(p.platform_product_id) if p.platform_product_id else None
    if product_id is None:
        category = choose_category(p.categories)
        product_id = await tx.add(
            t.product,
            {
                "code": storable(p.platform_product_id),
                "name": storable(p.name),
                "description": storable(p.description),
                "unit": "piece",
                "category_id": await keep_category(tx, category) if category else None,
                "created_at": tx.now,
            },
        )
        if p.platform_product_id:
            products_here[p.platform_product_id] = product_id
    return await tx.add(
        t.variant,
        {
            "product_id": product_id,
            "sku": storable(p.sku.strip()),
            "name": storable(p.name.strip()),
            "weight_g": p.weight_g or 0,
            "created_at": tx.now,
        },
    )


async def keep_category(tx: Tx, category: Category) -> int:
    """The id of a category, its ancestors created where they are missing (ROA-25)."""
    parent: int | None = None
    for name in category.path:
        key = category_key(storable(name))
        found = await tx.value(
            "SELECT id FROM category WHERE name_key = :key AND coalesce(parent_id, 0) = :parent",
            key=key,
            parent=parent or 0,
        )
        if found is None:
            found = await tx.add(t.category, {"parent_id": parent, "name": storable(name.strip()), "name_key": key})
        parent = int(found)
    assert parent is not None
    return parent


async def by_sku(tx: Tx, skus: Iterable[str]) -> dict[str, int]:
    """Variant ids by SKU, the lowest id where a SKU stands twice."""
    wanted = sorted({s.strip() for s in skus} - {""})
    if not wanted:
        return {}
    rows = await tx.rows("SELECT sku, min(id) AS id FROM variant WHERE sku IN :skus GROUP BY sku", skus=wanted)
    return {r.sku: r.id for r in rows}


def line_key(line: OrderLine) -> ListingKey:
    """The listing key that an order line names."""
    return _key_of(line.platform_product_id, line.platform_variant_id)


def _key_of(product: str, variant: str) -> ListingKey:
    # What is too long for an id is not kept in mind.
    known = len(product) <= LONGEST_KEY and len(variant) <= LONGEST_KEY
    return _listing_key(product, variant) if known else _listing_key.__wrapped__(product, variant)


@lru_cache(maxsize=8192)
def _listing_key(product: str, variant: str) -> ListingKey:
    """A shop has many lines and few listings."""
    return storable(product), _variant(storable(variant))


def wanted_listings(lines: Iterable[OrderLine]) -> set[ListingKey]:
    """The listing keys that order lines name, lines whose product is gone left out."""
    return {line_key(line) for line in lines if line.platform_product_id not in NO_PRODUCT}


async def listings_of_lines(tx: Tx, shop_id: int, lines: Sequence[OrderLine]) -> dict[ListingKey, int]:
    """Listing ids by platform ids; for lines whose product is gone, by ('', sku) where a listing of the shop has it."""
    return await listings(tx, shop_id, wanted_listings(lines)) | await orphans(tx, shop_id, lines)


async def orphans(tx: Tx, shop_id: int, lines: Sequence[OrderLine]) -> dict[ListingKey, int]:
    """Listings by ('', sku) for the lines whose product is gone."""
    skus = sorted({orphan(ln) for ln in lines if ln.platform_product_id in NO_PRODUCT and ln.sku.strip()})
    if not skus:
        return {}
    sql = "SELECT sku, min(id) AS id FROM listing WHERE shop_id = :shop AND sku IN :skus GROUP BY sku"
    return {("", row.sku): row.id for row in await tx.rows(sql, shop=shop_id, skus=skus)}


def orphan(line: OrderLine) -> str:
    """What a line whose product is gone is matched by: its SKU, as listings keep it."""
    return line.sku.strip()
