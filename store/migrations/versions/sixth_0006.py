"""Shops are told their stock: changes note themselves, and what each shop was told is kept.

Shops that are bound already are told nothing before somebody says so: their numbers were nobody's business here.
"""

import sqlalchemy as sa
from alembic import op

from domain.enums import Stage
from store.database import as_json, from_json
from store.stock_pushes import REBUILD

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_SHIPPED = int(Stage.SHIPPED)
_LINE = """INSERT INTO stock_change (listing_id, pieces) SELECT ol.listing_id, {pieces} FROM order_line ol
    JOIN shipment s ON s.id = {row}.shipment_id
    WHERE ol.id = {row}.order_line_id AND ol.listing_id IS NOT NULL AND s.stage < {shipped}"""
_LEFT_OR_CAME = f"""INSERT INTO stock_change (listing_id, pieces)
    SELECT ol.listing_id, CASE WHEN NEW.stage < {_SHIPPED} THEN sl.quantity ELSE -sl.quantity END
    FROM shipment_line sl JOIN order_line ol ON ol.id = sl.order_line_id
    WHERE sl.shipment_id = NEW.id AND ol.listing_id IS NOT NULL"""
_REMATCHED = f"""INSERT INTO stock_change (listing_id, pieces)
    SELECT x.listing_id, x.sign * sl.quantity FROM shipment_line sl JOIN shipment s ON s.id = sl.shipment_id
    JOIN (SELECT OLD.listing_id AS listing_id, -1 AS sign UNION ALL SELECT NEW.listing_id, 1) x
      ON x.listing_id IS NOT NULL
    WHERE sl.order_line_id = NEW.id AND s.stage < {_SHIPPED}"""
_PART = """INSERT INTO stock_change (variant_id) SELECT id FROM variant
    WHERE id = {row}.variant_id AND tracked = 1"""

# (name, table, when, condition, what). A statement with `NEW` or `OLD` acts on each row on both engines.
TRIGGERS = (
    ("line_added", "shipment_line", "INSERT", "", _LINE.format(pieces="NEW.quantity", row="NEW", shipped=_SHIPPED)),
    (
        "line_changed",
        "shipment_line",
        "UPDATE OF quantity",
        "NEW.quantity <> OLD.quantity",
        _LINE.format(pieces="NEW.quantity - OLD.quantity", row="NEW", shipped=_SHIPPED),
    ),
    ("line_gone", "shipment_line", "DELETE", "", _LINE.format(pieces="-OLD.quantity", row="OLD", shipped=_SHIPPED)),
    (
        "shipment_moved",
        "shipment",
        "UPDATE OF stage",
        f"(NEW.stage < {_SHIPPED}) <> (OLD.stage < {_SHIPPED})",
        _LEFT_OR_CAME,
    ),
    (
        "line_matched",
        "order_line",
        "UPDATE OF listing_id",
        "NEW.listing_id IS DISTINCT FROM OLD.listing_id",
        _REMATCHED,
    ),
    # What follows says only: the platform may have moved its own number.
    (
        "line_cancelled",
        "order_line",
        "UPDATE OF cancelled",
        "NEW.cancelled <> OLD.cancelled AND NEW.listing_id IS NOT NULL",
        "INSERT INTO stock_change (listing_id, pieces) VALUES (NEW.listing_id, 0)",
    ),
    (
        "order_changed",
        "orders",
        "UPDATE OF status",
        "NEW.status <> OLD.status",
        """INSERT INTO stock_change (listing_id, pieces) SELECT DISTINCT listing_id, 0 FROM order_line
           WHERE order_id = NEW.id AND listing_id IS NOT NULL""",
    ),
    (
        "on_hand_moved",
        "stock",
        "UPDATE OF on_hand",
        "NEW.on_hand <> OLD.on_hand",
        "INSERT INTO stock_change (variant_id) VALUES (NEW.variant_id)",
    ),
    (
        "variant_counted",
        "variant",
        "UPDATE OF tracked",
        "NEW.tracked <> OLD.tracked",
        "INSERT INTO stock_change (variant_id) VALUES (NEW.id)",
    ),
    ("part_added", "listing_item", "INSERT", "", _PART.format(row="NEW")),
    (
        "part_changed",
        "listing_item",
        "UPDATE OF quantity",
        "NEW.quantity <> OLD.quantity",
        _PART.format(row="NEW"),
    ),
    ("part_gone", "listing_item", "DELETE", "", _PART.format(row="OLD")),
    (
        "shop_changed",
        "shop",
        "UPDATE OF settings, bound, cut_over, first_import_done",
        """NEW.settings <> OLD.settings OR NEW.bound <> OLD.bound OR NEW.cut_over <> OLD.cut_over
           OR NEW.first_import_done <> OLD.first_import_done""",
        "INSERT INTO stock_change (shop_id) VALUES (NEW.id)",
    ),
)


def _statements(dialect: str) -> list[str]:
    made: list[str] = []
    for name, table, when, condition, what in TRIGGERS:
        if dialect == "sqlite":
            # `IS NOT` is what SQLite before 3.39 calls IS DISTINCT FROM.
            told = condition.replace("IS DISTINCT FROM", "IS NOT")
            whenever = f"WHEN {told} " if told else ""
            made.append(f"CREATE TRIGGER stock_{name} AFTER {when} ON {table} {whenever}BEGIN {what}; END")
        else:
            whenever = f"WHEN ({condition}) " if condition else ""
            made.append(
                f"""CREATE FUNCTION note_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN {what}; RETURN NULL; END $$"""
            )
            made.append(
                f"""CREATE TRIGGER stock_{name} AFTER {when} ON {table} FOR EACH ROW {whenever}
                    EXECUTE FUNCTION note_{name}()"""
            )
    return made


def upgrade() -> None:
    """Make the two tables, count what open shipments want, and let changes note themselves from now on."""
    connection = op.get_bind()
    op.create_table(
        "stock_change",
        sa.Column("id", Id, nullable=False),
        sa.Column("listing_id", Id, nullable=True),
        sa.Column("variant_id", Id, nullable=True),
        sa.Column("shop_id", Id, nullable=True),
        sa.Column("pieces", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_change")),
    )
    op.create_table(
        "stock_push",
        sa.Column("listing_id", Id, nullable=False),
        sa.Column("shop_id", Id, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
            for name in ("wanted", "version")
        ),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("look", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("unsure_at", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False) for name in ("tries", "heat")),
        *(sa.Column(name, sa.Text(), server_default=sa.text("('')"), nullable=False) for name in ("code", "message")),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_stock_push_listing_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_stock_push_shop_id")),
        sa.PrimaryKeyConstraint("listing_id", name=op.f("pk_stock_push")),
    )
    op.create_index("ix_stock_push_due", "stock_push", ["shop_id", "due_at"])
    for shop_id, settings in connection.execute(sa.text("SELECT id, settings FROM shop")).fetchall():
        connection.execute(
            sa.text("UPDATE shop SET settings = :settings WHERE id = :id"),
            {"id": shop_id, "settings": as_json({**from_json(settings), "push_stock": False})},
        )
    for statement in (*REBUILD, *_statements(connection.dialect.name)):
        connection.exec_driver_sql(statement)
