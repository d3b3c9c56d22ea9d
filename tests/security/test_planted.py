"""A whole day with planted secrets and buyers, faults, a crash of ours: then everything that was written is searched."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from connectors.simulated.launch import Twin
from store.packing import unpacked
from tests.conftest import lent

PHONE, EMAIL = "+48 512 345 987", "zdzicha.q@vidoq.example"
BUYER = (PHONE, "512345987", EMAIL, "zdzicha")
OWN_PHONE = "609 111 222"
PASSPHRASE = "tulipan-nad-woda-77"
PERSONAL = {"contact", "buyer", "address", "note", "raw_order", "abnormal", "label_file"}
"""Where `store.tables` says that buyers are."""
HOME = {
    "first_name": "Zdzisława",
    "last_name": "Qwertyniak",
    "address_1": "ul. Trwała 7",
    "city": "Poznań",
    "postcode": "60-101",
}
HOME |= {"country": "PL", "company": "", "address_2": "", "state": ""}

CRASH = f"""
import sys
import console.cli, connectors.shops.woocommerce as woo
async def broken(self, *a):
    phone = {PHONE!r}
    try:
        int(phone)
    except ValueError as error:
        raise RuntimeError(f"{{phone}} {{vars(self.http if hasattr(self, 'http') else self)}}") from error
    yield
woo.WooCommerce.orders = broken
sys.exit(console.cli.main(sys.argv[1:]))
"""
"""A command with a defect: it raises with a buyer's phone and everything the connector knows."""


ONE_AFTER_ANOTHER = """
import json, sys
from console import cli
for words in json.load(sys.stdin):
    for stream in (sys.stdout, sys.stderr):
        print("\\f", end="", file=stream, flush=True)
    code = cli.main(words)
    if words == ["worker", "--once", "--verbose"]:
        assert code == 0
"""
"""Commands of which each would start in a process of its own, did that not take a second."""


