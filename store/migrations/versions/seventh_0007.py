"""Pieces that the platform says have left are kept, so that what left elsewhere is not sent again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A column that begins at none: the next version of each order brings it."""
    op.add_column("order_line", sa.Column("fulfilled", sa.BigInteger(), nullable=False, server_default="0"))
