"""Who asked: the name of the API key, for each group. There were no keys before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "groups",
        sa.Column("principal", sa.Text, nullable=False, server_default=sa.text("'anonymous'")),
    )
