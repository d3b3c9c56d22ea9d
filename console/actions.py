"""One table of actions: what each command is called, what it takes and where it works.

The command line is made from it; keys, footer, palette and help are to come from the same table.
"""

from msgspec import Struct

from domain.enums import Stage
from domain.words import _


class Option(Struct, frozen=True):
    """One argument of an action. `many` collects KEY=VALUE pairs, `switch` takes no value."""

    name: str
    help: str
    metavar: str = "TEXT"
    default: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    many: bool = False
    switch: bool = False


class Action(Struct, frozen=True):
    """A command over shipments. `stages` is where `--all` and `--where` look for them."""

    name: str
    title: str
    help: str
    stages: tuple[Stage, ...]
    options: tuple[Option, ...] = ()
    irreversible: bool = False
    """`--all` needs `--yes`."""


_OPEN = (Stage.REVIEW, Stage.PROCESSING, Stage.WAYBILL, Stage.TO_PRINT)
_ANY = (*_OPEN, Stage.SHIPPED)

ACTIONS: tuple[Action, ...] = (
    Action("approve", _("Approve"), _("review → processing"), (Stage.REVIEW,)),
    Action(
        "address",
        _("Edit address"),
        _("correct the address of this shipment; the platform's is kept beside it"),
        (Stage.REVIEW, Stage.PROCESSING, Stage.WAYBILL),
        (
            Option(
                "set",
                _("field and value: name, company, line1, line2, city, state, postcode, country, phone"),
                "F=V",
                many=True,
            ),
        ),
    ),
    Action(
        "note",
        _("Remark"),
        _("write our remark, or mark the buyer's note as read"),
        _ANY,
        (
            Option("text", _("our remark; empty removes it")),
            Option("read", _("the buyer's note was read"), switch=True),
        ),
    ),
    Action("flag", _("Flag"), _("set a colour"), _ANY, (Option("colour", _("0 none … 10"), "N", required=True),)),
    Action(
        "assign",
        _("Choose service"),
        _("choose the carrier's service; on a failed waybill it asks again"),
        (Stage.PROCESSING,),
        (Option("service", _("service code, or CARRIER/CODE"), "CODE", required=True),),
    ),
    Action(
        "customs",
        _("Customs"),
        _("fill the customs declaration"),
        (Stage.PROCESSING,),
        (
            Option(
                "set",
                _("name_local, name_en, hs_code, origin, unit_weight_g, unit_value_minor, currency, battery"),
                "F=V",
                many=True,
            ),
            Option("sku", _("only lines of this SKU"), "SKU"),
        ),
    ),
    Action(
        "split",
        _("Split"),
        _("move pieces into a shipment of their own"),
        (Stage.REVIEW, Stage.PROCESSING),
        (Option("line", _("SKU (or order line id) and pieces"), "SKU=N", many=True, required=True),),
    ),
    Action("merge", _("Merge"), _("put several shipments into the first one's box"), (Stage.REVIEW, Stage.PROCESSING)),
    Action("unmerge", _("Unmerge"), _("give every order its own shipment again"), (Stage.REVIEW, Stage.PROCESSING)),
    Action(
        "take-out",
        _("Take out"),
        _("take one order out of a merged shipment"),
        _OPEN,
        (Option("order", _("order number"), "NUMBER", required=True),),
    ),
    Action("waybill", _("Request waybill"), _("ask the carrier for a number"), (Stage.PROCESSING,)),
    Action(
        "void", _("Void"), _("void the number, back to processing"), (Stage.WAYBILL, Stage.TO_PRINT), irreversible=True
    ),
    Action(
        "abandon", _("Abandon number"), _("give up a number that cannot be voided"), (Stage.WAYBILL,), irreversible=True
    ),
    Action("hand-over", _("No waybill"), _("pickup or same city: on to print without a number"), (Stage.PROCESSING,)),
    Action("to-print", _("Move to print"), _("allocate stock and go on to print"), (Stage.WAYBILL,)),
    Action("in-stock", _("Move to in stock"), _("out of stock → in stock, when enough is free"), (Stage.TO_PRINT,)),
    Action(
        "push",
        _("Push early"),
        _("tell the platform the number before the parcel leaves"),
        (Stage.WAYBILL, Stage.TO_PRINT),
    ),
    Action(
        "print",
        _("Print"),
        _("print labels"),
        (Stage.TO_PRINT,),
        (
            Option("printer", _("printer name; else the default one"), "NAME"),
            Option("copies", _("copies"), "N", default="1"),
            Option("reprint", _("print again; the reason is kept"), "REASON"),
        ),
    ),
    Action(
        "ship",
        _("Ship"),
        _("deduct stock and tell the platform"),
        (Stage.TO_PRINT,),
        (Option("close-refunds", _("ship although that closes open refund requests"), switch=True),),
        irreversible=True,
    ),
    Action(
        "recall",
        _("Recall"),
        _("bring a shipped parcel back before the courier has it"),
        (Stage.SHIPPED,),
        (Option("to", _("where it goes"), default="to_print", choices=("to_print", "close")),),
    ),
    Action("retry", _("Push again"), _("tell the platform again, only what failed"), (Stage.SHIPPED,)),
    Action("ignore", _("Ignore"), _("clear the notice of a failed push; history keeps it"), (Stage.SHIPPED,)),
    Action(
        "collect",
        _("Collected"),
        _("the courier took it"),
        (Stage.SHIPPED,),
        (Option("courier", _("who"), "NAME"),),
    ),
    Action("hold", _("Hold"), _("put aside with a reason"), _OPEN, (Option("reason", _("why")),)),
    Action("release", _("Release"), _("take back from hold"), _OPEN),
    Action(
        "back",
        _("Send back"),
        _("one stage back; allocation released, number voided"),
        (Stage.PROCESSING, Stage.WAYBILL, Stage.TO_PRINT),
        (Option("to", _("where to"), choices=("review", "processing"), default="processing"),),
    ),
    Action(
        "close",
        _("Close"),
        _("close before shipping; allocation released, number voided"),
        _OPEN,
        (Option("reason", _("why")),),
        irreversible=True,
    ),
    Action(
        "keep", _("Keep label"), _("ship with this label although the order changed"), (Stage.WAYBILL, Stage.TO_PRINT)
    ),
)
BY_NAME = {action.name: action for action in ACTIONS}
