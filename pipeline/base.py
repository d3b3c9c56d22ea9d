"""What every part of the pipeline works with: the open store, its secrets, and connectors made from its accounts."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct

from connectors import registry
from connectors.contract import Binding, CarrierConnector, PrinterConnector, ShopConnector
from connectors.http import HttpClient, Sleep
from domain.capabilities import NumberWay, ShopCapabilities
from domain.clock import SECOND, Clock, Instant, now
from domain.facts import ServiceFacts, ShopFacts
from domain.settings import ShopSettings
from domain.text import is_yes
from store import accounts
from store.database import Store, Tx, from_json
from store.place import Place
from store.sealing import Sealer
from store.upgrade import open_store

log = logging.getLogger("shipdeck.pipeline")
C = TypeVar("C")

FRESH_MS = 2 * SECOND
"""How long a connector is used before its account's settings and secrets are read again."""

NOTHING = ShopCapabilities(kinds=frozenset(), push=False, keeps_stock=True)
"""The capabilities of a shop whose connector is not installed: its orders are there, nothing can be told."""


class Directory(Struct, frozen=True):
    """Everything set up, as decisions see it, at one moment."""

    shops: dict[int, ShopFacts]
    services: dict[int, ServiceFacts]
    warehouse_id: int
    install: str
    earlier: tuple[tuple[int, str], ...]
    printer_id: int


def load_settings(text: str) -> ShopSettings:
    """The pipeline's settings out of a shop's settings (which also hold its connector's fields)."""
    return msgspec.convert(
        {k: v for k, v in from_json(text).items() if k in ShopSettings.__struct_fields__}, ShopSettings
    )