class Day(Struct):
    """What was written by the processes of one day."""

    folder: Path
    secrets: dict[str, str]
    said: list[tuple[str, str, str]] = []
    """(command, standard output, standard error)."""
    arguments: set[str] = set()

    def run(self, *words: str, program: str = "", code: int | None = 0) -> str:
        """Run a command in a process of its own."""
        start = ["-c", program] if program else ["-m", "console.cli"]
        done = subprocess.run(
            [sys.executable, "-P", *start, *words],
            capture_output=True, text=True, timeout=90, env=self.environment(), cwd=self.folder, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.said.append((" ".join(words), done.stdout, done.stderr))
        assert code is None or done.returncode == code, (words, done.stdout[-500:], done.stderr[-3000:])
        return done.stdout

    def run_all(self, *commands: str) -> None:
        """Run commands one after another in one process, whatever they answer."""
        done = subprocess.run(
            [sys.executable, "-P", "-c", ONE_AFTER_ANOTHER],
            capture_output=True, text=True, timeout=90, env=self.environment(), cwd=self.folder,
            input=json.dumps([command.split(" ") for command in commands]),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        said, complained = done.stdout.split("\f")[1:], done.stderr.split("\f")[1:]
        self.said.extend(zip(commands, said, complained, strict=True))

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SHIPDECK_DB": str(self.folder / "data" / "day.sqlite"),
            "SHIPDECK_KEY_FILE": str(self.folder / "keys" / "key"),
            "SHIPDECK_CONFIG": str(self.folder / "config.toml"),
            "SHIPDECK_LANG": "en",
            "CK": self.secrets["consumer_key"],
            "CS": self.secrets["consumer_secret"],
            "TOKEN": self.secrets["token"],
            "PASS": PASSPHRASE,
        }

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the arguments of every process meanwhile, as `ps` shows them to everybody.

        One whose arguments were the same for half a second keeps them: it is not looked at again while it lives.
        """
        over = threading.Event()

        def look() -> None:
            same: dict[str, tuple[str, int]] = {}
            while not over.wait(0.02):
                there = {pid: same.get(pid, ("", 0)) for pid in os.listdir("/proc") if pid.isdigit()}
                for pid, (before, times) in there.items():
                    if times < 25:
                        with contextlib.suppress(OSError):
                            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
                            shown = raw.replace(b"\0", b" ").decode("utf-8", "replace")
                            self.arguments.add(shown)
                            there[pid] = (shown, times + 1 if shown == before else 0)
                same = there

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("day")
    (folder / "printed").mkdir()
    with lent("woocommerce", orders=0, seed=3) as shop, lent("carrier", seed=3) as carrier:
        keys = {k: str(shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
        day = Day(folder, {**keys, "token": str(carrier.hello["token"]), "passphrase": PASSPHRASE})
        with day.watched():
            _work(day, shop, carrier)
        yield day


def _work(day: Day, shop: Twin, carrier: Twin) -> None:
    quick = ("--set", "settle_s=0", "--set", "timeout_s=1")
    secret = ("--secret-env", "consumer_key=CK", "--secret-env", "consumer_secret=CS")
    day.run("shop", "add", "woocommerce", "S", "--set", f"url={shop.url}", *quick, *secret)
    day.run("carrier", "add", "simulated", "C", "--set", f"url={carrier.url}", *quick, "--secret-env", "token=TOKEN")
    day.run("printer", "add", "folder", "papers", "--set", f"folder={day.folder / 'printed'}")
    sender = ("name=Kleks", "line1=Polna 1", "city=Kraków", "postcode=30-001", "country=PL")
    day.run("warehouse", "set", *sender)
    buyer = {"billing": {**HOME, "phone": PHONE, "email": EMAIL}, "shipping": {**HOME, "phone": PHONE}}
    line = {"line_items": [{"sku": "NB-A5", "quantity": 1}], "customer_note": f"dzwonić {PHONE} albo {EMAIL}"}
    made = shop.admin("POST", "orders", {"orders": [{**buyer, **line}] * 4})
    shop.admin("POST", "change", {"order": made[-1], "change": "set", "values": {"total": "abc"}})
    for kind in ("malformed", "timeout_after", "expired_token"):
        shop.fail_next(kind, "GET", "/orders")
        day.run("sync", "--verbose", code=None)
    day.run("sync", "--verbose", program=CRASH, code=None)
    day.run_all("shop check S --verbose", "sync --verbose", "shop cut-over S ship-these", "note --all --read")
    day.run("note", "K000002", "--text", f"oddzwonić {OWN_PHONE}")
    day.run("address", "K000002", "--set", f"phone={OWN_PHONE}", code=None)
    day.run_all("approve --all --json", "assign --all --service SIM-STD --json", "waybill --all --json")
    for kind in ("timeout_after", "malformed", "expired_token"):
        carrier.fail_next(kind, "POST", "/waybills")
    work = "worker --once --verbose"
    day.run_all(work, "carrier check C --verbose", "waybill --all --json", work, "print --all --json", work)
    shop.fail_next("timeout_after", "PUT", "/orders")
    shop.fail_next("malformed", "POST", "/orders")
    day.run("ship", "--all", "--yes", "--json", code=None)
    day.run("worker", "--once", "--verbose")
    day.run("worker", "--once", "--verbose", program=CRASH)
    asked = ("list all", "find NB-A5", "stages", "batch", "shop list", "shop show S", "carrier list", "abnormal list")
    day.run_all(
        *(f"{words} --json --verbose" for words in (*asked, "doctor")),
        f"doctor --bundle {day.folder / 'support.zip'}",
        "show K000001",
        "show K000001 --json",
    )
    day.run("backup", "--portable", str(day.folder / "carry.shipdeck"), "--passphrase-env", "PASS")
    day.run("shop", "add", "woocommerce", "T", "--set", f"url={shop.url}", "--set", "consumer_secret=wrong-way", code=1)


def columns(day: Day) -> Iterator[tuple[str, str, str]]:
    """(table, column, value) of everything the database holds, payloads unpacked."""
    connection = sqlite3.connect(f"file:{day.environment()['SHIPDECK_DB']}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        tables = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if table.startswith("buyer_words"):
                continue
            for row in connection.execute(f"SELECT * FROM {table}"):
                for name in row.keys():  # noqa: SIM118 - a Row gives values
                    value = row[name]
                    if isinstance(value, bytes):
                        try:
                            value = unpacked(value)
                        except ValueError:
                            pass
                        yield table, name, value.decode("utf-8", "replace")
                    elif isinstance(value, str):
                        yield table, name, value
    finally:
        connection.close()


def test_the_day_was_a_whole_one(day: Day) -> None:
    """Else there was nothing to find."""
    found = list(columns(day))
    assert {v for t, c, v in found if (t, c) == ("submission", "state")} >= {"done"}
    assert any(t == "label_file" for t, _c, _v in found)
    assert any(t == "abnormal" for t, _c, _v in found)
    assert any(t == "buyer" and PHONE in v for t, _c, v in found)
    assert any("own code" in err or "own_error" in out for _w, out, err in day.said)
    assert list((day.folder / "printed").glob("*.pdf"))
    assert any("wrong_key" in out + err or "unauthorised" in out + err for _w, out, err in day.said)


def test_no_secret_was_said_by_any_command_or_log(day: Day) -> None:
    for name, secret in day.secrets.items():
        assert [words for words, out, err in day.said if secret in out + err] == [], name
    assert not [words for words, out, err in day.said if "wrong-way" in out + err]


def test_no_secret_and_no_buyer_stood_in_the_arguments_of_a_process(day: Day) -> None:
    ours = [a for a in day.arguments if "shipdeck" in a or "console.cli" in a or "connectors.simulated" in a]
    assert len(ours) > 10
    for planted in (*day.secrets.values(), *BUYER):
        # The test's own broken program holds the phone in its text.
        assert [a for a in day.arguments if planted in a and "broken" not in a] == []


def test_no_secret_is_in_the_database_but_sealed(day: Day) -> None:
    for name, secret in day.secrets.items():
        assert [(t, c) for t, c, v in columns(day) if secret in v] == [], name


def test_buyers_are_only_where_they_may_be(day: Day) -> None:
    wrong = {(t, c) for t, c, v in columns(day) if t not in PERSONAL and any(p in v for p in (*BUYER, OWN_PHONE))}
    assert wrong == set()


def test_no_log_and_no_diagnostic_names_a_buyer(day: Day) -> None:
    for planted in (*BUYER, OWN_PHONE):
        assert [words for words, _out, err in day.said if planted in err] == []


def test_only_show_shows_a_buyer(day: Day) -> None:
    shown = {words for words, out, _err in day.said if any(p in out for p in BUYER)}
    assert shown == {"show K000001", "show K000001 --json"}


def test_no_file_holds_what_is_planted(day: Day) -> None:
    """Reports, bundles, keys, settings, the sealed backup, printed pages (which may hold buyers, never secrets)."""
    for file in sorted(day.folder.rglob("*")):
        if not file.is_file():
            continue
        raw = file.read_bytes()
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as bundle:
                raw += b"".join(bundle.read(name) for name in bundle.namelist())
        for secret in day.secrets.values():
            assert secret.encode() not in raw, file.name
        if file.suffix not in {".sqlite", ".sqlite-wal", ".pdf"} and "-wal" not in file.name:
            for planted in (*BUYER, OWN_PHONE):
                assert planted.encode() not in raw, file.name
