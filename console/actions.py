"""One table of actions: what each command is called, what it takes and where it works.

Keys, footer, palette, help, the README's key map and the sub-commands all come from here.
"""

from collections.abc import Mapping, Sequence

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
    """Something a person can do.

    A *command* works on shipments: it is a sub-command, and `run`s in the pipeline under its name. `stages` is where
    `--all` and `--where` look for shipments, `works` where its key acts (default: the same). Others are the console's
    own: places, moves, filters; `sub` names the sub-command that gives the same without a terminal.
    """

    name: str
    title: str
    help: str
    stages: tuple[Stage, ...] = ()
    options: tuple[Option, ...] = ()
    irreversible: bool = False
    """`--all` needs `--yes`."""
    keys: tuple[str, ...] = ()
    """Its keys, the first one shown; an F-key, digit or other key of no alphabet is the twin for input methods."""
    works: tuple[Stage, ...] = ()
    looks: bool = False
    """It only looks: its key acts at once."""
    footer: int = 0
    """Where it stands in the footer: 0 not at all, else its order."""
    sub: str = ""
    command: bool = True

    @property
    def acts_in(self) -> tuple[Stage, ...]:
        """Stages in which its key acts; none = everywhere."""
        return self.works or self.stages


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
        keys=("e",),
        footer=20,
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
        keys=("w",),
        footer=30,
    ),
    Action(
        "flag",
        _("Flag"),
        _("set a colour"),
        _ANY,
        (Option("colour", _("0 none … 10"), "N", required=True),),
        keys=("f",),
        footer=40,
    ),
    Action(
        "assign",
        _("Choose service"),
        _("choose the carrier's service; on a failed waybill it asks again"),
        (Stage.PROCESSING,),
        (Option("service", _("service code, or CARRIER/CODE"), "CODE", required=True),),
        keys=("s",),
        works=(Stage.PROCESSING, Stage.WAYBILL),
        footer=15,
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
        keys=("c",),
        footer=25,
    ),
    Action(
        "split",
        _("Split"),
        _("move pieces into a shipment of their own"),
        (Stage.REVIEW, Stage.PROCESSING),
        (Option("line", _("SKU (or order line id) and pieces"), "SKU=N", many=True, required=True),),
    ),
    Action(
        "merge",
        _("Merge"),
        _("put several shipments into the first one's box"),
        (Stage.REVIEW, Stage.PROCESSING),
        keys=("m",),
        footer=60,
    ),
    Action("unmerge", _("Unmerge"), _("give every order its own shipment again"), (Stage.REVIEW, Stage.PROCESSING)),
    Action(
        "take-out",
        _("Take out"),
        _("take one order out of a merged shipment"),
        _OPEN,
        (Option("order", _("order number"), "NUMBER", required=True),),
    ),
    Action(
        "waybill",
        _("Request waybill"),
        _("ask the carrier for a number"),
        (Stage.PROCESSING,),
        works=(Stage.PROCESSING, Stage.WAYBILL, Stage.TO_PRINT),
    ),
    Action(
        "void", _("Void"), _("void the number, back to processing"), (Stage.WAYBILL, Stage.TO_PRINT), irreversible=True
    ),
    Action(
        "abandon",
        _("Abandon number"),
        _("give up a number that cannot be voided"),
        (Stage.WAYBILL,),
        irreversible=True,
        works=_ANY,
    ),
    Action("hand-over", _("No waybill"), _("pickup or same city: on to print without a number"), (Stage.PROCESSING,)),
    Action("to-print", _("Move to print"), _("allocate stock and go on to print"), (Stage.WAYBILL,)),
    Action("in-stock", _("Move to in stock"), _("out of stock → in stock, when enough is free"), (Stage.TO_PRINT,)),
    Action(
        "push",
        _("Push early"),
        _("tell the platform the number before the parcel leaves"),
        (Stage.WAYBILL, Stage.TO_PRINT),
        keys=("P",),
        footer=45,
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
        keys=("p",),
        works=(Stage.TO_PRINT, Stage.SHIPPED),
        footer=12,
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
    Action(
        "retry",
        _("Push again"),
        _("tell the platform again, only what failed"),
        (Stage.SHIPPED,),
        keys=("t", "f7"),
        footer=12,
    ),
    Action(
        "ignore",
        _("Ignore"),
        _("clear the notice of a failed push; history keeps it"),
        (Stage.SHIPPED,),
        keys=("x",),
        footer=55,
    ),
    Action(
        "collect",
        _("Collected"),
        _("the courier took it"),
        (Stage.SHIPPED,),
        (Option("courier", _("who"), "NAME"),),
    ),
    Action(
        "hold", _("Hold"), _("put aside with a reason"), _OPEN, (Option("reason", _("why")),), keys=("h",), footer=50
    ),
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
        keys=("delete",),
        footer=70,
    ),
    Action(
        "keep", _("Keep label"), _("ship with this label although the order changed"), (Stage.WAYBILL, Stage.TO_PRINT)
    ),
)

