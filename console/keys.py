"""The key gate: tells a person's key from a scanner, an input method and a paste, on every screen alike.

Keys that only look act at once. A key that changes something waits until 40 ms have passed without another one. Two or
more printable keys within 40 ms are no command: they are a scan, a committed word or a paste. One key that only looks
and repeats, as a held `j` does, goes on acting; a key that changes something never repeats: pressed again soon after it
has acted, it waits until it is certain that the keyboard is not just repeating it.

Keys act in the order in which they came: one that only looks waits behind one that is still to act.
"""

import unicodedata
from collections.abc import Callable

from msgspec import Struct

WINDOW_S = 0.040
"""A person's two keys lie further apart than this; a scanner's and an input method's do not."""
REPEAT_S = 0.120
"""The same changing key again within this is the keyboard repeating a held key."""
HOLD_S = 1.1
"""No keyboard waits longer than this before it begins to repeat a held key."""

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
    """A terminal's key as the action table names it; full-width forms count as their plain ones.

    Other look-alikes do not: `ª` and `²` are keys of their own on some keyboards.
    """
    if character is not None and len(character) == 1 and (character.isprintable() or ord(character) > 0x9F):
        wide = "\uff01" <= character <= "\uff5e" or character == "\u3000"
        plain = unicodedata.normalize("NFKC", character) if wide else character
        return Key("space" if plain == " " else plain, character, at)
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
        self._run: list[Key] = []
        """Printable keys that follow each other within the window."""
        self._scan = False
        """The run has been told as a burst: nothing of it acts any more, an Enter behind an Enter neither."""
        self._acted = ""
        self._acted_at = -HOLD_S

    @property
    def pending(self) -> Key | None:
        """The key that waits for a successor."""
        return self._pending

    def feed(self, key: Key) -> Verdict:
        """Take the next key."""
        before, self._pending = self._pending, None
        close = bool(key.text and self._run) and key.at - self._run[-1].at < self.window_s
        if not close:
            # F-keys and arrows come from no scanner; one that changes something still waits, so that its repeat is seen.
            if key.text:
                self._run, self._scan = [key], False
            earlier = self._before(before, key) if before is not None else None
            return earlier or self._alone(key)
        self._run.append(key)
        first = self._run[0]
        same = all(k.name == first.name for k in self._run)
        if same and not self._scan and self._looks(key.name):
            return Verdict(act=key)
        if same and not self._scan and key.name == self._acted and key.at - self._acted_at < HOLD_S:
            return self._held(key)
        self._scan = True
        text = "".join(k.text for k in self._run)
        if key.text in "\n\t":
            self._run = [key]
            text = text.strip()
        return Verdict(burst=text)

    def _before(self, pending: Key, key: Key) -> Verdict | None:
        """What a waiting key comes to when another one follows it, no burst with it; None where it is dropped."""
        if key.name == pending.name:
            if key.at - pending.at < REPEAT_S:
                # The keyboard repeats it. A key that has not acted yet acts once.
                fresh = not self._suspect(pending)
                self._acted, self._acted_at = key.name, key.at
                return Verdict(act=pending) if fresh else Verdict()
            late = True
        else:
            late = key.at - pending.at >= self.window_s or (not pending.text and self._looks(key.name))
        if not late:
            return None
        # Its time has passed while we were busy: it acts first, on the row that it was meant for.
        done = self._done(pending)
        self._pending = key
        return Verdict(act=done.act, wait=key)

    def _alone(self, key: Key) -> Verdict:
        if self._looks(key.name):
            return Verdict(act=key)
        if not self.window_s:
            return self._done(key)
        if key.name == self._acted and key.at - self._acted_at < REPEAT_S:
            return self._held(key)
        self._pending = key
        return Verdict(wait=key)

    def _held(self, key: Key) -> Verdict:
        self._acted_at = key.at
        return Verdict()

    def _suspect(self, key: Key) -> bool:
        """May this be the first repeat of a held key that has acted already?"""
        return key.name == self._acted and key.at - self._acted_at < HOLD_S

    def due(self, now: float) -> Verdict:
        """The pending key acts when its window has passed with no other key."""
        key = self._pending
        if key is None or now - key.at < (REPEAT_S if self._suspect(key) else self.window_s):
            return Verdict(wait=key)
        self._pending = None
        return self._done(key)

    def _done(self, key: Key) -> Verdict:
        if not self._looks(key.name):
            self._acted, self._acted_at = key.name, key.at
        return Verdict(act=key)

    def forget(self) -> None:
        """Drop what is pending: the screen it was meant for is gone."""
        self._pending = None
