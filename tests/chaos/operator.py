"""A person at a console without a screen, who carries orders by the command line.

Every command goes through the program's own entry point; what came of it is one line of JSON in the log.
"""

import io
import json
import random
import signal
import threading
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from console.cli import main

SERVICES = ("SIM-STD",) * 8 + ("OWN", "SIM-LATE")
SHIP, PRINT, BACK = (
    ("to_print", "in_stock", "ship"),
    ("to_print", "in_stock", "print"),
    ("to_print", "in_stock", "back"),
)
WORK: tuple[tuple[str, str, tuple[tuple[str, ...], ...]], ...] = (
    ("review", "open", (("review", "open", "approve"),)),
    ("processing", "open", (("processing", "open", "assign"),)),
    ("processing", "ready", (("processing", "ready", "waybill"),) * 2),
    ("waybill", "failed", (("waybill", "failed", "waybill"),)),
    # Most parcels go without paper (drawing it is not what is tried here), a few go back and get another number.
    ("to_print", "in_stock", (*(SHIP,) * 12, *(PRINT,) * 2, BACK)),
    ("to_print", "out_of_stock", (("to_print", "out_of_stock", "in-stock"),)),
    ("shipped", "failed", (("shipped", "failed", "retry"),)),
)
"""(stage, status, what may be done with what stands there); what stands there several times is done more often."""


class Person:
    """One of them. Looks at a stage, takes some of what is there, does what is next."""

    def __init__(self, name: str, seed: str, at_once: int, log: Path) -> None:
        self.name, self.at_once, self.log = name, at_once, log
        self.luck = random.Random(seed)

    def say(self, *words: str) -> Any:
        """Give a command; its JSON, or None where it gave none. Whatever it said is written down."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main([*words, "--json", "--as", self.name])
        try:
            found = json.loads(out.getvalue()) if out.getvalue() else None
        except ValueError:
            found = None
        told: dict[str, Any] = {"command": words[0], "exit": code, "said": err.getvalue()[-2000:]}
        if isinstance(found, dict) and "refused" in found:
            told["done"] = len(found["done"])
            told["refused"] = Counter(r["code"] for r in found["refused"])
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")
        return found

    def some(self, stage: str, where: str) -> list[str]:
        """Codes out of a stage, not always the most urgent ones."""
        rows = self.say("list", stage, "--where", where, "--limit", str(3 * self.at_once)) or []
        # Not the ids: a bare number may be the order number of another one.
        ids = [str(row["code"]) for row in rows]
        return self.luck.sample(ids, min(len(ids), self.luck.randint(1, self.at_once)))

    def turn(self) -> bool:
        """Do one thing of what there is to do; was there anything?"""
        counts = self.say("stages") or {}
        open_ = [
            deed for stage, status, deeds in WORK if counts.get(stage, {}).get(status) for deed in deeds
        ]  # fmt: skip
        if not open_:
            return False
        stage, status, command, *words = self.luck.choice(open_)
        if command == "assign":
            words = ["--service", self.luck.choice(SERVICES)]
        where = f"status:{status}" + (" printed:no" if command == "print" else "")
        ids = self.some(stage, where)[: 5 if command in {"print", "back"} else None]
        if ids:
            self.say(command, *ids, *words)
        return True


def work(name: str, seed: int, at_once: int, log: str, life: int) -> int:
    """Until SIGTERM; the command under way then is given to its end."""
    over = threading.Event()
    person = Person(name, f"{seed} {name} {life}", at_once, Path(log))
    while not over.is_set():
        # Every command that runs a loop of its own puts the signal's handling back.
        signal.signal(signal.SIGTERM, lambda *_what: over.set())
        if not person.turn():
            over.wait(0.5)
    return 0
