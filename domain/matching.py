"""How goods of a platform meet goods of ours: product matching and the choice of a category."""

from collections.abc import Sequence

from domain.records import Category


def match_key(by: str, name: str, sku: str, platform_product_id: str, platform_variant_id: str) -> str:
    """The value two products are compared by (ROA-21): trimmed; case counts for sku and id; '' matches nothing."""
    if by == "name":
        return name.strip()
    if by == "id":
        return (
            platform_variant_id.strip() if platform_variant_id not in {"", "0"} else ""
        ) or platform_product_id.strip()
    return sku.strip()


def category_key(name: str) -> str:
    """A category's name for comparison inside its parent: trimmed, case-insensitive (ROA-25)."""
    return name.strip().casefold()


def choose_category(categories: Sequence[Category]) -> Category | None:
    """The one category of a product that has several (ROA-26, WooCommerce).

    All on one branch: the deepest. Several of one depth: the first by alphabet. Several depths, not one branch: the
    most general, ties by alphabet. Alphabet is case-insensitive.
    """
    if not categories:
        return None
    by_depth = sorted(categories, key=lambda c: (len(c.path), c.path[-1].casefold(), c.path))
    deepest = by_depth[-1]
    if all(deepest.path[: len(c.path)] == c.path for c in by_depth):
        return deepest
    return by_depth[0]
