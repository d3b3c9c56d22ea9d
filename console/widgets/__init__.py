"""What every screen is built of: fixed lines, a list of rows, and a pane of text. They draw; they know no database."""
