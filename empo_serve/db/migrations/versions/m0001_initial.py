"""Groups, updates, adapters, settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "groups",
        sa.Column("group_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("query_id", sa.Text, nullable=False, unique=True),
        sa.Column("arrived_at", sa.Float, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("prompt", sa.JSON, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("prompt_token_ids", sa.JSON, nullable=False),
        sa.Column("samples", sa.JSON, nullable=False),
        sa.Column("semantic_ids", sa.JSON, nullable=False),
        sa.Column("semantic_entropy", sa.Float, nullable=False),
        sa.Column("rao_semantic_entropy", sa.Float),
        sa.Column("semantic_entropy_norm", sa.Float, nullable=False),
        sa.Column("num_clusters", sa.Integer, nullable=False),
        sa.Column("band", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("update_id", sa.Integer),
    )
    op.create_index("groups_by_state", "groups", ["state", "group_id"])
    op.create_index("groups_by_update", "groups", ["update_id"])
    op.create_table(
        "updates",
        sa.Column("update_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("parent", sa.Text, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("num_groups", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
        sa.Column("metrics", sa.JSON),
        sa.Column("error", sa.Text),
    )
    op.create_table(
        "adapters",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("engine_name", sa.Text, nullable=False, unique=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("update_id", sa.Integer),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("gate", sa.JSON, nullable=False),
        sa.Column("trained_groups", sa.Integer, nullable=False, server_default=sa.text("0")),
    )
    op.create_index(
        "one_live_adapter",
        "adapters",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'LIVE'"),
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
    )
