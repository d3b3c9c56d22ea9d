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
        """Ids out of a stage, not always the most urgent ones."""
        rows = self.say("list", stage, "--where", where, "--limit", str(3 * self.at_once)) or []
        ids = [str(row["id"]) for row in rows]
        return self.luck.sample(ids, min(len(ids), self.luck.randint(1, self.at_once)))

    def turn(self) -> bool:
        """Do one thing; was there anything to do?"""
        deeds = [
            self._approve, self._assign, self._waybill, self._waybill_again, self._print, self._ship, self._ship,
            self._ship, self._in_stock, self._retry, self._send_back,
        ]  # fmt: skip
        self.luck.shuffle(deeds)
        return any(deed() for deed in deeds)

    def _do(self, ids: list[str], command: str, *words: str) -> bool:
        if not ids:
            return False
        self.say(command, *ids, *words)
        return True

    def _approve(self) -> bool:
        return self._do(self.some("review", "status:open"), "approve")

    def _assign(self) -> bool:
        return self._do(self.some("processing", "status:open"), "assign", "--service", self.luck.choice(SERVICES))

    def _waybill(self) -> bool:
        return self._do(self.some("processing", "status:ready"), "waybill")

    def _waybill_again(self) -> bool:
        return self._do(self.some("waybill", "status:failed"), "waybill")

    def _print(self) -> bool:
        # Most parcels of this shop go without paper: drawing it is not what is tried here.
        if self.luck.random() < 0.7:
            return False
        return self._do(self.some("to_print", "status:in_stock printed:no")[:5], "print")

    def _ship(self) -> bool:
        return self._do(self.some("to_print", "status:in_stock"), "ship")

    def _in_stock(self) -> bool:
        return self._do(self.some("to_print", "status:out_of_stock"), "in-stock")

    def _retry(self) -> bool:
        return self._do(self.some("shipped", "status:failed"), "retry")

    def _send_back(self) -> bool:
        """A few go back: their number is voided, and another one asked for."""
        if self.luck.random() < 0.9:
            return False
        return self._do(self.some("to_print", "status:in_stock")[:2], "back")


def work(name: str, seed: int, at_once: int, log: str, life: int) -> int:
    """Until SIGTERM; the command under way then is given to its end."""
    over = threading.Event()
    person = Person(name, f"{seed} {name} {life}", at_once, Path(log))
    while not over.is_set():
        # Every command that runs a loop of its own puts the signal's handling back.
        signal.signal(signal.SIGTERM, lambda *_what: over.set())
        if not person.turn():
            over.wait(0.3)
    return 0
