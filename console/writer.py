"""How the console writes: a thread with the pipeline in it, so that keys never wait for a commit.

The thread is started once the first rows are painted; what it needs (SQLAlchemy, the connectors) is imported there.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from domain.results import Refused
from domain.words import _
from store.place import Place

if TYPE_CHECKING:
    from pipeline.base import Pipeline

T = TypeVar("T")

PATIENCE_S = 10.0
"""How long leaving waits for what is being written; what was committed stays in any case."""


class Writer:
    """The write side of one console: `do` runs a coroutine over the pipeline in its thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._thread: threading.Thread | None = None
        self._pipeline: Pipeline | None = None
        self._opening: asyncio.Lock | None = None
        self._acting: set[asyncio.Task[object]] = set()
        self._seen: asyncio.Task[None] | None = None
        self.too_new: Exception | None = None
        """Set once a newer program has migrated the database: this one must end."""

    @property
    def started(self) -> bool:
        """Has the thread been started?"""
        return self._thread is not None

    def start(self) -> None:
        """Start the thread and load the write side in it."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="shipdeck-writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._opening = asyncio.Lock()
        self._loop.call_soon(self._started.set)
        self._loop.call_soon(_load)
        self._loop.call_soon(self._show_up)
        self._loop.run_forever()

    def _show_up(self) -> None:
        assert self._loop is not None
        self._seen = self._loop.create_task(self._be_seen())

    async def _be_seen(self) -> None:
        """Be among those who are connected, for as long as the console is open."""
        from pipeline.presence import be_seen
        from store.schema import TooNew

        try:
            await be_seen(await self._opened())
        except TooNew as error:
            self.too_new = error
        except Exception:
            # Where nothing can be written nobody migrates either; what is typed says why by itself.
            logging.getLogger("shipdeck.console").info("not seen", exc_info=True)

    async def _opened(self) -> "Pipeline":
        # A test call to a slow shop must not keep the commands beside it waiting: only the opening is done alone.
        assert self._opening is not None
        async with self._opening:
            if self._pipeline is None:
                from pipeline.base import Pipeline

                self._pipeline = await Pipeline.open(self._place)
        return self._pipeline

    async def do(self, act: "Callable[[Pipeline], Awaitable[T]]") -> T | Refused:
        """Run `act` over the pipeline; what a person can mend comes back as a refusal in one sentence."""
        self.start()
        await asyncio.get_running_loop().run_in_executor(None, self._started.wait)
        assert self._loop is not None
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._do(act), self._loop))

    async def _do(self, act: "Callable[[Pipeline], Awaitable[T]]") -> T | Refused:
        from console.handlers import explain

        task = asyncio.current_task()
        assert task is not None
        self._acting.add(task)
        try:
            return await act(await self._opened())
        except Exception as error:
            sentence = explain(error)
            if sentence is not None:
                return Refused("not_written", sentence)
            from console.launch import write_report

            report = write_report(self._place, error)
            text = _("shipdeck itself failed on it: {error}").format(error=type(error).__name__)
            return Refused("own_error", f"{text} {report or ''}".rstrip())
        finally:
            self._acting.discard(task)

    async def close(self) -> None:
        """Finish what is under way and close the database."""
        if self._thread is None or self._loop is None:
            return

        async def end() -> None:
            if self._acting:
                await asyncio.wait(self._acting, timeout=PATIENCE_S)
            if self._seen is not None:
                self._seen.cancel()
                await asyncio.wait({self._seen}, timeout=PATIENCE_S)
            if self._pipeline is not None:
                await self._pipeline.aclose()
                self._pipeline = None

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(end(), self._loop))
        self._loop.call_soon_threadsafe(self._loop.stop)


def _load() -> None:
    """Import the write side while nobody waits for it."""
    import pipeline.base
    import pipeline.commands  # noqa: F401
