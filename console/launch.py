"""Starts the console in a terminal and takes care of everything around it: language, refusals, crashes, restarts.

Nothing heavy is imported before the first rows are on the screen.
"""

import argparse
import contextlib
import os
import select
import sys
import time
from pathlib import Path

from console.config import Config, load
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store.place import Place, private_directory


def is_terminal() -> bool:
    """Are both ends of us a terminal?"""
    return sys.stdin.isatty() and sys.stdout.isatty()


def start(options: argparse.Namespace) -> int:
    """Open the console on the database of `options`; returns the exit code."""
    from console.output import complain

    config = load()
    if isinstance(config, Refused):
        complain(config.message)
        return 1
    if not is_terminal():
        complain(_("The console needs a terminal; everything also works as a command: shipdeck --help."))
        return 2
    from store.place import find

    place = find(options.db)
    refused = _prepare(place, config)
    if refused is not None:
        complain(refused.message)
        return 1
    word = run(place, config, person=options.who if options.who != "owner" else "")
    if word == "restart":
        # The language is fixed for a process: it begins anew.
        os.environ.pop("SHIPDECK_LANG", None)
        os.execv(sys.executable, [sys.executable, "-P", "-m", "console.cli", *sys.argv[1:]])
    if word == "practice":
        os.execv(sys.executable, [sys.executable, "-P", "-m", "console.cli", "practice"])
    return 0 if word is not None else 1


def _prepare(place: Place, config: Config) -> Refused | None:
    """The database is there and of this schema; a first start asks for the language and what to begin with."""
    from store.schema import HEAD, Damaged, TooNew, refuse_other, revision_of

    if place.file is None:
        import asyncio

        asyncio.run(_make(place))
        return None
    try:
        found = revision_of(place)
        refuse_other(found)
    except (Damaged, TooNew) as error:
        return Refused("unusable", str(error))
    if found != HEAD:
        if not found and not config.language and not os.environ.get("SHIPDECK_LANG"):
            _first_language(config)
        import asyncio

        try:
            asyncio.run(_make(place))
        except Exception as error:
            from console.handlers import explain

            sentence = explain(error)
            if sentence is None:
                raise
            return Refused("unusable", sentence)
    return None


async def _make(place: Place) -> None:
    from store.upgrade import open_store

    store = await open_store(place)
    await store.close()


def _first_language(config: Config) -> None:
    """Ask for the language before anything else is said; the answer holds from the next line on."""
    from console import config as settings
    from domain.words import LANGUAGES

    sys.stdout.write("\x1b[2J\x1b[H\n   shipdeck\n\n   Language / 语言\n\n")
    for n, (_code, name) in enumerate(LANGUAGES, 1):
        sys.stdout.write(f"     {n}  {name}\n")
    sys.stdout.write("\n")
    sys.stdout.flush()
    while True:
        answer = _one_key().translate(str.maketrans("１２３", "123"))
        if answer == "":
            return
        if answer.isdecimal() and 1 <= int(answer) <= len(LANGUAGES):
            config.language = LANGUAGES[int(answer) - 1][0]
            settings.save(config)
            os.execv(sys.executable, [sys.executable, "-P", "-m", "console.cli", *sys.argv[1:]])


def _one_key() -> str:
    """One key of a person; several within 40 ms are a scan or a paste and count as `?`. '' when the terminal is gone."""
    import termios
    import tty

    before = termios.tcgetattr(0)
    try:
        tty.setcbreak(0)
        text = os.read(0, 1024)
        while text and select.select([0], [], [], 0.04)[0]:
            more = os.read(0, 1024)
            if not more:
                break
            text += more
    except OSError:
        return ""
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)
    key = text.decode("utf-8", "replace")
    return key if len(key) <= 1 else "?"


def run(place: Place, config: Config, *, person: str = "", keep_worker: bool = True) -> str | None:
    """Run the console until it is left; '' or the word it ended with, None after a crash that was reported."""
    import asyncio

    from console.cells import Width

    os.environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    Width.ambiguous = _ambiguous_width()

    from console.app import Console

    app = Console(place, config, person=person, keep_worker=keep_worker)
    word: str | None
    try:
        word = app.run(mouse=False)
    except Exception as error:
        app.crash = app.crash or error
        word = None
    if app.keeper is not None and app.crash is None:
        # However it ended: a worker that was told nothing finishes its jobs when our end of its line closes.
        app.keeper.finish()
    with contextlib.suppress(Exception):
        asyncio.run(app.close_all())
    if app.crash is not None:
        report_crash(place, app.crash)
        return None
    return word or ""


def report_crash(place: Place, error: BaseException) -> Path | None:
    """One sentence for the person and a report with the places in the code, never with a value; returns its path."""
    from console.handlers import explain

    sentence = explain(error) if isinstance(error, Exception) else None
    if sentence is not None:
        sys.stderr.write(safe(sentence, 500) + "\n")
        return None
    file = write_report(place, error)
    where = (
        _("A report without personal data is in {file}.").format(file=file)
        if file
        else _("No report could be written.")
    )
    sys.stderr.write(
        _("shipdeck ended because of a defect of its own; nothing that was committed is lost.") + f" {where}\n"
    )
    return file


def write_report(place: Place, error: BaseException) -> Path | None:
    """A file with the type and the places of a defect, for who mends it; None where no file can be written."""
    from console.traces import frames

    folder = place.file.parent if place.file is not None else Path.home()
    file = folder / f"shipdeck-crash-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        private_directory(folder)
        descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write("\n".join(frames(error)) + "\n")
    except OSError:
        return None
    return file


def _ambiguous_width() -> int:
    """Does this terminal draw ł two cells wide? It is asked where its cursor stands after one; 1 when it does not say."""
    import re
    import termios
    import tty

    if os.environ.get("SHIPDECK_AMBIGUOUS") in {"1", "2"}:
        return int(os.environ["SHIPDECK_AMBIGUOUS"])
    try:
        before = termios.tcgetattr(0)
    except termios.error:
        return 1
    answer = b""
    try:
        tty.setcbreak(0)
        os.write(1, "\r\u0142\x1b[6n".encode())
        end = time.monotonic() + 0.15
        while not answer.endswith(b"R") and time.monotonic() < end:
            if select.select([0], [], [], max(0.0, end - time.monotonic()))[0]:
                answer += os.read(0, 64)
        os.write(1, b"\r\x1b[K")
    except OSError:
        return 1
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)
    found = re.search(rb"\x1b\[\d+;(\d+)R", answer)
    return 2 if found is not None and int(found[1]) == 3 else 1
