"""What is held out and quarantined, how a canary did, and what users thought of answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "groups", sa.Column("heldout", sa.Integer, nullable=False, server_default=sa.text("0"))
    )
    op.add_column("groups", sa.Column("quarantined", sa.Text))
    op.add_column("adapters", sa.Column("canary", sa.JSON))
    op.create_table(
        "feedback",
        sa.Column("query_id", sa.Text, primary_key=True),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("comment", sa.Text),
        sa.Column("arrived_at", sa.Float, nullable=False),
        sa.Column("rated_at", sa.Float, nullable=False),
    )
    op.create_index("feedback_by_principal", "feedback", ["principal"])
    op.create_index("feedback_by_time", "feedback", ["rated_at"])
