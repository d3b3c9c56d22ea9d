"""The shop behind the simulated Cartum gateway: its goods, sections and orders, all invented, and what happens to them."""

import copy
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, field

Payload = dict[str, Any]

NEW, WORK, DELIVERED, CANCELLED, SENT, PACKED = 1, 2, 3, 4, 6, 3150
STATUSES = {
    NEW: {"ua": "Новий", "en": "New"},
    WORK: {"ua": "В обробці", "en": "In processing"},
    DELIVERED: {"ua": "Доставлено", "en": "Delivered"},
    CANCELLED: {"ua": "Не доставлено", "en": "Not delivered"},
    SENT: {"ua": "Доставляється", "en": "Delivering"},
    PACKED: {"ua": "Запаковано", "en": "Packed"},
}
CASH, ONLINE = 13, 5
POST, PICKUP = 3, 1
SECTIONS = {10: (0, "Канцелярія"), 11: (10, "Зошити"), 12: (10, "Ручки"), 20: (0, "Подарунки"), 13: (11, "У клітинку")}
GOODS = (
    ("NB-A5", "NB-A5", 11, "Зошит А5", 79),
    ("NB-A5-B", "NB-A5", 13, "Зошит А5 синій", 85.5),
    ("PEN-07", "PEN-07", 12, "Ручка 0,7", 24.9),
    ("INK-50", "INK-50", 12, "Чорнило 50 мл", 112),
    ("BOX-1", "BOX-1", 20, "Коробка", 40),
)
_NAMES = ("Оксана Левада", "Тарас Гай", "Віра Криниця", "Petro Sample", "Марія Озерна")
_TOWNS = ("Львів", "Київ", "Полтава", "Чернівці")


class Row(Struct):
    """One order with what happened to it; `created` is a local time of the shop."""

    id: int
    order: Payload
    created: datetime
    updates: list[Payload] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)
    cancelled_by_api: int = 0


class ShopWorld:
    """Goods, sections and orders of one shop, and its clock."""

    def __init__(self, zone: str, currency: str, seed: int, warehouses: int) -> None:
        self.zone = ZoneInfo(zone)
        self.currency = currency
        self.offset_s, self.at_s = 0.0, 0.0
        self.rows: dict[int, Row] = {}
        self.random = random.Random(seed)
        self._last = 2000
        names = [f"Склад {n}" for n in range(1, warehouses + 1)]
        self.stock: dict[str, dict[str, int]] = {article: dict.fromkeys(names, 40) for article, *_rest in GOODS}

    def now(self) -> float:
        """The world's clock in Unix seconds: a fixed instant where one was set."""
        return self.at_s or time.time() + self.offset_s

    def local(self, at_s: float) -> datetime:
        """An instant as the shop writes it down: local, without a zone."""
        return datetime.fromtimestamp(int(at_s), self.zone).replace(tzinfo=None)

    # ---------------------------------------------------------------- orders

    def line(self, article: str, quantity: int = 1, **more: Any) -> Payload:
        """A line of a known article, or a free one."""
        title, price = next(((g[3], g[4]) for g in GOODS if g[0] == article), (article or "Без артикулу", 10))
        total = round(price * quantity, 2)
        line = {"article": article, "title": title, "price": price, "quantity": quantity, "total_price": total}
        return {**line, "type": "product", "discount_marker": "NONE", **more}

    def create(self, given: Payload) -> Row:
        """A new order made now, paid and plain but for what is given.

        Besides wire keys: `case` names a special one, `created_s` its Unix time, `created_ago_s` how long ago it was made,
        `lines` articles with their quantities.
        """
        given = dict(given)
        case = given.pop("case", "")
        created = self.local(given.pop("created_s", 0) or self.now() - given.pop("created_ago_s", 0))
        lines = [self.line(article, quantity) for article, quantity in given.pop("lines", [("NB-A5", 1)])]
        self._last += self.random.randint(1, 3)
        order: Payload = {
            "order_id": self._last,
            "user": self.random.randint(80_000, 99_999),
            "stat_status": NEW,
            "stat_created": created.isoformat(" "),
            "delivery_name": self.random.choice(_NAMES),
            "delivery_phone": f"+38050{self.random.randint(1_000_000, 9_999_999)}",
            "delivery_email": f"buyer{self._last}@example.test",
            "delivery_city": self.random.choice(_TOWNS),
            "delivery_address": f"вул. Чорнильна, {self.random.randint(1, 90)}",
            "delivery_type": {"id": POST, "title": "Новою поштою"},
            "delivery_price": -1,
            "delivery_data": delivery_data(),
            "additional_data": {"recipient_warehouse_ref": ""},
            "payment_type": {"id": ONLINE, "title": "Онлайн"},
            "payed": 1,
            "comment": "",
            "currency": self.currency,
            "products": lines,
            "analytics": {"utm_source": "(direct)", "utm_medium": "", "utm_campaign": 100200300},
        }
        if case:
            CASES[case](order, self)
        order.update(given)
        rows = order["products"]
        rows = rows.values() if isinstance(rows, dict) else rows
        total = round(sum(line["total_price"] for line in rows if isinstance(line.get("total_price"), int | float)), 2)
        for name, value in (("total_default", total), ("total_sum", total), ("total_quantity", len(lines))):
            order.setdefault(name, value)
        row = Row(
            self._last, order, datetime.fromisoformat(str(order["stat_created"])) if case != "bad_date" else created
        )
        self.rows[row.id] = row
        return row

    def change(self, body: Payload) -> Row:
        """Be the merchant or the buyer: `status`, `pay`, `address`, `quantity`, `drop_line`, `add_line`, `waybill`, `set`."""
        row, what = self.rows[int(body["order"])], body["change"]
        order = row.order
        if what == "status":
            order["stat_status"] = int(body["status"])
        elif what == "pay":
            order["payed"] = 1
        elif what == "address":
            order["delivery_address"] = body["address"]
        elif what == "quantity":
            line = order["products"][int(body.get("line", 0))]
            line["quantity"] = int(body["quantity"])
            line["total_price"] = round(line["price"] * line["quantity"], 2)
        elif what == "drop_line":
            del order["products"][int(body["line"])]
        elif what == "add_line":
            order["products"].append(self.line(str(body["article"]), int(body.get("quantity", 1))))
        elif what == "waybill":
            order["delivery_data"] = delivery_data(str(body["number"]))
        elif what == "set":
            order.update(body["values"])
        elif what == "delete":
            del self.rows[row.id]
        else:
            raise ValueError(f"no such change: {what}")
        return row


