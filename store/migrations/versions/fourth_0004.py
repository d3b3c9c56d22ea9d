"""Terminals are seen beside workers, so that nobody changes the schema under them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("worker", sa.Column("kind", sa.Text(), server_default=sa.text("'worker'"), nullable=False))
