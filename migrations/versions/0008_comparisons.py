"""Comparisons of a draft with past requests.

A rule set has at most one that is not over: a partial unique index, so that two callers at once cannot start two.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table."""
    op.execute(
        """
        CREATE TABLE comparisons (
            id uuid NOT NULL,
            ruleset text NOT NULL,
            client_id uuid NOT NULL,
            definition jsonb NOT NULL,
            content_hash bytea NOT NULL,
            tables jsonb NOT NULL,
            baseline text,
            asked integer NOT NULL,
            state text NOT NULL DEFAULT 'pending',
            reason text,
            step integer NOT NULL DEFAULT 0,
            cursor uuid NOT NULL,
            total integer NOT NULL,
            seen integer NOT NULL DEFAULT 0,
            to_invalid integer NOT NULL DEFAULT 0,
            to_valid integer NOT NULL DEFAULT 0,
            otherwise integer NOT NULL DEFAULT 0,
            errors integer NOT NULL DEFAULT 0,
            result jsonb NOT NULL DEFAULT '{}',
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            started_at timestamptz,
            moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            finished_at timestamptz,
            CONSTRAINT comparisons_pkey PRIMARY KEY (id),
            CONSTRAINT comparisons_state_check
                CHECK (state IN ('pending', 'running', 'done', 'failed', 'canceled'))
        )
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX comparisons_open_idx ON comparisons (ruleset) WHERE state IN ('pending', 'running')"
    )
    op.execute("CREATE INDEX comparisons_ruleset_id_idx ON comparisons (ruleset, id)")


def downgrade() -> None:
    """Remove the table."""
    op.execute("DROP TABLE comparisons")