_STAGE_KEYS = tuple(
    Action(f"stage_{n}", title, help_, keys=(str(n),), looks=True, command=False, sub=f"list {word}")
    for n, word, title, help_ in (
        (1, "review", _("Review"), _("orders to be looked at")),
        (2, "processing", _("Processing"), _("service and customs")),
        (3, "waybill", _("Waybill"), _("numbers being asked for")),
        (4, "to_print", _("To print"), _("labels, stock, shipping")),
        (5, "shipped", _("Shipped"), _("what left, and what platforms said")),
    )
)


def _own(name: str, title: str, help_: str, *keys: str, looks: bool = True, footer: int = 0, sub: str = "") -> Action:
    return Action(name, title, help_, keys=keys, looks=looks, footer=footer, sub=sub, command=False)


CONSOLE: tuple[Action, ...] = (
    *_STAGE_KEYS,
    _own("jobs", _("Jobs"), _("batches at work and ended"), "6", sub="batch"),
    _own("today", _("Today"), _("what the day is closed by"), "7", sub="stages"),
    _own("stock", _("Stock"), _("on hand, reserved, free, who waits"), "8", sub="stock list"),
    _own(
        "settings", _("Shops and settings"), _("shops, carriers, printers, warehouses, persons"), "9", sub="shop list"
    ),
    _own("everything", _("All orders"), _("every shipment, newest first"), "0", sub="list all", footer=190),
    _own("abnormal", _("Abnormal orders"), _("what could not become an order"), sub="abnormal list"),
    _own(
        "completeness", _("Completeness"), _("per shop and day: what the platform has, what differs"), sub="reconcile"
    ),
    _own(
        "cut_over",
        _("Cut-over"),
        _("what becomes of orders from before the shop was bound"),
        looks=False,
        sub="shop cut-over",
    ),
    _own("left", _("Sub-list left"), _("the sub-list before"), "left"),
    _own("right", _("Sub-list right"), _("the next sub-list"), "right"),
    _own("up", _("Up"), _("one row up"), "up", "k"),
    _own("down", _("Down"), _("one row down"), "down", "j"),
    _own("page_up", _("Page up"), _("one page up"), "pageup"),
    _own("page_down", _("Page down"), _("one page down"), "pagedown"),
    _own("home", _("First row"), _("to the first row"), "home", "g"),
    _own("end", _("Last row"), _("to the last row"), "end", "G"),
    _own("filter", _("Filter"), _("words and field:value; empty shows all"), "/", "f3", footer=140, sub="list --where"),
    _own(
        "problems",
        _("Problems"),
        _("only rows that need a hand"),
        "!",
        "f8",
        footer=150,
        sub="list --where trouble:yes",
    ),
    _own(
        "detail", _("Detail"), _("everything about the row; again: the note is read"), "enter", footer=160, sub="show"
    ),
    _own("last", _("Last batch"), _("what your last batch did and what stayed"), "l", footer=130, sub="batch"),
    _own("help", _("Keys"), _("the keys of this screen"), "?", "f1", footer=170, sub="--help"),
    _own("palette", _("Commands"), _("what can be done with this selection"), ":", "f2", footer=180, sub="--help"),
    _own("sort", _("Turn the order round"), _("earliest or latest deadline first"), "o", sub="list"),
    _own("station", _("Station"), _("scan and pack"), "f10", "i", sub="station"),
    _own("escape", _("Leave"), _("close what is open, then the filter"), "escape"),
    _own("theme", _("Theme"), _("colours of this terminal")),
    _own("language", _("Language"), _("English, 简体中文")),
    _own("mark", _("Mark"), _("mark the row and go down"), "space", "insert", looks=False, footer=110),
    _own("mark_all", _("All"), _("mark the whole list as it is now"), "a", "f6", looks=False, footer=120),
    _own("unmark", _("None"), _("take every mark away"), "A", looks=False),
    _own("mark_range", _("Range"), _("mark from here while moving; again ends it"), "v", looks=False),
    _own("mark_invert", _("Invert"), _("mark what was not marked"), "*", looks=False),
    _own("forward", _("Forward"), _("the next step of this stage"), "n", "f9", looks=False, footer=10),
    _own("backward", _("Back"), _("one step back"), "b", looks=False, footer=65),
    _own("undo", _("Undo"), _("take your last batch back"), "u", "f4", looks=False, footer=80, sub="undo"),
    _own("refresh", _("Refresh"), _("read the list again"), "r", "f5", looks=False),
    _own("sync", _("Sync shops"), _("read the shops now"), "R", looks=False, footer=90, sub="sync"),
    _own("person", _("Person"), _("who is at the keyboard"), "O", looks=False, footer=200, sub="operator"),
    _own("copy", _("Copy"), _("order, waybill, phone or address"), "y", looks=False),
    _own("quit", _("Quit"), _("leave; the worker may go on"), "q", looks=False, footer=210),
)
"""What only the console does. What changes nothing may still wait at the key gate: `q`, `i`, `y` are letters of a scan."""

