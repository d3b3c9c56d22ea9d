"""Programs of others that the benchmarks stand beside, in an environment of their own in the cache."""

import subprocess
import sys
from pathlib import Path

from bench.harness import Options

WANTED = ("visidata==3.4", "dlt[sqlalchemy]==1.31.0")
"""VisiData browses a million rows in a terminal; dlt loads REST sources into SQLite."""


def peers(options: Options) -> Path | None:
    """The folder with the peers' programs; installed at the first call. None where they cannot be had."""
    folder = options.cache / "peers"
    done = folder / "-".join(("installed", *WANTED)).replace("[", "_").replace("]", "_")
    if not done.exists():
        sys.stderr.write(f"installing {', '.join(WANTED)} into {folder} ...\n")
        if not (folder / "bin" / "python").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *WANTED]
        if subprocess.run(install, check=False, stdout=subprocess.DEVNULL).returncode:
            sys.stderr.write("the peers could not be installed; their rows are left out\n")
            return None
        done.touch()
    return folder / "bin"
