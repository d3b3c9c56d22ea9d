"""The words that generated orders are made of: names, streets, goods and notes in four alphabets. No real person's.

Nothing here may hold a quotation mark, a backslash or a control character: the words go into JSON as they stand.
"""

from typing import NamedTuple


class Country(NamedTuple):
    """How people of a country are called and where they live. `dial` begins numbers that no operator hands out."""

    code: str
    dial: str
    digits: int
    """Digits of a phone number after `dial`."""
    first: tuple[tuple[str, str], ...]
    """(given name, how it is spelt in an e-mail address)."""
    last: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    """With `{}` where the house number belongs."""
    cities: tuple[tuple[str, str, str], ...]
    """(city, state or province, beginning of its postcodes)."""
    postcode_digits: int
    """Digits that follow the beginning."""
    companies: tuple[str, ...]
    notes: tuple[str, ...]
    """What buyers write."""
    shipping: tuple[str, ...]


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((word, ascii_) for word, _sep, ascii_ in (part.partition("=") for part in text.split()))


PL = Country(
    "PL",
    "+48 40",
    7,
    _pairs(
        "Anna=anna Łucja=lucja Małgorzata=malgorzata Zofia=zofia Żaneta=zaneta Agnieszka=agnieszka Świetlana=swietlana"
        " Grażyna=grazyna Jadwiga=jadwiga Bożena=bozena Kinga=kinga Wiesława=wieslawa Michał=michal Paweł=pawel"
        " Łukasz=lukasz Stanisław=stanislaw Wojciech=wojciech Józef=jozef Jędrzej=jedrzej Grzegorz=grzegorz"
        " Krzysztof=krzysztof Mirosław=miroslaw Zbigniew=zbigniew Bartłomiej=bartlomiej Tomasz=tomasz Rafał=rafal"
    ),
    _pairs(
        "Wiśniowiecka=wisniowiecka Gżegżółka=gzegzolka Zielińska=zielinska Dąbrowska=dabrowska Kozłowska=kozlowska"
        " Błaszczyk=blaszczyk Szczęsny=szczesny Żółkiewska=zolkiewska Pióro=pioro Śliwa=sliwa Wróbel=wrobel"
        " Gąsior=gasior Jaźwiec=jazwiec Kołodziej=kolodziej Łabędź=labedz Mączka=maczka Niedźwiecki=niedzwiecki"
        " Ożóg=ozog Pęcherz=pecherz Rzeźnik=rzeznik Święch=swiech Trzciński=trzcinski Ćwikła=cwikla Zając=zajac"
        " Źrebiec=zrebiec Brzęczyk=brzeczyk Kiełbasa=kielbasa Gołąb=golab Krawiec=krawiec Dębski=debski"
    ),
    (
        "ul. Źródlana {}",
        "ul. Świętokrzyska {}",
        "ul. Żółwia {}",
        "al. Róż {}",
        "ul. Łąkowa {}",
        "ul. Dębowa {}",
        "os. Słoneczne {}",
        "ul. Młyńska {}",
        "pl. Wolności {}",
        "ul. Jaśminowa {}",
        "ul. Krótka {}",
        "ul. Księżycowa {}",
    ),
    (
        ("Łódź", "", "90-"),
        ("Kraków", "", "30-"),
        ("Wrocław", "", "50-"),
        ("Poznań", "", "60-"),
        ("Gdańsk", "", "80-"),
        ("Warszawa", "", "01-"),
        ("Białystok", "", "15-"),
        ("Częstochowa", "", "42-"),
        ("Rzeszów", "", "35-"),
        ("Toruń", "", "87-"),
        ("Zielona Góra", "", "65-"),
        ("Świdnica", "", "58-"),
    ),
    3,
    ("Papiernia Żuraw", "Biuro Łoś sp. j.", "Księgarnia Pod Sową"),
    (
        "Proszę zapakować na prezent.",
        "Dzwonić dopiero po 17:00, dziękuję!",
        "Proszę o fakturę na firmę.",
        "Zostawić u sąsiadki spod trójki.",
        "Czy może być w kolorze żółtym?",
    ),
    ("Kurier", "Paczkomat", "Kurier za pobraniem"),
)
DE = Country(
    "DE",
    "+49 140",
    8,
    _pairs(
        "Jürgen=juergen Käthe=kaethe Björn=bjoern Günther=guenther Zoë=zoe Sören=soeren Änne=aenne Jörg=joerg"
        " Ute=ute Heike=heike Lukas=lukas Frieda=frieda Matthias=matthias Renate=renate Götz=goetz Bärbel=baerbel"
        " Anneliese=anneliese Klaus=klaus Rüdiger=ruediger Wiebke=wiebke"
    ),
    _pairs(
        "Müllerstein=muellerstein Groß=gross Weiß=weiss Schäfersen=schaefersen Köhlbrand=koehlbrand Jäger=jaeger"
        " Böttcher=boettcher Krüger=krueger Süß=suess Vögele=voegele Händler=haendler Lößnitz=loessnitz"
        " Grünewald=gruenewald Blümchen=bluemchen Fröhlich=froehlich Straßmann=strassmann Überall=ueberall"
        " Zöllner=zoellner Rößler=roessler Ahlers=ahlers Petersilie=petersilie Kühn=kuehn"
    ),
    (
        "Schlüsselgasse {}",
        "Große Straße {}",
        "Am Mühlbach {}",
        "Königsallee {}",
        "Grüner Weg {}",
        "Bäckerstraße {}",
        "Lindenstraße {}",
        "An der Brücke {}",
        "Försterweg {}",
        "Süderstraße {}",
    ),
    (
        ("München", "Bayern", "80"),
        ("Köln", "Nordrhein-Westfalen", "50"),
        ("Düsseldorf", "Nordrhein-Westfalen", "40"),
        ("Nürnberg", "Bayern", "90"),
        ("Görlitz", "Sachsen", "02"),
        ("Lübeck", "Schleswig-Holstein", "23"),
        ("Berlin", "Berlin", "10"),
        ("Würzburg", "Bayern", "97"),
        ("Saarbrücken", "Saarland", "66"),
        ("Göttingen", "Niedersachsen", "37"),
    ),
    3,
    ("Schreibwaren Kühn OHG", "Bürobedarf Nord GmbH"),
    (
        "Bitte als Geschenk verpacken.",
        "Bitte beim Nachbarn abgeben, größtes Haus links.",
        "Rechnung bitte per E-Mail, danke schön!",
        "Klingel ist kaputt, bitte klopfen.",
    ),
    ("DHL Paket", "Abholstation", "Express"),
)
CN = Country(
    "CN",
    "+86 120",
    8,
    _pairs(
        "小明=xiaoming 丽华=lihua 伟强=weiqiang 雪梅=xuemei 子涵=zihan 建国=jianguo 晓燕=xiaoyan 志远=zhiyuan"
        " 婷婷=tingting 浩然=haoran 秀英=xiuying 文博=wenbo 思雨=siyu 海涛=haitao 春兰=chunlan 玉龙=yulong 静=jing 磊=lei"
    ),
    _pairs(
        "王=wang 李=li 张=zhang 刘=liu 陈=chen 杨=yang 赵=zhao 黄=huang 周=zhou 吴=wu 徐=xu 孙=sun 胡=hu 朱=zhu 高=gao 林=lin"
        " 何=he 郭=guo 马=ma 罗=luo 欧阳=ouyang 司徒=situ 上官=shangguan 诸葛=zhuge"
    ),
    (
        "朝阳路{}号",
        "解放大道{}号",
        "桃花源街{}号",
        "学府路{}弄3栋1202室",
        "滨江东路{}号",
        "梧桐巷{}号",
        "翠湖花园{}幢",
        "锦绣路{}号院",
        "竹林寺街{}号",
    ),
    (
        ("广州市", "广东省", "510"),
        ("深圳市", "广东省", "518"),
        ("杭州市", "浙江省", "310"),
        ("成都市", "四川省", "610"),
        ("武汉市", "湖北省", "430"),
        ("南京市", "江苏省", "210"),
        ("西安市", "陕西省", "710"),
        ("长沙市", "湖南省", "410"),
        ("青岛市", "山东省", "266"),
        ("重庆市", "重庆市", "400"),
    ),
    3,
    ("青竹文具有限公司", "云上书店"),
    ("请发顺丰，谢谢！", "要礼盒包装，写上生日快乐。", "周末不在家，请放快递柜。", "颜色要红色的，不要发错。"),
    ("快递", "快递柜", "加急"),
)
UA = Country(
    "UA",
    "+380 80",
    7,
    _pairs(
        "Олена=olena Тарас=taras Оксана=oksana Богдан=bohdan Соломія=solomiia Мар’яна=mariana Ярослав=yaroslav"
        " Ґанна=ganna Юлія=yuliia Євген=yevhen Іван=ivan Наталя=natalia Остап=ostap Христина=khrystyna Кирило=kyrylo"
        " Зоряна=zoriana"
    ),
    _pairs(
        "Журавель=zhuravel Коваль=koval Ґудзь=gudz Їжак=yizhak Щербина=shcherbyna Калина=kalyna Бджола=bdzhola"
        " Соловей=solovei Гончар=honchar Верба=verba Чорновус=chornovus Єрмак=yermak Мельник=melnyk Лелека=leleka"
        " Скрипка=skrypka Хміль=khmil Яворівська=yavorivska Підгірна=pidhirna"
    ),
    (
        "вул. Садова, {}",
        "вул. Лісової Пісні, {}",
        "просп. Свободи, {}",
        "вул. Ґрунтова, {}",
        "пров. Їжаковий, {}",
        "вул. Під Дубом, {}",
        "вул. Незалежності, {}",
        "бульв. Щасливий, {}",
    ),
    (
        ("Київ", "", "01"),
        ("Львів", "Львівська обл.", "79"),
        ("Одеса", "Одеська обл.", "65"),
        ("Харків", "Харківська обл.", "61"),
        ("Чернівці", "Чернівецька обл.", "58"),
        ("Івано-Франківськ", "Івано-Франківська обл.", "76"),
        ("Вінниця", "Вінницька обл.", "21"),
        ("Кам’янець-Подільський", "Хмельницька обл.", "32"),
    ),
    3,
    ("ТОВ Лелека", "Книгарня Є"),
    (
        "Передзвоніть, будь ласка, перед доставкою.",
        "Загорніть як подарунок, дякую!",
        "Якщо немає зеленого, надішліть жовтий.",
        "Відділення біля вокзалу.",
    ),
    ("Кур’єр", "Відділення", "Накладений платіж"),
)


