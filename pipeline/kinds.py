"""What can be set up: the installed platforms, carriers and printers with the fields each asks for, as plain data."""

from typing import Literal

from msgspec import Struct

from connectors import registry
from connectors.contract import Field


class Kind(Struct, frozen=True):
    """One installed connector. `problem` says why it cannot be used; the rest is empty then."""

    name: str
    title: str
    fields: tuple[Field, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    pool: bool = False
    """A carrier whose numbers come from a list."""
    problem: str = ""


def kinds(what: Literal["shop", "carrier", "printer"]) -> list[Kind]:
    """Everything of that sort that is installed, sorted by name."""
    return [kind(what, name) for name in registry.names(what)]


def kind(what: Literal["shop", "carrier", "printer"], name: str) -> Kind:
    """One of them; a missing or broken one with its problem."""
    try:
        match what:
            case "shop":
                shop = registry.shop(name).declaration
                return Kind(name, shop.title, shop.fields, shop.unconfirmed)
            case "carrier":
                carrier = registry.carrier(name).declaration
                pool = carrier.number_way.value == "pool"
                return Kind(name, carrier.title, carrier.fields, carrier.unconfirmed, pool)
            case "printer":
                printer = registry.printer(name).declaration
                return Kind(name, printer.title, printer.fields)
    except registry.NoConnector as error:
        return Kind(name, name, problem=str(error))
