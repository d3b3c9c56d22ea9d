"""`shipdeck` with a database of its own, in this process or as a program; everything it ever wrote is kept."""

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from connectors.simulated.launch import Twin
from console.cli import main


class Shell:
    """Runs commands: `sh(…)` here, where a start costs nothing; `sh.program(…)` as the process somebody starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = ""
        self.secrets: list[str] = []
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SHIPDECK")}
        self.env |= {
            "SHIPDECK_DB": str(folder / "cli.sqlite"),
            "SHIPDECK_KEY_FILE": str(folder / "key"),
            "SHIPDECK_LANG": "en",
        }

    def __call__(self, *arguments: str, exits: int = 0, stdin: str = "", **env: str) -> str:
        out, err = _stream(), _stream()
        with (
            mock.patch.dict(os.environ, self.env | env, clear=True),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            _logging_of_its_own(),
        ):
            code = main(arguments)
        return self._answer(arguments, exits, code, _text(out), _text(err))

    def program(self, *arguments: str, exits: int = 0, stdin: str = "", **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "console.cli", *arguments],
            env=self.env | env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            cwd=self.folder,
        )
        return self._answer(arguments, exits, done.returncode, done.stdout, done.stderr)

    def _answer(self, arguments: tuple[str, ...], exits: int, code: int, out: str, err: str) -> str:
        self.written += out + err
        assert "Traceback" not in err, err
        assert code == exits, f"{arguments}: {code}\n{out}\n{err}"
        return out if out else err

    def json(self, *arguments: str, exits: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", exits=exits))

    def bind(self, shop: Twin) -> None:
        """Bind a simulated shop as `PL-Woo`, its keys in variables, by the program."""
        key, secret = (str(shop.hello[name]) for name in ("consumer_key", "consumer_secret"))
        self.secrets += [key, secret]
        secrets = ("--secret-env", "consumer_key=WOO_KEY", "--secret-env", "consumer_secret=WOO_SECRET")
        self.program(
            "shop", "add", "woocommerce", "PL-Woo", "--set", f"url={shop.url}", *secrets, WOO_KEY=key, WOO_SECRET=secret
        )


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@contextlib.contextmanager
def _logging_of_its_own() -> Iterator[None]:
    """A program begins without handlers, and its settings end with it."""
    named = [logging.getLogger(name) for name in ("", "apscheduler", "alembic", "asyncio")]
    levels: Mapping[logging.Logger, int] = {logger: logger.level for logger in named}
    root = named[0]
    kept, root.handlers = root.handlers, []
    try:
        yield
    finally:
        root.handlers = kept
        for logger, level in levels.items():
            logger.setLevel(level)
