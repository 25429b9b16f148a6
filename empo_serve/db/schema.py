"""The tables. Migrations in migrations/ bring a database to exactly this."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, Index, Integer, MetaData, Table, Text, text

metadata = MetaData()

groups = Table(
    "groups",
    metadata,
    Column("group_id", Integer, primary_key=True, autoincrement=True),
    Column("query_id", Text, nullable=False, unique=True),
    Column("arrived_at", Float, nullable=False),  # unix seconds
    Column("route", Text, nullable=False),
    Column("prompt", JSON, nullable=False),  # the fields of the request that made the prompt
    Column("question", Text, nullable=False),
    Column("version", Text, nullable=False),  # the adapter version that sampled
    Column("prompt_token_ids", JSON, nullable=False),
    Column("samples", JSON, nullable=False),  # [{text, finish_reason, token_ids, logprobs, answer}]
    Column("semantic_ids", JSON, nullable=False),
    Column("semantic_entropy", Float, nullable=False),  # nats
    Column("rao_semantic_entropy", Float),
    Column("semantic_entropy_norm", Float, nullable=False),
    Column("num_clusters", Integer, nullable=False),
    Column("band", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("update_id", Integer),  # the update that holds it, or trained on it
    # Whose API key asked.
    Column("principal", Text, nullable=False, server_default=text("'anonymous'")),
    # 1: never trained on, since the gate asks it.
    Column("heldout", Integer, nullable=False, server_default=text("0")),
    # The version that it trained, or that sampled it, and that was taken back: never again.
    Column("quarantined", Text),
    Index("groups_by_state", "state", "group_id"),
    Index("groups_by_update", "update_id"),
)

updates = Table(
    "updates",
    metadata,
    Column("update_id", Integer, primary_key=True, autoincrement=True),
    Column("state", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("version", Text),
    Column("num_groups", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("metrics", JSON),
    Column("error", Text),
)

adapters = Table(
    "adapters",
    metadata,
    Column("number", Integer, primary_key=True),  # v<number>
    Column("engine_name", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("parent", Text),
    Column("update_id", Integer),
    Column("created_at", Float, nullable=False),
    Column("gate", JSON, nullable=False),
    Column("trained_groups", Integer, nullable=False, server_default=text("0")),
    Column("canary", JSON),  # how it did on a share of the traffic beside its parent
    # At most one version is live, whatever the code does.
    Index("one_live_adapter", "state", unique=True, sqlite_where=text("state = 'LIVE'")),
)

feedback = Table(
    "feedback",
    metadata,
    Column("query_id", Text, primary_key=True),  # its group may not be stored, or no longer
    Column("principal", Text, nullable=False),  # whose API key asked, and rated
    Column("version", Text, nullable=False),  # that answered
    Column("score", Float, nullable=False),  # -1 to 1
    Column("comment", Text),
    Column("arrived_at", Float, nullable=False),  # of the query, unix seconds
    Column("rated_at", Float, nullable=False),  # unix seconds
    Index("feedback_by_principal", "principal"),
    Index("feedback_by_time", "rated_at"),
)

settings = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSON, nullable=False),
)
