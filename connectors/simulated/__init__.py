"""Simulated twins: real HTTP servers on loopback that speak a platform's wire format and check what it would check."""
