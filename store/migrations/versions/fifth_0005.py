"""Each day of each shop can be proved complete; every shop bound already begins with a proof of its last days."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _text(name: str, default: str = "") -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), server_default=sa.text(f"'{default}'"), nullable=False)


def _count(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "proof",
        sa.Column("shop_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        *(_count(name) for name in ("listed", "held", "excluded", "abnormal", "missing", "strangers")),
        _text("reasons", "{}"),
        _text("differing", "[]"),
        sa.Column("proved_at", sa.BigInteger(), nullable=True),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        _text("code"),
        _text("message"),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_proof_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "day", name=op.f("pk_proof")),
    )
    stands_open = sa.text("code <> '' OR missing + strangers > 0")
    op.create_index("ix_proof_open", "proof", ["shop_id"], sqlite_where=stands_open, postgresql_where=stands_open)
    op.add_column("shop", sa.Column("expires_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_orders_created", "orders", ["shop_id", "created_at"])
    op.execute(
        """INSERT INTO sync_task (account, kind, every_ms, due_at)
           SELECT 'shop:' || id, 'reconcile', 86400000, 0 FROM shop WHERE bound = 1"""
    )
