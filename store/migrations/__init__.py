"""Schema revisions, run by themselves when a database is opened."""
