"""A worker whose leases are short, so that a process which stands still loses them within seconds."""

from console.cli import main
from pipeline import effects


def work(lease_ms: int, _life: int) -> int:
    """Until SIGTERM."""
    effects.LEASE_MS = lease_ms
    return main(["worker", "--verbose"])
