"""Finds connectors: ours and those of other packages, all through the entry-point group `shipdeck.connectors`."""

from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from connectors.contract import CarrierConnector, PrinterConnector, ShopConnector
from domain.words import _

GROUP = "shipdeck.connectors"


class NoConnector(Exception):
    """A connector cannot be had. Not a `LookupError`: a KeyError of ours must never be taken for it."""


class UnknownConnector(NoConnector):
    """No connector of that kind and name is installed; the message says which are."""


class BrokenConnector(NoConnector):
    """The connector is installed but cannot be imported; the message names it and why."""


@lru_cache(maxsize=1)
def _entries() -> dict[tuple[str, str], EntryPoint]:
    found = {}
    for entry in entry_points(group=GROUP):
        kind, _sep, name = entry.name.partition(".")
        found[kind, name] = entry
    return found


def names(kind: str) -> list[str]:
    """The installed connectors of a kind (`shop`, `carrier`, `printer`), sorted."""
    return sorted(name for found, name in _entries() if found == kind)


def _load(kind: str, name: str) -> object:
    entry = _entries().get((kind, name))
    if entry is None:
        raise UnknownConnector(
            _("There is no {kind} connector {name}; installed: {names}.").format(
                kind=kind, name=name, names=", ".join(names(kind)) or "-"
            )
        )
    try:
        return entry.load()
    except Exception as error:
        raise BrokenConnector(f"{kind}.{name} ({entry.value}): {type(error).__name__}: {error}") from error


def shop(platform: str) -> type[ShopConnector]:
    """The shop connector of a platform. Raises `UnknownConnector` or `BrokenConnector`."""
    return _load("shop", platform)  # type: ignore[return-value]


def carrier(name: str) -> type[CarrierConnector]:
    """The carrier connector of that name. Raises `UnknownConnector` or `BrokenConnector`."""
    return _load("carrier", name)  # type: ignore[return-value]


def printer(name: str) -> type[PrinterConnector]:
    """The printer connector of that name. Raises `UnknownConnector` or `BrokenConnector`."""
    return _load("printer", name)  # type: ignore[return-value]


def installed() -> list[dict[str, str]]:
    """Every installed connector with its package and version; a broken one with its problem."""
    rows = []
    for (kind, name), entry in sorted(_entries().items()):
        problem = ""
        try:
            _load(kind, name)
        except NoConnector as error:
            problem = str(error)
        package = entry.dist
        rows.append(
            {
                "kind": kind,
                "name": name,
                "package": package.name if package else "",
                "version": package.version if package else "",
                "problem": problem,
            }
        )
    return rows
