"""What a generated database holds before its first order: shops, carriers, goods, and what is where on sale."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from bench.vocabulary import CN, DE, FAMILIES, PL, UA, VARIANTS, Country
from connectors.carriers.simulated import SERVICES
from domain.capabilities import Service
from domain.clock import DAY, HOUR, MINUTE, Instant
from store.database import as_json


class Shop(NamedTuple):
    """A shop, whose id is its place in `SHOPS` plus one, and who buys there."""

    name: str
    zone: str
    currency: str
    rate: float
    """Units of its currency for one of the price list's."""
    share: float
    """Of all orders."""
    buyers: tuple[tuple[Country, float], ...]
    """Countries with their shares, which add up to one."""
    on_delivery: float
    """Share of orders paid on delivery."""
    handling_hours: int
    moves_on: bool = True


SHOPS = (
    Shop("PL-Woo", "Europe/Warsaw", "PLN", 1.0, 0.36, ((PL, 0.86), (DE, 0.08), (UA, 0.06)), 0.18, 48),
    # Its parcels stay in the stage "waybill" until somebody moves them on: the others leave it by themselves.
    Shop("DE-Shop", "Europe/Berlin", "EUR", 0.24, 0.2, ((DE, 0.92), (PL, 0.08)), 0.0, 72, False),
    Shop("WeChat-1", "Asia/Shanghai", "CNY", 1.8, 0.17, ((CN, 1.0),), 0.0, 72),
    Shop("Youzan-1", "Asia/Shanghai", "CNY", 1.7, 0.15, ((CN, 1.0),), 0.0, 96),
    Shop("Cartum", "Europe/Kyiv", "UAH", 10.5, 0.12, ((UA, 1.0),), 0.4, 120),
)

SIM, POOL = 1, 2
"""Ids of the carrier accounts."""
POOL_SERVICES = (
    Service("OWN", "Own letter", collects_on_delivery=True),
    Service("EXP", "Express", collects_on_delivery=True),
)
SIM_STD, SIM_LATE, OWN, EXP = 1, 2, len(SERVICES) + 1, len(SERVICES) + 2
"""Ids of the services that parcels go by."""
CARRIER_OF = {SIM_STD: SIM, SIM_LATE: SIM, OWN: POOL, EXP: POOL}
CODE_OF = {SIM_STD: "SIM-STD", SIM_LATE: "SIM-LATE", OWN: "OWN", EXP: "EXP"}

SHORT_RANKS = (9, 31, 77)
"""Listings of every shop, by popularity, whose goods have run out where shipments are to be out of stock."""


class Listing(NamedTuple):
    """What a shop sells, ready to be written into order lines. Prices in minor units of the shop's currency."""

    id: int
    sku: str
    name: str
    options: str
    product: str
    variant: str
    price: int
    price_text: str
    wants: tuple[tuple[int, int], ...]
    """(variant, pieces of it) of stock that is counted."""
    short: bool


class Goods(NamedTuple):
    """The catalogue: rows to write by table, each shop's listings by popularity, and what is counted."""

    rows: dict[str, list[tuple[Any, ...]]]
    listings: tuple[tuple[Listing, ...], ...]
    tracked: Sequence[int]
    short: frozenset[int]


