"""Named steps of everything that may be interrupted, so that tests can kill or freeze the process at each of them.

A step `….writing` lies inside a write transaction, right before its commit; all others lie between transactions.
"""

from collections.abc import Callable


class Steps:
    """`hook` is told each step as it is passed; nobody listens in normal use."""

    hook: Callable[[str], object] | None = None


def step(name: str) -> None:
    """Pass a named step."""
    if Steps.hook is not None:
        Steps.hook(name)
