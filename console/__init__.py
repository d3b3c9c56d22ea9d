"""What the operator sees and types: the command line now, the Textual app with its screens on top of it.

Nothing here writes SQL or calls a connector; it reads `store.views` and calls `pipeline`.
"""
