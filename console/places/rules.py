"""How a shop's orders are taken over, in words."""

from domain.clock import Instant
from domain.imports import ImportPolicy
from domain.text import safe
from domain.words import _

LEFT_OUT: dict[str, str] = {
    "older_than_window": _("older than the first import reaches"),
    "closed_before_import": _("closed before the shop was bound"),
    "deleted": _("in the bin"),
    "other_currency": _("in another currency"),
    "no_goods": _("without goods"),
    "no_customer": _("without a customer"),
    "no_contact": _("without phone and e-mail"),
}


def left_out_words(reason: str) -> str:
    """Why orders are left out; the reason's code where there are no words."""
    return LEFT_OUT.get(reason) or safe(reason, 40)


def rule_lines(policy: ImportPolicy) -> list[str]:
    """One sentence per rule."""
    lines = [_("every order made from {when} on").format(when=_day(policy.window_start))]
    if policy.first_import_excludes:
        states = ", ".join(sorted(safe(s, 40) for s in policy.first_import_excludes))
        lines.append(_("not those made before the binding that are {states}").format(states=states))
    if policy.currency:
        lines.append(_("only orders in {currency}").format(currency=safe(policy.currency, 10)))
    else:
        lines.append(_("orders in any currency"))
    if policy.require_contact:
        lines.append(_("not those without goods, customer, or e-mail and phone"))
    else:
        lines.append(_("also those without goods, customer, e-mail or phone"))
    return lines


def _day(at: Instant) -> str:
    import time

    return time.strftime("%Y-%m-%d", time.localtime(at / 1000))
