"""A whole set-up for tests of the real console: a shop twin, a pool carrier, a printer, and the console in a terminal."""

import asyncio
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.simulated.launch import Twin
from domain.results import Refused
from pipeline import persons, setup
from pipeline.base import Pipeline
from pipeline.worker import sync_now
from store.place import Place
from tests.console.terminal import Terminal


class ShopFloor:
    """The files and the twin of one test; `console()` opens the program on them."""

    def __init__(self, folder: Path, shop: Twin) -> None:
        self.folder, self.shop = folder, shop
        self.place = Place("", folder / "data" / "floor.sqlite", folder / "keys" / "key", folder / "data" / "backups")
        self.printed = folder / "printed"

    def set_up(self, *, owner: str = "anna", numbers: int = 3000, carrier: Twin | None = None, **settings: str) -> None:
        """Bind everything, read the (still empty) shop once."""
        asyncio.run(self._set_up(owner, numbers, carrier, settings))

    async def _set_up(self, owner: str, numbers: int, carrier: Twin | None, settings: Mapping[str, str]) -> None:
        p = await Pipeline.open(self.place)
        try:
            if owner:
                await persons.first_owner(p, owner)
            fields = {"url": self.shop.url, "orders_every_s": "1", "settle_s": "1", "timeout_s": "5", **settings}
            keys = {k: str(self.shop.hello[k]) for k in ("consumer_key", "consumer_secret")}
            self._good(await setup.add_shop(p, "woocommerce", "PL-Woo", fields, keys))
            pool = self._good(
                await setup.add_carrier(
                    p, "pool", "OwnPost", {"carrier_name": "Own Post", "services": "OWN=Own letter", "cod": "yes"}, {}
                )
            )
            await setup.import_numbers(p, pool.id, [f"OWN{n:09d}" for n in range(1, numbers + 1)])
            if carrier is not None:
                where = {"url": carrier.url, "settle_s": "1", "timeout_s": "5"}
                token = {"token": str(carrier.hello["token"])}
                self._good(await setup.add_carrier(p, "simulated", "SimPost", where, token))
            self.printed.mkdir(parents=True, exist_ok=True)
            self._good(await setup.add_printer(p, "folder", "papers", {"folder": str(self.printed)}))
            sender = {"name": "Kleks", "line1": "Polna 1", "city": "Kraków", "postcode": "30-001", "country": "PL"}
            await setup.set_sender(p, "", sender)
            await sync_now(p, 1, ("products", "orders"))
        finally:
            await p.aclose()

    @staticmethod
    def _good(answer: Any) -> Any:
        assert not isinstance(answer, Refused), answer
        return answer

    def orders(self, *given: Mapping[str, Any]) -> list[int]:
        """Make orders in the shop; returns their platform ids."""
        return [int(i) for i in self.shop.admin("POST", "orders", {"orders": [dict(o) for o in given]})]

    def do(self, work: Any) -> Any:
        """Run a coroutine function over a pipeline of its own."""

        async def run() -> Any:
            p = await Pipeline.open(self.place)
            try:
                return await work(p)
            finally:
                await p.aclose()

        return asyncio.run(run())

    def value(self, sql: str, *params: Any) -> Any:
        """The first value of a query over the database."""
        connection = sqlite3.connect(f"file:{self.place.file}?mode=ro", uri=True)
        try:
            row = connection.execute(sql, params).fetchone()
            return row[0] if row else None
        finally:
            connection.close()

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        connection = sqlite3.connect(f"file:{self.place.file}?mode=ro", uri=True)
        try:
            return connection.execute(sql, params).fetchall()
        finally:
            connection.close()

    def environment(self, **more: str) -> dict[str, str]:
        """The variables under which the console works here."""
        return {
            "SHIPDECK_DB": str(self.place.file),
            "SHIPDECK_KEY_FILE": str(self.place.key_file),
            "SHIPDECK_CONFIG": str(self.folder / "config.toml"),
            "SHIPDECK_LANG": "en",
            "SHIPDECK_OPERATOR": "",
            "HOME": str(self.folder),
            **more,
        }

    @contextmanager
    def console(self, rows: int = 36, columns: int = 120, *arguments: str, **more: str) -> Iterator[Terminal]:
        """The console in a terminal of its own."""
        command = [sys.executable, "-P", "-m", "console.cli", *arguments]
        with Terminal(command, rows=rows, columns=columns, env=self.environment(**more)) as terminal:
            yield terminal
