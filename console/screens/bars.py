"""The fixed lines around the list: who works and how things stand, the places with their counts, the keys."""

import socket
from collections.abc import Mapping, Sequence

from msgspec import Struct

from console.actions import Action, key_name
from console.cells import cells
from console.widgets.lines import Styled
from console.wording import SHORT_STAGES, STAGES, age, clock_time, count, countdown, listed, reason_word, weekday
from domain.clock import DAY, MINUTE, Instant
from domain.enums import Stage
from domain.text import safe
from domain.words import _
from store.lists import Counts
from store.overview import Overview

WEEK_MS = 7 * DAY
"""Credentials that end within this time are counted down."""
QUEUE_MS = 5 * MINUTE
"""How often work is looked for where no shop says."""

Item = tuple[int, str, str]
"""(priority, text, style) of a slot of the header: 0 and 1 always stand there, higher ones go first for want of room."""


class Standing(Struct, frozen=True):
    """What the header says beside the overview."""

    now: Instant
    who: str
    terminal: str
    worker_starts: bool
    backup_at: Instant | None


def header(facts: Overview | None, standing: Standing, width: int) -> Styled:
    """Fixed slots; what is fine may be left out where there is no room, what is bad never."""
    clock = f"{weekday(standing.now)} {clock_time(standing.now)} "
    items: list[Item] = []
    if facts is not None and facts.practice:
        items.append((0, " PRACTICE / 练习 ", "practice"))
    if facts is not None and facts.warehouse and width >= 110:
        items.append((3, safe(facts.warehouse, 20), "head.bold"))
    items.append((1, f"{safe(standing.who, 20)} @{safe(standing.terminal or socket.gethostname(), 16)}", "head.bold"))
    if facts is not None:
        items += _health(facts, standing)
    room = width - cells(clock) - 1
    while sum(cells(t) + 2 for _p, t, _s in items) > room and any(p > 1 for p, _t, _s in items):
        least = max(p for p, _t, _s in items)
        del items[max(n for n, item in enumerate(items) if item[0] == least)]
    pieces: list[tuple[str, str]] = [(" ", "head")]
    used = 1
    for _priority, text, style in items:
        pieces += [(text, style), ("  ", "head")]
        used += cells(text) + 2
    return [*pieces, (" " * max(0, width - used - cells(clock)), "head"), (clock, "head.bold")]


def _health(facts: Overview, standing: Standing) -> list[Item]:
    now = standing.now
    items: list[Item] = []
    bound = [s for s in facts.shops if s.bound]
    good = [s.ok_at for s in bound if s.ok_at is not None]
    if good:
        items.append((2, _("sync {age}").format(age=age(now - max(good))), "head"))
    if plain := [s for s in bound if s.plain]:
        names = listed(safe(s.name, 16) for s in plain[:2])
        items.append((1, _("! unencrypted {shops}").format(shops=names), "head.bad"))
    late = sorted((s for s in bound if s.late or s.paused), key=lambda s: s.ok_at or 0)
    if late:
        worst = late[0]
        old = age(now - worst.ok_at) if worst.ok_at else _("never")
        items.append((1, f"! {safe(worst.name, 16)} {reason_word(worst.paused) if worst.paused else old}", "head.bad"))
    if facts.accounts_failing:
        names = listed(safe(a, 16) for a in facts.accounts_failing[:2])
        items.append((1, _("net ! {accounts}").format(accounts=names), "head.bad"))
    else:
        items.append((4, _("net ok"), "head.dim"))
    if facts.workers:
        items.append((4, _("worker ok"), "head.dim"))
    elif standing.worker_starts:
        items.append((1, _("worker starts"), "head.warn"))
    else:
        items.append((1, _("no worker"), "head.bad"))
    if facts.pushes and facts.undo_until is not None and facts.undo_until > now:
        left = countdown(facts.undo_until - now)
        items.append((1, _("push {n} (undo {left})").format(n=facts.pushes, left=left), "head.warn"))
    items += _proofs(facts) + _terms(facts, now)
    if facts.copy_old:
        text = age(now - facts.copy_at) if facts.copy_at else _("never")
        items.append((1, _("! copy {age}").format(age=text), "head.warn"))
    if standing.backup_at is not None:
        items.append((5, _("backup {age}").format(age=age(now - standing.backup_at)), "head.dim"))
    return items


