"""Invented buyers with Polish, German and Chinese names, and the notes that buyers write. No real person is meant."""

import random

from msgspec import Struct

_POLISH = (
    ("Agnieszka", "Bogumił", "Celina", "Dobrosław", "Łucja", "Żaneta", "Mścisław", "Zdzisława", "Jan Maria", "Ość"),
    ("Wróblik", "Ździebło", "Kądziołka", "Śnieżyński", "Gęsiarska", "Zażółć-Gęślą", "Pąk", "Brzęk", "Lisiecka"),
    ("ul. Kałamarza", "al. Zeszytowa", "ul. Piórkowa", "pl. Atramentowy", "os. Linijki", "ul. gen. Bloku"),
    (("Poznań", "60-", ""), ("Łódź", "90-", ""), ("Gdańsk", "80-", ""), ("Kraków", "30-", ""), ("Wrocław", "50-", "")),
)
_GERMAN = (
    ("Anneliese", "Jürgen", "Käthe", "Sören", "Ottilie", "Götz"),
    ("Größer", "Müllerin", "Löwenzahn", "von der Tintenweide", "Weißhaupt", "Papierke"),
    ("Federweg", "Füllerstraße", "Heftgasse", "Am Löschblatt"),
    (("Leipzig", "041", "SN"), ("Köln", "506", "NW"), ("München", "803", "BY")),
)
_CHINESE = (
    ("小竹", "文轩", "雨桐", "子墨", "欣然", "嘉禾"),
    ("墨", "欧阳", "纸", "林", "司徒", "桑"),
    ("文具路", "铅笔街", "笔记大道", "墨水巷"),
    (("上海市", "2000", "CN2"), ("深圳市", "5180", "CN30"), ("杭州市", "3100", "CN31")),
)
_PEOPLE = {"PL": (_POLISH, "+48 599 {:03d} {:03d}"), "DE": (_GERMAN, "+49 30 5550 {:03d}{:03d}")} | {
    "CN": (_CHINESE, "+86 199 0{:03d} 0{:03d}")
}
_COMPANIES = ("", "", "", "", "", "", "Kleks sp. z o.o.", "Papier & Söhne GmbH", "墨点文化有限公司")

NOTES = (
    "Proszę zadzwonić przed dostawą",
    "请放在门卫处，谢谢",
    "Bitte nicht klingeln – Baby schläft",
    "leave at the blue door",
)
"""Ordinary buyer notes."""

UGLY_NOTES = (
    "\x1b[31mred\x1b[0m and \x07 bell",
    "reversed \u202egnirts\u202c end",
    "line one\nline two\r\n\tline three\n\n",
    '=HYPERLINK("http://example.test","click")',
    "+48 599 000 000 -1 @cmd",
    "<b>bold</b> &amp; <script>alert(1)</script> [red]markup[/red]",
    "   \n\t ",
    "zero\u200bwidth \ufeff family 👩‍👩‍👧‍👦 e\u0301\u0301\u0301",
    "'; DROP TABLE orders; --",
)
"""Buyer notes that a screen, a spreadsheet or a log could trip over."""


class Buyer(Struct, frozen=True):
    """One invented person; `customer_id` 0 is a guest."""

    customer_id: int
    first_name: str
    last_name: str
    company: str
    address_1: str
    address_2: str
    city: str
    state: str
    postcode: str
    country: str
    email: str
    phone: str


def make_buyer(rng: random.Random, number: int, home: str) -> Buyer:
    """Buyer `number`; most live in the shop's `home` country."""
    country = rng.choices((home if home in _PEOPLE else "PL", "PL", "DE", "CN"), (70, 10, 12, 8))[0]
    (firsts, lasts, streets, cities), phone = _PEOPLE[country]
    city, code, state = rng.choice(cities)
    tail = rng.randrange(100)
    postcode = f"{code}{rng.randrange(1000):03d}" if country == "PL" else f"{code}{tail:02d}"
    house = rng.randrange(1, 180)
    street = rng.choice(streets)
    flat = {"PL": f"m. {tail}", "DE": "Hinterhaus", "CN": f"{tail}单元"}[country] if number % 3 == 0 else ""
    return Buyer(
        customer_id=number + 10 if rng.random() < 0.4 else 0,
        first_name=rng.choice(firsts),
        last_name=rng.choice(lasts),
        company=rng.choice(_COMPANIES),
        address_1=f"{street}{house}号" if country == "CN" else f"{street} {house}",
        address_2=flat,
        city=city,
        state=state,
        postcode=postcode,
        country=country,
        email=f"buyer{number}@example.test",
        phone=phone.format(number // 1000 % 1000, number % 1000),
    )
