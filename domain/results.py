"""Answers that can be partly refused, and the classes of a third party's answer."""

from msgspec import Struct

from domain.clock import Instant


class Refused(Struct, frozen=True, tag=True):
    """It was not done and will not be by itself. `code` is stable, `message` a sentence for the person who acts."""

    code: str
    message: str
    field: str = ""


class NotActed(Struct, frozen=True, tag=True):
    """The third party has certainly not acted: safe to try again after `retry_after_ms` (None: by our own backoff)."""

    code: str
    message: str
    retry_after_ms: int | None = None


class Unauthorised(Struct, frozen=True, tag=True):
    """The account's credentials were refused; nothing acted. The whole account pauses, its effects stay queued."""

    code: str
    message: str


class Unknown(Struct, frozen=True, tag=True):
    """Nobody knows whether it acted (time-out, cut connection, 5xx after sending). Only a read-back may settle it."""

    code: str
    message: str


class Accepted(Struct, frozen=True, tag=True):
    """Taken over by the third party, result later: read back at `poll_at`."""

    poll_at: Instant
    reference: str = ""


class NotFound(Struct, frozen=True, tag=True):
    """A read-back found no trace of the effect."""
