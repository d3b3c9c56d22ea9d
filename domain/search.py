"""How names are searched: by the beginnings of their words, and Chinese by any part; case and accents do not count.

A name is kept as its words, folded and separated by blanks; a run of Chinese (or kana) as its characters and its pairs
of characters. Both engines index these words as they stand, and what a person types becomes words the same way.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

LONGEST = 40
"""Characters of one word, and words of one question: nobody types more."""
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\u3005\u30a0-\u30ff\u3040-\u309f"
_RUN = re.compile(f"[{_HAN}]+|[^{_HAN}]+")
_IS_HAN = re.compile(f"[{_HAN}]")
_WORD = re.compile(r"[^\W_]+")


class _Plain(dict[int, str | int | None]):
    """A table for `str.translate` that learns: accents fall away, all else stays."""

    def __missing__(self, code: int) -> int | None:
        kept = self[code] = None if unicodedata.combining(chr(code)) else code
        return kept


_LETTERS = _Plain(zip(map(ord, "łøđðþæœı"), ("l", "o", "d", "d", "th", "ae", "oe", "i"), strict=True))
"""Letters that no decomposition takes apart, and the accents that one leaves."""


def folded(text: str) -> str:
    """`text` without case and accents: Wiśniewska and wisniewska are one."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS))


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """The words of a text, each with: is it Chinese?"""
    for part in text.split():
        # What is too long for a name is not kept in mind.
        yield from _runs_of(part) if len(part) <= 100 else _runs_of.__wrapped__(part)


@lru_cache(maxsize=8192)
def _runs_of(part: str) -> tuple[tuple[str, bool], ...]:
    """The words of a text without blanks: there are many buyers and few names."""
    words = _WORD.findall(folded(part))
    return tuple((run[:LONGEST], bool(_IS_HAN.match(run))) for word in words for run in _RUN.findall(word))


def words_of(*names: str) -> str:
    """What is kept of names to find them by: every word once, in a fixed order, '' for none."""
    found: dict[str, None] = {}
    for name in dict.fromkeys(names):
        for run, han in _runs(name):
            if han:
                found.update(dict.fromkeys(run))
                found.update(dict.fromkeys(run[i : i + 2] for i in range(len(run) - 1)))
            else:
                found[run] = None
    return " ".join(found)


def question(text: str) -> str:
    """What is asked of the index: `"word"*` for a beginning, `"字"` for a whole word, all of which must be there.

    Words hold neither quotes nor blanks nor signs, so that nothing typed can be read as more than a word. '' asks nothing:
    such a text is in no name.
    """
    asked: dict[str, None] = {}
    for run, han in _runs(text):
        if not han:
            asked[f'"{run}"*'] = None
        elif len(run) == 1:
            asked[f'"{run}"'] = None
        else:
            asked.update(dict.fromkeys(f'"{run[i : i + 2]}"' for i in range(len(run) - 1)))
    return " ".join(list(asked)[:LONGEST])
