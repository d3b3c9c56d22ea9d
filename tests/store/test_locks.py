"""SQLite's locks belong to the process and end with the first descriptor of the file it closes, whoever opened that."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.base import Pipeline
from store.place import Place
from store.reader import Reader

ANOTHER_PROCESS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM shop").fetchone()
connection.close()
"""


def come_and_go(file: Path) -> None:
    """Another process opens the database, looks, and closes it: if it finds nobody else, it takes the WAL away."""
    subprocess.run([sys.executable, "-c", ANOTHER_PROCESS, str(file)], check=True, timeout=30)


async def test_a_console_that_opens_its_write_side_still_holds_the_database_against_other_processes(
    sqlite_place: Place,
) -> None:
    made = await Pipeline.open(sqlite_place)
    await made.aclose()
    assert sqlite_place.file is not None
    wal = f"{sqlite_place.file}-wal"
    async with Reader(sqlite_place) as reader:
        await reader.fetch("SELECT count(*) AS n FROM shop")
        writer = await Pipeline.open(sqlite_place)
        try:
            async with writer.store.transaction() as tx:
                await tx.run("UPDATE meta SET value = value")
            before = os.stat(wal).st_ino
            come_and_go(sqlite_place.file)
            assert os.stat(wal).st_ino == before
            async with writer.store.transaction() as tx:
                await tx.run("UPDATE meta SET value = 'kept' WHERE key = 'install'")
        finally:
            await writer.aclose()
