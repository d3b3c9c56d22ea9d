"""The closed sets of the pipeline. Text values are stored and shown to programs as they stand here."""

from enum import IntEnum, IntFlag, StrEnum


class Stage(IntEnum):
    """Where a shipment is. The order is the order of work; open stages are those before SHIPPED."""

    REVIEW = 1
    PROCESSING = 2
    WAYBILL = 3
    TO_PRINT = 4
    SHIPPED = 5
    CLOSED = 6

    @property
    def word(self) -> str:
        """The name used on the command line and in JSON (`to_print`)."""
        return self.name.lower()


class Status(StrEnum):
    """The sub-status of a shipment within its stage (`STATUSES` says which belong where)."""

    OPEN = "open"
    READY = "ready"
    REQUESTING = "requesting"
    WAITING = "waiting"
    OBTAINED = "obtained"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CLOSING = "closing"
    IN_STOCK = "in_stock"
    OUT_OF_STOCK = "out_of_stock"
    CHECKING = "checking"
    PUSHING = "pushing"
    SUCCEEDED = "succeeded"
    IGNORED = "ignored"
    OUTSIDE = "outside"
    ELSEWHERE = "elsewhere"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    MERGED = "merged"
    EMPTY = "empty"
    DISCARDED = "discarded"


STATUSES: dict[Stage, frozenset[Status]] = {
    Stage.REVIEW: frozenset({Status.OPEN}),
    Stage.PROCESSING: frozenset({Status.OPEN, Status.READY}),
    Stage.WAYBILL: frozenset(
        {Status.REQUESTING, Status.WAITING, Status.OBTAINED, Status.FAILED, Status.UNKNOWN, Status.CLOSING}
    ),
    Stage.TO_PRINT: frozenset({Status.IN_STOCK, Status.OUT_OF_STOCK, Status.CHECKING}),
    Stage.SHIPPED: frozenset(
        {
            Status.PUSHING,
            Status.SUCCEEDED,
            Status.FAILED,
            Status.UNKNOWN,
            Status.IGNORED,
            Status.OUTSIDE,
            Status.ELSEWHERE,
        }
    ),
    Stage.CLOSED: frozenset({Status.CANCELLED, Status.REFUNDED, Status.MERGED, Status.EMPTY, Status.DISCARDED}),
}


class Flag(IntFlag):
    """Facts that stand beside the stage of a shipment."""

    # A row of the list asks its number for a dozen of them: as `int` does it, ten times as quick as an enumeration.
    __rand__ = int.__rand__  # type: ignore[assignment]

    AFTER_SALE = 1
    """A blocking after-sale case is open on the platform."""
    LINES_CHANGED = 2
    """The platform's quantities no longer match what the waybill was made from (or what is assigned)."""
    LABEL_STALE = 4
    """The address changed after the label was made."""
    CHANGED = 8
    """The platform changed the order; an operator's own correction won or the parcel had left."""
    PULL = 16
    """Printed, then cancelled: the parcel must be pulled out by hand."""
    MERGED = 32
    SPLIT = 64
    FIRST_IMPORT = 128
    """Open order of the shop's first import, waiting for the operator's cut-over."""
    TOLD_NOT_SENT = 256
    """The platform was told shipped, the parcel was recalled."""
    STOPPED = 512
    """Cancelled or refunded on the platform; nothing may be sent."""
    UNMATCHED = 1024
    """A line has no variant of ours."""
    KEPT = 2048
    """The operator decided to ship although the lines changed."""
    UNPAID = 4096
    """Not payable yet."""
    ELSEWHERE = 8192
    """The platform shows another tracking number than ours."""
    NOTE_UNREAD = 16384
    """The buyer left a note that nobody has read."""


class OrderStatus(StrEnum):
    """A platform's order status in our words; the platform's own word is kept beside it."""

    UNPAID = "unpaid"
    ON_HOLD = "on_hold"
    OPEN = "open"
    SHIPPED = "shipped"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    FAILED = "failed"
    DELETED = "deleted"


DEAD_ORDER = frozenset({OrderStatus.CANCELLED, OrderStatus.REFUNDED, OrderStatus.DELETED})
DONE_ORDER = frozenset({OrderStatus.SHIPPED, OrderStatus.COMPLETED})


class OrderKind(StrEnum):
    """How the goods reach the buyer."""

    DELIVERY = "delivery"
    PICKUP_POINT = "pickup_point"
    PICKUP = "pickup"
    SAME_CITY = "same_city"
    VIRTUAL = "virtual"


class Payment(StrEnum):
    """How the order is paid. MARKED: the platform keeps the money and marks the order paid."""

    PREPAID = "prepaid"
    ON_DELIVERY = "on_delivery"
    MARKED = "marked"


class PrintState(StrEnum):
    """Whether the label is on paper."""

    NONE = "none"
    ASKED = "asked"
    SENT = "sent"
    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"


class Submission(StrEnum):
    """What a platform has been told of one (shipment, order) pair."""

    NONE = "none"
    TRACKING_SENT = "tracking_sent"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class WaybillState(StrEnum):
    """The life of one generation of a waybill."""

    REQUESTING = "requesting"
    WAITING = "waiting"
    OBTAINED = "obtained"
    UNKNOWN = "unknown"
    FAILED = "failed"
    VOIDING = "voiding"
    VOID = "void"
    ABANDONED = "abandoned"


LIVE_WAYBILL = frozenset({WaybillState.REQUESTING, WaybillState.WAITING, WaybillState.OBTAINED, WaybillState.UNKNOWN})
"""At most one waybill of a shipment is in these states; the schema enforces it."""


class EffectState(StrEnum):
    """The life of an effect on a third party (design §4)."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"
    PARKED = "parked"


UNSETTLED_EFFECT = frozenset({EffectState.QUEUED, EffectState.RUNNING, EffectState.UNKNOWN})


class Op(StrEnum):
    """The kinds of effects."""

    REQUEST_WAYBILL = "request_waybill"
    VOID_WAYBILL = "void_waybill"
    PUSH = "push"
    CHECK = "check"
    PRINT = "print"
