"""Finds connectors: ours and those of other packages, all through the entry-point group `shipdeck.connectors`.

One that cannot be used is named with what is wrong with it, and stands in nobody's way.
"""

from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec

from connectors.contract import (
    CarrierConnector,
    CarrierDeclaration,
    PrinterConnector,
    PrinterDeclaration,
    ShopConnector,
    ShopDeclaration,
    extras,
    operations,
)
from domain.text import safe
from domain.words import _

GROUP = "shipdeck.connectors"
OURS = "shipdeck"

_KINDS: dict[str, tuple[type[Any], str, type]] = {
    "shop": (ShopDeclaration, "platform", ShopConnector),
    "carrier": (CarrierDeclaration, "carrier", CarrierConnector),
    "printer": (PrinterDeclaration, "printer", PrinterConnector),
}
"""Kind → the type of its declaration, the field of it that repeats the name, the protocol of its operations."""


class NoConnector(Exception):
    """A connector cannot be had. Not a `LookupError`: a KeyError of ours must never be taken for it."""


class UnknownConnector(NoConnector):
    """No connector of that kind and name is installed; the message says which are."""


class BrokenConnector(NoConnector):
    """The connector is installed but cannot be used; the message names it and why."""


@lru_cache(maxsize=1)
def _entries() -> dict[tuple[str, str], EntryPoint]:
    """What is installed. Of two under one name the first found counts, and ours before anybody's."""
    found: dict[tuple[str, str], EntryPoint] = {}
    for entry in sorted(entry_points(group=GROUP), key=_package_of, reverse=True):
        kind, _sep, name = entry.name.partition(".")
        found[kind, name] = entry
    return found


def _package_of(entry: EntryPoint) -> tuple[bool, str]:
    """Sorts ours before others', those by their package."""
    return (entry.dist is not None and entry.dist.name != OURS, entry.dist.name if entry.dist else "")


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
    found, problem = _found(entry)
    if problem:
        raise BrokenConnector(f"{kind}.{name} ({entry.value}): {problem}")
    return found


@lru_cache(maxsize=256)
def _found(entry: EntryPoint) -> tuple[object, str]:
    """The class behind an entry point, or what is wrong with it; asked once, since an import that fails may be slow."""
    kind, _sep, name = entry.name.partition(".")
    if kind not in _KINDS:
        return None, _("no such kind; there are {kinds}").format(kinds=", ".join(_KINDS))
    try:
        found = entry.load()
    except (Exception, SystemExit) as error:
        return None, f"{type(error).__name__}: {safe(error)}"
    return found, _wrong(found, kind, name)


def _wrong(found: object, kind: str, name: str) -> str:
    """What makes this no connector of that kind and name; '' where nothing does."""
    wanted, own_name, protocol = _KINDS[kind]
    if not isinstance(found, type):
        return _("it is no class")
    declaration = getattr(found, "declaration", None)
    if not isinstance(declaration, wanted):
        return _("its declaration is no {type}").format(type=wanted.__name__)
    try:
        # Structs do not look at their values when they are made.
        msgspec.convert(msgspec.to_builtins(declaration), wanted)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        return _("its declaration is wrong: {error}").format(error=safe(error))
    if (said := getattr(declaration, own_name)) != name:
        return _("its declaration names {name}").format(name=safe(said))
    protocols = [protocol]
    if isinstance(declaration, ShopDeclaration):
        protocols += [extra for extra, declared in extras(declaration).items() if declared]
    needed = [one for each in protocols for one in operations(each)]
    if missing := [one for one in needed if not callable(getattr(found, one, None))]:
        return _("it lacks {operations}").format(operations=", ".join(missing))
    return ""


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
    """Every installed connector with its package and version; one that cannot be used with its problem."""
    rows = []
    for entry in sorted(entry_points(group=GROUP), key=lambda one: (one.name, _package_of(one))):
        kind, _sep, name = entry.name.partition(".")
        taken = _entries().get((kind, name))
        if taken is None or taken == entry:
            problem = _found(entry)[1]
        else:
            package = taken.dist.name if taken.dist else taken.value
            problem = _("{package} has a connector of that name already").format(package=package)
        rows.append(
            {
                "kind": kind,
                "name": name,
                "package": entry.dist.name if entry.dist else "",
                "version": entry.dist.version if entry.dist else "",
                "problem": problem,
            }
        )
    return rows
