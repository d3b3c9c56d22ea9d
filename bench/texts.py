"""`python -m bench.texts update|check`: keeps the catalogues beside the texts of the source (`make texts`).

`update` adds what is new with an empty translation, drops what is gone and compiles; the same source and translations
give the same bytes, whoever runs it and when. `check` says what is missing or wrong and writes nothing.
"""

import argparse
import ast
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from domain.words import CATALOGUES

ROOT = Path(__file__).parent.parent
PACKAGES = ("console", "pipeline", "connectors", "store", "domain")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|%(?:\(\w+\))?.?")
_COMMENT = (
    "# shipdeck in {locale}. `make texts` adds what is new and drops what is gone; the words: docs/translating.md."
)


class Texts(Catalog):
    """A catalogue whose header says nothing that changes by itself: no date, no version, no tool."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        """What gettext needs to know, and no more."""
        return [
            ("Project-Id-Version", "shipdeck"),
            ("Language", self.locale_identifier or ""),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]


def sources() -> Iterator[Path]:
    """Every module whose texts a user may see, in a fixed order."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node in the order of the source, the same for every version of Python."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _nodes(child)


def calls() -> Iterator[tuple[str, int, str | None]]:
    """File, line and text of every call of `_()`; no text where the argument is not one literal.

    babel's own extractor does not see a call inside an f-string (Python 3.11); the syntax tree shows all.
    """
    for file in sources():
        for node in _nodes(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                literal = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                whole = len(literal) == len(node.args) == 1 and not node.keywords
                yield file.relative_to(ROOT).as_posix(), node.lineno, literal[0] if whole else None


def source_texts() -> dict[str, list[str]]:
    """Every text that passes through `_()`, in the order of the source, with the files where it stands."""
    found: dict[str, list[str]] = {}
    for file, _line, text in calls():
        if text is not None:
            found.setdefault(text, []).append(file)
    return found


def catalogue_files() -> list[Path]:
    """The `.po` of every language there is."""
    return sorted(CATALOGUES.glob("*/LC_MESSAGES/shipdeck.po"))


def translations(file: Path) -> dict[str, str]:
    """Text → translation as they stand in a `.po`, untranslated ones with an empty text."""
    with file.open("rb") as stream:
        catalogue = read_po(stream, abort_invalid=True)
    kept = [*catalogue, *catalogue.obsolete.values()]
    return {str(message.id): str(message.string or "") for message in kept if message.id}


def catalogue_of(file: Path, texts: dict[str, list[str]], known: dict[str, str]) -> Texts:
    """The catalogue of `texts` in the language of `file`, with the translations known of them."""
    locale = file.parent.parent.name
    catalogue = Texts(locale, header_comment=_COMMENT.format(locale=locale), fuzzy=False)
    for text, files in texts.items():
        catalogue[text] = Message(text, known.get(text, ""), [(name, 1) for name in files])
    return catalogue


def as_po(catalogue: Texts) -> bytes:
    """The catalogue for translators."""
    out = io.BytesIO()
    write_po(out, catalogue, width=0, include_lineno=False)
    return out.getvalue()


def as_mo(catalogue: Texts) -> bytes:
    """The catalogue for gettext."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def compiled(file: Path) -> bytes:
    """The `.mo` of a `.po` as it stands."""
    known = translations(file)
    return as_mo(catalogue_of(file, {text: [] for text in known}, known))


def placeholders(text: str) -> list[str]:
    """What is filled in when the text is shown; a translation may turn their order around."""
    return sorted(set(_PLACEHOLDER.findall(text)))


def faults(file: Path) -> list[str]:
    """Everything that stands between a `.po` and a program wholly in its language."""
    texts, known = source_texts(), translations(file)
    found = [f"new: {text}" for text in texts if text not in known]
    found += [f"gone: {text}" for text in known if text not in texts]
    found += [f"untranslated: {text}" for text, said in known.items() if not said]
    found += [
        f"placeholders: {text}" for text, said in known.items() if said and placeholders(text) != placeholders(said)
    ]
    binary = file.with_suffix(".mo")
    if not binary.exists() or binary.read_bytes() != compiled(file):
        found.append(f"not compiled: {binary.relative_to(ROOT)}")
    return found


def update(file: Path) -> None:
    """Bring a catalogue up to the source and compile it."""
    catalogue = catalogue_of(file, source_texts(), translations(file))
    file.write_bytes(as_po(catalogue))
    file.with_suffix(".mo").write_bytes(as_mo(catalogue))


def main() -> int:
    """Update or check every catalogue; 1 when a check finds anything."""
    parser = argparse.ArgumentParser(prog="python -m bench.texts", description=__doc__)
    parser.add_argument("what", choices=("update", "check"))
    what = parser.parse_args().what
    wrong = 0
    for file in catalogue_files():
        if what == "update":
            update(file)
        for fault in (found := faults(file)):
            sys.stdout.write(f"{file.parent.parent.name}: {fault}\n")
        wrong += len(found)
    return 1 if wrong and what == "check" else 0


if __name__ == "__main__":
    sys.exit(main())