def delivery_data(number: str | None = None) -> Payload:
    """What the shop knows of a parcel; `number` is that of a waybill made in the shop itself."""
    names = ("tnId", "tnStatusName", "tnTrackingUpdateDate", "estimatedDeliveryDate", "departure", "destination")
    data: Payload = {"deliveryOperatorType": "novaposhta", "tnNumber": number, "ownTTNPicked": False}
    return data | dict.fromkeys(names)


def _set(**values: Any) -> Callable[[Payload, ShopWorld], None]:
    return lambda order, _world: order.update(copy.deepcopy(values))


def _gift(order: Payload, world: ShopWorld) -> None:
    order["products"].append(world.line("", title="Листівка", price=0, total_price=0, type="gift"))


def _set_of_two(order: Payload, world: ShopWorld) -> None:
    order["products"] = [
        world.line("BOX-1", price=100, total_price=100, type="set_main"),
        world.line("PEN-07", 2, price=0, total_price=0, type="set_item"),
        world.line("INK-50", price=0, total_price=0, type="set_item"),
    ]


def _coupon(order: Payload, _world: ShopWorld) -> None:
    order.update(total_default=79, total_sum=59.25, coupon_percent=25, coupon_discount_value=19.75)


def _keyed_lines(order: Payload, world: ShopWorld) -> None:
    order["products"] = {"0": world.line("NB-A5"), "2": world.line("PEN-07", 3)}


def _two_lines(order: Payload, world: ShopWorld) -> None:
    order["products"] = [world.line("NB-A5", 2), world.line("PEN-07")]


CASES: dict[str, Callable[[Payload, ShopWorld], None]] = {
    "gift": _gift,
    "set": _set_of_two,
    "coupon": _coupon,
    "keyed_lines": _keyed_lines,
    "two_lines": _two_lines,
    "unpaid": _set(payed=0),
    "cash": _set(payed=0, payment_type={"id": CASH, "title": "Готівкою"}),
    "pickup": _set(delivery_type={"id": PICKUP, "title": "Самовивіз"}, delivery_price=0, delivery_data=None),
    "branch": _set(additional_data={"recipient_warehouse_ref": "5a39e590-0000-4000-8000-00000000beef"}),
    "waybill": _set(delivery_data=delivery_data("20450000000777")),
    "empty_arrays": _set(delivery_data=[], additional_data=[], analytics=[], payment_type=[]),
    "no_contact": _set(delivery_phone="", delivery_email="", delivery_name=""),
    "packed": _set(stat_status=PACKED),
    "sent": _set(stat_status=SENT),
    "delivered": _set(stat_status=DELIVERED),
    "cancelled": _set(stat_status=CANCELLED),
    "bad_date": _set(stat_created="0000-00-00 00:00:00"),
    "label_for_currency": _set(currency="грн"),
    "no_lines": _set(products=[]),
}


def spread(world: ShopWorld, number: int, plain: bool) -> None:
    """Orders of the last 80 days, every fifth a special one unless `plain`."""
    cases = list(CASES)
    for turn in range(number):
        ago = int(world.random.random() * timedelta(days=80).total_seconds())
        case = "" if plain or turn % 5 else cases[turn // 5 % len(cases)]
        world.create({"case": case, "created_ago_s": ago})
