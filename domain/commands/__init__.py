"""Every command of the pipeline as a pure decision over the facts of one shipment.

A decision answers `Change` (what to do, applied in one transaction) or `Refused` (a reason code and a sentence). It may
draw from `Context.stock`, the book of free pieces that all decisions of one transaction share. Stages and guards are
those of `docs/design.md` §3; T-numbers are transitions of Dianxiaomi's pipeline. Others import what `__all__` names.
"""

from domain.commands.backwards import abandon, back, close, closing, ended, void
from domain.commands.context import Context, Decide
from domain.commands.printing import hand_over, in_stock, print_label, to_print
from domain.commands.rearranging import keep, merge_refusal, split, take_out, unmerge
from domain.commands.review import approve, edit_address, flag, hold, note, readiness, release
from domain.commands.shipping import collect, ignore, push_early, recall, retry, ship, unship_check
from domain.commands.waybill import assign, declare_customs, request_waybill

__all__ = ["COMMANDS", "Context", "closing", "ended", "merge_refusal", "readiness", "ship", "to_print", "unship_check"]

COMMANDS: dict[str, Decide] = {
    "approve": approve,
    "hold": hold,
    "release": release,
    "note": note,
    "flag": flag,
    "address": edit_address,
    "assign": assign,
    "customs": declare_customs,
    "waybill": request_waybill,
    "void": void,
    "abandon": abandon,
    "hand-over": hand_over,
    "to-print": to_print,
    "in-stock": in_stock,
    "print": print_label,
    "push": push_early,
    "ship": ship,
    "retry": retry,
    "ignore": ignore,
    "recall": recall,
    "collect": collect,
    "back": back,
    "close": close,
    "keep": keep,
    "split": split,
    "unmerge": unmerge,
    "take-out": take_out,
}
"""Every command that decides over one shipment at a time (merge and undo look at several)."""
