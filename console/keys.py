"""The key gate: tells a person's key from a scanner, an input method and a paste, on every screen alike.

Keys that only look act at once. A key that changes something waits until 40 ms have passed without another one. Two or
more printable keys within 40 ms are no command: they are a scan, a committed word or a paste. One key that only looks
and repeats, as a held `j` does, goes on acting; a key that changes something never repeats.
"""

import unicodedata
from collections.abc import Callable

from msgspec import Struct

WINDOW_S = 0.040
"""A person's two keys lie further apart than this; a scanner's and an input method's do not."""
REPEAT_S = 0.120
"""The same changing key again within this is the keyboard repeating a held key."""

_NAMES = {
    "full_stop": ".",
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "exclamation_mark": "!",
    "asterisk": "*",
    "space": "space",
}


class Key(Struct, frozen=True):
    """A key as the gate sees it: its name in the action table, the text it types ('' for F-keys and arrows), its time in s."""

    name: str
    text: str
    at: float


def named(key: str, character: str | None, at: float) -> Key:
    """A terminal's key as the action table names it; full-width forms count as their plain ones (NFKC)."""
    if character is not None and len(character) == 1 and (character.isprintable() or character == "\u3000"):
        plain = unicodedata.normalize("NFKC", character)
        if plain == " ":
            return Key("space", " ", at)
        if len(plain) == 1 and plain.isprintable():
            return Key(plain, character, at)
        return Key(character, character, at)
    if key in {"enter", "ctrl+m", "ctrl+j"}:
        return Key("enter", "\n", at)
    if key == "tab":
        return Key("tab", "\t", at)
    return Key(_NAMES.get(key, key), "", at)


class Verdict(Struct, frozen=True):
    """What becomes of the keys so far: `act` now, `wait` for a pending one, a `burst` that was no command, or nothing."""

    act: Key | None = None
    wait: Key | None = None
    burst: str = ""


class Gate:
    """One gate for all screens. `looks(name)` says whether a key only looks on the present screen.

    `feed` every key in order; `due` when a pending key's time has passed. Pure but for that: time comes with the keys.
    """

    def __init__(self, looks: Callable[[str], bool], window_s: float = WINDOW_S) -> None:
        self._looks = looks
        self.window_s = window_s
        self._pending: Key | None = None
        self._last: Key | None = None
        self._run: list[Key] = []
        """Printable keys that follow each other within the window."""
        self._acted = ""
        self._acted_at = -1.0

    @property
    def pending(self) -> Key | None:
        """The key that waits for a successor."""
        return self._pending

    def feed(self, key: Key) -> Verdict:
        """Take the next key."""
        if not key.text:
            # F-keys and arrows come from no scanner; one that changes something still waits, so that its repeat is seen.
            self._pending = None
            return self._alone(key)
        close = bool(self._run) and key.at - self._run[-1].at < self.window_s
        if not close:
            self._run = [key]
            return self._alone(key)
        self._run.append(key)
        self._pending = None
        first = self._run[0]
        if self._looks(key.name) and all(k.name == first.name for k in self._run):
            return Verdict(act=key)
        if key.text in "\n\t":
            text = "".join(k.text for k in self._run).strip()
            self._run = [key]
            return Verdict(burst=text)
        return Verdict(burst="".join(k.text for k in self._run))

    def _alone(self, key: Key) -> Verdict:
        if self._looks(key.name):
            return Verdict(act=key)
        held = key.name == self._acted and key.at - self._acted_at < REPEAT_S
        if self.window_s and held:
            self._acted_at = key.at
            return Verdict()
        if not self.window_s:
            return self._done(key)
        self._pending = key
        return Verdict(wait=key)

    def due(self, now: float) -> Verdict:
        """The pending key acts when its window has passed with no other key."""
        key = self._pending
        if key is None or now - key.at < self.window_s:
            return Verdict(wait=key)
        self._pending = None
        return self._done(key)

    def _done(self, key: Key) -> Verdict:
        self._acted, self._acted_at = key.name, key.at
        return Verdict(act=key)

    def forget(self) -> None:
        """Drop what is pending: the screen it was meant for is gone."""
        self._pending = None
