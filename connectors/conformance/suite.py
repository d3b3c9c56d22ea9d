"""Runs the cases of a connector: finds its kit, starts its twins, and says of each case what came of it."""

import asyncio
import traceback
from collections.abc import Mapping
from importlib.metadata import entry_points
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Struct

from connectors import registry
from connectors.conformance import binding, capabilities, failures, listings, losses, orders, pushing, readings, times
from connectors.conformance.case import Case
from connectors.conformance.ground import Failed, Ground, Listener, Skipped
from connectors.conformance.kit import Kit
from connectors.contract import ShopConnector
from connectors.simulated.launch import Twin, TwinFailed
from domain.words import _

GROUP = "shipdeck.kits"

CASES: tuple[Case, ...] = tuple(
    case
    for module in (binding, orders, listings, times, failures, pushing, losses, capabilities, readings)
    for case in module.CASES
)


class NoKit(Exception):
    """The suite cannot run: no such connector, or nothing says how its twin is set up. The message says which."""


class Result(Struct, frozen=True):
    """What came of a case: `passed`, `skipped` or `failed`, and why."""

    case: str
    outcome: str
    reason: str = ""


def kit_of(name: str) -> Kit:
    """The kit of `shop.NAME`. Raises `NoKit`."""
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            try:
                kit = entry.load()
            except Exception as error:
                text = f"{name} ({entry.value}): {type(error).__name__}: {error}"
                raise NoKit(text) from error
            if isinstance(kit, Kit):
                return kit
            raise NoKit(_("{name}: {value} is no kit.").format(name=name, value=entry.value))
    raise NoKit(_("Nothing under shipdeck.kits says how the twin of {name} is set up.").format(name=name))


def _paged(kind: type[ShopConnector], batch: int) -> type[ShopConnector]:
    """The connector, reading so many rows at once; 0 = as it is."""
    if not batch:
        return kind
    limits = msgspec.structs.replace(kind.declaration.limits, batch=batch)
    declaration = msgspec.structs.replace(kind.declaration, limits=limits)
    return type(kind.__name__, (kind,), {"declaration": declaration})


class Suite:
    """The cases of one shop connector. A context manager: its twins live as long as it does."""

    def __init__(self, name: str, kind: type[ShopConnector] | None = None, kit: Kit | None = None) -> None:
        """`name` is `shop.NAME`; `kind` and `kit` stand in for what is installed. Raises `NoKit` or `NoConnector`."""
        family, _sep, platform = name.partition(".")
        if family != "shop" or not platform:
            raise NoKit(_("The suite knows shops only: {name}").format(name=name))
        kind = kind or registry.shop(platform)
        self.kit = kit or kit_of(name)
        self.kind = _paged(kind, self.kit.batch)
        self._shared: Twin | None = None
        self._spare: Twin | None = None

    def fresh(self, more: Mapping[str, object]) -> Twin:
        """A twin as just started with the kit's options and some more; the one given out before is no more."""
        options = {**self.kit.options, **more}
        self._spare = Twin(self.kit.twin, **options) if self._spare is None else self._spare.anew(**options)
        return self._spare

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for twin in (self._shared, self._spare):
            if twin is not None:
                twin.close()

    async def run(self, case: Case) -> Result:
        """Run one case. What was said and logged meanwhile must hold no secret and no buyer's phone."""
        try:
            if case.alone:
                return await self._run(case, self.fresh({}))
            if self._shared is None:
                self._shared = Twin(self.kit.twin, **self.kit.options)
            self._shared.admin("POST", "faults", {"rate": 0})
        except TwinFailed as error:
            return Result(case.name, "failed", str(error))
        return await self._run(case, self._shared)

    def run_alone(self, case: Case) -> Result:
        """`run`, where no event loop is."""
        return asyncio.run(self.run(case))

    async def _run(self, case: Case, twin: Twin) -> Result:
        ground = Ground(self.kind, self.kit, twin, self.fresh)
        try:
            with Listener() as listener:
                await case.run(ground)
            if leaks := ground.leaks(listener.heard):
                return Result(case.name, "failed", f"a secret or a buyer's phone is told: {leaks[0]}")
        except Skipped as skipped:
            return Result(case.name, "skipped", str(skipped))
        except Failed as failed:
            return Result(case.name, "failed", str(failed))
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)[-3:]
            where = " ← ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
            return Result(case.name, "failed", f"{type(error).__name__}: {error} ({where})")
        finally:
            await ground.aclose()
        return Result(case.name, "passed")
