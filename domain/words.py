"""The door through which every user-visible text passes, so that a translation can stand behind it."""

import gettext
import os
from functools import lru_cache
from pathlib import Path

_CATALOGUES = Path(__file__).parent / "locale"


@lru_cache(maxsize=4)
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("shipdeck", _CATALOGUES, languages=[language] if language else None, fallback=True)


def _(text: str) -> str:
    """Translate `text` into the operator's language (`SHIPDECK_LANG`, else the locale), or return it unchanged."""
    return _catalogue(os.environ.get("SHIPDECK_LANG", "")).gettext(text)
