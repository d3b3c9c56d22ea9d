"""People, and indexes in the order in which a stage is worked off."""

import sqlalchemy as sa
from alembic import op

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operator",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("lead", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("active", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.CheckConstraint("role IN ('admin', 'operator', 'owner', 'viewer')", name=op.f("ck_operator_role")),
        sa.CheckConstraint("lead IN (0, 1)", name=op.f("ck_operator_lead")),
        sa.CheckConstraint("active IN (0, 1)", name=op.f("ck_operator_active")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator")),
        sa.UniqueConstraint("name", name=op.f("uq_operator_name")),
        sa.UniqueConstraint("name_key", name=op.f("uq_operator_name_key")),
    )
    op.create_index(
        "uq_operator_owner",
        "operator",
        ["role"],
        unique=True,
        sqlite_where=sa.text("role = 'owner' AND active = 1"),
        postgresql_where=sa.text("role = 'owner' AND active = 1"),
    )
    op.drop_index("ix_shipment_open", "shipment")
    op.drop_index("ix_shipment_stage_status", "shipment")
    # As plain statements: they are the same on both engines, and no table is copied for them.
    op.execute("CREATE INDEX ix_shipment_queue ON shipment (stage, coalesce(ship_by, 9007199254740991), id)")
    op.execute(
        "CREATE INDEX ix_shipment_status_queue ON shipment (stage, status, coalesce(ship_by, 9007199254740991), id)"
    )
    op.execute(
        """CREATE INDEX ix_shipment_attention
           ON shipment (stage, coalesce(ship_by, 9007199254740991), id, flags, status, hold_reason, ship_by)
           WHERE (flags & 22431) <> 0 OR hold_reason <> '' OR status IN ('failed', 'unknown')"""
    )
