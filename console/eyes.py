"""How the console reads: one connection for what is read between two frames, two threads for what may take longer."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from store.place import Place
from store.reader import Reader, Watch

T = TypeVar("T")
Look = Callable[[Reader], Awaitable[T]]
"""A view over a reader: `lambda r: overview(r, now)`."""


class _Side:
    """A thread with a reader and an event loop of its own; one look at a time."""

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: Reader | None = None
        self._lock = threading.Lock()
        self._for: object = None
        """For whom the present look is."""

    async def look(self, look: Look[T], who: object = None) -> T:
        """Run one look in the thread; `who` may give it up."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, look, who)

    def _run(self, look: Look[T], who: object) -> T:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        if self._reader is None:
            reader = Reader(self._place)
            self._loop.run_until_complete(reader.__aenter__())
            self._reader = reader
        with self._lock:
            self._for = who
        try:
            return self._loop.run_until_complete(_as_coroutine(look(self._reader)))
        finally:
            with self._lock:
                self._for = None

    def interrupt(self, who: object) -> None:
        """Give up the look that runs, if it is for `who`: nobody waits for it any more."""
        with self._lock:
            if self._reader is not None and self._for is not None and self._for == who:
                self._reader.interrupt()

    def close(self) -> None:
        """End the thread after its present look, which is given up."""
        if self._reader is not None:
            self._reader.interrupt()
        self._threads.submit(self._end)
        self._threads.shutdown(wait=False)

    def _end(self) -> None:
        if self._loop is not None and self._reader is not None:
            self._loop.run_until_complete(self._reader.__aexit__(None, None, None))
            self._loop.close()


async def _as_coroutine(awaitable: Awaitable[T]) -> T:
    return await awaitable


class _InTurn(Reader):
    """A reader that several may use in one event loop: PostgreSQL answers one question of a connection at a time."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._turn = asyncio.Lock()

    async def fetch(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Every row of a query as dicts."""
        async with self._turn:
            return await super().fetch(sql, params)

    async def tuples(self, sql: str, params: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """Every row of a query as plain sequences."""
        async with self._turn:
            return await super().tuples(sql, params)


class Eyes:
    """The read side of one console."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.quick: Reader = Reader(place) if place.file is not None else _InTurn(place)
        """Read between two frames: a walk along an index, a few rows by id."""
        self._background = _Side(place, "shipdeck-counts")
        self._search = _Side(place, "shipdeck-search")

    async def open(self) -> None:
        """Open the database for reading. Raises what `Reader` raises."""
        await self.quick.__aenter__()

    async def look(self, look: Look[T]) -> T:
        """Read something that may take long (counts, the header) beside the screen."""
        return await self._background.look(look)

    async def search(self, look: Look[T], who: object = None) -> T:
        """Read something a person waits for, beside the screen: a filter, everything that is to be marked.

        Given up by `who`, it raises `sqlite3.OperationalError`.
        """
        return await self._search.look(look, who)

    def give_up_search(self, who: object) -> None:
        """The search of `who` that runs is no longer wanted; those of others go on."""
        self._search.interrupt(who)

    async def close(self) -> None:
        """Close every connection."""
        self._background.close()
        self._search.close()
        await self.quick.__aexit__(None, None, None)


class Wake:
    """Tells that somebody has committed: `PRAGMA data_version` on SQLite, NOTIFY on PostgreSQL."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._watch: Watch | None = None
        self._connection: Any = None
        self._told = False

    async def open(self) -> None:
        """Begin to listen."""
        if self._place.file is not None:
            self._watch = Watch(self._place)
            return
        import asyncpg

        self._connection = await asyncpg.connect(self._place.url)
        await self._connection.add_listener("shipdeck", self._notified)

    def _notified(self, *_about: object) -> None:
        self._told = True

    def changed(self) -> bool:
        """Has anything been committed since the last call?"""
        if self._watch is not None:
            return self._watch.changed()
        told, self._told = self._told, False
        return told

    async def close(self) -> None:
        """Listen no more."""
        if self._connection is not None:
            await self._connection.close()
