"""Many things at once, for long: chaos, no network, sleep, clocks that are wrong. `python -m tests.chaos --help`."""
