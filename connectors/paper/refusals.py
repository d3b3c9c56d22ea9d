"""What paper refuses, each with a stable code, the field that must change, and words for the person who must act."""

from domain.text import safe
from domain.words import _


class LabelRefused(ValueError):
    """The page cannot be made as asked. `code` is stable, `field` names what must change (`recipient.name`)."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.field = code, message, field


class MissingGlyph(LabelRefused):
    """A character that the label font cannot print; a parcel must not leave with a hole in its address."""

    def __init__(self, character: str, field: str) -> None:
        self.character = character
        super().__init__(
            "missing_glyph",
            _("The label font has no letter {letter} (U+{code}), which stands in {field}; correct the text.").format(
                letter=safe(character), code=f"{ord(character):04X}", field=field
            ),
            field,
        )


class BadLabel(LabelRefused):
    """Bytes that are no printable PDF. `kind` says what they look like: html, json, zpl, truncated, empty, …"""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__("bad_label", message)