def _proofs(facts: Overview) -> list[Item]:
    """Orders that differ from their platforms, and days that nobody could prove: until they are put right."""
    items: list[Item] = []
    if facts.differing:
        items.append((1, _("! differ {n}").format(n=count(facts.differing)), "head.bad"))
    if facts.unproved:
        items.append((1, _("! unproved {n}").format(n=count(facts.unproved)), "head.warn"))
    return items


def _terms(facts: Overview, now: Instant) -> list[Item]:
    """How long what is due has been waiting, and credentials that end within a week."""
    items: list[Item] = []
    if facts.queue_at is not None:
        waits = now - facts.queue_at
        limit = 2 * min((s.every_ms for s in facts.shops if s.bound and s.every_ms), default=QUEUE_MS)
        text = _("queue {age}").format(age=age(waits))
        # Without a worker everything waits, and that is said already.
        items.append((1 if facts.workers else 3, f"! {text}", "head.bad") if waits > limit else (3, text, "head.dim"))
    for shop in facts.shops:
        if shop.bound and shop.expires_at is not None and shop.expires_at - now < WEEK_MS:
            left = shop.expires_at - now
            words = _("key ended") if left <= 0 else _("key ends in {age}").format(age=age(left))
            items.append((1, f"! {safe(shop.name, 16)} {words}", "head.bad" if left < DAY else "head.warn"))
    return items


def tabs(counts: Counts | None, jobs: int, stage: Stage | None, place: str, width: int) -> Styled:
    """Places with their counts: where there is no room the names are cut, never the counts."""
    pieces: list[tuple[str, str]] = []
    for names in (STAGES, SHORT_STAGES, {}):
        pieces = _named(counts, jobs, stage, place, width, names)
        if sum(cells(t) for t, _s in pieces) <= width:
            break
    return pieces


def _named(
    counts: Counts | None, jobs: int, here: Stage | None, place: str, width: int, names: Mapping[Stage, str]
) -> list[tuple[str, str]]:
    narrow = names is not STAGES
    pieces: list[tuple[str, str]] = [] if narrow else [(" ", "tab")]
    for stage in STAGES:
        if stage is Stage.CLOSED:
            continue
        n = counts.stages[stage] if counts else None
        bad = counts.trouble[stage] if counts else 0
        name = names.get(stage) or (SHORT_STAGES[stage] if here is stage else "")
        _tab(pieces, f"{int(stage)} {name}".rstrip(), n, bad, here is stage, narrow)
    others = (
        (6, "jobs", _("Jobs"), jobs),
        (7, "today", _("Today"), 0),
        (8, "stock", _("Stock"), 0),
        (9, "settings", _("Shops"), 0),
    )
    used = sum(cells(t) for t, _s in pieces)
    for left, (digit, name, title, n) in enumerate(others):
        text = f"{digit} {title}"
        if used + cells(text) + 3 + 4 * (len(others) - left - 1) > width or (narrow and place != name):
            text = str(digit)
        _tab(pieces, text, n or None, 0, place == name, narrow)
        used += cells(text) + 2
    return pieces


def _tab(pieces: list[tuple[str, str]], text: str, n: int | None, bad: int, on: bool, narrow: bool) -> None:
    shown = f"{text} {count(n)}" if n is not None else text
    if on and narrow:
        pieces.append((" ", "tab"))
    pieces.append((f"[{shown}" if on else f" {shown}", "active" if on else "tab"))
    if bad:
        pieces.append((f"{'' if narrow else ' '}!{count(bad)}", "active.bad" if on else "tab.bad"))
    if on or not narrow:
        pieces.append(("]" if on else " ", "active" if on else "tab"))


def keys(entries: Sequence[tuple[Action, str]], width: int, keep_last: int = 0) -> Styled:
    """Keys with their labels, as many as fit; the last `keep_last` stay in any case."""
    shown = list(entries)

    def size(items: Sequence[tuple[Action, str]]) -> int:
        return 1 + sum(cells(f"{key_name(a.keys[0])} {label}") + 2 for a, label in items if a.keys)

    while size(shown) - 2 > width and len(shown) > keep_last:
        del shown[len(shown) - keep_last - 1]
    pieces: list[tuple[str, str]] = [(" ", "foot")]
    for action, label in shown:
        if action.keys:
            gap = "  " if len(pieces) > 1 else ""
            pieces += [(gap, "foot"), (key_name(action.keys[0]), "key"), (f" {label}", "foot")]
    return pieces
