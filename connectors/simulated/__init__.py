"""Simulated twins: real HTTP servers on loopback that speak a platform's wire format and check what it would check.

Each twin runs in a process of its own, over an invented world, with faults on demand: `launch.Twin` starts one and opens
its back door (`/_twin/…`); that is all that other packages import from here. Twins are written from the reference pages
and share no code with the connectors they test.
"""
