"""Writes docs/keys.md from the action table: `python -m bench.keymap` writes it, `check` says whether it is up to date."""

import os
import sys
from pathlib import Path

os.environ["SHIPDECK_LANG"] = "en"

from console.help import key_table

FILE = Path(__file__).parent.parent / "docs" / "keys.md"


def page() -> str:
    """The page."""
    rows = key_table({})
    commands = [r for r in rows if r["action"] == r["command"]]
    others = [r for r in rows if r["action"] != r["command"]]
    lines = [
        "# Keys",
        "",
        "Made from the action table by `make keys`; `shipdeck config keys` shows them with your own changes.",
        "`F2` (or `:`) opens everything that is possible here, numbered, so that every letter has a twin that works with an",
        "input method switched on. The same names stand in `[keys]` of `config.toml`.",
        "",
        "Keys that only look act at once. Keys that change something wait 40 ms; two printable keys within 40 ms are a scan,",
        "a paste or an input method and never commands. No mark means the row under the cursor.",
        "",
    ]
    for title, part in (("What changes shipments", commands), ("Everywhere", others)):
        lines += [f"## {title}", "", "| keys | what | | action | without a screen |", "| --- | --- | --- | --- | --- |"]
        for r in part:
            keys = r["keys"].replace("|", "\\|")
            command = f"`shipdeck {r['command']}`" if r["command"] else ""
            lines.append(f"| `{keys}` | {r['title']} | {r['help']} | `{r['action']}` | {command} |")
        lines.append("")
    lines += [
        "`n` does what comes next: approve, request a waybill, move to print, ship, collected; on *out of stock* it moves to in",
        "stock, on a failed waybill it asks again. `b` goes one step back; on *shipped* it recalls.",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Write, or check."""
    if sys.argv[1:] == ["check"]:
        return 0 if FILE.exists() and FILE.read_text(encoding="utf-8") == page() else 1
    FILE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
