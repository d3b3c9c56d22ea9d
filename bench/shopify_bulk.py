"""Benchmark `bulk_import`: a first import of Shopify orders from the file of a bulk operation, beside a raw loader.

The raw loader fetches the same file block by block by `http.client`, decodes every line by msgspec into typed structs and
writes the very rows that ours has written, in the same commits. Joining, mapping and deciding cost it nothing.
"""

import asyncio
import gc
import http.client
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bench import data
from bench.harness import Options, Result, Spent, check, plain, ratio_at_least, rss_mb
from bench.replay import Raw, recording, same
from connectors.shops.shopify_bulk import BLOCK
from connectors.shops.shopify_orders import Line, Route, WireOrder
from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import setup
from pipeline.base import Pipeline
from pipeline.steps import Steps
from pipeline.worker import sync_now

SEED = 11


def run(options: Options) -> list[Result]:
    """20,000 orders, each with one to three lines and a fulfilment order, into a new database."""
    orders = options.size(20_000, 200)
    folder = options.scratch / "bulk_import"
    folder.mkdir()
    ours, loader, raw, grown = asyncio.run(_import(folder, orders))
    results = [
        ratio_at_least(
            "bulk_import",
            f"{orders} orders, per s of CPU",
            orders / ours.cpu,
            "orders/s",
            0.45,
            orders / (loader.cpu + raw.cpu),
        ),
        plain("bulk_import", "the same by wall", orders / ours.wall, "orders/s", orders / (loader.wall + raw.wall)),
        plain("bulk_import", "the raw loader without writing, CPU", orders / loader.cpu, "orders/s"),
        plain("bulk_import", "memory more at the end than at the first page", grown, "MB"),
    ]
    return results


def write(file: Path, orders: int, variants: list[dict[str, Any]]) -> None:
    """The file of a bulk operation over so many invented orders of a shop that sells these variants."""
    rng = random.Random(SEED)
    order = json.dumps(_ORDER, ensure_ascii=False, separators=(",", ":"))
    line = json.dumps(_LINE, separators=(",", ":"))
    with file.open("w", encoding="utf-8") as out:
        for n in range(orders):
            at = f"2026-11-{1 + n % 20:02d}T{n % 24:02d}:{n % 60:02d}:00Z"
            out.write(
                order.replace("NUMBER", str(6_200_000_000_000 + n)).replace("TIME", at).replace("COUNT", str(n)) + "\n"
            )
            for index in range(rng.randrange(1, 4)):
                one = rng.choice(variants)
                text = line.replace("LINE", str(15_000_000_000 + n * 4 + index)).replace(
                    "ORDER", str(6_200_000_000_000 + n)
                )
                out.write(
                    text.replace("SKU", one["sku"])
                    .replace("VARIANT", str(one["id"]))
                    .replace("PRODUCT", str(one["product"]))
                    + "\n"
                )
            route = json.dumps(_ROUTE, separators=(",", ":")).replace("ROUTE", str(7_000_000_000 + n))
            out.write(route.replace("ORDER", str(6_200_000_000_000 + n)) + "\n")


class Loader:
    """Fetches and decodes the file, nothing else."""

    def __init__(self, url: str, target: str) -> None:
        self.http = http.client.HTTPConnection(urlsplit(url).netloc)
        self.target, self.spent, self.orders = target, Spent(), 0
        self._decoders = [msgspec.json.Decoder(kind) for kind in (WireOrder, Line, Route)]

    def load(self) -> None:
        """All of it, block by block."""
        order, line, route = self._decoders
        with self.spent.more():
            for text in self._lines():
                if b'"__parentId":' not in text:
                    order.decode(text)
                    self.orders += 1
                else:
                    (route if b"/FulfillmentOrder/" in text[:60] else line).decode(text)

    def _lines(self) -> Iterator[bytes]:
        at, rest = 0, b""
        while True:
            self.http.request("GET", self.target, headers={"Range": f"bytes={at}-{at + BLOCK - 1}"})
            answer = self.http.getresponse()
            body = answer.read()
            at += len(body)
            *lines, rest = (rest + body).split(b"\n")
            yield from lines
            if at >= int(answer.headers["Content-Range"].rpartition("/")[2]):
                return