class Pipeline:
    """One open database with the connectors of its accounts. Closed with `aclose()`."""

    def __init__(self, store: Store, clock: Clock = now, sleep: Sleep = asyncio.sleep) -> None:
        self.store = store
        self.clock = clock
        self.sleep = sleep
        self.sealer = Sealer(store.place.key_file)
        self._connectors: dict[str, tuple[str, Kept]] = {}
        self._replaced: list[HttpClient] = []
        self._looked: dict[str, Instant] = {}

    @classmethod
    async def open(cls, place: Place, clock: Clock = now, *, worker: bool = False) -> "Pipeline":
        """Open (and where needed create or migrate) a database. Only a worker checkpoints."""
        return cls(await open_store(place, clock, checkpoints=worker), clock)

    async def aclose(self) -> None:
        """Close connections to third parties and to the database."""
        for http in [kept.binding_http for _key, kept in self._connectors.values()] + self._replaced:
            await http.aclose()
        self._connectors.clear()
        self._replaced.clear()
        await self.store.close()

    async def directory(self, tx: Tx) -> Directory:
        """What is set up, read in the caller's transaction."""
        carriers = {c.id: c for c in await accounts.carriers(tx)}
        services = {}
        for row in await accounts.services(tx):
            carrier = carriers[row.carrier_id]
            declaration = _try(lambda kind=carrier.kind: registry.carrier(kind).declaration)  # type: ignore[misc]
            services[row.id] = ServiceFacts(
                id=row.id,
                carrier_id=carrier.id,
                carrier_name=carrier.name,
                checked=carrier.checked_at is not None and bool(carrier.bound),
                enabled=bool(row.enabled),
                service=accounts.service_of(row),
                number_way=declaration.number_way if declaration else NumberWay.NONE,
                can_void=declaration.can_void if declaration else False,
                fresh_reference=declaration.fresh_reference_beside_live if declaration else False,
            )
        printers = await accounts.printers(tx)
        return Directory(
            {row.id: self.shop_facts(row) for row in await accounts.shops(tx)},
            services,
            await accounts.default_warehouse_id(tx),
            await accounts.installed(tx),
            await accounts.earlier_installs(tx),
            next((p.id for p in printers if p.checked_at is not None), 0),
        )

    def shop_facts(self, row: Any) -> ShopFacts:
        """A shop row as decisions see it."""
        declaration = _try(lambda: registry.shop(row.platform).declaration)
        return ShopFacts(
            id=row.id,
            name=row.name,
            platform=row.platform,
            zone=row.zone,
            bound=bool(row.bound),
            settings=load_settings(row.settings),
            capabilities=declaration.capabilities if declaration else NOTHING,
        )

    # -------------------------------------------------------------- connectors

    async def shop(self, shop_id: int) -> ShopConnector:
        """The connector of a bound shop, with its HTTP client and budget."""
        if (fresh := self._fresh(f"shop:{shop_id}")) is not None:
            return cast(ShopConnector, fresh)
        async with self.store.reading() as tx:
            row = await accounts.shop(tx, shop_id)
            assert row is not None
            secrets = await accounts.get_secrets(tx, self.sealer, f"shop:{shop_id}")
        kind = registry.shop(row.platform)
        return self._cached(f"shop:{shop_id}", kind, row, secrets, kind.declaration.limits)

    async def carrier(self, carrier_id: int) -> CarrierConnector:
        """The connector of a carrier account."""
        if (fresh := self._fresh(f"carrier:{carrier_id}")) is not None:
            return cast(CarrierConnector, fresh)
        async with self.store.reading() as tx:
            row = await accounts.carrier(tx, carrier_id)
            assert row is not None
            secrets = await accounts.get_secrets(tx, self.sealer, f"carrier:{carrier_id}")
        kind = registry.carrier(row.kind)
        return self._cached(f"carrier:{carrier_id}", kind, row, secrets, kind.declaration.limits)

    async def printer(self, printer_id: int) -> PrinterConnector:
        """The connector of a printer of this host."""
        async with self.store.reading() as tx:
            row = await accounts.printer(tx, printer_id)
            assert row is not None
        return self._cached(f"printer:{printer_id}", registry.printer(row.kind), row, {}, None)

    def _fresh(self, account: str) -> object | None:
        """The made connector of an account whose set-up was looked at within the last two seconds."""
        if self.clock() - self._looked.get(account, 0) < FRESH_MS and account in self._connectors:
            return cast(object, self._connectors[account][1].connector)
        return None

    def _cached(self, account: str, kind: Callable[[Binding], C], row: Any, secrets: dict[str, str], limits: Any) -> C:
        """One connector per account, so that its budget is shared; a changed set-up makes a new one."""
        key = f"{row.settings}{sorted(secrets.items())}"
        self._looked[account] = self.clock()
        if account in self._connectors and self._connectors[account][0] == key:
            made: C = self._connectors[account][1].connector
            return made
        binding = self.binding(row.name, accounts.settings_of(row), secrets, limits)
        if account in self._connectors:
            # Who acts for this account goes on asking its lease; calls under way end on the client they began on.
            earlier = self._connectors[account][1].binding_http
            binding.http.may_send = earlier.may_send
            self._replaced.append(earlier)
        connector = kind(binding)
        self._connectors[account] = (key, Kept(connector, binding.http, dict(binding.settings)))
        return connector

    def binding(self, name: str, settings: dict[str, Any], secrets: dict[str, str], limits: Any) -> Binding:
        """What a connector is constructed with. `calls_per_second`, `parallel` and `timeout_s` may be set per account."""
        text = {k: _as_text(v) for k, v in settings.items()}
        http = HttpClient(
            text.get("url", ""),
            calls_per_second=float(text.get("calls_per_second") or (limits.calls_per_second if limits else 0)),
            parallel=int(text.get("parallel") or (limits.parallel if limits else 1)),
            allow_plain_http=is_yes(text.get("allow_plain_http", "")),
            timeout_s=float(text.get("timeout_s") or 30),
            clock=self.clock,
            sleep=self.sleep,
        )
        return Binding(name, text, secrets, http, self.clock)

    async def ensure(self, account: str) -> None:
        """Make the connector of an account (`shop:3`, `carrier:1`, `printer:2`) if it is not there yet."""
        kind, _sep, number = account.partition(":")
        await {"shop": self.shop, "carrier": self.carrier, "printer": self.printer}[kind](int(number))

    def forget(self, account: str) -> None:
        """The set-up of an account changed: look at it again before its connector is used."""
        self._looked.pop(account, None)

    def connector_of(self, account: str) -> "Kept | None":
        """The connector of an account, if it was made."""
        kept = self._connectors.get(account)
        return kept[1] if kept else None

    def http_of(self, account: str) -> HttpClient | None:
        """The HTTP client of an account whose connector was made."""
        kept = self._connectors.get(account)
        return kept[1].binding_http if kept else None


class Kept(Struct):
    """A made connector with its HTTP client and settings."""

    connector: Any
    binding_http: HttpClient
    binding_settings: dict[str, str]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _try(load: Callable[[], C]) -> C | None:
    try:
        return load()
    except registry.NoConnector as error:
        log.warning("%s", error)
        return None
