"""Names are found by an index over their words (`domain.search`)."""

import sqlalchemy as sa
from alembic import op

from domain.search import words_of
from domain.text import full_name

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BLOCK = 5_000

# A table-valued function of the same name and shape on both engines: `SELECT rowid FROM buyer_words(:question)`.
SQLITE = (
    """CREATE VIRTUAL TABLE buyer_words USING fts5 (
        words, content='buyer', content_rowid='order_id', detail=none, columnsize=0, prefix='1 2 3', tokenize='ascii')""",
    "INSERT INTO buyer_words (buyer_words) VALUES ('rebuild')",
    """CREATE TRIGGER buyer_words_added AFTER INSERT ON buyer BEGIN
        INSERT INTO buyer_words (rowid, words) VALUES (NEW.order_id, NEW.words); END""",
    """CREATE TRIGGER buyer_words_changed AFTER UPDATE OF words ON buyer WHEN OLD.words <> NEW.words BEGIN
        INSERT INTO buyer_words (buyer_words, rowid, words) VALUES ('delete', OLD.order_id, OLD.words);
        INSERT INTO buyer_words (rowid, words) VALUES (NEW.order_id, NEW.words); END""",
    """CREATE TRIGGER buyer_words_gone AFTER DELETE ON buyer BEGIN
        INSERT INTO buyer_words (buyer_words, rowid, words) VALUES ('delete', OLD.order_id, OLD.words); END""",
)
_VECTOR = "array_to_tsvector(string_to_array(words, ' '))"
POSTGRESQL = (
    f"CREATE INDEX ix_buyer_words ON buyer USING gin ({_VECTOR})",
    # The question as SQLite's index takes it, turned into PostgreSQL's: its words hold no sign of either.
    f"""CREATE FUNCTION buyer_words(question text) RETURNS TABLE (rowid bigint) LANGUAGE sql STABLE AS $$
        SELECT order_id FROM buyer WHERE {_VECTOR} @@
            CAST(replace(replace(replace(question, ' ', ' & '), '*', ':*'), '"', '''') AS tsquery) $$""",
)


def upgrade() -> None:
    """Add the column, fill it, index it."""
    connection = op.get_bind()
    op.add_column("buyer", sa.Column("words", sa.Text(), server_default=sa.text("('')"), nullable=False))
    last = 0
    while rows := connection.execute(
        sa.text(
            """SELECT b.order_id, b.first_name, b.last_name, a.name, a.company FROM buyer b
               JOIN orders o ON o.id = b.order_id LEFT JOIN address a ON a.id = o.address_id
               WHERE b.order_id > :last ORDER BY b.order_id LIMIT :n"""
        ),
        {"last": last, "n": BLOCK},
    ).fetchall():
        last = rows[-1][0]
        filled = [{"id": i, "words": words_of(full_name(f, ln), name or "", co or "")} for i, f, ln, name, co in rows]
        connection.execute(sa.text("UPDATE buyer SET words = :words WHERE order_id = :id"), filled)
    for order_id, name in connection.execute(
        sa.text(
            """SELECT s.order_id, a.name FROM shipment s JOIN address a ON a.id = s.address_id
               JOIN buyer b ON b.order_id = s.order_id WHERE a.name <> ''"""
        )
    ).fetchall():
        held = connection.execute(
            sa.text("SELECT words FROM buyer WHERE order_id = :id"), {"id": order_id}
        ).scalar_one()
        connection.execute(
            sa.text("UPDATE buyer SET words = :words WHERE order_id = :id"),
            {"id": order_id, "words": words_of(held, name)},
        )
    for statement in SQLITE if connection.dialect.name == "sqlite" else POSTGRESQL:
        connection.exec_driver_sql(statement)
