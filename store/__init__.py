"""What is kept: schema, transactions, reads for the screen, stock ledger, outbox, migrations, backup.

The only package that holds SQL. Instants are integer milliseconds UTC, amounts integer minor units. It knows nothing of
connectors; the pipeline decides, the store keeps and refuses what must never be.
"""
