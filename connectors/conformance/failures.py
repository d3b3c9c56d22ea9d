"""What goes wrong on the wire, on reads: each failure gets its class and its reason, and a read never claims to have acted."""

from connectors.conformance.case import Cases
from connectors.conformance.ground import Ground, Impatience, holds, same
from connectors.http import Failure
from domain.results import NotActed, Refused, Unauthorised

CASES = Cases()

OFTEN = 60
"""More often than any connector tries again."""

READS: dict[str, tuple[tuple[type[Failure], ...], str]] = {
    "expired_token": ((Unauthorised,), ""),
    "http_403": ((Refused, Unauthorised), ""),
    "http_404": ((Refused,), ""),
    "refused_429": ((NotActed,), "throttled"),
    "throttled_no_header": ((NotActed,), "throttled"),
    "http_500": ((NotActed,), ""),
    "http_502": ((NotActed,), ""),
    "http_503": ((NotActed,), ""),
    "http_503_retry_after": ((NotActed,), "unavailable"),
    "html": ((NotActed,), ""),
    "malformed": ((NotActed,), ""),
    "garbled": ((NotActed,), ""),
    "cut_before": ((NotActed,), "cut_off"),
    "reset_mid_body": ((NotActed,), "cut_off"),
    "timeout_before": ((NotActed,), "timeout"),
}
"""Fault → what a read that meets nothing else answers: the classes allowed, and the reason code where it is the house's."""


def _read(fault: str) -> None:
    classes, code = READS[fault]

    async def run(g: Ground) -> None:
        allowed = (NotActed,) if fault in g.kit.says_nothing else classes
        order = g.make()
        impatience = Impatience()
        shop = g.bind(impatience=impatience)
        await g.read(shop, order)  # Signed in, where that is a call of its own.
        if "timeout" in fault:
            impatience.of(1)
        g.twin.admin("POST", "faults", {"hold_s": 0.7, "retry_after_s": 45})

        async def paged() -> object:
            return [page async for page in shop.orders("", None)]

        async def goods() -> object:
            return [page async for page in shop.products("")]

        calls = {
            "reading by id": lambda: shop.read_orders([order]),
            "reading pages": paged,
            "reading goods": goods,
        }
        for what, call in calls.items():
            g.twin.fail_next(fault, times=OFTEN)
            outcome = await g.refusal(call())
            g.twin.admin("POST", "faults", {"next": [], "forget": True})
            holds(isinstance(outcome, allowed), f"{what} through {fault}: {outcome}")
            same(outcome.code, code or outcome.code, f"the reason of {what} through {fault}")
            if fault in {"refused_429", "http_503_retry_after"}:
                assert isinstance(outcome, NotActed)
                same(outcome.retry_after_ms, 45_000, f"the wait the platform asked for, {what}")
        await g.read(g.bind(), order)

    run.__name__ = f"a_read_through_{fault}"
    CASES.add(run)


for _fault in READS:
    _read(_fault)


@CASES.add
async def a_passing_failure_is_read_through(g: Ground) -> None:
    """One bad answer among good ones is no reason to give up a read."""
    order = g.make()
    for fault in ("http_500", "http_503", "throttled_no_header", "cut_before", "reset_mid_body"):
        g.twin.fail_next(fault)
        await g.read(g.bind(), order)