async def _import(folder: Path, orders: int) -> tuple[Spent, Spent, Spent, float]:
    place, file = data.place_of(folder / "ours.sqlite"), folder / "orders.jsonl"
    with Twin("shopify", seed=SEED, points=10_000_000) as shop:
        write(file, orders, shop.admin("GET", "variants"))
        shop.admin("POST", "settings", {"planted": str(file), "counted": 1_000_000})
        p = await Pipeline.open(place, worker=True)
        secrets = {"access_token": str(shop.hello["access_token"])}
        made = await setup.add_shop(p, "shopify", "Bench", {"url": shop.url, "currency": "EUR"}, secrets)
        check(not isinstance(made, Refused), made)
        assert not isinstance(made, Refused)
        await sync_now(p, made.id, ("products",))
        await p.store.checkpoint()
        beside = folder / "raw.sqlite"
        shutil.copyfile(folder / "ours.sqlite", beside)
        raw, outside, total = Raw(beside), Spent(), Spent()
        memory: list[float] = []
        gc.collect()
        gc.freeze()
        try:
            with recording() as recorder:

                def passed(name: str) -> None:
                    if name == "sync.page_kept":
                        with outside.more():
                            raw.write(recorder.take())
                            memory.append(_rss())

                Steps.hook = passed
                with total.more():
                    code = (await sync_now(p, made.id))["orders"]
                check(code == "", f"the sync ended with {code}")
                raw.write(recorder.take())
            Steps.hook = None
            async with p.store.reading() as tx:
                stored = await tx.value("SELECT count(*) FROM orders")
            check(stored == orders, f"{stored} of {orders} orders were taken over")
            check(not (wrong := same(folder / "ours.sqlite", beside)), f"the raw loader's {wrong} differs from ours")
            target = urlsplit(shop.admin("GET", "state")["urls"][-1])
            loader = Loader(shop.url, f"{target.path}?{target.query}")
            loader.load()
            check(loader.orders == orders, f"the raw loader decoded {loader.orders} of {orders}")
        finally:
            Steps.hook = None
            gc.unfreeze()
            raw.close()
            await p.aclose()
    spent = Spent(total.wall - outside.wall, total.cpu - outside.cpu)
    return spent, loader.spent, raw.spent, max(memory) - memory[min(2, len(memory) - 1)]


def _rss() -> float:
    import os

    return rss_mb(os.getpid())


_MONEY = {"shopMoney": {"amount": "48.9", "currencyCode": "EUR"}}
_ORDER = {
    "id": "gid://shopify/Order/NUMBER",
    "legacyResourceId": "NUMBER",
    "name": "#COUNT",
    "test": False,
    "createdAt": "TIME",
    "processedAt": "TIME",
    "updatedAt": "TIME",
    "cancelledAt": None,
    "displayFinancialStatus": "PAID",
    "displayFulfillmentStatus": "UNFULFILLED",
    "returnStatus": "NO_RETURN",
    "fulfillable": True,
    "requiresShipping": True,
    "fullyPaid": True,
    "note": "Bitte klingeln",
    "paymentGatewayNames": ["shopify_payments"],
    "email": "buyerCOUNT@example.test",
    "phone": None,
    "customAttributes": [],
    "customer": {
        "firstName": "Käthe",
        "lastName": "Löwenzahn COUNT",
        "defaultEmailAddress": {"emailAddress": "buyerCOUNT@example.test"},
        "defaultPhoneNumber": {"phoneNumber": "+4930555COUNT"},
    },
    "shippingAddress": {
        "name": "Käthe Löwenzahn COUNT",
        "firstName": "Käthe",
        "lastName": "Löwenzahn COUNT",
        "company": None,
        "address1": "Federweg COUNT",
        "address2": None,
        "city": "Leipzig",
        "province": "Sachsen",
        "provinceCode": "SN",
        "zip": "04109",
        "country": "Germany",
        "countryCodeV2": "DE",
        "phone": "+4930555COUNT",
    },
    "currentTotalPriceSet": _MONEY,
    "totalShippingPriceSet": _MONEY,
    "shippingLine": {"title": "DHL Paket", "code": "dhl"},
    "transactions": [{"kind": "SALE", "status": "SUCCESS", "processedAt": "TIME"}],
    "fulfillments": [],
}
_LINE = {
    "id": "gid://shopify/LineItem/LINE",
    "title": "Wool socks",
    "variantTitle": "M / Grey",
    "sku": "SKU",
    "quantity": 2,
    "currentQuantity": 2,
    "unfulfilledQuantity": 2,
    "requiresShipping": True,
    "isGiftCard": False,
    "discountedUnitPriceAfterAllDiscountsSet": {"shopMoney": {"amount": "9.5", "currencyCode": "EUR"}},
    "customAttributes": [],
    "variant": {"id": "gid://shopify/ProductVariant/VARIANT"},
    "product": {"id": "gid://shopify/Product/PRODUCT"},
    "__parentId": "gid://shopify/Order/ORDER",
}
_ROUTE = {
    "id": "gid://shopify/FulfillmentOrder/ROUTE",
    "status": "OPEN",
    "requestStatus": "UNSUBMITTED",
    "fulfillAt": None,
    "fulfillBy": None,
    "deliveryMethod": {"methodType": "SHIPPING", "serviceCode": None},
    "fulfillmentHolds": [],
    "__parentId": "gid://shopify/Order/ORDER",
}