BY_NAME = {action.name: action for action in ACTIONS}
ALL: dict[str, Action] = {action.name: action for action in (*ACTIONS, *CONSOLE)}
_WAIT_THOUGH_LOOKING = {"i", "q", "y"}

FORWARD: dict[Stage, str] = {
    Stage.REVIEW: "approve",
    Stage.PROCESSING: "waybill",
    Stage.WAYBILL: "to-print",
    Stage.TO_PRINT: "ship",
    Stage.SHIPPED: "collect",
}
"""What `n` does on each stage, where the selection does not say otherwise (`forward_of`)."""


def forward_of(stage: Stage, sublist: str, status: str) -> str:
    """The command of `n`: by the stage, by the sub-list, and for a single row by its status."""
    if stage is Stage.WAYBILL and (sublist == "failed" or status == "failed"):
        return "waybill"
    if stage is Stage.TO_PRINT and (sublist == "out_of_stock" or status == "out_of_stock"):
        return "in-stock"
    return FORWARD[stage]


def backward_of(stage: Stage) -> str:
    """The command of `b`: one step back, on *shipped* the recall."""
    return "recall" if stage is Stage.SHIPPED else "back"


KEY_NAMES: dict[str, str] = {
    "space": "Space",
    "insert": "Ins",
    "enter": "Enter",
    "escape": "Esc",
    "delete": "Del",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    **{f"f{n}": f"F{n}" for n in range(1, 13)},
}


def key_name(key: str) -> str:
    """A key as people write it."""
    return KEY_NAMES.get(key, key)


def keymap(changed: Mapping[str, Sequence[str]]) -> dict[str, Action]:
    """Key → action, with a person's own keys (action name → keys) in place of the table's."""
    found: dict[str, Action] = {}
    for action in ALL.values():
        for key in changed.get(action.name, action.keys):
            found[key] = action
    return found


def only_looks(action: Action | None, key: str) -> bool:
    """May this key act at once?"""
    return action is not None and action.looks and key not in _WAIT_THOUGH_LOOKING
