"""What goes wrong on the wire while the platform is being told: every call of a push fails in every way.

Whatever the outcome claims must be true on the platform, and going on from it as the pipeline does must end with the
number told once and the order done.
"""

import msgspec

from connectors.conformance.case import Cases
from connectors.conformance.ground import Ground, Impatience, holds, same
from connectors.contract import Push, Pushed, PushedInPart, PushOutcome, ShopConnector
from domain.enums import DONE_ORDER
from domain.results import NotActed, NotFound, Refused, Unauthorised, Unknown

CASES = Cases()

ROUNDS = 6
"""So often the pipeline looks and tells again before a person is asked."""

CERTAIN = (NotActed, Refused, Unauthorised)
"""Outcomes that claim the platform has not acted."""

WRITES: dict[str, tuple[type, ...]] = {
    "expired_token": (Unauthorised,),
    "http_403": (Refused, Unauthorised),
    "http_404": (Refused,),
    "refused_429": (NotActed,),
    "throttled_no_header": (NotActed,),
    "http_500": (Unknown,),
    "http_502": (Unknown,),
    "http_503": (Unknown,),
    "http_503_retry_after": (NotActed,),
    "html": (Unknown,),
    "cut_before": (Unknown,),
    "timeout_before": (Unknown,),
    "http_500_after": (Unknown,),
    "malformed": (Unknown,),
    "garbled": (Unknown,),
    "cut_after": (Unknown,),
    "reset_mid_body": (Unknown,),
    "timeout_after": (Unknown,),
}
"""Fault → what a push may answer when a call of it that writes meets the fault. `Pushed` too, where it is true."""


async def _calls(g: Ground, shop: ShopConnector, finish: bool = True) -> int:
    """How many calls a push makes."""
    push = await g.push_of(shop, g.make(), "CF300000000", finish=finish)

    def made() -> int:
        return sum(g.twin.admin("GET", "calls")["calls"].values())

    before = made()
    [outcome] = await g.told(shop, push)
    holds(isinstance(outcome, Pushed), f"a push without faults: {outcome}")
    return made() - before


async def _settle(g: Ground, shop: ShopConnector, push: Push, outcome: PushOutcome) -> PushOutcome:
    """Go on from an outcome as the pipeline does: look where nobody knows, tell again where it was not done."""
    for _round in range(ROUNDS):
        if isinstance(outcome, Pushed | Refused):
            break
        if isinstance(outcome, Unknown):
            [found] = await g.said(shop.find_push([push]))
            if not isinstance(found, NotFound):
                outcome = found
                continue
        change = {"retry": True, "tell": not isinstance(outcome, PushedInPart)}
        [outcome] = await g.told(shop, msgspec.structs.replace(push, **change))
    return outcome


def _write(fault: str, finish: bool = True) -> None:
    async def run(g: Ground) -> None:
        if not finish:
            g.declares("push_early")
        g.twin.admin("POST", "faults", {"hold_s": 0.7, "retry_after_s": 45})
        impatience = Impatience()
        shop = g.bind(impatience=impatience)
        calls = await _calls(g, shop, finish)
        met = 0
        for place in range(calls):
            order = g.make()
            push = await g.push_of(shop, order, f"CF3{place:08d}", finish=finish)
            # A read is tried again, so that one fault passes by; a write is not: only there one is seen.
            g.twin.fail_next(fault, skip=place)
            if "timeout" in fault:
                impatience.of(place + 1, place + 1)
            [outcome] = await g.told(shop, push)
            g.twin.admin("POST", "faults", {"next": [], "forget": True})
            where = f"{fault} at call {place + 1} of {calls}"
            there = g.numbers(order)
            if isinstance(outcome, Pushed | PushedInPart):
                same(there, [push.number], f"numbers told where the push says {outcome}, {where}")
            elif isinstance(outcome, NotActed | Unauthorised):  # A refusal may come after a first step was taken.
                same(there, [], f"numbers told where the push says {outcome}, {where}")
            if not isinstance(outcome, Pushed):
                met += 1
                # Once something was written, a read-back that fails leaves nobody knowing.
                classes = (*WRITES[fault], PushedInPart, *_softer(g, fault), *((Unknown,) if there else ()))
                holds(isinstance(outcome, classes), f"the push with {where}: {outcome}")
                if isinstance(outcome, NotActed) and fault in {"refused_429", "http_503_retry_after"}:
                    same(outcome.retry_after_ms, 45_000, f"the wait the platform asked for, {where}")
            end = await _settle(g, shop, push, outcome)
            if isinstance(end, Refused):  # A wrong refusal may be mended by a person who tells it again.
                end = await _settle(g, shop, push, (await g.told(shop, msgspec.structs.replace(push, retry=True)))[0])
            holds(isinstance(end, Pushed), f"after {where} it ends as {end}")
            same(g.numbers(order), [push.number], f"numbers told in the end, after {where}")
            done = (await g.read(shop, order)).status in DONE_ORDER
            holds(done or not finish, f"after {where} the order is done")
        if fault == "http_500":
            holds(met, "a push that meets an error while it writes says so")

    run.__name__ = f"{'a' if finish else 'an_early'}_push_through_{fault}"
    CASES.add(run)


def _softer(g: Ground, fault: str) -> tuple[type, ...]:
    return (Unknown, NotActed) if fault in g.kit.says_nothing else ()


for _fault in WRITES:
    _write(_fault)
for _fault in ("cut_after", "http_500_after", "http_500"):
    # No status yet stands guard against a second telling.
    _write(_fault, finish=False)


@CASES.add
async def a_push_that_arrives_late_is_told_once(g: Ground) -> None:
    """The call is cut off and acts afterwards: unknown at first, found when it has arrived, never told twice."""
    shop = g.bind()
    calls = await _calls(g, shop)
    for place in range(calls):
        order = g.make()
        push = await g.push_of(shop, order, f"CF4{place:08d}")
        g.twin.fail_next("acts_late", skip=place)
        [outcome] = await g.told(shop, push)
        g.twin.admin("POST", "release")
        if isinstance(outcome, CERTAIN):
            same(g.numbers(order), [], f"numbers told in the end, where the push says {outcome}")
        end = await _settle(g, shop, push, outcome)
        where = f"after call {place + 1} of {calls} came late"
        holds(isinstance(end, Pushed), f"{where} it ends as {end}")
        same(g.numbers(order), [push.number], f"numbers told, {where}")


@CASES.add
async def looking_up_says_that_it_could_not_look(g: Ground) -> None:
    """A read-back that fails proves nothing: never `NotFound`, never `Pushed`, never `Refused`."""
    shop, order = g.bind(), g.make()
    push = await g.push_of(shop, order, "CF500000001")
    for fault in ("http_500", "html", "http_403", "http_404", "refused_429", "garbled"):
        g.twin.fail_next(fault, times=60)
        [found] = await g.said(shop.find_push([push]))
        g.twin.admin("POST", "faults", {"next": [], "forget": True})
        holds(isinstance(found, Unknown | NotActed | Unauthorised), f"looked up through {fault}: {found}")
