"""Makes the README's pictures from the running console: a real terminal, a generated shop floor, keys, a PNG.

`make pictures` writes `docs/pictures/*.png`.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from bench.generate import generate
from bench.picture import draw
from domain.clock import now
from pipeline import persons
from pipeline.base import Pipeline
from store.place import Place
from tests.console.terminal import Terminal

PICTURES: dict[str, tuple[str, tuple[int, int], tuple[str, ...], str]] = {
    "review-en": ("en", (36, 120), ("down", "down", "space", "space", "down"), "marked"),
    "to-print-zh": ("zh", (45, 160), ("4", "down", "space", "space", "space"), "K0"),
    "ship-en": ("en", (36, 120), ("4", "a", "n"), "to go on"),
    "stock-en": ("en", (36, 120), ("8",), "SKUs"),
    "failed-en": ("en", (24, 80), ("3", "right", "right", "right", "enter"), "K0"),
    "help-zh": ("zh", (36, 120), ("4", "?"), "F9"),
}
"""Name → (language, (rows, columns), keys, a text that shows that the screen is there)."""
FOLDER = Path(__file__).parent.parent / "docs" / "pictures"


def main() -> None:
    """Make every picture, or those named on the command line."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shipdeck-pictures-") as scratch:
        folder = Path(scratch)
        place = Place("", folder / "data" / "floor.sqlite", folder / "keys" / "key", folder / "data" / "backups")
        generate(place, 20_000, now=now() - 2 * 3_600_000)
        asyncio.run(_owner(place))
        for name, (language, size, keys, shown) in PICTURES.items():
            if len(sys.argv) > 1 and name not in sys.argv[1:]:
                continue
            environment = {
                "SHIPDECK_DB": str(place.file),
                "SHIPDECK_KEY_FILE": str(place.key_file),
                "SHIPDECK_CONFIG": str(folder / "config.toml"),
                "SHIPDECK_LANG": language,
                "HOME": scratch,
            }
            (folder / "config.toml").write_text('terminal = "bench-2"\n', encoding="utf-8")
            command = [sys.executable, "-P", "-m", "console.cli"]
            with Terminal(command, rows=size[0], columns=size[1], env=environment) as terminal:
                terminal.wait_for("anna @", 30)
                terminal.wait_quiet(1.2, 30)
                for key in keys:
                    terminal.press(key, gap_s=0.4)
                terminal.wait_for(shown, 20)
                terminal.wait_quiet(0.3, 30)
                draw(terminal, FOLDER / f"{name}.png", scale=1)
            sys.stdout.write(f"{name}\n")


async def _owner(place: Place) -> None:
    p = await Pipeline.open(place)
    await persons.first_owner(p, "anna")
    await p.aclose()


if __name__ == "__main__":
    main()
