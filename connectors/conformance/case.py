"""A case: a sentence and a coroutine over a ground. Modules of cases collect theirs with `Cases`."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from connectors.conformance.ground import Ground

Run = Callable[[Ground], Awaitable[None]]


class Case(Struct, frozen=True):
    """One thing a connector must do. `name` is stable; `run` raises `Failed` or `Skipped`."""

    name: str
    run: Run
    alone: bool = False
    """It wants a twin of its own, since it fills it or turns its clock."""


class Cases(list[Case]):
    """The cases of one module, in the order they are told."""

    def add(self, run: Run) -> Run:
        """Take a function as a case under its own name."""
        self.append(Case(run.__name__, run))
        return run

    def alone(self, run: Run) -> Run:
        """Likewise, on a twin of its own."""
        self.append(Case(run.__name__, run, alone=True))
        return run
