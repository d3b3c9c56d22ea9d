"""Every screen of the console as text, at three sizes, over one generated database with a fixed clock.

`python -m tests.console.gallery LANGUAGE FOLDER` writes them; the snapshots in `tests/console/snapshots` are its output,
made by `make snapshots`. A language is fixed for a process, hence a program of its own. A third argument names a database
that `generated` made before, where several languages are painted.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = ((80, 24), (120, 36), (160, 45))
HOUR = 3_600_000
KEYS: dict[str, tuple[str, ...]] = {
    "review": ("1",),
    "review-marked": ("1", "a"),
    "review-notes": ("1", "right", "right"),
    "processing": ("2",),
    "waybill": ("3",),
    "waybill-failed": ("3", "right", "right", "right"),
    "to-print": ("4",),
    "out-of-stock": ("4", "right"),
    "shipped": ("5",),
    "all-orders": ("0",),
    "jobs": ("6",),
    "stock": ("8",),
    "settings": ("9",),
    "settings-shop": ("9", "enter"),
    "abnormal": ("@abnormal",),
    "detail": ("1", "enter"),
    "help": ("4", "?"),
    "palette": ("4", ":"),
    "filter": ("1", "/"),
    "edit-address": ("3", "right", "right", "right", "e"),
    "remark": ("1", "w"),
    "merge": ("1", "m"),
    "service": ("2", "s"),
    "customs": ("2", "c"),
    "flag": ("1", "f"),
    "hold": ("1", "h"),
    "close": ("1", "delete"),
    "send-back": ("4", "b"),
    "recall": ("5", "b"),
    "person": ("1", "O"),
    "copy": ("1", "y"),
    "ship": ("4", "space", "space", "space", "n"),
    "receive": ("8", "n"),
    "last-batch": ("1", "l"),
    "quit": ("1", "q"),
}
"""Screen → the keys that open it from the review; `@` names a place that the palette opens."""


def main(language: str, folder: Path, made: Path | None = None) -> None:
    """Write every screen in one language."""
    os.environ["SHIPDECK_LANG"] = language
    os.environ["TZ"] = "UTC"
    time.tzset()
    os.environ["TEXTUAL_DISABLE_KITTY_KEY"] = "1"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shipdeck-gallery-") as scratch:
        # Long enough for the part that differs to be cut off wherever a path is shown.
        fixed = Path(scratch) / "the-practice-folder-of-the-gallery-of-all-the-screens"
        for name, text in asyncio.run(paint(fixed, made)).items():
            (folder / f"{name}.{language}.txt").write_text(text + "\n", encoding="utf-8")


async def generated(scratch: Path) -> Path:
    """Generate the orders that the screens show."""
    from bench.generate import NOW, generate
    from pipeline import persons
    from pipeline.base import Pipeline

    place = _place(scratch)
    await asyncio.to_thread(generate, place, 4_000)
    p = await Pipeline.open(place, clock=lambda: NOW)
    await persons.first_owner(p, "安娜 Anna")
    await p.store.checkpoint()
    await p.aclose()
    return Path(place.file)


def _place(scratch: Path) -> Any:
    from store.place import Place

    return Place("", scratch / "data" / "gallery.sqlite", scratch / "keys" / "key", scratch / "data" / "backups")


async def paint(scratch: Path, made: Path | None = None) -> dict[str, str]:
    """`screen.80x24` → its text."""
    from bench.generate import NOW
    from console.app import Console
    from console.config import Config
    from store.place import private_file
    from tests.console.unseen import unseen

    place = _place(scratch)
    if made is None:
        await generated(scratch)
    else:
        shutil.copyfile(made, private_file(place.file))
    shown: dict[str, str] = {}
    for width, height in SIZES:
        config = Config(scratch / "config.toml", terminal="bench-2")
        app = Console(place, config, person="安娜 Anna", clock=lambda: NOW + 2 * HOUR, keep_worker=False, window_s=0)
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(unseen())
            pilot = await stack.enter_async_context(app.run_test(size=(width, height)))
            desk: Any = app.screen_stack[0]
            desk.pace_s = desk.rest_s = 0.0
            await settle(app, pilot)
            for name, keys in KEYS.items():
                for key in keys:
                    if key.startswith("@"):
                        await desk.go(key[1:])
                    else:
                        press(app, key)
                    await settle(app, pilot)
                shown[f"{name}.{width}x{height}"] = screen_text(app)
                while len(app.screen_stack) > 1:
                    press(app, "escape")
                    await settle(app, pilot)
                press(app, "1")
                await settle(app, pilot)
                press(app, "escape")
                press(app, "A")
                await settle(app, pilot)
        await app.close_all()
    return shown


def press(app: Any, key: str) -> None:
    """One key of a person."""
    from textual import events

    app.post_message(events.Key(key, " " if key == "space" else key if len(key) == 1 else None))


async def settle(app: Any, pilot: Any) -> None:
    """Wait until nothing is read, asked or painted any more."""
    quiet = 0
    desk = app.screen_stack[0]
    until = time.monotonic() + 20
    while quiet < 9 and time.monotonic() < until:
        await asyncio.sleep(0.003)
        await desk._tick()
        busy = _busy(app, desk)
        quiet = 0 if busy else quiet + 1
    await pilot.pause(0)


def _busy(app: Any, desk: Any) -> bool:
    asking = len(app.screen_stack) > 1
    flows = [w for w in app.workers if not w.is_finished]
    source = getattr(desk.place, "source", None)
    return bool(
        desk.deeds is None
        or desk._refreshing
        or desk._dirty_at is not None
        or desk.counted_for != desk.stage
        or (desk._detail_wanted and desk._panel_showing())
        or getattr(source, "reading", False)
        or getattr(desk.place, "marking", False)
        or (flows and not asking)
        or (asking and getattr(desk, "_looking", False))
    )


def screen_text(app: Any) -> str:
    """What stands on the screen, line by line, without trailing blanks."""
    from tests.console.unseen import painted

    return "\n".join(strip.text.rstrip() for strip in painted(app))


def run(done: Callable[[], None] = lambda: None) -> None:
    """The program."""
    language, folder, *made = sys.argv[1:]
    main(language, Path(folder), *map(Path, made))
    done()


if __name__ == "__main__":
    run()