def accounts(since: Instant, now: Instant) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of shops, carriers, services, warehouse and printer. No secret is among them, and no address answers."""
    shops, tasks = [], []
    for shop_id, s in enumerate(SHOPS, 1):
        settings: dict[str, Any] = {"url": f"https://{s.name.lower()}.invalid", "handling_hours": s.handling_hours}
        if not s.moves_on:
            settings["move_to_print"] = False
        title = f"{s.name} (generated)"
        kept = as_json(settings)
        shops.append(
            (shop_id, "woocommerce", s.name, title, s.zone, s.currency, kept, since - DAY, since - DAY, "none", 1)
        )
        # Switched off: nobody is there to be asked, and a worker would only log that.
        for kind, every in (("orders", 5 * MINUTE), ("products", DAY)):
            tasks.append((f"shop:{shop_id}", kind, 0, every, now + every, now - MINUTE))
    sender = {"name": "Kleks", "line1": "ul. Polna 1", "city": "Kraków", "postcode": "30-001", "country": "PL"}
    return {
        "shop": shops,
        "sync_task": tasks,
        "carrier": [
            (SIM, "simulated", "SimPost", as_json({"url": "https://simpost.invalid"}), since - DAY),
            (POOL, "pool", "OwnPost", as_json({"carrier_name": "Own Post", "cod": "yes"}), since - DAY),
        ],
        "service": [
            *((n, SIM, s.code, s.name, as_json(s)) for n, s in enumerate(SERVICES, 1)),
            *((n, POOL, s.code, s.name, as_json(s)) for n, s in enumerate(POOL_SERVICES, OWN)),
        ],
        "warehouse": [(1, "main", as_json({**sender, "phone": "600300400"}), 1)],
        "printer": [(1, "folder", "Labels", "bench", as_json({"folder": "/nowhere/labels"}), since - DAY, 1)],
    }


def goods(rng: Random, since: Instant, *, shortages: bool) -> Goods:
    """About 2,000 variants and, per shop, six tenths of them on sale; `shortages`: some of those have run out."""
    products: list[tuple[Any, ...]] = []
    variants: list[tuple[Any, ...]] = []  # without what is known only later: tracked, created_at
    units: list[tuple[int, int, str, str]] = []  # variant id, family, SKU, option
    for family, f in enumerate(FAMILIES):
        model, made = 0, 0
        while made < 125:
            kinds = VARIANTS if model == 0 else VARIANTS[: rng.choice((1, 1, 1, 3, 3, 5))]
            series = f"{f.prefix}-{model:02d}" if model else f.prefix
            name = f"{f.en} {model:02d}" if model else f.en
            products.append((len(products) + 1, series, name, family + 1, since - 30 * DAY))
            for kind in kinds:
                single = model > 0 and len(kinds) == 1
                sku = series if single else f"{series}-{kind}"
                shown = name if single else f"{name} {kind}"
                units.append((len(units) + 1, family, sku, "" if single else kind))
                place = f"R{family + 1:02d}-{made:03d}"
                variants.append((len(units), len(products), sku, shown, f.weight_g, place))
                made += 1
            model += 1
    chosen = [rng.sample(units, len(units) * 6 // 10) for _shop in SHOPS]
    tracked = {u[0] for u in units if rng.random() < 0.25}
    short: set[int] = set()
    if shortages:
        short = {chosen[shop][rank][0] for shop in range(len(SHOPS)) for rank in SHORT_RANKS}
        tracked |= short
    rows: dict[str, list[tuple[Any, ...]]] = {"listing": [], "listing_item": []}
    listings = []
    counter = 0
    for shop_id, (s, mine) in enumerate(zip(SHOPS, chosen, strict=True), 1):
        language = s.buyers[0][0].code
        here = []
        for n, (variant, family, sku, option) in enumerate(mine):
            counter += 1
            f = FAMILIES[family]
            name = " ".join(filter(None, (f.names[language], sku.removeprefix(f.prefix).strip("-"))))
            price = max(5, int(rng.uniform(f.least, f.most) * s.rate)) * 100 - rng.choice((1, 1, 10, 50))
            items = {variant: 1}
            if n % 97 == 96:
                items[mine[n - 1][0]] = 2
            product, kind = str(20_000 + counter), str(50_000 + counter) if option else ""
            rows["listing"].append((counter, shop_id, product, kind, sku, name, sku))
            rows["listing_item"].extend((counter, v, each) for v, each in items.items())
            wants = tuple(sorted((v, each) for v, each in items.items() if v in tracked))
            text = f"{price // 100}.{price % 100:02d}"
            ended = any(v in short for v in items)
            here.append(Listing(counter, sku, name, option, product, kind, price, text, wants, ended))
        listings.append(tuple(here))
    rows["category"] = [(n, f.en, f.en.casefold()) for n, f in enumerate(FAMILIES, 1)]
    rows["product"] = products
    rows["variant"] = [(*row, int(row[0] in tracked), since - 30 * DAY) for row in variants]
    return Goods(rows, tuple(listings), sorted(tracked), frozenset(short))


RECEIVED_BEFORE = 12 * HOUR
"""How long before the first order all goods came in."""
