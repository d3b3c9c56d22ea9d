"""The smallest Textual apps that do what the console does: what Textual itself costs on this machine, this minute.

`python -m bench.peer_apps minimal` shows one text; `table FILE` a DataTable of the first 1,000 rows of a database.
Each imports no more than it needs.
"""

import sys

from textual.app import App

READY = "peer ready"
TABLE_ROWS = """SELECT printf('K%06d', s.id), s.stage, s.status, o.number, a.name, a.city, a.country, o.total_minor,
    s.ship_by, s.changed_at FROM shipment s JOIN orders o ON o.id = s.order_id JOIN address a ON a.id = o.address_id
    ORDER BY s.id DESC LIMIT {limit}"""
"""Ten columns of orders, newest first."""
TITLES = ("Code", "Stage", "Status", "Number", "Name", "City", "Country", "Total", "By", "Changed")


def minimal() -> App[None]:
    """One text."""
    from textual.widgets import Static

    class Minimal(App[None]):
        def compose(self) -> list[Static]:
            return [Static(READY)]

    return Minimal()


def table(file: str) -> App[None]:
    """A thousand orders in the library's own table."""
    import sqlite3

    from textual.widgets import DataTable

    class Table(App[None]):
        def compose(self) -> list[DataTable[str]]:
            return [DataTable(cursor_type="row")]

        def on_mount(self) -> None:
            shown = self.query_one(DataTable)
            shown.add_columns(*TITLES)
            connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
            for row in connection.execute(TABLE_ROWS.format(limit=1_000)):
                shown.add_row(*(str(value) for value in row))
            shown.focus()

    return Table()


if __name__ == "__main__":
    (minimal() if sys.argv[1] == "minimal" else table(sys.argv[2])).run(mouse=False)
