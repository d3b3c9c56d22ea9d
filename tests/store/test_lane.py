"""Questions that travel together, and guards: what is written beside one that is not met is not written."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from store import tables as t
from store.database import Store
from store.place import Place
from store.upgrade import open_store


class NotHeld(Exception):
    """What a guard raises."""


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    """A database with one word in it."""
    store = await open_store(place)
    async with store.transaction() as tx:
        await tx.insert(t.meta, [{"key": "install", "value": "before"}])
    yield store
    await store.close()


async def test_several_questions_are_answered_in_their_order(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.do("UPDATE meta SET value = 'now' WHERE key = 'install'")
        found, none, sums = await tx.each(
            ("SELECT key, value FROM meta WHERE key = :key", {"key": "install"}),
            ("SELECT id FROM orders", {}),
            ("SELECT count(*) AS n FROM meta WHERE key IN :keys", {"keys": ["install", "nothing"]}),
        )
    assert [(row.key, row.value) for row in found] == [("install", "now")], "written before, seen"
    assert list(none) == []
    assert sums[0].n == 1


@pytest.mark.parametrize("asked_later", [True, False])
async def test_a_guard_that_is_not_met_undoes_the_transaction(asked_later: bool, store: Store) -> None:
    seen: list[Any] = []

    def refuse(value: object) -> None:
        seen.append(value)
        raise NotHeld

    async def value() -> object:
        async with store.reading() as tx:
            return await tx.value("SELECT value FROM meta WHERE key = 'install'")

    async def guarded() -> None:
        async with store.transaction() as tx:
            await tx.do("UPDATE meta SET value = 'mine' WHERE key = 'install'")
            await tx.guard(refuse, "SELECT value FROM meta WHERE key = :key", key="install")
            if asked_later:
                await tx.value("SELECT 1")

    with pytest.raises(NotHeld):
        await guarded()
    assert seen == ["mine"]
    assert await value() == "before"
    async with store.transaction() as tx:
        await tx.guard(seen.append, "SELECT value FROM meta WHERE key = :key", key="nothing")
        await tx.do("UPDATE meta SET value = 'ours' WHERE key = 'install'")
    assert seen == ["mine", None]
    assert await value() == "ours"


async def test_nobody_gets_past_a_guard_by_going_on_after_it(sqlite_place: Place) -> None:
    store = await open_store(sqlite_place)

    def refuse(_value: object) -> None:
        raise NotHeld

    async def goes_on() -> None:
        async with store.transaction() as tx:
            await tx.guard(refuse, "SELECT 1")
            with contextlib.suppress(NotHeld):
                await tx.value("SELECT 1")
            await tx.insert(t.meta, [{"key": "install", "value": "mine"}])

    with pytest.raises(NotHeld):
        await goes_on()
    async with store.reading() as tx:
        assert await tx.value("SELECT value FROM meta WHERE key = 'install'") is None
    await store.close()
