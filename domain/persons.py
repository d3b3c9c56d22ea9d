"""Who works here and what each may do, decided without a database."""

import unicodedata
from enum import StrEnum

from msgspec import Struct

from domain.results import Refused
from domain.words import _


class Role(StrEnum):
    """What a person is here. There is always exactly one active owner, once there is anybody."""

    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Operator(Struct, frozen=True):
    """A person who works here, or once did: whoever is removed is only made inactive, so that history keeps the name."""

    id: int
    name: str
    role: Role
    lead: bool = False
    active: bool = True


LONGEST_NAME = 40
WHOEVER_OWNS = "owner"
"""As a name it stands for the actual owner; so nobody is called that."""
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks that show nothing: with one of them two people would look alike."""


def tidy(name: str) -> str:
    """A name as it is kept: composed letters, single spaces, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def name_key(name: str) -> str:
    """What a name is compared by: large and small letters and wide ones are the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tidy(name)).casefold())


def name_refusal(name: str) -> Refused | None:
    """Why a (tidy) name cannot be a person's, or None."""
    fits = (
        1 <= len(name) <= LONGEST_NAME
        and unicodedata.category(name[0])[0] in "LN"
        and all(c in " ._-" or unicodedata.category(c)[0] in "LMN" for c in name)
        and not any(c in _UNSEEN or "VARIATION SELECTOR" in unicodedata.name(c, "") for c in name)
    )
    if not fits or name.replace(" ", "").isdigit():
        return Refused(
            "bad_name",
            _("A name has up to 40 letters, digits, spaces, dots, dashes or underscores, not only digits."),
            "name",
        )
    if name_key(name) == WHOEVER_OWNS:
        return Refused("bad_name", _("The word owner stands for whoever is the owner: give a name."), "name")
    return None


def is_lead(op: Operator) -> bool:
    """May this person do what needs a lead? Owner and admins may; an operator where the right was given."""
    return op.role in {Role.OWNER, Role.ADMIN} or (op.role is Role.OPERATOR and op.lead)


def sees_persons(op: Operator) -> bool:
    """May this person see phone numbers, e-mail and street addresses whole? Whoever works with parcels must; a viewer
    sees them masked, unless the right of a lead was given."""
    return op.active and (op.role is not Role.VIEWER or op.lead)


def may_change(op: Operator) -> Refused | None:
    """Why this person may change nothing, or None."""
    if op.role is Role.VIEWER:
        return Refused("viewer_only", _("{name} may look, not change anything.").format(name=op.name))
    return None


def may_work_with(op: Operator, shop: str, worked_by: str) -> Refused | None:
    """Why this person may not work with a shop's imported orders (ROA-03), or None; looking is not asked here.

    `worked_by` is the shop's setting: '' = whoever may change anything, `lead`, or names parted by commas. The owner and
    admins always may.
    """
    named = {name_key(name) for name in worked_by.split(",") if name.strip()}
    if not named or op.role in {Role.OWNER, Role.ADMIN}:
        return None
    if name_key(op.name) in named or (named == {"lead"} and is_lead(op)):
        return None
    return Refused(
        "no_permission",
        _("{name} lacks the permission to work with orders of {shop} (worked_by).").format(name=op.name, shop=shop),
    )


def may_manage(by: Operator, before: Operator | None, after: Operator) -> Refused | None:
    """Why `by` may not add (`before` is None) or change a person so, or None.

    Owner and admins look after people; what concerns an admin or the owner is the owner's alone.
    """
    if by.role not in {Role.OWNER, Role.ADMIN}:
        return Refused("not_allowed", _("Only the owner and admins look after operators."))
    high = {Role.OWNER, Role.ADMIN}
    if by.role is not Role.OWNER and (after.role in high or (before is not None and before.role in high)):
        return Refused("not_allowed", _("Only the owner makes, changes or removes admins, and hands ownership over."))
    return None


def owner_refusal(before: Operator, after: Operator) -> Refused | None:
    """Why this change would leave nobody (or nobody active) as the owner, or None."""
    if before.role is Role.OWNER and (after.role is not Role.OWNER or not after.active):
        return Refused(
            "last_owner", _("{name} is the owner: make somebody else the owner first.").format(name=before.name)
        )
    if after.role is Role.OWNER and not after.active:
        return Refused("last_owner", _("{name} is not active, and the owner must be.").format(name=before.name))
    return None
