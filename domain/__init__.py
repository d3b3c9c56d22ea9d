"""What is true without a database, a network or a screen.

Enums, money, addresses, frozen records, reason codes, and the pure decisions over them. Imports nothing of ours.
"""