class Family(NamedTuple):
    """A kind of goods: how its SKUs begin, what it is called per language, and its price range in major units."""

    prefix: str
    en: str
    names: dict[str, str]
    least: int
    most: int
    weight_g: int


def _family(prefix: str, en: str, pl: str, de: str, cn: str, ua: str, least: int, most: int, weight_g: int) -> Family:
    return Family(prefix, en, {"PL": pl, "DE": de, "CN": cn, "UA": ua}, least, most, weight_g)


FAMILIES = (
    _family("NB", "Notebook", "Notatnik", "Notizbuch", "笔记本", "Нотатник", 9, 60, 240),
    _family("BD", "Binder", "Segregator", "Ordner", "文件夹", "Папка", 7, 30, 410),
    _family("PEN", "Pen", "Długopis", "Kugelschreiber", "圆珠笔", "Ручка", 2, 90, 15),
    _family("MUG", "Mug", "Kubek", "Becher", "马克杯", "Чашка", 15, 55, 350),
    _family("BAG", "Bag", "Torba", "Tasche", "帆布包", "Сумка", 20, 120, 300),
    _family("CAL", "Calendar", "Kalendarz ścienny", "Wandkalender", "挂历", "Календар", 18, 70, 500),
    _family("INK", "Ink", "Atrament", "Tinte", "墨水", "Чорнило", 12, 80, 130),
    _family("TAPE", "Washi tape", "Taśma ozdobna", "Klebeband", "和纸胶带", "Стрічка", 3, 15, 20),
    _family("STK", "Stickers", "Naklejki", "Aufkleber", "贴纸", "Наліпки", 2, 20, 10),
    _family("CARD", "Card", "Kartka życzeń", "Grußkarte", "贺卡", "Листівка", 4, 18, 12),
    _family("BOX", "Gift box", "Pudełko", "Geschenkbox", "礼盒", "Коробка", 10, 45, 180),
    _family("BRU", "Brush", "Pędzel", "Pinsel", "毛笔", "Пензель", 5, 65, 25),
    _family("PAP", "Paper", "Papier czerpany", "Büttenpapier", "宣纸", "Папір", 8, 75, 600),
    _family("LMP", "Desk lamp", "Lampka", "Schreibtischlampe", "台灯", "Лампа", 60, 240, 1200),
    _family("CUP", "Tea cup", "Filiżanka", "Teetasse", "茶杯", "Філіжанка", 12, 70, 200),
    _family("SOC", "Socks", "Skarpety wełniane", "Wollsocken", "羊毛袜", "Шкарпетки", 14, 40, 80),
)
VARIANTS = ("A4", "A5", "A6", "RED", "GREEN", "BLUE", "S", "M", "L", "XL")

HOLDS = ("waits for an answer of the buyer", "address to be confirmed", "fraud check", "czeka na dopłatę", "等补货")
REMARKS = ("packed with extra padding", "buyer called, all settled", "dołożyć naklejkę", "老客户，送小礼物")
SELLER_NOTES = ("Regular customer", "Stały klient", "Stammkunde", "VIP 客户", "Постійний покупець")
PEOPLE = ("anna", "bo", "jürgen", "小李")
"""Who works here."""
