"""The door through which every user-visible text passes, so that a translation can stand behind it.

The catalogues are made by `make texts` (docs/translating.md). The language is meant to be fixed for a process: texts in
tables are translated when their module is imported.
"""

import gettext
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

LANGUAGES: tuple[tuple[str, str], ...] = (("en", "English"), ("zh", "简体中文"))
"""What can be chosen: (code, its name in its own words). The first is the language of the source, without a catalogue."""
CATALOGUES = Path(__file__).parent / "locale"
_FOLDERS = {"zh": "zh_CN"}
"""Where a language's catalogue is kept, when not under its own code."""
_LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The first of these that is set says the locale, as everywhere on Unix."""


def _code(name: str) -> str:
    """The language that a locale's name (`zh_CN.UTF-8`, `zh-Hans`, `C`) means; of an unknown one that of the source."""
    code = re.split("[-_.@]", name)[0].lower()
    return code if code in dict(LANGUAGES) else LANGUAGES[0][0]


def chosen(environment: Mapping[str, str]) -> str:
    """The code of the language that these variables ask for: `SHIPDECK_LANG`, else the locale."""
    return _code(next(filter(None, map(environment.get, ("SHIPDECK_LANG", *_LOCALE))), ""))


@lru_cache(maxsize=4)
def _language(asked: str | None) -> str:
    # The locale of a running process does not change; looking three times more for every text would only cost.
    return chosen({**os.environ, "SHIPDECK_LANG": asked or ""})


@lru_cache(maxsize=4)
def _catalogue(asked: str | None) -> gettext.NullTranslations:
    code = _language(asked)
    folder = _FOLDERS.get(code, code)
    return gettext.translation("shipdeck", CATALOGUES, languages=[folder], fallback=True)


def language() -> str:
    """The code of the operator's language, one of `LANGUAGES`."""
    return _language(os.environ.get("SHIPDECK_LANG"))


def _(text: str) -> str:
    """`text` in the operator's language (`SHIPDECK_LANG`, else the locale); unchanged where it has no translation."""
    return _catalogue(os.environ.get("SHIPDECK_LANG")).gettext(text)
