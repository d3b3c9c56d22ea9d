"""Benchmarks: our program and its limit in the same run. `python -m bench path` is the first of them."""
